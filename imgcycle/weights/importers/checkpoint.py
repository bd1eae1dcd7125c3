"""Read the tensors of a file, by dotted names, from any nesting of dicts."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from imgcycle.errors import WeightsError, reported
from imgcycle.weights.contents import AGAIN, in_short, kind_of_weights, safetensors_header
from imgcycle.weights.importers.layout import State
from imgcycle.weights.importers.pickle_machine import Damaged, ForeignObject
from imgcycle.weights.importers.pickles import check_pickle
from imgcycle.weights.importers.tensors import StorageBlock, View

_DEEPEST, _MOST, _LONGEST = 10, 20_000, 300
_WRAPPERS = {"module", "_orig_mod"}
"""Words that DataParallel and torch.compile add to names."""
_LEAVES = ("weight", "bias", "gamma", "beta", "running_mean", "running_var")
_ARRAYS = ("._reconstruct", "._frombuffer")
"""Functions by which NumPy creates an array."""
_LOOKED_INTO = (Tensor, View, ForeignObject, dict, list, tuple)


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file by name, in its order.

    `hidden` are the names of values that only foreign code could create and that hold tensors or stand for parameters,
    with the name of that code. `notes` describe what is unusual about the file.
    """

    state: State
    hidden: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def read_checkpoint(path: Path) -> Checkpoint:
    """Read the tensors of a PyTorch or safetensors file, on the CPU; the kind is found from its content, and nothing in
    it is executed or imported.

    WeightsError for a file that is something else, damaged, tries to run commands, or claims more than it holds.
    """
    if kind_of_weights(path) != "pickle":
        return Checkpoint(flatten(_read_safetensors(path)))
    declared = check_pickle(path)
    found = _walk(declared.tree)
    leaves, hidden = _tensors(found), _hidden(found)
    if len(leaves) > _MOST:
        raise WeightsError(f"{path} holds more than {_MOST:,} tensors, far more than a generator has")
    try:
        with reported(WeightsError, f"{path} cannot be read"):
            state = {name: declared.tensor(leaf) for name, leaf in leaves.items()}
    except Damaged as error:
        raise WeightsError(f"{path} is refused: {error}", AGAIN) from error
    return Checkpoint(state, hidden, declared.notes)


def _read_safetensors(path: Path) -> State:
    import safetensors.torch

    safetensors_header(path)  # reports what is wrong with an incomplete file
    try:
        return dict(safetensors.torch.load_file(path))
    # The library has exceptions of its own for damage, and Python's for dtypes that this PyTorch lacks.
    except Exception as error:
        raise WeightsError(f"{path} cannot be read as weights: {in_short(error)}", AGAIN) from error


def flatten(tree: Any) -> dict[str, Any]:
    """All plain tensors of nested dicts and lists, each named by its path; repeated objects are skipped.

    Limits keep a file that refers to itself from growing without end.
    """
    return _tensors(_walk(tree))


def _tensors(found: list[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in found if name and not isinstance(value, ForeignObject)}


def _hidden(found: list[tuple[str, Any]]) -> dict[str, str]:
    """Names and classes of foreign objects that hold tensors, are the only content, or are arrays in place of a
    parameter.
    """
    hidden: dict[str, str] = {}
    seen: set[int] = set()
    for name, value in found:
        if isinstance(value, ForeignObject):
            is_array = value.name.endswith(_ARRAYS) and name.rpartition(".")[2] in _LEAVES
            if (_holds_tensors(value, seen) or is_array or not name) and len(hidden) < _MOST:
                hidden[name] = value.name
    return hidden


def _walk(tree: Any) -> list[tuple[str, Any]]:
    """Tensors and foreign objects of nested dicts and lists, in the order of the file, each with its path."""
    found: list[tuple[str, Any]] = []
    seen: set[int] = set()
    # A stack of values to visit, last first, so that the order of the file is kept.
    left: list[tuple[str, int, Any]] = [("", 0, tree)]
    while left:
        path, depth, value = left.pop()
        if isinstance(value, Tensor | View | ForeignObject):
            found.append((path, value))
        elif isinstance(value, dict | list | tuple) and id(value) not in seen and depth < _DEEPEST:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            # Logs of millions of numbers are skipped here, not visited one by one.
            inner = [(key, each) for key, each in items if isinstance(each, _LOOKED_INTO) and id(each) not in seen]
            words = [(str(key) if isinstance(key, int) else _word(key), each) for key, each in reversed(inner)]
            names = [(f"{path}.{word}" if path else word, each) for word, each in words]
            left += [(name.strip("."), depth + 1, each) for name, each in names if len(name) <= _LONGEST]
    return found


@functools.lru_cache(1024)
def _word(key: Any) -> str:
    """An item's part of a name: a dict's key without words of wrappers, or an index in a list."""
    text = str(key)
    return text if len(text) > _LONGEST else ".".join(word for word in text.split(".") if word not in _WRAPPERS)


def _holds_tensors(foreign: ForeignObject, seen: set[int]) -> bool:
    """True if a foreign object holds tensors; objects seen before are skipped."""
    left: list[Any] = [foreign]
    holds = False
    while left:
        value = left.pop()
        if isinstance(value, View | StorageBlock):
            holds = True
        elif isinstance(value, ForeignObject | dict | list | tuple) and id(value) not in seen:
            seen.add(id(value))
            left += (
                value.parts
                if isinstance(value, ForeignObject)
                else value.values()
                if isinstance(value, dict)
                else value
            )
    return holds

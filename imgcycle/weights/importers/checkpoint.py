"""From a file to the tensors in it, by dotted names, wherever in nested dicts they were."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import State
from imgcycle.weights.importers.pickles import check_pickle

_DEEPEST, _MOST, _LONGEST = 10, 100_000, 300
_WRAPPERS = {"module", "_orig_mod"}
"""What DataParallel and torch.compile put into names."""


def read_checkpoint(path: Path) -> State:
    """The tensors of a PyTorch or safetensors file, on the CPU, in its order; nothing in it is executed.

    WeightsError for a file that is damaged, would run code, or claims more than it holds.
    """
    if not path.is_file():
        raise WeightsError(f"there is no weights file {path}")
    if path.suffix.lower() == ".safetensors":
        return flatten(_read_safetensors(path))
    check_pickle(path)
    try:
        tree = torch.load(path, map_location="cpu", weights_only=True)
    # What PyTorch makes of a hostile file is as open as what is in it.
    except Exception as error:
        # Its advice on files it will not open is how to open them all the same; ours is not.
        refused = isinstance(error, pickle.UnpicklingError) or not str(error).strip()
        why = "PyTorch refuses it" if refused else str(error).strip().splitlines()[0]
        raise WeightsError(f"{path} cannot be read as weights: {why}", "download or copy it again") from error
    return flatten(tree)


def _read_safetensors(path: Path) -> State:
    import safetensors.torch

    try:
        return dict(safetensors.torch.load_file(path))
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}", "download or copy it again") from error


def flatten(tree: Any) -> State:
    """All plain tensors of nested dicts and lists, each named by its path; what is met again is passed over.

    The limits keep a file that refers to itself from growing without end.
    """
    state: State = {}
    seen: set[int] = set()
    # A stack of what is left to look at, last first, so that the order of the file is kept.
    left: list[tuple[tuple[str, ...], Any]] = [((), tree)]
    while left and len(state) < _MOST:
        path, value = left.pop()
        if isinstance(value, Tensor):
            name = ".".join(path)
            if 0 < len(name) <= _LONGEST and value.layout == torch.strided and not value.is_quantized:
                state[name] = value.detach()
        elif isinstance(value, dict | list | tuple) and id(value) not in seen and len(path) < _DEEPEST:
            seen.add(id(value))
            items = value.items() if isinstance(value, dict) else enumerate(value)
            # Logs of millions of numbers are passed over here, not looked at one by one.
            inner = [(key, each) for key, each in items if isinstance(each, Tensor | dict | list | tuple)]
            left += [((*path, *_words(key)), each) for key, each in reversed(inner)]
    return state


def _words(key: Any) -> list[str]:
    return [word for word in str(key).split(".") if word not in _WRAPPERS]

"""Our weights file: safetensors, whose metadata hold everything needed to build the net and to trust it.

format   imgcycle/1
config   JSON of NetConfig (or DiscriminatorConfig): enough to build the net with no flags
card     JSON: direction, method, data, steps, licence, figures, command, version
strokes  JSON of the NetConfig of a second net, for fine strokes at full size, where there is one: its tensors have
         names that begin with `strokes.`; the card's `strokes` says how it wants to be used
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.config.legacy import DISCRIMINATORS_CARDS, current_name
from imgcycle.errors import UsageError, WeightsError
from imgcycle.media.files import atomic_write
from imgcycle.media.paths import shown
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from imgcycle.weights.contents import FORMAT, in_short, safetensors_header
from imgcycle.weights.description import WeightsFile, inspect_weights, unreadable

_RESAVE = "take the checkpoint it was made from, or save it in float32"
STROKES = "strokes."
"""Prefix of a second net's tensors."""


def save_weights(
    path: Path,
    net: nn.Module,
    config: dict[str, Any],
    card: dict[str, Any],
    strokes: tuple[nn.Module, dict[str, Any]] | None = None,
) -> None:
    """Write a net's tensors (contiguous, on the CPU) with its config and card, and a second net's with its config."""
    state = dict(net.state_dict())
    metadata = {"format": FORMAT, "config": json.dumps(config), "card": json.dumps(card)}
    if strokes is not None:
        state |= {STROKES + name: tensor for name, tensor in strokes[0].state_dict().items()}
        metadata["strokes"] = json.dumps(strokes[1])
    # Copied: nets may share layers, and one tensor under two names is refused.
    tensors = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in state.items()}
    with atomic_write(path) as file:
        file.write(_in_order(safetensors.torch.save(tensors, metadata)))


def _in_order(content: bytes) -> bytes:
    """The same file with the keys of its header sorted: the library writes metadata in random order, and equal
    weights must have equal digests.
    """
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start at a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def load_generator(path: Path) -> tuple[Generator, WeightsFile]:
    """Build the net that a file describes and load it, in float32 and eval mode.

    Shapes are compared before memory is allocated; WeightsError names the first tensor that differs, or has values that
    are not finite floats.
    """
    about = inspect_weights(path)
    if about.card.get("direction") in DISCRIMINATORS_CARDS:
        raise WeightsError(f"{path} holds a run's discriminators, which judge pictures and make none")
    return _built(path, about.config, strokes=False), about


def load_strokes(about: WeightsFile) -> Generator | None:
    """The second net of a file, likewise; None for a file of one net."""
    return None if about.strokes is None else _built(about.path, about.strokes, strokes=True)


def _built(path: Path, described: dict[str, Any], strokes: bool) -> Generator:
    try:
        config = NetConfig.from_dict(described)
        _check_size(config, path)
        with torch.device("meta"):
            plan = build_generator(config)
        _check_shapes(plan, path, "its own description", None, strokes)
        net = build_generator(config)
    except WeightsError:
        raise
    # A hand-made description can make building a net fail in any way.
    except Exception as error:
        why = in_short(error) if isinstance(error, UsageError) else type(error).__name__
        raise WeightsError(f"{path} describes a net that cannot be built: {why}") from error
    fill(net, path, strokes=strokes)
    return net.eval()


def _check_size(config: NetConfig, path: Path) -> None:
    """WeightsError for a net of more layers or channels than the file has tensors or values."""
    shapes = [each["shape"] for name, each in safetensors_header(path).items() if name != "__metadata__"]
    widest = max((size for shape in shapes for size in shape), default=0)
    if not 0 < config.depth <= len(shapes) or not 0 < config.width <= widest or not 0 < config.channels <= widest:
        raise WeightsError(f"{path} describes a net of another size than its tensors make")


def fill(
    net: nn.Module,
    path: Path,
    other: str = "its own description",
    hint: str | None = None,
    strokes: bool = False,
) -> None:
    """Load our own file's tensors into a net of the same architecture: its first net's, or with `strokes` its second's.

    WeightsError if they do not fit: it names `other`, the net's origin, and `hint`.
    """
    _check_shapes(net, path, other, hint, strokes)
    try:
        with safetensors.safe_open(path, "pt") as file:
            tensors: dict[str, Tensor] = {new: file.get_tensor(name) for new, name in _names(file, strokes).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise unreadable(path, error) from error
    check_values(path, tensors)
    net.load_state_dict({name.removeprefix(STROKES): tensor for name, tensor in tensors.items()})


def _names(file: Any, strokes: bool) -> dict[str, str]:
    """Names of the first net's tensors, or of the second's, by their current names."""
    return {current_name(name): name for name in file.keys() if name.startswith(STROKES) == strokes}  # noqa: SIM118


def _check_shapes(net: nn.Module, path: Path, other: str, hint: str | None, strokes: bool) -> None:
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = {new: tuple(file.get_slice(old).get_shape()) for new, old in _names(file, strokes).items()}
    except (OSError, safetensors.SafetensorError) as error:
        raise unreadable(path, error) from error
    prefix = STROKES if strokes else ""
    wanted = {prefix + name: tuple(t.shape) for name, t in net.state_dict().items()}
    if wanted != found:
        name = next(n for n in sorted(wanted.keys() | found.keys()) if wanted.get(n) != found.get(n))
        raise WeightsError(
            f"{path} does not fit {other}: {shown(name)} is {_shape(found, name)}, not {_shape(wanted, name)}", hint
        )


def check_values(path: Path, tensors: Mapping[str, Tensor], prefix: str = "") -> None:
    """WeightsError, with its name, for the first tensor that does not consist of finite floats."""
    for name, tensor in tensors.items():
        place = shown(f"{prefix}.{name}" if prefix else name)
        if name.endswith("num_batches_tracked"):
            continue
        if not tensor.is_floating_point():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise WeightsError(f"{path}: {place} holds values of kind {kind}, where weights are fractions", _RESAVE)
        if not bool(torch.isfinite(tensor.float()).all()):
            raise WeightsError(
                f"{path}: {place} holds values that are not finite", "its training broke; take an earlier checkpoint"
            )


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(shapes[name]) if name in shapes else "missing"

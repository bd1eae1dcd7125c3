"""Our weights file: safetensors, whose metadata hold everything needed to build the net and to trust it.

format   imgcycle/1
config   JSON of NetConfig (or CriticConfig): enough to build the net with no flags
card     JSON: direction, method, data, steps, licence, figures, command, version
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError, WeightsError
from imgcycle.media.files import atomic_write
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator

FORMAT = "imgcycle/1"


@dataclass(frozen=True)
class WeightsFile:
    """What a native file says of itself, before any tensor is read."""

    path: Path
    config: dict[str, Any]
    card: dict[str, Any] = field(default_factory=dict)


def save_weights(path: Path, net: nn.Module, config: dict[str, Any], card: dict[str, Any]) -> None:
    """Write a net's tensors (contiguous, on the CPU) with its config and card."""
    # Copies: nets may share layers, and one tensor of two names is refused.
    tensors = {n: t.detach().cpu().clone(memory_format=torch.contiguous_format) for n, t in net.state_dict().items()}
    metadata = {"format": FORMAT, "config": json.dumps(config), "card": json.dumps(card)}
    with atomic_write(path) as file:
        file.write(_in_order(safetensors.torch.save(tensors, metadata)))


def _in_order(content: bytes) -> bytes:
    """The same file with its header's keys sorted: the library writes metadata in a random order each time, and
    the same weights must have the same digest."""
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors start on a multiple of 8
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def inspect_weights(path: Path) -> WeightsFile:
    """Read format, config and card only; WeightsError when the file is not whole or not ours."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise WeightsError(
                f"{path} is a safetensors file, but not one of imgcycle's", "imgcycle models import may know it"
            )
        config, card = json.loads(metadata["config"]), json.loads(metadata.get("card", "{}"))
        if not isinstance(config, dict) or not isinstance(card, dict):
            raise TypeError("config and card are objects")
        return WeightsFile(path, config, card)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}", "download or train it again") from error


def is_ours(path: Path) -> bool:
    """Whether a safetensors file is one of imgcycle's; one that cannot be read counts as ours, for reading it says
    what is wrong."""
    try:
        with safetensors.safe_open(path, "pt") as file:
            return (file.metadata() or {}).get("format") == FORMAT
    except (OSError, safetensors.SafetensorError):
        return True


def load_generator(path: Path) -> tuple[Generator, WeightsFile]:
    """Build the net a file describes and fill it, in float32 and eval mode.

    Shapes are compared before memory is taken for the tensors; WeightsError names the first that differs.
    """
    about = inspect_weights(path)
    try:
        net = build_generator(NetConfig.from_dict(about.config))
    except UsageError as error:
        raise WeightsError(f"{path} describes a net that cannot be built: {error}") from error
    fill(net, path)
    return net.eval(), about


def fill(net: nn.Module, path: Path, other: str = "its own description", hint: str | None = None) -> None:
    """Load a native file's tensors into a net of the same architecture.

    WeightsError when they do not fit: it names `other`, what the net was built after, and `hint`.
    """
    wanted = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    try:
        with safetensors.safe_open(path, "pt") as file:
            found = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
        if wanted != found:
            name = next(n for n in sorted(wanted.keys() | found.keys()) if wanted.get(n) != found.get(n))
            raise WeightsError(
                f"{path} does not fit {other}: {name} is {_shape(found, name)}, not {_shape(wanted, name)}", hint
            )
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as weights: {error}", "download or train it again") from error
    net.load_state_dict(tensors)


def _shape(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(shapes[name]) if name in shapes else "missing"


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

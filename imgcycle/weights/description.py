"""What our weights file says of itself, read without its tensors and without torch: config, card, digest."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors

from imgcycle.errors import WeightsError, reported
from imgcycle.media.files import opened
from imgcycle.weights.contents import in_short, kind_of_weights, safetensors_header

_LONGEST_CARD = 2**20
"""Most characters of a card; a long one has a few thousand."""
_DEEPEST_CARD = 12
_SORTS = {"safetensors": "a safetensors", "pickle": "a PyTorch", "onnx": "an ONNX"}


@dataclass(frozen=True)
class WeightsFile:
    """Metadata of our own weights file, read before any tensor."""

    path: Path
    config: dict[str, Any]
    card: dict[str, Any] = field(default_factory=dict)
    strokes: dict[str, Any] | None = None
    """Config of its second net, if there is one."""


def inspect_weights(path: Path) -> WeightsFile:
    """Read format, config and card only; WeightsError if the file is incomplete or not ours.

    An invalid card is ignored.
    """
    kind = kind_of_weights(path)
    if kind != "ours":
        raise WeightsError(
            f"{path} is {_SORTS[kind]} file, but not one of imgcycle's",
            "imgcycle models import may know it",
        )
    metadata = safetensors_header(path)["__metadata__"]
    try:
        with safetensors.safe_open(path, "np"):  # its own checks of the whole header
            config, strokes = json.loads(metadata["config"]), json.loads(metadata.get("strokes", "null"))
        if not isinstance(config, dict) or not (strokes is None or isinstance(strokes, dict)):
            raise TypeError("its config is no object")
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise unreadable(path, error) from error
    return WeightsFile(path, config, _card(metadata.get("card")), strokes)


def unreadable(path: Path, error: Exception) -> WeightsError:
    """Error for a file of ours that the library of its format refuses."""
    return WeightsError(f"{path} cannot be read as weights: {in_short(error)}", "download or train it again")


def _card(text: Any) -> dict[str, Any]:
    """The card, or an empty one if it is damaged or too long."""
    if not isinstance(text, str) or len(text) > _LONGEST_CARD:
        return {}
    try:
        card = json.loads(text, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return card if isinstance(card, dict) and not _is_deep(card) else {}


def _is_deep(card: dict[str, Any]) -> bool:
    """True if a card is nested more deeply than anything that an index or a page holds."""
    layer: list[Any] = [card]
    for _ in range(_DEEPEST_CARD):
        inner = [each.values() if isinstance(each, dict) else each for each in layer]
        layer = [value for values in inner for value in values if isinstance(value, dict | list)]
    return bool(layer)


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; WeightsError if it cannot be read."""
    with reported(WeightsError, f"{path} cannot be read"), opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

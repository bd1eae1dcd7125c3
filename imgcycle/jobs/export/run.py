"""A style written as ONNX: the file or the folder, and the check that the graph gives what the net gives."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from imgcycle._version import __version__
from imgcycle.engine.onnx import OnnxSession
from imgcycle.engine.style import DETAIL, WORK_SIZE
from imgcycle.errors import ImgcycleError, OutputError, UsageError, reported
from imgcycle.media.files import atomic_write
from imgcycle.nets.layers import Generator
from imgcycle.weights.contents import FORMAT
from imgcycle.weights.description import digest
from imgcycle.weights.find import FoundStyle, check_way
from imgcycle.weights.native import load_generator
from imgcycle.weights.onnx.graph import onnx_model
from imgcycle.weights.usage import usage_of

NET, RUNNER, PAGE = "net.onnx", "stylise.py", "index.html"
SIZES = ((256, 256), (256, 320), (192, 384), (320, 208), (416, 288))
"""Heights and widths at which graph and net are compared; each is brought to what the net takes."""
MOST_APART = 0.5
"""Levels of 8 bits that graph and net may differ by at most; more would be a fault, not rounding."""
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Exported:
    """Result of an export: the file, and the largest difference between graph and net in 8-bit levels."""

    files: tuple[Path, ...]
    bytes: int
    apart: float
    sizes: tuple[tuple[int, int], ...]
    notes: tuple[str, ...] = ()


def export_style(found: FoundStyle, output: str, overwrite: bool = False) -> Exported:
    """Write a style's net as ONNX with its card in the metadata, after running both and comparing.

    `output` is a file that ends in `.onnx`, or a folder (it exists, or ends in a slash) that also gets a script and a
    page. UsageError for a place that is taken, MissingExtra without the packages, OutputError where nothing can be
    written; ImgcycleError, and nothing is written, where graph and net differ visibly.
    """
    files = _places(output, overwrite)
    net, metadata, notes = _read(found)
    content = onnx_model(net, metadata).SerializeToString()
    apart, sizes = compared(net, content)
    if apart > MOST_APART:
        raise ImgcycleError(f"the graph of {found.label} differs from its net by {apart:.2f} levels, and is not kept")
    contents = {NET: content, RUNNER: (_HERE / RUNNER).read_bytes(), PAGE: _page(found.label, metadata)}
    with reported(OutputError, f"{output} cannot be written"):
        for name, path in files.items():
            with atomic_write(path) as file:
                file.write(contents[name])
    return Exported(tuple(files.values()), len(content), apart, sizes, notes)


def compared(
    net: Generator, content: bytes, sizes: Sequence[tuple[int, int]] = SIZES
) -> tuple[float, tuple[tuple[int, int], ...]]:
    """The largest difference of a net and its graph in levels of 8 bits, over made-up pictures, and their sizes."""
    session, most = OnnxSession(content, purpose="imgcycle export"), 0.0
    seen: list[tuple[int, int]] = []
    random = torch.Generator().manual_seed(0)
    for size in sizes:
        height, width = (-(-max(side, net.min_size) // net.stride) * net.stride for side in size)
        coarse = torch.rand(1, 3, height // 8 + 1, width // 8 + 1, generator=random) * 2 - 1
        smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
        x = (smooth + 0.2 * torch.randn(smooth.shape, generator=random)).clamp(-1, 1)
        with torch.inference_mode():
            wanted = net(x)
        apart = (torch.from_numpy(session(x.numpy())) - wanted).abs().max()
        most = max(most, float(apart) * 127.5)
        seen.append((height, width))
    return most, tuple(seen)


def _places(output: str, overwrite: bool) -> dict[str, Path]:
    """The files that will be written, by what they are."""
    place = Path(output)
    is_folder = output.endswith(("/", os.sep)) or place.is_dir()
    if not is_folder and place.suffix.lower() != ".onnx":
        raise UsageError(f"{output} is neither an .onnx file nor a folder", "a folder ends in a slash")
    files = {name: place / name for name in (NET, RUNNER, PAGE)} if is_folder else {NET: place}
    taken = next((path for path in files.values() if path.exists()), None)
    if taken is not None and not overwrite:
        raise UsageError(f"{taken} is there already", "--overwrite replaces it")
    return files


def _read(found: FoundStyle) -> tuple[Generator, dict[str, str], tuple[str, ...]]:
    """The net in evaluation, what its file will say of itself, and what is to be said about it."""
    if found.is_onnx:
        raise UsageError(f"{found.path} is an ONNX net already", "copy it")
    seen = digest(found.path)
    config: dict[str, Any]
    card: dict[str, Any]
    notes: tuple[str, ...] = ()
    if found.is_foreign:
        from imgcycle.weights.importers import import_checkpoint

        net, imported = import_checkpoint(found.path, found.direction)
        check_way(str(found.path), found.direction, imported.direction)
        config, card, notes = imported.config.to_dict(), {"method": imported.recognised}, imported.notes
    else:
        net, about = load_generator(found.path)
        check_way(str(found.path), found.direction, about.card.get("direction"))
        config, card = about.config, dict(about.card)
        if about.strokes is not None:
            notes = ("its second net, for fine strokes at full size, is left out",)
    usage = usage_of(found, card, seen)
    card["work_size"] = WORK_SIZE if usage.work_size is None else usage.work_size
    card["detail"] = DETAIL if usage.detail is None else usage.detail
    if found.entry is not None:
        card |= {"licence": found.entry.licence, "data": found.entry.data}
    metadata = {
        "format": FORMAT,
        "version": __version__,
        "style": found.label,
        "sha256": seen,
        "config": json.dumps(config),
        "card": json.dumps(card),
        "range": "-1..1",
        "layout": "NCHW",
        "colours": "RGB",
        "multiple": str(net.stride),
        "least": str(net.min_size),
        "work_size": str(card["work_size"]),
    }
    return net, metadata, notes


def _page(label: str, metadata: dict[str, str]) -> bytes:
    """The page, told what it must know of the net before it is loaded."""
    facts = {"style": label} | {key: int(metadata[key]) for key in ("multiple", "least", "work_size")}
    # Within a script nothing may look like its end.
    text = json.dumps(facts).replace("<", "\\u003c")
    return (_HERE / PAGE).read_text("utf-8").replace('{"facts": "stand here"}', text).encode()

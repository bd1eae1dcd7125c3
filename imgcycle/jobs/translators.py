"""Load a style by name into a translator on this machine, or learn its settings alone, which takes no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from imgcycle.config import ConvertOptions
from imgcycle.config.program import Backend, ValueRange
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.engine.style import DETAIL, WORK_SIZE, Strokes, Style
from imgcycle.errors import UsageError, WeightsError
from imgcycle.jobs.recipe import resolve
from imgcycle.weights.description import WeightsFile, digest, inspect_weights
from imgcycle.weights.find import Direction, FoundStyle, check_way, repair_hint
from imgcycle.weights.mix import ChosenStyle, FoundMix, find_styles
from imgcycle.weights.usage import usage_of

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator
    from imgcycle.nets.layers import Generator

Maker = Callable[["Generator", Style, "Translator | None"], "Translator"]
"""Makes a net ready for a style, beside the translator of its second net."""


def load_translator(
    style: str,
    direction: Direction = "A2B",
    device: str = "auto",
    precision: str = "auto",
    backend: Backend = "torch",
    value_range: ValueRange | None = None,
) -> Translator:
    """Find a style, read its weights and make its net ready.

    Parameters
    ----------
    style
        A name (`monet`), a weights file of ours or of another program, an ONNX file, or a run folder of `train`; or
        several with their shares, `monet:0.6,vangogh:0.4`.
    direction
        Direction of a run folder or of a weights file with two.
    device
        `auto`, `cpu`, `cuda`, `cuda:1` or `mps`.
    precision
        `auto` (by the hardware), `fp32`, `bf16` or `fp16`.
    backend
        `torch`, or `openvino` or `onnx`, which compute on the CPU: in float32, OpenVINO also in bf16 if asked to.
    value_range
        Of what an ONNX net takes and gives, where its file does not tell.

    Returns
    -------
    Translator
        What the converting functions take, and callable on float32 NCHW RGB in [-1, 1] of any size.

    Raises
    ------
    UnknownStyle
        For a style that is not known.
    WeightsError
        For a damaged file, or one whose digest is not the index's.
    UsageError
        For a device, precision or backend that is not there, and for shares that are none.

    Examples
    --------
    >>> from imgcycle import load_translator
    >>> load_translator("monet").style.work_size
    384
    """
    return open_style(find_styles(style, direction, value_range), device, precision, backend)


def translator_for(style: Translator | str) -> Translator:
    """A translator itself, or the one of a style's name; raises what `load_translator` raises."""
    return load_translator(style) if isinstance(style, str) else style


def open_style(
    found: ChosenStyle,
    device: str = "auto",
    precision: str = "auto",
    backend: Backend = "torch",
) -> Translator:
    """Like `load_translator`, for a style or a mix that was found already."""
    if isinstance(found, FoundMix):
        return _open_mix(found, device, precision, backend)
    from imgcycle.weights.native import load_generator, load_strokes

    ready = _maker(device, precision, backend)
    seen = _checked(found)
    if found.is_onnx:
        return _open_onnx(found, _maker(device, precision, "onnx"), backend)
    if found.is_foreign:
        return _open_foreign(found, ready)
    seen = seen or digest(found.path)
    net, about = load_generator(found.path)
    check_way(str(found.path), found.direction, about.card.get("direction"))
    style = style_from(found, about, seen)
    fine = load_strokes(about)
    return ready(net, style, None if fine is None else ready(fine, style, None))


def style_of(found: ChosenStyle) -> Style | None:
    """Settings of a style whose weights are ours, without its net and without torch; None for any other, whose net
    must be opened to know them. WeightsError and UsageError as far as the file says of itself.
    """
    if isinstance(found, FoundMix):
        styles = [style_of(each) for _, each in found.parts]
        known = [style for style in styles if style is not None]
        return _mixed_style(found, known) if len(known) == len(styles) else None
    seen = _checked(found)
    if found.is_onnx or found.is_foreign:
        return None
    about = inspect_weights(found.path)
    check_way(str(found.path), found.direction, about.card.get("direction"))
    return style_from(found, about, seen or digest(found.path))


def _open_mix(found: FoundMix, device: str, precision: str, backend: Backend) -> Translator:
    from imgcycle.engine.mixing import MixedTranslator, mixed_strokes

    # onnxruntime has one precision, whatever the other nets of the mix have.
    how = ((each, "auto" if each.is_onnx else precision) for _, each in found.parts)
    parts = [open_style(each, device, what, backend) for each, what in how]
    style = _mixed_style(found, [part.style for part in parts])
    settings = resolve(ConvertOptions(), style).mix
    return MixedTranslator(parts, [share for share, _ in found.parts], style, (), mixed_strokes(parts, settings))


def _mixed_style(found: FoundMix, styles: Sequence[Style]) -> Style:
    """Settings of a mix, whose styles have these."""
    both = tuple(zip((share for share, _ in found.parts), styles, strict=True))
    fine = [style.strokes.share for style in styles if style.strokes is not None]
    return Style(
        found.label,
        ",".join(f"{style.digest}:{share:.6g}" for share, style in both),
        max(style.work_size for style in styles),
        sum(share * style.detail for share, style in both),
        origin="; ".join(filter(None, [*(style.origin for style in styles), found.note])),
        clips=all(style.clips for style in styles),
        strokes=Strokes(max(fine)) if fine else None,
        mixed=both,
        spelling=found.spelling,
    )


def _checked(found: FoundStyle) -> str:
    """Digest of a style's file if its index states one, else empty; WeightsError if they differ."""
    seen = digest(found.path) if found.digest and found.path.is_file() else ""
    if found.digest and seen != found.digest:
        raise WeightsError(f"{found.path} is not the file its index describes", repair_hint(found))
    return seen


def _maker(device: str, precision: str, backend: Backend) -> Maker:
    """Constructor of translators as requested; checked before any file is read."""
    if backend == "openvino":
        from imgcycle.engine.openvino import OpenVinoTranslator

        if precision not in ("auto", "fp32", "bf16"):
            raise UsageError(f"--backend openvino computes in fp32 or bf16, not in {precision}", "name one of them")
        cpu = resolve_device("cpu" if device == "auto" else device)
        kind = resolve_precision("fp32" if precision == "auto" else precision, cpu)
        return lambda net, style, strokes: OpenVinoTranslator(net, cpu, kind, style, strokes)
    if backend == "onnx":
        from imgcycle.engine.onnx import OnnxTranslator

        if precision not in ("auto", "fp32"):
            raise UsageError(f"onnxruntime computes in fp32 here, not in {precision}", "leave --precision out")
        cpu = resolve_device("cpu" if device == "auto" else device)
        return lambda net, style, strokes: OnnxTranslator(net, cpu, style, strokes)
    from imgcycle.engine.translator import Translator

    place = resolve_device(device)
    dtype = resolve_precision(precision, place)
    return lambda net, style, strokes: Translator(net, place, dtype, style, strokes)


def _open_onnx(found: FoundStyle, ready: Maker, backend: Backend) -> Translator:
    from imgcycle.engine.onnx import OnnxGenerator
    from imgcycle.weights.onnx.about import read_onnx

    if backend == "openvino":
        raise UsageError(f"{found.path.name} is run by onnxruntime", "leave --backend out")
    about = read_onnx(found.path, found.value_range)
    net = OnnxGenerator(about)
    usage = usage_of(found, about.card, seen := digest(found.path))
    style = Style(
        found.label,
        # Read with another range of values it is another style.
        f"{seen}:{about.range}",
        WORK_SIZE if usage.work_size is None else usage.work_size,
        DETAIL if usage.detail is None else usage.detail,
        origin=f"{found.path.name} is {about.origin}, sides multiples of {net.stride}; run whole by onnxruntime",
    )
    return ready(net, style, None)


def _open_foreign(found: FoundStyle, ready: Maker) -> Translator:
    from imgcycle.weights.importers import import_checkpoint

    net, about = import_checkpoint(found.path, found.direction)
    check_way(str(found.path), found.direction, about.direction)
    # Two directions of one file are two styles: their results must not be confused.
    way = f":{about.direction}" if about.direction else ""
    origin = "; ".join((f"{found.path.name} is recognised as {about.recognised}", *about.notes))
    label = f"{found.label}-back" if about.direction == "B2A" else found.label
    return ready(net, Style(label, digest(found.path) + way, origin=origin), None)


def style_from(found: FoundStyle, about: WeightsFile, seen: str) -> Style:
    """Settings of a style from index or card, else the defaults."""
    usage, default = usage_of(found, about.card, seen), Strokes()
    strokes = Strokes(
        default.share if usage.strokes is None else usage.strokes,
        default.detail if usage.strokes_detail is None else usage.strokes_detail,
        default.calm if usage.strokes_calm is None else usage.strokes_calm,
        usage.strokes_luma,
    )
    return Style(
        found.label,
        seen,
        WORK_SIZE if usage.work_size is None else usage.work_size,
        DETAIL if usage.detail is None else usage.detail,
        strokes=None if about.strokes is None else strokes,
    )

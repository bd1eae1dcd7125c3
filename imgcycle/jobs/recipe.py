"""Options resolved against a style, once, when a task is planned; and the recipe of a result."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from imgcycle._version import __version__
from imgcycle.config import ConvertOptions, JsonConfig, PictureOptions, VideoOptions
from imgcycle.config.fields import defaults, settings
from imgcycle.device import precision_name
from imgcycle.engine.style import MixPart, Style, share_of, work_shape
from imgcycle.errors import UsageError, reported
from imgcycle.jobs.ledger import file_digest
from imgcycle.media.inputs import ALPHA, Source, check_mask, mask_in
from imgcycle.media.paths import shown

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator


@dataclass(frozen=True, kw_only=True)
class ResolvedOptions(ConvertOptions):
    """`ConvertOptions` resolved against a style: values left to the style are filled in.

    `mask` is a file or `alpha`, and `mask_digest` what a recipe states of it.
    `strokes` 0..1 is None for a style without a net for them. `mix` has the settings of each style of a mix, whose work
    size is the largest and whose detail the mean. `strokes_detail` is the detail below strokes that are drawn in
    full, None if it is no other or none are drawn, and `calm` σ, in pixels of the downscaled image, of the blur of the
    first net's change that the second net was trained with. With `strokes_luma` strokes change luma
    alone; those of a mix, if each of its styles says so.
    """

    work_size: int | Literal["full"] = "full"
    detail: float = 0.0
    strokes_detail: float | None = None
    calm: float = 0.0
    strokes_luma: bool = False
    mask_digest: str = ""
    mix: tuple[MixPart, ...] = ()

    @property
    def recolours(self) -> bool:
        """True if the net's result gets other colours, for which the input is needed once more."""
        return self.keep_colour

    def work_shape(self, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) at which the net sees an image."""
        return work_shape(height, width, self.work_size)

    def net(self, translator: Translator, deep: bool = False) -> Translator:
        """The translator for images with these options, in float32 for `deep` ones."""
        return (translator.exact() if deep else translator).tuned(self.mix)

    def strokes_share(self, height: int, width: int) -> float:
        """Share 0..1 of fine strokes for an image of this size: 0 without a second net, and for images that are not
        downscaled, whose strokes the first net draws as it learnt them.
        """
        if not self.strength or not self.strokes:
            return 0.0
        return share_of(height, width, self.work_shape(height, width), self.strokes)

    def detail_share(self, height: int, width: int) -> float:
        """Share 0..1 of an image's own fine detail: between that without strokes and that with them, as their share."""
        if self.strokes_detail is None:
            return self.detail
        return self.detail + self.strokes_share(height, width) * (self.strokes_detail - self.detail)


def check_strokes(styles: Sequence[Style], options: ConvertOptions | VideoOptions) -> None:
    """Raise UsageError if a share of fine strokes is asked for and none of the styles has a net for them."""
    if options.strokes and all(style.strokes is None for style in styles):
        names = ", ".join(style.name for style in styles) or "no style"
        raise UsageError(f"{names} has no fine strokes", "leave --strokes out")


def resolve(options: ConvertOptions, style: Style) -> ResolvedOptions:
    """Resolve image options against a style; UsageError for a mask that is not there."""
    check_mask(options.mask)
    met = _met_by_mix(options, style) if style.mixed else _met(options, style)
    with reported(UsageError, f"the mask {shown(options.mask or '')} cannot be read"):
        met |= {"mask_digest": _digest_of(options.mask) if options.mask else ""}
    return ResolvedOptions(**{field.name: getattr(options, field.name) for field in fields(options)} | met)


def _met(options: ConvertOptions, style: Style) -> dict[str, Any]:
    strokes = None if style.strokes is None else style.strokes_share(options.strokes)
    below = style.strokes.detail if strokes and style.strokes is not None and options.detail is None else None
    return {
        "work_size": style.work_size if options.work_size == "auto" else options.work_size,
        "detail": style.detail if options.detail is None else options.detail,
        "strokes_detail": below,
        "strokes": strokes,
        "calm": 0.0 if style.strokes is None else style.strokes.calm,
        "strokes_luma": style.strokes is not None and style.strokes.luma,
    }


def _met_by_mix(options: ConvertOptions, style: Style) -> dict[str, Any]:
    """What each style of a mix makes of the options, and what that is for all of them."""
    each = [(share, single, _met(options, single)) for share, single in style.mixed]
    parts = tuple(
        MixPart(
            share=share,
            style=single.name,
            weights=single.digest,
            work_size=met["work_size"],
            detail=met["detail"],
            strokes=met["strokes"] or 0.0,
        )
        for share, single, met in each
    )
    sizes = [part.work_size for part in parts]
    fine = [(share, met["calm"]) for share, _, met in each if met["strokes"] is not None]
    return {
        "work_size": "full" if "full" in sizes else max(sizes),
        "detail": sum(part.share * part.detail for part in parts),
        "strokes_detail": _mean_strokes_detail(each),
        "strokes": max(part.strokes for part in parts) if fine else None,
        "calm": sum(share * calm for share, calm in fine) / sum(share for share, _ in fine) if fine else 0.0,
        "strokes_luma": bool(fine) and all(met["strokes_luma"] for _, _, met in each if met["strokes"] is not None),
        "mix": parts,
    }


def _mean_strokes_detail(each: Sequence[tuple[float, Style, dict[str, Any]]]) -> float | None:
    """The detail below a mix's strokes: the mean of its styles', None if none has another with strokes."""
    if all(met["strokes_detail"] is None for _, _, met in each):
        return None
    mean: float = sum(
        share * (met["detail"] if met["strokes_detail"] is None else met["strokes_detail"]) for share, _, met in each
    )
    return mean


def _digest_of(name: str) -> str:
    """Digest of a mask's file for the recipe; files in a folder have one each."""
    return name if name == ALPHA else file_digest(Path(name)) if os.path.isfile(name) else ""  # noqa: PTH113


def with_mask(options: ResolvedOptions, source: Source) -> tuple[ResolvedOptions, str]:
    """The options with the mask that a folder of masks holds for a picture, or why there is none."""
    if options.mask is None or not os.path.isdir(options.mask):  # noqa: PTH112
        return options, ""
    found = mask_in(Path(options.mask), source)
    if found is None:
        return options, f"no mask of its name in {shown(options.mask)}"
    try:
        return options.replace(mask=os.fspath(found), mask_digest=_digest_of(os.fspath(found))), ""
    except OSError as error:
        return options, f"its mask {shown(found)} cannot be read: {error.strerror}"


def resolve_frames(options: VideoOptions, style: Style) -> ResolvedOptions:
    """Resolve a clip's options against a style, as far as they concern single frames.

    Frames have strokes only if they are asked for: they take as long as all the rest.
    """
    resolved = resolve(options.picture(), style)
    if options.strokes is not None or not resolved.strokes:
        return resolved
    return resolve(options.picture().replace(strokes=0.0), style)


def recipe_for(options: ResolvedOptions, style: Style) -> dict[str, Any]:
    """Recipe of an image's result, without the digest of its input: style, weights, options, version. A changed
    default changes the recipe.
    """
    left = {} if options.strokes_detail is None else {"detail": None}  # to the style, which has two
    return _recipe(recorded(options, ConvertOptions) | left | _mask_of(options) | _mix_of(options), style)


def _mix_of(options: ResolvedOptions) -> dict[str, Any]:
    """Recipe entry of a mix: its styles; and where they differ in a setting, that it was left to them."""
    if not options.mix:
        return {}
    found: dict[str, Any] = {"mix": [part.to_dict() for part in options.mix]}
    for name, left in (("work_size", "auto"), ("detail", None), ("strokes", None)):
        if len({getattr(part, name) for part in options.mix}) > 1:
            found[name] = left
    return found


def _mask_of(options: ResolvedOptions) -> dict[str, str]:
    """Recipe entry of a mask: its content, wherever it is."""
    return {} if options.mask is None else {"mask": options.mask_digest}


def clip_recipe_for(options: VideoOptions, frames: ResolvedOptions, style: Style) -> dict[str, Any]:
    """Recipe of a clip's result."""
    making = recorded(options, VideoOptions) | recorded(frames, PictureOptions) | _mask_of(frames)
    making |= {} if frames.strokes is None else {"strokes": frames.strokes}
    return _recipe(making | _mix_of(frames), style)


def recorded(options: JsonConfig, config: type[JsonConfig]) -> dict[str, Any]:
    """The fields of `config` that a recipe states: each says of itself whether it is one (`config.fields.Setting`)."""
    values = options.to_dict()
    said = {name: setting.recorded for name, setting in settings(config).items()}
    usual = defaults(config)
    return {n: values[n] for n, how in said.items() if how == "always" or (how == "changed" and values[n] != usual[n])}


def _recipe(making: dict[str, Any], style: Style) -> dict[str, Any]:
    return {"style": style.spelling or style.name, "weights": style.digest, "options": making, "version": __version__}


def result_recipe(options: ResolvedOptions, translator: Translator, deep: bool, digest: str) -> dict[str, Any]:
    """The whole recipe of a picture's result: `recipe_for`, what it was computed with, and its input's SHA-256."""
    return recipe_for(options, translator.style) | computed_with(translator, deep) | {"input": digest}


def computed_with(translator: Translator, deep: bool) -> dict[str, Any]:
    """What bytes depend on beside options and weights: the compute type (`deep` pictures have float32), and where that
    has 16 bits on a CPU the threads, which add up in an order of their own."""
    import torch

    translator = translator.exact() if deep else translator
    found: dict[str, Any] = {"precision": precision_name(translator.dtype)}
    if translator.dtype != torch.float32 and translator.device.type == "cpu":
        found["threads"] = torch.get_num_threads()
    return found


def same_making(recipe: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """True if two recipes have the same weights and options."""
    return all(recipe.get(key) == wanted[key] for key in ("weights", "options"))

"""Settings of image conversion: options, selection, and outputs."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import Literal

from imgcycle.config.fields import LOOK, WHERE, WHICH, argument, option
from imgcycle.config.json import JsonConfig
from imgcycle.config.request import BatchRequest

WorkSize = int | Literal["auto", "full"]
FormatName = Literal["same", "png", "jpg", "webp", "tiff", "avif"]


@dataclass(frozen=True, kw_only=True)
class PictureOptions(JsonConfig):
    """Options that change the pixels of an image, or of each frame of a clip.

    `work_size` is √(width × height) in pixels at which the style is applied: a number, `full`, or `auto` (from the
    model's card). `detail` 0..1 is the share of the photograph's own fine detail added to the upscaled result; None
    takes the card's. `strokes` 0..1 is the share of fine strokes that a style's second net draws at full size; None
    takes the card's. `strength` blends from the input, 0, to the result, 1, and on to 2. `keep_colour` applies only the
    change of lightness. `mask` is an image (of a clip also a clip or a sequence), a folder of them with the inputs'
    names, or `alpha`, the input's own opacity: outside it every pixel stays the input's.
    """

    work_size: WorkSize = option(
        "auto",
        "√(width × height) at which the style is applied; auto is the style's own, full every pixel.",
        panel=LOOK,
        metavar="N|full|auto",
        low=16,
        word=True,
    )
    detail: float | None = option(
        None,
        "Share of the photograph's fine detail in the result.",
        panel=LOOK,
        low=0,
        high=1,
        shown="the style's own",
    )
    strokes: float | None = option(
        None,
        "Share of the style's fine strokes, in what is larger than the work size.",
        panel=LOOK,
        low=0,
        high=1,
        shown="the style's own",
        recorded="changed",
    )
    strength: float = option(
        1.0, "0 gives the input back, 1 the style, more exaggerates it.", panel=LOOK, low=0, high=2
    )
    keep_colour: bool = option(
        False, "Keep the photograph's colours.", panel=LOOK, names=("--keep-colour", "--keep-color")
    )
    mask: str | None = option(
        None,
        "Paint where it is white and leave black as it is: a picture, a folder with one for each, or alpha.",
        panel=LOOK,
        metavar="FILE|DIR|alpha",
        recorded="changed",
    )


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(PictureOptions):
    """How an image is converted, apart from its input and output.

    Inputs with a longer side than `max_side` are downscaled to it before all else. `compare` puts the input at the left
    of the result. `quality` is that of lossy formats. `strip` says which metadata
    are removed (`all` or `gps`), `raw` which part of a RAW file is used: its embedded preview, or the developed sensor
    data. Images of more than `max_pixels` are refused.
    """

    max_side: int | None = option(
        None,
        "Results of at most N pixels on their longer side (each half of --compare).",
        panel=LOOK,
        low=16,
        shown="as large as the pictures",
        recorded="changed",
    )
    compare: bool = option(False, "Before | after in one picture.", panel=LOOK)
    quality: int | None = option(
        None, "Quality of JPEG, WebP and AVIF.", panel=LOOK, low=1, high=100, shown="a JPEG source's, at least 92"
    )
    strip: Literal["none", "all", "gps"] = option(
        "none", "Leave out metadata (gps: places); alone it means all.", panel=WHERE, bare="all"
    )
    raw: Literal["none", "preview", "develop"] = option(
        "none", "Take RAW files: their preview, or developed.", panel=WHICH
    )
    max_pixels: int = option(
        300_000_000, "Refuse larger pictures.", panel=WHICH, low=1, shown="300 million", recorded="never"
    )


@dataclass(frozen=True)
class ConvertRequest(BatchRequest):
    """Inputs and outputs of an image conversion as the user gave them; how images are converted is in `options`.

    `sample` takes that many inputs spread evenly, and `limit` the first ones.
    """

    inputs: tuple[str, ...] = argument(
        (),
        "Pictures, folders, globs, addresses (s3://…; extra: remote); - for one on stdin.",
        metavar="INPUT...",
        address=True,
    )
    output: str | None = option(
        None,
        "A folder (s3://… too), a file for one input, or - for stdout.",
        panel=WHERE,
        names=("-o", "--output"),
        metavar="PATH",
        address=True,
        shown="photos-STYLE beside photos/",
    )
    _: KW_ONLY
    format: FormatName = option("same", "Format of the results.", panel=WHERE, names=("-f", "--format"))
    sample: int | None = option(None, "Only N inputs, spread over all.", panel=WHICH, low=1)
    limit: int | None = option(None, "Only the first N inputs.", panel=WHICH, low=0)
    options: ConvertOptions = field(default_factory=ConvertOptions)

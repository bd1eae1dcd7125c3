"""Image formats that are read and written: names, suffixes, capabilities, limits.

An entry is all that a format needs which Pillow reads as it is; others have a class in `media/codecs/` beside it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Format:
    """One file format: Pillow's name, suffixes (the usual one first), capabilities, and most pixels a side.

    `sizes` are (quality, bytes a pixel) of a photograph as measured, with one entry for a lossless format; other
    content takes about the same. `plugin` is the module that registers the format with Pillow.
    """

    name: str
    suffixes: tuple[str, ...]
    writable: bool = True
    alpha: bool = True
    deep: bool = False
    """True if 16 bits a channel can be written."""
    lossless: bool = False
    animated: bool = False
    most: int | None = None
    sizes: tuple[tuple[int, float], ...] = ((1, 3.0),)
    plugin: str = ""


JPEG = Format(
    "JPEG",
    (".jpg", ".jpeg", ".jpe", ".jfif"),
    alpha=False,
    most=65500,
    sizes=((1, 0.015), (10, 0.03), (30, 0.07), (50, 0.1), (75, 0.16), (85, 0.24), (92, 0.3), (100, 0.75)),
    plugin="PIL.JpegImagePlugin",
)
PNG = Format(
    "PNG",
    (".png", ".apng"),
    deep=True,
    lossless=True,
    animated=True,
    most=1_000_000,  # libpng's own limit
    sizes=((1, 1.4),),
    plugin="PIL.PngImagePlugin",
)
WEBP = Format(
    "WEBP",
    (".webp",),
    animated=True,
    most=16383,
    sizes=((1, 0.01), (10, 0.02), (50, 0.06), (75, 0.1), (92, 0.24), (100, 0.4)),
    plugin="PIL.WebPImagePlugin",
)
TIFF = Format("TIFF", (".tif", ".tiff"), deep=True, lossless=True, sizes=((1, 1.4),), plugin="PIL.TiffImagePlugin")
AVIF = Format(
    "AVIF",
    (".avif", ".avifs"),
    animated=True,
    most=65536,
    sizes=((1, 0.005), (10, 0.012), (50, 0.07), (90, 0.25), (100, 0.95)),
    plugin="PIL.AvifImagePlugin",
)
BMP = Format("BMP", (".bmp", ".dib"), lossless=True, plugin="PIL.BmpImagePlugin")
GIF = Format("GIF", (".gif",), animated=True, most=65535, sizes=((1, 0.7),), plugin="PIL.GifImagePlugin")
HEIF = Format("HEIF", (".heic", ".heif", ".hif"), writable=False)
JPEG2000 = Format(
    "JPEG2000", (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"), writable=False, plugin="PIL.Jpeg2KImagePlugin"
)
PPM = Format("PPM", (".ppm", ".pgm", ".pnm", ".pbm"), writable=False, alpha=False, plugin="PIL.PpmImagePlugin")
MPO = Format("MPO", (".mpo",), writable=False, alpha=False, plugin="PIL.MpoImagePlugin")

FORMATS: tuple[Format, ...] = (JPEG, PNG, WEBP, TIFF, AVIF, BMP, GIF, HEIF, JPEG2000, PPM, MPO)
CHOICES: dict[str, Format] = {"png": PNG, "jpg": JPEG, "webp": WEBP, "tiff": TIFF, "avif": AVIF}
"""Values of `--format` beside `same`."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STILL_SUFFIXES = frozenset(s for f in FORMATS for s in f.suffixes)
CLIP_SUFFIXES = _words(".mp4 .m4v .mov .mkv .webm .avi .mts .m2ts .ts .mpg .mpeg .wmv .3gp .flv .ogv .mxf .vob .insv")
RAW_SUFFIXES = _words(
    ".dng .nef .nrw .cr2 .cr3 .crw .arw .srf .sr2 .orf .rw2 .raf .pef .srw .3fr .erf .kdc .dcr .mrw .x3f .iiq .rwl"
    " .raw .fff .mef .mos"
)


def by_name(name: str) -> Format:
    """Format by Pillow's name; KeyError if it is not read."""
    name = "BMP" if name == "DIB" else name  # BMP without its file header
    return next((f for f in FORMATS if f.name == name), None) or _missing(name)


_SEPARATORS = os.sep + (os.altsep or "")
_BY_SUFFIX = {suffix: format_ for format_ in FORMATS for suffix in format_.suffixes}


def suffix_of(path: PurePath | str) -> str:
    """Suffix of a file name as pathlib has it, in lower case: empty for `a`, `.a` and `a.`."""
    name = path.rstrip(_SEPARATORS) if isinstance(path, str) else path.name
    first = max(map(name.rfind, _SEPARATORS)) + 1
    dot = name.rfind(".")
    return name[dot:].lower() if first < dot < len(name) - 1 else ""


def by_suffix(path: PurePath | str) -> Format | None:
    """Format by file suffix, in any case; None if it is not an image's."""
    return _BY_SUFFIX.get(suffix_of(path))


def written_as(source: Format) -> Format:
    """Output format for `same`: the source's, or the nearest that can be written.

    HEIC and MPO become JPEG; PPM and JPEG 2000 become PNG.
    """
    if source.writable:
        return source
    return PNG if source in (PPM, JPEG2000) else JPEG


_MARKS = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"GIF8", GIF),
    *((mark, TIFF) for mark in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"MM*\0", b"II\0*")),
    (b"BM", BMP),
    (b"\0\0\0\x0cjP  \r\n", JPEG2000),
    (b"\xff\x4f\xff\x51", JPEG2000),
)
_HEIF_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"hevc", b"hevx")
_BRANDS = dict.fromkeys((b"avif", b"avis"), AVIF) | dict.fromkeys(_HEIF_BRANDS, HEIF)


def by_content(head: bytes) -> Format | None:
    """Format by the first 16 bytes of a file; None if it is not read here."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    return next((format_ for mark, format_ in _MARKS if head.startswith(mark)), None)


def looks_like_image(head: bytes) -> bool:
    """True if the first 16 bytes of a file are those of a format that is read."""
    return by_content(head) is not None


def _missing(name: str) -> Format:
    raise KeyError(name)

"""Recognition of files that are not read, images and others: names, signatures, and advice for the user."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import PurePath

from imgcycle.media.files import Data
from imgcycle.media.formats import STILL_SUFFIXES, suffix_of

EXPORT = "save it as PNG, TIFF or JPEG first"
_HEAD = 4096


@dataclass(frozen=True)
class UnreadFormat:
    """One format that is not read; several are counted as in `3 Photoshop files`."""

    name: str
    suffixes: tuple[str, ...] = ()
    marks: tuple[bytes, ...] = ()
    """Byte signatures at the start of its files."""
    hint: str = EXPORT
    article: str = "a"

    def __str__(self) -> str:
        return f"{self.article} {self.name} file"


_PHOTOSHOP = UnreadFormat("Photoshop", (".psd", ".psb"), (b"8BPS",))
_JXL = UnreadFormat("JPEG XL", (".jxl",), (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"), "save it as PNG or JPEG first")
_TARGA = UnreadFormat("Targa", (".tga", ".icb", ".vda"))
_SVG = UnreadFormat("SVG", (".svg", ".svgz"), (), "draw it as PNG first", "an")
_POSTSCRIPT = UnreadFormat("EPS", (".eps", ".epsf"), (b"%!PS", b"\xc5\xd0\xd3\xc6"), "draw it as PNG first", "an")
_DICOM = UnreadFormat("DICOM", (".dcm",))
_XBM = UnreadFormat("XBM", (".xbm",), article="an")
_ZIPPED = UnreadFormat("ZIP", (), (b"PK\x03\x04",), "unpack it first")
_KNOWN = (
    _PHOTOSHOP,
    _JXL,
    _TARGA,
    _SVG,
    _POSTSCRIPT,
    UnreadFormat("OpenEXR", (".exr",), (b"v/1\x01",), article="an"),
    UnreadFormat("Radiance HDR", (".hdr", ".rgbe"), (b"#?RADIANCE", b"#?RGBE")),
    UnreadFormat("GIMP", (".xcf",), (b"gimp xcf",)),
    UnreadFormat("icon", (".ico", ".cur", ".icns", ".ani"), (b"\0\0\1\0", b"icns"), article="an"),
    UnreadFormat("DirectDraw", (".dds",), (b"DDS ",)),
    UnreadFormat("QOI", (".qoi",), (b"qoif",)),
    UnreadFormat("PCX", (".pcx", ".dcx"), tuple(b"\n" + bytes([v, 1]) for v in (0, 2, 3, 5))),
    UnreadFormat("FITS", (".fits", ".fts"), (b"SIMPLE  =",)),
    _DICOM,
    UnreadFormat("JPEG XR", (".jxr", ".wdp", ".hdp"), (b"II\xbc",)),
    UnreadFormat("JPEG-LS", (".jls",), (b"\xff\xd8\xff\xf7",)),
    UnreadFormat("BPG", (".bpg",), (b"BPG\xfb",)),
    UnreadFormat("FLIF", (".flif",), (b"FLIF",)),
    UnreadFormat("DjVu", (".djvu", ".djv"), (b"AT&TFORM",)),
    UnreadFormat("floating-point PFM", (".pfm",), (b"PF\n", b"Pf\n", b"PF ", b"Pf ")),
    UnreadFormat("SGI", (".sgi", ".rgb", ".rgba", ".bw"), (b"\x01\xda",), article="an"),
    UnreadFormat("Sun raster", (".ras",), (b"\x59\xa6\x6a\x95",)),
    UnreadFormat("XPM", (".xpm",), (b"/* XPM */",), article="an"),
    _XBM,
    UnreadFormat("Windows metafile", (".wmf", ".emf"), (b"\xd7\xcd\xc6\x9a",)),
    UnreadFormat("Illustrator", (".ai",), (), "draw it as PNG first", "an"),
    UnreadFormat("Krita", (".kra",)),
    UnreadFormat("OpenRaster", (".ora",), article="an"),
    UnreadFormat("Affinity", (".afphoto", ".afdesign"), article="an"),
    UnreadFormat("Procreate", (".procreate",)),
    UnreadFormat("Clip Studio", (".clip",)),
    UnreadFormat("Paint.NET", (".pdn",), (b"PDN3",)),
    UnreadFormat("PAM", (".pam",), (b"P7\n",)),
)
_PICTURES = tuple(kind for kind in _KNOWN if STILL_SUFFIXES.isdisjoint(kind.suffixes))
_OTHERS = (
    UnreadFormat("PDF", (), (b"%PDF",), "draw its pages as PNG first"),
    UnreadFormat("Git LFS", (), (b"version https://git-lfs",), "it stands for the picture: git lfs pull fetches that"),
    UnreadFormat("gzip", (), (b"\x1f\x8b",), "unpack it first"),
    UnreadFormat("RAR", (), (b"Rar!",), "unpack it first"),
    UnreadFormat("7z", (), (b"7z\xbc\xaf",), "unpack it first"),
    _ZIPPED,
)
_PAGE = UnreadFormat("HTML", (), (), "a web page came in place of the picture: fetch that itself", "an")
_CLIP = UnreadFormat("video", (), (b"\x1a\x45\xdf\xa3", b"OggS", b"FLV\x01"), "imgcycle video takes clips")
_CAMERA = UnreadFormat("camera's RAW", (), (), "with its own suffix, --raw preview and --raw develop take it")
_STILL_BRANDS = frozenset(b"avif avis heic heix heim heis hevc hevx hevm hevs mif1 mif2 mif3 msf1 miaf 1pic".split())


def foreign_by_suffix(path: PurePath | str) -> UnreadFormat | None:
    """Image format that is not read, by file suffix; None for any other name."""
    suffix = suffix_of(path)
    return next((kind for kind in _PICTURES if suffix in kind.suffixes), None)


def foreign_by_content(data: Data) -> UnreadFormat | None:
    """Format that is not read, by the first bytes; None if unknown."""
    head = bytes(data[:_HEAD])
    return _by_mark(head) or _by_container(head) or _by_text(head) or (_TARGA if _may_be_targa(head) else None)


def _by_mark(head: bytes) -> UnreadFormat | None:
    for kind in (*_PICTURES, *_OTHERS, _CLIP):
        if kind.marks and head.startswith(kind.marks):
            return _packed(head) if kind is _ZIPPED else kind
    if head.startswith((b"FUJIFILMCCD-RAW", b"IIRO", b"IIU\0", b"MMOR")):
        return _CAMERA
    return _DICOM if head[128:132] == b"DICM" else None


def _by_container(head: bytes) -> UnreadFormat | None:
    """Format of ISO/IEC 14496-12 files by their brand, of RIFF files by their form type."""
    kind, brand = head[4:8], head[8:12]
    if kind == b"ftyp" and brand not in _STILL_BRANDS:
        return _CAMERA if brand == b"crx " else _CLIP
    return _CLIP if head[:4] == b"RIFF" and brand == b"AVI " else None


def _by_text(head: bytes) -> UnreadFormat | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return _PAGE
    if text.startswith((b"<?xml", b"<svg", b"<!doctype svg", b"<!--")) and b"<svg" in text:
        return _SVG
    return _XBM if text.startswith(b"#define") and b"_width" in text else None


def _packed(head: bytes) -> UnreadFormat:
    """Format of a ZIP archive by its first entry (OpenDocument 1.2 part 3, section 3.3)."""
    named = {b"application/x-krita": "Krita", b"image/openraster": "OpenRaster"}
    for word, name in named.items():
        if word in head[:120]:
            return next(kind for kind in _PICTURES if kind.name == name)
    return _ZIPPED


def _may_be_targa(head: bytes) -> bool:
    """True if the header makes sense as Targa's, which has no signature (Truevision TGA 2.0, section C.2)."""
    if len(head) < 18:
        return False
    coloured, kind = head[1], head[2]
    length, entry = struct.unpack_from("<HB", head, 5)
    width, height, bits, flags = struct.unpack_from("<HHBB", head, 12)
    mapped = kind in (1, 9)
    sound = kind in (1, 2, 3, 9, 10, 11) and coloured == mapped and (mapped or (length, entry) == (0, 0))
    depths = (8,) if mapped or kind in (3, 11) else (15, 16, 24, 32)
    return sound and width > 0 and height > 0 and bits in depths and flags & 0xC0 == 0

"""Text on images: a font that has the characters, and text shortened to the available width."""

from __future__ import annotations

import functools
import unicodedata
from dataclasses import dataclass

from PIL import ImageDraw, ImageFont

_FACES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial Unicode.ttf",
    "NotoSansCJK-Regular.ttc",
    "msgothic.ttc",
    "PingFang.ttc",
    "Arial.ttf",
)
"""System fonts tried in this order for characters that Pillow's own, which has the Latin ones, lacks."""
Face = ImageFont.FreeTypeFont


@dataclass(frozen=True)
class Ink:
    """Colour of text, and its size in pixels."""

    colour: tuple[int, int, int]
    size: int


def draw_text(
    draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str, ink: Ink, room: int, face: Face | None = None
) -> None:
    """Draw one line with its top left corner `at`, shortened in the middle if it is wider than `room` pixels."""
    face = face or face_for(text, ink.size)
    draw.text(at, fitted(spelled(text, face), face, room), ink.colour, face)


def fitted(text: str, face: Face, room: int) -> str:
    """The text, or as much of its beginning and end, around dots, as fits: file names differ at their ends."""
    if face.getlength(text) <= room:
        return text
    # By bisection: measuring takes time proportional to the text, and a sheet has hundreds of them.
    kept, most = 1, len(text) - 1
    while kept < most:
        middle = (kept + most + 1) // 2
        if face.getlength(_cut(text, middle)) <= room:
            kept = middle
        else:
            most = middle - 1
    return _cut(text, kept)


def _cut(text: str, kept: int) -> str:
    behind = kept // 2
    return f"{text[: kept - behind]}…{text[len(text) - behind :]}"


def wrapped(text: str, face: Face, room: int) -> list[str]:
    """The text in lines of `room` pixels at most, broken at spaces where possible."""
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if line and face.getlength(longer) > room:
            lines.append(line)
            longer = word
        line = longer
    return [*lines, line] if line else lines


def face_for(text: str, size: int) -> Face:
    """First font with all the characters; Pillow's own if none has them."""
    own = _face("", size)
    assert own is not None
    names = ("", *_FACES)
    return next((f for n in names if (f := _face(n, size)) is not None and _has_all(f, text)), own)


def spelled(text: str, face: Face) -> str:
    """The text in the characters of a font: without accents it lacks, and question marks for others it lacks."""
    return "".join(c if _has(face, c) else _plain(c, face) for c in text)


def _plain(letter: str, face: Face) -> str:
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if _has(face, base) else "?"


@functools.cache
def _face(name: str, size: int) -> Face | None:
    try:
        found = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    except OSError:
        return None
    return found if isinstance(found, Face) else None


def _has_all(face: Face, text: str) -> bool:
    return all(_has(face, letter) for letter in text if letter.isprintable())


@functools.lru_cache(4096)
def _has(face: Face, letter: str) -> bool:
    if letter == " " or not letter.isprintable():
        return letter == " "  # a line break inside one cannot be laid out
    # A font draws missing characters as it draws U+FFFF, which is not a character.
    return bytes(face.getmask(letter)) != bytes(face.getmask("\uffff"))

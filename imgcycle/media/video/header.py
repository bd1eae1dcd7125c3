"""What ffmpeg says of a file when it opens it: streams, chapters, metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from imgcycle.errors import InputError
from imgcycle.media.files import opened
from imgcycle.media.video.clip import Chapter, Stream, StreamKind
from imgcycle.media.video.process import Finished, named, reason, run_ffmpeg, source

_STREAM = re.compile(
    r"^  Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((\w+)\))?: (Video|Audio|Subtitle|Attachment|Data|Unknown)(?:: (.*))?$"
)
_INPUT = re.compile(r"^Input #0, ([\w,]+), from '", re.MULTILINE)
_START = re.compile(r"^  Duration: .*?start: (-?\d+\.\d+)", re.MULTILINE)
_TAG = re.compile(r"\((.{4}) / 0x[0-9A-F]+\)")
_PAIR = re.compile(r"^      (\S[^:]*?) *: (.*)$")
_MORE = re.compile(r"^ +: (.*)$")
_ROTATION = re.compile(r"Display Matrix: rotation of (-?\d+\.\d+) degrees")
_RATE = re.compile(r"([\d.]+)(k?) (?:fps|tbr)")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<smil", b"v=0", b"[Reference]")


@dataclass(frozen=True)
class Header:
    """What a file declares. `start` is its clock's first reading (seconds); rotations and rates are by stream."""

    container: str
    streams: tuple[Stream, ...]
    start: Fraction
    rotations: dict[int, int]
    rates: dict[int, Fraction]
    chapters: tuple[Chapter, ...]
    metadata: MappingProxyType[str, str]


def read_header(path: Path) -> Header:
    """Open a file with ffmpeg and read what it says; InputError in one line when it will not open."""
    try:
        # A folder, a device or nothing at all are told apart better here than by ffmpeg.
        with opened(path) as file:
            head = file.read(64)
        done = run_ffmpeg([*source(path), "-f", "ffmetadata", "pipe:1"], loglevel="info")
    except (OSError, ValueError) as error:
        raise InputError(getattr(error, "strerror", None) or str(error)) from error
    if done.status != 0:
        raise _refused(head, done)
    said = "\n".join(text for _, text in done.log)
    name = named(path)
    # What stands before is the file's name, which may hold anything, and what follows the output's own header.
    begun = said.partition(f"from '{name}':\n")
    opening = begun[2].partition("\nStream mapping:")[0] if begun[1] else said
    found = _INPUT.search(said)
    start = _START.search(opening)
    streams, rotations, rates = _streams(opening.split("\n"))
    origin = Fraction(start[1]) if start else Fraction(0)
    metadata, chapters = _ffmetadata(os.fsdecode(done.output), origin)
    return Header(
        container=found[1] if found else "",
        streams=streams,
        start=origin,
        rotations=rotations,
        rates=rates,
        chapters=chapters,
        metadata=MappingProxyType(metadata),
    )


def _refused(head: bytes, done: Finished) -> InputError:
    if not head:
        return InputError("an empty file")
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(_PLAYLISTS):
        return InputError("a playlist, which only names other files", "give the clips themselves")
    why = reason(done.log)
    if "moov atom not found" in why:
        if head[4:8] in _BOXES:
            return InputError("cut off before its index, so nothing in it can be found", "copy or record it again")
        return InputError("not a clip that ffmpeg can read")
    if "Invalid data" in why or "whitelist" in why:
        return InputError("not a clip that ffmpeg can read")
    return InputError(f"cannot be opened: {why}")


def _streams(lines: list[str]) -> tuple[tuple[Stream, ...], dict[int, int], dict[int, Fraction]]:
    streams: list[Stream] = []
    rotations: dict[int, int] = {}
    rates: dict[int, Fraction] = {}
    for opening, rest in _blocks(lines):
        index = int(opening[1])
        words = opening[4] or ""
        metadata = _metadata(rest)
        streams.append(_stream(index, opening[3], opening[2] or "", words, metadata))
        turned = next((m for line in rest if (m := _ROTATION.search(line))), None)
        if turned:
            # ffmpeg counts against the clock.
            rotations[index] = round(-float(turned[1]) / 90) * 90 % 360
        if rate := _RATE.search(words):
            rates[index] = Fraction(rate[1]) * (1000 if rate[2] else 1)
    return tuple(streams), rotations, rates


def _blocks(lines: list[str]) -> Iterator[tuple[re.Match[str], list[str]]]:
    current: tuple[re.Match[str], list[str]] | None = None
    for line in lines:
        if match := _STREAM.match(line):
            if current:
                yield current
            current = (match, [])
        elif current and line.startswith("    "):
            current[1].append(line)
        elif current:
            yield current
            current = None
    if current:
        yield current


def _metadata(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    key = ""
    for line in lines:
        if line.startswith("    Side data:"):
            break
        if pair := _PAIR.match(line):
            key = pair[1]
            found[key] = pair[2]
        elif key and (more := _MORE.match(line)):
            found[key] += "\n" + more[1]
    return found


def _stream(index: int, word: str, language: str, details: str, metadata: dict[str, str]) -> Stream:
    kinds: dict[str, StreamKind] = {
        "Video": "video",
        "Audio": "audio",
        "Subtitle": "subtitle",
        "Attachment": "attachment",
    }
    kind = kinds.get(word, "data")
    codec = re.split(r"[ ,]", details, maxsplit=1)[0] or "none"
    tag = _TAG.search(details)
    cover = "(attached pic)" in details or "(timed thumbnails)" in details
    lowered = {key.lower(): value for key, value in metadata.items()}
    return Stream(
        index=index,
        kind=kind,
        codec="none" if codec == "unknown" else codec,
        tag=tag[1] if tag else "",
        language="" if language == "und" else language,
        title=lowered.get("title") or lowered.get("name", ""),
        default="(default)" in details,
        cover=cover,
        details=details,
        metadata=MappingProxyType(metadata),
    )


def _ffmetadata(text: str, origin: Fraction) -> tuple[dict[str, str], tuple[Chapter, ...]]:
    """ffmpeg's own format for metadata: `key=value`, sections in brackets, backslashes before what is special."""
    metadata: dict[str, str] = {}
    sections: list[dict[str, str]] = []
    into = metadata
    for line in _whole_lines(text):
        if line in ("[CHAPTER]", "[STREAM]"):
            into = {}
            if line == "[CHAPTER]":
                sections.append(into)
        elif not line.startswith(";"):
            key, _, value = _split(line)
            if key:
                into[key] = value
    chapters = []
    for section in sections:
        base = Fraction(section.get("TIMEBASE", "1/1000000000"))
        start, end = (int(section.get(key, 0)) * base - origin for key in ("START", "END"))
        chapters.append(Chapter(start, end, section.get("title", "")))
    return metadata, tuple(chapters)


def _whole_lines(text: str) -> Iterator[str]:
    """Lines, where a backslash before the end makes the next one part of it."""
    line = ""
    for part in text.split("\n"):
        line += part
        escapes = len(part) - len(part.rstrip("\\"))
        if escapes % 2:
            line += "\n"
        else:
            yield line
            line = ""


def _split(line: str) -> tuple[str, str, str]:
    match = re.match(r"((?:[^\\=]|\\.)*)(=)(.*)", line, re.DOTALL)
    if match is None:
        return "", "", ""
    return tuple(re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL) for part in match.groups())  # type: ignore[return-value]

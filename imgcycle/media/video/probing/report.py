"""Parse ffmpeg's report on a file: streams, chapters, metadata."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from types import MappingProxyType

from imgcycle.errors import InputError
from imgcycle.media.files import opened
from imgcycle.media.video.ffmpeg import ProcessResult, named, reason, run_ffmpeg, source
from imgcycle.media.video.probing.clip import Chapter, Stream, StreamKind

NEWER = "this ffmpeg is newer than imgcycle knows: pip install --upgrade imgcycle, or report it"
"""Hint if ffmpeg's report is not understood."""

_STREAM = re.compile(r"^ *Stream #0:(\d+)(?:\[0x[0-9a-f]+\])?(?:\((.*?)\))?: (\w+)(?:: (.*))?$")
_INPUT = re.compile(r"^Input #0, ([\w,]+), from '", re.MULTILINE)
_START = re.compile(r"^ *Duration: .*?start: (-?\d+\.\d+)", re.MULTILINE)
_TAG = re.compile(r"\((.{4}) / 0x[0-9A-F]+\)")
_PAIR = re.compile(r"^ *(\S.*?) *: (.*)$")
_MORE = re.compile(r"^ *: (.*)$")
_ROTATION = re.compile(r"Display Matrix: rotation of (-?\d+\.\d+) degrees")
_RATE = re.compile(r"(\d+(?:\.\d+)?)(k?) (?:fps|tbr)")
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_OF_SECTIONS = ("TIMEBASE", "START", "END")
_TO_TEXT = ("-f", "ffmetadata", "pipe:1")
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"[playlist]", b"<?xml", b"<MPD", b"<smil", b"v=0", b"[Reference]")


@dataclass(frozen=True)
class Header:
    """Declarations of a file. `start` is the first timestamp (seconds).

    Rotations, rates and side data (ffmpeg's lines on it) are by stream number.
    """

    container: str
    streams: tuple[Stream, ...]
    start: Fraction
    rotations: dict[int, int]
    rates: dict[int, Fraction]
    side_data: dict[int, tuple[str, ...]]
    chapters: tuple[Chapter, ...]
    metadata: MappingProxyType[str, str]


def read_header(path: Path) -> Header:
    """Open a file with ffmpeg and parse its report; InputError in one line if it cannot be opened.

    ffmpeg also counts the streams in a machine-readable form: InputError, too, if its report lists others, so that a
    report in an unknown layout is never taken for a clip without video.
    """
    try:
        # Folders, devices and missing files are reported better here than by ffmpeg.
        with opened(path) as file:
            head = file.read(64)
        # Members of some groups are listed at "verbose" only. Writing stops after the output's header.
        every = ("-map", "0?", "-c", "copy", "-copy_unknown", "-fs", "1")
        done = run_ffmpeg([*source(path), *every, *_TO_TEXT], loglevel="verbose")
        counted = done.status == 0
        if not counted:
            # A stream that no muxer accepts must not hide the others.
            done = run_ffmpeg([*source(path), *_TO_TEXT], loglevel="verbose")
    except (OSError, ValueError) as error:
        raise InputError(getattr(error, "strerror", None) or str(error)) from error
    if done.status != 0:
        raise _refused(head, done)
    said = "\n".join(text for _, text in done.log)
    name = named(path)
    # Before it is the file's name, which may hold anything; after it the output's own header.
    begun = said.partition(f"from '{name}':\n")
    opening = re.split(r"\n(?:Stream mapping:|Output #0)", begun[2] if begun[1] else said, maxsplit=1)[0]
    found = _INPUT.search(said)
    start = _START.search(opening)
    streams, rates, side_data = _streams(opening.split("\n"))
    origin = Fraction(start[1]) if start else Fraction(0)
    metadata, chapters, count = _ffmetadata(os.fsdecode(done.output), origin)
    if counted and [stream.index for stream in streams] != list(range(count)):
        raise InputError(
            f"{count} streams are in it, and ffmpeg's report tells of {len(streams)} alone",
            NEWER,
        )
    return Header(
        container=found[1] if found else "",
        streams=streams,
        start=origin,
        rotations=_rotations(side_data),
        rates=rates,
        side_data=side_data,
        chapters=chapters,
        metadata=MappingProxyType(metadata),
    )


def _refused(head: bytes, done: ProcessResult) -> InputError:
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


def _streams(lines: list[str]) -> tuple[tuple[Stream, ...], dict[int, Fraction], dict[int, tuple[str, ...]]]:
    """Streams, rates and side data of a report, by number, each once: groups and programs may share streams."""
    streams: dict[int, Stream] = {}
    rates: dict[int, Fraction] = {}
    side_data: dict[int, tuple[str, ...]] = {}
    for opening, rest in _blocks(lines):
        index = int(opening[1])
        if index in streams:
            continue
        words = opening[4] or ""
        streams[index] = _stream(index, opening[3], opening[2] or "", words, _metadata(rest))
        side_data[index] = tuple(line.strip() for line in _below(rest, "Side data:"))
        rate = _RATE.search(words)
        if rate and float(rate[1]) > 0:  # a frame in many minutes is rounded to zero
            rates[index] = Fraction(rate[1]) * (1000 if rate[2] else 1)
    return tuple(streams[index] for index in sorted(streams)), rates, side_data


def _rotations(side_data: dict[int, tuple[str, ...]]) -> dict[int, int]:
    found = {}
    for index, lines in side_data.items():
        if turned := next((match for line in lines if (match := _ROTATION.search(line))), None):
            # ffmpeg counts counterclockwise.
            found[index] = round(-float(turned[1]) / 90) * 90 % 360
    return found


def _blocks(lines: list[str]) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Yield each line that describes a stream, with the more deeply indented lines below it."""
    current: tuple[re.Match[str], list[str]] | None = None
    depth = 0
    for line in lines:
        if match := _STREAM.match(line):
            if current:
                yield current
            current, depth = (match, []), _depth(line)
        elif current and _depth(line) > depth:
            current[1].append(line)
        elif current:
            yield current
            current = None
    if current:
        yield current


def _below(lines: list[str], title: str) -> list[str]:
    """Lines of one section of a stream: those indented more than its title."""
    begun = next((n for n, line in enumerate(lines) if line.strip() == title), len(lines))
    return list(takewhile(lambda line: _depth(line) > _depth(lines[begun]), lines[begun + 1 :]))


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _metadata(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    key = ""
    for line in _below(lines, "Metadata:"):
        if more := _MORE.match(line):
            if key:
                found[key] += "\n" + more[1]
        elif pair := _PAIR.match(line):
            key = pair[1]
            found[key] = pair[2]
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


def _ffmetadata(text: str, origin: Fraction) -> tuple[dict[str, str], tuple[Chapter, ...], int]:
    """Parse ffmetadata: metadata, chapters and the number of streams.

    The format is `key=value`, sections in brackets, special characters escaped by backslashes.
    """
    metadata: dict[str, str] = {}
    count = 0
    sections: list[dict[str, str]] = []
    into = metadata
    for line in _whole_lines(text):
        if line in ("[CHAPTER]", "[STREAM]"):
            into = {}
            if line == "[CHAPTER]":
                sections.append(into)
            else:
                count += 1
        elif not line.startswith(";"):
            key, _, value = _split(line)
            # A section's own fields come first; a tag of the same name must not override them.
            if key and not (into is not metadata and key in _OF_SECTIONS and key in into):
                into[key] = value
    chapters = []
    for section in sections:
        base, start, end = (section.get(key, "") for key in _OF_SECTIONS)
        numbers = re.fullmatch(r"(\d{1,18})/(\d{1,18})\n(-?\d{1,18})\n(-?\d{1,18})", f"{base}\n{start}\n{end}")
        if numbers and int(numbers[2]):
            each = Fraction(int(numbers[1]), int(numbers[2]))
            first, last = (int(numbers[n]) * each - origin for n in (3, 4))
            chapters.append(Chapter(first, last, section.get("title", "")))
    return metadata, tuple(chapters), count


def _whole_lines(text: str) -> Iterator[str]:
    """Yield lines, joined where a backslash stands at the end."""
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

"""Final muxing: segments joined, the source's other streams added, under the final name at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from imgcycle.errors import OutputError, reported
from imgcycle.media.files import atomic_path
from imgcycle.media.paths import shown
from imgcycle.media.temporary_folder import TemporaryFolder
from imgcycle.media.video.containers import MUXERS, Container, cover_type
from imgcycle.media.video.ffmpeg import must_run, named, source
from imgcycle.media.video.probing.clip import Clip, Stream
from imgcycle.media.video.probing.timecode import timecode_after, timecode_of
from imgcycle.media.video.streams import StreamFate, StreamPlan, stream_arguments

_MICRO = 1_000_000


@dataclass(frozen=True)
class Segment:
    """A finished MP4 of `FrameWriter`, from `start` (its first frame) to `end` in seconds of the source file."""

    path: Path
    start: Fraction
    end: Fraction


def mux_segments(
    segments: Sequence[Segment],
    clip: Clip,
    plan: StreamPlan,
    output: Path,
    *,
    start: Fraction | None = None,
    end: Fraction | None = None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Join segments (each beginning where the last one ends), add the planned streams, and write `output`.

    `start` and `end` are those the frames were read with: time 0 of the result is `start`, and sound is cut to whole
    packets. `metadata` is added to the source's. The container is the plan's, whatever the suffix of `output`.
    OutputError in one line; `output` is not created then.
    """
    if not segments:
        raise OutputError(f"{shown(output)}: there is no segment to make it of")
    with (
        reported(OutputError, f"{shown(output)} cannot be written"),
        atomic_path(output) as temporary,
        TemporaryFolder() as folder,
    ):
        listed = folder / "segments.ffconcat"
        listed.write_bytes(_listing(segments, folder).encode("utf-8", "surrogateescape"))
        arguments = _arguments(segments, clip, plan, start, end, folder, listed)
        for key, value in (metadata or {}).items():
            arguments += ["-metadata", f"{key}={value}"]
        if plan.container in ("mkv", "webm"):
            arguments += ["-fflags", "+bitexact"]  # else streams and file are numbered at random
        arguments += ["-f", MUXERS[plan.container], "-y", named(temporary.absolute())]
        must_run(arguments, OutputError, f"{shown(output)} cannot be put together")


def _arguments(
    segments: Sequence[Segment],
    clip: Clip,
    plan: StreamPlan,
    start: Fraction | None,
    end: Fraction | None,
    folder: Path,
    listed: Path,
) -> list[str]:
    zero = start or Fraction(0)
    # With -copyts only these options shift times: ffmpeg's notion of a file's start depends on the streams in use.
    arguments = ["-copyts", "-itsoffset", _microseconds(segments[0].start - zero)]
    arguments += ["-protocol_whitelist", "file", "-f", "concat", "-safe", "0", "-i", named(listed)]
    # Where the clock jumps, seeking is impossible: packets before the cut are dropped one by one.
    seek = ("-noaccurate_seek", "-ss", _microseconds(zero)) if zero > 0 and not clip.jumps else ()
    arguments += source(clip.path.absolute(), *clip.clock, "-itsoffset", _microseconds(-clip.origin - zero), *seek)
    cut = start is not None or end is not None
    covers = [fate for fate in plan.kept if fate.stream.cover and plan.container == "mkv"]
    kept = tuple(fate for fate in plan.kept if fate not in covers)
    length = None if end is None else end - zero
    arguments += stream_arguments(plan.container, kept, _timing(plan.container, length) if cut else None)
    arguments += ["-map_metadata", "1", "-map_chapters", "1", "-strict", "experimental"]
    arguments += _timecode(clip, kept, segments[0].start)
    if length is not None and not clip.jumps:
        # -t refers to the times before they are corrected, so where the clock jumps only the filters end a stream.
        arguments += ["-t", _microseconds(length)]
    present = sum(fate.stream.kind == "attachment" for fate in kept)
    for n, fate in enumerate(covers, present):
        arguments += _cover(clip, fate.stream, n, folder)
    if plan.container in ("mp4", "mov"):
        # Apple's and Android's own keys are not in the classic list of tags.
        own = any(key.startswith("com.") for key in clip.metadata)
        arguments += ["-movflags", "+faststart+use_metadata_tags" if own else "+faststart"]
    return arguments


def _timecode(clip: Clip, kept: Sequence[StreamFate], begun: Fraction) -> list[str]:
    """Options for the time code, advanced to the start of the result; muxers make their track from them."""
    code = timecode_of(clip)
    if not code:
        return []
    passed = round((begun - clip.start) * clip.frame_rate)
    place = next(n for n, fate in enumerate(kept) if fate.way == "convert")
    moved = f"timecode={timecode_after(code, passed, clip.frame_rate)}"
    whole = [key for key in clip.metadata if key.lower() == "timecode"]
    return [f"-metadata:s:{place}", moved, *(("-metadata", moved) if whole else ())]


def _timing(container: Container, length: Fraction | None) -> dict[str, str]:
    """Bitstream and audio filters that keep packets inside the cut, from the first that starts in it.

    Video must begin with a key frame: MP4 keeps the one before the cut and hides it, others have to wait for the next.
    """
    seconds = "" if length is None else f"{float(length):.6f}"
    beyond = f"gte(pts*tb\\,{seconds})" if seconds else "0"
    # Variable 0 remembers that a key frame was seen.
    awaited = "not(st(0\\,max(ld(0)\\,key*gte(pts\\,0))))+lt(pts\\,0)"
    return {
        "audio": f"noise=drop=lt(pts\\,0)+{beyond}",
        "video": f"noise=drop={beyond}" if container in ("mp4", "mov") else f"noise=drop={awaited}+{beyond}",
        "recode": f"atrim=start=0:end={seconds}" if seconds else "atrim=start=0",
    }


def _cover(clip: Clip, stream: Stream, n: int, folder: Path) -> list[str]:
    """Arguments that attach cover art, written to a file, to a Matroska, which stores it as an attachment."""
    kind = cover_type(stream)
    name = stream.metadata.get("filename", "cover.png" if kind == "image/png" else "cover.jpg")
    done = must_run(
        [
            *(*source(clip.path), "-map", f"0:{stream.index}", "-c", "copy", "-frames:v", "1"),
            *("-f", "image2pipe", "pipe:1"),
        ],
        OutputError,
        "the cover art cannot be read",
    )
    file = folder / f"cover-{n}"
    file.write_bytes(done.output)
    words = [f"-metadata:s:t:{n}", f"mimetype={kind}", f"-metadata:s:t:{n}", f"filename={name}"]
    return ["-attach", named(file), *words]


def _listing(segments: Sequence[Segment], folder: Path) -> str:
    """ffmpeg's list of files to join, each with its exact length.

    Lengths are differences of rounded positions, so that rounding to microseconds never adds up.
    """
    lines = ["ffconcat version 1.0"]
    begun = segments[0].start
    places = [_rounded(segment.start - begun) for segment in segments] + [_rounded(segments[-1].end - begun)]
    for n, segment in enumerate(segments):
        path = segment.path.absolute()
        if "\n" in str(path) or "\r" in str(path):
            # The list format allows no line breaks in names: a link stands in for such a path.
            link = folder / f"segment-{n:06d}.mp4"
            link.symlink_to(path)
            path = link
        quoted = named(path).replace("'", "'\\''")
        lines += [f"file '{quoted}'", f"duration {(places[n + 1] - places[n]) / _MICRO:.6f}"]
    return "\n".join(lines) + "\n"


def _rounded(seconds: Fraction) -> int:
    return round(seconds * _MICRO)


def _microseconds(seconds: Fraction) -> str:
    return f"{_rounded(seconds)}us"

"""Probe a clip: everything in `Clip`, from ffmpeg's report and one pass over the packets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np

from imgcycle.errors import InputError
from imgcycle.media.video.ffmpeg import ProcessResult, run_ffmpeg, source
from imgcycle.media.video.probing.clip import NO_TIME, Clip, Colour, Stream, Ticks, usual_matrix
from imgcycle.media.video.probing.clock import Clock, may_jump, running_clock
from imgcycle.media.video.probing.framecrc import DISCARD, KEY, read_packets, seconds_a_tick, tick
from imgcycle.media.video.probing.pixel_formats import carries_alpha, chroma_of, depth_of, is_full_range, is_rgb
from imgcycle.media.video.probing.report import NEWER, read_header
from imgcycle.media.video.probing.side_data import carried, has_own_colours

_LOOKED_AT = 24
"""Frames decoded to detect side data: captions need not start with the first."""
_SEEKABLE = ("mov", "matroska", "mpegts")
"""Containers whose packets carry their own times, wherever reading begins."""
_SILENT_PACKETS = ("vp8",)
"""Codecs with packets that show no frame: their frames can only be counted by decoding."""
_BOTH_FIELDS = re.compile(r"frame_mbs_only_flag +0 = 0")
_USUAL_RATES = tuple(
    Fraction(n * 1000, d) for n in (12, 15, 24, 25, 30, 48, 50, 60, 90, 100, 120, 240) for d in (1000, 1001)
)

_DIMENSIONS = re.compile(rb"^#dimensions 0: (\d+)x(\d+)", re.MULTILINE)
_TIMED = re.compile(r"^(-?\d+) (\d+)/(\d+)$", re.MULTILINE)
_SHOWN = re.compile(r"^n: *0 .*?fmt:(\w+) .*?sar:(\d+)/(\d+) s:(\d+)x(\d+) i:(\S)", re.MULTILINE)
_COLOUR = re.compile(r"color_range:(\S+) color_space:(\S+) color_primaries:(\S+) color_trc:(\S+)")
_PEAK = re.compile(r"MaxCLL=([1-9]\d*)|max_luminance=([1-9]\d*)")


def probe_video(path: Path, *, counted: bool = False) -> Clip:
    """Probe a clip: streams, picture format, exact frame times; packets are read, and a few frames decoded.

    A packet is not always a frame: for field-coded video, joined recordings and with `counted`, all frames are decoded.
    InputError in one line for what is not a clip: a file truncated before its index, audio alone, no frames, text, a
    playlist of other files (which are never opened).
    """
    header = read_header(path)
    video = _chosen(path, header.streams)
    clock = Clock()
    looked = _look(path, video, clock)
    time_base, packets = read_packets(looked.output)
    if may_jump(header.container, time_base, packets[:, 1]):
        clock = running_clock(path, header.container, header.streams, video)
        if clock.jumps:
            looked = _look(path, video, clock)
            time_base, packets = read_packets(looked.output)
    first = _first_frame(looked)
    shown = packets[(packets[:, 3] & DISCARD) == 0]
    keys = np.unique(shown[(shown[:, 3] & KEY) != 0, 0])
    named = len(np.unique(shown[:, 0])) == len(shown) and not bool((shown[:, 0] == NO_TIME).any())
    named = named and not clock.jumps and video.codec not in _SILENT_PACKETS
    if counted or not named or _codes_fields(path, video):
        time_base, shown = _decoded(path, video, clock)
    if first is None or not len(shown):
        raise InputError(f"{video} has no frame that can be decoded: {looked.reason}")
    durations = _durations(shown, header.rates.get(video.index, Fraction(25)), time_base)
    shown = shown[np.argsort(shown[:, 0], kind="stable")]
    pts = shown[:, 0]
    coded = _DIMENSIONS.search(looked.output)
    return Clip(
        path=path,
        container=header.container,
        streams=header.streams,
        video=video,
        width=first.width,
        height=first.height,
        coded_size=(int(coded[1]), int(coded[2])) if coded else (first.width, first.height),
        rotation=header.rotations.get(video.index, 0),
        sar=first.sar,
        pixel_format=first.format,
        depth=depth_of(first.format),
        chroma=chroma_of(first.format),
        has_alpha=carries_alpha(first.format),
        interlaced=first.interlaced,
        colour=first.colour,
        time_base=time_base,
        origin=header.start,
        pts=pts,
        durations=durations,
        keyframes=keys if named else pts[:1],
        # Old x264 had a bug in 4:4:4 that decoders correct once they have read its version in the first frame.
        seekable=named
        and header.container.startswith(_SEEKABLE)
        and (video.codec, chroma_of(first.format)) != ("h264", "444"),
        frame_rate=_rate(pts, durations, time_base),
        chapters=header.chapters,
        metadata=header.metadata,
        carries=carried((text for _, text in looked.log), header.side_data.get(video.index, ()), video.details),
        own_colours=has_own_colours(header.side_data.get(video.index, ())),
        clock=clock.arguments,
        jumps=tuple(jump - header.start for jump in clock.jumps),
    )


@dataclass(frozen=True)
class _First:
    """The first frame as decoded, upright."""

    width: int
    height: int
    sar: Fraction
    format: str
    interlaced: bool
    colour: Colour


def _chosen(path: Path, streams: tuple[Stream, ...]) -> Stream:
    """The stream to convert: the default video stream, else the first; never cover art if there is video."""
    films = [stream for stream in streams if stream.kind == "video" and not stream.cover and stream.codec != "none"]
    if not films:
        raise _no_video_error(path, streams)
    # Layers that only refine another stream, and still images in place of video, are not meant.
    whole = [stream for stream in films if not re.search(r"\((dependent|still image)\)", stream.details)] or films
    return next((stream for stream in whole if stream.default), whole[0])


def _no_video_error(path: Path, streams: tuple[Stream, ...]) -> InputError:
    """The error for a clip without video, after asking ffmpeg in another way."""
    if not streams:
        return InputError("a clip without streams: nothing was recorded in it")
    kinds = {stream.kind for stream in streams}
    if strange := next((stream for stream in streams if stream.kind == "video" and not stream.cover), None):
        return InputError(f"{strange} is coded in a way that ffmpeg does not know")
    films = ("-map", "0:V", "-c", "copy", "-fs", "1", "-f", "ffmetadata", "pipe:1")
    if run_ffmpeg([*source(path), *films]).status == 0:
        return InputError("ffmpeg finds a video in it, which its report does not name as one", NEWER)
    what = "only cover art" if "video" in kinds else "no picture, only " + " and ".join(sorted(kinds))
    return InputError(f"{what}: there is nothing to convert")


def _look(path: Path, video: Stream, clock: Clock) -> ProcessResult:
    """Run ffmpeg for all packet times (on its output) and a description of the first frames (in its log)."""
    stream = f"0:{video.index}"
    return run_ffmpeg(
        [
            *("-copyts", *source(path, *clock.arguments)),
            *("-map", stream, "-c", "copy", "-f", "framecrc", "pipe:1"),
            *("-map", stream, "-frames:v", str(_LOOKED_AT), "-vf", "showinfo=checksum=0", "-f", "null", "-"),
        ],
        loglevel="info",
    )


def _codes_fields(path: Path, video: Stream) -> bool:
    """True if a frame may be two fields in separate packets (AVCHD and H.264 broadcasts)."""
    if video.codec != "h264":
        return False
    first = ("-map", f"0:{video.index}", "-c", "copy", "-frames:v", "1", "-bsf:v", "trace_headers")
    done = run_ffmpeg([*source(path), *first, "-f", "null", "-"], loglevel="info")
    return any(_BOTH_FIELDS.search(text) for _, text in done.log)


def _decoded(path: Path, video: Stream, clock: Clock) -> tuple[Fraction, Ticks]:
    """Time base, and rows of pts, pts and 0, from decoding every frame."""
    done = run_ffmpeg(
        [
            *("-copyts", *source(path, *clock.arguments), "-map", f"0:{video.index}", "-fps_mode", "passthrough"),
            *("-enc_time_base", "demux", "-stats_enc_pre", "pipe:1", "-stats_enc_pre_fmt", "{pts} {tb}"),
            *("-f", "null", "-"),
        ]
    )
    found = _TIMED.findall(done.output.decode("ascii", "replace"))
    if not found:
        raise InputError(f"{video} cannot be decoded: {done.reason}")
    time_base = seconds_a_tick(*found[0][1:])
    rows = [(at, at, 0) for pts, _, _ in found if (at := tick(pts)) != NO_TIME]
    return time_base, np.array(rows, np.int64).reshape(-1, 3)


def _first_frame(looked: ProcessResult) -> _First | None:
    said = "\n".join(text for _, text in looked.log)
    shown = _SHOWN.search(said)
    if shown is None:
        return None
    width, height = int(shown[4]), int(shown[5])
    sar = Fraction(int(shown[2]), int(shown[3]) or 1) or Fraction(1)
    words = _COLOUR.search(said, shown.end())
    colour = _colour(shown[1], height, cast("tuple[str, ...]", words.groups()) if words else ("unknown",) * 4)
    peaks = [int(a or b) for a, b in _PEAK.findall(said)]
    if colour.is_hdr and peaks:
        colour = Colour(colour.matrix, colour.range, colour.primaries, colour.transfer, max(peaks))
    return _First(width, height, sar, shown[1], shown[6] in "TB", colour)


def _colour(pixel_format: str, height: int, said: tuple[str, ...]) -> Colour:
    spread, matrix, primaries, transfer = said
    if is_rgb(pixel_format):
        matrix = "gbr"
    elif matrix in ("unknown", "reserved", "gbr"):
        matrix = usual_matrix(height)
    full = spread == "pc" or is_full_range(pixel_format)
    return Colour(matrix, "pc" if full else "tv", primaries, transfer)


def _durations(shown: Ticks, rate: Fraction, time_base: Fraction) -> Ticks:
    """Durations of the frames in ticks, in display order: until the next one; the last from the stream's total length.

    A packet's duration refers to decoding order: where frames are reordered at a variable rate it belongs to another
    frame, and only the total is right.
    """
    pts = np.sort(shown[:, 0])
    steps = np.diff(pts)
    usual = int(np.median(steps)) if len(steps) else max(1, round(1 / rate / time_base))
    whole = int(shown[-1, 1] + shown[-1, 2] - shown[0, 1])
    left = whole - int(pts[-1] - pts[0])
    if not 0 < left <= 10 * usual:
        left = int(shown[np.argmax(shown[:, 0]), 2])
    return np.append(steps, left if left > 0 else usual).astype(np.int64)


def _rate(pts: Ticks, durations: Ticks, time_base: Fraction) -> Fraction:
    """Frames a second; a standard rate where the clock's resolution allows it."""
    span = int(pts[-1] + durations[-1] - pts[0]) * time_base
    if not span:
        return Fraction(25)
    mean = len(pts) / span
    near = min(_USUAL_RATES, key=lambda usual: abs(usual - mean))
    allowed = max(Fraction(1, 5000), time_base / span)
    return near if abs(near / mean - 1) <= allowed else mean.limit_denominator(100_000)

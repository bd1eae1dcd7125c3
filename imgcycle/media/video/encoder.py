"""Encode frames to a finished MP4 segment with exactly the given timestamps."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, cast

import numpy as np

from imgcycle.concurrency import Consumer
from imgcycle.errors import DiskFull, OutputError, UsageError, from_system, reported
from imgcycle.media.files import atomic_path
from imgcycle.media.image.pixels import Pixels, eight_bit
from imgcycle.media.paths import shown
from imgcycle.media.video import timed_rawvideo
from imgcycle.media.video.ffmpeg import Running, frames_ahead, named, reason, says_full
from imgcycle.media.video.filters import tagged, to_bt709
from imgcycle.media.video.hardware import find_hardware

VideoCodec = Literal["h264", "hevc", "av1", "ffv1"]
Chroma = Literal["420", "444"]
CODECS: tuple[VideoCodec, ...] = ("h264", "hevc", "av1", "ffv1")
TIMESCALE = 90_000
"""Ticks a second in a segment."""

_WORDS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo")
_AV1_NUMBERS = dict(zip(_WORDS, (12, 11, 10, 9, 8, 6, 5, 4, 3, 1), strict=True))
"""SVT-AV1 numbers its presets; these are about as slow as x264's named ones."""
_QUALITY = {"h264": (17, 51), "hevc": (20, 51), "av1": (24, 63)}
"""Default crf, visually lossless, and the largest."""
_PRESET = {"h264": "veryfast", "hevc": "veryfast", "av1": "fast"}
"""Default preset. Of a 1080p frame, medium takes two to three times as long for at most half a decibel, or for a tenth
of the size, and more than the net: the table is `tests.benchmarks.frames --codecs h264 hevc av1`."""
_UNWRITTEN = "a segment cannot be written"


@dataclass(frozen=True)
class Coding:
    """Resolved encoder settings for one frame size: ffmpeg's encoder, pixel format and options.

    All segments of a video must have equal codings; it is plain data, so that it can be hashed (`dataclasses.asdict`).
    `filters` is ffmpeg's filter chain from RGB, with `planes` from limited-range luma above half-size colour; `device`
    the arguments that open a hardware encoder.
    """

    codec: VideoCodec
    encoder: str
    pixel_format: str
    width: int
    height: int
    sar: Fraction
    rate: Fraction
    filters: str
    options: tuple[str, ...]
    device: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """One line for each deviation from the usual: 4:4:4 because the size is odd."""
    planes: bool = False

    @property
    def frame_shape(self) -> tuple[int, ...]:
        """Shape of a frame's array."""
        return (self.height * 3 // 2, self.width) if self.planes else (self.height, self.width, 3)


def plan_coding(
    width: int,
    height: int,
    codec: VideoCodec = "h264",
    *,
    crf: int | None = None,
    preset: str | None = None,
    deep: bool = False,
    chroma: Chroma | None = None,
    sar: Fraction = Fraction(1),
    rate: Fraction = Fraction(25),
    hardware: bool = False,
    planes: str | None = None,
) -> Coding:
    """Choose the encoder settings. UsageError in one line for an unknown crf or preset, or unavailable hardware.

    `crf` None is the codec's default; `chroma` None is 4:2:0, or 4:4:4 for ffv1 and where a side is odd and the codec
    does not allow that; 10 bits for hevc and av1 if `deep`, for ffv1 always. `rate` (frames a second) does not change
    timestamps; encoders use it for rate control. `hardware` asks for a hardware encoder, tested with one frame.
    `planes` names the matrix of frames that come as 8-bit planes of even sides, which are then written as they are.
    """
    if codec not in CODECS:
        raise UsageError(f"no codec is called {codec!r}", f"one of {', '.join(CODECS)}")
    crf = _checked_crf(codec, crf)
    odd = bool(width % 2 or height % 2) and codec in ("h264", "hevc")
    notes: tuple[str, ...] = ()
    if codec == "ffv1":
        chroma = chroma or "444"
    elif chroma != "444" and odd:
        chroma = "444"
        notes = (f"{width}×{height} is odd, so colour is kept at full resolution (4:4:4), which few players know",)
    chroma = chroma or "420"
    ten = codec == "ffv1" or (deep and codec != "h264")
    pixel_format = f"yuv{chroma}p10le" if ten else f"yuv{chroma}p"
    if planes and (pixel_format != "yuv420p" or width % 2 or height % 2):
        raise ValueError(f"planes of {width} × {height} for {pixel_format}")
    filters = tagged(planes) if planes else to_bt709(pixel_format, width, height)
    filters += f",setsar=sar={sar.numerator}/{sar.denominator}:max=2147483647"
    device: tuple[str, ...] = ()
    if hardware:
        encoder, options, device, upload = _hardware(codec, chroma, crf, preset)
        filters += f",{upload}" if upload else ""
    else:
        encoder, options = _software(codec, chroma, crf, preset)
    return Coding(
        codec, encoder, pixel_format, width, height, sar, rate, filters, options, device, notes, planes is not None
    )


def _checked_crf(codec: VideoCodec, crf: int | None) -> int:
    if codec == "ffv1":
        if crf is not None:
            raise UsageError("ffv1 loses nothing, so it has no --crf", "leave it out, or choose another --codec")
        return 0
    usual, most = _QUALITY[codec]
    if crf is None:
        return usual
    if not 0 <= crf <= most:
        raise UsageError(f"--crf {crf} is out of range for {codec}", f"0 (best) to {most}; {usual} is the default")
    return crf


def _software(codec: VideoCodec, chroma: Chroma, crf: int, preset: str | None) -> tuple[str, tuple[str, ...]]:
    quality = ("-crf", str(crf))
    if codec == "ffv1":
        if preset is not None:
            raise UsageError("ffv1 has no presets", "leave --preset out, or choose another --codec")
        # Intra only, in slices with checksums: the settings archives use (RFC 9043).
        return "ffv1", ("-level", "3", "-g", "1", "-slices", "16", "-slicecrc", "1")
    if codec == "av1":
        number = _av1_preset(preset)
        if chroma == "444":
            return "libaom-av1", (*quality, "-b:v", "0", "-cpu-used", str(min(8, number)), "-row-mt", "1")
        return "libsvtav1", (*quality, "-preset", str(number))
    word = preset or _PRESET[codec]
    if word not in _WORDS:
        raise UsageError(f"{codec} has no preset {word!r}", f"one of {', '.join(_WORDS)}")
    if codec == "hevc":
        # hvc1 is the only name under which Apple's players take it.
        return "libx265", (*quality, "-preset", word, "-tag:v", "hvc1", "-x265-params", "log-level=error")
    return "libx264", (*quality, "-preset", word)


def _av1_preset(preset: str | None) -> int:
    if preset is None:
        return _AV1_NUMBERS[_PRESET["av1"]]
    if preset.isascii() and preset.isdigit() and int(preset) <= 13:
        return int(preset)
    if preset in _AV1_NUMBERS:
        return _AV1_NUMBERS[preset]
    raise UsageError(f"av1 has no preset {preset!r}", f"0 (slow) to 13 (fast), or one of {', '.join(_WORDS)}")


def _hardware(
    codec: VideoCodec, chroma: Chroma, crf: int, preset: str | None
) -> tuple[str, tuple[str, ...], tuple[str, ...], str]:
    found = None if codec == "ffv1" else find_hardware(codec)
    if found is None:
        raise UsageError(f"this machine has no {codec} encoder that ffmpeg can use", "leave --hardware out")
    if chroma == "444":
        raise UsageError(f"{found.encoder} cannot keep colour at full resolution", "leave --hardware out")
    options = found.quality(crf)
    if preset is not None:
        options += ("-preset", preset)
    if codec == "hevc":
        options += ("-tag:v", "hvc1")
    return found.encoder, options, found.device, found.upload


class FrameWriter:
    """Writes frames to one MP4 segment, which appears at `path` only when closed; a context manager.

    Leaving the `with` block by an exception discards the segment and stops the encoder. A thread writes frames from a
    short queue; OutputError from `write` or `close` if the encoder has failed.
    """

    frames: int
    """Number of frames written."""
    start: Fraction
    """Time of the first frame, as given: the segment's own timestamps begin at 0."""
    end: Fraction
    """Time plus duration of the last frame written."""

    def __init__(self, path: Path, coding: Coding) -> None:
        self.path = path
        self.coding = coding
        self.frames = 0
        self.start = self.end = Fraction(0)
        self._last = Fraction(0)
        self._deep = False
        self._over = False
        self._stack = contextlib.ExitStack()
        self._run: Running | None = None
        self._feeder: Consumer[tuple[bytes, Pixels]] | None = None

    def write(self, frame: Pixels, time: Fraction, duration: Fraction) -> None:
        """Add a frame: (H, W, 3) RGB uint8 or uint16 (either, whatever the coding), or planes if the coding has them;
        seconds, strictly ascending.

        The array is not copied and must not be changed afterwards.
        """
        shape = self.coding.frame_shape
        if frame.shape != shape:
            raise ValueError(f"a frame of shape {frame.shape} for a video of {shape}")
        if self.frames and time <= self._last:
            raise ValueError(
                f"frame {self.frames} at {float(time)} s does not come after the one at {float(self._last)} s"
            )
        feeder = self._feeder or self._begin(frame, time)
        frame = self._fitting(frame)
        block = timed_rawvideo.frame_header(frame.nbytes, time - self.start, duration)
        if not feeder.put((block, frame)):
            self._fail()
        self.frames += 1
        self._last, self.end = time, time + duration

    def close(self) -> None:
        """Finish the segment and rename it to its final name; safe to call twice."""
        if self._over:
            return
        if self._run is None or self._feeder is None:
            self._over = True
            raise OutputError(f"{self.path.name}: no frame was written")
        try:
            self._feeder.finish()
            if self._run.wait() != 0:
                self._fail()
        except BaseException:
            self.abort()
            raise
        self._over = True
        self._run.close()
        with reported(OutputError, _UNWRITTEN):
            self._stack.close()

    def abort(self) -> None:
        """Stop the encoder and remove its file; safe to call at any time."""
        if self._over:
            return
        self._over = True
        if self._run is not None:
            self._run.close()
        if self._feeder is not None:
            self._feeder.close()
        # The temporary file is only removed if the context is left by an exception.
        with contextlib.suppress(_Aborted):
            self._stack.__exit__(_Aborted, _Aborted(), None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def _begin(self, frame: Pixels, time: Fraction) -> Consumer[tuple[bytes, Pixels]]:
        coding = self.coding
        self.start, self._deep = time, frame.dtype == np.uint16
        try:
            temporary = self._stack.enter_context(atomic_path(self.path))
            self._run = Running(
                [
                    *("-y", *coding.device, "-f", "matroska", "-fpsprobesize", "0", "-i", "pipe:0"),
                    *("-map", "0:v", "-vf", coding.filters, "-fps_mode", "passthrough"),
                    *("-enc_time_base", f"1/{TIMESCALE}", "-c:v", coding.encoder, *coding.options),
                    *("-video_track_timescale", str(TIMESCALE), "-f", "mp4", named(temporary)),
                ],
                stdin=True,
                environment={"SVT_LOG": "1"},
            )
        except OSError as error:
            raise from_system(OutputError, error, _UNWRITTEN) from error
        except ValueError as error:
            raise OutputError(f"{_UNWRITTEN}: {error}") from error
        self._feeder = Consumer(partial(self._feed, self._run), frames_ahead(frame.nbytes), "encode")
        return self._feeder

    def _feed(self, run: Running, frames: Iterator[tuple[bytes, Pixels]]) -> None:
        """Thread: write queued frames to ffmpeg until the end, or until ffmpeg stops."""
        coding = self.coding
        try:
            about = coding.width, coding.height, coding.rate
            run.send(timed_rawvideo.header(*about, deep=self._deep, planes=coding.planes))
            for block, frame in frames:
                run.send(block)
                run.send(frame.reshape(-1).view(np.uint8).data)
        except (OSError, ValueError):
            pass  # the encoder is gone; its log says why
        finally:
            with contextlib.suppress(OSError):
                run.stdin.close()

    def _fitting(self, frame: Pixels) -> Pixels:
        """The frame in the segment's bit depth, contiguous, little-endian for Matroska."""
        if self._deep and frame.dtype == np.uint8:
            frame = frame.astype(np.uint16) * np.uint16(257)
        elif not self._deep:
            frame = eight_bit(frame)
        return cast(Pixels, np.ascontiguousarray(frame, "<u2" if self._deep else np.uint8))

    def _fail(self) -> None:
        run = self._run
        assert run is not None
        run.wait()
        said = reason(run.log)
        self.abort()
        if says_full(said):
            where = f"{shown(self.path.parent)} cannot be written to: {os.strerror(errno.ENOSPC)}"
            raise DiskFull(where, "free some, and the same command goes on")
        raise OutputError(f"{self.coding.encoder} failed after {self.frames} frames: {said}")


class _Aborted(Exception):
    """Raised to discard a segment."""

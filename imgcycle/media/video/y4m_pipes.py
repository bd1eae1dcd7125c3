"""Frames from and to pipes as y4m; ffmpeg converts their colours, as it does those of clips."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import cast

import numpy as np

from imgcycle.errors import InputError, OutputError
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.ffmpeg import Running, reason
from imgcycle.media.video.filters import to_rgb, to_untagged
from imgcycle.media.video.y4m import FRAME, LONGEST_LINE, Y4mFormat, y4m_format

_PROMPT = ("-probesize", "32", "-fpsprobesize", "0")
"""ffmpeg passes on each frame as it comes."""
_ENDLESS = 1 << 62
"""More frames than ever come."""


@dataclass(frozen=True)
class Pipes:
    """Where streams are read from and what writes them: None where a file is named instead."""

    reads: io.RawIOBase | io.BytesIO | None = None
    write: Callable[[bytes | memoryview], object] | None = None


class Y4mReader:
    """The frames of a stream; the header is read at once, and InputError raised if there is none.

    Nothing is held but the frames on their way, so a stream may go on for ever.
    """

    frames: int
    """Number of frames so far, those that were passed over included."""
    problem: str
    """Why the stream ended before its end; "" if it did not."""

    def __init__(self, file: io.RawIOBase | io.BytesIO) -> None:
        self._file = file
        self.format = y4m_format(self._line())
        self.frames, self.problem = 0, ""
        self._run: Running | None = None
        self._over = False

    def span(self, start: Fraction | None, end: Fraction | None) -> range:
        """Numbers of the frames that appear at or after `start` and before `end` (seconds), as of a sequence."""
        first = 0 if start is None else ceil(start * self.format.rate)
        return range(first, _ENDLESS if end is None else max(first, ceil(end * self.format.rate)))

    def read(self, span: range, width: int, height: int, *, deep: bool) -> Iterator[tuple[int, Pixels]]:
        """Yield number and RGB (height, width, 3), of 8 or 16 bits, of the frames of a span, once."""
        form = self.format
        chain = f"setparams=chroma_location={form.siting},{to_rgb(form, width, height, deep=deep)}"
        run = self._run = _converter(form.pixel_format, form, chain)
        feeder = threading.Thread(target=self._feed, args=(run, span), name="imgcycle-y4m", daemon=True)
        feeder.start()
        with run:
            number = span.start
            while True:
                frame = np.empty((height, width, 3), np.uint16 if deep else np.uint8)
                if not run.fill(frame.reshape(-1).view(np.uint8).data):
                    break
                yield number, frame
                number += 1
            if self._over:
                return
            if run.wait() != 0:
                raise InputError(f"frames cannot be converted: {reason(run.log)}")
            feeder.join()

    def stop(self) -> None:
        """End reading, from any thread; one that waits for the next frame is left alone."""
        self._over = True
        if self._run is not None:
            self._run.close()

    def _line(self) -> bytes:
        return self._file.readline(LONGEST_LINE)

    def _feed(self, run: Running, span: range) -> None:
        """Thread: pass frames on to ffmpeg until the end."""
        payload, neutral = bytearray(self.format.frame_bytes), self.format.neutral
        try:
            while self.frames < span.stop and not self._over and self._next(memoryview(payload)):
                if self.frames >= span.start:
                    run.send(payload)
                    run.send(neutral)
                self.frames += 1
        except (OSError, ValueError):
            pass  # ffmpeg is gone; its log says why
        finally:
            with contextlib.suppress(OSError):
                run.stdin.close()

    def _next(self, room: memoryview) -> bool:
        """Read one frame; False at the end, of which `problem` says whether it came too early."""
        try:
            line = self._line()
            if not line:
                return False
            if not (line.endswith(b"\n") and line.rstrip(b"\n").split(b" ")[0] == FRAME):
                self.problem = f"frame {self.frames + 1} does not begin like one, so the stream ends there"
                return False
            at = 0
            while at < len(room):
                got = self._file.readinto(room[at:])
                if not got:
                    self.problem = f"the stream ends within frame {self.frames + 1}"
                    return False
                at += got
        except OSError as error:
            self.problem = f"the stream cannot be read after frame {self.frames}: {error.strerror or error}"
            return False
        return True


class Y4mWriter:
    """Writes RGB frames as a stream; what `write` raises, `put` and `close` raise."""

    def __init__(self, write: Callable[[bytes | memoryview], object], form: Y4mFormat) -> None:
        self.format = form
        self._write = write
        self._run: Running | None = None
        self._deep = self._over = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._pass_on, name="imgcycle-y4m", daemon=True)

    def put(self, frame: Pixels) -> None:
        """Write a frame (H, W, 3), uint8 or uint16, all alike."""
        form = self.format
        if frame.shape != (form.height, form.width, 3):
            raise ValueError(f"a frame of shape {frame.shape} for a stream of {form.width} × {form.height}")
        if self._run is None:
            self._deep = frame.dtype == np.uint16
            chain = to_untagged(form, form.pixel_format, form.siting)
            self._run = _converter("rgb48le" if self._deep else "rgb24", form, chain)
            self._thread.start()
        data = cast(Pixels, np.ascontiguousarray(frame, "<u2" if self._deep else np.uint8))
        try:
            self._run.send(data.reshape(-1).view(np.uint8).data)
        except (OSError, ValueError):
            self._fail(self._run)

    def close(self) -> None:
        """Write what is on its way."""
        run = self._run
        if run is None:
            return
        with contextlib.suppress(OSError):
            run.stdin.close()
        self._thread.join()
        if self._error is not None or run.wait() != 0:
            self._fail(run)
        run.close()

    def abort(self) -> None:
        """End at once, from any thread; a write that waits for a reader is left alone."""
        self._over = True
        if self._run is not None:
            self._run.close()

    def _fail(self, run: Running) -> None:
        if self._over:
            raise OutputError("stopped")
        self._thread.join()
        run.wait()
        run.close()
        if self._error is not None:
            raise self._error
        raise OutputError(f"frames cannot be converted: {reason(run.log)}")

    def _pass_on(self) -> None:
        """Thread: frames from ffmpeg to the stream."""
        run = self._run
        assert run is not None
        room = memoryview(bytearray(self.format.frame_bytes))
        try:
            self._write(self.format.header())
            while run.fill(room):
                self._write(FRAME + b"\n")
                self._write(room)
        except BaseException as error:  # whatever it is, it is raised where frames are put
            self._error = error
            run.close()


def _converter(pixel_format: str, form: Y4mFormat, chain: str) -> Running:
    """An ffmpeg that takes raw frames and gives raw frames."""
    size = f"{form.width}x{form.height}"
    rate = f"{form.rate.numerator}/{form.rate.denominator}"
    raw = ("-f", "rawvideo", "-pixel_format", pixel_format, "-video_size", size, "-framerate", rate)
    try:
        return Running(
            [
                *(*_PROMPT, *raw, "-i", "pipe:0", "-vf", chain, "-fps_mode", "passthrough"),
                *("-flush_packets", "1", "-f", "rawvideo", "pipe:1"),
            ],
            stdin=True,
            stdout=True,
        )
    except (OSError, ValueError) as error:
        raise InputError(f"ffmpeg cannot be started: {error}") from error

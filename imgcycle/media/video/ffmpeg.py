"""Running ffmpeg: what it may open, what it said, and that it is gone when we are done with it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import subprocess
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from imgcycle.errors import DiskFull, ImgcycleError, InputError, OutputError

_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,gif,apng,flv,asf,ogg,mxf,nut,rm,ivf,obu,"
    "h264,hevc,av1,m4v,vc1,dv,wtv,y4m,yuv4mpegpipe"
)
"""Formats that hold their own data. Playlists and their kin, which make ffmpeg open other files, are not among them."""

OLDEST = (8, 0)
"""The first main version that puts FFV1 into MP4 and filters packets as they are read."""

_QUIET = ("-nostdin", "-hide_banner", "-nostats")
_AHEAD_BYTES = 96 << 20
"""What waiting frames take at most, where two are not more."""
_KEPT_LINES = 400
_LINE = re.compile(r"^(?:\[[^\]]*@ 0x[0-9a-f]+\] )*\[(\w+)\] ?(.*)$")
_VAGUE = re.compile(
    r"Error opening (input|output)|Error (initializing|while (opening|processing))|Conversion failed|Task finished"
    r"|Terminating thread|Nothing was written|Invalid argument$|Error muxing a packet|Error writing trailer"
    r"|Decode error rate|Error submitting|Could not open encoder before EOF|Cannot open libx|incorrect parameters",
)


@cache
def ffmpeg() -> str:
    """The ffmpeg that imageio-ffmpeg carries, or the one that IMAGEIO_FFMPEG_EXE names.

    InputError without one, and for one so old that it would lose frames or fail in the middle.
    """
    import imageio_ffmpeg

    try:
        found = str(imageio_ffmpeg.get_ffmpeg_exe())
    except RuntimeError as error:
        raise InputError("clips need ffmpeg, and there is none", "pip install imageio-ffmpeg") from error
    version = _version(found)
    if version and version < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise InputError(
            f"{found} is ffmpeg {'.'.join(map(str, version))}, too old for clips",
            f"pip install --upgrade imageio-ffmpeg, or name ffmpeg {wanted} or newer in IMAGEIO_FFMPEG_EXE",
        )
    return found


def _version(executable: str) -> tuple[int, ...]:
    """Main and second number of an ffmpeg's version; () for one between versions, and one that does not run."""
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, check=False)
    except (OSError, ValueError):
        return ()  # whoever runs it says why
    match = re.match(rb"ffmpeg version n?(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else ()


def named(path: Path) -> str:
    """A path so that ffmpeg takes it for a file, whatever it looks like (`-i.mp4`, `concat:x.mp4`)."""
    return f"file:{path}"


def source(path: Path, *options: str) -> list[str]:
    """The arguments that open a clip and can open nothing else; `options` are those of this input."""
    return [
        "-protocol_whitelist", "file", "-format_whitelist", _FORMATS, *options, "-i", named(path),
    ]  # fmt: skip


@dataclass(frozen=True)
class ProcessResult:
    """What a run of ffmpeg left: its exit status, its standard output, its log as (level, text)."""

    status: int
    output: bytes
    log: tuple[tuple[str, str], ...]

    @property
    def reason(self) -> str:
        """The line of the log that says best why it failed."""
        return reason(self.log)


def reason(log: Sequence[tuple[str, str]]) -> str:
    """The line of a log that says best why ffmpeg failed: the last that names a cause."""
    said = [text.strip() for level, text in log if level in ("error", "fatal", "panic") and text.strip()]
    clear = [text for text in said if not _VAGUE.search(text)]
    found = (clear or said or ["ffmpeg gave no reason"])[-1]
    return "".join(c if c.isprintable() else " " for c in found).rstrip(". ")


def frames_ahead(frame_bytes: int) -> int:
    """How many frames wait between a clip's decoder or encoder and whoever gives or takes them."""
    return max(2, min(8, _AHEAD_BYTES // frame_bytes))


class Running:
    """One ffmpeg process; its log is read by a thread, and it is killed and reaped when this is closed.

    `on_line(level, text)` is called in that thread for every line, `on_end()` after the last. A context manager:
    however the block is left, no process is.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        stdin: bool = False,
        stdout: bool = False,
        on_line: Callable[[str, str], None] | None = None,
        on_end: Callable[[], None] | None = None,
        loglevel: str = "warning",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.log: deque[tuple[str, str]] = deque(maxlen=_KEPT_LINES)
        self._on_line, self._on_end = on_line, on_end
        # A group of its own: Ctrl-C is for us to handle, in order, not for ffmpeg to die of in the middle of a write.
        apart: dict[str, Any] = {"process_group": 0} if os.name == "posix" else {"creationflags": 0x200}
        self._process = subprocess.Popen(
            [ffmpeg(), *_QUIET, "-loglevel", f"repeat+level+{loglevel}", *arguments],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=None if environment is None else {**os.environ, **environment},
            **apart,
        )
        # Also when nobody closes it: an object forgotten in a traceback must not leave a process behind.
        self._end = weakref.finalize(self, _end, self._process)
        self._reader = threading.Thread(target=self._read_log, name="ffmpeg-log", daemon=True)
        self._reader.start()

    @property
    def stdin(self) -> IO[bytes]:
        """The pipe into ffmpeg."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """The pipe out of ffmpeg."""
        assert self._process.stdout is not None
        return self._process.stdout

    def wait(self) -> int:
        """Wait until it has ended by itself and its log is read; the exit status."""
        status = self._process.wait()
        self._reader.join()
        return status

    def close(self) -> None:
        """End the process if it still runs, and close its pipes; safe to call twice and from any thread."""
        self._end()
        self._reader.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read_log(self) -> None:
        assert self._process.stderr is not None
        rest = b""
        while block := self._process.stderr.read(65536):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                self._take(line)
        if rest:
            self._take(rest)
        if self._on_end is not None:
            self._on_end()

    def _take(self, line: bytes) -> None:
        text = os.fsdecode(line.rstrip(b"\r"))
        match = _LINE.match(text)
        level, said = (match[1], match[2]) if match else ("", text)
        self.log.append((level, said))
        if self._on_line is not None:
            self._on_line(level, said)


def run_ffmpeg(arguments: Sequence[str], *, loglevel: str = "warning") -> ProcessResult:
    """Run ffmpeg to its end; OSError and ValueError (a path it cannot be given) pass through."""
    log: list[tuple[str, str]] = []
    with Running(
        arguments, stdout=True, loglevel=loglevel, on_line=lambda level, text: log.append((level, text))
    ) as run:
        blocks = []
        while block := run.stdout.read(1 << 20):
            blocks.append(block)
        status = run.wait()
    return ProcessResult(status, b"".join(blocks), tuple(log))


def must_run(arguments: Sequence[str], failure: type[ImgcycleError], what: str) -> ProcessResult:
    """Run ffmpeg and raise `failure` when it does not end well: "`what`: the reason"; DiskFull for an OutputError that
    comes of that."""
    try:
        done = run_ffmpeg(arguments)
    except (OSError, ValueError) as error:
        raise failure(f"{what}: {error}") from error
    if done.status != 0:
        full = issubclass(failure, OutputError) and says_full(done.reason)
        raise (DiskFull if full else failure)(f"{what}: {done.reason}")
    return done


def says_full(reason: str) -> bool:
    """Whether ffmpeg ended because the disk is full: another program's errors are known by their words alone."""
    return os.strerror(errno.ENOSPC) in reason


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    if process.stdin is not None:
        # Closing flushes, and what is left to flush has nowhere to go.
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.wait()

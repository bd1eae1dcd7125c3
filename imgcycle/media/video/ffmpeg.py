"""Run ffmpeg: which inputs it may open, its log, and its reliable termination."""

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
"""Formats that hold their own data. Playlists and the like, which make ffmpeg open other files, are left out."""

OLDEST = (8, 0)
"""Oldest supported version: the first that puts FFV1 into MP4 and filters packets while reading."""

_QUIET = ("-nostdin", "-hide_banner", "-nostats")
_AHEAD_BYTES = 96 << 20
"""Most bytes of queued frames, unless two frames are more."""
_KEPT_LINES = 400
_LINE = re.compile(r"^(?:\[[^\]]*@ 0x[0-9a-f]+\] )*\[(\w+)\] ?(.*)$")
_VAGUE = re.compile(
    r"Error opening (input|output)|Error (initializing|while (opening|processing))|Conversion failed|Task finished"
    r"|Terminating thread|Nothing was written|Invalid argument$|Error muxing a packet|Error writing trailer"
    r"|Decode error rate|Error submitting|Could not open encoder before EOF|Cannot open libx|incorrect parameters",
)


@cache
def ffmpeg() -> str:
    """Path of the ffmpeg from imageio-ffmpeg, or of IMAGEIO_FFMPEG_EXE.

    InputError if there is none, or if it is so old that it would lose frames or fail halfway.
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
    """Major and minor version of an ffmpeg; () for a development build, or if it does not run."""
    try:
        done = subprocess.run([executable, "-version"], capture_output=True, check=False)
    except (OSError, ValueError):
        return ()  # the caller reports why
    match = re.match(rb"ffmpeg version n?(\d+)\.(\d+)", done.stdout)
    return (int(match[1]), int(match[2])) if match else ()


def named(path: Path) -> str:
    """A path that ffmpeg takes for a file, whatever it looks like (`-i.mp4`, `concat:x.mp4`)."""
    return f"file:{path}"


def source(path: Path, *options: str) -> list[str]:
    """Arguments that open a clip and allow no other file to be opened; `options` apply to this input."""
    return [
        "-protocol_whitelist", "file", "-format_whitelist", _FORMATS, *options, "-i", named(path),
    ]  # fmt: skip


@dataclass(frozen=True)
class ProcessResult:
    """Exit status, standard output, and log lines as (level, text) of a finished ffmpeg."""

    status: int
    output: bytes
    log: tuple[tuple[str, str], ...]

    @property
    def reason(self) -> str:
        """Log line that explains the failure best."""
        return reason(self.log)


def reason(log: Sequence[tuple[str, str]]) -> str:
    """Log line that explains a failure best: the last that names a cause."""
    said = [text.strip() for level, text in log if level in ("error", "fatal", "panic") and text.strip()]
    clear = [text for text in said if not _VAGUE.search(text)]
    found = (clear or said or ["ffmpeg gave no reason"])[-1]
    return "".join(c if c.isprintable() else " " for c in found).rstrip(". ")


def frames_ahead(frame_bytes: int) -> int:
    """Length of the queue of frames between ffmpeg and its reader or writer."""
    return max(2, min(8, _AHEAD_BYTES // frame_bytes))


class Running:
    """One ffmpeg process; a thread reads its log, and closing kills and reaps it.

    `on_line(level, text)` is called in that thread for every line, `on_end()` after the last. A context manager: the
    process has ended however the block is left.
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
        # A process group of its own: Ctrl-C is handled here, in order, and must not kill ffmpeg in the middle of a
        # write.
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
        # Also without `close`: an object kept alive by a traceback must not leave a process behind.
        self._end = weakref.finalize(self, _end, self._process)
        self._reader = threading.Thread(target=self._read_log, name="ffmpeg-log", daemon=True)
        self._reader.start()

    @property
    def stdin(self) -> IO[bytes]:
        """Pipe to ffmpeg."""
        assert self._process.stdin is not None
        return self._process.stdin

    @property
    def stdout(self) -> IO[bytes]:
        """Pipe from ffmpeg."""
        assert self._process.stdout is not None
        return self._process.stdout

    def send(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of some bytes to ffmpeg; OSError or ValueError once it is gone."""
        view = memoryview(data)
        while view:
            view = view[self.stdin.write(view) :]

    def fill(self, room: memoryview) -> bool:
        """Fill a buffer with what ffmpeg writes; False if that ends early."""
        at = 0
        while at < len(room):
            got = self.stdout.readinto(room[at:])  # type: ignore[attr-defined]
            if not got:
                return False
            at += got
        return True

    def wait(self) -> int:
        """Wait until the process has ended and its log is read; return the exit status."""
        status = self._process.wait()
        self._reader.join()
        return status

    def close(self) -> None:
        """Kill the process if it still runs, and close its pipes; safe to call twice and from any thread."""
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
    """Run ffmpeg to its end; OSError and ValueError (for an invalid path) pass through."""
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
    """Run ffmpeg; if it fails, raise `failure` with "`what`: reason", as DiskFull if an OutputError is due to a
    full disk.
    """
    try:
        done = run_ffmpeg(arguments)
    except (OSError, ValueError) as error:
        raise failure(f"{what}: {error}") from error
    if done.status != 0:
        full = issubclass(failure, OutputError) and says_full(done.reason)
        raise (DiskFull if full else failure)(f"{what}: {done.reason}")
    return done


def says_full(reason: str) -> bool:
    """True if ffmpeg failed because the disk is full; the errors of another program are known by their text alone."""
    return os.strerror(errno.ENOSPC) in reason


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    if process.stdin is not None:
        # Closing flushes, and the reader is gone.
        with contextlib.suppress(OSError):
            process.stdin.close()
    process.wait()

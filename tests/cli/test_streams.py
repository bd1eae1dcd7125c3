"""Streams that are closed, full or read by nobody; signals while imports last; libraries that talk."""

from __future__ import annotations

import errno
import gc
import io
import logging
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from imgcycle.cli.app import run
from imgcycle.cli.interrupts import graceful_exit
from imgcycle.cli.standard_streams import no_remarks, silent_libraries
from imgcycle.errors import Interrupted
from tests.media.pictures import encoded, scene

TO = ["--to", "tiny.safetensors"]


@pytest.fixture
def folder(folder: Path) -> Path:
    (folder / "in").mkdir()
    for n in range(2):
        (folder / "in" / f"{n}.png").write_bytes(encoded(scene(seed=n), "PNG"))
    shutil.copytree(folder / "in", folder / "twin")
    (folder / "palette").write_text("0 0 0 a\n255 255 255 b\n")
    return folder


class Broken(io.TextIOWrapper):
    """A stream that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8")
        self.number = number

    def write(self, _: str) -> int:
        raise OSError(self.number, os.strerror(self.number))

    def flush(self) -> None:
        pass


def closed_stream() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


UNHEARD: list[Any] = [None, Broken(errno.ENOSPC), Broken(errno.EBADF), Broken(errno.EPIPE), closed_stream()]
COMMANDS = {
    "convert": ["convert", "in", *TO],
    "plan": ["convert", "in", *TO, "--dry-run"],
    "verbose": ["convert", "in", *TO, "-v"],
    "json": ["convert", "in", *TO, "--json"],
    "list": ["models", "list"],
    "path": ["models", "path", "tiny.safetensors"],
    "info": ["models", "info", "tiny.safetensors"],
    "verify": ["models", "verify", "tiny.safetensors"],
    "labels": ["evaluate", "--labels", "in", "twin", "--palette", "palette"],
    "stream": ["convert", "in/0.png", *TO, "-o", "-"],
    "help": ["--help"],
    "convert's help": ["convert", "--help"],
    "version": ["--version"],
}
SAYING = {"json", "plan", "path", "info", "verify", "stream", "labels"}
"""Those whose work is what stands on stdout."""


@pytest.mark.parametrize("stderr", UNHEARD, ids=["none", "full", "bad", "gone", "closed"])
@pytest.mark.parametrize("name", COMMANDS)
def test_work_is_done_where_nobody_hears_of_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, stderr: Any
) -> None:
    monkeypatch.setattr(sys, "stderr", stderr)
    if name == "stream":
        (folder / "out.bin").touch()
        with (folder / "out.bin").open("w") as file:
            monkeypatch.setattr(sys, "stdout", file)
            assert run(COMMANDS[name]) == 0
        assert (folder / "out.bin").read_bytes().startswith(b"\x89PNG")
        return
    assert run(COMMANDS[name]) == 0
    if name in ("convert", "json", "verbose"):
        assert len(list((folder / "in-tiny").glob("*.png"))) == 2
    # What went wrong is still told by the code.
    assert run(["convert", "nowhere", *TO]) == 2


@pytest.mark.parametrize("stdout", UNHEARD[:4], ids=["none", "full", "bad", "gone"])
@pytest.mark.parametrize("name", [name for name in COMMANDS if "help" not in name])
def test_what_cannot_be_said_is_an_error_in_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, stdout: Any
) -> None:
    if name == "stream" and isinstance(stdout, Broken):

        class Full(io.BytesIO):
            def write(self, _: Any) -> int:
                raise OSError(stdout.number, os.strerror(stdout.number))

        monkeypatch.setattr(sys, "stdout", type("Out", (), {"buffer": Full(), "isatty": lambda _: False})())
    else:
        monkeypatch.setattr(sys, "stdout", stdout)
    code = run(COMMANDS[name])
    said = capsys.readouterr().err
    assert "unexpected" not in said
    assert "Traceback" not in said
    if name in ("convert", "verbose"):
        assert code == 0
        assert len(list((folder / "in-tiny").glob("*.png"))) == 2
    elif name in SAYING:
        assert code == 1
        gone = isinstance(stdout, Broken) and stdout.number == errno.EPIPE
        assert said.count("\n") == (0 if gone else 1), said
        assert gone or "stdout" in said
    else:
        assert code in (0, 1)


def process(*words: str, code: str = "", **more: Any) -> subprocess.CompletedProcess[bytes]:
    begin = f"{code}\nimport sys\nfrom imgcycle.__main__ import main\nsys.argv[1:] = {list(words)!r}\nmain()"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | more
    return subprocess.run([sys.executable, "-c", begin], env=environment, check=False, **streams)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way of closing")
def test_a_process_whose_streams_are_closed_or_full(folder: Path) -> None:
    def closed() -> None:
        for number in (0, 1, 2):
            os.close(number)

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "imgcycle", "convert", "in", *TO, "-o"]
    assert subprocess.run([*words, "a/", "-v"], env=environment, preexec_fn=closed, check=False).returncode == 0
    assert sorted(path.name for path in (folder / "a").glob("*.png")) == ["0.png", "1.png"]
    # Nothing was written into a file that took the place of a closed stream.
    from imgcycle.media.image.read import read_still

    assert read_still((folder / "a" / "0.png").read_bytes()).size == (56, 40)
    with Path("/dev/full").open("w") as full:
        both = subprocess.run([*words, "b/", "--json"], env=environment, stdout=full, stderr=full, check=False)
        assert both.returncode == 1
        alone = subprocess.run([*words, "c/"], env=environment, stdout=full, stderr=full, check=False)
        assert alone.returncode == 0
    assert len(list((folder / "c").glob("*.png"))) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="a shell's way of reading one line")
def test_the_reader_of_help_may_leave_and_its_disk_be_full(folder: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    gone = process("convert", "--help", stdout=theirs)
    os.close(theirs)
    assert (gone.returncode, gone.stderr) == (1, b"")
    with Path("/dev/full").open("w") as full:
        done = process("--help", stdout=full)
    line = b"imgcycle: what was to be said cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, line)


@pytest.mark.skipif(sys.platform == "win32", reason="signals are others there")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("module", ["imgcycle.cli.app", "torch"])
def test_a_signal_during_an_import_ends_the_process_in_one_line(folder: Path, number: int, module: str) -> None:
    code = (
        "import builtins, os\n"
        "plain = builtins.__import__\n"
        "def slow(name, *more):\n"
        f"    if name == {module!r} or name.startswith({module!r} + '.'):\n"
        "        try:\n"
        f"            os.kill(os.getpid(), {int(number)})\n"
        "            plain('json', *more[:2])\n"
        "        except BaseException:\n"
        "            pass\n"
        "    return plain(name, *more)\n"
        "builtins.__import__ = slow"
    )
    done = process("convert", "in", *TO, code=code)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"imgcycle: interrupted\n")
    assert not (folder / "in-tiny").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_work_that_writes_is_ended_well(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted, match="what was finished"), graceful_exit():
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


def test_garbage_is_collected_once_the_work_begins() -> None:
    gc.disable()  # as `imgcycle/__main__.py` does
    try:
        with graceful_exit():
            assert gc.isenabled()
            assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
        gc.enable()
    with graceful_exit():
        assert gc.get_freeze_count() == 0, "a program that calls imgcycle keeps its own"


def test_libraries_are_not_heard(capfd: pytest.CaptureFixture[str]) -> None:
    before = logging.root.manager.disable
    try:
        with warnings.catch_warnings(), silent_libraries():
            no_remarks()
            os.write(2, b"TIFFReadDirectory: Warning, unknown field\n")
            logging.getLogger("tifffile").error("corrupted")
            logging.getLogger("pyvips").critical("what")
            warnings.warn("decompression bomb", stacklevel=1)
    finally:
        logging.disable(before)
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"

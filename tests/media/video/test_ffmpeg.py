"""ffmpeg as a guest: heard when it fails, gone when we are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from imgcycle.errors import InputError, OutputError
from imgcycle.media.video import ffmpeg as process
from imgcycle.media.video.ffmpeg import must_run, reason

FORGETFUL = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite in the background hands down that it is ignored
from pathlib import Path
from fractions import Fraction
import numpy as np
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.encoder import FrameWriter, plan_coding
from imgcycle.media.video.probing.probe import probe_video

clip = probe_video(Path(sys.argv[1]))
reader = FrameReader(clip)
frame = next(reader).frame
writer = FrameWriter(Path(sys.argv[2]), plan_coding(clip.width, clip.height))
writer.write(frame, Fraction(0), Fraction(1, 25))
print(reader._run._process.pid, writer._run._process.pid, flush=True)
time.sleep(200)
"""


def test_an_interrupted_program_leaves_no_ffmpeg_behind(steady: Path, tmp_path: Path) -> None:
    program = subprocess.Popen(
        [sys.executable, "-c", FORGETFUL, steady, tmp_path / "out.mp4"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert program.stdout is not None
    with program:
        pids = [int(word) for word in program.stdout.readline().split()]
        assert len(pids) == 2
        program.send_signal(signal.SIGINT)
        assert program.wait(300) != 0  # not the end of its sleep
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_line_that_says_why() -> None:
    log = [
        ("warning", "deprecated pixel format"),
        ("error", "moov atom not found"),
        ("error", "Error opening input: Invalid data found when processing input"),
        ("fatal", "Error opening input files: Invalid data found"),
    ]
    assert reason(log) == "moov atom not found"
    assert reason(log[2:]) == "Error opening input files: Invalid data found"
    assert reason([]) == "ffmpeg gave no reason"
    assert reason([("error", "a\tb\x1b[31m.")]) == "a b [31m"


def test_a_failure_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"it broke: .*No such file") as caught:
        must_run(["-i", f"file:{tmp_path}/-none\n.mp4", "-f", "null", "-"], OutputError, "it broke")
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="embedded null"):
        must_run(["-i", "file:a\0b"], OutputError, "it broke")


@pytest.mark.skipif(sys.platform == "win32", reason="a script stands in for ffmpeg")
def test_an_ffmpeg_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, old in {"6.1.1-static": "6.1", "n7.1-5-g1": "7.1", "n9.0.2-17-g2a": "", "N-118000-gab": ""}.items():
        script = tmp_path / "ffmpeg"
        script.write_text(f"#!/bin/sh\necho 'ffmpeg version {version} Copyright (c) 2000-2026'\n")
        script.chmod(0o755)
        monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(script))
        if not old:
            assert process.ffmpeg.__wrapped__() == str(script)
            continue
        with pytest.raises(InputError, match=rf"is ffmpeg {old}, too old for clips \(pip install --upgrade"):
            process.ffmpeg.__wrapped__()
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(tmp_path / "none"))
    assert process.ffmpeg.__wrapped__() == str(tmp_path / "none")

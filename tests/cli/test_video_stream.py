"""`imgcycle video -` between two real ffmpegs, and what it refuses."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest

from imgcycle.cli.app import run
from imgcycle.cli.render.convert import filmed_line
from imgcycle.jobs.events import FrameProgress, share_done
from tests.jobs.films import film, frames_of
from tests.media.video.clips import ffmpeg

TO = ["--style", "tiny.safetensors"]
SEEN = ("-f", "lavfi", "-i", "testsrc2=s=64x36:r=30000/1001")
STREAM = ("-strict", "-1", "-f", "yuv4mpegpipe", "-")


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "imgcycle", "video", *arguments, *TO]


def feeding(*arguments: str) -> subprocess.Popen[bytes]:
    """An ffmpeg that streams y4m."""
    words = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *SEEN, *arguments, *STREAM]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p10le"])
def test_between_two_ffmpegs(folder: Path, pixel_format: str) -> None:
    """The frames that come out are those of the clip that was converted, in as many bits as went in."""
    deep = pixel_format.endswith("10le")
    given = ("-frames:v", "7", "-pix_fmt", pixel_format)
    ffmpeg(*SEEN, *given, "-c:v", "ffv1", "-colorspace", "smpte170m", folder / "a.mkv")
    with feeding(*given) as before:
        options = ("--smooth", "off", "--strength", "0" if deep else "1")
        words = command("-", "-o", "-", *options)
        with subprocess.Popen(words, stdin=before.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as between:
            assert between.stdout is not None
            assert between.stderr is not None
            store = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-f", "yuv4mpegpipe", "-i", "-", "-c:v", "ffv1"]
            subprocess.run([*store, str(folder / "b.mkv")], stdin=between.stdout, check=True)
            assert b"1 converted" in between.stderr.read()
    assert (before.returncode, between.returncode) == (0, 0)
    said = subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-i", folder / "b.mkv"], capture_output=True, check=False)
    assert f" {pixel_format}".encode() in said.stderr
    assert b"29.97 fps" in said.stderr
    # At strength 0 they are what went in; else what the clip becomes.
    assert run(["video", "a.mkv", *TO, *options, "--codec", "ffv1", "-o", "c.mkv", "-q"]) == 0
    wanted, found = frames_of(folder / "c.mkv"), frames_of(folder / "b.mkv", matrix="smpte170m")
    assert len(found) == len(wanted) == 7
    assert np.abs(found.astype(int) - wanted).mean() < (1.5 if deep else 6)


def test_nobody_reads_on(folder: Path) -> None:
    """A pipe without an end: what reads ends first, and all that is before it ends with it, without a word."""
    with feeding("-pix_fmt", "yuv420p") as endless:
        words = command("-", "-o", "-")
        with subprocess.Popen(words, stdin=endless.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as between:
            assert endless.stdout is not None
            assert between.stdout is not None
            assert between.stderr is not None
            endless.stdout.close()  # which only the command reads
            assert between.stdout.read(9) == b"YUV4MPEG2"
            between.stdout.close()
            assert between.stderr.read() == b""
            assert between.wait() == 1
        endless.wait()


def test_what_no_stream_can_be(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    film(folder / "a.mp4", 3)
    (folder / "clips").mkdir()
    for words, why in (
        (["-", "a.mp4"], "- stands for one stream, and 2 inputs are named"),
        (["a.mp4", "a.mp4", "-o", "-"], "- stands for one stream, and 2 inputs are named"),
        (["clips", "-o", "-"], "clips is a folder, and - takes one clip"),
        (["-", "--dry-run"], "--dry-run plans files, not streams"),
        (["-", "--json"], "the frames and --json would both go to stdout"),
        (["-", "--workers", "2"], "--workers is for several files, and a stream is one"),
        (["-", "--device", "cpu,cpu"], "--workers is for several files, and a stream is one"),
        (["-", "--stats", "s.json"], "--stats is for files, not streams"),
        (["-", "-o", "a.mp4"], "a.mp4 is there already (--overwrite replaces it)"),
    ):
        assert run(["video", *words, *TO]) == 2, words
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1)
        assert why in said.err
    for name in ("stdin", "stdout"):
        with monkeypatch.context() as patch:
            patch.setattr(getattr(sys, name), "isatty", lambda: True, raising=False)
            assert run(["video", "-", *TO]) == 2
            assert "a terminal" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"GIF89a")))
    assert run(["video", "-", *TO, "-o", "b.mp4"]) == 1
    assert capsys.readouterr().err == (
        "imgcycle: stdin: no y4m stream (YUV4MPEG2) (make one with: ffmpeg -i CLIP -f yuv4mpegpipe -)\n"
    )
    assert run(["video", "none.mp4", "-o", "-", *TO]) == 1
    assert "none.mp4: No such file" in capsys.readouterr().err


def test_a_stream_in_json(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    data = ffmpeg(*SEEN, "-frames:v", "4", "-pix_fmt", "yuv420p", *STREAM)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data[:-50])))
    assert run(["video", "-", *TO, "-o", "b.mp4", "--json"]) == 1
    row, summary = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (row["input"], row["output"], row["status"], row["frames"]) == ("stdin", "b.mp4", "failed", 3)
    assert row["error"] == "the stream ends within frame 4 (the result is written)"
    assert summary["summary"]["failed"] == 1
    # Nobody knows how many frames there will be.
    event = FrameProgress("stdin", 3, 0, 2.0)
    assert (filmed_line(event), share_done(event)) == ("frame 3, 2.0 a second", None)

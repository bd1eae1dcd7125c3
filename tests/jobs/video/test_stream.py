"""Frames by pipe: y4m in, y4m out, clips on either side; what ends, what never does, and what is none."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event, Note
from imgcycle.jobs.tasks import ClipRow
from imgcycle.jobs.video import sources
from imgcycle.jobs.video.cost import VideoLimits
from imgcycle.jobs.video.plan import plan_clips
from imgcycle.jobs.video.run import convert_video
from imgcycle.jobs.video.stream import convert_frames
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.y4m import Y4mFormat, y4m_format
from imgcycle.media.video.y4m_pipes import Pipes
from tests.jobs.films import film, frames_of, same_times, times, tiny_translator
from tests.media.pictures import scene
from tests.media.video.clips import ffmpeg, make

WIDE, HIGH = 64, 36
EACH = WIDE * HIGH * 3 // 2 + 6
QUICK = VideoOptions(preset="ultrafast")


@pytest.fixture(scope="module")
def translator() -> Translator:
    return tiny_translator()


def streamed(frames: int, *more: str) -> bytes:
    """A moving picture at 12 frames a second as ffmpeg streams it."""
    seen = ("-f", "lavfi", "-i", f"testsrc2=s={WIDE}x{HIGH}:r=12:d={frames / 12}")
    return ffmpeg(*seen, "-pix_fmt", "yuv420p", *more, "-strict", "-1", "-f", "yuv4mpegpipe", "-")


def piped(
    translator: Translator, data: bytes, output: str | None = None, options: VideoOptions = QUICK, **more: Any
) -> tuple[ClipRow, bytes, list[str]]:
    """A stream converted: its row, what was written to stdout, and what was said."""
    made, heard = io.BytesIO(), list[Event]()
    pipes = Pipes(io.BytesIO(data), made.write)
    row = convert_frames(ClipRequest(("-",), output, options=options, **more), translator, heard.append, pipes)
    return row, made.getvalue(), [event.text for event in heard if isinstance(event, Note)]


def pictures(data: bytes) -> Any:
    """The frames of a stream in RGB, as ffmpeg reads them."""
    found = ffmpeg("-f", "yuv4mpegpipe", "-i", "-", "-f", "rawvideo", "-pix_fmt", "rgb24", "-", data=data)
    form = y4m_format(data.split(b"\n", 1)[0] + b"\n")
    return np.frombuffer(found, np.uint8).reshape(-1, form.height, form.width, 3)


def test_the_frames_of_a_stream_are_those_of_a_clip(tmp_path: Path, translator: Translator) -> None:
    """A lossless clip of the same samples, converted, has the same pixels, smoothing included."""
    data = streamed(14, "-vf", "setsar=sar=128/117:max=1000", "-pix_fmt", "yuv444p")
    ffmpeg("-i", "-", "-c:v", "ffv1", "-colorspace", "smpte170m", tmp_path / "a.mkv", data=data)
    row, made, said = piped(translator, data)
    assert (row.status, row.frames, row.width, row.height, said) == ("done", 14, WIDE, HIGH, [])
    assert (row.input, row.output) == ("stdin", "stdout")
    form, before = (y4m_format(d.split(b"\n", 1)[0] + b"\n") for d in (made, data))
    assert form == before
    assert (form.sar, form.rate, form.tag) == (Fraction(128, 117), Fraction(12), "444")
    assert len(made) == len(form.header()) + 14 * (WIDE * HIGH * 3 + 6)
    row = convert_video(tmp_path / "a.mkv", tmp_path / "b%02d.png", translator, QUICK)
    for n, found in enumerate(pictures(made)):
        with Image.open(tmp_path / f"b{n + 1:02d}.png") as wanted:
            assert np.abs(found.astype(int) - np.asarray(wanted)).mean() < 1
    assert np.abs(pictures(made).astype(int) - pictures(data)).mean() > 15


def test_ten_bits_stay_ten(translator: Translator) -> None:
    ramp = np.tile(np.linspace(200, 800, WIDE).astype("<u2"), (HIGH, 1))
    colour = np.full(WIDE * HIGH // 2, 512, "<u2")
    form = Y4mFormat(WIDE, HIGH, Fraction(24), "420p10")
    data = form.header() + 3 * (b"FRAME\n" + ramp.tobytes() + colour.tobytes())
    row, made, _ = piped(translator, data, options=QUICK.replace(strength=0.0))
    assert row.frames == 3
    head, *frames = made.split(b"FRAME\n")
    assert y4m_format(head) == form
    for frame in frames:
        found = np.frombuffer(frame, "<u2")
        assert np.abs(found[: WIDE * HIGH].reshape(HIGH, WIDE).astype(int) - ramp).max() <= 1
        assert np.abs(found[WIDE * HIGH :].astype(int) - 512).max() <= 1
    assert len(np.unique(found[:WIDE])) > 50


def test_a_stream_becomes_a_clip_or_pictures(tmp_path: Path, translator: Translator) -> None:
    data = streamed(66)  # more than one segment
    output = tmp_path / "a.mp4"
    row, made, _ = piped(translator, data, str(output))
    clip = probe_video(output)
    assert (row.status, row.frames, made, clip.frames, clip.frame_rate) == ("done", 66, b"", 66, Fraction(12))
    assert same_times([Fraction(n, 12) for n in range(66)], times(output))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    with pytest.raises(UsageError, match="is there already"):
        piped(translator, data, str(output))
    row, _, _ = piped(translator, data, str(output), QUICK.replace(start="2", end="3", compare="side"), overwrite=True)
    assert (row.frames, row.width, probe_video(output).frames) == (12, 2 * WIDE, 12)
    row, _, _ = piped(translator, data, str(tmp_path / "%02d.png"), QUICK.replace(end="0.25"))
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["01.png", "02.png", "03.png"]
    for name, why in (("b.txt", "no clip's"), ("", "no clip's"), ("b.webm", "h264 cannot go into webm")):
        with pytest.raises(UsageError, match=why):
            piped(translator, data, str(tmp_path / name))


def test_a_clip_becomes_a_stream(tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "stored_planes", lambda *_: None)  # a stream is made of RGB
    source = film(tmp_path / "a.mp4", sound=True)
    made, heard = io.BytesIO(), list[Event]()
    request = ClipRequest((str(source),), "-", options=QUICK)
    row = convert_frames(request, translator, heard.append, Pipes(None, made.write))
    assert (row.status, row.frames, row.output) == ("done", 12, "stdout")
    assert [e.text.split(": ", 1)[1] for e in heard if isinstance(e, Note)] == [
        "y4m holds nothing but frames: sound and other streams are left out"
    ]
    form = y4m_format(made.getvalue().split(b"\n", 1)[0] + b"\n")
    assert (form.tag, form.rate, form.width) == ("420mpeg2", Fraction(12), WIDE)
    convert_video(source, tmp_path / "b.mp4", translator, VideoOptions(crf=0, preset="ultrafast"))
    assert np.abs(pictures(made.getvalue()).astype(int) - frames_of(tmp_path / "b.mp4")).mean() < 4

    chain = ("-vf", "settb=1/16000,setpts=N*(160+160*N)", "-fps_mode", "passthrough", "-enc_time_base", "1/16000")
    make("-i", source, *chain, "-video_track_timescale", "16000", "-an", tmp_path / "uneven.mp4")
    heard.clear()
    request = ClipRequest((str(tmp_path / "uneven.mp4"),), "-", options=QUICK)
    assert convert_frames(request, translator, heard.append, Pipes(None, lambda _: None)).frames == 12
    (said,) = (e.text for e in heard if isinstance(e, Note))
    assert "its frames come at uneven times, and y4m has them at one rate" in said
    # Nothing is left beside them.
    assert sorted(path.name for path in tmp_path.glob("*.*")) == [".imgcycle", "a.mp4", "b.mp4", "uneven.mp4"]
    assert [path.name for path in (tmp_path / ".imgcycle").iterdir()] == ["done.jsonl"]  # of the clip

    stills = [Image.fromarray(np.roll(scene(40, 56), n, 1)) for n in range(3)]
    stills[0].save(tmp_path / "a.gif", save_all=True, append_images=stills[1:], duration=80)
    made = io.BytesIO()
    request = ClipRequest((str(tmp_path / "a.gif"),), "-", options=QUICK)
    assert convert_frames(request, translator, heard.append, Pipes(None, made.write)).frames == 3
    form = y4m_format(made.getvalue().split(b"\n", 1)[0] + b"\n")
    assert (form.tag, form.rate) == ("444", Fraction(25, 2))


class Endless(io.RawIOBase):
    """A stream that never ends; `given` counts its frames."""

    def __init__(self) -> None:
        self.given = 0
        self._rest = b"YUV4MPEG2 W64 H36 F12:1 C420jpeg\n"

    def readable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        if not self._rest:
            self._rest = b"FRAME\n" + bytes([self.given % 256]) * (EACH - 6)
            self.given += 1
        count = min(len(room), len(self._rest))
        room[:count], self._rest = self._rest[:count], self._rest[count:]
        return count


def test_a_stream_without_an_end_is_converted_until_nobody_reads(translator: Translator) -> None:
    endless, frames = Endless(), 0

    def read(block: bytes | memoryview) -> None:
        nonlocal frames
        frames += block == b"FRAME\n"
        if frames == 40:
            raise BrokenPipeError(32, "gone")

    with pytest.raises(BrokenPipeError):
        convert_frames(ClipRequest(("-",), "-", options=QUICK), translator, lambda _: None, Pipes(endless, read))
    # Pipes of 64 KiB hold some of these small frames, and the stages a few: the rest was not yet read.
    assert 40 <= endless.given < 40 + 4 * 65536 // EACH + 40


def test_what_is_cut_off_is_said(tmp_path: Path, translator: Translator) -> None:
    data = streamed(4)
    row, made, _ = piped(translator, data[:-100])
    assert (row.status, row.frames) == ("failed", 3)
    assert row.error == "the stream ends within frame 4 (the result is written)"
    assert made.count(b"FRAME\n") == 3
    row, _, _ = piped(translator, data + b"FRAME\nxyz", str(tmp_path / "a.mp4"))
    assert (row.status, row.frames, probe_video(tmp_path / "a.mp4").frames) == ("failed", 4, 4)
    for bad, why in (
        (b"", r"stdin: no frames came \(make one with: ffmpeg"),
        (b"RIFF....AVI ", r"stdin: no y4m stream"),
        (b"YUV4MPEG2 W64 H36 Im\n", "stdin: y4m with frames and fields mixed"),
        (data.split(b"FRAME")[0], "stdin: no frame could be decoded"),
    ):
        with pytest.raises(InputError, match=why):
            piped(translator, bad, str(tmp_path / "b.mp4"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4"]


def test_what_streams_are_told(translator: Translator) -> None:
    ten = Y4mFormat(WIDE, HIGH, Fraction(24), "420p10", order="t")
    data = ten.header() + b"FRAME\n" + bytes(ten.frame_bytes)
    said = piped(translator, data, options=QUICK.replace(strength=0.0))[2]
    assert said == ["stdin: interlaced: both fields are converted as one picture"]
    grey = Y4mFormat(WIDE, HIGH, Fraction(24), "mono")
    row, made, said = piped(translator, grey.header() + b"FRAME\n" + bytes([90] * WIDE * HIGH))
    assert (row.frames, said) == (1, ["stdin: grey frames become colour (4:2:0)"])
    assert y4m_format(made.split(b"\n", 1)[0] + b"\n").tag == "420jpeg"
    room = VideoLimits(MemoryBudget.asked("100M"))
    request = ClipRequest(("-",), "-", options=QUICK)
    with pytest.raises(UsageError, match="stdin: frames of 64 × 36 need more than the 100 MiB allowed"):
        convert_frames(request, translator, lambda _: None, Pipes(io.BytesIO(data), lambda _: None), room)
    with pytest.raises(UsageError, match="a stream is not planned"):
        plan_clips(request, translator.style)

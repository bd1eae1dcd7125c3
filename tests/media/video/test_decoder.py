"""Frames out of clips: which, when, and in what colours."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgcycle.errors import InputError
from imgcycle.media.video import decoder as decode
from imgcycle.media.video.decoder import FrameReader, TimedFrame, scaled_size
from imgcycle.media.video.ffmpeg import Running
from imgcycle.media.video.probing.probe import probe_video
from tests.media.video.clips import make, middles, patches, repeating
from tests.media.video.probing.test_clip import made_up

COLOURS = np.array(
    [[0, 0, 0], [255, 255, 255], [0, 170, 0], [200, 30, 30], [20, 40, 220], [128, 128, 128], [250, 220, 10]], np.uint8
)


def read(path: Path, **wanted: object) -> list[TimedFrame]:
    with FrameReader(probe_video(path), **wanted) as reader:  # type: ignore[arg-type]
        frames = list(reader)
        assert reader.problems == ()
        assert len(frames) == reader.frames == reader.expected
    return frames


def test_a_cut_or_resumed_reader_gives_the_frames_of_a_whole_one(steady: Path) -> None:
    clip = probe_video(steady)
    whole = read(steady)
    assert [frame.time for frame in whole] == [Fraction(n, 24) for n in range(48)]
    assert len({frame.frame.tobytes() for frame in whole}) > 40
    for first in (0, 1, 23, 30, 31, 32, 33, 47):
        rest = read(steady, first=first) if first > 30 else read(steady, first=first, end=clip.time(first) + 1)
        for found, wanted in zip(rest, whole[first:], strict=False):
            assert found.time == wanted.time
            assert found.number == wanted.number
            assert np.array_equal(found.frame, wanted.frame)
    part = read(steady, start=Fraction(1, 2) + Fraction(1, 1000), end=Fraction(3, 2), first=2)
    assert [frame.number for frame in part] == list(range(15, 36))


def check_a_seek_really_begins_late(steady: Path) -> None:
    with FrameReader(probe_video(steady), first=40) as reader:
        assert reader._place() is not None
        assert next(reader).number == 40


def check_uneven_times_and_durations(uneven: Path) -> None:
    frames = read(uneven)
    assert [frame.time for frame in frames] == [Fraction(n * (160 + 16 * n), 16000) for n in range(20)]
    assert [frame.duration for frame in frames[:-1]] == [b.time - a.time for a, b in pairwise(frames)]
    assert {frame.frame.shape for frame in frames} == {(37, 65, 3)}


def test_flat_colours_come_out_as_they_went_in(tmp_path: Path) -> None:
    for kind in (("bt709", "tv", "yuv444p"), ("smpte170m", "tv", "yuv420p10le"), ("bt709", "pc", "yuv444p")):
        check_flat_colours(tmp_path / "patches.mkv", *kind)


def check_flat_colours(path: Path, matrix: str, spread: str, pixel_format: str) -> None:
    full = "full" if spread == "pc" else "limited"
    chain = f"zscale=min=gbr:rin=full:m={matrix}:r={full},format={pixel_format},setparams=range={spread}"
    if matrix == "bt709":
        chain += ":colorspace=bt709"  # the other is what an untagged small picture is taken for
    patches(path, COLOURS, chain, "-c:v", "ffv1", "-color_range", spread)
    assert (probe_video(path).colour.matrix, probe_video(path).colour.range) == (matrix, spread)
    eight, sixteen = read(path)[0].frame, read(path, deep=True)[0].frame
    assert eight.dtype == np.uint8
    assert sixteen.dtype == np.uint16
    assert np.abs(middles(eight) - COLOURS).max() <= 2
    assert np.abs(middles(sixteen) / 257 - COLOURS).max() <= 1.6


def test_hdr_white_becomes_white_and_grey_stays_grey(tmp_path: Path) -> None:
    # PQ codes of 0, 18, 203 and 1000 nits (SMPTE ST 2084), in bt2020.
    codes = np.array([0, 0.3536, 0.5807, 0.7518])
    greys = np.repeat(np.rint(codes * 255).astype(np.uint8)[:, None], 3, 1)
    path = tmp_path / "hdr.mkv"
    pq = "tin=smpte2084:pin=2020:t=smpte2084:p=2020"
    tags = "setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    patches(path, greys, f"zscale=min=gbr:rin=full:m=2020_ncl:r=limited:{pq},format=yuv420p10le,{tags}", "-c:v", "ffv1")
    clip = probe_video(path)
    assert clip.is_hdr
    seen = middles(read(path)[0].frame)
    assert np.ptp(seen, axis=1).max() <= 1
    assert seen[0, 0] == 0
    assert 80 <= seen[1, 0] <= 105
    assert 205 <= seen[2, 0] <= 230
    assert seen[3, 0] >= 253


def test_height_is_a_limit_and_sides_are_even() -> None:
    clip = made_up([0, 3000])
    assert scaled_size(clip, None) == scaled_size(clip, 36) == scaled_size(clip, 99) == (64, 36)
    assert scaled_size(clip, 19) == (32, 18)
    assert scaled_size(clip, 20) == (36, 20)


def check_scaled_frames(rich: Path) -> None:
    frames = read(rich, height=18)
    assert len(frames) == 30
    assert frames[0].frame.shape == (18, 32, 3)
    whole = read(rich, end=Fraction(1, 25))[0].frame
    small = whole.reshape(18, 2, 32, 2, 3).mean((1, 3))
    assert np.abs(small - frames[0].frame).mean() < 8


def test_damage_is_told(steady: Path, tmp_path: Path) -> None:
    fast = tmp_path / "fast.mp4"
    make("-i", steady, "-map", "0:v", "-c", "copy", "-movflags", "+faststart", fast)
    data = fast.read_bytes()
    clip = probe_video(fast)
    fast.write_bytes(data[: len(data) * 3 // 4])
    with FrameReader(clip) as reader:
        came = len(list(reader))
        assert 10 < came < 48
        assert f"48 frames expected, {came} could be decoded" in reader.problems
    fast.write_bytes(data[:3000])
    with FrameReader(clip, first=40) as reader, pytest.raises(InputError, match="can be decoded"):
        list(reader)


def check_leaving_early_leaves_no_process(steady: Path) -> None:
    clip = probe_video(steady)
    reader = FrameReader(clip)

    def interrupted() -> None:
        with reader:
            next(reader)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert reader._run is not None
    assert reader._run._process.returncode is not None
    assert reader._decoded is not None
    assert not reader._decoded._thread.is_alive()
    assert reader.problems == ()
    assert list(reader) == []


@pytest.mark.skipif(sys.platform == "win32", reason="a process is halted by a signal of POSIX's")
def test_closed_by_another_while_a_frame_is_awaited(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C does not wait for a decoder on its way; and no second one is started to look again."""
    started = []

    class Halted(Running):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            started.append(self._process)
            os.kill(self._process.pid, signal.SIGSTOP)

    monkeypatch.setattr(decode, "Running", Halted)
    reader = FrameReader(probe_video(steady), first=40)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.extend(frame.number for frame in reader))
    thread.start()
    while not started:
        time.sleep(0.01)
    time.sleep(0.05)
    reader.close()
    thread.join(300)
    assert not thread.is_alive()
    assert found == []
    assert [process.poll() is not None for process in started] == [True]


def test_a_seek_begins_late_and_an_early_end_leaves_no_process(steady: Path) -> None:
    check_a_seek_really_begins_late(steady)
    check_leaving_early_leaves_no_process(steady)


def test_uneven_times_and_scaled_frames(uneven: Path, rich: Path) -> None:
    check_uneven_times_and_durations(uneven)
    check_scaled_frames(rich)


def test_packets_that_repeat_a_picture_are_no_lost_frames(tmp_path: Path) -> None:
    repeating(tmp_path / "a.mp4")
    clip = probe_video(tmp_path / "a.mp4")
    assert clip.frames == 25
    with FrameReader(clip) as reader:
        numbers = [frame.number for frame in reader]
        assert reader.problems == ()
    assert numbers == [n for n in range(25) if n not in (5, 6, 15)]
    assert probe_video(tmp_path / "a.mp4", counted=True).frames == 22


def test_times_that_overlap_at_a_joint_are_no_damage(steady: Path) -> None:
    with FrameReader(probe_video(steady)) as reader:
        next(reader)
        reader._hear(
            "error", "Application provided invalid, non monotonically increasing dts to muxer in stream 0: 5 >= 4"
        )
        assert reader.problems == ()
        reader._hear("error", "error while decoding MB 3 4")
        assert "error while decoding MB 3 4" in "".join(reader.problems)

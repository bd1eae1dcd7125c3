"""Recordings joined end to end, whose clocks begin anew in the middle."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.clip import Stream
from imgcycle.media.video.probing.clock import _found, _Part, _part_starts, _Track, may_jump
from imgcycle.media.video.probing.probe import probe_video
from tests.media.video.clips import make
from tests.media.video.test_mux import through

MPEG2 = ("-c:v", "mpeg2video", "-bf", "2", "-q:v", "3", "-c:a", "mp2")
X264 = ("-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-pix_fmt", "yuv420p", "-c:a", "aac")
TONE = ("-f", "lavfi", "-i", "sine=r=48000:d=2")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds at 25 a second, and the same at other times; in H.264, without sound, as a program stream."""
    folder = tmp_path_factory.mktemp("parts")
    film = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=2")
    make(*film, *TONE, *MPEG2, folder / "one.ts")
    for name, offset in (("hour.ts", "3600"), ("eleven.ts", "13.4"), ("nine.ts", "10.4"), ("back.ts", "0.6")):
        make("-i", folder / "one.ts", "-c", "copy", "-output_ts_offset", offset, folder / name)
    make(*film, *TONE, *X264, folder / "h264.ts")
    make(*film, *X264, folder / "silent.ts")
    make("-i", folder / "one.ts", "-c", "copy", folder / "one.mpg")
    return folder


def joined(parts: Path, output: Path, *names: str) -> Path:
    output.write_bytes(b"".join((parts / name).read_bytes() for name in names))
    return output


@pytest.mark.parametrize(
    "names",
    [
        ("one.ts", "hour.ts"),
        ("hour.ts", "one.ts"),
        ("one.ts", "one.ts"),
        ("one.ts", "eleven.ts"),
        ("one.ts", "back.ts"),
        ("silent.ts", "silent.ts"),
        ("one.mpg", "one.mpg"),
        ("h264.ts", "h264.ts"),
        ("one.ts", "hour.ts", "one.ts", "one.ts"),
    ],
)
def test_parts_follow_one_another(parts: Path, tmp_path: Path, names: tuple[str, ...]) -> None:
    clip = probe_video(joined(parts, tmp_path / f"all{names[0][-4:]}", *names))
    assert clip.frames == 50 * len(names)
    assert len(clip.jumps) == len(names) - 1
    # AAC comes in packets of 21 ms, and the next part waits for the end of the one before.
    assert abs(clip.duration - 2 * len(names)) < Fraction(5, 100)
    with FrameReader(clip) as reader:
        frames = list(reader)
        assert reader.problems == ()
    assert [frame.time for frame in frames] == [clip.time(n) for n in range(clip.frames)]
    assert max(b.time - a.time for a, b in pairwise(frames)) < Fraction(8, 100)
    assert np.abs(frames[50].frame.astype(int) - frames[0].frame).mean() < 12
    assert np.abs(frames[49].frame.astype(int) - frames[-1].frame).mean() < 12


def test_sound_goes_with_its_picture(parts: Path, tmp_path: Path) -> None:
    source = joined(parts, tmp_path / "all.ts", "hour.ts", "one.ts")
    for name, start, end, frames, sounds in (
        ("whole.ts", None, None, 100, (166, 170)),
        ("cut.mp4", Fraction(3, 2), Fraction(5, 2), 25, (41, 43)),
    ):
        folder = tmp_path / name
        folder.mkdir()
        container = "ts" if name.endswith("ts") else "mp4"
        clip, result = through(source, folder / name, container, start=start, end=end)  # type: ignore[arg-type]
        assert (result.frames, result.jumps) == (len(clip.span(start, end)), ())
        assert abs(result.frames - frames) <= 1
        sound = times_of(folder / name)
        assert sounds[0] <= len(sound) <= sounds[1]
        # MP2 at 48 kHz: 24 ms a packet, also over the joint.
        assert max(b - a for a, b in pairwise(sound)) < Fraction(30, 1000)
        assert abs((sound[0] - result.origin) - result.start) < Fraction(5, 100)


def times_of(path: Path) -> list[Fraction]:
    from tests.media.video.clips import packets

    return [time for time, _ in packets(path, 1)]


def test_what_is_no_joint(parts: Path, tmp_path: Path) -> None:
    """Nine seconds, a picture that stands while sound goes on, and a hole in a container that keeps its own clock."""
    nine = probe_video(joined(parts, tmp_path / "nine.ts", "one.ts", "nine.ts"))
    assert (nine.frames, nine.jumps) == (100, ())
    assert nine.duration > 11
    film = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=15", "-f", "lavfi", "-i", "sine=r=48000:d=15")
    chosen = ("-vf", "select='lt(t,1)+gt(t,14)'", "-fps_mode", "passthrough")
    make(*film, *chosen, *MPEG2[:2], "-c:a", "mp2", tmp_path / "stands.ts")
    stands = probe_video(tmp_path / "stands.ts")
    assert (stands.frames, stands.jumps, round(stands.duration)) == (49, (), 15)
    make(*film, *chosen, *X264, "-an", tmp_path / "hole.mkv")
    hole = probe_video(tmp_path / "hole.mkv")
    assert (hole.frames, hole.jumps, round(hole.duration)) == (49, (), 15)


def track(times: list[int], kind: str = "video") -> _Track:
    """Packets at milliseconds."""
    ticks = np.array(times, np.int64)
    return _Track(Stream(0, kind, "x"), Fraction(1, 1000), np.arange(len(ticks)), ticks, ticks)  # type: ignore[arg-type]


def test_where_parts_begin() -> None:
    steady = list(range(0, 4000, 40))
    assert _part_starts(track(steady), [], True) == [0]
    assert _part_starts(track([*steady, *steady]), [], False) == [0, 100]
    ahead = track([*steady, *(60_000 + t for t in steady)])
    assert _part_starts(ahead, [], True) == [0, 100]
    assert _part_starts(ahead, [], False) == [0]
    assert _part_starts(ahead, [track(list(range(0, 64_000, 24)), "audio")], True) == [0]
    # A picture every twelve seconds is a slow film.
    assert _part_starts(track(list(range(0, 120_000, 12_000))), [], True) == [0]


def test_a_rare_stream_finds_its_part() -> None:
    parts = [_Part(Fraction(0), Fraction(4)), _Part(Fraction(60), Fraction(64)), _Part(Fraction(0), Fraction(4))]
    assert _found(track([500, 61_000, 62_000, 1_000]), parts) == [0, 1, 3]
    assert _found(track([61_000]), parts) == [0, 0, 1]
    assert _found(track([100, 3_900]), parts) == [0, 2, 2]
    # A sound that steps back by a packet is only that.
    assert _found(track([100, 124, 100, 148]), parts) == [0, 4, 4]


def test_when_to_look_closer() -> None:
    base = Fraction(1, 1000)
    steady, leaps, stays = np.arange(0, 400, 40), np.array([0, 40, 11_000]), np.array([0, 40, 40])
    assert [may_jump("mpegts", base, dts) for dts in (steady, leaps, stays)] == [False, True, True]
    assert [may_jump("mov,mp4", base, dts) for dts in (steady, leaps, stays)] == [False, False, True]
    assert not may_jump("mpegts", base, np.empty(0, np.int64))

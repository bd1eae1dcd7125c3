"""Looking at clips, and at what is none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from imgcycle.errors import InputError
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.probe import probe_video
from tests.media.video.clips import field_coded, make


def test_a_rich_clip(rich: Path) -> None:
    clip = probe_video(rich)
    assert (clip.width, clip.height, clip.sar) == (64, 36, Fraction(128, 117))
    assert [clip.time(n) for n in range(clip.frames)] == [Fraction(n, 25) for n in range(30)]
    assert [clip.duration, clip.frame_rate] == [Fraction(6, 5), Fraction(25)]
    assert [stream.kind for stream in clip.streams] == ["video", "audio", "audio", "subtitle", "attachment"]
    assert [stream.language for stream in clip.streams] == ["", "eng", "deu", "fra", ""]
    assert clip.streams[2].title == "Ton"
    assert clip.streams[4].metadata["filename"] == "letters.ttf"
    assert [(c.start, c.end, c.title) for c in clip.chapters] == [
        (0, Fraction(1, 2), "One"),
        (Fraction(1, 2), Fraction(6, 5), "Two = 2"),
    ]
    assert clip.metadata["title"] == "A; tïtle \\ x"
    assert clip.metadata["COMMENT"] == "line one\nline two"
    assert (clip.depth, clip.chroma, clip.colour.matrix, clip.colour.range) == (8, "420", "smpte170m", "tv")


def test_every_time_of_an_uneven_clip(uneven: Path) -> None:
    clip = probe_video(uneven)
    assert [clip.time(n) for n in range(20)] == [Fraction(n * (160 + 16 * n), 16000) for n in range(20)]
    assert clip.frames == 20
    assert (clip.width, clip.height, clip.chroma) == (65, 37, "444")


def check_a_turned_clip_stands_upright(steady: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mov"
    make("-display_rotation", "90", "-i", steady, "-map", "0:v", "-c", "copy", turned)
    clip = probe_video(turned)
    assert (clip.width, clip.height, clip.coded_size) == (36, 64, (64, 36))
    assert clip.rotation == 270
    assert clip.frames == 48


def check_packets_without_times_and_packets_that_are_not_shown(steady: Path, tmp_path: Path) -> None:
    make("-i", steady, "-c:v", "mpeg4", "-bf", "2", tmp_path / "old.avi")
    old = probe_video(tmp_path / "old.avi")
    assert old.frames == 48
    assert [old.time(n) - old.start for n in range(48)] == [Fraction(n, 24) for n in range(48)]
    assert not old.seekable
    # Copying from the middle of a group keeps the group's beginning in the file, hidden.
    make("-ss", "0.5", "-i", steady, "-map", "0:v", "-c", "copy", tmp_path / "cut.mp4")
    cut = probe_video(tmp_path / "cut.mp4")
    assert cut.frames == 36
    assert cut.start == 0


def test_what_is_no_clip(steady: Path, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "cut.mp4").write_bytes(steady.read_bytes()[:2000])
    make("-i", steady, "-vn", "-c:a", "copy", tmp_path / "sound.m4a")
    make("-i", steady, "-t", "0", tmp_path / "nothing.mp4")
    make("-i", steady, "-c", "copy", tmp_path / "secret.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsecret.ts\n#EXT-X-ENDLIST\n"
    (tmp_path / "list.mp4").write_text(playlist)
    (tmp_path / "list.m3u8").write_text(playlist)
    (tmp_path / "list.txt").write_text(f"ffconcat version 1.0\nfile '{steady}'\n")
    for name, said in {
        "text.mp4": "not a clip",
        "empty.mp4": "empty file",
        "cut.mp4": "cut off before its index",
        "sound.m4a": "only audio",
        "nothing.mp4": "without streams",
        "list.mp4": "playlist",
        "list.m3u8": "playlist",
        "list.txt": "playlist",
        "missing.mp4": "No such file",
        ".": "a folder",
    }.items():
        with pytest.raises(InputError, match=said) as caught:
            probe_video(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_turned_clips_and_packets_without_times(steady: Path, tmp_path: Path) -> None:
    check_a_turned_clip_stands_upright(steady, tmp_path)
    check_packets_without_times_and_packets_that_are_not_shown(steady, tmp_path)


def test_two_packets_a_frame(tmp_path: Path) -> None:
    field_coded(tmp_path / "fields.ts")
    clip = probe_video(tmp_path / "fields.ts")
    assert (clip.frames, clip.frame_rate, clip.interlaced, clip.seekable) == (6, Fraction(25), True, True)
    assert [clip.time(n) for n in range(6)] == [Fraction(n, 25) for n in range(6)]
    with FrameReader(clip) as reader:
        light = [int(frame.frame[0, 0, 1]) for frame in reader]
        assert reader.problems == ()
    assert light == sorted(set(light))

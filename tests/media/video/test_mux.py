"""Whole clips: read, written in segments, put together."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice
from pathlib import Path

import pytest

from imgcycle.errors import OutputError
from imgcycle.media.video.containers import Container
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.encoder import FrameWriter, VideoCodec, plan_coding
from imgcycle.media.video.mux import Segment, mux_segments
from imgcycle.media.video.probing.clip import Clip
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.probing.timecode import timecode_of
from imgcycle.media.video.streams import plan_streams
from tests.media.video.clips import make, packets


def through(
    source: Path,
    output: Path,
    container: Container,
    *,
    codec: VideoCodec = "h264",
    start: Fraction | None = None,
    end: Fraction | None = None,
) -> tuple[Clip, Clip]:
    """A clip taken apart and put together again in segments of seven frames; the source and the result, probed."""
    clip = probe_video(source)
    segments: list[Segment] = []
    with FrameReader(clip, start=start, end=end) as reader:
        preset = None if codec == "ffv1" else "ultrafast"
        coding = plan_coding(reader.width, reader.height, codec, preset=preset, sar=reader.sar, rate=clip.frame_rate)
        while frames := list(islice(reader, 7)):
            path = output.parent / f"part {len(segments)}.mp4"
            with FrameWriter(path, coding) as writer:
                for frame in frames:
                    writer.write(frame.frame, frame.time, frame.duration)
            segments.append(Segment(path, writer.start, writer.end))
    plan = plan_streams(clip, container)
    mux_segments(segments, clip, plan, output, start=start, end=end, metadata={"comment": "by imgcycle"})
    for segment in segments:
        segment.path.unlink()
    return clip, probe_video(output)


def check_everything_survives_in_matroska(rich: Path, tmp_path: Path) -> None:
    clip, result = through(rich, tmp_path / "out.mkv", "mkv", codec="ffv1")
    assert [result.time(n) for n in range(30)] == [clip.time(n) for n in range(30)]
    assert (result.width, result.height, result.sar, result.duration) == (64, 36, Fraction(128, 117), clip.duration)
    for before, after in zip(clip.streams[1:], result.streams[1:], strict=True):
        assert (before.codec, before.language, before.title, before.default) == (
            *(after.codec, after.language, after.title, after.default),
        )
    for stream in (1, 2, 3):
        assert packets(tmp_path / "out.mkv", stream) == packets(rich, stream)
    assert result.streams[4].metadata["filename"] == "letters.ttf"
    assert [chapter.title for chapter in result.chapters] == ["One", "Two = 2"]
    assert result.metadata["title"] == clip.metadata["title"]
    assert "by imgcycle" in result.metadata.values()
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.mkv"]


def test_names_that_look_like_something_else(rich: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a 'b\"\n%05d?#é"
    odd.mkdir()
    for name in ("-i.mp4", "concat:x.mp4", "a 'b\"\n.mp4"):
        source = odd / name
        source.write_bytes(rich.read_bytes())
        _, result = through(source, odd / f"out {name}", "mp4")
        assert result.frames == 30
        assert [stream.language for stream in result.streams[:4]] == ["", "eng", "deu", "fra"]
        assert result.streams[2].title == "Ton"
        assert [chapter.title for chapter in result.chapters] == ["One", "Two = 2"]


def check_uneven_times_stay(uneven: Path, tmp_path: Path) -> None:
    clip, result = through(uneven, tmp_path / "out.mp4", "mp4")
    assert result.frames == 20
    assert max(abs(result.time(n) - clip.time(n)) for n in range(20)) < Fraction(1, 20_000)
    assert (result.width, result.height) == (65, 37)


def test_a_cut_keeps_sound_and_picture_together(steady: Path, tmp_path: Path) -> None:
    start, end = Fraction(51, 100), Fraction(151, 100)
    clip, result = through(steady, tmp_path / "out.mp4", "mp4", start=start, end=end)
    span = clip.span(start, end)
    assert result.frames == len(span) == 24
    # The result's clock, whose first reading may be the sound's, shows how far each frame is from the cut.
    zero = start + result.origin
    assert max(abs(zero + result.time(n) - clip.time(span[n])) for n in range(24)) < Fraction(1, 1000)
    before = {check: time for time, check in packets(steady, 1)}
    after = packets(tmp_path / "out.mp4", 1)
    assert 40 <= len(after) <= 44
    assert after[0][0] < Fraction(1024, 44100)
    for time, check in after:
        assert abs(before[check] - start - time) < Fraction(1, 1000)


def test_a_late_picture_and_a_cover(steady: Path, tmp_path: Path) -> None:
    source = tmp_path / "source.mp4"
    make("-f", "lavfi", "-i", "color=red:s=16x16", "-frames:v", "1", tmp_path / "cover.png")
    make(
        *("-itsoffset", "0.3", "-i", steady, "-i", steady, "-i", tmp_path / "cover.png"),
        *("-map", "0:v", "-map", "1:a", "-map", "2", "-c", "copy", "-disposition:v:1", "attached_pic", source),
    )
    folder = tmp_path / "result"
    folder.mkdir()
    clip, result = through(source, folder / "out.mkv", "mkv")
    assert abs(clip.start - Fraction(3, 10)) < Fraction(1, 1000)
    assert abs(result.start - clip.start) < Fraction(1, 1000)
    assert [stream.cover for stream in result.streams] == [False, False, True]
    assert [check for _, check in packets(folder / "out.mkv", 1)] == [check for _, check in packets(source, 1)]
    _, back = through(folder / "out.mkv", folder / "back.mp4", "mp4")
    assert [stream.cover for stream in back.streams] == [False, False, True]
    assert abs(back.start - clip.start) < Fraction(1, 1000)


def test_nothing_is_left_when_it_fails(steady: Path, tmp_path: Path) -> None:
    clip = probe_video(steady)
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no segment")
    segment = Segment(broken, Fraction(0), Fraction(1))
    plan = plan_streams(clip, "mp4")
    with pytest.raises(OutputError, match="cannot be put together") as caught:
        mux_segments([segment], clip, plan, tmp_path / "out.mp4")
    assert "\n" not in str(caught.value)
    with pytest.raises(OutputError, match="no segment"):
        mux_segments([], clip, plan, tmp_path / "out.mp4")
    assert [entry.name for entry in tmp_path.iterdir()] == ["broken.mp4"]


def test_matroska_keeps_everything_and_mp4_uneven_times(rich: Path, uneven: Path, tmp_path: Path) -> None:
    check_everything_survives_in_matroska(rich, tmp_path)
    check_uneven_times_stay(uneven, tmp_path)


def test_a_time_code_is_kept_and_counts_from_a_later_beginning(steady: Path, tmp_path: Path) -> None:
    source = tmp_path / "camera.mov"
    make("-i", steady, "-c", "copy", "-timecode", "01:00:00:20", source)
    folder = tmp_path / "out"
    folder.mkdir()
    clip, result = through(source, folder / "a.mov", "mov", start=Fraction(1, 2))
    assert [stream.kind for stream in clip.streams] == ["video", "audio", "data"]
    assert (clip.frames, result.frames) == (48, 36)
    assert [(stream.kind, timecode_of(result)) for stream in result.streams if stream.tag == "tmcd"] == [
        ("data", "01:00:01:08")
    ]
    for name, container in (("a.mp4", "mp4"), ("a.mkv", "mkv")):
        _, result = through(source, folder / name, container)  # type: ignore[arg-type]
        assert timecode_of(result) == "01:00:00:20"
    assert plan_streams(clip, "mkv").notes == plan_streams(clip, "mp4").notes == ()
    (note,) = plan_streams(clip, "ts").notes
    assert note.endswith("a transport stream has no place for a time code, so it is left out (mov has)")

"""Frames into segments: colours, times, sizes, and what is left when it fails."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from imgcycle.errors import OutputError, UsageError
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video import hardware
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.encoder import Coding, FrameWriter, VideoCodec, plan_coding
from imgcycle.media.video.probing.probe import probe_video
from tests.media.video.clips import middles
from tests.media.video.test_decoder import COLOURS

TIMES = [Fraction(7, 3) + Fraction(n * (160 + 16 * n), 16000) for n in range(12)]


def write(path: Path, coding: Coding, frames: list[Pixels], times: list[Fraction]) -> FrameWriter:
    ends = [*times[1:], times[-1] + Fraction(1, 20)]
    with FrameWriter(path, coding) as writer:
        for frame, time, end in zip(frames, times, ends, strict=True):
            writer.write(frame, time, end - time)
    return writer


def squares(deep: bool = False) -> Pixels:
    picture = np.repeat(np.repeat(COLOURS[None], 16, 0), 16, 1)
    return picture.astype(np.uint16) * np.uint16(257) if deep else picture


def test_colours_come_back_tagged_and_at_their_times(tmp_path: Path) -> None:
    path = tmp_path / "segment.mp4"
    check_coding(path, "ffv1", None, False, 0, "yuv444p10le")
    check_coding(path, "h264", 12, False, 4, "yuv420p")
    check_coding(path, "hevc", 12, True, 4, "yuv420p10le")
    check_coding(path, "av1", 12, True, 4, "yuv420p10le")


def check_coding(path: Path, codec: str, crf: int | None, deep: bool, levels: int, pixel_format: str) -> None:
    frame = squares(deep)
    sar = Fraction(128, 117)
    coding = plan_coding(frame.shape[1], frame.shape[0], codec, crf=crf, deep=deep, sar=sar)  # type: ignore[arg-type]
    written = write(path, coding, [frame] * 12, TIMES)
    assert (written.frames, written.start, written.end) == (12, TIMES[0], TIMES[-1] + Fraction(1, 20))
    clip = probe_video(path)
    assert (clip.video.codec, clip.pixel_format, clip.sar) == (codec, pixel_format, sar)
    colour = clip.colour
    assert {colour.matrix, colour.primaries, colour.transfer} == {"bt709"}
    assert colour.range == "tv"
    assert clip.frames == 12
    assert max(abs(clip.time(n) - (TIMES[n] - TIMES[0])) for n in range(12)) < Fraction(1, 100_000)
    # MP4 has no place for the length of the last frame where frames are reordered, but one step's worth is off at most.
    assert abs(clip.end - (written.end - TIMES[0])) < (Fraction(1, 10_000) if codec == "ffv1" else Fraction(1, 20))
    with FrameReader(clip, first=11) as reader:
        assert np.abs(middles(next(reader).frame) - COLOURS).max() <= levels


def test_planes_are_written_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "planes.mp4"
    frames: list[Pixels] = list(np.random.default_rng(2).integers(0, 256, (3, 36 * 3 // 2, 64), np.uint8))
    for matrix in ("bt709", "smpte170m"):
        coding = plan_coding(64, 36, crf=0, preset="ultrafast", planes=matrix)
        write(path, coding, frames, TIMES[:3])
        clip = probe_video(path)
        assert (clip.colour.matrix, clip.colour.range, clip.pixel_format) == (matrix, "tv", "yuv420p")
        with FrameReader(clip, planes=True) as reader:
            for frame, found in zip(frames, reader, strict=True):
                assert np.array_equal(found.frame, frame)
    with pytest.raises(ValueError, match="shape"):
        FrameWriter(path, coding).write(squares(), Fraction(0), Fraction(1))
    for codec, size in (("ffv1", 36), ("h264", 37)):
        with pytest.raises(ValueError, match="planes of"):
            plan_coding(64, size, codec, planes="bt709")  # type: ignore[arg-type]


def test_odd_sizes_keep_their_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    frame = rng.integers(0, 256, (37, 65, 3), np.uint8)
    for codec, pixel_format in (("h264", "yuv444p"), ("av1", "yuv420p")):
        coding = plan_coding(65, 37, codec, preset="ultrafast")  # type: ignore[arg-type]
        assert ("4:4:4" in " ".join(coding.notes)) == (codec == "h264")
        write(tmp_path / f"{codec}.mp4", coding, [frame, frame], [Fraction(0), Fraction(1, 25)])
        clip = probe_video(tmp_path / f"{codec}.mp4")
        assert (clip.width, clip.height, clip.pixel_format) == (65, 37, pixel_format)


def test_a_segment_is_there_when_closed_and_not_before(tmp_path: Path) -> None:
    path = tmp_path / "segments" / "one.mp4"
    coding = plan_coding(112, 16)
    writer = FrameWriter(path, coding)
    writer.write(squares(), Fraction(0), Fraction(1, 25))
    # Either depth will do, whatever the first one had.
    writer.write(squares(deep=True), Fraction(1, 25), Fraction(1, 25))
    assert not path.exists()
    with pytest.raises(ValueError, match="does not come after"):
        writer.write(squares(), Fraction(1, 25), Fraction(1, 25))
    with pytest.raises(ValueError, match="shape"):
        writer.write(squares()[:8], Fraction(1), Fraction(1, 25))
    writer.close()
    writer.close()
    assert probe_video(path).frames == 2
    assert [entry.name for entry in path.parent.iterdir()] == ["one.mp4"]


def check_an_exception_leaves_neither_file_nor_process(tmp_path: Path) -> None:
    writer = FrameWriter(tmp_path / "one.mp4", plan_coding(112, 16))

    def interrupted() -> None:
        with writer:
            writer.write(squares(), Fraction(0), Fraction(1, 25))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    assert writer._run is not None
    assert writer._run._process.returncode is not None
    with pytest.raises(OutputError, match="no frame"):
        FrameWriter(tmp_path / "none.mp4", plan_coding(112, 16)).close()


def check_an_encoder_that_fails_says_why(tmp_path: Path) -> None:
    tiny = np.zeros((2, 2, 3), np.uint8)
    writer = FrameWriter(tmp_path / "tiny.mp4", plan_coding(2, 2, "hevc"))

    def written() -> None:
        with writer:
            for n in range(10_000):
                writer.write(tiny, Fraction(n, 25), Fraction(1, 25))

    with pytest.raises(OutputError, match=r"libx265 failed after .* too small") as caught:
        written()
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        FrameWriter(tmp_path / "file" / "a.mp4", plan_coding(2, 2)).write(tiny, Fraction(0), Fraction(1))


def test_what_cannot_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.media.video.encoder.find_hardware", lambda _: None)
    for wanted, said in (
        ({"codec": "vp8"}, "no codec"),
        ({"crf": 52}, "0 .best. to 51"),
        ({"codec": "av1", "crf": 64}, "63"),
        ({"codec": "ffv1", "crf": 1}, "loses nothing"),
        ({"codec": "ffv1", "preset": "fast"}, "no presets"),
        ({"preset": "fastest"}, "ultrafast, "),
        ({"codec": "av1", "preset": "14"}, "0 .slow. to 13"),
        ({"hardware": True}, "this machine has no h264 encoder"),
    ):
        with pytest.raises(UsageError, match=said):
            plan_coding(64, 36, **wanted)
    assert "-preset 11" in " ".join(plan_coding(64, 36, "av1", preset="11").options)


@pytest.mark.parametrize(
    ("codec", "preset", "crf"), [("h264", "veryfast", "17"), ("hevc", "veryfast", "20"), ("av1", "8", "24")]
)
def test_what_is_not_asked_for(codec: VideoCodec, preset: str, crf: str) -> None:
    options = plan_coding(64, 36, codec).options
    assert options[: options.index("-preset") + 2] == ("-crf", crf, "-preset", preset)


def test_a_hardware_encoder_is_tried_before_it_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    software = hardware.HardwareEncoder("libx264")
    absent = hardware.HardwareEncoder("h264_qsv", ("-qsv_device", "/nowhere"))
    monkeypatch.setattr(hardware, "_candidates", lambda _: [absent, software])
    monkeypatch.setattr(hardware.HardwareEncoder, "quality", lambda *_: ())
    hardware.find_hardware.cache_clear()
    assert hardware.find_hardware("h264") is software
    assert plan_coding(64, 36, hardware=True).encoder == "libx264"
    hardware.find_hardware.cache_clear()


def test_what_fails_leaves_nothing_and_says_why(tmp_path: Path) -> None:
    check_an_exception_leaves_neither_file_nor_process(tmp_path)
    check_an_encoder_that_fails_says_why(tmp_path)

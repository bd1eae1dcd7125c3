from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.evaluation import flicker
from imgcycle.jobs.evaluation.flicker import evaluate_flicker
from imgcycle.jobs.evaluation.types import Evaluated, FlickerReport, Measured
from imgcycle.jobs.events import Note
from imgcycle.media.video.probing.probe import probe_video
from tests.jobs.films import film, frames_of
from tests.media.video.clips import field_coded, make, repeating


def raw(folder: Path, name: str, frames: np.ndarray) -> Path:
    """Frames as a clip without loss."""
    pixels, path = folder / "pixels.rgb", folder / name
    pixels.write_bytes(frames.tobytes())
    size = f"{frames.shape[2]}x{frames.shape[1]}"
    form = ("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", size, "-r", "12")
    make(*form, "-i", f"file:{pixels}", "-c:v", "ffv1", f"file:{path}")
    return path


def report(result: Path, source: Path) -> FlickerReport:
    last = list(evaluate_flicker(str(result), str(source)))[-1]
    assert isinstance(last, Evaluated)
    assert isinstance(last.report, FlickerReport)
    return last.report


def test_a_flickering_clip_is_told_from_a_steady_one_and_a_blur_is_unmasked(tmp_path: Path) -> None:
    source = film(tmp_path / "source.mkv", frames=6)
    frames = frames_of(source)
    light = np.where(np.arange(len(frames)) % 2, 12, -12)[:, None, None, None]
    flickering = raw(tmp_path, "flickering.mkv", (frames.astype(int) + light).clip(0, 255).astype(np.uint8))
    found = {row.name: row for row in report(flickering, source).rows}
    assert list(found) == ["source", "result", "result, blurred"]
    assert {row.frames for row in found.values()} == {6}
    floor, error = found["source"].e_warp, found["result"].e_warp
    assert floor is not None
    assert error is not None
    # Every step is a change of 24 levels, less where it is clipped.
    assert 0.4 * (24 / 255) ** 2 < error - floor < 1.1 * (24 / 255) ** 2
    assert found["result, blurred"].sharpness < 0.9 * found["result"].sharpness
    steady = {row.name: row for row in report(source, source).rows}
    assert steady["result"].e_warp == steady["source"].e_warp == floor


def test_every_frame_is_counted(tmp_path: Path) -> None:
    source = film(tmp_path / "source.mp4", frames=4)
    events = list(evaluate_flicker(str(source), str(source)))
    assert events[:-1] == [Measured(n, 4) for n in (1, 2, 3, 4)]


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    short, long = film(tmp_path / "short.mp4", frames=3), film(tmp_path / "long.mp4", frames=5)
    with pytest.raises(UsageError, match=r"short\.mp4 has 3 frames and .*long\.mp4 5"):
        list(evaluate_flicker(str(short), str(long)))
    text = tmp_path / "text.mp4"
    text.write_text("no clip")
    with pytest.raises(InputError, match=r"text\.mp4: "):
        list(evaluate_flicker(str(text), str(long)))
    with pytest.raises(UsageError, match=r"there is no .*none\.mp4"):
        list(evaluate_flicker(str(long), str(tmp_path / "none.mp4")))


def test_frames_that_are_missing_or_damaged_are_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, cut = film(tmp_path / "source.mp4", frames=24), tmp_path / "cut.mp4"
    make("-i", f"file:{source}", "-c", "copy", "-movflags", "+faststart", f"file:{cut}")
    whole = cut.read_bytes()
    middle = len(whole) * 3 // 4
    cut.write_bytes(whole[:middle] + bytes(20) + whole[middle + 20 :])
    said = [event.text for event in evaluate_flicker(str(source), str(cut)) if isinstance(event, Note)]
    assert said
    assert all(text.startswith(f"{cut}: ") for text in said)
    # As a clip that the index of the container promises more of than there is.
    cut.write_bytes(whole)
    clips = {str(path): probe_video(path) for path in (source, cut)}
    monkeypatch.setattr(flicker, "_probed", clips.get)
    cut.write_bytes(whole[:middle])
    for one, other in ((source, cut), (cut, source)):
        with pytest.raises(InputError, match=r"cut\.mp4: 24 frames expected, \d+ could be decoded"):
            list(evaluate_flicker(str(one), str(other)))


def test_packets_are_not_always_frames(tmp_path: Path) -> None:
    """A result has a packet a frame, whatever its source had."""
    for write, name, frames in ((repeating, "repeating.mp4", 22), (field_coded, "fields.ts", 6)):
        source, result = tmp_path / name, tmp_path / f"{name}.mkv"
        write(source)
        make("-i", source, "-fps_mode", "passthrough", "-enc_time_base", "1/1000", "-c:v", "ffv1", result)
        for other in (result, source):
            assert report(other, source).rows[0].frames == frames


def test_joined_recordings_are_compared_with_what_was_made_of_them(tmp_path: Path) -> None:
    make("-i", film(tmp_path / "a.mp4"), "-c:v", "mpeg2video", "-r", "25", "-bf", "2", tmp_path / "one.ts")
    source, result = tmp_path / "joined.ts", tmp_path / "result.mkv"
    source.write_bytes((tmp_path / "one.ts").read_bytes() * 2)
    make("-i", source, "-fps_mode", "passthrough", "-c:v", "ffv1", result)
    events = list(evaluate_flicker(str(result), str(source)))
    assert [type(event) for event in events] == [Measured] * 50 + [Note, Evaluated]
    assert isinstance(events[50], Note)
    assert events[50].text.startswith(f"{source}: the clock jumps once, first at 1.000 s")

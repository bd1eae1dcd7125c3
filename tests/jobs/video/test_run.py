from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import imgcycle
from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError, UsageError
from imgcycle.jobs.events import Ended, Event, Note, RowFinished
from imgcycle.jobs.recipe import resolve_frames
from imgcycle.jobs.tasks import ClipRow, ClipTask, Summary
from imgcycle.jobs.video import run
from imgcycle.jobs.video.checkpoint import SegmentStore, segment_folder
from imgcycle.jobs.video.plan import clip_recipe, clip_task, plan_clips
from imgcycle.jobs.video.ranges.places import plane_frames
from imgcycle.jobs.video.run import ClipExecution, committed, convert_clips, make_clip
from imgcycle.jobs.video.sources import open_source
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.probing.timecode import timecode_of
from tests.jobs.films import checksums, film, frames_of, same_times, times, tiny_translator
from tests.media.video.clips import field_coded, make, middles, packets, patches, repeating

X264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast")
SOURCE = ("-f", "lavfi", "-i", "testsrc2=s=64x36:r=12:d=1")
QUICK = VideoOptions(preset="ultrafast")


@pytest.fixture(scope="module")
def translator() -> Translator:
    return tiny_translator()


def carried_out(
    request: ClipRequest, translator: Translator, stats: Path | None = None
) -> tuple[list[ClipRow], Summary, list[Event]]:
    heard: list[Event] = []
    events = list(convert_clips(plan_clips(request, translator.style), translator, heard.append, stats=stats))
    assert isinstance(events[-1], Ended)
    rows = [event.row for event in events if isinstance(event, RowFinished)]
    assert all(isinstance(row, ClipRow) for row in rows)
    return rows, events[-1].summary, heard  # type: ignore[return-value]


def shape(path: Path, kind: str) -> Path:
    """A clip of an unusual shape."""
    if kind == "uneven":
        clock = ("-fps_mode", "passthrough", "-enc_time_base", "1/16000", "-video_track_timescale", "16000")
        make(*SOURCE, "-vf", "settb=1/16000,setpts=N*(160+16*N)", *clock, *X264, path)
    elif kind == "turned":
        plain = film(path.with_name("plain.mp4"))
        make("-display_rotation", "90", "-i", plain, "-c", "copy", path)
    elif kind == "odd":
        make("-f", "lavfi", "-i", "testsrc=s=65x37:r=12:d=1", *X264, "-pix_fmt", "yuv444p", path)
    elif kind == "narrow":
        make(*SOURCE, "-vf", "setsar=sar=128/117:max=1000", *X264, path)
    elif kind == "deep":
        make(*SOURCE, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le", path)
    else:
        both = ("-f", "lavfi", "-i", "testsrc=s=32x18:r=5:d=1", "-f", "lavfi", "-i", "sine=d=1")
        make(*SOURCE, *both, *("-map", "0", "-map", "1", "-map", "2"), *X264, "-c:a", "aac", path)
    return path


def test_every_frame_at_its_own_time(tmp_path: Path, translator: Translator) -> None:
    for kind in ("uneven", "turned", "odd", "narrow", "deep", "two"):
        compared(kind, tmp_path, translator)


def compared(kind: str, tmp_path: Path, translator: Translator) -> None:
    """A clip of a kind, and what became of it."""
    source = shape(tmp_path / f"{kind}.{'mkv' if kind == 'deep' else 'mp4'}", kind)
    codec: Any = "hevc" if kind == "deep" else "h264"
    row = imgcycle.convert_video(source, tmp_path / f"{kind}-b{source.suffix}", translator, replace(QUICK, codec=codec))
    assert (row.status, row.error, row.frames) == ("done", None, 12)
    before, after = probe_video(source), probe_video(Path(row.output))
    assert same_times(times(source), times(after.path))
    assert (after.width, after.height, after.sar) == (before.width, before.height, before.sar)
    assert (row.width, row.height) == (before.width, before.height)
    assert abs(after.end - before.end) < Fraction(1, 1000)
    assert (before.width, before.height) == {"turned": (36, 64), "odd": (65, 37)}.get(kind, (64, 36))
    if kind == "deep":
        assert after.depth == 10
    if kind == "narrow":
        assert after.sar == Fraction(128, 117)
    if kind == "two":
        assert [s.kind for s in after.streams] == ["video", "video", "audio"]
        assert packets(after.path, 1) == packets(source, 1)
        assert packets(after.path, 2) == packets(source, 2)


@pytest.mark.parametrize("name", ["mp4", "mov", "mkv", "webm", "ts"])
def test_the_same_bytes_again(tmp_path: Path, translator: Translator, name: str) -> None:
    make(*SOURCE, *X264, tmp_path / "a.mp4")
    options = VideoOptions(codec="av1", preset="12") if name == "webm" else QUICK
    for part in ("b", "c"):
        imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / part / f"made.{name}", translator, options)
    first, second = ((tmp_path / part / f"made.{name}").read_bytes() for part in ("b", "c"))
    assert first == second


def test_colours(tmp_path: Path, translator: Translator) -> None:
    """Rounding to 8 bits and back is all that `--strength 0` may do, and a good quality little more."""
    colours = np.array(
        [(255, 0, 0), (0, 170, 0), (0, 0, 255), (128, 128, 128), (20, 200, 240), (250, 240, 5)], np.uint8
    )
    chain = "scale=out_color_matrix=bt709:out_range=tv,format=yuv444p,setparams=range=tv:colorspace=bt709"
    patches(tmp_path / "a.mkv", colours, chain, "-c:v", "ffv1")
    for name, options, allowed in (
        ("b.mkv", VideoOptions(strength=0, codec="ffv1"), 2),
        ("c.mp4", VideoOptions(strength=0, crf=12), 4),
    ):
        row = imgcycle.convert_video(tmp_path / "a.mkv", tmp_path / name, translator, options)
        assert row.frames == 2
        seen = frames_of(tmp_path / name, 96, 16)
        assert np.abs(middles(seen[1]) - colours).max() <= allowed


class Pale(Translator):
    """A net that exchanges red and blue and takes a part of the contrast: rounding stays rounding in it."""

    def whole(self, x: torch.Tensor, at: tuple[int, int] = (0, 0)) -> torch.Tensor:
        del at
        return 0.6 * x.flip(1)


@pytest.mark.parametrize("work_size", [32, 64])
def test_planes_give_what_rgb_gives(
    tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch, work_size: int
) -> None:
    translator = Pale(translator.net, translator.device, style=translator.style)
    calm = "eq=saturation=0.5:contrast=0.6,scale=out_color_matrix=bt709"
    make(*SOURCE, "-vf", calm, "-colorspace", "bt709", *X264, tmp_path / "a.mp4")
    options = replace(QUICK, crf=0, work_size=work_size)
    imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / "planes.mp4", translator, options)
    monkeypatch.setattr(run, "plane_frames", lambda *_: None)
    imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / "rgb.mp4", translator, options)
    planes, rgb = (probe_video(tmp_path / name) for name in ("planes.mp4", "rgb.mp4"))
    assert planes.colour == rgb.colour
    with FrameReader(planes, planes=True) as found, FrameReader(rgb, planes=True) as wanted:
        for one, other in zip(found, wanted, strict=True):
            apart = np.abs(one.frame.astype(int) - other.frame)
            assert apart.mean() < 0.6
            assert np.quantile(apart, 0.99) <= 4  # edges of the test picture


def test_planes_are_for_what_needs_no_rgb(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4")

    def in_planes(options: VideoOptions, output: str = "b.mp4") -> bool:
        frames = resolve_frames(options, translator.style)
        task = clip_task(source, tmp_path / output, tmp_path, options, frames)
        found = plane_frames(task, open_source(task))
        assert found is None or (found.height, found.width, found.matrix, found.full) == (36, 64, "smpte170m", False)
        return found is not None

    assert in_planes(QUICK)
    assert in_planes(replace(QUICK, codec="hevc", keep_colour=True, smooth="off"))
    assert not in_planes(replace(QUICK, compare="side"))
    assert not in_planes(replace(QUICK, strength=0))
    assert not in_planes(replace(QUICK, max_height=18))
    assert not in_planes(replace(QUICK, codec="ffv1", preset=None))
    assert not in_planes(QUICK, "%03d.png")


def test_how_it_looks(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4")
    kinds = {
        "light": replace(QUICK, codec="ffv1", preset=None),
        "off": VideoOptions(codec="ffv1", smooth="off"),
        "strong": VideoOptions(codec="ffv1", smooth="strong"),
        "colour": VideoOptions(codec="ffv1", smooth="off", keep_colour=True),
    }
    made = {}
    for name, options in kinds.items():
        imgcycle.convert_video(source, tmp_path / f"{name}.mkv", translator, options)
        made[name] = frames_of(tmp_path / f"{name}.mkv").astype(float)
    before = frames_of(source, matrix="smpte170m").astype(float)
    # The first frame has none before it.
    assert all(np.abs(made[name][0] - made["off"][0]).mean() < 0.5 for name in ("light", "strong"))
    assert all(np.abs(made[name][1:] - made["off"][1:]).mean() > 0.5 for name in ("light", "strong"))
    assert np.abs(made["light"] - made["strong"])[1:].mean() > 0.1

    lumas = {name: (frames @ np.array([0.299, 0.587, 0.114]))[..., None] for name, frames in made.items()}
    luma = (before @ np.array([0.299, 0.587, 0.114]))[..., None]
    strayed = {name: np.abs((made[name] - lumas[name]) - (before - luma)).mean() for name in made}
    assert strayed["colour"] < strayed["off"] / 2


class Counting(Translator):
    """Counts what goes through the net; ends everything after so many frames, or fails at one."""

    def __init__(self, stops_at: int | None = None, fails_at: int | None = None) -> None:
        whole = tiny_translator()
        super().__init__(whole.net, torch.device("cpu"), style=whole.style)
        self.calls, self.stops_at, self.fails_at = 0, stops_at, fails_at

    def whole(self, x: torch.Tensor, at: tuple[int, int] = (0, 0)) -> torch.Tensor:
        if self.calls == self.stops_at:
            raise KeyboardInterrupt
        self.calls += 1
        if self.calls - 1 == self.fails_at:
            raise RuntimeError("no idea")
        return super().whole(x, at)


def task_of(source: Path, output: Path, options: VideoOptions) -> ClipTask:
    return clip_task(source, output, output.parent, options, resolve_frames(options, tiny_translator().style))


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SEGMENT", Fraction(1, 3))


def begun(tmp_path: Path, options: VideoOptions, output: str = "b.mp4") -> tuple[Path, int]:
    """A conversion of 12 frames, ended after 10; the folder of its segments and how many frames are in them.

    What is still on its way from the net is lost when the user ends it, so that may be a segment less.
    """
    with pytest.raises(KeyboardInterrupt):
        imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / output, Counting(stops_at=10), options)
    assert not [t for t in threading.enumerate() if t.name.startswith("imgcycle-") or t.name in ("encode", "frames")]
    assert not (tmp_path / output).exists()
    assert not list(tmp_path.rglob("*.partial"))
    folder = segment_folder((tmp_path / output).parent, tmp_path / output)
    done = sum(segment["frames"] for segment in json.loads((folder / "manifest.json").read_text())["segments"])
    assert done in (4, 8)
    return folder, done


def converted(
    task: ClipTask,
    translator: Translator,
    listener: Callable[[Event], None],
    resume: bool = True,
) -> ClipRow:
    return committed(task, make_clip(task, translator, listener, ClipExecution(resume)))


@pytest.mark.usefixtures("short")
def test_interrupted_work_goes_on_where_it_was(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4", sound=True)
    imgcycle.convert_video(source, tmp_path / "whole.mp4", translator, QUICK)
    folder, done = begun(tmp_path, QUICK)
    kept = {path.name: path.stat().st_ino for path in folder.glob("0*.mp4")}
    assert sorted(kept) == ["000000.mp4", "000001.mp4"][: done // 4]
    events: list[Event] = []
    task = task_of(source, tmp_path / "b.mp4", QUICK)
    again = Counting(stops_at=1)
    with pytest.raises(KeyboardInterrupt):
        converted(task, again, events.append)
    assert {path.name: path.stat().st_ino for path in folder.glob("0*.mp4")} == kept
    rest = Counting()
    row = converted(task, rest, events.append)
    assert (row.status, row.frames, rest.calls) == ("done", 12, 12 - done)
    assert f"{source}: {done} of 12 frames are done from an earlier try, and it goes on from there" in [
        event.text for event in events if isinstance(event, Note)
    ]
    assert checksums(tmp_path / "b.mp4") == checksums(tmp_path / "whole.mp4")
    assert same_times(times(tmp_path / "b.mp4"), times(source))
    assert packets(tmp_path / "b.mp4", 1) == packets(source, 1)
    assert not folder.exists()


@pytest.mark.usefixtures("short")
def test_what_changed_is_begun_afresh(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4")
    for change in ("nothing", "options", "no resume", "clip"):
        _, done = begun(tmp_path, QUICK, f"{change}.mp4")
        options = replace(QUICK, crf=30) if change == "options" else QUICK
        if change == "clip":
            with source.open("ab") as file:
                file.write(b"\0\0\0\x08free")
        task = task_of(source, tmp_path / f"{change}.mp4", options)
        rest = Counting()
        converted(task, rest, lambda _: None, change != "no resume")
        assert rest.calls == (12 - done if change == "nothing" else 12), change


@pytest.mark.usefixtures("short")
def test_ended_while_it_was_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No frame is made twice, and what was wrong with the clip is not forgotten."""
    source = tmp_path / "a.mkv"
    make("-i", film(tmp_path / "whole.mp4", 36), "-c", "copy", source)
    clip = bytearray(source.read_bytes())
    middle = len(clip) // 2
    clip[middle : middle + 600] = bytes(600)
    source.write_bytes(clip)

    def ended(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    first = Counting()
    with monkeypatch.context() as patch:
        patch.setattr("imgcycle.jobs.video.sinks.segmented.mux_segments", ended)
        with pytest.raises(KeyboardInterrupt):
            imgcycle.convert_video(source, tmp_path / "b.mkv", first, QUICK)
    rest = Counting()
    row = imgcycle.convert_video(source, tmp_path / "b.mkv", rest, QUICK)
    assert (row.status, row.frames, rest.calls) == ("failed", first.calls, 0)
    assert row.error is not None
    assert "damage" in row.error
    assert row.error.endswith("(the result is written)")
    assert len(times(tmp_path / "b.mkv")) == row.frames


@pytest.mark.usefixtures("short")
def test_pictures_go_on_too(tmp_path: Path, translator: Translator) -> None:
    film(tmp_path / "a.mp4")
    row = imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / "whole" / "%02d.png", translator)
    assert row.frames == 12
    target = str(tmp_path / "out" / "%02d.png")
    (tmp_path / "out").mkdir()
    _, done = begun(tmp_path, VideoOptions(), "out/%02d.png")
    request = ClipRequest((str(tmp_path / "a.mp4"),), target)
    (task,) = plan_clips(request, translator.style).tasks
    assert (task.verdict, task.reason) == ("convert", "begun before")
    rest = Counting()
    (made,), _, _ = carried_out(request, rest)
    assert (made.status, made.frames, rest.calls) == ("done", 12, 12 - done)
    for n in range(1, 13):
        whole, resumed = (tmp_path / folder / f"{n:02d}.png" for folder in ("whole", "out"))
        assert whole.read_bytes() == resumed.read_bytes()
    # Before a segment was finished they are known as ours, too.
    early = str(tmp_path / "early" / "%02d.png")
    with pytest.raises(KeyboardInterrupt):
        converted(replace(task, output=early, root=str(tmp_path / "early")), Counting(stops_at=3), lambda _: None)
    assert 0 < len(list((tmp_path / "early").glob("*.png"))) < 4
    (made,), _, _ = carried_out(replace(request, output=early), Counting())
    assert (made.status, made.frames) == ("done", 12)
    assert len(list((tmp_path / "early").glob("*.png"))) == 12
    shorter = replace(request, output=early, options=VideoOptions(end="0.5"), update=True)
    (made,), _, _ = carried_out(shorter, Counting())
    assert made.notes == ("07.png and 5 others stood there before, and are not of this result",)
    # A picture that vanished meanwhile is made again.
    half = task_of(tmp_path / "a.mp4", tmp_path / "out" / "%02d.png", VideoOptions(strength=0.5))
    with pytest.raises(KeyboardInterrupt):
        converted(half, Counting(stops_at=10), lambda _: None)
    (tmp_path / "out" / "02.png").unlink()
    rest = Counting()
    converted(half, rest, lambda _: None)
    assert rest.calls == 12


@pytest.mark.usefixtures("short")
def test_a_frame_that_fails_is_reported_and_counted(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4")
    request = ClipRequest((str(source),), str(tmp_path / "b.mp4"), options=replace(QUICK, codec="ffv1", preset=None))
    (row,), summary, _ = carried_out(request, Counting(fails_at=5))
    assert row.error == (
        "1 frame could not be translated, the result before stands in: frame 6: no idea (the result is written)"
    )
    assert (row.status, row.frames, summary.exit_code) == ("failed", 12, 1)
    made = frames_of(tmp_path / "b.mp4")
    assert same_times(times(source), times(tmp_path / "b.mp4"))
    assert np.array_equal(made[4], made[5])
    assert not np.array_equal(made[5], made[6])


def test_a_clip_that_ends_early(tmp_path: Path, translator: Translator) -> None:
    """What is there of it is converted, and that something is missing is said."""
    source = tmp_path / "a.mkv"
    make("-i", film(tmp_path / "whole.mp4", 36), "-c", "copy", source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    (row,), summary, _ = carried_out(ClipRequest((str(source),), None, options=QUICK), translator)
    assert row.error == "the decoder met damage in the file: File ended prematurely (the result is written)"
    assert (row.status, summary.exit_code) == ("failed", 1)
    assert 5 < row.frames < 36
    assert same_times(times(Path(row.output)), times(tmp_path / "whole.mp4")[: row.frames])


def test_two_at_once(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4", 4)
    with SegmentStore(tmp_path, tmp_path / "a-tiny.mp4", {}):
        (row,), _, _ = carried_out(ClipRequest((str(source),), None, options=QUICK), translator)
    assert (row.status, row.error) == ("failed", f"another imgcycle is at work on {tmp_path / 'a-tiny.mp4'}")


def test_a_full_disk_ends_the_run_in_one_line(
    tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        film(tmp_path / f"{name}.mp4", 4)

    def full(*_: Any, **__: Any) -> Iterator[None]:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("imgcycle.media.video.encoder.atomic_path", full)
    rows, summary, _ = carried_out(ClipRequest((str(tmp_path),), f"{tmp_path / 'out'}/", options=QUICK), translator)
    assert [row.error for row in rows] == ["a segment cannot be written: No space left on device"]
    assert summary.failed == 1
    assert not list((tmp_path / "out").glob("*.mp4"))
    assert not list(tmp_path.rglob("*.partial"))
    monkeypatch.undo()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(OutputError, match="will be written"):
        carried_out(ClipRequest((str(tmp_path),), f"{tmp_path / 'out'}/", options=QUICK), translator)


def test_flicker_is_measured(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4")
    carried_out(ClipRequest((str(source),), None, options=QUICK), translator, tmp_path / "stats.json")
    found = json.loads((tmp_path / "stats.json").read_text())
    facts = found["clips"][str(source)]
    assert (found["schema"], facts["frames"], facts["measured"]) == (1, 12, 12)
    assert facts["seconds"] > 0
    assert facts["input"]["e_warp"] > 0
    assert facts["smoothed"]["e_warp"] < facts["per_frame"]["e_warp"]
    assert facts["input"]["distance"] is None
    assert facts["smoothed"]["distance"] > 0
    # What is written is measured: of an eighth of the strength, less than of the whole.
    faint = ClipRequest((str(source),), str(tmp_path / "faint.mp4"), options=QUICK.replace(strength=0.125))
    carried_out(faint, translator, tmp_path / "stats.json")
    found = json.loads((tmp_path / "stats.json").read_text())["clips"][str(source)]
    assert found["smoothed"]["distance"] < facts["smoothed"]["distance"] / 4
    assert found["input"] == facts["input"]


def test_figures_go_where_they_harm_nothing(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4", 4)
    (tmp_path / "mine.txt").write_text("mine")
    request = ClipRequest((str(source),), str(tmp_path / "b.mp4"), options=QUICK)
    before = source.read_bytes()
    for name, said in (("a.mp4", "itself an input"), ("b.mp4", "itself a result"), ("mine.txt", "holds no figures")):
        with pytest.raises(UsageError, match=said):
            carried_out(request, translator, tmp_path / name)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp4", "mine.txt"]
    assert (source.read_bytes(), (tmp_path / "mine.txt").read_text()) == (before, "mine")
    carried_out(request, translator, tmp_path / "stats.json")
    first = (tmp_path / "stats.json").read_text()
    (row,), _, _ = carried_out(request, translator, tmp_path / "stats.json")
    assert row.status == "skipped"
    assert (tmp_path / "stats.json").read_text() == first
    other = film(tmp_path / "other.mp4", 3)
    carried_out(ClipRequest((str(other),), None, options=QUICK), translator, tmp_path / "stats.json")
    clips = json.loads((tmp_path / "stats.json").read_text())["clips"]
    assert [clips[str(path)]["output"] for path in (source, other)] == [
        str(tmp_path / "b.mp4"),
        str(tmp_path / "other-tiny.mp4"),
    ]
    plan = plan_clips(replace(request, output=str(tmp_path / "c.mp4")), translator.style)
    list(convert_clips(plan, translator, lambda _: None, stats=tmp_path / "mine.txt", overwrite=True))
    assert list(json.loads((tmp_path / "mine.txt").read_text())["clips"]) == [str(source)]


def test_figures_are_no_picture_of_a_sequence(tmp_path: Path, translator: Translator) -> None:
    film(tmp_path / "a.mp4", 3)
    imgcycle.convert_video(tmp_path / "a.mp4", tmp_path / "in" / "%02d.png", translator)
    request = ClipRequest((str(tmp_path / "in" / "%02d.png"),), str(tmp_path / "out" / "%02d.png"))
    with pytest.raises(UsageError, match="itself an input"):
        carried_out(request, translator, tmp_path / "in" / "02.png")


def test_a_result_converted_again_tells_of_its_last_making(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4", 4)
    imgcycle.convert_video(source, tmp_path / "b.mp4", translator, QUICK)
    imgcycle.convert_video(tmp_path / "b.mp4", tmp_path / "c.mp4", translator, replace(QUICK, crf=30))
    (first, second) = (clip_recipe(tmp_path / name) for name in ("b.mp4", "c.mp4"))
    assert first is not None
    assert second is not None
    assert (first["options"]["crf"], second["options"]["crf"]) == (None, 30)
    assert first["weights"] == "d" * 64
    assert clip_recipe(source) is None
    # In a walk no result is taken for an input.
    request = ClipRequest((str(tmp_path),))
    assert [task.input for task in plan_clips(request, translator.style).tasks] == [str(source)]


def test_what_cannot_be_converted_leaves_nothing(tmp_path: Path, translator: Translator) -> None:
    source = film(tmp_path / "a.mp4", 4)
    with pytest.raises(UsageError, match="never written over"):
        imgcycle.convert_video(source, tmp_path / "x" / ".." / "a.mp4", translator)
    with pytest.raises(InputError, match="No such file"):
        imgcycle.convert_video(tmp_path / "none.mp4", tmp_path / "b.mp4", translator)
    with pytest.raises(InputError, match=r"the clip is 0\.333 s long"):
        imgcycle.convert_video(source, tmp_path / "b.mp4", translator, VideoOptions(start="7"))
    with pytest.raises(UsageError, match="no clip is written as"):
        imgcycle.convert_video(source, tmp_path / "b.txt", translator)
    with pytest.raises(InputError, match="no picture there has a name like %d"):
        imgcycle.convert_video(tmp_path / "%d.png", tmp_path / "b.mp4", translator)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_what_cameras_and_receivers_write_is_made_once(tmp_path: Path, translator: Translator) -> None:
    film(tmp_path / "plain.mp4", sound=True)
    make("-i", tmp_path / "plain.mp4", "-c", "copy", "-timecode", "10:00:00:05", tmp_path / "camera.mov")
    make("-i", tmp_path / "plain.mp4", "-c:v", "mpeg2video", "-r", "25", "-c:a", "mp2", tmp_path / "one.ts")
    one = (tmp_path / "one.ts").read_bytes()
    (tmp_path / "joined.ts").write_bytes(one + one)
    field_coded(tmp_path / "fields.mts")
    repeating(tmp_path / "repeating.mp4")
    wanted = {"camera.mov": 12, "joined.ts": 50, "fields.mts": 6, "repeating.mp4": 22}
    names = tuple(str(tmp_path / name) for name in wanted)
    request = ClipRequest(names, f"{tmp_path / 'out'}/", options=QUICK)
    rows, summary, heard = carried_out(request, translator)
    assert [(row.status, row.error) for row in rows] == [("done", None)] * 4
    assert [row.frames for row in rows] == list(wanted.values())
    assert summary.exit_code == 0
    said = [event.text for event in heard if isinstance(event, Note)]
    (note,) = (text for text in said if "joined.ts" in text)
    assert re.search(r"joined\.ts: the clock jumps once, first at 1\.0\d\d s: recordings were joined", note)
    results = {name: probe_video(tmp_path / "out" / name) for name in wanted}
    assert {name: clip.frames for name, clip in results.items()} == wanted
    assert timecode_of(results["camera.mov"]) == "10:00:00:05"
    assert abs(results["joined.ts"].duration - 2) < Fraction(1, 10)
    again, _, _ = carried_out(request, translator)
    assert [row.status for row in again] == ["skipped"] * 4

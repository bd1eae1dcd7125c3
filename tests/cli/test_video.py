from __future__ import annotations

import json
import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.cli.render.convert import ConversionTeller, event_lines
from imgcycle.cli.render.reporter import BarReporter
from imgcycle.jobs.events import Estimate, FrameProgress, Planned, Progressed, RowFinished
from imgcycle.jobs.tasks import ClipRow
from imgcycle.media.video.probing.probe import probe_video
from tests.cli.terminals import on_terminal
from tests.jobs.films import film, frames_of, same_times, times
from tests.media.pictures import encoded, scene
from tests.media.video.clips import make, packets, subtitles, words

TO = ["--style", "tiny.safetensors"]
FAST = [*TO, "--preset", "ultrafast"]


def rows(said: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The JSON rows, and the summary that ends them."""
    lines = [json.loads(line) for line in said.splitlines()]
    assert all(line["schema"] == 1 for line in lines)
    return lines[:-1], lines[-1]["summary"]


def test_a_folder_of_clips_once_and_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clips = folder / "clips"
    (clips / "more").mkdir(parents=True)
    film(clips / "a.mp4", 12, sound=True)
    # The same name twice in a tree: each has its own segments and its own place.
    film(clips / "more" / "a.mp4", 6)
    (clips / "text.mp4").write_text("not a clip")
    (clips / "elsewhere.mp4").write_text("#EXTM3U\n#EXTINF:1,\na.mp4\n")
    (clips / "photo.png").write_bytes(encoded(scene(), "PNG"))
    make("-f", "lavfi", "-i", "sine=440:d=0.2", "-c:a", "aac", clips / "sound.mp4")
    whole = (clips / "a.mp4").read_bytes()
    (clips / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    (clips / "empty.mp4").write_bytes(b"")

    assert run(["video", "clips", *FAST, "--dry-run"]) == 0
    said = capsys.readouterr()
    assert f"clips{os.sep}a.mp4 → clips-tiny{os.sep}a.mp4" in said.out.splitlines()
    assert "1 picture left alone (imgcycle convert takes them)" in said.err
    assert "7 of 7 would be converted" in said.err
    assert not (folder / "clips-tiny").exists()

    assert run(["video", "clips", *FAST, "--json"]) == 1
    found, summary = rows(capsys.readouterr().out)
    told = {Path(row["input"]).name: row for row in found if row["status"] == "failed"}
    assert {name: row["error"] for name, row in told.items()} == {
        "text.mp4": "not a clip that ffmpeg can read",
        "elsewhere.mp4": "a playlist, which only names other files (give the clips themselves)",
        "sound.mp4": "no picture, only audio: there is nothing to convert",
        "cut.mp4": "cut off before its index, so nothing in it can be found (copy or record it again)",
        "empty.mp4": "an empty file",
    }
    assert (summary["done"], summary["failed"]) == (2, 5)
    assert summary["megapixels"] == pytest.approx(64 * 36 * 18 / 1e6, abs=1e-3)
    done = [row for row in found if row["status"] == "done"]
    assert [(row["frames"], row["width"], row["height"]) for row in done] == [(12, 64, 36), (6, 64, 36)]
    for row in done:
        assert same_times(times(Path(row["input"])), times(Path(row["output"])))
        assert Path(row["output"]).stat().st_mtime_ns == Path(row["input"]).stat().st_mtime_ns
    assert packets(folder / "clips-tiny" / "a.mp4", 1) == packets(clips / "a.mp4", 1)
    left = sorted(p.name for p in (folder / "clips-tiny").rglob("*") if p.is_file())
    assert left == ["a.mp4", "a.mp4", "done.jsonl", "lock"]

    for name in told:
        (clips / name).unlink()
    results = [folder / "clips-tiny" / "a.mp4", folder / "clips-tiny" / "more" / "a.mp4"]
    written = [path.stat().st_ino for path in results]
    assert run(["video", "clips", *FAST, "--json"]) == 0
    assert [row["status"] for row in rows(capsys.readouterr().out)[0]] == ["skipped", "skipped"]
    # The recipe inside the results says the same when the ledger is gone.
    (folder / "clips-tiny" / ".imgcycle" / "done.jsonl").unlink()
    assert run(["video", "clips", *FAST, "--json"]) == 0
    assert [row["status"] for row in rows(capsys.readouterr().out)[0]] == ["skipped", "skipped"]
    assert run(["models", "info", "clips-tiny/a.mp4", "--json"]) == 0
    recipe = json.loads(capsys.readouterr().out)
    assert (recipe["style"], recipe["options"]["preset"], recipe["options"]["work_size"]) == ("tiny", "ultrafast", 32)
    assert run(["models", "info", "clips/a.mp4"]) == 1
    assert "holds no recipe" in capsys.readouterr().err

    assert run(["video", "clips", *FAST, "--crf", "30", "--json"]) == 1
    reasons = {row["error"] for row in rows(capsys.readouterr().out)[0]}
    assert reasons == {"made with other weights or options (--update to redo, another -o for both)"}
    results[1].write_bytes(results[1].read_bytes() + b"!")
    assert run(["video", "clips", *FAST, "--crf", "30", "--update", "--json"]) == 1
    assert [row["status"] for row in rows(capsys.readouterr().out)[0]] == ["done", "kept"]
    assert results[0].stat().st_ino != written[0]
    assert run(["video", "clips", *FAST, "--crf", "30", "--overwrite", "-q"]) == 0
    assert same_times(times(results[1]), times(clips / "more" / "a.mp4"))


def test_everything_in_a_clip_comes_along(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two languages of sound, subtitles, a font, chapters and odd pixels, under a name made to be misread."""
    subtitles(folder / "lines.srt")
    words(folder / "words.txt")
    (folder / "letters.ttf").write_bytes(b"not really a font")
    source = folder / '-i "it\'s" \n.mkv'
    make(
        *("-f", "lavfi", "-i", "testsrc2=s=64x36:r=10:d=1.2", "-f", "lavfi", "-i", "sine=440:d=1.2"),
        *("-f", "lavfi", "-i", "sine=880:d=1.2", "-i", folder / "lines.srt", "-i", folder / "words.txt"),
        *("-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map_metadata", "4", "-map_chapters", "4"),
        *("-vf", "setsar=sar=128/117:max=1000", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast"),
        *("-c:a:0", "aac", "-c:a:1", "libvorbis", "-c:s", "srt", "-metadata:s:a:0", "language=eng"),
        *("-metadata:s:a:1", "language=deu", "-metadata:s:s:0", "language=fra"),
        *("-attach", folder / "letters.ttf", "-metadata:s:t", "mimetype=font/ttf"),
        *("-metadata:s:t", "filename=letters.ttf", f"file:{source}"),
    )
    assert run(["video", *FAST, "--", source.name]) == 0
    said = capsys.readouterr().err
    assert "left out" not in said
    whole = probe_video(source)
    made = probe_video(folder / '-i "it\'s" \n-tiny.mkv')
    facts = [(s.kind, s.codec, s.language) for s in whole.streams]
    assert [(s.kind, s.codec, s.language) for s in made.streams] == facts
    assert (made.width, made.height, made.sar) == (64, 36, Fraction(128, 117))
    assert [c.title for c in made.chapters] == ["One", "Two = 2"]
    assert [abs(a.start - b.start) < Fraction(1, 500) for a, b in zip(made.chapters, whole.chapters, strict=True)]
    assert made.metadata["title"] == whole.metadata["title"]
    for stream in (1, 2, 3):
        assert [c for _, c in packets(made.path, stream)] == [c for _, c in packets(source, stream)]

    # What has no place in MP4 is named, and how it could be had.
    assert run(["video", *FAST, "-o", "concat:x.mp4", "--", source.name]) == 0
    said = capsys.readouterr().err
    assert "attachment stream 4 (letters.ttf): mp4 cannot hold attachments, so it is left out (mkv can)" in said
    assert "audio stream 2 (vorbis, deu): mp4 cannot hold vorbis, so it becomes aac" in said
    assert probe_video(folder / "concat:x.mp4").sar == Fraction(128, 117)

    # Cut, without sound, smaller, beside the source.
    cut = ["--start", "0:00.5", "--end", "1", "--no-audio", "--max-height", "18"]
    assert run(["video", *FAST, *cut, "-o", "cut.mkv", "--", source.name]) == 0
    made = probe_video(folder / "cut.mkv")
    assert (made.frames, made.height, made.width) == (5, 18, 32)
    assert {s.kind for s in made.streams} == {"video", "subtitle", "attachment"}
    assert run(["video", *FAST, "--preview", "0.3", "--", source.name]) == 0
    made = probe_video(folder / '-i "it\'s" \n-tiny-preview.mkv')
    assert (made.frames, made.width, made.height) == (3, 128, 36)
    beside, before = frames_of(made.path, 128).astype(int), frames_of(source, matrix="smpte170m")[:3]
    assert np.abs(beside[:, :, :64] - before).mean() < 9
    assert np.abs(beside[:, :, 64:] - before).mean() > 20


def test_pictures_in_and_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a.mp4", 7)
    assert run(["video", "a.mp4", *TO, "-o", "frames/%03d.png"]) == 0
    assert [p.name for p in sorted((folder / "frames").glob("*.png"))] == [f"{n:03d}.png" for n in range(1, 8)]
    assert run(["video", "a.mp4", *TO, "-o", "frames/%03d.png", "--json"]) == 0
    assert rows(capsys.readouterr().out)[0][0]["status"] == "skipped"
    # 16 bits and alpha, with a gap.
    for n in range(1, 8):
        deep = np.dstack([scene(36, 64, n), np.full((36, 64), 90 + n, np.uint8)]).astype(np.uint16) * 257
        if n != 4:
            (folder / "deep").mkdir(exist_ok=True)
            assert cv2.imwrite(str(folder / "deep" / f"{n}.png"), deep)
    (folder / "deep" / "9.txt").write_text("no picture")
    assert run(["video", "deep/%d.png", *TO, "--json", "-v"]) == 0
    said = capsys.readouterr()
    assert rows(said.out)[0][0]["frames"] == 6
    assert "deep/%d.png: no pictures numbered 4" in said.err
    names = sorted(p.name for p in (folder / "deep-tiny").glob("*.png"))
    assert names == [f"{n}.png" for n in (1, 2, 3, 5, 6, 7)]
    seen = cv2.imread(str(folder / "deep-tiny" / "5.png"), cv2.IMREAD_UNCHANGED)
    assert seen is not None
    assert (str(seen.dtype), seen.shape) == ("uint16", (36, 64, 4))
    assert (seen[..., 3] == 95 * 257).all()
    assert len(np.unique(seen[..., 0])) > 256

    written = {p.name: p.stat().st_mtime_ns for p in (folder / "deep-tiny").glob("*.png")}
    assert run(["video", "deep/%d.png", *TO, "--json"]) == 0
    assert rows(capsys.readouterr().out)[0][0]["status"] == "skipped"
    (folder / "deep-tiny" / "2.png").write_bytes(b"mine")
    assert run(["video", "deep/%d.png", *TO, "--json"]) == 1
    assert rows(capsys.readouterr().out)[0][0]["error"] == "edited since (--overwrite to replace)"
    assert {p.name for p in (folder / "deep-tiny").glob("*.png")} == set(written)
    # Pictures that were there already are nobody's to write over.
    assert run(["video", "a.mp4", *TO, "-o", "deep/%d.png", "--json"]) == 1
    assert rows(capsys.readouterr().out)[0][0]["error"] == "not written by imgcycle (--overwrite to replace)"

    assert run(["video", "frames/%03d.png", *TO, "--fps", "12.5", "-o", "back.mkv", "--codec", "ffv1"]) == 0
    made = probe_video(folder / "back.mkv")
    assert (made.frames, made.frame_rate) == (7, Fraction(25, 2))
    assert same_times(times(made.path), [n * Fraction(2, 25) for n in range(7)])
    assert run(["video", "frames/%03d.png", *TO, "--fps", "12.5", "-o", "back.mkv", "--codec", "ffv1"]) == 0
    assert "1 converted before" in capsys.readouterr().err
    (folder / "frames" / "003.png").write_bytes(encoded(scene(20, 20), "PNG"))
    assert run(["video", "frames/%03d.png", *TO, "--fps", "12.5", "-o", "b.mkv"]) == 1
    assert capsys.readouterr().err.splitlines()[0] == (
        "frames/%03d.png: frames/003.png is 20×20, the first picture 64×36"
    )


@pytest.mark.parametrize(("suffix", "format"), [(".gif", "GIF"), (".webp", "WEBP"), (".png", "PNG")])
def test_animations(folder: Path, capsys: pytest.CaptureFixture[str], suffix: str, format: str) -> None:
    source = folder / f"moving{suffix}"
    stills = [Image.fromarray(np.roll(scene(), 2 * n, 1)) for n in range(4)]
    more: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    stills[0].save(source, format, save_all=True, append_images=stills[1:], duration=[40, 60, 80, 100], loop=0, **more)
    assert run(["video", source.name, *TO, "--json"]) == 0
    (row,), _ = rows(capsys.readouterr().out)
    assert (row["frames"], row["width"], row["height"]) == (4, 56, 40)
    with Image.open(folder / f"moving-tiny{suffix}") as made:
        seen, lengths = [], []
        for n in range(made.n_frames):  # type: ignore[attr-defined]
            made.seek(n)
            seen.append(np.asarray(made.convert("RGB")).astype(int))
            lengths.append(round(float(made.info["duration"])))
        assert made.format == format
    assert lengths == [40, 60, 80, 100]
    assert all(np.abs(picture - np.asarray(still)).mean() > 5 for picture, still in zip(seen, stills, strict=True))
    assert run(["video", source.name, *TO, "--json"]) == 0
    assert rows(capsys.readouterr().out)[0][0]["status"] == "skipped"
    (folder / ".imgcycle" / "done.jsonl").unlink()
    assert run(["video", source.name, *TO, "--json"]) == 0
    assert rows(capsys.readouterr().out)[0][0]["status"] == "skipped"


def test_pictures_among_clips(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a.mp4", 4)
    (folder / "still.png").write_bytes(encoded(scene(), "PNG"))
    (folder / "still.jpg").write_bytes(encoded(scene()))
    stills = [Image.fromarray(np.roll(scene(), n, 1)) for n in range(3)]
    for name in ("moving.gif", "moving.webp"):
        stills[0].save(folder / name, save_all=True, append_images=stills[1:], duration=80)
    named = ["still.png", "still.jpg", "a.mp4", "moving.gif"]
    assert run(["video", *named, *FAST, "-o", "out/", "--json"]) == 1
    found = {row["input"]: row for row in rows(capsys.readouterr().out)[0]}
    for name in named[:2]:
        assert found[name]["error"] == "a picture that does not move (imgcycle convert takes it)"
    assert {name: (row["status"], row["frames"]) for name, row in found.items()} == {
        "still.png": ("failed", 0),
        "still.jpg": ("failed", 0),
        "a.mp4": ("done", 4),
        "moving.gif": ("done", 3),
    }
    assert run(["video", "moving.gif", *FAST, "-o", "moving.mp4"]) == 0
    assert same_times(times(folder / "moving.mp4"), [n * Fraction(2, 25) for n in range(3)])
    assert run(["video", "moving.webp", *FAST, "-o", "x.mp4"]) == 0
    assert same_times(times(folder / "x.mp4"), [n * Fraction(2, 25) for n in range(3)])
    capsys.readouterr()
    for name in ("still.png", "still.jpg"):
        assert run(["video", name, *FAST, "-o", "y.mp4"]) == 1
        assert f"{name}: a picture that does not move (imgcycle convert takes it)" in capsys.readouterr().err
    assert not (folder / "y.mp4").exists()


@pytest.mark.parametrize(
    ("more", "code", "line"),
    [
        (["--crf", "99"], 2, "--crf 99 is out of range for h264 (0 (best) to 51; 17 is the default)"),
        (["--preset", "warp"], 2, "h264 has no preset 'warp'"),
        (["--codec", "ffv1", "-o", "x.ts"], 2, "ffv1 cannot go into ts"),
        (["-o", "x.gif"], 2, "no clip is written as '.gif' (choose mp4, mov, mkv, webm, ts)"),
        (["-o", "x/%d.xyz"], 2, "no format is written under that suffix"),
        (["-o", "a.mp4"], 2, "a.mp4 is itself an input and is never written over"),
        (["--start", "soon"], 2, "'soon' is neither seconds nor hh:mm:ss.mmm"),
        (["--start", "3", "--end", "2"], 2, "--end comes after --start"),
        (["--fps", "0"], 2, "--fps is 0 (above 0)"),
        (["b/%d.png", "a/%d.png", "-o", "out/"], 2, "two inputs would become out/%d.png (give each its own -o)"),
        (["--smooth", "much"], 2, "much"),
        (["missing.mp4"], 2, "there is no missing.mp4"),
        (["--stats", "nowhere.txt/x.json"], 2, "--stats nowhere.txt/x.json is where nothing can be written"),
        (["--stats", "nowhere.txt"], 2, "--stats nowhere.txt is there already, and holds no figures of clips"),
        (["--stats", "a.mp4"], 2, "--stats a.mp4 is itself an input"),
        (["-o", "nowhere.txt/x.mp4"], 1, "nowhere.txt"),
    ],
)
def test_every_mistake_is_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], more: list[str], code: int, line: str
) -> None:
    """What would only come out after hours is said before the clip is even looked at."""
    (folder / "a.mp4").write_bytes(b"never read")
    (folder / "nowhere.txt").write_text("")
    assert run(["video", *TO, "a.mp4", *more]) == code
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1
    assert sorted(p.name for p in folder.iterdir()) == ["a.mp4", "nowhere.txt", "tiny.safetensors"]


@pytest.mark.parametrize("output", ["x.gif", "x.png", "x.webp", "x/%5d.png"])
def test_pictures_do_not_become_a_folder_called_like_a_picture(
    folder: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    assert run(["video", *TO, "frames/%d.png", "-o", output]) == 2
    assert "no clip is written as" in capsys.readouterr().err
    assert [p.name for p in folder.iterdir()] == ["tiny.safetensors"]


def test_results_that_bear_no_recipe_are_no_inputs_either(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in" / "more").mkdir(parents=True)
    make("-i", film(folder / "a.mp4", 4), "-c", "copy", folder / "in" / "more" / "a.ts")
    assert run(["video", "in/more/a.ts", *FAST]) == 0
    assert run(["video", "in", *FAST, "-o", "in/made/"]) == 0
    capsys.readouterr()
    assert run(["video", "in", *FAST, "-o", "elsewhere/", "--json"]) == 0
    found, summary = rows(capsys.readouterr().out)
    assert [row["input"] for row in found] == [f"in{os.sep}more{os.sep}a.ts"]
    assert summary["done"] == 1


def test_before_beside_after_is_another_result(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a.mp4", 4)
    assert run(["video", *FAST, "--compare", "a.mp4", "--dry-run", "--json"]) == 0
    (task,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (task["output"], task["options"]["compare"]) == ("a-tiny-compare.mp4", "side")
    assert run(["video", *FAST, "a.mp4", "-q"]) == 0
    for given, status, width in (
        (["--compare"], "done", 128),
        (["--compare", "side"], "skipped", 0),
        (["--compare", "wipe"], "kept", 0),
        (["--compare=wipe", "--update"], "done", 64),
    ):
        assert run(["video", "a.mp4", *FAST, *given, "--json"]) == (1 if status == "kept" else 0)
        (row,), _ = rows(capsys.readouterr().out)
        assert (Path(row["output"]).name, row["status"], row["width"]) == ("a-tiny-compare.mp4", status, width)
    # The recipe of the clip without it is what it was before there was a choice.
    for name, compare in (("a-tiny.mp4", None), ("a-tiny-compare.mp4", "wipe")):
        assert run(["models", "info", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["options"].get("compare") == compare
    # A picture made like it has both beside each other; a clip made like a picture without has not.
    (folder / "p.png").write_bytes(encoded(scene(), "PNG"))
    assert run(["convert", "p.png", *TO, "--like", "a-tiny-compare.mp4", "-q"]) == 0
    with Image.open(folder / "p-tiny.png") as made:
        assert made.size == (112, 40)
    plan = ["video", "a.mp4", *FAST, "--dry-run", "--json", "--like"]
    for picture, compare in (("p-tiny.png", "side"), ("q.png", "none")):
        if picture == "q.png":
            assert run(["convert", "p.png", *TO, "-o", "q.png", "-q"]) == 0
        capsys.readouterr()
        assert run([*plan, picture]) == 0
        assert json.loads(capsys.readouterr().out)["options"]["compare"] == compare


def test_a_percent_sign_in_a_clips_name_is_one(folder: Path) -> None:
    film(folder / "50%2d off.mp4", 3)
    assert run(["video", "50%2d off.mp4", *FAST]) == 0
    assert (folder / "50%2d off-tiny.mp4").is_file()


def test_animations_say_what_they_do_not_heed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stills = [Image.fromarray(np.roll(scene(40, 56), n, 1)) for n in range(3)]
    for name in ("a.gif", "b.gif"):
        stills[0].save(folder / name, save_all=True, append_images=stills[1:], duration=80)
    assert run(["video", "a.gif", "b.gif", *TO, "--max-height", "20", "--codec", "hevc"]) == 0
    said = "a.gif and 1 other: animations stay such, without --max-height, --codec (-o FILE.mp4 makes a clip)"
    assert said in capsys.readouterr().err.splitlines()
    assert run(["video", "a.gif", *TO, "--preview", "0.1"]) == 0
    assert "animations" not in capsys.readouterr().err
    with Image.open(folder / "a-tiny-preview.gif") as made:
        assert (made.size, made.n_frames) == ((112, 40), 2)  # type: ignore[attr-defined]


def test_a_bar_on_a_terminal(folder: Path) -> None:
    film(folder / "a.mp4", 24)
    film(folder / "b.mp4", 8)
    code, out, text = on_terminal(["video", "a.mp4", "b.mp4", *FAST])
    assert (code, out) == (0, b"")
    assert "0/2  0%" in text
    assert "2 converted in" in text


def test_one_bar_for_one_clip_and_two_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    row = ClipRow("clips/a.mp4", "clips/a-x.mp4", "done", frames=240)
    for total in (1, 2):
        drawn = BarReporter()
        monkeypatch.setattr(drawn.console, "print", lambda *_: None)
        bars = ConversionTeller(drawn)
        bars(Planned(total, total, 0, 0))
        bars(FrameProgress("clips/a.mp4", 60, 240))
        bars(FrameProgress("clips/a.mp4", 120, 240, 11.94, 95.2))
        bars(Progressed("clips/a.mp4", 0.5, 0.25))
        whole, clip = drawn.progress.tasks
        assert (whole.visible, clip.visible) == (total == 2, True)
        assert (clip.description, clip.completed, clip.total) == ("a.mp4", 120, 240)
        assert (clip.fields["said"], clip.fields["left"]) == ("frame 120/240  11.9 fps", "1 min 35 s left")
        assert whole.completed == 0.25
        bars(FrameProgress("clips/a.mp4", 240, 240, stage="putting together"))
        assert (clip.fields["said"], clip.fields["left"]) == ("putting together", "")
        bars(RowFinished(row, 1, total, 1 / total))
        assert [task.description for task in drawn.progress.tasks] == ["converting"]
    lines = event_lines(Estimate(4000, 3.04, (("--work-size 256", 1100.0), ("--max-height 720", 2200.0)), "a\n.mp4"))
    assert lines == [
        "a\\n.mp4: about 1 h 6 min to go, at 3.0 frames a second;"
        " --work-size 256 would take about 18 min 20 s; --max-height 720 would take about 36 min 40 s"
    ]


def test_a_promise_about_memory(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a.mp4", 4)
    assert run(["video", "a.mp4", *FAST, "--memory", "100M"]) == 2
    line = capsys.readouterr().err.strip()
    assert line.startswith("imgcycle: a.mp4: frames of 64 × 36 need more than the 100 MiB allowed (--memory ")
    assert not (folder / "a-tiny.mp4").exists()
    least = line.split("--memory ")[1].split(",")[0]
    assert run(["video", "a.mp4", *FAST, "--memory", least, "-j", "1"]) == 0
    assert (folder / "a-tiny.mp4").exists()


def test_a_promise_about_memory_counts_one_frame_of_an_animation(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def least(frames: int, side: int) -> int:
        pictures = [Image.new("RGB", (side, side), (n, 0, 0)) for n in range(frames)]
        pictures[0].save(folder / "a.webp", save_all=True, append_images=pictures[1:], duration=50, lossless=True)
        assert run(["video", "a.webp", *FAST, "--memory", "100M"]) == 2
        line = capsys.readouterr().err
        assert f"a.webp: frames of {side} × {side} need more than the 100 MiB allowed (--memory " in line
        return int(line.split("--memory ")[1].split("M,")[0])

    assert least(60, 200) == least(10, 200)
    # More pixels, each at least once as it was read and once as it was made.
    assert least(2, 800) - least(2, 200) >= 2 * 3 * (800**2 - 200**2) // 2**20


def test_two_results_of_one_name_are_refused_if_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film(folder / "a.mp4", 4)
    film(folder / "b.mp4", 4)
    assert run(["video", "a.mp4", "b.mp4", *FAST, "--name", "same{ext}", "--on-clash", "refuse"]) == 2
    assert "same.mp4" in capsys.readouterr().err
    assert not (folder / "same.mp4").exists()

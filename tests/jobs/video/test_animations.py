"""Animations through `convert` and `video`: what their bytes say before and after."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from imgcycle import convert_image, convert_video
from imgcycle.config import ConvertOptions, ConvertRequest, VideoOptions
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError
from imgcycle.jobs.events import Ended, Note, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan, read_recipe
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media.animation.frames import Animation, read_picture
from tests.media.animation.made import Array, Part, Seen, apng, composed, gif, gif_blocks, loop_block, seen, webp
from tests.media.pictures import decoded, encoded, scene
from tests.styles import tiny_net

TENTHS = [Fraction(1, 10)] * 5
AS_IT_IS = ConvertOptions(strength=0)


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 24, 0.5))


def pictures(count: int, alpha: bool = False) -> list[Array]:
    """The scene with a red square that wanders over it."""
    found = []
    for n in range(count):
        picture = scene() // 32 * 32
        picture[4:14, 3 * n : 3 * n + 10] = (255, 0, 0)
        shape = np.full((*picture.shape[:2], 1), 255, np.uint8)
        shape[:, : 4 + n] = 0
        found.append(np.dstack([picture, shape]) if alpha else picture)
    return found


def indexed(picture: Array) -> tuple[Array, Array]:
    colours, places = np.unique(picture.reshape(-1, 3), axis=0, return_inverse=True)
    assert len(colours) <= 255
    return places.reshape(picture.shape[:2]).astype(np.uint8), colours


def as_gif(frames: list[Array], plays: int = 1, delay: int = 10) -> bytes:
    loop = [] if plays == 1 else [loop_block(max(plays - 1, 0))]
    blocks = [gif_blocks(*indexed(frame), delay=delay) for frame in frames]
    return gif((frames[0].shape[1], frames[0].shape[0]), *loop, *blocks)


@pytest.mark.parametrize("strength", [0.0, 1.0])
@pytest.mark.parametrize("way", ["convert", "video"])
@pytest.mark.parametrize(
    ("plays", "suffix"), [(1, "gif"), (1, "png"), (1, "webp"), (3, "webp"), (3, "png"), (0, "gif")]
)
def test_gif_plays_as_often_as_before(
    tmp_path: Path, translator: Translator, plays: int, suffix: str, way: str, strength: float
) -> None:
    source, target = tmp_path / "a.gif", tmp_path / f"b.{suffix}"
    source.write_bytes(as_gif(pictures(5), plays))
    if way == "convert":
        row = convert_image(source, target, translator, ConvertOptions(strength=strength))
    else:
        row = convert_video(source, target, translator, VideoOptions(strength=strength))
    assert (row.status, row.width, row.height, row.notes) == ("done", 56, 40, ())
    assert seen(target.read_bytes()) == Seen(suffix.upper(), (56, 40), plays, TENTHS)
    for before, after in zip(pictures(5), composed(target.read_bytes()), strict=True):
        change = np.abs(after[..., :3].astype(int) - before)
        if strength:
            assert change.mean() > 5
        else:
            assert change.max() == 0 if suffix != "webp" else change.mean() < 8


@pytest.mark.parametrize("way", ["convert", "video"])
@pytest.mark.parametrize(
    ("suffix", "unit"), [("png", None), ("webp", "thousandths of a second"), ("gif", "hundredths of a second")]
)
def test_a_twenty_fourth_of_a_second(
    tmp_path: Path, translator: Translator, suffix: str, unit: str | None, way: str
) -> None:
    source, target = tmp_path / "a.png", tmp_path / f"b.{suffix}"
    source.write_bytes(apng(*(Part(p, (1, 24)) for p in pictures(12)), plays=2))
    if way == "convert":
        row = convert_image(source, target, translator, AS_IT_IS)
    else:
        row = convert_video(source, target, translator, VideoOptions(strength=0))
    found = seen(target.read_bytes())
    assert (found.plays, len(found.delays), sum(found.delays)) == (2, 12, Fraction(1, 2))
    if unit is None:
        assert found.delays == [Fraction(1, 24)] * 12
        assert row.notes == ()
    else:
        assert row.notes == (f"delays are rounded to {unit}, which is what the format holds",)


@pytest.mark.parametrize("way", ["convert", "video"])
@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_identical_frames_and_delays_of_any_length(
    tmp_path: Path, translator: Translator, suffix: str, way: str
) -> None:
    one, other = pictures(2)
    source, target = tmp_path / "a.webp", tmp_path / f"b.{suffix}"
    delays = [100, 0, 10, 20, 20, 70]
    source.write_bytes(webp([one, one, one, other, other, one], delays, 0))
    if way == "convert":
        convert_image(source, target, translator, AS_IT_IS)
    else:
        assert convert_video(source, target, translator, VideoOptions(strength=0)).frames == 6
    assert seen(target.read_bytes()) == Seen(suffix.upper(), (56, 40), 0, [Fraction(d, 1000) for d in delays])


@pytest.mark.parametrize("way", ["convert", "video"])
def test_a_picture_that_is_no_frame_is_translated_too(tmp_path: Path, translator: Translator, way: str) -> None:
    cover, *frames = pictures(4)
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(apng(*(Part(p, (n, 30)) for n, p in enumerate(frames)), plays=1, cover=255 - cover))
    if way == "convert":
        convert_image(source, target, translator)
    else:
        assert convert_video(source, target, translator).frames == 3
    assert seen(target.read_bytes()) == seen(source.read_bytes())
    before, after = read_picture(source.read_bytes()), read_picture(target.read_bytes())
    assert isinstance(before, Animation)
    assert isinstance(after, Animation)
    assert before.cover is not None
    assert after.cover is not None
    assert np.abs(after.cover.pixels.astype(int) - before.cover.pixels).mean() > 5
    assert np.abs(after.cover.pixels.astype(int) - next(after.frames()).pixels).mean() > 5


@pytest.mark.parametrize("way", ["convert", "video"])
def test_sixteen_bits_stay_sixteen(tmp_path: Path, translator: Translator, way: str) -> None:
    frames = [p.astype(np.uint16) * 257 + 3 for p in pictures(3)]
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(apng(*(Part(np.minimum(p, 65535).astype(np.uint16)) for p in frames)))
    if way == "convert":
        convert_image(source, target, translator)
    else:
        convert_video(source, target, translator)
    found = read_picture(target.read_bytes())
    assert isinstance(found, Animation)
    values = np.concatenate([still.pixels.reshape(-1) for still in found.frames()])
    assert values.dtype == np.uint16
    assert (values % 257 != 0).mean() > 0.9


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_transparency_stays_where_it_was(tmp_path: Path, translator: Translator, suffix: str) -> None:
    source, target = tmp_path / "a.png", tmp_path / f"b.{suffix}"
    frames = pictures(4, alpha=True)
    source.write_bytes(apng(*(Part(p) for p in frames)))
    convert_image(source, target, translator)
    for before, after in zip(frames, composed(target.read_bytes()), strict=True):
        assert np.array_equal(after[..., 3], before[..., 3])


def test_animated_bytes_as_bytes(translator: Translator) -> None:
    said: list[str] = []
    data = apng(*(Part(p, (1, 24)) for p in pictures(3)))
    made = convert_bytes(data, translator, AS_IT_IS, "webp", on_note=said.append)
    assert len(seen(made).delays) == 3
    assert said == ["delays are rounded to thousandths of a second, which is what the format holds"]
    convert_bytes(data, translator, AS_IT_IS, "jpg", on_note=said.append)
    assert said[1:] == ["the first of 3 frames was taken: JPEG has no others"]


def test_beside_each_other(tmp_path: Path, translator: Translator) -> None:
    source, target = tmp_path / "a.gif", tmp_path / "b.gif"
    source.write_bytes(as_gif(pictures(3)))
    row = convert_image(source, target, translator, ConvertOptions(compare=True))
    assert (row.width, row.height) == (112, 40)
    for before, after in zip(pictures(3), composed(target.read_bytes()), strict=True):
        assert after.shape[:2] == (40, 112)
        assert np.abs(after[:, :56, :3].astype(int) - before).mean() < 12


def test_of_a_folder_what_is_said_is_said_once(tmp_path: Path, translator: Translator) -> None:
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.png").write_bytes(apng(*(Part(p, (1, 24)) for p in pictures(3))))
    (tmp_path / "in" / "c.png").write_bytes(apng(*(Part(p) for p in pictures(3)))[:-900])
    request = ConvertRequest((str(tmp_path / "in"),), str(tmp_path / "out"), options=AS_IT_IS, format="webp")
    events = list(convert_all(plan(request, translator.style), translator))
    rows = [e.row for e in events if isinstance(e, RowFinished)]
    assert [row.status for row in rows] == ["done", "done", "failed"]
    assert "frame" in (rows[2].error or "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".imgcycle", "a.webp", "b.webp"]
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert note.startswith("2 pictures, ")
    assert "rounded to thousandths" in note
    assert isinstance(events[-1], Ended)
    records = [json.loads(line) for line in (tmp_path / "out" / ".imgcycle" / "done.jsonl").read_text().splitlines()]
    assert len(records) == 2


@pytest.mark.parametrize("broken", [3, 0])
def test_a_damaged_frame_leaves_nothing_behind(tmp_path: Path, translator: Translator, broken: int) -> None:
    data = apng(*(Part(p) for p in pictures(4)))
    at = [n for n in range(len(data)) if data.startswith((b"IDAT", b"fdAT"), n)][broken] + 30
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    target.write_bytes(b"what was there")
    for convert in (convert_image, convert_video):
        with pytest.raises(InputError):
            convert(source, target, translator)
        assert target.read_bytes() == b"what was there"
        assert sorted(p.name for p in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize(
    ("start", "end", "chosen"),
    [(None, None, 5), ("0.1", None, 4), ("0.1", "0.3", 2), (None, "0.05", 1), ("0.4", "9", 1)],
)
@pytest.mark.parametrize("delay", [0, 1, 10])
def test_moments_of_an_animation(
    tmp_path: Path, translator: Translator, start: str | None, end: str | None, chosen: int, delay: int
) -> None:
    """Viewers show delays of 0 and 1 hundredth for a tenth of a second: so moments count, and so little is written."""
    source, target = tmp_path / "a.gif", tmp_path / "b.gif"
    source.write_bytes(as_gif(pictures(5), 0, delay))
    row = convert_video(source, target, translator, VideoOptions(strength=0, start=start, end=end))
    assert row.frames == chosen
    assert seen(target.read_bytes()).delays == [Fraction(delay, 100)] * chosen
    first = 0 if start is None else round(10 * float(start))
    assert np.array_equal(composed(target.read_bytes())[0][..., :3], pictures(5)[first])


@pytest.mark.parametrize("way", ["convert", "video"])
def test_animated_avif(tmp_path: Path, translator: Translator, way: str) -> None:
    middle, target = tmp_path / "a.avif", tmp_path / "b.avif"
    (tmp_path / "a.png").write_bytes(apng(*(Part(p, (1, 24)) for p in pictures(3)), plays=2))
    convert_image(tmp_path / "a.png", middle, translator, AS_IT_IS)
    row = (convert_image if way == "convert" else convert_video)(middle, target, translator)
    assert (row.status, row.notes) == ("done", ())
    assert seen(target.read_bytes()) == Seen("AVIF", (56, 40), 2, [Fraction(1, 24)] * 3)
    recipe = read_recipe(target)
    assert recipe is not None
    assert recipe["style"] == "tiny"


def test_no_frame_at_a_moment(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.gif"
    source.write_bytes(as_gif(pictures(5)))
    with pytest.raises(InputError, match=r"no frame is in that part: the animation is 0\.500 s long"):
        convert_video(source, tmp_path / "b.gif", translator, VideoOptions(start="0.5"))


@pytest.mark.parametrize("smooth", ["off", "strong"])
def test_frames_are_held_to_the_one_before_as_those_of_clips(
    tmp_path: Path, translator: Translator, smooth: Literal["off", "strong"]
) -> None:
    """The same pictures, numbered, give the same results."""
    source, options = tmp_path / "a.png", VideoOptions(smooth=smooth)
    source.write_bytes(apng(*(Part(p) for p in pictures(6))))
    for n, picture in enumerate(pictures(6)):
        (tmp_path / f"in{n}.png").write_bytes(encoded(picture, "PNG"))
    convert_video(source, tmp_path / "b.png", translator, options)
    convert_video(tmp_path / "in%d.png", tmp_path / "out%d.png", translator, options)
    for n, picture in enumerate(composed((tmp_path / "b.png").read_bytes())):
        assert np.array_equal(picture[..., :3], decoded((tmp_path / f"out{n}.png").read_bytes()))

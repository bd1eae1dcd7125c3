"""Masks of clips: one picture, numbered pictures in step, opacity; found by name, and part of the recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.video.cost import MaskCost, frame_cost
from imgcycle.jobs.video.masks import mask_cost
from imgcycle.jobs.video.plan import clip_task, plan_clips
from imgcycle.jobs.video.run import convert_video
from imgcycle.media.image.masks import ROWS_BYTES
from tests.jobs.films import film, tiny_translator
from tests.media.pictures import scene
from tests.media.video.clips import make


@pytest.fixture
def frames(tmp_path: Path) -> str:
    """Six numbered pictures that move."""
    (tmp_path / "in").mkdir()
    for n in range(6):
        Image.fromarray(np.roll(scene(36, 64), 3 * n, 1)).save(tmp_path / "in" / f"{n}.png")
    return str(tmp_path / "in" / "%d.png")


def halves(n: int) -> Any:
    """White on the left up to a column that moves with the frames."""
    mask = np.zeros((36, 64), np.uint8)
    mask[:, : 10 + 5 * n] = 255
    return mask


def made(frames: str, out: Path, **options: Any) -> list[Any]:
    row = convert_video(frames, out / "%d.png", tiny_translator(), VideoOptions(smooth="off", **options))
    assert row.status == "done"
    return [np.asarray(Image.open(out / f"{n}.png").convert("RGB")) for n in range(6)]


def test_every_frame_has_the_mask_of_its_number(tmp_path: Path, frames: str) -> None:
    (tmp_path / "masks").mkdir()
    for n in range(6):
        Image.fromarray(halves(n)).save(tmp_path / "masks" / f"{n}.png")
    painted = made(frames, tmp_path / "plain")
    for n, found in enumerate(made(frames, tmp_path / "out", mask=str(tmp_path / "masks" / "%d.png"))):
        own, edge = np.asarray(Image.open(frames % n)), 10 + 5 * n
        assert np.array_equal(found[:, edge:], own[:, edge:])
        assert np.array_equal(found[:, :edge], painted[n][:, :edge])
        assert np.abs(painted[n].astype(int) - own).max() > 5


def test_one_picture_masks_them_all_and_too_few_are_refused(tmp_path: Path, frames: str) -> None:
    Image.fromarray(halves(2)).save(tmp_path / "m.png")
    for n, found in enumerate(made(frames, tmp_path / "out", mask=str(tmp_path / "m.png"))):
        assert np.array_equal(found[:, 20:], np.asarray(Image.open(frames % n))[:, 20:])
    (tmp_path / "few").mkdir()
    Image.fromarray(halves(0)).save(tmp_path / "few" / "0.png")
    Image.fromarray(halves(0)).save(tmp_path / "few" / "1.png")
    with pytest.raises(InputError, match="has 2 frames, and the clip has 6"):
        made(frames, tmp_path / "out2", mask=str(tmp_path / "few" / "%d.png"))
    with pytest.raises(UsageError, match="there is no mask"):
        made(frames, tmp_path / "out2", mask=str(tmp_path / "none" / "%d.png"))


@pytest.mark.parametrize(("codec", "margin"), [(("-c:v", "libx264", "-crf", "20"), 3), (("-c:v", "ffv1"), 0)])
def test_a_clip_masks_as_it_was_drawn(tmp_path: Path, frames: str, codec: tuple[str, ...], margin: int) -> None:
    """Lossy coding leaves faint levels beside edges, under which frames would change where they are to stay."""
    (tmp_path / "masks").mkdir()
    for n in range(6):
        Image.fromarray(halves(n)).save(tmp_path / "masks" / f"{n}.png")
    make("-framerate", "24", "-i", tmp_path / "masks" / "%d.png", "-pix_fmt", "yuv420p", *codec, tmp_path / "m.mkv")
    painted = made(frames, tmp_path / "plain")
    for n, found in enumerate(made(frames, tmp_path / "out", mask=str(tmp_path / "m.mkv"))):
        own, edge = np.asarray(Image.open(frames % n)), 10 + 5 * n
        assert np.array_equal(found[:, edge + margin :], own[:, edge + margin :])
        assert np.array_equal(found[:, : edge - margin], painted[n][:, : edge - margin])


def test_masks_count_in_the_memory_that_is_promised(tmp_path: Path, frames: str) -> None:
    """One picture is held once; of moving ones each frame on its way has its own, and some are read ahead."""
    Image.fromarray(halves(2)).save(tmp_path / "m.png")
    film(tmp_path / "m.mp4", 6)
    (tmp_path / "deep").mkdir()
    for n in range(2):
        Image.fromarray(halves(n).astype(np.uint16) * 257).save(tmp_path / "deep" / f"{n}.png")
    task = clip_task(Path(frames), tmp_path / "%d.png", tmp_path, VideoOptions(), ResolvedOptions())
    plane, rows = 36 * 64, ROWS_BYTES * 64
    still = mask_cost(task, str(tmp_path / "m.png"), 36, 64)
    assert still.each == 0
    assert 3 * plane + rows < still.held < 3 * plane + rows + 20 * plane
    eight = 3 * plane  # frames of the mask that ffmpeg is ahead, one read and one taken
    assert mask_cost(task, str(tmp_path / "m.mp4"), 36, 64) == MaskCost(plane, 10 * eight + 2 * plane + rows)
    found = mask_cost(task, str(tmp_path / "deep" / "%d.png"), 36, 64)
    assert found == MaskCost(2 * plane, 2 * 2 * eight + 4 * plane + rows)
    assert mask_cost(task, "alpha", 36, 64) == MaskCost(2 * plane, rows)
    assert mask_cost(task, None, 36, 64) == MaskCost()
    translator = tiny_translator()
    options = task.frames
    without, counted = (
        frame_cost(36, 64, False, options, translator, masks=cost) for cost in (MaskCost(), MaskCost(1000, 70))
    )
    assert (counted.least - without.least, counted.worker - without.worker) == (12 * 1000 + 70, 1000)


def test_a_folder_is_searched_by_name_and_another_mask_is_another_result(tmp_path: Path) -> None:
    style = tiny_translator().style
    (tmp_path / "masks").mkdir()
    (tmp_path / "a.mp4").write_bytes(b"")
    request = ClipRequest((str(tmp_path / "a.mp4"),), options=VideoOptions(mask=str(tmp_path / "masks")))
    task = plan_clips(request, style).tasks[0]
    assert (task.verdict, task.reason) == ("fail", f"no mask of its name in {tmp_path / 'masks'}")
    digests = set()
    for level in (0, 255):
        Image.fromarray(np.full((4, 4), level, np.uint8)).save(tmp_path / "masks" / "a.png")
        task = plan_clips(request, style).tasks[0]
        assert task.verdict == "convert"
        assert task.frames.mask == str(tmp_path / "masks" / "a.png")
        digests.add(task.frames.mask_digest)
    assert len(digests) == 2

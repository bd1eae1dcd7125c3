"""Whether results have room: by format and quality, not by the size of what goes in."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from imgcycle.config import VideoOptions
from imgcycle.errors import OutputError
from imgcycle.jobs.disk import check_disk, expected_size
from imgcycle.jobs.images.plan import Plan
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import ClipTask, Task
from imgcycle.media import formats
from imgcycle.media.image.still import Still
from imgcycle.media.image.write import encode_still, typical_size
from tests.media.pictures import encoded, scene


class Usage(NamedTuple):
    free: int


@pytest.fixture
def task(tmp_path: Path) -> Callable[..., Task]:
    (tmp_path / "a.png").write_bytes(encoded(scene(300, 400), "PNG"))
    (tmp_path / "a.jpg").write_bytes(encoded(scene(300, 400), "JPEG"))

    def make(source: str, output: str, **options: Any) -> Task:
        return Task(str(tmp_path / source), str(tmp_path / output), str(tmp_path / "new"), ResolvedOptions(**options))

    return make


def test_what_fits_is_let_in_and_what_does_not_is_refused(
    task: Callable[..., Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = task("a.png", "b.jpg", quality=10), task("a.jpg", "b.png")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(20_000))
    check_disk(Plan((small,)))
    assert Path(small.input).stat().st_size > 20_000
    free = round(Path(large.input).stat().st_size * 1.6)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(free))
    with pytest.raises(OutputError, match=r"about 0\.2 MB will be written to .*, where 0\.1 MB are free"):
        check_disk(Plan((large,)))
    check_disk(Plan((task("a.jpg", "b.jpg"),)))
    with pytest.raises(OutputError):
        check_disk(Plan((task("a.jpg", "b.jpg"),) * 2))


def test_what_a_result_takes_goes_by_its_format_its_quality_and_its_pixels(task: Callable[..., Task]) -> None:
    pixels = 300 * 400
    png = Path(task("a.png", "b.png").input).stat().st_size
    assert expected_size(task("a.png", "b.png")) == expected_size(task("a.png", "b.tif")) == round(png * 1.5)
    assert expected_size(task("a.png", "b.jpg", quality=10)) == round(pixels * 0.03)
    assert expected_size(task("a.png", "b.jpg")) == round(pixels * 0.3)
    assert expected_size(task("a.jpg", "b.png")) == round(pixels * 1.4)
    assert expected_size(task("a.jpg", "b.png", compare=True)) == round(pixels * 1.4) * 2
    assert expected_size(task("a.jpg", "b.webp", quality=50)) == round(pixels * 0.06)
    assert expected_size(task("a.jpg", "b.avif", quality=90)) == round(pixels * 0.25)


def test_of_clips_and_of_what_cannot_be_measured_the_input_tells(task: Callable[..., Task]) -> None:
    bad = task("a.jpg", "b.png")
    Path(bad.input).write_bytes(b"no picture")
    assert expected_size(bad) == 15
    clip = ClipTask(bad.input, "b.mp4", "new", VideoOptions())
    assert expected_size(clip) == 15
    Path(bad.input).unlink()
    check_disk(Plan((bad,)))
    with pytest.raises(FileNotFoundError):
        expected_size(clip)


@pytest.mark.parametrize("target", [formats.JPEG, formats.WEBP, formats.AVIF])
def test_sizes_grow_with_the_quality_as_those_of_files_do(target: formats.Format) -> None:
    still = Still(scene(200, 300))
    sizes = [len(encode_still(still, target, quality)) for quality in (10, 50, 90)]
    told = [typical_size(200 * 300, target, quality) for quality in (1, 10, 50, 90, 100)]
    assert sizes == sorted(sizes)
    assert told == sorted(told)
    assert told[3] > 3 * told[1]
    assert typical_size(100, formats.PNG, deep=True) == round(100 * 1.4 * 3.3)
    assert typical_size(100, formats.BMP, deep=True) == 300
    assert np.isfinite(told).all()

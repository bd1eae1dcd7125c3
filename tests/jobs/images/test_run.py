from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import imgcycle
from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Ended, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.pipeline import rows
from imgcycle.jobs.images.plan import plan, read_recipe
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.tasks import Row, Summary, Task
from imgcycle.media.image.read import read_still
from tests.media.pictures import encoded, exif_block, scene
from tests.styles import tiny_net


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


def run(request: ConvertRequest, translator: Translator) -> tuple[list[Row], Summary]:
    events = list(convert_all(plan(request, translator.style), translator))
    assert isinstance(events[-1], Ended)
    return [e.row for e in events if isinstance(e, RowFinished)], events[-1].summary


def tree(folder: Path, count: int = 6) -> list[Path]:
    made = []
    for n in range(count):
        path = folder / f"d{n % 2}" / f"p{n}.{('jpg', 'png')[n % 2]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(scene(40 + n, 57, n), "JPEG" if n % 2 == 0 else "PNG"))
        made.append(path)
    return made


def test_one_image_at_its_own_size_with_its_recipe(tmp_path: Path, translator: Translator) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / "b.jpg"
    source.write_bytes(encoded(scene(), exif=exif_block(6)))
    os.utime(source, (10**9, 10**9))
    row = imgcycle.convert_image(source, target, translator, ConvertOptions(detail=0.2))
    assert (row.status, row.width, row.height) == ("done", 40, 56)
    found = read_still(target.read_bytes())
    assert found.size == (40, 56)
    assert np.abs(found.pixels.astype(int) - read_still(source.read_bytes()).pixels).mean() > 5
    recipe = read_recipe(target)
    assert recipe is not None
    assert recipe["options"]["work_size"] == 32
    assert recipe["options"]["detail"] == 0.2
    assert recipe["input"] == hashlib.sha256(source.read_bytes()).hexdigest()
    assert recipe["weights"] == "d" * 64
    assert target.stat().st_mtime == 10**9
    assert read_recipe(source) is None


def test_strength_0_gives_the_input_back(tmp_path: Path, translator: Translator) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(encoded(scene(), "PNG"))
    convert_image(source, target, translator, ConvertOptions(strength=0))
    assert np.array_equal(read_still(target.read_bytes()).pixels, scene())


@pytest.mark.parametrize("work_size", [32, "full"])
def test_strength_2_goes_as_far_again_beyond_the_style(tmp_path: Path, translator: Translator, work_size: Any) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    found = {}
    for strength in (1.0, 2.0):
        target = tmp_path / f"{strength}.png"
        convert_image(source, target, translator, ConvertOptions(work_size=work_size, strength=strength))
        found[strength] = read_still(target.read_bytes()).pixels.astype(int)
        assert (read_recipe(target) or {})["options"]["strength"] == strength
    wanted = 2 * found[1.0] - scene()
    # A level is lost by rounding, and what was clipped at strength 1 tells nothing of strength 2.
    seen = (found[1.0] > 0) & (found[1.0] < 255) & (wanted >= 0) & (wanted <= 255)
    assert seen.mean() > 0.2
    assert np.abs(found[2.0] - wanted)[seen].max() <= 2


def test_the_input_is_never_written_over(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(encoded(scene()))
    with pytest.raises(UsageError, match="never written over"):
        convert_image(source, tmp_path / "x" / ".." / "a.jpg", translator)
    with pytest.raises(InputError):
        convert_image(tmp_path / "none.jpg", tmp_path / "c.jpg", translator)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.jpg"]


def test_a_tree_is_mirrored_in_order_and_converted_once(tmp_path: Path, translator: Translator) -> None:
    sources = tree(tmp_path / "photos")
    request = ConvertRequest((str(tmp_path / "photos"),))
    rows, summary = run(request, translator)
    assert [Path(r.input) for r in rows] == sorted(sources)
    assert summary.done == 6
    assert summary.exit_code == 0
    for row in rows:
        source, target = Path(row.input), Path(row.output)
        assert target.relative_to(tmp_path / "photos-tiny") == source.relative_to(tmp_path / "photos")
        assert read_still(target.read_bytes()).size == read_still(source.read_bytes()).size
        assert (row.width, row.height) == read_still(source.read_bytes()).size
    again, second = run(request, translator)
    assert {r.status for r in again} == {"skipped"}
    assert second.exit_code == 0
    other, third = run(ConvertRequest(request.inputs, options=ConvertOptions(detail=1.0)), translator)
    assert {r.status for r in other} == {"kept"}
    assert third.exit_code == 1


def test_one_bad_file_stays_one_bad_file(tmp_path: Path, translator: Translator) -> None:
    sources = tree(tmp_path / "photos")
    sources[1].write_bytes(b"not a picture")
    sources[2].write_bytes(b"")
    sources[3].unlink()
    if sys.platform == "win32":
        sources[3].write_bytes(b"bad")
    else:
        os.mkfifo(sources[3])
    rows, summary = run(ConvertRequest((str(tmp_path / "photos"),), str(tmp_path / "out")), translator)
    assert (summary.done, summary.failed, summary.exit_code) == (3, 3, 1)
    for row in rows:
        assert (row.status == "failed") == (Path(row.input) in sources[1:4])
        assert Path(row.output).exists() == (row.status == "done")
        assert row.error is None or "\n" not in row.error


def test_what_imgcycle_did_not_write_is_kept(tmp_path: Path, translator: Translator) -> None:
    source, target = tmp_path / "a.jpg", tmp_path / "a-tiny.jpg"
    source.write_bytes(encoded(scene()))
    target.write_bytes(b"mine")
    rows, _ = run(ConvertRequest((str(source),)), translator)
    assert rows[0].status == "kept"
    assert target.read_bytes() == b"mine"
    run(ConvertRequest((str(source),), overwrite=True), translator)
    assert read_still(target.read_bytes()).size == (56, 40)


def test_a_walk_does_not_take_results_as_inputs(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "p" / "a.jpg"
    source.parent.mkdir()
    source.write_bytes(encoded(scene()))
    run(ConvertRequest((str(source),)), translator)
    assert [t.input for t in plan(ConvertRequest((str(source.parent),)), translator.style).tasks] == [str(source)]


def test_tasks_and_rows_are_plain_data(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    (task,) = plan(ConvertRequest((str(source),)), translator.style).tasks
    assert Task.from_dict(task.to_dict()) == task
    (result,) = rows([task], translator, 1, MemoryBudget.default(), lambda *_: None)
    row = result.row
    assert row.status == "done"
    assert Row.from_dict(row.to_dict()) == row
    again, _ = run(ConvertRequest((str(source),), overwrite=True), translator)
    assert read_still(Path(again[0].output).read_bytes()).size == (56, 40)


def test_an_unwritable_output_is_said(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    (tmp_path / "out").write_bytes(b"a file where a folder should be")
    with pytest.raises(OutputError, match="cannot be written"):
        run(ConvertRequest((str(source),), str(tmp_path / "out") + "/b"), translator)
    (tmp_path / "good" / "a.png").mkdir(parents=True)
    rows, summary = run(ConvertRequest((str(source),), str(tmp_path / "good")), translator)
    assert summary.kept == 1
    assert rows[0].error == "a folder of that name"


def test_stopping_early_leaves_whole_files_alone(tmp_path: Path, translator: Translator) -> None:
    tree(tmp_path / "photos", 8)
    events = convert_all(plan(ConvertRequest((str(tmp_path / "photos"),)), translator.style), translator)
    for event in events:
        if isinstance(event, RowFinished):
            break
    events.close()  # type: ignore[attr-defined]
    written = [p for p in (tmp_path / "photos-tiny").glob("d*/*") if p.is_file()]
    assert 1 <= len(written) < 8
    for path in written:
        assert read_still(path.read_bytes()).pixels.size
        assert path.suffix in (".jpg", ".png")

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
import torch

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.strips import plan as engine_plan
from imgcycle.engine.style import Strokes, Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event, Progressed, RowFinished
from imgcycle.jobs.images import cost
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.cost import ImageCost, TooSmall, plan_file
from imgcycle.jobs.images.pipeline import rows
from imgcycle.jobs.images.plan import plan, read_recipe
from imgcycle.jobs.images.run import convert_image
from imgcycle.jobs.images.streamed import StreamedImage
from imgcycle.jobs.recipe import resolve
from imgcycle.jobs.tasks import Task
from imgcycle.media.containers import png_chunk
from imgcycle.media.image import row_reader
from imgcycle.media.image.read import read_still
from tests.media.pictures import encoded, exif_block, scene, wide_profile
from tests.styles import stroke_net, tiny_net

TIGHT, ROOMY = MemoryBudget(1), MemoryBudget(2**34)
FULL = ConvertOptions(work_size="full")


@pytest.fixture
def translator(monkeypatch: pytest.MonkeyPatch) -> Translator:
    """One that plans thin strips even for small pictures, where rows are counted as taking no budget."""
    real = cost.row_cost
    monkeypatch.setattr(cost, "row_cost", lambda *about: real(*about) and ImageCost(0, 0, 0))
    monkeypatch.setattr(engine_plan, "WHOLE_BYTES", 0)
    monkeypatch.setattr(engine_plan, "STRIP_BYTES", 2**16)
    return two_nets()


def two_nets() -> Translator:
    """A style with a second net for fine strokes."""
    style = Style("tiny", "d" * 64, 64, 0.5, strokes=Strokes(0.8, 0.6, 1.0))
    cpu = torch.device("cpu")
    return Translator(tiny_net(), cpu, style=style, strokes=Translator(stroke_net(), cpu, style=style))


@pytest.fixture
def honest() -> Translator:
    """One whose pictures are counted as they are."""
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 64, 0.5))


def png16(pixels: Any) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, pixels.shape, np.uint16)
    return bytes(cv2.imencode(".png", pixels.astype(np.uint16) * 256 + noise)[1].tobytes())


def tiff16(pixels: Any, turn: int) -> bytes:
    out = io.BytesIO()
    wide = pixels.astype(np.uint16) * 257
    tifffile.imwrite(out, wide, photometric="rgb", rowsperstrip=16, extratags=[(274, 3, 1, turn, True)])
    return out.getvalue()


PHOTO = scene(150, 210)
PICTURES = {
    "a.jpg": encoded(PHOTO, quality=97, subsampling=2, exif=exif_block(), dpi=(300, 300)),
    "turned.jpg": encoded(PHOTO, exif=exif_block(6)),
    "progressive.jpg": encoded(PHOTO, progressive=True),
    "profile.png": encoded(PHOTO, "PNG", icc_profile=wide_profile()),
    "deep.png": png16(PHOTO),
    "turned deep.tif": tiff16(PHOTO, 7),
    "tiles.tif": encoded(PHOTO, "TIFF", compression="tiff_lzw"),
}
OPTIONS = {
    "full": FULL,
    "full mixed": replace(FULL, strength=0.4, keep_colour=True),
    "reduced": ConvertOptions(strokes=0),
    "reduced mixed": ConvertOptions(strength=0.7, keep_colour=True, detail=0.2, strip="gps", strokes=0),
    "strokes": ConvertOptions(),
    "strokes mixed": ConvertOptions(strength=0.7, keep_colour=True, detail=0.2, strokes=0.5),
    "nothing": ConvertOptions(strength=0),
}


def by_rows(task: Task, net: Translator, limit: MemoryBudget = TIGHT) -> bool:
    return plan_file(task, net, limit).by_rows


def task_of(source: Path, target: Path, options: ConvertOptions = FULL, style: Style | None = None) -> Task:
    return Task(str(source), str(target), str(target.parent), resolve(options, style or two_nets().style))


def everything_in(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("kind", OPTIONS)
def test_row_by_row_gives_what_the_ordinary_way_gives(
    tmp_path: Path, name: str, kind: str, translator: Translator
) -> None:
    source, held, rowed = tmp_path / name, tmp_path / "out" / "held.tif", tmp_path / "out" / "rowed.tif"
    source.write_bytes(PICTURES[name])
    os.utime(source, (10**9, 10**9 + 7))
    options = OPTIONS[kind]
    assert not by_rows(task_of(source, held, options), translator, ROOMY)
    assert by_rows(task_of(source, rowed, options), translator)
    one = convert_image(source, held, translator, options, ROOMY)
    other = convert_image(source, rowed, translator, options, TIGHT)
    assert (one.width, one.height) == (other.width, other.height)
    wanted, found = read_still(held.read_bytes()), read_still(rowed.read_bytes())
    apart = np.abs(wanted.pixels.astype(int) - found.pixels)
    assert found.pixels.dtype == wanted.pixels.dtype
    assert apart.max() <= 1
    assert (apart > 0).mean() < (0.02 if found.pixels.dtype == np.uint16 else 1e-3)
    assert found.metadata == wanted.metadata
    assert read_recipe(rowed) == read_recipe(held)
    assert rowed.stat().st_mtime == 10**9 + 7
    assert everything_in(tmp_path / "out") == ["held.tif", "rowed.tif"]
    original = read_still(source.read_bytes()).pixels.astype(int)
    assert (np.abs(found.pixels - original).max() > 0) == (kind != "nothing")


@pytest.mark.parametrize("options", [FULL, ConvertOptions(), ConvertOptions(quality=50)], ids=["full", "auto", "50"])
def test_a_jpeg_keeps_its_quality_and_sampling(tmp_path: Path, options: ConvertOptions, translator: Translator) -> None:
    source = tmp_path / "a.jpg"
    source.write_bytes(PICTURES["a.jpg"])
    for name, limit in (("held.jpg", ROOMY), ("rowed.jpg", TIGHT)):
        convert_image(source, tmp_path / name, translator, options, limit)
    held, rowed = (read_still((tmp_path / name).read_bytes()) for name in ("held.jpg", "rowed.jpg"))
    assert held.coding == rowed.coding
    assert held.metadata == rowed.metadata
    assert np.abs(held.pixels.astype(int) - rowed.pixels).mean() < 0.01


def test_a_tree_goes_row_by_row_and_is_done(tmp_path: Path, translator: Translator) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name, data in PICTURES.items():
        (folder / name).write_bytes(data)
    request = ConvertRequest((str(folder),), options=FULL)
    heard: list[Event] = []
    todo = plan(request, translator.style)
    assert all(by_rows(task, translator) for task in todo.tasks)
    done = list(convert_all(todo, translator, memory=TIGHT, listener=heard.append))
    assert [e.row.status for e in done if isinstance(e, RowFinished)] == ["done"] * len(PICTURES)
    assert len([e for e in heard if isinstance(e, Progressed)]) > 20
    # The ledger knows them, and their recipes would.
    again = plan(request, translator.style)
    assert {task.verdict for task in again.tasks} == {"skip"}
    (tmp_path / "in-tiny" / ".imgcycle" / "done.jsonl").unlink()
    assert {task.verdict for task in plan(request, translator.style).tasks} == {"skip"}


def test_what_rows_cannot_do_goes_the_ordinary_way(
    tmp_path: Path, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, clear = tmp_path / "a.jpg", tmp_path / "clear.png"
    source.write_bytes(PICTURES["a.jpg"])
    clear.write_bytes(encoded(np.dstack([PHOTO, PHOTO[..., 0]]), "PNG"))
    assert not by_rows(task_of(source, tmp_path / "b.webp"), translator)
    assert not by_rows(task_of(source, tmp_path / "b.jpg", replace(FULL, compare=True)), translator)
    assert not by_rows(task_of(clear, tmp_path / "b.png"), translator)
    row = convert_image(clear, tmp_path / "b.png", translator, FULL, TIGHT)
    assert row.status == "done"
    monkeypatch.setattr(row_reader, "is_available", lambda: False)
    assert not by_rows(task_of(source, tmp_path / "b.jpg"), translator)


def test_a_promise_counts_on_rows(tmp_path: Path, honest: Translator, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "a.png", tmp_path / "b.png"
    source.write_bytes(encoded(np.tile(scene(100, 100), (40, 30, 1)), "PNG", compress_level=1))
    for options in (FULL, ConvertOptions()):
        task = task_of(source, target, options)
        with pytest.raises(TooSmall) as with_rows:
            plan_file(task, honest, MemoryBudget(1, promised=True))
        least = MemoryBudget(with_rows.value.least * 2**20, promised=True)
        course = plan_file(task, honest, least)
        assert course.by_rows
        assert str(course).startswith("row by row, ")
        with monkeypatch.context() as patch:
            patch.setattr(row_reader, "is_available", lambda: False)
            with pytest.raises(TooSmall) as without:
                plan_file(task, honest, least)
        assert without.value.least > with_rows.value.least
        assert "imgcycle[huge]" in str(without.value)
        assert "imgcycle[huge]" not in str(with_rows.value)
        # What fits is held.
        assert not by_rows(task, honest, MemoryBudget(without.value.least * 2**20, promised=True))
    assert convert_image(source, target, honest, ConvertOptions(), least).status == "done"


def stopped(source: Path, out: Path, net: Translator, options: ConvertOptions) -> str:
    """What the row of a failure says, with nothing left of it."""
    task = task_of(source, out / source.name, options, net.style)
    (result,) = rows([task], net, 1, TIGHT, lambda *_: None)
    row = result.row
    assert row.status == "failed"
    assert everything_in(out) == []
    assert row.error is not None
    assert "\n" not in row.error
    return row.error


@pytest.mark.parametrize("options", [FULL, ConvertOptions()], ids=["full", "auto"])
@pytest.mark.parametrize("name", ["a.jpg", "turned.jpg", "deep.png", "tiles.tif"])
def test_a_truncated_file_leaves_one_line(
    tmp_path: Path, name: str, options: ConvertOptions, translator: Translator
) -> None:
    source = tmp_path / name
    whole = PICTURES[name]
    source.write_bytes(whole[: len(whole) * 2 // 3])
    assert stopped(source, tmp_path / "out", translator, options)


@pytest.mark.parametrize("name", ["a.jpg", "turned.jpg"])
def test_a_file_that_vanishes_leaves_one_line(tmp_path: Path, name: str, translator: Translator) -> None:
    source, target = tmp_path / name, tmp_path / "out" / "b.jpg"
    source.write_bytes(PICTURES[name])
    task = task_of(source, target)
    course = plan_file(task, translator, TIGHT)
    held = plan_file(task, translator, ROOMY)
    assert (course.by_rows, held.by_rows) == (True, False)
    picture = StreamedImage(task, course)
    source.unlink()
    with pytest.raises(InputError, match="No such file"):
        picture.translate(translator, TIGHT)
    picture.close()
    with pytest.raises(InputError, match="No such file"):
        StreamedImage(task, course)
    assert stopped(source, tmp_path / "out", translator, FULL) == "No such file or directory"
    source.write_bytes(b"something else by now")
    with pytest.raises(InputError, match="the file was changed"):
        StreamedImage(task, course)


def _full(*_: Any, **__: Any) -> Any:
    raise OSError(28, os.strerror(28))


def _read_only(*_: Any, **__: Any) -> Any:
    raise PermissionError(13, os.strerror(13))


@pytest.mark.parametrize("options", [FULL, ConvertOptions()], ids=["full", "auto"])
@pytest.mark.parametrize("limit", [TIGHT, ROOMY], ids=["rows", "held"])
@pytest.mark.parametrize(
    ("place", "failure", "said"),
    [
        ("os.fsync", _full, "cannot be written: No space left on device"),
        ("tempfile.mkstemp", _read_only, "Permission denied"),
        ("pathlib.Path.mkdir", _read_only, "cannot be written: Permission denied"),
    ],
    ids=["full disk", "read-only", "no folder"],
)
def test_what_cannot_be_written_is_one_line(
    tmp_path: Path,
    options: ConvertOptions,
    limit: MemoryBudget,
    place: str,
    failure: Callable[..., Any],
    said: str,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(encoded(PHOTO, "PNG"))
    monkeypatch.setattr(place, failure)
    with pytest.raises(OutputError, match=said):
        convert_image(source, tmp_path / "out" / "b.png", translator, options, limit)
    assert everything_in(tmp_path) == ["a.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("options", [FULL, ConvertOptions()], ids=["full", "auto"])
def test_a_disk_that_fills_up_meanwhile(
    tmp_path: Path, options: ConvertOptions, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imgcycle.media.image import row_writer

    class Filling(row_writer.ScanlineWriter):
        def __init__(self, *about: Any, **more: Any) -> None:
            super().__init__(*about, **more)
            with Path("/dev/full").open("r+b", buffering=0) as device:
                os.dup2(device.fileno(), self._file.fileno())

    monkeypatch.setattr("imgcycle.jobs.images.streamed.ScanlineWriter", Filling)
    source = tmp_path / "a.tif"
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
    source.write_bytes(encoded(noise, "TIFF"))
    assert "No space left on device" in stopped(source, tmp_path / "out", translator, options)


def test_an_interrupt_leaves_nothing(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "in" / "turned.jpg"
    source.parent.mkdir()
    source.write_bytes(PICTURES["turned.jpg"])
    todo = plan(ConvertRequest((str(source),), str(tmp_path / "out") + "/", options=FULL), translator.style)

    def interrupted(event: object) -> None:
        if isinstance(event, Progressed) and event.share > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(convert_all(todo, translator, memory=TIGHT, listener=interrupted))
    assert [name for name in everything_in(tmp_path / "out") if name not in ("lock", "done.jsonl")] == []


@pytest.mark.parametrize("options", [FULL, ConvertOptions(work_size=512)], ids=["full", "512"])
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
@pytest.mark.parametrize("shape", [(10, 60_000), (60_000, 10)], ids=["wide", "tall"])
def test_very_long_pictures(
    tmp_path: Path,
    shape: tuple[int, int],
    name: str,
    options: ConvertOptions,
    translator: Translator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_plan, "STRIP_BYTES", 2**22)
    source, held, rowed = tmp_path / name, tmp_path / "held.png", tmp_path / f"rowed-{name}"
    source.write_bytes(encoded(scene(*shape), "JPEG" if name.endswith("jpg") else "PNG"))
    one = convert_image(source, held, translator, options, ROOMY)
    # Much memory makes thick strips; the ordinary way is said to want more.
    monkeypatch.setattr(cost, "image_cost", lambda *_: ImageCost(2**40, 0, 0))
    assert by_rows(task_of(source, rowed, options), translator, ROOMY)
    other = convert_image(source, rowed, translator, options, ROOMY)
    assert (one.width, one.height) == (other.width, other.height) == shape[::-1]
    found, wanted = read_still(rowed.read_bytes()).pixels, read_still(held.read_bytes()).pixels
    assert np.abs(found.astype(int) - wanted).max() <= (1 if name.endswith("png") else 40)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.png"
    data = encoded(scene(), "PNG")
    header = png_chunk(b"IHDR", (100_000).to_bytes(4, "big") * 2 + data[24:29])
    source.write_bytes(data[:8] + header + data[8 + len(header) :])
    text = stopped(source, tmp_path / "out", translator, FULL)
    assert text == "10000 megapixels, more than the 300 megapixels allowed (--max-pixels 10000000000 allows it)"

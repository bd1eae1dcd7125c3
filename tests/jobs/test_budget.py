from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from imgcycle.config import ConvertOptions, ConvertRequest, NetConfig
from imgcycle.config.clips import Compare
from imgcycle.device import BASE_BYTES
from imgcycle.engine.strips import plan as engine_plan
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Event, Progressed, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.cost import TooSmall, check_memory, image_cost, plan_bytes, plan_file, plan_nets
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.images.run import convert_bytes, convert_image
from imgcycle.jobs.recipe import resolve
from imgcycle.jobs.tasks import Task
from imgcycle.jobs.video.cost import VideoLimits, frame_cost
from imgcycle.media.codecs import tiff_writer
from imgcycle.media.headers import ImageHeader
from imgcycle.media.image.read import measure, measure_file, read_still
from tests.media.pictures import encoded, exif_block, scene, wide_profile
from tests.media.tiffs import tiff_of
from tests.styles import tiny_net

MB = 2**20
FULL = ConvertOptions(work_size="full")
WHOLE = resolve(FULL, Style())


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


@pytest.fixture
def strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plans in thin strips even for small pictures."""
    monkeypatch.setattr(engine_plan, "WHOLE_BYTES", 0)
    monkeypatch.setattr(engine_plan, "STRIP_BYTES", 2**16)


def fresh(translator: Translator) -> Translator:
    """The same without remembered plans."""
    return Translator(tiny_net(), translator.device, translator.dtype, translator.style)


def pictures() -> dict[str, bytes]:
    photo = scene(150, 210)
    clear = np.dstack([photo, np.where(photo[..., 0] > 120, 255, 0).astype(np.uint8)])
    return {
        "jpeg": encoded(photo, exif=exif_block(6)),
        "clear": encoded(clear, "PNG"),
        "opaque": encoded(np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)]), "PNG"),
        "profile": encoded(photo, "PNG", icc_profile=wide_profile()),
        "deep": tiff_writer.tiff_bytes(photo.astype(np.uint16) * 257 + 3),
    }


@pytest.mark.parametrize("kind", list(pictures()))
@pytest.mark.parametrize(
    "options",
    [FULL, replace(FULL, strength=0.4, keep_colour=True), replace(FULL, compare=True)],
    ids=["full", "mixed", "compare"],
)
def test_rows_give_what_the_whole_picture_gives(
    kind: str, options: ConvertOptions, translator: Translator, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pictures()[kind]
    whole = read_still(convert_bytes(data, fresh(translator), options, "tiff"))
    monkeypatch.setattr(engine_plan, "WHOLE_BYTES", 0)
    monkeypatch.setattr(engine_plan, "STRIP_BYTES", 2**16)
    streamed = read_still(convert_bytes(data, fresh(translator), options, "tiff"))
    level = 257 if kind == "deep" else 1
    apart = np.abs(whole.pixels.astype(int) - streamed.pixels)
    assert apart.max() <= level
    assert (apart > 0).mean() < (0.05 if kind == "deep" else 1e-3)
    source = read_still(data)
    if options.compare:
        assert np.array_equal(streamed.pixels[:, : source.size[0]], source.pixels)
    else:
        assert np.abs(streamed.pixels.astype(int) - source.pixels).mean() > 3 * level
    if source.alpha is not None and not options.compare:
        assert np.array_equal(streamed.pixels[source.alpha == 0], source.pixels[source.alpha == 0])


def test_the_net_says_how_far_it_is(tmp_path: Path, translator: Translator, strips: None) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(2):
        (folder / f"{n}.png").write_bytes(encoded(scene(150, 210, n), "PNG"))
    net = fresh(translator)
    heard: list[Event] = []
    request = ConvertRequest((str(folder),), options=FULL)
    for event in convert_all(plan(request, net.style), net, listener=heard.append):
        heard.append(event)
    steps = [e for e in heard if isinstance(e, Progressed)]
    assert len(steps) > 20
    shares = [e.share for e in steps if e.input.endswith("0.png")]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    wholes = [e.whole for e in steps]
    assert wholes == sorted(wholes)
    assert wholes[len(shares) - 1] == pytest.approx(0.5, abs=0.05)
    assert wholes[-1] == pytest.approx(1.0)
    assert [e.row.status for e in heard if isinstance(e, RowFinished)] == ["done", "done"]


def test_a_promise_is_checked_before_any_work(tmp_path: Path, translator: Translator) -> None:
    large = tmp_path / "in" / "b b.png"
    large.parent.mkdir()
    large.write_bytes(encoded(scene(1500, 2000), "PNG"))
    (tmp_path / "in" / "c.png").write_bytes(b"no picture")
    todo = plan(ConvertRequest((str(large.parent),), options=FULL), translator.style)
    with pytest.raises(UsageError, match=r"b b\.png: 2000 × 1500 .* \(--memory (\d+)M is the least") as caught:
        list(convert_all(todo, translator, memory=MemoryBudget(BASE_BYTES + 40 * MB, promised=True)))
    assert not (tmp_path / "in-tiny").exists()
    least = int(str(caught.value).split("--memory ")[1].split("M")[0])
    # The least that would do does, and a mebibyte less does not.
    check_memory(todo.to_convert, translator, MemoryBudget(least * MB, promised=True))
    with pytest.raises(UsageError):
        check_memory(todo.to_convert, translator, MemoryBudget((least - 1) * MB, promised=True))
    done = list(convert_all(todo, fresh(translator), memory=MemoryBudget(least * MB, promised=True)))
    assert [e.row.status for e in done if isinstance(e, RowFinished)] == ["done", "failed"]


def test_what_does_not_fit_fails_alone_where_something_fits(tmp_path: Path, translator: Translator) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(encoded(scene(1500, 2000), "PNG"))
    (folder / "b.jpg").write_bytes(encoded(scene()))
    # A header of 54 bytes that speaks of 256 megapixels: damage, whatever the memory.
    bogus = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 16000, 16000, 1, 24, 0, 0, 0, 0, 0, 0)
    (folder / "c.bmp").write_bytes(bogus)
    todo = plan(ConvertRequest((str(folder),), options=FULL), translator.style)
    for memory in (MemoryBudget(BASE_BYTES + 40 * MB, promised=True), MemoryBudget(2**40, promised=True)):
        done = list(convert_all(todo, fresh(translator), memory=memory))
        rows = {Path(e.row.input).name: e.row for e in done if isinstance(e, RowFinished)}
        assert rows["b.jpg"].status == "done"
        assert (rows["c.bmp"].status, rows["c.bmp"].error) == ("failed", "cut off: 100 % of the picture is missing")
        if memory.total < 2**40:
            assert rows["a.png"].status == "failed"
            assert "2000 × 1500 pixels need more" in str(rows["a.png"].error)
        else:
            assert rows["a.png"].status == "done"


def test_a_measure_that_is_no_promise_refuses_nothing(tmp_path: Path, translator: Translator) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    assert convert_image(source, tmp_path / "b.png", translator, FULL, MemoryBudget(1)).status == "done"
    with pytest.raises(UsageError, match="is the least"):
        convert_image(source, tmp_path / "c.png", translator, FULL, MemoryBudget(1, promised=True))
    assert not (tmp_path / "c.png").exists()


def test_the_plan_follows_size_and_memory_alone(tmp_path: Path) -> None:
    net = Translator(tiny_net(NetConfig.named("compact")), torch.device("cpu"), style=Style(work_size=512))
    facts = ImageHeader(4000, 3000, format="JPEG")
    need = image_cost(facts, 4 * MB, WHOLE, "JPEG")
    assert need.held == 36_000_000
    roomy, _ = plan_nets(3000, 4000, need.held, WHOLE, net, MemoryBudget(8 * 2**30))
    tight, _ = plan_nets(3000, 4000, need.held, WHOLE, net, MemoryBudget(BASE_BYTES + 300 * MB, promised=True))
    assert (roomy.mode, tight.mode) == ("strips", "strips")
    assert roomy.spill_bytes == 0 < tight.spill_bytes
    assert BASE_BYTES + net.weight_bytes + need.held + tight.peak_bytes <= BASE_BYTES + 300 * MB
    # Reduced, it is as small as any other, and only its own pixels count.
    reduced = resolve(ConvertOptions(), net.style)
    assert plan_nets(3000, 4000, need.held, reduced, net, MemoryBudget(8 * 2**30))[0].mode == "whole"


def test_what_files_take() -> None:
    photo = ImageHeader(1000, 1000, format="JPEG")
    assert image_cost(photo, 10, WHOLE, "JPEG").reading == 3_000_010
    deep = image_cost(replace(photo, deep=True, format="TIFF"), 10, WHOLE, "TIFF")
    assert deep.held == 6_000_000
    assert deep.writing == 6_000_000 + 2 * 5_000_000
    assert image_cost(replace(photo, turned=True), 10, WHOLE, "JPEG").reading == 6_000_010
    # Of an animation one frame, its canvas and the frame before, however many there are, and the file.
    moving = replace(photo, frames=3, format="GIF")
    assert image_cost(moving, 10, WHOLE, "GIF").held == 25_000_010
    assert image_cost(replace(moving, frames=3000), 10, WHOLE, "GIF") == image_cost(moving, 10, WHOLE, "GIF")
    assert image_cost(photo, 10, replace(WHOLE, compare=True), "JPEG").held == 6_000_000


def test_progressive_jpegs_keep_coefficients_while_they_are_read() -> None:
    photo = ImageHeader(1000, 1000, format="JPEG")
    wanted = image_cost(photo, 10, WHOLE, "JPEG")
    found = image_cost(replace(photo, progressive=True), 10, WHOLE, "JPEG")
    assert found == replace(wanted, reading=wanted.reading + 6_000_000)


def test_a_backend_counts_what_its_libraries_take(tmp_path: Path, translator: Translator) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(scene(), "PNG"))
    task = Task(str(path), str(tmp_path / "b.png"), str(tmp_path), WHOLE)

    def least(net: Translator) -> int:
        with pytest.raises(TooSmall) as caught:
            plan_file(task, net, MemoryBudget(1, promised=True))
        return caught.value.least

    other = fresh(translator)
    other.base_bytes = 144 * MB
    assert translator.base_bytes == 0
    assert least(other) - least(translator) == 144


def test_headers_tell(tmp_path: Path) -> None:
    assert measure(pictures()["jpeg"]) == ImageHeader(150, 210, turned=True, format="JPEG", pixels=31_500)
    assert measure(pictures()["clear"]) == ImageHeader(210, 150, alpha=True, format="PNG", pixels=31_500)
    assert measure(pictures()["deep"]) == ImageHeader(210, 150, deep=True, format="TIFF", pixels=31_500)
    five = tiff_of(np.dstack([scene().astype(np.uint32)] + 2 * [scene()[..., :1].astype(np.uint32)]), 2, extra=(2, 0))
    assert measure(five) == ImageHeader(56, 40, deep=True, alpha=True, format="TIFF", stored=20, pixels=2240)
    wanted = 56 * 40 * (2 * 20 + 40) + len(five)
    assert image_cost(measure(five), len(five), WHOLE, "TIFF").reading == wanted
    path = tmp_path / "a.png"
    path.write_bytes(pictures()["deep"])
    assert measure_file(path) == measure(pictures()["deep"])
    for bad, why in ((b"", "empty file"), (b"nothing", "not an image")):
        path.write_bytes(bad)
        with pytest.raises(InputError, match=why):
            measure_file(path)
    with pytest.raises(InputError, match="No such file"):
        measure_file(tmp_path / "none")


def test_a_task_is_planned_from_its_file(tmp_path: Path, translator: Translator) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(scene()))
    task = Task(str(path), str(tmp_path / "b.jpg"), str(tmp_path), WHOLE)
    found = plan_file(task, translator, MemoryBudget.default())
    assert found.net is not None
    assert (found.net.width, found.net.height) == (56, 40)
    assert plan_bytes(path.read_bytes(), task, translator, MemoryBudget.default()) == found
    assert found.size >= found.net.peak_bytes + 56 * 40 * 3
    assert not found.by_rows


KINDS: tuple[Compare, ...] = ("side", "wipe")


def test_a_clip_has_as_many_frames_in_the_net_as_cores_and_memory_allow(translator: Translator) -> None:
    need = frame_cost(720, 1280, False, WHOLE, translator)
    assert need.worker > 3 * 720 * 1280
    deep = frame_cost(720, 1280, True, WHOLE, translator)
    assert deep.least - need.least > 12 * 3 * 720 * 1280
    beside, wiped = (frame_cost(720, 1280, False, WHOLE, translator, kind).least - need.least for kind in KINDS)
    assert (beside, wiped) == (10 * 3 * 720 * 1280, 3 * 720 * 1280)  # eight are queued, each twice as wide
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        assert need.workers(translator, VideoLimits(MemoryBudget(need.least + 10 * need.worker))) == 4
        assert need.workers(translator, VideoLimits(MemoryBudget(need.least + 2 * need.worker))) == 3
        assert need.workers(translator, VideoLimits(MemoryBudget(need.least - 1, promised=True))) == 1
        assert need.workers(translator, VideoLimits(MemoryBudget(need.least + 10 * need.worker), frames=6)) == 6
        alone = fresh(translator)
        alone.concurrent = False
        assert need.workers(alone, VideoLimits(MemoryBudget(need.least + 10 * need.worker), frames=6)) == 1
    finally:
        torch.set_num_threads(before)

"""Two hundred files in, two hundred out; then everything that may have happened to them since."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.events import Ended, Estimated, Note, Planned, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.tasks import Row, Summary
from imgcycle.media.image.read import read_still
from tests.jobs.trees import grow
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net


def translator(digest: str = "d") -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", digest * 64, 32, 0.5))


def run(request: ConvertRequest, net: Translator) -> tuple[dict[str, Row], Summary]:
    events = list(convert_all(plan(request, net.style), net))
    assert isinstance(events[-1], Ended)
    return {Path(e.row.input).name: e.row for e in events if isinstance(e, RowFinished)}, events[-1].summary


def results(folder: Path) -> dict[Path, bytes]:
    found = {p.relative_to(folder): p for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: p.read_bytes() for name, p in found.items() if ".imgcycle" not in name.parts}


def test_two_hundred_files_of_every_kind(tmp_path: Path) -> None:
    sources = grow(tmp_path / "in", 200)
    assert len(set(sources)) == 200
    net = translator()
    request = ConvertRequest((str(tmp_path / "in"),), str(tmp_path / "out"))
    _, summary = run(request, net)
    assert (summary.done, summary.failed) == (200, 0)
    made = results(tmp_path / "out")
    assert set(made) == {p.relative_to(tmp_path / "in") for p in sources}
    for source in sources:
        target = tmp_path / "out" / source.relative_to(tmp_path / "in")
        before, after = read_still(source.read_bytes()), read_still(target.read_bytes())
        assert after.size == before.size
        assert after.pixels.dtype == before.pixels.dtype
        assert after.format == before.format
        assert (after.alpha is None) == (before.alpha is None)
        if before.alpha is not None and after.alpha is not None and source.suffix != ".gif":
            assert np.array_equal(after.alpha, before.alpha)
        with Image.open(source) as one, Image.open(target) as other:
            assert getattr(one, "n_frames", 1) == getattr(other, "n_frames", 1)
        assert target.stat().st_mtime_ns == source.stat().st_mtime_ns
    _, again = run(request, net)
    assert again.skipped == 200
    assert results(tmp_path / "out") == made
    # The same once more, without the ledger: the recipes say it as well.
    (tmp_path / "out" / ".imgcycle" / "done.jsonl").unlink()
    _, third = run(request, net)
    assert third.skipped == 200


@pytest.fixture
def converted(tmp_path: Path) -> Path:
    for n in range(6):
        path = tmp_path / "in" / f"{n}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(scene(seed=n)))
    assert run(ConvertRequest((str(tmp_path / "in"),)), translator())[1].done == 6
    return tmp_path


@pytest.mark.parametrize("with_ledger", [True, False])
def test_what_happened_since_decides(converted: Path, with_ledger: bool) -> None:
    source, out = converted / "in", converted / "in-tiny"
    net = translator()
    os.utime(source / "0.jpg", (10**9, 10**9))  # touched, not changed
    (source / "1.jpg").write_bytes(encoded(scene(seed=9)))  # changed
    edited = out / "2.jpg"
    edited.write_bytes(edited.read_bytes() + b"\0")  # edited by another program
    (out / "3.jpg").unlink()  # lost
    (out / "4.jpg").write_bytes(encoded(scene(seed=8)))  # replaced by a file of the user's
    if not with_ledger:
        (out / ".imgcycle" / "done.jsonl").unlink()
    before = results(out)
    request = ConvertRequest((str(source),))
    rows, summary = run(request, net)
    statuses = {name: row.status for name, row in rows.items()}
    wanted = {"1.jpg": "kept", "2.jpg": "kept", "3.jpg": "done", "4.jpg": "kept", "5.jpg": "skipped"}
    # Without the ledger nothing tells a touched input from an edited result; either way nothing is written.
    assert statuses == wanted | {"0.jpg": "skipped" if with_ledger else "kept"}
    assert summary.exit_code == 1
    assert {k: v for k, v in results(out).items() if k.name != "3.jpg"} == before
    update = ConvertRequest((str(source),), update=True)
    rows, _ = run(update, net)
    statuses = {name: row.status for name, row in rows.items()}
    assert statuses["2.jpg"] == statuses["4.jpg"] == "kept"
    assert statuses["5.jpg"] == statuses["3.jpg"] == "skipped"
    if with_ledger:
        assert statuses["1.jpg"] == "done"
        rows, _ = run(request, net)
        assert rows["1.jpg"].status == "skipped"
    assert results(out)[Path("2.jpg")] == before[Path("2.jpg")]
    assert results(out)[Path("4.jpg")] == before[Path("4.jpg")]
    rows, summary = run(ConvertRequest((str(source),), overwrite=True), net)
    assert summary.done == 6
    assert run(request, net)[1].skipped == 6


def test_other_options_or_weights_are_kept_until_updated(converted: Path) -> None:
    source = str(converted / "in")
    for options, net in ((ConvertOptions(detail=0.9), translator()), (ConvertOptions(), translator("e"))):
        rows, summary = run(ConvertRequest((source,), options=options), net)
        assert {r.status for r in rows.values()} == {"kept"}
        assert "other weights or options" in (rows["0.jpg"].error or "")
        planned = plan(ConvertRequest((source,), options=options), net.style)
        assert [n for n in planned.notes if "--update" in n and n.startswith("6 outputs kept")]
        rows, summary = run(ConvertRequest((source,), options=options, update=True), net)
        assert summary.done == 6
        assert run(ConvertRequest((source,), options=options), net)[1].skipped == 6


def test_limits_on_pixels_are_no_other_making(converted: Path) -> None:
    request = ConvertRequest((str(converted / "in"),), options=ConvertOptions(max_pixels=10**6))
    assert run(request, translator())[1].skipped == 6


def test_a_cut_ledger_line_counts_for_nothing(converted: Path) -> None:
    ledger = converted / "in-tiny" / ".imgcycle" / "done.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-40])
    (converted / "in-tiny" / "0.jpg").unlink()
    _, summary = run(ConvertRequest((str(converted / "in"),)), translator())
    assert (summary.done, summary.skipped) == (1, 5)
    lines = ledger.read_bytes().split(b"\n")
    good = [json.loads(line) for n, line in enumerate(lines) if line and n != 5]
    assert good[-1]["output"] == "0.jpg"
    assert run(ConvertRequest((str(converted / "in"),)), translator())[1].skipped == 6


def test_leftovers_of_a_killed_process_go_and_nothing_else(converted: Path) -> None:
    out = converted / "in-tiny"
    (out / ".imgcycle-abc.partial").write_bytes(b"half")
    (out / "mine.partial").write_bytes(b"mine")
    (out / "0.jpg").unlink()
    run(ConvertRequest((str(converted / "in"),)), translator())
    assert not (out / ".imgcycle-abc.partial").exists()
    assert (out / "mine.partial").exists()


def test_sample_limit_and_format(tmp_path: Path) -> None:
    for n in range(10):
        path = tmp_path / "in" / f"{n}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encoded(scene(seed=n), "PNG"))
    style = translator().style
    source = str(tmp_path / "in")

    def names(request: ConvertRequest) -> list[str]:
        return [Path(t.output).name for t in plan(request, style).tasks]

    assert names(ConvertRequest((source,), sample=3)) == ["0.png", "4.png", "9.png"]
    assert names(ConvertRequest((source,), sample=1)) == ["0.png"]
    assert names(ConvertRequest((source,), limit=2, format="jpg")) == ["0.jpg", "1.jpg"]
    assert names(ConvertRequest((source,), limit=1, name="{stem}_{style}{ext}")) == ["0_tiny.png"]
    assert names(ConvertRequest((source,), sample=50)) == [f"{n}.png" for n in range(10)]


def test_the_same_failure_twenty_times_ends_the_run(tmp_path: Path) -> None:
    for n in range(40):
        path = tmp_path / "in" / f"{n:02}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"no picture")
    net = translator()
    events = list(convert_all(plan(ConvertRequest((str(tmp_path / "in"),)), net.style), net))
    kinds = Counter(type(e) for e in events)
    assert kinds[RowFinished] == 20
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert "20 to go" in note
    assert isinstance(events[-1], Ended)
    assert events[-1].summary.exit_code == 1
    assert kinds[Planned] == kinds[Estimated] == 1
    fast = list(convert_all(plan(ConvertRequest((str(tmp_path / "in"),)), net.style), net, fail_fast=True))
    assert sum(isinstance(e, RowFinished) for e in fast) == 1


def test_clips_and_raws_are_counted_and_left(tmp_path: Path) -> None:
    for name in ("a.mp4", "b.MOV", "c.dng", "d.jpg"):
        (tmp_path / name).write_bytes(encoded(scene()))
    planned = plan(ConvertRequest((str(tmp_path),)), translator().style)
    assert [Path(t.input).name for t in planned.tasks] == ["d.jpg"]
    assert [n.split(" left")[0] for n in planned.notes] == ["2 video clips", "1 RAW file"]

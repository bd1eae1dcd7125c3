from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Ended, Note, RowFinished
from imgcycle.jobs.images import image
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n:02}.png").write_bytes(b"bad" if n % 4 == 1 else encoded(scene(seed=n), "PNG"))
    return folder


def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


def test_a_tree_goes_through_the_smallest_room(source: Path) -> None:
    net = translator()
    events = list(convert_all(plan(ConvertRequest((str(source),)), net.style), net, jobs=4, memory=MemoryBudget(1)))
    assert [e.row.status for e in events if isinstance(e, RowFinished)].count("done") == 9
    assert isinstance(events[-1], Ended)
    assert [Path(e.row.input).name for e in events if isinstance(e, RowFinished)] == [f"{n:02}.png" for n in range(12)]


def test_a_full_disk_ends_the_run(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(image, "atomic_write", full)
    net = translator()
    events = list(convert_all(plan(ConvertRequest((str(source),)), net.style), net))
    (note,) = [e.text for e in events if isinstance(e, Note)]
    assert note == "the disk is full: stopped with 11 to go"


def test_a_disk_too_small_is_said_first(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    net = translator()
    with pytest.raises(OutputError, match="are free"):
        list(convert_all(plan(ConvertRequest((str(source),)), net.style), net))
    assert not (source.parent / "in-tiny").exists()

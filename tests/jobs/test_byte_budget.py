from __future__ import annotations

import errno
import os
import shutil
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import ImgcycleError, OutputError
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.byte_budget import ByteBudget
from imgcycle.jobs.events import Ended, Note, RowFinished
from imgcycle.jobs.images import image
from imgcycle.jobs.images.plan import ConvertRequest, plan
from imgcycle.jobs.images.run import convert_all
from tests.media.pictures import encoded, scene
from tests.styles import tiny_net


def test_tickets_are_let_in_in_order_and_a_giant_when_alone() -> None:
    room, order = ByteBudget(10), []

    def visit(ticket: int, size: int) -> None:
        room.enter(ticket, size)
        order.append(ticket)

    threads = [threading.Thread(target=visit, args=(n, size)) for n, size in ((3, 1), (2, 50), (1, 4), (0, 6))]
    for thread in threads:
        thread.start()
    threads[3].join()
    threads[2].join()
    assert order == [0, 1]
    room.leave(6)
    assert order == [0, 1]
    room.leave(4)
    threads[1].join()
    assert order == [0, 1, 2]
    room.leave(50)
    threads[0].join()
    assert order == [0, 1, 2, 3]


def test_a_closed_room_lets_everyone_go() -> None:
    room = ByteBudget(1)
    room.enter(0, 1)
    caught: list[BaseException] = []

    def visit() -> None:
        try:
            room.enter(1, 1)
        except ImgcycleError as error:
            caught.append(error)

    thread = threading.Thread(target=visit)
    thread.start()
    room.close()
    thread.join(300)
    assert len(caught) == 1


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

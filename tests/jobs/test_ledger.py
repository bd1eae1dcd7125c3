"""The ledger counts what is whole, whatever stands beside it, and never writes where a link leads."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from imgcycle.errors import OutputError, UsageError
from imgcycle.jobs.ledger import Ledger, Record, at_work, check_state, line_of
from imgcycle.media.locks import locked

RECORD = Record("a.jpg", "in/a.jpg", 1, 2, "d", 3, 4, "e", "w", "{}")


def line(**changes: object) -> bytes:
    return json.dumps({**RECORD.to_dict(), **changes}).encode()


DAMAGE = {
    "a list": b"[]",
    "nothing": b"null",
    "a number": b"7",
    "text": b'"a.jpg"',
    "no JSON": b"{'output': 1}",
    "cut": line()[:-9],
    "nested": b"[" * 100_000,
    "no UTF-8": line().replace(b"in/a", b"in/\xff"),
    "NUL bytes": b"\0" * 4096,
    "NUL bytes inside": line()[:20] + b"\0\0" + line()[20:],
    "unknown field": line(more=1),
    "missing field": json.dumps({"output": "a.jpg"}).encode(),
    "a size in words": line(input_size="large"),
    "a size in halves": line(output_size=1.5),
    "a size without end": line(output_size=1).replace(b'"output_size": 1', b'"output_size": Infinity'),
    "a size of many digits": line(output_size=1).replace(b'"output_size": 1', b'"output_size": ' + b"9" * 5000),
    "a truth": line(input_time=True),
    "a name that is none": line(output=["a.jpg"]),
    "options that are no JSON": line(options="work_size=3"),
    "options that are a list": line(options="[]"),
    "options nested": line(options="[" * 100_000),
    "too long": line(input="x" * (1 << 20)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_line_counts_for_nothing_and_the_others_count(tmp_path: Path, damage: str) -> None:
    path = tmp_path / ".imgcycle" / "done.jsonl"
    path.parent.mkdir()
    whole = [line(), line(output="b.jpg", weights="v")]
    path.write_bytes(b"\n".join([whole[0], DAMAGE[damage], whole[1], b""]))
    ledger = Ledger(tmp_path)
    assert ledger.get(tmp_path / "a.jpg") == RECORD
    assert ledger.get(tmp_path / "b.jpg") == replace(RECORD, output="b.jpg", weights="v")
    path.write_bytes(DAMAGE[damage])
    assert Ledger(tmp_path).get(tmp_path / "a.jpg") is None
    Ledger(tmp_path).append(RECORD)
    assert path.read_bytes() == DAMAGE[damage] + b"\n" + line_of(RECORD)
    assert Ledger(tmp_path).get(tmp_path / "a.jpg") == RECORD


def link_state(root: Path, other: Path) -> None:
    (root / ".imgcycle").symlink_to(other, target_is_directory=True)


def link_ledger(root: Path, other: Path) -> None:
    (root / ".imgcycle").mkdir()
    (root / ".imgcycle" / "done.jsonl").symlink_to(other / "done.jsonl")


def twin_ledger(root: Path, other: Path) -> None:
    (root / ".imgcycle").mkdir()
    os.link(other / "done.jsonl", root / ".imgcycle" / "done.jsonl")


def link_lock(root: Path, other: Path) -> None:
    (root / ".imgcycle").mkdir()
    (root / ".imgcycle" / "lock").symlink_to(other / "done.jsonl")


def link_deep_inside(root: Path, other: Path) -> None:
    (root / ".imgcycle" / "clips").mkdir(parents=True)
    (root / ".imgcycle" / "clips" / "0123").symlink_to(other, target_is_directory=True)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("link", [link_state, link_ledger, twin_ledger, link_lock, link_deep_inside])
def test_links_are_refused_and_what_they_lead_to_stays(tmp_path: Path, link: Callable[[Path, Path], None]) -> None:
    other, root = tmp_path / "other", tmp_path / "out"
    other.mkdir()
    root.mkdir()
    (other / "done.jsonl").write_bytes(line() + b"\n")
    link(root, other)
    with pytest.raises(
        UsageError, match=r"\.imgcycle.* is a (link|file of several names), and imgcycle keeps no records"
    ):
        check_state(root)
    # Nor is it believed, or written to.
    assert Ledger(root).get(root / "a.jpg") is None
    if link in (link_state, link_lock):
        with pytest.raises(UsageError, match="keeps no records through one"), at_work({root}, set()):
            pytest.fail("it began")
    if link in (link_state, link_ledger, twin_ledger):
        with pytest.raises(UsageError, match="keeps no records through one"):
            Ledger(root).append(RECORD)
    assert [p.name for p in other.iterdir()] == ["done.jsonl"]
    assert (other / "done.jsonl").read_bytes() == line() + b"\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_a_pipe_for_a_ledger_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / ".imgcycle").mkdir()
    os.mkfifo(tmp_path / ".imgcycle" / "done.jsonl")
    assert Ledger(tmp_path).get(tmp_path / "a.jpg") is None
    with pytest.raises(OutputError, match="cannot be written"):
        Ledger(tmp_path).append(RECORD)


def test_no_lock_is_held_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"mine")
    (tmp_path / "lock").symlink_to("other")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "lock"):
        pass
    with locked(tmp_path / "new" / "lock"):
        assert (tmp_path / "new" / "lock").exists()

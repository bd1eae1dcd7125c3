from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.errors import UsageError
from imgcycle.media.inputs import gather, is_junk, walk


def test_a_walk_passes_over_junk_and_its_own_output(tmp_path: Path) -> None:
    kept = ["a.jpg", "b c.PNG", "sub/ü.webp", "sub/-d.jpg", "plain"]
    junk = ["._a.jpg", ".DS_Store", "@eaDir/a.jpg", ".imgcycle/x.jpg", "out/a.jpg", "note.txt", ".imgcycle-1.partial"]
    for name in [*kept, *junk, "clip.mp4", "raw.NEF"]:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"\xff\xd8\xff")
    found = gather([str(tmp_path)], leave_out=[tmp_path / "out"])
    assert sorted(str(s.place) for s in found.sources) == sorted(kept)
    assert [s.path.name for s in found.clips] == ["clip.mp4"]
    assert found.raws == 1
    assert [p.name for p in walk(tmp_path, recursive=False)] == sorted(
        p.name for p in tmp_path.iterdir() if p.is_file() and not is_junk(p.name)
    )


def test_gather_names_each_file_once_and_takes_globs(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg", "c[1].jpg"):
        (tmp_path / name).write_bytes(b"x")
    found = gather([str(tmp_path / "c[1].jpg"), str(tmp_path / "*.jpg"), str(tmp_path)])
    assert [s.path.name for s in found.sources] == ["c[1].jpg", "a.jpg", "b.jpg"]
    for missing in ("no.jpg", "no*.jpg"):
        with pytest.raises(UsageError):
            gather([str(tmp_path / missing)])

"""Some hundred damaged checkpoints: one line each, nothing imported, executed or written, no long wait."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.weights.importers.mutants import SNIPPETS, Watch, bases, mutants, try_one


@pytest.fixture(scope="module")
def watch() -> Watch:
    return Watch()


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_take_one_line(tmp_path: Path, watch: Watch, seed: int) -> None:
    sound, path = bases(tmp_path), tmp_path / "x.pth"
    for name, content in sound.items():  # loads what is loaded late
        assert try_one(path, content, watch)[0] in ("read", "refused", "broken"), name
    ends = Counter[str]()
    for name, content in mutants(seed, 150, sound):
        ended, wrong = try_one(path, content, watch)
        ends[ended] += 1
        assert not wrong, f"{name}: {wrong}"
    assert ends["refused"] > 75
    assert not (tmp_path / "harm").exists()


def test_the_watch_sees_what_a_believing_reader_does(tmp_path: Path, watch: Watch) -> None:
    import pickle

    with watch.watching(), pytest.raises(ModuleNotFoundError):
        pickle.loads(b"cstrange_module_of_nobody\nThing\n)R.")  # noqa: S301
    assert any("pickle.find_class" in line for line in watch.seen)
    assert len(SNIPPETS) > 30

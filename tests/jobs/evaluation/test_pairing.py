"""Results find what they were made from, by the names that convert gives."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.data.sampling import evenly_spaced
from imgcycle.jobs.evaluation.pairing import pair_up
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import Naming, assign


def sources(root: str, *names: str) -> list[Source]:
    return [Source(f"{root}/{name}", root) for name in names]


def paired(results: list[Source], originals: list[Source]) -> dict[str, str]:
    return {made.name: original.name for made, original in pair_up(results, originals).pairs}


stems = st.text("ab-é ", min_size=1, max_size=4).filter(lambda s: s.strip() == s)
names = st.tuples(st.sampled_from(["", "x/", "x/y-monet/"]), stems, st.sampled_from([".jpg", ".png", ".JPG"]))


@given(st.sets(names.map("".join), min_size=1, max_size=12), st.sampled_from([".jpg", ".png", None]))
def test_every_result_of_a_tree_finds_its_own(tree: set[str], suffix: str | None) -> None:
    originals = sources("photos", *sorted(tree))
    planned = assign(originals, Naming(None, "monet", lambda source: suffix or source.path.suffix))
    results = [Source(a.output, "photos-monet") for a in planned]
    assert pair_up(results, originals).pairs == [(Path(a.output), a.source.path) for a in planned]


def test_names_beside_their_inputs() -> None:
    folder = sources("photos", "a.jpg", "a-monet.jpg", "sun-set.png", "sun-set-van-gogh.png", "b.jpg")
    found = pair_up(folder, folder)
    assert {made.name: original.name for made, original in found.pairs} == {
        "a-monet.jpg": "a.jpg",
        "sun-set-van-gogh.png": "sun-set.png",
    }
    assert [path.name for path in found.alone] == ["a.jpg", "sun-set.png", "b.jpg"]


def test_the_nearest_name_wins() -> None:
    originals = sources("in", "a.jpg", "a-b.jpg", "c.png", "c.jpg", "d.webp")
    results = sources("out", "a-b-monet.jpg", "a-x.jpg", "c.jpg", "c.png", "d.jpg", "e.jpg")
    assert paired(results, originals) == {
        "a-b-monet.jpg": "a-b.jpg",
        "a-x.jpg": "a.jpg",
        "c.jpg": "c.jpg",
        "c.png": "c.png",
        "d.jpg": "d.webp",
    }
    # -f jpg: the second of two keeps its full name; -f png: and then the first has the second's.
    assert paired(sources("out", "c.jpg", "c.png.jpg"), originals) == {"c.jpg": "c.jpg", "c.png.jpg": "c.png"}
    assert paired(sources("out", "c.png", "c.png.png"), originals) == {"c.png": "c.jpg", "c.png.png": "c.png"}


def test_folders_are_part_of_a_name() -> None:
    found = pair_up(sources("out", "x/a.jpg"), sources("in", "a.jpg", "y/a.jpg"))
    assert found.pairs == []


@pytest.mark.parametrize(
    ("count", "expected"), [(None, "abcdefg"), (9, "abcdefg"), (7, "abcdefg"), (3, "adg"), (2, "ag"), (1, "a")]
)
def test_a_sample_is_spread_over_all(count: int | None, expected: str) -> None:
    assert "".join(evenly_spaced("abcdefg", count)) == expected

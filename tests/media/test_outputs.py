from __future__ import annotations

import os
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.errors import UsageError
from imgcycle.media.inputs import Source
from imgcycle.media.outputs import Naming, assign

part = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda t: t not in (".", "..") and t.strip()
)
suffix = st.sampled_from([".jpg", ".png", ".JPG", ".tif"])
files = st.lists(
    st.tuples(st.lists(part, max_size=2), part, suffix).map(lambda t: PurePath(*t[0], t[1] + t[2])),
    min_size=1,
    max_size=8,
    unique=True,
)


def same(source: Source) -> str:
    return source.path.suffix


@given(files, st.sampled_from([None, "out/", "photos/inner/"]), st.sampled_from([None, "{dir}{stem}{ext}", "{stem}x"]))
def test_outputs_are_distinct_and_never_inputs(names: list[PurePath], output: str | None, template: str | None) -> None:
    sources = [Source(f"photos/{name}", "photos") for name in names]
    planned = assign(sources, Naming(output, "monet", same, template))
    outputs = [a.output for a in planned]
    assert [a.source for a in planned] == sources
    assert len(set(outputs)) == len(outputs)
    assert not set(outputs) & {s.name for s in sources}
    if template is None and output is None:
        assert [o.removeprefix("photos-monet/") for o in outputs] == [s.place for s in sources]


@given(files)
def test_files_named_themselves_stay_beside_their_source(names: list[PurePath]) -> None:
    sources = [Source(f"a/{name}") for name in names]
    for assignment in assign(sources, Naming(None, "monet", same)):
        output, source = Path(assignment.output), assignment.source.path
        assert output.parent == source.parent
        assert f"{source.stem}-monet" in output.name or assignment.renamed


def test_equal_names_keep_their_full_ones() -> None:
    sources = [Source(f"p/{n}", "p") for n in ("a.jpg", "a.png", "a.png.jpg")]
    jpegs = Naming("out/", "s", lambda _: ".jpg")
    planned = assign(sources, jpegs)
    assert [Path(a.output).name for a in planned] == ["a.jpg", "a.png.jpg", "a.png.jpg.jpg"]
    assert [a.renamed for a in planned] == [False, True, True]
    with pytest.raises(UsageError, match="both become"):
        assign(sources, jpegs, "refuse")


def test_several_folders_keep_their_names_under_one_output() -> None:
    sources = [Source("x/a.jpg", "x"), Source("y/a.jpg", "y"), Source("b.jpg")]
    planned = assign(sources, Naming("out", "s", same))
    assert [a.output for a in planned] == ["out/x/a.jpg", "out/y/a.jpg", "out/b.jpg"]


def test_an_output_that_is_an_input_is_refused(tmp_path: Path) -> None:
    one = tmp_path / "a.jpg"
    one.write_bytes(b"x")
    link = tmp_path / "b.jpg"
    os.link(one, link)
    for output in (str(one), str(link), f"{tmp_path}/"):
        with pytest.raises(UsageError, match="never written over"):
            assign([Source(str(one))], Naming(output, "s", same))
    with pytest.raises(UsageError, match="never written over"):
        assign([Source(str(one))], Naming(None, "s", same, "{stem}{ext}"))


@pytest.mark.parametrize("template", ["{nothing}", "{stem", "../{stem}{ext}", "/{stem}", "{0}"])
def test_templates_that_lead_astray_are_refused(template: str) -> None:
    with pytest.raises(UsageError):
        assign([Source("a.jpg")], Naming("out/", "s", same, template))

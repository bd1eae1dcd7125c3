"""Folders from Python: the tree of the command, a row an input, and how far it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle import ConvertOptions, ConvertRequest, convert_images, load_translator
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError
from imgcycle.jobs.events import Ended, Event, Planned, RowFinished
from tests.media.pictures import encoded, scene
from tests.styles import save_style


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Translator:
    return load_translator(str(save_style(tmp_path_factory.mktemp("style") / "one.safetensors", work_size=32)))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "sub").mkdir(parents=True)
    for n, name in enumerate(("a.png", "sub/b.jpg", "sub/bad.png")):
        (tmp_path / "photos" / name).write_bytes(encoded(scene(seed=n), "JPEG" if name.endswith("jpg") else "PNG"))
    (tmp_path / "photos/sub/bad.png").write_bytes(b"bad")
    return tmp_path / "photos"


def test_a_folder_becomes_a_tree_of_results(photos: Path, translator: Translator) -> None:
    shares: list[float] = []
    events: list[Event] = []
    out = photos.parent / "painted"
    rows = convert_images(photos, out, translator, progress=shares.append, listener=events.append)
    assert [(Path(row.input).name, row.status) for row in rows] == [
        ("a.png", "done"), ("b.jpg", "done"), ("bad.png", "failed"),
    ]  # fmt: skip
    assert [Path(row.output) for row in rows[:2]] == [out / "a.png", out / "sub/b.jpg"]
    assert rows[2].error
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert isinstance(events[0], Planned)
    assert isinstance(events[-1], Ended)
    assert [e.row for e in events if isinstance(e, RowFinished)] == rows
    again = convert_images(photos, out, translator)
    assert [row.status for row in again[:2]] == ["skipped", "skipped"]
    assert [
        row.status for row in convert_images([photos / "a.png"], out, translator, ConvertOptions(strength=0.5))
    ] == ["kept"]


def test_without_an_output_results_lie_beside_the_folder(photos: Path, translator: Translator) -> None:
    convert_images(str(photos), None, translator)
    assert (photos.parent / "photos-one" / "sub" / "b.jpg").is_file()


def test_a_request_says_the_rest_and_one_file_goes_to_one_file(photos: Path, translator: Translator) -> None:
    out = photos.parent / "flat"
    rows = convert_images(photos, out, translator, request=ConvertRequest((), recursive=False, format="webp"))
    assert [Path(row.output) for row in rows] == [out / "a.webp"]
    convert_images(photos / "a.png", photos.parent / "x.jpg", translator)
    assert (photos.parent / "x.jpg").is_file()
    with pytest.raises(UsageError):
        convert_images(photos / "a.png", photos / "a.png", translator)

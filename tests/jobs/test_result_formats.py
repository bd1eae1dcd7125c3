"""What a result is called is what it is: formats that are not written are refused before any work."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.config import ConvertOptions, ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError
from imgcycle.jobs.events import Note, RowFinished
from imgcycle.jobs.images.batch import convert_all
from imgcycle.jobs.images.plan import plan
from imgcycle.jobs.images.run import convert_image
from imgcycle.media import formats
from imgcycle.media.image.read import read_still
from tests.media.pictures import encoded, scene
from tests.styles import save_style, tiny_net

AS_IS = ConvertOptions(strength=0)


@pytest.fixture
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "a.jpg"
    path.write_bytes(encoded(scene()))
    return path


NOT_WRITTEN = ["x.heic", "x.jp2", "x.ppm", "x.mpo", "x.jxl", "x.PSD", "x.svg", "x.dng", "x.mp4", "x.tga"]


@pytest.mark.parametrize("name", NOT_WRITTEN)
def test_a_name_of_a_format_that_is_not_written_is_refused(source: Path, translator: Translator, name: str) -> None:
    wanted = source.parent / name
    with pytest.raises(UsageError, match=f"{name}.*(not written|video clip).*") as caught:
        plan(ConvertRequest((str(source),), str(wanted)), translator.style)
    assert "\n" not in str(caught.value)
    with pytest.raises(UsageError):
        plan(ConvertRequest((str(source.parent),), name=f"{{stem}}{wanted.suffix}"), translator.style)
    with pytest.raises(UsageError):
        convert_image(source, wanted, translator)
    assert [p.name for p in source.parent.iterdir()] == ["a.jpg"]
    # A folder may be called anything.
    (task,) = plan(ConvertRequest((str(source),), f"{wanted}/"), translator.style).tasks
    assert Path(task.output) == wanted / "a.jpg"


def test_in_python_a_suffix_of_no_format_is_refused(source: Path, translator: Translator) -> None:
    with pytest.raises(
        UsageError, match=r"\.xyz is no suffix of an image format \(end the name in one of \.jpg, \.png"
    ):
        convert_image(source, source.with_name("x.xyz"), translator)
    convert_image(source, source.with_name("x"), translator, AS_IS)
    assert read_still(source.with_name("x").read_bytes()).format is formats.JPEG


def test_a_name_and_a_format_that_differ_are_refused(source: Path, translator: Translator) -> None:
    with pytest.raises(UsageError, match=r"x\.png is PNG by its name, and JPEG was asked for"):
        plan(ConvertRequest((str(source),), str(source.with_name("x.png")), format="jpg"), translator.style)
    with pytest.raises(UsageError, match="PNG by its name"):
        plan(ConvertRequest((str(source),), name="{stem}.png", format="jpg"), translator.style)
    with pytest.raises(UsageError, match=r"end --name in \{ext\}"):
        plan(ConvertRequest((str(source),), name="{stem}.v2", format="png"), translator.style)
    for name in ("x.jpg", "x.JPEG"):
        (task,) = plan(
            ConvertRequest((str(source),), str(source.with_name(name)), format="jpg"), translator.style
        ).tasks
        assert Path(task.output).name == name


def test_a_misnamed_source_gives_a_result_named_rightly(source: Path, translator: Translator) -> None:
    other = source.rename(source.with_name("a.psd"))
    (task,) = plan(ConvertRequest((str(other),), options=AS_IS), translator.style).tasks
    assert Path(task.output).name == "a-tiny.jpg"


def test_what_is_not_read_is_counted_on_a_walk_and_named_by_hand(source: Path, translator: Translator) -> None:
    for name in ("1.psd", "2.psd", "sub/3.PSD", "4.jxl", "notes.txt", "._5.psd"):
        path = source.parent / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"8BPS" + bytes(40))
    found = plan(ConvertRequest((str(source.parent),)), translator.style)
    assert [Path(t.input).name for t in found.tasks] == ["a.jpg"]
    wanted = "3 Photoshop files, 1 JPEG XL file left alone (not read: save it as PNG, TIFF or JPEG first)"
    assert found.notes == (wanted,)
    todo = plan(ConvertRequest((str(source.parent / "1.psd"),)), translator.style)
    (row,) = [e.row for e in convert_all(todo, translator) if isinstance(e, RowFinished)]
    assert row.status == "failed"
    assert row.error == "not read by imgcycle: a Photoshop file (save it as PNG, TIFF or JPEG first)"


def test_what_a_format_cannot_hold_is_said_once(source: Path, translator: Translator) -> None:
    clear = np.dstack([scene(), np.full((40, 56), 128, np.uint8)])
    for name in ("b.png", "c.png"):
        source.with_name(name).write_bytes(encoded(clear, "PNG"))
    frames = [Image.fromarray(scene(seed=n)) for n in range(3)]
    frames[0].save(source.with_name("d.gif"), save_all=True, append_images=frames[1:])
    events = list(convert_all(plan(ConvertRequest((str(source.parent),), format="jpg"), translator.style), translator))
    first = source.with_name("b.png")
    assert [e.text for e in events if isinstance(e, Note)] == [
        f"2 pictures, {first} first: what was transparent is laid on white: JPEG has no transparency",
        f"{source.with_name('d.gif')}: the first of 3 frames was taken: JPEG has no others",
    ]
    rows = {Path(e.row.input).name: e.row for e in events if isinstance(e, RowFinished)}
    assert rows["a.jpg"].notes == ()
    assert len(rows["b.png"].notes) == 1
    # Nothing is lost where nothing is transparent.
    opaque = np.dstack([scene(), np.full((40, 56), 255, np.uint8)])
    source.with_name("e.png").write_bytes(encoded(opaque, "PNG"))
    assert convert_image(source.with_name("e.png"), source.with_name("e.jpg"), translator).notes == ()


class Stdin(io.TextIOWrapper):
    """Bytes for a command that reads stdin."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))


def test_streams_keep_to_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    style = str(save_style(tmp_path / "tiny.safetensors", work_size=32))
    clear = encoded(np.dstack([scene(), np.full((40, 56), 128, np.uint8)]), "PNG")

    def convert(*words: str) -> int:
        monkeypatch.setattr(sys, "stdin", Stdin(clear))
        return run(["convert", "-", "--to", style, *words])

    for words in (["-o", "x.heic"], ["-o", "x.xyz"], ["-o", "x.png", "-f", "jpg"]):
        assert convert(*words) == 2
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("x")]
    for name, format_ in (("x.bmp", formats.BMP), ("x.gif", formats.GIF), ("x.tif", formats.TIFF)):
        assert convert("-o", name) == 0
        assert read_still((tmp_path / name).read_bytes()).format is format_
    capsys.readouterr()
    assert convert("-o", "x.jpg") == 0
    assert capsys.readouterr().err == "what was transparent is laid on white: JPEG has no transparency\n"

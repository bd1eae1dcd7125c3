"""What TensorBoard is given: read back by TensorBoard where it is installed, and what is asked of its writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.errors import MissingExtra, OutputError
from imgcycle.training import events
from imgcycle.training.listeners import tensorboard
from imgcycle.training.listeners.tensorboard import TensorBoardLog

STARTED = events.Started(Path("run"), 4, 8, 8, 8, 8, "cpu", "fp32", 1, True)


class Writer:
    """Notes what it is told; in place of torch's SummaryWriter and of its module."""

    told: list[tuple[Any, ...]]

    def SummaryWriter(self, folder: str, purge_step: int) -> Writer:
        self.told = [("open", Path(folder).name, purge_step)]
        return self

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.told.append((name, value, step))

    def add_image(self, name: str, pixels: np.ndarray[Any, Any], step: int, dataformats: str) -> None:
        self.told.append((name, pixels.shape, step, dataformats))

    def add_text(self, name: str, text: str, step: int) -> None:
        self.told.append((name, text, step))

    def flush(self) -> None: ...

    def close(self) -> None:
        self.told.append(("closed",))


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> Writer:
    made = Writer()
    monkeypatch.setattr(tensorboard, "_library", lambda: made)
    return made


def test_figures_and_pictures_go_down_under_names_that_group(writer: Writer, tmp_path: Path) -> None:
    Image.new("RGB", (30, 20)).save(tmp_path / "step-6.png")
    with TensorBoardLog(tmp_path / "board") as log:
        log(events.Noted("before the start"))
        log(STARTED)
        log(events.Progress(6, 8, 1, {"gan_A2B": 0.5}, 1e-4, 2.0, 1.0, 0.25))
        log(events.Sampled(6, tmp_path / "step-6.png"))
        log(events.Validated(6, {"A2B": 3.0}, {"A2B": 3.0}, {"unconverted": {"A2B": 9.0}}))
        log(events.Diagnosed(6, "a finding", "an advice"))
        log(events.Finished(8, 8, 1.0, interrupted=False))
    assert writer.told == [
        ("open", "board", 5),
        ("loss/gan_A2B", 0.5, 6),
        ("learning rate", 1e-4, 6),
        ("steps a second", 2.0, 6),
        ("waiting for data", 0.25, 6),
        ("samples", (20, 30, 3), 6, "HWC"),
        ("KID x 1000/A2B", 3.0, 6),
        ("KID x 1000/A2B, unconverted", 9.0, 6),
        ("diagnosis", "a finding: an advice", 6),
        ("closed",),
    ]


def test_a_disk_that_refuses_is_one_line(writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> Writer:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(writer, "SummaryWriter", refused)
    with pytest.raises(OutputError, match="Permission denied"):
        TensorBoardLog(tmp_path)(STARTED)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: str) -> None:
        raise ImportError

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(MissingExtra, match="tensorboard"):
        TensorBoardLog(tmp_path)


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    reading = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    Image.new("RGB", (30, 20)).save(tmp_path / "step-6.png")
    with TensorBoardLog(tmp_path / "board") as log:
        log(STARTED)
        log(events.Progress(6, 8, 1, {"gan_A2B": 0.5}, 1e-4, 2.0, 1.0, 0.25))
        log(events.Sampled(6, tmp_path / "step-6.png"))
    found = reading.EventAccumulator(str(tmp_path / "board"))
    found.Reload()
    assert [(e.step, e.value) for e in found.Scalars("loss/gan_A2B")] == [(6, 0.5)]
    assert [(e.step, e.width, e.height) for e in found.Images("samples")] == [(6, 30, 20)]

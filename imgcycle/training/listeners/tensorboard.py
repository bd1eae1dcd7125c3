"""Losses, rates, figures and samples of a run for TensorBoard, in files beside it (extra `tensorboard`)."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from imgcycle.errors import MissingExtra, OutputError, from_system
from imgcycle.training.events import Diagnosed, Event, Progress, Sampled, Started, Validated


class TensorBoardLog:
    """A listener that writes event files to a folder, and a context manager that closes them.

    Events that a resumed run had written after the step it continues from are marked as undone. MissingExtra without
    the package, OutputError if the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._library = _library()
        self._writer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def __call__(self, event: Event) -> None:
        """Write the figures and images of an event."""
        try:
            self._write(event)
        except OSError as error:
            raise from_system(OutputError, error, f"{self.folder} cannot be written") from error

    def _write(self, event: Event) -> None:
        if self._writer is None:
            if not isinstance(event, Started):
                return
            # Events after this step are purged: the run may continue from an earlier state.
            self._writer = self._library.SummaryWriter(str(self.folder), purge_step=event.step + 1)
        write, step = self._writer, getattr(event, "step", 0)
        match event:
            case Progress():
                for name, value in event.losses.items():
                    write.add_scalar(f"loss/{name}", value, step)
                write.add_scalar("learning rate", event.lr, step)
                write.add_scalar("steps a second", event.rate, step)
                write.add_scalar("waiting for data", event.waiting, step)
            case Validated():
                for name, value in event.kid.items():
                    write.add_scalar(f"KID x 1000/{name}", value, step)
                    for said, figures in event.references.items():
                        if name in figures:
                            write.add_scalar(f"KID x 1000/{name}, {said}", figures[name], step)
            case Sampled():
                with Image.open(event.path) as image:
                    write.add_image("samples", np.asarray(image.convert("RGB")), step, dataformats="HWC")
                write.flush()
            case Diagnosed():
                write.add_text("diagnosis", f"{event.finding}: {event.advice}", step)


def _library() -> Any:
    try:
        return importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise MissingExtra("tensorboard", "writing files for TensorBoard") from error

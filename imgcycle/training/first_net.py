"""The first net of a style at full size: its results are the training images of the second net."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from imgcycle.config import TrainConfig
from imgcycle.data.folders import Pixels
from imgcycle.engine import resample
from imgcycle.engine.strokes import with_blurred_change
from imgcycle.engine.style import WORK_SIZE, work_shape
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError, WeightsError
from imgcycle.media.image.reduction import reduced
from imgcycle.weights.description import digest
from imgcycle.weights.find import find_style, repair_hint
from imgcycle.weights.native import load_generator
from imgcycle.weights.usage import usage_of

_TOLD = ("data", "steps", "command")
"""What a file's card tells of a first net."""


class FirstNet:
    """The net of `--strokes-of`, which prepares domain A and is exported beside the trained net.

    UsageError for a style that is another program's file, or has no stages; UnknownStyle and WeightsError as for any
    style.
    """

    def __init__(self, config: TrainConfig, device: torch.device, dtype: torch.dtype) -> None:
        found = find_style(str(config.strokes_of))
        if found.is_foreign:
            raise UsageError(
                f"{config.strokes_of} is another program's file", "make it ours first: imgcycle models import"
            )
        self.digest = digest(found.path)
        if found.digest and found.digest != self.digest:
            raise WeightsError(f"{found.path} is not the file its index describes", repair_hint(found))
        self.net, self.about = load_generator(found.path)
        usage = usage_of(found, self.about.card, self.digest)
        self.work_size = usage.work_size or WORK_SIZE
        self.label, self.detail, self.calm = found.label, config.strokes_detail, config.strokes_calm
        self._own_detail = usage.detail
        self.luma = config.strokes_luma or config.net.luma
        self._translator = Translator(self.net, device, dtype)

    def __call__(self, pixels: Pixels) -> Pixels:
        """Input of the second net for a photograph (H, W, 3), uint8: x of engine/strokes.py."""
        shape = work_shape(pixels.shape[0], pixels.shape[1], self.work_size)
        small = resample.to_float01(reduced(pixels, shape))
        result = resample.from_tensor(self._translator(resample.to_tensor(small)))
        result = with_blurred_change(small, result, self.calm)
        return np.asarray(resample.restored(pixels, small, result, self.detail, 1.0), np.uint8)

    def card(self) -> dict[str, Any]:
        """Card of the two nets: about the first one, and how the second is used."""
        used: dict[str, Any] = {"work_size": self.work_size, "strokes": self.strokes}
        if self._own_detail is not None:
            used |= {"detail": self._own_detail}
        told: dict[str, Any] = {key: self.about.card[key] for key in _TOLD if key in self.about.card}
        # The card of a file that holds two nets is about the second; what it tells of the first goes on.
        before = self.about.card.get("first_net")
        told = before if isinstance(before, dict) else {"style": self.label, "sha256": self.digest, **told}
        return {**used, "first_net": told}

    @property
    def strokes(self) -> dict[str, Any]:
        """How strokes are laid, as a card says it."""
        said = {"share": 1.0, "detail": self.detail, "calm": self.calm}
        return said | ({"luma": True} if self.luma else {})

    def with_strokes(self, net: nn.Module, config: dict[str, Any]) -> dict[str, Any]:
        """Arguments of `save_weights` for a file of both nets."""
        return {"net": self.net, "config": self.about.config, "strokes": (net, config)}

"""The benchmark of flicker turns off what it says, by a name that must be there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.translator import Translator
from tests.benchmarks.flicker import Soft
from tests.media.pictures import scene
from tests.styles import tiny_net


class Contrast(Translator):
    """Doubles what is there, noise included."""

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        del at
        return (2 * x).clamp(-1, 1)


def test_calm_without_raised_detail_is_softer() -> None:
    translator = Contrast(tiny_net(), torch.device("cpu"))
    random = np.random.default_rng(0)
    still = scene(96, 128).astype(np.float32) / 255
    noisy = [np.clip(still + random.normal(0, 0.02, still.shape), 0, 1).astype(np.float32) for _ in range(4)]
    soft, usual = Soft(translator), TemporalSmoother(translator)
    last = [[kind.step(frame) for frame in noisy][-1] for kind in (soft, usual)]
    sharp = [float(np.abs(np.diff(frame, axis=1)).mean()) for frame in last]
    assert sharp[0] < sharp[1]

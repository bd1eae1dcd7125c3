"""Pictures and frames through a GPU, on the stand-in: up once, down once, and nothing asked for in between."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.translator import Translator
from tests.engine.tensors import TensorSink, TensorSource
from tests.stand_in_gpu import GPU, StandInGpu, gpu
from tests.styles import TINY, tiny_net

__all__ = ["gpu"]

NETS = {
    "compact": TINY,
    "resnet": NetConfig("resnet", 4, 1),
    "layer norms": NetConfig("unit", 4, 1),
    "batch norms": NetConfig("unet", 4, 5, "batch"),
}


def picture(side: int = 64) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.rand(1, 3, side, side + 8) * 2 - 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("name", NETS)
def test_a_picture_is_waited_for_once(gpu: StandInGpu, name: str, dtype: torch.dtype) -> None:
    net = tiny_net(NETS[name])
    translator = Translator(net, GPU, dtype)
    translator(picture())
    gpu.waits.clear()
    gpu.uploads = 0
    found = translator(picture())
    assert gpu.uploads == 1
    assert len(gpu.waits) == 1, "for the result"
    wanted = Translator(net, torch.device("cpu"))(picture())
    assert (found - wanted).abs().max() < (1e-5 if dtype == torch.float32 else 0.1)


def test_strips_wait_for_what_they_hand_on(gpu: StandInGpu) -> None:
    net = tiny_net()
    translator = Translator(net, GPU)
    translator(picture())
    plan = translator.plan(64, 72, translator.least_memory(64, 72), mode="strips")
    gpu.waits.clear()
    sink = TensorSink(3, 64, 72)
    translator.translate_rows(TensorSource(picture()), sink, plan)
    kept = [line for line in gpu.waits if "spill.py" in line]
    written = [line for line in gpu.waits if "_write" in line or "rows.to(" in line]
    assert kept
    assert written
    assert len(kept) + len(written) == len(gpu.waits), gpu.waits
    wanted = Translator(net, torch.device("cpu"))(picture())
    assert (sink.x - wanted).abs().max() < 1e-4


def test_a_frame_is_waited_for_once(gpu: StandInGpu) -> None:
    frames = [np.random.default_rng(n).uniform(0, 1, (48, 64, 3)).astype(np.float32) for n in range(3)]
    smoother = TemporalSmoother(Translator(tiny_net(), GPU), "light")
    smoother.step(frames[0])
    gpu.waits.clear()
    for frame in frames[1:]:
        smoother.step(frame)
    assert len(gpu.waits) == 2, "for each frame's result"

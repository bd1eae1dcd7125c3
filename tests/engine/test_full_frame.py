from __future__ import annotations

import copy

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.engine.full_frame import run_whole
from imgcycle.engine.translator import Translator
from imgcycle.nets.stages import Activation, Add, Conv, Norm, Save, Stage, run_stages
from tests.engine.strips.test_run import NETS, chain_of, picture, ready
from tests.engine.tensors import TensorSink, TensorSource
from tests.styles import tiny_net

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", NETS)
def test_a_whole_picture_is_what_the_net_gives_in_float64(name: str) -> None:
    """Also with channels innermost, where torch's own norms lose three digits."""
    net, x = ready(name), picture(96, 64)
    with torch.no_grad():
        truth = copy.deepcopy(net).double()(x.double())
        found = run_whole(chain_of(net), x.contiguous(memory_format=torch.channels_last))
    assert (found - truth).abs().max() < 5e-5


def test_pictures_of_a_batch_do_not_meet() -> None:
    net, x = ready("unit"), torch.cat([picture(32, 32, n) * (n + 1) for n in range(3)])
    with torch.no_grad():
        found = run_whole(chain_of(net), x)
        assert torch.allclose(found[1:2], run_whole(chain_of(net), x[1:2]), atol=1e-5)


def test_what_is_saved_is_not_overwritten() -> None:
    weight = torch.randn(3, 3, 3, 3)
    chain: list[Stage] = [
        Save("first"), Activation(), Conv(weight, None, pad=1), Save("second"), Activation(), Norm(), Activation(0.2),
        Add("second"), Activation(), Add("input"), Add("first"),
    ]  # fmt: skip
    x = picture(16, 12)
    before = x.clone()
    with torch.no_grad():
        assert torch.allclose(run_whole(chain, x), run_stages(chain, x)[0], atol=1e-5)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "config", [NetConfig("compact", 4, 2, "affine"), NetConfig("unet", 4, 5)], ids=lambda c: c.kind
)
def test_a_translator_takes_rows_as_it_takes_tensors(config: NetConfig, dtype: torch.dtype) -> None:
    translator, x = Translator(tiny_net(config), CPU, dtype), picture(45, 34)
    for mode in ("whole", "strips"):
        if mode == "strips" and config.kind == "unet":
            continue
        plan = translator.plan(45, 34, 2**30, mode=mode)
        assert plan.mode == mode
        sink = TensorSink(3, 45, 34)
        translator.translate_rows(TensorSource(x), sink, plan)
        assert (sink.x - translator(x)).abs().mean() < (1e-6 if dtype == torch.float32 else 0.01)


def test_whole_turns_to_strips_when_the_device_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    translator, x = Translator(tiny_net(), CPU), picture(40, 40)
    wanted = translator(x)

    def full(self: Translator, x: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Translator, "whole", full)
    sink = TensorSink(3, 40, 40)
    translator.translate_rows(TensorSource(x), sink, translator.plan(40, 40, 2**30))
    assert torch.allclose(sink.x, wanted, atol=1e-5)
    unet = Translator(tiny_net(NetConfig("unet", 4, 5)), CPU)
    with pytest.raises(torch.OutOfMemoryError):
        unet.translate_rows(TensorSource(x), sink, unet.plan(40, 40, 2**30))

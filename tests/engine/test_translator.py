from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.config import NetConfig
from imgcycle.engine.padding import pad_to, padded_size
from imgcycle.engine.translator import Translator
from tests.styles import tiny_net

CPU = torch.device("cpu")
NETS = [NetConfig("compact", 4, 1, "affine"), NetConfig("resnet", 4, 2), NetConfig("unet", 4, 5, "batch")]


@pytest.mark.parametrize("config", NETS, ids=lambda c: c.kind)
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 3), (33, 30), (64, 32)])
def test_any_size_comes_back_at_its_size(config: NetConfig, size: tuple[int, int]) -> None:
    translator = Translator(tiny_net(config), CPU)
    x = torch.rand(1, 3, *size) * 2 - 1
    y = translator(x)
    assert y.shape == x.shape
    assert y.dtype == torch.float32
    assert bool(y.isfinite().all())


def test_a_fitting_size_goes_through_the_net_unchanged() -> None:
    net = tiny_net()
    x = torch.rand(2, 3, 32, 48) * 2 - 1
    with torch.no_grad():
        wanted = net(x)
    assert torch.allclose(Translator(net, CPU)(x), wanted, atol=1e-5)


@pytest.mark.parametrize("config", NETS, ids=lambda c: c.kind)
def test_bf16_is_near_fp32_and_has_more_than_8_bits(config: NetConfig) -> None:
    net = tiny_net(config)
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    exact, fast = Translator(net, CPU)(x), Translator(net, CPU, torch.bfloat16)
    found = fast(x)
    assert (exact - found).abs().mean() < 0.02
    assert torch.equal(found.bfloat16().float(), found) is False
    assert torch.equal(fast.exact()(x), exact)
    assert next(net.parameters()).dtype == torch.float32


@given(st.integers(1, 20), st.integers(1, 20), st.sampled_from([4, 32]))
def test_padding_reflects_then_repeats(height: int, width: int, stride: int) -> None:
    x = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    tall, wide = padded_size(height, width, stride, 8)
    y = pad_to(x, tall, wide)[0, 0].numpy()
    rows = [min(n, max(0, 2 * (height - 1) - n)) if n < 2 * height - 1 else 0 for n in range(tall)]
    columns = [min(n, max(0, 2 * (width - 1) - n)) if n < 2 * width - 1 else 0 for n in range(wide)]
    assert np.array_equal(y, x[0, 0].numpy()[np.ix_(rows, columns)])
    assert tall % stride == 0
    assert tall >= 8

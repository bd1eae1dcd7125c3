from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.config import NetConfig
from imgcycle.engine.full_frame import run_whole
from imgcycle.engine.fused import FusedUpsampleConv, SubpixelConv, fused
from imgcycle.engine.strips.rows import computed, shape_after
from imgcycle.engine.translator import Translator
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import INPUT, Activation, Conv, Head, Stage, Upsample, run_stages
from tests.engine.tensors import TensorSink, TensorSource


def chain(inputs: int, middle: int, outputs: int, *, bias: bool = True, tail: int = 5) -> list[Stage]:
    def conv(c: int, k: int, side: int) -> Conv:
        return Conv(torch.randn(k, c, side, side), torch.randn(k) if bias else None, pad=side // 2, mode="reflect")

    return [Upsample(), conv(inputs, middle, 3), Activation(), conv(middle, outputs, tail)]


@settings(max_examples=40)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(1, 4), st.integers(1, 5), st.booleans(), st.integers(1, 2))
def test_fused_is_what_it_stands_for(h: int, w: int, inputs: int, middle: int, bias: bool, batch: int) -> None:
    torch.manual_seed(h * 100 + w)
    stages = chain(inputs, middle, 3, bias=bias)
    x = torch.randn(batch, inputs, h, w).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        wanted, _ = run_stages(stages, x)
        ready = fused(stages)
        assert [type(s) for s in ready] == [FusedUpsampleConv, Activation, SubpixelConv]
        found = run_whole(ready, x)
    assert found.shape == wanted.shape == (batch, 3, 2 * h, 2 * w)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-4)  # sums of up to hundred terms, of values up to 50


def test_with_many_outputs_phases_are_joined_at_once() -> None:
    torch.manual_seed(0)
    stages = chain(3, 8, 5)
    ready = fused(stages)
    assert [type(s) for s in ready] == [FusedUpsampleConv, Activation, Conv]
    x = torch.randn(1, 3, 6, 7)
    with torch.inference_mode():
        torch.testing.assert_close(run_whole(ready, x), run_stages(stages, x)[0], rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("kind", ["nearest", "kernel", "zero", "alone"])
def test_what_is_otherwise_stays_as_it_is(kind: str) -> None:
    stages = chain(2, 3, 2)
    first = stages[1]
    assert isinstance(first, Conv)
    if kind == "nearest":
        stages[0] = Upsample("nearest")
    if kind == "kernel":
        stages[1] = Conv(torch.randn(3, 2, 5, 5), None, pad=2, mode="reflect")
    if kind == "zero":
        stages[1] = Conv(first.weight, first.bias, pad=1, mode="zero")
    if kind == "alone":
        stages = stages[:1]
    assert fused(stages) == stages


def test_the_compact_net_is_fused_and_gives_the_same() -> None:
    torch.manual_seed(0)
    net = build_generator(NetConfig.named("compact")).eval()
    net.initialise()
    stages = net.stages()
    assert stages is not None
    ready = fused(stages)
    assert sum(isinstance(s, FusedUpsampleConv) for s in ready) == 2
    assert isinstance(ready[-2], SubpixelConv)
    assert isinstance(ready[-1], Head)
    x = torch.rand(1, 3, 64, 48) * 2 - 1
    with torch.inference_mode():
        apart = (run_whole(ready, x) - run_whole(stages, x)).abs().max()
    assert float(apart) < 2e-6
    assert INPUT not in {getattr(s, "slot", None) for s in ready}


def pieces(planes: torch.Tensor, lo: int, hi: int) -> list[torch.Tensor]:
    return [planes[:, :, lo:hi]]


@settings(max_examples=60)
@given(st.integers(2, 12), st.integers(2, 6), st.booleans(), st.data())
def test_rows_are_those_of_the_whole(h: int, w: int, many: bool, data: st.DataObject) -> None:
    torch.manual_seed(h * 10 + w)
    ready = fused(chain(3, 4, 5 if many else 2))
    with torch.inference_mode():
        x = torch.randn(1, 3, h, w)
        for stage in (s for s in ready if isinstance(s, FusedUpsampleConv | SubpixelConv)):
            planes = x
            whole = stage(planes)
            height = whole.shape[2]
            assert shape_after(stage, *planes.shape[1:]) == tuple(whole.shape[1:])
            lo = data.draw(st.integers(0, height - 1))
            hi = data.draw(st.integers(lo + 1, height))
            found = computed(stage, partial(pieces, planes), planes.shape[2], (lo, hi))
            # Other sizes may be summed in another order: what is small may be off by a rounding of what is large.
            slack = 1e-6 * float(whole.abs().max())
            torch.testing.assert_close(found, whole[:, :, lo:hi], rtol=1e-5, atol=slack)
            x = whole


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_strips_of_a_fused_net_are_the_whole(rows: int) -> None:
    torch.manual_seed(1)
    net = build_generator(NetConfig("compact", 4, 2, "affine")).eval()
    net.initialise()
    translator = Translator(net, torch.device("cpu"))
    x = torch.rand(1, 3, 45, 38) * 2 - 1
    plan = translator.plan(45, 38, 2**40, mode="strips")
    plan = replace(plan, rows=tuple(min(rows, n) for n in plan.rows))
    sink = TensorSink(3, 45, 38)
    translator.translate_rows(TensorSource(x), sink, plan)
    torch.testing.assert_close(sink.x, translator(x), rtol=0, atol=5e-6)
    assert 0 < plan.multiply_adds / plan.whole_multiply_adds - 1 < 0.6

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.config import NetConfig
from imgcycle.engine.strips.statistics import NormStatistics, affine_of
from imgcycle.nets.stages import Activation, Conv, ConvTranspose, Norm, run_stages, step
from tests.engine.frozen import folded, frozen, measured
from tests.styles import tiny_net


def planes(seed: int, channels: int, height: int, width: int) -> torch.Tensor:
    """Planes whose channels differ widely in mean and spread, as those of a net do."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, channels, height, width, generator=generator)
    spread, mean = torch.rand(2, 1, channels, 1, 1, generator=generator)
    found: torch.Tensor = x * spread + 20 * mean
    return found


@settings(max_examples=60)
@given(st.integers(0, 999), st.integers(1, 5), st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 40))
def test_strips_in_any_split_have_the_moments_of_the_whole(
    seed: int, channels: int, heights: list[int], width: int
) -> None:
    x = planes(seed, channels, sum(heights), width)
    found = NormStatistics.empty(channels)
    for strip in torch.split(x, heights, 2):
        found = found.merged(NormStatistics.of(strip))
    wide = x.double()
    assert found.count == x[0, 0].numel()
    assert torch.allclose(found.mean, wide.mean((0, 2, 3)), rtol=1e-6, atol=1e-6)
    m2 = (wide - wide.mean((0, 2, 3), keepdim=True)).square().sum((0, 2, 3))
    assert torch.allclose(found.m2, m2, rtol=1e-5, atol=1e-9)


def test_the_variance_between_strips_is_not_left_out() -> None:
    """Two flat strips have no variance of their own, and all of it together."""
    x = torch.cat([torch.zeros(1, 1, 4, 4), torch.full((1, 1, 4, 4), 2.0)], 2)
    found = NormStatistics.of(x[:, :, :4]).merged(NormStatistics.of(x[:, :, 4:]))
    assert float(found.mean) == 1
    assert float(found.m2) == 32


def test_a_large_plane_with_a_large_mean_loses_nothing() -> None:
    x = torch.randn(1, 2, 900, 800, generator=torch.Generator().manual_seed(0)) * 0.01 + 3
    found, wide = NormStatistics.of(x), x.double()
    assert torch.allclose(found.mean, wide.mean((0, 2, 3)), rtol=1e-7)
    assert torch.allclose(found.m2 / found.count, wide.var((0, 2, 3), correction=0), rtol=1e-5)


@settings(max_examples=60)
@given(
    st.integers(0, 999),
    st.sampled_from([torch.bfloat16, torch.float16]),
    st.lists(st.integers(1, 9), min_size=1, max_size=8),
    st.integers(1, 150),
)
def test_strips_of_16_bits_have_the_scale_of_the_whole_to_the_bit(
    seed: int, dtype: torch.dtype, heights: list[int], width: int
) -> None:
    x = planes(seed, 3, sum(heights), width).to(dtype).contiguous(memory_format=torch.channels_last)
    found = NormStatistics.empty(3)
    for strip in torch.split(x, heights, 2):
        found = found.merged(NormStatistics.of(strip))
    whole, wide = NormStatistics.of(x), x.double()
    assert torch.allclose(found.mean, whole.mean, rtol=1e-13, atol=1e-13)
    assert torch.allclose(found.m2, whole.m2, rtol=1e-12, atol=1e-12)
    assert torch.allclose(whole.mean, wide.mean((0, 2, 3)), rtol=1e-6, atol=1e-6)
    m2 = (wide - wide.mean((0, 2, 3), keepdim=True)).square().sum((0, 2, 3))
    assert torch.allclose(whole.m2, m2, rtol=1e-5, atol=1e-9)


def test_statistics_of_16_bits_do_not_depend_on_the_number_of_threads() -> None:
    before = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2, 5):
            torch.set_num_threads(count)
            shapes = ((64, 90, 210), (7, 3, 33), (16, 2, 40_000))
            found.append([NormStatistics.of(planes(1, *shape).bfloat16()) for shape in shapes])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for one, other in zip(found[0], others, strict=True):
            assert torch.equal(one.mean, other.mean)
            assert torch.equal(one.m2, other.m2)


def test_a_flat_plane_of_16_bits_is_flat() -> None:
    x = torch.full((1, 1, 70, 90), 0.3).bfloat16()
    assert NormStatistics.of(x).m2 == 0
    assert torch.equal(NormStatistics.of(x).mean, x[0, :, 0, 0].double())


@pytest.mark.parametrize("kind", ["instance", "layer", "unbiased"])
@pytest.mark.parametrize("affine", [False, True])
def test_the_affine_map_is_the_norm(kind: str, affine: bool) -> None:
    x = planes(3, 4, 7, 9)
    weight, bias = (torch.rand(4) + 0.5, torch.randn(4)) if affine else (None, None)
    norm = Norm("instance" if kind == "instance" else "layer", weight, bias, unbiased=kind == "unbiased")
    wide = (
        replace(norm, weight=weight.double(), bias=bias.double()) if weight is not None and bias is not None else norm
    )
    wanted = step(wide, x.double(), {}) if kind != "unbiased" else step(norm, x, {}).double()
    found = affine_of(norm, NormStatistics.of(x)).to(x.device, x.dtype)(x)
    assert found.dtype == torch.float32
    assert torch.allclose(found.double(), wanted, atol=3e-5)


def test_sixteen_bits_are_widened_multiplied_and_rounded_once() -> None:
    x = planes(1, 3, 6, 5).bfloat16()
    affine = affine_of(Norm(), NormStatistics.of(x)).to(x.device, x.dtype)
    wanted = x.float() * affine.scale.view(1, -1, 1, 1) + affine.shift.view(1, -1, 1, 1)
    assert torch.equal(affine(x), wanted.bfloat16())


def test_a_flat_plane_comes_out_as_the_offset() -> None:
    x = torch.full((1, 1, 8, 8), 0.1) * (1 + 1e-7 * torch.rand(1, 1, 8, 8))
    affine = affine_of(Norm("instance", torch.tensor([5.0]), torch.tensor([0.25])), NormStatistics.of(x))
    assert (affine.to(x.device, x.dtype)(x) == 0.25).all()


def test_a_batch_norm_is_no_matter_of_one_picture() -> None:
    with pytest.raises(ValueError, match="batch norm"):
        affine_of(Norm("batch"), NormStatistics.empty(2))


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_a_norm_folds_into_the_convolution_before_it(transposed: bool, bias: bool) -> None:
    x = torch.randn(1, 3, 8, 8)
    offset = torch.randn(5) if bias else None
    conv: Conv | ConvTranspose
    if transposed:
        conv = ConvTranspose(torch.randn(3, 5, 3, 3), offset)
    else:
        conv = Conv(torch.randn(5, 3, 3, 3), offset, pad=1, mode="reflect")
    raw = step(conv, x, {})
    affine = affine_of(Norm("instance", torch.rand(5), torch.randn(5)), NormStatistics.of(raw))
    found = step(folded(conv, affine), x, {})
    assert torch.allclose(found, affine.to(x.device, x.dtype)(raw), atol=1e-5)


@pytest.mark.parametrize(
    "config", [NetConfig("compact", 4, 2, "affine"), NetConfig("unit", 4, 1)], ids=lambda c: c.kind
)
def test_frozen_moments_make_a_net_without_norms(config: NetConfig) -> None:
    chain = tiny_net(config).stages()
    assert chain is not None
    x = torch.rand(1, 3, 32, 24) * 2 - 1
    with torch.no_grad():
        moments = measured(chain, x)
        still = frozen(chain, moments)
        assert not any(isinstance(stage, Norm) for stage in still)
        assert torch.allclose(run_stages(still, x)[0], run_stages(chain, x)[0], atol=1e-4)
        # Frozen means frozen: a darker frame comes out darker, not normalised back.
        assert (run_stages(still, x * 0.5)[0] - run_stages(chain, x * 0.5)[0]).abs().max() > 1e-4


def test_what_cannot_be_frozen_says_so() -> None:
    with pytest.raises(ValueError, match="1 moments for 0"):
        frozen([Activation()], [NormStatistics.empty(1)])
    with pytest.raises(ValueError, match="no convolution"):
        frozen([Activation(), Norm()], [NormStatistics.of(F.relu(torch.randn(1, 2, 3, 3)))])

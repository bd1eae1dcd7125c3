"""The stages themselves, against references written another way."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imgcycle.nets.stages import (
    Activation,
    Add,
    Conv,
    Head,
    Norm,
    Save,
    Stage,
    blur,
    multiply_adds,
    run_stages,
    step,
    upsample,
)


def test_instance_norm_is_the_textbook_one_with_biased_variance() -> None:
    x = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    weight, bias = torch.tensor([1.0, 2.0, 3.0]).double(), torch.tensor([0.5, 0.0, -1.0]).double()
    mean, variance = x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, unbiased=False)
    expected = (x - mean) / (variance + 1e-5).sqrt() * weight.view(1, 3, 1, 1) + bias.view(1, 3, 1, 1)
    assert torch.allclose(step(Norm("instance", weight, bias), x, {}), expected, atol=1e-12)


def test_blur_keeps_flat_planes_and_halves_the_grid() -> None:
    assert torch.allclose(
        blur(torch.full((1, 2, 8, 6), 3.0), (1, 3, 3, 1), 2, "reflect"), torch.full((1, 2, 4, 3), 3.0)
    )
    x = torch.randn(1, 1, 9, 9)
    line = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = torch.outer(line, line)[None, None]
    expected = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel)[:, :, ::2, ::2]
    assert torch.allclose(blur(x, (1, 2, 1), 2, "reflect"), expected, atol=1e-6)


def test_upsampling_doubles_with_half_pixel_centres() -> None:
    row = torch.tensor([[[[0.0, 4.0]]]])
    assert upsample(row, "linear").tolist() == [[[[0.0, 1.0, 3.0, 4.0]] * 2]]
    assert upsample(row, "nearest").tolist() == [[[[0.0, 0.0, 4.0, 4.0]] * 2]]


def test_saves_and_adds_use_slots_and_the_input_is_one() -> None:
    x = torch.randn(1, 1, 4, 4)
    weight = torch.full((1, 1, 1, 1), -2.0)
    chain: list[Stage] = [Save("kept"), Conv(weight, None), Activation(0.1), Add("kept"), Add("input")]
    expected = F.leaky_relu(-2 * x, 0.1) + 2 * x
    assert torch.allclose(run_stages(chain, x)[0], expected)


def test_one_sided_padding_and_groups_are_torch_s_own() -> None:
    x, weight, bias = torch.randn(2, 4, 7, 6), torch.randn(8, 1, 3, 3), torch.randn(8)
    wanted = F.conv2d(F.pad(x, (0, 1, 0, 1), "reflect"), weight, bias, 2, groups=4)
    assert torch.equal(step(Conv(weight, bias, 2, 0, "reflect", 1, 4), x, {}), wanted)
    wanted = F.conv2d(F.pad(x, (2, 0, 2, 0)), weight, bias, groups=4)
    assert torch.equal(step(Conv(weight, bias, 1, 2, "zero", 0, 4), x, {}), wanted)
    assert multiply_adds([Conv(weight, bias, 2, 0, "reflect", 1, 4)], 7, 6) == 8 * 9 * 3 * 3


def test_heads_end_in_the_range_of_a_picture() -> None:
    x = torch.tensor([-9.0, -0.5, 0.0, 0.25, 9.0])
    assert step(Head("clamp"), x, {}).tolist() == [-1, -0.5, 0, 0.25, 1]
    levels = (150 * torch.tanh(x)).clamp(0, 255)
    assert torch.allclose(step(Head("scaled"), x, {}), levels / 127.5 - 1, atol=1e-6)
    assert step(Head("clamp"), x.bfloat16(), {}).dtype == torch.float32


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_padding_stays_narrow_under_autocast(mode: str) -> None:
    x = torch.randn(1, 2, 6, 6).bfloat16()
    weight = torch.randn(2, 2, 3, 3)
    with torch.autocast("cpu", torch.bfloat16):
        assert run_stages([Conv(weight, None, pad=1, mode=mode)], x)[0].dtype == torch.bfloat16  # type: ignore[arg-type]

"""The adversarial losses against numbers worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import (
    LAZY,
    discriminator_loss,
    gan_loss,
    gradient_penalty,
    make_discriminator,
    relativistic_loss,
    zero_centred_penalty,
)  # fmt: skip
from imgcycle.methods.base import make_generator
from tests.methods.toys import Brightness, softplus, tiny_config

LOGITS = torch.tensor([[0.5, -1.0]])


class TwoSizes(Brightness):
    """Judges a picture, and then half as strongly."""

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:  # type: ignore[override]
        logits = super().forward(x)
        return [logits, 0.5 * logits]


@pytest.mark.parametrize(
    ("mode", "real", "expected"),
    [
        ("lsgan", True, (0.25 + 4.0) / 2),
        ("lsgan", False, (0.25 + 1.0) / 2),
        ("vanilla", True, (softplus(-0.5) + softplus(1.0)) / 2),
        ("vanilla", False, (softplus(0.5) + softplus(-1.0)) / 2),
        ("wgangp", True, 0.25),
        ("wgangp", False, -0.25),
    ],
)
def test_losses_by_hand(mode: str, real: bool, expected: float) -> None:
    assert float(gan_loss(mode, LOGITS, real)) == pytest.approx(expected, abs=1e-6)  # type: ignore[arg-type]


def test_losses_are_float32_whatever_the_logits_are() -> None:
    assert gan_loss("lsgan", LOGITS.bfloat16(), True).dtype == torch.float32


def test_the_penalty_of_a_linear_discriminator_is_known() -> None:
    """D(x) = g·mean(x) over n values has gradient norm g/√n everywhere."""
    discriminator = Brightness(6.0)
    real, made = torch.randn(2, 3, 2, 2), torch.randn(2, 3, 2, 2)
    penalty = gradient_penalty(discriminator, real, made)
    assert float(penalty.detach()) == pytest.approx((6.0 / math.sqrt(12) - 1) ** 2, rel=1e-5)
    penalty.backward()  # type: ignore[no-untyped-call]
    slope = 2 * (6.0 / math.sqrt(12) - 1) / math.sqrt(12)
    assert discriminator.gain.grad is not None
    assert float(discriminator.gain.grad) == pytest.approx(slope, rel=1e-5)


def test_the_discriminator_loss_halves_both_sides_and_adds_the_penalty_ten_times() -> None:
    discriminator = Brightness(1.0)
    real, made = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.25)
    assert float(discriminator_loss("lsgan", discriminator, real, made, True).detach()) == pytest.approx(
        0.5 * (0.25 + 0.0625)
    )
    plain = 0.5 * (-0.5 - 0.25)
    penalty = (1 / math.sqrt(12) - 1) ** 2
    assert float(discriminator_loss("wgangp", discriminator, real, made, True).detach()) == pytest.approx(
        plain + 10 * penalty
    )


def test_the_relativistic_loss_compares_place_by_place() -> None:
    other = torch.tensor([[0.25, 1.0]])
    by_hand = (softplus(0.25 - 0.5) + softplus(1.0 + 1.0)) / 2
    assert float(relativistic_loss(LOGITS, other)) == pytest.approx(by_hand)
    assert float(relativistic_loss([LOGITS, LOGITS], [other, LOGITS])) == pytest.approx(by_hand + math.log(2))
    assert relativistic_loss(LOGITS.bfloat16(), other.bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("batched", [True, False])
def test_the_relativistic_discriminator_is_penalised_now_and_then_with_as_many_times_the_weight(batched: bool) -> None:
    """D(x) = g·mean(x) over n values has a squared gradient of g²/n everywhere; two maps add up."""
    discriminator = TwoSizes(3.0)
    real, made = torch.full((2, 3, 2, 2), 0.5), torch.full((2, 3, 2, 2), -0.25)
    slope = (3.0 + 1.5) ** 2 / 12
    assert float(zero_centred_penalty(discriminator, real).detach()) == pytest.approx(slope, rel=1e-5)
    plain = 0.5 * (softplus(-0.75 * 3) + softplus(-0.75 * 1.5))
    penalised = plain + 0.5 * LAZY * 2 * slope
    torch.manual_seed(0)
    drawn = [discriminator_loss("relativistic", discriminator, real, made, batched).detach() for _ in range(64)]
    often = [float(loss) == pytest.approx(penalised, rel=1e-4) for loss in drawn]
    assert all(
        float(loss) == pytest.approx(plain, rel=1e-4) for loss, dear in zip(drawn, often, strict=True) if not dear
    )
    assert 0 < sum(often) < 16


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_penalties_are_found_in_bf16_where_a_step_is_and_never_in_fp16(precision: torch.dtype) -> None:
    torch.manual_seed(0)
    discriminator = make_discriminator(tiny_config(), "xavier")
    pictures = torch.rand(2, 3, 32, 32) * 2 - 1
    exact = zero_centred_penalty(discriminator, pictures).detach()
    with torch.autocast("cpu", precision):
        found = zero_centred_penalty(discriminator, pictures)
    assert found.dtype == torch.float32
    assert torch.equal(found.detach(), exact) == (precision is torch.float16)
    assert float(found.detach()) == pytest.approx(float(exact), rel=0.05)
    found.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in discriminator.parameters() if p.dim() > 1)


def test_one_batch_or_two_give_the_same_loss() -> None:
    torch.manual_seed(0)
    discriminator = make_discriminator(tiny_config(), "normal")
    real, made = torch.randn(1, 3, 32, 32), torch.randn(1, 3, 32, 32)
    together, apart = (discriminator_loss("lsgan", discriminator, real, made, batched) for batched in (True, False))
    assert torch.allclose(together, apart, atol=1e-6)


def test_a_crop_too_small_for_the_discriminator_is_refused() -> None:
    with pytest.raises(UsageError, match="too small for this discriminator"):
        make_discriminator(tiny_config(discriminator=DiscriminatorConfig("nlayers", 4, 4)), "normal")


@pytest.mark.parametrize("batched", [True, False])
def test_the_losses_of_several_sizes_add_up(batched: bool) -> None:
    discriminator = TwoSizes(1.0)
    real, made = torch.full((1, 3, 2, 2), 0.5), torch.full((1, 3, 2, 2), -0.25)
    assert float(gan_loss("lsgan", discriminator(real), True).detach()) == pytest.approx(0.5**2 + 0.75**2)
    by_hand = 0.5 * (0.5**2 + 0.75**2 + 0.25**2 + 0.125**2)
    assert float(discriminator_loss("lsgan", discriminator, real, made, batched).detach()) == pytest.approx(by_hand)
    slope = 1.5 / math.sqrt(12)
    assert float(gradient_penalty(discriminator, real, made).detach()) == pytest.approx((slope - 1) ** 2)


def test_a_crop_the_generator_cannot_halve_is_refused_with_one_it_can() -> None:
    with pytest.raises(UsageError, match=r"a crop of 48 pixels does not fit.*--crop 32"):
        make_generator(tiny_config(net=NetConfig("unet", 4, 5), size=48, crop=48))

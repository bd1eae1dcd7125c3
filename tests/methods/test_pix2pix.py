"""pix2pix's objective on nets that multiply by a number, and what its discriminator is shown."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.equivariance import shift_loss
from imgcycle.methods.perceptual import FeatureLoss
from imgcycle.methods.pix2pix import DiscriminatorPhase, GeneratorPhase, Pix2Pix
from tests.methods.toys import Brightness, Scale, softplus, tiny_config, values

A, B = torch.full((1, 3, 2, 2), 0.4), torch.full((1, 3, 2, 2), -0.6)


class Contrast(nn.Module):
    """A discriminator whose logit is the output's mean less twice the input's."""

    def forward(self, pair: Tensor) -> Tensor:
        source, made = pair.chunk(2, 1)
        return (made - 2 * source).mean((1, 2, 3), keepdim=True)


def nets(direction: str = "A2B") -> dict[str, nn.Module]:
    return {direction: Scale(0.5), f"discriminator_{direction[-1]}": Contrast()}


def test_one_step_by_hand_in_both_directions() -> None:
    config = tiny_config(method="pix2pix", gan="vanilla", lambda_l1=100.0)
    # a = 0.4 becomes 0.2 (logit −0.6); the truth is −0.6 (logit −1.4).
    losses = values(GeneratorPhase(config, nets())(Batch(A, B)))
    assert losses == pytest.approx({"gan_A2B": softplus(0.6), "l1_A2B": 100 * 0.8}, rel=1e-5)
    losses = values(DiscriminatorPhase(config, nets())(Batch(A, B)))
    assert losses == pytest.approx({"discriminator_B": 0.5 * (softplus(1.4) + softplus(-0.6))}, rel=1e-5)
    # b = −0.6 becomes −0.3 (logit 0.9); the truth is 0.4 (logit 1.6).
    back = config.replace(direction="B2A")
    losses = values(GeneratorPhase(back, nets("B2A"))(Batch(A, B)))
    assert losses == pytest.approx({"gan_B2A": softplus(-0.9), "l1_B2A": 100 * 0.7}, rel=1e-5)
    losses = values(DiscriminatorPhase(back, nets("B2A"))(Batch(A, B)))
    assert losses == pytest.approx({"discriminator_A": 0.5 * (softplus(-1.6) + softplus(0.9))}, rel=1e-5)


@pytest.mark.parametrize(("changes", "terms"), [({"use_gan": False}, {"l1_A2B"}), ({"lambda_l1": 0.0}, {"gan_A2B"})])
def test_either_term_alone(changes: dict[str, object], terms: set[str]) -> None:
    assert set(GeneratorPhase(tiny_config(method="pix2pix", **changes), nets())(Batch(A, B))) == terms


def test_what_a_small_net_for_clips_is_given_besides() -> None:
    config = tiny_config(method="pix2pix", use_gan=False, lambda_vgg=3.0, lambda_shift=2.0, lambda_grid=1.0)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    method = Pix2Pix(config.replace(net=NetConfig("compact", 4, 1, "affine")))
    torch.manual_seed(0)
    losses = method.phases()[0](batch)
    assert losses.keys() == {"l1_A2B", "vgg_A2B", "shift_A2B", "grid_A2B"}
    fake = method.nets()["A2B"](batch.a).detach()
    assert values(losses)["vgg_A2B"] == pytest.approx(3 * float(FeatureLoss()(fake, batch.b)), rel=1e-4)
    possible = set()
    for _ in range(200):
        possible.add(round(2 * float(shift_loss(method.nets()["A2B"], batch.a, fake).detach()), 4))
    assert round(values(losses)["shift_A2B"], 4) in possible


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(UsageError, match="neither"):
        Pix2Pix(tiny_config(method="pix2pix", use_gan=False, lambda_l1=0.0))


@pytest.mark.parametrize("direction", ["A2B", "B2A"])
def test_its_discriminator_sees_six_channels_and_comes_first(direction: str) -> None:
    net = NetConfig("unet", 4, 5, "batch", test_time_stochastic=True)
    method = Pix2Pix(
        tiny_config(
            method="pix2pix", net=net, discriminator=DiscriminatorConfig("nlayers", 4, 2, "batch"), direction=direction
        )
    )
    discriminator = f"discriminator_{direction[-1]}"
    assert set(method.nets()) == {direction, discriminator}
    assert set(method.generators()) == {direction}
    assert method.nets()[discriminator].get_parameter("first.weight").shape[1] == 6
    assert [phase.name for phase in method.phases()] == ["discriminator", "generator"]
    batch = Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert [set(phase(batch)) for phase in method.phases()] == [
        {discriminator},
        {f"gan_{direction}", f"l1_{direction}"},
    ]


def test_without_a_gan_there_is_no_discriminator() -> None:
    assert set(Pix2Pix(tiny_config(method="pix2pix", use_gan=False)).nets()) == {"A2B"}


def test_the_generator_gets_no_gradient_from_the_discriminators_phase() -> None:
    parts = {"A2B": Scale(0.5), "discriminator_B": Brightness(1.0)}
    losses = DiscriminatorPhase(tiny_config(method="pix2pix"), parts)(Batch(A, B))
    losses["discriminator_B"].backward()
    assert parts["A2B"].get_parameter("factor").grad is None

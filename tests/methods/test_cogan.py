"""CoGAN's objective by hand, on a pair of drawings that a code's mean decides, and what is shared with what."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods import cogan
from imgcycle.methods.base import Batch
from imgcycle.methods.cogan import LOOKING_STEPS, Cogan, DiscriminatorPhase, GeneratorPhase, codes_like
from imgcycle.nets.cogan import LATENT, CoganGenerator
from tests.methods.toys import Brightness, softplus, tiny_config, values

A, B = (torch.full((2, 3, 2, 2), level, dtype=torch.float64) for level in (0.4, -0.6))


class Pair(nn.Module):
    """Draws grey squares: a factor × the code's mean for either domain."""

    def __init__(self, one: float, other: float) -> None:
        super().__init__()
        self.one, self.other = nn.Parameter(torch.tensor(one)), nn.Parameter(torch.tensor(other))

    def draw(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        grey = codes.mean(1)[:, None, None, None].expand(-1, 3, 2, 2)
        return self.one * grey, self.other * grey


def nets() -> dict[str, nn.Module]:
    onward = Pair(0.5, -1.5)
    parts = {"A2B": onward, "B2A": onward, "discriminator_A": Brightness(2.0), "discriminator_B": Brightness(1.0)}
    return {name: part.double() for name, part in parts.items()}


def cogan_config(**changes: object) -> TrainConfig:
    base = {
        "net": NetConfig("cogan", 2, 3, "batch"),
        "discriminator": DiscriminatorConfig("plain", 4, 4),
        "gan": "vanilla",
    }
    return tiny_config(**{"method": "cogan", "batch": 2, **base, **changes})


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codes that are 0.2 throughout."""
    monkeypatch.setattr(cogan, "codes_like", lambda images: torch.full((len(images), LATENT), 0.2).double())


@pytest.mark.usefixtures("steady")
def test_one_step_by_hand() -> None:
    config = cogan_config(lambda_gan=3.0)
    # The code draws 0.1 in A (logit 0.2) and −0.3 in B (logit −0.3); true are 0.4 (0.8) and −0.6 (−0.6).
    losses = values(GeneratorPhase(config, nets())(Batch(A, B)))
    assert losses == pytest.approx({"gan_A": 3 * softplus(-0.2), "gan_B": 3 * softplus(0.3)}, rel=1e-6)
    losses = values(DiscriminatorPhase(config, nets())(Batch(A, B)))
    wanted = {
        "discriminator_A": 3 * (softplus(-0.8) + softplus(0.2)),
        "discriminator_B": 3 * (softplus(0.6) + softplus(-0.3)),
    }
    assert losses == pytest.approx(wanted, rel=1e-6)
    losses = values(DiscriminatorPhase(cogan_config(gan="lsgan"), nets())(Batch(A, B)))
    assert losses["discriminator_B"] == pytest.approx(1.6**2 + 0.3**2, rel=1e-6)


@pytest.mark.usefixtures("steady")
def test_gradients_reach_the_nets_whose_phase_it_is() -> None:
    def gradient(net: nn.Module, name: str) -> float | None:
        found = net.get_parameter(name).grad
        return None if found is None else float(found)

    parts = nets()
    losses = GeneratorPhase(cogan_config(), parts)(Batch(A, B))
    losses["gan_A"].backward(retain_graph=True)
    # d/df of softplus(−2·0.2·f) at 0.5
    assert gradient(parts["A2B"], "one") == pytest.approx(-0.4 / (1 + math.exp(0.2)))
    assert gradient(parts["A2B"], "other") is None
    losses["gan_B"].backward()
    assert gradient(parts["A2B"], "other") == pytest.approx(-0.2 / (1 + math.exp(-0.3)))
    for part in parts.values():
        part.zero_grad()
    sum(DiscriminatorPhase(cogan_config(), parts)(Batch(A, B)).values(), torch.zeros(())).backward()
    assert gradient(parts["A2B"], "one") is gradient(parts["A2B"], "other") is None
    assert gradient(parts["discriminator_A"], "gain")
    assert gradient(parts["discriminator_B"], "gain")


def test_codes_are_uniform_and_one_an_image() -> None:
    torch.manual_seed(0)
    codes = codes_like(torch.zeros(500, 3, 2, 2))
    assert codes.shape == (500, LATENT)
    assert float(codes.mean()) == pytest.approx(0, abs=0.01)
    assert float(codes.std()) == pytest.approx(1 / math.sqrt(3), abs=0.01)
    assert float(codes.abs().max()) <= 1


def test_both_ways_are_one_net_and_discriminators_share_their_deep_layers() -> None:
    torch.manual_seed(0)
    method = Cogan(cogan_config())
    nets = method.nets()
    assert list(nets) == ["A2B", "B2A", "discriminator_A", "discriminator_B"]
    onward, back = nets["A2B"], nets["B2A"]
    assert isinstance(onward, CoganGenerator)
    assert isinstance(back, CoganGenerator)
    assert back.source is onward.target
    assert back.trunk is onward.trunk
    shared = {id(p) for p in nets["discriminator_A"].parameters()} & {
        id(p) for p in nets["discriminator_B"].parameters()
    }
    assert len(shared) == 2 * 3, "two convolutions and the last"
    discriminator, generator = method.phases()
    assert {id(p) for p in generator.parameters()} == {id(p) for p in onward.parameters()}
    assert len(list(generator.parameters())) == len(list(onward.parameters())), "each is descended once"
    assert len(list(discriminator.parameters())) == 2 * len(list(nets["discriminator_A"].parameters())) - 6
    batch = Batch(torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32))
    assert [set(phase(batch)) for phase in (discriminator, generator)] == [
        {"discriminator_A", "discriminator_B"},
        {"gan_A", "gan_B"},
    ]
    assert (onward.fit_steps, back.fit_steps) == (LOOKING_STEPS, LOOKING_STEPS)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"net": NetConfig("compact", 4, 1, "affine")}, "generator and discriminators of its own"),
        ({"discriminator": DiscriminatorConfig("nlayers", 4, 2)}, "generator and discriminators of its own"),
        ({"use_gan": False}, "no loss at all"),
        ({"net": NetConfig("cogan", 2, 4, "batch")}, "CoGAN of side 64 and a crop of 32"),
        ({"method": "cyclegan"}, "cyclegan with CoGAN's net"),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Cogan(cogan_config(**changes))


def test_nets_are_made_for_the_crop() -> None:
    assert {crop: Cogan.sized(crop)["net"]["depth"] for crop in (16, 128, 512)} == {16: 2, 128: 5, 512: 7}
    assert Cogan.sized(128)["discriminator"] == {"kind": "plain", "width": 32, "layers": 6}
    with pytest.raises(UsageError, match="not of 100") as caught:
        Cogan.sized(100)
    assert caught.value.hint == "--crop 128"

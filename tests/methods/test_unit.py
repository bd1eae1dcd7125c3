"""UNIT's objective, term by term, on halves that multiply by a number."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.errors import MissingExtra, UsageError
from imgcycle.methods import unit
from imgcycle.methods.base import Batch
from imgcycle.methods.unit import DiscriminatorPhase, GeneratorPhase, Unit, kl_to_standard
from tests.methods.toys import Brightness, softplus, tiny_config, values

A, B = torch.full((1, 3, 2, 2), 0.4), torch.full((1, 3, 2, 2), -0.6)
WEIGHTS = {"lambda_gan": 10.0, "lambda_reconstruction": 100.0, "lambda_cycle": 100.0, "lambda_kl": 0.1}


class Halves(nn.Module):
    """Encodes by one factor, decodes by another."""

    def __init__(self, into: float, out: float) -> None:
        super().__init__()
        self.into, self.out = nn.Parameter(torch.tensor(into)), nn.Parameter(torch.tensor(out))

    def to_latent(self, x: Tensor) -> Tensor:
        return self.into * x

    def from_latent(self, z: Tensor) -> Tensor:
        return self.out * z


def nets() -> dict[str, nn.Module]:
    # E_A = 2, G_B = 0.5; E_B = −1, G_A = 3
    return {
        "A2B": Halves(2.0, 0.5),
        "B2A": Halves(-1.0, 3.0),
        "discriminator_A": Brightness(2.0),
        "discriminator_B": Brightness(1.0),
    }


def unit_config(variant: str = "2017", **changes: object) -> TrainConfig:
    kind = {"2017": "unit2017", "2018": "unit"}[variant]
    discriminator = (
        DiscriminatorConfig("plain", 4, 3) if variant == "2017" else DiscriminatorConfig("multiscale", 4, 2, scales=2)
    )
    base = {
        "net": NetConfig.from_dict({"kind": kind, "width": 2, "depth": 2}),
        "discriminator": discriminator,
        "gan": "vanilla",
    }
    return tiny_config(**{"method": "unit", "variant": variant, **base, **WEIGHTS, **changes})


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Noise that is always a half."""
    monkeypatch.setattr(unit, "noisy", lambda mean: mean + 0.5)


@pytest.mark.usefixtures("steady")
def test_one_step_of_the_generators_by_hand() -> None:
    losses = values(GeneratorPhase(unit_config(), nets())(Batch(A, B)))
    # Means 0.8 and 0.6, latents 1.3 and 1.1. From a: itself 3.9, into B 0.65; from b: itself 0.55, into A 3.3.
    # Back: 0.65 is encoded as −0.65, drawn −0.15, decoded −0.45; 3.3 as 6.6, drawn 7.1, decoded 3.55.
    assert losses == pytest.approx(
        {
            "reconstruction_A": 100 * (3.9 - 0.4),
            "kl_A": 0.1 * 0.8**2 / 2,
            "reconstruction_B": 100 * (0.55 + 0.6),
            "kl_B": 0.1 * 0.6**2 / 2,
            "gan_A2B": 10 * softplus(-0.65),
            "gan_B2A": 10 * softplus(-2 * 3.3),
            "cycle_A": 100 * (0.45 + 0.4),
            "kl_cycle_A": 0.1 * (0.8**2 / 2 + 0.65**2 / 2),
            "cycle_B": 100 * (3.55 + 0.6),
            "kl_cycle_B": 0.1 * (0.6**2 / 2 + 6.6**2 / 2),
        },
        rel=1e-5,
    )


@pytest.mark.usefixtures("steady")
def test_one_step_of_the_discriminators_by_hand() -> None:
    batch = Batch(A, B)
    losses = values(DiscriminatorPhase(unit_config(), nets())(batch))
    assert losses == pytest.approx(
        {
            "discriminator_A": 10 * (softplus(-2 * 0.4) + softplus(2 * 3.3)),
            "discriminator_B": 10 * (softplus(0.6) + softplus(0.65)),
        },
        rel=1e-5,
    )
    assert float(batch.fake["B"][0, 0, 0, 0]) == pytest.approx(0.65)
    least_squares = values(DiscriminatorPhase(unit_config(gan="lsgan"), nets())(Batch(A, B)))
    assert least_squares["discriminator_B"] == pytest.approx(10 * (1.6**2 + 0.65**2))


def test_kl_is_that_of_two_normal_distributions() -> None:
    """∫ N(μ, 1)·log(N(μ, 1)/N(0, 1)), summed up on a fine grid."""
    for mean in (-1.5, 0.0, 0.7):
        x = torch.linspace(-12, 12, 24_001, dtype=torch.float64)
        density = torch.exp(-0.5 * (x - mean) ** 2) / math.sqrt(2 * math.pi)
        exact = float((density * 0.5 * (x**2 - (x - mean) ** 2)).sum() * 0.001)
        assert float(kl_to_standard(torch.full((2, 3), mean))) == pytest.approx(exact, abs=1e-6)


def test_a_draw_has_unit_variance_around_the_mean() -> None:
    torch.manual_seed(0)
    drawn = unit.noisy(torch.full((400, 100), 3.0))
    assert float(drawn.mean()) == pytest.approx(3.0, abs=0.02)
    assert float(drawn.std()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize(
    ("cycle", "domains"), [("both", {"A", "B"}), ("forward", {"A"}), ("backward", {"B"}), ("none", set())]
)
def test_ablations_keep_just_their_terms(cycle: str, domains: set[str]) -> None:
    always = {"reconstruction_A", "reconstruction_B", "kl_A", "kl_B", "gan_A2B", "gan_B2A"}
    rounds = {f"{term}_{domain}" for domain in domains for term in ("cycle", "kl_cycle")}
    assert set(GeneratorPhase(unit_config(cycle=cycle), nets())(Batch(A, B))) == always | rounds


def test_without_a_gan_there_are_no_discriminators() -> None:
    method = Unit(unit_config(use_gan=False))
    assert set(method.nets()) == {"A2B", "B2A"}
    (phase,) = method.phases()
    losses = phase(Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)))
    assert not any(name.startswith("gan") for name in losses)


@pytest.mark.parametrize("variant", ["2017", "2018"])
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_as_many_blocks_are_shared_as_asked(variant: str, blocks: int) -> None:
    method = Unit(unit_config(variant, shared_blocks=blocks))
    into_b, into_a = method.nets()["A2B"], method.nets()["B2A"]
    shared = {id(p) for p in into_b.parameters()} & {id(p) for p in into_a.parameters()}
    assert len(shared) == blocks * 2 * 4
    phase = method.phases()[1]
    total = len(list(into_b.parameters())) + len(list(into_a.parameters()))
    assert len(list(phase.parameters())) == total - len(shared), "each is descended once"


def test_both_directions_feel_a_step_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    method = Unit(unit_config())
    first, phase = method.nets()["B2A"], method.phases()[1]
    before = {name: p.clone() for name, p in first.named_parameters()}
    descent = torch.optim.SGD(method.nets()["A2B"].parameters(), 1e-3)
    losses = phase(Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)))
    torch.stack(list(losses.values())).sum().backward()  # type: ignore[no-untyped-call]
    descent.step()
    moved = {name.split(".conv")[0] for name, p in first.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"encoder.1", "decoder.0"}


def test_more_blocks_than_there_are_and_other_nets_are_refused() -> None:
    with pytest.raises(UsageError, match="3 shared blocks"):
        Unit(unit_config(shared_blocks=3))
    with pytest.raises(UsageError, match="generators of its own, not a compact"):
        Unit(tiny_config(method="unit"))
    with pytest.raises(UsageError, match="UNIT of 2018"):
        Unit(unit_config("2018", net=NetConfig("unit2017", 2, 2)))


class Channels:
    """A feature net whose planes are the pixels."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def planes(self, images: Tensor, last: str) -> Tensor:
        assert last == "51"
        return images


def test_the_perceptual_loss_minds_shapes_and_not_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.methods.perceptual.FeatureNet", Channels)
    from imgcycle.methods.perceptual import PerceptualLoss

    loss = PerceptualLoss()
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    assert float(loss(3 * x - 2, x)) == pytest.approx(0, abs=1e-5)
    assert float(loss(-x, x)) == pytest.approx(4, rel=1e-3)


def test_the_perceptual_terms_compare_a_picture_with_its_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[float, float]] = []

    def spy(made: Tensor, source: Tensor) -> Tensor:
        seen.append((float(made.detach().mean()), float(source.mean())))
        return torch.ones(())

    monkeypatch.setattr(unit, "noisy", lambda mean: mean)
    probe: Callable[..., Tensor] = spy
    losses = values(GeneratorPhase(unit_config(lambda_vgg=2.0), nets(), probe)(Batch(A, B)))  # type: ignore[arg-type]
    assert (losses["vgg_A2B"], losses["vgg_B2A"]) == (2.0, 2.0)
    assert seen == [pytest.approx((0.4, 0.4)), pytest.approx((1.8, -0.6))]


def test_the_perceptual_loss_needs_its_extra_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra):
        Unit(unit_config("2018", lambda_vgg=1.0))


def test_the_perceptual_loss_reaches_the_generators_through_the_real_net() -> None:
    torch.manual_seed(0)
    method = Unit(unit_config("2018", lambda_vgg=1.0, cycle="none", lambda_reconstruction=0.0, lambda_kl=0.0))
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    losses = method.phases()[1](batch)
    assert 0 < float(losses["vgg_A2B"].detach()) < 4
    losses["vgg_A2B"].backward()
    gradient = method.nets()["A2B"].get_parameter("tail.weight").grad
    assert gradient is not None
    assert float(gradient.abs().max()) > 0

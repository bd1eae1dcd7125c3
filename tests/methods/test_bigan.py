"""BiGAN's objective by hand on pairs whose two halves weigh differently, and who is reached by its gradients."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.bigan import DISCRIMINATOR, BiGan, DiscriminatorPhase, GeneratorPhase
from imgcycle.methods.pool import ImagePool
from tests.methods.toys import Scale, softplus, tiny_config, values

A, B = (torch.full((1, 3, 2, 2), level, dtype=torch.float64) for level in (0.4, -0.6))


class Contrast(nn.Module):
    """A discriminator whose logit is gain × (the mean of b less twice that of a)."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.tensor(gain))

    def forward(self, pair: Tensor) -> Tensor:
        a, b = pair.chunk(2, 1)
        return self.gain * (b - 2 * a).mean((1, 2, 3), keepdim=True)


def nets() -> dict[str, nn.Module]:
    return {"A2B": Scale(0.5).double(), "B2A": Scale(-1.5).double(), DISCRIMINATOR: Contrast(1.0).double()}


def pools(size: int = 0) -> dict[str, ImagePool]:
    return {way: ImagePool(size) for way in ("A2B", "B2A")}


def test_one_step_by_hand() -> None:
    # (a, A2B(a)) = (0.4, 0.2): logit −0.6. (B2A(b), b) = (0.9, −0.6): logit −2.4.
    for gan, terms in (
        ("lsgan", {"gan_A2B": 2 * 0.6**2, "gan_B2A": 2 * 3.4**2, DISCRIMINATOR: 0.5 * (1.6**2 + 2.4**2)}),
        (
            "vanilla",
            {
                "gan_A2B": 2 * softplus(-0.6),
                "gan_B2A": 2 * softplus(2.4),
                DISCRIMINATOR: 0.5 * (softplus(0.6) + softplus(-2.4)),
            },
        ),
    ):
        config, batch = tiny_config(method="bigan", gan=gan, lambda_gan=2.0), Batch(A, B)
        losses = GeneratorPhase(config, nets())(batch) | DiscriminatorPhase(config, nets(), pools())(batch)
        assert values(losses) == pytest.approx(terms, rel=1e-6)


def gradient(net: nn.Module, name: str = "factor") -> float | None:
    found = net.get_parameter(name).grad
    return None if found is None else float(found)


def test_gradients_reach_the_nets_whose_phase_it_is() -> None:
    config, parts, batch = tiny_config(method="bigan"), nets(), Batch(A, B)
    losses = GeneratorPhase(config, parts)(batch)
    losses["gan_A2B"].backward(retain_graph=True)
    # d/df of (0.4·f − 0.8)² at 0.5: the generator would have its pair taken for one of the other way.
    assert gradient(parts["A2B"]) == pytest.approx(2 * -0.6 * 0.4)
    assert gradient(parts["B2A"]) is None
    losses["gan_B2A"].backward()
    # d/df of (−0.6 + 1.2·f − 1)² at −1.5
    assert gradient(parts["B2A"]) == pytest.approx(2 * -3.4 * 1.2)
    for part in parts.values():
        part.zero_grad()
    DiscriminatorPhase(config, parts, pools())(batch)[DISCRIMINATOR].backward()
    assert (gradient(parts["A2B"]), gradient(parts["B2A"])) == (None, None)
    assert gradient(parts[DISCRIMINATOR], "gain")


def test_pools_keep_pairs_together() -> None:
    torch.manual_seed(0)
    kept = pools(2)
    phase = DiscriminatorPhase(tiny_config(method="bigan"), nets(), kept)
    for level in (0.1, 0.2, 0.3, 0.4):
        pair = torch.full((1, 6, 2, 2), level, dtype=torch.float64)
        phase(Batch(A, B, {"A2B": pair, "B2A": -pair}))
    for way in ("A2B", "B2A"):
        assert [pair.shape for pair in kept[way].images] == [(6, 2, 2)] * 2
        assert all(float(pair.std()) < 1e-12 for pair in kept[way].images)
        assert all((float(pair.mean()) > 0) == (way == "A2B") for pair in kept[way].images)


def test_nets_phases_and_pools_of_a_run() -> None:
    torch.manual_seed(0)
    method = BiGan(tiny_config(method="bigan", pool=2))
    assert (set(method.nets()), set(method.generators())) == ({"A2B", "B2A", DISCRIMINATOR}, {"A2B", "B2A"})
    assert method.nets()[DISCRIMINATOR].get_parameter("first.weight").shape[1] == 6
    batch = Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert [set(phase(batch)) for phase in method.phases()] == [{"gan_A2B", "gan_B2A"}, {DISCRIMINATOR}]
    assert torch.equal(batch.fake["A2B"][:, :3], batch.a)
    assert torch.equal(batch.fake["B2A"][:, 3:], batch.b)
    other = BiGan(tiny_config(method="bigan", pool=2))
    other.load_state(method.state())
    assert torch.equal(other.state()["pools"]["B2A"][0], batch.fake["B2A"][0])


def test_without_a_gan_it_is_nothing() -> None:
    with pytest.raises(UsageError, match="no loss at all"):
        BiGan(tiny_config(method="bigan", use_gan=False))

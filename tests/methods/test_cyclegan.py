"""CycleGAN's objective, term by term, on nets that multiply by a number."""

from __future__ import annotations

import pytest
import torch

from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.cyclegan import CycleGan, DiscriminatorPhase, GeneratorPhase
from imgcycle.methods.pool import ImagePool
from tests.methods.toys import Brightness, Scale, tiny_config, values

A, B = torch.full((1, 3, 2, 2), 0.4), torch.full((1, 3, 2, 2), -0.6)


def nets() -> dict[str, torch.nn.Module]:
    return {
        "A2B": Scale(0.5),
        "B2A": Scale(-3.0),
        "discriminator_A": Brightness(2.0),
        "discriminator_B": Brightness(1.0),
    }


def test_one_step_of_the_generators_by_hand() -> None:
    losses = values(GeneratorPhase(tiny_config(), nets())(Batch(A, B)))
    # fake_b = 0.2, fake_a = 1.8; back: A2B2A = −0.6, B2A2B = 0.9; same: A2B(b) = −0.3, B2A(a) = −1.2
    assert losses == pytest.approx(
        {
            "gan_A2B": (0.2 - 1) ** 2,
            "gan_B2A": (2 * 1.8 - 1) ** 2,
            "cycle_A": 10 * 1.0,
            "cycle_B": 10 * 1.5,
            "identity_B": 5 * 0.3,
            "identity_A": 5 * 1.6,
        },
        abs=1e-5,
    )


def test_one_step_of_the_discriminators_by_hand() -> None:
    batch = Batch(A, B, fake={"A": torch.full_like(A, 1.8), "B": torch.full_like(B, 0.2)})
    pools = {domain: ImagePool(50) for domain in "AB"}
    losses = values(DiscriminatorPhase(tiny_config(), nets(), pools)(batch))
    assert losses == pytest.approx(
        {"discriminator_A": 0.5 * ((0.8 - 1) ** 2 + 3.6**2), "discriminator_B": 0.5 * ((-0.6 - 1) ** 2 + 0.2**2)},
        abs=1e-5,
    )


@pytest.mark.parametrize(
    ("cycle", "terms"),
    [("both", {"cycle_A", "cycle_B"}), ("forward", {"cycle_A"}), ("backward", {"cycle_B"}), ("none", set())],
)
def test_ablations_keep_just_their_terms(cycle: str, terms: set[str]) -> None:
    config = tiny_config(cycle=cycle, lambda_identity=0.0)
    losses = GeneratorPhase(config, nets())(Batch(A, B))
    assert set(losses) == terms | {"gan_A2B", "gan_B2A"}


def test_cycle_alone_has_no_discriminator() -> None:
    method = CycleGan(tiny_config(use_gan=False))
    assert set(method.nets()) == {"A2B", "B2A"}
    assert [phase.name for phase in method.phases()] == ["generator"]
    losses = method.phases()[0](Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)))
    assert set(losses) == {"cycle_A", "cycle_B", "identity_A", "identity_B"}


def test_nothing_to_learn_is_refused() -> None:
    with pytest.raises(UsageError, match="neither"):
        CycleGan(tiny_config(use_gan=False, cycle="none"))


def test_passes_batched_together_equal_passes_apart() -> None:
    torch.manual_seed(0)
    method = CycleGan(tiny_config())
    a, b = torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1
    losses = method.phases()[0](Batch(a, b))
    same = 5 * (method.nets()["A2B"](b) - b).abs().mean()
    assert float(losses["identity_B"].detach()) == pytest.approx(float(same.detach()), rel=1e-5)


def test_a_phase_owns_the_nets_it_updates_and_no_others() -> None:
    generator, discriminator = CycleGan(tiny_config()).phases()
    assert generator.updates == ("A2B", "B2A")
    assert discriminator.updates == ("discriminator_A", "discriminator_B")
    assert {name.split(".")[1] for name, _ in generator.named_parameters()} == {"A2B", "B2A"}
    assert generator.net("discriminator_A") is discriminator.net("discriminator_A")


def test_the_pools_are_state() -> None:
    torch.manual_seed(0)
    first, second = CycleGan(tiny_config()), CycleGan(tiny_config())
    batch = Batch(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    for phase in first.phases():
        phase(batch)
    second.load_state(first.state())
    for domain in "AB":
        kept = second.state()["pools"][domain]
        assert len(kept) == 1
        assert torch.equal(kept[0], batch.fake[domain][0])

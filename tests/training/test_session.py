"""A step computed in another layout, and with passes shared by its phases: the same losses, the same gradients."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import DiscriminatorConfig, TrainConfig
from imgcycle.methods.base import Batch
from imgcycle.metrics.features import FeatureNet
from imgcycle.training.distributed import World
from imgcycle.training.session import Arithmetic, Session
from tests.methods.toys import tiny_config

CPU = torch.device("cpu")
PLAIN = Arithmetic(torch.contiguous_format, shares_passes=False)
FAST = Arithmetic(torch.channels_last, shares_passes=True)


@pytest.fixture(scope="module", autouse=True)
def one_net() -> object:
    """VGG19's weights are read once for all tests here."""
    net = FeatureNet(CPU)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgcycle.methods.projected.FeatureNet", lambda _: net)
        yield net


def learnt(config: TrainConfig, arithmetic: Arithmetic) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Losses of the first step, and all weights after it under plain descent, so that they tell the gradients."""
    session = Session(config, CPU, torch.float32, World(), arithmetic)
    for each in session.phase_optimizers:
        each.optimizer = torch.optim.SGD(each.phase.parameters(), each.lr)
    torch.manual_seed(1)
    a, b = (torch.rand(config.batch, 3, 64, 64) * 2 - 1 for _ in range(2))
    session.step(Batch(a, b), 1.0)
    return session.means(), weights_of(session)


def weights_of(session: Session) -> dict[str, torch.Tensor]:
    return {f"{name}.{key}": value for name, net in session.nets.items() for key, value in net.state_dict().items()}


@pytest.mark.parametrize(
    "changes",
    [
        {"lambda_grid": 1.0, "lambda_shift": 1.0},
        {"method": "cut", "batch": 2},
        {"diff_augment": ("translation",)},
        {"gan": "relativistic", "lambda_path": 1.0},
        {"gan": "wgangp", "discriminator": DiscriminatorConfig("nlayers", 8, 2)},
        {"discriminator": DiscriminatorConfig("nlayers", 8, 2)},
        {"discriminator": DiscriminatorConfig("vgg19", 4, norm="batch")},
    ],
    ids=",".join,
)
def test_the_fast_step_is_the_plain_one(changes: dict[str, object]) -> None:
    usual = {"method": "fastcut", "discriminator": DiscriminatorConfig("vgg19", 4, scales=2)}
    config = tiny_config(**{**usual, "size": 64, "crop": 64, "lr": 1e-3, "ema": 0.0, **changes})
    (plain, expected), (fast, found) = learnt(config, PLAIN), learnt(config, FAST)
    assert fast.keys() == plain.keys()
    for name, loss in plain.items():
        assert fast[name] == pytest.approx(loss, rel=1e-4, abs=1e-5), name
    before = weights_of(Session(config, CPU, torch.float32, World(), PLAIN))
    for net in {name.partition(".")[0] for name in expected}:
        names = [name for name in expected if name.startswith(net)]
        # Of its net's largest change: biases before a norm have a gradient of 0, and change by rounding alone.
        largest = max(float((expected[name] - before[name]).abs().max()) for name in names)
        assert largest > 0, net
        for name in names:
            assert torch.allclose(found[name], expected[name], rtol=0, atol=2e-3 * largest), name


def test_a_pass_is_shared_in_one_process_alone() -> None:
    config = tiny_config(method="fastcut")
    phases = [each.phase for each in Session(config, CPU, torch.float32, World(), FAST).phase_optimizers]
    assert [phase.differentiates for phase in phases] == [{"discriminator_B", "A2B"}, {"A2B", "heads"}]
    phases = [each.phase for each in Session(config, CPU, torch.float32, World(), PLAIN).phase_optimizers]
    assert [phase.differentiates for phase in phases] == [{"discriminator_B"}, {"A2B", "heads"}]


def test_a_run_keeps_the_arithmetic_that_it_began_with() -> None:
    config = tiny_config(method="fastcut")
    assert Arithmetic.fastest(config, CPU) == FAST
    assert Arithmetic.frozen({}, config, CPU) == FAST
    for arithmetic in (FAST, PLAIN):
        assert Arithmetic.frozen({"device": "cpu", **arithmetic.facts()}, config, CPU) == arithmetic
    # Runs of before say "contiguous", or nothing at all.
    assert Arithmetic.frozen({"device": "cpu", "memory_format": "contiguous"}, config, CPU) == PLAIN
    assert Arithmetic.frozen({"device": "cpu"}, config, CPU) == PLAIN
    assert PLAIN.facts() == {"memory_format": "contiguous"}


def test_what_was_not_measured_faster_stays_as_it_is() -> None:
    assert Arithmetic.fastest(tiny_config(method="cyclegan"), CPU) == PLAIN
    gpu = Arithmetic.fastest(tiny_config(method="fastcut"), torch.device("cuda"))
    assert gpu == Arithmetic(torch.channels_last, shares_passes=False)

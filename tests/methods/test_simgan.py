"""SimGAN's objective by hand, in pixels and in features, and who is reached by its gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.errors import MissingExtra, UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.perceptual import FEATURE_SCALE, FeatureLoss
from imgcycle.methods.pool import ImagePool
from imgcycle.methods.simgan import DiscriminatorPhase, GeneratorPhase, SimGan
from imgcycle.metrics.features import FeatureNet
from tests.methods.toys import Brightness, Scale, tiny_config

A, B = (torch.full((1, 3, 2, 2), level, dtype=torch.float64) for level in (0.4, -0.6))
CONFIG = tiny_config(method="simgan", lambda_self=7.0, lambda_gan=3.0)


def nets() -> dict[str, nn.Module]:
    return {"A2B": Scale(0.5).double(), "discriminator_B": Brightness(2.0).double()}


def images() -> Batch:
    return Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)


def test_one_step_by_hand() -> None:
    batch, parts = Batch(A, B), nets()
    losses = GeneratorPhase(CONFIG, parts, F.l1_loss)(batch)
    # a = 0.4 becomes 0.2, of which the discriminator thinks 0.4.
    made = {name: float(value.detach()) for name, value in losses.items()}
    assert made == pytest.approx({"gan_A2B": 3 * (0.4 - 1) ** 2, "self_A": 7 * 0.2}, rel=1e-6)
    losses = DiscriminatorPhase(CONFIG, parts, ImagePool(0))(batch)
    assert float(losses["discriminator_B"].detach()) == pytest.approx(0.5 * ((-1.2 - 1) ** 2 + 0.4**2), rel=1e-6)


def test_gradients_reach_the_net_whose_phase_it_is() -> None:
    batch, parts = Batch(A, B), nets()
    factor, gain = parts["A2B"].get_parameter("factor"), parts["discriminator_B"].get_parameter("gain")
    for name, value in GeneratorPhase(CONFIG, parts, F.l1_loss)(batch).items():
        parts["A2B"].zero_grad()
        value.backward(retain_graph=True)
        assert factor.grad is not None, name
        # d/df of 3 (2·f·0.4 − 1)², and of 7·0.4·|f − 1|, at f = 0.5
        assert float(factor.grad) == pytest.approx({"gan_A2B": 6 * (0.4 - 1) * 0.8, "self_A": -2.8}[name])
    for part in parts.values():
        part.zero_grad()
    DiscriminatorPhase(CONFIG, parts, ImagePool(0))(batch)["discriminator_B"].backward()
    assert factor.grad is None
    assert gain.grad is not None


def test_its_discriminator_sees_older_pictures_from_the_pool() -> None:
    torch.manual_seed(0)
    phase = DiscriminatorPhase(tiny_config(method="simgan"), nets(), ImagePool(1))
    old = float(phase(Batch(A, B, {"B": A}))["discriminator_B"].detach())
    later = {round(float(phase(Batch(A, B, {"B": B}))["discriminator_B"].detach()), 6) for _ in range(8)}
    assert later == {round(old, 6), round(0.5 * ((-1.2 - 1) ** 2 + 1.2**2), 6)}


def test_nets_phases_and_pool_of_a_run() -> None:
    torch.manual_seed(0)
    method = SimGan(tiny_config(method="simgan", pool=2))
    assert (set(method.nets()), set(method.generators())) == ({"A2B", "discriminator_B"}, {"A2B"})
    batch = images()
    assert [set(phase(batch)) for phase in method.phases()] == [{"gan_A2B", "self_A"}, {"discriminator_B"}]
    other = SimGan(tiny_config(method="simgan", pool=2))
    other.load_state(method.state())
    assert torch.equal(other.state()["pool"][0], batch.fake["B"][0])


def test_without_its_weight_it_is_a_gan_alone_and_without_a_gan_it_is_nothing() -> None:
    assert set(SimGan(tiny_config(method="simgan", lambda_self=0.0)).phases()[0](images())) == {"gan_A2B"}
    with pytest.raises(UsageError, match="learn to change nothing"):
        SimGan(tiny_config(method="simgan", use_gan=False))
    with pytest.raises(UsageError, match="lambda-self is -1"):
        tiny_config(method="simgan", lambda_self=-1.0)
    with pytest.raises(UsageError, match="cut has no feature loss"):
        tiny_config(method="cut", feature_loss="vgg19")


def test_the_feature_loss_is_an_l1_of_relu4_2(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Channels:
        def __init__(self, device: torch.device) -> None:
            self.device = device

        def planes(self, pictures: Tensor, last: str) -> Tensor:
            asked.append(last)
            return 1000 * pictures

    monkeypatch.setattr("imgcycle.methods.perceptual.FeatureNet", Channels)
    assert float(FeatureLoss()(A, B)) == pytest.approx(1000 * 1.0 / FEATURE_SCALE)
    assert set(asked) == {"42"}


def test_planes_end_at_the_layer_that_is_asked_for() -> None:
    """Against what hooks would see: every convolution of the net, one by one."""
    net, pictures = FeatureNet(torch.device("cpu")), torch.rand(1, 3, 32, 32) * 2 - 1
    reach: Callable[[str], Tensor] = lambda last: net.planes(pictures, last)  # noqa: E731
    assert [tuple(reach(last).shape[1:]) for last in ("11", "34", "42")] == [(64, 32, 32), (256, 8, 8), (512, 4, 4)]
    again = reach("42")
    for layer in net._layers[-4:]:
        again = F.max_pool2d(again, 2) if layer is None else F.relu(F.conv2d(again, *layer, padding=1))
    assert torch.equal(again, net.planes(pictures))


def test_the_real_feature_loss_reaches_the_generator_and_knows_the_input() -> None:
    torch.manual_seed(0)
    method = SimGan(tiny_config(method="simgan", feature_loss="vgg19"))
    batch = images()
    losses = method.phases()[0](batch)
    expected = 10 * FeatureLoss()(batch.fake["B"], batch.a)
    assert float(losses["self_A"].detach()) == pytest.approx(float(expected), rel=1e-5)
    assert float(FeatureLoss()(batch.a, batch.a)) == 0
    losses["self_A"].backward()
    gradients = [p.grad for p in method.nets()["A2B"].parameters()]
    assert any(g is not None and float(g.abs().max()) > 0 for g in gradients)


def test_the_feature_loss_needs_its_extra_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra):
        SimGan(tiny_config(method="simgan", feature_loss="vgg19"))

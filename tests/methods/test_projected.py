"""The discriminator on a classifier's features: what it looks at, what it learns, what of it is kept."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import DiscriminatorConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import discriminator_loss, gan_loss, make_discriminator
from imgcycle.methods.cut import Cut
from imgcycle.methods.projected import TAPS, FeatureDiscriminator
from imgcycle.metrics.features import FeatureNet
from tests.methods.toys import tiny_config

TINY = DiscriminatorConfig("vgg19", 4)


@pytest.fixture(scope="module", autouse=True)
def one_net() -> object:
    """The weights are read once for all tests here."""
    net = FeatureNet(torch.device("cpu"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imgcycle.methods.projected.FeatureNet", lambda _: net)
        yield net


def discriminator(config: DiscriminatorConfig = TINY) -> FeatureDiscriminator:
    torch.manual_seed(0)
    made = make_discriminator(tiny_config(discriminator=config, size=64, crop=64), "normal")
    assert isinstance(made, FeatureDiscriminator)
    return made


def test_it_gives_a_map_of_pixels_and_one_for_each_layer_and_size() -> None:
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    maps = discriminator()(x)
    assert [tuple(m.shape) for m in maps] == [(2, 1, n, n) for n in (6, 32, 16, 16, 8)]
    maps = discriminator(DiscriminatorConfig("vgg19", 4, scales=2))(x)
    assert [m.shape[-1] for m in maps] == [6, 32, 16, 16, 8, 16, 8, 8, 4]
    maps = discriminator(DiscriminatorConfig("vgg19", 4, 4))(x)
    assert [m.shape[-1] for m in maps] == [6, 32, 16, 16, 8, 8]


def test_planes_are_those_of_the_measures_net_at_a_common_scale(one_net: FeatureNet) -> None:
    x = torch.rand(2, 3, 48, 32) * 2 - 1
    taps = one_net.taps(x, list(TAPS))
    for (name, (channels, _, _)), planes in zip(TAPS.items(), taps, strict=True):
        wanted = one_net.planes(x, name)
        assert planes.shape[1] == channels
        assert torch.allclose(planes, wanted, rtol=1e-4, atol=1e-3 * float(wanted.max()))
    assert one_net.taps(x, ["51"])[0].shape == (2, 512, 3, 2)


def test_planes_narrow_under_autocast_and_gradients_reach_the_picture(one_net: FeatureNet) -> None:
    x = (torch.rand(1, 3, 32, 32) * 2 - 1).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        (planes,) = one_net.taps(x, ["22"])
    assert planes.dtype == torch.bfloat16
    exact = one_net.planes(x.detach(), "22")
    assert float((planes.detach().float() - exact).abs().mean()) < 0.02 * float(exact.mean())
    planes.float().mean().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_the_classifier_is_neither_learnt_nor_saved() -> None:
    net = discriminator()
    names = set(net.state_dict())
    assert all(name.startswith(("pixels.", "heads.")) for name in names)
    assert sum(p.numel() for p in net.parameters()) < 200_000


def test_heads_speak_up_from_the_start() -> None:
    torch.manual_seed(0)
    maps = discriminator()(torch.rand(1, 3, 64, 64) * 2 - 1)
    assert all(float(m.detach().std()) > 0.02 for m in maps[1:])


def test_it_learns_to_tell_two_textures_apart() -> None:
    net = discriminator()
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    for _ in range(25):
        fine, coarse = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 8, 8).repeat_interleave(4, 2).repeat_interleave(4, 3)
        loss = discriminator_loss("lsgan", net, fine * 2 - 1, coarse * 2 - 1, batched=True)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        told = [float(m.mean()) for m in net(torch.rand(4, 3, 32, 32) * 2 - 1)]
        assert float(gan_loss("lsgan", net(torch.rand(4, 3, 32, 32) * 2 - 1), True)) < 1.5
    assert sum(value > 0.5 for value in told) >= 3, told


def test_pairs_side_by_side_small_crops_and_many_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="takes one RGB picture"):
        make_discriminator(tiny_config(discriminator=TINY), "normal", images=2)
    with pytest.raises(UsageError, match="needs 64"):
        make_discriminator(tiny_config(discriminator=DiscriminatorConfig("vgg19", 4, scales=2)), "normal")
    with pytest.raises(UsageError, match="vgg19 1 to 3"):
        DiscriminatorConfig("vgg19", scales=4)
    with pytest.raises(UsageError, match="between 1 and 4"):
        DiscriminatorConfig("vgg19", layers=5)


def test_a_method_takes_it_as_any_other() -> None:
    nets = Cut(tiny_config(method="cut", discriminator=TINY)).nets()
    assert isinstance(nets["discriminator_B"], FeatureDiscriminator)

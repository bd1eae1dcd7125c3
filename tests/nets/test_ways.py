"""The ResNet generator's ways down and up, and UNIT's generator: against formulas written out anew."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.nets.build import build_generator
from imgcycle.nets.stages import Blur, Conv, Norm, step, upsample
from tests.nets.parameters import parameter_count, parameters_of

WAYS = list(itertools.product(("strided", "reflected", "blur"), ("transposed", "nearest", "reflected", "linear")))


@pytest.mark.parametrize(("down", "up"), WAYS)
def test_every_way_keeps_the_size_and_names_each_parameter_once(down: str, up: str) -> None:
    net = build_generator(NetConfig.from_dict({"kind": "resnet", "width": 4, "depth": 2, "down": down, "up": up}))
    chain = net.stages()
    assert chain is not None
    assert sorted(map(id, parameters_of(chain))) == sorted(map(id, net.parameters()))
    x = torch.rand(1, 3, 16, 24)
    assert net(x).shape == x.shape
    assert len(net.encode(x, net.feature_taps())) == 5


def test_taps_fall_on_convolutions_and_block_ends_whatever_the_way() -> None:
    for down in ("strided", "blur"):
        net = build_generator(NetConfig.from_dict({"kind": "resnet", "width": 2, "depth": 2, "down": down}))
        chain = net.stages()
        assert chain is not None
        first, second, early = net.feature_taps()[1:4]
        assert isinstance(chain[first], Conv)
        assert isinstance(chain[second], Conv)
        assert type(chain[early]).__name__ == "Add"


@pytest.mark.parametrize(
    "config",
    [
        NetConfig("whitebox", 3, 5, "none"),
        NetConfig("animegan", 2, 5, "layer"),
        NetConfig("resnet", 2, 5, convs=2),
        NetConfig("resnet", 1, 5, downs=4),
    ],
)
def test_its_kin_can_be_taught_too(config: NetConfig) -> None:
    net = build_generator(config)
    net.initialise()
    chain, taps = net.chain(), net.feature_taps()
    assert sorted(map(id, parameters_of(chain))) == sorted(map(id, net.parameters()))
    assert isinstance(chain[taps[1]], Conv)
    assert isinstance(chain[taps[2]], Conv)
    assert list(taps) == sorted(set(taps))
    x = torch.rand(1, 3, 32, 64)
    assert len(net.encode(x, taps)) == 5
    net(x).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_layer_norm_is_the_papers_formula() -> None:
    x = torch.randn(2, 3, 5, 7) * 3 + 1
    weight, bias = torch.rand(3), torch.rand(3)
    found = step(Norm("layer", weight, bias, unbiased=True), x, {})
    for image, result in zip(x, found, strict=True):
        plain = (image - image.mean()) / (image.std() + 1e-5)
        assert torch.allclose(result, plain * weight.view(3, 1, 1) + bias.view(3, 1, 1), atol=1e-6)


def test_linear_doubling_is_the_antialiased_one() -> None:
    """Zhang's upsampling (taps 1, 3, 3, 1 over replicated edges) is interpolation at half-pixel centres."""
    x = torch.randn(1, 2, 5, 6)
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    kernel = (torch.outer(taps, taps) / 64 * 4).expand(2, 1, 4, 4)
    padded = F.pad(x, (1, 1, 1, 1), "replicate")
    wide = F.conv_transpose2d(padded, kernel, stride=2, padding=2, groups=2)[:, :, 1:-1, 1:-1]
    assert torch.allclose(upsample(x, "linear"), wide, atol=1e-6)


def test_three_taps_blur_as_zhang_does() -> None:
    x = torch.randn(1, 2, 6, 8)
    taps = torch.tensor([1.0, 2.0, 1.0])
    kernel = (torch.outer(taps, taps) / 16).expand(2, 1, 3, 3)
    plain = F.conv2d(nn.ReflectionPad2d(1)(x), kernel, stride=2, groups=2)
    assert torch.allclose(step(Blur(taps=(1.0, 2.0, 1.0)), x, {}), plain, atol=1e-6)


def test_a_unit_generator_has_the_published_size() -> None:
    with torch.device("meta"):
        assert parameter_count(build_generator(NetConfig("unit", 64, 4))) == 11_140_483


def test_a_unit_generator_walks_and_keeps_the_size() -> None:
    net = build_generator(NetConfig("unit", 4, 2))
    net.initialise()
    chain = net.stages()
    assert chain is not None
    assert sorted(map(id, parameters_of(chain))) == sorted(map(id, net.parameters()))
    x = torch.rand(1, 3, 16, 8)
    assert net(x).shape == x.shape
    assert len(net.encode(x, net.feature_taps())) == 5


def test_configs_saved_before_there_were_ways_still_load() -> None:
    old = {"kind": "resnet", "width": 64, "depth": 9, "norm": "instance", "channels": 3}
    assert NetConfig.from_dict(old) == NetConfig.named("resnet9")


def test_ways_belong_to_resnets() -> None:
    with pytest.raises(UsageError, match="no down to choose"):
        NetConfig("unet", 64, 8, down="blur")
    with pytest.raises(UsageError, match="batch norms"):
        NetConfig("unit", 64, 4, "batch")

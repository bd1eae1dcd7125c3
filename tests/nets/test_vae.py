"""UNIT's generators against formulas written out anew in float64, and blocks that are one and the same."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import LayerNorm, norm_stage
from imgcycle.nets.stages import step
from imgcycle.nets.vae import LatentGenerator
from tests.nets.parameters import parameter_count, parameters_of

KINDS = ("unit", "unit2017")


def ready(kind: str, seed: int = 0) -> LatentGenerator:
    torch.manual_seed(seed)
    net = build_generator(NetConfig.from_dict({"kind": kind, "width": 3, "depth": 2}))
    assert isinstance(net, LatentGenerator)
    net.initialise()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0.0, 0.3)
    return net.requires_grad_(False)


def whitened(x: Tensor) -> Tensor:
    """Instance norm, written out."""
    variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
    return (x - mean) / (variance + 1e-5).sqrt()


def test_the_net_of_2017_is_the_papers_layers_in_float64() -> None:
    net = ready("unit2017")
    sd = {name: t.double() for name, t in net.state_dict().items()}
    x = torch.rand(2, 3, 16, 24) * 2 - 1

    def conv(name: str, y: Tensor, stride: int, pad: int) -> Tensor:
        return F.conv2d(y, sd[f"{name}.weight"], sd[f"{name}.bias"], stride, pad)

    def leaky(y: Tensor) -> Tensor:
        return torch.where(y > 0, y, 0.01 * y)

    def blocks(half: str, y: Tensor) -> Tensor:
        for n in range(2):
            inner = whitened(conv(f"{half}.{n}.conv1", y, 1, 1)).clamp(min=0)
            y = y + whitened(conv(f"{half}.{n}.conv2", inner, 1, 1))
        return y

    y = leaky(conv("head", x.double(), 1, 3))
    for n in range(2):
        y = leaky(whitened(conv(f"down.{n}", y, 2, 1)))
    latent = blocks("encoder", y)
    assert torch.allclose(net.to_latent(x).double(), latent, atol=1e-4)
    y = blocks("decoder", latent)
    for n in range(2):
        y = leaky(whitened(F.conv_transpose2d(y, sd[f"up.{n}.weight"], sd[f"up.{n}.bias"], 2, 1, 1)))
    # A transposed convolution of one pixel, with its weights turned round, as the paper has it.
    expected = torch.tanh(F.conv_transpose2d(y, sd["tail.weight"].transpose(0, 1), sd["tail.bias"]))
    assert torch.allclose(net(x).double(), expected, atol=1e-4)


def test_the_norm_of_the_2018_decoder_equals_a_float64_reference() -> None:
    torch.manual_seed(0)
    norm = LayerNorm(5)
    norm.bias.data.normal_()
    x = torch.randn(2, 5, 6, 7) * 4 + 10
    for image, found in zip(x.double(), step(norm_stage(norm), x, {}), strict=True):
        count = image.numel()
        mean = image.sum() / count
        deviation = ((image - mean).square().sum() / (count - 1)).sqrt()
        plain = (image - mean) / (deviation + 1e-5)
        expected = plain * norm.weight.double().view(5, 1, 1) + norm.bias.double().view(5, 1, 1)
        assert torch.allclose(found.double(), expected, atol=1e-5)


def test_the_published_sizes() -> None:
    """Counted layer by layer: a 7×7 head, two halvings, 4 + 4 blocks, two doublings, a tail."""
    w = 64
    blocks = 8 * 2 * ((4 * w) ** 2 * 9 + 4 * w)
    ends = (3 * 49 * w + w) + (w * 3 + 3)
    ways = 2 * (2 * w**2 * 9 + 2 * (2 * w) ** 2 * 9) + (2 * w + 4 * w) + (2 * w + w)
    with torch.device("meta"):
        assert parameter_count(build_generator(NetConfig("unit2017", 64, 4))) == blocks + ends + ways == 10_188_803
        assert parameter_count(build_generator(NetConfig("unit", 64, 4))) == 11_140_483


@pytest.mark.parametrize("kind", KINDS)
def test_both_halves_are_the_whole_and_the_taps_its_planes(kind: str) -> None:
    net, x = ready(kind), torch.rand(2, 3, 32, 16) * 2 - 1
    assert torch.equal(net.from_latent(net.to_latent(x)), net(x))
    assert net.to_latent(x).shape == (2, 12, 8, 4)
    assert sorted(map(id, parameters_of(net.chain()))) == sorted(map(id, net.parameters()))
    planes = net.encode(x, net.feature_taps())
    assert [p.shape[1] for p in planes] == [3, 6, 12, 12, 12]


@pytest.mark.parametrize("kind", KINDS)
def test_shared_blocks_are_the_same_tensors_and_the_others_are_not(kind: str) -> None:
    one, other = ready(kind, 1), ready(kind, 2)
    other.share(one, 1)
    shared = {id(p) for p in one.parameters()} & {id(p) for p in other.parameters()}
    blocks = [*one.encoder[-1].parameters(), *one.decoder[0].parameters()]
    assert shared == {id(p) for p in blocks}
    last, first = one.get_parameter("encoder.1.conv1.weight"), one.get_parameter("decoder.0.conv1.weight")
    assert other.get_parameter("encoder.1.conv1.weight") is last
    assert other.get_parameter("decoder.0.conv1.weight") is first
    x = torch.rand(1, 3, 16, 16)
    before = other(x)
    last.data.mul_(2)
    first.data.mul_(-1)
    assert not torch.allclose(before, other(x), atol=1e-3)


def test_unit_nets_have_instance_norms_alone() -> None:
    with pytest.raises(UsageError, match="batch norms"):
        NetConfig("unit2017", 64, 4, "batch")

"""Discriminators: published sizes, map shapes, and how far each value sees."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import DiscriminatorConfig
from imgcycle.errors import UsageError
from imgcycle.nets.discriminators import (
    MultiScaleDiscriminator,
    PatchDiscriminator,
    PlainDiscriminator,
    build_discriminator,
)
from tests.nets.parameters import parameter_count


@pytest.mark.parametrize(
    ("config", "count", "side"),
    [
        (DiscriminatorConfig(), 2_764_737, 30),
        (DiscriminatorConfig("nlayers", layers=4), 6_959_553, 14),
        (DiscriminatorConfig("pixel"), 8_705, 256),
        (DiscriminatorConfig("plain", layers=5), 6_271_617, 8),
    ],
)
def test_counts_and_maps_are_the_published_ones(config: DiscriminatorConfig, count: int, side: int) -> None:
    discriminator = build_discriminator(config)
    assert parameter_count(discriminator) == count
    assert discriminator(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


def test_a_value_of_the_basic_discriminator_sees_seventy_pixels() -> None:
    """Without norms, which see everything, the gradient of one value reaches its receptive field and no further."""
    discriminator = build_discriminator(DiscriminatorConfig(width=4))
    assert isinstance(discriminator, PatchDiscriminator)
    discriminator.norms = torch.nn.ModuleList([torch.nn.BatchNorm2d(c).eval() for c in (8, 16, 32)])
    x = torch.randn(1, 3, 128, 128, requires_grad=True)
    discriminator(x)[0, 0, 7, 7].backward()
    assert x.grad is not None
    reached = x.grad.abs().sum((0, 1)).nonzero()
    assert (reached.max(0).values - reached.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_size_it_names_is_the_smallest_that_works(layers: int) -> None:
    discriminator = build_discriminator(DiscriminatorConfig("nlayers", 2, layers))
    least = discriminator.min_size
    assert discriminator(torch.zeros(1, 3, least, least)).numel() >= 1
    with pytest.raises((RuntimeError, ValueError)):
        discriminator(torch.zeros(1, 3, least - 1, least - 1))


def test_the_plain_discriminator_is_convolutions_and_leaks_alone() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(DiscriminatorConfig("plain", 4, 3)).double()
    sd, x = discriminator.state_dict(), torch.rand(1, 3, 20, 20).double()
    y = x
    for n in range(3):
        y = torch.nn.functional.conv2d(y, sd[f"convs.{n}.weight"], sd[f"convs.{n}.bias"], 2, 1)
        y = torch.where(y > 0, y, 0.01 * y)
    assert isinstance(discriminator, PlainDiscriminator)
    assert torch.allclose(discriminator.features(x), y)
    expected = torch.einsum("nchw,c->nhw", y, sd["last.weight"][0, :, 0, 0]) + sd["last.bias"]
    assert torch.allclose(discriminator(x)[:, 0], expected)


def test_each_size_of_the_multiscale_discriminator_is_half_of_the_one_before() -> None:
    torch.manual_seed(0)
    discriminator = build_discriminator(DiscriminatorConfig("multiscale", 4, 2, scales=3))
    assert isinstance(discriminator, MultiScaleDiscriminator)
    x = torch.rand(1, 3, 32, 32)
    maps = discriminator(x)
    assert [m.shape[-1] for m in maps] == [8, 4, 2]
    # A mean over what lies inside: three by three within, fewer at the edges.
    smaller = torch.stack(
        [
            x[0, :, max(0, 2 * i - 1) : 2 * i + 2, max(0, 2 * j - 1) : 2 * j + 2].mean((1, 2))
            for i in range(16)
            for j in range(16)
        ]
    )
    smaller = smaller.T.reshape(1, 3, 16, 16)
    first = discriminator.discriminators[1].get_parameter("convs.0.weight")
    padded = torch.nn.functional.pad(smaller, (1, 1, 1, 1), "reflect")
    y = torch.nn.functional.conv2d(padded, first, discriminator.discriminators[1].get_parameter("convs.0.bias"), 2)
    y = torch.where(y > 0, y, 0.2 * y)
    second = discriminator.discriminators[1].get_parameter("convs.1.weight")
    padded = torch.nn.functional.pad(y, (1, 1, 1, 1), "reflect")
    y = torch.nn.functional.conv2d(padded, second, discriminator.discriminators[1].get_parameter("convs.1.bias"), 2)
    y = torch.where(y > 0, y, 0.2 * y)
    last = discriminator.discriminators[1].get_submodule("last")
    assert torch.allclose(maps[1], last(y), atol=1e-6)


@pytest.mark.parametrize(("layers", "scales"), [(2, 1), (3, 2), (2, 3)])
def test_the_multiscale_discriminator_names_its_least_size(layers: int, scales: int) -> None:
    discriminator = build_discriminator(DiscriminatorConfig("multiscale", 2, layers, scales=scales))
    least = discriminator.min_size
    assert all(m.numel() >= 1 for m in discriminator(torch.zeros(1, 3, least, least)))
    with pytest.raises(RuntimeError):
        discriminator(torch.zeros(1, 3, least - 1, least - 1))


def test_sizes_belong_to_the_multiscale_discriminator() -> None:
    with pytest.raises(UsageError, match="basic discriminator cannot look at 3 sizes"):
        DiscriminatorConfig(scales=3)

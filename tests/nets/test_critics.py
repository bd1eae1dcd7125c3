"""Critics: published sizes, map shapes, and how far each value sees."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import CriticConfig
from imgcycle.errors import UsageError
from imgcycle.nets.critics import MultiScaleCritic, PatchCritic, PlainCritic, build_critic
from imgcycle.nets.layers import parameter_count


@pytest.mark.parametrize(
    ("config", "count", "side"),
    [
        (CriticConfig(), 2_764_737, 30),
        (CriticConfig("nlayers", layers=4), 6_959_553, 14),
        (CriticConfig("pixel"), 8_705, 256),
        (CriticConfig("plain", layers=5), 6_271_617, 8),
    ],
)
def test_counts_and_maps_are_the_published_ones(config: CriticConfig, count: int, side: int) -> None:
    critic = build_critic(config)
    assert parameter_count(critic) == count
    assert critic(torch.zeros(1, 3, 256, 256)).shape == (1, 1, side, side)


def test_a_value_of_the_basic_critic_sees_seventy_pixels() -> None:
    """Without norms, which see everything, the gradient of one value reaches its receptive field and no further."""
    critic = build_critic(CriticConfig(width=4))
    assert isinstance(critic, PatchCritic)
    critic.norms = torch.nn.ModuleList([torch.nn.BatchNorm2d(c).eval() for c in (8, 16, 32)])
    x = torch.randn(1, 3, 128, 128, requires_grad=True)
    critic(x)[0, 0, 7, 7].backward()
    assert x.grad is not None
    reached = x.grad.abs().sum((0, 1)).nonzero()
    assert (reached.max(0).values - reached.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("layers", [1, 2, 3, 4])
def test_the_smallest_size_it_names_is_the_smallest_that_works(layers: int) -> None:
    critic = build_critic(CriticConfig("nlayers", 2, layers))
    least = critic.min_size
    assert critic(torch.zeros(1, 3, least, least)).numel() >= 1
    with pytest.raises((RuntimeError, ValueError)):
        critic(torch.zeros(1, 3, least - 1, least - 1))


def test_the_plain_critic_is_convolutions_and_leaks_alone() -> None:
    torch.manual_seed(0)
    critic = build_critic(CriticConfig("plain", 4, 3)).double()
    sd, x = critic.state_dict(), torch.rand(1, 3, 20, 20).double()
    y = x
    for n in range(3):
        y = torch.nn.functional.conv2d(y, sd[f"convs.{n}.weight"], sd[f"convs.{n}.bias"], 2, 1)
        y = torch.where(y > 0, y, 0.01 * y)
    assert isinstance(critic, PlainCritic)
    assert torch.allclose(critic.features(x), y)
    expected = torch.einsum("nchw,c->nhw", y, sd["last.weight"][0, :, 0, 0]) + sd["last.bias"]
    assert torch.allclose(critic(x)[:, 0], expected)


def test_each_size_of_the_multiscale_critic_is_half_of_the_one_before() -> None:
    torch.manual_seed(0)
    critic = build_critic(CriticConfig("multiscale", 4, 2, scales=3))
    assert isinstance(critic, MultiScaleCritic)
    x = torch.rand(1, 3, 32, 32)
    maps = critic(x)
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
    first = critic.critics[1].get_parameter("convs.0.weight")
    padded = torch.nn.functional.pad(smaller, (1, 1, 1, 1), "reflect")
    y = torch.nn.functional.conv2d(padded, first, critic.critics[1].get_parameter("convs.0.bias"), 2)
    y = torch.where(y > 0, y, 0.2 * y)
    second = critic.critics[1].get_parameter("convs.1.weight")
    padded = torch.nn.functional.pad(y, (1, 1, 1, 1), "reflect")
    y = torch.nn.functional.conv2d(padded, second, critic.critics[1].get_parameter("convs.1.bias"), 2)
    y = torch.where(y > 0, y, 0.2 * y)
    last = critic.critics[1].get_submodule("last")
    assert torch.allclose(maps[1], last(y), atol=1e-6)


@pytest.mark.parametrize(("layers", "scales"), [(2, 1), (3, 2), (2, 3)])
def test_the_multiscale_critic_names_its_least_size(layers: int, scales: int) -> None:
    critic = build_critic(CriticConfig("multiscale", 2, layers, scales=scales))
    least = critic.min_size
    assert all(m.numel() >= 1 for m in critic(torch.zeros(1, 3, least, least)))
    with pytest.raises(RuntimeError):
        critic(torch.zeros(1, 3, least - 1, least - 1))


def test_sizes_belong_to_the_multiscale_critic() -> None:
    with pytest.raises(UsageError, match="basic critic at 3 sizes"):
        CriticConfig(scales=3)

"""Critics: published sizes, map shapes, and how far each value sees."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import CriticConfig
from imgcycle.nets.critics import PatchCritic, build_critic
from imgcycle.nets.layers import parameter_count


@pytest.mark.parametrize(
    ("config", "count", "side"),
    [
        (CriticConfig(), 2_764_737, 30),
        (CriticConfig("nlayers", layers=4), 6_959_553, 14),
        (CriticConfig("pixel"), 8_705, 256),
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

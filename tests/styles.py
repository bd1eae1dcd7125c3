"""Tiny nets with random weights, saved the way real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.nets.build import build_generator
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator
from imgcycle.weights.native import save_weights
from imgcycle.weights.user_styles import add_style

TINY = NetConfig("compact", 4, 1, "affine")


def tiny_net(config: NetConfig = TINY, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    net = build_generator(config)
    net.initialise()
    return net.eval()


def stroke_net(seed: int = 7) -> Generator:
    """A net without norms that draws a visible change at every pixel."""
    net = tiny_net(NetConfig("compact", 4, 1, "none", global_residual=True), seed)
    assert isinstance(net, CompactGenerator)
    torch.nn.init.normal_(net.tail.weight, 0.0, 0.1)
    return net


def save_two_nets(path: Path, seed: int = 0, strokes: dict[str, float] | None = None, **card: Any) -> Path:
    """A weights file that holds a coarse net and one for fine strokes."""
    fine = stroke_net(seed + 7)
    card |= {"strokes": strokes or {}}
    config = {"kind": "compact", "width": 4, "depth": 1, "norm": "none", "global_residual": True}
    save_weights(path, tiny_net(seed=seed), TINY.to_dict(), card, (fine, config))
    return path


def save_style(path: Path, seed: int = 0, config: NetConfig = TINY, **card: Any) -> Path:
    save_weights(path, tiny_net(config, seed), config.to_dict(), card)
    return path


def settle(patch: pytest.MonkeyPatch, home: Path, *names: str) -> None:
    """Make these styles, and no others, the ones that are here; each is a net of its own that works at 32 pixels."""
    patch.setattr("imgcycle.weights.find.homes", lambda: [home])
    patch.setattr("imgcycle.weights.user_styles.homes", lambda: [home])
    for seed, name in enumerate(names):
        add_style(str(save_style(home.parent / f"{name}.safetensors", seed, work_size=32)), name)

"""Tiny nets with random weights, saved the way real ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from imgcycle.config import NetConfig
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from imgcycle.weights.native import save_weights

TINY = NetConfig("compact", 4, 1, "affine")


def tiny_net(config: NetConfig = TINY, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    net = build_generator(config)
    net.initialise()
    return net.eval()


def save_style(path: Path, seed: int = 0, config: NetConfig = TINY, **card: Any) -> Path:
    save_weights(path, tiny_net(config, seed), config.to_dict(), card)
    return path

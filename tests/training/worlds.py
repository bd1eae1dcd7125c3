"""Two worlds of one make: pictures that know what they should become."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.training.loop import train
from imgcycle.weights.native import load_generator
from tests.training.toys import toy_config

UNIT: dict[str, Any] = {
    "method": "unit", "net": NetConfig("unit2017", 4, 2), "discriminator": DiscriminatorConfig("plain", 8, 3),
    "gan": "vanilla", "lambda_gan": 10.0, "lambda_cycle": 100.0, "weight_decay": 1e-4, "schedule": "constant",
}  # fmt: skip
METHODS: dict[str, dict[str, Any]] = {
    "unit": UNIT,
    "unit 2018": {
        **UNIT, "variant": "2018", "net": NetConfig("unit", 4, 1), "shared_blocks": 0, "schedule": "halving",
        "discriminator": DiscriminatorConfig("multiscale", 8, 2, scales=2), "gan": "lsgan", "lambda_gan": 1.0,
        "lambda_reconstruction": 10.0, "lambda_cycle": 10.0, "lambda_kl": 0.01,
    },
    "pix2pix": {
        "method": "pix2pix", "net": NetConfig("unet", 4, 5, "batch", test_time_stochastic=True), "gan": "vanilla",
        "pool": 0, "discriminator": DiscriminatorConfig("nlayers", 8, 2, "batch"),
    },
    "simgan": {"method": "simgan", "lambda_self": 1.0},
    "bigan": {"method": "bigan"},
    "cogan": {
        "method": "cogan", "net": NetConfig("cogan", 4, 3, "batch"),
        "discriminator": DiscriminatorConfig("plain", 8, 4), "gan": "vanilla", "pool": 0, "batch": 4,
    },
}  # fmt: skip
"""The settings of each method, on nets that take milliseconds."""


def paired_world(root: Path, count: int = 8, side: int = 40) -> None:
    """`red` and `blue`: a few bright blotches in the dark, in one as in the other with red and blue exchanged.

    Bright is rare, so that nobody who looks at either world alone could take dark for light.
    """
    rng = np.random.default_rng(0)
    for name in ("red", "blue"):
        (root / name).mkdir(parents=True)
    for n in range(count):
        coarse = (0.1 + 0.9 * rng.uniform(0, 1, (side // 8, side // 8)) ** 4).astype(np.float32)
        light = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
        pixels = np.clip(light[:, :, None] * np.array([250, 90, 60]), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"red/{n}.png")
        Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1])).save(root / f"blue/{n}.png")


def config_for(root: Path, method: str, **changes: Any) -> TrainConfig:
    """A short run of a method on the paired world below `root`, which is made when missing."""
    if not (root / "red").is_dir():
        paired_world(root)
    return toy_config(root, **{**METHODS[method], **changes})


def learnt(root: Path, config: TrainConfig) -> Path:
    """The run folder of a finished run."""
    train(config, root / "run")
    return root / "run"


def translated(run: Path, direction: str = "A2B") -> tuple[torch.Tensor, torch.Tensor]:
    """Six pictures of the direction's source, and what a run's net makes of them."""
    return translated_by(load_generator(run / f"weights/{direction}.safetensors")[0], run.parent, direction)


def translated_by(net: torch.nn.Module, root: Path, direction: str = "A2B") -> tuple[torch.Tensor, torch.Tensor]:
    """Six pictures of the direction's source in the world below `root`, and what a net makes of them."""
    folder = ImageFolder(root / ("red" if direction == "A2B" else "blue"), 40)
    source = to_signed(stack([folder.centre(n, 32) for n in range(6)]))
    with torch.inference_mode():
        return source, net(source)


def levels(images: torch.Tensor) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The mean of each channel, 0..255."""
    return np.asarray((images.mean((0, 2, 3)) + 1) * 127.5)

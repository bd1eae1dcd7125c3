"""A world of two textures, cheap enough to learn in seconds, and ways to look at a finished run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgcycle.config import TrainConfig
from imgcycle.training.storage.folder import RunFolder
from tests.methods.toys import heeded, tiny_config

RED, BLUE = (200, 70, 50), (50, 80, 200)


def texture_world(root: Path, count: int = 8, side: int = 40) -> tuple[Path, Path]:
    """Red blotches and blue blotches: the same shapes in two colours, never the same picture."""
    rng = np.random.default_rng(0)
    for name, colour in (("red", RED), ("blue", BLUE)):
        (root / name).mkdir(parents=True)
        for n in range(count):
            coarse = rng.uniform(0.25, 1.0, (side // 8, side // 8)).astype(np.float32)
            light = np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))
            pixels = np.clip(light[:, :, None] * np.array(colour), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{n}.png")
    return root / "red", root / "blue"


def toy_config(root: Path, **changes: Any) -> TrainConfig:
    """A short run on the world below `root`, which is made when missing."""
    folders = (root / "red", root / "blue") if (root / "red").is_dir() else texture_world(root)
    base: dict[str, object] = {"steps": 12, "save_every": 4, "sample_every": 100, "pool": 3, "ema": 0.9, "size": 40}
    return tiny_config(a=str(folders[0]), b=str(folders[1]), **{**heeded(base, changes), **changes})


def same(one: Any, other: Any) -> bool:
    """Bit equality of nested states."""
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def logged_losses(run: Path) -> list[dict[str, float]]:
    """The rows of losses of a run's log; what is logged by the clock as well is left out."""
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [row for row in rows if "lr" in row]


def final_state(run: Path) -> dict[str, Any]:
    """The newest state of a run."""
    return RunFolder(run).newest_state()[1]

"""Twelve clips, each with a net of another layout: `pytest tests/drills/test_twelve_clips.py`, with IMGCYCLE_DATA.

The checkpoints are re-creations with random weights, one of each layout that is imported, so nothing is said of how the
results look: every frame comes out, at its time, at its size, as that layout's net paints it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from imgcycle import load_translator
from imgcycle.config import VideoOptions
from imgcycle.jobs.video.run import convert_video
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.importers.animegan import ANIMEGAN
from imgcycle.weights.importers.cartoongan import CARTOONGAN
from imgcycle.weights.importers.cut import CUT
from imgcycle.weights.importers.fast_neural_style import FAST_NEURAL_STYLE
from imgcycle.weights.importers.fast_style_transfer import FAST_STYLE_TRANSFER
from imgcycle.weights.importers.layout import TensorLayout
from imgcycle.weights.importers.learning_collection import LEARNING_COLLECTION
from imgcycle.weights.importers.mmagic import MMAGIC
from imgcycle.weights.importers.official import OFFICIAL
from imgcycle.weights.importers.pytorch_gan import PYTORCH_GAN
from imgcycle.weights.importers.registry import NAMED
from imgcycle.weights.importers.unet import UNET
from imgcycle.weights.importers.unit import UNIT
from imgcycle.weights.importers.whitebox import WHITEBOX
from tests.weights.importers import plain, plain_stylers
from tests.weights.importers.plain import lively
from tests.weights.importers.test_stylers import loud

END = Fraction(1, 4)
"""Seconds of each clip."""


def alone(net: nn.Module) -> object:
    return net.state_dict()


def both_ways(net: nn.Module) -> object:
    return {"a": net.state_dict(), "b": net.state_dict()}


def named(net: nn.Module) -> object:
    return {"state_dict": {f"generators.photo.{name}": tensor for name, tensor in net.state_dict().items()}}


PAIRS: dict[str, tuple[TensorLayout, Callable[[], nn.Module], Callable[[nn.Module], object]]] = {
    "bigbuckbunny.mp4": (OFFICIAL, lambda: lively(plain.Resnet(2)), alone),
    "bikes.mp4": (UNET, lambda: lively(plain.Unet(5, 4, "batch")), alone),
    "bikes_odd_427x181_444.mp4": (CUT, lambda: lively(plain.Resnet(2, down="blur", up="blur")), alone),
    "bikes_vfr.mp4": (MMAGIC, lambda: lively(plain.MMResnet()), named),
    "bt709_full_range.mp4": (UNIT, lambda: lively(plain.UnitSide()), both_ways),
    "carphone_pristine.mp4": (PYTORCH_GAN, lambda: lively(plain.Resnet(2, row="block", up="nearest")), alone),
    "cockatoo.mp4": (LEARNING_COLLECTION, lambda: lively(plain.Lesson()), alone),
    "h265_10bits.mp4": (FAST_NEURAL_STYLE, lambda: loud(plain_stylers.Example()), alone),
    "nasa_13013.mp4": (FAST_STYLE_TRANSFER, lambda: loud(plain_stylers.Rows()), alone),
    "realshort.mp4": (CARTOONGAN, lambda: loud(plain_stylers.Cartoon()), alone),
    "video_270.mov": (ANIMEGAN, lambda: loud(plain_stylers.Anime()), alone),
    "video_90.mov": (WHITEBOX, lambda: loud(plain_stylers.WhiteBox()), alone),
}


@pytest.fixture(scope="module")
def clips() -> Path:
    return Path(os.environ["IMGCYCLE_DATA"]) / "video"


def test_there_is_a_clip_for_every_layout(clips: Path) -> None:
    assert sorted(path.name for path in clips.iterdir()) == sorted(PAIRS)
    assert sorted(layout.name for layout, _, _ in PAIRS.values()) == sorted(layout.name for layout in NAMED)


@pytest.mark.parametrize("name", PAIRS)
def test_every_frame_of_a_clip(clips: Path, tmp_path: Path, name: str) -> None:
    layout, make, tree = PAIRS[name]
    torch.save(tree(make()), tmp_path / "foreign.pth")
    assert import_checkpoint(tmp_path / "foreign.pth")[1].layout == layout.name
    source, target = clips / name, tmp_path / f"out{Path(name).suffix}"
    options = VideoOptions(end=str(float(END)), work_size=128, preset="ultrafast", crf=10, codec="hevc")
    translator = load_translator(str(tmp_path / "foreign.pth"))
    row = convert_video(source, target, translator, options)
    assert (row.status, row.error) == ("done", None)
    before, after = probe_video(source), probe_video(target)
    span = before.span(None, END)
    assert row.frames == after.frames == len(span) > 1
    assert (after.width, after.height, after.sar) == (before.width, before.height, before.sar)
    for n in range(len(span)):
        wanted = before.time(n) - before.time(0)
        assert abs(after.time(n) - after.time(0) - wanted) <= Fraction(1, 1000)
    # Sound and other streams as ever: what the container takes.
    kinds = [s.kind for s in before.streams if s.kind in ("video", "audio")]
    assert [s.kind for s in after.streams if s.kind in ("video", "audio")] == kinds
    # Painted, each frame, and not all alike to one colour.
    with FrameReader(before, end=END) as own, FrameReader(after) as made:
        for left, right in zip(own, made, strict=True):
            assert np.abs(left.frame.astype(int) - right.frame).mean() > 3
            assert right.frame.std() > 3

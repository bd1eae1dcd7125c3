"""Memory of a clip's conversion, and the number of frames in the net at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from imgcycle.config.clips import Compare
from imgcycle.engine.strokes import bytes_in_hand
from imgcycle.engine.translator import Translator
from imgcycle.jobs.budget import MemoryBudget, fixed_bytes
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.strokes import frame_plan
from imgcycle.media.video.ffmpeg import frames_ahead

_IN_HAND = 12
"""Frames of a clip between the two queues."""
_SEEN = 600
"""Bytes a pixel of the downscaled frames: the frames, their motion, the smoother's state."""
_FRESH = 40
"""Bytes a pixel of a downscaled frame while it is in the net or waits for blending."""
_LANES = 8
"""Most frames in the net at once: a single reading and writing thread cannot feed more."""


@dataclass(frozen=True)
class VideoLimits:
    """Limits for video: memory (default a quarter of the installed memory), and frames in the net at once."""

    memory: MemoryBudget | None = None
    frames: int | None = None


DEFAULT_LIMITS = VideoLimits()
"""A quarter of the installed memory, and one frame per core."""


@dataclass(frozen=True)
class FrameCost:
    """Peak bytes of the process for a clip: with one frame in the net, and for each further one."""

    least: int
    worker: int

    def workers(self, translator: Translator, room: VideoLimits) -> int:
        """Frames in the net at once: as many as asked for, else one per core, as far as memory allows."""
        if not translator.concurrent:
            return 1
        wanted = room.frames or min(_LANES, torch.get_num_threads())
        memory = room.memory or MemoryBudget.default()
        return max(1, min(wanted, 1 + (memory.total - self.least) // self.worker))


@dataclass(frozen=True)
class MaskCost:
    """Bytes that masks take beside the frames: for each frame in the pipeline, and for all of them."""

    each: int = 0
    held: int = 0


def frame_cost(
    height: int,
    width: int,
    deep: bool,
    options: ResolvedOptions,
    translator: Translator,
    compare: Compare = "none",
    masks: MaskCost = MaskCost(),
) -> FrameCost:
    """Memory for frames of this size: the net, and all frames in the pipeline with their masks, written with their
    sources or alone.
    """
    shape = options.work_shape(height, width)
    frame = 3 * width * height * (2 if deep else 1)
    written = frame * (2 if compare == "side" else 1)
    queued = frames_ahead(frame) * frame + frames_ahead(written) * written + (0 if compare == "none" else written)
    net = translator.plan(*shape, 2**62, mode="whole").whole_bytes
    # The change is upscaled by columns first: floats of the full width and the work size's height.
    columns = 0 if shape == (height, width) else 12 * width * shape[0]
    small = shape[0] * shape[1]
    fine = 0
    if translator.strokes is not None and options.strokes_share(height, width):
        fine = frame_plan(height, width, translator.strokes).peak_bytes + bytes_in_hand(width)
    least = fixed_bytes(translator) + net + fine + queued + _IN_HAND * frame + _SEEN * small + columns
    least += _IN_HAND * masks.each + masks.held
    return FrameCost(least, net + fine + frame + masks.each + _FRESH * small)

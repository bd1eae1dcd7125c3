"""The mask of each frame of a clip: one picture for all, another clip or sequence in step, or the frames' opacity."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from imgcycle.errors import ImgcycleError, InputError
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import ClipTask, MediumKind
from imgcycle.jobs.video.cost import MaskCost
from imgcycle.jobs.video.fingerprints import fingerprint
from imgcycle.jobs.video.kinds import input_kind, is_sequence
from imgcycle.jobs.video.sources import FrameSource, measure_frames, open_source
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.files import read_file
from imgcycle.media.image.masks import ROWS_BYTES, Mask, is_lossy, levels_of, mask_of_frame, sized
from imgcycle.media.image.read import measure_file
from imgcycle.media.inputs import ALPHA, Source
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.ffmpeg import frames_ahead

_LOSSLESS = ("ffv1", "ffvhuff", "huffyuv", "magicyuv", "png", "qtrle", "rawvideo", "utvideo", "v210")
"""Codecs of clips that keep each value."""
FrameMasks = Callable[[TimedFrame], "Mask | None"]
"""Gives the mask of the next frame; asked for each in order."""


def with_clip_mask(frames: ResolvedOptions, source: Source) -> tuple[ResolvedOptions, str]:
    """A clip's options with the mask that a folder holds for it by name, and its digest; or why there is none."""
    name = frames.mask
    if name is None or name == ALPHA:
        return frames, ""
    path = Path(name)
    if path.is_dir():
        stem = path / source.place
        found = next((p for p in (stem, *sorted(stem.parent.glob(f"{_literal(stem.stem)}.*"))) if p.is_file()), None)
        if found is None:
            return frames, f"no mask of its name in {shown(name)}"
        path = found
    elif not is_sequence(path):
        return frames, ""  # a file, of which the recipe has the digest already
    try:
        known = {"mask": os.fspath(path), "mask_digest": fingerprint(path).digest}
    except OSError as error:
        return frames, f"its mask {shown(path)} cannot be read: {error.strerror}"
    return frames.replace(**known), ""


def _literal(stem: str) -> str:
    """A name as a pattern that matches nothing else."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in stem)


def mask_cost(task: ClipTask, name: str | None, height: int, width: int) -> MaskCost:
    """Memory for the masks of frames of this size; InputError for a mask that cannot be opened."""
    if name is None:
        return MaskCost()
    plane = height * width
    blended = ROWS_BYTES * width
    if name == ALPHA:
        return MaskCost(2 * plane, blended)  # 16 bits at most
    kind = input_kind(Path(name))
    facts = measure_frames(_as_source(task, name, kind))
    own = facts.width * facts.height * (2 if facts.deep else 1)
    plane *= 2 if facts.deep else 1
    if kind == "animation" and measure_file(Path(name)).frames == 1:
        return MaskCost(0, facts.held + 2 * own + plane + blended)
    ahead = frames_ahead(3 * own) if kind == "clip" else 0
    return MaskCost(plane, facts.held + (ahead + 2) * 3 * own + 2 * own + blended)


def _as_source(task: ClipTask, name: str, kind: MediumKind) -> ClipTask:
    """A task whose frames are those of a mask, cut as its own are."""
    return task.replace(input=name, output=name, input_kind=kind, output_kind="sequence")


@contextmanager
def frame_masks(task: ClipTask, name: str | None, source: FrameSource, after: int | None) -> Iterator[FrameMasks]:
    """The masks of a task's frames from the one after number `after` on.

    A clip or sequence is cut as the task's is, frame goes with frame. InputError when it has fewer, or another shape.
    """
    if name is None:
        yield lambda _: None
        return
    if name == ALPHA:
        yield lambda frame: mask_of_frame(frame.frame, frame.alpha)
        return
    moving = None
    try:
        if (still := _still(Path(name), source.height, source.width)) is None:
            moving = open_source(_as_source(task, name, input_kind(Path(name))))
    except ImgcycleError as error:
        raise InputError(f"its mask {shown(name)} cannot be used: {error.message}") from error
    if moving is None:
        yield lambda _: still
        return
    if moving.frames < source.frames:
        raise InputError(f"its mask {shown(name)} has {moving.frames} frames, and the clip has {source.frames}")
    begun = None if after is None else after - source.span.start + moving.span.start
    clip = moving.clip
    lossy = is_lossy(name) if clip is None else clip.video.codec not in _LOSSLESS
    with moving.open(begun) as frames:
        masks = iter(frames)

        def next_mask(_: TimedFrame) -> Mask | None:
            found = next(masks, None)
            if found is None:
                raise InputError(f"its mask {shown(name)} is shorter than the clip")
            return sized(levels_of(found.frame, found.alpha, lossy=lossy), source.height, source.width)

        yield next_mask
        moving.stop()


def _still(path: Path, height: int, width: int) -> Mask | None:
    """The mask in a picture that stands still; None for anything else."""
    if input_kind(path) != "animation":
        return None
    found = read_picture(read_file(path))
    if isinstance(found, Animation):
        return None
    return sized(levels_of(found.pixels, found.alpha, lossy=is_lossy(path)), height, width)

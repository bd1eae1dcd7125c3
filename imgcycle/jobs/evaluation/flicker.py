"""Flicker of a converted clip, compared with its source."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import cv2
import numpy as np

from imgcycle.engine import resample
from imgcycle.engine.smoothing import motion_between
from imgcycle.engine.style import work_shape
from imgcycle.errors import InputError, UsageError
from imgcycle.jobs.evaluation.types import Evaluated, EvaluationEvent, FlickerReport, FlickerRow, Measured
from imgcycle.jobs.events import Note
from imgcycle.media.image.pixels import Floats
from imgcycle.media.image.reduction import reduced
from imgcycle.media.paths import shown
from imgcycle.media.video.decoder import FrameReader
from imgcycle.media.video.probing.clip import Clip
from imgcycle.media.video.probing.clock import jumps_note
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.metrics.flicker import Figures, Flicker

PROTOCOL = (
    "E_warp: each frame moved back onto the one before by the optical flow of the source, mean of the squared "
    "difference where the flow knows, squares of [0, 1] × 10⁶; not across scene cuts",
    "sharpness: mean of |∂x| + |∂y| in levels of 8 bits: a blurred clip flickers less and is no better",
)


def evaluate_flicker(result: str, source: str, size: int = 512) -> Iterator[EvaluationEvent]:
    """Measure a clip and its source frame by frame, both at √(width × height) = `size`; ends with `Evaluated`.

    InputError for an input that is not a clip, or with missing frames, since all later ones would be misaligned;
    UsageError for a missing file, or different numbers of frames.
    """
    clips = [_probed(path) for path in (result, source)]
    if clips[0].frames != clips[1].frames:
        # Packets are not always frames: only decoding knows.
        clips = [_probed(path, counted=True) for path in (result, source)]
    counts = [clip.frames for clip in clips]
    if counts[0] != counts[1]:
        raise UsageError(
            f"{shown(result)} has {counts[0]} frames and {shown(source)} {counts[1]}",
            "they are compared frame by frame: give the clip that it was made from, as a whole",
        )
    found = {"source": Flicker(), "result": Flicker(), "result, blurred": Flicker()}
    before: Floats | None = None
    position, short = 0, ""
    with FrameReader(clips[0]) as results, FrameReader(clips[1]) as sources:
        shape = work_shape(sources.height, sources.width, size)
        for made, seen in zip_longest(results, sources):
            if made is None or seen is None:
                short = shown(result if made is None else source)
                break
            position += 1
            frame, output = (resample.to_float01(reduced(timed.frame, shape)) for timed in (seen, made))
            motion = motion_between(before, frame)
            back, before = None if motion is None else motion.reversed(), frame
            found["source"].add(frame, back)
            found["result"].add(output, back)
            found["result, blurred"].add(_blurred(output), back)
            yield Measured(position, counts[1])
        problems = [f"{shown(p)}: {said}" for p, r in ((result, results), (source, sources)) for said in r.problems]
    if short or (position < counts[1] and problems):
        said = "; ".join(problems) or f"{short} ends after {position} frames, the other does not"
        raise InputError(said, "frames can be compared only when all of them are there")
    joined = [(path, clip.jumps) for path, clip in zip((result, source), clips, strict=True) if clip.jumps]
    jumps = [f"{shown(path)}: {jumps_note(moments)}" for path, moments in joined]
    for remark in (*jumps, *problems):
        yield Note(remark)
    height, width = shape
    protocol = (*PROTOCOL, f"both at {width} × {height}; blurred: Gaussian, σ = 1 px")
    rows = tuple(_row(name, sequence.figures()) for name, sequence in found.items())
    yield Evaluated(FlickerReport(rows, rows[0].frames, protocol))


def _probed(path: str, *, counted: bool = False) -> Clip:
    if not Path(path).exists():
        raise UsageError(f"there is no {shown(path)}")
    try:
        return probe_video(Path(path), counted=counted)
    except InputError as error:
        raise error.at(shown(path)) from error


def _blurred(frame: Floats) -> Floats:
    blurred: Floats = np.asarray(cv2.GaussianBlur(frame, (0, 0), 1.0))
    return blurred


def _row(name: str, figures: Figures) -> FlickerRow:
    e_warp = None if math.isnan(figures.e_warp) else figures.e_warp
    return FlickerRow(name, figures.frames, e_warp, figures.sharpness)

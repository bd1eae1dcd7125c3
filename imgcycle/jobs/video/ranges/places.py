"""Where segments of a clip end, and where ranges of it may begin that are made apart from each other.

A segment ends every five seconds. The smoother forgets everything at a scene cut, so that a range that begins at one
has the frames that it would have in the whole; so that it has its bytes, too, the whole ends a segment there: at the
first cut in each five seconds, which is found without looking at what comes before them. Without smoothing frames do
not depend on each other, and a range may begin wherever a segment does.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

from imgcycle.engine import resample
from imgcycle.engine.clips.planes import PlaneFrames
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.checkpoint import begun_ranges, frames_begun, segment_folder
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.image.pixels import Floats, Pixels, without_holes
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.motion.cuts import is_cut

SEGMENT = Fraction(5)
"""Seconds of a clip in one segment at most, the unit of resuming."""
_LEAST = 2 * SEGMENT
"""Seconds of a range at least, about: a worker's start would take longer than what it saves."""
_LOOK = 120
"""Seconds of a clip in which a cut is looked for."""


def ends_at_cuts(task: ClipTask) -> bool:
    """True if segments of a task end at scene cuts: it has segments, and frames depend on those before."""
    return task.output_kind == "clip" and task.options.smooth != "off"


class SegmentRule:
    """Which frames a segment ends after, and which it ends before; asked about each frame, in order.

    `ends` says it by number for every five seconds, `after` is the number of the frame before the first one (None:
    there is none). With `cuts` a segment ends at scene cuts as well.
    """

    def __init__(self, ends: Callable[[int], bool], after: int | None = None, cuts: bool = False) -> None:
        self._ends, self._cuts = ends, cuts
        self._uncut = after is None or ends(after)
        """Whether these five seconds had no cut yet: ranges begin with them, or with their first cut."""
        self._new = True

    def ends_before(self, cut: bool) -> bool:
        """True if the open segment ends before the next frame, at which there is a scene `cut` or not."""
        ends = self._cuts and cut and self._uncut and not self._new
        self._uncut = self._uncut and not ends
        self._new = False
        return ends

    def ends_after(self, number: int) -> bool:
        """True if it ends after this frame, which was the next one."""
        if not self._ends(number):
            return False
        self._uncut = self._new = True
        return True


def plane_frames(task: ClipTask, source: FrameSource) -> PlaneFrames | None:
    """How frames of a task go through as planes, and has its source read them so; None where something on the way works
    on RGB at full size.
    """
    options = task.frames
    size, stored = (source.height, source.width), source.stored
    coded = task.output_kind == "clip" and task.options.codec != "ffv1" and task.options.comparison == "none"
    plain = options.mask is None and options.strength != 0 and not options.strokes_share(*size)
    if stored is None or source.deep or not (coded and plain):
        return None
    source.planes = True
    return PlaneFrames(*size, options.work_shape(*size), *stored)


def work_frame(timed: TimedFrame, options: ResolvedOptions, planes: PlaneFrames | None) -> tuple[Pixels, Floats]:
    """A frame without transparent holes, and as the net sees it, which is also where cuts are looked for."""
    if planes is not None:
        return timed.frame, planes.small(timed.frame)
    pixels = timed.frame if timed.alpha is None else without_holes(timed.frame, timed.alpha)
    return pixels, resample.to_float01(reduced(pixels, options.work_shape(pixels.shape[0], pixels.shape[1])))


def range_starts(task: ClipTask, source: FrameSource, count: int) -> list[int]:
    """First frames of up to `count` ranges of about one length, the first of the clip included.

    Fewer for a short clip, and where no cut is near: frames between distant cuts depend on each other. Ranges of an
    earlier try are the same again; where one worker began it alone, what is left is parted.
    """
    span, folder = source.span, segment_folder(Path(task.root), Path(task.output))
    if known := [n for n in begun_ranges(folder) if n in span and n > span.start and _next_start(task, source, n, n)]:
        return [span.start, *known]
    begun = frames_begun(folder)
    left = range(min(span.stop, max(span.start, -1 if begun is None else begun + 1)), span.stop)
    count = max(1, min(count, int(len(left) / source.rate / _LEAST)))
    length = len(left) // count
    starts = [span.start]
    for place in range(left.start + length, left.start + count * length, length):
        last = min(span.stop - length // 2, place + length - 1, place + int(_LOOK * source.rate))
        found = _next_start(task, source, max(place, starts[-1] + 1), last)
        if found is not None:
            starts.append(found)
    return starts


def _next_start(task: ClipTask, source: FrameSource, first: int, last: int) -> int | None:
    """The first frame from `first` to `last` that a range may begin with, made as a task says."""
    ends = source.ends(SEGMENT)
    if not ends_at_cuts(task):
        return next((n for n in range(first, last + 1) if ends(n - 1)), None)
    options = task.frames
    planes = plane_frames(task, source)
    begun = first
    while begun > source.span.start and not ends(begun - 1):
        begun -= 1
    rule = SegmentRule(ends, begun - 1, cuts=True)
    before: Floats | None = None
    # The frame before these five seconds is what their first one is compared with.
    with source.open(begun - 2 if begun - 2 >= source.span.start else None, last + 1) as frames:
        for frame in frames:
            _, small = work_frame(frame, options, planes)
            cut = before is not None and is_cut(before, small)
            before = small
            if frame.number < begun:
                continue
            starts = (rule.ends_before(cut) or (cut and ends(frame.number - 1))) and frame.number >= first
            if starts:
                source.stop()
                return frame.number
            rule.ends_after(frame.number)
    return None

"""Which sink a task has."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from imgcycle._version import __version__
from imgcycle.engine.translator import Translator
from imgcycle.jobs.tasks import ClipTask
from imgcycle.jobs.video.ranges.places import ends_at_cuts
from imgcycle.jobs.video.sinks.animation import AnimationSink
from imgcycle.jobs.video.sinks.segmented import ClipSink, SequenceSink
from imgcycle.jobs.video.sinks.sink import FrameSink
from imgcycle.jobs.video.sinks.stream import StreamSink
from imgcycle.jobs.video.sources import FrameSource
from imgcycle.media.video.y4m_pipes import Pipes


def open_sink(
    task: ClipTask,
    source: FrameSource,
    net: Translator,
    recipe: dict[str, Any],
    segment: Fraction,
    resume: bool,
    pipes: Pipes | None = None,
) -> FrameSink:
    """Sink of a task; `recipe` and `net`'s precision decide whether earlier segments can be used.

    UsageError or OutputError if the result cannot be written that way.
    """
    if task.output_kind == "stream":
        assert pipes is not None
        return StreamSink(task, source, pipes)
    if task.output_kind == "animation":
        return AnimationSink(task, source, net, recipe | {"input": source.digest})
    making = {
        "input": source.digest,
        "recipe": recipe,
        "precision": str(net.dtype),
        "segment": f"{segment} and cuts" if ends_at_cuts(task) else str(segment),
        "version": __version__,
    }
    made = SequenceSink if task.output_kind == "sequence" else ClipSink
    return made(task, source, making, resume)

"""The streaming engine: a net over an image of any size, strip by strip, with the whole image's result.

Every pass runs over all rows. Rows are read at the start of the pass, go through the local stages strip by strip, and
end in the statistics of the next norm, in stored planes, or in the result. Rows that the next strip needs again are
carried over, so nothing is computed twice within a pass and strips may have any height.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor

from imgcycle.device import uploaded
from imgcycle.engine.fused import AnyStage
from imgcycle.engine.row_io import PaddedSource, RowSink, RowSource
from imgcycle.engine.strips.passes import Node, Pass, PassSchedule, Step, trace
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strips.rows import computed, concatenated, in_place
from imgcycle.engine.strips.spill import FilePlanes, MemoryPlanes, Planes
from imgcycle.engine.strips.statistics import Affine, NormStatistics, affine_of
from imgcycle.errors import ImgcycleError
from imgcycle.nets.stages import Add, Conv, ConvTranspose, Norm

Listener = Callable[[float], None]
"""Hears the share 0..1 of the work that is done."""
Pieces = list[tuple[int, Tensor]]
"""Consecutive rows of a plane, each piece with its first row."""


def part_of(listener: Listener | None, begun: float, work: float, total: float) -> Listener | None:
    """A listener for `work` of `total`, of which `begun` was done before."""
    return None if listener is None else lambda share: listener((begun + work * share) / total)


def in_turn(listener: Listener | None, plans: Sequence[StripPlan]) -> list[Listener | None]:
    """A listener for each of an image's nets, which run one after another; work is in multiply-adds."""
    works = [max(1.0, plan.multiply_adds) for plan in plans]
    return [part_of(listener, sum(works[:n]), work, sum(works)) for n, work in enumerate(works)]


def stream(
    chain: Sequence[AnyStage],
    plan: StripPlan,
    source: RowSource,
    sink: RowSink,
    listener: Listener | None = None,
    folder: Path | None = None,
) -> list[NormStatistics]:
    """Run a chain over an image by strips; returns the statistics of its norms, in order.

    The chain's parameters give the device and the dtype of its convolutions; rows have the dtype of the first. Spill
    files are in `folder` (by default the system's for temporary files) and are removed when this returns or raises.
    OutputError if their disk is full; ImgcycleError if even one row does not fit the device.
    """
    padded = PaddedSource(source, plan.stride, plan.min_size)
    nodes = trace(chain, plan.channels, padded.height, padded.width)
    with ExitStack() as stack, torch.inference_mode():
        return _Stream(nodes, plan, padded, sink, listener, folder, stack).run()


class _Stream:
    def __init__(
        self,
        nodes: tuple[Node, ...],
        plan: StripPlan,
        source: PaddedSource,
        sink: RowSink,
        listener: Listener | None,
        folder: Path | None,
        stack: ExitStack,
    ) -> None:
        self.nodes, self.plan, self.source, self.sink = nodes, plan, source, sink
        self.listener = listener or (lambda _: None)
        self.passes = plan.passes(nodes)
        first = next(n.stage for n in nodes if isinstance(n.stage, Conv | ConvTranspose))
        self.device, self.dtype = first.weight.device, first.weight.dtype
        self.stores = [self._open(number, folder, stack) for number in range(len(plan.buffers))]
        self.where = {node: n for n, buffer in enumerate(plan.buffers) for node in buffer.nodes}
        self.affines: dict[int, Affine] = {}
        self.norms = [n for n, node in enumerate(nodes) if isinstance(node.stage, Norm)]
        self.total = sum(PassSchedule(nodes, p).whole_work() for p in self.passes)
        self.done = 0.0

    def _open(self, number: int, folder: Path | None, stack: ExitStack) -> Planes:
        buffer = self.plan.buffers[number]
        shape = (buffer.channels, buffer.height, buffer.width, buffer.dtype)
        store: Planes = FilePlanes(*shape, folder) if buffer.spilled else MemoryPlanes(*shape)
        stack.callback(store.close)
        return store

    def run(self) -> list[NormStatistics]:
        found = []
        for index, a_pass in enumerate(self.passes):
            moments = self._walk(index, a_pass)
            if index < len(self.norms):
                norm = self.nodes[self.norms[index]].stage
                assert isinstance(norm, Norm)
                self.affines[self.norms[index]] = affine_of(norm, moments)
                found.append(moments)
        return found

    def _walk(self, index: int, a_pass: Pass) -> NormStatistics:
        """Run one pass; returns the statistics of its goal, or writes the result's rows in the last pass."""
        schedule = PassSchedule(self.nodes, a_pass)
        ready = {step.node: self._ready(step) for step in schedule.order}
        last = index == len(self.passes) - 1
        moments = NormStatistics.empty(self.nodes[a_pass.goal].channels)
        ends: Mapping[int, int] = schedule.start()
        carried: dict[int, Pieces] = {}
        rows = self.plan.rows[index]
        top, failed = 0, False
        while top < schedule.height:
            fresh = schedule.advance(ends, min(schedule.height, top + rows))
            try:
                new, carried_on = self._strip(schedule, ready, fresh, carried)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
                if rows == 1:
                    raise ImgcycleError(f"{self.device} has no memory for one row of the picture") from error
                rows = max(1, min(rows, schedule.height - top) // 2)
                failed = True
            if failed:
                # Only here, outside the handler, does nothing refer to the failed strip's planes any more.
                _release(self.device)
                failed = False
                continue
            for node in a_pass.stores:
                if node in new:
                    # Measured as stored: rounding a flat plane would shift its mean.
                    new[node] = new[node].to(self.plan.buffers[self.where[node]].dtype)
                    self.stores[self.where[node]].write(fresh[node][0], new[node])
            bottom = fresh[a_pass.goal][1]
            if last:
                self._write(top, new[a_pass.goal])
            else:
                moments = moments.merged(NormStatistics.of(new[a_pass.goal]))
            self.done += schedule.work(fresh)
            carried, top = carried_on, bottom
            ends = {n: hi for n, (_, hi) in fresh.items()}
            self.listener(min(1.0, self.done / self.total))
        return moments

    def _strip(
        self,
        schedule: PassSchedule,
        ready: Mapping[int, _Ready],
        fresh: Mapping[int, tuple[int, int]],
        carried: Mapping[int, Pieces],
    ) -> tuple[dict[int, Tensor], dict[int, Pieces]]:
        """Compute one strip: the new rows that are stored or returned, and the rows to carry over."""
        wanted = {*schedule.a_pass.stores, schedule.a_pass.goal}
        after = {n: hi for n, (_, hi) in fresh.items()}
        left = {n: len(users) for n, users in schedule.users.items()}
        windows: dict[int, Pieces] = {n: list(pieces) for n, pieces in carried.items()}
        out, carry = dict[int, Tensor](), dict[int, Pieces]()
        for step in schedule.order:
            node, span = step.node, fresh[step.node]
            if span[1] > span[0]:
                x = ready[node](windows, span)
                windows.setdefault(node, []).append((span[0], x))
                if node in wanted:
                    out[node] = x
            keep = schedule.carried_from(node, after)
            if keep < after[node]:
                # Copied: a view would keep the whole strip alive, or be overwritten with its plane.
                carry[node] = [(keep, concatenated(list(_cut(windows[node], keep, after[node]))).clone())]
            for parent in step.parents:
                left[parent] -= 1
                if not left[parent]:
                    windows.pop(parent, None)
        return out, carry

    def _write(self, top: int, rows: Tensor) -> None:
        """Write result rows to the sink, without padding."""
        height, width = self.source.source.height, self.source.source.width
        rows = rows[:, :, : max(0, height - top), :width]
        if rows.shape[2]:
            self.sink.write_rows(top, rows.to("cpu", torch.float32))

    def _ready(self, step: Step) -> _Ready:
        """A step with its parameters for this pass."""
        stage = self.nodes[step.node].stage
        if not step.parents:
            return self._reading(step.node)
        height = self.nodes[step.parents[0]].height
        if isinstance(stage, Norm):
            # Folded into the convolution before it a norm would cost nothing, but give other bits than whole images.
            return _pointwise(self.affines[step.node].to(self.device, self.dtype), step)
        if isinstance(stage, Add):
            return _adding(step)
        assert stage is not None
        return _local(stage, step, height)

    def _reading(self, node: int) -> _Ready:
        if node:
            store = self.stores[self.where[node]]

            def read(_: Mapping[int, Pieces], span: tuple[int, int]) -> Tensor:
                return uploaded(store.read(*span), self.device).to(self.dtype)

            return read

        def decode(_: Mapping[int, Pieces], span: tuple[int, int]) -> Tensor:
            rows = uploaded(self.source.read_rows(*span), self.device)
            return rows.to(self.dtype, memory_format=torch.channels_last)

        return decode


_Ready = Callable[[Mapping[int, Pieces], tuple[int, int]], Tensor]
"""Computes the given rows of one plane from the windows of others."""


def _local(stage: AnyStage, step: Step, height: int) -> _Ready:
    parent = step.parents[0]

    def compute(windows: Mapping[int, Pieces], span: tuple[int, int]) -> Tensor:
        if step.overwrites:
            return in_place(stage, _rows(windows[parent], *span))
        return computed(stage, lambda lo, hi: list(_cut(windows[parent], lo, hi)), height, span)

    return compute


def _pointwise(affine: Affine, step: Step) -> _Ready:
    def compute(windows: Mapping[int, Pieces], span: tuple[int, int]) -> Tensor:
        return affine(_rows(windows[step.parents[0]], *span))

    return compute


def _adding(step: Step) -> _Ready:
    def compute(windows: Mapping[int, Pieces], span: tuple[int, int]) -> Tensor:
        a, b = (_rows(windows[parent], *span) for parent in step.parents)
        return a.add_(b) if step.overwrites else a + b

    return compute


def _rows(pieces: Pieces, lo: int, hi: int) -> Tensor:
    return concatenated(list(_cut(pieces, lo, hi)))


def _cut(pieces: Pieces, lo: int, hi: int) -> Iterator[Tensor]:
    """Yield rows lo..hi of consecutive pieces, as views."""
    for first, rows in pieces:
        a, b = max(lo - first, 0), min(hi - first, rows.shape[2])
        if a < b:
            yield rows[:, :, a:b]


def is_out_of_memory(error: BaseException) -> bool:
    """True if a device, or the machine, ran out of memory."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return "out of memory" in text or "can't allocate memory" in text


def _release(device: torch.device) -> None:
    """Release cached blocks after a failure, so that smaller ones can be allocated."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "xpu":
        torch.xpu.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()

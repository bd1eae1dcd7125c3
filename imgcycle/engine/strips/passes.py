"""A net's chain cut at its norms into passes over all rows, and the row arithmetic of one pass.

A norm needs the statistics of a whole plane, so everything before it has to be computed once before anything after it
can be: a pass. Between norms everything is local. Within a pass each row of each plane is computed exactly once,
whatever the height of the strips: rows that the next strip needs again are carried over to it.

A pass starts from planes that an earlier pass stored, or from the image; other planes are computed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from imgcycle.engine.fused import AnyStage, FusedUpsampleConv
from imgcycle.engine.strips.rows import multiply_adds_per_row, rows_read, shape_after
from imgcycle.nets.stages import INPUT, Activation, Add, ConvTranspose, Head, Norm, Save, Upsample

_TOUCH = 12.0
"""Cost of reading and writing a value, in multiply-adds: for the progress bar alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """The planes after one stage (no stage for the image itself), and the planes that the stage reads."""

    stage: AnyStage | None
    parents: tuple[int, ...]
    channels: int
    height: int
    width: int

    @property
    def values(self) -> int:
        """Number of values in these planes."""
        return self.channels * self.height * self.width


def trace(chain: Sequence[AnyStage], channels: int, height: int, width: int) -> tuple[Node, ...]:
    """The chain as a graph of planes; a Save is not a node but a name for one.

    ValueError for a norm by batch statistics.
    """
    nodes = [Node(None, (), channels, height, width)]
    slots = {INPUT: 0}
    at = 0
    for stage in chain:
        if isinstance(stage, Save):
            slots[stage.slot] = at
            continue
        if isinstance(stage, Norm) and (stage.kind == "batch" or stage.running is not None):
            raise ValueError("a norm by batch statistics cannot be walked")
        parents = (at, slots[stage.slot]) if isinstance(stage, Add) else (at,)
        before = nodes[at]
        nodes.append(Node(stage, parents, *shape_after(stage, before.channels, before.height, before.width)))
        at = len(nodes) - 1
    return tuple(nodes)


@dataclass(frozen=True, slots=True)
class Step:
    """One plane computed within a pass, from `parents`; `overwrites` if the first of them is not needed any more."""

    node: int
    parents: tuple[int, ...]
    overwrites: bool = False


@dataclass(frozen=True, slots=True)
class Pass:
    """One run over all rows: planes read (`leaves`), computed (in order), stored, and measured or returned (`goal`)."""

    goal: int
    leaves: tuple[int, ...]
    steps: tuple[Step, ...]
    stores: tuple[int, ...]


def pass_ends(nodes: Sequence[Node]) -> list[int]:
    """Last plane of each pass: the input of each norm, and the result."""
    return [node.parents[0] for node in nodes if isinstance(node.stage, Norm)] + [len(nodes) - 1]


def cut_into_passes(nodes: Sequence[Node], kept: Iterable[int]) -> list[Pass]:
    """Passes of a net when the planes `kept` are stored by the first pass that computes them.

    A plane that no later pass would read is not stored.
    """
    wanted, stored = set(kept) - {0}, set[int]()
    drafts: list[tuple[int, list[int], list[int], list[int]]] = []
    for goal in pass_ends(nodes):
        leaves, inner = _ancestors(nodes, goal, stored)
        stores = [n for n in inner if n in wanted]
        drafts.append((goal, leaves, inner, stores))
        stored.update(stores)
    read = {leaf for _, leaves, _, _ in drafts for leaf in leaves}
    return [
        Pass(goal, tuple(leaves), _steps(nodes, goal, inner, kept_here), kept_here)
        for goal, leaves, inner, stores in drafts
        for kept_here in [tuple(n for n in stores if n in read)]
    ]


def _ancestors(nodes: Sequence[Node], goal: int, stored: set[int]) -> tuple[list[int], list[int]]:
    leaves, inner, ahead = set[int](), set[int](), [goal]
    while ahead:
        n = ahead.pop()
        if n == 0 or n in stored:
            leaves.add(n)
        elif n not in inner:
            inner.add(n)
            ahead += nodes[n].parents
    return sorted(leaves), sorted(inner)


def _steps(nodes: Sequence[Node], goal: int, inner: list[int], stores: tuple[int, ...]) -> tuple[Step, ...]:
    users: dict[int, int] = {}
    for n in inner:
        for parent in nodes[n].parents:
            users[parent] = users.get(parent, 0) + 1

    def private(n: int) -> bool:
        return n in inner and users[n] == 1 and n not in stores and n != goal

    steps = []
    for n in inner:
        stage, parents = nodes[n].stage, nodes[n].parents
        pointwise = isinstance(stage, Activation | Add | Head | Norm)
        steps.append(Step(n, parents, overwrites=pointwise and private(parents[0])))
    return tuple(steps)


class PassSchedule:
    """Rows of each plane that each strip of a pass computes and carries over."""

    def __init__(self, nodes: Sequence[Node], a_pass: Pass) -> None:
        self.nodes = nodes
        self.a_pass = a_pass
        self.order = [Step(leaf, ()) for leaf in a_pass.leaves] + list(a_pass.steps)
        self.height = nodes[a_pass.goal].height
        self.users: dict[int, list[Step]] = {step.node: [] for step in self.order}
        for step in a_pass.steps:
            for parent in step.parents:
                self.users[parent].append(step)

    def start(self) -> dict[int, int]:
        """Rows computed before the first strip: none."""
        return {step.node: 0 for step in self.order}

    def span(self, step: Step, lo: int, hi: int) -> tuple[int, int]:
        """Rows of its parents that a step needs for its rows lo..hi."""
        stage = self.nodes[step.node].stage
        assert stage is not None
        return rows_read(stage, lo, hi, self.nodes[step.parents[0]].height)

    def advance(self, ends: Mapping[int, int], hi: int) -> dict[int, tuple[int, int]]:
        """New rows of every plane when the goal is computed up to row `hi`."""
        wanted = {self.a_pass.goal: hi}
        if hi == self.height:
            wanted |= {n: self.nodes[n].height for n in self.a_pass.stores}
        fresh = {}
        for step in reversed(self.order):
            lo = ends[step.node]
            to = max(lo, wanted.get(step.node, 0))
            fresh[step.node] = (lo, to)
            if to > lo and step.parents:
                last = self.span(step, lo, to)[1]
                for parent in step.parents:
                    wanted[parent] = max(wanted.get(parent, 0), last)
        return fresh

    def carried_from(self, node: int, ends: Mapping[int, int]) -> int:
        """First row of a plane that later strips need; its end if none of those computed."""
        first = ends[node]
        for user in self.users[node]:
            end = ends[user.node]
            height = self.nodes[user.node].height
            if end < height:
                first = min(first, self.span(user, end, height)[0])
        return first

    def multiply_adds(self, step: Step) -> float:
        """Multiply-adds of a step for each of its rows."""
        stage = self.nodes[step.node].stage
        if not step.parents or stage is None:
            return 0.0
        here, before = self.nodes[step.node], self.nodes[step.parents[0]]
        return multiply_adds_per_row(stage, before.height, here.height, here.width, before.width)

    def work(self, fresh: Mapping[int, tuple[int, int]]) -> float:
        """Cost of a strip, in multiply-adds and their equivalents."""
        total = 0.0
        for step in self.order:
            lo, hi = fresh[step.node]
            node = self.nodes[step.node]
            total += (hi - lo) * (self.multiply_adds(step) + _TOUCH * node.channels * node.width)
        return total

    def whole_work(self) -> float:
        """Cost of all strips of the pass."""
        return self.work({step.node: (0, self._end(step.node)) for step in self.order})

    def whole_multiply_adds(self) -> float:
        """Multiply-adds of the pass."""
        return sum(self.multiply_adds(step) * self._end(step.node) for step in self.order)

    def _end(self, node: int) -> int:
        return self.advance(self.start(), self.height)[node][1]

    def strip_bytes(self, rows: int, size: int) -> int:
        """Peak bytes of planes with `size` bytes a value during a strip of `rows` rows.

        Computed for the first three strips: the first reads farthest ahead, and all later ones are alike.
        """
        ends, carried, most = self.start(), dict[int, int](), 0
        for _ in range(3):
            done = ends[self.a_pass.goal]
            if done >= self.height:
                break
            fresh = self.advance(ends, min(self.height, done + rows))
            after = {n: hi for n, (_, hi) in fresh.items()}
            most = max(most, self._peak(fresh, carried))
            carried = {n: after[n] - self.carried_from(n, after) for n in after}
            ends = after
        return most * size

    def _peak(self, fresh: Mapping[int, tuple[int, int]], carried: Mapping[int, int]) -> int:
        """Peak number of values alive during one strip."""
        row = {step.node: self.nodes[step.node].channels * self.nodes[step.node].width for step in self.order}
        alive = sum(rows * row[n] for n, rows in carried.items())
        left = {n: len(users) + (n in self.a_pass.stores) for n, users in self.users.items()}
        most = alive
        for step in self.order:
            lo, hi = fresh[step.node]
            made = (hi - lo) * row[step.node]
            stage = self.nodes[step.node].stage
            extra = 0
            if step.parents and hi > lo and not isinstance(stage, Activation | Add | Head | Norm):
                # A padded copy of the input, and what kernels rearrange of it.
                first, last = self.span(step, lo, hi)
                extra = (last - first) * row[step.parents[0]]
                if isinstance(stage, ConvTranspose | Upsample | FusedUpsampleConv):
                    extra += made
            alive += made
            most = max(most, alive + extra)
            for parent in step.parents:
                left[parent] -= 1
                if left[parent] == 0:
                    done = fresh[parent]
                    alive -= (done[1] - done[0]) * row[parent]
        return most

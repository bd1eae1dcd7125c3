"""Plan an image through a net: whole or in strips, planes stored or recomputed, in memory or on disk.

Everything follows from sizes, the net and the memory limit, so the same image is always processed the same way. Neither
timing nor free memory is measured.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from imgcycle.engine.full_frame import last_uses
from imgcycle.engine.fused import AnyStage, FusedUpsampleConv, SubpixelConv
from imgcycle.engine.padding import padded_size
from imgcycle.engine.strips.passes import Node, Pass, PassSchedule, cut_into_passes, pass_ends, trace
from imgcycle.engine.strips.rows import shape_after
from imgcycle.errors import UsageError, counted
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import Activation, Add, Blur, Conv, ConvTranspose, Save, multiply_adds

STRIP_BYTES = 24 * 2**20
"""Planes alive in a strip: what fits the last-level cache. Of 6 to 256 MiB this was the fastest for narrow and wide
nets alike (`tests/benchmarks/strips.py`).
"""
WHOLE_BYTES = 512 * 2**20
"""On a CPU, an image that needs more than this is run in strips even if it would fit whole. Below it whole images
are up to 1.2 times as fast, at 12 megapixels strips are (compact net, bfloat16), in a tenth of the memory.
"""
_LOOSE = 3
"""Bytes that strips take for each byte alive: the C library keeps freed blocks of that size. Forced to return them
it takes only what is alive, but everything takes 1.7 times as long.
"""
_SCRATCH = 32 * 2**20
"""Bytes that kernels and statistics take beside the planes."""
_GOOD_ROWS = 4
"""Rows of a strip below which call overhead exceeds arithmetic: fewer only if memory requires it."""
_OPTIONAL = 6
"""Planes above the smallest size that may be stored or recomputed: all 2⁶ combinations are tried."""


@dataclass(frozen=True)
class Buffer:
    """Storage for planes (channels, height, width), one after another in time, in memory or in a spill file."""

    nodes: tuple[int, ...]
    channels: int
    height: int
    width: int
    dtype: torch.dtype
    spilled: bool = False

    @property
    def bytes(self) -> int:
        """Size in bytes."""
        return self.channels * self.height * self.width * self.dtype.itemsize


@dataclass(frozen=True)
class StripPlan:
    """Plan for one image and one net.

    `height` and `width` are the image's; `rows` are those of each pass's strips, in rows of the planes that the pass
    computes. `multiply_adds` counts all passes, `whole_multiply_adds` one run over the whole image. `strip_bytes` and
    `plane_bytes` are in memory at once, `spill_bytes` on disk.
    """

    mode: Literal["whole", "strips"]
    height: int
    width: int
    channels: int
    stride: int
    min_size: int
    kept: tuple[int, ...] = ()
    buffers: tuple[Buffer, ...] = ()
    rows: tuple[int, ...] = ()
    strip_bytes: int = 0
    multiply_adds: float = 0.0
    whole_multiply_adds: float = 0.0
    whole_bytes: int = 0
    streamable: bool = True

    @property
    def plane_bytes(self) -> int:
        """Bytes of planes stored in memory."""
        return sum(b.bytes for b in self.buffers if not b.spilled)

    @property
    def spill_bytes(self) -> int:
        """Bytes of planes stored on disk."""
        return sum(b.bytes for b in self.buffers if b.spilled)

    @property
    def peak_bytes(self) -> int:
        """Peak memory of the net in bytes, without its weights."""
        return self.whole_bytes if self.mode == "whole" else self.strip_bytes + self.plane_bytes

    def passes(self, nodes: Sequence[Node]) -> list[Pass]:
        """The passes over a traced chain."""
        return cut_into_passes(nodes, self.kept)

    def __str__(self) -> str:
        picture = f"{self.width} × {self.height}"
        if self.mode == "whole":
            why = "" if self.streamable else " (this net cannot be run in strips)"
            return f"{picture}: whole{why}, {_size(self.whole_bytes)} of planes in memory."
        kept = f"{_size(self.plane_bytes)} of kept planes in memory"
        if self.spill_bytes:
            kept += f", {_size(self.spill_bytes)} in a temporary file"
        extra = 100 * (self.multiply_adds / self.whole_multiply_adds - 1)
        return (
            f"{picture}: exact strips, {_rows_of_passes(self.rows)} at a time,"
            f" {_size(self.strip_bytes)} of strips and {kept};"
            f" {extra:.0f} % more arithmetic than whole, which would take {_size(self.whole_bytes)}."
        )


def make_plan(
    net: Generator,
    height: int,
    width: int,
    memory: int,
    dtype: torch.dtype = torch.float32,
    *,
    held: int = 0,
    planes: torch.dtype | None = None,
    mode: Literal["auto", "whole", "strips"] = "auto",
    device: str = "cpu",
    channels: int = 3,
    chain: Sequence[AnyStage] | None = None,
) -> StripPlan:
    """Plan an image of `height` × `width` for a net that computes in `dtype`.

    `memory` is the limit in bytes for the process, of which `held` are used by everything else. Stored planes have the
    dtype `planes`, by default that of the computation, which is lossless. `device` is the device type: a CPU is faster
    in strips that stay in its cache, others take whole images if they fit. A net without stages is planned whole.
    UsageError, with the least memory that would do, if that or the thinnest strips exceed the limit. `chain` are the
    stages as they will be run, by default the net's own.
    """
    chain = net.stages() if chain is None else chain
    room = memory - held
    tall, wide = padded_size(height, width, net.stride, net.min_size)
    size = dtype.itemsize
    base = StripPlan("whole", height, width, channels, net.stride, net.min_size)
    if chain is None:
        if mode == "strips":
            raise UsageError("this net cannot be run in strips: its norms or skips span the whole picture")
        base = replace(base, whole_bytes=untraced_bytes(net, channels, tall, wide, size), streamable=False)
        if mode == "auto" and base.whole_bytes > room:
            raise _too_little(base, memory, held + base.whole_bytes)
        return base
    nodes = trace(chain, channels, tall, wide)
    whole = whole_bytes(chain, channels, tall, wide, size)
    stages = net.stages()
    assert stages is not None
    arithmetic = float(multiply_adds(stages, tall, wide))
    base = replace(base, whole_bytes=whole, multiply_adds=arithmetic, whole_multiply_adds=arithmetic)
    fits = whole <= (min(room, WHOLE_BYTES) if device == "cpu" else room)
    if mode == "whole" or (mode == "auto" and fits):
        return base
    kept_type = planes or dtype
    least = _spilled(nodes, size)
    if mode == "auto" and room < least and whole <= room:
        return base
    if room < least:
        raise _too_little(base, memory, held + min(least, whole))
    return _best(base, nodes, room, size, kept_type)


def least_memory(
    net: Generator,
    height: int,
    width: int,
    dtype: torch.dtype = torch.float32,
    channels: int = 3,
    chain: Sequence[AnyStage] | None = None,
) -> int:
    """Fewest bytes of planes with which an image can be processed, with all stored planes on disk."""
    chain = net.stages() if chain is None else chain
    tall, wide = padded_size(height, width, net.stride, net.min_size)
    if chain is None:
        return untraced_bytes(net, channels, tall, wide, dtype.itemsize)
    nodes = trace(chain, channels, tall, wide)
    return min(_spilled(nodes, dtype.itemsize), whole_bytes(chain, channels, tall, wide, dtype.itemsize))


def whole_bytes(chain: Sequence[AnyStage], channels: int, height: int, width: int, size: int) -> int:
    """Peak bytes of `run_whole` for an image, with values of `size` bytes."""
    last, slots = last_uses(chain), dict[str, int]()
    shape = (channels, height, width)
    given = most = math.prod(shape)
    for n, stage in enumerate(chain):
        before = math.prod(shape)
        if isinstance(stage, Save):
            slots[stage.slot] = before
            continue
        shape = shape_after(stage, *shape)
        # A padded copy, or what a kernel rearranges; activations overwrite.
        extra = before if isinstance(stage, Conv | ConvTranspose | Blur | FusedUpsampleConv | SubpixelConv) else 0
        after = 0 if isinstance(stage, Activation) else math.prod(shape)
        most = max(most, given + sum(slots.values()) + before + after + extra)
        if isinstance(stage, Add) and last[stage.slot] == n:
            slots.pop(stage.slot, None)
    return most * size + _SCRATCH


def untraced_bytes(net: Generator, channels: int, height: int, width: int, size: int) -> int:
    """Upper bound of the bytes of a net without stages: all its layers' planes, which grow with the area.

    A net that optimises a latent has float32 planes of a fixed size; the image is there four times, as input and
    output.
    """
    if (fixed := net.fixed_values()) is not None:
        return 4 * fixed + 4 * 4 * channels * height * width + _SCRATCH
    if net not in _VALUES:
        known = net.values_per_pixel()
        _VALUES[net] = _values_per_pixel(net, channels) if known is None else known
    return round((channels + _VALUES[net]) * height * width) * size + _SCRATCH


_VALUES: WeakKeyDictionary[Generator, float] = WeakKeyDictionary()
"""Values of all layers' planes for each pixel, of nets seen so far."""


def _values_per_pixel(net: Generator, channels: int) -> float:
    side = -(-max(net.min_size, 1) // net.stride) * net.stride
    total = 0

    def count(_: nn.Module, __: object, made: object) -> None:
        nonlocal total
        total += made.numel() if isinstance(made, Tensor) else 0

    # A copy: another thread may be running the net.
    shadow = copy.deepcopy(net).eval()
    for module in shadow.modules():
        if not any(True for _ in module.children()):
            module.register_forward_hook(count)
    like = next(shadow.parameters())
    with torch.inference_mode():
        shadow(torch.zeros((1, channels, side, side), device=like.device, dtype=like.dtype))
    return total / side**2


def _too_little(base: StripPlan, memory: int, least: int) -> UsageError:
    return UsageError(
        f"{base.width} × {base.height} pixels need more than the {_size(memory)} allowed",
        f"--memory {-(-least // 2**20)}M is the least that would do",
    )


def _spilled(nodes: tuple[Node, ...], size: int, rows: int = 1) -> int:
    """Bytes of strips of `rows` rows with all stored planes on disk."""
    passes = cut_into_passes(nodes, _mandatory(nodes))
    schedules = [PassSchedule(nodes, p) for p in passes]
    return _resident(max(s.strip_bytes(min(rows, s.height), size) for s in schedules))


def _resident(strip: int) -> int:
    """Process memory for strips with `strip` bytes alive at once."""
    return _LOOSE * strip + _SCRATCH


def _best(base: StripPlan, nodes: tuple[Node, ...], room: int, size: int, kept_type: torch.dtype) -> StripPlan:
    """Plan with the fewest multiply-adds that stores all planes in memory; else the one that stores least, partly
    on disk.
    """
    must = _mandatory(nodes)
    may = sorted(set(pass_ends(nodes)[:-1]) - must)[:_OPTIONAL]
    strips = min(max(_resident(STRIP_BYTES), _spilled(nodes, size, _GOOD_ROWS)), room)
    ways = []
    for chosen in itertools.chain.from_iterable(itertools.combinations(may, k) for k in range(len(may) + 1)):
        kept = must | set(chosen)
        passes = cut_into_passes(nodes, kept)
        buffers = _buffers(nodes, passes, kept_type)
        spills = sum(b.bytes for b in buffers) + strips > room
        if not spills or not chosen:
            cost = sum(PassSchedule(nodes, p).whole_multiply_adds() for p in passes)
            ways.append((spills, cost, len(chosen), kept, passes, buffers))
    _, cost, _, kept, passes, buffers = min(ways, key=lambda way: way[:3])
    buffers = _some_spilled(buffers, room - strips)
    schedules = [PassSchedule(nodes, p) for p in passes]
    rows = [_rows_within(schedule, size, (strips - _SCRATCH) // _LOOSE) for schedule in schedules]
    taken = max(s.strip_bytes(n, size) for s, n in zip(schedules, rows, strict=True))
    return replace(
        base,
        mode="strips",
        kept=tuple(sorted(kept)),
        buffers=tuple(buffers),
        rows=tuple(rows),
        strip_bytes=_resident(taken),
        multiply_adds=cost,
    )


def _mandatory(nodes: Sequence[Node]) -> set[int]:
    """Planes that are always stored: the smallest ones that are measured or added, or most work would be repeated."""
    smallest = min(node.height * node.width for node in nodes)
    found = set(pass_ends(nodes)[:-1])
    for n, node in enumerate(nodes):
        if isinstance(node.stage, Add):
            found |= {n, *node.parents}
    return {n for n in found if n and nodes[n].height * nodes[n].width == smallest}


def _buffers(nodes: Sequence[Node], passes: Sequence[Pass], dtype: torch.dtype) -> list[Buffer]:
    """Storage for each stored plane, reused from one that is read for the last time before, or in the same pass."""
    last = {leaf: n for n, p in enumerate(passes) for leaf in p.leaves if leaf}
    rooms: list[list[int]] = []
    for number, a_pass in enumerate(passes):
        for node in a_pass.stores:
            for room in rooms:
                before = room[-1]
                gone = last[before] < number or (last[before] == number and _follows(nodes, a_pass, before, node))
                if gone and _shape(nodes[before]) == _shape(nodes[node]):
                    room.append(node)
                    break
            else:
                rooms.append([node])
    return [Buffer(tuple(room), *_shape(nodes[room[0]]), dtype) for room in rooms]


def _follows(nodes: Sequence[Node], a_pass: Pass, old: int, new: int) -> bool:
    """True if every row of `old` has been read by the time the same row of `new` is written."""
    schedule = PassSchedule(nodes, a_pass)
    ends = [
        schedule.advance(schedule.start(), row + 1) for row in {*range(min(4, schedule.height)), schedule.height - 1}
    ]
    return all(end[old][1] >= end[new][1] for end in ends)


def _shape(node: Node) -> tuple[int, int, int]:
    return node.channels, node.height, node.width


def _some_spilled(buffers: Sequence[Buffer], room: int) -> list[Buffer]:
    """As many buffers as fit stay in memory, the first (used by most passes) before the others."""
    out = []
    for buffer in buffers:
        spilled = buffer.bytes > room
        room -= 0 if spilled else buffer.bytes
        out.append(replace(buffer, spilled=spilled))
    return out


def _rows_within(schedule: PassSchedule, size: int, room: int) -> int:
    """Largest number of rows whose strips fit, in eighths of powers of two."""
    rows = 1
    while rows < schedule.height:
        more = min(schedule.height, rows + max(1, rows // 8))
        if schedule.strip_bytes(more, size) > room:
            break
        rows = more
    return rows


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{-(-count // 2**20)} MiB"


def _rows_of_passes(rows: Sequence[int]) -> str:
    passes = "1 pass" if len(rows) == 1 else f"{len(rows)} passes"
    least = "" if min(rows) == max(rows) else f"{min(rows)} to "
    return f"{passes} of {least}{counted(max(rows), 'row')}"

"""Several styles mixed in pixels: the weighted mean of what each makes of an image.

Each net has its own work size and its own detail. With shares w that add to 1, r the image at the largest of the work
sizes, rᵢ the image at the work size of style i, Eᵢ the upscaling from there to r, and dᵢ its detail,

    n = Σ wᵢ (Eᵢ(netᵢ(rᵢ)) + dᵢ (r − Eᵢ(rᵢ)))        d = Σ wᵢ dᵢ

give, by the formula for a single style (engine/resample.py), the mean of the single results, since upscaling is linear:
to rounding where work sizes are equal, and where one is 384 and the other 512 to 0.8 levels on average, since the
smaller image is reduced in two steps. So a mix is a translator like any other: what is streamed, masked or smoothed
with one style is so with several. Where all see every pixel, each net walks the image in strips of its own, and their
rows are added up in memory or in a temporary file.

The mean is that of sRGB values. In linear light the darker strokes of one style fade where the other has none: shadows
come out pale, with specks of the brighter one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import cv2
import torch
from torch import Tensor

from imgcycle.engine import resample
from imgcycle.engine.resample import Floats
from imgcycle.engine.row_io import RowSink, RowSource
from imgcycle.engine.strips.plan import StripPlan
from imgcycle.engine.strips.run import Listener, in_turn
from imgcycle.engine.strips.spill import FilePlanes, MemoryPlanes, Planes
from imgcycle.engine.style import MixPart, Style, work_shape
from imgcycle.engine.translator import Translator

_SUM = 12
"""Bytes a pixel of the sum: three float32."""
_RESIZED = 60
"""Bytes a pixel of the image at the largest work size while a net sees it smaller, as floats."""
_BAND = 64
_ROUNDING = 1e-9


@dataclass(frozen=True)
class MixPlan(StripPlan):
    """Plan for an image and the nets of a mix, which run one after another.

    `names` are those of the styles, `parts` the plans of their nets; `sum_bytes` are those of the rows added up, on
    disk if `spilled`, `beside` those of images downscaled further for single nets.
    """

    names: tuple[str, ...] = ()
    parts: tuple[StripPlan, ...] = ()
    sum_bytes: int = 0
    spilled: bool = False
    beside: int = 0

    @property
    def spill_bytes(self) -> int:
        """Bytes on disk at once."""
        return max(part.spill_bytes for part in self.parts) + (self.sum_bytes if self.spilled else 0)

    @property
    def peak_bytes(self) -> int:
        """Peak memory of the nets in bytes, without their weights."""
        return max(part.peak_bytes for part in self.parts) + self.beside + (0 if self.spilled else self.sum_bytes)

    def __str__(self) -> str:
        return " ".join(f"{name}: {part}" for name, part in zip(self.names, self.parts, strict=True))


class MixedTranslator(Translator):
    """A translator that gives the weighted mean of others' results.

    `weights` are those of the `parts`; what they lack to 1 is the share of the image itself. Each net sees an image as
    it is, unless `settings` say at which work size (`tuned`).
    """

    def __init__(
        self,
        parts: Sequence[Translator],
        weights: Sequence[float],
        style: Style,
        settings: Sequence[MixPart] = (),
        strokes: Translator | None = None,
    ) -> None:
        # It has no net of its own, so nothing is prepared as for a single one.
        self.parts, self.weights, self.settings = tuple(parts), tuple(weights), tuple(settings)
        rest = 1 - math.fsum(weights)
        self.kept = rest if rest > _ROUNDING else 0.0
        self.strokes, self.style = strokes, style
        self.device = self.parts[0].device
        self.dtype = next((part.dtype for part in self.parts if part.dtype != torch.float32), torch.float32)
        self.stride = math.lcm(*(part.stride for part in self.parts))
        self.min_size = max(part.min_size for part in self.parts)
        self.weight_bytes = sum(part.weight_bytes for part in self.parts)
        self.base_bytes = sum({type(part): part.base_bytes for part in self.parts}.values())
        self.concurrent = all(part.concurrent for part in self.parts)
        sizes = {each.work_size for each in self.settings}
        # Of one size for all, or none: every net sees what it is given.
        self._resizes = len(sizes) > 1
        self._largest = max((size for size in sizes if size != "full"), default=0)
        self._alone: MixedTranslator | None = None

    @property
    def streamable(self) -> bool:
        """True if all nets can be run in strips."""
        return all(part.streamable for part in self.parts)

    def tuned(self, settings: Sequence[MixPart]) -> MixedTranslator:
        """The same styles, each at the work size, with the detail and the strokes of its settings."""
        if tuple(settings) == self.settings:
            return self
        return MixedTranslator(self.parts, self.weights, self.style, settings, mixed_strokes(self.parts, settings))

    def exact(self) -> MixedTranslator:
        """The same translator in float32."""
        if self.dtype == torch.float32:
            return self
        if self._alone is None:
            strokes = None if self.strokes is None else self.strokes.exact()
            parts = [part.exact() for part in self.parts]
            self._alone = MixedTranslator(parts, self.weights, self.style, self.settings, strokes)
        return self._alone

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        """Run the nets on whole images, as a batch; `at` as for a single net."""
        total = self.kept * x.float()
        for n, (part, weight) in enumerate(zip(self.parts, self.weights, strict=True)):
            shape = self._seen(n, x.shape[2], x.shape[3])
            if shape == (x.shape[2], x.shape[3]):
                total += weight * part.whole(x, _within(at, part.stride))
                continue
            scale = shape[0] / x.shape[2]
            there = _within((round(at[0] * scale), round(at[1] * scale)), part.stride)
            for index, image in enumerate(x):
                given = resample.from_tensor(image[None])
                small = _smaller(given, shape)
                result = resample.from_tensor(part.whole(resample.to_tensor(small), there))
                total[index] += weight * resample.to_tensor(self._enlarged(n, given, small, result))[0].to(x.device)
        return total

    def plan(
        self,
        height: int,
        width: int,
        memory: int,
        *,
        held: int = 0,
        planes: torch.dtype | None = None,
        mode: Literal["auto", "whole", "strips"] = "auto",
    ) -> StripPlan:
        """Plan of all nets for an image, as for a single one."""
        beside, summed = self._beside(height, width), _SUM * height * width
        room = memory - held - self.least_memory(height, width)
        spilled = mode == "auto" and summed > max(0, room) // 2
        held += beside + (0 if spilled else summed)
        shapes = [self._seen(n, height, width) for n in range(len(self.parts))]
        both = zip(self.parts, shapes, strict=True)
        plans = [part.plan(*shape, memory, held=held, planes=planes, mode=mode) for part, shape in both]
        return MixPlan(
            "whole" if all(plan.mode == "whole" for plan in plans) else "strips",
            height,
            width,
            3,
            self.stride,
            self.min_size,
            multiply_adds=sum(plan.multiply_adds for plan in plans),
            whole_multiply_adds=sum(plan.whole_multiply_adds for plan in plans),
            whole_bytes=max(plan.whole_bytes for plan in plans) + beside + summed,
            streamable=self.streamable,
            names=tuple(part.style.name for part in self.parts),
            parts=tuple(plans),
            sum_bytes=summed,
            spilled=spilled,
            beside=beside,
        )

    def least_memory(self, height: int, width: int) -> int:
        """Fewest bytes of planes with which an image can be processed."""
        shapes = (self._seen(n, height, width) for n in range(len(self.parts)))
        each = (part.least_memory(*shape) for part, shape in zip(self.parts, shapes, strict=True))
        return max(each) + self._beside(height, width)

    def translate_rows(
        self,
        source: RowSource,
        sink: RowSink,
        plan: StripPlan,
        listener: Listener | None = None,
        folder: Path | None = None,
    ) -> None:
        """Translate one image as planned, net after net; temporary files are in `folder`."""
        assert isinstance(plan, MixPlan)
        size = (source.height, source.width)
        hears = in_turn(listener, plan.parts)
        total: Planes = (
            FilePlanes(3, *size, torch.float32, folder) if plan.spilled else MemoryPlanes(3, *size, torch.float32)
        )
        try:
            rows = _Sum(total)
            if self.kept:
                for top in range(0, source.height, _BAND):
                    rows.add(self.kept, top, source.read_rows(top, min(top + _BAND, source.height)))
                rows.begun = True
            for n, (part, weight, own) in enumerate(zip(self.parts, self.weights, plan.parts, strict=True)):
                into = _Added(rows, weight, sink if n == len(self.parts) - 1 else None)
                if self._seen(n, *size) == size:
                    part.translate_rows(source, into, own, hears[n], folder)
                else:
                    given = resample.from_tensor(source.read_rows(0, source.height))
                    small = _HeldRows(_smaller(given, self._seen(n, *size)))
                    part.translate_rows(small, small, own, hears[n], folder)
                    into.write_rows(0, resample.to_tensor(self._enlarged(n, given, small.image, small.result)))
                rows.begun = True
        finally:
            total.close()

    def _seen(self, n: int, height: int, width: int) -> tuple[int, int]:
        """Size (height, width) at which the n-th net sees an image that is given at the largest work size."""
        if not self._resizes or self.settings[n].work_size in ("full", self._largest):
            return height, width
        return work_shape(height, width, self.settings[n].work_size)

    def _beside(self, height: int, width: int) -> int:
        resized = any(self._seen(n, height, width) != (height, width) for n in range(len(self.parts)))
        return _RESIZED * height * width if resized else 0

    def _enlarged(self, n: int, given: Floats, small: Floats, result: Floats) -> Floats:
        """The n-th net's result at the size of the image given, with its share of that one's finer detail."""
        detail = self.settings[n].detail
        size = (given.shape[1], given.shape[0])
        change = cv2.resize(result - detail * small, size, interpolation=cv2.INTER_CUBIC)
        return cast(Floats, detail * given + change.reshape(given.shape))


def mixed_strokes(parts: Sequence[Translator], settings: Sequence[MixPart]) -> Translator | None:
    """The second nets of a mix's styles as one, which draws over the mixed picture; None without any.

    It is applied with the largest of the shares of strokes, so that each net's part in it is its style's share times
    what its own share of strokes is of that.
    """
    most = max((each.strokes for each in settings), default=0.0)
    both = zip(parts, settings, strict=True)
    found = [(part.strokes, each) for part, each in both if part.strokes is not None and (each.strokes or not most)]
    if not found:
        return None
    weights = [each.share * (each.strokes / most if most else 1) for _, each in found]
    nets = [net for net, _ in found]
    return MixedTranslator(nets, weights, nets[0].style)


class _HeldRows:
    """Source and sink of a small image in memory."""

    def __init__(self, image: Floats) -> None:
        self.image = image
        self.height, self.width = image.shape[:2]
        self._rows: list[Floats] = []

    @property
    def result(self) -> Floats:
        return cast(Floats, cv2.vconcat(self._rows)) if len(self._rows) > 1 else self._rows[0]

    def read_rows(self, top: int, bottom: int) -> Tensor:
        return resample.to_tensor(self.image[top:bottom])

    def write_rows(self, top: int, rows: Tensor) -> None:
        del top
        self._rows.append(resample.from_tensor(rows))


class _Sum:
    """Rows added up; the first ones of each position are written over what is not there yet."""

    def __init__(self, total: Planes) -> None:
        self.total, self.begun = total, False

    def with_(self, weight: float, top: int, rows: Tensor) -> Tensor:
        """The sum so far with weighted rows added."""
        added = weight * rows.to("cpu", torch.float32)
        return added + self.total.read(top, top + rows.shape[2]) if self.begun else added

    def add(self, weight: float, top: int, rows: Tensor) -> None:
        """Add weighted rows."""
        self.total.write(top, self.with_(weight, top, rows))


class _Added:
    """Sink of one net: its rows are added to the sum, which of the last net goes to the sink of the image."""

    def __init__(self, rows: _Sum, weight: float, sink: RowSink | None) -> None:
        self._rows, self._weight, self._sink = rows, weight, sink

    def write_rows(self, top: int, rows: Tensor) -> None:
        if self._sink is None:
            self._rows.add(self._weight, top, rows)
        else:
            self._sink.write_rows(top, self._rows.with_(self._weight, top, rows))


def _smaller(image: Floats, shape: tuple[int, int]) -> Floats:
    size = (shape[1], shape[0])
    return cast(Floats, cv2.resize(image, size, interpolation=cv2.INTER_AREA).reshape(*shape, 3))


def _within(at: tuple[int, int], stride: int) -> tuple[int, int]:
    return at[0] % stride, at[1] % stride

"""A net ready for translation: on its device, in its precision, for any size."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, cast

import torch
from torch import Tensor

from imgcycle.device import choose_kernels, uploaded
from imgcycle.engine.full_frame import run_whole
from imgcycle.engine.fused import fused
from imgcycle.engine.padding import pad_to, padded_size
from imgcycle.engine.row_io import RowSink, RowSource
from imgcycle.engine.strips.plan import StripPlan, least_memory, make_plan
from imgcycle.engine.strips.run import Listener, is_out_of_memory, stream
from imgcycle.engine.style import MixPart, Style
from imgcycle.nets.layers import Generator

_PLANS = 1000
"""Plans cached: thousands of images may have one size, and a plan in strips takes tens of milliseconds."""


class Translator:
    """Callable on float32 NCHW RGB in [-1, 1] of any size; returns the same shape, float32, on the input's device.

    In 16 bits the whole net is converted: autocast would convert around every reflection padding, at the same error and
    slower. Only the final tanh is in float32 (`Head`), which leaves a last convolution in bfloat16 at most a fifth of
    an 8-bit level from one in float32.
    """

    def __init__(
        self,
        net: Generator,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        style: Style | None = None,
        strokes: Translator | None = None,
    ) -> None:
        self.strokes = strokes
        """Translator of the style's second net, which draws fine strokes at full size."""
        self.style = replace(style or Style(), clips=net.fixed_output_side is None)
        choose_kernels()
        self.device = device
        self.dtype = dtype
        self.stride, self.min_size = net.stride, net.min_size
        # Narrow nets, and 16-bit ones, run faster with channels last on the CPU (36 against 51 ms at 256²).
        self.memory_format = torch.channels_last
        self._source = net
        # In this precision, and in float32 for images of more than 8 bits.
        self.weight_bytes = sum(p.numel() for p in net.parameters()) * (8 + dtype.itemsize)
        self.weight_bytes += 0 if strokes is None else strokes.weight_bytes
        self.net = self._prepared(net, dtype)
        chain = self.net.stages()
        self._chain = None if chain is None else fused(chain)
        # True if several threads may run images at once, each on a few of torch's threads: so on the CPU, where they
        # share only weights.
        self.concurrent = device.type == "cpu"
        # Memory of the backend beside weights and planes, where it exceeds torch's.
        self.base_bytes = 0
        self._exact: Translator | None = None
        self._plans: dict[Any, StripPlan] = {}
        self._least: dict[tuple[int, int], int] = {}

    @property
    def streamable(self) -> bool:
        """True if the net can be run in strips."""
        return self._chain is not None

    def tuned(self, settings: Sequence[MixPart]) -> Translator:
        """The translator for a mix's settings, which a single net has none of."""
        del settings
        return self

    def __call__(self, x: Tensor) -> Tensor:
        """Translate a batch."""
        with torch.inference_mode():
            return self.whole(x)

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        """Run the net on whole images, as a batch; `translate_rows` is the other way.

        `at` is the position of an image's first pixel on the net's grid (down, right), in pixels within a stride.
        """
        height, width = x.shape[2:]
        top, left = at
        wanted = padded_size(height + top, width + left, self.stride, self.min_size)
        planes = pad_to(uploaded(x, self.device).float(), *wanted, at)
        planes = planes.to(self.dtype, memory_format=self.memory_format)
        found = self._run(planes)
        return found[:, :, top : top + height, left : left + width].to(x.device, torch.float32)

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
        """Plan an image for `memory` bytes, of which `held` are used already (`make_plan`); cached."""
        key = (height, width, memory, held, planes, mode)
        if key not in self._plans:
            if len(self._plans) >= _PLANS:
                self._plans.clear()
            device = self.device.type
            self._plans[key] = make_plan(
                self.net,
                height,
                width,
                memory,
                self.dtype,
                held=held,
                planes=planes,
                mode=mode,
                device=device,
                chain=self._chain,
            )
        return self._plans[key]

    def least_memory(self, height: int, width: int) -> int:
        """Fewest bytes of planes with which an image can be processed."""
        key = (height, width)
        if key not in self._least:
            if len(self._least) >= _PLANS:
                self._least.clear()
            self._least[key] = least_memory(self.net, height, width, self.dtype, chain=self._chain)
        return self._least[key]

    def translate_rows(
        self,
        source: RowSource,
        sink: RowSink,
        plan: StripPlan,
        listener: Listener | None = None,
        folder: Path | None = None,
    ) -> None:
        """Translate one image as planned for its size, from rows to rows; spill files are in `folder`.

        A `whole` plan reads all rows, and falls back to strips if the device runs out of memory.
        """
        if plan.mode == "whole":
            if self._whole_rows(source, sink, retry=self._chain is not None):
                return
            plan = self.plan(source.height, source.width, 2 * plan.whole_bytes, mode="strips")
        assert self._chain is not None
        stream(self._chain, plan, source, sink, listener, folder)

    def _whole_rows(self, source: RowSource, sink: RowSink, retry: bool) -> bool:
        try:
            found = self(source.read_rows(0, source.height))
        except (RuntimeError, MemoryError) as error:
            if not (retry and is_out_of_memory(error)):
                raise
            return False
        sink.write_rows(0, found)
        return True

    def exact(self) -> Translator:
        """The same translator in float32, for images with more than 8 bits."""
        if self.dtype == torch.float32:
            return self
        if self._exact is None:
            strokes = None if self.strokes is None else self.strokes.exact()
            self._exact = Translator(self._source, self.device, torch.float32, self.style, strokes)
        return self._exact

    def _prepared(self, net: Generator, dtype: torch.dtype) -> Generator:
        ready = copy.deepcopy(net).eval().requires_grad_(False).to(self.device, dtype)
        return cast(Generator, cast(Any, ready).to(memory_format=self.memory_format))

    def _run(self, planes: Tensor) -> Tensor:
        return cast(Tensor, self.net(planes)) if self._chain is None else run_whole(self._chain, planes)

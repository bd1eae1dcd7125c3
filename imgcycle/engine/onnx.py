"""Whole pictures through a net by onnxruntime: nets that are there as ONNX files alone, and our own if asked for.

Only the net's arithmetic changes hands: padding, rows and plans are the translator's own. A net of an ONNX file has no
stages, so a picture goes through it as a whole; one of ours still goes in strips, by torch, where it is too large.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import MissingExtra, UsageError, WeightsError
from imgcycle.nets.layers import Generator
from imgcycle.weights.contents import in_short
from imgcycle.weights.onnx.about import RANGES, OnnxFile
from imgcycle.weights.onnx.graph import onnx_model

BASE_BYTES = 96 * 2**20
"""Memory that its libraries and a session take beside torch's."""
_STRIDES = (1, 2, 4, 8, 16, 32, 64)
_LEAST = (64, 256)
"""Sides that are tried where a file does not say which a net takes."""


class OnnxSession:
    """A net in onnxruntime on the CPU: float32 arrays in and out, one picture at a time from several threads.

    `source` is a model's bytes, or the path of its file. WeightsError when onnxruntime refuses it.
    """

    def __init__(self, source: bytes | Path, threads: int | None = None, purpose: str = "an ONNX net") -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise MissingExtra("onnx", purpose) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 4  # what cannot be run is said by the error that it raises
        given = source if isinstance(source, bytes) else str(source)
        try:
            self._session = onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors are of its own making
            raise WeightsError(f"onnxruntime cannot run {purpose}: {in_short(error)}") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[0].name
        self._lock = threading.Lock()

    def __call__(self, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Run the net; raises what onnxruntime raises."""
        with self._lock:
            found: np.ndarray[Any, Any] = self._session.run([self._output], {self._input: x})[0]
        return found


class OnnxGenerator(Generator):
    """A net of an ONNX file as a generator: values, layout and colours are brought to what all generators take.

    Which sides it takes is read from its metadata, else found out with pictures of zeros. UsageError for a net that
    takes pictures of one size alone.
    """

    streamable = False

    def __init__(self, about: OnnxFile) -> None:
        super().__init__()
        self.about = about
        if about.sides != (None, None):
            height, width = about.sides
            raise UsageError(
                f"{about.path} was exported for pictures of {width or 'any'} × {height or 'any'} pixels alone",
                "export it with open sides",
            )
        self._session = OnnxSession(about.path, purpose=about.path.name)
        self.stride = about.multiple or self._found_stride()
        self.min_size = about.least or self._found_least()

    def __deepcopy__(self, memo: dict[int, Any]) -> OnnxGenerator:
        # It has no weights that could be changed, and a session cannot be copied.
        return self

    def stages(self) -> None:
        """None: there is nothing to walk."""
        return

    def values_per_pixel(self) -> float:
        """As its graph is run in its order."""
        return self.about.values

    def forward(self, x: Tensor) -> Tensor:
        """Translate `x`, float (N, 3, H, W) in [-1, 1], each picture by itself."""
        return torch.cat([self._one(picture) for picture in torch.split(x, 1)])

    def _one(self, x: Tensor) -> Tensor:
        low, high = RANGES[self.about.range]
        planes = (x.float() + 1) * ((high - low) / 2) + low
        planes = planes.permute(0, 2, 3, 1) if self.about.layout == "NHWC" else planes
        array = planes.contiguous().numpy()
        made = self._session(array.astype(np.float16) if self.about.half else array)
        found = torch.from_numpy(np.asarray(made, np.float32))
        found = found.permute(0, 3, 1, 2) if self.about.layout == "NHWC" else found
        return ((found - low) * (2 / (high - low)) - 1).clamp(-1, 1)

    def _found_stride(self) -> int:
        side = _LEAST[-1]
        for stride in _STRIDES:
            if self._keeps(side + stride):
                return stride
        raise WeightsError(f"{self.about.path} gives pictures of another size than it takes")

    def _found_least(self) -> int:
        return next((side for side in _LEAST if self._keeps(max(side, self.stride))), _LEAST[-1])

    def _keeps(self, side: int) -> bool:
        """True if an image of `side` pixels keeps its size."""
        try:
            return self._one(torch.zeros(1, 3, side, side)).shape[2:] == (side, side)
        except Exception:  # onnxruntime has many words for planes that do not fit
            return False


class OnnxTranslator(Translator):
    """A translator whose whole pictures are run by onnxruntime in float32.

    A generator of ours is written as a graph first, and in strips it is run by torch. UsageError when `device` is not
    the CPU, or the net cannot be written down; else as `OnnxSession`.
    """

    def __init__(
        self, net: Generator, device: torch.device, style: Style | None = None, strokes: Translator | None = None
    ) -> None:
        if device.type != "cpu":
            raise UsageError(f"onnxruntime runs on the CPU here, not on {device}", "use --device cpu")
        super().__init__(net, device, torch.float32, style, strokes)
        self.base_bytes = BASE_BYTES
        self.concurrent = False
        if isinstance(net, OnnxGenerator):
            self.weight_bytes += 2 * net.about.path.stat().st_size
            self._onnx = None
        else:
            self.weight_bytes += sum(p.numel() * p.itemsize for p in self.net.parameters())
            model = onnx_model(self.net, {}, "--backend onnx")
            self._onnx = OnnxSession(model.SerializeToString(), purpose="--backend onnx")

    def _run(self, planes: Tensor) -> Tensor:
        if self._onnx is None:
            return super()._run(planes)
        return torch.from_numpy(self._onnx(planes.contiguous().numpy()))

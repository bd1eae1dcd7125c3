"""OpenVINO backend for whole images, which on many CPUs is faster than torch.

Only the net's arithmetic is replaced: padding, rows and plans are the translator's own. Strips cut a net at its norms,
while OpenVINO takes it as a whole, so images in strips are run by torch, in the same precision.
"""

from __future__ import annotations

import copy
import sys
import threading
import warnings
from typing import Any

import torch
from torch import Tensor

from imgcycle.device import cpu_has_bf16
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import MissingExtra, UsageError
from imgcycle.nets.layers import Generator

BASE_BYTES = 144 * 2**20
"""Memory that its libraries take beside torch's (141 MiB measured after loading a net)."""


class OpenVinoNet:
    """A generator compiled for this CPU: float32 (N, C, H, W) in [-1, 1] in and out, sides as the net requires.

    It computes in `dtype`, float32 or bfloat16, and is converted once, for all sizes, in eval mode; the torch net,
    in float32, is not changed. It runs on as many threads as torch; the same net, size and number of threads give the
    same bytes every time.

    MissingExtra without the package; UsageError for a net or a machine that OpenVINO does not support.
    """

    def __init__(self, net: Generator, dtype: torch.dtype = torch.float32) -> None:
        if net.fixed_output_side is not None:
            raise UsageError("OpenVINO cannot run this net, which searches by gradients", "use --backend torch")
        ov = _package()
        try:
            model = _converted(ov, net)
            compiled = ov.Core().compile_model(model, "CPU", _settings(torch.get_num_threads(), dtype))
            self._request = compiled.create_infer_request()
        except Exception as error:  # its frontends raise exception types of their own
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise UsageError(f"OpenVINO cannot run this net here: {reason}", "use --backend torch") from error
        self._lock = threading.Lock()

    def __call__(self, x: Tensor) -> Tensor:
        """Translate a batch; calls from several threads wait for one another."""
        with self._lock:
            # The result is copied: OpenVINO reuses its buffer.
            found = self._request.infer([x.contiguous().numpy()], share_inputs=True)[0]
        return torch.from_numpy(found)


class OpenVinoTranslator(Translator):
    """A translator that runs whole images with OpenVINO in float32 or bfloat16, and strips with torch.

    UsageError if `device` is not the CPU, or for bfloat16 on a CPU without it; else as `OpenVinoNet`.
    """

    def __init__(
        self,
        net: Generator,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
        style: Style | None = None,
        strokes: Translator | None = None,
    ) -> None:
        if device.type != "cpu":
            raise UsageError(f"OpenVINO runs on the CPU, not on {device}", "use --device cpu or --backend torch")
        if dtype != torch.float32 and not (dtype == torch.bfloat16 and cpu_has_bf16()):
            raise UsageError("OpenVINO computes in fp32 here", "leave --precision out, or use --backend torch")
        super().__init__(net, device, dtype, style, strokes)
        self.weight_bytes += sum(4 * p.numel() for p in self.net.parameters())
        self.base_bytes = BASE_BYTES
        self.concurrent = False
        # Its graph is made from float32 weights in either precision.
        exact = self.net if dtype == torch.float32 else copy.deepcopy(net).eval().float()
        self._compiled = OpenVinoNet(exact, dtype)

    def _run(self, planes: Tensor) -> Tensor:
        return self._compiled(planes.float())


def _package() -> Any:
    """The OpenVINO package, without its telemetry.

    Importing it reports over the network and leaves files in the home folder, unless the telemetry package is missing;
    a module that is None in `sys.modules` counts as missing.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingExtra("openvino", "--backend openvino") from error
    return openvino


def _converted(ov: Any, net: Generator) -> Any:
    """The net as OpenVINO's graph, with dynamic batch, height and width."""
    side = -(-max(net.min_size, 32) // net.stride) * net.stride
    example = torch.zeros(1, 3, side, side)
    with torch.no_grad(), warnings.catch_warnings():
        # Tracing is deprecated in torch and still OpenVINO's input; the constants it warns of are a blur's taps.
        warnings.simplefilter("ignore")
        return ov.convert_model(net, example_input=example, input=[ov.PartialShape([-1, 3, -1, -1])])


def _settings(threads: int, dtype: torch.dtype) -> dict[str, Any]:
    return {
        # By default it uses bfloat16 where the CPU has it, asked or not.
        "INFERENCE_PRECISION_HINT": "bf16" if dtype == torch.bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        # Threads pinned to cores wait there for other processes on them.
        "ENABLE_CPU_PINNING": False,
    }

"""A generator's chain of stages written as an ONNX graph, a few nodes for each stage.

The graph follows the same list that the net itself runs, so it cannot drift from it; batch, height and width stay
open. U-Nets have no chain: torch's own exporter traces them. Operators are those of opset 18 (2022), which
onnxruntime reads from 1.14 on, in the browser too.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from imgcycle.errors import MissingExtra, UsageError
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import (
    INPUT,
    Activation,
    Add,
    Blur,
    Conv,
    ConvTranspose,
    Head,
    Norm,
    Save,
    Stage,
    Upsample,
)

OPSET = 18
_IR = 8
_IMAGE, _RESULT = "image", "result"
_PAD_MODES = {"zero": "constant", "reflect": "reflect", "replicate": "edge"}


def onnx_model(net: Generator, metadata: Mapping[str, str], purpose: str = "imgcycle export") -> Any:
    """A net in evaluation as an ONNX model (`onnx.ModelProto`): float32 NCHW RGB in [-1, 1] in and out.

    Sides must be multiples of the net's stride, and no less than its least size, as for the net itself. `metadata` is
    stored with it. MissingExtra without the packages; UsageError for a net that cannot be written down.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", purpose) from error
    if net.fixed_output_side is not None:
        raise UsageError("this net searches by gradients for each picture, which no graph can", "distil it first")
    try:
        chain = net.chain()
    except NotImplementedError:
        model = _traced(net, purpose)
    else:
        model = _Graph(chain).model()
    onnx.helper.set_model_props(model, dict(metadata))
    onnx.checker.check_model(model)
    return model


def _traced(net: Generator, purpose: str) -> Any:
    if getattr(net, "test_time_stochastic", False):
        raise UsageError("this net drops values at random while it translates, which its graph would not repeat")
    side, dynamic = 2 * net.stride, torch.export.Dim.DYNAMIC
    try:
        import onnxscript  # noqa: F401 - what torch's exporter is written in
    except ImportError as error:
        raise MissingExtra("onnx", purpose) from error
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (torch.zeros(1, 3, side, side),),
            dynamo=True,
            dynamic_shapes=({0: dynamic, 2: dynamic, 3: dynamic},),
            input_names=[_IMAGE],
            output_names=[_RESULT],
            verbose=False,
        )
    assert program is not None
    return program.model_proto


class _Graph:
    """Nodes and constants as they are written; `at` is the name of the planes that came last."""

    def __init__(self, chain: Sequence[Stage]) -> None:
        import onnx.helper
        import onnx.numpy_helper

        self.helper, self.arrays = onnx.helper, onnx.numpy_helper
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.slots = {INPUT: _IMAGE}
        self.at = _IMAGE
        self.channels = 3
        for stage in chain:
            self._stage(stage)

    def model(self) -> Any:
        self.nodes.append(self.helper.make_node("Identity", [self.at], [_RESULT], name=_RESULT))
        shape: list[str | int | None] = ["batch", 3, "height", "width"]
        ends = [self.helper.make_tensor_value_info(name, 1, shape) for name in (_IMAGE, _RESULT)]
        graph = self.helper.make_graph(self.nodes, "imgcycle", [ends[0]], [ends[1]], self.constants)
        opsets = [self.helper.make_opsetid("", OPSET)]
        return self.helper.make_model(graph, opset_imports=opsets, ir_version=_IR, producer_name="imgcycle")

    def _stage(self, stage: Stage) -> None:
        match stage:
            case Conv():
                self._conv(stage)
            case ConvTranspose():
                self.channels = stage.weight.shape[1]
                self._weighted(
                    "ConvTranspose",
                    stage.weight,
                    stage.bias,
                    strides=[stage.stride] * 2,
                    pads=[stage.pad] * 4,
                    output_padding=[stage.output_pad] * 2,
                )
            case Upsample(mode="nearest"):
                how = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
                self._doubled("nearest", how)
            case Upsample():
                self._doubled("linear", {"coordinate_transformation_mode": "half_pixel"})
            case Blur():
                self._blur(stage)
            case Norm():
                self._norm(stage)
            case Activation():
                self._then("LeakyRelu", alpha=stage.slope) if stage.slope else self._then("Relu")
            case Save():
                self.slots[stage.slot] = self.at
            case Add():
                self._then("Add", self.slots[stage.slot])
            case Head():
                self._head(stage)

    def _then(self, kind: str, *others: str, **attributes: Any) -> None:
        """A node that takes the last planes, and `others`, and makes the next."""
        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(kind, [self.at, *others], [name], name=name, **attributes))
        self.at = name

    def _constant(self, value: Tensor) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(self.arrays.from_array(value.detach().cpu().contiguous().numpy(), name))
        return name

    def _floats(self, *values: float) -> str:
        return self._constant(torch.tensor(values if len(values) > 1 else values[0], dtype=torch.float32))

    def _channelled(self, values: Tensor) -> str:
        return self._constant(values.detach().float().view(1, -1, 1, 1))

    def _weighted(self, kind: str, weight: Tensor, bias: Tensor | None, **attributes: Any) -> None:
        others = [self._constant(weight.float()), *([] if bias is None else [self._constant(bias.float())])]
        self._then(kind, *others, kernel_shape=list(weight.shape[2:]), **attributes)

    def _padded(self, before: int, after: int, mode: str) -> None:
        pads = torch.tensor([0, 0, before, before, 0, 0, after, after])
        self._then("Pad", self._constant(pads), mode=_PAD_MODES[mode])

    def _conv(self, stage: Conv) -> None:
        before, after = stage.pads
        if stage.mode != "zero" and (before or after):
            self._padded(before, after, stage.mode)
            before = after = 0
        pads = [before, before, after, after]
        self._weighted("Conv", stage.weight, stage.bias, strides=[stage.stride] * 2, pads=pads, group=stage.groups)
        self.channels = stage.weight.shape[0]

    def _doubled(self, mode: str, how: dict[str, str]) -> None:
        self._then("Resize", "", self._floats(1, 1, 2, 2), mode=mode, **how)

    def _blur(self, stage: Blur) -> None:
        line = torch.tensor(stage.taps)
        kernel = torch.outer(line, line)
        kernel = (kernel / kernel.sum()).expand(self.channels, 1, -1, -1)
        self._padded((len(stage.taps) - 1) // 2, len(stage.taps) // 2, stage.mode)
        self._weighted("Conv", kernel, None, strides=[stage.stride] * 2, group=self.channels)

    def _norm(self, norm: Norm) -> None:
        ones, zeros = torch.ones(self.channels), torch.zeros(self.channels)
        if (module := norm.running) is not None:
            assert module.running_mean is not None
            assert module.running_var is not None
            parts = (module.weight, module.bias, module.running_mean, module.running_var)
            self._then("BatchNormalization", *(self._constant(part) for part in parts), epsilon=module.eps)
        elif norm.kind == "instance":
            factor = self._constant(ones if norm.weight is None else norm.weight.float())
            offset = self._constant(zeros if norm.bias is None else norm.bias.float())
            self._then("InstanceNormalization", factor, offset, epsilon=norm.eps)
        else:
            self._layer_norm(norm)

    def _layer_norm(self, norm: Norm) -> None:
        planes, axes = self.at, self._constant(torch.tensor([1, 2, 3]))
        self._then("ReduceMean", axes)
        mean, self.at = self.at, planes
        self._then("Sub", mean)
        centred = self.at
        if norm.unbiased:
            self._then("ReduceSumSquare", axes)
            self._then("Div", self._values_but_one(centred))
            self._then("Sqrt")
            self._then("Add", self._floats(norm.eps))
        else:
            self._then("Mul", centred)
            self._then("ReduceMean", axes)
            self._then("Add", self._floats(norm.eps))
            self._then("Sqrt")
        deviation, self.at = self.at, centred
        self._then("Div", deviation)
        if norm.weight is not None:
            self._then("Mul", self._channelled(norm.weight))
        if norm.bias is not None:
            self._then("Add", self._channelled(norm.bias))

    def _values_but_one(self, planes: str) -> str:
        """Number of values in each image's planes, minus one, as a float."""
        kept, self.at = self.at, planes
        self._then("Shape", start=1, end=4)
        self._then("Cast", to=1)
        self._then("ReduceProd", keepdims=0)
        self._then("Sub", self._floats(1))
        found, self.at = self.at, kept
        return found

    def _head(self, head: Head) -> None:
        if head.kind == "wide":
            self._then("Mul", self._floats(0.5))
            self._then("Tanh")
            self._then("Mul", self._floats(2))
            return
        if head.kind != "clamp":
            self._then("Tanh")
        if head.kind == "scaled":
            self._then("Mul", self._floats(150 / 127.5))
            self._then("Sub", self._floats(1))
        if head.kind != "tanh":
            self._then("Clip", self._floats(-1), self._floats(1))

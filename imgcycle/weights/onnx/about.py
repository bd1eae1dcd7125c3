"""Format of an ONNX net's images: layout, range, sides; found by trying if the file does not state it.

Our own files state it in their metadata. For others the graph tells layout and fixed sides, and its last operator often
the range: a net that ends in tanh works in [-1, 1].
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from imgcycle.config.program import ValueRange
from imgcycle.errors import MissingExtra, UsageError, WeightsError
from imgcycle.weights.contents import in_short

Layout = Literal["NCHW", "NHWC"]
RANGES: dict[ValueRange, tuple[float, float]] = {"-1..1": (-1.0, 1.0), "0..1": (0.0, 1.0), "0..255": (0.0, 255.0)}
_PASSED_OVER = ("Identity", "Transpose", "Cast", "Reshape", "Squeeze", "Unsqueeze")
"""Operators that change no value: behind them stands what tells the range."""
_ASK = f"--range {' or '.join(get_args(ValueRange))}"


@dataclass(frozen=True)
class OnnxFile:
    """An ONNX net from pictures to pictures, before it is run.

    `sides` are the height and width it was made for, each None where any will do. `multiple` and `least` are what its
    own metadata say of sides, None where they say nothing. `metadata` hold a card in files of ours.
    """

    path: Path
    layout: Layout
    range: ValueRange
    input: str
    output: str
    sides: tuple[int | None, int | None]
    multiple: int | None = None
    least: int | None = None
    half: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    values: float = 0.0
    """Values alive at most for each pixel, when the graph is run in its order."""

    @property
    def card(self) -> dict[str, Any]:
        """The card of a file of ours; empty for any other, and for one that cannot be read."""
        try:
            card = json.loads(self.metadata.get("card", "{}"))
        except (ValueError, RecursionError):
            return {}
        return card if isinstance(card, dict) else {}

    @property
    def origin(self) -> str:
        """Short description for the user of what it was recognised as."""
        sides = " × ".join("any" if side is None else str(side) for side in reversed(self.sides))
        made = "" if self.sides == (None, None) else f", for pictures of {sides}"
        return f"an ONNX net, {self.layout}, values {self.range}{made}"


def read_onnx(path: Path, asked: ValueRange | None = None) -> OnnxFile:
    """Read a file's graph, without running it; `asked` is the range of values where the user states it.

    MissingExtra without the packages; WeightsError for a file that is damaged, or no net from RGB pictures to RGB
    pictures; UsageError where nothing tells the range.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtra("onnx", f"{path.name} is an ONNX net, which") from error
    try:
        graph = (model := onnx.load(str(path), load_external_data=False)).graph
    except Exception as error:  # protobuf has errors of its own, and onnx others
        raise WeightsError(f"{path} cannot be read as an ONNX net: {in_short(error)}") from error
    stored = {each.name for each in graph.initializer}
    inputs = [each for each in graph.input if each.name not in stored]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise WeightsError(f"{path} takes {len(inputs)} inputs and gives {len(graph.output)}, one picture each is read")
    before, after = _dims(inputs[0]), _dims(graph.output[0])
    layout = _layout(before, after)
    if layout is None:
        raise WeightsError(
            f"{path} is no net from pictures of three colours to such: {_shown(before)}, {_shown(after)}"
        )
    kinds = {1: False, 10: True}
    kind = inputs[0].type.tensor_type.elem_type
    if kind not in kinds:
        name = onnx.TensorProto.DataType.Name(kind).lower()
        raise WeightsError(f"{path} takes values of kind {name}, where float and float16 are read")
    metadata = {each.key: each.value for each in model.metadata_props}
    stated = metadata.get("range")
    told = asked or (stated if stated in RANGES else None) or _told(graph)
    if told is None:
        raise UsageError(f"{path} does not say which range its values have", _ASK)
    height, width = before[2:] if layout == "NCHW" else before[1:3]
    return OnnxFile(
        path,
        layout,
        told,
        inputs[0].name,
        graph.output[0].name,
        (height, width),
        _count(metadata.get("multiple")),
        _count(metadata.get("least")),
        kinds[kind],
        metadata,
        _values_per_pixel(model),
    )


def _dims(value: Any) -> list[int | None]:
    return [each.dim_value or None for each in value.type.tensor_type.shape.dim]


def _layout(before: list[int | None], after: list[int | None]) -> Layout | None:
    """Axis order; an output that does not tell has the input's."""
    if len(before) != 4 or len(after) not in (0, 4):
        return None
    for layout, axis in (("NCHW", 1), ("NHWC", 3)):
        if before[axis] == 3 and (not after or after[axis] in (3, None)):
            return layout  # type: ignore[return-value]
    return None


def _shown(dims: list[int | None]) -> str:
    return "×".join("?" if each is None else str(each) for each in dims) or "of unknown shape"


def _count(text: str | None) -> int | None:
    return int(text) if text and text.isascii() and text.isdigit() and 0 < int(text) <= 4096 else None


def _told(graph: Any) -> ValueRange | None:
    """The range that a net's last operator keeps to, if it is one that tells."""
    makers = {name: node for node in graph.node for name in node.output}
    node = makers.get(graph.output[0].name)
    while node is not None and node.op_type in _PASSED_OVER:
        node = makers.get(node.input[0])
    if node is None:
        return None
    return {"Tanh": "-1..1", "Sigmoid": "0..1"}.get(node.op_type)  # type: ignore[return-value]


def _values_per_pixel(model: Any, side: int = 256) -> float:
    """Values alive at most for each pixel: shapes are worked out for one size, and planes let go after their last use.

    Where shapes cannot be worked out, a number that is enough for every net met so far.
    """
    import onnx

    copied = onnx.ModelProto()
    copied.CopyFrom(model)
    dims = copied.graph.input[0].type.tensor_type.shape.dim
    for axis, each in enumerate(dims):
        if not each.dim_value:
            each.dim_value = 1 if axis == 0 else side
    area = float(dims[1].dim_value * dims[2].dim_value * dims[3].dim_value / 3)
    try:
        found = onnx.shape_inference.infer_shapes(copied, data_prop=True).graph
    except Exception:  # a graph that the checker does not follow may still run
        return _MOST
    sizes = {each.name: _product(_dims(each)) for each in (*found.value_info, *found.input, *found.output)}
    last = {name: n for n, node in enumerate(found.node) for name in node.input}
    alive = most = sizes.get(found.input[0].name, 0.0)
    for n, node in enumerate(found.node):
        alive += sum(sizes.get(name, 0.0) for name in node.output)
        most = max(most, alive)
        alive -= sum(sizes.get(name, 0.0) for name in set(node.input) if last[name] == n)
    return most / area if most else _MOST


_MOST = 1024.0


def _product(dims: list[int | None]) -> float:
    total = 1.0
    for each in dims:
        total *= each or 1
    return total

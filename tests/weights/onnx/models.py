"""ONNX files as other programs write them: other layouts, other ranges, nothing said."""

from __future__ import annotations

from pathlib import Path

import onnx
import onnx.helper
import torch

from imgcycle.config import NetConfig
from imgcycle.nets.layers import Generator
from imgcycle.weights.onnx.graph import onnx_model
from tests.styles import tiny_net

NET = NetConfig("resnet", 4, 1, downs=3)


def net_of_eights(seed: int = 0) -> Generator:
    """A net whose sides are multiples of 8."""
    net = tiny_net(NET, seed)
    torch.nn.init.normal_(net.get_submodule("tail").weight, 0.0, 0.2)  # type: ignore[arg-type]
    return net.requires_grad_(False)


def channels_last(net: Generator, path: Path) -> Path:
    """The net in the layout of TensorFlow's exports, with no word about anything: as AnimeGANv3 is published."""
    model = onnx_model(net, {})
    del model.metadata_props[:]
    graph = model.graph
    names = (graph.input[0].name, graph.output[0].name)
    shape: list[str | int | None] = ["batch", "height", "width", 3]
    before = onnx.helper.make_node("Transpose", ["picture"], [names[0]], perm=[0, 3, 1, 2])
    after = onnx.helper.make_node("Transpose", [names[1]], ["painting"], perm=[0, 2, 3, 1])
    nodes = [before, *graph.node, after]
    ends = [onnx.helper.make_tensor_value_info(name, 1, shape) for name in ("picture", "painting")]
    whole = onnx.helper.make_graph(nodes, "g", ends[:1], ends[1:], list(graph.initializer))
    made = onnx.helper.make_model(whole, opset_imports=model.opset_import, ir_version=8)
    onnx.save(made, str(path))
    return path


def of_levels(path: Path, sides: tuple[int | str, int | str] = ("height", "width"), channels: int = 3) -> Path:
    """A net of one operator, from levels to levels: the negative."""
    shape: list[str | int | None] = ["batch", channels, *sides]
    ends = [onnx.helper.make_tensor_value_info(name, 1, shape) for name in ("x", "y")]
    most = onnx.helper.make_tensor("most", 1, [], [255.0])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Sub", ["most", "x"], ["y"])], "g", ends[:1], ends[1:], [most]
    )
    opsets = [onnx.helper.make_opsetid("", 18)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return path

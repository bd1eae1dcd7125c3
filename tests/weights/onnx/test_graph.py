"""Every kind of generator as a graph: onnxruntime gives the net's pictures."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.jobs.export.run import compared
from imgcycle.nets.stages import Norm
from imgcycle.weights.onnx.graph import _Graph, onnx_model
from tests.engine.strips.test_run import NETS
from tests.styles import tiny_net

BATCH = {
    "batch norm": NetConfig("resnet", 3, 1, "batch"),
    "linear": NetConfig("resnet", 3, 1, down="blur", up="linear"),
}


@pytest.mark.parametrize("name", [*NETS, *BATCH])
def test_a_graph_gives_what_its_net_gives(name: str) -> None:
    net = tiny_net((NETS | BATCH)[name]).requires_grad_(False)
    for parameter in net.parameters():
        if not parameter.any():  # what starts at no change would prove nothing
            parameter.normal_(0, 0.1)
    apart, sizes = compared(net, onnx_model(net, {}).SerializeToString(), [(64, 96), (33, 70)])
    assert apart < 0.02
    assert all(side % net.stride == 0 for size in sizes for side in size)


def test_what_it_is_told_stands_in_the_file() -> None:
    model = onnx_model(tiny_net(), {"range": "-1..1", "card": "{}"})
    assert {each.key: each.value for each in model.metadata_props} == {"range": "-1..1", "card": "{}"}
    assert [each.dim_param for each in model.graph.input[0].type.tensor_type.shape.dim][2:] == ["height", "width"]


def test_a_layer_norm_without_factors_is_written_too() -> None:
    assert [node.op_type for node in _Graph([Norm("layer")]).nodes].count("ReduceMean") == 2


def test_nets_that_no_graph_can_hold_are_refused() -> None:
    with pytest.raises(UsageError, match="searches by gradients"):
        onnx_model(tiny_net(NetConfig("cogan", 2, 3, "batch")), {})
    with pytest.raises(UsageError, match="drops values at random"):
        onnx_model(tiny_net(NetConfig("unet", 2, 5, "batch", test_time_stochastic=True)), {})


def test_a_fault_would_be_seen() -> None:
    net, other = tiny_net(seed=0), tiny_net(seed=1)
    with torch.no_grad():
        assert compared(net, onnx_model(other, {}).SerializeToString(), [(64, 64)])[0] > 1

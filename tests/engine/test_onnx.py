"""Nets in onnxruntime: another layout, another range, sides found out; our own by choice."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.engine.onnx import OnnxGenerator, OnnxTranslator
from imgcycle.engine.padding import pad_to, padded_size
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError, WeightsError
from imgcycle.weights.onnx.about import read_onnx
from tests.engine.strips.test_run import picture
from tests.engine.tensors import TensorSink, TensorSource
from tests.styles import tiny_net
from tests.weights.onnx.models import channels_last, net_of_eights, of_levels

CPU = torch.device("cpu")


def test_a_net_that_says_nothing_is_run_as_it_wants(tmp_path: Path) -> None:
    net = net_of_eights()
    made = OnnxGenerator(read_onnx(channels_last(net, tmp_path / "a.onnx")))
    assert (made.stride, made.streamable) == (8, False)
    translator, x = OnnxTranslator(made, CPU), picture(70, 45)
    size = padded_size(70, 45, 8, made.min_size)
    wanted = net(pad_to(x, *size))[:, :, :70, :45]
    assert (translator(x) - wanted).abs().max() < 1e-4
    plan = translator.plan(70, 45, 2**30)
    assert plan.mode == "whole"
    assert not plan.streamable
    sink = TensorSink(3, 70, 45)
    translator.translate_rows(TensorSource(x), sink, plan)
    assert torch.equal(sink.x, translator(x))


@pytest.mark.parametrize("asked", ["0..255", "0..1", "-1..1"])
def test_values_are_brought_to_the_range_and_back(tmp_path: Path, asked: str) -> None:
    made = OnnxGenerator(read_onnx(of_levels(tmp_path / "n.onnx"), asked))  # type: ignore[arg-type]
    x = picture(64, 64)
    wanted = -x if asked == "0..255" else torch.ones_like(x)
    assert torch.allclose(made(x), wanted, atol=1e-5)
    assert (made.stride, made.min_size) == (1, 64)


def test_a_net_of_one_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="320 × 224 pixels alone"):
        OnnxGenerator(read_onnx(of_levels(tmp_path / "n.onnx", (224, 320)), "0..255"))


def test_what_onnxruntime_refuses_takes_one_line(tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(of_levels(tmp_path / "n.onnx")))
    model.graph.node[0].op_type = "NoSuchThing"
    onnx.save(model, str(tmp_path / "n.onnx"))
    with pytest.raises(WeightsError, match=r"onnxruntime cannot run n\.onnx") as caught:
        OnnxGenerator(read_onnx(tmp_path / "n.onnx", "0..255"))
    assert "\n" not in str(caught.value)


def test_our_own_nets_run_there_whole_and_by_torch_in_strips() -> None:
    net, x = tiny_net(NetConfig("compact", 4, 2, "affine")), picture(45, 34)
    ours, theirs = Translator(net, CPU), OnnxTranslator(net, CPU)
    assert (ours(x) - theirs(x)).abs().max() < 1e-4
    sinks = [TensorSink(3, 45, 34) for _ in range(2)]
    for sink, translator in zip(sinks, (ours, theirs), strict=True):
        translator.translate_rows(TensorSource(x), sink, translator.plan(45, 34, 2**30, mode="strips"))
    assert torch.equal(sinks[0].x, sinks[1].x)


def test_it_is_for_the_cpu() -> None:
    with pytest.raises(UsageError, match="on the CPU"):
        OnnxTranslator(tiny_net(), torch.device("cuda"))

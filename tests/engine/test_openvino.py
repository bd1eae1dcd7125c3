from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.device import cpu_has_bf16
from imgcycle.engine.openvino import OpenVinoNet, OpenVinoTranslator
from imgcycle.engine.translator import Translator
from imgcycle.errors import MissingExtra, UsageError
from tests.engine.strips.test_run import picture
from tests.engine.tensors import TensorSink, TensorSource
from tests.styles import TINY, tiny_net

CPU = torch.device("cpu")
NETS = [
    TINY,
    NetConfig("resnet", 4, 1, "batch"),
    NetConfig("resnet", 4, 1, down="blur", up="linear"),
    NetConfig("unit", 4, 1),
    NetConfig("unet", 4, 5),
]


@pytest.fixture(scope="module")
def translator() -> OpenVinoTranslator:
    return OpenVinoTranslator(tiny_net(), CPU)


@pytest.mark.parametrize("config", NETS, ids=lambda c: f"{c.kind}-{c.norm}-{c.up}")
def test_every_net_and_size_is_within_a_thousandth_of_a_level(config: NetConfig) -> None:
    net = tiny_net(config).train()
    found, wanted = OpenVinoTranslator(net, CPU), Translator(net, CPU)
    assert found(picture(1, 1)).shape == (1, 3, 1, 1)  # of one value, a norm makes what rounding left of nothing
    for size in ((7, 9), (45, 34), (64, 96)):
        x = torch.cat([picture(*size), picture(*size, 1)])
        y = found(x)
        assert y.shape == x.shape
        assert (y - wanted(x)).abs().max() * 127.5 < 1e-3
    assert net.training


def test_the_same_bytes_every_time_from_any_thread(translator: OpenVinoTranslator) -> None:
    pictures = [picture(40, 36, seed) for seed in range(4)]
    first = [translator(x) for x in pictures]
    copies = [y.clone() for y in first]
    with ThreadPoolExecutor(4) as pool:
        again = list(pool.map(translator, pictures))
    for y, copy, z in zip(first, copies, again, strict=True):
        assert torch.equal(y, copy)
        assert torch.equal(y, z)


def test_bfloat16_where_the_cpu_multiplies_it(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = tiny_net(), picture(45, 34)
    exact = OpenVinoTranslator(net, CPU)(x)
    if cpu_has_bf16():
        found = OpenVinoTranslator(net, CPU, torch.bfloat16)
        compiled = found._compiled._request.get_compiled_model()
        assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "bf16"
        assert found.dtype == torch.bfloat16
        error = (found(x) - exact).abs() * 127.5
        assert 1e-3 < error.max() < 4
        assert found.exact().dtype == torch.float32
    monkeypatch.setattr("imgcycle.engine.openvino.cpu_has_bf16", lambda: False)
    with pytest.raises(UsageError, match=r"computes in fp32 here \(leave --precision out"):
        OpenVinoTranslator(net, CPU, torch.bfloat16)


def test_its_libraries_count(translator: OpenVinoTranslator) -> None:
    assert translator.base_bytes > Translator(tiny_net(), CPU).base_bytes + 140 * 2**20


def test_it_computes_in_float32_on_as_many_threads_as_torch(translator: OpenVinoTranslator) -> None:
    compiled = translator._compiled._request.get_compiled_model()
    assert compiled.get_property("INFERENCE_PRECISION_HINT").to_string() == "f32"
    assert compiled.get_property("INFERENCE_NUM_THREADS") == torch.get_num_threads()
    assert compiled.get_property("ENABLE_CPU_PINNING") is False


def test_what_goes_in_strips_is_left_to_torch(translator: OpenVinoTranslator, monkeypatch: pytest.MonkeyPatch) -> None:
    x, wanted = picture(45, 34), TensorSink(3, 45, 34)
    plain = Translator(tiny_net(), CPU)
    plan = plain.plan(45, 34, 2**30, mode="strips")
    plain.translate_rows(TensorSource(x), wanted, plan)

    def called(self: OpenVinoNet, x: torch.Tensor) -> torch.Tensor:
        raise AssertionError

    monkeypatch.setattr(OpenVinoNet, "__call__", called)
    found = TensorSink(3, 45, 34)
    translator.translate_rows(TensorSource(x), found, translator.plan(45, 34, 2**30, mode="strips"))
    assert torch.equal(found.x, wanted.x)
    with pytest.raises(AssertionError):
        translator.translate_rows(TensorSource(x), found, translator.plan(45, 34, 2**30, mode="whole"))
    assert translator.exact() is translator


def test_nothing_is_reported_home(translator: OpenVinoTranslator) -> None:
    assert "openvino" in sys.modules
    assert sys.modules["openvino_telemetry"] is None


def test_what_is_missing_and_what_does_not_fit_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="not on cuda"):
        OpenVinoTranslator(tiny_net(), torch.device("cuda"))
    damaged = tiny_net()
    damaged.forward = None  # type: ignore[method-assign,assignment]
    with pytest.raises(UsageError, match=r"OpenVINO cannot run this net here: .* \(use --backend torch\)"):
        OpenVinoNet(damaged)
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"--backend openvino needs .*pip install 'imgcycle\[openvino\]'"):
        OpenVinoNet(tiny_net())

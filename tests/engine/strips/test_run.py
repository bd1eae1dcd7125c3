from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imgcycle.config import NetConfig
from imgcycle.engine.full_frame import run_whole
from imgcycle.engine.padding import pad_to, padded_size
from imgcycle.engine.strips import run
from imgcycle.engine.strips.passes import cut_into_passes, pass_ends, trace
from imgcycle.engine.strips.plan import Buffer, StripPlan, make_plan
from imgcycle.engine.strips.rows import computed
from imgcycle.engine.strips.run import stream
from imgcycle.engine.strips.statistics import Affine, NormStatistics
from imgcycle.errors import ImgcycleError
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import Conv, ConvTranspose, Stage, multiply_adds
from tests.engine.frozen import measured
from tests.engine.tensors import TensorSink, TensorSource
from tests.engine.test_row_io import Forward
from tests.styles import tiny_net

NETS = {
    "compact": NetConfig("compact", 4, 2, "affine"),
    "compact, no norms": NetConfig("compact", 4, 2, "none", global_residual=True),
    "compact, skip": NetConfig("compact", 4, 2, "affine", global_residual=True),
    "compact, luma": NetConfig("compact", 4, 2, "none", global_residual=True, head="wide", luma=True),
    "compact, wide skip": NetConfig("compact", 4, 2, "affine", global_residual=True, head="wide"),
    "resnet 9": NetConfig("resnet", 2, 9),
    "resnet 6 affine": NetConfig("resnet", 2, 6, "affine"),
    "reflected, nearest": NetConfig("resnet", 3, 2, down="reflected", up="nearest"),
    "antialiased": NetConfig("resnet", 3, 2, down="blur", up="linear"),
    "unit": NetConfig("unit", 3, 1),
    "unit 2017": NetConfig("unit2017", 3, 2),
    "fast neural style": NetConfig("resnet", 3, 2, "affine", down="reflected", up="reflected", ends=9, head="scaled"),
    "cartoongan": NetConfig("resnet", 2, 2, "affine", convs=2),
    "four halvings": NetConfig("resnet", 1, 1, downs=4, head="clamp"),
    "white box": NetConfig("whitebox", 3, 2, "none"),
    "animegan": NetConfig("animegan", 2, 2, "layer"),
}
FINE = 1e-4
"""In units of tanh: an eightieth of a level of 8 bits."""


def ready(name: str) -> Generator:
    net = tiny_net(NETS[name]).requires_grad_(False)
    # Norms draw the last planes far apart, so that a fault anywhere shows.
    # Where there is none, each layer would triple the planes of the one before.
    for parameter in net.parameters():
        parameter.mul_(1 if NETS[name].kind == "whitebox" else 3)
    return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def chain_of(net: Generator) -> list[Stage]:
    chain = net.stages()
    assert chain is not None
    return chain


def picture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def whole(net: Generator, x: torch.Tensor) -> torch.Tensor:
    height, width = x.shape[2:]
    grown = pad_to(x, *padded_size(height, width, net.stride, net.min_size))
    with torch.inference_mode():
        return run_whole(chain_of(net), grown.contiguous(memory_format=torch.channels_last))[:, :, :height, :width]


def planned(
    net: Generator,
    height: int,
    width: int,
    rows: int,
    kept: set[int] | None = None,
    spilled: bool = False,
    dtype: torch.dtype = torch.float32,
) -> StripPlan:
    """A plan with strips of `rows` rows in every pass, and any planes kept."""
    made = make_plan(net, height, width, 2**30, dtype, mode="strips")
    nodes = trace(chain_of(net), 3, *padded_size(height, width, net.stride, net.min_size))
    if kept is None:
        buffers = [(b.nodes, b) for b in made.buffers]
        kept = set(made.kept)
    else:
        stored = [n for p in cut_into_passes(nodes, kept) for n in p.stores]
        buffers = [((n,), Buffer((n,), nodes[n].channels, nodes[n].height, nodes[n].width, dtype)) for n in stored]
    rooms = tuple(Buffer(n, b.channels, b.height, b.width, b.dtype, spilled) for n, b in buffers)
    passes = len(pass_ends(nodes))
    return StripPlan("strips", height, width, 3, net.stride, net.min_size, tuple(sorted(kept)), rooms, (rows,) * passes)


def streamed(net: Generator, x: torch.Tensor, plan: StripPlan, folder: Path | None = None) -> torch.Tensor:
    sink = TensorSink(3, *x.shape[2:])
    stream(chain_of(net), plan, Forward(x), sink, folder=folder)
    return sink.x


@pytest.mark.parametrize("name", NETS)
@settings(max_examples=10)
@given(height=st.integers(1, 45), width=st.integers(2, 45), rows=st.integers(1, 50), seed=st.integers(0, 99))
@example(height=1, width=40, rows=1, seed=0)
@example(height=40, width=1, rows=3, seed=0)
@example(height=2, width=2, rows=2, seed=1)
@example(height=37, width=22, rows=5, seed=2)
def test_streamed_is_whole(name: str, height: int, width: int, rows: int, seed: int) -> None:
    net, x = ready(name), picture(height, width, seed)
    found = streamed(net, x, planned(net, height, width, rows))
    wanted = whole(net, x)
    # Planes of 2 × 2 values at the smallest size tell little apart: no more is asked than float32 itself can tell.
    noise = (wanted - whole(copy.deepcopy(net).double(), x.double())).abs().max()
    assert (found - wanted).abs().max() <= FINE + 4 * noise
    assert noise < 0.01


@pytest.mark.parametrize("name", ["resnet 9", "antialiased", "unit"])
@pytest.mark.parametrize("rows", [3, 17])
def test_in_float32_nothing_rounds_another_way(name: str, rows: int) -> None:
    # Moments summed in float64 come out the same however a plane is cut, and convolutions row by row.
    net, x = ready(name), picture(72, 60, 3)
    apart = (streamed(net, x, planned(net, 72, 60, rows)) - whole(net, x)).abs()
    assert apart.max() < 2e-6


@pytest.mark.parametrize("name", NETS)
@settings(max_examples=6)
@given(data=st.data(), rows=st.integers(1, 30))
def test_whatever_is_kept_and_whatever_computed_again(name: str, data: st.DataObject, rows: int) -> None:
    net, x = ready(name), picture(26, 19)
    nodes = trace(chain_of(net), 3, 28, 20)
    # Without the planes of the blocks the work would double with each of them; all others may be chosen freely.
    base = set(make_plan(net, 26, 19, 2**30, mode="strips").kept)
    others = sorted(set(range(1, len(nodes))) - base)
    blocks = {n for n in base if nodes[n].height == 7}
    kept = blocks | data.draw(st.sets(st.sampled_from(others), max_size=8))
    found = streamed(net, x, planned(net, 26, 19, rows, kept))
    assert (found - whole(net, x)).abs().max() <= FINE


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size", [(1, 1), (40, 24)])
def test_a_flat_picture(name: str, size: tuple[int, int]) -> None:
    """It has no variance but rounding, which torch's norms blow up to noise of full strength."""
    net, x = ready(name), torch.full((1, 3, *size), 0.3)
    found, wanted = streamed(net, x, planned(net, *size, 3)), whole(net, x)
    assert (found - wanted).abs().max() <= FINE


@pytest.mark.parametrize("name", [name for name, config in NETS.items() if config.norm != "none"])
def test_moments_are_those_of_the_whole_and_planes_may_lie_in_a_file(name: str, tmp_path: Path) -> None:
    net, x = ready(name), picture(64, 48)
    plan = planned(net, 64, 48, 9, spilled=True)
    assert plan.spill_bytes > 0
    sink = TensorSink(3, 64, 48)
    moments = stream(chain_of(net), plan, TensorSource(x), sink, folder=tmp_path)
    assert (sink.x - whole(net, x)).abs().max() <= FINE
    assert not list(tmp_path.iterdir())
    with torch.no_grad():
        wanted = measured(chain_of(net), x)
    assert len(moments) == len(wanted)
    for mine, theirs in zip(moments, wanted, strict=True):
        assert mine.count == theirs.count
        assert torch.allclose(mine.m2, theirs.m2, rtol=1e-4)


def test_strips_forgotten_in_the_variance_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """The property above is one that a wrong engine fails: here the variance between strips is left out."""
    net, x = ready("compact"), picture(40, 40)

    def pooled(self: NormStatistics, other: NormStatistics) -> NormStatistics:
        count = self.count + other.count
        mean = (self.mean * self.count + other.mean * other.count) / count
        return NormStatistics(count, mean, self.m2 + other.m2)

    monkeypatch.setattr(NormStatistics, "merged", pooled)
    assert (streamed(net, x, planned(net, 40, 40, 4)) - whole(net, x)).abs().max() > 10 * FINE


def test_planes_of_16_bits_stay_within_a_level() -> None:
    net, x = ready("resnet 6 affine"), picture(64, 48)
    plan = make_plan(net, 64, 48, 2**30, mode="strips", planes=torch.float16)
    assert {b.dtype for b in plan.buffers} == {torch.float16}
    found = streamed(net, x, plan)
    assert 0 < (found - whole(net, x)).abs().max() <= 1 / 127.5


def test_a_net_of_16_bits_keeps_its_planes_without_loss() -> None:
    net, x = ready("compact").bfloat16(), picture(64, 48)
    plan = make_plan(net, 64, 48, 2**30, torch.bfloat16, mode="strips")
    sink = TensorSink(3, 64, 48)
    stream(chain_of(net), plan, TensorSource(x), sink)
    assert (sink.x - whole(net, x.bfloat16()).float()).abs().mean() < 0.02


def test_arithmetic_is_counted_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every convolution called is counted by its true shapes: twelve per cent more for nine blocks, as planned."""
    net = tiny_net(NetConfig("resnet", 64, 9)).requires_grad_(False)
    chain = chain_of(net)
    height = width = 32
    kept = {n for n in make_plan(net, height, width, 2**30, mode="strips").kept if n}
    nodes = trace(chain, 3, height, width)
    small = {n for n in kept if nodes[n].height == height // 4}
    counted = 0.0
    true = computed

    def counting(stage: Stage, window: object, of: int, span: tuple[int, int]) -> torch.Tensor:
        nonlocal counted
        out = true(stage, window, of, span)  # type: ignore[arg-type]
        if isinstance(stage, Conv):
            counted += stage.weight.numel() * out.shape[2] * out.shape[3]
        elif isinstance(stage, ConvTranspose):
            counted += stage.weight.numel() * out.shape[2] * out.shape[3] / stage.stride**2
        return out

    monkeypatch.setattr(run, "computed", counting)
    streamed(net, picture(height, width), planned(net, height, width, 6, small))
    least = counted / multiply_adds(chain, height, width)
    counted = 0.0
    streamed(net, picture(height, width), planned(net, height, width, 6))
    default = counted / multiply_adds(chain, height, width)
    assert default <= least == pytest.approx(1.1224, abs=0.002)
    assert default == pytest.approx(1.0)


def test_progress_is_known_in_advance_and_ends_at_one() -> None:
    net, x = ready("unit"), picture(40, 24)
    plan = planned(net, 40, 24, 8)
    seen: list[float] = []
    stream(chain_of(net), plan, TensorSource(x), TensorSink(3, 40, 24), seen.append)
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5 < seen[-1] == pytest.approx(1, abs=1e-9)
    # At least once a pass, and once a strip of 8 rows at most.
    assert len(plan.rows) < len(seen) <= sum(-(-40 // rows) + 1 for rows in plan.rows)


def test_out_of_memory_halves_the_strips_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = ready("antialiased"), picture(50, 34)
    true, failures = computed, 0

    def small_device(stage: Stage, window: object, height: int, span: tuple[int, int]) -> torch.Tensor:
        nonlocal failures
        if span[1] - span[0] > 24:
            failures += 1
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 TiB")
        return true(stage, window, height, span)  # type: ignore[arg-type]

    monkeypatch.setattr(run, "computed", small_device)
    found = streamed(net, x, planned(net, 50, 34, 52))
    assert failures > 1
    monkeypatch.setattr(run, "computed", true)
    assert (found - whole(net, x)).abs().max() <= FINE


def test_a_device_without_room_for_a_row_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net, x = ready("compact"), picture(24, 24)

    def full(*_: object) -> torch.Tensor:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(run, "computed", full)
    with pytest.raises(ImgcycleError, match="no memory for one row"):
        streamed(net, x, planned(net, 24, 24, 8, spilled=True), tmp_path)
    assert not list(tmp_path.iterdir())

    def wrong(*_: object) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(run, "computed", wrong)
    with pytest.raises(RuntimeError, match="shapes"):
        streamed(net, x, planned(net, 24, 24, 8))


def test_an_affine_map_is_kept_in_64_bits_until_used() -> None:
    affine = Affine(torch.ones(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64))
    assert affine.to(torch.device("cpu"), torch.bfloat16).scale.dtype == torch.float32
    assert affine.to(torch.device("cpu"), torch.float64).scale.dtype == torch.float64

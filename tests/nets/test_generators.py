"""Generators: published sizes, a description that is the net, and what the compact one promises."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imgcycle.config import NET_NAMES, NetConfig
from imgcycle.errors import UsageError
from imgcycle.nets.build import build_generator
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import Blur, Conv, ConvTranspose, Norm, Upsample, multiply_adds, run_stages
from tests.nets.parameters import parameter_count, parameters_of

SMALL = {
    "compact": NetConfig("compact", 4, 2, "affine"),
    "compact skip": NetConfig("compact", 4, 2, "affine", global_residual=True),
    "compact wide skip": NetConfig("compact", 4, 2, "affine", global_residual=True, head="wide"),
    "compact without norms": NetConfig("compact", 4, 2, "none", global_residual=True),
    "compact without norms, luma skip": NetConfig(
        "compact", 4, 2, "none", global_residual=True, head="wide", luma=True
    ),
    "resnet": NetConfig("resnet", 4, 2),
    "resnet affine": NetConfig("resnet", 4, 1, "affine"),
    "resnet batch": NetConfig("resnet", 4, 1, "batch"),
    "unet": NetConfig("unet", 4, 5),
}


def small(name: str) -> Generator:
    torch.manual_seed(3)
    net = build_generator(SMALL[name])
    net.initialise()
    return net.eval().requires_grad_(False)


@pytest.mark.parametrize(
    ("name", "count"),
    [("resnet9", 11_378_179), ("resnet6", 7_837_699), ("unet256", 54_413_955), ("unet128", 41_828_995)],
)
def test_parameter_counts_are_the_published_ones(name: str, count: int) -> None:
    assert parameter_count(build_generator(NetConfig.named(name))) == count


@pytest.mark.parametrize(("depth", "count"), [(8, 54_409_603), (7, 41_825_667)])
def test_unets_under_instance_norm_have_the_published_counts(depth: int, count: int) -> None:
    assert parameter_count(build_generator(NetConfig("unet", 64, depth, "instance"))) == count


@pytest.mark.parametrize(("name", "giga"), [("resnet9", 49.55), ("resnet6", 35.06)])
def test_multiply_adds_are_the_true_ones(name: str, giga: float) -> None:
    stages = build_generator(NetConfig.named(name)).stages()
    assert stages is not None
    assert multiply_adds(stages, 256, 256) / 1e9 == pytest.approx(giga, abs=0.005)


def test_the_compact_net_stays_below_three_giga_multiply_adds() -> None:
    stages = build_generator(NetConfig.named("compact")).stages()
    assert stages is not None
    assert multiply_adds(stages, 256, 256) < 3e9


@pytest.mark.parametrize("name", [n for n in SMALL if n != "unet" and "luma" not in n])
def test_every_parameter_stands_in_the_chain_exactly_once(name: str) -> None:
    net = small(name)
    listed = [id(p) for p in parameters_of(net.chain())]
    assert sorted(listed) == sorted(id(p) for p in net.parameters())


@pytest.mark.parametrize("name", [n for n in SMALL if n != "unet"])
def test_the_forward_pass_is_a_run_over_the_chain(name: str) -> None:
    net, x = small(name), torch.rand(2, 3, 32, 24) * 2 - 1
    assert torch.equal(net(x), run_stages(net.chain(), x)[0])


@pytest.mark.parametrize("name", list(SMALL))
def test_outputs_have_the_size_of_inputs_and_stay_in_range(name: str) -> None:
    made = small(name)(torch.rand(1, 3, 64, 32) * 2 - 1)
    assert made.shape == (1, 3, 64, 32)
    assert float(made.detach().abs().max()) <= (2 if "skip" in name else 1)


@pytest.mark.parametrize("name", ["unet", "resnet batch"])
def test_nets_that_cannot_be_walked_say_so(name: str) -> None:
    assert small(name).stages() is None


def test_the_resnet_equals_a_plain_re_creation() -> None:
    net = small("resnet")
    sd = net.state_dict()
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    norm, relu, conv = torch.nn.functional.instance_norm, torch.relu, torch.nn.functional.conv2d
    pad = torch.nn.functional.pad

    def c(name: str, y: Tensor, stride: int = 1, p: int = 0) -> Tensor:
        return conv(y, sd[f"{name}.weight"], sd[f"{name}.bias"], stride, p)

    y = relu(norm(c("head", pad(x, (3,) * 4, "reflect"))))
    for n in range(2):
        y = relu(norm(c(f"down.{n}", y, 2, 1)))
    for n in range(2):
        hidden = relu(norm(c(f"blocks.{n}.conv1", pad(y, (1,) * 4, "reflect"))))
        y = y + norm(c(f"blocks.{n}.conv2", pad(hidden, (1,) * 4, "reflect")))
    for n in range(2):
        up = torch.nn.functional.conv_transpose2d(y, sd[f"up.{n}.weight"], sd[f"up.{n}.bias"], 2, 1, 1)
        y = relu(norm(up))
    expected = torch.tanh(c("tail", pad(y, (3,) * 4, "reflect")))
    assert torch.allclose(net(x), expected, atol=1e-5)


def test_the_compact_net_has_no_grid_and_no_norm_on_its_trunk() -> None:
    chain = build_generator(NetConfig.named("compact")).chain()
    assert not any(isinstance(s, ConvTranspose) for s in chain)
    assert all(s.stride == 1 for s in chain if isinstance(s, Conv))
    assert sum(isinstance(s, Blur) for s in chain) == sum(isinstance(s, Upsample) for s in chain) == 2
    kinds = [type(s).__name__ for s in chain]
    assert "Norm" not in kinds[: kinds.index("Save")]
    assert "Norm" not in kinds[len(kinds) - kinds[::-1].index("Add") :]


def test_the_compact_net_minds_shifts_within_its_stride_less_than_the_resnet() -> None:
    """A picture moved by one or two pixels should give the same result, moved."""
    torch.manual_seed(0)
    scene = torch.nn.functional.avg_pool2d(torch.randn(1, 3, 140, 140), 3, 1)[:, :, :136, :136].clamp(-1, 1)

    def unrest(net: Generator) -> float:
        still = net(scene[:, :, :128, :128])
        total = 0.0
        for shift in (1, 2):
            moved = net(scene[:, :, shift : 128 + shift, shift : 128 + shift])
            inner = slice(32, 96)
            a = still[:, :, 32 + shift : 96 + shift, 32 + shift : 96 + shift]
            total += float((a - moved[:, :, inner, inner]).square().mean() / still.var())
        return total

    assert unrest(small("compact")) < 0.5 * unrest(small("resnet"))


def test_colours_travel_through_the_untrained_compact_net() -> None:
    """Two flat pictures that differ in colour alone must not come out alike, as under a norm on the trunk."""
    flat = torch.ones(1, 3, 32, 32)
    apart = (small("compact")(0.8 * flat) - small("compact")(-0.8 * flat)).abs().mean()
    lost = (small("resnet")(0.8 * flat) - small("resnet")(-0.8 * flat)).abs().mean()
    assert float(apart) > 1e-3
    assert float(lost) < 1e-5


def test_batch_norm_is_the_only_norm_with_running_statistics() -> None:
    for name in SMALL:
        if name == "unet" or "without norms" in name:
            continue
        norms = [s for s in small(name).chain() if isinstance(s, Norm)]
        assert norms
        assert all((n.running is not None) == (name == "resnet batch") for n in norms)


@pytest.mark.parametrize("name", ["compact", "resnet"])
def test_encoding_stops_at_the_last_tap_and_equals_the_full_pass(name: str) -> None:
    net, x = small(name), torch.rand(1, 3, 32, 32)
    taps = net.feature_taps()
    assert len(taps) == 5
    for early, late in zip(net.encode(x, taps), run_stages(net.chain(), x, taps)[1], strict=True):
        assert torch.equal(early, late)
    assert torch.equal(net.encode(x, taps)[0], x)


def test_unknown_nets_and_impossible_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="no net is called"):
        NetConfig.named("resnet12")
    with pytest.raises(UsageError, match="width"):
        NetConfig(width=0)
    with pytest.raises(UsageError, match="depth"):
        NetConfig("unet", 64, 3)


def test_all_names_build() -> None:
    for name in NET_NAMES:
        assert NetConfig.from_dict(NetConfig.named(name).to_dict()) == NetConfig.named(name)


def test_a_skip_adds_what_is_drawn_to_the_input() -> None:
    plain, adding = small("compact"), small("compact skip")
    adding.load_state_dict(plain.state_dict())
    x = torch.rand(1, 3, 16, 20) * 2 - 1
    assert torch.equal(adding(x), plain(x) + x)
    assert torch.equal(small("compact skip")(x), x), "it starts at no change"
    with pytest.raises(UsageError, match="only a compact one"):
        NetConfig("resnet", 4, 1, global_residual=True)


def test_luma_alone_is_seen_and_changed() -> None:
    net = small("compact without norms, luma skip")
    assert isinstance(net, CompactGenerator)
    assert (net.head.weight.shape[1], net.tail.weight.shape[0]) == (1, 1)
    assert "to_luma" not in net.state_dict()
    learnt = [p for layer in (net.head, net.tail) for p in layer.parameters()]
    torch.nn.init.normal_(net.tail.weight, 0.0, 0.2)
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    change = net(x) - x
    assert change.abs().mean() > 0.05
    assert torch.allclose(change[:, 0], change[:, 1], atol=1e-6)
    assert torch.allclose(change[:, 0], change[:, 2], atol=1e-6)
    luma = (0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])[:, None].expand(-1, 3, -1, -1)
    assert torch.allclose(net(luma) - luma, change, atol=1e-5), "colours are not seen"
    # The gradients of what the chain multiplies and repeats reach the parameters.
    net.requires_grad_(True)
    net(x).square().mean().backward()
    assert len(learnt) == 4
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learnt)
    with pytest.raises(UsageError, match="cannot draw luma alone"):
        NetConfig("compact", 4, 1, "none", luma=True)


def test_a_wide_head_reaches_every_value_from_every_other() -> None:
    narrow, wide = small("compact skip"), small("compact wide skip")
    black, x = torch.full((1, 3, 16, 20), -1.0), torch.rand(1, 3, 16, 20) * 2 - 1
    for net in (narrow, wide):
        assert isinstance(net, CompactGenerator)
        net.tail.weight.data.normal_(0, 0.01)
        assert net.tail.bias is not None
        net.tail.bias.data.fill_(20.0)
    assert narrow(black).max() == 0, "half of the range"
    assert wide(black).min() == 1, "all of it"
    nets = (small("compact skip"), small("compact wide skip"))
    for net in nets:
        assert isinstance(net, CompactGenerator)
        torch.manual_seed(1)
        net.tail.weight.data.normal_(0, 1e-3)
    little = [net(x) - x for net in nets]
    assert little[0].abs().max() > 1e-3
    assert torch.allclose(little[0], little[1], atol=1e-5), "as steep as the other where little changes"
    with pytest.raises(UsageError, match="cannot have a wide head"):
        NetConfig("compact", 4, 1, "affine", head="wide")
    with pytest.raises(UsageError, match="no head to choose"):
        NetConfig("compact", 4, 1, "affine", head="clamp")
    once = NetConfig("compact", 4, 1, "affine", global_residual=True)
    assert once.drawing_changes() == once, "as it was learnt"
    assert NetConfig("compact", 4, 1, "affine").drawing_changes() == once.replace(head="wide")


def test_without_norms_a_net_looks_no_further_than_its_surroundings() -> None:
    net = small("compact without norms")
    assert isinstance(net, CompactGenerator)
    torch.nn.init.normal_(net.tail.weight)
    assert not any(isinstance(stage, Norm) for stage in net.chain())
    x = torch.rand(1, 3, 160, 96) * 2 - 1
    other = x.clone()
    other[:, :, 120:] = 1
    near, far = net(x), net(other)
    assert torch.equal(near[:, :, :64], far[:, :, :64])
    assert not torch.equal(near[:, :, 110:120], far[:, :, 110:120])
    taps = net.encode(x, net.feature_taps())
    assert [t.shape[1] for t in taps] == [3, 8, 16, 16, 16], "the last two are blocks' ends"
    with pytest.raises(UsageError, match="a resnet generator cannot have no norms"):
        NetConfig("resnet", 4, 1, "none")

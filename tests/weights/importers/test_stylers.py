"""The nets with which people stylise photographs: pictures of plain re-creations, strips, and near misses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.engine.translator import Translator
from imgcycle.nets.build import build_generator
from imgcycle.weights.importers import convert_checkpoint, import_checkpoint
from imgcycle.weights.native import load_generator
from tests.engine.tensors import TensorSink, TensorSource
from tests.nets.parameters import parameter_count
from tests.weights.importers import plain, plain_stylers
from tests.weights.importers.plain import lively
from tests.weights.importers.test_layouts import compared, kernels, picture, save
from tests.weights.importers.test_search import refusal

FAMILIES: dict[str, Callable[[], nn.Module]] = {
    "example": plain_stylers.Example,
    "rows": plain_stylers.Rows,
    "cartoon": plain_stylers.Cartoon,
    "white box": plain_stylers.WhiteBox,
    "anime": plain_stylers.Anime,
}


def loud(net: nn.Module, seed: int = 0) -> nn.Module:
    """Random weights under which a net of levels reaches beyond both ends of its range."""
    lively(net, seed)
    for name, tensor in net.state_dict().items():
        if name.startswith("deconv3"):
            tensor.mul_(200)
        if name == "deconv3.conv2d.bias":
            tensor.add_(110)
        if name.endswith(("scale", "shift")):
            tensor.uniform_(0.5, 1.5) if name.endswith("scale") else tensor.normal_(0, 0.1)
    return net


def levels(net: nn.Module, bgr: bool = False) -> Callable[[Tensor], Tensor]:
    """A net of levels from 0 to 255 as one of [-1, 1], its result cut off as a picture's levels are."""
    axis = [2, 1, 0] if bgr else [0, 1, 2]

    def signed(x: Tensor) -> Tensor:
        made: Tensor = net((x[:, axis] + 1) * 127.5)
        return (made[:, axis] / 127.5 - 1).clamp(-1, 1)

    return signed


def test_the_published_names_are_these() -> None:
    example = set(plain_stylers.Example().state_dict())
    assert {"conv1.conv2d.weight", "in5.bias", "res5.conv2.conv2d.bias", "res1.in2.weight"} < example
    assert len(example) == 62
    rows = set(plain_stylers.Rows().state_dict())
    assert {"ConvBlock.4.norm_layer.bias", "ResidualBlock.4.conv2.conv_layer.weight"} < rows
    assert {"DeconvBlock.2.conv_transpose.weight", "DeconvBlock.4.conv_layer.bias"} < rows
    cartoon = set(plain_stylers.Cartoon().state_dict())
    assert {"conv03_2.bias", "in11_2.shift", "deconv02_2.weight", "in13_1.scale", "deconv03_1.bias"} < cartoon
    white = kernels(plain_stylers.WhiteBox())
    assert {"initial_down.0", "down2.2", "res_blocks.3.block.2", "up1.0", "up2.2", "last.2"} < white
    anime = set(plain_stylers.Anime().state_dict())
    assert {"block_a.0.1.weight", "block_c.4.layers.1.1.bias", "block_c.1.layers.2.weight"} < anime
    assert {"block_c.5.2.weight", "block_e.2.1.weight", "out_layer.0.weight"} < anime


@pytest.mark.parametrize(
    ("config", "count"),
    [
        (NetConfig("resnet", 32, 5, "affine", down="reflected", up="reflected", ends=9, head="clamp"), 1_679_235),
        (NetConfig("whitebox", 32, 4, "none"), 1_467_075),
        (NetConfig("animegan", 32, 4, "layer"), 2_143_552),
        (NetConfig("resnet", 64, 9, downs=4), 182_443_267),
    ],
)
def test_parameter_counts_are_the_published_ones(config: NetConfig, count: int) -> None:
    with torch.device("meta"):
        assert parameter_count(build_generator(config)) == count


@pytest.mark.parametrize("old", [False, True])
def test_fast_neural_style(tmp_path: Path, old: bool) -> None:
    theirs = loud(plain_stylers.Example())
    moments = {f"in{n}.running_{kind}": torch.ones(4) for n in (1, 5) for kind in ("mean", "var")}
    path = save(tmp_path / "candy.pth", theirs.state_dict() | (moments if old else {}))
    about = compared(path, levels(theirs))
    assert about.layout == "fast-neural-style of PyTorch's examples"
    assert about.config == NetConfig("resnet", 4, 5, "affine", down="reflected", up="reflected", ends=9, head="clamp")
    with torch.no_grad():
        found = import_checkpoint(path)[0](picture())
    assert (found == 1).any()
    assert (found == -1).any(), "nothing was cut off, so nothing was proved of it"


@pytest.mark.parametrize("batch", [False, True])
def test_fast_neural_style_with_an_end_of_its_own(tmp_path: Path, batch: bool) -> None:
    theirs = loud(plain_stylers.Rows(batch=batch))
    about = compared(save(tmp_path / "mosaic_512.pth", theirs.state_dict()), levels(theirs, bgr=True))
    assert about.config.head == "scaled"
    assert about.config.norm == ("batch" if batch else "affine")
    assert "BGR" in about.notes[0]


def test_cartoongan(tmp_path: Path) -> None:
    theirs = loud(plain_stylers.Cartoon())
    # Planes so faint that another eps would flatten them.
    for name in ("conv05_1", "conv03_2"):
        theirs.state_dict()[f"{name}.weight"].mul_(1e-2)
    path = save(tmp_path / "Hayao_net_G_float.pth", theirs.state_dict())
    about = compared(path, lambda x: theirs(x.flip(1)).flip(1))
    assert about.config == NetConfig("resnet", 4, 8, "affine", convs=2, eps=1e-9)
    assert "two convolutions a level" in about.recognised


def test_white_box(tmp_path: Path) -> None:
    theirs = loud(plain_stylers.WhiteBox())
    tree = {"state_dict": theirs.state_dict(), "optimizer": {"state": {}, "param_groups": []}}
    about = compared(save(tmp_path / "sceneryonly.pth.tar", tree), theirs)
    assert about.config == NetConfig("whitebox", 4, 4, "none")
    assert "guided filter" in about.notes[0]


def test_animegan(tmp_path: Path) -> None:
    theirs = loud(plain_stylers.Anime())
    about = compared(save(tmp_path / "paprika.pt", theirs.state_dict()), theirs)
    assert about.config == NetConfig("animegan", 4, 4, "layer")
    assert "half-pixel" in about.notes[0]


@pytest.mark.parametrize(("downs", "said"), [(1, "halving once"), (3, "halving 3 times"), (4, "halving 4 times")])
def test_pix2pixhd_halves_as_often_as_it_likes(tmp_path: Path, downs: int, said: str) -> None:
    theirs = lively(plain.Resnet(3, 2, downs=downs))
    about = compared(save(tmp_path / "latest_net_G.pth", theirs.state_dict()), theirs, (32, 64))
    assert about.config.downs == downs
    assert said in about.recognised


def test_pix2pixhd_with_batch_norm_keeps_its_biases(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(2, 2, downs=4, norm="batch", bias=True))
    assert compared(save(tmp_path / "g.pth", theirs.state_dict()), theirs, (32, 64)).config.norm == "batch"


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("size", [(45, 34), (96, 60)])
def test_strips_are_the_whole_picture(tmp_path: Path, name: str, size: tuple[int, int]) -> None:
    net, _ = import_checkpoint(save(tmp_path / "g.pth", loud(FAMILIES[name]()).state_dict()))
    translator, x = Translator(net, torch.device("cpu")), picture(3, size)[:1]
    plan = translator.plan(*size, 2**30, mode="strips")
    assert plan.mode == "strips"
    sink = TensorSink(3, *size)
    translator.translate_rows(TensorSource(x), sink, plan)
    assert (sink.x - translator(x)).abs().max() < 2e-5


@pytest.mark.parametrize("name", FAMILIES)
def test_a_converted_file_is_read_again(tmp_path: Path, name: str) -> None:
    path, x = save(tmp_path / "g.pth", loud(FAMILIES[name]()).state_dict()), picture()
    convert_checkpoint(path, tmp_path / "g.safetensors")
    with torch.no_grad():
        assert torch.equal(load_generator(tmp_path / "g.safetensors")[0](x), import_checkpoint(path)[0](x))


def without(net: nn.Module, *prefixes: str) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in net.state_dict().items() if not name.startswith(prefixes)}


NEAR: dict[str, tuple[Callable[[], dict[str, Tensor]], str]] = {
    "7×7 ends": (
        lambda: plain_stylers.Example(ends=7).state_dict(),
        "conv1.conv2d is (4, 3, 7, 7), where a ResNet generator has (4, 3, 9, 9)",
    ),
    "half a block": (
        lambda: without(plain_stylers.Example(), "res5.conv2", "res5.in2"),
        "deconv1.conv2d is (8, 16, 3, 3), where a ResNet generator has (16, 16, 3, 3)",
    ),
    "no norm": (lambda: without(plain_stylers.Example(), "in3"), "some of its convolutions have a norm with factors"),
    "under other names": (
        lambda: {f"a{n}": t for n, t in plain_stylers.Example().state_dict().items()},
        "fast neural style under names of its own, and shapes do not tell the range of its values",
    ),
    "one convolution a level": (
        lambda: without(plain_stylers.Cartoon(), "conv02_2"),
        "conv03_1 is (16, 8, 3, 3), where a ResNet generator has (8, 8, 3, 3)",
    ),
    "a norm too many": (
        lambda: plain_stylers.Cartoon().state_dict() | {"in02_0.scale": torch.ones(8), "in02_0.shift": torch.ones(8)},
        "in02_0 is a norm without its convolution",
    ),
    "white box, wider": (
        lambda: plain_stylers.WhiteBox().state_dict() | {"up2.0.weight": torch.rand(16, 8, 3, 3)},
        "up2.0 is (16, 8, 3, 3), where White-box cartoonization has (8, 8, 3, 3)",
    ),
    "white box, half a block": (
        lambda: without(plain_stylers.WhiteBox(), "res_blocks.3.block.2"),
        "up1.0 is (8, 16, 3, 3), where White-box cartoonization has (16, 16, 3, 3)",
    ),
    "anime, no norm": (
        lambda: without(plain_stylers.Anime(), "block_d.0.2"),
        "the norm after block_d.0.1 is not as AnimeGANv2 has it",
    ),
    "anime, full convolutions": (
        lambda: plain_stylers.Anime().state_dict() | {"block_c.1.layers.1.1.weight": torch.rand(32, 32, 3, 3)},
        "block_c.1.layers.1.1 is (32, 32, 3, 3), where AnimeGANv2 has (32, 1, 3, 3)",
    ),
    "local enhancer": (
        lambda: plain_stylers.Enhancer(nn.Sequential(*list(plain.Resnet(2, downs=3).model)[:-3])).state_dict(),
        "pix2pixHD's local enhancer; its global generator alone (netG global) is read",
    ),
    "u-gat-it": (
        lambda: {f"genA2B.{n}.{k}": torch.rand(4, 4) for n in ("DownBlock", "UpBlock1_1", "FC") for k in range(5)},
        "a U-GAT-IT generator, whose norms depend on what it finds in each picture",
    ),
}


@pytest.mark.parametrize("name", NEAR)
def test_near_misses_are_explained_in_one_line(tmp_path: Path, name: str) -> None:
    made, said = NEAR[name]
    assert said in refusal(save(tmp_path / "g.pth", made()))

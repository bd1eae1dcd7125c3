"""Every layout: a file with the published names gives the picture of a plain re-creation of its net."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from imgcycle.config import NetConfig
from imgcycle.weights.importers import Imported, import_checkpoint
from tests.weights.importers import plain
from tests.weights.importers.plain import lively

CLOSE = 1e-4
"""Far below one level of 8 bits, which is 2/255 here."""


def picture(seed: int = 7, size: tuple[int, int] = (24, 32)) -> Tensor:
    return torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def compared(
    path: Path, wanted: Callable[[Tensor], Tensor], size: tuple[int, int] = (24, 32), **asked: str
) -> Imported:
    """Read a file, and hold its picture against another net's."""
    net, about = import_checkpoint(path, **asked)  # type: ignore[arg-type]
    x = picture(size=size)
    with torch.no_grad():
        right = wanted(x)
        assert right.std() > 0.05, "a picture of one colour proves nothing"
        assert (net(x) - right).abs().max() < CLOSE
    assert not net.training
    return about


def save(path: Path, tree: object, legacy: bool = False) -> Path:
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    return path


@pytest.mark.parametrize("blocks", [9, 6, 1])
@pytest.mark.parametrize("legacy", [False, True])
def test_official_resnets(tmp_path: Path, blocks: int, legacy: bool) -> None:
    theirs = lively(plain.Resnet(blocks))
    about = compared(save(tmp_path / "latest_net_G.pth", theirs.state_dict(), legacy), theirs)
    assert about.config == NetConfig("resnet", 4, blocks)
    assert f"{blocks} block" in about.recognised
    assert about.notes == ()
    assert about.direction is None


def kernels(net: nn.Module) -> set[str]:
    return {n.removesuffix(".weight") for n, t in net.state_dict().items() if t.dim() == 4 and "filt" not in n}


def test_the_re_creations_have_the_published_names() -> None:
    nine = {"model.1", "model.4", "model.7", "model.19", "model.22", "model.26"}
    nine |= {f"model.{n}.conv_block.{i}" for n in range(10, 19) for i in (1, 5)}
    assert kernels(plain.Resnet(9)) == nine
    assert len(plain.Resnet(9).state_dict()) == 48
    six = {f"model.{n}" for n in (1, 4, 7, 16, 19, 23)}
    assert six < kernels(plain.Resnet(6))
    cut = plain.Resnet(9, down="blur", up="blur")
    assert {f"model.{n}" for n in (1, 4, 8, 22, 26, 30)} < kernels(cut)
    assert [n for n in cut.state_dict() if "filt" in n] == [f"model.{n}.filt" for n in (7, 11, 21, 25)]
    assert {"model.2.conv", "model.11.block.1.conv", "model.14.conv"} < kernels(plain.MMResnet())
    unit = plain.UnitSide().state_dict()
    assert {"enc.model.3.model.3.model.1.conv.bias", "dec.model.4.norm.gamma", "dec.model.5.conv.weight"} < set(unit)
    assert {"model.model.0.weight", "model.model.1.model.3.model.3.model.1.weight"} < set(
        plain.Unet(8, 1, "batch").state_dict()
    )
    assert kernels(plain.Discriminator()) == {f"model.{n}" for n in (0, 2, 5, 8, 11)}


@pytest.mark.parametrize("norm", ["affine", "batch"])
def test_official_resnets_with_other_norms(tmp_path: Path, norm: str) -> None:
    theirs = lively(plain.Resnet(3, norm=norm))
    about = compared(save(tmp_path / "g.pth", theirs.state_dict()), theirs)
    assert about.config.norm == norm


def test_dropout_moves_a_name_and_changes_nothing(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(2, dropout=True))
    assert "model.10.conv_block.6.weight" in theirs.state_dict()
    about = compared(save(tmp_path / "g.pth", theirs.state_dict()), theirs)
    assert "dropout" in about.notes[0]


@pytest.mark.parametrize("norm", ["instance", "affine"])
def test_buffers_of_old_instance_norms_are_dropped(tmp_path: Path, norm: str) -> None:
    """Before 0.4 an instance norm kept moments that it did not use: 9 blocks then have 117 tensors."""
    theirs = lively(plain.Resnet(9, norm=norm))
    state = theirs.state_dict()
    for name in list(state):
        if state[name].dim() == 4 and not name.startswith("model.26"):
            module, _, place = name.removesuffix(".weight").rpartition(".")
            at = f"{module}.{int(place) + 1}"
            outputs = len(state[name.replace(".weight", ".bias")])
            state |= {f"{at}.running_mean": torch.rand(outputs), f"{at}.running_var": torch.rand(outputs) + 1}
            state[f"{at}.num_batches_tracked"] = torch.tensor(5)
    assert len(state) == (117 if norm == "instance" else 117 + 46)
    about = compared(save(tmp_path / "horse2zebra.pth", state, legacy=True), theirs)
    assert about.config.norm == norm


def test_prefixes_of_parallel_and_compiled_nets_are_dropped(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(2))
    state = {f"module._orig_mod.{name}": t for name, t in theirs.state_dict().items()}
    compared(save(tmp_path / "g.pth", state), theirs)


@pytest.mark.parametrize(("depth", "norm"), [(8, "batch"), (7, "instance"), (6, "affine"), (5, "batch")])
def test_unets(tmp_path: Path, depth: int, norm: str) -> None:
    theirs = lively(plain.Unet(depth, 2, norm))
    side = 2**depth
    about = compared(save(tmp_path / "g.pth", theirs.state_dict()), theirs, (side, side))
    assert about.config == NetConfig("unet", 2, depth, norm)  # type: ignore[arg-type]
    assert f"{side} pixels" in about.recognised
    assert bool(about.notes) == (norm == "batch")


@pytest.mark.parametrize(("down", "up"), [("blur", "blur"), ("blur", "transposed"), ("strided", "blur")])
def test_cut(tmp_path: Path, down: str, up: str) -> None:
    theirs = lively(plain.Resnet(9, down=down, up=up))
    about = compared(save(tmp_path / "latest_net_G.pth", theirs.state_dict()), theirs)
    assert about.layout == "CUT and FastCUT"
    assert about.config.down == down
    assert about.config.up == {"blur": "linear"}.get(up, up)


def test_mmagic_names_its_generators_by_what_they_paint(tmp_path: Path) -> None:
    photo, mask = lively(plain.MMResnet(), 1), lively(plain.MMResnet(), 2)
    state = {f"generators.photo.{n}": t for n, t in photo.state_dict().items()}
    state |= {f"generators.mask.{n}": t for n, t in mask.state_dict().items()}
    state |= {f"discriminators.mask.{n}": t for n, t in plain.Discriminator().state_dict().items()}
    path = save(tmp_path / "facades.pth", {"meta": {"epoch": 3}, "state_dict": state})
    about = compared(path, mask, direction="A2B")
    assert "generators.mask is taken for A2B" in about.notes[0]
    assert about.direction == "A2B"
    compared(path, photo, direction="B2A")


def test_mmagic_files_for_bgr_are_turned(tmp_path: Path) -> None:
    theirs = lively(plain.MMResnet(blocks=2))
    state = {f"generators.photo.{n}": t for n, t in theirs.state_dict().items()}
    path = save(tmp_path / "facades-convert-bgr_2021.pth", {"state_dict": state})
    about = compared(path, lambda x: theirs(x.flip(1)).flip(1))
    assert "BGR" in about.notes[-1]


def test_unit(tmp_path: Path) -> None:
    a, b = plain.UnitSide(), plain.UnitSide()
    lively(a, 1)
    lively(b, 2)
    old = {f"enc.model.0.norm.{leaf}": torch.rand(4) for leaf in ("running_mean", "running_var")}
    path = save(tmp_path / "gen_00500000.pt", {"a": a.state_dict() | old, "b": b.state_dict() | old})
    about = compared(path, lambda x: b.dec(a.enc(x)), direction="A2B")
    assert about.config == NetConfig("unit", 4, 4)
    compared(path, lambda x: a.dec(b.enc(x)), direction="B2A")


def test_pytorch_gan(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(9, row="block", up="nearest"))
    assert "model.10.block.5.weight" in theirs.state_dict()
    about = compared(save(tmp_path / "G_AB_40.pth", theirs.state_dict()), theirs)
    assert about.layout == "PyTorch-GAN"
    assert about.config.up == "nearest"


@pytest.mark.parametrize("norm", ["affine", "batch"])
def test_pytorch_gan_with_other_norms(tmp_path: Path, norm: str) -> None:
    theirs = lively(plain.Resnet(2, row="block", up="nearest", norm=norm, bias=True))
    about = compared(save(tmp_path / "G_AB_40.pth", theirs.state_dict()), theirs)
    assert about.layout == "PyTorch-GAN"
    assert about.config.norm == norm


def test_a_lesson_that_reflects_every_edge(tmp_path: Path) -> None:
    theirs = lively(plain.Lesson())
    path = save(tmp_path / "genz.pth.tar", {"state_dict": theirs.state_dict(), "optimizer": {"state": {}}})
    about = compared(path, theirs)
    assert about.config.down == "reflected"


@pytest.mark.parametrize("norm", ["instance", "affine", "batch"])
def test_nets_from_scratch_are_known_by_order_and_shapes(tmp_path: Path, norm: str) -> None:
    """Under batch norm such nets keep the biases that the official code leaves out."""
    theirs = lively(plain.Course(norm=norm))
    about = compared(save(tmp_path / "gen.pt", theirs.state_dict()), theirs)
    assert about.layout == "a re-implementation"
    assert about.config.norm == norm
    assert "shapes alone" in about.notes[0]


def test_a_bare_row_of_layers_is_known_too(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(2, up="nearest"))
    inner = {n.removeprefix("model."): t for n, t in theirs.state_dict().items()}
    about = compared(save(tmp_path / "gen.pt", {"epoch": 3, "g": inner}), theirs)
    assert "nearest-pixel doubling" in about.notes[0]


def test_missing_biases_under_instance_norm_are_zero(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(2, bias=False))
    compared(save(tmp_path / "g.pth", theirs.state_dict()), theirs)


def test_half_and_double_precision_become_single(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(1))
    halves = {n: t.half() for n, t in theirs.state_dict().items()}
    theirs.load_state_dict(halves)
    compared(save(tmp_path / "g.pth", halves), theirs)
    compared(save(tmp_path / "g.pth", {n: t.double() for n, t in halves.items()}), theirs)


def test_safetensors_of_others_are_read_too(tmp_path: Path) -> None:
    import safetensors.torch

    theirs = lively(plain.Resnet(2))
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "g.safetensors")
    compared(tmp_path / "g.safetensors", theirs)

"""Which generator of a checkpoint is taken, and what files without one are called."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from imgcycle.errors import WeightsError
from imgcycle.weights.importers import import_checkpoint
from tests.weights.importers import plain
from tests.weights.importers.plain import lively


def save(path: Path, tree: object) -> Path:
    torch.save(tree, path)
    return path


def taken(path: Path, direction: str = "A2B") -> torch.Tensor:
    """The first weight of the generator that is chosen."""
    net, _ = import_checkpoint(path, direction)  # type: ignore[arg-type]
    return torch.as_tensor(net.state_dict()["head.bias"])


def refusal(path: Path, direction: str = "A2B") -> str:
    with pytest.raises(WeightsError) as caught:
        import_checkpoint(path, direction)  # type: ignore[arg-type]
    assert caught.value.exit_code == 2
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ("netG_A", "netG_B"),
        ("G_AB", "G_BA"),
        ("G_A2B", "G_B2A"),
        ("genA2B", "genB2A"),
        ("G", "F"),
        ("gen_Z", "gen_H"),
        ("state_dict.G_A", "state_dict.G_B"),
        ("generator_x2y", "generator_y2x"),
    ],
)
@pytest.mark.parametrize("swapped", [False, True])
def test_names_tell_the_direction_else_the_order_does(tmp_path: Path, names: tuple[str, str], swapped: bool) -> None:
    nets = {names[0]: lively(plain.Resnet(1), 1), names[1]: lively(plain.Resnet(1), 2)}
    if swapped and names[0] != "gen_Z":
        nets = dict(reversed(nets.items()))
    tree: dict[str, object] = {"epoch": 7, "D_A": plain.Discriminator().state_dict()}
    for name, net in nets.items():
        first, _, last = name.rpartition(".")
        inner = tree if not first else tree.setdefault(first, {})
        assert isinstance(inner, dict)
        inner[last] = net.state_dict()
    path = save(tmp_path / "ckpt.pth", tree)
    for direction, name in zip(("A2B", "B2A"), names, strict=True):
        assert torch.equal(taken(path, direction), nets[name].state_dict()["model.1.bias"])


def test_averaged_weights_win(tmp_path: Path) -> None:
    plainly, averaged = lively(plain.Resnet(1), 1), lively(plain.Resnet(1), 2)
    path = save(tmp_path / "c.pth", {"params": plainly.state_dict(), "params_ema": averaged.state_dict()})
    assert torch.equal(taken(path), averaged.state_dict()["model.1.bias"])
    assert "averaged" in import_checkpoint(path)[1].notes[-1]


def test_a_direction_that_is_not_there_is_refused(tmp_path: Path) -> None:
    tree = {name: lively(plain.Resnet(1)).state_dict() for name in ("G_A2B", "old.G_A2B")}
    assert "no generator for B2A" in refusal(save(tmp_path / "c.pth", tree), "B2A")


def test_a_file_of_one_way_has_no_direction(tmp_path: Path) -> None:
    path = save(tmp_path / "latest_net_G_A.pth", lively(plain.Resnet(1)).state_dict())
    assert torch.equal(taken(path, "A2B"), taken(path, "B2A"))


def test_discriminators_are_called_discriminators(tmp_path: Path) -> None:
    assert "a discriminator" in refusal(save(tmp_path / "latest_net_D_A.pth", plain.Discriminator().state_dict()))
    pixel = nn.Sequential(nn.Conv2d(3, 4, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 8, 1), nn.Identity(), nn.Conv2d(8, 1, 1))
    state = {f"net.{n}": t for n, t in pixel.state_dict().items()}
    assert "a discriminator" in refusal(save(tmp_path / "pixel.pth", state))


def test_the_discriminators_of_unit_and_cut_too(tmp_path: Path) -> None:
    rows = {f"cnns.{s}.{n}.conv.weight": torch.rand(8, 3 if n == 0 else 8, 4, 4) for s in (0, 1, 2) for n in range(4)}
    rows |= {f"cnns.{s}.4.weight": torch.rand(1, 8, 1, 1) for s in (0, 1, 2)}
    assert "a discriminator" in refusal(save(tmp_path / "dis_00500000.pt", {"a": rows, "b": rows}))
    blurred = {f"model.{n}.weight": torch.rand(8, 3 if n == 0 else 8, 4, 4) for n in (0, 3, 7, 11)}
    blurred |= {"model.2.filt": torch.rand(8, 1, 3, 3), "model.14.weight": torch.rand(1, 8, 4, 4)}
    assert "a discriminator" in refusal(save(tmp_path / "latest_net_D.pth", blurred))


def test_optimizers_are_called_optimizers(tmp_path: Path) -> None:
    net = plain.Resnet(1)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.rand(1, 3, 16, 16)).sum().backward()
    optimizer.step()
    assert "an optimizer's state" in refusal(save(tmp_path / "optimizer.pt", {"gen": optimizer.state_dict()}))


def test_cuts_heads_are_called_heads(tmp_path: Path) -> None:
    state = {f"mlp_{n}.{i}.weight": torch.rand(4, 4) for n in range(5) for i in (0, 2)}
    assert "projection heads" in refusal(save(tmp_path / "latest_net_F.pth", state))


def test_our_own_training_state_is_told_apart(tmp_path: Path) -> None:
    from imgcycle.nets.build import build_generator
    from tests.styles import TINY

    path = save(tmp_path / "step-10.pt", {"nets": {"A2B": build_generator(TINY).state_dict()}})
    assert "name its run folder" in refusal(path)


def test_something_else_is_described(tmp_path: Path) -> None:
    text = refusal(save(tmp_path / "x.pth", nn.Linear(3, 2).state_dict()))
    assert "2 tensors, first weight (2, 3)" in text
    assert "no tensors" in refusal(save(tmp_path / "y.pth", {"epoch": 3}))


def test_other_architectures_take_one_line(tmp_path: Path) -> None:
    grey = lively(plain.Resnet(2, c=1)).state_dict()
    assert "takes 1 and gives 1 channels" in refusal(save(tmp_path / "grey.pth", grey))
    state = lively(plain.Resnet(2)).state_dict()
    state["model.4.weight"] = torch.rand(8, 4, 5, 5)
    assert "model.4 is (8, 4, 5, 5), where a ResNet generator has (8, 4, 3, 3)" in refusal(
        save(tmp_path / "five.pth", state)
    )
    course = plain.Course().state_dict()
    course["grow1.weight"] = torch.rand(16, 8, 4, 4)
    assert "nearly a generator known here, but grow1 is (16, 8, 4, 4)" in refusal(save(tmp_path / "four.pth", course))
    odd = lively(plain.Resnet(2)).state_dict()
    del odd["model.11.conv_block.5.weight"], odd["model.11.conv_block.5.bias"]
    assert "model.12" in refusal(save(tmp_path / "odd.pth", odd))


def test_a_unet_with_a_part_missing_or_too_many(tmp_path: Path) -> None:
    state = plain.Unet(5, 2, "batch").state_dict()
    extra = state | {"model.model.7.weight": torch.rand(3)}
    assert "model.model.7.weight has no place" in refusal(save(tmp_path / "extra.pth", extra))
    del state["model.model.1.model.5.weight"]
    assert "model.model.1.model.6 is a norm without its convolution" in refusal(save(tmp_path / "gap.pth", state))


def test_blurs_of_another_kind_are_refused(tmp_path: Path) -> None:
    state = plain.Resnet(2, down="blur", up="blur").state_dict()
    state["model.7.filt"] = torch.rand(8, 1, 3, 3)
    assert "not one of CUT's" in refusal(save(tmp_path / "a.pth", state))
    del state["model.7.filt"]
    assert "1 blurs on its way down" in refusal(save(tmp_path / "b.pth", state))


def test_half_of_a_unit_file_is_no_generator(tmp_path: Path) -> None:
    side = plain.UnitSide().state_dict()
    assert "not the two sides of a UNIT" in refusal(save(tmp_path / "gen.pt", {"a": side}))


def test_broken_trainings_are_said_to_be_broken(tmp_path: Path) -> None:
    state = lively(plain.Resnet(1)).state_dict()
    state["model.4.weight"][0, 0, 0, 0] = float("nan")
    assert "not finite" in refusal(save(tmp_path / "nan.pth", state))


def test_a_file_that_refers_to_itself_ends(tmp_path: Path) -> None:
    from imgcycle.weights.importers.checkpoint import flatten

    tree: dict[str, object] = {"w": torch.rand(2)}
    tree["again"] = tree
    doubled: object = torch.rand(1)
    for _ in range(60):
        doubled = [doubled, doubled]
    tree["bomb"] = doubled
    assert list(flatten(tree)) == ["w"]

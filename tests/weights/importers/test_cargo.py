"""Checkpoints as programs leave them: objects of theirs beside the tensors, in every protocol and container."""

from __future__ import annotations

import argparse
import collections
import datetime
import enum
import functools
import importlib
import pathlib
import pickle
import random
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imgcycle.errors import WeightsError
from imgcycle.weights.importers import import_checkpoint
from tests.weights.importers import plain
from tests.weights.importers.plain import lively


class Colour(enum.Enum):
    RED = 1


class AttributeDict(dict):  # type: ignore[type-arg]
    """What Lightning keeps hyper-parameters in."""


class Options:
    def __init__(self) -> None:
        self.lr, self.itself = 2e-4, self


Pair = collections.namedtuple("Pair", "a b")
CARGO: dict[str, Any] = {
    "namespace": argparse.Namespace(lr=2e-4),
    "numpy scalar": np.float64(33.2),
    "numpy array": np.zeros((3, 4)),
    "numpy objects": np.array(["a", None], dtype=object),
    "numpy generator": np.random.default_rng(0),
    "numpy state": np.random.RandomState(0).get_state(),
    "path": pathlib.PurePosixPath("/x"),
    "defaultdict": collections.defaultdict(list, {"g": [1.0]}),
    "counter": collections.Counter("aab"),
    "deque": collections.deque([1], 3),
    "enum": Colour.RED,
    "hyper-parameters": AttributeDict(a=1, b={"c": 2}),
    "options": Options(),
    "named tuple": Pair(1, 2),
    "date": datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    "dtype": torch.float16,
    "device": torch.device("cpu"),
    "size": torch.Size([1, 2]),
    "function": torch.nn.functional.relu,
    "partial": functools.partial(max, 1),
    "method": "abc".upper,
    "class": Options,
    "set": {1, 2},
    "bytes": b"abc",
    "large number": 2**200,
    "long text": "x" * 10_000,
    "simple": types.SimpleNamespace(a=1),
    "state of random": random.Random(0).getstate(),
    "keys of any kind": {(1, 2): 3, None: 1, 1.5: 2, Colour.RED: 3},
    "optimizer": torch.optim.Adam(nn.Conv2d(1, 1, 1).parameters()).state_dict(),
}
WAYS: list[dict[str, Any]] = [
    {},
    {"pickle_protocol": 1},
    {"pickle_protocol": 4},
    {"pickle_protocol": 5},
    {"_use_new_zipfile_serialization": False},
    {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
]


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        import_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def check_same(path: Path, theirs: nn.Module) -> tuple[str, ...]:
    """Compare what is read of a file with the net that it was made of; what is said of it."""
    net, about = import_checkpoint(path)
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.allclose(net(x), theirs(x), atol=1e-5)
    return about.notes


@pytest.mark.parametrize("name", CARGO)
def test_tensors_are_read_beside_any_object(tmp_path: Path, name: str) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    for way in WAYS:
        if name == "hyper-parameters" and way.get("pickle_protocol") == 1:
            continue  # which Python itself cannot write
        torch.save({"epoch": 3, "extra": CARGO[name], "state_dict": theirs.state_dict()}, path, **way)
        notes = check_same(path, theirs)
        protocol = way.get("pickle_protocol", 2)
        said = f"it is written in pickle protocol {protocol}, where PyTorch's own is 2"
        assert notes == ((said,) if protocol > 2 else ())


def test_objects_may_lie_among_the_tensors(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    torch.save({"args": argparse.Namespace(), **theirs.state_dict(), "best": np.float32(1)}, path)
    assert check_same(path, theirs) == ()


def test_nothing_of_it_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "strange_options.py").write_text(
        "class Options:\n    lr = 1\n    def __setstate__(self, state):\n        1 / 0\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("strange_options")
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    torch.save({"opt": module.Options(), "net": theirs.state_dict()}, path)
    monkeypatch.delitem(sys.modules, "strange_options")
    check_same(path, theirs)
    assert "strange_options" not in sys.modules


def test_dicts_of_every_kind_are_looked_into(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    for kind in (dict, collections.OrderedDict, lambda d: collections.defaultdict(None, d)):
        torch.save({"G": kind(theirs.state_dict())}, path)
        check_same(path, theirs)


class Wrapped:
    """Something that holds a tensor, which only its own code could give back."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor


def test_a_tensor_that_hangs_on_an_object_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    state: dict[str, Any] = dict(lively(plain.Resnet(1)).state_dict())
    state["model.1.bias"] = Wrapped(state["model.1.bias"])
    torch.save({"G": state}, path)
    text = refusal(path)
    assert "G.model.1.bias is an object of tests.weights.importers.test_cargo.Wrapped" in text
    assert "nothing is imported" in text


@pytest.mark.parametrize("protocol", [2, 5])
def test_an_array_in_the_place_of_a_parameter_is_no_parameter(tmp_path: Path, protocol: int) -> None:
    path = tmp_path / "x.pth"
    state: dict[str, Any] = dict(lively(plain.Resnet(1)).state_dict())
    state["model.1.bias"] = state["model.1.bias"].numpy()
    torch.save(state, path, pickle_protocol=protocol)
    assert "model.1.bias is an" in refusal(path)
    torch.save({name: np.zeros(3) for name in state}, path, pickle_protocol=protocol)
    assert "model.1.weight is an" in refusal(path)


def test_a_dict_of_anothers_class_is_no_dict(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"G": AttributeDict(lively(plain.Resnet(1)).state_dict())}, path)
    assert "it would import tests.weights.importers.test_cargo.AttributeDict" in refusal(path)


def test_a_tensor_elsewhere_that_hangs_on_an_object_is_left_out_and_said(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    torch.save({"hyper": AttributeDict(w=torch.ones(2)), "G": theirs.state_dict()}, path)
    (note,) = check_same(path, theirs)
    assert note == "hyper is left out: an object of tests.weights.importers.test_cargo.AttributeDict"


def test_parameters_and_tensors_with_attributes_are_tensors(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    state: dict[str, Any] = dict(theirs.named_parameters())
    for n, tensor in enumerate(state.values()):
        if n % 2:
            tensor.tag = argparse.Namespace()
    state["model.1.weight"] = torch.ones(1) * state["model.1.weight"].detach()
    state["model.1.weight"].tag = "x"
    torch.save(state, path)
    check_same(path, theirs)


@pytest.mark.parametrize("kind", [torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_every_kind_of_fraction_is_read_as_it_is(tmp_path: Path, kind: torch.dtype) -> None:
    path = tmp_path / "x.pth"
    state = {name: t.to(kind) for name, t in lively(plain.Resnet(1)).state_dict().items()}
    for way in WAYS[:1] if kind == torch.float8_e4m3fn else (WAYS[0], WAYS[4]):
        torch.save(state, path, **way)
        net, _ = import_checkpoint(path)
        assert torch.equal(net.state_dict()["head.weight"], state["model.1.weight"].float())


def test_views_of_a_shared_block_are_what_they_were(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    state = theirs.state_dict()
    whole = torch.cat([t.flatten() for t in state.values()])
    parts = torch.split(whole, [t.numel() for t in state.values()])
    for way in (WAYS[0], WAYS[4]):
        torch.save({name: p.view(t.shape) for (name, t), p in zip(state.items(), parts, strict=True)}, path, **way)
        check_same(path, theirs)
    state = {name: t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for name, t in state.items()}
    torch.save(state, path)
    check_same(path, theirs)


def test_a_file_of_a_machine_of_the_other_byte_order(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    torch.save(theirs.state_dict(), path)
    with zipfile.ZipFile(path) as old:
        records = {info.filename: old.read(info) for info in old.infolist()}
    with zipfile.ZipFile(path, "w") as new:
        for name, content in records.items():
            if "/data/" in name:
                content = np.frombuffer(content, "<f4").astype(">f4").tobytes()  # noqa: PLW2901
            new.writestr(name, b"big" if name.endswith("byteorder") else content)
    check_same(path, theirs)


def test_checksums_are_looked_at_where_they_were_written(tmp_path: Path) -> None:
    theirs, path = lively(plain.Resnet(1)), tmp_path / "x.pth"
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(theirs.state_dict(), path)
    finally:
        torch.serialization.set_crc32_options(True)
    check_same(path, theirs)
    torch.save(theirs.state_dict(), path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert "its checksum is another" in refusal(path)


def test_a_pickle_of_pythons_own_is_called_that(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for protocol in range(6):
        path.write_bytes(pickle.dumps({"state": [1, 2]}, protocol))
        assert "a pickle, but torch.save did not write it" in refusal(path)


def test_what_is_no_fraction_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    for value, words in (
        (torch.zeros(8, dtype=torch.int64), "model.1.bias holds values of kind int64"),
        (torch.zeros(8, dtype=torch.uint8), "model.1.bias holds values of kind uint8"),
        (torch.zeros(8, dtype=torch.complex64), "model.1.bias holds values of kind complex64"),
        (torch.full((8,), torch.inf), "model.1.bias holds values that are not finite"),
        (torch.full((8,), 1e200, dtype=torch.float64), "model.1.bias holds values that are not finite"),
    ):
        torch.save({"G": plain.Resnet(1).state_dict() | {"model.1.bias": value}}, path)
        assert f"G.{words}" in refusal(path)
    sparse = torch.zeros(8).to_sparse()
    torch.save(plain.Resnet(1).state_dict() | {"model.1.bias": sparse}, path)
    assert "model.1.bias is a sparse tensor" in refusal(path)


@pytest.mark.filterwarnings("ignore:torch.quantize")
def test_quantised_weights_are_called_that(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    state: dict[str, Any] = dict(plain.Resnet(1).state_dict())
    state["model.1.weight"] = torch.quantize_per_tensor(state["model.1.weight"], 0.1, 0, torch.qint8)
    torch.save(state, path)
    assert "model.1.weight is a quantised tensor" in refusal(path)


def test_files_without_a_generator_are_named_beside_cargo_too(tmp_path: Path) -> None:
    path, cargo = tmp_path / "x.pth", argparse.Namespace(lr=1)
    net = plain.Resnet(1)
    optimizer = torch.optim.Adam(net.parameters())
    net(torch.rand(1, 3, 16, 16)).sum().backward()
    optimizer.step()
    for tree, words in (
        ({"args": cargo, "optimizer": optimizer.state_dict()}, "an optimizer's state, not a net"),
        ({"args": cargo, "netD_A": plain.Discriminator().state_dict()}, "a discriminator"),
        ({"args": cargo}, "holds no tensors"),
        ({"args": cargo, "net": net}, "it would import tests.weights.importers.plain.Resnet"),
        (net, "all of it is an object of tests.weights.importers.plain.Resnet"),
        (torch.rand(3), "holds no tensors"),
        ([], "holds no tensors"),
    ):
        for way in (WAYS[0], WAYS[3], WAYS[4]):
            torch.save(tree, path, **way)
            assert words in refusal(path)


def test_names_of_tensors_are_shown_as_text(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a\n\x1b[31m.weight": torch.ones(3)}, path)
    assert refusal(path).endswith("fast neural style, CartoonGAN, AnimeGANv2 and White-box cartoonization)")
    assert "\\x1b[31m" in refusal(path)
    state = {f"\x1b.{name}": tensor for name, tensor in plain.Resnet(1).state_dict().items()}
    torch.save(state | {"\x1b.model.1.bias": torch.full((4,), torch.nan)}, path)
    assert refusal(path).isprintable()

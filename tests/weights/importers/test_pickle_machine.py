"""The stack machine on paper: what pickles mean, what they may cost, and that nothing they name is touched."""

from __future__ import annotations

import contextlib
import io
import pickle
import time
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.errors import WeightsError
from imgcycle.weights.importers import import_checkpoint, pickle_machine
from imgcycle.weights.importers.checkpoint import read_checkpoint
from imgcycle.weights.importers.pickle_machine import Damaged, ForeignObject, Machine
from imgcycle.weights.importers.tensors import Names

BOMB = 50_000


def run(pickle: bytes) -> Any:
    names = Names()
    value, end = Machine(names.named, names.called, names.claimed).read(pickle)
    assert end == len(pickle)
    return value


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_are_what_python_reads(protocol: int) -> None:
    shared: list[Any] = [1, True, None]
    tree = {"a": (1, -2, 2**40, 300), "b": [shared, shared], "b2": {"c": ()}, 7: False, "d": (), "e": "text"}
    value = run(pickle.dumps(tree, protocol))
    assert value["a"] == (1, -2, 2**40, 300)
    assert value["b"] == [shared, shared]
    assert value["b"][0] is value["b"][1]
    assert value["7"] is False
    assert value["e"] == "text"


@pytest.mark.parametrize(
    "body",
    [
        b"cstrange.module\nThing\n)R.",
        b"cstrange.module\nThing\n)\x81}b.",
        b"cstrange.module\nThing\n)}\x92.",
        b"(istrange.module\nThing\n.",
        b"(cstrange.module\nThing\no.",
        b"\x8c\x0estrange.module\x8c\x05Thing\x93)R.",
        b"ccopy_reg\n_reconstructor\n(cstrange.module\nThing\nc__builtin__\nobject\nNtR.",
    ],
)
def test_every_way_to_make_an_object_leaves_a_stand_in(body: bytes) -> None:
    value = run(b"\x80\x04" + body)
    assert isinstance(value, ForeignObject)
    assert value.name == "strange.module.Thing"


def test_codes_of_the_extension_registry_are_names_without_a_meaning() -> None:
    assert run(b"\x80\x02\x82\x07)R.").name == "extension 7"


@pytest.mark.parametrize(
    "body",
    [
        b"cos\nsystem\n.",
        b"\x8c\x05posix\x8c\x06system\x93.",
        b"(S'x'\nint\nsystem\n.",
        b"cbuiltins\neval\n.",
        b"c__builtin__\nexecfile\n.",
        b"csubprocess\nPopen\n.",
        b"cpickle\nloads\n.",
        b"cimportlib\nimport_module\n.",
    ],
)
def test_what_runs_commands_is_refused_by_name_though_it_would_not_run(body: bytes) -> None:
    with pytest.raises(Damaged, match=r"would import .*, which weights have no use for"):
        run(b"\x80\x04" + body)


@pytest.mark.parametrize(
    "body",
    [
        b"]q\x00b.", b"(K\x01K\x02s.", b"]K\x01K\x02s.", b"}K\x01a.", b"K\x01K\x02R.", b"K\x01)R.", b"cx\ny\nK\x01R.",
        b"cx\ny\n}b.", b"(.", b"(0.", b"(R.", b"\x85.", b"(\x85.", b"t.", b"e.", b"(K\x01u.", b"h\x00.", b"jaaaa.",
        b"g1.", b"gx\n.", b"Px\n.", b"K\x01Q.", b"\x97.", b"\x95\xff\0\0\0\0\0\0\0.", b"\x80\x06.", b"\xff.", b"",
        b"I1_0\x00\n.", b"K\x01K\x01\x93.", b"X\x02\0\0\0\xff\xff.", b"X\xff\xff\xff\xffab.", b"c\nx\n.", b"2.", b"1.",
        b"(K\x01o.", b"(o.", b"\x8a\x05ab.", b"K\x01(tb.",
    ],
)  # fmt: skip
def test_nonsense_ends(body: bytes) -> None:
    with pytest.raises((Damaged, IndexError, KeyError, ValueError, TypeError)):
        run(b"\x80\x02" + body)


def test_a_tensor_is_not_given_another_state(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save({"w": torch.zeros(4)}, file)
    with zipfile.ZipFile(file) as archive:
        content = archive.read("archive/data.pkl")
    names = Names()
    changed = content.replace(b"R", b"R(K\x01tb", 9)
    with pytest.raises(Damaged, match="a state to what has none"):
        Machine(names.named, names.called, names.claimed).read(changed)


BOMBS = {
    "floats": b"G" + b"\0" * 8,
    "nothing": b"N",
    "tuples": b")",
    "dicts": b"}",
    "lists": b"]",
    "marks": b"(",
    "one in another": b"\x85",
    "doubled": b"2\x86",
    "remembered": b"q\x00",
    "names": b"cx\ny\n",
    "calls": b"cx\ny\n)R",
    "texts": b"X\x01\0\0\0a",
    "sets": b"\x8f",
    "appended": b"(22e",
    "popped": b"(1",
}


@pytest.mark.parametrize("name", BOMBS)
def test_no_pickle_costs_more_than_its_length(name: str) -> None:
    part = BOMBS[name]
    tracemalloc.start()
    try:
        began = time.process_time()
        with contextlib.suppress(Damaged):
            run(b"\x80\x04]" + part * (BOMB // len(part)) + b".")
        assert time.process_time() - began < 10
        # Of 50,000 bytes: a set or text to each byte, and a place for it on the stack.
        assert tracemalloc.get_traced_memory()[1] < 12 * 2**20
    finally:
        tracemalloc.stop()


def test_work_and_things_have_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickle_machine, "MOST_STEPS", 1000)
    monkeypatch.setattr(pickle_machine, "MOST_THINGS", 500)
    run(b"\x80\x02" + b"N" * 990 + b".")
    with pytest.raises(Damaged, match="more than 1,000 instructions"):
        run(b"\x80\x02" + b"N" * 1001 + b".")
    with pytest.raises(Damaged, match="more than 500 things"):
        run(b"\x80\x02" + b"]" * 501 + b".")


def test_one_list_of_pairs_is_not_made_a_dict_again_and_again() -> None:
    pairs = b"](" + b"X\x01\0\0\0aK\x01\x86" * 2000 + b"e\x85q\x000ccollections\nOrderedDict\nq\x010"
    with pytest.raises(Damaged, match="more than 1,000,000 things"):
        run(b"\x80\x02" + pairs + b"h\x01h\x00R0" * 2000 + b"N.")


def test_a_key_that_doubles_sixty_times_is_never_hashed() -> None:
    assert list(run(b"\x80\x02})" + b"2\x86" * 60 + b"Ns.")) == ["?0"]
    assert list(run(b"\x80\x02})" + b"\x85" * 100_000 + b"Ns.")) == ["?0"]


def archive(path: Path, pickle: bytes, values: int) -> Path:
    with zipfile.ZipFile(path, "w") as new:
        new.writestr("a/data.pkl", pickle)
        new.writestr("a/data/0", b"\0" * values * 4)
    return path


BLOCK = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\x00\x10tQ"


def tensor(shape: bytes, strides: bytes, offset: bytes = b"K\0") -> bytes:
    ordered = b"ccollections\nOrderedDict\n)R"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + BLOCK + offset + shape + strides + b"\x89" + ordered + b"tR"


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        (b"M\x01\x10\x85", b"K\x01\x85", b"K\0"),
        (b"K\x01\x85", b"K\x01\x85", b"M\x00\x10"),
        (b"M\x00\x10\x85", b"K\x02\x85", b"K\0"),
        (b"M\x00\x10K\x02\x86", b"K\x01K\x00\x86", b"K\0"),
        (b"J\xff\xff\xff\xff\x85", b"K\x01\x85", b"K\0"),
        (b"K\x02\x85", b"J\xff\xff\xff\xff\x85", b"K\x08"),
        (b"K\x02\x85", b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85", b"K\0"),
        (b"K\x02\x85", b"K\x01K\x01\x86", b"K\0"),
        (b"(" + b"K\x01" * 65 + b"t", b"(" + b"K\x01" * 65 + b"t", b"K\0"),
        (b"N", b"N", b"K\0"),
        (b"K\x01\x85", b"K\x01\x85", b"N"),
    ],
)
def test_views_lie_within_their_blocks(tmp_path: Path, shape: bytes, strides: bytes, offset: bytes) -> None:
    path = archive(tmp_path / "x.pth", b"\x80\x02}X\x01\0\0\0w" + tensor(shape, strides, offset) + b"s.", 4096)
    with pytest.raises(WeightsError, match="is refused: a tensor"):
        read_checkpoint(path)


def test_tensors_that_share_their_values_do_not_fill_the_memory(tmp_path: Path) -> None:
    """A generator of a thousand blocks whose kernels are all one and the same block of the file."""
    from tests.weights.importers import plain

    state = plain.Resnet(1, 1).state_dict()
    kernel = state["model.10.conv_block.1.weight"]
    for n in range(11, 400):
        for part in (1, 5):
            state[f"model.{n}.conv_block.{part}.weight"] = kernel
            state[f"model.{n}.conv_block.{part}.bias"] = state["model.10.conv_block.1.bias"]
    path = tmp_path / "x.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    values = sum(t.numel() for t in state.values())
    assert values > path.stat().st_size, "or it proves nothing"
    with pytest.raises(WeightsError, match="the same values again and again"):
        import_checkpoint(path)


def test_many_tensors_of_long_names_are_searched_in_time(tmp_path: Path) -> None:
    names = [f"{'a.' * 140}{n}" for n in range(3000)]
    one = torch.zeros(1)
    torch.save(dict.fromkeys(names, one) | {f"b{n}.c": one for n in range(3000)}, tmp_path / "x.pth")
    began = time.process_time()
    with pytest.raises(WeightsError, match="no generator known here"):
        import_checkpoint(tmp_path / "x.pth")
    assert time.process_time() - began < 15


def test_too_many_tensors_are_not_cut_off_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.weights.importers.checkpoint._MOST", 100)
    torch.save({f"w{n}": torch.zeros(1) for n in range(101)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match="holds more than 100 tensors"):
        import_checkpoint(tmp_path / "x.pth")

"""Files that mean harm, or are damaged: refused in one line, nothing executed, no memory taken."""

from __future__ import annotations

import io
import os
import pickle
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from imgcycle.errors import WeightsError
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.importers.pickles import check_pickle
from tests.weights.importers import plain

MAGIC = 0x1950A86A20F9469CFC6C


class Evil:
    """Touches a file when unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.path}",)


def refusal(path: Path) -> str:
    with pytest.raises(WeightsError) as caught:
        import_checkpoint(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("legacy", [False, True])
def test_nothing_in_a_file_is_executed(tmp_path: Path, legacy: bool) -> None:
    mark, path = tmp_path / "was-here", tmp_path / "evil.pth"
    tree = {"state_dict": plain.Resnet(1).state_dict(), "extra": Evil(mark)}
    torch.save(tree, path, _use_new_zipfile_serialization=not legacy)
    assert f"would import {os.name}.system" in refusal(path)
    assert not mark.exists()
    torch.load(path, weights_only=False)
    assert mark.exists(), "the file does harm where it is believed"


def test_a_plain_pickle_is_no_checkpoint(tmp_path: Path) -> None:
    mark, path = tmp_path / "was-here", tmp_path / "evil.pth"
    path.write_bytes(pickle.dumps(Evil(mark), protocol=2))
    refusal(path)
    assert not mark.exists()


def test_whole_nets_name_the_class_that_would_be_needed(tmp_path: Path) -> None:
    path = tmp_path / "whole.pth"
    torch.save(plain.Resnet(1), path)
    text = refusal(path)
    assert "tests.weights.importers.plain.Resnet" in text
    assert "torch.save(net.state_dict(), FILE)" in text


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_truncated_files(tmp_path: Path, legacy: bool, share: float) -> None:
    path = tmp_path / "cut.pth"
    torch.save(plain.Resnet(1).state_dict(), path, _use_new_zipfile_serialization=not legacy)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    refusal(path)


def test_no_file_and_no_checkpoint(tmp_path: Path) -> None:
    assert "there is no weights file" in refusal(tmp_path / "none.pth")
    (tmp_path / "page.pth").write_text("<!DOCTYPE html><html>404</html>")
    assert "no PyTorch file" in refusal(tmp_path / "page.pth")
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a.txt", "hello")
    assert "not one of PyTorch's" in refusal(tmp_path / "a.pth")
    with zipfile.ZipFile(tmp_path / "b.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("b/data.pkl", b"0" * 10_000_000)
    assert "compressed" in refusal(tmp_path / "b.pth")
    (tmp_path / "c.safetensors").write_bytes(b"\xff" * 64)
    assert "cannot be read" in refusal(tmp_path / "c.safetensors")


def test_archives_that_two_readers_would_see_differently_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(plain.Resnet(1).state_dict(), path)
    check_pickle(path)
    content = path.read_bytes()
    path.write_bytes(b"PK\x03\x04" + content)
    assert "not where PyTorch would look" in refusal(path)
    path.write_bytes(content[:-2] + b"\x04\x00more")
    assert "bytes follow the end" in refusal(path)
    moved = bytearray(content)
    moved[-34] ^= 1
    path.write_bytes(moved)
    assert "not where PyTorch would look" in refusal(path)


def test_torchscript_is_called_by_its_name(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("script/data.pkl", b"")
        archive.writestr("script/constants.pkl", b"")
    assert "TorchScript" in refusal(tmp_path / "script.pt")


def archive_with(path: Path, change: Any) -> Path:
    """A checkpoint whose data.pkl has been changed."""
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(4)}, buffer)
    with zipfile.ZipFile(buffer) as old, zipfile.ZipFile(path, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            new.writestr(info.filename, change(content) if info.filename.endswith("data.pkl") else content)
    return path


def grown(content: bytes) -> bytes:
    # K\x04 is the number 4: the storage's count, the shape. LONG1 of six bytes holds 2^40.
    return content.replace(b"K\x04", b"\x8a\x06" + (2**40).to_bytes(6, "little"))


def test_a_claim_of_terabytes_takes_no_memory(tmp_path: Path) -> None:
    path = archive_with(tmp_path / "huge.pth", grown)
    tracemalloc.start()
    text = refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert f"claims {2**42:,} bytes and has 16" in text


def test_a_claim_of_terabytes_in_an_old_file(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save({"w": torch.zeros(4)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(grown(path.read_bytes()))
    assert f"claim {2**42:,} bytes" in refusal(path)


def test_one_value_spread_over_a_huge_shape_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "wide.pth"
    torch.save({"w": torch.zeros(1).expand(1000, 1000)}, path)
    assert "shape (1000, 1000) lies in a block of 1 values" in refusal(path)


def test_a_tensor_that_begins_beyond_its_block_is_refused(tmp_path: Path) -> None:
    path = archive_with(
        tmp_path / "beyond.pth", lambda content: content.replace(b"QK\x00K\x04\x85", b"QK\x01K\x04\x85")
    )
    assert "shape (4,) lies in a block of 4 values" in refusal(path)


@pytest.mark.parametrize("name", ["torch\nTensor", "builtins\nbytearray", "torch._utils\n_rebuild_sparse_tensor"])
def test_even_what_pytorch_would_call_is_refused_if_it_could_take_memory(tmp_path: Path, name: str) -> None:
    body = b"\x80\x02c" + name.encode() + b"\n\x8a\x06" + (2**40).to_bytes(6, "little") + b"\x85R."
    path = archive_with(tmp_path / "call.pth", lambda _: body)
    assert f"would import {name.replace(chr(10), '.')}" in refusal(path)


@pytest.mark.parametrize(
    "body",
    [
        b"\x80\x02.",
        b"\x80\x02R.",
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x7f.",
        b"\x80\x02h\x05.",
        b"\x80\x02t.",
        b"\x80\x02X\xff\xff\xff\xffabc.",
        b"\x80\x02(iposix\nsystem\n.",
        b"\x80\x02K\x01Q.",
        b"\x80\x02}" * 1000,
    ],
)
def test_nonsense_is_damaged(tmp_path: Path, body: bytes) -> None:
    text = refusal(archive_with(tmp_path / "bad.pth", lambda _: body))
    assert "damaged" in text or "refused" in text


def test_a_flipped_byte_anywhere_is_no_traceback(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"w": torch.zeros(4)}, buffer, _use_new_zipfile_serialization=False)
    content, path = buffer.getvalue(), tmp_path / "flip.pth"
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :])
        refusal(path)


def test_an_old_file_names_its_parts(tmp_path: Path) -> None:
    """Four pickles, the last with `torch.FloatStorage`, then for each block its count and its values."""
    path = tmp_path / "old.pth"
    torch.save({"w": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    content = path.read_bytes()
    assert pickle.loads(content) == MAGIC  # noqa: S301
    assert content.endswith(struct.pack("<qfff", 3, 0, 1, 2))
    check_pickle(path)

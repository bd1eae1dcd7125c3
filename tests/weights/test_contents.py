"""Files that are no weights, or only a part of one: each is called what it is, whatever its name."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from imgcycle.errors import UnknownStyle, WeightsError
from imgcycle.jobs.translators import load_translator
from imgcycle.weights.contents import kind_of_weights
from imgcycle.weights.find import find_style
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.native import load_generator
from tests.styles import save_style
from tests.weights.importers import plain
from tests.weights.importers.plain import lively


def zipped(*names: str, how: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as archive:
        for name in names:
            archive.writestr(name, b"x" * 100)
    return file.getvalue()


def tarred() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return file.getvalue()


def array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 45530000\n"
STRANGERS: dict[str, tuple[bytes, str]] = {
    "jpeg": (b"\xff\xd8\xff\xe0" + b"\0" * 20, "is a JPEG picture"),
    "png": (b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "is a PNG picture"),
    "bmp": (b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0", "is a BMP picture"),
    "film": (b"\0\0\0\x20ftypisom", "is a video"),
    "page": (b"\n <!DOCTYPE html><html>404</html>", "is a web page"),
    "page in utf-16": ("<html><body>no</body></html>".encode("utf-16"), "is a web page"),
    "refusal": (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "is a server's refusal"),
    "message": (b'{"error": "not found"}', "is a JSON text"),
    "words": (b"Entry not found", "is a text, beginning with \u201cEntry not found\u201d"),
    "words that a terminal obeys": (b"hello \x1b[31mred", "damaged, or is no PyTorch file"),
    "lfs": (LFS, "is a Git LFS pointer of a file of 45,530,000 bytes"),
    "lfs on Windows": (LFS.replace(b"\n", b"\r\n"), "is a Git LFS pointer of a file of 45,530,000 bytes"),
    "lfs without a size": (LFS[:50], "is a Git LFS pointer,"),
    "annex": (b"/annex/objects/SHA256E-s1--aa.pth\n", "is a git-annex pointer"),
    "hdf5": (b"\x89HDF\r\n\x1a\n" + b"\0" * 40, "is an HDF5 file, as Keras writes"),
    "keras": (zipped("metadata.json", "model.weights.h5"), "it is a model of Keras"),
    "gguf": (b"GGUF\x03\0\0\0", "is a GGUF file"),
    "tflite": (b"\x1c\0\0\0TFL3", "is a TensorFlow Lite model"),
    "npy": (array(), "is an array of NumPy"),
    "npz": (zipped("a.npy"), "it is a set of NumPy's arrays"),
    "torchscript": (zipped("m/data.pkl", "m/constants.pkl", how=zipfile.ZIP_DEFLATED), "it is a TorchScript program"),
    "exported": (zipped("m/archive_format", "m/models/model.json"), "it is an exported program of PyTorch"),
    "wheel": (zipped("x/__init__.py", "x-1.dist-info/WHEEL"), "it is a package of Python"),
    "checkpoint in a zip": (zipped("folder/net_G.pth"), "take folder/net_G.pth out of it"),
    "zip": (zipped("a.txt"), "it is a zip archive, but not one of PyTorch's"),
    "empty zip": (zipped(), "is an empty zip archive"),
    "gzip": (gzip.compress(b"abc"), "is a gzip archive"),
    "tar": (tarred(), "is a tar archive"),
    "lua": (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0", "is a file of Lua's Torch7"),
    "zeros": (b"\0" * 5000, "is a file of zeros"),
    "nothing": (b"", "is an empty file"),
}


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".ckpt"])
@pytest.mark.parametrize("name", STRANGERS)
def test_a_wrong_file_is_called_what_it_is(tmp_path: Path, name: str, suffix: str) -> None:
    content, words = STRANGERS[name]
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    for read in (lambda: import_checkpoint(path), lambda: load_translator(str(path))):
        with pytest.raises(WeightsError) as caught:
            read()
        text = str(caught.value)
        if (name, suffix) != ("words that a terminal obeys", ".safetensors"):
            assert words in text
        assert "\n" not in text
        assert "\x1b" not in text
        assert text.count(str(path)) <= 2


def test_tensorflows_files(tmp_path: Path) -> None:
    (tmp_path / "saved.pth").mkdir()
    (tmp_path / "saved.pth" / "saved_model.pb").touch()
    with pytest.raises(WeightsError, match="is a folder with a SavedModel of TensorFlow"):
        import_checkpoint(tmp_path / "saved.pth")
    for name in ("model.ckpt-7.data-00000-of-00001", "model.ckpt-7.index"):
        (tmp_path / name).write_bytes(b"\xe1\x02\x93" * 9)
        with pytest.raises(WeightsError, match="is a checkpoint of TensorFlow"):
            import_checkpoint(tmp_path / name)
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "model.ckpt-7"\n')
    with pytest.raises(UnknownStyle, match="a list of TensorFlow's checkpoints"):
        find_style(str(tmp_path / "checkpoint"))


def saved(path: Path, legacy: bool = False) -> bytes:
    torch.save(lively(plain.Resnet(1)).state_dict(), path, _use_new_zipfile_serialization=not legacy)
    return path.read_bytes()


def test_a_cut_download_says_how_much_is_there(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    content = saved(path)
    size = sum(t.numel() * 4 for t in plain.Resnet(1).state_dict().values())
    for share in (0.3, 0.9):
        there = int(len(content) * share)
        path.write_bytes(content[:there])
        with pytest.raises(WeightsError, match="is cut short") as caught:
            import_checkpoint(path)
        assert f"{there:,} bytes" in str(caught.value)
        if there < size:
            assert f"its tensors alone take {size:,}" in str(caught.value)
    content = saved(path, legacy=True)
    path.write_bytes(content[:-1000])
    with pytest.raises(WeightsError, match=rf"it is cut short or damaged: its tensors claim {size:,} bytes"):
        import_checkpoint(path)
    ours = save_style(tmp_path / "ours.safetensors")
    whole = ours.read_bytes()
    for name in ("ours.safetensors", "renamed.pth", "nameless"):
        cut = tmp_path / name
        for there in (len(whole) - 1, len(whole) // 2, 300):
            cut.write_bytes(whole[:there])
            with pytest.raises(WeightsError, match="is cut short") as caught:
                load_translator(str(cut))
            assert f"{there:,} bytes" in str(caught.value)
            if there > len(whole) // 3:
                assert f"{there:,} bytes of {len(whole):,} are there" in str(caught.value)


def test_content_decides_whatever_the_name(tmp_path: Path) -> None:
    theirs = lively(plain.Resnet(1))
    x = torch.rand(1, 3, 16, 16)
    safetensors.torch.save_file(theirs.state_dict(), tmp_path / "a")
    foreign = (tmp_path / "a").read_bytes()
    pickled = saved(tmp_path / "b")
    ours = save_style(tmp_path / "c").read_bytes()
    for name in ("x.safetensors", "x.pth", "x.bin", "x", "x.jpg"):
        path = tmp_path / name
        for content, kind in ((foreign, "safetensors"), (pickled, "pickle"), (ours, "ours")):
            path.write_bytes(content)
            assert kind_of_weights(path) == kind
            assert find_style(str(path)).is_foreign == (kind != "ours")
            translator = load_translator(str(path))
            assert translator.style.name == "x"
            if kind != "ours":
                net, _ = import_checkpoint(path)
                with torch.no_grad():
                    assert torch.allclose(net(x), theirs(x), atol=1e-5)


def test_a_file_of_ours_is_not_to_be_imported(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is a weights file of imgcycle's already"):
        import_checkpoint(save_style(tmp_path / "x.safetensors"))


def header(path: Path, **changes: object) -> Path:
    """A file of ours with other metadata."""
    content = save_style(path).read_bytes()
    size = int.from_bytes(content[:8], "little")
    values = json.loads(content[8 : 8 + size])
    values["__metadata__"] |= changes
    new = json.dumps(values).encode()
    new += b" " * (-len(new) % 8)
    path.write_bytes(len(new).to_bytes(8, "little") + new + content[8 + size :])
    return path


@pytest.mark.parametrize(
    "card", ["", "{", "[]", "5", "null", "[" * 5000, '{"a":' * 50 + "1" + "}" * 50, '{"a": "' + "x" * 2**21 + '"}']
)
def test_a_damaged_card_costs_no_weights(tmp_path: Path, card: str) -> None:
    net, about = load_generator(header(tmp_path / "x.safetensors", card=card))
    assert about.card == {}
    assert next(net.parameters()).isfinite().all()
    assert load_translator(str(tmp_path / "x.safetensors")).style.work_size == 512


CONFIG = {"kind": "compact", "width": 4, "depth": 1, "norm": "affine"}


@pytest.mark.parametrize(
    "change",
    [
        {"width": 10**9}, {"depth": 10**9}, {"width": -1}, {"depth": 0}, {"width": 0}, {"width": "4"},
        {"channels": 10**6}, {"kind": "resnet"}, {"kind": "x"}, {"kind": []}, {"norm": None}, {"more": 1},
        {"kind": "unet", "depth": 30}, {"kind": "cogan", "depth": 12}, {"width": True}, {"test_time_stochastic": 1},
        {"down": "[" * 3000},
    ],
)  # fmt: skip
def test_a_description_that_is_not_the_files_takes_no_memory(tmp_path: Path, change: dict[str, object]) -> None:
    path = header(tmp_path / "x.safetensors", config=json.dumps(CONFIG | change))
    with pytest.raises(WeightsError, match=r"x\.safetensors") as caught:
        load_generator(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("config", ["", "[]", "{", "5", "[" * 5000, "9" * 5000])
def test_a_damaged_description_is_said(tmp_path: Path, config: str) -> None:
    with pytest.raises(WeightsError, match="cannot be read as weights"):
        load_generator(header(tmp_path / "x.safetensors", config=config))


def test_values_of_ours_are_looked_at_as_well(tmp_path: Path) -> None:
    path = save_style(tmp_path / "x.safetensors")
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata()
    state = safetensors.torch.load_file(path)
    name = next(iter(state))
    for value, words in ((state[name] * torch.nan, "not finite"), (state[name].int(), "values of kind int32")):
        safetensors.torch.save_file(state | {name: value}, path, metadata)
        with pytest.raises(WeightsError, match=words) as caught:
            load_generator(path)
        assert name in str(caught.value)


def test_discriminators_of_a_run_are_called_that(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="holds a run's discriminators"):
        load_generator(save_style(tmp_path / "discriminators.safetensors", direction="discriminators"))


def test_headers_of_any_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    makers: list[Callable[[], bytes]] = [
        lambda: b"{" * 5000,
        lambda: json.dumps({"a": 1}).encode(),
        lambda: json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}).encode(),
        lambda: json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 10**30]}}).encode(),
        lambda: json.dumps({"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 0]}}).encode(),
        lambda: json.dumps({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 0]}}).encode(),
        lambda: json.dumps({"__metadata__": 5}).encode(),
        lambda: json.dumps({"__metadata__": {"format": "imgcycle/1"}}).encode(),
        lambda: b'{"a":' * 3000,
        lambda: b"{}",
    ]
    for make in makers:
        content = make()
        path.write_bytes(len(content).to_bytes(8, "little") + content)
        with pytest.raises(WeightsError, match=r"x\.safetensors"):
            load_translator(str(path))
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="its header claims 1,099,511,627,776 bytes"):
        load_translator(str(path))

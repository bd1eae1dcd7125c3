"""Detection of a file's content by its first bytes, never by its name: our weights, other weights, anything else."""

from __future__ import annotations

import errno
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from imgcycle.errors import WeightsError, reported
from imgcycle.media.files import opened
from imgcycle.media.paths import shown

FORMAT = "imgcycle/1"
AGAIN = "download or copy it again"
Kind = Literal["ours", "safetensors", "pickle", "onnx"]
"""A weights file of imgcycle's, another program's safetensors file, a file of torch.save, a net for onnxruntime."""
_HEAD = 4096
_LARGEST_HEADER = 8 * 2**20
"""Most bytes of a safetensors header; one of 10,000 tensors has about a million."""
_LONGEST, _LONGEST_ERROR = 60, 200
"""Characters shown of a text, and of a library's error."""


@dataclass(frozen=True)
class UnreadableKind:
    """A file without weights that can be read: its kind, and advice."""

    what: str
    hint: str


def kind_of_weights(path: Path) -> Kind:
    """Kind of weights in a file. WeightsError names the actual kind, or says that it cannot be read."""
    head = _head(path)
    if _is_safetensors(head):
        return "ours" if _metadata(safetensors_header(path)).get("format") == FORMAT else "safetensors"
    if head[:4] == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] <= b"\x05"):
        return "pickle"
    if _is_onnx(head):
        return "onnx"
    words = _unreadable_kind(head, path)
    if words is None:  # a pickle of protocol 0, or nothing: its reader will report what is wrong
        return "safetensors" if path.suffix.lower() == ".safetensors" else "pickle"
    sort = "safetensors" if path.suffix.lower() == ".safetensors" else "PyTorch"
    raise WeightsError(f"{path} is {words.what}, and no {sort} file", words.hint)


def is_weights(path: Path) -> bool:
    """True if the first bytes are those of readable weights, complete or not."""
    try:
        head = _head(path)
    except WeightsError:
        return False
    pickled = head[:4] == b"PK\x03\x04" or (head[:1] == b"\x80" and head[1:2] <= b"\x05")
    return _is_safetensors(head) or pickled or _is_onnx(head)


def unreadable_kind(path: Path) -> UnreadableKind | None:
    """Kind of a file that is not PyTorch's, as far as its first bytes tell."""
    try:
        return _unreadable_kind(_head(path), path)
    except WeightsError:
        return None


def _is_onnx(head: bytes) -> bool:
    """True if a file begins like an onnx.ModelProto: its version (field 1), then another of its first fields."""
    return (
        head[:1] == b"\x08"
        and head[1:2] < b"\x80"
        and head[2:3] in (b"\x12", b"\x1a", b"\x22", b"\x28", b"\x32", b"\x3a")
    )


def safetensors_header(path: Path) -> dict[str, Any]:
    """Header of a safetensors file. WeightsError if it is damaged, or the file is shorter than it states."""
    with reported(WeightsError, f"{path} cannot be read as weights", AGAIN), opened(path) as file:
        length = int.from_bytes(file.read(8), "little")
        content = file.read(length) if length <= _LARGEST_HEADER else b""
        size = file.seek(0, 2)
    if length > _LARGEST_HEADER:
        raise WeightsError(f"{path} cannot be read as weights: its header claims {length:,} bytes", AGAIN)
    if len(content) < length:
        raise WeightsError(
            f"{path} is cut short: {size:,} bytes are there, and its header alone takes {length + 8:,}", AGAIN
        )
    try:
        header = json.loads(content)
        ends = [int(each["data_offsets"][1]) for name, each in header.items() if name != "__metadata__"]
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, OverflowError) as error:
        raise WeightsError(f"{path} cannot be read as weights: its header is damaged", AGAIN) from error
    whole = 8 + length + max(ends, default=0)
    if whole > size:
        raise WeightsError(f"{path} is cut short: {size:,} bytes of {whole:,} are there", AGAIN)
    return dict(header)


def in_short(error: Exception) -> str:
    """Message of a library's error about a file, which may quote from it: one line, of bounded length."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return shown(lines[0] if len(lines[0]) <= _LONGEST_ERROR else f"{lines[0][:_LONGEST_ERROR]}…")


def _metadata(header: dict[str, Any]) -> dict[str, Any]:
    metadata = header.get("__metadata__")
    return metadata if isinstance(metadata, dict) else {}


def _head(path: Path) -> bytes:
    if path.is_dir():
        words = _folder(path)
        raise WeightsError(f"{path} is {words.what}, and no weights file", words.hint)
    try:
        with reported(WeightsError, f"{path} cannot be read"), opened(path) as file:
            return file.read(_HEAD)
    except WeightsError as error:
        if error.errno == errno.ENOENT:
            raise WeightsError(f"there is no weights file {path}") from error
        raise


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and head[6:8] == b"\0\0"


_TENSORFLOW = "weights of TensorFlow are not read; a PyTorch version of the same net may be"
_INPUT = "weights are wanted here, not what is to be converted"
_SAVED_MODEL = "a SavedModel of TensorFlow"
_UNPACK = "unpack it, and name the weights file inside"
_PAGE = "the address gives a page about the file; fetch the file itself"
_TENSORS = "PyTorch and safetensors files are read: .pth, .pt, .ckpt, .safetensors"
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\xd8\xff", "a JPEG picture", _INPUT),
    (0, b"\x89PNG\r\n", "a PNG picture", _INPUT),
    (0, b"GIF8", "a GIF picture", _INPUT),
    (0, b"II*\0", "a TIFF picture", _INPUT),
    (0, b"MM\0*", "a TIFF picture", _INPUT),
    (8, b"WEBP", "a WebP picture", _INPUT),
    (4, b"ftyp", "a video, or a HEIC or AVIF picture", _INPUT),
    (0, b"\x1aE\xdf\xa3", "a video (Matroska or WebM)", _INPUT),
    (0, b"%PDF", "a PDF document", _TENSORS),
    (0, b"\x89HDF\r\n", "an HDF5 file, as Keras writes", _TENSORFLOW),
    (0, b"GGUF", "a GGUF file, weights of a language model", _TENSORS),
    (4, b"TFL3", "a TensorFlow Lite model", _TENSORFLOW),
    (0, b"\x93NUMPY", "an array of NumPy (.npy)", _TENSORS),
    (0, b"MATLAB 5", "a file of MATLAB", _TENSORS),
    (0, b"\x04\0\0\0\x01\0\0\0", "a file of Lua's Torch7 (.t7)", "its PyTorch version is read"),
    (0, b"\x1f\x8b", "a gzip archive", _UNPACK),
    (0, b"BZh", "a bzip2 archive", _UNPACK),
    (0, b"\xfd7zXZ", "an xz archive", _UNPACK),
    (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", _UNPACK),
    (0, b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (0, b"Rar!", "a RAR archive", _UNPACK),
    (257, b"ustar", "a tar archive", "unpack it; PyTorch's own tar files of 2016 are not read"),
    (0, b"PK\x05\x06", "an empty zip archive", AGAIN),
    (0, b"\x7fELF", "a program", _TENSORS),
    (0, b"MZ\x90", "a program for Windows", _TENSORS),
)
"""Offset, signature, kind of file, and advice."""


def _unreadable_kind(head: bytes, path: Path) -> UnreadableKind | None:
    name = path.name
    checkpoint = ".ckpt" in name and (".data-" in name or path.suffix in (".index", ".meta"))
    others = (
        (not head, UnreadableKind("an empty file", AGAIN)),
        (not head.strip(b"\0"), UnreadableKind("a file of zeros", AGAIN)),
        *((head[at : at + len(magic)] == magic, UnreadableKind(what, hint)) for at, magic, what, hint in _MAGIC),
        (head[:2] == b"BM" and head[6:10] == b"\0\0\0\0", UnreadableKind("a BMP picture", _INPUT)),
        (b"saved_model_schema_version" in head or name == "saved_model.pb", UnreadableKind(_SAVED_MODEL, _TENSORFLOW)),
        (checkpoint, UnreadableKind("a checkpoint of TensorFlow", _TENSORFLOW)),
    )
    return next((words for applies, words in others if applies), None) or _text(head)


def _text(head: bytes) -> UnreadableKind | None:
    """Kind of a text file; None for any other, and for a pickle of protocol 0."""
    codec = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    text = head.decode(codec, "ignore").lstrip("\ufeff \t\r\n")
    if sum(c.isprintable() or c in "\r\n\t" for c in text) < len(text) or len(text) < len(head) / 4:
        return None
    start = text[:400].lower()
    if start.startswith("version https://git-lfs"):
        return _pointer(text)
    page = start.startswith(("<!doctype html", "<html", "<head", "<script")) or "<html" in start
    refusal = start.startswith("<") and ("<error>" in start or "accessdenied" in start or "nosuchkey" in start)
    line = text.splitlines()[0] if text else ""
    said = shown(line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…")
    others = (
        ("/annex/objects/" in start, UnreadableKind("a git-annex pointer", "fetch the file itself: git annex get")),
        (page, UnreadableKind("a web page", _PAGE)),
        (refusal, UnreadableKind("a server's refusal", _PAGE)),
        (start.startswith("<"), UnreadableKind("an XML document", _TENSORS)),
        ("model_checkpoint_path:" in start, UnreadableKind("a list of TensorFlow's checkpoints", _TENSORFLOW)),
        (start.startswith(("{", "[")), UnreadableKind("a JSON text", _TENSORS)),
        (_is_old_pickle(head), None),
        (bool(said), UnreadableKind(f"a text, beginning with “{said}”", _TENSORS)),
        (True, UnreadableKind("a text", _TENSORS)),
    )
    return next(words for applies, words in others if applies)


def _pointer(text: str) -> UnreadableKind:
    size = next((line.removeprefix("size ") for line in text.splitlines() if line.startswith("size ")), "")
    of = f" of a file of {int(size):,} bytes" if size.isascii() and size.isdigit() and len(size) < 16 else ""
    return UnreadableKind(f"a Git LFS pointer{of}", "fetch the file itself: git lfs pull")


def _is_old_pickle(head: bytes) -> bool:
    """True for the first bytes of a pickle of protocol 0, which is text."""
    return head[:1] in b"(cILlSV]})" and head.count(b"\n") > 1 and b" " not in head.split(b"\n", 1)[0]


def _folder(path: Path) -> UnreadableKind:
    if (path / "saved_model.pb").exists():
        return UnreadableKind(f"a folder with {_SAVED_MODEL}", _TENSORFLOW)
    return UnreadableKind("a folder", "name the file, or a run folder of `imgcycle train`")

"""What a PyTorch file declares, found out without unpickling it and before memory is taken for it.

A pickle is a program for a small stack machine. The machine here runs it on paper: names of functions stay names,
calls are looked at and never made, a storage is the number of bytes it claims. So a file that wants to import
something, that claims terabytes, or that spreads one value over a huge shape is refused before PyTorch sees it.
`torch.load(weights_only=True)` reads what passes, and is a second lock.

PyTorch writes a zip archive of stored records (`…/data.pkl`, `…/data/0`, …) since 1.6, before that four pickles
and the bytes of all storages one after another. Both are read; TorchScript and the tar files of 2016 are not.
"""

from __future__ import annotations

import io
import mmap
import pickletools
import zipfile
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any

from imgcycle.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_BYTES = {
    "Double": 8, "Float": 4, "Half": 2, "BFloat16": 2, "Long": 8, "Int": 4, "Short": 2, "Char": 1, "Byte": 1,
    "Bool": 1,
}  # fmt: skip
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_INERT = frozenset(
    [
        "collections.OrderedDict", "collections.Counter", "torch.Size", "torch.device", "_codecs.encode",
        "builtins.set", "builtins.complex", "torch.nn.parameter.Parameter", "torch._utils._rebuild_parameter",
        *(f"torch.{t}" for t in ("float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8")),
        "torch.uint8", "torch.bool",
    ]
)  # fmt: skip
"""What PyTorch calls for a checkpoint of plain tensors, none of it able to take more memory than its arguments."""
_CONSTANTS = frozenset(
    [
        "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE",
        "SHORT_BINSTRING",
    ]
)  # fmt: skip
_EMPTY = frozenset(["EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET"])
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_RESAVE = "only tensors are read: save them alone with torch.save(net.state_dict(), FILE) where the file is trusted"


class _Damaged(Exception):
    """The bytes do not make sense; the message says where."""


@dataclass(frozen=True)
class _Name:
    """A function or class the pickle names, as `module.name`."""

    full: str


@dataclass(frozen=True)
class _Storage:
    """A block of values by its claim."""

    numel: int


class _Paper:
    """The stack machine, on paper. `storages` holds the bytes each storage claims, `foreign` the names refused."""

    def __init__(self) -> None:
        self.storages: dict[str, int] = {}
        self.foreign: dict[str, None] = {}
        self._stack: list[Any] = []
        self._marks: list[int] = []
        self._memo: dict[int, Any] = {}

    def read(self, source: Any) -> Any:
        """Run the next pickle of a file on paper; the value it leaves (None for containers)."""
        self._stack, self._marks, self._memo = [], [], {}
        for opcode, argument, _ in pickletools.genops(source):
            self._do(opcode.name, argument)
        return self._stack.pop()

    def _do(self, name: str, argument: Any) -> None:  # noqa: PLR0912 - one branch an instruction
        stack = self._stack
        if name in _CONSTANTS:
            stack.append({"NEWTRUE": True, "NEWFALSE": False}.get(name, argument))
        elif name in ("BINPUT", "LONG_BINPUT"):
            self._memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(self._memo[argument])
        elif name == "MARK":
            self._marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(self._to_mark()))
        elif name in _TUPLES:
            stack[-_TUPLES[name] :] = [tuple(stack[-_TUPLES[name] :])]
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name in _EMPTY:
            stack.append(None)
        elif name in ("SETITEMS", "APPENDS"):
            self._to_mark()
        elif name in ("SETITEM", "APPEND", "BUILD"):
            del stack[-2 if name == "SETITEM" else -1 :]
        elif name == "GLOBAL":
            stack.append(self._named(argument.replace(" ", ".", 1)))
        elif name == "BINPERSID":
            stack.append(self._storage(stack.pop()))
        elif name in ("REDUCE", "NEWOBJ"):
            arguments, function = stack.pop(), stack.pop()
            stack.append(self._called(function, arguments))
        elif name == "PROTO" and argument != 2:
            raise _Damaged(f"it is written in pickle protocol {argument}, PyTorch's own is 2")
        elif name not in ("PROTO", "STOP"):
            raise _Damaged(f"no checkpoint needs the pickle instruction {name}")

    def _to_mark(self) -> list[Any]:
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _named(self, full: str) -> _Name:
        if full not in _INERT and full not in _TENSORS and _value_size(full) is None:
            self.foreign[full] = None
        return _Name(full)

    def _storage(self, claim: Any) -> _Storage:
        kind, named, key, _, numel, *view = claim
        size = _value_size(named.full)
        if kind != "storage" or size is None or not isinstance(numel, int) or numel < 0 or any(view):
            raise _Damaged("a block of values is described in an unknown way")
        if self.storages.setdefault(str(key), numel * size) != numel * size:
            raise _Damaged(f"block {key} is described twice, differently")
        return _Storage(numel)

    def _called(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, _Name) or not isinstance(arguments, tuple):
            raise _Damaged("it calls what is no function")
        if function.full in _TENSORS:
            storage, offset, shape, strides = arguments[:4]
            _check_view(storage, offset, shape, strides)
        return None


def _value_size(full: str) -> int | None:
    """Bytes of one value in a storage class of PyTorch, or None for any other name."""
    module, _, name = full.rpartition(".")
    return _BYTES.get(name.removesuffix("Storage")) if module in ("torch", "torch.cuda") else None


def _check_view(storage: Any, offset: Any, shape: Any, strides: Any) -> None:
    """A tensor must lie within its storage and show no value twice: an expanded one grows when it is copied."""
    if not isinstance(storage, _Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise _Damaged("a tensor is described in an unknown way")
    numbers = [offset, *shape, *strides]
    if len(shape) != len(strides) or not all(isinstance(n, int) and n >= 0 for n in numbers):
        raise _Damaged("a tensor has no proper shape")
    if 0 in shape:
        return
    last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    if last >= storage.numel or prod(shape) > storage.numel:
        raise _Damaged(f"a tensor of shape {shape} lies in a block of {storage.numel} values")


def check_pickle(path: Path) -> None:
    """Refuse what PyTorch must not be given: WeightsError names the function, the size, or the damage."""
    paper = _Paper()
    try:
        file = path.open("rb")
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with file:
            if file.read(4) == b"PK\x03\x04":
                _check_zip(file, paper)
            else:
                _check_plain(file, paper)
    except _Damaged as error:
        raise WeightsError(f"{path} is refused: {error}") from error
    # A hostile file can upset the parsers in any way; whatever they raise, it is damaged.
    except Exception as error:
        raise WeightsError(f"{path} is damaged, or is no PyTorch file", "download or copy it again") from error
    if paper.foreign:
        names = list(paper.foreign)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise WeightsError(f"{path} would import {', '.join(names[:3])}{more}, so it is not opened", _RESAVE)


def _check_zip(file: IO[bytes], paper: _Paper) -> None:
    with zipfile.ZipFile(file) as archive:
        if _directory_of(file) != archive.start_dir:
            raise _Damaged("its directory is not where PyTorch would look for it")
        records = {info.filename: info for info in archive.infolist()}
        if len(records) != len(archive.infolist()) or any(r.compress_type for r in records.values()):
            raise _Damaged("PyTorch does not write such archives (compressed, or a name twice)")
        if sum(r.file_size for r in records.values()) > file.seek(0, io.SEEK_END):
            raise _Damaged("its records claim more bytes than the file has")
        pickles = [name for name in records if name.endswith("/data.pkl")]
        if any(name.endswith("/constants.pkl") for name in records):
            raise _Damaged("it is a TorchScript program, not weights")
        if len(pickles) != 1:
            raise _Damaged("it is a zip archive, but not one of PyTorch's")
        with archive.open(pickles[0]) as source:
            paper.read(io.BytesIO(source.read()))
        folder = pickles[0].removesuffix("data.pkl")
        for key, claimed in paper.storages.items():
            record = records.get(f"{folder}data/{key}")
            if record is None or claimed > record.file_size:
                there = 0 if record is None else record.file_size
                raise _Damaged(f"block {key} claims {claimed:,} bytes and has {there:,}")


def _directory_of(file: IO[bytes]) -> int:
    """Where the last bytes of a zip archive say that its directory begins.

    Python forgives an archive that was moved inside its file and PyTorch does not: only when both see one
    directory do the sizes found here hold there.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - 98, 0))
    tail = file.read().rjust(98, b"\0")
    start = int.from_bytes(tail[-6:-2], "little")
    if tail[-22:-18] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        raise _Damaged("bytes follow the end of the archive")
    if tail[-42:-38] == b"PK\x06\x07":
        # The form for more than 4 GB, which PyTorch always writes: the end's end points to the end proper.
        long = int.from_bytes(tail[-50:-42], "little")
        right = tail[:4] == b"PK\x06\x06" and int.from_bytes(tail[-34:-26], "little") == size - 98
        return long if right and start in (long, 0xFFFFFFFF) else -1
    return start


def _check_plain(file: IO[bytes], paper: _Paper) -> None:
    # Mapped, not read: a claim of 4 GB inside the pickle then takes no more than what is there.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
        if paper.read(source) != _MAGIC or paper.read(source) != _PROTOCOL:
            raise _Damaged("it is not a PyTorch file")
        paper.read(source)
        paper.read(source)
        paper.read(source)
        left = len(source) - source.tell()
        claimed = sum(paper.storages.values())
        if claimed > left:
            raise _Damaged(f"its tensors claim {claimed:,} bytes and it has {left:,}")

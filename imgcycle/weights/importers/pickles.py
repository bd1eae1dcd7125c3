"""Content of a PyTorch file, found without unpickling it and before memory is allocated.

PyTorch writes a zip archive of stored records (`…/data.pkl`, `…/data/0`, …) since 1.6, before that four pickles and the
bytes of all storages one after another. The pickles are interpreted by `pickle_machine`: a file that tries to
run a command, claims terabytes, or expands one value to a huge shape is refused, and what only foreign code could build
stays a name. The values of tensors are then read from the file directly, without PyTorch's own reader. TorchScript and
the tar files of 2016 are not read.
"""

from __future__ import annotations

import io
import mmap
import struct
import zipfile
import zlib
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imgcycle.errors import WeightsError, from_system
from imgcycle.media.files import opened
from imgcycle.weights.contents import AGAIN, unreadable_kind
from imgcycle.weights.importers.pickle_machine import Damaged, Machine
from imgcycle.weights.importers.tensors import SIZES, Names, StorageBlock, View, brief

_ENTRY = b"PK\x03\x04"
_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_USUAL = 2
_LARGEST_DIRECTORY = 32 * 2**20
"""Most bytes of an archive's directory: PyTorch needs about 100 for a tensor."""


@dataclass
class Declared:
    """Description of a file: the tree of its dicts and lists, and the offsets of its storages."""

    path: Path
    tree: Any
    notes: tuple[str, ...] = ()
    places: dict[str, int] = field(default_factory=dict)
    checks: dict[str, int] = field(default_factory=dict)
    swapped: bool = False
    _blocks: dict[str, bytearray] = field(default_factory=dict)

    def tensor(self, view: View) -> Tensor:
        """The described tensor, on the CPU; tensors of one storage share its memory.

        Damaged if the storage's checksum is wrong; OSError if it cannot be read.
        """
        kind: torch.dtype = getattr(torch, view.kind)
        if 0 in view.shape or not view.block.size:
            return torch.empty(view.shape, dtype=kind)
        key = view.block.key
        if key not in self._blocks:
            self._blocks[key] = self._read(view.block)
        # Whole values only: a storage may have some bytes left over.
        whole = len(self._blocks[key]) // SIZES[view.kind]
        values = torch.frombuffer(self._blocks[key], dtype=kind, count=whole)
        return values.as_strided(view.shape, view.strides, view.offset)

    def _read(self, block: StorageBlock) -> bytearray:
        content = bytearray(block.size)
        with self.path.open("rb") as file:
            file.seek(self.places[block.key])
            if file.readinto(content) != block.size:
                raise Damaged("it became shorter while it was read")
            stated = self.checks.get(block.key)
            if stated is not None and zlib.crc32(content) != stated:
                raise Damaged(f"block {brief(block.key)} is not what was written: its checksum is another")
        size = SIZES[block.kind]
        if self.swapped and size > 1:
            whole = len(content) - len(content) % size
            part = torch.frombuffer(content, dtype=torch.uint8, count=whole).view(-1, size).flip(1)
            content[:whole] = part.numpy().tobytes()
        return content


def check_pickle(path: Path) -> Declared:
    """Content of a PyTorch file; WeightsError names the function, the size, the damage, or the actual kind of file."""
    try:
        with opened(path) as file:
            return _from_zip(path, file) if file.read(4) == _ENTRY else _from_plain(path, file)
    except Damaged as error:
        raise WeightsError(f"{path} is refused: {error}") from error
    except OSError as error:
        raise from_system(WeightsError, error, f"{path} cannot be read") from error
    # A hostile file can upset the parsers in any way; whatever they raise, it is damaged.
    except Exception as error:
        words = unreadable_kind(path)
        if words:
            raise WeightsError(f"{path} is {words.what}, and no PyTorch file", words.hint) from error
        raise WeightsError(f"{path} is damaged, or is no PyTorch file", AGAIN) from error


def _reader() -> tuple[Machine, Names]:
    names = Names()
    return Machine(names.named, names.called, names.claimed), names


def _notes(machine: Machine) -> tuple[str, ...]:
    if machine.protocol <= _USUAL:
        return ()
    return (f"it is written in pickle protocol {machine.protocol}, where PyTorch's own is {_USUAL}",)


def _from_zip(path: Path, file: BufferedReader) -> Declared:
    if _directory_of(file) is None:
        raise Damaged(_how_short(file))
    with zipfile.ZipFile(file) as archive:
        if _directory_of(file) != archive.start_dir:
            raise Damaged("its directory is not where PyTorch would look for it")
        if file.seek(0, io.SEEK_END) - archive.start_dir > _LARGEST_DIRECTORY:
            raise Damaged("it lists far more records than weights need")
        entries = archive.infolist()
    records = {info.filename: info for info in entries}
    _check_kind(records)
    if len(records) != len(entries) or any(r.compress_type or r.flag_bits & 1 for r in entries):
        raise Damaged("PyTorch does not write such archives (compressed, or a name twice)")
    if sum(r.file_size for r in entries) > file.seek(0, io.SEEK_END):
        raise Damaged("its records claim more bytes than the file has")
    folder = next(name for name in records if name.endswith("data.pkl")).removesuffix("data.pkl")
    main = records[f"{folder}data.pkl"]
    content = _stored(file, main)
    checked = _is_checked(file, records, folder)
    if checked and zlib.crc32(content) != main.CRC:
        raise Damaged("its pickle is not what was written: its checksum is another")
    machine, names = _reader()
    tree, _ = machine.read(content)
    declared = Declared(path, tree, _notes(machine))
    order = records.get(f"{folder}byteorder")
    declared.swapped = order is not None and _stored(file, order) == b"big"
    for key, block in names.blocks.items():
        record = records.get(f"{folder}data/{key}")
        if record is None or block.size > record.file_size:
            there = 0 if record is None else record.file_size
            raise Damaged(f"block {brief(key)} claims {block.size:,} bytes and has {there:,}")
        declared.places[key] = _place(file, record)
        if checked and block.size == record.file_size:
            declared.checks[key] = record.CRC
    return declared


def _check_kind(records: dict[str, zipfile.ZipInfo]) -> None:
    """Damaged, with the actual kind, for an archive of another program."""
    names = list(records)
    if any(name.endswith("/constants.pkl") for name in names):
        raise Damaged("it is a TorchScript program, not weights")
    kinds = {
        "an exported program of PyTorch (.pt2), not weights": lambda name: name.endswith(("/archive_format", ".json"))
        and "/" in name and any(n.endswith("/archive_format") for n in names),
        "a model of Keras, whose weights are for TensorFlow": lambda name: name.endswith("model.weights.h5"),
        "a set of NumPy's arrays (.npz)": lambda name: name.endswith(".npy"),
        "a document of an office program": lambda name: name == "[Content_Types].xml",
        "a package of Python (a wheel)": lambda name: name.endswith(".dist-info/WHEEL"),
    }  # fmt: skip
    pickles = [name for name in names if name == "data.pkl" or name.endswith("/data.pkl")]
    if len(pickles) == 1:
        return
    for what, tells in kinds.items():
        if any(map(tells, names)):
            raise Damaged(f"it is {what}")
    inside = [name for name in names if name.lower().endswith((".pth", ".pt", ".ckpt", ".safetensors"))]
    more = f"; take {brief(inside[0])} out of it" if inside else ""
    raise Damaged(f"it is a zip archive, but not one of PyTorch's{more}")


def _place(file: BufferedReader, record: zipfile.ZipInfo) -> int:
    """Offset of a stored record's bytes; Damaged if its own header contradicts the directory."""
    file.seek(record.header_offset)
    header = file.read(30)
    if len(header) < 30 or header[:4] != _ENTRY:
        raise Damaged(f"record {brief(record.filename)} is not where the directory says")
    name, extra = int.from_bytes(header[26:28], "little"), int.from_bytes(header[28:30], "little")
    start = record.header_offset + 30 + name + extra
    said = record.orig_filename.encode("utf-8" if record.flag_bits & 0x800 else "cp437")
    if file.read(name) != said or start + record.file_size > file.seek(0, io.SEEK_END):
        raise Damaged(f"record {brief(record.filename)} is not where the directory says")
    return start


def _stored(file: BufferedReader, record: zipfile.ZipInfo) -> bytes:
    file.seek(_place(file, record))
    return file.read(record.file_size)


def _is_checked(file: BufferedReader, records: dict[str, zipfile.ZipInfo], folder: str) -> bool:
    """True if the archive's checksums are valid ones: PyTorch can be told to leave them out, and writes others."""
    record = records.get(f"{folder}version")
    return record is None or zlib.crc32(_stored(file, record)) == record.CRC


def _how_short(file: BufferedReader) -> str:
    """Message for a truncated archive: how much of it is there, as far as its first record tells."""
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    header = file.read(30)
    start = 30 + sum(struct.unpack("<HH", header.ljust(30, b"\0")[26:30]))
    machine, names = _reader()
    try:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
            machine.read(source, start)
    except Exception:  # it ends within the pickle, or begins with another record
        return f"it is cut short: a zip archive of which {size:,} bytes are there, without its end"
    whole = sum(block.size for block in names.blocks.values())
    if whole < size:
        return f"it is cut short at {size:,} bytes, or bytes follow the end of the archive"
    return f"it is cut short: {size:,} bytes are there, and its tensors alone take {whole:,}"


def _directory_of(file: BufferedReader) -> int | None:
    """Offset of a zip archive's directory according to its last bytes; None if they are not the end of an archive.

    Python accepts an archive that was moved inside its file, and others do not: only if all agree on the directory,
    this reader sees the same content as PyTorch or a malware scanner.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(max(size - 98, 0))
    tail = file.read().rjust(98, b"\0")
    start = int.from_bytes(tail[-6:-2], "little")
    if tail[-22:-18] != b"PK\x05\x06" or tail[-2:] != b"\0\0":
        return None
    if tail[-42:-38] == b"PK\x06\x07":
        # The zip64 form, which PyTorch always writes: its locator points to the end record.
        long = int.from_bytes(tail[-50:-42], "little")
        right = tail[:4] == b"PK\x06\x06" and int.from_bytes(tail[-34:-26], "little") == size - 98
        return long if right and start in (long, 0xFFFFFFFF) else -1
    return start


def _from_plain(path: Path, file: BufferedReader) -> Declared:
    # Mapped, not read: values are not loaded before they are needed.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as source:
        machine, names = _reader()
        magic, at = machine.read(source)
        if magic != _MAGIC:
            raise Damaged("it is a pickle, but torch.save did not write it")
        protocol, at = machine.read(source, at)
        if protocol != _PROTOCOL:
            raise Damaged("it is not a PyTorch file")
        _, at = machine.read(source, at)
        tree, at = machine.read(source, at)
        keys, at = machine.read(source, at)
        left = len(source) - at
        claimed = sum(block.size for block in names.blocks.values())
        if claimed > left:
            raise Damaged(f"it is cut short or damaged: its tensors claim {claimed:,} bytes and it has {left:,}")
        declared = Declared(path, tree, _notes(machine))
        for key in keys if isinstance(keys, list) else ():
            block = names.blocks.get(str(key)) if isinstance(key, str | int) else None
            if block is None or block.key in declared.places or at + 8 + block.size > len(source):
                raise Damaged("its blocks of values are not where the file says")
            if struct.unpack_from("<q", source, at) != (block.count,):
                raise Damaged(f"block {brief(block.key)} has another size than its tensors claim")
            declared.places[block.key] = at + 8
            at += 8 + block.size
        if names.blocks.keys() != declared.places.keys():
            raise Damaged("some of its blocks of values are missing")
        return declared

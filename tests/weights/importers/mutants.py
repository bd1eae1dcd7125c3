"""Checkpoints damaged at random, from written-down seeds, and what reading one must never do."""

from __future__ import annotations

import codecs
import contextlib
import copy
import io
import json
import pickletools
import random
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from imgcycle.errors import ImgcycleError
from imgcycle.weights.find import find_style
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.native import load_generator
from tests.styles import save_style
from tests.weights.importers import plain
from tests.weights.importers.plain import lively

LONGEST = 15.0
"""Seconds that reading one small file may take."""
SNIPPETS = [
    b"cos\nsystem\n(S'touch harm'\ntR",
    b"cposix\nsystem\n\x8c\x0atouch harm\x85R",
    b"(S'touch harm'\nios\nsystem\n",
    b"(cos\nsystem\nS'touch harm'\no",
    b"\x8c\x02os\x8c\x06system\x93\x8c\x0atouch harm\x85R",
    b"\x8c\x08builtins\x8c\x04eval\x93\x8c\x0a__import__\x85R",
    b"cbuiltins\ngetattr\n(cbuiltins\n__import__\n(S'os'\ntRS'system'\ntR",
    b"cstrange_module_of_nobody\nThing\n)\x81}b",
    b"cstrange_module_of_nobody\nThing\n)R",
    b"\x82\x01",
    b"\x84\xff\xff\xff\x7f",
    b"r\xff\xff\xff\xff",
    b"\x94" * 20,
    b"\x95\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x95\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x97\x98",
    b"\x96\x00\x00\x00\x00\x00\x00\x00\x40",
    b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff",
    b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"Pstorage\n",
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuJ\xff\xff\xff\x7ftQ",
    b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))\x89Nt\x52",
    b"ctorch.storage\n_load_from_bytes\n(C\x02\x80\x02tR",
    b"cpickle\nloads\n(C\x02\x80\x02tR",
    b"cnumpy._core.multiarray\nscalar\n)R",
    b"ccollections\nOrderedDict\n]]a\x85R",
    b"2\x86" * 60,
    b"]2a",
    b"}2\x85N\x73",
    b"(" * 50,
    b"I99999999999999999999999999999999999999999\n",
    b"L-1L\nF1e400\nVabc\nS'a\\x00'\n",
    b"\x8b\xff\xff\xff\x7f",
    b"\x80\x09",
    b"(1",
    b"\x8f(K\x01\x90",
]
"""Instructions for a reader that believes them."""
WORDS: list[Any] = [
    None, -1, 0, 1, 2**31, 2**63, 10**40, 1.5, "", "F32", "BF16", "F8_E4M3", "I64", "C64", "x" * 300, "\x1b[31m", [],
    {}, [0, 0], [2**62, 2], [[1]], {"dtype": "F32"}, True, "imgcycle/1", "[" * 3000,
    '{"kind": "unet", "width": 1000000}',
]  # fmt: skip


def bases(folder: Path) -> dict[str, bytes]:
    """Small sound files of every kind that is read."""
    net = lively(plain.Resnet(1, 1))
    tree = {"epoch": 3, "state_dict": net.state_dict(), "betas": [0.5, (0.9, {"a": b"x"})]}
    found = {"ours": save_style(folder / "ours.safetensors").read_bytes()}
    found["theirs"] = safetensors.torch.save(net.state_dict(), {"author": "nobody"})
    for name, way in {
        "zip": {},
        "zip 4": {"pickle_protocol": 4},
        "old": {"_use_new_zipfile_serialization": False},
        "old 5": {"_use_new_zipfile_serialization": False, "pickle_protocol": 5},
    }.items():
        file = io.BytesIO()
        torch.save(tree, file, **way)  # type: ignore[arg-type]
        found[name] = file.getvalue()
    return found


def mutants(seed: int, count: int, sound: dict[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """So many damaged files, each with a name that says how it was made; the same for the same seed."""
    for n in range(count):
        rng = random.Random(f"{seed}:{n}")
        name = rng.choice(list(sound))
        content = sound[name]
        ways: list[Callable[[bytes, random.Random], bytes]] = [bytes_changed]
        if name in ("ours", "theirs"):
            ways += [header_changed] * 3
        elif name.startswith("zip"):
            ways += [pickle_changed, pickle_changed, archive_changed]
        else:
            ways += [first_pickles_changed] * 2
        way = rng.choice(ways)
        yield f"seed {seed}, mutant {n}: {name}, {way.__name__}", way(content, rng)


def bytes_changed(content: bytes, rng: random.Random) -> bytes:
    """Bytes flipped, cut out, doubled or put in, anywhere."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at, size = rng.randrange(len(changed) + 1), rng.choice((1, 1, 4, 50))
        match rng.randrange(6):
            case 0 if changed:
                changed[at % len(changed)] ^= 1 << rng.randrange(8)
            case 1:
                changed[at : at + size] = rng.randbytes(size)
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at:at] = rng.choice(SNIPPETS)
            case _ if rng.random() < 0.2:
                del changed[at:]
    return bytes(changed)


def _instructions(pickle: bytes) -> list[bytes]:
    starts = [at for _, _, at in pickletools.genops(pickle) if at is not None]
    return [pickle[a:b] for a, b in zip(starts, [*starts[1:], len(pickle)], strict=True)]


def instructions_changed(pickle: bytes, rng: random.Random) -> bytes:
    """A pickle with instructions left out, doubled, exchanged, or put in."""
    row = _instructions(pickle)
    for _ in range(rng.choice((1, 1, 2, 4, 10))):
        at, other = rng.randrange(len(row)), rng.randrange(len(row))
        match rng.randrange(7):
            case 0:
                row[at : at + rng.choice((1, 1, 5))] = []
                row = row or [b"."]
            case 1:
                row.insert(other, row[at])
            case 2:
                row[at], row[other] = row[other], row[at]
            case 3:
                row.insert(at, rng.choice(SNIPPETS))
            case 4:
                row.insert(
                    at,
                    rng.choice(pickletools.opcodes).code.encode("latin-1") + rng.randbytes(rng.randrange(6)),
                )
            case 5:
                row[at] = row[at][:1] + rng.randbytes(max(len(row[at]) - 1, 0))
            case _:
                row[at] = rng.choice(
                    (b"K\x00", b"J\xff\xff\xff\xff", b"\x8a\x08" + b"\xff" * 7 + b"\x7f", b"N", b"]", b")")
                )
    return b"".join(row)


def pickle_changed(content: bytes, rng: random.Random) -> bytes:
    """An archive, sound in itself, around a changed pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            record = old.read(info)
            new.writestr(info.filename, instructions_changed(record, rng) if "data.pkl" in info.filename else record)
    return file.getvalue()


def archive_changed(content: bytes, rng: random.Random) -> bytes:
    """Numbers of an archive's headers changed, or its records."""
    if rng.random() < 0.5:
        marks = [at for at in range(len(content)) if content[at : at + 2] == b"PK"]
        changed = bytearray(content)
        for _ in range(rng.choice((1, 2, 5))):
            at = rng.choice(marks) + rng.randrange(4, 56)
            value = rng.choice((b"\0", b"\1", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", rng.randbytes(2)))
            if at + len(value) <= len(changed):
                changed[at : at + len(value)] = value
        return bytes(changed)
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            name, record = info.filename, old.read(info)
            match rng.randrange(12):
                case 0:
                    continue
                case 1:
                    record = record[: rng.randrange(len(record) + 1)]
                case 2:
                    name = rng.choice(("x", "../x", "archive/data.pkl", name.upper(), "archive/constants.pkl", "a\0b"))
                case 3:
                    new.writestr(name, record, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
                case 4:
                    record = rng.randbytes(len(record))
            with contextlib.suppress(UserWarning):
                new.writestr(name, record)
    return file.getvalue()


def first_pickles_changed(content: bytes, rng: random.Random) -> bytes:
    """A file of the old kind with one of its five pickles changed."""
    source, parts = io.BytesIO(content), []
    for _ in range(5):
        start = source.tell()
        for _ in pickletools.genops(source):
            pass
        parts.append(content[start : source.tell()])
    at = rng.choice((0, 1, 2, 3, 3, 3, 3, 4))
    parts[at] = instructions_changed(parts[at], rng)
    return b"".join(parts) + content[source.tell() :]


def header_changed(content: bytes, rng: random.Random) -> bytes:
    """A safetensors file whose header says something else."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    for _ in range(rng.choice((1, 1, 2, 4))):
        name = rng.choice(list(header) or ["a"])
        inner = header.get(name)
        value = copy.deepcopy(rng.choice(WORDS))
        if isinstance(inner, dict) and inner and rng.random() < 0.8:
            key = rng.choice(list(inner))
            old = inner[key]
            if key == "config" and rng.random() < 0.8:
                config = json.loads(old) if isinstance(old, str) and old.startswith("{") and old.endswith("}") else {}
                config[rng.choice([*config, "x"])] = value
                value = json.dumps(config)
            elif isinstance(old, list) and old and rng.random() < 0.7:
                value = [*old]
                value[rng.randrange(len(old))] = copy.deepcopy(rng.choice(WORDS))
            inner[key] = value
        elif rng.random() < 0.5:
            header[name] = value
        else:
            header.pop(name, None)
    new = json.dumps(header).encode()
    length = len(new) if rng.random() < 0.9 else rng.choice((0, 1, 2**20, 2**40, 2**63))
    return length.to_bytes(8, "little") + new + content[8 + size :]


class Watch:
    """Notes what a reader must not do: names looked up by a pickle, commands, imports, files opened for writing."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.on = False
        for codec in ("cp437", "unicode_escape", "utf-16", "latin-1"):  # which Python loads when one is asked for
            codecs.lookup(codec)
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.on:
            return
        harmful = event in ("pickle.find_class", "exec", "compile", "os.system", "os.exec", "os.fork", "os.posix_spawn")
        writes = event == "open" and isinstance(arguments[1], str) and not set(arguments[1]).isdisjoint("wax+")
        if harmful or writes or event in ("import", "subprocess.Popen", "socket.connect", "ctypes.dlopen"):
            self.seen.append(f"{event} {arguments!r:.200}")

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Listen while the block runs."""
        self.seen.clear()
        self.on = True
        try:
            yield
        finally:
            self.on = False


def try_one(path: Path, content: bytes, watch: Watch) -> tuple[str, str]:
    """Read a file as `--to` and `models` do: how it ended, and what is wrong with that (nothing)."""
    path.write_bytes(content)
    started, ended = time.monotonic(), "read"
    with watch.watching():
        try:
            if find_style(str(path)).is_foreign:
                import_checkpoint(path)
            else:
                load_generator(path)
        except ImgcycleError as error:
            text = str(error)
            if not text.isprintable() or len(text) > 2000:
                return "refused", f"says {text!r:.300}"
            ended = "refused"
        except Exception as error:  # what this looks for
            return "broken", f"{type(error).__name__}: {error}"
    if watch.seen:
        return "broken", "; ".join(watch.seen[:3])
    if time.monotonic() - started > LONGEST:
        return "slow", f"{time.monotonic() - started:.1f} s"
    return ended, ""

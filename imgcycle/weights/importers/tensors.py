"""PyTorch's names in a checkpoint's pickle, interpreted symbolically: storages, and tensors in them."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from imgcycle.media.paths import shown
from imgcycle.weights.importers.pickle_machine import MOST_THINGS, Damaged, ForeignObject, Name, key_of

_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64",
    "ComplexDouble": "complex128", "QInt8": "int8", "QUInt8": "uint8", "QInt32": "int32", "QUInt4x2": "uint8",
    "QUInt2x4": "uint8", "Untyped": "uint8",
}  # fmt: skip
"""Kinds of storages, and of their values."""
SIZES = {
    "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "uint8": 1,
    "bool": 1, "complex64": 8, "complex128": 16, "uint16": 2, "uint32": 4, "uint64": 8, "float8_e4m3fn": 1,
    "float8_e5m2": 1, "float8_e4m3fnuz": 1, "float8_e5m2fnuz": 1,
}  # fmt: skip
"""Bytes of a value, by PyTorch's name of the dtype."""
_MOST_AXES = 64
_DICTS = frozenset(
    ["collections.OrderedDict", "collections.Counter", "collections.defaultdict", "builtins.dict", "__builtin__.dict"]
)
_SAME = frozenset(
    [
        "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer", "torch._utils._rebuild_parameter",
        "torch._utils._rebuild_parameter_with_state", "torch.Size",
    ]
)  # fmt: skip
"""Functions that return their first argument, as far as values are concerned."""
_PLAIN = frozenset(["torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"])
_TYPED = frozenset(["torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type"])
_MAKERS = frozenset(
    [
        "copyreg._reconstructor", "copy_reg._reconstructor", "copyreg.__newobj__", "copy_reg.__newobj__",
        "builtins.getattr", "__builtin__.getattr", "functools.partial",
    ]
)  # fmt: skip
"""Functions that make something of their first argument, whose name then tells more."""
_HARMFUL = frozenset(
    [
        "os", "posix", "nt", "subprocess", "sys", "socket", "shutil", "ctypes", "importlib", "runpy", "pty", "pdb",
        "bdb", "marshal", "pickle", "_pickle", "cPickle", "webbrowser", "pip", "urllib", "requests",
    ]
)  # fmt: skip
"""Modules whose functions have no place in weights. Nothing named in a file is ever called here, but such a file is
refused.
"""
_HARMFUL_BUILTINS = frozenset(
    [
        "eval", "exec", "execfile", "compile", "open", "input", "raw_input", "breakpoint", "__import__", "apply",
        "setattr", "delattr", "globals", "locals", "vars", "exit", "quit",
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class StorageBlock:
    """A storage as claimed: its key in the file, number and dtype of values."""

    key: str
    count: int
    kind: str

    @property
    def size(self) -> int:
        """Bytes that it claims."""
        return self.count * SIZES[self.kind]


@dataclass(frozen=True, slots=True)
class View:
    """A described tensor: the position of its values in a storage, checked to be inside it."""

    block: StorageBlock
    kind: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class Names:
    """Interprets the names in a checkpoint's pickles. `blocks` holds every storage claimed, by its key."""

    def __init__(self) -> None:
        self.blocks: dict[str, StorageBlock] = {}
        self._pairs = 0

    def named(self, full: str) -> None:
        """Damaged for a function that weights have no use for and that could do harm elsewhere."""
        module, _, name = full.partition(".")
        if module in _HARMFUL or (module in ("builtins", "__builtin__") and name in _HARMFUL_BUILTINS):
            raise Damaged(f"it would import {brief(full)}, which weights have no use for")

    def claimed(self, claim: Any) -> StorageBlock | Name:
        """The storage that a reference describes, by its kind, key and count; in old files also the class of a
        whole net, whose source the reference carries.
        """
        if isinstance(claim, tuple) and len(claim) > 1 and claim[0] == "module" and isinstance(claim[1], Name):
            return claim[1]
        if not isinstance(claim, tuple) or not 5 <= len(claim) <= 6:
            raise Damaged("a block of values is described in an unknown way")
        word, named, key, _, count, *view = claim
        kind = _block_kind(named)
        if word != "storage" or kind is None or not isinstance(count, int) or count < 0 or any(v for v in view):
            raise Damaged("a block of values is described in an unknown way")
        if not isinstance(key, str | int):
            raise Damaged("a block of values is described in an unknown way")
        block = StorageBlock(str(key), int(count), kind)
        if self.blocks.setdefault(block.key, block).size != block.size:
            raise Damaged(f"block {brief(block.key)} is described twice, differently")
        return block

    def called(self, function: Name, arguments: tuple[Any, ...]) -> Any:
        """Result of a call: a tensor, a dict, or a ForeignObject for what only code could make."""
        full = function.full
        if full.startswith("torch._utils._rebuild_tensor") and full.rpartition("_")[2] in ("tensor", "v2", "v3"):
            return _view(arguments, has_kind=full.endswith("_v3"))
        if full in _DICTS:
            return self._filled(full, arguments)
        if full in _SAME and arguments:
            return arguments[0]
        if full in _TYPED and len(arguments) >= 3:
            inner, kind, given = arguments[:3]
            if isinstance(kind, Name) and kind.full in _PLAIN and isinstance(inner, Name) and isinstance(given, tuple):
                # The inner call is one of a few known ones, or foreign: never this one again.
                return ForeignObject(inner.full, [given]) if inner.full in _TYPED else self.called(inner, given)
            return ForeignObject(kind.full if isinstance(kind, Name) else full, [given])
        behind = arguments[0] if full in _MAKERS and arguments else function
        return ForeignObject(behind.full if isinstance(behind, Name) else full, list(arguments))

    def _filled(self, full: str, arguments: tuple[Any, ...]) -> dict[str, Any]:
        """A dict created with its items: a Counter's dict, the pairs of an OrderedDict of Python 2."""
        given = arguments[-1] if len(arguments) > (full == "collections.defaultdict") else ()
        if isinstance(given, dict):
            return given
        pairs = given if isinstance(given, list | tuple) else ()
        self._pairs += len(pairs)
        if self._pairs > MOST_THINGS:
            raise Damaged(f"it makes more than {MOST_THINGS:,} things, far more than weights need")
        made: dict[str, Any] = {}
        for pair in pairs:
            if not isinstance(pair, list | tuple) or len(pair) != 2:
                raise Damaged("a dict is described in an unknown way")
            made[key_of(pair[0], len(made))] = pair[1]
        return made


def brief(text: str) -> str:
    """A name from a file for a message: short, and on one line."""
    return shown(text if len(text) <= 80 else f"{text[:77]}…")


def _block_kind(named: Any) -> str | None:
    """Kind of values in a storage class of PyTorch, or None for any other name."""
    if not isinstance(named, Name):
        return None
    module, _, name = named.full.rpartition(".")
    known = module in ("torch", "torch.cuda", "torch.storage") and name.endswith("Storage")
    return _STORAGES.get(name.removesuffix("Storage")) if known else None


def _view(arguments: tuple[Any, ...], has_kind: bool) -> View | ForeignObject:
    """Describe a tensor, which must be inside its storage and use no value twice: an expanded one grows when copied."""
    if len(arguments) < (7 if has_kind else 4):
        raise Damaged("a tensor is described in an unknown way")
    block, offset, shape, strides = arguments[:4]
    if isinstance(block, ForeignObject):
        return ForeignObject(block.name, [block])
    if not isinstance(block, StorageBlock) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise Damaged("a tensor is described in an unknown way")
    kind = block.kind
    if has_kind:
        named = arguments[6]
        kind = named.full.removeprefix("torch.") if isinstance(named, Name) else ""
        if kind not in SIZES:
            raise Damaged(f"a tensor has values of an unknown kind, {brief(kind)}")
    if len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise Damaged("a tensor has no proper shape")
    numbers = [offset, *shape, *strides]
    if not all(isinstance(n, int) and 0 <= n < 2**63 for n in numbers):
        raise Damaged("a tensor has no proper shape")
    count = block.size // SIZES[kind]
    if 0 not in shape:
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if last >= count or prod(shape) > count:
            raise Damaged(f"a tensor of shape {brief(str(shape))} lies in a block of {count} values")
    return View(block, kind, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def foreign_words(name: str) -> str:
    """Words for a name that only code could resolve."""
    known = {
        "torch._utils._rebuild_qtensor": "a quantised tensor",
        "torch._utils._rebuild_sparse_tensor": "a sparse tensor",
        "torch._utils._rebuild_sparse_csr_tensor": "a sparse tensor",
        "torch._utils._rebuild_nested_tensor": "a nested tensor",
        "torch._utils._rebuild_meta_tensor_no_storage": "a tensor without values (of the meta device)",
        "numpy._core.multiarray._reconstruct": "an array of NumPy",
        "numpy.core.multiarray._reconstruct": "an array of NumPy",
    }
    return known.get(name, f"an object of {brief(name)}")

"""A pickle interpreter that builds only a description: nothing is imported, called or built.

A pickle is a program for a small stack machine. This machine knows every instruction of protocols 0 to 5 and executes
none that has effects outside: the name of a function stays a name, a call becomes a record of function and arguments, a
storage is the size it claims. Calls that PyTorch itself makes for plain tensors are understood (`tensors.py`);
everything else, NumPy's numbers or a trainer's options, becomes a `ForeignObject` in place of the object.

Work and memory are bounded for any input: every instruction costs at most what it takes off the stack, long texts and
numbers are skipped unread, only plain texts are used as keys, and there are limits on instructions and on objects kept.
Nothing recurses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from mmap import mmap
from typing import Any

MOST_STEPS = 6_000_000
MOST_THINGS = 1_000_000
"""Instructions, and objects kept at one time: far more than a checkpoint of 10,000 tensors and its logs needs."""
_LONGEST_TEXT = 4096
_LONGEST_LINE = 1000
_HIGHEST = 5
_LARGEST_NUMBER, _LONGEST_DIGITS = 16, 40
"""Bytes and digits of a number that is parsed; sizes have eight bytes."""


class Damaged(Exception):
    """The bytes are invalid, or more than a checkpoint needs; the message tells the reason."""


@dataclass(frozen=True, slots=True)
class Name:
    """A function or class that the pickle names, as `module.name`."""

    full: str


@dataclass(slots=True, eq=False)
class ForeignObject:
    """An object that only code could build: that code's name, and the arguments it would get."""

    name: str
    parts: list[Any] = field(default_factory=list)


class _Mark:
    """Mark on the stack before a row of items."""


class _Passed:
    """A value that is never used, or too long to be of use: floats, bytes, long texts."""


_MARK = _Mark()
_PASSED = _Passed()
"""Shared, so that a million of them take no memory."""
Call = Callable[[Name, tuple[Any, ...]], Any]
"""Description of the result of calling a named function."""


class Machine:
    """Runs the pickles of one file. `protocol` is the highest one met.

    `called` and `claimed` describe the results of a call and of a reference to a storage, `named` is called with every
    name. Raises Damaged; a hostile pickle can raise IndexError, KeyError, ValueError and TypeError as well, with the
    same meaning.
    """

    def __init__(self, named: Callable[[str], None], called: Call, claimed: Callable[[Any], Any]) -> None:
        self.protocol = 0
        self._named, self._called, self._claimed = named, called, claimed
        self._steps = self._things = 0
        self._data: bytes | mmap = b""
        self._at = self._end = 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._table: list[Callable[[], object] | None] = [None] * 256
        for code, work in _INSTRUCTIONS.items():
            self._table[code] = work.__get__(self)

    def read(self, data: bytes | mmap, start: int = 0) -> tuple[Any, int]:
        """Run the pickle that begins at `start`: its value, and the offset of its end."""
        self._data, self._at, self._end = data, start, len(data)
        self._stack, self._memo = [], {}
        table = self._table
        while True:
            if self._at >= self._end:
                raise Damaged("it ends in the middle")
            code = data[self._at]
            self._at += 1
            if code == _STOP:
                value = self._pop()
                return value, self._at
            work = table[code]
            if work is None:
                raise Damaged(f"it is no pickle at byte {self._at - 1}")
            self._steps += 1
            if self._steps > MOST_STEPS:
                self._spend(0)
            work()

    def _spend(self, steps: int) -> None:
        self._steps += steps
        if self._steps > MOST_STEPS:
            raise Damaged(f"it has more than {MOST_STEPS:,} instructions, far more than weights need")

    def _keep(self) -> None:
        self._things += 1
        if self._things > MOST_THINGS:
            raise Damaged(f"it makes more than {MOST_THINGS:,} things, far more than weights need")

    # --- bytes of the file

    def _take(self, size: int) -> bytes:
        start = self._skip(size)
        return self._data[start : self._at]

    def _skip(self, size: int) -> int:
        """Skip some bytes and return their offset; Damaged if there are too few."""
        start = self._at
        if size < 0 or size > self._end - start:
            raise Damaged("it ends in the middle")
        self._at = start + size
        return start

    def _number(self, size: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._take(size), "little", signed=signed)

    def _line(self) -> bytes:
        """The rest of a line of protocol 0, truncated if it is too long to be used."""
        end = self._data.find(b"\n", self._at)
        if end < 0:
            raise Damaged("it ends in the middle")
        line = self._data[self._at : min(end, self._at + _LONGEST_LINE + 1)]
        self._at = end + 1
        return line

    # --- the stack

    def _pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise Damaged("its stack is out of step")
        return value

    def _row(self) -> list[Any]:
        """The items after the last mark."""
        stack = self._stack
        start = len(stack) - 1
        while stack[start] is not _MARK:  # an empty stack raises IndexError
            start -= 1
            if start < 0:
                raise Damaged("its stack is out of step")
        items = stack[start + 1 :]
        del stack[start:]
        self._spend(len(items))
        return items

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _thing(self, value: Any) -> None:
        self._keep()
        self._stack.append(value)

    # --- values

    def _long(self, size: int) -> None:
        if size > _LARGEST_NUMBER:
            self._skip(size)
            self._push(_PASSED)
        else:
            self._stack.append(int.from_bytes(self._take(size), "little", signed=True))

    def _int_line(self) -> None:
        line = self._line().rstrip(b"\rL")
        truths = {b"00": False, b"01": True}
        self._stack.append(truths[line] if line in truths else int(line) if len(line) <= _LONGEST_DIGITS else _PASSED)

    def _text(self, size: int, codec: str = "utf-8", errors: str = "surrogatepass") -> None:
        if size > _LONGEST_TEXT:
            self._bytes(size)
        else:
            self._thing(self._take(size).decode(codec, errors))

    def _string(self, size: int) -> None:
        # Python 2's str: the names of tensors in old files, or bytes.
        self._text(size, "latin-1", "strict")

    def _text_line(self, around: bytes) -> None:
        line = self._line()
        plain = len(line) <= _LONGEST_LINE and b"\\" not in line
        self._thing(line.strip(around).decode("latin-1")) if plain else self._push(_PASSED)

    def _float_line(self) -> None:
        self._line()
        self._push(_PASSED)

    def _bytes(self, size: int) -> None:
        self._skip(size)
        self._push(_PASSED)

    # --- containers

    def _tuple_of(self, size: int) -> None:
        stack = self._stack
        items = tuple(stack[-size:])
        if len(items) < size or any(item is _MARK for item in items):
            raise Damaged("its stack is out of step")
        del stack[-size:]
        self._thing(items)

    def _dict(self) -> None:
        items = self._row()
        self._thing({})
        self._put(self._stack[-1], items)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._put(self._stack[-1], [key, value])

    def _setitems(self) -> None:
        items = self._row()
        self._put(self._stack[-1], items)

    def _put(self, target: Any, items: list[Any]) -> None:
        """Add keys and values, alternating, to the description of a dict."""
        if len(items) % 2:
            raise Damaged("a key has no value")
        if isinstance(target, ForeignObject):
            target.parts += items
        elif isinstance(target, dict):
            for n in range(0, len(items), 2):
                target[key_of(items[n], len(target))] = items[n + 1]
        else:
            raise Damaged("it puts items where there is no dict")

    def _append(self) -> None:
        value = self._pop()
        self._extend(self._stack[-1], [value])

    def _appends(self) -> None:
        items = self._row()
        self._extend(self._stack[-1], items)

    def _extend(self, target: Any, items: list[Any]) -> None:
        if isinstance(target, ForeignObject):
            target.parts += items
        elif isinstance(target, list):
            target += items
        else:
            raise Damaged("it puts items where there is no list")

    # --- what is on top, and what is remembered

    def _top(self) -> Any:
        value = self._stack[-1]
        if value is _MARK:
            raise Damaged("its stack is out of step")
        return value

    def _remember(self, key: int) -> None:
        if key not in self._memo:
            self._keep()
        self._memo[key] = self._top()

    # --- what would reach outside

    def _global(self) -> None:
        module, name = self._line(), self._line()
        self._push_name(module.decode("utf-8", "replace"), name.decode("utf-8", "replace"))

    def _stack_global(self) -> None:
        name, module = self._pop(), self._pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Damaged("it names a function by what is no text")
        self._push_name(module, name)

    def _push_name(self, module: str, name: str) -> None:
        if not 0 < len(module) <= _LONGEST_LINE or not 0 < len(name) <= _LONGEST_LINE:
            raise Damaged("it names a function in an unknown way")
        full = f"{module}.{name}"
        self._named(full)
        self._thing(Name(full))

    def _extension(self, code: int) -> None:
        self._thing(Name(f"extension {code}"))

    def _call(self) -> None:
        arguments, function = self._pop(), self._pop()
        if not isinstance(arguments, tuple):
            raise Damaged("it calls a function with what are no arguments")
        self._thing(self._made(function, arguments))

    def _new_with_names(self) -> None:
        names, arguments, kind = self._pop(), self._pop(), self._pop()
        if not isinstance(arguments, tuple):
            raise Damaged("it calls a function with what are no arguments")
        made = self._made(kind, arguments)
        if names:
            made = ForeignObject(kind.full if isinstance(kind, Name) else "call", [made, names])
        self._thing(made)

    def _object(self) -> None:
        kind, *arguments = self._row()
        self._thing(self._made(kind, tuple(arguments)))

    def _instance(self) -> None:
        self._global()
        kind = self._stack.pop()
        self._thing(self._made(kind, tuple(self._row())))

    def _made(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if isinstance(function, Name):
            return self._called(function, arguments)
        if isinstance(function, ForeignObject):
            return ForeignObject(function.name, [function, arguments])
        raise Damaged("it calls what is no function")

    def _build(self) -> None:
        """Set an object's state. A dict's own attributes do not concern its items."""
        state, target = self._pop(), self._top()
        if isinstance(target, ForeignObject):
            target.parts.append(state)
        elif not isinstance(state, dict) or isinstance(target, Name | _Passed | str | int | tuple | None):
            raise Damaged("it gives a state to what has none")

    def _reference_line(self) -> None:
        self._line()
        raise Damaged("it refers to something outside in an unknown way")

    def _protocol(self) -> None:
        protocol = self._number(1)
        if protocol > _HIGHEST:
            raise Damaged(f"it is written in pickle protocol {protocol}, which does not exist")
        self.protocol = max(self.protocol, protocol)

    def _frame(self) -> None:
        if self._number(8) > self._end - self._at:
            raise Damaged("it ends in the middle")

    def _outside(self) -> None:
        raise Damaged("parts of it lie in another file")


def key_of(key: Any, count: int) -> str:
    """A dict's key as part of a name; keys that are neither text nor number are numbered."""
    if isinstance(key, str):
        return key
    return str(key) if isinstance(key, int) else f"?{count}"


def _index(line: bytes) -> int:
    if len(line) > 12:
        raise Damaged("it remembers more than it can")
    return int(line)


_STOP = ord(".")
_INSTRUCTIONS: dict[int, Callable[[Machine], object]] = {
    ord(code): work
    for code, work in {
        "N": lambda m: m._push(None), "\x88": lambda m: m._push(True), "\x89": lambda m: m._push(False),
        "K": lambda m: m._push(m._number(1)), "M": lambda m: m._push(m._number(2)),
        "J": lambda m: m._push(m._number(4, signed=True)), "\x8a": lambda m: m._long(m._number(1)),
        "\x8b": lambda m: m._long(m._number(4)), "I": Machine._int_line, "L": Machine._int_line,
        "F": Machine._float_line, "G": lambda m: m._bytes(8),
        "\x8c": lambda m: m._text(m._number(1)), "X": lambda m: m._text(m._number(4)),
        "\x8d": lambda m: m._text(m._number(8)), "U": lambda m: m._string(m._number(1)),
        "T": lambda m: m._string(m._number(4)), "S": lambda m: m._text_line(b"'\"\r"),
        "V": lambda m: m._text_line(b"\r"), "C": lambda m: m._bytes(m._number(1)),
        "B": lambda m: m._bytes(m._number(4)), "\x8e": lambda m: m._bytes(m._number(8)),
        "\x96": lambda m: m._bytes(m._number(8)), "t": lambda m: m._thing(tuple(m._row())),
        ")": lambda m: m._push(()), "\x85": lambda m: m._tuple_of(1), "\x86": lambda m: m._tuple_of(2),
        "\x87": lambda m: m._tuple_of(3), "]": lambda m: m._thing([]), "l": lambda m: m._thing(m._row()),
        "}": lambda m: m._thing({}), "d": Machine._dict, "\x8f": lambda m: m._thing(ForeignObject("set")),
        "\x91": lambda m: m._thing(ForeignObject("frozenset", m._row())), "s": Machine._setitem, "u": Machine._setitems,
        "a": Machine._append, "e": Machine._appends, "\x90": Machine._appends, "(": lambda m: m._push(_MARK),
        "0": lambda m: m._stack.pop(), "1": lambda m: m._row(), "2": lambda m: m._thing(m._top()),
        "q": lambda m: m._remember(m._number(1)), "r": lambda m: m._remember(m._number(4)),
        "p": lambda m: m._remember(_index(m._line())), "\x94": lambda m: m._remember(len(m._memo)),
        "h": lambda m: m._push(m._memo[m._number(1)]), "j": lambda m: m._push(m._memo[m._number(4)]),
        "g": lambda m: m._push(m._memo[_index(m._line())]), "c": Machine._global, "\x93": Machine._stack_global,
        "\x82": lambda m: m._extension(m._number(1)), "\x83": lambda m: m._extension(m._number(2)),
        "\x84": lambda m: m._extension(m._number(4)), "R": Machine._call, "\x81": Machine._call,
        "\x92": Machine._new_with_names, "o": Machine._object, "i": Machine._instance, "b": Machine._build,
        "Q": lambda m: m._thing(m._claimed(m._pop())), "P": Machine._reference_line, "\x80": Machine._protocol,
        "\x95": Machine._frame, "\x97": Machine._outside, "\x98": Machine._outside,
    }.items()
}  # fmt: skip
"""Action of each opcode, except STOP."""

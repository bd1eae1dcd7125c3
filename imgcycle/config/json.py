"""Frozen dataclasses with lossless conversion to JSON and back."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import types
from collections.abc import Mapping
from typing import Any, Literal, Self, Union, get_args, get_origin, get_type_hints

from imgcycle.config.fields import out_of_range
from imgcycle.errors import UsageError


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of a config's fields, resolved once a class."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


class JsonConfig:
    """Mixin of every config: conversion to a dict of plain values and back, rejecting unknown names."""

    __slots__ = ()  # so that a config of which there are thousands can have slots

    def __post_init__(self) -> None:
        """Raise UsageError for a number outside its field's range."""
        for wrong, right in out_of_range(self):
            raise UsageError(wrong, right)

    def to_dict(self) -> dict[str, Any]:
        """All fields as JSON-compatible values (tuples become lists)."""
        return json.loads(json.dumps(dataclasses.asdict(self)))  # type: ignore[call-overload, no-any-return]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Build from `to_dict()`'s result, of earlier versions too; UsageError for unknown names and wrong types."""
        if not isinstance(values, dict):
            raise UsageError(f"{cls.__name__} should be settings by name, not {values!r}")
        values = dict(cls._current(values))
        hints: dict[str, Any] = _hints(cls)  # type: ignore[arg-type]
        if not values.keys() <= hints.keys():
            unknown = sorted(values.keys() - hints.keys())
            raise UsageError(
                f"{cls.__name__} has no setting {', '.join(map(repr, unknown))}",
                f"it knows {', '.join(sorted(hints))}",
            )
        return cls(**cls._typed(values))

    @classmethod
    def _current(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values under the current names of their fields (config/legacy.py)."""
        return values

    @classmethod
    def _typed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values converted to their fields' types; UsageError names the first of a wrong type."""
        hints: dict[str, Any] = _hints(cls)  # type: ignore[arg-type]
        # Most values have their field's type already, and a ledger has thousands of them.
        return {
            name: value if type(value) is hints[name] else _as_type(hints[name], value, f"{cls.__name__}.{name}")
            for name, value in values.items()
        }

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return dataclasses.replace(self, **changes)  # type: ignore[type-var]


def _as_type(hint: Any, value: Any, where: str) -> Any:  # noqa: PLR0911 - one return a kind of type
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in args:
            return None
        kinds = [a for a in args if a is not type(None)]
        for kind in kinds[:-1]:
            with contextlib.suppress(UsageError):
                return _as_type(kind, value, where)
        return _as_type(kinds[-1], value, where)
    if origin is Literal:
        if value in args:
            return value
        raise UsageError(f"{where} is {value!r}", f"one of {', '.join(map(str, args))}")
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{where} should be a list, not {value!r}")
        inner = args[0]
        return tuple(_as_type(inner, v, where) for v in value)
    if isinstance(hint, type) and issubclass(hint, JsonConfig):
        return value if isinstance(value, hint) else hint.from_dict(value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{where} should be {hint.__name__}, not {value!r}")
    return value

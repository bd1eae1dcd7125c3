"""Metadata of settings: the field of a dataclass carries help, panel, spelling and range.

The command line is made from these fields (`cli/parameters.py`), `JsonConfig` checks the ranges, and a recipe records
the settings that change a result (`jobs`), so each setting is declared once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeVar

Recorded = Literal["always", "changed", "never"]
"""Whether a result's recipe records a setting: `changed` means only if it is not the default, so that recipes from
before the setting existed stay equal.
"""

WHERE, WHICH, PART = "Where to", "Which inputs", "Which part"
LOOK, CODING, PAGES = "How it looks", "How it is written", "Overviews"
BESIDE, LABELS, CLIPS = "Compared with", "Label pictures", "Clips"
NETS, LOSSES, DESCENT, RHYTHM = "Nets", "Losses", "Optimisation", "Saving and samples"
MACHINE, REPORT = "Machine", "Messages"
PANELS = (
    *(WHERE, WHICH, PART, LOOK, CODING, PAGES, BESIDE, LABELS, CLIPS),
    *(NETS, LOSSES, DESCENT, RHYTHM, MACHINE, REPORT),
)
"""Panels of `--help`, in the order in which they are shown."""
_KEY: Final = "imgcycle"
_Default = TypeVar("_Default")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One field of a config as the command line shows it.

    `names` are the spellings (by default `--` and the field's name), `shown` stands for a default of None, `also` tells
    of defaults under other circumstances, `bare` is the value of an option given without one. Values lie between `low`
    and `high`, both included. A text is taken for the name of a file unless it is a `word`; with `address` it may be
    one of an object store, too. An `argument` has a place of its own instead of a name, and where it is `required` it
    cannot be left out. `recorded` says whether a result's recipe states it.
    """

    help: str
    panel: str | None = None
    names: tuple[str, ...] = ()
    metavar: str | None = None
    shown: str | None = None
    also: str | None = None
    bare: str | None = None
    low: float | None = None
    high: float | None = None
    word: bool = False
    address: bool = False
    argument: bool = False
    required: bool = False
    recorded: Recorded = "always"


def option(default: _Default, help: str, *, panel: str | None = None, **more: Any) -> _Default:
    """A dataclass field with a default and its `Setting`."""
    metadata = {_KEY: Setting(help=help, panel=panel, **more)}
    return dataclasses.field(default=default, metadata=metadata)


def argument(default: _Default, help: str, *, metavar: str, required: bool = False, address: bool = False) -> _Default:
    """A dataclass field that is a positional argument of the command line."""
    return option(default, help, metavar=metavar, argument=True, required=required, address=address)


def defaults(config: type) -> Mapping[str, Any]:
    """The default of every field of a config; MISSING where it has none that is a plain value."""
    return {field.name: field.default for field in dataclasses.fields(config)}


_SETTINGS: dict[type, Mapping[str, Setting]] = {}
"""Those of every config that was asked about: a plan makes thousands of one kind."""


def settings(config: type) -> Mapping[str, Setting]:
    """The fields of a config that have a `Setting`, by name and in order."""
    if config not in _SETTINGS:
        fields = dataclasses.fields(config)
        _SETTINGS[config] = MappingProxyType({f.name: f.metadata[_KEY] for f in fields if _KEY in f.metadata})
    return _SETTINGS[config]


def spelling(name: str, setting: Setting | None = None) -> str:
    """Option name in error messages: `--work-size` for `work_size`, or its own long name."""
    if setting is not None and setting.names:
        return max(setting.names[0].replace(" ", "").split("/"), key=len)
    return f"--{name.replace('_', '-')}"


def out_of_range(config: object) -> Iterator[tuple[str, str]]:
    """Yield, for every number outside its range, the problem and the remedy."""
    for name, setting in settings(type(config)).items():
        value = getattr(config, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        low, high = setting.low, setting.high
        # Written so that NaN is outside of any range.
        inside = (low is None or value >= low) and (high is None or value <= high)
        if not inside:
            yield f"{spelling(name, setting)} is {value}", _range(low, high)


def _range(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"at least {low}" if high is None else f"at most {high}"
    return f"choose between {low} and {high}"

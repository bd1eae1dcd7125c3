"""Command-line options: made from the fields of configs, and checked before a command begins."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
import types
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import typer

from imgcycle.config.fields import PANELS, REPORT, Setting, settings, spelling
from imgcycle.config.json import JsonConfig

QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Errors only.", rich_help_panel=REPORT)]
VerboseOption = Annotated[bool, typer.Option("-v", "--verbose", help="Say more.", rich_help_panel=REPORT)]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.", rich_help_panel=REPORT)]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on stdout.", rich_help_panel=REPORT)]
_NAME, _WIDEST = "NAME", 32
"""Metavar for one of many words, and the width from which it is used."""
_Config = TypeVar("_Config", bound=JsonConfig)


class BareOption(NamedTuple):
    """An option that may be given without a value: what that means, and the words that are its value."""

    meaning: str
    words: Container[str]


class Given(dict[str, Any], Generic[_Config]):
    """The fields of a config that were given on the command line, by name."""


def from_fields(command: Callable[..., None]) -> Callable[..., None]:
    """The command with each parameter that is a config replaced by that config's fields, nested configs included.

    Its function receives whole configs, by name; for a `Given[Config]` only the values that were given. Of the result,
    `words` are the parameters that are not file names, `addresses` those that may be in an object store, `bare` is what
    options mean that are given without a value.
    """
    hints = {name: hint for name, hint in get_type_hints(command).items() if name != "return"}
    loose = {name for name, hint in hints.items() if get_origin(hint) is Given}
    configs = {name: get_args(hint)[0] if name in loose else hint for name, hint in hints.items()}

    def filled(**values: Any) -> None:
        command(**{n: (given if n in loose else built)(config, values) for n, config in configs.items()})

    found = [each for name, config in configs.items() for each in _parameters(config, name in loose)]
    parameters = [each for _, each in sorted(found, key=lambda ranked: ranked[0])]
    filled.__name__, filled.__doc__ = command.__name__, command.__doc__
    # Typer reads both, and would otherwise find `**values`.
    filled.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    filled.__annotations__ = {each.name: each.annotation for each in parameters}
    filled.words = frozenset(_words(configs.values()))  # type: ignore[attr-defined]
    filled.addresses = frozenset(_addresses(configs.values()))  # type: ignore[attr-defined]
    filled.bare = dict(_bare(configs.values()))  # type: ignore[attr-defined]
    return filled


def built(config: type[JsonConfig], values: Mapping[str, Any]) -> JsonConfig:
    """A config, and the configs in it, from the values of all parameters."""
    parts = {name: built(part, values) for name, part in _parts(config)}
    # Typer passes None for an argument that was omitted.
    given = {name: value for name in settings(config) if (value := values[name]) is not None}
    return config.from_dict(given | parts)


def given(config: type[JsonConfig], values: Mapping[str, Any]) -> Given[Any]:
    """The values of a config that are not None."""
    return Given({name: values[name] for name in settings(config) if values[name] is not None})


def _parts(config: type) -> Iterator[tuple[str, type[JsonConfig]]]:
    """Yield the fields of a config that are configs themselves."""
    hints = get_type_hints(config)
    for field in dataclasses.fields(config):
        hint = hints[field.name]
        if isinstance(hint, type) and issubclass(hint, JsonConfig):
            yield field.name, hint


def _words(configs: Iterable[type]) -> Iterator[str]:
    for config in configs:
        yield from (name for name, setting in settings(config).items() if setting.word)
        yield from _words(part for _, part in _parts(config))


def _addresses(configs: Iterable[type]) -> Iterator[str]:
    for config in configs:
        yield from (name for name, setting in settings(config).items() if setting.address)
        yield from _addresses(part for _, part in _parts(config))


def _bare(configs: Iterable[type]) -> Iterator[tuple[str, BareOption]]:
    """Yield the name of each option whose value may be omitted, and what it then means."""
    for config in configs:
        hints = get_type_hints(config)
        for name, setting in settings(config).items():
            if setting.bare is not None:
                yield spelling(name, setting), BareOption(setting.bare, frozenset(_words_of(hints[name])))
        yield from _bare(part for _, part in _parts(config))


def _parameters(config: type, loose: bool = False) -> Iterator[tuple[int, inspect.Parameter]]:
    """Yield the parameters of a config and of its parts, each with the rank of its panel, since Typer keeps their
    order.

    With `loose`, parameters that are not given are None.
    """
    hints = get_type_hints(config)
    defaults = {field.name: field.default for field in dataclasses.fields(config)}
    for name, setting in settings(config).items():
        default = inspect.Parameter.empty if setting.required else defaults[name]
        rank = PANELS.index(setting.panel) if setting.panel else -1
        made = _parameter(name, hints[name], default, setting)
        yield rank, made if not loose else made.replace(default=None)
    for _, part in () if loose else _parts(config):
        yield from _parameters(part)


def _parameter(name: str, hint: Any, default: Any, setting: Setting) -> inspect.Parameter:
    typed, metavar, parser = _as_typed(hint, setting)
    words = _words_of(hint)
    text = setting.help + (f" One of {', '.join(words)}." if metavar == _NAME and words else "")
    text += _default_text(name, default, setting)
    about: dict[str, Any] = {"help": text, "metavar": metavar, "show_default": False, "parser": parser}
    if not setting.argument:
        told: Any = typer.Option(*_names(name, default, setting), rich_help_panel=setting.panel, **about)
    else:
        told = typer.Argument(**about)
        if not setting.required:
            default, typed = None, typed | None
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[typed, told])


def _names(name: str, default: Any, setting: Setting) -> tuple[str, ...]:
    dashed = f"--{name.replace('_', '-')}"
    return setting.names or ((f"{dashed}/--no-{dashed[2:]}",) if default is True else (dashed,))


def _default_text(name: str, default: Any, setting: Setting) -> str:
    """The end of an option's help that states its default; empty if that is obvious."""
    shown = setting.shown
    if shown is None and default is True and "/--no-" in _names(name, default, setting)[0].strip():
        shown = None if setting.names and setting.names[0].startswith(" ") else "yes"
    elif shown is None and default not in ((), "", None, inspect.Parameter.empty) and not isinstance(default, bool):
        shown = f"{default:g}" if isinstance(default, float) else str(default)
    told = "; ".join(each for each in (shown, setting.also) if each)
    return f"  [default: {told}]" if told else ""


def _as_typed(hint: Any, setting: Setting) -> tuple[Any, str | None, Callable[[str], Any] | None]:
    """Type of a field for Typer, metavar in the help, and a parser if Typer has none."""
    union = get_origin(hint) in (Union, types.UnionType)
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] if union else [hint]
    optional = union and type(None) in get_args(hint)
    words = _words_of(hint)
    kind, parser = kinds[0], None
    if len(kinds) > 1:
        kind, parser = str, functools.partial(_number_or_word, kinds[0], words)
    elif get_origin(kind) is tuple:
        kind = list[str] if setting.argument else str  # an option's words stand in one, with commas between
    metavar = setting.metavar or _metavar(kinds[0], words, setting)
    return (kind | None if optional else kind), metavar, parser


def _words_of(hint: Any) -> list[str]:
    """Words of a Literal, also inside a union."""
    kinds = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]
    return [word for kind in kinds if get_origin(kind) is Literal for word in get_args(kind)]


def _metavar(kind: Any, words: Sequence[str], setting: Setting) -> str | None:
    if kind in (int, float):
        span = f"{setting.low:g}..{setting.high:g}" if None not in (setting.low, setting.high) else "N"
        return "|".join((span, *words))
    if not words:
        return "FILE" if kind is Path else None
    joined = "|".join(words)
    return joined if len(joined) <= _WIDEST else _NAME


def _number_or_word(kind: Callable[[str], Any], words: Sequence[str], text: Any) -> Any:
    """A number, or one of the words; BadParameter for any other text."""
    if text in words or isinstance(text, int | float):
        return text
    try:
        return kind(text)
    except ValueError:
        said = " nor ".join(("neither a number", *words))
        raise typer.BadParameter(f"{text!r} is {said}") from None


WORDS = frozenset({"size", "recipe", "device", "diff_augment", "licence", "mirror"})
"""Text parameters that are not file names, of commands that are not made from fields; all others are checked."""


def check_paths(
    parameters: Iterable[Any],
    values: Mapping[str, Any],
    typed: Iterable[str],
    words: Container[str] = WORDS,
    addresses: Container[str] = (),
) -> None:
    """UsageError for impossible file names in any option or input of a command except `words`.

    Those are URLs (for `addresses` those of unknown kinds, or without their package), names that are too long, and
    folders without permission. `typed` is the command line: a Path has lost one of a URL's two slashes.
    """
    from imgcycle.media.paths import check_name, is_address
    from imgcycle.media.remote import check_store_address

    parts = [part for word in typed for part in (word, word.partition("=")[2], word[2:]) if "://" in part]
    as_typed = {os.fspath(Path(part)): part for part in parts}
    for parameter in parameters:
        given = values.get(parameter.name)
        for value in given if isinstance(given, list | tuple) else [given]:
            if isinstance(value, str | os.PathLike) and parameter.name not in words:
                is_option = parameter.param_type_name == "option"
                what = max(parameter.opts, key=len) if is_option else parameter.metavar or parameter.name.upper()
                text = os.fspath(value)
                text, what = as_typed.get(text, text), what.strip("[].")
                if parameter.name in addresses and is_address(text):
                    check_store_address(text, what)
                else:
                    check_name(text, what)


def with_bare_options(words: Sequence[str], bare: Mapping[str, BareOption]) -> list[str]:
    """A command's words with the values that options given without one stand for: `--strip` for `--strip=all`."""
    found = list(words)
    end = found.index("--") if "--" in found else len(found)
    for n, word in enumerate(found[:end]):
        option = bare.get(word)
        if option is not None and (n + 1 == end or found[n + 1] not in option.words):
            found[n] = f"{word}={option.meaning}"
    return found

"""Options from other places than the command line: a preset of the settings file, or the recipe of a result.

They are inserted before the typed words, of which the last counts: typed options win.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from imgcycle.errors import InputError, UsageError

USE, LIKE = "--use", "--like"


def settings_file() -> Path:
    """File of presets: `$IMGCYCLE_SETTINGS`, else `settings.toml` in the system's folder for user settings."""
    if given := os.environ.get("IMGCYCLE_SETTINGS"):
        return Path(given)
    import platformdirs

    return platformdirs.user_config_path("imgcycle", appauthor=False) / "settings.toml"


def with_recalled(command: Any, words: Sequence[str]) -> list[str]:
    """Words of a command, preceded by those of its `--like` and `--use`; raises their UsageError.

    A preset overrides a recipe, and typed options override both.
    """
    from imgcycle.media.paths import check_name

    found: list[str] = []
    for name in _values(words, LIKE):
        check_name(name, LIKE)
        found += _recipe_words(command, Path(name), words)
    for name in _values(words, USE):
        found += _preset_words(command, name)
    return [*found, *words]


def _values(words: Sequence[str], option: str) -> Iterator[str]:
    """Yield each value that an option is given."""
    end = words.index("--") if "--" in words else len(words)
    for n, word in enumerate(words[:end]):
        if word == option and n + 1 < end:
            yield words[n + 1]
        elif word.startswith(f"{option}="):
            yield word.partition("=")[2]


def _preset_words(command: Any, name: str) -> Iterator[str]:
    """Yield options of a preset that this command has, then those of the preset's own table for it."""
    from imgcycle.media.paths import shown

    path = settings_file()
    presets = _read(path).get("presets", {})
    if name not in presets:
        known = f"it has {', '.join(sorted(presets))}" if presets else "a preset begins with [presets.NAME]"
        raise UsageError(f"{shown(path)} has no preset {name!r}", known)
    preset = presets[name]
    from imgcycle.cli.app import COMMANDS, loaded

    own = {key: value for key, value in preset.items() if isinstance(value, dict)}
    if unknown := sorted(own.keys() - COMMANDS.keys()):
        raise UsageError(f"{shown(path)}: [presets.{name}.{unknown[0]}] is no command", f"one of {', '.join(COMMANDS)}")
    for key, value in preset.items():
        if isinstance(value, dict):
            continue
        if _parameter(command, key) is not None:
            yield from _option_words(command, key, value)
        elif all(_parameter(loaded(other), key) is None for other in COMMANDS if other != command.name):
            raise UsageError(f"{shown(path)}: {key} in preset {name} is no option", "see imgcycle COMMAND --help")
    for key, value in own.get(command.name, {}).items():
        if _parameter(command, key) is None:
            raise UsageError(f"{shown(path)}: {command.name} has no option {key}", f"imgcycle {command.name} --help")
        yield from _option_words(command, key, value)


def _read(path: Path) -> dict[str, Any]:
    import tomllib

    from imgcycle.errors import reported
    from imgcycle.media.paths import shown

    with reported(UsageError, f"the settings file {shown(path)} cannot be read"):
        text = path.read_bytes()
    try:
        values = tomllib.loads(text.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(path)} is no settings file: {error}") from error
    presets = values.get("presets", {})
    if not isinstance(presets, dict) or not all(isinstance(each, dict) for each in presets.values()):
        raise UsageError(f"{shown(path)} is no settings file", "a preset begins with [presets.NAME]")
    return values


def _recipe_words(command: Any, path: Path, typed: Sequence[str]) -> Iterator[str]:
    """Yield style and options of a result's recipe, as far as the command has them."""
    from imgcycle.cli.render.console import say
    from imgcycle.jobs.images.plan import read_recipe
    from imgcycle.jobs.video.plan import clip_recipe
    from imgcycle.media.paths import check_name, kind_of, shown

    check_name(os.fspath(path), LIKE)
    recipe = clip_recipe(path) if kind_of(path) == "clip" else read_recipe(path)
    if recipe is None or not isinstance(recipe.get("options"), dict):
        if not path.exists():
            raise InputError(f"{shown(path)} is not there")
        raise UsageError(f"{shown(path)} holds no recipe", "imgcycle did not make it, or its metadata were taken out")
    if not any(True for option in ("--to", "--style") for _ in _values(typed, option)):
        yield f"--to={recipe['style']}"
        if _digest_here(str(recipe["style"])) not in (recipe["weights"], None):
            say(f"imgcycle: {shown(path)} was made with other weights of {recipe['style']} than are here now")
    for key, value in recipe["options"].items():
        parameter = _parameter(command, key)
        if parameter is not None:
            # A clip says how it is compared, a picture only that it is.
            switch = getattr(parameter, "is_flag", False) and isinstance(value, str)
            yield from _option_words(command, key, True if switch else value)


def _digest_here(style: str) -> str | None:
    """Digest of a style's weights; None if it is not installed, which is reported when it is opened."""
    from imgcycle.errors import ImgcycleError
    from imgcycle.weights.description import digest
    from imgcycle.weights.mix import FoundMix, find_styles

    try:
        found = find_styles(style)
        if isinstance(found, FoundMix):
            return ",".join(f"{one.digest or digest(one.path)}:{share:.6g}" for share, one in found.parts)
        return found.digest or digest(found.path)
    except ImgcycleError:
        return None


def _parameter(command: Any, key: str) -> Any:
    """The option of a command called `key`, with `-` or `_`; None if there is none."""
    name, option = key.replace("-", "_"), f"--{key.replace('_', '-')}"
    options = (p for p in command.params if p.param_type_name == "option" and p.name not in ("use", "like"))
    return next((p for p in options if name == p.name or option in (*p.opts, *p.secondary_opts)), None)


def _option_words(command: Any, key: str, value: Any) -> Iterable[str]:
    """An option and its value as typed; empty for None, and for a switch that is off anyway.

    True is the value that an option has without one.
    """
    parameter = _parameter(command, key)
    if value is None:
        return []
    if getattr(parameter, "is_flag", False):
        if not isinstance(value, bool):
            raise UsageError(f"{key} is {value!r}", "true or false")
        off = f"--{key.replace('_', '-')}" in parameter.secondary_opts
        names: Mapping[bool, Sequence[str]] = {True: parameter.opts, False: parameter.secondary_opts}
        return list(names[value is not off])[:1]
    option = max(parameter.opts, key=len)
    if isinstance(value, bool) and option in command.bare:
        return [f"{option}={command.bare[option].meaning}"] if value else []
    return [f"{option}={','.join(map(str, value)) if isinstance(value, list) else value}"]

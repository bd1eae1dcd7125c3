"""Recipes: settings and stages of a run as TOML files to read, copy and change; those that come along lie here."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcycle.config.stages import Stage
from imgcycle.errors import UsageError, from_system

FOLDER = Path(__file__).parent
_KEYS = ("about", "start_from", "most_steps", "settings", "stages")
_ONLY = ("random weights", "given weights")


@dataclass(frozen=True)
class TrainingRecipe:
    """What a recipe's file says.

    `settings` are fields of TrainConfig by name, `start_from` the weights to begin with when nothing else is asked for,
    `most_steps` how many are enough from given weights, however many fit into the minutes.
    Of `stages`, each with what its `only` says, some are for runs from random weights alone, or from given ones.
    """

    name: str
    path: Path
    about: str
    start_from: str | None
    most_steps: int | None
    settings: Mapping[str, Any]
    stages: tuple[tuple[Stage, str | None], ...]

    def run_settings(self, from_random: bool, given: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of TrainConfig for a run from random or from given weights; what is `given` is not set by stages."""
        passed_over = _ONLY[1] if from_random else _ONLY[0]
        overruled = {name: None for name in given if name in Stage.__dataclass_fields__}
        stages = [stage.replace(**overruled).to_dict() for stage, only in self.stages if only != passed_over]
        most_steps = None if from_random else self.most_steps
        return {**self.settings, "recipe": self.name, "most_steps": most_steps, "stages": stages}


def recipe_names() -> list[str]:
    """The recipes that come along."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def training_recipe(name: str) -> TrainingRecipe:
    """A recipe by its name, or from a file of one's own that ends in `.toml`; UsageError says what is wrong with it."""
    path = Path(name).expanduser() if name.endswith(".toml") else FOLDER / f"{name}.toml"
    if not name.endswith(".toml") and name not in recipe_names():
        raise UsageError(f"no recipe is called {name!r}", f"{', '.join(recipe_names())}, or a file NAME.toml")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise from_system(UsageError, error, f"{path} cannot be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {error}", f"begin with a copy of {FOLDER / 'painting.toml'}") from error
    try:
        return _recipe(path, content)
    except UsageError as error:
        raise error.at(str(path)) from error


def _recipe(path: Path, content: Mapping[str, Any]) -> TrainingRecipe:
    if unknown := sorted(content.keys() - set(_KEYS)):
        raise UsageError(f"a recipe has no key {', '.join(map(repr, unknown))}", f"it has {', '.join(_KEYS)}")
    about, start_from = content.get("about", ""), content.get("start_from")
    most_steps = content.get("most_steps")
    settings, stages = content.get("settings", {}), content.get("stages", [])
    if not isinstance(about, str) or not isinstance(start_from, str | None):
        raise UsageError("about and start_from should be texts")
    if most_steps is not None and (type(most_steps) is not int or most_steps < 1):
        raise UsageError(f"most_steps is {most_steps!r}", "a whole number, at least 1")
    if not isinstance(settings, dict) or not isinstance(stages, list) or not all(isinstance(s, dict) for s in stages):
        raise UsageError("settings should be a table, and stages a list of tables")
    for name in ("a", "b", "stages", "recipe"):
        if name in settings:
            raise UsageError(f"settings hold {name!r}, which is for the command line")
    if "most_steps" in settings:
        raise UsageError("settings hold 'most_steps'", "it stands above them, beside start_from")
    return TrainingRecipe(path.stem, path, about, start_from, most_steps, settings, tuple(map(_stage, stages)))


def _stage(values: dict[str, Any]) -> tuple[Stage, str | None]:
    values = dict(values)
    only = values.pop("only", None)
    if only not in (None, *_ONLY):
        raise UsageError(f"a stage is only for {only!r}", f"one of {', '.join(map(repr, _ONLY))}")
    if "share" not in values:
        raise UsageError("a stage without a share of the steps", "share = 1")
    return Stage.from_dict(values), only

"""The help of `imgcycle train --recipe NAME`: defaults as that recipe sets them, and its stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imgcycle.config.recipes import TrainingRecipe, training_recipe

_OPTIONS = {
    ("net", "kind"): "net",
    ("net", "width"): "width",
    ("net", "global_residual"): "skip",
    ("discriminator", "kind"): "discriminator",
    ("discriminator", "layers"): "discriminator_layers",
    ("discriminator", "scales"): "discriminator_scales",
    ("discriminator", "width"): "discriminator_width",
}
"""Options that set a field of a part of the config."""


def show_recipe(parameters: Sequence[Any], typed: Sequence[str]) -> str:
    """Put a recipe's values in place of the defaults that the parameters state, and show the options that it sets.

    `typed` are the command's words; without `--recipe NAME` among them nothing changes. Returns lines on the recipe
    and its stages. UsageError for a recipe that cannot be read.
    """
    name = next(_recipe_name(typed), None)
    if name is None or name == "list":
        return ""
    recipe = training_recipe(name)
    values = {"start_from": recipe.start_from, **dict(_values(recipe.settings))}
    for parameter in parameters:
        value = values.get(parameter.name)
        if value is not None:
            text = (parameter.help or "").partition("  [default:")[0]
            parameter.help, parameter.hidden = f"{text}  [default: {_shown(value)}]", False
    return f"Defaults are those of the recipe {recipe.name}, {recipe.about}. {_stages(recipe)}"


def _recipe_name(typed: Sequence[str]) -> Iterator[str]:
    for word, after in zip(typed, (*typed[1:], ""), strict=True):
        if word == "--recipe" and after:
            yield after
        elif word.startswith("--recipe="):
            yield word.partition("=")[2]


def _values(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Values by the names of options."""
    for name, value in settings.items():
        if not isinstance(value, Mapping):
            yield name, value
        for field, inner in value.items() if isinstance(value, Mapping) else ():
            if (name, field) in _OPTIONS:
                yield _OPTIONS[name, field], inner


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _stages(recipe: TrainingRecipe) -> str:
    """Each stage with its share and the settings that it has for itself."""
    told = []
    for stage, only in recipe.stages:
        settings = ", ".join(f"{name} {_shown(value)}" for name, value in stage.changes().items())
        told.append(f"{stage.name}{f' (from {only})' if only else ''}: {settings or 'as above'}")
    return f"Stages: {'; '.join(told)}." if told else ""

"""Registry of methods, by the name that `--method` takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Method
from imgcycle.methods.bigan import BiGan
from imgcycle.methods.cogan import Cogan
from imgcycle.methods.cut import Cut, FastCut
from imgcycle.methods.cyclegan import CycleGan
from imgcycle.methods.gram import Gram
from imgcycle.methods.pix2pix import Pix2Pix
from imgcycle.methods.simgan import SimGan
from imgcycle.methods.unit import Unit

METHODS: dict[str, type[Method]] = {
    "cyclegan": CycleGan,
    "cut": Cut,
    "fastcut": FastCut,
    "unit": Unit,
    "pix2pix": Pix2Pix,
    "simgan": SimGan,
    "bigan": BiGan,
    "cogan": Cogan,
    "gram": Gram,
}


FULL_SIZE_CROP = 128
"""Default side of crops from images at their own size."""
_TERMS = {
    "lambda_shift": "shift term",
    "lambda_grid": "grid term",
    "lambda_path": "path term",
    "feature_loss": "feature loss",
}
"""Settings that are off by default, in words; a method without one of them refuses it."""


def method_class(name: str) -> type[Method]:
    """The class of a name; UsageError lists the known ones."""
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}", f"one of {', '.join(METHODS)}")
    return METHODS[name]


def defaults_of(name: str, variant: str | None = None) -> Mapping[str, Any]:
    """Fields that a method, or a variant of it, sets differently from TrainConfig; UsageError for an unknown
    variant.
    """
    method = method_class(name)
    if variant is None:
        return method.defaults
    if variant not in method.variants:
        known = f"one of {', '.join(method.variants)}" if method.variants else "leave --variant out"
        raise UsageError(f"{name} has no variant {variant!r}", known)
    return {**method.defaults, **method.variants[variant]}


def with_method_defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a TrainConfig as given, completed by the method, its variant and the crop.

    `size` and `crop` imply each other, in the paper's proportion 286 to 256. A part (`net`, `discriminator`) that names
    no kind changes the method's own. A paired method needs only one folder. UsageError as from `defaults_of`, and for a
    term that the method does not have.
    """
    name = given.get("method", TrainConfig.method)
    method, defaults = method_class(name), defaults_of(name, given.get("variant"))
    values = {**defaults, **given}
    _refuse_others(name, values, defaults)
    size, crop = given.get("size"), given.get("crop")
    if size is not None and crop is None:
        values["crop"] = round(size * 256 / 286) if isinstance(size, int) else FULL_SIZE_CROP
    if isinstance(crop, int) and size is None:
        values["size"] = round(crop * 286 / 256)
    parts = {**defaults, **method.sized(values.get("crop", TrainConfig.crop))}
    for part in ("net", "discriminator"):
        mine, theirs = given.get(part, {}), parts.get(part, {})
        if isinstance(mine, Mapping) and "kind" not in mine:
            values |= {part: whole} if (whole := {**theirs, **mine}) else {}
    if method.paired and "a" in given:
        values.setdefault("b", given["a"])
    return values


def _refuse_others(name: str, values: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """UsageError for a setting that means nothing to the method and is not at its default: it would change nothing.

    Off is what any method without it heeds. What a run has stored, which is nearly every field, is taken as it is:
    that run once began so.
    """
    usual = {field.name: field.default for field in dataclasses.fields(TrainConfig)}
    stored = len(usual.keys() & values.keys()) > 0.75 * len(usual)
    for setting, value in values.items():
        if stored and setting not in _TERMS:
            continue
        if not value or name in owners(setting) or value in (usual.get(setting), defaults.get(setting)):
            continue
        having = "have" if len(owners(setting)) > 1 else "has"
        what = _TERMS.get(setting) or f"--{setting.replace('_', '-')}"
        raise UsageError(f"{name} has no {what}", f"{', '.join(owners(setting))} {having}")


def carried_over(config: TrainConfig, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields to make `config` with another method from: the changes, and all that were not its own method's
    defaults.
    """
    plain = TrainConfig(config.a, config.b, method=config.method, variant=config.variant)
    sized = TrainConfig(
        config.a, config.b, method=config.method, variant=config.variant, size=config.size, crop=config.crop
    )
    kept = {
        field.name: value
        for field in dataclasses.fields(config)
        if (value := getattr(config, field.name)) not in (getattr(plain, field.name), getattr(sized, field.name))
        or field.name in ("a", "b")
        or (field.name in ("size", "crop") and value != getattr(plain, field.name))
    }
    into = changes["method"]
    return {name: value for name, value in kept.items() if into in owners(name)} | dict(changes)


def owners(setting: str) -> list[str]:
    """Methods to which a field of TrainConfig applies: all of them unless some list it as theirs."""
    return [name for name, method in METHODS.items() if setting in method.settings] or list(METHODS)


def build_method(config: TrainConfig) -> Method:
    """The method of a config, nets initialised from torch's global generator."""
    method = method_class(config.method)
    if config.gan == "relativistic" and not method.relativistic:
        raise UsageError(f"{config.method} has no relativistic loss", "cut and fastcut have")
    return method(config)

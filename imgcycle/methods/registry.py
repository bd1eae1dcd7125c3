"""All methods by the name `--method` takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Method
from imgcycle.methods.bigan import BiGan
from imgcycle.methods.cogan import Cogan
from imgcycle.methods.cut import Cut, FastCut
from imgcycle.methods.cyclegan import CycleGan
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
}


def method_class(name: str) -> type[Method]:
    """The class behind a name; UsageError lists the known ones."""
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}", f"one of {', '.join(METHODS)}")
    return METHODS[name]


def defaults_of(name: str, variant: str | None = None) -> Mapping[str, Any]:
    """What a method, or a variant of it, sets differently from TrainConfig's defaults; UsageError without such one."""
    method = method_class(name)
    if variant is None:
        return method.defaults
    if variant not in method.variants:
        known = f"one of {', '.join(method.variants)}" if method.variants else "leave --variant out"
        raise UsageError(f"{name} has no variant {variant!r}", known)
    return {**method.defaults, **method.variants[variant]}


def build_method(config: TrainConfig) -> Method:
    """The method a config asks for, nets initialised from torch's global generator."""
    return method_class(config.method)(config)

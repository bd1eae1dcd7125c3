"""All methods by the name `--method` takes."""

from __future__ import annotations

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Method
from imgcycle.methods.cut import Cut, FastCut
from imgcycle.methods.cyclegan import CycleGan

METHODS: dict[str, type[Method]] = {"cyclegan": CycleGan, "cut": Cut, "fastcut": FastCut}


def method_class(name: str) -> type[Method]:
    """The class behind a name; UsageError lists the known ones."""
    if name not in METHODS:
        raise UsageError(f"no method is called {name!r}", f"one of {', '.join(METHODS)}")
    return METHODS[name]


def build_method(config: TrainConfig) -> Method:
    """The method a config asks for, nets initialised from torch's global generator."""
    return method_class(config.method)(config)

"""Build a generator from a NetConfig."""

from __future__ import annotations

from collections.abc import Callable

from imgcycle.config import NetConfig
from imgcycle.nets.animegan import AnimeganGenerator
from imgcycle.nets.cogan import CoganGenerator
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator
from imgcycle.nets.resnet import ResnetGenerator
from imgcycle.nets.unet import UnetGenerator
from imgcycle.nets.vae import UnitGenerator
from imgcycle.nets.vae_2017 import Unit2017Generator
from imgcycle.nets.whitebox import WhiteboxGenerator

_KINDS: dict[str, Callable[[NetConfig], Generator]] = {
    "compact": CompactGenerator,
    "resnet": ResnetGenerator,
    "unet": UnetGenerator,
    "unit": UnitGenerator,
    "unit2017": Unit2017Generator,
    "cogan": CoganGenerator,
    "whitebox": WhiteboxGenerator,
    "animegan": AnimeganGenerator,
}


def build_generator(config: NetConfig) -> Generator:
    """A new generator of a config; call its `initialise()` for its own initialisation of weights."""
    return _KINDS[config.kind](config)

"""Settings as frozen dataclasses, with lossless conversion to JSON and back.

A config is stored in `config.json` of a run and in the metadata of a weights file, and compared field by field when a
run is resumed. Fields hold what the command line shows (`fields.option`). Only that of a run needs torch, because it
asks the methods for their defaults. The names below are imported when first used: `--help` of a command makes no more
dataclasses than it has options.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from imgcycle.config.clips import ClipRequest as ClipRequest
    from imgcycle.config.clips import VideoOptions as VideoOptions
    from imgcycle.config.evaluation import EvaluateRequest as EvaluateRequest
    from imgcycle.config.images import ConvertOptions as ConvertOptions
    from imgcycle.config.images import ConvertRequest as ConvertRequest
    from imgcycle.config.images import PictureOptions as PictureOptions
    from imgcycle.config.json import JsonConfig as JsonConfig
    from imgcycle.config.nets import NET_NAMES as NET_NAMES
    from imgcycle.config.nets import DiscriminatorConfig as DiscriminatorConfig
    from imgcycle.config.nets import DiscriminatorKind as DiscriminatorKind
    from imgcycle.config.nets import DownKind as DownKind
    from imgcycle.config.nets import GeneratorKind as GeneratorKind
    from imgcycle.config.nets import HeadKind as HeadKind
    from imgcycle.config.nets import NetConfig as NetConfig
    from imgcycle.config.nets import NormKind as NormKind
    from imgcycle.config.nets import UpKind as UpKind
    from imgcycle.config.program import MachineOptions as MachineOptions
    from imgcycle.config.program import Precision as Precision
    from imgcycle.config.stages import Augment as Augment
    from imgcycle.config.stages import Stage as Stage
    from imgcycle.config.training import GanMode as GanMode
    from imgcycle.config.training import TrainConfig as TrainConfig
    from imgcycle.config.training import WeightInit as WeightInit

_HOMES = {
    "clips": ("ClipRequest", "VideoOptions"),
    "evaluation": ("EvaluateRequest",),
    "json": ("JsonConfig",),
    "nets": (
        "NET_NAMES",
        "DiscriminatorConfig",
        "DiscriminatorKind",
        "DownKind",
        "GeneratorKind",
        "HeadKind",
        "NetConfig",
        "NormKind",
        "UpKind",
    ),
    "images": ("ConvertOptions", "ConvertRequest", "PictureOptions"),
    "program": ("MachineOptions", "Precision"),
    "stages": ("Augment", "Stage"),
    "training": ("GanMode", "TrainConfig", "WeightInit"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'imgcycle.config' has no attribute {name!r}")
    return getattr(importlib.import_module(f"imgcycle.config.{_HOME_OF[name]}"), name)

"""imgcycle: turn pictures from one look into another, with models learnt without paired examples.

    from imgcycle import convert_image, convert_images, convert_video, load_translator, translate
    monet = load_translator("monet")
    convert_image("a.jpg", "a-monet.jpg", monet)      # a file
    convert_images("photos/", "painted/", monet)      # a folder
    convert_video("a.mp4", "a-monet.mp4", monet)      # a clip
    painted = translate(picture, monet)               # a Pillow image, an array or a tensor in memory

The names below are imported when first used, so that `import imgcycle` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from imgcycle._version import __version__ as __version__

if TYPE_CHECKING:
    from imgcycle.config import ConvertOptions as ConvertOptions
    from imgcycle.config import ConvertRequest as ConvertRequest
    from imgcycle.config import TrainConfig as TrainConfig
    from imgcycle.config import VideoOptions as VideoOptions
    from imgcycle.errors import ImgcycleError as ImgcycleError
    from imgcycle.jobs.images.batch import convert_images as convert_images
    from imgcycle.jobs.images.in_memory import translate as translate
    from imgcycle.jobs.images.run import convert_image as convert_image
    from imgcycle.jobs.translators import load_translator as load_translator
    from imgcycle.jobs.video.run import convert_video as convert_video
    from imgcycle.training.loop import train as train

_HOMES = {
    "ConvertOptions": "imgcycle.config",
    "ConvertRequest": "imgcycle.config",
    "ImgcycleError": "imgcycle.errors",
    "TrainConfig": "imgcycle.config",
    "VideoOptions": "imgcycle.config",
    "convert_image": "imgcycle.jobs.images.run",
    "convert_images": "imgcycle.jobs.images.batch",
    "convert_video": "imgcycle.jobs.video.run",
    "load_translator": "imgcycle.jobs.translators",
    "train": "imgcycle.training.loop",
    "translate": "imgcycle.jobs.images.in_memory",
}

__all__ = [
    "ConvertOptions",
    "ConvertRequest",
    "ImgcycleError",
    "TrainConfig",
    "VideoOptions",
    "__version__",
    "convert_image",
    "convert_images",
    "convert_video",
    "load_translator",
    "train",
    "translate",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'imgcycle' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Files of Yijunmaverick/CartoonGAN-Test-Pytorch-Torch: the published CartoonGAN styles, carried over from Torch7.

`conv01_1`, two convolutions for each of the sizes `conv02`, `conv03`, blocks `conv04_{1,2}` to `conv11_{1,2}`, two
convolutions for each of `deconv01` (transposed first), `deconv02`, then `deconv03_1`; norms are `inNN_k.{scale,shift}`,
with an eps of 1e-9. Pictures are BGR.
"""

from __future__ import annotations

import re

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble, in_rgb

_OURS = {"scale": "weight", "shift": "bias"}
_DOWN = ("conv01_1", "in01_1", "conv02_1", "conv02_2", "in02_1", "conv03_1", "conv03_2", "in03_1")
_BLOCKS = tuple(f"{part}{n:02}_{k}" for n in range(4, 12) for k in (1, 2) for part in ("conv", "in"))
_UP = ("deconv01_1", "deconv01_2", "in12_1", "deconv02_1", "deconv02_2", "in13_1", "deconv03_1")
_NAME = re.compile(r"(de)?conv\d\d_\d\.(weight|bias)|in\d\d_\d\.(scale|shift)")


def _matches(state: State) -> bool:
    named = all(_NAME.fullmatch(name) for name in state)
    return named and {"conv01_1.weight", "in01_1.scale", "deconv03_1.weight"} <= state.keys()


def _convert(state: State, _: Asked) -> Converted:
    renamed = {
        f"{part}.{_OURS.get(leaf, leaf)}": t for name, t in state.items() for part, _, leaf in [name.partition(".")]
    }
    layers = layers_of(ordered(renamed, (*_DOWN, *_BLOCKS, *_UP)))
    return in_rgb(assemble(layers, convs=2, eps=1e-9), "it works on BGR pictures; it is turned to RGB")


CARTOONGAN = TensorLayout("CartoonGAN-Test-Pytorch-Torch", _matches, _convert)

"""Files of open-mmlab's MMagic and MMGeneration: a generator per domain it paints, `generators.<domain>.model…`.

`model.{0,1,2}.conv`, blocks `model.3.block.{0,1}.conv` on, `model.{12,13}.conv` transposed, `model.14.conv` last.
Files with `convert-bgr` in their name hold a net for BGR pictures: turning the colours of the first kernel and
of the last one around makes it one for RGB.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble, in_rgb


def _matches(state: State) -> bool:
    named = fits(r"model\.\d+(\.block\.\d+)?\.(conv|norm|bn|in)", state)
    return named and "model.0.conv.weight" in state and any(".block." in name for name in state)


def _convert(state: State, asked: Asked) -> Converted:
    made = assemble(layers_of(ordered(state, ("conv",))))
    return in_rgb(made, "by its name it works on BGR pictures; it is turned to RGB") if asked.wants_bgr else made


MMAGIC = TensorLayout("MMagic", _matches, _convert)

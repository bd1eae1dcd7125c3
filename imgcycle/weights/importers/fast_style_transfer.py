"""Files of rrmina/fast-neural-style-pytorch and those who followed it: Johnson's nets with an end of their own.

`ConvBlock.{0,2,4}`, `ResidualBlock.N.{conv1,conv2}`, `DeconvBlock.{0,2}`, each `conv_layer` or `conv_transpose` with a
`norm_layer`, and `DeconvBlock.4.conv_layer`. Pictures are BGR in levels from 0 to 255, and leave as 150 · tanh.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble, from_levels, in_rgb

_PARTS = ("ConvBlock", "ResidualBlock", "DeconvBlock", "conv_layer", "conv_transpose")


def _matches(state: State) -> bool:
    place = r"((Conv|Deconv)Block\.\d+|ResidualBlock\.\d+\.conv[12])"
    return fits(place + r"\.(conv_layer|conv_transpose|norm_layer)", state) and set(_PARTS[:3]) <= {
        name.partition(".")[0] for name in state
    }


def _convert(state: State, _: Asked) -> Converted:
    layers = layers_of(ordered(state, (*_PARTS[:3], "conv1", "conv2", *_PARTS[3:])))
    made = assemble(layers, "reflected", ends=9, head="scaled", bias_under_batch=True)
    return in_rgb(from_levels(made), "it works on BGR pictures; it is turned to RGB")


FAST_STYLE_TRANSFER = TensorLayout("fast-neural-style-pytorch", _matches, _convert)

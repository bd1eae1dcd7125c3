"""Files of PyTorch's examples, fast_neural_style, and what descends from them: Johnson's nets (ECCV 2016).

`conv{1,2,3}.conv2d` and `in{1,2,3}`, blocks `res{n}.{conv1,in1,conv2,in2}`, `deconv{1,2}.conv2d` after doubling by
nearest pixels, `in{4,5}`, and `deconv3.conv2d`. All edges are reflected; levels from 0 to 255 go in, and come out of
the last convolution as they are, so that what lies beyond is cut off. Old files carry moments that their norms never
used.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble, from_levels, with_signed_output

_BLOCKS = [f"res{n}" for n in range(1, 65)]
_PARTS = ("conv1", "in1", "conv2", "in2", "conv3", "in3", *_BLOCKS, "deconv1", "in4", "deconv2", "in5", "deconv3")


def _matches(state: State) -> bool:
    named = fits(r"((de)?conv[123]\.conv2d|in[1-5]|res\d+\.(conv[12]\.conv2d|in[12]))", state)
    return named and {"conv1.conv2d.weight", "deconv3.conv2d.weight"} <= state.keys()


def _convert(state: State, _: Asked) -> Converted:
    layers = layers_of(ordered(state, _PARTS))
    return with_signed_output(from_levels(assemble(layers, "reflected", "reflected", ends=9, head="clamp")))


FAST_NEURAL_STYLE = TensorLayout("fast-neural-style of PyTorch's examples", _matches, _convert)

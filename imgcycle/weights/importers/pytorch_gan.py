"""Files of eriklindernoren/PyTorch-GAN: the same net under nearly the official names, up by interpolation.

`model.1`, `model.4`, `model.7`, blocks `model.10.block.{1,5}`, then two convolutions after nearest-pixel doubling.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble


def _matches(state: State) -> bool:
    named = fits(r"model\.\d+(\.block\.\d+)?", state)
    return named and "model.1.weight" in state and any(".block." in name for name in state)


def _convert(state: State, _: Asked) -> Converted:
    return assemble(layers_of(ordered(state)), bias_under_batch=True)


PYTORCH_GAN = TensorLayout("PyTorch-GAN", _matches, _convert)

"""Files of junyanz/pytorch-CycleGAN-and-pix2pix and its many forks: the ResNet generator.

`model.1`, `model.4`, `model.7`, blocks from `model.10.conv_block.{1,5}` on (`.6` when learnt with dropout, which
has no weights), then two transposed convolutions and the last one. pix2pixHD's global generator has the same names,
three further for each halving more, and biases under batch norm too.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble

_FIRST_BLOCK = 10
"""After two downsamplings; otherwise the net is one of pix2pixHD's."""


def _matches(state: State) -> bool:
    named = fits(r"model\.\d+(\.conv_block\.\d+)?", state)
    return named and "model.1.weight" in state and any(".conv_block." in name for name in state)


def _convert(state: State, _: Asked) -> Converted:
    layers = layers_of(ordered(state))
    dropout = any(".conv_block.6.weight" in name and t.dim() == 4 for name, t in state.items())
    notes = ("it was learnt with dropout, which is off when pictures are made",) if dropout else ()
    first_block = min(int(name.split(".")[1]) for name in state if ".conv_block." in name)
    return assemble(layers, bias_under_batch=first_block != _FIRST_BLOCK, notes=notes)


OFFICIAL = TensorLayout("CycleGAN's official PyTorch code", _matches, _convert)

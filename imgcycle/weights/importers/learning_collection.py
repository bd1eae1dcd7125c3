"""Files of aladdinpersson/Machine-Learning-Collection and those who followed its lesson.

`initial.0`, `down_blocks.N.conv.0`, `res_blocks.N.block.{0,1}.conv.0`, `up_blocks.N.conv.0`, `last`. Unlike the
official net it reflects the edges of its strided convolutions too.
"""

from __future__ import annotations

from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered
from imgcycle.weights.importers.resnets import assemble

_PARTS = ("initial", "down_blocks", "res_blocks", "up_blocks", "last")


def _matches(state: State) -> bool:
    named = fits(
        r"(initial\.\d+|(down_blocks|up_blocks)\.\d+\.conv\.\d+|res_blocks\.\d+\.block\.\d+\.conv\.\d+|last)", state
    )
    return named and {name.split(".")[0] for name in state} == set(_PARTS)


def _convert(state: State, _: Asked) -> Converted:
    return assemble(layers_of(ordered(state, _PARTS)), "reflected", bias_under_batch=True)


LEARNING_COLLECTION = TensorLayout("Machine-Learning-Collection", _matches, _convert)

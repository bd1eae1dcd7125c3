"""Nets with the ResNet generator's architecture under other names: recognised by order and shapes alone.

Such a CycleGAN, of a course for instance, lists its convolutions in the order they run; the sequence of their kernels
(7×7, two doublings of the channels, pairs of 3×3, two halvings, 7×7) is hardly anything else. What shapes cannot tell
is assumed to be as in the paper, and noted.
"""

from __future__ import annotations

from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, layers_of
from imgcycle.weights.importers.resnets import assemble

_ASSUMED = "known by its shapes alone: edges and activations are assumed to be the paper's"
_DOUBLED = "known by its shapes alone: edges, activations and nearest-pixel doubling are assumed"


def _matches(state: State) -> bool:
    try:
        _convert(state, Asked())
    except WeightsError:
        return False
    return True


def _convert(state: State, _: Asked) -> Converted:
    made = assemble(layers_of(state), bias_under_batch=True)
    note = _ASSUMED if made.config.up == "transposed" else _DOUBLED
    return Converted(made.config, made.tensors, made.description, (note,))


def near_miss(state: State) -> str:
    """Reason why a state that begins and ends like a ResNet generator is none, or an empty string."""
    kernels = [t.shape for t in state.values() if t.dim() == 4]
    if len(kernels) < 7 or kernels[-1][0] != 3:
        return ""
    if kernels[0][1:] == (3, 9, 9) == (kernels[0][1], *kernels[-1][2:]):
        return "it is fast neural style under names of its own, and shapes do not tell the range of its values"
    if kernels[0][1:] != (3, 7, 7):
        return ""
    try:
        _convert(state, Asked())
    except WeightsError as error:
        return error.message
    return ""


RENAMED = TensorLayout("a re-implementation", _matches, _convert)

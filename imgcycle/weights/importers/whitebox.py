"""Files of vinesmsuic/White-box-Cartoonization-PyTorch: White-box cartoonization, learnt anew in PyTorch.

`initial_down.0`, `down{1,2}.{0,2}`, `res_blocks.N.block.{0,2}`, `up1.0`, `up2.{0,2}`, `last.{0,2}`, all with biases
and none with a norm. (The paper's own weights are TensorFlow's.)
"""

from __future__ import annotations

from imgcycle.config import NetConfig
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered, put

_PARTS = ("initial_down", "down1", "down2", "res_blocks", "up1", "up2", "last")
_FILTERED = "its own script smooths results with a guided filter of radius 1, which is left out"


def _matches(state: State) -> bool:
    named = fits(r"(initial_down|down[12]|up[12]|last)\.\d+|res_blocks\.\d+\.block\.\d+", state)
    return named and {name.partition(".")[0] for name in state} == set(_PARTS)


def _convert(state: State, _: Asked) -> Converted:
    layers = layers_of(ordered(state, _PARTS))
    w, depth = layers[0].shape[0], (len(layers) - 9) // 2
    wanted = {
        "head": (w, 3, 7, 7),
        **{f"down.{n}": (o * w, i * w, 3, 3) for n, (i, o) in enumerate(((1, 1), (1, 2), (2, 2), (2, 4)))},
        **{f"blocks.{n}.conv{k}": (4 * w, 4 * w, 3, 3) for n in range(depth) for k in (1, 2)},
        **{f"up.{n}": (o * w, i * w, 3, 3) for n, (i, o) in enumerate(((4, 2), (2, 2), (2, 1), (1, 1)))},
        "tail": (3, w, 7, 7),
    }
    for layer, shape in zip(layers, wanted.values(), strict=False):
        if layer.shape != shape:
            raise WeightsError(f"{layer.name} is {layer.shape}, where White-box cartoonization has {shape}")
        if layer.norm:
            raise WeightsError(f"a norm stands after {layer.name}, where White-box cartoonization has none")
    if len(layers) != len(wanted):
        raise WeightsError(f"{len(layers)} convolutions do not make White-box cartoonization's whole residual blocks")
    tensors: State = {}
    for layer, name in zip(layers, wanted, strict=True):
        put(tensors, layer, name, None, "none", bias=True)
    description = f"White-box cartoonization of {depth} blocks, width {w}"
    return Converted(NetConfig("whitebox", w, depth, "none"), tensors, description, (_FILTERED,))


WHITEBOX = TensorLayout("White-box-Cartoonization-PyTorch", _matches, _convert)

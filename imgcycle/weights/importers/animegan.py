"""Files of bryandlee/animegan2-pytorch: AnimeGANv2, carried over from TensorFlow, and the face styles learnt there.

`block_{a,b,c,d,e}.N.1` a convolution and `.2` its norm, `block_c.{1…4}.layers.{0,1}.{1,2}` and `.layers.{2,3}` inverted
residual blocks, `out_layer.0` a 1×1 convolution without a bias.
"""

from __future__ import annotations

from imgcycle.config import NetConfig
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Asked, Converted, State, TensorLayout, fits, layers_of, ordered, put

_NOTE = (
    "planes are doubled with half-pixel centres, as its test.py does; torch.hub's way, with aligned corners, differs"
)


def _matches(state: State) -> bool:
    named = fits(r"block_[a-e]\.\d+\.(\d+|layers\.\d+(\.\d+)?)|out_layer\.0", state)
    return named and {"block_a.0.1.weight", "out_layer.0.weight"} <= state.keys()


def _convert(state: State, _: Asked) -> Converted:
    layers = layers_of(ordered(state))
    w, depth = layers[0].shape[0], (len(layers) - 11) // 3
    wanted = _shapes(w, depth)
    for layer, (name, shape) in zip(layers, wanted.items(), strict=False):
        if layer.shape != shape:
            raise WeightsError(f"{layer.name} is {layer.shape}, where AnimeGANv2 has {shape}")
        if layer.norm.keys() != (set() if name == "tail" else {"weight", "bias"}):
            raise WeightsError(f"the norm after {layer.name} is not as AnimeGANv2 has it")
    if len(layers) != len(wanted):
        raise WeightsError(f"{len(layers)} convolutions do not make AnimeGANv2's whole inverted residual blocks")
    tensors: State = {}
    for layer, name in zip(layers, wanted, strict=True):
        if name == "tail":
            put(tensors, layer, name, None, "layer", bias=False)
        else:
            put(tensors, layer, f"{name}.conv", f"{name}.norm", "layer", bias=name.endswith("depthwise"))
    description = f"AnimeGANv2 generator of {depth} blocks, width {w}"
    return Converted(NetConfig("animegan", w, depth, "layer"), tensors, description, (_NOTE,))


def _shapes(w: int, depth: int) -> dict[str, tuple[int, ...]]:
    """Our names of its convolutions in the order they run, with their kernels."""
    shapes: dict[str, tuple[int, ...]] = {"down.0": (w, 3, 7, 7)}
    for n, (i, o) in enumerate(((1, 2), (2, 2), (2, 4), (4, 4), (4, 4)), 1):
        shapes[f"down.{n}"] = (o * w, i * w, 3, 3)
    for n in range(depth):
        inputs = 4 * w if n == 0 else 8 * w
        shapes[f"blocks.{n}.widen"] = (2 * inputs, inputs, 1, 1)
        shapes[f"blocks.{n}.depthwise"] = (2 * inputs, 1, 3, 3)
        shapes[f"blocks.{n}.narrow"] = (8 * w, 2 * inputs, 1, 1)
    for n, (i, o) in enumerate(((8, 4), (4, 4), (4, 4), (4, 2), (2, 2))):
        shapes[f"up.{n}"] = (o * w, i * w, 3, 3)
    return {**shapes, "up.5": (w, 2 * w, 7, 7), "tail": (3, w, 1, 1)}


ANIMEGAN = TensorLayout("animegan2-pytorch", _matches, _convert)

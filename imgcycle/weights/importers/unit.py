"""Files of mingyuliutw/UNIT in its rewrite of 2018: `{'a': …, 'b': …}`, an encoder and a decoder a side.

A2B is b's decoder after a's encoder. `enc.model.{0,1,2}.conv` and residual blocks in `enc.model.3`; residual
blocks in `dec.model.0`, then `dec.model.{2,4}.conv` with a norm over the whole image each, and `dec.model.5.conv`.
"""

from __future__ import annotations

from imgcycle.config import NetConfig
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Asked, Converted, Layer, State, TensorLayout, layers_of, ordered, put


def _matches(state: State) -> bool:
    sides = {tuple(name.split(".")[:3]) for name in state}
    return sides == {(side, half, "model") for side in "ab" for half in ("enc", "dec")}


def _convert(state: State, asked: Asked) -> Converted:
    here, there = ("a", "b") if asked.direction == "A2B" else ("b", "a")
    encoder, decoder = _half(state, f"{here}.enc."), _half(state, f"{there}.dec.")
    width, depth = encoder[0].shape[0], (len(encoder) - 3) // 2
    _check_shapes(encoder, decoder, width, depth)
    tensors: State = {}
    names = ["head", "down.0", "down.1", *_blocks("encoder", depth)]
    for layer, name in zip(encoder, names, strict=True):
        put(tensors, layer, name, None, "instance", bias=True)
    for layer, name in zip(decoder, [*_blocks("decoder", depth), "up.0", "up.1", "tail"], strict=True):
        put(tensors, layer, name, None, "instance", bias=True)
    for n in (0, 1):
        for leaf in ("weight", "bias"):
            tensors[f"up_norm.{n}.{leaf}"] = decoder[2 * depth + n].norm[leaf]
    description = f"UNIT generator of {depth} + {depth} blocks, width {width}"
    return Converted(NetConfig("unit", width, depth), tensors, description)


def _half(state: State, prefix: str) -> list[Layer]:
    return layers_of(ordered({n: t for n, t in state.items() if n.startswith(prefix)}, ("conv",)))


def _blocks(half: str, depth: int) -> list[str]:
    return [f"{half}.{n}.conv{i}" for n in range(depth) for i in (1, 2)]


def _check_shapes(encoder: list[Layer], decoder: list[Layer], w: int, depth: int) -> None:
    blocks = [(4 * w, 4 * w, 3, 3)] * (2 * depth)
    wanted = [
        *((w, 3, 7, 7), (2 * w, w, 4, 4), (4 * w, 2 * w, 4, 4), *blocks),
        *(*blocks, (2 * w, 4 * w, 5, 5), (w, 2 * w, 5, 5), (3, w, 7, 7)),
    ]
    layers = [*encoder, *decoder]
    for layer, shape in zip(layers, wanted, strict=False):
        if layer.shape != shape:
            raise WeightsError(f"{layer.name} is {layer.shape}, where a UNIT generator has {shape}")
    if len(layers) != len(wanted) or depth < 1:
        raise WeightsError(f"{len(encoder)} and {len(decoder)} convolutions are no UNIT encoder and decoder")
    normed = [layer.is_affine for layer in layers]
    if normed != [False] * (4 * depth + 3) + [True, True, False]:
        raise WeightsError("its norms do not stand where UNIT has them")


UNIT = TensorLayout("UNIT (2018)", _matches, _convert)

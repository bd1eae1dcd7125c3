"""The official code's U-Net generator, as pix2pix uses it: blocks within blocks, each around the next smaller one.

`model.model.0` halves first and `model.model.3` doubles last; inside, `….model.1` halves (norm 2), `….model.3` is
the next block, `….model.5` doubles (norm 6). The innermost block has `….model.3` and norm 4 in their place.
"""

from __future__ import annotations

from imgcycle.config import NetConfig, NormKind
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import (
    Asked,
    Converted,
    Layer,
    State,
    TensorLayout,
    fits,
    layers_of,
    norm_kind,
    put,
)

_NORMS = {"instance": "instance norm", "affine": "affine instance norm", "batch": "batch norm"}


def _matches(state: State) -> bool:
    return fits(r"model(\.model\.\d+)+", state) and "model.model.0.weight" in state


def _convert(state: State, _: Asked) -> Converted:
    rows = _rows(state)
    depth, width = len(rows), rows[0][0].shape[0]
    (first, last) = rows[0]
    if (first.shape[1], last.shape[1]) != (3, 3):
        raise WeightsError(f"it takes {first.shape[1]} and gives {last.shape[1]} channels, pictures have three")
    if depth < 5:
        raise WeightsError(f"a U-Net of {depth} halvings is not one of the official code, which has five or more")
    _check_shapes(rows, width)
    # All but the first, the innermost and the last convolution are followed by a norm.
    kind = norm_kind([*(down for down, _ in rows[1:-1]), *(up for _, up in rows[1:])])
    tensors: State = {}
    for n, (down, up) in enumerate(rows):
        ours = "outer" + ".deeper" * n
        outer, inner = n == 0, n == depth - 1
        put(tensors, down, f"{ours}.down", None if outer or inner else f"{ours}.down_norm", kind, bias=kind != "batch")
        bias = outer or kind != "batch"
        put(tensors, up, f"{ours}.up", None if outer else f"{ours}.up_norm", kind, bias=bias, transposed=True)
    description = f"U-Net generator for {2**depth} pixels, width {width}, {_NORMS[kind]}"
    return Converted(NetConfig("unet", width, depth, kind), tensors, description, _notes(kind))


def _notes(kind: NormKind) -> tuple[str, ...]:
    if kind != "batch":
        return ()
    return ("its batch norms use the moments they learnt; the official test script uses each picture's own",)


def _rows(state: State) -> list[tuple[Layer, Layer]]:
    """Down- and upsampling convolution of every level, from the outside in."""
    rows = []
    block, rest = "model", dict(state)
    while True:
        outer = block == "model"
        at = f"{block}.model"
        inner = not outer and f"{at}.3.weight" in rest
        names = (f"{at}.0.", "", f"{at}.3.", "") if outer else (f"{at}.1.", f"{at}.2.", f"{at}.5.", f"{at}.6.")
        if inner:
            names = (f"{at}.1.", "", f"{at}.3.", f"{at}.4.")
        rows.append((_layer(rest, *names[:2]), _layer(rest, *names[2:])))
        if inner or not any(name.startswith(f"{at}.{1 if outer else 3}.") for name in rest):
            break
        block = f"{at}.{1 if outer else 3}"
    if rest:
        raise WeightsError(f"{next(iter(rest))} has no place in a U-Net generator")
    return rows


def _layer(rest: State, conv: str, norm: str) -> Layer:
    taken = {
        name: rest.pop(name) for name in list(rest) if name.startswith(conv) and name.count(".") == conv.count(".")
    }
    if norm:
        taken |= {name: rest.pop(name) for name in list(rest) if name.startswith(norm)}
    layers = layers_of(taken)
    if len(layers) != 1:
        raise WeightsError(f"{conv.rstrip('.')} is missing")
    return layers[0]


def _check_shapes(rows: list[tuple[Layer, Layer]], width: int) -> None:
    widths = [3, *(min(width * 2**n, 8 * width) for n in range(len(rows)))]
    for n, (down, up) in enumerate(rows):
        outside, inside = widths[n], widths[n + 1]
        joined = inside if n == len(rows) - 1 else 2 * inside
        for layer, shape in ((down, (inside, outside, 4, 4)), (up, (joined, outside, 4, 4))):
            if layer.shape != shape:
                raise WeightsError(f"{layer.name} is {layer.shape}, where a U-Net generator has {shape}")


UNET = TensorLayout("CycleGAN's and pix2pix's official PyTorch code", _matches, _convert)

"""Assembly of a ResNet generator from a list of convolutions, shared by all importers of that family."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Literal

from imgcycle.config import DownKind, HeadKind, NetConfig, UpKind
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Converted, Layer, State, norm_kind, put

_NORMS = {"instance": "instance norm", "affine": "affine instance norm", "batch": "batch norm"}


def assemble(
    layers: list[Layer],
    down: DownKind = "strided",
    up: UpKind = "nearest",
    *,
    ends: int = 7,
    convs: Literal[1, 2] = 1,
    eps: float = 1e-5,
    head: HeadKind = "tanh",
    bias_under_batch: bool = False,
    notes: tuple[str, ...] = (),
) -> Converted:
    """A head, downsamplings, blocks of two, as many upsamplings, a tail; WeightsError names the first that does not
    fit.

    `up` is the interpolation before convolutions on the way up; transposed ones are recognised by their shapes. `ends`,
    `convs`, `eps` and `head` are NetConfig's.
    """
    if len(layers) < 5 + 2 * convs:
        raise WeightsError(f"{len(layers)} convolutions are no ResNet generator")
    width, downs = layers[0].shape[0], _halvings(layers, convs)
    depth = (len(layers) - 1 - 2 * downs * convs) // 2  # half a block counts as one: what is missing will be reported
    first_up = layers[-1 - downs * convs]
    # A layer that halves the channels and has the larger number first has its inputs first: it is transposed.
    way_up: UpKind = "transposed" if first_up.shape[0] > first_up.shape[1] else up
    colours = (layers[0].shape[1], layers[-1].shape[0])
    _check_shapes(layers, _shapes(width, depth, downs, convs, ends, colours, way_up == "transposed"))
    if colours != (3, 3):
        raise WeightsError(f"it takes {colours[0]} and gives {colours[1]} channels, pictures have three")
    if layers[-1].norm:
        raise WeightsError("a norm stands after its last convolution")
    names = _names(depth, downs, convs)
    normed = [layer for layer, (_, norm) in zip(layers, names, strict=True) if norm]
    bare = next((layer for layer, (_, norm) in zip(layers, names, strict=True) if layer.norm and not norm), None)
    if bare is not None:
        raise WeightsError(f"a norm stands after {bare.name}")
    norm = norm_kind(normed, bias_under_batch)
    config = NetConfig("resnet", width, depth, norm, down=down, up=way_up, ends=ends, downs=downs, convs=convs)
    config = config.replace(eps=eps, head=head)
    return Converted(config, _named(layers, names, config), describe(config), notes)


def in_rgb(made: Converted, note: str = "") -> Converted:
    """The same net for RGB images where it was made for BGR ones: the channels of both ends are reversed."""
    tensors = dict(made.tensors)
    tensors["head.weight"] = tensors["head.weight"][:, _REVERSED]
    tensors["tail.weight"], tensors["tail.bias"] = tensors["tail.weight"][_REVERSED], tensors["tail.bias"][_REVERSED]
    return replace(made, tensors=tensors, notes=(*made.notes, *([note] if note else ())))


def from_levels(made: Converted) -> Converted:
    """The same net for values in [-1, 1] where it was made for levels 0 to 255: its first convolution takes 127.5 · (x
    + 1).

    Exact, as the first padding copies values. Its output is left to the head, and to `with_signed_output`.
    """
    weight = made.tensors["head.weight"].double()
    offset = _HALF * weight.sum((1, 2, 3))
    changed = {"head.weight": weight * _HALF}
    if made.config.norm == "batch":
        changed["head_norm.running_mean"] = made.tensors["head_norm.running_mean"].double() - offset
    else:
        changed["head.bias"] = made.tensors["head.bias"].double() + offset
    return _changed(made, changed)


def with_signed_output(made: Converted) -> Converted:
    """The same net with output in [-1, 1] where its last convolution gave levels from 0 to 255."""
    weight, bias = made.tensors["tail.weight"].double(), made.tensors["tail.bias"].double()
    return _changed(made, {"tail.weight": weight / _HALF, "tail.bias": bias / _HALF - 1})


_REVERSED = [2, 1, 0]
_HALF = 127.5


def _changed(made: Converted, tensors: State) -> Converted:
    return replace(made, tensors={**made.tensors, **{name: tensor.float() for name, tensor in tensors.items()}})


def describe(config: NetConfig) -> str:
    """Short description of a ResNet generator."""
    blocks = "1 block" if config.depth == 1 else f"{config.depth} blocks"
    words = [f"ResNet generator of {blocks}", f"width {config.width}", _NORMS[config.norm]]
    if config.downs != 2:
        words.append("halving once" if config.downs == 1 else f"halving {config.downs} times")
    if config.convs == 2:
        words.append("two convolutions a level")
    if config.down == "blur":
        words.append("antialiased")
    if config.up in ("nearest", "reflected"):
        words.append("upsampling before convolutions")
    return ", ".join(words)


def _halvings(layers: list[Layer], convs: int) -> int:
    """Number of doublings of the channels after the first convolution, at least one: errors are reported later."""
    width = layers[0].shape[0]
    kernels = [layer.shape[:2] for layer in layers[1::convs]]
    wanted = [(width * 2 ** (n + 1), width * 2**n) for n in range(len(kernels))]
    count = next((n for n, (have, want) in enumerate(zip(kernels, wanted, strict=True)) if have != want), 0)
    return max(1, count)


def _shapes(
    width: int, depth: int, downs: int, convs: int, ends: int, colours: tuple[int, int], transposed: bool
) -> list[tuple[int, ...]]:
    """Kernel shapes of a ResNet generator, in the order they run."""
    widths = [width * 2**n for n in range(downs + 1)]
    levels = list(itertools.pairwise(widths))
    second = [[(wide, wide, 3, 3)] * (convs - 1) for wide in widths]
    return [
        (width, colours[0], ends, ends),
        *(shape for n, (i, o) in enumerate(levels) for shape in ((o, i, 3, 3), *second[n + 1])),
        *[(widths[-1], widths[-1], 3, 3)] * (2 * depth),
        *(
            shape
            for n, (o, i) in reversed(list(enumerate(levels)))
            for shape in ((i, o, 3, 3) if transposed else (o, i, 3, 3), *second[n])
        ),
        (colours[1], width, ends, ends),
    ]


def _check_shapes(layers: list[Layer], wanted: list[tuple[int, ...]]) -> None:
    for layer, shape in zip(layers, wanted, strict=False):
        if layer.shape != shape:
            raise WeightsError(f"{layer.name} is {layer.shape}, where a ResNet generator has {shape}")
    if len(layers) != len(wanted):
        raise WeightsError(f"{len(layers)} convolutions do not make whole residual blocks")


def _names(depth: int, downs: int, convs: int) -> list[tuple[str, str | None]]:
    """Our names of each convolution and of the norm after it, None for one without."""
    ways: dict[str, list[tuple[str, str | None]]] = {}
    for way in ("down", "up"):
        once: list[tuple[str, str | None]] = [(f"{way}.{n}", f"{way}_norm.{n}") for n in range(downs)]
        twice = [((f"{way}.{n}", None), (f"{way}_second.{n}", f"{way}_norm.{n}")) for n in range(downs)]
        ways[way] = once if convs == 1 else [name for pair in twice for name in pair]
    blocks = [(f"blocks.{n}.conv{i}", f"blocks.{n}.norm{i}") for n in range(depth) for i in (1, 2)]
    return [("head", "head_norm"), *ways["down"], *blocks, *ways["up"], ("tail", None)]


def _named(layers: list[Layer], names: list[tuple[str, str | None]], config: NetConfig) -> State:
    kind = config.norm
    tensors: State = {}
    for layer, (conv, norm) in zip(layers, names, strict=True):
        transposed = conv.startswith("up.") and config.up == "transposed"
        bias = kind != "batch" or conv == "tail"
        put(tensors, layer, conv, norm, kind, bias=bias, transposed=transposed)
    return tensors

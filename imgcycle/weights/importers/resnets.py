"""From a row of convolutions to a ResNet generator: the part that all importers of that family share."""

from __future__ import annotations

from imgcycle.config import DownKind, NetConfig, UpKind
from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Converted, Layer, State, norm_kind, put

_NORMS = {"instance": "instance norm", "affine": "affine instance norm", "batch": "batch norm"}


def assemble(
    layers: list[Layer],
    down: DownKind = "strided",
    up: UpKind = "nearest",
    *,
    bias_under_batch: bool = False,
    notes: tuple[str, ...] = (),
) -> Converted:
    """A head, two downs, blocks of two, two ups, a tail; WeightsError names the first that is not as it should be.

    `up` is what stands before convolutions on the way up; transposed ones are known by their shapes.
    """
    if len(layers) < 7:
        raise WeightsError(f"{len(layers)} convolutions are no ResNet generator")
    width, depth = layers[0].shape[0], (len(layers) - 5) // 2
    # A layer that halves the channels and has the larger number first has its inputs first: it is transposed.
    way_up: UpKind = "transposed" if layers[-3].shape[0] > layers[-3].shape[1] else up
    colours = (layers[0].shape[1], layers[-1].shape[0])
    _check_shapes(layers, width, depth, colours, way_up == "transposed")
    if colours != (3, 3):
        raise WeightsError(f"it takes {colours[0]} and gives {colours[1]} channels, pictures have three")
    if layers[-1].norm:
        raise WeightsError("a norm stands after its last convolution")
    kind = norm_kind(layers[:-1], bias_under_batch)
    config = NetConfig("resnet", width, depth, kind, down=down, up=way_up)
    return Converted(config, _named(layers, config), describe(config), notes)


def describe(config: NetConfig) -> str:
    """A ResNet generator in a few words."""
    blocks = "1 block" if config.depth == 1 else f"{config.depth} blocks"
    words = [f"ResNet generator of {blocks}", f"width {config.width}", _NORMS[config.norm]]
    if config.down == "blur":
        words.append("antialiased")
    if config.up == "nearest":
        words.append("upsampling before convolutions")
    return ", ".join(words)


def _check_shapes(layers: list[Layer], width: int, depth: int, colours: tuple[int, int], transposed: bool) -> None:
    w = width
    ups = [(4 * w, 2 * w, 3, 3), (2 * w, w, 3, 3)] if transposed else [(2 * w, 4 * w, 3, 3), (w, 2 * w, 3, 3)]
    wanted = [
        (w, colours[0], 7, 7),
        (2 * w, w, 3, 3),
        (4 * w, 2 * w, 3, 3),
        *[(4 * w, 4 * w, 3, 3)] * (2 * depth),
        *ups,
        (colours[1], w, 7, 7),
    ]
    for layer, shape in zip(layers, wanted, strict=False):
        if layer.shape != shape:
            raise WeightsError(f"{layer.name} is {layer.shape}, where a ResNet generator has {shape}")
    if len(layers) != len(wanted):
        raise WeightsError(f"{len(layers)} convolutions do not make whole residual blocks")


def _named(layers: list[Layer], config: NetConfig) -> State:
    kind = config.norm
    blocks = [(f"blocks.{n}.conv{i}", f"blocks.{n}.norm{i}") for n in range(config.depth) for i in (1, 2)]
    names = [
        ("head", "head_norm"),
        *((f"down.{n}", f"down_norm.{n}") for n in (0, 1)),
        *blocks,
        *((f"up.{n}", f"up_norm.{n}") for n in (0, 1)),
    ]
    tensors: State = {}
    for layer, (conv, norm) in zip(layers[:-1], names, strict=True):
        transposed = conv.startswith("up.") and config.up == "transposed"
        put(tensors, layer, conv, norm, kind, bias=kind != "batch", transposed=transposed)
    put(tensors, layers[-1], "tail", None, kind, bias=True)
    return tensors

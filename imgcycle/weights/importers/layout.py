"""The interface of importers, and shared parts: convolutions in order, each with its norm."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Literal

import torch
from torch import Tensor

from imgcycle.config import NetConfig, NormKind
from imgcycle.errors import WeightsError

Direction = Literal["A2B", "B2A"]
State = dict[str, Tensor]
"""Tensors by dotted name, in the order of the file."""


@dataclass(frozen=True)
class Asked:
    """Information beside the tensors: wanted direction, and file name."""

    direction: Direction = "A2B"
    filename: str = ""

    @property
    def wants_bgr(self) -> bool:
        """True if the file name marks a net for BGR images, as in MMagic, which marks it nowhere else."""
        return "convert-bgr" in PurePath(self.filename).name.lower()


@dataclass(frozen=True)
class Converted:
    """A generator in our terms: config, tensors under our names, and assumptions."""

    config: NetConfig
    tensors: State
    description: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TensorLayout:
    """One way of naming a generator's tensors.

    `matches(state)` checks names and shapes alone. `convert(state, asked)` raises WeightsError with what does not fit,
    without naming the file.
    """

    name: str
    matches: Callable[[State], bool]
    convert: Callable[[State, Asked], Converted]


@dataclass(frozen=True)
class Layer:
    """A convolution and the norm after it, with their original names."""

    name: str
    weight: Tensor
    bias: Tensor | None = None
    norm: dict[str, Tensor] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the kernel."""
        return tuple(self.weight.shape)

    @property
    def is_affine(self) -> bool:
        """True if the norm has a scale and a shift."""
        return {"weight", "bias"} <= self.norm.keys()

    @property
    def has_running(self) -> bool:
        """True if the norm has running statistics."""
        return {"running_mean", "running_var"} <= self.norm.keys()


_NORM_LEAVES = {"weight", "bias", "gamma", "beta", "running_mean", "running_var"}
_OUR_LEAVES = {"gamma": "weight", "beta": "bias"}


def layers_of(state: State) -> list[Layer]:
    """Convolutions of a state in order, each with the norm that follows; WeightsError for other parts."""
    modules: dict[str, State] = {}
    for name, tensor in state.items():
        module, _, leaf = name.rpartition(".")
        if leaf != "num_batches_tracked":
            modules.setdefault(module, {})[leaf] = tensor
    layers: list[Layer] = []
    for name, leaves in modules.items():
        weight = leaves.get("weight")
        if weight is not None and weight.dim() == 4 and leaves.keys() <= {"weight", "bias"}:
            layers.append(Layer(name, weight, leaves.get("bias")))
        elif leaves.keys() <= _NORM_LEAVES and all(t.dim() == 1 for t in leaves.values()):
            if not layers or layers[-1].norm or any(len(t) not in layers[-1].shape[:2] for t in leaves.values()):
                raise WeightsError(f"{name} is a norm without its convolution")
            layers[-1] = replace(layers[-1], norm={_OUR_LEAVES.get(leaf, leaf): t for leaf, t in leaves.items()})
        else:
            raise WeightsError(f"{name} is neither a convolution nor a norm")
    return layers


def ordered(state: State, first: Iterable[str] = ()) -> State:
    """A state sorted by names: numbers by value, `first` before all other words in the given order.

    Where names give the position of every part, this does not depend on the file's order.
    """
    rank = {word: n for n, word in enumerate(first)}
    last = len(rank)

    def key(name: str) -> list[tuple[int, int, str]]:
        parts = name.split(".")[:-1]
        return [(0, int(p), "") if p.isdecimal() else (1, rank.get(p, last), p) for p in parts]

    return {name: state[name] for name in sorted(state, key=key)}


def norm_kind(layers: list[Layer], bias_under_batch: bool = False) -> NormKind:
    """Kind of norm after these convolutions.

    Neither scales nor shifts: instance norm, whatever running statistics an old file has. Running statistics and no
    biases in the convolutions: batch norm, as the official code builds it; with biases as well, its affine instance
    norm of 2017, unless `bias_under_batch` says that the code in question has biases before batch norm too.
    """
    affine = [layer.is_affine for layer in layers]
    if any(layer.norm.keys() & {"weight", "bias"} for layer in layers) and not all(affine):
        raise WeightsError("some of its convolutions have a norm with factors and some have not")
    if not all(affine):
        return "instance"
    unbiased = all(layer.bias is None for layer in layers)
    if all(layer.has_running for layer in layers) and (unbiased or bias_under_batch):
        return "batch"
    return "affine"


def put(
    tensors: State, layer: Layer, conv: str, norm: str | None, kind: NormKind, *, bias: bool, transposed: bool = False
) -> None:
    """Add a layer under our names; `norm` None for a convolution without one, `bias` whether ours has a bias.

    The kernel of a transposed convolution has its outputs second. A missing bias becomes zero. One before a batch norm
    is folded into the norm's mean, which is equivalent.
    """
    tensors[f"{conv}.weight"] = layer.weight
    if bias:
        tensors[f"{conv}.bias"] = torch.zeros(layer.shape[int(transposed)]) if layer.bias is None else layer.bias
    elif layer.bias is not None and norm is None:
        raise WeightsError(f"{layer.name} has a bias, where the net it should belong to has none")
    if norm is None or kind == "instance":
        return
    tensors[f"{norm}.weight"], tensors[f"{norm}.bias"] = layer.norm["weight"], layer.norm["bias"]
    if kind == "batch":
        mean = layer.norm["running_mean"]
        tensors[f"{norm}.running_mean"] = mean if layer.bias is None else mean - layer.bias
        tensors[f"{norm}.running_var"] = layer.norm["running_var"]
        tensors[f"{norm}.num_batches_tracked"] = torch.tensor(0)


def fits(pattern: str, state: State) -> bool:
    """True if every name of a state is `pattern` followed by a parameter or buffer of a convolution or norm."""
    leaves = r"\.(weight|bias|running_mean|running_var|num_batches_tracked)"
    whole = re.compile(f"(?:{pattern}){leaves}")
    return bool(state) and all(whole.fullmatch(name) for name in state)

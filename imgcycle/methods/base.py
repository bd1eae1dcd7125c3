"""The contract of a training method: which nets, in which phases, with which losses.

The loop alone owns autocast, scaler, backward, clipping, optimizers, averaging over ranks, EMA, rollback and
saving. A method is one file: its nets, and its losses beside their formulas.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from imgcycle.config import TrainConfig, WeightInit
from imgcycle.errors import UsageError
from imgcycle.methods.augment import Augmentation
from imgcycle.nets.build import build_generator
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator, initialise

Losses = dict[str, Tensor]
"""Terms by name, each a float32 scalar already multiplied by its weight: their sum is what is descended."""


@dataclass
class Batch:
    """One step's images, float32 NCHW in [-1, 1], and what a phase leaves for later ones: translations, and whether the
    images were mirrored."""

    a: Tensor
    b: Tensor
    fake: dict[str, Tensor] = field(default_factory=dict)
    mirrored: bool = False


class Phase(nn.Module):
    """One backward pass: the losses of the nets it updates.

    Only the updated nets are registered as submodules (under their names): wrapped for several devices, a phase
    then averages the gradients of those and of no others. The nets it merely uses stay in `others`.
    """

    name: ClassVar[str]
    """`generator` or `discriminator`: the optimizer's."""
    trains: ClassVar[tuple[str, ...]]
    """Names of the nets it updates, where these do not depend on the config."""

    def __init__(
        self, config: TrainConfig, nets: Mapping[str, nn.Module], trains: tuple[str, ...] | None = None
    ) -> None:
        super().__init__()
        self.config = config
        self.augment = Augmentation.of(config)
        self.updates = self.trains if trains is None else trains
        self.nets = nn.ModuleDict({name: nets[name] for name in self.updates})
        self.others = _Unregistered({name: net for name, net in nets.items() if name not in self.updates})

    @property
    def is_discriminator(self) -> bool:
        """Whether this phase updates discriminators."""
        return self.name.startswith("discriminator")

    def net(self, name: str) -> nn.Module:
        """An updated or a used net."""
        return self.nets[name] if name in self.nets else self.others.nets[name]

    def forward(self, batch: Batch) -> Losses:
        """The phase's loss terms for one batch."""
        raise NotImplementedError


@dataclass
class _Unregistered:
    """Hides modules from `nn.Module`'s registration."""

    nets: dict[str, nn.Module]


class Method(ABC):
    """A training method on one config; holds its nets and whatever must survive a restart beside them."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Fields of TrainConfig that this method sets differently from the general defaults."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """What `--variant` takes, and the fields that each sets differently from `defaults`."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """Fields of TrainConfig that mean something to this method and not to every other."""
    published_init: ClassVar[WeightInit | None] = None
    """The first weights of the published code, which `--paper` takes."""
    paired: ClassVar[bool] = False
    """Whether a step's two images show the same thing."""
    directions: tuple[str, ...] = ("A2B", "B2A")

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    @classmethod
    def sized(cls, crop: int) -> Mapping[str, Any]:  # noqa: ARG003 - most nets are for crops of any size
        """Fields that follow from the crop; they stand on `defaults`. UsageError for a crop that cannot be."""
        return {}

    @abstractmethod
    def nets(self) -> dict[str, nn.Module]:
        """All nets by name; generators under their direction."""

    @abstractmethod
    def phases(self) -> list[Phase]:
        """The phases of one step, in order."""

    def generators(self) -> dict[str, Generator]:
        """The nets that translate, by direction."""
        nets = self.nets()
        return {d: net for d in self.directions if isinstance(net := nets.get(d), Generator)}

    def learning_rate(self, phase: Phase) -> float:
        """The initial learning rate of a phase."""
        if phase.is_discriminator and self.config.lr_discriminator is not None:
            return self.config.lr_discriminator
        return self.config.lr

    def state(self) -> dict[str, Any]:
        """What beside the nets must be saved (image pools); tensors and plain values only."""
        return {}

    def state_bytes(self) -> int:
        """The most bytes that `state()` comes to hold."""
        return 0

    def load_state(self, state: dict[str, Any]) -> None:  # noqa: B027 - most methods have nothing to take back
        """Take back what `state()` gave."""


def make_generator(config: TrainConfig) -> Generator:
    """A generator with fresh weights, drawn as asked or else in the net's own way.

    UsageError when the crops are not what it can take.
    """
    net = build_generator(config.net)
    if config.crop % net.stride:
        raise UsageError(
            f"a crop of {config.crop} pixels does not fit this generator, which halves it down to a {net.stride}th",
            f"--crop {max(1, config.crop // net.stride) * net.stride}",
        )
    if config.weight_init is None:
        net.initialise()
    else:
        initialise(net, config.weight_init, config.init_gain)
        if config.net.global_residual:
            cast(CompactGenerator, net).draw_nothing()
    return net

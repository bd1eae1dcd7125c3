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
"""Terms by name, each a float32 scalar already multiplied by its weight: their sum is minimised."""


@dataclass
class Recorded:
    """A pass whose graph a later phase goes on with: its result, planes within, what a frozen net sees in it, and what
    it sees in the real images of that step.
    """

    translated: Tensor
    planes: list[Tensor]
    features: list[Tensor] | None
    of_real: list[Tensor] | None = None


@dataclass
class Batch:
    """One step's images, float32 NCHW in [-1, 1], and what a phase leaves for later ones: translations, whether the
    images were mirrored, a pass that is not to be made again.
    """

    a: Tensor
    b: Tensor
    fake: dict[str, Tensor] = field(default_factory=dict)
    mirrored: bool = False
    recorded: Recorded | None = None


class Phase(nn.Module):
    """One backward pass: the losses of the nets it updates.

    Only the updated nets are registered as submodules (under their names): wrapped for several devices, a phase then
    averages the gradients of those and of no others. Nets it only evaluates are in `others`.
    """

    name: ClassVar[str]
    """`generator` or `discriminator`: the optimizer's."""
    trains: ClassVar[tuple[str, ...]]
    """Names of the nets it updates, where these do not depend on the config."""
    recordable: ClassVar[tuple[str, ...]] = ()
    """Nets that it does not update, and whose pass a later phase can go on with."""
    shares_passes: bool = False
    """True to record that pass, instead of making it twice; set by the loop."""

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
        """True if this phase updates discriminators."""
        return self.name.startswith("discriminator")

    @property
    def differentiates(self) -> set[str]:
        """Names of the nets whose parameters' gradients its passes prepare."""
        return {*self.updates, *(self.recordable if self.shares_passes else ())}

    def net(self, name: str) -> nn.Module:
        """A net by name, whether it is updated or only evaluated."""
        return self.nets[name] if name in self.nets else self.others.nets[name]

    def forward(self, batch: Batch) -> Losses:
        """Loss terms for one batch."""
        raise NotImplementedError


@dataclass
class _Unregistered:
    """Hides modules from `nn.Module`'s registration."""

    nets: dict[str, nn.Module]


class Method(ABC):
    """A training method for one config; holds its nets and other state that must survive a restart."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Fields of TrainConfig whose defaults differ for this method."""
    variants: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Values of `--variant`, and the fields that each sets differently from `defaults`."""
    interleaves: ClassVar[bool] = False
    """True if on a CPU its steps are faster, as measured, with channels side by side in memory."""
    settings: ClassVar[frozenset[str]] = frozenset()
    """Fields of TrainConfig that are meaningful for this method and not for every other."""
    published_init: ClassVar[WeightInit | None] = None
    """Weight initialisation of the published code, which `--paper` takes."""
    paired: ClassVar[bool] = False
    """True if a step's two images show the same thing."""
    relativistic: ClassVar[bool] = False
    """True if it has the relativistic adversarial loss."""
    fewest_b: ClassVar[int] = 2
    """Pictures of B that are enough; where one is, B may be a file."""
    directions: tuple[str, ...] = ("A2B", "B2A")

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    @classmethod
    def sized(cls, crop: int) -> Mapping[str, Any]:  # noqa: ARG003 - most nets are for crops of any size
        """Fields that follow from the crop; they override `defaults`. UsageError for an impossible crop."""
        return {}

    @classmethod
    def whole_b(cls, config: TrainConfig) -> bool:  # noqa: ARG003 - most methods compare crops
        """True if a step's batch of B is to be one whole picture, scaled to `size`, instead of crops."""
        return False

    @abstractmethod
    def nets(self) -> dict[str, nn.Module]:
        """All nets by name; generators under their direction."""

    @abstractmethod
    def phases(self) -> list[Phase]:
        """The phases of one step, in order."""

    def generators(self) -> dict[str, Generator]:
        """The generators, by direction."""
        nets = self.nets()
        return {d: net for d in self.directions if isinstance(net := nets.get(d), Generator)}

    def learning_rate(self, phase: Phase) -> float:
        """Initial learning rate of a phase."""
        if phase.is_discriminator and self.config.lr_discriminator is not None:
            return self.config.lr_discriminator
        return self.config.lr

    def state(self) -> dict[str, Any]:
        """State beside the nets that must be saved (image pools); tensors and plain values only."""
        return {}

    def state_bytes(self) -> int:
        """Largest size of `state()` in bytes."""
        return 0

    def load_state(self, state: dict[str, Any]) -> None:  # noqa: B027 - most methods have nothing to take back
        """Restore the result of `state()`."""


def make_generator(config: TrainConfig) -> Generator:
    """A new generator, initialised as asked or else in the net's own way.

    UsageError if the crops are not a size it can take.
    """
    net = build_generator(config.net)
    if config.crop % net.stride:
        raise UsageError(
            f"a crop of {config.crop} pixels does not fit this generator: it must be a multiple of {net.stride}",
            f"--crop {max(1, config.crop // net.stride) * net.stride}",
        )
    if config.weight_init is None:
        net.initialise()
    else:
        initialise(net, config.weight_init, config.init_gain)
        if config.net.global_residual:
            cast(CompactGenerator, net).draw_nothing()
    return net

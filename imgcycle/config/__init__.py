"""What a user chose, as frozen dataclasses that turn into JSON and back without loss.

A config is stored in `config.json` of a run and in the metadata of a weights file, and compared field by field when a
run is resumed. None needs torch but that of a run, which asks the methods for their defaults.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from imgcycle.config.clips import ClipRequest as ClipRequest
from imgcycle.config.clips import VideoOptions as VideoOptions
from imgcycle.config.evaluation import EvaluateRequest as EvaluateRequest
from imgcycle.config.json import JsonConfig as JsonConfig
from imgcycle.config.legacy import current_train_settings
from imgcycle.config.nets import NET_NAMES as NET_NAMES
from imgcycle.config.nets import DiscriminatorConfig as DiscriminatorConfig
from imgcycle.config.nets import DiscriminatorKind as DiscriminatorKind
from imgcycle.config.nets import DownKind as DownKind
from imgcycle.config.nets import GeneratorKind as GeneratorKind
from imgcycle.config.nets import HeadKind as HeadKind
from imgcycle.config.nets import NetConfig as NetConfig
from imgcycle.config.nets import NormKind as NormKind
from imgcycle.config.nets import UpKind as UpKind
from imgcycle.config.pictures import ConvertOptions as ConvertOptions
from imgcycle.config.pictures import ConvertRequest as ConvertRequest
from imgcycle.config.pictures import PictureOptions as PictureOptions
from imgcycle.config.program import Precision as Precision
from imgcycle.errors import UsageError

GanMode = Literal["lsgan", "vanilla", "wgangp"]
CycleMode = Literal["both", "forward", "backward", "none"]
SchedulePolicy = Literal["linear", "cosine", "step", "plateau", "constant", "halving"]
Variant = Literal["2017", "2018"]
Way = Literal["A2B", "B2A"]
FeatureLossName = Literal["vgg19"]
Augment = Literal["colour", "translation", "cutout"]
WeightInit = Literal["normal", "xavier", "kaiming", "orthogonal"]

_Config = TypeVar("_Config", bound=JsonConfig)


def _methods() -> Any:
    """`methods.registry`, by name as a plug-in is found: methods are written against configs, not the reverse."""
    return importlib.import_module("imgcycle.methods.registry")


def _with_method_defaults(cls: type[_Config]) -> type[_Config]:
    """A config whose fields that are not given are those of its method; values of wrong types raise UsageError."""
    init = cls.__init__

    @functools.wraps(init)
    def completed(self: Any, *values: Any, **named: Any) -> None:
        given = inspect.signature(init).bind_partial(self, *values, **named).arguments
        del given["self"]
        given = {n: os.fspath(v) if isinstance(v, os.PathLike) else v for n, v in given.items()}
        init(self, **cls._typed(given))

    cls.__init__ = completed  # type: ignore[method-assign]
    return cls


@_with_method_defaults
@dataclass(frozen=True)
class TrainConfig(JsonConfig):
    """One training run, complete: data, method, nets, losses, optimisation, rhythm of saving.

    What is not given is as the method has it, else as written here; of `size` and `crop`, one brings the other along.
    Lengths are `steps` when given, else `epochs` constant + `epochs_decay` decaying ones. Weights of losses
    follow the papers: the identity loss counts `lambda_cycle × lambda_identity`. `weight_init` None is the way
    each net and method was made for. `variant` and `shared_blocks` (on either side of the latent) are UNIT's,
    `direction` is pix2pix's, whose pairs lie in `a` alone, side by side, when `b` is the same folder. `lambda_self` and
    `feature_loss` are SimGAN's: how much an output owes to its input, and whether in pixels or in features.
    `diff_augment` names what is changed at random in the pictures that discriminators see, `lambda_shift` weighs how
    far translations are from moving with their pictures, `lambda_grid` what repeats itself with a net's strides in what
    it makes of noise. Over the first `warmup` steps the generators' learning rate rises from 0, while the
    discriminators learn at theirs.

    `size` is what shorter sides are scaled to; with `full` crops are cut from pictures as they are, for nets that draw
    strokes at 1:1, and pictures smaller than a crop are left out. `px_per_cm` reduces paintings whose scale is known
    (data/scans.py) to that many pixels per centimetre of canvas. `strokes_of` names the style whose second net is
    taught: A then holds photographs, and the net sees what the style's first net makes of them at full size, with a
    share `strokes_detail` 0..1 of their own detail, the change blurred by `strokes_calm` pixels (engine/strokes.py).
    """

    a: str
    b: str
    method: str = "cyclegan"
    net: NetConfig = field(default_factory=lambda: NetConfig.named("compact"))
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    variant: Variant | None = None
    direction: Way = "A2B"
    shared_blocks: int = 1
    weight_init: WeightInit | None = None
    init_gain: float = 0.02

    size: int | Literal["full"] = 286
    crop: int = 256
    px_per_cm: float | None = None
    strokes_of: str | None = None
    strokes_detail: float = 0.5
    strokes_calm: float = 0.0
    flip: bool = True
    batch: int = 1

    gan: GanMode = "lsgan"
    use_gan: bool = True
    cycle: CycleMode = "both"
    lambda_gan: float = 1.0
    lambda_cycle: float = 10.0
    lambda_identity: float = 0.5
    lambda_reconstruction: float = 100.0
    lambda_kl: float = 0.1
    lambda_vgg: float = 0.0
    lambda_l1: float = 100.0
    lambda_self: float = 10.0
    feature_loss: FeatureLossName | None = None
    diff_augment: tuple[Augment, ...] = ()
    lambda_shift: float = 0.0
    lambda_grid: float = 0.0
    pool: int = 50
    lambda_nce: float = 1.0
    nce_identity: bool = True
    nce_temperature: float = 0.07
    nce_patches: int = 256
    nce_width: int = 256
    flip_equivariance: bool = False

    lr: float = 2e-4
    lr_discriminator: float | None = None
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = 0.0
    schedule: SchedulePolicy = "linear"
    warmup: int = 0
    steps: int | None = None
    epochs: int = 100
    epochs_decay: int = 100
    ema: float = 0.999
    grad_clip: float | None = None

    val_a: str | None = None
    val_b: str | None = None
    val_every: int = 2000
    sample_every: int = 500
    save_every: int = 500
    seed: int = 0
    precision: Precision = "auto"
    device: str = "auto"

    def __post_init__(self) -> None:
        checks = [
            (self.batch >= 1, f"a batch of {self.batch}", "at least 1"),
            (self.crop >= 16, f"a crop of {self.crop} pixels", "at least 16"),
            (
                self.size == "full" or self.size >= self.crop,
                f"a load size of {self.size} is below the crop of {self.crop}",
                "raise --size",
            ),
            (self.size == "full" or self.px_per_cm is None, "--px-per-cm beside a load size", "--size full"),
            (self.strokes_of is None or self.size == "full", "strokes for scaled pictures", "--size full"),
            (
                self.strokes_of is None or self.method in ("cut", "fastcut"),
                f"strokes by {self.method}, which leads two ways or needs pairs",
                "--method cut or fastcut",
            ),
            (0 <= self.strokes_detail <= 1, f"a strokes detail of {self.strokes_detail}", "from 0 to 1"),
            (0 <= self.strokes_calm <= 64, f"a strokes calm of {self.strokes_calm} pixels", "from 0 to 64"),
            (self.px_per_cm is None or self.px_per_cm > 0, f"{self.px_per_cm} pixels per centimetre", "above 0"),
            (self.steps is None or self.steps >= 1, f"{self.steps} steps", "at least 1"),
            (self.epochs + self.epochs_decay >= 1, "a run of no epochs", "raise --epochs"),
            (min(self.epochs, self.epochs_decay) >= 0, f"{min(self.epochs, self.epochs_decay)} epochs", "0 or more"),
            (self.lr > 0, f"a learning rate of {self.lr}", "above 0"),
            (self.warmup >= 0, f"a warm-up of {self.warmup} steps", "0 (none) or more"),
            (
                not self.warmup or self.steps is None or self.warmup < self.steps,
                f"a warm-up of {self.warmup} steps in a run of {self.steps}",
                "lower --warmup, or raise --steps",
            ),
            (0 <= self.ema < 1, f"an EMA decay of {self.ema}", "0 (off) up to below 1"),
            (self.weight_decay >= 0, f"a weight decay of {self.weight_decay}", "0 (off) or more"),
            (self.shared_blocks >= 0, f"{self.shared_blocks} shared blocks", "0 (none) or more"),
            (
                self.use_gan or not self.diff_augment,
                "augmentation, and no discriminator to see it",
                "leave --no-gan out",
            ),
            (len(set(self.diff_augment)) == len(self.diff_augment), "an augmentation twice", "name each once"),
            (
                not (self.lambda_shift or self.lambda_grid) or self.net.kind != "unet",
                "a shift or grid term for a U-Net, whose dropout differs from pass to pass",
                "--net compact or resnet9",
            ),
            (self.net.kind != "cogan" or self.method == "cogan", f"{self.method} with CoGAN's net", "--method cogan"),
            (self.pool >= 0, f"an image pool of {self.pool}", "0 (off) or more"),
            (min(self.save_every, self.sample_every, self.val_every) >= 1, "an interval below 1", "at least 1"),
            ((self.val_a is None) == (self.val_b is None), "only one validation folder", "give --val-a and --val-b"),
            (self.grad_clip is None or self.grad_clip > 0, f"clipping at {self.grad_clip}", "above 0"),
            (
                self.lr_discriminator is None or self.lr_discriminator > 0,
                f"a discriminators' learning rate of {self.lr_discriminator}",
                "above 0",
            ),
            (min(self.nce_patches, self.nce_width) >= 1, "a contrastive loss of nothing", "at least 1"),
            (0 <= self.seed < 2**63, f"a seed of {self.seed}", "from 0 to 2⁶³ - 1"),
            *self._numbers(),
        ]
        for holds, what, hint in checks:
            if not holds:
                raise UsageError(what, hint)

    @classmethod
    def _current(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return current_train_settings(values)

    @classmethod
    def _typed(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        complete = super()._typed(_methods().completed(values))
        if not {"a", "b"} <= complete.keys():
            raise UsageError("two folders of images are needed", "a for the first look, b for the second")
        return complete

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; with another method, what stood at the old one's defaults is at its own."""
        if changes.get("method", self.method) != self.method:
            return type(self)(**_methods().carried_over(self, changes))
        return super().replace(**changes)

    def _numbers(self) -> Iterator[tuple[bool, str, str]]:
        """What holds for every weight of a loss, and for every number."""
        for name, value in self.__dict__.items():
            if isinstance(value, int | float):
                said = f"--{name.replace('_', '-')} is {value}"
                yield math.isfinite(value), said, "give a number"
                yield not name.startswith("lambda_") or value >= 0, said, "0 or more"

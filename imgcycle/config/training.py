"""One training run as settings."""

from __future__ import annotations

import functools
import importlib
import inspect
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, Literal, Self, TypeVar

from imgcycle.config.fields import DESCENT, LOSSES, MACHINE, NETS, RHYTHM, argument, option
from imgcycle.config.json import JsonConfig
from imgcycle.config.legacy import current_train_settings
from imgcycle.config.nets import DiscriminatorConfig, NetConfig
from imgcycle.config.program import DEVICES, Direction, Precision
from imgcycle.config.stages import Augment, SchedulePolicy, Stage
from imgcycle.errors import UsageError

GanMode = Literal["lsgan", "vanilla", "wgangp", "relativistic"]
CycleMode = Literal["both", "forward", "backward", "none"]
Variant = Literal["2017", "2018"]
FeatureLossName = Literal["vgg19"]
StyleLossName = Literal["gram", "sliced"]
WeightInit = Literal["normal", "xavier", "kaiming", "orthogonal"]
_Config = TypeVar("_Config", bound=JsonConfig)


def _methods() -> Any:
    """`methods.registry`, imported by name like a plug-in: methods depend on configs, not the reverse."""
    return importlib.import_module("imgcycle.methods.registry")


def _with_method_defaults(cls: type[_Config]) -> type[_Config]:
    """Decorate a config: fields that are not given take their method's defaults; UsageError for values of wrong
    types.
    """
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
    """One training run, complete: data, method, nets, losses, optimisation, and when it is saved.

    What is not given is as the method has it, else as written here; of `size` and `crop`, one brings the other along.
    Lengths are `steps` when given, else what `minutes` are on the machine that begins the run, which is stored as
    `steps` and is at most `most_steps`, else `epochs` constant + `epochs_decay` decaying ones. `stages` divide the
    steps among themselves, each with what it sets otherwise; `recipe` is the name that they are known by. Weights of
    losses follow the papers: the identity loss counts `lambda_cycle × lambda_identity`. `weight_init` None is the way
    each net and method was made for. `variant` and `shared_blocks` (on either side of the latent) are UNIT's,
    `direction` is pix2pix's, whose pairs lie in `a` alone, side by side, when `b` is the same folder. `lambda_self` and
    `feature_loss` are SimGAN's: how much an output owes to its input, and whether in pixels or in features.
    `lambda_content`, `lambda_style`, `lambda_tv` and `style_loss` are gram's, for which `b` may be one picture.
    `diff_augment` names what is changed at random in the pictures that discriminators see, `lambda_shift` weighs how
    far translations are from moving with their pictures, `lambda_grid` what repeats itself with a net's strides in what
    it makes of noise, `lambda_path` how far results move while residual branches grow from nothing to what they are.
    Over the first `warmup` steps the generators' learning rate rises from 0, while the discriminators learn at theirs.

    `size` is what shorter sides are scaled to; with `full` crops are cut from pictures as they are, for nets that draw
    strokes at 1:1, and pictures smaller than a crop are left out. `px_per_cm` reduces paintings whose scale is known
    (data/scans.py) to that many pixels per centimetre of canvas. `strokes_of` names the style whose second net is
    taught: A then holds photographs, and the net sees what the style's first net makes of them at full size, with a
    share `strokes_detail` 0..1 of their own detail, the change blurred by `strokes_calm` pixels (engine/strokes.py);
    with `strokes_luma`, which is for whoever uses the two nets, strokes leave colours alone.

    Every `sample_every` steps fixed pictures are translated to be looked at, and with them some of the folder
    `sample_from`, whole. After `patience` validations in a row that brought no direction nearer the run ends.
    """

    a: str = argument("", "Folder of images of the first look (A).", metavar="A")
    b: str = argument("", "Folder of images of the second look (B); none for A|B files.", metavar="B")
    _: KW_ONLY
    method: str = option(
        "cyclegan",
        "cyclegan and unit learn both ways; cut and fastcut only A to B, faster; pix2pix needs pairs; "
        "gram learns from a single picture B (metrics extra). "
        "To compare with: simgan (A to B), bigan and cogan (both ways).",
        metavar="NAME",
        word=True,
    )
    net: NetConfig = field(default_factory=lambda: NetConfig.named("compact"))
    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    variant: Variant | None = option(None, "unit: as published, or the rewrite.", shown="2017")
    direction: Direction = option("A2B", "pix2pix: which way to learn.")
    shared_blocks: int = option(1, "Residual blocks shared on either side of UNIT's latent.", panel=NETS, also="2018 0")
    weight_init: WeightInit | None = option(None, "Initial weights.", panel=NETS, shown="each net's own")
    init_gain: float = 0.02

    size: int | Literal["full"] = option(
        286, "Size that shorter sides are scaled to; full: crops at 1:1.", panel=NETS, also="cogan 143", word=True
    )
    crop: int = option(256, "Side of the square cut from them.", panel=NETS, also="cogan 128")
    px_per_cm: float | None = option(
        None, "With --size full: scans listed in sources.csv are reduced to this scale.", panel=NETS, shown="off"
    )
    strokes_of: str | None = option(
        None,
        "Teach this style's second net, for strokes at 1:1: A/ photographs, B/ scans.",
        panel=NETS,
        metavar="STYLE",
    )
    strokes_detail: float = option(0.5, "Share of the photographs' detail that it sees.", panel=NETS)
    strokes_calm: float = option(0.0, "Blur of the first net's change, in pixels at its work size.", panel=NETS)
    strokes_luma: bool = option(
        False,
        "Strokes change luma alone; colours stay the first net's. Also for a run that is over.",
        panel=NETS,
        names=("--strokes-luma/--no-strokes-luma",),
    )
    flip: bool = True
    batch: int = option(1, "Images a step, of each folder.", panel=DESCENT, also="cogan 64")

    gan: GanMode = option(
        "lsgan",
        "Adversarial loss; relativistic: cut and fastcut alone.",
        panel=LOSSES,
        also="unit, pix2pix, cogan vanilla",
    )
    use_gan: bool = option(True, "No adversarial loss.", panel=LOSSES, names=(" /--no-gan",))
    cycle: CycleMode = option("both", "Directions in which the cycle loss applies.", panel=LOSSES)
    lambda_gan: float = option(1.0, "Weight of the adversarial loss.", panel=LOSSES, also="unit 10, 2018 1")
    lambda_cycle: float = option(10.0, "Weight of the cycle loss.", panel=LOSSES, also="unit 100, 2018 10")
    lambda_identity: float = option(0.5, "Weight of cyclegan's identity loss, × lambda-cycle.", panel=LOSSES)
    lambda_reconstruction: float = option(100.0, "Weight of UNIT's autoencoders.", panel=LOSSES, also="2018 10")
    lambda_kl: float = option(0.1, "Weight of UNIT's KL terms.", panel=LOSSES, also="2018 0.01")
    lambda_vgg: float = option(0.0, "Weight of unit's and pix2pix's perceptual loss (metrics extra).", panel=LOSSES)
    lambda_l1: float = option(100.0, "Weight of pix2pix's L1 loss.", panel=LOSSES)
    lambda_content: float = option(1.0, "Weight of gram's content loss.", panel=LOSSES)
    lambda_style: float = option(10.0, "Weight of gram's style loss.", panel=LOSSES)
    lambda_tv: float = option(0.1, "Weight of gram's total variation.", panel=LOSSES)
    style_loss: StyleLossName = option(
        "gram", "What gram compares: Gram matrices of crops, or sliced distributions of whole pictures.", panel=LOSSES
    )
    lambda_self: float = option(10.0, "Weight of simgan's self-regularisation.", panel=LOSSES)
    feature_loss: FeatureLossName | None = option(
        None, "simgan: self-regularisation in deep features (metrics extra), not in pixels.", panel=LOSSES
    )
    diff_augment: tuple[Augment, ...] = option(
        (),
        "Augment what discriminators see, for few images: a list of colour,translation,cutout.",
        panel=LOSSES,
        metavar="LIST",
        shown="none",
        word=True,
    )
    lambda_shift: float = option(
        0.0, "Weight of the shift loss (steadier clips); cyclegan, cut, fastcut, pix2pix, gram.", panel=LOSSES
    )
    lambda_grid: float = option(0.0, "Weight of the loss on grid artefacts; the same methods.", panel=LOSSES)
    lambda_path: float = option(
        0.0, "Weight of the path loss (what need not change stays); cut and fastcut.", panel=LOSSES
    )
    pool: int = option(50, "Generated images kept for the discriminators of cyclegan, simgan and bigan.", panel=LOSSES)
    lambda_nce: float = option(1.0, "Weight of the contrastive loss.", panel=LOSSES, also="fastcut 10")
    nce_identity: bool = True
    nce_temperature: float = 0.07
    nce_patches: int = option(256, "Patches compared an image and layer.", panel=LOSSES)
    nce_width: int = option(256, "Width of the contrastive heads.", panel=LOSSES)
    flip_equivariance: bool = False

    lr: float = option(2e-4, "Learning rate.", panel=DESCENT, also="unit 0.0001, gram 0.001")
    lr_discriminator: float | None = option(
        None, "Learning rate of the discriminators.", panel=DESCENT, shown="as --lr"
    )
    beta1: float = 0.5
    beta2: float = 0.999
    weight_decay: float = option(0.0, "Weight decay.", panel=DESCENT, also="unit 0.0001, cogan 0.0005")
    schedule: SchedulePolicy = option(
        "linear", "How the learning rate falls.", panel=DESCENT, also="unit, cogan constant, 2018 halving"
    )
    warmup: int = option(0, "Steps over which the generators' rate rises from 0.", panel=DESCENT)
    steps: int | None = option(None, "Length in steps: constant for half, then linear to 0.")
    minutes: float | None = option(None, "Length in minutes, converted to steps at this machine's speed.")
    most_steps: int | None = None
    epochs: int = 100
    epochs_decay: int = 100
    recipe: str | None = None
    stages: tuple[Stage, ...] = ()
    ema: float = option(0.999, "Decay of the averaged weights, after a ramp; 0 is off.", panel=DESCENT)
    grad_clip: float | None = option(None, "Largest norm of a gradient.", panel=DESCENT, shown="off", also="gram 5")

    val_a: str | None = option(None, "Validation images of A.", panel=RHYTHM, metavar="DIR")
    val_b: str | None = option(None, "Validation images of B.", panel=RHYTHM, metavar="DIR")
    val_every: int = option(2000, "Steps between validations.", panel=RHYTHM)
    patience: int | None = option(
        None, "Stop after so many validations without improvement.", panel=RHYTHM, shown="off"
    )
    sample_every: int = option(500, "Steps between sample grids.", panel=RHYTHM)
    sample_from: str | None = option(
        None, "Pictures of your own to translate beside the grids, up to eight.", panel=RHYTHM, metavar="DIR"
    )
    save_every: int = option(500, "Steps between saves.", panel=RHYTHM)
    seed: int = option(0, "Seed of everything random.", panel=MACHINE)
    precision: Precision = option("auto", "Compute type; auto goes by the hardware.", panel=MACHINE)
    device: str = option("auto", "Where to compute.", panel=MACHINE, metavar=DEVICES, word=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        checks = [
            (self.batch >= 1, f"a batch of {self.batch}", "at least 1"),
            (self.crop >= 16, f"a crop of {self.crop} pixels", "at least 16"),
            (
                self.size == "full" or self.size >= self.crop,
                f"a load size of {self.size} is below the crop of {self.crop}",
                "raise --size",
            ),
            (
                self.size == "full" or self.px_per_cm is None,
                "--px-per-cm is for pictures at their own size",
                "--size full",
            ),
            (
                self.strokes_of is None or self.size == "full",
                "--strokes-of is for pictures at their own size",
                "--size full",
            ),
            (
                self.strokes_of is None or self.method in ("cut", "fastcut"),
                f"{self.method} cannot learn strokes: it learns two directions or needs pairs",
                "--method cut or fastcut",
            ),
            (
                self.strokes_of is not None or not self.strokes_luma,
                "--strokes-luma is for a second net",
                "--strokes-of STYLE",
            ),
            (0 <= self.strokes_detail <= 1, f"a strokes detail of {self.strokes_detail}", "from 0 to 1"),
            (0 <= self.strokes_calm <= 64, f"a strokes calm of {self.strokes_calm} pixels", "from 0 to 64"),
            (self.px_per_cm is None or self.px_per_cm > 0, f"{self.px_per_cm} pixels per centimetre", "above 0"),
            (self.steps is None or self.steps >= 1, f"{self.steps} steps", "at least 1"),
            (self.most_steps is None or self.most_steps >= 1, f"at most {self.most_steps} steps", "at least 1"),
            (self.minutes is None or self.minutes > 0, f"{self.minutes} minutes", "above 0"),
            (
                self.size == "full" or all((stage.crop or 0) <= self.size for stage in self.stages),
                "a stage's crop above the size",
                "raise --size",
            ),
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
                "--diff-augment has no effect with --no-gan",
                "leave one of the two out",
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
            (self.patience is None or self.patience >= 1, f"a patience of {self.patience} validations", "at least 1"),
            (self.patience is None or self.val_a is not None, "patience, and no validation", "--val-a and --val-b"),
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
        complete = super()._typed(_methods().with_method_defaults(values))
        if not {"a", "b"} <= complete.keys():
            raise UsageError("two folders of images are needed", "a for the first look, b for the second")
        return complete

    def replace(self, **changes: Any) -> Self:
        """A copy with some fields changed; with another method, fields at the old method's defaults become the new
        one's.
        """
        if changes.get("method", self.method) != self.method:
            return type(self)(**_methods().carried_over(self, changes))
        return super().replace(**changes)

    def _numbers(self) -> Iterator[tuple[bool, str, str]]:
        """Yield the checks on loss weights and on all numbers."""
        for name, value in self.__dict__.items():
            if isinstance(value, int | float):
                said = f"--{name.replace('_', '-')} is {value}"
                yield math.isfinite(value), said, "give a number"
                yield not name.startswith("lambda_") or value >= 0, said, "0 or more"

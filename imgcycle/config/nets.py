"""The architectures of generators and discriminators: enough to build them with no flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from imgcycle.config.json import JsonConfig
from imgcycle.config.legacy import current_net_settings
from imgcycle.errors import UsageError

GeneratorKind = Literal["compact", "resnet", "unet", "unit", "unit2017", "cogan", "whitebox", "animegan"]
NormKind = Literal["instance", "affine", "batch", "layer", "none"]
DownKind = Literal["strided", "reflected", "blur"]
UpKind = Literal["transposed", "nearest", "reflected", "linear"]
HeadKind = Literal["tanh", "clamp", "scaled", "wide"]
DiscriminatorKind = Literal["basic", "nlayers", "pixel", "plain", "multiscale", "vgg19"]
NetName = Literal["compact", "strokes", "luma", "resnet9", "resnet6", "unet256", "unet128"]
NET_NAMES: tuple[NetName, ...] = get_args(NetName)
_NORMS: dict[GeneratorKind, tuple[NormKind, ...]] = {
    "compact": ("instance", "affine", "batch", "none"),
    "resnet": ("instance", "affine", "batch"),
    "unet": ("instance", "affine", "batch"),
    "unit": ("instance",),
    "unit2017": ("instance",),
    "cogan": ("batch",),
    "whitebox": ("none",),
    "animegan": ("layer",),
}
"""The norms that a generator can have, in its encoder where it has another one in its decoder."""
_RESNET_ALONE = ("down", "up", "ends", "downs", "convs", "eps", "head")


@dataclass(frozen=True)
class NetConfig(JsonConfig):
    """A generator's architecture, complete: no further options are needed to build it.

    `depth` counts residual blocks (resnet, compact; unit, unit2017: of either half) or downsamplings (unet); `width` is
    the channel count of the first stage. `down` and `up` are how a resnet changes sizes: strided convolutions with zero
    or `reflected` padding, or full convolutions before a `blur`; transposed convolutions, or convolutions after
    `nearest` (zero or `reflected` padding) or `linear` interpolation. It halves `downs` times, by `convs` convolutions
    each, and its first and last kernels are `ends` wide; `eps` is that of its norms, `head` its last stage
    (nets/stages.py). A cogan's `width` is that of its last planes, and `depth` counts upsamplings from 4×4: its output
    has one size. `test_time_stochastic` is for a unet alone: its norms use each image's own statistics and its dropout
    stays on at test time, as in pix2pix. With `global_residual`, a compact net predicts the change that is added to its
    input: with the head `wide` from -2 to 2, all of the range, with `tanh`, as all had it once, half of that, which is
    too little to turn a vivid leaf white. With `luma`, such a net sees an image's luma alone and changes it alone, so
    that colours stay the input's; it is trained on grey images.
    """

    kind: GeneratorKind = "compact"
    width: int = 16
    depth: int = 6
    norm: NormKind = "instance"
    channels: int = 3
    down: DownKind = "strided"
    up: UpKind = "transposed"
    test_time_stochastic: bool = False
    global_residual: bool = False
    ends: int = 7
    downs: int = 2
    convs: int = 1
    eps: float = 1e-5
    head: HeadKind = "tanh"
    luma: bool = False

    def __post_init__(self) -> None:
        own = next((n for n in _RESNET_ALONE if getattr(self, n) != type(self).__dataclass_fields__[n].default), None)
        if self.kind != "resnet" and own is not None and not (own == "head" and self.head == "wide"):
            raise UsageError(f"a {self.kind} generator has no {own} to choose", "only a resnet has")
        if self.norm not in (norms := _NORMS[self.kind]):
            given = "no" if self.norm == "none" else self.norm
            raise UsageError(f"a {self.kind} generator cannot have {given} norms", f"one of {', '.join(norms)}")
        if self.global_residual and self.kind != "compact":
            raise UsageError(f"a {self.kind} generator cannot add its result to its input", "only a compact one can")
        if self.head == "wide" and not self.global_residual:
            raise UsageError("a generator that draws pictures cannot have a wide head", "one that draws changes can")
        if self.luma and not self.global_residual:
            raise UsageError("a generator that draws pictures cannot draw luma alone", "one that draws changes can")
        for name, low, high in (("ends", 3, 15), ("downs", 1, 6), ("convs", 1, 2), ("eps", 1e-12, 0.1)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"a net's {name} is {getattr(self, name)}", f"choose between {low} and {high}")
        if not self.ends % 2:
            raise UsageError(f"kernels {self.ends} wide at a net's ends", "choose an odd number")
        if self.test_time_stochastic and self.kind != "unet":
            raise UsageError(f"a {self.kind} generator cannot be stochastic at test time", "only a unet can")
        if not 1 <= self.width <= 1024:
            raise UsageError(f"a net's width is {self.width}", "choose between 1 and 1024 channels")
        low, high = {"unet": (5, 64), "cogan": (2, 7)}.get(self.kind, (1, 64))
        if not low <= self.depth <= high:
            raise UsageError(f"a {self.kind} generator's depth is {self.depth}", f"choose between {low} and {high}")

    @classmethod
    def _current(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        return current_net_settings(values)

    def drawing_changes(self) -> NetConfig:
        """The same net, drawing changes of any size to its input; one that draws changes already is left as it is."""
        return self if self.global_residual else self.replace(global_residual=True, head="wide")

    @classmethod
    def named(cls, name: str, width: int | None = None) -> NetConfig:
        """Config of a `--net` name: compact, strokes, luma, resnet9, resnet6, unet256, unet128."""
        table = {
            "compact": cls("compact", 16, 6, "affine"),
            "strokes": cls("compact", 12, 4, "none", global_residual=True),
            "luma": cls("compact", 12, 5, "none", global_residual=True, head="wide", luma=True),
            "resnet9": cls("resnet", 64, 9),
            "resnet6": cls("resnet", 64, 6),
            "unet256": cls("unet", 64, 8, "batch"),
            "unet128": cls("unet", 64, 7, "batch"),
        }
        if name not in table:
            raise UsageError(f"no net is called {name!r}", f"one of {', '.join(NET_NAMES)}")
        return table[name] if width is None else table[name].replace(width=width)


@dataclass(frozen=True)
class DiscriminatorConfig(JsonConfig):
    """A PatchGAN discriminator: `basic` is the 70×70 one, `nlayers` any depth, `pixel` judges single pixels.

    UNIT's have no norms, so `norm` does not apply to them: `plain` is that of 2017, `multiscale` that of 2018, on
    `scales` sizes, each half of the one before. `vgg19` is a PatchGAN beside heads on VGG19 features
    (methods/projected.py), on `layers` + 1 of its layers, at `scales` sizes as well.
    """

    kind: DiscriminatorKind = "basic"
    width: int = 64
    layers: int = 3
    norm: NormKind = "instance"
    scales: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 1024:
            raise UsageError(f"a discriminator's width is {self.width}", "choose between 1 and 1024 channels")
        if not 1 <= self.layers <= 8:
            raise UsageError(f"a discriminator of {self.layers} layers", "choose between 1 and 8")
        if self.kind == "vgg19" and self.layers > 4:
            raise UsageError(f"a vgg19 discriminator of {self.layers} layers", "choose between 1 and 4")
        most = {"multiscale": 5, "vgg19": 3}.get(self.kind, 1)
        if not 1 <= self.scales <= most:
            raise UsageError(
                f"a {self.kind} discriminator cannot look at {self.scales} sizes",
                "1; a multiscale one 1 to 5, vgg19 1 to 3",
            )

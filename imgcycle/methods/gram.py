"""Gram: a feed-forward net that learns the look of one picture from statistics of a classifier's planes.

Johnson, Alahi, Fei-Fei: Perceptual Losses for Real-Time Style Transfer and Super-Resolution, ECCV 2016 (arXiv
1603.08155), after Gatys, Ecker, Bethge: Image Style Transfer Using Convolutional Neural Networks, CVPR 2016. There is
no discriminator. Objective, eqs. 2, 3 and 4 and the total variation of section 3.2:

    L = λ_content·‖φ_c(G(a)) − φ_c(a)‖² / n
      + λ_style·Σ_j ‖Gram_j(G(a)) − Gram_j(b)‖²_F,  Gram_j(x) = φ_j(x)·φ_j(x)ᵀ / (C_j·H_j·W_j)
      + λ_tv·TV(G(a))
      + λ_shift·(the shift term of G on a: ours, off) + λ_grid·(the grid term of G: ours, off)

φ_j are VGG19's relu1_2, relu2_2, relu3_3 and relu4_3 (theirs are VGG16's layers of these names), φ_c is relu3_3, each
divided by the root mean square of its planes so that the layers count alike. b is a crop of the one picture, another
one each step: in the mean over crops, the distance from their Gram matrices is that from their mean, plus a constant.

`style_loss: sliced` compares distributions instead, after Heitz, Vanhoey, Chambon, Belcour: A Sliced Wasserstein Loss
for Neural Texture Synthesis, CVPR 2021 (arXiv 2006.07229): for each layer

    C_j·E_v ‖sort(v·φ_j(G(a))) − sort(v·φ_j(b))‖² / n,  v a random unit vector of C_j values, n random pixels of each

Gram matrices are second moments: nets can match those of a night with a few yellow stars in grey-blue alone. Sorted
values match all of the distribution, its rare ends too; the factor C_j is ours. b is the whole picture then, since a
mean of sorted values over crops would lose these ends. Both pictures are compared at full and at half size, and their
colours, reduced 4 times, are one more layer. The content term is of relu4_3 with each plane standardised, so that a
scene may change its colours, and of luma, reduced 8 times and standardised, so that what is light stays lighter than
what is dark.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.errors import UsageError
from imgcycle.methods.base import Batch, Losses, Method, Phase, make_generator
from imgcycle.methods.equivariance import shift_loss
from imgcycle.methods.grid import grid_loss
from imgcycle.metrics.content import luma
from imgcycle.metrics.features import FeatureNet

LAYERS = {"12": 200.0, "22": 230.0, "33": 800.0, "43": 800.0}
"""Layers whose Gram matrices are compared, and about the root mean square of their planes."""
CONTENT_LAYER = "33"
SCENE_LAYER = "43"
"""The layer whose standardised planes keep the scene where distributions are compared."""
PIXELS, SLICES = 3072, 48
"""Pixels and directions that a sliced distance draws."""
SCALES = (1, 2)
"""Factors by which pictures are reduced to compare distributions: what is broader than relu4_3 sees counts, too."""
STYLE_SCALE = 40.0
"""Divisor of the sum of sliced distances, so that the weights that suit Gram matrices suit them as well."""
LIGHT_REDUCED = 8
"""Factor by which pictures are reduced to compare where they are light."""
COLOURS_REDUCED = 4
"""Factor by which pictures are reduced to compare their colours."""


def gram_matrix(planes: Tensor) -> Tensor:
    """(N, C, H, W) → (N, C, C), float32: products of all pairs of planes, summed over pixels, by C·H·W."""
    rows = planes.float().flatten(2)
    return rows @ rows.transpose(1, 2) / (rows.shape[1] * rows.shape[2])


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbours, across and down, of float NCHW; float32."""
    images = images.float()
    across, down = images[..., 1:] - images[..., :-1], images[..., 1:, :] - images[..., :-1, :]
    return across.abs().mean() + down.abs().mean()


class LookDistance(ABC):
    """Content and style terms between pictures; MissingExtra at once without the `metrics` extra's weights.

    The net goes where the pictures are, and is no part of a run's state.
    """

    def __init__(self) -> None:
        self.net = FeatureNet(torch.device("cpu"))

    @abstractmethod
    def __call__(self, fake: Tensor, source: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """How far `fake` is from the scene of `source` and from the look of `style`: two float32 scalars.

        Float NCHW in [-1, 1], sides of 16 at least; gradients reach `fake` alone.
        """

    def _planes(self, images: Tensor) -> dict[str, Tensor]:
        """The layers' planes by name, each divided by its usual size; float32."""
        if self.net.device != images.device:
            self.net = FeatureNet(images.device)
        taps = self.net.taps(images, list(LAYERS))
        return {name: planes.float() / size for (name, size), planes in zip(LAYERS.items(), taps, strict=True)}


class GramDistance(LookDistance):
    """Squared differences of planes, and of Gram matrices."""

    def __call__(self, fake: Tensor, source: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            wanted = self._planes(source)[CONTENT_LAYER]
            looks = {name: gram_matrix(planes) for name, planes in self._planes(style).items()}
        found = self._planes(fake)
        content = F.mse_loss(found[CONTENT_LAYER], wanted)
        distances = [(gram_matrix(found[name]) - look).square().sum((1, 2)).mean() for name, look in looks.items()]
        return content, torch.stack(distances).sum()


class SlicedDistance(LookDistance):
    """Squared differences of standardised planes, and of sorted values in random directions.

    Directions and pixels are drawn from torch's generator. On a CPU the planes of the latest picture are kept, since
    there is mostly only one; elsewhere to compare pictures would cost a wait for the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self._latest: tuple[Tensor, dict[str, Tensor]] | None = None

    def __call__(self, fake: Tensor, source: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            wanted, broad = standardised(self._planes(source)[SCENE_LAYER]), broad_light(source)
            looks = self._look_of_picture(style)
        planes = self._look(fake)
        content = F.mse_loss(standardised(planes[f"1:{SCENE_LAYER}"]), wanted) + F.mse_loss(broad_light(fake), broad)
        distances = [sliced_distance(planes[name], look) for name, look in looks.items()]
        return content, torch.stack(distances).sum() / STYLE_SCALE

    def _look_of_picture(self, style: Tensor) -> dict[str, Tensor]:
        if self._latest is not None and style.is_cpu and torch.equal(self._latest[0], style):
            return self._latest[1]
        self._latest = None
        looks = self._look(style)
        if style.is_cpu:
            self._latest = style, looks
        return looks

    def _look(self, images: Tensor) -> dict[str, Tensor]:
        """The layers at each size, and the colours."""
        looks = {"colours": F.avg_pool2d(images.float(), COLOURS_REDUCED)}
        for scale in SCALES:
            planes = self._planes(F.avg_pool2d(images.float(), scale))
            looks |= {f"{scale}:{name}": found for name, found in planes.items()}
        return looks


def broad_light(images: Tensor) -> Tensor:
    """Luma of float NCHW, reduced by `LIGHT_REDUCED` and standardised, (N, 1, h, w): what is light, what dark."""
    return standardised(F.avg_pool2d(luma(images) / 127.5, LIGHT_REDUCED))


def standardised(planes: Tensor) -> Tensor:
    """Planes (N, C, H, W), each with mean 0 and a deviation of nearly 1, less where it is even."""
    deviation, mean = torch.std_mean(planes, (2, 3), keepdim=True)
    return (planes - mean) / (deviation + 0.05)


def sliced_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    """Squared sliced Wasserstein distance of the pixels of (N, C, H, W) and (M, C, H, W), times C; a float32 scalar.

    An estimate from `SLICES` directions and at most `PIXELS` pixels of each, of images together; where counts differ,
    sorted values at evenly spaced places. In float32 throughout: order does not survive bf16.
    """
    with torch.autocast(ours.device.type, enabled=False):
        return _sliced_distance(ours.float(), theirs.float())


def _sliced_distance(ours: Tensor, theirs: Tensor) -> Tensor:
    channels = ours.shape[1]
    directions = F.normalize(torch.randn(SLICES, channels, device=ours.device), dim=1)
    ordered = []
    for planes in (ours, theirs):
        rows = planes.transpose(0, 1).flatten(1)
        drawn = torch.randperm(rows.shape[1], device=rows.device)[:PIXELS]
        ordered.append(torch.sort(directions @ rows[:, drawn], dim=1).values)
    count = min(values.shape[1] for values in ordered)
    places = (torch.arange(count, device=ours.device) + 0.5) / count
    one, other = (values[:, (places * values.shape[1]).long()] for values in ordered)
    return channels * F.mse_loss(one, other)


DISTANCES: dict[str, type[LookDistance]] = {"gram": GramDistance, "sliced": SlicedDistance}
"""By the names of `style_loss`."""


class GeneratorPhase(Phase):
    """The one phase: the scene of the photograph, the look of the picture."""

    name, trains = "generator", ("A2B",)

    def __init__(self, config: TrainConfig, nets: dict[str, nn.Module], distance: LookDistance) -> None:
        super().__init__(config, nets)
        self.distance = distance

    def forward(self, batch: Batch) -> Losses:
        """Terms content_A, style_B, and those that are switched on: tv_A2B, shift_A2B, grid_A2B."""
        config, generator = self.config, self.net("A2B")
        fake = generator(batch.a).float()
        content, style = self.distance(fake, batch.a, batch.b)
        losses = {"content_A": config.lambda_content * content, "style_B": config.lambda_style * style}
        if config.lambda_tv:
            losses["tv_A2B"] = config.lambda_tv * total_variation(fake)
        if config.lambda_shift:
            losses["shift_A2B"] = config.lambda_shift * shift_loss(generator, batch.a, fake)
        if config.lambda_grid:
            losses["grid_A2B"] = config.lambda_grid * grid_loss(generator, batch.a)
        return losses


class Gram(Method):
    """The one-way method without a discriminator, A→B; one picture of B is enough."""

    directions = ("A2B",)
    fewest_b = 1
    settings = frozenset({"lambda_content", "lambda_style", "lambda_tv", "lambda_shift", "lambda_grid", "style_loss"})
    defaults: ClassVar[Mapping[str, Any]] = {"use_gan": False, "pool": 0, "lr": 1e-3, "grad_clip": 5.0}

    def __init__(self, config: TrainConfig) -> None:
        super().__init__(config)
        if not config.lambda_content and not config.lambda_style:
            raise UsageError("neither a content nor a style loss is left", "there would be nothing to learn")
        if self.whole_b(config) and config.size == "full":
            raise UsageError("sliced distributions of pictures at their own size take too much memory", "--size 384")
        self._nets: dict[str, nn.Module] = {"A2B": make_generator(config)}
        self._distance = DISTANCES[config.style_loss]()

    @classmethod
    def whole_b(cls, config: TrainConfig) -> bool:
        """Distributions are those of whole pictures."""
        return config.style_loss == "sliced"

    def nets(self) -> dict[str, nn.Module]:
        """A2B."""
        return dict(self._nets)

    def phases(self) -> list[Phase]:
        """The generator's."""
        return [GeneratorPhase(self.config, self._nets, self._distance)]

"""Distances of two images in VGG features: the perceptual loss of UNIT's rewrite, and that of "feature loss + GAN"."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.metrics.features import FeatureNet

FEATURE_SCALE = 500.0
"""Divisor of relu4_2, so that one weight suits pixels and features: red exchanged for blue in a photograph is then
at 0.23 (0.21 in pixels), two photographs are 0.66 apart (0.46).
"""


class _DeepLoss:
    """Distance between two images' VGG19 planes; MissingExtra at once without the `metrics` extra's weights.

    The net follows the images' device, and is not part of a run's state.
    """

    def __init__(self) -> None:
        self.net = FeatureNet(torch.device("cpu"))

    def _planes(self, fake: Tensor, source: Tensor, last: str) -> tuple[Tensor, Tensor]:
        """A layer's planes of both; only `fake` has gradients."""
        if self.net.device != fake.device:
            self.net = FeatureNet(fake.device)
        with torch.no_grad():
            wanted = self.net.planes(source, last)
        return self.net.planes(fake, last), wanted


class PerceptualLoss(_DeepLoss):
    """Mean squared distance of deep VGG19 planes, each instance-normalised so that style hardly counts.

    The rewrite uses relu5_3 of VGG16; here it is relu5_1 of VGG19, the deepest layer in the `metrics` extra, without
    which MissingExtra is raised at once.
    """

    def __call__(self, fake: Tensor, source: Tensor) -> Tensor:
        """Distance of `fake` from `source` (float NCHW in [-1, 1], 32×32 at least); float32."""
        ours, wanted = self._planes(fake, source, "51")
        return F.mse_loss(_standardised(ours), _standardised(wanted))


class FeatureLoss(_DeepLoss):
    """Mean absolute distance of relu4_2 of VGG19, divided by `FEATURE_SCALE`.

    CycleGAN's authors use that layer of VGG16 for their "feature loss + GAN" (section 5.1.1); VGG19 is the one in the
    `metrics` extra, without which MissingExtra is raised at once.
    """

    def __call__(self, fake: Tensor, source: Tensor) -> Tensor:
        """Distance of `fake` from `source` (float NCHW in [-1, 1], 16×16 at least); float32."""
        ours, wanted = self._planes(fake, source, "42")
        return F.l1_loss(ours.float(), wanted.float()) / FEATURE_SCALE


def _standardised(planes: Tensor) -> Tensor:
    planes = planes.float()
    variance, mean = torch.var_mean(planes, (2, 3), correction=0, keepdim=True)
    return (planes - mean) / (variance + 1e-5).sqrt()

"""The perceptual loss of UNIT's 2018 rewrite: two pictures compared by what a classifier sees in them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.metrics.features import FeatureNet


class PerceptualLoss:
    """Mean squared distance of deep VGG19 planes, each normalised over its picture so that style hardly counts.

    The rewrite has relu5_3 of VGG16; here it is relu5_1 of VGG19, the deepest layer in the `metrics` extra, without
    which MissingExtra is raised at once. The net is no part of a run's state.
    """

    def __init__(self) -> None:
        self.net = FeatureNet(torch.device("cpu"))

    def __call__(self, made: Tensor, source: Tensor) -> Tensor:
        """The distance of `made` from `source` (float NCHW in [-1, 1], 32×32 at least); float32."""
        if self.net.device != made.device:
            self.net = FeatureNet(made.device)
        with torch.no_grad():
            wanted = self.net.planes(source)
        return F.mse_loss(_standardised(self.net.planes(made)), _standardised(wanted))


def _standardised(planes: Tensor) -> Tensor:
    planes = planes.float()
    variance, mean = torch.var_mean(planes, (2, 3), correction=0, keepdim=True)
    return (planes - mean) / (variance + 1e-5).sqrt()

"""Fréchet distance between two sets of features, each modelled as a Gaussian.

Heusel et al., GANs Trained by a Two Time-Scale Update Rule, NIPS 2017, equation 6: ‖μ − ν‖² + tr(C + D − 2(CD)^½). It
is called FID only on the features of Inception-v3. Unlike the kernel distance it is biased upwards, more for fewer
images, so figures are comparable only at equal counts.
"""

from __future__ import annotations

import torch
from torch import Tensor


def frechet_distance(x: Tensor, y: Tensor) -> float:
    """Distance of feature rows (n, d) and (m, d), in float64; at least two rows each."""
    x, y = x.double(), y.double()
    apart = (x.mean(0) - y.mean(0)).square().sum()
    a, b = _root(x), _root(y)
    # tr (CD)^½ is the sum of the singular values of A Bᵀ where C = AᵀA and D = BᵀB: no root of a singular matrix.
    shared = torch.linalg.svdvals(a @ b.T).sum()
    return float(apart + a.square().sum() + b.square().sum() - 2 * shared)


def _root(x: Tensor) -> Tensor:
    """Matrix A of at most d rows with AᵀA the covariance of x."""
    centred: Tensor = (x - x.mean(0)) / (len(x) - 1) ** 0.5
    if len(x) <= x.shape[1]:
        return centred
    root: Tensor = torch.linalg.qr(centred, mode="r").R
    return root

"""Kernel distance between two sets of features, unbiased at any size, with a bootstrap over the images.

Bińkowski et al., Demystifying MMD GANs, ICLR 2018 (KID): the squared maximum mean discrepancy under the kernel k(x, y)
= (x·y/d + 1)³.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

DRAWS = 1000
_TAILS = ((1 - 0.9) / 2, 1 - (1 - 0.9) / 2)
"""Quantiles at the ends of a 90 % interval."""
_BLOCK = 1024
"""Rows of a kernel matrix at a time: 80 MB for ten thousand columns."""


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased MMD² of feature rows (n, d) and (m, d), in float64; may be slightly below 0 for equal sets.

    At least two rows each; the estimator leaves out each row's product with itself.
    """
    return float(kernel_distances(WeightedRows(x, _ones(x)), WeightedRows(y, _ones(y)))[0])


@dataclass(frozen=True, eq=False)
class WeightedRows:
    """Feature rows (n, d) and the count of each in each bootstrap draw, (n, draws); draw 0 is the set itself."""

    features: Tensor
    weights: Tensor

    @classmethod
    def resampled(cls, features: Tensor, *seed: int, draws: int = DRAWS) -> WeightedRows:
        """The set itself and `draws` bootstrap samples of it.

        They depend on the seed and the number of rows alone: two conversions of the same images are resampled alike, so
        that their ratio has an interval of its own. Unrelated sets take different seeds.
        """
        n = len(features)
        drawn = np.random.default_rng([*seed, n]).multinomial(n, np.full(n, 1 / n), size=draws)
        return cls(features, torch.cat([_ones(features), torch.from_numpy(drawn.T).double()], 1))

    @cached_property
    def within(self) -> Tensor:
        """Mean kernel of pairs of different rows, by draw.

        A row drawn twice makes no pair with its copy: k(x, x) would bias every draw upwards. NaN for a draw of one row
        alone, which has no pairs.
        """
        x, w = self.features.double(), self.weights
        own = ((x * x).mean(1) + 1).pow(3)
        copies = w.square()
        pairs = w.sum(0).square() - copies.sum(0)
        return torch.where(pairs > 0, (_summed(x, w, x, w) - own @ copies) / pairs, torch.nan)


def kernel_distances(x: WeightedRows, y: WeightedRows) -> Tensor:
    """`kernel_distance` of every draw of x from the same draw of y, float64; the first is that of the sets."""
    across = _summed(x.features.double(), x.weights, y.features.double(), y.weights)
    return x.within + y.within - 2 * across / (x.weights.sum(0) * y.weights.sum(0))


def interval(draws: Tensor) -> tuple[float, float]:
    """90 % percentile bootstrap interval, without the set's own figure and without NaN."""
    low, high = torch.nanquantile(draws[1:], torch.tensor(_TAILS, dtype=draws.dtype))
    return float(low), float(high)


def _summed(x: Tensor, w: Tensor, y: Tensor, v: Tensor) -> Tensor:
    """Σᵢⱼ wᵢ vⱼ k(xᵢ, yⱼ) by draw, in blocks of rows."""
    total = torch.zeros(w.shape[1], dtype=torch.float64)
    for first in range(0, len(x), _BLOCK):
        rows = slice(first, first + _BLOCK)
        kernel = (x[rows] @ y.T / x.shape[1] + 1).pow(3)
        total += (w[rows] * (kernel @ v)).sum(0)
    return total


def _ones(features: Tensor) -> Tensor:
    return torch.ones(len(features), 1, dtype=torch.float64)

"""The kernel distance between two sets of features, unbiased at any size.

Bińkowski et al., Demystifying MMD GANs, ICLR 2018 (KID): the squared maximum mean discrepancy under the kernel
k(x, y) = (x·y/d + 1)³.
"""

from __future__ import annotations

from torch import Tensor


def kernel_distance(x: Tensor, y: Tensor) -> float:
    """Unbiased MMD² of feature rows (n, d) and (m, d), in float64; may fall slightly below 0 for equal sets.

    At least two rows each; the estimator leaves out each row's product with itself.
    """
    x, y = x.double(), y.double()
    n, m = len(x), len(y)

    def kernel(p: Tensor, q: Tensor) -> Tensor:
        return (p @ q.T / p.shape[1] + 1).pow(3)

    within_x, within_y = kernel(x, x), kernel(y, y)
    same_x = (within_x.sum() - within_x.diagonal().sum()) / (n * (n - 1))
    same_y = (within_y.sum() - within_y.diagonal().sum()) / (m * (m - 1))
    return float(same_x + same_y - 2 * kernel(x, y).mean())

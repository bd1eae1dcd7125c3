"""Content preservation: each output compared with its input.

All figures are of luma (0.299 R + 0.587 G + 0.114 B), one an image, 1 for an image compared with itself. They ignore
colour, and the first two also ignore changes of brightness and contrast.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.linalg import vector_norm

from imgcycle.nets.compact import LUMA

SIGMA = 3.0
"""Standard deviation of the blur before gradients, in pixels of an image whose shorter side has 256."""
STRONG = 0.2
"""Share of an image that counts as its edges."""


def luma(images: Tensor) -> Tensor:
    """Luma (N, 1, H, W) in levels 0..255 of float NCHW RGB in [-1, 1]."""
    red, green, blue = torch.chunk((images.float() + 1) * 127.5, 3, dim=1)
    of_red, of_green, of_blue = LUMA
    return of_red * red + of_green * green + of_blue * blue


def edge_agreement(source: Tensor, made: Tensor) -> Tensor:
    """Coarse edge agreement: the cosine between the signed luma gradients of two batches where either has an edge.

    Σ g·h / √(Σ g² Σ h²), where g and h are the gradients (central differences) after a Gaussian blur of σ = 3 px at
    256², and the sums run over the pixels where |g| or |h| is among the strongest fifth of its own picture. An edge
    that was lost and one that was added count alike, whatever brush strokes do on finer scales; since the sign
    counts, an inverted picture is at −1.

    Photographs against the same with a random painting by Monet exposed over them (100 at 256², three draws):
    0.86 on average and 0.74 at the 10th percentile for 40 % of it, 0.75 and 0.58 for half; 0.99 after colour
    transfer. Taken over all pixels the cosine is lower (0.83 and 0.68 for 40 %) and less of the ghost's doing.
    """
    g, h = _gradients(source), _gradients(made)
    edges = (_strong(g) | _strong(h)).unsqueeze(1)
    g, h = (g * edges).flatten(1), (h * edges).flatten(1)
    # Two flat images agree; a flat one and another do not.
    length_g, length_h = vector_norm(g, dim=1), vector_norm(h, dim=1)
    agreement = (g * h).sum(1) / (length_g * length_h).clamp_min(1e-9)
    return torch.where(length_g + length_h == 0, 1.0, agreement)


def structure_similarity(source: Tensor, made: Tensor) -> Tensor:
    """Structure term of SSIM, (σ_xy + c)/(σ_x σ_y + c), averaged over Gaussian windows of 11 px, σ = 1.5.

    Wang et al., Image Quality Assessment, IEEE TIP 2004, equation 10, c = (0.03 · 255)²/2. It measures fine structure,
    which a painter's strokes replace by intention.
    """
    x, y = luma(source), luma(made)
    window = _gaussian(1.5, 5, x.device)

    def mean(values: Tensor) -> Tensor:
        return _blurred(values, window)

    mean_x, mean_y = mean(x), mean(y)
    spread_x = (mean(x * x) - mean_x.square()).clamp_min(0).sqrt()
    spread_y = (mean(y * y) - mean_y.square()).clamp_min(0).sqrt()
    shared = mean(x * y) - mean_x * mean_y
    c = (0.03 * 255) ** 2 / 2
    return ((shared + c) / (spread_x * spread_y + c)).mean((1, 2, 3))


def luma_correlation(source: Tensor, made: Tensor) -> Tensor:
    """Correlation of input and output luma over all pixels; 0 where either is flat."""
    x, y = luma(source).flatten(1), luma(made).flatten(1)
    x, y = x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    correlation: Tensor = (x * y).sum(1) / (vector_norm(x, dim=1) * vector_norm(y, dim=1)).clamp_min(1e-6)
    return correlation


def psnr(source: Tensor, made: Tensor) -> Tensor:
    """Peak signal-to-noise ratio over all channels in dB, of 8-bit levels.

    At most 58.9 dB, the error of rounding to 8 bits alone, so that an exact copy has a finite figure.
    """
    squared = ((source.float() - made.float()) * 127.5).square().flatten(1).mean(1)
    return 10 * torch.log10(255**2 / squared.clamp_min(1 / 12))


def _gradients(images: Tensor) -> Tensor:
    """Differences of the blurred luma down and across, (N, 2, H, W), signed."""
    sigma = SIGMA * min(images.shape[-2:]) / 256
    radius = min(round(4 * sigma), min(images.shape[-2:]) - 1)
    grey = F.pad(luma(images), [radius] * 4, mode="reflect")
    smooth = _blurred(grey, _gaussian(sigma, radius, grey.device))
    return torch.cat(torch.gradient(smooth, dim=(2, 3)), 1)


def _strong(gradients: Tensor) -> Tensor:
    """Mask (N, H, W) of the strongest fifth of an image's gradients."""
    size = vector_norm(gradients, dim=1)
    least = torch.quantile(size.flatten(1), 1 - STRONG, dim=1).view(-1, 1, 1)
    strong: Tensor = size >= least
    return strong


def _gaussian(sigma: float, radius: int, device: torch.device) -> Tensor:
    taps = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=device) / sigma).square())
    return taps / taps.sum()


def _blurred(images: Tensor, taps: Tensor) -> Tensor:
    """Luma (N, 1, H, W) filtered with a separable window, without padding."""
    return F.conv2d(F.conv2d(images, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))

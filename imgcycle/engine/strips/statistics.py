"""Statistics of norms: accumulated strip by strip, merged, and turned into a scale and a shift.

Two sets of values are merged by

    M2 = M2_a + M2_b + (mean_b − mean_a)² · n_a n_b / (n_a + n_b)

with M2 the sum of squared deviations from the mean: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm
for computing sample variances, 1979, equation 2.1. The middle term is the variance *between* the strips, without which
no strip-wise norm equals the whole image's.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.nets.stages import Norm

_FLAT = 2.0**-19
"""Standard deviation as a share of the mean below which a plane is flat: the rest is float32 rounding."""
_PIECE = 2**18
"""Values reduced at a time on a CPU: a piece in float64 stays in its cache."""
_HALF_PIECE = 2**19
"""The same of 16 bits, which take half of that; more would take as long."""
_GROUP = 32
"""Neighbours in a row that are summed in float32."""
_LARGE_PIECE = 2**24
"""On a GPU few pieces are few kernels; one takes 128 MiB."""


@dataclass(frozen=True, slots=True, eq=False)
class NormStatistics:
    """Count of values per channel, their mean and the sum of their squared distances from it (float64, (C,)).

    They stay on the device of the planes, so that nothing waits for a GPU at a norm.
    """

    count: int
    mean: Tensor
    m2: Tensor

    @classmethod
    def empty(cls, channels: int) -> NormStatistics:
        """Statistics of no values."""
        return cls(0, torch.zeros(channels, dtype=torch.float64), torch.zeros(channels, dtype=torch.float64))

    @classmethod
    def of(cls, x: Tensor) -> NormStatistics:
        """Statistics of one image's planes, (1, C, h, w), of any float dtype.

        Summed in float64, in which the square of a float32 is exact: however a plane is cut into strips of whole rows,
        the statistics agree to 1e-13, and so nearly always give the same float32 scale, and the same bits from there
        on. Of 16 bits on a CPU groups of neighbours in a row are summed in float32 first, which takes a third of the
        time and is as true as such planes are: the groups begin where rows do, so that strips agree as well.
        """
        if x.device.type == "cpu" and x.dtype.itemsize == 2:
            return cls._of_half(x)
        channels = x.shape[1]
        x = x.cpu() if x.device.type == "mps" else x  # which knows no float64
        values = x.permute(0, 2, 3, 1).reshape(-1, channels)
        found = cls.empty(channels)
        rows = max(1, (_PIECE if x.device.type == "cpu" else _LARGE_PIECE) // channels)
        for first in range(0, len(values), rows):
            wide = values[first : first + rows].to(torch.float64, copy=True)
            mean = wide.mean(0)
            m2 = wide.sub_(mean).square_().sum(0)
            found = found.merged(cls(len(wide), mean, m2))
        return found

    @classmethod
    def _of_half(cls, x: Tensor) -> NormStatistics:
        values = x.permute(0, 2, 3, 1)[0]
        height, width, channels = values.shape
        found = cls.empty(channels)
        columns = max(_GROUP, _HALF_PIECE // channels // _GROUP * _GROUP)
        for left in range(0, width, columns):
            wide = min(columns, width - left)
            rows = max(1, _HALF_PIECE // (wide * channels))
            for top in range(0, height, rows):
                found = found.merged(cls._of_rows(values[top : top + rows, left : left + wide]))
        return found

    @classmethod
    def _of_rows(cls, values: Tensor) -> NormStatistics:
        """Statistics of (rows, columns, C), through the distances from each row's first value, of which few are large:
        so float32 loses nothing to their mean, and a flat plane stays exactly flat.
        """
        part = values.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
        width = part.shape[1]
        first = part[:, :1].clone()
        part.sub_(first)
        total = _row_sums(part)
        square = _row_sums(part.square_())
        mean = first[:, 0].double() + total / width
        whole = mean.mean(0)
        m2 = (square - total.square() / width).sum(0) + width * (mean - whole).square_().sum(0)
        return cls(len(part) * width, whole, m2)

    def merged(self, other: NormStatistics) -> NormStatistics:
        """Statistics of both sets of values together."""
        if not self.count or not other.count:
            return other if other.count else self
        count = self.count + other.count
        apart = other.mean - self.mean
        mean = self.mean + apart * (other.count / count)
        return NormStatistics(count, mean, self.m2 + other.m2 + apart**2 * (self.count * other.count / count))

    def pooled(self) -> NormStatistics:
        """All channels as one set of values, as for a layer norm; (1,)."""
        mean = self.mean.mean()
        m2 = self.m2.sum() + self.count * (self.mean - mean).square().sum()
        return NormStatistics(self.count * len(self.mean), mean.reshape(1), m2.reshape(1))


def _row_sums(part: Tensor) -> Tensor:
    """Sums (rows, C), in float64, of float32 (rows, columns, C): groups of columns in float32, whose order does not
    depend on the other rows or on the number of threads, then the groups.
    """
    rows, width, channels = part.shape
    whole = width // _GROUP * _GROUP
    groups = part[:, :whole].view(rows, whole // _GROUP, _GROUP, channels)
    return groups.sum(2).double().sum(1) + part[:, whole:].double().sum(1)


@dataclass(frozen=True, slots=True, eq=False)
class Affine:
    """A norm with known statistics: x · scale + shift, (C,) of float64, or as converted by `to`."""

    scale: Tensor
    shift: Tensor

    def to(self, device: torch.device, dtype: torch.dtype) -> Affine:
        """A copy on a device, for planes of `dtype`: in float32 at least, as a norm's own kernel computes."""
        wide = torch.promote_types(dtype, torch.float32)
        return Affine(self.scale.to(device, wide), self.shift.to(device, wide))

    def __call__(self, x: Tensor) -> Tensor:
        """Apply to NCHW planes; computed in the dtype of the scale, returned in that of `x`."""
        if x.dtype.itemsize == 2:
            # One pass without a wide copy: converted, multiplied, added and rounded in registers, to the same bits.
            zero, one = torch.zeros_like(self.scale), torch.ones_like(self.scale)
            return F.batch_norm(x, zero, one, self.scale, self.shift, eps=0.0)
        scale, shift = self.scale.view(1, -1, 1, 1), self.shift.view(1, -1, 1, 1)
        return torch.addcmul(shift, x.to(scale.dtype), scale).to(x.dtype)


def affine_of(norm: Norm, moments: NormStatistics) -> Affine:
    """Scale and shift of a norm for known statistics.

    Instance: (x − mean) / √(variance + eps), the variance biased. Layer: the same over all channels, or (x − mean) /
    (std + eps) with n − 1 in the variance if the norm is `unbiased`. Then the norm's own affine parameters. A flat
    plane becomes exactly the shift: division by √eps would amplify its rounding 316 times a norm, and a uniform image
    would end in noise. ValueError for a batch norm, whose statistics are not an image's.
    """
    if norm.kind == "batch" or norm.running is not None:
        raise ValueError("a batch norm's moments are not one picture's")
    known = moments.pooled() if norm.kind == "layer" else moments
    if norm.kind == "layer" and norm.unbiased:
        deviation = (known.m2 / max(1, known.count - 1)).sqrt()
        scale = 1 / (deviation + norm.eps)
    else:
        scale = 1 / (known.m2 / max(1, known.count) + norm.eps).sqrt()
    scale = torch.where(known.m2 <= known.count * (_FLAT * known.mean) ** 2, 0.0, scale)
    shift = -known.mean * scale
    scale, shift = scale.expand_as(moments.mean), shift.expand_as(moments.mean)
    if norm.weight is not None:
        weight = norm.weight.detach().to(scale)
        scale, shift = scale * weight, shift * weight
    if norm.bias is not None:
        shift = shift + norm.bias.detach().to(scale)
    return Affine(scale.contiguous(), shift.contiguous())

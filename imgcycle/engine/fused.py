"""Fused upsampling and convolution, computed on the small planes with the same result.

Linear upsampling by 2 followed by a 3×3 convolution is linear in the small planes: each of the four output pixels of an
input pixel (its phases) is a 3×3 convolution of them. Four phases of 16 channels fill a matrix unit that 16 channels
leave half empty, the upsampled planes are never written, and the arithmetic is no more than before. A following
convolution with few output channels can read the phases directly, and gives four times as many channels at a quarter of
the size.

Only the order of summation changes. Pixels next to the image's edge, where upsampling replicates and padding reflects,
are computed the ordinary way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.nets.stages import Activation, Conv, Stage, Upsample, upsample

_FEW = 16
"""Output channels up to which a convolution leaves so much of a matrix unit empty that phases pay off."""
_TAPS = torch.tensor(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ],
    dtype=torch.float64,
)
"""For both phases: the upsampled values at −1, 0, 1 around it as weights of the small ones at −1, 0, 1."""


@dataclass(frozen=True, eq=False)
class FusedUpsampleConv:
    """Upsample and a 3×3 convolution with reflection padding: (C, h, w) to (K, 2h, 2w), or to its phases (4K, h, w).

    Channel 4k + 2p + q holds channel k at rows 2i + p and columns 2j + q.
    """

    conv: Conv
    weight: Tensor
    bias: Tensor | None
    phased: bool

    def __call__(self, x: Tensor, top: bool = True, bottom: bool = True) -> Tensor:
        """Apply both to rows of small planes; one more row is given where the image does not end."""
        made = F.conv2d(F.pad(x, (1, 1, int(top), int(bottom)), "replicate"), self.weight, self.bias)
        self._edges(x, made, top, bottom)
        return made if self.phased else F.pixel_shuffle(made, 2)

    def _edges(self, x: Tensor, made: Tensor, top: bool, bottom: bool) -> None:
        """Overwrite the outermost upsampled rows and columns, where reflection and replication differ."""
        phases = _phases(made)
        for ends, side, phase, edge in ((top, 0, 0, x[:, :, :2]), (bottom, -1, 1, x[:, :, -2:])):
            if ends:
                row = self._row(edge, bottom=bool(phase))
                phases[:, :, phase, 0, side], phases[:, :, phase, 1, side] = row[..., ::2], row[..., 1::2]
        rows = slice(0 if top else 2, None if bottom else -2)
        for side, phase, edge in ((0, 0, x[..., :2]), (-1, 1, x[..., -2:])):
            column = self._row(edge.transpose(2, 3), bottom=bool(phase), across=True)[..., rows]
            phases[:, :, 0, phase, :, side], phases[:, :, 1, phase, :, side] = column[..., ::2], column[..., 1::2]

    def _row(self, edge: Tensor, *, bottom: bool, across: bool = False) -> Tensor:
        """Outermost row (N, K, 2w) of the result, from the two outermost small rows (N, C, 2, w)."""
        doubled = upsample(edge, "linear")
        pair = doubled[:, :, -2:] if bottom else doubled[:, :, :2]
        pair = F.pad(pair, (1, 1, 0, 1) if bottom else (1, 1, 1, 0), "reflect")
        weight = self.conv.weight.transpose(2, 3) if across else self.conv.weight
        return F.conv2d(pair, weight, self.conv.bias)[:, :, 0]


@dataclass(frozen=True, eq=False)
class SubpixelConv:
    """A convolution with few outputs and reflection padding, on phases (4C, h, w): to (K, 2h, 2w)."""

    weight: Tensor
    bias: Tensor | None

    def __call__(self, x: Tensor, top: bool = True, bottom: bool = True) -> Tensor:
        """Apply it to rows of phases; one more row is given where the image does not end."""
        return F.pixel_shuffle(F.conv2d(_mirrored(x, top, bottom), self.weight, self.bias), 2)


Fused = FusedUpsampleConv | SubpixelConv
AnyStage = Stage | Fused


def fused(chain: Sequence[Stage]) -> list[AnyStage]:
    """The chain with fusible stages replaced; weights are read now and must not change afterwards."""
    out: list[AnyStage] = []
    n = 0
    while n < len(chain):
        stage, after = chain[n], chain[n + 1] if n + 1 < len(chain) else None
        if isinstance(stage, Upsample) and stage.mode == "linear" and isinstance(after, Conv) and _fits(after, 3):
            tail = chain[n + 2 : n + 4]
            phased = (
                len(tail) == 2
                and isinstance(tail[0], Activation)
                and isinstance(tail[1], Conv)
                and _fits(tail[1], 5)
                and tail[1].weight.shape[0] <= _FEW // 4
            )
            out.append(_doubling(after, phased))
            n += 2
            if phased:
                activation, conv = tail
                assert isinstance(conv, Conv)
                out += [activation, _phased(conv)]
                n += 2
            continue
        out.append(stage)
        n += 1
    return out


def _fits(conv: Conv, kernel: int) -> bool:
    same = conv.weight.shape[2:] == (kernel, kernel) and conv.pads == (kernel // 2, kernel // 2)
    return same and conv.stride == 1 and conv.mode == "reflect" and conv.groups == 1


def _doubling(conv: Conv, phased: bool) -> FusedUpsampleConv:
    # (out, phase row, phase column, in, row, column)
    taps = _TAPS.to(conv.weight.device)
    weight = torch.einsum("ocyx,pya,qxb->opqcab", conv.weight.double(), taps, taps)
    return FusedUpsampleConv(conv, _ready(weight.flatten(0, 2), conv), _spread(conv.bias), phased)


def _phased(conv: Conv) -> SubpixelConv:
    """A 5×5 convolution of the upsampled planes as a 3×3 one of their phases."""
    outputs, inputs = conv.weight.shape[:2]
    weight = torch.zeros((outputs, 2, 2, inputs, 2, 2, 3, 3), dtype=torch.float64, device=conv.weight.device)
    for p in range(2):
        for q in range(2):
            for y in range(5):
                for x in range(5):
                    row, column = p + y - 2, q + x - 2
                    at = (row % 2, column % 2, row // 2 + 1, column // 2 + 1)
                    weight[:, p, q, :, at[0], at[1], at[2], at[3]] = conv.weight[:, :, y, x].double()
    return SubpixelConv(_ready(weight.flatten(3, 5).flatten(0, 2), conv), _spread(conv.bias))


def _ready(weight: Tensor, conv: Conv) -> Tensor:
    return weight.to(conv.weight.dtype).contiguous(memory_format=torch.channels_last)


def _spread(bias: Tensor | None) -> Tensor | None:
    return None if bias is None else bias.repeat_interleave(4)


def _phases(x: Tensor) -> Tensor:
    """View with the phase's row and column as dimensions 2 and 3."""
    return x.view(x.shape[0], -1, 2, 2, *x.shape[2:])


def _mirrored(x: Tensor, top: bool, bottom: bool) -> Tensor:
    """Phases padded by one on each side so that the upsampled planes are reflected by two.

    The first row is preceded by the first phase of the second row and its own second phase; likewise after the last.
    """
    out = F.pad(x, (1, 1, int(top), int(bottom)), "replicate")
    phases = _phases(out)
    if top:
        phases[:, :, 0, :, 0] = phases[:, :, 0, :, 2]
    if bottom:
        phases[:, :, 1, :, -1] = phases[:, :, 1, :, -3]
    phases[:, :, :, 0, :, 0], phases[:, :, :, 1, :, -1] = phases[:, :, :, 0, :, 2], phases[:, :, :, 1, :, -3]
    return out

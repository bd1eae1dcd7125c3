"""Inception-v3 of the FID literature, from a weights file of the user's; and the inception score.

The layout is that of `pt_inception-2015-12-05-6726825d.pth` (pytorch-fid's port of the 2015 TensorFlow graph):
torchvision's names, 1008 classes, and three differences from the paper's net that figures depend on: average pooling
excludes the padding, the last block uses max pooling, and the score is computed on logits without bias.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.errors import WeightsError, from_system

SIZE = 299
PUBLISHED = "6726825d"
"""First digits of the published file's SHA-256."""


class InceptionNet:
    """Inception-v3 up to its last pooling: 2048 features an image, and 1008 logits for the inception score."""

    name = "Inception-v3"

    def __init__(self, path: Path, device: torch.device) -> None:
        self.device = device
        self.digest, state = _read(path)
        self._net = Inception()
        _fill(self._net, state, path)
        self._net.eval().requires_grad_(False).to(device)

    def features(self, images: Iterable[Tensor]) -> Tensor:
        """Features (n, 2048) float32 of batches of float NCHW RGB in [-1, 1].

        Images are scaled to 299×299 bilinearly without antialiasing, as in pytorch-fid.
        """
        return torch.cat([self.both(batch)[0] for batch in images])

    @torch.inference_mode()
    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 2048) and unbiased logits (N, 1008) of one batch."""
        x = images.to(self.device).float()
        x = F.interpolate(x, (SIZE, SIZE), mode="bilinear", align_corners=False)
        pooled = self._net(x).mean((2, 3))
        return pooled.cpu(), F.linear(pooled, self._net.fc.weight).cpu()


def inception_score(logits: Tensor, parts: int = 10) -> float:
    """exp E KL(p(class | image) ‖ p(class)), averaged over `parts` consecutive parts of the logits.

    Salimans et al., Improved Techniques for Training GANs, NIPS 2016. Ten parts are the published practice; a part of n
    images scores n at most, so figures are comparable only at equal counts.
    """
    scores = []
    for part in logits.double().tensor_split(min(parts, len(logits))):
        log_p = part.log_softmax(1)
        log_mean = torch.logsumexp(log_p, 0) - torch.log(torch.tensor(float(len(part))))
        scores.append((log_p.exp() * (log_p - log_mean)).sum(1).mean().exp())
    return float(torch.stack(scores).mean())


class InceptionUnit(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self, inner: int, outer: int, kernel: int | tuple[int, int], stride: int = 1, same: bool = True
    ) -> None:
        super().__init__()
        high, wide = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (high // 2, wide // 2) if same else (0, 0)
        self.conv = nn.Conv2d(inner, outer, (high, wide), stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outer, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


def _mean_around(x: Tensor) -> Tensor:
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


class BlockA(nn.Module):
    """Blocks 5b, 5c, 5d: 1×1, 5×5, two 3×3, pooling."""

    def __init__(self, inner: int, pool: int) -> None:
        super().__init__()
        self.branch1x1 = InceptionUnit(inner, 64, 1)
        self.branch5x5_1 = InceptionUnit(inner, 48, 1)
        self.branch5x5_2 = InceptionUnit(48, 64, 5)
        self.branch3x3dbl_1 = InceptionUnit(inner, 64, 1)
        self.branch3x3dbl_2 = InceptionUnit(64, 96, 3)
        self.branch3x3dbl_3 = InceptionUnit(96, 96, 3)
        self.branch_pool = InceptionUnit(inner, pool, 1)

    def forward(self, x: Tensor) -> Tensor:
        five = self.branch5x5_2(self.branch5x5_1(x))
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch1x1(x), five, twice, self.branch_pool(_mean_around(x))], 1)


class BlockB(nn.Module):
    """Block 6a: halves the size."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3 = InceptionUnit(inner, 384, 3, 2, same=False)
        self.branch3x3dbl_1 = InceptionUnit(inner, 64, 1)
        self.branch3x3dbl_2 = InceptionUnit(64, 96, 3)
        self.branch3x3dbl_3 = InceptionUnit(96, 96, 3, 2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        twice = self.branch3x3dbl_3(self.branch3x3dbl_2(self.branch3x3dbl_1(x)))
        return torch.cat([self.branch3x3(x), twice, F.max_pool2d(x, 3, 2)], 1)


class BlockC(nn.Module):
    """Blocks 6b to 6e: 7×7 as rows and columns."""

    def __init__(self, inner: int, middle: int) -> None:
        super().__init__()
        self.branch1x1 = InceptionUnit(inner, 192, 1)
        self.branch7x7_1 = InceptionUnit(inner, middle, 1)
        self.branch7x7_2 = InceptionUnit(middle, middle, (1, 7))
        self.branch7x7_3 = InceptionUnit(middle, 192, (7, 1))
        self.branch7x7dbl_1 = InceptionUnit(inner, middle, 1)
        self.branch7x7dbl_2 = InceptionUnit(middle, middle, (7, 1))
        self.branch7x7dbl_3 = InceptionUnit(middle, middle, (1, 7))
        self.branch7x7dbl_4 = InceptionUnit(middle, middle, (7, 1))
        self.branch7x7dbl_5 = InceptionUnit(middle, 192, (1, 7))
        self.branch_pool = InceptionUnit(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        seven = self.branch7x7_3(self.branch7x7_2(self.branch7x7_1(x)))
        twice = self.branch7x7dbl_3(self.branch7x7dbl_2(self.branch7x7dbl_1(x)))
        twice = self.branch7x7dbl_5(self.branch7x7dbl_4(twice))
        return torch.cat([self.branch1x1(x), seven, twice, self.branch_pool(_mean_around(x))], 1)


class BlockD(nn.Module):
    """Block 7a: halves the size."""

    def __init__(self, inner: int) -> None:
        super().__init__()
        self.branch3x3_1 = InceptionUnit(inner, 192, 1)
        self.branch3x3_2 = InceptionUnit(192, 320, 3, 2, same=False)
        self.branch7x7x3_1 = InceptionUnit(inner, 192, 1)
        self.branch7x7x3_2 = InceptionUnit(192, 192, (1, 7))
        self.branch7x7x3_3 = InceptionUnit(192, 192, (7, 1))
        self.branch7x7x3_4 = InceptionUnit(192, 192, 3, 2, same=False)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_2(self.branch3x3_1(x))
        seven = self.branch7x7x3_4(self.branch7x7x3_3(self.branch7x7x3_2(self.branch7x7x3_1(x))))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)


class BlockE(nn.Module):
    """Blocks 7b and 7c: 3×3 as a row and a column in parallel; the last one uses max pooling."""

    def __init__(self, inner: int, by_maximum: bool) -> None:
        super().__init__()
        self.by_maximum = by_maximum
        self.branch1x1 = InceptionUnit(inner, 320, 1)
        self.branch3x3_1 = InceptionUnit(inner, 384, 1)
        self.branch3x3_2a = InceptionUnit(384, 384, (1, 3))
        self.branch3x3_2b = InceptionUnit(384, 384, (3, 1))
        self.branch3x3dbl_1 = InceptionUnit(inner, 448, 1)
        self.branch3x3dbl_2 = InceptionUnit(448, 384, 3)
        self.branch3x3dbl_3a = InceptionUnit(384, 384, (1, 3))
        self.branch3x3dbl_3b = InceptionUnit(384, 384, (3, 1))
        self.branch_pool = InceptionUnit(inner, 192, 1)

    def forward(self, x: Tensor) -> Tensor:
        three = self.branch3x3_1(x)
        twice = self.branch3x3dbl_2(self.branch3x3dbl_1(x))
        pooled = F.max_pool2d(x, 3, 1, 1) if self.by_maximum else _mean_around(x)
        sides = [self.branch3x3_2a(three), self.branch3x3_2b(three)]
        far = [self.branch3x3dbl_3a(twice), self.branch3x3dbl_3b(twice)]
        return torch.cat([self.branch1x1(x), *sides, *far, self.branch_pool(pooled)], 1)


class Inception(nn.Module):
    """The net of Szegedy et al., Rethinking the Inception Architecture, CVPR 2016, without its auxiliary classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = InceptionUnit(3, 32, 3, 2, same=False)
        self.Conv2d_2a_3x3 = InceptionUnit(32, 32, 3, same=False)
        self.Conv2d_2b_3x3 = InceptionUnit(32, 64, 3)
        self.Conv2d_3b_1x1 = InceptionUnit(64, 80, 1)
        self.Conv2d_4a_3x3 = InceptionUnit(80, 192, 3, same=False)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB(288)
        self.Mixed_6b = BlockC(768, 128)
        self.Mixed_6c = BlockC(768, 160)
        self.Mixed_6d = BlockC(768, 160)
        self.Mixed_6e = BlockC(768, 192)
        self.Mixed_7a = BlockD(768)
        self.Mixed_7b = BlockE(1280, by_maximum=False)
        self.Mixed_7c = BlockE(2048, by_maximum=True)
        self.fc = nn.Linear(2048, 1008)

    def forward(self, x: Tensor) -> Tensor:
        """float NCHW RGB in [-1, 1] at 299×299 → (N, 2048, 8, 8), before pooling."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = F.max_pool2d(x, 3, 2)
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x))
        x = F.max_pool2d(x, 3, 2)
        x = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x)))
        x = self.Mixed_6b(self.Mixed_6a(x))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(x)))
        x = self.Mixed_7a(x)
        return torch.as_tensor(self.Mixed_7c(self.Mixed_7b(x)))


def _read(path: Path) -> tuple[str, Mapping[str, object]]:
    """SHA-256 and content of the file."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        state = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise from_system(WeightsError, error, f"{path} cannot be read", "--inception takes a file") from error
    except Exception as error:  # a damaged pickle raises various exceptions
        raise WeightsError(f"{path} is not a file of weights", _HINT) from error
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path} holds no weights by name", _HINT)
    return digest, state


def _fill(net: Inception, state: Mapping[str, object], path: Path) -> None:
    """Fill in every tensor by name and shape; WeightsError names the first that does not fit."""
    # Batch counts are missing in files as old as the published one; the auxiliary classifier is not used.
    wanted = {name: tensor for name, tensor in net.state_dict().items() if not name.endswith("num_batches_tracked")}
    for name, own in wanted.items():
        found = state.get(name)
        if not isinstance(found, Tensor) or found.shape != own.shape:
            what = f"of shape {tuple(found.shape)}" if isinstance(found, Tensor) else "missing"
            raise WeightsError(f"{path}: {name} is {what}", _HINT)
        own.copy_(found)


_HINT = "--inception reads the layout of pt_inception-2015-12-05-6726825d.pth"

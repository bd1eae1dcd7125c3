"""Our distances against those of torchmetrics, on random features."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from imgcycle.metrics.content import psnr
from imgcycle.metrics.frechet import frechet_distance
from imgcycle.metrics.inception import inception_score
from imgcycle.metrics.kid import kernel_distance

fid = pytest.importorskip("torchmetrics.image.fid")
kid = pytest.importorskip("torchmetrics.image.kid")
image = pytest.importorskip("torchmetrics.image")
scores = pytest.importorskip("torchmetrics.image.inception")
pytestmark = pytest.mark.filterwarnings("ignore:Metric")


class AsTheyAre(nn.Module):
    """Pictures of one column, which are their features."""

    num_features = 8

    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1)[:, :8].float()


@pytest.fixture
def sets() -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(40, 8).abs(), torch.randn(30, 8).abs() * 1.5 + 0.2


def test_kernel_distance(sets: tuple[Tensor, Tensor]) -> None:
    x, y = sets
    x = x[:30]
    peer = kid.KernelInceptionDistance(feature=AsTheyAre(), subsets=1, subset_size=30)
    peer.update(x[..., None, None], real=False)
    peer.update(y[..., None, None], real=True)
    assert kernel_distance(x, y) == pytest.approx(float(peer.compute()[0]), rel=1e-4)


def test_frechet_distance(sets: tuple[Tensor, Tensor]) -> None:
    peer = fid.FrechetInceptionDistance(feature=AsTheyAre())
    for features, real in zip(sets, (False, True), strict=True):
        peer.update(features[..., None, None], real=real)
    assert frechet_distance(*sets) == pytest.approx(float(peer.compute()), rel=1e-4)


def test_inception_score(sets: tuple[Tensor, Tensor]) -> None:
    peer = scores.InceptionScore(feature=AsTheyAre(), splits=2)
    torch.manual_seed(7)
    # It shuffles before it parts: the same draw puts our rows in its order.
    order = torch.randperm(40)
    torch.manual_seed(7)
    peer.update(3 * sets[0][..., None, None])
    assert inception_score(3 * sets[0][order], parts=2) == pytest.approx(float(peer.compute()[0]), rel=1e-4)


def test_psnr() -> None:
    torch.manual_seed(0)
    x, y = torch.rand(1, 3, 20, 20) * 2 - 1, torch.rand(1, 3, 20, 20) * 2 - 1
    peer = image.PeakSignalNoiseRatio(data_range=2.0)
    assert float(psnr(x, y)) == pytest.approx(float(peer(x, y)), rel=1e-5)

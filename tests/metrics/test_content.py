"""What was kept: against the definitions in NumPy and OpenCV, and for what each measure must and must not see."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from imgcycle.metrics.content import edge_agreement, luma_correlation, psnr, structure_similarity
from tests.media.pictures import scene


def picture(seed: int, size: int = 256) -> Tensor:
    """A smooth random scene as float NCHW in [-1, 1]."""
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(0, 255, (9, 9, 3)).astype(np.float32)
    fine = cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) + rng.normal(0, 5, (size, size, 3))
    return unit(fine.clip(0, 255))


def unit(levels: np.ndarray[Any, Any]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1))).float()[None] / 127.5 - 1


def grey(image: Tensor) -> np.ndarray[Any, Any]:
    levels = (image[0].double().numpy() + 1) * 127.5
    return np.asarray(np.tensordot([0.299, 0.587, 0.114], levels, 1))


def by_definition(x: Tensor, y: Tensor) -> float:
    fields = []
    for image in (x, y):
        smooth = cv2.GaussianBlur(grey(image), (25, 25), 3, borderType=cv2.BORDER_REFLECT_101)
        fields.append(np.stack(np.gradient(smooth)))
    sizes = [np.sqrt((g**2).sum(0)) for g in fields]
    edges = (sizes[0] >= np.quantile(sizes[0], 0.8)) | (sizes[1] >= np.quantile(sizes[1], 0.8))
    g, h = (field[:, edges] for field in fields)
    return float((g * h).sum() / np.sqrt((g**2).sum() * (h**2).sum()))


def test_edge_agreement_is_what_it_says() -> None:
    for n in range(3):
        x, y = picture(n), 0.6 * picture(n) + 0.4 * picture(n + 10)
        assert float(edge_agreement(x, y)) == pytest.approx(by_definition(x, y), abs=1e-3)


def test_edge_agreement_sees_ghosts_and_losses_but_not_tones_or_strokes() -> None:
    x, ghost = picture(0), picture(1)
    half = torch.cat([x[..., :128], x[..., 127:128].expand(-1, -1, -1, 128)], 3)
    strokes = x + 0.15 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    seen = {
        name: float(edge_agreement(x, made))
        for name, made in {
            "same": x,
            "darker, flatter": 0.5 * x - 0.3,
            "strokes": strokes,
            "ghost 40": 0.6 * x + 0.4 * ghost,
            "ghost 50": 0.5 * x + 0.5 * ghost,
            "half": half,
            "negative": -x,
        }.items()
    }
    assert seen["same"] == pytest.approx(1, abs=1e-5)
    assert seen["darker, flatter"] == pytest.approx(1, abs=1e-4)
    assert seen["strokes"] > 0.97
    assert seen["ghost 50"] < seen["ghost 40"] < 0.9
    assert seen["half"] < 0.9
    assert seen["negative"] == pytest.approx(-1, abs=1e-5)


def test_edge_agreement_scales_its_blur_with_the_picture() -> None:
    x = picture(0, 512)
    grainy = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    small = [torch.nn.functional.avg_pool2d(image, 2) for image in (x, grainy)]
    assert float(edge_agreement(x, grainy)) == pytest.approx(float(edge_agreement(small[0], small[1])), abs=0.01)
    assert float(edge_agreement(x, grainy)) < 0.97


def test_flat_pictures() -> None:
    flat = torch.zeros(1, 3, 64, 64)
    assert float(edge_agreement(flat, flat)) == 1
    assert float(edge_agreement(picture(0, 64), flat)) == 0
    assert float(luma_correlation(picture(0, 64), flat)) == 0
    assert float(structure_similarity(flat, flat)) == pytest.approx(1)


def test_structure_is_the_third_factor_of_ssim() -> None:
    x, y = unit(scene(64, 64, 0)), unit(scene(64, 64, 1)[::-1])
    a, b = grey(x), grey(y)

    def mean(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return np.asarray(cv2.GaussianBlur(values, (11, 11), 1.5))[5:-5, 5:-5]

    shared = mean(a * b) - mean(a) * mean(b)
    spreads = np.sqrt((mean(a * a) - mean(a) ** 2) * (mean(b * b) - mean(b) ** 2))
    c = (0.03 * 255) ** 2 / 2
    expected = ((shared + c) / (spreads + c)).mean()
    assert float(structure_similarity(x, y)) == pytest.approx(expected, abs=1e-3)


def test_luma_correlation_and_psnr() -> None:
    x, y = unit(scene(40, 40, 0)), unit(scene(40, 40, 3)[:, ::-1])
    expected = np.corrcoef(grey(x).ravel(), grey(y).ravel())[0, 1]
    assert float(luma_correlation(x, y)) == pytest.approx(expected, abs=1e-5)
    # Ten levels everywhere: 20 log10(255 / 10) dB.
    assert float(psnr(x, x + 10 / 127.5)) == pytest.approx(28.13, abs=0.01)
    assert float(psnr(x, x)) == pytest.approx(58.92, abs=0.01)


def test_a_batch_is_measured_one_by_one() -> None:
    x, y = (torch.cat([picture(n, 64) for n in ns]) for ns in ((0, 1), (2, 3)))
    for measure in (edge_agreement, structure_similarity, luma_correlation, psnr):
        alone = torch.cat([measure(x[n : n + 1], y[n : n + 1]) for n in range(2)])
        assert torch.allclose(measure(x, y), alone, atol=1e-5)

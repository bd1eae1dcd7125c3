"""The Fréchet distance: by hand, and for more and for fewer rows than columns."""

from __future__ import annotations

import pytest
import torch

from imgcycle.metrics.frechet import frechet_distance


def test_by_hand() -> None:
    # One column: (μ − ν)² + (σ − τ)²; the spreads are √2 and 2√2.
    x, y = torch.tensor([[0.0], [2.0]]), torch.tensor([[3.0], [7.0]])
    assert frechet_distance(x, y) == pytest.approx(16 + 2)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("rows", [4, 40])
def test_equals_the_formula_with_a_root_of_a_matrix(rows: int) -> None:
    torch.manual_seed(rows)
    x, y = torch.randn(rows, 6).double(), (torch.randn(rows + 3, 6) * 2 + 1).double()
    c, d = x.T.cov(), y.T.cov()
    shared = torch.linalg.eigvals(c @ d).real.clamp_min(0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + c.trace() + d.trace() - 2 * shared
    assert frechet_distance(x, y) == pytest.approx(float(expected), rel=1e-5)

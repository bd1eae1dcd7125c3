"""Inception-v3 in the published layout, filled with random numbers: names, shapes, and where it departs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from imgcycle.errors import WeightsError
from imgcycle.metrics.inception import BlockA, BlockE, Inception, InceptionNet, inception_score


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    state = {k: v for k, v in Inception().state_dict().items() if not k.endswith("num_batches_tracked")}
    path = tmp_path_factory.mktemp("inception") / "pt_inception.pth"
    torch.save(state, path)
    return path


def test_the_published_layout() -> None:
    net = Inception()
    # Inception-v3 has 23,834,568 parameters for 1000 classes without the side exit; here there are 8 classes more.
    assert sum(p.numel() for p in net.parameters()) == 23_834_568 + 8 * 2049
    shapes = {name: tuple(tensor.shape) for name, tensor in net.state_dict().items()}
    assert shapes["Conv2d_1a_3x3.conv.weight"] == (32, 3, 3, 3)
    assert shapes["Mixed_5b.branch_pool.conv.weight"] == (32, 192, 1, 1)
    assert shapes["Mixed_6a.branch3x3dbl_3.bn.running_mean"] == (96,)
    assert shapes["Mixed_6b.branch7x7_2.conv.weight"] == (128, 128, 1, 7)
    assert shapes["Mixed_6e.branch7x7dbl_2.conv.weight"] == (192, 192, 7, 1)
    assert shapes["Mixed_7a.branch7x7x3_4.conv.weight"] == (192, 192, 3, 3)
    assert shapes["Mixed_7c.branch3x3dbl_3b.conv.weight"] == (384, 384, 3, 1)
    assert shapes["fc.weight"] == (1008, 2048)
    assert {m.eps for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)} == {0.001}


def test_features_logits_and_digest(weights: Path) -> None:
    net = InceptionNet(weights, torch.device("cpu"))
    assert net.digest == hashlib.sha256(weights.read_bytes()).hexdigest()
    image = torch.rand(1, 3, 64, 48) * 2 - 1
    features, logits = net.both(image)
    assert features.shape == (1, 2048)
    assert torch.equal(features, net.features([image]))
    state = torch.load(weights, weights_only=True)
    assert torch.allclose(logits, features @ state["fc.weight"].T, atol=1e-6)
    assert not torch.allclose(logits, features @ state["fc.weight"].T + state["fc.bias"], atol=1e-4)
    # What it sees is 299×299, bilinear without antialiasing.
    seen = F.interpolate(image, (299, 299), mode="bilinear", align_corners=False)
    assert torch.allclose(net.features([seen]), features, atol=1e-6)


@torch.inference_mode()
def test_its_pooling_is_not_the_papers() -> None:
    torch.manual_seed(0)
    x = torch.rand(1, 6, 5, 5)
    block = BlockA(6, 3).eval()
    padded = F.pad(x, [1] * 4)
    ones = F.pad(torch.ones(1, 1, 5, 5), [1] * 4)
    mean = F.avg_pool2d(padded, 3, 1) / F.avg_pool2d(ones, 3, 1)
    assert torch.allclose(block(x)[:, -3:], block.branch_pool(mean), atol=1e-6)
    for by_maximum, pooled in ((True, F.max_pool2d(x, 3, 1, 1)), (False, mean)):
        last = BlockE(6, by_maximum).eval()
        assert torch.allclose(last(x)[:, -192:], last.branch_pool(pooled), atol=1e-6)
    assert [Inception().Mixed_7b.by_maximum, Inception().Mixed_7c.by_maximum] == [False, True]


def test_other_files_are_named_as_what_they_are(weights: Path, tmp_path: Path) -> None:
    state = torch.load(weights, weights_only=True)
    bad = tmp_path / "bad.pth"
    for change, part in (
        ({"fc.weight": torch.zeros(1000, 2048)}, r"fc\.weight is of shape \(1000, 2048\)"),
        ({"Mixed_7c.branch1x1.conv.weight": None}, r"Mixed_7c\.branch1x1\.conv\.weight is missing"),
    ):
        torch.save({k: v for k, v in (state | change).items() if v is not None}, bad)
        with pytest.raises(WeightsError, match=part):
            InceptionNet(bad, torch.device("cpu"))
    bad.write_bytes(b"nothing")
    for path, part in ((bad, "not a file of weights"), (tmp_path / "none.pth", "cannot be read")):
        with pytest.raises(WeightsError, match=part):
            InceptionNet(path, torch.device("cpu"))


def test_inception_score_by_hand() -> None:
    sure = 1000 * torch.eye(4)
    assert inception_score(sure, parts=1) == pytest.approx(4)
    # Two parts of two classes each score 2.
    assert inception_score(sure, parts=2) == pytest.approx(2)
    assert inception_score(torch.zeros(5, 7)) == pytest.approx(1)

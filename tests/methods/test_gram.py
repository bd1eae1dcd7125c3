"""The Gram method: its matrices by hand, what its terms are of, and one picture that is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import NetConfig
from imgcycle.data.folders import ImageFolder
from imgcycle.errors import MissingExtra, UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.gram import Gram, GramDistance, gram_matrix, total_variation
from imgcycle.methods.registry import build_method
from imgcycle.training.loop import train
from imgcycle.weights.native import load_generator
from tests.methods.toys import tiny_config
from tests.training.toys import texture_world


def test_a_gram_matrix_by_hand() -> None:
    planes = torch.tensor([[[[1.0, 2.0]], [[3.0, 0.0]]]])
    assert torch.equal(gram_matrix(planes), torch.tensor([[[5.0, 3.0], [3.0, 9.0]]]) / 4)
    assert gram_matrix(torch.ones(2, 3, 4, 5)).shape == (2, 3, 3)


def test_total_variation_by_hand() -> None:
    image = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    assert float(total_variation(image)) == pytest.approx((1.0 + 0.0) / 2 + (0.5 + 0.5) / 2)


def test_a_picture_is_at_no_distance_from_itself_and_style_knows_no_places() -> None:
    torch.manual_seed(0)
    distance = GramDistance()
    picture = torch.rand(1, 3, 32, 32) * 2 - 1
    other = torch.linspace(-1, 1, 32).expand(1, 3, 32, 32)
    content, style = distance(picture, picture, picture)
    assert float(content) == float(style) == 0
    assert all(float(term) > 0 for term in distance(picture, other, -other))
    mirrored = picture.flip(-1)
    content, style = distance(mirrored, picture, picture)
    away = distance(other, picture, picture)
    assert float(style) < 0.2 * float(away[1]), "mirrored, a texture is nearly the same"
    assert float(content) > 0.05 * float(away[0]), "and the scene another"


def test_its_terms_have_their_weights_and_reach_the_generator_alone() -> None:
    torch.manual_seed(0)
    config = tiny_config(method="gram", lambda_content=2.0, lambda_style=3.0, lambda_tv=4.0, lambda_grid=1.0)
    method = Gram(config)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    (phase,) = method.phases()
    losses = phase(batch)
    terms = {name: float(value.detach()) for name, value in losses.items()}
    assert losses.keys() == {"content_A", "style_B", "tv_A2B", "grid_A2B"}
    fake = method.nets()["A2B"](batch.a).detach()
    content, style = GramDistance()(fake, batch.a, batch.b)
    assert terms["content_A"] == pytest.approx(2 * float(content), rel=1e-5)
    assert terms["style_B"] == pytest.approx(3 * float(style), rel=1e-5)
    assert terms["tv_A2B"] == pytest.approx(4 * float(total_variation(fake)), rel=1e-5)
    losses["style_B"].backward()
    assert all(p.grad is not None for p in method.nets()["A2B"].parameters() if p.dim() > 1)
    assert method.nets().keys() == {"A2B"}


def test_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="neither a content nor a style loss"):
        build_method(tiny_config(method="gram", lambda_content=0, lambda_style=0))
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(MissingExtra):
        build_method(tiny_config(method="gram"))


def test_one_picture_is_a_domain_for_this_method_only(tmp_path: Path) -> None:
    red, blue = texture_world(tmp_path)
    picture = blue / "0.png"
    with pytest.raises(UsageError, match="is no folder"):
        ImageFolder(picture, 40)
    assert len(ImageFolder(picture, 40, fewest=1)) == 1
    with pytest.raises(UsageError, match="is no folder"):
        train(tiny_config(a=str(red), b=str(picture), method="cut", steps=1), tmp_path / "cut")


def test_it_takes_the_colours_of_one_picture(tmp_path: Path) -> None:
    red, blue = texture_world(tmp_path, side=64)
    config = tiny_config(
        a=str(red), b=str(blue / "0.png"), method="gram", net=NetConfig("compact", 4, 1, "affine"), size=64, crop=32,
        steps=60, save_every=60, sample_every=60, lr=5e-3, ema=0.0,
    )  # fmt: skip
    train(config, tmp_path / "run")
    net, about = load_generator(tmp_path / "run/weights/A2B.safetensors")
    assert about.card["method"] == "gram"
    pixels = torch.from_numpy(np.array(Image.open(red / "1.png"))).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        before, after = (x.mean((0, 2, 3)) for x in (pixels, net(pixels.float())))
    assert before[0] > before[2], "it was red"
    assert after[2] > after[0], "it is blue"
    assert not (tmp_path / "run/weights/discriminators.safetensors").exists()

"""The Gram method: its matrices by hand, what its terms are of, and one picture that is enough."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import NetConfig
from imgcycle.data.batches import UnpairedBatches
from imgcycle.data.folders import ImageFolder
from imgcycle.errors import MissingExtra, UsageError
from imgcycle.methods.base import Batch
from imgcycle.methods.gram import (
    Gram,
    GramDistance,
    LookDistance,
    SlicedDistance,
    broad_light,
    gram_matrix,
    sliced_distance,
    standardised,
    total_variation,
)  # fmt: skip
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


def test_sliced_distances_see_what_second_moments_do_not() -> None:
    torch.manual_seed(0)
    even = torch.ones(1, 1, 8, 8)
    starry = torch.zeros(1, 1, 8, 8)
    starry[..., ::2, ::2] = 2.0
    assert torch.equal(gram_matrix(even), gram_matrix(starry))
    # Sorted, three of four values are 1 too small and one is 1 too large.
    assert float(sliced_distance(even, starry)) == pytest.approx(1.0, rel=0.01)
    assert float(sliced_distance(starry, starry.flip(-1))) < 0.01
    # Of C values that differ by 1 each, random directions see 1 / C of the squared distance C, and C times that.
    six = torch.zeros(1, 6, 8, 8)
    assert float(sliced_distance(six, six + 1)) == pytest.approx(6.0, rel=0.4)
    assert float(sliced_distance(six, torch.ones(1, 6, 3, 20))) > 3, "of other sizes, too"


def test_broad_light_by_hand() -> None:
    image = torch.zeros(1, 3, 8, 16)
    image[:, 1, :, 8:] = 1.0  # green alone, at the right
    deviation = 0.587 / 2**0.5
    high = 0.587 / 2 / (deviation + 0.05)
    assert broad_light(image).flatten().tolist() == pytest.approx([-high, high])


def test_standardised_planes_by_hand() -> None:
    planes = torch.tensor([[[[3.0, 5.0]], [[7.0, 7.0]]]])
    deviation = 2**0.5
    assert standardised(planes).flatten().tolist() == pytest.approx(
        [-1 / (deviation + 0.05), 1 / (deviation + 0.05), 0, 0]
    )


def test_distributions_leave_a_scene_its_light_and_find_the_look_of_a_whole_picture() -> None:
    torch.manual_seed(0)
    distance = SlicedDistance()
    scene = torch.rand(1, 3, 8, 8).repeat_interleave(8, 2).repeat_interleave(8, 3) * 2 - 1
    other = scene.flip(-1)
    content, style = distance(scene, scene, scene)
    assert float(content) == 0
    turned, elsewhere = distance(0.6 * scene + 0.2, scene, scene), distance(other, scene, scene)
    assert float(turned[0]) < 0.3 * float(elsewhere[0]), "a paler scene is the same scene"
    assert float(distance(-scene, scene, scene)[0]) > 2, "and a negative is not"
    assert float(elsewhere[1]) < 0.5 * float(turned[1]), "a mirrored one has the same look"
    assert float(style) < float(turned[1])
    assert distance(scene, scene, torch.rand(1, 3, 40, 96))[1] > 100 * style, "a look of any size"
    assert distance(scene, scene, scene)[1] < 10 * style, "and the first one again"


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
    assert not Gram.whole_b(config)
    assert Gram.whole_b(config.replace(style_loss="sliced"))
    assert all(p.grad is not None for p in method.nets()["A2B"].parameters() if p.dim() > 1)
    assert method.nets().keys() == {"A2B"}


def test_what_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="neither a content nor a style loss"):
        build_method(tiny_config(method="gram", lambda_content=0, lambda_style=0))
    with pytest.raises(UsageError, match="at their own size take too much memory"):
        build_method(tiny_config(method="gram", style_loss="sliced", size="full"))
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


@pytest.mark.parametrize(("style_loss", "kind"), [("gram", GramDistance), ("sliced", SlicedDistance)])
def test_the_compared_statistics_are_a_choice(style_loss: str, kind: type[LookDistance]) -> None:
    method = Gram(tiny_config(method="gram", style_loss=style_loss))
    assert type(method._distance) is kind
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 24, 50) * 2 - 1)
    losses = method.phases()[0](batch)
    losses["style_B"].backward()
    assert all(p.grad is not None for p in method.nets()["A2B"].parameters() if p.dim() > 1)


@pytest.mark.parametrize("style_loss", ["gram", "sliced"])
def test_it_takes_the_colours_of_one_picture(tmp_path: Path, style_loss: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: set[tuple[int, ...]] = set()
    load = UnpairedBatches.load

    def noted(self: UnpairedBatches, step: int, generation: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        a, b = load(self, step, generation)
        seen.add(tuple(b.shape))
        return a, b

    monkeypatch.setattr(UnpairedBatches, "load", noted)
    red, blue = texture_world(tmp_path, side=64)
    config = tiny_config(
        a=str(red), b=str(blue / "0.png"), method="gram", net=NetConfig("compact", 4, 1, "affine"), size=64, crop=32,
        steps=60, save_every=60, sample_every=60, lr=5e-3, ema=0.0, style_loss=style_loss,
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
    assert seen == {(1, 3, 64, 64) if style_loss == "sliced" else (1, 3, 32, 32)}, "the whole picture, or crops of it"

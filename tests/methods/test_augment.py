"""Each change by hand and over many dice, alike for pairs, seen through by gradients, in every method's both phases."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

from imgcycle.config import Augment
from imgcycle.methods import augment
from imgcycle.methods.augment import Augmentation, cut_out, recoloured, translated
from imgcycle.methods.base import Batch
from imgcycle.methods.registry import build_method
from tests.methods.toys import Brightness, tiny_config
from tests.training.worlds import METHODS

ALL: tuple[Augment, ...] = ("colour", "translation", "cutout")
EACH: dict[str, dict[str, Any]] = {**METHODS, **{name: {"method": name} for name in ("cyclegan", "cut", "fastcut")}}


def sets(count: int = 1, pictures: int = 1, side: int = 8) -> Tensor:
    return torch.rand(count, pictures, 3, side, side, dtype=torch.float64) * 2 - 1


def test_colours_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(augment, "BRIGHTNESS", (0.25, 0.25))
    monkeypatch.setattr(augment, "SATURATION", (2.0, 2.0))
    monkeypatch.setattr(augment, "CONTRAST", (0.5, 0.5))
    reddish, bluish = [0.4, 0.1, -0.2], [-0.5, -0.5, 0.7]
    pixels = torch.tensor([reddish, bluish], dtype=torch.float64).T.reshape(1, 1, 3, 1, 2)
    # + 0.25: greys 0.35 and 0.15, from which each channel moves as far again; then halfway to their mean, 0.25.
    expected = torch.tensor([[0.6, 0.3, 0.0], [-0.2, -0.2, 1.0]], dtype=torch.float64).T.reshape(1, 1, 3, 1, 2)
    assert torch.allclose(recoloured(pixels), expected, atol=1e-12)


def test_colours_of_many_dice_fill_the_published_ranges() -> None:
    torch.manual_seed(0)
    # A red and a cyan half: the mean of all is brightness, the spread of greys contrast, that of channels both factors.
    red = torch.tensor([0.6, 0.1, 0.1], dtype=torch.float64)
    cyan = torch.tensor([-0.6, -0.1, -0.1], dtype=torch.float64)
    made = recoloured(torch.stack([red, cyan], 1).view(1, 1, 3, 1, 2).expand(4000, 1, 3, 1, 2))[:, 0, :, 0]
    brightness = made.mean((1, 2))
    contrast = (made[..., 0].mean(1) - made[..., 1].mean(1)) / (0.8 / 3 * 2)
    saturation = (made[:, 0, 0] - made[:, 1, 0]) / 0.5 / contrast
    for found, (low, high) in ((brightness, (-0.5, 0.5)), (saturation, (0.0, 2.0)), (contrast, (0.5, 1.5))):
        span = high - low
        assert low <= float(found.min()) < low + 0.01 * span
        assert high - 0.01 * span < float(found.max()) <= high
        assert float(found.mean()) == pytest.approx((low + high) / 2, abs=0.03 * span)
        assert float(found.std()) == pytest.approx(span / 12**0.5, rel=0.05), "as uniform as that"
    drawn = torch.corrcoef(torch.stack([brightness, saturation, contrast]))
    assert float((drawn - torch.eye(3)).abs().max()) < 0.06, "independent"


def test_movements_are_whole_up_to_an_eighth_and_black_comes_in() -> None:
    torch.manual_seed(0)
    side, most = 20, 3  # 20/8 = 2.5 is rounded up, as published
    picture = sets(side=side) + 3
    seen: dict[tuple[int, int], int] = {}
    for made in translated(picture.expand(3000, -1, -1, -1, -1)):
        rows, columns = ((made[0, 0] != 0).any(dim).nonzero()[:, 0].tolist() for dim in (1, 0))
        down, right = (held[0] or held[-1] + 1 - side for held in (rows, columns))
        if (down, right) not in seen:
            by_hand = torch.zeros(3, side, side, dtype=torch.float64)
            for y, x in itertools.product(rows, columns):
                by_hand[:, y, x] = picture[0, 0, :, y - down, x - right]
            assert torch.equal(made[0], by_hand)
        seen[down, right] = seen.get((down, right), 0) + 1
    assert set(seen) == set(itertools.product(range(-most, most + 1), repeat=2))
    assert max(seen.values()) < 2 * 3000 / 49
    assert min(seen.values()) > 0.5 * 3000 / 49


@pytest.mark.parametrize(("side", "size", "centres"), [(8, 4, 9), (9, 5, 9)])
def test_half_a_side_is_cut_out_anywhere(side: int, size: int, centres: int) -> None:
    torch.manual_seed(0)
    gone = cut_out(torch.ones(3000, 1, 3, side, side))[:, 0] == 0
    assert torch.equal(gone[:, 0], gone[:, 1]), "all channels"
    rows, columns = gone[:, 0].any(2), gone[:, 0].any(1)
    assert torch.equal(gone[:, 0], rows[:, :, None] & columns[:, None, :]), "a rectangle"
    spans: dict[tuple[int, int], int] = {}
    for row in rows:
        held = row.nonzero()[:, 0]
        assert int(held[-1]) - int(held[0]) + 1 == len(held)
        spans[int(held[0]), len(held)] = spans.get((int(held[0]), len(held)), 0) + 1
    starts = [c - size // 2 for c in range(centres)]
    assert set(spans) == {(max(0, s), min(side, s + size) - max(0, s)) for s in starts}
    assert min(spans.values()) > 0.6 * 3000 / centres


def test_every_picture_has_its_own_and_a_pairs_two_have_one() -> None:
    torch.manual_seed(0)
    picture = sets()[:, 0] + 3
    pairs = Augmentation(ALL)(torch.cat([picture, picture], 1).expand(2, -1, -1, -1))
    assert torch.equal(pairs[:, :3], pairs[:, 3:])
    assert not torch.allclose(pairs[0], pairs[1])
    # Of unlike pictures each keeps its own mean, but their factors and places are one.
    torch.manual_seed(1)
    both = recoloured(torch.stack([picture, 0.5 * picture], 1))
    torch.manual_seed(1)
    assert torch.allclose(both[:, :1], recoloured(picture[:, None]))
    torch.manual_seed(1)
    assert torch.allclose(both[:, 1:], recoloured(0.5 * picture[:, None]))


def test_none_is_nothing_and_draws_nothing() -> None:
    images = torch.rand(1, 3, 8, 8)
    before = torch.get_rng_state()
    assert Augmentation(())(images) is images
    assert torch.equal(before, torch.get_rng_state())


def test_changes_are_made_in_one_order_whatever_order_they_are_named_in() -> None:
    made = []
    for names in itertools.permutations(ALL):
        torch.manual_seed(0)
        made.append(Augmentation(names)(torch.ones(1, 3, 16, 16)))
    assert all(torch.equal(one, made[0]) for one in made)
    assert float(made[0].min()) == 0, "cut out and blackened after the colours"


@pytest.mark.parametrize("change", ["colour", "translation", "cutout"])
def test_gradients_pass_through_as_through_finite_differences(change: Augment) -> None:
    images = torch.rand(1, 6, 8, 8, dtype=torch.float64, requires_grad=True)

    def changed(images: Tensor) -> Tensor:
        torch.manual_seed(3)
        return Augmentation((change,))(images)

    assert torch.autograd.gradcheck(changed, (images,))


def test_half_precision_is_widened_and_autocast_leaves_it_alone() -> None:
    images = torch.rand(2, 3, 16, 16)
    torch.manual_seed(0)
    plain = Augmentation(ALL)(images)
    torch.manual_seed(0)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Augmentation(ALL)(images), plain)
    assert Augmentation(ALL)(images.bfloat16()).dtype == torch.float32


def test_nothing_asks_the_device_for_a_value() -> None:
    """Meta tensors have none: `.item()`, or an index by a mask, would raise."""
    images = torch.empty(2, 6, 24, 16, device="meta", requires_grad=True)
    changed = Augmentation(ALL)(images)
    assert changed.shape == images.shape
    changed.sum().backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("method", EACH)
def test_every_method_changes_what_its_discriminators_see_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """A discriminator is asked about real and made pictures in its own phase, about made ones in the generator's."""
    config = tiny_config(**EACH[method], diff_augment=ALL)
    torch.manual_seed(0)
    nets = build_method(config)
    shown: list[Tensor] = []
    apply = Augmentation.__call__

    def watched(self: Augmentation, images: Tensor) -> Tensor:
        shown.append(apply(self, images))
        return shown[-1]

    monkeypatch.setattr(Augmentation, "__call__", watched)
    asked: list[tuple[str, Tensor]] = []
    for name, net in nets.nets().items():
        if name.startswith("discriminator"):
            net.register_forward_pre_hook(lambda _, args, name=name: asked.append((name, args[0])))
    a, b = (torch.rand(config.batch, 3, 32, 32) * 2 - 1 for _ in "ab")
    batch = Batch(a, b)
    before = batch.a.clone(), batch.b.clone()
    for phase in nets.phases():
        shown.clear()
        asked.clear()
        losses = phase(batch)
        seen = torch.cat([pictures.flatten() for _, pictures in asked])
        assert torch.equal(seen, torch.cat([pictures.flatten() for pictures in shown])), phase.name
        if phase.name == "generator":
            adversarial = torch.stack([value for name, value in losses.items() if name.startswith("gan")]).sum()
            adversarial.backward()  # type: ignore[no-untyped-call]
            for way in nets.directions:
                reached = [p.grad for p in nets.nets()[way].parameters() if p.grad is not None]
                assert any(float(g.abs().max()) > 0 for g in reached), way
    if method != "fastcut":  # which mirrors them
        assert torch.equal(batch.a, before[0])
        assert torch.equal(batch.b, before[1])


def test_the_pool_keeps_pictures_as_they_were_made() -> None:
    torch.manual_seed(0)
    method = build_method(tiny_config(method="simgan", diff_augment=ALL))
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    for phase in method.phases():
        phase(batch)
    assert torch.equal(method.state()["pool"][0], batch.fake["B"][0])
    assert not (batch.fake["B"] == 0).any()


def test_a_generators_gradient_is_that_of_the_changed_picture() -> None:
    """Of a discriminator that sees brightness alone, a cut-out picture teaches only the pixels that are left."""
    picture = torch.full((1, 3, 8, 8), 0.5, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    changed = Augmentation(("cutout",))(picture)
    Brightness(2.0).double()(changed).sum().backward()
    assert picture.grad is not None
    assert torch.allclose(picture.grad, 2.0 / 192 * (changed != 0).double())


def test_saved_discriminators_have_the_names_they_always_had() -> None:
    for method in ("cyclegan", "pix2pix"):
        torch.manual_seed(0)
        plain = build_method(tiny_config(**EACH[method])).nets()
        torch.manual_seed(0)
        changed = build_method(tiny_config(**EACH[method], diff_augment=ALL)).nets()
        for name, net in plain.items():
            assert list(net.state_dict()) == list(changed[name].state_dict())

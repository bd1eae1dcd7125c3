"""CUT's contrast against a float64 reference, and its phases."""

from __future__ import annotations

import pytest
import torch

from imgcycle.config import NetConfig
from imgcycle.errors import UsageError
from imgcycle.methods.adversarial import relativistic_loss
from imgcycle.methods.base import Batch
from imgcycle.methods.cut import Cut, FastCut, PatchHeads, patch_nce, tapped_channels
from imgcycle.nets.build import build_generator
from tests.methods.toys import tiny_config


def reference_nce(query: torch.Tensor, key: torch.Tensor, temperature: float) -> torch.Tensor:
    """Eq. 3, written as sums over exponentials, one patch at a time."""
    total = torch.zeros((), dtype=torch.float64)
    for image_q, image_k in zip(query, key, strict=True):
        for place, row in enumerate(image_q):
            scores = torch.exp((image_k * row).sum(1) / temperature)
            total = total - torch.log(scores[place] / scores.sum())
    return total / (query.shape[0] * query.shape[1])


def test_info_nce_and_its_gradient_equal_the_float64_reference() -> None:
    torch.manual_seed(0)
    rows = torch.nn.functional.normalize(torch.randn(2, 2, 7, 5, dtype=torch.float64), dim=-1)
    exact = rows[0].clone().requires_grad_()
    expected = reference_nce(exact, rows[1], 0.07)
    expected.backward()  # type: ignore[no-untyped-call]
    query, key = rows[0].float().requires_grad_(), rows[1].float().requires_grad_()
    loss = patch_nce(query, key, 0.07)
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    assert query.grad is not None
    assert exact.grad is not None
    assert torch.allclose(query.grad.double(), exact.grad, atol=1e-5)
    assert key.grad is None


def test_orthogonal_patches_by_hand() -> None:
    """Own key at cosine 1, the other at 0: −log(e^{1/τ} / (e^{1/τ} + 1))."""
    eye = torch.eye(2)[None]
    expected = torch.log1p(torch.exp(torch.tensor(-1 / 0.5)))
    assert float(patch_nce(eye, eye, 0.5)) == pytest.approx(float(expected), rel=1e-5)


def test_heads_pick_the_chosen_places_and_give_unit_rows() -> None:
    heads = PatchHeads([2], 6)
    plane = torch.randn(1, 2, 3, 4)
    rows = heads([plane], [torch.tensor([5, 0])])[0].detach()
    assert rows.shape == (1, 2, 6)
    assert torch.allclose(rows.norm(dim=-1), torch.ones(1, 2))
    by_hand = torch.nn.functional.normalize(heads.heads[0](plane[0, :, 1, 1]), dim=-1)
    assert torch.allclose(rows[0, 0], by_hand, atol=1e-6)


@pytest.mark.parametrize(("net", "width"), [("compact", 16), ("resnet9", 64)])
def test_heads_fit_the_tapped_layers(net: str, width: int) -> None:
    assert tapped_channels(build_generator(NetConfig.named(net))) == [3, 2 * width, 4 * width, 4 * width, 4 * width]


def test_a_step_has_the_terms_of_its_objective() -> None:
    torch.manual_seed(0)
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    discriminator, generator = Cut(tiny_config(method="cut")).phases()
    assert set(discriminator(batch)) == {"discriminator_B"}
    losses = generator(batch)
    assert set(losses) == {"gan_A2B", "nce_A", "nce_B"}
    assert batch.fake["B"].shape == batch.a.shape


def test_the_nce_terms_are_means_over_layers_halved_by_the_identity() -> None:
    torch.manual_seed(0)
    method = Cut(tiny_config(method="cut", nce_patches=4096))
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    losses = method.phases()[1](batch)
    net, heads = method.generators()["A2B"], method.nets()["heads"]
    taps = net.feature_taps()
    with torch.no_grad():
        keys = net.encode(batch.a, taps)
        queries = net.encode(net(batch.a), taps)
        places = [torch.arange(k.shape[2] * k.shape[3]) for k in keys]
        pairs = zip(heads(queries, places), heads(keys, places), strict=True)
        expected = 0.5 * torch.stack([patch_nce(q, k, 0.07) for q, k in pairs]).mean()
    assert float(losses["nce_A"].detach()) == pytest.approx(float(expected), rel=1e-4)


def test_fastcut_mirrors_the_batch_for_both_phases_or_neither() -> None:
    config = tiny_config(method="fastcut", **{k: v for k, v in FastCut.defaults.items() if "epochs" not in k})
    discriminator, generator = FastCut(config).phases()
    a, b = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32)
    seen = set()
    for seed in range(8):
        torch.manual_seed(seed)
        batch = Batch(a.clone(), b.clone())
        discriminator(batch)
        mirrored = bool(batch.mirrored)
        seen.add(mirrored)
        assert torch.equal(batch.a, a.flip(-1) if mirrored else a)
        assert torch.equal(batch.b, b.flip(-1) if mirrored else b)
        assert set(generator(batch)) == {"gan_A2B", "nce_A"}
    assert seen == {True, False}


def test_the_relativistic_loss_is_of_the_made_picture_against_the_real_one() -> None:
    torch.manual_seed(0)
    method = FastCut(tiny_config(method="fastcut", gan="relativistic", flip_equivariance=False))
    batch = Batch(torch.rand(1, 3, 32, 32) * 2 - 1, torch.rand(1, 3, 32, 32) * 2 - 1)
    discriminator = method.nets()["discriminator_B"]
    with torch.no_grad():
        on_real, on_fake = discriminator(batch.b), discriminator(method.nets()["A2B"](batch.a))
    judging, drawing = method.phases()
    torch.manual_seed(1)  # no penalties
    assert float(judging(batch)["discriminator_B"].detach()) == pytest.approx(
        0.5 * float(relativistic_loss(on_real, on_fake)), rel=1e-4
    )
    losses = drawing(batch)
    assert float(losses["gan_A2B"].detach()) == pytest.approx(float(relativistic_loss(on_fake, on_real)), rel=1e-4)
    losses["gan_A2B"].backward()
    assert all(p.grad is not None for p in method.nets()["A2B"].parameters() if p.dim() > 1)


def test_nets_without_stages_are_refused() -> None:
    with pytest.raises(UsageError, match="CUT needs a generator"):
        Cut(tiny_config(method="cut", net=NetConfig("unet", 4, 5), size=64, crop=64))


@pytest.mark.parametrize("method", [Cut, FastCut])
def test_without_a_discriminator_it_would_only_copy(method: type[Cut]) -> None:
    with pytest.raises(UsageError, match="without its discriminator only copies"):
        method(tiny_config(method="cut", use_gan=False))


@pytest.mark.parametrize("first", [None, "normal", "kaiming"])
def test_a_skip_starts_at_no_change_however_weights_are_drawn(first: str | None) -> None:
    adding = NetConfig("compact", 4, 1, "affine", global_residual=True)
    net = Cut(tiny_config(method="cut", net=adding, weight_init=first)).generators()["A2B"]
    x = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(net(x), x)

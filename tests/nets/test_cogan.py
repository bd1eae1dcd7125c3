"""CoGAN's coupled generator against a formula in float64, and its search for the codes of pictures."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.engine.strips.plan import make_plan
from imgcycle.errors import UsageError
from imgcycle.nets import cogan
from imgcycle.nets.build import build_generator
from imgcycle.nets.cogan import CANDIDATES, LATENT, OWN, STARTS, CoganGenerator, couple
from imgcycle.nets.discriminators import PlainDiscriminator
from tests.nets.parameters import parameter_count


def ready(depth: int = 3, seed: int = 0, width: int = 2) -> CoganGenerator:
    """A net whose pictures differ from one another, with moments as after some training."""
    torch.manual_seed(seed)
    net = build_generator(NetConfig("cogan", width, depth, "batch"))
    assert isinstance(net, CoganGenerator)
    for name, tensor in net.state_dict().items():
        if name.endswith("running_var") or (tensor.ndim == 1 and name.endswith("weight")):
            tensor.uniform_(0.3, 1)
        elif tensor.is_floating_point():
            tensor.normal_(0, 0.3)
    return net.eval()


def codes(count: int, seed: int = 1) -> Tensor:
    return 2 * torch.rand(count, LATENT, generator=torch.Generator().manual_seed(seed)) - 1


def rms(one: Tensor, other: Tensor) -> float:
    return float((one - other).square().mean().sqrt())


@torch.no_grad()
def test_it_draws_by_the_papers_layers_in_float64() -> None:
    net, z = ready(), codes(2)
    sd = {name: t.double() for name, t in net.state_dict().items()}

    def doubled(part: str, n: int, x: Tensor, stride: int = 2, pad: int = 1) -> Tensor:
        x = F.conv_transpose2d(x, sd[f"{part}.{n}.weight"], None, stride, pad)
        norm = f"{part}.{n + 1}"
        mean, scale = sd[f"{norm}.running_mean"], (sd[f"{norm}.running_var"] + 1e-5).sqrt()
        x = (x - mean[:, None, None]) / scale[:, None, None]
        x = x * sd[f"{norm}.weight"][:, None, None] + sd[f"{norm}.bias"][:, None, None]
        return torch.where(x > 0, x, sd[f"{part}.{n + 2}.weight"] * x)

    shared = doubled("trunk", 3, doubled("trunk", 0, z.double()[:, :, None, None], 1, 0))
    for part, made in zip(("source", "target"), net.draw(z), strict=True):
        planes = doubled(part, 3, doubled(part, 0, shared))
        expected = torch.tanh(F.conv2d(planes, sd[f"{part}.6.weight"], sd[f"{part}.6.bias"], padding=1))
        assert made.shape == (2, 3, 32, 32)
        assert torch.allclose(made.double(), expected, atol=1e-4)


def test_the_published_one_for_faces_is_1024_to_32_channels_wide() -> None:
    net = build_generator(NetConfig("cogan", 32, 5, "batch"))
    assert isinstance(net, CoganGenerator)
    widths = [m.out_channels for m in (*net.trunk, *net.target) if isinstance(m, torch.nn.ConvTranspose2d)]
    assert (net.fixed_output_side, widths) == (128, [1024, 512, 256, 128, 64, 32])
    ends = 2 * (4 * 4 * (128 * 64 + 64 * 32) + 2 * (64 + 32) + 2 + 32 * 27 + 3)
    trunk = 16 * (100 * 1024 + 1024 * 512 + 512 * 256 + 256 * 128) + 2 * (1024 + 512 + 256 + 128) + 4
    assert parameter_count(net) == trunk + ends


@torch.no_grad()
def test_the_way_back_is_the_same_net_turned_round() -> None:
    onward, back = ready(seed=0), ready(seed=1)
    back.share(onward)
    assert {id(p) for p in back.parameters()} == {id(p) for p in onward.parameters()}
    for one, other in zip(onward.draw(codes(2)), reversed(back.draw(codes(2))), strict=True):
        assert torch.equal(one, other)


def test_the_search_finds_what_the_net_itself_drew() -> None:
    net = ready()
    with torch.no_grad():
        wanted, other_side = net.draw(codes(3))
    found = net.find(wanted)
    assert found.shape == (3, LATENT)
    assert float(found.abs().max()) <= 1
    with torch.no_grad():
        start = net.draw(net._starts(wanted)[::STARTS])[0]
        near, across = net.draw(found)
    assert rms(near, wanted) < 0.25 * rms(start, wanted)
    assert rms(across, other_side) < 0.7 * rms(net.draw(codes(3, 9))[1].detach(), other_side)
    assert all(p.grad is None for p in net.parameters())


@torch.no_grad()
def test_it_starts_from_the_nearest_of_its_candidates() -> None:
    net, wanted = ready(), torch.rand(2, 3, 32, 32) * 2 - 1
    tried = 2 * torch.rand(CANDIDATES, LATENT, generator=torch.Generator().manual_seed(0)) - 1
    distances = (net.draw(tried)[0][None] - wanted[:, None]).square().mean((2, 3, 4))
    assert torch.equal(net._starts(wanted), tried[distances.argsort(1)[:, :STARTS]].flatten(0, 1))


def test_of_two_ends_the_nearer_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    net = ready()
    monkeypatch.setattr(cogan, "FIT_RATE", 0.0)
    far, near = codes(1, 3), codes(1, 4)
    monkeypatch.setattr(net, "_starts", lambda _: torch.cat([far, near]))
    with torch.no_grad():
        wanted = net.draw(near)[0]
    assert torch.equal(net.find(wanted), near)


def test_translating_is_the_search_and_the_other_sides_drawing() -> None:
    net = ready()
    net.fit_steps = 5
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        made = net(x * 1.0)
    with torch.no_grad():
        assert torch.equal(made, net.draw(net.find(x))[1])
    with torch.inference_mode():
        assert torch.equal(made, net(x)), "the same every time"
        alone = torch.cat([net(one[None]) for one in x])
    assert torch.allclose(alone, made, atol=1e-4), "whatever else is in the batch"


@pytest.mark.parametrize("size", [(32, 32), (20, 50), (1, 1)])
def test_pictures_of_any_size_and_narrow_types(size: tuple[int, int]) -> None:
    net = ready()
    net.fit_steps = 2
    x = torch.rand(1, 3, *size) * 2 - 1
    narrow = build_generator(NetConfig("cogan", 2, 3, "batch")).eval()
    narrow.load_state_dict(net.state_dict())
    narrow = narrow.to(torch.bfloat16).requires_grad_(False)
    narrow.fit_steps = 2  # type: ignore[assignment]
    rounded = copy.deepcopy(narrow).float()
    with torch.inference_mode():
        made, roughly = net(x), narrow(x.bfloat16())
        assert torch.equal(rounded(x.bfloat16().float()).bfloat16(), roughly), "32 bits within"
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(net(x), made), "autocast leaves the search alone"
    assert (made.shape, made.dtype) == (x.shape, torch.float32)
    assert (roughly.shape, roughly.dtype) == (x.shape, torch.bfloat16)
    assert narrow.get_parameter("trunk.0.weight").dtype == torch.bfloat16


def test_memory_is_that_of_the_net_and_not_of_the_picture() -> None:
    net = ready(depth=5, width=8)
    small, large = (make_plan(net, side, side, 2**34).whole_bytes for side in (128, 2000))
    assert large - small == 16 * 3 * (2000**2 - 128**2)
    assert "cannot be run in strips" in str(make_plan(net, 128, 128, 2**34))


def test_discriminators_are_alike_far_from_the_pixels() -> None:
    one, other = (PlainDiscriminator(DiscriminatorConfig("plain", 2, 4)) for _ in range(2))
    couple(one, other)
    assert [one.convs[n] is other.convs[n] for n in range(4)] == [False] * OWN + [True, True]
    assert one.last is other.last


@pytest.mark.parametrize(
    ("config", "said"), [((4, 1, "batch"), "depth is 1"), ((4, 8, "batch"), "depth is 8"), ((4, 3), "instance norms")]
)
def test_what_cannot_be_built_is_refused(config: tuple[int, int, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        NetConfig("cogan", *config)  # type: ignore[arg-type]

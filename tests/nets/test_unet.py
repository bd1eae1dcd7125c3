"""A live U-Net translates as it trained: each picture by its own moments, with the same dropout every time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from imgcycle.config import NetConfig
from imgcycle.engine.translator import Translator
from imgcycle.errors import UsageError
from imgcycle.nets import unet
from imgcycle.nets.build import build_generator
from imgcycle.nets.unet import UnetGenerator


def ready(live: bool, depth: int = 6) -> UnetGenerator:
    torch.manual_seed(0)
    net = build_generator(NetConfig("unet", 4, depth, "batch", test_time_stochastic=live))
    net.initialise()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, 0.1, 0.3)
    assert isinstance(net, UnetGenerator)
    return net.requires_grad_(False)


def test_with_no_dropout_it_gives_what_training_gives_for_one_picture() -> None:
    """At 5 halvings there is no dropout: train mode on a batch of one is the reference's way of testing."""
    net, x = ready(True, 5), torch.rand(2, 3, 32, 64) * 2 - 1
    apart = torch.cat([net.train()(one) for one in torch.split(x, 1)])
    assert torch.allclose(net.eval()(x), apart, atol=1e-5)
    plain = ready(False, 5).eval()
    plain.load_state_dict(net.state_dict())
    assert not torch.allclose(plain(x), apart, atol=0.01), "moments that were learnt are others"


def test_its_dropout_is_half_of_the_values_doubled_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = ready(True).eval(), torch.rand(2, 3, 64, 64) * 2 - 1
    torch.manual_seed(1)
    first = net(x)
    torch.manual_seed(2)
    assert torch.equal(first, net(x))
    assert torch.allclose(first[1:], net(x[1:]), atol=1e-6), "a picture does not depend on its batch"
    assert not torch.allclose(first, net.train()(x), atol=1e-3)

    dropped: list[torch.Tensor] = []

    def by_hand(hidden: torch.Tensor, p: float, training: bool) -> torch.Tensor:
        kept = torch.rand(1, *hidden.shape[1:], generator=rng) >= 0.5
        dropped.append(kept)
        return torch.where(kept, 2 * hidden, torch.zeros(()))

    monkeypatch.setattr(F, "dropout", by_hand)
    for n in range(2):
        rng = torch.Generator().manual_seed(unet._SEED)
        assert torch.allclose(net.train()(x[n : n + 1]), first[n : n + 1], atol=1e-5)
    assert 0.4 < float(torch.cat([k.flatten() for k in dropped]).float().mean()) < 0.6


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_translator_runs_it_whole_in_any_precision(dtype: torch.dtype) -> None:
    net, x = ready(True).eval(), torch.rand(1, 3, 50, 70) * 2 - 1
    translator = Translator(net, torch.device("cpu"), dtype)
    made = translator(x)
    assert made.shape == x.shape
    assert torch.equal(made, translator(x))
    exact = Translator(net, torch.device("cpu"))(x)
    assert float((made - exact).abs().mean()) < (1e-6 if dtype == torch.float32 else 0.15)


def test_only_a_unet_is_live() -> None:
    with pytest.raises(UsageError, match="only a unet"):
        NetConfig("resnet", 64, 9, test_time_stochastic=True)

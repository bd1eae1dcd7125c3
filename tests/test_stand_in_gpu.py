"""The stand-in itself: what a GPU would refuse is refused, what it would wait for is found."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.stand_in_gpu import GPU, GpuTensor, MadeToWait, MixedDevices, StandInGpu, gpu

__all__ = ["gpu"]


def on_gpu(x: Tensor) -> Tensor:
    return x.pin_memory().to(GPU, non_blocking=True)


def test_it_computes_what_the_cpu_does(gpu: StandInGpu) -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4), nn.Conv2d(4, 1, 3)), torch.randn(2, 3, 9, 9)
    wanted = net(x).square().mean()
    wanted.backward()
    gradients = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    net.to(GPU).zero_grad()
    with gpu.strict():
        found = net(on_gpu(x)).square().mean()
        found.backward()
    assert isinstance(found, GpuTensor)
    assert found.device == GPU
    assert torch.equal(found.cpu(), wanted.detach())
    for parameter, gradient in zip(net.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad.cpu(), gradient)


@pytest.mark.parametrize(
    "waiting",
    [
        lambda x: x.sum().item(),
        lambda x: float(x.mean()),
        lambda x: bool((x > 0).all()),
        lambda x: x.cpu(),
        lambda x: x.to("cpu"),
        lambda x: torch.empty(4, 4).copy_(x),
        lambda x: x.nonzero(),
        lambda x: x[x > 0],
        lambda x: torch.equal(x, x),
        lambda x: x.copy_(torch.ones(4, 4)),
        lambda x: x + torch.ones(4, 4).to(GPU),
        lambda x: x + torch.ones(4, 4).pin_memory().to(GPU),
        lambda x: x + torch.ones(4, 4, dtype=torch.uint8).pin_memory().to(GPU, torch.float32, non_blocking=True),
        lambda x: x * torch.tensor([1.0, 2.0, 3.0, 4.0], device=GPU),
        lambda x: x.tolist(),
    ],
)
def test_what_waits_is_found(gpu: StandInGpu, waiting: Callable[[Tensor], object]) -> None:
    x = on_gpu(torch.randn(4, 4))
    waiting(x)
    assert gpu.waits
    with gpu.strict(), pytest.raises(MadeToWait):
        waiting(x)


@pytest.mark.parametrize(
    "mixing",
    [
        lambda x: x + torch.ones(4, 4),
        lambda x: torch.cat([x, torch.ones(4, 4)]),
        lambda x: x[:, torch.tensor([0, 1])],
        lambda x: F.conv2d(x[None, None], torch.ones(1, 1, 3, 3)),
    ],
)
def test_what_mixes_devices_is_refused(gpu: StandInGpu, mixing: Callable[[Tensor], object]) -> None:
    with pytest.raises(MixedDevices):
        mixing(on_gpu(torch.randn(4, 4)))


def test_single_numbers_and_pinned_copies_pass(gpu: StandInGpu) -> None:
    target = torch.empty(4, 4, pin_memory=True)
    with gpu.strict():
        x = on_gpu(torch.randn(4, 4)) * torch.tensor(2.0)
        x = torch.where(x > 0, x, 0.0) + torch.full((), 3.0, device=GPU)
        target.copy_(x, non_blocking=True)
    assert not gpu.waits
    assert (gpu.uploads, gpu.downloads) == (1, 1)


def test_autocast_narrows_and_widens(gpu: StandInGpu) -> None:
    x, weight = on_gpu(torch.randn(1, 3, 8, 8)), on_gpu(torch.randn(3, 3, 3, 3))
    with torch.autocast("cuda", torch.bfloat16):
        narrow = F.conv2d(x, weight)
        assert narrow.dtype == torch.bfloat16
        assert F.mse_loss(narrow, narrow).dtype == torch.float32
        with torch.autocast("cuda", enabled=False):
            assert F.conv2d(x, weight).dtype == torch.float32
    assert not torch.is_autocast_enabled("cuda")
    assert not gpu.waits

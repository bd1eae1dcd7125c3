"""The same functions and gradients as torch's own, for planes whose channels lie side by side."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from imgcycle.nets.kernels.interleaved import LINEAR_TAPS, is_interleaved
from imgcycle.nets.stages import Norm, blur, step, upsample

torch.manual_seed(0)
AFFINE = Norm("instance", torch.randn(5, dtype=torch.float64), torch.randn(5, dtype=torch.float64))
OPERATIONS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "blur": (lambda x: blur(x, LINEAR_TAPS, 2, "reflect"), "LinearBlurBackward"),
    "upsample": (lambda x: upsample(x, "linear"), "LinearUpsampleBackward"),
    "norm": (lambda x: step(AFFINE, x, {}), "BatchNorm"),
}


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("shape", [(1, 5, 8, 12), (1, 5, 4, 4), (2, 5, 6, 4)])
def test_values_and_gradients_are_those_of_the_other_layout(name: str, shape: tuple[int, ...]) -> None:
    operation, kernel = OPERATIONS[name]
    planes = torch.randn(shape, dtype=torch.float64)
    plain = planes.clone().requires_grad_()
    interleaved = planes.to(memory_format=torch.channels_last).requires_grad_()
    expected, found = operation(plain), operation(interleaved)
    assert is_interleaved(interleaved)
    assert not is_interleaved(plain)
    assert kernel in str(found.grad_fn) or len(planes) > 1
    assert found.is_contiguous(memory_format=torch.channels_last)
    towards = torch.randn_like(expected)
    (wanted,), (made,) = (torch.autograd.grad(y, x, towards) for y, x in ((expected, plain), (found, interleaved)))
    assert torch.allclose(found, expected, atol=1e-12)
    assert torch.allclose(made, wanted, atol=1e-12)


@pytest.mark.parametrize("name", ["blur", "upsample"])
def test_gradients_are_those_of_differences(name: str) -> None:
    operation, _ = OPERATIONS[name]
    planes = torch.randn((1, 2, 4, 6), dtype=torch.float64).to(memory_format=torch.channels_last).requires_grad_()
    assert torch.autograd.gradcheck(operation, planes)


def test_what_needs_no_gradient_keeps_torchs_kernels() -> None:
    assert not is_interleaved(torch.randn(1, 5, 8, 8).to(memory_format=torch.channels_last))

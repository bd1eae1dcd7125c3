"""In-memory state of a run: nets, optimizers, scalers, EMA, schedule; one step; and all of it for saving."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from imgcycle.config import TrainConfig
from imgcycle.methods.base import Batch, Phase
from imgcycle.methods.registry import build_method, method_class
from imgcycle.nets.layers import Generator
from imgcycle.training.distributed import World
from imgcycle.training.ema import Ema
from imgcycle.training.timing.schedule import Schedule

MAX_GRADIENT_NORM = 1e6
"""Norm of all gradients of a phase above which they are zeroed: a run sees thousands at its start at most."""
MAX_STALLED_STEPS = 30
"""Steps of a phase in a row with zeroed gradients after which the run counts as diverged."""


@dataclass(frozen=True)
class Arithmetic:
    """How a step is computed, as far as its rounding depends on it: a run keeps what it began with."""

    memory_format: torch.memory_format
    shares_passes: bool
    """True if a pass that two phases need is made once."""

    @classmethod
    def fastest(cls, config: TrainConfig, device: torch.device) -> Arithmetic:
        """What new runs begin with: channels_last where tensor cores need it, and where it was measured faster."""
        if device.type == "cuda":
            return cls(torch.channels_last, shares_passes=False)
        interleaves = method_class(config.method).interleaves and config.net.norm in ("affine", "instance", "none")
        if device.type == "cpu" and interleaves:
            return cls(torch.channels_last, shares_passes=True)
        return cls(torch.contiguous_format, shares_passes=False)

    @classmethod
    def frozen(cls, facts: Mapping[str, Any], config: TrainConfig, device: torch.device) -> Arithmetic:
        """That of a run with these facts; what new runs begin with if there are none, or of another kind of device."""
        if facts.get("device") != device.type:
            return cls.fastest(config, device)
        interleaved = facts.get("memory_format") == "channels_last"
        layout = torch.channels_last if interleaved else torch.contiguous_format
        return cls(layout, shares_passes=facts.get("passes") == "shared")

    def facts(self) -> dict[str, str]:
        """As stored with a run; runs begun before passes were shared say nothing of them."""
        layout = "channels_last" if self.memory_format == torch.channels_last else "contiguous"
        return {"memory_format": layout, **({"passes": "shared"} if self.shares_passes else {})}


@dataclass
class PhaseOptimizer:
    """A phase with its optimizer, gradient scaler and learning rate."""

    phase: Phase
    forward: Callable[[Batch], dict[str, Tensor]]
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler
    lr: float
    stalled_steps: Tensor
    """Steps in a row whose gradients were zeroed."""


class Session:
    """Nets and optimizers of a run in memory; driven by `train`.

    `generation` counts rollbacks: each gives the following steps other random numbers and half the learning rate.
    """

    def __init__(
        self,
        config: TrainConfig,
        device: torch.device,
        dtype: torch.dtype,
        world: World,
        arithmetic: Arithmetic | None = None,
    ) -> None:
        torch.manual_seed(config.seed)
        torch.backends.cudnn.benchmark = True  # crops have one size: cudnn finds the fastest kernels once
        self.config, self.device, self.dtype, self.world = config, device, dtype, world
        self.method = build_method(config)
        self.nets = self.method.nets()
        self.arithmetic = arithmetic or Arithmetic.fastest(config, device)
        for net in self.nets.values():
            net.to(device).to(memory_format=self.arithmetic.memory_format).train()  # type: ignore[call-overload]
        self.phase_optimizers = [self._phase_optimizer(phase) for phase in self.method.phases()]
        self.averages: dict[str, Ema] = {}
        if config.ema:
            generators = self.method.generators().items()
            self.averages = {direction: Ema(net, config.ema, config.warmup) for direction, net in generators}
        self.generation = 0
        self.sums: dict[str, Tensor] = {}
        self.counted = 0
        self.finite = torch.ones((), dtype=torch.bool, device=device)
        self.cleared = torch.zeros((), dtype=torch.int64, device=device)

    def _phase_optimizer(self, phase: Phase) -> PhaseOptimizer:
        for net in self.nets.values():
            net.requires_grad_(True)
        # Over several processes a phase's pass has to be its own, where gradients are averaged.
        phase.shares_passes = self.arithmetic.shares_passes and self.world.size == 1
        lr = self.method.learning_rate(phase)
        betas = (self.config.beta1, self.config.beta2)
        decay = self.config.weight_decay
        optimizer = torch.optim.Adam(phase.parameters(), lr, betas, weight_decay=decay, fused=fused_adam(self.device))
        scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype == torch.float16)
        stalled_steps = torch.zeros((), dtype=torch.int64, device=self.device)
        return PhaseOptimizer(phase, self.world.wrap(phase), optimizer, scaler, lr, stalled_steps)

    def step(self, batch: Batch, factor: float, warmup_factor: float = 1.0) -> None:
        """Run all phases once, at `factor` of their learning rates, generators at `warmup_factor` of that.

        Losses are summed on the device without synchronisation.
        """
        factor *= 0.5**self.generation
        for each in self.phase_optimizers:
            for name, net in self.nets.items():
                net.requires_grad_(name in each.phase.differentiates)
            for group in each.optimizer.param_groups:
                group["lr"] = each.lr * factor * (1.0 if each.phase.is_discriminator else warmup_factor)
            with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
                losses = each.forward(batch)
            total = torch.stack(list(losses.values())).sum()
            each.scaler.scale(total).backward()  # type: ignore[no-untyped-call]
            each.scaler.unscale_(each.optimizer)
            self._clip_gradients(each)
            each.scaler.step(each.optimizer)
            each.scaler.update()
            each.optimizer.zero_grad(set_to_none=True)
            self.finite &= torch.isfinite(total.detach())
            for name, value in losses.items():
                seen = self.sums.get(name)
                self.sums[name] = value.detach().clone() if seen is None else seen + value.detach()
        for direction, average in self.averages.items():
            average.update(self.nets[direction])
        self.counted += 1

    def _clip_gradients(self, of: PhaseOptimizer) -> None:
        """Clip gradients to `grad_clip` if given, and zero those above `MAX_GRADIENT_NORM`.

        A norm divides by the standard deviation of its planes. On a crop of one colour it is 0, so norm after norm
        multiplies rounding errors of gradients by 300: the result is not finite, or would spoil Adam's second moments
        permanently.
        """
        parameters = list(of.phase.parameters())
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = nn.utils.get_total_norm(gradients)
        if self.config.grad_clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.config.grad_clip, norm)
        beyond = ~(norm <= MAX_GRADIENT_NORM)
        if self.device.type != "cpu" or beyond:  # elsewhere asking would synchronise
            for gradient in gradients:
                gradient.masked_fill_(beyond, 0)
        of.stalled_steps.copy_(torch.where(beyond, of.stalled_steps + 1, 0))
        # A GradScaler raises its factor until gradients overflow: infinities are expected.
        self.cleared += beyond & torch.isfinite(norm) if of.scaler.is_enabled() else beyond

    def take_cleared(self) -> int:
        """Number of times gradients were zeroed since the last call; synchronises with the device."""
        count = int(self.cleared)
        self.cleared.zero_()
        return count

    def take_means(self) -> dict[str, float]:
        """Mean of each loss since the last call; synchronises with the device."""
        means = self.means()
        self.sums, self.counted = {}, 0
        return means

    def means(self) -> dict[str, float]:
        """The same, without beginning anew."""
        sums = torch.stack(list(self.sums.values())).tolist() if self.sums else []
        return {name: value / max(1, self.counted) for name, value in zip(self.sums, sums, strict=True)}

    def is_healthy(self) -> bool:
        """True if all losses so far and all weights are finite, and every phase still learns; synchronises with the
        device.
        """
        moving = [each.stalled_steps < MAX_STALLED_STEPS for each in self.phase_optimizers]
        return bool(torch.stack([self.finite, *moving, *self._finite()]).all())

    def finite_weights(self) -> bool:
        """True if all weights are finite; synchronises with the device."""
        return bool(torch.stack(self._finite()).all())

    def _finite(self) -> list[Tensor]:
        return [torch.isfinite(p).all() for net in self.nets.values() for p in net.parameters()]

    def translators(self) -> dict[str, Generator]:
        """Generators to evaluate and export: the averages if there are any."""
        if not self.averages:
            return self.method.generators()
        return {direction: average.module for direction, average in self.averages.items()}

    def state(self, step: int, schedule: Schedule, best: dict[str, float]) -> dict[str, Any]:
        """Everything that decides the following steps; tensors and plain values only.

        A collective call: every rank's part of the method's state is gathered on rank 0.
        """
        return {
            "schema": 1,
            "step": step,
            "generation": self.generation,
            "nets": {name: net.state_dict() for name, net in self.nets.items()},
            "averages": {name: average.state_dict() for name, average in self.averages.items()},
            "optimizers": {d.phase.name: d.optimizer.state_dict() for d in self.phase_optimizers},
            "scalers": {d.phase.name: d.scaler.state_dict() for d in self.phase_optimizers},
            "schedule": schedule.state(),
            "method": self.world.gather(self.method.state()),
            "sums": {name: value.cpu() for name, value in self.sums.items()},
            "counted": self.counted,
            "stalled_steps": {d.phase.name: int(d.stalled_steps) for d in self.phase_optimizers},
            "best": best,
        }

    def state_bytes(self) -> int:
        """Approximate bytes of a state once the optimizers have their moments and the pools are full."""
        nets = [*self.nets.values(), *(average.module for average in self.averages.values())]
        tensors = sum(t.numel() * t.element_size() for net in nets for t in net.state_dict().values())
        moments = sum(2 * p.numel() * p.element_size() for d in self.phase_optimizers for p in d.phase.parameters())
        return int(tensors) + int(moments) + self.world.size * self.method.state_bytes()

    def load_state(self, state: dict[str, Any], schedule: Schedule) -> dict[str, float]:
        """Restore the result of `state()`; returns the best figures so far.

        Any exception means that the state is not of these nets, which must then not be used until another is loaded.
        """
        for name, net in self.nets.items():
            net.load_state_dict(state["nets"][name])
        for name, average in self.averages.items():
            average.load_state_dict(state["averages"][name])
        for each in self.phase_optimizers:
            each.optimizer.load_state_dict(state["optimizers"][each.phase.name])
            _check_moments(each.optimizer)
            each.scaler.load_state_dict(state["scalers"][each.phase.name])
            each.stalled_steps.fill_(state.get("stalled_steps", {}).get(each.phase.name, 0))
        schedule.load_state(state["schedule"])
        self.method.load_state(state["method"][self.world.rank % len(state["method"])])
        self.sums = {name: value.to(self.device) for name, value in state["sums"].items()}
        self.counted = state["counted"]
        self.generation = state["generation"]
        self.finite.fill_(True)
        self.cleared.zero_()
        return {name: float(value) for name, value in state["best"].items() if math.isfinite(value)}


def _check_moments(optimizer: torch.optim.Optimizer) -> None:
    """ValueError unless the moments have the parameters' shapes: torch checks only when it uses them."""
    for parameter, moments in optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            if moments[name].shape != parameter.shape:
                raise ValueError(f"{name} is {tuple(moments[name].shape)}, not {tuple(parameter.shape)}")


def fused_adam(device: torch.device) -> bool:
    """True if Adam runs as one fused kernel."""
    return device.type in ("cpu", "cuda")

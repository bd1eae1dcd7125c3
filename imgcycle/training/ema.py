"""Exponential moving average (EMA) of a generator's weights: what a run samples, validates and exports."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from imgcycle.nets.layers import Generator


class Ema:
    """The average of a generator's weights over its updates, in `module`.

    After n updates the decay is min(decay, (1 + n) / (10 + n)) (Polyak averaging with the ramp of TensorFlow's
    `ExponentialMovingAverage`): a fixed 0.999 would still be 82 % of the initial weights after 200 updates. The ramp
    restarts after `warmup` updates, during which generators hardly change. States of runs that were begun with a fixed
    decay keep it.
    """

    def __init__(self, net: Generator, decay: float, warmup: int = 0) -> None:
        self.module = copy.deepcopy(net).requires_grad_(False).eval()
        self._decay, self._warmup = decay, warmup
        self._updates = 0
        self._ramped = True

    @property
    def decay(self) -> float:
        """Share of the average that the next update keeps."""
        if not self._ramped:
            return self._decay if self._updates else 0.0
        count = self._updates - self._warmup if self._updates >= self._warmup else self._updates
        return min(self._decay, (1 + count) / (10 + count))

    @torch.no_grad()
    def update(self, net: nn.Module) -> None:
        """Update with the weights of `net`; its buffers are averaged too, integers are copied."""
        decay = self.decay
        averages, values = [], []
        for average, value in zip(_tensors(self.module), _tensors(net), strict=True):
            if average.is_floating_point():
                averages.append(average)
                values.append(value)
            else:
                average.copy_(value)
        torch._foreach_lerp_(averages, values, 1 - decay)
        self._updates += 1

    def begin_from(self, net: nn.Module) -> None:
        """Take the weights of `net` as the initial average."""
        self.module.load_state_dict(net.state_dict())
        self._updates = 0

    def state_dict(self) -> dict[str, Any]:
        """The averaged weights and the number of updates."""
        return {"module": self.module.state_dict(), "updates": self._updates, "ramped": self._ramped}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the result of `state_dict()`, or of torch's AveragedModel from runs with a fixed decay."""
        self._ramped = bool(state.get("ramped", False))
        if "module" in state:
            self.module.load_state_dict(state["module"])
            self._updates = int(state["updates"])
            return
        prefix = "module."
        self.module.load_state_dict({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})
        self._updates = int(state["n_averaged"])


def _tensors(net: nn.Module) -> list[torch.Tensor]:
    return [t.detach() for t in (*net.parameters(), *net.buffers())]

"""Search for the generators in a checkpoint, and the choice among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from imgcycle.errors import WeightsError
from imgcycle.weights.importers.layout import Direction, State, TensorLayout

_FEWEST = 10
"""Fewest tensors of a generator; smaller branches are not searched."""
_DEEPEST = 12
"""Deepest nesting of a generator's name; without a limit, long names would be searched once a word."""
_FORWARD = {"", "a", "ab", "a2b", "atob", "x", "xy", "x2y", "xtoy", "1"}
_BACKWARD = {"b", "ba", "b2a", "btoa", "y", "yx", "y2x", "ytox", "2", "f"}


@dataclass(frozen=True)
class Found:
    """A generator in a checkpoint: its prefix and its layout."""

    prefix: str
    layout: TensorLayout
    state: State

    def has(self, name: str) -> bool:
        """True if a name belongs to this generator's branch."""
        return not self.prefix or name == self.prefix or name.startswith(f"{self.prefix}.")

    @property
    def is_average(self) -> bool:
        """True if the name marks averaged weights (EMA), the ones made for use."""
        return "ema" in re.split(r"[._]", self.prefix.lower())

    @property
    def direction(self) -> Direction | None:
        """Direction given by the name: `netG_A`, `G_AB`, `genA2B`, `G` and `F` of the paper; or None."""
        words = [w for w in self.prefix.lower().split(".") if w not in ("state_dict", "model", "ema", "params")]
        if not words:
            return None
        core = re.sub(r"[^a-z0-9]", "", words[-1])
        tail = re.sub(r"^(net|model)?(generator|gen|g)", "", core)
        if tail in _FORWARD and (tail != core or core in ("ab", "a2b", "atob")):
            return "A2B"
        return "B2A" if tail in _BACKWARD and (tail != core or len(core) > 1 or core == "f") else None


def search(state: State, layouts: Sequence[TensorLayout]) -> list[Found]:
    """Generators of a checkpoint in any of the layouts, in its order; none is searched inside another."""
    found: list[Found] = []
    left = [("", state)]
    while left:
        prefix, here = left.pop()
        layout = next((each for each in layouts if each.matches(here)), None)
        if layout is not None:
            found.append(Found(prefix, layout, here))
        elif prefix.count(".") < _DEEPEST:
            left += reversed(list(_branches(prefix, here)))
    return found


def _branches(prefix: str, state: State) -> Iterator[tuple[str, State]]:
    inner: dict[str, State] = {}
    for name, tensor in state.items():
        first, dot, rest = name.partition(".")
        if dot:
            inner.setdefault(first, {})[rest] = tensor
    for first, branch in inner.items():
        if len(branch) >= _FEWEST:
            yield (f"{prefix}.{first}" if prefix else first), branch


def choose(found: list[Found], direction: Direction) -> tuple[Found, tuple[str, ...]]:
    """The generator for a direction, and notes on the choice.

    Averaged weights win over others. Names give the direction where they follow a convention; MMagic names the target
    domain, the second of its two for A2B; else the first one is taken for A2B.
    """
    averaged = [each for each in found if each.is_average]
    if averaged and len(averaged) < len(found):
        chosen, notes = choose(averaged, direction)
        return chosen, (*notes, "the averaged weights are taken")
    if len(found) == 1:
        return found[0], ()
    told = [each for each in found if each.direction == direction]
    if len(told) == 1:
        return told[0], (f"{told[0].prefix} is taken for {direction}",)
    if any(each.direction for each in found) and not told:
        names = ", ".join(each.prefix for each in found)
        raise WeightsError(f"it holds no generator for {direction}, but {names}", "see --direction")
    by_target = found[0].prefix.rpartition(".")[0].endswith(("generators", "generators_ema"))
    second = (direction == "B2A") != by_target
    chosen = told[0] if told else found[int(second)]
    others = ", ".join(each.prefix for each in found if each is not chosen)
    return chosen, (f"{chosen.prefix or 'the first'} is taken for {direction}, beside {others}",)


def what_else(state: State) -> str:
    """Content of a file without a generator, as far as names and shapes tell; empty if they do not."""
    kernels = [t for t in state.values() if t.dim() == 4]
    words = {word for name in state for word in name.split(".")}
    others = (
        (words & {"exp_avg", "exp_avg_sq", "momentum_buffer"}, "an optimizer's state, not a net"),
        ({"head", "tail", "conv1"} <= words, "a training state of imgcycle; name its run folder instead"),
        (kernels and _is_discriminator(kernels), "a discriminator, which judges pictures and makes none"),
        (any(w.startswith("mlp_") for w in words), "CUT's projection heads (netF), not its generator"),
        (
            {"model1_1", "model1_2"} <= words,
            "pix2pixHD's local enhancer; its global generator alone (netG global) is read",
        ),
        (
            {"DownBlock", "UpBlock1_1"} <= words,
            "a U-GAT-IT generator, whose norms depend on what it finds in each picture",
        ),
        ({"enc", "dec"} <= words, "an encoder and a decoder, but not the two sides of a UNIT checkpoint"),
        (not state, "no tensors"),
    )
    return next((said for holds, said in others if holds), "")


def _is_discriminator(kernels: list[Tensor]) -> bool:
    # A PatchGAN ends in one channel of logits, from a kernel no larger than its others; a grey generator in 7×7.
    return kernels[-1].shape[0] == 1 and kernels[-1].shape[-1] <= 4 and kernels[0].shape[-1] <= 4

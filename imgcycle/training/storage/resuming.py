"""What a continued run is told and compared with: how it began, on which machine, with which pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from imgcycle.config import TrainConfig
from imgcycle.data.folders import ImageFolder
from imgcycle.device import hardware_facts
from imgcycle.errors import UsageError
from imgcycle.training.first_net import FirstNet
from imgcycle.training.session import Arithmetic, fused_adam

DATA_FACTS = ("images_a", "images_b", "count_a", "count_b")
"""What is known of the pictures, among the facts."""


@dataclass(frozen=True)
class RunContext:
    """What a run is given beside its config: nothing here changes the weights that come out.

    `workers` threads make batches; `command` and `licence` (of the training pictures) go onto the cards.
    """

    workers: int = 2
    command: str = ""
    licence: str = ""


def resumed_context(context: RunContext, content: Mapping[str, Any], changed: bool) -> RunContext:
    """What a continued run's cards say: how it was begun, then what was changed; the licence as last given."""
    begun = content.get("command")
    command = context.command
    if isinstance(begun, str) and begun:
        command = f"{begun} && {context.command} --resume" if changed else begun
    return replace(context, command=command, licence=context.licence or str(content.get("licence") or ""))


def with_whole_paths(config: TrainConfig) -> TrainConfig:
    """The config with folders that are found from anywhere."""
    named = {name: getattr(config, name) for name in ("a", "b", "val_a", "val_b", "sample_from")}
    if config.strokes_of is not None and Path(config.strokes_of).expanduser().exists():
        named["strokes_of"] = config.strokes_of
    return config.replace(**{name: str(Path(path).expanduser().resolve()) for name, path in named.items() if path})


def differences(
    facts: Mapping[str, Any], now: Mapping[str, Any], config: TrainConfig, changed_data: bool
) -> Iterator[str]:
    """In words, how this machine and the pictures differ from those that a run began with.

    UsageError for other pictures unless `changed_data` allows them.
    """
    for name, value in now.items():
        if name not in DATA_FACTS and facts.get(name) != value:
            before = f"{name} was {facts.get(name)!r} when the run began and is {value!r} now"
            yield f"{before}: it goes on, but not bit for bit"
    for domain, folder in (("a", config.a), ("b", config.b)):
        if facts.get(f"images_{domain}") in (None, now[f"images_{domain}"]):
            continue
        held, count = facts.get(f"count_{domain}"), now[f"count_{domain}"]
        if held in (None, count):
            said = f"the pictures in {folder} are not those that the run began with"
        else:
            said = f"{folder} holds {count} pictures, and held {held} when the run began"
        if not changed_data:
            raise UsageError(said, "put them back, or go on with these: --changed-data")
        yield f"{said}: it goes on, but not as it would have"


def facts_of_resume(
    device: torch.device,
    dtype: torch.dtype,
    processes: int,
    arithmetic: Arithmetic,
    a: ImageFolder,
    b: ImageFolder,
    first_net: FirstNet | None,
) -> dict[str, Any]:
    """What a run's bits depend on beside its config: the machine, and fingerprints of the pictures."""
    return {
        **asdict(hardware_facts(device, dtype)),
        **arithmetic.facts(),
        "optimizer": "adam, fused" if fused_adam(device) else "adam",
        "world": processes,
        "images_a": a.digest(),
        "images_b": b.digest(),
        "count_a": len(a),
        "count_b": len(b),
        **({} if first_net is None else {"strokes_of": first_net.digest}),
    }


def length_left(root: Path, step: int, total: int, fixed: bool) -> str | None:
    """A remark when nothing is left to do; UsageError when fewer steps are asked for than are done.

    `fixed` as `length_is_fixed` says: such a run cannot be made longer.
    """
    if step > total:
        raise UsageError(
            f"{root} has {step} steps behind it, more than the {total} asked for",
            "ask for more with --steps, or begin anew in another -o",
        )
    if step < total:
        return None
    more = f"a new run goes on from it: --start-from {root} -o NEW" if fixed else "more are taken with a larger --steps"
    return f"all {total} steps were done before; {more}"

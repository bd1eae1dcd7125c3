"""Names of settings, options, saved states and weights in earlier versions, and their current ones.

Discriminators were once called critics, a file of them `critics.safetensors`. Everything written then stays readable:
whatever reads a file or a command line maps its names here, and nothing else in the package knows the old ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

_TRAIN_SETTINGS = {"critic": "discriminator", "lr_critic": "lr_discriminator"}
_NET_SETTINGS = {"live": "test_time_stochastic", "skip": "global_residual"}
_TRAIN_OPTIONS = {
    f"--{old}": f"--{old.replace('critic', 'discriminator')}"
    for old in ("critic", "critic-layers", "critic-scales", "critic-width", "lr-critic")
}
_STATE_PARTS = ("nets", "optimizers", "scalers", "sums", "stalled_steps")
"""Parts of a saved state that are keyed by names of nets, phases or losses."""
_FORMER_WORD = re.compile(r"(?<![a-z])critic")
DISCRIMINATORS_FILES = ("discriminators.safetensors", "critics.safetensors")
"""File of a run's discriminators, and its former name."""
DISCRIMINATORS_CARDS = ("discriminators", "critics")
"""`direction` in the card of such a file, now and formerly."""


def current_train_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run, its nets' included, under their current names."""
    found = _renamed(values, _TRAIN_SETTINGS)
    if isinstance(net := found.get("net"), Mapping):
        found["net"] = current_net_settings(net)
    return found


def current_net_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a generator under their current names."""
    return _renamed(values, _NET_SETTINGS)


def current_train_options(words: Sequence[str]) -> list[str]:
    """Arguments of `imgcycle train` with current option names; those after `--` are not changed."""
    end = words.index("--") if "--" in words else len(words)
    found = []
    for word in words[:end]:
        option, equals, value = word.partition("=")
        found.append(_TRAIN_OPTIONS.get(option, option) + equals + value)
    return [*found, *words[end:]]


def current_name(name: str) -> str:
    """Current name of a net, loss, phase or tensor: `critic_B.critics.0.last.bias` has `discriminator` for both."""
    return _FORMER_WORD.sub("discriminator", name)


def current_names(values: Any) -> Any:
    """Plain values whose dicts, at any depth, are keyed by current names of nets and losses."""
    if not isinstance(values, dict):
        return values
    return {current_name(k) if isinstance(k, str) else k: current_names(value) for k, value in values.items()}


def current_state(state: dict[str, Any]) -> dict[str, Any]:
    """A saved state of a run under current names; the same object if nothing is renamed."""
    if "vain" in state:
        state = {"stalled_steps" if name == "vain" else name: value for name, value in state.items()}
    if not any(map(_is_former, _keys(state.get("nets")))):
        return state
    return {name: current_names(part) if name in _STATE_PARTS else part for name, part in state.items()}


def _keys(part: Any) -> list[Any]:
    return list(part) if isinstance(part, dict) else []


def _is_former(name: Any) -> bool:
    return isinstance(name, str) and current_name(name) != name


def _renamed(values: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Values under current names; if both names are there, the former one stays and is then rejected as unknown."""
    return {new if (new := names.get(name, name)) not in values else name: value for name, value in values.items()}

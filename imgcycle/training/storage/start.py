"""Initial weights of a run: a style by name, a weights file, another program's checkpoint, or all of a run."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from imgcycle.config import NET_NAMES, NetConfig, TrainConfig
from imgcycle.config.legacy import DISCRIMINATORS_CARDS, DISCRIMINATORS_FILES
from imgcycle.errors import UsageError, WeightsError
from imgcycle.methods.registry import build_method
from imgcycle.nets.build import build_generator
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator
from imgcycle.training.ema import Ema
from imgcycle.weights.description import digest, inspect_weights
from imgcycle.weights.find import FoundStyle, find_style, repair_hint
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.native import fill

_DIRECTIONS = ("A2B", "B2A")


def start_from_weights(
    source: str | Path, config: TrainConfig, nets: Mapping[str, nn.Module], averages: Mapping[str, Ema]
) -> list[str]:
    """Load a new run's nets, built after `config`, from a style, a weights file or all of a run's weights.

    A file is loaded into the net of its direction, or the only one there is, and of its two nets the second if that is
    what the run trains, unless the first alone fits; a run of another method provides its generators alone. A net with
    a skip takes everything but the tail from one without; the reverse is refused. A compact net or a resnet of fewer
    blocks takes the first of one with more. Returns notes: what was recognised and assumed of another program's file,
    what was not taken of a run. UsageError if the architecture differs or nothing fits; UnknownStyle and WeightsError
    as for any style.
    """
    generators = {way: net for way in _DIRECTIONS if isinstance(net := nets.get(way), Generator)}
    folder = Path(source).expanduser()
    notes: list[str] = []
    if (folder / "weights").is_dir():
        files = {way: folder / "weights" / f"{way}.safetensors" for way in generators}
        found = {way: path for way, path in files.items() if path.is_file()}
        if not found:
            raise UsageError(f"{source} holds no weights to start from", "give a weights file, or a run of this kind")
        for way, path in found.items():
            _fill(generators[way], path, config)
        notes = _fill_discriminators(folder, config.method, nets, found[min(found)])
    else:
        _refuse_state(folder)
        style = find_style(str(source))
        if style.is_foreign:
            found, notes = dict.fromkeys(generators, style.path), _import(style, config.net, generators)
        else:
            _check_digest(style)
            way = str(inspect_weights(style.path).card.get("direction", "A2B"))
            if way in DISCRIMINATORS_CARDS:
                raise UsageError(f"{source} holds discriminators, no generator", "give its run folder, or a generator")
            way = way if way in generators else next(iter(generators))
            found = {way: style.path}
            _fill(generators[way], style.path, config)
    for way in found:
        if way in averages:
            averages[way].begin_from(generators[way])
    return notes


def check_start(source: str | Path, config: TrainConfig) -> None:
    """Refuse what `start_from_weights` would refuse for a config, before time is spent on anything else."""
    with torch.random.fork_rng(devices=[]):
        start_from_weights(source, config, build_method(config).nets(), {})


def _fill(net: Generator, path: Path, config: TrainConfig) -> None:
    """Load a generator from our own file: for a second net the file's second, or the first if that alone fits."""
    about = inspect_weights(path)
    theirs, second = NetConfig.from_dict(about.config), False
    if config.strokes_of is not None and about.strokes is not None:
        fine = NetConfig.from_dict(about.strokes)
        second = _fits(fine, config.net) or not _fits(theirs, config.net)
        theirs = fine if second else theirs
    _check_fit(str(path), theirs, config.net)
    deeper = build_generator(theirs) if _is_deeper(theirs, config.net) else net
    fill(deeper, path, "this run's generator", "ask for the same --net and --width", strokes=second)
    if deeper is not net:
        _take(net, deeper)
    if isinstance(net, CompactGenerator) and config.net.global_residual and not theirs.global_residual:
        net.draw_nothing()  # a net that drew images is to predict changes: it starts with none


def _take(net: Generator, other: Generator) -> None:
    """Copy all that `net` has of another net, which may have more residual blocks behind the same first ones."""
    taken = net.state_dict().keys()
    net.load_state_dict({name: tensor for name, tensor in other.state_dict().items() if name in taken})


def _fill_discriminators(run: Path, method: str, nets: Mapping[str, nn.Module], generator: Path) -> list[str]:
    """Load the other nets of a run of the same method, if there are any; returns notes otherwise."""
    files = (run / "weights" / name for name in DISCRIMINATORS_FILES)
    discriminators = next((path for path in files if path.is_file()), None)
    others = nn.ModuleDict({name: net for name, net in nets.items() if name not in _DIRECTIONS})
    if discriminators is None or not len(others):
        return []
    if (theirs := inspect_weights(discriminators).card.get("method")) not in (None, method):
        return [f"{run} was learnt by {theirs}: its generators are taken, discriminators begin afresh"]
    hint = f"--start-from {generator} takes the generator alone, beside fresh discriminators"
    fill(others, discriminators, "this run's discriminators", hint)
    return []


def _import(style: FoundStyle, config: NetConfig, generators: dict[str, Generator]) -> list[str]:
    """Load the generators of another program's file; `generators` keeps those that were loaded."""
    notes: list[str] = []
    for way in list(generators):
        net, about = import_checkpoint(style.path, "B2A" if way == "B2A" else "A2B")
        if about.direction is None and notes:
            break  # a one-way file, taken by the first net
        _check_fit(style.path.name, about.config, config)
        _take(generators[way], net)
        notes += [f"{style.path.name} is recognised as {about.recognised}", *about.notes]
    return list(dict.fromkeys(notes))


def _check_fit(name: str, theirs: NetConfig, mine: NetConfig) -> None:
    """UsageError if weights of one architecture cannot initialise a net of another."""
    if _fits(theirs, mine):
        return
    if theirs.global_residual and _taken(theirs, mine) == _built(mine) | {"global_residual": True}:
        raise UsageError(f"{name} was learnt to draw changes to its input, this net draws pictures", "add --skip")
    raise UsageError(
        f"{name} does not fit this run's generator: it is {_told(theirs)}, not {_told(mine)}", _asked(theirs)
    )


def _fits(theirs: NetConfig, mine: NetConfig) -> bool:
    """True for the same architecture, one of more residual blocks, or one whose net draws pictures where this one is to
    draw changes.
    """
    built, wanted = _taken(theirs, mine), _built(mine)
    return built == wanted or (mine.global_residual and built == wanted | {"global_residual": False})


def _is_deeper(theirs: NetConfig, mine: NetConfig) -> bool:
    """True for a net of more residual blocks of one kind: a shallower one takes the first of them."""
    return theirs.kind == mine.kind and mine.kind in ("compact", "resnet") and theirs.depth > mine.depth


def _taken(theirs: NetConfig, mine: NetConfig) -> dict[str, Any]:
    """Settings of the part of a net that another can take."""
    return _built(theirs) | ({"depth": mine.depth} if _is_deeper(theirs, mine) else {})


def _built(net: NetConfig) -> dict[str, Any]:
    """Settings of a net by name; a wide head is as a tanh, which has the same weights and is as steep.

    They are compared by name, since not every combination of them is a net.
    """
    return net.to_dict() | ({"head": "tanh"} if net.head == "wide" else {})


def _told(net: NetConfig) -> str:
    """Short description of an architecture."""
    of = " of luma" if net.luma else ""
    return f"a {net.kind}{of} of width {net.width} and depth {net.depth} with {net.norm} norms"


def _asked(net: NetConfig) -> str:
    """Options that make such a net."""
    free = {"test_time_stochastic": net.test_time_stochastic, "global_residual": net.global_residual}
    for name in NET_NAMES:
        named = NetConfig.named(name, net.width)
        if _built(net) == _built(named) | free:
            skip = " --skip" if net.global_residual and not named.global_residual else ""
            return f"ask for it: --net {name} --width {net.width}{skip}"
    return "no --net is built like that"


def _refuse_state(path: Path) -> None:
    """UsageError for a saved state of a run, whose weights are beside it."""
    if re.fullmatch(r"step-\d+\.pt", path.name) and path.parent.name == "state":
        raise UsageError(f"{path} is a saved state of a run", f"give the run: --start-from {path.parent.parent}")


def _check_digest(style: FoundStyle) -> None:
    if style.digest and digest(style.path) != style.digest:
        raise WeightsError(f"{style.path} is not the file its index describes", repair_hint(style))

"""Registry of all known layouts, and import of a foreign file.

A new layout is one file with a `TensorLayout`, and one line here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from imgcycle.config import NetConfig
from imgcycle.errors import OutputError, UsageError, WeightsError, reported
from imgcycle.media.paths import shown
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from imgcycle.weights.contents import kind_of_weights
from imgcycle.weights.description import digest
from imgcycle.weights.find import check_way
from imgcycle.weights.importers.animegan import ANIMEGAN
from imgcycle.weights.importers.cartoongan import CARTOONGAN
from imgcycle.weights.importers.checkpoint import read_checkpoint
from imgcycle.weights.importers.cut import CUT
from imgcycle.weights.importers.fast_neural_style import FAST_NEURAL_STYLE
from imgcycle.weights.importers.fast_style_transfer import FAST_STYLE_TRANSFER
from imgcycle.weights.importers.layout import Asked, Converted, Direction, State, TensorLayout
from imgcycle.weights.importers.learning_collection import LEARNING_COLLECTION
from imgcycle.weights.importers.mmagic import MMAGIC
from imgcycle.weights.importers.official import OFFICIAL
from imgcycle.weights.importers.pytorch_gan import PYTORCH_GAN
from imgcycle.weights.importers.renamed import RENAMED, near_miss
from imgcycle.weights.importers.search import Found, choose, search, what_else
from imgcycle.weights.importers.tensors import brief, foreign_words
from imgcycle.weights.importers.unet import UNET
from imgcycle.weights.importers.unit import UNIT
from imgcycle.weights.importers.whitebox import WHITEBOX
from imgcycle.weights.native import check_values, save_weights

NAMED: tuple[TensorLayout, ...] = (
    *(OFFICIAL, UNET, CUT, MMAGIC, UNIT, PYTORCH_GAN, LEARNING_COLLECTION),
    *(FAST_NEURAL_STYLE, FAST_STYLE_TRANSFER, CARTOONGAN, ANIMEGAN, WHITEBOX),
)
"""Layouts recognised by names; shapes alone are tried only if none of them matches."""
_BRANCHES = 20
_MOST_NAMED = 3
_RESAVE = "only tensors are read: save them alone with torch.save(net.state_dict(), FILE) where the file is trusted"
_KNOWN = (
    "known are ResNet, U-Net, CUT and UNIT generators of CycleGAN's kind, official or re-implemented, "
    "fast neural style, CartoonGAN, AnimeGANv2 and White-box cartoonization"
)


@dataclass(frozen=True)
class Imported:
    """Result of importing a foreign file.

    `recognised` is one line for the user; `direction` None for a one-way file; `notes` are assumptions and omissions.
    """

    path: Path
    layout: str
    recognised: str
    config: NetConfig
    direction: Direction | None
    notes: tuple[str, ...]


def import_checkpoint(path: Path, direction: Direction = "A2B") -> tuple[Generator, Imported]:
    """Read another program's checkpoint: a generator in float32 and eval mode, and what was recognised.

    The architecture is found from names, order and shapes of the tensors. `direction` chooses in a file with two
    directions. WeightsError, one line, for anything that is not a known generator.
    """
    if kind_of_weights(path) == "ours":
        raise WeightsError(f"{path} is a weights file of imgcycle's already", f"nothing is to be imported: --to {path}")
    if kind_of_weights(path) == "onnx":
        raise WeightsError(
            f"{path} is an ONNX net, which is run as it is and kept as it is", f"imgcycle convert --to {path}"
        )
    read = read_checkpoint(path)
    state = read.state
    found = search(state, NAMED) or search(state, (RENAMED,))
    if not found:
        _check_seen(path, read.hidden)
        raise WeightsError(f"{path} holds {what_else(state) or shown(_unknown(state))}", _KNOWN)
    try:
        chosen, notes = choose(found, direction)
        _check_seen(path, {name: code for name, code in read.hidden.items() if chosen.has(name)})
        _check_shared(chosen, path)
        check_values(path, chosen.state, chosen.prefix)
        made = chosen.layout.convert(chosen.state, Asked(direction, path.name))
        net = _build(made)
    except UsageError as error:
        # Names of tensors are untrusted, and messages are one line.
        raise WeightsError(f"{path}: {shown(error.message.removeprefix(f'{path}: '))}", error.hint) from error
    left_out = [f"{brief(name)} is left out: {foreign_words(code)}" for name, code in read.hidden.items()]
    notes = (*read.notes, *notes, *left_out[:_MOST_NAMED])
    two_ways = len(found) > 1 or chosen.layout is UNIT
    return net, Imported(
        path,
        chosen.layout.name,
        f"{made.description} ({chosen.layout.name})",
        made.config,
        direction if two_ways else None,
        tuple(map(shown, (*notes, *made.notes))),
    )


def convert_checkpoint(path: Path, output: Path, direction: Direction = "A2B") -> Imported:
    """Read a foreign checkpoint and write it as our own weights file, whose card states its source.

    UsageError also for the reverse direction of a one-way file.
    """
    net, about = import_checkpoint(path, direction)
    check_way(str(path), direction, about.direction)
    save_imported(output, net, about)
    return about


def save_imported(output: Path, net: Generator, about: Imported) -> None:
    """Write an imported generator as our own weights file, whose card states its source."""
    card = {
        "method": about.recognised,
        "data": f"not stated in {about.path.name}",
        "source": about.path.name,
        "source_sha256": digest(about.path),
        "notes": list(about.notes),
        **({"direction": about.direction} if about.direction else {}),
    }
    with reported(OutputError, f"{output} cannot be written"):
        save_weights(output, net, about.config.to_dict(), card)


def _check_seen(path: Path, hidden: Mapping[str, str]) -> None:
    """WeightsError for tensors that only foreign code could build, naming that code."""
    if not hidden:
        return
    names = [brief(name) for name in dict.fromkeys(hidden.values())]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    place, code = next(iter(hidden.items()))
    thing = f"{brief(place) if place else 'all of it'} is {foreign_words(code)}"
    raise WeightsError(
        f"{path}: {thing}; it would import {', '.join(names[:_MOST_NAMED])}{more}, and nothing is imported", _RESAVE
    )


def _check_shared(found: Found, path: Path) -> None:
    """WeightsError for tensors that share their values, by which a small file would fill the memory."""
    if sum(t.numel() for t in found.state.values()) > path.stat().st_size:
        raise WeightsError(f"{path}: its tensors show the same values again and again, more than the file has bytes")


def _unknown(state: State) -> str:
    """Message for tensors that are not a generator: how close they are to one, or how they begin."""
    reason = next((why for why in map(near_miss, _parts(state)) if why), "")
    if reason:
        return f"nearly a generator known here, but {reason}"
    name, tensor = next(iter(state.items()))
    return f"no generator known here: {len(state)} tensors, first {name} {tuple(tensor.shape)}"


def _parts(state: State) -> list[State]:
    """The state itself, and its branches one level below."""
    firsts = list(dict.fromkeys(name.partition(".")[0] for name in state))[:_BRANCHES]
    inner = [{n.partition(".")[2]: t for n, t in state.items() if n.startswith(f"{first}.")} for first in firsts]
    return [state, *inner]


def _build(made: Converted) -> Generator:
    """The net with its tensors; shapes are compared before memory is allocated."""
    with torch.device("meta"):
        net = build_generator(made.config)
    wanted = {name: tuple(t.shape) for name, t in net.state_dict().items()}
    given = {name: tuple(t.shape) for name, t in made.tensors.items()}
    if wanted != given:
        name = next(n for n in sorted(wanted.keys() | given.keys()) if wanted.get(n) != given.get(n))
        raise WeightsError(f"{name} is {given.get(name)}, where {made.description} has {wanted.get(name)}")
    tensors = {n: t if n.endswith("num_batches_tracked") else t.float().contiguous() for n, t in made.tensors.items()}
    net.load_state_dict(tensors, assign=True)
    return net.eval()

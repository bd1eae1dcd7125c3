"""From a run to weights that can be used, and from weights to a new run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from imgcycle import __version__
from imgcycle.config import TrainConfig, Way
from imgcycle.errors import UsageError
from imgcycle.nets.compact import CompactGenerator
from imgcycle.nets.layers import Generator
from imgcycle.training.ema import Ema
from imgcycle.training.state import RunFolder
from imgcycle.weights.find import find_style
from imgcycle.weights.importers import import_checkpoint
from imgcycle.weights.native import fill, inspect_weights, save_weights


class Exporter:
    """Writes `weights/` of a run folder, each file with a card."""

    def __init__(
        self, folder: RunFolder, config: TrainConfig, count_a: int, count_b: int, command: str, licence: str
    ) -> None:
        self.folder, self.config = folder, config
        self.counts = {"A": count_a, "B": count_b}
        self.command, self.licence = command, licence

    def export(
        self, generators: Mapping[str, Generator], nets: Mapping[str, nn.Module], step: int, best: Mapping[str, float]
    ) -> None:
        """All generators, and beside them everything else that was learnt (`critics.safetensors`)."""
        for direction, net in generators.items():
            figures = {"best_kid_x1000": best[direction]} if direction in best else {}
            path = self.folder.weights / f"{direction}.safetensors"
            save_weights(path, net, self.config.net.to_dict(), self._card(direction, step, figures) | _manner(net))
        others = nn.ModuleDict({name: net for name, net in nets.items() if name not in generators})
        if len(others):
            path = self.folder.weights / "critics.safetensors"
            save_weights(path, others, self.config.critic.to_dict(), self._card("critics", step, {}))

    def export_best(self, direction: str, net: Generator, step: int, kid: float) -> None:
        """A generator at its best validation figure so far."""
        path = self.folder.weights / "best" / f"{direction}.safetensors"
        card = self._card(direction, step, {"kid_x1000": kid}) | _manner(net)
        save_weights(path, net, self.config.net.to_dict(), card)

    def _card(self, direction: str, step: int, figures: Mapping[str, float]) -> dict[str, Any]:
        config = self.config
        return {
            "direction": direction,
            "method": config.method,
            "data": {
                domain: {"folder": _shown_folder(root), "images": self.counts[domain]}
                for domain, root in (("A", config.a), ("B", config.b))
            },
            "steps": step,
            "batch": config.batch,
            "trained_size": config.size,
            "licence": self.licence,
            "figures": dict(figures),
            "command": self.command,
            "version": __version__,
        }


def _manner(net: Generator) -> dict[str, Any]:
    """How a net wants to be used that draws one size only: at that, without detail from where its drawing differs."""
    return {} if net.latent_side is None else {"work_size": net.latent_side, "detail": 0.0}


def _shown_folder(root: str) -> str:
    """The last two names of a folder: enough to know it by, without telling where somebody keeps things."""
    return "/".join(Path(root).parts[-2:])


def start_from_weights(source: Path, nets: Mapping[str, nn.Module], averages: Mapping[str, Ema]) -> None:
    """Fill a new run's nets from a weights file of any program (its direction says which net), from a style, or from
    all of a run's weights.

    A net with a skip takes everything but the tail from one without; the other way round is refused.
    UsageError when the architecture differs or nothing fits.
    """
    if (source / "weights").is_dir():
        files = {d: source / "weights" / f"{d}.safetensors" for d in ("A2B", "B2A") if d in nets}
        found = {direction: path for direction, path in files.items() if path.is_file()}
        critics = source / "weights" / "critics.safetensors"
    else:
        style = find_style(str(source))
        if style.is_foreign:
            _start_from_foreign(style.path, nets, averages)
            return
        found = {_way(style.path): style.path}
        critics = source.parent / "none"
    found = {direction: path for direction, path in found.items() if direction in nets}
    if not found:
        raise UsageError(f"{source} holds no weights to start from", "give a .safetensors file or a run folder")
    for direction, path in found.items():
        net = nets[direction]
        fill(net, path, "this run's generator", "ask for the same --net and --width")
        draws_changes = inspect_weights(path).config.get("skip", False)
        if isinstance(net, CompactGenerator) and net.skip and not draws_changes:
            net.draw_nothing()  # what has drawn pictures so far is to draw changes: as a start, none
        elif draws_changes and not getattr(net, "skip", False):
            raise UsageError(f"{path} was learnt to draw changes to its input, this net draws pictures", "add --skip")
        _copied(direction, nets, averages)
    others = nn.ModuleDict({name: net for name, net in nets.items() if name not in ("A2B", "B2A")})
    if critics.is_file() and len(others):
        hint = f"--start-from {found[min(found)]} takes the generator alone, beside fresh critics"
        fill(others, critics, "this run's critics", hint)


def _way(path: Path) -> str:
    """The net that a weights file is for, by its card; a style's card has words there, and is a way there."""
    said = inspect_weights(path).card.get("direction")
    return said if said in ("B2A", "critics") else "A2B"


def _copied(direction: str, nets: Mapping[str, nn.Module], averages: Mapping[str, Ema]) -> None:
    if direction in averages:
        averages[direction].module.load_state_dict(nets[direction].state_dict())


def _start_from_foreign(path: Path, nets: Mapping[str, nn.Module], averages: Mapping[str, Ema]) -> None:
    """Fill the generators from another program's checkpoint: both of them where it holds two ways."""
    ways: tuple[Way, ...] = ("A2B", "B2A")
    for way in ways:
        if way not in nets:
            continue
        net, about = import_checkpoint(path, way)
        try:
            nets[way].load_state_dict(net.state_dict())
        except RuntimeError as error:
            hint = f"it holds a {about.recognised}; ask for the same --net and --width"
            raise UsageError(f"{path} does not fit this run's generator", hint) from error
        _copied(way, nets, averages)
        if about.direction is None:
            break

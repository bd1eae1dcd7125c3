"""Export of a run's weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from imgcycle._version import __version__
from imgcycle.config import TrainConfig
from imgcycle.config.legacy import DISCRIMINATORS_CARDS, DISCRIMINATORS_FILES
from imgcycle.errors import UsageError
from imgcycle.nets.layers import Generator
from imgcycle.training.first_net import FirstNet
from imgcycle.training.storage.folder import RunFolder
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import load_strokes, save_weights


class Exporter:
    """Writes `weights/` of a run folder, each file with a card."""

    def __init__(
        self,
        folder: RunFolder,
        config: TrainConfig,
        count_a: int,
        count_b: int,
        command: str,
        licence: str,
        first_net: FirstNet | None = None,
    ) -> None:
        self.first_net = first_net
        self.folder, self.config = folder, config
        self.counts = {"A": count_a, "B": count_b}
        self.command, self.licence = command, licence

    def export(
        self, generators: Mapping[str, Generator], nets: Mapping[str, nn.Module], step: int, best: Mapping[str, float]
    ) -> None:
        """Export all generators, and all other trained nets (`discriminators.safetensors`)."""
        for direction, net in generators.items():
            figures = {"best_kid_x1000": best[direction]} if direction in best else {}
            self._save(self.folder.weights / f"{direction}.safetensors", net, self._card(direction, step, figures))
        others = nn.ModuleDict({name: net for name, net in nets.items() if name not in generators})
        if len(others):
            path, former = (self.folder.weights / name for name in DISCRIMINATORS_FILES)
            save_weights(
                path, others, self.config.discriminator.to_dict(), self._card(DISCRIMINATORS_CARDS[0], step, {})
            )
            former.unlink(missing_ok=True)  # of a run begun by an earlier version

    def stale(self, directions: Iterable[str], step: int) -> bool:
        """True if weights are missing, damaged, of another step, under another licence, or for other strokes."""
        try:
            files = [self.folder.weights / f"{direction}.safetensors" for direction in directions]
            cards = [inspect_weights(path).card for path in files]
            strokes = None if self.first_net is None else self.first_net.strokes
            said = [(card.get("steps"), card.get("licence"), card.get("strokes")) for card in cards]
            return any(each != (step, self.licence, strokes) for each in said)
        except UsageError:
            return True

    def restate_best(self) -> None:
        """Have the best weights so far say the same of strokes as the others, which a resumed run may be told anew."""
        for path in sorted((self.folder.weights / "best").glob("*.safetensors")) if self.first_net is not None else ():
            about = inspect_weights(path)
            if self.first_net is not None and about.card.get("strokes") != self.first_net.strokes:
                net, card = load_strokes(about), about.card | {"strokes": self.first_net.strokes}
                assert net is not None
                save_weights(path, card=card, **self.first_net.with_strokes(net, self.config.net.to_dict()))

    def export_best(self, direction: str, net: Generator, step: int, kid: float) -> None:
        """Export a generator at its best validation figure so far."""
        card = self._card(direction, step, {"kid_x1000": kid})
        self._save(self.folder.weights / "best" / f"{direction}.safetensors", net, card)

    def _save(self, path: Path, net: Generator, card: dict[str, Any]) -> None:
        config = self.config.net.to_dict()
        if self.first_net is None:
            save_weights(path, net, config, card | _card_settings(net))
        else:
            save_weights(path, card=card | self.first_net.card(), **self.first_net.with_strokes(net, config))

    def _card(self, direction: str, step: int, figures: Mapping[str, float]) -> dict[str, Any]:
        config = self.config
        return {
            "direction": direction,
            "method": config.method,
            **({} if config.recipe is None else {"recipe": config.recipe}),
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


def _card_settings(net: Generator) -> dict[str, Any]:
    """Settings for a net with a single output size: that work size, and no detail from where its drawing differs."""
    return {} if net.fixed_output_side is None else {"work_size": net.fixed_output_side, "detail": 0.0}


def _shown_folder(root: str) -> str:
    """Last two names of a folder: recognisable, without revealing the user's paths."""
    return "/".join(Path(root).parts[-2:])

"""`index.html` of a run folder, rewritten during the run; it is made from the folder's content, so that a resumed
run shows all of it.
"""

from __future__ import annotations

import io
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from imgcycle.config import TrainConfig
from imgcycle.data.sampling import evenly_spaced
from imgcycle.errors import UsageError
from imgcycle.media.files import write_text
from imgcycle.media.image.thumbnails import Levels
from imgcycle.methods.registry import method_class
from imgcycle.report.chart import Curve
from imgcycle.report.page import PagePicture
from imgcycle.report.run_page import Finding, RunView, TimedPicture, run_page
from imgcycle.training.events import Diagnosed, Event, Finished, Progress, RolledBack, Sampled, Started, Validated
from imgcycle.training.samples import FIXED
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.history import RunHistory, read_history

MOMENTS = 24
"""Most points in time on a page: of a longer run, that many spread evenly."""
EVERY = 30.0
"""Minimum seconds between two updates that only bring new losses."""
_JUDGES = ("critic", "discriminator")
_PROBES = {
    "luma": "Luma correlation",
    "change": "Change, levels",
    "variety": "Variety",
    "colour": "Colour",
}


class RunPage:
    """A listener that keeps `index.html` of a run folder up to date.

    OutputError if it cannot be written.
    """

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._started: Started | None = None
        self._cells: dict[Path, tuple[int, list[list[PagePicture]]]] = {}
        self._step = 0
        self._left: float | None = None
        self._written = 0.0

    def __call__(self, event: Event) -> None:
        """Record an event, and rewrite the page if there is something new."""
        match event:
            case Started():
                self._started, self._step = event, event.step
            case Progress():
                self._step, self._left = event.step, event.seconds_left
                if time.monotonic() - self._written < EVERY:
                    return
            case Finished() | Sampled() | Validated() | Diagnosed() | RolledBack():
                self._step = event.step
            case _:
                return
        self.write(event if isinstance(event, Finished) else None)

    def write(self, ended: Finished | None = None) -> None:
        """Write the current page."""
        history = read_history(self._folder.root)
        if history is None or self._started is None:
            return
        with self._folder.writing():
            write_text(self._folder.root / "index.html", run_page(self._view(history, self._started, ended)))
        self._written = time.monotonic()

    def _view(self, history: RunHistory, started: Started, ended: Finished | None) -> RunView:
        finished = ended is not None and not ended.interrupted
        samples = history.samples()
        moments = evenly_spaced([step for step in samples if step <= self._step], MOMENTS)
        config = history.config
        return RunView(
            title=self._folder.root.resolve().name,
            state="running" if ended is None else "finished" if finished else "stopped",
            step=self._step,
            steps=started.steps,
            lines=tuple(_lines(history, started)),
            moments=tuple(moments),
            pictures=(*self._own(moments), *self._pictures(history, {step: samples[step] for step in moments})),
            curves=tuple(_curves(history)),
            findings=tuple(_findings(history)),
            changed=tuple(_flat(_changed(config))),
            settings=tuple(_flat(config)),
            commands=tuple(_commands(history, started.run, finished)),
        )

    def _own(self, moments: Sequence[int]) -> Iterator[tuple[str, tuple[TimedPicture, ...]]]:
        """Yield the images of `--sample-from`."""
        found = []
        for place in sorted((self._folder.samples / "own").glob("?? *")):
            before = self._read(place / "before.webp")
            row = tuple(self._read(place / f"step-{step}.webp") for step in moments)
            if before is not None and any(row):
                found.append(TimedPicture(place.name[3:], before, (("Translated", row),)))
        if found:
            yield "Pictures of your own", tuple(found)

    def _read(self, path: Path) -> PagePicture | None:
        """A WebP image written for a page; None if it does not exist."""

        def read() -> list[list[PagePicture]]:
            data = path.read_bytes()
            with Image.open(io.BytesIO(data)) as image:
                return [[PagePicture.encoded(data, *image.size)]]

        found = self._kept(path, read)
        return found[0][0] if found else None

    def _pictures(
        self, history: RunHistory, samples: Mapping[int, Path]
    ) -> Iterator[tuple[str, tuple[TimedPicture, ...]]]:
        """Yield the fixed images of each direction, cut out of the grids."""
        side = int(history.config["crop"])
        grids = [self._cut(path, side) for path in samples.values()]
        if not grids:
            return
        paired = method_class(history.config["method"]).paired
        row = 0
        for heading, count in _directions(history, len(grids[-1])):
            rows = range(row, row + count)
            row += count
            yield heading, tuple(_timed(grids, n, number, paired) for number, n in enumerate(rows, 1))

    def _cut(self, path: Path, side: int) -> list[list[PagePicture]]:
        """Rows of encoded images of a grid."""
        return self._kept(path, lambda: [[PagePicture.of(cell) for cell in row] for row in grid_cells(path, side)])

    def _kept(self, path: Path, read: Callable[[], list[list[PagePicture]]]) -> list[list[PagePicture]]:
        """Result of `read` for a file, cached while it does not change; empty for a damaged or missing one."""
        try:
            changed = path.stat().st_mtime_ns
            if self._cells.get(path, (0, []))[0] != changed:
                self._cells[path] = (changed, read())
        except OSError:
            return []
        return self._cells[path][1]


def grid_cells(path: Path, side: int) -> list[list[Levels]]:
    """A sample grid as rows of images of `side` pixels, uint8 (side, side, 3); OSError if it cannot be read."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGB"))
    height, width = pixels.shape[0] // side, pixels.shape[1] // side
    return [[pixels[y * side : (y + 1) * side, x * side : (x + 1) * side] for x in range(width)] for y in range(height)]


def _timed(grids: Sequence[list[list[PagePicture]]], row: int, number: int, paired: bool) -> TimedPicture:
    """One row of all grids: the input, outputs over time, and the third column."""

    def column(n: int) -> tuple[PagePicture | None, ...]:
        return tuple(grid[row][n] if row < len(grid) and n < len(grid[row]) else None for grid in grids)

    newest = grids[-1][row]
    after = [("Translated", column(1))]
    fixed = []
    if len(newest) > 2 and paired:
        fixed.append(("Wanted", newest[2]))
    elif len(newest) > 2:
        after.append(("Brought back", column(2)))
    return TimedPicture(f"Picture {number}", newest[0], tuple(after), tuple(fixed))


def _directions(history: RunHistory, rows: int) -> list[tuple[str, int]]:
    """A heading for each direction of a grid, and its number of rows."""
    names = [Path(str(history.config[domain])).name for domain in ("a", "b")]
    counts = [min(FIXED, int(history.facts.get(f"count_{domain}", FIXED))) for domain in ("a", "b")]
    forward, back = f"{names[0]} → {names[1]}", f"{names[1]} → {names[0]}"
    if rows > max(counts):
        return [(forward, counts[0]), (back, rows - counts[0])]
    return [(back if history.config.get("direction") == "B2A" else forward, rows)]


def _curves(history: RunHistory) -> Iterator[tuple[str, tuple[Curve, ...]]]:
    losses = history.series()
    rates = losses.pop("lr", None)
    judges = {name for name in losses if name.startswith(_JUDGES)}
    kid = history.series("kid")
    against = history.references()
    if kid:
        yield (
            "Validation: KID × 1000, lower is nearer",
            tuple(
                Curve(
                    name, *pair, tuple((said, row[name]) for said, row in against.items() if name in row), noisy=False
                )
                for name, pair in kid.items()
            ),
        )
    yield "Generators", tuple(Curve(name, *pair) for name, pair in losses.items() if name not in judges)
    learning = (Curve("Learning rate", *rates, noisy=False),) if rates else ()
    yield "Discriminators, and the learning rate", (*(Curve(name, *losses[name]) for name in sorted(judges)), *learning)
    yield "Probes of fixed pictures", tuple(_probes(history))


def _probes(history: RunHistory) -> Iterator[Curve]:
    rows = [(int(row["step"]), row["probe"]) for row in history.rows if isinstance(row.get("probe"), dict)]
    for direction in dict.fromkeys(name for _, probes in rows for name in probes):
        for key, label in _PROBES.items():
            pairs = [(step, float(p[direction][key])) for step, p in rows if key in p.get(direction, {})]
            if pairs:
                steps, values = zip(*pairs, strict=True)
                yield Curve(f"{label}, {direction}", steps, values, noisy=False)


def _findings(history: RunHistory) -> Iterator[Finding]:
    for row in history.rows:
        if isinstance(row.get("finding"), str):
            yield Finding(int(row["step"]), row["finding"], str(row.get("advice") or ""))


def _changed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that differ from the method's defaults."""
    try:
        usual = TrainConfig(
            a=str(config["a"]), b=str(config["b"]), method=str(config["method"]), variant=config.get("variant")
        ).to_dict()
    except (UsageError, KeyError):
        return {}
    return {name: value for name, value in config.items() if value != usual.get(name) or name in ("a", "b", "method")}


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield settings as names and texts, those of a net one by one."""
    for name, value in config.items():
        if isinstance(value, dict):
            yield name, ", ".join(f"{part} {_word(inner)}" for part, inner in value.items())
        else:
            yield name, _word(value)


def _word(value: Any) -> str:
    if value is None or value == []:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _commands(history: RunHistory, root: Path, finished: bool) -> Iterator[tuple[str, str]]:
    run = shlex.quote(str(root))
    two_way = (root / "weights" / "A2B.safetensors").exists() and (root / "weights" / "B2A.safetensors").exists()
    if not finished:
        yield "Go on with the run, bit for bit", f"imgcycle train -o {run} --resume"
    yield "Convert photographs with what is learnt so far", f"imgcycle convert photos/ --to {run}"
    if two_way:
        yield "The other way round", f"imgcycle convert pictures/ --to {run} --direction B2A"
    yield "Convert a clip", f"imgcycle video clip.mp4 --style {run}"
    yield "Keep the style under a name", f"imgcycle models add {run} --name {shlex.quote(root.resolve().name)}"
    if command := str(history.content.get("command") or ""):
        yield "How the run was begun", command


def _lines(history: RunHistory, started: Started) -> Iterator[str]:
    config, facts = history.config, history.facts
    folders = f"{started.images_a} in {config['a']}, {started.images_b} in {config['b']}"
    yield f"{config['method']}; pictures: {folders}; {started.steps_per_epoch:,} steps an epoch"
    versions = f", PyTorch {facts['torch']}" if facts.get("torch") else ""
    yield f"{started.device} in {started.precision}, {started.threads} threads{versions}"
    yield f"As of {datetime.now().astimezone().strftime('%d %B %Y, %H:%M')}"

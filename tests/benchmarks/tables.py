"""CycleGAN's tables 2 to 5 in kind: python -m tests.benchmarks.tables RESULTS --jobs 2

Labels↔photo for methods and for ablations of the loss, on streets that are made up (`world.py`): the paper's ten rows,
each trained by `imgcycle.training` with one generator, one discriminator and one number of steps (`tables_cells.py`),
scored as in the paper (`tables_scores.py`), and printed in Markdown beside the published figures; mean ± standard
deviation where there are several seeds. Figures compare with their neighbours, not with the published ones: scenes are
simpler and 64 pixels wide, classes eight instead of nineteen, runs minutes long.

Begun again with the same RESULTS it goes on where it was: a finished cell is a file, an unfinished one continues its
run. `--cell cyclegan --seed 1` makes one figure alone, in an empty RESULTS bit for bit the same. `--rows` and `--seeds`
choose a part; seeds from 100 on have scenes of their own, to choose settings with.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch

from imgcycle.metrics.segmentation import Counts, commonest_class, label_scores
from tests.benchmarks.tables_cells import (
    BUDGET,
    ROWS,
    WAYS,
    Cell,
    Figures,
    Way,
    finished,
    held_out,
    run_cell,
    scores,
    write_world,
)
from tests.benchmarks.tables_scores import colour_alone, score_labels, score_photos, segmenter
from tests.benchmarks.world import scene

TITLES = {"A2B": "labels→photo", "B2A": "photo→labels"}
COLUMNS = ("per-pixel", "per-class", "class IoU")


@dataclass
class Worker:
    """A cell at work in a process of its own."""

    cell: Cell
    process: subprocess.Popen[bytes]
    log: IO[bytes]
    core: int | None


def train_all(cells: Sequence[Cell], jobs: int) -> None:
    """Train and score cells in so many processes, each on a core of its own where cores can be had.

    Whatever ends this ends them as well, with their runs saved.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    free: list[int | None] = [cores[n] if jobs <= len(cores) else None for n in range(jobs)]
    waiting, working = list(cells), list[Worker]()
    try:
        while waiting or working:
            while waiting and free:
                working.append(start(waiting.pop(0), free.pop()))
            time.sleep(0.5)
            for worker in [one for one in working if one.process.poll() is not None]:
                working.remove(worker)
                free.append(worker.core)
                worker.log.close()
                figures = finished(worker.cell)
                told = f"failed, see {worker.log.name}" if figures is None else f"{figures['seconds']:.0f} s of CPU"
                print(f"{worker.cell.name}: {told}", file=sys.stderr, flush=True)
    finally:
        for worker in working:
            worker.process.terminate()
        for worker in working:
            worker.process.wait()


def start(cell: Cell, core: int | None) -> Worker:
    command = [sys.executable, "-m", "tests.benchmarks.tables", str(cell.folder)]
    command += ["--cell", cell.row, "--seed", str(cell.seed)]
    cell.file.parent.mkdir(parents=True, exist_ok=True)
    log = cell.file.with_suffix(".log").open("ab")
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    # In a session of its own: a Ctrl-C is to reach it once, through `train_all`; a second would end it unsaved.
    process = subprocess.Popen(command, stdout=log, stderr=log, env=alone, start_new_session=True)
    if core is not None:
        os.sched_setaffinity(process.pid, {core})
    return Worker(cell, process, log, core)


def figures_of(counts: Counts) -> Figures:
    found = label_scores(counts)
    return found.per_pixel, found.per_class, found.class_iou


def measured(row: str, seeds: Sequence[int], folder: Path, way: Way) -> list[Figures]:
    """A row's figures of one way, for each seed that is finished."""
    found = [finished(Cell(row, seed, folder)) for seed in seeds]
    each = [scores(figures, way) for figures in found if figures is not None]
    return [(one.per_pixel, one.per_class, one.class_iou) for one in each]


def spread(values: Sequence[float]) -> str:
    """`0.512 ± 0.010`, without the latter for a single value."""
    mean = f"{statistics.fmean(values):.3f}"
    return f"{mean} ± {statistics.stdev(values):.3f}" if len(values) > 1 else mean


def table(way: Way, rows: dict[str, list[int]], folder: Path, known: dict[str, Figures]) -> list[str]:
    """One direction's table in Markdown."""
    lines = [f"| {TITLES[way]} | published | {' | '.join(COLUMNS)} | seeds |", "|---|---|---|---|---|---|"]
    for row, seeds in rows.items():
        found = measured(row, seeds, folder, way)
        cells = [spread(column) for column in zip(*found, strict=True)] if found else ["–"] * 3
        published = " / ".join(f"{figure:.2f}" for figure in ROWS[row].published[WAYS.index(way)])
        lines.append(f"| {ROWS[row].title} | {published} | {' | '.join(cells)} | {len(found)} |")
    return lines + [f"| *{name}* | | {' | '.join(f'{one:.3f}' for one in found)} | |" for name, found in known.items()]


def order(rows: dict[str, list[int]], folder: Path) -> list[str]:
    """Which of the paper's orders hold here, by class IoU of photo→labels, and by how many standard deviations."""
    lines = []
    for better, worse in (("pix2pix", "cyclegan"), ("cyclegan", "cycle-alone"), ("cyclegan", "gan-alone")):
        high, low = ([one[2] for one in measured(row, rows.get(row, []), folder, "B2A")] for row in (better, worse))
        if min(len(high), len(low)) > 1:
            apart = statistics.fmean(high) - statistics.fmean(low)
            deviation = max(statistics.stdev(high), statistics.stdev(low))
            holds = "holds" if apart > deviation else "does not hold"
            lines.append(f"{ROWS[better].title} > {ROWS[worse].title}: {holds}, by {apart:.3f}, sd {deviation:.3f}")
    return lines


def bounds(folder: Path, world: int) -> dict[Way, dict[str, Figures]]:
    """What is reached without learning, by colour alone, and at most."""
    scenes, known = held_out(world), [scene(world, index) for index in range(*BUDGET.labels)]
    photos = [one.photo for one in scenes]
    nearest, real = score_labels(scenes, photos), score_photos(scenes, photos, segmenter(reader(folder, world), world))
    lazy = {"the commonest class everywhere": figures_of(commonest_class(nearest))}
    unchanged = score_photos(scenes, [one.labels for one in scenes], segmenter(reader(folder, world), world))
    return {
        "A2B": {
            **lazy,
            "the label pictures as they are, taken for photographs": figures_of(unchanged),
            "real photographs, as the segmenter reads them": figures_of(real),
        },
        "B2A": {
            **lazy,
            "the photograph's nearest palette colour": figures_of(nearest),
            "colour alone, learnt from pairs": figures_of(colour_alone(scenes, known)),
            "the segmenter, learnt from pairs": figures_of(real),
        },
    }


def reader(folder: Path, world: int) -> Path:
    return folder / f"segmenter-{world}.pt"


def tell(cell: Cell, figures: dict[str, Any]) -> None:
    for way in WAYS:
        found = scores(figures, way)
        named = zip(COLUMNS, (found.per_pixel, found.per_class, found.class_iou), strict=True)
        print(f"{cell.name} {TITLES[way]}: {', '.join(f'{name} {value:.6f}' for name, value in named)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path)
    parser.add_argument("--jobs", type=int, default=1, help="cells at once, each in one thread")
    parser.add_argument("--cell", choices=ROWS, help="one row with one --seed, in this process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of 0 (ablations, CycleGAN, pix2pix: 0 1 2)")
    given = parser.parse_args()
    if given.cell:
        cell = Cell(given.cell, given.seed, given.results)
        tell(cell, finished(cell) or run_cell(cell))
        return
    torch.set_num_threads(1)
    rows = {row: given.seeds or list(ROWS[row].seeds) for row in given.rows}
    cells = [Cell(row, seed, given.results) for row, seeds in rows.items() for seed in seeds]
    for world in sorted({cell.world for cell in cells}):
        write_world(given.results, world)
        segmenter(reader(given.results, world), world)
    # All first seeds before any second one: a table that is not whole yet has all its rows.
    unfinished = sorted((cell for cell in cells if finished(cell) is None), key=lambda cell: cell.seed)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    train_all(unfinished, given.jobs)
    known = bounds(given.results, cells[0].world)
    for way in WAYS:
        print("\n".join(["", *table(way, rows, given.results, known[way])]))
    print("\n".join(["", *order(rows, given.results)]))
    seconds = sum(figures["seconds"] for figures in map(finished, cells) if figures is not None)
    print(f"\n{seconds / 60:.0f} minutes of one core")
    failed = [cell.name for cell in unfinished if finished(cell) is None]
    if failed:
        raise SystemExit(f"not finished: {', '.join(failed)}")


if __name__ == "__main__":
    main()

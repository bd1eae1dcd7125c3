"""`--stats`: how much a clip flickers, as it was filmed, as the net leaves each frame, and as it was calmed."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgcycle.engine.smoothing import TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import OutputError, UsageError, reported
from imgcycle.jobs.side_outputs import check_place
from imgcycle.jobs.tasks import ClipRow, ClipTask
from imgcycle.media.files import read_file, write_text
from imgcycle.media.image.pixels import Floats
from imgcycle.media.paths import shown
from imgcycle.metrics.flicker import Flicker
from imgcycle.motion.flow import Motion


class Stats:
    """Watches one clip; each frame goes through the net once more, alone.

    Of work that was resumed it sees what is left: `measured` says how many frames that were.
    """

    def __init__(self, translator: Translator) -> None:
        self._alone = TemporalSmoother(translator, "off")
        self.measured = 0
        self._sequences = {"input": Flicker(), "per_frame": Flicker(), "smoothed": Flicker()}

    def watch(self, frame: Floats, motion: Motion | None, result: Floats) -> None:
        """The next frame at work size, how the one before became it, and what became of it."""
        plain = self._alone.step(frame)
        self.measured += 1
        back = None if motion is None else motion.reversed()
        for name, seen in (("input", frame), ("per_frame", plain), ("smoothed", result)):
            self._sequences[name].add(seen, back, plain if name == "smoothed" else None)

    def figures(self) -> dict[str, dict[str, float | None]]:
        """E_warp (squares of [0, 1]), sharpness and distance from per frame (levels of 8 bits) of each sequence."""
        found: dict[str, dict[str, float | None]] = {}
        for name, sequence in self._sequences.items():
            figures = sequence.figures()
            values = {"e_warp": figures.e_warp, "sharpness": figures.sharpness, "distance": figures.distance}
            found[name] = {key: None if math.isnan(value) else value for key, value in values.items()}
        return found

    def facts(self, task: ClipTask, row: ClipRow) -> dict[str, Any]:
        """What the file of figures says of one clip."""
        facts = {"output": task.output, "frames": row.frames, "measured": self.measured, "seconds": row.seconds}
        return facts | self.figures()

    @staticmethod
    def check(path: Path, tasks: Sequence[ClipTask], overwrite: bool = False) -> dict[str, Any]:
        """The figures in a file that is there, but for clips to be converted; UsageError when it may not be written.

        That is an input, a result, or a file that holds no figures, unless it is to be replaced.
        """
        check_place("--stats", path, tasks)
        known: Any = {}
        if path.exists():
            with contextlib.suppress(OSError, ValueError):
                known = json.loads(read_file(path))
            if not isinstance(known, dict) or not isinstance(known.get("clips"), dict):
                if not overwrite:
                    why = f"--stats {shown(path)} is there already, and holds no figures of clips"
                    raise UsageError(why, "--overwrite replaces it")
                known = {}
        anew = {task.input for task in tasks if task.verdict == "convert"}
        return {clip: figures for clip, figures in known.get("clips", {}).items() if clip not in anew}

    @staticmethod
    def write(path: Path, clips: dict[str, Any]) -> None:
        """All clips' figures as JSON; OutputError when it cannot be written."""
        with reported(OutputError, f"{shown(path)} cannot be written"):
            write_text(path, json.dumps({"schema": 1, "clips": clips}, indent=2) + "\n")

"""`--stats`: flicker of the source, of the frames without smoothing, and of the result."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Sequence
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
    """Measures one clip's frames as they are written; each goes through the nets once more, without smoothing.

    Of a resumed conversion it sees only the rest: `measured` is the number of frames.
    """

    def __init__(self, translator: Translator) -> None:
        self._alone = TemporalSmoother(translator, "off")
        self._plain: Floats | None = None
        self.measured = 0
        self._sequences = {"input": Flicker(), "per_frame": Flicker(), "smoothed": Flicker()}

    def watch(
        self, frame: Floats, motion: Motion | None, written: Floats, finished: Callable[[Floats], Floats]
    ) -> None:
        """Add the next frame, its motion, and what is written, all at work size; `finished` is what is written of a
        net's result.
        """
        try:
            plain = finished(self._alone.step(frame))
        except Exception:  # the conversion has reported it, and repeats the frame before as well
            plain = frame if self._plain is None else self._plain
        self._plain = plain
        self.measured += 1
        back = None if motion is None else motion.reversed()
        for name, seen in (("input", frame), ("per_frame", plain), ("smoothed", written)):
            self._sequences[name].add(seen, back, plain if name == "smoothed" else None)

    def figures(self) -> dict[str, dict[str, float | None]]:
        """E_warp (squares of [0, 1]), sharpness and distance from unsmoothed (8-bit levels) of each sequence."""
        found: dict[str, dict[str, float | None]] = {}
        for name, sequence in self._sequences.items():
            figures = sequence.figures()
            values = {"e_warp": figures.e_warp, "sharpness": figures.sharpness, "distance": figures.distance}
            found[name] = {key: None if math.isnan(value) else value for key, value in values.items()}
        return found

    def facts(self, task: ClipTask, row: ClipRow) -> dict[str, Any]:
        """Entry of one clip in the file of figures."""
        facts = {"output": task.output, "frames": row.frames, "measured": self.measured, "seconds": row.seconds}
        return facts | self.figures()

    @staticmethod
    def check(path: Path, tasks: Sequence[ClipTask], overwrite: bool = False) -> dict[str, Any]:
        """Entries of an existing file of figures, except of clips to be converted; UsageError if it may not be
        overwritten.

        That is an input, a result, or a file without figures, unless `overwrite` is set.
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

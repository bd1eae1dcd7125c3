"""Copy of two folders without the images that a check drops."""

from __future__ import annotations

import shutil
from pathlib import Path

from imgcycle.errors import OutputError, UsageError, from_system
from imgcycle.media.files import write_text
from imgcycle.training.check.report import DROPPED, CheckReport


def copy_clean(report: CheckReport, names: tuple[str, str], out: Path) -> dict[str, int]:
    """Copy the images of both folders to OUT/<name>/, except those that the report drops; return the numbers of each.

    Dropped images are listed in OUT/dropped.tsv with the reason. UsageError if one of the folders exists, OutputError
    if they cannot be written.
    """
    dropped = {remark.path: remark for remark in report.remarks if remark.kind in DROPPED}
    for name in names:
        if (out / name).exists():
            raise UsageError(f"{out / name} is there already", "name another folder with --clean")
    counts = {}
    try:
        for facts, name in zip((report.a, report.b), names, strict=True):
            good = [path for path in facts.paths if path not in dropped]
            for path in good:
                target = out / name / path.relative_to(facts.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(path, target)
            counts[name] = len(good)
        lines = (f"{remark.path}\t{remark.kind}\t{remark.text}\n" for remark in dropped.values())
        write_text(out / "dropped.tsv", "".join(lines))
    except OSError as error:
        raise from_system(OutputError, error, f"{out} cannot be written") from error
    return counts

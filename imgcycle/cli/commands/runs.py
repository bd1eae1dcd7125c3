"""`imgcycle runs`: the training runs below a folder, how far each is and whether it is at work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from imgcycle.cli import options as o


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[FOLDER]", help="Where to look, three folders deep.")] = Path(),
    json_lines: o.JsonOption = False,
    debug: o.DebugOption = False,
) -> None:
    """List the training runs at and below a folder: step, age, state, best validation figures."""
    del debug
    from imgcycle.cli.render.console import emit, emit_json, say
    from imgcycle.cli.render.runs import facts_of_run, table_of_runs
    from imgcycle.errors import UsageError
    from imgcycle.media.paths import shown
    from imgcycle.training.storage.history import find_runs

    if not folder.is_dir():
        raise UsageError(f"{shown(folder)} is no folder", "imgcycle runs [FOLDER]")
    found = [facts_of_run(history) for history in find_runs(folder)]
    if json_lines:
        for facts in found:
            emit_json({"schema": 1, **facts})
        return
    if not found:
        say(f"no run is in {shown(folder)}; imgcycle train A/ B/ begins one")
    for line in table_of_runs(found):
        emit(line)

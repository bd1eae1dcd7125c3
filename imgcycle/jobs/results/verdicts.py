"""Verdicts on results that are there already: convert, skip or keep."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Any

from imgcycle.errors import InputError
from imgcycle.jobs.ledger import file_digest
from imgcycle.jobs.recipe import same_making
from imgcycle.jobs.results.history import history_afar
from imgcycle.jobs.results.ledger import AnyLedger, RemoteLedger
from imgcycle.jobs.tasks import Verdict
from imgcycle.media.outputs import Assignment
from imgcycle.media.remote import Listings, is_remote


def judged(
    assigned: Assignment,
    overwrite: bool,
    update: bool,
    wanted: dict[str, Any],
    ledger: AnyLedger,
    recipe_in: Callable[[str], dict[str, Any] | None],
    listings: Listings,
) -> tuple[Verdict, str]:
    """Verdict (convert, skip or keep) and reason: from the existing output, the ledger and the recipe in it."""
    found = _without_result(assigned.output, ledger)
    if found is not None:
        return found
    if overwrite:
        return "convert", "replaced"
    try:
        return verdict_for(*_history(assigned, ledger, recipe_in, listings), update, wanted)
    except InputError as error:
        return "keep", str(error)
    except OSError as error:
        return "keep", f"cannot be read: {error.strerror}"


def _without_result(output: str, ledger: AnyLedger) -> tuple[Verdict, str] | None:
    """Verdict where there is no result to judge."""
    if isinstance(ledger, RemoteLedger):
        return ("convert", "") if ledger.facts(output) is None else None
    try:
        there = os.lstat(output).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "convert", ""
    except OSError as error:
        hint = " (--name gives it a shorter one)" if error.errno == errno.ENAMETOOLONG else ""
        return "fail", f"its result cannot be written: {error.strerror}{hint}"
    if stat.S_ISDIR(there) or (stat.S_ISLNK(there) and os.path.isdir(output)):  # noqa: PTH112
        return "keep", "a folder of that name"
    return None


def verdict_for(
    untouched: bool, same_input: bool, recipe: dict[str, Any] | None, update: bool, wanted: dict[str, Any]
) -> tuple[Verdict, str]:
    """Verdict on an existing result: whether it is untouched, made from the current input, and its recipe.

    Only results that are surely ours and untouched may be redone for --update; all others are kept.
    """
    if recipe is None:
        return "keep", "not written by imgcycle (--overwrite to replace)"
    if not untouched:
        return "keep", "edited since (--overwrite to replace)"
    if same_input and same_making(recipe, wanted):
        return "skip", "converted before"
    if update:
        return "convert", "redone"
    why = "made with other weights or options" if same_input else "made before its input changed"
    return "keep", f"{why} (--update to redo, another -o for both)"


def _history(
    assigned: Assignment, ledger: AnyLedger, recipe_in: Callable[[str], dict[str, Any] | None], listings: Listings
) -> tuple[bool, bool, dict[str, Any] | None]:
    """Whether an existing output is untouched and made from the current input, and its recipe (None: not ours)."""
    source, output = assigned.source.name, assigned.output
    if is_remote(source) or is_remote(output):
        return history_afar(assigned, ledger, recipe_in, listings)
    record = ledger.get(output)
    if record is not None:
        return ledger.standing(output) == "ours", record.is_of(source), record.recipe
    recipe = recipe_in(output)
    if recipe is None:
        return False, False, None
    # The ledger's line was lost, or the file was copied here: an untouched result has its source's time.
    untouched = os.stat(output).st_mtime_ns == os.stat(source).st_mtime_ns  # noqa: PTH116
    return untouched, recipe.get("input") == file_digest(source), recipe

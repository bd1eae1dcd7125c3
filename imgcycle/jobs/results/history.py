"""What is known of a result where its input, or it itself, is in an object store; nothing is brought here for it as
long as the ledger knows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from imgcycle.jobs.ledger import Record, file_digest
from imgcycle.jobs.results.ledger import AnyLedger, ledger_at
from imgcycle.media import remote
from imgcycle.media.inputs import Gathered, Source
from imgcycle.media.outputs import Assignment
from imgcycle.media.remote import Listings, is_remote, is_web
from imgcycle.media.temporary_folder import TemporaryFolder

RecipeIn = Callable[[str], "dict[str, Any] | None"]


def results_among(found: Gathered) -> list[Source]:
    """The sources in stores that a ledger found beside them names as results."""
    roots = set(found.roots) | {
        each.path.parent for each in found.sources if each.folder is None and is_remote(each.name)
    }
    ledgers = [ledger for root in roots if not is_web(root) and (ledger := ledger_at(root))]
    return [
        source
        for source in found.sources
        if is_remote(source.name)
        and any(each.root in source.path.parents and each.get(source.name) is not None for each in ledgers)
    ]


def history_afar(
    assigned: Assignment, ledger: AnyLedger, recipe_in: RecipeIn, listings: Listings
) -> tuple[bool, bool, dict[str, Any] | None]:
    """Whether an existing output is untouched and made from the current input, and its recipe (None: not ours)."""
    source, output = assigned.source.path, Path(assigned.output)
    record = ledger.get(output)
    if record is not None:
        return ledger.standing(output) == "ours", _same_input(source, record, listings), record.recipe
    found = _recipe(output, recipe_in)
    if found is None:
        return False, False, None
    # The part of the ledger that names it was lost: it is ours by its recipe, as long as its input is the same.
    same = found.get("input") == _digest(source)
    return same, same, found


def _same_input(source: Path, record: Record, listings: Listings) -> bool:
    if not is_remote(source):
        return record.is_of(source)
    found = listings.facts(source)
    if found is None or (found.size and found.size != record.input_size):
        return False
    if found.tag and record.input_tag:
        return found.tag == record.input_tag
    return _digest(source) == record.input_digest


def _digest(path: Path) -> str:
    return hashlib.sha256(remote.read_object(path)).hexdigest() if is_remote(path) else file_digest(path)


def _recipe(output: Path, recipe_in: RecipeIn) -> dict[str, Any] | None:
    if not is_remote(output):
        return recipe_in(str(output))
    with TemporaryFolder() as folder:
        path = folder / output.name
        remote.fetch_object(output, path)
        return recipe_in(str(path))

"""Fetching of published styles: downloaded, compared with the first fetch, and stored as our own weights.

The result is stored rather than the checkpoint: it cannot hold code, opens in milliseconds, and its card states the
source and its digest. The digest of the first fetch is pinned in the user's index, and stays pinned when the style is
removed: a file replaced by its publisher later is detected.
"""

from __future__ import annotations

import contextlib
import datetime
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from imgcycle.errors import DownloadError, UnknownStyle, UsageError, WeightsError
from imgcycle.media.locks import locked
from imgcycle.media.paths import STATE_FOLDER
from imgcycle.weights.description import digest, inspect_weights
from imgcycle.weights.download import Downloaded, Limits, check_address, download, mirrors, writing_download
from imgcycle.weights.events import Kept, Listener, Waiting, nobody
from imgcycle.weights.find import NATIVE, FoundStyle, find_style, homes, known_styles, remote_styles
from imgcycle.weights.importers import Imported, import_checkpoint
from imgcycle.weights.index import INDEX, IndexEntry, Pin, RemoteEntry, read_index, read_pins
from imgcycle.weights.index_writer import add_entry
from imgcycle.weights.native import save_weights


def get_style(name: str, first: Sequence[str] = (), listen: Listener = nobody, limits: Limits | None = None) -> Kept:
    """Install a published style: fetch it unless it is installed and intact, and store it in the user's folder.

    A file of the published name in the user's folder is used in place of a download. `first` are base URLs tried before
    those of `$IMGCYCLE_MIRROR` and the published ones. UnknownStyle for an unknown name, UsageError if a file of the
    user's is in the way, DownloadError if no URL gives a complete file, or one that differs from the first fetch, or is
    not a generator; then nothing is stored.
    """
    home = homes()[0]
    bases = [*map(check_address, first), *mirrors()]
    started = time.monotonic()
    # Checked before locking: the folder may be shared and read-only.
    kept = _here(name, home)
    if kept is None:
        remote = remote_styles().get(name) or _raise_unknown(name)
        with writing_download(home), locked(home / STATE_FOLDER / f"{name}.lock", lambda: listen(Waiting(name))):
            kept = _here(name, home) or _fetch_from(remote, bases, home, listen, limits, started)
    listen(kept)
    return kept


def check_names(names: Sequence[str]) -> None:
    """UnknownStyle for the first name that is neither installed nor published, before anything is fetched."""
    home = homes()[0]
    for name in names:
        if name not in remote_styles() and _here(name, home) is None:
            _raise_unknown(name)


def check_origin(found: FoundStyle) -> None:
    """WeightsError if a fetched style was not made from the file that its pin names."""
    pin = read_pins(homes()[0]).get(found.label) if found.entry else None
    if pin is None or found.is_foreign:
        return
    card = inspect_weights(found.path).card
    if card.get("published_as") == found.label and card.get("source_sha256") != pin.sha256:
        raise WeightsError(f"{found.path} was not made from the file that was fetched first", "remove it, get it again")


def _here(name: str, home: Path) -> Kept | None:
    """The installed style, if it is there and intact."""
    found = known_styles().get(name)
    if found is None or not found.path.is_file() or digest(found.path) != found.digest:
        return None
    pin = read_pins(home).get(name, Pin(""))
    return Kept(name, found.path, pin.sha256, pin.url, fresh=False)


def _raise_unknown(name: str) -> NoReturn:
    """UnknownStyle for a name that nobody publishes, listing known names."""
    if name in known_styles():
        raise UnknownStyle(f"{name} is not as it should be at {known_styles()[name].path}, and is published nowhere")
    find_style(name)
    raise UnknownStyle(f"{name} is a file or folder, and no style that is published")


def _fetch_from(
    remote: RemoteEntry, bases: list[str], home: Path, listen: Listener, limits: Limits | None, started: float
) -> Kept:
    _check_way(remote.name, home)
    with _workplace(home, remote.name) as folder:
        urls = [*(f"{base.rstrip('/')}/{remote.file}" for base in bases), *remote.urls]
        path, came = _obtain(remote, urls, home, folder, listen, limits)
        trusted_now = _compare(remote, came, home)
        kept = _keep(remote, path, came, home)
        return replace(kept, seconds=time.monotonic() - started, trusted_now=trusted_now)


def _check_way(name: str, home: Path) -> None:
    """UsageError if the file at the style's path is not from an earlier fetch."""
    path = home / f"{name}{NATIVE}"
    fetched = _is_fetched(path, name, pinned=name in read_pins(home))
    if name in read_index(home) and not fetched:
        raise UsageError(
            f"{name} is a style of your own, and its weights are damaged", f"imgcycle models remove {name}"
        )
    if path.exists() and not fetched:
        raise UsageError(f"{path} is in the way, and no index names it", "move it away")


def _is_fetched(path: Path, name: str, pinned: bool) -> bool:
    """True if weights are from a fetch, perhaps killed before the index was written; for damaged ones, `pinned`."""
    try:
        return inspect_weights(path).card.get("published_as") == name
    except WeightsError:
        return pinned


@contextlib.contextmanager
def _workplace(home: Path, name: str) -> Iterator[Path]:
    """An empty folder for a download; leftovers of a killed fetch are removed before, its own content after."""
    folder = home / STATE_FOLDER / f"{name}.part"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _obtain(
    remote: RemoteEntry, urls: Sequence[str], home: Path, folder: Path, listen: Listener, limits: Limits | None
) -> tuple[Path, Downloaded]:
    """The published file: one provided by the user, else a download."""
    laid = home / remote.file
    if laid.is_file():
        return laid, Downloaded(digest(laid), laid.stat().st_size, str(laid))
    path = folder / remote.file
    hint = f"offline? fetch {remote.urls[0]} elsewhere, put it at {laid}, then: imgcycle models get {remote.name}"
    return path, download(remote.name, urls, path, listen, limits, hint)


def _compare(remote: RemoteEntry, came: Downloaded, home: Path) -> bool:
    """True if there was no digest to compare with; DownloadError if it is not the expected file."""
    pin = read_pins(home).get(remote.name)
    expected = remote.sha256 or (pin.sha256 if pin else "")
    if expected and came.sha256 != expected:
        first = f"not the {expected[:16]}… " + ("of the index" if remote.sha256 else "fetched first")
        replaced = f"; if its publisher replaced it, delete [pin.{remote.name}] from {home / INDEX}"
        raise DownloadError(
            f"{came.url} is not the file it should be: its SHA-256 is {came.sha256[:16]}…, {first}",
            "nothing was kept" + ("" if remote.sha256 else replaced),
        )
    return not expected


def _keep(remote: RemoteEntry, path: Path, came: Downloaded, home: Path) -> Kept:
    """Read the checkpoint, write the weights, then add them to the index: a kill in between leaves no entry."""
    name = remote.name
    try:
        net, about = import_checkpoint(path)
    except WeightsError as error:
        reason = error.message.removeprefix(str(path)).lstrip(": ")
        raise DownloadError(f"what {came.url} gives is no style: {reason}", "nothing was kept") from error
    kept = home / f"{name}{NATIVE}"
    save_weights(kept, net, about.config.to_dict(), _card(remote, about, came))
    entry = IndexEntry(
        name,
        kept,
        sha256=digest(kept),
        licence=remote.licence,
        data=remote.data,
        method=remote.method or about.recognised,
        direction=remote.direction,
        inverse=remote.inverse,
        work_size=remote.work_size,
        detail=remote.detail,
    )
    add_entry(home, entry, Pin(came.sha256, came.url, datetime.date.today().isoformat()))
    return Kept(name, kept, came.sha256, came.url, came.size)


def _card(remote: RemoteEntry, about: Imported, came: Downloaded) -> dict[str, Any]:
    """Card of the weights, which stays with them wherever they are copied."""
    said = {
        "published_as": remote.name,
        "direction": remote.direction,
        "method": remote.method or about.recognised,
        "recognised": about.recognised,
        "data": remote.data,
        "licence": remote.licence,
        "source": came.url,
        "source_sha256": came.sha256,
        "work_size": remote.work_size,
        "detail": remote.detail,
        "notes": list(about.notes),
    }
    return {key: value for key, value in said.items() if value not in (None, "", [])}

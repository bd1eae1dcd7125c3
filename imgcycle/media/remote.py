"""Object stores and web servers through fsspec: objects listed, read and written whole, tried again when the net fails.

Inside the program an address is a Path (`s3:/bucket/a.jpg`), so that names, suffixes and folders are one thing wherever
a file is; `address_of` is what people and stores read.
"""

from __future__ import annotations

import functools
import glob
import importlib
import os
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePath
from typing import Any, TypeVar

from imgcycle.errors import ImgcycleError, InputError, MissingExtra, OutputError, UsageError

WEB = ("http", "https")
"""Schemes that are read and not written."""
SCHEMES = ("s3", "gs", "gcs", "az", "abfs", "abfss", "hf", "memory", *WEB)
_ADDRESS = re.compile(rf"({'|'.join(SCHEMES)}):(?:/+(.*)|$)", re.DOTALL)
_SECRET = re.compile(
    r"[?&;](?:x-(?:amz|goog)-|sig=|se=|token|key|secret|password|signature|awsaccesskeyid)", re.IGNORECASE
)
_TRIES, _FIRST_WAIT = 5, 0.5
"""Attempts at one request, and seconds before the second; each wait is twice the one before."""
_WHOLE = 64 * 2**20
"""Bytes up to which a file is sent from memory."""
_KEPT = 4
"""Folders of which listings are kept: plans go through one after another."""
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "content_md5",
    "oid",
    "blob_id",
    "LastModified",
    "last_modified",
    "mtime",
    "created",
)
"""Fields by which stores tell one version of an object from another, the best first."""
_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
Value = TypeVar("Value")


@dataclass(frozen=True)
class ObjectFacts:
    """Size in bytes, what tells this version of an object from others, and when it was written (ns; 0: unknown)."""

    size: int
    tag: str
    time: int = 0


def is_remote(path: PurePath | str) -> bool:
    """True for an address of an object store or web server."""
    return _ADDRESS.match(str(path)) is not None


def address_of(path: PurePath | str) -> str:
    """The address that a path stands for; of a file of this machine its name."""
    text = os.fspath(path)
    match = _ADDRESS.match(text)
    return text if match is None else f"{match[1]}://{match[2] or ''}"


def is_web(path: PurePath | str) -> bool:
    """True for an address of a web server, which is read, and neither listed nor written."""
    return is_remote(path) and address_of(path).partition(":")[0] in WEB


def check_store_address(text: str, what: str) -> None:
    """Raise UsageError for an address of an unknown kind, or with a secret in it, and MissingExtra without its package.

    `what` begins the message: the option, or what the address stands for.
    """
    match = _ADDRESS.match(text)
    if match is None:
        kinds = ", ".join(f"{scheme}://" for scheme in ("s3", "gs", "az", "hf", "https"))
        raise UsageError(
            f"{what} is an address of a kind that is not known: {without_secrets(text)}", f"one of {kinds}"
        )
    if _SECRET.search(text) or "@" in (match[2] or "").partition("/")[0]:
        raise UsageError(
            f"{what} is an address with a secret in it, {without_secrets(text)}, which rows and notes would tell",
            "leave it to the environment or the store's own settings",
        )
    _store(match[1])


def without_secrets(text: str) -> str:
    """Text of a store or about an address, without credentials and signatures."""
    text = re.sub(r"(://)[^/\s@]*@", r"\1", text)
    text = re.sub(r"(://[^\s?]*)\?\S*", r"\1?…", text)
    return re.sub(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}", "…", text)


_lock = threading.Lock()


@functools.lru_cache(maxsize=16)
def _connected(scheme: str) -> Any:
    try:
        fsspec = importlib.import_module("fsspec")
    except ImportError as error:
        raise MissingExtra("remote", f"{scheme}://") from error
    more = {"config_kwargs": {"max_pool_connections": 64}} if scheme == "s3" else {}
    try:
        # A listing that is kept would not show what another process has written.
        return fsspec.filesystem(scheme, use_listings_cache=False, **more)
    except (ImportError, ValueError) as error:
        raise MissingExtra("remote", f"{scheme}://") from error
    except Exception as error:
        raise UsageError(f"{scheme}:// cannot be used: {_reason(error)}") from error


def _store(scheme: str) -> Any:
    """The file system of a scheme: one for all threads, which share its connections."""
    with _lock:
        return _connected(scheme)


def _of(path: PurePath | str) -> tuple[Any, str]:
    """The file system of an address, and the name by which that knows the object."""
    address = address_of(path)
    scheme = address.partition(":")[0]
    return _store(scheme), address


def _reason(error: BaseException) -> str:
    """One line of a store's account of a failure."""
    said = (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
    return without_secrets(said.splitlines()[0][:200])


def _is_lasting(error: Exception) -> bool:
    """True for a failure that would be the same the next time."""
    if isinstance(
        error, FileNotFoundError | FileExistsError | PermissionError | IsADirectoryError | NotImplementedError
    ):
        return True
    if "Credential" in type(error).__name__ or isinstance(error, TypeError | AttributeError):
        return True
    status = getattr(error, "status", None) or getattr(error, "code", None)
    return isinstance(status, int) and 400 <= status < 500 and status not in (408, 425, 429)


def _tried(act: Callable[[], Value], sleep: Callable[[float], None] = time.sleep) -> Value:
    """What `act` returns, tried again while the net or the store is at fault; its last error passes."""
    wait = _FIRST_WAIT
    for left in range(_TRIES - 1, -1, -1):
        try:
            return act()
        except Exception as error:
            if not left or _is_lasting(error):
                raise
        # Many workers that were refused together would come back together.
        sleep(wait * random.uniform(0.5, 1.0))  # noqa: S311
        wait *= 2
    raise AssertionError


def _failed(kind: type[ImgcycleError], what: str, error: Exception) -> ImgcycleError:
    return kind(f"{what}: {_reason(error)}")


def _facts(info: dict[str, Any]) -> ObjectFacts:
    told = next((info[name] for name in _TAGS if info.get(name)), "")
    tag = str(told.timestamp() if isinstance(told, datetime) else told).strip('"')
    when = next((info[name] for name in _TIMES if info.get(name)), 0)
    if isinstance(when, datetime):
        when = when.timestamp()
    seconds = float(when) if isinstance(when, int | float) else 0.0
    return ObjectFacts(int(info.get("size") or 0), tag, int(seconds * 1e9))


def kind_at(path: Path) -> str:
    """`file`, `folder`, or empty where nothing is; a web server has files. InputError if the store cannot tell."""
    store, address = _of(path)
    if is_web(address):
        return "file"
    try:
        found: dict[str, Any] = _tried(lambda: store.info(address))
    except FileNotFoundError:
        return ""
    except Exception as error:
        raise _failed(InputError, f"{address} cannot be looked at", error) from error
    return "folder" if found.get("type") == "directory" else "file"


def facts_at(path: Path) -> ObjectFacts | None:
    """Facts of an object; None where none is. InputError if the store cannot tell."""
    store, address = _of(path)
    try:
        found: dict[str, Any] = _tried(lambda: store.info(address))
    except FileNotFoundError:
        return None
    except Exception as error:
        raise _failed(InputError, f"{address} cannot be looked at", error) from error
    return None if found.get("type") == "directory" else _facts(found)


def objects_in(folder: Path) -> tuple[dict[str, ObjectFacts], list[str]]:
    """Objects directly in a folder by name, and the names of its subfolders; empty where there is none."""
    store, address = _of(folder)
    try:
        found: list[dict[str, Any]] = _tried(lambda: store.ls(address, detail=True))
    except FileNotFoundError:
        return {}, []
    except Exception as error:
        raise _failed(InputError, f"{address} cannot be listed", error) from error
    files, folders = {}, []
    while found:  # one by one: what a store says of an object takes five times what is kept of it
        each = found.pop()
        name = str(each["name"]).rstrip("/").rpartition("/")[2]
        if not name or name == ".":
            continue
        if each.get("type") == "directory":
            folders.append(name)
        elif name != folder.name or not str(each["name"]).endswith("/"):
            files[name] = _facts(each)
    return files, sorted(folders)


class Listings:
    """Facts of many objects, by one listing for each of their folders; those of the last few folders are kept."""

    def __init__(self) -> None:
        self._folders: dict[Path, dict[str, ObjectFacts]] = {}

    def facts(self, path: Path) -> ObjectFacts | None:
        """Facts of an object; None where none is. InputError if the store cannot tell."""
        if is_web(path):
            return facts_at(path)
        if path.parent not in self._folders:
            while len(self._folders) >= _KEPT:
                del self._folders[next(iter(self._folders))]
            self._folders[path.parent] = objects_in(path.parent)[0]
        return self._folders[path.parent].get(path.name)


def walk_objects(folder: Path, recursive: bool, enters: Callable[[Path], bool]) -> Iterator[Path]:
    """All objects below a folder, one listing a folder, sorted by name, objects before subfolders; into those alone
    that `enters` says. InputError where a listing fails: without it nobody knows what is missing.
    """
    files, folders = objects_in(folder)
    yield from (folder / name for name in sorted(files))
    del files
    for name in folders if recursive else ():
        if enters(folder / name):
            yield from walk_objects(folder / name, recursive, enters)


def matching(pattern: str) -> list[Path]:
    """Objects and folders that a glob matches, sorted. InputError where the store cannot list."""
    store, address = _of(pattern)
    scheme = address.partition(":")[0]
    try:
        found: list[str] = _tried(lambda: store.glob(address))
    except Exception as error:
        raise _failed(InputError, f"{address} cannot be listed", error) from error
    return sorted(Path(f"{scheme}:/{name.lstrip('/')}") for name in found)


def is_pattern_of_objects(text: str) -> bool:
    """True for a glob; a question mark in the address of a web server is none."""
    return glob.has_magic(text) and not is_web(text)


def read_object(path: Path) -> bytes:
    """All bytes of an object; InputError if it cannot be read."""
    store, address = _of(path)
    try:
        data: bytes = _tried(lambda: store.cat_file(address))
    except Exception as error:
        raise _failed(InputError, "cannot be read", error) from error
    return data


def fetch_object(path: Path, to: Path) -> ObjectFacts:
    """Copy an object into a file here, which gets the object's time; InputError if it cannot be read."""
    store, address = _of(path)
    try:
        found = _facts(_tried(lambda: store.info(address)))
        _tried(lambda: store.get_file(address, os.fspath(to)))
    except Exception as error:
        raise _failed(InputError, "cannot be read", error) from error
    if found.time:
        os.utime(to, ns=(found.time, found.time))
    return found


def put_object(data: bytes | Path, path: Path, create: bool) -> ObjectFacts:
    """Write bytes, or a file of this machine, as one object, whole or not at all; with `create` only where nothing is,
    or where the same bytes are. OutputError if that fails.
    """
    store, address = _of(path)
    if isinstance(data, Path) and data.stat().st_size <= _WHOLE:
        data = data.read_bytes()
    mode = "create" if create else "overwrite"

    def put() -> None:
        if isinstance(data, Path):
            store.put_file(os.fspath(data), address, mode=mode)
        else:
            store.pipe_file(address, data, mode=mode)

    try:
        _tried(put)
    except FileExistsError:
        # Perhaps our own: the answer to an attempt was lost, or a worker died after it.
        if not _holds(path, data):
            raise OutputError(f"{address} was written by somebody else meanwhile") from None
    except Exception as error:
        raise _failed(OutputError, "cannot be written", error) from error
    found = facts_at(path)
    size = data.stat().st_size if isinstance(data, Path) else len(data)
    if found is None or found.size != size:
        held = "nothing" if found is None else f"{found.size} bytes"
        raise OutputError(f"{address} holds {held} after {size} bytes were written")
    return found


def _holds(path: Path, data: bytes | Path) -> bool:
    whole = data.read_bytes() if isinstance(data, Path) else data
    return read_object(path) == whole


def remove_objects(paths: list[Path]) -> None:
    """Delete objects; those that are gone already do not matter."""
    for path in paths:
        store, address = _of(path)
        try:
            _tried(functools.partial(store.rm_file, address))
        except FileNotFoundError:
            continue
        except Exception as error:
            raise _failed(OutputError, f"{address} cannot be deleted", error) from error

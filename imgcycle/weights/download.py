"""Download of files: completely or not at all, within limits, only by http and https.

An interrupted download starts again. The largest file is 46 MB, no digest of it is published, and half of yesterday's
file joined with half of today's would be trusted from then on.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import ssl
import string
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import IO
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urljoin, urlsplit

from imgcycle.errors import DownloadError, UsageError
from imgcycle.media.paths import shown
from imgcycle.weights.events import Asking, Listener, Received, Refused, nobody

MIRROR = "IMGCYCLE_MIRROR"
"""Environment variable with base URLs to try first, separated by spaces."""
SCHEMES = ("https", "http")
_BLOCK = 1 << 16
_REDIRECTS = (301, 302, 303, 307, 308)
_SPARE = 2.5
"""Disk space needed, as a multiple of the download: the result is written before it is deleted."""
_WORDS = 200
"""Characters of a server's reason that are shown: a server may choose any length."""


@dataclass(frozen=True)
class Limits:
    """Limits for a server: bytes, seconds of silence, seconds in all for one URL, redirects."""

    most: int = 256 << 20
    idle: float = 30.0
    whole: float = 3600.0
    hops: int = 5


@dataclass(frozen=True)
class Downloaded:
    """A finished download: SHA-256 of the bytes as served, their number, and the URL asked."""

    sha256: str
    size: int
    url: str


class _NotGiven(Exception):
    """A URL does not give the file; the message continues a sentence that begins with the URL."""


def mirrors() -> list[str]:
    """Base URLs of `$IMGCYCLE_MIRROR`; UsageError for an invalid one."""
    return [check_address(base) for base in os.environ.get(MIRROR, "").split()]


def check_address(url: str) -> str:
    """The URL itself. UsageError unless it is http or https, with a host and without a password."""
    wrong = UsageError(f"{url!r} is no address to fetch from", "it begins with https:// or http://")
    try:
        parts = urlsplit(url)
    except ValueError as error:  # a bracket that is not closed
        raise wrong from error
    if parts.scheme not in SCHEMES or not parts.hostname:
        raise wrong
    if parts.username is not None:
        raise UsageError(f"a password in an address would be shown ({parts.hostname})", "leave it out")
    return url


def download(
    name: str,
    urls: Sequence[str],
    path: Path,
    listen: Listener = nobody,
    limits: Limits | None = None,
    hint: str | None = None,
) -> Downloaded:
    """Download to `path` from the first of several URLs that gives a complete file.

    DownloadError, one line with each URL's reason and `hint`, if none does or the disk is full; the content of `path`
    must then be discarded.
    """
    failed: dict[str, list[str]] = {}
    for url, then in zip(urls, [*urls[1:], None], strict=True):
        listen(Asking(name, check_address(url)))
        try:
            return _fetch(name, url, path, listen, limits or Limits())
        except _NotGiven as error:
            # A server's message must not control the terminal.
            reason = shown(str(error)[:_WORDS])
            failed.setdefault(reason, []).append(url)
            listen(Refused(name, url, reason, then))
    said = "; ".join(", likewise ".join([f"{asked[0]} {why}", *asked[1:]]) for why, asked in failed.items())
    raise DownloadError(f"{name} could not be fetched: {said}", hint)


def _fetch(name: str, url: str, path: Path, listen: Listener, limits: Limits) -> Downloaded:
    deadline = time.monotonic() + limits.whole
    with _opened(url, limits) as response:
        total = _announced(response)
        if total is not None and total > limits.most:
            raise _NotGiven(f"has {total} bytes, more than the {limits.most} allowed")
        seen, done = hashlib.sha256(), 0
        with writing_download(path.parent):
            if total is not None and shutil.disk_usage(path.parent).free < _SPARE * total:
                raise DownloadError(f"{path.parent} has no room for {name}, which is {total >> 20} MB", "make room")
            # Unbuffered, so that a full disk is noticed here and not once more on closing.
            file = path.open("wb", buffering=0)
        with file:
            for block in _blocks(response, limits.idle):
                done += len(block)
                if done > limits.most:
                    raise _NotGiven(f"goes on after the {limits.most} bytes allowed")
                if time.monotonic() > deadline:
                    raise _NotGiven(f"took longer than {limits.whole:g} s for {done} bytes")
                _write(file, path, block)
                seen.update(block)
                listen(Received(name, done, total))
    if total is not None and done != total:
        raise _NotGiven(f"broke off after {done} of {total} bytes")
    if done == 0:
        raise _NotGiven("gave an empty file")
    return Downloaded(seen.hexdigest(), done, url)


def _opened(url: str, limits: Limits) -> HTTPResponse:
    """Response of a URL after its redirects: only to http and https, and never from https to http."""
    from imgcycle._version import __version__

    headers = {"User-Agent": f"imgcycle/{__version__}", "Accept-Encoding": "identity"}
    director = _http_opener()
    at = url
    for _ in range(limits.hops + 1):
        try:
            response: HTTPResponse = director.open(request.Request(at, headers=headers), timeout=limits.idle)  # noqa: S310 - checked
            return response
        except HTTPError as error:
            with error:
                target = error.headers.get("Location") if error.code in _REDIRECTS else None
                if target is None:
                    raise _NotGiven(f"answers {error.code} {error.reason}".rstrip()) from error
            at = _redirected(at, target)
        except (OSError, HTTPException, ValueError) as error:
            raise _NotGiven(_reason(error, limits.idle)) from error
    raise _NotGiven(f"redirects more than {limits.hops} times")


def _http_opener() -> request.OpenerDirector:
    """An opener for http and https, through the environment's proxies, and nothing else: no files, no FTP, and no
    redirects of its own.
    """
    director = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(context=ssl.create_default_context()),
        request.HTTPDefaultErrorHandler(),
        request.HTTPErrorProcessor(),
        request.UnknownHandler(),
    ):
        director.add_handler(handler)
    return director


def _redirected(at: str, target: str) -> str:
    try:
        # Servers send unescaped URLs, which browsers escape: they arrive as bytes, read as Latin-1.
        to = check_address(urljoin(at, quote(target, string.punctuation, "iso-8859-1")))
    except (UsageError, ValueError) as error:
        raise _NotGiven(f"redirects to {target!r}, which is not followed") from error
    if urlsplit(at).scheme == "https" and urlsplit(to).scheme == "http":
        raise _NotGiven(f"redirects from https to {to}, which is not followed")
    return to


def _announced(response: HTTPResponse) -> int | None:
    """Announced size of a response in bytes; _NotGiven for one that is not a file."""
    kind = response.headers.get_content_type()
    if response.status != 200:
        raise _NotGiven(f"answers {response.status} {response.reason}".rstrip())
    if kind == "text/html":
        raise _NotGiven("gives a web page, not a file")  # mostly the sign-in page of a network
    coding = response.headers.get("Content-Encoding", "identity")
    if coding.lower() != "identity":
        raise _NotGiven(f"answers in the coding {coding}, which was not asked for")
    return response.length


def _blocks(response: HTTPResponse, idle: float) -> Iterator[bytes]:
    """Yield the body as it arrives, so that a slow one can be stopped between two blocks."""
    while True:
        try:
            block = response.read1(_BLOCK)
        except (OSError, HTTPException) as error:
            raise _NotGiven(_reason(error, idle)) from error
        if not block:
            return
        yield block


@contextlib.contextmanager
def writing_download(folder: Path) -> Iterator[None]:
    """Turn OSErrors of the disk, which are not the server's, into DownloadError."""
    try:
        yield
    except BrokenPipeError:
        raise  # raised by the listener
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else error.strerror or str(error)
        raise DownloadError(f"{folder} cannot be written: {why}", "make room" if full else None) from error


def _write(file: IO[bytes], path: Path, block: bytes) -> None:
    left = memoryview(block)
    with writing_download(path.parent):
        while left:
            left = left[file.write(left) :]


def _reason(error: Exception, idle: float) -> str:
    """Short reason why a URL gave nothing."""
    if isinstance(error, URLError) and isinstance(error.reason, Exception):
        return _reason(error.reason, idle)
    if isinstance(error, TimeoutError):
        return f"was silent for {idle:g} s"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"has a certificate that is not trusted ({error.verify_message})"
    if isinstance(error, IncompleteRead):
        return "broke off"
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"did not answer ({' '.join(said.split()) or type(error).__name__})"

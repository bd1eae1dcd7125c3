"""A proxy before a server that refuses some requests for a while, breaks some off, and loses some answers."""

from __future__ import annotations

import http.client
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Harm = str
"""`429` or `503`: that status; `half`: the line is cut in the middle of what is sent; `lost`: it is done, and its
answer lost; empty: none.
"""
Fate = Callable[[str, str], Harm]
"""What becomes of a request, by its method and its path."""


class UnreliableServer(ThreadingHTTPServer):
    """Passes requests on to a port of this machine, if their `fate` allows it; `harmed` counts those it does not."""

    daemon_threads = True

    def __init__(self, port: int, fate: Fate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behind, self.fate = port, fate
        self.harmed: Counter[str] = Counter()
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that are gone are nobody's concern."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: UnreliableServer

    def handle_one_request(self) -> None:
        for name in ("GET", "PUT", "POST", "HEAD", "DELETE"):
            setattr(self, f"do_{name}", self._pass_on)
        super().handle_one_request()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        with self.server.lock:
            harm = self.server.fate(self.command, self.path)
            if harm:
                self.server.harmed[harm] += 1
        length = int(self.headers.get("Content-Length") or 0)
        if harm == "half":
            self.rfile.read(length // 2)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if harm in ("429", "503"):
            self._answer(int(harm), {}, b"<Error><Code>SlowDown</Code><Message>Please wait</Message></Error>")
            return
        inner = http.client.HTTPConnection("127.0.0.1", self.server.behind, timeout=600)
        headers = {name: value for name, value in self.headers.items() if name not in ("Expect", "Connection")}
        inner.request(self.command, self.path, body, headers)
        answer = inner.getresponse()
        data = answer.read()
        inner.close()
        if harm == "lost":
            self.close_connection = True
            return
        self._answer(answer.status, dict(answer.getheaders()), data)

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        length = headers.get("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def unreliable(port: int, fate: Fate) -> Iterator[UnreliableServer]:
    """The proxy at work, ended in any case."""
    server = UnreliableServer(port, fate)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def now_and_then(seed: int, share: float) -> Fate:
    """Every kind of harm, to a share of all requests."""
    chance = random.Random(seed)

    def fate(method: str, path: str) -> Harm:
        del path
        if chance.random() >= share:
            return ""
        return chance.choice(("429", "503", "half", "lost") if method == "PUT" else ("429", "503"))

    return fate

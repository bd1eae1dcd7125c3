"""A publisher on this machine: an HTTP server in a thread that answers as a test wants, well or badly."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import torch

from tests.weights.importers import plain
from tests.weights.importers.plain import lively

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """Answers by path; `asked` are the paths in the order they came. Unknown paths are 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                self.close_connection = True
                outer.answers.get(self.path, status(404))(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        class Quiet(ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                pass  # a client that went away is what these tests are about

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.base = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()


def body(data: bytes, length: int | None = -1, **headers: str) -> Answer:
    """A file; `length` is what is announced: -1 the truth, None nothing."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        if length is not None:
            handler.send_header("Content-Length", str(len(data) if length == -1 else length))
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


def pieces(parts: Iterator[bytes]) -> Answer:
    """A body without a length, in chunks for as long as there are parts and somebody listens."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for part in parts:
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            handler.wfile.flush()

    return answer


def redirect(target: str, code: int = 302) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Location", target)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def status(code: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def checkpoint(seed: int = 0) -> bytes:
    """A tiny generator as the official code saves it."""
    file = io.BytesIO()
    torch.save(lively(plain.Resnet(1), seed).state_dict(), file)
    return file.getvalue()


def write_index(home: Path, *bases: str, name: str = "tiny", **more: str | int | float) -> None:
    """An index of a user's folder that knows a published style."""
    home.mkdir(parents=True, exist_ok=True)
    values = {"source": "here", "file": f"{name}.pth", "data": "noise", "work_size": 32, "detail": 0.25} | more
    lines = [f"{key} = {value!r}" for key, value in values.items()]
    listed = ", ".join(map(repr, bases))
    source = f"[source.here]\nbases = [{listed}]\nlicence = 'CC0-1.0'\nmethod = 'dice'\nmegabytes = 1\n"
    (home / "index.toml").write_text("\n".join(["schema = 1", source, f"[remote.{name}]", *lines, ""]))

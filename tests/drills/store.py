"""A local S3 server (moto) behind a door that is slammed: it answers 429 and 503, and drops what is being sent."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIADRILLDRILLDRILL0",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-drill",
    "AWS_REGION": "us-east-1",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # else bodies are sent in pieces, which the door does not read
}


class Door(ThreadingHTTPServer):
    """A proxy of the server; of its requests a share `refused` gets 429 or 503, of its puts a share `dropped` is read
    half and closed.
    """

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Passing)
        self.target = target
        self.refused = self.dropped = 0.0
        self.answered: list[int] = []
        self.fetched: list[str] = []
        self.chance = random.Random(0)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Passing(BaseHTTPRequestHandler):
    """One request to the server behind."""

    server: Door
    protocol_version = "HTTP/1.1"

    def _pass(self) -> None:
        door, length = self.server, int(self.headers.get("Content-Length") or 0)
        if self.command == "PUT" and door.chance.random() < door.dropped:
            self.rfile.read(length // 2)
            door.answered.append(0)
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        data = self.rfile.read(length)
        if door.chance.random() < door.refused:
            status = door.chance.choice([429, 503])
            self._answer(status, {}, b"<Error><Code>SlowDown</Code><Message>Slow down</Message></Error>")
            return
        if self.command == "GET" and "list-type" not in self.path:
            door.fetched.append(self.path)
        request = Request(door.target + self.path, data or None, dict(self.headers), method=self.command)  # noqa: S310
        try:
            with urlopen(request) as answer:  # noqa: S310
                self._answer(answer.status, dict(answer.headers), answer.read())
        except HTTPError as error:
            self._answer(error.code, dict(error.headers), error.read())

    def _answer(self, status: int, headers: dict[str, str], data: bytes) -> None:
        self.server.answered.append(status)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                self.send_header(name, value)
        size = headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", size)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass

    def log_message(self, *_: Any) -> None:
        pass


class Bucket:
    """`s3://drill` on the server, as the door lets through."""

    def __init__(self, door: Door, inner: str) -> None:
        self.door = door
        self.environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": door.address}
        import boto3

        secrets = {
            "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
        }
        self.client: Any = boto3.client("s3", endpoint_url=inner, region_name="us-east-1", **secrets)
        self.client.create_bucket(Bucket="drill")

    def put(self, name: str, data: bytes) -> None:
        self.client.put_object(Bucket="drill", Key=name, Body=data)

    def names(self, prefix: str) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="drill", Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", ())]

    def files(self, prefix: str) -> dict[str, bytes]:
        """Every object below a prefix but imgcycle's own notes."""
        found = {}
        for name in self.names(prefix):
            if "/.imgcycle/" not in name:
                found[name.removeprefix(prefix)] = self.client.get_object(Bucket="drill", Key=name)["Body"].read()
        return found

    def uploads(self) -> list[Any]:
        """Uploads in parts that were begun and not ended."""
        return list(self.client.list_multipart_uploads(Bucket="drill").get("Uploads", ()))

    def start(self, *words: str, folder: Path) -> subprocess.Popen[str]:
        environment = {**self.environment, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            [sys.executable, "-m", "imgcycle", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def local_bucket() -> Iterator[Bucket]:
    """A server with an empty bucket, ended in any case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        inner = f"http://127.0.0.1:{port}"
        door = Door(inner)
        Thread(target=door.serve_forever, daemon=True).start()
        yield Bucket(door, inner)
        door.shutdown()
    finally:
        server.kill()
        server.wait()

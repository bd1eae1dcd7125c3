"""A local S3 server (moto) with an empty bucket, and one of many objects where that is asked for."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIADRILLDRILLDRILL0",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-drill",
    "AWS_REGION": "us-east-1",
}


class Bucket:
    """`s3://drill` on the server."""

    def __init__(self, port: int) -> None:
        self.port = port
        inner = f"http://127.0.0.1:{port}"
        self.environment = {**os.environ, **KEYS, "AWS_ENDPOINT_URL": inner, "PYTHONPATH": str(ROOT)}
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

    def start(self, *words: str, folder: Path, address: str = "") -> subprocess.Popen[str]:
        """A command; `address` is that of a proxy before the server."""
        environment = {**self.environment, "OMP_NUM_THREADS": "1"}
        if address:
            environment["AWS_ENDPOINT_URL"] = address
        return subprocess.Popen(
            [sys.executable, "-m", "imgcycle", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


@contextmanager
def local_bucket(many: int = 0) -> Iterator[Bucket]:
    """A server with an empty bucket, and another one with so many objects, ended in any case."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tests.drills.moto_server", str(port), str(many)]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 600
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.2)
        yield Bucket(port)
    finally:
        server.kill()
        server.wait()

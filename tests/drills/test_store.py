"""A bucket of a local S3 server: `pip install 'imgcycle[remote]' 'moto[server]' && pytest tests/drills/test_store.py`.

Whatever is killed: nothing half-written, nothing of anybody else's overwritten, each picture once.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.drills.batch import PLAIN, Batch, statuses
from tests.drills.store import Bucket, local_bucket
from tests.drills.unreliable import now_and_then, unreliable

pytestmark = pytest.mark.filterwarnings("ignore")
COUNT = 60


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory) -> Batch:
    return Batch(tmp_path_factory.mktemp("batch"), COUNT)


@pytest.fixture(scope="module")
def bucket(batch: Batch) -> Iterator[Bucket]:
    with local_bucket() as found:
        for path in batch.photos.rglob("*.jpg"):
            found.put(f"photos/{path.relative_to(batch.photos)}", path.read_bytes())
        yield found
        assert not found.uploads()


def start(batch: Batch, bucket: Bucket, output: str, *words: str, address: str = "") -> subprocess.Popen[str]:
    command = ("convert", "s3://drill/photos", "--to", str(batch.style), "-o", f"s3://drill/{output}", "--json")
    return bucket.start(*command, *PLAIN, *words, folder=batch.folder, address=address)


def lines_of(bucket: Bucket, output: str) -> Counter[str]:
    """How often each result is in the parts of the ledger."""
    parts = [bucket.client.get_object(Bucket="drill", Key=name) for name in bucket.names(f"{output}/.imgcycle/")]
    return Counter(json.loads(line)["output"] for part in parts for line in part["Body"].read().splitlines())


def check(batch: Batch, bucket: Bucket, output: str) -> None:
    """The same bytes as on this machine, and nothing to do for whoever comes after."""
    assert bucket.files(f"{output}/") == batch.plain
    again = start(batch, bucket, output)
    said, told = again.communicate()
    assert (again.returncode, statuses(said)) == (0, {"skipped": COUNT}), told


@pytest.mark.parametrize("words", [(), ("--workers", "2")])
def test_the_same_bytes_as_on_this_machine(batch: Batch, bucket: Bucket, words: tuple[str, ...]) -> None:
    output = f"plain{len(words)}"
    process = start(batch, bucket, output, *words)
    said, told = process.communicate()
    assert (process.returncode, told, statuses(said)) == (0, "", {"done": COUNT})
    assert set(lines_of(bucket, output).values()) == {1}
    check(batch, bucket, output)


@pytest.mark.parametrize("seed", range(2))
def test_killed_and_resumed(batch: Batch, bucket: Bucket, seed: int) -> None:
    output, chance = f"killed{seed}", random.Random(seed)
    for _ in range(2):
        before = len(bucket.names(f"{output}/"))
        process = start(batch, bucket, output)
        while len(bucket.names(f"{output}/")) < before + 5 and process.poll() is None:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 0.3))
        process.send_signal(chance.choice([signal.SIGKILL, signal.SIGINT]))
        process.communicate()
    made = bucket.files(f"{output}/")
    assert {name: batch.plain[name] for name in made} == made, "whole ones alone"
    process = start(batch, bucket, output)
    said, told = process.communicate()
    assert (process.returncode, statuses(said)) == (0, {"skipped": len(made), "done": COUNT - len(made)}), told
    check(batch, bucket, output)


def test_what_somebody_else_writes_meanwhile_stays(batch: Batch, bucket: Bucket) -> None:
    process = start(batch, bucket, "meanwhile", "--limit", "30")
    while not bucket.names("meanwhile/"):
        time.sleep(0.05)
    last = max(name for name in batch.plain if name.startswith("0/"))
    bucket.put(f"meanwhile/{last}", b"somebody else's")
    said, _ = process.communicate()
    rows = {row["output"]: row for row in map(json.loads, said.splitlines()) if "output" in row}
    row = rows.get(f"s3://drill/meanwhile/{last}")
    if row is not None and row["status"] == "failed":
        assert "was written by somebody else meanwhile" in row["error"]
        assert bucket.files("meanwhile/")[last] == b"somebody else's"


LISTING = """
import resource, sys
from pathlib import Path
from imgcycle.config import ConvertRequest
from imgcycle.engine.translator import Style
from imgcycle.jobs.images.plan import plan
from imgcycle.media.remote import walk_objects
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
listed = sum(1 for _ in walk_objects(Path("s3:/many/all"), True, lambda _: True))
walked = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
found = plan(ConvertRequest(("s3://many/all",), "s3://many/out/"), Style("tiny", "d" * 64))
planned = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(listed, len(found.tasks), (walked - before) // 1024, (planned - before) // 1024)
"""


def test_a_hundred_thousand_objects_in_bounded_memory(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LISTING]
    with local_bucket(many=100_000) as bucket:
        done = subprocess.run(command, env=bucket.environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    listed, planned, walking, planning = map(int, done.stdout.split())
    print(f"{walking} MiB for the walk, {planning} MiB with the plan")
    assert (listed, planned) == (100_000, 100_000)
    assert walking < 100
    assert planning < 400


def test_requests_that_fail_for_a_while_cost_nothing(batch: Batch, bucket: Bucket) -> None:
    with unreliable(bucket.port, now_and_then(1, 0.15)) as server:
        process = start(batch, bucket, "refused", address=server.address)
        said, told = process.communicate()
    assert (process.returncode, told, statuses(said)) == (0, "", {"done": COUNT})
    assert set(server.harmed) == {"429", "503", "half", "lost"}, server.harmed
    check(batch, bucket, "refused")


def test_a_put_that_always_fails_in_the_middle_leaves_nothing(batch: Batch, bucket: Bucket) -> None:
    name = min(batch.plain)

    def fate(method: str, path: str) -> str:
        return "half" if method in ("PUT", "POST") and path.partition("?")[0].endswith(f"/{name}") else ""

    with unreliable(bucket.port, fate) as server:
        process = start(batch, bucket, "halved", "--limit", "6", address=server.address)
        said, _ = process.communicate()
    assert (process.returncode, statuses(said)) == (1, {"done": 5, "failed": 1})
    (row,) = (row for row in map(json.loads, said.splitlines()) if row.get("status") == "failed")
    assert row["output"] == f"s3://drill/halved/{name}"
    assert "cannot be written" in row["error"]
    assert "secret" not in said
    assert name not in bucket.files("halved/")
    assert server.harmed["half"] >= 5
    process = start(batch, bucket, "halved")
    said, told = process.communicate()
    assert (process.returncode, statuses(said)) == (0, {"skipped": 5, "done": COUNT - 5}), told
    check(batch, bucket, "halved")

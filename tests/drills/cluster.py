"""A Ray cluster of several nodes on this machine, and a folder of pictures to convert on it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.jobs.pools.test_processes import MortalWorker
from tests.media.pictures import encoded, scene
from tests.styles import save_style

__all__ = ["LocalCluster", "MortalWorker", "local_cluster"]
ROOT = Path(__file__).parents[2]


class LocalCluster:
    """Three nodes of one core; `photos` are `count` pictures, `style` is a net."""

    def __init__(self, cluster: Any, folder: Path, count: int) -> None:
        self.cluster, self.folder = cluster, folder
        self.address: str = cluster.address
        self.nodes = [self.added() for _ in range(2)]
        self.photos = folder / "photos"
        for n in range(count):
            path = self.photos / f"{n % 3}" / f"{n}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(scene(256, 256, n)))
        self.style = save_style(folder / "tiny.safetensors", work_size=256)

    def added(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)

    def start(self, output: str, *words: str) -> subprocess.Popen[str]:
        """Convert all pictures into a folder beside them, as told by further words."""
        command = ["convert", "photos", "--to", str(self.style), "-o", f"{output}/", *words]
        return subprocess.Popen(
            [sys.executable, "-m", "imgcycle", *command],
            cwd=self.folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def made(self, output: str) -> dict[str, bytes]:
        """Every file of a folder of results but imgcycle's own notes; none of them is temporary."""
        root = self.folder / output
        files = [path for path in root.rglob("*") if path.is_file() and path.parent.name != ".imgcycle"]
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    def wait_for(self, output: str, files: int) -> None:
        """Until so many results are there."""
        end = time.monotonic() + 300
        while len(list((self.folder / output).rglob("[0-9]*.jpg"))) < files:
            assert time.monotonic() < end
            time.sleep(0.05)

    def actors(self) -> list[int]:
        """The processes of the actors that are at work (Linux)."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if b"ActorWorker" in path.read_bytes():
                    found.append(int(path.parent.name))
            except OSError:
                continue
        return found

    def kill_actor(self) -> None:
        os.kill(self.actors()[0], signal.SIGKILL)

    def wait_for_none(self, seconds: float) -> None:
        """Until no actor is left."""
        end = time.monotonic() + seconds
        while self.actors():
            assert time.monotonic() < end
            time.sleep(0.1)


@contextmanager
def local_cluster(folder: Path, count: int) -> Iterator[LocalCluster]:
    """A cluster with its pictures, ended in any case."""
    from ray.cluster_utils import Cluster

    os.environ["PYTHONPATH"] = str(ROOT)  # which its processes inherit
    os.environ.update(RAY_health_check_period_ms="1000", RAY_health_check_failure_threshold="3")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "object_store_memory": 80 * 2**20})
    try:
        yield LocalCluster(cluster, folder, count)
    finally:
        cluster.shutdown()

"""A Ray cluster of several nodes on this machine, and a folder of pictures to convert on it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.drills.batch import ROOT, Batch, processes, wait_for_none


class LocalCluster(Batch):
    """Three nodes of one core each."""

    def __init__(self, cluster: Any, folder: Path, count: int) -> None:
        super().__init__(folder, count)
        self.cluster = cluster
        self.address: str = cluster.address
        self.nodes = [self.added() for _ in range(2)]

    def added(self) -> Any:
        return self.cluster.add_node(num_cpus=1, object_store_memory=80 * 2**20)

    def actors(self) -> list[int]:
        """The processes of the actors that are at work."""
        return processes(b"ActorWorker")

    def kill_actor(self) -> None:
        os.kill(self.actors()[0], signal.SIGKILL)

    def no_actor_within(self, seconds: float) -> None:
        """Wait until no actor is left."""
        wait_for_none(self.actors(), seconds)


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

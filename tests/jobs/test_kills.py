from __future__ import annotations

import random
import signal
import sys

import pytest

from tests.jobs.kills import Drill

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX's")


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    return Drill(tmp_path_factory.mktemp("drill"), 40)


def test_killed_twice_and_run_again_gives_the_same_bytes(drill: Drill) -> None:
    drill.kill_and_finish(2, random.Random(0))


def test_a_signal_ends_well(drill: Drill) -> None:
    code = drill.end_in_the_middle("stopped", signal.SIGTERM, random.Random(1))
    assert code in (130, 0)
    found = drill.results("stopped")
    assert found
    assert all(drill.wanted[name] == data for name, data in found.items())


def test_two_processes_on_one_folder_do_not_disturb_each_other(drill: Drill) -> None:
    both = [drill.start("shared"), drill.start("shared")]
    assert [p.wait() for p in both] == [0, 0]
    assert drill.results("shared") == drill.wanted

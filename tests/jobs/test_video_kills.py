from __future__ import annotations

import random
import signal
import sys
import time

import pytest

from tests.jobs.video_kills import ClipDrill

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of this kind are POSIX's")


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> ClipDrill:
    return ClipDrill(tmp_path_factory.mktemp("drill"))


def test_killed_twice_and_run_again_gives_the_same_frames(drill: ClipDrill) -> None:
    assert drill.kill_and_finish(2, random.Random(0)) == 2


def test_a_signal_ends_well(drill: ClipDrill) -> None:
    code, said = drill.end_in_the_middle("stopped.mp4", signal.SIGTERM, random.Random(1))
    assert code == 130
    assert said == "imgcycle: interrupted; what was finished stays, the same command goes on\n"
    assert drill.segments("stopped.mp4")
    assert not (drill.folder / "stopped.mp4").exists()
    assert not list(drill.folder.rglob("*.partial"))
    deadline = time.monotonic() + 120
    while drill.processes() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not drill.processes()

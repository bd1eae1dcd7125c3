"""A minute of video in four ranges: `pytest tests/drills/test_clip_ranges.py`, with IMGCYCLE_DATA.

The clip is made of real ones, whose ends are its scene cuts; its frames come at uneven times. Whoever dies, the result
has the bytes of one run.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from imgcycle.jobs.video.checkpoint import segment_folder
from tests.drills.batch import PLAIN, processes, started, wait_for_none
from tests.drills.cluster import local_cluster
from tests.jobs.films import checksums, times
from tests.media.video.clips import ffmpeg, packets
from tests.styles import save_style

DATA = Path(os.environ.get("IMGCYCLE_DATA", ""))
PARTS = ("bigbuckbunny", "bikes_vfr", "carphone_pristine", "bikes", "cockatoo", "nasa_13013")
SECONDS = 60
Files = dict[str, tuple[int, int]]


class Minute:
    """The clip, with sound and subtitles, and its result by one process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clip = folder, folder / "minute.mp4"
        self.style = save_style(folder / "tiny.safetensors", work_size=64)
        inputs: list[str | Path] = []
        for name in PARTS * 3:
            inputs += ["-i", DATA / "video" / f"{name}.mp4"]
        count = len(PARTS) * 3
        seen = [
            f"[{n}:v:0]select='not(mod(n,3))',scale=96:54,setsar=1,format=yuv420p,settb=1/90000[v{n}]"
            for n in range(count)
        ]
        joined = "".join(f"[v{n}]" for n in range(count)) + f"concat=n={count}[v]"
        (folder / "words.srt").write_text("1\n00:00:02,000 --> 00:00:50,000\nHello\n")
        ffmpeg(
            *inputs,
            *("-f", "lavfi", "-i", f"sine=440:d={SECONDS}", "-i", folder / "words.srt"),
            *(
                "-filter_complex",
                ";".join([*seen, joined]),
                "-map",
                "[v]",
                "-map",
                f"{count}:a",
                "-map",
                f"{count + 1}:s",
            ),
            *("-t", str(SECONDS), "-fps_mode", "vfr", "-enc_time_base", "1/90000", "-c:a", "aac", "-c:s", "mov_text"),
            *("-c:v", "libx264", "-preset", "ultrafast", "-g", "48", self.clip),
        )
        self.frames = len(times(self.clip))
        process = self.start("plain.mp4")
        _, told = process.communicate()
        assert (process.returncode, told) == (0, "")
        self.plain = (folder / "plain.mp4").read_bytes()

    def start(self, output: str, *words: str) -> subprocess.Popen[str]:
        command = ["video", str(self.clip), "--to", str(self.style), "-o", output, "-q", "--json", *PLAIN, *words]
        return started(self.folder, *command)

    def segments(self, output: str) -> Files:
        """The closed segments of an unfinished result, those of its ranges included."""
        store = segment_folder(Path(), Path(output))
        found = {}
        for path in (self.folder / store).rglob("0*.mp4"):
            facts = path.stat()
            found[str(path.relative_to(self.folder / store))] = (facts.st_ino, facts.st_mtime_ns)
        return found

    def wait_for(self, output: str, more: int, ranges: int = 4) -> Files:
        """Until so many segments are closed, in all ranges."""
        end = time.monotonic() + 600
        while len(found := self.segments(output)) < more or len({Path(name).parent for name in found}) < ranges:
            assert time.monotonic() < end
            time.sleep(0.02)
        return found

    def check(self, output: str, said: str) -> None:
        rows = [json.loads(line) for line in said.splitlines()]
        assert [(row["status"], row["frames"]) for row in rows if "input" in row] == [("done", self.frames)]
        assert (self.folder / output).read_bytes() == self.plain
        assert not (self.folder / segment_folder(Path(), Path(output))).exists()
        assert not list(self.folder.rglob("*.partial"))


@pytest.fixture(scope="module")
def minute(tmp_path_factory: pytest.TempPathFactory) -> Minute:
    if not (DATA / "video").is_dir():
        pytest.skip("IMGCYCLE_DATA has the clips")
    return Minute(tmp_path_factory.mktemp("minute"))


def test_four_ranges_are_one_run(minute: Minute) -> None:
    process = minute.start("four.mp4", "--workers", "4")
    said, told = process.communicate()
    assert (process.returncode, told) == (0, ""), said
    minute.check("four.mp4", said)
    made, clip = minute.folder / "four.mp4", minute.clip
    steps = {after - before for before, after in zip(times(clip), times(clip)[1:], strict=False)}
    assert len(steps) > 2, "uneven times"
    assert times(made) == times(clip)
    assert [packets(made, n) for n in (1, 2)] == [packets(clip, n) for n in (1, 2)]
    assert checksums(made) == checksums(minute.folder / "plain.mp4")


def test_the_nodes_of_a_cluster_make_a_range_each(minute: Minute, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    with local_cluster(tmp_path, 1) as cluster:
        process = minute.start("cluster.mp4", "--cluster", cluster.address)
        minute.wait_for("cluster.mp4", 4, ranges=3)
        said, told = process.communicate()
        assert (process.returncode, told) == (0, ""), said
        minute.check("cluster.mp4", said)
        cluster.no_actor_within(10)


def test_a_worker_that_is_killed_costs_its_range_alone_a_segment(minute: Minute) -> None:
    process = minute.start("killed.mp4", "--workers", "4")
    before = minute.wait_for("killed.mp4", 5)
    workers = processes(b"spawn_main", process.pid)
    os.kill(workers[1], signal.SIGKILL)
    begun = minute.segments("killed.mp4")
    after = minute.wait_for("killed.mp4", len(begun) + 2)
    assert {name: after[name] for name in before} == before, "nothing that was closed is made again"
    said, told = process.communicate()
    assert (process.returncode, told) == (0, "")
    minute.check("killed.mp4", said)


@pytest.mark.parametrize("words", [(), ("--workers", "4"), ("--workers", "2")], ids=["one", "four", "two"])
def test_the_driver_is_killed_and_any_command_goes_on(minute: Minute, words: tuple[str, ...]) -> None:
    output = f"ended-{len(words)}{words[-1:]}.mp4"
    process = minute.start(output, "--workers", "4")
    before = minute.wait_for(output, 5)
    workers = processes(b"spawn_main", process.pid)
    process.kill()
    process.communicate()
    wait_for_none(workers, 60)
    again = minute.start(output, *words)
    said, told = again.communicate()
    assert (again.returncode, told) == (0, "")
    minute.check(output, said)
    assert before

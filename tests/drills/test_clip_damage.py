"""Damaged clips, and reports of ffmpeg nobody has seen: `pytest tests/drills/test_clip_damage.py -s`.

Every change follows from a seed that is written down where it fails. Allowed is a line that says what is wrong, or a
result; not allowed are any other exception, a traceback in a row, and more than 15 seconds.
"""

from __future__ import annotations

import random
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from imgcycle.config import ClipRequest, VideoOptions
from imgcycle.engine.translator import Translator
from imgcycle.errors import ImgcycleError
from imgcycle.jobs.events import RowFinished as Done
from imgcycle.jobs.tasks import ClipRow
from imgcycle.jobs.video.plan import plan_clips
from imgcycle.jobs.video.run import convert_clips
from imgcycle.media.video.ffmpeg import ProcessResult, run_ffmpeg
from imgcycle.media.video.probing import probe
from imgcycle.media.video.probing import report as header
from tests.jobs.films import film, tiny_translator
from tests.media.video.clips import CAPTIONS, field_coded, make, repeating, subtitles, with_user_data

REPORTS, CLIPS = 1500, 40
"""Changes of each kind of file."""
LIMIT = 15
KINDS = (
    "plain.mp4",
    "camera.mov",
    "rich.mkv",
    "joined.ts",
    "fields.ts",
    "repeating.avi",
    "captions.mp4",
    "old.mpg",
    "web.webm",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small clip of each kind."""
    at = tmp_path_factory.mktemp("clips")
    plain = film(at / "plain.mp4", sound=True)
    make("-i", plain, "-c", "copy", "-timecode", "01:00:00:00", at / "camera.mov")
    subtitles(at / "lines.srt")
    rich = ("-map", "0", "-map", "0:a", "-map", "1", "-c", "copy", "-c:s", "srt", "-metadata:s:1", "language=zh-Hans")
    make("-i", plain, "-i", at / "lines.srt", *rich, at / "rich.mkv")
    make("-i", plain, "-c:v", "mpeg2video", "-r", "25", "-bf", "2", "-c:a", "mp2", at / "one.ts")
    (at / "joined.ts").write_bytes((at / "one.ts").read_bytes() * 2)
    make("-i", at / "one.ts", "-c", "copy", at / "old.mpg")
    make("-i", plain, "-c:v", "libvpx", "-auto-alt-ref", "1", "-lag-in-frames", "8", "-c:a", "libopus", at / "web.webm")
    field_coded(at / "fields.ts")
    repeating(at / "repeating.avi")
    with_user_data(at / "captions.mp4", CAPTIONS)
    return at


@contextmanager
def in_time(what: str) -> Iterator[None]:
    """Fail what takes too long, whatever it waits for."""

    def late(*_: object) -> None:
        raise AssertionError(f"{what} takes more than {LIMIT} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def changed_text(text: str, chance: random.Random) -> str:
    """A report with some lines moved in or out, left out, doubled, exchanged, cut, or with other characters."""
    lines = text.split("\n")
    for _ in range(chance.randint(1, 6)):
        n = chance.randrange(len(lines))
        line = lines[n]
        kind = chance.randrange(9)
        if kind == 0:
            lines[n] = " " * chance.randint(0, 12) + line.lstrip(" ")
        elif kind == 1:
            del lines[n]
        elif kind == 2:
            lines.insert(chance.randrange(len(lines) + 1), line)
        elif kind == 3:
            other = chance.randrange(len(lines))
            lines[n], lines[other] = lines[other], line
        elif kind == 4:
            lines[n] = line[: chance.randint(0, len(line))]
        elif kind == 5:
            lines[n] = re.sub(r"\d+", lambda m: str(chance.choice((0, -1, 2**31, 2**63, 10**30, int(m[0]) + 1))), line)
        elif kind == 6 and line:
            at = chance.randrange(len(line))
            lines[n] = line[:at] + chance.choice("\0\r\t :/()[]{}%#\\é漢\ud800") + line[at + 1 :]
        elif kind == 7:
            lines[n] = re.sub(
                r"[A-Z][a-z]+", lambda m: chance.choice((m[0].lower(), "Video", "Stream", "", "N/A")), line
            )
        else:
            step = chance.choice((1, 2, 4))
            lines = [" " * step + each for each in lines]
        lines = lines or [""]
    return "\n".join(lines)


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """A file with some bytes changed, left out, doubled or moved, or cut."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 8)):
        # The beginning and the end hold what a container says of itself.
        size = len(changed)
        at = chance.choice(
            (chance.randrange(size), chance.randrange(min(size, 1200)), size - 1 - chance.randrange(min(size, 2500)))
        )
        kind, length = chance.randrange(6), chance.choice((1, 1, 4, 50, 400))
        if kind == 0:
            changed[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[at : at + length] = chance.randbytes(length)
        elif kind == 2:
            changed[at : at + 4] = chance.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80\0\0\0"))
        elif kind == 3:
            del changed[at : at + length]
        elif kind == 4:
            changed[at:at] = changed[at : at + length]
        else:
            changed[at:] = changed[at:][: chance.randrange(size)] if chance.random() < 0.2 else changed[at:]
        if len(changed) < 16:
            break
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_reports_nobody_has_seen(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = cache(lambda arguments, loglevel: run_ffmpeg(arguments, loglevel=loglevel))
    seed, refused, taken, longest = 0, 0, 0, 0.0

    def changed(arguments: Sequence[str], *, loglevel: str = "warning") -> ProcessResult:
        done: ProcessResult = said(tuple(arguments), loglevel)
        chance = random.Random(f"{kind} {seed} {len(arguments)}")
        log, output = "\n".join(text for _, text in done.log), done.output
        if chance.random() < 0.7:
            log = changed_text(log, chance)
        else:
            output = changed_text(output.decode("utf-8", "surrogateescape"), chance).encode("utf-8", "surrogatepass")
        return replace(done, output=output, log=tuple(("info", line) for line in log.split("\n")))

    for module in (header, probe):
        monkeypatch.setattr(module, "run_ffmpeg", changed)
    for seed in range(REPORTS):
        begun = time.monotonic()
        with in_time(f"{kind}, seed {seed}"):
            try:
                clip = probe.probe_video(folder / kind)
                assert clip.frames == len(clip.durations) > 0
                taken += 1
            except ImgcycleError as error:
                refused += len(str(error).splitlines()) == 1
            except Exception as error:
                raise AssertionError(f"{kind}, seed {seed}: {error!r}") from error
        longest = max(longest, time.monotonic() - begun)
    assert taken + refused == REPORTS
    print(f"\n{kind}: {REPORTS} reports, {taken} taken, {refused} refused, {longest:.2f} s at most")


@pytest.mark.parametrize("kind", KINDS)
def test_clips_with_other_bytes(folder: Path, kind: str, tmp_path: Path) -> None:
    translator = tiny_translator()
    whole = (folder / kind).read_bytes()
    longest, counts = 0.0, dict.fromkeys(("done", "failed"), 0)
    for seed in range(CLIPS):
        source = tmp_path / f"{seed}{Path(kind).suffix}"
        source.write_bytes(changed_bytes(whole, random.Random(f"{kind} {seed}")))
        begun = time.monotonic()
        with in_time(f"{kind}, seed {seed}"):
            row = converted(source, tmp_path / "out", translator, f"{kind}, seed {seed}")
        longest = max(longest, time.monotonic() - begun)
        counts[row.status] += 1
        source.unlink()
    assert not list(tmp_path.rglob("*.partial"))
    print(f"\n{kind}: {CLIPS} clips, {counts['done']} made, {counts['failed']} failed, {longest:.2f} s at most")


def converted(source: Path, output: Path, translator: Translator, what: str) -> ClipRow:
    """The row of one clip; its error is a line of ours."""
    request = ClipRequest((str(source),), f"{output}/", options=VideoOptions(preset="ultrafast", strength=0))
    hear: Callable[[object], None] = lambda _: None  # noqa: E731
    plan = plan_clips(request, translator.style)
    (row,) = (event.row for event in convert_clips(plan, translator, hear) if isinstance(event, Done))
    assert isinstance(row, ClipRow)
    assert row.status in ("done", "failed"), f"{what}: {row}"
    if row.status == "done":
        assert row.frames > 0, what
        probe.probe_video(Path(row.output))
    else:
        assert row.error, what
        for word in ("unexpected", "Error:", "Traceback", "object has no", "division", "index out of range", "\n"):
            assert word not in row.error, f"{what}: {row.error}"
    return row

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch

from imgcycle.engine import resample
from imgcycle.engine.smoothing import State, TemporalSmoother
from imgcycle.engine.translator import Translator
from imgcycle.errors import ImgcycleError, InputError
from imgcycle.jobs.recipe import ResolvedOptions
from imgcycle.jobs.video.pipeline import FramePipeline, repeated_frames
from imgcycle.jobs.video.ranges.places import SegmentRule
from imgcycle.media.image.masks import Mask
from imgcycle.media.image.pixels import Floats, Pixels
from imgcycle.media.image.reduction import reduced
from imgcycle.media.video.decoder import TimedFrame
from tests.jobs.films import tiny_translator
from tests.media.pictures import scene


class Kept:
    """Keeps what it is given; fails at a frame when told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.frames: list[tuple[int, Pixels, bool]] = []
        self.segments: list[tuple[int, State]] = []
        self.fails_at = fails_at

    def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
        if len(self.frames) == self.fails_at:
            raise OSError(28, "No space left on device")
        self.frames.append((frame.number, pixels, stands_in))

    def close_segment(self, memory: State) -> None:
        self.segments.append((len(self.frames), memory))


def film(count: int, first: int = 0) -> Iterator[TimedFrame]:
    for n in range(first, first + count):
        yield TimedFrame(Fraction(n, 10), np.roll(scene(), n, 1), Fraction(1, 10), n)


def filming(
    sink: Kept, translator: Translator | None = None, each: int = 4, workers: int = 1, **options: float
) -> FramePipeline:
    chosen = ResolvedOptions(work_size=32, detail=0.5, **options)  # type: ignore[arg-type]
    smoother = TemporalSmoother(translator or tiny_translator(), "light")
    return FramePipeline(
        smoother, chosen, sink, SegmentRule(lambda n: n % each == each - 1), lambda _: None, workers=workers
    )


class Stumbling(Translator):
    """A net that fails at some calls."""

    def __init__(self, fails: range) -> None:
        whole = tiny_translator()
        super().__init__(whole.net, torch.device("cpu"), style=whole.style)
        self.fails, self.calls = fails, -1

    def whole(self, x: torch.Tensor, at: tuple[int, int] = (0, 0)) -> torch.Tensor:
        self.calls += 1
        if self.calls in self.fails:
            raise RuntimeError("out of\nmemory")
        return super().whole(x, at)


def names() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("imgcycle-")}


def test_every_frame_in_order_and_memory_at_the_ends() -> None:
    sink = Kept()
    filming(sink).run(film(10))
    assert [number for number, _, _ in sink.frames] == list(range(10))
    assert [at for at, _ in sink.segments] == [4, 8]
    assert all(np.abs(pixels.astype(int) - np.roll(scene(), n, 1)).mean() > 5 for n, pixels, _ in sink.frames)
    assert {"before", "change", "at"} == set(sink.segments[0][1])
    assert not names()


def test_going_on_after_a_segment_gives_the_same_frames() -> None:
    whole, rest = Kept(), Kept()
    filming(whole).run(film(10))
    again = filming(rest)
    again.smoother.load(whole.segments[0][1])
    again.run(film(6, first=4))
    assert [number for number, _, _ in rest.frames] == list(range(4, 10))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(whole.frames[4:], rest.frames, strict=True))
    fresh = Kept()
    filming(fresh).run(film(6, first=4))
    assert not all(np.array_equal(a[1], b[1]) for a, b in zip(whole.frames[4:], fresh.frames, strict=True))


def test_a_frame_that_fails_has_the_one_before_in_its_place() -> None:
    sink = Kept()
    work = filming(sink, Stumbling(range(5, 7)))
    work.run(film(10))
    assert [stands for _, _, stands in sink.frames] == [n in (5, 6) for n in range(10)]
    assert np.array_equal(sink.frames[5][1], sink.frames[4][1])
    assert np.array_equal(sink.frames[6][1], sink.frames[4][1])
    assert not np.array_equal(sink.frames[7][1], sink.frames[4][1])
    # The frame after the gap is what the net makes of it alone, and lies where it would have without the gap.
    undisturbed, plain = Kept(), Kept()
    filming(undisturbed).run(film(10))
    assert not np.array_equal(sink.frames[7][1], undisturbed.frames[7][1])
    alone = filming(plain)
    alone.smoother.blend = lambda frame, fresh, motion, at: fresh  # type: ignore[method-assign]  # noqa: ARG005
    alone.run(film(10))
    assert np.array_equal(sink.frames[7][1], plain.frames[7][1])
    assert work.failures == ["frame 6: out of memory", "frame 7: out of memory"]
    assert repeated_frames(2, work.failures) == (
        "2 frames could not be translated, the result before stands in: frame 6: out of memory"
    )
    first = Kept()
    filming(first, Stumbling(range(1))).run(film(3))
    assert np.array_equal(first.frames[0][1], scene())
    assert repeated_frames(0, []) == ""


def test_a_segment_that_ends_with_a_failed_frame_goes_on_as_if_it_had_not_ended() -> None:
    whole, rest = Kept(), Kept()
    filming(whole, Stumbling(range(3, 4))).run(film(10))
    memory = whole.segments[0][1]
    assert set(memory) == {"before", "at"}
    again = filming(rest)
    again.smoother.load(memory)
    again.run(film(6, first=4))
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(whole.frames[4:], rest.frames, strict=True))


def test_many_lanes_give_the_frames_and_the_memory_of_one() -> None:
    one, many = Kept(), Kept()
    filming(one).run(film(20))
    work = filming(many, workers=3)
    work.run(film(20))
    assert all(a[0] == b[0] and np.array_equal(a[1], b[1]) for a, b in zip(one.frames, many.frames, strict=True))
    for (at, memory), (other, same) in zip(one.segments, many.segments, strict=True):
        assert at == other
        assert all(np.array_equal(memory[key], same[key]) for key in ("before", "change", "at"))
    assert work.net_seconds > 0
    assert not names()


def test_a_net_that_fails_always_ends_the_work() -> None:
    sink = Kept()
    with pytest.raises(ImgcycleError, match=r"^20 frames in a row could not be translated: out of memory$"):
        filming(sink, Stumbling(range(3, 99))).run(film(60))
    assert len(sink.frames) < 60
    assert not names()


def broken(frames: Iterator[TimedFrame], error: BaseException) -> Iterator[TimedFrame]:
    yield from frames
    raise error


@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_no_thread_is_left_when_the_reader_fails(count: int) -> None:
    sink = Kept()
    with pytest.raises(InputError, match="gone"):
        filming(sink).run(broken(film(count), InputError("gone")))
    assert len(sink.frames) <= count
    assert not names()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("at", [0, 1, 29])
def test_no_thread_is_left_when_the_sink_fails(at: int, workers: int) -> None:
    with pytest.raises(OSError, match="No space left"):
        filming(Kept(fails_at=at), workers=workers).run(film(30))
    assert not names()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("where", ["net", "ends", "wait"])
def test_no_thread_is_left_when_the_user_ends_it(where: str, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C reaches the main thread alone: in the net, between frames, or while the last ones are written."""
    sink = Kept()
    work = filming(sink, workers=workers)

    def interrupted(*_: object) -> bool:
        if len(sink.frames) > 3 or where == "ends":
            raise KeyboardInterrupt
        return False

    if where == "net":
        monkeypatch.setattr(work.smoother, "translated", lambda frame, _: interrupted() or frame)
    elif where == "ends":
        work.rule = SegmentRule(interrupted)
    else:
        join, calls = threading.Thread.join, []

        def joined(thread: threading.Thread, timeout: float | None = None) -> None:
            calls.append(thread.name)
            if len(calls) == 1:
                raise KeyboardInterrupt
            join(thread, timeout)

        monkeypatch.setattr(threading.Thread, "join", joined)
    with pytest.raises(KeyboardInterrupt):
        work.run(film(40))
    monkeypatch.undo()
    assert not names()


@pytest.mark.parametrize("fails", ["net", "sink"])
def test_a_reader_that_waits_is_called_off(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding up to where work is to go on may take minutes: Ctrl-C does not wait for it."""
    called_off = threading.Event()
    ended: list[bool] = []

    def waiting() -> Iterator[TimedFrame]:
        yield from film(3)
        ended.append(called_off.wait(300))

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    work = filming(Kept(fails_at=2 if fails == "sink" else None))
    if fails == "net":
        monkeypatch.setattr(work.smoother, "translated", interrupted)
        with pytest.raises(KeyboardInterrupt):
            work.run(waiting(), called_off.set)
    else:
        with pytest.raises(OSError, match="No space left"):
            work.run(waiting(), called_off.set)
    assert ended in ([True], [])  # or it had not come that far
    assert not names()


def test_a_write_that_waits_is_released(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads a stream may have stopped to: Ctrl-C does not wait for him."""
    released = threading.Event()
    waiting = threading.Event()

    class Stuck(Kept):
        def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
            waiting.set()
            assert released.wait(60)
            super().write(frame, pixels, stands_in)

    work = filming(Stuck())
    translated, calls = work.smoother.translated, iter(range(100))

    def interrupted(*given: Any) -> Floats:
        if next(calls) == 2:
            waiting.wait(60)
            raise KeyboardInterrupt
        return translated(*given)

    monkeypatch.setattr(work.smoother, "translated", interrupted)
    with pytest.raises(KeyboardInterrupt):
        work.run(film(40), release=released.set)
    assert released.is_set()
    assert not names()


def test_a_slow_sink_holds_the_reader_back() -> None:
    """Memory does not grow with the clip: a few frames are on their way, whoever is slowest."""
    read = 0

    def counted() -> Iterator[TimedFrame]:
        nonlocal read
        for frame in film(40):
            read += 1
            yield frame

    class Slow(Kept):
        ahead = 0

        def write(self, frame: TimedFrame, pixels: Pixels, stands_in: bool) -> None:
            time.sleep(0.005)
            super().write(frame, pixels, stands_in)
            self.ahead = max(self.ahead, read - len(self.frames))

    sink = Slow()
    filming(sink).run(counted())
    assert len(sink.frames) == 40
    assert sink.ahead <= 10


def test_strength_0_is_the_input_and_stats_see_it() -> None:
    sink, seen = Kept(), []
    work = filming(sink, strength=0.0)
    work.watcher = lambda frame, motion, written, _: seen.append((motion is None, np.array_equal(frame, written)))
    work.run(film(5))
    assert all(np.array_equal(pixels, np.roll(scene(), n, 1)) for n, pixels, _ in sink.frames)
    assert seen == [(True, True)] + [(False, True)] * 4


def test_what_is_watched_is_what_is_written() -> None:
    """Colours kept, half of the strength, the mask: all of it, at work size, and of any result of the net."""
    sink, seen = Kept(), []
    work = filming(sink, strength=0.5, keep_colour=True)
    levels = np.zeros((40, 56), np.uint8)
    levels[:, :28] = 255
    work.masks = lambda _: Mask(levels, 255)
    work.watcher = lambda frame, _, written, finished: seen.append((written, finished(1 - frame), finished(frame)))
    work.run(film(3))
    shape = work.options.work_shape(40, 56)
    for (n, pixels, _), (written, other, same) in zip(sink.frames, seen, strict=True):
        assert np.array_equal(written, resample.to_float01(reduced(pixels, shape)))
        own = resample.to_float01(reduced(np.roll(scene(), n, 1), shape))
        right = slice(shape[1] // 2 + 1, None)
        assert np.array_equal(written[:, right], own[:, right])
        assert np.array_equal(other[:, right], own[:, right])
        assert np.abs(other - own).max() > 0.1
        assert np.abs(same - own).max() < 0.01


def test_a_frame_that_cannot_be_finished_is_repeated_like_one_that_was_not_translated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second net works on finished frames: what fails there must not end the clip either."""
    restored, calls = resample.restored, iter(range(100))

    def stumbles(*given: Any) -> Pixels:
        if next(calls) in (2, 3):
            raise RuntimeError("out of\nmemory")
        return restored(*given)

    monkeypatch.setattr(resample, "restored", stumbles)
    sink = Kept()
    work = filming(sink)
    work.run(film(6))
    assert [stands_in for _, _, stands_in in sink.frames] == [False, False, True, True, False, False]
    assert all(np.array_equal(sink.frames[n][1], sink.frames[1][1]) for n in (2, 3))
    assert work.failures == ["frame 3: out of memory", "frame 4: out of memory"]
    # Outside a mask even such a frame is the input's.
    calls, sink = iter(range(100)), Kept()
    work = filming(sink)
    levels = np.zeros((40, 56), np.uint8)
    levels[:, :28] = 255
    work.masks = lambda _: Mask(levels, 255)
    work.run(film(4))
    assert np.array_equal(sink.frames[2][1][:, 28:], np.roll(scene(), 2, 1)[:, 28:])
    assert np.array_equal(sink.frames[2][1][:, :28], sink.frames[1][1][:, :28])
    # And where each one fails, the cause is not in the frames.
    monkeypatch.setattr(resample, "restored", lambda *_: 1 / 0)
    sink = Kept()
    with pytest.raises(ImgcycleError, match="20 frames in a row could not be finished: division by zero"):
        filming(sink).run(film(60))
    assert len(sink.frames) == 19
    assert not names()

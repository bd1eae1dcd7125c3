from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from imgcycle.concurrency import ByteBudget, ClosableQueue, Consumer, Prefetched, ordered_map
from imgcycle.errors import ImgcycleError


def counted(taken: list[int], count: int = 10) -> Iterator[int]:
    for n in range(count):
        taken.append(n)
        yield n


@pytest.mark.parametrize("prompt", [False, True])
def test_a_map_keeps_the_order_whoever_is_done_first(prompt: bool) -> None:
    second = threading.Event()

    def make(n: int) -> int:
        if n == 0:
            assert second.wait(300)
        if n == 1:
            second.set()
        return n * n

    assert list(ordered_map(make, range(20), 2, prompt=prompt)) == [n * n for n in range(20)]


@pytest.mark.parametrize(("ahead", "most"), [(None, 3), (4, 4)])
def test_a_map_takes_no_more_items_than_it_may(ahead: int | None, most: int) -> None:
    taken: list[int] = []
    made = ordered_map(str, counted(taken), 2, ahead=ahead)
    assert (next(made), len(taken)) == ("0", most)
    assert (next(made), len(taken)) == ("1", most + 1)
    made.close()


def test_a_prompt_map_gives_what_is_there_before_it_takes_more() -> None:
    begun = threading.Event()
    taken: list[int] = []

    def items() -> Iterator[int]:
        for n in counted(taken):
            yield n
            assert begun.wait(300)

    def make(n: int) -> int:
        begun.set()
        return n

    made = ordered_map(make, items(), 1, ahead=9, prompt=True)
    assert next(made) == 0
    assert len(taken) < 9
    assert list(made) == list(range(1, 10))


def test_an_error_comes_in_its_turn_and_what_is_left_is_dropped() -> None:
    dropped: list[float] = []
    made = ordered_map(lambda n: 6 / n, [3, 2, 0, 1], 1, ahead=4, drop=dropped.append)
    assert [next(made), next(made)] == [2, 3]
    with pytest.raises(ZeroDivisionError):
        next(made)
    # The last one was begun, or it was not.
    assert dropped in ([6], [])


@pytest.mark.parametrize("finishing", [False, True])
def test_a_map_that_is_closed_waits_for_what_is_begun_and_only_finishing_for_the_rest(finishing: bool) -> None:
    stopped = threading.Event()
    made: list[int] = []

    def make(n: int) -> int:
        if n == 1:
            assert stopped.wait(300)
        made.append(n)
        return n

    dropped: list[int] = []
    results = ordered_map(
        make, range(9), 1, ahead=5, finishing=finishing, drop=dropped.append, stop=stopped.set, name="mapped"
    )
    assert next(results) == 0
    results.close()
    assert made == [0, *dropped]
    assert len(made) == 5 if finishing else len(made) < 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mapped")]


def test_every_thread_of_a_map_begins_alike() -> None:
    begun: list[str] = []
    both = threading.Barrier(2, timeout=300)
    made = ordered_map(lambda _: both.wait(), range(2), 2, begin=lambda: begun.append(threading.current_thread().name))
    assert sorted(made) == [0, 1]
    assert len(set(begun)) == 2


def test_a_queue_ends_from_either_side() -> None:
    queue: ClosableQueue[int] = ClosableQueue(2)
    assert queue.put(1)
    assert queue.put(2)
    queue.finish(OSError("gone"))
    assert [queue.get(), queue.get()] == [1, 2]
    with pytest.raises(OSError, match="gone"):
        queue.get()
    other: ClosableQueue[int] = ClosableQueue(1)
    assert other.put(1)
    other.cancel()
    assert not other.put(2)
    assert list(other) == []


def test_items_made_ahead_come_in_order_and_then_the_error() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise OSError("gone")

    with Prefetched(items(), 2) as made:
        assert [next(made) for _ in range(5)] == list(range(5))
        with pytest.raises(OSError, match="gone"):
            next(made)


def test_leaving_what_is_made_ahead_calls_off_a_thread_that_waits() -> None:
    called_off = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        assert called_off.wait(300)

    with Prefetched(items(), 2, "ahead", called_off.set) as made:
        assert next(made) == 1
    assert called_off.is_set()
    assert next(made, None) is None
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


def test_a_consumer_takes_everything_in_order() -> None:
    taken: list[int] = []
    with Consumer(taken.extend, 2) as consumer:
        assert all(consumer.put(n) for n in range(20))
        consumer.finish()
    assert taken == list(range(20))


def test_a_consumer_that_fails_takes_no_more_and_says_why() -> None:
    failed = threading.Event()

    def takes(items: Iterator[int]) -> None:
        if next(items) == 0:
            raise OSError("full")

    with Consumer(takes, 1, failed=failed.set) as consumer:
        assert consumer.put(0)
        assert failed.wait(300)
        while consumer.put(1):
            pass
        with pytest.raises(OSError, match="full"):
            consumer.finish()


def test_a_consumer_that_is_left_throws_away_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    taken: list[int] = []

    def takes(items: Iterator[int]) -> None:
        taken.append(next(items))
        assert go.wait(300)
        taken.extend(items)

    consumer = Consumer(takes, 2, "behind")
    for n in range(3):
        assert consumer.put(n)
    cancel = consumer._queue.cancel

    def cancelled() -> None:
        cancel()
        go.set()

    monkeypatch.setattr(consumer._queue, "cancel", cancelled)
    consumer.close()
    assert taken == [0]


def test_tickets_are_let_in_in_order_and_a_giant_when_alone() -> None:
    room, order = ByteBudget(10), []

    def visit(ticket: int, size: int) -> None:
        room.enter(ticket, size)
        order.append(ticket)

    threads = [threading.Thread(target=visit, args=(n, size)) for n, size in ((3, 1), (2, 50), (1, 4), (0, 6))]
    for thread in threads:
        thread.start()
    threads[3].join()
    threads[2].join()
    assert order == [0, 1]
    room.leave(6)
    assert order == [0, 1]
    room.leave(4)
    threads[1].join()
    assert order == [0, 1, 2]
    room.leave(50)
    threads[0].join()
    assert order == [0, 1, 2, 3]


def test_a_closed_room_lets_everyone_go() -> None:
    room = ByteBudget(1)
    room.enter(0, 1)
    caught: list[BaseException] = []

    def visit() -> None:
        try:
            room.enter(1, 1)
        except ImgcycleError as error:
            caught.append(error)

    thread = threading.Thread(target=visit)
    thread.start()
    room.close()
    thread.join(300)
    assert len(caught) == 1

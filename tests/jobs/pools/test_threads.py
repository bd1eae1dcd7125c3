from __future__ import annotations

import threading
from collections.abc import Iterator

import cv2
import pytest
import torch

from imgcycle.jobs.pools.threads import WorkerPool


@pytest.fixture(autouse=True)
def four_threads() -> Iterator[None]:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_order_whoever_is_done_first(count: int) -> None:
    second = threading.Event()

    def make(n: int) -> int:
        # The first of two is done only after the second.
        if count > 1 and n == 0:
            assert second.wait(300)
        if n == 1:
            second.set()
        return n * n

    lanes = WorkerPool(make, count)
    assert list(lanes(range(20))) == [(n, n * n) for n in range(20)]
    lanes.close()


@pytest.mark.parametrize("count", [1, 2])
def test_what_fails_is_handed_over_and_the_rest_goes_on(count: int) -> None:
    lanes: WorkerPool[int, int] = WorkerPool(lambda n: 6 // n, count)
    results = dict(lanes([3, 0, 2]))
    lanes.close()
    assert isinstance(results.pop(0), ZeroDivisionError)
    assert results == {3: 2, 2: 3}


@pytest.mark.parametrize(("count", "each"), [(1, 4), (2, 2), (3, 1), (8, 1)])
def test_threads_are_shared_out_and_given_back(count: int, each: int) -> None:
    opencv = cv2.getNumThreads()
    lanes: WorkerPool[int, tuple[int, int]] = WorkerPool(
        lambda _: (torch.get_num_threads(), cv2.getNumThreads()), count
    )
    assert {found for _, found in lanes(range(8))} == {(each, opencv if count == 1 else 1)}
    lanes.close()
    assert (torch.get_num_threads(), cv2.getNumThreads()) == (4, opencv)


def test_items_are_taken_one_ahead_of_the_lanes() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for n in range(10):
            taken += 1
            yield n

    lanes: WorkerPool[int, int] = WorkerPool(lambda n: n, 2)
    next(lanes(items()))
    assert taken == 3
    lanes.close()

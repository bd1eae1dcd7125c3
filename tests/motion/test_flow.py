from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.motion.flow import measure_motion
from tests.motion.textures import moved, texture


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.5, -2.25), (-5.0, 3.5)])
def test_a_pan_is_found_to_a_tenth_of_a_pixel_and_undone(shift: tuple[float, float]) -> None:
    before = texture(96, 128)
    after = moved(before, *shift)
    motion = measure_motion(before, after)
    inner = (slice(12, -12), slice(12, -12))
    assert np.abs(np.median(motion.forward[inner], axis=(0, 1)) - shift[::-1]).max() < 0.1
    assert np.abs(np.median(motion.backward[inner], axis=(0, 1)) + shift[::-1]).max() < 0.1
    assert np.abs(motion.warped(before) - after)[inner].mean() < 0.006
    assert np.abs(motion.reversed().warped(after) - before)[inner].mean() < 0.006
    assert motion.known[inner].mean() > 0.97


def test_nothing_moved_is_exactly_that() -> None:
    frame = texture(40, 56)
    motion = measure_motion(frame, frame.copy())
    assert not motion.backward.any()
    assert motion.known.all()
    assert np.array_equal(motion.warped(frame), frame)


def test_what_a_moving_object_uncovers_is_not_known() -> None:
    ground, thing = texture(96, 128), texture(96, 128, seed=1, grain=1.5)
    frames = []
    for left in (40, 48):
        frames.append(ground.copy())
        frames[-1][30:70, left : left + 40] = thing[30:70, :40]
    known = measure_motion(*frames).known
    assert known[34:66, 41:47].mean() < 0.25
    assert known[34:66, 54:82].mean() > 0.9
    assert known[:24, 8:-8].mean() > 0.97


def test_what_came_from_outside_is_not_known() -> None:
    wide = texture(96, 160)
    known = measure_motion(wide[:, 6:134], wide[:, :128]).known
    assert not known[:, :4].any()
    assert known[:, 16:].mean() > 0.95


def test_threads_do_not_change_a_byte() -> None:
    before = texture(96, 128)
    after = moved(before, 2.5, 1.25)
    threads = cv2.getNumThreads()
    found = []
    try:
        for number in (1, 4):
            cv2.setNumThreads(number)
            motion = measure_motion(before, after)
            found.append(motion.backward.tobytes() + motion.warped(before).tobytes() + motion.known.tobytes())
    finally:
        cv2.setNumThreads(threads)
    assert found[0] == found[1]


@given(st.integers(1, 40), st.integers(1, 400), st.booleans())
@settings(max_examples=40)
def test_frames_of_any_size_have_a_motion(short: int, long: int, upright: bool) -> None:
    size = (long, short) if upright else (short, long)
    frames = np.random.default_rng(short * long).random((2, *size, 3), dtype=np.float32)
    motion = measure_motion(frames[0], frames[1])
    assert motion.backward.shape == motion.forward.shape == (*size, 2)
    assert np.isfinite(motion.backward).all()
    assert motion.known.shape == size
    assert motion.warped(frames[0]).shape == (*size, 3)

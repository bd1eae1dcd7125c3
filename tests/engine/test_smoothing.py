from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from imgcycle.config import NetConfig
from imgcycle.engine.padding import pad_to
from imgcycle.engine.resample import from_tensor, to_tensor
from imgcycle.engine.smoothing import SMOOTHING, Strength, TemporalSmoother, motion_between
from imgcycle.engine.translator import Translator
from imgcycle.metrics.flicker import Flicker, steepness
from imgcycle.motion.flow import Motion
from tests.motion.textures import Floats, moved, texture
from tests.styles import tiny_net

CPU = torch.device("cpu")
STRIDED = NetConfig("resnet", 4, 2)
SMOOTHED: list[Strength] = ["light", "strong"]


def translator(seed: int = 0, config: NetConfig = STRIDED) -> Translator:
    net = tiny_net(config, seed)
    # Random nets are nearly grey; this one paints.
    for parameter in net.parameters():
        parameter.data.mul_(3)
    return Translator(net, CPU)


class Painter(Translator):
    """In the place of a net: any function of a frame (h, w, 3) in [0, 1] and the number of the call."""

    def __init__(self, paint) -> None:  # type: ignore[no-untyped-def]
        super().__init__(tiny_net(), CPU)
        self.paint = paint
        self.places: list[tuple[int, int]] = []

    def whole(self, x: Tensor, at: tuple[int, int] = (0, 0)) -> Tensor:
        self.places.append(at)
        return to_tensor(self.paint(from_tensor(x), len(self.places)))


def grainy(strength: float) -> Painter:
    """Inverts, and paints other grain on every frame."""
    return Painter(lambda f, n: np.clip(1 - f + strength * (texture(f.shape[0], f.shape[1], 100 + n, 1.0) - 0.5), 0, 1))


def pan(count: int, down: float, right: float) -> list[Floats]:
    ground = texture(64, 96)
    return [moved(ground, n * down, n * right) for n in range(count)]


def flicker(frames: list[Floats], results: list[Floats]) -> float:
    meter, before = Flicker(), None
    for frame, result in zip(frames, results, strict=True):
        motion = motion_between(before, frame)
        meter.add(result, motion and motion.reversed())
        before = frame
    return meter.figures().e_warp


def test_off_is_the_translator_and_remembers_nothing() -> None:
    plain, frames = translator(), pan(3, 1, 2)
    calm = TemporalSmoother(plain, "off")
    for frame in frames:
        assert np.array_equal(calm.step(frame), from_tensor(plain(to_tensor(frame))))
        assert np.array_equal(calm.follow(frame, None), from_tensor(plain(to_tensor(frame))))
    assert calm.state() == {}


@pytest.mark.parametrize("strength", SMOOTHED)
def test_a_still_clip_comes_out_as_its_first_frame_translated(strength: Strength) -> None:
    plain, frame = translator(), texture(50, 70)
    calm = TemporalSmoother(plain, strength)
    wanted = from_tensor(plain(to_tensor(frame)))
    for _ in range(4):
        assert np.array_equal(calm.step(frame.copy()), wanted)


@pytest.mark.parametrize("strength", SMOOTHED)
def test_a_cut_forgets_everything(strength: Strength) -> None:
    plain = translator()
    first = pan(3, 1, 2)
    second = [frame[:, ::-1] ** 4 for frame in pan(3, 0, -1)]
    calm, fresh = TemporalSmoother(plain, strength), TemporalSmoother(plain, strength)
    for frame in first:
        calm.step(frame)
    for frame in second:
        assert np.array_equal(calm.step(frame), fresh.step(frame))


def test_another_size_is_another_scene() -> None:
    calm, fresh = TemporalSmoother(translator()), TemporalSmoother(translator())
    calm.step(texture(40, 56))
    assert np.array_equal(calm.step(texture(48, 56)), fresh.step(texture(48, 56)))


def test_content_keeps_its_place_on_the_grid() -> None:
    painter = Painter(lambda f, _: f)
    calm = TemporalSmoother(painter)
    for frame in pan(6, 1, -3):
        calm.step(frame)
    assert painter.places == [(0, 0), (3, 3), (2, 2), (1, 1), (0, 0), (3, 3)]


def test_fractions_of_a_pixel_let_the_grid_rest() -> None:
    painter = Painter(lambda f, _: f)
    calm = TemporalSmoother(painter)
    for frame in pan(6, 0.3, -0.3):
        calm.step(frame)
    assert set(painter.places) == {(0, 0)}


def test_a_coarse_grid_is_let_slide() -> None:
    painter = Painter(lambda f, _: f)
    painter.stride = 32
    calm = TemporalSmoother(painter)
    for frame in pan(3, 1, -3):
        calm.step(frame)
    assert set(painter.places) == {(0, 0)}


def test_the_grid_of_a_strided_net_stops_flickering_under_a_pan() -> None:
    plain, frames = translator(), pan(5, 1, 2)
    inner = (slice(16, -16), slice(16, -16))
    at, locked, sliding = (0, 0), [], []
    for n, frame in enumerate(frames):
        at = (-n % 4, -2 * n % 4)
        with torch.inference_mode():
            locked.append(from_tensor(plain.whole(to_tensor(frame), at)))
        sliding.append(from_tensor(plain(to_tensor(frame))))
    errors = [
        np.mean([np.abs(moved(s[n], -1, -2) - s[n - 1])[inner].mean() for n in range(1, 5)]) for s in (locked, sliding)
    ]
    assert errors[0] < 0.3 * errors[1]


@pytest.mark.parametrize("shift", [(0.0, 0.0), (0.0, 3.0), (1.4, -0.6)])
def test_grain_is_calmed_and_stays_as_sharp(shift: tuple[float, float]) -> None:
    frames, painter = pan(10, *shift), grainy(0.25)
    calm = TemporalSmoother(painter)
    results = [calm.step(frame) for frame in frames]
    painter.places.clear()
    plain = [painter.paint(frame, n + 1) for n, frame in enumerate(frames)]
    assert flicker(frames, results) < 0.5 * flicker(frames, plain)
    sharp = [sum(steepness(r) for r in sequence[3:]) for sequence in (results, plain)]
    assert sharp[0] == pytest.approx(sharp[1], rel=0.06)


def test_strong_is_calmer_than_light() -> None:
    frames = pan(10, 0, 1)
    found = {}
    for strength in SMOOTHED:
        calm = TemporalSmoother(grainy(0.25), strength)
        found[strength] = flicker(frames, [calm.step(frame) for frame in frames])
    assert found["strong"] < 0.9 * found["light"]


@pytest.mark.parametrize("strength", SMOOTHED)
def test_a_net_that_changes_nothing_leaves_moving_things_as_they_are(strength: Strength) -> None:
    calm = TemporalSmoother(Painter(lambda f, _: f), strength)
    for frame in moving_object():
        assert np.abs(calm.step(frame) - frame).max() < 1e-6


@pytest.mark.parametrize("strength", SMOOTHED)
def test_a_moving_thing_leaves_no_ghost(strength: Strength) -> None:
    frames = moving_object()
    calm = TemporalSmoother(Painter(lambda f, _: 1 - f), strength)
    results = [calm.step(frame) for frame in frames]
    for n, (frame, result) in enumerate(zip(frames, results, strict=True)):
        off = 255 * np.abs(result - (1 - frame))
        uncovered = off[34:62, 8 * n + 12 : 8 * n + 18]
        assert uncovered.mean() < 3
        assert off.mean() < 2


def moving_object() -> list[Floats]:
    ground, thing = texture(96, 128), 0.3 + 0.5 * texture(32, 32, seed=1, grain=1.5)
    frames = []
    for n in range(6):
        frames.append(0.6 * ground)
        frames[-1][32:64, 20 + 8 * n : 52 + 8 * n] = thing
    return frames


def test_light_that_changes_is_followed_at_once() -> None:
    ground = texture(64, 96)
    frames = [ground * np.float32(0.6 + 0.01 * n) for n in range(8)]
    calm = TemporalSmoother(Painter(lambda f, _: 0.2 + 0.7 * f), "strong")
    for frame in frames:
        off = calm.step(frame) - (0.2 + 0.7 * frame)
    # Pictures, where changes are blended, would lag by more than three levels.
    assert 255 * np.abs(off).mean() < 1.5


def test_motion_may_be_measured_ahead() -> None:
    frames = pan(4, 0.5, 2)
    motions = [None, *(motion_between(a, b) for a, b in pairwise(frames))]
    ahead, alone = TemporalSmoother(translator()), TemporalSmoother(translator())
    for frame, motion in zip(frames, motions, strict=True):
        assert np.array_equal(ahead.follow(frame, motion), alone.step(frame))


@pytest.mark.parametrize("strength", SMOOTHED)
def test_a_run_that_is_resumed_gives_the_same_bytes(strength: Strength, tmp_path: Path) -> None:
    plain, frames = translator(), pan(7, 1.25, -2)
    undisturbed = TemporalSmoother(plain, strength)
    wanted = [undisturbed.step(frame).tobytes() for frame in frames]
    assert wanted[4] != TemporalSmoother(plain, strength).step(frames[4]).tobytes()
    before, saved = TemporalSmoother(plain, strength), tmp_path / "state.npz"
    for frame in frames[:4]:
        before.step(frame)
    np.savez(saved, **before.state())  # type: ignore[arg-type]
    after = TemporalSmoother(plain, strength)
    with np.load(saved) as state:
        after.load(state)
    assert [after.step(frame).tobytes() for frame in frames[4:]] == wanted[4:]
    after.load({})
    assert after.step(frames[0]).tobytes() == wanted[0]


def test_a_reader_may_use_one_buffer_for_all_frames() -> None:
    frames, buffer = pan(4, 0, 1), np.empty((64, 96, 3), np.float32)
    one, many = TemporalSmoother(translator()), TemporalSmoother(translator())
    for frame in frames:
        buffer[:] = frame
        assert np.array_equal(one.step(buffer), many.step(frame))


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (5, 7), (13, 300)])
@pytest.mark.parametrize("strength", SMOOTHING)
def test_any_size_goes_through(size: tuple[int, int], strength: Strength) -> None:
    calm = TemporalSmoother(translator(), strength)
    for n in range(3):
        frame = np.random.default_rng(n).random((*size, 3), dtype=np.float32)
        result = calm.step((0.5 + frame / 8).astype(np.float32))
        assert result.shape == (*size, 3)
        assert result.dtype == np.float32
        assert 0 <= result.min() <= result.max() <= 1


def test_what_the_motion_does_not_know_is_taken_afresh() -> None:
    frame, painter = texture(48, 64), grainy(0.25)
    still, apart = np.zeros((48, 64, 2), np.float32), np.full((48, 64, 2), 3, np.float32)
    calm = TemporalSmoother(painter)
    calm.step(frame)
    fresh = from_tensor(to_tensor(painter.paint(frame, 2)))
    assert np.array_equal(calm.follow(frame, Motion(apart, still)), fresh)
    assert not np.array_equal(calm.follow(frame, Motion(still, still)), painter.paint(frame, 3))


@pytest.mark.parametrize("at", [(0, 0), (3, 1), (2, 3)])
def test_a_picture_placed_on_the_grid_is_mirrored_around(at: tuple[int, int]) -> None:
    x = torch.rand(1, 1, 6, 7)
    sides = ((at[0], 12 - 6 - at[0]), (at[1], 12 - 7 - at[1]))
    reach = [tuple(min(n, side - 1) for n in pair) for pair, side in zip(sides, (6, 7), strict=True)]
    rest = [tuple(n - m for n, m in zip(*pairs, strict=True)) for pairs in zip(sides, reach, strict=True)]
    wanted = np.pad(np.pad(x[0, 0].numpy(), reach, "reflect"), rest, "edge")
    assert np.array_equal(pad_to(x, 12, 12, at)[0, 0].numpy(), wanted)


def test_a_narrow_picture_placed_on_the_grid_repeats_its_edges() -> None:
    x = torch.tensor([[[[1.0, 2.0]]]])
    assert pad_to(x, 4, 8, (1, 2))[0, 0].tolist() == [[2, 2, 1, 2, 1, 1, 1, 1]] * 4

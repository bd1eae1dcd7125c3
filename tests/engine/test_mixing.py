"""The mean of several nets' results: whole and in strips, at one work size and at several."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from imgcycle.engine import resample
from imgcycle.engine.mixing import MixedTranslator, MixPlan, mixed_strokes
from imgcycle.engine.style import MixPart, Strokes, Style
from imgcycle.engine.translator import Translator
from imgcycle.media.image.reduction import reduced
from tests.engine.tensors import TensorSink, TensorSource
from tests.media.pictures import scene
from tests.styles import stroke_net, tiny_net

CPU = torch.device("cpu")
SHARES = (0.6, 0.4)


def single(seed: int, work_size: int = 64, strokes: bool = False, dtype: torch.dtype = torch.float32) -> Translator:
    style = Style(f"s{seed}", str(seed) * 64, work_size, 0.5, strokes=Strokes(0.5) if strokes else None)
    fine = Translator(stroke_net(seed), CPU, dtype, style) if strokes else None
    return Translator(tiny_net(seed=seed), CPU, dtype, style, fine)


def mixed(parts: Sequence[Translator], settings: Sequence[MixPart] = ()) -> MixedTranslator:
    strokes = mixed_strokes(parts, settings or settings_of(64, 64))
    return MixedTranslator(parts, SHARES, Style("mix"), settings, strokes)


def settings_of(*sizes: int, detail: float = 0.5, strokes: Sequence[float] = (0, 0)) -> list[MixPart]:
    about = zip(SHARES, sizes, strokes, strict=True)
    return [MixPart(share=w, style="s", weights="", work_size=size, detail=detail, strokes=k) for w, size, k in about]


def picture(height: int = 90, width: int = 70) -> Tensor:
    return resample.to_tensor(resample.to_float01(scene(height, width)))


def rows_of(translator: Translator, x: Tensor, memory: int, folder: Path | None = None) -> tuple[Tensor, MixPlan]:
    plan = translator.plan(x.shape[2], x.shape[3], memory)
    assert isinstance(plan, MixPlan)
    sink = TensorSink(3, x.shape[2], x.shape[3])
    translator.translate_rows(TensorSource(x), sink, plan, None, folder)
    return sink.x, plan


def test_a_mix_is_the_weighted_mean_of_results() -> None:
    one, two = single(1), single(2)
    x = picture()
    wanted = 0.6 * one(x) + 0.4 * two(x)
    assert torch.allclose(mixed([one, two])(x), wanted, atol=1e-6)
    assert not torch.allclose(one(x), two(x), atol=0.1)
    batch = torch.cat([x, x.flip(3)])
    assert torch.allclose(mixed([one, two])(batch), 0.6 * one(batch) + 0.4 * two(batch), atol=1e-6)


@pytest.mark.parametrize("spilled", [False, True])
def test_by_rows_it_is_the_same_in_memory_or_on_disk(tmp_path: Path, spilled: bool) -> None:
    one, two = single(1), single(2)
    mix = mixed([one, two])
    x = picture()
    room = mix.least_memory(90, 70) + (2000 if spilled else 2**30)
    found, plan = rows_of(mix, x, room, tmp_path)
    assert plan.spilled == spilled
    assert plan.peak_bytes <= room
    assert (plan.spill_bytes >= 12 * 90 * 70) == spilled
    assert torch.allclose(found, mix(x), atol=1e-5)
    assert str(plan).startswith("s1: 70 × 90: ")
    assert " s2: 70 × 90: " in str(plan)


def test_each_net_sees_its_own_work_size() -> None:
    one, two = single(1), single(2)
    # 4:3, so that both sizes are whole.
    photo = scene(240, 320)
    large = resample.to_float01(reduced(photo, (120, 160)))
    small = resample.to_float01(reduced(photo, (60, 80)))
    settings = settings_of(139, 69, detail=0.3)  # √(120 × 160), √(60 × 80)
    mix = mixed([one, two]).tuned(settings)
    x = resample.to_tensor(large)
    first = resample.from_tensor(one(x))
    second = resample.from_tensor(two(resample.to_tensor(small)))
    both = 0.6 * resample.restored(photo, large, first, 0.3, 1.0) + 0.4 * resample.restored(
        photo, small, second, 0.3, 1.0
    )
    for found in (mix(x), rows_of(mix, x, 2**30)[0]):
        made = resample.restored(photo, large, resample.from_tensor(found), 0.3, 1.0)
        assert np.abs(made - both).mean() < 1.0
        # The net's own result, brought to the larger size, differs far more.
        assert np.abs(made - resample.restored(photo, large, first, 0.3, 1.0)).mean() > 5
    assert torch.allclose(mix(x), rows_of(mix, x, 2**30)[0], atol=1e-5)
    both_ways = torch.cat([x, x.flip(3)])
    assert torch.allclose(mix(both_ways), torch.cat([mix(x), mix(x.flip(3))]), atol=1e-5)
    # Of equal sizes, and of sizes above the picture's, nothing is reduced.
    assert torch.equal(mixed([one, two]).tuned(settings_of(139, 139))(x), mixed([one, two])(x))
    assert torch.equal(mixed([one, two]).tuned(settings_of(500, 300))(x), mixed([one, two])(x))


def test_progress_is_that_of_all_nets() -> None:
    mix = mixed([single(1), single(2)])
    x = picture()
    plan = mix.plan(90, 70, 2**40, mode="strips")
    shares: list[float] = []
    mix.translate_rows(TensorSource(x), TensorSink(3, 90, 70), plan, shares.append)
    assert shares == sorted(shares)
    assert 0 < shares[0] < 0.5 < shares[-1] == pytest.approx(1)
    assert plan.multiply_adds == sum(part.multiply_adds for part in plan.parts)  # type: ignore[attr-defined]


def test_strokes_of_each_style_are_laid_on_by_their_shares() -> None:
    one, two = single(1, strokes=True), single(2)
    x = picture()
    assert one.strokes is not None
    for strokes in ((0.5, 0.0), (1.0, 0.0)):
        fine = mixed([one, two]).tuned(settings_of(64, 64, strokes=strokes)).strokes
        # Half of them, or all, is the share that the whole is laid on with; the other style has none.
        assert isinstance(fine, MixedTranslator)
        wanted = 0.6 * one.strokes(x) + 0.4 * x
        assert torch.allclose(fine(x), wanted, atol=1e-6)
        assert torch.allclose(rows_of(fine, x, 2**30)[0], wanted, atol=1e-5)
    both = mixed([one, single(2, strokes=True)]).tuned(settings_of(64, 64, strokes=(0.5, 1.0))).strokes
    assert isinstance(both, MixedTranslator)
    assert both.weights == pytest.approx((0.3, 0.4))
    assert both.kept == pytest.approx(0.3)
    assert mixed([single(1), two]).strokes is None


def test_a_mix_has_what_its_nets_need() -> None:
    one, two = single(1, dtype=torch.bfloat16), single(2)
    mix = mixed([one, two])
    assert mix.dtype == torch.bfloat16
    assert mix.exact().dtype == torch.float32
    assert mix.exact().tuned(settings_of(64, 32)).exact().dtype == torch.float32
    assert mix.weight_bytes == one.weight_bytes + two.weight_bytes
    assert (mix.stride, mix.min_size) == (one.stride, one.min_size)
    assert mix.least_memory(90, 70) == max(one.least_memory(90, 70), two.least_memory(90, 70))
    x = picture()
    at = (3, 1)
    assert torch.allclose(mix.exact().whole(x, at), 0.6 * one.exact().whole(x, at) + 0.4 * two.whole(x, at), atol=1e-6)

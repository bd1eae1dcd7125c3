from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.config import NetConfig
from imgcycle.engine.strips.passes import PassSchedule, cut_into_passes, trace
from imgcycle.engine.strips.plan import WHOLE_BYTES, least_memory, make_plan, whole_bytes
from imgcycle.errors import UsageError
from imgcycle.nets.build import build_generator
from imgcycle.nets.layers import Generator
from imgcycle.nets.stages import Add, Conv, Norm, Save, Stage

MB = 2**20


def net_of(name: str, width: int | None = None) -> Generator:
    """A published net without the cost of its weights."""
    with torch.device("meta"):
        return build_generator(NetConfig.named(name, width))


COMPACT, NINE = net_of("compact"), net_of("resnet9")


def test_small_is_whole_and_large_is_strips() -> None:
    assert make_plan(COMPACT, 256, 256, 4000 * MB).mode == "whole"
    large = make_plan(COMPACT, 3000, 4000, 64000 * MB)
    assert large.mode == "strips"
    assert large.whole_bytes > WHOLE_BYTES
    # Elsewhere than on a CPU whatever fits is done at once.
    assert make_plan(COMPACT, 3000, 4000, 64000 * MB, device="cuda").mode == "whole"
    assert make_plan(COMPACT, 3000, 4000, 1000 * MB, device="cuda").mode == "strips"
    assert make_plan(COMPACT, 3000, 4000, 64000 * MB, mode="whole").mode == "whole"
    assert make_plan(COMPACT, 16, 16, 4000 * MB, mode="strips").mode == "strips"


@settings(max_examples=15)
@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(60, 4000), st.sampled_from(["compact", "resnet9"]))
def test_the_plan_keeps_to_the_memory(height: int, width: int, memory: int, name: str) -> None:
    net = COMPACT if name == "compact" else NINE
    least = least_memory(net, height, width)
    if memory * MB < least:
        with pytest.raises(UsageError):
            make_plan(net, height, width, memory * MB)
        return
    plan = make_plan(net, height, width, memory * MB)
    assert plan.peak_bytes <= memory * MB
    assert plan == make_plan(net, height, width, memory * MB)
    if plan.mode == "strips":
        assert min(plan.rows) >= 1
        assert plan.multiply_adds <= 1.15 * plan.whole_multiply_adds


def test_too_little_memory_names_what_would_do() -> None:
    with pytest.raises(UsageError) as caught:
        make_plan(NINE, 6000, 8000, 300 * MB, held=250 * MB)
    named = re.search(r"--memory (\d+)M is the least", str(caught.value))
    assert named
    least = int(named[1])
    assert make_plan(NINE, 6000, 8000, least * MB, held=250 * MB).mode == "strips"
    with pytest.raises(UsageError):
        make_plan(NINE, 6000, 8000, (least - 1) * MB, held=250 * MB)


def test_planes_stay_in_memory_while_they_fit_then_go_to_disk_one_by_one() -> None:
    kinds = []
    for memory in (60000, 9000, 2500, 700, 250):
        plan = make_plan(NINE, 3000, 4000, memory * MB)
        kinds.append((plan.mode, len([b for b in plan.buffers if b.spilled]), plan.multiply_adds))
    assert [k[1] for k in kinds] == sorted(k[1] for k in kinds)
    assert kinds[0][1] == 0
    assert kinds[-1][1] == 2
    # The more memory, the less is computed again.
    assert [k[2] for k in kinds] == sorted(k[2] for k in kinds)
    assert kinds[0][2] < kinds[-1][2]


def test_the_nine_block_net_is_what_tiling_costs() -> None:
    """848,640 multiply-adds a pixel in strips, 756,096 whole; two planes of 64 bytes a pixel."""
    plan = make_plan(NINE, 2000, 2000, 300 * MB)
    assert plan.multiply_adds / 4e6 == pytest.approx(848_640)
    assert plan.whole_multiply_adds / 4e6 == pytest.approx(756_096)
    assert sum(b.bytes for b in plan.buffers) == 2 * 64 * 4_000_000
    assert len(plan.rows) == 24


def test_the_compact_net_computes_nothing_twice() -> None:
    plan = make_plan(COMPACT, 3000, 4000, 600 * MB)
    assert plan.multiply_adds == pytest.approx(plan.whole_multiply_adds)
    assert sum(b.bytes for b in plan.buffers) == 2 * 16 * 12_000_000


def test_the_printed_form_is_one_paragraph() -> None:
    text = str(make_plan(NINE, 3000, 4000, 500 * MB))
    assert "\n" not in text
    for part in ("4000 × 3000", "24 passes", "temporary file", "12 % more arithmetic"):
        assert part in text
    assert str(make_plan(COMPACT, 200, 200, 500 * MB)).startswith("200 × 200: whole")


def test_sixteen_bits_take_half() -> None:
    wide, narrow = (make_plan(NINE, 2000, 2000, 300 * MB, planes=p) for p in (None, torch.float16))
    assert narrow.spill_bytes + narrow.plane_bytes == (wide.spill_bytes + wide.plane_bytes) / 2
    assert make_plan(NINE, 2000, 2000, 300 * MB, torch.bfloat16).buffers[0].dtype == torch.bfloat16


def test_a_net_that_cannot_be_walked_is_run_whole() -> None:
    net = net_of("unet256")
    plan = make_plan(net, 1000, 1000, 1024 * MB)
    assert (plan.mode, plan.streamable) == ("whole", False)
    assert "cannot be run in strips" in str(plan)
    # More than its widest planes, which are two of 64 channels at half the size, concatenated.
    assert 1024**2 // 4 * 128 * 4 < plan.whole_bytes - 32 * MB == least_memory(net, 1000, 1000) - 32 * MB < 2**29
    with pytest.raises(UsageError, match=r"--memory \d+M is the least"):
        make_plan(net, 5000, 5000, 100 * MB)
    with pytest.raises(UsageError, match="cannot be run in strips"):
        make_plan(net, 256, 256, 100 * MB, mode="strips")
    with pytest.raises(ValueError, match="batch statistics"):
        trace([Norm("batch")], 3, 8, 8)


def test_each_row_is_computed_once_whatever_the_strips() -> None:
    chain = COMPACT.stages()
    assert chain is not None
    nodes = trace(chain, 3, 64, 40)
    for a_pass in cut_into_passes(nodes, range(len(nodes))):
        schedule = PassSchedule(nodes, a_pass)
        for rows in (1, 5, 64):
            ends, seen = schedule.start(), {step.node: 0 for step in schedule.order}
            while ends[a_pass.goal] < schedule.height:
                fresh = schedule.advance(ends, min(schedule.height, ends[a_pass.goal] + rows))
                for node, (lo, hi) in fresh.items():
                    assert lo == seen[node]
                    seen[node] = hi
                ends = seen.copy()
            assert all(seen[n] == nodes[n].height for n in (*a_pass.stores, a_pass.goal))


def test_planes_are_let_go_when_they_were_added() -> None:
    weight = torch.zeros(4, 4, 3, 3)
    conv = Conv(weight, None, pad=1)
    chain: list[Stage] = []
    for slot in "abc":
        chain += [Save(slot), conv, Add(slot)]
    three = whole_bytes(chain, 4, 100, 100, 4)
    assert three == whole_bytes(chain[:3], 4, 100, 100, 4)
    # The picture itself, the slot, the convolution's input with borders, and its output.
    assert three - whole_bytes([], 4, 100, 100, 4) == 4 * 4 * 4 * 100 * 100

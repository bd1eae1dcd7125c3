from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine.strips.rows import computed, concatenated, rows_read, shape_after
from imgcycle.nets.stages import Activation, Add, Blur, Conv, ConvTranspose, Head, Stage, Upsample, step

WEIGHTS = torch.Generator().manual_seed(0)


def weight(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=WEIGHTS)


STAGES: dict[str, Stage] = {
    "conv7 reflect": Conv(weight(2, 3, 7, 7), weight(2), pad=3, mode="reflect"),
    "conv5 replicate": Conv(weight(2, 3, 5, 5), None, pad=2, mode="replicate"),
    "conv3 zero": Conv(weight(2, 3, 3, 3), weight(2), pad=1),
    "conv3 bare": Conv(weight(2, 3, 3, 3), weight(2)),
    "conv3 down": Conv(weight(2, 3, 3, 3), weight(2), 2, 1),
    "conv4 down reflect": Conv(weight(2, 3, 4, 4), weight(2), 2, 1, "reflect"),
    "conv3 down one-sided": Conv(weight(2, 3, 3, 3), weight(2), 2, 0, "reflect", 1),
    "conv3 down one-sided zero": Conv(weight(2, 3, 3, 3), weight(2), 2, 0, "zero", 1),
    "conv5 more before": Conv(weight(2, 3, 5, 5), None, 1, 3, "reflect", 1),
    "depthwise": Conv(weight(6, 1, 3, 3), weight(6), 1, 1, "reflect", groups=3),
    "transposed 3": ConvTranspose(weight(3, 2, 3, 3), weight(2)),
    "transposed 4": ConvTranspose(weight(3, 2, 4, 4), None, 2, 1, 0),
    "transposed 5": ConvTranspose(weight(3, 2, 5, 5), None, 3, 1, 2),
    "nearest": Upsample("nearest"),
    "linear": Upsample("linear"),
    "blur 4": Blur(),
    "blur 3": Blur((1.0, 2.0, 1.0)),
    "blur 3 flat": Blur((1.0, 2.0, 1.0), 1, "replicate"),
    "blur zero": Blur(mode="zero"),
    "relu": Activation(),
    "leaky": Activation(0.2),
    "head": Head(),
    "head clamp": Head("clamp"),
    "head scaled": Head("scaled"),
}


@pytest.mark.parametrize("name", STAGES)
@settings(max_examples=25)
@given(height=st.integers(4, 20), width=st.integers(4, 9), data=st.data())
def test_rows_of_a_stage_are_the_whole_plane_s(name: str, height: int, width: int, data: st.DataObject) -> None:
    stage = STAGES[name]
    x = torch.randn(1, 3, height, width, generator=torch.Generator().manual_seed(height * 100 + width))
    x = x.contiguous(memory_format=torch.channels_last)
    whole = step(stage, x, {})
    assert shape_after(stage, 3, height, width) == tuple(whole.shape[1:])
    lo = data.draw(st.integers(0, whole.shape[2] - 1))
    hi = data.draw(st.integers(lo + 1, whole.shape[2]))
    asked = []

    def window(first: int, last: int) -> list[torch.Tensor]:
        asked.append((first, last))
        middle = (first + last) // 2
        return [piece for piece in (x[:, :, first:middle], x[:, :, middle:last]) if piece.shape[2]]

    found = computed(stage, window, height, (lo, hi))
    assert torch.allclose(found, whole[:, :, lo:hi], atol=1e-5)
    assert asked == [rows_read(stage, lo, hi, height)]


def test_pieces_are_joined_and_padded_in_one_go() -> None:
    x = torch.randn(1, 2, 9, 6)
    for mode in ("reflect", "replicate"):
        wanted = torch.nn.functional.pad(x, (3, 2, 3, 1), mode)
        assert torch.equal(concatenated([x[:, :, :4], x[:, :, 4:]], (3, 2, 3, 1), mode), wanted)
    assert torch.equal(concatenated([x], (1, 2, 0, 1)), torch.nn.functional.pad(x, (1, 2, 0, 1)))
    assert concatenated([x]) is x


def test_an_addition_is_no_matter_of_one_plane() -> None:
    with pytest.raises(ValueError, match="Add"):
        computed(Add("x"), lambda *_: [], 4, (0, 1))

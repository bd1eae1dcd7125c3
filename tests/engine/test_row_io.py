from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgcycle.engine.padding import pad_to
from imgcycle.engine.row_io import PaddedSource
from tests.engine.tensors import TensorSource


class Forward(TensorSource):
    """A decoder's stand-in: gives each row once, in order, and can only begin anew."""

    def __init__(self, x: torch.Tensor) -> None:
        super().__init__(x)
        self.at = 0
        self.starts = 0

    def read_rows(self, top: int, bottom: int) -> torch.Tensor:
        if top == 0:
            self.at, self.starts = 0, self.starts + 1
        assert top == self.at < bottom <= self.height
        self.at = bottom
        return super().read_rows(top, bottom)


@settings(max_examples=80)
@given(st.integers(1, 30), st.integers(1, 13), st.sampled_from([4, 32]), st.data())
def test_a_source_grows_as_a_whole_picture_does(height: int, width: int, stride: int, data: st.DataObject) -> None:
    x = torch.arange(height * width, dtype=torch.float32).reshape(1, 1, height, width)
    source = Forward(x)
    padded = PaddedSource(source, stride, 8)
    wanted = pad_to(x, padded.height, padded.width)
    for _ in range(2):
        top = 0
        while top < padded.height:
            bottom = data.draw(st.integers(top + 1, padded.height))
            assert torch.equal(padded.read_rows(top, bottom), wanted[:, :, top:bottom])
            # A strip that did not fit is read again in smaller ones, without the decoder going back.
            bottom = data.draw(st.integers(top + 1, bottom))
            assert torch.equal(padded.read_rows(top, bottom), wanted[:, :, top:bottom])
            top = bottom
    assert source.starts <= 2

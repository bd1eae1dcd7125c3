"""What is read from an ONNX file before it is run."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from imgcycle.errors import UsageError, WeightsError
from imgcycle.weights.onnx.about import read_onnx
from tests.weights.onnx.models import channels_last, net_of_eights, of_levels


def test_layout_and_range_are_read_from_the_graph(tmp_path: Path) -> None:
    about = read_onnx(channels_last(net_of_eights(), tmp_path / "a.onnx"))
    assert (about.layout, about.range, about.sides, about.half) == ("NHWC", "-1..1", (None, None), False)
    assert (about.multiple, about.least, about.card) == (None, None, {})
    assert "NHWC" in about.origin
    # Four planes of full size at least, and not all of the net's at once.
    assert 8 < about.values < 60


def test_a_range_that_nothing_tells_is_asked_for(tmp_path: Path) -> None:
    path = of_levels(tmp_path / "n.onnx")
    with pytest.raises(UsageError, match=r"--range -1\.\.1 or 0\.\.1 or 0\.\.255"):
        read_onnx(path)
    assert read_onnx(path, "0..255").range == "0..255"


def test_fixed_sides_are_seen(tmp_path: Path) -> None:
    about = read_onnx(of_levels(tmp_path / "n.onnx", (224, 320)), "0..255")
    assert about.sides == (224, 320)
    assert "320 × 224" in about.origin


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\x08\x08\x12\x08imgcycle\xff\xff\xff", "cannot be read as an ONNX net"), (b"\x08\x08", "takes 0 inputs")],
)
def test_what_is_no_net_takes_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "x.onnx"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=said) as caught:
        read_onnx(path)
    assert "\n" not in str(caught.value)


def test_other_inputs_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="three colours"):
        read_onnx(of_levels(tmp_path / "grey.onnx", channels=1))
    model = onnx.load(str(of_levels(tmp_path / "int.onnx")))
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.INT8
    onnx.save(model, str(tmp_path / "int.onnx"))
    with pytest.raises(WeightsError, match="int8"):
        read_onnx(tmp_path / "int.onnx")

"""Mixes as people type them: names, files with strange names, shares that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from imgcycle.errors import UnknownStyle, UsageError
from imgcycle.weights.find import FoundStyle
from imgcycle.weights.mix import FoundMix, find_styles, named_styles
from tests.styles import save_style, settle
from tests.weights.onnx.models import of_levels


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    settle(monkeypatch, tmp_path / "home", "one", "two", "mark2")
    return tmp_path


def mix(text: str) -> FoundMix:
    found = find_styles(text)
    assert isinstance(found, FoundMix)
    return found


@pytest.mark.parametrize(
    ("text", "shares", "label", "note"),
    [
        ("one:0.6,two:0.4", [0.6, 0.4], "one60-two40", ""),
        ("two:.25,one:.75", [0.25, 0.75], "two25-one75", ""),
        ("one:3,two:1", [0.75, 0.25], "one75-two25", "shares add to 4, not to 1: one 75 %, two 25 %"),
        ("one,two", [0.5, 0.5], "one50-two50", ""),
        ("one:0.5,mark2:0.5", [0.5, 0.5], "one50-mark2_50", ""),
        ("one:0.998,two:0.002", [0.998, 0.002], "one100-two0.2", ""),
    ],
)
def test_styles_with_shares_are_a_mix(home: Path, text: str, shares: list[float], label: str, note: str) -> None:
    found = mix(text)
    assert [share for share, _ in found.parts] == pytest.approx(shares)
    assert (found.label, found.note) == (label, note)
    again = named_styles(found.spelling)
    assert [name for name, _ in again] == [each.label for _, each in found.parts]
    assert [share for _, share in again] == pytest.approx([share for share, _ in found.parts])


def test_three_thirds_add_to_one(home: Path) -> None:
    found = mix("one,two,mark2")
    assert sum(share for share, _ in found.parts) == pytest.approx(1, abs=1e-12)
    assert found.label == "one33-two33-mark2_33"


def test_files_with_colons_and_commas_are_styles(home: Path) -> None:
    for name in ("a,b.safetensors", "one:0.6,two:0.4", "c:0.5"):
        save_style(home / "x.safetensors", seed=5).rename(home / name)
    assert named_styles("one:0.6,two:0.4") == [("one:0.6,two:0.4", None)]
    assert isinstance(find_styles("a,b.safetensors"), FoundStyle)
    assert isinstance(find_styles("c:0.5"), FoundStyle)
    (home / "one:0.6,two:0.4").unlink()
    found = mix("a,b.safetensors:0.5,one:0.25,c:0.5:0.25")
    assert [each.path.name for _, each in found.parts] == ["a,b.safetensors", "one.safetensors", "c:0.5"]
    assert [share for share, _ in found.parts] == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("one:0.6,tow:0.4", UnknownStyle, "no style is called 'tow'"),
        ("one:0,two:1", UsageError, "the share of one is 0 (shares are above 0"),
        ("one:-1,two:2", UsageError, "the share of one is -1"),
        ("one:nan,two:1", UsageError, "the share of one is nan"),
        ("one:inf,two:1", UsageError, "the share of one is inf"),
        ("one:half,two:0.5", UsageError, "the share of one is 'half', which is no number"),
        ("one:0.6,two", UsageError, "two has no share in the mix, others have"),
        ("one:0.6,one:0.4", UsageError, "one is in the mix twice"),
        ("one:0.6,one.safetensors:0.4", UsageError, "one is in the mix twice"),
        ("one:0.6", UsageError, "'one:0.6' mixes a style with no other"),
        ("one:0.6,", UsageError, "a style is missing in 'one:0.6,'"),
        (",", UsageError, "a style is missing in ','"),
        (":", UnknownStyle, "no style is called ':'"),
        ("nothing:0.6", UnknownStyle, "no style is called 'nothing:0.6'"),
        ("", UnknownStyle, "no style is called ''"),
    ],
)
def test_what_is_no_mix_is_said_in_one_line(home: Path, text: str, error: type[Exception], said: str) -> None:
    (home / "one.safetensors").unlink(missing_ok=True)
    if "one.safetensors" in text:
        (home / "one.safetensors").symlink_to(find_styles("one").path)  # type: ignore[union-attr]
    with pytest.raises(error) as raised:
        find_styles(text)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_range_is_of_the_onnx_nets_of_a_mix(home: Path) -> None:
    of_levels(home / "n.onnx")
    found = find_styles("one:0.5,n.onnx:0.5", value_range="0..255")
    assert isinstance(found, FoundMix)
    assert [each.value_range for _, each in found.parts] == [None, "0..255"]
    assert not found.is_onnx
    with pytest.raises(UsageError, match="which is no ONNX net"):
        find_styles("one:0.5,two:0.5", value_range="0..255")

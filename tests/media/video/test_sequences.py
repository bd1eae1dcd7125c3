"""Numbered pictures in and out."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgcycle.errors import InputError, UsageError
from imgcycle.media.image.pixels import Pixels
from imgcycle.media.video.sequences import SequenceWriter, find_sequence, is_pattern, picture_path, read_sequence


def pictures(count: int, deep: bool = False) -> list[Pixels]:
    rng = np.random.default_rng(count)
    if deep:
        return [rng.integers(0, 65536, (4, 6, 3), np.uint16) for _ in range(count)]
    return [rng.integers(0, 256, (4, 6, 3), np.uint8) for _ in range(count)]


@pytest.mark.parametrize("deep", [False, True])
def test_what_is_written_comes_back(tmp_path: Path, deep: bool) -> None:
    pattern = tmp_path / "frames 100%%" / "f%04d.png"
    frames = pictures(3, deep)
    alpha = frames[0][..., 0].copy()
    writer = SequenceWriter(pattern, number=9)
    for n, frame in enumerate(frames):
        writer.write(frame, Fraction(n, 24), Fraction(1, 24), alpha)
    assert writer.frames == 3
    assert [path.name for path in sorted(pattern.parent.iterdir())] == ["f0009.png", "f0010.png", "f0011.png"]
    sequence = find_sequence(pattern, Fraction(24))
    assert (sequence.width, sequence.height, sequence.deep, sequence.has_alpha) == (6, 4, deep, True)
    found = list(read_sequence(sequence))
    assert [frame.time for frame in found] == [0, Fraction(1, 24), Fraction(1, 12)]
    for before, after in zip(frames, found, strict=True):
        assert np.array_equal(before, after.frame)
        assert after.alpha is not None
        assert np.array_equal(alpha, after.alpha)
    part = list(read_sequence(sequence, start=Fraction(1, 48), end=Fraction(1), first=1))
    assert [frame.number for frame in part] == [2]


def test_gaps_and_strangers_are_named(tmp_path: Path) -> None:
    writer = SequenceWriter(tmp_path / "%03d.png")
    for frame in pictures(12):
        writer.write(frame, Fraction(0), Fraction(1))
    for number in (3, 6, 7, 8):
        (tmp_path / f"{number:03d}.png").unlink()
    (tmp_path / "20.png").write_bytes(b"")
    (tmp_path / "0021.png").write_bytes(b"")
    sequence = find_sequence(tmp_path / "%03d.png", Fraction(25))
    assert sequence.numbers == (1, 2, 4, 5, 9, 10, 11, 12)
    assert sequence.gaps == ("3", "6-8")
    (tmp_path / "005.png").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"005\.png: "):
        list(read_sequence(sequence))
    SequenceWriter(tmp_path / "%03d.png", number=5).write(np.zeros((2, 2, 3), np.uint8), Fraction(0), Fraction(1))
    with pytest.raises(InputError, match="is 2×2, the first picture 6×4"):
        list(read_sequence(sequence))


def test_what_is_no_sequence(tmp_path: Path) -> None:
    assert [is_pattern(name) for name in ("%d.png", "a%05d.png", "100%%d.png", "%d-%d.png", "a.png", "%s.png")] == [
        *(True, True, False, False, False, False),
    ]
    with pytest.raises(UsageError, match="names no sequence"):
        find_sequence(tmp_path / "a.png", Fraction(25))
    with pytest.raises(UsageError, match="--fps"):
        find_sequence(tmp_path / "%d.png", Fraction(0))
    with pytest.raises(InputError, match="no picture"):
        find_sequence(tmp_path / "%d.png", Fraction(25))
    with pytest.raises(UsageError, match="no format"):
        SequenceWriter(tmp_path / "%d.xyz")


PLAIN = st.text(st.characters(exclude_characters="/\0", codec="utf-8"), max_size=8)


@given(PLAIN, PLAIN, st.integers(0, 10**7), st.integers(0, 6))
def test_a_pattern_counts_whatever_stands_around_the_number(before: str, after: str, number: int, width: int) -> None:
    digits = f"%0{width}d" if width else "%d"
    pattern = Path("folder") / (before.replace("%", "%%") + digits + after.replace("%", "%%"))
    assert is_pattern(pattern)
    assert picture_path(pattern, number).name == f"{before}{number:0{width}d}{after}"

"""Damaged pictures of every format through measuring, reading and converting: a result or one line, nothing else.

`tests/drills/test_picture_damage.py` goes on with more of them.
"""

from __future__ import annotations

import warnings

import pytest
import torch

from imgcycle.config import ConvertOptions
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.errors import InputError, OutputError
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media.image.read import measure
from imgcycle.media.image.row_reader import open_rows
from tests.media.mutations import MOST_PIXELS, damaged, pictures
from tests.styles import tiny_net

OPTIONS = ConvertOptions(strength=0, max_pixels=MOST_PIXELS)


def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 32, 0.5))


def outcome(data: bytes, net: Translator) -> str:
    """What becomes of a picture: the line that it fails with, empty for a result; anything else is raised."""
    line = ""
    try:
        facts = measure(data, MOST_PIXELS)
        assert facts.width * facts.height <= MOST_PIXELS
    except InputError as error:
        line = str(error)
    try:
        convert_bytes(data, net, OPTIONS)
    except (InputError, OutputError) as error:
        line = str(error)
    reader = open_rows(data, MOST_PIXELS)
    if reader is not None:
        with reader:
            try:
                for top in range(0, reader.height, 16):
                    reader.rows(top, min(top + 16, reader.height))
            except (InputError, OutputError) as error:
                line = line or str(error)
    assert "\n" not in line
    assert "unexpected" not in line.lower()
    assert "Error" not in line
    return line


def test_damage_is_a_result_or_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    net = translator()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in pictures().items():
            assert outcome(data, net) == "", name
            lines = [outcome(damaged(name, number), net) for number in range(10)]
            assert any(lines), name
    capfd.readouterr()

"""Damaged files of every format: a picture or one line, never anything else."""

from __future__ import annotations

import random
import warnings

import pytest

from imgcycle.errors import InputError
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.image.read import measure
from tests.media.test_animation import WAYS, moving
from tests.media.test_matrix import HOLDS, made


def damaged(data: bytes, chance: random.Random) -> bytes:
    """Cut off, overwritten (headers above all), or with a piece gone."""
    found = bytearray(data)
    way = chance.random()
    if way < 0.3:
        return bytes(found[: chance.randrange(len(found))])
    if way < 0.8:
        for _ in range(chance.choice((1, 2, 5, 20))):
            reach = min(len(found), 200) if chance.random() < 0.6 else len(found)
            found[chance.randrange(reach)] = chance.randrange(256)
        return bytes(found)
    first, last = sorted(chance.randrange(len(found)) for _ in range(2))
    return bytes(found[:first] + found[last:])


@pytest.mark.parametrize("format_", list(HOLDS))
def test_damage_is_one_line_or_none(format_: str, capfd: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(format_)
    seeds = [made(format_, mode) for mode in sorted(HOLDS[format_])]
    if format_ in WAYS or format_ == "AVIF":
        seeds.append(moving(format_, clear=True, **WAYS.get(format_, {})))
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(150):
            data = damaged(chance.choice(seeds), chance)
            try:
                measure(data, 10**6)
                picture = read_picture(data, 10**6)
                if isinstance(picture, Animation):
                    for _ in picture.frames():
                        pass
            except InputError as error:
                said.append(str(error))
    assert len(said) > 20
    assert not [line for line in said if "\n" in line]
    capfd.readouterr()

"""JPEGs without their end: converted when all rows are there, else one line with the share that is missing."""

from __future__ import annotations

import random
import re

import numpy as np
import numpy.typing as npt
import pytest

from imgcycle.errors import InputError
from imgcycle.media.codecs.jpeg import closed
from imgcycle.media.image.read import read_still
from imgcycle.media.image.row_reader import open_rows
from tests.media.pictures import encoded, scene

WAYS = {
    "444": encoded(scene(130, 170)),
    "420": encoded(scene(130, 170), subsampling=2),
    "grey": encoded(scene(130, 170)[..., 0]),
    "progressive": encoded(scene(130, 170), progressive=True),
    "progressive 420": encoded(scene(130, 170), progressive=True, subsampling=2),
    "restarts": encoded(scene(130, 170), restart_marker_blocks=5),
}
TRAILERS = {
    "nothing": b"",
    "zeros": bytes(300),
    "newlines": b"\r\n\r\n",
    "half a marker": b"\xff",
    "filling": b"\xff" * 20,
    "text": b"made by a program that says so " * 4,
    "a clip": b"\0\0\0\x18ftypisom" + random.Random(1).randbytes(3000),
    "a thumbnail": encoded(scene(16, 24)),
}


def by_rows(data: bytes) -> npt.NDArray[np.uint8]:
    reader = open_rows(data)
    assert reader is not None
    with reader:
        bands = [reader.rows(top, min(top + 32, reader.height)) for top in range(0, reader.height, 32)]
    return np.concatenate(bands).astype(np.uint8)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("trailer", TRAILERS)
def test_all_rows_without_the_end_are_the_picture(way: str, trailer: str) -> None:
    data = WAYS[way]
    wanted = read_still(data)
    lacking = data[:-2] + TRAILERS[trailer]
    found = read_still(lacking)
    assert np.array_equal(found.pixels, wanted.pixels)
    assert (found.coding, found.grey) == (wanted.coding, wanted.grey)
    assert np.array_equal(by_rows(lacking), wanted.pixels)
    assert closed(data + TRAILERS[trailer]) is None


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("padding", [0, 300])
def test_what_is_cut_off_is_said(way: str, padding: int) -> None:
    data = WAYS[way]
    chance = random.Random(way)
    begin = data.index(b"\xff\xda") + 14
    for cut in (3, 4, 6, 10, *(chance.randrange(11, len(data) - begin) for _ in range(8))):
        damaged = data[:-cut] + bytes(padding)
        for read in (read_still, by_rows):
            with pytest.raises(InputError, match=r"^cut off: (\d+|less than 1) % of the picture is .*") as caught:
                read(damaged)
        share = re.search(r"(\d+) %", str(caught.value))
        assert share is not None
        if way in ("444", "420", "grey"):
            # A picture of one texture throughout: the share of bytes is about that of the picture.
            assert abs(int(share[1]) - 100 * cut / (len(data) - begin)) < 14
        assert ("full detail" in str(caught.value)) == way.startswith("progressive")


def test_the_share_is_that_of_the_rows() -> None:
    data = encoded(scene(512, 64), restart_marker_rows=1)
    restarts = [n for n in range(len(data) - 1) if data[n] == 0xFF and 0xD0 <= data[n + 1] <= 0xD7]
    assert len(restarts) == 63
    for row, share in ((16, 75), (32, 50), (48, 25)):
        with pytest.raises(InputError, match=rf"^cut off: {share} % of the picture is missing$"):
            read_still(data[: restarts[row - 1]])
    with pytest.raises(InputError, match=r"^cut off: 2 % of"):
        read_still(data[: restarts[62]])

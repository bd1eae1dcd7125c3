from __future__ import annotations

import struct

import numpy as np
import pytest

from imgcycle.errors import InputError
from imgcycle.media import formats
from imgcycle.media.image.read import measure, read_still
from imgcycle.media.image.write import encode_still, losses
from tests.media.metadata.blocks import TITLE, full_exif, packet, webp_of
from tests.media.pictures import scene

WHOLE = webp_of(full_exif(orientation=1), packet(TITLE))


def resized(data: bytes) -> bytes:
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


@pytest.mark.parametrize("kind", [b"EXIF", b"XMP "])
@pytest.mark.parametrize("length", [0, 1, 60, 10**6, 2**31, 2**32 - 1])
def test_a_wrong_length_of_a_chunk_leads_nowhere(kind: bytes, length: int) -> None:
    at = WHOLE.rfind(kind)
    data = WHOLE[: at + 4] + struct.pack("<I", length) + WHOLE[at + 8 :]
    assert (measure(data).width, measure(data).height) == (56, 40)
    still = read_still(data)
    assert np.array_equal(still.pixels, scene())
    assert bool(losses(still, formats.WEBP)) == (length != len(WHOLE))
    assert np.array_equal(read_still(encode_still(still, formats.WEBP)).pixels, scene())


def test_a_file_that_ends_in_its_metadata_has_all_its_pixels() -> None:
    at = WHOLE.rfind(b"XMP ")
    for end in (at + 9, at + 30, len(WHOLE) - 3):
        still = read_still(WHOLE[:end])
        assert np.array_equal(still.pixels, scene())
        assert losses(still, formats.WEBP) == ("damaged metadata were left out",)
    first = WHOLE.rfind(b"EXIF")
    with pytest.raises(InputError):
        read_still(WHOLE[: first - 40])


def test_flags_that_lie_about_metadata_cost_nothing() -> None:
    at = WHOLE.rfind(b"EXIF")
    bare = resized(WHOLE[:at])
    assert bare[20] & 0x0C
    still = read_still(bare)
    assert np.array_equal(still.pixels, scene())
    assert losses(still, formats.WEBP) == ()
    strange = resized(WHOLE + struct.pack("<4sI", b"JUNK", 3) + b"abc\0")
    assert np.array_equal(read_still(strange).pixels, scene())

from __future__ import annotations

import io
import struct
import time
import zlib
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from imgcycle.media import formats
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.codecs.registry import survey_metadata
from imgcycle.media.image.read import measure, measure_file, read_still
from imgcycle.media.image.write import encode_still, losses
from tests.media.metadata.blocks import chunk, full_exif, itxt, png, ztxt
from tests.media.pictures import encoded, scene, wide_profile

SIZE = (56, 40)


def deep(*chunks: bytes) -> bytes:
    data: bytes = cv2.imencode(".png", scene()[..., ::-1].astype(np.uint16) * 257)[1].tobytes()
    return data[:33] + b"".join(chunks) + data[33:]


def broken(made: bytes) -> bytes:
    return made[:-1] + bytes([made[-1] ^ 1])


BIG = wide_profile()
BIG = struct.pack(">I", len(BIG) + 1_500_000) + BIG[4:] + bytes(1_500_000)
LONG = {
    "a long ztxt": (ztxt(b"workflow", b'{"node":1}' * 300_000), ()),
    "long xmp": (
        itxt(b"XML:com.adobe.xmp", b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>" + b" " * 3_000_000 + b"</x:xmpmeta>", True),
        (),
    ),
    "a bomb": (ztxt(b"zeros", bytes(1 << 27)), ("a damaged zTXt chunk was left out",)),
    "a large text": (chunk(b"tEXt", b"a\0" + b"b" * (1 << 25)), ("a tEXt chunk of 34 MB was left out",)),
    "a wrong checksum": (broken(chunk(b"tEXt", b"a\0b")), ("a damaged tEXt chunk was left out",)),
    "exif of a wrong checksum": (broken(chunk(b"eXIf", full_exif())), ("a damaged eXIf chunk was left out",)),
    "no hexadecimal": (
        chunk(b"tEXt", b"Raw profile type exif\0\nexif\n   10\nzz not hex zz\n"),
        ("a damaged tEXt chunk was left out",),
    ),
    "no deflate": (chunk(b"zTXt", b"a\0\0junk"), ("a damaged zTXt chunk was left out",)),
    "a method that is none": (chunk(b"zTXt", b"a\0\7" + zlib.compress(b"b")), ("a damaged zTXt chunk was left out",)),
    "a profile of a method that is none": (chunk(b"iCCP", b"a\0\7abc"), ("a damaged colour profile was left out",)),
    "a profile without end": (chunk(b"iCCP", b"abc"), ("a damaged colour profile was left out",)),
    "half an itxt": (chunk(b"iTXt", b"a\0\1\0"), ("a damaged iTXt chunk was left out",)),
    "an empty text": (chunk(b"tEXt", b""), ("a damaged tEXt chunk was left out",)),
    "no key": (chunk(b"tEXt", b"\0b"), ("a damaged tEXt chunk was left out",)),
    "gamma of three bytes": (chunk(b"gAMA", b"abc"), ()),
    "density of a wrong checksum": (broken(chunk(b"pHYs", bytes(9))), ("a damaged pHYs chunk was left out",)),
    "primaries of one byte": (chunk(b"cHRM", b"a"), ()),
    "a background of none": (chunk(b"bKGD", b""), ()),
    "time of two bytes": (chunk(b"tIME", b"ab"), ()),
    "a private chunk": (broken(chunk(b"prVt", b"x" * 99)), ()),
}


@pytest.mark.parametrize("name", LONG)
@pytest.mark.parametrize("where", ["before", "behind", "16 bits"])
def test_nothing_said_beside_the_pixels_costs_them(name: str, where: str, tmp_path: Path) -> None:
    made, said = LONG[name]
    data = {"before": png(made), "behind": png(late=[made]), "16 bits": deep(made)}[where]
    path = tmp_path / "a.png"
    path.write_bytes(data)
    assert (measure_file(path).width, measure(data).height) == SIZE
    still = read_still(data)
    wanted = scene().astype(np.uint16) * 257 if where == "16 bits" else scene()
    assert np.array_equal(still.pixels, wanted)
    assert losses(still, formats.PNG) == said
    result = encode_still(still, formats.PNG)
    assert np.array_equal(read_still(result).pixels, wanted)
    assert losses(read_still(result), formats.PNG) == ()


def test_a_large_profile_is_a_profile() -> None:
    still = read_still(png(chunk(b"iCCP", b"big\0\0" + zlib.compress(BIG))))
    assert still.metadata.icc == BIG
    assert read_still(encode_still(still, formats.PNG)).metadata.icc == BIG


@pytest.mark.parametrize("length", [0, 5, 200, 3000, 2**31 - 1, 2**32 - 1])
@pytest.mark.parametrize("kind", [b"tEXt", b"eXIf", b"iCCP"])
def test_a_wrong_length_leads_nowhere(kind: bytes, length: int) -> None:
    astray = struct.pack(">I", length) + chunk(kind, b"a\0" + b"b" * 60)[4:]
    still = read_still(png(astray))
    assert np.array_equal(still.pixels, scene())
    assert len(losses(still, formats.PNG)) >= 1
    assert np.array_equal(read_still(png(late=[astray])).pixels, scene())


def test_texts_are_kept_in_a_png_and_named_elsewhere() -> None:
    texts = [chunk(b"tEXt", b"Author\0me"), ztxt(b"parameters", b"a cat"), itxt(b"Title", "Katze \xe4".encode(), True)]
    texts.append(chunk(b"tEXt", b"Software\0x"))
    for data in (png(*texts), png(late=texts), png(*texts[:2], late=texts[2:])):
        still = read_still(data)
        assert losses(still, formats.PNG) == ()
        with Image.open(io.BytesIO(encode_still(still, formats.PNG))) as image:
            image.load()
            found = {key: image.info[key] for key in ("Author", "parameters", "Title", "Software")}
        assert found == {"Author": "me", "parameters": "a cat", "Title": "Katze ä", "Software": "x"}
        named = "texts were left out (Author, parameters, Title and 1 more): JPEG has no place for them"
        assert losses(still, formats.JPEG) == (named,)
        assert losses(still, formats.JPEG, "all") == ()
        assert b"Author" not in encode_still(still, formats.PNG, strip="all")


def test_a_flood_of_chunks_is_bounded() -> None:
    flood = chunk(b"tEXt", b"a\0" + b"b" * 20) * 40_000
    begun = time.process_time()
    still = read_still(png(flood))
    assert time.process_time() - begun < 20
    assert np.array_equal(still.pixels, scene())
    assert len(still.metadata.texts) == 1000
    assert losses(still, formats.PNG) == ("more texts than a picture has were left out",)
    bombs = ztxt(b"zeros", bytes(1 << 23)) * 200
    found = survey_metadata(png(bombs))
    assert len(found.texts) <= 8
    assert found.notes == ["a damaged zTXt chunk was left out"]


def test_an_animation_plays_whatever_is_said_between_its_frames() -> None:
    out = io.BytesIO()
    frames = [Image.fromarray(np.roll(scene(), n, 1)) for n in range(4)]
    frames[0].save(out, "PNG", save_all=True, append_images=frames[1:], duration=40)
    data = out.getvalue()
    at = data.find(b"fcTL", data.find(b"fcTL") + 4) - 4
    spoilt = data[:at] + LONG["a bomb"][0] + broken(chunk(b"iTXt", b"a\0b")) + data[at:]
    picture = read_picture(spoilt)
    assert isinstance(picture, Animation)
    assert picture.delays == (Fraction(1, 25),) * 4
    for n, frame in enumerate(picture.frames()):
        assert np.array_equal(frame.pixels, np.roll(scene(), n, 1))


def test_a_sound_png_is_given_to_the_decoder_as_it_is() -> None:
    data = encoded(scene(), "PNG", dpi=(200, 200))
    assert survey_metadata(data).pieces == [range(len(data))]

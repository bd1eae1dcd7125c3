from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import ConvertOptions
from imgcycle.engine.style import Style
from imgcycle.engine.translator import Translator
from imgcycle.jobs.images.plan import read_recipe
from imgcycle.jobs.images.run import convert_bytes
from imgcycle.media.animation.frames import Animation, read_picture
from imgcycle.media.image.still import Still
from imgcycle.media.metadata import xmp
from tests.media.pictures import encoded, exif_block, scene
from tests.styles import tiny_net

DURATIONS = [40, 120, 500, 70]


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(tiny_net(), torch.device("cpu"), style=Style("tiny", "d" * 64, 24, 0.5))


def moving(format_: str, clear: bool = False, **options: Any) -> bytes:
    frames = []
    for n in range(4):
        pixels = np.roll(scene(), 5 * n, 1)
        if clear:
            shape = np.full(pixels.shape[:2], 255, np.uint8)
            shape[:, : 8 + 4 * n] = 0
            pixels = np.dstack([pixels, shape])
        frames.append(Image.fromarray(pixels))
    out = io.BytesIO()
    frames[0].save(out, format_, save_all=True, append_images=frames[1:], duration=DURATIONS, **options)
    return out.getvalue()


WAYS: dict[str, dict[str, Any]] = {"GIF": {"loop": 3}, "WEBP": {"lossless": True, "loop": 3}, "PNG": {"loop": 3}}


@pytest.mark.parametrize("format_", list(WAYS))
@pytest.mark.parametrize("clear", [False, True])
@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_frames_timings_and_loops_stay(format_: str, clear: bool, strength: float, translator: Translator) -> None:
    data = moving(format_, clear, **WAYS[format_])
    result = convert_bytes(data, translator, ConvertOptions(strength=strength))
    before, after = read_picture(data), read_picture(result)
    assert isinstance(before, Animation)
    assert isinstance(after, Animation)
    assert after.delays == before.delays == tuple(Fraction(n, 1000) for n in DURATIONS)
    assert after.plays == before.plays == (4 if format_ == "GIF" else 3)
    for one, other in zip(before.frames(), after.frames(), strict=True):
        assert one.size == other.size
        change = np.abs(one.pixels.astype(int) - other.pixels)
        if one.alpha is not None:
            assert other.alpha is not None
            assert np.array_equal(one.alpha, other.alpha)
            change = change[one.alpha > 0]
        if strength:
            assert change.mean() > 5
        elif format_ == "GIF":
            assert change.mean() < 2
        else:
            assert change.max() == 0
    recipe = xmp.recipe_in(result)
    assert recipe is not None
    assert recipe["style"] == "tiny"


def test_an_animation_in_a_still_format_gives_its_first_frame(translator: Translator) -> None:
    data = moving("WEBP", lossless=True)
    still = read_picture(convert_bytes(data, translator, ConvertOptions(strength=0), "tiff"))
    assert isinstance(still, Still)
    assert np.array_equal(still.pixels, scene())


def test_an_mpo_is_the_still_it_is(translator: Translator) -> None:
    out = io.BytesIO()
    first, second = Image.fromarray(scene()), Image.fromarray(scene(seed=5))
    first.save(out, "MPO", save_all=True, append_images=[second], quality=95, subsampling=0, exif=exif_block(6))
    data = out.getvalue()
    assert Image.open(io.BytesIO(data)).format == "MPO"
    result = convert_bytes(data, translator, ConvertOptions(strength=0))
    image = Image.open(io.BytesIO(result))
    assert (image.format, image.size) == ("JPEG", (40, 56))
    assert b"MPF\0" not in result
    assert np.abs(np.asarray(image).astype(int) - np.rot90(scene(), -1)).mean() < 4


def test_gain_maps_and_motion_trailers_are_dropped(translator: Translator) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
        b' xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" hdrgm:Version="1.0" GCamera:MotionPhoto="1"'
        b' tiff:Orientation="6" dc:format="image/jpeg"><dc:subject><rdf:Bag><rdf:li>holiday</rdf:li></rdf:Bag>'
        b"</dc:subject></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    data = encoded(scene(), xmp=packet) + b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 40
    result = convert_bytes(data, translator, ConvertOptions(strength=0))
    assert b"ftypmp42" not in result
    found = Image.open(io.BytesIO(result)).info["xmp"]
    for gone in (b"hdr-gain-map", b"MotionPhoto", b"Orientation"):
        assert gone not in found
    assert b"holiday" in found
    assert b"image/jpeg" in found


@pytest.mark.parametrize("packet", [b"<!DOCTYPE a [<!ENTITY x 'y'>]><a/>", b"no xml", b"<x:xmpmeta>", b"\xff\xfe\0"])
def test_strange_packets_are_dropped(packet: bytes) -> None:
    assert xmp.updated_xmp(packet, None) == b""
    assert xmp.recipe_of(xmp.updated_xmp(packet, {"a": 1})) == {"a": 1}


def test_a_recipe_is_replaced_not_stacked() -> None:
    twice = xmp.updated_xmp(xmp.updated_xmp(b"", {"style": "one"}), {"style": "two"})
    assert twice.count(b"imgcycle:recipe=") == 1
    assert xmp.recipe_of(twice) == {"style": "two"}


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "avif", "bmp", "gif"])
def test_every_format_gives_its_recipe_back(suffix: str, tmp_path: Any, translator: Translator) -> None:
    from imgcycle.jobs.images.run import convert_image

    source = tmp_path / "a.png"
    source.write_bytes(encoded(scene(), "PNG"))
    convert_image(source, tmp_path / f"b.{suffix}", translator)
    recipe = read_recipe(tmp_path / f"b.{suffix}")
    assert recipe is not None
    assert recipe["style"] == "tiny"
    with Image.open(tmp_path / f"b.{suffix}") as image:
        image.load()

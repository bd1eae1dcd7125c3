from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from imgcycle.errors import InputError
from imgcycle.media.image.read import measure_file, read_still
from imgcycle.media.unsupported import foreign_by_content, foreign_by_suffix
from tests.media.pictures import encoded, scene


def by_pillow(format_: str) -> bytes:
    out = io.BytesIO()
    Image.fromarray(scene()).save(out, format_)
    return out.getvalue()


KINDS = {
    "Photoshop": b"8BPS\0\1" + bytes(40),
    "JPEG XL": b"\xff\x0a" + bytes(40),
    "JPEG XL box": b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40),
    "Targa": by_pillow("TGA"),
    "OpenEXR": b"v/1\x01\2\0\0\0" + bytes(40),
    "SVG": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "SVG plain": b'\n <svg width="4"></svg>',
    "Radiance HDR": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
    "GIMP": b"gimp xcf v011\0" + bytes(40),
    "icon": by_pillow("ICO"),
    "DirectDraw": by_pillow("DDS"),
    "PCX": by_pillow("PCX"),
    "SGI": by_pillow("SGI"),
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "Krita": b"PK\x03\x04" + bytes(26) + b"mimetypeapplication/x-krita",
    "ZIP": b"PK\x03\x04" + bytes(60),
    "PDF": b"%PDF-1.7\n",
    "HTML": b"<!DOCTYPE html>\n<html><body>404</body></html>",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 4\n",
    "video": b"\0\0\0\x18ftypisom\0\0\0\1isomavc1" + bytes(40),
    "camera's RAW": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + bytes(40),
    "DICOM": bytes(128) + b"DICM" + bytes(40),
}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_not_read_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    data = KINDS[name]
    kind = foreign_by_content(data)
    assert kind is not None
    assert name.startswith(kind.name)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for read in (lambda: read_still(data), lambda: measure_file(path)):
        with pytest.raises(InputError, match=rf"^not read by imgcycle: {kind} \([^\n]+\)$"):
            read()


def test_pictures_that_are_read_and_noise_are_none_of_them() -> None:
    for format_ in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "BMP", "GIF", "JPEG2000", "PPM"):
        assert foreign_by_content(encoded(scene(), format_)) is None
    assert foreign_by_content(b"nothing of the kind") is None
    assert foreign_by_content(b"") is None
    with pytest.raises(InputError, match=r"^not an image that imgcycle can read$"):
        read_still(b"nothing of the kind")


def test_names() -> None:
    kind = foreign_by_suffix("x/A.PSD")
    assert kind is not None
    assert str(kind) == "a Photoshop file"
    for name in ("a.jpg", "a.tif", "a.txt", "a.mp4", "a.dng", "a"):
        assert foreign_by_suffix(name) is None

"""Everything that `digests` works on, made from seeds: stills of every kind, clips, styles, pictures to learn from."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from imgcycle.config import NetConfig
from imgcycle.weights.native import save_weights
from tests.jobs.films import film
from tests.media.mutations import pictures, saved
from tests.media.pictures import encoded, exif_block, scene, wide_profile
from tests.media.video.clips import ffmpeg, make, subtitles, words
from tests.styles import TINY, save_two_nets, tiny_net
from tests.training.toys import texture_world
from tests.training.worlds import paired_world
from tests.weights.importers import plain

MADE = 1_700_000_000
"""When every input was made, in seconds: results keep the times of what they were made from."""
SUFFIXES = {"jpeg": ".jpg", "mpo": ".mpo", "apng": ".png", "tiff": ".tif", "dib": ".dib"}
PALETTE = "255 0 0 red\n0 255 0 green\n0 0 255 blue\n"
_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4" xmp:Label="Green"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def grow(root: Path) -> None:
    """Make the whole world in an empty folder."""
    _stills(root / "stills")
    _folders(root)
    _clips(root)
    texture_world(root / "train")
    paired_world(root / "pairs")
    for n in range(4):
        both = [np.asarray(Image.open(root / "pairs" / name / f"{n}.png")) for name in ("red", "blue")]
        _write(root / f"side/{n}.png", encoded(np.hstack(both), "PNG"))
    _style(root / "tiny.safetensors", 0, TINY, work_size=32)
    _style(root / "resnet.safetensors", 1, NetConfig("resnet", 4, 2), work_size=40, detail=0.3)
    _style(root / "unet.safetensors", 2, NetConfig("unet", 4, 5, "batch"))
    save_two_nets(root / "two.safetensors", 3, {"share": 0.8, "detail": 0.6, "calm": 1.0}, work_size=32)
    torch.save(plain.lively(plain.Resnet(1)).state_dict(), root / "net_G.pth")
    torch.save(plain.Discriminator().state_dict(), root / "net_D.pth")
    _write(root / "damaged.safetensors", (root / "tiny.safetensors").read_bytes()[:-9])
    for path in sorted(root.rglob("*")):
        os.utime(path, (MADE, MADE))


def without_times(data: bytes) -> bytes:
    """Bytes of a picture with what libavif says of the hour of its making set to 0."""
    return re.sub(rb"((?:mvhd|tkhd|mdhd)\x01...).{16}", lambda found: found[1] + bytes(16), data, flags=re.DOTALL)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _style(path: Path, seed: int, config: NetConfig, **card: Any) -> None:
    net = tiny_net(config, seed)
    for parameter in net.parameters():
        parameter.data.mul_(3)  # as first made, nets are nearly grey
    save_weights(path, net, config.to_dict(), card)


def _stills(folder: Path) -> None:
    for name, data in pictures().items():
        if name != "webp":  # its profile tells when it was made
            kind = name.split()[0]
            _write(folder / f"{name.replace(' ', '-')}{SUFFIXES.get(kind, '.' + kind)}", without_times(data))
    rgb = scene(44, 60, 5)
    alpha = np.dstack([rgb, np.linspace(0, 255, rgb[..., 0].size).reshape(44, 60).astype(np.uint8)])
    about: dict[str, Any] = {"exif": exif_block(6, thumbnail=True, width=60), "icc_profile": wide_profile()}
    _write(folder / "rich.jpg", encoded(rgb, subsampling=2, quality=90, xmp=_XMP, dpi=(240, 240), **about))
    _write(folder / "rich.webp", encoded(rgb, "WEBP", quality=90, xmp=_XMP, **about))
    _write(folder / "rich.avif", encoded(rgb, "AVIF", speed=9, xmp=_XMP, **about))
    _write(folder / "grey.png", encoded(rgb[..., 0], "PNG"))
    _write(folder / "grey-alpha.png", saved(Image.fromarray(alpha).convert("LA"), "PNG"))
    _write(folder / "alpha.png", encoded(alpha, "PNG", **about))
    _write(folder / "alpha.tif", encoded(alpha, "TIFF", compression="tiff_lzw"))
    _write(folder / "alpha.webp", encoded(alpha, "WEBP", lossless=True))
    _write(folder / "cmyk.tif", saved(Image.fromarray(rgb).convert("CMYK"), "TIFF"))
    _write(folder / "one-pixel.png", encoded(rgb[:1, :1], "PNG"))
    _write(folder / "narrow.png", encoded(scene(3, 200), "PNG"))
    _write(folder / "not-a-picture.jpg", b"nothing of the kind")
    _write(folder / "cut.jpg", encoded(scene(300, 400))[:30000])


def _folders(root: Path) -> None:
    for n in range(5):
        pixels = scene(70 if n < 4 else 30, 90, n)
        _write(root / f"photos/{'more/' * (n > 2)}{n}.png", encoded(pixels, "PNG", exif=exif_block()))
        _write(root / f"made/{n}-red.png", encoded((pixels * [0.9, 0.6, 0.5]).astype(np.uint8), "PNG"))
        _write(root / f"reference/{n}.png", encoded((np.roll(pixels, 9, 1) * [0.9, 0.5, 0.4]).astype(np.uint8), "PNG"))
        _write(root / f"sources/{n}.png", encoded(pixels, "PNG"))
        _write(root / f"back/{n}.png", encoded(pixels // 2 * 2, "PNG"))
    _write(root / "photos/._junk.png", b"junk")
    _write(root / "photos/notes.txt", b"no picture")
    _write(root / "photos/clip.mp4", b"left alone")
    _write(root / "big.jpg", encoded(scene(1100, 1500), quality=90, exif=exif_block(), icc_profile=wide_profile()))
    _write(root / "big.png", encoded(scene(1100, 1500), "PNG", compress_level=1))
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.uint8)
    drawn = np.random.default_rng(4).integers(0, 3, (2, 12, 16))
    _write(root / "truth/0.png", encoded(colours[drawn[0]], "PNG"))
    _write(root / "found/0.png", encoded(colours[np.where(drawn[1] > 0, drawn[0], drawn[1])], "PNG"))
    _write(root / "palette.txt", PALETTE.encode())
    _write(root / "list.txt", b"photos/1.png\nphotos/more/3.png\n")
    _write(root / "settings.json", b'{"method": "cut", "nce_patches": 16}')
    _write(root / "wrong.json", b'{"metod": "cut"}')


def _clips(root: Path) -> None:
    clips = root / "clips"
    clips.mkdir()
    film(clips / "film.mp4", 8, sound=True)
    subtitles(root / "lines.srt")
    words(root / "words.txt")
    make(
        *("-f", "lavfi", "-i", "testsrc2=s=64x36:r=10:d=0.8", "-f", "lavfi", "-i", "sine=440:d=0.8"),
        *("-i", root / "lines.srt", "-i", root / "words.txt", "-map", "0", "-map", "1", "-map", "2"),
        *("-map_metadata", "3", "-map_chapters", "3", "-c:v", "ffv1", "-c:a", "flac", "-c:s", "srt"),
        *("-metadata:s:a:0", "language=eng", "-bitexact", clips / "whole.mkv"),
    )
    (clips / "broken.mp4").write_bytes((clips / "film.mp4").read_bytes()[:2000])
    (root / "frames").mkdir()
    ffmpeg("-i", clips / "film.mp4", "-frames:v", "5", root / "frames/%05d.png")

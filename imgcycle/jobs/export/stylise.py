"""Put a picture through net.onnx, beside which this script lies: python stylise.py PICTURE RESULT

It needs numpy and onnxruntime, and Pillow for anything but binary PPM. `--size N` is √(width × height) at which the
style is applied, and the result's size; `full` takes every pixel. `--serve` shows the page in a browser instead.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    """Read, translate, write; 0 when it went well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("result", nargs="?", type=Path)
    parser.add_argument("--size", default="", metavar="N|full")
    parser.add_argument("--serve", type=int, nargs="?", const=8000, metavar="PORT")
    asked = parser.parse_args(arguments)
    if asked.serve is not None:
        serve(asked.serve)
        return 0
    if asked.picture is None or asked.result is None:
        parser.error("name a picture and a result")
    if asked.size not in ("", "full") and not asked.size.isdecimal():
        parser.error("--size takes a number of pixels, or full")
    try:
        net = Net(HERE / "net.onnx")
        picture = read(asked.picture)
        write(asked.result, net(picture, asked.size))
    except (OSError, ValueError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


class Net:
    """The net, and what its file says of the pictures it takes."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self.session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        said = self.session.get_modelmeta().custom_metadata_map
        self.multiple, self.least, self.work_size = (int(said[key]) for key in ("multiple", "least", "work_size"))

    def __call__(self, picture: np.ndarray[Any, Any], size: str = "") -> np.ndarray[Any, Any]:
        """Translate a picture (height, width, 3) of 8 bits."""
        height, width = picture.shape[:2]
        work = max(height, width) if size == "full" else int(size or self.work_size)
        factor = min(1.0, work / (height * width) ** 0.5) if size != "full" else 1.0
        if factor < 1:
            picture = resized(picture, round(height * factor) or 1, round(width * factor) or 1)
        height, width = picture.shape[:2]
        tall, wide = (-(-max(side, self.least) // self.multiple) * self.multiple for side in (height, width))
        planes = extended(picture, tall, wide).astype(np.float32).transpose(2, 0, 1)[None]
        planes = planes / np.float32(127.5) - np.float32(1)
        made = self.session.run(None, {self.session.get_inputs()[0].name: planes})[0]
        levels = np.rint((np.clip(made[0], -1, 1) + 1) * 127.5).astype(np.uint8)
        found: np.ndarray[Any, Any] = levels.transpose(1, 2, 0)[:height, :width]
        return found


def extended(picture: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """A picture with rows below and columns at the right: by reflection as far as it reaches, then by its edge."""
    for mode in ("reflect", "edge"):
        missing = [side - there for side, there in zip((height, width), picture.shape[:2], strict=True)]
        if mode == "reflect":
            missing = [min(more, there - 1) for more, there in zip(missing, picture.shape[:2], strict=True)]
        picture = np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode)
    return picture


def resized(picture: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """A picture reduced by a triangle filter as wide as its reduction."""
    values = picture.astype(np.float32)
    values = np.einsum("oh,hwc->owc", weights(picture.shape[0], height), values)
    values = np.einsum("ow,hwc->hoc", weights(picture.shape[1], width), values)
    levels: np.ndarray[Any, Any] = np.rint(np.clip(values, 0, 255)).astype(np.uint8)
    return levels


def weights(before: int, after: int) -> np.ndarray[Any, Any]:
    """Resampling matrix (after, before): the weight of each input value in each output value."""
    step = before / after
    centres = (np.arange(after) + 0.5) * step - 0.5
    far = np.abs(np.arange(before)[None] - centres[:, None]) / max(step, 1.0)
    found = np.maximum(0, 1 - far).astype(np.float32)
    total: np.ndarray[Any, Any] = found / found.sum(1, keepdims=True)
    return total


def read(path: Path) -> np.ndarray[Any, Any]:
    """A picture (height, width, 3) of 8 bits."""
    data = path.read_bytes()
    if data[:2] == b"P6":
        words = data.split(maxsplit=4)
        width, height, most = (int(word) for word in words[1:4])
        if most != 255:
            raise ValueError(f"{path} is not a PPM of 8 bits")
        return np.frombuffer(data[-3 * width * height :], np.uint8).reshape(height, width, 3)
    from PIL import Image, ImageOps

    with Image.open(path) as picture:
        return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))


def write(path: Path, picture: np.ndarray[Any, Any]) -> None:
    """Write a picture in the format that its name ends in."""
    if path.suffix.lower() == ".ppm":
        height, width = picture.shape[:2]
        path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + picture.tobytes())
        return
    from PIL import Image

    Image.fromarray(picture).save(path)


def serve(port: int) -> None:
    """Show this folder's page to browsers of this machine."""
    from functools import partial
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    types = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}
    SimpleHTTPRequestHandler.extensions_map = types
    with ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=str(HERE))) as server:
        sys.stderr.write(f"http://127.0.0.1:{server.server_address[1]}/ (Ctrl-C ends it)\n")
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    raise SystemExit(main())

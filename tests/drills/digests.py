"""What the program writes and says, as digests: `python -m tests.drills.digests OUT.json` before a change of the code
that must change no result, and after it; `--compare OLD.json NEW.json` prints a line for each difference and exits
with 1 if there is one.

Everything is made from seeds in a temporary folder and runs in this process. Bytes depend on the machine, on torch
and on the codecs as well, so both files must come from one environment. `--only convert` (or another section of
`digest_commands`) is quicker, and leaves the rest out.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import hashlib
import io
import json
import logging
import os
import re
import shlex
import shutil
import struct
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.drills.digest_commands import ALWAYS, SECTIONS, WORDS

UNTRUE = {"seconds", "seconds_left", "rate", "waiting", "torch", "capability", "output_time", "output_digest"}
"""Fields of JSON that tell of this hour or this machine; muxers' identifiers are in the digest of a result."""
MASKS = [
    (r"As of \d\d \w+ \d{4}, \d\d:\d\d", "As of now"),
    (r"\b(\d+ h )?(\d+ min )?\d+(\.\d+)? (s|min|h)\b", "N s"),
    (r"\b\d+\.\d+/s\b", "N/s"),
    (r"\bdata \d+%", "data N%"),
    (r"\.imgcycle-[\w.-]+|imgcycle-[a-z0-9_]{8}\b", "temporary"),
]
PASSING = re.compile(
    r"(\d+ of \d+|.*: \d+%|.*: frame \d+ of \d+.*|.*about .+ to go, at .*"
    r'|\{"schema": 1, "progress": \{"(input|seconds_left)".*)'
)
"""Lines that are said after so many seconds."""
REPOSITORY = Path(__file__).resolve().parents[2]
CLIPS, STILLS = (
    (".mkv", ".mp4", ".mov", ".webm"),
    (".jpg", ".png", ".webp", ".tif", ".tiff", ".avif", ".gif", ".bmp", ".pnm"),
)


class Recorder:
    """Runs command lines in a world and notes what comes of each."""

    def __init__(self, root: Path) -> None:
        self.root, self.world = root, root / "world"
        self.found: dict[str, Any] = {}
        self._seen: dict[Path, tuple[int, int, int]] = {}

    def note(self, line: str, report: dict[str, Any]) -> None:
        """Keep a report under its command line, with every file that is new, changed or gone since the last one."""
        now = {path: _signature(path) for path in sorted(self.root.rglob("*")) if path.is_file()}
        changed = [path for path, facts in now.items() if self._seen.get(path) != facts]
        report["files"] = {str(path.relative_to(self.root)): self.digest(path) for path in changed}
        report["gone"] = sorted(str(path.relative_to(self.root)) for path in self._seen if path not in now)
        self._seen = now
        name, again = line, 1
        while name in self.found:
            again += 1
            name = f"{line} ({again})"
        self.found[name] = report

    def run(self, line: str) -> None:
        """One line of `digest_commands`."""
        from imgcycle.cli.app import run

        words = shlex.split(line)
        if words and words[0].startswith("!"):
            self._change(*words)
            return
        source = b""
        if "<" in words:
            source = (self.world / words.pop()).read_bytes()
            words.pop()
        for name, value in WORDS.items():
            words = [each for word in words for each in (value.split() if word == name else [word])]
        if "--help" not in words:
            added = shlex.split(ALWAYS.get(words[0], "") if words else "")
            for option, value in zip(added[::2], added[1::2], strict=True):
                words += [] if option in words else [option, value]
        sys.argv = ["imgcycle", *words]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            with _streams(source, out.fileno(), err.fileno()):
                code = run(words)
            said = [_read(out), _read(err)]
        self.note(line, {"exit": code, "out": self.text(said[0]), "err": self.text(said[1])})

    def _change(self, way: str, name: str, to: str = "") -> None:
        path = self.world / name
        if way == "!append":
            path.write_bytes(path.read_bytes() + b"!")
        elif way == "!remove":
            path.unlink()
        else:
            shutil.copy2(path, self.world / to)

    def text(self, data: bytes) -> list[str]:
        """Lines without what changes from run to run; of what is no text its digest."""
        try:
            lines = data.decode().split("\n")
        except UnicodeDecodeError:
            return [_sha(data)]
        return [self.masked(line) for line in lines if not PASSING.fullmatch(line)]

    def masked(self, line: str) -> str:
        """A line, or a JSON object on a line, without times and temporary names."""
        if line.startswith("{"):
            with contextlib.suppress(ValueError):
                line = json.dumps(_true(json.loads(line)), ensure_ascii=False)
        line = line.replace(str(self.root), "ROOT").replace(str(REPOSITORY), "REPOSITORY")
        for pattern, word in MASKS:
            line = re.sub(pattern, word, line)
        return line

    def digest(self, path: Path) -> str:
        """SHA-256 of a file; of what holds times, paths or identifiers made by chance, of the rest of it."""
        from tests.drills.digest_world import MADE, without_times

        data = path.read_bytes()
        kind = path.suffix.lower()
        if kind in (".json", ".jsonl", ".html", ".toml", ".txt"):
            if kind == ".json":
                data = json.dumps(_true(json.loads(data))).encode()
            return _sha("\n".join(self.text(data)).encode())
        if kind == ".pt":
            return self._state(path)
        if kind == ".safetensors" and len(data) > 8:
            (length,) = struct.unpack("<Q", data[:8])
            head, tensors = data[8 : 8 + length], data[8 + length :]
            return f"{_sha(self.masked(head.decode(errors='replace')).encode())} tensors {_sha(tensors)}"
        kept = " time kept" if path.stat().st_mtime == MADE else ""
        if kind in CLIPS:
            return self._clip(path) + kept
        return _sha(without_times(data)) + (_pixels(data) if kind in STILLS else "") + kept

    def _state(self, path: Path) -> str:
        import torch

        whole = hashlib.sha256()

        def add(value: Any) -> None:
            if isinstance(value, torch.Tensor):
                whole.update(f"{value.dtype} {tuple(value.shape)} ".encode())
                whole.update(value.contiguous().flatten().view(torch.uint8).numpy().tobytes() if value.numel() else b"")
            elif isinstance(value, dict):
                for key, each in value.items():
                    whole.update(f"{key}: ".encode())
                    add(each)
            elif isinstance(value, list | tuple):
                for each in value:
                    add(each)
            else:
                whole.update(self.masked(repr(value)).encode())

        add(torch.load(path, map_location="cpu", weights_only=True))
        return whole.hexdigest()[:20]

    def _clip(self, path: Path) -> str:
        """Every packet with its time and length, every word of metadata: muxers make up identifiers."""
        from tests.media.video.clips import ffmpeg

        source = ("-i", f"file:{path}", "-map", "0", "-c", "copy")
        try:
            parts = [ffmpeg("-copyts", *source, "-f", "framecrc", "-"), ffmpeg(*source[:2], "-f", "ffmetadata", "-")]
        except AssertionError:
            return _sha(path.read_bytes())
        return f"packets {_sha(parts[0])} words {_sha(parts[1])}"


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:20]


def _signature(path: Path) -> tuple[int, int, int]:
    facts = path.stat()
    return facts.st_ino, facts.st_size, facts.st_mtime_ns


def _true(value: Any) -> Any:
    """JSON without the fields that are not the same twice."""
    if isinstance(value, dict):
        return {key: "masked" if key in UNTRUE else _true(each) for key, each in value.items()}
    return [_true(each) for each in value] if isinstance(value, list) else value


def _pixels(data: bytes) -> str:
    """The pixels apart, so that a difference is known for one of pixels or of metadata."""
    import numpy as np
    from PIL import Image

    try:
        image = Image.open(io.BytesIO(data))
        return f" pixels {_sha(f'{image.mode} {image.size}'.encode() + np.asarray(image).tobytes())}"
    except Exception:
        return ""


def _read(file: Any) -> bytes:
    file.seek(0)
    return bytes(file.read())


@contextlib.contextmanager
def _streams(source: bytes, out: int, err: int) -> Iterator[None]:
    """The process's own streams for one command: stdin holds `source`, what is said goes to these descriptors."""
    kept = [(number, os.dup(number)) for number in (1, 2)]
    before = sys.stdin, sys.stdout, sys.stderr
    os.dup2(out, 1)
    os.dup2(err, 2)
    sys.stdin = io.TextIOWrapper(io.BytesIO(source))
    sys.stdout, sys.stderr = (open(n, "w", encoding="utf-8", closefd=False) for n in (1, 2))  # noqa: SIM115
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        sys.stdin, sys.stdout, sys.stderr = before
        for number, copy in kept:
            os.dup2(copy, number)
            os.close(copy)


def record(only: list[str]) -> dict[str, Any]:
    """Run everything and return what was found, by command line."""
    with tempfile.TemporaryDirectory(prefix="digests-") as folder:
        root = Path(folder).resolve()
        for name in ("world", "home", "tmp"):
            (root / name).mkdir()
        _settle(root)
        import torch

        import imgcycle._version

        imgcycle._version.__version__ = "0"  # a release changes no result
        torch.set_num_threads(1)
        from tests.drills.digest_world import grow

        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        grow(root / "world")
        recorder = Recorder(root)
        recorder.note("the world", {})
        begun = time.monotonic()
        for section, lines in SECTIONS.items():
            if only and section not in only:
                continue
            for line in lines.split("\n")[1:-1]:
                recorder.run(line)
            print(f"{section}: {len(recorder.found)} in {time.monotonic() - begun:.0f} s", file=sys.stderr)
        os.chdir("/")
        return recorder.found


def _settle(root: Path) -> None:
    """The surroundings of every command."""
    for name in list(os.environ):
        if name.startswith(("IMGCYCLE_", "GITHUB_")) or name in ("FORCE_COLOR", "PY_COLORS"):
            del os.environ[name]
    os.environ |= {"IMGCYCLE_HOME": str(root / "home"), "TMPDIR": str(root / "tmp"), "OMP_NUM_THREADS": "1"}
    os.environ |= {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1", "TERM": "dumb", "HOME": str(root)}
    tempfile.tempdir = str(root / "tmp")
    os.chdir(root / "world")


def differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """A line for each difference."""
    for line in [*old, *(line for line in new if line not in old)]:
        if line not in new or line not in old:
            yield f"{line}: {'new' if line in new else 'not run any more'}"
            continue
        for part in ("exit", "out", "err", "gone", "files"):
            one, other = old[line].get(part), new[line].get(part)
            if one == other:
                continue
            if part == "files":
                for name in sorted({*one, *other}):
                    if one.get(name) != other.get(name):
                        yield f"{line}: {name}: {one.get(name, 'not there')} → {other.get(name, 'not there')}"
            elif isinstance(one, list) and isinstance(other, list):
                changed = [each for each in difflib.ndiff(one, other) if each[0] in "-+"]
                yield f"{line}: {part}: {' '.join(changed[:2])}" + (" …" if len(changed) > 2 else "")
            else:
                yield f"{line}: {part}: {one} → {other}"


def main() -> int:
    """Record, or compare two records."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.drills.digests", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("out", type=Path, nargs="?", metavar="OUT.json")
    parser.add_argument("--only", action="append", choices=list(SECTIONS), default=[])
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("OLD.json", "NEW.json"))
    asked = parser.parse_args()
    if asked.compare:
        lines = list(differences(*(json.loads(path.read_text("utf-8")) for path in asked.compare)))
        print("\n".join([*lines, f"{len(lines)} differences"]))
        return 1 if lines else 0
    if asked.out is None:
        parser.error("name a file to write, or two to --compare")
    out = asked.out.absolute()
    out.write_text(json.dumps(record(asked.only), indent=1, ensure_ascii=False), "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

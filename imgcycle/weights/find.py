"""Finding a style's file from what the user typed: a path, a run folder of `train`, or a name."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from imgcycle.config.program import ValueRange
from imgcycle.errors import StyleNotHere, UnknownStyle, UsageError, WeightsError
from imgcycle.weights.contents import is_weights, kind_of_weights, unreadable_kind
from imgcycle.weights.index import INDEX, IndexEntry, RemoteEntry, read_index, sound_index, sound_remote

Direction = Literal["A2B", "B2A"]
NATIVE = ".safetensors"
ONNX = ".onnx"
FOREIGN = (".pth", ".pt", ".ckpt", ".tar")
"""Suffixes of other programs' checkpoints; `.pth.tar` is a convention, and not a tar file."""


_LONGEST_NAME = 80


@dataclass(frozen=True)
class FoundStyle:
    """A style and its file. `label` is used in output names; `entry` is set for styles of an index.

    `digest` is the SHA-256 in the index, empty if there is none. `direction` is the one wanted of a file that holds
    two.
    """

    label: str
    path: Path
    entry: IndexEntry | None = None
    direction: Direction = "A2B"
    value_range: ValueRange | None = None
    """Of what an ONNX net takes and gives, where the user states it."""

    @property
    def digest(self) -> str:
        """The file's SHA-256 as stated by the index, or empty."""
        return self.entry.sha256 if self.entry else ""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The file."""
        return (self.path,)

    def at(self, paths: Sequence[Path]) -> FoundStyle:
        """The same style with its file elsewhere."""
        return replace(self, path=paths[0])

    @property
    def is_onnx(self) -> bool:
        """True if the file is a net for onnxruntime, by its content, not its name."""
        return kind_of_weights(self.path) == "onnx"

    @property
    def is_foreign(self) -> bool:
        """True if the file is another program's checkpoint, by its content, not its name.

        WeightsError if it is neither that nor one of imgcycle's.
        """
        return kind_of_weights(self.path) != "ours"


def homes() -> list[Path]:
    """Folders that may hold an index, by priority: the user's, the checkout's, the installed package's."""
    import platformdirs

    user = os.environ.get("IMGCYCLE_HOME") or platformdirs.user_data_dir("imgcycle")
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "pretrained"
    return [Path(user).expanduser(), checkout, package / "pretrained"]


def known_styles() -> dict[str, FoundStyle]:
    """Every installed style by name; the first index that names one wins. Damaged entries are skipped."""
    found: dict[str, FoundStyle] = {}
    for home in homes():
        for name, entry in sound_index(home).entries.items():
            found.setdefault(name, FoundStyle(name, entry.path, entry))
    return found


def remote_styles() -> dict[str, RemoteEntry]:
    """Every published style by name, installed or not; the first index that names one wins. Damaged entries are
    skipped.
    """
    found: dict[str, RemoteEntry] = {}
    for home in homes():
        for name, entry in sound_remote(home).entries.items():
            found.setdefault(name, entry)
    return found


def index_damage() -> list[str]:
    """A line for each index, or entry in one, that is damaged and therefore skipped."""
    lines = [str(each) for home in homes() for part in (sound_index, sound_remote) for each in part(home).damage]
    return list(dict.fromkeys(lines))


def find_style(style: str, direction: Direction = "A2B") -> FoundStyle:
    """The file of a style. UnknownStyle lists the known ones, nearest first; StyleNotHere for a published one that
    was not fetched; WeightsError if a known one's file is missing; UsageError as from `check_way`.
    """
    try:
        path = Path(style).expanduser()
    except RuntimeError as error:  # ~ with an unknown user name
        raise UnknownStyle(f"there is no {style}: {error}") from error
    there = _there(path) if style else ""
    if there == "folder" and _looks_like_path(style, path):
        return _in_run(path, direction)
    if path.suffix.lower() in (NATIVE, ONNX, *FOREIGN):
        if there != "file":
            raise UnknownStyle(f"there is no weights file {style}")
        return FoundStyle(_label(path), path, direction=direction)
    known = known_styles()
    style = style if style in known else unicodedata.normalize("NFC", style)
    if style in known:
        found = known[style]
        if not found.path.is_file():
            gone = f"the weights of {style} are not at {found.path}"
            if style in remote_styles():
                raise StyleNotHere(gone, f"imgcycle models get {style}")
            raise WeightsError(gone, f"put them back, or forget it: imgcycle models remove {style}")
        assert found.entry is not None
        back = f"--to {found.entry.inverse} leads back" if found.entry.inverse else None
        check_way(style, direction, found.entry.direction, back)
        return found
    remote = remote_styles()
    if style in remote:
        raise StyleNotHere(f"{style} is not on this machine yet", f"imgcycle models get {style}")
    if there == "folder":
        return _in_run(path, direction)
    if there == "file":
        if is_weights(path):
            return FoundStyle(_label(path), path, direction=direction)
        words = unreadable_kind(path)
        what, hint = (f" but {words.what}", words.hint) if words else ("", None)
        raise UnknownStyle(f"{style} is no weights file{what}", hint)
    near = _suggestion(style, sorted(known), sorted(remote))
    raise UnknownStyle(f"no style is called {style[:_LONGEST_NAME]!r}", "; ".join([near, *index_damage()]))


def with_range(found: FoundStyle, value_range: ValueRange | None) -> FoundStyle:
    """A style with the range of values that is asked for; UsageError where it is no ONNX net."""
    if value_range is None:
        return found
    if not found.is_onnx:
        raise UsageError(f"--range {value_range} for {found.label}, which is no ONNX net", "leave --range out")
    return replace(found, value_range=value_range)


def check_way(what: str, asked: Direction, held: object = None, hint: str | None = None) -> None:
    """Raise UsageError if the reverse direction is asked of one-way weights; `held` is their direction on the card.

    A2B is the default, and accepted for any direction.
    """
    if asked in ("A2B", held):
        return
    way = f": {held[:_LONGEST_NAME]}" if isinstance(held, str) and held else ""
    raise UsageError(f"{what} holds no {asked}, it has one direction alone{way}", hint or "leave --direction out")


def index_entry(sha256: str) -> IndexEntry | None:
    """Index entry of weights with this digest, wherever they are; None if there is none or no index can be read."""
    with contextlib.suppress(WeightsError):
        return next((found.entry for found in known_styles().values() if found.digest == sha256), None)
    return None


def repair_hint(found: FoundStyle) -> str:
    """Advice for weights that differ from the file their index describes."""
    if found.label in remote_styles():
        return f"imgcycle models get {found.label}"
    if found.label in read_index(homes()[0]):
        return f"imgcycle models remove {found.label}, then add it again"
    return "install imgcycle again"


def _there(path: Path) -> Literal["file", "folder", ""]:
    """Kind of a path; UnknownStyle if it may not be accessed."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            return ""
        raise UnknownStyle(f"{path} cannot be looked at: {error.strerror}") from error


def _looks_like_path(style: str, path: Path) -> bool:
    # A folder that happens to be called `monet` must not hide the style; a run folder is recognised by its content.
    return os.sep in style or "/" in style or (path / "weights").is_dir()


def _in_run(run: Path, direction: Direction) -> FoundStyle:
    for place in (run / "weights" / "best", run / "weights"):
        path = place / f"{direction}{NATIVE}"
        if path.is_file():
            return FoundStyle(_label(path), path)
    there = sorted(p.stem for p in (run / "weights").glob(f"*2*{NATIVE}"))
    if there:
        raise UnknownStyle(f"{run} holds no {direction}", f"it was trained for {', '.join(there)}")
    files = sorted(p.name for p in run.iterdir() if p.suffix.lower() in (NATIVE, *FOREIGN))
    hint = f"name one of its files: {', '.join(files[:3])}" if files else "a run folder of `imgcycle train` is meant"
    raise UnknownStyle(f"{run} is a folder without weights of a run", hint)


def _label(path: Path) -> str:
    """Short name for outputs: the file's own, or the run's for A2B.safetensors in a run folder."""
    if path.stem not in ("A2B", "B2A"):
        return path.stem
    folder = path.resolve().parent
    while folder.name in ("weights", "best"):
        folder = folder.parent
    name = folder.name or "style"
    return name if path.stem == "A2B" else f"{name}-back"


def _suggestion(style: str, known: list[str], remote: list[str]) -> str:
    """Known names, nearest first, those that are to be fetched with a mark."""
    if not known and not remote:
        return f"none is installed; name a {NATIVE} file or a run folder of `imgcycle train`"
    names = [*known, *(name for name in remote if name not in known)]
    near = difflib.get_close_matches(style, names, len(names), 0.4)
    ordered = [name if name in known else f"{name}*" for name in [*near, *(n for n in names if n not in near)]]
    legend = "; *: imgcycle models get NAME" if len(names) > len(known) else ""
    return f"known: {', '.join(ordered)}{legend}"


def index_paths() -> list[Path]:
    """Possible paths of an index, for messages."""
    return [home / INDEX for home in homes()]

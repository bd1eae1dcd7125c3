"""From what a user calls a style to the file that holds it: a path, a run folder of `train`, or a name."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import unicodedata
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
"""What other programs call their checkpoints; `.pth.tar` is a custom, and no tar file."""


_LONGEST_NAME = 80


@dataclass(frozen=True)
class FoundStyle:
    """A style and where it lies. `label` goes into names of outputs; `entry` is there for styles of an index.

    `digest` is the SHA-256 an index states, empty when only the file can tell. `direction` is the way wanted
    through a file that holds two.
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
    def is_onnx(self) -> bool:
        """Whether the file is a net for onnxruntime; its content tells, not its name."""
        return kind_of_weights(self.path) == "onnx"

    @property
    def is_foreign(self) -> bool:
        """Whether the file is another program's checkpoint, to be read by an importer; its content tells, not its name.

        WeightsError when it is neither that nor one of imgcycle's.
        """
        return kind_of_weights(self.path) != "ours"


def homes() -> list[Path]:
    """The folders that may hold an index, first one first: the user's, the checkout's, the installed copy's."""
    import platformdirs

    user = os.environ.get("IMGCYCLE_HOME") or platformdirs.user_data_dir("imgcycle")
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent / "pretrained"
    return [Path(user).expanduser(), checkout, package / "pretrained"]


def known_styles() -> dict[str, FoundStyle]:
    """Every style known by name; the first home that names one wins. What is damaged in an index is passed over."""
    found: dict[str, FoundStyle] = {}
    for home in homes():
        for name, entry in sound_index(home).entries.items():
            found.setdefault(name, FoundStyle(name, entry.path, entry))
    return found


def remote_styles() -> dict[str, RemoteEntry]:
    """Every style known to be published, here or not; the first home that names one wins. What is damaged in an index
    is passed over."""
    found: dict[str, RemoteEntry] = {}
    for home in homes():
        for name, entry in sound_remote(home).entries.items():
            found.setdefault(name, entry)
    return found


def index_damage() -> list[str]:
    """A line for each index, or style in one, that is damaged and therefore passed over."""
    lines = [str(each) for home in homes() for part in (sound_index, sound_remote) for each in part(home).damage]
    return list(dict.fromkeys(lines))


def find_style(style: str, direction: Direction = "A2B") -> FoundStyle:
    """The file behind a style. UnknownStyle lists the known ones, nearest first; StyleNotHere for a published one
    that was not fetched; WeightsError when a known one's file is not there; UsageError as `check_way` has it."""
    try:
        path = Path(style).expanduser()
    except RuntimeError as error:  # ~ and the name of nobody
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
    """Raise UsageError where the way back is asked of weights that hold one way alone: `held`, as a card words it.

    A2B is what is asked for by default, and taken for whatever way there is.
    """
    if asked in ("A2B", held):
        return
    way = f": {held[:_LONGEST_NAME]}" if isinstance(held, str) and held else ""
    raise UsageError(f"{what} holds no {asked}, but one way alone{way}", hint or "leave --direction out")


def index_entry(sha256: str) -> IndexEntry | None:
    """What an index says of weights of this digest, wherever they lie; None when none knows them or can be read."""
    with contextlib.suppress(WeightsError):
        return next((found.entry for found in known_styles().values() if found.digest == sha256), None)
    return None


def repair_hint(found: FoundStyle) -> str:
    """What to do about weights that are not the file their index describes."""
    if found.label in remote_styles():
        return f"imgcycle models get {found.label}"
    if found.label in read_index(homes()[0]):
        return f"imgcycle models remove {found.label}, then add it again"
    return "install imgcycle again"


def _there(path: Path) -> Literal["file", "folder", ""]:
    """What lies at a path; UnknownStyle when it may not be looked at."""
    try:
        return "folder" if path.is_dir() else "file" if path.is_file() else ""
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            return ""
        raise UnknownStyle(f"{path} cannot be looked at: {error.strerror}") from error


def _looks_like_path(style: str, path: Path) -> bool:
    # A folder that happens to be called `monet` must not hide the style; a run folder is one by what it holds.
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
    """A short name for outputs: the file's own, or the run's for the A2B.safetensors inside a run folder."""
    if path.stem not in ("A2B", "B2A"):
        return path.stem
    folder = path.resolve().parent
    while folder.name in ("weights", "best"):
        folder = folder.parent
    name = folder.name or "style"
    return name if path.stem == "A2B" else f"{name}-back"


def _suggestion(style: str, known: list[str], remote: list[str]) -> str:
    """The names there are, nearest first, those that are yet to be fetched with a mark."""
    if not known and not remote:
        return f"none is installed; name a {NATIVE} file or a run folder of `imgcycle train`"
    names = [*known, *(name for name in remote if name not in known)]
    near = difflib.get_close_matches(style, names, len(names), 0.4)
    ordered = [name if name in known else f"{name}*" for name in [*near, *(n for n in names if n not in near)]]
    legend = "; *: imgcycle models get NAME" if len(names) > len(known) else ""
    return f"known: {', '.join(ordered)}{legend}"


def index_paths() -> list[Path]:
    """Where an index may lie, for messages."""
    return [home / INDEX for home in homes()]

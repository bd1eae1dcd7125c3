"""Report pages of a conversion: their content, and checks that no file of the user's is overwritten.

They are made from files after the conversion, so earlier results are shown as well.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from imgcycle.concurrency import ordered_map
from imgcycle.config import ConvertOptions
from imgcycle.data.sampling import evenly_spaced
from imgcycle.device import BASE_BYTES
from imgcycle.engine.style import Style
from imgcycle.errors import ImgcycleError, InputError, OutputError, UsageError, reported
from imgcycle.jobs.budget import MemoryBudget
from imgcycle.jobs.events import Ended, Event, Note, PageWritten, RowFinished
from imgcycle.jobs.images.batch import StyleJob
from imgcycle.jobs.ledger import Fingerprint, Ledger, Record, at_work, file_digest
from imgcycle.jobs.recipe import resolve
from imgcycle.jobs.side_outputs import check_place
from imgcycle.jobs.tasks import Row, Task
from imgcycle.media import formats
from imgcycle.media.files import atomic_write
from imgcycle.media.formats import Format
from imgcycle.media.image.read import measure_file
from imgcycle.media.image.still import Still
from imgcycle.media.image.thumbnails import Levels
from imgcycle.media.image.write import encode_still
from imgcycle.media.paths import shown
from imgcycle.media.remote import is_remote
from imgcycle.report.comparisons import Comparison, Credit, Missing, ReportImage, ReportPage
from imgcycle.report.gallery import LONGEST, Gallery
from imgcycle.report.layout import lay_out, most_comparisons
from imgcycle.report.sheet import Sheet
from imgcycle.weights.mix import ChosenStyle, FoundMix

_PAGES = (".html", ".htm")
_SHEETS = (formats.JPEG, formats.PNG, formats.WEBP)
_MANY = 40
"""Number of inputs above which the user is told that pages take time."""
_AT_LEAST = 150 * 2**20
"""Bytes for pages beside the process's base, as measured, with images of 16 megapixels in one style."""
_HELD = 7
"""Bytes a pixel of every further style's image in a gallery: two inputs' are held, and one's encoded."""
_SHEETS_BYTES = 12
"""Bytes a pixel of a sheet: drawn, captioned, reordered for the encoder, and encoded."""
_RATIOS = (0.4, 0.67, 1.0, 1.5, 3.0)
_HEAVY = 150_000_000
"""Size of a page in bytes above which a browser is slow, too."""


@dataclass(frozen=True)
class Pages:
    """Requested pages, and whether they may replace a file that imgcycle did not write."""

    sheet: Path | None = None
    gallery: Path | None = None
    overwrite: bool = False

    def __bool__(self) -> bool:
        return self.sheet is not None or self.gallery is not None

    def check(self, tasks: Sequence[Task], memory: MemoryBudget | None = None) -> None:
        """UsageError if a page cannot be written, would replace an input, a result or a file of the user's, or
        needs more than a promised `memory`.
        """
        if self and any(is_remote(name) for task in tasks for name in (task.input, task.output)):
            raise UsageError("a sheet or gallery shows files of this machine alone", "leave it out, or name an -o here")
        if self and memory is not None and memory.promised and self._least(tasks) > memory.total:
            least = -(-self._least(tasks) // 2**20)
            what = " and ".join(name for name in ("sheet", "gallery") if getattr(self, name) is not None)
            allowed = f"the {memory.total // 2**20} MiB allowed"
            raise UsageError(f"a {what} may take more than {allowed}", f"--memory {least}M is the least that would do")
        if self.sheet is not None:
            _sheet_format(self.sheet)
            self._check_place("--sheet", self.sheet, tasks)
        if self.gallery is not None:
            if self.gallery.suffix.lower() not in _PAGES:
                raise UsageError(f"--gallery {shown(self.gallery)} is a web page", "end its name in .html")
            self._check_place("--gallery", self.gallery, tasks)

    def _least(self, tasks: Sequence[Task]) -> int:
        """Peak bytes of the process while pages are made."""
        inputs = len({task.input for task in tasks})
        if not inputs:
            return BASE_BYTES + _AT_LEAST
        pictures = 1 + -(-len(tasks) // inputs)
        least = BASE_BYTES + _AT_LEAST
        if self.gallery is not None:
            least += _HELD * (pictures - 2) * LONGEST**2
        if self.sheet is None:
            return least
        count = min(inputs, most_comparisons(pictures))
        # The results' shapes are not known yet: it depends on the numbers which of these makes the largest sheet.
        sheets = [lay_out([ratio] * count, pictures) for ratio in _RATIOS]
        return least + _SHEETS_BYTES * max(sheet.width * sheet.height for sheet in sheets)

    def _check_place(self, option: str, path: Path, tasks: Sequence[Task]) -> None:
        check_place(option, path, tasks)
        if os.path.lexists(path) and not self.overwrite and not _is_ours(path):
            why = "is there already, and not as imgcycle wrote it"
            raise UsageError(f"{option} {shown(path)} {why}", "--overwrite replaces it")


def _is_ours(path: Path) -> bool:
    try:
        return Ledger(path.parent).standing(path) == "ours"
    except OSError:  # a link to nothing, or no permission to look
        return False


def credit_for(found: ChosenStyle, style: Style, options: ConvertOptions) -> Credit:
    """Credit of a style or a mix: from the index, else from the weights' card, with the settings used."""
    if isinstance(found, FoundMix):
        return _mixed_credit(found, style, options)
    said: dict[str, object] = {}
    if found.entry is not None:
        said = {"direction": found.entry.direction, "data": found.entry.data, "licence": found.entry.licence}
    elif not found.is_foreign:
        from imgcycle.weights.description import inspect_weights

        said = inspect_weights(found.path).card
    words = {key: str(said.get(key) or "") for key in ("direction", "data", "licence")}
    # The direction of a run says nothing about its purpose.
    direction = "" if words["direction"] in ("A2B", "B2A") else words["direction"]
    return Credit(style.name, style.digest, _settings(style, options), direction, words["data"], words["licence"])


def _mixed_credit(found: FoundMix, style: Style, options: ConvertOptions) -> Credit:
    each = [credit_for(one, single, options) for (_, one), (_, single) in zip(found.parts, style.mixed, strict=True)]
    texts = [
        "; ".join(dict.fromkeys(f"{credit.style}: {text}" for credit in each if (text := getattr(credit, name))))
        for name in ("settings", "direction", "data", "licence")
    ]
    return Credit(style.name, style.digest, *texts)


def _settings(style: Style, options: ConvertOptions) -> str:
    used = resolve(options, style)
    parts = [f"work size {used.work_size}", f"detail {used.detail:g}"]
    if used.strength != 1:
        parts.append(f"strength {used.strength:g}")
    if used.strokes is not None:
        below = "" if used.strokes_detail is None or not used.strokes else f" over a detail of {used.strokes_detail:g}"
        parts.append(f"strokes {used.strokes:g}{below}")
    if used.keep_colour:
        parts.append("colours kept")
    return ", ".join(parts)


def with_pages(
    events: Iterable[Event], style_jobs: Sequence[StyleJob], credits: Sequence[Credit], pages: Pages
) -> Iterator[Event]:
    """Events of a conversion, and before the last of them those of its pages, which are made then.

    OutputError if a page cannot be written, after the last event.
    """
    rows: dict[int, Row] = {}
    for event in events:
        if isinstance(event, RowFinished):
            rows[event.place] = event.row
        if pages and isinstance(event, Ended):
            try:
                yield from _pages(report_page(style_jobs, credits, rows), pages)
            except ImgcycleError:
                yield event
                raise
        yield event


def report_page(style_jobs: Sequence[StyleJob], credits: Sequence[Credit], rows: Mapping[int, Row]) -> ReportPage:
    """Content of the pages: every input with a result in any style, and a line for every missing result.

    `rows` are those of the tasks, by their positions, as far as the conversion got.
    """
    tasks = [(work.style.name, task) for work in style_jobs for task in work.plan.tasks]
    titles = titled([task.input for _, task in tasks])
    made: dict[str, list[tuple[str, ReportImage]]] = {}
    first: dict[str, Task] = {}
    ratios: dict[str, float] = {}
    missing = []
    for n, (style, task) in enumerate(tasks):
        row = rows.get(n)
        result = ReportImage(Path(task.output), 2 if task.options.compare else 1, task.options.max_pixels * 2)
        first.setdefault(task.input, task)
        why = _absent(row)
        if not why:
            try:
                facts = measure_file(result.path, result.max_pixels)
                ratios.setdefault(task.input, facts.width / result.parts / facts.height)
            except InputError as error:
                why = str(error)
        if why:
            title = titles[task.input] if len(style_jobs) == 1 else f"{titles[task.input]} ({style})"
            missing.append(Missing(title, why))
        else:
            made.setdefault(task.input, []).append((style, result))
    comparisons = tuple(
        _comparison(first[name], titles[name], tuple(made[name]), ratios[name]) for name in first if name in made
    )
    return ReportPage(_heading(list(first)), comparisons, tuple(credits), tuple(missing))


def _comparison(task: Task, title: str, after: tuple[tuple[str, ReportImage], ...], ratio: float) -> Comparison:
    before = ReportImage(Path(task.input), max_pixels=task.options.max_pixels, raw=task.options.raw)
    return Comparison(title, before, after, ratio)


def _absent(row: Row | None) -> str:
    """Reason why a task has no result to show; empty if it has."""
    if row is None:
        return "not reached"
    if row.status in ("done", "skipped"):
        return ""
    lines = (row.error or row.status).strip().splitlines()
    return f"kept: {lines[-1]}" if row.status == "kept" else lines[-1]


def titled(inputs: Sequence[str]) -> dict[str, str]:
    """Title of each input on a page: its path relative to the common folder, on one line."""
    above = _above(inputs)
    return {name: shown(os.path.relpath(name, above) if above else name) for name in inputs}


def _heading(inputs: Sequence[str]) -> str:
    if len(inputs) == 1:
        return shown(Path(inputs[0]).name)
    folder = Path(_above(inputs)).name
    return shown(folder) if folder else f"{len(inputs)} pictures"


def _above(inputs: Sequence[str]) -> str:
    try:
        return os.path.commonpath([os.path.dirname(os.path.abspath(name)) for name in inputs])  # noqa: PTH100, PTH120
    except ValueError:  # none, or on several drives
        return ""


def _pages(report: ReportPage, pages: Pages) -> Iterator[Event]:
    comparisons = report.comparisons
    wanted = [path for path in (pages.sheet, pages.gallery) if path is not None]
    if not comparisons:
        yield Note(f"nothing to show: {' and '.join(map(shown, wanted))} not written")
        return
    if len(comparisons) > _MANY:
        yield Note(f"making {' and '.join(map(shown, wanted))} of {len(comparisons)} pictures")
    with at_work({path.parent for path in wanted}, {path.parent for path in wanted}):
        for page in _made(report, pages):
            _record_as_ours(Path(page.path))
            yield page
            if page.size > _HEAVY:
                yield Note(f"{shown(page.path)} is heavy for a browser: --sample 100 makes a lighter one")


def _made(of: ReportPage, pages: Pages) -> Iterator[PageWritten]:
    """Read every image once, at reduced size, for both pages."""
    board = _SheetPage(of) if pages.sheet is not None else None
    missing = list(of.missing)
    count = 0
    with contextlib.ExitStack() as stack:
        page = None
        if pages.gallery is not None:
            stack.enter_context(_writing("page", pages.gallery))
            file = stack.enter_context(atomic_write(pages.gallery))
            page = Gallery(file, of)
        of_both = of.comparisons if page is not None or board is None else board.comparisons
        longest = LONGEST if page is not None or board is None else board.longest
        for comparison, pictures in _read(of_both, longest):
            if isinstance(pictures, ImgcycleError):
                missing.append(Missing(comparison.title, str(pictures)))
                continue
            count += 1
            if page is not None:
                page.add(comparison, pictures)
            if board is not None:
                board.add(comparison, pictures)
        if page is not None:
            page.finish(missing)
    if pages.gallery is not None:
        yield PageWritten("gallery", os.fspath(pages.gallery), count, pages.gallery.stat().st_size)
    if pages.sheet is not None and board is not None:
        data = board.finish(missing, _sheet_format(pages.sheet))
        with _writing("sheet", pages.sheet), atomic_write(pages.sheet) as file:
            file.write(data)
        yield PageWritten("sheet", os.fspath(pages.sheet), board.count, len(data))


def _writing(what: str, path: Path) -> AbstractContextManager[None]:
    """Context for writing a page or a sheet: OutputError with its name."""
    return reported(OutputError, f"{shown(path)}: a {what} cannot be written")


class _SheetPage:
    """A sheet, and the comparisons that fit it."""

    def __init__(self, of: ReportPage) -> None:
        pictures = 1 + len(of.styles)
        self.comparisons = evenly_spaced(of.comparisons, most_comparisons(pictures))
        self.count = 0
        self._chosen = {id(comparison) for comparison in self.comparisons}
        self._more = len(of.comparisons) - len(self.comparisons)
        self._of = of
        layout = lay_out([comparison.ratio for comparison in self.comparisons], pictures)
        self.longest = layout.longest
        self._sheet = Sheet(of, layout)

    def add(self, comparison: Comparison, pictures: Sequence[Levels]) -> None:
        """Add a comparison, if it was chosen to fit."""
        if id(comparison) in self._chosen:
            self.count += 1
            self._sheet.add(comparison, pictures)

    def finish(self, missing: Sequence[Missing], target: Format) -> bytes:
        """Encoded sheet, with a recipe, by which a walk recognises that it is not a photograph."""
        pixels = self._sheet.finish(missing, self._more)
        recipe = {"sheet": self._of.title, "styles": {c.style: c.weights for c in self._of.credits}}
        return encode_still(Still(pixels, format=target, lossless=target.lossless), target, None, recipe)


def _read(comparisons: Sequence[Comparison], longest: int) -> Iterator[tuple[Comparison, list[Levels] | InputError]]:
    """Yield every comparison's images, or the error; the next one's are prefetched."""

    def pictures(comparison: Comparison) -> tuple[Comparison, list[Levels] | InputError]:
        images = (comparison.before, *(image for _, image in comparison.after))
        try:
            return comparison, [image.read(longest) for image in images]
        except InputError as error:
            return comparison, error

    return ordered_map(pictures, comparisons, 1, name="imgcycle-look")


def _sheet_format(path: Path) -> Format:
    found = formats.by_suffix(path)
    if found not in _SHEETS:
        names = ", ".join(target.suffixes[0] for target in _SHEETS)
        raise UsageError(f"--sheet {shown(path)} has no suffix of a format for sheets", f"one of {names}")
    assert found is not None
    return found


def _record_as_ours(path: Path) -> None:
    """Record that a page is ours, so that the next run may replace it."""
    written = Fingerprint.of(path.stat(), file_digest(path))
    Ledger(path.parent).append(Record.of(path.parent, path, written, "", Fingerprint(), {}))

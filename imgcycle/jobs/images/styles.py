"""Several styles for the same inputs: which are installed, and a plan for each."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imgcycle.config import ConvertRequest
from imgcycle.engine.style import Style
from imgcycle.errors import UnknownStyle, WeightsError
from imgcycle.jobs.images.batch import StyleJob
from imgcycle.jobs.images.plan import Plan, plan_styles
from imgcycle.jobs.translators import style_of
from imgcycle.weights.find import FoundStyle, index_paths, known_styles
from imgcycle.weights.mix import ChosenStyle

if TYPE_CHECKING:
    from imgcycle.engine.translator import Translator

ALL = "all"
"""Value of `--to` for all installed styles."""


def local_styles() -> list[FoundStyle]:
    """Every installed style of the indexes, by name; UnknownStyle if there is none."""
    here = [found for _, found in sorted(known_styles().items()) if found.path.is_file()]
    if not here:
        raise UnknownStyle(f"no style is installed; looked at {', '.join(map(str, index_paths()))}")
    return here


@dataclass(frozen=True)
class StyleSelection:
    """Styles that can be opened, with their plans, and a line for each that cannot; `apart` as for `plan_styles`."""

    styles: tuple[ChosenStyle, ...]
    style_jobs: tuple[StyleJob, ...]
    refused: tuple[str, ...] = ()
    apart: bool = False


def plan_style_jobs(
    request: ConvertRequest,
    styles: Sequence[ChosenStyle],
    opened: Callable[[ChosenStyle], Translator],
) -> StyleSelection:
    """A plan for each style. A single one is opened once; of several each is opened again when it is needed.

    A net is opened only if there is something for it to do, or if its style cannot be known otherwise. WeightsError
    if none can be opened, UsageError as from `plan_styles`.
    """
    if len(styles) == 1:
        return _single(request, styles[0], opened)
    sound: list[tuple[ChosenStyle, Style]] = []
    refused: list[WeightsError] = []
    for found in styles:
        try:
            sound.append((found, style_of(found) or opened(found).style))
        except WeightsError as error:  # one damaged style of many does not stop the others
            refused.append(error)
    while sound:
        # Separate folders even if one style is left: its results go where they would with the others.
        plans = plan_styles(request, [style for _, style in sound], apart=True)
        damaged = dict(_damaged([found for found, _ in sound], plans, opened))
        if not damaged:
            break
        refused += damaged.values()
        sound = [(found, style) for found, style in sound if found.label not in damaged]
    if not sound:
        raise refused[0]
    style_jobs = (
        StyleJob(plan, style, _opener(opened, found)) for plan, (found, style) in zip(plans, sound, strict=True)
    )
    return StyleSelection(tuple(found for found, _ in sound), tuple(style_jobs), tuple(map(str, refused)), apart=True)


def _single(request: ConvertRequest, found: ChosenStyle, opened: Callable[[ChosenStyle], Translator]) -> StyleSelection:
    once = functools.cache(lambda: opened(found))
    style = style_of(found) or once().style
    (plan,) = plan_styles(request, [style])
    if plan.to_convert:
        once()
    return StyleSelection((found,), (StyleJob(plan, style, once),))


def _damaged(
    styles: Sequence[ChosenStyle], plans: Sequence[Plan], opened: Callable[[ChosenStyle], Translator]
) -> Iterator[tuple[str, WeightsError]]:
    """Yield the labels of styles that have something to do and whose nets cannot be opened, with the reasons."""
    for found, plan in zip(styles, plans, strict=True):
        if plan.to_convert:
            try:
                opened(found)
            except WeightsError as error:
                yield found.label, error


def _opener(opened: Callable[[ChosenStyle], Translator], found: ChosenStyle) -> Callable[[], Translator]:
    return lambda: opened(found)

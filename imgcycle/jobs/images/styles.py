"""Several styles for the same inputs: which are installed, and a plan for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from imgcycle.config import ConvertRequest
from imgcycle.engine.translator import Style, Translator
from imgcycle.errors import UnknownStyle, WeightsError
from imgcycle.jobs.images.plan import plan_styles
from imgcycle.jobs.images.run import StyleJob
from imgcycle.weights.find import FoundStyle, index_paths, known_styles

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
    """Styles that can be opened, with their plans, and a line for each that cannot."""

    styles: tuple[FoundStyle, ...]
    style_jobs: tuple[StyleJob, ...]
    refused: tuple[str, ...] = ()


def plan_style_jobs(
    request: ConvertRequest, styles: Sequence[FoundStyle], opened: Callable[[FoundStyle], Translator]
) -> StyleSelection:
    """A plan for each style. A single one is opened once; of several each is opened again when it is needed.

    WeightsError if none can be opened, UsageError as from `plan_styles`.
    """
    if len(styles) == 1:
        translator = opened(styles[0])
        (plan,) = plan_styles(request, [translator.style])
        return StyleSelection((styles[0],), (StyleJob(plan, translator.style, lambda: translator),))
    sound: list[tuple[FoundStyle, Style]] = []
    refused: list[WeightsError] = []
    for found in styles:
        try:
            sound.append((found, opened(found).style))
        except WeightsError as error:  # one damaged style of many does not stop the others
            refused.append(error)
    if not sound:
        raise refused[0]
    # Separate folders even if one style is left: its results go where they would with the others.
    plans = plan_styles(request, [style for _, style in sound], apart=True)
    style_jobs = (
        StyleJob(plan, style, _opener(opened, found)) for plan, (found, style) in zip(plans, sound, strict=True)
    )
    return StyleSelection(tuple(found for found, _ in sound), tuple(style_jobs), tuple(map(str, refused)))


def _opener(opened: Callable[[FoundStyle], Translator], found: FoundStyle) -> Callable[[], Translator]:
    return lambda: opened(found)

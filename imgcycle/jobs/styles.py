"""Several styles for the same inputs: which are here, and a plan for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from imgcycle.engine.translator import Translator
from imgcycle.errors import UnknownStyle
from imgcycle.jobs.convert import Styled
from imgcycle.jobs.planning import ConvertRequest, plan_styles
from imgcycle.weights.find import FoundStyle, index_paths, known_styles

ALL = "all"
"""What `--to` calls every style that is here."""


def local_styles() -> list[FoundStyle]:
    """Every style of the indexes whose weights are on this machine, by name; UnknownStyle when none is."""
    here = [found for _, found in sorted(known_styles().items()) if found.path.is_file()]
    if not here:
        raise UnknownStyle(f"no style is installed; looked at {', '.join(map(str, index_paths()))}")
    return here


def planned(
    request: ConvertRequest, styles: Sequence[FoundStyle], opened: Callable[[FoundStyle], Translator]
) -> list[Styled]:
    """A plan for each style. A single one is opened once; of several each is opened anew when its turn comes.

    WeightsError for a style that cannot be opened, UsageError as `plan_styles` has it.
    """
    if len(styles) == 1:
        translator = opened(styles[0])
        (plan,) = plan_styles(request, [translator.style])
        return [Styled(plan, translator.style, lambda: translator)]
    known = [opened(found).style for found in styles]
    plans = plan_styles(request, known)
    return [
        Styled(plan, style, _opener(opened, found)) for plan, style, found in zip(plans, known, styles, strict=True)
    ]


def _opener(opened: Callable[[FoundStyle], Translator], found: FoundStyle) -> Callable[[], Translator]:
    return lambda: opened(found)

"""Which results are measured, against what, and how."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Final

from imgcycle.config.fields import BESIDE, argument, option
from imgcycle.config.program import DeviceOptions, ThreadOptions

SET_SIZE: Final = 256
"""The side of the square to which pictures of a set are scaled, before they are measured."""
CLIP_SIZE: Final = 512
"""√(width × height) of the frames of a clip, when their flicker is measured."""


@dataclass(frozen=True)
class EvaluateRequest(ThreadOptions, DeviceOptions):
    """Which folders are measured, and how.

    `outputs` against `reference`; with `inputs`, what was kept of them, and the baselines; with `back`, what the way
    there and back lost. `size` is the side of the square that is looked at, `sample` the most pictures taken of each
    folder (all when None), `inception` a weights file.
    """

    outputs: str = argument("", "Results: a folder, or a glob in quotes.", metavar="OUTPUTS")
    reference: str = argument("", "Real pictures of what they should look like.", metavar="REFERENCE")
    _: KW_ONLY
    inputs: str | None = option(
        None,
        "What the results were made from: adds baselines and what was kept of the scene.",
        panel=BESIDE,
        metavar="INPUTS",
    )
    back: str | None = option(None, "The results converted back: adds the cycle's PSNR.", panel=BESIDE, metavar="BACK")
    inception: str | None = option(
        None,
        "Inception-v3 (pt_inception-2015-12-05-6726825d.pth): adds FID, KID and IS on its features.",
        panel=BESIDE,
        metavar="FILE",
    )
    sample: int | None = option(None, "Only N pictures of each folder, spread over all.", panel=BESIDE, low=2)
    size: int | None = option(
        None,
        "Side of the square that is looked at; of clips √(width × height).",
        panel=BESIDE,
        low=32,
        shown=f"{SET_SIZE}, clips {CLIP_SIZE}",
    )
    seed: int = option(0, "Of bootstrap and baselines.", panel=BESIDE, low=0)

    @property
    def side(self) -> int:
        """The side of the square, as asked or the usual one."""
        return self.size or SET_SIZE

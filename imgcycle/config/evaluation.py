"""Settings of evaluation: which results are measured, against what, and how."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Final

from imgcycle.config.fields import BESIDE, argument, option
from imgcycle.config.program import DeviceOptions, ThreadOptions

SET_SIZE: Final = 256
"""Side of the square that images are scaled to before they are measured."""
CLIP_SIZE: Final = 512
"""√(width × height) of the frames of a clip when their flicker is measured."""


@dataclass(frozen=True)
class EvaluateRequest(ThreadOptions, DeviceOptions):
    """Folders to measure, and how.

    `outputs` are compared with `reference`; with `inputs` also content preservation and baselines; with `back` the
    reconstruction loss of the round trip. `size` is the side of the square images, `sample` the most images taken of
    each folder (all if None), `inception` a weights file.
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
    seed: int = option(0, "Seed of bootstrap and baselines.", panel=BESIDE, low=0)

    @property
    def side(self) -> int:
        """Side of the square images, with its default."""
        return self.size or SET_SIZE

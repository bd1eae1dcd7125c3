"""Which clips are read as planes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from imgcycle.media.video.filters import StoredPlanes, stored_planes
from imgcycle.media.video.probing.clip import Colour
from tests.media.video.probing.test_clip import made_up

BT601 = Colour("smpte170m", "tv", "unknown", "unknown")


def test_planes_are_of_plain_colours_in_four_two_oh() -> None:
    clip = made_up([0, 3000])
    assert stored_planes(clip, 64, 36) == StoredPlanes("bt709", full=False)
    full = replace(clip, pixel_format="yuvj420p", colour=Colour("bt709", "pc", "bt709", "bt709"))
    assert stored_planes(full, 64, 36) == StoredPlanes("bt709", full=True)
    assert stored_planes(replace(clip, colour=BT601), 64, 36) == StoredPlanes("smpte170m", full=False)
    assert stored_planes(clip, 32, 18) is None  # reduced


@pytest.mark.parametrize(
    "other",
    [
        {"pixel_format": "yuv444p"},
        {"pixel_format": "yuv420p10le"},
        {"pixel_format": "yuva420p"},
        {"width": 65},
        {"height": 37},
        {"colour": Colour("bt709", "tv", "bt709", "smpte2084")},
        {"colour": Colour("bt709", "tv", "bt2020", "bt709")},
        {"colour": Colour("bt2020nc", "tv", "unknown", "unknown")},
        # Players take frames of so many lines for bt709, whatever they are told.
        {"colour": BT601, "height": 720},
    ],
)
def test_others_become_rgb(other: dict[str, Any]) -> None:
    clip = replace(made_up([0, 3000]), **other)
    assert stored_planes(clip, clip.width, clip.height) is None

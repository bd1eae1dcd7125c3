"""What frames carry beside their pixels."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from imgcycle.jobs.video.sources import ClipSource, OutputMedium
from imgcycle.media.video.probing.probe import probe_video
from imgcycle.media.video.probing.side_data import carried, has_own_colours
from tests.media.video.clips import ACTIVE_FORMAT, CAPTIONS, with_user_data

DOVI = "DOVI configuration record: version: 1.0, profile: {}, level: 6, rpu flag: 1, el flag: 0, bl flag: 1"


def test_captions_in_the_picture_are_found_and_named(tmp_path: Path) -> None:
    for name, payloads, begins, wanted in (
        ("plain.mp4", (), 0, ()),
        ("captions.mp4", (CAPTIONS,), 0, ("closed captions inside the picture (CEA-608/708)",)),
        ("late.ts", (CAPTIONS,), 9, ("closed captions inside the picture (CEA-608/708)",)),
        (
            "both.mkv",
            (CAPTIONS, ACTIVE_FORMAT),
            0,
            ("closed captions inside the picture (CEA-608/708)", "the active format (AFD)"),
        ),
    ):
        with_user_data(tmp_path / name, *payloads, begins=begins)
        clip = probe_video(tmp_path / name)
        assert (clip.frames, clip.carries) == (25, wanted)
        for start, end in ((None, None), (None, Fraction(1, 2))):
            notes = ClipSource(clip, start, end, None, OutputMedium("h264", 8)).notes
            assert notes == ((f"left out, as frames are coded anew: {', '.join(wanted)}",) if wanted else ())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("side data - HDR Dynamic Metadata SMPTE2094-40 (HDR10+): application version: 1", "HDR10+ metadata"),
        ("  side data - HDR Dynamic Metadata CUVA 005.1 2021 (Vivid): system_start_code: 1", "HDR Vivid metadata"),
        ("side data - Dolby Vision RPU Data (312 bytes)", "Dolby Vision metadata"),
        ("side data - A/53 Closed Captions (60 bytes)", "closed captions inside the picture (CEA-608/708)"),
        ("side data - spherical information: equirectangular", "the mark of a picture all around (360°)"),
        ("side data - stereoscopic information: type - side by side", "the mark of a picture in 3D"),
        ("side data - afd: value of 8", "the active format (AFD)"),
        ("side data - Mastering display metadata, has_primaries:1", ""),
        ("side data - H.26[45] User Data Unregistered SEI message: UUID=dc45e9bd", ""),
        ("title: Dolby Vision", ""),
    ],
)
def test_what_is_lost_has_a_name(line: str, wanted: str) -> None:
    assert carried([line], [], "h264, 64x48") == ((wanted,) if wanted else ())


def test_what_the_stream_says_counts_too() -> None:
    assert carried([], [DOVI.format(8), DOVI.format(8)], "hevc (Main 10)") == ("Dolby Vision metadata",)
    assert carried([], [], "h264 (High), yuv420p, 1920x1080, Closed Captions, 29.97 fps") == (
        "closed captions inside the picture (CEA-608/708)",
    )
    assert [has_own_colours([DOVI.format(profile)]) for profile in (5, 8, 50)] == [True, False, False]

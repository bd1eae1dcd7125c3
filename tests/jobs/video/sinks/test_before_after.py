"""Source and result in one frame: side by side, or parted by a line whose place the time decides."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgcycle.config import VideoOptions
from imgcycle.config.clips import Compare
from imgcycle.jobs.video import sources
from imgcycle.jobs.video.run import convert_video
from imgcycle.jobs.video.sinks.before_after import BeforeAfter
from imgcycle.media.video.decoder import TimedFrame
from imgcycle.media.video.probing.probe import probe_video
from tests.jobs.films import film, frames_of, same_times, times, tiny_translator
from tests.media.animation.made import composed
from tests.media.pictures import scene
from tests.media.video.clips import make, packets


def arrays(path: Path) -> Any:
    with Image.open(path) as seen:
        return np.asarray(seen)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_line_of_a_wipe_passes_to_and_fro(dtype: Any) -> None:
    before, after = np.full((4, 40, 3), 10, dtype), np.full((4, 40, 3), 20, dtype)
    wipe = BeforeAfter("wipe", 40, 4, Fraction(3), Fraction(8))
    assert wipe.size == (40, 4)
    #       all of the source, half of it, nothing, half again, and all
    for seconds, place in ((0, 40), (2, 20), (4, 0), (6, 20), (8, 40)):
        shown = wipe.shown(TimedFrame(Fraction(3 + seconds), before, Fraction(1), 0), after)
        line = [place] if 0 < place < 40 else []
        assert (shown[:, line] == np.iinfo(dtype).max).all()
        rest = np.delete(shown, line, axis=1)
        assert (rest[:, :place] == 10).all()
        assert (rest[:, place:] == 20).all()
    assert (before == 10).all()
    assert (after == 20).all()


@pytest.mark.parametrize("kind", ["side", "wipe"])
def test_a_clip_beside_its_source(tmp_path: Path, kind: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same times, sound and shape of pixels; the source's half is the source's, the result's the result's."""
    # Both are RGB on their way, as what is beside a source always is.
    monkeypatch.setattr(sources, "stored_planes", lambda *_: None)
    plain, source = film(tmp_path / "plain.mp4", sound=True), tmp_path / "a.mp4"
    chain = ("-vf", "setsar=sar=128/117:max=1000", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "1")
    make("-i", plain, *chain, "-c:a", "copy", source)
    options = VideoOptions(preset="ultrafast", crf=1, smooth="off")
    translator = tiny_translator()
    convert_video(source, tmp_path / "painted.mp4", translator, options)
    convert_video(source, tmp_path / "own.mp4", translator, options.replace(strength=0))
    row = convert_video(source, tmp_path / "both.mp4", translator, options.replace(compare=kind))
    made = probe_video(tmp_path / "both.mp4")
    width = 128 if kind == "side" else 64
    assert (row.status, row.frames, row.width, row.height) == ("done", 12, width, 36)
    assert (made.width, made.height, made.sar, made.pixel_format) == (width, 36, Fraction(128, 117), "yuv420p")
    assert same_times(times(source), times(made.path))
    assert packets(made.path, 1) == packets(source, 1)
    own, painted = (frames_of(tmp_path / f"{name}.mp4").astype(int) for name in ("own", "painted"))
    both = frames_of(made.path, width).astype(int)
    if kind == "side":
        assert np.abs(both[:, :, :64] - own).mean() < 2
        assert np.abs(both[:, :, 64:] - painted).mean() < 2
        return
    assert np.abs(both[0] - own[0]).mean() < 2
    # A clip of a second has one pass to and fro: nothing but the result after half a second.
    assert np.abs(both[6] - painted[6]).mean() < 2
    assert np.abs(both[3, :, :30] - own[3, :, :30]).mean() < 2
    assert np.abs(both[3, :, 34:] - painted[3, :, 34:]).mean() < 2
    assert np.abs(own - painted).mean() > 10


def test_numbered_pictures_and_animations_beside_their_sources(tmp_path: Path) -> None:
    stills = [Image.fromarray(np.dstack([np.roll(scene(40, 56), n, 1), scene(40, 56)[..., 0]])) for n in range(4)]
    (tmp_path / "in").mkdir()
    for n, still in enumerate(stills):
        still.save(tmp_path / "in" / f"{n}.png")
    stills[0].save(tmp_path / "a.png", save_all=True, append_images=stills[1:], duration=100, blend=0)
    options = VideoOptions(compare="side", smooth="off")
    translator = tiny_translator()
    convert_video(tmp_path / "in" / "%d.png", tmp_path / "out" / "%d.png", translator, options)
    row = convert_video(tmp_path / "a.png", tmp_path / "b.png", translator, options)
    assert (row.width, row.height) == (112, 40)
    moving = composed((tmp_path / "b.png").read_bytes())
    for n, still in enumerate(stills):
        for seen in (arrays(tmp_path / "out" / f"{n}.png"), moving[n]):
            found, own = seen, np.asarray(still)
            assert np.array_equal(found[:, :56], own)
            assert np.array_equal(found[:, 56:, 3], own[..., 3])
            assert np.abs(found[:, 56:, :3].astype(int) - own[..., :3]).mean() > 10

"""The script that drops what does not belong from two folders of training pictures, on made-up features."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[1] / "pretrained" / "clean.py"
spec = importlib.util.spec_from_file_location("clean", SCRIPT)
assert spec is not None
assert spec.loader is not None
clean = importlib.util.module_from_spec(spec)
spec.loader.exec_module(clean)


def test_what_lies_in_the_wrong_folder_and_what_is_far_from_all_is_dropped_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    middles = np.repeat(rng.normal(0, 1, (2, 128)), 100, axis=0)
    features = (middles + rng.normal(0, 1, middles.shape)).astype(np.float32)
    own = np.repeat([0, 1], 100)
    own[[5, 170]] = [1, 0]
    features[[20, 190]] = rng.normal(0, 4, (2, 128))
    why = clean.drops(features, own)
    assert {index for index, reason in why.items() if reason.startswith("like the other")} >= {5, 170}
    assert {20, 190} <= set(why)
    # What is farthest is dropped in any case, a share of all; beside that nothing else.
    assert len(why) <= round(clean.FAR * 200) + 4
    assert clean.drops(features, own) == why


def test_folders_are_copied_without_what_is_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Colour:
        def __init__(self, _: torch.device) -> None: ...

        def features(self, batches: object) -> torch.Tensor:
            return torch.cat([batch.mean((2, 3)) for batch in batches])  # type: ignore[attr-defined]

    for name, count in (("a", 4), ("b", 3)):
        (tmp_path / name).mkdir()
        for n in range(count):
            image = Image.new("RGB", (16, 16), (60 * n, 0, 0))
            image.putpixel((3, 3), (60 * n, 9, 0))  # a picture of one flat colour teaches nothing, and is passed over
            image.save(tmp_path / name / f"{n:02}.png")
    seen = []

    def drops(features: np.ndarray, own: np.ndarray) -> dict[int, str]:
        seen.append((features.shape, own.tolist(), features[:, 0].argsort(kind="stable").tolist()))
        return {3: "why not"}

    monkeypatch.setattr(clean, "FeatureNet", Colour)
    monkeypatch.setattr(clean, "SIDE", 16)
    monkeypatch.setattr(clean, "drops", drops)
    clean.main([str(tmp_path / "a"), str(tmp_path / "b"), "-o", str(tmp_path / "out"), "--names", "left", "right"])
    assert seen == [((7, 3), [0, 0, 0, 0, 1, 1, 1], [0, 4, 1, 5, 2, 6, 3])]
    kept = {side: sorted(p.name for p in (tmp_path / "out" / side).iterdir()) for side in ("left", "right")}
    assert kept == {"left": ["00.png", "01.png", "02.png"], "right": ["00.png", "01.png", "02.png"]}
    assert (tmp_path / "out" / "dropped.tsv").read_text("utf-8") == f"{tmp_path / 'a' / '03.png'}\twhy not\n"
    assert capsys.readouterr().out == "left: 3 kept, 1 dropped\nright: 3 kept, 0 dropped\n"

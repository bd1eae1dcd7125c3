"""Where commands are run: a folder of their own with a style in it, and an empty home."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.styles import save_style


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which holds `tiny.safetensors`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IMGCYCLE_DEBUG", raising=False)
    save_style(tmp_path / "tiny.safetensors", work_size=32)
    return tmp_path

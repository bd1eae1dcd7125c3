"""The benchmark for whoever has a GPU runs, in small and on the CPU: it is seldom run otherwise."""

from __future__ import annotations

import re

import pytest

from tests.benchmarks import gpu


def test_every_figure_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.nn.Module.compile", lambda _net: None)  # minutes on a CPU
    gpu.main(["--device", "cpu", "--quick"])
    said = capsys.readouterr().out
    assert len(re.findall(r"[\d.]+ steps/s", said)) == 3
    assert len(re.findall(r"[\d.]+ pictures/s", said)) == 4
    assert len(re.findall(r"[\d.]+ frames/s", said)) == 3
    assert "bit for bit" in said

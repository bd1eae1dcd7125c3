from __future__ import annotations

from pathlib import Path

import pytest
import torch

from imgcycle import load_translator
from imgcycle.config.program import Backend
from imgcycle.errors import UsageError
from tests.styles import save_style


@pytest.fixture
def style(tmp_path: Path) -> str:
    save_style(tmp_path / "tiny.safetensors")
    return str(tmp_path / "tiny.safetensors")


def test_openvino_computes_in_bf16_only_if_asked(style: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.engine.openvino.cpu_has_bf16", lambda: True)
    kinds = {
        name: load_translator(style, precision=name, backend="openvino").dtype for name in ("auto", "fp32", "bf16")
    }
    assert kinds == {"auto": torch.float32, "fp32": torch.float32, "bf16": torch.bfloat16}


@pytest.mark.parametrize(
    ("backend", "precision", "said"),
    [
        ("openvino", "fp16", r"computes in fp32 or bf16, not in fp16"),
        ("onnx", "bf16", r"computes in fp32 here, not in bf16 \(leave --precision out\)"),
    ],
)
def test_what_a_backend_does_not_compute_in_is_refused(style: str, backend: Backend, precision: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load_translator(style, precision=precision, backend=backend)

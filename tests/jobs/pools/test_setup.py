"""What workers are told of a style."""

from __future__ import annotations

from pathlib import Path

from imgcycle.jobs.pools.setup import WorkerPlan
from imgcycle.jobs.pools.worker import WorkerFacts
from imgcycle.jobs.translators import open_style
from imgcycle.weights.find import find_style, with_range
from tests.styles import save_style
from tests.weights.onnx.models import of_levels


def test_workers_of_a_bf16_machine_run_an_onnx_net_in_fp32(tmp_path: Path) -> None:
    plan = WorkerPlan(("cpu",), "bf16", 1)
    for path, precision in (
        (save_style(tmp_path / "tiny.safetensors", work_size=32), "bf16"),
        (of_levels(tmp_path / "n.onnx"), "fp32"),
    ):
        found = with_range(find_style(str(path)), "0..255" if path.suffix == ".onnx" else None)
        order = plan.order(found, open_style(found, "cpu", "fp32").style)
        assert order.precision == precision
        made = open_style(order.style, "cpu", order.precision, order.backend)
        assert WorkerFacts.of(made, order.threads) == order.facts()

"""What every test relies on: one torch thread, no network, and skips that count as failures where it matters."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator

import pytest
import torch
from hypothesis import settings

from tests.weights.published import Server, body, checkpoint, serving

# Bytes must not depend on how busy the machine is.
torch.set_num_threads(1)
# Neither may a test fail for it: examples have no time limit.
settings.register_profile("imgcycle", deadline=None)
settings.load_profile("imgcycle")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With IMGCYCLE_STRICT set, a test that was skipped for any other reason than CUDA has failed."""
    del item, call
    report = yield
    if report.skipped and os.environ.get("IMGCYCLE_STRICT"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if "CUDA" not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped where nothing may be: {reason}"
    return report


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A publisher of one checkpoint, `/tiny.pth`."""
    monkeypatch.setenv("no_proxy", "*")
    with serving() as made:
        made.answers["/tiny.pth"] = body(checkpoint(0))
        yield made

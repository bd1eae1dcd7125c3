"""`imgcycle models import`, `add` and `remove`, run in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from imgcycle.cli.app import run
from imgcycle.weights.native import load_generator
from tests.weights.importers import plain
from tests.weights.importers.plain import lively


@pytest.fixture(autouse=True)
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IMGCYCLE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    torch.save(lively(plain.Resnet(1)).state_dict(), tmp_path / "net_G.pth")
    return tmp_path / "net_G.pth"


def test_import_writes_a_weights_file_and_says_what_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run(["models", "import", "net_G.pth", "-o", "zebra.safetensors"]) == 0
    assert "recognised as ResNet generator of 1 block" in capsys.readouterr().err
    net, about = load_generator(tmp_path / "zebra.safetensors")
    assert about.card["source"] == "net_G.pth"
    x = torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.allclose(net(x), lively(plain.Resnet(1))(x), atol=1e-5)
    assert run(["models", "import", "net_G.pth", "-o", "zebra.safetensors"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert run(["models", "import", "net_G.pth", "-o", "zebra.safetensors", "--overwrite"]) == 0
    assert run(["models", "import", "net_G.pth", "-o", "zebra.pth"]) == 2


def test_a_wrong_file_takes_one_line_and_exits_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    torch.save(plain.Discriminator().state_dict(), "net_D.pth")
    assert run(["models", "import", "net_D.pth", "-o", "x.safetensors"]) == 2
    said = capsys.readouterr().err
    assert "a discriminator" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "x.safetensors").exists()


def test_add_then_info_then_remove(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "add", "net_G.pth", "--name", "zebra"]) == 0
    assert "--to zebra" in capsys.readouterr().err
    assert run(["models", "info", "zebra", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["net"]["kind"] == "resnet"
    assert run(["models", "verify", "zebra"]) == 0
    assert run(["models", "add", "net_G.pth", "--name", "zebra"]) == 2
    assert run(["models", "remove", "zebra"]) == 0
    assert run(["models", "info", "zebra"]) == 2


def test_info_on_a_foreign_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "info", "net_G.pth"]) == 0
    assert "recognised: ResNet generator" in capsys.readouterr().out
    assert run(["models", "verify", "net_G.pth"]) == 0

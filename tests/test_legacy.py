"""What earlier versions wrote stays readable: settings, options, saved states, weights and logs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from imgcycle.cli.app import run as command
from imgcycle.cli.commands.train_config import build_config, read_settings
from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.config.legacy import current_name, current_names, current_state, current_train_options
from imgcycle.errors import UsageError
from imgcycle.training.loop import train
from tests.training.toys import final_state, same, texture_world, toy_config

FORMERLY = {
    "discriminators": "critics", "discriminator": "critic", "lr_discriminator": "lr_critic",
    "stalled_steps": "vain", "test_time_stochastic": "live", "global_residual": "skip",
}  # fmt: skip


def as_before(values: Any) -> Any:
    """Plain values whose keys have the names that they had before."""
    if not isinstance(values, dict):
        return values
    found = {}
    for name, value in values.items():
        whole = FORMERLY.get(name, name)
        former = whole.replace("discriminator", "critic") if isinstance(whole, str) else whole
        found[former] = as_before(value)
    return found


def made_old(run: Path) -> None:
    """Turn what a run left into what an earlier version would have."""
    config = run / "config.json"
    config.write_text(json.dumps(as_before(json.loads(config.read_text()))))
    for path in (run / "state").glob("*.pt"):
        torch.save(as_before(torch.load(path, weights_only=True)), path)
    log = run / "metrics.jsonl"
    log.write_text(log.read_text().replace("discriminator", "critic"))
    now = run / "weights/discriminators.safetensors"
    with safe_open(now, "pt") as file:
        metadata = {name: value.replace("discriminators", "critics") for name, value in file.metadata().items()}
    tensors = {name.replace("discriminator", "critic"): tensor for name, tensor in load_file(now).items()}
    save_file(tensors, run / "weights/critics.safetensors", metadata)
    now.unlink()


@pytest.mark.parametrize(
    "changes",
    [
        {"discriminator": DiscriminatorConfig("nlayers", 8, 2)},
        {"discriminator": DiscriminatorConfig("multiscale", 8, 2, scales=2), "lr_discriminator": 1e-4},
        {"method": "cut", "net": NetConfig("compact", 4, 1, "affine", global_residual=True)},
        {"method": "bigan"},
    ],
    ids=["cyclegan", "multiscale", "cut", "bigan"],
)
def test_a_run_begun_before_goes_on_bit_for_bit(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = toy_config(tmp_path, steps=4, save_every=2, schedule="constant", **changes)
    train(config, tmp_path / "now")
    train(config.replace(steps=2), tmp_path / "old")
    made_old(tmp_path / "old")
    assert "critic" in (tmp_path / "old/config.json").read_text()
    train(config, tmp_path / "old", resume=True)
    states = [final_state(tmp_path / name) for name in ("now", "old")]
    for name in ("nets", "optimizers", "averages", "method", "scalers"):
        assert same(states[0][name], states[1][name]), name
    written = [path.relative_to(tmp_path / "old") for path in sorted((tmp_path / "old").rglob("*")) if path.is_file()]
    assert Path("weights/critics.safetensors") not in written
    assert Path("weights/discriminators.safetensors") in written
    assert "critic" not in (tmp_path / "old/metrics.jsonl").read_text()


def test_a_run_of_before_lends_its_discriminators(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=2)
    train(config, tmp_path / "now")
    shutil.copytree(tmp_path / "now", tmp_path / "old")
    made_old(tmp_path / "old")
    for name in ("now", "old"):
        train(config.replace(steps=3, seed=5), tmp_path / f"from-{name}", start_from=tmp_path / name)
    states = [final_state(tmp_path / f"from-{name}") for name in ("now", "old")]
    assert same(states[0]["nets"], states[1]["nets"])
    with pytest.raises(UsageError, match="holds discriminators, no generator"):
        train(config, tmp_path / "bad", start_from=tmp_path / "old/weights/critics.safetensors")


def test_settings_files_of_before(tmp_path: Path) -> None:
    settings = {"critic": {"kind": "pixel", "width": 8}, "lr_critic": 1e-4, "net": {"kind": "compact", "skip": True}}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    config = build_config({"a": tmp_path, "b": tmp_path, "width": 4}, read_settings(tmp_path / "settings.json"))
    assert config.discriminator == DiscriminatorConfig("pixel", 8)
    assert config.lr_discriminator == 1e-4
    assert config.net == NetConfig("compact", 4, global_residual=True)
    assert NetConfig.from_dict({"kind": "unet", "live": True}).test_time_stochastic
    with pytest.raises(UsageError, match="no setting 'critic'"):
        TrainConfig.from_dict({"a": "a", "b": "b", "critic": {}, "discriminator": {}})


def test_options_are_understood_as_they_were_spelt_and_recorded_as_they_are(tmp_path: Path) -> None:
    red, blue = texture_world(tmp_path)
    words = (
        "--critic nlayers --critic-layers=2 --critic-width 8 --lr-critic 1e-4 --width 4 --size 40 --crop 32 --steps 1"
    )
    assert command(["train", str(red), str(blue), "-o", str(tmp_path / "run"), *words.split(), "-q"]) == 0
    stored = json.loads((tmp_path / "run/config.json").read_text())
    assert stored["config"]["discriminator"] == {
        "kind": "nlayers", "width": 8, "layers": 2, "norm": "instance", "scales": 1,
    }  # fmt: skip
    assert stored["config"]["lr_discriminator"] == 1e-4


def test_old_spellings_are_not_offered(capsys: pytest.CaptureFixture[str]) -> None:
    assert command(["train", "--help"]) == 0
    assert "critic" not in capsys.readouterr().out
    assert command(["train", "--critic-depth", "3"]) == 2
    assert command(["convert", "x", "--to", "monet", "--critic", "basic"]) == 2
    assert "--critic" in capsys.readouterr().err


def test_names() -> None:
    assert current_name("critic_B.critics.0.last.bias") == "discriminator_B.discriminators.0.last.bias"
    assert current_names({"step": 3, "critic_A": 0.5, 7: 1}) == {"step": 3, "discriminator_A": 0.5, 7: 1}
    state = {"nets": {"A2B": {"a": 1}}, "optimizers": {}}
    assert current_state(state) is state
    assert current_train_options(["a", "--lr-critic=1", "--", "--critic"]) == [
        "a", "--lr-discriminator=1", "--", "--critic",
    ]  # fmt: skip

"""Recipes: those that come along can be read and run, and what is wrong with one of one's own is said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgcycle.cli.app import run
from imgcycle.cli.commands.train_config import build_config, new_run_settings
from imgcycle.config import NetConfig, TrainConfig
from imgcycle.config.recipes import FOLDER, recipe_names, training_recipe
from imgcycle.errors import UsageError
from imgcycle.methods.registry import METHODS
from imgcycle.training.timing.stages import plan_stages
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.find import find_style
from tests.training.toys import texture_world


def built(recipe: str, **given: Any) -> tuple[TrainConfig, str | None]:
    options = {"a": Path("photos"), "b": Path("paintings"), "recipe": recipe, **given}
    stored, start = new_run_settings(options)
    return build_config(options, stored), start


def test_those_that_come_along() -> None:
    assert recipe_names() == ["one-painting", "painting", "pairs", "paper", "season"]


@pytest.mark.parametrize("name", recipe_names())
def test_each_makes_a_config_whose_stages_can_be_planned(name: str) -> None:
    config, _ = built(name)
    assert config.recipe == name
    assert config.method in METHODS
    planned = plan_stages(config.replace(steps=1000), 10)
    assert planned[-1].end == 1000
    assert training_recipe(name).about
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_painting_begins_from_monet_or_from_random_weights() -> None:
    config, start = built("painting")
    assert start == "monet"
    assert [stage.name for stage in config.stages] == ["look", "calm", "edges"]
    assert config.net == NetConfig.from_dict(inspect_weights(find_style("monet").path).config)
    config, start = built("painting", start_from="none")
    assert start is None
    assert [stage.name for stage in config.stages] == ["scene", "look", "calm", "edges"]
    assert built("painting", width=8)[1] is None, "weights of another net would not fit"
    assert built("painting", start_from="vangogh")[1] == "vangogh"


def test_steps_from_given_weights_may_be_enough(tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("most_steps = 70\n" + (FOLDER / "painting.toml").read_text().replace("most_steps", "# most_steps"))
    assert built(str(own), minutes=5)[0].most_steps == 70
    assert built(str(own), start_from="none")[0].most_steps is None
    assert built(str(own), steps=500)[0].steps == 500
    assert built("painting", minutes=60)[0].most_steps == 4200
    assert built("season")[0].most_steps is None


def test_seasons_are_changes_of_any_size() -> None:
    assert built("season")[0].net == NetConfig.named("compact").drawing_changes()


@pytest.mark.parametrize(
    ("net", "wanted"),
    [
        ('kind = "compact"', NetConfig.named("compact")),
        ('kind = "compact"\nwidth = 12\nnorm = "none"', NetConfig("compact", 12, 6, "none")),
        ('kind = "resnet"', NetConfig.named("resnet9")),
        ('kind = "unet"\ndepth = 7', NetConfig.named("unet128")),
        ("width = 24", NetConfig.named("compact", 24)),
    ],
)
def test_what_is_left_open_of_a_net_is_as_usual(tmp_path: Path, net: str, wanted: NetConfig) -> None:
    (tmp_path / "own.toml").write_text(f'[settings]\nmethod = "cyclegan"\n[settings.net]\n{net}\n')
    assert built(str(tmp_path / "own.toml"))[0].net == wanted


def test_what_is_left_open_of_a_net_is_first_of_all_the_methods_own(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('[settings]\nmethod = "pix2pix"\n[settings.net]\nkind = "unet"\nwidth = 32\n')
    config = built(str(tmp_path / "own.toml"))[0]
    asked = build_config({"a": Path("a"), "b": Path("b"), "method": "pix2pix", "net": "unet256", "width": 32})
    assert config.net == asked.net
    assert config.net.test_time_stochastic


def test_options_beside_it_win_in_every_stage() -> None:
    config, _ = built("painting", lr=1e-4, lambda_grid=0.0, steps=500, ema=0.9)
    assert {stage.config.lr for stage in plan_stages(config, 1)} == {1e-4}
    assert {stage.config.lambda_grid for stage in plan_stages(config, 1)} == {0.0}
    assert (config.steps, config.minutes, config.ema) == (500, None, 0.9)
    assert len({stage.config.lambda_nce for stage in plan_stages(config, 1)}) == 3
    config, _ = built("painting", minutes=5)
    assert (config.steps, config.minutes) == (None, 5.0)
    assert built("painting", epochs=10)[0].minutes is None


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text((FOLDER / "painting.toml").read_text().replace("share = 0.25", "share = 0.5"))
    config, _ = built(str(mine))
    assert (config.recipe, config.stages[1].share) == ("mine", 0.5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("about = ", "is no TOML"),
        ("cook = 1", "a recipe has no key 'cook'"),
        ("[[stages]]\nlr = 1e-4", "a stage without a share"),
        ("[[stages]]\nshare = 1\nonly = 'mondays'", "a stage is only for 'mondays'"),
        ("[[stages]]\nshare = 1\nheat = 3", "Stage has no setting 'heat'"),
        ("[settings]\na = 'x'", "settings hold 'a'"),
        ("about = 3", "should be texts"),
        ("most_steps = 0", "most_steps is 0"),
        ("[settings]\nmost_steps = 5", "settings hold 'most_steps'"),
        ("most_steps = 'few'", "most_steps is 'few'"),
        ("stages = 3", "stages a list of tables"),
    ],
)
def test_what_is_wrong_with_one_is_said_with_its_name(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "bad.toml").write_text(text)
    with pytest.raises(UsageError, match=said) as error:
        training_recipe(str(tmp_path / "bad.toml"))
    assert "bad.toml" in str(error.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--recipe", "soup"], "no recipe is called 'soup'"),
        (["--recipe", "nowhere.toml"], "nowhere.toml cannot be read"),
        (["--recipe", "painting", "--paper"], "--paper together with --recipe"),
        (["--recipe", "painting", "--method", "unit"], "--method unit with a recipe for fastcut"),
        (["--recipe", "painting", "--steps", "5", "--minutes", "5"], "--steps and --minutes together"),
        (["--minutes", "0"], "0.0 minutes"),
    ],
)
def test_contradictions_are_one_line(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    red, blue = texture_world(tmp_path)
    assert run(["train", str(red), str(blue), "-o", str(tmp_path / "run"), *words]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_they_are_listed_with_their_files(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "--recipe", "list"]) == 0
    out = capsys.readouterr().out
    assert all(name in out and str(FOLDER / f"{name}.toml") in out for name in recipe_names())


def test_a_run_by_a_recipe_from_the_command_line(tmp_path: Path) -> None:
    red, blue = texture_world(tmp_path, side=64)
    words = "--recipe one-painting --width 4 --size 64 --crop 32 --steps 4 -q"
    assert run(["train", str(red), str(blue / "0.png"), "-o", str(tmp_path / "run"), *words.split()]) == 0
    assert inspect_weights(tmp_path / "run/weights/A2B.safetensors").card["recipe"] == "one-painting"
    assert run(["train", "-o", str(tmp_path / "run"), "--resume", "-q"]) == 0
    assert run(["train", "-o", str(tmp_path / "run"), "--resume", "--recipe", "painting", "-q"]) == 2

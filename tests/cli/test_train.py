"""The options of `imgcycle train`: what wins over what, and what a card shows of them."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from PIL import Image

from imgcycle.cli.app import run
from imgcycle.cli.commands.train_config import build_config, read_settings, run_folder, shown_command
from imgcycle.cli.render.train import train_listener, training_line
from imgcycle.config import DiscriminatorConfig, NetConfig, TrainConfig
from imgcycle.errors import UsageError
from imgcycle.training import events
from tests.training.toys import texture_world

FOLDERS = {"a": Path("/data/x/train"), "b": Path("/data/y/train")}


@pytest.mark.parametrize("variant", ["2017", "2018"])
def test_another_kind_of_discriminator_has_a_depth_and_sizes_of_its_own(variant: str) -> None:
    config = build_config({**FOLDERS, "method": "unit", "variant": variant, "discriminator": "vgg19"})
    assert config.discriminator == DiscriminatorConfig("vgg19")
    asked = {"discriminator_layers": 4, "discriminator_scales": 2, "discriminator_width": 32}
    given = build_config({**FOLDERS, "method": "unit", "variant": variant, "discriminator": "vgg19", **asked})
    assert given.discriminator == DiscriminatorConfig("vgg19", width=32, layers=4, scales=2)


def test_defaults_are_the_papers_losses_on_the_compact_net() -> None:
    config = build_config(FOLDERS)
    assert (config.method, config.net.kind, config.size, config.crop, config.batch) == (
        "cyclegan",
        "compact",
        286,
        256,
        1,
    )
    assert (config.lambda_cycle, config.lambda_identity, config.pool, config.lr) == (10.0, 0.5, 50, 2e-4)
    assert (config.epochs, config.epochs_decay, config.steps) == (100, 100, None)


def test_paper_is_the_published_setting() -> None:
    config = build_config({**FOLDERS, "paper": True})
    assert (config.net.kind, config.net.depth, config.net.width, config.ema) == ("resnet", 9, 64, 0.0)
    assert (config.size, config.crop, config.weight_init) == (286, 256, "normal")
    assert build_config({**FOLDERS, "paper": True, "net": "resnet6"}).net.depth == 6


def test_methods_bring_their_own_defaults_and_options_win() -> None:
    fast = build_config({**FOLDERS, "method": "fastcut"})
    assert (fast.lambda_nce, fast.nce_identity, fast.flip_equivariance, fast.epochs) == (10.0, False, True, 150)
    assert build_config({**FOLDERS, "method": "fastcut", "lambda_nce": 3.0}).lambda_nce == 3.0


def test_unit_brings_its_own_nets_and_weights_and_2018_its_others() -> None:
    first = build_config({**FOLDERS, "method": "unit"})
    assert (first.net, first.discriminator) == (NetConfig("unit2017", 64, 4), DiscriminatorConfig("plain", layers=5))
    assert (first.gan, first.lambda_gan, first.lambda_reconstruction, first.lambda_cycle) == ("vanilla", 10, 100, 100)
    assert (first.lambda_kl, first.lr, first.weight_decay, first.schedule) == (0.1, 1e-4, 1e-4, "constant")
    assert (first.shared_blocks, first.pool, first.lambda_vgg) == (1, 0, 0)
    later = build_config({**FOLDERS, "method": "unit", "variant": "2018", "lambda_vgg": 1.0})
    assert (later.net, later.discriminator) == (
        NetConfig("unit", 64, 4),
        DiscriminatorConfig("multiscale", layers=4, scales=3),
    )
    assert (later.gan, later.lambda_gan, later.lambda_reconstruction, later.lambda_cycle) == ("lsgan", 1, 10, 10)
    assert (later.lambda_kl, later.lr, later.weight_decay, later.schedule) == (0.01, 1e-4, 1e-4, "halving")
    assert (later.shared_blocks, later.lambda_vgg) == (0, 1)


def test_units_ablations_are_options() -> None:
    given = {**FOLDERS, "method": "unit", "shared_blocks": 0, "cycle": "none", "discriminator_layers": 3, "width": 16}
    config = build_config(given)
    assert (config.shared_blocks, config.cycle) == (0, "none")
    assert (config.discriminator, config.net) == (DiscriminatorConfig("plain", layers=3), NetConfig("unit2017", 16, 4))


def test_pix2pix_takes_two_folders_or_one_and_a_live_unet() -> None:
    config = build_config({**FOLDERS, "method": "pix2pix"})
    assert config.net == NetConfig("unet", 64, 8, "batch", test_time_stochastic=True)
    assert (config.discriminator, config.gan, config.lambda_l1) == (DiscriminatorConfig(norm="batch"), "vanilla", 100)
    alone = build_config({"a": Path("/data/facades"), "method": "pix2pix", "direction": "B2A", "net": "unet128"})
    assert (alone.a, alone.b, alone.direction) == ("/data/facades", "/data/facades", "B2A")
    assert alone.net == NetConfig("unet", 64, 7, "batch", test_time_stochastic=True)
    assert not build_config({**FOLDERS, "method": "pix2pix", "net": "resnet9"}).net.test_time_stochastic
    assert not build_config({**FOLDERS, "net": "unet256"}).net.test_time_stochastic


def test_what_is_compared_has_the_nets_and_losses_of_cyclegan() -> None:
    base = build_config(FOLDERS)
    assert build_config({**FOLDERS, "method": "bigan"}) == base.replace(method="bigan")
    assert build_config({**FOLDERS, "method": "simgan"}) == base.replace(method="simgan")
    deep = build_config({**FOLDERS, "method": "simgan", "feature_loss": "vgg19", "lambda_self": 3.0})
    assert (deep.feature_loss, deep.lambda_self, base.lambda_self) == ("vgg19", 3.0, 10.0)
    assert build_config({**FOLDERS, "method": "bigan", "paper": True}).weight_init == "normal"


def test_augmentations_are_a_list_in_either_spelling_and_any_order(tmp_path: Path) -> None:
    config = build_config({**FOLDERS, "diff_augment": "cutout, color,cutout", "lambda_shift": 2.0})
    assert (config.diff_augment, config.lambda_shift) == (("colour", "cutout"), 2.0)
    file = tmp_path / "settings.json"
    file.write_text(json.dumps(config.to_dict()))
    assert build_config({}, read_settings(file)) == config
    assert build_config({"diff_augment": "colour,cutout"}, read_settings(file)) == config
    assert build_config({"diff_augment": "none"}, read_settings(file)).diff_augment == ()
    with pytest.raises(UsageError, match="twice"):
        config.replace(diff_augment=("cutout", "cutout"))


def test_cogans_nets_are_made_for_the_crop() -> None:
    config = build_config({**FOLDERS, "method": "cogan"})
    assert (config.size, config.crop, config.batch, config.gan, config.pool) == (143, 128, 64, "vanilla", 0)
    assert config.net == NetConfig("cogan", 32, 5, "batch")
    assert config.discriminator == DiscriminatorConfig("plain", 32, 6)
    small = build_config({**FOLDERS, "method": "cogan", "crop": 32, "width": 8, "discriminator_width": 4})
    assert (small.size, small.net, small.discriminator) == (
        36,
        NetConfig("cogan", 8, 3, "batch"),
        DiscriminatorConfig("plain", 4, 4),
    )
    assert build_config({}, small.to_dict()) == small, "as a resumed run has it"
    assert build_config({**FOLDERS, "method": "cogan", "paper": True}).crop == 128
    with pytest.raises(UsageError, match="cyclegan with CoGAN's net"):
        build_config({**FOLDERS, "method": "cyclegan"}, {"net": small.net.to_dict()})


def test_parts_of_a_settings_file_stand_on_the_methods_own(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(
        json.dumps({"method": "unit", "discriminator": {"width": 8}, "net": {"kind": "unit2017", "depth": 2}})
    )
    config = build_config(FOLDERS, read_settings(file))
    assert (config.discriminator, config.net.depth) == (DiscriminatorConfig("plain", 8, 5), 2)


def test_a_run_stored_before_there_was_unit_goes_on_as_it_was() -> None:
    new = {
        "variant", "direction", "shared_blocks", "lambda_gan", "lambda_reconstruction", "lambda_kl", "lambda_vgg",
        "lambda_l1", "lambda_self", "feature_loss", "weight_decay", "diff_augment", "lambda_shift",
        "lambda_grid", "warmup",
    }  # fmt: skip
    for method in ("cyclegan", "cut"):
        config = build_config({**FOLDERS, "method": method, "steps": 5})
        stored = {name: value for name, value in config.to_dict().items() if name not in new}
        stored["net"] = {
            name: value for name, value in stored["net"].items() if name not in ("test_time_stochastic", "skip")
        }
        stored["discriminator"] = {name: value for name, value in stored["discriminator"].items() if name != "scales"}
        assert build_config({}, stored) == TrainConfig.from_dict(stored) == config


def test_runs_are_named_after_their_folders() -> None:
    assert run_folder(Path("/x/photo/train"), Path("monet"), None) == Path("photo2monet")
    assert run_folder(Path("/x/horse/A"), Path("/x/zebra/B"), None) == Path("horse2zebra")
    assert run_folder(Path("/x/A"), Path("/x/B/"), None) == Path("A2B")
    assert run_folder(Path("facades/train"), None, "pix2pix") == Path("facades-pix2pix")
    with pytest.raises(UsageError, match="two folders"):
        run_folder(Path("facades"), None, "unit")


def test_a_settings_file_stands_below_options(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"
    file.write_text(json.dumps({"lr": 0.01, "pool": 7, "net": {"kind": "resnet", "depth": 6}}))
    config = build_config({**FOLDERS, "lr": 0.5}, read_settings(file))
    assert (config.lr, config.pool, config.net.kind, config.net.depth) == (0.5, 7, "resnet", 6)


def test_size_and_crop_bring_each_other_along() -> None:
    assert build_config({**FOLDERS, "crop": 128}).size == 143
    assert build_config({**FOLDERS, "size": 143}).crop == 128


@pytest.mark.parametrize("content", ["nonsense", "[1]", '{"colour": "red"}'])
def test_a_settings_file_that_makes_no_sense_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "settings.json"
    file.write_text(content)
    with pytest.raises(UsageError):
        build_config(FOLDERS, read_settings(file))


def test_two_folders_are_needed() -> None:
    with pytest.raises(UsageError, match="two folders"):
        build_config({"a": Path("x")})


def test_a_card_shows_the_data_folder_by_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMGCYCLE_DATA", "/secret/place")
    words = ["imgcycle", "train", "/secret/place/photo/train", "/home/me/my pictures/b", "-o", "run", "--resume"]
    monkeypatch.setattr(sys, "argv", words)
    assert shown_command() == "imgcycle train $IMGCYCLE_DATA/photo/train 'my pictures/b' -o run"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train"], "two folders of images are needed"),
        (["train", "nowhere", "elsewhere"], "is no folder"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--steps", "0"], "0 steps"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--crop", "300", "--size", "200"], "below the crop"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--device", "cuda:9"], "no cuda:9"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--net", "resnet10"], "resnet10"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--resume"], "run holds no run to go on with (leave --resume out"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--val-a", "{red}"], "only one validation folder"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--variant", "2018"], "cyclegan has no variant '2018'"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--direction", "B2A"], "cyclegan has no --direction"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--method", "unit", "--net", "resnet9"], "generators of its own"),
        (["train", "{red}", "-o", "{run}", "--method", "unit"], "two folders of images are needed"),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--method", "pix2pix", "--crop", "40"],
            "a crop of 40 pixels does not fit",
        ),
        (["train", "{red}", "{blue}", "-o", "{run}", "--feature-loss", "vgg19"], "cyclegan has no --feature-loss"),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--method", "cut", "--lambda-self", "1"],
            "cut has no --lambda-self",
        ),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--method", "unit", "--lambda-shift", "1"],
            "unit has no --lambda-shift (--method cyclegan or cut or fastcut or pix2pix or gram has)",
        ),
        (["train", "{red}", "{blue}", "-o", "{run}", "--lambda-shift", "-1"], "--lambda-shift is -1"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--diff-augment", "color,blur"], "knows no 'blur'"),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--diff-augment", "colour", "--no-gan"],
            "--diff-augment has no effect with --no-gan",
        ),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--discriminator", "vgg19", "--no-gan"],
            "--discriminator has no effect with --no-gan",
        ),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--lr-discriminator", "1e-4", "--no-gan"],
            "--lr-discriminator has no effect with --no-gan",
        ),
        (["train", "{red}", "{blue}", "-o", "{run}", "--method", "simgan", "--no-gan"], "learn to change nothing"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--method", "bigan", "--no-gan"], "no loss at all"),
        (["train", "{red}", "{blue}", "-o", "{run}", "--method", "cogan", "--crop", "100"], "not of 100"),
        (
            ["train", "{red}", "{blue}", "-o", "{run}", "--method", "cogan", "--net", "resnet9"],
            "generator and discriminators",
        ),
    ],
)
def test_mistakes_take_one_line_and_exit_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    red, blue = texture_world(tmp_path)
    code = run([w.format(red=red, blue=blue, run=tmp_path / "run") for w in words])
    captured = capsys.readouterr()
    assert code == 2
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{red}", "{red}"], "are one folder"),
        (["{red}", "{blue}", "--steps", "2", "--epochs", "3"], "--epochs and --steps together"),
        (["{red}", "{blue}", "--lambda-nce", "1"], "cyclegan has no --lambda-nce (--method cut or fastcut has)"),
        (["{red}", "{blue}", "--method", "cut", "--lambda-cycle", "1"], "cut has no --lambda-cycle"),
        (["{red}", "{blue}", "--method", "unit", "--pool", "1"], "unit has no --pool"),
        (["{red}", "{blue}", "--changed-data"], "--changed-data is for --resume"),
        (["{red}", "{blue}", "--resume", "--start-from", "monet"], "--start-from cannot be changed with --resume"),
        (["{red}", "{blue}", "--resume", "--config", "{file}"], "--config cannot be changed with --resume"),
        (["{red}", "--method", "pix2pix"], "holds ordinary pictures, not two side by side"),
        (["{red}", "{blue}", "--config", "{file}"], "settings.json: TrainConfig has no setting 'charm'"),
        (["{red}", "{blue}", "--config", "{red}"], "red cannot be read: Is a directory"),
    ],
)
def test_contradictions_take_one_line_even_where_there_is_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    red, blue = texture_world(tmp_path)
    file, place = tmp_path / "settings.json", tmp_path / "run"
    file.write_text('{"charm": 1}')
    place.mkdir()
    (place / "config.json").write_text("{}")
    filled = [word.format(red=red, blue=blue, file=file) for word in words]
    assert run(["train", *filled, "-o", str(place)]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert [path.name for path in place.iterdir()] == ["config.json"]


def test_an_interrupt_before_the_first_step_leaves_no_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    red, blue = texture_world(tmp_path)

    def stopped(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("imgcycle.training.run.Run._build", stopped)
    assert run(["train", str(red), str(blue), "-o", str(tmp_path / "run")]) == 130
    assert capsys.readouterr().err == ("imgcycle: interrupted before the run began; the same command begins it\n")
    assert not (tmp_path / "run").exists()


def test_a_tiny_run_from_the_command_line_speaks_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    red, blue = texture_world(tmp_path)
    words = "--width 4 --discriminator nlayers --discriminator-layers 2 --discriminator-width 8 "
    words += "--size 40 --crop 32 --steps 2 --json"
    assert run(["train", str(red), str(blue), "-o", str(tmp_path / "run"), *words.split()]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(row["schema"] == 1 for row in rows)
    assert [row["event"] for row in rows] == ["saved", "started", "progress", "sampled", "saved", "finished"]
    assert rows[2]["losses"].keys() >= {"gan_A2B", "cycle_A", "identity_A", "discriminator_A"}


def test_pairs_in_one_folder_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs, _ = texture_world(tmp_path, side=80)
    for path in pairs.iterdir():
        Image.open(path).resize((160, 80)).save(path)
    monkeypatch.chdir(tmp_path)
    words = "--method pix2pix --net unet128 --width 2 --discriminator-width 4 --size 128 --crop 128 --steps 1 -q"
    assert run(["train", str(pairs), *words.split(), "--direction", "B2A"]) == 0
    assert (tmp_path / "red-pix2pix/weights/B2A.safetensors").is_file()
    assert run(["train", "-o", "red-pix2pix", "--resume", "--steps", "2", "-q"]) == 0


def test_events_in_words() -> None:
    finished = training_line(events.Finished(50, 60, 7501.0, True))
    assert finished == "stopped at step 50 of 60 after 2 h 5 min"
    diagnosed = training_line(events.Diagnosed(5, "A2B is inverting colours", "start again"))
    assert diagnosed == "look: A2B is inverting colours. Start again."


def test_the_panel_on_a_terminal_shows_pace_losses_and_findings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    with train_listener(quiet=False, json_lines=False) as listen:
        listen(events.Started(Path("x/a2b"), 0, 200, 10, 8, 9, "cpu", "fp32", 1, False))
        listen(events.Progress(50, 200, 5, {"cycle_A": 1.25}, 2e-4, 2.5, 60.0, 0.07))
        listen(events.Diagnosed(50, "A2B is inverting colours", "start again"))
        listen(events.Finished(200, 200, 80.0, False))
    shown = capsys.readouterr().err
    for part in ("a2b", "50/200", "25%", "2.50 steps/s", "1 min 0 s left", "data 7%", "cycle_A", "1.250", "inverting"):
        assert part in shown, shown


def test_full_is_a_size_with_crops_of_its_own() -> None:
    config = build_config({**FOLDERS, "size": "full", "px_per_cm": 20.0, "net": "strokes"})
    assert (config.size, config.crop, config.px_per_cm, config.net.norm, config.net.global_residual) == (
        "full", 128, 20.0, "none", True,
    )  # fmt: skip
    assert TrainConfig.from_dict(config.to_dict()) == config
    assert build_config({**FOLDERS, "size": 300}).size == 300
    with pytest.raises(UsageError, match="size is 'huge'"):
        build_config({**FOLDERS, "size": "huge"})
    with pytest.raises(UsageError, match="for pictures at their own size"):
        build_config({**FOLDERS, "px_per_cm": 20.0})


def test_a_skip_draws_changes_of_any_size_and_one_learnt_before_stays_as_it_was() -> None:
    net = build_config({**FOLDERS, "method": "cut", "skip": True}).net
    assert (net.kind, net.global_residual, net.head) == ("compact", True, "wide")
    assert build_config({**FOLDERS, "method": "cut"}).net.head == "tanh"
    before = net.replace(head="tanh")
    stored = {**build_config({**FOLDERS, "method": "cut"}).to_dict(), "net": before.to_dict()}
    assert build_config({**FOLDERS, "method": "cut", "skip": True}, stored).net == before


def test_strokes_bring_their_net_and_size() -> None:
    config = build_config({**FOLDERS, "method": "fastcut", "strokes_of": "monet", "strokes_calm": 2.0})
    assert (config.size, config.crop, config.net.norm, config.strokes_of, config.strokes_calm) == (
        "full", 128, "none", "monet", 2.0,
    )  # fmt: skip
    assert build_config({**FOLDERS, "method": "fastcut", "strokes_of": "monet", "net": "compact"}).net.norm == "affine"

"""The loop: runs that resume bit for bit, learn toy worlds, survive NaN, and refuse nonsense."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from imgcycle.config import DiscriminatorConfig, NetConfig
from imgcycle.data.batches import to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.errors import TrainingError, UsageError
from imgcycle.training import events
from imgcycle.training.loop import train
from imgcycle.training.run import Run
from imgcycle.training.session import Session
from imgcycle.training.storage.folder import RunFolder
from imgcycle.training.storage.resuming import RunContext
from imgcycle.weights.description import inspect_weights
from imgcycle.weights.native import load_generator
from tests.training.toys import final_state, same, texture_world, toy_config


@pytest.mark.parametrize("method", ["cyclegan", "cut", "fastcut"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_stopped_by_a_signal_and_resumed_equals_one_straight_through(
    tmp_path: Path, method: str, precision: str
) -> None:
    more: dict[str, Any] = {"flip_equivariance": True, "nce_identity": False} if method == "fastcut" else {}
    config = toy_config(tmp_path, method=method, precision=precision, **more)
    train(config, tmp_path / "straight")

    def stop_after_the_first_save(event: events.Event) -> None:
        if isinstance(event, events.Saved) and event.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    first = train(config, tmp_path / "halves", listener=stop_after_the_first_save)
    assert first.interrupted
    assert 4 < first.step < 12
    heard: list[events.Event] = []
    second = train(config, tmp_path / "halves", resume=True, listener=heard.append)
    assert not second.interrupted
    assert not [e for e in heard if isinstance(e, events.Noted)]
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "halves"))
    weights = [(tmp_path / run / "weights/A2B.safetensors").read_bytes() for run in ("straight", "halves")]
    assert weights[0] == weights[1]


def test_two_runs_of_one_seed_are_equal_and_of_another_are_not(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        train(toy_config(tmp_path, seed=seed, steps=4), tmp_path / name)
    assert same(final_state(tmp_path / "one"), final_state(tmp_path / "two"))
    assert not same(final_state(tmp_path / "one")["nets"], final_state(tmp_path / "three")["nets"])


def test_what_a_run_leaves_behind(tmp_path: Path) -> None:
    train(toy_config(tmp_path), tmp_path / "run")
    run = tmp_path / "run"
    assert sorted(p.name for p in (run / "state").iterdir()) == ["step-12.pt", "step-8.pt"]
    assert sorted(p.name for p in (run / "weights").iterdir()) == [
        "A2B.safetensors",
        "B2A.safetensors",
        "discriminators.safetensors",
    ]
    assert (run / "samples/step-12.png").is_file()
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 12
    assert {"gan_A2B", "cycle_A", "discriminator_B", "lr"} <= rows[-1].keys()
    net, about = load_generator(run / "weights/A2B.safetensors")
    assert about.card["direction"] == "A2B"
    assert about.card["steps"] == 12
    average = final_state(run)["averages"]["A2B"]["module"]
    assert all(torch.equal(t, average[name]) for name, t in net.state_dict().items())


def test_steps_may_change_on_resume_and_metrics_are_cut_to_the_state(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(toy_config(tmp_path, steps=8), run)
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"step": 99, "gan_A2B": 1}\n{"step": 1')
    longer = train(toy_config(tmp_path, steps=10), run, resume=True)
    assert longer.step == 10
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == [8, 10]
    assert RunFolder(run).read_config()[0].steps == 10


def test_cards_tell_how_a_continued_run_was_begun(tmp_path: Path) -> None:
    run = tmp_path / "run"
    begun = RunContext(command="imgcycle train A B", licence="CC0")
    train(toy_config(tmp_path, steps=2), run, context=begun)
    card = inspect_weights(run / "weights" / "A2B.safetensors").card
    assert (card["command"], card["licence"]) == ("imgcycle train A B", "CC0")
    again = RunContext(command="imgcycle train -o run")
    train(toy_config(tmp_path, steps=2), run, resume=True, context=again)
    changed = RunContext(command="imgcycle train --steps 4")
    train(toy_config(tmp_path, steps=4), run, resume=True, context=changed)
    card = inspect_weights(run / "weights" / "A2B.safetensors").card
    assert card["command"] == "imgcycle train A B && imgcycle train --steps 4 --resume"
    assert card["licence"] == "CC0"
    train(toy_config(tmp_path, steps=4), run, resume=True, context=RunContext(licence="CC-BY-4.0"))
    assert inspect_weights(run / "weights" / "A2B.safetensors").card["licence"] == "CC-BY-4.0", "of a run that is over"


def test_a_run_that_exists_is_not_overwritten(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "run")
    with pytest.raises(UsageError, match=r"is a run already.*--resume"):
        train(toy_config(tmp_path, steps=1), tmp_path / "run")


def test_one_process_at_a_time_trains_in_a_folder(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "run")
    for resume, name in ((True, "run"), (False, "new")):
        other = RunFolder(tmp_path / name)
        other.take()
        with pytest.raises(UsageError, match=f"another imgcycle is training in .*{name}"):
            train(toy_config(tmp_path, steps=2), tmp_path / name, resume=resume)
        other.release()
        train(toy_config(tmp_path, steps=2), tmp_path / name, resume=resume)
        assert final_state(tmp_path / name)["step"] == 2


def test_a_run_that_another_began_meanwhile_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build, others = Run._build, iter([tmp_path / "new"])

    def built_while_another_begins(self: Run, context: RunContext) -> None:
        for folder in others:
            train(toy_config(tmp_path, steps=1), folder)
        build(self, context)

    monkeypatch.setattr(Run, "_build", built_while_another_begins)
    with pytest.raises(UsageError, match="is a run already"):
        train(toy_config(tmp_path, steps=9), tmp_path / "new")
    assert final_state(tmp_path / "new")["step"] == 1


def test_a_run_does_not_learn_from_its_own_samples(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=2, sample_every=1)
    for place in ("red", "blue"):
        with pytest.raises(UsageError, match=f"{place} holds the pictures to learn from"):
            train(config, tmp_path / place)
    heard: list[events.Event] = []
    train(config, tmp_path / "red" / "run")
    train(config.replace(steps=4), tmp_path / "red" / "run", resume=True, listener=heard.append)
    assert not [e for e in heard if isinstance(e, events.Noted)]
    assert [(e.images_a, e.images_b) for e in heard if isinstance(e, events.Started)] == [(8, 8)]


def test_a_place_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=1)
    for place in (tmp_path / "red" / "0.png", tmp_path / "red" / "0.png" / "x"):
        with pytest.raises(UsageError, match="cannot be written: "):
            train(config, place)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems' names are all text")
def test_a_name_that_is_no_text_is_a_picture_like_others(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=1)
    (tmp_path / "red" / "0.png").rename(tmp_path / "red" / os.fsdecode(b"\xff.png"))
    assert train(config, tmp_path / "run").step == 1


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_a_picture_of_one_colour_spoils_nothing(tmp_path: Path, method: str, precision: str) -> None:
    net = NetConfig("compact", 4, 6, "affine")
    config = toy_config(tmp_path, method=method, precision=precision, steps=16, net=net)
    page = Image.new("RGB", (400, 40), "white")
    page.putpixel((399, 20), (0, 0, 0))  # squares of it are of one colour, it is not
    page.save(tmp_path / "red" / "white.png")
    heard: list[events.Event] = []
    train(config, tmp_path / "run", listener=heard.append)
    assert not [e for e in heard if isinstance(e, events.RolledBack)]
    assert any("of one flat colour" in e.text for e in heard if isinstance(e, events.Noted))
    for optimizer in final_state(tmp_path / "run")["optimizers"].values():
        for moments in optimizer["state"].values():
            assert moments["exp_avg_sq"].max() < 1e9


def test_a_run_whose_pictures_are_taken_away_is_saved_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgcycle.training.run.default_memory", lambda: 0)
    config = toy_config(tmp_path)
    train(config, str(tmp_path / "straight"))

    def take_away(event: events.Event) -> None:
        if isinstance(event, events.Saved) and event.step == 4:
            (tmp_path / "red").rename(tmp_path / "gone")

    with pytest.raises(
        TrainingError, match=r"has no image left .*; the run is kept as of step \d+ .*--resume"
    ) as ended:
        train(config, tmp_path / "run", listener=take_away)
    kept = final_state(tmp_path / "run")["step"]
    assert f"as of step {kept} " in str(ended.value)
    assert 4 <= kept < 12
    (tmp_path / "gone").rename(tmp_path / "red")
    train(config, tmp_path / "run", resume=True)
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))


def test_a_second_interrupt_ends_a_run_at_once_and_what_was_saved_stays(tmp_path: Path) -> None:
    def interrupt_twice(event: events.Event) -> None:
        if isinstance(event, events.Sampled):
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    config = toy_config(tmp_path, sample_every=6)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "run", listener=interrupt_twice)
    assert final_state(tmp_path / "run")["step"] == 4
    assert not list((tmp_path / "run").rglob("*.partial"))
    train(config, tmp_path / "run", resume=True)
    train(config, tmp_path / "straight")
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))


def test_a_run_that_no_longer_moves_does_not_finish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.nn.utils.get_total_norm", lambda _: torch.tensor(torch.nan))
    with pytest.raises(TrainingError, match="diverges"):
        train(toy_config(tmp_path, steps=40, save_every=40), tmp_path / "run")
    assert final_state(tmp_path / "run")["step"] == 0


def test_resuming_with_other_settings_names_them(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "run")
    with pytest.raises(UsageError, match=r"lr was 0\.0002 and is now 0\.1"):
        train(toy_config(tmp_path, steps=1, lr=0.1), tmp_path / "run", resume=True)


def test_a_run_that_died_at_birth_is_no_run_and_leaves_nothing_behind(tmp_path: Path) -> None:
    config = toy_config(tmp_path)
    train(config.replace(seed=9), tmp_path / "run")
    (tmp_path / "run/config.json").unlink()
    train(config, tmp_path / "run")
    train(config, tmp_path / "straight")
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))


def test_a_damaged_newest_state_falls_back_to_the_one_before(tmp_path: Path) -> None:
    config = toy_config(tmp_path)
    train(config, tmp_path / "straight")
    train(config, tmp_path / "run")
    newest = tmp_path / "run/state/step-12.pt"
    newest.write_bytes(newest.read_bytes()[:1000])
    train(config, tmp_path / "run", resume=True)
    assert same(final_state(tmp_path / "straight"), final_state(tmp_path / "run"))


def test_a_run_without_a_readable_state_says_so(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "run")
    for path in (tmp_path / "run/state").iterdir():
        path.write_bytes(b"")
    with pytest.raises(TrainingError, match="no readable state"):
        train(toy_config(tmp_path, steps=1), tmp_path / "run", resume=True)


def test_other_pictures_or_another_machine_are_named_and_the_run_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(toy_config(tmp_path, steps=4), run)
    (tmp_path / "red/0.png").unlink()
    stored = json.loads((run / "config.json").read_text())
    stored["facts"]["torch"] = "1.0"
    (run / "config.json").write_text(json.dumps(stored))
    heard: list[events.Event] = []
    with pytest.raises(UsageError, match=r"red holds 7 pictures, and held 8 .*--changed-data"):
        train(toy_config(tmp_path, steps=6), run, resume=True, listener=heard.append)
    assert not heard
    train(toy_config(tmp_path, steps=6), run, resume=True, changed_data=True, listener=heard.append)
    notes = [e.text for e in heard if isinstance(e, events.Noted)]
    assert [note.partition(":")[0] for note in notes] == [
        "torch was '1.0' when the run began and is " + repr(torch.__version__) + " now",
        f"{tmp_path / 'red'} holds 7 pictures, and held 8 when the run began",
    ]
    again: list[events.Event] = []
    train(toy_config(tmp_path, steps=7), run, resume=True, listener=again.append)
    assert not any("pictures" in e.text for e in again if isinstance(e, events.Noted))


def test_a_nan_rolls_back_says_so_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = Session.step
    poisoned: list[int] = []

    def poisonous(self: Session, *args: Any) -> None:
        step(self, *args)
        if self.generation == 0 and len(poisoned) < 1 and self.counted == 6:
            poisoned.append(1)
            with torch.no_grad():
                next(self.nets["A2B"].parameters()).fill_(float("nan"))

    monkeypatch.setattr(Session, "step", poisonous)
    heard: list[events.Event] = []
    ended = train(toy_config(tmp_path), tmp_path / "run", listener=heard.append)
    assert ended.step == 12
    back = [e for e in heard if isinstance(e, events.RolledBack)]
    assert [(e.step, e.to) for e in back] == [(8, 4)]
    state = final_state(tmp_path / "run")
    assert state["generation"] == 1
    assert all(torch.isfinite(t).all() for t in state["nets"]["A2B"].values())


def test_a_run_that_always_diverges_ends_with_advice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "is_healthy", lambda _: False)
    with pytest.raises(TrainingError, match=r"diverges.*--lr"):
        train(toy_config(tmp_path), tmp_path / "run")


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_three_hundred_steps_learn_a_world_of_two_textures(tmp_path: Path, method: str) -> None:
    red, blue = texture_world(tmp_path, count=12)
    config = toy_config(
        tmp_path, method=method, steps=300, save_every=300, net=NetConfig("compact", 8, 2, "affine"),
        discriminator=DiscriminatorConfig("nlayers", 16, 2), lr=1e-3, nce_identity=False,
    )  # fmt: skip
    train(config, tmp_path / "run")
    net, _ = load_generator(tmp_path / "run/weights/A2B.safetensors")
    folder = ImageFolder(red, 40)
    source = to_signed(torch.from_numpy(np.stack([folder.image(n) for n in range(6)])).permute(0, 3, 1, 2))
    with torch.inference_mode():
        made = net(source)
    colour = ((made.mean((0, 2, 3)) + 1) * 127.5).numpy()
    target = np.mean([ImageFolder(blue, 40).image(n).mean((0, 1)) for n in range(6)], 0)
    assert np.abs(colour - target).max() < 30, f"{colour} is not {target}"
    assert colour[2] > colour[0] + 40
    light = torch.stack([source.mean(1).flatten(), made.mean(1).flatten()])
    assert float(torch.corrcoef(light)[0, 1]) > 0.6, "the blotches stay where they were"


def test_cycle_alone_learns_to_come_back_without_a_discriminator(tmp_path: Path) -> None:
    config = toy_config(tmp_path, steps=100, save_every=100, use_gan=False, lambda_identity=0.0, lr=1e-3)
    train(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    losses = [row["cycle_A"] for row in rows if "cycle_A" in row]
    assert losses[-1] < 0.7 * losses[0]
    assert not any(name.startswith(("discriminator", "gan")) for row in rows for name in row)


def test_discriminators_learn_at_once_while_generators_warm_up(tmp_path: Path) -> None:
    moved = {}
    for warmup in (0, 1000):
        rhythm = {"steps": None, "epochs": 1, "epochs_decay": 0, "batch": 8}  # all the pictures: one step
        config = toy_config(tmp_path, ema=0.0, warmup=warmup, lr=1e-2, **rhythm)
        train(config, tmp_path / str(warmup))
        before, after = (
            torch.load(p, weights_only=True)["nets"]
            for p in sorted((tmp_path / str(warmup) / "state").iterdir(), key=lambda p: p.name)
        )
        moved[warmup] = {
            net: max(float((after[net][n] - before[net][n]).abs().max()) for n in before[net]) for net in before
        }
    assert moved[1000]["A2B"] == pytest.approx(moved[0]["A2B"] / 1000, rel=0.1)
    assert moved[1000]["discriminator_B"] == pytest.approx(moved[0]["discriminator_B"], rel=0.1)


def test_nothing_is_diagnosed_while_generators_warm_up(tmp_path: Path) -> None:
    """A net with a skip gives its input back until it has learnt: what a warm-up is for."""
    found = {}
    for warmup in (0, 8):
        heard: list[events.Event] = []
        still = {"method": "fastcut", "net": NetConfig("compact", 4, 1, "affine", global_residual=True), "lr": 1e-9}
        config = toy_config(tmp_path, steps=9, save_every=100, warmup=warmup, **still)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("imgcycle.training.loop.PROBE_EVERY", 2)
            train(config, tmp_path / str(warmup), listener=heard.append)
        found[warmup] = [event.finding for event in heard if isinstance(event, events.Diagnosed)]
    assert any("gives its input back" in finding for finding in found[0])
    assert found[8] == []


def test_colours_are_missed_where_both_folders_have_some(tmp_path: Path) -> None:
    """Outputs are compared with B as well: a net that starts grey is told of unless grey is what B is."""
    found = {}
    for folder in ("blue", "ash"):
        heard: list[events.Event] = []
        texture_world(tmp_path / folder)
        if folder == "ash":
            for path in (tmp_path / folder / "blue").iterdir():
                Image.open(path).convert("L").convert("RGB").save(path)
        config = toy_config(tmp_path / folder, steps=7, save_every=100, method="fastcut", lr=1e-9)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("imgcycle.training.loop.PROBE_EVERY", 2)
            train(config, tmp_path / folder / "run", listener=heard.append)
        found[folder] = [event.finding for event in heard if isinstance(event, events.Diagnosed)]
    assert any("losing its colours" in finding for finding in found["blue"]), found
    assert not any("losing its colours" in finding for finding in found["ash"]), found


def test_a_run_can_start_from_another_or_from_one_file(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=3), tmp_path / "first")
    start = tmp_path / "first/weights/A2B.safetensors"
    for source in (tmp_path / "first", start):
        run = tmp_path / f"from-{source.name}"
        listened: list[bytes] = []

        def first_weights(event: events.Event, run: Path = run, into: list[bytes] = listened) -> None:
            if isinstance(event, events.Saved) and event.step == 0:
                into.append((run / "weights/A2B.safetensors").read_bytes())

        train(toy_config(tmp_path, steps=1, seed=5), run, start_from=source, listener=first_weights)
        started, _ = load_generator(start)
        (run / "copy.safetensors").write_bytes(listened[0])
        copied, _ = load_generator(run / "copy.safetensors")
        assert all(torch.equal(a, b) for a, b in zip(started.parameters(), copied.parameters(), strict=True))


def test_a_net_that_draws_changes_starts_from_one_that_draws_pictures_at_no_change(tmp_path: Path) -> None:
    adding = NetConfig("compact", 4, 1, "affine", global_residual=True)
    nets: dict[str, dict[str, torch.Tensor]] = {}
    kinds = {"drawn": toy_config(tmp_path).net, "wide": adding.replace(head="wide")}
    for name, source in (("drawn", None), ("added", "drawn"), ("more", "added"), ("wide", "added")):
        config = toy_config(tmp_path, method="cut", steps=2, net=kinds.get(name, adding))

        def first(event: events.Event, name: str = name) -> None:
            if isinstance(event, events.Saved) and event.step == 0:
                nets[name] = load_generator(tmp_path / name / "weights/A2B.safetensors")[0].state_dict()

        train(config, tmp_path / name, start_from=tmp_path / source if source else None, listener=first)
    drawn, added = (
        load_generator(tmp_path / n / "weights/A2B.safetensors")[0].state_dict() for n in ("drawn", "added")
    )
    assert not nets["added"]["tail.weight"].any()
    assert not nets["added"]["tail.bias"].any()
    assert all(torch.equal(nets["added"][n], drawn[n]) for n in drawn if not n.startswith("tail."))
    assert added["tail.weight"].any()
    assert all(torch.equal(nets["more"][n], added[n]) for n in added), "from one with a skip, all of it"
    assert all(torch.equal(nets["wide"][n], added[n]) for n in added), "a wide head has the same weights"
    with pytest.raises(UsageError, match="add --skip"):
        train(toy_config(tmp_path, method="cut", steps=1), tmp_path / "back", start_from=tmp_path / "added")


def test_starting_from_another_architecture_is_refused(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "first")
    with pytest.raises(UsageError, match="does not fit"):
        train(
            toy_config(tmp_path, steps=1, net=NetConfig("resnet", 4, 1)),
            tmp_path / "second",
            start_from=tmp_path / "first",
        )
    assert inspect_weights(tmp_path / "first/weights/B2A.safetensors").card["direction"] == "B2A"


def test_other_discriminators_than_a_runs_start_from_its_generator_alone(tmp_path: Path) -> None:
    train(toy_config(tmp_path, steps=1), tmp_path / "first")
    config = toy_config(tmp_path, steps=1, discriminator=DiscriminatorConfig("nlayers", 4, 1))
    with pytest.raises(
        UsageError, match=r"does not fit this run's discriminators.*--start-from .*A2B.safetensors"
    ) as refused:
        train(config, tmp_path / "second", start_from=tmp_path / "first")
    assert str(tmp_path / "first/weights/A2B.safetensors") in str(refused.value)
    assert train(config, tmp_path / "third", start_from=tmp_path / "first/weights/A2B.safetensors").step == 1


@pytest.mark.parametrize("gan", ["vanilla", "wgangp"])
@pytest.mark.parametrize("clip", [None, 1.0])
def test_other_losses_and_clipping_train(tmp_path: Path, gan: str, clip: float | None) -> None:
    assert train(toy_config(tmp_path, steps=2, gan=gan, grad_clip=clip), tmp_path / "run").step == 2


def test_plateau_lowers_the_rate_only_after_patience(tmp_path: Path) -> None:
    config = toy_config(tmp_path, schedule="plateau", steps=None, epochs=2, epochs_decay=0)
    assert train(config, tmp_path / "run").step == 16
    assert final_state(tmp_path / "run")["schedule"]["factor"] == 1.0

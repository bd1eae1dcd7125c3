"""`imgcycle train`: every option of a run, turned into a TrainConfig."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imgcycle.cli.options import Given, from_fields
from imgcycle.cli.render.recipe import show_recipe
from imgcycle.config.fields import MACHINE, NETS, RHYTHM, option
from imgcycle.config.json import JsonConfig
from imgcycle.config.nets import DiscriminatorKind, NetName
from imgcycle.config.program import ProgramOptions, ReportOptions
from imgcycle.config.training import TrainConfig


@dataclass(frozen=True, kw_only=True)
class NetChoice(JsonConfig):
    """Generator and discriminators, by name and by changes to it; unset values are the method's."""

    net: NetName | None = option(None, "Generator; strokes and luma are for --strokes-of.", panel=NETS, shown="compact")
    width: int | None = option(None, "Channels of the generator's first stage.", panel=NETS)
    skip: bool = option(False, "A compact generator draws the change to its input: for seasons.", panel=NETS)
    discriminator: DiscriminatorKind | None = option(
        None,
        "Discriminator: 70×70 patches, any depth, single pixels; UNIT's two; vgg19 (metrics extra) looks at a "
        "classifier's features as well, and teaches many times sooner.",
        panel=NETS,
        shown="basic",
    )
    discriminator_layers: int | None = option(
        None,
        "Depth of the discriminator, but for basic and pixel; vgg19 up to 4.",
        panel=NETS,
        shown="3; unit 5, 2018 4",
    )
    discriminator_scales: int | None = option(
        None, "Sizes a multiscale or vgg19 discriminator looks at.", panel=NETS, shown="1; unit 2018 3"
    )
    discriminator_width: int | None = option(
        None, "Channels of the discriminator's first stage.", panel=NETS, shown="64"
    )


@dataclass(frozen=True, kw_only=True)
class TrainRun(JsonConfig):
    """Folder and initial weights of a run."""

    output: Path | None = option(None, "Run folder.", names=("-o", "--output"), metavar="RUN", shown="./<A>2<B>")
    recipe: str | None = option(
        None,
        "Settings and stages for a purpose: painting, season, paper, pairs, one-painting, or a file of your own; "
        "options given beside it win. list shows them.",
        metavar="NAME|FILE.toml|list",
        word=True,
    )
    epochs: int | None = option(None, "Length in epochs, half of them decaying.", shown="200")
    resume: bool = option(False, "Continue the run in the run folder.")
    start_from: str | None = option(
        None,
        "Begin with the weights of a style, a file or another run; none: random ones.",
        metavar="STYLE|FILE|RUN|none",
    )
    changed_data: bool = option(False, "--resume although A or B holds other pictures than before.")
    check: bool = option(False, "Look at both folders, say what is there and what to do, and learn nothing.")
    clean: Path | None = option(
        None, "As --check, and copy both folders there without what does not belong.", metavar="OUT"
    )
    config: Path | None = option(None, "JSON file of settings; options given here win.")
    paper: bool = option(False, "The published settings: resnet9, width 64, 286/256, no EMA.")
    terminal_preview: bool = option(
        False,
        "Show samples in the terminal: kitty, Ghostty, iTerm2, WezTerm; else half blocks.",
        panel=RHYTHM,
    )
    tensorboard: bool = option(False, "Write RUN/tensorboard as well (tensorboard extra).", panel=RHYTHM)
    licence: str = option(
        "",
        "Licence of the pictures, for the card.",
        panel=RHYTHM,
        names=("--licence", "--license"),
        metavar="TEXT",
        word=True,
    )
    jobs: int = option(2, "Threads that decode images.", panel=MACHINE, names=("-j", "--jobs"), low=1)


@from_fields
def train(
    program: ProgramOptions, folder: TrainRun, nets: Given[NetChoice], about: Given[TrainConfig], report: ReportOptions
) -> None:
    """Learn to turn images like those in A into images like those in B (and back), without pairs.

    pix2pix alone learns from pairs: equal names in A and B, or A|B side by side in the files of one folder.
    """
    del program  # heeded before a command begins
    given: dict[str, Any] = {**about, **nets}
    given |= {name: value for name, value in folder.__dict__.items() if value not in (None, False, "")}
    from imgcycle.cli.commands.train_config import (
        build_config,
        check_resume,
        list_recipes,
        new_run_settings,
        run_folder,
        shown_command,
    )
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.train import train_listener
    from imgcycle.errors import Interrupted
    from imgcycle.training.loop import train as run_training
    from imgcycle.training.storage.folder import RunFolder
    from imgcycle.training.storage.resuming import RunContext

    if folder.recipe == "list":
        list_recipes(report.json_lines)
        return
    check_resume(given)
    run = folder.output or run_folder(given.get("a"), given.get("b"), given.get("method"))

    def interrupted() -> Interrupted:
        if RunFolder(run).exists():
            return Interrupted(f"interrupted; {run} is as it was last saved", "go on with --resume")
        return Interrupted("interrupted before the run began; the same command begins it")

    start_from = None
    if folder.resume:
        settings = build_config(given, RunFolder(run).read_config()[0].to_dict())
    else:
        stored, start_from = new_run_settings(given)
        settings = build_config(given, stored)
    if folder.check or folder.clean is not None:
        from imgcycle.cli.commands.train_check import check_before

        check_before(settings, folder.clean, quiet=report.quiet, json_lines=report.json_lines)
        return
    context = RunContext(workers=folder.jobs, command=shown_command(), licence=folder.licence)
    board = run / "tensorboard" if folder.tensorboard else None
    listening = train_listener(
        quiet=report.quiet, json_lines=report.json_lines, preview=folder.terminal_preview, board=board
    )
    with graceful_exit(interrupted), listening as listener:
        ended = run_training(
            settings, run, resume=folder.resume, start_from=start_from, changed_data=folder.changed_data,
            context=context, listener=listener,
        )  # fmt: skip
    if ended.interrupted:
        raise Interrupted(f"stopped at step {ended.step} of {ended.steps}, saved in {run}", "go on with --resume")


train.usual = (  # type: ignore[attr-defined]
    *("output", "recipe", "minutes", "steps", "method", "start_from", "resume", "size", "crop", "net", "discriminator"),
    *("device", "quiet", "json_lines"),
)
"""Options that `--help` shows; `--help-all` shows the rest as well."""
train.help_for = show_recipe  # type: ignore[attr-defined]
"""`--help` beside `--recipe NAME` shows what that sets."""

"""`imgcycle train`: every option of a run, turned into a TrainConfig."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from imgcycle.cli.options import DebugOption, JsonOption, QuietOption
from imgcycle.config import (
    CycleMode,
    DiscriminatorKind,
    FeatureLossName,
    GanMode,
    Precision,
    SchedulePolicy,
    Variant,
    Way,
    WeightInit,
)
from imgcycle.config.fields import MACHINE

MethodName = Literal["cyclegan", "cut", "fastcut", "unit", "pix2pix", "simgan", "bigan", "cogan"]
NetName = Literal["compact", "strokes", "resnet9", "resnet6", "unet256", "unet128"]

NETS, LOSSES, DESCENT, RHYTHM = "Nets", "Losses", "Optimisation", "Saving and looking"


def _option(*names: str, help: str, panel: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, show_default=False, **more)


def train(
    a: Annotated[
        Path | None, typer.Argument(help="Folder of images of the first look (A).", show_default=False)
    ] = None,
    b: Annotated[
        Path | None,
        typer.Argument(help="Folder of images of the second look (B); none for A|B files.", show_default=False),
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Run folder.  [default: ./<A>2<B>]")] = None,
    method: Annotated[
        MethodName | None,
        typer.Option(
            help="cyclegan and unit learn both ways; cut and fastcut only A to B, faster; pix2pix needs pairs. "
            "To compare with: simgan (A to B), bigan and cogan (both ways)."
        ),
    ] = None,
    variant: Annotated[Variant | None, typer.Option(help="unit: as published, or the rewrite.  [2017]")] = None,
    direction: Annotated[Way | None, typer.Option(help="pix2pix: which way to learn.  [A2B]")] = None,
    steps: Annotated[int | None, typer.Option(help="Length in steps: constant for half, then linear to 0.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Length in epochs, half of them decaying.  [default: 200]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in the run folder.")] = False,
    start_from: Annotated[
        str | None, typer.Option(help="Begin with the weights of a style, a file or another run.", show_default=False)
    ] = None,
    changed_data: Annotated[
        bool, typer.Option("--changed-data", help="--resume although A or B holds other pictures than before.")
    ] = False,
    config: Annotated[Path | None, typer.Option(help="JSON file of settings; options given here win.")] = None,
    paper: Annotated[
        bool, typer.Option("--paper", help="The published settings: resnet9, width 64, 286/256, no EMA.")
    ] = False,
    size: Annotated[
        str | None, _option(help="Shorter sides are scaled to; full: crops at 1:1.  [286, cogan 143]", panel=NETS)
    ] = None,
    crop: Annotated[int | None, _option(help="Side of the square cut from them.  [256, cogan 128]", panel=NETS)] = None,
    net: Annotated[NetName | None, _option(help="Generator.  [compact]", panel=NETS)] = None,
    px_per_cm: Annotated[
        float | None,
        _option(help="With --size full: scans listed in sources.csv are reduced to this scale.  [off]", panel=NETS),
    ] = None,
    strokes_of: Annotated[
        str | None,
        _option(help="Teach this style's second net, for strokes at 1:1: A/ photographs, B/ scans.", panel=NETS),
    ] = None,
    strokes_detail: Annotated[
        float | None, _option(help="Share of the photographs' detail that it sees.  [0.5]", panel=NETS)
    ] = None,
    strokes_calm: Annotated[
        float | None, _option(help="Blur of the first net's change, in pixels at its work size.  [0]", panel=NETS)
    ] = None,
    width: Annotated[int | None, _option(help="Channels of the generator's first stage.", panel=NETS)] = None,
    skip: Annotated[
        bool, _option("--skip", help="A compact generator draws the change to its input: for seasons.", panel=NETS)
    ] = False,
    discriminator: Annotated[
        DiscriminatorKind | None,
        _option(
            help="Discriminator: 70×70 patches, any depth, single pixels; UNIT's two; vgg19 (metrics extra) looks at a "
            "classifier's features as well, and teaches many times sooner.  [basic]",
            panel=NETS,
        ),
    ] = None,
    discriminator_layers: Annotated[
        int | None,
        _option(
            help="Depth of the discriminator, but for basic and pixel; vgg19 up to 4.  [3; unit 5, 2018 4]", panel=NETS
        ),
    ] = None,
    discriminator_scales: Annotated[
        int | None, _option(help="Sizes a multiscale or vgg19 discriminator looks at.  [1; unit 2018 3]", panel=NETS)
    ] = None,
    shared_blocks: Annotated[
        int | None, _option(help="Residual blocks shared on either side of UNIT's latent.  [1; 2018 0]", panel=NETS)
    ] = None,
    discriminator_width: Annotated[
        int | None, _option(help="Channels of the discriminator's first stage.  [64]", panel=NETS)
    ] = None,
    weight_init: Annotated[WeightInit | None, _option(help="First weights.  [each net's own]", panel=NETS)] = None,
    gan: Annotated[
        GanMode | None, _option(help="Adversarial loss.  [lsgan; unit, pix2pix vanilla]", panel=LOSSES)
    ] = None,
    lambda_gan: Annotated[
        float | None, _option(help="Weight of the adversarial loss.  [1; unit 10]", panel=LOSSES)
    ] = None,
    no_gan: Annotated[bool, _option("--no-gan", help="No adversarial loss.", panel=LOSSES)] = False,
    cycle: Annotated[CycleMode | None, _option(help="Which ways round must lead home.  [both]", panel=LOSSES)] = None,
    lambda_cycle: Annotated[
        float | None, _option(help="Weight of the cycle loss.  [10; unit 100]", panel=LOSSES)
    ] = None,
    lambda_identity: Annotated[
        float | None, _option(help="Weight of cyclegan's identity loss, × lambda-cycle.  [0.5]", panel=LOSSES)
    ] = None,
    lambda_reconstruction: Annotated[
        float | None, _option(help="Weight of UNIT's autoencoders.  [100; 2018 10]", panel=LOSSES)
    ] = None,
    lambda_kl: Annotated[
        float | None, _option(help="Weight of UNIT's KL terms.  [0.1; 2018 0.01]", panel=LOSSES)
    ] = None,
    lambda_vgg: Annotated[
        float | None, _option(help="Weight of UNIT's perceptual loss (metrics extra).  [0]", panel=LOSSES)
    ] = None,
    lambda_l1: Annotated[float | None, _option(help="Weight of pix2pix's L1 loss.  [100]", panel=LOSSES)] = None,
    lambda_self: Annotated[
        float | None, _option(help="Weight of simgan's likeness to the input.  [10]", panel=LOSSES)
    ] = None,
    feature_loss: Annotated[
        FeatureLossName | None,
        _option(help="simgan: likeness in deep features (metrics extra), not pixels.", panel=LOSSES),
    ] = None,
    lambda_shift: Annotated[
        float | None,
        _option(help="Weight of moving as the picture moves, for clips; cyclegan, cut, fastcut.  [0]", panel=LOSSES),
    ] = None,
    lambda_grid: Annotated[
        float | None,
        _option(help="Weight against a grid in what becomes of noise; cyclegan, cut, fastcut.  [0]", panel=LOSSES),
    ] = None,
    diff_augment: Annotated[
        str | None,
        _option(
            help="Changes what discriminators see, for few images: a list of colour,translation,cutout.  [none]",
            panel=LOSSES,
        ),
    ] = None,
    lambda_nce: Annotated[
        float | None, _option(help="Weight of the contrastive loss.  [cut 1, fastcut 10]", panel=LOSSES)
    ] = None,
    nce_patches: Annotated[
        int | None, _option(help="Patches compared an image and layer.  [256]", panel=LOSSES)
    ] = None,
    nce_width: Annotated[int | None, _option(help="Width of the contrastive heads.  [256]", panel=LOSSES)] = None,
    pool: Annotated[
        int | None,
        _option(help="Made images kept for the discriminators.  [50; cyclegan, simgan, bigan]", panel=LOSSES),
    ] = None,
    batch: Annotated[int | None, _option(help="Images a step, of each folder.  [1; cogan 64]", panel=DESCENT)] = None,
    lr: Annotated[float | None, _option(help="Learning rate.  [0.0002; unit 0.0001]", panel=DESCENT)] = None,
    lr_discriminator: Annotated[
        float | None, _option(help="The discriminators' own.  [as --lr]", panel=DESCENT)
    ] = None,
    schedule: Annotated[
        SchedulePolicy | None, _option(help="How the learning rate falls.  [linear; unit constant]", panel=DESCENT)
    ] = None,
    warmup: Annotated[
        int | None, _option(help="Steps over which the generators' rate rises from 0.  [0]", panel=DESCENT)
    ] = None,
    weight_decay: Annotated[
        float | None, _option(help="Pull of weights to 0.  [0; unit 0.0001]", panel=DESCENT)
    ] = None,
    ema: Annotated[
        float | None,
        _option(help="Decay of the averaged weights, after a ramp; 0 is off.  [0.999]", panel=DESCENT),
    ] = None,
    grad_clip: Annotated[float | None, _option(help="Largest norm of a gradient.  [off]", panel=DESCENT)] = None,
    val_a: Annotated[Path | None, _option(help="Validation images of A.", panel=RHYTHM)] = None,
    val_b: Annotated[Path | None, _option(help="Validation images of B.", panel=RHYTHM)] = None,
    val_every: Annotated[int | None, _option(help="Steps between validations.  [2000]", panel=RHYTHM)] = None,
    sample_every: Annotated[int | None, _option(help="Steps between sample grids.  [500]", panel=RHYTHM)] = None,
    save_every: Annotated[int | None, _option(help="Steps between saves.  [500]", panel=RHYTHM)] = None,
    licence: Annotated[
        str, _option("--licence", "--license", help="Licence of the pictures, for the card.", panel=RHYTHM)
    ] = "",
    device: Annotated[str | None, _option(help="auto, cpu, cuda, cuda:1, mps.  [auto]", panel=MACHINE)] = None,
    precision: Annotated[
        Precision | None, _option(help="Compute type; auto goes by the hardware.  [auto]", panel=MACHINE)
    ] = None,
    jobs: Annotated[int, _option("-j", "--jobs", help="Threads that decode images.  [2]", panel=MACHINE)] = 2,
    seed: Annotated[int | None, _option(help="Seed of everything random.  [0]", panel=MACHINE)] = None,
    quiet: QuietOption = False,
    json_lines: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Learn to turn images like those in A into images like those in B (and back), without pairs.

    pix2pix alone learns from pairs: equal names in A and B, or A|B side by side in the files of one folder.
    """
    given = {name: value for name, value in locals().items() if value is not None}
    from imgcycle.cli.commands.train_config import build_config, check_resume, read_settings, run_folder, shown_command
    from imgcycle.cli.interrupts import graceful_exit
    from imgcycle.cli.render.train import train_listener
    from imgcycle.errors import Interrupted
    from imgcycle.training.loop import train as run_training
    from imgcycle.training.run import RunContext
    from imgcycle.training.storage.folder import RunFolder

    check_resume(given)
    run = output or run_folder(a, b, method)

    def interrupted() -> Interrupted:
        if RunFolder(run).exists():
            return Interrupted(f"interrupted; {run} is as it was last saved", "go on with --resume")
        return Interrupted("interrupted before the run began; the same command begins it")

    if resume:
        settings = build_config(given, RunFolder(run).read_config()[0].to_dict())
    else:
        settings = build_config(given, read_settings(config) if config else None)
    context = RunContext(workers=jobs, command=shown_command(), licence=licence)
    with graceful_exit(interrupted), train_listener(quiet=quiet, json_lines=json_lines) as listener:
        ended = run_training(
            settings, run, resume=resume, start_from=start_from, changed_data=changed_data,
            context=context, listener=listener,
        )  # fmt: skip
    if ended.interrupted:
        raise Interrupted(f"stopped at step {ended.step} of {ended.steps}, saved in {run}", "go on with --resume")

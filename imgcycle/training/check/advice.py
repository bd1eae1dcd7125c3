"""Advice after a folder check, as sentences."""

from __future__ import annotations

from collections.abc import Iterator

from imgcycle.config import TrainConfig
from imgcycle.methods.base import Method
from imgcycle.training.check.report import CheckReport, FolderFacts

FEW, SOME, MANY = 15, 60, 250
"""Numbers of images of the target look: below these a little is learnt, one painter's style, a style with its
variety.
"""
TOLD_APART = 0.8
"""Share of images below which a classifier cannot distinguish two folders; half is chance."""
_GREY = 0.5
_REPEATED = 0.05


def advice_on(report: CheckReport, config: TrainConfig, method: type[Method]) -> Iterator[str]:
    """Yield sentences, the most important first."""
    yield from _number(report, method)
    yield from _size(report.a, config)
    if report.b.root != report.a.root:
        yield from _size(report.b, config)
    count = report.a.pictures + report.b.pictures
    by_kind = {kind: sum(remark.kind == kind for remark in report.remarks) for kind in ("duplicate", "near")}
    if by_kind["duplicate"] + by_kind["near"] > _REPEATED * count:
        yield (
            f"{by_kind['duplicate'] + by_kind['near']} pictures are there more than once: they count as often, and "
            "the rest counts less."
        )
    if report.told_apart is not None and report.told_apart < TOLD_APART:
        yield (
            f"The two folders look alike: a classifier puts {100 * report.told_apart:.0f} % of the pictures into the "
            "right one, where 50 % is chance. Little can be learnt from so small a difference; look at what is "
            "named below, or choose clearer examples."
        )
    if (report.a.grey > _GREY) != (report.b.grey > _GREY):
        one = report.a if report.a.grey > _GREY else report.b
        yield f"{one.root.name} is mostly without colour: what is learnt will be that before anything else."
    yield _length(report, config)


def _number(report: CheckReport, method: type[Method]) -> Iterator[str]:
    if method.fewest_b == 1:
        enough = "more scenes teach more." if report.a.pictures < SOME else "enough."
        yield f"{report.a.pictures:,} pictures in {report.a.root.name} to learn the look of single ones on: {enough}"
        return
    least = min(report.a, report.b, key=lambda facts: facts.pictures)
    many, name = f"{least.pictures:,} pictures in {least.root.name}", least.root.name
    if method.paired:
        yield f"{report.a.pictures:,} pairs: " + (
            "enough for a filter-like look; hundreds teach more." if report.a.pictures < SOME else "enough to begin."
        )
    elif least.pictures < FEW:
        yield (
            f"{many}: too few to tell a look from single pictures. A dozen more would help most; else "
            "--diff-augment translation,cutout and an early end."
        )
    elif least.pictures < SOME:
        yield (
            f"{many}: enough for one painter or one kind of scene, from good weights: --start-from a style near it "
            "(monet for a painter, winter for a season) with --diff-augment translation,cutout; look at the samples "
            "often, for in time they are learnt by heart."
        )
    elif least.pictures < MANY:
        yield f"{many}: enough. --diff-augment translation,cutout keeps them from being learnt by heart."
    else:
        yield f"{many} or more: plenty. What matters now is that {name} holds nothing else."


def _size(facts: FolderFacts, config: TrainConfig) -> Iterator[str]:
    least, median, _ = facts.shorter
    if config.size == "full" or not facts.paths:
        return
    if median < config.size:
        yield (
            f"Half of {facts.root.name} has shorter sides below {config.size} pixels (the median is {median}) and is "
            f"enlarged, which is learnt as blur: --size {median} --crop {round(0.9 * median) // 4 * 4}."
        )
    elif least < config.size:
        yield f"The smallest of {facts.root.name}, {least} pixels, is enlarged to {config.size}: leave the small out."


def _length(report: CheckReport, config: TrainConfig) -> str:
    if config.minutes is not None:
        at_most = "" if config.most_steps is None else f", at most {config.most_steps:,} are taken"
        return (
            f"An epoch is {report.steps_per_epoch:,} steps; "
            f"how many fit into {config.minutes:g} minutes is measured first{at_most}."
        )
    epochs = config.epochs + config.epochs_decay
    steps = config.steps or epochs * report.steps_per_epoch
    asked = f"{config.steps:,} steps" if config.steps else f"{epochs} epochs"
    said = f"An epoch is {report.steps_per_epoch:,} steps; {asked} are "
    return said + (f"{steps / report.steps_per_epoch:.1f} epochs." if config.steps else f"{steps:,} steps.")

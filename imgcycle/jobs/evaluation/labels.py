"""Segmentation scores of label images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from imgcycle.errors import InputError, UsageError, reported
from imgcycle.jobs.evaluation.pairing import pair_up
from imgcycle.jobs.evaluation.samples import pictures, read_ahead
from imgcycle.jobs.evaluation.types import Evaluated, EvaluationEvent, LabelReport, LeftOut, Measured
from imgcycle.media.files import read_file
from imgcycle.media.image.pixels import eight_bit
from imgcycle.media.image.read import read_still
from imgcycle.media.paths import shown
from imgcycle.metrics.segmentation import (
    Counts,
    Palette,
    Pixels,
    commonest_class,
    confusion,
    label_scores,
    parse_palette,
)

PROTOCOL = (
    "truth: each pixel the nearest colour of the palette, ignored ones left out",
    "prediction: scaled to the truth's size by nearest pixel, each pixel the nearest colour of a class",
    "accuracy: mean over the classes in the truth; IoU: mean over those in truth or prediction; pixels of all pictures",
)


def evaluate_labels(predictions: str, truth: str, palette: str, jobs: int = 2) -> Iterator[EvaluationEvent]:
    """Score label images in one folder against those of the same names in another; ends with `Evaluated`.

    UsageError if the palette cannot be read, no names match, or nothing can be scored.
    """
    known = _palette(Path(palette))
    pairing = pair_up(pictures(predictions), pictures(truth))
    if not pairing.pairs:
        raise UsageError(f"no file in {shown(predictions)} has the name of one in {shown(truth)}")
    left_out = [LeftOut(str(path), f"nothing in {shown(truth)} belongs to it") for path in pairing.alone]
    yield from left_out
    counts: Counts = np.zeros((len(known.classes),) * 2, np.int64)
    scored = 0
    for position, (pair, found) in enumerate(read_ahead(lambda p: _counted(*p, known), pairing.pairs, jobs), 1):
        if isinstance(found, InputError):
            left_out.append(LeftOut(str(pair[0]), str(found)))
            yield left_out[-1]
        else:
            counts += found
            scored += 1
        yield Measured(position, len(pairing.pairs))
    if not scored:
        raise UsageError("no pair of pictures could be read")
    yield Evaluated(_report(known, counts, scored, len(left_out)))


def _report(known: Palette, counts: Counts, scored: int, left_out: int) -> LabelReport:
    scores, lazy = label_scores(counts), label_scores(commonest_class(counts))
    return LabelReport(
        pictures=scored,
        left_out=left_out,
        per_pixel=scores.per_pixel,
        per_class=scores.per_class,
        class_iou=scores.class_iou,
        commonest=known.classes[int(counts.sum(1).argmax())],
        commonest_per_pixel=lazy.per_pixel,
        commonest_per_class=lazy.per_class,
        commonest_class_iou=lazy.class_iou,
        classes=known.classes,
        accuracies=scores.accuracies,
        ious=scores.ious,
        protocol=PROTOCOL,
    )


def _palette(path: Path) -> Palette:
    unread = f"the palette {shown(path)} cannot be read"
    try:
        with reported(UsageError, unread):
            return parse_palette(path.read_text("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{unread}: not text") from error


def _counted(prediction: Path, truth: Path, known: Palette) -> Counts:
    right = _pixels(truth)
    found = _pixels(prediction)
    if found.shape != right.shape:
        size = (right.shape[1], right.shape[0])
        found = np.asarray(Image.fromarray(found).resize(size, Image.Resampling.NEAREST))
    return confusion(known.truth(right), known.found(found), len(known.classes))


def _pixels(path: Path) -> Pixels:
    """Pixels HWC uint8 as stored, without colour management: colours stand for labels."""
    try:
        with reported(InputError):
            return eight_bit(read_still(read_file(path)).pixels)
    except InputError as error:
        raise error.at(shown(path)) from error

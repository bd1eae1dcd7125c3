"""Drop what does not belong from two folders of training pictures: `python pretrained/clean.py A B -o OUT`.

The season sets come from tags: there is snow in "summer", and plaques and portraits in both. A picture is dropped
when a classifier that never saw it says with confidence that it belongs to the other folder (label noise found by
cross-validation: Northcutt et al., Confident Learning, 2021), or when it is far from every other picture of both
folders (off topic). What is kept is copied to OUT/<name of A>/ and OUT/<name of B>/; what is dropped is listed in
OUT/dropped.tsv with its reason, for a look. Same pictures, same result. Needs the extras `metrics` and `bench`.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from imgcycle.data.batches import stack, to_signed
from imgcycle.data.folders import ImageFolder
from imgcycle.metrics.features import FeatureNet

OTHER = 0.35
"""Least probability of its own folder that a picture is kept with."""
FAR = 0.03
"""Share of the pictures, those farthest from their neighbours, that is dropped as off topic."""
NEIGHBOURS = 5
FOLDS = 10
SIDE = 256


def belonging(features: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    """The probability that each picture (a row) belongs to the folder it lies in, by a classifier that never saw it."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(classifier, features, own, cv=folds, method="predict_proba")
    return np.asarray(said[np.arange(len(own)), own])


def remoteness(features: NDArray[Any]) -> NDArray[Any]:
    """Mean distance of each picture (a row, made of length 1) to its nearest pictures."""
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(rows).kneighbors(rows)
    return np.asarray(distances[:, 1:].mean(1))


def drops(features: NDArray[Any], own: NDArray[Any]) -> dict[int, str]:
    """The pictures (rows) to drop, and why; `own` tells each one's folder, 0 or 1."""
    why: dict[int, str] = {}
    far = remoteness(features)
    for index in np.argsort(-far, kind="stable")[: round(FAR * len(far))]:
        why[int(index)] = f"off topic: {far[index]:.3f} from the nearest {NEIGHBOURS} pictures"
    for index, chance in enumerate(belonging(features, own)):
        if chance < OTHER:
            why[index] = f"like the other folder: its own at {chance:.2f}"
    return why


def with_pages(folder: ImageFolder, net: FeatureNet) -> NDArray[Any]:
    """A row of features for every picture of a folder."""

    def batches() -> Iterator[torch.Tensor]:
        for start in range(0, len(folder), 8):
            yield to_signed(stack([folder.centre(i, SIDE) for i in range(start, min(start + 8, len(folder)))]))

    return np.asarray(net.features(batches()))


def main(arguments: list[str] | None = None) -> None:
    """Read, decide, copy, and say how many were dropped."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("a", type=Path)
    parser.add_argument("b", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--names", nargs=2, metavar="NAME", help="folders made in OUT (default: those of A and B)")
    chosen = parser.parse_args(arguments)
    net = FeatureNet(torch.device("cpu"))
    folders = [ImageFolder(path, SIDE) for path in (chosen.a, chosen.b)]
    rows = [with_pages(folder, net) for folder in folders]
    own = np.repeat([0, 1], [len(r) for r in rows])
    why = drops(np.concatenate(rows), own)
    paths = [path for folder in folders for path in folder.paths]
    names = chosen.names or [folder.root.resolve().name for folder in folders]
    for name in names:
        (chosen.output / name).mkdir(parents=True)
    for index, path in enumerate(paths):
        if index not in why:
            shutil.copy2(path, chosen.output / names[own[index]] / path.name)
    table = "".join(f"{paths[i]}\t{reason}\n" for i, reason in sorted(why.items()))
    (chosen.output / "dropped.tsv").write_text(table, "utf-8")
    for side, name in enumerate(names):
        dropped = sum(own[i] == side for i in why)
        sys.stdout.write(f"{name}: {int((own == side).sum()) - dropped} kept, {dropped} dropped\n")


if __name__ == "__main__":
    main()

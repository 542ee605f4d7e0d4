"""The multi-class predictor of a level: a forest of extremely randomised trees (Geurts et al., 2006).

The original boosts random forests; these are as strong here and are trained once. A seed gives the same forest, and the
same beliefs to the bit, for any number of jobs: beliefs are added up tree by tree.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cpm_repro.needing import needing

from .needing import EXTRA


def fit_forest(
    features: NDArray[np.float32],
    classes: NDArray[np.int64],
    trees: int,
    smallest_leaf: int,
    seed: int,
    jobs: int,
) -> Any:
    """A forest that tells the classes (n,) of rows of features (n, F)."""
    with needing("scikit-learn", "the pose machine's predictors", EXTRA):
        from sklearn.ensemble import ExtraTreesClassifier

    forest = ExtraTreesClassifier(
        trees, min_samples_leaf=smallest_leaf, max_features="sqrt", random_state=seed, n_jobs=jobs
    )
    return forest.fit(features, classes)


def beliefs(forest: Any, features: NDArray[np.float32], number_of_classes: int) -> NDArray[np.float32]:
    """float32 (n, classes): how much the forest believes in each class at each row of features (n, F)."""
    total = np.zeros((len(features), len(forest.classes_)))
    for tree in forest.estimators_:
        total += tree.predict_proba(features, check_input=False)
    believed = np.zeros((len(features), number_of_classes), np.float32)
    believed[:, forest.classes_] = total / len(forest.estimators_)
    return believed

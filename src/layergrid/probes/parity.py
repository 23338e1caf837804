"""The probe as the published recipe fits it (Orgad et al. 2025): for comparison, faults and all; it knows one split.

scikit-learn's logistic regression with its defaults: L2, C = 1, lbfgs, at most 100 iterations, features unscaled.
"""

from __future__ import annotations

import warnings

import numpy as np

from layergrid.artifacts import Floats, Ints
from layergrid.probes.solving import Targets

TEST_SHARE = 0.2


def published_split(n: int, seed: int) -> Ints:
    """One 80/20 split, int [n]: -1 for training rows, 0 for test rows; neither labels nor groups play a part."""
    from sklearn.model_selection import train_test_split

    found = np.full(n, -1, dtype=np.int64)
    found[train_test_split(np.arange(n), test_size=TEST_SHARE, random_state=seed)[1]] = 0
    return found


def fit_as_published(x: Floats, y: Targets, folds: Ints) -> tuple[Floats, int]:
    """Scores float32 [m] of the test rows, and 1 where the solver stopped before it converged."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        model = LogisticRegression().fit(x[folds < 0], y[folds < 0])
    stopped = any(issubclass(one.category, ConvergenceWarning) for one in caught)
    return np.asarray(model.decision_function(x[folds == 0]), dtype=np.float32), int(stopped)

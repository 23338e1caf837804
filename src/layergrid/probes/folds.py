"""Which rows each fold holds out, decided by their content alone; it knows no feature."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np

from layergrid.artifacts import Bools, Ints


def canonical_order(contents: Sequence[bytes], names: Sequence[str], seed: int) -> Ints:
    """Row numbers sorted by a digest of the seed and each row's content, so that their order in the file is forgotten.

    Rows of equal content are sorted by name. Folds are to be assigned, and sums to be made, in this order.
    """
    salt = f"layergrid folds {seed}:".encode()
    keys = [(hashlib.sha256(salt + content).digest(), name) for content, name in zip(contents, names, strict=True)]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)


def group_codes(groups: Sequence[str]) -> Ints:
    """Groups numbered as they first appear, int [n], so that their names are forgotten."""
    codes: dict[str, int] = {}
    return np.array([codes.setdefault(g, len(codes)) for g in groups], dtype=np.int64)


def assign_folds(labels: Bools | Ints, groups: Ints, folds: int, seed: int) -> Ints:
    """The fold in which each row is held out, int [n], 0 to `folds` - 1: groups whole, classes balanced.

    scikit-learn's StratifiedGroupKFold, shuffled with the seed, on rows in canonical order and groups by their codes.
    Raises ValueError where there are fewer groups than folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    found = np.empty(len(labels), dtype=np.int64)
    for k, (_, rows) in enumerate(splitter.split(groups[:, None], labels, groups)):
        found[rows] = k
    return found

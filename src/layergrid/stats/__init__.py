"""Statistics of held-out scores and of grouped rows; they know no model, no grid and no probe.

ranks     AUROC of one set of rows
kfold     its mean over folds, with intervals and paired differences
many      corrections for many tests
grouped   means and medians over grouped rows, without folds
"""

from layergrid.stats.base import NAN, Array
from layergrid.stats.grouped import RESAMPLES, Estimates, grouped_gap, grouped_mean, grouped_median, student
from layergrid.stats.kfold import (
    Interval,
    Scored,
    Split,
    boundary_interval,
    difference_interval,
    evaluate,
    fold_variance,
    mean_interval,
    quantile,
)
from layergrid.stats.many import holm
from layergrid.stats.ranks import auroc, clustered_variance, midranks, placements

__all__ = [
    "NAN",
    "RESAMPLES",
    "Array",
    "Estimates",
    "Interval",
    "Scored",
    "Split",
    "auroc",
    "boundary_interval",
    "clustered_variance",
    "difference_interval",
    "evaluate",
    "fold_variance",
    "grouped_gap",
    "grouped_mean",
    "grouped_median",
    "holm",
    "mean_interval",
    "midranks",
    "placements",
    "quantile",
    "student",
]

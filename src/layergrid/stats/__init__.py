"""Statistics of held-out scores and of grouped rows; they know no model, no grid and no probe.

ranks     AUROC of one set of rows
batch     metrics of many rows of scores at once
metrics   AUROC, macro AUROC, accuracy, R2 and rank correlation, with the variance of each
kfold     their means over folds, with intervals and paired differences
across    the difference of two such means that do not share their folds
relabel   whose labels each row takes under the null
many      corrections for many tests
power     the smallest AUROC that a split could show
grouped   means and medians over grouped rows, without folds
"""

from layergrid.stats.across import across_interval, row_influences
from layergrid.stats.base import NAN, Array
from layergrid.stats.batch import aurocs, many_values
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
from layergrid.stats.many import critical, holm, max_statistic, standardised
from layergrid.stats.metrics import ACCURACY, AUROC, MACRO_AUROC, METRICS, R2, RANK_CORRELATION, Metric, Target
from layergrid.stats.power import detectable, hanley_mcneil
from layergrid.stats.ranks import auroc, clustered_variance, midranks, placements
from layergrid.stats.relabel import relabellings, unmoved

__all__ = [
    "ACCURACY",
    "AUROC",
    "MACRO_AUROC",
    "METRICS",
    "NAN",
    "R2",
    "RANK_CORRELATION",
    "RESAMPLES",
    "Array",
    "Estimates",
    "Interval",
    "Metric",
    "Scored",
    "Split",
    "Target",
    "across_interval",
    "auroc",
    "aurocs",
    "boundary_interval",
    "clustered_variance",
    "critical",
    "detectable",
    "difference_interval",
    "evaluate",
    "fold_variance",
    "grouped_gap",
    "grouped_mean",
    "grouped_median",
    "hanley_mcneil",
    "holm",
    "many_values",
    "max_statistic",
    "mean_interval",
    "midranks",
    "placements",
    "quantile",
    "relabellings",
    "row_influences",
    "standardised",
    "student",
    "unmoved",
]

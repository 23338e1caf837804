"""Values, intervals and paired differences of held-out scores, source by target; it fits nothing and chooses nothing.

The estimator and its interval are those of a probe grid. Between data sets of different questions no target row trains
the source, so that its second term, which stands for rows that train and are scored, makes intervals too long rather
than too short. Between positions, layers and models the questions are the same, and it is due as on the diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from layergrid.artifacts import HAS_VALUE, Baseline, Bounded, CellStatus, Domain, Floats, Strings
from layergrid.baselines import BUILT_IN, built_in_scores, why_no_scores
from layergrid.baselines import asked as model_asked
from layergrid.probing.names import P_TRUE
from layergrid.selection import NOTHING_VARIES, as_estimate
from layergrid.stats import Array, Interval, Scored, Split, difference_interval, evaluate, mean_interval
from layergrid.transfer.domains import Rows


def empty(size: int) -> Bounded:
    """No number for any pair."""
    return Bounded(*(np.full((size, size), np.nan) for _ in range(3)))


def split_of(domain: Domain) -> Split:
    """The rows of a domain as they were held out."""
    codes = np.unique(np.array(domain.groups), return_inverse=True)[1]
    return Split(domain.labels, codes, domain.folds)


def judged(
    domains: Sequence[Domain], status: Strings, reason: Strings, best: Sequence[str], level: float
) -> tuple[Bounded, Bounded, Bounded]:
    """Values, differences from each target's best baseline and from its own probe; changes `status` and `reason`."""
    size = len(domains)
    raw, over, lost = (empty(size) for _ in range(3))
    for t, domain in enumerate(domains):
        if status[t, t] not in HAS_VALUE and not (status[:, t] == CellStatus.OK.value).any():
            continue
        split = split_of(domain)
        found: dict[int, Scored] = {}
        for s in map(int, np.flatnonzero(np.isin(status[:, t], list(HAS_VALUE)))):
            one = evaluate(split, domain.scores[s].astype(np.float64))
            interval = mean_interval(split, one, level)
            if np.isnan(interval.low):
                status[s, t], reason[s, t] = CellStatus.CONSTANT.value, NOTHING_VARIES
                continue
            status[s, t] = (CellStatus.BOUNDARY if interval.boundary else CellStatus.OK).value
            found[s] = one
            _put(raw, s, t, interval)
        base = evaluate(split, domain.baselines[best[t]]) if best[t] else None
        for s, one in found.items():
            if base is not None:
                _put(over, s, t, difference_interval(split, one, base, level))
            if t in found and s != t:
                _put(lost, s, t, difference_interval(split, found[t], one, level))
    return raw, over, lost


def _put(into: Bounded, s: int, t: int, found: Interval) -> None:
    into.value[s, t], into.low[s, t], into.high[s, t] = found.value, found.low, found.high


# ---------------------------------------------------------------- baselines


def baseline_scores(names: Sequence[str], predict: str, rows: Rows) -> dict[str, Floats | str]:
    """Scores float64 [n] of each baseline for the positive class, or why it has none.

    None at all where labels come from a column: these predictors speak of answers being wrong.
    """
    inputs = rows.read.inputs
    if predict == "label" or not inputs.sequences.written:
        return {}
    found: dict[str, Floats | str] = {}
    for name in names:
        wrongness = _wrongness(name, rows)
        if isinstance(wrongness, str):
            found[name] = wrongness
        else:
            signed = wrongness if predict == "error" else -wrongness
            found[name] = (why_no_scores(wrongness, name) if name in BUILT_IN else "") or signed
    return found


def _wrongness(name: str, rows: Rows) -> Array | str:
    """A predictor's scores [n], higher where an answer is more likely wrong; or why there are none."""
    inputs = rows.read.inputs
    if name == P_TRUE:
        return model_asked.p_true_scores(inputs.p_true, inputs.p_true_reason, rows.index)
    return built_in_scores(name, inputs.sequences, inputs.labels, rows.index)


def baselines(domain: Domain, scores: Mapping[str, Floats | str], level: float) -> tuple[Baseline, ...]:
    """What each baseline reaches on a domain's rows."""
    split, n = split_of(domain), len(domain.example_ids)
    found = []
    for name, own in scores.items():
        label = BUILT_IN[name].label if name in BUILT_IN else model_asked.LABEL
        if isinstance(own, str):
            found.append(Baseline(name, label, None, None, own, "completion"))
            continue
        interval = mean_interval(split, evaluate(split, own), level)
        if np.isnan(interval.low):
            found.append(Baseline(name, label, None, None, NOTHING_VARIES, "completion"))
        else:
            found.append(Baseline(name, label, as_estimate(interval, level, n), None, "", "completion"))
    return tuple(found)


def best_of(many: Sequence[Baseline]) -> str:
    """The name of the baseline with the highest value, the first of equals; empty where none has one."""
    valued = [one for one in many if one.estimate is not None]
    return max(valued, key=lambda one: one.estimate.value if one.estimate else 0.0).name if valued else ""

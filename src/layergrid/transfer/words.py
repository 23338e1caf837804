"""What a report says of a transfer: its quantity and the settings of its methods; it computes no statistic."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from layergrid.artifacts import Quantity
from layergrid.baselines import BUILT_IN
from layergrid.baselines import asked as model_asked
from layergrid.probes.preparing import HOW, TOLERANCES, solver_name
from layergrid.probing.words import INTERVAL
from layergrid.selection import group_column
from layergrid.spec import TransferSpec
from layergrid.text import site_name
from layergrid.transfer.domains import FINE, Laid
from layergrid.transfer.fitting import Failed, Probe
from layergrid.transfer.grouping import Grouped

ELSEWHERE = {
    "datasets": "on one data set and scored on another",
    "positions": "at one token position and scored at another",
    "layers": "at one layer and scored at another",
    "models": "on the states of one model and scored on those of another",
}
CAUTIOUS = "; off the diagonal, where no row of the target trains the source's probe, intervals are longer than need be"
SAME_ROWS = "; off the diagonal too, since the source's probe is trained on rows of the same questions"
SCALED = "each feature divided by its standard deviation over the source's training rows, and target rows by the same"


def quantity(asked: TransferSpec, laid: Laid) -> Quantity:
    """What a cell is, in words."""
    positive, negative = laid.rows[0].words
    told = positive.split()[0] if asked.predict in ("error", "correct") else positive
    return Quantity(
        name="AUROC",
        sentence=f"Each cell is the held-out AUROC, averaged over the folds, of a linear probe that reads the "
        f"{site_name(asked.site, asked.head)}, is trained {ELSEWHERE[asked.over]}, and tells {told} from {negative}.",
        subject="errors" if asked.predict == "error" else positive,
        claim="decodable", low=0.0, high=1.0, chance=0.5, positive=positive,
        caution="A probe that transfers reads something that both share; it need not be what the model itself uses.",
    )  # fmt: skip


def settings(
    asked: TransferSpec, laid: Laid, groups: Grouped, probes: Mapping[tuple[int, int], Probe | Failed], seed: int
) -> dict[str, Any]:
    """JSON values for the methods."""
    width = int(laid.rows[0].read.states.values.shape[-1])
    trained = [len(one.index) * (asked.folds - 1) // asked.folds for one in laid.rows]
    solvers = {solver_name(max(1, n), width) for n in trained}
    return {
        "predict": asked.predict, "folds": asked.folds, "inner_folds": asked.folds - 1, "seed": seed,
        "penalties": list(asked.penalty_values), "level": asked.level, "width": width,
        "scaling": SCALED, "interval": INTERVAL["auroc"] + _off_diagonal(asked, groups),
        "solver": "; ".join(sorted(HOW[one] for one in solvers)),
        "tolerance": "; ".join(sorted(TOLERANCES[one] for one in solvers)),
        "layers": _layers(laid),
        "positions": _positions(laid), "positions_left_out": list(laid.left_out),
        "unconverged_fits": sum(one.unconverged for one in probes.values()),
        "groups_across": groups.across, "near_duplicates": {"rows": groups.near[0], "clusters": groups.near[1]},
        "baseline_signs": {name: _sign(name) for name in asked.baselines if asked.predict != "label"},
        "sets": [_of_set(one) for one in laid.rows],
        "paired": len(laid.rows) == 1,
    }  # fmt: skip


def _off_diagonal(asked: TransferSpec, groups: Grouped) -> str:
    """What the term for shared training rows is off the diagonal: due where both sides hold the same questions."""
    return SAME_ROWS if asked.over != "datasets" or groups.across else CAUTIOUS


def _sign(name: str) -> str:
    return BUILT_IN[name].sign if name in BUILT_IN else model_asked.SIGN


def _of_set(rows: Any) -> dict[str, Any]:
    """How many rows of a set of answers count, and which do not."""
    inputs = rows.read.inputs
    dropped = np.setdiff1d(np.arange(len(inputs.examples.ids)), rows.index)
    right = int(np.count_nonzero(inputs.labels.correct[dropped])) if inputs.labels.known else 0
    return {
        "model": rows.names[0], "dataset": rows.names[1], "rows": len(rows.index),
        "rows_in_all": len(inputs.examples.ids), "dropped_correct": right, "dropped_wrong": len(dropped) - right,
        "group": group_column(inputs.examples),
    }  # fmt: skip


def _layers(laid: Laid) -> list[int]:
    found = (laid.rows[p.rows].read.states.layers[c] for p in laid.places if p.trouble == FINE for c, _ in p.cells)
    return sorted(set(found))


def _positions(laid: Laid) -> list[str]:
    found = (laid.rows[p.rows].read.states.positions[c] for p in laid.places if p.trouble == FINE for _, c in p.cells)
    return list(dict.fromkeys(found))

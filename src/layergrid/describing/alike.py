"""How alike two sides of the same rows are: cosines, and CKA with a jackknife; it knows rows and states, never a grid.

A side is states [n, D] that are read a few rows at a time, so that neither all rows of all cells nor a copy in double
precision need fit in memory. Sums are made in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from layergrid.artifacts import Bools, Ints
from layergrid.stats import Array

Form = Literal["plain", "centred", "correlation"]

BLOCK = 2**18  # numbers of one side in memory at once as float64: they stay in the processor's cache
SAME = 1e-6  # of a state's norm: what is left after centring below this is the rounding of float32
FEWEST = 4  # rows that the unbiased HSIC needs


@dataclass(frozen=True)
class Side:
    """States of n rows, of D dimensions."""

    read: Callable[[Ints], Array]  # row numbers [m] -> float64 [m, D]
    rows: int
    width: int


# ---------------------------------------------------------------- cosines


@dataclass(frozen=True)
class Plan:
    """The order in which rows are read: rows of one pool and group stand together, and no block parts them."""

    order: Ints  # int [n]: row numbers
    pools: Ints  # int [n], in that order: unrelated rows are taken from the same pool
    units: Ints  # int [n], in that order: pool and group as one number, rising
    blocks: tuple[slice, ...]

    @classmethod
    def of(cls, groups: Ints, pools: Ints, width: int) -> Plan:
        """The plan for rows of these groups [n] and pools [n]."""
        order = np.lexsort((groups, pools))
        _, units = np.unique(np.stack((pools, groups))[:, order], axis=1, return_inverse=True)
        starts = np.flatnonzero(np.diff(units, prepend=-1))
        steps = starts // max(1, BLOCK // max(1, width))
        cuts = [*starts[np.flatnonzero(np.diff(steps, prepend=-1))], len(order)]
        blocks = tuple(slice(int(a), int(b)) for a, b in pairwise(cuts))
        return cls(order, pools[order], units, blocks)


class Directions:
    """The unit vectors of one side, with their sums over each pool; made once where many sides are held against it."""

    def __init__(self, side: Side, form: Form, plan: Plan) -> None:
        self.side, self.form, self.plan = side, form, plan
        self.mean = self._mean() if form == "centred" else np.zeros(side.width)
        self.sums = np.zeros((int(plan.pools.max(initial=-1)) + 1, side.width))
        self.finite = np.ones(side.rows, dtype=np.bool_)  # in the order of the plan
        for block in plan.blocks:
            states = side.read(plan.order[block])
            self.finite[block] = np.isfinite(states).all(axis=1)
            units, pools = np.nan_to_num(self._units(states)), plan.pools[block]
            for pool in np.unique(pools):
                self.sums[pool] += units[pools == pool].sum(axis=0)

    def block(self, block: slice) -> Array:
        """Unit vectors [m, D]; NaN where a state has no direction, or where it is not finite."""
        return self._units(self.side.read(self.plan.order[block]))

    def _mean(self) -> Array:
        total = np.zeros(self.side.width)
        for block in self.plan.blocks:
            states = self.side.read(self.plan.order[block])
            total += states[np.isfinite(states).all(axis=1)].sum(axis=0)
        return total / max(1, self.side.rows)

    def _units(self, states: Array) -> Array:
        with np.errstate(invalid="ignore", divide="ignore"):
            whole = np.sqrt(np.einsum("nd,nd->n", states, states))
            if self.form == "centred":
                states = states - self.mean
            elif self.form == "correlation":
                states = states - states.mean(axis=1, keepdims=True)
            left = np.sqrt(np.einsum("nd,nd->n", states, states))
            return np.asarray(states / np.where(left > SAME * whole, left, np.nan)[:, None])


@dataclass(frozen=True)
class Cosines:
    """What comes of two sides, row by row."""

    own: Array  # [n]: cosine of a row's two states; NaN where it has none
    mismatched: Array  # [n]: what a row adds to the mean over mismatched pairs; NaN where its pool has one group
    not_finite: int  # rows with a state that is not finite
    undefined: int  # rows with a finite state that has no direction: zero, or nothing left after centring


def cosines(one: Directions, other: Directions) -> Cosines:
    """Cosines of each row's two states, and of the states of rows of different groups of a pool, over all such pairs.

    With a_i the mean cosine of row i's first state with the second states of the rows of other groups, and b_i that of
    its second state with their first ones, a row's mismatched value is a_i + b_i less the mean of b over its pool: the
    rows' mean is that of a, and their spread that of a mean over pairs, to which each row adds from both sides
    (Hajek's projection of a U-statistic). No pair is left out and none is drawn: sums of unit vectors hold them all.
    """
    plan = one.plan
    n = one.side.rows
    own, a, b = np.empty(n), np.full(n, np.nan), np.full(n, np.nan)
    sizes = np.bincount(plan.pools, minlength=len(one.sums))
    for block in plan.blocks:
        x, y, pool = one.block(block), other.block(block), plan.pools[block]
        own[block] = np.einsum("nd,nd->n", x, y)
        starts = np.flatnonzero(np.diff(plan.units[block], prepend=-1))
        mine: Ints = np.diff(np.append(starts, len(x)))
        unit = np.repeat(np.arange(len(starts)), mine)
        others = (sizes[pool] - mine[unit]).astype(np.float64)
        others[others == 0] = np.nan
        here = np.arange(len(x))
        to_all, from_all = (x @ other.sums.T)[here, pool], (y @ one.sums.T)[here, pool]
        a[block] = (to_all - np.einsum("nd,nd->n", x, _of_groups(y, starts, unit))) / others
        b[block] = (from_all - np.einsum("nd,nd->n", y, _of_groups(x, starts, unit))) / others
    for same in (plan.pools == p for p in range(len(one.sums))):
        a[same] += b[same] - (b[same].mean() if same.any() else 0.0)
    finite = one.finite & other.finite
    return Cosines(
        own=_back(own, plan.order),
        mismatched=_back(a, plan.order),
        not_finite=int(np.count_nonzero(~finite)),
        undefined=int(np.count_nonzero(np.isnan(own) & finite)),
    )


def _of_groups(x: Array, starts: Ints, unit: Ints) -> Array:
    """Each row's sum [m, D] over the rows of its group."""
    return x if len(starts) == len(x) else np.asarray(np.add.reduceat(x, starts, axis=0)[unit])


def _back(values: Array, order: Ints) -> Array:
    found = np.empty(len(values))
    found[order] = values
    return found


# ---------------------------------------------------------------- CKA


class Gram:
    """Inner products of one side's centred states, a few rows at a time."""

    def __init__(self, side: Side, order: Ints) -> None:
        states = np.empty((len(order), side.width), dtype=np.float32)
        for block in _steps(len(order), side.width):
            states[block] = side.read(order[block])
        self.finite: Bools = np.asarray(np.isfinite(states).all(axis=1))
        self.constant = False
        self.states = states
        if self.finite.all() and len(states):
            mean = states.mean(axis=0, dtype=np.float64)
            size = float(np.sqrt(np.square(states, dtype=np.float64).sum(axis=1).mean()))
            self.states = (states - mean).astype(np.float32)  # moves no HSIC, and keeps its digits
            left = float(np.sqrt(np.square(self.states, dtype=np.float64).sum(axis=1).mean()))
            self.constant = left <= SAME * size
            self.states /= left or 1.0

    def rows(self, block: slice) -> Array:
        """Inner products [m, n] of some rows with all, 0 of each with itself."""
        found = (self.states[block] @ self.states.T).astype(np.float64)
        found[np.arange(block.stop - block.start), np.arange(block.start, block.stop)] = 0.0
        return found


def cka_values(one: Gram, other: Gram, blocks: Ints) -> Array:
    """Jackknife pseudo-values of debiased linear CKA, one for each row [n]: that of its block of rows.

    CKA is HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)) with linear kernels and the unbiased HSIC of Song et al. 2012 (eq.
    5), as Murphy et al. 2024 debias it. `blocks` [n] rise without gaps. With h = n / n_b for the n_b rows of block b,
    its pseudo-value is h CKA - (h - 1) CKA without b; the mean over rows is the jackknife estimate for blocks of
    unequal size (Busing, Meijer & van der Leeden 1999). With one block it is CKA itself. NaN where an HSIC of a side
    with itself is not positive, and with fewer than four rows outside a block.
    """
    n, count = len(blocks), int(blocks.max(initial=-1)) + 1
    sizes = np.bincount(blocks, minlength=count)
    sums = _Sums(one, other, blocks, count)
    whole = sums.cka(None)
    if count == 1:
        return np.full(n, whole)
    without = np.array([sums.cka(b) for b in range(count)])
    share = n / sizes
    return np.asarray((share * whole - (share - 1) * without)[blocks])


class _Sums:
    """Sums over pairs of rows by block, from which every CKA without a block follows."""

    def __init__(self, one: Gram, other: Gram, blocks: Ints, count: int) -> None:
        n = len(blocks)
        starts = np.searchsorted(blocks, np.arange(count))
        self.blocks = blocks
        self.pairs = np.zeros((3, count, count))  # products within the first side, within the second, of both
        self.by_block = np.empty((2, n, count))  # of each side, a row's inner products with each block
        for rows in _steps(n, n):
            k, m = one.rows(rows), other.rows(rows)
            for side, products in enumerate((k, m)):
                self.by_block[side, rows] = np.add.reduceat(products, starts, axis=1)
            for pair, products in enumerate((k * k, m * m, k * m)):
                np.add.at(self.pairs[pair], blocks[rows], np.add.reduceat(products, starts, axis=1))
        self.totals = self.by_block.sum(axis=2)

    def cka(self, left_out: int | None) -> float:
        """CKA of all rows, or of those outside a block."""
        kept = np.ones(len(self.blocks), dtype=np.bool_) if left_out is None else self.blocks != left_out
        n = int(np.count_nonzero(kept))
        if n < FEWEST:
            return float("nan")
        a, b = self.totals[:, kept] - (0.0 if left_out is None else self.by_block[:, kept, left_out])
        pairs = self.pairs.sum(axis=(1, 2))
        if left_out is not None:
            pairs = pairs - 2 * self.pairs[:, left_out].sum(axis=1) + self.pairs[:, left_out, left_out]
        within, beside, across = (
            (whole + x.sum() * y.sum() / ((n - 1) * (n - 2)) - 2 * float(x @ y) / (n - 2)) / (n * (n - 3))
            for whole, x, y in zip(pairs, (a, b, a), (a, b, b), strict=True)
        )
        if not (within > 0 and beside > 0):
            return float("nan")
        return float(across / np.sqrt(within * beside))


def _steps(rows: int, width: int) -> Iterator[slice]:
    step = max(1, 8 * BLOCK // max(1, width))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))

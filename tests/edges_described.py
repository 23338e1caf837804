"""Descriptive results at the edges: around zero, beside a reference, one text, ranks, tables, nothing; for tests."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import described
import synthetic
from layergrid.artifacts import DataCard, Grid, GridResult, Quantity, Results

RANK = Quantity(
    name="rank",
    sentence="Each cell is the mean rank of the token that follows, read out by the model's own head.",
    subject="next tokens",
    claim="readable",
    low=1.0,
    high=None,
    chance=None,
    higher_is="less",
    caution="The layers before the last were not trained to be read by the head.",
)


def of(*grids: GridResult) -> Results:
    return described.results(*grids)


@cache
def norms() -> Results:
    return of(described.activation())


@cache
def contrast() -> Results:
    return of(described.contrast())


def _gaps(rows: np.ndarray, n: int) -> GridResult:
    labels = np.random.default_rng(7).random(n) < 0.4
    return described.from_rows(rows, quantity=described.GAP, name="gaps", labels=labels)


@cache
def contrast_around_zero() -> Results:
    """No class differs from the other: now and then an interval leaves out zero."""
    return of(_gaps(9 + np.random.default_rng(11).normal(size=(9, 7, 200)), 200))


@cache
def contrast_at_zero() -> Results:
    """No interval leaves out zero."""
    rows = np.random.default_rng(3).normal(size=(3, 2, 60))
    return of(_gaps(rows, 60))


@cache
def contrast_below_zero() -> Results:
    """Every difference lies below zero."""
    rng = np.random.default_rng(5)
    labels = np.random.default_rng(7).random(200) < 0.4
    return of(_gaps(9 - 2 * labels + 0.5 * rng.normal(size=(6, 7, 200)), 200))


@cache
def contrast_without_intervals() -> Results:
    one = described.contrast()
    nan = np.full(one.grid.value.shape, np.nan)
    return of(GridResult(replace(one.grid, low=nan, high=nan)))


@cache
def beside_mismatched() -> Results:
    return of(described.similarity())


@cache
def as_high_as_mismatched() -> Results:
    """Cosines of 0.9 where those of mismatched examples are 0.9 too, but for one position."""
    rng = np.random.default_rng(2)
    shape = (8, 4, 160)
    rows = 0.9 + 0.02 * rng.normal(size=shape)
    rows[:, 2] += 0.03
    apart = 0.9 + 0.02 * rng.normal(size=shape)
    part = ("reference", "cosine of mismatched examples", apart)
    return of(
        described.from_rows(
            np.clip(rows, -1, 1), quantity=described.COSINE, name="likeness", facets={"mismatched": part},
            positions=("first_answer", "exact_answer_first", "exact_answer_last", "-1"),
        )
    )  # fmt: skip


@cache
def references_without_rows() -> Results:
    one = described.similarity()
    return of(GridResult(one.grid))


@cache
def heads() -> Results:
    return of(described.heads())


@cache
def one_text() -> Results:
    return of(described.one_text())


@cache
def long_text() -> Results:
    """Attention of three hundred tokens, most of it on the first."""
    pieces = ("<s>", *(f" w{i % 50}" for i in range(299)))
    rng = np.random.default_rng(9)
    one = described.one_text(layers=4, pieces=pieces)
    value = rng.dirichlet(np.r_[50.0, np.full(299, 0.05)], size=4)
    return of(replace(one, grid=replace(one.grid, value=value), measured=None))


@cache
def ranks() -> Results:
    """Ranks that fall with depth to nearly 1: lower is better."""
    rng = np.random.default_rng(6)
    depth = 400.0 * 0.5 ** np.arange(9)[:, None, None] + np.array([1, 2, 3, 1, 1, 5, 9])[None, :, None]
    one = described.from_rows(-depth * np.exp(0.2 * rng.normal(size=(9, 7, 120))), quantity=RANK, name="ranks")
    settings = {**one.grid.settings, "beyond_range": 0}
    grid = replace(one.grid, value=-one.grid.value, low=-one.grid.high, high=-one.grid.low, settings=settings)
    return of(replace(one, grid=grid, measured=replace(one.measured, cells=-one.measured.cells)))


# ---------------------------------------------------------------- tables as the seeds give them

TWENTY = (
    "A and B", "*", "8", "13", "[in", "boxed", "]", "And", "the_correct", "choice", "is", "D", "13", "The", "answer",
    "is", "$boxed", "{", "return", "}",
)  # fmt: skip
TYPED = """
1  .02 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01 .01
5  .03 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02 .02
10 .05 .03 .04 .04 .04 .04 .03 .04 .04 .04 .04 .04 .04 .04 .04 .04 .03 .03 .03 .03
13 .75 .2  .6  .65 .5  .6  .4  .5  .5  .5  .5  .5  .5  .5  .5  .5  .4  .4  .4  .4
17 .4  .1  .3  .3  .2  .3  .2  .3  .6  .6  .6  .5  .4  .4  .5  .5  .3  .3  .3  .3
22 .2  .05 .1  .1  .05 .1  .05 .1  .2  .2  .2  .1  .1  .1  .7  .7  .6  .6  .6  .5
27 .1  .02 .05 .05 .02 .05 .02 .05 .1  .1  .1  .05 .05 .05 .3  .3  .2  .2  .2  .1
"""


def given(
    value: np.ndarray, layers: tuple[int, ...], positions: tuple[str, ...], quantity: Quantity, name: str = "given"
) -> GridResult:
    """A table of values as somebody gave it."""
    shape = value.shape
    blank = np.full(shape, np.nan)
    empty = np.isnan(value)
    grid = Grid(
        name=name, model="", dataset="", kind="table", site="", metric="value", quantity=quantity, layers=layers,
        positions=positions, value=value, low=blank, high=blank, level=0.95, n=np.zeros(shape, dtype=np.int64),
        n_positive=np.zeros(shape, dtype=np.int64), p_adjusted=blank, status=np.where(empty, "missing", "ok"),
        reason=np.where(empty, "the table has no number there", ""), tied_with_best=np.zeros(shape, dtype=np.bool_),
        settings={"methods": {"source": "The numbers were read from weights.csv and not computed here."}},
    )  # fmt: skip
    return GridResult(grid)


WEIGHTS = replace(
    described.WEIGHT,
    name="attention weight",
    sentence="Each cell is an attention weight as a table gives it.",
    claim="",
)


@cache
def typed_weights() -> Results:
    """The table that one description of an attention map estimates by eye, numbers as they stand there."""
    rows = [line.split() for line in TYPED.split("\n") if line]
    value = np.array([[float(x) for x in row[1:]] for row in rows])
    times = [TWENTY[: j + 1].count(piece) for j, piece in enumerate(TWENTY)]
    names = tuple(f"{piece} ({k})" if k > 1 else piece for piece, k in zip(TWENTY, times, strict=True))
    return of(given(value, tuple(int(row[0]) for row in rows), names, WEIGHTS))


@cache
def labelled_weights() -> Results:
    """The same with numbered columns and a label for each."""
    one = typed_weights().grids[0]
    names = tuple(f"{j}:{piece}" for j, piece in enumerate(TWENTY))
    return of(replace(one, grid=replace(one.grid, positions=names, labels=TWENTY)))


TWELVE = ("last_q", "exact_answer_first", "exact_answer_last", "exact_answer_after_last",
          *(str(-k) for k in range(8, 0, -1)))  # fmt: skip


@cache
def typed_correlations() -> Results:
    """Thirty-one layers by twelve positions, with the ranges that a description of a correlation map states."""
    layer = np.arange(31)
    answers = 0.80 + 0.17 / (1 + np.exp(-(layer - 11) / 2.0))
    others = 0.60 + 0.25 * np.exp(-(((layer - 14) / 6.0) ** 2))
    value = np.column_stack([answers - 0.01 * j for j in range(4)] + [others + 0.005 * j for j in range(8)])
    quantity = replace(
        WEIGHTS,
        name="correlation",
        low=-1.0,
        sentence="Each cell is a correlation as a table gives it.",
        caution="A correlation of states says nothing of meaning.",
    )
    return of(given(np.round(value, 2), tuple(range(31)), TWELVE, quantity))


@cache
def table() -> Results:
    return of(described.table())


@cache
def table_of_tests() -> Results:
    """A ready table of AUROCs with bounds and adjusted p-values, as another report writes it."""
    probe = synthetic.grid_result().grid
    shape = probe.value.shape
    top = probe.value == probe.value.max()
    return of(GridResult(replace(probe, model="", dataset="", settings={}, tied_with_best=top, n=np.full(shape, 400))))


@cache
def table_with_holes() -> Results:
    value = np.arange(12.0).reshape(4, 3)
    value[1] = value[2, 2] = np.nan
    return of(given(value, (0, 2, 4, 6), ("b c", "7", "x"), described.GIVEN))


@cache
def nothing_given() -> Results:
    return of(given(np.full((3, 2), np.nan), (0, 1, 2), ("a", "b"), described.GIVEN))


@cache
def one_cell_given() -> Results:
    return of(given(np.array([[0.25]]), (4,), ("last_q",), described.GIVEN))


@cache
def all_given_alike() -> Results:
    return of(given(np.full((3, 4), 0.5), (0, 1, 2), ("a", "b", "c", "d"), described.GIVEN))


@cache
def one_cell_measured() -> Results:
    return of(described.from_rows(np.random.default_rng(0).normal(size=(1, 1, 30)) + 5, layers=(4,)))


@cache
def all_missing_measured() -> Results:
    return of(described.from_rows(np.full((3, 4, 20), np.nan)))


@cache
def one_group() -> Results:
    rows = np.random.default_rng(0).normal(size=(3, 4, 20)) + 5
    return of(described.from_rows(rows, groups=("g",) * 20))


# ---------------------------------------------------------------- texts that nobody wrote an answer to


def _card(classes: tuple[str, str]) -> DataCard:
    return DataCard("reviews", "data/reviews.csv", "sha256:1", "tiny", 300, 120 if any(classes) else 0, 300, "", "",
                    0, 0, 0, 0, "{{ text }}", 0, classes=classes, written=False)  # fmt: skip


@cache
def unlabelled_texts() -> Results:
    one = described.from_rows(8 + np.random.default_rng(4).normal(size=(5, 3, 100)), dataset="reviews",
                              positions=("-3", "-2", "-1"))  # fmt: skip
    shown = replace(synthetic.results().illustrations[0], written=False, answer="", gold="", exact=None)
    return replace(of(one), data=(_card(("", "")),), illustrations=(shown,))


@cache
def labelled_texts() -> Results:
    rng = np.random.default_rng(8)
    labels = rng.random(100) < 0.4
    one = described.from_rows(8 + 0.8 * labels + rng.normal(size=(5, 3, 100)), dataset="reviews", labels=labels,
                              positions=("-3", "-2", "-1"), quantity=described.GAP)  # fmt: skip
    named = replace(one.grid, contrast="true statements - false statements",
                    quantity=replace(one.grid.quantity, positive="true statements"))  # fmt: skip
    facets = tuple(replace(f, name=w, label=w) for f, w in zip(named.facets, ("true statements", "false statements"),
                                                                 strict=True))  # fmt: skip
    shown = replace(synthetic.results().illustrations[0], written=False, label="true statements")
    card = replace(_card(("false statements", "true statements")), chat="each prompt is the user's message")
    return replace(of(replace(one, grid=replace(named, facets=facets))), data=(card,), illustrations=(shown,))


@cache
def probe_of_labelled_texts() -> Results:
    """A grid that chooses, on texts with a label column."""
    found = synthetic.results()
    one = found.grids[0]
    quantity = replace(synthetic.QUANTITY, subject="true statements", positive="true statements")
    grid = replace(one.grid, dataset="reviews", quantity=quantity, settings={**one.grid.settings, "predict": "label"})
    baselines = tuple(replace(b, sees="question") for b in one.baselines)
    card = _card(("false statements", "true statements"))
    return replace(found, data=(card,), grids=(replace(one, grid=grid, baselines=baselines),))


@cache
def two_stacks() -> Results:
    found = norms()
    return replace(found, models=(replace(found.models[0], architecture="T5", encoder_layers=6, heads=0),))


@cache
def known_by_activations_alone() -> Results:
    """States of labelled examples that a manifest gives, at positions counted from the end; no token is known."""
    found = labelled_texts()
    model = replace(found.models[0], architecture="", parameters=0, heads=0, address="activations:states.json")
    return replace(found, models=(model,), data=(replace(found.data[0], chat="", prompt=""),), illustrations=())


@cache
def everything() -> Results:
    return described.everything()


@cache
def beside_a_probe() -> Results:
    """A grid that chooses, one that describes, a table, in one report."""
    found = of(described.activation(), described.table())
    return replace(found, grids=(synthetic.grid_result(), *found.grids))


EDGES = {
    f.__name__: f
    for f in (
        norms, contrast, contrast_around_zero, contrast_at_zero, contrast_below_zero, contrast_without_intervals,
        beside_mismatched, as_high_as_mismatched, references_without_rows, heads, one_text, long_text, ranks,
        typed_weights, labelled_weights, typed_correlations, table, table_of_tests, table_with_holes, nothing_given,
        one_cell_given, all_given_alike, one_cell_measured, all_missing_measured, one_group, unlabelled_texts,
        labelled_texts, probe_of_labelled_texts, two_stacks, known_by_activations_alone, everything, beside_a_probe,
    )
}  # fmt: skip

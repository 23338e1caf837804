"""The waist: grids with intervals and held-out scores, and cards of models and data; no model is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from layergrid.artifacts.base import HAS_VALUE, Bools, Floats, GridPoint, Ints, Scalar, Strings
from layergrid.artifacts.estimates import Baseline, Estimate, Quantity
from layergrid.artifacts.families import Family
from layergrid.artifacts.matrices import Matrix


@dataclass(frozen=True)
class Facet:
    """One further map over the cells of a grid: one head, a class of a contrast, or what the grid is compared with."""

    name: str  # unique in its grid: "0", "wrong answers", "mismatched"
    role: Literal["head", "class", "reference"]
    label: str  # for captions and sentences: "head 0", "wrong answers", "cosine of mismatched examples"
    value: Floats  # [L, P]; NaN where there is none
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Grid:
    """One layer x position grid; every array is [L, P]."""

    name: str
    model: str
    dataset: str
    kind: str
    site: str
    metric: str  # "auroc"
    quantity: Quantity
    layers: tuple[int, ...]
    positions: tuple[str, ...]
    value: Floats  # NaN where status has no value
    low: Floats
    high: Floats
    level: float
    n: Ints
    n_positive: Ints
    p_adjusted: Floats  # one-sided against chance, adjusted over all cells; NaN where not tested
    status: Strings  # CellStatus values
    reason: Strings  # why a cell has no value; empty where it has one
    tied_with_best: Bools  # cells whose paired difference from the highest cell has an interval that holds 0
    settings: Mapping[str, Any]  # JSON values for the methods: folds, penalties, scaling, group, seed, dropped rows ...
    head: str = ""  # "3": the grid is of one head; "mean" or "max": of all heads together; empty: heads play no part
    contrast: str = ""  # "wrong answers - right answers": cells are differences of two means; empty: they are none
    facets: tuple[Facet, ...] = ()
    labels: tuple[str, ...] = ()  # P: what the axis shows in place of the positions' names; empty: the names
    text_of: str = ""  # id of the one example whose tokens, in order, are the positions; empty: positions are named

    @property
    def has_value(self) -> Bools:
        """Bool [L, P]: cells that hold a number."""
        import numpy as np

        return np.isin(self.status, list(HAS_VALUE))


@dataclass(frozen=True)
class Winner:
    """The cell that nested selection chose inside one training fold, and its score outside."""

    fold: int
    layer: int
    position: str
    penalty: float
    value: float  # on the fold's held-out rows


@dataclass(frozen=True)
class Selection:
    """The nested best: layer, position and penalty chosen inside the training folds, scored outside."""

    estimate: Estimate
    winners: tuple[Winner, ...]  # K


@dataclass(frozen=True)
class Addition:
    """What the probe adds to a baseline: both together in one fitted predictor, against the baseline fitted alone."""

    name: str  # "logprobs": the column of HeldOut.baselines that holds the baseline alone; "logprobs+probe" both
    label: str  # "the log-probabilities"
    alone: Estimate
    together: Estimate
    difference: Estimate  # together minus alone, paired


@dataclass(frozen=True)
class Permutation:
    """A max-statistic permutation test over all tested cells (Westfall & Young 1993), probes refitted every time.

    The statistic of a cell and a relabelling is the value of the metric, less its mean over all relabellings of that
    cell, divided by their standard deviation. The adjusted p of a cell is (1 + #{maxima >= observed}) / (B + 1).
    """

    statistic: str  # "ridge" or "logistic": the probe that is refitted; "held-out": probes fixed, one split
    observed: Floats  # float64 [L, P]: standardised; NaN where not tested
    maxima: Floats  # float64 [B]: over all tested cells, one a relabelling
    detectable: float  # smallest value of the metric that so many rows show with `power` after correction; NaN: none
    power: float = 0.8
    fixed: int = 0  # rows that no relabelling moves, because no other group of their fold has their size


@dataclass(frozen=True)
class Control:
    """The control task of Hewitt & Liang 2019: a random label for each token id that stands at a position.

    Selectivity is the task's value less the control's, the mean over draws of labels, with a paired interval.
    """

    value: Floats  # float64 [L, P]: of the control task, mean over draws; NaN where it has none
    selectivity: Floats  # float64 [L, P]
    low: Floats
    high: Floats
    draws: int
    types: tuple[int, ...]  # P: distinct tokens at each position
    shared: tuple[float, ...]  # P: share of held-out rows whose token also stands in their training rows


@dataclass(frozen=True)
class Directions:
    """The fitted direction of every cell, refitted on all compared rows; to be applied to other activations."""

    weights: Floats  # float32 [L, P, D]: in units of the activations as captured; NaN where a cell has none
    intercepts: Floats  # float32 [L, P]
    penalties: Floats  # float64 [L, P]: chosen on all compared rows


@dataclass(frozen=True)
class HeldOut:
    """Held-out scores: enough to recompute every cell, the nested best, the baselines and all paired differences.

    With r repeats every example stands in r rows, once for each assignment to folds, repeat by repeat; the folds of
    repeat j are numbered from j K on. One fold of one repeat is a fixed split: its rows are the test rows.
    """

    example_ids: tuple[str, ...]  # n rows that are compared
    groups: tuple[str, ...]  # n
    labels: Bools  # bool [n]: True is the positive class; all False where the target is not binary
    folds: Ints  # int [n]: the fold in which a row was held out
    cells: Floats  # float32 [L, P, n]; score of the probe that did not see the row; NaN where a cell has no value
    nested: Floats  # float64 [n] (or [C, n] of C classes): score of the fold's winner; NaN where there is none
    baselines: Mapping[str, Floats]  # name -> float64 [n] (or [C, n])
    repeats: int = 1
    target: Floats | None = None  # float64 [n]: values, or codes of `classes`; None where the target is binary
    classes: tuple[str, ...] = ()  # C words for the codes; empty where the target is binary or a number
    by_class: Mapping[str, Floats] = field(default_factory=dict)  # class -> float32 [L, P, n]: it against the rest
    by_position: Floats | None = None  # float64 [P, n] (or [P, C, n]): nested, of each position alone


@dataclass(frozen=True)
class Measured:
    """The value of each example in each cell: enough to recompute every cell and all paired differences.

    A cell is the mean (or median) over the examples, with an interval over groups; of a contrast, the mean over the
    rows of the class less the mean over the others.
    """

    example_ids: tuple[str, ...]  # n rows that are compared
    groups: tuple[str, ...]  # n
    labels: Bools  # bool [n]: the class from which a contrast subtracts the other; all False without one
    cells: Floats  # float32 [L, P, n]; NaN where a row has no value
    facets: Mapping[str, Floats] = field(default_factory=dict)  # name of a head or reference -> float32 [L, P, n]
    statistic: Literal["mean", "median"] = "mean"


@dataclass(frozen=True)
class GridResult:
    """All that one grid kind returns for one model and data set."""

    grid: Grid
    selection: Selection | None = None
    baselines: tuple[Baseline, ...] = ()
    held_out: HeldOut | None = None
    measured: Measured | None = None
    by_position: tuple[Estimate | None, ...] = ()  # P: nested, the layer chosen inside the training folds; empty: none
    additions: tuple[Addition, ...] = ()
    permutation: Permutation | None = None
    directions: Directions | None = None
    control: Control | None = None
    sides: tuple[GridResult, ...] = ()  # of a difference of reports: the grid taken away, the one it is taken from


@dataclass(frozen=True)
class ModelCard:
    """What a report says of a model."""

    name: str
    address: str
    architecture: str  # "Llama"
    layers: int  # number of blocks; of the decoder where there are two stacks
    width: int
    parameters: int
    dtype: str
    revision: str  # commit, or the digest of the local files
    encoder_layers: int = 0  # blocks of the encoder of a model with two stacks
    heads: int = 0  # attention heads of a block; 0: not known


@dataclass(frozen=True)
class DataCard:
    """What a report says of a data set after grading."""

    name: str
    source: str
    fingerprint: str
    model: str  # whose answers these are
    n: int
    n_correct: int
    n_groups: int
    group: str  # the column that groups rows; empty: each row is its own group
    rule: str  # how the exact answer was found
    not_found_correct: int  # exact answers not found, by label
    not_found_wrong: int
    truncated_correct: int  # completions cut at max_new_tokens, by label
    truncated_wrong: int
    prompt: str  # the template
    max_new_tokens: int
    classes: tuple[str, str] = ("wrong answers", "right answers")  # words for the labels False and True; empty: none
    written: bool = True  # the model wrote answers; False: texts as the data give them
    chat: str = ""  # how prompts became a dialogue; empty: they did not
    given: str = ""  # the column in which the answers stood; empty: the model wrote them here
    given_as: str = ""  # "text" or "ids"
    respelt: int = 0  # given answers whose tokens spell another text than the column
    asked: str = ""  # how the model was asked whether its answers are right; empty: it was not
    ends_known: bool = True  # False: of given answers nobody knows whether they were cut
    left_out: tuple[tuple[str, int, int], ...] = ()  # rows not among the n: why ("they ..."), how many, of how many
    compared: str = ""  # how exact answers were graded, after "it is": "compared as numbers"; empty: nothing to say
    label_dependent: bool = False  # the exact answer of right answers was looked for with the gold answer in hand
    repeated: int = 0  # exact answers whose text occurs more than once in their completion
    unmatched: tuple[tuple[str, str], ...] = ()  # where no answer is right: starts of completions, and their golds


@dataclass(frozen=True)
class Table:
    """A small table for the report and for other programs."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]


@dataclass(frozen=True)
class Illustration:
    """One real example with its tokens and positions: Figure 1."""

    dataset: str
    example_id: str
    pieces: tuple[str, ...]  # T
    special: tuple[bool, ...]  # T
    prompt_tokens: int
    exact: tuple[int, int] | None  # tokens of the exact answer [start, stop)
    positions: tuple[tuple[str, int, int, str], ...]  # name, start, stop, status
    correct: bool
    answer: str
    gold: str
    label: str = ""  # the example's class in words: "true statements"; empty: its answer is graded, or it has no label
    written: bool = True  # the model wrote an answer; False: the text is as the data give it
    model: str = ""  # whose tokens these are
    why: str = ""  # of an example among several: how it was chosen; "drawn at random", "the surest mistake"


@dataclass(frozen=True)
class GradedAnswer:
    """One answer drawn at random, for readers who want to check the grading."""

    dataset: str
    model: str
    example_id: str
    question: str  # the prompt's text
    completion: str
    span: tuple[int, int] | None  # characters of the completion that are the exact answer
    gold: str
    correct: bool
    stopped: bool  # False: cut at max_new_tokens
    reason: str = ""  # of the grader


@dataclass(frozen=True)
class Results:
    """The waist: what stands after it (facts, prose, charts, pages) needs nothing else and can load no model."""

    title: str
    seed: int
    models: tuple[ModelCard, ...]
    data: tuple[DataCard, ...]
    grids: tuple[GridResult, ...]
    illustrations: tuple[Illustration, ...]
    tables: tuple[Table, ...]  # "positions": position, label, status, count; "balance"; one row each
    authors: tuple[str, ...] = ()
    interpretation: str = ""  # the author's own text from the spec
    spec_name: str = ""  # "arithmetic"
    spec_digest: str = ""  # sha256 of the normalised spec
    expectations: tuple[ExpectationResult, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)  # libraries that decide the numbers
    graded: tuple[GradedAnswer, ...] = ()  # drawn at random with the seed, as many of either label, set by set
    examples: tuple[Illustration, ...] = ()  # to show beside their held-out scores, set by set
    matrices: tuple[Matrix, ...] = ()  # of transfer, in the order of the spec
    families: tuple[Family, ...] = ()  # grids that one entry of the spec stands for


@dataclass(frozen=True)
class ExpectationResult:
    """One bound of the spec's `expect`, judged. Of several numbers the one that decides is told."""

    sentence: str  # "errors: nested best, lower bound of the interval, at least 0.7"
    met: bool
    observed: float  # the number that was held against the bound; NaN: there is none
    bound: float  # the limit that it was held against
    value: float = math.nan  # the estimate
    low: float = math.nan
    high: float = math.nan
    level: float = math.nan  # of the interval; NaN: there is none
    n: int = 0  # rows that the estimate rests on
    by: Literal["estimate", "low", "high", "interval"] = "estimate"  # what was judged
    at_least: float | None = None
    at_most: float | None = None
    where: str = ""  # its place in the spec: "expect.3"
    subject: str = ""  # what is bounded: "errors: nested best"
    at: str = ""  # which of several numbers decides: "layer 3, last_q"
    name: str = ""  # given by the author
    because: str = ""  # the author's reason for it
    reason: str = ""  # why it could not be judged
    grid: str = ""  # in which the cells stand
    cells: tuple[GridPoint, ...] = ()  # that it is about: those that fail, or all where none does
    failing: tuple[str, ...] = ()  # of several numbers those beyond the bound: "layer 3, last_q (0.612)"
    counts: bool = False  # numbers are counts of rows
    asked: Mapping[str, Any] = field(default_factory=dict)  # the expectation as the spec has it

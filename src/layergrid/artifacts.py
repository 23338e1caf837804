"""The frozen values that flow from stage to stage, each with its shape; they know nothing of how they are made or drawn.

Shape letters: L layers, P positions, N examples, D width, T tokens of one example, n rows that a grid compares, K folds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
Bools = npt.NDArray[np.bool_]
Strings = npt.NDArray[np.str_]
Scalar = str | int | float | bool | None  # one entry of a data set's column or of a table


class PositionStatus(StrEnum):
    """What became of one position in one example. Only `ok` counts unless a spec says otherwise."""

    OK = "ok"
    MISSING = "missing"  # the example has no such token (no exact answer found, nothing after the answer, no match)
    IN_PROMPT = "in_prompt"  # counted from the end, it reaches back into the prompt
    TRUNCATED = "truncated"  # the completion was cut at max_new_tokens, so its end is not the end
    COLLAPSED = "collapsed"  # it falls onto the token of another position (before_first onto last_q)


class CellStatus(StrEnum):
    """What became of one cell of a grid. A cell that is not `ok` or `boundary` holds NaN and a reason."""

    OK = "ok"
    BOUNDARY = "boundary"  # a value with a one-sided interval, because folds stand at 0 or 1
    MISSING = "missing"  # no example has this position
    ONE_CLASS = "one_class"  # all labels are equal
    TOO_FEW = "too_few"  # too few rows or groups of a class for the folds
    NOT_FINITE = "not_finite"  # some activations are NaN or infinite
    CONSTANT = "constant"  # the activations do not differ between examples
    NOT_CONVERGED = "not_converged"  # the solver did not reach its tolerance


HAS_VALUE = frozenset({CellStatus.OK.value, CellStatus.BOUNDARY.value})


# ---------------------------------------------------------------- before the waist


@dataclass(frozen=True)
class Examples:
    """The rows of a data set, in order."""

    name: str  # the data set's name in the spec
    source: str  # its address as the spec wrote it: `builtin:arithmetic`, `data/file.csv`
    ids: tuple[str, ...]  # N, unique
    groups: tuple[str, ...]  # N; rows of one group stay on one side of every split
    columns: Mapping[str, tuple[Scalar, ...]]  # column name -> N values
    fingerprint: str  # sha256 of ids, groups and columns

    def row(self, i: int) -> dict[str, Scalar]:
        """Example `i` as column name -> value."""
        return {name: values[i] for name, values in self.columns.items()}


@dataclass(frozen=True)
class Sequences:
    """What the model saw and wrote: the ids themselves, never re-tokenised text. All tuples have N entries."""

    example_ids: tuple[str, ...]
    ids: tuple[Ints, ...]  # int32 [T]: prompt, then completion, the stop token included
    offsets: tuple[Ints, ...]  # int32 [T, 2]: characters of `texts[i]` that a token covers; see `special`
    pieces: tuple[tuple[str, ...], ...]  # T strings to show: the characters of the token, or a special token's name
    special: tuple[Bools, ...]  # bool [T]: special tokens; they cover characters only where the prompt spells them out
    texts: tuple[str, ...]  # prompt and completion decoded, without special tokens
    prompt_tokens: Ints  # int32 [N]: number of tokens of the prompt; the completion starts at this index
    prompt_chars: Ints  # int32 [N]: the completion's text is texts[i][prompt_chars[i]:]
    logprobs: tuple[Floats, ...]  # float32 [T - prompt_tokens]: natural log-probability of each completion token
    stopped: Bools  # bool [N]: the model ended the completion itself; False means cut at max_new_tokens

    def completion(self, i: int) -> str:
        """The completion of example `i` as text."""
        return self.texts[i][int(self.prompt_chars[i]) :]


@dataclass(frozen=True)
class Label:
    """One graded completion."""

    span: tuple[int, int] | None  # characters of the completion that are the exact answer; None: not found
    answer: str | None  # those characters
    correct: bool
    reason: str = ""  # why no answer was found, or why the graded answer is wrong; empty where neither


@dataclass(frozen=True)
class Labels:
    """The graded completions: the exact answer's span, found by a rule that sees neither gold nor label."""

    grader: str  # the kind of the grader, with the sentence that states its rule in `rule`
    rule: str  # "the last number of the first sentence of the completion"
    spans: Ints  # int32 [N, 2]: characters of Sequences.texts[i]; -1, -1 where not found
    answers: tuple[str | None, ...]  # N
    correct: Bools  # bool [N]; an example without an exact answer is wrong
    reasons: tuple[str, ...]  # N


@dataclass(frozen=True)
class Positions:
    """Token indices of the named positions. A position that spans several tokens is their mean."""

    names: tuple[str, ...]  # P, in the order of the figure
    start: Ints  # int32 [N, P]: first token index; -1 where there is none
    stop: Ints  # int32 [N, P]: one past the last token index; -1 where there is none
    status: Strings  # [N, P] of PositionStatus values


@dataclass(frozen=True)
class Activations:
    """Activations of one site at the chosen positions."""

    site: str  # residual, later mlp_in, mlp_out, attention_out
    layers: tuple[int, ...]  # L; layer 0 is the embedding output, residual layer i the raw output of block i
    positions: tuple[str, ...]  # P
    example_ids: tuple[str, ...]  # N
    values: Floats  # float32 [L, P, N, D], memory-mapped where it comes from the store; 0 where not present
    present: Bools  # bool [N, P]: a token stands there (whatever its status)


# ---------------------------------------------------------------- the waist: results


@dataclass(frozen=True)
class Quantity:
    """What a cell of a grid is and what may be said of it. Facts and prose read this, never a kind's name."""

    name: str  # short, for axes and sentences: "AUROC"
    sentence: str  # "Each cell is the AUROC of a linear probe that tells wrong from right answers ..."
    subject: str  # what the superlatives speak of, plural: "errors"
    claim: str  # the adjective that a high value permits: "decodable"
    low: float | None  # the range of possible values; None: unbounded
    high: float | None
    chance: float | None  # the value of no information; None: there is none
    unit: str = ""
    higher_is: Literal["more", "less"] = "more"  # whether a higher value means more of the claim
    positive: str = ""  # the class that counts as positive: "wrong answers"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN bounds mean that no interval can be given."""

    value: float
    low: float
    high: float
    level: float  # nominal coverage, 0.95
    n: int  # rows


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
    head: str = ""
    contrast: str = ""

    @property
    def has_value(self) -> Bools:
        """bool [L, P]: cells that hold a number."""
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
class Baseline:
    """What a simpler predictor reaches on the same rows and folds."""

    name: str  # "exact_logprob_mean"
    label: str  # "mean log-probability of the exact answer"
    estimate: Estimate | None  # None where it has no value
    difference: Estimate | None  # nested best minus this baseline, paired
    reason: str = ""  # why it has no value


@dataclass(frozen=True)
class HeldOut:
    """Held-out scores: enough to recompute every cell, the nested best, the baselines and all paired differences."""

    example_ids: tuple[str, ...]  # n rows that are compared
    groups: tuple[str, ...]  # n
    labels: Bools  # bool [n]: True is the positive class
    folds: Ints  # int [n]: the fold in which a row was held out
    cells: Floats  # float32 [L, P, n]: score of the probe that did not see the row; NaN where a cell has no value
    nested: Floats  # float64 [n]: score of the fold's winner; NaN where there is none
    baselines: Mapping[str, Floats]  # name -> float64 [n]


@dataclass(frozen=True)
class GridResult:
    """All that one grid kind returns for one model and data set."""

    grid: Grid
    selection: Selection | None = None
    baselines: tuple[Baseline, ...] = ()
    held_out: HeldOut | None = None


@dataclass(frozen=True)
class ModelCard:
    """What a report says of a model."""

    name: str
    address: str
    architecture: str  # "Llama"
    layers: int  # number of blocks
    width: int
    parameters: int
    dtype: str
    revision: str  # commit, or the digest of the local files


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


@dataclass(frozen=True)
class ExpectationResult:
    """One bound of the spec's `expect`, judged."""

    sentence: str  # "errors: nested best, lower bound at least 0.70"
    met: bool
    observed: float
    bound: float


# ---------------------------------------------------------------- after the waist


@dataclass(frozen=True)
class Fact:
    """One thing that the results say; recomputable from them. Prose may print a fact only in one of its `forms`."""

    id: str  # readable and stable: "errors.nested", "errors.at.exact_answer_last.peak"
    rule: str  # the name of the rule that made it
    grid: str  # name of the grid; empty for facts of data sets, models and settings
    cells: tuple[tuple[int, str], ...] = ()  # (layer, position) that it speaks of
    value: float | int | str | None = None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    relation: str = ""  # the comparison word that it licenses: "above", "below", "most", "falls", ...
    of: tuple[str, ...] = ()  # facts that it compares
    forms: Mapping[str, str] = field(default_factory=dict)  # "text" -> "0.83 [0.79, 0.86]", "relation" -> "above"


@dataclass(frozen=True)
class Cite:
    """A piece of a sentence that prints a fact in one of its forms."""

    fact: str
    text: str


@dataclass(frozen=True)
class Sentence:
    """Plain text and citations in order; a number or a comparison may stand only in a citation."""

    parts: tuple[str | Cite, ...]

    @property
    def text(self) -> str:
        """The sentence as plain text."""
        return "".join(p if isinstance(p, str) else p.text for p in self.parts)

    @property
    def facts(self) -> tuple[str, ...]:
        """Ids of the facts it cites, in order, once each."""
        return tuple(dict.fromkeys(p.fact for p in self.parts if isinstance(p, Cite)))


Paragraph = tuple[Sentence, ...]


@dataclass(frozen=True)
class Section:
    """One titled part of the summary."""

    key: str  # overview, components, analysis, observations, interpretation, anomaly, conclusion, methods
    title: str
    paragraphs: tuple[Paragraph, ...]
    authored: str = ""  # the author's own text, shown as such and never checked


@dataclass(frozen=True)
class KeyFigure:
    """One of the few large numbers of the first page."""

    figure: Sentence  # "0.83"
    meaning: Sentence  # "nested AUROC, 95 % interval 0.79-0.86, n = 962"


@dataclass(frozen=True)
class Summary:
    """All the words of a report that the numbers decide."""

    finding: Sentence  # one line of what was measured, below the title
    abstract: Paragraph
    key_figures: tuple[KeyFigure, ...]
    sections: tuple[Section, ...]
    captions: Mapping[str, Paragraph]  # figure name -> caption; "tokens", "<grid>.heatmap", "<grid>.profile", tables too


@dataclass(frozen=True)
class Figure:
    """One drawing: a Vega-Lite specification for the page, and words for those who cannot see it."""

    name: str  # "errors.heatmap"; the key of its caption
    grid: str  # empty for the token strip
    title: str
    alternative: str  # alternative text
    spec: Mapping[str, Any] | None  # Vega-Lite, with the theme's configuration; None where `svg` is drawn directly
    svg: str = ""  # drawn directly: the token strip
    width: int = 0  # pixels at 96 dpi
    height: int = 0


GridPoint = tuple[int, str]
Columns = Mapping[str, Sequence[Scalar]]

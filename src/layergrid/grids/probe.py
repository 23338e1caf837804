"""The kind `probe`: how well a linear probe predicts labels from the states at each layer and position.

It knows the parameters; the package probing takes the steps (rows, fits, judgement) and has the words. A spec is read
without what computes: the methods that a build calls import it.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from layergrid.artifacts import Examples, Floats, Grid, GridResult, PositionStatus, Scalar
from layergrid.kinds import BadInput, Inputs, Needs, StateGrid
from layergrid.penalties import Penalties, PenaltyRange, from_weak_to_strong
from layergrid.probing.names import LAYER_0, LOGPROBS, P_TRUE, QUESTION, SIMPLER, UNTRAINED
from layergrid.text import listed, nearest

if TYPE_CHECKING:
    from layergrid.probes import CellFit
    from layergrid.probing.asked import Target
    from layergrid.probing.rows import Rows
    from layergrid.selection import CellValues
    from layergrid.stats.metrics import Metric

Share = Annotated[float, Field(gt=0, lt=1)]
Probe = Literal["logistic", "ridge", "mean_difference"]
Entry = str | dict[str, tuple[str, ...]]
USUAL = (
    "answer_length", "truncation", "logprob_mean", "logprob_min", "exact_logprob_mean", "exact_logprob_min", LOGPROBS,
    QUESTION, LAYER_0,
)  # fmt: skip
HUGE = 1e100  # of a number that is predicted
METRICS_OF = {"binary": ("auroc",), "classes": ("macro_auroc", "accuracy"), "number": ("r2", "rank_correlation")}


class Column(BaseModel):
    """A column of the data that is predicted."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    column: str
    reading: Literal["classes", "number"] = Field("classes", alias="as", description="What its values are.")


class FixedSplit(BaseModel):
    """Rows for training, for choosing penalty and cell, and for the test: shares in tenths, or a column."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    train: Share | None = None
    select: Share | None = None
    test: Share | None = None
    column: str = Field("", description="A column that says train, select or test.")

    @property
    def shares(self) -> tuple[float, float, float]:
        """Of train, select and test rows."""
        return (self.train or 0.0, self.select or 0.0, self.test or 0.0)

    @model_validator(mode="after")
    def _tenths(self) -> FixedSplit:
        given = [name for name in ("train", "select", "test") if getattr(self, name) is not None]
        if self.column:
            if given:
                raise ValueError(f"a split is told by a column or by shares; remove {listed(map(repr, given))}")
            return self
        if len(given) < 3:
            raise ValueError(
                "a fixed split has three shares, such as {train: 0.6, select: 0.2, test: 0.2}, or a column"
            )
        parts, total = [10 * share for share in self.shares], sum(self.shares)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"the shares of train, select and test add up to {total:g}, not to 1")
        if any(abs(p - round(p)) > 1e-9 for p in parts):
            raise ValueError("the shares of train, select and test are tenths, such as 0.6, 0.2 and 0.2")
        return self


class ProbeGrid(StateGrid):
    """AUROC of a linear probe in every cell, its penalty chosen inside the training folds."""

    version: ClassVar[int] = 9
    selects: ClassVar[bool] = True
    kind: Literal["probe"] = "probe"
    predict: Literal["error", "correct", "label"] | Column = Field(
        "error",
        description="Positive class: `error` (wrong answers) or `correct` (right answers) of what the model wrote; "
        "`label` for a data set with a label column, and its default there; or {column, as: classes or number}.",
    )
    probe: Probe | None = Field(
        None, description="`logistic` (the default), `ridge` (the default for a number) or `mean_difference`."
    )
    metric: Literal["auroc", "macro_auroc", "accuracy", "r2", "rank_correlation"] | None = Field(
        None, description="AUROC for two classes; `macro_auroc` or `accuracy` for more; `r2` or `rank_correlation`."
    )
    folds: int = Field(5, ge=3, le=20, description="Folds, by label and group; selection is nested inside them.")
    repeats: int = Field(1, ge=1, le=20, description="How often rows are assigned to folds anew.")
    split: FixedSplit | None = Field(
        None, description="One fixed split in place of folds: {train, select, test} in tenths, or {column}."
    )
    parity: Literal["llms-know"] | None = Field(
        None, description="Follows a published recipe, faults and all, to reproduce its figures."
    )
    penalties: Penalties = Field(
        PenaltyRange(),
        description="Penalties to choose from inside the training folds, {from, to, count} or a list: lambda of "
        "(1/n) sum log-loss + lambda/2 |w|^2; scikit-learn's C is 1/(n lambda).",
    )
    statuses: Annotated[tuple[PositionStatus, ...], Field(min_length=1)] = Field(
        (PositionStatus.OK,), description="Rows are compared where every position has one of these statuses."
    )
    near_duplicates: Literal["group", "report", "ignore"] = Field(
        "group", description="Prompts that are nearly the same stay on one side of a split, are counted, or neither."
    )
    baselines: tuple[Entry, ...] = Field(
        USUAL,
        description=f"Simpler predictors on the same rows and folds: {', '.join(SIMPLER)}; or columns, as "
        "{operand sizes: [left_digits, right_digits]}.",
    )
    permutations: int = Field(
        999, ge=0, le=100_000, description="Relabellings of the test over all cells; 0: Holm on the intervals."
    )
    relabel: Literal["ridge", "logistic"] = Field(
        "ridge", description="The probe that is refitted for every relabelling."
    )
    control: int = Field(0, ge=0, le=50, description="Draws of the control task: random labels by token; 0: none.")
    directions: bool = Field(False, description="Keep the probe of every cell, refitted on all rows.")
    device: Literal["cpu", "cuda"] = Field("cpu", description="Where probes are fitted.")
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    @field_validator("baselines")
    @classmethod
    def _baselines_make_sense(cls, value: tuple[Entry, ...]) -> tuple[Entry, ...]:
        names = [name for entry in value for name in ([entry] if isinstance(entry, str) else entry)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"the baseline {name!r} stands twice")
        for entry in value:
            if isinstance(entry, str) and entry not in SIMPLER:
                near = nearest(entry, SIMPLER)
                hint = f"; did you mean {near!r}?" if near else "."
                known = listed(repr(name) for name in SIMPLER)
                raise ValueError(f"unknown baseline {entry!r}{hint} Known are {known}; or give {{name: [columns]}}")
            if isinstance(entry, dict) and not (entry and all(entry.values())):
                raise ValueError("a baseline of columns is a name with at least one column: {name: [columns]}")
            taken = (
                [name for name in entry if name in SIMPLER or name.endswith("+probe")]
                if isinstance(entry, dict)
                else []
            )
            if taken:
                raise ValueError(f"the baseline {taken[0]!r} needs another name: that one has a meaning of its own")
        return value

    @model_validator(mode="after")
    def _goes_together(self) -> ProbeGrid:
        known = METRICS_OF[self.asks_for]
        if self.metric is not None and self.metric not in known:
            raise ValueError(f"metric {self.metric!r} does not fit what is predicted; write {listed(known, 'or')}")
        if self.asks_for == "number" and self.probe not in (None, "ridge"):
            raise ValueError(f"a number is predicted by a ridge probe; remove 'probe: {self.probe}'")
        for wrong, because in (
            (self._given("control", "parity") if self.asks_for != "binary" else [], "a target that is not binary"),
            (self._given("directions") if self.asks_for == "classes" else [], "more than two classes"),
            (self._given("repeats", "parity", "folds") if self.split else [], "'split', in the place of folds"),
            (self._given("repeats", "probe", "control", "directions", "folds", "penalties") if self.parity else [],
             "'parity', which is one split and one logistic probe"),
            (self._given("penalties") if self.fitted == "mean_difference" else [], "a difference of means"),
            (self._given("relabel") if not self.permutations else [], "'permutations: 0'"),
        ):  # fmt: skip
            if wrong:
                raise ValueError(f"{listed(map(repr, wrong))} cannot go with {because}; remove one or the other")
        if self.permutations > 0 and 1 / (self.permutations + 1) > 1 - self.level + 1e-12:
            least = math.ceil(1 / (1 - self.level) - 1e-9) - 1
            raise ValueError(f"'permutations' is at least {least} at level {self.level:g}, or 0 for Holm's correction")
        return self

    def _given(self, *names: str) -> list[str]:
        """Those of some options that were written, and not as their default."""
        fields = type(self).model_fields
        return [n for n in names if n in self.model_fields_set and getattr(self, n) != fields[n].default]

    @property
    def insists(self) -> bool:
        """Whether the baselines were written by hand."""
        return "baselines" in self.model_fields_set

    # ------------------------------------------------------------ the parameters as the steps read them

    @property
    def asks_for(self) -> Literal["binary", "classes", "number"]:
        """What is predicted."""
        return self.predict.reading if isinstance(self.predict, Column) else "binary"

    @property
    def predicts(self) -> str:
        """`error`, `correct`, `label`, or `column`."""
        return "column" if isinstance(self.predict, Column) else self.predict

    @property
    def column(self) -> str:
        """The column that is predicted; empty where labels are."""
        return self.predict.column if isinstance(self.predict, Column) else ""

    @property
    def fitted(self) -> Probe:
        """The kind of probe."""
        return self.probe or ("ridge" if self.asks_for == "number" else "logistic")

    @property
    def judge(self) -> Metric:
        """How predictions are judged."""
        from layergrid.stats.metrics import METRICS

        return METRICS[self.metric or METRICS_OF[self.asks_for][0]]

    @property
    def shares(self) -> tuple[float, float, float] | str | None:
        """A fixed split: shares of train, select and test rows, or the column that names them."""
        return None if self.split is None else self.split.column or self.split.shares

    @property
    def penalty_values(self) -> tuple[float, ...]:
        """The penalties, lambda of the mean loss, each once, from weak to strong."""
        return from_weak_to_strong(self.penalties)

    @property
    def column_baselines(self) -> dict[str, tuple[str, ...]]:
        """Baselines made of declared columns: name -> columns."""
        return {name: columns for e in self.baselines if isinstance(e, dict) for name, columns in e.items()}

    # ------------------------------------------------------------ what a kind does

    def check(self, examples: Examples, grid: str) -> None:
        """Raises BadInput where a parameter names a column that the data lack, or one with holes."""
        from layergrid.baselines import check_columns
        from layergrid.probing.rows import named_parts

        for name, columns in self.column_baselines.items():
            check_columns(columns, examples, f"grids.{grid}.baselines, {name!r}")
        if self.split is not None and self.split.column:
            check_columns((self.split.column,), examples, f"grids.{grid}.split")
            named_parts(self.split.column, examples, grid)
        if self.column:
            check_columns((self.column,), examples, f"grids.{grid}.predict")
            self._target_column(examples, grid)

    def _target_column(self, examples: Examples, grid: str) -> Target:
        """The column that is predicted. Raises BadInput for a hole, or text where numbers are wanted."""
        import numpy as np

        from layergrid.baselines import as_numbers
        from layergrid.probing.asked import Target

        where = f"grids.{grid}.predict: column {self.column!r} of data set {examples.name!r}"
        values = examples.columns[self.column]
        if self.asks_for == "number":
            values = tuple(as_numbers(values))
        empty = [examples.ids[i] for i, v in enumerate(values) if v is None or v == "" or v != v]
        if empty:
            raise BadInput(f"{where} has no value in {len(empty)} of {len(values)} rows, the first {empty[0]!r}; fill "
                           "the holes, or leave those rows out of the data")  # fmt: skip
        if self.asks_for == "classes":
            names = sorted({str(v) for v in values})
            return Target(np.array([names.index(str(v)) for v in values], dtype=np.int64), tuple(names))
        wrong = next((examples.ids[i] for i, v in enumerate(values) if not _modest(v)), None)
        if wrong is not None:
            raise BadInput(
                f"{where} is no number of a size to reckon with in row {wrong!r}; write 'as: classes' to predict words"
            )
        return Target(np.array([float(v or 0) for v in values]))

    def target(self, inputs: Inputs) -> Target:
        """What is predicted, of all examples."""
        import numpy as np

        from layergrid.probing.asked import Target

        if self.column:
            return self._target_column(inputs.examples, inputs.name)
        positive, *said = inputs.labels.positive(self.predicts)
        return Target(np.asarray(positive, dtype=bool), words=(said[0], said[1]))

    def needs(self) -> Needs:
        """One site of the chosen layers, and labels; for baselines an untrained model's, and what it says if asked."""
        asks = P_TRUE in self.baselines and self.predicts in ("error", "correct")
        return replace(super().needs(), labels=not self.column, untrained=UNTRAINED in self.baselines, p_true=asks)

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all compared positions, then the nested best and the baselines."""
        from layergrid.probing import assembling
        from layergrid.probing.fitting import fit_all, plan_of
        from layergrid.probing.rows import compared_rows

        self.check(inputs.examples, inputs.name)
        rows = compared_rows(self, inputs)
        if rows.split is None:
            return GridResult(self._grid(inputs, rows, [], None))
        plan = plan_of(self, inputs, rows)
        fits = fit_all(self, inputs, rows, plan)
        shape = (len(self.states(inputs).layers), len(inputs.positions.names))
        values, scores, test = assembling.values_of(self, rows, fits, shape)
        grid = self._grid(inputs, rows, fits, values)
        grid = replace(grid, facets=assembling.class_facets(self, rows, scores, shape))
        return assembling.result(self, inputs, rows, plan, fits, grid, scores, test)

    def _grid(self, inputs: Inputs, rows: Rows, fits: list[CellFit], values: CellValues | None) -> Grid:
        """The grid itself; without values every cell holds the rows' trouble."""
        import numpy as np

        from layergrid.probing import assembling, words
        from layergrid.probing.judging import outcomes
        from layergrid.probing.rows import outcomes_without_values

        layers, names = self.states(inputs).layers, inputs.positions.names
        shape = (len(layers), len(names))
        takes_part = np.broadcast_to(rows.positions, shape)
        found = outcomes_without_values(self, inputs, rows) if values is None else outcomes(fits, values)
        status, reason = zip(*found, strict=True)
        majority = assembling.majority(rows)
        tested = 0 if values is None else int(np.count_nonzero(~np.isnan(values.p_adjusted)))
        settings = words.settings(self, inputs, rows, fits, tested, majority)

        def of(name: str) -> Floats:
            return np.full(shape, np.nan) if values is None else getattr(values, name).reshape(shape)

        judged = np.unique(rows.judged) if values is not None else np.arange(len(rows.index))
        return Grid(
            name=inputs.name, model=inputs.model, dataset=inputs.examples.name, kind=self.kind, site=self.site,
            head="" if self.head is None else str(self.head),
            metric=self.judge.name, quantity=words.quantity(self, inputs, rows.target, majority), layers=layers,
            positions=names, value=of("value"), low=of("low"), high=of("high"), level=self.level,
            n=np.where(takes_part, settings["rows"], 0),
            n_positive=np.where(takes_part, int(rows.labels[judged].sum()), 0),
            p_adjusted=of("p_adjusted"),
            status=np.array(status).reshape(shape),
            reason=np.array(reason).reshape(shape),
            tied_with_best=np.zeros(shape, dtype=bool) if values is None else values.tied_with_best.reshape(shape),
            settings=settings,
        )  # fmt: skip


def _modest(value: Scalar) -> bool:
    """Whether a value is a number whose square double precision holds with room to spare."""
    try:
        return not isinstance(value, str) and abs(float(value or 0)) < HUGE
    except OverflowError:
        return False

"""The kind `logit_lens`: what the model's own head would say, read at each layer and position, of one token.

It knows which token is asked for and what a cell means; lens.py reads the logits, describing.py takes the means.
The logit lens: nostalgebraist 2020, "interpreting GPT: the logit lens".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from layergrid.artifacts import (
    Activations,
    Bools,
    CellStatus,
    Contrast,
    Floats,
    GridResult,
    Ints,
    PositionStatus,
    Quantity,
    Scalar,
)
from layergrid.kinds import BadInput, Inputs, Needs, Readout, StateGrid
from layergrid.text import site_name

if TYPE_CHECKING:
    from layergrid.describing import Rows, Statistic

Target = Literal["next", "own", "answer", "gold"]
Measure = Literal["probability", "log_probability", "rank", "reciprocal_rank", "top1"]


class LogitLensGrid(StateGrid):
    """Probability or rank of a named token, read out of the residual stream by the model's own last norm and head."""

    kind: Literal["logit_lens"] = "logit_lens"
    site: Literal["residual", "decoder.residual"] = Field(
        "residual", description="The residual stream; `decoder.residual` in a model with two stacks."
    )
    target: Target = Field(
        "next",
        description="The token that is asked for: `next` (the one after the position), `own` (the one at the position, "
        "for models that fill masks), `answer` (the first of the exact answer as the model wrote it) or `gold` (the "
        "first of the right answer, put in the exact answer's place).",
    )
    measure: Measure = Field(
        "probability",
        description="What a cell holds of that token: mean `probability`, `log_probability` (in nats), median `rank`, "
        "mean `reciprocal_rank`, or `top1`, the share of examples in which it is the most probable token.",
    )
    contrast: Contrast = Field(
        "none",
        description="`error`: cells are wrong minus right answers, `correct` the reverse; `label`: rows with the label "
        "minus rows without it; `none`: means over all rows.",
    )
    statuses: Annotated[tuple[PositionStatus, ...], Field(min_length=1)] = Field(
        (PositionStatus.OK,), description="Rows are compared where every position has one of these statuses."
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    def needs(self) -> Needs:
        """States of the chosen layers and the model's head; labels where the target or the contrast needs them."""
        labels = self.contrast != "none" or self.target in ("answer", "gold")
        return replace(super().needs(), readout=True, labels=labels, grades=self.target in ("answer", "gold"))

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that have the token that is asked for, and count, at all compared positions."""
        import numpy as np

        from layergrid.describing import describe, rows

        if inputs.readout is None:
            raise ValueError("a logit lens needs a readout")
        states = self.states(inputs)
        columns = [states.positions.index(name) for name in inputs.positions.names]
        wanted = _targets(self.target, inputs, inputs.readout)
        chosen = rows(inputs, states.present[:, columns] & (wanted >= 0), self.statuses, self.contrast)
        shape = (len(states.layers), len(columns))
        values = np.full((*shape, len(chosen.index)), np.nan, dtype=np.float32)
        cells = [(i, p) for i in range(shape[0]) for p in np.flatnonzero(chosen.positions)]
        inputs.progress(0, len(cells))
        for done, (i, p) in enumerate(cells, start=1):
            if len(chosen.index) and states.layers[i] not in states.lacking:
                # Rows are picked before they are copied: the whole of a layer may not fit.
                found = inputs.readout(states.values[i, columns[p]][chosen.index], wanted[chosen.index, p])
                values[i, p] = _values(self.measure, *found)
            inputs.progress(done, len(cells))
        return describe(
            inputs, kind=self.kind, site=self.site, metric=self.measure, quantity=quantity(self), layers=states.layers,
            values=values, rows=chosen, level=self.level, contrast=self.contrast,
            statistic=_MEASURES[self.measure].statistic, cell_status=_without_values(inputs, states, wanted, chosen),
            settings=_settings(self, inputs, wanted, chosen),
        )  # fmt: skip


# ---------------------------------------------------------------- the token that is asked for


def _targets(target: Target, inputs: Inputs, readout: Readout) -> Ints:
    """The token that is asked for, int64 [N, P]; -1 where an example has none at a position."""
    import numpy as np

    sequences, positions = inputs.sequences, inputs.positions
    found = np.full(positions.start.shape, -1, dtype=np.int64)
    if target in ("answer", "gold"):
        _check_answers(target, inputs)
        for i in range(len(found)):
            found[i] = _first_of_answer(inputs, i) if target == "answer" else _first_of_gold(inputs, i, readout)
        return found
    for i, ids in enumerate(sequences.ids):
        # A position of several tokens is their mean: what follows it is what follows the last of them.
        at = positions.stop[i] - (0 if target == "next" else 1)
        there = (positions.start[i] >= 0) & (at < len(ids))
        found[i, there] = ids[at[there]]
    return found


def _check_answers(target: Target, inputs: Inputs) -> None:
    where, labels = f"grids.{inputs.name}.target", inputs.labels
    if not inputs.sequences.written or not labels.rule:
        raise BadInput(
            f"{where}: {target!r} is a token of an exact answer, and data set {inputs.examples.name!r} has none; let "
            "the model write answers and grade them, or write target: next"
        )
    if target == "gold" and labels.gold not in inputs.examples.columns:
        raise BadInput(
            f"{where}: data set {inputs.examples.name!r} names no column of right answers; grade it with one, or write "
            "target: answer"
        )


def _first_of_answer(inputs: Inputs, i: int) -> int:
    """The first token that holds a character of the exact answer; -1 where there is no exact answer."""
    start, stop = (int(x) for x in inputs.labels.spans[i])
    if start < 0:
        return -1
    sequences = inputs.sequences
    return _first_within(sequences.ids[i], sequences.offsets[i], start, stop, ~sequences.special[i])


def _first_of_gold(inputs: Inputs, i: int, readout: Readout) -> int:
    """The first token of the right answer where the exact answer stands; -1 where there is no exact answer.

    Where the exact answer is right, that is its own first token, however the data spell the right answer. Elsewhere the
    whole text is tokenised with the right answer in the exact answer's place, so that what stands before it (a blank
    that belongs to the token, an earlier digit) has its say.
    """
    import numpy as np

    if inputs.labels.correct[i]:
        return _first_of_answer(inputs, i)
    start, stop = (int(x) for x in inputs.labels.spans[i])
    gold = _spelt(inputs.examples.columns[inputs.labels.gold][i])
    if start < 0 or not gold:
        return -1
    text = inputs.sequences.texts[i]
    ids, offsets = readout.encode(f"{text[:start]}{gold}{text[stop:]}")
    return _first_within(ids, offsets, start, start + len(gold), np.ones(len(ids), dtype=np.bool_))


def _spelt(gold: Scalar) -> str:
    """A right answer as text: whole numbers without a decimal point, empty where there is none."""
    if isinstance(gold, float) and gold.is_integer():
        return str(int(gold))
    return "" if gold is None else str(gold).strip()


def _first_within(ids: Ints, offsets: Ints, start: int, stop: int, usable: Bools) -> int:
    """The first usable token that holds a character of [start, stop); -1 where none does."""
    import numpy as np

    holding = np.flatnonzero((offsets[:, 0] < stop) & (offsets[:, 1] > start) & usable)
    return int(ids[holding[0]]) if len(holding) else -1


def _without_values(
    inputs: Inputs, states: Activations, wanted: Ints, chosen: Rows
) -> dict[tuple[int, int], tuple[CellStatus, str]]:
    """Cells without a value for a reason of this kind: the layer has no states, or no example has the token."""
    import numpy as np

    found: dict[tuple[int, int], tuple[CellStatus, str]] = {}
    for p, kept in enumerate(chosen.positions):
        there = inputs.positions.start[:, p] >= 0
        counts = there & np.isin(inputs.positions.status[:, p], chosen.statuses)
        if not kept and counts.any() and (wanted[counts, p] < 0).all():
            why = "no example that counts has the token that is asked for: "
            why += "none follows there, or no exact answer was found"
            found |= {(i, p): (CellStatus.MISSING, why) for i in range(len(states.layers))}
    for i, layer in enumerate(states.layers):
        if layer in states.lacking:
            found |= {(i, p): (CellStatus.LACKING, states.lacking[layer]) for p in range(len(chosen.positions))}
    return found


# ---------------------------------------------------------------- what a cell holds


@dataclass(frozen=True)
class _Measure:
    """How it is called what is made of a token's log-probability and rank."""

    name: str
    opening: str  # of the sentence, before the token
    low: float | None
    high: float | None
    higher_is: Literal["more", "less"] = "more"
    statistic: Statistic = "mean"
    unit: str = ""


def _values(measure: Measure, logprobs: Floats, ranks: Ints) -> Floats:
    """What a measure makes of log-probabilities and ranks [n]; NaN where the logits are no numbers."""
    import numpy as np

    if measure in ("probability", "log_probability"):
        return np.exp(logprobs) if measure == "probability" else logprobs
    found: Any = ranks
    if measure != "rank":
        found = ranks == 1 if measure == "top1" else 1 / np.maximum(ranks, 1)
    return np.where(np.isnan(logprobs), np.nan, found).astype(np.float32)


_MEASURES: dict[Measure, _Measure] = {
    "probability": _Measure("probability", "the mean probability of", 0.0, 1.0),
    "log_probability": _Measure("log-probability", "the mean natural log-probability of", None, 0.0, unit="nats"),
    "rank": _Measure(
        "rank", "the median rank, 1 for the most probable token of the vocabulary, of", 1.0, None,
        higher_is="less", statistic="median",
    ),
    "reciprocal_rank": _Measure("reciprocal rank", "the mean reciprocal rank of", 0.0, 1.0),
    "top1": _Measure("top-1 share", "the share of examples whose most probable token is", 0.0, 1.0),
}  # fmt: skip
_TARGETS: dict[Target, tuple[str, str]] = {  # in a sentence, and as the subject of one
    "next": ("the token that follows", "next tokens"),
    "own": ("the token that stands there", "tokens"),
    "answer": ("the exact answer's first token, as the model wrote it", "exact answers"),
    "gold": ("the right answer's first token, put in the exact answer's place", "right answers"),
}


def quantity(kind: LogitLensGrid) -> Quantity:
    """What a cell is, in words."""
    measure, (token, subject) = _MEASURES[kind.measure], _TARGETS[kind.target]
    return Quantity(
        name=measure.name,
        sentence=f"Each cell is {measure.opening} {token}, read out of the {site_name(kind.site)} at one layer and one "
        "token position by the model's own last norm and head; in the last layer it is the model's own prediction.",
        subject=subject,
        claim="readable",
        low=measure.low,
        high=measure.high,
        chance=None,
        unit=measure.unit,
        higher_is=measure.higher_is,
        caution="The layers before the last were not trained to be read by the head: where the token cannot be read, "
        "it may still be there in another form, and where it can, later layers may still change it.",
    )


def _settings(kind: LogitLensGrid, inputs: Inputs, wanted: Ints, chosen: Rows) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    methods = {
        "measure": "States went through the model's own code after its last block, as on an ordinary run (logit lens; "
        "nostalgebraist 2020); ranks count the tokens with a higher logit, so that equal logits share the better rank.",
        "target": f"The token that is asked for is {_TARGETS[kind.target][0]}.",
    }
    found: dict[str, Any] = {"target": kind.target, "measure": kind.measure, "methods": methods}
    if kind.target == "gold":
        methods["target"] += (
            " Where the exact answer is right, its own first token is taken; elsewhere the text is tokenised anew with "
            "the right answer, as the data spell it, in place of the exact one."
        )
        wrong = [i for i in chosen.index if not inputs.labels.correct[i]]
        found["rows_wrong"] = len(wrong)
        found["rows_wrong_alike"] = sum(_first_of_answer(inputs, i) == wanted[i].max(initial=-1) for i in wrong)
    return found

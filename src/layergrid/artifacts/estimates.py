"""What a number is, a number with its interval, and that of a simpler predictor; where it stands is not known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


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
    caution: str = ""  # a sentence: what a high value does not say; "An attention weight is no measure of importance."
    family: Literal["", "attention"] = ""  # "attention": how much of a token's attention; decides colours alone


@dataclass(frozen=True)
class Estimate:
    """A number with its interval; NaN bounds mean that no interval can be given."""

    value: float
    low: float
    high: float
    level: float  # nominal coverage, 0.95
    n: int  # rows


@dataclass(frozen=True)
class Baseline:
    """What a simpler predictor reaches on the same rows and folds."""

    name: str  # "exact_logprob_mean"
    label: str  # "mean log-probability of the exact answer"
    estimate: Estimate | None  # None where it has no value
    difference: Estimate | None  # nested best minus this baseline, paired
    reason: str = ""  # why it has no value
    sees: str = ""  # "question": only what is known before the model answers; "completion": what it wrote; "states"

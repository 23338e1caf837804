"""What a probe grid asks for, as the steps see it; the kind `probe` is what answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from layergrid.artifacts import Activations, PositionStatus
from layergrid.kinds import Inputs
from layergrid.probes import Probe
from layergrid.probes.solving import Targets
from layergrid.stats.metrics import Metric


@dataclass(frozen=True)
class Target:
    """What probes predict, of all examples."""

    values: Targets  # [N]: bool, codes of `classes`, or real values
    classes: tuple[str, ...] = ()  # words for the codes
    words: tuple[str, str] = ("", "")  # of a binary target: the positive class and the other
    centre: float = 0.0  # of a number, which is predicted as its distance from there ...
    unit: float = 1.0  # ... in this unit: mean and standard deviation over the compared rows

    @property
    def binary(self) -> bool:
        """Whether there is one positive class."""
        return self.words != ("", "")


class Asked(Protocol):
    """The parameters of the kind."""

    @property
    def statuses(self) -> tuple[PositionStatus, ...]:
        """Statuses of positions that count."""

    @property
    def folds(self) -> int:
        """Number of folds."""

    @property
    def repeats(self) -> int:
        """How often rows are assigned to folds anew."""

    @property
    def shares(self) -> tuple[float, float, float] | str | None:
        """A fixed split: shares of train, select and test rows, or the column that names them; None: folds."""

    @property
    def parity(self) -> str | None:
        """The published recipe that is followed."""

    @property
    def near_duplicates(self) -> Literal["group", "report", "ignore"]:
        """What is done with rows that are nearly the same."""

    @property
    def penalty_values(self) -> tuple[float, ...]:
        """The penalties, each once, from weak to strong."""

    @property
    def fitted(self) -> Probe:
        """The kind of probe."""

    @property
    def judge(self) -> Metric:
        """How predictions are judged."""

    @property
    def permutations(self) -> int:
        """Relabellings of the test; 0: no test by permutation."""

    @property
    def relabel(self) -> Literal["ridge", "logistic"]:
        """The probe that is refitted for every relabelling."""

    @property
    def control(self) -> int:
        """Draws of labels of the control task."""

    @property
    def directions(self) -> bool:
        """Whether the directions of the probes are kept."""

    @property
    def device(self) -> str:
        """Where probes are fitted."""

    @property
    def level(self) -> float:
        """Nominal coverage of intervals."""

    @property
    def predicts(self) -> str:
        """`error`, `correct`, `label`, or `column`."""

    @property
    def baselines(self) -> tuple[str | dict[str, tuple[str, ...]], ...]:
        """Names, or columns by name."""

    @property
    def insists(self) -> bool:
        """Whether the baselines were written by hand, so that one that cannot be has a row that says why."""

    def target(self, inputs: Inputs) -> Target:
        """What is predicted."""

    def states(self, inputs: Inputs) -> Activations:
        """What the probe reads."""

"""The data sets that ship: questions made by the package itself; it reads no file."""

from __future__ import annotations

from typing import ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.demo.questions import Sum, evaluation_sums
from layergrid.demo.statements import statements
from layergrid.kinds import BadInput, Loader
from layergrid.project import Project
from layergrid.text import listed, nearest

ARITHMETIC_ROWS = 4000
STATEMENT_ROWS = 2000


class BuiltinLoader(Loader):
    """`builtin:arithmetic`: 4,000 sums that the model that ships was never trained on.

    `builtin:statements`: 2,000 of them with a stated answer, which is right in every second one.
    """

    schemes: ClassVar[tuple[str, ...]] = ("builtin",)
    kind: Literal["builtin"] = "builtin"

    def read(self, project: Project) -> dict[str, list[Scalar]]:  # noqa: ARG002 - nothing is read from a folder
        """Columns question, answer, left, operation, right, left_digits, right_digits, operands, wording.

        Statements have reply, stated and is_true beside them.
        """
        makers = {"arithmetic": _arithmetic, "statements": _statements}
        if self.address not in makers:
            near = nearest(self.address, makers)
            hint = f" Did you mean builtin:{near}?" if near else ""
            raise BadInput(f"builtin:{self.address}: no such data set ships; those that do: {listed(makers)}.{hint}")
        return makers[self.address]()


def _arithmetic() -> dict[str, list[Scalar]]:
    return _columns(evaluation_sums(ARITHMETIC_ROWS))


def _statements() -> dict[str, list[Scalar]]:
    made = statements(STATEMENT_ROWS)
    return {
        **_columns([one.sum for one in made]),
        "reply": [one.reply for one in made],
        "stated": [one.stated for one in made],
        "is_true": [one.is_true for one in made],
    }


def _columns(sums: list[Sum]) -> dict[str, list[Scalar]]:
    return {
        "question": [one.question for one in sums],
        "answer": [one.answer for one in sums],
        "left": [one.left for one in sums],
        "operation": [one.operation for one in sums],
        "right": [one.right for one in sums],
        "left_digits": [len(str(one.left)) for one in sums],
        "right_digits": [len(str(one.right)) for one in sums],
        "operands": [one.operands for one in sums],
        "wording": [one.wording for one in sums],
    }

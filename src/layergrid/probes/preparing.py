"""Which solver a cell gets: by the number of its features and rows, never by their values."""

from __future__ import annotations

from layergrid.artifacts import Floats
from layergrid.probes.newton import MAX_STEPS, TOLERANCE, NewtonSolver
from layergrid.probes.solving import Solver
from layergrid.text import power

FEW = 128  # features up to which a Cholesky factor in double precision is the fastest
MOST_ROWS = 3000  # rows above which a Gram matrix costs more than passes over the features
HOW = {  # for the methods of a report
    "newton": "Newton's method with a Cholesky factor, warm-started from strong to weak penalties",
    "dual": "Newton's method on dual coefficients with preconditioned conjugate gradients, warm-started from strong to "
    "weak penalties; one Gram matrix a cell serves all folds, penalties and relabellings",
    "primal": "Newton's method with preconditioned conjugate gradients on all folds at once, warm-started from strong "
    "to weak penalties",
    "batched": "Newton's method on all folds at once, warm-started from strong to weak penalties",
}
TOLERANCES = {
    "newton": f"every entry of the gradient of the penalised mean loss at most {power(TOLERANCE)}",
    "dual": "the objective within a millionth of its least value, by the duality gap",
    "primal": "the objective within a millionth of its least value, estimated from the preconditioned gradient",
    "batched": "the objective within a millionth of its least value, bounded by the gradient",
}


def solver_name(rows: int, width: int, device: str = "cpu") -> str:
    """newton, dual or primal; `device` other than cpu has its own, batched."""
    if device != "cpu":
        return "batched"
    if width <= FEW and width <= rows:
        return "newton"
    return "dual" if rows <= min(2 * width, MOST_ROWS) else "primal"


def prepare(features: Floats, device: str = "cpu", max_steps: int = MAX_STEPS) -> Solver:
    """The solver of one cell's features [n, d], finite and not all constant."""
    rows, width = features.shape
    name = solver_name(rows, width, device)
    if name == "newton":
        return NewtonSolver(features, max_steps=max_steps)
    if name == "dual":
        from layergrid.probes.gram import GramSolver

        return GramSolver(features)
    if name == "primal":
        from layergrid.probes.primal import PrimalSolver

        return PrimalSolver(features)
    from layergrid.probes.device import TorchSolver

    return TorchSolver(features, device)

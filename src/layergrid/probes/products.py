"""Products of a tall matrix with the vectors of many fits, each fit a generator that asks for its next product.

A fit knows its own losses and steps and yields what it needs next; `together` gathers the wishes of all fits and serves
those of one kind by one pass over the matrix. It knows neither losses nor penalties.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt

Real = npt.NDArray[Any]  # float32, or float64 where a fit asked for exact products
Request = tuple[str, Real]
Result = TypeVar("Result")
Fit = Generator[Request, Real, Result]

ROWS: Final = "rows"  # Z v [n] of a vector v [d]
COLUMNS: Final = "columns"  # Z'u [d] of a vector u [n]
ROWS_EXACT: Final = "rows, float64"
COLUMNS_EXACT: Final = "columns, float64"
ONTO: Final = "onto"  # V v [k], V the basis of a preconditioner
FROM: Final = "from"  # V'c [d]
_ORDER = (ROWS, ROWS_EXACT, COLUMNS, COLUMNS_EXACT, ONTO, FROM)

_SMALL = 1_000_000  # multiplications below which BLAS multiplies without copying its operands into panels first
_FEW = 12  # vectors up to which such small products are faster: 13 ms, not 37, for five over 5,000 x 4,096
_BLOCK = 512  # rows a product otherwise


class Products:
    """The products of features z [n, d] and of a basis [k, d], several vectors at once; sums in a fixed order."""

    def __init__(self, z: Real, basis: Real | None = None):
        self._z = z
        self._basis = basis

    def __call__(self, kind: str, vectors: Sequence[Real]) -> Real:
        """One product of `kind` for each vector: [T, n], [T, d] or [T, k]."""
        if kind in (ROWS, ROWS_EXACT):
            return self._rows(vectors, np.dtype(np.float64 if kind == ROWS_EXACT else np.float32))
        if kind in (COLUMNS, COLUMNS_EXACT):
            return self._columns(vectors, np.dtype(np.float64 if kind == COLUMNS_EXACT else np.float32))
        if self._basis is None:
            raise ValueError("these products have no basis")
        many = np.stack(vectors).astype(np.float32, copy=False)
        found: Real = many @ self._basis.T if kind == ONTO else many @ self._basis
        return found

    def _rows(self, vectors: Sequence[Real], real: np.dtype[Any]) -> Real:
        n, d = self._z.shape
        many = np.stack(vectors, axis=1).astype(real, copy=False)
        found = np.empty((n, len(vectors)), dtype=real)
        block = max(8, _SMALL // (d * len(vectors)) // 8 * 8) if len(vectors) <= _FEW else _BLOCK
        for start in range(0, n, block):
            part = self._z[start : start + block].astype(real, copy=False)
            np.dot(part, many, out=found[start : start + block])
        return np.ascontiguousarray(found.T)

    def _columns(self, vectors: Sequence[Real], real: np.dtype[Any]) -> Real:
        n, d = self._z.shape
        many = np.stack(vectors).astype(real, copy=False)
        found = np.zeros((len(vectors), d), dtype=real)
        block = 8 if len(vectors) <= _FEW and d >= 1024 else _BLOCK
        for start in range(0, n, block):
            found += many[:, start : start + block] @ self._z[start : start + block].astype(real, copy=False)
        return found


def together(products: Products, fits: Sequence[Fit[Result]]) -> list[Result]:
    """The results of all fits, their products of one kind served together."""
    results: dict[int, Result] = {}
    waiting: dict[int, Request] = {}

    def go_on(i: int, answer: Real | None) -> None:
        try:
            waiting[i] = next(fits[i]) if answer is None else fits[i].send(answer)
        except StopIteration as end:
            results[i] = end.value
            waiting.pop(i, None)

    for i in range(len(fits)):
        go_on(i, None)
    while waiting:
        for kind in _ORDER:
            asked = [i for i, (wish, _) in waiting.items() if wish == kind]
            if asked:
                for i, answer in zip(asked, products(kind, [waiting[i][1] for i in asked]), strict=True):
                    go_on(i, answer)
    return [results[i] for i in range(len(fits))]

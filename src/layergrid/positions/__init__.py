"""Position kinds, one file per kind, and what applies all of a spec's to a data set; it knows no single name."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.artifacts import Examples, Labels, Positions, Sequences
from layergrid.kinds import BadInput, PositionResolver


def resolve_all(
    resolvers: Sequence[PositionResolver], sequences: Sequences, labels: Labels, examples: Examples
) -> Positions:
    """All positions of a spec in its order, P of them in N examples; BadInput where two have one name."""
    import numpy as np

    n = len(sequences.ids)
    found = [resolver.resolve(sequences, labels, examples) for resolver in resolvers]
    names = [name for one in found for name in one.names]
    for i, name in enumerate(names):
        if name in names[:i]:
            raise BadInput(f"positions: {name!r} is given twice; remove one, or give a span a name of its own")
    return Positions(
        names=tuple(names),
        start=np.concatenate([np.empty((n, 0), np.int32), *(one.start for one in found)], axis=1, dtype=np.int32),
        stop=np.concatenate([np.empty((n, 0), np.int32), *(one.stop for one in found)], axis=1, dtype=np.int32),
        status=np.concatenate([np.empty((n, 0), np.str_), *(one.status for one in found)], axis=1),
    )

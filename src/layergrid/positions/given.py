"""Positions that came with activations made elsewhere: known by name alone; it finds no token."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from layergrid.artifacts import Examples, Labels, Positions, Sequences
from layergrid.kinds import BadInput, PositionResolver


class GivenResolver(PositionResolver):
    """A position of the manifest of a model whose address is `activations:PATH`; it needs no text."""

    kind: Literal["given"] = "given"
    name: Annotated[str, Field(min_length=1, max_length=120)]

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - see below
        """Raises BadInput: nothing but a manifest knows where it stands."""
        raise BadInput(
            f"positions: {self.name!r} is known only from activations made elsewhere; "
            "use it with a model whose address is activations:PATH"
        )

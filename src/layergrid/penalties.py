"""Penalties of probes as specs name them; it knows no probe."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class PenaltyRange(BaseModel):
    """Penalties evenly spaced on a logarithmic scale, both ends included."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
    start: Positive = Field(1e-4, alias="from", description="Weakest penalty.")
    to: Positive = Field(10.0, description="Strongest penalty.")
    count: int = Field(8, ge=1, le=100, description="How many, evenly spaced on a logarithmic scale.")

    @property
    def values(self) -> tuple[float, ...]:
        """The penalties from weak to strong."""
        import numpy as np

        low, high = sorted((self.start, self.to))
        return tuple(float(v) for v in np.geomspace(low, high, self.count))


Penalties = PenaltyRange | Annotated[tuple[Positive, ...], Field(min_length=1)]


def from_weak_to_strong(given: Penalties) -> tuple[float, ...]:
    """The penalties, each once."""
    return tuple(sorted(set(given.values if isinstance(given, PenaltyRange) else given)))

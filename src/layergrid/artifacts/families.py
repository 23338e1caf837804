"""Grids that one entry of a spec stands for, and what tells them apart; it knows neither spec nor what they hold."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Member:
    """One grid of a family."""

    grid: str
    choices: tuple[tuple[str, str], ...]  # key of the spec and what was chosen: ("model", "tiny"), ("site", "mlp_out")

    @property
    def words(self) -> str:
        """The choices alone: "tiny, mlp_out"."""
        return ", ".join(word for _, word in self.choices)


@dataclass(frozen=True)
class Family:
    """Grids that one entry of a spec stands for: one for each model, data set, site, or whatever its matrix lists."""

    name: str
    members: tuple[Member, ...]
    differences: tuple[str, ...] = ()  # grids of differences between members

    @property
    def axes(self) -> tuple[str, ...]:
        """The keys that tell the members apart."""
        return tuple(key for key, _ in self.members[0].choices) if self.members else ()

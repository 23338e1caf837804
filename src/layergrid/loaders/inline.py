"""Reads rows that stand in the spec itself; it opens no file and knows nothing of prompts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from layergrid.artifacts import Scalar
from layergrid.kinds import Loader
from layergrid.project import Project


class InlineLoader(Loader):
    """Rows written in the spec, for one text or a few: {kind: inline, rows: [{text: ...}]}.

    A key that a row lacks is null there.
    """

    kind: Literal["inline"] = "inline"
    address: str = Field("inline", description="What the report calls this source.")
    rows: Annotated[tuple[dict[str, Scalar], ...], Field(min_length=1)] = Field(
        description="The rows, each a mapping of columns to values."
    )

    def read(self, project: Project) -> dict[str, list[Scalar]]:  # noqa: ARG002 - no path is read
        """Columns in the order in which keys first appear."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return {name: [row.get(name) for row in self.rows] for name in names}

"""What lies inside an archived PDF: every grid as the CSV file that lies beside the report; it knows no document."""

from __future__ import annotations

from layergrid.archive import grid_file
from layergrid.archive.tables import csv_of
from layergrid.artifacts import Results
from layergrid.render.press import Attached


def grids(results: Results) -> tuple[Attached, ...]:
    """A file a grid, with the same name and the same bytes as in the folder `grids` of the report."""
    return tuple(
        Attached(
            grid_file(one.grid.name, "csv").removeprefix("grids/"),
            csv_of(one.grid).encode("utf-8"),
            f"{one.grid.quantity.name} of every cell of the grid {one.grid.name}",
        )
        for one in results.grids
    )

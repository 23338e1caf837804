"""Linear probes over folds, penalties and relabellings; they know rows and classes, never a report.

folds     which rows each fold holds out
newton    a logistic probe of few features, exactly
cells     all folds and penalties of a cell, and all cells
"""

from layergrid.probes.cells import CellFit, Plan, fit_cell, fit_cells, no_fit
from layergrid.probes.folds import assign_folds, canonical_order, group_codes
from layergrid.probes.newton import TOLERANCE, Path, fit_path

__all__ = [
    "TOLERANCE",
    "CellFit",
    "Path",
    "Plan",
    "assign_folds",
    "canonical_order",
    "fit_cell",
    "fit_cells",
    "fit_path",
    "group_codes",
    "no_fit",
]

"""Linear probes over folds, penalties and relabellings; they know targets, never a report.

folds      which rows each fold holds out
solving    what a solver is asked; preparing chooses one: newton (few features), gram (rows fewer than features), primal
scoring    the three probes from one solver
nulls      the metric under relabellings
cells      all folds and penalties of a cell, and all cells
fits       what that gives; keeping: in parts that outlive the process
parity     the published recipe, faults and all
"""

from layergrid.probes.cells import SELECT, TRAIN, Plan, fit_cell, fit_cells, no_fit
from layergrid.probes.fits import CellFit
from layergrid.probes.folds import assign_folds, canonical_order, group_codes
from layergrid.probes.newton import TOLERANCE, Path, fit_path
from layergrid.probes.nulls import Relabelling, ridge_penalty
from layergrid.probes.scoring import Probe

__all__ = [
    "SELECT", "TOLERANCE", "TRAIN", "CellFit", "Path", "Plan", "Probe", "Relabelling", "assign_folds",
    "canonical_order", "fit_cell", "fit_cells", "fit_path", "group_codes", "no_fit", "ridge_penalty",
]  # fmt: skip

"""The frozen values that flow from stage to stage, each with its shape; they know neither how they are made nor drawn.

Shape letters: L layers, P positions, N examples, D width, T tokens of one example, n rows compared, K folds.
"""

from layergrid.artifacts.answers import Activations, Examples, Label, Labels, Positions, Sequences
from layergrid.artifacts.base import (
    HAS_VALUE,
    Bools,
    CellStatus,
    Floats,
    GridPoint,
    Ints,
    PositionStatus,
    Scalar,
    Strings,
)
from layergrid.artifacts.results import (
    Baseline,
    DataCard,
    Estimate,
    ExpectationResult,
    Grid,
    GridResult,
    HeldOut,
    Illustration,
    ModelCard,
    Quantity,
    Results,
    Selection,
    Table,
    Winner,
)
from layergrid.artifacts.words import Cite, Fact, Figure, KeyFigure, Paragraph, Section, Sentence, Summary

__all__ = [
    "HAS_VALUE",
    "Activations",
    "Baseline",
    "Bools",
    "CellStatus",
    "Cite",
    "DataCard",
    "Estimate",
    "Examples",
    "ExpectationResult",
    "Fact",
    "Figure",
    "Floats",
    "Grid",
    "GridPoint",
    "GridResult",
    "HeldOut",
    "Illustration",
    "Ints",
    "KeyFigure",
    "Label",
    "Labels",
    "ModelCard",
    "Paragraph",
    "PositionStatus",
    "Positions",
    "Quantity",
    "Results",
    "Scalar",
    "Section",
    "Selection",
    "Sentence",
    "Sequences",
    "Strings",
    "Summary",
    "Table",
    "Winner",
]

"""The spec: YAML in, one frozen and validated value out, or every error of it with its place; it runs nothing."""

from layergrid.spec.expecting import (
    BaselineBound,
    Bound,
    CellBound,
    DifferenceBound,
    Expectation,
    Limits,
    MissingBound,
    RowsBound,
    Side,
)
from layergrid.spec.fields import (
    ChatSpec,
    DatasetSpec,
    GenerateSpec,
    LabelSpec,
    ModelSpec,
    Spec,
)
from layergrid.spec.problems import SpecError
from layergrid.spec.reading import load_spec, parse_spec
from layergrid.spec.schema import schema
from layergrid.spec.starting import starter
from layergrid.spec.transferring import TransferSpec

__all__ = [
    "BaselineBound",
    "Bound",
    "CellBound",
    "ChatSpec",
    "DatasetSpec",
    "DifferenceBound",
    "Expectation",
    "GenerateSpec",
    "LabelSpec",
    "Limits",
    "MissingBound",
    "ModelSpec",
    "RowsBound",
    "Side",
    "Spec",
    "SpecError",
    "TransferSpec",
    "load_spec",
    "parse_spec",
    "schema",
    "starter",
]

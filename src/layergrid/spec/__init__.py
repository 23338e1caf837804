"""The spec: YAML in, one frozen and validated value out, or every error of it with its place; it runs nothing."""

from layergrid.spec.fields import (
    Bound,
    CellBound,
    ChatSpec,
    DatasetSpec,
    Expectation,
    GenerateSpec,
    LabelSpec,
    ModelSpec,
    Spec,
)
from layergrid.spec.problems import SpecError
from layergrid.spec.reading import load_spec, parse_spec
from layergrid.spec.schema import schema
from layergrid.spec.starting import starter

__all__ = [
    "Bound",
    "CellBound",
    "ChatSpec",
    "DatasetSpec",
    "Expectation",
    "GenerateSpec",
    "LabelSpec",
    "ModelSpec",
    "Spec",
    "SpecError",
    "load_spec",
    "parse_spec",
    "schema",
    "starter",
]

"""What a spec may say: frozen models with a description on every field; it knows no file, no line and no sugar.

The descriptions are the reference of the format: the JSON Schema and the README's tables are made from them.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from layergrid.artifacts import Scalar
from layergrid.kinds import ChartKind, Grader, GridKind, Kind, Loader, PositionResolver, kind_named, known
from layergrid.project import Project
from layergrid.spec.answering import AnswersSpec, PTrueSpec
from layergrid.spec.base import Model, Name
from layergrid.spec.expecting import Expectation
from layergrid.spec.transferring import TransferSpec

MODELS = ("arithmetic",)  # of `builtin:`
WORDS = {
    Loader: "loader",
    Grader: "grader",
    PositionResolver: "position resolver",
    GridKind: "grid kind",
    ChartKind: "chart kind",
}
NOT_WRITTEN = frozenset({"loader", "families"})  # made from other keys, never written by an author


def contradicts(kind: str, value: object) -> bool:
    """Whether an error denies what is so: a list that is none, a mapping that is none, a text that is no enumeration.

    Strict reading says so of what a kind's own validator passes on, which is no longer JSON.
    """
    return (
        (isinstance(value, list) and kind in ("tuple_type", "list_type", "set_type", "frozen_set_type"))
        or (isinstance(value, dict) and kind in ("model_type", "dict_type", "mapping_type"))
        or (isinstance(value, str) and kind == "is_instance_of")
    )


def _strictly(kind: type[Kind], text: str) -> Kind:
    """A kind read from JSON without coercion: "5" is no number. Only JSON may be a tuple or an enumeration then."""
    try:
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        if not all(contradicts(e["type"], e["input"]) for e in error.errors(include_url=False)):
            raise
    return kind.model_validate_json(text)


HUB_NAME = r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"  # no part begins with a dot: none leads up


class AnyOf:
    """Marks a field that holds a kind: its `kind` says which class reads it, and which parameters it may have."""

    def __init__(self, base: type[Kind]) -> None:
        self.base = base

    def read(self, value: Any) -> Any:
        """An instance of the kind that a mapping names; errors of its own model keep their place."""
        if isinstance(value, Kind):
            return value
        if not isinstance(value, dict):
            raise PydanticCustomError("model_type", "Input should be an object")
        name = value.get("kind")
        found = kind_named(self.base, name) if isinstance(name, str) else None
        if found is None:
            raise PydanticCustomError("kind_missing" if name is None else "kind_unknown", "no such kind")
        return _strictly(found, json.dumps(value))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Called by pydantic for the field."""
        return core_schema.no_info_before_validator_function(self.read, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Called by pydantic for the field: one alternative per kind."""
        return {"anyOf": [handler(kind.__pydantic_core_schema__) for kind in known(self.base).values()]}


class ModelSpec(Model):
    """A language model; its address alone may stand instead of the mapping."""

    address: str = Field(
        min_length=1,
        description="Where the model lies: `builtin:arithmetic`, `hf:owner/name`, a folder in the Hugging Face format, "
        "or `activations:PATH`, the manifest of activations made elsewhere. `id` is another name of this key.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit, for models of the hub.")
    dtype: Literal["float32", "bfloat16", "float16", "auto"] = Field(
        "float32", description="Type of the weights in memory; `auto` takes the one that they were saved in."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:[0-9]+)?)$",
        description="`auto`, `cpu`, `mps`, `cuda` or `cuda:N`; `auto` takes the best that is there.",
    )
    device_map: str | dict[str, str | int] | None = Field(
        None, description="How parts of the model are spread over devices, in place of `device`: `auto` or a mapping."
    )
    quantize: Literal["8bit", "4bit"] | None = Field(None, description="Weights in fewer bits, by bitsandbytes.")

    @field_validator("address")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        scheme, _, rest = value.partition(":")
        if scheme == "hf" and not re.fullmatch(HUB_NAME, rest, re.ASCII):
            raise ValueError(f"{value!r} is no address on the hub; expected hf:owner/name")
        if scheme == "builtin" and rest not in MODELS:
            raise ValueError(f"no model {value!r} ships; known: {', '.join('builtin:' + m for m in MODELS)}")
        if scheme == "activations" and not rest:
            raise ValueError("'activations:' names no manifest; expected activations:PATH")
        if rest and scheme not in ("hf", "builtin", "activations") and re.fullmatch(r"[a-z][a-z0-9+]+", scheme):
            raise ValueError(
                f"unknown scheme {scheme!r}; expected builtin:NAME, hf:owner/name, activations:PATH or a folder"
            )
        return value

    @model_validator(mode="after")
    def _revision_of_hub(self) -> Self:
        if self.revision is not None and not self.address.startswith("hf:"):
            raise ValueError(f"'revision' is for models of the hub (hf:owner/name), not for {self.address!r}")
        return self

    @model_validator(mode="after")
    def _one_way_to_devices(self) -> Self:
        if self.device_map is not None and self.device != "auto":
            raise ValueError("'device_map' stands in place of 'device'; write one of the two")
        return self

    @property
    def given(self) -> str:
        """The path of the manifest of a model that is known by its activations alone; empty for others."""
        return self.address.removeprefix("activations:") if self.address.startswith("activations:") else ""


class ChatSpec(Model):
    """How a prompt becomes a dialogue, by the chat template of the model's tokenizer."""

    system: str = Field("", description="System message before the prompt, which is the user's message.")
    variables: dict[str, Scalar] = Field(
        default_factory=dict, description="Variables of the model's template, such as {enable_thinking: false}."
    )


class LabelSpec(Model):
    """A column that tells the examples apart; its name alone may stand instead of the mapping."""

    column: str = Field(min_length=1, description="The column.")
    values: tuple[Scalar, ...] = Field(
        (), description="Values that count as true; left out: true, 1, yes and their spellings, and all others false."
    )
    positive: str = Field("", description="Words for the examples that are true, plural: `true statements`.")
    negative: str = Field("", description="Words for the others: `false statements`.")

    @property
    def classes(self) -> tuple[str, str]:
        """Words for false and true."""
        return (self.negative or f"rows without {self.column}", self.positive or f"rows with {self.column}")


class GenerateSpec(Model):
    """How the answers are written: greedily, in batches of fixed size."""

    max_new_tokens: int = Field(64, ge=1, le=100_000, description="Tokens after which an answer is cut.")
    batch: int = Field(64, ge=1, le=65_536, description="Prompts in one batch.")


Column = Annotated[str, Field(min_length=1)]


class DatasetSpec(Model):
    """Examples, and how they become prompts and graded answers."""

    source: str = Field(
        min_length=1,
        description="Where the examples lie: `builtin:arithmetic`, or the path of a file, relative to the spec; its "
        "suffix says how it is read. A mapping {kind, address, ...} gives a loader parameters.",
    )
    loader: SerializeAsAny[Annotated[Loader, AnyOf(Loader)]] = Field(description="Reads the source.")
    columns: dict[Column, Column] = Field(
        default_factory=dict,
        description="New names of columns: {question: Question} renames one; a value that holds {{ }} is a Jinja "
        "template over the columns as they are read. All other keys name the new columns.",
    )
    where: str = Field(
        "",
        description="Jinja expression over the columns, such as operands == 2; rows for which it is false are left "
        "out and counted.",
    )
    sample: int | None = Field(None, ge=1, description="Rows to draw with the spec's seed; left out: all rows.")
    id: str | None = Field(
        None,
        min_length=1,
        description="Column that names each row, and by which rows are ordered; left out: the row's number.",
    )
    group: str | None = Field(
        None,
        min_length=1,
        description="Column whose equal values keep rows on one side of every split; left out: each row for itself.",
    )
    prompt: str = Field(
        "", description="Jinja template of the prompt; the columns are its variables, such as {{ question }}."
    )
    chat: ChatSpec | None = Field(
        None, description="The prompt as a user's message in the model's chat template: true, or {system, variables}."
    )
    answers: AnswersSpec | None = Field(
        None,
        description="The model's answers where the data hold them, {text: COLUMN} or {ids: COLUMN}; then nothing is "
        "generated.",
    )
    generate: GenerateSpec | None = Field(
        None, description="How the answers are written; null: the model reads the prompts and writes nothing."
    )
    grade: SerializeAsAny[Annotated[Grader, AnyOf(Grader)]] | None = Field(
        None,
        description="Finds the exact answer and grades it; left out: {kind: numeric, gold: answer}; null: no grades.",
    )
    long: Literal["refuse", "leave_out"] = Field(
        "refuse",
        description="What becomes of rows whose prompt does not fit the model's context: `refuse` ends the build and "
        "names them, `leave_out` leaves them out and counts them.",
    )
    label: LabelSpec | None = Field(
        None,
        description="Column that tells the examples apart, in place of graded answers; then nothing is generated "
        "unless `generate` says so.",
    )
    p_true: PTrueSpec = Field(
        PTrueSpec(), description="How the model is asked whether its answer is right, for the baseline `p_true`."
    )

    @model_validator(mode="after")
    def _labels_from_one_place(self) -> Self:
        if self.label is not None and self.grade is not None:
            raise ValueError("'label' and 'grade' both say which rows are which; write one of the two")
        if self.answers is not None and self.generate is not None:
            raise ValueError("'answers' are given, and 'generate' would write others; write one of the two")
        if self.grade is not None and self.generate is None and self.answers is None:
            raise ValueError("'grade' needs answers, and nothing is generated; write 'generate', or 'label: COLUMN'")
        return self


class FamilySpec(Model):
    """The grids that one matrix stands for, as reading a spec finds them; no author writes it."""

    members: dict[Name, dict[str, str]] = Field(description="Each grid with its choices: key of the grid, value.")
    differences: tuple[Name, ...] = Field((), description="Grids of differences between members.")


class Spec(Model):
    """Everything that one report is made from."""

    layergrid: Literal[1] = Field(1, description="Version of the format.")
    include: str | tuple[str, ...] = Field(
        (), exclude=True, description="Specs that are merged below this one, by path from its folder: one or a list."
    )
    variables: dict[Name, Any] = Field(
        default_factory=dict, exclude=True, description="Values by name, for `${name}` inside of texts."
    )
    title: str = Field(min_length=1, description="Title of the report; left out: made from the file's name.")
    authors: tuple[str, ...] = Field((), description="Names below the title.")
    interpretation: str = Field("", description="The author's own text, shown as such and never checked.")
    seed: int = Field(0, ge=0, lt=2**32, description="Seed of every random choice.")
    models: dict[Name, ModelSpec] = Field(default_factory=dict, description="Models by name.")
    datasets: dict[Name, DatasetSpec] = Field(default_factory=dict, description="Data sets by name.")
    positions: tuple[SerializeAsAny[Annotated[PositionResolver, AnyOf(PositionResolver)]], ...] = Field(
        (),
        description="Token positions, in the order of the figures: names, ranges such as -8..-1, globs such as "
        '"exact_answer_*", or mappings with parameters. Left out: the fifteen of the literature, last_q, first_answer, '
        "second_answer, exact_answer_before_first, exact_answer_first, exact_answer_last, exact_answer_after_last and "
        "-8..-1.",
    )
    grids: dict[Name, SerializeAsAny[Annotated[GridKind, AnyOf(GridKind)]]] = Field(
        default_factory=dict,
        description="Layer x position grids by name; may be left out where there is a transfer.",
    )
    transfer: dict[Name, TransferSpec] = Field(
        default_factory=dict, description="Probes trained on one set of rows and scored on another, by name."
    )
    families: dict[Name, FamilySpec] = Field(default_factory=dict, description="Made from each `matrix` in `grids`.")
    figures: tuple[SerializeAsAny[Annotated[ChartKind, AnyOf(ChartKind)]], ...] = Field(
        (), description="Figures that differ from those that come by themselves."
    )
    expect: tuple[Expectation, ...] = Field((), description="What a build must find.")
    outputs: tuple[Literal["html", "pdf", "md"], ...] = Field(
        ("html", "pdf", "md"), min_length=1, description="Documents to write."
    )
    theme: str = Field(
        "paper", min_length=1, description="Name of a theme that ships, or path of a theme file from the spec's folder."
    )
    paper: Literal["A4", "Letter"] = Field("A4", description="Size of the pages of the PDF.")
    pdf: Literal["tagged", "archive"] = Field(
        "tagged",
        description="Sort of PDF: `tagged` for screen readers (PDF/UA-1), or `archive` (PDF/A-3) with the grids "
        "attached as CSV.",
    )
    length: Literal["abstract", "summary", "full"] = Field(
        "full",
        description="How much is said in words: the abstract alone, a summary of a paragraph or two a grid, or all.",
    )
    templates: str = Field(
        "",
        description="Folder, from the spec's folder, of templates that take the place of those that ship, one by one.",
    )
    layers_from: Literal[0, 1] = Field(
        0, description="Number that the figures give to layer 0; sites that start at block 1 keep theirs."
    )
    layer_order: Literal["top", "bottom"] = Field("top", description="Where the figures put the first layer.")

    _name: str = PrivateAttr("")
    _project: Project = PrivateAttr(default_factory=lambda: Project.of(Path()))

    def model_post_init(self, context: Any) -> None:
        """Takes name and project from the validation context; neither is part of the content."""
        if isinstance(context, dict):
            self._name = context["name"]
            self._project = context["project"]

    @property
    def name(self) -> str:
        """The file's stem: the name of the report's folder."""
        return self._name

    @property
    def project(self) -> Project:
        """The folder where relative paths start, and those below which files may be read."""
        return self._project

    @property
    def digest(self) -> str:
        """`sha256:...` of the normalised content: comments, order of keys, sugar and stated defaults change nothing."""
        content = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()

    @field_validator("outputs")
    @classmethod
    def _no_output_twice(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise ValueError("an output stands twice")
        return value

    @field_validator("grids")
    @classmethod
    def _no_file_twice(cls, value: dict[str, GridKind]) -> dict[str, GridKind]:
        if len({name.lower() for name in value}) < len(value):
            raise ValueError("two grids differ only in upper and lower case; their files would collide on some disks")
        return value

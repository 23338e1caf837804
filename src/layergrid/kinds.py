"""The abstract bases of every extension point, each a folder of kinds; it knows no concrete kind."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from layergrid.artifacts import (
    Activations,
    AttentionRows,
    Examples,
    Figure,
    Floats,
    GridResult,
    Ints,
    Label,
    Labels,
    Positions,
    Results,
    Scalar,
    Sequences,
)
from layergrid.errors import BadInput as BadInput
from layergrid.errors import BuildError as BuildError
from layergrid.layers import SITES as SITES
from layergrid.layers import STACKS as STACKS
from layergrid.layers import LayerChoice as LayerChoice
from layergrid.layers import LayerRange as LayerRange
from layergrid.layers import Site as Site
from layergrid.layers import chosen_layers as chosen_layers
from layergrid.project import Project
from layergrid.registry import Kind as Kind
from layergrid.registry import kind_named as kind_named
from layergrid.registry import known as known
from layergrid.registry import names as names
from layergrid.shards import NoShards as NoShards
from layergrid.shards import Shards as Shards


class Loader(Kind):
    """Reads a data set. `suffixes` and `schemes` say which addresses it answers to."""

    folder: ClassVar[str] = "loaders"
    suffixes: ClassVar[tuple[str, ...]] = ()  # ".csv"
    schemes: ClassVar[tuple[str, ...]] = ()  # "builtin" of `builtin:arithmetic`
    address: str  # the part after the scheme, or the path

    @abstractmethod
    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns of equal length; raises BadInput with the file's name and row.

        A file is opened only by `project.path(address)`, which refuses what lies outside of the spec's project.
        """

    def read_from(self, project: Project, *, offline: bool) -> dict[str, list[Scalar]]:  # noqa: ARG002 - most read files
        """What `read` gives; a kind that may ask the network asks nothing of it where `offline`."""
        return self.read(project)


class Grader(Kind):
    """Finds the exact answer, then grades it. The two are apart so that finding can see neither gold nor label."""

    folder: ClassVar[str] = "graders"
    rule: ClassVar[str]  # how the exact answer is found by default: "the last number of the first sentence of ..."
    libraries: ClassVar[tuple[str, ...]] = ()  # packages whose version decides a label, beside this one
    keeps: ClassVar[bool] = False  # grading takes long, so that labels are kept between builds
    gold: str = Field(min_length=1, description="The column that holds the right answer.")

    @property
    def stated(self) -> str:
        """How the exact answer is found with these parameters, and which occurrence is taken; reports print it."""
        return self.rule

    @property
    def compared(self) -> str:
        """How it is compared with the right answer: "as numbers"; empty: nothing to say. Reports print it."""
        return ""

    @property
    def label_dependent(self) -> bool:
        """Whether the span of a right answer is looked for with the gold answer in hand, as a spec must insist on."""
        return False

    def options(self, example: Mapping[str, Scalar]) -> tuple[str, ...]:  # noqa: ARG002 - most graders need none
        """What may be answered, in an order from which the right one cannot be told; empty: anything."""
        return ()

    def golds(self, example: Mapping[str, Scalar]) -> tuple[Scalar, ...]:
        """The right answers, of which any will do."""
        return (example[self.gold],)

    def check(self, examples: Examples) -> None:
        """Raises BadInput where a column that the parameters name is missing; called before any model runs."""

    @abstractmethod
    def find(self, completion: str, options: tuple[str, ...] = ()) -> tuple[int, int] | None:
        """Characters [start, stop) of the exact answer in the completion, or None; `options` are those of `options`."""

    @abstractmethod
    def agrees(self, answer: str, gold: Scalar, options: tuple[str, ...] = ()) -> bool:
        """Whether the found answer equals the right one; BadInput where the right one cannot be compared."""

    def find_gold(self, completion: str, golds: tuple[Scalar, ...]) -> tuple[int, int] | None:  # noqa: ARG002
        """Where `label_dependent`: characters of the first occurrence of a right answer in the completion."""
        return None

    def grade(self, example: Mapping[str, Scalar], completion: str) -> Label:
        """Finds, then grades; a completion without an exact answer is wrong."""
        options = self.options(example)
        span = self.find(completion, options)
        if span is None:
            return Label(None, None, False, f"found nothing by the rule: {self.stated}")
        answer, golds = completion[span[0] : span[1]], self.golds(example)
        correct = any(self.agrees(answer, gold, options) for gold in golds)
        if correct and self.label_dependent:
            span = self.find_gold(completion, golds) or span
            answer = completion[span[0] : span[1]]
        reason = "" if correct else f"{answer!r} is not {' or '.join(map(repr, golds))}"
        return Label(span, answer, correct, reason, occurrence_of(completion, span))


def occurrence_of(completion: str, span: tuple[int, int]) -> tuple[int, int]:
    """Which occurrence of its own text a span is, from 1, and of how many: as whole words and whole numbers only."""
    answer = completion[span[0] : span[1]]
    before = r"(?<!\w)(?<!\d[.,])" if answer[0].isdigit() else r"(?<!\w)" if answer[0].isalnum() else ""
    after = r"(?!\w)(?![.,]\d)" if answer[-1].isdigit() else r"(?!\w)" if answer[-1].isalnum() else ""
    starts = {one.start() for one in re.finditer(before + re.escape(answer) + after, completion)} | {span[0]}
    return sum(one <= span[0] for one in starts), len(starts)


class PositionResolver(Kind):
    """Finds the tokens of one or more named positions in every example."""

    folder: ClassVar[str] = "positions"
    names: ClassVar[tuple[str, ...]] = ()  # bare names that YAML may write without parameters
    reads_answer: ClassVar[bool] = False  # without a graded answer it finds nothing

    @abstractmethod
    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:
        """Positions of this resolver, statuses and all; P may be 1."""

    def check(self, examples: Examples) -> None:
        """Raises BadInput where the data lack what the parameters name; called before any model runs."""


@dataclass(frozen=True)
class AttentionNeed:
    """Which attention a grid reads: from which positions, on what, and how a row is treated."""

    queries: tuple[str, ...]  # names of positions
    keys: tuple[str, ...] = ()  # names of positions; empty together with `text`: rows alone, for their entropy
    text: str = ""  # id of an example: its tokens are the keys, and it alone is run
    first: bool = False  # so of the first example in which all the queries are there and ok
    weighting: Literal["weight", "value", "rollout"] = "weight"  # value: norm of alpha W_O v; rollout over layers
    sink: Literal["keep", "drop"] = "keep"  # drop: the first token is left out and the row renormalised
    stack: str = ""  # encoder or decoder, of a model that has both


@dataclass(frozen=True)
class Needs:
    """What a grid kind asks of the forward pass; the pipeline merges the sites of all grids into one."""

    sites: frozenset[str] = frozenset()
    layers: LayerChoice = "all"
    attention: AttentionNeed | None = None
    readout: bool = False  # logits are read out of states by the model's own head
    labels: bool = False  # rows must have labels
    grades: bool = False  # rows must have graded answers
    untrained: bool = False  # the same sites and layers of the model with random weights too
    p_true: bool = False  # the model is asked whether its own answers are right


@dataclass(frozen=True)
class Outline:
    """What a model's configuration tells before its weights are loaded; 0 where it tells nothing."""

    layers: int  # of the decoder where there are two stacks
    encoder_layers: int = 0
    heads: int = 0
    context: int = 0
    attention: bool = True  # False: no block of it has attention
    width: int = 0
    head_width: int = 0


class Readout(Protocol):
    """Reads logits out of states, by the model's own last norm and head."""

    def __call__(self, states: Floats, targets: Ints) -> tuple[Floats, Ints]:
        """States [n, D] of the residual stream and token ids [n] -> log-probability [n] and rank [n] of each target.

        Rank 1 is the most probable token; tokens of equal logit share the better rank. Where logits are no numbers, the
        log-probability is NaN and the rank 0.
        """

    def encode(self, text: str) -> tuple[Ints, Ints]:
        """Ids [T] of a text by the model's tokenizer, no special token added, and the characters [T, 2] of each."""


@dataclass(frozen=True)
class Inputs:
    """What a grid kind computes from. A kind that stands alone gets empty examples, sequences, labels and positions."""

    name: str  # the grid's name in the spec
    model: str
    examples: Examples
    sequences: Sequences
    labels: Labels
    positions: Positions  # of this grid only, in its order
    activations: Mapping[str, Activations]  # site -> activations of the chosen layers, at all positions of the spec
    seed: int
    progress: Callable[[int, int], None] = field(default=lambda done, total: None)  # cells done, cells in all
    attention: AttentionRows | None = None  # where `needs` asks for it
    readout: Readout | None = None  # where `needs` asks for it; loads the model when first called
    project: Project = field(default_factory=lambda: Project.of(Path()))  # what a kind may open a file of
    untrained: Mapping[str, Activations] = field(
        default_factory=dict
    )  # where `needs` asks for it and weights are known
    all_positions: Positions | None = None  # all positions of the spec, where a kind names one outside its own
    shards: Shards = field(default_factory=NoShards)  # keeps parts of the grid while it is computed
    p_true: Floats | None = None  # [N], where `needs` asks for it: probability that its answer is right; NaN: not known
    p_true_reason: str = ""  # why some are not known
    grids: Mapping[str, GridResult] = field(default_factory=dict)  # the grids that `reads` names, by name
    examples_of: Mapping[str, str] = field(
        default_factory=dict
    )  # of each of them what tells its examples: equal where equal ids are the same example; empty: not known


class GridKind(Kind):
    """Computes one layer x position grid."""

    folder: ClassVar[str] = "grids"
    version: ClassVar[int] = 1  # part of the store's key: raise it when the numbers change
    stands_alone: ClassVar[bool] = False  # reads neither a model nor a data set of the spec
    selects: ClassVar[bool] = False  # its result holds a nested best
    position_keys: ClassVar[tuple[str, ...]] = ()  # further keys of YAML that name positions of the spec
    grid_keys: ClassVar[tuple[str, ...]] = ()  # keys of YAML that name other grids of the spec
    model: str = ""  # names a model of the spec; may be left out where there is one
    dataset: str = ""
    positions: tuple[str, ...] = ()  # names or globs among the spec's positions; empty: all

    @abstractmethod
    def needs(self) -> Needs:
        """Sites and layers it reads."""

    def check(self, examples: Examples, grid: str) -> None:
        """Raises BadInput where the data lack what the parameters name; called before any model runs."""

    def check_model(self, outline: Outline, model: str, grid: str) -> None:
        """Raises BadInput where a model lacks what the parameters name; called before it is loaded."""
        sites = self.needs().sites
        last = outline.encoder_layers if any(s.startswith("encoder.") for s in sites) else outline.layers
        try:
            chosen_layers(self.needs().layers, last, model)
        except BadInput as error:
            raise BadInput(f"grids.{grid}.layers: {error}") from None

    @property
    def reads(self) -> tuple[str, ...]:
        """The other grids of the spec whose results it reads."""
        return tuple(str(getattr(self, key)) for key in self.grid_keys)

    def fingerprint(self, project: Project) -> str:  # noqa: ARG002 - most kinds read no file
        """What identifies the files of the project that the kind reads itself; empty where it reads none."""
        return ""

    @abstractmethod
    def compute(self, inputs: Inputs) -> GridResult:
        """The grid with intervals, statuses and held-out scores."""


class StateGrid(GridKind):
    """Computes a grid from the hidden states of one site."""

    site: Site = Field(
        "residual",
        description="What is read: `residual` (layer 0 is the embedding output, layer i what block i puts out), "
        "`mlp_in` (after its norm), `mlp_out` (before any later norm), `attention_out`, or `head_out` (one head, "
        "before the output projection). A model with two stacks needs `encoder.` or `decoder.` before it.",
    )
    head: int | None = Field(None, ge=0, description="The head that `head_out` reads, counted from 0.")
    layers: LayerChoice = Field(
        "all", description="`all`, a range such as 4..12, {from, to, every}, or a list of layers; 0 is the embedding."
    )

    @model_validator(mode="after")
    def _fits_its_site(self) -> StateGrid:
        of_heads = self.site.endswith("head_out")
        if of_heads != (self.head is not None):
            raise ValueError("'head' is for the site head_out; " + ("name one" if of_heads else "remove it"))
        if not self.site.endswith("residual") and isinstance(self.layers, tuple) and 0 in self.layers:
            raise ValueError(f"layer 0 is the embedding, and {self.site} belongs to a block; name layers from 1")
        return self

    def needs(self) -> Needs:
        """One site of the chosen layers."""
        return Needs(sites=frozenset({self.site}), layers=self.layers)

    def check_model(self, outline: Outline, model: str, grid: str) -> None:
        """Raises BadInput where a model lacks the layers or the head."""
        stack, _, bare = self.site.rpartition(".")
        if stack and not outline.encoder_layers:
            raise BadInput(f"grids.{grid}.site: model {model} has one stack; write {bare} in place of {self.site}")
        if not stack and outline.encoder_layers:
            raise BadInput(f"grids.{grid}.site: model {model} has two stacks; write encoder.{bare} or decoder.{bare}")
        if not outline.attention and bare in ("attention_out", "head_out"):
            raise BadInput(f"grids.{grid}.site: model {model} has no attention, and so no {bare}; choose another site")
        super().check_model(outline, model, grid)
        if self.head is not None and outline.heads and self.head >= outline.heads:
            raise BadInput(
                f"grids.{grid}.head: model {model} has no head {self.head}; its heads go from 0 to {outline.heads - 1}"
            )

    def states(self, inputs: Inputs) -> Activations:
        """The activations that this grid reads, at all positions of the spec; of one head where it names one."""
        found = inputs.activations[self.site]
        if self.head is None:
            return found
        width = found.values.shape[-1] // found.heads
        start = self.head * width
        return replace(found, values=found.values[..., start : start + width])


class ChartKind(Kind):
    """Draws one figure from results."""

    folder: ClassVar[str] = "charts"
    takes_family: ClassVar[bool] = False  # its `grid` may name all grids of a matrix at once
    grid: str = ""  # the grid that it draws; empty: none or the only one

    @abstractmethod
    def draw(self, results: Results, theme: Any) -> Figure:
        """The figure in the theme's colours and fonts (`theme` is a layergrid.theme.Theme)."""


class Executor(Kind):
    """Runs independent tasks, which may be more than one at once."""

    folder: ClassVar[str] = "executors"
    jobs: int = 1  # tasks at once, at most

    @abstractmethod
    def map(
        self, task: Callable[[Any, Callable[[Any], None]], Any], items: list[Any], hear: Callable[[Any], None]
    ) -> list[Any]:
        """`task(item, tell)` of each item, in the order of the items; what tasks tell is heard in the caller's thread.

        The error of a task that failed stands in the place of its result, and the other tasks go on; of one whose
        process ended before its answer a BuildError. An interrupt ends all tasks and everything that they started.
        """

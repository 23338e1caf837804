"""The kind `attention`: where the attention of chosen tokens falls, at each layer; it does not know how it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from layergrid.artifacts import (
    AttentionRows,
    Contrast,
    Examples,
    Floats,
    GridResult,
    Positions,
    PositionStatus,
    Quantity,
)
from layergrid.kinds import (
    AttentionNeed,
    BadInput,
    GridKind,
    Inputs,
    LayerChoice,
    Needs,
    Outline,
    chosen_layers,
)
from layergrid.text import listed, nearest, number, plural

MOST_TOKENS = 400  # on one axis
ALL = ("*",)  # every position of the spec

METHODS = {
    "weight": "Weights are those of the model's own attention function, at the rows of the tokens that look.",
    "spans": "Weights on a position of several tokens are added up, and a position of several tokens looks as the mean "
    "of its rows.",
    "value": "The share of a token j is the norm of alpha_ij W_O v_j over the sum of these norms over j, where v_j is "
    "its value vector in the head, W_O the head's part of the output projection, and alpha_ij the attention weight "
    "(Kobayashi et al. 2020); biases of the projection are left out.",
    "rollout": "Rollout is the product over layers, from the first to the one shown, of (A + I) / 2 with rows made to "
    "add up to 1, where A is the mean attention over heads and I stands for the residual connection "
    "(Abnar & Zuidema 2020).",
    "entropy": "The entropy of a row, made to add up to 1, is divided by the logarithm of the number of tokens that "
    "the layer lets it look at.",
    "sink": "The first token of each sequence was left out, and each row made to add up to 1 again",
}
CAUTIONS = {
    "weight": "A weight is the share of a token's value vector in one layer's mixture; it does not measure how much "
    "the answer depends on that token.",
    "value": "A share is one of sizes: vectors that point apart cancel in their sum, and it does not measure how much "
    "the answer depends on the token.",
    "rollout": "Rollout takes attention and the residual connection for all that happens between layers; it does not "
    "measure how much the answer depends on a token.",
    "entropy": "Low entropy says that few tokens get most of the weight, not that the answer depends on them.",
}
NAMES = {
    "weight": ("attention weight", "attention weights"),
    "value": ("value-weighted attention", "value-weighted shares"),
    "rollout": ("attention rollout", "rollout weights"),
    "entropy": ("attention entropy", "entropies"),
}


class AttentionGrid(GridKind):
    """The mean attention from chosen positions on every position, or on every token of one text."""

    model_config = ConfigDict(populate_by_name=True)
    position_keys: ClassVar[tuple[str, ...]] = ("from", "to")
    kind: Literal["attention"] = "attention"
    version: ClassVar[int] = 2
    queries: Annotated[tuple[str, ...], Field(min_length=1)] = Field(
        ("last_q",),
        alias="from",
        description="Positions that look; several are averaged. Of `entropy` they are the axis.",
    )
    to: tuple[str, ...] = Field((), description="Positions that are looked at; left out: all of the grid's.")
    text: bool | str | int = Field(
        False,
        description="The axis is the tokens of one example, in order: `true` (the first that has the positions that "
        "look) or an example's id.",
    )
    tokens: str = Field(
        "",
        pattern=r"^([0-9]{1,6}\.\.[0-9]{1,6})?$",
        description="With `text`: the part of the tokens to show, 20..80, both included; 0 is the first.",
    )
    heads: Literal["mean", "max", "each"] | Annotated[int, Field(ge=0)] = Field(
        "mean",
        description="`mean` or `max` over the heads of a layer, the number of one head, or `each`: the mean with a "
        "small map for every head.",
    )
    measure: Literal["weight", "entropy"] = Field(
        "weight",
        description="`weight`, or `entropy` of the row over the logarithm of the number of tokens it can look at.",
    )
    weighting: Literal["weight", "value", "rollout"] = Field(
        "weight",
        description="`weight` (the attention weight), `value` (share of the norm of the weighted value vectors, behind "
        "the output projection) or `rollout` (product over layers; memory quadratic in the tokens).",
    )
    sink: Literal["keep", "drop"] = Field(
        "keep", description="`drop`: the first token is left out, and each row made to add up to 1 again."
    )
    stack: Literal["", "encoder", "decoder"] = Field(
        "", description="Of a model with two stacks: whose attention to its own tokens is read."
    )
    layers: LayerChoice = Field(
        "all", description="`all`, a range such as 4..12, {from, to, every}, or a list of layers, counted from 1."
    )
    contrast: Contrast = Field(
        "none",
        description="`error` (wrong minus right answers), `correct` (right minus wrong) or `label` (a label column's "
        "class minus the other): cells are differences of two means. `none`: means over all rows.",
    )
    statuses: Annotated[tuple[PositionStatus, ...], Field(min_length=1)] = Field(
        (PositionStatus.OK,), description="Rows are compared where every position has one of these statuses."
    )
    level: float = Field(0.95, gt=0.5, lt=1, description="Nominal coverage of the intervals.")

    @field_validator("queries", "to", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        """One name alone is a list of one; YAML reads -1 as a number."""
        several = value if isinstance(value, list | tuple) else (value,)
        return tuple(str(one) if isinstance(one, int) and not isinstance(one, bool) else one for one in several)

    @model_validator(mode="before")
    @classmethod
    def _one_axis(cls, values: Any) -> Any:
        """`positions` are what is looked at; all positions are needed then, since those that look must count too."""
        if not isinstance(values, Mapping) or not values.get("positions"):
            return values
        if values.get("to"):
            raise ValueError("'to' and 'positions' both name what is looked at; remove 'positions'")
        return {**values, "to": values["positions"], "positions": ()}

    @model_validator(mode="after")
    def _makes_sense(self) -> AttentionGrid:
        if self.measure == "entropy" and self.weighting == "value":
            raise ValueError("entropy is that of attention weights; remove 'weighting: value'")
        if self.measure == "entropy" and (self.of_text or self.to):
            raise ValueError("the entropy of a row has no token that is looked at; remove 'text', 'to' and 'positions'")
        if self.of_text and self.to:
            raise ValueError("with 'text' the axis is the tokens of one example; remove 'to' and 'positions'")
        if self.of_text and self.contrast != "none":
            raise ValueError("'text' is one example, which has no contrast; remove 'contrast'")
        if self.tokens and not self.of_text:
            raise ValueError("'tokens' is a part of one example's tokens; add 'text: true', or an example's id")
        if self.weighting == "rollout" and self.heads != "mean":
            raise ValueError("rollout joins the heads of each layer by their mean; remove 'heads'")
        return self

    @property
    def of_text(self) -> bool:
        """Whether the axis is the tokens of one example."""
        return self.text is not False

    @property
    def quantity_key(self) -> str:
        """What a cell holds, as a key of the words above."""
        return "entropy" if self.measure == "entropy" else self.weighting

    def needs(self) -> Needs:
        """Rows of attention, and labels for a contrast."""
        whole = self.of_text or self.measure == "entropy"
        need = AttentionNeed(
            queries=self.queries, keys=() if whole else self.to or ALL,
            text=str(self.text) if self.of_text and self.text is not True else "", first=self.text is True,
            weighting=self.weighting, sink=self.sink, stack=self.stack,
        )  # fmt: skip
        return Needs(layers=self.layers, attention=need, labels=self.contrast != "none")

    def check(self, examples: Examples, grid: str) -> None:
        """Raises BadInput where the data have no such example."""
        if self.of_text and self.text is not True and str(self.text) not in examples.ids:
            near = nearest(str(self.text), examples.ids)
            hint = f"did you mean {near!r}?" if near else f"ids are such as {examples.ids[0]!r}; or write text: true"
            raise BadInput(f"grids.{grid}.text: data set {examples.name} has no example {str(self.text)!r}; {hint}")

    def check_model(self, outline: Outline, model: str, grid: str) -> None:
        """Raises BadInput where the model has no attention, no such stack, layers or head."""
        if not outline.attention:
            raise BadInput(f"grids.{grid}: model {model} has no attention; leave this grid out for it")
        if outline.encoder_layers and not self.stack:
            raise BadInput(f"grids.{grid}.stack: model {model} has two stacks; write encoder or decoder")
        if self.stack and not outline.encoder_layers:
            raise BadInput(f"grids.{grid}.stack: model {model} has one stack; leave out stack: {self.stack}")
        last = outline.encoder_layers if self.stack == "encoder" else outline.layers
        try:
            found = chosen_layers(self.layers, last, model)
        except BadInput as error:
            raise BadInput(f"grids.{grid}.layers: {error}") from None
        if found == (0,):
            raise BadInput(f"grids.{grid}.layers: layer 0 is the embedding, which has no attention; use 1 to {last}")
        if outline.heads and self.stack != "encoder":
            self._check_head(outline.heads, model, grid)

    def _check_head(self, heads: int, model: str, grid: str) -> None:
        if isinstance(self.heads, int) and self.heads >= heads:
            raise BadInput(
                f"grids.{grid}.heads: model {model} has no head {self.heads}; its heads go from 0 to {heads - 1}"
            )

    def compute(self, inputs: Inputs) -> GridResult:
        """Every cell on the rows that count at all positions, or on the one example."""
        found = inputs.attention
        if found is None:
            raise ValueError("an attention grid is computed from attention rows")
        self._check_head(found.heads, inputs.model, inputs.name)
        return _of_text(self, inputs, found) if self.of_text else _of_positions(self, inputs, found)


# ---------------------------------------------------------------- positions


def _of_positions(kind: AttentionGrid, inputs: Inputs, found: AttentionRows) -> GridResult:
    """One number for each example and position: of a key, or of a query for its entropy."""
    from layergrid.describing import describe, rows
    from layergrid.describing.attended import Cells, joined, over_queries
    from layergrid.models.feeding import places

    entropy = kind.measure == "entropy"
    axis = found.queries if entropy else found.keys
    named = tuple(name for name in inputs.positions.names if name in {*found.queries, *axis})
    here = _chosen(inputs.positions, named)
    wider = replace(inputs, positions=here)
    present = places(here, inputs.sequences, kind.stack)[0] >= 0
    chosen = rows(wider, present, kind.statuses, kind.contrast)
    looking = [q for q, name in enumerate(found.queries) if chosen.positions[named.index(name)]]
    values = found.entropy[..., chosen.index] if entropy else over_queries(found, looking, chosen.index)
    columns = [named.index(name) for name in axis]
    shown = replace(inputs, positions=_chosen(here, axis))
    kept = replace(
        chosen, positions=chosen.positions[columns], missing=tuple(chosen.missing[c] for c in columns)
    )  # fmt: skip
    first = kind.sink == "drop" and kind.stack != "decoder"  # there it is the start token, at no position
    cells = Cells(shown.positions, found, kept, looking, entropy=entropy, from_second=first)
    found_values, heads = joined(values, kind.heads)
    return describe(
        shown, kind=kind.kind, site=_site(kind), head=str(kind.heads if kind.heads != "each" else "mean"),
        metric=kind.quantity_key, quantity=quantity(kind), layers=found.layers, values=found_values, rows=kept,
        level=kind.level, contrast=kind.contrast, facets=heads, cell_status=cells.statuses(),
        settings=_settings(kind, found, looking, chosen.index),
    )  # fmt: skip


def _chosen(positions: Positions, names: tuple[str, ...]) -> Positions:
    columns = [positions.names.index(name) for name in names]
    return Positions(
        names, positions.start[:, columns], positions.stop[:, columns], positions.status[:, columns]
    )  # fmt: skip


# ---------------------------------------------------------------- tokens of one text


def _of_text(kind: AttentionGrid, inputs: Inputs, found: AttentionRows) -> GridResult:
    """The tokens of one example in order; one number each, without intervals."""
    import numpy as np

    from layergrid.describing import Rows, describe
    from layergrid.describing.attended import Cells, joined, over_queries

    shown = _window(kind, inputs, found)
    example = inputs.examples.ids.index(found.example_ids[0])
    looking = [q for q in range(len(found.queries)) if not np.isnan(found.mass[:, :, q]).all()]
    one = Rows(
        index=np.array([0]), groups=np.array([0]), labels=np.zeros(1, dtype=np.bool_),
        positions=np.ones(len(shown), dtype=np.bool_), statuses=tuple(s.value for s in kind.statuses),
        missing=("",) * len(shown),
    )  # fmt: skip
    names = tuple(found.keys[k] for k in shown)
    place = np.array([shown])
    tokens = Positions(names, place, place + 1, np.full(place.shape, PositionStatus.OK.value))
    part = replace(found, values=found.values[:, :, :, shown], attendable=found.attendable[:, shown], keys=names)
    cells = Cells(tokens, part, one, looking)
    found_values, heads = joined(over_queries(part, looking, one.index), kind.heads)
    return describe(
        replace(inputs, positions=tokens), kind=kind.kind, site=_site(kind),
        head=str(kind.heads if kind.heads != "each" else "mean"), metric=kind.quantity_key, quantity=quantity(kind),
        layers=found.layers, values=found_values, rows=replace(one, index=np.array([example])), level=kind.level,
        facets=heads, cell_status=cells.statuses(), labels=tuple(found.key_labels[k] for k in shown),
        text_of=found.example_ids[0],
        settings=_settings(kind, found, looking, one.index)
        | {"rows_in_all": 1, "dropped_correct": 0, "dropped_wrong": 0, "group": ""},
    )  # fmt: skip


def _window(kind: AttentionGrid, inputs: Inputs, found: AttentionRows) -> list[int]:
    """The tokens that are shown; raises BadInput where there are none, or more than an axis holds."""
    where, text = f"grids.{inputs.name}", found.example_ids[0]
    count = len(found.keys)
    low, high = (int(end) for end in kind.tokens.split("..")) if kind.tokens else (0, count - 1)
    # A dropped first token has no weight, and no place on the axis.
    shown = list(range(max(low, int(kind.sink == "drop")), min(high, count - 1) + 1))
    if not shown:
        raise BadInput(
            f"{where}.tokens: example {text!r} has {plural(count, 'token')}, numbered from 0 to {count - 1}; none of "
            f"them is shown by {kind.tokens or 'this grid'}"
        )
    if len(shown) > MOST_TOKENS:
        raise BadInput(
            f"{where}.text: example {text!r} has {plural(len(shown), 'token')} to show, and at most {MOST_TOKENS} fit "
            f"on an axis; choose a part, such as tokens: {shown[0]}..{shown[0] + MOST_TOKENS - 1}"
        )
    return shown


# ---------------------------------------------------------------- what a report says of it


def _site(kind: AttentionGrid) -> str:
    return f"{kind.stack}.attention" if kind.stack else "attention"


def quantity(kind: AttentionGrid) -> Quantity:
    """What a cell is, in words."""
    name, subject = NAMES[kind.quantity_key]
    mean = "" if kind.of_text else "mean "
    if isinstance(kind.heads, int):
        heads = f" of head {kind.heads} of one layer"
    elif kind.weighting == "rollout":
        heads = " up to one layer"
    else:
        heads = f", {'the highest' if kind.heads == 'max' else 'averaged'} over the heads of one layer"
    source = listed(kind.queries) + (", averaged" if len(kind.queries) > 1 else "")
    target = "token of the text" if kind.of_text else "token position"
    dropped = "; the first token is left out, and the rest adds up to 1" if kind.sink == "drop" else ""
    what = f"the {mean}{name}{heads}, from {source} on one {target}{dropped}"
    if kind.measure == "entropy":
        what = (
            f"the mean entropy of the attention weights{heads}, from one token position, over the logarithm of the "
            f"number of tokens that it can look at{dropped}"
        )
    return Quantity(
        name=name, sentence=f"Each cell is {what}.", subject=subject, claim="", low=0.0, high=1.0, chance=None,
        caution=CAUTIONS[kind.quantity_key], family="attention" if kind.measure != "entropy" else "",
    )  # fmt: skip


def _settings(kind: AttentionGrid, found: AttentionRows, looking: list[int], index: Any) -> dict[str, Any]:
    """JSON values for the methods paragraph."""
    first, mass = (_mean(one[:, :, looking][..., index]) for one in (found.first, found.mass))
    methods = {"measure": METHODS["weight"]}
    if not kind.of_text:
        methods["spans"] = METHODS["spans"]
    if kind.quantity_key != "weight":
        methods[kind.quantity_key] = METHODS[kind.quantity_key]
    if kind.measure == "entropy" and kind.weighting == "rollout":
        methods["rollout"] = METHODS["rollout"]
    if kind.sink == "drop" and first is not None:
        methods["sink"] = f"{METHODS['sink']}; it held {number(first)} of a row on average."
    if mass is not None and mass < 0.995:
        methods["row_sum"] = f"Rows add up to {number(mass)} on average; the rest falls on a learned sink, no token."
    if kind.stack == "decoder":
        methods["stack"] = (
            "The decoder reads its start token, then the completion; its first token is that start token."
        )
    if len(found.queries) > 1 and kind.measure == "weight":
        methods["from"] = "Several positions look: a cell is the mean over those of them that come after its token."
    return {
        "measure": kind.measure, "weighting": kind.weighting, "sink": kind.sink, "heads": str(kind.heads),
        "from": list(found.queries), "first_token_weight": first, "row_sum": mass, "methods": methods,
    }  # fmt: skip


def _mean(values: Floats) -> float | None:
    """The mean of the values that are there; None where there are none."""
    import numpy as np

    kept = values[np.isfinite(values)]
    return float(kept.mean(dtype=np.float64)) if kept.size else None

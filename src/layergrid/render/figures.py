"""Which figures a report has, and which stand together under one caption; it knows the registry, not the kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import ValidationError

from layergrid import text
from layergrid.artifacts import Figure, Paragraph, Results, Summary
from layergrid.facts.families import alike
from layergrid.kinds import BadInput, ChartKind, known
from layergrid.theme import Theme

BOXED = "exact_answer_*"  # the group that a map boxes where the spec names none
SHARED = frozenset(  # of a map and what stands beside it
    {"tick", "layers_from", "layer_order", "transpose", "layer_title", "token_title", "legend_title"}
)
COLOURED = frozenset({"scheme", "domain"})  # of a map and its heads, which are the same quantity over the same range


@dataclass(frozen=True)
class Block:
    """Figures that stand side by side under one number and one caption."""

    number: int
    figures: tuple[Figure, ...]
    captions: tuple[
        tuple[str, Paragraph, str], ...
    ]  # a figure: "Map" where several stand together, words, what marks mean
    alternatives: tuple[str, ...]  # one a figure

    @property
    def anchor(self) -> str:
        """The address of the block inside the page."""
        return f"figure-{self.number}"


def default_figures(results: Results, layers_from: int = 0, layer_order: str = "top") -> list[ChartKind]:
    """An example's tokens, each family of grids, then for every grid its map, the profile beside it, and its facets."""
    axis = {"layers_from": layers_from, "layer_order": layer_order}
    found = [_made({"kind": "tokens", "dataset": one.dataset}) for one in results.illustrations[:1]]
    shown = [one.name for one in results.families if len(alike(results, one)) > 1]
    found.extend(_made({"kind": "multiples", "grid": name, **axis}) for name in shown)
    for one in results.grids:
        grid = one.grid
        boxed = any(name.startswith("exact_answer_") for name in grid.positions)
        box = {"box": (BOXED,)} if boxed else {}
        found.append(_made({"kind": "heatmap", "grid": grid.name, **box, **axis}))
        if grid.has_value.any() and len(grid.layers) > 1 and not grid.text_of:
            found.append(_made({"kind": "profile", "grid": grid.name, **axis}))
        roles = {f.role for f in grid.facets if np.isfinite(f.value).any()}
        small = [role for role in ("reference", "class", "head") if role in roles]
        found.extend(_made({"kind": "multiples", "grid": grid.name, "role": role, **axis}) for role in small)
    found.extend(_made({"kind": "matrix", "transfer": one.name}) for one in results.matrices)
    return found


def chosen(results: Results, asked: Sequence[Mapping[str, Any]], layers_from: int, layer_order: str) -> list[ChartKind]:
    """The default figures, each replaced by the first that the spec asks for in its place; the others follow.

    What stands beside a map has its axes, where the spec does not say otherwise.
    """
    found = default_figures(results, layers_from, layer_order)
    written: dict[int, frozenset[str]] = {}  # index in `found` -> what the spec wrote of it
    for fields in asked:
        one = _named(_made(fields), results)
        axis = {"layers_from": layers_from, "layer_order": layer_order}
        missing = {k: v for k, v in axis.items() if k in type(one).model_fields and k not in one.model_fields_set}
        one = one.model_copy(update=missing)
        same = [i for i, f in enumerate(found) if i not in written and _takes(one, f)]
        place = same[0] if same else len(found)
        found[place : place + 1] = [one]
        written[place] = frozenset(fields)
    return [_like_its_map(one, found, written.get(i, frozenset()), written) for i, one in enumerate(found)]


def _takes(one: ChartKind, default: ChartKind) -> bool:
    """Whether a figure takes the place of a default one."""
    role = getattr(one, "role", None)
    if getattr(one, "transfer", "") != getattr(default, "transfer", ""):
        return False
    return (one.kind, one.grid) == (default.kind, default.grid) and role in (None, getattr(default, "role", None))


def _like_its_map(
    one: ChartKind, all_: Sequence[ChartKind], own: frozenset[str], written: Mapping[int, frozenset[str]]
) -> ChartKind:
    """A figure with the axes and titles that the spec gives the map of its grid, unless it has its own."""
    if one.kind == "heatmap":
        return one
    for i, other in enumerate(all_):
        if other.kind == "heatmap" and other.grid == one.grid and i in written:
            alike = SHARED | COLOURED if getattr(one, "role", None) == "head" else SHARED
            taken = alike & written[i] & set(type(one).model_fields) - own
            return one.model_copy(update={name: getattr(other, name) for name in taken})
    return one


def _made(fields: Mapping[str, Any]) -> ChartKind:
    kinds = known(ChartKind)
    name = str(fields.get("kind", ""))
    if name not in kinds:
        near = text.nearest(name, kinds)
        hint = f"; did you mean {near!r}?" if near else ""
        raise BadInput(f"figures: unknown kind {name!r}, known are {text.listed(sorted(kinds))}{hint}")
    try:
        made: ChartKind = kinds[name].model_validate(dict(fields))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(f"figures: {name}: {where}: {first['msg']}") from error
    return made


def _named(kind: ChartKind, results: Results) -> ChartKind:
    """The kind with its grid written out where there is only one."""
    needs = "grid" in type(kind).model_fields and kind.kind != "tokens"
    if needs and not kind.grid and len(results.grids) == 1:
        return kind.model_copy(update={"grid": results.grids[0].grid.name})
    if "transfer" in type(kind).model_fields and not getattr(kind, "transfer", "") and len(results.matrices) == 1:
        return kind.model_copy(update={"transfer": results.matrices[0].name})
    return kind


def draw(kinds: Sequence[ChartKind], results: Results, theme: Theme) -> list[Figure]:
    """The figures, each with a name of its own."""
    found: list[Figure] = []
    for kind in kinds:
        figure: Figure = kind.draw(results, theme)
        name, k = figure.name, 2
        while name in {f.name for f in found}:
            name, k = f"{figure.name}.{k}", k + 1
        found.append(replace(figure, name=name))
    return found


def arrange(figures: Sequence[Figure], summary: Summary) -> tuple[Block, ...]:
    """Numbered blocks: a map and the profile that follows it stand together, every other figure alone."""
    groups: list[list[Figure]] = []
    for figure in figures:
        last = groups[-1] if groups else []
        pair = len(last) == 1 and last[0].grid == figure.grid != "" and last[0].spec and figure.spec
        if pair and last[0].name.endswith(".heatmap") and figure.name.endswith(".profile"):
            last.append(figure)
        else:
            groups.append([figure])
    blocks = []
    for number, group in enumerate(groups, 1):
        labels = ("Map", "Profile") if len(group) > 1 else ("",)
        captions = tuple(
            (label, _words(summary, figure.name), _note(figure)) for label, figure in zip(labels, group, strict=True)
        )
        alternatives = tuple(_alternative(summary, figure) for figure in group)
        blocks.append(Block(number, tuple(group), captions, alternatives))
    return tuple(blocks)


def _words(summary: Summary, name: str) -> Paragraph:
    """A figure's caption; a second figure of the same kind and grid has that of the first."""
    found = summary.captions.get(name)
    if found is None and name.rpartition(".")[2].isdigit():
        found = summary.captions.get(name.rpartition(".")[0])
    return found or ()


def _note(figure: Figure) -> str:
    """What a drawing says of its own marks, which words made from facts alone cannot know."""
    if figure.spec is None:
        return "Box: the exact answer." if 'class="stroke-box"' in figure.svg else ""
    return str(figure.spec.get("usermeta", {}).get("layergrid", {}).get("note", ""))


def _alternative(summary: Summary, figure: Figure) -> str:
    found = summary.captions.get(f"{figure.name}.alternative")
    return " ".join(s.text for s in found) if found else figure.alternative

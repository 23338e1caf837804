"""Which settings and which headline facts of two reports are not the same, as tables; it judges no difference."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from layergrid import facts, text
from layergrid.artifacts import Fact, Results, Scalar, Table

FACTS, SETTINGS, COUNTS = "changed_facts", "changed_settings", "counts"
HEADLINES = ("nested", "best_baseline", "gain", "highest", "above")  # keys of a grid's facts that the table lists
NONE = ""  # a fact or setting that a side does not have
DIGEST = "sha256:"
Pair = tuple[str, str, str]  # what it is called, and what either report shows
LONG = 240  # characters of a setting that a table shows


def tables(a: Results, b: Results) -> tuple[Table, Table, Table]:
    """Headline facts that changed, settings that changed, and how many there are of either."""
    one, other = ({fact.id: fact for fact in facts.derive(r)} for r in (a, b))
    heads = list(dict.fromkeys([*_headlines(a), *_headlines(b)]))
    heads = [key for key in heads if key in one or key in other]
    changed = changed_facts(one, other, heads)
    others = [key for key in dict.fromkeys([*one, *other]) if key not in heads]
    moved = sum(_said(one.get(key)) != _said(other.get(key)) for key in others)
    set_ = changed_settings(a, b)
    keys = dict.fromkeys(key for r in (a, b) for key, _ in settings(r))
    counts: tuple[tuple[Scalar, ...], ...] = (
        ("headline facts", len(changed), len(heads)), ("other facts", moved, len(others)),
        ("settings", len(set_), len(keys)),
    )  # fmt: skip
    return (
        Table(FACTS, ("fact", "a", "b"), tuple(changed)),
        Table(SETTINGS, ("setting", "a", "b"), tuple(set_)),
        Table(COUNTS, ("what", "changed", "all"), counts),
    )


def changed_facts(one: Mapping[str, Fact], other: Mapping[str, Fact], heads: Sequence[str]) -> list[Pair]:
    """Of the facts of two reports by id: those called `heads` that are not shown alike, with what either shows."""
    rows = [(key, shown(one.get(key)), shown(other.get(key))) for key in heads]
    return [row for row in rows if row[1] != row[2]]


def changed_settings(a: Results, b: Results) -> list[Pair]:
    """Settings that are not the same in both, with what stands in either, as a table shows it."""
    mine, theirs = dict(settings(a)), dict(settings(b))
    rows = [(key, mine.get(key, NONE), theirs.get(key, NONE)) for key in dict.fromkeys([*mine, *theirs])]
    return [(key, _cut(x), _cut(y)) for key, x, y in rows if x != y]


def _headlines(results: Results) -> Iterator[str]:
    """Ids of the facts that the table lists, whether or not a report has them."""
    for prefix in facts.prefixes(results):
        yield from (f"{prefix}.{key}" for key in HEADLINES)
    yield from (f"expectation.{i}" for i in range(len(results.expectations)))


def shown(fact: Fact | None) -> str:
    """A fact as a table shows it: where it is, and its value with bounds; nothing where there is none."""
    if fact is None:
        return NONE
    forms = fact.forms
    plain = forms.get("signed", "") + (f" [{forms['range']}]" if "range" in forms else "") if "signed" in forms else ""
    plain = plain or forms.get("text", "")
    place = forms.get("where", "") or forms.get("label", "")
    return f"{plain} ({place})" if place and place not in plain else plain


def _said(fact: Fact | None) -> tuple[Any, ...] | None:
    """All that a fact says, however it is printed."""
    return None if fact is None else (fact.value, fact.low, fact.high, fact.n, fact.relation, fact.cells)


def _cut(value: str) -> str:
    """A setting as a table shows it: of a digest its start, of a long text likewise."""
    if value.startswith(DIGEST):
        return value[: len(DIGEST) + 12]
    return value if len(value) <= LONG else f"{value[: LONG - 1]}\N{HORIZONTAL ELLIPSIS}"


# ---------------------------------------------------------------- settings


def settings(results: Results) -> Iterator[tuple[str, str]]:
    """Every setting of a report with its value in words: the spec, models, data, grids, libraries."""
    yield "title", results.title
    yield "spec", results.spec_name
    yield "spec digest", results.spec_digest
    yield "seed", str(results.seed)
    for kind, cards in (("model", results.models), ("data set", results.data)):
        for card in cards:
            for field in fields(card):
                if field.name != "name":
                    yield from flat(f"{kind} {card.name}: {field.name}", getattr(card, field.name))
    for one in results.grids:
        grid = one.grid
        yield from (
            (f"{grid.name}: {key}", str(getattr(grid, key)))
            for key in ("model", "dataset", "kind", "site", "metric", "head", "contrast", "text_of")
        )
        yield f"{grid.name}: level", text.trimmed(grid.level)
        yield f"{grid.name}: layers", ", ".join(map(str, grid.layers))
        yield f"{grid.name}: positions", ", ".join(grid.positions)
        yield f"{grid.name}: baselines", ", ".join(b.name for b in one.baselines)
        yield from flat(f"{grid.name}", grid.settings, ": ")
    for name in sorted(results.versions):
        yield f"version of {name}", results.versions[name]


def flat(key: str, value: Any, joint: str = ".") -> Iterator[tuple[str, str]]:
    """A value with all that it holds as pairs of a key and words; lists of plain values stay together."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from flat(f"{key}{joint}{name}", inner)
    elif isinstance(value, list | tuple) and any(isinstance(one, Mapping) for one in value):
        for i, inner in enumerate(value):
            yield from flat(f"{key}{joint}{i}", inner)
    else:
        yield key, _words(value)


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, float) and math.isfinite(value):
        return text.power(value) if abs(value) < 1 else f"{value:g}"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return str(value)

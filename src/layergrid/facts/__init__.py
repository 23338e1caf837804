"""What the results say, as facts that can be recomputed; rules over grids and quantities that know no kind of grid.

A fact has a readable id, the cells that it speaks of, its value with bounds, the comparison that it licenses, and every
form in which prose may print it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from layergrid import text
from layergrid.artifacts import Fact, Results, Summary
from layergrid.facts import (
    added,
    alone,
    bands,
    best,
    between,
    changes,
    choices,
    classes,
    contrasts,
    control,
    depth,
    differences,
    families,
    heads,
    kept,
    matrices,
    methods,
    permuted,
    places,
    references,
    shape,
    shapes,
    sources,
    steps,
    tokens,
    trends,
)
from layergrid.facts.ledger import Ledger
from layergrid.facts.lengths import sections as sections
from layergrid.facts.lengths import sentences as sentences
from layergrid.facts.view import View
from layergrid.kinds import BadInput

RULES = (
    shape, kept, permuted, best, added, bands, places, alone, control, trends, changes, steps, depth, shapes, contrasts,
    references, heads, classes, tokens, choices, methods,
)  # fmt: skip
RESERVED = frozenset({"data", "model", "expectation", "difference", "comparison", "transfer", "family", "families"})


def prefixes(results: Results) -> tuple[str, ...]:
    """What the ids of each grid's facts start with: its name, with model and data set where two grids share it."""
    times = Counter(r.grid.name for r in results.grids)
    found = []
    for g in (r.grid for r in results.grids):
        name = text.slug(g.name)
        if times[g.name] > 1 or name in RESERVED:
            name = f"{name}.{text.slug(g.model)}.{text.slug(g.dataset)}"
        found.append(name)
    return tuple(found)


def views(results: Results) -> tuple[View, ...]:
    """Each grid as the rules look at it, with the card of its data set."""
    cards = {(card.model, card.name): card for card in results.data}
    return tuple(View(one, cards.get((one.grid.model, one.grid.dataset))) for one in results.grids)


def too_few(results: Results) -> list[str]:
    """For who builds: of each set of answers that a class is missing in, or too small, and what can be done."""
    found: dict[tuple[str, str], str] = {}
    for view in views(results):
        ledger = Ledger()
        kept.derive(view, ledger)
        fact = ledger.get("few")
        if fact is not None and view.card is not None:
            found.setdefault(
                (view.grid.model, view.grid.dataset), f"{fact.forms['text']}; {kept.remedy(view, view.card)}"
            )
    return [text.visible(f"{model} on {dataset}: {said}") for (model, dataset), said in found.items()]


def derive(results: Results) -> tuple[Fact, ...]:
    """All facts of the results, sources first, then grid by grid; the same results give the same facts."""
    sides = Ledger()
    sources.derive(results, sides)
    found = dict(sides.facts)
    seen, names = views(results), prefixes(results)
    for view, prefix in zip(seen, names, strict=True):
        ledger = Ledger(view.grid.name, prefix)
        for rules in RULES:
            rules.derive(view, ledger)
        found |= ledger.facts
    pairs = Ledger()
    between.derive(seen, names, pairs)
    differences.derive(results, seen, names, pairs)
    families.derive(results, seen, names, pairs)
    return tuple((found | pairs.facts | matrices.derive(results)).values())


def to_json(facts: Iterable[Fact], summary: Summary | None = None) -> str:
    """`facts.json`: {"facts": [...], "sentences": [...]}, a line for each, the same bytes every time.

    A sentence is {"where", "text", "facts"}: its place in the summary, its plain text, the ids that it cites.
    """
    lines = [json.dumps(_record(fact), allow_nan=False) for fact in facts]
    found = sentences(summary) if summary else ()
    said = [json.dumps({"where": where, "text": s.text, "facts": list(s.facts)}) for where, s in found]
    return '{"facts": [\n' + ",\n".join(lines) + '\n], "sentences": [\n' + ",\n".join(said) + "\n]}\n"


def _record(fact: Fact) -> dict[str, Any]:
    record: dict[str, Any] = {"id": fact.id, "rule": fact.rule, "grid": fact.grid}
    optional = {
        "cells": [list(c) for c in fact.cells],
        "value": fact.value,
        "low": fact.low,
        "high": fact.high,
        "n": fact.n,
        "relation": fact.relation,
        "of": list(fact.of),
    }
    record |= {k: v for k, v in optional.items() if v not in (None, "", [])}
    return record | {"forms": dict(fact.forms)}


def from_json(content: str) -> tuple[tuple[Fact, ...], tuple[Mapping[str, Any], ...]]:
    """Facts and sentence records of a `facts.json`; raises BadInput where it is not one."""
    try:
        read = json.loads(content)
        facts = tuple(
            Fact(**{**r, "cells": tuple((int(a), str(b)) for a, b in r.get("cells", ())), "of": tuple(r.get("of", ()))})
            for r in read["facts"]
        )
        return facts, tuple(read["sentences"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadInput(f"facts.json: expected facts and sentences as a build writes them, found {error}") from error

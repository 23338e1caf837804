"""Sentences on what single positions reach with their layer chosen inside the folds, and on control tasks."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid import text
from layergrid.artifacts import Paragraph, Sentence
from layergrid.facts.view import Group, View
from layergrid.prose.voice import Voice, chained, joined

NAMED = 4  # positions whose distance is told one by one
TASKS = 4  # positions whose selectivity is told


def key_of(position: str) -> str:
    """The key of a position's facts."""
    return f"at.{text.slug(position)}"


def compared(voice: Voice, positions: Sequence[str]) -> bool:
    """Whether positions are compared by their nested values and not by their highest cells."""
    return voice.has("positions.best", "position") and any(voice.has(f"{key_of(p)}.nested") for p in positions)


def followers(voice: Voice, positions: Sequence[str]) -> list[Sentence]:
    """The positions of a group by their nested values: the best of all, those not told from it, those below it."""
    keys = [key_of(p) for p in positions if voice.has(f"{key_of(p)}.nested")]
    best = next((k for k in keys if not voice.has(f"{k}.nested.gap", "word") and _is_best(voice, k)), "")
    gaps = sorted((k for k in keys if voice.has(f"{k}.nested.gap", "word")), key=lambda k: -_value(voice, k))
    even = [k for k in gaps if voice.relation(f"{k}.nested.gap") == "cannot be told from"]
    apart = [k for k in gaps if k not in even]
    target = "it" if best else "{positions.best|position}"
    clauses: list[Sentence] = []
    if best:
        clauses.append(voice.say("{b|position} reaches {b}", b=f"{best}.nested"))
    if even:
        who = chained(voice.say("{p|valued}", p=f"{k}.nested") for k in even)
        end = voice.say(f" {{g|word}} {target}", g=f"{even[0]}.nested.gap").parts
        clauses.append(joined([*who, *end]))
    if apart:
        clauses.append(_below(voice, apart[:NAMED], target))
    if not clauses:
        return []
    head = voice.say("With {choice|own}, " if len(keys) == 1 else "Each with {choice|own}, ").parts
    said = [joined([*head, *chained(clauses, "; ", "; "), "."])]
    if len(apart) > NAMED:
        said.append(voice.say("The table of positions holds the others."))
    return said


def _is_best(voice: Voice, key: str) -> bool:
    best = voice.get("positions.best")
    return best is not None and best.of == (voice.identifier(f"{key}.nested"),)


def _value(voice: Voice, key: str) -> float:
    return voice.number(f"{key}.nested")


def _below(voice: Voice, keys: Sequence[str], target: str) -> Sentence:
    who = chained(voice.say("{p|valued}", p=f"{k}.nested") for k in keys)
    verb = "stands" if len(keys) == 1 else "stand"
    gaps = chained(voice.say("{g}", g=f"{k}.nested.gap") for k in keys)
    end = voice.say(f" {{g|word}} {target}", g=f"{keys[-1]}.nested.gap").parts
    return joined([*who, f" {verb} ", *gaps, *end])


def groups_apart(voice: Voice, view: View) -> list[tuple[float, Sentence]]:
    """The best position of each other group beside the best of all, with the size of the effect for ranking."""
    found = []
    for group in view.groups:
        key = _best_of(voice, view, group)
        fact = voice.get(f"{key}.nested.gap") if key else None
        if fact is None or not voice.has(f"group.{group.key}.peak"):
            continue
        keys = {"p": f"{key}.nested", "g": f"{key}.nested.gap", "of": f"group.{group.key}"}
        who = "of {of|label}, {p|position}" if len(group.columns) > 1 else "{p|position}"
        verb = "{g|word}" if fact.relation == "cannot be told from" else "stands {g|relation}"
        rest = f"{who} {verb} {{positions.best|position}}, each with {{choice|own}}."
        lead = f"{voice.grid}, " if voice.several else ""
        line = voice.say(f"In {lead}{rest}" if lead else _capital(rest), **keys)
        found.append((_size(fact.value, fact.low, fact.high), line))
    return sorted(found, key=lambda pair: -pair[0])[:2]


def _capital(template: str) -> str:
    """A template that begins a sentence; a name keeps its letters."""
    return template if template.startswith("{") else text.capital(template)


def _size(value: object, low: float | None, high: float | None) -> float:
    if low is None or high is None or not isinstance(value, int | float) or high <= low:
        return 0.0
    return abs(value) / ((high - low) / 2)


def _best_of(voice: Voice, view: View, group: Group) -> str:
    keys = [key_of(view.grid.positions[j]) for j in group.columns]
    keys = [k for k in keys if voice.has(f"{k}.nested")]
    return max(keys, key=lambda k: _value(voice, k), default="")


# ---------------------------------------------------------------- control tasks


def control(voice: Voice, view: View) -> Paragraph:
    """Selectivity where tokens recur, and where the control task says nothing."""
    if not voice.has("control"):
        return ()
    keys = [f"{key_of(p)}.control" for p in view.grid.positions if voice.has(f"{key_of(p)}.control", "sized")]
    keys.sort(key=lambda k: -view.sign * voice.number(f"{k.removesuffix('.control')}.peak"))
    said = []
    if keys:
        items = [voice.say("{c|sized} at {c|where} ({c|pair})", c=k) for k in keys[:TASKS]]
        head = voice.say("{control|Is} ").parts
        end = voice.say("; {r}.", r="control.recur").parts if voice.has("control.recur") else ["."]
        said.append(joined([*head, *chained(items), *end]))
    silent = [f"control.{name}" for name in ("single", "unshared") if voice.has(f"control.{name}")]
    if silent:
        parts = chained((voice.say("at {m}, where {m|why}", m=key) for key in silent), last=", and ")
        lead = voice.say("A control task says nothing " if said else "A control task ({control}) says nothing ").parts
        said.append(joined([*lead, *parts, "."]))
    return tuple(said)

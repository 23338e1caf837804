"""What matrices of transfer say: their diagonals, their best pairs, what is lost, what beats a baseline; no model.

A fact of a pair names it as a cell: the number of the source, from zero, and the name of the target. Intervals of many
pairs are each of their own pair; how many of them lie on a side of zero is counted and is no test of all together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from layergrid import text
from layergrid.artifacts import Bools, Bounded, Fact, GridPoint, Matrix, Results
from layergrid.facts.ledger import Ledger, against_zero, clear_of_zero, difference_forms

NOUNS = {"datasets": "data set", "positions": "position", "layers": "layer", "models": "model"}
AT = {"datasets": "on", "positions": "at", "layers": "at", "models": "on"}
ALONE = "the target's own probe"
BEST = "the target's best baseline"
Pair = tuple[int, int]  # source and target


def prefix(matrix: Matrix) -> str:
    """What the ids of a matrix's facts start with."""
    return f"transfer.{text.slug(matrix.name)}"


def derive(results: Results) -> dict[str, Fact]:
    """The facts of all matrices, by id."""
    found: dict[str, Fact] = {}
    for matrix in results.matrices:
        ledger = Ledger(matrix.name, prefix(matrix))
        _named(matrix, ledger)
        _rows(matrix, ledger)
        _empty(matrix, ledger)
        if matrix.has_value.any():
            _diagonal(matrix, ledger)
            _elsewhere(matrix, ledger)
            _baselines(matrix, ledger)
        _settings(matrix, ledger)
        found |= ledger.facts
    return found


def called(matrix: Matrix, i: int) -> str:
    """A domain as a sentence calls it."""
    name = text.visible(matrix.names[i])
    return f"layer {name}" if matrix.over == "layers" else name


def paired(matrix: Matrix, pair: Pair) -> str:
    """A pair in words: "trained on additions and scored on subtractions"."""
    at, (s, t) = AT[matrix.over], pair
    return f"trained {at} {called(matrix, s)} and scored {at} {called(matrix, t)}"


def off_diagonal(matrix: Matrix) -> Bools:
    """Pairs of different domains that hold a number, bool [S, T]."""
    return np.asarray(matrix.has_value & ~np.eye(len(matrix.domains), dtype=np.bool_))


def _points(matrix: Matrix, pairs: Iterable[Pair]) -> list[GridPoint]:
    return [(int(s), matrix.names[t]) for s, t in pairs]


# ---------------------------------------------------------------- what it is


def _named(matrix: Matrix, ledger: Ledger) -> None:
    quantity, noun = matrix.quantity, NOUNS[matrix.over]
    ledger.name("matrix", name=matrix.name, the=f"the transfer {matrix.name}", The=f"The transfer {matrix.name}")
    ledger.name("quantity", name=quantity.name, subject=quantity.subject, positive=quantity.positive,
                sentence=quantity.sentence.rstrip("."), caution=quantity.caution.rstrip("."))  # fmt: skip
    size = len(matrix.domains)
    shown = text.listed(called(matrix, i) for i in range(size)) if size <= 8 else ""
    forms = {"text": text.counted(size, noun), "names": shown, "noun": noun, "nouns": f"{noun}s", "at": AT[matrix.over]}
    forms["each"] = f"each {noun} is a source and a target"
    ledger.add("size", "count", forms, value=size)
    percent = text.percent(matrix.level)
    forms = {"text": percent, "interval": f"{percent} interval", "intervals": f"{percent} intervals"}
    forms["Own"] = "Each interval is of its own pair and is not corrected for the number of pairs"
    forms["own"] = "each interval is of its own pair and is not corrected for the number of pairs"
    ledger.add("level", "setting", forms, value=matrix.level)


def _rows(matrix: Matrix, ledger: Ledger) -> None:
    """How many rows each target has; where all read the same rows, that they do."""
    low, high = min(matrix.n), max(matrix.n)
    same = bool(matrix.settings.get("paired"))
    if same:
        shown = f"the same {text.plural(low, 'row')} throughout"
    elif low == high:
        shown = f"{text.plural(low, 'row')} of each {NOUNS[matrix.over]}"
    else:
        shown = f"{text.count(low)} to {text.plural(high, 'row')} of each {NOUNS[matrix.over]}"
    ledger.add("rows", "count", {"text": shown}, value=high, low=low, high=high)
    sets = matrix.settings.get("sets", ())
    lost = sum(int(one["rows_in_all"]) - int(one["rows"]) for one in sets)
    if lost:
        right, wrong = (sum(int(one[f"dropped_{side}"]) for one in sets) for side in ("correct", "wrong"))
        verb = "is" if lost == 1 else "are"
        clause = f"{text.plural(lost, 'row')} {verb} left out for want of a token at some position"
        graded = matrix.settings.get("predict") in ("error", "correct")
        split = f" ({text.count(right)} right, {text.count(wrong)} wrong answers)" if graded else ""
        ledger.add("dropped", "count", {"text": clause + split, "Text": text.capital(clause) + split}, value=lost)


def _empty(matrix: Matrix, ledger: Ledger) -> None:
    """Pairs without a number, and why."""
    bare = np.argwhere(~matrix.has_value)
    total = matrix.status.size
    if not len(bare):
        return
    why = dict.fromkeys(str(matrix.reason[s, t]).removeprefix("of the source: ") for s, t in bare)
    many = f"{text.words(len(bare))} of {text.plural(total, 'pair')}"
    clause = f"none of {text.plural(total, 'pair')} has a value" if len(bare) == total else f"{many} have no value"
    shown = [text.visible(one) for one in why if one][:3]
    forms = {"text": clause, "Text": text.capital(clause), "why": "; ".join(shown)}
    ledger.add("empty", "count", forms, cells=_points(matrix, bare), value=len(bare), n=total)


# ---------------------------------------------------------------- the diagonal and the other pairs


def _diagonal(matrix: Matrix, ledger: Ledger) -> None:
    """What probes reach where they were trained."""
    there = [i for i in range(len(matrix.domains)) if matrix.has_value[i, i]]
    if not there:
        return
    values = [float(matrix.raw.value[i, i]) for i in there]
    low, high = min(values), max(values)
    shown = f"between {text.number(low)} and {text.number(high)}"
    if text.number(low) == text.number(high):
        shown = text.number(low)
    forms = {"text": shown, "same": f"trained and scored {AT[matrix.over]} the same {NOUNS[matrix.over]}"}
    ledger.add("own", "range", forms, cells=_points(matrix, [(i, i) for i in there]), value=high, low=low, high=high)


def _elsewhere(matrix: Matrix, ledger: Ledger) -> None:
    """The best pair of different domains, how many are above chance, and what is lost against the diagonal."""
    pairs = [(int(s), int(t)) for s, t in np.argwhere(off_diagonal(matrix))]
    if not pairs:
        return
    chance = matrix.quantity.chance or 0.5
    up = [p for p in pairs if matrix.raw.low[p] > chance]
    down = [p for p in pairs if matrix.raw.high[p] < chance]
    forms = _share(up, pairs, "the interval of the AUROC lies above chance", f"{NOUNS[matrix.over]}s")
    forms["also"] = f"in {text.words(len(down))} below it" if down else ""
    if len(pairs) > 2:  # so many that some intervals lie on one side by chance
        forms["many"] = text.counted(len(pairs), "pair")
    ledger.add("above", "pairs", forms, cells=_points(matrix, up), value=len(up), n=len(pairs), relation="above")
    best = max(pairs, key=lambda p: matrix.raw.value[p])
    _value("best", matrix, best, ledger, len(pairs))
    _difference("best.lost", matrix, best, matrix.lost, ALONE, ledger, flip=True)
    _difference("best.gain", matrix, best, matrix.over_baseline, BEST, ledger)
    _sides("lost", matrix, pairs, matrix.lost, ALONE, ledger, flip=True)
    _sides("gain", matrix, pairs, matrix.over_baseline, BEST, ledger)
    sure = [p for p in pairs if matrix.lost.low[p] > 0]
    if sure:
        worst = max(sure, key=lambda p: matrix.lost.value[p])
        if worst != best:
            _difference("worst", matrix, worst, matrix.lost, ALONE, ledger, flip=True)


def _value(key: str, matrix: Matrix, pair: Pair, ledger: Ledger, of: int) -> None:
    """The highest pair of `of` pairs of different domains."""
    value, low, high = (float(getattr(matrix.raw, part)[pair]) for part in ("value", "low", "high"))
    forms = {"text": text.estimate(value, low, high), "value": text.number(value), "pair": paired(matrix, pair)}
    every = f"{text.counted(of, 'pair')} of different {NOUNS[matrix.over]}s"
    few = {1: f"the only pair of different {NOUNS[matrix.over]}s", 2: f"the higher of the {every}"}
    forms["the"] = few.get(of, f"the highest of the {every}")
    forms["The"] = text.capital(forms["the"])
    if of > 1:
        forms["picked"] = "picked on the rows that score it"
    if np.isfinite(low) and np.isfinite(high):
        forms["interval"] = f"{text.percent(matrix.level)} interval {text.span(low, high)}"
    ledger.add(key, "pair", forms, cells=_points(matrix, [pair]), value=value, low=low, high=high,
               n=matrix.n[pair[1]])  # fmt: skip


def _difference(
    key: str, matrix: Matrix, pair: Pair, found: Bounded, whom: str, ledger: Ledger, flip: bool = False
) -> None:
    """A paired difference of a pair from what stands beside it; `flip`: `found` is what is lost."""
    sign = -1.0 if flip else 1.0
    value, one, two = (sign * float(getattr(found, part)[pair]) for part in ("value", "low", "high"))
    low, high = (two, one) if flip else (one, two)
    if not np.isfinite(value):
        return
    relation, digits = against_zero(low, high), clear_of_zero(low, high, 2)
    forms = difference_forms(value, low, high, digits)
    if relation == "cannot be told from":
        forms["clause"] = f"cannot be told from {whom} (difference {text.estimate(value, low, high, digits)})"
    elif relation:
        forms["clause"] = f"stands {forms['text']} {relation} {whom}"
    else:
        forms["clause"] = f"differs from {whom} by {text.signed(value)}, and the interval is not known"
    forms["pair"] = paired(matrix, pair)
    ledger.add(key, "paired pair", forms, cells=_points(matrix, [pair]), value=value, low=low, high=high,
               n=matrix.n[pair[1]], relation=relation)  # fmt: skip


def _sides(
    key: str, matrix: Matrix, pairs: Sequence[Pair], found: Bounded, whom: str, ledger: Ledger, flip: bool = False
) -> None:
    """On which side of zero the intervals of paired differences lie, counted."""
    known = [p for p in pairs if np.isfinite(found.low[p]) and np.isfinite(found.high[p])]
    if not known:
        return
    above = [p for p in known if (found.high[p] < 0 if flip else found.low[p] > 0)]
    below = [p for p in known if (found.low[p] > 0 if flip else found.high[p] < 0)]
    tied = len(known) - len(above) - len(below)
    parts = [
        f"{word} {whom if not i else 'it'} in {text.words(k)}"
        for i, (word, k) in enumerate(
            (word, k) for word, k in
            (("below", len(below)), ("not to be told from", tied), ("above", len(above))) if k
        )
    ]  # fmt: skip
    kept = " with a paired interval" if len(known) < len(pairs) else ""  # a fold at 0 or 1 leaves a pair without
    clause = f"{text.listed(parts)} of {text.counted(len(known), 'pair')}{kept}"
    if len(parts) == 1:
        every = {1: "the only pair", 2: "both pairs"}.get(len(known), f"all {text.counted(len(known), 'pair')}")
        clause = f"{parts[0].rpartition(' in ')[0]} in {every}{kept}"
    forms = {"clause": clause, "Clause": text.capital(clause)}
    forms["none"] = "" if above else f"no pair is above {whom}"
    ledger.add(key, "pairs", forms, cells=_points(matrix, above or below), value=len(above), n=len(known),
               relation="above" if above else "")  # fmt: skip


def _share(some: Sequence[Pair], pairs: Sequence[Pair], what: str, nouns: str) -> dict[str, str]:
    """How many of the pairs of different domains a clause holds of."""
    k, n = len(some), len(pairs)
    every = f"{text.counted(n, 'pair')} of different {nouns}"
    where = f"in {text.words(k)} of the {every}" if k else f"in {'neither' if n == 2 else 'none'} of the {every}"
    if k == n:
        few = {1: f"in the only pair of different {nouns}", 2: f"in both pairs of different {nouns}"}
        where = few.get(n, f"in all {every}")
    if not k:  # a denial at the head of a clause would turn its words round
        return {"text": f"{what} {where}", "Text": f"{text.capital(what)} {where}"}
    return {"text": f"{where} {what}", "Text": f"{text.capital(where)} {what}"}


# ---------------------------------------------------------------- baselines


def _baselines(matrix: Matrix, ledger: Ledger) -> None:
    """The best baseline of each target, and where the diagonal beats it."""
    found = {}
    for t, name in enumerate(matrix.best):
        one = next((b for b in matrix.baselines[t] if b.name == name), None)
        if one is not None and one.estimate is not None:
            found[t] = one
    if not found:
        asked = matrix.settings.get("predict") != "label"
        if asked:
            ledger.add("baselines", "none", {"None": "No target has a baseline with a value"}, value=0)
        return
    labels = {one.label for one in found.values()}
    values = [one.estimate.value for one in found.values() if one.estimate is not None]
    low, high = text.number(min(values)), text.number(max(values))
    reach = low if low == high else f"{low} to {high}"
    shown = f"{next(iter(labels))} (AUROC {reach})"
    if len(labels) > 1:
        every = (f"{one.label} {AT[matrix.over]} {called(matrix, t)} ({text.number(one.estimate.value)})"
                 for t, one in found.items() if one.estimate is not None)  # fmt: skip
        shown = text.listed(every)
    forms = {"text": text.visible(shown), "the": "the best baseline"}
    forms["rule"] = (
        "The best baseline of a target is the one with the highest AUROC on the target's own rows; that choice favours "
        "the baseline"
    )
    ledger.add("baselines", "baselines", forms, value=max(values), low=min(values), high=max(values))
    diagonal = [(i, i) for i in range(len(matrix.domains)) if matrix.has_value[i, i]]
    _sides("own.gain", matrix, diagonal, matrix.over_baseline, BEST, ledger)


# ---------------------------------------------------------------- how it was made


def _settings(matrix: Matrix, ledger: Ledger) -> None:
    settings = matrix.settings
    k, inner = int(settings.get("folds", 0)), int(settings.get("inner_folds", 0))
    ledger.add(
        "folds", "setting", {"text": text.counted(k, "fold"), "inner": text.counted(inner, "inner fold")}, value=k
    )
    values = [float(one) for one in settings.get("penalties", ())]
    if values:
        shown = f"{text.words(len(values))} penalties from {text.power(min(values))} to {text.power(max(values))}"
        shown = shown if len(values) > 1 else f"the penalty {text.power(values[0])}"
        ledger.add("penalties", "setting", {"text": shown}, value=len(values))
    across, near = int(settings.get("groups_across", 0)), settings.get("near_duplicates", {})
    rows, clusters = int(near.get("rows", 0)), int(near.get("clusters", 0))
    said = [f"{text.plural(rows, 'row')} in {text.plural(clusters, 'cluster')} are near-duplicates"] if rows else []
    stands = "stands" if across == 1 else "stand"
    said += [f"{text.plural(across, 'group')} {stands} in more than one data set"] if across else []
    forms = {"text": text.listed(said), "Text": text.capital(text.listed(said))}
    if said:
        ledger.add("groups", "count", forms, value=across, n=rows)
    ledger.add("seed", "setting", {"text": f"seed {settings.get('seed', 0)}"}, value=int(settings.get("seed", 0)))
    for key in ("scaling", "solver", "tolerance", "interval"):
        if settings.get(key):
            ledger.add(f"method.{key}", "setting", {"text": text.visible(str(settings[key]).rstrip("."))})
    signs = dict.fromkeys(str(one) for one in settings.get("baseline_signs", {}).values())
    if signs and any(matrix.best):
        ledger.add("signs", "setting", {"text": text.visible(text.listed(signs))})
    lost = [str(one) for one in settings.get("positions_left_out", ())]
    if lost:
        verb = "is" if len(lost) == 1 else "are"
        clause = f"{text.visible(text.listed(lost))} {verb} left out: no example of some set has "
        ledger.add("left_out", "count", {"Text": clause + ("it" if len(lost) == 1 else "them")}, value=len(lost))
    unconverged = int(settings.get("unconverged_fits", 0))
    if unconverged:
        verb = "does" if unconverged == 1 else "do"
        ledger.add("unconverged", "count", {"text": f"{text.counted(unconverged, 'fit')} {verb} not reach it"},
                   value=unconverged)  # fmt: skip
    _chosen(matrix, ledger)


def _chosen(matrix: Matrix, ledger: Ledger) -> None:
    """Which layers and positions the folds of the sources chose, where there was a choice."""
    said = []
    layers = sorted({one.layer for one in matrix.chosen})
    if matrix.over != "layers" and len(settings_of(matrix, "layers")) > 1 and layers:
        said.append(text.layers(layers))
    positions = list(dict.fromkeys(one.position for one in matrix.chosen))
    if matrix.over != "positions" and len(settings_of(matrix, "positions")) > 1 and positions:
        shown = [text.visible(one) for one in positions[:4]]
        more = len(positions) - len(shown)
        said.append(text.listed([*shown, *([f"{text.words(more)} more positions"] if more else [])]))
    what = [word for word, yes in (("layer", matrix.over != "layers"), ("position", matrix.over != "positions")) if yes]
    forms = {"what": text.listed([*what, "penalty"]), "text": " at ".join(said), "are": "are" if what else "is"}
    ledger.add("choices", "choices", forms, value=len(matrix.chosen))


def settings_of(matrix: Matrix, key: str) -> list[object]:
    """A list among the settings; empty where it is not there."""
    return list(matrix.settings.get(key, ()))

"""Shares of a data set (positions that are missing, answers cut short, right answers) for bounds; it judges none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid.artifacts import DataCard, PositionStatus, Results, Scalar
from layergrid.expectations.cells import matched, said
from layergrid.expectations.seen import Asked, Seen
from layergrid.spec import Expectation, MissingBound

STATUSES = ("position", "label", "status", "count")
Counts = Mapping[str, tuple[int, int]]  # position -> examples that lack it, examples in all


def asked_of(one: Expectation, results: Results) -> list[tuple[DataCard, Counts]]:
    """The answers that an expectation speaks of, model by model, with their counts of missing positions."""
    tables = [_missing(table.rows) for table in results.tables if tuple(table.columns) == STATUSES]
    counts: Sequence[Counts] = [*tables, *({} for _ in results.data)]
    grid = next((r.grid for r in results.grids if one.grid and r.grid.name == one.grid), None)
    return [
        (card, count)
        for card, count in zip(results.data, counts, strict=False)
        if one.dataset in ("", card.name) and (grid is None or (grid.model, grid.dataset) == (card.model, card.name))
    ]


def _missing(rows: Sequence[tuple[Scalar, ...]]) -> Counts:
    found: dict[str, tuple[int, int]] = {}
    for position, _, status, count in rows:
        lacking, every = found.get(str(position), (0, 0))
        k = int(count or 0)
        found[str(position)] = (lacking + (status != PositionStatus.OK.value) * k, every + k)
    return found


def shares(one: Expectation, results: Results) -> Asked:
    """The shares that an expectation of a data set speaks of, of each set of answers to it."""
    of = asked_of(one, results)
    names = list(dict.fromkeys(card.name for card, _ in of)) or [one.dataset or one.grid]
    seen: list[Seen] = []
    for card, counts in of:
        found = _of_positions(counts, one.missing) if one.missing is not None else [_of_answers(card, one.subject)]
        seen += [_of_model(s, card.model) for s in found] if len(of) > 1 else found
    if one.missing is not None:
        words = f"share of examples without {said(one.missing.position, 'a position')}"
    else:
        words = {"truncated": "share of answers cut short", "accuracy": "share of right answers"}[one.subject]
    return Asked(f"{' and '.join(names)}: {words}", tuple(seen))


def _of_model(seen: Seen, model: str) -> Seen:
    """The same, told apart from that of another model."""
    what = f"{seen.what} ({model})" if seen.what else model
    return Seen(seen.value, n=seen.n, what=what, reason=seen.reason)


def _of_positions(counts: Counts, asked: MissingBound) -> list[Seen]:
    """The share of examples that lack a position, of each position that is named."""
    found = matched(tuple(counts), asked.position)
    if isinstance(found, str):
        return [Seen(reason=found)]
    if not found:  # else nothing would keep a bound on every one of them
        return [Seen(reason="there are no positions")]
    return [_share(*counts[name], what=name if len(found) > 1 else "") for name in found]


def _of_answers(card: DataCard, subject: str) -> Seen:
    if subject == "truncated":
        cut = card.truncated_correct + card.truncated_wrong
        return _share(cut, card.n) if card.written else Seen(reason="no answers were written")
    graded = bool(card.rule) and card.classes == DataCard.classes
    return _share(card.n_correct, card.n) if graded else Seen(reason="no answers were graded")


def _share(k: int, n: int, what: str = "") -> Seen:
    return Seen(k / n, n=n, what=what) if n else Seen(what=what, reason="there are no examples")

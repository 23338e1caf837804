"""The page of graded answers as plain values: long texts shortened, the exact answer kept; it knows no markup."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from layergrid import text
from layergrid.artifacts import DataCard, GradedAnswer, Results
from layergrid.facts.grading import QUOTED

LONG = 400  # characters of a question or a completion that are shown in full
GOLD = 120  # of a right answer or a reason
HEAD, AROUND, TAIL = 140, 60, 200  # of a longer text: its beginning, what surrounds the exact answer, its end
REACH = 16  # characters that a cut may move to fall between two words

Part = tuple[Literal["text", "exact", "gap"], str]


@dataclass(frozen=True)
class Answer:
    """One graded answer, each text in parts: plain, the exact answer, or a gap where something was left out."""

    question: tuple[Part, ...]
    completion: tuple[Part, ...]
    gold: tuple[Part, ...]
    verdict: str  # "right", "wrong"
    reason: tuple[Part, ...]  # of the grader; empty where it gave none
    cut: bool  # at the limit of new tokens


@dataclass(frozen=True)
class Drawn:
    """The answers of one model to one data set, wrong ones first."""

    words: str  # how they were drawn
    title: str  # for several of these: "tiny, sums"; else empty
    by_label: tuple[tuple[str, tuple[Answer, ...]], ...]  # "Wrong, 6 of 171" -> answers


def of(results: Results) -> tuple[Drawn, ...]:
    """All graded answers, by model and data set in the order of the results."""
    cards = {(card.model, card.name): card for card in results.data}
    several = [(key, tuple(found)) for key, found in groupby(results.graded, key=lambda a: (a.model, a.dataset))]
    titled = len(several) > 1
    return tuple(
        Drawn(
            words=_words(found, cards.get(key), results.seed),
            title=", ".join(key) if titled else "",
            by_label=tuple(_by_label(found, cards.get(key))),
        )
        for key, found in several
    )


def _of_all(found: Iterable[GradedAnswer], card: DataCard | None) -> list[tuple[str, int, int | None]]:
    """The verdict, how many are shown and how many there are (None: not known); verdicts without an answer left out."""
    shown = list(found)
    counts = []
    for verdict, correct in (("wrong", False), ("right", True)):
        n = sum(a.correct == correct for a in shown)
        of_all = None if card is None else card.n_correct if correct else card.n - card.n_correct
        if n:
            counts.append((verdict, n, of_all))
    return counts


def _words(found: tuple[GradedAnswer, ...], card: DataCard | None, seed: int) -> str:
    """How the answers were drawn, and what is marked in them."""
    counts = _of_all(found, card)
    who = text.listed(_share(*one) for one in counts)
    answers = "answer" if len(found) == 1 and counts[0][2] in (None, 1) else "answers"
    whose = f"of {found[0].model}" if card is None or not card.given else f"given in column {QUOTED.format(card.given)}"
    drawn = f"{text.capital(who)} {answers} {whose} to {found[0].dataset}"
    drawn = f"{drawn}, drawn at random within each label (seed {seed})"
    rule = f": {card.rule}" if card is not None and card.rule else ""
    return f"{drawn}. What was compared with the right answer is marked{rule}."


def _share(verdict: str, n: int, of_all: int | None) -> str:
    """The shown answers of a verdict: "six of the 171 wrong", "all four right", "both wrong"."""
    if of_all is not None and n < of_all:
        return f"{text.words(n)} of the {text.count(of_all)} {verdict}"
    if of_all is None:
        return f"{text.words(n)} {verdict}"
    return f"{'the only' if n == 1 else 'both' if n == 2 else f'all {text.words(n)}'} {verdict}"


def _by_label(found: tuple[GradedAnswer, ...], card: DataCard | None) -> Iterable[tuple[str, tuple[Answer, ...]]]:
    for verdict, n, of_all in _of_all(found, card):
        title = f"Graded {verdict}, {text.count(n)}" + (f" of {text.count(of_all)}" if of_all is not None else "")
        yield title, tuple(_answer(a, card.rule if card else "") for a in found if a.correct == (verdict == "right"))


def _answer(one: GradedAnswer, rule: str) -> Answer:
    reason = (
        one.reason.replace(f" by the rule: {rule}", "") if rule else one.reason
    )  # the rule stands above all answers
    return Answer(
        question=shortened(one.question),
        completion=shortened(one.completion, one.span),
        gold=shortened(one.gold, most=GOLD),
        verdict="right" if one.correct else "wrong",
        reason=shortened(reason, most=GOLD),
        cut=not one.stopped,
    )


# ---------------------------------------------------------------- long texts


def shortened(string: str, span: tuple[int, int] | None = None, most: int = LONG) -> tuple[Part, ...]:
    """A text in parts: whole up to `most` characters, else its beginning and end, and the span with its surroundings.

    Line breaks become arrows, so that a text is one paragraph; blanks at either end go.
    """
    start, stop = span if span is not None and 0 <= span[0] < span[1] <= len(string) else (0, 0)
    kept = _kept(string, start, stop, most)
    parts: list[Part] = []
    at = 0
    for a, b in kept:
        if a > at:
            parts.append(("gap", ""))
        parts += [("text", string[a : min(b, max(a, start))]), ("exact", string[max(a, start) : min(b, stop)])]
        parts.append(("text", string[max(a, min(b, stop)) : b]))
        at = b
    if at < len(string):
        parts.append(("gap", ""))
    return _trimmed([(kind, _one_line(part)) for kind, part in parts if part or kind == "gap"])


def _kept(string: str, start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Which characters stay, as ranges that do not touch; all where the text is short enough."""
    n = len(string)
    if n <= most:
        return [(0, n)]
    scale = most / LONG
    head, around, tail = (round(scale * size) for size in (HEAD, AROUND, TAIL))
    ranges = [(0, _between_words(string, head)), (_between_words(string, n - tail), n)]
    if stop > start:
        last = min(stop, start + most)  # an exact answer may itself be long
        ranges.append((_between_words(string, max(0, start - around)), _between_words(string, min(n, last + around))))
    found: list[tuple[int, int]] = []
    for a, b in sorted(ranges):
        if found and a <= found[-1][1] + REACH:
            found[-1] = (found[-1][0], max(b, found[-1][1]))
        else:
            found.append((a, b))
    return found


def _between_words(string: str, at: int) -> int:
    """The nearest place before `at` where a word begins, if one is near; else `at`."""
    blank = max(string.rfind(" ", max(0, at - REACH), at), string.rfind("\n", max(0, at - REACH), at))
    return blank + 1 if blank >= 0 else at


def _one_line(string: str) -> str:
    """Runs of line breaks as an arrow between blanks, runs of other blanks as one."""
    broken = re.sub(r"[ \t]*(?:\r\n|\n|\r)[ \t\r\n]*", " \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS} ", string)
    return re.sub(r"[ \t]+", " ", broken)


def _trimmed(parts: list[Part]) -> tuple[Part, ...]:
    """Parts without blanks and arrows at either end, and without those that are empty."""
    edge = " \N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}"
    while parts and parts[0][0] == "text" and parts[0][1] != (cut := parts[0][1].lstrip(edge)):
        parts = [("text", cut), *parts[1:]] if cut else parts[1:]
    while parts and parts[-1][0] == "text" and parts[-1][1] != (cut := parts[-1][1].rstrip(edge)):
        parts = [*parts[:-1], ("text", cut)] if cut else parts[:-1]
    return tuple(parts)

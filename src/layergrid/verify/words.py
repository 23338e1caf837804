"""Reads facts.json and every sentence of the documents back to facts; it computes no statistic."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from typing import Any

from layergrid import text
from layergrid.artifacts import Fact, Sentence, Summary
from layergrid.facts import from_json, sentences
from layergrid.prose.lexicon import claims, without
from layergrid.verify.numbers import same
from layergrid.verify.problems import Notes

FACTS = "facts.json"
PAGE = "report.html"
PLAIN = "report.md"


def plain(string: str) -> str:
    """Text as it is compared: safe to print, every run of blanks as one blank."""
    return " ".join(text.visible(" ".join(string.split())).split())


# ---------------------------------------------------------------- facts.json


def check_facts(content: str, derived: Sequence[Fact], summary: Summary, notes: Notes) -> None:
    """facts.json against the facts and sentences that the results give now."""
    saved, said = from_json(content)
    mine, theirs = {f.id: f for f in derived}, {f.id: f for f in saved}
    for identifier in [i for i in mine if i not in theirs]:
        notes.wrong(FACTS, f"the fact {identifier} is missing")
    for identifier in [i for i in theirs if i not in mine]:
        notes.wrong(FACTS, f"the results give no fact {identifier}")
    for identifier in [i for i in mine if i in theirs]:
        for field, value in asdict(mine[identifier]).items():
            found = asdict(theirs[identifier])[field]
            if not _equal(found, value):
                notes.wrong(FACTS, f"{identifier}: {field} is {found!r}, the results give {value!r}")
    wanted = [{"where": where, "text": s.text, "facts": list(s.facts)} for where, s in sentences(summary)]
    found = [dict(record) for record in said]
    for record in [r for r in wanted if r not in found]:
        notes.wrong(FACTS, f"a sentence of {record['where']} is missing or changed: {record['text']!r}")
    for record in [r for r in found if r not in wanted]:
        notes.wrong(FACTS, f"not a sentence of the summary: {record.get('text')!r}")
    notes.counts["fact"] += len(mine)


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, float) or isinstance(b, float):
        return isinstance(a, int | float) and isinstance(b, int | float) and same(a, b, 1e-9)
    return bool(a == b)


# ---------------------------------------------------------------- sentences


def check_sentence(where: str, said: str, cited: Iterable[str], facts: Mapping[str, Fact], notes: Notes) -> None:
    """Every number and every comparison of a sentence must stand in a form of a fact that it cites."""
    forms: list[str] = []
    for identifier in cited:
        if identifier not in facts:
            notes.wrong(where, f"cites the unknown fact {identifier!r}: {said!r}")
            continue
        forms.extend(plain(form) for form in facts[identifier].forms.values())
    left = claims(without(plain(said), forms))
    if left:
        shown = text.listed(repr(word) for word in dict.fromkeys(left))
        notes.wrong(where, f"{shown} not found in any fact that is cited: {said!r}")
    notes.counts["sentence"] += 1


def check_summary(summary: Summary, facts: Mapping[str, Fact], notes: Notes) -> None:
    """The sentences as they were put together: claims stand in citations only, and citations print their facts."""
    for where, sentence in sentences(summary):
        for part in sentence.parts:
            if isinstance(part, str):
                if claims(part):
                    notes.wrong(where, f"{text.listed(claims(part))} stands outside of a citation: {sentence.text!r}")
            elif part.fact not in facts or part.text not in facts[part.fact].forms.values():
                notes.wrong(where, f"{part.text!r} is no form of {part.fact}: {sentence.text!r}")


# ---------------------------------------------------------------- HTML


class _Sentences(HTMLParser):
    """Collects the elements of class "sentence": their text, the facts that they name, and their line."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[tuple[int, str, tuple[str, ...]]] = []
        self._depth = 0
        self._text: list[str] = []
        self._facts: tuple[str, ...] = ()
        self._line = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"wbr", "br", "img", "meta", "link", "hr", "input"}:
            return
        named = {key: value or "" for key, value in attrs}
        if self._depth:
            self._depth += 1
        elif "sentence" in named.get("class", "").split():
            self._depth, self._text, self._line = 1, [], self.getpos()[0]
            self._facts = tuple(named.get("data-facts", "").split())

    def handle_endtag(self, tag: str) -> None:
        if self._depth and tag not in {"wbr", "br"}:
            self._depth -= 1
            if not self._depth:
                self.found.append((self._line, "".join(self._text), self._facts))

    def handle_data(self, data: str) -> None:
        if self._depth:
            self._text.append(data)


def check_html(content: str, summary: Summary, facts: Mapping[str, Fact], notes: Notes, length: str = "full") -> None:
    """Each sentence of the page against the facts that it names, and the page against the summary at its length."""
    reader = _Sentences()
    reader.feed(content)
    wanted = _wanted(summary, length)
    for line, said, cited in reader.found:
        where = f"{PAGE}, line {line}"
        check_sentence(where, said, cited, facts, notes)
        right = wanted.get(plain(said), [])
        if not right:
            notes.wrong(where, f"not a sentence of the summary at the length {length!r}: {plain(said)!r}")
        elif cited not in [one.facts for one in right]:
            notes.wrong(
                where, f"cites {text.listed(cited) or 'nothing'}, not {text.listed(right[0].facts)}: {plain(said)!r}"
            )
    there = {plain(said) for _, said, _ in reader.found}
    for where, sentence in sentences(summary, length):
        if not where.startswith("caption ") and plain(sentence.text) not in there:
            notes.wrong(PAGE, f"a sentence of {where} is missing: {sentence.text!r}")


def _wanted(summary: Summary, length: str) -> dict[str, list[Sentence]]:
    """Plain text -> the sentences that read so: those on two grids may differ in nothing but the facts they cite."""
    found: dict[str, list[Sentence]] = {}
    for _, sentence in sentences(summary, length):
        found.setdefault(plain(sentence.text), []).append(sentence)
    return found


# ---------------------------------------------------------------- Markdown


def unescaped(line: str) -> str:
    """A line of Markdown as a reader sees it: without backslash escapes, entities, marks of emphasis and code."""
    shown = re.sub(r"(?<!\\)(?:\*\*|`)", "", line)
    return plain(html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", shown)))


def check_markdown(
    content: str, summary: Summary, facts: Mapping[str, Fact], notes: Notes, length: str = "full"
) -> None:
    """The sentences of the summary at its length in the Markdown, and what its paragraphs say beyond them."""
    lines = [(number, unescaped(line)) for number, line in enumerate(content.splitlines(), 1)]
    whole = "\n".join(line for _, line in lines)
    wanted = _wanted(summary, length)
    rows = {tuple(unescaped(cell) for cell in re.split(r"(?<!\\)\|", line)[1:-1]) for line in content.splitlines()}
    for where, sentence in sentences(summary, length):
        said = plain(sentence.text)
        if where.startswith(("caption ", "key figure ")):
            continue
        if said not in whole:
            _nearest(said, sentence, where, lines, facts, notes)
        else:
            check_sentence(f"{PLAIN}, {where}", said, sentence.facts, facts, notes)
    for key in summary.key_figures:
        row = (plain(key.figure.text), plain(key.meaning.text))
        if row not in rows:
            notes.wrong(PLAIN, f"the key figure {row[0]!r}, {row[1]!r}, is missing or changed")
    longest = sorted((said for said in wanted if said.endswith((".", ":"))), key=len, reverse=True)
    for number, line in lines:
        if not _prose(content.splitlines()[number - 1]):
            continue
        rest = line
        for said in longest:
            # The name of a grid alone leads a paragraph; elsewhere it ends a sentence that is none of the summary's.
            rest = rest.replace(said, " ") if " " in said or line.lstrip("* ").startswith(said) else rest
        if rest != line and claims(rest):
            notes.wrong(f"{PLAIN}, line {number}", f"{rest.strip()!r} stands beside the sentences of the summary")


def _nearest(
    said: str, sentence: Sentence, where: str, lines: list[tuple[int, str]], facts: Mapping[str, Fact], notes: Notes
) -> None:
    """A sentence that is not there: what stands in its place, and which of its words no fact bears."""
    words = {line: number for number, line in lines if line}
    near = difflib.get_close_matches(said, words, n=1, cutoff=0.3) or [line for line in words if said[:30] in line][:1]
    if not near:
        notes.wrong(PLAIN, f"a sentence of {where} is missing: {said!r}")
        return
    forms = [plain(form) for f in sentence.facts if f in facts for form in facts[f].forms.values()]
    unknown = [w for w in claims(without(near[0], forms)) if w not in claims(without(said, forms))]
    hint = f" ({text.listed(map(repr, dict.fromkeys(unknown)))} not in its facts)" if unknown else ""
    notes.wrong(f"{PLAIN}, line {words[near[0]]}", f"a sentence of {where} should read {said!r}{hint}")


def _prose(line: str) -> bool:
    """Whether a line of Markdown holds running text: no table, heading, list, quotation or title of a table."""
    return bool(line.strip()) and not line.lstrip().startswith(("|", "#", "- ", ">", "**Table "))

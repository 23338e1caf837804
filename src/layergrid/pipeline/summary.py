"""What CI tells of reports, as Markdown for the page of a run and for one comment; it builds and draws nothing.

What stands in it comes from specs, which may be a stranger's: nothing of it becomes Markdown, HTML, a link, a mention
or a reference, and no line but the first can be taken for the marker.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

from layergrid import archive, comparing, publish, text
from layergrid.artifacts import Results
from layergrid.comparing import grids, sources
from layergrid.kinds import BadInput, BuildError
from layergrid.render.words import markdown

MOST = 65_000  # characters; a comment may have 65,536
LONGEST = 300  # characters of one text
JOINER = "\N{WORD JOINER}"  # keeps signs apart that would make a mention or a reference
NAMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ADDRESS = re.compile(r"https?://[^\s<>()\[\]\"'`|\\]+")


@dataclass(frozen=True)
class Told:
    """What a summary says of one report."""

    name: str
    problem: str = ""  # why nothing can be said
    title: str = ""
    expectations: tuple[dict[str, Any], ...] = ()
    figures: tuple[tuple[str, str], ...] = ()  # key figures with their meanings
    abstract: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()  # against the other report, one a grid
    beside: str = ""  # why there is no change to tell

    @property
    def unmet(self) -> tuple[dict[str, Any], ...]:
        """Expectations that are not met."""
        return tuple(one for one in self.expectations if not one["met"])


def summary(folders: Sequence[Path], against: Path | None = None, link: str = "", marker: str = "") -> str:
    """The Markdown: a marker, a table of reports, a table of expectations that are not met, details of each report.

    Under 65,000 characters: details are shortened first, abstracts before verdicts. Equal reports give equal text.

    Raises:
        BadInput: the marker or the link is not of the form that is expected.
    """
    if marker and not NAMED.fullmatch(marker):
        raise BadInput(f"--marker {text.visible(marker)}: expected letters, digits, '_', '.' and '-', such as nightly")
    if link and not ADDRESS.fullmatch(link.replace("{name}", "name")):
        raise BadInput(
            f"--link {text.visible(link)}: expected an address such as https://example.org/{{name}}/report.html"
        )
    told = [_told(folder, against) for folder in folders]
    head = (
        f"<!-- layergrid{' ' + marker if marker else ''} -->\n## {_headline(told)}\n\n{_reports(told, against, link)}"
    )
    return _fitting(head + _failures(told), told)


# ---------------------------------------------------------------- what reports say


def _told(folder: Path, against: Path | None) -> Told:
    name = folder.resolve().name
    try:
        found = _read(folder, name)
        return _compared(found, folder, against) if against is not None else found
    except BadInput as error:
        return Told(name, problem=str(error).replace(f"{folder}/", "").replace(str(folder), name))
    except (KeyError, TypeError, ValueError, OSError, AttributeError, RecursionError):
        return Told(name, problem="is damaged: its files do not hold what a report holds")


def _read(folder: Path, name: str) -> Told:
    if not folder.is_dir():
        return Told(name, problem="is missing: it was not built")
    publish.check_own(folder)
    manifest = publish.read_manifest(folder)
    if manifest is None and any(True for _ in folder.glob("*/manifest.json")):
        return Told(name, problem="is a folder of reports; name each report in it")
    if manifest is None:
        return Told(name, problem="failed to build, or is no report: it has no manifest that can be read")
    judged = tuple(dict(one) for one in manifest["build"].get("expectations", ()))
    if not all(isinstance(one["met"], bool) for one in judged):
        raise ValueError("a verdict is neither met nor not")
    said = _sentences(folder)
    figures = [line for where, line in said if where.startswith("key figure ")]
    return Told(
        name,
        title=str(json.loads((folder / "results" / "results.json").read_bytes())["title"]),
        expectations=judged,
        figures=tuple(zip(figures[::2], figures[1::2], strict=True)),
        abstract=tuple(line for where, line in said if where == "abstract"),
    )


def _sentences(folder: Path) -> list[tuple[str, str]]:
    found = json.loads((folder / "facts.json").read_bytes())["sentences"]
    return [(str(one["where"]), str(one["text"])) for one in found]


def _compared(found: Told, folder: Path, against: Path | None) -> Told:
    """The same with what changed against the report of that name."""
    if found.problem or against is None:
        return found
    other = against if publish.read_manifest(against) is not None else against / found.name
    if publish.read_manifest(other) is None:
        return replace(found, beside="new: there is none to compare with")
    try:
        publish.check_own(other)
        changes = _changes(archive.read(other), archive.read(folder))
    except (BadInput, BuildError):
        return replace(found, beside="the report to compare with cannot be read")
    return replace(found, changes=tuple(changes), beside="" if changes else "nothing in common")


def _changes(a: Results, b: Results) -> list[str]:
    """One clause for each grid that both reports have: of nested bests their paired difference, else the largest."""
    theirs = {one.grid.name: one for one in a.grids}
    found = []
    for one in b.grids:
        other = theirs.get(one.grid.name)
        if other is None:
            found.append(f"{one.grid.name}: new")
            continue
        if not grids.comparable(other.grid, one.grid):
            found.append(f"{one.grid.name}: of another quantity")
            continue
        rows = sources.apart(a, b, other, one) or grids.pairing(other, one)
        nested = grids.nested_difference(other, one, rows)
        lone = len(b.grids) == 1
        found.append(("" if lone else f"{one.grid.name}: ") + (_gap(nested) if nested else _far(a, b, one.grid.name)))
    return found


def _gap(nested: tuple[Any, ...]) -> str:
    """A difference of nested bests with its interval."""
    _, _, _, value, low, high, n = nested
    if value == 0:
        return "unchanged"
    if low is None or high is None:
        return f"{text.signed(value, 3)} (no interval{'' if n else ': the rows cannot be paired'})"
    digits = text.precision((high - low) / 2, least=2, most=3)
    return f"{text.signed(value, digits)} {text.interval(low, high, digits)}, paired, n = {text.count(n)}"


def _far(a: Results, b: Results, name: str) -> str:
    """How far two grids without a nested best are apart at most."""
    sides = [replace(r, grids=tuple(one for one in r.grids if one.grid.name == name)) for r in (a, b)]
    far = comparing.apart(sides[0], sides[1], ("base", "this"))
    if not far.numbers or not far.largest:
        return "unchanged" if far.numbers and not far.lacking and not far.changed else "differs in what has a value"
    return f"by up to {text.number(far.largest, text.precision(far.largest / 20, least=2, most=4))}"


# ---------------------------------------------------------------- Markdown


def escaped(string: str) -> str:
    """Text that Markdown shows as it stands, on one line, and that mentions and refers to nobody."""
    shown = " ".join(string.split())
    return _apart(markdown(shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 4].rstrip()} ..."))


def in_html(string: str) -> str:
    """The same inside an element of HTML."""
    shown = text.visible(" ".join(string.split()))
    shown = html.escape(shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 4].rstrip()} ...")
    return _apart(shown.replace("[", "&#91;").replace("]", "&#93;"))


def _apart(shown: str) -> str:
    """Mentions (@name), references (#12, GH-12) and addresses kept apart by a sign that nobody sees."""
    shown = shown.replace("&#64;", "@")
    shown = re.sub(r"@(?=\w)", f"@{JOINER}", shown).replace("://", f":{JOINER}//")
    shown = re.sub(r"\b(www)\.", rf"\1{JOINER}.", shown, flags=re.IGNORECASE)
    shown = re.sub(r"(?<!&)#(?=\d)", f"#{JOINER}", shown)
    return re.sub(r"\b(gh)-(?=\d)", rf"\1-{JOINER}", shown, flags=re.IGNORECASE)


def _headline(told: Sequence[Told]) -> str:
    judged = [one for report in told for one in report.expectations]
    met, failed = sum(bool(one["met"]) for one in judged), sum(bool(one.problem) for one in told)
    parts = [text.plural(len(told), "report")]
    if judged:
        parts.append(f"{met} of {text.plural(len(judged), 'expectation')} met")
    if failed:
        parts.append(f"{failed} failed or missing")
    return f"{'✅' if met == len(judged) and not failed else '❌'} {', '.join(parts)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |\n"


def _linked(told: Told, link: str) -> str:
    shown = escaped(told.name)
    if not link:
        return shown
    brackets = {"[": "&#91;", "]": "&#93;"}
    label = re.sub(r"\\\\|\\?[\[\]]", lambda m: brackets.get(m[0][-1], m[0]), shown)
    return f"[{label}]({link.replace('{name}', quote(told.name, safe=''))})"


def _reports(told: Sequence[Told], against: Path | None, link: str) -> str:
    """A row for each report."""
    columns = ["Report", "Expectations", "Key figure", *(["Change"] if against is not None else [])]
    lines = [_row(columns), _row(["---"] * len(columns))]
    for one in told:
        if one.problem:
            lines.append(_row([escaped(one.name), "❌ failed", escaped(one.problem), *([""] * (len(columns) - 3))]))
            continue
        every, met = len(one.expectations), len(one.expectations) - len(one.unmet)
        verdict = f"{'❌' if one.unmet else '✅'} {met} of {every} met" if every else "none stated"
        figure = " ".join((f"**{escaped(one.figures[0][0])}**", escaped(one.figures[0][1]))) if one.figures else ""
        change = escaped("; ".join(one.changes) or one.beside)
        lines.append(_row([_linked(one, link), verdict, figure, *([change] if against is not None else [])]))
    return "".join(lines)


def _failures(told: Sequence[Told]) -> str:
    """A row for each expectation that is not met, of all reports."""
    unmet = [(one.name, failing) for one in told for failing in one.unmet]
    if not unmet:
        return ""
    lines = ["\n### Expectations that are not met\n\n", _row(["Report", "Expectation", "Because"]), _row(["---"] * 3)]
    lines += [
        _row([escaped(n), f"❌ {escaped(_said(one))}", escaped(str(one.get("because") or ""))]) for n, one in unmet
    ]
    return "".join(lines)


def _said(one: dict[str, Any]) -> str:
    return str(one.get("told") or one.get("sentence") or "")


def _details(one: Told, abstract: bool, met: bool) -> str:
    """One report to unfold: what fails first, then what is met, then its abstract."""
    lines = [f"\n<details>\n<summary>{in_html(one.name)}: {in_html(one.title)}</summary>\n\n"]
    lines += [f"- ❌ {escaped(_said(e))}\n" for e in one.unmet]
    lines += [f"- ✅ {escaped(_said(e))}\n" for e in one.expectations if e["met"] and met]
    lines += ["\n"] if one.expectations else []
    lines += [" ".join(map(_whole, one.abstract)), "\n\n"] if abstract and one.abstract else []
    return "".join([*lines, "</details>\n"])


def _whole(sentence: str) -> str:
    return _apart(markdown(" ".join(sentence.split())))


def _fitting(head: str, told: Sequence[Told]) -> str:
    """The head with as much of the details as there is room for."""
    shown = [one for one in told if not one.problem]
    for abstracts, met in ((len(shown), True), (0, True), (0, False)):
        for k in range(abstracts, -1, -1) if abstracts else (0,):
            whole = head + "".join(_details(one, i < k, met) for i, one in enumerate(shown))
            if len(whole) <= MOST:
                return whole
    note = "\nDetails are left out, as they are too long; the reports have them.\n"
    return head + note if len(head) + len(note) <= MOST else _cut(head, MOST)


def _cut(head: str, most: int) -> str:
    """So many lines of the head as there is room for, and how many are left out."""
    kept, size = [], 0
    lines = head.splitlines(keepends=True)
    for line in lines:
        size += len(line)
        if size > most - 100:
            break
        kept.append(line)
    return "".join(kept) + f"\n{text.count(len(lines) - len(kept))} lines are left out, as there is no room for them.\n"

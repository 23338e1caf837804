"""What every document of a report shows, as plain values for templates; it knows no markup."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from layergrid import text
from layergrid.artifacts import DataCard, Fact, Figure, Grid, ModelCard, Paragraph, Results, Section, Summary
from layergrid.facts import differences, prefixes, sections, sentences
from layergrid.facts.grading import QUOTED
from layergrid.render import answers, examples, references, shades, sheets
from layergrid.render.figures import Block
from layergrid.render.sheets import Sheet
from layergrid.theme import Theme

FIRST_PAGE = 2  # blocks of figures on the first page


@dataclass(frozen=True)
class Content:
    """All parts of a report in the order of the page."""

    results: Results
    facts: tuple[Fact, ...]
    summary: Summary
    theme: Theme
    blocks: tuple[Block, ...]
    length: str = "full"  # of the words: "abstract", "summary" or "full"
    templates: Mapping[str, str] = field(default_factory=dict)  # the user's own, by name

    @property
    def names(self) -> set[str]:
        """Names of positions, which no line may break; those of tokens of one text are mere numbers."""
        grids = {name for one in self.results.grids if not one.grid.text_of for name in one.grid.positions}
        return grids | {p[0] for one in self.results.illustrations for p in one.positions}

    @property
    def figures(self) -> tuple[Figure, ...]:
        """All figures, in the order of the blocks."""
        return tuple(figure for block in self.blocks for figure in block.figures)

    @property
    def first(self) -> tuple[Block, ...]:
        """The figures of the first page: an example's tokens, and the first figure that shows numbers."""
        strips = 0
        while strips < len(self.blocks) and all(f.spec is None for f in self.blocks[strips].figures):
            strips += 1
        return self.blocks[: min(FIRST_PAGE, strips + 1)]

    @property
    def more(self) -> tuple[Block, ...]:
        """The figures that come later."""
        return self.blocks[len(self.first) :]

    @property
    def cited(self) -> tuple[Fact, ...]:
        """The facts that some sentence cites."""
        ids = {id_ for _, sentence in sentences(self.summary) for id_ in sentence.facts}
        return tuple(fact for fact in self.facts if fact.id in ids)

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections of the summary at the length that was asked for, without the methods."""
        return tuple(s for s in sections(self.summary, self.length) if s.key != "methods")

    @property
    def methods(self) -> tuple[Section, ...]:
        """The methods, which come after the tables."""
        return tuple(s for s in self.summary.sections if s.key == "methods")

    @cached_property
    def sheets(self) -> tuple[Sheet, ...]:
        """All tables, numbered."""
        return sheets.of(self.results)

    @cached_property
    def graded(self) -> tuple[answers.Drawn, ...]:
        """Answers drawn at random, for readers who want to check the grading."""
        return answers.of(self.results)

    @cached_property
    def examples(self) -> tuple[examples.Shown, ...]:
        """Examples with their tokens and held-out scores."""
        return examples.of(self.results)

    @property
    def unshown(self) -> str:
        """Whose answers no example is shown of, in a sentence."""
        return examples.omitted(self.results)

    @property
    def shades(self) -> dict[str, tuple[shades.Shade, ...]]:
        """The shades of scores in the light and in the dark."""
        return {"light": shades.of(self.theme, "light"), "dark": shades.of(self.theme, "dark")}

    def caption(self, key: str) -> Paragraph:
        """The words below a table, from the summary."""
        return self.summary.captions.get(key, ())

    @property
    def expected(self) -> Sheet | None:
        """The table of what the spec expects."""
        return next((sheet for sheet in self.sheets if sheet.key == "expectations"), None)

    @cached_property
    def references(self) -> tuple[references.Reference, ...]:
        """The works that the words of the report name."""
        return references.named(self._said)

    @property
    def _said(self) -> Iterator[str]:
        """The words that may name a work."""
        shown = (*self.sections, *self.methods)
        captions = [words for block in self.blocks for _, words, _ in block.captions]
        captions += [self.caption(sheet.key) for sheet in self.sheets]
        for paragraph in (self.summary.abstract, *(p for s in shown for p in s.paragraphs), *captions):
            yield from (sentence.text for sentence in paragraph)
        yield from (section.authored for section in shown)
        yield from (sheet.note for sheet in self.sheets)

    @property
    def provenance(self) -> tuple[tuple[str, tuple[tuple[str, str], ...]], ...]:
        """What the report was made from: groups of names with values."""
        r = self.results
        groups = [(f"Model {m.name}", _model(m)) for m in r.models] + [(f"Data set {d.name}", _data(d)) for d in r.data]
        libraries = ", ".join(f"{name} {r.versions[name]}" for name in sorted(r.versions))
        both = bool(differences.tables(r))  # two reports, each of which has a seed of its own
        made_by, seed = ("comparison", "") if both else ("spec", str(r.seed))
        own = ", ".join(sorted(self.templates))
        build = (
            (made_by, r.spec_name), ("digest", r.spec_digest), ("seed", seed), ("libraries", libraries),
            ("own templates", f"{own}; what they add to the text is checked by nobody" if own else ""),
        )  # fmt: skip
        groups.append(("Build", tuple((k, v) for k, v in build if v)))
        groups.append(("Files", self._files))
        return tuple(groups)

    @property
    def _files(self) -> tuple[tuple[str, str], ...]:
        """What lies beside the report."""
        grids = ", ".join(f"grids/{g.grid.name}.parquet, .csv" for g in self.results.grids)
        moved = ", ".join(f"matrices/{one.name}.parquet, .csv" for one in self.results.matrices)
        rows = [("cells", grids)] if grids else []
        rows += [("held-out scores", "results/")] if any(g.held_out for g in self.results.grids) else []
        rows += [("values of examples", "results/")] if any(g.measured for g in self.results.grids) else []
        rows += [("transfers", moved)] if moved else []
        return (*rows, ("cited facts", "facts.json"), ("this build", "manifest.json"))


def _model(m: ModelCard) -> tuple[tuple[str, str], ...]:
    """What is known of a model; of one known by its activations alone, less."""
    blocks = text.plural(m.layers, "block")
    if m.encoder_layers:
        blocks = f"{text.plural(m.encoder_layers, 'block')} of the encoder, {m.layers} of the decoder"
    parts = [m.architecture, blocks, text.plural(m.heads, "head") + " a block" if m.heads else "",
             f"width {text.count(m.width)}" if m.width else ""]  # fmt: skip
    said = (("address", m.address), ("architecture", ", ".join(p for p in parts if p)),
            ("parameters", text.count(m.parameters) if m.parameters else ""), ("number type", m.dtype),
            ("revision", m.revision))  # fmt: skip
    return tuple((name, value) for name, value in said if value)


def _data(d: DataCard) -> tuple[tuple[str, str], ...]:
    """What is known of a data set; texts as given have no answers."""
    limit = f"at most {text.count(d.max_new_tokens)}" if d.written and d.max_new_tokens else ""
    said = (("source", d.source), ("fingerprint", d.fingerprint), ("grouped by", d.group or "nothing"),
            ("left out", "; ".join(f"{text.count(n)} of {text.count(of)}: {why}" for why, n, of in d.left_out)),
            ("prompt" if d.written else "text", d.prompt), ("dialogue", d.chat), ("new tokens", limit),
            ("answers", f"given in column {QUOTED.format(d.given)}" if d.given else ""), ("asked for P(True)", d.asked),
            ("exact answer", d.rule if d.written else ""), ("graded", d.compared if d.written else ""),
            ("occurs more than once", text.counted(d.repeated, "exact answer") if d.repeated else ""),
            ("depends on the label", "where the exact answer of a right answer is looked for" * d.label_dependent),
            )  # fmt: skip
    return tuple((name, value) for name, value in said if value)


def lit(facts: Iterable[Fact], results: Results) -> dict[str, dict[str, object]]:
    """For the page: which cells each fact speaks of, as runs [first, how many, first, ...] of layer by position.

    Cell (i, j) of a grid of P positions has the number i * P + j. Of two grids of one name, figures show the first, so
    the facts of the second have no cells to show.
    """
    drawn: dict[str, tuple[str, Grid]] = {}
    for prefix, one in zip(prefixes(results), results.grids, strict=True):
        drawn.setdefault(one.grid.name, (prefix, one.grid))
    shared = {name for name, times in Counter(one.grid.name for one in results.grids).items() if times > 1}
    found = _carried(facts, results)
    for fact in facts:
        prefix, grid = drawn.get(fact.grid, ("", None))
        if grid is None or not fact.cells or (fact.grid in shared and not fact.id.startswith(f"{prefix}.")):
            continue
        rows = {layer: i * len(grid.positions) for i, layer in enumerate(grid.layers)}
        columns = {position: j for j, position in enumerate(grid.positions)}
        cells = sorted({rows[i] + columns[p] for i, p in fact.cells if i in rows and p in columns})
        runs = [end for first, last in text.runs(cells) for end in (first, last - first + 1)]
        found[fact.id] = {"grid": grid.name, "cells": runs}
    return found


def _carried(facts: Iterable[Fact], results: Results) -> dict[str, dict[str, object]]:
    """The same of facts on transfers: cell (s, t) of T targets has the number s * T + t."""
    names = {one.name: {name: t for t, name in enumerate(one.names)} for one in results.matrices}
    found: dict[str, dict[str, object]] = {}
    for fact in facts:
        columns = names.get(fact.grid)
        if columns is None or not fact.cells or not fact.id.startswith("transfer."):
            continue
        cells = sorted({s * len(columns) + columns[t] for s, t in fact.cells if t in columns})
        runs = [end for first, last in text.runs(cells) for end in (first, last - first + 1)]
        found[fact.id] = {"grid": fact.grid, "cells": runs}
    return found

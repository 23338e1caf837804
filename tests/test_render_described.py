"""Documents of grids that describe, and of what may be absent: models, data, answers, classes, examples."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace

import numpy as np
import pypdf

import described
import edges
import synthetic
import words
from layergrid import facts, prose, render
from layergrid.render import figures, markdown, page, printing


def told(results, asked=()):
    """The content of results with the words that the rules write."""
    found = facts.derive(results)
    return render.prepare(results, found, prose.summarise(results, found), render.Presentation(figures=asked))


def drawn(content):
    """Names of the figures of each block."""
    return [[f.name for f in block.figures] for block in content.blocks]


def test_each_grid_brings_the_figures_that_suit_it():
    assert drawn(told(described.everything())) == [
        ["tokens"], ["norms.heatmap", "norms.profile"], ["gaps.heatmap", "gaps.profile"], ["gaps.classes"],
        ["likeness.heatmap", "likeness.profile"], ["likeness.references"], ["looks.heatmap", "looks.profile"],
        ["looks.heads"], ["text.heatmap"], ["given.heatmap", "given.profile"],
    ]  # fmt: skip


def test_a_grid_without_values_or_of_one_layer_brings_no_empty_profile():
    assert drawn(told(edges.all_missing()))[-1] == ["errors.heatmap"]
    assert drawn(told(edges.one_layer()))[-1] == ["errors.heatmap"]


def test_cells_that_nobody_compared_are_in_no_table_of_ties():
    ties = {one.title for one in told(described.everything()).sheets if one.key.endswith(".tied")}
    measured = {"norms", "gaps", "likeness", "looks"}
    assert ties == {f"Cells that cannot be told from the best of {name}" for name in measured}
    bare = replace(described.activation(), measured=None)  # intervals of cells, none of their differences
    assert np.isfinite(bare.grid.low).any()
    assert not [one for one in told(described.results(bare)).sheets if one.key.endswith(".tied")]


def test_what_stands_beside_a_map_takes_its_axes_unless_the_spec_says_otherwise():
    results = described.results(described.similarity())
    asked = ({"kind": "heatmap", "transpose": True, "tick": 3, "layer_order": "bottom", "token_title": "Token"},
             {"kind": "multiples", "tick": 1})  # fmt: skip
    chosen = figures.chosen(results, asked, 0, "top")
    assert [c.kind for c in chosen] == ["tokens", "heatmap", "profile", "multiples"]
    _, _, profile, small = chosen
    assert (profile.transpose, profile.tick, profile.layer_order) == (True, 3, "bottom")
    assert (small.transpose, small.tick, small.token_title) == (True, 1, "Token")


def test_heads_share_the_colours_of_their_map_and_what_it_is_compared_with_does_not():
    asked = ({"kind": "heatmap", "grid": "looks", "scheme": "ylorbr", "domain": [0.0, 0.5]},
             {"kind": "heatmap", "grid": "likeness", "scheme": "blues", "domain": [0.5, 1.0]})  # fmt: skip
    results = described.results(described.heads(), described.similarity())
    small = {c.grid: c for c in figures.chosen(results, asked, 0, "top") if c.kind == "multiples"}
    assert (small["looks"].scheme, small["looks"].domain) == ("ylorbr", (0.0, 0.5))
    assert (small["likeness"].scheme, small["likeness"].domain) == ("", None)


def test_the_first_page_holds_the_tokens_and_the_first_map_whatever_follows():
    content = told(described.everything())
    assert [f.name for block in content.first for f in block.figures] == ["tokens", "norms.heatmap", "norms.profile"]
    bare = told(described.results(described.table()))
    assert [f.name for block in bare.first for f in block.figures] == ["given.heatmap", "given.profile"]
    assert len(content.first) + len(content.more) == len(content.blocks)


def test_every_figure_of_every_kind_of_grid_has_a_caption_and_an_alternative():
    for block in told(described.everything()).blocks:
        for (_, words_, _), alternative, figure in zip(block.captions, block.alternatives, block.figures, strict=True):
            assert words_ or figure.title[:1].isupper(), figure.name
            assert alternative


def test_a_table_alone_makes_all_documents_without_a_model_data_or_an_example():
    content = told(described.results(described.table()))
    groups = [group for group, _ in content.provenance]
    assert groups == ["Build", "Files"]
    assert "held-out" not in json.dumps(content.provenance)
    assert "balance" not in [sheet.key for sheet in content.sheets]
    assert "Provenance" in page.html(content)
    assert pypdf.PdfReader(io.BytesIO(printing.pdf(content, "A4"))).pages
    assert "Provenance" in markdown.md(content)


def test_texts_as_given_have_no_answers_and_count_by_their_own_classes():
    results = synthetic.results(n=60)
    card = replace(results.data[0], written=False, classes=("false statements", "true statements"), rule="",
                   max_new_tokens=0)  # fmt: skip
    shown = results.illustrations[0]
    one = replace(shown, written=False, label="true statements", prompt_tokens=len(shown.pieces), exact=None)
    labels = {"correct": "true statements", "wrong": "false statements"}
    table = results.tables[0]
    table = replace(table, rows=tuple((p, labels[label], s, k) for p, label, s, k in table.rows))
    content = told(replace(results, data=(card,), illustrations=(one,), tables=(table,)))
    sheets = {sheet.key: sheet for sheet in content.sheets}
    assert sheets["balance"].rows[0][2] == "270 true statements, 168 false statements"
    assert sheets["balance"].note == sheets["positions"].note
    assert sheets["positions"].note == "Pairs of numbers are true statements / false statements."
    names = [name for group, entries in content.provenance if group.startswith("Data") for name, _ in entries]
    assert "text" in names
    assert not {"new tokens", "exact answer", "prompt"} & set(names)
    strip = content.blocks[0].figures[0].svg
    assert re.findall(r'font-weight="600"[^>]*>([A-Z]\w+)<', strip) == ["Text"]


def test_examples_without_classes_are_counted_as_one():
    results = synthetic.results(n=60)
    card = replace(results.data[0], written=False, classes=("", ""), rule="")
    table = replace(results.tables[0], rows=tuple((p, "all", "ok", 438) for p in synthetic.FIFTEEN))
    _, summary = words.described(results)
    content = render.prepare(replace(results, data=(card,), tables=(table,)), (), summary, render.Presentation())
    sheets = {sheet.key: sheet for sheet in content.sheets}
    assert sheets["balance"].rows[0][1:4] == ("438", "no classes", "38")
    assert sheets["positions"].rows[0] == ("last_q", "438")
    assert sheets["positions"].note == ""


def test_graded_answers_and_texts_stand_in_tables_of_their_own():
    results = synthetic.results(n=60)
    texts = replace(results.data[0], name="texts", written=False, classes=("false", "true"))
    _, summary = words.described(results)
    content = render.prepare(replace(results, data=(*results.data, texts)), (), summary, render.Presentation())
    keys = [sheet.key for sheet in content.sheets]
    assert (keys.count("balance"), keys.count("texts")) == (1, 1)


def test_a_model_of_two_stacks_says_the_blocks_of_both():
    results = synthetic.results(n=60)
    card = replace(results.models[0], encoder_layers=6, heads=4)
    _, summary = words.described(results)
    content = render.prepare(replace(results, models=(card,)), (), summary, render.Presentation())
    entries = dict(content.provenance[0][1])
    assert entries["architecture"] == "Llama, 6 blocks of the encoder, 8 of the decoder, 4 heads a block, width 128"


def test_a_text_of_a_hundred_tokens_keeps_its_map_on_the_first_page():
    long = described.one_text(layers=12, pieces=tuple(f"token{k}" for k in range(110)))
    reader = pypdf.PdfReader(io.BytesIO(printing.pdf(told(described.results(long)), "A4")))
    shown = reader.pages[0].extract_text()
    assert "Figure 2." in shown
    assert all(f"token{k}" in shown for k in range(110))
    assert {tuple(round(float(v)) for v in p.mediabox[2:]) for p in reader.pages} == {(595, 842)}

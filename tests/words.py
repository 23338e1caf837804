"""A small summary by hand around synthetic results, for tests of charts and pages; every number comes from a fact."""

from __future__ import annotations

import synthetic
from layergrid import text
from layergrid.artifacts import Cite, Fact, KeyFigure, Results, Section, Sentence, Summary


def sentence(*parts: str | Cite) -> Sentence:
    return Sentence(tuple(parts))


def described(results: Results) -> tuple[tuple[Fact, ...], Summary]:
    one = results.grids[0]
    grid, name = one.grid, one.grid.name
    e, b = one.selection.estimate, one.baselines[-1]
    top = max((grid.value[i, j], i, j) for i in range(len(grid.layers)) for j in range(len(grid.positions)))
    cell = ((grid.layers[top[1]], grid.positions[top[2]]),)
    nested = f"{text.number(e.value)} {text.interval(e.low, e.high)}"
    gap = f"{text.number(b.difference.value)} {text.interval(b.difference.low, b.difference.high)}"
    facts = (
        Fact(f"{name}.nested", "nested", name, (), e.value, e.low, e.high, e.n, forms={"text": nested}),
        Fact(f"{name}.gap", "gap", name, (), b.difference.value, forms={"text": gap}),
        Fact(f"{name}.peak", "peak", name, cell, float(top[0]), forms={"text": text.number(top[0])}),
    )
    c = [Cite(f.id, f.forms["text"]) for f in facts]
    where = f"layer {cell[0][0]} at {cell[0][1]}"
    abstract = (
        sentence("A linear probe on the residual stream tells right from wrong answers with an AUROC of ", c[0],
                 " when layer, position and penalty are chosen inside the training folds."),
        sentence("That is ", c[1], " above the best baseline, the mean log-probability of the exact answer."),
        sentence("The highest single cell, ", c[2], ", stands in ", where, "."),
        sentence("At the last eight tokens it cannot be told from chance."),
    )  # fmt: skip
    keys = (
        KeyFigure(sentence(Cite(facts[0].id, text.number(e.value))), sentence("nested AUROC, ", c[0], f", n = {e.n}")),
        KeyFigure(
            sentence(Cite(facts[1].id, text.signed(b.difference.value))),
            sentence("over mean log-probability of the exact answer"),
        ),
        KeyFigure(
            sentence("layers 10\u201318"), sentence("cells that cannot be told from the best, at exact_answer_last")
        ),
        KeyFigure(sentence("38\u00a0%"), sentence("answers wrong; 38 of 438 rows left out (no number found)")),
    )
    long = (
        sentence(
            "Exact-answer tokens. Errors are most decodable at exact_answer_last: ",
            c[2],
            " in ",
            where,
            ", and the cells around it cannot be told from it.",
        ),
        sentence(
            "One token earlier the highest cell is lower, and before the answer is written "
            "(exact_answer_before_first) the probe already stands above chance."
        ),
        sentence(
            "At the last eight tokens, from -8 to -1, no cell is above chance after correction, whatever the layer."
        ),
    )
    titles = (("overview", "Overview"), ("components", "Components and axes"), ("analysis", "Detailed analysis"),
              ("observations", "Key observations"),
              ("interpretation", "Interpretation"), ("anomaly", "Notable anomaly"), ("conclusion", "Conclusion"),
              ("methods", "Methods"))  # fmt: skip
    sections = tuple(
        Section(key, title, (long, long[:2]) if key in ("analysis", "methods") else (long[:2],),
                results.interpretation if key == "interpretation" else "")
        for key, title in titles
    )  # fmt: skip
    captions = {
        "tokens": (
            sentence("One question as the model saw it."),
            sentence(
                "Coloured tokens are the positions of Figure 2; ␣ is a blank, ↵ a line break, the box the exact answer."
            ),
        ),
        f"{name}.heatmap": (
            sentence("AUROC of the error probe by layer and token position (left)."),
            sentence(
                "Dots: not distinguishable from chance after correction over all cells. "
                "Box: tokens of the exact answer. Diamond: the highest cell, ",
                c[2],
                "; the nested estimate is ",
                c[0],
                ".",
            ),
        ),
        f"{name}.profile": (sentence("Right: by layer for four positions with 95\u00a0% intervals."),),
        f"{name}.heatmap.alternative": (sentence("Heatmap: AUROC is highest in ", where, "."),),
        f"{name}.baselines": (sentence("All on the same rows and folds."),),
    }
    return facts, Summary(
        sentence("tiny (Llama, 8 layers, width 128) \u00b7 arithmetic, 438 questions "
                 "\u00b7 error probe on the residual stream"),
        abstract, keys, sections, captions,
    )  # fmt: skip


def made(**options: object) -> tuple[Results, tuple[Fact, ...], Summary]:
    results = synthetic.results(**options)
    return (results, *described(results))

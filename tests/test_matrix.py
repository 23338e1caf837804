"""One entry of `grids` as many: what they are called, what overrides them, and where each error stands."""

from __future__ import annotations

from pathlib import Path

import pytest

from layergrid import resources
from layergrid.spec import Spec, SpecError, load_spec, parse_spec
from layergrid.yamlsource import Source

HEAD = """\
models: {a: builtin:arithmetic, b: builtin:arithmetic}
datasets:
  x: {source: builtin:arithmetic, prompt: "{{ question }}"}
  y: {source: builtin:arithmetic, prompt: "Q: {{ question }}"}
positions: [last_q, exact_answer_last, -1]
grids:
  errors:
"""
LINE = HEAD.count("\n")


def read(text: str, more: str = "", head: str = HEAD) -> Spec:
    body = "".join(f"    {row}\n" for row in text.split("\n"))
    return parse_spec(Source("t.yaml", head + body + more), Path("t.yaml"))


def told(text: str, more: str = "") -> list[tuple[int, int, str]]:
    """Line (counted from the entry's), column and message of each problem."""
    with pytest.raises(SpecError) as caught:
        read(text, more)
    return [(one.place.line - LINE, one.place.column, one.message) for one in caught.value.problems]


def test_a_matrix_stands_for_a_grid_of_each_combination_the_last_key_going_fastest() -> None:
    spec = read("kind: probe\nmatrix: {model: all, dataset: [y, x], site: [residual, mlp_out]}")
    assert list(spec.grids) == [
        f"errors-{m}-{d}-{s}" for m in ("a", "b") for d in ("y", "x") for s in ("residual", "mlp_out")
    ]
    one = spec.grids["errors-b-y-mlp_out"].model_dump()
    assert (one["model"], one["dataset"], one["site"]) == ("b", "y", "mlp_out")
    assert spec.families["errors"].members["errors-b-y-mlp_out"] == {"model": "b", "dataset": "y", "site": "mlp_out"}


def test_a_matrix_of_one_grid_is_that_grid_written_out() -> None:
    many = read("kind: probe\nfolds: 4\nmatrix: {model: [a], dataset: x}")
    alone = read("kind: probe\nfolds: 4\nmodel: a\ndataset: x", head=HEAD.replace("errors:", "errors-a-x:"))
    assert many.grids == alone.grids


def test_values_that_are_no_words_get_a_name() -> None:
    spec = read("kind: probe\nmodel: a\ndataset: x\nmatrix: {layers: {early: 0..3, some: [1, 5]}, folds: [3, 5], "
                "level: [0.9]}")  # fmt: skip
    assert list(spec.grids) == [f"errors-{w}-{k}-0_9" for w in ("early", "some") for k in (3, 5)]
    found = told("kind: probe\nmodel: a\ndataset: x\nmatrix: {layers: [[1, 5]]}")
    assert (4, 23, "a value of 'layers' is a list or nothing; name it: {NAME: value}") in found


def test_overrides_are_merged_in_the_order_of_the_choices_and_the_combination_last() -> None:
    spec = read(
        "kind: probe\nfolds: 3\npenalties: {from: 1e-5, to: 1, count: 4}\nmatrix: {model: all, dataset: all}\n"
        "override:\n  a-x: {level: 0.8}\n  x: {penalties: {count: 2}, level: 0.9}\n  b: {folds: 7, level: 0.7}\n"
        "  b-y: null"
    )
    assert list(spec.grids) == ["errors-a-x", "errors-a-y", "errors-b-x"]
    both = [spec.grids[name].model_dump() for name in spec.grids]
    assert [one["folds"] for one in both] == [3, 3, 7]
    assert [one["level"] for one in both] == [0.8, 0.95, 0.9]
    assert [one["penalties"]["count"] for one in both] == [2, 4, 2]
    assert both[0]["penalties"]["start"] == 1e-5


def test_differences_are_taken_from_the_choice_that_is_named_or_the_first() -> None:
    spec = read("kind: probe\nmatrix: {model: all, dataset: all}\ndifferences: true")
    assert list(spec.grids)[4:] == ["errors-b-less-a-x", "errors-b-less-a-y"]
    one = spec.grids["errors-b-less-a-y"]
    assert one.reads == ("errors-b-y", "errors-a-y")
    assert spec.families["errors"].differences == ("errors-b-less-a-x", "errors-b-less-a-y")
    spec = read("kind: probe\nmatrix: {model: all, dataset: all}\ndifferences: {against: y, match: ids}")
    assert list(spec.grids)[4:] == ["errors-a-x-less-y", "errors-b-x-less-y"]
    assert spec.grids["errors-a-x-less-y"].model_dump()["match"] == "ids"


def test_figures_and_expectations_of_a_family_are_of_each_grid_but_small_maps_of_all() -> None:
    more = (
        "figures: [{kind: heatmap, grid: errors, tick: 3}, {kind: multiples, grid: errors}, "
        "{kind: profile, grid: errors-a}]\n"
        "expect: [{grid: errors, name: good, nested_best: {at_least: 0.6}}, {grid: errors-b, rows: {at_least: 9}}]\n"
    )
    spec = read("kind: probe\ndataset: x\nmatrix: {model: all}", more)
    assert [(one.kind, one.grid) for one in spec.figures] == [
        ("heatmap", "errors-a"), ("heatmap", "errors-b"), ("multiples", "errors"), ("profile", "errors-a")
    ]  # fmt: skip
    assert [(one.grid, one.name) for one in spec.expect] == [
        ("errors-a", "good (a)"), ("errors-b", "good (b)"), ("errors-b", None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: probe\nmodel: a\ndataset: x\nmatrix: {}",
         (4, 9, "'matrix' lists nothing; expected keys of the grid with lists of values, such as {model: all, site: "
                 "[residual, mlp_out]}")),
        ("kind: probe\nmodel: a\nmatrix: {model: all, dataset: all}",
         (3, 10, "'model' stands beside the matrix too; write it in one of the two")),
        ("kind: probe\nmatrix: {model: all, dataset: []}", (2, 31, "'dataset' lists no value; expected at least one")),
        ("kind: probe\nmatrix: {model: [a, a], dataset: all}",
         (2, 17, "two values of 'model' are called 'a'; name them: {NAME: value}")),
        ("kind: probe\nmatrix: {model: [a, c], dataset: [x]}",
         (2, 21, "no model 'c'; known: a, b")),
        ("kind: probe\nmatrix: {model: all, dataset: all, seite: [residual]}", (2, 36, "unknown key 'seite'")),
        ("kind: probe\nmatrix: {model: all, dataset: all, site: [residual, mpl_out]}", (2, 53, "mean 'mlp_out'")),
        ("kind: probe\nmatrix: {model: all, dataset: all}\noverride: {z: {folds: 3}}",
         (3, 12, "no choice of the matrix is 'z'; expected a, b, x or y")),
        ("kind: probe\nmatrix: {model: all, dataset: all}\noverride: {x: {folds: many}}", (3, 23, "'folds' is")),
        ("kind: probe\nfold: 3\nmatrix: {model: all, dataset: all}", (2, 1, "unknown key 'fold'")),
        ("kind: probe\nmatrix: {model: all, dataset: all}\noverride: {x: null, y: null}",
         (0, 3, "grid 'errors': every combination of its matrix is removed")),
        ("kind: probe\nmatrix: {model: all, dataset: all}\ndifferences: {against: c}",
         (3, 24, "no choice of the matrix is 'c'; expected a, b, x or y")),
        ("kind: probe\nmatrix: {model: [a], dataset: [x]}\ndifferences: true",
         (3, 14, "the matrix has no axis with two choices, so that nothing can be compared")),
        ("kind: probe\nmodel: a\ndataset: x\noverride: {x: {folds: 3}}",
         (4, 1, "'override' is for grids with a 'matrix', and this one has none")),
        ("kind: probe\nmodel: a\ndataset: x\nmatrix: {folds: [" + ", ".join(map(str, range(2, 70))) + "]}",
         (4, 9, "the matrix stands for 68 grids; expected at most 64")),
        ("kind: probe\nmodel: a\ndataset: x\nmatrix: {site: {" + "s" * 60 + ": residual}}",
         (0, 3, "is no name of a grid; expected at most 64 letters")),
    ],
)  # fmt: skip
def test_an_error_of_a_matrix_is_told_once_at_its_place(text: str, expected: tuple[int, int, str]) -> None:
    line, column, said = expected
    indented = column + (4 if line else 0)
    found = told(text)
    assert [(one[0], one[1]) for one in found] == [(line, indented)], found
    assert said in found[0][2]


def test_families_cannot_be_written_and_their_names_belong_to_one_grid_each() -> None:
    assert told("kind: probe\nmatrix: {model: all, dataset: all}", "families: {errors: {}}\n")[0][2].startswith(
        "unknown key 'families'"
    )
    found = told(
        "kind: probe\nmatrix: {model: all, dataset: [x]}", "  errors-a-x: {kind: activation, model: a, dataset: y}\n"
    )
    assert found[0][2] == "two grids are named 'errors-a-x', one of them by a matrix; rename an entry or a choice"
    found = told(
        "kind: probe\nmatrix: {model: [a], dataset: [x]}",
        "  errors-a-x: {kind: activation, model: a, matrix: {dataset: [y]}}\n",
    )
    assert "two grids are named 'errors-a-x'" in found[0][2]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("  d: {kind: difference, of: one, minus: tow}\n", "no grid 'tow'; known: one, two; did you mean 'two'?"),
        ("  d: {kind: difference, of: one, minus: one}\n", "'of' and 'minus' are the same grid"),
        ("  d: {kind: difference, of: one}\n", "key 'minus' is missing"),
        ("  d: {kind: difference, of: e, minus: one}\n  e: {kind: difference, of: d, minus: one}\n",
         "reads what is made from itself"),
    ],
)  # fmt: skip
def test_a_difference_of_grids_that_are_not_there_is_refused(more: str, said: str) -> None:
    grids = "grids:\n  one: {kind: probe, model: a, dataset: x}\n  two: {kind: probe, model: b, dataset: x}\n"
    text = HEAD.partition("grids:")[0] + grids + more
    with pytest.raises(SpecError) as caught:
        parse_spec(Source("t.yaml", text), Path("t.yaml"))
    assert any(said in one.message for one in caught.value.problems)


def test_the_spec_of_several_that_ships_has_small_maps_of_all_and_an_expectation_of_each() -> None:
    spec = load_spec(Path(str(resources.folder("specs"))) / "several.yaml", ["variables.rows=50"])
    assert list(spec.grids) == [
        "errors-asked-residual", "errors-asked-mlp_out", "errors-bare-residual", "errors-bare-mlp_out",
        "errors-bare-less-asked-residual", "errors-bare-less-asked-mlp_out", "sites",
    ]  # fmt: skip
    assert {data.sample for data in spec.datasets.values()} == {50}
    assert len(spec.expect) == 4

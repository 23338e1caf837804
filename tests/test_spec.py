"""The spec: short forms, defaults, overrides and the digest."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from layergrid.spec import load_spec, parse_spec
from layergrid.yamlsource import Source
from spec_texts import BASE, FIFTEEN, MINIMAL, PROBE_KEYS, SHIPPED, changed, error, errors, names, read


def test_a_minimal_spec_has_a_stated_default_for_everything_else() -> None:
    spec = read(MINIMAL, name="what-it_knows.yaml")
    assert (spec.title, spec.name, spec.project.folder) == ("What it knows", "what-it_knows", Path())
    assert (spec.seed, spec.authors, spec.outputs, spec.theme, spec.paper) == (
        0,
        (),
        ("html", "pdf", "md"),
        "paper",
        "A4",
    )
    assert (spec.layers_from, spec.layer_order, spec.figures, spec.expect) == (0, "top", (), ())
    assert names(spec) == FIFTEEN
    model, data, grid = spec.models["tiny"], spec.datasets["sums"], spec.grids["errors"]
    assert (model.address, model.revision, model.dtype, model.device) == ("builtin:arithmetic", None, "float32", "auto")
    assert (data.source, data.sample, data.id, data.group) == ("builtin:arithmetic", None, None, None)
    assert (data.generate.max_new_tokens, data.generate.batch) == (64, 64)
    assert data.loader.model_dump() == {"kind": "builtin", "address": "arithmetic"}
    assert (data.grade.kind, data.grade.gold, data.grade.span, data.grade.take) == ("numeric", "answer", "rule", "last")
    assert (grid.kind, grid.model, grid.dataset, grid.positions) == ("probe", "tiny", "sums", ())


def test_the_shipped_spec_is_the_demo_with_the_fifteen_positions() -> None:
    spec = load_spec(SHIPPED)
    assert (spec.name, spec.project.folder) == ("arithmetic", SHIPPED.parent)
    assert spec.title == "Where does a small model know that its answer is wrong?"
    assert names(spec) == FIFTEEN
    assert spec.grids["errors"].model_dump()["penalties"] == {"start": 1e-5, "to": 1.0, "count": 8}
    assert spec.grids["errors"].model_dump()["baselines"][-2:] == (
        {"operand sizes": ("left_digits", "right_digits")},
        {"operand sizes and operation": ("left_digits", "right_digits", "operation")},
    )
    assert spec.figures[0].model_dump()["box"] == ("exact_answer_*",)
    assert spec.expect[0].bound.by == "low"


def test_everything_about_a_spec_is_frozen() -> None:
    spec = read(MINIMAL)
    with pytest.raises(ValueError, match="frozen"):
        spec.seed = 1  # type: ignore[misc]  # what is tested


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[-8..-6]", ("-8", "-7", "-6")),
        ("[-1..-3]", ("-1", "-2", "-3")),
        ("-2..-1", ("-2", "-1")),
        ("[-1, '-2']", ("-1", "-2")),
        ("last_q", ("last_q",)),
        ('["exact_answer_*"]', FIFTEEN[3:7]),
        ('[exact_answer_last, "exact_answer_*", last_q]', ("exact_answer_last", *FIFTEEN[3:5], FIFTEEN[6], "last_q")),
        ("['*_answer', {name: op, kind: span, regex: 'plus|minus'}]", ("first_answer", "second_answer", "op")),
        ("[{kind: from_end, name: -3}]", ("-3",)),
    ],
)
def test_positions_are_names_ranges_globs_or_mappings(written: str, expected: tuple[str, ...]) -> None:
    assert names(read(MINIMAL + f"positions: {written}\n")) == expected


def test_a_grid_may_name_some_positions_by_glob_and_range() -> None:
    text = MINIMAL.replace("probe", "{kind: probe, positions: ['exact_*', -2..-1, last_q, -1]}")
    assert read(text).grids["errors"].positions == (*FIFTEEN[3:7], "-2", "-1", "last_q")
    assert read(MINIMAL.replace("probe", "{kind: probe, positions: -1}")).grids["errors"].positions == ("-1",)


@pytest.mark.parametrize(
    ("written", "kind", "address"),
    [
        ("builtin:arithmetic", "builtin", "arithmetic"),
        ("data/x.csv", "csv", "data/x.csv"),
        ("X.CSV", "csv", "X.CSV"),
        ("C:\\data.csv", "csv", "C:\\data.csv"),
        ("x.jsonl", "jsonl", "x.jsonl"),
        ("x.parquet", "parquet", "x.parquet"),
        ("{kind: csv, address: x.txt}", "csv", "x.txt"),
        ("{address: x.jsonl}", "jsonl", "x.jsonl"),
    ],
)
def test_the_loader_of_a_source_is_told_by_its_scheme_or_suffix(written: str, kind: str, address: str) -> None:
    data = read(MINIMAL.replace("source: builtin:arithmetic", f"source: {written}")).datasets["sums"]
    assert data.loader.model_dump() == {"kind": kind, "address": address}


def test_other_short_forms_mean_their_full_forms() -> None:
    full = read(MINIMAL + "authors: [A. Author]\noutputs: [md]\nfigures: [{kind: heatmap, box: ['-1']}]\n")
    assert read(MINIMAL + "authors: A. Author\noutputs: md\nfigures: [{kind: heatmap, box: '-1'}]\n") == full
    for form in ("{id: builtin:arithmetic}", "{address: builtin:arithmetic, device: auto}"):
        assert read(MINIMAL.replace("tiny: builtin:arithmetic", f"tiny: {form}")) == read(MINIMAL)
    assert read(MINIMAL.replace("grids", "    grade: numeric\ngrids")) == read(MINIMAL)
    assert read(MINIMAL + "figures: [heatmap]\n").figures[0].kind == "heatmap"


def test_expectations_bound_the_nested_best_or_one_cell() -> None:
    spec = read(
        MINIMAL
        + "expect:\n- nested_best: {at_least: 0.7, by: low}\n"
        + "- {grid: errors, cell: {layer: 3, position: -1, at_most: 1}}\n"
    )
    best, cell = spec.expect
    assert (best.grid, best.bound.limit, best.bound.by, best.bound.met(0.7), best.bound.met(0.69)) == (
        "errors",
        0.7,
        "low",
        True,
        False,
    )
    assert cell.cell is not None
    assert (cell.cell.layer, cell.cell.position, cell.bound.limit, cell.bound.by) == (3, "-1", 1.0, "estimate")
    assert not best.bound.met(float("nan"))
    assert not cell.bound.met(float("nan"))


def test_reading_a_spec_imports_nothing_heavy() -> None:
    code = (
        "import sys; from pathlib import Path; from layergrid.spec import load_spec; "
        f"load_spec(Path({str(SHIPPED)!r})); "
        "print([m for m in ('torch', 'transformers', 'sklearn', 'scipy.stats', 'pandas', 'pyarrow', 'altair', "
        "'weasyprint', 'vl_convert', 'tokenizers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- overrides


def test_overrides_set_values_of_every_depth_and_are_read_as_yaml() -> None:
    spec = read(
        BASE,
        (
            "grids.errors.folds=3", "grids.errors.penalties.from=1e-3", "title=no", "figures.0.tick=4",
            "figures[0].scheme=rdbu",
            "models.tiny.device=cpu", "datasets.sums.grade.gold=target", "positions=[last_q, -1]", "authors=A. Author",
            "expect.0.nested_best={at_most: 1}", "interpretation=",
        ),
    )  # fmt: skip
    assert spec.grids["errors"].model_dump()["folds"] == 3
    assert spec.grids["errors"].model_dump()["penalties"] == {"start": 1e-3, "to": 1.0, "count": 8}
    assert (spec.title, spec.authors, spec.interpretation, names(spec)) == ("no", ("A. Author",), "", ("last_q", "-1"))
    assert (spec.figures[0].model_dump()["tick"], spec.figures[0].model_dump()["scheme"]) == (4, "rdbu")
    assert (spec.models["tiny"].address, spec.models["tiny"].device) == ("builtin:arithmetic", "cpu")
    assert (spec.datasets["sums"].grade.gold, spec.expect[0].bound.at_most) == ("target", 1.0)


def test_overrides_make_keys_that_the_file_leaves_out_and_the_last_one_wins() -> None:
    spec = read(
        MINIMAL, ("grids.errors.penalties.count=4", "datasets.sums.generate.batch=2", "datasets.sums.generate.batch=3")
    )
    assert spec.grids["errors"].model_dump()["penalties"]["count"] == 4
    assert spec.datasets["sums"].generate.batch == 3
    assert set(read(MINIMAL, ("grids.more={kind: probe, folds: 4}",)).grids) == {"errors", "more"}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("grids.errors.fold=3",
         f"--set grids.errors.fold: unknown key 'fold'; expected {PROBE_KEYS}; did you mean 'folds'?\n"
         "    --set grids.errors.fold=3\n                       ^"),
        ("grids.errors.folds=many",
         "--set grids.errors.folds: 'folds' is the text 'many'; expected a whole number\n"
         "    --set grids.errors.folds=many\n                             ^"),
        ("grid.errors.folds=3", None),
        ("grids.error.folds=3",
         "--set grids.error.folds: no grid 'error'; known: errors; did you mean 'errors'?\n"
         "    --set grids.error.folds=3\n                ^"),
        ("figures.1.tick=3",
         "--set figures.1.tick: 'figures' is a list of 1 entry, counted from 0\n"
         "    --set figures.1.tick=3\n                  ^"),
        ("seed.x=3",
         "--set seed.x: 'seed' has no keys; expected --set seed=VALUE\n    --set seed.x=3\n               ^"),
        ("seed", "--set seed: expected KEY=VALUE, such as grids.errors.folds=3\n    --set seed\n    ^"),
        ("=3", "--set : expected KEY=VALUE, such as grids.errors.folds=3\n    --set =3\n    ^"),
        ("a..b=3",
         "--set a..b: expected keys joined by dots before '=', such as grids.errors.folds=3\n    --set a..b=3\n    ^"),
        ("title=[a", None),
        ("title=a: b", "--set title: 'title' is a mapping; expected text\n    --set title=a: b\n                ^"),
        ("seed=", "--set seed: 'seed' is the text ''; expected a whole number\n    --set seed=\n               ^"),
        ("models.tiny.address=", None),
    ],
)  # fmt: skip
def test_an_override_that_cannot_be_is_reported_at_the_override(override: str, expected: str | None) -> None:
    found = error(BASE, (override,))
    assert found.startswith(f"--set {override.partition('=')[0]}: ")
    assert f"\n    --set {override}\n" in found
    assert expected is None or found == expected


def test_errors_of_overrides_and_of_the_file_come_together() -> None:
    found = errors(changed("folds: 5", "folds: x"), ("seed=y",))
    assert [problem.split(": ")[0] for problem in found] == ["t.yaml:16:12", "--set seed"]


# ---------------------------------------------------------------- digest


def test_the_digest_does_not_see_comments_key_order_short_forms_or_stated_defaults() -> None:
    digest = read(BASE).digest
    assert re.fullmatch("sha256:[0-9a-f]{64}", digest)
    same = [
        "# a comment\n\n" + BASE,
        changed("    kind: probe\n    folds: 5\n", "    folds: 5   # five\n    predict: error\n    kind: probe\n"),
        changed("tiny: builtin:arithmetic", "tiny: {device: auto, id: 'builtin:arithmetic'}"),
        changed("[last_q, exact_answer_last, -2, -1]", "[last_q, exact_answer_last, -2..-1]"),
        changed("    folds: 5\n", "    folds: 5\n    model: tiny\n    dataset: sums\n    level: 0.95\n"),
        "outputs: [html, pdf]\n" + changed("outputs: [html, pdf]\n", ""),
        changed("{from: 1e-5, to: 1, count: 8}", "{from: 0.00001, to: 1.0, count: 8}"),
    ]
    assert {read(text).digest for text in same} == {digest}
    assert parse_spec(Source("x", BASE + "title: T"), Path("/a/x.yaml")).digest == read(BASE + "title: T").digest


def test_the_digest_sees_every_value() -> None:
    different = [
        BASE, changed("folds: 5", "folds: 4"), changed("-2, -1", "-1, -2"), changed("seed: 0", "seed: 1"),
        changed("sample: 100", "sample: 101"), changed("answer}", "target}"), changed("tick: 2", "tick: 3"),
        changed("0.6", "0.7"), changed("data.csv", "data2.csv"),
        MINIMAL, MINIMAL.replace("errors", "mistakes"), MINIMAL + "paper: Letter",
    ]  # fmt: skip
    assert len({read(text).digest for text in different}) == len(different)

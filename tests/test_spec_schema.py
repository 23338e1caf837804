"""The JSON Schema of specs and the spec to start from."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest

from layergrid import resources
from layergrid.spec import SpecError, schema, starter
from layergrid.yamlsource import Source, load
from spec_texts import BASE, FIFTEEN, MINIMAL, changed, names, read


def check(text: str) -> list[str]:
    document, _ = load(Source("t.yaml", text))
    return [e.json_path for e in jsonschema.Draft202012Validator(schema()).iter_errors(document.plain())]


def test_the_shipped_schema_is_the_one_that_the_code_prints() -> None:
    printed = json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
    assert resources.file("specs/layergrid.schema.json").read_text(encoding="utf-8") == printed, (
        "run: layergrid schema > specs/layergrid.schema.json"
    )


def test_the_schema_is_one_and_describes_every_field_of_the_spec() -> None:
    made = schema()
    jsonschema.Draft202012Validator.check_schema(made)
    parts = [
        made,
        *(
            made["$defs"][name]
            for name in ("ModelSpec", "DatasetSpec", "GenerateSpec", "Expectation", "Bound", "CellBound")
        ),
    ]
    for part in parts:
        assert [name for name, field in part["properties"].items() if not field.get("description")] == []


def test_the_schema_admits_every_shipped_spec_and_every_short_form() -> None:
    for path in resources.folder("specs").glob("*.yaml"):
        assert path.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=layergrid.schema.json\n")
        assert check(path.read_text(encoding="utf-8")) == []
    for text in (
        MINIMAL, BASE,
        MINIMAL + "authors: A\noutputs: md\npositions: -8..-1\nfigures: [heatmap, {kind: heatmap, box: '*'}]\n",
        MINIMAL + "positions: [last_q, -1, -8..-1, '*_q', {kind: span, name: x, regex: y}]\n",
        MINIMAL + "positions: [{kind: from_end, name: -3}]\n",
        MINIMAL.replace("probe", "{kind: probe, positions: -1, penalties: [0.1, 1]}"),
        MINIMAL.replace("grids", "    grade: exact\ngrids"),
        MINIMAL.replace("source: builtin:arithmetic", "source: {kind: csv, address: x}"),
        MINIMAL.replace("{tiny: builtin:arithmetic}", "{a: {id: hf:a/b, revision: main}, b: {address: x}}"),
        MINIMAL + "expect: [{cell: {layer: 1, position: -1, at_least: 0.5}}]\n",
    ):  # fmt: skip
        assert check(text) == []


def test_the_schema_refuses_what_an_editor_should_mark() -> None:
    for text, where in (
        (changed("seed: 0", "sed: 0"), "$"), (changed("sample: 100", "sample: many"), "$.datasets.sums.sample"),
        (changed("kind: probe", "kind: prob"), "$.grids.errors"), (changed("folds: 5", "fold: 5"), "$.grids.errors"),
        (changed("last_q, exact", "last_p, exact"), "$.positions"), (changed("count: 8", "cuont: 8"), "$.grids.errors"),
        (changed("  tiny:", "  my tiny:"), "$.models"),
        (changed("kind: heatmap", "kind: heat"), "$.figures[0]"), (changed("[html, pdf]", "[html, PDF]"), "$.outputs"),
        (changed("layergrid: 1", "layergrid: 2"), "$.layergrid"),
        (changed("data.csv", "{address: 1}"), "$.datasets.sums.source"),
    ):  # fmt: skip
        assert check(text) == [where]


@pytest.mark.parametrize(
    ("name", "model", "source"),
    [
        ("mine", "builtin:arithmetic", "builtin:arithmetic"),
        ("my-own_spec", "hf:owner/name", 'data/q\'s "x".csv'),
        ("x", "C:\\models\\m", "{{ 7*7 }}.jsonl"),
        ("y", "a\nb: c", "\N{GRINNING FACE}.parquet"),
    ],
)
def test_the_starter_validates_and_holds_what_it_was_given(name: str, model: str, source: str) -> None:
    text = starter(name, model=model, source=source)
    spec = read(text, name=f"{name}.yaml")
    assert spec.models["model"].address == model
    assert spec.datasets["questions"].source == source
    assert names(spec) == FIFTEEN
    assert check(text) == []
    assert text.startswith("# yaml-language-server: $schema=")


def test_the_starter_comments_can_be_uncommented() -> None:
    text = starter("mine")
    for block in ("figures:", "expect:"):
        text = re.sub(rf"# {block}\n#   - ", f"{block}\n  - ", text)
    spec = read(text.replace("# authors", "authors").replace("# interpretation", "interpretation"), name="mine.yaml")
    assert (len(spec.figures), len(spec.expect), len(spec.authors)) == (1, 1, 2)
    assert "own words" in spec.interpretation


def test_the_starter_refuses_a_source_that_nothing_reads() -> None:
    with pytest.raises(SpecError, match=r"mine\.yaml:\d+:\d+: no loader reads the suffix of 'x\.txt'"):
        starter("mine", source="x.txt")

"""What is wrong with a spec: every class of error in its words, all at once, and random damage."""

from __future__ import annotations

import copy
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.kinds import BadInput
from layergrid.spec import DatasetSpec, SpecError, load_spec, parse_spec
from layergrid.text import listed
from layergrid.yamlsource import Source, load
from spec_texts import (
    BASE,
    CHARTS,
    FIFTEEN,
    GRADERS,
    GRIDS,
    MINIMAL,
    PROBE_KEYS,
    SHIPPED,
    SOURCES,
    THEMES,
    changed,
    error,
    errors,
    read,
)

ONE_ERROR = [
    # unknown keys
    ("    folds: 5", "    fold: 5",
     f"t.yaml:16:5: unknown key 'fold'; expected {PROBE_KEYS}; did you mean 'folds'?\n        fold: 5\n        ^"),
    ("seed: 0", "sed: 0",
     "t.yaml:2:1: unknown key 'sed'; expected layergrid, include, variables, title, authors, interpretation, seed, "
     "models, datasets, positions, grids, transfer, figures, expect, outputs, theme, paper, pdf, length, templates, "
     "layers_from or layer_order; did you mean 'seed'?\n    sed: "
     "0\n    ^"),
    ("count: 8", "cuont: 8",
     "t.yaml:17:36: unknown key 'cuont'; expected from, to or count; did you mean 'count'?\n"
     "        penalties: {from: 1e-5, to: 1, cuont: 8}\n" + " " * 39 + "^"),
    ("    sample: 100", "    loader: csv",
     "t.yaml:8:5: unknown key 'loader'; write the loader as a mapping under 'source': {kind: ..., address: ...}\n"
     "        loader: csv\n        ^"),
    # kinds
    ("    kind: probe", "    kind: prob",
     f"t.yaml:15:11: no grid kind 'prob'; known: {', '.join(GRIDS)}; did you mean 'probe'?\n        kind: "
     f"prob\n" + " " * 14 + "^"),
    ("    kind: probe\n", "",
     f"t.yaml:14:3: key 'kind' is missing; expected a grid kind: {listed(GRIDS, 'or')}\n      errors:\n      ^"),
    ("kind: numeric", "kind: [numeric]",
     f"t.yaml:11:19: 'kind' is a list; expected a grader: {GRADERS}\n"
     "        grade: {kind: [numeric], gold: answer}\n" + " " * 22 + "^"),
    ("kind: heatmap", "kind: heat",
     f"t.yaml:19:12: no chart kind 'heat'; known: {CHARTS}; did you mean 'heatmap'?\n"
     "      - {kind: heat, grid: errors, tick: 2}\n" + " " * 15 + "^"),
    # types
    ("sample: 100", "sample: many",
     "t.yaml:8:13: 'sample' is the text 'many'; expected a whole number\n        sample: many\n" + " " * 16 + "^"),
    ("sample: 100", "sample: 0123",
     "t.yaml:8:13: 'sample' is the text '0123'; expected a whole number\n        sample: 0123\n" + " " * 16 + "^"),
    ("sample: 100", "sample: 1e3",
     "t.yaml:8:13: 'sample' is 1e3; expected a whole number\n        sample: 1e3\n" + " " * 16 + "^"),
    ("sample: 100", "sample: true",
     "t.yaml:8:13: 'sample' is true; expected a whole number\n        sample: true\n" + " " * 16 + "^"),
    ("sample: 100", "sample: 0",
     "t.yaml:8:13: 'sample': expected it to be greater than or equal to 1\n        sample: 0\n" + " " * 16 + "^"),
    ("seed: 0", "title: 12",
     "t.yaml:2:8: 'title' is 12; expected text; quote it to make it text\n    title: 12\n           ^"),
    ("seed: 0", "title: ''",
     "t.yaml:2:8: 'title': it is empty; expected at least one character\n    title: ''\n           ^"),
    ("seed: 0", "interpretation:",
     "t.yaml:2:1: 'interpretation' is empty (null); expected text\n    interpretation:\n    ^"),
    ("count: 8}", "count: '8'}",
     "t.yaml:17:43: 'count' is the text '8'; expected a whole number\n"
     "        penalties: {from: 1e-5, to: 1, count: '8'}\n" + " " * 46 + "^"),
    ("{from: 1e-5, to: 1, count: 8}", "no",
     "t.yaml:17:16: 'penalties' is the text 'no'; expected a mapping of keys to values or a list\n"
     "        penalties: no\n" + " " * 19 + "^"),
    ("{from: 1e-5, to: 1, count: 8}", "[1, x]",
     "t.yaml:17:20: an item of 'penalties' is the text 'x'; expected a number\n        penalties: [1, x]\n" + " "
     "" * 23 + "^"),
    ("[html, pdf]", "[html, PDF]",
     "t.yaml:22:17: an item of 'outputs' is the text 'PDF'; expected 'html', 'pdf' or 'md'; did you mean 'pdf'?\n"
     "    outputs: [html, PDF]\n" + " " * 20 + "^"),
    ("[html, pdf]", "[html, html]",
     "t.yaml:22:10: 'outputs': an output stands twice\n    outputs: [html, html]\n" + " " * 13 + "^"),
    ("layergrid: 1", "layergrid: 2", "t.yaml:1:12: 'layergrid' is 2; expected 1\n    layergrid: 2\n" + " " * 15 + "^"),
    ("  - {kind: heatmap, grid: errors, tick: 2}", "  - {kind: heatmap, grid: errors, domain: [1.0]}",
     "t.yaml:19:35: 'domain' has too few entries; expected at least 2\n"
     "      - {kind: heatmap, grid: errors, domain: [1.0]}\n" + " " * 38 + "^"),
    # missing keys point to the line of their parent
    ('    prompt: "Q: {{ question }}"\n', "",
     "t.yaml:6:3: key 'prompt' is missing in 'sums': Jinja template of the prompt; the columns are its "
     "variables, such as "
     "{{ question }}.\n      sums:\n      ^"),
    ("    source: data.csv\n", "",
     f"t.yaml:6:3: key 'source' is missing in 'sums': {DatasetSpec.model_fields['source'].description}\n      "
     f"sums:\n      ^"),
    ("outputs: [html, pdf]\n", "outputs: [html]\ntheme: papr\n",
     f"t.yaml:23:8: no theme 'papr'; known: {THEMES}; did you mean 'paper'?\n    theme: papr\n           ^"),
    ("outputs: [html, pdf]\n", "outputs: [html]\ntheme: looks/mine.yml\n",
     "t.yaml:23:8: no theme file 'looks/mine.yml'; its path starts at the spec's folder\n"
     "    theme: looks/mine.yml\n           ^"),
    # addresses
    ("data.csv", "data.cvs",
     f"t.yaml:7:13: no loader reads the suffix of 'data.cvs'; expected {SOURCES}; "
     "did you mean '.csv'?\n        source: data.cvs\n" + " " * 16 + "^"),
    ("data.csv", "bultin:arithmetic",
     f"t.yaml:7:13: no loader reads scheme 'bultin:'; expected {SOURCES}; "
     "did you mean 'builtin'?\n        source: bultin:arithmetic\n" + " " * 16 + "^"),
    ("builtin:arithmetic", "builtin:algebra",
     "t.yaml:4:9: no model 'builtin:algebra' ships; known: builtin:arithmetic\n"
     "      tiny: builtin:algebra\n" + " " * 12 + "^"),
    ("builtin:arithmetic", "http://x/y",
     "t.yaml:4:9: unknown scheme 'http'; expected builtin:NAME, hf:owner/name, activations:PATH or a folder\n"
     "      tiny: http://x/y\n" + " " * 12 + "^"),
    ("builtin:arithmetic", "{address: ./m, revision: main}",
     "t.yaml:4:9: 'tiny': 'revision' is for models of the hub (hf:owner/name), not for './m'\n"
     "      tiny: {address: ./m, revision: main}\n" + " " * 12 + "^"),
    ("  tiny:", "  my tiny:",
     "t.yaml:4:3: 'my tiny' is no name; expected letters a-z, digits, '_' and '-', a letter first\n"
     "      my tiny: builtin:arithmetic\n      ^"),
    # positions
    ("last_q, exact", "last_p, exact",
     "t.yaml:12:13: no position 'last_p'; known: " + ", ".join(FIFTEEN) + "; did you mean 'last_q'?\n"
     "    positions: [last_p, exact_answer_last, -2, -1]\n" + " " * 16 + "^"),
    ("-2, -1]", "-2, -2]",
     "t.yaml:12:44: position '-2' stands twice, first on line 12; remove one of the two\n"
     "    positions: [last_q, exact_answer_last, -2, -2]\n" + " " * 47 + "^\n"
     "  t.yaml:12:40:\n    positions: [last_q, exact_answer_last, -2, -2]\n" + " " * 43 + "^"),
    ("-2, -1]", "'exact_anwser_*']",
     "t.yaml:12:40: glob 'exact_anwser_*' matches no position; known: " + ", ".join(FIFTEEN) + "\n"
     "    positions: [last_q, exact_answer_last, 'exact_anwser_*']\n" + " " * 43 + "^"),
    ("-2, -1]", "-1..1]",
     "t.yaml:12:40: range -1..1 is not one of positions; expected two negative numbers such as -8..-1\n"
     "    positions: [last_q, exact_answer_last, -1..1]\n" + " " * 43 + "^"),
    ("[last_q, exact_answer_last, -2, -1]", "[]",
     "t.yaml:12:12: 'positions' is empty; expected at least one entry, or leave it out\n"
     "    positions: []\n" + " " * 15 + "^"),
    ("    folds: 5", "    positions: [last_q, first_answer]",
     "t.yaml:16:25: no position 'first_answer'; known: last_q, exact_answer_last, -2, -1\n"
     "        positions: [last_q, first_answer]\n" + " " * 28 + "^"),
    ("    folds: 5", "    positions: ['first_*']",
     "t.yaml:16:17: glob 'first_*' matches no position; known: last_q, exact_answer_last, -2, -1\n"
     "        positions: ['first_*']\n" + " " * 20 + "^"),
    # references
    ("    folds: 5", "    model: tinny",
     "t.yaml:16:12: no model 'tinny'; known: tiny; did you mean 'tiny'?\n        model: tinny\n" + " " * 15 + "^"),
    ("    folds: 5", "    dataset: sms",
     "t.yaml:16:14: no data set 'sms'; known: sums; did you mean 'sums'?\n        dataset: sms\n" + " " * 17 + "^"),
    ("grid: errors, tick", "grid: error, tick",
     "t.yaml:19:27: no grid 'error'; known: errors; did you mean 'errors'?\n"
     "      - {kind: heatmap, grid: error, tick: 2}\n" + " " * 30 + "^"),
    ("grid: errors, nested", "grid: x, nested",
     "t.yaml:21:12: no grid 'x'; known: errors\n      - {grid: x, nested_best: {at_least: 0.6}}\n" + " " * 15 + "^"),
    ("nested_best: {at_least: 0.6}", "cell: {layer: 2, position: -3, at_least: 0.6}",
     "t.yaml:21:47: no position '-3'; known: last_q, exact_answer_last, -2, -1\n"
     "      - {grid: errors, cell: {layer: 2, position: -3, at_least: 0.6}}\n" + " " * 50 + "^"),
    ("{at_least: 0.6}", "{at_least: 0.6, at_most: 0.5}",
     "t.yaml:21:33: no number is at least 0.6 and at most 0.5\n"
     "      - {grid: errors, nested_best: {at_least: 0.6, at_most: 0.5}}\n" + " " * 36 + "^"),
    (", nested_best: {at_least: 0.6}", "",
     "t.yaml:21:5: an item of 'expect': exactly one of 'nested_best', 'cell', 'difference', 'beats', 'rows', "
     "'missing', 'truncated' and 'accuracy' is expected here\n"
     "      - {grid: errors}\n        ^"),
    ("grid: errors, tick: 2", "grid: errors, tick: 2}\n  - {kind: tokens, dataset: sms",
     "t.yaml:20:29: no data set 'sms'; known: sums; did you mean 'sums'?\n"
     "      - {kind: tokens, dataset: sms}\n" + " " * 32 + "^"),
    # prompts
    ("{{ question }}", "{{ question }",
     "t.yaml:9:13: the prompt is no Jinja template: unexpected '}'\n"
     '        prompt: "Q: {{ question }"\n' + " " * 16 + "^"),
    ("{{ question }}", "{question}",
     "t.yaml:9:13: the prompt names no column, so that all prompts are equal; write {{ question }} for a column\n"
     '        prompt: "Q: {question}"\n' + " " * 16 + "^"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), ONE_ERROR)
def test_an_error_names_its_place_what_was_expected_and_the_nearest_name(old: str, new: str, expected: str) -> None:
    assert error(changed(old, new)) == expected


def test_several_models_or_data_sets_and_a_grid_that_names_none_is_an_error_at_the_grid() -> None:
    text = MINIMAL.replace("{tiny: builtin:arithmetic}", "{tiny: builtin:arithmetic, other: hf:a/b}")
    assert error(text) == (
        "t.yaml:7:3: grid 'errors' does not say which model it reads; expected model: tiny or other\n"
        "      errors: probe\n      ^"
    )
    assert read(text.replace("probe", "{kind: probe, model: other}")).grids["errors"].model == "other"


def test_a_prompt_that_would_take_for_ever_or_too_deep_is_only_parsed() -> None:
    assert "nested too deep" in error(changed("question", "(" * 30_000))
    assert read(changed("{{ question }}", "{{ 9 ** 9 ** 9 ** 9 }} {{ question }}")).datasets["sums"].prompt
    assert "names no column" in error(changed("{{ question }}", "{{ 9 ** 9 ** 9 ** 9 }}"))


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    text = (
        BASE.replace("seed: 0", "sed: 0").replace("data.csv", "data.cvs").replace("folds: 5", "folds: x")
        .replace("last_q, exact", "last_p, exact").replace("grid: errors, tick", "grid: error, tick")
        .replace("at_least: 0.6", "at_least: high")
    )  # fmt: skip
    found = [re.match(r"t\.yaml:(\d+):(\d+): (.{12})", problem) for problem in errors(text)]
    assert [m and m.groups() for m in found] == [
        ("2", "1", "unknown key "), ("7", "13", "no loader re"), ("12", "13", "no position "),
        ("16", "12", "'folds' is t"), ("19", "27", "no grid 'err"), ("21", "44", "'at_least' i"),
    ]  # fmt: skip


def test_equal_keys_and_tags_are_reported_beside_other_errors() -> None:
    found = errors(changed("seed: 0", "seed: !!int 0\nseed: 1").replace("folds: 5", "folds: x"))
    assert [problem.split(":", 3)[1] for problem in found] == ["2", "3", "17"]
    assert "t.yaml:2:1:\n    seed: !!int 0\n    ^" in found[1]


def test_one_wrong_position_is_one_error_even_where_a_grid_names_the_right_one() -> None:
    text = MINIMAL.replace("probe", "{kind: probe, positions: [exact_answer_first]}")
    assert "no position 'exact_answer_frist'" in error(text + "positions: [last_q, exact_answer_frist]\n")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("- 1\n", "t.yaml:1:1: the spec is a list; expected a mapping"),
        ("x", "t.yaml:1:1: the spec is the text 'x'; expected a mapping"),
        ("", "t.yaml:1:1: the text is empty"),
        ("a: b: c", "t.yaml:1:5: this is not YAML"),
    ],
)
def test_what_is_no_mapping_is_refused(text: str, what: str) -> None:
    assert error(text).startswith(what)


def test_what_is_missing_from_an_almost_empty_spec_points_to_its_beginning() -> None:
    found = errors("layergrid: 1\n")
    assert [problem.split(" is missing")[0] for problem in found] == [
        f"t.yaml:1:1: key '{key}'" for key in ("models", "datasets", "grids")
    ]


def test_a_missing_file_a_folder_and_a_name_that_cannot_be_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text(MINIMAL)
    with pytest.raises(BadInput, match=r"demos\.yaml: there is no such file; did you mean .*demo\.yaml\?"):
        load_spec(tmp_path / "demos.yaml")
    with pytest.raises(BadInput, match="layergrid new"):
        load_spec(tmp_path / "nowhere" / "x.yaml")
    with pytest.raises(BadInput, match="is a folder"):
        load_spec(tmp_path)
    for stem in ("my spec", "..", "a" * 200, "-x", "x."):
        with pytest.raises(SpecError, match=r":1:1: '.*' cannot name a report"):
            parse_spec(Source("t", MINIMAL), Path(f"{stem}.yaml"))


# ---------------------------------------------------------------- random damage

JUNK: list[Any] = [
    None, True, 5, -1, 1.5, 10**400, "x", "", "no", "-8..-1", "*", "[", "{{", "{{ x", [], {}, [1], [[]], [None],
    {"a": 1}, {"": 1},
    {"kind": "probe"}, {"kind": 5}, {"kind": None}, {"kind": "span"}, {"kind": {"kind": 1}}, [{"name": None}],
]  # fmt: skip


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """All paths into a tree but the empty one."""
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [p for key, value in inner for p in ((*path, key), *places(value, (*path, key)))]


def mutate(tree: Any, rng: random.Random) -> None:
    """Deletes, misspells or retypes one random key or item."""
    *way, last = rng.choice(places(tree))
    for step in way:
        tree = tree[step]
    action = rng.choice(("delete", "misspell", "retype"))
    if action == "delete":
        del tree[last]
    elif action == "misspell" and isinstance(last, str) and last:
        at = rng.randrange(len(last))
        tree[last[:at] + rng.choice(("", "x")) + last[at + 1 :]] = tree.pop(last)
    else:
        tree[last] = copy.deepcopy(rng.choice(JUNK))


def rich() -> Any:
    """The shipped spec with more of the forms that a spec may have."""
    tree: Any = load(Source("t.yaml", SHIPPED.read_text(encoding="utf-8")))[0].plain()
    tree["positions"].append({"name": "op", "kind": "span", "regex": "plus|minus", "where": "prompt"})
    tree["grids"]["two"] = {"kind": "probe", "positions": ["exact_answer_*", -1], "penalties": [0.1, 1]}
    tree["expect"].append({"grid": "errors", "cell": {"layer": 3, "position": "last_q", "at_least": 0.5}})
    tree["models"]["tiny"] = {"address": "builtin:arithmetic", "dtype": "float32"}
    return tree


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 3), st.sampled_from([None, False, True]))
def test_a_spec_with_random_damage_is_read_or_refused_with_file_line_and_column(
    rng: random.Random, damages: int, flow: bool | None
) -> None:
    tree = rich()
    for _ in range(damages):
        mutate(tree, rng)
    text = yaml.safe_dump(tree, sort_keys=False, default_flow_style=flow)
    said: list[str] = []
    try:
        read(text)
    except SpecError as refused:
        said = [str(problem) for problem in refused.problems]
    lines = text.split("\n")
    for problem in said:
        found = re.match(r"t\.yaml:(\d+):(\d+): \S", problem)
        assert found is not None
        assert 1 <= int(found[1]) <= len(lines)
        assert 1 <= int(found[2]) <= len(lines[int(found[1]) - 1]) + 1
        assert re.search(r"\n    .*\n +\^", problem)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_text_with_random_characters_in_it_is_read_or_refused_with_file_line_and_column(data: st.DataObject) -> None:
    text = SHIPPED.read_text(encoding="utf-8")
    at = data.draw(st.integers(0, len(text) - 1))
    noise = data.draw(st.text("ab:-*&![]{}<>'\"|?#%@,.~ \t\n\x00\x85\u2028\ud800é1", max_size=4))
    said: list[str] = []
    try:
        read(text[:at] + noise + text[at + data.draw(st.integers(0, 4)) :])
    except SpecError as refused:
        said = [str(problem) for problem in refused.problems]
    assert all(re.match(r"t\.yaml:\d+:\d+: \S", problem) for problem in said)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([".".join(map(str, path)) for path in places(rich())]) | st.text("abdegirs.[]0 =", max_size=12),
    st.sampled_from(["=", "=x", "=[", "={a: 1}", "=null", "=1e-3", "=[1, 2]", "", "='", "=*", "=\ud800"]),
)
def test_any_override_is_applied_or_refused_with_its_name(path: str, value: str) -> None:
    said: list[str] = []
    try:
        read(yaml.safe_dump(rich()), (path + value,))
    except SpecError as refused:
        said = [str(problem) for problem in refused.problems]
    assert all(re.match(r"(t\.yaml:\d+:\d+|--set .*): \S", problem) for problem in said)


def test_a_bomb_of_aliases_is_refused_as_a_spec() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]" for i in range(50)]
    assert "more than 20,000 values, aliases expanded" in error("\n".join(lines))

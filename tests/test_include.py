"""Specs that include others, and variables: how they are merged, what is refused, and where each error stands."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from layergrid.project import Project
from layergrid.spec import Spec, SpecError, load_spec
from layergrid.spec.including import MOST, merge
from layergrid.yamlsource import Entry, Node, Place, Source, load

SPEC = """\
models: {tiny: builtin:arithmetic}
datasets:
  sums: {source: builtin:arithmetic, sample: 60, group: operands, prompt: "{{ question }}"}
positions: [last_q, -1]
grids: {errors: {kind: probe, folds: 3}}
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def of(tmp_path: Path, text: str, *settings: str, **files: str) -> Spec:
    """The spec of a text beside other files, which are named without their suffix."""
    for name, content in files.items():
        write(tmp_path / f"{name}.yaml", content)
    return load_spec(write(tmp_path / "t.yaml", text), settings)


def told(tmp_path: Path, text: str, *settings: str, **files: str) -> list[tuple[str, str]]:
    """Place and message of each problem, places without the folder."""
    with pytest.raises(SpecError) as caught:
        of(tmp_path, text, *settings, **files)
    return [(str(one.place).removeprefix(f"{tmp_path}/"), one.message) for one in caught.value.problems]


# ---------------------------------------------------------------- merging

VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(-9, 9), st.sampled_from(["a", "b"]), st.lists(st.integers(0, 3), max_size=2)),
    lambda inner: st.dictionaries(st.sampled_from("uvw"), inner, max_size=3),
    max_leaves=8,
)
MAPPINGS = st.dictionaries(st.sampled_from("xyz"), VALUES, max_size=3)
HERE = Place(Source("t", ""), 1, 1)


def node(value: Any) -> Node:
    if isinstance(value, dict):
        return Node(HERE, {name: Entry(HERE, node(one)) for name, one in value.items()})
    return Node(HERE, tuple(map(node, value)) if isinstance(value, list) else value)


@settings(max_examples=200, deadline=None)
@given(MAPPINGS)
def test_merging_with_nothing_on_either_side_changes_nothing(value: dict[str, Any]) -> None:
    assert merge(node({}), node(value)).plain() == value
    assert merge(node(value), node({})).plain() == value
    assert merge(node(value), node(value)).plain() == value


@settings(max_examples=200, deadline=None)
@given(MAPPINGS, MAPPINGS, MAPPINGS)
def test_without_nulls_it_does_not_matter_which_two_of_three_are_merged_first(a: Any, b: Any, c: Any) -> None:
    def is_mixed(*values: Any) -> bool:
        """Whether a mapping stands against something else, which is then replaced and not merged."""
        maps = [isinstance(one, dict) for one in values]
        keys = {key for one in values if isinstance(one, dict) for key in one}
        inner = ([one[key] for one in values if isinstance(one, dict) and key in one] for key in keys)
        return (any(maps) and not all(maps)) or any(is_mixed(*one) for one in inner)

    left = merge(merge(node(a), node(b)), node(c)).plain()
    right = merge(node(a), merge(node(b), node(c))).plain()
    assert left == right or is_mixed(a, b, c)


@pytest.mark.parametrize(
    ("below", "over", "merged"),
    [
        ({"x": {"u": 1, "v": 2}}, {"x": {"v": 3}}, {"x": {"u": 1, "v": 3}}),
        ({"x": [1, 2]}, {"x": [3]}, {"x": [3]}),
        ({"x": {"u": 1}}, {"x": "a"}, {"x": "a"}),
        ({"x": "a"}, {"x": {"u": 1}}, {"x": {"u": 1}}),
        ({"x": 1, "y": 2}, {"x": None}, {"y": 2}),
        ({"y": 2}, {"x": None}, {"y": 2, "x": None}),
        ({"x": {"kind": "a", "u": 1}}, {"x": {"kind": "b", "v": 2}}, {"x": {"kind": "b", "v": 2}}),
        ({"x": {"kind": "a", "u": 1}}, {"x": {"v": 2}}, {"x": {"kind": "a", "u": 1, "v": 2}}),
        ({"datasets": {"d": {"grade": "numeric"}}}, {"datasets": {"d": {"grade": None}}},
         {"datasets": {"d": {"grade": None}}}),
        ({"datasets": {"d": {"group": "g"}}}, {"datasets": {"d": {"group": None}}}, {"datasets": {"d": {}}}),
    ],
)  # fmt: skip
def test_each_rule_of_merging_is_as_it_is_documented(below: Any, over: Any, merged: Any) -> None:
    assert merge(node(below), node(over)).plain() == merged
    assert list(merge(node(below), node(over)).plain()) == list(merged)


def test_a_spec_may_include_others_of_which_the_later_wins_and_itself_over_all(tmp_path: Path) -> None:
    found = of(
        tmp_path, "include: [base, more]\ngrids: {errors: {folds: 4}}\n".replace("base", "base.yaml").replace(
            "more", "more.yaml"), base=SPEC, more="seed: 7\ngrids: {errors: {folds: 9, level: 0.9}}\n",
    )  # fmt: skip
    grid = found.grids["errors"].model_dump()
    assert (grid["kind"], grid["folds"], grid["level"], found.seed) == ("probe", 4, 0.9, 7)
    assert found.name == "t"
    assert of(tmp_path, "include: base.yaml\n", base=SPEC).digest == of(tmp_path, SPEC).digest
    assert of(tmp_path, f"include: more.yaml\n{SPEC}", more="{}").digest == of(tmp_path, SPEC).digest


def test_what_is_set_on_the_command_line_wins_over_what_is_included(tmp_path: Path) -> None:
    found = of(tmp_path, "include: base.yaml\n", "grids.errors.folds=5", "variables.n=9", base=SPEC)
    assert found.grids["errors"].model_dump()["folds"] == 5
    assert told(tmp_path, SPEC, "include=base.yaml") == [
        ("--set include", "'include' cannot be set here; write it in the spec")
    ]


def test_files_that_are_included_are_found_from_the_file_that_names_them(tmp_path: Path) -> None:
    write(
        tmp_path / "common" / "base.yaml", "include: parts/models.yaml\n" + SPEC.replace("models:", "authors: [A]\n#")
    )
    write(tmp_path / "common" / "parts" / "models.yaml", "models: {tiny: builtin:arithmetic}\n")
    write(tmp_path / "specs" / "rows.csv", "question,answer\nWhat?,1\n")
    text = "include: ../common/base.yaml\ndatasets: {sums: {source: rows.csv, group: null}}\n"
    found = load_spec(write(tmp_path / "specs" / "t.yaml", text), (), [tmp_path])
    assert list(found.models) == ["tiny"]
    assert found.project.path("rows.csv") == (tmp_path / "specs" / "rows.csv").resolve()


def test_a_file_that_includes_itself_is_refused_with_the_whole_chain(tmp_path: Path) -> None:
    assert told(tmp_path, "include: t.yaml\n" + SPEC) == [("t.yaml:1:10", "'t.yaml' includes itself: t.yaml -> t.yaml")]
    found = told(tmp_path, "include: a.yaml\n" + SPEC, a="include: b.yaml\n", b="seed: 1\ninclude: [a.yaml]\n")
    assert found == [("b.yaml:2:11", "'a.yaml' includes itself: a.yaml -> b.yaml -> a.yaml")]


def test_one_file_may_be_included_twice_and_many_files_may_not(tmp_path: Path) -> None:
    both = of(tmp_path, "include: [a.yaml, b.yaml]\n", a="include: base.yaml\n", b="include: base.yaml\n", base=SPEC)
    assert list(both.grids) == ["errors"]
    found = told(tmp_path, f"include: [{', '.join(['base.yaml'] * (MOST + 1))}]\n", base=SPEC)
    assert [message for _, message in found] == [f"too much is included; expected at most {MOST} files"]
    chain = {f"f{k}": f"include: f{k + 1}.yaml\n" for k in range(12)}
    found = told(tmp_path, "include: f0.yaml\n", f12=SPEC, **chain)
    assert found == [("f7.yaml:1:10", "too much is included; expected files at most 8 deep")]


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("basse.yaml", "there is no file 'basse.yaml'; its path starts at the folder of the file that includes it; "
                       "did you mean 'base.yaml'?"),
        ("base.txt", "'include' names 'base.txt'; expected the path of a YAML file, such as base.yaml"),
        ("5", "'include' names 5; expected the path of a YAML file, such as base.yaml"),
        ("../far.yaml", "include: '../far.yaml' leads to '"),
        (".hidden.yaml", "which is hidden"),
        ("https://example.org/a.yaml", "only files of the project are read"),
    ],
)  # fmt: skip
def test_what_cannot_be_included_is_said_at_its_place(tmp_path: Path, wanted: str, said: str) -> None:
    write(tmp_path / ".hidden.yaml", SPEC)
    home = tmp_path / "home"
    write(tmp_path / "far.yaml", SPEC)
    ((place, message),) = told(home, f"include: [{wanted}]\n{SPEC}", base=SPEC)
    assert place == "t.yaml:1:11"
    assert said in message or wanted == ".hidden.yaml"


def test_errors_of_included_files_name_that_file_its_line_and_its_column(tmp_path: Path) -> None:
    base = SPEC.replace("folds: 3", "fold: 3").replace("sample: 60", "sample: many")
    found = told(tmp_path, "include: base.yaml\nsed: 1\n", base=base)
    assert [place for place, _ in found] == ["base.yaml:3:46", "base.yaml:5:31", "t.yaml:2:1"]
    assert "unknown key 'fold'" in found[1][1]
    ((place, message),) = told(tmp_path, "include: base.yaml\n", base="models: {a: [}\n")
    assert place == "base.yaml:1:14"
    assert message.startswith("this is not YAML")
    assert told(tmp_path, "include: base.yaml\n", base="- a\n") == [
        ("base.yaml:1:1", "an included spec is a mapping of keys to values")
    ]


# ---------------------------------------------------------------- variables

VARIABLES = SPEC.replace("sample: 60", 'sample: "${n}"').replace("{{ question }}", "${lead} {{ question }}")


def test_a_variable_alone_keeps_its_type_and_inside_of_a_text_it_is_text(tmp_path: Path) -> None:
    head = "variables: {n: 60, lead: Question, more: {nested: [1, 2]}, p: 1e-5}\n"
    found = of(tmp_path, head + VARIABLES + 'interpretation: "p is ${p}, $${n}, ${{ x }}"\n')
    assert (found.datasets["sums"].sample, found.datasets["sums"].prompt) == (60, "Question {{ question }}")
    assert found.interpretation == "p is 1e-5, ${n}, ${{ x }}"
    assert of(tmp_path, head + VARIABLES, "variables.n=70").datasets["sums"].sample == 70
    assert of(tmp_path, "include: base.yaml\nvariables: {n: 80}\n", base=head + VARIABLES).datasets["sums"].sample == 80
    plain = SPEC.replace("{{ question }}", "Question {{ question }}")
    assert of(tmp_path, head + VARIABLES).digest == of(tmp_path, plain).digest


def test_a_variable_may_be_a_list_or_a_mapping_where_it_stands_alone(tmp_path: Path) -> None:
    head = "variables: {where: [last_q, -1], probe: {kind: probe, folds: 4}}\n"
    text = head + SPEC.replace("[last_q, -1]", "${where}").replace("{kind: probe, folds: 3}", '"${probe}"')
    found = of(tmp_path, text)
    assert [one.name for one in found.positions] == ["last_q", "-1"]
    assert found.grids["errors"].model_dump()["folds"] == 4
    ((place, message),) = told(tmp_path, head + "title: all of ${where}\n" + SPEC)
    assert (place, message) == (
        "t.yaml:2:15", "variable 'where' is a list or a mapping, which can stand alone only: ${where}"
    )  # fmt: skip


def test_an_unknown_variable_is_named_at_its_place_with_the_nearest(tmp_path: Path) -> None:
    found = told(tmp_path, "variables: {rows: 3}\ntitle: of ${row} rows\n" + SPEC)
    assert found == [("t.yaml:2:11", "no variable 'row'; known: rows; did you mean '${rows}'?")]
    found = told(tmp_path, "title: ${n\n" + SPEC)
    assert found == [
        ("t.yaml:1:8", "'${' is never closed; write ${name} for a variable, or $${ for the signs themselves")
    ]
    found = told(tmp_path, "title: |\n  one\n  two ${x}\n" + SPEC)
    assert found == [("t.yaml:3:7", "no variable 'x'; known: none; write $${ for the signs themselves")]
    found = told(tmp_path, "variables: {a: 1, b: 'x${a}'}\n" + SPEC)
    assert found == [
        ("t.yaml:1:19", "the value of variable 'b' names a variable; expected a value that stands by itself")
    ]
    assert [place for place, _ in told(tmp_path, "variables: [a]\n" + SPEC)] == ["t.yaml:1:12"]
    assert [place for place, _ in told(tmp_path, "variables: {1a: 2}\n" + SPEC)] == ["t.yaml:1:13"]


def test_a_wrong_value_of_a_variable_is_reported_where_it_is_used(tmp_path: Path) -> None:
    ((place, message),) = told(tmp_path, "variables: {n: many, lead: a}\n" + VARIABLES)
    assert (place, message) == ("t.yaml:4:46", "'sample' is the text 'many'; expected a whole number")


@pytest.mark.parametrize(
    "bomb",
    [
        "variables: {a: [" + "1, " * 5000 + "1]}\nx: [" + "'${a}', " * 500 + "1]\n",
        "variables: {a: '" + "x" * 100_000 + "'}\nx: ['" + "${a}" * 20_000 + "']\n",
        "variables: {a: '" + "x" * 1000 + "'}\nx: [" + "'${a}${a}', " * 9000 + "1]\n",
        "variables: {" + ", ".join(f"v{k}: '${{v{k - 1}}}${{v{k - 1}}}'" for k in range(1, 40)) + ", v0: xx}\n",
    ],
)
def test_variables_that_grow_are_refused_and_cost_no_time(tmp_path: Path, bomb: str) -> None:
    started = time.process_time()
    found = told(tmp_path, bomb + SPEC)
    assert any("in all" in message or "stands by itself" in message for _, message in found)
    assert time.process_time() - started < 6


def test_included_files_that_grow_together_are_refused(tmp_path: Path) -> None:
    ones = "1, " * 11_000
    found = told(tmp_path, f"include: base.yaml\nauthors: [{ones}]\n", base=f"{SPEC}outputs: [{ones}]\n")
    assert found == [("t.yaml:1:10", "with what it includes the spec has more than 20,000 values; it needs far fewer")]


def test_nothing_is_read_for_a_spec_without_files_to_include(tmp_path: Path) -> None:
    root, _ = load(Source("t.yaml", SPEC))
    from layergrid.spec import including

    assert including.whole(root, tmp_path / "t.yaml", Project.of(tmp_path), []) is root

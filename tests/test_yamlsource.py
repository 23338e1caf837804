"""YAML with places: what scalars mean, what is refused, and where."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layergrid.yamlsource import MAX_BYTES, Node, Problem, Source, YamlError, load, read


def tree(text: str) -> tuple[Node, list[Problem]]:
    return load(Source("f.yaml", text))


def value(text: str) -> object:
    node, problems = tree(text)
    assert problems == []
    return node.plain()


def refusal(text: str) -> str:
    with pytest.raises(YamlError) as caught:
        tree(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 0.001), ("1e-5", 0.00001), ("1.5E+2", 150.0), (".5", 0.5), ("1.", 1.0), ("-0.25", -0.25),
        ("0", 0), ("-1", -1), ("+7", 7), ("1000", 1000),
        ("true", True), ("false", False), ("null", None), ("~", None),
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n"),
        ("True", "True"), ("NULL", "NULL"), ("=", "="), ("'1'", "1"), ('"true"', "true"),
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("0123", "0123"), ("0123456", "0123456"), ("0x1F", "0x1F"),
        ("0o17", "0o17"), ("1_000", "1_000"), ("2024-01-01", "2024-01-01"),
        ("2024-01-01T10:00:00Z", "2024-01-01T10:00:00Z"),
        (".inf", ".inf"), (".nan", ".nan"), ("1e999", "1e999"), ("-8..-1", "-8..-1"),
        ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_a_plain_scalar_means_what_json_would_take_it_for_and_else_text(text: str, expected: object) -> None:
    found = value(f"a: {text}")
    assert found == {"a": expected}
    assert type(found["a"]) is type(expected)  # type: ignore[index]  # a mapping: 1 == True == 1.0 otherwise


def test_an_empty_value_is_null_and_keys_are_text_as_written() -> None:
    assert value("a:\n1:\ntrue: x\n-1: y") == {"a": None, "1": None, "true": "x", "-1": "y"}


def test_every_key_and_value_knows_its_line_and_column() -> None:
    node, _ = tree("a:\n  b: [x, 'y']\n  c:  3\n")
    inner = node.value["a"].node  # type: ignore[index]
    assert (node.value["a"].key.line, node.value["a"].key.column) == (1, 1)  # type: ignore[index]
    b, c = inner.value["b"], inner.value["c"]
    assert [(p.line, p.column) for p in (b.key, b.node.place, b.node.value[1].place)] == [(2, 3), (2, 6), (2, 10)]
    assert (c.node.place.line, c.node.place.column) == (3, 7)


def test_the_caret_stands_below_the_character_also_after_wide_ones() -> None:
    node, _ = tree("日本: x")
    place = node.value["日本"].node.place  # type: ignore[index]
    assert str(place) == "f.yaml:1:5"
    assert place.excerpt() == "    日本: x\n          ^"


def test_a_long_line_is_shown_around_the_character() -> None:
    shown = refusal("a: '" + "x" * 500 + "' y").split("\n")
    assert len(shown[1]) < 130
    assert shown[1].startswith("    ...x")
    assert shown[1][shown[2].index("^")] == "y"


def test_equal_keys_are_refused_with_both_lines() -> None:
    node, problems = tree("a: 1\nb: 2\na: 3\n")
    assert node.plain() == {"a": 1, "b": 2}
    assert str(problems[0]) == (
        "f.yaml:3:1: key 'a' stands twice, first on line 1; remove one of the two\n"
        "    a: 3\n    ^\n  f.yaml:1:1:\n    a: 1\n    ^"
    )


def test_aliases_and_merge_keys_expand_and_own_keys_win() -> None:
    text = "base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nlist: [*b]"
    assert value(text) == {
        "base": {"x": 1, "y": 2}, "one": {"y": 3, "x": 1}, "two": {"x": 1, "y": 2, "z": 4}, "list": [{"x": 1, "y": 2}],
    }  # fmt: skip
    assert value('"<<": 3') == {"<<": 3}


def bomb(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i + 1}: &a{i + 1} [{', '.join([f'*a{i}'] * 10)}]" for i in range(levels)]
    return "\n".join(lines)


def test_aliases_that_explode_are_refused_at_once() -> None:
    start = time.perf_counter()
    assert "more than 20,000 values, aliases expanded" in refusal(bomb(100))
    assert time.perf_counter() - start < 2
    merged = "a: &a {k: [1, 2]}\n" + "\n".join(f"b{i}: &b{i} {{<<: [{', '.join(['*a'] * 40)}]}}" for i in range(300))
    assert "more than 20,000 values" in refusal(merged)


def test_deep_nesting_is_refused_in_every_way_to_write_it() -> None:
    start = time.perf_counter()
    for text in ("[" * 50_000, "{a: " * 5_000, "- " * 5_000 + "x"):
        assert "nested more than 32 deep" in refusal(text)
    chain = "a0: &a0 [x]\n" + "\n".join(f"a{i + 1}: &a{i + 1} [*a{i}]" for i in range(40))
    assert "nests more than 32 deep" in refusal(chain)
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "1:1", "the text is empty"),
        ("# only a comment\n", "1:1", "the text is empty"),
        ("a: 1\n---\nb: 2\n", "2:1", "a second document"),
        ("a:\n\tb: 1", "2:1", "a tab stands where YAML wants spaces"),
        ("a: *x", "1:4", "alias *x has no anchor &x"),
        ("a: &base 1\nb: *bas", "2:4", "did you mean *base?"),
        ("a: &x [*x]", "1:8", "would never end"),
        ("a: {{ question }}", "1:5", "a key must be text"),
        ("? [1]\n: 2", "1:3", "a key must be text"),
        ("? \n: 2", "1:2", "a key is missing"),
        ("*a : 2", "1:1", "a key must be text"),
        ("{<<: 3}", "1:6", "<< merges a mapping"),
        ("a: Question: x", "1:12", "quote text that holds ': '"),
        ("a: 'x", "1:4", "a quote is opened and never closed"),
        ("a: [1, 2", "1:4", "misses a ',' or its ']'"),
        ("a: {b: 1", "1:4", "misses a ',' or its '}'"),
        ("a: @x", "1:4", "needs quotes"),
        ("a: *", "1:5", "text that begins with * or & needs quotes"),
        ("a:\n  b: 1\n c: 2", "3:2", "indentation"),
        ("a: \x00", "1:4", "character U+0000 may not stand in YAML"),
        ('a: "\\UFFFFFFFF"', "1:7", "out of range"),
        ("%YAML 1." + "9" * 6000 + "\n---\na: 1", "1:9", "out of range"),
        ("%YAML 2.0\n---\na: 1", "1:1", "incompatible"),
        ("a: x\nb", "2:1", "a key without ': '"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place_and_what_to_do(text: str, where: str, what: str) -> None:
    said = refusal(text)
    assert said.startswith(f"f.yaml:{where}: ")
    assert what in said


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!mine", "!!binary", "!!str", "!<x>"])
def test_tags_are_refused_on_scalars_lists_and_mappings(tag: str) -> None:
    for content in ("x", "[x]", "{x: y}"):
        _, problems = tree(f"a: {tag} {content}")
        assert [str(p).split(" is ")[0].split(":", 3)[:3] for p in problems] == [["f.yaml", "1", "4"]]
        assert "is not supported" in problems[0].message


def test_a_surrogate_pair_written_as_two_escapes_is_one_character_and_half_of_one_is_refused() -> None:
    assert value('a: "\\ud83d\\ude00"') == {"a": "\N{GRINNING FACE}"}
    _, problems = tree('a: "\\ud800"')
    assert "half a character" in problems[0].message


def test_a_file_that_is_not_utf_8_is_refused_at_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(YamlError, match=r"x\.yaml:2:7: byte 0xe9 is not UTF-8"):
        read(path)
    path.write_bytes("\ufeffa: ä\n".encode())
    assert load(read(path))[0].plain() == {"a": "ä"}
    path.write_bytes("a: 1".encode("utf-16"))
    with pytest.raises(YamlError, match=r"x\.yaml:1:1: byte 0xff is not UTF-8"):
        read(path)
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(YamlError, match="expected at most 262,144"):
        read(path)


texts = st.text(st.characters(exclude_characters="\x7f", exclude_categories=("Cs",)), max_size=8)  # DEL is no YAML
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))


@given(values)
def test_json_is_read_as_json(written: object) -> None:
    node, problems = load(Source("f.yaml", json.dumps({"a": written})))
    assert (node.plain(), problems) == ({"a": written}, [])


@given(st.text(alphabet="ab:-*&![]{}<>'\"\\|?#%@,.~ \t\n\r\x00\x85\u2028\ud800é1e0_", max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    problem = None
    try:
        load(Source("f.yaml", text))
    except YamlError as error:
        problem = error.problem
    assert problem is None or (problem.place.line >= 1 and problem.place.column >= 1)
    assert problem is None or str(problem).startswith("f.yaml:")

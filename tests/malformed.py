"""Malformed specs, made of good ones by a seeded generator: each with the lines that a message may point at.

A spec counts as malformed where YAML itself, PyYAML, refuses it, where the JSON Schema of specs refuses it, or where it
is wrong by construction, such as a figure of a grid that there is not.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import jsonschema
import yaml

from layergrid import resources
from layergrid.spec import schema
from layergrid.yamlsource import Source, YamlError, load
from spec_texts import BASE, MINIMAL

OWN = """\
title: "Every sort of value"
authors: [Ada, "Grace"]
models:
  tiny: {address: builtin:arithmetic, dtype: float32}
  other: "hf:owner/name"
datasets:
  sums:
    source: {kind: builtin, address: builtin:arithmetic}
    sample: 40
    group: operands
    prompt: "Q: {{ question }}"
    generate:
      max_new_tokens: 20
      batch: 10
    grade: {kind: numeric, gold: answer}
  said:
    source: rows.csv
    prompt: "{{ text }}"
    label: {column: is_true, positive: "true ones", negative: "false ones"}
positions: [last_q, exact_answer_last, {name: stated, kind: span, column: left}, -8..-1]
grids:
  errors:
    kind: probe
    model: tiny
    dataset: sums
    site: residual
    folds: 5
    repeats: 2
    penalties: {from: 1e-5, to: 1, count: 8}
    positions: [last_q, -8..-1]
    baselines: [answer_length, logprob_mean, operand sizes: [left, right]]
  truth: {kind: probe, model: other, dataset: said, predict: label, penalties: [0.1, 1.0], positions: [-1]}
  sizes: {kind: activation, model: tiny, dataset: sums, measure: relative_norm, contrast: error}
  alike:
    kind: similarity
    model: tiny
    dataset: sums
    measure: correlation
    with: last_q
  looks: {kind: attention, model: tiny, dataset: sums, from: -1, text: true, heads: mean}
  next: {kind: logit_lens, model: tiny, dataset: sums, target: next, measure: rank}
figures:
  - {kind: heatmap, grid: errors, scheme: blues, domain: [0.5, 1.0], tick: 2}
  - kind: profile
    grid: sizes
expect:
  - {grid: errors, nested_best: {at_least: 0.6}}
outputs: [html, md]
theme: paper
paper: A4
length: summary
layers_from: 1
"""
QUOTAS = {"lacking": 30, "retyped": 80, "key": 45, "value": 30, "nested": 45, "syntax": 35, "reference": 15,
          "prompt": 10, "twice": 10}  # fmt: skip
LITERALS = ("many", "[1, two]", "{a: {b: c}}", "true", "-3.5", "null", '""', "[]", "{}", "99999999999999999999", "[[]]")
PROMPTS = ('"{{ question"', '"{% if question %}x"', '"{{ question | }}"', '"{{ question }"', '"always this"', '"{{ }}"',
           '"{% end %}{{ q }}"', '"{{ 1 + }}"')  # fmt: skip


@dataclass(frozen=True)
class Malformed:
    """A text with what its messages have to say."""

    way: str
    text: str
    path: tuple[str | int, ...] = ()  # of the value that was changed, or of the mapping that lacks a key
    at: tuple[int, ...] = ()  # further lines
    hint: str = ""  # what a message has to suggest
    certain: bool = False  # wrong by construction, whatever a schema says

    @cached_property
    def lines(self) -> frozenset[int]:
        """The lines that a message may point at: of the value and of its key, or of what is left of its path."""
        try:
            every = {part.path: part for part in _inside(_composed(self.text), ())}
        except yaml.YAMLError:
            return frozenset(self.at)
        path = self.path
        while path and path not in every:
            path = path[:-1]
        if not path:
            return frozenset({1, _composed(self.text).start_mark.line + 1, *self.at} if not self.at else self.at)
        nodes = [node for node in (every[path].key, every[path].value) if node is not None]
        return frozenset({*(node.start_mark.line + 1 for node in nodes), *self.at})


@dataclass(frozen=True)
class Part:
    """A value of a text: the mapping or list it stands in, and the node of its key."""

    path: tuple[str | int, ...]
    key: yaml.Node | None
    value: yaml.Node
    parent: yaml.Node


def good() -> dict[str, str]:
    """The texts that all are made of."""
    found = {path.stem: path.read_text(encoding="utf-8") for path in sorted(resources.folder("specs").glob("*.yaml"))}
    return found | {"minimal": MINIMAL, "base": BASE, "own": OWN}


@cache
def made(seed: int = 6) -> tuple[Malformed, ...]:
    """The malformed specs, all different; the same seed gives the same ones."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    texts = good()
    found: dict[str, Malformed] = {}
    for way, quota in QUOTAS.items():
        every = [one for name in sorted(texts) for one in WAYS[way](texts[name], draw)]
        draw.shuffle(every)
        fit = (one for one in every if one.text not in found and one.text not in texts.values() and _is_malformed(one))
        for _ in range(quota):
            one = next(fit)
            found[one.text] = one
    return tuple(found.values())


def _is_malformed(one: Malformed) -> bool:
    try:
        _composed(one.text)
    except yaml.YAMLError:
        return True
    if one.certain:
        return True
    try:
        root, problems = load(Source("t.yaml", one.text))
    except YamlError:
        return False  # told by the reader under test alone
    return not problems and not _validator().is_valid(root.plain())


@cache
def _schema() -> dict[str, Any]:
    return schema()


@cache
def _validator() -> Any:
    return jsonschema.Draft202012Validator(_schema())


@cache
def _names() -> frozenset[str]:
    """The keys that specs know."""
    parts = [_schema(), *_schema()["$defs"].values()]
    return frozenset(name for part in parts for name in part.get("properties", {}) if len(name) > 3)


# ---------------------------------------------------------------- places in a text


def _composed(text: str) -> yaml.Node:
    return yaml.compose(text, Loader=yaml.SafeLoader)


@cache
def _parts(text: str) -> tuple[Part, ...]:
    return tuple(_inside(_composed(text), ()))


def _inside(node: yaml.Node, path: tuple[str | int, ...]) -> Iterator[Part]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield Part((*path, key.value), key, value, node)
            yield from _inside(value, (*path, key.value))
    if isinstance(node, yaml.SequenceNode):
        for k, value in enumerate(node.value):
            yield Part((*path, k), None, value, node)
            yield from _inside(value, (*path, k))


def _block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and not node.flow_style


def _in_lines(node: yaml.Node) -> bool:
    """Whether a value ends with its last line: a collection in block style, or a text behind | or >."""
    return _block(node) or (isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"))


def _span(text: str, node: yaml.Node) -> tuple[int, int]:
    """Where a value begins and ends; one in block style ends with its last line."""
    start, end = node.start_mark.index, node.end_mark.index
    return start, _line(text, end) if _in_lines(node) and end < len(text) else end


def _line(text: str, index: int) -> int:
    """The beginning of a line."""
    return text.rfind("\n", 0, index) + 1


def _replaced(text: str, node: yaml.Node, new: str) -> str:
    start, end = _span(text, node)
    return text[:start] + new + ("\n" if _in_lines(node) else "") + text[end:]


def _misspelt(word: str, draw: random.Random) -> str:
    """A slip of the fingers: two letters exchanged, one left out, or one typed twice."""
    k = draw.randrange(1, len(word) - 1)
    slips = (word[:k] + word[k + 1] + word[k] + word[k + 2 :], word[:k] + word[k + 1 :], word[:k] + word[k] + word[k:])
    return next((one for one in draw.sample(slips, 3) if one != word), word + "x")


# ---------------------------------------------------------------- ways


def _lacking(text: str, _: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        if part.key is None:
            continue
        start, (_, end) = part.key.start_mark.index, _span(text, part.value)
        if _block(part.parent):
            start = _line(text, start)
            if text[start : part.key.start_mark.index].strip():
                continue
            stop = end if _block(part.value) else text.find("\n", end) + 1
            if "&" in text[start:stop]:  # what is lacking then is the anchor of an alias elsewhere
                continue
            new = text[:start] + text[stop:]
        else:
            following = re.match(r",\s*", text[end:])
            before = re.search(r",?\s*$", text[:start])
            new = text[:start] + text[end + following.end() :] if following else text[: before.start()] + text[end:]
        yield Malformed("lacking", new, part.path[:-1])


def _retyped(text: str, draw: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        for literal in draw.sample(LITERALS, 4):
            yield Malformed("retyped", _replaced(text, part.value, literal), part.path)


def _key(text: str, draw: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        if part.key is not None and part.key.value in _names():
            word = part.key.value
            new = _replaced(text, part.key, _misspelt(word, draw))
            yield Malformed("key", new, at=(part.key.start_mark.line + 1,), hint=word)


def _value(text: str, draw: random.Random) -> Iterator[Malformed]:
    known = set(re.findall(r"[a-z_0-9]{4,}", str(_schema())))
    for part in _parts(text):
        if isinstance(part.value, yaml.ScalarNode) and part.value.value in known and len(part.value.value) > 3:
            new = _replaced(text, part.value, _misspelt(part.value.value, draw))
            yield Malformed("value", new, part.path, hint=part.value.value)


def _nested(text: str, _: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        start, end = _span(text, part.value)
        written = text[start:end]
        if not _block(part.value):
            for new in (f"[{written}]", f"{{value: {written}}}", f"[[{written}]]"):
                yield Malformed("nested", _replaced(text, part.value, new), part.path)
        inner = part.value.value if isinstance(part.value, yaml.CollectionNode) else []
        for one in inner[:2]:
            node = one[1] if isinstance(one, tuple) else one
            if not _block(node):
                first, last = _span(text, node)
                yield Malformed("nested", _replaced(text, part.value, text[first:last]), part.path)


def _syntax(text: str, draw: random.Random) -> Iterator[Malformed]:
    """What is no YAML any longer; the line is that of the slip, one that does not fit it, or where it was opened."""
    rows = text.split("\n")
    slips: tuple[Callable[[str], str], ...] = (
        lambda row: row.replace("  ", "\t", 1),
        lambda row: " " + row,
        lambda row: row.replace(": ", ' "', 1),
        lambda row: re.sub(r'"([^"]*)"', r'"\1', row, count=1),
        lambda row: re.sub(r": (\w)", r": '\1", row, count=1),
        lambda row: re.sub(r"[\]}](?=[^\]}]*$)", "", row, count=1),
        lambda row: re.sub(r"[\[{]", "", row, count=1),
        lambda row: re.sub(r": (\w)", r": @\1", row, count=1),
        lambda row: re.sub(r": (\w)", r": *\1", row, count=1),
        lambda row: re.sub(r": (\w)", r": %\1", row, count=1),
        lambda row: re.sub(r": (\w)", r": a: \1", row, count=1),
    )
    for k, row in enumerate(rows):
        if not row.strip() or row.strip().startswith("#"):
            continue
        for slip in draw.sample(slips, 3):
            new = "\n".join([*rows[:k], slip(row), *rows[k + 1 :]])
            following = next((i for i in range(k + 1, len(rows)) if rows[i].strip()), k)
            yield Malformed("syntax", new, at=(k, k + 1, following + 1))


def _reference(text: str, draw: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        names = ("grid", "model", "dataset") if part.path[0] in ("grids", "figures", "expect") else ()
        if len(part.path) > 2 and part.path[-1] in names and isinstance(part.value, yaml.ScalarNode):
            new = _replaced(text, part.value, _misspelt(part.value.value, draw))
            yield Malformed("reference", new, part.path, hint=part.value.value, certain=True)


def _prompt(text: str, _: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        if part.path[0] == "datasets" and part.path[-1] == "prompt":
            for prompt in PROMPTS:
                yield Malformed("prompt", _replaced(text, part.value, prompt), part.path, certain=True)


def _twice(text: str, _: random.Random) -> Iterator[Malformed]:
    for part in _parts(text):
        if part.key is None or _block(part.value):
            continue
        start, end = part.key.start_mark.index, part.value.end_mark.index
        written, line = text[start:end], part.key.start_mark.line + 1
        if _block(part.parent):
            again = written + "\n" + " " * part.key.start_mark.column + written
            yield Malformed(
                "twice", text[:start] + again + text[end:], at=(line + written.count("\n") + 1,), certain=True
            )
        else:
            yield Malformed("twice", text[:start] + written + ", " + text[start:], at=(line, line + 1), certain=True)


WAYS: dict[str, Callable[[str, random.Random], Iterator[Malformed]]] = {
    "lacking": _lacking, "retyped": _retyped, "key": _key, "value": _value, "nested": _nested, "syntax": _syntax,
    "reference": _reference, "prompt": _prompt, "twice": _twice,
}  # fmt: skip

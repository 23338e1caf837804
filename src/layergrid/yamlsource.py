"""Parses YAML into nodes that know their line and column; it knows nothing of what the text is for.

The scalars are those of JSON: only `true` and `false` are booleans, only `null`, `~` and nothing at all are null,
numbers are decimal without leading zeros (`1e-5` is one; `0123`, `0x1F`, `1_000` and `12:30` are text), dates are text.
Tags are refused; aliases and merge keys work as long as what they expand to stays small.
"""

from __future__ import annotations

import math
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NoReturn

import yaml

from layergrid.project import ANY_SIZE, opened
from layergrid.text import nearest, visible

MAX_BYTES = 262_144
MAX_NODES = 20_000  # after the expansion of aliases
MAX_DEPTH = 32
MAX_DIGITS = 300  # longer numbers stay text
SHOWN = 110  # characters of a source line that an error shows

INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
LINE_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")  # as YAML counts lines

PlainScalar = str | int | float | bool | None


@dataclass(frozen=True)
class Source:
    """A text and the name that errors give it."""

    name: str
    text: str
    numbered: bool = True  # False: errors give the name alone, without line and column

    @cached_property
    def lines(self) -> list[str]:
        """Its lines, counted as YAML counts them."""
        return LINE_BREAK.split(self.text)


@dataclass(frozen=True)
class Place:
    """A character of a source; line and column count from 1."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}" if self.source.numbered else self.source.name

    def excerpt(self) -> str:
        """The source line with a caret below the character; a long line is shown around it."""
        lines = self.source.lines
        line = lines[self.line - 1] if self.line <= len(lines) else ""
        at = min(self.column - 1, len(line))
        start = 0 if len(line) <= SHOWN or at < SHOWN - 20 else at - SHOWN // 2
        before = visible(line[start:at].replace("\t", " "))
        after = visible(line[at : start + SHOWN].replace("\t", " "))
        lead = "..." if start else ""
        tail = "..." if start + SHOWN < len(line) else ""
        return f"    {lead}{before}{after}{tail}\n    {' ' * _width(lead + before)}^"


def _width(text: str) -> int:
    """Columns that a text takes in a terminal."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    place: Place
    message: str
    also: Place | None = None  # a second place to show: the first of two equal keys

    def __str__(self) -> str:
        shown = f"{self.place}: {self.message}\n{self.place.excerpt()}"
        return shown if self.also is None else f"{shown}\n  {self.also}:\n{self.also.excerpt()}"


class YamlError(Exception):
    """A text that cannot be read any further; `problem` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, eq=False)
class Node:
    """A value and where it begins: a scalar, a tuple of nodes, or a mapping of entries."""

    place: Place
    value: PlainScalar | tuple[Node, ...] | Mapping[str, Entry]
    written: str = ""  # a scalar as it was written, without quotes
    size: int = 1  # nodes in it, aliases expanded
    depth: int = 1
    broken: bool = False  # a problem has been reported for it already

    def get(self, name: str) -> Node | None:
        """The value under a key, or None where this is no mapping or has no such key."""
        entry = self.value.get(name) if isinstance(self.value, Mapping) else None
        return None if entry is None else entry.node

    def having(self, name: str, node: Node, key: Place | None = None) -> Node:
        """The mapping with one entry added or replaced; `key` says where a new key stands (default: `place`)."""
        entries = dict(self.value) if isinstance(self.value, Mapping) else {}
        old = entries.get(name)
        entries[name] = Entry(key or (old.key if old else self.place), node)
        return Node(self.place, entries)

    def without(self, name: str) -> Node:
        """The mapping without one entry."""
        entries = dict(self.value) if isinstance(self.value, Mapping) else {}
        entries.pop(name, None)
        return Node(self.place, entries)

    def plain(self) -> Any:
        """The value as JSON would hold it."""
        if isinstance(self.value, tuple):
            return [item.plain() for item in self.value]
        if isinstance(self.value, Mapping):
            return {name: entry.node.plain() for name, entry in self.value.items()}
        return self.value


@dataclass(frozen=True, eq=False)
class Entry:
    """One entry of a mapping: where its key stands, and its value."""

    key: Place
    node: Node


def scalar(place: Place, value: PlainScalar) -> Node:
    """A scalar that no one wrote, said to stand at `place`."""
    return Node(place, value, "" if value is None else str(value))


def read(path: Path) -> Source:
    """The text of a file; raises YamlError where it is not UTF-8 or too large, OSError where it cannot be read.

    A pipe or a device raises BadInput: it is not waited for.
    """
    with opened(path.resolve(), ANY_SIZE, "YAML") as stream:
        data, size = stream.read(MAX_BYTES + 1), os.fstat(stream.fileno()).st_size
    if len(data) > MAX_BYTES:
        source = Source(str(path), "")
        _fail(Place(source, 1, 1), f"the file has {size:,} bytes; expected at most {MAX_BYTES:,}")
    try:
        return Source(str(path), data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = LINE_BREAK.split(data[: error.start].decode("utf-8-sig"))
        source = Source(str(path), data.decode("utf-8-sig", errors="replace"))
        place = Place(source, len(before), len(before[-1]) + 1)
        _fail(place, f"byte 0x{data[error.start]:02x} is not UTF-8; save the file in the encoding UTF-8")


def load(source: Source, text: str | None = None, column: int = 0) -> tuple[Node, list[Problem]]:
    """The one document of a source, with problems that do not stop the reading (equal keys, tags, half characters).

    `text` is read instead of the source's own where it is the part of its first line that follows `column` characters.
    Raises YamlError for what is not YAML, for an empty text, and for what grows too large or too deep.
    """
    return _Reader(source, column).read(source.text if text is None else text)


def _fail(place: Place, message: str) -> NoReturn:
    raise YamlError(Problem(place, message))


@dataclass
class _Frame:
    """A mapping or list that is being read."""

    place: Place
    anchor: str | None
    is_mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Entry] = field(default_factory=dict)
    merges: list[Node] = field(default_factory=list)
    key: tuple[str, Place] | None = None  # a key that waits for its value
    merging: bool = False  # that key is <<
    size: int = 1
    depth: int = 1


class _Reader:
    """Builds nodes from the events of PyYAML's parser, with a stack of its own so that depth costs no recursion."""

    def __init__(self, source: Source, column: int) -> None:
        self.source = source
        self.column = column
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.open: list[_Frame] = []
        self.root: Node | None = None

    def read(self, text: str) -> tuple[Node, list[Problem]]:
        """Runs through all events."""
        try:
            for event in self._events(text):
                self._take(event)
        except yaml.reader.ReaderError as error:
            self._unreadable(text, error)
        except yaml.MarkedYAMLError as error:
            # Told where it was opened, or where the text begins that was read as a key.
            unclosed = re.search("end of stream|<stream end>|could not find expected ':'", error.problem or "")
            mark = (unclosed and error.context_mark) or error.problem_mark or error.context_mark
            _fail(self._place(mark), _explain(error))
        if self.root is None:
            _fail(Place(self.source, 1, 1 + self.column), "the text is empty; expected keys and values in YAML")
        return self.root, self.problems

    def _events(self, text: str) -> Iterator[yaml.Event]:
        # The parser in Python, not libyaml: it is there on every machine and words its errors alike everywhere.
        parser = yaml.SafeLoader(text)
        try:
            while parser.check_event():
                yield parser.get_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        except (ValueError, OverflowError):  # PyYAML passes on chr() and int() of what an escape or directive holds
            mark = parser.get_mark()
            _fail(self._place(mark), "this is not YAML: an escape or a version number is out of range")
        finally:
            parser.dispose()

    def _place(self, mark: Any) -> Place:
        if mark is None:
            return Place(self.source, 1, 1 + self.column)
        return Place(self.source, mark.line + 1, mark.column + 1 + (self.column if mark.line == 0 else 0))

    def _unreadable(self, text: str, error: yaml.reader.ReaderError) -> NoReturn:
        before = LINE_BREAK.split(text[: error.position])
        column = len(before[-1]) + 1 + (self.column if len(before) == 1 else 0)
        code = error.character if isinstance(error.character, int) else ord(error.character)
        place = Place(self.source, len(before), column)
        _fail(place, f"character U+{code:04X} may not stand in YAML; write it as an escape in double quotes")

    def _take(self, event: yaml.Event) -> None:
        place = self._place(event.start_mark)
        if isinstance(event, yaml.DocumentStartEvent):
            if self.root is not None:
                _fail(place, "a second document begins here; expected one document in a file")
        elif isinstance(event, yaml.ScalarEvent):
            self._refuse_tag(event.tag, place)
            self._scalar(event, place)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event.anchor or "", place)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._refuse_tag(event.tag, place)
            self._expect_value(place)
            if len(self.open) >= MAX_DEPTH:
                _fail(place, f"nested more than {MAX_DEPTH} deep")
            self.open.append(_Frame(place, event.anchor, isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._close(self.open.pop())

    def _refuse_tag(self, tag: str | None, place: Place) -> None:
        if tag is not None:
            shown = tag.replace("tag:yaml.org,2002:", "!!")
            message = f"tag {visible(shown)} is not supported; quote a value to make it text"
            self.problems.append(Problem(place, message))

    def _expect_value(self, place: Place) -> None:
        if self.open and self.open[-1].is_mapping and self.open[-1].key is None:
            _fail(place, "a key must be text; put a value that begins with '{' or '[' into quotes")

    def _scalar(self, event: yaml.ScalarEvent, place: Place) -> None:
        plain = event.style is None
        text = self._whole(event.value, place)
        frame = self.open[-1] if self.open else None
        if frame is not None and frame.is_mapping and frame.key is None:
            if plain and text == "":
                _fail(place, "a key is missing before ':'")
            self._key(frame, text, place, merging=plain and text == "<<")
            return
        self._add(Node(place, resolve(text) if plain else text, text), event.anchor)

    def _whole(self, text: str, place: Place) -> str:
        """Joins surrogate pairs written as two escapes; half a pair is a problem."""
        if not any("\ud800" <= c <= "\udfff" for c in text):
            return text
        try:
            return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
        except UnicodeDecodeError:
            self.problems.append(Problem(place, "an escape stands for half a character (a lone surrogate)"))
            return text.encode("utf-8", "replace").decode()

    def _key(self, frame: _Frame, text: str, place: Place, merging: bool) -> None:
        first = frame.entries.get(text)
        if first is not None:
            message = f"key '{visible(text)}' stands twice, first on line {first.key.line}; remove one of the two"
            self.problems.append(Problem(place, message, first.key))
        frame.key, frame.merging = (text, place), merging

    def _alias(self, name: str, place: Place) -> None:
        self._expect_value(place)
        node = self.anchors.get(name)
        if node is None:
            if any(frame.anchor == name for frame in self.open):
                _fail(place, f"alias *{name} stands inside of what it names; that would never end")
            like = nearest(name, self.anchors)
            hint = f"; did you mean *{like}?" if like else ""
            _fail(place, f"alias *{name} has no anchor &{name} before it{hint}; quote text that begins with *")
        if node.depth + len(self.open) > MAX_DEPTH:
            _fail(place, f"alias *{name} nests more than {MAX_DEPTH} deep")
        self._add(node, None)

    def _close(self, frame: _Frame) -> None:
        if not frame.is_mapping:
            self._add(Node(frame.place, tuple(frame.items), "", frame.size, frame.depth), frame.anchor)
            return
        entries = dict(frame.entries)
        for merged in frame.merges:
            sources = merged.value if isinstance(merged.value, tuple) else (merged,)
            for source in sources:
                if not isinstance(source.value, Mapping):
                    _fail(source.place, "<< merges a mapping or a list of mappings; expected an alias such as *base")
                for name, entry in source.value.items():
                    entries.setdefault(name, entry)
        self._add(Node(frame.place, entries, "", frame.size, frame.depth), frame.anchor)

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.open:
            self.root = node
            return
        frame = self.open[-1]
        frame.size += node.size
        frame.depth = max(frame.depth, node.depth + 1)
        if frame.size > MAX_NODES:
            _fail(node.place, f"more than {MAX_NODES:,} values, aliases expanded; a spec needs far fewer")
        if not frame.is_mapping:
            frame.items.append(node)
        elif frame.key is not None:
            if frame.merging:
                frame.merges.append(node)
            else:
                frame.entries.setdefault(frame.key[0], Entry(frame.key[1], node))
            frame.key = None


def resolve(text: str) -> PlainScalar:
    """What an unquoted scalar stands for."""
    if text in ("", "~", "null"):
        return None
    if text in ("true", "false"):
        return text == "true"
    if len(text) <= MAX_DIGITS:
        if INTEGER.fullmatch(text):
            return int(text)
        if FLOAT.fullmatch(text) and math.isfinite(float(text)):
            return float(text)
    return text


_HINTS = (
    ("'\\t'", "a tab stands where YAML wants spaces"),
    ("mapping values are not allowed", "a colon stands where no value may begin; quote text that holds ': '"),
    ("could not find expected ':'", "a key without ': ' after it, or a text that needs quotes"),
    ("unexpected end of stream", "a quote is opened and never closed"),
    ("expected <block end>", "the indentation does not fit the lines before it, or a bracket or quote is left over"),
    ("expected ',' or ']'", "a list in brackets misses a ',' or its ']'"),
    ("expected ',' or '}'", "a mapping in braces misses a ',' or its '}'"),
    ("cannot start any token", "text that begins with this character needs quotes"),
    ("expected alphabetic or numeric character", "text that begins with * or & needs quotes"),
)  # fmt: skip


def _explain(error: yaml.MarkedYAMLError) -> str:
    """A syntax error of PyYAML in words that say what to do; its own words where none fit better."""
    said = visible(" ".join(part for part in (error.context, error.problem) if part))
    hint = next((hint for sign, hint in _HINTS if sign in said), None)
    return f"this is not YAML: {hint} ({said})" if hint else f"this is not YAML: {said}"


def top_keys(content: str, part: str) -> list[str]:
    """The keys of the mapping under a top key of a YAML text, or the text there; none where there is neither."""
    try:
        found = yaml.load(content, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - both are safe
    except yaml.YAMLError:
        return []
    inner = found.get(part) if isinstance(found, dict) else None
    return [inner] if isinstance(inner, str) else [str(key) for key in inner] if isinstance(inner, dict) else []

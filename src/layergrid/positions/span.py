"""A position named by what its characters are: a match of a regular expression, or a column's value in the text.

It knows nothing of the exact answer.
"""

from __future__ import annotations

import importlib
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from layergrid.artifacts import Examples, Labels, Positions, PositionStatus, Scalar, Sequences
from layergrid.kinds import BadInput, PositionResolver, known
from layergrid.positions.place import Place, absent, covering, gathered
from layergrid.text import known_columns

Chars = tuple[int, int]
Find = Callable[[str], Iterator[Chars]]
Ordinal = Annotated[int, Field(ge=1, strict=True)]


class SpanResolver(PositionResolver):
    """The tokens that cover a match, one of them, or their mean.

    `regex` is searched with Python's re; a group named `at` narrows what is taken, and empty matches do not count.
    `column` is found as a whole: "5" is not found in "15" nor in "5.2". `where` limits the search, `occurrence` picks
    among matches that do not overlap, `token` among the tokens of the match, and `offset` shifts by tokens after that.

    Statuses: `missing` where there is no match or no such token; `in_prompt` where an offset leads from a completion
    into the prompt; `truncated` where a completion cut at max_new_tokens leaves open what the last match is, how far a
    match at the cut would have gone, or which token comes after the cut.
    """

    names: ClassVar[tuple[str, ...]] = ()
    kind: Literal["span"] = "span"
    name: str = Field(pattern=r"^[^\W\d][\w.-]*$", description="The name in figures: letters, digits and _ . -")
    regex: str | None = Field(None, max_length=1000, description="A regular expression; a group named `at` narrows it.")
    column: str | None = Field(None, description="The column whose value is looked for.")
    where: Literal["prompt", "completion", "anywhere"] = Field("anywhere", description="Where to look.")
    occurrence: Literal["first", "last"] | Ordinal = Field("first", description="Which match, counted from 1.")
    token: Literal["first", "last", "mean"] | Ordinal = Field("last", description="Which token, counted from 1.")
    offset: int = Field(0, ge=-10_000, le=10_000, description="Tokens to move after that; negative goes back.")

    @field_validator("name")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if any(value in kind.names for kind in known(PositionResolver).values()):
            raise ValueError(f"{value!r} is the name of another position; give the span a name of its own")
        return value

    @field_validator("regex")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            re.compile(value)
        except (re.error, RecursionError, OverflowError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
        if _nested(value):
            raise ValueError(
                "repeats a repetition without bound, which can take for ever where it does not match; make the inner "
                r"one possessive, as in (\d++,)*, or bound it, as in (\d{1,9},)*"
            )
        return value

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.regex is None) == (self.column is None):
            raise ValueError("a span needs exactly one of regex and column")
        return self

    def resolve(self, sequences: Sequences, labels: Labels, examples: Examples) -> Positions:  # noqa: ARG002 - blind to labels
        """One position; BadInput where the column does not exist."""
        self.check(examples)
        if self.regex is not None:
            finders = [_by_regex(re.compile(self.regex))] * len(sequences.ids)
        else:
            finders = [_by_value(value) for value in examples.columns[str(self.column)]]
        return gathered(self.name, [self._place(sequences, i, find) for i, find in enumerate(finders)])

    def check(self, examples: Examples) -> None:
        """Raises BadInput where the column does not exist."""
        if self.column is not None and self.column not in examples.columns:
            raise BadInput(
                f"position {self.name!r}: data set {examples.name!r} has no column {self.column!r}; "
                f"{known_columns(self.column, examples.columns)}"
            )

    def _place(self, sequences: Sequences, i: int, find: Find) -> Place:
        text, border = sequences.texts[i], int(sequences.prompt_chars[i])
        low, high = {"prompt": (0, border), "completion": (border, len(text)), "anywhere": (0, len(text))}[self.where]
        chars = self._chosen(find(text[low:high]))
        tokens = chars and covering(sequences.offsets[i], chars[0] + low, chars[1] + low)
        if not chars or not tokens:
            return absent()
        cut = self.where != "prompt" and not sequences.stopped[i]
        open_ended = cut and (self.occurrence == "last" or chars[1] + low == len(text))
        return self._moved(sequences, i, tokens, PositionStatus.TRUNCATED if open_ended else PositionStatus.OK)

    def _chosen(self, found: Iterator[Chars]) -> Chars | None:
        if self.occurrence == "last":
            return next(iter(list(found)[-1:]), None)
        return next(itertools.islice(found, 0 if self.occurrence == "first" else self.occurrence - 1, None), None)

    def _moved(self, sequences: Sequences, i: int, tokens: Chars, status: PositionStatus) -> Place:
        first, end = tokens
        match self.token:
            case "first":
                end = first + 1
            case "last":
                first = end - 1
            case int(nth):
                first, end = first + nth - 1, min(first + nth, end)
        if first >= end or first + self.offset < 0:
            return absent(status)
        first, end = first + self.offset, end + self.offset
        if end > len(sequences.ids[i]):
            return absent(PositionStatus.MISSING if sequences.stopped[i] else PositionStatus.TRUNCATED)
        if self.where == "completion" and first < int(sequences.prompt_tokens[i]):
            return Place(first, end, PositionStatus.IN_PROMPT)
        return Place(first, end, status)


def _by_regex(pattern: re.Pattern[str]) -> Find:
    group = "at" if "at" in pattern.groupindex else 0

    def find(text: str) -> Iterator[Chars]:
        spans = (match.span(group) for match in pattern.finditer(text))
        return (span for span in spans if 0 <= span[0] < span[1])

    return find


def _by_value(value: Scalar) -> Find:
    """Finds a column's value as a whole: no digit or cased letter of the same word or number may touch it."""
    wanted = "" if value is None else str(value).strip()

    def find(text: str) -> Iterator[Chars]:
        at = text.find(wanted) if wanted else -1
        while at >= 0:
            stop = at + len(wanted)
            whole = not _joined(text[max(0, at - 2) : at][::-1], wanted) and not _joined(
                text[stop : stop + 2], wanted[::-1]
            )
            if whole:
                yield at, stop
            at = text.find(wanted, stop if whole else at + 1)

    return find


def _joined(beside: str, inside: str) -> bool:
    """Whether text beside a value, read away from it, goes on with the word or number at the value's edge."""
    if inside[0].isdigit():
        return re.match(r"[.,]?\d", beside) is not None
    # Scripts without case, such as Chinese or Arabic, may join words without a blank.
    return bool(beside) and _cased(inside[0]) and _cased(beside[0])


def _cased(character: str) -> bool:
    return character.lower() != character.upper()


def _nested(pattern: str) -> bool:
    """Whether an unbounded repetition holds another that can give back what it took: the usual endless search."""
    # The parser of re is not public; nothing else knows what a pattern means. Where it is gone, nothing is refused.
    try:
        parser, codes = importlib.import_module("re._parser"), importlib.import_module("re._constants")
    except ImportError:
        return False

    def holds(node: Any, inside: bool) -> bool:
        if isinstance(node, tuple) and len(node) == 2 and (node[0] is codes.MAX_REPEAT or node[0] is codes.MIN_REPEAT):
            _, high, body = node[1]
            unbounded = high == codes.MAXREPEAT
            return (inside and unbounded) or holds(body, inside or unbounded)
        if isinstance(node, tuple) and len(node) == 2 and node[0] is codes.ATOMIC_GROUP:
            return holds(node[1], False)
        parts = node if isinstance(node, tuple | list | parser.SubPattern) else ()
        return any(holds(part, inside) for part in parts)

    return holds(parser.parse(pattern), False)

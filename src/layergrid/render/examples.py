"""Examples with their tokens, positions and held-out scores as plain values; it knows no markup."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from layergrid import exemplars, text
from layergrid.artifacts import DataCard, Illustration, Results
from layergrid.render import answers, readings
from layergrid.render.readings import Readings, some

BOUNDS = (0.1, 0.25, 0.4, 0.6, 0.75, 0.9)  # scores between which a shade stands
LONGEST = 48  # characters of one token before its middle is left out
MOST = 140  # tokens shown of one example
AROUND = (
    6,
    2,
    0,
)  # tokens kept on either side of a position: the first of these with which the example is short enough
ENDS = 12  # tokens kept at either end
LISTED = 16  # positions with a number below an example
NOTHING = "\N{MIDDLE DOT}"  # stands for a token without characters of its own, in a text of which it is no part
ENDS_OF = {
    exemplars.MISTAKE: "the surest mistake", exemplars.CALL: "the surest right call",
    exemplars.OVER: exemplars.OVER, exemplars.UNDER: exemplars.UNDER,
}  # fmt: skip
NO_PLURAL = ("ies", "ses", "xes", "zes", "ches", "shes", "oes", "ves", "news", "ss", "us", "is", "as", "os", "ys", "cs")


@dataclass(frozen=True)
class Token:
    """One token, or the mark of a stretch that is left out (no string)."""

    shown: str
    role: str = ""  # "s0" to "s6": a score from 0 to 1; "quiet": a position at chance; "place": one without a score
    exact: bool = False  # part of the exact answer
    special: bool = False
    said: str = ""  # its positions with their scores and layers
    empty: bool = False  # it has no characters of its own, as the further parts of one character; `shown` stands for it


Run = tuple[bool, tuple[Token, ...]]  # whether these tokens are the exact answer


@dataclass(frozen=True)
class Score:
    """The held-out score at one position, or the example's own value."""

    position: str
    shown: str  # "0.93"
    layers: str  # "7"
    role: str


@dataclass(frozen=True)
class Example:
    """One example: why it is shown, what it is, its tokens line by line, the score at each position."""

    label: str  # "Wrong answer", "True statement"
    why: str
    score: str  # of the nested probe: "nested score 0.93"; or why there is none; empty where no probe stands on it
    answer: tuple[answers.Part, ...]
    gold: tuple[answers.Part, ...]
    graded: bool
    lines: tuple[tuple[str, tuple[Run, ...]], ...]  # "Prompt", "Answer" or "Text" -> tokens, the exact answer apart
    scores: tuple[Score, ...]
    lacking: str  # "missing: exact_answer_first"; positions that do not count in the example, and those not listed

    @property
    def text(self) -> tuple[answers.Part, ...]:
        """Its tokens joined again, in parts, blanks as they are."""
        every = [(exact, token) for _, runs in self.lines for exact, run in runs for token in run]
        parts: list[answers.Part] = []
        for (exact, gap), part in groupby(every, key=lambda one: (one[0], not one[1].shown)):
            joined = "".join(token.shown for _, token in part if not token.empty).replace("\N{OPEN BOX}", " ")
            parts.append(("gap", "") if gap else ("exact" if exact else "text", joined))
        return tuple(parts)


@dataclass(frozen=True)
class Shown:
    """The examples of one model's answers to one data set."""

    title: str  # for several of these: "tiny, sums"; else empty
    words: str  # who they are and what the numbers mean
    low: str  # what the first shade says
    high: str  # what the last one says; empty: there are no numbers
    scale: tuple[tuple[str, str], ...]  # shades with their numbers, some empty
    quiet: bool  # some position is at chance
    examples: tuple[Example, ...]


def of(results: Results) -> tuple[Shown, ...]:
    """All examples, by model and data set in the order of the results."""
    cards = {(card.model, card.name): card for card in results.data}
    sets = [(key, tuple(found)) for key, found in groupby(results.examples, key=lambda e: (e.model, e.dataset))]
    made = []
    for key, found in sets:
        card = cards.get(key)
        read = readings.of([one for one in results.grids if (one.grid.model, one.grid.dataset) == key], card)
        title = ", ".join(key) if len(sets) > 1 else ""
        made.append(_Set(found, card, read, results.seed).shown(title))
    return tuple(made)


def omitted(results: Results) -> str:
    """Which answers no example is shown of, in a sentence; empty where there are none."""
    shown = {(one.model, one.dataset) for one in results.examples}
    known = {(one.model, one.dataset) for one in results.graded} | shown
    lost = [f"{c.model} on {c.name}" for c in results.data if (c.model, c.name) in known - shown]
    return f"No example is shown of {text.listed(lost)}." if shown and lost else ""


def role(value: float) -> str:
    """The shade of a score, "s0" to "s6"; the middle one holds 0.5."""
    return f"s{sum(value > bound if bound > 0.5 else value >= bound for bound in BOUNDS)}"


class _Set:
    """The examples of one model's answers to one data set, beside what a grid says of them."""

    def __init__(
        self, found: tuple[Illustration, ...], card: DataCard | None, read: Readings | None, seed: int
    ) -> None:
        self.found, self.card, self.read, self.seed = found, card, read, seed
        self.at = read.at if read is not None else {}
        self.quiet = read.quiet if read is not None else ()

    def shown(self, title: str) -> Shown:
        """All of it as plain values."""
        words = [self._who(), *(self.read.words() if self.read is not None else ())]
        if any("" in one.pieces for one in self.found):
            words.append(f"{NOTHING} stands for a token that adds no character, such as a further part of one.")
        low, high = (self.read.low, self.read.high) if self.read is not None else ("", "")
        shown = tuple(map(self._example, self.found))
        return Shown(title, " ".join(words), low, high, self._scale(), bool(self.quiet), shown)

    def _scale(self) -> tuple[tuple[str, str], ...]:
        """The shades that occur, with the numbers of the first, the middle and the last."""
        if self.read is None:
            return ()
        first, middle, last = self.read.ends
        every = [(f"s{k}", {0: first, 3: middle, 6: last}.get(k, "")) for k in range(7)]
        return tuple(every if self.read.two_sided else every[3:])

    def _who(self) -> str:
        first = self.found[0]
        n, of_all = len(self.found), self.card.n if self.card is not None else 0
        noun = "answers" if first.written and not first.label else "texts"
        count = f"{text.words(n)} of the {text.count(of_all)}" if of_all > n else f"all {text.words(n)}"
        whose = f"{noun} of {first.model} to {first.dataset}" if noun == "answers" else f"texts of {first.dataset}"
        return text.capital(f"{count} {whose}{self._chosen()}.")

    def _chosen(self) -> str:
        """How these examples were chosen, by what is said of each of them."""
        within = " within each label" if self.card is None or self.card.classes != ("", "") else ""
        chance = f"drawn at random{within} (seed {self.seed})"
        whys = [one.why for one in self.found if one.why != exemplars.BY_CHANCE]
        if not whys:
            return f", {chance}"
        if not set(whys) <= set(ENDS_OF):
            return ", chosen as is said of each"
        ends = list(dict.fromkeys(ENDS_OF[why] for why in whys))
        called = f"the nested probe of {self.read.name}" if self.read is not None else "the nested probe"
        left = len(self.found) - len(whys)
        others = f", the other{'s' if left > 1 else ''} {chance}" if left else ""
        if self.read is None or not self.read.by_label:
            return f": {text.listed(ends)} of {called}{others}"
        if all(whys.count(why) == 2 for why in whys):
            return f": for each label {text.listed(ends)} of {called}{others}"
        each = "" if len(whys) == 1 else f"{text.words(len(whys))} are each "
        return f": {each}{text.listed(ends, 'or')} of {called} within its label{others}"

    # ------------------------------------------------------------ one example

    def _example(self, one: Illustration) -> Example:
        graded = not one.label and (self.card is None or self.card.classes == DataCard.classes)
        known = graded or bool(one.label)
        verdict = f"{'Right' if one.correct else 'Wrong'} answer" if graded else self._class(one.label)
        scores = list(self._scores(one))
        return Example(
            label=verdict if known else "Text",
            why=one.why,
            score=self.read.of(one.example_id) if self.read is not None else "",
            answer=answers.shortened(one.answer, most=answers.GOLD),
            gold=answers.shortened(one.gold, most=answers.GOLD),
            graded=graded and one.written,
            lines=self._lines(one),
            scores=tuple(scores[:LISTED]),
            lacking=self._lacking(one, len(scores) - LISTED),
        )

    def _class(self, label: str) -> str:
        """The word for one of a class, "True statement"; the class's own where no singular follows from it safely.

        Classes end in a plural where both have several words, of which they share the last.
        """
        classes = self.card.classes if self.card is not None else ()
        ends = {words.split()[-1] for words in classes if len(words.split()) > 1}
        plural = label in classes and len(classes) == 2 and all(" " in words.strip() for words in classes)
        word = ends.pop() if plural and len(ends) == 1 else ""
        safe = word.islower() and len(word) > 3 and word.endswith("s") and not word.endswith(NO_PLURAL)
        return text.capital(label.strip()[:-1] if safe else label)

    def _scores(self, one: Illustration) -> Iterable[Score]:
        """The number at each position that has one, in the order of the grid."""
        for name, by_example in self.at.items():
            if (found := by_example.get(one.example_id)) is not None:
                yield Score(name, found.shown, found.layers, role(found.place))

    def _lacking(self, one: Illustration, unlisted: int) -> str:
        """Positions that do not count in this example, by what became of them, and how many are not listed."""
        by_status: dict[str, list[str]] = {}
        for name, _, _, status in one.positions:
            if status != "ok":
                by_status.setdefault(status.replace("_", " "), []).append(name)
        parts = [f"{status}: {some(names)}" for status, names in by_status.items()]
        parts += [f"{text.counted(unlisted, 'more position')} not listed"] if unlisted > 0 else []
        return "; ".join(parts)

    # ------------------------------------------------------------ tokens

    def _lines(self, one: Illustration) -> tuple[tuple[str, tuple[Run, ...]], ...]:
        n = len(one.pieces)
        cut = min(one.prompt_tokens, n)
        parts = [("Prompt", 0, cut), ("Answer", cut, n)] if one.written else [("Text", 0, n)]
        marks = self._marks(one)
        kept = _kept(n, sorted(marks), one.exact)
        found = []
        for name, first, stop in parts:
            tokens: list[Token] = []
            for i in range(first, stop):
                if i in kept:
                    tokens.append(self._token(one, i, *marks.get(i, ("", ""))))
                elif not tokens or tokens[-1].shown:
                    tokens.append(Token(""))
            if tokens:
                found.append((name, tuple((exact, tuple(run)) for exact, run in groupby(tokens, lambda t: t.exact))))
        return tuple(found)

    def _marks(self, one: Illustration) -> dict[int, tuple[str, str]]:
        """Tokens at positions: their shade, by the position that tells most where several meet, and what is said."""
        order = {name: -self.read.reach(name) for name in self.at} if self.read is not None else {}
        stand = [p for p in one.positions if 0 <= p[1] < p[2] <= len(one.pieces)]
        compared = self.read is not None and self.read.compared(one.example_id)
        marks: dict[int, tuple[str, str]] = {}
        for name, start, stop, status in sorted(stand, key=lambda p: order.get(p[0], float("inf"))):
            found = self.at.get(name, {}).get(one.example_id)
            shade = role(found.place) if found is not None else "quiet" if compared and name in self.quiet else "place"
            said = name if found is None else f"{name} {found.said}"
            said += "" if status == "ok" else f" ({status.replace('_', ' ')})"
            for i in range(start, stop):
                first, so_far = marks.get(i, (shade, ""))
                marks[i] = (first, f"{so_far}; {said}" if so_far else said)
        return marks

    @staticmethod
    def _token(one: Illustration, i: int, shade: str, said: str) -> Token:
        piece = text.token(one.pieces[i])
        if len(piece) > LONGEST:
            piece = f"{piece[: LONGEST // 2]}\N{HORIZONTAL ELLIPSIS}{piece[-LONGEST // 2 :]}"
        exact = one.exact is not None and one.exact[0] <= i < one.exact[1]
        return Token(piece or NOTHING, shade, exact, one.special[i], said, not piece)


def _kept(n: int, marked: list[int], exact: tuple[int, int] | None) -> set[int]:
    """The tokens that are shown: all of a short example; of a longer one both ends and what is near a position."""
    if n <= MOST:
        return set(range(n))
    ends = {*range(ENDS), *range(n - ENDS, n)}
    wanted = [*marked, *(range(*exact) if exact is not None else ())]
    for around in AROUND:
        kept = ends | {k for i in wanted for k in range(max(0, i - around), min(n, i + around + 1))}
        if len(kept) <= MOST:
            return kept
    return ends | set(wanted[: MOST - len(ends)])

"""Tables typed from what five descriptions of heatmaps say of them, for tests; in between values run straight.

Of each description the stated values are taken for positions or groups and bands of layers; where it gives a range the
value lies inside it, and where it gives none (a peak "in layers 12-16") the value is one that the stated colours bear.
What the descriptions make of the values is left out. The second gives a table of numbers, which is typed as it stands.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import described
import edges_described as edges
from layergrid.artifacts import Quantity, Results

Stops = tuple[tuple[int, float], ...]  # layers with their values
ANSWERS = ("exact_answer_before_first", "exact_answer_first", "exact_answer_last", "exact_answer_after_last")
EIGHT = tuple(str(-k) for k in range(8, 0, -1))
LAYERS = tuple(range(31))


def quantity(name: str) -> Quantity:
    return replace(
        described.GIVEN, name=name, sentence=f"Each cell holds the {name} that a table gives it.", claim="", low=0.0,
        high=1.0, subject=f"{name}s",
        caution="The values were given as a table, and how they came to be is not known here.",
    )  # fmt: skip


def column(*stops: tuple[int, float]) -> np.ndarray:
    """Values of thirty-one layers that run straight from stop to stop."""
    return np.interp(LAYERS, [layer for layer, _ in stops], [value for _, value in stops])


def table(columns: dict[str, np.ndarray], layers: tuple[int, ...] = LAYERS, name: str = "value") -> Results:
    value = np.round(np.column_stack(list(columns.values())), 2)
    return edges.of(edges.given(value, layers, tuple(columns), quantity(name), "typed"))


@cache
def first() -> Results:
    """Seed 000: layers 0-11 below 0.6; answers peak in 12-16; the question and the last tokens in 28-30."""
    late = column((0, 0.50), (11, 0.58), (12, 0.66), (24, 0.86), (27, 0.91), (28, 0.96), (29, 0.98), (30, 0.98))
    middle = column((0, 0.50), (11, 0.58), (12, 0.84), (14, 0.87), (16, 0.84), (17, 0.78), (22, 0.76), (30, 0.66))
    before = column((0, 0.50), (11, 0.57), (12, 0.64), (23, 0.84), (24, 0.91), (26, 0.93), (28, 0.91), (29, 0.87),
                    (30, 0.68))  # fmt: skip
    answer = column((0, 0.50), (11, 0.57), (12, 0.65), (23, 0.86), (24, 0.92), (26, 0.95), (28, 0.92), (30, 0.84))
    return table(
        {"last_q": late, "first_answer": middle, "second_answer": middle - 0.02, ANSWERS[0]: before, ANSWERS[1]: answer,
         ANSWERS[2]: late - 0.01, ANSWERS[3]: late - 0.02}
    )  # fmt: skip


@cache
def second() -> Results:
    """Seed 001: exact-answer tokens high in layers 8-18, the first three falling, the numbered ones low."""
    band = column((0, 0.62), (7, 0.74), (8, 0.86), (13, 0.90), (18, 0.86), (19, 0.74), (30, 0.60))
    falling = column((0, 0.84), (20, 0.80), (30, 0.70))
    low = column((0, 0.52), (13, 0.58), (30, 0.53))
    found = {name: falling - 0.02 * k for k, name in enumerate(("last_q", "first_answer", "second_answer"))}
    found |= {name: band - 0.01 * k for k, name in enumerate(ANSWERS)}
    return table(found | {name: low + 0.005 * k for k, name in enumerate(EIGHT)})


@cache
def third() -> Results:
    """Seed 002: the table of numbers as it stands."""
    return edges.typed_weights()


@cache
def fourth() -> Results:
    """Seed 003: values from 0.5 at the edges to 1.0 where layers 11-14 and tokens 18-20 meet."""
    by_layer = column(
        (0, 0.10), (10, 0.40), (11, 0.90), (12, 1.0), (14, 0.95), (15, 0.75), (20, 0.60), (21, 0.25), (30, 0.0)
    )
    tokens = range(-1, 31)
    stops = (
        (-1, 0.15),
        (1, 0.2),
        (2, 0.45),
        (10, 0.6),
        (17, 0.8),
        (18, 0.97),
        (19, 1.0),
        (20, 0.97),
        (21, 0.5),
        (30, 0.3),
    )
    by_token = np.interp(list(tokens), [t for t, _ in stops], [v for _, v in stops])
    value = 0.5 + 0.5 * by_layer[:, None] * by_token[None, :]
    return table({f"token {t}": value[:, k] for k, t in enumerate(tokens)}, name="activation")


@cache
def fifth() -> Results:
    """Seed 004: four tokens between 0.75 and 1.0 that rise, eight that are high in the middle layers alone."""
    answers = column((0, 0.76), (10, 0.89), (12, 0.94), (20, 0.97), (30, 0.99))
    back = column((0, 0.55), (6, 0.68), (8, 0.80), (14, 0.87), (20, 0.80), (24, 0.64), (30, 0.55))
    front = column((0, 0.55), (6, 0.68), (8, 0.81), (14, 0.88), (20, 0.82), (24, 0.70), (30, 0.62))
    names = ("last_q", *ANSWERS[1:])
    found = {name: answers - 0.005 * k for k, name in enumerate(names)}
    return table(found | {name: back if k < 4 else front for k, name in enumerate(EIGHT)}, name="correlation")


TYPED = {"000": first, "001": second, "002": third, "003": fourth, "004": fifth}

"""Asks a model whether its own answer is right: P(True) of Kadavath et al. 2022; it judges nothing.

A second prompt shows the first one and the answer, and two ways to go on with it. Only their first tokens that differ
are compared, P(true) / (P(true) + P(false)), after what both begin with; nothing is generated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from layergrid.artifacts import Examples, Floats, Ints, Sequences
from layergrid.generate.answering import spell
from layergrid.generate.decoding import KEEPS_NOTHING, Progress
from layergrid.generate.room import check_writes
from layergrid.generate.scoring import Row, score
from layergrid.generate.texts import encoded_as
from layergrid.kinds import Shards
from layergrid.models import Loaded
from layergrid.prompts import ChatSpec
from layergrid.prompts.rows import Rows, filled
from layergrid.text import listed, plural, visible

NOWHERE = np.empty(0, dtype=np.int32)


class PTrueSpec(Protocol):
    """How a spec wants the model to be asked."""

    @property
    def prompt(self) -> str:
        """Template of the second prompt."""

    @property
    def true(self) -> str:
        """What the model would go on with if the answer is right."""

    @property
    def false(self) -> str:
        """What it would go on with if the answer is wrong."""


@dataclass(frozen=True)
class PTrue:
    """The probability of each of N answers that it is right, by the model's own word."""

    values: Floats  # float64 [N]; NaN where it is not known
    reason: str = ""  # why some are not known; empty where all are


def questions(spec: PTrueSpec, examples: Examples, prompts: Sequence[str], sequences: Sequences) -> tuple[str, ...]:
    """The second prompt of each example. Raises BadInput where the template is malformed or fails."""
    shown = {"prompt": tuple(prompts), "proposed": tuple(sequences.completion(i).strip() for i in range(len(prompts)))}
    rows = Rows(
        {**examples.columns, **shown}, len(prompts), examples.name, examples.source,
        lambda i: f"example {visible(examples.ids[i])}",
    )  # fmt: skip
    return filled(spec.prompt, rows, "the template of p_true", "the template of p_true")


def p_true(
    loaded: Loaded,
    example_ids: Sequence[str],
    asked: Sequence[str],
    spec: PTrueSpec,
    *,
    chat: ChatSpec | None = None,
    batch_tokens: int | None = None,
    progress: Progress = lambda *_: None,
    shards: Shards = KEEPS_NOTHING,
) -> PTrue:
    """The probability of `true` against `false` after each second prompt, from one forward pass.

    A prompt that does not fit, or after which the tokenizer cannot tell the two apart, has NaN and a reason. Raises
    BadInput and BuildError as `generate` does.
    """
    check_writes(loaded)
    texts, encoded = encoded_as(loaded, example_ids, asked, "second prompt", chat)
    rows, trouble = list[Row](), Counter[str]()
    for text, (ids, offsets) in zip(texts, encoded, strict=True):
        row, why = _row(loaded, text, ids, offsets, spec)
        rows.append(row)
        trouble[why] += 1
    scored = score(loaded, example_ids, rows, batch_tokens=batch_tokens, progress=progress, shards=shards)
    last = np.array([one[-1] if len(one) else (np.nan, np.nan) for one in scored], dtype=np.float64).reshape(-1, 2)
    with np.errstate(over="ignore"):
        values = 1 / (1 + np.exp(last[:, 1] - last[:, 0]))
    return PTrue(values, listed(f"{why} in {n} of {plural(len(rows), 'example')}" for why, n in trouble.items() if why))


def _row(loaded: Loaded, text: str, ids: Ints, offsets: Ints, spec: PTrueSpec) -> tuple[Row, str]:
    """What both answers begin with and the two tokens after it; without a completion, and why, where there is none."""
    none = Row(ids, NOWHERE, np.empty((0, 2), dtype=np.int32))
    ends = loaded.design == "encoder-decoder" or text[-1:].isspace()
    true, false = (
        spell(loaded, text, ids, offsets, one.lstrip() if ends else one).ids.tolist() for one in (spec.true, spec.false)
    )  # fmt: skip
    shared = next((k for k, (a, b) in enumerate(zip(true, false, strict=False)) if a != b), None)
    pair = [] if shared is None else [true[shared], false[shared]]
    if shared is None or loaded.tokenizer.unk_token_id in pair:
        return none, f"the tokenizer does not tell {spec.true.strip()!r} from {spec.false.strip()!r}"
    if not _fits(loaded, len(ids), shared + 1):
        return none, "the question whether the answer is right is longer than the model's context"
    completion = np.array(true[: shared + 1], dtype=np.int32)
    return Row(ids, completion, np.tile(np.array(pair, dtype=np.int32), (shared + 1, 1))), ""


def _fits(loaded: Loaded, prompt: int, after: int) -> bool:
    if loaded.design == "encoder-decoder":
        return prompt <= (loaded.encoder_context or prompt) and after < (loaded.context or after + 1)
    return prompt + after <= (loaded.context or prompt + after)

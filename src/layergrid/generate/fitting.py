"""Says which prompts leave room for an answer in the model's context, where others are left out; it runs nothing."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.generate.texts import encoded_as
from layergrid.kinds import BadInput
from layergrid.models import Loaded
from layergrid.prompts import ChatSpec
from layergrid.text import count


def fitting(
    loaded: Loaded,
    example_ids: Sequence[str],
    prompts: Sequence[str],
    *,
    chat: ChatSpec | None = None,
    after: int = 0,
    answers: Sequence[int] | None = None,
) -> list[int]:
    """Indices of the prompts that fit, in their order.

    `after` is how many tokens an answer may have beside its prompt; `answers` how many each has, where they are known.
    Of a model with two stacks the prompt has the encoder's context to itself. Raises BadInput where none fits, and what
    `generate` raises of prompts that cannot be encoded.
    """
    paired = loaded.design == "encoder-decoder"
    limit = (loaded.encoder_context if paired else loaded.context) or 10**12
    taken = answers if answers is not None else [after] * len(prompts)
    lengths = [len(ids) for ids, _ in encoded_as(loaded, example_ids, prompts, "prompt", chat)[1]]
    beside = [length + (0 if paired else more) for length, more in zip(lengths, taken, strict=True)]
    own = loaded.context or 10**12
    kept = [
        i for i, length in enumerate(beside) if length <= limit and not (paired and answers and answers[i] + 1 > own)
    ]
    if not kept:
        raise BadInput(
            f"all {count(len(prompts))} rows are left out: with {count(min(beside))} tokens and more none fits the "
            f"context of model {loaded.card.name}, {count(limit)} tokens; shorten the prompt or max_new_tokens"
        )
    return kept

"""What a transfer reads, with a planted signal, for its tests; no model is involved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from layergrid.artifacts import Matrix
from layergrid.kinds import Inputs
from layergrid.spec import TransferSpec
from layergrid.transfer.computing import compute
from layergrid.transfer.domains import Read
from probe_inputs import make


def named(inputs: Inputs, dataset: str, texts: Any = None, model: str = "tiny") -> Inputs:
    """The same inputs as those of another data set, whose prompts and groups are its own."""
    e, s = inputs.examples, inputs.sequences
    n = len(e.ids)
    words = texts if texts is not None else [f"What of {dataset}{lettered(i)}? " for i in range(n)]
    return replace(
        inputs,
        model=model,
        examples=replace(e, name=dataset, source=f"{dataset}.csv", groups=tuple(f"{dataset} {g}" for g in e.groups)),
        sequences=replace(
            s, texts=tuple(f"{word}It is 4325" for word in words),
            prompt_chars=np.array([len(word) for word in words], dtype=np.int32),
        ),
    )  # fmt: skip


def lettered(i: int) -> str:
    """A number in letters, so that it is a word of its own."""
    return "".join(chr(ord("a") + int(digit)) for digit in str(i))


def read(inputs: Inputs, shared: bool = True) -> Read:
    """The inputs as a transfer reads them."""
    return Read(inputs, inputs.activations["residual"], shared)


def two(n: int = 120, **more: Any) -> tuple[Read, Read]:
    """Two data sets with the same planted signal, of which no question is in both."""
    return read(named(make(n, **more), "sums")), read(named(make(n, seed=1, **more), "products"))


def asked(**more: Any) -> TransferSpec:
    """A transfer over both data sets at the place of the signal."""
    usual = {"models": ("tiny",), "datasets": ("sums", "products"), "positions": ("exact_answer_last",), "folds": 3}
    return TransferSpec(**{**usual, "penalties": (0.01, 0.3), **more})


def among_positions(**more: Any) -> TransferSpec:
    """A transfer over the positions of one data set."""
    return asked(**{"over": "positions", "datasets": ("sums",), "positions": (), **more})


def matrix(spec: TransferSpec, *reads: Read) -> Matrix:
    """The matrix of a transfer."""
    return compute("carried", spec, reads, 0, lambda done, total: None)

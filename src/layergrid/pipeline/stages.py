"""What a build will make, as data that is known before anything runs; it makes nothing and knows no model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from layergrid.kinds import AttentionNeed, BadInput, Needs, Outline, chosen_layers
from layergrid.store import Key

FLOAT = 4  # bytes of a float32


@dataclass(frozen=True)
class Work:
    """How much there is to do; 0 and None where that is not known before."""

    amount: int = 0  # what time grows with
    unit: str = ""  # its name, plural: "answers", "sequences", "values"
    passes: int = 0  # sequences that go through the model, at most: of written answers times their tokens
    bytes: int | None = None  # on disk

    @property
    def runs_model(self) -> bool:
        """Whether sequences go through a model."""
        return self.passes > 0


@dataclass(frozen=True)
class Stage:
    """One result that a build stands on."""

    label: str  # unique in a spec: "capture tiny on sums"
    name: str  # what a line of progress calls it: "capture"
    key: Key
    inputs: tuple[str, ...] = ()  # labels of what it reads
    work: Work = Work()
    loads: str = ""  # the model that it runs; empty: none
    stored: bool = True  # False: it is computed whenever it is asked for


def layers_of(outline: Outline, site: str, choices: Iterable[Any]) -> tuple[int, ...]:
    """The layers of a site that any of the choices names; those that the model does not have are left out."""
    last = outline.encoder_layers if site.startswith("encoder.") else outline.layers
    found: set[int] = set()
    for choice in choices:
        try:
            found |= set(chosen_layers(choice, last, ""))
        except BadInput:  # it is meant for the other stack, or told by the check of the model
            found |= {layer for layer in chosen_layers(choice, 10**6, "") if layer <= last}
    return tuple(sorted(layer for layer in found if layer > 0 or site.endswith("residual")))


def capturing(outline: Outline | None, sites: Sequence[str], choices: Sequence[Any], positions: int, n: int) -> Work:
    """Of `n` sequences the states at so many positions: float32 [layer, position, example, width] of each site."""
    size: int | None = None
    if outline is not None and outline.width and outline.layers:
        values = sum(len(layers_of(outline, site, choices)) * _width(outline, site) for site in sites)
        size = values * positions * n * FLOAT
    return Work(n, "sequences", n, size)


def attending(outline: Outline | None, need: AttentionNeed, layers: Any, keys: int, n: int) -> Work:
    """Of `n` sequences rows of attention on so many positions: float32 [layer, head, query, key, example], and more."""
    n = 1 if need.text or need.first else n
    size: int | None = None
    if outline is not None and outline.heads and outline.layers and not (need.text or need.first):
        site = f"{need.stack}.attention_out" if need.stack else "attention_out"
        rows = len(layers_of(outline, site, [layers])) * outline.heads * len(need.queries) * n
        size = rows * (keys + 3) * FLOAT  # beside the weights: entropy, weight on the first token, and mass
    return Work(n, "sequences", n, size)


def computing(outline: Outline | None, needs: Needs, positions: int, n: int) -> Work:
    """Of `n` examples a value in every cell of a grid."""
    if outline is None or not outline.layers:
        return Work()
    site = min(needs.sites) if needs.sites else "attention_out"
    return Work(len(layers_of(outline, site, [needs.layers])) * positions * n, "values")


def _width(outline: Outline, site: str) -> int:
    of_heads = outline.heads * outline.head_width
    return of_heads if site.endswith("head_out") and of_heads else outline.width

"""Reports around grids of any shape, drawn without a model and without statistics; for tests of print."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

import synthetic
import words
from layergrid import render
from layergrid.artifacts import Facet, Grid, GridResult, Results, Summary
from layergrid.render.content import Content

LONG = "exact_answer_before_first"


@cache
def told() -> tuple[Results, tuple, Summary]:
    return words.made(n=60)


def places(n: int) -> tuple[str, ...]:
    """Names of positions as specs have them: seven by name, the others counted from the end."""
    return (*synthetic.FIFTEEN[: min(7, n)], *(f"-{k}" for k in range(n - min(7, n), 0, -1)))


def grid(layers: int, positions: tuple[str, ...], name: str = "errors", seed: int = 0) -> Grid:
    """A grid of smooth values with intervals."""
    rng = np.random.default_rng(seed)
    at, along = np.linspace(0, 1, layers)[:, None], np.linspace(0, 1, len(positions))[None, :]
    value = 0.55 + 0.3 * np.exp(-(((at - 0.5) / 0.3) ** 2) - ((along - 0.4) / 0.4) ** 2)
    value = np.clip(value + 0.02 * rng.normal(size=value.shape), 0.4, 0.98)
    shape = value.shape
    base = told()[0].grids[0].grid
    return replace(
        base, name=name, layers=tuple(range(layers)), positions=positions, value=value, low=value - 0.05,
        high=value + 0.05, n=np.full(shape, 60), n_positive=np.full(shape, 20), status=np.full(shape, "ok"),
        reason=np.full(shape, ""), p_adjusted=np.where(value > 0.62, 0.001, 1.0),
        tied_with_best=value > value.max() - 0.05, facets=(), labels=(), text_of="",
    )  # fmt: skip


def text_of(tokens: int, layers: int = 12) -> Grid:
    """The attention of one text's tokens, whose names are mere numbers."""
    made = grid(layers, tuple(str(k) for k in range(tokens)))
    labels = tuple(("<s>", " Paris", " is", "\n", " \u4e2d\u6587", " " * 3)[k % 6] for k in range(tokens))
    return replace(made, labels=labels, text_of="q0")


def with_heads(heads: int, layers: int = 16, positions: int = 15) -> Grid:
    """A grid with a map for each head."""
    made = grid(layers, places(positions))
    facets = tuple(
        Facet(str(k), "head", f"head {k}", np.roll(made.value, k, axis=0), made.low, made.high) for k in range(heads)
    )
    return replace(made, facets=facets)


def content(*grids: Grid, transpose: bool = False, **presentation: object) -> Content:
    """The parts of a report around grids, with the words of a small one."""
    results, facts, summary = told()
    one = results.grids[0]
    found = tuple(GridResult(g, one.selection, one.baselines, None) for g in grids)
    if transpose:
        kinds = [{"kind": kind, "grid": g.name, "transpose": True} for g in grids for kind in ("heatmap", "profile")]
        presentation["figures"] = tuple(kinds)
    return render.prepare(replace(results, grids=found), facts, summary, render.Presentation(**presentation))

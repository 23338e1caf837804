"""Transfers of noise and of planted directions, drawn many times: what their matrices say in the long run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from carried import among_positions, asked, matrix, named, read
from layergrid.artifacts import Matrix
from layergrid.kinds import Inputs
from probe_inputs import make, with_values

RUNS, N = 60, 80
ONE = {"folds": 4, "layers": (1,), "penalties": (0.03,)}


def noise(n: int, seed: int, dataset: str) -> Inputs:
    """Rows whose states say nothing of their labels."""
    return named(make(n, layers=2, width=8, strength=0, seed=seed), dataset)


def of_data_sets() -> Iterator[Matrix]:
    for seed in range(RUNS):
        yield matrix(asked(**ONE), read(noise(N, 2 * seed, "sums")), read(noise(N, 2 * seed + 1, "products")))


def of_positions() -> Iterator[Matrix]:
    """All positions hold nearly the same states, so that a source has all but seen its target's rows."""
    for seed in range(RUNS):
        rng = np.random.default_rng(seed)

        def repeat(values: np.ndarray, rng: np.random.Generator = rng) -> None:
            values[1, 1:] = values[1, 0] + 0.2 * rng.normal(size=values[1, 1:].shape)

        yield matrix(among_positions(**ONE), read(with_values(noise(N, seed, "sums"), repeat)))


def of_the_same_questions() -> Iterator[Matrix]:
    """The same questions in two data sets, with nearly the same states."""
    for seed in range(RUNS):
        one, rng = noise(N, seed, "sums"), np.random.default_rng(seed)
        states = one.activations["residual"]
        near = (states.values + 0.2 * rng.normal(size=states.values.shape)).astype(np.float32)
        examples = replace(one.examples, name="products", source="products.csv")
        other = replace(one, examples=examples, activations={"residual": replace(states, values=near)})
        yield matrix(asked(**ONE), read(one), read(other))


@pytest.mark.slow
@pytest.mark.parametrize("drawn", [of_data_sets, of_positions, of_the_same_questions])
def test_where_nothing_is_known_pairs_lie_around_chance_and_their_intervals_cover_it(drawn):
    values, covered, same = [], [], []
    for found in drawn():
        off = ~np.eye(len(found.names), dtype=bool)
        values.append([found.raw.value[off].mean(), found.raw.value[~off].mean()])
        holds = (found.raw.low <= 0.5) & (found.raw.high >= 0.5)
        covered.append([holds[off].mean(), holds[~off].mean()])
        same.append(((found.lost.low <= 0) & (found.lost.high >= 0))[off].mean())
    middle, error = np.mean(values, axis=0), np.std(values, axis=0) / np.sqrt(RUNS)
    assert (np.abs(middle - 0.5) < 4 * error).all()
    assert (np.mean(covered, axis=0) >= 0.93).all()  # runs are few and pairs of one run are alike
    assert np.mean(same) >= 0.93


@pytest.mark.slow
def test_rows_that_recur_in_both_sets_with_states_that_tell_each_apart_teach_a_source_nothing_of_them():
    """Many features and hardly a penalty: a probe knows its training rows by heart, and would know their twins."""
    reached = []
    for seed in range(20):
        one = named(make(60, layers=2, width=200, strength=0, seed=seed), "sums")
        twin = replace(one, examples=replace(one.examples, name="products", source="products.csv"))
        found = matrix(asked(folds=3, layers=(1,), penalties=(0.001,)), read(one), read(twin))
        assert found.settings["groups_across"] == 60
        reached.append(found.raw.value[0, 1])
    assert abs(np.mean(reached) - 0.5) < 4 * np.std(reached) / np.sqrt(len(reached))
    loose = replace(twin, examples=replace(twin.examples, groups=tuple(f"other {g}" for g in twin.examples.groups)))
    texts = tuple(f"What of others{i}x? It is 4325" for i in range(60))
    loose = replace(loose, sequences=replace(loose.sequences, texts=texts))
    known = matrix(asked(folds=3, layers=(1,), penalties=(0.001,)), read(one), read(loose))
    assert known.raw.value[0, 1] > 0.75  # were they not known to be the same, two thirds would be known by heart


@pytest.mark.slow
def test_a_direction_that_both_sets_share_is_carried_and_the_interval_covers_what_an_endless_target_gives():
    covered, above = [], []
    for seed in range(25):
        one, other = (named(make(N, layers=2, strength=1.5, seed=2 * seed + k), name) for k, name in
                      enumerate(("sums", "products")))  # fmt: skip
        endless = named(make(1500, layers=2, strength=1.5, seed=10_000 + seed), "endless")
        found = matrix(asked(**ONE), read(one), read(other))
        spec = asked(**{**ONE, "datasets": ("sums", "endless")})
        wanted = matrix(spec, read(one), read(endless)).raw.value[0, 1]
        covered.append(found.raw.low[0, 1] <= wanted <= found.raw.high[0, 1])
        above.append(found.raw.low[0, 1] > 0.5)
    assert np.mean(covered) >= 0.9
    assert np.mean(above) > 0.9


def test_the_interval_of_a_pair_is_called_longer_than_need_be_only_where_no_question_is_in_both():
    one = noise(60, 0, "sums")
    apart = matrix(asked(**ONE), read(one), read(noise(60, 1, "products")))
    twin = replace(one, examples=replace(one.examples, name="products", source="products.csv"))
    shared = matrix(asked(**ONE), read(one), read(twin))
    places = matrix(among_positions(**ONE), read(one))
    assert "longer than need be" in apart.settings["interval"]
    for found in (shared, places):
        assert "longer than need be" not in found.settings["interval"]
        assert "trained on rows of the same questions" in found.settings["interval"]

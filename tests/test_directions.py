from __future__ import annotations

import numpy as np
import pytest

from layergrid.artifacts import Directions
from layergrid.grids.probe import ProbeGrid
from layergrid.probes.directions import cosines, scores
from probe_inputs import make


@pytest.fixture(scope="module")
def found() -> tuple[Directions, np.ndarray, np.ndarray]:
    inputs = make(n=200, strength=2.0)
    result = ProbeGrid(penalties=(0.1,), baselines=(), permutations=0, directions=True).compute(inputs)
    assert result.directions is not None
    return result.directions, inputs.activations["residual"].values, ~inputs.labels.correct


def test_directions_tell_the_classes_of_activations_that_they_never_saw(found) -> None:
    other = make(n=200, strength=2.0, seed=9)
    told = scores(found[0], other.activations["residual"].values)
    wrong = ~other.labels.correct
    assert told.shape == (3, 3, 200)
    assert told[2, 1][wrong].mean() > told[2, 1][~wrong].mean() + 0.5
    assert abs(told[0, 0][wrong].mean() - told[0, 0][~wrong].mean()) < 0.2


def test_a_direction_is_the_probe_of_all_rows_in_units_of_the_activations(found) -> None:
    from sklearn.linear_model import LogisticRegression

    directions, values, wrong = found
    x = values[1, 1].astype(np.float64)
    model = LogisticRegression(C=1 / (200 * 0.1), tol=1e-10, max_iter=1000)
    model.fit((x - x.mean(0)) / x.std(0), wrong)
    np.testing.assert_allclose(directions.weights[1, 1], model.coef_[0] / x.std(0), atol=1e-5)
    assert (directions.penalties == 0.1).all()


def test_a_cell_is_in_its_own_direction_and_planted_cells_share_one(found) -> None:
    beside = cosines(found[0])
    assert beside.shape == (3, 3, 3, 3)
    np.testing.assert_allclose([beside[i, j, i, j] for i in range(3) for j in range(3)], 1.0)
    assert beside[1, 1, 2, 1] > 0.8
    np.testing.assert_allclose(beside, beside.transpose(2, 3, 0, 1))


def test_a_cell_without_a_direction_scores_nothing_and_resembles_nothing() -> None:
    weights = np.ones((1, 2, 3), dtype=np.float32)
    weights[0, 1] = np.nan
    one = Directions(weights, np.zeros((1, 2), dtype=np.float32), np.ones((1, 2)))
    assert np.isnan(scores(one, np.ones((1, 2, 4, 3)))[0, 1]).all()
    assert np.isnan(cosines(one)[0, 1]).all()


def test_activations_of_another_shape_are_refused() -> None:
    one = Directions(np.ones((1, 2, 3), np.float32), np.zeros((1, 2), np.float32), np.ones((1, 2)))
    with pytest.raises(ValueError, match=r"\(1, 2, 3\).*not \(1, 2, 4, 5\)"):
        scores(one, np.ones((1, 2, 4, 5)))

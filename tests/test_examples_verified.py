"""Examples called the surest of a probe are held against its nested scores; forged reasons are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import described
import synthetic
from layergrid import exemplars, placements
from layergrid.verify import surest, verify
from layergrid.verify.problems import Notes
from test_examples import drawn, picked
from test_verify import built

NUMBER = synthetic.value_result(layers=3, n=90)
CLASSES = synthetic.classes_result(layers=3, n=90)
BINARY = synthetic.grid_result(layers=3, n=90)
REPORT = synthetic.results()


def repeated(one):
    """The same rows in two assignments to folds."""
    held = one.held_out
    other = (np.arange(len(held.folds)) * 7 % 5) + 5
    more = {"target": np.tile(held.target, 2)} if held.target is not None else {}
    twice = replace(
        held, example_ids=held.example_ids * 2, groups=held.groups * 2, labels=np.tile(held.labels, 2),
        folds=np.concatenate((held.folds, other)),
        nested=np.concatenate((held.nested, held.nested[..., ::-1]), axis=-1),
        cells=np.tile(held.cells, 2), by_class={k: np.tile(v, 2) for k, v in held.by_class.items()}, repeats=2, **more,
    )  # fmt: skip
    return replace(one, held_out=twice)


def chosen(one):
    """What the report would show of these rows, as the number of an example and the reason."""
    _, sequences, labels, _ = picked(order=range(60))
    return exemplars.chosen(sequences, labels, [one], 0)


def problems(one, *shown):
    notes = Notes()
    surest.check(replace(REPORT, grids=(one,), examples=shown), notes)
    return [problem.message for problem in notes.done().problems]


def sixty(one):
    """A grid whose compared rows are the sixty that are chosen from."""
    held = one.held_out
    keep = np.array([int(name[1:]) < 60 for name in held.example_ids])
    names = tuple(name for name, kept in zip(held.example_ids, keep, strict=True) if kept)
    more = {"target": held.target[keep]} if held.target is not None else {}
    given = replace(
        held, example_ids=names, groups=names, labels=held.labels[keep], folds=held.folds[keep],
        nested=held.nested[..., keep], cells=held.cells[..., keep],
        by_class={k: v[..., keep] for k, v in held.by_class.items()}, **more,
    )  # fmt: skip
    return replace(one, held_out=given)


@pytest.mark.parametrize("one", [BINARY, CLASSES, NUMBER, *map(repeated, (BINARY, CLASSES, NUMBER))])
def test_the_reasons_that_are_given_hold_and_those_moved_to_another_example_do_not(one):
    one = sixty(one)
    found = [(i, why) for i, why in chosen(one) if why != exemplars.BY_CHANCE]
    assert len(found) >= 2
    assert problems(one, *(drawn(i, why=why) for i, why in found)) == []
    placed = placements.of(one)
    firm = {name: value - placed.truth.get(name, 0) for name, value in placed.nested.items()}
    for why in {why for _, why in found}:
        ends = [firm[f"q{i}"] for i, its in found if its == why]
        forged = [i for i in range(60) if min(abs(firm[f"q{i}"] - end) for end in ends) > 1e-9]
        assert forged
        assert len(problems(one, *(drawn(i, why=why) for i in forged))) == len(forged)


def test_a_reason_that_no_such_probe_gives_is_found():
    assert "which no example of this probe can be" in problems(BINARY, drawn(3, why=exemplars.OVER))[0]
    assert "which no example of this probe can be" in problems(NUMBER, drawn(3, why=exemplars.CALL))[0]
    assert "which no example of this probe can be" in problems(BINARY, drawn(3, why="so"))[0]


def test_an_example_that_was_not_compared_is_the_surest_of_nothing():
    assert problems(BINARY, drawn(9999, why=exemplars.CALL))[0].endswith("and has no nested score")


def test_a_right_call_that_is_called_a_mistake_lies_on_the_other_side():
    i = next(i for i, why in chosen(sixty(BINARY)) if why == exemplars.CALL)
    assert problems(sixty(BINARY), drawn(i, why=exemplars.MISTAKE))[0].endswith("lies on the other side")


def test_without_a_probe_or_of_those_drawn_there_is_nothing_to_check():
    assert problems(described.activation(), drawn(3, why=exemplars.MISTAKE)) == []
    assert problems(replace(BINARY, held_out=None), drawn(3, why=exemplars.MISTAKE)) == []
    assert problems(BINARY, drawn(3), drawn(4)) == []


def test_a_finished_report_with_a_forged_reason_has_a_problem(tmp_path):
    results = replace(REPORT, examples=(drawn(1, why=exemplars.MISTAKE), drawn(5)))
    (problem,) = verify(built(results, tmp_path)).problems
    assert problem.message.startswith("example q1 of tiny on sums: is shown as the surest mistake of the probe")

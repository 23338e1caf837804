from __future__ import annotations

import re

import pytest

import seeds_typed
from layergrid import facts
from layergrid.artifacts import Results
from test_prose import summarised, well_formed, written

DASH = "\N{EN DASH}"
UNBORNE = re.compile(
    r"\bfocus|crucial|critical|importan(?!ce\.)|suggest|understand|semantic|hierarch|evol|prepar|engage|dominat|"
    r"integrat|relevan|pivotal|unified|stable|likely|approximate|around|~|generally|meaningful|encod|bimodal|stark",
    re.IGNORECASE,
)


def said(name: str) -> str:
    """The sections of a typed table, without captions."""
    return written(summarised(seeds_typed.TYPED[name]())).split("[caption")[0]


def brief(name: str) -> str:
    return " ".join(s.text for p in summarised(seeds_typed.TYPED[name]()).brief for s in p)


def layers(first: int, last: int) -> str:
    return f"layers {first}{DASH}{last}"


@pytest.mark.parametrize("name", list(seeds_typed.TYPED))
def test_a_typed_table_is_told_without_what_it_does_not_bear(name):
    well_formed(seeds_typed.TYPED[name]())
    text = said(name)
    assert not UNBORNE.search(text), UNBORNE.search(text)
    assert not re.search(r"\battention\b", text.replace("attention weight", "").replace("An attention", ""))
    assert not re.search(r"\[\d|interval \d|told from|(?<!the rest) (rises|falls) by", text), (
        "an interval where none was given"
    )
    assert "no interval was given" in text
    assert "the model" not in text


def test_of_the_first_seed_bands_low_layers_and_the_lone_late_fall_are_found():
    text = said("000")
    assert f"last_q holds the highest cells: 0.98 in {layers(29, 30)}, and {layers(28, 30)} stand within 0.05" in text
    assert f"exact_answer_first (0.95 in layer 26, near it {layers(24, 28)})" in text
    assert f"exact_answer_before_first (0.93 in layer 26, near it {layers(24, 28)})" in text
    assert f"first_answer (0.87 in layer 14, near it {layers(12, 16)})" in text
    assert f"In {layers(0, 11)} no value exceeds 0.58." in text
    fall = "At exact_answer_before_first the value falls from 0.87 in layer 29 to 0.68 in layer 30"
    assert f"{fall}; the median of the rest falls by 0.01." in text
    assert "One step meets this rule." in text
    assert fall in brief("000")


def test_of_the_second_seed_the_band_the_falling_question_and_the_low_numbers_are_found():
    text = said("001")
    assert (
        f"rises from 0.60 in layer 0 to 0.89 in layer 13 and falls to 0.58 in layer 30; {layers(8, 18)} stand" in text
    )
    assert "Averaged across last_q, first_answer and second_answer the value falls from 0.82 in layer 0" in text
    assert f"{layers(0, 20)} stand within 0.04 of the highest mean" in text
    assert "0.73 at the exact-answer tokens and 0.57 at the last eight tokens" in text
    assert (
        f"In {layers(0, 29)} every value at last_q, first_answer and second_answer and the exact-answer tokens" in text
    )
    assert "box" not in text


def test_of_the_third_seed_the_peak_and_the_shift_are_found_and_three_highest_layers_are_not():
    text = said("002")
    assert "highest at \u201cA and B\u201d in layer 13, 0.75" in text
    assert "\u201cA and B\u201d in layers 1, 5, 10 and 13; \u201cthe_correct\u201d, \u201cchoice\u201d and" in text
    assert "\u201canswer\u201d and \u201cis (2)\u201d in layers 22 and 27" in text
    assert "In layers 1, 5 and 10 no value exceeds 0.05." in text
    assert "13, 17 and 22" not in text
    assert "rises and then falls" not in text  # seven layers do not tell a turn from a random order


def test_of_the_fourth_seed_the_block_is_found_and_the_dark_corners_are_told_as_numbers():
    text = said("003")
    assert f"\u201ctoken 19\u201d holds the highest cell: 1.00 in layer 12, and {layers(11, 14)} stand" in text
    assert "\u201ctoken 18\u201d (0.98 in layer 12" in text
    assert "\u201ctoken 20\u201d (0.98 in layer 12" in text
    assert "Averaged across the 32 positions the activation rises from 0.53 in layer 0 to 0.77 in layer 12" in text
    assert f"In {layers(0, 7)} no value exceeds 0.66, and in {layers(21, 30)} no value exceeds 0.62." in text


def test_of_the_fifth_seed_two_groups_a_rise_and_an_inverted_u_are_found():
    text = said("004")
    both = "every value at last_q and the exact-answer tokens lies above every value at the last eight tokens"
    assert f"In every layer {both}." in text
    assert (
        "Averaged across the last eight tokens the correlation rises from 0.55 in layer 0 to 0.88 in layer 14" in text
    )
    assert "and falls to 0.58 in layer 30" in text
    assert "Averaged across the exact-answer tokens the correlation rises from 0.75 in layer 0 to 0.98" in text
    assert "-4, -3, -2 and -1 hold the highest cells in layer 14: 0.88." in text
    assert "rises and then falls at eight of the twelve positions" in text


def test_a_lone_step_that_another_position_shares_is_not_told():
    results = seeds_typed.TYPED["000"]()
    grid = results.grids[0].grid
    value = grid.value.copy()
    value[-1, 4] -= 0.15  # exact_answer_first falls with it
    shared = seeds_typed.table({p: value[:, j] for j, p in enumerate(grid.positions)})
    assert "No step meets this rule." in written(summarised(shared))


def of(results: Results) -> dict[str, facts.Fact]:
    return {f.id.split(".", 1)[1]: f for f in facts.derive(results) if "." in f.id}


def test_a_bound_on_low_layers_is_never_below_their_highest_value():
    value = {f"p{k}": [0.501, 0.5049, 0.503, 0.504, 0.9, 0.95, 0.99, 1.0] for k in range(3)}
    columns = {name: seeds_typed.np.array(v) for name, v in value.items()}
    grid = seeds_typed.edges.given(
        seeds_typed.np.column_stack(list(columns.values())),
        tuple(range(8)),
        tuple(columns),
        seeds_typed.quantity("value"),
    )
    found = of(seeds_typed.edges.of(grid))["low.first"]
    assert found.value == 0.5049
    assert found.forms["text"] == f"in {layers(0, 3)} no value exceeds 0.51"

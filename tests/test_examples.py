"""Examples beside their held-out scores: who is chosen, what is said of them, and that hostile ones stay text."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import described
import synthetic
from layergrid import archive, exemplars, placements, theme
from layergrid.artifacts import Illustration
from layergrid.cards import illustrated
from layergrid.render import examples, readings, shades
from test_graded import rows

N = 60


def probed(sequences, labels, noise=1.0, seed=3, **more):
    """A probe grid on these rows, whose scores follow the prompt alone, so that the order of rows changes nothing."""
    wrong = ~labels.correct
    told = np.array([np.random.default_rng([seed, *text.encode()]).normal(size=(2, 3)) for text in sequences.texts])
    scores = (noise * told + wrong[:, None, None]).transpose(1, 2, 0).astype(np.float32)
    folds = np.array([sum(text.encode()) % 2 for text in sequences.texts])
    held = synthetic.HeldOut(
        sequences.example_ids, sequences.example_ids, wrong, folds, scores, np.full(len(wrong), np.nan), {}
    )
    return synthetic.from_scores(held, "errors", (0, 1), ("first", "second", "third"), **more)


def picked(order=range(N), names="q{}", most=8, probe=True, seed=0, right=lambda i: i % 3 > 0):
    questions = tuple(f"Question: What is {i} plus {i % 7}?\nAnswer:" for i in range(N))
    _, sequences, labels = rows(order=order, names=names, questions=questions, right=right)
    grids = [probed(sequences, labels)] if probe else []
    return exemplars.chosen(sequences, labels, grids, seed, most), sequences, labels, grids


def texts(order=range(N), **options):
    """The texts of the chosen ones with the reasons why."""
    found, sequences, *_ = picked(order, **options)
    return [(sequences.texts[i], why) for i, why in found]


def whys(found):
    return [why for _, why in found]


def test_each_class_shows_the_surest_mistake_the_surest_right_call_and_a_draw():
    found, _, labels, _ = picked()
    of_each = ["the surest mistake of the probe", "the surest right call of the probe", *["drawn at random"] * 2]
    assert whys(found) == of_each * 2
    assert [bool(labels.correct[i]) for i, _ in found] == [False] * 4 + [True] * 4


def test_the_surest_are_those_that_the_nested_probe_places_at_the_ends():
    found, sequences, labels, grids = picked()
    placed = placements.of(grids[0]).nested
    of_wrong = [placed[name] for name, right in zip(sequences.example_ids, labels.correct, strict=True) if not right]
    of_right = [placed[name] for name, right in zip(sequences.example_ids, labels.correct, strict=True) if right]
    at = [placed[sequences.example_ids[i]] for i, _ in found]
    assert at[:2] == [min(of_wrong), max(of_wrong)]
    assert at[4:6] == [max(of_right), min(of_right)]


@given(st.permutations(range(N)), st.integers(0, 3))
@settings(max_examples=25, deadline=None)
def test_neither_the_order_nor_the_names_of_rows_change_the_choice(order, seed):
    assert texts(order, seed=seed) == texts(seed=seed)
    assert texts(names="other {}", seed=seed) == texts(seed=seed)


@given(st.integers(0, N), st.integers(0, 8), st.booleans(), st.integers(0, 12))
@settings(max_examples=80, deadline=None)
def test_no_example_comes_twice_and_no_more_than_there_is_room_for(n, most, probe, wrong):
    order = list(range(n))
    enough = min(wrong, n - wrong) >= 4  # each fold of the probe needs both classes
    if probe and not enough:
        return
    found, _, labels, _ = picked(order, most=most, probe=probe, right=lambda i: i >= wrong)
    chosen = [i for i, _ in found]
    assert len(set(chosen)) == len(chosen) == min(n, most, 8 if probe else 6)
    assert [bool(labels.correct[i]) for i in chosen] == sorted(bool(labels.correct[i]) for i in chosen)


def test_without_a_probe_three_of_each_label_are_drawn_and_the_other_label_fills_in():
    found, _, labels, _ = picked(probe=False)
    assert whys(found) == ["drawn at random"] * 6
    assert sum(bool(labels.correct[i]) for i, _ in found) == 3
    found, _, labels, _ = picked(probe=False, right=lambda i: i > 0)
    assert sum(bool(labels.correct[i]) for i, _ in found) == 5
    assert len(picked(probe=False, right=lambda i: True)[0]) == 6


def test_texts_without_labels_are_drawn_at_random():
    _, sequences, labels, _ = picked(probe=False)
    found = exemplars.chosen(sequences, replace(labels, rule="", classes=("", "")), [], 0)
    assert whys(found) == ["drawn at random"] * 3


def test_a_probe_that_makes_no_mistake_shows_none():
    _, sequences, labels, _ = picked()
    found = exemplars.chosen(sequences, labels, [probed(sequences, labels, noise=0.01)], 0)
    assert "the surest mistake of the probe" not in whys(found)
    assert len(found) == 8


def test_of_several_classes_and_of_numbers_the_ends_are_shown():
    for one, ends in (
        (synthetic.classes_result(layers=3, n=N), {exemplars.MISTAKE, exemplars.CALL}),
        (synthetic.value_result(layers=3, n=N), {"the highest overestimate", "the highest underestimate"}),
    ):  # fmt: skip
        _, sequences, labels, _ = picked()
        found = exemplars.chosen(sequences, labels, [one], 0)
        assert set(whys(found)) - {"drawn at random"} == ends
        assert len({i for i, _ in found}) == len(found) == 8


def test_a_set_with_little_room_shows_the_surest_mistake_of_each_class():
    found, _, labels, _ = picked(most=2)
    assert whys(found) == [exemplars.MISTAKE] * 2
    assert [bool(labels.correct[i]) for i, _ in found] == [False, True]


def test_later_sets_of_answers_have_fewer_examples():
    assert [exemplars.room(place) for place in range(8)] == [8, 8, 2, 2, 2, 2, 0, 0]


# ---------------------------------------------------------------- what is said of them


def drawn(i, pieces=None, **more):
    """An example of the synthetic report: nine tokens of a prompt and of an answer."""
    words = pieces or ("<s>", "Q", ":", " 4", "\n", " 8", "5", ".", "</s>")
    given = {
        "dataset": "sums", "example_id": f"q{i}", "pieces": tuple(words), "prompt_tokens": 5, "exact": (5, 7),
        "special": tuple(p in {"<s>", "</s>"} for p in words), "correct": True, "answer": "85", "gold": "85",
        "positions": (("last_q", 4, 5, "ok"), ("exact_answer_last", 6, 7, "ok"), ("-1", 8, 9, "ok")),
        "model": "tiny", "why": "drawn at random",
    }  # fmt: skip
    return Illustration(**{**given, **more})


def report(*shown, **options):
    return replace(synthetic.results(**options), examples=shown)


def only(results):
    (shown,) = examples.of(results)
    return shown


def tokens(example):
    return [token for _, runs in example.lines for _, run in runs for token in run]


@pytest.fixture(scope="module")
def base():
    return report(*(drawn(i, correct=False) for i in range(4)), strength=1.6)


def test_the_scores_are_the_placements_of_the_examples_row_position_by_position(base):
    placed = placements.of(base.grids[0])
    for i, example in enumerate(only(base).examples):
        assert example.score == f"nested score {placed.nested[f'q{i}']:.2f}"
        for score in example.scores:
            one = placed.at(base.grids[0].grid.positions.index(score.position))[f"q{i}"]
            assert (score.shown, score.layers) == (f"{one.value:.2f}", ", ".join(map(str, one.layers)))
            assert score.role == examples.role(one.value)


def test_tokens_at_positions_have_the_shade_of_their_score_and_say_it(base):
    example = only(base).examples[0]
    by_name = {score.position: score for score in example.scores}
    marked = {token.shown: token for token in tokens(example) if token.said}
    assert set(marked) == {"\N{DOWNWARDS ARROW WITH CORNER LEFTWARDS}", "5", "</s>"}
    last = by_name["exact_answer_last"]
    assert (marked["5"].role, marked["5"].said) == (last.role, f"exact_answer_last {last.shown}, layer {last.layers}")


def test_positions_whose_probe_is_at_chance_are_grey_and_named(base):
    null = only(report(drawn(0), strength=0.0))
    example = null.examples[0]
    assert null.quiet
    assert example.scores == ()
    assert {token.role for token in tokens(example) if token.said} == {"quiet"}
    assert "last_q, first_answer, second_answer, exact_answer_before_first" in null.words
    assert "where the probe is not above chance." in null.words


def test_the_exact_answer_is_one_run_of_tokens(base):
    lines = dict(only(base).examples[0].lines)
    assert [(exact, [t.shown for t in run]) for exact, run in lines["Answer"]] == [
        (True, ["␣8", "5"]), (False, [".", "</s>"])
    ]  # fmt: skip


def test_a_row_that_was_not_compared_says_so_and_what_it_lacks():
    lacking = (("last_q", 4, 5, "ok"), ("exact_answer_last", -1, -1, "missing"), ("-1", 8, 9, "truncated"))
    example = only(report(drawn(9999, positions=lacking, exact=None), strength=1.6)).examples[0]
    assert example.score == "not among the compared rows, no score"
    assert example.lacking == "missing: exact_answer_last; truncated: -1"
    assert {t.role for t in tokens(example) if t.said} == {"place"}


def test_where_several_positions_stand_on_a_token_the_strongest_gives_the_shade(base):
    both = (("-1", 6, 7, "ok"), ("exact_answer_last", 6, 7, "ok"))
    example = only(report(drawn(0, positions=both), strength=1.6)).examples[0]
    token = next(t for t in tokens(example) if t.said)
    assert token.said.startswith("exact_answer_last ")
    assert "; -1" in token.said
    assert token.role == next(s.role for s in example.scores if s.position == "exact_answer_last")


@pytest.mark.parametrize(
    ("value", "shade"), [(0.0, 0), (0.1, 1), (0.39, 2), (0.4, 3), (0.5, 3), (0.6, 3), (0.61, 4), (1.0, 6)]
)
def test_shades_part_the_scores_alike_on_both_sides(value, shade):
    assert examples.role(value) == f"s{shade}"
    assert examples.role(1 - value) == f"s{6 - shade}"


def test_the_ends_of_the_scale_are_the_classes_of_the_probe(base):
    shown = only(base)
    assert (shown.low, shown.high) == ("right answers", "wrong answers")
    assert shown.words.startswith(
        "Four of the 438 answers of tiny to sums, drawn at random within each label (seed 0). "
    )


def test_a_set_without_a_probe_shows_tokens_and_labels_alone():
    bare = replace(report(drawn(0, label="true statements", written=False, correct=True)), grids=())
    shown = only(bare)
    assert (shown.low, shown.high, shown.quiet) == ("", "", False)
    (example,) = shown.examples
    assert (example.label, example.score, example.scores, example.graded) == (
        "True statements",
        "",
        (),
        False,
    )
    assert [name for name, _ in example.lines] == ["Text"]
    assert {t.role for t in tokens(example) if t.said} == {"place"}


def test_a_grid_that_describes_shows_own_values_with_shades_from_zero_to_the_largest():
    one = described.activation()
    measured, grid = one.measured, one.grid
    shown = only(replace(described.results(one), examples=tuple(drawn(i, example_id=e) for i, e in few(measured))))
    assert (shown.low, shown.high, shown.quiet) == ("", "value of the example", False)
    best = np.where(grid.has_value, grid.value, -np.inf).argmax(axis=0)
    own = np.stack([measured.cells[layer, j] for j, layer in enumerate(best)])
    largest = np.nanmax(own)
    assert [shade for shade, _ in shown.scale] == ["s3", "s4", "s5", "s6"]
    assert float(shown.scale[-1][1].replace(",", "")) == pytest.approx(largest, abs=0.5)
    for (i, _), example in zip(few(measured), shown.examples, strict=True):
        for score in example.scores:
            j = grid.positions.index(score.position)
            assert float(score.shown.replace(",", "")) == pytest.approx(own[j, i], abs=0.5)
            assert score.layers == str(grid.layers[best[j]])
            assert score.role == examples.role(0.5 + 0.5 * own[j, i] / largest)
        assert example.score == ""
    assert "own values in the grid" in shown.words


def few(measured):
    """The numbers and names of the first few examples."""
    return list(enumerate(measured.example_ids))[:4]


@pytest.mark.parametrize("make", [described.contrast, described.similarity, described.heads, described.one_text])
def test_examples_stand_beside_grids_that_describe(make):
    one = make()
    names = one.measured.example_ids[:2]
    results = replace(described.results(one), examples=tuple(drawn(0, example_id=name) for name in names))
    shown = only(results)
    assert len(shown.examples) == 2 or one.grid.text_of
    assert bool(shown.high) != bool(one.grid.text_of)


def test_of_several_classes_the_class_is_named_and_of_a_number_the_rank_of_the_truth():
    of_classes = replace(synthetic.results(), grids=(synthetic.classes_result(),), examples=(drawn(3),))
    held = of_classes.grids[0].held_out
    assert only(of_classes).examples[0].score.endswith(f"of class {held.classes[int(held.target[3])]}")
    of_numbers = replace(synthetic.results(), grids=(synthetic.value_result(),), examples=(drawn(3),))
    truth = placements.of(of_numbers.grids[0]).truth["q3"]
    assert only(of_numbers).examples[0].score.endswith(f"true value {truth:.2f}")


def test_layers_of_repeats_are_said_in_the_plural():
    assert readings.Reading(0.5, "0.50", "2 and 3").said == "0.50, layers 2 and 3"
    assert readings.Reading(0.5, "0.50", "2").said == "0.50, layer 2"
    assert readings.Reading(0.5, "0.50", "").said == "0.50"


@pytest.mark.parametrize(
    ("classes", "shown"),
    [
        (("false statements", "true statements"), "True statement"),
        (("negative reviews", "positive reviews"), "Positive review"),
        (("answers a human wrote", "answers a model wrote"), "Answers a model wrote"),
        (("short sentences", "long words"), "Long words"),
        (("bad news", "good news"), "Good news"),
        (("true lies", "white lies"), "White lies"),
        (("not James", "by James"), "By James"),
        (("no", "yes"), "Yes"),
        (("sports", "not sports"), "Not sports"),
        (("old classes", "new classes"), "New classes"),
        (("", "toxic"), "Toxic"),
    ],
)
def test_a_label_is_the_singular_of_its_class_where_that_is_safe(classes, shown):
    bare = report(drawn(0, label=classes[1], written=False))
    bare = replace(bare, grids=(), data=(replace(bare.data[0], classes=classes, written=False),))
    assert only(bare).examples[0].label == shown


M, C, D = exemplars.MISTAKE, exemplars.CALL, exemplars.BY_CHANCE


@pytest.mark.parametrize(
    ("whys", "said"),
    [
        ((M, M), ": for each label the surest mistake of the nested probe of errors."),
        ((M, C), ": two are each the surest mistake or the surest right call of the nested probe of errors within its "
         "label."),
        ((M,), ": the surest mistake of the nested probe of errors within its label."),
        ((M, C, D) * 2, ": for each label the surest mistake and the surest right call of the nested probe of errors, "
         "the others drawn at random within each label (seed 0)."),
        ((C, D), ": the surest right call of the nested probe of errors within its label, the other drawn at random "
         "within each label (seed 0)."),
        ((D, D), ", drawn at random within each label (seed 0)."),
        (("so", D), ", chosen as is said of each."),
    ],
)  # fmt: skip
def test_the_text_says_how_the_examples_that_are_shown_were_chosen_and_no_others(whys, said):
    shown = only(report(*(drawn(i, why=why) for i, why in enumerate(whys)), strength=1.6))
    count = {1: "One", 2: "Two", 6: "Six"}[len(whys)]
    assert shown.words.startswith(f"{count} of the 438 answers of tiny to sums{said} Numbers are ")


def test_of_a_number_the_text_tells_over_and_underestimates():
    one = replace(
        synthetic.results(), grids=(synthetic.value_result(),),
        examples=(drawn(3, why=exemplars.OVER), drawn(4, why=exemplars.UNDER), drawn(5)),
    )  # fmt: skip
    told = "the highest overestimate and the highest underestimate of the nested probe of length, the other drawn at "
    assert told in only(one).words


@pytest.mark.parametrize("make", [synthetic.grid_result, synthetic.classes_result])
def test_the_text_counts_ties_as_the_numbers_do(make):
    one = replace(synthetic.results(), grids=(make(),), examples=(drawn(3),))
    assert "score lower, ties by half" in only(one).words


def test_where_some_layer_is_not_known_the_text_says_why(base):
    (one,) = base.grids
    held = one.held_out
    clear = replace(held, by_position=held.cells[2].astype(np.float64))
    cells = held.cells.copy()
    cells[3] = cells[2]
    for scores, told in ((clear, False), (replace(clear, cells=cells), True)):
        shown = only(replace(base, grids=(replace(one, held_out=scores),)))
        assert ("in brackets; none where several layers give the same scores." in shown.words) == told
        assert {score.layers for example in shown.examples for score in example.scores} == {"" if told else "2"}


def test_a_token_without_characters_is_a_mark_in_strips_and_nothing_in_the_text(base):
    pieces = ("<s>", "\u4e2d", "", "", "\u00b7", " \u6587", "", "", "</s>")
    shown = only(report(drawn(0, pieces, positions=(), exact=None), strength=1.6))
    (example,) = shown.examples
    assert [token.shown for token in tokens(example)][1:5] == ["\u4e2d", "\u00b7", "\u00b7", "\u00b7"]
    assert [token.empty for token in tokens(example)][1:5] == [False, True, True, False]
    assert example.text == (("text", "<s>\u4e2d\u00b7 \u6587</s>"),)
    assert "\u00b7 stands for a token that adds no character" in shown.words
    assert "\u00b7" not in only(base).words


def test_texts_without_labels_are_called_texts():
    bare = report(drawn(0, written=False))
    bare = replace(bare, grids=(), data=(replace(bare.data[0], classes=("", ""), written=False),))
    assert only(bare).examples[0].label == "Text"
    assert only(bare).words == "One of the 438 texts of sums, drawn at random (seed 0)."


def test_several_sets_have_titles_and_those_without_examples_are_named():
    twice = report(drawn(0), drawn(0, model="small"), strength=1.6)
    assert [shown.title for shown in examples.of(twice)] == ["tiny, sums", "small, sums"]
    assert [bool(shown.high) for shown in examples.of(twice)] == [True, False]
    assert only(report(drawn(0))).title == ""


def test_a_long_sequence_shows_its_ends_and_what_is_near_a_position():
    pieces = tuple(f" w{i}" for i in range(4000))
    places = (("last_q", 1999, 2000, "ok"), ("exact_answer_last", 2500, 2501, "ok"))
    example = only(report(drawn(0, pieces, prompt_tokens=2000, exact=(2499, 2501), positions=places))).examples[0]
    shown = [t.shown for t in tokens(example)]
    assert len(shown) < examples.MOST
    assert {"␣w0", "␣w1999", "␣w2499", "␣w2500", "␣w3999"} <= set(shown)
    assert shown.count("") == 3
    many = tuple((f"p{i}", 20 * i, 20 * i + 1, "ok") for i in range(200))
    example = only(report(drawn(0, pieces, prompt_tokens=2000, exact=(0, 4000), positions=many))).examples[0]
    assert len([t for t in tokens(example) if t.shown]) <= examples.MOST


def test_tokens_of_blanks_control_characters_and_great_length_are_shown():
    pieces = (" ", "\n\n", "\x07", "\u202e", "x" * 80, "", "\ud800", "</s>")
    shown = [t.shown for t in tokens(only(report(drawn(0, pieces, positions=(), exact=None))).examples[0])]
    assert shown == ["␣", "↵↵", "\\x07", "\\u202e", "x" * 24 + "…" + "x" * 24, "·", "\\ud800", "</s>"]


def test_examples_are_saved_and_read_without_loss(tmp_path, base):
    odd = replace(
        base, examples=(*base.examples, drawn(9, ("\ud83d\ude00", "\ud800", "<b>"), positions=(), exact=None))
    )
    archive.write(odd, tmp_path)
    assert archive.read(tmp_path).examples == odd.examples


def test_a_report_without_examples_is_still_read(tmp_path, base):
    archive.write(base, tmp_path)
    path = tmp_path / "results" / "results.json"
    card = archive.read_json(path)
    del card["examples"]
    archive.write_json(path, {"format": archive.FORMAT, **card})
    assert archive.read(tmp_path).examples == ()


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_text_can_be_read_on_every_shade(mode):
    found = shades.of(theme.load("paper"), mode)
    assert all(shades.contrast(one.ink, one.ground) >= 4.5 for one in found)
    assert len({one.ground for one in found}) == 7


def test_a_theme_without_the_scheme_has_shades_that_can_be_read():
    bare = replace(theme.load("paper"), schemes={})
    assert all(
        shades.contrast(one.ink, one.ground) >= 4.5 for mode in ("light", "dark") for one in shades.of(bare, mode)
    )


def test_an_illustration_says_whose_tokens_they_are_and_why_it_is_shown():
    given, sequences, labels = rows(order=range(5))
    alone = np.array([[0, 1]])
    sequences = replace(sequences, pieces=(("a",),) * 5, special=(np.array([False]),) * 5, offsets=(alone,) * 5)
    places = synthetic.np.empty((5, 0), dtype=np.int32)
    from layergrid.artifacts import Positions

    made = illustrated(
        given, sequences, labels, Positions((), places, places, places.astype(str)), "gold", 3, "tiny", "so"
    )
    assert (made.example_id, made.model, made.why, made.gold) == ("q3", "tiny", "so", "3")

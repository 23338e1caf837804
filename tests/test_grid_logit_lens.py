from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import families
import tiny_models
from layergrid import lens
from layergrid.artifacts import Examples, Labels, Positions
from layergrid.capture import capture
from layergrid.generate import generate, read
from layergrid.graders import no_labels
from layergrid.grids.logit_lens import LogitLensGrid
from layergrid.kinds import BadInput, Inputs

N, NEW = 12, 6
NAMES = ("last_q", "first_answer", "third_answer", "-1")


def columns(n=N):
    return {"answer": tuple(f"{i}7" for i in range(n))}


def examples(n=N):
    ids = tuple(f"q{i}" for i in range(n))
    return Examples("sums", "sums.csv", ids, tuple(f"g{i // 2}" for i in range(n)), columns(n), "sha256:0")


@pytest.fixture(scope="module")
def loaded():
    return tiny_models.loaded(seed=3)


@pytest.fixture(scope="module")
def inputs(loaded, tmp_path_factory):
    return of(loaded, tmp_path_factory.mktemp("states"))


def of(loaded, folder, site="residual"):
    """Real completions of a random model, with states at four positions; half of the answers are called right."""
    rows = examples()
    prompts = [f"What is {i} plus {3 * i}? Answer:" for i in range(N)]
    sequences = generate(loaded, rows.ids, prompts, max_new_tokens=NEW, batch=N)
    start = np.stack([sequences.prompt_tokens + k for k in (-1, 0, 2)], axis=1)
    start = np.concatenate([start, [[len(ids) - 1] for ids in sequences.ids]], axis=1).astype(np.int32)
    positions = Positions(NAMES, start, start + 1, np.full((N, 4), "ok", dtype="<U12"))
    states = capture(loaded, sequences, positions, folder, sites=(site,))
    labels = Labels(
        "exact", "the first words", np.stack([sequences.prompt_chars + 1, sequences.prompt_chars + 3], axis=1),
        ("x",) * N, np.arange(N) % 2 == 0, ("",) * N, gold="answer",
    )  # fmt: skip
    return Inputs(
        name="next", model="tiny", examples=rows, sequences=sequences, labels=labels, positions=positions,
        activations=states, seed=0, readout=lens.readout(loaded),
    )  # fmt: skip


def without(inputs, *names):
    """The same inputs without some positions; the activations keep them."""
    kept = [i for i, name in enumerate(inputs.positions.names) if name not in names]
    p = inputs.positions
    positions = Positions(tuple(p.names[i] for i in kept), p.start[:, kept], p.stop[:, kept], p.status[:, kept])
    return replace(inputs, positions=positions)


def compute(inputs, **options):
    return LogitLensGrid(**options).compute(inputs)


class Recorder:
    """Stands for a readout: records what it is asked, and tokenises one character to one token, its code."""

    def __init__(self):
        self.targets, self.texts = [], []

    def __call__(self, states, targets):
        self.targets.append(np.array(targets))
        return np.full(len(states), -1.0, np.float32), np.full(len(states), 2)

    def encode(self, text):
        self.texts.append(text)
        at = np.arange(len(text), dtype=np.int32)
        return np.array([ord(c) for c in text], dtype=np.int32), np.stack([at, at + 1], axis=1)


# ---------------------------------------------------------------- the next token


def test_the_last_layer_gives_the_models_own_log_probability_of_what_it_wrote(inputs):
    found = compute(without(inputs, "-1"), measure="log_probability")
    logprobs = inputs.sequences.logprobs
    assert all(len(one) == NEW for one in logprobs)
    expected = np.array([[one[k] for one in logprobs] for k in (0, 1, 3)])
    order = [inputs.examples.ids.index(one) for one in found.measured.example_ids]
    np.testing.assert_allclose(found.measured.cells[-1], expected[:, order], atol=1e-4)
    np.testing.assert_allclose(found.grid.value[-1], expected.mean(axis=1), atol=1e-4)


@pytest.mark.parametrize("family", families.PAIRS)
def test_a_decoder_beside_an_encoder_gives_the_models_own_log_probability_too(family, tmp_path):
    inputs = of(families.loaded(family), tmp_path, "decoder.residual")
    found = compute(without(inputs, "-1"), site="decoder.residual", measure="log_probability")
    order = [inputs.examples.ids.index(one) for one in found.measured.example_ids]
    expected = np.array([[inputs.sequences.logprobs[i][k] for i in order] for k in (1, 3)])
    np.testing.assert_allclose(found.measured.cells[-1, 1:], expected, atol=1e-4)
    assert set(found.grid.status[:, 0]) == {"missing"}  # the prompt is the encoder's


def test_an_encoder_reads_the_token_that_stands_there(tmp_path):
    import torch

    loaded, rows = families.loaded("bert"), examples()
    sequences = read(loaded, rows.ids, [f"What is {i} plus {3 * i}?" for i in range(N)])
    start = np.full((N, 1), 4, dtype=np.int32)
    where = Positions(("fourth",), start, start + 1, np.full((N, 1), "ok"))
    given = Inputs(
        name="own", model="tiny", examples=rows, sequences=sequences, labels=no_labels(rows), positions=where,
        activations=capture(loaded, sequences, where, tmp_path), seed=0, readout=lens.readout(loaded),
    )  # fmt: skip
    found = compute(given, target="own", measure="log_probability")
    for name, one in zip(found.measured.example_ids, found.measured.cells[-1, 0], strict=True):
        ids = torch.from_numpy(sequences.ids[rows.ids.index(name)].astype(np.int64))[None]
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids).logits[0, 4]
        assert one == pytest.approx(float(logits.log_softmax(-1)[ids[0, 4]]), abs=1e-4)


def test_what_was_chosen_greedily_ranks_first_in_the_last_layer(inputs):
    shorter = without(inputs, "-1")
    for measure in ("rank", "reciprocal_rank", "top1"):
        assert compute(shorter, measure=measure).grid.value[-1].tolist() == [1.0, 1.0, 1.0]
    ranks = compute(shorter, measure="rank").measured.cells
    assert (ranks[0] > 1).any()
    reciprocal = compute(shorter, measure="reciprocal_rank").measured.cells
    np.testing.assert_allclose(reciprocal, 1 / ranks, rtol=1e-6)
    np.testing.assert_array_equal(compute(shorter, measure="top1").measured.cells, ranks == 1)


def test_probabilities_are_those_of_the_log_probabilities(inputs):
    shorter = without(inputs, "-1")
    a, b = compute(shorter), compute(shorter, measure="log_probability")
    np.testing.assert_allclose(a.measured.cells, np.exp(b.measured.cells), rtol=1e-5)
    assert ((a.grid.value >= 0) & (a.grid.value <= 1)).all()


def test_a_rank_is_a_median_and_the_others_are_means(inputs):
    shorter = without(inputs, "-1")
    ranks = compute(shorter, measure="rank")
    np.testing.assert_array_equal(ranks.grid.value, np.median(ranks.measured.cells, axis=2))
    assert ranks.measured.statistic == "median"
    assert ranks.grid.quantity.higher_is == "less"
    assert compute(shorter).measured.statistic == "mean"
    assert (ranks.grid.low <= ranks.grid.value).all()
    assert (ranks.grid.high >= ranks.grid.value).all()


def test_the_end_of_a_sequence_has_no_next_token_and_costs_the_others_no_row(inputs):
    grid = compute(inputs).grid
    assert set(grid.status[:, 3]) == {"missing"}
    assert grid.reason[0, 3].startswith("no example that counts has the token that is asked for: none follows there")
    assert set(grid.status[:, :3].ravel()) == {"ok"}
    assert grid.n[:, :3].min() == N
    assert grid.n[:, 3].max() == 0
    assert grid.settings["positions_left_out"] == ["-1"]


def test_an_example_whose_position_is_the_last_token_is_left_out_where_others_go_on(inputs):
    shorter = without(inputs, "-1")
    start = shorter.positions.start.copy()
    start[4, 2] = len(inputs.sequences.ids[4]) - 1
    found = compute(replace(shorter, positions=replace(shorter.positions, start=start, stop=start + 1)))
    assert "q4" not in found.measured.example_ids
    assert found.grid.settings["rows"] == N - 1


def test_after_a_position_of_several_tokens_comes_what_follows_the_last_of_them(inputs):
    shorter = without(inputs, "-1", "third_answer")
    wide = replace(shorter, positions=replace(shorter.positions, stop=shorter.positions.start + 3))
    for target, shift in (("next", 3), ("own", 2)):
        recorder = Recorder()
        found = compute(replace(wide, readout=recorder), target=target)
        rows = [inputs.examples.ids.index(one) for one in found.measured.example_ids]
        expected = [inputs.sequences.ids[i][inputs.sequences.prompt_tokens[i] - 1 + shift] for i in rows]
        assert recorder.targets[0].tolist() == expected


def test_each_layer_and_position_is_read_with_its_own_states(inputs):
    class Echo(Recorder):
        def __call__(self, states, _targets):
            return states[:, 0], np.ones(len(states), dtype=np.int64)

    found = compute(replace(without(inputs, "-1", "last_q"), readout=Echo()), measure="log_probability")
    values = inputs.activations["residual"].values
    order = [inputs.examples.ids.index(one) for one in found.measured.example_ids]
    np.testing.assert_array_equal(found.measured.cells, values[:, 1:3][:, :, order, 0])


# ---------------------------------------------------------------- answers


def written(inputs, readout=None):
    """Texts of one token a character: "Q1: it is 93." where 93 is the exact answer, tokens from 10 on."""
    n = len(inputs.examples.ids)
    texts = tuple(f"Q{i % 10}: it is 93." for i in range(n))
    length = len(texts[0])
    offsets = np.stack([np.arange(length), np.arange(length) + 1], axis=1).astype(np.int32)
    sequences = replace(
        inputs.sequences, texts=texts, ids=tuple(np.array([ord(c) for c in one], dtype=np.int32) for one in texts),
        offsets=(offsets,) * n, special=(np.zeros(length, dtype=bool),) * n,
        prompt_tokens=np.full(n, 3, np.int32), prompt_chars=np.full(n, 3, np.int32),
    )  # fmt: skip
    labels = replace(inputs.labels, spans=np.tile([10, 12], (n, 1)).astype(np.int32))
    start = np.tile([2, 3, 5, length - 1], (n, 1)).astype(np.int32)
    positions = replace(inputs.positions, start=start, stop=start + 1)
    return replace(inputs, sequences=sequences, labels=labels, positions=positions, readout=readout or Recorder())


def asked(inputs, **options):
    """The token that was asked for by example."""
    found = compute(inputs, **options)
    (targets, *others) = inputs.readout.targets
    assert all(np.array_equal(targets, one) for one in others)
    return dict(zip(found.measured.example_ids, targets.tolist(), strict=True))


def test_the_answer_is_asked_for_by_the_token_that_the_model_wrote(inputs):
    found = asked(written(inputs), target="answer")
    assert found == {f"q{i}": ord("9") for i in range(N)}


def test_the_answers_first_token_may_begin_before_the_answer(inputs):
    given = written(inputs)
    merged = given.sequences.offsets[0].copy()
    merged[10] = (9, 11)  # " 9" in one token
    given = replace(given, sequences=replace(given.sequences, offsets=(merged,) * N))
    assert set(asked(given, target="answer").values()) == {ord("9")}


def test_examples_without_an_exact_answer_are_left_out(inputs):
    given = written(inputs)
    spans = given.labels.spans.copy()
    spans[[1, 5]] = -1
    found = asked(replace(given, labels=replace(given.labels, spans=spans)), target="answer")
    assert set(found) == {f"q{i}" for i in range(N)} - {"q1", "q5"}
    nowhere = replace(given, labels=replace(given.labels, spans=np.full((N, 2), -1, np.int32)))
    grid = compute(nowhere, target="answer").grid
    assert set(grid.status.ravel()) == {"missing"}
    assert "no exact answer was found" in grid.reason[0, 0]


def test_the_right_answer_is_tokenised_in_the_exact_answers_place_where_it_was_not_written(inputs):
    given = written(inputs)
    found = asked(given, target="gold")
    for i in range(N):
        right = given.labels.correct[i]
        assert found[f"q{i}"] == (ord("9") if right else ord(f"{i}7"[0])), i
    assert given.readout.texts == [f"Q{i % 10}: it is {i}7." for i in range(1, N, 2)]


def test_right_answers_of_other_types_are_spelt_as_text_and_missing_ones_left_out(inputs):
    values = (1, 12.0, 2.5, None, "", " 4", True, 3, 4, 5, 6, 7)
    given = written(inputs)
    wrong = replace(given.labels, correct=np.zeros(N, dtype=bool))
    given = replace(given, labels=wrong, examples=replace(given.examples, columns={"answer": values}))
    found = asked(given, target="gold")
    assert found == {
        "q0": ord("1"), "q1": ord("1"), "q2": ord("2"), "q5": ord("4"), "q6": ord("T"), **{
            f"q{i}": ord(str(values[i])) for i in range(7, N)
        },
    }  # fmt: skip
    assert given.readout.texts[1] == "Q1: it is 12."


def test_right_answers_are_tokenised_by_the_models_tokenizer_in_context(inputs, loaded):
    given = written(inputs, readout=lens.readout(loaded))
    tokenizer = tiny_models.tokenizer()
    whole = tokenizer("Q1: it is 17.", add_special_tokens=False)["input_ids"]
    pieces = [tokenizer.decode([one]) for one in whole]
    asked_for = []

    class Spy(Recorder):
        encode = staticmethod(given.readout.encode)

        def __call__(self, states, targets):
            asked_for.append(targets)
            return super().__call__(states, targets)

    wrong = replace(given.labels, correct=np.zeros(N, dtype=bool))
    found = compute(replace(given, readout=Spy(), labels=wrong), target="gold")
    row = found.measured.example_ids.index("q1")
    assert pieces[-4:] == [" ", "1", "7", "."]
    assert asked_for[0][row] == whole[-3]


def test_wrong_answers_that_begin_like_the_right_one_are_counted(inputs):
    values = ("0", "95", *("17",) * (N - 2))  # q1 is wrong and begins with 9, as what was written does
    given = written(inputs)
    given = replace(given, examples=replace(given.examples, columns={"answer": values}))
    settings = compute(given, target="gold").grid.settings
    assert (settings["rows_wrong"], settings["rows_wrong_alike"]) == (N // 2, 1)


def test_targets_of_answers_need_answers(inputs):
    read = replace(inputs, sequences=replace(inputs.sequences, written=False))
    column = replace(inputs, labels=replace(inputs.labels, grader="", rule=""))
    for given in (read, column):
        with pytest.raises(BadInput, match=r"grids\.next\.target: 'answer' is a token of an exact answer, .*'sums'"):
            compute(given, target="answer")
    nameless = replace(inputs, labels=replace(inputs.labels, gold=""))
    with pytest.raises(BadInput, match=r"grids\.next\.target: data set 'sums' names no column of right answers"):
        compute(nameless, target="gold")
    assert compute(read).grid.has_value.any()


# ---------------------------------------------------------------- contrasts, statuses, words


def test_a_contrast_is_the_difference_of_the_class_means(inputs):
    found = compute(without(inputs, "-1"), contrast="error", measure="log_probability")
    cells, wrong = found.measured.cells.astype(np.float64), found.measured.labels
    assert [not inputs.labels.correct[inputs.examples.ids.index(one)] for one in found.measured.example_ids] == list(
        wrong
    )
    expected = cells[..., wrong].mean(axis=-1) - cells[..., ~wrong].mean(axis=-1)
    np.testing.assert_allclose(found.grid.value, expected, atol=1e-6)
    assert found.grid.contrast == "wrong answers - right answers"
    assert [f.name for f in found.grid.facets] == ["wrong answers", "right answers"]


def test_states_that_are_no_numbers_leave_their_cell_without_a_value(inputs):
    one = inputs.activations["residual"]
    values = np.array(one.values)
    values[2, 1, 3] = np.nan
    found = compute(replace(without(inputs, "-1"), activations={"residual": replace(one, values=values)}))
    assert found.grid.status[2, 1] == "not_finite"
    assert np.isnan(found.grid.value[2, 1])
    assert np.count_nonzero(found.grid.status != "ok") == 1


def test_a_layer_without_states_is_said_to_lack_them_and_is_not_read(inputs):
    one = replace(inputs.activations["residual"], lacking={2: "block 2 has none"})
    recorder = Recorder()
    grid = compute(replace(without(inputs, "-1"), activations={"residual": one}, readout=recorder)).grid
    assert set(grid.status[2]) == {"lacking"}
    assert set(grid.reason[2]) == {"block 2 has none"}
    assert len(recorder.targets) == 4 * 3


def test_rows_whose_status_does_not_count_are_left_out(inputs):
    shorter = without(inputs, "-1")
    status = shorter.positions.status.copy()
    status[7, 1] = "truncated"
    cut = replace(shorter, positions=replace(shorter.positions, status=status))
    assert "q7" not in compute(cut).measured.example_ids
    assert "q7" in compute(cut, statuses=("ok", "truncated")).measured.example_ids


def test_progress_counts_the_cells_that_are_read(inputs):
    seen = []
    compute(replace(inputs, progress=lambda done, total: seen.append((done, total))))
    assert seen == [(i, 15) for i in range(16)]


@pytest.mark.parametrize("measure", ["probability", "log_probability", "rank", "reciprocal_rank", "top1"])
@pytest.mark.parametrize("target", ["next", "own", "answer", "gold"])
def test_what_a_cell_is_stands_in_its_quantity(inputs, measure, target):
    grid = compute(written(inputs), measure=measure, target=target).grid
    said = grid.quantity
    assert (grid.kind, grid.metric, grid.site) == ("logit_lens", measure, "residual")
    assert measure.replace("log_", "log-").replace("_", " ").replace("top1", "most probable") in said.sentence
    assert "by the model's own last norm and head; in the last layer it is the model's own prediction." in said.sentence
    assert said.caution.startswith("The layers before the last were not trained")
    assert said.claim == "readable"
    assert {"measure", "target"} <= set(grid.settings["methods"])
    assert "nostalgebraist" in grid.settings["methods"]["measure"]


def test_needs_name_the_head_and_labels_only_where_they_are_used():
    assert LogitLensGrid().needs().readout
    assert not LogitLensGrid().needs().labels
    assert LogitLensGrid(target="gold").needs().labels
    assert LogitLensGrid(contrast="error").needs().labels
    assert LogitLensGrid(site="decoder.residual", layers="2..4").needs().sites == {"decoder.residual"}


def test_other_sites_than_the_residual_stream_are_refused():
    with pytest.raises(ValueError, match="residual"):
        LogitLensGrid(site="mlp_out")

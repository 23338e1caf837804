from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import tiny_models
from layergrid.artifacts import Positions, Sequences
from layergrid.capture import capture
from layergrid.kinds import BadInput
from layergrid.models import blocks
from layergrid.models.feeding import plan
from tiny_models import FAMILIES, LAYERS, WIDTH

LENGTHS = (5, 17, 9, 1, 30, 9)
SPANS = ((0, 1), (2, 5), (-1, 0), (1, 2))  # first token, three tokens, last token, second token
NAMES = ("first", "three", "last", "second")


def sequences(lengths=LENGTHS, seed=0, vocabulary=290) -> Sequences:
    draw = np.random.default_rng(seed)
    ids = tuple(draw.integers(2, vocabulary, size=n).astype(np.int32) for n in lengths)
    return Sequences(
        example_ids=tuple(f"q{i}" for i in range(len(lengths))),
        ids=ids,
        offsets=tuple(np.zeros((n, 2), np.int32) for n in lengths),
        pieces=tuple(("x",) * n for n in lengths),
        special=tuple(np.zeros(n, bool) for n in lengths),
        texts=("",) * len(lengths),
        prompt_tokens=np.ones(len(lengths), np.int32),
        prompt_chars=np.zeros(len(lengths), np.int32),
        logprobs=tuple(np.zeros(n - 1, np.float32) for n in lengths),
        stopped=np.ones(len(lengths), bool),
    )


def positions(lengths=LENGTHS, spans=SPANS, names=NAMES) -> Positions:
    """Spans counted from the start, or from the end where negative; missing where they do not fit."""
    start = np.full((len(lengths), len(spans)), -1, np.int32)
    stop = start.copy()
    for i, n in enumerate(lengths):
        for p, (a, b) in enumerate(spans):
            a, b = (a, b) if a >= 0 else (n + a, n + b)
            if 0 <= a < b <= n:
                start[i, p], stop[i, p] = a, b
    return Positions(names, start, stop, np.where(start < 0, "missing", "ok"))


def official(loaded, ids):
    """transformers' own hidden states of one sequence: float32 [L + 1, T, D]; the last is after the final norm."""
    import torch

    with torch.inference_mode():
        out = loaded.model(torch.from_numpy(ids[None].astype(np.int64)), output_hidden_states=True, use_cache=False)
    return torch.stack(out.hidden_states)[:, 0]


def final_norm(loaded):
    base = loaded.model.base_model
    for path in ("norm", "ln_f", "final_layer_norm", "decoder.final_layer_norm"):
        if all(hasattr(base if i == 0 else base.decoder, part) for i, part in enumerate(path.split("."))):
            return base.get_submodule(path)
    raise AssertionError("no final norm")


def difference(found, expected):
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return tiny_models.loaded(request.param)


@pytest.fixture(scope="module")
def found(family, tmp_path_factory):
    folder = tmp_path_factory.mktemp("capture")
    return capture(family, sequences(), positions(), folder, batch_tokens=64)["residual"]


def test_states_equal_transformers_own_hidden_states_up_to_the_last_layer(family, found):
    where = positions()
    for i, ids in enumerate(sequences().ids):
        expected = official(family, ids).numpy()
        for p in np.flatnonzero(found.present[i]):
            span = slice(where.start[i, p], where.stop[i, p])
            for layer in range(LAYERS):
                assert difference(found.values[layer, p, i], expected[layer, span].mean(axis=0)) < 1e-5


def test_the_last_layer_through_the_final_norm_is_the_last_hidden_state(family, found):
    import torch

    norm = final_norm(family)
    for i, ids in enumerate(sequences().ids):
        with torch.inference_mode():
            normed = norm(torch.from_numpy(found.values[LAYERS, 2, i].copy())).numpy()
        expected = official(family, ids)[-1, -1].numpy()
        assert difference(normed, expected) < 1e-5
        assert difference(found.values[LAYERS, 2, i], expected) > 0.05  # the raw stream itself is another thing


def test_any_two_layers_differ_by_a_margin_so_that_a_swap_would_be_seen(family, found):
    for a in range(LAYERS + 1):
        for b in range(a):
            assert difference(found.values[a, 2], found.values[b, 2]) > 0.1
    for i, ids in enumerate(sequences().ids):
        swapped = official(family, ids).numpy()[[0, 2, 1, 3, 4]]
        assert difference(found.values[1, 2, i], swapped[1, -1]) > 0.01


def test_batched_equals_one_at_a_time_under_padding(family, found, tmp_path):
    alone = capture(family, sequences(), positions(), tmp_path, batch_tokens=1)["residual"]
    np.testing.assert_allclose(found.values, alone.values, rtol=1e-4, atol=1e-4 * np.abs(alone.values).max())


def test_the_shape_is_layers_positions_examples_width(found):
    assert found.values.shape == (LAYERS + 1, len(NAMES), len(LENGTHS), WIDTH)
    assert found.values.dtype == np.float32
    assert isinstance(found.values, np.memmap)
    assert found.layers == tuple(range(LAYERS + 1))
    assert found.positions == NAMES
    assert found.example_ids == sequences().example_ids


def test_a_position_without_a_token_is_zero_and_marked_absent(found):
    assert found.present.tolist()[3] == [True, False, True, False]
    assert not found.values[:, [1, 3], 3].any()
    assert found.values[:, [0, 2], 3].any(axis=-1).all()


def test_positions_that_share_a_token_hold_the_same_states(found):
    np.testing.assert_array_equal(found.values[:, 0, 3], found.values[:, 2, 3])  # first and last of one token


def test_the_language_model_head_never_runs(family, tmp_path):
    calls = []
    head = family.model.get_output_embeddings()
    handle = head.register_forward_hook(lambda *_: calls.append(1))
    capture(family, sequences(), positions(), tmp_path)
    assert calls == []
    official(family, sequences().ids[0])
    handle.remove()
    assert calls == [1]


def test_each_block_runs_once_per_batch_after_three_trials_on_a_few_tokens(family, tmp_path):
    calls = []
    handles = [block.register_forward_hook(lambda *_: calls.append(1)) for block in blocks(family)]
    capture(family, sequences(), positions(), tmp_path, batch_tokens=64)
    for handle in handles:
        handle.remove()
    batches = plan(np.array(LENGTHS)[:, None], np.arange(len(LENGTHS)), 64)
    assert len(calls) == LAYERS * (3 + len(batches))


def hooks(loaded):
    return [
        len(registry)
        for module in loaded.model.modules()
        for registry in (module._forward_hooks, module._forward_pre_hooks)
    ]


def test_hooks_are_gone_afterwards_and_after_an_exception(family, tmp_path):
    before = hooks(family)
    capture(family, sequences(), positions(), tmp_path)
    assert hooks(family) == before
    boom = blocks(family)[2].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        capture(family, sequences(), positions(), tmp_path)
    boom.remove()
    assert hooks(family) == before


def test_nothing_of_the_whole_batch_outlives_its_layer(tmp_path):
    import gc
    import weakref

    loaded = tiny_models.loaded()
    alive, most = [], 0

    def watch(_module, args, output):
        nonlocal most
        if len(args[0]) != len(LENGTHS):
            return  # the pass that tells the parts
        alive.append(weakref.ref(output[0] if isinstance(output, tuple) else output))
        gc.collect()
        most = max(most, sum(one() is not None for one in alive))

    handles = [block.register_forward_hook(watch) for block in blocks(loaded)]
    capture(loaded, sequences(), positions(), tmp_path)
    for handle in handles:
        handle.remove()
    assert len(alive) == LAYERS
    assert most <= 2  # a block's own output, and its input which is the one before


@pytest.mark.parametrize("layers", [(0,), (3, 1), (LAYERS,), (0, 2, 4)])
def test_chosen_layers_equal_the_same_layers_of_the_whole(layers, tmp_path):
    loaded = tiny_models.loaded()
    whole = capture(loaded, sequences(), positions(), tmp_path)["residual"].values.copy()
    some = capture(loaded, sequences(), positions(), tmp_path, layers=[layers])["residual"]
    assert some.layers == tuple(sorted(layers))
    np.testing.assert_array_equal(some.values, whole[sorted(layers)])


def test_a_layer_or_site_that_is_not_there_is_refused_with_what_is(tmp_path):
    loaded = tiny_models.loaded()
    with pytest.raises(BadInput, match=r"tiny has no layer 5; its layers go from 0 \(embedding\) to 4"):
        capture(loaded, sequences(), positions(), tmp_path, layers=[(5,)])
    with pytest.raises(BadInput, match="'elbow' is not known; known: residual, mlp_in"):
        capture(loaded, sequences(), positions(), tmp_path, sites=("elbow",))


def test_a_sequence_longer_than_the_context_is_named(tmp_path):
    with pytest.raises(BadInput, match="'q1' has 97 tokens; the context of model tiny is 96"):
        capture(tiny_models.loaded(), sequences((3, 97)), positions((3, 97)), tmp_path)


def test_numbers_that_are_not_finite_stay_as_they_are(tmp_path):
    loaded = tiny_models.loaded()
    blocks(loaded)[1].mlp.down_proj.weight.data[:] = float("nan")
    values = capture(loaded, sequences(), positions(), tmp_path)["residual"].values
    present = positions().start.T >= 0
    assert np.isfinite(values[:2]).all()
    assert np.isnan(values[2:, present]).all()


def test_examples_without_any_position_are_not_run(tmp_path):
    loaded, where = tiny_models.loaded(), positions()
    none = replace(where, start=np.full_like(where.start, -1), stop=np.full_like(where.stop, -1))
    calls = []
    handle = blocks(loaded)[0].register_forward_pre_hook(lambda *_: calls.append(1))
    values = capture(loaded, sequences(), none, tmp_path)["residual"].values
    handle.remove()
    assert calls == [1]  # the pass that tells the parts
    assert not values.any()


def test_half_precision_is_stored_as_float32(tmp_path):
    import torch

    loaded = tiny_models.loaded()
    exact = capture(loaded, sequences(), positions(), tmp_path)["residual"].values.copy()
    loaded.model.to(torch.bfloat16)
    rough = capture(loaded, sequences(), positions(), tmp_path)["residual"].values
    assert rough.dtype == np.float32
    assert 0 < difference(rough[0], exact[0]) < 0.02


def test_batches_hold_at_most_the_budget_with_their_padding_and_every_example_once():
    lengths = np.random.default_rng(3).integers(1, 60, size=200)
    batches = plan(lengths[:, None], np.arange(200), 256)
    assert sorted(np.concatenate(batches).tolist()) == list(range(200))
    assert all(len(one) * lengths[one].max() <= 256 for one in batches)
    assert [lengths[one].max() for one in batches] == sorted([lengths[one].max() for one in batches], reverse=True)
    assert len(plan(np.array([[500], [3]]), np.arange(2), 256)) == 2


def test_progress_counts_up_to_all_examples(tmp_path):
    seen = []
    capture(tiny_models.loaded(), sequences(), positions(), tmp_path, batch_tokens=64,
            progress=lambda done, total: seen.append((done, total)))  # fmt: skip
    assert seen[0] == (0, 6)
    assert seen[-1] == (6, 6)
    assert seen == sorted(seen)

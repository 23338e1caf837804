from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import families
import layergrid.capture as capture_module
import layergrid.capture.values as capture_values
import tiny_models
from layergrid.artifacts import Positions, Sequences
from layergrid.capture import capture
from layergrid.kinds import SITES, BadInput, BuildError, LayerRange
from layergrid.models import architecture, blocks
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


# ---------------------------------------------------------------- layers and sites


@pytest.mark.parametrize(
    ("choices", "layers"),
    [
        (["all"], (0, 1, 2, 3, 4)),
        (["1..3"], (1, 2, 3)),
        ([LayerRange(start=0, every=2)], (0, 2, 4)),
        ([(4, 1), "2..2"], (1, 2, 4)),
        ([LayerRange(start=3, to=3), (0,)], (0, 3)),
    ],
)
def test_the_layers_are_the_union_of_the_choices(choices, layers, tmp_path):
    found = capture(tiny_models.loaded(), sequences(), positions(), tmp_path, sites=SITES, layers=choices)
    assert found["residual"].layers == layers
    for site in ("mlp_in", "mlp_out", "attention_out", "head_out"):
        assert found[site].layers == tuple(layer for layer in layers if layer)


def test_sites_of_one_pass_equal_those_captured_alone(tmp_path):
    loaded, (together, alone) = tiny_models.loaded(), (tmp_path / "together", tmp_path / "alone")
    together.mkdir()
    alone.mkdir()
    whole = capture(loaded, sequences(), positions(), together, sites=SITES, layers=["0..2", (4,)])
    assert sorted(path.name for path in together.iterdir()) == sorted(f"{site}.npy" for site in SITES)
    for site in SITES:
        one = capture(loaded, sequences(), positions(), alone, sites=[site], layers=["0..2", (4,)])[site]
        np.testing.assert_array_equal(one.values, whole[site].values)
        assert (one.site, one.heads) == (site, 4 if site == "head_out" else 0)


def test_blocks_above_the_highest_chosen_layer_are_not_run(tmp_path):
    loaded, calls = tiny_models.loaded(), []
    handles = [
        block.register_forward_hook(lambda module, args, output: calls.append((module, len(args[0]))))
        for block in blocks(loaded)
    ]
    capture(loaded, sequences(), positions(), tmp_path, sites=["residual", "mlp_out"], layers=["1..2"])
    for handle in handles:
        handle.remove()
    run = [module for module, rows in calls if rows == len(LENGTHS)]
    assert run == blocks(loaded)[:2]


def test_what_is_held_is_written_before_it_becomes_much(tmp_path, monkeypatch):
    loaded = tiny_models.loaded()
    whole = capture(loaded, sequences(), positions(), tmp_path)["residual"].values.copy()
    written = []
    write = capture_values.Held.write
    monkeypatch.setattr(capture_values.Held, "write", lambda held: (written.append(held.bytes), write(held)))
    monkeypatch.setattr(capture_values, "HELD_BYTES", 1)
    values = capture(loaded, sequences(), positions(), tmp_path)["residual"].values
    assert len(written) == LAYERS + 2  # once a layer, and at the end of the one batch
    np.testing.assert_array_equal(values, whole)


# ---------------------------------------------------------------- two stacks


@pytest.fixture(params=families.PAIRS)
def pair(request):
    return families.loaded(request.param)


def with_prompts(lengths, prompts):
    return replace(sequences(lengths), prompt_tokens=np.array(prompts, np.int32))


def test_each_stack_holds_the_positions_that_it_reads_and_no_other(pair, tmp_path):
    texts = with_prompts((9, 12), (4, 12))
    where = positions((9, 12), ((0, 1), (3, 4), (4, 5), (3, 5), (-1, 0)), ("first", "end", "written", "across", "last"))
    found = capture(pair, texts, where, tmp_path, sites=["decoder.residual", "encoder.residual"])
    assert list(found) == ["encoder.residual", "decoder.residual"]
    encoder, decoder = found["encoder.residual"], found["decoder.residual"]
    assert encoder.present.tolist() == [[True, True, False, False, False], [True, True, True, True, True]]
    assert decoder.present.tolist() == [[False, False, True, False, True], [False] * 5]
    assert (encoder.layers, decoder.layers) == ((0, 1, 2, 3), (0, 1, 2, 3, 4))
    for one in (encoder, decoder):
        assert one.values[:, one.present.T].any(axis=-1).all()
        assert not one.values[:, ~one.present.T].any()


def test_the_encoder_alone_leaves_the_decoder_alone(pair, tmp_path):
    calls = []
    handle = pair.model.get_decoder().register_forward_pre_hook(lambda *_: calls.append(1))
    texts, where = with_prompts((9, 12), (4, 12)), positions((9, 12))
    capture(pair, texts, where, tmp_path, sites=["encoder.mlp_out"])
    handle.remove()
    assert calls == [1]  # the trial that tells the parts


def test_a_layer_that_only_one_stack_has_is_read_from_that_one(pair, tmp_path):
    texts, where = with_prompts((9, 12), (4, 8)), positions((9, 12))
    both = capture(pair, texts, where, tmp_path, sites=["encoder.residual", "decoder.residual"], layers=["2..4"])
    assert both["encoder.residual"].layers == (2, 3)
    assert both["decoder.residual"].layers == (2, 3, 4)
    with pytest.raises(BadInput, match=r"no layer 4; its layers go from 0 \(embedding\) to 3"):
        capture(pair, texts, where, tmp_path, sites=["encoder.residual"], layers=["2..4"])


def test_sites_must_name_the_stack_where_there_are_two_and_must_not_where_there_is_one(pair, tmp_path):
    wrong = "has an encoder and a decoder: write 'encoder.mlp_out' or 'decoder.mlp_out' for site 'mlp_out'"
    with pytest.raises(BadInput, match=wrong):
        capture(pair, with_prompts((9,), (4,)), positions((9,)), tmp_path, sites=["mlp_out"])
    with pytest.raises(BadInput, match="has one stack of blocks: write 'residual' for site 'encoder"):
        capture(tiny_models.loaded(), sequences(), positions(), tmp_path, sites=["encoder.residual"])


def test_a_text_longer_than_the_context_of_its_stack_is_named_with_the_stack(tmp_path):
    loaded = families.loaded("bart")  # 128 tokens in each
    texts = with_prompts((129, 129), (1, 129))
    with pytest.raises(BadInput, match="'q1' has 129 tokens; the context of the encoder of model tiny is 128"):
        capture(loaded, texts, positions((129, 129)), tmp_path, sites=["encoder.residual"])
    with pytest.raises(BadInput, match="'q0' has 129 tokens; the context of the decoder of model tiny is 128"):
        capture(loaded, with_prompts((129,), (1,)), positions((129,)), tmp_path, sites=["decoder.residual"])


# ---------------------------------------------------------------- what is not there


def test_a_layer_that_a_site_does_not_have_is_refused_where_it_is_the_only_one(tmp_path):
    with pytest.raises(BadInput, match="no mlp_out in the chosen layers: layer 0, the embedding, has the residual"):
        capture(tiny_models.loaded(), sequences(), positions(), tmp_path, sites=["mlp_out"], layers=[(0,)])


def test_a_site_is_suggested_for_one_that_is_misspelt(tmp_path):
    with pytest.raises(BadInput, match="did you mean 'residual'"):
        capture(tiny_models.loaded(), sequences(), positions(), tmp_path, sites=["residuals"])


def test_layers_whose_widths_differ_are_refused_together(tmp_path, monkeypatch):
    loaded = tiny_models.loaded()
    found = architecture.parts(loaded)
    other = replace(found[2].taps["head_out"], width=64)
    found = (*found[:2], replace(found[2], taps={**found[2].taps, "head_out": other}), found[3])
    monkeypatch.setattr(architecture, "parts", lambda *_: found)
    with pytest.raises(BadInput, match="head_out has a width of 32 in layer 4 and 64 in layer 3; choose layers"):
        capture(loaded, sequences(), positions(), tmp_path, sites=["head_out"])


# ---------------------------------------------------------------- memory


def full(loaded, most, error):
    """A hook that runs out of memory where a batch has more than `most` rows; it notes the rows of every try."""
    tries = []

    def hook(_module, args):
        tries.append(len(args[0]))
        if len(args[0]) > most:
            raise error

    return blocks(loaded)[1].register_forward_pre_hook(hook), tries


def out_of_memory():
    import torch

    return (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:117] . DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("MPS backend out of memory (MPS allocated: 9.00 GB"),
        MemoryError(),
    )


@pytest.mark.parametrize("which", range(4))
def test_batches_that_do_not_fit_are_halved_and_give_the_same_states(which, tmp_path):
    loaded, lengths = tiny_models.loaded(), (9,) * 13
    texts, where = sequences(lengths), positions(lengths)
    whole = capture(loaded, texts, where, tmp_path)["residual"].values.copy()
    handle, tries = full(loaded, 4, out_of_memory()[which])
    seen = []
    halved = capture(loaded, texts, where, tmp_path, progress=lambda done, total: seen.append((done, total)))
    handle.remove()
    assert tries == [2, 13, 4, 3, 6, 3, 3]  # the trial, then halves; nothing above half of what was too much
    assert seen == [(0, 13), (4, 13), (7, 13), (10, 13), (13, 13)]
    np.testing.assert_allclose(halved["residual"].values, whole, rtol=1e-4, atol=1e-5)


def test_an_example_that_does_not_fit_alone_is_named(tmp_path):
    def hook(_module, args):
        if args[0].shape[1] == 30:
            raise out_of_memory()[0]

    loaded = tiny_models.loaded()
    handle = blocks(loaded)[1].register_forward_pre_hook(hook)
    with pytest.raises(BuildError, match=r"'q4': its 30 tokens do not fit into the memory of cpu beside model tiny"):
        capture(loaded, sequences(), positions(), tmp_path)
    handle.remove()


def test_an_error_that_is_not_about_memory_is_raised_as_it_is(tmp_path):
    loaded = tiny_models.loaded()
    handle, tries = full(loaded, 2, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        capture(loaded, sequences((9,) * 3), positions((9,) * 3), tmp_path)
    handle.remove()
    assert tries == [2, 3]


# ---------------------------------------------------------------- batches of one stack or two


def test_without_padding_only_equal_lengths_come_together():
    lengths = np.array([[4, 2], [5, 1], [4, 2], [3, 3], [5, 1], [9, 9]])
    batches = plan(lengths, np.arange(6), 1000, pad=False)
    assert sorted(sorted(batch.tolist()) for batch in batches) == [[0, 2], [1, 4], [3], [5]]
    assert len(plan(lengths, np.arange(6), 1000)) == 1


def test_the_budget_counts_the_padding_of_both_stacks():
    lengths = np.random.default_rng(5).integers(1, 40, size=(120, 2))
    batches = plan(lengths, np.arange(0, 120, 2), 300)
    assert sorted(np.concatenate(batches).tolist()) == list(range(0, 120, 2))
    assert all(len(one) == 1 or len(one) * lengths[one].max(axis=0).sum() <= 300 for one in batches)
    assert len(batches) < 30


def test_a_cpu_gets_small_batches_of_itself(tmp_path, monkeypatch):
    loaded, seen = tiny_models.loaded(), []
    monkeypatch.setattr(
        capture_module, "plan", lambda *args, **options: (seen.append(args[2]), plan(*args, **options))[1]
    )
    capture(loaded, sequences(), positions(), tmp_path)
    capture(loaded, sequences(), positions(), tmp_path, batch_tokens=77)
    assert seen == [capture_module.BATCH_TOKENS["cpu"], 77]

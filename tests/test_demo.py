"""The model and the questions that ship."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from layergrid.demo.questions import OPERATIONS, WORDINGS, evaluation_sums, is_held_out, training_sums
from layergrid.demo.training import (
    MODEL_FOLDER,
    Recipe,
    _bare,
    _batch,
    _dialogue,
    accuracy,
    build_model,
    train,
    train_tokenizer,
)


def test_no_operands_of_an_evaluation_question_occur_in_training():
    trained = {one.operands for one in itertools.islice(training_sums(0), 50_000)}
    asked = {one.operands for one in evaluation_sums(4000)}
    assert not trained & asked
    assert all(is_held_out(pair) for pair in asked)


def test_every_reply_holds_its_right_answer_as_the_last_number_of_its_first_sentence():
    for one in evaluation_sums(2000):
        first = re.split(r"(?<=[.!?])\s", one.reply)[0]
        assert int(re.findall(r"\d+", first)[-1]) == one.answer


def test_questions_cover_all_operations_and_wordings_and_repeat_some_operands():
    asked = evaluation_sums(4000)
    assert {one.operation for one in asked} == set(OPERATIONS)
    assert {one.wording for one in asked} == set(range(len(WORDINGS)))
    assert len({(one.operands, one.operation) for one in asked}) == 4000
    assert 2000 < len({one.operands for one in asked}) < 3500


def test_the_same_seed_gives_the_same_questions_and_a_longer_set_begins_with_the_shorter():
    assert evaluation_sums(50) == evaluation_sums(400)[:50]
    assert evaluation_sums(50) != evaluation_sums(50, seed=1)


def test_the_shipped_folder_is_small_and_describes_its_recipe():
    size = sum(file.stat().st_size for file in MODEL_FOLDER.iterdir())
    assert size < 8_000_000
    shipped = json.loads((MODEL_FOLDER / "training.json").read_text())
    assert Recipe(**shipped["recipe"]) == Recipe()


def test_the_recipe_trains_the_very_tokenizer_that_ships(tmp_path):
    train_tokenizer(Recipe()).save_pretrained(tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == (MODEL_FOLDER / "tokenizer.json").read_bytes()


def test_digits_stand_alone_in_the_tokenizer():
    tokens = train_tokenizer(Recipe()).tokenize(" 4710 minus 385")
    assert [t.strip("Ġ") for t in tokens if any(c.isdigit() for c in t)] == list("4710385")


@pytest.mark.parametrize("write", [_bare, _dialogue])
def test_only_what_is_replied_and_its_end_are_learned(write):
    tokenizer = train_tokenizer(Recipe())
    said, replied = write(evaluation_sums(1)[0])
    ids, mask, targets = _batch([(said, replied)], tokenizer)
    assert tokenizer.decode(ids[0]) == f"<s>{said}{replied}</s>"
    assert tokenizer.decode(ids[0][targets[0] != -100]) == f"{replied}</s>"
    assert mask.all()


@pytest.mark.slow
def test_training_twice_gives_the_same_weights_and_lowers_the_loss(capsys):
    import torch

    short = Recipe(bare_steps=6, dialogue_steps=6, warmup=2)
    first, _ = train(short, report=1)
    second, _ = train(short, report=1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    losses = [float(line.split()[3]) for line in capsys.readouterr().out.splitlines()]
    assert len(losses) == 24
    assert losses[5] < losses[0]
    assert losses[11] < losses[6]


def test_a_model_of_the_recipe_has_the_shape_that_ships():
    config = json.loads((MODEL_FOLDER / "config.json").read_text())
    built = build_model(Recipe(), train_tokenizer(Recipe())).config.to_dict()
    for key in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"):
        assert config[key] == built[key]


def test_the_shipped_model_answers_between_55_and_75_percent_of_unseen_questions():
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(MODEL_FOLDER).eval()
    tokenizer = AutoTokenizer.from_pretrained(MODEL_FOLDER)
    assert 0.55 <= accuracy(model, tokenizer, evaluation_sums(400, seed=2))["all"] <= 0.75


@pytest.mark.slow
def test_the_whole_recipe_writes_the_weights_that_ship(tmp_path):
    """Up to 45 minutes; holds on the platform, library versions and thread count of the shipped training run."""
    from layergrid.demo.training import save

    model, tokenizer = train(Recipe())
    save(model, tokenizer, Recipe(), tmp_path)
    assert (tmp_path / "model.safetensors").read_bytes() == (MODEL_FOLDER / "model.safetensors").read_bytes()

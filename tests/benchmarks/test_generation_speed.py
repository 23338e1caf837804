"""Tokens per second of batched generation, against one prompt at a time."""

from __future__ import annotations

import os
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from layergrid.generate import greedy
from layergrid.models import Loaded, load, wrap

pytestmark = pytest.mark.benchmark

BATCH, ALONE, NEW, ROUNDS = 64, 3, 32, 5


@dataclass(frozen=True)
class Here:
    """The model that ships, on the CPU."""

    address: str = "builtin:arithmetic"
    revision: str | None = None
    dtype: str = "float32"
    device: str = "cpu"
    device_map: None = None
    quantize: None = None


def shipped() -> Loaded:
    """8 layers of width 128."""
    return load(Here(), Path())


def wider() -> Loaded:
    """A random llama of 8 layers of width 512."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=8192, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=256, bos_token_id=0, eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    made = LlamaForCausalLM(config).eval().requires_grad_(False)
    return wrap(made, tiny_models.tokenizer(), name="bench", address="random:llama", revision="0")


def seconds_per_token(loaded: Loaded, prompts: list[np.ndarray], batch: int) -> float:
    """Of `NEW` tokens after each prompt, reading the prompts included."""
    names = tuple(str(i) for i in range(len(prompts)))
    started = time.perf_counter()
    found = greedy(loaded, names, prompts, max_new_tokens=NEW, batch=batch)
    elapsed = time.perf_counter() - started
    assert all(len(one.ids) == NEW for one in found)
    return elapsed / (NEW * len(prompts))


@pytest.fixture(autouse=True)
def _all_threads():
    """As a build runs: other tests are kept to one thread."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)
    yield
    torch.set_num_threads(before)


# The wider model's matrix products alone allow about 17 times on two cores: one token after another reads all weights
# from memory, a batch computes as fast as the cores can. What is held of it is that little is lost beside them.
@pytest.mark.parametrize(("made", "least"), [(shipped, 15), (wider, 9)])
def test_batches_write_many_times_the_tokens_per_second_of_one_prompt_at_a_time(made, least):
    loaded = replace(made(), stop_ids=frozenset())  # every completion is as long as every other
    draw = np.random.default_rng(0)
    prompts = [draw.integers(2, loaded.vocabulary, draw.integers(12, 33)).astype(np.int32) for _ in range(BATCH)]
    seconds_per_token(loaded, prompts[:2], 1)
    alone, together = [], []
    for _ in range(ROUNDS):  # in turn, so that a busy moment falls on both
        alone.append(seconds_per_token(loaded, prompts[:ALONE], 1))
        together.append(seconds_per_token(loaded, prompts, BATCH))
    ratios = {
        "min": min(alone) / min(together),
        "median": statistics.median(a / b for a, b in zip(alone, together, strict=True)),
    }
    rates = {"alone": 1 / min(alone), "together": 1 / min(together)}
    print(f"\n{made.__name__}: times the tokens per second: {ratios}; tokens per second: {rates}")
    assert max(ratios.values()) >= least

"""Time and memory of reading attention rows, against the model's own forward pass and its eager attentions."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

TOKENS, QUERIES, EXAMPLES, ROUNDS = 2048, 10, 2, 5
CHILD = Path(__file__)


def child(what: str) -> dict[str, list[float]]:
    """What a process of its own measured."""
    ran = subprocess.run(
        [sys.executable, str(CHILD), what], capture_output=True, text=True, check=True,
        env={"PYTHONPATH": str(CHILD.parent.parent), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    found: dict[str, list[float]] = json.loads(ran.stdout.splitlines()[-1])
    return found


def test_ten_rows_of_two_thousand_tokens_cost_at_most_a_seventh_of_a_forward_pass():
    found = child("time")
    ratios = {
        "min": min(found["rows"]) / min(found["forward"]),
        "median": statistics.median(a / b for a, b in zip(found["rows"], found["forward"], strict=True)),
    }
    print(f"\nattention rows over the sdpa forward pass: {ratios}; seconds: {found}")
    assert min(ratios.values()) <= 1.15


def test_their_memory_is_at_most_a_twentieth_of_that_of_eager_attentions():
    peaks = {what: child(what)["peak"][0] for what in ("forward", "rows", "eager")}
    extra = {what: peaks[what] - peaks["forward"] for what in ("rows", "eager")}
    print(f"\nMB above the forward pass: {extra}; at most: {peaks}")
    assert extra["eager"] > 0
    assert extra["rows"] <= extra["eager"] / 20


# ---------------------------------------------------------------- in the child


def _setting():
    """A llama of 8 layers, 8 heads and width 512, two texts, and ten places in each."""
    import numpy as np
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    import tiny_models
    from layergrid.artifacts import Positions
    from layergrid.models import wrap
    from test_capture import sequences

    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=304, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=8, max_position_embeddings=TOKENS, bos_token_id=0, eos_token_id=1, pad_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    loaded = wrap(model, tiny_models.tokenizer(), name="bench", address="random:llama", revision="0")
    start = np.tile(np.linspace(TOKENS // 2, TOKENS - 1, QUERIES).astype(np.int32), (EXAMPLES, 1))
    names = tuple(f"at {i}" for i in range(QUERIES))
    where = Positions(names, start, start + 1, np.full(start.shape, "ok"))
    return loaded, sequences((TOKENS,) * EXAMPLES), where


def _forward(loaded, given, **options):
    import numpy as np
    import torch

    with torch.inference_mode():
        for ids in given.ids:
            tokens = torch.from_numpy(ids[None].astype(np.int64))
            loaded.model.base_model(tokens, attention_mask=torch.ones_like(tokens), use_cache=False, **options)


def _rows(loaded, given, where):
    from layergrid.attention import attention
    from layergrid.kinds import AttentionNeed

    return attention(loaded, given, where, AttentionNeed(where.names, where.names), batch_tokens=TOKENS)


def _main(what: str) -> None:
    import resource
    import time

    loaded, given, where = _setting()
    found: dict[str, list[float]] = {"forward": [], "rows": []}
    if what == "time":
        for _ in range(ROUNDS):
            for name, run in (
                ("forward", lambda: _forward(loaded, given)),
                ("rows", lambda: _rows(loaded, given, where)),
            ):
                begun = time.perf_counter()
                run()
                found[name].append(time.perf_counter() - begun)
    elif what == "eager":
        loaded.model.set_attn_implementation("eager")
        _forward(loaded, given, output_attentions=True)
    else:
        _forward(loaded, given)
        if what == "rows":
            _rows(loaded, given, where)
    found["peak"] = [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]
    print(json.dumps(found))


if __name__ == "__main__":
    _main(sys.argv[1])

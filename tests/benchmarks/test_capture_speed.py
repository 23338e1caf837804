"""Time of a capture against the bare forward pass and other ways, and memory above the model's own."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import tiny_models
from layergrid.artifacts import Positions
from layergrid.capture import BATCH_TOKENS, capture
from layergrid.models import Loaded, wrap
from layergrid.models.feeding import feeding, plan
from layergrid.models.tracing import forward
from test_capture import sequences

pytestmark = pytest.mark.benchmark

THREADS, ROUNDS, EXAMPLES, PLACES = 1, 5, 128, 15
WIDTH, LAYERS, HEADS, CONTEXT, VOCABULARY = 512, 8, 8, 512, 32000
SITES = ("residual", "mlp_out")


def model() -> Loaded:
    """A random llama of 8 layers and width 512 with a vocabulary of the usual size."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=WIDTH, intermediate_size=1376, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=HEADS, max_position_embeddings=CONTEXT, bos_token_id=0,
        eos_token_id=None, pad_token_id=None,
    )  # fmt: skip
    made = LlamaForCausalLM(config).eval().requires_grad_(False)
    return wrap(made, tiny_models.tokenizer(), name="bench", address="random:llama", revision="0")


def workload(examples: int, usual: int):
    """Texts of random lengths, as questions with their answers have them, and 15 positions spread over each."""
    lengths = np.random.default_rng(0).lognormal(np.log(usual), 0.6, examples).clip(8, CONTEXT).astype(int)
    start = np.linspace(0, lengths - 1, PLACES).round().astype(np.int32).T
    names = tuple(f"p{i}" for i in range(PLACES))
    where = Positions(names, start, start + 1, np.full(start.shape, "ok"))
    return sequences(tuple(int(n) for n in lengths), vocabulary=VOCABULARY), where


def bare(loaded: Loaded, texts) -> None:
    """The forward pass over the same batches, and nothing else."""
    import torch

    feed = feeding(loaded, texts)
    with torch.inference_mode():
        for batch in plan(feed.lengths, np.arange(len(texts.ids)), BATCH_TOKENS["cpu"]):
            forward(loaded.model, feed.padded(batch, loaded.device))


def official(loaded: Loaded, texts, where: Positions, batch: int = 32) -> np.ndarray:
    """Residual states by `output_hidden_states` in batches of 32 as the data come, as is usual: [L, P, N, D]."""
    import torch

    found = np.zeros((LAYERS + 1, PLACES, len(texts.ids), WIDTH), np.float32)
    feed = feeding(loaded, texts)
    with torch.inference_mode():
        for first in range(0, len(texts.ids), batch):
            rows = np.arange(first, min(first + batch, len(texts.ids)))
            ids, mask = feed.padded(rows, loaded.device)[""]
            out = loaded.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, use_cache=False)
            places = torch.from_numpy(where.start[rows].astype(np.int64))
            for layer, states in enumerate(out.hidden_states):
                picked = states[torch.arange(len(rows))[:, None], places]
                found[layer][:, rows] = picked.transpose(0, 1).float().numpy()
    return found


def nnsight_residual(wrapped, loaded: Loaded, texts, where: Positions, batch: int = 32) -> np.ndarray:
    """The same by nnsight, without the embedding."""
    import torch
    from nnsight import save

    found = np.zeros((LAYERS, PLACES, len(texts.ids), WIDTH), np.float32)
    feed = feeding(loaded, texts)
    for first in range(0, len(texts.ids), batch):
        rows = np.arange(first, min(first + batch, len(texts.ids)))
        ids, mask = feed.padded(rows, loaded.device)[""]
        places = torch.from_numpy(where.start[rows].astype(np.int64))
        each = torch.arange(len(rows))[:, None]
        with torch.inference_mode(), wrapped.trace(ids, attention_mask=mask):
            kept = save([layer.output[each, places] for layer in wrapped.model.layers])
        for layer, states in enumerate(kept):
            found[layer][:, rows] = states.transpose(0, 1).float().numpy()
    return found


def clock(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ratios(name: str, of: list[float], to: list[float]) -> dict[str, float]:
    """How many times `to` the other takes: by the fastest rounds, and the median of the rounds' own ratios."""
    found = {
        "min": min(of) / min(to),
        "median": statistics.median(a / b for a, b in zip(of, to, strict=True)),
    }
    print(f"\n{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in found.items()))
    return found


def test_capture_costs_little_more_than_the_bare_forward_pass_and_less_than_half_of_other_ways(tmp_path):
    loaded = model()
    texts, where = workload(EXAMPLES, 64)
    ways = {
        "capture": lambda: capture(loaded, texts, where, tmp_path, sites=SITES),
        "bare": lambda: bare(loaded, texts),
        "output_hidden_states": lambda: official(loaded, texts, where),
    }
    if importlib.util.find_spec("nnsight"):
        from nnsight import NNsight

        wrapped = NNsight(loaded.model)
        ways["nnsight"] = lambda: nnsight_residual(wrapped, loaded, texts, where)
    few = workload(4, 16)
    capture(loaded, *few, tmp_path, sites=SITES)
    official(loaded, *few)
    found = ways["capture"]()["residual"].values[:LAYERS].copy()
    assert np.abs(found - ways["output_hidden_states"]()[:LAYERS]).max() < 1e-4 * np.abs(found).max()
    if "nnsight" in ways:
        assert np.abs(found[1:] - ways["nnsight"]()[: LAYERS - 1]).max() < 1e-4 * np.abs(found).max()
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):  # in turn, so that a busy moment falls on all
        for name, work in ways.items():
            times[name].append(clock(work))
    print({name: [round(one, 2) for one in found] for name, found in times.items()})
    assert min(ratios("capture to bare", times["capture"], times["bare"]).values()) <= 1.15
    for name in ways.keys() - {"capture", "bare"}:
        assert max(ratios(f"{name} to capture", times[name], times["capture"]).values()) >= 2


CHILD = """
import re, sys
from pathlib import Path
import test_capture_speed as here

def kilobytes(what):
    return int(re.search(what + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

loaded = here.model()
here.capture(loaded, *here.workload(4, 16), Path(sys.argv[2]), sites=here.SITES)
texts = here.workload(int(sys.argv[1]), 16)
Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = kilobytes("VmRSS")
here.capture(loaded, *texts, Path(sys.argv[2]), sites=here.SITES)
print((kilobytes("VmHWM") - before) / 1024)
"""


def megabytes(examples: int, folder: Path) -> float:
    """Peak memory of a child process above what it has with the model loaded.

    Not `ru_maxrss`: a child process begins with the peak of its parent.
    """
    here = Path(__file__).parent
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent), *sys.path])}
    command = [sys.executable, "-c", CHILD, str(examples), str(folder)]
    return float(subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_memory_above_the_models_own_is_small_and_does_not_grow_with_the_examples(tmp_path):
    few, many = megabytes(1000, tmp_path), megabytes(4000, tmp_path)
    print(f"\nMB above the model: {few:.0f} at 1,000 examples, {many:.0f} at 4,000")
    assert max(few, many) <= 300
    assert many <= few + 50  # what 3,000 examples more leave in the files is 1,600 MB

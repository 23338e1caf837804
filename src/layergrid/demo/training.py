"""Trains the model that ships, and its tokenizer, from generated sums; run as `python -m layergrid.demo.training`.

The architecture is transformers' own Llama; the text is generated, so nothing is downloaded. Same seed, same library
versions, same thread count and platform give the same files. It knows nothing of specs, probes or reports.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from layergrid.demo.questions import Sum, evaluation_sums, training_sums

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

PROMPT = "Question: {question}\nAnswer:"
MODEL_FOLDER = Path(__file__).parent / "model"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; stored beside them as `training.json`."""

    seed: int = 0
    steps: int = 2600
    batch: int = 64  # sums a step
    rate: float = 2e-3  # peak learning rate (AdamW), linear warm-up, cosine decay to a tenth
    warmup: int = 100
    weight_decay: float = 0.01
    layers: int = 8
    width: int = 128
    heads: int = 4
    mlp: int = 512
    vocabulary: int = 512
    threads: int = 2


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer whose digits stand alone, trained on 20,000 generated sums."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(r" ?\d| ?\p{L}+| ?[^\s\p{L}\d]|\s"), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sums = itertools.islice(training_sums(recipe.seed + 1), 20_000)
    tokenizer.train_from_iterator((_text(one) for one in sums), trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", padding_side="left"
    )


def _prompt(one: Sum) -> str:
    return PROMPT.format(question=one.question)


def _text(one: Sum) -> str:
    return f"{_prompt(one)} {one.reply}"


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the recipe's shape with random weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.width,
        intermediate_size=recipe.mlp,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.heads,
        max_position_embeddings=256,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _batch(
    sums: list[Sum], tokenizer: PreTrainedTokenizerFast
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids, attention mask and targets [batch, tokens]; only the reply and its end are learned."""
    import torch

    texts = tokenizer([_text(one) for one in sums])["input_ids"]
    prompts = tokenizer([_prompt(one) for one in sums])["input_ids"]
    rows = [[*ids, tokenizer.eos_token_id] for ids in texts]
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    targets = torch.full((len(rows), width), -100)
    for i, (row, prompt) in enumerate(zip(rows, prompts, strict=True)):
        ids[i, : len(row)] = torch.tensor(row)
        targets[i, len(prompt) : len(row)] = torch.tensor(row[len(prompt) :])
    return ids, (ids != tokenizer.pad_token_id).long(), targets


def _rate(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))


def train(recipe: Recipe, report: int = 100) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The trained model and its tokenizer; prints the loss every `report` steps."""
    import torch

    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    tokenizer = train_tokenizer(recipe)
    model = build_model(recipe, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.rate, weight_decay=recipe.weight_decay, betas=(0.9, 0.98)
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    stream = training_sums(recipe.seed)
    started = time.monotonic()
    for step in range(1, recipe.steps + 1):
        ids, mask, targets = _batch(list(itertools.islice(stream, recipe.batch)), tokenizer)
        loss: Any = model(input_ids=ids, attention_mask=mask, labels=targets).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % report == 0 or step == recipe.steps:
            print(f"step {step:5d}  loss {loss.item():.4f}  {time.monotonic() - started:6.0f} s", flush=True)
    return model.eval(), tokenizer


def accuracy(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, sums: list[Sum]) -> dict[str, float]:
    """The share of held-out sums whose whole greedy reply is right, by operation and over all."""
    import torch

    right: dict[str, list[bool]] = {}
    for start in range(0, len(sums), 128):
        batch = sums[start : start + 128]
        inputs = tokenizer([_prompt(one) for one in batch], return_tensors="pt", padding=True)
        inputs.pop("token_type_ids", None)
        with torch.inference_mode():
            out = model.generate(**inputs, max_new_tokens=40, do_sample=False)
        replies = tokenizer.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        for one, reply in zip(batch, replies, strict=True):
            right.setdefault(one.operation, []).append(reply.strip() == one.reply)
            right.setdefault("all", []).append(reply.strip() == one.reply)
    return {name: sum(values) / len(values) for name, values in sorted(right.items())}


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, recipe: Recipe, folder: Path) -> None:
    """Writes safetensors, configuration, tokenizer and recipe: the folder that `builtin:arithmetic` loads."""
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    held = accuracy(model, tokenizer, evaluation_sums(1000, seed=1))
    facts = {"recipe": asdict(recipe), "accuracy on 1000 held-out sums": held}
    (folder / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    """Trains and writes; `--steps` shortens the run for a trial."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER)
    parser.add_argument("--steps", type=int, default=Recipe.steps)
    parser.add_argument("--seed", type=int, default=Recipe.seed)
    options = parser.parse_args()
    recipe = Recipe(steps=options.steps, seed=options.seed)
    model, tokenizer = train(recipe)
    save(model, tokenizer, recipe, options.out)
    print((options.out / "training.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

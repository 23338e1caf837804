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
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
MODEL_FOLDER = Path(__file__).parent / "model"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights; stored beside them as `training.json`."""

    seed: int = 0
    bare_steps: int = 900  # first bare sums, "4710 minus 385 equals 4325.", a third as long as a dialogue
    dialogue_steps: int = 700  # then whole questions and replies
    batch: int = 64  # sums a step
    matrix_rate: float = 5e-3  # Muon, for the matrices of the blocks (Jordan et al. 2024, "Muon")
    other_rate: float = 3e-3  # AdamW, for embeddings and norms
    warmup: int = 100  # steps of linear warm-up; then a cosine down to a tenth
    weight_decay: float = 0.01
    spread: float = 0.08  # standard deviation of the first weights; a quarter where they write to the residual stream
    layers: int = 8
    width: int = 128
    heads: int = 4
    mlp: int = 344
    vocabulary: int = 512
    threads: int = 1  # of torch: more are no faster at this size, and other counts round otherwise

    @property
    def steps(self) -> int:
        """All steps."""
        return self.bare_steps + self.dialogue_steps


def train_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer whose digits stand alone, trained on 20,000 generated sums."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(r"\d| ?\p{L}+| ?[^\s\p{L}\d]|\s"), behavior="isolated")
    bytes_ = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, bytes_])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocabulary,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    sums = itertools.islice(training_sums(recipe.seed + 1), 20_000)
    tokenizer.train_from_iterator(("".join(_dialogue(one)) for one in sums), trainer=trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, padding_side="left", **SPECIAL)


def _prompt(one: Sum) -> str:
    return PROMPT.format(question=one.question)


def build_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """A Llama of the recipe's shape with random weights."""
    import torch
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
    model = LlamaForCausalLM(config)
    for name, weights in model.named_parameters():
        if weights.dim() == 2:
            writes = name.endswith(("o_proj.weight", "down_proj.weight"))
            torch.nn.init.normal_(weights, std=recipe.spread / (4 if writes else 1))
    return model


def _dialogue(one: Sum) -> tuple[str, str]:
    return _prompt(one), f" {one.reply}"


def _bare(one: Sum) -> tuple[str, str]:
    return f" {one.expression} equals", f" {one.answer}."


def _batch(
    pairs: list[tuple[str, str]], tokenizer: PreTrainedTokenizerFast
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Right-padded ids, attention mask and targets [batch, tokens]; only what is replied, and its end, is learned."""
    import torch

    wholes = tokenizer([said + replied for said, replied in pairs])["input_ids"]
    starts = [len(ids) for ids in tokenizer([said for said, _ in pairs])["input_ids"]]
    rows = [[*ids, tokenizer.eos_token_id] for ids in wholes]
    width = max(len(row) for row in rows)
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    targets = torch.full((len(rows), width), -100)
    for i, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[i, : len(row)] = torch.tensor(row)
        targets[i, start : len(row)] = torch.tensor(row[start:])
    return ids, (ids != tokenizer.pad_token_id).long(), targets


def _rate(step: int, recipe: Recipe) -> float:
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return 0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * done))


def _optimizers(model: LlamaForCausalLM, recipe: Recipe) -> list[torch.optim.Optimizer]:
    import torch

    matrices = [w for name, w in model.named_parameters() if w.dim() == 2 and "layers" in name]
    others = [w for name, w in model.named_parameters() if not (w.dim() == 2 and "layers" in name)]
    return [
        torch.optim.Muon(
            matrices, lr=recipe.matrix_rate, weight_decay=recipe.weight_decay, adjust_lr_fn="match_rms_adamw"
        ),
        torch.optim.AdamW(others, lr=recipe.other_rate, weight_decay=0.0, betas=(0.9, 0.98)),
    ]


def train(recipe: Recipe, report: int = 100) -> tuple[LlamaForCausalLM, PreTrainedTokenizerFast]:
    """The trained model and its tokenizer; prints the loss every `report` steps."""
    import torch

    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.seed)
    tokenizer = train_tokenizer(recipe)
    model = build_model(recipe, tokenizer)
    optimizers = _optimizers(model, recipe)
    schedules = [torch.optim.lr_scheduler.LambdaLR(one, lambda step: _rate(step, recipe)) for one in optimizers]
    stream = training_sums(recipe.seed)
    started = time.monotonic()
    for step in range(1, recipe.steps + 1):
        write = _bare if step <= recipe.bare_steps else _dialogue
        ids, mask, targets = _batch([write(one) for one in itertools.islice(stream, recipe.batch)], tokenizer)
        loss: Any = model(input_ids=ids, attention_mask=mask, labels=targets).loss
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer, schedule in zip(optimizers, schedules, strict=True):
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
    """Trains and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=MODEL_FOLDER)
    folder = parser.parse_args().out
    recipe = Recipe()
    model, tokenizer = train(recipe)
    save(model, tokenizer, recipe, folder)
    print((folder / "training.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()

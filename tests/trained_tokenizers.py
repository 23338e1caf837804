"""Tokenizers of three kinds, trained on the texts that a test gives them: the same texts, the same vocabulary."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from small_tokenizers import SPECIAL, UNKNOWN, fast

BYTES = [f"<0x{byte:02X}>" for byte in range(256)]


class Trained(NamedTuple):
    """A tokenizer as a model folder has it, and the same vocabulary for text that goes on after a prompt."""

    tokenizer: Any
    goes_on: Tokenizer

    def continued(self, text: str) -> list[int]:
        """The ids of a completion as a model would write it: nothing is put before its first word."""
        return list(self.goes_on.encode(text, add_special_tokens=False).ids)

    def named(self, ids: Iterable[int]) -> list[str]:
        """The names of tokens in the vocabulary: `Ġ` and `▁` are blanks, `<0xC3>` is a byte."""
        return [str(self.goes_on.id_to_token(int(i))) for i in ids]


def _begun(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer


def byte_level(texts: Iterable[str], size: int) -> Trained:
    """GPT-2's way: every byte is in the alphabet, so that a character may lie in several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=list(SPECIAL), initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    return Trained(fast(_begun(tokenizer)), tokenizer)


def metaspace(texts: Iterable[str], size: int) -> Trained:
    """Llama's way: `▁` for a blank, one put before a prompt and dropped again; what is not ASCII becomes bytes.

    Words are cut at blanks alone, so that a token may hold the end of an answer and the comma behind it.
    """
    tokenizer = Tokenizer(models.BPE(byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[*SPECIAL, *BYTES], show_progress=False)
    tokenizer.train_from_iterator((text for text in texts if text.isascii()), trainer)
    # The trainer takes bytes for special tokens, which no decoder would show: the model alone goes on.
    whole = Tokenizer.from_str(tokenizer.to_str())
    goes_on = Tokenizer(whole.model)
    for one in (goes_on, start := Tokenizer(whole.model)):
        one.add_special_tokens(list(SPECIAL))
        one.decoder = tokenizer.decoder
    goes_on.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    start.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return Trained(fast(_begun(start)), goes_on)


def wordpiece(texts: Iterable[str], size: int) -> Trained:
    """BERT's way: lower case without accents, `##` inside words, blanks that no token holds, clean-up on decoding."""
    normalizer, cut = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    texts = list(texts)
    letters = sorted({letter for text in texts for letter in normalizer.normalize_str(text) if not letter.isspace()})
    # Without the letters in their order the trainer takes them in no order at all, and ties fall as they like.
    known = [*SPECIAL, UNKNOWN, *letters, *(f"##{letter}" for letter in letters)]
    learner = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    learner.normalizer, learner.pre_tokenizer = normalizer, cut
    learner.train_from_iterator(
        texts, trainers.WordPieceTrainer(vocab_size=size, special_tokens=known, show_progress=False)
    )
    tokenizer = Tokenizer(models.WordPiece(vocab=learner.get_vocab(), unk_token=UNKNOWN))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, cut
    tokenizer.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    tokenizer.add_special_tokens([*SPECIAL, UNKNOWN])
    return Trained(fast(_begun(tokenizer), unk_token=UNKNOWN), tokenizer)

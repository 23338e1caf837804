"""Runs batches one by one, and halves those that do not fit into memory; it knows nothing of what they compute."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from layergrid.artifacts import Ints
from layergrid.kinds import NoShards, Shards

_KEEPS_NOTHING = NoShards()
_WORDS = ("out of memory", "not enough memory", "DefaultCPUAllocator", "can't allocate memory")


def in_halves(
    batches: Iterable[Ints], size: Callable[[Ints], int], run: Callable[[Ints], None], shards: Shards = _KEEPS_NOTHING
) -> Iterator[tuple[Ints, bool]]:
    """Runs every batch and yields it, with whether it fitted; one that does not is run again as two halves.

    Once a batch has failed, none of more than half its `size` is tried. Only a batch of one that does not fit is
    yielded with False. `run` must be able to start a batch again. `shards` remembers what did not fit, so that whoever
    goes on halves the same batches.
    """
    most: float = float("inf")
    waiting = list(batches)[::-1]
    while waiting:
        batch = waiting.pop()
        if len(batch) == 1 or size(batch) <= most:
            known = f"{name_of(batch)}-halved"
            if shards.get(known) is None and _fits(run, batch):
                yield batch, True
                continue
            if len(batch) == 1:
                yield batch, False
                continue
            shards.put(known, {})
            most = min(most, max(1, size(batch) // 2))
        middle = (len(batch) + 1) // 2
        waiting += [batch[middle:], batch[:middle]]


def name_of(batch: Ints) -> str:
    """A name for what is kept of a batch: its first example, and a digest of all of them in their order."""
    members = ",".join(map(str, batch.tolist()))
    return f"batch-{batch[0]}-{hashlib.sha256(members.encode('ascii')).hexdigest()[:20]}"


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is full, on whichever device."""
    return isinstance(error, MemoryError) or any(words in str(error) for words in _WORDS)


def _fits(run: Callable[[Ints], None], batch: Ints) -> bool:
    import torch

    try:
        run(batch)
        return True
    except (RuntimeError, MemoryError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not out_of_memory(error):
            raise
    # Here, not above: the error holds the frames, and those hold what fills the memory.
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return False

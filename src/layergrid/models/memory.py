"""Runs batches one by one, and halves those that do not fit into memory; it knows nothing of what they compute."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from layergrid.artifacts import Ints

_WORDS = ("out of memory", "not enough memory", "DefaultCPUAllocator", "can't allocate memory")


def in_halves(
    batches: Iterable[Ints], size: Callable[[Ints], int], run: Callable[[Ints], None]
) -> Iterator[tuple[Ints, bool]]:
    """Runs every batch and yields it, with whether it fitted; one that does not is run again as two halves.

    Once a batch has failed, none of more than half its `size` is tried. Only a batch of one that does not fit is
    yielded with False. `run` must be able to start a batch again.
    """
    most: float = float("inf")
    waiting = list(batches)[::-1]
    while waiting:
        batch = waiting.pop()
        if len(batch) == 1 or size(batch) <= most:
            if _fits(run, batch):
                yield batch, True
                continue
            if len(batch) == 1:
                yield batch, False
                continue
            most = min(most, max(1, size(batch) // 2))
        middle = (len(batch) + 1) // 2
        waiting += [batch[middle:], batch[:middle]]


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

"""How fast a stage goes and how long it will still take, from its recent speed; it knows no clock but the one given."""

from __future__ import annotations

from collections import deque

WINDOW = 30.0  # seconds that count as recent
LEAST = 1.0  # seconds below which a rate is a guess
FOUND = 0.5  # seconds from the first count: what is counted in them was found in parts of an earlier build


class Pace:
    """Takes (time, done, total), gives units a second and the seconds that remain; None where it is too early."""

    def __init__(self, start: float) -> None:
        """`start` is when the stage began."""
        self._start = start
        self._counting: float | None = None  # since when it counts: a stage may look at its model first
        self._base = (start, 0)
        self._recent: deque[tuple[float, int]] = deque([self._base])
        self.done, self.total = 0, 0

    def add(self, now: float, done: int, total: int) -> None:
        """A new count; what is said at once counts as found there, not as made."""
        self.done, self.total = done, total
        self._counting = now if self._counting is None else self._counting
        if now - self._counting <= FOUND:
            self._base = (now, done)
            self._recent.clear()
        self._recent.append((now, done))
        while len(self._recent) > 2 and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()

    @property
    def rate(self) -> float | None:
        """Units a second, recently."""
        return _rate(self._recent[0], self._recent[-1])

    @property
    def remaining(self) -> float | None:
        """Seconds, at the recent rate."""
        rate = self.rate
        return None if rate is None else max(0, self.total - self.done) / rate

    def overall(self, now: float) -> float | None:
        """Units a second of the whole stage, which ended now; None where it was too short to tell."""
        return _rate(self._base, (now, self.done)) or _rate((self._start, 0), (now, self.done))


def _rate(first: tuple[float, int], last: tuple[float, int]) -> float | None:
    seconds, done = last[0] - first[0], last[1] - first[1]
    return done / seconds if seconds >= LEAST and done > 0 else None

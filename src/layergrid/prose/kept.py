"""Words for rows that are not there: left out of a data set, or too few of a class for any value."""

from __future__ import annotations

from layergrid.artifacts import Sentence
from layergrid.prose.voice import Voice


def left_out(voice: Voice, data: str) -> list[Sentence]:
    """Which rows of the source are left out and why, a sentence a reason; none where all are there."""
    start = f"{data}.left_out.".removeprefix("/")
    return [voice.say("{lost|Text}.", lost=f"/{key}") for key in voice.facts if key.startswith(start)]


def few(voice: Voice) -> list[Sentence]:
    """That a class has too few rows to be told from the other, where this is why there is no value."""
    return [voice.say("{few|Text}.")] if voice.has("few") else []

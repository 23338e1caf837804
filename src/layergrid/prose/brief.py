"""The summary of middle length: a paragraph or two on each grid, of sentences that stand alone; it knows no kind."""

from __future__ import annotations

from layergrid.artifacts import Paragraph
from layergrid.facts.view import View
from layergrid.prose import described, first_page, reading
from layergrid.prose.first_page import kept
from layergrid.prose.voice import Voice

FINDINGS = 4  # sentences on what was found
SHAPES = 2  # groups whose shape over layers is told


def of_grid(voice: Voice, view: View) -> list[Paragraph]:
    """What a cell is and what was found; then what it stands beside, what is not there, and how far it reaches."""
    if not voice.has("range"):
        return [kept([voice.say("{quantity|sentence}."), first_page.without_values(voice)])]
    if voice.has("constant"):
        return [
            kept(
                [voice.say("{quantity|sentence}."), first_page.nested(voice, view.grid), voice.say("{constant|Text}.")]
            )
        ]
    return [p for p in (_described(voice, view) if view.described else _probed(voice, view)) if p]


def _probed(voice: Voice, view: View) -> list[Paragraph]:
    """Of held-out scores: the nested best, its baselines, where, over how much; then groups, limits."""
    found = [voice.say("{quantity|sentence}."), *first_page.abstract(voice, view.grid, view.groups)]
    beside = [] if voice.has("tied", "all") else [line for _, line in reading.apart(voice, view)[:1]]
    return [tuple(found), (*beside, *reading.reach(voice, view))]


def _described(voice: Voice, view: View) -> list[Paragraph]:
    """Of what describes: the ends, groups beside each other, shapes; then references, departures, limits."""
    found = [voice.say("{quantity|sentence}."), *described.found(voice, view)[:FINDINGS]]
    found += described.shapes(voice, view)[:SHAPES]
    return [tuple(found), (*reading.departures(voice), *described.reach(voice, view))]

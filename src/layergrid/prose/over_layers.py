"""Sentences on what groups of positions do over layers, on groups beside each other, on layers that stay low."""

from __future__ import annotations

from layergrid.artifacts import Sentence
from layergrid.facts.view import Group, View
from layergrid.prose.voice import Voice, chained, joined

PAIRS = 3  # groups that are told beside the one with the highest mean


def shape(voice: Voice, group: Group) -> Sentence | None:
    """What the mean over a group does over layers, and the layers near its highest."""
    key = f"group.{group.key}"
    if not voice.has(f"{key}.shape"):
        return None
    where = "Averaged across" if len(group.columns) > 1 else "At"
    band = "; {s|band}" if voice.has(f"{key}.shape", "band") else ""
    return voice.say(f"{where} {{g|label}} {{quantity|the}} {{s}}{band}.", g=key, s=f"{key}.shape")


def apart(voice: Voice, view: View) -> list[Sentence]:
    """The group with the highest mean beside each other: paired differences, or the means as they stand."""
    said = []
    if voice.has("means"):
        said.append(voice.within("{means|Text}.", "{means}."))
    paired = [g for g in view.groups if voice.has(f"group.{g.key}.apart", "stands")][:PAIRS]
    if paired and (top := _top(voice, view, paired[0])) is not None:
        form = "stand" if len(top.columns) > 1 else "stands"
        items = chained(
            voice.say(f"{{a|{'beside' if k else form}}} {{g|label}}", a=f"group.{g.key}.apart", g=f"group.{g.key}")
            for k, g in enumerate(paired)
        )
        head = voice.say(f"Averaged across {_cells(voice)}, {{t|label}} ", t=f"group.{top.key}").parts
        said.append(joined([*head, *items, "."]))
    if voice.has("clear"):
        said.append(voice.within("{clear|Text}.", "{clear}."))
    return said


def _cells(voice: Voice) -> str:
    return "layers and positions" + voice.of


def _top(voice: Voice, view: View, other: Group) -> Group | None:
    """The group that another is held against."""
    fact = voice.get(f"group.{other.key}.apart")
    names = {voice.identifier(f"group.{g.key}.mean"): g for g in view.groups}
    return names.get(fact.of[0]) if fact is not None and fact.of else None


def low(voice: Voice) -> Sentence | None:
    """The layers at either end in which every value is low."""
    keys = [key for key in ("low.first", "low.last") if voice.has(key)]
    if not keys:
        return None
    if len(keys) == 1:
        return voice.within("{l|Text}.", "{l}.", l=keys[0])
    return voice.within("{a|Text}, and {b}.", "{a}, and {b}.", a=keys[0], b=keys[1])

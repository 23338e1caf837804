"""Sentences that weigh a grid against simpler predictors, other states and what its rows could show; no kind."""

from __future__ import annotations

from layergrid.artifacts import Paragraph, Sentence
from layergrid.prose.voice import Voice, chained, joined


def additions(voice: Voice) -> list[str]:
    """Keys of the facts that say what the probe adds to a simpler predictor."""
    return [f"/{key}" for key in voice.facts if key.startswith(voice.identifier("addition."))]


def states(voice: Voice) -> list[str]:
    """Keys of the facts on baselines that are made of other states."""
    return [f"/{key}" for key in voice.facts if key.startswith(voice.identifier("states."))]


def with_addition(voice: Voice, sentence: Sentence | None) -> Sentence | None:
    """A sentence on the best baseline that goes on with what the probe adds; that alone where there is none."""
    clauses = [voice.say("added to {a|label} ({a|alone}), {a|clause}", a=key) for key in additions(voice)]
    if not clauses:
        return sentence
    if sentence is None:
        return joined([*voice.say("Added to {a|label} ({a|alone}), {a|clause}.", a=additions(voice)[0]).parts])
    last = sentence.parts[-1]
    ended = [*sentence.parts[:-1], last.removesuffix(".") if isinstance(last, str) else last]
    return joined([*ended, "; ", *chained(clauses, "; ", "; "), "."])


def concluded(voice: Voice) -> list[Sentence]:
    """What the probe adds, and other states that would do as well, once more."""
    said = []
    for key in additions(voice):
        low = "added to {a|label} ({a|alone}), {a|clause}."
        said.append(voice.within(f"A{low[1:]}", low, a=key))
    for key in states(voice) if voice.relation("nested.chance") == "above" else ():
        if voice.has(key, "short"):
            level = voice.relation(key) == "cannot be told from"
            rest = "{s|word} {s|label}: {s|short}." if level else "stands {s} {s|label}: {s|short}."
            said.append(voice.within(f"{{nested|The}} {rest}", f"{{nested|the}} {rest}", s=key))
    return said


def interpreted(voice: Voice) -> list[Sentence]:
    """What additions and other states let one say of where the read-out comes from."""
    said = [_addition(voice, key) for key in additions(voice)]
    for key in states(voice):
        verb = "{s|word} {s|label} ({s|estimate})"
        if voice.relation(key) != "cannot be told from":
            verb = "stands {s} {s|label} ({s|estimate})"
        said.append(voice.say(f"{{nested|The}}{voice.of} {verb}: {{s|clause}}.", s=key))
    return said


def _addition(voice: Voice, key: str) -> Sentence:
    relation = voice.relation(key)
    if relation == "above":
        line = "The activations hold what {a|label} lack"
        line += ": together they reach {a|together}, {a|adds} {a|label} alone ({a|alone})."
        return voice.say(line, a=key)
    if relation == "cannot be told from":
        line = "Whether the activations hold what {a|label} lack is left open"
        return voice.say(f"{line}: together they reach {{a|together}}, against {{a|alone}} alone.", a=key)
    line = "With the probe added to {a|label} the fit reaches {a|together}, against {a|alone} alone"
    return voice.say(f"{line}.", a=key)


def detectable(voice: Voice) -> Sentence | None:
    """The smallest value that these rows would show, where a reader weighs that nothing was found."""
    if not voice.has("detectable", "clause"):
        return None
    return voice.within("{detectable|Clause}.", "{detectable|clause}.")


def absent(voice: Voice) -> Paragraph:
    """The same where no cell is above chance, else nothing."""
    found = detectable(voice) if voice.has("above") and not voice.number("above") else None
    return (found,) if found is not None else ()

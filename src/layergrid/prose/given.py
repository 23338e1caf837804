"""Words for answers that stood in the data: nobody here saw a model write them."""

from __future__ import annotations

from collections.abc import Mapping

from layergrid.artifacts import Sentence
from layergrid.prose.voice import Voice


def sources(voice: Voice, keys: Mapping[str, str]) -> list[Sentence]:
    """Whence the answers come and who reads them; `keys` are those of model, shape, data set, count and classes."""
    given = {**keys, "g": f"{keys['d']}.given"}
    line = "Answers to {n} of {d|name} ({d|source}) were given in column {g|column}"
    if voice.has(keys["right"], "rightly") and voice.has(keys["right"], "percent"):
        line += ", {right|percent} of them right"
    elif voice.has(keys["right"], "percent"):
        line += ": {right} ({right|percent}) and {wrong}"
    return [voice.say(f"{line}; the model {{m|name}} ({{shape|long}}) reads them.", **given)]


def methods(voice: Voice, data: str) -> list[Sentence]:
    """How the answers came to be tokens, and what of them is not what the data hold; none where a model wrote them."""
    if not voice.has(f"{data}.given", "column"):
        return []
    keys = {"g": f"{data}.given"}
    said = [
        voice.say(
            "The answers were given in column {g|column} as {g|form} and not generated here; their log-probabilities "
            "come from a forward pass through prompt and answer.",
            **keys,
        )
    ]
    if voice.has(f"{data}.respelt"):
        line = "What the tokens of {r} spell {r|differ} from the column; what they spell is graded and read."
        said.append(voice.say(line, r=f"{data}.respelt"))
    if voice.has(f"{data}.unended"):
        said.append(
            voice.say("Of the given answers, {u} {u|do} not end with a stop token, as if cut.", u=f"{data}.unended")
        )
    return said

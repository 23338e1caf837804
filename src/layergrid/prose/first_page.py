"""The words of the first page: the line below the title, the abstract and the key figures; it knows no kind of grid."""

from __future__ import annotations

from collections.abc import Sequence

from layergrid.artifacts import Cite, Grid, KeyFigure, Paragraph, Results, Sentence
from layergrid.facts.groups import Group
from layergrid.facts.sources import data_key, model_key
from layergrid.prose.beside import absent, with_addition
from layergrid.prose.kept import few
from layergrid.prose.voice import Voice, chained, joined

CHOSEN = " {choice|when}"  # a piece of a template: how the nested best is chosen


def finding(results: Results, voices: Sequence[Voice], whole: Voice) -> Sentence:
    """What was measured, in one line: models, data sets, quantities."""
    lines: list[Sentence] = []
    for model in results.models:
        key = model_key(model.name)
        lines.append(whole.say("{m|name} ({shape})", m=key, shape=f"{key}.shape"))
    for card in results.data:
        key = data_key(card.name, card.model)
        lines.append(whole.say("{d|name}, {n}", d=key, n=f"{key}.n"))
    lines.extend(_axes(voice) for voice in voices)
    unique = {line.text: line for line in lines}
    return joined(chained(unique.values(), " \N{MIDDLE DOT} ", " \N{MIDDLE DOT} "))


def _axes(voice: Voice) -> Sentence:
    """A quantity, its axes, and where it is read."""
    site = " of {grid|site}" if voice.has("grid", "site") else ""
    if voice.has("grid", "text"):
        return voice.say(f"{{quantity|name}} by layer and token of {{grid|text}}{site}")
    token = "token " if voice.has("grid", "model") else ""
    return voice.say(f"{{quantity|name}} by layer and {token}position{site}")


# ---------------------------------------------------------------- abstract


def abstract(voice: Voice, grid: Grid, groups: Sequence[Group]) -> Paragraph:
    """Up to four sentences: what was found and how sure, beside which baseline, where, over how much of the grid."""
    if not voice.has("range"):
        data = " on {grid|dataset}" if voice.has("grid", "dataset") else ""
        return (*few(voice), without_values(voice), voice.say(f"Nothing can be said of {{quantity|subject}}{data}."))
    if voice.has("constant"):
        return kept([nested(voice, grid), gain(voice), voice.say("{constant|Text}."), extent(voice, ())])
    return (*kept([nested(voice, grid), gain(voice), where(voice), extent(voice, groups)]), *absent(voice))


def kept(sentences: Sequence[Sentence | None]) -> Paragraph:
    """The sentences that are there."""
    return tuple(s for s in sentences if s is not None)


def without_values(voice: Voice) -> Sentence:
    """Why a grid holds no value."""
    causes = [key for key in voice.facts if key.startswith(voice.identifier("empty."))]
    if not causes:
        return voice.say("{empty|Text}.")
    if len(causes) == 1:
        return voice.say("{empty|Text}: {cause|why}.", cause=f"/{causes[0]}")
    why = chained(voice.say("{cause|text}", cause=f"/{key}") for key in causes)
    return joined([*voice.say("{empty|Text}: ").parts, *why, "."])


def nested(voice: Voice, grid: Grid, chosen: str = CHOSEN) -> Sentence | None:
    """The headline: the nested best against chance, or what there is without one; `chosen` says how it is chosen."""
    if not voice.has("nested"):
        return _unselected(voice)
    relation = voice.relation("nested.chance")
    claimed = bool(grid.quantity.claim) and grid.quantity.higher_is == "more"
    if relation == "above" and claimed and _named(voice):
        what = f"{_claimed(grid)} with {{quantity|name}} {{nested}}"
        return voice.within(f"{{quantity|Subject}} {what}{chosen}.", f"{{quantity|subject}} {what}{chosen}.")
    if voice.has("nested.chance", "evidence") and claimed:
        link = "which " if relation == "cannot be told from" else ""
        head = f"gives {{nested.chance|evidence}} that {{quantity|subject}} {_claimed(grid)}"
        rest = f"the nested {{quantity|name}} is {{nested}}, {link}{{nested.chance}}."
        return voice.say(f"{voice.Grid} {head}: {rest}")
    against = ", {nested.chance}," if voice.has("nested.chance") else ""
    head = f"The nested {{quantity|name}}{voice.of} for {{grid|model}} on {{grid|dataset}}"
    return voice.say(f"{head} is {{nested}}{against if chosen else against.rstrip(',')}{chosen}.")


def _claimed(grid: Grid) -> str:
    """What is claimed of a subject; classes of a label column are the data's and not the model's."""
    if grid.settings.get("predict") == "label":
        read = "{grid|site} of {grid|model}" if grid.site else "{grid|model}"
        return f"of {{grid|dataset}} are {{quantity|claim}} from {read}"
    return "of {grid|model} on {grid|dataset} are {quantity|claim}"


def _named(voice: Voice) -> bool:
    """Whether some cell is above chance after correction, or none was tested."""
    return not voice.has("above") or voice.number("above") > 0


def _unselected(voice: Voice) -> Sentence | None:
    """The highest cell where no nested best was computed, said to be what it is."""
    if not voice.has("highest") or voice.has("constant") or not _named(voice):
        return None
    what = "{highest|where}, has {quantity|name} {highest}; it is chosen on the rows that score it."
    return voice.within(f"{{highest|The}}, {what}", f"{{highest|the}}, {what}")


def gain(voice: Voice) -> Sentence | None:
    """The nested best beside the best baseline, and what the probe adds to simpler predictors."""
    return with_addition(voice, _gain(voice))


def _gain(voice: Voice) -> Sentence | None:
    if not voice.has("best_baseline") or not voice.has("nested"):
        return None
    relation = voice.relation("gain")
    if relation == "above":
        return voice.say("That is {gain|relation} {best_baseline|the}, {best_baseline|label}.")
    if relation == "below":
        return voice.say("That is {gain|relation} {best_baseline|the}, {best_baseline|label}, at {best_baseline}.")
    if relation:
        return voice.say(
            "It {gain|word} {best_baseline|the}, {best_baseline|label}, at {best_baseline}: the {gain|difference}"
            + ("; it stands {over_all.below}." if voice.has("over_all.below") else ".")
        )
    unsure = "; the {gain|difference}" if voice.has("gain", "difference") else ""
    line = "{best_baseline|The}, {best_baseline|label}, {best_baseline|verb} {best_baseline}"
    return voice.say(f"{line}{unsure}.")


def where(voice: Voice) -> Sentence | None:
    """Which cells the folds choose, and how many cells the highest cannot be told from."""
    if not _named(voice):
        return None
    parts: list[str | Cite] = []
    if voice.has("winners"):
        parts.extend(voice.say("{winners|Text}").parts)
    if voice.has("tied"):
        parts.extend(voice.say("; {tied|full}" if parts else "{tied|Full}").parts)
    return joined([*parts, "."]) if parts else None


def extent(voice: Voice, groups: Sequence[Group]) -> Sentence | None:
    """The share of the grid above chance, where it starts, and the groups that have none of it."""
    if not voice.has("above"):
        return None
    parts = list(voice.say("{above|lead} {correction|over}").parts)
    if voice.has("above.earliest"):
        parts.extend(voice.say(", {above.earliest|clause}").parts)
    silent = [f"group.{g.key}" for g in groups if voice.has(f"group.{g.key}.above", "none")]
    if voice.number("above") > 1 and silent:
        form = "nor" if voice.has("above.earliest") else "none"
        parts.extend(
            voice.say(f"{' and ' if form == 'nor' else ', '}{{silent|{form}}}", silent=f"{silent[0]}.above").parts
        )
        for key in silent[1:]:
            parts.extend(voice.say(" or {label|label}", label=key).parts)
    return joined([*parts, "."])


# ---------------------------------------------------------------- key figures


def key_figures(voice: Voice, data: str) -> tuple[KeyFigure, ...]:
    """The few large numbers, each with its meaning; `data` is the key of the data set's facts."""
    found = [figure_best(voice), _figure_gain(voice), _figure_where(voice), _figure_balance(voice, data)]
    return tuple(f for f in found if f is not None)


def figure_best(voice: Voice) -> KeyFigure | None:
    """The nested best; of a grid without values how many cells it lacks."""
    if voice.has("nested"):
        bounds = ", {nested|interval}" if voice.has("nested", "interval") else ""
        meaning = f"nested {{quantity|name}}{voice.of}{bounds}, {{nested|n}}"
        return KeyFigure(voice.say("{nested|value}"), voice.say(meaning))
    if voice.has("range") or not voice.has("empty"):
        return None
    where = f"{voice.grid}, of {{shape}}" if voice.several else "a grid of {shape}"
    return KeyFigure(voice.say("{empty|count}"), voice.say(f"cells without a value in {where}"))


def _figure_gain(voice: Voice) -> KeyFigure | None:
    if not voice.has("gain", "signed"):
        return None
    form = "{gain|word} " if voice.has("gain", "word") else "against "
    bounds = "; {gain|interval}" if voice.has("gain", "interval") else ""
    meaning = f"{form}{{best_baseline|the}}, {{best_baseline|label}}{bounds}"
    return KeyFigure(voice.say("{gain|signed}"), voice.say(meaning))


def _figure_where(voice: Voice) -> KeyFigure | None:
    if voice.has("tied", "run"):
        word = "{tied|relation} {highest|the}" if voice.number("tied") else "{highest|the}; {tied|alone}"
        return KeyFigure(voice.say("{tied|run}"), voice.say(f"at {{tied|position}}: {word}"))
    if voice.has("tied.count"):
        return KeyFigure(voice.say("{tied.count}"), voice.say("{tied|relation} {highest|the} ({highest|where})"))
    if voice.has("above", "of"):
        return KeyFigure(voice.say("{above|of}"), voice.say("cells {above|relation} chance {correction}"))
    return None


def _figure_balance(voice: Voice, data: str) -> KeyFigure | None:
    if not voice.has(f"{data}.wrong", "percent") or voice.has("target"):
        return None  # of another target the balance of answers is not that of the grid
    graded = voice.has(f"{data}.right", "rightly")
    parts = list(voice.say("answers wrong" if graded else "{wrong|class}", wrong=f"{data}.wrong").parts)
    if voice.number("dropped") > 0:
        parts.extend(voice.say("; {dropped|of} left out ({dropped|split})").parts)
    return KeyFigure(voice.say("{wrong|percent}", wrong=f"{data}.wrong"), joined(parts))

"""The descriptive sections: overview, components and axes, detailed analysis; they know no kind of grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from layergrid import text
from layergrid.artifacts import Cite, Fact, Grid, Paragraph, Sentence
from layergrid.facts.view import Group, View
from layergrid.prose import alone, described, given, grading, kept, over_layers
from layergrid.prose.beside import detectable
from layergrid.prose.first_page import without_values
from layergrid.prose.voice import Voice, chained, joined

# ---------------------------------------------------------------- overview


def overview(voice: Voice, grid: Grid, data: str, model: str) -> list[Paragraph]:
    """Model, data set, rows, grid, best cell and baseline."""
    return [p for p in (_sources(voice, data, model), _measured(voice, grid), _bests(voice)) if p]


def _sources(voice: Voice, data: str, model: str) -> Paragraph:
    keys = {"m": model, "shape": f"{model}.shape", "d": data, "n": f"{data}.n", "right": f"{data}.right"}
    if not voice.has(keys["shape"], "long"):
        return ()
    keys["wrong"] = f"{data}.wrong"
    if voice.has(model, "elsewhere"):
        return _given(voice, keys)
    if not voice.has(keys["n"]):
        return (voice.say("The model is {m|name} ({shape|long}).", **keys),)
    if voice.has(f"{data}.given", "column"):
        told = given.sources(voice, keys)
        return (*told, *kept.left_out(voice, data), *grading.alike(voice, data))
    verb = "{d|reads}" if voice.has(data, "reads") else "{d|answers}"
    line = f"The model {{m|name}} ({{shape|long}}) {verb} {{n}} of {{d|name}} ({{d|source}})"
    if voice.has(keys["right"], "alone"):
        line += ", {right|alone}"
    elif voice.has(keys["right"], "rightly") and voice.has(keys["right"], "percent"):
        line += ", {right|percent} of them {right|rightly}"
    elif voice.has(keys["right"], "percent"):
        line += ": {right} ({right|percent}) and {wrong}"
    said = [voice.say(f"{line}.", **keys), *kept.left_out(voice, data), *grading.alike(voice, data)]
    if voice.has(data, "chat"):
        said.append(voice.say("{d|chat}.", **keys))
    return tuple(said)


def _given(voice: Voice, keys: Mapping[str, str]) -> Paragraph:
    """Of a model that is known by its activations alone."""
    examples = " for {n} of {d|name} ({d|source})" if voice.has(keys["n"]) else ""
    said = [
        voice.say(f"The states of the model {{m|name}} ({{shape|long}}){examples} {{m|elsewhere}}.", **keys),
        *kept.left_out(voice, keys["d"]),
    ]
    if voice.has(keys["right"], "percent"):
        said.append(voice.say("By label there are {right} ({right|percent}) and {wrong}.", **keys))
    return tuple(said)


def _measured(voice: Voice, grid: Grid) -> Paragraph:
    said = [voice.say("The grid holds {quantity|the} for {shape|full}.")]
    if voice.has("grid", "text"):
        said.append(voice.say("The tokens are those of {grid|text} alone, in their order."))
    if voice.has("head"):
        said.append(voice.say("Its cells {head}."))
    if voice.has("constant"):
        said.append(voice.say("{constant|Text}."))
    elif voice.has("range"):
        said.append(voice.say("Its {range|lie}."))
    elif grid.value.size:
        said.append(without_values(voice))
    if voice.has("certainty", "Text"):
        said.append(voice.say("{certainty|Text}."))
    elif voice.has("rows"):
        positive = ", {rows.positive} of them {quantity|positive}" if grid.quantity.positive else ""
        share = " ({rows.positive|percent})" if positive and voice.has("rows.positive", "percent") else ""
        lost = "; {dropped} {dropped|is} left out" if voice.number("dropped") > 0 else ""
        split = " ({dropped|split})" if lost and voice.has("dropped", "split") else ""
        said.append(voice.say(f"Cells are compared on {{rows}}{positive}{share}{lost}{split}."))
    return tuple(said)


def _bests(voice: Voice) -> Paragraph:
    said = []
    if voice.has("nested"):
        link = " " if voice.relation("nested.chance") == "cannot be told from" else ", "
        against = f"{link}{{nested.chance|clause}}" if voice.has("nested.chance", "clause") else ""
        said.append(voice.say(f"The nested {{quantity|name}} is {{nested}}{against}: {{choice|how}}."))
    if voice.has("highest", "single") and not voice.has("constant"):
        line = "{highest|The}, {highest|where}, {highest|reads} {highest}"
        why = "; {highest|optimistic}"
        picked = voice.has("nested") or voice.has("validation", "Faults")
        why = why if picked and not voice.has("highest", "lone") else ""
        why += "; {highest|beside}" if voice.has("highest", "beside") else ""
        said.append(voice.say(f"{line}{why}."))
    if voice.has("classes.spread"):
        said.append(voice.say("{classes.spread|Text} there."))
    if voice.has("best_baseline"):
        said.append(voice.say("{best_baseline|Named}, {best_baseline|label}, {best_baseline|verb} {best_baseline}."))
    return tuple(said)


# ---------------------------------------------------------------- components and axes


def components(voice: Voice, grid: Grid, data: str, model: str) -> list[Paragraph]:
    """What a cell is, how layers and positions are counted, the scale, and cells without a value."""
    return [p for p in (_scale(voice), _axes(voice, grid, data, model), _cells(voice)) if p]


def _scale(voice: Voice) -> Paragraph:
    said = [voice.say("{quantity|sentence}.")]
    if voice.has("quantity", "caution"):
        said.append(voice.say("{quantity|caution}."))
    if voice.has("bounds"):
        said.append(voice.say(f"Values run {{bounds}}{', and {chance|clause}' if voice.has('chance') else ''}."))
    elif voice.has("chance"):
        said.append(voice.say("{chance|Clause}."))
    if voice.has("quantity", "unit") and not voice.has("bounds"):
        said.append(voice.say("The unit is {quantity|unit}."))
    return tuple(said)


def _axes(voice: Voice, grid: Grid, data: str, model: str) -> Paragraph:
    said = []
    read = bool(grid.model) and not voice.has(model, "elsewhere")  # its tokens are known
    if grid.layers:
        zero = "; {layers.first} is the output of the embedding" if grid.layers[0] == 0 else ""
        numbered = f"numbered as the blocks of the model{zero}" if grid.model else "as they were given"
        said.append(voice.say(f"The layer axis holds {{layers}}, {numbered}."))
    if voice.has("grid", "text"):
        said.append(voice.say("The token axis holds the tokens of {grid|text}, in order: {positions}."))
    elif grid.positions:
        noun = "positions" if len(grid.positions) > 1 else "position"
        of_tokens = "token " if grid.model else ""
        said.append(voice.say(f"The token axis holds the {of_tokens}{noun} {{positions}}."))
    if voice.has("positions", "run") and read:
        stop = "" if voice.has(data, "reads") else ", stop token included"
        line = "{positions|Counts} {positions|run} {positions|counts} from the end of the sequence"
        said.append(voice.say(f"{line}{stop}."))
    if voice.has(model, "elsewhere"):
        said.append(voice.say("Positions bear the names that the manifest gives them."))
    if read:
        said.append(
            voice.say("Positions are found in the token ids that the model saw, not by tokenising its text anew.")
        )
    if voice.has(data, "rule"):
        said.append(grading.seen(voice, data))
    if voice.has("left_out", "Clause"):
        said.append(voice.say("{left_out|Clause}."))
    return tuple(said)


def _cells(voice: Voice) -> Paragraph:
    said = []
    if voice.number("empty") > 0:
        said.append(without_values(voice))
    elif voice.has("empty"):
        said.append(voice.say("{empty|Text}."))
    if voice.number("below_chance") > 0:
        said.append(voice.say("{below_chance}; a colour scale that starts at chance does not show it."))
    if voice.has("boundary"):
        said.append(voice.say("{boundary|clause}."))
    return tuple(said)


# ---------------------------------------------------------------- detailed analysis


def analysis(voice: Voice, grid: Grid, view: View) -> list[Paragraph]:
    """A paragraph for each group of positions, those with the highest cells first, then trends over layers."""
    if not voice.has("range"):
        return [(voice.say("The grid holds nothing to analyse."),)]
    if voice.has("constant"):
        return [(voice.say("{constant|Text}."),)]
    loud = [g for g in view.groups if voice.has(f"group.{g.key}.peak") and not voice.has("tied", "all")]
    loud.sort(key=lambda g: -view.sign * voice.number(f"group.{g.key}.peak"))
    quiet = [g for g in view.groups if g not in loud and voice.has(f"group.{g.key}.range")]
    silences = [_quiet(voice, g) for g in quiet]
    weighed = detectable(voice)
    if silences and weighed is not None:
        silences[-1] = (*silences[-1], weighed)
    paragraphs = [_loud(voice, grid, g) for g in loud] + silences
    if voice.has("tied", "all"):
        paragraphs.insert(0, (voice.say("{tied|Full}."),))
    whole = [*described.along(voice, view)] if view.described else []
    within = voice.has("near", "Rule") and any(_near(fact) for fact in voice.facts.values() if voice.owns(fact))
    near = (voice.say("{near|Rule}."),) if within else ()
    return [p for p in (*paragraphs, *whole, alone.control(voice, view), (*trends(voice), *near)) if p]


def _near(fact: Fact) -> bool:
    """Whether a fact tells which layers stand near a peak."""
    return (fact.rule == "band" and fact.relation == "within") or (fact.rule == "shape" and "band" in fact.forms)


def _loud(voice: Voice, grid: Grid, group: Group) -> Paragraph:
    key = f"group.{group.key}"
    top = _key(voice.facts[voice.identifier(f"{key}.peak")].cells[0][1])
    said = [_top(voice, key, top, len(group.columns))]
    others = [_key(grid.positions[j]) for j in group.columns]
    ranked = voice.get(f"{key}.ranked")
    if ranked is not None:
        others = [_key(position) for _, position in ranked.cells]
    level = {_key(position) for _, position in voice.facts[voice.identifier(f"{key}.peak")].cells}
    beside = [k for k in others if k not in level]
    loud = [grid.positions[j] for j in group.columns if voice.has(f"{_key(grid.positions[j])}.peak")]
    if alone.compared(voice, loud):
        said.extend([*alone.followers(voice, loud), *_silent(voice, beside)])
    else:
        said.extend(_followers(voice, key, beside))
    if ranked is not None:
        said.append(voice.say("{r|Rest}.", r=f"{key}.ranked"))
    if voice.has(f"{key}.above", "Text") and len(grid.layers) * len(group.columns) > 1:
        early = ", {early|clause}" if voice.has(f"{key}.above.earliest") else ""
        keys = {"above": f"{key}.above", "early": f"{key}.above.earliest"}
        said.append(voice.say(f"{{above|Text}}{early}.", **keys))
    if voice.has(f"{key}.contrast"):
        said.insert(0, _sides(voice, key))
    shape, change = over_layers.shape(voice, group), _change(voice, top)
    if shape is not None and (len(group.columns) == 1 or voice.has(f"{top}.way")):
        change = None  # the shape tells as much
    return (*said, *(line for line in (shape, change) if line is not None))


def _sides(voice: Voice, key: str) -> Sentence:
    """On which side of zero the intervals of a group lie."""
    return voice.say("At {g|label} the {level} interval of the difference {s}.", g=key, s=f"{key}.contrast")


def _key(position: str) -> str:
    return f"at.{text.slug(position)}"


def _top(voice: Voice, key: str, top: str, members: int) -> Sentence:
    """The group's highest cell, as a superlative of the claim only where no other position ties with it."""
    peak = voice.facts[voice.identifier(f"{key}.peak")]
    best = voice.get("highest")
    unique = voice.has("tied", "position") and best is not None and best.cells[:1] == peak.cells[:1]
    band = ", and {band}" if voice.has(f"{top}.band") else ""
    keys = {"p": f"{key}.peak", "band": f"{top}.band", "g": key}
    if unique and voice.has("highest", "superlative") and voice.has("nested"):
        head = "{quantity|Subject} are {highest|superlative} at {p|position}: {p} in {p|layers}"
    elif voice.has(f"{key}.peak", "holders"):
        return voice.say("Of {g|label}, {p|holders}: {p}.", **keys)
    elif members > 1:
        head = "Of {g|label}, {p|position} holds {p|the}: {p} in {p|layers}"
    else:
        head = "At {p|position} {p|the} {p|stands} in {p|layers}: {p}"
    return voice.say(f"{head}{band}.", **keys)


def _followers(voice: Voice, group: str, others: Sequence[str]) -> list[Sentence]:
    """The other positions of a group: those with a peak in order of it, then those without a cell above chance."""
    sign = -1 if voice.has("highest", "least") else 1
    ranked = sorted((k for k in others if voice.has(f"{k}.peak")), key=lambda k: -sign * voice.number(f"{k}.peak"))
    even = [k for k in ranked if voice.relation(f"{k}.gap") == "cannot be told from"]
    apart = [k for k in ranked if voice.has(f"{k}.gap", "clause") and k not in even]
    rest = [k for k in ranked if k not in even and k not in apart]
    said = []
    for keys, end in ((even, ", {even}"), (rest, "")):
        if keys:
            items = chained(_placed(voice, k) for k in keys)
            close = voice.say(f"{end}.", even=f"{group}.even").parts
            said.append(joined([f"Then {'comes' if len(keys) == 1 else 'come'} ", *items, *close]))
    if apart:
        said.append(_apart(voice, group, apart))
    said.extend(_silent(voice, others))
    return said


def _placed(voice: Voice, key: str) -> Sentence:
    """A position with its highest cell, and the layers that stand near it."""
    band = ", {b|short}" if voice.has(f"{key}.band", "short") else ""
    return voice.say(f"{{p|position}} ({{p|value_in}}{band})", p=f"{key}.peak", b=f"{key}.band")


def _silent(voice: Voice, others: Sequence[str]) -> list[Sentence]:
    """Positions of a group that have no cell above chance."""
    silent = [k for k in others if voice.has(f"{k}.above") and not voice.number(f"{k}.above")]
    if not silent:
        return []
    names = chained(voice.say("{a|at}", a=f"{k}.above") for k in silent)
    return [joined(["At ", *names, *voice.say(" {a|zero} {correction}.", a=f"{silent[0]}.above").parts])]


def _apart(voice: Voice, group: str, keys: Sequence[str]) -> Sentence:
    """Positions whose highest cell stands below that of their group, each with its gap."""
    head = "{p|The} at " if len(keys) == 1 else "{p|Several} at "
    where = chained(voice.say("{p|position} ({p|value_in})", p=f"{k}.peak") for k in keys)
    gaps = chained(voice.say("{gap}", gap=f"{k}.gap") for k in keys)
    last = voice.say(" {gap|word} that at {p|position}.", gap=f"{keys[-1]}.gap", p=f"{group}.peak").parts
    verb = voice.say(" {p|stands} " if len(keys) == 1 else " stand ", p=f"{keys[0]}.peak").parts
    return joined([*voice.say(head, p=f"{keys[0]}.peak").parts, *where, *verb, *gaps, *last])


def _change(voice: Voice, top: str) -> Sentence | None:
    has = [name for name in ("rise", "fall") if voice.has(f"{top}.{name}", "full")]
    if voice.has(f"{top}.way"):
        return voice.say("At {p|position} {quantity|the} {w}.", p=f"{top}.peak", w=f"{top}.way")
    if not has:
        return None
    parts = chained(voice.say("{c|full}", c=f"{top}.{name}") for name in has)
    return joined([*voice.say("At {p|position} {quantity|the} ", p=f"{top}.peak").parts, *parts, "."])


def _quiet(voice: Voice, group: Group) -> Paragraph:
    """A group without a cell above chance, or one of a grid that was not tested and has no highest cell."""
    key = f"group.{group.key}"
    keys = {"g": key, "r": f"{key}.range", "a": f"{key}.above"}
    head = "At {g|label} {quantity|the} {r|stays}"
    shape = over_layers.shape(voice, group)
    more = (shape,) if shape is not None else ()
    if voice.has(f"{key}.contrast"):
        return (voice.say(f"{head}.", **keys), _sides(voice, key), *more)
    if voice.has(f"{key}.above", "clause"):
        return (voice.say(f"{head}, and {{a|clause}} {{correction}}.", **keys), *more)
    return (voice.say(f"{head}.", **keys), *more)


def trends(voice: Voice, rule: bool = True) -> Paragraph:
    """Which positions rise or fall with depth, and by which declared rule."""
    if not voice.has("trend.rule", "rule"):
        return ()
    keys = ("rises", "falls", "peaks", "dips")
    found = [voice.say(f"{{trend.{key}}}") for key in keys if voice.has(f"trend.{key}")]
    if voice.has("trend.unclear"):
        found.append(voice.say("shows {trend.unclear}"))
    parts: list[str | Cite] = [*voice.say("Across layers {quantity|the} ").parts, *chained(found, ", ", ", and ")]
    end = voice.say("; a trend is stated for {trend.rule|rule}.").parts if rule else (".",)
    return (joined([*parts, *end]),)

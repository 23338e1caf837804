"""The sections that weigh: observations, interpretation, anomaly, conclusion; they know no kind of grid."""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import Fact, Grid, Paragraph, Sentence
from layergrid.facts.view import View
from layergrid.prose.alone import groups_apart
from layergrid.prose.beside import absent, additions, concluded, interpreted
from layergrid.prose.first_page import extent, without_values
from layergrid.prose.voice import Voice, chained, joined

MOST = 5  # observations, and departures that are named one by one


# ---------------------------------------------------------------- key observations


def observations(voice: Voice, view: View) -> list[Paragraph]:
    """Up to five facts, those with intervals first, by the size of the effect in half-widths of its interval."""
    if not voice.has("range"):
        return [(without_values(voice),)]
    if voice.has("constant"):
        return [(voice.within("{constant|Text}.", "{constant}."),)]
    ranked = [*_headline(voice)]
    if not voice.has("tied", "all"):
        ranked += [*apart(voice, view), *change(voice)]
    ranked.sort(key=lambda pair: -pair[0])
    lines = [line for _, line in ranked]
    lines.extend(line for line in (_ties(voice), _share(voice, view)) if line is not None)
    if not lines:
        lines.append(voice.say("The grid's {range|lie}."))
    return [(line,) for line in lines[:MOST]]


def _size(fact: Fact, value: float | None = None) -> float:
    """An effect in half-widths of its interval; 0 where there is none."""
    found = fact.value if value is None else value
    if fact.low is None or fact.high is None or not isinstance(found, int | float) or fact.high <= fact.low:
        return 0.0
    return abs(found) / ((fact.high - fact.low) / 2)


def _headline(voice: Voice) -> list[tuple[float, Sentence]]:
    """The nested best against chance, and against the baselines."""
    nested = voice.get("nested")
    if nested is None:
        return []
    found = []
    if voice.has("nested.chance", "full"):
        line = voice.say(f"The nested {{quantity|name}}{voice.of} stands {{nested.chance|full}}.")
        found.append((_size(nested, voice.number("nested.chance")), line))
    items = []
    for key in ("above", "cannot", "below"):
        if voice.has(f"over_all.{key}"):
            verb = "" if key == "cannot" else "stands "
            items.append(voice.say(f"{verb}{{v}}", v=f"over_all.{key}"))
    gain = voice.get("gain")
    if items:
        line = joined([*voice.say(f"{{nested|The}}{voice.of} ").parts, *chained(items, ", ", ", and "), "."])
        found.append((_size(gain) if gain else 0.0, line))
    return found


def apart(voice: Voice, view: View) -> list[tuple[float, Sentence]]:
    """Groups beside each other: by their nested values, or by their highest cells where they have none."""
    return groups_apart(voice, view) if voice.has("positions.best", "position") else gaps(voice, view)


def gaps(voice: Voice, view: View) -> list[tuple[float, Sentence]]:
    """Each group beside the group that holds the highest cell."""
    home = next((g for g in view.groups if view.peaks and view.peaks[0][1] in g.columns), None)
    found = []
    for group in view.groups:
        key = f"group.{group.key}"
        fact = voice.get(f"{key}.gap")
        if fact is None or home is None or group is home:
            continue
        keys = {"g": key, "p": f"{key}.peak", "gap": f"{key}.gap", "home": f"group.{home.key}"}
        keys["top"] = f"group.{home.key}.peak"
        verb = "{gap|word}" if fact.relation == "cannot be told from" else "{p|stands} {gap|relation}"
        # A group of one position is called by its name, which need not be said twice.
        who = "of {g|label}, {p|where}," if len(group.columns) > 1 else "of {g|label}, in {p|layers},"
        rest = f"{who} {verb} {{top|that}} of {{home|label}}."
        line = voice.within(f"{{p|The}} {rest}", f"{{p|the}} {rest}", **keys)
        found.append((_size(fact), line))
    return sorted(found, key=lambda pair: -pair[0])[:2]


def change(voice: Voice) -> list[tuple[float, Sentence]]:
    """The fall behind the highest cell at its position, or else the rise towards it."""
    best = voice.get("highest")
    if best is None or not best.cells:
        return []
    key = f"at.{text.slug(best.cells[0][1])}"
    for name in ("fall", "rise"):
        fact = voice.get(f"{key}.{name}")
        if fact is not None:
            line = voice.say(
                f"{{c|Span}} {{quantity|the}}{voice.of} {{c|clause}} at {{c|position}}.", c=f"{key}.{name}"
            )
            return [(_size(fact), line)]
    return []


def _ties(voice: Voice) -> Sentence | None:
    return voice.within("{tied|Full}.", "{tied|full}.") if voice.has("tied", "Full") else None


def _share(voice: Voice, view: View) -> Sentence | None:
    """The share of each group above chance, side by side, or of the whole grid where there is one group."""
    groups = [g for g in view.groups if voice.has(f"group.{g.key}.above", "of")]
    if len(groups) < 2 or not voice.number("above") > 0:
        return extent(voice, ())
    items = [voice.say("{a|of} at {g|label}", a=f"group.{g.key}.above", g=f"group.{g.key}") for g in groups]
    head = voice.say(f"Cells{voice.of} {{above|relation}} chance {{correction}}: ").parts
    return joined([*head, *chained(items), "."])


# ---------------------------------------------------------------- interpretation


def interpretation(voice: Voice, view: View) -> list[Paragraph]:
    """What may be read from the grid and what may not, hedged; the author's own text stands apart."""
    grid = view.grid
    if not voice.has("nested") or voice.relation("nested.chance") != "above":
        return [_unsupported(voice)]
    said = []
    if grid.quantity.claim and grid.quantity.higher_is == "more":
        line = "That {quantity|subject} are {quantity|claim} from {grid|site} says what a read-out can find there"
        said.append(voice.say(f"{line}, not that the model makes use of it."))
    beside = _beside(voice)
    if beside is not None:
        said.append(beside)
    said.extend(interpreted(voice))
    if voice.has("question_only", "clause"):
        line = "{q|Label}, made of the question alone, {q|clause}: what is read out may be how hard a question is."
        if view.card is not None and not view.card.written:
            line = "{q|Label}, made of the data alone, {q|clause}: what is read out may be what these columns tell."
        said.append(voice.say(line, q="question_only"))
    if voice.has("above.earliest"):
        line = "That {above.earliest|silent} depends on the read-out and the number of rows"
        said.append(voice.say(f"{line}; it does not date a computation."))
    if not said:
        said.append(
            voice.say(
                f"The values{voice.of} say what a read-out can find in {{grid|site}}, not what the model makes of it."
            )
        )
    return [tuple(said)]


def _unsupported(voice: Voice) -> Paragraph:
    if not voice.has("range"):
        return (voice.say(f"{voice.Grid} holds nothing to interpret."),)
    if voice.relation("nested.chance") == "below":
        line = "A nested value {nested.chance|short} orders held-out rows the wrong way round"
        return (voice.say(f"{line}; this speaks of the split or the labels and not of the model."),)
    if voice.has("nested", "range"):
        line = f"{voice.Grid} does not show that {{quantity|subject}} are absent from {{grid|site}}"
        line += ": values in the interval {nested|range} remain compatible with these rows."
        return (voice.say(line),)
    if voice.has("validation", "Faults") and voice.has("highest", "The"):
        line = f"{{highest|The}}{voice.of} was chosen on the rows that score it, so that its value is optimistic."
        return (voice.say(line),)
    return (voice.say(f"The values{voice.of} describe these rows and are not an estimate for others."),)


def _beside(voice: Voice) -> Sentence | None:
    """What the best baseline lets one say of the nested best."""
    relation = voice.relation("gain")
    tested = bool(additions(voice))
    name = "{best_baseline|the}, {best_baseline|label},"
    if voice.has("best_baseline", "states") and relation != "above":
        return None  # what it means that other states do as well is said of them
    if relation == "above":
        head = "{best_baseline|The}, {best_baseline|label}, {best_baseline|alone}"
        return voice.say(f"{head}: {{nested|the}} stands {{gain|relation}} {{best_baseline|it}}.")
    if relation == "below":
        head = "{best_baseline|The}, {best_baseline|label}, {best_baseline|orders} the rows {gain|converse}"
        open_ = "" if tested else "; whether the activations add to {best_baseline|it} is not tested here"
        return voice.say(f"{head}{open_}.")
    if relation and tested:
        return None  # that is told of the addition
    if relation:
        head = f"Whether the activations add anything to {name} is left open"
        below = ", and stands {over_all.below}" if voice.has("over_all.below") else ""
        return voice.say(f"{head}: {{nested|the}} {{gain|word}} it{below}.")
    return None


# ---------------------------------------------------------------- notable anomaly


def anomaly(voice: Voice) -> list[Paragraph]:
    """Each rule with its threshold, then the cells or steps that pass it, or that none does."""
    if voice.has("departure.rule", "unjudged"):
        said = [voice.say("The rule for departures {departure.rule|unjudged}; it is not applied.")]
    elif not voice.has("departure.rule") or not voice.has("departures", "Text"):
        said = [voice.say("The rule for departures needs neighbouring layers whose values vary; it is not applied.")]
    else:
        said = [voice.say("A cell counts as a departure where {departure.rule|rule}."), *_departed(voice, True)]
    if not voice.has("lone"):
        return [tuple(said)]
    steps = [voice.say("A step from layer to layer counts as alone where {lone.rule|rule}."), *_stepped(voice, True)]
    return [tuple(said), tuple(steps)]


def departures(voice: Voice) -> list[Sentence]:
    """The same in short: what departs, or that nothing does."""
    short = [*_departed(voice, False)] if voice.has("departures", "Brief") else []
    return [*short, *(_stepped(voice, False) if voice.number("lone") > 0 else [])]


def _departed(voice: Voice, whole: bool) -> list[Sentence]:
    """The cells that depart from their neighbours, one by one."""
    hits = [k for k in voice.facts if k.startswith(voice.identifier("departure.")) and not k.endswith(".rule")]
    lines = [voice.say("The cell {d|where} reads {d}, {d|full}.", d=f"/{key}") for key in hits[:MOST]]
    return [voice.say(f"{{departures|{'Text' if whole else 'Brief'}}}."), *(lines if whole else lines[:1])]


def _stepped(voice: Voice, whole: bool) -> list[Sentence]:
    """The steps that no other position shares, one by one."""
    hits = [k for k in voice.facts if k.startswith(voice.identifier("lone.")) and voice.facts[k].rule == "anomaly"]
    lines = [voice.say("{s|At}; {s|others}.", s=f"/{key}") for key in hits[:MOST]]
    return [voice.say("{lone|Text}."), *lines] if whole else lines[:1]


# ---------------------------------------------------------------- conclusion


def conclusion(voice: Voice, view: View) -> list[Paragraph]:
    """The result once more beside its baseline, then what it does not show."""
    found = (*_result(voice), *concluded(voice), *absent(voice)) if voice.has("nested") else _result(voice)
    return [p for p in (found, _limits(voice, view.grid)) if p]


def _result(voice: Voice) -> Paragraph:
    if not voice.has("range"):
        return (voice.say(f"{voice.Grid} holds nothing to conclude from."),)
    if not voice.has("nested"):
        return (voice.say(f"{voice.Grid} describes these rows and does not speak of others."),)
    clauses = []
    relation = voice.relation("nested.chance")
    if relation:
        clauses.append(voice.say("{nested.chance}" if relation == "cannot be told from" else "stands {nested.chance}"))
    relation = voice.relation("gain")
    if relation:
        verb = "{gain|word}" if relation == "cannot be told from" else "stands {gain|relation}"
        clauses.append(voice.say(f"{verb} {{best_baseline|the}}"))
        if relation == "cannot be told from" and voice.has("over_all.below"):
            clauses.append(voice.say("stands {over_all.below}"))
    beside: Paragraph = ()
    if voice.has("gain", "difference") and not relation:
        line = f"{{best_baseline|The}}{voice.of}, {{best_baseline|label}}, {{best_baseline|verb}} {{best_baseline}}"
        beside = (voice.say(f"{line}: a {{gain|of}}."),)
    if not clauses:
        return (voice.say(f"The nested {{quantity|name}}{voice.of} is {{nested}}."), *beside)
    return (
        joined(
            [
                *voice.say(f"The nested {{quantity|name}}{voice.of}, {{nested}}, ").parts,
                *chained(clauses, ", ", ", and "),
                ".",
            ]
        ),
        *beside,
    )


def expectations(whole: Voice, count: int) -> Paragraph:
    """Which bounds of the spec are met."""
    if not count:
        return ()
    items = [whole.say("{e|full}", e=f"expectation.{i}") for i in range(count)]
    return (joined([*whole.say("{expectations|Text}: ").parts, *chained(items, "; ", "; "), "."]),)


def reach(voice: Voice, view: View) -> list[Sentence]:
    """The first limits: that a read-out is no use, and on which rows the numbers rest."""
    return list(_limits(voice, view.grid)[:3])


def _limits(voice: Voice, grid: Grid) -> Paragraph:
    if not voice.has("range"):
        return ()
    said = []
    if grid.quantity.claim:
        said.append(
            voice.say(f"{voice.Grid} is correlational: what is {{quantity|claim}} need not be used by the model.")
        )
    seed = " ({seed})" if voice.has("seed") else ""
    rest = next((key for key in ("validation", "repeats") if voice.has(key, "rest")), "")
    if rest:
        said.append(voice.say(f"The numbers{voice.of} rest on {{{rest}|rest}}{seed}."))
    elif voice.has("folds"):
        said.append(voice.say(f"The numbers{voice.of} rest on a single assignment of rows to {{folds}}{seed}."))
    if voice.number("dropped") > 0 and voice.has("rows"):
        shares = "; {dropped|shares}" if voice.has("dropped", "shares") else ""
        line = f"The numbers{voice.of} are conditional on the {{rows}} kept of {{rows.all|count}}{shares}."
        said.append(voice.say(line))
    if voice.has("near_duplicates", "leak"):
        said.append(voice.say("{near_duplicates|leak}."))
    if voice.has("level", "intervals"):
        said.append(
            voice.say(
                f"The {{level|intervals}} of single cells{voice.of} are pointwise, and ties are judged pair by pair."
            )
        )
    if voice.has("tied") or (voice.has("highest", "superlative") and not voice.has("highest", "lone")):
        line = f"Differences that start from {{highest|a}}{voice.of} are optimistic, because these rows choose it."
        said.append(voice.say(line))
    return tuple(said)

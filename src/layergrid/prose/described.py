"""The words of grids that describe and choose nothing: first page, observations, interpretation, conclusion.

They say what is there, how sure it is, and what it is not; they know no kind of grid.
"""

from __future__ import annotations

from layergrid import text
from layergrid.artifacts import Cite, KeyFigure, Paragraph, Sentence
from layergrid.facts.view import View
from layergrid.prose import first_page, over_layers
from layergrid.prose.reading import MOST, change, gaps
from layergrid.prose.voice import Voice, chained, joined

IN_ABSTRACT = 3  # sentences of what was found, between what a cell is and what it does not say


def abstract(voice: Voice, view: View) -> Paragraph:
    """What a cell is, what was found and how sure, and what a high value does not say."""
    said = [voice.say("{quantity|sentence}."), *found(voice, view)[:IN_ABSTRACT]]
    return (*said, voice.say("{quantity|caution}.")) if voice.has("quantity", "caution") else tuple(said)


def found(voice: Voice, view: View, sure: bool = True) -> list[Sentence]:
    """What is there, weightiest first; `sure` says with it where no interval is known."""
    if voice.has("constant"):
        return [voice.within("{constant|Text}.", "{constant}.")]
    if not voice.has("range"):
        return []
    said = [*contrasts(voice), *references(voice, view)]
    more = (
        extremes(voice, sure), first_page.extent(voice, view.groups), *over_layers.apart(voice, view),
        over_layers.low(voice), ties(voice), tokens(voice), leaders(voice),
    )  # fmt: skip
    return said + [sentence for sentence in more if sentence is not None]


# ---------------------------------------------------------------- single findings


def extremes(voice: Voice, sure: bool = False) -> Sentence | None:
    """Where the values are highest and lowest, where such cells may be named; `sure` adds that no interval is known."""
    if not voice.has("highest", "single") or voice.has("constant"):
        return None
    if voice.has("highest", "lone"):
        return voice.within("{highest|The}, {highest|where}, holds {highest}.", "{highest|the} holds {highest}.")
    lowest = ", and {lowest|single} {lowest|at}, {lowest}" if voice.has("lowest", "single") else ""
    end = "; {certainty}" if sure and voice.has("certainty") else ""
    what = f"{{highest|is}} {{highest|at}}, {{highest}}{lowest}{end}."
    return voice.within(f"{{quantity|The}} {what}", f"{{quantity|the}} {what}")


def ties(voice: Voice) -> Sentence | None:
    """Which cells cannot be told from the highest, by paired intervals."""
    return voice.within("{tied|Full}.", "{tied|full}.") if voice.has("tied", "Full") else None


def certainty(voice: Voice) -> Sentence | None:
    """That differences have no interval, and why."""
    return voice.within("{certainty|Text}.", "{certainty}.") if voice.has("certainty", "Text") else None


def leaders(voice: Voice) -> Sentence | None:
    """Which position holds the highest value of each layer."""
    if not voice.has("leaders"):
        return None
    return voice.within("{leaders|Text}.", "{leaders}.")


def first_token(voice: Voice) -> Sentence | None:
    """What of a row falls on the first token, which need be none of the positions."""
    return voice.within("{first_token|Text}.", "{first_token}.") if voice.has("first_token") else None


def tokens(voice: Voice) -> Sentence | None:
    """On how few tokens of a text half of each layer's sum stands."""
    return voice.within("{half|Text}.", "{half}.") if voice.has("half") else None


def depth(voice: Voice) -> Sentence | None:
    """The range of values in each third of the layers."""
    if not voice.has("depth.0"):
        return None
    parts = chained(voice.say("{d}", d=f"depth.{i}") for i in range(3))
    return joined([*voice.say(f"The values{voice.of} lie ").parts, *parts, "."])


def contrasts(voice: Voice) -> list[Sentence]:
    """On which side of zero the intervals lie, and what chance alone would give; values without intervals."""
    if voice.has("contrast.signs"):
        return [voice.say(f"The differences{voice.of} {{contrast.signs}}.")]
    if not voice.has("contrast.sides"):
        return []
    beside = "; {contrast.chance}" if not voice.has("contrast.sides", "none") else ""
    head = f"The interval of the difference ({{level}}, cell by cell){voice.of} {{contrast.sides}}"
    said = [voice.say(f"{head}{beside}.")]
    far = [side for side in ("above", "below") if voice.has(f"contrast.{side}")]
    if far:
        items = chained(voice.say("{c} at {c|where} ({c|more})", c=f"contrast.{side}") for side in far)
        among = f"Among the cells{voice.of} whose interval {{contrast.sides|leaves}}, the difference goes as far as "
        head = f"There the difference{voice.of} is " if voice.number("contrast.sides") == 1 else among
        said.append(joined([*voice.say(head).parts, *items, "."]))
    return said


def references(voice: Voice, view: View) -> list[Sentence]:
    """How the cells stand beside what they are compared with."""
    said = []
    for facet in view.grid.facets:
        key = f"reference.{text.slug(facet.name)}"
        if facet.role == "reference" and (one := _reference(voice, key)) is not None:
            said.append(one)
            if (
                voice.has(f"{key}.gap", "relation")
                and voice.has("highest", "single")
                and not _there_already(voice, key)
            ):
                said.append(_at_highest(voice, key))
    return said


def _there_already(voice: Voice, key: str) -> bool:
    """Whether the widest gap that a sentence names stands at the highest cell."""
    highest = voice.get("highest")
    gaps = [voice.get(f"{key}.{side}.widest") for side in ("above", "below")]
    return highest is not None and any(gap is not None and gap.cells == highest.cells[:1] for gap in gaps)


def _reference(voice: Voice, key: str) -> Sentence | None:
    if voice.has(f"{key}.values"):
        return voice.within("{v|Text} {r|label}.", "{v} {r|label}.", v=f"{key}.values", r=key)
    if not voice.has(f"{key}.above"):
        return None
    side = "above" if voice.number(f"{key}.above") >= voice.number(f"{key}.below") else "below"
    rest = [
        voice.say("{more|more}", more=f"{key}.{name}")
        for name in ("above", "below", "cannot")
        if name != side and voice.number(f"{key}.{name}") > 0
    ]
    head = voice.within("{s|Text} {r|label}", "{s} {r|label}", s=f"{key}.{side}", r=key)
    widest: tuple[str | Cite, ...] = ()
    if voice.has(f"{key}.{side}.widest"):
        far = ", by the widest margin, {w}, at {w|where} ({w|value} against {w|beside})"
        widest = voice.say(far, w=f"{key}.{side}.widest").parts
    return joined([*head.parts, *widest, *(["; ", *chained(rest)] if rest else []), "."])


def _at_highest(voice: Voice, key: str) -> Sentence:
    """The highest value beside the reference there, so that its size is not taken for a finding."""
    line = "Where {quantity|the} {highest|is}, {highest|at}, it reads {g|value}, and {r|label} is {g|beside}"
    return voice.say(f"{line}: a paired difference of {{g}}.", g=f"{key}.gap", r=key)


def heads(voice: Voice) -> list[Sentence]:
    """Single heads beside the map that joins them."""
    said = []
    if voice.has("heads.highest"):
        line = f"{{h|The}}{voice.of} is {{h}}, of {{h|head}} at {{h|where}}"
        said.append(voice.say(f"{line}.", h="heads.highest"))
    if voice.has("heads.spread"):
        said.append(voice.say(f"At {{highest|the}}{voice.of}, {{highest|where}}, {{heads.spread}}."))
    if voice.has("heads.leading"):
        said.append(voice.within("{heads.leading|Text}.", "{heads.leading}."))
    return said


def along(voice: Voice, view: View) -> list[Paragraph]:
    """Over the whole grid: beside its references, along its layers, head by head."""
    voice = Voice(voice.facts, voice.prefix)  # the paragraphs are led by the grid's name, where there are several
    lines = (over_layers.low(voice), leaders(voice), tokens(voice), first_token(voice), depth(voice))
    layers = [line for line in lines if line is not None]
    groups = tuple(over_layers.apart(voice, view))
    return [p for p in (tuple(references(voice, view)), groups, tuple(layers), tuple(heads(voice))) if p]


# ---------------------------------------------------------------- key figures


def key_figures(voice: Voice, view: View) -> tuple[KeyFigure, ...]:
    """The few large numbers, each with its meaning."""
    found_figures = [
        _figure_contrast(voice), *_figures_reference(voice, view), _figure_end(voice, "highest"),
        _figure_end(voice, "lowest"), _figure_size(voice, view),
    ]  # fmt: skip
    return tuple(f for f in found_figures if f is not None)[:4]


def _figure_contrast(voice: Voice) -> KeyFigure | None:
    if not voice.has("contrast.sides"):
        return None
    meaning = f"cells{voice.of} whose {{level}} interval {{s|leaves}}"
    if not voice.has("contrast.sides", "none"):
        meaning += "; {contrast.chance}"
    return KeyFigure(voice.say("{s|off}", s="contrast.sides"), voice.say(meaning, s="contrast.sides"))


def _figures_reference(voice: Voice, view: View) -> list[KeyFigure]:
    found_figures = []
    for facet in view.grid.facets:
        key = f"reference.{text.slug(facet.name)}"
        for name, how in (("above", ", by paired intervals"), ("values", ", as values")):
            if facet.role == "reference" and voice.has(f"{key}.{name}", "of"):
                meaning = voice.say(f"cells{voice.of} {{a|word}} {{r|label}}{how}", a=f"{key}.{name}", r=key)
                found_figures.append(KeyFigure(voice.say("{a|of}", a=f"{key}.{name}"), meaning))
    return found_figures


def _figure_end(voice: Voice, end: str) -> KeyFigure | None:
    if not voice.has(end, "single") or voice.has("constant") or (end == "lowest" and voice.has("highest", "lone")):
        return None
    bounds = "; {e|interval}" if voice.has(end, "interval") else ""
    bounds += "; {e|beside}" if voice.has(end, "beside") else ""
    meaning = f"{{e|single}} {{quantity|name}}{voice.of}, {{e|at}}{bounds}"
    return KeyFigure(voice.say("{e|value}", e=end), voice.say(meaning, e=end))


def _figure_size(voice: Voice, view: View) -> KeyFigure | None:
    """The rows behind the cells, or the size of a grid that has none."""
    if not voice.has("range"):
        return KeyFigure(voice.say("{empty|count}"), voice.say(f"cells without a value{voice.of}, of {{shape}}"))
    if view.paired and voice.has("rows"):
        lost = "; {dropped|of} left out" if voice.number("dropped") > 0 else ""
        groups = ", in {groups}" if voice.has("groups", "column") else ""
        return KeyFigure(voice.say("{rows|count}"), voice.say(f"rows compared{voice.of}{groups}{lost}"))
    return KeyFigure(voice.say("{shape|cells}"), voice.say(f"{{shape}}{voice.of}"))


# ---------------------------------------------------------------- sections that weigh


def observations(voice: Voice, view: View) -> list[Paragraph]:
    """Up to five findings: contrasts and references, gaps and changes with their intervals, then values in order."""
    if not voice.has("range") or voice.has("constant"):
        return []
    lines = [*contrasts(voice), *references(voice, view)]
    if not voice.has("tied", "all"):
        measured = [*gaps(voice, view), *change(voice)]
        measured.sort(key=lambda pair: -pair[0])
        lines += [line for _, line in measured[:2]]
    if not lines and (first := extremes(voice)) is not None:
        lines.append(first)
    more = (
        first_page.extent(voice, ()),
        *over_layers.apart(voice, view)[:2],
        *shapes(voice, view)[:2],
        over_layers.low(voice),
        ties(voice),
        leaders(voice),
        tokens(voice),
        first_token(voice),
        depth(voice),
        *heads(voice),
    )
    lines += [line for line in more if line is not None]
    return [(line,) for line in (lines or [voice.say("The grid's {range|lie}.")])[:MOST]]


def interpretation(voice: Voice, view: View) -> list[Paragraph]:
    """What the numbers do not say, and how far they reach."""
    if not voice.has("range"):
        return [(voice.say(f"{voice.Grid} holds nothing to interpret."),)]
    said = [voice.say("{quantity|caution}.")] if voice.has("quantity", "caution") else []
    reach = _reach(voice, view)
    if reach is not None:
        said.append(reach)
    if voice.has("contrast.sides") and not voice.has("contrast.sides", "none"):
        line = f"Cells{voice.of} are judged each by itself, without correction for their number"
        said.append(voice.say(f"{line}: {{contrast.chance|lone}}."))
    return [tuple(said)]


def _reach(voice: Voice, view: View) -> Sentence | None:
    """For what the values stand, unless the caution of a given table has said it."""
    if not view.grid.model:
        line = f"The numbers{voice.of} were given and not computed here: what they mean is for their source to say."
        return None if voice.has("quantity", "caution") else voice.say(line)
    if view.result.sides:
        return None
    if not view.paired:
        return voice.say(f"The values{voice.of} describe what was read and are not an estimate for others.")
    return voice.say(f"The values{voice.of} describe what is there, not what the model makes of it.")


def conclusion(voice: Voice, view: View) -> list[Paragraph]:
    """What was found once more, then how far it reaches."""
    if not voice.has("range"):
        return [(voice.say(f"{voice.Grid} holds nothing to conclude from."),)]
    first = found(voice, view, sure=False)[:1]
    return [p for p in (tuple(first), tuple(_limits(voice, view))) if p]


def reach(voice: Voice, view: View) -> list[Sentence]:
    """How sure the numbers are, what a high value does not say, and for what they stand: the limit of a summary."""
    said = [line for line in (certainty(voice), _reach(voice, view)) if line is not None]
    return [voice.say("{quantity|caution}."), *said] if voice.has("quantity", "caution") else said


def shapes(voice: Voice, view: View) -> list[Sentence]:
    """What each group of positions does over layers: shapes of different sorts first, of one sort the largest group."""
    told = [group for group in view.groups if voice.has(f"group.{group.key}.shape")]
    told.sort(key=lambda group: -len(group.columns))
    firsts = {voice.relation(f"group.{group.key}.shape"): group for group in reversed(told)}
    told.sort(key=lambda group: group not in firsts.values())
    found_shapes = [over_layers.shape(voice, group) for group in told]
    return [line for line in found_shapes if line is not None]


def _limits(voice: Voice, view: View) -> list[Sentence]:
    said = []
    sure = certainty(voice)
    if sure is not None:
        said.append(sure)
    elif view.grid.model and voice.has("rows"):
        shares = "; {dropped|shares}" if voice.has("dropped", "shares") else ""
        kept = " kept of {rows.all|count}" if voice.number("dropped") > 0 and voice.has("rows.all") else ""
        said.append(voice.say(f"The numbers{voice.of} are those of the {{rows}}{kept}{shares}."))
    if voice.has("level", "intervals"):
        pairs = ", and ties are judged pair by pair" if voice.has("tied") else ""
        said.append(voice.say(f"The {{level|intervals}} of single cells{voice.of} are pointwise{pairs}."))
    if view.paired and voice.has("highest", "single") and not voice.has("highest", "lone"):
        line = f"Differences that start from {{highest|a}}{voice.of} are optimistic, because these rows choose it"
        said.append(voice.say(f"{line}."))
    return said

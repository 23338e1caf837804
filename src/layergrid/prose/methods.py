"""The methods, in words that a paper could print: from the settings of a grid, never from its values."""

from __future__ import annotations

from layergrid.artifacts import Grid, Paragraph, Sentence
from layergrid.prose import given, grading, kept
from layergrid.prose.beside import additions
from layergrid.prose.voice import Voice

PAIRED = "paired cells"  # the rule of facts that compare two cells


def methods(voice: Voice, grid: Grid, data: str, model: str) -> list[Paragraph]:
    """Answers and rows, folds and choices, values and intervals, corrections, what is compared with what."""
    done = [_given(voice, model), _answers(voice, data), _steps(voice), _rows(voice)]
    if voice.has("range"):  # where no cell has a value nothing was split, fitted or tested
        done += [_fits(voice), _values(voice, grid), _many(voice), _beside(voice)]
    return [p for p in done if p]


def _given(voice: Voice, model: str) -> Paragraph:
    """That states were not made here, of a model that is known by its activations alone."""
    if not voice.has(model, "elsewhere"):
        return ()
    line = "The states of {m|name} {m|elsewhere}; how they were made, and from which tokens, is not known here."
    return (voice.say(line, m=model),)


def _answers(voice: Voice, data: str) -> Paragraph:
    """How completions were made and graded, and how many bear no exact answer."""
    said = [*kept.left_out(voice, data), *given.methods(voice, data)]
    if voice.has(data, "chat"):
        said.append(voice.say("{d|chat}.", d=data))
    if voice.has(f"{data}.max_new_tokens"):
        cut = "; {cut|cut}" if voice.has(f"{data}.truncated", "cut") else ""
        split = " ({cut|split})" if voice.has(f"{data}.truncated", "split") else ""
        line = f"Completions are limited to {{limit}}{cut}{split}."
        said.append(voice.say(line, limit=f"{data}.max_new_tokens", cut=f"{data}.truncated"))
    if voice.has(data, "rule"):
        said.append(voice.say("An answer is graded by its exact answer: {d|rule}.", d=data))
        said += grading.compared(voice, data)
    if voice.number(f"{data}.not_found") > 0:
        said.append(voice.say("The rule finds nothing in {lost} ({lost|split}).", lost=f"{data}.not_found"))
    elif voice.has(f"{data}.not_found", "whole"):
        said.append(voice.say("The rule finds an answer in {lost|whole}.", lost=f"{data}.not_found"))
    return tuple(said)


def _steps(voice: Voice) -> Paragraph:
    """What was done, in the words of the grid's maker, in order."""
    keys = [k for k, f in voice.facts.items() if k.startswith(voice.identifier("step.")) and f.rule == "setting"]
    return tuple(voice.say("{step}.", step=f"/{key}") for key in keys)


def _rows(voice: Voice) -> Paragraph:
    said = []
    if voice.has("certainty") and voice.has("grid", "text"):
        return ()
    if voice.has("statuses", "every"):
        counted = (
            voice.has("rows") and voice.has("rows.all") and not voice.has("validation")
        )  # which has its own counts
        kept = " ({rows} of {rows.all|count})" if counted else ""
        said.append(voice.say(f"A row is compared where {{statuses|every}} has the status {{statuses}}{kept}."))
    if voice.has("groups", "column"):
        split = voice.has("folds") and not voice.has("validation", "Faults")  # the published recipe parts groups
        end = "stay together in each split" if split else "count as a group in each interval"
        said.append(voice.say(f"Rows that share a value of {{groups|column}} {end} ({{groups|count}})."))
    if voice.has("near_duplicates"):
        said.append(voice.say("{near_duplicates|Text}."))
    return tuple(said)


def _fits(voice: Voice) -> Paragraph:
    said = [voice.say(f"{{{key}|Text}}.") for key in ("target", "probe") if voice.has(key, "Text")]
    if voice.has("validation"):
        said.extend(_validated(voice))
    elif voice.has("folds"):
        by = "{target|by}" if voice.has("target", "by") else "classes"
        line = f"Rows are split into {{folds}}, by {by} and groups"
        if voice.has("nested"):
            inner = "{inner_folds} of each training part" if voice.has("inner_folds") else "the training part"
            penalties = " ({penalties})" if voice.has("penalties") else ""
            line += f"; {{choice|what}}{penalties} are chosen on {inner}"
            line += ", and the chosen cell is scored on the fold left out"
        said.append(voice.say(f"{line}."))
        if voice.has("repeats", "Clause"):
            said.append(voice.say("{repeats|Clause}."))
        if voice.has("positions.best", "position"):
            said.append(voice.say("The nested value of a position is that of this position alone, with {choice|own}."))
    if voice.has("penalties.end", "Text"):
        said.append(voice.say("{penalties.end|Text}."))
    for key, head in (("scaling", "Scaling"), ("solver", "Solver"), ("tolerance", "Tolerance")):
        if voice.has(f"method.{key}"):
            end = "; {unconverged}" if key == "tolerance" and voice.has("unconverged") else ""
            said.append(voice.say(f"{head}: {{m}}{end}.", m=f"method.{key}"))
    return tuple(said)


def _validated(voice: Voice) -> list[Sentence]:
    """A split that is no set of folds: training, choosing and test rows, or the published recipe with its faults."""
    penalties = " ({penalties})" if voice.has("penalties") else ""
    said = [voice.say("{validation|Text}.")]
    if voice.has("validation", "chosen") and voice.has("nested"):
        said.append(voice.say(f"{{choice|What}}{penalties} are chosen on {{validation|chosen}}."))
    if voice.has("validation", "Faults"):
        said.append(voice.say("{validation|Faults}."))
    return said


def _values(voice: Voice, grid: Grid) -> Paragraph:
    said = [voice.say("{metric|Text}.")] if voice.has("metric", "Text") else []
    if voice.has("method.interval") and voice.has("level", "intervals"):
        if voice.has("statistic"):
            said.append(voice.say("Cells are {statistic|cells}."))
        said.append(voice.say("Values and {level|intervals}: {m}.", m="method.interval"))
    if voice.has("beyond_range"):
        said.append(voice.say("{beyond_range|Text}."))
    if voice.has("method.test") and not voice.has("permutation"):
        said.append(voice.say("Test: {m}.", m="method.test"))
    if grid.quantity.positive and not grid.contrast:
        said.append(voice.say("{quantity|Positive} are the positive class."))
    return tuple(said)


def _many(voice: Voice) -> Paragraph:
    said = []
    if voice.has("correction", "tests"):
        by = ", corrected by the method of {correction|name}" if voice.has("correction", "name") else ", corrected"
        if voice.has("permutation", "by"):
            by = ", corrected together {permutation|by}: {permutation}"
        said.append(voice.say(f"The grid makes {{correction|tests}}{by}."))
    said.extend(_permuted(voice))
    return tuple(said)


def _beside(voice: Voice) -> Paragraph:
    """How cells, baselines and control tasks are compared."""
    said = []
    if voice.has("tied"):
        said.append(voice.say("A cell {tie.rule|word} another where {tie.rule}."))
    if any(fact.rule == PAIRED and fact.id.startswith(voice.identifier("")) for fact in voice.facts.values()):
        said.append(
            voice.say("Gaps and changes from cell to cell carry {level|intervals} that are paired on the rows.")
        )
    if voice.has("statistic", "median"):
        said.append(
            voice.say("Such a gap is the {statistic} of the row differences, not the difference of {statistic}s.")
        )
    if voice.has("best_baseline"):
        signs = "; signs are fixed in advance ({signs})" if voice.has("signs") else ""
        where = "test rows" if voice.has("validation") else "rows and folds"
        said.append(voice.say(f"Baselines are scored on the {where} of the grid{signs}."))
    for key in additions(voice):
        line = "What the probe adds to {a|label} is told by a predictor fitted to {a|label} and the probe together"
        line += ", against a predictor fitted to {a|label} alone, "
        line += "on the rows kept for choosing." if voice.has("validation") else "on the folds of the grid."
        said.append(voice.say(line, a=key))
    if voice.has("control"):
        line = "A control task gives {control}; selectivity is {control|less}, and is told where tokens recur."
        said.append(voice.say(line))
    return tuple(said)


def _permuted(voice: Voice) -> list[Sentence]:
    """The permutation test, the rows that it cannot move, and what it would find."""
    said = []
    if voice.has("permutation"):
        said.append(voice.say("{permutation|Statistic}; {permutation|p}."))
    if voice.has("permutation", "Other"):
        said.append(voice.say("{permutation|Other}."))
    if voice.has("permutation.fixed", "Text"):
        said.append(voice.say("{permutation.fixed|Text}."))
    if voice.has("detectable", "Clause"):
        said.append(voice.say("{detectable|Clause}; {detectable|how}."))
    return said


def provenance(whole: Voice) -> Paragraph:
    """The spec, the seed and the libraries that decide the numbers."""
    said = []
    if whole.has("spec", "name"):
        digest = " ({spec|digest})" if whole.has("spec", "digest") else ""
        said.append(whole.say(f"Built from the spec {{spec|name}}{digest} with {{seed}}."))
    if whole.has("versions"):
        said.append(whole.say("Libraries: {versions}."))
    return tuple(said)

"""Facts of how a grid was made, read from its settings; they say nothing of its values."""

from __future__ import annotations

from typing import Any

from layergrid import text
from layergrid.facts.ledger import Ledger
from layergrid.facts.view import View


def derive(view: View, ledger: Ledger) -> None:
    """Writes a fact for each setting that the grid's maker gave; what it did not give is not spoken of."""
    settings = view.grid.settings
    _folds(settings, ledger)
    _penalties(settings, ledger)
    level = text.percent(view.grid.level)
    if view.bounded.any() or not view.described:
        ledger.add("level", "setting", {"text": level, "intervals": f"{level} intervals"}, value=view.grid.level)
    forms = {"word": "cannot be told from", "text": f"the {level} interval of their paired difference holds zero"}
    if view.paired or not view.described:
        ledger.add("tie.rule", "constant", forms, value=0, relation="cannot be told from")
    statuses = [str(s) for s in settings.get("statuses", ())]
    if statuses:
        forms = {"text": text.listed(statuses, "or"), "every": "every compared position"}
        ledger.add("statuses", "setting", forms)
    unconverged = int(settings.get("unconverged_fits", 0))
    if unconverged:
        verb = "does" if unconverged == 1 else "do"
        clause = f"{text.counted(unconverged, 'fit')} {verb} not reach it"
        ledger.add("unconverged", "count", {"text": clause}, value=unconverged)
    signs = dict.fromkeys(str(s) for s in settings.get("baseline_signs", {}).values())
    if signs:
        ledger.add("signs", "setting", {"text": text.visible(text.listed(signs))})
    if "seed" in settings:
        ledger.add("seed", "setting", {"text": f"seed {settings['seed']}"}, value=int(settings["seed"]))
    if settings.get("statistic") in ("mean", "median") and view.result.measured is not None:
        shown = str(settings["statistic"])
        ledger.add(
            "statistic",
            "setting",
            {"text": shown, "cells": f"{shown}s over rows", "median": shown if shown == "median" else ""},
        )
    beyond = int(settings.get("beyond_range", 0))
    if beyond:
        verb = "reaches" if beyond == 1 else "reach"
        clause = f"{text.counted(beyond, 'interval')} {verb} beyond the range of values, and "
        clause += "is not cut" if beyond == 1 else "are not cut"
        ledger.add("beyond_range", "count", {"text": clause, "Text": text.capital(clause)}, value=beyond)
    for name, sentence in dict(settings.get("methods", {})).items():
        shown = text.visible(text.capital(str(sentence).strip().rstrip(".")))
        ledger.add(f"step.{text.slug(str(name))}", "setting", {"text": shown})
    for key in ("scaling", "solver", "tolerance", "interval", "test", "selection"):
        if isinstance(settings.get(key), str) and settings[key]:
            ledger.add(f"method.{key}", "setting", {"text": text.visible(str(settings[key]).rstrip("."))})


def _folds(settings: Any, ledger: Ledger) -> None:
    if "folds" in settings:
        k = int(settings["folds"])
        ledger.add("folds", "setting", {"text": text.counted(k, "fold")}, value=k)
    if "inner_folds" in settings:
        k = int(settings["inner_folds"])
        ledger.add("inner_folds", "setting", {"text": text.counted(k, "inner fold")}, value=k)
    if "n_groups" in settings:
        n, column = int(settings["n_groups"]), text.visible(str(settings.get("group", "")))
        shown = (
            f"{text.plural(n, 'group')} of the column {column}"
            if column
            else f"{text.plural(n, 'group')} of one row each"
        )
        ledger.add("groups", "setting", {"text": shown, "column": column, "count": text.plural(n, "group")}, value=n)


def _penalties(settings: Any, ledger: Ledger) -> None:
    values = [float(v) for v in settings.get("penalties", ())]
    if not values:
        return
    ends = f"{text.power(min(values))} to {text.power(max(values))}"
    shown = (
        f"{text.counted(len(values), 'penalty', 'penalties')} from {ends}"
        if len(values) > 1
        else f"one penalty, {text.power(values[0])}"
    )
    ledger.add("penalties", "setting", {"text": shown}, value=len(values), low=min(values), high=max(values))

"""Facts of models, data sets, versions and expectations; they need no grid."""

from __future__ import annotations

import math

from layergrid import text
from layergrid.artifacts import DataCard, Illustration, ModelCard, Results
from layergrid.facts import expected, given, grading, kept
from layergrid.facts.ledger import Ledger

IN_ABSTRACT = 3  # grids that an abstract speaks of, where there are several


def derive(results: Results, ledger: Ledger) -> None:
    """Writes the facts of everything that stands beside the grids."""
    for model in results.models:
        _model(model, ledger)
    elsewhere = {model.name for model in results.models if made_elsewhere(model)}
    for data in results.data:
        _data(data, data.model in elsewhere, ledger)
    expected.derive(results.expectations, ledger)
    for i, shown in enumerate(results.illustrations):
        _illustration(i, shown, ledger)
    versions = text.listed(f"{name} {version}" for name, version in results.versions.items())
    ledger.name("versions", text=versions)
    _more([one.grid.name for one in results.grids], ledger)
    ledger.add("seed", "setting", {"text": f"seed {results.seed}"}, value=results.seed)
    ledger.name("spec", name=results.spec_name, digest=_short(results.spec_digest))


def _more(names: list[str], ledger: Ledger) -> None:
    """The grids that an abstract does not reach."""
    rest = names[IN_ABSTRACT:]
    if rest:
        noun, verb = ("grid", "is described") if len(rest) == 1 else ("grids", "are described")
        clause = f"{text.words(len(rest))} more {noun}, {text.visible(text.listed(rest))}, {verb}"
        ledger.add("grids.more", "count", {"text": clause, "Text": text.capital(clause)}, value=len(rest), n=len(names))


def model_key(name: str) -> str:
    """The key of a model's facts."""
    return f"model.{text.slug(name)}"


def made_elsewhere(card: ModelCard) -> bool:
    """Whether a model is known only by activations that a manifest gives."""
    return card.address.startswith("activations:")


def data_key(name: str, model: str) -> str:
    """The key of the facts of a data set as one model answered it."""
    return f"data.{text.slug(name)}.{text.slug(model)}"


def _short(digest: str) -> str:
    """The start of a digest or commit, enough to tell two builds apart."""
    return digest.removeprefix("sha256:")[:12]


def _model(card: ModelCard, ledger: Ledger) -> None:
    """A model's size; of one that is known by its activations alone, what they tell of it."""
    key = model_key(card.name)
    ledger.name(
        key, name=card.name, address=card.address, dtype=card.dtype, revision=_short(card.revision),
        elsewhere="were made elsewhere and are given by a manifest" if made_elsewhere(card) else "",
    )  # fmt: skip
    blocks = text.plural(card.layers, "block")
    if card.encoder_layers:
        blocks = f"{text.plural(card.encoder_layers, 'encoder block')}, {text.plural(card.layers, 'decoder block')}"
    shape = ", ".join(
        part
        for part in (
            card.architecture or "model of unknown architecture",
            blocks if card.layers or card.encoder_layers else "",
            f"width {text.count(card.width)}" if card.width else "",
        )
        if part
    )
    size = f", {text.large(card.parameters)} parameters" if card.parameters else ""
    heads = f", {text.plural(card.heads, 'head')} in a block" if card.heads else ""
    forms = {"text": shape, "long": f"{shape}{heads}{size}", "blocks": blocks}
    ledger.add(f"{key}.shape", "model shape", forms, value=card.layers)


def _data(card: DataCard, elsewhere: bool, ledger: Ledger) -> None:
    """A data set as one model answered or read it; of states made `elsewhere` nobody here read a text."""
    key = data_key(card.name, card.model)
    ledger.name(
        key,
        name=card.name,
        source=card.source,
        model=card.model,
        rule=card.rule,
        group=card.group,
        prompt=card.prompt,
        chat=text.capital(card.chat.rstrip(".")),
        answers="answers" if card.written else "",
        reads="" if card.written or elsewhere else "reads",
    )
    noun = "example" if card.written or elsewhere else "text"
    forms = {"text": text.plural(card.n, noun), "count": text.count(card.n)}
    ledger.add(f"{key}.n", "count", forms, value=card.n)
    kept.left_out(key, card, ledger)
    if card.classes != ("", ""):
        _balance(key, card, ledger)
    if card.written:
        _lost(key, card, ledger)
        grading.derive(card, key, ledger)
        given.derive(card, key, ledger)
    if card.written and not card.given:
        limit = {"text": text.plural(card.max_new_tokens, "new token"), "count": text.count(card.max_new_tokens)}
        ledger.add(f"{key}.max_new_tokens", "setting", limit, value=card.max_new_tokens)
    grouped = f"{text.plural(card.n_groups, 'group')} by {card.group}" if card.group else "one row per group"
    ledger.add(f"{key}.groups", "count", {"text": text.visible(grouped)}, value=card.n_groups)


def _balance(key: str, card: DataCard, ledger: Ledger) -> None:
    """How many rows each class has."""
    graded = card.classes == DataCard.classes
    for label, words, k in (
        ("right", card.classes[1], card.n_correct),
        ("wrong", card.classes[0], card.n - card.n_correct),
    ):
        share = k / card.n if card.n else math.nan
        forms = {
            "percent": text.percent(share) if card.n else "",
            "count": text.count(k),
            "of": f"{text.count(k)} of {text.count(card.n)}",
            "text": text.visible(f"{text.count(k)} {one_of(words, k)}"),
            "class": text.visible(words),
            "rightly": "rightly" if graded and label == "right" else "",
            "alone": ("rightly" if k else "wrongly") if graded and label == "right" and card.n == 1 else "",
        }
        ledger.add(f"{key}.{label}", "balance", forms, value=share, n=card.n)


def one_of(words: str, k: int) -> str:
    """Words for k of a class that a plural names: one "wrong answer", two "wrong answers"."""
    plural = len(words) > 4 and words.endswith("s") and not words.endswith(("ss", "us", "is"))
    return words[:-1] if k == 1 and plural else words


def _lost(key: str, card: DataCard, ledger: Ledger) -> None:
    """Completions without an exact answer, and completions cut short, by label."""
    for name, right, wrong in (
        ("not_found", card.not_found_correct, card.not_found_wrong),
        ("truncated", card.truncated_correct, card.truncated_wrong),
    ):
        total = right + wrong
        ledger.add(
            f"{key}.{name}",
            "by label",
            {
                "count": text.count(total),
                "text": text.counted(total, "completion"),
                "split": by_label(right, wrong),
                "whole": "every completion" if not total else "",
                "cut": _cut(total),
            },
            value=total,
            n=card.n,
        )


def _cut(total: int) -> str:
    return f"{text.words(total) if total else 'none'} {'is' if total <= 1 else 'are'} cut there"


def by_label(right: int, wrong: int, classes: tuple[str, str] = DataCard.classes) -> str:
    """Rows by label: "10 right and 28 wrong", "all wrong", "the answer wrong" for a single row, empty for none."""
    total = right + wrong
    if total == 0 or classes == ("", ""):
        return ""
    if classes != DataCard.classes:
        named = [f"{text.count(k)} {one_of(c, k)}" for k, c in ((right, classes[1]), (wrong, classes[0])) if k]
        return text.visible(text.listed(named))
    if total == 1:
        return "right" if right else "wrong"
    if not right or not wrong:
        return f"{'both' if total == 2 else 'all'} {'wrong' if wrong else 'right'}"
    return f"{text.count(right)} right and {text.count(wrong)} wrong"


def _illustration(i: int, shown: Illustration, ledger: Ledger) -> None:
    ledger.name(
        f"illustration.{i}", dataset=shown.dataset, id=shown.example_id, answer=_answer(shown),
        written="prompt and answer" if shown.written else "",
    )  # fmt: skip
    absent = [name for name, start, _, status in shown.positions if start < 0 or status != "ok"]
    if absent:
        verb = "has" if len(absent) == 1 else "have"
        forms = {"text": text.visible(f"{text.listed(absent)} {verb} no counting token in this example")}
        ledger.add(f"illustration.{i}.absent", "count", forms, value=len(absent))


def _answer(shown: Illustration) -> str:
    """What the example's label is: of a graded answer, or of a column; empty where it has none."""
    if shown.label:
        return f"it is one of the {shown.label}"
    if not shown.written:
        return ""
    if not shown.answer:
        return "the rule finds no exact answer" if shown.gold else ""
    answer = f"the answer {shown.answer} is {'right' if shown.correct else 'wrong'}"
    return answer if shown.correct else f"{answer}; {shown.gold} is right"

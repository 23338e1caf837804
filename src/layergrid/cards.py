"""Counts of a graded data set by label, statuses of positions, and examples to show; it judges nothing."""

from __future__ import annotations

import hashlib

import numpy as np

from layergrid.artifacts import (
    DataCard,
    Examples,
    GradedAnswer,
    Illustration,
    Labels,
    Positions,
    PositionStatus,
    Results,
    Sequences,
    Table,
)
from layergrid.spec import DatasetSpec
from layergrid.text import listed

STARTS = 200  # characters of completions and right answers that are kept where no answer is right
GRADED = ("correct", "wrong")  # how a table names the labels True and False of graded answers


def data_card(
    name: str,
    dataset: DatasetSpec,
    model: str,
    examples: Examples,
    sequences: Sequences,
    labels: Labels,
    chat: str = "",
    asked: bool = False,
) -> DataCard:
    """Counts of a graded data set: right answers, exact answers not found and completions cut short, by label."""
    found = (labels.spans[:, 0] >= 0) | (dataset.grade is None)
    right = labels.correct
    return DataCard(
        name=name,
        source=dataset.source,
        fingerprint=examples.fingerprint,
        model=model,
        n=len(examples.ids),
        n_correct=int(right.sum()),
        n_groups=len(set(examples.groups)),
        group=dataset.group or "",
        rule=labels.rule,
        not_found_correct=int((~found & right).sum()),
        not_found_wrong=int((~found & ~right).sum()),
        truncated_correct=int((~sequences.stopped & right).sum()),
        truncated_wrong=int((~sequences.stopped & ~right).sum()),
        prompt=dataset.prompt,
        max_new_tokens=dataset.generate.max_new_tokens if dataset.generate is not None else 0,
        classes=labels.classes,
        written=sequences.written,
        chat=chat,
        asked=_asked(dataset) if asked else "",
        given=sequences.given,
        given_as="" if dataset.answers is None else "text" if dataset.answers.text is not None else "ids",
        respelt=0 if sequences.inexact is None else int(sequences.inexact.sum()),
        ends_known=sequences.ends_known,
        left_out=examples.left_out,
        compared=labels.compared,
        label_dependent=labels.label_dependent,
        repeated=labels.repeated,
        unmatched=_unmatched(examples, sequences, labels),
    )


def _asked(dataset: DatasetSpec) -> str:
    """The second prompt as a template, and the two ways to go on with it that are compared."""
    asked = dataset.p_true
    return f"{asked.prompt} \N{RIGHTWARDS ARROW} {asked.true.strip()} or {asked.false.strip()}"


def _unmatched(examples: Examples, sequences: Sequences, labels: Labels, most: int = 3) -> tuple[tuple[str, str], ...]:
    """Where a grader finds no answer right: a few completions and right answers, for those who look for the reason."""
    if not (labels.rule and labels.gold) or labels.correct.any():
        return ()
    order = sorted(range(len(examples.ids)), key=lambda i: drawn(sequences, i, 0))[:most]
    return tuple((sequences.completion(i)[:STARTS], str(examples.columns[labels.gold][i])[:STARTS]) for i in order)


def status_table(name: str, labels: Labels, positions: Positions) -> Table:
    """How often each position has each status, by label; combinations that do not occur are left out.

    Labels are "correct" and "wrong" for graded answers, else the words for the classes, and "all" where there are none.
    """
    rows = []
    if labels.known:
        true, false = GRADED if labels.rule else (labels.classes[1], labels.classes[0])
        classes = [(true, labels.correct), (false, ~labels.correct)]
    else:
        classes = [("all", np.ones_like(labels.correct))]
    for p, position in enumerate(positions.names):
        for label, chosen in classes:
            for status in PositionStatus:
                count = int(np.count_nonzero(positions.status[chosen, p] == status.value))
                if count:
                    rows.append((position, label, status.value, count))
    return Table(name, ("position", "label", "status", "count"), tuple(rows))


def illustration(
    examples: Examples, sequences: Sequences, labels: Labels, positions: Positions, gold: str = "", example: str = ""
) -> Illustration:
    """The example of that id, else the first that shows most: positions that are `ok`, then a wrong answer."""
    fine = (positions.status == PositionStatus.OK.value).sum(axis=1)
    shown = min(range(len(examples.ids)), key=lambda i: (-int(fine[i]), bool(labels.correct[i]), i))
    shown = examples.ids.index(example) if example in examples.ids else shown
    return illustrated(examples, sequences, labels, positions, gold, shown)


def illustrated(
    examples: Examples, sequences: Sequences, labels: Labels, positions: Positions, gold: str, shown: int,
    model: str = "", why: str = "",
) -> Illustration:  # fmt: skip
    """The example of that number with its tokens, its positions and its label."""
    return Illustration(
        dataset=examples.name,
        example_id=examples.ids[shown],
        pieces=own_pieces(sequences, shown),
        special=tuple(bool(x) for x in sequences.special[shown]),
        prompt_tokens=int(sequences.prompt_tokens[shown]),
        exact=_exact_tokens(sequences, labels, shown),
        positions=tuple(
            (name, int(positions.start[shown, p]), int(positions.stop[shown, p]), str(positions.status[shown, p]))
            for p, name in enumerate(positions.names)
        ),
        correct=bool(labels.correct[shown]),
        answer=labels.answers[shown] or "",
        gold=str(examples.columns[gold][shown]) if gold else "",
        label=labels.classes[int(labels.correct[shown])] if labels.known and not labels.rule else "",
        written=sequences.written,
        model=model,
        why=why,
    )


def own_pieces(sequences: Sequences, i: int) -> tuple[str, ...]:
    """Each token's characters that no token before it covers, so that joined they are the text.

    Of tokens that are parts of one character the first has it, and the others are empty.
    """
    found, covered = [], 0
    tokens = zip(sequences.pieces[i], sequences.offsets[i].tolist(), sequences.special[i], strict=True)
    for piece, (start, stop), special in tokens:
        seen = 0 if special else min(max(covered - start, 0), stop - start)
        found.append(piece[seen:] if seen else piece)
        covered = covered if special else max(covered, stop)
    return tuple(found)


def _exact_tokens(sequences: Sequences, labels: Labels, i: int) -> tuple[int, int] | None:
    """Tokens [start, stop) that hold characters of the exact answer."""
    start, stop = (int(x) for x in labels.spans[i])
    if start < 0:
        return None
    offsets = sequences.offsets[i]
    holding = np.flatnonzero((offsets[:, 0] < stop) & (offsets[:, 1] > start) & ~sequences.special[i])
    return (int(holding[0]), int(holding[-1]) + 1) if len(holding) else None


def graded_answers(
    examples: Examples,
    sequences: Sequences,
    labels: Labels,
    gold_column: str,
    *,
    model: str,
    seed: int,
    count: int = 12,
) -> tuple[GradedAnswer, ...]:
    """A random sample of graded answers: half wrong and half right where there are enough of each, wrong ones first.

    An answer's place in the draw is the digest of the seed and its prompt, so that row order and names change nothing
    (answers to equal prompts are told apart by what was written, then by name). Empty where nothing was graded.
    """
    if not (labels.rule and sequences.written and labels.known):
        return ()
    order = sorted(range(len(examples.ids)), key=lambda i: drawn(sequences, i, seed))
    wrong = [i for i in order if not labels.correct[i]]
    right = [i for i in order if labels.correct[i]]
    of_right = min(len(right), max(count // 2, count - len(wrong)))
    chosen = wrong[: count - of_right] + right[:of_right]
    return tuple(_graded(examples, sequences, labels, gold_column, model, i) for i in chosen)


def drawn(sequences: Sequences, i: int, seed: int) -> tuple[bytes, str, str]:
    """What decides the place of an answer in the draw."""
    prompt = sequences.texts[i][: int(sequences.prompt_chars[i])]
    content = f"layergrid graded {seed}:{prompt}".encode("utf-8", "surrogatepass")
    return hashlib.sha256(content).digest(), sequences.completion(i), sequences.example_ids[i]


def _graded(
    examples: Examples, sequences: Sequences, labels: Labels, gold_column: str, model: str, i: int
) -> GradedAnswer:
    prompt = int(sequences.prompt_chars[i])
    start, stop = (int(x) for x in labels.spans[i])
    return GradedAnswer(
        dataset=examples.name,
        model=model,
        example_id=examples.ids[i],
        question=sequences.texts[i][:prompt],
        completion=sequences.completion(i),
        span=(start - prompt, stop - prompt) if start >= prompt else None,
        gold=str(examples.columns[gold_column][i]) if gold_column else "",
        correct=bool(labels.correct[i]),
        stopped=bool(sequences.stopped[i]),
        reason=labels.reasons[i],
    )


def without_values(results: Results) -> list[str]:
    """Grids or positions without a value, and why: what a user should know without opening the report."""
    found = [note for card in results.data if (note := _graded_alike(card))]
    for one in results.grids:
        if not one.grid.has_value.any():
            reasons = ", ".join(sorted(set(one.grid.reason.ravel()) - {""}))
            found.append(f"grid {one.grid.name}: no cell has a value ({reasons}); see the report")
        elif left_out := one.grid.settings.get("positions_left_out"):
            found.append(f"grid {one.grid.name}: no example has {listed(left_out)} with a status that counts; left out")
    return found


def _graded_alike(card: DataCard) -> str:
    """What is said on the console of a data set whose answers are all right or all wrong; empty for others."""
    if not (card.rule and card.n and card.classes == DataCard.classes) or 0 < card.n_correct < card.n:
        return ""
    where = f"data set {card.name}, answers of {card.model}"
    if card.n_correct == card.n:
        return f"{where}: all {card.n} are graded right; a probe of errors has nothing to tell apart"
    lost = card.not_found_correct + card.not_found_wrong == card.n
    what = "the grader finds no exact answer in any completion" if lost else "none agrees with the right answer"
    pairs = "; ".join(f"{written[:60]!r} where {gold[:60]!r} is right" for written, gold in card.unmatched)
    shown = f", for example {pairs}" if pairs else ""
    return f"{where}: {what}{shown}; the rule is: {card.rule}"

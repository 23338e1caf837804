"""Reads sample logs of lm-evaluation-harness, which hold prompts, a model's answers and scores; it grades nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.files import locate
from layergrid.loaders.jsonl import objects
from layergrid.loaders.logged import Row, flat, prompt_of, scalar, table
from layergrid.project import Project

OWN = frozenset(  # keys of a line that are no scores, of all versions
    {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
     "target_hash", "input", "schema_version"}
)  # fmt: skip


class LmEvalLoader(Loader):
    """A file `samples_TASK_DATE.jsonl`, as `lm_eval --log_samples` writes it: {kind: lm_eval, address: ...}.

    One row per question. Columns: `doc_id`, `prompt` (with `system` beside it, of a dialogue), `answer` (what the model
    wrote, the first of several), `target`, `responses` (how many it wrote), `filtered`, `score.NAME` and `doc.NAME`.
    Where answers went through several filters, `filtered` and scores are named after them: `score.exact_match.strict`.
    Tasks that compare likelihoods of given choices hold no answer, and are refused.
    """

    kind: Literal["lm_eval"] = "lm_eval"

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns of the log; BadInput names the line that is no sample, or says that the task wrote no answers."""
        path = locate(project, self.address)
        lines = objects(path)
        for number, line in lines:
            _check(path, number, line)
        filters = list(dict.fromkeys(str(line.get("filter", "")) for _, line in lines))
        rows: dict[str, Row] = {}
        for number, line in lines:
            name = str(line.get("filter", "")) if len(filters) > 1 else ""
            key = json.dumps(line["doc_id"])
            before = rows.setdefault(key, _question(line))
            if before["answer"] != _answer(line):
                raise BadInput(
                    f"{path}, line {number}: question {key} stands there twice with different answers; this file holds "
                    "more than one run: keep the lines of one"
                )
            before.update(_scored(line, f".{name}" if name else ""))
        return table(list(rows.values()))


def _check(path: Path, number: int, line: Mapping[str, Any]) -> None:
    """Raises BadInput where a line is no sample of a task that writes."""
    missing = [name for name in ("doc_id", "resps", "arguments") if name not in line]
    if missing:
        raise BadInput(
            f"{path}, line {number}: has no {missing[0]!r}, which every line of a sample log of lm-evaluation-harness "
            "has; for other files leave 'kind: lm_eval' out"
        )
    second = _arguments(line)[1]
    if isinstance(second, str) or _pairs(line["resps"]):
        raise BadInput(
            f"{path}, line {number}: this task compares how likely given continuations are (loglikelihood, multiple "
            "choice), so that the model wrote no answer and there is no text to look into; take the log of a task that "
            "generates (generate_until)"
        )


def _arguments(line: Mapping[str, Any]) -> tuple[Any, Any]:
    """The first request's prompt and what stands beside it: a list of lists, or mappings of numbered keys."""
    first = _first(line["arguments"])
    parts = [*first.values()] if isinstance(first, Mapping) else first
    parts = list(parts) if isinstance(parts, Sequence) and not isinstance(parts, str) else [parts]
    return (parts[0] if parts else None), (parts[1] if len(parts) > 1 else None)


def _first(many: Any) -> Any:
    values = [*many.values()] if isinstance(many, Mapping) else many
    return values[0] if isinstance(values, Sequence) and not isinstance(values, str) and values else values


def _pairs(resps: Any) -> bool:
    """Whether responses are pairs of a log-probability and whether it is the most likely: no text."""
    one = _first(_first(resps))
    return isinstance(one, Sequence) and not isinstance(one, str) and len(one) == 2


def _answer(line: Mapping[str, Any]) -> Scalar:
    found = _first(_first(line["resps"]))
    return found if isinstance(found, str) else scalar(found)


def _question(line: Mapping[str, Any]) -> Row:
    """What stands in every line of a question, whatever the filter."""
    asked = _arguments(line)[0]
    if isinstance(asked, Sequence) and not isinstance(asked, str) and len(asked) == 1 and isinstance(asked[0], str):
        (asked,) = asked
    if isinstance(asked, str) and asked.lstrip().startswith('[{"role"'):
        with suppress(ValueError, RecursionError):  # a prompt that only looks like a dialogue stays what it is
            asked = json.loads(asked)
    several = _first(line["resps"])
    count = len(several) if isinstance(several, Sequence) and not isinstance(several, str) else 1
    return {
        "doc_id": scalar(line["doc_id"]), **prompt_of(asked), "answer": _answer(line),
        "target": scalar(line.get("target")), "responses": count, **flat("doc", line.get("doc")),
    }  # fmt: skip


def _scored(line: Mapping[str, Any], after: str) -> Row:
    """The scores of a line, and the answer as its filter left it."""
    named = line.get("metrics")
    names = [str(one) for one in named] if isinstance(named, Sequence) and not isinstance(named, str) else None
    known = [name for name in line if (name in names if names is not None else name not in OWN)]
    found: Row = {"filtered" + after: scalar(_first(line.get("filtered_resps")))}
    for name in known:
        found |= {one + after: value for one, value in flat(f"score.{name}", line[name]).items()}
    return found

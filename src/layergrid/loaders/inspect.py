"""Reads logs of inspect_ai, which hold prompts, a model's answers and scores; it grades nothing.

Both of its formats are read here, JSON and the archive `.eval`; the library itself is not needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, Loader
from layergrid.loaders.files import locate, read_text
from layergrid.loaders.logged import Row, flat, prompt_of, scalar, table, text_of
from layergrid.loaders.zipped import members
from layergrid.project import Project

ATTACHED = re.compile(r"attachment://([0-9a-f]{32})")


class InspectLoader(Loader):
    """A log of inspect_ai, `.eval` or, as {kind: inspect, address: ...}, `.json`.

    One row per sample and epoch. Columns: `key` (unique), `id`, `epoch`, `prompt` (with `system` beside it, of a
    dialogue), `answer` (the completion; null where there is none), `target` (a list is JSON text), `choices`,
    `stop_reason`, `error`, `logged_model`, `score.NAME` (C, I or a number), `score.NAME.answer` and `metadata.NAME`.
    """

    suffixes: ClassVar[tuple[str, ...]] = (".eval",)
    kind: Literal["inspect"] = "inspect"

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """Columns of the log; BadInput where it is none, is damaged, or holds no samples."""
        path = locate(project, self.address)
        header, samples = _archive(path) if _is_archive(path) else _json(path)
        if not samples:
            raise BadInput(f"{path}: this log holds no samples; it was written without them, or the run ended at once")
        model = header.get("eval", {}).get("model") if isinstance(header.get("eval"), Mapping) else None
        epochs = len({str(one.get("epoch")) for one in samples}) > 1
        rows = [_row(path, i, one, epochs) | {"logged_model": scalar(model)} for i, one in enumerate(samples)]
        return table(sorted(rows, key=lambda row: row["epoch"] if isinstance(row["epoch"], int) else 0))


# ---------------------------------------------------------------- the two formats


def _is_archive(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _json(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    whole = _parsed(path, "", read_text(path))
    if "eval" not in whole:
        raise BadInput(f"{path}: has no 'eval', which every log of inspect_ai has; for other files name another kind")
    samples = whole.get("samples") or []
    if not isinstance(samples, list) or not all(isinstance(one, dict) for one in samples):
        raise BadInput(f"{path}: its 'samples' are no list of objects, as a log of inspect_ai has them")
    return whole, samples


def _archive(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The header, or of a run that was ended what was written at its start, and the samples in order of their names."""
    headers, samples = {}, []
    for name, content in members(path, _wanted):
        try:
            found = _parsed(path, f", member {name!r}", content.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise BadInput(f"{path}, member {name!r}: not UTF-8 at byte {error.start}; write the log anew") from None
        if name.startswith("samples/"):
            samples.append(found)
        else:
            headers[name] = found
    if not headers:
        raise BadInput(f"{path}: has neither header.json nor a journal, as an .eval log of inspect_ai has")
    return headers.get("header.json") or headers["_journal/start.json"], _in_order(samples)


def _wanted(name: str) -> bool:
    return name in ("header.json", "_journal/start.json") or bool(re.fullmatch(r"samples/[^/]+\.json", name))


def _in_order(samples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By id, whole numbers as numbers: an archive has them by name, in which 10 comes before 9."""

    def place(one: dict[str, Any]) -> tuple[bool, int, str]:
        number = one.get("id")
        return (not isinstance(number, int), number if isinstance(number, int) else 0, str(number))

    return sorted(samples, key=place)


def _parsed(path: Path, where: str, text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise BadInput(f"{path}{where}, line {error.lineno}: cannot be read as JSON ({error.msg})") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path}{where}: cannot be read as JSON ({error})") from None
    if not isinstance(found, dict):
        raise BadInput(f"{path}{where}: holds a {type(found).__name__}, where one JSON object was expected")
    return found


# ---------------------------------------------------------------- samples


def _row(path: Path, i: int, sample: Mapping[str, Any], epochs: bool) -> Row:
    missing = [name for name in ("id", "input", "target") if name not in sample]
    if missing:
        raise BadInput(f"{path}, sample {i + 1}: has no {missing[0]!r}, as every sample of an inspect_ai log has")
    name, epoch = sample["id"], sample.get("epoch", 1)
    target = sample["target"]
    if isinstance(target, list) and len(target) == 1:
        (target,) = target
    output = sample.get("output") if isinstance(sample.get("output"), Mapping) else {}
    choices, error = sample.get("choices"), sample.get("error")
    row: Row = {
        "key": f"{name}.{epoch}" if epochs else str(name), "id": scalar(name), "epoch": scalar(epoch),
        **prompt_of(sample["input"]), "answer": _completion(output or {}), "target": scalar(target),
        "choices": scalar(choices) if choices else None, "stop_reason": _stop_reason(output or {}),
        "error": scalar(error.get("message")) if isinstance(error, Mapping) else None,
    }  # fmt: skip
    row |= {**_scores(sample.get("scores")), **flat("metadata", sample.get("metadata"))}
    attached = sample.get("attachments")
    return {column: _whole(value, attached) for column, value in row.items()} if attached else row


def _first_choice(output: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = output.get("choices")
    one = choices[0] if isinstance(choices, Sequence) and choices else None
    return one if isinstance(one, Mapping) else {}


def _completion(output: Mapping[str, Any]) -> str | None:
    """What the model wrote; None where it wrote nothing at all, as in a sample that failed."""
    message = _first_choice(output).get("message")
    if not isinstance(message, Mapping):
        return None
    written = output.get("completion")
    return written if isinstance(written, str) else text_of(message.get("content"))


def _stop_reason(output: Mapping[str, Any]) -> Scalar:
    return scalar(_first_choice(output).get("stop_reason"))


def _scores(scores: Any) -> Row:
    """The value of every scorer, and what it took for the answer."""
    found: Row = {}
    for name, score in scores.items() if isinstance(scores, Mapping) else ():
        if isinstance(score, Mapping):
            found |= flat(f"score.{name}", score.get("value"))
            found[f"score.{name}.answer"] = scalar(score.get("answer"))
    return found


def _whole(value: Scalar, attached: Any) -> Scalar:
    """A text with what was put into the sample's attachments back in its place."""
    if not isinstance(value, str) or not isinstance(attached, Mapping):
        return value
    return ATTACHED.sub(lambda found: str(attached.get(found[1], found[0])), value)

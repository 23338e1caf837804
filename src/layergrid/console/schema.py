"""The JSON Schema of the lines that `build --json` writes; it validates nothing itself."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"

_TEXT: Json = {"type": "string"}
_COUNT: Json = {"type": "integer", "minimum": 0}
_NUMBER: Json = {"type": "number", "minimum": 0}
FIELDS: dict[str, Json] = {
    "time": {**_NUMBER, "description": "Seconds since the start of the command."},
    "spec": {**_TEXT, "description": "Name of the spec that it is of."},
    "stage": {**_TEXT, "description": "Name of the stage; of a grid its name in the spec."},
    "detail": {**_TEXT, "description": "What the stage works on."},
    "done": {**_COUNT, "description": "How many are done."},
    "total": {**_COUNT, "description": "How many there are."},
    "unit": {**_TEXT, "description": "What is counted, plural: answers, sequences, cells."},
    "rate": {**_NUMBER, "description": "Units a second: recently in `progress`, of the whole stage in `done`."},
    "remaining": {**_NUMBER, "description": "Seconds that the stage will take at the recent rate."},
    "seconds": {**_NUMBER, "description": "That it took."},
    "memory": {**_COUNT, "description": "Largest resident memory of the process and its children, in bytes."},
    "gpu_memory": {**_COUNT, "description": "Largest memory that was used on the GPU, in bytes."},
    "written": {**_COUNT, "description": "Bytes that were added to the cache."},
    "level": {"enum": ["detail", "note", "error"], "description": "How grave a message is; details come with -v."},
    "message": {**_TEXT, "description": "For people."},
    "version": {**_TEXT, "description": "Of layergrid."},
    "specs": {"type": "array", "items": _TEXT, "description": "Names of all specs of the command."},
    "jobs": {"type": "integer", "minimum": 1, "description": "How many processes work at once."},
    "outputs": {"type": "array", "items": _TEXT, "description": "Files of the reports."},
    "expectations": {
        "type": "object", "properties": {"met": _COUNT, "unmet": {"type": "array", "items": _TEXT}},
        "required": ["met", "unmet"], "additionalProperties": False,
        "description": "How many expectations are met, and those that are not, in words.",
    },
    "exit_code": {"enum": [0, 1, 2, 3, 130], "description": "With which the command ends."},
    "outcome": {"enum": ["made", "kept", "stopped"], "description": "What became of a stage."},
}  # fmt: skip
EVENTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {  # what it is, its fields, fields that may lack
    "start": ("The command begins; always first.", ("version", "specs", "jobs"), ()),
    "stage": ("A stage begins.", ("stage",), ("spec", "detail", "unit")),
    "progress": ("A count of a long stage, once a second at most.", ("stage", "done", "total"),
                 ("spec", "unit", "rate", "remaining")),
    "done": ("A stage ended well.", ("stage", "seconds"), ("spec", "done", "unit", "rate", "memory", "gpu_memory")),
    "stopped": ("A stage failed or was interrupted.", ("stage", "seconds"),
                ("spec", "done", "unit", "rate", "memory", "gpu_memory")),
    "written": ("The result of the stage that ended last went into the cache.", ("stage", "written"), ("spec",)),
    "kept": ("A stage's result was there from an earlier build.", ("stage",), ("spec",)),
    "message": ("Something to read.", ("level", "message"), ("spec",)),
    "built": ("A report stands in its place.", ("spec", "outputs", "expectations"), ()),
    "table": ("All stages with their sums, when nothing more is made.", ("seconds", "written", "rows"),
              ("memory", "gpu_memory")),
    "end": ("The last line, whatever happened.", ("exit_code", "seconds", "outputs", "expectations"), ()),
}  # fmt: skip
ROW = (("stage", "outcome", "seconds", "written"), ("spec", "done", "unit", "rate", "memory", "gpu_memory"))


def schema() -> Json:
    """The JSON Schema (draft 2020-12) of one line."""
    return {
        "$schema": DRAFT,
        "title": "A line of layergrid build --json",
        "oneOf": [
            {"description": about, **_object({"event": {"const": name}}, ("event", "time", *always), may)}
            for name, (about, always, may) in EVENTS.items()
        ],
    }


def _object(own: Json, always: tuple[str, ...], may: tuple[str, ...]) -> Json:
    rows: Json = {"type": "array", "items": _object({}, *ROW)} if "rows" in always else {}
    named = {**own, **{name: FIELDS[name] for name in (*always, *may) if name in FIELDS}}
    return {
        "type": "object", "properties": {**named, **({"rows": rows} if rows else {})}, "required": list(always),
        "additionalProperties": False,
    }  # fmt: skip

"""Writes the tables of README.md, REFERENCE.md and ARCHITECTURE.md: `python tests/readme.py`; a test holds them so."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Callable
from pathlib import Path

from layergrid import kinds
from layergrid.artifacts import PositionStatus

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
REFERENCE = ROOT / "REFERENCE.md"
ARCHITECTURE = ROOT / "ARCHITECTURE.md"
SOURCE = ROOT / "src" / "layergrid"

# What a name means is said by the resolver's docstring; these are the tokens that the names stand for.
MEANINGS = {
    "last_q": "the last token of the prompt as fed to the model",
    "first_answer": "the first token of the completion",
    "second_answer": "the second token of the completion",
    "exact_answer_before_first": "the token before the exact answer; `collapsed` where that is `last_q`",
    "exact_answer_first": "the first token that holds characters of the exact answer",
    "exact_answer_last": "the last token that holds characters of the exact answer",
    "exact_answer_after_last": "the token after the exact answer; `missing` where the completion ends with it",
}
STATUSES = {
    PositionStatus.OK: "the token stands where the name says",
    PositionStatus.MISSING: "the example has no such token",
    PositionStatus.IN_PROMPT: "counted from the end, it reaches back into the prompt",
    PositionStatus.TRUNCATED: "the completion was cut at `max_new_tokens`, so its end is not the model's",
    PositionStatus.COLLAPSED: "it falls onto the token of another position",
}


def _sentence(thing: object) -> str:
    text = " ".join((getattr(thing, "__doc__", "") or "").split())
    return text.split(". ")[0].rstrip(".").replace("|", "\\|")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def commands() -> str:
    from layergrid.cli import app

    groups = [("", app), *((f"{group.name} ", group.typer_instance) for group in app.registered_groups)]
    rows = []
    for before, group in groups:
        for command in group.registered_commands:
            name = command.name or getattr(command.callback, "__name__", "")
            rows.append((f"`{before}{name}`", _sentence(command.callback)))
    return _table(("command", "what it does"), rows)


def positions() -> str:
    rows = []
    for _, kind in sorted(kinds.known(kinds.PositionResolver).items()):
        rows += [(f"`{name}`", MEANINGS[name]) for name in kind.names if name in MEANINGS]
    order = list(MEANINGS)
    rows.sort(key=lambda row: order.index(row[0].strip("`")))
    rows.append(("`-8` ... `-1`", "counted from the end of the whole sequence, the stop token included"))
    rows.append(("`-8..-1`, `exact_answer_*`", "a range of such names, a glob over names"))
    rows.append(
        ("`{kind: span, name: ..., regex: ...}`", "tokens of a span found by a regular expression or from a column")
    )
    return _table(("name", "token"), rows)


def statuses() -> str:
    return _table(("status", "meaning"), [(f"`{status.value}`", STATUSES[status]) for status in PositionStatus])


def kind_tables() -> str:
    rows = []
    for base in (kinds.Loader, kinds.Grader, kinds.PositionResolver, kinds.GridKind, kinds.ChartKind):
        rows += [(base.folder, f"`{name}`", _sentence(kind)) for name, kind in sorted(kinds.known(base).items())]
    return _table(("folder", "kind", "what it does"), rows)


FOLDERS = {
    kinds.Loader: "Data sets",
    kinds.Grader: "Graders",
    kinds.PositionResolver: "Positions",
    kinds.GridKind: "Grids",
    kinds.ChartKind: "Figures",
}


def reference() -> str:
    from layergrid.spec import schema

    whole = schema()
    models = dict(whole["$defs"])
    parts = ["## The spec\n\n" + _properties(whole)]
    of_kinds = []
    for base, heading in FOLDERS.items():
        found = [(name, models.pop(kind.__name__, None)) for name, kind in sorted(kinds.known(base).items())]
        made = [f"### `{name}`\n\n{_properties(model)}" for name, model in found if model and _properties(model)]
        of_kinds += [f"## {heading}", *made]
    described = [(title, _properties(model)) for title, model in sorted(models.items())]
    parts += ["## Parts of a spec", *(f"### {title}\n\n{table}" for title, table in described if table), *of_kinds]
    return "\n\n".join(parts)


def _properties(model: dict) -> str:
    required = set(model.get("required", ()))
    rows = []
    for name, field in model.get("properties", {}).items():
        default = "required" if name in required else f"`{field['default']!r}`" if "default" in field else ""
        rows.append((f"`{name}`", str(field.get("description", "")).replace("|", "\\|").replace("\n", " "), default))
    return _table(("field", "meaning", "default"), rows) if rows else ""


def layers() -> str:
    """The import contract, as pyproject.toml states it to import-linter."""
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    return "\n".join(["```", *contract["contracts"][0]["layers"], "```"])


def rooms() -> str:
    """Every module and package with the first sentence of its docstring."""
    rows = []
    for path in sorted(SOURCE.iterdir()):
        file = path / "__init__.py" if path.is_dir() else path
        if file.suffix == ".py" and file.is_file() and path.name != "__init__.py":
            said = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
            name = f"`{path.name}/`" if path.is_dir() else f"`{path.name}`"
            rows.append((name, " ".join(said.split("\n\n")[0].split()).replace("|", "\\|")))
    return _table(("room", "what it does"), rows)


SECTIONS: dict[Path, dict[str, Callable[[], str]]] = {
    README: {
        "commands": commands,
        "positions": positions,
        "statuses": statuses,
        "kinds": kind_tables,
    },
    REFERENCE: {"reference": reference},
    ARCHITECTURE: {"layers": layers, "rooms": rooms},
}


def written(path: Path) -> str:
    """A document with all its tables made anew."""
    text = path.read_text(encoding="utf-8")
    for name, make in SECTIONS[path].items():
        before, begin, rest = text.partition(f"<!-- begin {name} -->\n")
        _, end, after = rest.partition(f"<!-- end {name} -->")
        assert begin, name
        assert end, name
        text = f"{before}{begin}{make()}\n{end}{after}"
    return text


if __name__ == "__main__":
    for document in SECTIONS:
        document.write_text(written(document), encoding="utf-8")

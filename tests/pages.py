"""Pages for tests in a browser: results in the words that the rules write, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from layergrid import facts, prose, render
from layergrid.artifacts import Results
from layergrid.render import page

SAID = "document.querySelector('[role=status]').textContent"


def told(results: Results, asked: tuple[dict[str, Any], ...] = (), **more: Any) -> str:
    """The page of results; `asked` are its figures, `more` goes to the presentation."""
    found = facts.derive(results)
    shown = render.Presentation(figures=asked, **more)
    return page.html(render.prepare(results, found, prose.summarise(results, found), shown))


def saved(path: Path, results: Results, asked: tuple[dict[str, Any], ...] = (), **more: Any) -> Path:
    """The page as a file."""
    path.write_text(told(results, asked, **more), encoding="utf-8")
    return path

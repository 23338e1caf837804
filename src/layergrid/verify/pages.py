"""Draws the text documents anew and holds every file against its digest; it judges no sentence."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from layergrid import render, text
from layergrid.kinds import BuildError
from layergrid.render.page import opened
from layergrid.verify.problems import Notes

MANIFEST = "manifest.json"
SHOWN = 160  # characters of a differing line


def check_documents(folder: Path, drawn: Mapping[str, str], notes: Notes) -> None:
    """Documents drawn from the results against those in the folder: tables, chart data and captions included."""
    for name, wanted in drawn.items():
        path = folder / name
        if not path.is_file():
            notes.wrong(name, "is missing")
            continue
        found = path.read_text(encoding="utf-8")
        notes.counts["document"] += 1
        if found == wanted or opened(found) == opened(wanted):  # packed by another build of zlib
            continue
        there, here = found.split("\n"), wanted.split("\n")
        pairs = zip(there, here, strict=False)
        line = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(there), len(here)))
        a, b = (lines[line] if line < len(lines) else "(end of the file)" for lines in (there, here))
        notes.wrong(f"{name}, line {line + 1}", f"reads {_part(a, b)!r}, the results give {_part(b, a)!r}")


def _part(line: str, other: str) -> str:
    """The stretch of a line around the first character that differs from another."""
    at = next((i for i, (a, b) in enumerate(zip(line, other, strict=False)) if a != b), min(len(line), len(other)))
    start = max(0, at - SHOWN // 4)
    return text.visible(line[start : start + SHOWN])


def drawn_as_now(folder: Path, notes: Notes) -> bool:
    """Whether the words and templates that drew a report are the installed ones; else its pages cannot be judged."""
    try:
        shown = render.read_presentation(folder)
        drawn = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["build"].get("pages")
    except (BuildError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return True  # what is missing or damaged is told by the checks of documents and digests
    if drawn is None or drawn == render.fingerprint(shown):
        return True
    notes.wrong(
        MANIFEST,
        "the pages were drawn by other templates or another version of layergrid; draw them anew with `layergrid "
        "render`, then verify again (the cells agree or not as said above)",
    )
    return False


def check_digests(folder: Path, notes: Notes) -> None:
    """Every file that the manifest lists against its sha256."""
    path = folder / MANIFEST
    try:
        outputs = json.loads(path.read_text(encoding="utf-8"))["build"]["outputs"]
        listed = {str(name): str(digest) for name, digest in outputs.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        notes.wrong(MANIFEST, f"cannot be read ({error}); build the report again")
        return
    for name, digest in listed.items():
        file = folder / name
        if file.is_symlink() or not Path(os.path.normpath(file)).is_relative_to(os.path.normpath(folder)):
            notes.wrong(name, "is a link or lies outside of the report")
        elif not file.is_file():
            notes.wrong(name, "is listed in the manifest and missing")
        elif hashlib.sha256(file.read_bytes()).hexdigest() != digest.removeprefix("sha256:"):
            notes.wrong(name, "has changed since the manifest was written")
        notes.counts["file"] += 1

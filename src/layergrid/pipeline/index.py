"""The list of all reports below a folder as one page beside them; it reads what reports say and computes nothing."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from layergrid import archive, publish, text, theme
from layergrid.kinds import BadInput, BuildError
from layergrid.render import index as page
from layergrid.render import picture

PAGE = "index.html"
HEAD = 4096  # bytes of a page in which our mark stands, after the policy
SKIPPED = ("grids", "results")  # folders of a report


def write(folder: Path) -> Path:
    """Writes or refreshes FOLDER/index.html; the same reports give the same bytes.

    Raises:
        BadInput: the folder is not there, or its index.html is not ours.
        BuildError: the folder cannot be written.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder}: there is no such folder; give the folder that holds reports, such as reports")
    target = folder / PAGE
    with publish.alone(target):
        if os.path.lexists(target) and not _ours(target):
            raise BadInput(f"{target}: was not written by layergrid and is left as it is; move it away to have a list")
        look = theme.load("paper")
        stops = {name: len(page.shades(light)) for name, (light, _) in look.schemes.items()}
        content = page.html([_entry(folder, name, stops) for name in _found(folder)], look).encode("utf-8")
        try:
            if target.is_file() and target.read_bytes() == content:
                return target
            _replace(target, content)
        except OSError as error:
            raise BuildError(f"{target}: cannot be written ({error.strerror or error})") from error
    return target


def refreshed(folder: Path) -> str:
    """Refreshes the list after a build; what stands in its way as a note, empty where nothing does."""
    try:
        if folder.is_dir():  # where no build came so far there is nothing to list
            write(folder)
    except (BadInput, BuildError, OSError) as error:
        return f"the list of reports is not refreshed: {error}"
    return ""


def _ours(target: Path) -> bool:
    try:
        with target.open("rb") as stream:
            return page.MARK.encode() in stream.read(HEAD)
    except OSError:
        return False


def _replace(target: Path, content: bytes) -> None:
    """Puts a file in its place by renaming, so that nobody reads half of it."""
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{PAGE}-")
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


# ---------------------------------------------------------------- folders


def _found(folder: Path) -> list[str]:
    """Paths of the folders that the list names: reports, and what lies beside them without holding any."""
    return [path.relative_to(folder).as_posix() for path in _below(folder)]


def _below(folder: Path) -> Iterator[Path]:
    """Folders with a manifest, wherever they lie; of the others those with files and no report further down."""
    for child in sorted(_children(folder)):
        if (child / publish.MANIFEST).is_file():
            yield child
            continue
        below = [one for one in _below(child) if (one / publish.MANIFEST).is_file()]
        yield from below or [child]


def _children(folder: Path) -> list[Path]:
    """Folders inside a folder that are neither hidden nor links."""
    try:
        with os.scandir(folder) as entries:
            return [Path(e.path) for e in entries if e.is_dir(follow_symlinks=False) and not e.name.startswith(".")]
    except OSError:
        return []


# ---------------------------------------------------------------- one report


class _Damaged(Exception):
    """What is wrong with a report, without its path."""


def _entry(folder: Path, name: str, stops: dict[str, int]) -> page.Entry:
    try:
        return _report(folder / name, name, stops)
    except _Damaged as error:
        return page.Entry(name, problem=str(error))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OSError, RecursionError):
        return page.Entry(name, problem="is damaged: its files do not hold what a report holds; build it again")


def _report(folder: Path, name: str, stops: dict[str, int]) -> page.Entry:
    """What a report says of itself; raises what a damaged one brings about."""
    if not (folder / publish.MANIFEST).is_file():
        raise _Damaged(f"is no report: it has no {publish.MANIFEST}")
    try:
        publish.check_own(folder)
    except BadInput as error:
        raise _Damaged("holds a link, or what is no file of a report; build it again") from error
    manifest = publish.read_manifest(folder)
    if manifest is None:
        raise _Damaged(f"is damaged or no report: {publish.MANIFEST} is not what layergrid writes")
    build, card = manifest["build"], _json(folder, "results/results.json")
    said = _json(folder, "facts.json")["sentences"]
    figures = [s["text"] for s in said if str(s["where"]).startswith("key figure ")]
    judged = build.get("expectations", ())
    data = [f"{d['name']}, {text.plural(int(d['n']), 'example')}" for d in card["data"]]
    tables = [archive.grid_file(str(g["name"]), "csv") for g in card["grids"]]
    return page.Entry(
        name,
        title=str(card["title"]),
        finding=next((str(s["text"]) for s in said if s["where"] == "finding"), ""),
        figures=tuple(zip(map(str, figures[::2]), map(str, figures[1::2]), strict=True)),
        picture=_picture(folder, card["grids"][0], stops) if card["grids"] else None,
        models=tuple(dict.fromkeys(str(m["name"]) for m in card["models"])),
        data=tuple(dict.fromkeys(data)),
        met=(sum(bool(one["met"]) for one in judged), len(judged)) if judged else None,
        documents=tuple(one for one in ("html", "pdf", "md") if (folder / f"report.{one}").is_file()),
        tables=tuple(one for one in tables if (folder / one).is_file()),
        comparison=build.get("kind") == "diff",
    )


def _json(folder: Path, name: str) -> dict[str, Any]:
    try:
        found = json.loads((folder / name).read_bytes())
    except FileNotFoundError as error:
        raise _Damaged(f"is damaged: {name} is missing; build it again") from error
    except (OSError, ValueError, RecursionError) as error:
        raise _Damaged(f"is damaged: {name} cannot be read; build it again") from error
    if not isinstance(found, dict):
        raise _Damaged(f"is damaged: {name} is not what layergrid writes; build it again")
    return found


def _picture(folder: Path, grid: Mapping[str, Any], stops: dict[str, int]) -> picture.Picture | None:
    """The first map of a report, from the CSV file of its grid."""
    shape = (len(grid["layers"]), len(grid["positions"]))
    path = archive.grid_file(str(grid["name"]), "csv")
    try:
        with (folder / path).open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            column = next(rows, []).index("value")
            cells = [row[column] for row in islice(rows, shape[0] * shape[1])]
    except (OSError, csv.Error, ValueError, IndexError) as error:
        raise _Damaged(f"is damaged: {path} cannot be read; build it again") from error
    if len(cells) != shape[0] * shape[1]:
        raise _Damaged(f"is damaged: {path} does not hold the cells of its grid; build it again")
    if not cells:
        return None
    values = np.array([float(one) if one else np.nan for one in cells]).reshape(shape)
    quantity, signed = grid["quantity"], bool(grid["contrast"])
    span = np.array([np.nanmin(values), np.nanmax(values)]) if np.isfinite(values).any() else None
    words = f"Map of {quantity['name']}, {text.plural(shape[0], 'layer')} by {text.plural(shape[1], 'position')}"
    words += f", from {text.number(span[0])} to {text.number(span[1])}" if span is not None else ", without values"
    return picture.picture(values, words, stops, quantity["chance"], quantity["high"], signed)

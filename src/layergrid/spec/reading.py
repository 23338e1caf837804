"""Reads a spec file: YAML, overrides, short forms, models, references; every error of it at once."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from layergrid.kinds import BadInput
from layergrid.project import Project
from layergrid.spec import including, matrix, references, sugar, transferable, variables
from layergrid.spec import overrides as setting
from layergrid.spec.fields import Spec
from layergrid.spec.problems import SpecError, describe, translate
from layergrid.text import nearest, visible
from layergrid.yamlsource import Node, Place, Problem, Source, YamlError, load, read

STEM = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


def load_spec(path: Path, overrides: Sequence[str] = (), allowed: Sequence[Path] = ()) -> Spec:
    """The spec in a file, with `--set` overrides such as "grids.errors.folds=3" applied in order.

    Files that it names are read below its project folder, as `Project.around` finds it, and below those `allowed`.

    Raises:
        SpecError: something in the file or in an override is wrong; it holds all problems with their places.
        BadInput: there is no such file, it cannot be read, or it is a link that leads out of its project.
    """
    project = Project.around(path, allowed)
    try:
        project.inside(path, "the spec")
        source = read(path)
    except YamlError as error:
        raise SpecError([error.problem]) from None
    except OSError as error:
        raise BadInput(_unreadable(path, error)) from None
    return parse_spec(source, path, overrides, project)


def parse_spec(source: Source, path: Path, overrides: Sequence[str] = (), project: Project | None = None) -> Spec:
    """The spec in a text that is or will be the file `path`; raises SpecError. `project` None: the folder alone."""
    project = project or Project.of(path.parent)
    problems: list[Problem] = []
    root = assembled(source, path, overrides, project, problems)
    if not STEM.fullmatch(path.stem):
        wanted = "a file name of letters a-z, digits, '.', '_', '-'"
        message = f"'{visible(path.stem)}' cannot name a report; expected {wanted}"
        problems.append(Problem(Place(source, 1, 1), message))
    return _validated(root, path, problems, project)


def assembled(source: Source, path: Path, overrides: Sequence[str], project: Project, problems: list[Problem]) -> Node:
    """The mapping of a spec with what it includes, what is set and its variables, in this order; nothing is checked.

    Adds to `problems` what does not stop the reading; raises SpecError where it cannot go on.
    """
    try:
        root, found = load(source)
    except YamlError as error:
        raise SpecError([error.problem]) from None
    problems += found
    if not isinstance(root.value, dict):
        problems.append(Problem(root.place, f"the spec is {describe(root)}; expected a mapping of keys to values"))
        raise SpecError(problems)
    root = including.whole(root, path, project, problems)
    if root.broken:
        raise SpecError(problems)
    for override in overrides:
        root = setting.apply(root, override, problems)
    late = sugar.entries(root).get(including.KEY)
    if late is not None:
        problems.append(Problem(late.key, "'include' cannot be set here; write it in the spec"))
        root = root.without(including.KEY)
    return variables.filled(root, problems)


def _validated(root: Node, path: Path, problems: list[Problem], project: Project) -> Spec:
    root = transferable.full(sugar.full(matrix.expanded(root, problems), path.stem, problems), problems)
    problems += [*references.check(root, project), *transferable.check(root)]
    spec = None
    try:
        context = {"name": path.stem, "project": project}
        spec = Spec.model_validate_json(json.dumps(root.plain()), strict=True, context=context)
    except ValidationError as error:
        problems += translate(error, root)
    if problems or spec is None:
        raise SpecError(matrix.told_once(problems, root))
    return spec


def _unreadable(path: Path, error: OSError) -> str:
    """What to say of a file that cannot be read: the nearest name that is there."""
    if isinstance(error, FileNotFoundError):
        there = sorted(p.name for p in path.parent.glob("*.y*ml")) if path.parent.is_dir() else []
        like = nearest(path.name, there)
        hint = f"did you mean {path.parent / like}?" if like else "write one with `layergrid new`"
        return f"{path}: there is no such file; {hint}"
    if isinstance(error, IsADirectoryError):
        return f"{path}: is a folder; expected a spec, a YAML file"
    return f"{path}: cannot be read ({error.strerror or error}); expected a spec, a YAML file"

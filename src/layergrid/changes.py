"""Which specs could have another report than at a commit: by git, and by the files that specs name; it runs no spec.

A spec names files by plain text, so that every text in it counts as a path: of data, of a theme, of a folder of
templates or of a model, of a manifest or of another spec, whose own texts count in turn. Too much is named that way now
and then, and never too little, whatever kind of loader or grid reads it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from layergrid import yamlsource
from layergrid.errors import BadInput
from layergrid.lock import NAME
from layergrid.project import Project
from layergrid.text import visible
from layergrid.yamlsource import Problem, YamlError

READ = (".yaml", ".yml", ".json")  # suffixes of files that may name others
MOST = 16_777_216  # bytes of such a file in JSON; YAML has its own limit
LONGEST = 4096  # signs of a path
LINKS = 40  # that lead to one file, as systems allow


@dataclass(frozen=True)
class Changes:
    """The paths that differ between a commit and the working tree of one repository."""

    top: Path  # the repository's folder, links resolved
    commit: str  # in hexadecimal
    paths: frozenset[str]  # relative to it, of what was changed, added, removed or renamed

    @cached_property
    def _above(self) -> dict[str, str]:
        """Each folder that holds a change, with one of them."""
        return {above.as_posix(): one for one in sorted(self.paths, reverse=True) for above in Path(one).parents}

    def below(self, path: Path) -> str:
        """A changed path that is this one, lies in it, or holds it, as a submodule does; empty where there is none."""
        try:
            inside = path.relative_to(self.top)
        except ValueError:
            return ""
        if str(inside.as_posix()) in self._above:
            return self._above[inside.as_posix()]
        return next((p.as_posix() for p in (inside, *inside.parents) if p.as_posix() in self.paths), "")


def since(ref: str, folder: Path) -> Changes:
    """What differs between a commit and the working tree around a folder, files that are not added yet included.

    Raises BadInput where git is missing, the folder lies in no repository, or `ref` names no commit that is there.
    """
    if not ref or ref.startswith("-"):
        raise BadInput(f"--since {visible(ref)!r}: expected a commit, a branch or a tag, such as origin/main")
    top = Path(os.fsdecode(_git(folder, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    wanted = f"{ref}^{{commit}}"
    try:
        commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted).decode("ascii").strip()
    except BadInput:
        message = f"--since {visible(ref)}: git knows no such commit in {visible(str(top))}"
        raise BadInput(f"{message}; where CI fetched too little: git fetch --depth=1 origin COMMIT") from None
    # A rename is a removal and an addition here, so that whoever still names the old path counts.
    same = ("diff", "--name-only", "-z", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
    found = _git(top, *same, commit, "--") + _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return Changes(top, commit, frozenset(os.fsdecode(one).rstrip("/") for one in found.split(b"\0") if one))


def reason(spec: Path, changes: Changes) -> str:
    """Why the report of a spec could differ, in a few words; empty where it could not.

    Raises BadInput where there is no such file, or it lies outside of the repository.
    """
    if not spec.is_file():
        raise BadInput(f"{spec}: there is no such file; expected a spec")
    start = _place(spec)
    if not start.is_relative_to(changes.top):
        raise BadInput(f"{spec}: lies outside of the repository {changes.top}; ask for it in a command of its own")
    try:
        named = [*_texts(start), *_assembled(start)]
    except (YamlError, OSError):
        return "cannot be read"
    if (found := changes.below(start)) or (found := changes.below(Path(os.path.realpath(start)))):
        return f"{found} differs"
    if _locked_otherwise(start, changes):
        return f"its entry in {NAME} differs"
    if not changes.paths:
        return ""
    found = next((found for path in _named(start, named, changes.top) if (found := changes.below(path))), "")
    return f"{found} differs" if found else ""


def _locked_otherwise(spec: Path, changes: Changes) -> bool:
    """Whether the lock file beside a spec says something else of it than at the commit, or cannot be read."""
    file = spec.with_name(NAME)
    if not changes.below(file):
        return False
    try:
        then = _git(changes.top, "cat-file", "blob", f"{changes.commit}:{file.relative_to(changes.top).as_posix()}")
    except BadInput:  # it was not there
        then = b"{}"
    now = file.read_bytes() if file.is_file() else b"{}"
    try:
        pins = [json.loads(one).get("specs", {}).get(spec.stem) for one in (then, now)]
    except (ValueError, AttributeError, RecursionError):
        return True
    return bool(pins[0] != pins[1])


def beside(path: Path, changes: Changes) -> str:
    """Like `reason`, for a path that all reports depend on."""
    found = next((one for way in _ways(_place(path)) if (one := changes.below(way))), "")
    return f"{found} differs" if found else ""


def _place(path: Path) -> Path:
    """An absolute path whose folders are no links; its last part may be one."""
    return Path(os.path.realpath(path.absolute().parent)) / path.name


def _named(start: Path, texts: Sequence[str], top: Path) -> Iterator[Path]:
    """Every path that a file names, or that what it names does, with all links on the way; below `top` alone."""
    waiting, seen = [(start.parent, texts)], {start}
    while waiting:
        folder, texts = waiting.pop()
        for text in texts:
            for path in _paths(folder, text):
                if path in seen or not path.is_relative_to(top):
                    continue
                seen.add(path)
                yield path
                if path.is_dir():
                    yield from _linked(path)
                elif path.suffix in READ and path.is_file():
                    waiting.append((path.parent, _readable(path)))


def _paths(folder: Path, text: str) -> Iterator[Path]:
    """What a text may lead to from a folder: itself, what follows its scheme, and where links lead from there."""
    for written in dict.fromkeys((text, text.partition(":")[2])):
        if not written or len(written) > LONGEST or not written.isprintable():
            continue
        try:
            path = folder / Path(written).expanduser()
        except RuntimeError:  # ~somebody, who has no home here
            continue
        yield from _ways(path)


def _linked(folder: Path) -> Iterator[Path]:
    """Where the links in a folder lead to."""
    for above, folders, files in os.walk(folder):
        folders[:] = [one for one in folders if one != ".git"]
        links = (Path(above) / one for one in (*folders, *files))
        yield from (end for one in links if one.is_symlink() for end in _ways(one))


def _ways(path: Path) -> Iterator[Path]:
    """A path, each link that it goes through by its last part, and where all links end."""
    yield Path(os.path.normpath(path))
    for _ in range(LINKS):
        if not path.is_symlink():
            break
        path = path.parent / path.readlink()
        yield Path(os.path.normpath(path))
    yield Path(os.path.realpath(path))


def _readable(path: Path) -> list[str]:
    try:
        return list(_texts(path))
    except (YamlError, OSError, ValueError, RecursionError):  # data, or something that a build will complain about
        return []


def _texts(path: Path) -> Iterator[str]:
    """Every text of a YAML or JSON file that is a value."""
    if path.suffix == ".json":
        waiting: list[Any] = [json.loads(path.read_bytes()) if path.stat().st_size <= MOST else None]
    else:
        waiting = [yamlsource.load(yamlsource.read(path))[0].plain()]
    yield from _within(waiting)


def _within(waiting: list[Any]) -> Iterator[str]:
    """Every text in values of JSON."""
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value


def _assembled(spec: Path) -> Iterator[str]:
    """Every text of a spec with what it includes and its variables in place; paths in it start at its folder."""
    from layergrid.spec.reading import assembled

    problems: list[Problem] = []
    try:
        whole = assembled(yamlsource.read(spec), spec, (), Project.around(spec), problems)
    except BadInput:  # something that a build will complain about; the texts as they are written count all the same
        return
    yield from _within([whole.plain()])


def _git(folder: Path, *arguments: str) -> bytes:
    """What a command of git prints; it takes no locks and starts no program of its own beside filters of files."""
    program = shutil.which("git")
    if program is None:
        raise BadInput("git is missing; install it, or name the specs yourself")
    command = [program, "-c", "core.fsmonitor=false", *arguments]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, check=False)  # noqa: S603 - a list of arguments, no shell
    except OSError as error:
        raise BadInput(f"{folder}: git cannot be run there ({error.strerror})") from error
    if ended.returncode:
        said = ended.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        if "not a git repository" in said:
            raise BadInput(f"{folder}: lies in no git repository, so that nothing can be said to have changed")
        raise BadInput(f"{folder}: git {arguments[0]} failed: {visible(said[:300])}")
    return ended.stdout

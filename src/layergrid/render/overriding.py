"""A user's own templates: read once from a folder, checked without drawing anything; it knows no results.

A template takes the place of the one of its name that ships; one of another name is for the user's others to include.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from jinja2 import TemplateSyntaxError, meta, nodes

from layergrid import resources, text
from layergrid.kinds import BadInput
from layergrid.render.environment import SHIPPED, Templates, environment, told

MOST_FILES = 200
MOST_BYTES = 1_000_000  # of all files together
SUFFIX = ".j2"
LONGEST_SIDE = 2000  # of a page of paper, in mm
UNITS = {"mm": 1.0, "cm": 10.0, "q": 0.25, "in": 25.4, "pt": 25.4 / 72, "pc": 25.4 / 6, "px": 25.4 / 96, "em": 4.0,
         "rem": 4.0}  # fmt: skip
_SIZE = re.compile(r"@page[^{}]*\{[^}]*?(?<![-\w])size\s*:([^;}]*)", re.IGNORECASE)
_LENGTH = re.compile(rf"(\d*\.?\d+(?:e[-+]?\d+)?)({'|'.join(UNITS)})\b", re.IGNORECASE)
NO_DOCUMENT = ("new.yaml.j2",)  # ships, and is part of no report
FILTERS = (  # of the documents, beside Jinja's; page, print and Markdown have each their own choice of them
    "words", "sentence", "paragraph", "visible", "code", "authored", "svg", "image", "plain",
)  # fmt: skip


def read(folder: Path) -> dict[str, str]:
    """The texts of a folder's templates by name, checked.

    Raises:
        BadInput: the folder or a file in it cannot be read, or `check` finds something wrong.
    """
    found: dict[str, str] = {}
    size = 0
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        data = _bytes(path, MOST_BYTES - size)
        size += len(data)
        try:
            found[name] = data.decode("utf-8-sig").replace("\r\n", "\n")
            name.encode("utf-8")
        except UnicodeError as error:
            said = (
                f"{path}: is no UTF-8 ({error}); only templates, texts in UTF-8, may lie in this folder: save it so, "
                "or take it out"
            )
            raise BadInput("templates: " + text.visible(said)) from error
    if not found:
        example = "blocks/abstract.html.j2"
        raise BadInput(f"templates: {folder} holds no template; expected files such as {example}, or no `templates`")
    check(found, f"{folder}{os.sep}")
    return dict(sorted(found.items()))


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder in a settled order, hidden ones left out."""
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "is not there"
        raise BadInput(f"templates: {folder} {what}; expected a folder of templates, its path from the spec's folder")
    home, count = folder.resolve(), 0
    for parent, folders, files in os.walk(folder, onerror=_unreadable):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in [*folders, *sorted(files)]:
            path = Path(parent, name)
            if name.startswith(".") or (name in folders and not path.is_symlink()):
                continue
            count += 1
            if count > MOST_FILES:
                raise BadInput(f"templates: {folder} holds more than {MOST_FILES} files; give a folder of its own")
            if path.is_symlink() and not path.resolve().is_relative_to(home):
                raise BadInput(f"templates: {path} is a link that leads out of the folder; put the file itself there")
            if name in folders:
                raise BadInput(f"templates: {path} is a link to a folder; put the folder itself there")
            yield path


def _unreadable(error: OSError) -> None:
    raise BadInput(f"templates: {error.filename} cannot be read ({error.strerror})") from error


def _bytes(path: Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise BadInput(f"templates: {path} is no ordinary file; take it out of the folder")
        with path.open("rb") as stream:
            data = stream.read(most + 1)
    except OSError as error:
        raise BadInput(f"templates: {path} cannot be read ({error.strerror})") from error
    if len(data) > most:
        raise BadInput(
            f"templates: {path}: all templates are more than {MOST_BYTES // 1_000_000} MB; make them smaller"
        )
    return data


@cache
def shipped() -> frozenset[str]:
    """The names of all templates of documents that ship."""
    folder = resources.folder("templates")
    found = (path.relative_to(folder).as_posix() for path in folder.rglob(f"*{SUFFIX}"))
    return frozenset(name for name in found if name not in NO_DOCUMENT)


def check(templates: Mapping[str, str], root: str = "") -> None:
    """Reads templates without drawing them; `root` stands before their names in messages.

    Raises:
        BadInput: with file and line: a name that takes no template's place and that none includes, a mistake of syntax,
            an unknown filter, an include that leads nowhere, a block that the extended template does not have.
    """
    for name, written in templates.items():
        _sizes(name, written, root)
    trees = {name: _tree(name, written, root) for name, written in templates.items()}
    named: set[str] = set()
    dynamic = False
    for name, tree in trees.items():
        for node in tree.find_all((nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)):
            there = _named(node)
            dynamic = dynamic or not there
            named.update(one for one in there if one is not None)
            _reference(name, node, there, trees, root)
        _blocks(name, tree, trees, root)
    for name in templates:
        if name not in shipped() and name not in named and not (dynamic and name.endswith(SUFFIX)):
            near = text.nearest(name, shipped())
            hint = f"did you mean {near}?" if near else f"those that ship are {text.listed(sorted(shipped()))}"
            raise BadInput(f"templates: {root}{name}: takes no template's place, and none includes it; {hint}")


def _sizes(name: str, written: str, root: str) -> None:
    """Raises BadInput for a page of paper that no layout ends on."""
    for found in _SIZE.finditer(written):
        for length in _LENGTH.finditer(found[1]):
            if not float(length[1]) * UNITS[length[2].lower()] <= LONGEST_SIDE:
                line = written.count("\n", 0, found.start()) + 1
                raise BadInput(
                    f"templates: {root}{name}:{line}: a page of {length[0][:40]}; expected at most {LONGEST_SIDE} mm, "
                    "or {{ paper }}"
                )


def _tree(name: str, written: str, root: str) -> nodes.Template:
    """The template as Jinja reads it."""
    try:
        tree = _environment().parse(written, name, name)
        _counting().compile(written, name, name)
    except TemplateSyntaxError as error:
        raise BadInput(f"templates: {root}{name}:{error.lineno}: {told(error)}") from error
    except (RecursionError, MemoryError, SyntaxError) as error:  # of the parser, or of Python's, which reads after it
        raise BadInput(
            f"templates: {root}{name}: loops, conditions or brackets are nested too deeply; nest less, or include a "
            "template for the inner ones"
        ) from error
    except (ValueError, OverflowError) as error:
        digits = re.search(r"[\d_]{1000}", written)
        line = f":{written.count(chr(10), 0, digits.start()) + 1}" if digits else ""
        raise BadInput(
            f"templates: {root}{name}{line}: a number or text cannot be read; write a shorter one"
        ) from error
    for kind, known in ((nodes.Filter, _environment().filters), (nodes.Test, _environment().tests)):
        for node in tree.find_all(kind):  # inside of a condition Jinja tells only once it is met
            if node.name not in known:
                what, near = kind.__name__.lower(), text.nearest(node.name, known)
                hint = f"did you mean {near!r}?" if near else f"there are {text.listed(sorted(known))}"
                raise BadInput(f"templates: {root}{name}:{node.lineno}: there is no {what} {node.name!r}; {hint}")
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise BadInput(f"templates: {root}{name}:{loop.lineno}: a loop may not be recursive; write a macro")
    return tree


@cache
def _environment() -> Templates:
    """An environment with the filters of all documents."""
    return environment(True, {}, **dict.fromkeys(FILTERS, str))


@cache
def _counting() -> Templates:
    """The same, as one that counts compiles them: with more brackets."""
    return environment(True, {"": ""}, **dict.fromkeys(FILTERS, str))


def _named(node: nodes.Node) -> list[str | None]:
    """The names that a reference gives; None for one that is known when drawn."""
    return list(meta.find_referenced_templates(nodes.Template([node], lineno=node.lineno)))


def _reference(
    name: str, node: nodes.Node, named: Iterable[str | None], trees: Mapping[str, nodes.Template], root: str
) -> None:
    """Raises BadInput where a template that is named is not there."""
    where = f"templates: {root}{name}:{node.lineno}"
    if isinstance(node, nodes.Extends) and not isinstance(node.template, nodes.Const):
        raise BadInput(f'{where}: extends what is not known before; write the name, such as "{SHIPPED}{name}"')
    known = {*shipped(), *trees, *(SHIPPED + one for one in shipped())}
    optional = bool(getattr(node, "ignore_missing", False))
    for one in named:
        if one == name:
            raise BadInput(f'{where}: names itself; the one that ships is "{SHIPPED}{name}"')
        if one is not None and (one.startswith("/") or ".." in one.split("/") or "\\" in one):
            raise BadInput(f"{where}: {one!r} leads out of the folder; templates are named from it, without '..'")
        if one is not None and one not in known and not optional:
            near = text.nearest(one, known)
            raise BadInput(f"{where}: there is no template {one!r}{f'; did you mean {near!r}?' if near else ''}")


def _blocks(name: str, tree: nodes.Template, trees: Mapping[str, nodes.Template], root: str) -> None:
    """Raises BadInput for what Jinja would pass over without a word in a template that extends another."""
    extends = next(tree.find_all(nodes.Extends), None)
    if extends is None:
        return
    known = _blocks_of(_parent(extends), trees, {name}, root)
    for block in tree.find_all(nodes.Block):
        if block.name not in known:
            near = text.nearest(block.name, known)
            hint = f"did you mean {near!r}?" if near else f"it has {text.listed(sorted(known)) or 'none'}"
            raise BadInput(
                f"templates: {root}{name}:{block.lineno}: {_parent(extends)} has no block {block.name!r}; {hint}"
            )
    for node in tree.body:
        if isinstance(node, nodes.Output) and not _blank(node):
            raise BadInput(
                f"templates: {root}{name}:{_line(node)}: stands outside of every block, where it is never shown; put "
                f"it into a block of {_parent(extends)}"
            )


def _blank(node: nodes.Output) -> bool:
    return all(isinstance(one, nodes.TemplateData) and not one.data.strip() for one in node.nodes)


def _line(node: nodes.Output) -> int:
    """The line of the first sign of a text."""
    first = str(getattr(node.nodes[0], "data", ""))
    return node.lineno + first[: len(first) - len(first.lstrip())].count("\n")


def _parent(extends: nodes.Extends) -> str:
    named = extends.template
    return str(named.value) if isinstance(named, nodes.Const) else ""


def _blocks_of(name: str, trees: Mapping[str, nodes.Template], seen: set[str], root: str) -> set[str]:
    """The names of the blocks of a template and of all that it extends."""
    if name in seen:
        raise BadInput(f"templates: {root}{name} and {text.listed(sorted(seen - {name}))} extend each other")
    tree = trees.get(name) or _shipped_tree(name.removeprefix(SHIPPED))
    found = {block.name for block in tree.find_all(nodes.Block)}
    extends = next(tree.find_all(nodes.Extends), None)
    return found | (_blocks_of(_parent(extends), trees, seen | {name}, root) if extends is not None else set())


@cache
def _shipped_tree(name: str) -> nodes.Template:
    return _environment().parse(resources.file(f"templates/{name}").read_text(encoding="utf-8"), name)

"""Checks what one part of a spec says of another: names of models, data sets, grids and positions, and templates.

It works on the full form as nodes, so that wrong references are reported beside wrong values. It opens no file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from layergrid import resources
from layergrid.kinds import BadInput, Loader, kind_named
from layergrid.project import Project, content
from layergrid.spec import expectable
from layergrid.spec.fields import DatasetSpec
from layergrid.spec.naming import reference
from layergrid.spec.sugar import dataset_of, entries, given, grid_kind, items, position_names
from layergrid.text import listed, nearest, visible
from layergrid.yamlsource import MAX_BYTES, Entry, Node, Place, Problem, top_keys


def check(root: Node, project: Project) -> list[Problem]:
    """All references of a spec in its full form that lead nowhere, or out of its project."""
    return [
        *_positions(root),
        *_grids(root),
        *_read_grids(root),
        *_figures(root),
        *_schemes(root, project),
        *expectable.check(root),
        *_prompts(root),
        *_theme(root, project),
        *_templates(root, project),
        *_outside(root, project),
    ]


def _positions(root: Node) -> list[Problem]:
    node = root.get("positions")
    if node is None or node.value != ():
        return []
    return [Problem(node.place, "'positions' is empty; expected at least one entry, or leave it out")]


def _grids(root: Node) -> list[Problem]:
    found: list[Problem] = []
    for name, entry in entries(root.get("grids")).items():
        kind = grid_kind(entry.node)
        if kind is not None and kind.stands_alone:
            continue
        for key, part, what in (("model", "models", "model"), ("dataset", "datasets", "data set")):
            names = list(entries(root.get(part)))
            chosen = entry.node.get(key)
            if isinstance(entry.node.value, dict) and len(names) > 1 and (chosen is None or chosen.value in (None, "")):
                message = f"grid '{name}' does not say which {what} it reads; expected {key}: {listed(names, 'or')}"
                found.append(Problem(entry.key, message))
            else:
                found += reference(chosen, what, names)
        found += _labels(name, entry, root)
    return [*_parts(root), *found]


def _read_grids(root: Node) -> list[Problem]:
    """Other grids that a grid reads: none of that name, itself, or one that reads it in turn."""
    grids = entries(root.get("grids"))
    reads: dict[str, list[Node]] = {}
    found: list[Problem] = []
    for name, entry in grids.items():
        keys = getattr(grid_kind(entry.node), "grid_keys", ())
        reads[name] = [node for key in keys if (node := entry.node.get(key)) is not None]
        for node in reads[name]:
            found += reference(node, "grid", [one for one in grids if one != name])
    for name in () if found else grids:
        seen, waiting = set[str](), [str(node.value) for node in reads[name]]
        while waiting and name not in seen:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += [str(node.value) for node in reads.get(one, ())]
        if name in seen:
            found.append(Problem(grids[name].key, f"grid '{visible(name)}' reads what is made from itself"))
    return found


def _parts(root: Node) -> list[Problem]:
    """Models, data sets and prompts that are missing although a grid reads them."""
    reading = [g.node for g in entries(root.get("grids")).values() if isinstance(g.node.value, Mapping)]
    reading = [node for node in reading if not getattr(grid_kind(node), "stands_alone", False)]
    if not reading and entries(root.get("grids")):
        return []
    found = []
    for part, what in (("models", "Models by name"), ("datasets", "Data sets by name")):
        node = root.get(part)
        if node is None:
            found.append(Problem(root.place, f"key '{part}' is missing: {what}."))
        elif isinstance(node.value, Mapping) and not node.value:
            found.append(Problem(node.place, f"'{part}' is empty; expected at least one entry"))
    if not given(root):
        prompt = DatasetSpec.model_fields["prompt"].description
        for name, entry in entries(root.get("datasets")).items():
            if isinstance(entry.node.value, Mapping) and entry.node.get("prompt") is None:
                found.append(Problem(entry.key, f"key 'prompt' is missing in '{visible(name)}': {prompt}"))
    return found


def _labels(name: str, entry: Entry, root: Node) -> list[Problem]:
    """What a grid asks of its data set's labels that they do not give."""
    dataset, kind = dataset_of(entry.node, root), grid_kind(entry.node)
    if dataset is None or kind is None or not isinstance(dataset.value, Mapping):
        return []
    has = {key: (node := dataset.get(key)) is not None and node.value is not None for key in ("label", "grade")}
    for key in ("predict", "contrast"):
        if key not in kind.model_fields:
            continue
        written = entry.node.get(key)
        wanted = kind.model_fields[key].default if written is None else written.value
        if wanted not in ("error", "correct", "label"):
            continue
        right = wanted == "label" if has["label"] else has["grade"] and wanted != "label"
        if not right:
            place = entry.key if written is None else written.place
            if has["label"]:
                hint = "the labels of its data set come from a column; write label"
            elif has["grade"]:
                hint = "its data set has graded answers and no label column; write error or correct"
            else:
                hint = "its data set has no labels; give it 'label: COLUMN' or graded answers"
            found = Problem(place, f"grid '{visible(name)}': {key} is '{visible(str(wanted))}', but {hint}")
            return [found]
    return []


def _figures(root: Node) -> list[Problem]:
    datasets = list(entries(root.get("datasets")))
    found: list[Problem] = []
    for figure in items(root.get("figures")):
        # Where a figure names a family that is drawn grid by grid, its grids stand here in the place of the family.
        grids = [*entries(root.get("grids")), *entries(root.get("families"))]
        for key, what, known in (("grid", "grid", grids), ("dataset", "data set", datasets)):
            named = figure.get(key)
            if named is not None and named.value != "":  # empty: the only one, or none
                found += reference(named, what, known)
        found += _box(figure, root)
    return found


def _schemes(root: Node, project: Project) -> list[Problem]:
    """Colour schemes of figures that the spec's theme does not have."""
    named = [scheme for one in items(root.get("figures")) if (scheme := one.get("scheme")) is not None and scheme.value]
    theme = root.get("theme")
    written = "paper" if theme is None else theme.value
    if not named or not isinstance(written, str):
        return []
    from_file = written.endswith((".yaml", ".yml"))
    shipped = resources.folder("templates") / "themes"
    try:
        path = project.path(written) if from_file else shipped / f"{written}.yaml"
        read = content(path, MAX_BYTES, "theme").decode("utf-8")
        known = top_keys(read, "schemes")
        while base := top_keys(read, "extends"):
            read = (shipped / f"{base[0]}.yaml").read_text(encoding="utf-8")
            known += top_keys(read, "schemes")
        known = list(dict.fromkeys(known))
    except (OSError, UnicodeDecodeError, BadInput):  # the theme is reported by itself
        return []
    return [problem for scheme in named for problem in reference(scheme, "scheme", known)]


def _box(figure: Node, root: Node) -> list[Problem]:
    """Globs of a figure's box that match no position of the figure's grid."""
    grids = entries(root.get("grids"))
    named = figure.get("grid")
    name = next(iter(grids), "") if named is None or named.value == "" else str(named.value)
    every = root.get("positions")
    if name not in grids or every is None or every.broken or (len(grids) > 1 and named is None):
        return []
    names = [str(item.value) for item in items(grids[name].node.get("positions"))] or position_names(root)
    box = figure.get("box")
    globs = [] if box is None else items(box) if isinstance(box.value, tuple) else (box,)
    return [
        Problem(one.place, f"box '{visible(one.value)}' matches no position of grid '{name}': {', '.join(names)}")
        for one in globs
        if isinstance(one.value, str) and names and not any(fnmatchcase(position, one.value) for position in names)
    ]


def _prompts(root: Node) -> list[Problem]:
    """Templates that Jinja cannot read, and prompts that are the same for every example."""
    import jinja2
    import jinja2.nodes

    found: list[Problem] = []
    for entry in entries(root.get("datasets")).values():
        prompt = entry.node.get("prompt")
        if prompt is None or not isinstance(prompt.value, str) or not prompt.value:
            continue
        environment = jinja2.Environment(autoescape=False)  # noqa: S701 - parsed only; a prompt is no HTML
        try:
            tree = environment.parse(prompt.value)
        except jinja2.TemplateSyntaxError as error:
            message = f"the prompt is no Jinja template: {visible(str(error.message))}"
            found.append(Problem(prompt.place, message))
            continue
        except RecursionError:
            found.append(Problem(prompt.place, "the prompt is no Jinja template: brackets are nested too deep"))
            continue
        # Names in the tree, not jinja2.meta: that one generates code, and works out constants such as 9**9**9 for it.
        if not any(name.ctx == "load" for name in tree.find_all(jinja2.nodes.Name)):
            message = "the prompt names no column, so that all prompts are equal; write {{ question }} for a column"
            found.append(Problem(prompt.place, message))
    return found


def _theme(root: Node, project: Project) -> list[Problem]:
    theme = root.get("theme")
    if theme is None or not isinstance(theme.value, str):
        return []
    if theme.value.endswith((".yaml", ".yml")):
        return _theme_file(theme.place, theme.value, project)
    shipped = resources.folder("templates") / "themes"
    return reference(theme, "theme", sorted(path.stem for path in shipped.glob("*.yaml")))


def _templates(root: Node, project: Project) -> list[Problem]:
    """A problem where the folder of templates is not there; what is in it is read by those who draw."""
    node = root.get("templates")
    if node is None or not isinstance(node.value, str) or not node.value:
        return []
    try:
        path = project.path(node.value, "templates")
        if path.is_dir():
            return []
        like = nearest(path.name, sorted(p.name for p in path.parent.iterdir() if p.is_dir()))
    except BadInput as error:
        return [Problem(node.place, str(error))]
    except OSError:  # such as a name that is too long
        like = None
    hint = f"; did you mean '{visible(str(Path(node.value).with_name(like)))}'?" if like else ""
    message = f"no folder '{visible(node.value)}' of templates; its path starts at the spec's folder{hint}"
    return [Problem(node.place, message)]


def _theme_file(place: Place, written: str, project: Project) -> list[Problem]:
    """A problem where a theme's file is not there."""
    try:
        path = project.path(written, "theme")
        if path.is_file():
            return []
        like = nearest(path.name, sorted(p.name for p in path.parent.glob("*.y*ml"))) if path.parent.is_dir() else None
    except BadInput as error:
        return [Problem(place, str(error))]
    except OSError:  # such as a name that is too long
        like = None
    hint = f"; did you mean '{visible(str(Path(written).with_name(like)))}'?" if like else ""
    message = f"no theme file '{visible(written)}'; its path starts at the spec's folder{hint}"
    return [Problem(place, message)]


def _outside(root: Node, project: Project) -> list[Problem]:
    """Files of models, data and tables outside of the project; whether they are there is seen when they are read."""
    found = []
    for part, keys in (("models", ("address",)), ("datasets", ("loader", "address")), ("grids", ("source",))):
        for name, entry in entries(root.get(part)).items():
            node: Node | None = entry.node
            for key in keys:
                node = node.get(key) if node is not None else None
            written = getattr(node, "value", None)
            if node is None or not isinstance(written, str) or not written or not _is_file(part, entry.node, written):
                continue
            try:
                project.path(written.removeprefix("activations:"), f"{part}.{name}.{'source' if keys[1:] else keys[0]}")
            except BadInput as error:
                found.append(Problem(node.place, str(error)))
    return found


def _is_file(part: str, node: Node, written: str) -> bool:
    """Whether an address is a file's or a folder's, and none that ships, lies on the hub or stands in the spec."""
    if part == "models":
        return written.startswith("activations:") or not re.match(r"[a-z][a-z0-9+]+:", written)
    if part == "grids":
        return True
    kind = (loader := node.get("loader")) and loader.get("kind")
    reader = kind_named(Loader, kind.value) if kind is not None and isinstance(kind.value, str) else None
    return reader is not None and bool(reader.suffixes)

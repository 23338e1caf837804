"""Writes the commented spec that `new` gives to authors; it checks that what it writes validates, and saves nothing."""

from __future__ import annotations

import json
from pathlib import Path

from layergrid import resources
from layergrid.kinds import ChartKind, Grader, GridKind, Loader, known
from layergrid.spec.naming import known_names
from layergrid.spec.reading import parse_spec
from layergrid.spec.sugar import title_from
from layergrid.yamlsource import Source


def starter(name: str, *, model: str = "builtin:arithmetic", source: str = "builtin:arithmetic") -> str:
    """A commented spec for a model and a data set, both given by address; `name` is the stem of the file to be.

    Raises SpecError where an address is none.
    """
    import jinja2

    environment = jinja2.Environment(  # noqa: S701 - YAML, not HTML; values are written as JSON strings
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["quoted"] = lambda text: json.dumps(text, ensure_ascii=False)
    template = environment.from_string(resources.file("templates/new.yaml.j2").read_text(encoding="utf-8"))
    text = template.render(
        title=title_from(name),
        model=model,
        source=source,
        shipped=source == "builtin:arithmetic",
        suffixes=[suffix for kind in known(Loader).values() for suffix in kind.suffixes],
        graders={kind: one.rule for kind, one in sorted(known(Grader).items())},
        names=[position for position in known_names() if not position.startswith("-")],
        grids=sorted(known(GridKind)),
        charts=sorted(known(ChartKind)),
    )
    parse_spec(Source(f"{name}.yaml", text), Path(f"{name}.yaml"))
    return text

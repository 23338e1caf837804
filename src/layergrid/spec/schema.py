"""The JSON Schema of what authors write, short forms included, for editors and for the reference in the README.

It describes the models of this package and every known kind; it validates nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from layergrid.kinds import ChartKind, Grader, GridKind, Kind, Loader, PositionResolver, known
from layergrid.spec.fields import Spec
from layergrid.spec.naming import known_names
from layergrid.spec.sugar import GOLD
from layergrid.spec.transferable import SINGULAR

Json = dict[str, Any]
DRAFT = "https://json-schema.org/draft/2020-12/schema"
INHERITED = {  # descriptions of the fields that kinds inherit from their base
    "kind": "Which kind it is; the other keys are its parameters.",
    "address": "Path of the file, relative to the spec, or the name after the scheme.",
    "gold": "Column that holds the right answer.",
    "name": "Name of the position, in figures and grids.",
    "model": "Name of the model; may be left out where there is one.",
    "dataset": "Name of the data set; may be left out where there is one.",
    "positions": "Positions to read: names, ranges such as -8..-1 or globs among the spec's; left out: all of them.",
    "grid": "Name of the grid that it draws; may be left out where there is one.",
}
SEVERAL: Json = {  # keys of a grid that stand for many grids
    "matrix": {
        "type": "object",
        "minProperties": 1,
        "description": "One grid for each combination of values: keys of the grid with lists of values, with mappings "
        "of names to values, or, of `model` and `dataset`, with `all`. Names join those of entry and values.",
    },
    "override": {
        "type": "object",
        "description": "Keys of single grids of the matrix, merged over those of the entry, by a value of the matrix "
        "or a whole combination such as a-x; null leaves these grids out.",
    },
    "differences": {
        "anyOf": [{"type": "boolean"}, {"type": "object"}],
        "description": "Grids of differences for each grid of the matrix: true, against the first value of the first "
        "key with two; or {against: VALUE}, with keys of the kind `difference`.",
    },
}
TEXT: Json = {"type": "string"}
TEXTS: Json = {"type": "array", "items": TEXT}
WHOLE: Json = {"type": "integer"}
VARIABLE: Json = {"type": "string", "pattern": r"^\$\{[^{}]+\}$", "description": "A variable of the spec: ${name}."}
NAMED: Json = {"anyOf": [TEXT, WHOLE]}  # a position: -1 is a whole number in YAML


def schema() -> Json:
    """The JSON Schema (draft 2020-12) of a spec."""
    made: Json = _untitled(Spec.model_json_schema(mode="validation"))
    parts, parents = made["$defs"], made["properties"]
    del made["required"]  # the title is made from the file's name
    some: Json = {"minProperties": 1}
    made["anyOf"] = [{"required": [part], "properties": {part: some}} for part in ("grids", "transfer")]
    made["anyOf"].append({"required": ["include"]})  # which may bring them
    parents.pop("families")
    parts.pop("FamilySpec")
    _models(parents["models"], parts["ModelSpec"])
    parents["datasets"]["additionalProperties"] = False
    _dataset(parts["DatasetSpec"], parts)
    _positions(parents["positions"], parts)
    _grids(parents["grids"], parts)
    _alternatives(parents["figures"]["items"], _kinds(parents["figures"]["items"], ChartKind, parts))
    _transfers(parts["TransferSpec"])
    _expectations(parts)
    for name in ("authors", "outputs"):
        _or_one(parents[name])
    made = deepcopy(made)  # forms that stand in several places are one object
    made["$defs"]["Variable"] = VARIABLE
    for part in (made, *made["$defs"].values()):
        _variables(part)
    return {"$schema": DRAFT, "title": "layergrid spec", **made}


def _transfers(part: Json) -> None:
    """Lets one name, layer or position stand under a singular key, or alone in the place of a list."""
    fields = part["properties"]
    _alternatives(fields["positions"], [{"type": "array", "items": NAMED}, *NAMED["anyOf"]])
    for name in ("models", "datasets", "baselines"):
        _or_one(fields[name])
    fields["layers"]["anyOf"].append({"type": "integer", "minimum": 0})
    for many, one in SINGULAR.items():
        form = {"models": TEXT, "datasets": TEXT, "layers": WHOLE, "positions": NAMED}[many]
        fields[one] = {**form, "description": f"One of `{many}`, in their place."}


def _variables(part: Json) -> None:
    """Lets a variable stand wherever a value is a number, a truth value or one of some texts."""
    for name, field in part.get("properties", {}).items():
        said = {key: field[key] for key in ("description", "default") if key in field}
        form = {key: value for key, value in field.items() if key not in said}
        choices = form["anyOf"] if form.keys() == {"anyOf"} else [form]
        if name in ("kind", "layergrid") or any(map(_free, choices)) or not any(map(_single, choices)):
            continue
        field.clear()
        field.update({"anyOf": [*choices, {"$ref": "#/$defs/Variable"}], **said})


def _single(form: Json) -> bool:
    return form.get("type") in ("integer", "number", "boolean", "string")


def _free(form: Json) -> bool:
    """Whether any text fits, a variable too."""
    return form.get("type") == "string" and not {"enum", "const", "pattern"} & form.keys()


def _expectations(parts: Json) -> None:
    """Lets positions be whole numbers, and a position stand for a side of a difference."""
    for name in ("CellBound", "MissingBound"):
        several: Json = {"type": "array", "items": NAMED, "minItems": 1}
        _alternatives(parts[name]["properties"]["position"], [*NAMED["anyOf"], several])
    _alternatives(parts["Side"]["properties"]["position"], NAMED["anyOf"])
    for key in ("of", "minus"):
        _alternatives(parts["DifferenceBound"]["properties"][key], [{"$ref": "#/$defs/Side"}, *NAMED["anyOf"]])


def _untitled(node: Any) -> Any:
    """The schema without the titles that pydantic makes from names."""
    if isinstance(node, dict):
        return {k: _untitled(v) for k, v in node.items() if not (k == "title" and isinstance(v, str))}
    return [_untitled(item) for item in node] if isinstance(node, list) else node


def _alternatives(node: Json, choices: list[Json]) -> None:
    """Makes a schema admit these forms, whatever it admitted before; its description and default stay."""
    for key in ("type", "items", "minItems", "minLength", "enum", "$ref", "anyOf"):
        node.pop(key, None)
    node["anyOf"] = choices


def _or_one(node: Json) -> None:
    """Lets one item stand instead of a list of one."""
    items = node["items"]
    _alternatives(node, [{key: node[key] for key in ("type", "items", "minItems") if key in node}, items])


def _kinds(node: Json, base: type[Kind], parts: Json, change: Callable[[Json], None] | None = None) -> list[Json]:
    """The forms of a kind: its name alone where it needs no parameters, or a mapping with a `kind`.

    The mappings move to `parts`, the schema's definitions, under the names of their classes.
    """
    forms: list[Json] = []
    for kind, form in zip(known(base).values(), node["anyOf"], strict=True):
        fields = form["properties"]
        form["required"] = ["kind", *(name for name in form.get("required", []) if name != "kind")]
        fields["kind"].pop("default", None)
        for name, field in fields.items():
            if name in INHERITED:
                field.setdefault("description", INHERITED[name])
            if field.get("type") == "array" and field.get("items") == TEXT:
                _or_one(field)
        if change is not None:
            change(form)
        name = kind.__name__ if kind.__name__ not in parts else f"{kind.__module__}.{kind.__name__}"
        parts[name] = form
        forms.append({"$ref": f"#/$defs/{name}"})
    bare = [name for name, kind in known(base).items() if not _needs_parameters(kind)]
    return [{"type": "string", "enum": bare}, *forms] if bare else forms


def _needs_parameters(kind: type[Kind]) -> bool:
    return any(field.is_required() for field in kind.model_fields.values())


def _models(node: Json, model: Json) -> None:
    fields = model["properties"]
    fields["id"] = {"type": "string", "minLength": 1, "description": "Another name of `address`."}
    model["required"] = []
    model["oneOf"] = [{"required": ["address"]}, {"required": ["id"]}]
    address = {"type": "string", "minLength": 1, "description": fields["address"]["description"]}
    for name, value in node["patternProperties"].items():
        node["patternProperties"][name] = {"anyOf": [address, value]}
    node["additionalProperties"] = False


def _dataset(part: Json, parts: Json) -> None:
    fields = part["properties"]
    loaders = _kinds(fields.pop("loader"), Loader, parts, _kind_from_address)
    _alternatives(fields["source"], [{"type": "string", "minLength": 1}, *loaders])
    names: Json = {"type": "string", "enum": sorted(known(Grader))}
    forms = [form for form in fields["grade"]["anyOf"] if form.get("type") != "null"]
    forms = forms[0].get("anyOf", forms) if len(forms) == 1 else forms
    _alternatives(fields["grade"], [names, *_kinds({"anyOf": forms}, Grader, parts, _gold), {"type": "null"}])
    for name, short in (("chat", {"type": "boolean"}), ("label", {"type": "string", "minLength": 1})):
        fields[name]["anyOf"].insert(0, short)
    part["required"] = ["source"]


def _kind_from_address(form: Json) -> None:
    form["required"].remove("kind")


def _gold(form: Json) -> None:
    if "gold" not in form["required"]:
        return
    form["required"].remove("gold")
    form["properties"]["gold"]["default"] = GOLD


def _positions(node: Json, parts: Json) -> None:
    names = [name for name in known_names() if not name.startswith("-")]
    bare: list[Json] = [
        {"type": "string", "enum": names},
        {"type": "string", "pattern": r"^-[0-9]+(\s*\.\.\s*-[0-9]+)?$", "description": "From the end: -1, or -8..-1."},
        {"type": "string", "pattern": r"[*?\[]", "description": "A glob over the names."},
        {"type": "integer", "maximum": -1, "description": "From the end: -1 is the last token."},
    ]
    item = {"anyOf": [*bare, *_kinds(node["items"], PositionResolver, parts, _numbers_as_names)]}
    _alternatives(node, [{"type": "array", "items": item, "minItems": 1}, *bare])


def _numbers_as_names(form: Json) -> None:
    """Lets a position be named by a whole number where its names look like one."""
    name = form["properties"].get("name", {})
    if str(name.get("pattern", "")).startswith("^-"):
        text = {key: name.pop(key) for key in ("type", "pattern") if key in name}
        name["anyOf"] = [text, {"type": "integer", "maximum": -1}]


def _grids(node: Json, parts: Json) -> None:
    def positions(form: Json) -> None:
        fields = form["properties"]
        for key in ("positions", *known(GridKind)[fields["kind"]["const"]].position_keys):
            several = [] if fields[key].get("type") == "string" else [{"type": "array", "items": NAMED}]
            _alternatives(fields[key], [*several, *NAMED["anyOf"]])
        fields.update(SEVERAL)
        form["required"] = ["kind"]  # a matrix may give the rest

    for value in node["patternProperties"].values():
        _alternatives(value, _kinds(value, GridKind, parts, positions))
    node["additionalProperties"] = False

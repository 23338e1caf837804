"""One theme for page, print and charts: colours, faces, sizes and colour schemes; it knows no results and no page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from layergrid import resources, text
from layergrid.kinds import BadInput
from layergrid.project import Project
from layergrid.project import content as read_content
from layergrid.theme import faces as measures

Mode = Literal["light", "dark"]
ROLES = (
    "paper", "ink", "secondary", "hairline", "grid", "faint", "accent", "soft", "counter", "muted", "accent_tint",
    "counter_tint", "muted_tint", "accent_ink", "counter_ink", "muted_ink", "missing", "missing_ink", "box", "pale",
)  # fmt: skip
SIZES = ("text", "leading", "label", "title", "token", "mark", "plot")
FACES = ("text", "figure", "token")
FAMILIES = {  # of quantities -> the scheme that they have where a theme says nothing
    "chance": "blues", "attention": "ylorbr", "two_sided": "rdbu", "other": "cividis",
}  # fmt: skip
MEASURED = {"figure": "sans", "token": "mono"}  # faces in which charts measure what they draw
FILES = (".yaml", ".yml")  # a theme whose name ends so is a file
MOST_BYTES = 262_144  # of a theme's file
SHOWN = 40  # characters of a value in a message
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True)
class Theme:
    """Colours as "#rrggbb" per role and mode, font families, sizes (points or pixels, see paper.yaml), schemes."""

    name: str
    faces: Mapping[str, str]  # text, figure, token -> family
    sizes: Mapping[str, float]
    light: Mapping[str, str]  # role -> colour
    dark: Mapping[str, str]
    schemes: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]  # name -> stops in light, in dark, low to high
    families: Mapping[str, str]  # family of quantities -> name of its scheme

    def colour(self, role: str) -> str:
        """The light colour of a role; charts are drawn in it and `darkened` maps them."""
        return self.light[role]

    def scheme(self, name: str) -> tuple[str, ...]:
        """The light stops of a colour scheme; raises BadInput with the known names."""
        if name not in self.schemes:
            near = text.nearest(name, self.schemes)
            hint = f"; did you mean {near!r}?" if near else ""
            raise BadInput(
                f"theme {self.name!r} has no scheme {name!r}, only {text.listed(sorted(self.schemes))}{hint}"
            )
        return self.schemes[name][0]

    def darkened(self) -> dict[str, str]:
        """Light colour -> dark colour, for everything that is drawn in the theme's colours."""
        found = {self.light[role]: self.dark[role] for role in ROLES}
        for light, dark in self.schemes.values():
            found.update(zip(light, dark, strict=True))
        return found

    def stack(self, face: str) -> str:
        """The CSS font stack of a face: its family, the other bundled ones for signs it lacks, then a generic one."""
        generic = {"text": "serif", "figure": "sans-serif", "token": "monospace"}[face]
        families = dict.fromkeys([self.faces[face], *self.faces.values()])
        return ", ".join([*(f'"{family}"' for family in families), generic])

    def vega(self) -> dict[str, Any]:
        """The configuration of every chart, in light colours."""
        figure, label, title = self.faces["figure"], self.sizes["label"], self.sizes["title"]
        ink, secondary = self.colour("ink"), self.colour("secondary")
        axis = {
            "domain": False, "grid": False, "labelColor": ink, "labelFont": figure, "labelFontSize": label,
            "labelLimit": 0, "labelOverlap": False, "tickColor": secondary, "tickSize": 3, "tickWidth": 0.6,
            "titleColor": ink, "titleFont": figure, "titleFontSize": title, "titleFontWeight": 600, "titleLimit": 0,
        }  # fmt: skip
        return {
            "aria": False, "background": "transparent", "font": figure, "axis": axis,
            "text": {"font": figure, "fontSize": label, "color": ink}, "view": {"stroke": None},
        }  # fmt: skip

    def css(self, mode: Mode) -> str:
        """The custom properties of one mode: a `--role` for every colour."""
        colours = self.light if mode == "light" else self.dark
        return " ".join(f"--{role.replace('_', '-')}: {colours[role]};" for role in ROLES)

    def css_faces(self) -> str:
        """The custom properties that both modes share: `--text`, `--figure` and `--token` font stacks."""
        return " ".join(f"--{face}: {self.stack(face)};" for face in FACES)


def load(name: str, content: str = "") -> Theme:
    """A theme that ships, by name, or the one that a file of that name holds; raises BadInput.

    `content` is the text of the file, as `content` reads it: a report keeps it, so that it needs no other file.
    """
    if content:
        return _read(content, name)
    path = _shipped(name, "theme")
    return _read(path.read_text(encoding="utf-8"), str(path))


def known() -> dict[str, str]:
    """The themes that ship: name -> what it is for."""
    folder = resources.folder("templates") / "themes"
    found = {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))}
    return {name: str(yaml.safe_load(written).get("for", "")) for name, written in found.items()}


def _shipped(name: str, where: str) -> Path:
    """The file of a theme that ships; raises BadInput with the known names."""
    files = {path.stem: path for path in sorted((resources.folder("templates") / "themes").glob("*.yaml"))}
    if name not in files:
        near = text.nearest(name, files)
        hint = f"; did you mean {near!r}?" if near else ""
        raise BadInput(f"{where}: there is no theme {name!r}, only {text.listed(files)}{hint}")
    return files[name]


def content(name: str, project: Project) -> str:
    """The text of a theme's file; empty for a theme that ships.

    Raises:
        BadInput: the file may not or cannot be read, or is empty.
    """
    if not name.endswith(FILES):
        return ""
    path = project.path(name, "theme")
    try:
        found = read_content(path, MOST_BYTES, "theme").decode("utf-8")
    except (OSError, ValueError) as error:
        raise BadInput(f"theme: {path} cannot be read ({error}); expected a theme, a YAML file") from error
    if not found.strip():
        raise BadInput(f"theme: {path} is empty; expected a theme, a YAML file")
    return found


def check(written: str, where: str) -> None:
    """Raises BadInput where a text that is not empty holds no theme."""
    if written:
        _read(written, where)


def _read(written: str, where: str) -> Theme:
    try:
        raw = yaml.safe_load(written)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        said = str(getattr(error, "problem", None) or error)[:200]
        raise BadInput(f"{where}{line}: not a YAML file: {said}") from error
    except ValueError as error:  # of a number of thousands of digits, or a day that no month has
        raise BadInput(f"{where}: a number or date cannot be read ({str(error)[:80]}); put texts in quotes") from error
    except RecursionError as error:
        raise BadInput(f"{where}: lists or mappings are nested too deeply; a theme takes lists in mappings") from error
    return parse(raw, where)


def parse(raw: object, where: str) -> Theme:
    """A theme from YAML values, every part checked; raises BadInput that names the part."""
    raw = _extended(raw, where)
    top = _mapping(raw, where, ("name", "faces", "sizes", "colours", "schemes"), ("for", "extends", "families"))
    written = _mapping(top["faces"], f"{where}: faces", FACES)
    faces = {face: _family(name, face, f"{where}: faces.{face}") for face, name in written.items()}
    sizes = {k: _size(v, f"{where}: sizes.{k}") for k, v in _mapping(top["sizes"], f"{where}: sizes", SIZES).items()}
    pairs = _mapping(top["colours"], f"{where}: colours", ROLES)
    colours = {role: _colours(pair, f"{where}: colours.{role}", 2) for role, pair in pairs.items()}
    schemes = {}
    for name, scheme in _mapping(top["schemes"], f"{where}: schemes", ()).items():
        modes = _mapping(scheme, f"{where}: schemes.{name}", ("light", "dark"))
        light, dark = (_colours(modes[mode], f"{where}: schemes.{name}.{mode}") for mode in ("light", "dark"))
        if len(light) != len(dark):
            raise BadInput(f"{where}: schemes.{name}: light and dark must have as many stops as each other")
        schemes[str(name)] = (light, dark)
    light_of, dark_of = ({role: pair[i] for role, pair in colours.items()} for i in (0, 1))
    if not isinstance(top["name"], str):
        raise BadInput(f"{where}: name: expected a text, not {_shown(top['name'])}; put it in quotes")
    theme = Theme(top["name"], faces, sizes, light_of, dark_of, schemes, _families(top, schemes, where))
    _one_dark_each(theme, where)
    return theme


def _extended(raw: object, where: str) -> object:
    """A theme's YAML values, over those of the theme that ships which it extends."""
    if not isinstance(raw, dict) or "extends" not in raw:
        return raw
    if not isinstance(raw["extends"], str):
        raise BadInput(f"{where}: extends: expected the name of a theme that ships, {text.listed(sorted(known()))}")
    path = _shipped(raw["extends"], f"{where}: extends")
    base = _extended(yaml.safe_load(path.read_text(encoding="utf-8")), str(path))
    if not isinstance(base, dict):
        raise BadInput(f"{path}: expected a mapping")
    made = dict(base)
    for part, value in raw.items():
        under = base.get(part)
        made[part] = {**under, **value} if isinstance(under, dict) and isinstance(value, dict) else value
    return made


def _families(top: Mapping[str, Any], schemes: Mapping[str, Any], where: str) -> dict[str, str]:
    """The scheme of each family of quantities; raises BadInput where a theme has no scheme of that name."""
    if not schemes:
        raise BadInput(f"{where}: schemes: expected at least one colour scheme")
    first = next(iter(schemes))
    found = {family: name if name in schemes else first for family, name in FAMILIES.items()}
    for family, name in _mapping(top.get("families", {}), f"{where}: families", ()).items():
        if family not in FAMILIES:
            raise BadInput(
                f"{where}: families: unknown {_named(family)}; known are {text.listed(FAMILIES)}"
                f"{_hint(family, FAMILIES)}"
            )
        if not isinstance(name, str) or name not in schemes:
            raise BadInput(
                f"{where}: families.{family}: no scheme {_shown(name)}, only {text.listed(sorted(schemes))}"
                f"{_hint(name, schemes)}"
            )
        found[family] = name
    return found


def _one_dark_each(theme: Theme, where: str) -> None:
    """Charts are darkened colour by colour, so one light colour cannot have two dark ones."""
    pairs = [(theme.light[role], theme.dark[role]) for role in ROLES]
    pairs += [pair for light, dark in theme.schemes.values() for pair in zip(light, dark, strict=True)]
    known: dict[str, str] = {}
    for light, dark in pairs:
        if known.setdefault(light, dark) != dark:
            raise BadInput(
                f"{where}: the light colour {light} has two dark ones, {known[light]} and {dark}; change one"
            )


def _mapping(value: object, where: str, keys: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(f"{where}: expected a mapping, not {_shown(value)}")
    known = (*keys, *optional)
    if keys and (unknown := [key for key in value if key not in known]):
        raise BadInput(
            f"{where}: unknown {text.listed([_named(key) for key in unknown[:9]])}; known are {text.listed(known)}"
            f"{_hint(unknown[0], known)}"
        )
    if missing := [key for key in keys if key not in value]:
        raise BadInput(f"{where}: {text.listed(missing)} missing")
    if other := [key for key in value if not isinstance(key, str)]:
        raise BadInput(f"{where}: expected texts as keys, not {_shown(other[0])}; put it in quotes")
    return value


def _shown(value: object) -> str:
    """A value as a message shows it: short, also where a list holds itself or a number has thousands of digits."""
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else value[:SHOWN] + "...")
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 120:
        return "a number of very many digits"
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    return (
        "a list"
        if isinstance(value, list)
        else "a mapping"
        if isinstance(value, dict)
        else f"a {value.__class__.__name__}"
    )


def _named(key: object) -> str:
    """A key as a message names it."""
    return key if isinstance(key, str) and len(key) <= SHOWN else _shown(key)


def _hint(name: object, known: Iterable[str]) -> str:
    near = text.nearest(name[: 2 * SHOWN], known) if isinstance(name, str) else None
    return f"; did you mean {near!r}?" if near else ""


def _family(value: object, face: str, where: str) -> str:
    """A bundled family: text in any other would be lost in charts and differ between machines on pages."""
    bundled = {key: str(one["family"]) for key, one in measures.metrics().items()}
    allowed = sorted({bundled[MEASURED[face]]} if face in MEASURED else set(bundled.values()))
    if value not in allowed:
        why = "; charts measure their texts in it" if face in MEASURED else ""
        raise BadInput(
            f"{where}: the font {_shown(value)} is not bundled; expected {text.listed(allowed, 'or')}{why}: drawn text "
            "in another font would be lost or differ between machines"
        )
    return str(value)


def _size(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.5 <= value <= 2000:
        raise BadInput(f"{where}: expected a number from 0.5 to 2000, not {_shown(value)}")
    return float(value)


def _colours(value: object, where: str, n: int | None = None) -> tuple[str, ...]:
    expected = f'{where}: expected {n or "two or more"} colours such as "#1a1f26" in a list, in small letters'
    if not isinstance(value, list):
        raise BadInput(f"{expected}, not {_shown(value)}")
    for one in value:
        if not isinstance(one, str) or not _COLOUR.fullmatch(one):
            raise BadInput(f"{expected}, not {_shown(one)}{'; put it in quotes' if one is None else ''}")
    if len(value) < 2 or (n is not None and len(value) != n):
        raise BadInput(f"{expected}, not {len(value)}")
    return tuple(value)


def font_files() -> list[Path]:
    """The bundled faces, one TTF each."""
    return sorted((Path(__file__).parent / "fonts").glob("*.ttf"))

"""The theme, the bundled fonts and what they cover."""

from __future__ import annotations

import copy
import itertools
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdf
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import words
from layergrid import render, resources, theme
from layergrid.kinds import BadInput
from layergrid.project import Project
from layergrid.theme import faces

BLUES = ("#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b")


def raw() -> dict:
    return yaml.safe_load(resources.file("templates/themes/paper.yaml").read_text())


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_blues_is_colorbrewer_over_its_whole_range():
    assert theme.load("paper").scheme("blues") == BLUES


def test_the_attention_scheme_runs_from_dark_brown_to_light_yellow():
    stops = theme.load("paper").scheme("ylorbr")
    assert (stops[0], stops[-1]) == ("#662506", "#ffffe5")
    assert [luminance(s) for s in stops] == sorted(luminance(s) for s in stops)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_all_text_colours_are_readable_on_their_grounds_in_both_modes(mode):
    colours = getattr(theme.load("paper"), mode)
    for role in ("ink", "secondary", "accent", "muted_ink", "accent_ink", "counter_ink"):
        assert contrast(colours[role], colours["paper"]) >= 4.5, role
    for role in ("accent", "counter", "muted"):
        assert contrast(colours[f"{role}_ink"], colours[f"{role}_tint"]) >= 4.5, role
    for role in ("counter", "soft", "muted", "missing_ink"):
        assert contrast(colours[role], colours["paper"]) >= (3.0 if role != "missing_ink" else 2.0), role


def test_the_dark_scheme_rises_from_the_ground_to_light_so_that_more_stands_out_more():
    shown = theme.load("paper")
    dark = [luminance(s) for s in shown.schemes["blues"][1]]
    assert dark == sorted(dark)
    assert contrast(shown.schemes["blues"][1][0], shown.dark["paper"]) < 1.3


def test_every_light_colour_has_exactly_one_dark_one():
    broken = raw()
    broken["colours"]["muted"] = [broken["colours"]["ink"][0], "#777777"]
    with pytest.raises(BadInput, match=r"light colour #1a1f26 has two dark ones"):
        theme.parse(broken, "mine.yaml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t["colours"].pop("ink"), "mine.yaml: colours: ink missing"),
        (lambda t: t["colours"].update(ink=["#fff", "#000"]), "mine.yaml: colours.ink: expected 2 colours"),
        (lambda t: t["colours"].update(inc=["#ffffff", "#000000"]), "mine.yaml: colours: unknown inc"),
        (lambda t: t["sizes"].update(text="large"), "mine.yaml: sizes.text: expected a number"),
        (lambda t: t["faces"].update(text='x"; } body {'), "mine.yaml: faces.text: the font"),
        (lambda t: t["schemes"]["blues"]["dark"].pop(), "mine.yaml: schemes.blues: light and dark"),
        (lambda t: t.clear(), "mine.yaml: name, faces, sizes, colours and schemes missing"),
    ],
)
def test_a_broken_theme_says_which_part_is_wrong(change, message):
    broken = copy.deepcopy(raw())
    change(broken)
    with pytest.raises(BadInput) as caught:
        theme.parse(broken, "mine.yaml")
    assert str(caught.value).startswith(message)


BOMB = "[" + ", ".join(f"&{c} [{', '.join(['*' + b] * 10 if b else ['x'] * 10)}]" for b, c in zip(
    ["", *"abcdefgh"], "abcdefghi", strict=True)) + "]"  # fmt: skip


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("families: {chance: [a]}", "families.chance: no scheme a list, only"),
        ("families: {chance: {a: 1}}", "families.chance: no scheme a mapping, only"),
        ("families: {1: blues}", "families: expected texts as keys, not 1; put it in quotes"),
        ("families: {chanse: blues}", "did you mean 'chance'?"),
        ("sizes: {text: " + "1" * 5000 + "}", "a number or date cannot be read"),
        ("sizes: {text: 0x" + "f" * 5000 + "}", "sizes.text: expected a number from 0.5 to 2000, not a number of very"),
        ("sizes: {text: .nan}", "sizes.text: expected a number from 0.5 to 2000, not nan"),
        ("name: 2020-13-45", "a number or date cannot be read (month must be in 1..12)"),
        ("name: 2020-12-01", "name: expected a text, not a date; put it in quotes"),
        ("name: 0x" + "f" * 5000, "name: expected a text, not a number of very many digits"),
        ("name: &a [*a]", "name: expected a text, not a list"),
        ("name: " + BOMB, "name: expected a text, not a list"),
        ("faces: " + "[" * 3000, "nested too deeply"),
        ("faces: {text: " + BOMB + "}", "faces.text: the font a list is not bundled"),
        ("faces: {text: " + "x" * 5000 + "}", "the font '" + "x" * 40 + "...' is not bundled"),
        ("more: " + BOMB, "unknown more; known are name"),
        ("? " + BOMB + "\n: 1", "not a YAML file: found unhashable key"),
        ("? [a, b]\n: 1", "not a YAML file: found unhashable key"),
        ("2020-01-01: 1", "unknown a date; known are name"),
        ("colors: {accent: ['#000000', '#ffffff']}", "unknown colors; known are name, faces, sizes, colours"),
        ("colors: {accent: ['#000000', '#ffffff']}", "did you mean 'colours'?"),
        ("colours: {acent: ['#000000', '#ffffff']}", "colours: unknown acent; "),
        ("colours: {acent: ['#000000', '#ffffff']}", "did you mean 'accent'?"),
        ("colours: {accent: ['#FFF', '#ffffff']}", "in small letters, not '#FFF'"),
        ("colours: {accent: [#000000", "m.yaml:"),
        ("colours: {accent: ['" + "x" * 5000 + "', '#ffffff']}", "not '" + "x" * 40 + "...'"),
        ("colours: {accent: [[a], '#ffffff']}", "in small letters, not a list"),
        ("colours: {accent: ['#000000']}", "in small letters, not 1"),
        ("colours: {accent: blue}", "in small letters, not 'blue'"),
        ("colours: red", "colours: expected a mapping, not 'red'"),
        ("schemes: {1: {light: ['#000000', '#ffffff'], dark: ['#000000', '#ffffff']}}", "as keys, not 1; put it in"),
        ("a: 'x", "m.yaml:4: not a YAML file: found unexpected end of stream"),
    ],
)
def test_whatever_stands_in_a_theme_file_the_message_is_short_and_names_the_part(written, said):
    with pytest.raises(BadInput) as caught:
        theme.check(f"extends: paper\n{'' if written.startswith('name') else 'name: x'}\n{written}\n", "m.yaml")
    assert said in str(caught.value)
    assert str(caught.value).startswith("m.yaml:")
    assert len(str(caught.value)) < 600


def test_an_unknown_theme_or_scheme_names_the_nearest_known_one():
    with pytest.raises(BadInput, match="did you mean 'paper'"):
        theme.load("papper")
    with pytest.raises(BadInput, match="did you mean 'blues'"):
        theme.load("paper").scheme("blue")


def test_a_theme_file_starts_at_a_folder_and_a_theme_that_ships_has_no_content(tmp_path):
    shipped = resources.file("templates/themes/paper.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yml").write_text(shipped.replace("#0b3c7d", "#123456"), encoding="utf-8")
    found = theme.content("mine.yml", Project.of(tmp_path))
    assert theme.load("mine.yml", found).light["accent"] == "#123456"
    assert theme.content("paper", Project.of(tmp_path)) == ""
    (tmp_path / "empty.yaml").write_text("\n")
    for name, said in (("none.yaml", "cannot be read"), ("empty.yaml", "is empty")):
        with pytest.raises(BadInput, match=said):
            theme.content(name, Project.of(tmp_path))


def test_vega_and_css_take_the_same_colours_and_faces():
    shown = theme.load("paper")
    config = shown.vega()
    assert config["axis"]["labelColor"] == shown.light["ink"]
    assert f"--ink: {shown.light['ink']};" in shown.css("light")
    assert config["font"] == shown.faces["figure"]
    assert f'"{config["font"]}"' in shown.css_faces()


def test_the_bundled_faces_have_names_that_no_installed_font_has():
    from fontTools.ttLib import TTFont

    for path in theme.font_files():
        font = TTFont(path)
        assert font["name"].getDebugName(16).startswith("Layergrid "), path.name
        assert font["OS/2"].fsType == 0, path.name
    assert len(theme.font_files()) == len(faces.metrics()) == 9


def test_all_fonts_together_stay_below_two_megabytes_and_come_with_their_licences():
    files = [p for p in faces.FOLDER.iterdir() if p.is_file()]
    assert sum(p.stat().st_size for p in files) < 2_000_000
    licences = [p for p in files if p.name.startswith("OFL")]
    assert len(licences) == 3
    assert all("SIL OPEN FONT LICENSE Version 1.1" in p.read_text() for p in licences)


def test_the_token_face_has_one_width_and_the_marks_of_blanks_and_breaks():
    for mark in "aW0\u2423\u21b5\u21e5\u2500\u0416\u03bb":
        assert faces.covers(mark, "mono"), mark
        assert faces.width(mark, "mono", 10) == 6.0, mark


def test_measured_widths_are_those_of_the_font_files():
    from fontTools.ttLib import TTFont

    font = TTFont(faces.FOLDER / "sans.ttf")
    cmap, scale = font.getBestCmap(), 1000 / font["head"].unitsPerEm
    for character in "Agj_-0\u2212\u2013\u0416":
        assert faces.width(character, "sans", 1000) == pytest.approx(
            font["hmtx"][cmap[ord(character)]][0] * scale, abs=0.6
        )


@given(st.text(alphabet=st.characters(codec=None), max_size=40))
def test_printed_text_holds_only_characters_of_the_bundled_faces(string):
    shown = faces.printable(string)
    assert all(faces.covers(c) for c in shown if c not in "\n\t")
    assert faces.printable(shown) == shown


def test_glyphs_that_are_missing_are_printed_as_their_code_points():
    assert faces.printable("a\u4e2d\U0001f600\ud800\u202e\x00") == r"a\u4e2d\U0001f600\ud800\u202e\x00"


def test_a_page_in_english_embeds_no_second_part_of_any_face():
    english, greek = faces.web_css("Layer 0, 0.83 [0.79, 0.86] \u2013 \u2423"), faces.web_css("\u03bb and \u0416")
    assert len(english) < 150_000 < len(greek)
    assert (english.count("@font-face"), greek.count("@font-face")) == (7, 10)


@pytest.mark.parametrize("mode", [0, 1])
def test_the_scheme_of_two_sides_has_them_alike_around_the_ground(mode):
    shown = theme.load("paper")
    stops = shown.schemes["rdbu"][mode]
    found = [luminance(s) for s in stops]
    middle = len(found) // 2
    assert contrast(stops[middle], (shown.light if mode == 0 else shown.dark)["paper"]) < 1.3
    sides = found[: middle + 1], found[middle:][::-1]
    for side in sides:
        assert side == sorted(side, reverse=mode == 1)
    assert all(abs(a - b) < 0.12 for a, b in zip(*sides, strict=True))


# ---------------------------------------------------------------- the themes that ship

THEMES = ("paper", "safe", "screen")
LINES = ("accent", "soft", "counter", "muted")  # of profiles
SEEN = {  # of linear RGB, by those who lack a cone: Machado, Oliveira & Fernandes 2009, severity 1.0
    "all cones": np.eye(3),
    "no long": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                         [-0.003882, -0.048116, 1.051998]]),
    "no middle": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                           [-0.011820, 0.042940, 0.968881]]),
    "no short": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                          [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip
WHITE = np.array([0.95047, 1.0, 1.08883])  # D65


def lab(colour: str, seen: str) -> np.ndarray:
    """CIELAB of "#rrggbb" as it is seen."""
    parts = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    x = TO_XYZ @ np.clip(SEEN[seen] @ linear, 0, 1) / WHITE
    f = np.where(x > 216 / 24389, np.cbrt(x), (24389 / 27 * x + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def apart(a: str, b: str, seen: str) -> float:
    """The difference of two colours as they are seen: delta E of 1976, of which about 2.3 is just seen."""
    return float(np.linalg.norm(lab(a, seen) - lab(b, seen)))


def test_the_themes_that_ship_are_these_and_say_what_they_are_for():
    assert tuple(theme.known()) == THEMES
    assert all(theme.known().values())
    assert [theme.load(name).name for name in THEMES] == list(THEMES)


@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("name", THEMES)
def test_neighbouring_stops_of_every_scheme_stay_apart_for_every_colour_vision(name, seen):
    for scheme, modes in theme.load(name).schemes.items():
        for stops in modes:
            assert min(apart(a, b, seen) for a, b in itertools.pairwise(stops)) > 6, (scheme, stops[0])
            lightness = [lab(stop, seen)[0] for stop in stops]
            if scheme == "rdbu":
                middle = len(stops) // 2
                sides = lightness[: middle + 1], lightness[middle:][::-1]
                assert all(side == sorted(side) or side == sorted(side, reverse=True) for side in sides)
                assert min(apart(stops[k], stops[-1 - k], seen) for k in range(middle - 1)) > 20
            else:
                assert lightness in (sorted(lightness), sorted(lightness, reverse=True)), scheme


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("seen", SEEN)
@pytest.mark.parametrize("name", THEMES)
def test_lines_of_profiles_stay_apart_from_each_other_and_from_the_ground_for_every_colour_vision(name, seen, mode):
    colours = getattr(theme.load(name), mode)
    for a, b in itertools.combinations((*LINES, "paper"), 2):
        assert apart(colours[a], colours[b], seen) > 12, (a, b)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", THEMES)
def test_every_theme_is_readable_in_both_modes(name, mode):
    colours = getattr(theme.load(name), mode)
    for role in ("ink", "secondary", "accent", "muted_ink", "accent_ink", "counter_ink"):
        assert contrast(colours[role], colours["paper"]) >= 4.5, role
    for role in ("accent", "counter", "muted"):
        assert contrast(colours[f"{role}_ink"], colours[f"{role}_tint"]) >= 4.5, role
        assert contrast(colours[role], colours["paper"]) >= 3.0, role


def test_the_lines_of_the_safe_theme_are_those_of_okabe_and_ito():
    okabe_ito = {"#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"}
    safe = theme.load("safe")
    for mode in (safe.light, safe.dark):
        used = {mode[role] for role in LINES}
        assert used <= okabe_ito
        assert len(used) == 4


def test_cividis_stands_where_a_family_has_no_scheme_of_its_own():
    shown = theme.load("paper")
    assert shown.families == {"chance": "blues", "attention": "ylorbr", "two_sided": "rdbu", "other": "cividis"}
    assert (shown.scheme("cividis")[0], shown.scheme("cividis")[-1]) == ("#00224e", "#fee838")
    assert set(theme.load("safe").families.values()) == {"cividis", "rdbu"}


def test_a_theme_may_extend_one_that_ships_and_give_only_what_differs():
    mine = theme.parse({"name": "mine", "extends": "paper", "colours": {"accent": ["#7a1f5c", "#f0a8d8"]}}, "mine.yaml")
    paper = theme.load("paper")
    assert (mine.light["accent"], mine.dark["accent"]) == ("#7a1f5c", "#f0a8d8")
    assert {**mine.light, "accent": ""} == {**paper.light, "accent": ""}
    assert (mine.faces, mine.schemes, mine.families) == (paper.faces, paper.schemes, paper.families)
    assert theme.parse({"name": "large", "extends": "screen"}, "x").sizes == theme.load("screen").sizes


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"extends": "papper"}, "mine.yaml: extends: there is no theme 'papper'"),
        ({"extends": ["paper"]}, "mine.yaml: extends: expected the name of a theme that ships"),
        ({"families": {"chanc": "blues"}}, "families: unknown chanc; known are chance, attention"),
        ({"families": {"chance": "blue"}}, "families.chance: no scheme 'blue', only blues, cividis"),
        ({"colours": {"inc": ["#000000", "#ffffff"]}}, "mine.yaml: colours: unknown inc"),
        ({"faces": {"text": "Times New Roman"}}, "faces.text: the font 'Times New Roman' is not bundled; expected "
         "Layergrid Inter, Layergrid Noto Mono or Layergrid Noto Serif"),
        ({"faces": {"figure": "Layergrid Noto Serif"}}, "expected Layergrid Inter; charts measure their texts in it"),
        ({"faces": {"token": 3}}, "faces.token: the font 3 is not bundled; expected Layergrid Noto Mono"),
    ],
)  # fmt: skip
def test_what_a_theme_that_extends_another_has_wrong_is_told(written, said):
    with pytest.raises(BadInput) as caught:
        theme.parse({"name": "mine", "extends": "paper", **written}, "mine.yaml")
    assert said in str(caught.value)


def test_the_text_face_may_be_any_bundled_one_and_the_pdf_loses_no_text_by_it(tmp_path):
    results, facts, summary = words.made()
    plain = render.Presentation(outputs=("pdf",))
    mine = replace(plain, theme="m.yaml", theme_file="name: m\nextends: paper\nfaces: {text: Layergrid Noto Mono}\n")
    found = []
    for shown in (plain, mine):
        (tmp_path / "made.pdf").write_bytes(render.render(results, facts, summary, shown).pdf)
        pages = pypdf.PdfReader(tmp_path / "made.pdf").pages
        found.append(sorted(set(" ".join(page.extract_text() for page in pages).replace("-\n", "").split())))
    assert len(set(found[0]) & set(found[1])) > 0.85 * len(found[0])


@pytest.mark.parametrize(
    "harm", ["sans.ttf gone", "sans.ttf cut", "mono.ttf changed", "serif.1.woff2 cut", "metrics.json"]
)
def test_a_bundled_font_that_is_missing_or_damaged_is_named_in_place_of_a_crash(tmp_path, harm):
    """In a child process: the PDF library crashes without a font, and nothing may come that far."""
    fonts = tmp_path / "fonts"
    shutil.copytree(faces.FOLDER, fonts)
    name, _, how = harm.partition(" ")
    data = bytearray((fonts / name).read_bytes())
    (fonts / name).unlink()
    if how != "gone":
        data[len(data) // 2] ^= 0xFF if how == "changed" else 0
        (fonts / name).write_bytes(data[: len(data) // 2] if how in ("cut", "") else data)
    code = (
        "import sys, pathlib; sys.path.insert(0, sys.argv[2])\n"
        "from layergrid.theme import faces; faces.FOLDER = pathlib.Path(sys.argv[1])\n"
        "from layergrid import render; from layergrid.kinds import BuildError; import words\n"
        "try: render.render(*words.made())\n"
        "except BuildError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(fonts), str(Path(__file__).parent)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("layergrid cannot draw text: the bundled font")
    assert "reinstall layergrid" in ran.stdout
    assert name in ran.stdout


def test_the_bundled_fonts_as_they_ship_are_whole():
    assert faces.check() == 9

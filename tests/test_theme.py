"""The theme, the bundled fonts and what they cover."""

from __future__ import annotations

import copy

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from layergrid import resources, theme
from layergrid.kinds import BadInput
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
        (lambda t: t["faces"].update(text='x"; } body {'), "mine.yaml: faces.text: expected the name of a font"),
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


def test_an_unknown_theme_or_scheme_names_the_nearest_known_one():
    with pytest.raises(BadInput, match="did you mean 'paper'"):
        theme.load("papper")
    with pytest.raises(BadInput, match="did you mean 'blues'"):
        theme.load("paper").scheme("blue")


def test_a_theme_file_starts_at_a_folder_and_a_theme_that_ships_has_no_content(tmp_path):
    shipped = resources.file("templates/themes/paper.yaml").read_text(encoding="utf-8")
    (tmp_path / "mine.yml").write_text(shipped.replace("#0b3c7d", "#123456"), encoding="utf-8")
    found = theme.content("mine.yml", tmp_path)
    assert theme.load("mine.yml", found).light["accent"] == "#123456"
    assert theme.content("paper", tmp_path) == ""
    (tmp_path / "empty.yaml").write_text("\n")
    for name, said in (("none.yaml", "cannot be read"), ("empty.yaml", "is empty")):
        with pytest.raises(BadInput, match=said):
            theme.content(name, tmp_path)


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

"""Heatmap, profile and token strip: what their drawings hold, and that no labels collide."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import synthetic
from layergrid import theme
from layergrid.artifacts import Illustration
from layergrid.charts import colourbar, layout, strip
from layergrid.charts.heatmap import Heatmap
from layergrid.charts.profile import Profile
from layergrid.charts.profiled import telling
from layergrid.charts.scale import natural_domain, ticks
from layergrid.charts.tokens import Tokens
from layergrid.kinds import BadInput, ChartKind, known
from layergrid.theme import faces

GOLDEN = Path(__file__).parent / "golden" / "charts"
PAPER = theme.load("paper")


def changed(results, **fields):
    one = results.grids[0]
    return replace(results, grids=(replace(one, grid=replace(one.grid, **fields)),))


def cells(figure):
    return figure.spec["layer"][0]["layer"][0]


def texts(figure):
    marks = [layer for layer in figure.spec["layer"] if layer.get("mark", {}).get("type") == "text"]
    return [t for a in marks for t in ([a["mark"]["text"]] if "text" in a["mark"] else written(a))]


def written(layer):
    return [row["text"] for row in layer["data"]["values"]]


@pytest.fixture(scope="module")
def small():
    return synthetic.results()


@pytest.fixture(scope="module")
def heatmap(small):
    return Heatmap(grid="errors", scheme="blues", domain=(0.5, 1.0), box="exact_answer_*", tick=2).draw(small, PAPER)


def test_the_three_kinds_are_found_by_their_names():
    assert set(known(ChartKind)) >= {"heatmap", "profile", "tokens"}


def test_the_heatmap_of_the_synthetic_grid_is_the_golden_one(heatmap):
    """Write the file anew with: python tests/test_charts.py."""
    assert json.loads(json.dumps(heatmap.spec)) == json.loads((GOLDEN / "heatmap.json").read_text())


def test_positions_stand_in_the_grids_order_with_upright_labels(heatmap):
    x = cells(heatmap)["encoding"]["x"]
    assert x["scale"]["domain"] == list(synthetic.FIFTEEN)
    assert x["axis"]["labelAngle"] == -90
    assert heatmap.spec["config"]["axis"]["labelLimit"] == 0


def test_layers_have_a_tick_every_second_one_and_no_axis_line(heatmap):
    y = cells(heatmap)["encoding"]["y"]
    assert y["scale"]["domain"] == list(range(9))
    assert y["axis"]["values"] == [0, 2, 4, 6, 8]
    assert heatmap.spec["config"]["axis"]["domain"] is False


def test_layer_zero_may_stand_at_the_bottom_and_count_from_one(small):
    y = cells(Heatmap(layers_from=1, layer_order="bottom").draw(small, PAPER))["encoding"]["y"]
    assert y["scale"]["domain"] == list(range(9, 0, -1))
    assert y["axis"]["values"] == [1, 3, 5, 7, 9]


def test_the_scale_is_nine_blues_from_half_to_one_and_clamped(heatmap):
    for channel in ("fill", "stroke"):
        scale = cells(heatmap)["encoding"][channel]["scale"]
        assert scale["range"] == list(PAPER.scheme("blues"))
        assert (scale["domain"][0], scale["domain"][-1], len(scale["domain"])) == (0.5, 1.0, 9)
        assert scale["clamp"] is True


def test_the_domain_left_out_runs_from_chance_to_the_highest_possible_value(small):
    assert natural_domain(small.grids[0].grid) == (0.5, 1.0)


def test_the_black_box_surrounds_exactly_the_named_group(heatmap):
    boxes = [a for a in heatmap.spec["layer"] if a.get("mark", {}).get("strokeWidth") == 1.2]
    step = heatmap.spec["width"] / 15
    assert len(boxes) == 1
    assert boxes[0]["mark"]["stroke"] == PAPER.light["box"]
    assert boxes[0]["encoding"]["x"]["value"] == pytest.approx(3 * step)
    assert boxes[0]["encoding"]["x2"]["value"] == pytest.approx(7 * step)


def test_groups_that_do_not_touch_get_a_box_each(small):
    figure = Heatmap(box=("last_q", "-1")).draw(small, PAPER)
    assert sum(a.get("mark", {}).get("strokeWidth") == 1.2 for a in figure.spec["layer"]) == 2


def test_the_diamond_marks_the_highest_cell(heatmap, small):
    grid = small.grids[0].grid
    i, j = np.unravel_index(np.argmax(grid.value), grid.value.shape)
    (mark,) = [a for a in heatmap.spec["layer"] if a.get("mark", {}).get("shape") == "diamond"]
    row, step = heatmap.spec["height"] / 9, heatmap.spec["width"] / 15
    assert mark["encoding"]["x"]["value"] == pytest.approx((j + 0.5) * step, abs=0.01)
    assert mark["encoding"]["y"]["value"] == pytest.approx((i + 0.5) * row, abs=0.5)


def test_dots_stand_on_exactly_the_cells_that_cannot_be_told_from_chance(heatmap, small):
    dots = [row["dot"] for row in heatmap.spec["layer"][0]["data"]["values"]]
    assert np.array_equal(np.array(dots, bool), small.grids[0].grid.p_adjusted >= 0.05)


def test_the_colour_bar_is_as_tall_as_the_map_and_made_of_plain_rects(heatmap):
    (bar,) = [a for a in heatmap.spec["layer"] if len(a["data"]["values"]) == colourbar.RECTS]
    ends = [v for row in bar["data"]["values"] for v in (row["top"], row["bottom"])]
    assert (min(ends), max(ends)) == (0, heatmap.spec["height"])
    assert "AUROC" in texts(heatmap)
    assert "gradient" not in json.dumps(heatmap.spec)


def test_the_bars_labels_have_one_decimal_and_say_where_the_scale_is_clamped(heatmap):
    assert [t for t in texts(heatmap) if t[-1].isdigit() and len(t) < 6] == [
        "\u22640.5",
        "0.6",
        "0.7",
        "0.8",
        "0.9",
        "1.0",
    ]
    assert any(re.fullmatch(r"14 cells below 0\.50 drawn in the colour of 0\.50", t) for t in texts(heatmap))


def test_data_are_one_row_a_layer(heatmap):
    values = heatmap.spec["layer"][0]["data"]["values"]
    assert [len(row["value"]) for row in values] == [15] * 9
    assert len(json.dumps(heatmap.spec)) < 20_000


def test_hover_tells_value_interval_and_rows(heatmap):
    titles = [t["title"] for t in cells(heatmap)["encoding"]["tooltip"]]
    assert titles == ["position", "layer", "AUROC, 95 % interval", "n", "of which wrong answers"]


def test_cells_without_value_are_hatched_and_explained(small):
    grid = small.grids[0].grid
    status, value = grid.status.astype("<U20"), grid.value.copy()
    status[:, 0], status[0, 1] = "missing", "one_class"
    value[status != "ok"] = np.nan
    figure = Heatmap().draw(changed(small, status=status, value=value), PAPER)
    assert "no such token: 9 cells" in texts(figure)
    assert "one class only: 1 cell" in texts(figure)
    strokes = [a for a in figure.spec["layer"] if a.get("mark", {}).get("stroke") == PAPER.light["missing_ink"]]
    assert len(strokes[0]["data"]["values"]) == 10


def test_a_grid_without_any_value_is_still_drawn(small):
    grid = small.grids[0].grid
    nothing = np.full(grid.value.shape, np.nan)
    empty = changed(small, value=nothing, low=nothing, high=nothing, status=np.full(grid.value.shape, "too_few"))
    assert "too few rows: 135 cells" in texts(Heatmap().draw(empty, PAPER))
    assert Profile().draw(empty, PAPER).spec is not None


@pytest.mark.parametrize(
    "options",
    [
        {"layers": 1, "positions": ("last_q",)},
        {"layers": 33},
        {"layers": 5, "positions": tuple(f"position_number_{k}" for k in range(25))},
        {"layers": 40, "positions": tuple(f"p{k}" for k in range(50)), "n": 60},
        {"layers": 3, "positions": ("x" * 80, "x" * 79 + "y", "</script>", "{{ 7*7 }}", "\u4e2d\u6587", "a'b\"c\\")},
    ],
)
def test_charts_of_every_shape_validate_and_keep_all_labels(options):
    results = synthetic.results(**options)
    shape = results.grids[0].grid.value.shape
    drawn = Heatmap().draw(results, PAPER)
    labels = cells(drawn)["encoding"]["x"]["scale"]["domain"]
    assert len(set(labels)) == shape[1]
    assert drawn.width <= (896 if 30 < shape[1] <= 64 else 634)
    assert Profile().draw(results, PAPER).width <= 634


def test_map_and_profile_of_a_grid_share_their_layer_axis_and_fit_side_by_side(heatmap, small):
    profile = Profile().draw(small, PAPER)
    assert profile.spec["height"] == heatmap.spec["height"]
    assert profile.spec["padding"]["top"] == heatmap.spec["padding"]["top"]
    assert profile.width + heatmap.width <= 634


def test_the_profile_draws_the_best_position_and_the_best_of_each_other_family(small):
    names = [small.grids[0].grid.positions[j] for j in telling(small.grids[0].grid)]
    assert names[0] == "exact_answer_last"
    assert "last_q" in names
    assert sum(name.startswith("-") for name in names) == 1
    assert len(names) == 4


def test_the_profile_marks_chance_and_names_each_line_in_its_own_colour(small):
    figure = Profile(positions=("exact_answer_last", "last_q")).draw(small, PAPER)
    words = [a["mark"] for a in figure.spec["layer"] if a.get("mark", {}).get("type") == "text"]
    colours = {mark["text"]: mark["color"] for mark in words}
    assert colours["exact_answer_last"] == PAPER.light["accent"]
    assert colours["last_q"] == PAPER.light["counter"]
    assert "chance" in colours


def test_wrong_parameters_say_what_is_known(small):
    with pytest.raises(BadInput, match="did you mean 'errors'"):
        Heatmap(grid="error").draw(small, PAPER)
    with pytest.raises(BadInput, match="matches no position"):
        Heatmap(box="answer*").draw(small, PAPER)
    with pytest.raises(BadInput, match="did you mean 'last_q'"):
        Profile(positions=("lastq",)).draw(small, PAPER)
    with pytest.raises(ValueError, match="smaller first"):
        Heatmap(domain=(1.0, 0.5))


@given(st.floats(-1000, 1000), st.floats(0.001, 1000))
def test_ticks_lie_inside_the_domain_and_number_at_least_two(low, wide):
    values = ticks((low, low + wide), 6)
    assert 2 <= len(values) <= 8
    assert all(low - 1e-6 * wide - 1e-9 <= v <= low + wide * (1 + 1e-6) + 1e-9 for v in values)


def test_small_values_keep_the_digits_that_their_colours_need():
    from layergrid.charts.frame import compact, fine

    values = np.array([0.000123456, 0.000987])
    assert [compact(v, 2, fine(values, 2)) for v in values] == [0.0001235, 0.000987]


@given(st.floats(0, 1))
def test_the_pages_short_numbers_round_as_the_long_ones_do(value):
    from layergrid.charts.frame import compact

    assert f"{compact(value):.2f}" == f"{value:.2f}"


# ---------------------------------------------------------------- the token strip


def boxes(row, name_size=8.5):
    return [layout.Box(n.flag.left, 11.0 * n.flag.level, n.flag.right, 11.0 * n.flag.level + 10) for n in row.names]


def collisions(row):
    """Labels that overlap, and leaders that run through another label."""
    found, drawn = [], boxes(row)
    for i, one in enumerate(drawn):
        found += [(i, j) for j, other in enumerate(drawn) if i < j and one.meets(other)]
        for j, other in enumerate(row.names):
            crosses = one.left < other.flag.anchor < one.right and other.flag.level > row.names[i].flag.level
            found += [(i, j, "leader")] if i != j and crosses else []
    return found


NAMES = st.text("abc_xyz", min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(
    tokens=st.lists(st.text("ab\u2423", min_size=0, max_size=14), min_size=1, max_size=140),
    data=st.data(),
)
def test_no_labels_of_a_strip_collide_and_tokens_keep_their_order(tokens, data):
    n = len(tokens)
    starts = data.draw(st.lists(st.integers(0, n - 1), unique=True, max_size=25))
    places = [((data.draw(NAMES),), i, data.draw(st.integers(i + 1, min(n, i + 3)))) for i in sorted(starts)]
    split = data.draw(st.integers(0, n))
    measures = strip.Measures(6.3, 8.5, 582)
    parts = strip.arrange(tokens, [(0, split), (split, n)], places, measures)
    drawn = [cell.index for rows in parts for row in rows for cell in row.cells]
    assert drawn == list(range(n))
    named = [name for rows in parts for row in rows for name in row.names]
    assert len(named) == len(places)
    for rows in parts:
        for row in rows:
            assert not collisions(row)
            assert all(a.right == pytest.approx(b.left) for a, b in pairwise(row.cells))
            assert all(n.flag.left >= 0 and n.flag.right <= 582.01 for n in row.names)


def test_long_prompts_leave_out_their_middle_with_a_visible_mark_and_keep_every_position():
    places = [(("last_q",), 899, 900), (("-1",), 999, 1000)]
    parts = strip.arrange(["abc"] * 1000, [(0, 900), (900, 1000)], places, strip.Measures(6.3, 8.5, 582))
    shown = [cell for rows in parts for row in rows for cell in row.cells]
    marks = [cell.shown for cell in shown if cell.index < 0]
    assert len(shown) < 120
    assert sum(int(re.search(r"\d+", m).group()) for m in marks) + sum(c.index >= 0 for c in shown) == 1000
    assert sum(len(row.names) for rows in parts for row in rows) == 2


def test_positions_on_one_token_share_a_label():
    one = synthetic.results().illustrations[0]
    both = replace(one, positions=(("exact_answer_after_last", 30, 31, "ok"), ("-9", 30, 31, "ok")))
    drawn = Tokens().draw(replace(synthetic.results(), illustrations=(both,)), PAPER).svg
    assert ">exact_answer_after_last, -9<" in drawn


def test_the_strip_shows_every_token_the_exact_answer_and_every_position(small):
    figure = Tokens().draw(small, PAPER)
    shown = re.findall(r">([^<>]*)</text>", figure.svg)
    assert "\u2423minus" in shown
    assert "\u21b5" in shown
    assert set(synthetic.FIFTEEN) <= set(shown)
    assert figure.svg.count('class="stroke-box"') == 1


def test_digits_and_tokens_keep_their_width(small):
    drawn = Tokens().draw(small, PAPER).svg
    found = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)" font-family="[^"]*Mono"[^>]*font-size="([\d.]+)"[^>]*>([^<]*)<', drawn
    )
    rows = {}
    for x, y, size, word in found:
        rows.setdefault(y, []).append((float(x), float(size), word.replace("&lt;", "<").replace("&gt;", ">")))
    for row in rows.values():
        for (x, size, word), (after, _, _) in pairwise(row):
            assert after - x == pytest.approx(len(word) * 0.6 * size, abs=0.02)


def test_hostile_pieces_are_text_and_missing_glyphs_are_escapes():
    pieces = ("</text><script>alert(1)</script>", "\u4e2d", "\ud800", "\u202e", "\x00", "\U0001f600")
    one = Illustration("sums", "q", pieces, (False,) * 6, 3, (4, 5), (('"><b>', 4, 5, "ok"),), False, "x", "y")
    drawn = Tokens().draw(replace(synthetic.results(), illustrations=(one,)), PAPER)
    assert "<script" not in drawn.svg
    assert "<b>" not in drawn.svg
    for shown in (r"\u4e2d", r"\ud800", r"\u202e", r"\x00", r"\U0001f600"):
        assert shown in drawn.svg


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_names_beside_curves_never_overlap(data):
    n = data.draw(st.integers(1, 4))
    curve = st.lists(st.floats(0, 160), min_size=1, max_size=33)
    curves = [[(x, 8.0 * i) for i, x in enumerate(data.draw(curve))] for _ in range(n)]
    sizes = [(data.draw(st.floats(10, 130)), 12.0) for _ in range(n)]
    area = layout.Box(0, 0, 170, 264)
    placed = [box for box, _ in layout.beside(curves, sizes, area)]
    assert not any(a.meets(b) for i, a in enumerate(placed) for b in placed[i + 1 :])
    assert all(area.left - 0.01 <= b.left and b.right <= area.right + 0.01 for b in placed)


def test_measures_of_names_bound_what_a_browser_draws():
    assert faces.width("exact_answer_before_first", "sans-semibold", 8.5) == pytest.approx(108, abs=6)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    made = Heatmap(grid="errors", scheme="blues", domain=(0.5, 1.0), box="exact_answer_*", tick=2)
    drawn = made.draw(synthetic.results(), PAPER)
    (GOLDEN / "heatmap.json").write_text(json.dumps(drawn.spec, indent=1, sort_keys=True) + "\n")

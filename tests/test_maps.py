"""Maps transposed, of tokens, in bands and with every status; profiles beside them; small maps on one scale."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import described
import synthetic
from layergrid import theme
from layergrid.artifacts import CellStatus, Facet
from layergrid.charts import frame, marks, names
from layergrid.charts.heatmap import Heatmap
from layergrid.charts.multiples import Multiples
from layergrid.charts.profile import Profile
from layergrid.kinds import BadInput
from layergrid.theme import faces

PAPER = theme.load("paper")


def of(one):
    return replace(synthetic.results(n=60), grids=(one,))


def tokens(n, layers=12, labels=None):
    """Attention over the tokens of one text of `n` tokens."""
    return described.one_text(layers=layers, pieces=tuple(labels or (f"t{k % 7}" for k in range(n))))


def words(figure):
    """Every string that a figure writes as a mark of its own."""
    texts = [m for m in figure.spec["layer"] if m.get("mark", {}).get("type") == "text"]
    return [t for m in texts for t in ([m["mark"]["text"]] if "text" in m["mark"] else [r["text"] for r in rows(m)])]


def rows(layer):
    return layer["data"]["values"]


def encoding(figure):
    return figure.spec["layer"][0]["layer"][0]["encoding"]


def place(figure):
    return figure.spec["usermeta"]["layergrid"]


# ---------------------------------------------------------------- transposed, titled, ticked


def test_a_transposed_map_has_layers_along_x_and_positions_down_y_whatever_the_order_of_layers():
    results = of(synthetic.grid_result(layers=31, n=60))
    for order in ("top", "bottom"):
        drawn = encoding(Heatmap(transpose=True, tick=1, layer_order=order).draw(results, PAPER))
        assert drawn["x"]["scale"]["domain"] == list(range(31))
        assert drawn["x"]["axis"]["values"] == list(range(31))
        assert drawn["x"]["axis"]["labelAngle"] == 0
        assert drawn["y"]["scale"]["domain"] == list(synthetic.FIFTEEN)
        assert "labelAngle" not in drawn["y"]["axis"]


def test_box_and_diamond_of_a_transposed_map_lie_on_their_cells():
    one = synthetic.grid_result(layers=9, n=200, strength=2.0)
    figure = Heatmap(transpose=True, box="exact_answer_*").draw(of(one), PAPER)
    where = place(figure)
    (box,) = [m["encoding"] for m in figure.spec["layer"] if m.get("mark", {}).get("strokeWidth") == 1.2]
    assert (box["x"]["value"], box["x2"]["value"]) == (0, figure.spec["width"])
    assert box["y"]["value"] == pytest.approx(3 * where["step"], abs=0.01)
    assert box["y2"]["value"] == pytest.approx(7 * where["step"], abs=0.01)
    i, j = frame.peak(one.grid)
    (mark,) = [m["encoding"] for m in figure.spec["layer"] if m.get("mark", {}).get("shape") == "diamond"]
    assert mark["x"]["value"] == pytest.approx((i + 0.5) * where["row"], abs=0.01)
    assert mark["y"]["value"] == pytest.approx((j + 0.5) * where["step"], abs=0.01)
    assert where["across"] == "layer"


def test_axes_and_bar_bear_the_titles_that_the_spec_gives_them():
    asked = {"layer_title": "i-th Layer", "token_title": "Token", "legend_title": "weight"}
    results = of(tokens(20, layers=29))
    for kind in (Heatmap(**asked), Heatmap(transpose=True, **asked)):
        assert {"i-th Layer", "Token", "weight"} <= set(words(kind.draw(results, PAPER)))


def test_left_to_itself_the_axis_says_what_the_columns_are():
    assert "Token position" in words(Heatmap().draw(of(described.activation()), PAPER))
    assert "Token" in words(Heatmap().draw(of(tokens(9)), PAPER))
    assert "Position" in words(Heatmap().draw(of(described.table()), PAPER))


@pytest.mark.parametrize("one", [described.one_text(), described.activation(), described.heads()], ids=["a", "b", "c"])
def test_the_title_of_the_positions_stands_in_the_middle_below_every_label(one):
    figure = Heatmap().draw(of(one), PAPER)
    title = next(m for m in figure.spec["layer"] if str(m.get("mark", {}).get("text", "")).startswith("Token"))
    sizes = frame.frame(one.grid, PAPER, 0, "top", 2)
    longest = max(faces.width(w, sizes.face, frame.pitched(PAPER.sizes["label"], sizes.step)) for w in sizes.labels)
    x, y = (title["encoding"][axis]["value"] for axis in "xy")
    assert x == figure.spec["width"] / 2
    assert y - PAPER.sizes["title"] / 2 >= figure.spec["height"] + longest + 5  # the labels start five pixels below


def test_with_a_tick_of_one_every_layer_has_its_number():
    drawn = encoding(Heatmap(tick=1).draw(of(tokens(20, layers=29)), PAPER))
    assert drawn["y"]["axis"]["values"] == list(range(1, 30))


def test_layers_that_start_at_block_one_keep_their_numbers_where_layer_zero_would_be_one():
    drawn = Heatmap(layers_from=1, tick=1).draw(of(tokens(20, layers=29)), PAPER)
    assert encoding(drawn)["y"]["scale"]["domain"] == list(range(1, 30))
    assert "numbered" not in place(drawn)["note"]
    moved = Heatmap(layers_from=1).draw(of(synthetic.grid_result(n=60)), PAPER)
    assert encoding(moved)["y"]["scale"]["domain"] == list(range(1, 10))
    assert "numbered from 1" in place(moved)["note"]


def test_blocks_of_the_published_recipe_are_numbered_from_zero():
    one = tokens(20, layers=29)
    published = replace(one, grid=replace(one.grid, settings={**one.grid.settings, "validation": "parity"}))
    drawn = Heatmap(tick=1).draw(of(published), PAPER)
    assert encoding(drawn)["y"]["scale"]["domain"] == list(range(29))
    assert "numbered from 0 in the figure" in place(drawn)["note"]


# ---------------------------------------------------------------- tokens of one text


def test_tokens_that_repeat_keep_a_column_each_and_show_blanks_and_breaks():
    one = described.one_text()
    drawn = encoding(Heatmap().draw(of(one), PAPER))["x"]
    assert drawn["scale"]["domain"] == list(one.grid.positions)
    shown = json.loads(drawn["axis"]["labelExpr"].split("[indexof(")[0])
    assert shown.count("\u2423cat") == 2
    assert "\u2423\u21b5" in shown
    assert "\u2423\u2423" in shown
    assert drawn["axis"]["labelFont"] == PAPER.faces["token"]


def test_a_long_token_is_cut_on_the_axis_and_whole_for_the_pointer():
    long = "antidisestablishmentarianism" * 2
    figure = Heatmap().draw(of(tokens(3, labels=(long, "a", "b"))), PAPER)
    assert long not in encoding(figure)["x"]["axis"]["labelExpr"]
    assert names.labels(tokens(1, labels=(long,)).grid) == [f"{long[:21]}{names.MORE}"]
    assert any(json.dumps(long) in t.get("calculate", "") for t in figure.spec["layer"][0]["transform"])
    assert encoding(figure)["tooltip"][0] == {"field": "label", "type": "nominal", "title": "token"}


def test_one_text_has_no_interval_and_no_count_of_rows_for_the_pointer():
    titles = [t["title"] for t in encoding(Heatmap().draw(of(tokens(9)), PAPER))["tooltip"]]
    assert titles == ["token", "position", "layer", "attention"]


@pytest.mark.parametrize(("n", "bands"), [(72, 1), (73, 2), (120, 2), (300, 5)])
def test_many_tokens_go_on_in_bands_that_fit_a_page_with_every_token_labelled(n, bands):
    figure = Heatmap().draw(of(tokens(n)), PAPER)
    assert figure.width <= 634
    assert figure.height < 950
    if bands > 1:
        assert words(figure).count("t3") == sum(k % 7 == 3 for k in range(n))
        where = place(figure)
        assert where["per"] == -(-n // bands)
        assert figure.spec["height"] == pytest.approx((bands - 1) * where["pitch"] + 12 * where["row"], abs=1)


def test_more_tokens_than_labels_fit_have_one_in_so_many_and_the_caption_says_so():
    figure = Heatmap().draw(of(tokens(900, layers=30)), PAPER)
    assert figure.height < 1000
    shown = [w for w in words(figure) if w.startswith("t") and w[1:].isdigit()]
    assert 200 < len(shown) < 900
    assert "One label in" in place(figure)["note"]


def test_a_box_over_the_end_of_a_band_goes_on_in_the_next():
    figure = Heatmap(box=tuple(str(k) for k in range(55, 65))).draw(of(tokens(120)), PAPER)
    boxes = [m["encoding"] for m in figure.spec["layer"] if m.get("mark", {}).get("strokeWidth") == 1.2]
    where = place(figure)
    assert [b["y"]["value"] for b in boxes] == [0, where["pitch"]]
    assert boxes[0]["x2"]["value"] == pytest.approx(60 * where["step"], abs=0.01)
    assert (boxes[1]["x"]["value"], boxes[1]["x2"]["value"]) == (0, pytest.approx(5 * where["step"], abs=0.01))


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 400), layers=st.integers(1, 40), transpose=st.booleans(), tick=st.integers(1, 4))
def test_every_cell_of_every_frame_lies_inside_the_plot_and_on_no_other(n, layers, transpose, tick):
    grid = replace(
        described.one_text().grid, layers=tuple(range(1, layers + 1)), positions=tuple(map(str, range(n))),
        labels=tuple(f"t{k}" for k in range(n)),
    )  # fmt: skip
    sizes = frame.frame(grid, PAPER, 0, "top", tick, transpose)
    wide, high = sizes.cell
    corners = {(round(x, 3), round(y, 3)) for i in range(layers) for j in range(n) for x, y in [sizes.corner(i, j)]}
    assert len(corners) == n * layers
    assert all(-0.01 <= x <= sizes.width - wide + 0.6 and -0.01 <= y <= sizes.height - high + 0.6 for x, y in corners)
    assert sizes.total <= 634


# ---------------------------------------------------------------- statuses


def test_every_status_without_a_value_has_words_and_no_two_look_alike():
    empty = set(CellStatus) - {CellStatus.OK, CellStatus.BOUNDARY}
    assert set(marks.HATCHES) == set(marks.WORDS) == empty
    assert len(set(marks.HATCHES.values())) == len(empty)


def test_what_cannot_be_attended_to_steps_back_without_hatching_and_is_explained():
    figure = Heatmap().draw(of(described.heads()), PAPER)
    assert "comes after the token that looks: 7 cells" in words(figure)
    assert "no such part in this layer: 7 cells" in words(figure)
    ink = PAPER.light["missing_ink"]
    (strokes,) = [m for m in figure.spec["layer"] if m.get("mark", {}).get("stroke") == ink and len(rows(m)) > 2]
    assert len(rows(strokes)) == 7 * len(marks.HATCHES[CellStatus.LACKING])


# ---------------------------------------------------------------- profiles


def test_the_profile_of_a_contrast_marks_no_difference_and_reaches_both_sides():
    figure = Profile().draw(of(described.contrast()), PAPER)
    assert "no difference" in words(figure)
    low, high = figure.spec["layer"][0]["encoding"]["x"]["scale"]["domain"]
    assert low < 0 < high


def test_a_quantity_without_chance_level_has_no_line_at_one():
    assert not {"chance", "no difference"} & set(words(Profile().draw(of(described.activation()), PAPER)))


def test_what_a_grid_is_compared_with_is_a_thin_dotted_second_line():
    figure = Profile().draw(of(described.similarity()), PAPER)
    assert place(figure)["note"] == "Dotted: cosine of mismatched examples."
    group = next(m for m in figure.spec["layer"] if "layer" in m)
    dotted = [m for m in group["layer"] if m["mark"].get("strokeDash") == [1.5, 1.5]]
    assert dotted[0]["encoding"]["x"]["field"] == "reference"
    assert all("reference" in row for row in group["data"]["values"])


def test_a_transposed_profile_shares_the_layer_axis_of_the_map_above_it():
    results = of(synthetic.grid_result(layers=31, n=60))
    above = Heatmap(transpose=True).draw(results, PAPER)
    below = Profile(transpose=True).draw(results, PAPER)
    assert below.spec["width"] == above.spec["width"]
    assert below.spec["padding"]["left"] == above.spec["padding"]["left"]
    assert below.width <= 634
    assert below.spec["layer"][0]["encoding"]["x"]["field"] == "row"


def test_a_rank_over_decades_has_a_logarithmic_profile():
    one = described.activation()
    value = np.geomspace(1, 40_000, one.grid.value.size).reshape(one.grid.value.shape)
    quantity = replace(one.grid.quantity, low=1.0, high=50_257.0, higher_is="less")
    grid = replace(one.grid, value=value, low=value * 0.8, high=value * 1.2, quantity=quantity)
    x = Profile().draw(of(replace(one, grid=grid)), PAPER).spec["layer"][0]["encoding"]["x"]
    assert x["scale"]["type"] == "log"
    assert x["axis"]["format"] == "~s"


def test_a_logarithmic_scale_is_said_below_the_figure_and_a_plain_one_is_not():
    one = described.heads()
    value = np.geomspace(1, 40_000, one.grid.value.size).reshape(one.grid.value.shape)
    quantity = replace(one.grid.quantity, low=0.0, high=None)
    facets = tuple(replace(facet, value=value) for facet in one.grid.facets)
    grid = replace(one.grid, value=value, low=value, high=value, quantity=quantity, facets=facets)
    for kind in (Heatmap(), Multiples(), Profile()):
        assert "logarithmic" in place(kind.draw(of(replace(one, grid=grid)), PAPER))["note"]
        assert "logarithmic" not in place(kind.draw(of(one), PAPER))["note"]


@pytest.mark.parametrize("n", [1, 2, 7])
def test_the_notes_below_a_narrow_map_go_on_in_further_lines_inside_the_figure(n):
    one = described.table(positions=tuple(f"p{k}" for k in range(n)))
    low, high = float(np.nanmin(one.grid.value)), float(np.nanmax(one.grid.value))
    figure = Heatmap(domain=(low + 0.3 * (high - low), high)).draw(of(one), PAPER)
    height, right = figure.spec["height"], figure.spec["width"] + figure.spec["padding"]["right"]
    marks_ = [m for m in figure.spec["layer"] if "text" in m.get("mark", {}) and not m["mark"].get("fontWeight")]
    below = [m for m in marks_ if m["encoding"]["y"]["value"] > height]
    assert "drawn in the colour of" in " ".join(m["mark"]["text"] for m in below)
    for m in below:
        wide = faces.width(m["mark"]["text"], "sans", PAPER.sizes["label"])
        assert m["encoding"]["x"]["value"] + wide <= right
        assert m["encoding"]["y"]["value"] + 6 <= height + figure.spec["padding"]["bottom"]


# ---------------------------------------------------------------- small maps


def test_small_maps_stand_one_a_head_on_one_scale_each_with_its_title():
    one = described.heads()
    figure = Multiples().draw(of(one), PAPER)
    assert figure.name == "looks.heads"
    assert [w for w in words(figure) if w.startswith("head")] == ["head 0", "head 1", "head 2", "head 3"]
    cells = figure.spec["layer"][0]
    assert len(rows(cells)) == 4 * 8
    scales = {json.dumps(m["encoding"]["fill"]) for m in cells["layer"] if "fill" in m["encoding"]}
    assert len(scales) == 1
    assert "All maps are on one scale." in place(figure)["note"]


def test_the_cells_of_small_maps_hold_the_facets_values_layer_by_layer():
    one = described.heads()
    for row in rows(Multiples(layer_order="bottom").draw(of(one), PAPER).spec["layer"][0]):
        facet = next(f for f in one.grid.facets if f.label == row["map"])
        expected = facet.value[one.grid.layers.index(row["layer"])]
        got = np.array([np.nan if v is None else v for v in row["value"]])
        assert np.allclose(got, expected, atol=1e-3, equal_nan=True)


def test_what_a_grid_is_compared_with_stands_beside_the_grids_own_map():
    figure = Multiples().draw(of(described.similarity()), PAPER)
    assert figure.name == "likeness.references"
    assert {"cosine", "cosine of mismatched examples"} <= set(words(figure))


def test_the_classes_of_a_contrast_are_on_the_scale_of_one_class_not_of_the_difference():
    figure = Multiples().draw(of(described.contrast()), PAPER)
    fill = figure.spec["layer"][0]["layer"][0]["encoding"]["fill"]["scale"]
    assert fill["range"] == list(PAPER.scheme("cividis"))
    assert "norm" in words(figure)


@pytest.mark.parametrize(("count", "layers"), [(1, 8), (4, 31), (12, 12), (32, 32), (64, 48)])
@pytest.mark.parametrize("transpose", [False, True])
def test_up_to_a_page_of_heads_fits_a_page_and_no_two_maps_overlap(count, layers, transpose):
    one = described.heads()
    part = one.grid.facets[0]
    big = np.tile(part.value, (6, 1))[:layers]
    same = np.tile(one.grid.status, (6, 1))[:layers]
    facets = tuple(replace(part, name=str(h), label=f"head {h}", value=big, low=big, high=big) for h in range(count))
    arrays = {k: np.resize(getattr(one.grid, k), big.shape) for k in ("value", "low", "high", "n", "n_positive")}
    grid = replace(
        one.grid, layers=tuple(range(1, layers + 1)), status=same, reason=np.resize(one.grid.reason, big.shape),
        p_adjusted=np.full(big.shape, np.nan), tied_with_best=np.zeros(big.shape, bool), facets=facets, **arrays,
    )  # fmt: skip
    figure = Multiples(transpose=transpose).draw(of(replace(one, grid=grid)), PAPER)
    assert figure.width <= 634
    assert figure.height <= 930
    drawn = {w for w in words(figure) if w.startswith("head")}
    assert len(drawn) == min(count, 40)
    tops = {(row["map"], row["layer"]): (row["left"], row["top"]) for row in rows(figure.spec["layer"][0])}
    assert len(set(tops.values())) == len(tops)
    if count > 40:
        assert f"40 of {count} heads are shown" in place(figure)["note"]


@pytest.mark.parametrize("legend", ["attention weight", "difference in probability", "p"])
@pytest.mark.parametrize("n", [1, 3, 7])
def test_the_title_of_the_bar_is_whole_and_clear_of_the_titles_of_small_maps(n, legend):
    one = described.activation(positions=tuple(f"p{k}" for k in range(n)))
    facets = tuple(Facet(f"h{k}", "head", f"head {k}", *[one.grid.value] * 3) for k in range(4))
    one = replace(one, grid=replace(one.grid, facets=facets))
    figure = Multiples(legend_title=legend).draw(of(one), PAPER)
    titles = next(m for m in figure.spec["layer"] if "head 3" in [r.get("text") for r in m["data"]["values"]])
    bar = [m for m in figure.spec["layer"] if m.get("mark", {}).get("text", "?") in legend and m["mark"]["text"] != "?"]
    assert " ".join(m["mark"]["text"] for m in bar) == legend
    for m in bar:
        (x, y), wide = (m["encoding"][a]["value"] for a in "xy"), faces.width(m["mark"]["text"], "sans-semibold", 9)
        left = x if m["mark"]["align"] == "left" else x - wide
        assert y - 5 >= -figure.spec["padding"]["top"]
        for r in rows(titles):
            end = r["left"] + faces.width(r["text"], "sans-semibold", titles["mark"]["fontSize"])
            assert r["top"] > 0 or abs(r["top"] - y) >= 9 or end <= left


def test_small_maps_can_be_chosen_by_name_and_unknown_ones_say_what_is_known():
    results = of(described.heads())
    assert [w for w in words(Multiples(show="2").draw(results, PAPER)) if w.startswith("head")] == ["head 2"]
    with pytest.raises(BadInput, match="'9' matches no map of grid 'looks': 0, 1, 2 and 3"):
        Multiples(show=("9",)).draw(results, PAPER)
    with pytest.raises(BadInput, match="no maps of role 'class', only head"):
        Multiples(role="class").draw(results, PAPER)
    with pytest.raises(BadInput, match="none at all"):
        Multiples().draw(of(described.activation()), PAPER)


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(("layers", "n"), [(1, 1), (1, 300), (31, 15), (31, 40), (40, 3)])
@pytest.mark.parametrize(("kind", "transpose"), [("ok", True), ("negative", False), ("missing", False)])
def test_maps_and_profiles_of_every_shape_and_sign_are_drawn(layers, n, kind, transpose):
    one = tokens(n, layers=layers)
    value = {"ok": one.grid.value, "negative": -one.grid.value, "missing": np.full((layers, n), np.nan)}[kind]
    status = np.full((layers, n), "missing" if kind == "missing" else "ok")
    quantity = replace(one.grid.quantity, low=None if kind == "negative" else 0.0, high=None)
    results = of(replace(one, grid=replace(one.grid, value=value, status=status, quantity=quantity)))
    drawn = [k(transpose=transpose).draw(results, PAPER) for k in (Heatmap, Profile)]
    assert all(f.width <= 634 and f.height < 1000 for f in drawn)


def test_labels_of_hostile_tokens_are_text_in_expressions_and_measured_in_their_own_face():
    hostile = ("'];alert(1)//", '"', "\\", "</script>", "\u4e2d", "\x00", "\ud800", "{{x}}", "`")
    figure = Heatmap().draw(of(tokens(9, labels=hostile)), PAPER)
    shown = json.loads(encoding(figure)["x"]["axis"]["labelExpr"].split("[indexof(")[0])
    assert shown[0] == "'];alert(1)//"
    assert shown[4] == r"\u4e2d"
    assert shown[6] == r"\ud800"
    assert all(faces.covers(c, "mono") for label in shown for c in label)

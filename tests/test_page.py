"""The page as readers use it: words lead to cells and cells to words, figures are saved, colours can be chosen."""

from __future__ import annotations

import csv
import io
import json
import re
import time
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import described
import synthetic
from browser import Browser
from layergrid import facts, prose, render
from layergrid.render import content as contents
from layergrid.render import page

LIT = "document.querySelectorAll('svg.lit').length"
SAID = "document.querySelector('[role=status]').textContent"


def told(results, asked=(), **more):
    """The page of results in the words that the rules write."""
    found = facts.derive(results)
    shown = render.Presentation(figures=asked, **more)
    return page.html(render.prepare(results, found, prose.summarise(results, found), shown))


@pytest.fixture(scope="module")
def browser():
    one = Browser()
    yield one
    one.close()


@pytest.fixture(scope="module")
def results():
    return synthetic.results(layers=12, n=200)


@pytest.fixture(scope="module")
def report(tmp_path_factory, results):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(told(results), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    path = tmp_path_factory.mktemp("every") / "every.html"
    path.write_text(told(described.everything()), encoding="utf-8")
    return path


def middle(browser, chart, i, j):
    """The point of the window over a cell, by the marks that Vega has drawn and nothing of the page's own script."""
    return browser.value(
        f"(() => {{ const h = document.querySelector('[data-chart={json.dumps(chart)}]');"
        "h.scrollIntoView({block: 'center', behavior: 'instant'});"
        "const cells = [...h.querySelectorAll('.mark-rect path')].map(e => e.getBoundingClientRect());"
        f"const b = cells[{i} * {{P}} + {j}]; return [b.x + b.width / 2, b.y + b.height / 2] }})()".replace("{P}", "15")
    )


# ---------------------------------------------------------------- from words to cells


def test_a_sentence_lights_all_cells_of_its_facts_and_the_fact_under_the_pointer_is_stronger(browser, report):
    browser.open(report)
    data = json.loads(browser.value("document.getElementById('data-facts').textContent"))
    at = browser.value(
        "[...document.querySelectorAll('.sentence')].findIndex(s => s.querySelectorAll('.fact').length > 1 &&"
        " s.dataset.facts.includes('errors.tied'))"
    )
    browser.value(f"document.querySelectorAll('.sentence')[{at}].id = 'one'")
    ids = browser.value("document.querySelector('#one').dataset.facts").split()
    union = {
        n for id_ in ids if id_ in data for first, many in pairs(data[id_]["cells"]) for n in range(first, first + many)
    }
    browser.value("document.querySelector('#one').focus()")
    assert edges(browser, "svg.lit .rim") == rim(union, 15)
    assert f"{len(union)} cells are marked" in browser.value(SAID)
    assert browser.value("document.querySelectorAll('svg.lit .strong').length") == 0
    browser.value("document.activeElement.blur()")
    browser.move_to('#one .fact[data-fact="errors.tied"]')
    browser.until("document.querySelectorAll('svg.lit .strong').length === 1")
    alone = {n for first, many in pairs(data["errors.tied"]["cells"]) for n in range(first, first + many)}
    assert edges(browser, "svg.lit .strong") == rim(alone, 15)


def pairs(runs):
    return list(zip(runs[::2], runs[1::2], strict=True))


def edges(browser, selector):
    """How many edges an outline has."""
    return len(re.findall("M", browser.value(f"document.querySelector('{selector}').getAttribute('d')")))


def rim(cells, across):
    """Edges between cells of a set and what is no cell of it."""
    sides = 0
    for n in cells:
        i, j = divmod(n, across)
        around = [(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)]
        sides += sum(not (0 <= b < across and a * across + b in cells) for a, b in around)
    return sides


def test_a_paragraph_is_one_stop_of_the_tab_key_and_arrows_go_from_sentence_to_sentence(browser, report):
    browser.open(report)
    stops = browser.value(
        'document.querySelectorAll(\'p .sentence[tabindex="0"], figcaption .sentence[tabindex="0"]\').length'
    )
    paragraphs = browser.value(
        "new Set([...document.querySelectorAll('p .sentence[tabindex], figcaption .sentence[tabindex]')]"
        ".map(s => s.closest('p, figcaption'))).size"
    )
    assert stops == paragraphs > 3
    assert browser.value("document.querySelectorAll('.sentence[tabindex]').length") > stops
    browser.value("document.querySelector('.abstract .sentence[tabindex=\"0\"]').focus()")
    texts = []
    for _ in range(2):
        texts.append(browser.value("document.activeElement.textContent"))
        browser.press("ArrowRight")
    assert texts[0] != texts[1]
    browser.press("Home")
    assert browser.value("document.activeElement.textContent") == texts[0]
    assert browser.value(LIT) == 1


def test_small_maps_light_the_cells_in_every_map(browser, every):
    browser.open(every, height=1400)
    found = browser.value(
        "[...document.querySelectorAll('.sentence[tabindex]')].findIndex(s => s.dataset.facts.includes('looks.highest'))"
    )
    browser.value(f"document.querySelectorAll('.sentence[tabindex]')[{found}].focus()")
    lit = browser.value("[...document.querySelectorAll('svg.lit')].map(s => s.closest('[data-chart]').dataset.chart)")
    assert {"looks.heatmap", "looks.heads"} <= set(lit)
    maps = json.loads(read_block(every, "charts"))["each"]["looks.heads"]["usermeta"]["layergrid"]["maps"]
    whole = edges(browser, '[data-chart="looks.heatmap"] svg.lit .rim')
    assert edges(browser, '[data-chart="looks.heads"] svg.lit .rim') == whole * len(maps)


def read_block(path, name):
    return re.search(rf'id="data-{name}">(.*?)</script>', page.opened(path.read_text(encoding="utf-8")), re.DOTALL)[1]


def test_a_tap_lights_a_sentence_until_another_place_is_tapped(browser, report):
    browser.call("Emulation.setTouchEmulationEnabled", enabled=True)
    try:
        browser.open(report, width=400)
        box = browser.value(
            "(() => { const s = document.querySelector('.abstract .sentence[tabindex]'); s.scrollIntoView({block: 'center',"
            "behavior: 'instant'}); const b = s.getClientRects()[0]; return [b.x + 10, b.y + b.height / 2] })()"
        )
        browser.tap(*box)
        browser.until(f"{LIT} === 1")
        browser.tap(box[0], 2)
        browser.until(f"{LIT} === 0")
    finally:
        browser.call("Emulation.setTouchEmulationEnabled", enabled=False)


# ---------------------------------------------------------------- from cells to words


def test_a_click_on_a_cell_tells_its_numbers_and_the_sentences_that_cite_it(browser, report, results):
    browser.open(report)
    grid = results.grids[0].grid
    i, j = np.unravel_index(np.argmax(grid.value), grid.value.shape)
    browser.click(*middle(browser, "errors.heatmap", i, j))
    shown = browser.value("document.querySelector('.told').innerText")
    assert f"{grid.value[i, j]:.2f} [{grid.low[i, j]:.2f}, {grid.high[i, j]:.2f}]" in shown
    assert grid.positions[j] in shown
    links = browser.value("[...document.querySelectorAll('.told a')].map(a => [a.textContent, a.hash])")
    summary = prose.summarise(results, facts.derive(results))
    cited = contents.lit(facts.derive(results), results)
    number = int(i) * len(grid.positions) + int(j)
    speaking = {
        sentence.text
        for _, sentence in facts.sentences(summary)
        if any(
            first <= number < first + n for f in sentence.facts if f in cited for first, n in pairs(cited[f]["cells"])
        )
    }
    assert {text for text, _ in links} >= {
        text for text in speaking if len(text) > 60 and not text.startswith("Heatmap")
    }
    browser.value("document.querySelector('.told a').click()")
    assert browser.value("document.activeElement.textContent") == links[0][0]
    assert browser.value(LIT) == 1


def test_a_cell_of_which_no_sentence_speaks_says_so(browser, tmp_path, results):
    summary = prose.summarise(results, facts.derive(results))
    path = tmp_path / "mute.html"
    path.write_text(page.html(render.prepare(results, (), summary, render.Presentation())), encoding="utf-8")
    browser.open(path)
    browser.click(*middle(browser, "errors.heatmap", 3, 3))
    assert "No sentence of this report speaks of this cell." in browser.value(
        "document.querySelector('.told').innerText"
    )


def test_the_keyboard_reaches_every_cell_and_the_live_line_tells_it(browser, report, results):
    browser.open(report)
    grid = results.grids[0].grid
    browser.value("document.querySelector('.selectable').focus()")
    browser.press("ArrowRight")
    assert said(grid, 0, 0) in browser.value(SAID)
    browser.press("ArrowRight", "ArrowDown", "ArrowDown")
    assert said(grid, 2, 1) in browser.value(SAID)
    assert grid.positions[1] in browser.value("document.querySelector('.tip').innerText")
    browser.press("End")
    assert said(grid, 2, 14) in browser.value(SAID)
    browser.press("ArrowRight")  # the last one: it stays
    assert said(grid, 2, 14) in browser.value(SAID)
    browser.press("Enter")
    assert browser.value("document.querySelector('.told') !== null")
    assert "of this cell" in browser.value(SAID)
    browser.press("Escape")
    assert browser.value("document.querySelector('.told, .tip, svg.cursor, svg.chosen')") is None
    assert browser.value("document.activeElement.matches('.selectable')")


def said(grid, i, j):
    return f"position {grid.positions[j]}, layer {grid.layers[i]}, AUROC, 95 % interval {grid.value[i, j]:.2f}"


@pytest.mark.parametrize("shape", ["transposed", "bands", "bottom", "from one"])
def test_a_click_finds_its_cell_in_every_shape_of_map(browser, tmp_path, shape):
    one = (
        described.one_text(layers=9, pieces=tuple(f"t{k}" for k in range(110)))
        if shape == "bands"
        else described.activation()
    )
    more = {"transposed": {"transpose": True}, "bottom": {"layer_order": "bottom"}, "from one": {"layers_from": 1}}
    path = tmp_path / "shape.html"
    path.write_text(told(described.results(one), ({"kind": "heatmap", **more.get(shape, {})},)), encoding="utf-8")
    browser.open(path)
    grid = one.grid
    name = f"{grid.name}.heatmap"
    points = browser.value(
        f"(() => {{ const h = document.querySelector('[data-chart={json.dumps(name)}]');"
        "h.scrollIntoView({block: 'center', behavior: 'instant'});"
        "return [...h.querySelectorAll('.mark-rect path')].slice(0, -1).map(e => { const b = e.getBoundingClientRect();"
        "return [e.__data__ && e.__data__.datum || {}, b.x + b.width / 2, b.y + b.height / 2] }).filter(one => one[0].position)"
        ".map(([d, x, y]) => [d.position, d.layer, x, y]) })()"
    )
    assert len(points) >= int(grid.has_value.sum()) - 1
    shift = 1 if shape == "from one" else 0
    for position, layer, x, y in points[:: max(1, len(points) // 7)]:
        browser.click(x, y)
        shown = browser.value("document.querySelector('.told') ? document.querySelector('.told').innerText : ''")
        words = shown.split("\n")
        assert words[words.index("position") + 1] == position
        told_layer = f"{layer} ({layer - 1} in the text)" if shift else str(layer)
        assert words[words.index("layer") + 1] == told_layer


def test_of_two_grids_of_one_name_only_the_one_that_is_drawn_is_lit(results):
    one = results.grids[0]
    other = replace(one, grid=replace(one.grid, model="large"))
    both = replace(results, grids=(one, other))
    lit = contents.lit(facts.derive(both), both)
    assert any(id_.startswith("errors.tiny.") for id_ in lit)
    assert not any(id_.startswith("errors.large.") for id_ in lit)


def test_every_chart_kind_tells_its_cells_to_the_pointer(browser, every):
    browser.open(every, height=1200)
    for chart in browser.value("[...document.querySelectorAll('[data-chart]')].map(e => e.dataset.chart)"):
        mark = ".mark-symbol path[aria-hidden], .mark-symbol path" if chart.endswith(".profile") else ".mark-rect path"
        at = browser.value(
            f"(() => {{ const h = document.querySelector('[data-chart={json.dumps(chart)}]'); h.scrollIntoView({{block: 'center',"
            f"behavior: 'instant'}}); const all = [...h.querySelectorAll('{mark}')].filter(e => e.__data__ &&"
            " e.__data__.datum.shown); const b = all[Math.floor(all.length / 2)].getBoundingClientRect();"
            "return [b.x + b.width / 2, b.y + b.height / 2] })()"
        )
        for shift in (0, 1):
            browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=at[0] + shift / 2, y=at[1])
        browser.until("document.querySelector('#vg-tooltip-element.visible') !== null")
        shown = browser.value("document.querySelector('#vg-tooltip-element').innerText")
        assert "layer" in shown, chart
        assert re.search(r"position|token", shown), chart
        assert re.search(r"\d|no value", shown), chart
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
        browser.until("document.querySelector('#vg-tooltip-element.visible') === null")


# ---------------------------------------------------------------- figures as files


@pytest.fixture(scope="module")
def saved(browser, report, tmp_path_factory):
    """Files that the menus of a page save, by name."""
    folder = tmp_path_factory.mktemp("saved")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.open(report, dark=True)
    browser.until("document.querySelectorAll('.save').length === 2")
    wanted = [f"arithmetic-figure-{k}" for k in ("1.svg", "1.png", "2.svg", "2.png", "2.csv")]
    for name in wanted:
        figure, kind = name.removeprefix("arithmetic-").split(".")
        browser.value(
            f"[...document.querySelectorAll('#{figure} .save button')].find(b => b.textContent === '{kind.upper()}').click()"
        )
        end = time.monotonic() + 30
        while not (folder / name).is_file():
            assert time.monotonic() < end, (name, browser.complaints)
            time.sleep(0.05)
    assert browser.complaints == []
    assert browser.value("location.href") == report.as_uri()
    return folder


def test_a_saved_table_holds_the_grid_in_long_form(saved, results):
    rows = list(csv.DictReader(io.StringIO((saved / "arithmetic-figure-2.csv").read_text(encoding="utf-8"))))
    grid = results.grids[0].grid
    assert list(rows[0]) == ["layer", "position", "value", "low", "high", "n", "status", "note"]
    assert len(rows) == grid.value.size
    for row in rows:
        i, j = grid.layers.index(int(row["layer"])), grid.positions.index(row["position"])
        assert float(row["value"]) == pytest.approx(grid.value[i, j], abs=1e-4)
        assert float(row["low"]) == pytest.approx(grid.low[i, j], abs=1e-4)
        assert float(row["high"]) == pytest.approx(grid.high[i, j], abs=1e-4)
        assert int(row["n"]) == grid.n[i, j]
        assert row["status"] == grid.status[i, j]


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_drawing_is_light_whole_and_brings_its_fonts(saved, number):
    source = (saved / f"arithmetic-figure-{number}.svg").read_text(encoding="utf-8")
    top = ElementTree.fromstring(source)  # noqa: S314 - written by the page under test
    words = " ".join(top.itertext())
    assert ("Token position" in words and "chance" in words) if number == 2 else "exact_answer_last" in words
    assert "#1a1f26" in source or "rgb(26, 31, 38)" in source
    assert "#e3e7ec" not in source
    assert "@font-face" in source
    assert "class=" not in source or number == 2
    assert "var(" not in source


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_picture_has_two_pixels_a_pixel_on_white(saved, number):
    picture = Image.open(saved / f"arithmetic-figure-{number}.png").convert("RGB")
    top = ElementTree.parse(saved / f"arithmetic-figure-{number}.svg").getroot()  # noqa: S314 - see above
    assert picture.size == (round(2 * float(top.get("width"))), round(2 * float(top.get("height"))))
    assert picture.getpixel((1, 1)) == (255, 255, 255)
    assert len(set(picture.resize((200, 120)).getdata())) > 40


def test_a_grid_with_gaps_is_saved_with_the_status_of_each_cell(browser, every, tmp_path):
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.open(every)
    browser.until("document.querySelectorAll('.save').length > 3")
    grid = next(one.grid for one in described.everything().grids if one.grid.name == "looks")
    browser.value(
        "[...document.querySelector('[data-chart=\"looks.heatmap\"]').closest('figure').querySelectorAll('.save button')]"
        ".find(b => b.textContent === 'CSV').click()"
    )
    end = time.monotonic() + 30
    while not (found := list(tmp_path.glob("*.csv"))):
        assert time.monotonic() < end
        time.sleep(0.05)
    rows = list(csv.DictReader(io.StringIO(found[0].read_text(encoding="utf-8"))))
    status = {(int(row["layer"]), row["position"]): row["status"] for row in rows}
    for i, layer in enumerate(grid.layers):
        for j, position in enumerate(grid.positions):
            assert status[layer, position] == grid.status[i, j]
    assert {"lacking", "not_attendable"} & set(status.values())


# ---------------------------------------------------------------- colours, contents, frames


def test_the_reader_chooses_the_colours_and_print_stays_light(browser, report):
    browser.open(report)

    def ground():
        return browser.value("getComputedStyle(document.documentElement).backgroundColor")

    def ink():
        return browser.value(
            "document.querySelector('[data-chart=\"errors.heatmap\"] .drawing text').getAttribute('fill')"
        )

    assert (ground(), ink()) == ("rgb(255, 255, 255)", "#1a1f26")
    browser.value("document.querySelector('.side .scheme button[value=dark]').click()")
    browser.until(
        "document.querySelector('[data-chart=\"errors.heatmap\"] .drawing text').getAttribute('fill') === '#e3e7ec'"
    )
    assert ground() == "rgb(19, 23, 28)"
    assert browser.value("document.querySelector('.scheme button[aria-pressed=true]').value") == "dark"
    browser.open(report)  # the choice is kept, and holds before the page is shown
    assert (ground(), ink()) == ("rgb(19, 23, 28)", "#e3e7ec")
    browser.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert ground() == "rgb(255, 255, 255)"
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    browser.value("document.querySelector('.side .scheme button[value=auto]').click()")
    browser.until(
        "document.querySelector('[data-chart=\"errors.heatmap\"] .drawing text').getAttribute('fill') === '#1a1f26'"
    )
    assert ground() == "rgb(255, 255, 255)"


def test_a_browser_that_keeps_nothing_still_shows_the_page_and_changes_its_colours(browser, report):
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused') }})"
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source=refuse)["identifier"]
    try:
        browser.open(report)
        browser.value("document.querySelector('.side .scheme button[value=dark]').click()")
        assert browser.value("getComputedStyle(document.documentElement).backgroundColor") == "rgb(19, 23, 28)"
        assert browser.complaints == []
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_the_contents_stand_at_the_side_or_fold_away_at_the_top(browser, report):
    browser.open(report, width=1280)
    assert browser.value("getComputedStyle(document.querySelector('.contents.side')).display") == "block"
    assert browser.value("getComputedStyle(document.querySelector('.top')).display") == "none"
    browser.value("document.querySelector('#methods').scrollIntoView({behavior: 'instant'})")
    browser.until("document.querySelector('.side a.here').hash === '#methods'")
    assert browser.value("document.querySelector('.side [aria-current]').hash") == "#methods"
    browser.open(report, width=400)
    assert browser.value("getComputedStyle(document.querySelector('.contents.side')).display") == "none"
    assert not browser.value("document.querySelector('details.contents').open")
    browser.value("document.querySelector('details.contents summary').click()")
    assert browser.value("document.querySelector('.top a[href=\"#methods\"]').getBoundingClientRect().height") >= 24
    browser.value("document.querySelector('.top a[href=\"#methods\"]').click()")
    browser.until("!document.querySelector('details.contents').open")


def test_frames_that_scroll_can_be_reached_by_keyboard_and_have_a_name(browser, report):
    browser.open(report, width=400)
    frames = browser.value(
        "[...document.querySelectorAll('.sheet, .charts')].filter(e => e.scrollWidth > e.clientWidth + 1)"
        ".map(e => [e.tabIndex, e.getAttribute('role'), e.getAttribute('aria-label')])"
    )
    assert frames
    assert all(tab == 0 and role in ("region", "group") and name for tab, role, name in frames)


# ---------------------------------------------------------------- whatever else a page may be


@pytest.mark.parametrize("gone", ["contents", "first_figures", "abstract", "sections", "data", "tables"])
def test_a_page_without_one_of_its_parts_complains_of_nothing(browser, tmp_path, results, gone):
    path = tmp_path / "less.html"
    body = f'{{% extends "layergrid/body.html.j2" %}}{{% block {gone} %}}{{% endblock %}}'
    path.write_text(told(results, templates={"body.html.j2": body}), encoding="utf-8")
    browser.call("Emulation.setEmulatedMedia", media="", features=[])
    browser.complaints = []
    browser.call("Page.navigate", url=path.as_uri())
    browser.until("document.readyState === 'complete'")
    time.sleep(0.4)
    assert browser.complaints == []


def test_a_report_without_figures_carries_no_library(results):
    plain = told(replace(results, grids=(), illustrations=(), tables=()))
    assert len(plain) < 260_000


def test_without_decompression_the_page_says_that_the_pdf_has_the_charts(browser, report):
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source="delete window.DecompressionStream")[
        "identifier"
    ]
    try:
        browser.call("Page.navigate", url=report.as_uri())
        browser.until(
            "document.readyState === 'complete' && document.querySelectorAll('[data-chart] .note').length === 2"
        )
        assert "the PDF beside it shows them" in browser.value("document.querySelector('[data-chart]').innerText")
    finally:
        browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_all_charts_are_drawn_in_light_colours_when_the_page_is_printed(browser, every):
    browser.call("Emulation.setEmulatedMedia", media="", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    browser.call("Page.navigate", url=every.as_uri())
    browser.until("document.readyState === 'complete' && Boolean(window.vegaEmbed)")
    browser.value("window.dispatchEvent(new Event('beforeprint'))")
    browser.until("document.querySelectorAll('[data-chart]:not(.drawn)').length === 0")
    fills = browser.value(
        "[...document.querySelectorAll('[data-chart] .drawing text')].map(e => e.getAttribute('fill'))"
    )
    assert "#1a1f26" in fills
    assert "#e3e7ec" not in fills
    browser.value("window.dispatchEvent(new Event('afterprint'))")
    browser.until(
        "[...document.querySelectorAll('[data-chart] .drawing text')].some(e => e.getAttribute('fill') === '#e3e7ec')"
    )


def test_a_grid_of_80_layers_and_200_positions_is_drawn_and_can_be_read(browser, tmp_path):
    names = tuple(f"position_{k}" for k in range(200))
    rng = np.random.default_rng(0)
    one = described.activation()
    n = np.full((80, 200), 50)
    value = rng.random((80, 200))
    grid = replace(
        one.grid, layers=tuple(range(80)), positions=names, value=value, low=value - 0.1, high=value + 0.1, n=n,
        n_positive=np.zeros_like(n), status=np.full((80, 200), "ok"), reason=np.full((80, 200), ""), facets=(), labels=(),
        **{field: np.full((80, 200), np.nan) for field in ("p", "p_adjusted") if hasattr(one.grid, field)},
    )  # fmt: skip
    results = described.results(replace(one, grid=grid, measured=None))
    path = tmp_path / "large.html"
    path.write_text(told(results), encoding="utf-8")
    assert path.stat().st_size < 1_600_000
    browser.open(path)
    assert browser.complaints == []
    cells = "document.querySelectorAll('[data-chart$=\".heatmap\"] .mark-rect path').length"
    assert browser.value(cells) >= 16_000
    browser.value("document.querySelector('.selectable').focus()")
    browser.press("ArrowRight", "End")
    assert "layer 0" in browser.value(SAID)


def test_the_packed_parts_of_a_page_are_the_same_every_time_and_open_to_what_was_packed(results):
    first, second = told(results), told(results)
    assert first == second
    opened = page.opened(first)
    assert "window.vegaEmbed=" in opened
    assert page.opened(opened) == opened
    specs = json.loads(re.search(r'id="data-charts">(.*?)</script>', opened, re.DOTALL)[1])
    assert set(specs) == {"all", "each"}
    whole = {name: {**specs["all"], **spec} for name, spec in specs["each"].items()}
    found = facts.derive(results)
    content = render.prepare(results, found, prose.summarise(results, found), render.Presentation())
    drawn = {f.name: f.spec for b in content.blocks for f in b.figures if f.spec is not None}
    assert whole == json.loads(json.dumps(drawn))

"""Words lead to cells and cells to words: by pointer, by keyboard, by touch, in every shape of map."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import described
import synthetic
from layergrid import facts, prose, render
from layergrid.render import content as contents
from layergrid.render import page
from pages import SAID, saved, told

LIT = "document.querySelectorAll('svg.lit').length"


@pytest.fixture(scope="module")
def results():
    return synthetic.results(layers=12, n=200)


@pytest.fixture(scope="module")
def report(tmp_path_factory, results):
    return saved(tmp_path_factory.mktemp("page") / "report.html", results)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("every") / "every.html", described.everything())


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
        "[...document.querySelectorAll('.sentence[tabindex]')]"
        ".findIndex(s => s.dataset.facts.includes('looks.highest'))"
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
            "(() => { const s = document.querySelector('.abstract .sentence[tabindex]');"
            "s.scrollIntoView({block: 'center', behavior: 'instant'}); const b = s.getClientRects()[0];"
            "return [b.x + 10, b.y + b.height / 2] })()"
        )
        browser.tap(*box)
        browser.until(f"{LIT} === 1")
        browser.tap(4, 500)
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
    cited = contents.lit(facts.derive(results), results)
    number = int(i) * len(grid.positions) + int(j)
    sentences = browser.value(
        "[...document.querySelectorAll('.sentence[data-facts]')].filter(s => !s.closest('.key-figures'))"
        ".map(s => [s.textContent, s.dataset.facts.split(' ')])"
    )
    speaking = {
        words
        for words, ids in sentences
        if any(first <= number < first + n for f in ids if f in cited for first, n in pairs(cited[f]["cells"]))
    }
    of_key_figures = {text for text, _ in links} - {words for words, _ in sentences}
    assert speaking
    assert {text for text, _ in links} - of_key_figures == speaking
    browser.value("document.querySelector('.told a').click()")
    assert browser.value("document.activeElement.textContent") in links[0][0]
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
        "return [e.__data__ && e.__data__.datum || {}, b.x + b.width / 2, b.y + b.height / 2] })"
        ".filter(one => one[0].position).map(([d, x, y]) => [d.position, d.layer, x, y]) })()"
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
            f"(() => {{ const h = document.querySelector('[data-chart={json.dumps(chart)}]');"
            "h.scrollIntoView({block: 'center', behavior: 'instant'});"
            f"const all = [...h.querySelectorAll('{mark}')].filter(e => e.__data__ &&"
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

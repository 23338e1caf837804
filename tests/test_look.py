"""The page in a real browser: its policy holds, its charts are drawn, hostile text is inert, it fits every width."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

import described
import words
from layergrid import facts, prose, render, theme
from layergrid.render import page
from test_render import hostile

PAPER = theme.load("paper")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def report(folder):
    path = folder / "report.html"
    path.write_text(page.html(render.prepare(*words.made(), render.Presentation())), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def attacked(folder):
    path = folder / "hostile.html"
    path.write_text(page.html(render.prepare(*hostile(), render.Presentation())), encoding="utf-8")
    return path


def told(results, asked=()):
    """The page of results in the words that the rules write."""
    found = facts.derive(results)
    summary = prose.summarise(results, found)
    return page.html(render.prepare(results, found, summary, render.Presentation(figures=asked)))


@pytest.fixture(scope="module")
def every(folder):
    path = folder / "every.html"
    path.write_text(told(described.everything()), encoding="utf-8")
    return path


def ground(path: Path) -> str:
    """The colour of a screenshot's first pixel."""
    red, green, blue = Image.open(path).convert("RGB").getpixel((2, 2))
    return f"#{red:02x}{green:02x}{blue:02x}"


def test_the_policy_is_honoured_and_nothing_complains(browser, report):
    browser.open(report)
    assert browser.complaints == []


def test_the_page_fetches_nothing_but_itself(browser, report):
    browser.open(report)
    assert {url.split(":")[0] for url in browser.asked} <= {"file", "data"}
    assert sum(url.startswith("file") for url in browser.asked) == 1


def test_the_policy_stops_a_script_that_is_not_the_pages_own(browser, report, folder):
    broken = folder / "broken.html"
    broken.write_text(report.read_text().replace("</main>", "<script>document.title = 'ran'</script></main>"))
    browser.open(broken)
    assert browser.value("document.title") != "ran"
    assert browser.complaints


def test_both_charts_are_drawn_with_all_their_labels(browser, report):
    browser.open(report)
    shown = browser.value("[...document.querySelectorAll('[data-chart] svg text')].map(e => e.textContent)")
    for label in ("last_q", "exact_answer_before_first", "-1", "Layer", "Token position", "AUROC", "chance", "1.0"):
        assert label in shown
    cells = browser.value("document.querySelectorAll('[data-chart=\"errors.heatmap\"] svg path').length")
    assert cells >= 9 * 15


@pytest.mark.parametrize("which", ["report", "every"])
def test_no_label_is_cut_and_no_labels_of_a_chart_overlap(browser, request, which):
    browser.open(request.getfixturevalue(which))
    boxes = browser.value(
        "[...document.querySelectorAll('[data-chart], .strip')].map(host => { const h = host.getBoundingClientRect();"
        "return [...host.querySelectorAll('svg text')].filter(e => e.textContent.trim()).map(e => {"
        "const b = e.getBoundingClientRect(); return [e.textContent, b.left - h.left, b.top - h.top, b.right - h.left,"
        "b.bottom - h.top, h.width, h.height] }) })"
    )
    for labels in boxes:
        assert labels
        for i, (name, left, top, right, bottom, width, height) in enumerate(labels):
            assert left >= -1, name
            assert right <= width + 1, name
            assert top >= -2, name
            assert bottom <= height + 2, name
            for other in labels[i + 1 :]:
                across = min(right, other[3]) - max(left, other[1])
                down = min(bottom, other[4]) - max(top, other[2])
                # The boxes of browsers hold line height; 4 pixels of it may meet, letters may not.
                assert across <= 1.5 or down <= 5, (name, other[0])


def test_hostile_text_is_inert_and_visible(browser, attacked):
    browser.open(attacked)
    assert browser.complaints == []
    assert browser.value("document.querySelectorAll('main img').length") == 0
    assert "</script><img src=x onerror=alert(1)>" in browser.value("document.querySelector('h1').textContent")
    assert "{{ 7*7 }}" in browser.value("document.querySelector('h1').textContent")


def test_the_page_leaks_no_global_but_vega_embed(browser, report):
    browser.open(report)
    extra = browser.value(
        "(() => { const f = document.createElement('iframe'); document.body.append(f);"
        "const plain = new Set(Object.getOwnPropertyNames(f.contentWindow)); f.remove();"
        "return Object.getOwnPropertyNames(window).filter(n => !plain.has(n)) })()"
    )
    assert set(extra) <= {"vegaEmbed", "0", "clearInterval"}, extra


@pytest.mark.parametrize("width", [400, 1200, 2000])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_every_width_in_both_modes(browser, report, folder, width, dark):
    browser.open(report, width=width, dark=dark)
    assert browser.value("document.documentElement.scrollWidth") <= width
    shot = browser.screenshot(folder / f"{width}-{dark}.png")
    assert ground(shot) == (PAPER.dark if dark else PAPER.light)["paper"]
    measure = browser.value("document.querySelector('#analysis p').getBoundingClientRect().width")
    size = browser.value("parseFloat(getComputedStyle(document.querySelector('#analysis p')).fontSize)")
    assert 20 < measure / size <= 41


def test_dark_mode_draws_the_charts_in_its_own_colours(browser, report):
    def fills(dark):
        browser.open(report, dark=dark)
        return set(
            browser.value(
                "[...document.querySelectorAll('[data-chart=\"errors.heatmap\"] svg path')]"
                ".map(e => e.getAttribute('fill')).filter(Boolean)"
            )
        )

    light, dark = fills(False), fills(True)
    assert not light & dark - {"none", "transparent"}


def test_print_is_light_even_in_dark_mode(browser, report):
    browser.open(report, dark=True)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    browser.call("Emulation.setEmulatedMedia", media="print", features=features)
    assert browser.value("getComputedStyle(document.documentElement).backgroundColor") == "rgb(255, 255, 255)"


def test_hovering_a_cell_tells_value_interval_and_rows(browser, report):
    browser.open(report)
    browser.move_to('[data-chart="errors.heatmap"] svg path[d*="h22.4"]')
    browser.until("document.querySelector('#vg-tooltip-element.visible') !== null")
    shown = browser.value("document.querySelector('#vg-tooltip-element').innerText")
    assert "last_q" in shown
    assert "AUROC, 95 % interval" in shown
    grid = words.synthetic.results().grids[0].grid
    assert f"{grid.value[0, 0]:.2f} [{grid.low[0, 0]:.2f}, {grid.high[0, 0]:.2f}]" in shown
    assert "400" in shown


def test_a_fact_lights_the_cells_that_it_speaks_of_by_pointer_and_by_keyboard(browser, report):
    browser.open(report)
    selector = '.fact[data-fact="errors.peak"]'
    browser.move_to(selector)
    browser.until("document.querySelectorAll('svg.lit .strong').length === 1")
    rect = browser.value("JSON.parse(JSON.stringify(document.querySelector('svg.lit .rim').getBoundingClientRect()))")
    diamond = browser.value(
        "(() => { const all = [...document.querySelectorAll('[data-chart=\"errors.heatmap\"] .mark-symbol path')];"
        "const b = all[all.length - 1].getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2] })()"
    )
    assert rect["left"] < diamond[0] < rect["right"]
    assert rect["top"] < diamond[1] < rect["bottom"]
    browser.value("document.activeElement.blur()")
    browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)
    browser.until("document.querySelectorAll('svg.lit').length === 0")
    sentence = f"document.querySelector({json.dumps(selector)}).closest('.sentence')"
    browser.value(f"{sentence}.focus({{preventScroll: true}})")
    assert browser.value("document.querySelectorAll('svg.lit .rim').length") == 1


def test_every_kind_of_grid_is_drawn_in_both_modes_and_nothing_complains(browser, every):
    for dark in (False, True):
        browser.open(every, dark=dark)
        assert browser.complaints == []
        hosts = browser.value("[...document.querySelectorAll('[data-chart]')].map(e => e.dataset.chart)")
        assert {"gaps.classes", "likeness.references", "looks.heads", "text.heatmap"} <= set(hosts)
        drawn = "[...document.querySelectorAll('[data-chart]')].every(e => e.querySelectorAll('svg path').length > 10)"
        assert browser.value(drawn)


@pytest.mark.parametrize("shape", ["transposed", "bands"])
def test_a_fact_lights_its_cell_in_a_transposed_map_and_in_bands(browser, folder, shape):
    long = described.one_text(layers=9, pieces=tuple(f"t{k}" for k in range(110)))
    grid = long if shape == "bands" else described.activation()
    asked = ({"kind": "heatmap", "transpose": True},) if shape == "transposed" else ()
    path = folder / f"{shape}.html"
    path.write_text(told(described.results(grid), asked), encoding="utf-8")
    browser.open(path)
    name = f"{grid.grid.name}.highest"
    browser.move_to(f'.fact[data-fact="{name}"]')
    browser.until("document.querySelectorAll('svg.lit .strong').length === 1")
    found = browser.value(
        "(() => { const r = document.querySelector('svg.lit .strong').getBoundingClientRect();"
        f"const all = document.querySelectorAll('[data-chart=\"{grid.grid.name}.heatmap\"] .mark-symbol path');"
        "const b = all[all.length - 1].getBoundingClientRect();"
        "return [r.left, b.x + b.width / 2, r.right, r.top, b.y + b.height / 2, r.bottom] })()"
    )
    assert found[0] < found[1] < found[2]
    assert found[3] < found[4] < found[5]


def test_a_small_map_tells_its_head_layer_position_and_value_to_the_pointer(browser, every):
    browser.open(every)
    browser.move_to('[data-chart="looks.heads"] svg .mark-rect path')
    browser.until("document.querySelector('#vg-tooltip-element.visible') !== null")
    shown = browser.value("document.querySelector('#vg-tooltip-element').innerText")
    assert all(word in shown for word in ("head 0", "last_q", "layer", "attention"))


def test_everything_that_takes_the_focus_shows_it(browser, report):
    browser.open(report)
    for _ in range(4):
        browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        browser.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        assert browser.value("document.activeElement !== document.body")
        assert browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_pinned_faces_are_the_ones_shown(browser, report):
    browser.open(report)
    loaded = browser.value(
        "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family.replaceAll('\"', ''))"
    )
    assert {"Layergrid Noto Serif", "Layergrid Inter", "Layergrid Noto Mono"} <= set(loaded)
    assert all(name.startswith("Layergrid") for name in loaded)


def test_without_a_browser_the_tests_fail_where_ci_needs_them(monkeypatch):
    import browser as module

    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="no browser in PATH"):
        module.found()
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception):
        module.found()

"""The page around its figures: colours, contents, frames, parts left out, printing, size."""

from __future__ import annotations

import base64
import json
import re
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest

import described
import synthetic
import twelve
from layergrid import facts, prose, render
from layergrid.render import page
from pages import SAID, saved, told


@pytest.fixture(scope="module")
def results():
    return synthetic.results(layers=12, n=200)


@pytest.fixture(scope="module")
def report(tmp_path_factory, results):
    return saved(tmp_path_factory.mktemp("page") / "report.html", results)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("every") / "every.html", described.everything())


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


def test_every_entry_of_the_contents_leads_somewhere_and_every_section_has_one(browser, every):
    browser.open(every)
    dead = "[...document.querySelectorAll('.contents a')].filter(a => !document.getElementById(a.hash.slice(1))).length"
    assert browser.value(dead) == 0
    sections = set(browser.value("[...document.querySelectorAll('main > section[id]')].map(s => s.id)"))
    assert sections <= set(browser.value("[...document.querySelectorAll('.side a')].map(a => a.hash.slice(1))"))


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
        n_positive=np.zeros_like(n), status=np.full((80, 200), "ok"), reason=np.full((80, 200), ""),
        facets=(), labels=(),
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


def test_a_page_of_twelve_maps_of_33_layers_and_25_positions_is_small():
    results = twelve.results()
    assert {one.grid.value.shape for one in results.grids} == {(33, 25)}
    whole = told(results)
    assert whole.count("data-chart=") == 24
    assert len(whole.encode("utf-8")) < 1_200_000


def test_pages_packed_by_another_build_of_zlib_are_the_same_page(results):
    source = told(results)
    block = re.search(r'(id="data-charts">)([^<]*)<', source)
    packed = base64.b64encode(zlib.compress(zlib.decompress(base64.b64decode(block[2])), 1)).decode()
    other = source.replace(block[2], packed)
    assert other != source
    assert page.opened(other) == page.opened(source)

"""The page for every reader: axe-core finds nothing serious in it, in both modes, on a phone and on a desk."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import pytest

import described
import synthetic
import words
from layergrid import facts, prose, render
from layergrid.render import page
from test_render import hostile

SERIOUS = ("serious", "critical")


def axe() -> str:
    """axe-core as one script, from the package that carries it; the package itself is not imported."""
    found = importlib.util.find_spec("axe_playwright_python")
    if found is None or not found.submodule_search_locations:
        if os.environ.get("CI"):
            pytest.fail("axe_playwright_python is not installed; accessibility cannot be left unchecked here")
        pytest.skip("axe_playwright_python is not installed")
    return (Path(found.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")


def told(results):
    found = facts.derive(results)
    return page.html(render.prepare(results, found, prose.summarise(results, found), render.Presentation()))


PAGES = {
    "words": lambda: page.html(render.prepare(*words.made(), render.Presentation())),
    "probe": lambda: told(synthetic.results(layers=33, n=200)),
    "every": lambda: told(described.everything()),
    "hostile": lambda: page.html(render.prepare(*hostile(), render.Presentation())),
}


@pytest.fixture(scope="module", params=list(PAGES))
def report(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("axe") / "report.html"
    path.write_text(PAGES[request.param](), encoding="utf-8")
    return path


def violations(browser):
    """What axe-core finds that is serious: rule, and the first elements."""
    browser.call("Runtime.evaluate", expression=axe())
    found = browser.value("axe.run(document, {resultTypes: ['violations']}).then(r => r.violations)")
    serious = [one for one in found if one["impact"] in SERIOUS]
    return [(one["id"], [(n["html"][:160], n["failureSummary"][:240]) for n in one["nodes"][:3]]) for one in serious]


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(browser, report, width, dark):
    browser.open(report, width=width, dark=dark)
    assert violations(browser) == []


def test_axe_finds_nothing_serious_once_a_cell_is_selected_and_a_sentence_lit(browser, report):
    browser.open(report, width=1280)
    if browser.value("document.querySelector('.selectable') !== null"):
        browser.value("document.querySelector('.selectable').focus()")
        browser.press("ArrowRight", "Enter")
        assert browser.value("document.querySelector('.told') !== null")
    browser.value("const one = document.querySelector('.sentence[tabindex=\"0\"]'); if (one) { one.focus() }")
    assert violations(browser) == []


def test_axe_finds_what_is_wrong(browser, tmp_path):
    """A page that is wrong on purpose, so that silence means something."""
    path = tmp_path / "wrong.html"
    path.write_text("<html><body><img src='data:,'><p style='color:#ccc;background:#fff'>pale</p></body></html>")
    browser.open(path)
    assert {"image-alt", "color-contrast", "html-has-lang"} <= {one[0] for one in violations(browser)}

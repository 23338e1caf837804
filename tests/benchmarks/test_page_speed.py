"""How large a page of twelve maps is and how soon a reader can use it; run with `-m benchmark -s`."""

from __future__ import annotations

import statistics

import pytest

import twelve
from browser import Browser
from layergrid import facts, prose, render
from layergrid.render import page

RUNS = 7
WATCH = """(() => {
  const look = () => {
    const charts = [...document.querySelectorAll('[data-chart]')], now = performance.now();
    const seen = charts.map(e => [e, e.getBoundingClientRect()])
      .filter(([, box]) => box.top < innerHeight && box.bottom > 0).map(([e]) => e);
    const done = all => document.readyState !== 'loading' && all.every(e => e.classList.contains('drawn'));
    if (!window.atSeen && charts.length && done(seen) && document.querySelector('.save')) { window.atSeen = now; }
    if (charts.length && done(charts)) { window.atAll = now; return; }
    requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})()"""


@pytest.mark.benchmark
@pytest.mark.slow
def test_a_page_of_twelve_maps_is_small_and_soon_interactive(tmp_path):
    """From navigation to: charts in view drawn, cells selectable and menus there; and to every chart drawn."""
    results = twelve.results()
    found = facts.derive(results)
    path = tmp_path / "twelve.html"
    content = render.prepare(results, found, prose.summarise(results, found), render.Presentation())
    path.write_text(page.html(content), encoding="utf-8")
    size = path.stat().st_size
    browser = Browser()
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    seen, whole, map_ = [], [], []
    try:
        for _ in range(RUNS):
            browser.open(path, 1280, 900)
            seen.append(browser.value("window.atSeen") / 1000)
            whole.append(browser.value("window.atAll") / 1000)
        browser.call("Page.navigate", url="about:blank")
        for _ in range(RUNS):  # at an address of a figure, so that its map and profile are what the reader waits for
            browser.call("Page.navigate", url=f"{path.as_uri()}#figure-2")
            browser.until("Boolean(window.atAll)")
            map_.append(browser.value("window.atSeen") / 1000)
            browser.call("Page.navigate", url="about:blank")
    finally:
        browser.close()
    print(f"\n{size / 1e6:.3f} MB on disk; seconds, minimum and median of {RUNS}")
    for name, times in (("charts in view, at the top", seen), ("charts in view, at Figure 2", map_), ("all", whole)):
        print(f"{name}: {min(times):.2f}, {statistics.median(times):.2f}")
    assert size < 1_200_000
    assert min(seen) < 2.0
    assert min(map_) < 2.0

"""Figures as files: SVG, PNG and CSV that the page writes itself, under its own policy."""

from __future__ import annotations

import csv
import io
import time
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image

import described
import synthetic
from pages import saved


@pytest.fixture(scope="module")
def results():
    return synthetic.results(layers=12, n=200)


@pytest.fixture(scope="module")
def report(tmp_path_factory, results):
    return saved(tmp_path_factory.mktemp("page") / "report.html", results)


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("every") / "every.html", described.everything())


@pytest.fixture(scope="module")
def folder(browser, report, tmp_path_factory):
    """Files that the menus of a page save, by name."""
    folder = tmp_path_factory.mktemp("saved")
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    browser.open(report, dark=True)
    browser.until("document.querySelectorAll('.save').length === 2")
    wanted = [f"arithmetic-figure-{k}" for k in ("1.svg", "1.png", "2.svg", "2.png", "2.csv")]
    for name in wanted:
        figure, kind = name.removeprefix("arithmetic-").split(".")
        browser.value(
            f"[...document.querySelectorAll('#{figure} .save button')]"
            f".find(b => b.textContent === '{kind.upper()}').click()"
        )
        end = time.monotonic() + 30
        while not (folder / name).is_file():
            assert time.monotonic() < end, (name, browser.complaints)
            time.sleep(0.05)
    assert browser.complaints == []
    assert browser.value("location.href") == report.as_uri()
    return folder


def test_a_saved_table_holds_the_grid_in_long_form(folder, results):
    rows = list(csv.DictReader(io.StringIO((folder / "arithmetic-figure-2.csv").read_text(encoding="utf-8"))))
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
def test_a_saved_drawing_is_light_whole_and_brings_its_fonts(folder, number):
    source = (folder / f"arithmetic-figure-{number}.svg").read_text(encoding="utf-8")
    top = ElementTree.fromstring(source)  # noqa: S314 - written by the page under test
    words = " ".join(top.itertext())
    assert ("Token position" in words and "chance" in words) if number == 2 else "exact_answer_last" in words
    assert "#1a1f26" in source or "rgb(26, 31, 38)" in source
    assert "#e3e7ec" not in source
    assert "@font-face" in source
    assert "class=" not in source or number == 2
    assert "var(" not in source


@pytest.mark.parametrize("number", [1, 2])
def test_a_saved_picture_has_two_pixels_a_pixel_on_white(folder, number):
    picture = Image.open(folder / f"arithmetic-figure-{number}.png").convert("RGB")
    top = ElementTree.parse(folder / f"arithmetic-figure-{number}.svg").getroot()  # noqa: S314 - see above
    assert picture.size == (round(2 * float(top.get("width"))), round(2 * float(top.get("height"))))
    assert picture.getpixel((1, 1)) == (255, 255, 255)
    assert len(picture.resize((200, 120)).getcolors(24_000)) > 40


def test_a_grid_with_gaps_is_saved_with_the_status_of_each_cell(browser, every, tmp_path):
    browser.call("Page.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.open(every)
    browser.until("document.querySelectorAll('.save').length > 3")
    grid = next(one.grid for one in described.everything().grids if one.grid.name == "looks")
    browser.value(
        "[...document.querySelector('[data-chart=\"looks.heatmap\"]').closest('figure')"
        ".querySelectorAll('.save button')].find(b => b.textContent === 'CSV').click()"
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

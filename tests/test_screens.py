"""Golden images: one synthetic report at three widths in both modes looks as it did; make them anew with
`python tests/test_screens.py` once the new look has been looked at."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import words
from browser import Browser
from layergrid import render
from layergrid.render import page

GOLDEN = Path(__file__).parent / "golden" / "screens"
SHOTS = {400: (2500, 200), 1280: (1700, 300), 2000: (1300, 300)}  # width of the window: its height, width as kept
MOST, MOST_IN_A_TILE = 2.0, 9.0  # of 255: mean difference of a whole image, and of any of its tiles
TILE = 20  # pixels of a kept image: a tenth of its width or less
MODES = (False, True)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return written(tmp_path_factory.mktemp("screens"))


def written(folder: Path) -> Path:
    """The report of the images: its words are written by hand, so that only the look decides."""
    path = folder / "report.html"
    content = render.prepare(*words.made(layers=24, n=200), render.Presentation())
    path.write_text(page.html(content), encoding="utf-8")
    return path


def name(width: int, dark: bool) -> str:
    return f"{width}-{'dark' if dark else 'light'}.png"


def shot(browser: Browser, report: Path, width: int, dark: bool, folder: Path) -> Image.Image:
    """The window at a width, scaled to what is kept."""
    height, small = SHOTS[width]
    browser.open(report, width, height, dark)
    picture = Image.open(browser.screenshot(folder / "shot.png")).convert("RGB")
    return picture.resize((small, round(small * height / width)), Image.Resampling.BOX)


def differences(one: Image.Image, other: Image.Image) -> tuple[float, float]:
    """Mean absolute difference of two blurred images, whole and in the tile where it is largest, of 255."""
    assert one.size == other.size
    soft = [np.asarray(i.convert("RGB").filter(ImageFilter.GaussianBlur(2)), dtype=float) for i in (one, other)]
    apart = np.abs(soft[0] - soft[1]).mean(axis=2)
    high, wide = (side // TILE * TILE for side in apart.shape)
    tiles = apart[:high, :wide].reshape(high // TILE, TILE, wide // TILE, TILE).mean(axis=(1, 3))
    return float(apart.mean()), float(tiles.max())


def alike(one: Image.Image, other: Image.Image) -> bool:
    whole, tile = differences(one, other)
    return whole <= MOST and tile <= MOST_IN_A_TILE


@pytest.mark.parametrize("width", list(SHOTS))
@pytest.mark.parametrize("dark", MODES)
def test_the_page_looks_as_it_did(browser, report, tmp_path, width, dark):
    found = shot(browser, report, width, dark, tmp_path)
    golden = Image.open(GOLDEN / name(width, dark))
    assert alike(found, golden), differences(found, golden)


@pytest.mark.parametrize("width", list(SHOTS))
def test_light_and_dark_are_told_apart(width):
    light, dark = (Image.open(GOLDEN / name(width, mode)) for mode in MODES)
    assert not alike(light, dark)


@pytest.mark.parametrize("width", list(SHOTS))
@pytest.mark.parametrize(
    "broken",
    [
        "[data-chart='errors.heatmap'] { visibility: hidden }",
        "[data-chart='errors.profile'] { visibility: hidden }",
        ".strip { visibility: hidden }",
        ".key-figures { display: none }",
        "html, main { background: #666 }",
        "html { font-size: 120% }",
    ],
)
def test_a_page_that_lacks_a_figure_or_has_lost_its_look_is_told_apart(browser, report, tmp_path, width, broken):
    height, small = SHOTS[width]
    browser.open(report, width, height)
    sheet = (
        f"(() => {{ const s = new CSSStyleSheet(); s.replaceSync({broken!r}); document.adoptedStyleSheets = [s] }})()"
    )
    browser.value(sheet)
    picture = Image.open(browser.screenshot(tmp_path / "shot.png")).convert("RGB")
    found = picture.resize((small, round(small * height / width)), Image.Resampling.BOX)
    assert not alike(found, Image.open(GOLDEN / name(width, False)))


def test_the_golden_images_are_small():
    found = {path.name: path.stat().st_size for path in GOLDEN.glob("*.png")}
    assert set(found) == {name(width, dark) for width in SHOTS for dark in MODES}
    assert max(found.values()) < 60_000


if __name__ == "__main__":
    import tempfile

    GOLDEN.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        eye, made = Browser(), written(Path(scratch))
        for each in SHOTS:
            for mode in MODES:
                kept = shot(eye, made, each, mode, Path(scratch)).quantize(256, kmeans=3)
                kept.save(GOLDEN / name(each, mode), optimize=True)
                sys.stdout.write(f"{name(each, mode)}\n")
        eye.close()

"""Every page of two reports as PDFium draws it, held against pages that were looked at; poppler draws the same.

`python tests/test_print_pages.py` makes the golden pages anew; look at each of them before they are kept.
"""

from __future__ import annotations

import io
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageFilter

import shapes
from layergrid.render import drawing, printing

GOLDEN = Path(__file__).parent / "golden" / "pages"
DPI = 50
NOTHING = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
REPORTS = {
    "probe": lambda: shapes.content(shapes.grid(17, shapes.places(15))),
    "two": lambda: shapes.content(shapes.with_heads(4, layers=9), shapes.grid(12, shapes.places(40), "second")),
}
NEAR, SAME = 18.0, 3.0  # the most that a page may differ from another viewer's, and from the golden one


@cache
def pdf(name: str) -> bytes:
    return printing.pdf(REPORTS[name](), "A4")


def drawn(data: bytes) -> list[Image.Image]:
    """The pages in grey by PDFium."""
    return [page.render(scale=DPI / 72).to_pil().convert("L") for page in pypdfium2.PdfDocument(data)]


def by_poppler(data: bytes, folder: Path) -> list[Image.Image]:
    (folder / "report.pdf").write_bytes(data)
    subprocess.run(["pdftoppm", "-r", str(DPI), "-png", "report.pdf", "p"], cwd=folder, check=True)
    return [Image.open(path).convert("L") for path in sorted(folder.glob("p-*.png"))]


def difference(one: Image.Image, other: Image.Image) -> float:
    """The largest mean difference in grey over squares of 24 pixels: what lacks, moves or changes its colour."""
    if one.size != other.size:
        other = other.resize(one.size) if max(np.abs(np.subtract(one.size, other.size))) <= 1 else other
    if one.size != other.size:
        return 255.0
    a, b = (np.asarray(page.filter(ImageFilter.GaussianBlur(1.5)), float) for page in (one, other))
    gap = np.abs(a - b)
    high, wide = (side // 24 * 24 for side in gap.shape)
    squares = gap[:high, :wide].reshape(high // 24, 24, wide // 24, 24).mean(axis=(1, 3))
    return float(squares.max())


def golden(name: str) -> list[Image.Image]:
    return [Image.open(path).convert("L") for path in sorted(GOLDEN.glob(f"{name}-*.png"))]


@pytest.mark.parametrize("name", REPORTS)
def test_every_page_looks_as_it_did_when_it_was_looked_at(name):
    pages, kept = drawn(pdf(name)), golden(name)
    assert len(pages) == len(kept)
    for number, (one, other) in enumerate(zip(pages, kept, strict=True), 1):
        assert difference(one, other) < SAME, f"{name}, page {number}"


@pytest.mark.parametrize("name", REPORTS)
def test_both_viewers_draw_the_same_pages(name, tmp_path):
    pages, others = drawn(pdf(name)), by_poppler(pdf(name), tmp_path)
    assert len(pages) == len(others)
    for number, (one, other) in enumerate(zip(pages, others, strict=True), 1):
        assert difference(one, other) < NEAR, f"{name}, page {number}"


def test_a_page_without_its_figure_or_with_other_colours_is_told_from_the_golden_one(monkeypatch):
    kept = golden("probe")[0]
    content = REPORTS["probe"]()
    monkeypatch.setattr(
        printing, "svg", lambda figure: '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
    )
    assert difference(drawn(printing.pdf(content, "A4"))[0], kept) > NEAR
    monkeypatch.undo()
    true = printing.svg
    monkeypatch.setattr(printing, "svg", lambda figure: true(figure).replace("#08", "#f8").replace("#0", "#f"))
    assert difference(drawn(printing.pdf(content, "A4"))[0], kept) > SAME


def test_joined_shapes_look_like_those_that_they_were_made_of(monkeypatch):
    joined = pdf("probe")
    monkeypatch.setattr(drawing, "trimmed", lambda drawn: drawn)
    apart = printing.pdf(REPORTS["probe"](), "A4")
    assert len(apart) > len(joined)
    # Cells are a third of a pixel larger than their place, so that edges between colours follow who is drawn last.
    assert difference(drawn(apart)[0], drawn(joined)[0]) < 2 * SAME


def test_the_golden_pages_are_small():
    assert sum(path.stat().st_size for path in GOLDEN.glob("*.png")) < 700_000


def renew() -> None:
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for path in GOLDEN.glob("*.png"):
        path.unlink()
    for name in REPORTS:
        for number, page in enumerate(drawn(pdf(name)), 1):
            out = io.BytesIO()
            page.save(out, "PNG", optimize=True)
            (GOLDEN / f"{name}-{number:02d}.png").write_bytes(out.getvalue())


if __name__ == "__main__":
    renew()

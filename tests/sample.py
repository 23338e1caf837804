"""Copies the report of `make demo` into reports/sample, with pictures for the README: `python tests/sample.py`."""

from __future__ import annotations

import shutil
from pathlib import Path

REPORTS = Path(__file__).parent.parent / "reports"
SAMPLE = REPORTS / "sample"
DOTS = 110  # per inch, of the picture of the first page


def pictures(report: Path) -> None:
    """The first page as PDFium draws it, and the heatmap as the page holds it."""
    import pypdfium2
    import vl_convert

    from layergrid import archive, facts, prose, render
    from layergrid.theme import faces

    page = pypdfium2.PdfDocument(report / "report.pdf")[0]
    page.render(scale=DOTS / 72).to_pil().save(SAMPLE / "page-1.png", optimize=True)
    results = archive.read(report)
    found = facts.derive(results)
    shown = render.prepare(results, found, prose.summarise(results, found), render.read_presentation(report))
    drawn = next(f for block in shown.blocks for f in block.figures if f.name.endswith(".heatmap"))
    vl_convert.register_font_directory(str(faces.FOLDER))
    (SAMPLE / "heatmap.png").write_bytes(vl_convert.vegalite_to_png(dict(drawn.spec), scale=1.5))


if __name__ == "__main__":
    SAMPLE.mkdir(exist_ok=True)
    for name in ("report.md", "report.pdf"):
        shutil.copyfile(REPORTS / "arithmetic" / name, SAMPLE / name)
    pictures(REPORTS / "arithmetic")

"""Nothing that is printed passes the margins of its page."""

from __future__ import annotations

from dataclasses import replace

import pypdfium2
import pytest

import edges
from layergrid import facts, prose, render
from layergrid.render import printing

MARGIN = 21 / 25.4 * 72  # points, of print.css


def with_long_labels(results):
    """The same results with baselines whose labels take two lines."""
    label = "operand sizes and operation (left_digits, right_digits, operation)"
    return replace(results, grids=tuple(
        replace(one, baselines=tuple(replace(b, label=f"{label} {i}") for i, b in enumerate(one.baselines)))
        for one in results.grids
    ))  # fmt: skip


@pytest.mark.parametrize("name", ["weighed", "several_classes", "a_number", "two_sites"])
def test_text_in_print_stays_inside_the_margins(name):
    results = with_long_labels(edges.EDGES[name]())
    found = facts.derive(results)
    content = render.prepare(results, found, prose.summarise(results, found), render.Presentation())
    document = pypdfium2.PdfDocument(printing.pdf(content, "A4"))
    outside = []
    for number, page in enumerate(document, 1):
        width, text = page.get_width(), page.get_textpage()
        for i in range(text.count_rects()):
            left, low, right, high = text.get_rect(i)
            if left < MARGIN - 2 or right > width - MARGIN + 2:
                outside.append((number, text.get_text_bounded(left, low, right, high)))
    assert outside == []

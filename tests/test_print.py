"""The PDF as a publication: contents, bookmarks, references, figures whole beside their captions, an archive."""

from __future__ import annotations

import io
import re

import pypdf
import pypdfium2
import pytest
from weasyprint.formatting_structure.boxes import LineBox, TextBox

import edges
import edges_described
import shapes
from layergrid import archive, facts, prose, render
from layergrid.render import listing, printing, references
from layergrid.render.drawing import svg
from layergrid.render.press import BUNDLED, Press
from layergrid.render.sizing import FIRST, Sizes
from layergrid.theme import faces

SIDE, TOP, BOTTOM = 21 / 25.4 * 96, 19 / 25.4 * 96, 17 / 25.4 * 96  # pixels, of the style sheet

SHAPES = {
    "one cell": lambda: shapes.content(shapes.grid(1, shapes.places(1))),
    "33 x 25": lambda: shapes.content(shapes.grid(33, shapes.places(25))),
    "33 x 40": lambda: shapes.content(shapes.grid(33, shapes.places(40))),
    "80 x 200": lambda: shapes.content(shapes.grid(80, shapes.places(200))),
    "200 x 3": lambda: shapes.content(shapes.grid(200, shapes.places(3))),
    "a wide second": lambda: shapes.content(
        shapes.grid(9, shapes.places(15)), shapes.grid(33, shapes.places(60), "second"), shapes.grid(9, ("a", "b"), "c")
    ),
    "transposed": lambda: shapes.content(shapes.grid(33, shapes.places(25)), transpose=True),
    "80 x 200 transposed": lambda: shapes.content(shapes.grid(80, shapes.places(200)), transpose=True),
    "400 tokens": lambda: shapes.content(shapes.text_of(400)),
    "twelve heads": lambda: shapes.content(shapes.with_heads(12)),
}


def laid_out(content, paper):
    """The pages of a report before they are written, as `printing.pdf` lays them out."""
    drawn = [svg(f) for block in content.blocks for f in block.figures]
    sizes = Sizes(paper, content.blocks, frozenset(b.number for b in content.first))
    sheets = (faces.print_css(BUNDLED), printing.styles(content, paper), listing.labels(content))
    press = Press(*sheets, drawn=lambda k: drawn[int(k)])
    first = printing.html(content, sizes, whole=False)
    fits = (scale for scale in FIRST if len(press.laid_out(first, sizes.css(scale)).pages) == 1)
    return press.laid_out(printing.html(content, sizes), sizes.css(next(fits, 1.0)))


def boxes(page, tag):
    inside = getattr(page, "_page_box", page)
    return [box for box in inside.descendants() if box.element_tag == tag]


def boxes_of(page, tag, name=None):
    """The first box of an element, or of that with an id."""
    return next(box for box in boxes(page, tag) if name is None or box.element.get("id") == name)


def _said(line):
    return "".join(box.text for box in line.descendants() if isinstance(box, TextBox))


@pytest.fixture(scope="module")
def small():
    return shapes.content(shapes.grid(9, shapes.places(15)))


@pytest.fixture(scope="module")
def small_pdf(small):
    return printing.pdf(small, "A4")


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("name", SHAPES)
def test_every_figure_lies_inside_its_page_together_with_its_whole_caption(name, paper):
    content = SHAPES[name]()
    made = laid_out(content, paper)
    images = 0
    for page in made.pages:
        for figure in boxes(page, "figure"):
            captions = [box for box in figure.descendants() if box.element_tag == "figcaption"]
            assert len({id(box.element) for box in captions}) == 1, "a figure without its caption, or parted from it"
            charts = [box for box in figure.descendants() if box.element_tag == "img"]
            assert charts, "a caption without its figure"
            for box in (*charts, *captions):
                assert box.position_x >= SIDE - 1
                assert box.position_x + box.width <= page.width - SIDE + 1.5
                assert box.position_y >= TOP - 8
                assert box.position_y + box.height <= page.height - BOTTOM + 1
            images += len(charts)
    wanted = [f for b in content.blocks for f in b.figures]
    wide = Sizes(paper, content.blocks, frozenset()).wide
    assert images == len(wanted) + sum(len(b.figures) for b in content.first if b.number in wide)


@pytest.mark.parametrize("name", ["33 x 40", "a wide second"])
def test_a_wide_map_has_a_landscape_page_of_its_own_and_nothing_else_has(name):
    made = laid_out(SHAPES[name](), "A4")
    across = [page for page in made.pages if page.width > page.height]
    assert len(across) == 1
    assert len(boxes(across[0], "figure")) == 1
    assert not boxes(across[0], "table")
    assert not any(page.width > page.height for page in laid_out(SHAPES["33 x 25"](), "A4").pages)


def test_landscape_pages_come_right_after_the_first_page_or_last_so_that_no_page_ends_early_for_them():
    for name, wanted in (("33 x 40", "second"), ("a wide second", "last")):
        across = [page.width > page.height for page in laid_out(SHAPES[name](), "A4").pages]
        assert [k for k, one in enumerate(across) if one] == [1 if wanted == "second" else len(across) - 1]


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_a_profile_stands_beside_its_wide_map_on_the_first_page(paper):
    first = laid_out(shapes.content(shapes.grid(33, shapes.places(64))), paper).pages[0]
    tops = [box.position_y for box in boxes(boxes_of(first, "figure", "figure-2"), "img")]
    assert len(tops) == 2
    assert tops[0] == tops[1]


def test_the_page_of_an_entry_of_the_contents_stands_beside_its_last_word():
    content = shapes.content(shapes.with_heads(4, layers=9), shapes.grid(12, shapes.places(40), "second"))
    nav = boxes_of(laid_out(content, "A4").pages[1], "nav")
    lines = [_said(line) for item in boxes(nav, "li") for line in item.descendants() if isinstance(line, LineBox)]
    assert len(lines) > len(boxes(nav, "li")), "no entry is long enough to tell"
    assert all(re.search("[A-Za-z)]", line) for line in lines)


def test_a_wide_first_map_stands_on_the_first_page_too():
    first = laid_out(SHAPES["33 x 40"](), "A4").pages[0]
    assert [box.element.get("id") for box in boxes(first, "figure")] == ["figure-1", "figure-2"]


# ---------------------------------------------------------------- parts


def test_the_contents_name_every_section_figure_and_table_with_the_page_that_it_is_on(small, small_pdf):
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(small_pdf)).pages]
    listed = pages[1]
    for title, entries in listing.of(small):
        assert title in listed
        for _, number, words in entries:
            found = re.search(rf"{number} ?{re.escape(words)}[ .]*?(\d+)", " ".join(listed.split()))
            assert found, words
            there = pages[int(found[1]) - 1]
            assert (f"{number}." if number else words) in there, words


def test_bookmarks_lead_to_sections_figures_and_tables(small, small_pdf):
    reader = pypdf.PdfReader(io.BytesIO(small_pdf))

    def titles(outline):
        return [t for one in outline for t in (titles(one) if isinstance(one, list) else [one.title])]

    found = titles(reader.outline)
    assert found[0] == small.results.title
    for part in ("Contents", "Overview", "Methods", "Provenance"):
        assert part in found
    assert [t.split(".")[0] for t in found if t.startswith("Figure")] == [f"Figure {b.number}" for b in small.blocks]
    assert [t.split(".")[0] for t in found if t.startswith("Table ")] == [f"Table {s.number}" for s in small.sheets]


def test_a_bookmark_shows_hostile_text_and_styles_nothing():
    made = listing._string('a"} body { display: none } \\ \n\u202e</style>')
    assert re.fullmatch(r'"(?:[A-Za-z0-9 ,.()]|\\[0-9a-f]{6} )*"', made)


def test_pages_after_the_first_are_headed_by_title_and_section(small, small_pdf):
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(small_pdf)).pages]
    title = small.results.title
    assert pages[0].count(title) == 1
    assert all(title in page for page in pages[1:])
    assert all(re.search(r"\d+ / \d+", page) for page in pages)


# ---------------------------------------------------------------- references

NAMED = re.compile(
    r"(?:[A-Z][\w-]+(?:, [A-Z][\w-]+)*(?: et al\.| & [A-Z][\w-]+)?|nostalgebraist),? \(?(?:18|19|20)\d\d\b"
)
NO_NAMES = {"Holm"}


@pytest.mark.parametrize("name", [*edges.EDGES, *(f"described {n}" for n in edges_described.EDGES)])
def test_every_work_that_the_words_name_has_an_entry(name):
    build = edges_described.EDGES[name[10:]] if name.startswith("described ") else edges.EDGES[name]
    results = build()
    summary = prose.summarise(results, facts.derive(results))
    said = [s.text for section in summary.sections for p in section.paragraphs for s in p]
    said += [s.text for p in (summary.abstract, *summary.captions.values()) for s in p]
    keys = {work.key for work in references.named(said)}
    for work in NAMED.findall("\n".join(said)):
        assert work.replace("(", "") in keys, work


def test_works_are_listed_once_in_the_order_of_the_alphabet_with_all_that_finds_them():
    keys = [work.key for work in references.WORKS]
    assert keys == sorted(keys, key=str.casefold)
    assert len({work.anchor for work in references.WORKS}) == len(keys)
    for work in references.WORKS:
        assert re.fullmatch(r"(?:18|19|20)\d\d", work.year)
        assert work.address == "" or re.fullmatch(r"doi:10\.\d{4,}/\S+|arXiv:\d{4}\.\d{5}", work.address)
        assert work.key.split(" ")[0].rstrip(",") in work.authors


def test_a_work_that_is_named_is_linked_to_its_entry():
    results = edges.weighed()
    found = facts.derive(results)
    content = render.prepare(results, found, prose.summarise(results, found), render.Presentation())
    keys = {work.key: work.anchor for work in content.references}
    assert "Hewitt & Liang 2019" in keys
    source = printing.html(content, Sizes("A4", content.blocks, frozenset()))
    for anchor in keys.values():
        assert f'href="#{anchor}"' in source
        assert source.count(f'id="{anchor}"') == 1


# ---------------------------------------------------------------- sorts of PDF


@pytest.fixture(scope="module")
def archived():
    content = shapes.content(shapes.grid(9, shapes.places(15)), shapes.grid(5, ("a", "b", "<c>/../d"), "na/me"))
    return content, printing.pdf(content, "A4", "archive")


def test_an_archive_holds_every_grid_with_the_bytes_of_its_file(archived, tmp_path):
    content, data = archived
    reader = pypdf.PdfReader(io.BytesIO(data))
    held = {name: parts[0] for name, parts in reader.attachments.items()}
    for one in content.results.grids:
        path = archive.grid_file(one.grid.name, "csv")
        archive.write_grid(one, tmp_path)
        assert held[path.removeprefix("grids/")] == (tmp_path / path).read_bytes()
    assert len(held) == 2
    root = reader.trailer["/Root"]
    assert len(root["/AF"]) == 2
    for one in root["/AF"]:
        assert one.get_object()["/AFRelationship"] == "/Data"
        assert sorted(one.get_object()["/EF"]["/F"].get_object()["/Params"]) == ["/CheckSum", "/Size"]


def test_an_archive_says_what_it_is_and_is_tagged(archived):
    root = pypdf.PdfReader(io.BytesIO(archived[1])).trailer["/Root"]
    said = root["/Metadata"].get_object().get_data().decode()
    assert re.search(r"pdfaid:part(?:>|=\")3", said)
    assert re.search(r"pdfaid:conformance(?:>|=\")A", said)
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"].startswith("en")
    assert root["/OutputIntents"][0].get_object()["/S"] == "/GTS_PDFA1"


@pytest.mark.parametrize("standard", ["tagged", "archive"])
def test_every_font_is_inside_and_nothing_runs(small, standard):
    data = printing.pdf(small, "A4", standard)
    reader = pypdf.PdfReader(io.BytesIO(data))
    fonts = 0
    for page in reader.pages:
        for font in page["/Resources"].get("/Font", {}).values():
            descriptor = font.get_object()["/DescendantFonts"][0].get_object()["/FontDescriptor"].get_object()
            assert "/FontFile2" in descriptor or "/FontFile3" in descriptor
            fonts += 1
    assert fonts
    assert not re.search(rb"/(JavaScript|JS|Launch|SubmitForm|URI|OpenAction)\b", data)
    root = reader.trailer["/Root"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata.title == small.results.title


@pytest.mark.parametrize("standard", ["tagged", "archive"])
def test_the_same_report_has_the_same_bytes(small, standard):
    assert printing.pdf(small, "A4", standard) == printing.pdf(small, "A4", standard)


# ---------------------------------------------------------------- text


def in_order(wanted, shown):
    """Whether words stand in a text one after another, others between them."""
    at = -1
    for word in wanted:
        at = shown.find(word, at + 1)
        if at < 0:
            return False
    return True


def texts(data):
    """What two engines read on each page."""
    yield [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages]
    yield [page.get_textpage().get_text_range() for page in pypdfium2.PdfDocument(data)]


@pytest.mark.parametrize("name", ["33 x 25", "33 x 40", "transposed", "a wide second"])
def test_text_has_every_label_whole_and_layers_and_positions_in_order(name):
    content = SHAPES[name]()
    data = printing.pdf(content, "A4")
    for pages in texts(data):
        whole = "\n".join(pages)
        for one in content.results.grids:
            shown = whole.split("Figure 1.", 1)[1]
            assert in_order([f"\n{p}" for p in one.grid.positions], shown.replace(" ", "\n").replace("\r", "\n")), name
            ticks = [f"\n{k}" for k in one.grid.layers[::4]]
            assert in_order(ticks, shown.replace(" ", "\n").replace("\r", "\n")), name


def test_the_text_of_the_document_is_in_the_order_of_reading(small, small_pdf):
    parts = [small.results.title, "Figure 1.", "Figure 2.", "Contents", *(s.title for s in small.sections)]
    parts += [f"Table {s.number}." for s in small.sheets] + ["Provenance"]
    for pages in texts(small_pdf):
        assert in_order(parts, "\n".join(pages))

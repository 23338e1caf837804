"""The documents: nothing in them runs, reaches out or depends on chance; words come through whole."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pypdf
import pytest

import synthetic
import words
from layergrid import render, theme
from layergrid.artifacts import Cite, KeyFigure, Section, Sentence
from layergrid.kinds import BadInput, BuildError
from layergrid.render import bundle, drawing, figures, markdown, page, printing
from layergrid.render.press import BUNDLED, Press
from layergrid.render.sizing import Sizes
from layergrid.render.words import Hypertext
from layergrid.render.words import markdown as plain
from layergrid.theme import faces

HERE = Path(__file__).parent
HOSTILE = (
    "</script><img src=x onerror=alert(1)>", "{{ 7*7 }}", "{% raw %}", "\ud800", "\u202eabc", "\u05d0\u05d1",
    "\U0001f600", "a\x00b", "[x](javascript:alert(1))", "![i](http://a.b/c.png)", "# no heading",
    "`code` *b* _i_ ~s~ | x", "$x$ @all",
    "http://example.org", "'\"&<>", "\u4e2d\u6587",
)  # fmt: skip
HOSTILE_TEXT = " ".join(HOSTILE)


def hostile():
    """Results and words with hostile text in every field that a user fills."""
    names = tuple(f"p{k}{h}"[:60] for k, h in enumerate(HOSTILE))
    results = synthetic.results(layers=3, positions=names, n=60)
    one = results.grids[0]
    shown = replace(
        results, title=HOSTILE_TEXT, authors=HOSTILE, interpretation=HOSTILE_TEXT + "\n\n" + HOSTILE_TEXT,
        illustrations=(replace(results.illustrations[0], pieces=HOSTILE, special=(False,) * len(HOSTILE),
                               prompt_tokens=8, exact=(9, 10),
                               positions=((HOSTILE[0], 9, 10, "ok"), (HOSTILE[3], 9, 10, "ok")),
                               answer=HOSTILE_TEXT, gold=HOSTILE_TEXT),),
        data=(replace(results.data[0], prompt=HOSTILE_TEXT, source=HOSTILE_TEXT, rule=HOSTILE_TEXT),),
        grids=(replace(one, baselines=tuple(replace(b, label=HOSTILE_TEXT) for b in one.baselines)),),
    )  # fmt: skip
    facts, summary = words.described(shown)
    cite = Sentence(("Text: ", Cite("errors.nested", HOSTILE_TEXT), HOSTILE_TEXT))
    summary = replace(
        summary, finding=cite, abstract=(cite,), key_figures=(KeyFigure(cite, cite),),
        sections=(*summary.sections, Section("more", HOSTILE_TEXT, ((cite,),), HOSTILE_TEXT)),
        captions={**summary.captions, "tokens": (cite,), "errors.heatmap.alternative": (cite,)},
    )  # fmt: skip
    return shown, facts, summary


@pytest.fixture(scope="module")
def made():
    results, facts, summary = words.made()
    content = render.prepare(results, facts, summary, render.Presentation())
    return content, page.html(content), printing.pdf(content, "A4"), markdown.md(content)


@pytest.fixture(scope="module")
def attacked():
    return render.prepare(*hostile(), render.Presentation())


class Elements(HTMLParser):
    """Every element with its attributes, and the raw text of scripts and styles."""

    def __init__(self, source):
        super().__init__()
        self.found, self.raw, self.ids = [], [], []
        self.feed(source)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self.ids += [v for k, v in attrs if k == "id"]

    def handle_data(self, data):
        if self.found and self.found[-1][0] in ("script", "style") and data.strip():
            self.raw.append((*self.found[-1], data))


def test_the_page_asks_for_no_address_outside_itself(made):
    for tag, attrs in Elements(made[1]).found:
        for name in ("src", "href", "data", "action", "srcset", "poster", "xlink:href"):
            value = attrs.get(name, "")
            assert value.startswith(("#", "data:")) or not value, (tag, value[:80])
    style = re.search(r"<style>(.*?)</style>", made[1], re.DOTALL).group(1)
    assert set(re.findall(r"url\(\"([a-z]+:)", style)) == {"data:"}
    assert "@import" not in style


def test_the_policy_names_the_hash_of_every_script_and_style_and_allows_nothing_unsafe(made):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', made[1]).group(1)
    policy = policy.replace("&#39;", "'")
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy
    runs = re.findall(r"<script>(.*?)</script>", made[1], re.DOTALL) + re.findall(
        r"<style>(.*?)</style>", made[1], re.DOTALL
    )
    assert len(runs) == 3
    runs.append(bundle.javascript())  # which the page inserts once it is unpacked
    assert policy.count("sha256-") == len(runs)
    for source in runs:
        digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy


def test_no_element_has_an_inline_style_or_handler(made, attacked):
    for source in (made[1], page.html(attacked)):
        for tag, attrs in Elements(source).found:
            assert not [a for a in attrs if a == "style" or a.startswith("on")], (tag, attrs)


def test_the_ids_of_the_page_are_unique(made):
    ids = Elements(made[1]).ids
    assert len(ids) == len(set(ids))


def test_the_page_stays_small_with_all_its_fonts_and_scripts(made):
    assert len(made[1].encode()) < 700_000


def test_the_bundle_stands_in_the_page_once(made):
    assert page.opened(made[1]).count("window.vegaEmbed=") == 1
    assert "window.vegaEmbed=" not in made[1]
    assert made[1].count("<script>") == 2


def test_sentences_carry_their_facts_and_facts_their_ids(made):
    assert 'data-facts="errors.nested"' in made[1]
    assert re.search(r'<span class="fact" data-fact="errors\.nested">.{0,40}0\.\d\d', made[1])
    data = json.loads(re.search(r'id="data-facts">(.*?)</script>', made[1]).group(1))
    grid = made[0].results.grids[0].grid
    first, many = data["errors.peak"]["cells"]
    assert many == 1
    assert grid.value.ravel()[first] == grid.value.max()


def test_hostile_text_is_shown_and_makes_no_element(attacked):
    source = page.html(attacked)
    tags = {tag for tag, _ in Elements(source).found}
    assert "img" not in tags
    assert len(re.findall(r"<script", source)) == len(re.findall(r"</script", source)) == 6
    for packed in re.findall(r'<script type="text/plain"[^>]*>([^<]*)<', source):
        assert re.fullmatch(r"[A-Za-z0-9+/]+=*", packed)
    assert "{{ 7*7 }}" in source
    assert re.search(r"\\ud800.{0,40}\\u202eabc", source)
    assert "\ud800" not in source
    assert "\u202e" not in source
    assert "\x00" not in source
    source.encode("utf-8")


def test_hostile_text_is_shown_in_print_with_escapes_for_missing_glyphs(attacked):
    source = printing.html(attacked, Sizes("A4", attacked.blocks, frozenset()))
    assert all(re.fullmatch(r"drawn:\d+", v) for t, a in Elements(source).found for k, v in a.items() if k == "src")
    shown = "\n".join(p.extract_text() for p in pypdf.PdfReader(io.BytesIO(printing.pdf(attacked, "A4"))).pages)
    for piece in ("{{ 7*7 }}", r"\ud800", r"\u202eabc", r"\u4e2d\u6587", r"\U0001f600", "onerror=alert(1)>"):
        assert piece in shown.replace("\n", ""), piece


def test_hostile_text_is_no_markup_in_markdown(attacked):
    source = markdown.md(attacked)
    assert "<img" not in source
    assert not re.search(r"(?<!\\)\]\(", source)
    assert not re.search(r"(?<!\\)\[i", source)
    assert "http://" not in source
    assert "@all" not in source
    assert not re.search(r"(?<!\\)`|(?<!\\)\$", source)
    assert r"{{ 7\*7 }}" in source
    source.encode("utf-8")


@pytest.mark.parametrize("start", ["# x", "- x", "+ x", "1. x", "10) x", "=====", "-----"])
def test_text_at_the_start_of_a_line_makes_no_block_in_markdown(start):
    assert re.match(r"\\?[#+=-]?\d*\\", plain(start))


def test_numbers_and_names_read_as_they_stand_in_markdown():
    assert (
        plain("0.83 [0.79, 0.86] at exact_answer_last, -8 to -1") == "0.83 [0.79, 0.86] at exact_answer_last, -8 to -1"
    )


def test_the_markdown_says_what_the_page_says(made):
    content, _, _, source = made
    assert source.startswith(f"# {content.results.title}\n\n")
    for sentence in content.summary.abstract:
        assert sentence.text in source
    for section in content.summary.sections:
        assert f"## {section.title}" in source
    for sheet in content.sheets:
        assert f"**Table {sheet.number}.**" in source
    rows = [line for line in source.splitlines() if line.startswith("|")]
    assert all(line.endswith("|") for line in rows)


def test_no_line_breaks_inside_a_name_or_a_number():
    writer = Hypertext(["last_q", "-8"])
    shown = str(writer.words("AUROC 0.08 [\u22120.03, 0.19] at last_q, -8 and layers 10\u201318; 38\u00a0% of 1,000"))
    assert re.findall(r'<span class="nb">([^<]*)<', shown) == [
        "0.08", "[\u22120.03, 0.19]", "layers 10\u201318", "38\u00a0%", "1,000",
    ]  # fmt: skip
    assert re.findall(r'<span class="name">([^<]*)<', shown) == ["last_q", "-8"]


# ---------------------------------------------------------------- print


def test_the_first_page_answers_alone(made):
    reader = pypdf.PdfReader(io.BytesIO(made[2]))
    first = reader.pages[0].extract_text()
    for part in (made[0].results.title[:30], "Figure 1.", "Figure 2.", "Token position"):
        assert part in first
    assert "Overview" not in first


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_both_papers_have_their_size_and_page_numbers(made, paper):
    reader = pypdf.PdfReader(io.BytesIO(printing.pdf(made[0], paper)))
    width, height = (float(v) for v in reader.pages[0].mediabox[2:])
    assert (round(width), round(height)) == {"A4": (595, 842), "Letter": (612, 792)}[paper]
    n = len(reader.pages)
    assert all(f"{k} / {n}" in p.extract_text() for k, p in enumerate(reader.pages, 1))


def test_the_pdf_is_tagged_in_english_with_title_bookmarks_and_embedded_fonts(made):
    reader = pypdf.PdfReader(io.BytesIO(made[2]))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"].startswith("en")
    assert reader.metadata.title == made[0].results.title
    assert b"pdfuaid" in root["/Metadata"].get_data()
    assert len(reader.outline) >= 1
    fonts = {}
    for sheet in reader.pages:
        for font in sheet["/Resources"].get("/Font", {}).values():
            descendant = font.get_object()["/DescendantFonts"][0].get_object()
            fonts[font.get_object()["/BaseFont"]] = descendant["/FontDescriptor"]
    assert fonts
    assert all(re.match(r"/[A-Z]{6}\+Layergrid-", name) for name in fonts), fonts.keys()
    assert all("/FontFile2" in d.get_object() or "/FontFile3" in d.get_object() for d in fonts.values())


def test_figures_have_alternative_text_in_the_pdf(made):
    reader = pypdf.PdfReader(io.BytesIO(made[2]))
    found = []

    def walk(node):
        node = node.get_object()
        if isinstance(node, dict):
            if node.get("/S") == "/Figure":
                found.append(str(node.get("/Alt", "")))
            children = node.get("/K", [])
            for child in children if isinstance(children, list) else [children]:
                if not isinstance(child, int):
                    walk(child)

    walk(reader.trailer["/Root"]["/StructTreeRoot"])
    assert any(alt.startswith("Heatmap: AUROC is highest in layer") for alt in found)
    assert len(found) >= 3
    assert all(found)


def test_every_axis_label_stands_whole_in_the_text_of_the_pdf(made):
    shown = pypdf.PdfReader(io.BytesIO(made[2])).pages[0].extract_text()
    for name in synthetic.FIFTEEN:
        assert shown.count(name) >= 2, name


def test_charts_are_vectors_with_real_text(made):
    reader = pypdf.PdfReader(io.BytesIO(made[2]))
    for sheet in reader.pages:
        for thing in sheet["/Resources"].get("/XObject", {}).values():
            assert thing.get_object()["/Subtype"] != "/Image"


def test_an_address_outside_the_document_is_fatal():
    for address in (
        "http://example.invalid/x.png",
        "file:///etc/hostname",
        "bundled:../theme/__init__.py",
        "bundled:x",
    ):
        with pytest.raises(BuildError, match="may not reach outside"):
            Press().laid_out(f'<img src="{address}" alt="x">')


def test_a_drawing_has_the_same_bytes_whatever_was_drawn_before(made):
    one = made[0].blocks[1].figures[0]
    first = drawing.svg(one)
    drawing.svg(made[0].blocks[1].figures[1])
    assert drawing.svg(one) == first
    assert "clip" not in "".join(re.findall(r'id="([^"]*)"', first))


def test_wide_grids_put_the_profile_below_the_map_and_still_fit_the_page():
    names = tuple(f"position_{k}" for k in range(40))
    results, facts, summary = words.made(layers=4, positions=names, n=60)
    content = render.prepare(results, facts, summary, render.Presentation())
    widths = [f.width for f in content.blocks[1].figures]
    assert sum(widths) > 634
    assert max(widths) <= 896
    assert pypdf.PdfReader(io.BytesIO(printing.pdf(content, "Letter"))).pages


# ---------------------------------------------------------------- the same bytes, the same figures

SCRIPT = """
import hashlib, os, sys
sys.path.insert(0, {here!r})
import words
if sys.argv[1] == "2" and hasattr(os, "sched_setaffinity"):  # on one core nothing is made beside the PDF
    os.sched_setaffinity(0, set(list(os.sched_getaffinity(0))[:1]))
from layergrid import render
d = render.render(*words.made(layers=5, n=120), render.Presentation(paper="A4"))
print(*(hashlib.sha256(x).hexdigest() for x in (d.html.encode(), d.pdf, d.md.encode())))
heavy = {{"torch", "transformers", "sklearn", "pandas"}} & set(sys.modules)
print(sorted(heavy))
"""


def test_two_processes_write_the_same_bytes_and_load_no_model_library():
    seen = set()
    for seed in ("1", "2"):
        env = {**os.environ, "PYTHONHASHSEED": seed, "SOURCE_DATE_EPOCH": ""}
        script = SCRIPT.format(here=str(HERE))
        done = subprocess.run([sys.executable, "-c", script, seed], capture_output=True, text=True, env=env, check=True)
        seen.add(done.stdout)
    assert len(seen) == 1
    assert seen.pop().endswith("[]\n")


def test_rerender_gives_the_text_documents_again(made):
    results, facts, summary = words.made()
    again = render.rerender(results, facts, summary, render.Presentation())
    assert again == {"report.html": made[1], "report.md": made[3]}


def test_only_the_documents_asked_for_are_made():
    documents = render.render(*words.made(n=60), render.Presentation(outputs=("md",)))
    assert documents.md
    assert documents.html is None
    assert documents.pdf is None


def test_a_presentation_is_saved_and_read_again(tmp_path):
    shown = render.Presentation("paper", "Letter", ("html",), ({"kind": "heatmap", "tick": 4},), 1, "bottom")
    render.write_presentation(shown, tmp_path)
    assert render.read_presentation(tmp_path) == shown
    (tmp_path / "results" / "presentation.json").write_text("[]")
    with pytest.raises(BuildError, match="build the report again"):
        render.read_presentation(tmp_path)


def test_figures_of_a_spec_take_the_place_of_the_default_ones_and_more_follow():
    results = synthetic.results(n=60)
    asked = ({"kind": "heatmap", "grid": "errors", "tick": 4}, {"kind": "heatmap", "domain": [0.4, 0.9]})
    chosen = figures.chosen(results, asked, 1, "bottom")
    assert [c.kind for c in chosen] == ["tokens", "heatmap", "profile", "heatmap"]
    assert (chosen[1].tick, chosen[1].layers_from, chosen[1].layer_order) == (4, 1, "bottom")
    drawn = figures.draw(chosen, results, theme.load("paper"))
    assert [f.name for f in drawn] == ["tokens", "errors.heatmap", "errors.profile", "errors.heatmap.2"]
    blocks = figures.arrange(drawn, words.described(results)[1])
    assert [len(b.figures) for b in blocks] == [1, 2, 1]
    assert blocks[2].captions[0][1] == blocks[1].captions[0][1]


def test_an_unknown_figure_names_the_nearest_kind():
    with pytest.raises(BadInput, match="did you mean 'heatmap'"):
        figures.chosen(synthetic.results(n=60), ({"kind": "heatmpa"},), 0, "top")
    with pytest.raises(BadInput, match="figures: heatmap: ticks"):
        figures.chosen(synthetic.results(n=60), ({"kind": "heatmap", "ticks": 2},), 0, "top")


def test_results_without_grids_or_examples_still_make_documents():
    results = replace(synthetic.results(n=60), grids=(), illustrations=(), tables=())
    _, summary = words.described(synthetic.results(n=60))
    documents = render.render(results, (), summary, render.Presentation())
    assert "Provenance" in documents.html
    assert documents.pdf.startswith(b"%PDF")


def test_two_models_on_one_data_set_each_show_their_own_rows():
    results, facts, summary = words.made(n=60)
    one = results.grids[0]
    settings = {**one.grid.settings, "rows": 41, "dropped_correct": 5, "dropped_wrong": 14}
    two = replace(one, grid=replace(one.grid, name="second", model="large", settings=settings))
    results = replace(results, data=(*results.data, replace(results.data[0], model="large")), grids=(one, two))
    content = render.prepare(results, facts, summary, render.Presentation())
    rows = next(sheet.rows for sheet in content.sheets if sheet.key == "balance")
    assert [(row[0], *row[-2:]) for row in rows] == [("sums (tiny)", "10 / 28", "60"), ("sums (large)", "5 / 14", "41")]


def test_the_fingerprint_follows_the_theme():
    def of(name, written=""):
        return render.fingerprint(render.Presentation(theme=name, theme_file=written))

    assert of("paper") == of("paper") != of("other")
    assert of("a.yaml", "name: a") != of("a.yaml", "name: b")


def test_a_machine_without_any_font_still_prints_in_the_bundled_ones(tmp_path):
    """Without any font of its own the PDF library may crash: the bundled faces must be enough, with no system font."""
    config = tmp_path / "fonts.conf"
    config.write_text(f"<?xml version='1.0'?><fontconfig><cachedir>{tmp_path}/cache</cachedir></fontconfig>")
    script = "import sys, warnings; warnings.simplefilter('ignore'); from layergrid.render import press\n"
    script += "from layergrid.theme import faces; machine = press.Press(faces.print_css(press.BUNDLED))\n"
    script += "style = 'p { font-family: \"Layergrid Noto Serif\" }'\n"
    script += "made = machine.laid_out('<html lang=en><title>t</title><p>words', style)\n"
    script += "sys.stdout.buffer.write(machine.written(made))"
    env = {**os.environ, "FONTCONFIG_FILE": str(config)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=env, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (sheet,) = pypdf.PdfReader(io.BytesIO(done.stdout)).pages
    assert sheet.extract_text().strip() == "words"
    assert [f.get_object()["/BaseFont"][8:] for f in sheet["/Resources"]["/Font"].values()] == ["Layergrid-Noto-Serif"]


def test_no_line_of_print_ends_after_its_first_word(made):
    """Text that ends in a blank before a name and just fills the line was once broken at its first word."""
    from weasyprint.formatting_structure import boxes

    said = "In the grid likeness, all 54 cells stand above the cosine of mismatched examples, by the widest margin at"
    writer = Hypertext(["exact_answer_last"], printing.printed, paper=True)
    paragraph = writer.words(f"{said} exact_answer_last in layer 5, 0.78 against 0.29.")
    press = Press(faces.print_css(BUNDLED), printing.styles(made[0], "A4"))
    for k in range(-2, 7):
        page_ = f"@page :first {{ size: {faces.width(said, 'serif', 12.8) + 0.5 * k:.2f}px 400pt; margin: 0 }}"
        laid = press.laid_out(f"<html lang=en><title>t</title><p>{paragraph}</p>", page_)
        first = next(box for box in laid.pages[0]._page_box.descendants() if isinstance(box, boxes.LineBox))
        assert len("".join(b.text for b in first.descendants() if isinstance(b, boxes.TextBox))) > 60, k

from __future__ import annotations

import re
import shutil
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import described
import synthetic
from building import SPEC, build, child, run, tree
from layergrid import comparing, publish, theme
from layergrid.artifacts import ExpectationResult
from layergrid.kinds import BadInput, BuildError
from layergrid.pipeline import index
from layergrid.render.index import MARK, Entry, html, shades
from layergrid.render.picture import picture
from test_comparing import TWO, whole
from test_page_access import violations
from test_verify import built

HOSTILE = "</script><img src=x onerror=alert(1)> {{ 7 * 7 }} \"'&"
STOPS = {"blues": 17, "rdbu": 21}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder of two builds, one comparison, a folder that is no report and one that is damaged."""
    home = tmp_path_factory.mktemp("reports")
    one = synthetic.grid_result(layers=4, n=160, positions=synthetic.FIFTEEN[:7])
    other = synthetic.grid_result(layers=4, n=160, positions=synthetic.FIFTEEN[:7], strength=1.5)
    built(whole(one), home / "sums")
    built(described.everything(), home / "more" / "states")
    both = built(comparing.compare(whole(one), whole(other), TWO, "both"), home / "both")
    publish.write_manifest(both, {"kind": "diff"}, {})
    (home / "notes").mkdir()
    (home / "notes" / "read me.txt").write_text("mine")
    shutil.copytree(home / "sums", home / "torn")
    (home / "torn" / "results" / "results.json").write_text('{"format": 1')
    return home


@pytest.fixture
def reports(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "reports"))


def listed(folder: Path) -> str:
    return index.write(folder).read_text(encoding="utf-8")


def plain(page: str) -> str:
    """The words of the page."""
    body = re.sub(r"</?(?:span|wbr)[^>]*>", "", page.split("<body>")[1])
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


# ---------------------------------------------------------------- what is listed


def test_every_report_is_listed_with_its_finding_key_figures_and_links(reports):
    page = listed(reports)
    said = plain(page)
    assert "Where does a small model know that its answer is wrong?" in said
    assert "AUROC by layer and token position" in said
    assert re.search(r"nested AUROC, 95 % interval [\d.]+\N{EN DASH}[\d.]+, n = 160", said)
    assert 'href="./sums/report.html"' in page
    assert 'href="./sums/report.md"' in page
    assert 'href="./sums/grids/errors.csv"' in page
    assert "report.pdf" not in page  # which these reports do not have
    assert 'href="./more/states/report.html"' in page
    assert "sums, 438 examples" in said


def test_comparisons_and_damaged_folders_stand_in_groups_of_their_own(reports):
    said = plain(listed(reports))
    builds, rest = said.split("Comparisons 1")
    comparisons, wrong = rest.split("Folders that hold no whole report 2")
    assert "Builds 2" in builds
    assert "branch against main" in comparisons
    assert "notes is no report: it has no manifest.json." in wrong
    assert "torn is damaged: results/results.json cannot be read; build it again." in wrong


def test_reports_stand_in_the_order_of_their_names(reports):
    for name in ("b", "a", "c/b"):
        shutil.copytree(reports / "sums", reports / name)
    page = listed(reports)
    found = re.findall(r'<p class="folder">([^<]*)</p>', page)
    assert found == ["a", "b", "c/b", "more/states", "sums", "both"]


@pytest.mark.parametrize(
    ("met", "said"),
    [((True,), "expectation met"), ((True, True), "all two expectations met"),
     ((True, False), "one expectation of two not met"), ((False,), "expectation not met")],
)  # fmt: skip
def test_expectations_are_told(met, said, tmp_path):
    judged = tuple(ExpectationResult("errors: at least 0.7", one, 0.8, 0.7) for one in met)
    folder = built(replace(synthetic.results(layers=2, n=80), expectations=judged), tmp_path / "r")
    publish.write_manifest(folder, {"expectations": [{"met": one} for one in met]}, {})
    assert said in plain(listed(tmp_path))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("manifest.json", "{}", "manifest.json is not what layergrid writes"),
        ("manifest.json", "[" * 100_000, "damaged"),
        ("facts.json", None, "facts.json is missing"),
        ("facts.json", "[]", "facts.json is not what layergrid writes"),
        ("facts.json", '{"sentences": 3}', "is damaged"),
        ("results/results.json", None, "results/results.json is missing"),
        ("results/results.json", '{"grids": [{}]}', "is damaged"),
        ("grids/errors.csv", None, "grids/errors.csv cannot be read"),
        ("grids/errors.csv", "layer,value\n0,1\n", "does not hold the cells of its grid"),
    ],
)
def test_a_damaged_report_is_listed_with_what_is_wrong(reports, file, content, said):
    path = reports / "sums" / file
    path.unlink() if content is None else path.write_text(content)
    text = plain(listed(reports))
    assert said in text.split("Folders that hold no whole report 3")[1]
    assert "more/states" in text


def test_an_empty_folder_says_so(tmp_path):
    assert "No report lies in this folder yet." in plain(listed(tmp_path))


def test_a_report_whose_cells_are_all_without_values_has_a_bare_map(tmp_path):
    one = synthetic.grid_result(layers=2, n=60, positions=("last_q", "-1"))
    cells = np.full_like(one.held_out.cells, np.nan)
    empty = synthetic.from_scores(replace(one.held_out, cells=cells), "errors", (0, 1), ("last_q", "-1"))
    built(whole(empty), tmp_path / "empty")
    page = listed(tmp_path)
    assert "without values" in page
    assert "<path" not in page


def test_names_and_titles_are_inert(tmp_path):
    name = HOSTILE.replace("/", "")
    folder = tmp_path / name
    built(replace(synthetic.results(layers=2, n=80), title=HOSTILE), folder)
    (tmp_path / "javascript:alert(1)").mkdir()
    page = listed(tmp_path)
    assert "<img src=x" not in page
    assert "{{ 7 * 7 }}" in page
    assert not re.findall(r'(?:href|src)="(?!\./|#|data:)', page)


def test_a_name_that_is_no_text_is_shown_by_its_escapes(tmp_path):
    if sys.platform == "darwin":
        pytest.skip("names of files are always text there")
    built(synthetic.results(layers=2, n=80), tmp_path / "b").rename(tmp_path / "b\udcff")
    page = listed(tmp_path)
    assert "b\\udcff" in page
    assert 'href="./b%FF/report.html"' in page


# ---------------------------------------------------------------- the picture


def test_every_cell_is_drawn_once_in_the_colour_of_its_value():
    values = np.array([[0.5, 1.0, np.nan], [0.75, 0.75, 0.4]])
    found = picture(values, "", STOPS, 0.5, 1.0, False)
    assert (found.width, found.height, found.scheme) == (3, 2, "blues")
    assert found.paths == ((0, "M0 0h1v1h-1zM2 1h1v1h-1z"), (8, "M0 1h2v1h-2z"), (16, "M1 0h1v1h-1z"))


def test_a_contrast_has_a_scheme_of_two_sides():
    found = picture(np.array([[-1.0, 0.0, 0.5]]), "", STOPS, 0.0, None, True)
    assert found.scheme == "rdbu"
    assert [stop for stop, _ in found.paths] == [0, 10, 15]


def test_a_map_of_many_cells_becomes_blocks():
    found = picture(np.random.default_rng(0).random((80, 200)), "", STOPS, None, None, False)
    assert (found.width, found.height) == (50, 40)
    assert sum(len(path) for _, path in found.paths) < 60_000


def test_shades_keep_the_stops_and_add_what_lies_between():
    assert shades(["#000000", "#ffffff"]) == ("#000000", "#7f7f7f", "#ffffff")
    stops = theme.load("paper").schemes["blues"][0]
    assert shades(stops)[::2] == stops


# ---------------------------------------------------------------- the file


def test_the_same_reports_give_the_same_bytes_wherever_they_lie(reports, tmp_path):
    first = listed(reports)
    moved = shutil.copytree(reports, tmp_path / "elsewhere", ignore=shutil.ignore_patterns("index.html"))
    assert listed(Path(moved)) == first
    assert str(tmp_path) not in first


def test_a_list_that_is_as_it_was_is_not_written_again(reports):
    path = index.write(reports)
    before = path.stat().st_mtime_ns
    index.write(reports)
    assert path.stat().st_mtime_ns == before


def test_a_page_that_is_not_ours_is_left_as_it_is(reports):
    (reports / "index.html").write_text("<p>mine</p>")
    with pytest.raises(BadInput, match="was not written by layergrid"):
        index.write(reports)
    assert (reports / "index.html").read_text() == "<p>mine</p>"
    assert "was not written by layergrid" in index.refreshed(reports)


def test_a_link_in_place_of_the_page_is_left_as_it_is(reports, tmp_path):
    (tmp_path / "target").write_text("mine")
    (reports / "index.html").symlink_to(tmp_path / "target")
    assert index.refreshed(reports)
    assert (tmp_path / "target").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_a_note(reports, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.mkstemp", refused)
    with pytest.raises(BuildError, match="cannot be written"):
        index.write(reports)
    assert "cannot be written" in index.refreshed(reports)


def test_many_builds_at_once_leave_one_whole_page(reports):
    faults: list[str] = []
    threads = [threading.Thread(target=lambda: faults.append(index.refreshed(reports))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(faults) == {""}
    page = (reports / "index.html").read_text(encoding="utf-8")
    assert MARK in page
    assert page.endswith("</html>\n")
    assert not [path.name for path in reports.iterdir() if path.name.startswith(".index")]


def test_links_and_hidden_folders_are_not_followed(reports):
    (reports / "again").symlink_to(reports / "sums", target_is_directory=True)
    shutil.copytree(reports / "sums", reports / ".sums-old")
    assert ">again<" not in listed(reports)
    assert ".sums-old" not in listed(reports)


# ---------------------------------------------------------------- the commands


def test_the_command_writes_the_page_and_loads_nothing_heavy(reports):
    ran = child("index", reports)
    assert ran.code == 0, ran.err
    assert ran.out == f"{reports / 'index.html'}\n"
    assert ran.imported == ()


@pytest.mark.parametrize("library", ["altair", "weasyprint", "pyarrow", "vl_convert"])
def test_the_list_needs_no_library_that_draws(reports, library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    assert index.write(reports).is_file()


def test_a_folder_that_is_not_there_is_a_mistake(tmp_path):
    ran = run("index", tmp_path / "none")
    assert ran.code == 2
    assert "there is no such folder" in ran.err


@pytest.mark.slow
def test_a_build_refreshes_the_list_of_its_folder(tmp_path):
    study = build(tmp_path, SPEC)
    assert study.ran.code == 0, study.ran.err
    page = (tmp_path / "reports" / "index.html").read_text(encoding="utf-8")
    assert "A small report" in page
    before = tree(tmp_path / "reports")
    (tmp_path / "reports" / "index.html").write_text("mine")
    again = build(tmp_path, SPEC)
    assert again.ran.code == 0
    assert "was not written by layergrid" in again.ran.err
    assert {k: v for k, v in tree(tmp_path / "reports").items() if k != "index.html"} == {
        k: v for k, v in before.items() if k != "index.html"
    }


# ---------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def shown(original, tmp_path_factory):
    folder = Path(shutil.copytree(original, tmp_path_factory.mktemp("shown") / "reports"))
    built(replace(synthetic.results(layers=2, n=80), title=HOSTILE + " word" * 30), folder / ("long" * 30))
    return index.write(folder)


@pytest.mark.parametrize("width", [400, 1280, 2000])
@pytest.mark.parametrize("dark", [False, True])
def test_the_page_fits_every_width_and_asks_for_nothing(browser, shown, width, dark):
    browser.open(shown, width=width, dark=dark)
    assert browser.complaints == []
    assert [address for address in browser.asked if not address.startswith(("file:", "data:"))] == []
    assert browser.value("document.documentElement.scrollWidth") <= width
    ground = browser.value("getComputedStyle(document.documentElement).backgroundColor")
    assert ground == ("rgb(19, 23, 28)" if dark else "rgb(255, 255, 255)")
    fills = browser.value("[...document.querySelectorAll('path')].map(p => getComputedStyle(p).fill)")
    assert fills
    assert "rgb(0, 0, 0)" not in fills


@pytest.mark.parametrize("width", [400, 1280])
@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious_in_the_list(browser, shown, width, dark):
    browser.open(shown, width=width, dark=dark)
    assert violations(browser) == []


def test_the_keyboard_reaches_every_report(browser, shown):
    browser.open(shown, width=1280)
    reached = browser.value("[...document.querySelectorAll('h3 a')].every(a => a.tabIndex === 0)")
    assert reached
    assert browser.value("document.querySelectorAll('h3 a').length") == 4


def test_the_policy_allows_no_script(shown):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', shown.read_text(encoding="utf-8"))[1]
    assert policy.startswith("default-src &#39;none&#39;; style-src &#39;sha256-")
    assert "script-src" not in policy


def test_entries_of_equal_content_in_another_order_give_the_same_page():
    entries = [Entry("b", problem="is no report"), Entry("a", title="A", documents=("html",))]
    assert html(entries, theme.load("paper")) == html(entries[::-1], theme.load("paper"))

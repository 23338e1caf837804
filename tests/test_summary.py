"""The Markdown that CI shows: what it holds, what a stranger's spec cannot make of it, and how long it may be."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import synthetic
from building import run
from layergrid import archive, expectations, facts, prose, publish
from layergrid.artifacts import ExpectationResult, Results
from layergrid.kinds import BadInput
from layergrid.pipeline.summary import JOINER, MOST, escaped, in_html, summary
from layergrid.spec import Expectation

GOLDEN = Path(__file__).parent / "golden" / "summary.md"
HOSTILE = (
    "<!-- layergrid -->", "<!-- layergrid nightly -->", "<script>alert(1)</script>", "</details><h1>x</h1>", "@octocat",
    "mail me@example.org",
    "fixes #12", "GH-12", "owner/name#3", "[x](https://evil.example)", "![x](//evil.example)",
    "https://evil.example", "www.evil.example", "| a | b |", "a|b", "# heading",
    "**bold** `code` _x_", "a\n\n## b\n- c",
    "&#64;octocat", "&lt;!-- layergrid --&gt;", "\\@octocat", "`@octocat`", "$$x$$", "a\u202eb", "x](https://evil.example)",
    "- [ ] task", "</summary>@octocat", ":tada:", "\x1b[31m",
)  # fmt: skip


def written(folder: Path, results: Results, **build) -> Path:
    """A report's folder as far as a summary reads it."""
    archive.write(results, folder)
    found = facts.derive(results)
    (folder / "facts.json").write_text(facts.to_json(found, prose.summarise(results, found)), encoding="utf-8")
    judged = [expectations.as_json(one) for one in results.expectations]
    publish.write_manifest(folder, {"expectations": judged, **build}, {})
    return folder


def results(seed: int = 0, title: str = "Where errors show", strength: float = 1.0, asked: tuple = ()) -> Results:
    one = synthetic.grid_result(layers=4, n=200, seed=seed, strength=strength)
    found = replace(synthetic.results(layers=2, n=80), grids=(one,), title=title, spec_name="arithmetic")
    specs = tuple(Expectation.model_validate({"grid": "errors", **each}) for each in asked)
    return replace(found, expectations=expectations.judge(specs, found))


ASKED = (
    {"nested_best": {"at_least": 0.5, "by": "low"}},
    {"nested_best": {"at_least": 0.99}, "because": "The paper claims it."},
    {"rows": {"at_least": 500}, "name": "enough rows"},
)


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """Reports of a branch, one of which was not built, and those of its base."""
    home = tmp_path_factory.mktemp("two")
    written(home / "branch" / "arithmetic", results(asked=ASKED))
    written(home / "branch" / "plain", results(seed=1, title="Without expectations"))
    base = results()
    held = base.grids[0].held_out
    scores = held.cells.copy()
    scores[2, 5] -= 0.4 * held.labels
    earlier = synthetic.from_scores(replace(held, cells=scores), "errors", base.grids[0].grid.layers, synthetic.FIFTEEN)
    written(home / "base" / "arithmetic", replace(base, grids=(earlier,)))
    return home


def test_the_summary_is_that_of_the_golden_file(two):
    folders = [two / "branch" / name for name in ("arithmetic", "plain", "broken")]
    made = summary(folders, two / "base", "https://example.org/{name}/report.html")
    assert made == GOLDEN.read_text(encoding="utf-8"), "look at the difference, then write the golden file anew"
    assert made == summary(folders, two / "base", "https://example.org/{name}/report.html")


def test_the_first_line_is_the_marker_and_may_have_a_name(two):
    folder = two / "branch" / "plain"
    assert summary([folder]).splitlines()[0] == "<!-- layergrid -->"
    assert summary([folder], marker="nightly").splitlines()[0] == "<!-- layergrid nightly -->"
    for wrong in ("-->", "a b", "x" * 65, "a\n"):
        with pytest.raises(BadInput, match="--marker"):
            summary([folder], marker=wrong)


def test_a_change_is_the_paired_difference_of_the_nested_bests(two):
    a, b = (archive.read(two / side / "arithmetic") for side in ("base", "branch"))
    line = next(
        one for one in summary([two / "branch" / "arithmetic"], two / "base").splitlines() if "nested AUROC" in one
    )
    change = b.grids[0].selection.estimate.value - a.grids[0].selection.estimate.value
    shown = re.search(r"\| ([+\u2212][0-9.]+) \[(.+), (.+)\], paired, n = 200 \|", line)
    assert shown is not None, line
    assert float(shown[1].replace("\u2212", "-")) == pytest.approx(change, abs=0.005)
    alone = summary([two / "branch" / "arithmetic"], two / "base" / "arithmetic")
    assert line in alone
    assert "| new: there is none to compare with |" in summary([two / "branch" / "plain"], two / "base")
    assert "| unchanged |" in summary([two / "branch" / "plain"], two / "branch")


def test_reports_that_are_missing_failed_or_damaged_are_named(two, tmp_path):
    empty, damaged = tmp_path / "empty", tmp_path / "damaged"
    empty.mkdir()
    shutil.copytree(two / "branch" / "plain", damaged)
    (damaged / "facts.json").write_text("[]", encoding="utf-8")
    made = summary([tmp_path / "gone", empty, damaged])
    assert "| gone | ❌ failed | is missing: it was not built |" in made
    assert "| empty | ❌ failed | failed to build, or is no report: it has no manifest that can be read |" in made
    assert "| damaged | ❌ failed | is damaged: its files do not hold what a report holds |" in made
    assert "3 failed or missing" in made
    assert "| branch | ❌ failed | is a folder of reports; name each report in it |" in summary([two / "branch"])
    assert str(tmp_path) not in made


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_that_a_spec_says_becomes_markdown_html_a_mention_or_the_marker(text, two, tmp_path):
    folder = Path(shutil.copytree(two / "branch" / "plain", tmp_path / "x"))
    judged = expectations.as_json(ExpectationResult(text, False, 0.5, 0.6, name=text, because=text))
    for name, part, fields in (("results/results.json", "", {"title": text}),
                               ("manifest.json", "build", {"expectations": [judged]})):  # fmt: skip
        card = json.loads((folder / name).read_text(encoding="utf-8"))
        (card[part] if part else card).update(fields)
        (folder / name).write_text(json.dumps(card), encoding="utf-8")
    made = summary([folder])
    head, rest = made.split("\n", 1)
    assert head == "<!-- layergrid -->"
    assert "<!--" not in rest
    assert set(re.findall(r"</?([a-zA-Z][a-z0-9]*)", rest)) == {"details", "summary"}
    assert rest.count("<details>") == rest.count("</details>") == rest.count("</summary>") == 1
    for wrong in (r"@\w", r"(?<!&)#\d", r"\bgh-\d", r"https?://", r"\bwww\.", r"(?<!\\)\]\(", r"!\["):
        assert re.search(wrong, rest, re.IGNORECASE) is None, (wrong, rest)
    outside = [line for line in rest.splitlines() if line.startswith("#")]
    assert len(outside) == 2
    for line in rest.splitlines():
        if line.startswith("| x |") and "not met" not in line:
            assert len(re.findall(r"(?<!\\)\|", line)) == 4


def test_a_folders_name_breaks_no_link(tmp_path):
    folder = written(tmp_path / "a](b) [c", results())
    made = summary([folder], link="https://example.org/{name}")
    assert "| [a&#93;(b) &#91;c](https://example.org/a%5D%28b%29%20%5Bc) |" in made


def test_only_an_address_of_the_web_is_linked_to(two):
    for wrong in ("javascript:alert(1)", "https://x y", "https://x)[", "file:///etc/passwd", "https://x\n"):
        with pytest.raises(BadInput, match="--link"):
            summary([two / "branch" / "plain"], link=wrong)


def test_mentions_are_kept_apart_in_markdown_and_in_html():
    for shown in (escaped("@octocat #12"), in_html("@octocat #12")):
        assert shown == f"@{JOINER}octocat #{JOINER}12"
    assert len(escaped("word " * 200)) <= 300
    assert in_html("<b>&") == "&lt;b&gt;&amp;"


def many(folder: Path, reports: int, unmet: int, met: int) -> list[Path]:
    """Reports by their manifests, with long sentences."""
    base = written(folder / "one", results())
    card = json.loads((base / "manifest.json").read_text(encoding="utf-8"))
    found = []
    for i in range(reports):
        one = Path(shutil.copytree(base, folder / f"r{i}"))
        judged = [
            expectations.as_json(ExpectationResult(f"number {i}.{k} {'long ' * 20}", k >= unmet, 0.5, 0.6))
            for k in range(unmet + met)
        ]
        card["build"]["expectations"] = judged
        (one / "manifest.json").write_text(json.dumps(card), encoding="utf-8")
        found.append(one)
    return found


def test_details_are_shortened_before_any_failure_is_left_out(tmp_path):
    made = summary(many(tmp_path, 20, 8, 25))
    assert len(made) <= MOST
    for i in range(20):
        for k in range(8):
            assert f"❌ number {i}.{k} " in made
    assert "✅ number" not in made
    some = summary(many(tmp_path / "some", 20, 1, 10))
    assert len(some) <= MOST
    assert some.count("✅ number") == 200
    assert 0 < some.count("are decodable with AUROC") <= 20


def test_what_cannot_fit_at_all_says_how_much_is_left_out(tmp_path):
    made = summary(many(tmp_path, 20, 30, 0))
    assert len(made) <= MOST
    assert re.search(r"\n[0-9]+ lines are left out, as there is no room for them\.\n$", made)


def test_the_command_prints_it_and_ends_with_0_without_torch(two):
    ran = run("summary", two / "branch" / "arithmetic", "--against", two / "base", "--marker", "nightly")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "<!-- layergrid nightly -->")
    assert run("summary", two / "branch" / "arithmetic", "--link", "ftp://x").code == 2

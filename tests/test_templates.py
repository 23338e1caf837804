"""A user's own templates: they take the place of those that ship, mistakes are told, and they can do no harm."""

from __future__ import annotations

import io
import os
import re
import time
from dataclasses import fields, is_dataclass
from pathlib import Path

import pypdf
import pytest

import words
from layergrid import render
from layergrid.kinds import BadInput, BuildError
from layergrid.render import markdown, overriding, page, printing, sandbox
from layergrid.render.environment import environment

ABSTRACT = "blocks/abstract.html.j2"


@pytest.fixture(scope="module")
def report():
    return words.made()


def shown(report, **templates):
    """The content of a report with templates by name, checked as those of a folder are."""
    own = {name.replace("__", "/"): written for name, written in templates.items()}
    overriding.check(own)
    return render.prepare(*report, render.Presentation(templates=own))


def drawn(report, written, name=ABSTRACT):
    """The page with one template of the user's."""
    return page.html(shown(report, **{name: written}))


def folder(home: Path, **files: str | bytes) -> Path:
    for name, written in files.items():
        path = home / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(written if isinstance(written, bytes) else written.encode())
    return home / "mine"


# ---------------------------------------------------------------- what they do


def test_a_block_of_the_users_stands_in_the_page_and_in_the_pdf_and_nothing_else_changes(report, tmp_path):
    content = shown(report, **{ABSTRACT: '<p class="mine">In short: {{ content.results.title|words }}.</p>'})
    plain = page.html(render.prepare(*report, render.Presentation()))
    made = page.html(content)
    assert '<p class="mine">In short: ' in made
    assert '<div class="abstract">' not in made or '<div class="abstract">' not in plain
    assert made.count("<figure") == plain.count("<figure") > 0
    (tmp_path / "made.pdf").write_bytes(printing.pdf(content, "A4"))
    assert "In short: " in pypdf.PdfReader(tmp_path / "made.pdf").pages[0].extract_text()


def test_a_document_may_extend_the_one_that_ships_and_override_a_block_and_what_was_there_stays_with_super(report):
    made = drawn(
        report,
        '{% extends "layergrid/body.html.j2" %}\n{% block abstract %}<p>before</p>{{ super() }}{% endblock %}\n',
        "body.html.j2",
    )
    assert re.search(r'<p>before</p>\s*<(section|div)[^>]* class="abstract"', made)


def test_templates_of_the_users_own_may_be_included_by_name(report):
    content = shown(
        report,
        **{
            ABSTRACT: "{% for one in [1, 2] %}{% include 'own/part.j2' %}{% endfor %}",
            "own/part.j2": "<i>n{{ one }}</i>",
        },
    )
    assert "<i>n1</i><i>n2</i>" in page.html(content)


def test_styles_and_macros_and_markdown_are_overridden_alike(report):
    content = shown(
        report,
        **{
            "report.css.j2": '{% include "layergrid/report.css.j2" %}\nh1 { color: rebeccapurple; }\n',
            "print.css.j2": '{% include "layergrid/print.css.j2" %}\nh1 { color: #663399; }\n',
            "report.md.j2": '{% extends "layergrid/report.md.j2" %}'
            "{% block provenance %}{{ content.results.title|plain }}!{% endblock %}",
            "macros.html.j2": '{% import "layergrid/macros.html.j2" as base with context %}'
            "{% set section, sheet, entry, passage = base.section, base.sheet, base.entry, base.passage %}"
            "{% macro caption(block) %}<figcaption>FIG {{ block.number }}</figcaption>{% endmacro %}",
        },
    )
    made = page.html(content)
    assert "h1 { color: rebeccapurple; }" in made
    assert "FIG 1" in made
    assert "color: #663399" in printing.styles(content, "A4")
    assert markdown.md(content).rstrip().endswith("!")


def test_a_report_keeps_its_templates_and_its_fingerprint_follows_them(report, tmp_path):
    one = render.Presentation(templates={ABSTRACT: "<p>one</p>"})
    two = render.Presentation(templates={ABSTRACT: "<p>two</p>"})
    render.write_presentation(one, tmp_path)
    assert render.read_presentation(tmp_path) == one
    assert len({render.fingerprint(shown) for shown in (one, two, render.Presentation())}) == 3
    assert "<p>one</p>" in render.render(*report, render.Presentation(outputs=("html",), templates=one.templates)).html


def test_the_same_templates_give_the_same_bytes_twice_also_where_they_go_through_a_set(report):
    written = "{% for name in content.names %}<i>{{ name }}</i>{% endfor %}{{ content.names|join(' ') }}"
    made = drawn(report, written)
    names = sorted(render.prepare(*report, render.Presentation()).names)
    assert "".join(f"<i>{name}</i>" for name in names) + " ".join(names) in made
    assert made == drawn(report, written)


def test_text_of_the_data_is_escaped_in_a_users_template_as_in_those_that_ship(report):
    results, facts, summary = report
    from dataclasses import replace

    hostile = replace(results, title="<img src=x onerror=alert(1)>")
    made = drawn((hostile, facts, summary), "<p>{{ content.results.title }}{{ '<b>' ~ content.results.title }}</p>")
    assert "<img" not in made
    assert "&lt;img src=x" in made


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"blocks/abstrct.html.j2": "x"}, "blocks/abstrct.html.j2: takes no template's place, and none includes it; "
         "did you mean blocks/abstract.html.j2?"),
        ({"README.md": "x"}, "README.md: takes no template's place"),
        ({ABSTRACT: "{% if %}"}, "blocks/abstract.html.j2:1: Expected an expression"),
        ({ABSTRACT: "\n\n{% for x in y %}"}, "blocks/abstract.html.j2:3: Unexpected end of template"),
        ({ABSTRACT: "a\n{% if content %}{{ content|wrods }}{% endif %}"},
         "blocks/abstract.html.j2:2: there is no filter 'wrods'; did you mean 'words'?"),
        ({ABSTRACT: "{{ 1 is primee }}"}, "abstract.html.j2:1: No test named 'primee'"),
        ({ABSTRACT: "\n{% include 'blocks/titel.html.j2' %}"},
         "abstract.html.j2:2: there is no template 'blocks/titel.html.j2'; did you mean 'blocks/title.html.j2'?"),
        ({ABSTRACT: "{% include '/etc/passwd' %}"}, "'/etc/passwd' leads out of the folder"),
        ({ABSTRACT: "{% include '../secret.j2' %}"}, "'../secret.j2' leads out of the folder"),
        ({ABSTRACT: "{% include 'blocks/abstract.html.j2' %}"},
         'names itself; the one that ships is "layergrid/blocks/abstract.html.j2"'),
        ({"body.html.j2": "{% extends 'layergrid/body.html.j2' %}\n{% block abstrat %}{% endblock %}"},
         "body.html.j2:2: layergrid/body.html.j2 has no block 'abstrat'; did you mean 'abstract'?"),
        ({"body.html.j2": "{% extends 'layergrid/body.html.j2' %}\n\nHello"},
         "body.html.j2:3: stands outside of every block"),
        ({"body.html.j2": "{% extends content.x %}"}, "extends what is not known before"),
        ({"body.html.j2": "{% extends 'a.j2' %}", "a.j2": "{% extends 'body.html.j2' %}"}, "extend"),
        ({ABSTRACT: "{% for x in [] recursive %}{% endfor %}"}, "a loop may not be recursive"),
        ({ABSTRACT: b"\xff\xfe"}, "abstract.html.j2: is no UTF-8"),
        ({"logo.png": b"\x89PNG\r\n\x1a\n"}, "only templates, texts in UTF-8, may lie in this folder"),
        ({ABSTRACT: "{% for a in [1] %}" * 25 + "{% endfor %}" * 25}, "abstract.html.j2: loops, conditions or brackets "
         "are nested too deeply"),
        ({ABSTRACT: "{% if 1 %}" * 120 + "{% endif %}" * 120}, "nested too deeply; nest less"),
        ({ABSTRACT: "{{ " + "-" * 3000 + "1 }}"}, "nested too deeply; nest less"),
        ({ABSTRACT: "{{ " + "[" * 250 + "]" * 250 + " }}"}, "nested too deeply; nest less"),
        ({ABSTRACT: "a\n{{ " + "1" * 5000 + " }}"}, "abstract.html.j2:2: a number or text cannot be read"),
        ({"print.css.j2": "\n@page{size:1e9mm 1e9mm}"}, "print.css.j2:2: a page of 1e9mm; expected at most 2000 mm"),
        ({ABSTRACT: "<style>@PAGE wide { margin: 0; SIZE: 9999999CM 1in }</style>"}, "a page of 9999999CM"),
        ({ABSTRACT: "x" * 1_000_001}, "all templates are more than 1 MB"),
        ({ABSTRACT: "{{ " + "(" * 3000 + ")" * 3000 + " }}"}, "abstract.html.j2"),
        ({".hidden": "x"}, "holds no template"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_folder_is_told_with_its_file_and_what_was_expected(tmp_path, files, said):
    with pytest.raises(BadInput) as caught:
        overriding.read(folder(tmp_path, **files))
    assert said in str(caught.value)
    assert str(caught.value).startswith("templates: ")
    assert str(tmp_path / "mine") in str(caught.value)


def test_a_folder_that_is_not_there_or_is_a_file_is_told(tmp_path):
    with pytest.raises(BadInput, match="is not there"):
        overriding.read(tmp_path / "none")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadInput, match="is no folder"):
        overriding.read(tmp_path / "file")


def test_links_that_lead_out_pipes_and_whole_disks_are_refused(tmp_path):
    (tmp_path / "secret").write_text("secret")
    home = folder(tmp_path, **{"blocks/title.html.j2": "x"})
    (home / ABSTRACT).symlink_to(tmp_path / "secret")
    with pytest.raises(BadInput, match="is a link that leads out of the folder"):
        overriding.read(home)
    (home / ABSTRACT).unlink()
    (home / "more").symlink_to(home / "blocks")
    with pytest.raises(BadInput, match="is a link to a folder"):
        overriding.read(home)
    (home / "more").unlink()
    os.mkfifo(home / ABSTRACT)
    with pytest.raises(BadInput, match="is no ordinary file"):
        overriding.read(home)
    (home / ABSTRACT).unlink()
    for k in range(overriding.MOST_FILES):
        (home / f"{k}.j2").write_text("")
    with pytest.raises(BadInput, match="holds more than 200 files"):
        overriding.read(home)


def test_a_link_inside_of_the_folder_and_line_ends_of_another_system_are_read(tmp_path):
    home = folder(tmp_path, **{"blocks/title.html.j2": b"\xef\xbb\xbfa\r\nb"})
    (home / ABSTRACT).symlink_to(home / "blocks" / "title.html.j2")
    assert overriding.read(home) == {ABSTRACT: "a\nb", "blocks/title.html.j2": "a\nb"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("a\n{{ contnet.results }}", "abstract.html.j2:2: 'contnet' is undefined; did you mean 'content'?"),
        ("{{ content.sumary }}", "has no attribute 'sumary'; did you mean 'summary'?"),
        ("a\n\n{{ content.results.grids[7].grid.name }}", "abstract.html.j2:3: "),
        (
            "{{ content.sections }}",
            "{{ }} shows texts and numbers, and this is 'tuple'; name one of its parts, or loop",
        ),
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ 'a'.split }}", "{{ }} shows texts and numbers, and this is a method; call it: write () after it"),
        ("{{ content.caption }}", "this is a method; call it"),
        ("{{ [1, [2]] }}", "{{ }} shows texts and numbers, and this is 'list'; name one of its parts, or loop"),
        ("{{ {'a': 1} }}", "{{ }} shows texts and numbers, and this is 'dict'"),
        ("{{ (1, 2) }}", "{{ }} shows texts and numbers, and this is 'tuple'"),
        ("{{ content.nothing_such }}", "'Content' has no attribute 'nothing_such'; it has"),
        ("{{ 'a'.nothing }}", "'str' has no attribute 'nothing'"),
        ("{{ content.results.title|image }}", "abstract.html.j2:1: No filter named 'image'"),
        ("{% include content.results.title %}", "abstract.html.j2:1: "),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "calls itself without an end"),
        ("{% set x = 'layergrid/../../secret' %}{% include x %}", "abstract.html.j2:1: "),
        ("{{ content.theme.scheme('blus') }}", "did you mean 'blues'?"),
    ],
)
def test_a_mistake_that_shows_only_when_a_template_is_drawn_is_told_with_its_file_and_line(report, written, said):
    with pytest.raises(BadInput) as caught:
        drawn(report, written)
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"templates: {ABSTRACT}:")


def test_a_mistake_in_a_template_that_ships_is_not_told_as_the_users():
    made = environment(True, {"mine.j2": "x"})
    with pytest.raises(Exception, match="undefined") as caught:
        made.from_string("{{ nothing }}").render()
    assert not isinstance(caught.value, BadInput)


# ---------------------------------------------------------------- attacks

ATTACKS = (
    "{{ ''.__class__.__mro__ }}",
    "{{ ''['__class__'] }}",
    "{{ content.__init__.__globals__ }}",
    "{{ content|attr('__init__') }}",
    "{{ [content]|map(attribute='__class__')|first }}",
    "{{ ([content]|groupby('__class__')|first)[0] }}",
    "{{ '{0.__class__}'.format(content) }}",
    "{{ '{x.__class__}'.format_map({'x': content}) }}",
    "{{ ('{0.__class__}'|safe).format(content) }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ lipsum() }}",
    "{{ joiner() }}",
    "{{ dict(a=1) }}",
    "{{ self.__init__ }}",
    "{{ loop.__init__ if loop is defined else ''.__init__ }}",
    "{{ namespace.__init__ }}",
    "{{ range.__func__ }}",
    "{{ range.__self__.loader }}",
    "{{ content.caption.__func__.__globals__ }}",
    "{{ content.results.__dict__ }}",
    "{{ content.results.grids[0].grid.value.tofile('stolen') }}",
    "{{ content.results.grids[0].grid.value.dump('stolen') }}",
    "{{ content.results.grids[0].grid.value[0, 0].tofile('stolen') }}",
    "{{ content.results.grids[0].grid.value.ctypes }}",
    "{{ content.results.grids[0].grid.value.repeat(1000000000) }}",
    "{{ content.results.grids[0].grid.value.fill(0) }}",
    "{{ content.results.versions.update({'a': 'b'}) }}",
    "{{ content.results.versions.pop('numpy') }}",
    "{% set content.results.title = 'x' %}",
    "{{ [].append(1) }}",
    "{{ ''.encode() }}",
    "{{ 'x'.join(['a']) }}",
    "{{ 'a'.translate({}) }}",
    "{{ content.results.grids[0].grid.has_value.tofile('stolen') }}",
    "{{ 1 .__class__ }}",
    "{{ (1).bit_length() }}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ {}.__class__ }}",
    "{{ none.__class__ }}",
    "{{ content.theme.__class__ }}",
    "{{ environment }}",
    "{{ content|pprint }}",
    "{{ [1, 2]|random }}",
    "{{ caller.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{% import 'macros.html.j2' as parts with context %}{{ parts.__dict__ }}",
    "{% import 'macros.html.j2' as parts with context %}{{ parts._body_stream }}",
)
BOMBS = (
    "{{ range(10**9)|length }}",
    "{% for a in range(10000) %}{% for b in range(10000) %}{% endfor %}{% endfor %}",
    "{{ 'a' * 10**9 }}",
    "{{ [1] * 10**9 }}",
    "{{ 10**10**10 }}",
    "{{ 2**(0 - 10**9) }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '%999999999d'|format(1) }}",
    "{{ '%*d'|format(999999999, 1) }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'a'.center(10**9) }}",
    "{{ 'a'|center(10**9) }}",
    "{{ 'a'|indent(10**9) }}",
    "{{ 1.5|round(10**9, 'ceil') }}",
    "{{ ('a' * 90000)|replace('a', 'b' * 90000) }}",
    "{{ range(10000)|join('b' * 90000) }}",
    "{{ [['a' * 90000] * 9000]|first|join }}",
    "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "{% set n = namespace(x=7) %}{% for i in range(60) %}{% set n.x = n.x * n.x %}{% endfor %}",
    "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = [n.x, n.x] %}{% endfor %}{{ n.x|string }}",
    "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set y %}{{ n.x }}{{ n.x }}{% endset %}"
    "{% set n.x = y %}{% endfor %}",
    "{% macro m(d) %}{% if d %}{{ m(d - 1) }}{{ m(d - 1) }}{% endif %}{% endmacro %}{{ m(40) }}",
    "{% set n = namespace(d=0) %}{% for i in range(9000) %}{% for j in range(9000) %}" + "x" * 3000
    + "{% endfor %}{% endfor %}",
    "{{ [[1] * 90000] * 9 }}{{ ([[1] * 90000] * 9000)|sum(start=[]) }}",
)  # fmt: skip


VALUES = "content.results.grids[0].grid.value"
DOUBLED = (
    "{% set n = namespace(a=[], b=[]) %}{% for i in range(39) %}{% set n.a = [n.a, n.a] %}{% set n.b = [n.b, n.b] %}"
    "{% endfor %}"
)
HOLDING = (  # what holds memory or time in one step
    (DOUBLED + "{{ n.a == n.b }}", "a list of more than 200,000 entries"),
    (DOUBLED + "{{ [n.a, n.b]|sort }}", "a list of more than 200,000 entries"),
    (DOUBLED.replace("[n.a, n.a]", "{1: n.a, 2: n.a}"), "a list of more than 200,000 entries"),
    (DOUBLED.replace("[n.a, n.a]", "(n.a, n.a)") + "{{ {n.a: 1}|length }}", "a list of more than 200,000 entries"),
    ("{% set n = namespace(a=()) %}{% for i in range(9000) %}{% set n.a = (n.a,) %}{% endfor %}{{ {n.a: 1}|length }}",
     "more than 40 lists in each other"),
    ("{% set n = namespace(s='x' * 90000, t='', l=[]) %}{% for i in range(20) %}{% set n.t = n.t ~ n.s %}{% endfor %}"
     "{% for i in range(9000) %}{% set n.l = n.l + [n.t ~ ''] %}{% endfor %}", "makes more than 500 MB"),
    ("{% set s = 'x' * 90000 %}{% set n = namespace(l=[]) %}{% for i in range(9000) %}"
     "{% set n.l = n.l + [s[1:]] %}{% endfor %}", "makes more than 500 MB"),
    ("{% set s = 'x' * 90000 %}{% set n = namespace(l=[]) %}{% for i in range(9000) %}"
     "{% set n.l = n.l + [s.upper()] %}{% endfor %}", "makes more than 500 MB"),
    ("{% set n = namespace(l=[]) %}{% for i in range(9000) %}{% set n.l = n.l + [('x ' * 45000).split()] %}"
     "{% endfor %}", "a list of more than 200,000 entries"),
    ("{% set s = 2 ** 60 * 2 ** 60 %}{% for i in range(9000) %}{% for j in range(90) %}" + "{{ s }}" * 200
     + "{% endfor %}{% endfor %}", "prints more than 100,000,000 characters"),
    ("{% set x = " + VALUES + "[[[0] * 9000] * 20] %}", "an array takes numbers in [ ], not 'list'"),
    ("{% set x = " + VALUES + "[none] %}", "an array takes numbers in [ ], not 'NoneType'"),
    ("{% set x = " + VALUES + " + [[0]] %}", "no operator takes a whole array"),
    ("{% set x = [0] - " + VALUES + " %}", "no operator takes a whole array"),
    ("{% set x = -" + VALUES + " %}", "no operator takes a whole array"),
    ("{% set x = " + VALUES + " == [[0]] %}", "no operator takes a whole array"),
    ("{% set x = 1 in " + VALUES + " %}", "no operator takes a whole array"),
    ("{% set x = " + VALUES + " is eq 1 %}", "no operator takes a whole array"),
    ("{% set x = [[[1] * 90000] * 9] %}", "a list of more than 200,000 entries"),
)  # fmt: skip


@pytest.mark.parametrize(("written", "said"), HOLDING)
def test_no_step_of_a_template_holds_much_memory_or_time(report, written, said):
    before = time.monotonic()
    with pytest.raises(BadInput) as caught:
        drawn(report, written)
    assert said in str(caught.value)
    assert time.monotonic() - before < 30


def test_lists_slices_comparisons_and_cells_of_arrays_work_as_in_any_template(report):
    made = drawn(
        report,
        "{% set n = namespace(l=[]) %}{% for i in range(5) %}{% set n.l = n.l + [i, (i, i)] %}{% endfor %}"
        "<p>{{ n.l|length }} {{ n.l[2:4][0] }} {{ 'abcdef'[::2] }} {{ 'abc'[1:] }} {{ 1 < 2 < 3 }} {{ (1, 2) in n.l }}"
        " {{ 2 not in n.l[:2] }} {{ {'a': [1]}['a'] == [1] }} {{ -n.l[2] }} {{ '%.1f'|format("
        f"{VALUES}[0, 0] * 0 + {VALUES}[0][0] * 0)"
        + " }} {{ [3, 1]|sort|first }} {{ [1, 2]|select('gt', 1)|first }}</p>",
    )
    assert "<p>10 1 ace bc True False True True -1 0.0 1 2</p>" in made


@pytest.mark.parametrize("written", ATTACKS)
def test_no_template_reaches_what_lies_behind_the_report(report, written, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadInput, match=r"^templates: "):
        drawn(report, written)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", BOMBS)
def test_no_template_takes_the_machine_down(report, written, monkeypatch):
    monkeypatch.setattr(sandbox, "STEPS", sandbox.STEPS // 10)  # the same, in less time
    before = time.monotonic()
    with pytest.raises(BadInput, match=r"^templates: "):
        drawn(report, written)
    assert time.monotonic() - before < 30


def test_a_template_that_includes_itself_again_and_again_is_ended(monkeypatch):
    monkeypatch.setattr(sandbox, "STEPS", 20_000)
    own = {"a.j2": "{% if n.d < 40 %}{% set n.d = n.d + 1 %}{% include x %}{% include x %}"
           "{% set n.d = n.d - 1 %}{% endif %}",
           "b.j2": "{% set n = namespace(d=0) %}{% set x = 'a.j2' %}{% include x %}"}  # fmt: skip
    with pytest.raises(BadInput, match="steps; repeat less"):
        environment(True, own).get_template("b.j2").render()


def test_a_template_that_takes_long_is_ended_by_the_clock(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.05)
    own = {"a.j2": "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}"}
    with pytest.raises(BadInput, match="longer than 0 s"):
        environment(True, own).get_template("a.j2").render()


def test_what_the_sandbox_counts_changes_no_document(report):
    """Templates in a sandbox that counts draw what those in one that does not count draw."""
    own = {
        "blocks/unused.j2": "",
        "blocks/title.html.j2": overriding.resources.file("templates/blocks/title.html.j2").read_text(),
    }
    own["blocks/title.html.j2"] += "{% include 'blocks/unused.j2' %}"
    plain, counted = render.prepare(*report, render.Presentation()), shown(report, **own)
    told = r"\n *<tr>[^\n]*>own templates<[^\n]*|(; )?own templates [^\n]*checked by nobody"  # that there are any
    for draw in (page.html, markdown.md):
        assert draw(plain) == re.sub(told, "", draw(counted))


def parts_of(value, found):
    """The types of data classes that can be reached from a value."""
    if is_dataclass(value) and type(value) not in found:
        found.add(type(value))
    if is_dataclass(value):
        for one in fields(value):
            parts_of(getattr(value, one.name), found)
    elif isinstance(value, dict):
        for one in value.values():
            parts_of(one, found)
    elif isinstance(value, list | tuple):
        for one in value:
            parts_of(one, found)
    return found


def test_the_parts_of_a_report_offer_a_template_no_method_that_writes_or_runs(report):
    content = render.prepare(*report, render.Presentation())
    harmless = {"caption", "colour", "scheme", "css", "css_faces", "darkened", "stack", "vega", "kind_of"}
    methods = {
        f"{part.__name__}.{name}"
        for part in parts_of(content, set())
        for name, value in vars(part).items()
        if callable(value) and not name.startswith("_")
    }
    assert {name.split(".")[1] for name in methods} <= harmless, methods


# ---------------------------------------------------------------- the page stays closed


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        (ABSTRACT, '<img src="https://example.org/x.png">', "'https://example.org/x.png' of <img>"),
        (ABSTRACT, '<img src="file:///etc/hostname">', "'file:///etc/hostname' of <img>"),
        (ABSTRACT, '<IMG SRCSET="//example.org/x.png 2x">', "of <img>"),
        (ABSTRACT, '<meta http-equiv="refresh" content="0;url=https://example.org">', 'http-equiv="refresh"'),
        (ABSTRACT, '<link rel="dns-prefetch" href="//example.org">', "<link>"),
        (ABSTRACT, '<base href="https://example.org/">', "<base>"),
        (ABSTRACT, "<iframe srcdoc='x'></iframe>", "<iframe>"),
        (ABSTRACT, '<a href="#main" ping="https://example.org">x</a>', "of <a>"),
        (ABSTRACT, '<form action="https://example.org"></form>', "<form>"),
        ("report.css.j2", "</style><p>", "may not hold '</'"),
        ("report.html.j2", "<!DOCTYPE html><html><head><title>x</title></head><body>{{ body }}</body></html>",
         "must begin as the one that ships"),
        ("report.html.j2", '<!DOCTYPE html><html><head><meta charset="utf-8"><!-- <meta '
         'http-equiv="Content-Security-Policy" content="{{ policy }}"> --></head></html>', "must begin as the one"),
    ],
)  # fmt: skip
def test_a_page_that_would_reach_out_or_lose_its_policy_is_refused(report, name, written, said):
    with pytest.raises(BadInput) as caught:
        drawn(report, written, name)
    assert said in str(caught.value)


def test_a_link_that_a_reader_may_follow_is_no_reaching_out(report):
    assert '<a href="https://example.org">' in drawn(report, '<a href="https://example.org">the paper</a>')


REFRESH = '<meta http-equiv="refresh" content="0;url=https://example.org/?x">'
HIDDEN = (  # where a parser of Python and a browser do not agree on what is a tag
    "<title><!--</title>" + REFRESH + "<!-- --></title>",
    "<!-->" + REFRESH + "<!-- -->",
    "<!--->" + REFRESH + "<!-- -->",
    "<!-- --!>" + REFRESH + "<!-- -->",
    "<![CDATA[>" + REFRESH + "]]>",
    "<![if !IE]>" + REFRESH + "<![endif]>",
    "<![x[>" + REFRESH + "]]>",
    "<?x" + REFRESH + "?>",
    "<textarea><!--</textarea>" + REFRESH + "<!-- -->",
    "<script><!--</script>" + REFRESH + "--></script>",
    "<svg><style>" + REFRESH + "</style></svg>",
    '<noscript><p title="</noscript>' + REFRESH + '"></noscript>',
    '<xmp><p title="</xmp>' + REFRESH + '">',
    '<div title="a>' + REFRESH + '">',
    "<plaintext>" + REFRESH,
    '<template shadowrootmode="open">' + REFRESH + "</template>",
    '</p title=">' + REFRESH + '">',
    '<textarea><meta/http-equiv="refresh"/content="0;url=https://example.org"></textarea>',
    """<textarea><MeTa content='>' HTTP-EQUIV=refresh></textarea>""",
    """<textarea><meta name='x' content=">" http-equiv=refresh></textarea>""",
    '<textarea><link rel="dns-prefetch" href="//example.org"></textarea>',
    '<textarea><link rel="icon" href="data:," rel="x" href="//example.org"></textarea>',
    '<textarea><base href="//example.org"></textarea>',
    "<textarea><iframe srcdoc=x></textarea>",
    '<img src="//example.org" src="data:,">',
    '<img src="data:," src="//example.org">',
    "<p>&#" + "9" * 5000 + ";<b title='&#" + "9" * 5000 + ";'></p>",
    "<!",
    "<!--",
)


@pytest.mark.parametrize("written", HIDDEN)
def test_a_tag_that_reaches_out_is_refused_wherever_it_stands(report, written):
    with pytest.raises(BadInput, match=r"^templates: the page holds .*nothing outside of itself"):
        drawn(report, written)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('<html lang="en">', "<html x='>"),
        ('<html lang="en">', '<html x=">'),
        ("<head>\n", "<head>\u00a0\n"),
        ("<head>\n", "<head>\x1c\n"),
        ("Content-Security", "Content-\u017fecurity"),
    ],
)
def test_a_page_whose_policy_a_browser_would_overlook_is_refused(report, before, after):
    shipped = overriding.resources.file("templates/report.html.j2").read_text(encoding="utf-8")
    assert before in shipped
    with pytest.raises(BadInput, match="must begin as the one that ships"):
        drawn(report, shipped.replace(before, after, 1), "report.html.j2")


def test_a_page_may_say_more_about_itself_and_speak_of_tags(report):
    shipped = overriding.resources.file("templates/report.html.j2").read_text(encoding="utf-8")
    own = '<meta name="author" content="A. B."><meta property="og:title" content="{{ content.results.title }}">'
    made = drawn(report, shipped.replace("<title>", own + "<title>") + "{{ '<!-- <meta http-equiv=refresh>' }}",
                 "report.html.j2")  # fmt: skip
    assert "&lt;!-- &lt;meta http-equiv=refresh&gt;" in made
    assert own.split("{{")[0] in made


@pytest.mark.parametrize(
    ("name", "written", "said"),
    [
        (ABSTRACT, '<img src="https://example.org/x.png" alt="">', "https://example.org/x.png"),
        (ABSTRACT, '<img src="file:///etc/hostname" alt="">', "file:///etc/hostname"),
        (ABSTRACT, '<link rel="attachment" href="file:///etc/hostname">', "file:///etc/hostname"),
        (ABSTRACT, '<link rel="stylesheet" href="https://example.org/x.css">', "https://example.org/x.css"),
        (ABSTRACT, '<p style="background: url(https://example.org/x.png)">x</p>', "https://example.org/x.png"),
        ("print.css.j2", '@import "https://example.org/x.css";', "https://example.org/x.css"),
        ("print.css.j2", "body { background: url(file:///etc/hostname) }", "file:///etc/hostname"),
    ],
)
def test_a_pdf_that_would_reach_out_ends_with_an_error_that_names_the_address(report, name, written, said):
    with pytest.raises(BuildError) as caught:
        printing.pdf(shown(report, **{name: written}), "A4")
    assert said in str(caught.value)


def test_scripts_handlers_and_styles_in_a_users_template_do_not_run_and_a_style_sheet_of_the_users_does(
    browser, report, tmp_path
):
    content = shown(
        report,
        **{
            ABSTRACT: "<script>window.bad = 1</script>"
            '<p id="mine" style="color: rgb(255, 0, 0)" onclick="window.bad = 2">x</p>'
            '<svg onload="window.bad = 3"></svg><a id="link" href="javascript:window.bad=4">y</a>'
            "<style>#mine { font-size: 77px }</style>",
            "report.css.j2": '{% include "layergrid/report.css.j2" %}\n#mine { letter-spacing: 3px; }\n',
        },
    )
    path = tmp_path / "report.html"
    path.write_text(page.html(content), encoding="utf-8")
    browser.open(path)
    browser.value("(document.getElementById('mine').click(), document.getElementById('link').click(), 1)")
    assert browser.value("window.bad === undefined")
    style = browser.value(
        "(s => [s.letterSpacing, s.color, s.fontSize].join())(getComputedStyle(document.getElementById('mine')))"
    )
    assert style.startswith("3px,")
    assert "rgb(255, 0, 0)" not in style
    assert "77px" not in style
    assert browser.complaints
    assert all("ContentSecurityPolicy" in said or "Content Security Policy" in said for said in browser.complaints)
    assert browser.asked == [path.as_uri()] or all(a.startswith(("file:", "data:", "blob:")) for a in browser.asked)


def test_a_page_with_harmless_templates_complains_of_nothing(browser, report, tmp_path):
    path = tmp_path / "report.html"
    path.write_text(drawn(report, "<p>{{ content.summary.abstract|paragraph }}</p>"), encoding="utf-8")
    browser.open(path)
    assert browser.complaints == []


# ---------------------------------------------------------------- the guide


def examples_of_the_guide():
    """The templates and the theme that TEMPLATES.md shows, by the file that it puts them into."""
    guide = (Path(__file__).parents[1] / "TEMPLATES.md").read_text(encoding="utf-8")
    return dict(
        re.findall(r"`mine/?(\S+?)`[;:][^`]*?(?:`[^`\n]+`[^`]*?)*\n```(?:jinja|yaml)\n(.*?)```", guide, re.DOTALL)
    )


def test_the_examples_of_the_guide_do_what_it_says(report, tmp_path):
    found = examples_of_the_guide()
    assert set(found) == {ABSTRACT, "body.html.j2", ".yaml"}
    look = found.pop(".yaml")
    own = overriding.read(folder(tmp_path, **found))
    made = render.Presentation(theme="mine.yaml", theme_file=look, templates=own)
    content = render.prepare(*report, made)
    shown_page, printed = page.html(content), printing.pdf(content, "A4")
    assert "<b>In short.</b>" in shown_page
    assert "Written for the meeting" in shown_page
    assert shown_page.count('class="key-figures"') == 1
    assert "--accent: #7a1f5c;" in shown_page
    text = pypdf.PdfReader(io.BytesIO(printed)).pages[0].extract_text()
    assert "In short." in text
    assert "shows the same figures live" in text.replace("\n", " ")
    assert all(len(one.strip().splitlines()) <= 5 for one in (*found.values(), look))

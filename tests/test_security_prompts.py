"""A stranger's prompt template: it reads columns alone, and makes nothing without end."""

from __future__ import annotations

import time
import tracemalloc

import pytest

from layergrid.artifacts import Examples
from layergrid.kinds import BadInput
from layergrid.prompts import render, sandbox


def examples(n=1, **columns):
    ids = tuple(str(i) for i in range(n))
    return Examples("quiz", "quiz.csv", ids, ids, {"question": ("What?",) * n, **columns}, "sha256:0")


DOUBLING = "{% set a = 'x' * 99 %}" + "{% set a = a ~ a %}" * 60
PRINTING = "{% set a = 'x' * 99 %}" + "{% set a %}{{ a }}{{ a }}{% endset %}" * 60
LISTS = "{% set a = [1] %}" + "{% set a = [a, a, a] %}" * 30
TOO_MUCH = {
    "a loop": "{% for i in range(10000) %}{% for j in range(10000) %}{% endfor %}{% endfor %}",
    "a range": "{% for i in range(10**9) %}x{% endfor %}",
    "a text repeated": "{{ 'a' * 10**9 }}",
    "a list repeated": "{{ ([1] * 10**9) | length }}",
    "a text doubled": DOUBLING + "{{ a | length }}",
    "a text added": DOUBLING.replace("~", "+") + "{{ a | length }}",
    "a text printed": PRINTING + "{{ a | length }}",
    "text between tags": "{% for i in range(9999) %}" + "x" * 9999 + "{% endfor %}",
    "a text between tags": "{% set a %}{% for i in range(9999) %}" + "x" * 9999 + "{% endfor %}{% endset %}",
    "a constant printed": "{% for i in range(9999) %}{{ '" + "x" * 9999 + "' }}{% endfor %}",
    "lists in lists": LISTS + "{{ a }}",
    "lists compared": LISTS + LISTS.replace("a ", "b ").replace("a,", "b,").replace("a]", "b]") + "{{ a == b }}",
    "a power": "{{ 9**9**9 }}",
    "a number": "{% set a = 9**64 %}" + "{% set a = a * a %}" * 40 + "{{ a > 1 }}",
    "a width": "{{ question.ljust(10**9) }}",
    "zeros": "{{ '1'.zfill(10**9) }}",
    "a filter's width": "{{ question | center(10**9) }}",
    "a format": "{{ '%1000000000d' % 1 }}",
    "a replacement": "{% set a = 'x' * 90000 %}{{ a.replace('x', a) }}",
    "a filter's replacement": "{% set a = 'x' * 90000 %}{{ a | replace('x', a) }}",
    "a join": "{% set a = 'x' * 90000 %}{{ a.join(a) }}",
    "a filter's join": "{% set a = 'x' * 90000 %}{{ a | list | join(a) }}",
    "a macro": "{% macro m(n) %}{{ m(n) }}{{ m(n) }}{% endmacro %}{{ m(1) }}",
    "a recursive loop": "{% for i in [1] recursive %}{{ loop([1]) }}{{ loop([1]) }}{% endfor %}",
    "many slices": "{% for i in range(9999) %}{{ ('x' * 9999)[:] | length }}{% endfor %}" * 20,
    "words": "{{ lipsum(10000) }}",
    "deep brackets": "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
}


@pytest.mark.parametrize("template", TOO_MUCH.values(), ids=TOO_MUCH)
def test_a_prompt_that_makes_too_much_is_refused_soon_and_in_little_memory(template):
    tracemalloc.start()
    started = time.monotonic()
    try:
        with pytest.raises(BadInput, match="quiz"):
            render(template, examples())
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
        assert time.monotonic() - started < 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__ }}", "{{ question.__class__.__mro__ }}", "{{ question | attr('__class__') }}",
        "{{ row['__class__'] }}", "{{ row.__class__ }}", "{{ range.__globals__ }}", "{{ namespace.__init__ }}",
        "{{ self.__init__ }}", "{{ ''.format }}", "{{ '{0.__class__}'.format(question) }}",
        "{% include '/etc/passwd' %}", "{% import 'os' as os %}{{ os }}", "{{ cycler }}", "{{ joiner }}",
        "{{ environment }}", "{{ dict.__subclasses__() }}", "{% for k in row.pop('question') %}{% endfor %}",
        "{{ question.encode() }}", "{{ question.translate({119: 'x' }) }}", "{{ question.expandtabs(9) }}",
    ],
)  # fmt: skip
def test_a_prompt_reaches_columns_and_nothing_behind_them(template):
    with pytest.raises(BadInput, match="quiz"):
        render(template, examples())


def test_the_prompts_of_a_data_set_together_have_an_end(monkeypatch):
    monkeypatch.setattr(sandbox, "SECONDS", 0.2)
    with pytest.raises(BadInput, match="the prompts take longer than"):
        render("{% for i in range(9000) %}{{ i }}{% endfor %}", examples(1000))


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("Q: {{ question }}\nA:\n", "Q: What?\nA:\n"),
        ("{% for w in question.split('a') %}[{{ w }}]{% endfor %}", "[Wh][t?]"),
        ("{{ question | upper ~ '!' * 3 }}", "WHAT?!!!"),
        ("{% set n = namespace(x=0) %}{% for i in range(4) %}{% set n.x = n.x + i %}{% endfor %}{{ n.x }}", "6"),
        ("{% macro q(a) %}<{{ a }}>{% endmacro %}{{ q(question) }}", "<What?>"),
        ("{{ question.replace('W', 'Th') }} {{ question | replace('?', '.') }}", "Thhat? What."),
        ("{{ ['a', 'b'] | join(', ') }} {{ ','.join(['a', 'b']) }}", "a, b a,b"),
        ("{{ '%03d' | string }} {{ 7 // 2 }} {{ 2 ** 5 }} {{ -3 | abs }}", "%03d 3 32 3"),
        ("{% if 'W' in question and question != 'x' %}yes{% endif %}", "yes"),
        ("{{ {'a': question} | tojson }}", '{"a": "What?"}'),
    ],
)
def test_what_prompts_use_works_as_in_jinja(template, made):
    assert render(template, examples()) == (made,)

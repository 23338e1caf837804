"""What a build says as it runs."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from layergrid import console
from layergrid.console import Plain, Silent, Terminal


def spoken(reporter):
    """Runs two stages, one inside the other, with everything that a reporter can be told."""
    with reporter.stage("outer", "36 cells") as outer:
        outer(1, 36)
        with reporter.stage("inner") as inner:
            inner(1, 2)
            inner(2, 2)
        outer(36, 36)
    reporter.kept("capture")
    reporter.note("a [bold]note[/bold]")


def test_plain_lines_tell_start_progress_and_end_of_each_stage(capsys):
    spoken(Plain(every=0.0))
    out, err = capsys.readouterr()
    assert out == ""
    lines = [line.split(" in ")[0] for line in err.splitlines()]
    assert lines == [
        "outer: 36 cells", "outer: 1 of 36", "inner", "inner: 1 of 2", "inner: 2 of 2", "inner: done",
        "outer: 36 of 36", "outer: done", "capture: kept from an earlier build", "a [bold]note[/bold]",
    ]  # fmt: skip


def test_plain_lines_are_few_where_a_stage_is_quick(capsys):
    spoken(Plain())
    assert len(capsys.readouterr().err.splitlines()) == 6


def test_a_terminal_shows_bars_and_leaves_a_line_per_stage():
    screen = io.StringIO()
    spoken(Terminal(Console(file=screen, force_terminal=True, width=100, color_system=None, highlight=False)))
    shown = screen.getvalue()
    for said in ("✓ outer", "36 cells", "✓ inner", "= capture", "kept from an earlier build", "a [bold]note[/bold]"):
        assert said in shown


def test_silence_is_silent(capsys):
    spoken(Silent())
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [Plain(), Silent(), Terminal(Console(file=io.StringIO()))])
def test_an_error_inside_a_stage_goes_through(kind):
    def failing():
        with kind.stage("stage") as advance:
            advance(1, 0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()


@pytest.mark.parametrize(
    ("tty", "term", "expected"), [(True, "xterm", Terminal), (False, "xterm", Plain), (True, "dumb", Plain)]
)
def test_bars_are_for_terminals_that_can_draw_them_whatever_colours_are_forced(monkeypatch, tty, term, expected):
    stream = io.StringIO()
    stream.isatty = lambda: tty
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert type(console.reporter()) is expected
    assert type(console.reporter(quiet=True)) is Silent

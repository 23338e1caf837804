"""What a build says as it runs."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
import warnings

import jsonschema
import pytest
from rich.console import Console

from building import SPEC, Ran, cache, run, shared
from layergrid import console
from layergrid.console import Event, JsonLines, Plain, Silent, Terminal, heard, schema, table
from layergrid.console.ledger import Row, duration, size, speed
from layergrid.console.memory import Gauge
from layergrid.console.pace import Pace


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


# ---------------------------------------------------------------- rates and memory


def test_a_rate_is_that_of_the_last_half_minute_and_what_was_found_at_once_counts_for_nothing():
    pace = Pace(100.0)
    assert (pace.rate, pace.remaining) == (None, None)
    pace.add(100.2, 400, 1000)  # parts of an earlier build
    pace.add(110.0, 449, 1000)
    assert pace.rate == pytest.approx(5.0)
    assert pace.remaining == pytest.approx(551 / 5)
    for second in range(120, 200):
        pace.add(second, 500 + second, 1000)
    assert pace.rate == pytest.approx(1.0)
    assert pace.overall(200.2) == pytest.approx((699 - 400) / 100)


def test_what_is_found_after_a_look_at_the_model_counts_for_nothing_either():
    pace = Pace(0.0)
    pace.add(8.0, 0, 64)
    pace.add(8.1, 40, 64)
    pace.add(20.1, 64, 64)
    assert pace.overall(20.1) == pytest.approx(2.0)


def test_no_rate_is_made_up_where_nothing_was_counted_or_the_clock_stood_still():
    pace = Pace(0.0)
    assert pace.overall(5.0) is None
    pace.add(0.9, 3, 3)
    assert pace.rate is None
    pace.add(0.9, 3, 3)
    assert pace.remaining is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_stage_holds_what_its_children_used_and_leaves_no_thread():
    gauge = Gauge()
    before = threading.active_count()
    meter = gauge.begin()
    command = "import time; kept = bytearray(150_000_000); time.sleep(0.7)"
    subprocess.run([sys.executable, "-c", command], check=True)
    used = gauge.end(meter).memory
    alone = gauge.end(gauge.begin()).memory
    assert used > alone + 140_000_000
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (duration(0.04), "0.0 s"), (duration(9.96), "10 s"), (duration(125), "2 min 05 s"),
        (duration(7300), "2 h 01 min"),
        (size(999), "999 B"), (size(1_250_000), "1.2 MB"), (size(812_000_000), "812 MB"), (size(None), ""),
        (speed(0.05, "cells"), "3.0 cells/min"), (speed(6.61, "cells"), "6.6 cells/s"), (speed(1234, ""), "1,234/s"),
    ],
)  # fmt: skip
def test_times_sizes_and_rates_are_short(said, expected):
    assert said == expected


# ---------------------------------------------------------------- the table


ROWS = [
    Row("first", "generate", "made", 12.3, 1000, "answers", 81.0, 812_000_000, None, 1_200_000),
    Row("first", "a_grid_with_a_long_name_indeed", "stopped", 4.0, 10, "cells", 2.5, 900_000_000),
    Row("second", "generate", "kept"),
]


def test_the_table_says_of_each_stage_whether_it_was_kept_and_what_it_took():
    lines = table(ROWS, 16.5, 950_000_000)
    assert [re.split(r"\s{2,}", line) for line in lines] == [
        ["stage", "time", "rate", "memory", "cache"],
        ["first: generate", "12 s", "81 answers/s", "812 MB", "1.2 MB"],
        ["first: a_grid_with_a_long_name_indeed", "4.0 s, stopped", "2.5 cells/s", "900 MB"],
        ["second: generate", "kept"],
        ["all", "16 s", "950 MB", "1.2 MB"],
    ]


@pytest.mark.parametrize("width", [30, 50, 80])
def test_the_table_fits_a_narrow_terminal_and_keeps_the_times(width):
    lines = table(ROWS, 16.5, 950_000_000, width)
    assert max(map(len, lines)) <= width
    assert "4.0 s, stopped" in lines[2]


def test_a_build_that_kept_everything_is_summed_up_in_a_line_and_one_without_stages_in_none():
    assert table([ROWS[2]], 0.8, 95_000_000) == ["everything was kept; 0.8 s, 95 MB of memory at most"]
    assert table([], 0.1, None) == []


def test_what_still_ran_when_all_was_over_counts_as_stopped(capsys):
    plain = Plain()
    plain.tell(Event("stage", spec="one", stage="errors"))
    plain.sum_up()
    assert re.search(r"^errors +0\.0 s, stopped$", capsys.readouterr().err, re.M)


# ---------------------------------------------------------------- lines for logs and for programs


def test_lines_of_several_specs_say_which_one_they_are_of(capsys):
    plain = Plain()
    plain.begin("1", ["first", "second"], 2)
    with plain.of("second").stage("errors"):
        plain.of("first").kept("capture")
    assert capsys.readouterr().err.splitlines()[:2] == ["second: errors", "first: capture: kept from an earlier build"]


def test_what_would_move_a_cursor_is_made_visible_and_json_is_ascii(capsys):
    for one in (Plain(), JsonLines()):
        with one.stage("grid\x1b[2J", "caf\xe9 \u202e"):
            one.note("red \x1b[31m\x07")
    told = capsys.readouterr()
    assert "\x1b" not in told.err
    assert "grid\\x1b[2J: caf\xe9 \\u202e" in told.err
    assert told.out.isascii()
    assert "\x1b" not in told.out
    assert json.loads(told.out.splitlines()[0])["stage"] == "grid\x1b[2J"


@pytest.mark.parametrize("json_", [False, True])
def test_where_nobody_reads_any_longer_the_build_goes_on(json_):
    reading, writing = os.pipe()
    with open(writing, "w", encoding="utf-8") as stream:  # noqa: PTH123 - a descriptor
        listener = JsonLines(stream=stream) if json_ else Plain(stream=stream)
        listener.note("one")
        os.close(reading)
        listener.note("two")
        with listener.stage("three"):
            listener.note("four")


def test_what_libraries_write_is_a_detail_and_comes_back_to_the_streams_afterwards(capsys):
    told = []
    with heard(told.append), warnings.catch_warnings():
        warnings.simplefilter("always")
        kept = sys.stderr
        warnings.warn("old ways", FutureWarning, stacklevel=1)
        print("loading:  10%\rloading: 100%", file=sys.stderr)
        print("hello")
    assert [one.level for one in told] == ["detail"] * 3
    assert told[0].message.startswith("FutureWarning: old ways")
    assert [one.message for one in told[1:]] == ["loading: 100%", "hello"]
    print("later", file=kept)
    assert capsys.readouterr() == ("", "later\n")


@pytest.fixture
def written(tmp_path_factory, tmp_path):
    """A spec whose stages are all kept."""
    study = shared(tmp_path_factory)
    (tmp_path / "small.yaml").write_text(SPEC)
    with cache(study.cache):
        yield tmp_path / "small.yaml"


def lines(told):
    """The JSON lines of a command, each held against the schema."""
    found = [json.loads(line) for line in told.splitlines()]
    for one in found:
        jsonschema.Draft202012Validator(schema()).validate(one)
    return found


def test_json_lines_follow_their_schema_from_start_to_end(written, tmp_path):
    jsonschema.Draft202012Validator.check_schema(schema())
    text = written.read_text() + "  sizes: {kind: activation, measure: relative_norm}\noutputs: [md]\n"
    written.write_text(text + "expect: [{grid: errors, nested_best: {at_least: 2}}]\n")
    ran = run("build", written, "--out", tmp_path / "reports", "--json", "-v")
    assert ran.code == 1, ran.err
    told = lines(ran.out)
    assert (told[0]["event"], told[0]["specs"], told[0]["jobs"]) == ("start", ["small"], 1)
    assert told[-1]["event"] == "end"
    assert told[-1]["exit_code"] == 1
    assert told[-1]["outputs"] == [str(tmp_path / "reports" / "small" / "report.md")]
    assert (told[-1]["expectations"]["met"], len(told[-1]["expectations"]["unmet"])) == (0, 1)
    assert {"kept", "stage", "done", "written", "built", "table", "message"} <= {one["event"] for one in told}
    rows = {one["stage"]: one for one in next(one for one in told if one["event"] == "table")["rows"]}
    assert (rows["generate"]["outcome"], rows["sizes"]["outcome"]) == ("kept", "made")
    assert rows["sizes"]["written"] > 0
    assert [one["time"] for one in told] == sorted(one["time"] for one in told)


def test_an_error_is_told_to_programs_and_to_people(tmp_path):
    ran = run("build", tmp_path / "nowhere.yaml", "--json", "-q")
    told = lines(ran.out)
    assert ran.code == 2
    assert [one["event"] for one in told] == ["message", "end"]
    assert told[0]["level"] == "error"
    assert told[0]["message"] in ran.err
    assert told[1]["exit_code"] == 2


def test_a_second_build_says_in_one_line_that_all_was_kept_and_nothing_with_q(written, tmp_path):
    arguments = ("build", written, "--out", tmp_path / "reports")
    assert run(*arguments).code == 0
    again = run(*arguments)
    assert re.fullmatch(r"report: kept .*\neverything was kept; .* s, .*[MG]B of memory at most\n", again.err)
    assert run(*arguments, "-q") == Ran(0, "", "")


# ---------------------------------------------------------------- a terminal


def in_terminal(*arguments, columns=80, **environment):
    """What a command writes to a terminal of so many columns, and how it ends."""
    pid, screen = pty.fork()
    if pid == 0:
        command = [sys.executable, "-m", "layergrid.cli", *map(str, arguments)]
        os.execve(sys.executable, command, {**os.environ, "TERM": "xterm-256color", **environment})  # noqa: S606 - no shell is meant
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    shown = b""
    while True:
        try:
            part = os.read(screen, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        shown += part
    os.close(screen)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode("utf-8")


ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.mark.slow
@pytest.mark.parametrize("columns", [50, 80])
def test_a_build_on_a_terminal_leaves_a_line_per_stage_and_the_table(written, tmp_path, columns):
    text = written.read_text().replace("folds: 3", "folds: 4")
    written.write_text(f"{text}outputs: [md]\n")
    code, shown = in_terminal(
        "build", written, "--out", tmp_path / "reports", columns=columns, LAYERGRID_CACHE=str(tmp_path)
    )
    assert code == 0, shown
    assert "\x1b[3" in shown
    left = [ESCAPES.sub("", line).rpartition("\r")[2].rstrip() for line in shown.replace("\r\n", "\n").split("\n")]
    assert any(re.match("\N{CHECK MARK} generate ", line) for line in left), left
    assert any(re.match(r"stage +time", line) for line in left)
    assert all(len(line) <= columns for line in left if not line.startswith("/"))


@pytest.mark.slow
@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_without_colours_gets_none(written, tmp_path, name, value):
    code, shown = in_terminal("build", written, "--out", tmp_path / "reports", **{name: value})
    assert code == 0, shown
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", shown)
    assert "everything was kept" in shown or "report" in shown


@pytest.mark.slow
def test_a_pipe_gets_no_escapes_and_a_terminal_that_is_no_utf_8_no_error(written, tmp_path):
    code, shown = in_terminal("build", written, "--out", tmp_path, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (code, shown.isascii()) == (0, True)
    ended = subprocess.run(
        [sys.executable, "-m", "layergrid.cli", "build", written, "--out", tmp_path / "other"],
        capture_output=True, check=True, env={**os.environ, "FORCE_COLOR": "1"},
    )  # fmt: skip
    assert b"\x1b" not in ended.stdout + ended.stderr

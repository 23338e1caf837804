"""What is drawn in a second process while the PDF is laid out: the same texts, the same errors, nothing left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

import pytest

from layergrid.render import beside, listing, printing
from layergrid.render.beside import Ahead

STEPS = """
import json, os, sys, warnings
from layergrid.render.beside import Ahead, possible
def warned():
    warnings.warn("careful", UserWarning)
    return "warned"
def failed():
    raise ValueError(f"no text in {os.getpid() == FIRST}")
FIRST = os.getpid()
steps = {"who": lambda: str(os.getpid()), "long": lambda: "\\ud800é" * 300_000, "warned": warned}
steps["late"] = lambda: "late"
if "fail" in sys.argv:
    steps["warned"] = failed
"""


def alone(script: str, *arguments: str) -> str:
    """What a script prints in a process of its own, which has no other threads."""
    ended = subprocess.run(
        [sys.executable, "-c", STEPS + script, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return ended.stdout + ended.stderr


@pytest.fixture
def forking(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if nothing stood in the way of a second process; the steps of these tests take no lock."""
    monkeypatch.setattr(beside, "possible", lambda: True)


def made(steps: Mapping[str, beside.Step]) -> dict[str, str]:
    with Ahead(steps) as ahead:
        return {name: ahead[name] for name in steps}


@pytest.mark.skipif(sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2, reason="no second process here")
def test_a_process_without_threads_has_its_texts_made_by_another_and_leaves_none_behind():
    said = alone(
        "assert possible()\n"
        "with Ahead(steps) as ahead:\n"
        "    print(ahead['long'] == steps['long'](), ahead['who'] != str(FIRST), ahead['warned'], ahead['late'])\n"
        "try:\n    os.waitpid(-1, os.WNOHANG)\nexcept ChildProcessError:\n    print('none left')\n"
    )
    assert said.startswith("True True warned late\nnone left\n")
    assert "careful" in said  # a warning of a step is seen, since the step is done again


@pytest.mark.skipif(sys.platform != "linux", reason="no second process here")
def test_the_error_of_a_step_is_raised_where_its_text_is_asked_for_and_by_the_first_process():
    said = alone(
        "with Ahead(steps) as ahead:\n    print(len(ahead['who']) > 0)\n    try:\n        ahead['warned']\n"
        "    except ValueError as error:\n        print(error, ahead['late'])\n", "fail",
    )  # fmt: skip
    assert said == "True\nno text in True late\n"


def test_a_second_process_that_is_killed_costs_time_and_nothing_else(forking):
    first = os.getpid()

    def deadly() -> str:
        if os.getpid() != first:
            os.kill(os.getpid(), 9)
        return "done here"

    assert made({"a": lambda: "a", "deadly": deadly, "b": lambda: "b"}) == {"a": "a", "deadly": "done here", "b": "b"}


def test_leaving_early_ends_the_second_process(forking):
    with Ahead({"a": lambda: "a", "endless": lambda: "x" * 10_000_000}) as ahead:
        assert ahead["a"] == "a"
        child = ahead.child
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_no_process_with_threads_or_with_libraries_that_run_some_is_forked(monkeypatch):
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    assert not beside.possible()
    stop.set()
    thread.join()
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert not beside.possible()


def test_properties_of_the_root_are_written_out_unless_they_are_set_again():
    sheet = ':root { --ink: #111; --text: "A", serif; --own: 1pt }\np { color: var(--ink); font: 9pt var(--text) }'
    shown = printing._settled(sheet, "")
    assert 'p { color: #111; font: 9pt "A", serif }' in shown
    again = sheet + "\n.dark { --ink: #eee }"
    assert 'color: var(--ink); font: 9pt "A", serif' in printing._settled(again, "")
    assert "color: var(--ink)" in printing._settled(sheet, '<p style="--ink: red">')


@pytest.mark.parametrize(("entries", "split"), [((12, 2, 8), 1), ((4, 3, 6), 2), ((3, 3), 1), ((5,), 1)])
def test_lists_of_contents_are_parted_so_that_the_higher_column_is_as_low_as_it_can_be(monkeypatch, entries, split):
    lists = tuple((f"L{k}", tuple((f"a{i}", "", "Words") for i in range(n))) for k, n in enumerate(entries))
    monkeypatch.setattr(listing, "of", lambda _: lists)
    parts = listing.columns(None, "A4").lists
    assert parts[0] == lists[:split]
    assert sum(parts, ()) == lists

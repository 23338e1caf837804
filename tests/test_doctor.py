"""What the doctor finds, each check in a process of its own."""

from __future__ import annotations

import json

import pytest

from building import run
from layergrid import doctor
from layergrid.doctor import Check, examine


def one(code: str, **changes: object) -> doctor.Finding:
    return examine((Check("check", code, "do this", **changes),))[0]


def test_a_check_that_passes_says_what_it_found_and_advises_nothing():
    assert one("print('  all well ')") == doctor.Finding("check", True, "all well", "", True)


def test_a_check_that_raises_says_its_last_line_and_advises():
    found = one("raise OSError('no library\\nlibpango')")
    assert (found.fine, found.detail, found.advice) == (False, "libpango", "do this")


def test_a_check_that_crashes_is_reported_and_ends_nothing_else():
    crash = Check("crash", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "do this")
    after = Check("after", "print('here')", "")
    found = examine((crash, after))
    assert [f.fine for f in found] == [False, True]
    assert found[0].detail == "crashed (signal 11)"


def test_a_check_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(doctor, "TIMEOUT", 0.5)
    found = one("import time; time.sleep(60)")
    assert (found.fine, found.detail) == (False, "no answer in 0.5 s")


def test_a_check_that_fails_without_a_word_is_told_as_such():
    assert one("raise SystemExit(4)").detail == "failed without a word"


def test_this_machine_passes_every_check():
    ran = run("doctor")
    assert ran.code == 0, ran.out
    assert [line.split()[0] for line in ran.out.splitlines()] == ["ok"] * len(doctor.CHECKS)
    assert all(name in ran.out for name in ("Python", "torch", "devices: cpu", "WeasyPrint", "bundled faces"))


@pytest.mark.parametrize(("needed", "code"), [(True, 3), (False, 0)])
def test_only_what_is_needed_makes_the_doctor_fail(monkeypatch, needed, code):
    wrong = Check("thing", "raise ValueError('no thing')", "get a thing", needed)
    monkeypatch.setattr(examine, "__defaults__", ((wrong,),))
    ran = run("doctor")
    assert ran.code == code
    assert "FAIL  thing" in ran.out
    assert "get a thing" in ran.out


def test_the_cache_check_tells_of_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path / "file"))
    cache = next(c for c in doctor.CHECKS if c.name == "cache")
    found = examine((cache,))[0]
    assert not found.fine
    assert "cannot be written" in found.detail


def test_each_check_has_advice():
    assert all(json.dumps(c.advice) != '""' for c in doctor.CHECKS)

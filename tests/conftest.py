"""Rules for all tests: no network, one thread for linear algebra, and in CI no skips."""

from __future__ import annotations

import os

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """With CI set a skip is a failure: pango, fonts and a browser must be there."""
    outcome = yield
    report = outcome.get_result()
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {report.longrepr}"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    """No test reads or writes the user's cache."""
    monkeypatch.setenv("LAYERGRID_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("LAYERGRID_SHARED_CACHE", raising=False)


@pytest.fixture(scope="module")
def browser():
    """A Chromium for the tests of one module."""
    from browser import Browser

    one = Browser()
    yield one
    one.close()

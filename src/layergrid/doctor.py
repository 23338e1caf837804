"""Checks the machine: interpreter, Pango, fonts, devices, cache; each in a child process, since some can crash.

It knows how to test and what to advise, not how to print.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass

TIMEOUT = 120  # seconds for one check; the first import of torch on a cold disk is slow


@dataclass(frozen=True)
class Check:
    """One thing that a build needs, with the code that tries it and the advice where it fails."""

    name: str
    code: str  # run by a child interpreter; prints one line of detail, or raises
    advice: str
    needed: bool = True


@dataclass(frozen=True)
class Finding:
    """The outcome of a check."""

    name: str
    fine: bool
    detail: str
    advice: str  # empty where fine
    needed: bool


PANGO = (
    "install Pango: `sudo apt-get install libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0` or `brew install pango`"
)

CHECKS = (
    Check(
        "Python",
        "import sys, platform; assert sys.version_info >= (3, 11); print(platform.python_version())",
        "use Python 3.11 or newer",
    ),
    Check(
        "torch",
        "import torch; d = ['cpu'] + ['cuda'] * torch.cuda.is_available(); "
        "d += ['mps'] * torch.backends.mps.is_available(); "
        "print(torch.__version__, 'devices:', ', '.join(d), 'threads:', torch.get_num_threads())",
        "reinstall torch: `pip install torch==2.13.0`",
    ),
    Check(
        "transformers", "import transformers; print(transformers.__version__)", "reinstall: `pip install transformers`"
    ),
    Check(
        "fonts",
        "from layergrid.theme import faces; print(faces.check(), 'bundled faces')",
        "reinstall layergrid: its font files are missing or damaged",
    ),
    Check(
        "PDF",
        "import weasyprint; n = len(weasyprint.HTML(string='<p>layergrid').write_pdf()); "
        "print('WeasyPrint', weasyprint.__version__)",
        f"{PANGO}; and one font, such as fonts-dejavu-core",
    ),
    Check(
        "charts",
        "import altair, vl_convert; print('Altair', altair.__version__, 'vl-convert', vl_convert.__version__)",
        "reinstall: `pip install altair vl-convert-python`",
    ),
    Check(
        "shipped files",
        "from layergrid import resources as r; print(len(list(r.folder('templates').iterdir())), 'templates; specs:', "
        "*sorted(p.stem for p in r.folder('specs').glob('*.yaml')))",
        "reinstall layergrid: its templates or specs are missing",
    ),
    Check(
        "cache",
        "import shutil; from layergrid.cli.amounts import size; from layergrid.store import Store, pieces; told = []; "
        "s = Store(warn=told.append); where = s.check(); used = sum(p.bytes for p in pieces(s.root)); "
        "print(f'{where}: {size(used)} used, {size(shutil.disk_usage(where).free)} free', *told, sep='; ')",
        "set LAYERGRID_CACHE to a folder that you may write",
    ),
)


def examine(checks: tuple[Check, ...] = CHECKS) -> list[Finding]:
    """Runs every check in a child interpreter of its own."""
    return [_examine(check) for check in checks]


def _examine(check: Check) -> Finding:
    command = [sys.executable, "-W", "ignore", "-c", check.code]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)  # noqa: S603 (own code)
    except subprocess.TimeoutExpired:
        return Finding(check.name, False, f"no answer in {TIMEOUT} s", check.advice, check.needed)
    if child.returncode == 0:
        return Finding(check.name, True, child.stdout.strip(), "", check.needed)
    if child.returncode < 0:
        return Finding(check.name, False, f"crashed (signal {-child.returncode})", check.advice, check.needed)
    last = (child.stderr.strip().splitlines() or ["failed without a word"])[-1]
    return Finding(check.name, False, last, check.advice, check.needed)

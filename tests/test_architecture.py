"""The house stands as ARCHITECTURE.md draws it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "layergrid"
MODULES = sorted(SOURCE.rglob("*.py"))
HEAVY = ("torch", "transformers", "sklearn", "pandas", "scipy.stats", "pyarrow", "altair", "weasyprint")


def loaded(code: str, *names: str) -> set[str]:
    """Which of the named modules a child interpreter holds after running the code."""
    probe = f"{code}\nimport sys\nprint([n for n in {names!r} if n in sys.modules])"
    child = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(ast.literal_eval(child.stdout.strip().splitlines()[-1]))


def test_imports_point_one_way():
    command = [str(Path(sys.executable).parent / "lint-imports"), "--config", str(ROOT / "pyproject.toml")]
    child = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert child.returncode == 0, child.stdout


def test_help_loads_nothing_heavy():
    assert not loaded("import layergrid.cli", *HEAVY)


def test_validate_loads_nothing_heavy():
    assert not loaded(
        "from pathlib import Path; from layergrid.spec import load_spec; load_spec(Path('specs/arithmetic.yaml'))",
        *HEAVY,
    )


@pytest.mark.parametrize("module", ["facts", "prose", "theme", "render", "archive", "verify", "charts"])
def test_nothing_after_the_waist_loads_a_model_library(module):
    assert not loaded(f"import layergrid.{module}", "torch", "transformers", "sklearn", "pandas", "scipy.stats")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_each_module_says_what_it_does_and_stays_one_room(path):
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module's first sentence says what it does"
    assert len(text.splitlines()) <= 400


def test_every_dependency_has_its_reason():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    reasons = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    for requirement in project["dependencies"]:
        name = re.split(r"[><=]", requirement)[0]
        assert re.search(rf"^\| {re.escape(name)} \|", reasons, re.M), f"{name} has no reason in ARCHITECTURE.md"

"""The package as others install it: a wheel, outside of the repository."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FEW = (
    "datasets.sums.sample=60", "datasets.sums.generate={max_new_tokens: 32, batch: 30}",
    "positions=[last_q, exact_answer_last, -1]", "grids.errors.folds=3", "grids.errors.penalties=[0.1]", "expect=[]",
)  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel that the repository gives, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("layergrid-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A virtual environment that holds the wheel, and borrows everything but layergrid from this one."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False, symlinks=True)
    python = folder / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run([*pip, "--disable-pip-version-check"], check=True, capture_output=True)
    own = subprocess.check_output([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], text=True)
    # Paths in a .pth file bring no .pth files of their own: the editable layergrid stays out.
    (Path(own.strip()) / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (folder / "work").mkdir()
    return folder


def layergrid(installed, *arguments):
    environment = {**os.environ, "LAYERGRID_CACHE": str(installed / "cache")}
    environment.pop("PYTHONPATH", None)
    command = [installed / "env" / "bin" / "layergrid", *arguments]
    ran = subprocess.run(
        command, cwd=installed / "work", env=environment, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_the_wheel_holds_the_package_with_all_that_it_reads_and_no_tests(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = [p for top in ("templates", "specs") for p in (ROOT / top).rglob("*") if p.is_file()]
    assert {f"layergrid/{p.relative_to(ROOT).as_posix()}" for p in shipped} <= names
    package = [p for p in (ROOT / "src").rglob("*") if p.is_file() and p.suffix not in {".pyc", ".pyo"}]
    assert {p.relative_to(ROOT / "src").as_posix() for p in package} <= names
    assert {"layergrid/py.typed", "layergrid/demo/model/model.safetensors"} <= names
    assert {name.split("/")[0].split("-")[0] for name in names} == {"layergrid"}


def test_every_file_of_the_wheel_can_be_read_by_all(wheel):
    with zipfile.ZipFile(wheel) as archive:
        assert [one.filename for one in archive.infolist() if one.external_attr >> 16 & 0o444 != 0o444] == []


def test_the_installed_package_finds_its_own_templates_and_specs_and_builds_outside_the_repository(installed):
    line = next(line for line in layergrid(installed, "list").splitlines() if line.startswith("arithmetic  "))
    spec = Path(line.split("  ", 1)[1])
    assert spec.is_relative_to((installed / "env").resolve()) or spec.is_relative_to(installed / "env")
    told = layergrid(installed, "build", spec, *[f"--set={one}" for one in FEW])
    assert told.split() == [f"reports/arithmetic/report.{suffix}" for suffix in ("html", "pdf", "md")]
    report = installed / "work" / "reports" / "arithmetic"
    assert all((report / f"report.{suffix}").stat().st_size > 1000 for suffix in ("html", "pdf", "md"))
    assert "all agree" in layergrid(installed, "verify", report)


def test_the_installed_package_writes_specs_and_their_schema(installed):
    layergrid(installed, "new", "mine.yaml")
    assert ": fine" in layergrid(installed, "validate", "mine.yaml")
    assert layergrid(installed, "schema").startswith("{")

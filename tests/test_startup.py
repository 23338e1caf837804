"""What a command imports: reading a spec costs nothing that computes or draws, and a build of what is kept no model."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from layergrid.baselines import BUILT_IN
from layergrid.probing.names import P_TRUE, SCORES, SIMPLER
from layergrid.probing.predictors import FITTED

ROOT = Path(__file__).parent.parent
DRIVER = """
import sys
sys.argv[0] = "layergrid"
from layergrid.cli import main
try:
    main()
finally:
    print(sorted(name for name in sys.modules if name.count(".") < 2))
"""
MODELS = {"torch", "transformers", "sklearn", "scipy.stats"}
DRAWS = {"altair", "vl_convert", "weasyprint"}
READS = {"pyarrow", "pandas", "rich", "joblib"}
COMPUTES = {"numpy", "layergrid.probes", "layergrid.stats", "layergrid.describing", "layergrid.models"}
OURS = {"layergrid.render", "layergrid.facts", "layergrid.pipeline", "layergrid.theme"}


def ran(folder: Path, *arguments: str) -> tuple[int, set[str]]:
    """The exit code of a command in a process of its own, and the modules that it imported."""
    child = subprocess.run(
        [sys.executable, "-c", DRIVER, *arguments], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "LAYERGRID_CACHE": str(folder / "cache")},
    )  # fmt: skip
    return child.returncode, set(ast.literal_eval(child.stdout.splitlines()[-1]))


@pytest.mark.parametrize("command", ["validate", "build"])
def test_a_malformed_spec_is_refused_without_what_computes_draws_or_reads_tables(tmp_path, command):
    good = (ROOT / "specs" / "arithmetic.yaml").read_text(encoding="utf-8")
    (tmp_path / "wrong.yaml").write_text(good.replace("folds: 5", "folds: [5]"), encoding="utf-8")
    code, imported = ran(tmp_path, command, "wrong.yaml")
    assert code == 2
    assert not imported & (MODELS | DRAWS | READS | COMPUTES | OURS)


@pytest.mark.parametrize("base", ["Loader", "Grader", "PositionResolver", "GridKind", "ChartKind"])
def test_no_kind_that_a_spec_may_name_costs_the_import_of_what_computes_draws_or_reads_tables(base):
    code = (
        "import sys; from layergrid import kinds; base = getattr(kinds, sys.argv[1]); "
        "read = [kinds.kind_named(base, name).model_json_schema() for name in kinds.names(base)]; "
        "print(len(read), *sys.modules)"
    )
    child = subprocess.run([sys.executable, "-c", code, base], capture_output=True, text=True, check=True)
    read, *imported = child.stdout.split()
    assert int(read) > 1
    assert not set(imported) & (MODELS | DRAWS | READS | COMPUTES | (OURS - {"layergrid.theme"}))


def test_a_second_build_of_the_same_spec_imports_nothing_that_models_or_draws(tmp_path):
    rows = "layer,position,value\n" + "".join(f"{k},last,{0.5 + k / 10}\n" for k in range(3))
    (tmp_path / "made.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "kept.yaml").write_text("grids: {made: {kind: table, source: made.csv}}\noutputs: [md]\n")
    assert ran(tmp_path, "build", "kept.yaml", "-q")[0] == 0
    code, imported = ran(tmp_path, "build", "kept.yaml", "-q")
    assert code == 0
    assert not imported & (MODELS | DRAWS)


def test_the_names_of_simpler_predictors_are_those_that_are_computed():
    assert tuple(BUILT_IN) == SCORES
    assert (*BUILT_IN, P_TRUE, *FITTED) == SIMPLER


def test_reading_a_kept_grid_imports_no_pandas(tmp_path):
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from layergrid.archive.parquet import read_parquet\n"
        "read_parquet(Path(sys.argv[1])).column(0).to_numpy()\n"
        "assert 'pandas' not in sys.modules\n"
        "import pandas, pyarrow\n"
        "assert len(pyarrow.table({'a': [1, 2]}).to_pandas()) == 2\n"
    )
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.table({"a": [1.0, 2.0]}), tmp_path / "a.parquet")
    subprocess.run([sys.executable, "-W", "error", "-c", code, str(tmp_path / "a.parquet")], check=True)

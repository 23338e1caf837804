"""The README says what the code does."""

from __future__ import annotations

import re

import pytest
import yaml

import readme
from layergrid.cli import app


@pytest.mark.parametrize("document", readme.SECTIONS, ids=lambda path: path.name)
def test_every_table_of_a_document_is_what_the_code_says(document):
    assert readme.written(document) == document.read_text(encoding="utf-8"), "run: python tests/readme.py"


def test_every_command_of_the_readme_exists():
    known = {c.name or c.callback.__name__ for c in app.registered_commands} | {g.name for g in app.registered_groups}
    used = set(re.findall(r"^layergrid (\w+)", readme.README.read_text(encoding="utf-8"), re.M))
    assert used
    assert used <= known


def test_the_spec_of_the_readme_is_valid(tmp_path):
    from layergrid.spec import load_spec

    block = re.search(r"```yaml\n(.*?)```", readme.README.read_text(encoding="utf-8"), re.S)
    assert block is not None
    assert yaml.safe_load(block.group(1))["layergrid"] == 1
    (tmp_path / "quiz.csv").write_text("question,answer\nWhat is 1 plus 1?,2\n")
    path = tmp_path / "mine.yaml"
    path.write_text(block.group(1))
    assert load_spec(path).grids["errors"].kind == "probe"


def test_the_files_that_the_readme_links_to_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", readme.README.read_text(encoding="utf-8")):
        assert (readme.README.parent / target).exists(), target

"""The specs that ship for the paper's ten sets, each on a few invented rows with the columns of the real one."""

from __future__ import annotations

import math
import os
import re
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from building import Ran, run
from layergrid import resources
from layergrid.artifacts import Examples
from layergrid.graders import check_gold
from layergrid.loaders import load_examples
from layergrid.prompts import render
from layergrid.spec import Spec, load_spec

ROWS = Path(__file__).parent / "data" / "qa"
FOUR = ("exact_answer_before_first", "exact_answer_first", "exact_answer_last", "exact_answer_after_last")
FROM_END = tuple(str(k) for k in range(-8, 0))
FIFTEEN = ("last_q", "first_answer", "second_answer", *FOUR, *FROM_END)
TWELVE = ("last_q", *FOUR[1:], *FROM_END)


class Shipped(NamedTuple):
    """What a spec must be, and the small file of the columns that it reads."""

    data: str  # the data set's name in the spec
    file: str
    grader: str
    prompt: str  # of the first row of the small file
    groups: int  # of its rows
    positions: tuple[str, ...] = FIFTEEN


TEN = {
    "triviaqa": Shipped(
        "triviaqa", "trivia_qa.jsonl", "contains", "Q: Who built the lantern of Aldmoor?\nA:", 40
    ),
    "hotpotqa": Shipped(
        "hotpotqa", "hotpot_qa.jsonl", "contains", "Q: In which town stands what Mara Velden made?\nA:", 40
    ),
    "hotpotqa_with_context": Shipped(
        "hotpotqa", "hotpot_qa.jsonl", "contains",
        "Mara Velden made a lantern. It stands in Aldmoor.\nLindqvik has no lantern.\n"
        "Q: In which town stands what Mara Velden made?\nA:", 40,
    ),
    "movies": Shipped(
        "movies", "movie_qa_test.csv", "contains",
        "Q: Who acted as Captain Ferro in the movie 'The Salt Road'?\nA:", 20,
    ),
    "winobias": Shipped(
        "winobias", "winobias_test.csv", "choice",
        "The baker called the porter because he was late. Who does the pronoun 'he' refer to?\nA:", 10,
    ),
    "winogrande": Shipped(
        "winogrande", "winogrande_test.csv", "choice",
        "Question: Ana was chosen over Ruth since _ was more ready. Who does the blank refer to in the sentence?\n"
        "Answer:", 20,
    ),
    "nli": Shipped(
        "nli", "mnli_validation.csv", "choice",
        'Q: For the statement, "The lantern of Aldmoor was sold", does the hypothesis "Something was sold" represent '
        "entailment, contradiction, or neutrality? Answer with one word: entailment, contradiction or neutral.\nA:", 24,
    ),
    "imdb": Shipped(
        "imdb", "imdb.jsonl", "choice",
        'Classify the following movie review as either "positive" or "negative". Start with the one word.\n'
        "Review: A warm film from Aldmoor.<br /><br />I would see it again.\nLabel:", 40, TWELVE,
    ),
    "math": Shipped(
        "math", "AnswerableMath_test.csv", "numeric",
        "Q: Mara picked 11 pears in Aldmoor. A friend brought 2 more. How many pears are there now? Answer shortly.\n"
        "A:", 20,
    ),
    "natural_questions": Shipped(
        "natural_questions", "natural_questions.jsonl", "contains",
        "Context: The lantern of Aldmoor was drawn by Mara Velden. Later Pavel Dvořák painted it.\n"
        "Q: who drew the lantern of aldmoor\nA:", 40,
    ),
}  # fmt: skip


def path(name: str) -> Path:
    return resources.file(f"specs/qa_{name}.yaml")


def read_from(name: str, file: Path, rows: int) -> tuple[str, str]:
    """What makes a spec read another file, whose place is told from the spec's."""
    data = f"datasets.{TEN[name].data}"
    return f"{data}.source={os.path.relpath(file, path(name).parent)}", f"{data}.sample={rows}"


@cache
def small(name: str) -> tuple[Spec, Examples]:
    """A spec with the rows of its small file."""
    spec = load_spec(path(name), read_from(name, ROWS / TEN[name].file, 40))
    data = spec.datasets[TEN[name].data]
    examples = load_examples(
        TEN[name].data, data.loader, data.source, spec.project, sample=40,
        id_column=data.id, group_column=data.group, columns=data.columns, where=data.where,
    )  # fmt: skip
    return spec, examples


def built(name: str, home: Path, *changes: str) -> tuple[Ran, str, list[dict[str, Any]]]:
    """How a build ended, its report and the rows of its grid's table."""
    ran = run(
        "build", path(name), "--out", home, *(f"--set={one}" for one in read_from(name, ROWS / TEN[name].file, 40)),
        "--set=grids.errors.permutations=0", "--set=grids.errors.layers=[1, 8]", "--set=grids.errors.folds=3",
        "--set=grids.errors.penalties=[0.01]", "--set=outputs=[md]", "--quiet", *changes,
    )  # fmt: skip
    report = home / f"qa_{name}"
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(report / "grids" / "errors.parquet").to_pylist()
    return ran, (report / "report.md").read_text(encoding="utf-8"), table


def test_there_is_a_spec_for_each_of_the_ten_sets():
    assert {one.stem for one in resources.folder("specs").glob("qa_*.yaml")} == {f"qa_{name}" for name in TEN}


@pytest.mark.parametrize("name", TEN)
def test_each_spec_is_fine_and_says_what_the_paper_does(name):
    spec, _ = small(name)
    data = spec.datasets[TEN[name].data]
    assert [one.address for one in spec.models.values()] == ["builtin:arithmetic"]
    assert data.grade is not None
    assert (data.grade.kind, data.long, data.sample) == (TEN[name].grader, "leave_out", 40)
    assert load_spec(path(name), ("variables.model=hf:a/b",)).models["tested"].address == "hf:a/b"
    assert tuple(one.name for one in spec.positions) == TEN[name].positions
    [figure] = spec.figures
    assert (figure.scheme, figure.domain, figure.box, figure.tick) == ("blues", (0.5, 1.0), ("exact_answer_*",), 2)


@pytest.mark.parametrize("name", TEN)
def test_each_prompt_is_the_one_that_was_typed(name):
    spec, examples = small(name)
    assert TEN[name].prompt in render(spec.datasets[TEN[name].data].prompt, examples)


@pytest.mark.parametrize("name", TEN)
def test_each_gold_answer_can_be_compared_and_each_group_holds_what_belongs_together(name):
    spec, examples = small(name)
    grader = spec.datasets[TEN[name].data].grade
    assert grader is not None
    check_gold(grader, examples)
    assert len(set(examples.groups)) == TEN[name].groups


def test_twins_stand_in_one_group():
    for name, key in {"winobias": "sentence", "winogrande": "question"}.items():
        _, examples = small(name)
        twins = defaultdict(set)
        for text, group in zip(examples.columns[key], examples.groups, strict=True):
            twins[re.sub(r"\b(s?he|more|less)\b", "_", str(text))].add(group)
        assert len(twins) == 20
        assert all(len(groups) == 1 for groups in twins.values())


def test_an_alias_of_the_right_answer_is_right():
    spec, examples = small("triviaqa")
    grader = spec.datasets["triviaqa"].grade
    assert grader is not None
    first = next(i for i, text in enumerate(examples.columns["question"]) if "Aldmoor" in str(text))
    assert [grader.grade(examples.row(first), text).correct for text in (" Velden.", " M. Velden", " Quist")] == [
        True, True, False,
    ]  # fmt: skip


POOR = re.compile("there are (no right answers to tell from others|too few right answers to probe)", re.IGNORECASE)


def check_poor(name, home):
    short = f"--set=datasets.{TEN[name].data}.generate.max_new_tokens=12"
    ran, report, table = built(name, home, short, "--set=grids.errors.baselines=[answer_length]")
    assert ran.code == 0, ran.err
    assert POOR.search(report), report[:2000]
    assert all(math.isnan(row["value"]) for row in table)


def check_given(name, home):
    data = TEN[name].data
    ran, report, table = built(
        name, home, f"--set=datasets.{data}.generate=null", f"--set=datasets.{data}.answers={{text: reply}}"
    )
    assert ran.code == 0, ran.err
    assert not POOR.search(report)
    at_answer = [row["value"] for row in table if row["position"] == "exact_answer_last"]
    assert len(at_answer) == 2
    assert all(0 <= value <= 1 for value in at_answer)
    ran = run("verify", home / f"qa_{name}")
    assert ran.code == 0, ran.out + ran.err


def test_a_model_that_knows_no_answer_ends_in_a_report_that_says_so(tmp_path):
    check_poor("winobias", tmp_path)


def test_answers_that_stand_in_the_data_give_the_grid_values(tmp_path):
    check_given("math", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEN)
def test_every_spec_ends_in_a_report_though_the_model_knows_nothing(name, tmp_path):
    check_poor(name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", TEN)
def test_every_spec_has_values_where_the_answers_are_given(name, tmp_path):
    check_given(name, tmp_path)


class TestRealFiles:
    """The files of the paper's repository, whose folder LAYERGRID_DATA names; they are no part of the project."""

    __test__ = "LAYERGRID_DATA" in os.environ

    @staticmethod
    def read(name):
        folder = os.environ["LAYERGRID_DATA"]
        spec = load_spec(path(name), (f"variables.data={folder}",), allowed=(Path(folder),))
        data = spec.datasets[TEN[name].data]
        return spec, load_examples(
            TEN[name].data, data.loader, data.source, spec.project, id_column=data.id, group_column=data.group,
            columns=data.columns, where=data.where,
        )  # fmt: skip

    @pytest.mark.slow
    @pytest.mark.parametrize(
        ("name", "rows", "groups"),
        [
            ("movies", 7856, 2998),
            ("winobias", 1584, 204),
            ("winogrande", 2000, 1431),
            ("nli", 2000, 1485),
            ("math", 1950, 1890),
        ],
    )
    def test_all_rows_can_be_graded_and_stand_in_groups(self, name, rows, groups):
        spec, examples = self.read(name)
        grader = spec.datasets[TEN[name].data].grade
        check_gold(grader, examples)
        assert (len(examples.ids), len(set(examples.groups))) == (rows, groups)

    @pytest.mark.slow
    def test_twins_that_swap_pronouns_stand_in_one_group(self):
        _, examples = self.read("winobias")
        twins = defaultdict(set)
        for text, group in zip(examples.columns["sentence"], examples.groups, strict=True):
            twins[re.sub(r"\b(s?he|his|hers?|him)\b", "_", str(text))].add(group)
        assert len(twins) < 800
        assert all(len(one) == 1 for one in twins.values())

    @pytest.mark.slow
    @pytest.mark.parametrize("name", ["movies", "winobias", "winogrande", "nli", "math"])
    def test_three_hundred_questions_end_in_a_report(self, name, tmp_path):
        folder, data = os.environ["LAYERGRID_DATA"], TEN[name].data
        ran = run(
            "build", path(name), "--out", tmp_path, "--allow-path", folder, f"--set=variables.data={folder}",
            f"--set=datasets.{data}.sample=300", f"--set=datasets.{data}.generate.max_new_tokens=12",
            "--set=grids.errors.permutations=0", "--set=grids.errors.layers=[4]", "--set=outputs=[md]", "--quiet",
        )  # fmt: skip
        assert ran.code == 0, ran.err
        report = (tmp_path / f"qa_{name}" / "report.md").read_text(encoding="utf-8")
        assert POOR.search(report), report[:2000]
        assert run("verify", tmp_path / f"qa_{name}").code == 0

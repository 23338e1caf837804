"""From answers that stand in the data to a report: what is asked of the model, what is kept, what the text says."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest

import building
import tiny_models
from layergrid.demo.questions import evaluation_sums
from layergrid.spec import SpecError, load_spec

SPEC = """\
models: {tiny: model}
datasets:
  sums:
    source: rows.jsonl
    id: id
    prompt: "{{ question }}"
    answers: said
    grade: {kind: numeric, gold: gold}
positions: [last_q, first_answer, "-1"]
grids:
  errors: {kind: probe, layers: [1, 2], folds: 3, permutations: 0, penalties: [0.1], baselines: [truncation, p_true]}
outputs: [md]
"""


def rows(n: int = 60) -> list[dict[str, object]]:
    """Sums with answers, two of five wrong; every sixth without a word, the last one much too long."""
    draw = random.Random(0)  # noqa: S311 - nothing secret
    found: list[dict[str, object]] = []
    for i in range(n):
        a, b, off = draw.randint(1, 9), draw.randint(1, 9), int(i % 5 < 2)
        said = "" if i % 6 == 5 else f" It is {a + b + off}."
        found.append({"id": f"s{i:02d}", "question": f"{a} plus {b}?", "gold": a + b, "said": said, "when": i})
    found[-1]["said"] = " 9" * 200
    return found


def home_of(folder: Path) -> Path:
    tiny_models.save(folder / "model")
    (folder / "rows.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows()), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    study = building.build(
        home_of(tmp_path_factory.mktemp("given")), SPEC.replace("    id: id\n", "    id: id\n    long: leave_out\n")
    )
    assert study.ran.code == 0, study.ran.err
    return study


def test_the_report_says_that_answers_were_given_and_never_that_the_model_wrote_them(built):
    text = (built.report / "report.md").read_text(encoding="utf-8")
    assert "Answers to 59 examples of sums (rows.jsonl) were given in column \u201csaid\u201d" in text
    assert "as text and not generated here; their log-probabilities come from a forward pass" in text
    assert "1 of 60 rows is left out because its prompt and answer do not fit the model's context" in text
    assert "nobody knows whether the given answers were cut" in text
    assert "| not known |" in text
    for word in ("The model wrote", "the model wrote", "tiny answers", "The model tiny", "limited to"):
        assert word not in text, word
    assert "given answers/s" in built.ran.err or "score" in built.ran.err


def test_one_table_holds_the_nested_probe_every_baseline_and_the_paired_differences(built):
    text = (built.report / "report.md").read_text(encoding="utf-8")
    table = re.search(r"\| Predictor \|.*?\n\n", text, re.DOTALL)[0].splitlines()
    assert "Nested best minus it" in table[0]
    assert table[2].startswith("| nested best of the grid |")
    assert any(line.startswith("| P(True), the model asked whether its own answer is right | 0.") for line in table)


def test_what_was_built_verifies(built):
    with building.cache(built.cache):
        ran = building.run("verify", built.report)
    assert ran.code == 0, ran.out + ran.err


def test_a_second_build_asks_nothing_and_a_change_of_the_grader_scores_no_answer_anew(built):
    with building.cache(built.cache):
        again = building.run("plan", built.spec, "--json")
        other = building.run("plan", built.spec, "--json", "--set", "datasets.sums.grade.kind=exact")
        asked = building.run("plan", built.spec, "--json", "--set", "datasets.sums.p_true.true= yes", "--set",
                             "datasets.sums.p_true.false= no")  # fmt: skip

    def doing(ran):
        return {one["stage"].split()[0]: one["doing"] for one in json.loads(ran.out)[0]["stages"]}

    assert set(doing(again).values()) == {"kept"}
    assert (doing(other)["score"], doing(other)["p_true"], doing(other)["grid"]) == ("kept", "kept", "make")
    assert (doing(asked)["score"], doing(asked)["p_true"], doing(asked)["grid"]) == ("kept", "make", "make")


def test_a_row_that_does_not_fit_ends_a_build_that_leaves_none_out(built):
    (built.home / "strict.yaml").write_text(SPEC, encoding="utf-8")
    with building.cache(built.cache):
        ran = building.run("build", built.home / "strict.yaml", "--out", built.home / "reports")
    assert ran.code == 2
    assert "'s59': its prompt has" in ran.err
    assert "'long: leave_out' leaves out" in ran.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            ("    answers: said", "    answers: said\n    generate: {max_new_tokens: 4}"),
            "'generate' would write others",
        ),
        (("answers: said", "answers: {prompt_ids: a}"), "write one of 'text' and 'ids'"),
        (("answers: said", "answers: {text: said, prompt_ids: a}"), "'prompt_ids' goes with 'ids'"),
        (("answers: said", "answers: {txt: said}"), "did you mean 'text'"),
        (("p_true]}", "ptrue]}"), "did you mean 'p_true'"),
    ],
)
def test_what_does_not_go_together_is_told_where_it_stands(tmp_path, change, said):
    (tmp_path / "wrong.yaml").write_text(SPEC.replace(*change), encoding="utf-8")
    with pytest.raises(SpecError, match=said) as raised:
        load_spec(tmp_path / "wrong.yaml")
    assert re.search(r"wrong.yaml:\d+:\d+", str(raised.value))


@pytest.mark.slow
def test_a_sample_log_alone_makes_a_report_on_the_model_that_ships(tmp_path):
    draw = random.Random(1)  # noqa: S311 - nothing secret
    with (tmp_path / "samples_sums.jsonl").open("w", encoding="utf-8") as file:
        for i, one in enumerate(evaluation_sums(120)):
            wrong = draw.random() < 0.4
            prompt = f"Question: {one.question}\nAnswer:"
            file.write(json.dumps({
                "doc_id": i, "doc": {"question": one.question}, "target": str(one.answer), "filter": "none",
                "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": {"until": ["\n"]}}},
                "resps": [[f" {one.answer + wrong}"]], "filtered_resps": [str(one.answer + wrong)],
                "metrics": ["exact_match"], "exact_match": float(not wrong),
            }) + "\n")  # fmt: skip
    spec = """\
models: {tiny: builtin:arithmetic}
datasets:
  log:
    source: {kind: lm_eval, address: samples_sums.jsonl}
    id: doc_id
    prompt: "{{ prompt }}"
    answers: answer
    grade: {kind: column, column: score.exact_match}
positions: [last_q, exact_answer_last]
grids: {errors: {kind: probe, layers: [4, 8], folds: 3, permutations: 0, penalties: [0.1]}}
outputs: [md]
"""
    study = building.build(tmp_path, spec)
    assert study.ran.code == 0, study.ran.err
    text = (study.report / "report.md").read_text(encoding="utf-8")
    assert "Answers to 120 examples of log (samples_sums.jsonl) were given in column \u201canswer\u201d" in text

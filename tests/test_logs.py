"""Logs of evaluations as data sets: lm-evaluation-harness and inspect_ai."""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
from pathlib import Path

import pytest

from layergrid.kinds import BadInput
from layergrid.loaders.inspect import InspectLoader
from layergrid.loaders.lm_eval import LmEvalLoader
from layergrid.project import Project

LOGS = Path(__file__).parent / "data" / "logs"  # written by inspect_ai 0.3.285 with its mock model


def read(loader, folder: Path, name: str):
    return loader(address=name).read(Project.of(folder))


def written(folder: Path, *lines) -> Path:
    (folder / "samples.jsonl").write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")
    return folder


def sample(doc_id=0, answer=" 9", **more):
    """A line as `--log_samples` writes it, of a task that generates."""
    return {
        "doc_id": doc_id, "doc": {"question": "5 plus 4?", "answer": "9", "meta": {"level": 1}, "tags": ["a"]},
        "target": "9", "arguments": {"gen_args_0": {"arg_0": "Q: 5 plus 4?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [[answer]], "filtered_resps": [answer.strip()], "filter": "none", "metrics": ["exact_match"],
        "doc_hash": "d", "prompt_hash": "p", "target_hash": "t", "exact_match": 1.0, **more,
    }  # fmt: skip


# ---------------------------------------------------------------- lm-evaluation-harness


def test_a_sample_log_has_prompt_answer_target_scores_and_the_document(tmp_path):
    found = read(LmEvalLoader, written(tmp_path, sample(), sample(1, " 8", exact_match=0.0)), "samples.jsonl")
    assert found == {
        "doc_id": [0, 1], "prompt": ["Q: 5 plus 4?\nA:"] * 2, "answer": [" 9", " 8"], "target": ["9", "9"],
        "responses": [1, 1], "doc.question": ["5 plus 4?"] * 2, "doc.answer": ["9", "9"], "doc.meta.level": [1, 1],
        "doc.tags": ['["a"]'] * 2, "filtered": ["9", "8"], "score.exact_match": [1.0, 0.0],
    }  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        [["Q: 5 plus 4?\nA:", {"until": ["\n"]}]],
        [["Q: 5 plus 4?\nA:"]],
        {"gen_args_0": {"arg_0": "Q: 5 plus 4?\nA:", "arg_1": {"until": []}}},
        {"gen_args_0": {"arg_0": ["Q: 5 plus 4?\nA:"], "arg_1": {"until": []}}},
    ],
)
def test_the_prompt_is_found_in_every_shape_that_arguments_have_had(tmp_path, arguments):
    found = read(LmEvalLoader, written(tmp_path, sample(arguments=arguments)), "samples.jsonl")
    assert found["prompt"] == ["Q: 5 plus 4?\nA:"]


def test_a_dialogue_that_is_a_json_text_becomes_its_only_users_message(tmp_path):
    turns = json.dumps([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "5 plus 4?"}])
    asked = {"gen_args_0": {"arg_0": [turns], "arg_1": {}}}
    found = read(LmEvalLoader, written(tmp_path, sample(arguments=asked)), "samples.jsonl")
    assert (found["prompt"], found["system"]) == (["5 plus 4?"], ["Be brief."])
    odd = {"gen_args_0": {"arg_0": '[{"role" is a prompt', "arg_1": {}}}
    assert read(LmEvalLoader, written(tmp_path, sample(arguments=odd)), "samples.jsonl")["prompt"] == [
        '[{"role" is a prompt'
    ]


def test_several_filters_of_one_question_stand_in_one_row(tmp_path):
    lines = [
        sample(i, filter=name, filtered_resps=[name], exact_match=value)
        for name, value in (("strict", 0.0), ("flexible", 1.0)) for i in range(2)
    ]  # fmt: skip
    found = read(LmEvalLoader, written(tmp_path, *lines), "samples.jsonl")
    assert found["doc_id"] == [0, 1]
    assert found["score.exact_match.strict"] == [0.0, 0.0]
    assert found["score.exact_match.flexible"] == [1.0, 1.0]
    assert found["filtered.strict"] == ["strict"] * 2


def test_logs_of_older_versions_without_names_of_metrics_have_their_scores_too(tmp_path):
    line = {name: one for name, one in sample(acc=0.5).items() if name not in ("metrics", "filter")}
    found = read(LmEvalLoader, written(tmp_path, line), "samples.jsonl")
    assert (found["score.exact_match"], found["score.acc"]) == ([1.0], [0.5])
    assert not {"score.doc_hash", "score.metrics", "score.target_hash"} & set(found)


def test_the_first_of_several_answers_is_taken_and_their_number_told(tmp_path):
    found = read(LmEvalLoader, written(tmp_path, sample(resps=[["one", "two", "three"]])), "samples.jsonl")
    assert (found["answer"], found["responses"]) == (["one"], [3])


@pytest.mark.parametrize(
    "line",
    [
        sample(arguments={"gen_args_0": {"arg_0": "Q", "arg_1": " yes"}, "gen_args_1": {"arg_0": "Q", "arg_1": " no"}}),
        sample(arguments=[["Q", " yes"], ["Q", " no"]], resps=[[[-1.5, True]], [[-3.0, False]]]),
        sample(arguments=[["Q"]], resps=[[["-1.5", "True"]], [["-3.0", "False"]]]),
    ],
)
def test_a_task_that_compares_likelihoods_has_no_answers_and_says_so(tmp_path, line):
    with pytest.raises(BadInput, match=r"line 1: this task compares how likely .* no text .*generate_until"):
        read(LmEvalLoader, written(tmp_path, line), "samples.jsonl")


def test_two_runs_in_one_file_are_told_apart_by_their_answers(tmp_path):
    with pytest.raises(BadInput, match="line 2: question 0 stands there twice with different answers"):
        read(LmEvalLoader, written(tmp_path, sample(), sample(answer=" 8")), "samples.jsonl")


def test_a_file_of_another_kind_is_named(tmp_path):
    with pytest.raises(BadInput, match="line 1: has no 'doc_id', which every line of a sample log"):
        read(LmEvalLoader, written(tmp_path, {"question": "?"}), "samples.jsonl")


# ---------------------------------------------------------------- inspect_ai


@pytest.mark.parametrize(("name", "epochs"), [("inspect_sums.json", 1), ("inspect_sums.eval", 2)])
def test_logs_that_inspect_wrote_hold_what_was_asked_answered_and_scored(name, epochs):
    found = read(InspectLoader, LOGS, name)
    assert found["id"] == [f"s{i}" for i in range(6)] * epochs
    assert found["epoch"] == [1] * 6 + [2] * (6 * (epochs - 1))
    assert len(set(found["key"])) == 6 * epochs
    assert found["prompt"][:3] == ["What is 9 times 6?", "What is 9 plus 6?", "Please work out 57 plus 52."]
    assert found["prompt"][4] == "user: Say something.\n\nassistant: Something.\n\nuser: What is 3 times 3?"
    assert found["system"][3:5] == [None, "Answer with a number."]
    assert found["answer"][:6] == [
        "54",
        "The answer is 16.",
        "57 plus 52 is 109.",
        "",
        "3 times 3 is 9.",
        "I do not know.",
    ]
    assert found["target"][3:5] == ["7", '["9", "nine"]']
    assert found["score.match"][:6] == ["C", "I", "C", "I", "C", "I"]
    assert found["score.match.answer"][:2] == ["54", "16"]
    assert found["metadata.level.digits"][:3] == [2, 2, 3]
    assert set(found["logged_model"]) == {"mockllm/model"}
    assert set(found["stop_reason"]) == {"stop"}


def test_an_archive_that_is_deflated_reads_as_one_that_is_not(tmp_path):
    """Python's own zip writes what earlier releases of inspect_ai wrote."""
    from layergrid.loaders.zipped import members

    with zipfile.ZipFile(tmp_path / "a.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members(LOGS / "inspect_sums.eval", lambda _: True):
            archive.writestr(name, content)
    assert read(InspectLoader, tmp_path, "a.eval") == read(InspectLoader, LOGS, "inspect_sums.eval")


def inspected(**more):
    return {"id": 1, "epoch": 1, "input": "?", "target": "9", "output": {"choices": [], "completion": ""}, **more}


def logged(folder: Path, *samples) -> Path:
    log = {"version": 2, "status": "success", "eval": {"model": "m"}, "samples": list(samples)}
    (folder / "log.json").write_text(json.dumps(log), encoding="utf-8")
    return folder


def test_a_sample_that_failed_has_no_answer_but_its_error(tmp_path):
    found = read(InspectLoader, logged(tmp_path, inspected(error={"message": "planned"})), "log.json")
    assert (found["answer"], found["error"]) == ([None], ["planned"])


def test_the_text_of_a_message_in_parts_is_its_text_parts_and_attachments_are_put_back(tmp_path):
    key = "0" * 32
    parts = [{"type": "text", "text": "It is "}, {"type": "image", "image": "x"}, {"type": "text", "text": "9."}]
    one = inspected(
        input=f"Read: attachment://{key} now", attachments={key: "a long text"},
        output={"choices": [{"message": {"role": "assistant", "content": parts}, "stop_reason": "max_tokens"}]},
        scores={"answer": {"value": {"a": 1, "b": 0.5}}}, choices=["9", "8"],
    )  # fmt: skip
    found = read(InspectLoader, logged(tmp_path, one), "log.json")
    assert (found["answer"], found["prompt"]) == (["It is 9."], ["Read: a long text now"])
    assert (found["stop_reason"], found["choices"]) == (["max_tokens"], ['["9", "8"]'])
    assert (found["score.answer.a"], found["score.answer.b"]) == ([1], [0.5])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"[]", "holds a list"),
        (b'{"samples": []}', "has no 'eval'"),
        (b'{"eval": {}}', "holds no samples"),
        (b'{"eval": {}, "samples": [1]}', "no list of objects"),
        (b'{"eval": {}, "samples": [{"id": 1}]}', "sample 1: has no 'input'"),
        (b'{"eval": {', "line 1: cannot be read as JSON"),
        (b"[" * 200_000, "cannot be read as JSON"),
        (b"PK\x03\x04 and no archive", "is no zip archive, or a damaged one"),
    ],
)
def test_what_is_no_log_is_refused_and_said_why(tmp_path, content, said):
    (tmp_path / "log.json").write_bytes(content)
    with pytest.raises(BadInput, match=said):
        read(InspectLoader, tmp_path, "log.json")


def test_a_damaged_archive_is_never_half_read(tmp_path):
    whole = (LOGS / "inspect_sums.eval").read_bytes()
    for at in range(200, len(whole), 1500):
        (tmp_path / "a.eval").write_bytes(whole[:at])
        with pytest.raises(BadInput):
            read(InspectLoader, tmp_path, "a.eval")
    with zipfile.ZipFile(LOGS / "inspect_sums.eval") as archive:
        first = next(one for one in archive.infolist() if one.filename.startswith("samples/"))
    broken = bytearray(whole)
    broken[first.header_offset + 200] ^= 255
    (tmp_path / "a.eval").write_bytes(broken)
    with pytest.raises(BadInput, match=r"damaged|not what the archive says"):
        read(InspectLoader, tmp_path, "a.eval")


def test_a_member_that_is_larger_than_it_says_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b"{}" + b" " * 10_000_000)
    content = bytearray((tmp_path / "bomb.eval").read_bytes())
    central = content.rindex(b"PK\x01\x02")
    content[central + 24 : central + 28] = struct.pack("<I", 10)  # its size in the directory
    (tmp_path / "bomb.eval").write_bytes(content)
    with pytest.raises(BadInput, match=r"not what the archive says|damaged"):
        read(InspectLoader, tmp_path, "bomb.eval")


def test_an_archive_that_says_it_is_huge_is_not_opened(tmp_path):
    shutil.copy(LOGS / "inspect_sums.eval", tmp_path / "a.eval")
    content = bytearray((tmp_path / "a.eval").read_bytes())
    central = content.index(b"PK\x01\x02", content.index(b"header.json"))
    start = content.rindex(b"PK\x01\x02")
    for at in (central, start):
        content[at + 24 : at + 28] = struct.pack("<I", 2**31)
    (tmp_path / "a.eval").write_bytes(content)
    with pytest.raises(BadInput, match="bytes each"):
        read(InspectLoader, tmp_path, "a.eval")

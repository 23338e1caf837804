"""Sets of the hub: fetched once by the library from a hub on this machine, then read without a network."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from hubs import hub
from layergrid.errors import BuildError
from layergrid.kinds import BadInput
from layergrid.loaders.folder import FolderLoader
from layergrid.loaders.hub import HubLoader
from layergrid.project import Project

ROWS = {"q": ["a", "b"], "answers": [["x", "y"], ["z"]], "label": [0, 1]}
ASKING = """
import json, sys
from pathlib import Path
from layergrid.errors import BadInput, BuildError
from layergrid.loaders.hub import HubLoader
from layergrid.project import Project

for asked, offline in json.loads(sys.argv[1]):
    try:
        said = HubLoader(address="hf:owner/name", **asked).read_from(Project.of(Path()), offline=offline)
    except (BadInput, BuildError) as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps(said))
assert "torch" not in sys.modules
if len(sys.argv) > 2:
    import datasets
    both = {name: datasets.load_dataset("hf://datasets/owner/name", split=name) for name in ("train", "test")}
    datasets.DatasetDict(both).save_to_disk(sys.argv[2], num_shards={"train": 1, "test": 2})
"""


def packed(columns: dict[str, list[object]], metadata: dict[bytes, bytes] | None = None) -> bytes:
    stream = io.BytesIO()
    parquet.write_table(pa.table(columns).replace_schema_metadata(metadata), stream)
    return stream.getvalue()


def asked(home: Path, url: str, many: list[tuple[dict[str, str], bool]], *more: str) -> list[object]:
    """What a fresh process answers, whose libraries know no hub but that of the test."""
    known = {"HF_HOME": str(home), "HF_ENDPOINT": url, "HF_HUB_DISABLE_TELEMETRY": "1"}
    kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    found = subprocess.run(
        [sys.executable, "-c", ASKING, json.dumps(many), *more], env=kept | known, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return [json.loads(line) for line in found.stdout.splitlines() if line[:1] in '{["']


def test_a_set_of_the_hub_is_fetched_once_and_then_read_without_a_network(tmp_path):
    files = {
        "README.md": b"# name\n", "data/train-0.parquet": packed({**ROWS, "q": ["c", "d"]}),
        "data/test-0.parquet": packed(ROWS),
    }  # fmt: skip
    wanted = {"q": ["a", "b"], "answers": ['["x", "y"]', '["z"]'], "label": [0, 1]}
    test = {"split": "test"}
    with hub("owner/name", files) as (url, paths):
        said = asked(
            tmp_path / "home", url, [
                (test, True), (test, False), ({}, False), ({"split": "tset"}, False), ({**test, "config": "x"}, False),
                ({**test, "revision": "nope"}, False), ({**test, "skip": ["label"]}, False), (test, True),
            ], str(tmp_path / "saved"),
        )  # fmt: skip
        assert any(path.endswith(".parquet") for path in paths)
    assert "BuildError: data set 'hf:owner/name' is not in the local cache" in str(said[0])
    assert "hf download --repo-type dataset owner/name" in str(said[0])
    assert said[1] == said[7] == wanted
    assert "has the splits train and test; name the one to ask: source: {kind: ..., address: ..., split: test}" in str(
        said[2]
    )
    assert (
        said[3] == "BadInput: hf:owner/name: there is no split 'tset'; there are train and test; did you mean 'test'?"
    )
    assert "BuilderConfig 'x' not found. Available: ['default']" in str(said[4])
    assert "BadInput: data set 'hf:owner/name' has no revision 'nope'" in str(said[5])
    assert said[6] == {"q": ["a", "b"], "answers": ['["x", "y"]', '["z"]']}
    # What the library saves of it is the same data set in a folder.
    copy = FolderLoader(address="saved", split="test").read(Project.of(tmp_path))
    assert copy == wanted
    # Without a hub there is nothing to fetch, and the message says what to do.
    gone = asked(tmp_path / "elsewhere", url, [(test, False)])
    assert "BuildError: the hub cannot be reached for 'hf:owner/name'" in str(gone[0])
    assert "folder:FOLDER" in str(gone[0])


@pytest.mark.parametrize("address", ["name", "owner/../x", "a/b/c", "/x/y", "https://x/y", "owner/na me", "json"])
def test_what_is_no_name_on_the_hub_is_refused_before_the_library_sees_it(address):
    with pytest.raises(ValueError, match="is no data set of the hub; expected hf:owner/name"):
        HubLoader(address=address)


@pytest.mark.parametrize("revision", ["/etc/hostname", "../x", "a b"])
def test_a_revision_that_is_a_path_is_refused(revision):
    with pytest.raises(ValueError, match="is no branch, tag or commit"):
        HubLoader(address="hf:owner/name", revision=revision)


def test_a_missing_library_is_told_with_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BuildError, match=r'not installed: install it with `pip install "layergrid\[data\]"`'):
        HubLoader(address="hf:owner/name").read(Project.of(tmp_path))


def test_a_library_that_would_run_code_is_refused(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", type("old", (), {"__version__": "3.6.0"}))
    with pytest.raises(BuildError, match=r"version 3\.6\.0 is installed, which may run code"):
        HubLoader(address="hf:owner/name").read(Project.of(tmp_path))


# ---------------------------------------------------------------- folders


def laid(folder: Path, files: dict[str, bytes | str]) -> Project:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return Project.of(folder)


def folder(project: Project, **asked: object) -> dict[str, list[object]]:
    return FolderLoader(address=".", **asked).read(project)


def test_a_folder_is_read_as_the_hub_lays_data_sets_out(tmp_path):
    project = laid(tmp_path, {
        "data/train-00000-of-00002.parquet": packed({"q": ["a"]}),
        "data/train-00001-of-00002.parquet": packed({"q": ["b"]}),
        "data/validation-00000-of-00001.parquet": packed({"q": ["v"]}),
    })  # fmt: skip
    assert folder(project, split="train") == {"q": ["a", "b"]}
    assert folder(project, split="validation") == {"q": ["v"]}
    with pytest.raises(BadInput, match="has the splits train and validation; name the one to ask"):
        folder(project)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("test.csv", "q,n\na,1\n"),
        ("test.jsonl", '{"q": "a", "n": "1"}\n'),
        ("dev/rows.json", '[{"q": "a", "n": "1"}]'),
        ("rows.json", '{"data": [{"q": "a", "n": "1"}]}'),
        ("rows.json", '{"q": "a", "n": "1"}'),
    ],
)
def test_a_folder_may_hold_csv_and_json(tmp_path, name, content):
    assert folder(laid(tmp_path, {name: content, "README.md": "hello"})) == {"q": ["a"], "n": ["1"]}


def test_the_head_of_a_readme_says_which_files_are_which_configuration(tmp_path):
    head = (
        "---\nconfigs:\n- config_name: easy\n  data_files:\n  - split: test\n    path: one/*.csv\n"
        "- config_name: hard\n  data_files: two/*.csv\n---\n# text\n"
    )
    project = laid(tmp_path, {"README.md": head, "one/x.csv": "q\na\n", "two/x.csv": "q\nb\n"})
    assert folder(project, config="easy", split="test") == {"q": ["a"]}
    assert folder(project, config="hard") == {"q": ["b"]}
    with pytest.raises(BadInput, match="has the configurations easy and hard; name one: config: easy"):
        folder(project)
    with pytest.raises(BadInput, match="no configuration 'esy'; there are easy and hard; did you mean 'easy'"):
        folder(project, config="esy")


def test_patterns_of_a_readme_reach_no_file_outside_of_the_folder(tmp_path):
    head = "---\nconfigs:\n- config_name: default\n  data_files: ../secret.csv\n---\n"
    laid(tmp_path, {"set/README.md": head, "set/x.csv": "q\na\n", "secret.csv": "q\ns\n"})
    with pytest.raises(BadInput, match="no file of the split 'train' is there"):
        FolderLoader(address="set").read(Project.of(tmp_path))


def test_links_in_a_folder_are_passed_by(tmp_path):
    laid(tmp_path, {"set/a.csv": "q\na\n", "secret.csv": "q\ns\n"})
    (tmp_path / "set" / "b.csv").symlink_to(tmp_path / "secret.csv")
    assert FolderLoader(address="set").read(Project.of(tmp_path)) == {"q": ["a"]}


def test_folders_beside_each_other_are_configurations(tmp_path):
    project = laid(tmp_path, {"en/test.csv": "q\na\n", "de/test.csv": "q\nb\n"})
    assert folder(project, config="de") == {"q": ["b"]}
    with pytest.raises(BadInput, match="the folders de and en hold data; name one: config: de"):
        folder(project)
    with pytest.raises(BadInput, match="no configuration 'fr'"):
        folder(project, config="fr")


def test_images_are_refused_with_the_line_that_leaves_them_out(tmp_path):
    features = {"info": {"features": {"picture": {"_type": "Image"}}}}
    image = [{"bytes": b"\x89PNG", "path": "x.png"}]
    noted = packed({"q": ["a"], "picture": image}, {b"huggingface": json.dumps(features).encode()})
    project = laid(tmp_path, {"test.parquet": noted})
    with pytest.raises(BadInput, match=r"column 'picture' holds images, which no prompt can hold.*skip: \[picture\]"):
        folder(project)
    assert folder(project, skip=("picture",)) == {"q": ["a"]}
    laid(tmp_path, {"test.parquet": packed({"q": ["a"], "raw": [b"\x00"]})})
    with pytest.raises(BadInput, match="column 'raw' holds bytes"):
        folder(project)
    with pytest.raises(BadInput, match=r"no column 'rw' to skip; .* Did you mean 'raw'"):
        folder(project, skip=("rw", "raw"))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"readme.txt": "x"}, "holds no file of data; expected files ending in"),
        ({"a.csv": "q\n1\n", "a.jsonl": '{"q": "1"}'}, "files of several kinds"),
        ({"a.csv": "q\n1\n", "b.csv": "p\n1\n"}, "column 'p' is not in all files"),
        ({"state.json": "[]"}, "is no JSON object"),
        ({"state.json": '{"_data_files": [{"filename": "x.arrow"}]}'}, "named by state.json and not there"),
        ({"state.json": '{"_data_files": [{"filename": "../../etc/passwd"}]}'}, "outside of the project"),
        ({"state.json": '{"_data_files": [{"filename": "x"}]}', "x": b"no arrow"}, "cannot be read as Arrow"),
    ],
)
def test_a_folder_that_cannot_be_read_says_why(tmp_path, files, said):
    with pytest.raises(BadInput, match=said):
        folder(laid(tmp_path, files))


def test_a_folder_that_is_none_is_told(tmp_path):
    laid(tmp_path, {"x.csv": "q\n1\n"})
    for address, said in (("none", "there is no such folder"), ("x.csv", "is a file; name it by its suffix")):
        with pytest.raises(BadInput, match=said):
            FolderLoader(address=address).read(Project.of(tmp_path))

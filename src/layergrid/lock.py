"""The file layergrid.lock beside specs: what each of them stood on, to hold later builds against; it knows no stage.

    {"layergrid_lock": 1, "specs": {"arithmetic": {"models": ..., "data": ..., "prompts": ..., "batches": ...,
     "splits": ..., "libraries": ..., "stages": ..., "platform": ...}}}

JSON with sorted keys, one block a spec: a change of one spec changes the lines of its block alone. It holds no path of
a machine and no clock. Splits follow from answers, which may differ in their last bits from machine to machine; so they
are held against a build on the platform that they were locked on.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from layergrid import yamlsource
from layergrid.errors import BadInput
from layergrid.fingerprints import default_root
from layergrid.project import content
from layergrid.text import count, plural

NAME = "layergrid.lock"
FORMAT = 1
MOST_BYTES = 16 << 20
MOST_ROWS = 20_000  # of a data set whose rows are told apart one by one
DIGITS = 4  # hexadecimal, of a row's digest: enough to count rows that differ; the fingerprint tells whether any does
_IN_LINE = 25  # rows in a line
_CONFLICT = re.compile(r"^(<{7}|={7}|>{7}|\|{7})( |$)", re.MULTILINE)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class ModelPin(_Part):
    """A model."""

    address: str
    identity: str  # sha256:... over its files, or owner/name@commit

    @property
    def commit(self) -> str:
        """Of a model of the hub; empty for others."""
        return "" if self.identity.startswith("sha256:") else self.identity.rpartition("@")[2].partition("+")[0]


class DataPin(_Part):
    """The rows of a data set."""

    source: str
    rows: int = Field(ge=0)
    fingerprint: str
    digests: list[str] = []  # a few digits of each row, many rows a line; empty where there are too many rows


class PromptPin(_Part):
    """The prompts that a model read."""

    count: int = Field(ge=0)
    digest: str


class BatchPin(_Part):
    """The batches in which answers were written, as the lengths of the prompts decide them."""

    count: int = Field(ge=0)
    digest: str


class SplitPin(_Part):
    """The folds of a grid."""

    digest: str  # of example ids and their folds
    folds: list[str]  # a line each: "200 rows, 83 positive"


class Block(_Part):
    """What one spec stood on."""

    models: dict[str, ModelPin]
    data: dict[str, DataPin]
    prompts: dict[str, PromptPin]
    batches: dict[str, BatchPin] = {}
    splits: dict[str, SplitPin] = {}
    libraries: dict[str, str]
    stages: dict[str, int]  # versions of what computes them
    platform: str


class _File(_Part):
    layergrid_lock: int
    specs: dict[str, Block]


# ---------------------------------------------------------------- the file


def read(file: Path) -> dict[str, Block]:
    """The blocks of a lock file by the names of their specs; none where there is no such file.

    Raises:
        BadInput: it is no lock file, with the line where it ceases to be one.
    """
    try:
        text = content(file, MOST_BYTES, "the lock").decode("utf-8")
    except FileNotFoundError:
        return {}
    except BadInput as error:  # a pipe, a folder, or far too large
        raise BadInput(f"{error}; {_REMAKE}") from None
    except UnicodeDecodeError:
        raise BadInput(f"{file}: is not UTF-8; {_REMAKE}") from None
    except OSError as error:
        raise BadInput(f"{file}: cannot be read ({error.strerror})") from None
    if (conflict := _CONFLICT.search(text)) is not None:
        line = text.count("\n", 0, conflict.start()) + 1
        raise BadInput(f"{file}:{line}: a merge left its marks here; resolve it, or {_REMAKE}")
    try:
        found = json.loads(text, object_pairs_hook=_once)
        return _File.model_validate_json(text).specs if _known(found) else _newer(file, found)
    except json.JSONDecodeError as error:
        raise BadInput(f"{file}:{error.lineno}:{error.colno}: {error.msg}; {_REMAKE}") from None
    except _TwiceError as error:
        raise BadInput(
            f"{file}{_line_of_twice(text, str(error))}: the key {str(error)!r} stands twice; {_REMAKE}"
        ) from None
    except RecursionError:
        raise BadInput(f"{file}: is nested too deep; {_REMAKE}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise BadInput(f"{file}{_line(text, first['loc'])}: {where}: {first['msg']}; {_REMAKE}") from None
    except ValueError as error:  # a number of thousands of digits
        raise BadInput(f"{file}: cannot be read ({error}); {_REMAKE}") from None


_REMAKE = "make it again: remove it, then `layergrid lock SPEC...` with all its specs"


class _TwiceError(Exception):
    """A key that stands twice in one object."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(name)
        found[name] = value
    return found


def _known(found: Any) -> bool:
    """Whether the format is this one, or is not told, which is an error of its own."""
    return not isinstance(found, dict) or found.get("layergrid_lock", FORMAT) == FORMAT


def _newer(file: Path, found: dict[str, Any]) -> dict[str, Block]:
    written = found["layergrid_lock"]
    raise BadInput(f"{file}: has the format {written!r:.40}, and this release reads {FORMAT}; upgrade it, or {_REMAKE}")


def _line(text: str, where: Sequence[str | int]) -> str:
    """The line of the deepest value that a place in a JSON text leads to, as `:12`; empty where it cannot be told."""
    try:
        node, _ = yamlsource.load(yamlsource.Source(NAME, text))
    except yamlsource.YamlError:
        return ""
    for part in where:
        inner = node.value[part] if isinstance(node.value, tuple) and isinstance(part, int) else node.get(str(part))
        if inner is None:
            break
        node = inner
    return f":{node.place.line}"


def _line_of_twice(text: str, key: str) -> str:
    lines = [i for i, line in enumerate(text.split("\n"), 1) if line.lstrip().startswith(json.dumps(key) + ":")]
    return f":{lines[-1]}" if lines else ""


def write(file: Path, name: str, block: Block) -> None:
    """Puts the block of one spec into the file, new or in place of its old one; the blocks of others stay.

    Other processes see the old file or the new one, and of two writers the second one adds to what the first one wrote.

    Raises:
        BadInput: what stands there is no lock file, or it cannot be written.
    """
    with _alone(file):
        blocks = {**read(file), name: block}
        whole = _File(layergrid_lock=FORMAT, specs=dict(sorted(blocks.items())))
        text = json.dumps(whole.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
        try:
            _replace(file, text.encode("utf-8"))
        except OSError as error:
            raise BadInput(f"{file}: cannot be written ({error.strerror})") from error


def _replace(file: Path, new: bytes) -> None:
    if file.exists() and file.read_bytes() == new:
        return
    mode = file.stat().st_mode & 0o777 if file.exists() else 0o666 & ~_umask()
    handle, temporary = tempfile.mkstemp(prefix=f".{NAME}.", dir=file.parent)
    try:
        with open(handle, "wb") as stream:  # noqa: PTH123 - a descriptor, which Path cannot open
            stream.write(new)
        os.chmod(temporary, mode)  # noqa: PTH101 - mkstemp gives a str
        os.replace(temporary, file)  # noqa: PTH105 - mkstemp gives a str
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - mkstemp gives a str
        raise


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


@contextlib.contextmanager
def _alone(file: Path) -> Iterator[None]:
    """Holds a lock that lies in the cache, so that none lies beside specs; without a cache nobody is waited for."""
    from filelock import FileLock

    folder = default_root() / "locks"
    digest = hashlib.sha256(os.fsencode(file.absolute())).hexdigest()[:20]
    held = FileLock(folder / f"lock-{digest}")
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(held)
        yield


# ---------------------------------------------------------------- what is put in


def here() -> str:
    """The platform in a word: "linux-x86_64"."""
    return f"{platform.system()}-{platform.machine()}".lower()


def row_lines(digests: str, each: int) -> list[str]:
    """The digests of rows, `each` digits a row, shortened and many a line."""
    rows = [digests[start : start + DIGITS] for start in range(0, len(digests), each)]
    if len(rows) > MOST_ROWS:
        return []
    return [" ".join(rows[start : start + _IN_LINE]) for start in range(0, len(rows), _IN_LINE)]


def public(version: str) -> str:
    """A version without its local part, which says how a wheel was built: 2.12.0 of 2.12.0+cpu."""
    return version.partition("+")[0]


# ---------------------------------------------------------------- what differs


def drift(locked: Block, now: Block) -> tuple[str, ...]:
    """What differs before anything runs: models, data, prompts, libraries, stages; a sentence each."""
    return (
        *_models(locked, now), *_data(locked, now), *_prompts(locked, now),
        *(
            f"{name} {locked.libraries.get(name, 'of no version')} is locked, and {version} is installed"
            for name, version in now.libraries.items()
            if locked.libraries.get(name) != version
        ),
        *(
            f"stage {name}: version {locked.stages[name]} is locked, and this release has {version}"
            if name in locked.stages
            else f"stage {name} is not in {NAME}"
            for name, version in now.stages.items()
            if locked.stages.get(name) != version
        ),
    )  # fmt: skip


def _unpaired(what: str, locked: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{what} {name} is not in {NAME}" for name in now if name not in locked)
    yield from (f"{what} {name} is in {NAME} and no longer in the spec" for name in locked if name not in now)


def _models(locked: Block, now: Block) -> Iterator[str]:
    yield from _unpaired("model", locked.models, now.models)
    for name, one in now.models.items():
        was = locked.models.get(name, one)
        if was.address != one.address:
            yield f"model {name}: {was.address} is locked, and the spec names {one.address}"
        elif was.identity != one.identity and was.commit and one.commit:
            yield f"model {name}: commit {was.commit[:12]} is locked, and this is {one.commit[:12]}"
        elif was.identity != one.identity:
            yield f"model {name}: its files differ from {NAME}"


def _data(locked: Block, now: Block) -> Iterator[str]:
    yield from _unpaired("data set", locked.data, now.data)
    for name, one in now.data.items():
        was = locked.data.get(name, one)
        if was.fingerprint == one.fingerprint:
            continue
        before, after = (Counter(row for line in each.digests for row in line.split()) for each in (was, one))
        differing = max((before - after).total(), (after - before).total())
        if was.rows != one.rows:
            yield f"data set {name}: {plural(was.rows, 'row')} in {NAME}, {count(one.rows)} now"
        elif differing:
            verb = "differs" if differing == 1 else "differ"
            yield f"data set {name}: {plural(differing, 'row')} {verb} from {NAME}"
        else:
            yield f"data set {name}: its rows or their order differ from {NAME}"


def _prompts(locked: Block, now: Block) -> Iterator[str]:
    """Prompts differ with the rows that they are made of, which is told already."""
    yield from _unpaired("prompts of", locked.prompts, now.prompts)
    for name, one in now.prompts.items():
        dataset = name.rpartition(" on ")[2]
        same = locked.data.get(dataset) == now.data.get(dataset)
        if same and locked.prompts.get(name, one).digest != one.digest:
            yield f"prompts of {name} differ from {NAME}"


def late_drift(locked: Block, batches: Mapping[str, BatchPin], splits: Mapping[str, SplitPin]) -> tuple[str, ...]:
    """What differs once answers are written and grids are computed; splits only on the platform of the lock."""
    found = list(_unpaired("batches of", locked.batches, batches))
    found += [
        f"batches of {name}: {plural(locked.batches[name].count, 'batch', 'batches')} locked, {one.count} now"
        if locked.batches[name].count != one.count
        else f"batches of {name} hold other prompts than in {NAME}"
        for name, one in batches.items()
        if name in locked.batches and locked.batches[name] != one
    ]
    if locked.platform == here():
        found += _unpaired("split of grid", locked.splits, splits)
        found += [
            f"split of grid {name}: {_folds(locked.splits[name], one)}"
            for name, one in splits.items()
            if name in locked.splits and locked.splits[name] != one
        ]
    return tuple(found)


def _folds(was: SplitPin, now: SplitPin) -> str:
    if len(was.folds) != len(now.folds):
        return f"{plural(len(was.folds), 'fold')} locked, {len(now.folds)} now"
    for k, (one, other) in enumerate(zip(was.folds, now.folds, strict=True)):
        if one != other:
            return f"fold {k} is locked with {one}, and now has {other}"
    return "the same counts in every fold, but other examples"

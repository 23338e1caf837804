"""Finds the files of a model: in the package, in a folder, or on the hub; it never opens a model, nor imports torch."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from layergrid import resources, text
from layergrid.fingerprints import file_digest
from layergrid.kinds import BadInput, BuildError
from layergrid.models import vetting
from layergrid.project import Project

BUILTIN = {"arithmetic": resources.PACKAGE / "demo" / "model"}
_READ = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken")  # what can change a loaded model
_PICKLED = "pytorch_model*.bin"  # weights that are read only where the user allows pickle
CODE_FLAG, PICKLE_FLAG = "--trust-remote-code", "--allow-pickle"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


class ModelSpec(Protocol):
    """The part of a spec's model that is read here."""

    @property
    def address(self) -> str:
        """`builtin:NAME`, `hf:OWNER/NAME`, or a folder."""

    @property
    def revision(self) -> str | None:
        """Branch, tag or commit on the hub; None: its main branch."""

    @property
    def dtype(self) -> str:
        """One of DTYPES."""

    @property
    def device(self) -> str:
        """`auto`, `cpu`, `cuda`, `cuda:1` or `mps`."""

    @property
    def device_map(self) -> str | dict[str, str | int] | None:
        """How parts are spread over devices, in place of `device`; None: all on one."""

    @property
    def quantize(self) -> str | None:
        """`8bit`, `4bit`, or None: weights as they are."""


@dataclass(frozen=True)
class Trust:
    """What a user lets a model's own files do; a spec cannot say it."""

    remote_code: bool = False  # Python files of the model may run
    pickle: bool = False  # weights in pytorch_model.bin may be read
    offline: bool = False  # nothing is asked of the network, models of the hub must be there already
    locked: bool = False  # only what layergrid.lock pins is built


NO_TRUST = Trust()


@dataclass(frozen=True)
class Place:
    """Where a model's files lie: a folder, or an exact commit on the hub."""

    address: str  # as the spec wrote it
    folder: Path | None  # None: on the hub
    name: str = ""  # owner/name on the hub
    commit: str = ""
    trust: Trust = NO_TRUST


def find(spec: ModelSpec, project: Project, *, offline: bool = False, trust: Trust = NO_TRUST) -> Place:
    """The place of a spec's model. Files of the hub are not fetched yet, and folders are those of the project.

    A revision that is not a commit is looked up in the local cache of the hub first, then on the hub.

    Raises:
        BadInput: there is no such model, or its folder may not be read.
        BuildError: the hub cannot be reached.
    """
    offline = offline or trust.offline
    scheme, _, rest = spec.address.partition(":")
    if scheme == "builtin":
        if rest not in BUILTIN:
            near = text.nearest(rest, BUILTIN)
            hint = f"did you mean builtin:{near}?" if near else f"known: builtin:{', builtin:'.join(BUILTIN)}"
            raise BadInput(f"no model {spec.address!r} ships with layergrid; {hint}")
        return Place(spec.address, _checked(BUILTIN[rest], spec.address, trust), trust=trust)
    if scheme == "hf":
        if not _HUB_NAME.fullmatch(rest):
            raise BadInput(f"model {spec.address!r} is not written as hf:owner/name")
        return Place(spec.address, None, rest, _commit(rest, spec.revision or "main", offline), trust)
    folder = project.path(spec.address)
    vetting.check_links(folder, project, spec.address)  # first: nothing is told of what a link out leads to
    return Place(spec.address, _checked(folder, spec.address, trust), trust=trust)


def identity(place: Place) -> str:
    """What identifies the weights and the code: `sha256:...` over a folder's files, or `owner/name@commit`.

    A commit is the same model run by its own code and by that of transformers: `+code` tells them apart.
    """
    if place.folder:
        return _digest(place.folder, place.trust)
    return f"{place.name}@{place.commit}" + "+code" * place.trust.remote_code


def configuration(spec: ModelSpec, project: Project) -> dict[str, Any] | None:
    """The content of a model's config.json, where it lies on this machine; None where it does not, or is no JSON."""
    scheme, _, rest = spec.address.partition(":")
    folder = BUILTIN.get(rest) if scheme == "builtin" else None
    if scheme not in ("builtin", "hf", "activations"):
        folder = project.path(spec.address)
    if scheme == "hf":
        kept = _kept_commit(rest, spec.revision or "main") if _HUB_NAME.fullmatch(rest) else ""
        folder = _hub_cache(rest) / "snapshots" / kept if kept else None
    return (read_json(folder / "config.json") or None) if folder else None


def read_json(file: Path) -> dict[str, Any]:
    """The object in a JSON file; empty where the file is not there or holds something else."""
    try:
        found = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def has_safetensors(folder: Path) -> bool:
    """Whether a folder holds weights without pickle."""
    return any(folder.glob("*.safetensors"))


def fetch(place: Place, *, offline: bool = False) -> Path:
    """The folder with the files of a place; those of the hub are fetched into its local cache unless they are there.

    Only configuration, tokenizer and safetensors at the top of the repository are fetched; code where it is trusted,
    and pickled weights where they are allowed and there are no others.

    Raises:
        BadInput: it holds no weights that may be read.
        BuildError: the hub cannot be reached.
    """
    if place.folder:
        return place.folder
    offline = offline or place.trust.offline
    kept = _hub_cache(place.name) / "snapshots" / place.commit
    if not _complete(kept, place.trust):
        if offline:
            raise BuildError(f"model {place.address!r} is not in the local cache of the hub; {_get_it(place.name)}")
        _ask_hub(place.name, place.commit)  # answers at once where the download would try again and again
        kept = _download(place)
    return _checked(kept, place.address, place.trust)


def is_here(place: Place) -> bool:
    """Whether `fetch` finds all files of a place on this machine."""
    return place.folder is not None or _complete(_hub_cache(place.name) / "snapshots" / place.commit, place.trust)


def _checked(folder: Path, address: str, trust: Trust) -> Path:
    """The folder, if it looks like a model's."""
    if not folder.is_dir():
        siblings = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
        near = text.nearest(folder.name, siblings)
        hint = f"did you mean {near!r}?" if near else "a model of the Hugging Face hub is written hf:owner/name"
        raise BadInput(f"model {address!r}: there is no folder {folder}; {hint}")
    if not (folder / "config.json").is_file():
        raise BadInput(f"model {address!r}: {folder} holds no config.json; give the folder that save_pretrained wrote")
    pickled = any(folder.glob(_PICKLED))
    if not has_safetensors(folder) and not (trust.pickle and pickled):
        otherwise = f", or if you trust the pickle in pytorch_model.bin add {PICKLE_FLAG}" if pickled else ""
        raise BadInput(
            f"model {address!r}: {folder} holds no .safetensors file, the only weights that are read; "
            f"load the model with transformers and save it again with save_pretrained{otherwise}"
        )
    vetting.check(folder, address)
    return folder


def _digest(folder: Path, trust: Trust) -> str:
    """sha256 over the names and bytes of the files that a loader may read."""
    files = [file for file in folder.iterdir() if file.suffix in _READ]
    files += folder.glob("additional_chat_templates/*.jinja")
    files += folder.glob("**/*.py") if trust.remote_code else ()
    files += folder.glob(_PICKLED) if trust.pickle else ()
    whole = hashlib.sha256()
    for file in sorted(files):
        if file.is_file():
            whole.update(json.dumps([file.relative_to(folder).as_posix(), file_digest(file)]).encode())
    return f"sha256:{whole.hexdigest()}"


# ---------------------------------------------------------------- the hub


def _hub_cache(name: str) -> Path:
    """The folder of one model in the local cache of the hub, which may not be there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")


def _commit(name: str, revision: str, offline: bool) -> str:
    """The commit that a revision of a hub model stands for: itself, the one in the local cache, or the hub's answer."""
    if kept := _kept_commit(name, revision):
        return kept
    if offline:
        raise BuildError(f"model 'hf:{name}' is not in the local cache of the hub; {_get_it(name)}")
    return _ask_hub(name, revision)


def _kept_commit(name: str, revision: str) -> str:
    """The commit of a revision that is one, or that the local cache knows; empty where it does not."""
    if _COMMIT.fullmatch(revision):
        return revision
    kept = _hub_cache(name) / "refs" / revision
    inside = not Path(revision).is_absolute() and ".." not in Path(revision).parts
    known = inside and kept.is_file()
    return kept.read_text(encoding="utf-8").strip() if known else ""


def _complete(folder: Path, trust: Trust) -> bool:
    """Whether a snapshot in the local cache has a configuration, a tokenizer and all of its weights."""
    whole = _all_shards(folder, "model.safetensors")
    if trust.pickle and not has_safetensors(folder):
        whole = _all_shards(folder, "pytorch_model.bin")
    if trust.remote_code and "auto_map" in read_json(folder / "config.json"):
        whole = whole and any(folder.glob("*.py"))
    tokenizer = any(folder.glob("tokenizer*")) or any(folder.glob("vocab*"))
    return whole and tokenizer and (folder / "config.json").is_file()


def _all_shards(folder: Path, weights: str) -> bool:
    """Whether the file of weights is there, or all those that its index names."""
    index = folder / f"{weights}.index.json"
    if not index.is_file():
        return (folder / weights).is_file()
    shards = read_json(index).get("weight_map")
    return isinstance(shards, dict) and all((folder / str(one)).is_file() for one in set(map(str, shards.values())))


def _download(place: Place) -> Path:
    from huggingface_hub import snapshot_download

    wanted = [f"*{suffix}" for suffix in (*_READ, *([".py"] if place.trust.remote_code else []))]
    try:
        for patterns in (wanted, [_PICKLED]):
            folder = Path(
                snapshot_download(
                    place.name,
                    revision=place.commit,
                    allow_patterns=patterns,
                    ignore_patterns=["*/*", "consolidated*", "training_args*"],
                )
            )
            if has_safetensors(folder) or not place.trust.pickle:
                break
    except _transport() as error:
        said = type(error).__name__
        raise BuildError(f"model {place.address!r} cannot be fetched ({said}); {_get_it(place.name)}") from error
    return folder


def _transport() -> tuple[type[Exception], ...]:
    """Whatever the hub's client raises without a connection: the parents of its own error."""
    from huggingface_hub.errors import HfHubHTTPError

    return tuple(one for one in HfHubHTTPError.__mro__ if issubclass(one, Exception) and one is not Exception)


def _ask_hub(name: str, revision: str) -> str:
    """The commit that the hub gives for a revision."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        commit = HfApi().model_info(name, revision=revision, timeout=20).sha
    except GatedRepoError as error:
        raise BuildError(f"model 'hf:{name}' needs its owner's consent: ask for it on the hub, then log in") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise BadInput(f"the hub knows no model {name!r}, or does not show it to you; check hf:owner/name") from error
    except RevisionNotFoundError as error:
        raise BadInput(f"model 'hf:{name}' has no revision {revision!r}; name a branch, tag or commit") from error
    except _transport() as error:
        said = type(error).__name__
        raise BuildError(f"the hub cannot be reached for 'hf:{name}' ({said}); {_get_it(name)}") from error
    if commit is None:
        raise BuildError(f"the hub names no commit for 'hf:{name}' at {revision!r}; set `revision` to a commit")
    return commit


def _get_it(name: str) -> str:
    return (
        f"fetch it where there is a network with `hf download {name}`, or give the address of a folder that "
        "save_pretrained wrote"
    )

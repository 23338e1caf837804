"""Finds the files of a model: in the package, in a folder, or on the hub; it never opens a model, nor imports torch."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from layergrid import resources, text
from layergrid.kinds import BadInput, BuildError

BUILTIN = {"arithmetic": resources.PACKAGE / "demo" / "model"}
_READ = (".json", ".safetensors", ".txt", ".model", ".jinja", ".tiktoken")  # what can change a loaded model
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


@dataclass(frozen=True)
class Place:
    """Where a model's files lie: a folder, or an exact commit on the hub."""

    address: str  # as the spec wrote it
    folder: Path | None  # None: on the hub
    name: str = ""  # owner/name on the hub
    commit: str = ""


def find(spec: ModelSpec, root: Path, *, offline: bool = False) -> Place:
    """The place of a spec's model; relative folders start from `root`. Files of the hub are not fetched yet.

    A revision that is not a commit is looked up in the local cache of the hub first, then on the hub.

    Raises:
        BadInput: there is no such model.
        BuildError: the hub cannot be reached.
    """
    scheme, _, rest = spec.address.partition(":")
    if scheme == "builtin":
        if rest not in BUILTIN:
            near = text.nearest(rest, BUILTIN)
            hint = f"did you mean builtin:{near}?" if near else f"known: builtin:{', builtin:'.join(BUILTIN)}"
            raise BadInput(f"no model {spec.address!r} ships with layergrid; {hint}")
        return Place(spec.address, _checked(BUILTIN[rest], spec.address))
    if scheme == "hf":
        if not _HUB_NAME.fullmatch(rest):
            raise BadInput(f"model {spec.address!r} is not written as hf:owner/name")
        return Place(spec.address, None, rest, _commit(rest, spec.revision or "main", offline))
    return Place(spec.address, _checked(root / spec.address, spec.address))


def identity(place: Place) -> str:
    """What identifies the weights: `sha256:...` over a folder's files, or `owner/name@commit`."""
    return _digest(place.folder) if place.folder else f"{place.name}@{place.commit}"


def fetch(place: Place, *, offline: bool = False) -> Path:
    """The folder with the files of a place; those of the hub are fetched into its local cache unless they are there.

    Only configuration, tokenizer and safetensors at the top of the repository are fetched.

    Raises:
        BadInput: it holds no safetensors.
        BuildError: the hub cannot be reached.
    """
    if place.folder:
        return place.folder
    kept = _hub_cache(place.name) / "snapshots" / place.commit
    if not _complete(kept):
        if offline:
            raise BuildError(f"model {place.address!r} is not in the local cache of the hub; {_get_it(place.name)}")
        _ask_hub(place.name, place.commit)  # answers at once where the download would try again and again
        kept = _download(place)
    return _checked(kept, place.address)


def _checked(folder: Path, address: str) -> Path:
    """The folder, if it looks like a model's."""
    if not folder.is_dir():
        siblings = [one.name for one in folder.parent.iterdir() if one.is_dir()] if folder.parent.is_dir() else []
        near = text.nearest(folder.name, siblings)
        hint = f"did you mean {near!r}?" if near else "a model of the Hugging Face hub is written hf:owner/name"
        raise BadInput(f"model {address!r}: there is no folder {folder}; {hint}")
    if not (folder / "config.json").is_file():
        raise BadInput(f"model {address!r}: {folder} holds no config.json; give the folder that save_pretrained wrote")
    if not any(folder.glob("*.safetensors")):
        raise BadInput(
            f"model {address!r}: {folder} holds no .safetensors file, the only weights that are read; "
            "load the model with transformers and save it again with save_pretrained"
        )
    return folder


def _digest(folder: Path) -> str:
    """sha256 over the names and bytes of the files that a loader may read."""
    whole = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        if file.suffix in _READ and file.is_file():
            with file.open("rb") as stream:
                part = hashlib.file_digest(stream, "sha256").hexdigest()
            whole.update(json.dumps([file.name, part]).encode())
    return f"sha256:{whole.hexdigest()}"


# ---------------------------------------------------------------- the hub


def _hub_cache(name: str) -> Path:
    """The folder of one model in the local cache of the hub, which may not be there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="model")


def _commit(name: str, revision: str, offline: bool) -> str:
    """The commit that a revision of a hub model stands for: itself, the one in the local cache, or the hub's answer."""
    if _COMMIT.fullmatch(revision):
        return revision
    kept = _hub_cache(name) / "refs" / revision
    if ".." not in Path(revision).parts and kept.is_file():
        return kept.read_text(encoding="utf-8").strip()
    if offline:
        raise BuildError(f"model 'hf:{name}' is not in the local cache of the hub; {_get_it(name)}")
    return _ask_hub(name, revision)


def _complete(folder: Path) -> bool:
    """Whether a snapshot in the local cache has a configuration, a tokenizer and all of its weights."""
    index = folder / "model.safetensors.index.json"
    try:
        shards = (
            set(json.loads(index.read_bytes())["weight_map"].values()) if index.is_file() else {"model.safetensors"}
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    tokenizer = any(folder.glob("tokenizer*")) or any(folder.glob("vocab*"))
    return (folder / "config.json").is_file() and tokenizer and all((folder / one).is_file() for one in shards)


def _download(place: Place) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            place.name,
            revision=place.commit,
            allow_patterns=[f"*{suffix}" for suffix in _READ],
            ignore_patterns=["*/*", "consolidated*", "training_args*"],
        )
    except _transport() as error:
        said = type(error).__name__
        raise BuildError(f"model {place.address!r} cannot be fetched ({said}); {_get_it(place.name)}") from error
    return Path(folder)


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

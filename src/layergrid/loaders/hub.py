"""Reads data sets of the Hugging Face hub through the library `datasets`; it never runs code of a data set.

A revision that is not a commit is looked up in the local cache of the hub first, then on the hub; what the library has
prepared of that commit is read without a network.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from layergrid import parquetsource
from layergrid.artifacts import Scalar
from layergrid.kinds import BadInput, BuildError, Loader
from layergrid.loaders.cells import check_media, check_skipped, of_batches, one_split
from layergrid.project import Project

LEAST = 4  # major version of `datasets`: from it on no data set brings code that runs
_COMMIT = re.compile(r"[0-9a-f]{40}")
_REVISION = re.compile(r"[A-Za-z0-9][\w./-]*", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)


class HubLoader(Loader):
    """A data set of the hub, `hf:owner/name`: {kind: hub, address: hf:owner/name, config: ..., split: ...}.

    Lists and structs become JSON text; class labels stay the numbers that they are stored as.
    """

    schemes: ClassVar[tuple[str, ...]] = ("hf",)
    kind: Literal["hub"] = "hub"
    config: str = Field("", description="The configuration, where the data set has several.")
    split: str = Field("", description="The split to read, such as test; may be left out where there is one.")
    revision: str = Field("", description="Branch, tag or commit; left out: the main branch.")
    skip: tuple[str, ...] = Field((), description="Columns to leave out, such as those that hold images.")

    @field_validator("revision")
    @classmethod
    def _a_revision(cls, value: str) -> str:
        if value and (not _REVISION.fullmatch(value) or ".." in value):
            raise ValueError(f"{value!r} is no branch, tag or commit")
        return value

    @field_validator("address")
    @classmethod
    def _on_the_hub(cls, value: str) -> str:
        name = value.removeprefix("hf:")
        if not _NAME.fullmatch(name) or ".." in name:
            raise ValueError(
                f"{value!r} is no data set of the hub; expected hf:owner/name (a copy in a folder is folder:PATH)"
            )
        return name

    def read(self, project: Project) -> dict[str, list[Scalar]]:
        """As `read_from`, with a network."""
        return self.read_from(project, offline=False)

    def read_from(self, project: Project, *, offline: bool) -> dict[str, list[Scalar]]:  # noqa: ARG002 - no file is named
        """Columns in the order of the data set.

        Raises:
            BadInput: there is no such data set, configuration, split or column, it brings code, or a column holds what
                no prompt can hold.
            BuildError: the library is not installed, the hub cannot be reached, or nothing is there while `offline`.
        """
        library, where = _library(self.address), f"hf:{self.address}"
        with _said(self, library):
            builder = self._builder(library, offline)
            split = one_split(where, list(builder.info.splits or {}), self.split)
            found = builder.as_dataset(split=split)
            check_media(where, found.features.arrow_schema, found.features.to_dict(), self.skip)
            check_skipped(where, found.column_names, self.skip)
            kept = found.remove_columns(list(self.skip)).with_format("arrow")
            return of_batches(where, kept.column_names, _batches(kept), parquetsource.MOST_CELLS)

    def _builder(self, library: Any, offline: bool) -> Any:
        """What holds the data set, prepared: from the local cache where it is there at this commit, else fetched."""
        commit = self._kept_commit() or ("" if offline else self._ask_hub())
        cached = self._prepared(library, commit) if commit or not self.revision else None
        if cached is not None:
            return cached
        if offline:
            raise BuildError(f"data set 'hf:{self.address}' is not in the local cache of the hub; {self.how_to_get()}")
        builder = library.load_dataset_builder(
            f"hf://datasets/{self.address}", name=self.config or None, revision=commit
        )
        builder.download_and_prepare()
        return builder

    def _prepared(self, library: Any, commit: str) -> Any:
        """What an earlier run prepared of a commit, or where none is known of any; None where nothing is there."""
        with _without_network(library):
            try:
                builder = library.load_dataset_builder(f"hf://datasets/{self.address}", name=self.config or None)
                builder.download_and_prepare()
            except (OSError, ValueError):  # not there, or not this configuration
                return None
        return builder if not commit or commit in str(builder.cache_dir) else None

    def _kept_commit(self) -> str:
        """The commit of the revision, if it is one or the local cache knows it; else empty."""
        if _COMMIT.fullmatch(self.revision):
            return self.revision
        kept = _hub_cache(self.address) / "refs" / (self.revision or "main")
        return kept.read_text(encoding="utf-8").strip() if kept.is_file() else ""

    def _ask_hub(self) -> str:
        """The commit that the hub gives for the revision; it answers at once where the library would try for long."""
        from huggingface_hub import HfApi

        return str(HfApi().dataset_info(self.address, revision=self.revision or None, timeout=20).sha)

    def how_to_get(self) -> str:
        """What to do where the hub cannot be asked."""
        return (
            f"build once without --offline where there is a network, or fetch it there with `hf download --repo-type "
            f"dataset {self.address} --local-dir FOLDER` and name that copy: folder:FOLDER"
        )


def _hub_cache(name: str) -> Path:
    """The folder of one data set in the local cache of the hub, which may not be there."""
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=name, repo_type="dataset")


def _library(address: str) -> Any:
    """The library `datasets`. Raises BuildError where it is not installed, or would run code."""
    try:
        import datasets
    except ImportError:
        datasets = None
    version = str(getattr(datasets, "__version__", "0"))
    if datasets is None or int(version.partition(".")[0]) < LEAST:
        found = (
            f"version {version} is installed, which may run code of data sets" if datasets else "it is not installed"
        )
        raise BuildError(
            f"data set 'hf:{address}' is read through the library datasets from version {LEAST} on; {found}: install "
            'it with `pip install "layergrid[data]"`, or name a copy in a folder: folder:PATH'
        )
    return datasets


def _batches(found: Any) -> Iterator[Any]:
    for table in found.iter(batch_size=parquetsource.PIECE):
        yield from table.to_batches()


@contextmanager
def _without_network(library: Any) -> Iterator[None]:
    """The library asks nothing of the network."""
    before = library.config.HF_HUB_OFFLINE
    library.config.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        library.config.HF_HUB_OFFLINE = before


@contextmanager
def _said(loader: HubLoader, library: Any) -> Iterator[None]:
    """Errors of the library in the words of a user; its bars and warnings are not shown."""
    from huggingface_hub import logging as client_logging
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    # Whatever the client raises without a connection: the parents of its own error.
    transport = tuple(one for one in HfHubHTTPError.__mro__ if issubclass(one, Exception) and one is not Exception)
    address, logs = f"hf:{loader.address}", (library.utils.logging, client_logging)
    bars, levels = library.utils.are_progress_bars_disabled(), [log.get_verbosity() for log in logs]
    library.utils.disable_progress_bars()
    for log in logs:
        log.set_verbosity_error()
    try:
        yield
    except GatedRepoError as error:
        raise BuildError(
            f"data set {address!r} needs its owner's consent: ask for it on the hub, then log in"
        ) from error
    except RevisionNotFoundError as error:
        raise BadInput(
            f"data set {address!r} has no revision {loader.revision!r}; name a branch, tag or commit"
        ) from error
    except (RepositoryNotFoundError, library.exceptions.DatasetNotFoundError) as error:
        raise BadInput(
            f"the hub knows no data set {loader.address!r}, or does not show it to you; check hf:owner/name"
        ) from error
    except FileNotFoundError as error:
        raise BadInput(f"data set {address!r} holds no file of data that can be read ({_brief(error)})") from error
    except (ValueError, RuntimeError, library.exceptions.DatasetsError) as error:
        raise BadInput(f"data set {address!r}: {_brief(error)}") from error
    except transport as error:
        said = _brief(error)
        raise BuildError(f"the hub cannot be reached for {address!r} ({said}); {loader.how_to_get()}") from error
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.set_verbosity(level)
        if not bars:
            library.utils.enable_progress_bars()


def _brief(error: Exception) -> str:
    """An error in a line."""
    text = " ".join(str(error).split())
    if "scripts are no longer supported" in text:
        return "it brings code of its own, which is never run; look for a copy of it as Parquet files"
    return f"{type(error).__name__}: {text}" if len(text) < 400 else f"{type(error).__name__}: {text[:400]}..."

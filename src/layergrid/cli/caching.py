"""The commands that look after the cache: cache ls, gc, push, pull, dir; what lies in it is known to the store."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from layergrid.cli.amounts import age, bytes_of, seconds_of, size
from layergrid.cli.options import Commands, app
from layergrid.errors import BadInput
from layergrid.text import plural, visible

if TYPE_CHECKING:
    from layergrid.store import Piece, Sealed

Row = tuple[str, str, str, str, str]

cache = typer.Typer(
    help="Look after the cache: what is in it, what may go, what is shared.", rich_markup_mode=None, cls=Commands
)
app.add_typer(cache, name="cache")

Folder = Annotated[Path, typer.Argument(help="A folder that several machines see, such as a network mount.")]
Stages = Annotated[
    list[str] | None, typer.Option("--stage", help="Only results of this stage, such as capture; repeatable.")
]


@cache.callback(invoke_without_command=True)
def _help(context: typer.Context) -> None:
    """Look after the cache: what is in it, what may go, what is shared."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@cache.command()
def ls(
    all_: Annotated[bool, typer.Option("--all", "-a", help="A line for each result.")] = False,
) -> None:
    """List what the cache holds: results of each stage, their size, and when they were last used."""
    from layergrid.store import Store, pieces

    root = Store().root
    found, now = list(pieces(root)), time.time()
    for line in _columns(_each(root, found, now) if all_ else _by_stage(found, now)) if found else ():
        typer.echo(line)
    typer.echo(f"{size(sum(one.bytes for one in found))} in {plural(len(found), 'result')} in {root.parent}")


@cache.command()
def gc(
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Remove what was not used for so long.", metavar="AGE")
    ] = None,
    keep: Annotated[
        str | None,
        typer.Option("--keep", help="Remove what was not used for longest, until so much is left.", metavar="SIZE"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only tell what would be removed.")] = False,
) -> None:
    """Remove results by age and size (--older-than 30d --keep 20GB), and always what is damaged or was left behind.

    What a running build makes or uses stays. Without options only what no build can use goes.
    """
    from layergrid.store import Store, sweep

    oldest = seconds_of(older_than, "--older-than") if older_than is not None else None
    most = bytes_of(keep, "--keep") if keep is not None else None
    root = Store().root
    swept, now = sweep(root, oldest, most, dry=dry_run), time.time()
    for one, why in swept.gone:
        typer.echo(f"{_state(one)}, {size(one.bytes)}, last used {_ago(one, now)}: {why}")
    for one in swept.busy:
        typer.echo(f"{_state(one)}, {size(one.bytes)}: stays, a build is using it")
    did, freed = "would be removed" if dry_run else "removed", sum(one.bytes for one, _ in swept.gone)
    small = f" and {plural(swept.litter, 'small file')} that nobody needs" if swept.litter else ""
    typer.echo(
        f"{plural(len(swept.gone), 'result')} ({size(freed)}){small} {did}; {size(swept.left)} stay in {root.parent}"
    )


@cache.command()
def push(
    folder: Folder,
    stages: Stages = None,
    used_within: Annotated[
        str | None, typer.Option("--used-within", help="Only results that were used within so long.", metavar="AGE")
    ] = None,
) -> None:
    """Copy results to a shared folder; what is there already stays."""
    from layergrid.store import Store
    from layergrid.store.sharing import push as bring

    store = Store()
    recent = None
    if used_within is not None:
        since = time.time() - seconds_of(used_within, "--used-within")
        recent = {one.digest for one in store.entries() if one.used >= since}
    wanted = _wanted(stages)
    moved = bring(store.root, folder, lambda one: wanted(one) and (recent is None or one.digest in recent))
    _tell("pushed", moved.copied, moved.bytes, moved.there, moved.damaged)


@cache.command()
def pull(folder: Folder, stages: Stages = None) -> None:
    """Copy results from a shared folder, each compared with its checksums; what is here already stays."""
    from layergrid.store import Store
    from layergrid.store.sharing import pull as bring

    moved = bring(Store().root, folder, _wanted(stages))
    _tell("pulled", moved.copied, moved.bytes, moved.there, moved.damaged)


@cache.command(name="dir")
def dir_() -> None:
    """Print the folder of the cache."""
    from layergrid.fingerprints import default_root

    typer.echo(str(default_root()))


def _wanted(stages: Sequence[str] | None) -> Callable[[Sealed], bool]:
    if stages and any(not one.strip() for one in stages):
        raise BadInput("--stage: is empty; name a stage, such as capture")
    return lambda one: not stages or one.stage in stages


def _tell(did: str, count: int, total: int, there: int, damaged: Sequence[str]) -> None:
    for line in damaged:
        sys.stderr.write(f"not {did}, it is damaged: {line}\n")
    typer.echo(
        f"{plural(count, 'result')} {did} ({size(total)}); {there:,} {'was' if there == 1 else 'were'} there already"
    )
    if damaged:
        raise typer.Exit(3)


# ---------------------------------------------------------------- tables


def _by_stage(found: Sequence[Piece], now: float) -> list[Row]:
    rows: list[Row] = [("stage", "results", "size", "last used", "longest unused")]
    stages: dict[str, list[Piece]] = {}
    for one in found:
        stages.setdefault(one.stage if one.kind == "entry" else f"({one.kind})", []).append(one)
    for name, many in sorted(stages.items()):
        total, order = sum(one.bytes for one in many), sorted(many, key=lambda one: one.used)
        rows.append((name, f"{len(many):,}", size(total), _ago(order[-1], now), _ago(order[0], now)))
    return rows


def _each(root: Path, found: Sequence[Piece], now: float) -> list[Row]:
    from layergrid.store import called

    rows: list[Row] = [("result", "took", "size", "last used", "of")]
    words = called(root, {one.sealed.digest: one.sealed.whole for one in found if one.sealed is not None})
    for one in sorted(found, key=lambda one: (one.kind != "entry", one.stage, -one.used, one.folder)):
        took = f"{one.sealed.seconds:,.1f} s" if one.sealed is not None and one.sealed.seconds else "-"
        name = words.get(one.sealed.digest, "") if one.sealed is not None else one.folder.name
        rows.append((_state(one), took, size(one.bytes), _ago(one, now), visible(name) or "-"))
    return rows


def _columns(rows: Sequence[Row]) -> Iterator[str]:
    """The rows as lines, words to the left and the two columns of figures to the right, as wide as they need."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = zip(row, widths, strict=True)
        yield "  ".join(cell.rjust(n) if i in (1, 2) else cell.ljust(n) for i, (cell, n) in enumerate(cells)).rstrip()


def _state(one: Piece) -> str:
    """The stage of a piece, with the first digits of its digest and what is wrong with it."""
    name = f"{visible(one.stage)} {one.folder.name[:8]}" if one.kind != "unfinished" else visible(one.stage)
    return name if one.kind == "entry" else f"{name} ({one.kind})"


def _ago(one: Piece, now: float) -> str:
    said = age(now - one.used)
    return said if said == "now" else f"{said} ago"

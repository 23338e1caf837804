"""Matrices of transfer in a report's folder, one row per pair and one per held-out row; it knows what no number means.

    matrices/NAME.parquet, NAME.csv        one row per pair: sources in order, and of each the targets in order
    results/NAME.transfer.parquet          one row per held-out row of each domain: its group, label and fold, its score
                                           by each source and by each baseline

The Parquet files are what is read. A column `score.SOURCE` holds the score by the probe of that source which saw no row
of the fold; `baseline.NAME` is NaN throughout in a domain that has no such baseline.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from layergrid.archive.documents import decode, decode_fields, encode, foreign
from layergrid.archive.naming import stem
from layergrid.archive.parquet import escaped, numbers, read_parquet, texts, write_parquet
from layergrid.artifacts import Bounded, Domain, Floats, Matrix
from layergrid.text import visible

if TYPE_CHECKING:
    import pyarrow as pa

MAPS = {"raw": "", "over_baseline": "over_baseline_", "lost": "lost_"}  # field of the matrix -> prefix of its columns
PARTS = ("value", "low", "high")
NUMBERS = tuple(f"{prefix}{part}" for prefix in MAPS.values() for part in PARTS)
CARD = ("transfer", "source", "target", "metric", "level", "baseline", "n")  # columns that follow from results.json
COLUMNS = (*CARD[:4], *NUMBERS, *CARD[4:], "n_positive", "status", "reason")
FIXED = ("domain", "example_id", "group", "label", "fold")
PLAIN = ("name", "over", "site", "head", "metric", "quantity", "level", "best", "baselines", "chosen", "settings")


def matrix_file(name: str, suffix: str) -> str:
    """The relative path of a matrix's file: "matrices/sets.csv"."""
    return f"matrices/{stem(name)}.{suffix}"


def scores_file(name: str) -> str:
    """The relative path of its held-out scores."""
    return f"results/{stem(name)}.transfer.parquet"


def columns(matrix: Matrix) -> dict[str, list[Any]]:
    """The columns of COLUMNS, pair by pair."""
    names, size = matrix.names, len(matrix.domains)

    def of_targets(values: Sequence[Any]) -> list[Any]:
        return [value for _ in names for value in values]

    return {
        "transfer": [matrix.name] * size**2,
        "source": [name for name in names for _ in names],
        "target": of_targets(names),
        "metric": [matrix.metric] * size**2,
        **{
            f"{prefix}{part}": getattr(getattr(matrix, field), part).ravel().tolist()
            for field, prefix in MAPS.items()
            for part in PARTS
        },
        "level": [float(matrix.level)] * size**2,
        "baseline": of_targets(matrix.best),
        "n": of_targets(matrix.n),
        "n_positive": of_targets(matrix.n_positive.tolist()),
        "status": matrix.status.ravel().tolist(),
        "reason": matrix.reason.ravel().tolist(),
    }


def csv_of(matrix: Matrix) -> str:
    """The pairs as CSV; empty where there is no number."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    found = columns(matrix)
    for row in zip(*(found[name] for name in COLUMNS), strict=True):
        writer.writerow([_cell(one) for one in row])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return "" if np.isnan(value) else repr(value)
    return escaped(value)


def csv_problems(folder: Path, matrix: Matrix) -> list[str]:
    """Where the CSV file of a matrix says something else than the matrix: one sentence; empty if nowhere."""
    path = folder / matrix_file(matrix.name, "csv")
    try:
        written = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        return [f"{path}: cannot be read ({error})"]
    there, wanted = written.splitlines(), csv_of(matrix).splitlines()
    if there == wanted:
        return []
    pairs = enumerate(zip(there, wanted, strict=False), start=1)
    line = next((i for i, (a, b) in pairs if a != b), min(len(there), len(wanted)) + 1)
    return [f"{path}, row {line}: is not as in the matrix"]


# ---------------------------------------------------------------- writing


def write_matrix(matrix: Matrix, folder: Path) -> dict[str, Any]:
    """Writes the arrays; returns the JSON object of everything else."""
    for part in ("matrices", "results"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    write_parquet([_long(matrix)], folder / matrix_file(matrix.name, "parquet"))
    (folder / matrix_file(matrix.name, "csv")).write_text(csv_of(matrix), encoding="utf-8", newline="")
    write_parquet([_scores(matrix)], folder / scores_file(matrix.name))
    domains = [
        {"name": one.name, "model": one.model, "dataset": one.dataset, "rows": len(one.example_ids),
         "baselines": list(one.baselines)}
        for one in matrix.domains
    ]  # fmt: skip
    return {**{name: encode(getattr(matrix, name)) for name in PLAIN}, "domains": encode(domains)}


def _long(matrix: Matrix) -> pa.Table:
    import pyarrow as pa

    kinds = {
        **dict.fromkeys((*NUMBERS, "level"), pa.float64()), **dict.fromkeys(("n", "n_positive"), pa.int64()),
    }  # fmt: skip
    return pa.table(
        {
            name: pa.array(list(map(escaped, values)), type=kinds.get(name, pa.string()))
            for name, values in columns(matrix).items()
        }
    )


def _baselines(matrix_domains: Sequence[Mapping[str, Any]]) -> list[str]:
    """The baselines of all domains, in the order in which they first stand."""
    return list(dict.fromkeys(name for one in matrix_domains for name in one))


def _scores(matrix: Matrix) -> pa.Table:
    import pyarrow as pa

    many = matrix.domains
    names = _baselines([one.baselines for one in many])

    def every(take: Any, kind: Any) -> pa.Array:
        return pa.array([value for one in many for value in take(one)], type=kind)

    arrays = [
        every(lambda one: [escaped(one.name)] * len(one.example_ids), pa.string()),
        every(lambda one: map(escaped, one.example_ids), pa.string()),
        every(lambda one: map(escaped, one.groups), pa.string()),
        every(lambda one: one.labels.tolist(), pa.bool_()),
        every(lambda one: one.folds.tolist(), pa.int64()),
        *(pa.array(_joined([one.scores[s] for one in many], np.float32)) for s in range(len(many))),
        *(pa.array(_joined([_baseline(one, name) for one in many], np.float64)) for name in names),
    ]
    titles = [*FIXED, *(visible(f"score.{name}") for name in matrix.names), *(visible(f"baseline.{n}") for n in names)]
    return pa.Table.from_arrays(arrays, names=titles)


def _joined(parts: Sequence[Floats], dtype: Any) -> Floats:
    return np.concatenate([np.asarray(one, dtype=dtype) for one in parts]) if parts else np.empty(0, dtype)


def _baseline(domain: Domain, name: str) -> Floats:
    found = domain.baselines.get(name)
    return np.full(len(domain.example_ids), np.nan) if found is None else found


# ---------------------------------------------------------------- reading


@dataclass(frozen=True)
class Told:
    """What results.json says of a domain."""

    name: str
    model: str
    dataset: str
    rows: int
    baselines: tuple[str, ...]


def read_matrix(card: Any, folder: Path, path: Path) -> Matrix:
    """A matrix from its files and what results.json says of it. Raises BadInput where they do not fit together."""
    if not isinstance(card, dict) or not isinstance(card.get("name"), str):
        foreign(path, "describes a transfer that has no name")
    name = card["name"]
    where = f"{path}, transfer {name!r}"
    told = decode(tuple[dict[str, Any], ...], card.get("domains"), where)
    pairs = folder / matrix_file(name, "parquet")
    table = read_parquet(pairs)
    if tuple(table.column_names) != COLUMNS or table.num_rows != len(told) ** 2:
        foreign(pairs, f"has not one row for each pair with the columns {', '.join(COLUMNS)}")
    shape = (len(told), len(told))
    maps = {
        field: Bounded(*(numbers(table, f"{prefix}{part}", np.float64, pairs).reshape(shape) for part in PARTS))
        for field, prefix in MAPS.items()
    }
    matrix = decode_fields(
        Matrix, {key: value for key, value in card.items() if key != "domains"}, where, **maps,
        domains=_domains(told, folder / scores_file(name), where),
        n_positive=numbers(table, "n_positive", np.int64, pairs)[: len(told)],
        status=np.array(texts(table, "status", pairs), dtype=np.str_).reshape(shape),
        reason=np.array(texts(table, "reason", pairs), dtype=np.str_).reshape(shape),
    )  # fmt: skip
    right = _long(matrix)
    if not all(table.column(name).equals(right.column(name)) for name in CARD):
        foreign(pairs, "does not agree with results.json")
    return matrix


def _domains(told: Sequence[Mapping[str, Any]], path: Path, where: str) -> tuple[Domain, ...]:
    """The domains with their held-out rows."""
    cards = [decode_fields(Told, dict(one), f"{where}, domains") for one in told]
    table = read_parquet(path)
    names = _baselines([dict.fromkeys(one.baselines) for one in cards])
    wanted = [*FIXED, *(visible(f"score.{one.name}") for one in cards), *(visible(f"baseline.{n}") for n in names)]
    ends = np.cumsum([0, *(one.rows for one in cards)])
    if table.column_names != wanted or table.num_rows != ends[-1]:
        foreign(path, "has not one row for each held-out row of each domain, with a column for each source")
    found = []
    for t, one in enumerate(cards):
        part = table.slice(int(ends[t]), one.rows)
        if set(texts(part, "domain", path)) - {one.name}:
            foreign(path, f"has rows of another domain among those of {one.name!r}")
        first = len(FIXED)
        scores = [numbers(part, first + s, None, path) for s in range(len(cards))]
        own = {n: numbers(part, first + len(cards) + i, np.float64, path) for i, n in enumerate(names)}
        found.append(
            Domain(
                one.name, one.model, one.dataset, tuple(texts(part, "example_id", path)),
                tuple(texts(part, "group", path)), numbers(part, "label", np.bool_, path),
                numbers(part, "fold", np.int64, path), np.stack(scores), {n: own[n] for n in one.baselines},
            )
        )  # fmt: skip
    return tuple(found)

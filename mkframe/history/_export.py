"""Write a history as Parquet files, for Spark, Snowflake, polars and others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe._files import temporary_path
from mkframe._folders import Folder, open_folder
from mkframe._pandas import TEXT
from mkframe.errors import InputError
from mkframe.history import _file, _read
from mkframe.history._layout import VERSIONED

__all__ = ["export"]

_ROW_GROUP = 100_000
_MOST_YEARS = 19
"""Years that have a file of their own; the rest shares one."""
_OURS = re.compile(r"(year=\d+/)?part-0\.parquet")


def export(path: Path, wait: float, target: Path) -> pd.DataFrame:
    """Write all resources into a folder, each into one of its own."""
    written = []
    try:
        with open_folder(target, make=True) as folder:
            for resource in VERSIONED:
                _check_old(folder.path / resource)
            name = temporary_path()
            folder.make_folder(name)
            try:
                tables = _tables(path, wait)
                for resource, parts in tables:
                    written.append(_write_parts(folder.path / name / resource, resource, parts))
                for resource in VERSIONED:
                    _replace(folder, name, resource)
            finally:
                folder.remove_tree(name)
    except OSError as error:
        raise InputError(
            f"{str(target)!r} cannot be written: {error.strerror or error}.", hint="Name another folder."
        ) from error
    frame = pd.DataFrame(written, columns=["resource", "files", "rows", "bytes"])
    return frame.astype({"resource": TEXT}).set_index("resource")


def _tables(path: Path, wait: float) -> Iterator[tuple[str, Iterator[tuple[str, Any]]]]:
    """Yield the parts of each resource; a part is the name of its file and its table."""
    years: dict[int, int] = {}
    for resource in VERSIONED:
        with _file.open_to_read(path, wait) as connection:
            known = _read.known_syncs(connection, resource, None, None)
            table = _read.read_table(connection, resource, known, project=None, gone=True)
        table = table.drop_columns(["from_sync"])
        if resource == "builds":
            year = _years(table["build_start"])
            years = dict(zip(table["id"].to_pylist(), year.tolist(), strict=True))
            yield resource, _by_year(table, year, ["project_id", "build_start", "id"])
        elif resource == "downloads":
            year = np.array([years.get(build, 0) for build in table["build_id"].to_pylist()], dtype=np.int64)
            yield resource, _by_year(table, year, ["project_id", "build_id", "id"])
        else:
            yield resource, iter([("part-0.parquet", table)])


def _years(times: Any) -> Any:
    """Return the year of each start; 0 where it is not known, or is one of too many that have few builds."""
    years = times.to_numpy().astype("datetime64[Y]").astype(np.int64) + 1970
    years = np.where(times.is_null().to_numpy(), 0, years)
    found, builds = np.unique(years[years != 0], return_counts=True)
    most = found[np.lexsort((-found, -builds))][:_MOST_YEARS]  # of equals the newer one
    return np.where(np.isin(years, most), years, 0)


def _by_year(table: Any, years: Any, order: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield a part for each year, sorted; an empty one where there is none, so that the columns are known."""
    for year in np.unique(years).tolist() or [0]:
        part = table.filter(years == year)
        yield f"year={year}/part-0.parquet", part.sort_by([(name, "ascending") for name in order])


def _write_parts(folder: Path, resource: str, parts: Iterator[tuple[str, Any]]) -> tuple[str, int, int, int]:
    from pyarrow import parquet

    files = rows = size = 0
    for name, table in parts:
        file = folder / name
        file.parent.mkdir(parents=True)
        parquet.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP)
        with file.open("rb") as written:
            os.fsync(written.fileno())
        files, rows, size = files + 1, rows + table.num_rows, size + file.stat().st_size
    return resource, files, rows, size


def _check_old(folder: Path) -> None:
    """Refuse to replace what no export has written."""
    if not folder.exists():
        return
    files = [p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir() or p.is_symlink()]
    other = [name for name in files if not _OURS.fullmatch(name)]
    if folder.is_symlink() or not folder.is_dir() or other:
        what = f", such as {other[0]!r:.80}" if other else ""
        raise InputError(
            f"{str(folder)!r} holds something else than an export{what}.", hint="Name another folder."
        )


def _replace(folder: Folder, name: str, resource: str) -> None:
    """Give the new files of a resource their place, and take the old ones away."""
    with folder.open_below([name]) as made:
        if (folder.path / resource).exists():
            folder.replace(resource, f"old-{resource}", made)
        made.replace(resource, resource, folder)

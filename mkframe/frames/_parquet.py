"""Read and write frames as Parquet files, which every engine for data reads."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import IO, Any

import pandas as pd

from mkframe.errors import InputError, SchemaError
from mkframe.frames._arrow_tables import from_arrow, require_arrow, to_arrow
from mkframe.frames._io import open_saved
from mkframe.limits import DEFAULT, check_bytes, size, too_large

__all__ = ["read_parquet", "write_parquet"]

_BATCH = 1 << 16
_MAX_COLUMNS = 10_000
_Source = str | PathLike[str] | bytes | IO[bytes]


def write_parquet(frame: pd.DataFrame, file: IO[bytes]) -> None:
    """Write a frame as Parquet, with the types of `to_arrow`.

    Examples
    --------
    >>> import io
    >>> import mkframe as mk
    >>> file = io.BytesIO()
    >>> write_parquet(mk.read_json(b"[]"), file)
    >>> file.getvalue()[:4]
    b'PAR1'
    """
    table = to_arrow(frame)
    from pyarrow import parquet

    parquet.write_table(table, file, compression="zstd")


def read_parquet(
    source: _Source | Sequence[str | PathLike[str]],
    resource: str | None = None,
    *,
    max_bytes: int | None = None,
) -> pd.DataFrame:
    """Read Parquet files that `mk.export` has written, or another library out of `mk.to_arrow`.

    Parameters
    ----------
    source : path, list of paths, bytes or binary file object
        A file, several, or a folder: all files in it that end in ``.parquet``, in the order of their names,
        also in folders below.
    resource : str, optional
        What the rows are, such as ``"builds"``; by default what the files tell.
    max_bytes : int, optional
        Most bytes of all values, as Arrow holds them; 1 GiB by default.

    Returns
    -------
    DataFrame
        The frame that was written; of several files all rows, one after the other. A column that some files
        lack is missing in their rows. Rows that several files hold are kept.

    Raises
    ------
    InputError
        If a file cannot be read or is no Parquet, files are of different resources, a folder has none, or the
        extra ``arrow`` is not installed.
    SchemaError
        If a column cannot be held by the declared dtype.
    ResponseTooLargeError
        If there is more than `max_bytes`.

    Examples
    --------
    >>> import tempfile
    >>> import mkframe as mk
    >>> builds = mk.read_json(b"[]")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = mk.export(builds, f"{folder}/builds.parquet")
    ...     read_parquet(path).equals(builds)
    True
    """
    require_arrow()
    most = DEFAULT.saved if max_bytes is None else check_bytes("max_bytes", max_bytes)
    frames: list[tuple[str, pd.DataFrame]] = []
    for name, one in _sources(source):
        with open_saved(one) as file, _named_errors(name):
            table = _read_table(file, most)
            most -= min(table.nbytes, most)
            frames.append((name, from_arrow(table, resource)))
    return _concat(frames)


def _sources(source: Any) -> Iterator[tuple[str, Any]]:
    """Yield each file with its name."""
    if isinstance(source, list | tuple):
        if not source:
            raise InputError("The list of files is empty.", hint="Name at least one.")
        for one in source:
            yield from _sources(one)
        return
    if not isinstance(source, str | PathLike):
        yield "The content", source
        return
    folder = _folder(source)
    if folder is None:
        yield f"The file {fspath(source)!r:.200}", source
        return
    found = sorted(
        p for p in folder.rglob("*.parquet") if p.is_file() and not _is_hidden(p.relative_to(folder))
    )
    if not found:
        raise InputError(
            f"The folder {fspath(source)!r:.200} has no file that ends in .parquet.",
            hint="Check the path.",
        )
    yield from ((f"The file {fspath(path)!r:.200}", path) for path in found)


def _folder(source: str | PathLike[str]) -> Path | None:
    with contextlib.suppress(
        OSError, ValueError, RuntimeError
    ):  # no such home, no such path: opening says so
        path = Path(fspath(source)).expanduser()
        return path if path.is_dir() else None
    return None


def _is_hidden(path: Path) -> bool:
    return any(part.startswith((".", "_")) for part in path.parts)


@contextlib.contextmanager
def _named_errors(name: str) -> Iterator[None]:
    """Turn what Arrow says of a file into a sentence that names it."""
    pa = require_arrow()
    try:
        yield
    except SchemaError as error:
        error.message = f"{name}: {error.message}"
        raise
    except InputError as error:
        raise InputError(f"{name}: {error.message}", hint=error.hint) from error
    except (pa.ArrowException, OSError, ValueError, TypeError, OverflowError, MemoryError) as error:
        raise InputError(
            f"{name} is no Parquet file, or a damaged one: {str(error)[:200]}.",
            hint="mk.export(frame, 'builds.parquet') writes one; mk.read_json reads saved answers.",
        ) from error


def _read_table(file: IO[bytes], most: int) -> Any:
    """Read a file in batches, so that few bytes cannot become much memory."""
    import pyarrow as pa
    from pyarrow import parquet

    found = parquet.ParquetFile(file)
    if found.metadata.num_columns > _MAX_COLUMNS:
        raise ValueError(f"it has {found.metadata.num_columns:,} columns")
    groups = range(found.metadata.num_row_groups)
    _check_size(sum(found.metadata.row_group(at).total_byte_size for at in groups), most)
    batches, total = [], 0
    for batch in found.iter_batches(_BATCH):
        total += batch.nbytes
        _check_size(total, most)
        batches.append(batch)
    table = pa.Table.from_batches(batches, schema=found.schema_arrow)
    table.validate(full=True)  # Arrow does not check that text is UTF-8
    return table


def _check_size(total: int, most: int) -> None:
    if total > most:
        raise too_large("saved", most, f"its values take at least {size(total)}")


def _concat(frames: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Put the rows of several files one after the other."""
    first, parts = frames[0][0], [frame for _, frame in frames]
    for name, frame in frames:
        if frame.index.names != parts[0].index.names:
            raise InputError(
                f"{first} numbers its rows by {parts[0].index.name!r}, {name[0].lower()}{name[1:]} by "
                f"{frame.index.name!r}.",
                hint="Read them one by one.",
            )
    if len(parts) == 1:
        return parts[0]
    names = list(dict.fromkeys(name for frame in parts for name in frame.columns))
    filled = [frame.drop(columns=_empty_columns(frame, parts)) for frame in parts if len(frame)]
    whole = pd.concat(filled, ignore_index=None in parts[0].index.names) if filled else parts[0]
    absent = {name: None for name in names if name not in whole.columns}
    whole = whole.assign(**absent)[names]
    for name in names:
        if whole[name].dtype == object and any(name not in frame.columns for frame in filled):
            whole[name] = _with_none(whole[name])
    attrs = [frame.attrs for frame in parts]
    whole.attrs = dict(attrs[0]) if all(one == attrs[0] for one in attrs) else {}
    return whole


def _with_none(values: pd.Series[Any]) -> pd.Series[Any]:
    """Return objects with None for what is missing, as `read_json` has them; text keeps NaN."""
    if pd.api.types.infer_dtype(values, skipna=True) == "string":
        return values
    return values.where(values.notna(), None)


def _empty_columns(frame: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> list[str]:
    """Return columns without a value, of which other files know the type."""
    return [
        name
        for name in frame.columns
        if frame[name].dtype == object
        and frame[name].isna().all()
        and any(name in other.columns and other[name].dtype != object for other in parts)
    ]

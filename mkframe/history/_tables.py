"""Columns of an answer as an Arrow table for the file, and a table of the file as the frame again."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd

from mkframe.frames._columns import (
    STORAGE,
    Array,
    ColumnBuilder,
    ColumnChunk,
    array_of,
    arrow_text,
    uses_arrow,
)
from mkframe.frames._nested import Columns
from mkframe.frames._row_types import download_fields, fields_of
from mkframe.frames._strict import check
from mkframe.history._rows import canonical, to_json
from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES, VIEWS, Field

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "one_array",
    "to_array",
    "to_frame",
    "to_objects",
    "to_table",
    "to_texts",
    "unknown_names",
    "view_frame",
    "view_table",
]


# --- to a table ---------------------------------------------------------------------------------------


def to_table(resource: str, columns: Columns, text: bytes) -> pa.Table:
    """Make a table of the columns of rows, whose JSON is `text`; unknown fields are JSON in ``extra``."""
    import pyarrow as pa

    known = RESOURCES[resource].fields
    has_downloads = columns.downloads is not None
    extras: list[Any] = []
    if any(unknown_names(resource, columns)):
        inside = frozenset(f.name for f in EMBEDDED_DOWNLOAD) if has_downloads else None
        extras = list(canonical(text, frozenset(f.name for f in known), inside))
    arrays: dict[str, Any] = {}
    for builder in columns.builders[: len(known)]:
        if builder.field.type == "downloads" and columns.downloads:
            nested = [extra for _, items in extras for extra in items]
            arrays[builder.field.name] = _lists(builder, columns.downloads, nested)
        else:
            arrays[builder.field.name] = to_array(builder.field, builder.chunks)
    arrays["extra"] = to_texts([extra for extra, _ in extras], columns.size)
    return pa.table(arrays)


def unknown_names(resource: str, columns: Columns) -> tuple[list[str], list[str]]:
    """Return the names of the unknown fields of rows, and of the downloads in them."""
    nested = columns.downloads.builders[len(EMBEDDED_DOWNLOAD) :] if columns.downloads else []
    unknown = columns.builders[len(RESOURCES[resource].fields) :]
    return [builder.field.name for builder in unknown], [builder.field.name for builder in nested]


def to_array(field: Field, chunks: Sequence[ColumnChunk]) -> Any:
    """Join the chunks of a column into an array of the type that the file has for its field."""
    import pyarrow as pa

    if field.type == "any":
        cells = [value for chunk in chunks for value in chunk.values]
        return to_texts([None if cell is None else to_json(cell) for cell in cells], len(cells))
    types = {
        "int": pa.int64(),
        "flag": pa.bool_(),
        "bool": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
        "naive": pa.timestamp("us"),
        "str": arrow_text(),
        "ints": pa.list_(pa.int64()),
        "strs": pa.list_(pa.string()),
    }
    kind = types[field.type]
    parts = [
        chunk.values
        if isinstance(chunk.values, pa.Array)
        else pa.array(chunk.values, kind, mask=chunk.missing)
        for chunk in chunks
    ]
    return pa.concat_arrays(parts) if parts else pa.array([], kind)


def _lists(builder: ColumnBuilder, inside: Columns, extras: list[str | None]) -> Any:
    import pyarrow as pa

    arrays = [to_array(part.field, part.chunks) for part in inside.builders[: len(EMBEDDED_DOWNLOAD)]]
    names = [field.name for field in EMBEDDED_DOWNLOAD]
    structs = pa.StructArray.from_arrays([*arrays, to_texts(extras, inside.size)], [*names, "extra"])
    counts = np.concatenate([np.empty(0, np.int64), *(chunk.values for chunk in builder.chunks)])
    missing = [np.zeros(len(c.values), bool) if c.missing is None else c.missing for c in builder.chunks]
    bounds = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    mask = pa.array(np.concatenate(missing)) if builder.has_nulls else None
    return pa.ListArray.from_arrays(pa.array(bounds), structs, mask=mask)


def to_texts(values: Sequence[str | None], count: int) -> Any:
    """Return texts as an array; no texts at all stand for `count` nulls."""
    import pyarrow as pa

    return pa.array(values, pa.string()) if values else pa.nulls(count, pa.string())


# --- to a frame ---------------------------------------------------------------------------------------


def to_frame(resource: str, table: Any, names: Sequence[str], nested: Sequence[str]) -> pd.DataFrame:
    """Make the frame that a find would have returned of a table of the file.

    `names` and `nested` are the unknown fields of rows and of downloads, in the order of their columns; what
    else the rows have comes after them.
    """
    known = RESOURCES[resource].fields
    rows = to_objects(table["extra"])
    names = _unknown(known, [*names, *_keys(rows)])
    inside: Any = None
    if any(field.type == "downloads" for field in known):
        inside = _flat(table["downloads"])
        records = to_objects(inside.field("extra"))
        nested = _unknown(EMBEDDED_DOWNLOAD, [*nested, *_keys(records)])
    columns = Columns(_fields(known, table))
    chunks = []
    for field in columns_fields(columns):
        if field.type == "downloads":
            chunks.append(_downloads_chunk(table[field.name], inside, records, tuple(nested)))
        else:
            chunks.append(_chunk(field, table[field.name]))
    fields = [*columns_fields(columns), *fields_of(resource, tuple(names))[len(known) :]]
    chunks += [ColumnChunk([row.get(name) for row in rows]) for name in names]
    columns.add(fields, chunks) if table.num_rows else None
    return columns.frame(RESOURCES[resource].key)


def columns_fields(columns: Columns) -> list[Field]:
    """Return the fields of columns."""
    return [builder.field for builder in columns.builders]


def _fields(known: Sequence[Field], table: Any) -> list[Field]:
    """Return the fields of a frame; one with nulls that the reference rules out gets a nullable dtype.

    A warning was shown when they were synced.
    """
    return [
        dataclasses.replace(f, null=True) if not f.null and table[f.name].null_count else f for f in known
    ]


def to_objects(column: Any) -> list[dict[str, Any]]:
    """Read the unknown fields of rows."""
    if column.null_count == len(column):
        return [{}] * len(column)
    texts = ["{}" if text is None else text for text in column.to_pylist()]
    found: list[dict[str, Any]] = msgspec.json.decode(f"[{','.join(texts)}]")
    return found


def _unknown(known: Sequence[Field], names: Sequence[str]) -> list[str]:
    """Return the names that are of no known field, each once.

    A value of a known field that does not fit it, since it was stored when that was unknown, is not shown.
    """
    held = {field.name for field in known}
    return [name for name in dict.fromkeys(names) if name not in held]


def _keys(rows: Sequence[dict[str, Any]]) -> dict[str, None]:
    return dict.fromkeys(itertools.chain.from_iterable(rows))


def _flat(column: Any) -> Any:
    """Return all downloads of some builds, one after the other."""
    return one_array(column).flatten()


def one_array(column: Any) -> Any:
    """Return a column of a table as one array."""
    import pyarrow as pa

    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _chunk(field: Field, column: Any) -> ColumnChunk:
    column = one_array(column)
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    if field.type == "int":
        return ColumnChunk(_filled(column, 0), missing)
    if field.type in ("flag", "bool"):
        return ColumnChunk(_filled(column, False), missing)
    if field.type in ("timestamp", "naive"):
        return ColumnChunk(column.to_numpy(zero_copy_only=False).astype("datetime64[us]"), missing)
    if field.type == "str" and uses_arrow():
        return ColumnChunk(column.cast(arrow_text()))
    if field.type == "any":
        return ColumnChunk([None if t is None else msgspec.json.decode(t) for t in column.to_pylist()])
    return ColumnChunk(_cut(column) if field.type == "ints" else column.to_pylist())


def _cut(column: Any) -> list[Any]:
    """Return lists of whole numbers as Python's, five times as fast as Arrow does."""
    flat = column.flatten().to_numpy(zero_copy_only=False).tolist()
    ends = np.cumsum(_filled(column.value_lengths(), 0)).tolist()
    cells: list[Any] = [flat[start:end] for start, end in itertools.pairwise([0, *ends])]
    for place in np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False)).tolist():
        cells[place] = None
    return cells


def _filled(column: Any, filler: Any) -> Array:
    values: Array = (column.fill_null(filler) if column.null_count else column).to_numpy(zero_copy_only=False)
    return values


def _downloads_chunk(
    column: Any, inside: Any, records: Sequence[dict[str, Any]], nested: tuple[str, ...]
) -> ColumnChunk:
    column = one_array(column)
    missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
    counts = _filled(column.value_lengths(), 0).astype(np.int64)
    fields = download_fields(nested)
    chunks = [_chunk(field, inside.field(field.name)) for field in EMBEDDED_DOWNLOAD]
    keys = range(len(records))
    chunks += [
        check(field, [record.get(field.name) for record in records], keys)
        for field in fields[len(EMBEDDED_DOWNLOAD) :]
    ]
    return ColumnChunk(counts, missing, fields, tuple(chunks))


# --- views --------------------------------------------------------------------------------------------


def view_table(view: str, frame: pd.DataFrame) -> pa.Table:
    """Make a table of the rows of a view; what does not fit its documented columns is JSON in ``extra``."""
    import pyarrow as pa

    plain = frame.reset_index() if frame.index.name else frame
    arrays: dict[str, Any] = {}
    others = {name: _cells(plain[name]) for name in plain.columns}
    for field in VIEWS[view.upper()].fields:
        column = plain[field.name]
        is_typed = column.dtype != object or field.type not in STORAGE
        arrays[field.name] = _view_array(field, column if is_typed else [None] * len(plain))
        if is_typed:
            del others[field.name]
    records = [dict(zip(others, row, strict=True)) for row in zip(*others.values(), strict=True)]
    arrays["extra"] = to_texts([json.dumps(record, default=str) for record in records], len(plain))
    return pa.table(arrays)


def _cells(column: pd.Series[Any]) -> list[Any]:
    """Return the cells of a column, None where one is missing."""
    cells: Any = column.astype(object)
    return cells.where(column.notna(), None).tolist()  # type: ignore[no-any-return]


def _view_array(field: Field, column: Any) -> Any:
    import pyarrow as pa

    if field.type == "any":
        return to_array(field, [ColumnChunk(column.tolist())])
    kinds = {
        "int": pa.int64(),
        "flag": pa.bool_(),
        "timestamp": pa.timestamp("us", "UTC"),
        "naive": pa.timestamp("us"),
    }
    return pa.array(column, kinds.get(field.type, pa.string()), from_pandas=True)


def view_frame(view: str, table: Any) -> pd.DataFrame:
    """Make the frame of the rows of a view."""
    rows = to_objects(table["extra"])
    others = _keys(rows)
    arrays: dict[str, Any] = {}
    for field in VIEWS[view.upper()].fields:
        if field.name not in others:
            arrays[field.name] = array_of(field, [_chunk(field, table[field.name])])
    for name in others:
        values = [row.get(name) for row in rows]
        arrays[name] = array_of(Field(name, "any", "Not as documented."), [ColumnChunk(values)])
    names = [field.name for field in VIEWS[view.upper()].fields]
    order = [*names, *(name for name in others if name not in names)]
    frame = pd.DataFrame({name: arrays[name] for name in order}, index=pd.RangeIndex(table.num_rows))
    return frame.set_index("ID") if names[0] == "ID" else frame

"""Frames as Arrow tables, and tables as the same frames again.

The schema decides the types, so that an empty frame and a full one have the same. What Arrow has no type for
is JSON text. The table's metadata say which columns these are, and which dtypes are not the usual ones; an
engine that drops the metadata loses that and nothing else.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import pandas as pd

from mkframe._pandas import frame_of, text_array, text_dtype
from mkframe._text import short_repr, single_line
from mkframe.errors import InputError, SchemaError, SchemaWarning, warn
from mkframe.frames._columns import INT64, SURROGATE, Array, arrow_text, dtype_of
from mkframe.frames._nested import DownloadsArray, DownloadsDtype
from mkframe.frames._row_types import DOWNLOAD_WIDTH, download_fields
from mkframe.schema import RESOURCES, Field

__all__ = [
    "METADATA",
    "downloads_from_arrow",
    "downloads_to_arrow",
    "fields_of_frame",
    "from_arrow",
    "named_columns",
    "require_arrow",
    "to_arrow",
]

METADATA = b"mkframe"
"""Key of what the metadata of a table say about its frame: index, resource, dtypes, JSON columns, attrs."""


class _About(msgspec.Struct, forbid_unknown_fields=True):
    """What a frame is beyond its values.

    `index` is None where that is not known; `own` are columns that bear the name of a field and hold
    something else.
    """

    index: list[str] | None = None
    resource: str | None = None
    dtypes: dict[str, str] = {}
    json: list[str] = []
    own: list[str] = []
    attrs: dict[str, Any] = {}


def require_arrow() -> Any:
    """Import pyarrow.

    Raises
    ------
    InputError
        If it is not installed; names the extra.

    Examples
    --------
    >>> require_arrow().__name__
    'pyarrow'
    """
    try:
        import pyarrow
    except ImportError as error:
        raise InputError(
            "Arrow tables and Parquet files need pyarrow.",
            hint='Install it with: pip install "mkframe[arrow]".',
        ) from error
    return pyarrow


# --- from a frame to a table ------------------------------------------------------------------------


def to_arrow(frame: pd.DataFrame, resource: str | None = None) -> Any:
    """Turn a frame into an Arrow table, which polars, DuckDB and Parquet files take.

    Parameters
    ----------
    frame : DataFrame
        A frame of any resource, whole or in part, also with columns of your own.
    resource : str, optional
        What the rows are, such as ``"builds"``; by default what the columns tell.

    Returns
    -------
    pyarrow.Table
        The index first, then the columns. int64 and Int64 are ``int64``, flags ``bool``, text ``string``,
        times ``timestamp[us, tz=UTC]``, ``patterns`` and ``releases`` ``list<int64>``, ``downloads``
        ``list<struct<id: int64, pattern: string, pattern_id: int64, file_id: int64, name: string, ...>>``:
        the same for no rows as for many. Columns that the reference does not name have the type of their
        values; where these are mixed or nested, they are JSON text.

    Raises
    ------
    InputError
        If the extra ``arrow`` is not installed, or a column is nothing that Arrow holds.

    Examples
    --------
    >>> import mkframe as mk
    >>> mk.to_arrow(mk.read_json(b"[]")).schema.field("patterns").type
    ListType(list<item: int64>)
    """
    pa = require_arrow()
    columns = dict(named_columns(frame))
    resource = _resource_of(list(columns), resource or _known(frame.attrs.get("resource")))
    fields = _fields(resource)
    about = _About([*map(str, _index_names(frame))], resource, attrs=_plain_attrs(frame.attrs))
    arrays = []
    for name, values in columns.items():
        try:
            array, is_json, field = _typed_array(pa, values, fields.get(name))
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            reason = error.message if isinstance(error, InputError) else f"{error}."
            raise InputError(
                f"The column {name!r} cannot be written to Arrow: {reason}",
                hint="Convert it, or leave it out.",
            ) from error
        if name in fields and field is None:
            about.own.append(name)
        if is_json:
            about.json.append(name)
        elif str(values.dtype) != _usual_dtype(pa, array, field):
            about.dtypes[name] = str(values.dtype)
        arrays.append(array)
    table = pa.table(arrays, names=list(columns))
    return table.replace_schema_metadata(
        {METADATA: msgspec.json.encode(about), **_pandas_metadata(pa, frame, about)}
    )


def named_columns(frame: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    """Yield the index, unless it only counts the rows, and the columns with their names.

    Raises
    ------
    InputError
        If they have no names, or not each its own.

    Examples
    --------
    >>> [name for name, values in named_columns(pd.DataFrame({"n": [1]}, index=pd.Index([7], name="id")))]
    ['id', 'n']
    """
    if not isinstance(frame, pd.DataFrame):
        raise InputError(
            f"A DataFrame is needed, not {type(frame).__name__}.", hint="For a Series: s.to_frame()."
        )
    index = _index_names(frame)
    names = [*index, *frame.columns]
    odd = next((name for name in names if not isinstance(name, str)), None)
    if odd is not None or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"{short_repr(odd)} is no name of a column.",
            hint="Name columns and index with texts, one level each.",
        )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"Two columns are called {twice!r}.", hint="Rename one of them.")
    for place, name in enumerate(index):
        yield name, frame.index.get_level_values(place)
    for place, name in enumerate(frame.columns):
        yield name, frame.iloc[:, place]


def _index_names(frame: pd.DataFrame) -> list[Any]:
    """Return the names of the index; none where it only counts the rows."""
    counts = isinstance(frame.index, pd.RangeIndex) and frame.index.equals(pd.RangeIndex(len(frame)))
    return [] if counts and frame.index.name is None else list(frame.index.names)


def _resource_of(names: Sequence[str], given: object) -> str | None:
    """Return the resource whose fields these are, as many as there are; None where they are of none."""
    if given is not None and given not in RESOURCES:
        raise InputError(f"There is no resource {given!r:.80}.", hint=f"Choose from {', '.join(RESOURCES)}.")
    if isinstance(given, str):
        return given
    there = set(names)
    found = [
        (len(there & {f.name for f in known.fields}), known.name)
        for known in RESOURCES.values()
        if {f.name for f in known.fields if not f.null} <= there
    ]
    return max(found)[1] if found else None


def _known(resource: object) -> str | None:
    """Return the name of a resource; None where `attrs`, which are the user's, hold anything else."""
    return resource if isinstance(resource, str) and resource in RESOURCES else None


def fields_of_frame(frame: pd.DataFrame, names: Sequence[str]) -> dict[str, Field]:
    """Return the fields of the resource that the rows of a frame are.

    Examples
    --------
    >>> fields_of_frame(pd.DataFrame(), ["id", "name"])["name"].type
    'str'
    """
    return _fields(_resource_of(names, _known(frame.attrs.get("resource"))))


def _fields(resource: str | None) -> dict[str, Field]:
    """Return the fields of a resource; of no resource those that are lists, since their names tell."""
    if resource is not None:
        return {field.name: field for field in RESOURCES[resource].fields}
    fields = (field for known in RESOURCES.values() for field in known.fields)
    return {field.name: field for field in fields if field.type in ("ints", "strs", "downloads")}


def _plain_attrs(attrs: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what JSON can hold of the attributes of a frame."""
    kept = {}
    for name, value in attrs.items():
        try:
            if isinstance(name, str) and json.loads(json.dumps(value, allow_nan=False)) == value:
                kept[name] = value
        except (TypeError, ValueError):
            continue
    return kept


def _pandas_metadata(pa: Any, frame: pd.DataFrame, about: _About) -> dict[bytes, bytes]:
    """Return what pandas wants to know of a Parquet file, so that it reads nulls among integers as Int64."""
    kept = [name for name in frame.columns if not isinstance(frame[name].dtype, DownloadsDtype)]
    empty = frame.iloc[:0][kept]
    empty.attrs = {}  # pandas' own may hold what JSON does not
    try:
        found = pa.Schema.from_pandas(empty, preserve_index=bool(about.index))
    except pa.ArrowException:
        return {}
    known = json.loads(found.metadata[b"pandas"])
    known["columns"] = [column for column in known["columns"] if column["pandas_type"] != "empty"]
    return {b"pandas": json.dumps(known).encode()}


def arrow_types(pa: Any) -> dict[str, Any]:
    """Return Arrow's type by type of a field; downloads depend on what they hold."""
    return {
        "int": pa.int64(),
        "flag": pa.bool_(),
        "bool": pa.bool_(),
        "str": pa.string(),
        "timestamp": pa.timestamp("us", "UTC"),
        "ints": pa.list_(pa.int64()),
        "strs": pa.list_(pa.string()),
    }


def _typed_array(pa: Any, values: Any, field: Field | None) -> tuple[Any, bool, Field | None]:
    """Return a column as an array, whether it is JSON text, and its field if it is as declared."""
    if field is not None:
        with contextlib.suppress(pa.ArrowException, TypeError, ValueError, OverflowError):
            return *_to_array(pa, values, field), field
    return *_to_array(pa, values, None), None


def _to_array(pa: Any, values: Any, field: Field | None) -> tuple[Any, bool]:
    """Return a column as an Arrow array, and whether that is JSON text."""
    kind = "any" if field is None else field.type
    if kind == "downloads" or isinstance(values.dtype, DownloadsDtype):
        return downloads_to_arrow(DownloadsArray._from_sequence(values.array)), False
    if values.dtype == object:
        if kind != "any":
            return pa.array(_cells(values), type=arrow_types(pa)[kind]), False
        array, is_json = _objects_to_array(pa, _cells(values))
        if field is not None and pa.types.is_null(array.type):
            array = array.cast(pa.string())
        return array, is_json
    array = _one_array(pa, pa.array(values.array, from_pandas=True))
    if kind != "any" and not pa.types.is_dictionary(array.type):
        array = _cast(pa, array, kind)
    return _short_text(pa, array), False


def _one_array(pa: Any, array: Any) -> Any:
    return (
        pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) and array.num_chunks else array
    )


def _short_text(pa: Any, array: Any) -> Any:
    """Return text as Arrow's usual type; Spark takes no other, and each chunk of it may hold 2 GiB."""
    if not (pa.types.is_large_string(array.type) or pa.types.is_string_view(array.type)):
        return array
    if array.nbytes < 1 << 31 or len(array) < 2:
        return array.cast(pa.string())
    half = len(array) // 2
    parts = [_short_text(pa, part) for part in (array[:half], array[half:])]
    return pa.chunked_array([c for p in parts for c in (p.chunks if isinstance(p, pa.ChunkedArray) else [p])])


def _cells(values: Any) -> list[Any]:
    """Return the cells of an object column, None for each that is missing."""
    cells = values.to_numpy(dtype=object)
    return [None if gone else cell for cell, gone in zip(cells, _is_missing(cells), strict=True)]


def _is_missing(cells: Array) -> Array:
    missing: Array = pd.isna(pd.Series(cells, dtype=object)).to_numpy()
    return missing


_SCALARS = {"string", "boolean", "integer", "floating", "date", "time", "datetime", "decimal", "bytes"}


def _objects_to_array(pa: Any, cells: list[Any]) -> tuple[Any, bool]:
    """Return Python objects as an array of one type where they are of one, else as JSON text."""
    kinds = {type(cell) for cell in cells if cell is not None}
    if not kinds:
        return pa.nulls(len(cells)), False
    if kinds <= {list, tuple, np.ndarray}:
        kind = _item_type(pa, cells)
        if kind is not None:
            return pa.array(cells, type=pa.list_(kind)), False
    elif len(kinds) == 1 and pd.api.types.infer_dtype(cells, skipna=True) in _SCALARS:
        texts = [cell for cell in cells if isinstance(cell, str)]
        big = any(isinstance(cell, int) and cell not in INT64 for cell in cells)
        if len({cell.tzinfo is None for cell in cells if isinstance(cell, dt.datetime)}) > 1:
            raise TypeError("some times have a zone and others none")  # Arrow would call them UTC
        if not big and not SURROGATE.search("".join(texts)):
            return pa.array(cells), False
    return pa.array([None if cell is None else _to_json(cell) for cell in cells], type=pa.string()), True


def _item_type(pa: Any, cells: list[Any]) -> Any:
    """Return the one type of all items of some lists, or None."""
    items = [item for cell in cells if cell is not None for item in cell]
    kinds = {item.item().__class__ if isinstance(item, np.generic) else type(item) for item in items}
    if not kinds:
        return pa.null()  # of empty lists alone; engines join it with any other type
    if kinds == {str}:
        return None if SURROGATE.search("".join(items)) else pa.string()
    if kinds == {int} and all(item in INT64 for item in items):
        return pa.int64()
    return {frozenset({float}): pa.float64(), frozenset({bool}): pa.bool_()}.get(frozenset(kinds))


def _to_json(cell: Any) -> str:
    return json.dumps(cell, allow_nan=False, default=_tolist)


def _tolist(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def downloads_to_arrow(column: DownloadsArray) -> Any:
    """Return the downloads of builds as an array of lists of structs."""
    pa = require_arrow()
    fields = download_fields(tuple(column.downloads.columns[DOWNLOAD_WIDTH - 1 :]))
    parts: dict[str, Any] = {"id": column.downloads.index, **column.downloads}
    arrays, kinds = [], []
    for field in fields:
        array, is_json = _to_array(pa, parts[field.name], field)
        arrays.append(_one_array(pa, array))
        marks = {METADATA: b"json"} if is_json else None
        kinds.append(pa.field(field.name, arrays[-1].type, metadata=marks))
    records = pa.StructArray.from_arrays(arrays, fields=kinds)
    mask = None if column.missing is None else pa.array(column.missing)
    return pa.ListArray.from_arrays(pa.array(column.bounds, type=pa.int32()), records, mask=mask)


# --- from a table to a frame ------------------------------------------------------------------------


def from_arrow(table: Any, resource: str | None = None) -> pd.DataFrame:
    """Turn an Arrow table into the frame that it was made of.

    Parameters
    ----------
    table : pyarrow.Table or whatever has ``__arrow_c_stream__``
        Made by `to_arrow`, also after polars or DuckDB had it: ``duckdb.sql(...).to_arrow_table()``.
    resource : str, optional
        What the rows are, such as ``"builds"``; by default what the table's metadata or its columns tell.

    Returns
    -------
    DataFrame
        As ``client.<resource>.find()``: same dtypes, same index. Without the table's metadata, which polars
        and DuckDB drop, columns that the reference does not name are Int64, Float64, boolean or text, and
        what was JSON text stays text. A table of no resource is numbered from 0.

    Raises
    ------
    InputError
        If it is no table, the extra ``arrow`` is not installed, or the key of the resource is missing.
    SchemaError
        If a column cannot be held by the declared dtype; names it.

    Warns
    -----
    SchemaWarning
        If times have no zone; they are read as UTC.

    Examples
    --------
    >>> import mkframe as mk
    >>> releases = mk.read_json(b'[{"id": 1, "name": "DWH_GROUP"}]', resource="release_groups")
    >>> mk.from_arrow(mk.to_arrow(releases)).equals(releases)
    True
    """
    pa = require_arrow()
    try:
        found = table if isinstance(table, pa.Table) else pa.table(table)
    except (TypeError, ValueError, pa.ArrowException) as error:
        raise InputError(
            f"A {type(table).__name__} is no Arrow table.", hint="Give what mk.to_arrow() returned."
        ) from error
    names = list(found.column_names)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"The table has two columns {twice!r}.", hint="Rename one of them.")
    about = _about(found.schema.metadata)
    about.resource = _resource_of(names, resource or _known(about.resource))
    fields = _fields(about.resource)
    if about.index is None:
        about.index = [] if about.resource is None else [RESOURCES[about.resource].key]
    missing = [name for name in about.index if name not in names]
    if missing:
        raise InputError(
            f"The table has no column {missing[0]!r}, which numbers the rows"
            + (f" of {about.resource}." if about.resource else "."),
            hint="Keep it where you choose columns.",
        )
    arrays = {}
    for name, column in zip(names, found.columns, strict=True):
        field = None if name in about.own else fields.get(name)
        arrays[name] = _read_column(pa, name, column, field, about)
    index = _index([(name, arrays.pop(name)) for name in about.index], found.num_rows)
    frame = frame_of(arrays, index)
    frame.attrs.update(about.attrs)
    return frame


def _about(metadata: Mapping[bytes, bytes] | None) -> _About:
    """Read what `to_arrow` has written; a table may come from elsewhere, so nothing of it is believed."""
    try:
        return msgspec.json.decode((metadata or {}).get(METADATA, b"{}"), type=_About)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _About()


def _index(columns: Sequence[tuple[str, Any]], count: int) -> Any:
    if not columns:
        return pd.RangeIndex(count)
    if len(columns) > 1:
        return pd.MultiIndex.from_arrays([v for _, v in columns], names=[name for name, _ in columns])
    return pd.Index(columns[0][1], name=columns[0][0], copy=False)


def _read_column(pa: Any, name: str, column: Any, field: Field | None, about: _About) -> Any:
    try:
        array = _one_array(pa, column) if column.num_chunks else pa.array([], type=column.type)
        if name in about.json and (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
            return _objects([None if text is None else json.loads(text) for text in array.to_pylist()])
        dtype = about.dtypes.get(name)
        if dtype == "object":
            return _objects(array.to_pylist())
        values = _from_array(pa, array, field)
        if dtype is None or str(values.dtype) == dtype:
            return values
        return pd.Series(values).astype(pd.api.types.pandas_dtype(dtype)).array
    except (pa.ArrowException, TypeError, ValueError, OverflowError, RecursionError) as error:
        reason = error.message if isinstance(error, InputError) else f"{error}."
        kind = single_line(column.type, 80)
        raise SchemaError(
            f"The column {name!r} of the table, which is {kind}, is not as declared: {reason}",
            hint="Is it a table of another resource? Give resource=.",
        ) from error


def _usual_dtype(pa: Any, array: Any, field: Field | None) -> str:
    """Return the dtype that a column has where the metadata do not name one."""
    if field is not None and field.type != "any":
        dtype = dtype_of(field)
        return {"int64": "Int64", "bool": "boolean"}.get(dtype, dtype) if array.null_count else dtype
    if len(array) and array.null_count == len(array):
        return "object"
    kind = array.type
    if pa.types.is_integer(kind):
        return "Int64"
    if pa.types.is_floating(kind):
        return "Float64"
    if pa.types.is_boolean(kind):
        return "boolean"
    if _is_text(pa, kind):
        return str(text_dtype())
    if pa.types.is_nested(kind) or pa.types.is_null(kind):
        return "object"
    return str(array[:0].to_pandas().dtype)


def _from_array(pa: Any, array: Any, field: Field | None) -> Any:
    """Return an Arrow array as a pandas array of the usual dtype."""
    kind = "any" if field is None else field.type
    if kind != "any" and pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if field is not None and kind in _READERS:
        return _READERS[kind](pa, array, field)
    if kind in ("int", "flag", "bool", "str"):
        array = _cast(pa, array, kind)
    return _by_dtype(pa, array, _usual_dtype(pa, array, field))


_WORDS = {
    "int": "whole numbers", "flag": "flags", "bool": "flags", "str": "texts",
    "timestamp": "times with a zone", "ints": "lists of whole numbers", "strs": "lists of texts",
}  # fmt: skip


def _cast(pa: Any, array: Any, kind: str) -> Any:
    """Cast a column to the type that the schema declares; refuse what would change a value."""
    types = pa.types
    is_expected: dict[str, Callable[[Any], bool]] = {
        "int": lambda t: types.is_integer(t) or types.is_floating(t) or types.is_decimal(t),
        "flag": lambda t: types.is_boolean(t) or types.is_integer(t),
        "bool": lambda t: types.is_boolean(t) or types.is_integer(t),
        "str": lambda t: _is_text(pa, t),
        "timestamp": lambda t: types.is_timestamp(t) and t.tz is not None,
        "ints": lambda t: _is_list(pa, t),
        "strs": lambda t: _is_list(pa, t),
    }
    if not (types.is_null(array.type) or is_expected[kind](array.type)):
        raise ValueError(f"{_WORDS[kind]} are expected")
    is_flag = kind in ("flag", "bool") and types.is_integer(array.type)
    if is_flag and not set(array.unique().to_pylist()) <= {0, 1, None}:
        raise ValueError("it holds other numbers than 0 and 1")
    return array.cast(arrow_text() if kind == "str" else arrow_types(pa)[kind])


def _by_dtype(pa: Any, array: Any, dtype: str) -> Any:
    if dtype == str(text_dtype()) and _is_text(pa, array.type):
        return text_array(array.cast(arrow_text()))
    if dtype == "object":
        return _objects(array.to_pylist())
    if dtype in ("Int64", "int64"):
        return _masked(array.cast(pa.int64()), pd.arrays.IntegerArray, dtype)
    if dtype in ("boolean", "bool"):
        return _masked(array, pd.arrays.BooleanArray, dtype)
    if dtype == "Float64":
        return _masked(array.cast(pa.float64()), pd.arrays.FloatingArray, dtype)
    if pa.types.is_dictionary(array.type):
        codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        words = pd.Index(_from_array(pa, array.dictionary, None))
        return pd.Categorical.from_codes(codes, categories=words, ordered=array.type.ordered)
    return array.to_pandas().array


def _is_text(pa: Any, kind: Any) -> bool:
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _objects(values: list[Any]) -> Array:
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    return objects


def _masked(array: Any, make: Any, dtype: str) -> Any:
    """Return numbers or booleans as an array that can be changed."""
    filler = make is not pd.arrays.BooleanArray and 0
    values = (array.fill_null(filler) if array.null_count else array).to_numpy(zero_copy_only=False).copy()
    if dtype in ("int64", "bool"):
        return values
    return make(values, array.is_null().to_numpy(zero_copy_only=False).copy())


def _lists(pa: Any, array: Any, field: Field) -> Array:
    """Return lists as Python lists, None where one is missing."""
    item = arrow_types(pa)[field.type].value_type
    if pa.types.is_null(array.type):
        return _objects(array.to_pylist())
    if not _is_list(pa, array.type):
        raise ValueError("it holds no lists")
    items = array.flatten()
    if items.null_count:
        raise ValueError("a list holds null")
    if not pa.types.is_null(items.type) and _is_text(pa, item) != _is_text(pa, items.type):
        raise ValueError("the items are of another type")
    return _objects(array.cast(pa.list_(item)).to_pylist())


def _is_list(pa: Any, kind: Any) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _times(pa: Any, array: Any, field: Field) -> Any:
    """Return times in UTC, to the microsecond; finer ones are refused."""
    if pa.types.is_timestamp(array.type) and array.type.tz is None:
        if array.null_count < len(array):
            warn(f"Column {field.name!r} has no time zone; its times are read as UTC.", SchemaWarning)
        array = array.cast(pa.timestamp(array.type.unit, "UTC"))
    array = _cast(pa, array, "timestamp").cast(pa.timestamp("us"))
    return pd.array(array.to_numpy(zero_copy_only=False), dtype="datetime64[us, UTC]")


def downloads_from_arrow(array: Any) -> DownloadsArray:
    """Return an array of lists of structs as the downloads of builds.

    Raises
    ------
    ValueError
        If it is anything else.
    """
    pa = require_arrow()
    array = _one_array(pa, array)
    if pa.types.is_null(array.type):
        return DownloadsArray._from_sequence(array.to_pylist())
    if not (_is_list(pa, array.type) and pa.types.is_struct(array.type.value_type)):
        raise ValueError("it holds no lists of structs")
    records = array.flatten()
    if records.null_count:
        raise ValueError("a download is null")
    kinds = [records.type.field(at) for at in range(records.type.num_fields)]
    parts = dict(zip((kind.name for kind in kinds), zip(kinds, records.flatten(), strict=True), strict=True))
    names = list(dict.fromkeys([*(f.name for f in download_fields()), *parts]))
    columns = {}
    for field in download_fields(tuple(names[DOWNLOAD_WIDTH:])):
        kind, values = parts.get(field.name, (None, pa.nulls(len(records))))
        if kind is not None and (kind.metadata or {}).get(METADATA) == b"json":
            columns[field.name] = _objects([None if v is None else json.loads(v) for v in values.to_pylist()])
        else:
            columns[field.name] = _from_array(pa, values, None if field.type == "any" else field)
    index = pd.Index(columns.pop("id"), name="id", copy=False)
    counts = array.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    missing = array.is_null().to_numpy(zero_copy_only=False) if array.null_count else None
    return DownloadsArray(frame_of(columns, index), counts, missing)


_READERS: dict[str, Callable[[Any, Any, Field], Any]] = {
    "downloads": lambda pa, array, field: downloads_from_arrow(array),
    "ints": _lists,
    "strs": _lists,
    "timestamp": _times,
}
"""How columns are read that are more than numbers, flags and text, by type of the field."""

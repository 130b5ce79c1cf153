"""The same metrics on Spark: run where the builds lie, project by project.

Arrow carries the rows, not pandas: Spark's conversion to pandas gives times without a zone, in the zone of
the session, so that the hour which a clock change repeats could not be told from the one before.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mkframe import frames
from mkframe._files import atomic_write, expand_path
from mkframe._version import __version__
from mkframe.errors import InputError, SchemaError
from mkframe.schema import RESOURCES

__all__ = ["artifact", "by_project", "declared"]

Metric = Callable[..., Any]

_SPARK_TYPES = {
    "int64": "bigint",
    "Int64": "bigint",
    "float64": "double",
    "Float64": "double",
    "bool": "boolean",
    "boolean": "boolean",
    "str": "string",
    "object": "string",
}
"""Spark's type of a column by its dtype; text is an object in pandas 2."""
_ZONELESS = "timestamp_ntz"
_MONTHS = re.compile(r"interval (year|month)")
_INTS = ("tinyint", "smallint", "int", "bigint")


def by_project(spark_frame: Any, metric: Metric, *, key: str = "project_id", **options: Any) -> Any:
    """Run a metric unchanged on the builds of each project, on Spark 4.0 or later.

    The builds of one project are read by one worker, so they must fit into its memory; select the columns
    that the metric needs. The workers need mkframe: see `artifact`.

    Parameters
    ----------
    spark_frame : pyspark DataFrame
        Builds, such as the Parquet files of `mk.History.export`; also of Spark Connect.
    metric : callable
        A function of `mk.metrics`, or another that takes builds and returns a DataFrame.
    key : str, default "project_id"
        Column whose values are the groups.
    **options
        Arguments of the metric, such as ``every="W"`` and ``tz="Europe/Vienna"``.

    Returns
    -------
    pyspark DataFrame
        The key, then the columns of `declared`, for each group; nothing is computed before it is used. Times
        are instants. ``toArrow()`` keeps them so; ``toPandas()`` gives them without a zone, in the session's.

    Raises
    ------
    InputError
        If Spark is older, a column that the metric needs is missing, a column holds times without a zone or
        intervals of months, has a dot in its name or that of another one, or the metric's columns depend on
        the data or hold lists.
    SchemaError
        If a column has another type than the reference says.
    """
    kinds = _kinds(spark_frame, key)
    table = _empty_table({n: k for n, k in kinds.items() if n != "id"} | {"id": "bigint"})
    try:
        empty = frames.from_arrow(table, "builds")
    except SchemaError as error:
        error.hint = "Cast it in Spark, or leave it out."
        raise
    shape = _flat(_call(metric, empty, options))
    _check_stable(metric, empty, shape, options)
    if key in shape.columns:
        raise InputError(
            f"The metric has a column {key!r} of its own.", hint="Rename the key in the Spark frame."
        )
    columns = ", ".join(f"`{name}` {_spark_type(str(name), dtype)}" for name, dtype in shape.dtypes.items())
    grouped = spark_frame.groupBy(key)
    if not hasattr(grouped, "applyInArrow"):
        raise InputError(
            "This Spark cannot hand over groups as Arrow tables.", hint="Use Spark 4.0 or later."
        )

    def run(keys: Any, table: Any) -> Any:
        return _run(table, keys[0], key, metric, options, shape)

    return grouped.applyInArrow(run, f"`{key}` {kinds[key]}, {columns}")


def declared(metric: Metric, **options: Any) -> pd.DataFrame:
    """Return the columns of a metric's result, as an empty frame.

    Parameters
    ----------
    metric : callable
        A function of `mk.metrics` that takes builds.
    **options
        Its arguments.

    Returns
    -------
    DataFrame
        Without rows; the index of the metric's result as columns, then its columns, with their dtypes.

    Raises
    ------
    InputError
        If the result is no DataFrame, or its columns depend on the data, as those of `outcomes` do.

    Examples
    --------
    >>> import mkframe as mk
    >>> list(declared(mk.metrics.failure_rate, every="W"))[:4]
    ['period', 'finished', 'failed', 'canceled']
    """
    empty = frames.from_rows("builds", [])
    shape = _flat(_call(metric, empty, options))
    _check_stable(metric, empty, shape, options)
    return shape


def artifact(folder: str | PathLike[str]) -> Path:
    """Write mkframe as a ZIP file that Spark's workers import, for ``spark.addArtifacts(path, pyfile=True)``.

    Parameters
    ----------
    folder : path
        Folder to write into.

    Returns
    -------
    Path
        The file. What mkframe needs (pandas, pyarrow, msgspec) must be installed on the workers.

    Raises
    ------
    InputError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     artifact(folder).name.startswith("mkframe-")
    True
    """
    package = Path(__file__).parent
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(package.rglob("*.py")):
            # A fixed time, so that the same mkframe gives the same file.
            member = zipfile.ZipInfo(path.relative_to(package.parent).as_posix(), (1980, 1, 1, 0, 0, 0))
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, path.read_bytes())
    target = expand_path(folder) / f"mkframe-{__version__}.zip"
    return atomic_write(target, lambda file: file.write(content.getvalue()), "Name another folder.")


# --- what a metric returns ----------------------------------------------------------------------------


def _call(metric: Metric, builds: pd.DataFrame, options: dict[str, Any]) -> pd.DataFrame:
    try:
        found = metric(builds, **options)
    except TypeError as error:
        raise InputError(
            f"{_name(metric)} cannot be called with builds and these options: {error}.",
            hint="Give a metric of builds, and its options by name.",
        ) from error
    if not isinstance(found, pd.DataFrame):
        raise InputError(
            f"{_name(metric)} returns a {type(found).__name__}.", hint="Choose a metric that returns a frame."
        )
    return found


def _name(metric: Metric) -> str:
    return str(getattr(metric, "__name__", metric))


def _flat(found: pd.DataFrame) -> pd.DataFrame:
    """Make columns of the index, where it has names."""
    named = [name for name in found.index.names if name is not None]
    return found.reset_index(level=named).reset_index(drop=True) if named else found.reset_index(drop=True)


_STATUSES = ("FINISHED", "FAILED", "CANCELED", "BUILDING", "PAUSED")
"""With one that the reference does not list."""
_VALUES = {"int": 1, "flag": 0, "bool": False, "ints": [], "strs": []}
"""Values of fields that are never null, by type; "" of another type."""


def _check_stable(metric: Metric, empty: pd.DataFrame, shape: pd.DataFrame, options: dict[str, Any]) -> None:
    """Refuse a metric that gives some builds, which have an unknown status and column, other columns."""
    sure = [field for field in RESOURCES["builds"].fields if not field.null]
    rows = [
        {field.name: _VALUES.get(field.type, "") for field in sure}
        | {
            "id": number,
            "user_id": 1 + number % 2,
            "project_id": 1,
            "status": _STATUSES[number % len(_STATUSES)],
            "build_start": f"2026-01-{number + 1:02d}T08:00:00.000Z",
            "build_end": f"2026-01-{number + 1:02d}T08:{number:02d}:00.000Z",
            "instances": number,
            "patterns": [1, 2][: number % 3],
            "releases": [1],
            "downloads": [],
            "unknown_field": "text",
        }
        for number in range(20)
    ]
    builds = frames.from_rows("builds", rows)
    columns = {name: builds.get(name, empty[name].reindex(builds.index)) for name in empty.columns}
    found = _flat(_call(metric, pd.DataFrame(columns).assign(unknown_field=builds["unknown_field"]), options))
    if list(found.columns) != list(shape.columns) or not found.dtypes.equals(shape.dtypes):
        raise InputError(
            f"The columns of {_name(metric)} depend on the builds, so they cannot be declared.",
            hint="Run it in pandas, on what Spark has made smaller.",
        )
    for name, dtype in found.dtypes.items():
        if dtype.kind == "O" and not found[name].dropna().map(lambda cell: isinstance(cell, str)).all():
            raise InputError(
                f"The column {name!r} of {_name(metric)} holds lists or objects, "
                "which are not sent to Spark.",
                hint=f"Give a function that returns {_name(metric)}(builds).drop(columns={name!r}).",
            )


def _spark_type(name: str, dtype: Any) -> str:
    if isinstance(dtype, pd.DatetimeTZDtype):
        return "timestamp"
    if pd.api.types.is_timedelta64_dtype(dtype):
        return "interval day to second"
    kind = _SPARK_TYPES.get(str(dtype))
    if kind is None:
        raise InputError(f"The column {name!r} has the dtype {dtype}, which is not sent to Spark.")
    return kind


# --- on the workers -----------------------------------------------------------------------------------


def _run(
    table: Any, value: Any, key: str, metric: Metric, options: dict[str, Any], shape: pd.DataFrame
) -> Any:
    """Run a metric on the builds of one group, and return its table as Spark wants it."""
    import pyarrow as pa

    table = _sorted(table)
    if "id" not in table.column_names:
        table = table.append_column("id", pa.array(np.arange(table.num_rows)))
    found = _flat(metric(frames.from_arrow(table, "builds"), **options))[list(shape.columns)]
    is_time = pa.types.is_timestamp(value.type)  # which Spark gives in the session's zone and takes in UTC
    arrays = [pa.array([value.as_py()] * len(found), pa.timestamp("us", "UTC") if is_time else value.type)]
    for name, dtype in shape.dtypes.items():
        column = found[name]
        if isinstance(dtype, pd.DatetimeTZDtype):
            column = column.dt.tz_convert("UTC")
        arrays.append(pa.array(column, _arrow_type(pa, dtype), from_pandas=True))
    return pa.table(arrays, names=[key, *shape.columns])


def _sorted(table: Any) -> Any:
    """Sort rows by id, as a history does: Spark gives them in any order, on which sums of floats depend."""
    values = [f.name for f in RESOURCES["builds"].fields if f.type not in ("ints", "downloads")]
    order = [name for name in values if name in table.column_names]
    order = ["id"] if "id" in order else order
    return table.sort_by([(name, "ascending") for name in order]) if order else table


def _arrow_type(pa: Any, dtype: Any) -> Any:
    kinds = {
        "timestamp": pa.timestamp("us", "UTC"),
        "interval day to second": pa.duration("us"),
        "bigint": pa.int64(),
        "double": pa.float64(),
        "boolean": pa.bool_(),
        "string": pa.string(),
    }
    return kinds[_spark_type("", dtype)]


def _kinds(spark_frame: Any, key: str) -> dict[str, str]:
    """Return the types of the columns of a Spark frame."""
    try:
        fields = spark_frame.schema.fields
        kinds = {field.name: field.dataType.simpleString() for field in fields}
    except AttributeError as error:
        raise InputError(
            f"A {type(spark_frame).__name__} is no Spark frame.", hint="Give spark.read.parquet(...)."
        ) from error
    if key not in kinds:
        raise InputError(f"The Spark frame has no column {key!r}.", hint=f"There is: {', '.join(kinds)}.")
    counts = Counter(field.name.lower() for field in fields)
    if twice := [name for name, count in counts.items() if count > 1]:
        raise InputError(
            f"The Spark frame has {counts[twice[0]]} columns of the name {twice[0]!r}.",
            hint="Rename or drop all but one of them.",
        )
    odd = [name for name in kinds if "." in name or "`" in name]
    if odd:
        raise InputError(
            f"Spark does not hand over the column {odd[0]!r}, whose name has a dot or a backtick.",
            hint="Rename it with withColumnRenamed, or leave it out.",
        )
    months = [name for name, kind in kinds.items() if _MONTHS.search(kind)]
    if months:
        raise InputError(
            f"The column {months[0]!r} holds an {kinds[months[0]]}, which pyarrow cannot read.",
            hint="Leave it out.",
        )
    zoneless = [name for name, kind in kinds.items() if _ZONELESS in kind]
    if zoneless:
        raise InputError(
            f"The column {zoneless[0]!r} holds times without a zone ({_ZONELESS.upper()}).",
            hint="Convert it to instants where their zone is known: to_utc_timestamp(...).cast('timestamp').",
        )
    return kinds


def _empty_table(kinds: dict[str, str]) -> Any:
    import pyarrow as pa

    known = {"string": pa.string(), "boolean": pa.bool_(), "double": pa.float64(), "float": pa.float64()}
    known["void"] = pa.null()
    known |= {"timestamp": pa.timestamp("us", "UTC"), "array<bigint>": pa.list_(pa.int64())}
    known |= dict.fromkeys(_INTS, pa.int64())
    types = {
        name: known.get(kind, pa.string())
        for name, kind in kinds.items()
        if not kind.startswith("array<struct")
    }
    return pa.table({name: pa.array([], kind) for name, kind in types.items()})

"""What differs between pandas 2.2, 2.3 and 3, and nothing else.

Text is `StringDtype(na_value=nan)`, which pandas 3 calls ``str``. pandas 2.2 has no such dtype; there, text
is ``object`` with NaN for what is missing.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "PYTHON_TEXT",
    "TEXT",
    "as_text",
    "copy_on_write",
    "frame_of",
    "has_text_dtype",
    "plain",
    "plain_frame",
    "text_array",
    "text_dtype",
]

_RELEASE = tuple(int(part) for part in pd.__version__.split(".")[:2])

has_text_dtype = _RELEASE >= (2, 3)
"""Whether text has a dtype of its own in which NaN is missing."""
copy_on_write = _RELEASE >= (3, 0)
"""Whether a shallow copy of a frame can be changed without changing the frame."""


TEXT: Any = "str" if copy_on_write else pd.StringDtype(na_value=np.nan) if has_text_dtype else object
"""The dtype of text, for columns made of texts; `as_text` makes texts of other values."""


PYTHON_TEXT: Any = pd.StringDtype("python", na_value=np.nan) if has_text_dtype else object
"""The same, kept by Python: names and properties may hold half a surrogate pair, which Arrow refuses."""


def text_dtype() -> Any:
    """Return the dtype of text, with the storage that pandas is set to at this moment.

    Examples
    --------
    >>> pd.Series(["a", None], dtype=text_dtype()).isna().tolist()
    [False, True]
    """
    return pd.StringDtype(na_value=np.nan) if has_text_dtype else np.dtype(object)


def text_array(values: Sequence[str | None] | Any, dtype: Any = None) -> Any:
    """Make an array of texts, NaN where one is missing; never turn anything else into text.

    Parameters
    ----------
    values : sequence of str, numpy array or Arrow array
        None, NaN and pd.NA are missing.
    dtype : dtype, optional
        `PYTHON_TEXT` where a text may hold half a surrogate pair; `text_dtype` by default.

    Examples
    --------
    >>> text_array(["a", None]).tolist()
    ['a', nan]
    """
    dtype = text_dtype() if dtype is None else dtype
    if hasattr(values, "to_pylist"):
        if has_text_dtype:
            return dtype.__from_arrow__(values)
        values = values.to_pylist()
    if has_text_dtype:
        return pd.array(values, dtype=dtype)
    objects = np.empty(len(values), dtype=object)
    objects[:] = values
    objects[pd.isna(objects)] = np.nan
    return objects


def as_text(values: pd.Series[Any] | pd.Index[Any]) -> Any:
    """Write values as text and keep what is missing missing; pandas 2 would write ``nan``.

    Examples
    --------
    >>> as_text(pd.Series([801, None], dtype="Int64")).tolist()
    ['801', nan]
    """
    cells = zip(values.to_numpy(dtype=object), pd.isna(values), strict=True)
    texts = text_array([None if gone else str(cell) for cell, gone in cells])
    if isinstance(values, pd.Index):
        return pd.Index(texts, name=values.name, dtype=text_dtype())
    return pd.Series(texts, index=values.index, name=values.name, dtype=text_dtype())


def plain(values: pd.Series[Any]) -> Any:
    """Return a column of categories, or one that Arrow keeps, as pandas itself keeps such values.

    Examples
    --------
    >>> plain(pd.Series(pd.to_datetime(["2026-04-01"], utc=True)).astype("category")).dtype.kind
    'M'
    """
    dtype: Any = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        is_whole = pd.api.types.is_integer_dtype(dtype.categories.dtype) and values.hasnans
        return values.astype("Int64" if is_whole else dtype.categories.dtype)
    if not isinstance(dtype, pd.ArrowDtype):
        return values
    arrow = dtype.pyarrow_dtype
    if (zone := getattr(arrow, "tz", None)) is not None:
        return values.astype(pd.DatetimeTZDtype(arrow.unit, zone))
    if dtype.kind in "mM" and hasattr(arrow, "unit"):  # a date has no unit
        return values.astype(np.dtype(f"{dtype.kind}8[{arrow.unit}]"))
    if dtype.type is str:
        texts = text_array(values.array.__arrow_array__())
        return pd.Series(texts, values.index, text_dtype(), values.name)
    if dtype.type in (list, dict) or str(arrow) == "null":
        return pd.Series(values.array.__arrow_array__().to_pylist(), values.index, object, values.name)
    return values


def plain_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame with the columns that `plain` gives; the frame itself where they are so already.

    Examples
    --------
    >>> plain_frame(pd.DataFrame({"n": pd.Categorical([1, 2])})).dtypes.astype(str).to_dict()
    {'n': 'int64'}
    """
    kinds = (pd.CategoricalDtype, pd.ArrowDtype)
    places = [place for place, dtype in enumerate(frame.dtypes) if isinstance(dtype, kinds)]
    if not places:
        return frame
    return frame.assign(**{frame.columns[place]: plain(frame.iloc[:, place]) for place in places})


def frame_of(arrays: Mapping[str, Any], index: pd.Index[Any]) -> pd.DataFrame:
    """Make a frame of arrays that have their dtypes, without a copy.

    Examples
    --------
    >>> frame_of({"n": np.array([3, 4])}, pd.RangeIndex(2))["n"].tolist()
    [3, 4]
    """
    columns = {
        name: pd.Series(values, index=index, dtype=object, copy=False) if values.dtype == object else values
        for name, values in arrays.items()
    }  # else pandas 3 makes text of objects where it can
    return pd.DataFrame(columns, index=index, columns=column_labels(tuple(arrays)), copy=False)


def column_labels(names: tuple[str, ...]) -> pd.Index[Any]:
    """Return names as the labels of columns, with the storage that pandas is set to at this moment.

    Examples
    --------
    >>> column_labels(("a", "b")).tolist()
    ['a', 'b']
    """
    # an Index is immutable but for its name
    return _labels(names, text_dtype() if copy_on_write else np.dtype(object)).copy()


@functools.lru_cache(maxsize=64)
def _labels(names: tuple[str, ...], dtype: Any) -> pd.Index[Any]:
    labels: pd.Index[Any] = pd.Index(names, dtype=dtype)
    return labels

"""Make frames with declared columns and dtypes, also without rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mkframe._pandas import PYTHON_TEXT

__all__ = ["typed_frame"]


def typed_frame(rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Make a frame whose columns and dtypes do not depend on the rows.

    Examples
    --------
    >>> typed_frame([], {"name": "str", "size": "int64"}).dtypes.astype(str).to_dict()
    {'name': 'str', 'size': 'int64'}
    """
    frame = pd.DataFrame(list(rows), columns=list(dtypes), dtype=object)
    return frame.astype({name: PYTHON_TEXT if dtype == "str" else dtype for name, dtype in dtypes.items()})

"""Make frames with declared columns and dtypes, also without rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from mkframe._pandas import PYTHON_TEXT, text_array

__all__ = ["typed_frame"]


def typed_frame(rows: Sequence[Mapping[str, Any]], dtypes: Mapping[str, str]) -> pd.DataFrame:
    """Make a frame whose columns and dtypes do not depend on the rows.

    Examples
    --------
    >>> typed_frame([{"name": None, "size": 5}], {"name": "str", "size": "int64"}).iloc[0].to_dict()
    {'name': nan, 'size': 5}
    """
    frame = pd.DataFrame(list(rows), columns=list(dtypes), dtype=object)
    frame = frame.astype({name: dtype for name, dtype in dtypes.items() if dtype != "str"})
    texts = [name for name, dtype in dtypes.items() if dtype == "str"]
    return frame.assign(**{name: text_array(frame[name].to_numpy(object), PYTHON_TEXT) for name in texts})

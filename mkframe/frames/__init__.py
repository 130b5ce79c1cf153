"""The only place where a response body becomes a DataFrame."""

from mkframe.frames.children import build_downloads, build_patterns, build_releases
from mkframe.frames.columns import DTYPES, dtype_of
from mkframe.frames.decoding import decode, decode_one, decode_row, from_rows
from mkframe.frames.saved import read_json
from mkframe.frames.tables import record, table

__all__ = [
    "DTYPES",
    "build_downloads",
    "build_patterns",
    "build_releases",
    "decode",
    "decode_one",
    "decode_row",
    "dtype_of",
    "from_rows",
    "read_json",
    "record",
    "table",
]

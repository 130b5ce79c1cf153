"""The only place where a response body becomes a DataFrame."""

from mkframe.frames._columns import DTYPES, dtype_of
from mkframe.frames._decode import decode, decode_one, decode_row, from_rows
from mkframe.frames._explode import explode_downloads, explode_patterns, explode_releases
from mkframe.frames._io import read_json
from mkframe.frames._tables import frame_from_rows, parse_object

__all__ = [
    "DTYPES",
    "explode_downloads",
    "explode_patterns",
    "explode_releases",
    "decode",
    "decode_one",
    "decode_row",
    "dtype_of",
    "from_rows",
    "read_json",
    "parse_object",
    "frame_from_rows",
]

"""The only place where a response body becomes a DataFrame."""

from mkframe.frames.children import build_downloads, build_patterns, build_releases
from mkframe.frames.columns import DTYPES, dtype_of
from mkframe.frames.decoding import decode, decode_one, from_rows
from mkframe.frames.saved import read_json

__all__ = [
    "DTYPES",
    "build_downloads",
    "build_patterns",
    "build_releases",
    "decode",
    "decode_one",
    "dtype_of",
    "from_rows",
    "read_json",
]

"""Turn response bodies into typed DataFrames; no other package does."""

from mkframe.frames._arrow_tables import from_arrow, to_arrow
from mkframe.frames._columns import DTYPES, dtype_of
from mkframe.frames._decode import decode, decode_columns, decode_one, decode_row, from_rows
from mkframe.frames._explode import explode_downloads, explode_patterns, explode_releases
from mkframe.frames._io import read_body, read_json
from mkframe.frames._parquet import read_parquet, write_parquet
from mkframe.frames._recognize import error_text
from mkframe.frames._statement import ResultReader, read_result
from mkframe.frames._tables import frame_from_rows, parse_object
from mkframe.frames._write_json import write_json

__all__ = [
    "ResultReader",
    "DTYPES",
    "decode",
    "decode_columns",
    "decode_one",
    "decode_row",
    "dtype_of",
    "error_text",
    "explode_downloads",
    "explode_patterns",
    "explode_releases",
    "frame_from_rows",
    "from_arrow",
    "from_rows",
    "parse_object",
    "read_body",
    "read_json",
    "read_parquet",
    "read_result",
    "to_arrow",
    "write_json",
    "write_parquet",
]


def __dir__() -> list[str]:
    return sorted(__all__)

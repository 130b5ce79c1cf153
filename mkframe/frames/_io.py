"""Saved responses, read offline."""

from __future__ import annotations

import gzip
import zlib
from os import PathLike, fspath
from pathlib import Path
from typing import IO

import pandas as pd

from mkframe import schema
from mkframe._folders import open_regular
from mkframe.errors import InputError, InvalidResponseError
from mkframe.frames._decode import decode, decode_row

__all__ = ["read_json"]

_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


def read_json(source: str | PathLike[str] | bytes | IO[bytes], resource: str = "builds") -> pd.DataFrame:
    """Read a saved response into the frame that `find` would have returned.

    Parameters
    ----------
    source : path, bytes or binary file object
        The JSON of a find, or of a get (one row). Compressed with gzip or not; its content decides.
    resource : str, default "builds"
        What the rows are, such as ``"downloads"`` or ``"releases"``.

    Returns
    -------
    DataFrame
        As ``client.<resource>.find()``: same columns, same dtypes.

    Raises
    ------
    InputError
        If the file cannot be read or the resource is unknown.
    InvalidResponseError
        If the content is not such a response.

    Examples
    --------
    >>> read_json(b'[{"id": 1, "name": "DWH_GROUP"}]', resource="release_groups").loc[1, "name"]
    'DWH_GROUP'
    """
    readable = [name for name, known in schema.RESOURCES.items() if "find" in known.verbs]
    if resource not in readable:
        raise InputError(
            f"There is no resource {resource!r} to read.", hint=f"Choose from {', '.join(readable)}."
        )
    body = _unzipped(_bytes(source)).removeprefix(_BOM)
    try:
        return decode_row(resource, body) if body.lstrip()[:1] == b"{" else decode(resource, body)
    except InvalidResponseError as error:
        if error.hint == InvalidResponseError._HINT_WRONG_SERVER:
            error.hint = f"Is it the saved answer of a find or get of {resource}?"
        raise


def _bytes(source: str | PathLike[str] | bytes | IO[bytes]) -> bytes:
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source)
    if isinstance(source, str | PathLike):
        try:
            with open_regular(Path(fspath(source)).expanduser()) as file:
                return file.read()
        except (OSError, ValueError, RuntimeError) as error:  # no such file, no such path, no such home
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"The file {fspath(source)!r:.200} cannot be read: {reason}.",
                hint="Check the path; it is taken from the folder that Python runs in.",
            ) from error
    if not hasattr(source, "read"):
        raise InputError(
            f"There is nothing to read in {type(source).__name__}.",
            hint="Give a path, the bytes of an answer, or a file that is open for reading.",
        )
    content = source.read()
    return content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content


def _unzipped(content: bytes) -> bytes:
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"The gzip content cannot be unpacked: {error}.", hint="Is the file whole? Save it again."
        ) from error

"""The body of a file, as it arrives."""

from __future__ import annotations

import email.message
import email.utils
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import requests

from mkframe import errors
from mkframe._http.errors import format_request, iter_body
from mkframe._http.gzip import content_length, is_decoded, iter_gzip_file
from mkframe.limits import bounded

__all__ = ["Stream", "parse_filename"]

_GZIP_TYPES = ("application/gzip", "application/x-gzip")
_GZIP_SUFFIXES = (".gz", ".tgz", ".taz", ".svgz")


class Stream:
    """The answer to a request for a file, of which the head has been read.

    Parameters
    ----------
    response : requests.Response
        The answer.
    most : int
        Bytes of the file, decompressed.
    reading : callable
        Context manager that turns failures of the library into errors of `mkframe.errors`.
    """

    def __init__(
        self,
        response: requests.Response,
        most: int,
        reading: Callable[[str], AbstractContextManager[None]],
    ) -> None:
        self._response = response
        self._most = most
        self._reading = reading
        self.request = format_request("GET", response.url)
        self.status = response.status_code
        self.media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        self.filename = parse_filename(response.headers.get("Content-Disposition"))
        """Name that the server gives; it is not safe to write."""
        self.has_length = content_length(response) is not None
        """Whether the head announces the length."""
        self.size = None if "Content-Encoding" in response.headers else content_length(response)
        """Bytes of the file, where they are announced."""

    def chunks(self, name: str | None = None) -> Iterator[bytes]:
        """Yield the file as it arrives, decompressed.

        Some servers announce a gzip file as a file that is compressed with gzip for the way alone. Where the
        file is called `name`, or else `filename`, and that is the name of a gzip file, it stays one.

        Raises
        ------
        ConnectionFailedError
            If it does not arrive to its end.
        ResponseTooLargeError
            If more comes than the limit.
        """
        name = name or self.filename
        is_gzip = name.lower().endswith(_GZIP_SUFFIXES) if name else self.media_type in _GZIP_TYPES
        read = iter_gzip_file if is_gzip and is_decoded(self._response) else iter_body
        try:
            with self._reading(self.request):
                yield from bounded(read(self._response), "file", self._most)
        except errors.ResponseTooLargeError as error:
            if not error.request:
                error.request, error.status = self.request, self.status
                error.message = f"{self.request} answered, but: {error.message}"
            raise


def parse_filename(header: str | None) -> str | None:
    """Parse the file name in Content-Disposition; ``filename*`` (RFC 5987) takes precedence.

    Examples
    --------
    >>> parse_filename('attachment; filename="CORE_DV_HLS_2026-4-2_10_14.zip"')
    'CORE_DV_HLS_2026-4-2_10_14.zip'
    """
    message = email.message.Message()
    try:
        message["Content-Disposition"] = header or ""
        params = message.get_params(failobj=[], header="Content-Disposition")
        found = [v for key, v in params if key.lower() == "filename" and v]
        extended = next((v for v in found if isinstance(v, tuple)), None)
        if extended:
            return email.utils.collapse_rfc2231_value(extended) or None
        return _as_utf8(found[0]) if found else None
    except ValueError:  # also a charset that cannot decode its own bytes
        return None


def _as_utf8(text: str) -> str:
    """Decode as UTF-8 what Python decoded as Latin-1: servers send UTF-8."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text

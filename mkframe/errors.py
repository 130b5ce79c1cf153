"""The error family.

::

    MkframeError
    ├── InputError (also ValueError)     something in the call is wrong; nothing was sent
    │   └── TooManyPeriodsError          too many periods between the first build and the last
    ├── ConnectionFailedError            no complete answer was read
    │   ├── ConnectError                 no connection: nothing was sent
    │   ├── ConnectionLostError          the connection broke after the request went out
    │   └── RequestTimeoutError          no answer in time; the request may have been carried out
    ├── ResponseError                    the server answered, with an error status
    │   ├── BadRequestError              400
    │   ├── NotAuthenticatedError        401
    │   ├── ForbiddenError               403
    │   ├── NotFoundError                404
    │   ├── MethodNotAllowedError        405
    │   ├── TooManyRequestsError         429
    │   ├── RedirectError                3xx: the token is not carried elsewhere
    │   └── ServerError                  5xx
    ├── InvalidResponseError             status 200, but not what the reference promises
    │   ├── SchemaError                  JSON, but a value of another type: column, row and value
    │   └── ResponseTooLargeError        more bytes than the limit for such an answer
    ├── ArtifactError                    a file or archive that is damaged or unsafe
    ├── NotStartedError                  no build carries the marker that `confirm` was given
    ├── StartUnconfirmedError            the answer was lost, and a build may run
    ├── BuildFailedError                 a build that was waited for did not finish
    ├── WaitTimeoutError                 the waiting has ended before the build
    ├── QueryFailedError                 a statement ended with status ERROR
    ├── ReportError                      the notebook of a report failed
    └── HistoryError                     a history file cannot be used
        ├── HistoryBusyError             another process, or another connection, uses it
        ├── HistoryDamagedError          its bytes are not what was written
        └── HistoryFormatError           it is no history, or one of another version

    SchemaWarning (a UserWarning)        read without loss, but not as the reference promises
    LibraryError                         cause of one of these: the text of a library's error

Every error has the same fields, so a caller can branch without knowing the subclasses: `request`,
`status`, `vendor_message`, `hint`, `body_start`, `retryable`, `retry_after`. No field ever holds a token
or a password.
"""

from __future__ import annotations

import contextvars
import sys
import traceback
import warnings
import weakref
from typing import Protocol

__all__ = [
    "TRANSIENT",
    "ArtifactError",
    "BadRequestError",
    "BuildFailedError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "TooManyPeriodsError",
    "ForbiddenError",
    "HistoryBusyError",
    "HistoryDamagedError",
    "HistoryError",
    "HistoryFormatError",
    "InputError",
    "LibraryError",
    "MethodNotAllowedError",
    "MkframeError",
    "NotAuthenticatedError",
    "NotFoundError",
    "NotStartedError",
    "QueryFailedError",
    "RedirectError",
    "ReportError",
    "ResponseError",
    "SchemaError",
    "SchemaWarning",
    "Screen",
    "ServerError",
    "WaitTimeoutError",
    "RequestTimeoutError",
    "ResponseTooLargeError",
    "TooManyRequestsError",
    "StartUnconfirmedError",
    "InvalidResponseError",
    "ConnectError",
    "add_screen",
    "for_status",
    "remove_screen",
    "warn",
]


class MkframeError(Exception):
    """Anything that mkframe reports.

    Parameters
    ----------
    message : str
        What was asked and what happened, in a sentence.
    hint : str, optional
        What to try.
    request : str, optional
        Method and URL, such as ``GET https://host/api/v1/builds``.
    status : int, optional
        HTTP status, where the server answered.
    vendor_message : str, optional
        The server's own sentence.
    body_start : str, optional
        First characters of an answer that could not be understood.
    retryable : bool, default False
        Whether the same read may work a moment later.
    retry_after : float, optional
        Seconds the server asked to wait.

    Examples
    --------
    >>> str(MkframeError("Nothing answered.", hint="Is the server running?"))
    'Nothing answered. Is the server running?'
    """

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        request: str | None = None,
        status: int | None = None,
        vendor_message: str | None = None,
        body_start: str | None = None,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.request = request
        self.status = status
        self.vendor_message = vendor_message
        self.body_start = body_start
        self.retryable = retryable
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, dict(vars(self)))


def _rebuild(kind: type[MkframeError], message: str, state: dict[str, object]) -> MkframeError:
    error = kind(message)
    vars(error).update(state)
    return error


class InputError(MkframeError, ValueError):
    """Something in the call is wrong; nothing was sent."""


class TooManyPeriodsError(InputError):
    """The builds lie so far apart that there would be too many periods."""


class ConnectionFailedError(MkframeError):
    """No complete answer was read."""


class ConnectError(ConnectionFailedError):
    """No connection could be made: nothing was sent."""


class ConnectionLostError(ConnectionFailedError):
    """The connection broke after the request went out; it may have been carried out."""


class RequestTimeoutError(ConnectionFailedError):
    """No answer in time; the request may have been carried out."""


class ResponseError(MkframeError):
    """The server answered with an error status."""


class BadRequestError(ResponseError):
    """400: parameters are missing or invalid."""


class NotAuthenticatedError(ResponseError):
    """401: the token is missing, wrong or expired, or there is nothing to log in with."""


class ForbiddenError(ResponseError):
    """403: permissions are missing."""


class NotFoundError(ResponseError):
    """404: the name or id does not exist."""


class MethodNotAllowedError(ResponseError):
    """405: the endpoint does not know this method."""


class TooManyRequestsError(ResponseError):
    """429: the server asks for fewer requests."""


class RedirectError(ResponseError):
    """3xx: the server points elsewhere, and the token is not carried there."""


class ServerError(ResponseError):
    """5xx: the server, or something before it, failed."""


class InvalidResponseError(MkframeError):
    """The answer is not what the reference promises, such as a proxy's HTML page."""

    _HINT_WRONG_SERVER = "Is the URL that of the API, and does a proxy or a login page stand before it?"
    """The hint where something else than the API may have answered."""

    @classmethod
    def from_body(cls, promised: str, body: bytes, reason: str = "") -> InvalidResponseError:
        """Quote the first characters of a body that is not the promised JSON.

        Examples
        --------
        >>> InvalidResponseError.from_body("one object", b"").message
        'The answer is not the JSON that was promised (one object). It is empty.'
        """
        start = body[:80].decode("utf-8", "replace").strip()
        found = f"It starts with {start!r}." if start else "It is empty."
        return cls(
            f"The answer is not the JSON that was promised ({promised}){reason}. {found}",
            hint=cls._HINT_WRONG_SERVER,
            body_start=start,
        )


class SchemaError(InvalidResponseError):
    """A value has another type than the reference promises; names column, row and value."""


class ResponseTooLargeError(InvalidResponseError):
    """More bytes came than the limit for such an answer or file; nothing of it was kept."""


class ArtifactError(MkframeError):
    """A file or archive is damaged or unsafe to open."""


class NotStartedError(MkframeError):
    """No build carries the marker of a start: as far as the server knows, none was started.

    `marker` is the marker that was searched for.
    """

    marker: str | None = None


class StartUnconfirmedError(MkframeError):
    """The answer was lost, and the build was not found or could not be searched: it may run.

    `marker` is the marker to search for later, or None where the description carries none.
    """

    marker: str | None = None


class BuildFailedError(MkframeError):
    """A build that was waited for did not finish."""


class WaitTimeoutError(MkframeError):
    """The time to wait has passed before the build ended; as far as is known, the build continues."""


class QueryFailedError(MkframeError):
    """The statement was run and ended with status ERROR."""


class ReportError(MkframeError):
    """The notebook of a report failed."""


class HistoryError(MkframeError):
    """A history file cannot be used."""


class HistoryBusyError(HistoryError):
    """Another process, or another connection of this one, uses the history file."""


class HistoryDamagedError(HistoryError):
    """The bytes of a history file are not those that were written."""


class HistoryFormatError(HistoryError):
    """A file is no history, or was written in a format that this version does not read."""


class LibraryError(Exception):
    """The text of a library's error. The original may hold the request or parts of the answer."""


TRANSIENT = (ConnectionFailedError, ServerError, TooManyRequestsError)
"""Errors after which the same read may work a moment later."""


class SchemaWarning(UserWarning):
    """An answer was read without loss, but it is not what the reference promises."""


_BY_STATUS: dict[int, type[ResponseError]] = {
    400: BadRequestError,
    401: NotAuthenticatedError,
    403: ForbiddenError,
    404: NotFoundError,
    405: MethodNotAllowedError,
    429: TooManyRequestsError,
}


def for_status(status: int) -> type[ResponseError]:
    """Return the error class of an HTTP status.

    Examples
    --------
    >>> for_status(404).__name__, for_status(502).__name__, for_status(418).__name__
    ('NotFoundError', 'ServerError', 'ResponseError')
    """
    if 300 <= status < 400:
        return RedirectError
    if status >= 500:
        return ServerError
    return _BY_STATUS.get(status, ResponseError)


_PACKAGE = __name__.partition(".")[0]
_SCREENS: contextvars.ContextVar[tuple[weakref.ref[Screen], ...]] = contextvars.ContextVar(
    "screens", default=()
)
"""Weak, since a read that is left open may be collected by another thread."""


class Screen(Protocol):
    """Cleans the sentences that `warn` shows."""

    def clean(self, sentence: str) -> str:
        """Return the sentence without what must not be shown."""


def add_screen(screen: Screen) -> None:
    """Let `warn` clean its sentences with a screen in this context."""
    _SCREENS.set((*_SCREENS.get(), weakref.ref(screen)))


def remove_screen(screen: Screen) -> None:
    """Take a screen out of this context; others stay, in whatever order they came."""
    _SCREENS.set(tuple(each for each in _SCREENS.get() if each() not in (None, screen)))


def warn(sentence: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that called mkframe, however many frames of mkframe lie between.

    Python shows a warning once for each line, and a notebook once for each run of a cell. At a line of
    mkframe, a second call with the same problem would show no warning.

    Parameters
    ----------
    sentence : str
        Text of the warning.
    category : type of Warning, default UserWarning
        Its class.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn("One time has no zone.", SchemaWarning)
    >>> [str(warning.message) for warning in caught]
    ['One time has no zone.']
    """
    outermost = 1
    for level, (frame, _) in enumerate(traceback.walk_stack(sys._getframe()), 1):
        if str(frame.f_globals.get("__name__")).partition(".")[0] == _PACKAGE:
            outermost = level
    for reference in _SCREENS.get():
        screen = reference()
        sentence = sentence if screen is None else screen.clean(sentence)
    warnings.warn(sentence, category, stacklevel=outermost + 1)

"""Turn failures of requests into errors of `mkframe.errors`: a sentence, a hint, and no token."""

from __future__ import annotations

import contextlib
import email.utils
import http.client
import json
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

import requests
import urllib3

from mkframe import errors
from mkframe._http.heads import BadHead
from mkframe._http.timeouts import DeadlineExceeded, HeadTooLarge, StalledError, WireLimitExceeded
from mkframe.schema import BASE_URL
from mkframe.settings import Settings

__all__ = [
    "Phase",
    "iter_body",
    "error_from_exception",
    "format_request",
    "strip_tracebacks",
    "error_from_response",
    "peek_text",
]

_CHUNK_SIZE = 1 << 18
_MAX_TEXT_SHOWN = 300
_MAX_START_SHOWN = 80

_HINTS = {
    400: "Check the arguments against the reference.",
    403: "Ask for the permission, or connect as someone who has it.",
    404: "Check the spelling or the id.",
    405: "The API does not offer this.",
    407: "The proxy wants a login: HTTPS_PROXY may name it as http://user:password@host:port.",
    429: "The server asks for fewer requests; wait a while.",
    301: "Give the new address as url=; the token is not carried elsewhere.",
    302: "Is the URL that of the API? The token is not carried elsewhere.",
    304: "A proxy or cache before the server may be wrong; try again later.",
    307: "Give the new address as url=; the token is not carried elsewhere.",
    308: "Give the new address as url=; the token is not carried elsewhere.",
}


def error_from_response(
    method: str,
    response: requests.Response,
    settings: Settings,
    redact: Callable[[str, int], str],
    *,
    login: bool = False,
) -> errors.ResponseError:
    """Make the error for an answer with an error status.

    `redact` replaces secrets in a text and then returns its first characters.
    """
    request = format_request(method, response.url)
    status = response.status_code
    start = peek_text(response, settings.read_timeout)
    vendor = _vendor_message(start)
    hint = _hint(response, settings, vendor, login)
    vendor = vendor and redact(vendor, _MAX_TEXT_SHOWN)
    start = redact(start, _MAX_START_SHOWN)
    return errors.for_status(status)(
        f"{request} {_describe(response, vendor, start, redact)} (status {status}).",
        hint=hint,
        request=request,
        status=status,
        vendor_message=vendor,
        body_start=None if vendor else start,
        retryable=status in (429, 502, 503, 504),
        retry_after=_retry_after(response.headers.get("Retry-After")),
    )


_LISTS = {"project": "projects", "pattern": "patterns", "release group": "release_groups"}


def _hint(response: requests.Response, settings: Settings, vendor: str | None, login: bool) -> str:
    status = response.status_code
    if login and status in (400, 401):
        return f"Check the e-mail {settings.email!r} and its password."
    if login and status in (403, 404, 405):
        return "Is the URL that of the API? The login is looked for at the root of its host."
    if status == 404 and vendor is None:
        return f"Is the URL that of the API? It ends in {urlsplit(BASE_URL).path!r} at the vendor's."
    named = next((name for name in _LISTS if f"A {name} with the name" in (vendor or "")), None)
    if status == 404 and named:
        return f"Check the spelling; client.{_LISTS[named]}.find() lists the names."
    wait = _retry_after(response.headers.get("Retry-After"))
    if wait is not None and wait > settings.max_retry_wait:
        return f"The server asks to wait {wait:.0f} s; try again then."
    if status == 401 and settings.can_log_in and not login:
        return "A new token was refused as well: ask who runs the server."
    if status == 401:
        return "The token is wrong or has expired: give a new one, or connect with email= and password=."
    fallback = "Try again later, or ask who runs the server." if status >= 500 else _HINTS[400]
    return _HINTS.get(status, _HINTS[302] if 300 <= status < 400 else fallback)


def format_request(method: str, url: str) -> str:
    """Write a request, such as ``GET https://host/api/v1/builds``."""
    return f"{method} {url if len(url) <= _MAX_TEXT_SHOWN else url[:_MAX_TEXT_SHOWN] + '...'}"


def iter_body(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives; `iter_content` waits for whole chunks, also where bytes arrive slowly."""
    response.raw.decode_content = True
    while chunk := response.raw.read1(_CHUNK_SIZE):
        yield chunk


def peek_text(response: requests.Response, seconds: float) -> str:
    """Return the first characters of an answer that arrive within a time."""
    start, deadline = bytearray(), time.monotonic() + seconds
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        for chunk in iter_body(response):
            start += chunk
            if len(start) > _CHUNK_SIZE or time.monotonic() > deadline:
                break
    return start.decode("utf-8", "replace").strip()


def _describe(
    response: requests.Response, vendor: str | None, start: str, redact: Callable[[str, int], str]
) -> str:
    if response.status_code == 304:
        return "was answered with 'not modified', though no earlier answer was named"
    if 300 <= response.status_code < 400:
        return f"was redirected to {redact(response.headers.get('Location', ''), _MAX_TEXT_SHOWN)!r}"
    if vendor:
        return f"was refused with {vendor!r}"
    return f"was refused; the answer starts with {start!r}" if start else "was refused with an empty answer"


def _vendor_message(start: str) -> str | None:
    """Read the message of the documented error body; None where the body is another."""
    try:
        message = json.loads(start)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return message if isinstance(message, str) else None


def _retry_after(value: str | None) -> float | None:
    """Read seconds to wait from a number or an HTTP date."""
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError, OverflowError, OSError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _chain(error: BaseException, handled: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and its causes, up to the error that a caller was already handling."""
    seen: list[BaseException] = []
    step: Any = error
    while isinstance(step, BaseException) and step is not handled and step not in seen:
        seen.append(step)
        yield step
        inner = getattr(step, "reason", None) or (step.args[0] if step.args else None)
        step = inner if isinstance(inner, BaseException) else step.__cause__ or step.__context__


def strip_tracebacks(error: BaseException, handled: BaseException | None) -> BaseException:
    """Remove from an error the request and the frames, whose variables hold the token."""
    for step in _chain(error, handled):
        step.__traceback__ = None
        if isinstance(step, requests.RequestException):
            step.request = step.response = None
        for inner in (step.__cause__, step.__context__):
            if inner is not None and inner is not handled:
                inner.__traceback__ = None
    return error


Phase = Literal["sent", "unsent", "to proxy"]
"""When a request failed: after something of it was sent, before, or before and on the way to a proxy."""


@dataclass(frozen=True, slots=True)
class _ExceptionRule:
    """The error for a chain that contains an exception of some classes."""

    kinds: tuple[type[BaseException], ...]
    error: type[errors.ConnectionFailedError | errors.InvalidResponseError]
    sentence: str
    """May refer to the time-outs and limits of the settings, and to the reason of the system."""
    hint: str
    retryable: bool = False
    """Whether the same read may work a moment later."""
    text: str = ""
    """Text that the exception must contain as well."""
    phases: tuple[Phase, ...] = ("sent", "unsent", "to proxy")


_CHECK_PROXY = "Check the proxy that HTTPS_PROXY or ALL_PROXY names; NO_PROXY excepts hosts."
_INVALID_ADDRESS = (
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.MissingSchema,
    urllib3.exceptions.LocationValueError,
    urllib3.exceptions.ProxySchemeUnknown,
    urllib3.exceptions.ProxySchemeUnsupported,
    UnicodeError,
)
_TIMEOUTS = (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)
_EXCEPTION_RULES = (
    _ExceptionRule(
        (requests.exceptions.InvalidSchema,),
        errors.ConnectError,
        "the proxy is a SOCKS proxy, and the package PySocks is not installed; nothing was sent.",
        "Install it with pip install PySocks, or name another proxy in HTTPS_PROXY or ALL_PROXY.",
        text="SOCKS",
        phases=("to proxy",),
    ),
    _ExceptionRule(
        _INVALID_ADDRESS,
        errors.ConnectError,
        "the address of the proxy is invalid; nothing was sent.",
        _CHECK_PROXY,
        phases=("to proxy",),
    ),
    _ExceptionRule(
        _INVALID_ADDRESS,
        errors.ConnectError,
        "the URL has no valid host name; nothing was sent.",
        "Check the spelling: the parts between dots have 1 to 63 characters.",
        phases=("unsent",),
    ),
    _ExceptionRule(
        (BaseException,),
        errors.ConnectError,
        "the proxy wants a login (status 407); nothing was sent.",
        "HTTPS_PROXY may name it as http://user:password@host:port, with %40 for an @ in the password.",
        text="Tunnel connection failed: 407",
        phases=("to proxy",),
    ),
    _ExceptionRule(
        (BaseException,),
        errors.ConnectError,
        "the proxy made no connection; nothing was sent.",
        _CHECK_PROXY,
        retryable=True,
        text="Tunnel connection failed",
        phases=("to proxy",),
    ),
    # Of all TLS errors only this one proves that nothing was sent; the others also come in mid-answer.
    _ExceptionRule(
        (ssl.SSLCertVerificationError,),
        errors.ConnectError,
        "the server's certificate was not accepted; nothing was sent.",
        "Is the host name right? Behind a company proxy, REQUESTS_CA_BUNDLE names its certificate.",
    ),
    _ExceptionRule(
        (urllib3.exceptions.NameResolutionError,),
        errors.ConnectError,
        "the host name of the proxy is unknown; nothing was sent.",
        _CHECK_PROXY,
        retryable=True,
        phases=("to proxy",),
    ),
    _ExceptionRule(
        (urllib3.exceptions.NewConnectionError,),
        errors.ConnectError,
        "the proxy cannot be reached{reason}; nothing was sent.",
        _CHECK_PROXY,
        retryable=True,
        phases=("to proxy",),
    ),
    _ExceptionRule(
        _TIMEOUTS,
        errors.ConnectError,
        "no connection through the proxy within {0.connect_timeout:.3g} s; nothing was sent.",
        _CHECK_PROXY,
        retryable=True,
        phases=("to proxy",),
    ),
    _ExceptionRule(
        (urllib3.exceptions.NameResolutionError,),
        errors.ConnectError,
        "the host name is unknown; nothing was sent.",
        "Check the spelling of the URL and the network.",
        retryable=True,
    ),
    # Before the time-out, since urllib3 derives it from its connect time-out.
    _ExceptionRule(
        (urllib3.exceptions.NewConnectionError,),
        errors.ConnectError,
        "the connection was refused; nothing was sent.",
        "Is the server running, and is the URL right?",
        retryable=True,
        text="refused",
    ),
    _ExceptionRule(
        (urllib3.exceptions.NewConnectionError,),
        errors.ConnectError,
        "no connection could be made{reason}; nothing was sent.",
        "Check the URL and the network.",
        retryable=True,
    ),
    _ExceptionRule(
        _TIMEOUTS,
        errors.ConnectError,
        "no connection within {0.connect_timeout:.3g} s; nothing was sent.",
        "Is the server reachable from here?",
        retryable=True,
        phases=("unsent",),
    ),
    _ExceptionRule(
        (ssl.SSLError, requests.exceptions.SSLError, urllib3.exceptions.SSLError),
        errors.ConnectError,
        "what came does not look like https; nothing was sent.",
        "Is the port right? A server on this machine may want http.",
        text="WRONG_VERSION",
        phases=("unsent", "to proxy"),
    ),
    _ExceptionRule(
        (BaseException,),
        errors.ConnectError,
        "no connection could be made{reason}; nothing was sent.",
        "Check the URL and the network.",
        retryable=True,
        phases=("unsent",),
    ),
    _ExceptionRule(
        (BaseException,),
        errors.ConnectError,
        "no connection could be made through the proxy{reason}; nothing was sent.",
        _CHECK_PROXY,
        retryable=True,
        phases=("to proxy",),
    ),
    # Both before the read time-out, as which urllib3 raises them.
    _ExceptionRule(
        (DeadlineExceeded,),
        errors.RequestTimeoutError,
        "the answer was not complete after {0.total_timeout:.3g} s.",
        "The server or the connection is very slow; ask for less, by project or pattern.",
    ),
    _ExceptionRule(
        (StalledError,),
        errors.RequestTimeoutError,
        "less than {0.limits.rate:g} bytes per second came over {0.limits.rate_window:.3g} s of waiting.",
        "The server or the connection is very slow; try again later, or connect with "
        "limits=mk.Limits(rate=...) for a lower rate.",
    ),
    _ExceptionRule(
        (WireLimitExceeded,),
        errors.ResponseTooLargeError,
        "twice as much came over the wire as the limit for such an answer, and little of it was content.",
        "Check any proxy between here and the server; to allow more, connect with higher "
        "limits=mk.Limits(...).",
    ),
    _ExceptionRule(
        (HeadTooLarge,),
        errors.ResponseTooLargeError,
        "the head of the answer, or what follows its end, goes on after 1 MiB.",
        "Is the URL that of the API? Check any proxy between here and the server.",
    ),
    # http.client counts lines of a head, of chunks and of trailers.
    _ExceptionRule(
        (http.client.HTTPException,),
        errors.ResponseTooLargeError,
        "the head of the answer, or what stands around its content, has more or longer lines than are read.",
        "Is the URL that of the API? Check any proxy between here and the server.",
        text="got more than",
    ),
    _ExceptionRule(
        (requests.exceptions.InvalidHeader, urllib3.exceptions.InvalidHeader),
        errors.InvalidResponseError,
        "the answer gives its length in several ways that differ.",
        "Try again later; if this continues, check any proxy between here and the server.",
    ),
    _ExceptionRule(
        (requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError),
        errors.RequestTimeoutError,
        "no answer within {0.read_timeout:.3g} s.",
        "The server may be busy; try again later, or ask for less.",
    ),
    _ExceptionRule(
        (requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError),
        errors.ConnectionLostError,
        "the compressed answer is damaged.",
        "Try again; if this continues, check any proxy between here and the server.",
        retryable=True,
    ),
    # Also raised for the rest of an earlier body that was not read to its end; a retry takes a new
    # connection.
    _ExceptionRule(
        (BadHead, UnicodeError, LookupError),
        errors.ConnectionLostError,
        "what came is not an HTTP answer.",
        "Are host and port right? If this continues, check any proxy between here and the server.",
        retryable=True,
    ),
    _ExceptionRule(
        (BaseException,),
        errors.ConnectionLostError,
        "the connection broke before the answer was complete.",
        "Try again; if this continues, check the network and any proxy.",
        retryable=True,
    ),
)
"""The first rule that matches applies."""


def error_from_exception(
    error: BaseException,
    request: str,
    settings: Settings,
    handled: BaseException | None,
    phase: Phase = "sent",
) -> errors.ConnectionFailedError | errors.InvalidResponseError:
    """Make the error for a failed request; `handled` is the error that the caller is handling already."""
    chain, text = list(_chain(error, handled)), str(error)
    rule = next(
        rule
        for rule in _EXCEPTION_RULES
        if phase in rule.phases and rule.text in text and any(isinstance(step, rule.kinds) for step in chain)
    )
    reasons = [step.strerror for step in chain if isinstance(step, OSError) and step.strerror]
    sentence = rule.sentence.format(settings, reason=f" ({reasons[-1]})" if reasons else "")
    return rule.error(f"{request}: {sentence}", hint=rule.hint, request=request, retryable=rule.retryable)

"""The only module that sends requests, and logs in.

Invariants: reads are retried when the connection breaks or the server asks to come back later; writes are
sent once. Each failure is raised as one of `mkframe.errors`, with the request, what happened and a hint, and
without the token.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
import email.utils
import functools
import http.cookiejar
import logging
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3
from requests.auth import AuthBase

from mkframe import errors
from mkframe._http.auth import (
    BearerAuth,
    LoginAuth,
    basic_credentials,
    parse_token,
    proxy_credentials,
    token_expiry,
)
from mkframe._http.conditional import ChangedAnswer, Validators, etag_of, read_changed
from mkframe._http.errors import (
    Phase,
    error_from_exception,
    error_from_response,
    format_request,
    iter_body,
    peek_text,
    strip_tracebacks,
)
from mkframe._http.gzip import check_head, decode_gzip, is_decoded
from mkframe._http.redaction import Redacting, redact
from mkframe._http.retry import Deadline, read_retries
from mkframe._http.stream import Stream
from mkframe._http.timeouts import Adapter, ResponseLimits, limit_responses, was_sent
from mkframe._text import strip_bom
from mkframe._version import __version__
from mkframe.limits import Kind, bounded
from mkframe.settings import Secret, Settings

__all__ = ["Transport"]

log = logging.getLogger("mkframe")

T = TypeVar("T")
_MAX_TEXT_SHOWN = 200
"""Characters of a web page that an error quotes."""
_MAX_CHECKED = 64 << 20
"""Decompressed bytes of an invalid answer that are read in search of damage."""
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
"""Years that the clock of a server can show."""
_WAIT_SLICE = 0.5
"""Seconds of a pause that Ctrl-C may have to wait for, on Windows."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: a redirect is an error here, and requests would read its whole body first."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request and the limits of its answer."""

    method: str
    url: str
    kind: Kind
    most: int
    """Bytes of the answer, decompressed."""
    params: Mapping[str, str] | None = None
    body: Mapping[str, Any] | None = None
    deadline: Deadline | None = None
    """End of the retried read that it is part of; None outside of any."""
    etag: str | None = None
    """ETag of the answer that is known; the server may answer 304 then."""


class Transport:
    """A pooled session with one server, which logs in when first needed.

    Parameters
    ----------
    settings : Settings
        URL, credentials, time-outs and limits.
    connections : int, default 16
        Number of connections that are kept open.
    """

    def __init__(self, settings: Settings, connections: int = 16) -> None:
        self.settings = settings
        self._token = settings.token
        # Several, since a late answer may quote an earlier token.
        self._tokens = collections.deque([settings.token], maxlen=4)
        self._closed = threading.Event()
        self._server_clock: tuple[dt.datetime, float] | None = None
        self._connections = connections
        self._session = _Session()
        # The API needs the token only, and cookies could be shown.
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._reset()
        _register_fork_hook()
        _TRANSPORTS.add(self)
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "gzip",
                "User-Agent": f"mkframe/{__version__}",
            }
        )
        # Without this a proxy from the environment would see the token that plain http carries to the
        # loopback, and most proxies could not reach it.
        host = urlsplit(settings.url).hostname or ""
        self._proxies = {"no_proxy": host} if settings.is_on_this_machine else {}

    def _reset(self) -> None:
        """Start without connections and with a free lock."""
        self._lock = threading.Lock()
        adapter = Adapter(pool_connections=2, pool_maxsize=self._connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"Transport({self.settings.url!r})"

    @property
    def token_expires(self) -> dt.datetime | None:
        """When the token expires, in UTC; None before there is one, or where it does not say it."""
        return None if self._token is None else token_expiry(self._token)

    @property
    def server_time(self) -> dt.datetime | None:
        """The server's clock, in UTC: the Date of its last answer, and the seconds that passed since.

        None before there is an answer with a Date. The clock of this machine plays no part.
        """
        if self._server_clock is None:
            return None
        date, received = self._server_clock
        return date + dt.timedelta(seconds=time.monotonic() - received)

    def _read_clock(self, response: requests.Response) -> None:
        """Keep the Date of an answer; one that cannot be is no Date."""
        with contextlib.suppress(ValueError, OverflowError):
            date = email.utils.parsedate_to_datetime(response.headers.get("Date", ""))
            if date.tzinfo is None:  # RFC 9110, 5.6.7: a Date is UTC
                date = date.replace(tzinfo=dt.UTC)
            age = max(0, int(response.headers.get("Age", 0)))  # of an answer that a cache has kept
            date = date.astimezone(dt.UTC) + dt.timedelta(seconds=age)
            if _FIRST_YEAR <= date.year <= _LAST_YEAR:
                self._server_clock = date, time.monotonic()

    def close(self) -> None:
        """Close all connections."""
        self._closed.set()
        self._session.close()

    def pause(self, seconds: float) -> bool:
        """Sleep; return whether the transport is still open. Closing it ends the pause."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._closed.wait(min(left, _WAIT_SLICE)):
                return False
        return not self._closed.is_set()

    # --- requests ----------------------------------------------------------------------------------

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        parse: Callable[[Iterable[bytes]], T],
        kind: Kind = "row",
        timeout: float | None = None,
    ) -> T:
        """Read an answer; `parse` gets its chunks as they arrive, up to the limit for its kind.

        The whole read, `parse` included, is retried where that may help. With `timeout` it ends after so
        many seconds, retries and a login included; else the time-outs of the settings alone count.
        """
        most = getattr(self.settings.limits, kind)
        request = _Request(
            "GET", self.settings.url + path, kind, most, params, deadline=Deadline.after(timeout)
        )
        return read_retries(self.settings, timeout=timeout)(lambda: self._read(request, parse))

    def get_if_changed(
        self, path: str, params: Mapping[str, str] | None, known: Validators, kind: Kind = "find"
    ) -> ChangedAnswer:
        """Read an answer whole, unless it is the known one; retried like `get`."""
        most = getattr(self.settings.limits, kind)
        request = _Request(
            "GET", self.settings.url + path, kind, most, params, deadline=Deadline(), etag=known.etag
        )
        answer = self.retry(lambda: self._read_if_changed(request, known))
        if answer.how == "304" and answer.validators != known:  # it is about another answer
            request = replace(request, etag=None)
            answer = self.retry(lambda: self._read_if_changed(request, known))
        return answer

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        parse: Callable[[Iterable[bytes]], T],
        kind: Kind = "row",
    ) -> T:
        """Send a write, once."""
        most = getattr(self.settings.limits, kind)
        return self._read(_Request("POST", self.settings.url + path, kind, most, body=body), parse)

    @contextlib.contextmanager
    def stream(self, path: str, most: int | None = None) -> Iterator[Stream]:
        """Open the body of a file, once.

        A file whose Content-Length is above `most`, or else above the limit of the settings, is refused.
        """
        most = most or self.settings.limits.file
        # The caller retries it, so a login has no attempts of its own.
        request = _Request("GET", self.settings.url + path, "file", most, deadline=Deadline())
        with self.redact_errors(), self._open(request) as response:
            yield Stream(response, most, self.reading)

    @contextlib.contextmanager
    def reading(self, request: str, deadline: Deadline | None = None) -> Iterator[None]:
        """Raise failures while a body is read as errors of `mkframe.errors`."""
        handled = sys.exception()
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            settings = (deadline or Deadline()).cap_whole(self.settings)
            raise error_from_exception(error, request, settings, handled) from strip_tracebacks(
                error, handled
            )

    def retry(
        self,
        read: Callable[[], T],
        stopped: threading.Event | None = None,
        timeout: float | None = None,
    ) -> T:
        """Repeat a read while that may help, as often as the settings allow.

        An event `stopped` that is set ends a pause at once; no attempt begins after `timeout` seconds.

        Each retry is a warning in the log ``mkframe``, also where a progress bar is shown, since a pause may
        take half a minute. ``logging.getLogger("mkframe").setLevel("ERROR")`` silences it.
        """
        return read_retries(self.settings, stopped, timeout)(read)

    # --- one request -------------------------------------------------------------------------------

    def _read(self, request: _Request, parse: Callable[[Iterable[bytes]], T]) -> T:
        """Send a request and parse the body of its answer."""
        with self.redact_errors(), self._open(request) as response:
            name = format_request(request.method, response.url)
            with self._name_request(name, response, request.deadline), self.reading(name, request.deadline):
                return parse(bounded(self._body(response, request.deadline), request.kind, request.most))

    def _read_if_changed(self, request: _Request, known: Validators) -> ChangedAnswer:
        with self.redact_errors(), self._open(request) as response:
            etag = etag_of(response)
            if etag is not None and self.redact(etag) != etag:  # it is kept in files
                etag = None
            if response.status_code == 304:
                is_known = etag is None or etag.removeprefix("W/") == (known.etag or "").removeprefix("W/")
                return ChangedAnswer("304", known if is_known else Validators(etag), bytearray())
            name = format_request(request.method, response.url)
            with self._name_request(name, response, request.deadline), self.reading(name, request.deadline):
                chunks = self._body(response, request.deadline)  # a web page is refused here
                return read_changed(response, chunks, known, etag, request.kind, request.most)

    @contextlib.contextmanager
    def _name_request(
        self, name: str, response: requests.Response, deadline: Deadline | None
    ) -> Iterator[None]:
        """Add the request to errors of an invalid answer; idle connections are closed after one.

        It may have been the answer to an earlier request.
        """
        try:
            yield
        except errors.InvalidResponseError as error:
            self._session.close()
            if error.request is not None:  # raised for the head or the connection, with its request
                raise
            if not isinstance(error, errors.ResponseTooLargeError):
                self._check_compression(name, response, deadline)
            _set_request(error, name, response)
            raise

    def _check_compression(self, name: str, response: requests.Response, deadline: Deadline | None) -> None:
        """Raise that a compressed answer is damaged, where this is why it is invalid."""
        if not is_decoded(response):
            return
        end = time.monotonic() + (deadline or Deadline()).cap(self.settings).read_timeout
        with self.reading(name, deadline):
            received = 0
            for chunk in iter_body(response):
                received += len(chunk)
                if time.monotonic() > end or received > _MAX_CHECKED:
                    break

    def _body(self, response: requests.Response, deadline: Deadline | None) -> Iterator[bytes]:
        """Return the body of an answer, chunk by chunk, without a BOM; a web page is an error."""
        if "html" in response.headers.get("Content-Type", "").lower():
            seconds = (deadline or Deadline()).cap(self.settings).read_timeout
            start = self.redact(peek_text(response, seconds), _MAX_TEXT_SHOWN)
            raise errors.InvalidResponseError(
                f"A web page came instead of JSON. It starts with {start!r}.",
                hint=errors.InvalidResponseError._HINT_WRONG_SERVER,
                body_start=start,
            )
        return strip_bom(iter_body(response))

    @contextlib.contextmanager
    def _open(self, request: _Request) -> Iterator[requests.Response]:
        """Send, log in again once where the token is refused, and yield an answer with status 2xx."""
        token = self._current_token(request.deadline)
        response = self._send(request, BearerAuth(self.settings, token))
        if response.status_code == 401 and self.settings.can_log_in:
            response.close()
            token = self._renew_token(token, request.deadline)
            response = self._send(request, BearerAuth(self.settings, token))
        with response:
            is_expected = response.status_code == 304 and request.etag is not None
            if not 200 <= response.status_code < 300 and not is_expected:
                raise error_from_response(request.method, response, self.settings, self.redact)
            _check_head(request, response)
            self._read_clock(response)
            yield response

    def _send(self, request: _Request, auth: AuthBase) -> requests.Response:
        """Send one request with our time-outs and limits; the body of the answer is read later.

        A whole answer has a deadline. A file has none, since its size is unknown: it is given up when it
        comes too slowly.
        """
        handled, is_file = sys.exception(), request.kind == "file"
        deadline = request.deadline or Deadline()
        settings = deadline.cap(self.settings)
        end = math.inf if is_file else time.monotonic() + settings.total_timeout
        headers = {"Accept": "*/*"} if is_file else {}
        if request.etag is not None:
            headers["If-None-Match"] = request.etag
        try:
            with limit_responses(ResponseLimits.of(settings.limits, end, request.most)):
                response = self._session.request(
                    request.method,
                    request.url,
                    params=request.params,
                    json=request.body,
                    headers=headers,
                    auth=auth,
                    timeout=(settings.connect_timeout, settings.read_timeout),
                    allow_redirects=False,
                    stream=True,
                    proxies=dict(self._proxies),
                )
            return decode_gzip(response)
        except BaseException as error:
            settings = deadline.cap_whole(self.settings)
            has_proxy = not was_sent() and self._has_proxy(request.url)
            _raise_stripped(request, error, settings, handled, has_proxy)

    def _has_proxy(self, url: str) -> bool:
        """Whether the environment or the system names a proxy for a URL."""
        no_proxy = self._proxies.get("no_proxy")
        proxies = requests.utils.get_environ_proxies(url, no_proxy=no_proxy)
        return requests.utils.select_proxy(url, proxies) is not None

    # --- tokens ------------------------------------------------------------------------------------

    def redact_errors(self) -> Redacting:
        """Redact the client's secrets in errors and warnings of a block, where they quote the server."""
        return Redacting(self._known_secrets)

    def redact(self, text: str, most: int = sys.maxsize) -> str:
        """Redact the client's secrets in a text of the server, and return its first characters."""
        return redact(text, self._known_secrets(), most)

    def _known_secrets(self) -> list[Secret]:
        own = (self.settings.password, basic_credentials(self.settings), *self._tokens)
        known = [*own, *proxy_credentials()]
        return [secret for secret in known if secret is not None]

    def _current_token(self, deadline: Deadline | None = None) -> Secret | None:
        with self._lock:
            if self._token is None:
                self._log_in(deadline)
            return self._token

    def _renew_token(self, refused: Secret | None, deadline: Deadline | None) -> Secret | None:
        """Return a token newer than the refused one; threads that were refused together log in once."""
        with self._lock:
            if self._token is refused:
                log.info("The token was refused; logging in again.")
                self._log_in(deadline)
            return self._token

    def _log_in(self, deadline: Deadline | None) -> None:
        """Get a token. A login within a retried read has no attempts of its own."""
        url = self.settings.login_url
        if self.settings.email is None or self.settings.password is None:
            raise errors.NotAuthenticatedError(
                f"There is no token for {self.settings.url}.",
                hint="Give token=, or email= and password=, or set MKFRAME_TOKEN and MKFRAME_URL: what the "
                "environment holds goes to the host that it names. mk.demo() needs neither.",
                request=format_request("POST", url),
            )
        login = _Request("POST", url, "login", self.settings.limits.login, deadline=deadline or Deadline())
        if deadline is None:
            self._token = self.retry(lambda: self._request_token(login))
        else:
            self._token = self._request_token(login)
        self._tokens.append(self._token)

    def _request_token(self, login: _Request) -> Secret:
        name = format_request("POST", login.url)
        with self.redact_errors(), self._send(login, LoginAuth(self.settings)) as response:
            if response.status_code not in (200, 201):
                raise error_from_response("POST", response, self.settings, self.redact, login=True)
            _check_head(login, response)
            with self._name_request(name, response, login.deadline), self.reading(name, login.deadline):
                return parse_token(
                    b"".join(bounded(self._body(response, login.deadline), "login", login.most))
                )


def _set_request(error: errors.InvalidResponseError, name: str, response: requests.Response) -> None:
    error.request, error.status = name, response.status_code
    error.message = f"{name} answered, but: {error.message}"


def _check_head(request: _Request, response: requests.Response) -> None:
    """Refuse an answer whose head says that it cannot be read."""
    try:
        check_head(response, request.kind, request.most)
    except errors.InvalidResponseError as error:
        _set_request(error, format_request(request.method, response.url), response)
        raise


def _raise_stripped(
    request: _Request,
    error: BaseException,
    settings: Settings,
    handled: BaseException | None,
    has_proxy: bool,
) -> NoReturn:
    """Raise without the frames of the libraries, which hold the token; Ctrl-C too."""
    cause, name = strip_tracebacks(error, handled), format_request(request.method, request.url)
    # ValueError and LookupError come from bytes that the libraries did not expect, such as in a Location.
    if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, LookupError)):
        phase: Phase = "sent" if was_sent() else "to proxy" if has_proxy else "unsent"
        raise error_from_exception(error, name, settings, handled, phase) from cause
    if isinstance(error, OSError) and "TLS CA certificate" in str(error):  # before anything is sent
        raise errors.ConnectError(
            f"{name}: {error}.",
            hint="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names it; correct the path.",
            request=name,
        ) from cause
    raise cause


_TRANSPORTS: weakref.WeakSet[Transport] = weakref.WeakSet()


@functools.cache
def _register_fork_hook() -> None:
    """Let a forked process open connections of its own.

    On shared connections parent and child would read each other's answers. Windows has no fork.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_after_fork)


def _reset_after_fork() -> None:
    for transport in _TRANSPORTS:
        transport._reset()

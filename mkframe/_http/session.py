"""The only module that sends requests, and logs in.

Invariants: reads are retried when the connection breaks or the server asks to come back later; writes are
sent once. Each failure is raised as one of `mkframe.errors`, with the request, what happened and a hint, and
without the token.
"""

from __future__ import annotations

import collections
import contextlib
import datetime as dt
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
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from mkframe import errors
from mkframe._http.auth import BearerAuth, LoginAuth, basic_credentials, parse_token, token_expiry
from mkframe._http.errors import (
    error_from_exception,
    error_from_response,
    format_request,
    iter_body,
    peek_text,
    strip_tracebacks,
)
from mkframe._http.gzip import check_head, decode_gzip, is_decoded
from mkframe._http.redaction import Redacting, redact
from mkframe._http.retry import read_retries
from mkframe._http.timeouts import Adapter, ResponseLimits, limit_responses
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
_WAIT_SLICE = 0.5
"""Seconds of a pause that Ctrl-C may have to wait for, on Windows."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: a redirect is an error here, and requests would read its whole body first."""


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
        """Start without connections, with free locks and a new state of each thread."""
        self._lock = threading.Lock()
        self._state = _ThreadState()
        adapter = Adapter(pool_connections=2, pool_maxsize=self._connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"Transport({self.settings.url!r})"

    @property
    def token_expires(self) -> dt.datetime | None:
        """When the token expires, in UTC; None before there is one, or where it does not say it."""
        return None if self._token is None else token_expiry(self._token)

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
        return self.retry(lambda: self._read("GET", path, params, None, parse, kind), timeout=timeout)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        parse: Callable[[Iterable[bytes]], T],
        kind: Kind = "row",
    ) -> T:
        """Send a write, once."""
        return self._read("POST", path, None, body, parse, kind)

    @contextlib.contextmanager
    def stream(self, path: str, most: int | None = None) -> Iterator[requests.Response]:
        """Open the body of a file, once; the caller reads `iter_body` inside `reading`.

        A file whose Content-Length is above `most`, or else above the limit of the settings, is refused.
        """
        with (
            self.redact_errors(),
            self._open("GET", path, None, None, "file", most or self.settings.limits.file) as response,
        ):
            yield response

    @contextlib.contextmanager
    def reading(self, request: str) -> Iterator[None]:
        """Raise failures while a body is read as errors of `mkframe.errors`."""
        handled = sys.exception()
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise error_from_exception(error, request, self._caller_limits, handled) from strip_tracebacks(
                error, handled
            )

    # --- one request -------------------------------------------------------------------------------

    def _read(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        parse: Callable[[Iterable[bytes]], T],
        kind: Kind,
    ) -> T:
        most = self._most(kind)
        with (
            self.redact_errors(),
            self._open(method, path, params, body, kind, most) as response,
        ):
            request = format_request(method, response.url)
            with self._name_request(request, response), self.reading(request):
                return parse(bounded(self._chunks(response), kind, most))

    def _most(self, kind: Kind) -> int:
        most: int = getattr(self.settings.limits, kind)
        return most

    @contextlib.contextmanager
    def _name_request(self, request: str, response: requests.Response) -> Iterator[None]:
        """Add the request to errors of an invalid answer."""
        try:
            yield
        except errors.InvalidResponseError as error:
            if error.request is not None:  # raised for the head or the connection, with its request
                raise
            if not isinstance(error, errors.ResponseTooLargeError):
                self._check_compression(request, response)
            error.request, error.status = request, response.status_code
            error.message = f"{request} answered, but: {error.message}"
            raise

    def _check_compression(self, request: str, response: requests.Response) -> None:
        """Raise that a compressed answer is damaged, where this is why it is invalid."""
        deadline = time.monotonic() + self._limits.read_timeout
        if is_decoded(response):
            with self.reading(request):
                received = 0
                for chunk in iter_body(response):
                    received += len(chunk)
                    if time.monotonic() > deadline or received > _MAX_CHECKED:
                        break

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        kind: Kind,
        most: int,
    ) -> Iterator[requests.Response]:
        """Send, log in again once where the token is refused, and yield an answer with status 2xx."""
        token = self._current_token()
        response = self._send(method, path, params, body, token, kind, most)
        if response.status_code == 401 and self.settings.can_log_in:
            response.close()
            response = self._send(method, path, params, body, self._renew_token(token), kind, most)
        with response:
            if not 200 <= response.status_code < 300:
                raise error_from_response(method, response, self.settings, self.redact)
            self._check_head(format_request(method, response.url), response, kind, most)
            yield response

    def _check_head(self, request: str, response: requests.Response, kind: Kind, most: int) -> None:
        """Refuse an answer whose head says that it cannot be read."""
        try:
            check_head(response, kind, most)
        except errors.InvalidResponseError as error:
            error.request, error.status = request, response.status_code
            error.message = f"{request} answered, but: {error.message}"
            raise

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        token: Secret | None,
        kind: Kind,
        most: int,
    ) -> requests.Response:
        options: dict[str, Any] = {"params": params, "json": body, "auth": BearerAuth(self.settings, token)}
        if kind == "file":
            options["headers"] = {"Accept": "*/*"}
        return self._request(method, self.settings.url + path, options, kind, most)

    def _request(
        self, method: str, url: str, options: Mapping[str, Any], kind: Kind, most: int
    ) -> requests.Response:
        """Send one request with our time-outs and limits; the body of the answer is read later.

        A whole answer has a deadline. A file has none, since its size is unknown: it is given up when it
        comes too slowly.
        """
        limits, handled = self._limits, sys.exception()
        deadline = math.inf if kind == "file" else time.monotonic() + limits.total_timeout
        try:
            with limit_responses(ResponseLimits.of(limits.limits, deadline, most)):
                response = self._session.request(
                    method,
                    url,
                    timeout=(limits.connect_timeout, limits.read_timeout),
                    allow_redirects=False,
                    stream=True,
                    proxies=dict(self._proxies),
                    **options,
                )
            return decode_gzip(response)
        except BaseException as error:
            self._raise(error, format_request(method, url), handled)

    @property
    def _limits(self) -> Settings:
        """The settings, with time-outs no longer than what is left of the caller's `timeout`."""
        return self.settings.capped_at(self._state.deadline - time.monotonic())

    @property
    def _caller_limits(self) -> Settings:
        """The settings, with time-outs no longer than the caller's `timeout`: the ones that errors name."""
        return self.settings.capped_at(self._state.timeout)

    def _raise(self, error: BaseException, request: str, handled: BaseException | None) -> NoReturn:
        """Raise without the frames of the libraries, which hold the token; Ctrl-C too."""
        cause = strip_tracebacks(error, handled)
        # ValueError and LookupError come from bytes that the libraries did not expect, such as in a Location.
        if isinstance(
            error, (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, LookupError)
        ):
            raise error_from_exception(error, request, self._caller_limits, handled) from cause
        if isinstance(error, OSError) and "TLS CA certificate" in str(error):  # before anything is sent
            raise errors.ConnectError(
                f"{request}: {error}.",
                hint="REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names it; correct the path.",
                request=request,
            ) from cause
        raise cause

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        kind = response.headers.get("Content-Type", "")
        if "html" in kind.lower():
            start = self.redact(peek_text(response, self._limits.read_timeout), _MAX_TEXT_SHOWN)
            raise errors.InvalidResponseError(
                f"A web page came instead of JSON. It starts with {start!r}.",
                hint=errors.InvalidResponseError._HINT_WRONG_SERVER,
                body_start=start,
            )
        yield from iter_body(response)

    # --- tokens ------------------------------------------------------------------------------------

    def redact_errors(self) -> Redacting:
        """Redact the client's secrets in errors and warnings of a block, where they quote the server."""
        return Redacting(self._known_secrets)

    def redact(self, text: str, most: int = sys.maxsize) -> str:
        """Redact the client's secrets in a text of the server, and return its first characters."""
        return redact(text, self._known_secrets(), most)

    def _known_secrets(self) -> list[Secret]:
        known = (self.settings.password, basic_credentials(self.settings), *self._tokens)
        return [secret for secret in known if secret is not None]

    def _current_token(self) -> Secret | None:
        with self._lock:
            if self._token is None:
                self._log_in()
            return self._token

    def _renew_token(self, refused: Secret | None) -> Secret | None:
        """Return a token newer than the refused one; threads that were refused together log in once."""
        with self._lock:
            if self._token is refused:
                log.info("The token was refused; logging in again.")
                self._log_in()
            return self._token

    def _log_in(self) -> None:
        url = self.settings.login_url
        if self.settings.email is None or self.settings.password is None:
            raise errors.NotAuthenticatedError(
                f"There is no token for {self.settings.url}.",
                hint="Give token=, or email= and password=, or set MKFRAME_TOKEN and MKFRAME_URL: what the "
                "environment holds goes to the host that it names. mk.demo() needs neither.",
                request=format_request("POST", url),
            )
        self._token = self.retry(self._request_token)
        self._tokens.append(self._token)

    def _request_token(self) -> Secret:
        url, request = self.settings.login_url, format_request("POST", self.settings.login_url)
        options, most = {"auth": LoginAuth(self.settings)}, self._most("login")
        with (
            self.redact_errors(),
            self._request("POST", url, options, "login", most) as response,
        ):
            if response.status_code not in (200, 201):
                raise error_from_response("POST", response, self.settings, self.redact, login=True)
            self._check_head(request, response, "login", most)
            with self._name_request(request, response), self.reading(request):
                return parse_token(b"".join(bounded(self._chunks(response), "login", most)))

    # --- retries -----------------------------------------------------------------------------------

    def retry(
        self,
        read: Callable[[], T],
        stopped: threading.Event | None = None,
        timeout: float | None = None,
    ) -> T:
        """Repeat a read while that may help, as often as the settings allow.

        A retry within a retry has no attempts of its own: a login that fails in a read counts as an attempt
        of the read. An event `stopped` that is set ends a pause at once; no attempt begins after `timeout`
        seconds.

        Each retry is a warning in the log ``mkframe``, also where a progress bar is shown, since a pause may
        take half a minute. ``logging.getLogger("mkframe").setLevel("ERROR")`` silences it.
        """
        if self._state.retrying:
            return read()
        seconds = math.inf if timeout is None else timeout
        try:
            self._state.retrying, self._state.timeout = True, seconds
            self._state.deadline = time.monotonic() + seconds
            return read_retries(self.settings, stopped, timeout)(read)
        finally:
            self._state.retrying, self._state.timeout, self._state.deadline = False, math.inf, math.inf


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


class _ThreadState(threading.local):
    """The retried read that a thread carries out, if any."""

    retrying = False
    timeout = math.inf
    """Seconds that the caller has given."""
    deadline = math.inf
    """When they are over, by `time.monotonic`."""

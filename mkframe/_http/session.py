"""The only module that sends, and logs in.

Reads are repeated when the connection breaks or the server says "later"; writes never are. Whatever
goes wrong leaves here as one of `mkframe.errors`, with what was asked, what happened and what to try.
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
from mkframe._http.auth import Bearer, Credentials, basic, expiry_of, token_of
from mkframe._http.errors import (
    error_from_exception,
    error_from_response,
    format_request,
    iter_body,
    peek_text,
    strip_tracebacks,
)
from mkframe._http.gzip import check_head, is_unpacked, unpacked
from mkframe._http.redaction import redact, redact_errors
from mkframe._http.retry import retrying
from mkframe._http.timeouts import Adapter, Bounds, answered_within
from mkframe._version import __version__
from mkframe.limits import Kind, bounded
from mkframe.settings import Secret, Settings

__all__ = ["Transport"]

log = logging.getLogger("mkframe")

T = TypeVar("T")
_LONGEST_SHOWN = 200
"""Characters of a web page that an error quotes."""
_MOST_CHECKED = 64 << 20
"""Bytes of a compressed answer, unpacked, that are looked at for damage where it makes no sense."""
_AT_A_TIME = 0.5
"""Seconds of a pause that Ctrl-C may have to wait for, on Windows."""


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Never: a redirect is an error here, and requests would read its whole body first."""


class Transport:
    """A pooled session to one server, logged in when first needed.

    Parameters
    ----------
    settings : Settings
        Where and as whom.
    connections : int, default 16
        How many connections are kept open.
    """

    def __init__(self, settings: Settings, connections: int = 16) -> None:
        self.settings = settings
        self._token = settings.token
        # More than the last one, for an answer that is late may speak of the token before.
        self._tokens = collections.deque([settings.token], maxlen=4)
        self._closed = threading.Event()
        self._connections = connections
        self._session = _Session()
        # The token is all that the API asks for; what a server keeps here otherwise could be shown.
        self._session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._begin()
        _watch_forks()
        _EVERY.add(self)
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

    def _begin(self) -> None:
        """Have no connection, no lock and nothing under way."""
        self._lock = threading.Lock()
        self._here = _Here()
        adapter = Adapter(pool_connections=2, pool_maxsize=self._connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def __repr__(self) -> str:
        return f"Transport({self.settings.url!r})"

    @property
    def token_expires(self) -> dt.datetime | None:
        """When the token expires, in UTC; None before there is one, or where it does not tell."""
        return None if self._token is None else expiry_of(self._token)

    def close(self) -> None:
        """Close all connections."""
        self._closed.set()
        self._session.close()

    def pause(self, seconds: float) -> bool:
        """Let time pass; whether this is open afterwards. Closing it ends the pause."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if self._closed.wait(min(left, _AT_A_TIME)):
                return False
        return not self._closed.is_set()

    # --- what rooms above may ask ------------------------------------------------------------------

    def get(
        self,
        path: str,
        params: Mapping[str, str] | None = None,
        *,
        into: Callable[[Iterable[bytes]], T],
        kind: Kind = "row",
        timeout: float | None = None,
    ) -> T:
        """Read an answer; `into` is handed its chunks as they arrive, up to the limit for its kind.

        The whole read, `into` included, is repeated where that may help. It ends after `timeout` seconds,
        further tries and a login included, where the caller has no more; else the settings alone count.
        """
        return self.again(lambda: self._read("GET", path, params, None, into, kind), timeout=timeout)

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        into: Callable[[Iterable[bytes]], T],
        kind: Kind = "row",
    ) -> T:
        """Send a write, once."""
        return self._read("POST", path, None, body, into, kind)

    @contextlib.contextmanager
    def stream(self, path: str, most: int | None = None) -> Iterator[requests.Response]:
        """Open the bytes of a file, once; the caller reads `iter_body` inside `reading`.

        A file that is announced with more bytes than `most`, or else the limit of the settings, is refused.
        """
        with (
            self.withheld(),
            self._open("GET", path, None, None, "file", most or self.settings.limits.file) as response,
        ):
            yield response

    @contextlib.contextmanager
    def reading(self, request: str) -> Iterator[None]:
        """Turn what breaks while a body is read into our errors."""
        handled = sys.exception()
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise error_from_exception(error, request, self._told_limits, handled) from strip_tracebacks(
                error, handled
            )

    # --- one request -------------------------------------------------------------------------------

    def _read(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        into: Callable[[Iterable[bytes]], T],
        kind: Kind,
    ) -> T:
        most = self._most(kind)
        with (
            self.withheld(),
            self._open(method, path, params, body, kind, most) as response,
        ):
            request = format_request(method, response.url)
            with self._naming(request, response), self.reading(request):
                return into(bounded(self._chunks(response), kind, most))

    def _most(self, kind: Kind) -> int:
        most: int = getattr(self.settings.limits, kind)
        return most

    @contextlib.contextmanager
    def _naming(self, request: str, response: requests.Response) -> Iterator[None]:
        """Say of an answer that cannot be understood what was asked."""
        try:
            yield
        except errors.InvalidResponseError as error:
            if error.request is not None:  # what surrounds the body is at fault
                raise
            if not isinstance(error, errors.ResponseTooLargeError):
                self._check_unpacking(request, response)
            error.request, error.status = request, response.status_code
            error.message = f"{request} answered, but: {error.message}"
            raise

    def _check_unpacking(self, request: str, response: requests.Response) -> None:
        """Where a compressed answer is damaged, that is the trouble and not what was read of it."""
        deadline = time.monotonic() + self._limits.read_timeout
        if is_unpacked(response):
            with self.reading(request):
                came = 0
                for chunk in iter_body(response):
                    came += len(chunk)
                    if time.monotonic() > deadline or came > _MOST_CHECKED:
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
        """Send, log in again once where the token is refused, and hand out an answer with status 200."""
        token = self._current_token()
        response = self._send(method, path, params, body, token, kind, most)
        if response.status_code == 401 and self.settings.can_log_in:
            response.close()
            response = self._send(method, path, params, body, self._renewed(token), kind, most)
        with response:
            if not 200 <= response.status_code < 300:
                raise error_from_response(method, response, self.settings, self.redacted)
            self._check_head(format_request(method, response.url), response, kind, most)
            yield response

    def _check_head(self, request: str, response: requests.Response, kind: Kind, most: int) -> None:
        """Refuse an answer whose head alone says that it cannot be read."""
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
        given: dict[str, Any] = {"params": params, "json": body, "auth": Bearer(self.settings, token)}
        if kind == "file":
            given["headers"] = {"Accept": "*/*"}
        return self._request(method, self.settings.url + path, given, kind, most)

    def _request(
        self, method: str, url: str, given: Mapping[str, Any], kind: Kind, most: int
    ) -> requests.Response:
        """Send as we always do; the body of an answer is still to be read.

        A whole answer has a deadline. A file has none, since nobody knows how large it is: it is given up
        when it comes too slowly.
        """
        limits, handled = self._limits, sys.exception()
        deadline = math.inf if kind == "file" else time.monotonic() + limits.total_timeout
        try:
            with answered_within(Bounds.of(limits.limits, deadline, most)):
                response = self._session.request(
                    method,
                    url,
                    timeout=(limits.connect_timeout, limits.read_timeout),
                    allow_redirects=False,
                    stream=True,
                    proxies=dict(self._proxies),
                    **given,
                )
            return unpacked(response)
        except BaseException as error:
            self._failed(error, format_request(method, url), handled)

    @property
    def _limits(self) -> Settings:
        """The settings, with shorter time-outs where the caller of `get` has not that long."""
        return self.settings.capped_at(self._here.until - time.monotonic())

    @property
    def _told_limits(self) -> Settings:
        """The settings as the caller knows them: with the time that was given, not what is left of it."""
        return self.settings.capped_at(self._here.timeout)

    def _failed(self, error: BaseException, request: str, handled: BaseException | None) -> NoReturn:
        """Leave the sending without its frames, by Ctrl-C too."""
        cause = strip_tracebacks(error, handled)
        # What else comes from the libraries is by bytes that they did not expect, such as in a Location.
        if isinstance(
            error, (requests.RequestException, urllib3.exceptions.HTTPError, ValueError, LookupError)
        ):
            raise error_from_exception(error, request, self._told_limits, handled) from cause
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
            start = self.redacted(peek_text(response, self._limits.read_timeout), _LONGEST_SHOWN)
            raise errors.InvalidResponseError(
                f"A web page came instead of JSON. It starts with {start!r}.",
                hint=errors.InvalidResponseError._HINT_WRONG_SERVER,
                body_start=start,
            )
        yield from iter_body(response)

    # --- tokens ------------------------------------------------------------------------------------

    def withheld(self) -> redact_errors:
        """Take our secrets out of errors and warnings of a block, where they quote the server."""
        return redact_errors(self._known_secrets)

    def redacted(self, text: str, most: int = sys.maxsize) -> str:
        """Take our secrets out of words of the server, and give its first characters."""
        return redact(text, self._known_secrets(), most)

    def _known_secrets(self) -> list[Secret]:
        known = (self.settings.password, basic(self.settings), *self._tokens)
        return [word for word in known if word is not None]

    def _current_token(self) -> Secret | None:
        with self._lock:
            if self._token is None:
                self._log_in()
            return self._token

    def _renewed(self, refused: Secret | None) -> Secret | None:
        """A token newer than the refused one; threads that were refused together log in once."""
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
        self._token = self.again(self._ask_for_token)
        self._tokens.append(self._token)

    def _ask_for_token(self) -> Secret:
        url, request = self.settings.login_url, format_request("POST", self.settings.login_url)
        asking, most = {"auth": Credentials(self.settings)}, self._most("login")
        with (
            self.withheld(),
            self._request("POST", url, asking, "login", most) as response,
        ):
            if response.status_code not in (200, 201):
                raise error_from_response("POST", response, self.settings, self.redacted, login=True)
            self._check_head(request, response, "login", most)
            with self._naming(request, response), self.reading(request):
                return token_of(b"".join(bounded(self._chunks(response), "login", most)))

    # --- trying again ------------------------------------------------------------------------------

    def again(
        self,
        once: Callable[[], T],
        stopped: threading.Event | None = None,
        timeout: float | None = None,
    ) -> T:
        """Repeat a read while that may help, a few times.

        What is repeated within something repeated has no tries of its own: a login that fails in a read
        counts as a try of the read. An event `stopped` that is set ends a pause at once; no try begins
        when `timeout` seconds are over.

        Each further try is a warning in the log ``mkframe``, whether there is a progress bar or not: a
        pause of half a minute, several times over, needs its reason.
        ``logging.getLogger("mkframe").setLevel("ERROR")`` silences it.
        """
        if self._here.repeating:
            return once()
        seconds = math.inf if timeout is None else timeout
        try:
            self._here.repeating, self._here.timeout = True, seconds
            self._here.until = time.monotonic() + seconds
            return retrying(self.settings, stopped, timeout)(once)
        finally:
            self._here.repeating, self._here.timeout, self._here.until = False, math.inf, math.inf


_EVERY: weakref.WeakSet[Transport] = weakref.WeakSet()


@functools.cache
def _watch_forks() -> None:
    """See to it that a forked process opens connections of its own.

    On those of its parent each would read the other's answers. Nobody forks on Windows.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_begin_anew)


def _begin_anew() -> None:
    for transport in _EVERY:
        transport._begin()


class _Here(threading.local):
    """What one thread is at."""

    repeating = False
    timeout = math.inf
    """Seconds that the caller has given."""
    until = math.inf
    """When they are over, by `time.monotonic`."""

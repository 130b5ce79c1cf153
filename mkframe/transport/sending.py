"""The only module that sends, and logs in.

Reads are repeated when the connection breaks or the server says "later"; writes never are. Whatever
goes wrong leaves here as one of `mkframe.errors`, with what was asked, what happened and what to try.
"""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from mkframe import __version__, errors
from mkframe.settings import Secret, Settings, fits_a_header
from mkframe.transport.trouble import as_it_arrives, broken, named, plain, refusal, start_of

__all__ = ["Transport"]

log = logging.getLogger("mkframe")

T = TypeVar("T")


class _Bearer(AuthBase):
    """Adds the token, and only where it may go. As an auth object no ~/.netrc replaces it."""

    def __init__(self, settings: Settings, token: Secret | None) -> None:
        self.settings = settings
        self.token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self.token is not None and self.settings.may_receive_token(request.url or ""):
            request.headers["Authorization"] = f"Bearer {self.token.reveal()}"
        return request


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
        self._lock = threading.Lock()
        self._repeating = threading.local()
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=2, pool_maxsize=connections, max_retries=0)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
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

    def __repr__(self) -> str:
        return f"Transport({self.settings.url!r})"

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    # --- what rooms above may ask ------------------------------------------------------------------

    def get(
        self, path: str, params: Mapping[str, str] | None = None, *, into: Callable[[Iterable[bytes]], T]
    ) -> T:
        """Read an answer; `into` is handed its chunks as they arrive.

        The whole read, `into` included, is repeated where that may help.
        """
        return self.again(lambda: self._read("GET", path, params, None, into))

    def post(self, path: str, body: Mapping[str, Any], *, into: Callable[[Iterable[bytes]], T]) -> T:
        """Send a write, once."""
        return self._read("POST", path, None, body, into)

    @contextlib.contextmanager
    def stream(self, path: str) -> Iterator[requests.Response]:
        """Open the bytes of a file, once; the caller reads `iter_content` inside `reading`."""
        with self._open("GET", path, None, None, accept="*/*") as response:
            yield response

    @contextlib.contextmanager
    def reading(self, request: str) -> Iterator[None]:
        """Turn what breaks while a body is read into our errors."""
        try:
            yield
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise broken(error, request, self.settings) from plain(error)

    def log_in(self) -> None:
        """Log in with e-mail and password; tried again like a read, since it changes nothing.

        Raises
        ------
        NotAuthenticated
            If the server refuses them, or there are none.
        """
        with self._lock:
            self._log_in()

    # --- one request -------------------------------------------------------------------------------

    def _read(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        into: Callable[[Iterable[bytes]], T],
    ) -> T:
        with self._open(method, path, params, body) as response:
            request = named(method, response.url)
            try:
                with self.reading(request):
                    return into(self._chunks(response, request))
            except errors.UnexpectedBody as error:
                error.request, error.status = request, response.status_code
                error.message = f"{request} answered, but: {error.message}"
                raise

    @contextlib.contextmanager
    def _open(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        accept: str = "application/json",
    ) -> Iterator[requests.Response]:
        """Send, log in again once where the token is refused, and hand out an answer with status 200."""
        token = self._current_token()
        response = self._send(method, path, params, body, token, accept)
        if response.status_code == 401 and self.settings.can_log_in:
            response.close()
            response = self._send(method, path, params, body, self._renewed(token), accept)
        with response:
            if not 200 <= response.status_code < 300:
                raise refusal(method, response, self.settings)
            yield response

    def _send(
        self,
        method: str,
        path: str,
        params: Mapping[str, str] | None,
        body: Mapping[str, Any] | None,
        token: Secret | None,
        accept: str,
    ) -> requests.Response:
        url = self.settings.url + path
        try:
            return self._session.request(
                method,
                url,
                params=params,
                json=body,
                auth=_Bearer(self.settings, token),
                headers={"Accept": accept},
                timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                allow_redirects=False,
                stream=True,
                proxies=dict(self._proxies),
            )
        except BaseException as error:
            self._failed(error, named(method, url))

    def _failed(self, error: BaseException, request: str) -> NoReturn:
        """Leave the sending without its frames, by Ctrl-C too."""
        cause = plain(error)
        if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
            raise broken(error, request, self.settings) from cause
        raise cause

    def _chunks(self, response: requests.Response, request: str) -> Iterator[bytes]:
        kind = response.headers.get("Content-Type", "")
        if "html" in kind.lower():
            start = start_of(response, self.settings.read_timeout)
            raise errors.UnexpectedBody(
                f"A web page came instead of JSON. It starts with {start!r}.",
                hint="Is the URL that of the API, and does a proxy or a login page stand before it?",
                body_start=start,
            )
        deadline = time.monotonic() + self.settings.total_timeout
        for chunk in as_it_arrives(response):
            yield chunk
            if time.monotonic() > deadline:
                raise errors.TimedOut(
                    f"{request} was still sending after {self.settings.total_timeout:g} s.",
                    hint="The connection is very slow; ask for less, by project or pattern.",
                    request=request,
                )

    # --- tokens ------------------------------------------------------------------------------------

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
            raise errors.NotAuthenticated(
                f"There is no token for {self.settings.url}.",
                hint="Give token=, or email= and password=, or set MKFRAME_TOKEN; mk.demo() needs neither.",
                request=named("POST", url),
            )
        self._token = self.again(self._ask_for_token)

    def _ask_for_token(self) -> Secret:
        url, request = self.settings.login_url, named("POST", self.settings.login_url)
        credentials = _Credentials(self.settings)
        try:
            response = self._session.post(
                url,
                auth=credentials,
                timeout=(self.settings.connect_timeout, self.settings.read_timeout),
                allow_redirects=False,
                stream=True,
                proxies=dict(self._proxies),
            )
        except BaseException as error:
            self._failed(error, request)
        with response:
            if response.status_code not in (200, 201):
                raise refusal("POST", response, self.settings, login=True)
            with self.reading(request):
                token = _token_of(b"".join(self._chunks(response, request)))
        if token is None:
            raise errors.UnexpectedBody(
                f"{request} answered, but without a token under the key 'accessToken'.",
                hint="Is the URL that of the API?",
                request=request,
                status=response.status_code,
            )
        return token

    # --- trying again ------------------------------------------------------------------------------

    def again(self, once: Callable[[], T], stopped: threading.Event | None = None) -> T:
        """Repeat a read while that may help, a few times, and say so in the log.

        What is repeated within something repeated has no tries of its own: a login that fails in a read
        counts as a try of the read. An event `stopped` that is set ends a pause at once.
        """
        if getattr(self._repeating, "now", False):
            return once()
        self._repeating.now = True
        try:
            return self._retrying(stopped)(once)
        finally:
            self._repeating.now = False

    def _retrying(self, stopped: threading.Event | None) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception(self._may_help),
            stop=tenacity.stop_after_attempt(self.settings.tries),
            wait=self._pause,
            before_sleep=self._tell,
            sleep=tenacity.sleep_using_event(stopped) if stopped else time.sleep,
            reraise=True,
        )

    def _may_help(self, error: BaseException) -> bool:
        if not isinstance(error, errors.MkframeError) or not error.retryable:
            return False
        return (error.retry_after or 0) <= self.settings.patience

    def _pause(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = getattr(error, "retry_after", None)
        backoff = tenacity.wait_random_exponential(multiplier=0.5, max=self.settings.patience)
        return float(asked) if asked is not None else backoff(state)

    def _tell(self, state: tenacity.RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        wait = state.next_action.sleep if state.next_action else 0
        log.warning(
            "%s Trying again in %.1f s (%d of %d).",
            getattr(error, "message", error),
            wait,
            state.attempt_number,
            self.settings.tries - 1,
        )


class _Credentials(AuthBase):
    """Writes the login's body at the last moment, so that no frame of ours holds the password."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        settings = self.settings
        if settings.password is not None and settings.may_receive_token(request.url or ""):
            words = {"strategy": "local", "email": settings.email, "password": settings.password.reveal()}
            request.headers["Content-Type"] = "application/json"
            request.prepare_body(json.dumps(words), None)
        return request


def _token_of(body: bytes) -> Secret | None:
    """The token in the answer of a login, where there is one that can be sent."""
    try:
        word = json.loads(body)["accessToken"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Secret(word) if isinstance(word, str) and fits_a_header(word) else None

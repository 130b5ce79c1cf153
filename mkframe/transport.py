"""The only module that sends.

Reads are repeated when the connection breaks or the server says "later"; writes never are. Whatever
goes wrong leaves here as one of `mkframe.errors`, with what was asked, what happened and what to try.
"""

from __future__ import annotations

import contextlib
import email.utils
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

__all__ = ["Transport"]

log = logging.getLogger("mkframe")

T = TypeVar("T")
_CHUNK = 1 << 18
_LONGEST_SHOWN = 300


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
            raise _broken(error, request, self.settings) from _plain(error)

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
            request = _named(method, response.url)
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
            if response.status_code not in (200, 201):
                raise self._refusal(method, response)
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
            self._failed(error, _named(method, url))

    def _failed(self, error: BaseException, request: str) -> NoReturn:
        """Leave the sending without its frames, by Ctrl-C too."""
        plain = _plain(error)
        if isinstance(error, (requests.RequestException, urllib3.exceptions.HTTPError)):
            raise _broken(error, request, self.settings) from plain
        raise plain

    def _chunks(self, response: requests.Response, request: str) -> Iterator[bytes]:
        kind = response.headers.get("Content-Type", "")
        if "html" in kind.lower():
            start = _start_of(response, self.settings.read_timeout)
            raise errors.UnexpectedBody(
                f"A web page came instead of JSON. It starts with {start!r}.",
                hint="Is the URL that of the API, and does a proxy or a login page stand before it?",
                body_start=start,
            )
        deadline = time.monotonic() + self.settings.total_timeout
        for chunk in _as_it_arrives(response):
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
                request=_named("POST", url),
            )
        self._token = self.again(self._ask_for_token)

    def _ask_for_token(self) -> Secret:
        url, request = self.settings.login_url, _named("POST", self.settings.login_url)
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
                raise self._refusal("POST", response, login=True)
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

    # --- errors ------------------------------------------------------------------------------------

    def _refusal(
        self, method: str, response: requests.Response, *, login: bool = False
    ) -> errors.ResponseError:
        """The error that an answer with an error status stands for."""
        request = _named(method, response.url)
        status = response.status_code
        start = _start_of(response, self.settings.read_timeout)
        vendor = _vendor_message(start)
        return errors.for_status(status)(
            f"{request} {_answered(response, vendor, start)} (status {status}).",
            hint=self._hint(status, login),
            request=request,
            status=status,
            vendor_message=vendor,
            body_start=None if vendor else start[:80],
            retryable=status in (429, 502, 503, 504),
            retry_after=_retry_after(response.headers.get("Retry-After")),
        )

    def _hint(self, status: int, login: bool) -> str:
        if login and status in (400, 401):
            return f"Check the e-mail {self.settings.email!r} and its password."
        if login and status in (403, 404, 405):
            return "Is the URL that of the API? The login is looked for at the root of its host."
        if status == 401 and not self.settings.can_log_in:
            return "The token is wrong or has expired: give a new one, or connect with email= and password=."
        fallback = "Try again later, or ask who runs the server." if status >= 500 else _HINTS[400]
        return _HINTS.get(status, _HINTS[302] if 300 <= status < 400 else fallback)


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


_HINTS = {
    400: "Check the arguments against the reference.",
    401: "Log in again: check the e-mail and its password.",
    403: "Ask for the permission, or connect as someone who has it.",
    404: "Check the spelling; find() without that filter lists what there is.",
    405: "The API does not offer this.",
    429: "The server asks for fewer requests; wait a while.",
    301: "Give the new address as url=; the token is not carried elsewhere.",
    302: "Is the URL that of the API? The token is not carried elsewhere.",
    307: "Give the new address as url=; the token is not carried elsewhere.",
    308: "Give the new address as url=; the token is not carried elsewhere.",
}


def _token_of(body: bytes) -> Secret | None:
    """The token in the answer of a login, where there is one that can be sent."""
    try:
        word = json.loads(body)["accessToken"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return Secret(word) if isinstance(word, str) and fits_a_header(word) else None


def _named(method: str, url: str) -> str:
    return f"{method} {url if len(url) <= _LONGEST_SHOWN else url[:_LONGEST_SHOWN] + '...'}"


def _as_it_arrives(response: requests.Response) -> Iterator[bytes]:
    """The body in pieces; `iter_content` waits for whole chunks, and a trickle never fills one."""
    response.raw.decode_content = True
    while piece := response.raw.read1(_CHUNK):
        yield piece


def _start_of(response: requests.Response, seconds: float) -> str:
    """First characters of an answer, as text: what arrives within a time."""
    start, deadline = bytearray(), time.monotonic() + seconds
    with contextlib.suppress(urllib3.exceptions.HTTPError):
        for chunk in _as_it_arrives(response):
            start += chunk
            if len(start) > _CHUNK or time.monotonic() > deadline:
                break
    return start.decode("utf-8", "replace").strip()


def _answered(response: requests.Response, vendor: str | None, start: str) -> str:
    if 300 <= response.status_code < 400:
        return f"was redirected to {response.headers.get('Location', '')[:_LONGEST_SHOWN]!r}"
    if vendor:
        return f"was refused with {vendor!r}"
    return f"was refused; the answer starts with {start[:80]!r}" if start else "was refused without a word"


def _vendor_message(start: str) -> str | None:
    """The sentence of the documented error body, where that is what came."""
    try:
        message = json.loads(start)["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return message[:_LONGEST_SHOWN] if isinstance(message, str) else None


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from seconds or an HTTP date."""
    if not value:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError):
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    step: Any = error
    while isinstance(step, BaseException) and step not in seen:
        seen.append(step)
        yield step
        inner = getattr(step, "reason", None) or (step.args[0] if step.args else None)
        step = inner if isinstance(inner, BaseException) else step.__cause__ or step.__context__


def _plain(error: BaseException) -> BaseException:
    """The same error without the request and the frames it passed, whose variables hold the token."""
    for step in _chain(error):
        step.__traceback__ = None
        if isinstance(step, requests.RequestException):
            step.request = step.response = None
        for inner in (step.__cause__, step.__context__):
            if inner is not None:
                inner.__traceback__ = None
    return error


def _broken(error: BaseException, request: str, settings: Settings) -> errors.ConnectionFailed:
    """The error that a broken connection stands for."""
    kinds = list(_chain(error))

    def is_a(*types: type[BaseException]) -> bool:
        return any(isinstance(step, types) for step in kinds)

    if is_a(requests.exceptions.SSLError, urllib3.exceptions.SSLError):
        return errors.Unreachable(
            f"{request}: the server's certificate was not accepted.",
            hint="Is the host name right? Behind a company proxy, REQUESTS_CA_BUNDLE names its certificate.",
            request=request,
        )
    if is_a(urllib3.exceptions.NameResolutionError):
        return errors.Unreachable(
            f"{request}: the host name is unknown.",
            hint="Check the spelling of the URL and the network.",
            request=request,
            retryable=True,
        )
    # Before the time-out, of which urllib3 makes it a kind.
    if is_a(urllib3.exceptions.NewConnectionError, requests.exceptions.ProxyError):
        return errors.Unreachable(
            f"{request}: the connection was refused; nothing was sent.",
            hint="Is the server running, and is the URL right?",
            request=request,
            retryable=True,
        )
    if is_a(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError):
        return errors.Unreachable(
            f"{request}: no connection within {settings.connect_timeout:g} s.",
            hint="Is the server reachable from here?",
            request=request,
            retryable=True,
        )
    if is_a(requests.exceptions.ReadTimeout, urllib3.exceptions.ReadTimeoutError):
        return errors.TimedOut(
            f"{request}: no answer within {settings.read_timeout:g} s.",
            hint="The server may be busy; try again later, or ask for less.",
            request=request,
        )
    if is_a(requests.exceptions.ContentDecodingError, urllib3.exceptions.DecodeError):
        return errors.ConnectionLost(
            f"{request}: the compressed answer is damaged.",
            hint="Try again; where it goes on, look at any proxy between here and the server.",
            request=request,
            retryable=True,
        )
    return errors.ConnectionLost(
        f"{request}: the connection broke before the answer was complete.",
        hint="Try again; where it goes on, look at the network and any proxy.",
        request=request,
        retryable=True,
    )

"""The embedded server: a thread that serves one state on a loopback port."""

from __future__ import annotations

import importlib.util
import ipaddress
import secrets
import socket
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from mkframe._text import short_repr
from mkframe.demo_server.data.projects import MIN_INSTANCES
from mkframe.errors import InputError

_START_TIMEOUT = 10.0
_STOP_TIMEOUT = 5.0
_HINT = "Leave an option out to have its default."


@dataclass(frozen=True, slots=True)
class Login:
    """An e-mail address and its password, which stays out of the repr."""

    email: str
    password: str = field(repr=False)


class Server:
    """An embedded MetaKraftwerk: real HTTP on a loopback port; no account is needed.

    It answers the documented API except POST /instances, whose body is not described. Its builds are a
    generated history. `stop` keeps all data: a `start` after it continues on the same port.

    Parameters
    ----------
    builds : int, default 2000
        Builds in the history.
    seed : int, default 7
        Seed of the history; the same seed and `at` give the same responses, byte for byte.
    at : datetime or str, optional
        End of the history, with a time zone, such as ``"2026-06-17T09:30Z"``. The history then stays as it
        is at that time: numbers do not depend on the clock, and an answer that has not changed is a 304.
        By default it ends at the present minute, its running builds go on, and other days have other
        numbers.
    host : str, default "127.0.0.1"
        Address of this machine to listen on, a loopback one: ``127.0.0.1``, ``::1`` or ``localhost``.
    port : int, default 0
        Port; 0 takes a free one.
    token_lifetime : float, default 3600.0
        Seconds until a token expires.
    build_seconds : float, default 6.0
        About how many seconds a started build runs.
    latency : float, default 0.0
        Seconds by which each response is delayed.
    instances : int, optional
        Instances in all projects besides those of `planted`, 373 or more; 373 by default.

    Attributes
    ----------
    email, password : str
        A login with all permissions; the password is random.
    viewer : Login
        A login that may see one project, and may neither start builds nor download.

    Raises
    ------
    ImportError
        On start, if the server's libraries are not installed.

    Examples
    --------
    >>> with Server(builds=20) as server:
    ...     server.url.startswith("http://127.0.0.1:"), server.email
    (True, 'demo@example.com')
    """

    def __init__(
        self,
        builds: int = 2000,
        *,
        seed: int = 7,
        at: datetime | str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token_lifetime: float = 3600.0,
        build_seconds: float = 6.0,
        latency: float = 0.0,
        instances: int | None = None,
    ) -> None:
        if builds < 0 or seed < 0 or token_lifetime < 0 or build_seconds < 0 or latency < 0:
            raise InputError(
                "builds, seed, token_lifetime, build_seconds and latency must not be negative.", hint=_HINT
            )
        moment = _moment(at)
        if not isinstance(host, str):
            raise InputError(f"host is {short_repr(host)}, not a text.", hint=_HINT)
        if instances is not None and instances < MIN_INSTANCES:
            raise InputError(f"instances is {instances}, but the history needs {MIN_INSTANCES}.", hint=_HINT)
        self.email, self.password = "demo@example.com", secrets.token_urlsafe(16)
        self.viewer = Login("viewer@example.com", secrets.token_urlsafe(16))
        self._builds, self._seed, self._at, self._instances = builds, seed, moment, instances
        self._host, self._port = host, port
        self._token_lifetime, self._build_seconds, self._latency = token_lifetime, build_seconds, latency
        self._app: Any = None
        self._running: tuple[Any, threading.Thread] | None = None

    def __repr__(self) -> str:
        return f"<embedded MetaKraftwerk {self.url if self._running else 'stopped'}>"

    @property
    def url(self) -> str:
        """The base URL; known once the server has been started."""
        if not self._port:
            raise RuntimeError("The embedded server has no port yet: call start() first.")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}/api/v1"

    def start(self) -> Self:
        """Serve in a thread until `stop`; return this server. A running server is left as it is."""
        if self._running:
            return self
        make_app, make_server = _load()
        if self._app is None:
            self._app = make_app(self)
        sock = self._bind()
        server = make_server(self._app)
        thread = threading.Thread(target=server.run, args=([sock],), name="mkframe-embedded", daemon=True)
        self._running = server, thread
        try:
            thread.start()
            deadline = time.monotonic() + _START_TIMEOUT
            while not server.started and thread.is_alive() and time.monotonic() < deadline:
                time.sleep(0.005)
            if not server.started:
                raise RuntimeError("The embedded server did not start.")
        except BaseException:  # also Ctrl-C: nothing may listen afterwards
            self.stop()
            sock.close()
            raise
        self._port = sock.getsockname()[1]
        return self

    def _bind(self) -> socket.socket:
        """Bind the port; accept no connection before its address is known to be a loopback one."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio switches Nagle's delay of 40 ms off only if the protocol is given
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            # On Windows, SO_REUSEADDR would let another program listen on the same port.
            option = getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR)
            sock.setsockopt(socket.SOL_SOCKET, option, 1)
            sock.bind((self._host, self._port))
            if not ipaddress.ip_address(sock.getsockname()[0]).is_loopback:
                raise OSError("it is not a loopback address, and others could reach it")
        except (OSError, OverflowError, TypeError, ValueError) as error:
            sock.close()
            raise InputError(
                f"Port {short_repr(self._port)} of {short_repr(self._host)} cannot be listened on: "
                f"{getattr(error, 'strerror', None) or error}.",
                hint="Leave host and port out to have a free port of 127.0.0.1.",
            ) from error
        return sock

    def add_project(self, name: str) -> int:
        """Add an empty project, for patterns of `add_pattern`; return its ID.

        Parameters
        ----------
        name : str
            Name of the project.

        Raises
        ------
        InputError
            If the server has not been started, or has a project of this name.

        Examples
        --------
        A project with a hotfix that the next release lacks:

        >>> with Server(builds=0) as server:
        ...     project = server.add_project("P1")
        ...     ids = server.add_releases(
        ...         "P1_GROUP",
        ...         [
        ...             {"name": "R1", "closed": True},
        ...             {"name": "R1_HF", "hotfix_of": "R1"},
        ...             {"name": "R2", "previous": "R1"},
        ...         ],
        ...     )
        ...     rows = [
        ...         ("/RAW", "CUSTOMER", "R1", ["SK", "CUSTOMER_HK", "CHAR"]),
        ...         ("/RAW", "CUSTOMER", "R1_HF", ["SK", "CUSTOMER_HK", "BINARY"]),
        ...         ("/RAW", "CUSTOMER", "R2", ["SK", "CUSTOMER_HK", "CHAR"]),
        ...     ]
        ...     properties = {"FUNCTIONAL_ROLE": "string", "NAME": "string", "DATA_TYPE": "string"}
        ...     server.add_pattern(
        ...         project,
        ...         "P1_HUB",
        ...         properties=properties,
        ...         roles={"SK": "Overwrite"},
        ...         rows=rows,
        ...         group="P1_GROUP",
        ...         commits=[
        ...             {"FOLDER": "/RAW", "INSTANCE": "CUSTOMER", "RELEASE": "R1_HF", "TYPE": "Commit",
        ...              "STATUS": "FINISHED", "USER_NAME": "anna", "COMMIT_TIMESTAMP": 1775124880390,
        ...              "DELETED": 0},
        ...         ],
        ...         instances={("/RAW", "CUSTOMER"): {"errors": 2}},
        ...     )
        """
        return int(self._planting().add_project(name))

    def add_releases(self, group: str, releases: Sequence[Mapping[str, Any]]) -> dict[str, int]:
        """Add a release group, and releases to it; return their IDs by name.

        Parameters
        ----------
        group : str
            Name of the group; one that is there already gets further releases.
        releases : sequence of mapping
            ``name``; optionally ``description`` str, ``start`` and ``end`` datetime with a zone, ``closed``
            and ``deleted`` bool, ``hotfix_of`` and ``previous`` names of releases of the group.

        Raises
        ------
        InputError
            If the server has not been started, or a release has no name, an unknown key or release.
        """
        found: dict[str, int] = self._planting().add_releases(group, releases)
        return found

    def add_pattern(
        self,
        project: int,
        name: str,
        *,
        properties: Mapping[str, str],
        roles: Mapping[str, str],
        rows: Sequence[tuple[str, str, str | None, Sequence[Any]]] = (),
        releases: Sequence[str] | None = None,
        group: str | None = None,
        commits: Sequence[Mapping[str, Any]] = (),
        deliveries: Sequence[Mapping[str, Any]] = (),
        labels: Sequence[Mapping[str, Any]] = (),
        instances: Mapping[tuple[str, str], Mapping[str, Any]] | None = None,
    ) -> None:
        """Add a pattern with its metadata rows, to read and to insert into by SQL.

        The endpoints list the pattern, its properties and roles, and its instances, unless the server has a
        pattern of this name: then only the views are replaced. Instances cannot be built, and no build
        belongs to the commits and deliveries.

        Parameters
        ----------
        project : int
            Project ID.
        name : str
            Name of the pattern.
        properties : mapping of str to str
            Instance properties in their order, with their types (``string``, ``integer``, ``decimal`` or
            ``timestamp``); FUNCTIONAL_ROLE and NAME are among them.
        roles : mapping of str to str
            Functional roles with their merge strategies: Overwrite, Retain, Merge or Add New.
        rows : sequence of tuple, optional
            Folder, instance, release and properties of each metadata row, in their order.
        releases : sequence of str, optional
            Names of the releases of its group; by default those of `group`, or None without one.
        group : str, optional
            Name of its release group, of `add_releases`.
        commits, deliveries, labels : sequence of mapping, optional
            Rows of the views COMMITS, DELIVERIES and INSTANCE_LABELS, by the names of their columns but
            PATTERN; columns that are not named are null.
        instances : mapping, optional
            Fields of ``GET /instances``, by folder and instance, such as ``{"errors": 2, "deleted": True}``.
            An instance that is named here need not have rows.

        Raises
        ------
        InputError
            If the server has not been started, a property is missing, a strategy or group unknown, or if a
            view has no such column.
        """
        self._planting().add_pattern(
            project, name, properties, roles, rows, releases, group,
            {"COMMITS": commits, "DELIVERIES": deliveries, "INSTANCE_LABELS": labels}, instances or {},
        )  # fmt: skip

    def _planting(self) -> Any:
        if self._app is None:
            raise InputError("The server has no data yet.", hint="Call start() first.")
        return self._app.state.planting

    def stop(self) -> None:
        """Close the port and all connections; the data is kept."""
        if self._running:
            server, thread = self._running
            self._running = None
            server.stop()
            if not thread.ident:
                return  # the thread was never started
            thread.join(_STOP_TIMEOUT)
            if thread.is_alive():
                server.force_exit = True
                thread.join(_STOP_TIMEOUT)

    def close(self) -> None:
        """Stop, and delete the data."""
        self.stop()
        if self._app:
            self._app.state.close()
        self._app = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_app(self) -> Any:
        from mkframe.demo_server.app import make_app
        from mkframe.demo_server.auth import Logins
        from mkframe.demo_server.state import State

        seconds = self._at.timestamp() if self._at else time.time() // 60 * 60
        frozen = self._at is not None
        state = State(
            self._builds, self._seed, round(seconds * 1000), frozen, self._build_seconds, self._instances
        )
        logins = Logins(self.password, self.viewer.password, self._token_lifetime)
        return make_app(state, logins, self._latency)


def _moment(at: datetime | str | None) -> datetime | None:
    hint = 'Give at="2026-06-17T09:30Z".'
    if isinstance(at, str):
        try:
            at = datetime.fromisoformat(at)
        except ValueError as error:
            raise InputError(f"at={short_repr(at)} is no time.", hint=hint) from error
    if at is not None and not isinstance(at, datetime):
        raise InputError(f"at={short_repr(at)} is no time.", hint=hint)
    if at is not None and at.tzinfo is None:
        raise InputError(f"at={short_repr(at.isoformat())} has no time zone.", hint=hint)
    return at


def _load() -> tuple[Any, Any]:
    """Import the modules that only a running server needs."""
    try:
        from mkframe.demo_server import app, uvicorn_server  # noqa: F401

        for library in ("sqlglot", "regex"):  # imported by the first statement
            if importlib.util.find_spec(library) is None:
                raise ImportError(name=library)
    except ImportError as err:
        raise ImportError(
            f'The embedded server needs {err.name}, which is not installed. Try: pip install "mkframe[demo]"'
        ) from err
    return Server._make_app, uvicorn_server.make_server

"""`connect` and the client.

The import fails where a resource of the schema has no accessor here, or where an accessor and the schema
disagree.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, get_type_hints

import pandas as pd

from mkframe import _page, settings
from mkframe._clock import whole_numbers
from mkframe._http import Transport
from mkframe._http.timeouts import CancelScope as CancelScope
from mkframe._pandas import as_text
from mkframe._text import single_line
from mkframe.client._accessor import Accessor, check_accessors
from mkframe.client._builds import BuildDeployments, Builds
from mkframe.client._downloads import Downloads
from mkframe.client._metadata import Metadata
from mkframe.client._resources import (
    AgentGroups,
    Agents,
    Deployments,
    FunctionalRoles,
    InstanceFolders,
    InstanceProperties,
    Instances,
    Labels,
    Patterns,
    PatternVariables,
    Projects,
    ReleaseGroups,
    Releases,
)
from mkframe.client._traceback import shorten_tracebacks
from mkframe.client._views import Views
from mkframe.errors import InputError
from mkframe.frames._explode import names_of
from mkframe.limits import Limits
from mkframe.schema import RESOURCES

_MAX_NAMES = 8

__all__ = ["Accessor", "Client", "Identity", "connect"]


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    email: str | None = None,
    password: str | None = None,
    limits: Limits | None = None,
) -> Client:
    """Connect to a MetaKraftwerk server; nothing is sent until the first request.

    Parameters
    ----------
    url : str, optional
        Base URL; else ``MKFRAME_URL``, else ``https://app.metakraftwerk.com/api/v1``.
    token : str, optional
        Access token; else ``MKFRAME_TOKEN``, else the keyring's entry for service ``mkframe`` and the
        base URL as user.
    email, password : str, optional
        Login, used when there is no token or it has expired; else ``MKFRAME_EMAIL`` and
        ``MKFRAME_PASSWORD``. What the environment holds is used only for the host that
        ``MKFRAME_URL`` names, or else the vendor's.
    limits : mk.Limits, optional
        Most bytes of an answer, and how slowly it may come.

    Returns
    -------
    Client

    Raises
    ------
    InputError
        If the URL or `limits` is invalid, or e-mail or password lacks the other.

    Examples
    --------
    >>> connect("https://app.metakraftwerk.com/api/v1", token="...")
    <mkframe client of https://app.metakraftwerk.com/api/v1>
    """
    texts = {"url": url, "token": token, "email": email, "password": password}
    invalid = [name for name, text in texts.items() if text is not None and not isinstance(text, str)]
    try:
        if invalid:
            raise InputError(f"{' and '.join(invalid)} must be text.", hint=f"Write {invalid[0]}='...'.")
        return Client(Transport(settings.load(**texts, limits=limits)))
    except Exception as error:
        # A traceback shows the variables of its frames, where somebody asks it to.
        token = password = None
        texts.clear()
        raise error.with_traceback(None) from None


@dataclass(frozen=True, slots=True)
class Identity:
    """User of a client at its server; it holds no secret.

    Parameters
    ----------
    email : str, optional
        E-mail of the login; None where there is a token and no login.
    token_expires : datetime, optional
        When the token expires, in UTC; None before the first request, or where the token does not say it.
    can_log_in : bool
        Whether the client gets a new token by itself once this one has expired.
    """

    email: str | None = None
    token_expires: dt.datetime | None = None
    can_log_in: bool = False


@shorten_tracebacks
class Client(Views):
    """A connection to one MetaKraftwerk server.

    Each resource is an attribute: ``client.builds.find(project="DEMO_PROJECT")``,
    ``client.builds.get(5139)``.
    No attribute sends anything; only the calls do.
    """

    projects: Projects
    patterns: Patterns
    instances: Instances
    instance_folders: InstanceFolders
    builds: Builds
    downloads: Downloads
    deployments: Deployments
    build_deployments: BuildDeployments
    metadata: Metadata
    functional_roles: FunctionalRoles
    instance_properties: InstanceProperties
    pattern_variables: PatternVariables
    labels: Labels
    releases: Releases
    release_groups: ReleaseGroups
    agents: Agents
    agent_groups: AgentGroups

    def __init__(self, transport: Transport, *, on_close: Callable[[], None] | None = None) -> None:
        super().__init__(transport)
        self._on_close = on_close
        for name, accessor in _ACCESSORS.items():
            setattr(self, name, accessor(transport))

    def __repr__(self) -> str:
        return f"<mkframe client of {self.url}>"

    def _repr_html_(self) -> str:
        """Say in a notebook who is connected where, and what to try next; nothing is sent."""
        names = [single_line(name, 60) for name in self.projects.seen]
        more = f" and {len(names) - _MAX_NAMES} more" if len(names) > _MAX_NAMES else ""
        known = ", ".join(names[:_MAX_NAMES]) + more if names else "not asked yet: client.projects.find()"
        example = next((name for name in names if name.isidentifier()), "MY_PROJECT")
        rows = {
            "server": self.url,
            "account": self._account_text(),
            "projects": known,
            "try next": f'builds = client.builds.find(project="{example}"); mk.charts.durations(builds);',
        }
        return _page.table(["mkframe client", ""], list(rows.items()))

    def _account_text(self) -> str:
        identity = self.identity
        who = single_line(identity.email, 100) if identity.email else "access token"
        if identity.token_expires is None:
            return f"{who}, not logged in yet" if identity.can_log_in else who
        until = f"{identity.token_expires:%Y-%m-%d %H:%M} UTC"
        return f"{who}, token until {until}{', then renewed' if identity.can_log_in else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return self._transport.settings.url

    @property
    def identity(self) -> Identity:
        """The user and when the token expires, as far as the client knows; nothing is sent."""
        settings = self._transport.settings
        email = settings.email if settings.can_log_in else None
        return Identity(email, self._transport.token_expires, settings.can_log_in)

    @property
    def server_time(self) -> dt.datetime | None:
        """Clock of the server in UTC, by the ``Date`` of its last answer; None before one, nothing is sent.

        The starts of builds are of that clock. It is exact to about a second, and does not depend on the
        clock of this machine.
        """
        return self._transport.server_time

    def close(self) -> None:
        """Close all connections, and the embedded server where there is one."""
        self._transport.close()
        if self._on_close is not None:
            self._on_close()

    def add_names(self, builds: pd.DataFrame) -> pd.DataFrame:
        """Add names beside the ids of builds; three requests are sent, whatever the number of builds.

        Parameters
        ----------
        builds : DataFrame
            Builds, as `find` or `mk.read_json` return them.

        Returns
        -------
        DataFrame
            The same builds and columns, then ``project`` str, ``pattern_names`` and ``release_names``
            (lists of str). An id that the server does not list has no name: missing in ``project``, its
            number as text in the lists. Users stay ids: their names are in `deliveries`, by build.

        Raises
        ------
        InputError
            If this is no frame, or it lacks ``project_id``, ``patterns`` or ``releases``.
        """
        if not isinstance(builds, pd.DataFrame):
            kind = type(builds).__name__
            raise InputError(
                f"A frame of builds was expected, not {kind}.", hint="For a row: row.to_frame().T."
            )
        for column in ("project_id", "patterns", "releases"):
            if column not in builds.columns:
                raise InputError(f"The frame has no column {column!r}.", hint="Give a frame of builds.")
        result = builds.assign(
            project=as_text(whole_numbers(builds["project_id"]).map(self.projects.find()["name"])),
            pattern_names=names_of(builds["patterns"], self.patterns.find()["name"]),
            release_names=names_of(builds["releases"], self.releases.find()["name"]),
        )
        result.attrs = dict(builds.attrs)
        return result


_ACCESSORS: dict[str, type[Accessor]] = get_type_hints(Client)
"""Accessor classes by attribute of the client."""
check_accessors(_ACCESSORS, RESOURCES.values())


def __dir__() -> list[str]:
    return sorted(__all__)

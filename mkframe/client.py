# mypy: disable-error-code="empty-body"
"""`connect`, the client, and one accessor for each resource.

The signatures are written out, so that Tab, Shift-Tab and type checkers see them; their texts come from
the schema, and importing this module fails where a signature and the schema disagree.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, ParamSpec, Self

import pandas as pd

from mkframe import frames, inputs, settings
from mkframe.errors import InputError
from mkframe.schema import RESOURCES
from mkframe.transport import Transport

__all__ = ["Accessor", "Client", "connect"]

P = ParamSpec("P")
Id = int | None
Name = str | int | None
Text = str | None
Truth = bool | None
ReleaseNames = Mapping[str, str] | None

_WORDS = {"int": "int", "str": "str", "bool": "bool", "releases": "mapping of str to str"}


def connect(
    url: str | None = None,
    token: str | None = None,
    *,
    email: str | None = None,
    password: str | None = None,
) -> Client:
    """Connect to a MetaKraftwerk server; nothing is sent until the first question.

    Parameters
    ----------
    url : str, optional
        Base URL; else ``MKFRAME_URL``, else ``https://app.metakraftwerk.com/api/v1``.
    token : str, optional
        Access token; else ``MKFRAME_TOKEN``, else the keyring's word for service ``mkframe`` and the
        base URL as user.
    email, password : str, optional
        Login, used when there is no token or it has expired; else ``MKFRAME_EMAIL`` and
        ``MKFRAME_PASSWORD``.

    Returns
    -------
    Client

    Raises
    ------
    InputError
        If the URL is unfit, or e-mail or password lacks the other.

    Examples
    --------
    >>> connect("https://app.metakraftwerk.com/api/v1", token="...")
    <mkframe client of https://app.metakraftwerk.com/api/v1>
    """
    return Client(Transport(settings.load(url, token, email, password)))


def _find(method: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Give a find its body and its docstring; its signature says only what may be asked."""

    @functools.wraps(method)
    def find(self: Accessor, **given: Any) -> pd.DataFrame:
        return self._find(given)

    return find  # type: ignore[return-value]


class Accessor:
    """What one resource can be asked."""

    resource: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __repr__(self) -> str:
        verbs = ", ".join(f"{verb}()" for verb in RESOURCES[self.resource].verbs if hasattr(self, verb))
        return f"<{self.resource} of {self._transport.settings.url}: {verbs}>"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        find = vars(cls).get("find")
        if find is not None:
            _check_signature(cls.resource, find)
            find.__doc__ = _find_doc(cls.resource)

    def _find(self, given: Mapping[str, Any]) -> pd.DataFrame:
        params = inputs.query(self.resource, given)
        read = functools.partial(frames.decode, self.resource)
        frame = self._transport.get(f"/{self.resource}", params, into=read)
        frame.attrs = {
            "resource": self.resource,
            "filters": params,
            "loaded_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        }
        return frame


class _Gettable(Accessor):
    def get(self, id: int) -> pd.Series[Any]:
        """Load one row by its id.

        Parameters
        ----------
        id : int
            Its id; where only the name is known, use `find`.

        Returns
        -------
        Series
            Fields as in `find`, named by the id.

        Raises
        ------
        InputError
            If the id is not a whole number; nothing was sent.
        NotFound
            If there is no such row.
        """
        number = inputs.identifier("id", id)
        read = functools.partial(frames.decode_one, self.resource)
        return self._transport.get(f"/{self.resource}/{number}", into=read)


def _check_signature(resource: str, find: Callable[..., Any]) -> None:
    written = [name for name in inspect.signature(find).parameters if name != "self"]
    declared = [f.name for f in RESOURCES[resource].filters]
    if written != declared:
        raise TypeError(f"{resource}.find takes {written}, but the schema declares {declared}.")


def _find_doc(resource: str) -> str:
    """The docstring of a find, told by the schema."""
    known = RESOURCES[resource]
    filters = "\n".join(
        f"{f.name} : {_accepted(resource, f.name)}, optional\n    {f.doc}" for f in known.filters
    )
    columns = "\n".join(
        f"    ``{f.name}`` {frames.dtype_of(f)}: {f.doc}" for f in known.fields if f.name != known.key
    )
    rules = "".join(
        f"    If {'not exactly one' if g.required else 'more than one'} of {', '.join(g.names)} is given.\n"
        for g in known.exclusive
    )
    gaps = "".join(f"* {gap}\n" for gap in known.gaps)
    parameters = f"\nParameters\n----------\n{filters}\n" if filters else ""
    notes = f"\nNotes\n-----\nOpen in the vendor's reference:\n\n{gaps}" if gaps else ""
    return (
        f"{known.doc}\n\nFind all, or those that match every filter.\n{parameters}\n"
        f"Returns\n-------\nDataFrame\n    Indexed by ``{known.key}`` int64, one row each.\n\n{columns}\n\n"
        f"Raises\n------\nInputError\n    If a filter is of the wrong type; nothing was sent.\n{rules}"
        f"NotFound\n    If a name or id does not exist and the server says so.\n{notes}"
    )


def _accepted(resource: str, name: str) -> str:
    known = {f.name: f for f in RESOURCES[resource].filters}
    word = _WORDS[known[name].type]
    return f"{word} or int" if f"{name}_id" in known else word


class Projects(_Gettable):
    resource = "projects"

    @_find
    def find(self, *, name: Text = None) -> pd.DataFrame: ...


class Patterns(_Gettable):
    resource = "patterns"

    @_find
    def find(self, *, name: Text = None) -> pd.DataFrame: ...


class Instances(_Gettable):
    resource = "instances"

    @_find
    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        folder: Text = None,
        name: Text = None,
        releases: ReleaseNames = None,
        checked_out: Truth = None,
        checked_out_by_user_id: Id = None,
        checked_out_by_user: Name = None,
        deleted: Truth = None,
        upload_disabled: Truth = None,
        insert_disabled: Truth = None,
        build_disabled: Truth = None,
        edit_disabled: Truth = None,
        invalid: Truth = None,
    ) -> pd.DataFrame: ...


class InstanceFolders(_Gettable):
    resource = "instance_folders"

    @_find
    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        name: Text = None,
        deleted: Truth = None,
    ) -> pd.DataFrame: ...


class Builds(_Gettable):
    resource = "builds"

    @_find
    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        user: Name = None,
        user_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        releases: ReleaseNames = None,
    ) -> pd.DataFrame: ...


class Downloads(Accessor):
    resource = "downloads"

    @_find
    def find(self, *, build_id: Id = None, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame: ...


class Deployments(_Gettable):
    resource = "deployments"

    @_find
    def find(self, *, pattern: Name = None, pattern_id: Id = None, name: Text = None) -> pd.DataFrame: ...


class BuildDeployments(Accessor):
    resource = "build_deployments"

    @_find
    def find(
        self,
        *,
        build_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        deployment: Name = None,
        deployment_id: Id = None,
    ) -> pd.DataFrame: ...


class Metadata(Accessor):
    resource = "metadata"


class FunctionalRoles(_Gettable):
    resource = "functional_roles"

    @_find
    def find(self, *, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame: ...


class InstanceProperties(_Gettable):
    resource = "instance_properties"

    @_find
    def find(self, *, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame: ...


class PatternVariables(Accessor):
    resource = "pattern_variables"

    @_find
    def find(
        self,
        *,
        pattern: Name = None,
        pattern_id: Id = None,
        project: Name = None,
        project_id: Id = None,
        instance_folder: Name = None,
        instance_folder_id: Id = None,
        instance: Name = None,
        instance_id: Id = None,
        name: Text = None,
        value: Text = None,
    ) -> pd.DataFrame: ...


class Labels(_Gettable):
    resource = "labels"

    @_find
    def find(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        name: Text = None,
        color: Text = None,
    ) -> pd.DataFrame: ...


class Releases(_Gettable):
    resource = "releases"

    @_find
    def find(
        self, *, group: Name = None, group_id: Id = None, name: Text = None, closed: Truth = None
    ) -> pd.DataFrame: ...


class ReleaseGroups(_Gettable):
    resource = "release_groups"

    @_find
    def find(self, *, name: Text = None) -> pd.DataFrame: ...


class Agents(_Gettable):
    resource = "agents"

    @_find
    def find(
        self,
        *,
        name: Text = None,
        agent_id: Text = None,
        online: Truth = None,
        group_id: Id = None,
        group: Name = None,
    ) -> pd.DataFrame: ...


class AgentGroups(_Gettable):
    resource = "agent_groups"

    @_find
    def find(self, *, name: Text = None) -> pd.DataFrame: ...


class Client:
    """A connection to one MetaKraftwerk server.

    Each resource is an attribute: ``kraft.builds.find(project="DEMO_PROJECT")``, ``kraft.builds.get(5139)``.
    No attribute sends anything; only the calls do.
    """

    def __init__(self, transport: Transport, *, on_close: Callable[[], None] | None = None) -> None:
        self._transport = transport
        self._on_close = on_close
        self.projects = Projects(transport)
        self.patterns = Patterns(transport)
        self.instances = Instances(transport)
        self.instance_folders = InstanceFolders(transport)
        self.builds = Builds(transport)
        self.downloads = Downloads(transport)
        self.deployments = Deployments(transport)
        self.build_deployments = BuildDeployments(transport)
        self.metadata = Metadata(transport)
        self.functional_roles = FunctionalRoles(transport)
        self.instance_properties = InstanceProperties(transport)
        self.pattern_variables = PatternVariables(transport)
        self.labels = Labels(transport)
        self.releases = Releases(transport)
        self.release_groups = ReleaseGroups(transport)
        self.agents = Agents(transport)
        self.agent_groups = AgentGroups(transport)

    def __repr__(self) -> str:
        return f"<mkframe client of {self.url}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Base URL of the server."""
        return self._transport.settings.url

    def close(self) -> None:
        """Close all connections, and the embedded server where there is one."""
        self._transport.close()
        if self._on_close is not None:
            self._on_close()

    def names(self, builds: pd.DataFrame) -> pd.DataFrame:
        """Add names beside the ids of builds; three questions are sent, whatever the number of builds.

        Parameters
        ----------
        builds : DataFrame
            Builds, as `find` or `mk.read_json` return them.

        Returns
        -------
        DataFrame
            The same builds and columns, then ``project`` str, ``pattern_names`` and ``release_names``
            (lists of str). An id that the server does not list has no name: missing in ``project``, its
            number as text in the lists. Users stay ids: their names are not in the API.

        Raises
        ------
        InputError
            If the frame lacks ``project_id``, ``patterns`` or ``releases``.
        """
        for column in ("project_id", "patterns", "releases"):
            if column not in builds.columns:
                raise InputError(f"The frame has no column {column!r}.", hint="Give a frame of builds.")
        named = builds.assign(
            project=builds["project_id"].map(self.projects.find()["name"]).astype("str"),
            pattern_names=_named(builds["patterns"], self.patterns.find()["name"]),
            release_names=_named(builds["releases"], self.releases.find()["name"]),
        )
        named.attrs = dict(builds.attrs)
        return named


def _named(lists: pd.Series[Any], names: pd.Series[str]) -> pd.Series[Any]:
    """Lists of ids as lists of names."""
    known = names.to_dict()
    named = [[known.get(i, str(i)) for i in ids] if ids else [] for ids in lists]
    return pd.Series(named, index=lists.index, dtype=object)

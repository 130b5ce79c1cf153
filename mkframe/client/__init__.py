# mypy: disable-error-code="empty-body"
"""`connect`, the client, and one accessor for each resource.

The signatures are written out, so that Tab, Shift-Tab and type checkers see them; their texts come from
the schema, and importing this module fails where a signature and the schema disagree.
"""

from __future__ import annotations

import datetime as dt
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, ParamSpec, Self, overload

import pandas as pd

from mkframe import _validation, artifacts, frames, settings
from mkframe import builds as _builds
from mkframe._http import Transport
from mkframe._text import single_line
from mkframe.builds import _marker
from mkframe.client import _metadata
from mkframe.errors import InputError
from mkframe.frames._explode import listed
from mkframe.limits import Limits
from mkframe.schema import RESOURCES

__all__ = ["Accessor", "Client", "Identity", "connect"]

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
    limits: Limits | None = None,
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
        If the URL or `limits` is unfit, or e-mail or password lacks the other.

    Examples
    --------
    >>> connect("https://app.metakraftwerk.com/api/v1", token="...")
    <mkframe client of https://app.metakraftwerk.com/api/v1>
    """
    words = {"url": url, "token": token, "email": email, "password": password}
    unfit = [name for name, word in words.items() if word is not None and not isinstance(word, str)]
    try:
        if unfit:
            raise InputError(f"{' and '.join(unfit)} must be text.", hint=f"Write {unfit[0]}='...'.")
        return Client(Transport(settings.load(**words, limits=limits)))
    except Exception as error:
        # A traceback shows the variables of its frames, where somebody asks it to.
        token = password = None
        words.clear()
        raise error.with_traceback(None) from None


def _find(method: Callable[P, pd.DataFrame]) -> Callable[P, pd.DataFrame]:
    """Give a find its body and its docstring; its signature says only what may be asked."""

    @functools.wraps(method)
    def find(self: Accessor, *unnamed: Any, **given: Any) -> pd.DataFrame:
        if unnamed:
            names = [f.name for f in RESOURCES[self.resource].filters]
            raise InputError(
                f"{self.resource}.find takes filters by name only.", hint=f"Write {names[0]}=..."
            )
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
        params = _validation.query_params(self.resource, given)
        read = functools.partial(frames.decode, self.resource, limits=self._transport.settings.limits)
        frame = self._transport.get(f"/{self.resource}", params, into=read, kind="find")
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
        NotFoundError
            If there is no such row.
        """
        number = _validation.as_id("id", id)
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
    told = "".join(f"* {note}\n" for note in known.notes)
    parameters = f"\nParameters\n----------\n{filters}\n" if filters else ""
    notes = (
        f"\nNotes\n-----\nWhat to know, and what the vendor's reference leaves open:\n\n{told}"
        if told
        else ""
    )
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

    def start(
        self,
        *,
        instances: Any,
        project: Name = None,
        project_id: Id = None,
        releases: ReleaseNames = None,
        description: Text = None,
        restore: bool = False,
        marker: bool | str = True,
        confirm_timeout: float = 6.0,
        warn: bool = True,
    ) -> _builds.BuildStart:
        """Start a build, exactly once.

        Where the answer is lost, the project's builds are searched for the marker before anything is
        said: the build is found and returned, or was not started. The API's ``wait`` is never used,
        since it may time out on long builds: see `wait`.

        Parameters
        ----------
        instances : DataFrame, or list of dict, Series or int
            What to build: rows of ``client.instances.find(...)``, ids, ``{"id": 7}``, or
            ``{"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}``.
        project : str or int, project_id : int
            Exactly one of them.
        releases : mapping of str to str, optional
            Release per release group, at most one each.
        description : str, optional
            Description of the build.
        restore : bool, default False
            Restore deleted instances before building.
        marker : bool or str, default True
            Add a word such as ``[mkframe-0123456789ab]`` to the description, by which the build is found
            when the answer is lost. It is drawn anew for each build; a word of `new_marker` is sent as it
            is, and serves one build only: two builds that carry the same one cannot be told apart.
        confirm_timeout : float, default 6
            Seconds to look for a build whose answer was lost.
        warn : bool, default True
            Show warnings as Python warnings too; in the result they are in any case.

        Returns
        -------
        BuildStart
            ``id``, ``status``, ``warnings`` and ``marker``.

        Raises
        ------
        InputError
            If an argument is unfit; nothing was sent.
        ConnectError
            If no connection could be made; nothing was sent.
        NotStartedError
            If the answer was lost and no build carries the marker.
        StartUnconfirmedError
            If the answer was lost and the builds could not be searched: a build may run.
        ResponseError
            If the server refuses, such as `ForbiddenError` or `NotFoundError`.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     airplane = {"pattern": "CORE_DV_HLS", "folder": "/BUSINESS_VAULT", "name": "AIRPLANE"}
        ...     run = client.builds.start(
        ...         project="DEMO_PROJECT", instances=[airplane], releases={"DWH_GROUP": "R1"}
        ...     )
        >>> run.status
        'BUILDING'
        """
        given = {
            "project": project,
            "project_id": project_id,
            "instances": instances,
            "releases": releases,
            "description": description,
            "restore": restore,
        }
        return _builds.start(
            self._transport, given, marker=marker, confirm_timeout=confirm_timeout, warn=warn
        )

    def new_marker(self) -> str:
        """Draw a word for `start`, so that it is known before anything is sent.

        Returns
        -------
        str
            Such as ``mkframe-0123456789ab``, with twelve random hexadecimal digits.
        """
        return _marker.new_marker()

    def confirm(
        self,
        marker: str,
        *,
        project: Name = None,
        project_id: Id = None,
        confirm_timeout: float = 6.0,
        warn: bool = True,
    ) -> _builds.BuildStart:
        """Find out what became of a build whose start could not be confirmed.

        Parameters
        ----------
        marker : str
            The word that the error `StartUnconfirmedError` or `NotStartedError` names.
        project : str or int, project_id : int, optional
            Where to look; everywhere by default.
        confirm_timeout : float, default 6
            Seconds to look.
        warn : bool, default True
            Show warnings as Python warnings too; in the result they are in any case.

        Returns
        -------
        BuildStart

        Raises
        ------
        NotStartedError
            If no build carries the marker.
        StartUnconfirmedError
            If the builds cannot be searched now.
        """
        given = {"project": project, "project_id": project_id}
        return _builds.confirm(self._transport, marker, given, confirm_timeout=confirm_timeout, warn=warn)

    @overload
    def wait(
        self,
        id: int | _builds.BuildStart | pd.Series[Any],
        *,
        timeout: float | None = ...,
        raise_on_failure: bool = ...,
        progress: bool = ...,
    ) -> pd.Series[Any]: ...

    @overload
    def wait(
        self,
        id: pd.DataFrame | Iterable[int],
        *,
        timeout: float | None = ...,
        raise_on_failure: bool = ...,
        progress: bool = ...,
    ) -> pd.DataFrame: ...

    def wait(
        self,
        id: int | _builds.BuildStart | pd.Series[Any] | pd.DataFrame | Iterable[int],
        *,
        timeout: float | None = None,
        raise_on_failure: bool = False,
        progress: bool = True,
    ) -> pd.Series[Any] | pd.DataFrame:
        """Wait until a build, or several, have ended.

        A server that restarts, fails or is out of reach is asked again; Ctrl-C ends the waiting and not
        the build. FAILED and CANCELED are results like FINISHED.

        Parameters
        ----------
        id : int, BuildStart or Series, or several ids
            Build ID, the result of `start`, or a row of `find`; a list of ids or a frame for several.
        timeout : float, optional
            Seconds to wait at most; without end by default.
        raise_on_failure : bool, default False
            Make an error of a build that does not finish.
        progress : bool, default True
            Show percent, elapsed time and the build's message.

        Returns
        -------
        Series or DataFrame
            The build as `get` returns it; for several ids, the builds as `find` returns them.

        Raises
        ------
        InputError
            If something else than builds is given; nothing was sent.
        WaitTimeoutError
            If the time was over; the build goes on.
        BuildFailedError
            If a build did not finish and `raise_on_failure` is set.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     client.builds.wait(5139, progress=False)["status"]
        'FINISHED'
        """
        numbers, single = _builds.build_ids(id)
        options = {"timeout": timeout, "raise_on_failure": raise_on_failure, "progress": progress}
        rows = _builds.wait(self._transport, numbers, **options)  # type: ignore[arg-type]
        return rows.iloc[0] if single else rows


class Downloads(Accessor):
    resource = "downloads"

    @_find
    def find(self, *, build_id: Id = None, pattern: Name = None, pattern_id: Id = None) -> pd.DataFrame: ...

    def fetch(
        self,
        files: Any,
        *,
        to: str | PathLike[str],
        max_workers: int = 8,
        overwrite: bool = False,
        by_build: bool = False,
        max_bytes: int | None = None,
        progress: bool | Callable[[artifacts.Progress], object] = True,
    ) -> pd.DataFrame:
        """Fetch artifacts into a folder: whole or not at all, never over a different file.

        What is there already and whole is not fetched again. Each file is written beside its target and
        moved when it is complete; a stream that breaks is begun again, and a file that cannot be had
        does not stop the others.

        Parameters
        ----------
        files : DataFrame, Series, int, BuildStart, or a list of these
            Rows of ``client.downloads.find(...)`` or `mk.explode_downloads`, download IDs, or builds: the
            results of ``client.builds.get``, ``wait`` or ``start``. For all artifacts of build 5139:
            ``client.downloads.fetch(client.downloads.find(build_id=5139), to="artifacts")``.
        to : path
            Folder; made where it is missing. Nothing is written outside of it.
        parallel : int, default 8
            How many at a time, up to 16.
        overwrite : bool, default False
            Fetch all again and replace what has their names.
        by_build : bool, default False
            Give each build a folder of its own in `to`, such as ``build-5139``.
        max_bytes : int, optional
            Most bytes of each file, unpacked; else the client's limit for files, 2 GiB by default. A larger
            file is ``failed`` and leaves nothing; the others go on.
        progress : bool or callable, default True
            Show one bar for all. A function is called with a `mkframe.artifacts.Progress` about ten times a
            second and once in the end: bytes and status of each file, and a way to stop, after which
            whole files stay and the others are ``failed``.

        Returns
        -------
        DataFrame
            Indexed by ``id`` int64: ``build_id`` Int64, ``name`` str, ``path`` str, ``bytes`` Int64,
            ``sha256`` str, ``status`` str (fetched, present, refused or failed), ``error`` str.

        Raises
        ------
        InputError
            If an argument is unfit; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk, tempfile
        >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
        ...     client.downloads.fetch([5442], to=folder, progress=False)["status"].tolist()
        ['fetched']
        """
        wanted = self._files(files)
        return artifacts.fetch(
            self._transport,
            wanted,
            to,
            max_workers=max_workers,
            overwrite=overwrite,
            by_build=by_build,
            max_bytes=max_bytes,
            progress=progress,
        )

    def _files(self, files: Any) -> list[artifacts.File]:
        """What a person gives as the files of a fetch."""
        if isinstance(files, pd.DataFrame):
            if not set(files.columns) >= _OF_A_DOWNLOAD or files.index.name != "id":
                raise InputError("The frame is not one of downloads.", hint=_FILES)
            return [*map(_file, files.index, files["build_id"], files["name"])]
        if _builds.is_build(files):
            return self._files(self.find(build_id=_builds.build_id(files)))
        if _validation.is_frame_row(files):
            if not set(files.index) >= _OF_A_DOWNLOAD:
                raise InputError(
                    f"The row {single_line(files.name)} is neither a download nor a build.", hint=_FILES
                )
            return [_file(_validation.row_id(files), files["build_id"], files["name"])]
        _validation.check_ids(files, "id", "download_id")
        if isinstance(files, str) or not isinstance(files, Iterable):
            return [artifacts.File(_validation.as_id("a download id", files))]
        return [file for one in files for file in self._files(one)]


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

    def start(
        self,
        *,
        build_id: int,
        deployment: Text = None,
        deployment_id: Id = None,
        agent_id: Id = None,
        agent_group_id: Id = None,
    ) -> pd.Series[Any]:
        """Start a deployment of a build's results, once.

        The reference names this write but not its body: what is sent here is inferred from the fields of
        a build deployment and unconfirmed. Whether a deployment worked is not in the API.

        Parameters
        ----------
        build_id : int
            Build to deploy.
        deployment : str, deployment_id : int
            Exactly one of them.
        agent_id, agent_group_id : int, optional
            Who shall carry it out.

        Returns
        -------
        Series
            The server's answer, as it came.

        Raises
        ------
        InputError
            If an argument is unfit; nothing was sent.
        StartUnconfirmedError
            If the answer was lost: the deployment may have been started.
        """
        given = {
            "build_id": build_id,
            "deployment": deployment,
            "deployment_id": deployment_id,
            "agent_id": agent_id,
            "agent_group_id": agent_group_id,
        }
        return _builds.deploy(self._transport, given)


class Metadata(Accessor):
    resource = "metadata"

    def query(
        self, sql: str, *, project: Name = None, project_id: Id = None, write: bool = False
    ) -> pd.DataFrame:
        """Run one SQL statement in a project's meta database.

        Parameters
        ----------
        sql : str
            One SELECT or WITH statement, such as ``SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES``.
        project : str or int, project_id : int
            Exactly one of them.
        write : bool, default False
            Let through what does not only read. A guard against accidents: the server runs anything.

        Returns
        -------
        DataFrame
            One row each, numbered from 0; dtypes from the answer's own columns: string str, integer
            Int64, timestamp datetime64[us, UTC] (in which zone the server writes them is not said; those that
            name none are read as UTC, with a warning), any other type as it came.

        Raises
        ------
        InputError
            If it is not one reading statement and `write` is not set; nothing was sent.
        QueryFailedError
            If the statement ends with status ERROR; quotes the server.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     client.metadata.query("SELECT 1 AS ONE", project="DEMO_PROJECT")["ONE"].tolist()
        [1]
        """
        given = {"project": project, "project_id": project_id}
        return _metadata.query(self._transport, sql, given, write=write)


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


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a client is at its server; it holds no secret.

    Parameters
    ----------
    email : str, optional
        Whom the login belongs to; None where there is a token and no login.
    token_expires : datetime, optional
        When the token expires, in UTC; None before the first question, or where the token does not tell.
    can_log_in : bool
        Whether the client gets a new token by itself once this one has expired.
    """

    email: str | None = None
    token_expires: dt.datetime | None = None
    can_log_in: bool = False


class Client:
    """A connection to one MetaKraftwerk server.

    Each resource is an attribute: ``client.builds.find(project="DEMO_PROJECT")``,
    ``client.builds.get(5139)``.
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

    @property
    def identity(self) -> Identity:
        """Who is connected and until when, as far as this side knows it; nothing is sent."""
        settings = self._transport.settings
        email = settings.email if settings.can_log_in else None
        return Identity(email, self._transport.token_expires, settings.can_log_in)

    def close(self) -> None:
        """Close all connections, and the embedded server where there is one."""
        self._transport.close()
        if self._on_close is not None:
            self._on_close()

    def deliveries(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load what the builds of a project delivered: a row for each instance that a build changed.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.DELIVERIES``, indexed by ``ID``; columns as the schema declares.
        """
        return _metadata.view(self._transport, "DELIVERIES", {"project": project, "project_id": project_id})

    def commits(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load the commits of a project's instances, by hand and by builds.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.COMMITS``, numbered from 0. ``COMMIT_TIMESTAMP`` stays Unix
            milliseconds: whether it is UTC is open.
        """
        return _metadata.view(self._transport, "COMMITS", {"project": project, "project_id": project_id})

    def add_names(self, builds: pd.DataFrame) -> pd.DataFrame:
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
            number as text in the lists. Users stay ids: their e-mail addresses are in `deliveries`, by build.

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


_OF_A_DOWNLOAD = {"build_id", "name"}
"""Columns by which a frame or row is known to be one of downloads; other rows have ids, too."""
_FILES = "Give rows of client.downloads.find(...) or mk.explode_downloads(builds), download ids, or builds."


def _file(id: Any, build: Any, name: Any) -> artifacts.File:
    """A file of a row, in which all but the id may be missing."""
    number = None if pd.isna(build) else int(build)
    return artifacts.File(
        _validation.as_id("a download id", id), number, name if isinstance(name, str) else None
    )


def _named(lists: pd.Series[Any], names: pd.Series[str]) -> pd.Series[Any]:
    """Lists of ids as lists of names."""
    known = names.to_dict()
    named = [[known.get(i, str(i)) for i in listed(str(lists.name), ids)] for ids in lists]
    return pd.Series(named, index=lists.index, dtype=object)

"""Accessors of builds and build deployments."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

import pandas as pd

from mkframe import builds
from mkframe.builds import _marker
from mkframe.client._accessor import GettableAccessor, Id, Name, ReleaseNames, Text
from mkframe.client._build_instances import find_instances

if TYPE_CHECKING:
    from mkframe.metrics._eta import EtaFit

__all__ = ["BuildDeployments", "Builds"]


class Builds(GettableAccessor):
    resource = "builds"

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
    ) -> pd.DataFrame:
        return self._find(
            project=project,
            project_id=project_id,
            user=user,
            user_id=user_id,
            pattern=pattern,
            pattern_id=pattern_id,
            releases=releases,
        )

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
    ) -> builds.BuildStart:
        """Start a build, exactly once.

        Where the answer is lost, the project's builds are searched for the marker before the call
        returns. The build is found and returned, or it is unknown whether it was started: the server may
        record it later, and `confirm` looks again. The API's ``wait`` is never used,
        since it may time out on long builds: see `wait`.

        A build may deploy by itself, since patterns can have a deployment that runs after each build; it
        cannot be canceled by the API. Users can edit the description afterwards, and with it the marker.
        Users can delete failed builds, so a failure rate of what the server lists is a lower bound. The web
        application builds neither instances with validation errors, nor what is disabled for builds, nor in
        closed releases; what the API does with them is not documented, and nothing is checked here.

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
            Add a text such as ``[mkframe-0123456789ab]`` to the description, by which the build is found
            when the answer is lost. Each build gets a new one. With a marker of `new_marker`, or of an
            error, the builds are searched first: where one has it, that build is returned with a warning
            and nothing is sent, so the call may be repeated. Of several calls with one marker on this
            machine, one sends and the others wait for it. Use a marker for one build only.
        confirm_timeout : float, default 6
            Seconds to look for a build whose answer was lost, requests included; at least one. Also the
            seconds to look before sending a marker that an earlier start may have used: one that
            `new_marker` did not make in this process, or that was given before.
        warn : bool, default True
            Show warnings as Python warnings too; in the result they are in any case.

        Returns
        -------
        BuildStart
            ``id``, ``status``, ``warnings`` and ``marker``.

        Raises
        ------
        InputError
            If an argument is invalid; nothing was sent.
        ConnectError
            If no connection could be made; nothing was sent.
        StartUnconfirmedError
            If the answer was lost and the build was not found, or could not be searched: it may run.
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
        return builds.start(
            self._transport,
            instances=instances,
            project=project,
            project_id=project_id,
            releases=releases,
            description=description,
            restore=restore,
            marker=marker,
            confirm_timeout=confirm_timeout,
            warn=warn,
        )

    def new_marker(self) -> str:
        """Create a marker for `start`, so that it is known before anything is sent.

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
    ) -> builds.BuildStart:
        """Find out what became of a build whose start could not be confirmed.

        Parameters
        ----------
        marker : str
            The marker that the error `StartUnconfirmedError` names.
        project : str or int, project_id : int, optional
            Project to search; all by default.
        confirm_timeout : float, default 6
            Seconds to look, requests included; at least one.
        warn : bool, default True
            Show warnings as Python warnings too; in the result they are in any case.

        Returns
        -------
        BuildStart

        Raises
        ------
        NotStartedError
            If no build carries the marker by then.
        StartUnconfirmedError
            If the builds cannot be searched now.
        """
        return builds.confirm(
            self._transport,
            marker,
            project=project,
            project_id=project_id,
            confirm_timeout=confirm_timeout,
            warn=warn,
        )

    @overload
    def wait(
        self,
        id: int | builds.BuildStart | pd.Series[Any],
        *,
        timeout: float | None = ...,
        raise_on_failure: bool = ...,
        progress: bool = ...,
        history: pd.DataFrame | bool = ...,
    ) -> pd.Series[Any]: ...

    @overload
    def wait(
        self,
        id: pd.DataFrame | Iterable[int],
        *,
        timeout: float | None = ...,
        raise_on_failure: bool = ...,
        progress: bool = ...,
        history: pd.DataFrame | bool = ...,
    ) -> pd.DataFrame: ...

    def wait(
        self,
        id: int | builds.BuildStart | pd.Series[Any] | pd.DataFrame | Iterable[int],
        *,
        timeout: float | None = None,
        raise_on_failure: bool = False,
        progress: bool = True,
        history: pd.DataFrame | bool = True,
    ) -> pd.Series[Any] | pd.DataFrame:
        """Wait until a build, or several, have ended.

        A server that restarts, fails or cannot be reached is asked again; Ctrl-C ends the waiting and
        not the build. FAILED and CANCELED are results like FINISHED.

        Beside the bar stands how long the build may still take, if it finishes, as a range from similar
        builds; or that it is unusually long. The words are those of `mkframe.metrics.eta`. The time that it
        has run is counted from its start to the server's clock, by the ``Date`` of the last answer, as in
        ``client.server_time``: the clock of this machine may be wrong. An answer without a ``Date`` says
        nothing, and a build that starts over a minute later than that clock is said not to have started.

        Parameters
        ----------
        id : int, BuildStart or Series, or several ids
            Build ID, the result of `start`, or a row of `find`; a list of ids or a frame for several.
        timeout : float, optional
            Seconds to wait at most, requests included; at least one. No limit by default.
        raise_on_failure : bool, default False
            Raise an error for a build that does not finish.
        progress : bool, default True
            Show percent, elapsed time, how long the build may still take, and its message.
        history : DataFrame or bool, default True
            Builds to compare with, such as ``client.builds.find(project=...)``. By default they are loaded:
            one request for the builds of the project, of each project for several, in a thread of its own
            which ends with the wait. It is sent once, after two seconds, where a bar is shown. If it fails,
            the log says so in one line. With False nothing is loaded, and nothing said.

        Returns
        -------
        Series or DataFrame
            The build as `get` returns it; for several ids, the builds as `find` returns them.

        Raises
        ------
        InputError
            If something else than builds is given, or `history` lacks a column; nothing was sent.
        WaitTimeoutError
            If `timeout` has passed; the build continues.
        BuildFailedError
            If a build did not finish and `raise_on_failure` is set.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     client.builds.wait(5139, progress=False)["status"]
        'FINISHED'
        """
        ids, single = builds.build_ids(id)
        rows = builds.wait(
            self._transport,
            ids,
            timeout=timeout,
            raise_on_failure=raise_on_failure,
            progress=progress,
            how_long=builds.HowLong.of(history, _fit, lambda project: self.find(project_id=project)),
        )
        return rows.iloc[0] if single else rows

    def instances(self, build_id: int | builds.BuildStart | pd.Series[Any]) -> pd.DataFrame:
        """Find the instances of a build, changed or not, whatever its status; they are inferred.

        A build names how many instances it has, and no endpoint says which. Every build commits all its
        instances at one moment, so the commits of type Build with one stamp, user and status belong
        together. Those of this build have its status and its number of instances, at its end or start: the
        clock of the commits is measured by all builds of the project, as ``client.commits(utc=)`` tells.
        Where several groups fit, the build's description decides, if it can.

        Parameters
        ----------
        build_id : int, BuildStart or Series
            Build ID, the result of `start`, or a row of `find`; a build that is over.

        Returns
        -------
        DataFrame
            Numbered from 0: ``PATTERN``, ``FOLDER``, ``INSTANCE``, ``RELEASE`` str; ``DELETED`` boolean;
            ``DELIVERED`` boolean, whether the build changed the instance by the view DELIVERIES, missing
            where it did not finish. ``attrs["matched"]`` is a sentence that says how it was found.

        Raises
        ------
        InputError
            If the build still runs, the clock cannot be measured, no group of commits fits or several do, or
            if they fit another build as well.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=300) as client:
        ...     found = client.builds.instances(5139)
        >>> found[["PATTERN", "INSTANCE"]].values.tolist()
        [['CORE_DV_HLS', 'AIRPLANE']]
        """
        row = self.get(builds.build_id(build_id))
        return find_instances(self._transport, row, self.find(project_id=int(row["project_id"])))


def _fit(history: pd.DataFrame, now: dt.datetime) -> EtaFit:
    from mkframe.metrics._eta import EtaFit  # a wait without a bar needs no metrics

    return EtaFit.of(history, now)


class BuildDeployments(GettableAccessor):
    resource = "build_deployments"

    def find(
        self,
        *,
        build_id: Id = None,
        pattern: Name = None,
        pattern_id: Id = None,
        deployment: Name = None,
        deployment_id: Id = None,
    ) -> pd.DataFrame:
        return self._find(
            build_id=build_id,
            pattern=pattern,
            pattern_id=pattern_id,
            deployment=deployment,
            deployment_id=deployment_id,
        )

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
            The agent or group that carries it out.

        Returns
        -------
        Series
            The server's answer, unchanged.

        Raises
        ------
        InputError
            If an argument is invalid; nothing was sent.
        StartUnconfirmedError
            If the answer was lost: the deployment may have been started.
        """
        return builds.deploy(
            self._transport,
            build_id=build_id,
            deployment=deployment,
            deployment_id=deployment_id,
            agent_id=agent_id,
            agent_group_id=agent_group_id,
        )

"""`mk.History`: a file that remembers what the server has shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd

from mkframe._files import expand_path
from mkframe._validation import as_id, as_list, check_timezone
from mkframe.errors import InputError
from mkframe.history import _export, _file, _read, _sync, _take
from mkframe.history._layout import DEFAULT_RESOURCES, VERSIONED, fields_of
from mkframe.history._moments import as_moment
from mkframe.history._sql import run_query

__all__ = ["History"]

AsOf = dt.date | dt.datetime | str | None


class History:
    """A build history in one file, which outlives what the server shows (extra ``history``).

    Every sync asks the server, and stores the rows that are new or have changed; what has not changed costs
    nothing. Rows that the server shows no longer stay, with the time since which they are gone. The file is
    open only while a call reads or writes it, and never while a sync waits for the network.

    Parameters
    ----------
    path : path
        The file, a DuckDB database; the first sync creates it.
    wait : float, default 30
        Seconds for which a call waits while another process uses the file.

    Examples
    --------
    >>> import mkframe as mk, tempfile
    >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
    ...     history = History(f"{folder}/history.duckdb")
    ...     synced = history.sync(client, progress=False)
    ...     len(history.builds()), synced["how"].unique().tolist()
    (20, ['rows'])
    """

    def __init__(self, path: str | PathLike[str], *, wait: float = 30) -> None:
        self.path: Path = expand_path(path)
        self.wait = _file.check_wait(wait)

    def __repr__(self) -> str:
        return f"History({str(self.path)!r})"

    def sync(
        self,
        client: _sync.Source,
        *,
        projects: Sequence[str | int] | None = None,
        resources: Sequence[str] = DEFAULT_RESOURCES,
        allow_gone: bool = False,
        progress: bool = True,
    ) -> pd.DataFrame:
        """Ask the server for what has changed, and store it.

        Builds, deliveries and commits are asked for project by project, the other resources once. Each
        answer is stored as a whole or not at all. A row that is missing in an answer is gone only where the
        answer is whole and its project is still listed; it is never deleted from the file.

        Parameters
        ----------
        client : Client
            A client of the server.
        projects : list of str or int, optional
            Names or ids of projects; by default all that the server lists.
        resources : list of str, default builds, downloads, releases, projects and patterns
            What to ask for. ``"deliveries"`` and ``"commits"`` may be added; their rows are only added.
        allow_gone : bool, default False
            Accept that more than a fifth, and more than 10, of the rows of one answer are gone at once, or
            all of them.
        progress : bool, default True
            Show a bar.

        Returns
        -------
        DataFrame
            A row for each question: ``resource`` str, ``project`` Int64 (its id; missing for what is asked
            once), ``rows`` int64 that the server shows, ``new``, ``changed`` and ``gone`` int64, ``how`` str,
            ``seconds`` float64. `how` is "304" or "same" where nothing has changed, "rows" where rows were
            compared, "unseen" where the server did not show them (status 403 or 404, a project that is not
            listed, or no rows where there were some), "refused" where too many would be gone at once.

        Raises
        ------
        InputError
            If an argument is invalid, or the history is of another server.
        HistoryError
            If the file is busy, damaged or no history.
        MkframeError
            If the server cannot be asked; what was stored before stays.
        """
        outcomes = _sync.sync(
            self.path, self.wait, client, projects, resources, allow_gone=allow_gone, progress=progress
        )
        return _sync.to_frame(outcomes)

    def take(
        self,
        body: bytes | str | PathLike[str],
        *,
        resource: str = "builds",
        project: str | int | None = None,
        asked_at: dt.datetime | str | None = None,
    ) -> pd.DataFrame:
        """Store a saved answer of a find, as if it had been asked for at its time.

        Parameters
        ----------
        body : bytes or path
            The whole answer, compressed with gzip or not.
        resource : str, default "builds"
            What its rows are.
        project : str or int, optional
            Project that was asked for, by name where the history knows it. Without, the builds of an answer
            are sorted by their projects; projects without any are left as they are.
        asked_at : datetime or str, optional
            When it was asked, with a zone or in UTC; now by default.

        Returns
        -------
        DataFrame
            As that of `sync`.

        Raises
        ------
        InputError
            If it cannot be read, is older than the last sync, or holds builds of another project.
        """
        return _sync.to_frame(_take.take(self.path, self.wait, body, resource, project, asked_at))

    # --- frames -----------------------------------------------------------------------------------------

    def builds(
        self, *, project: str | int | None = None, as_of: AsOf = None, gone: bool = True, tz: str = "UTC"
    ) -> pd.DataFrame:
        """Return builds as a find would have returned them, by id, now or as they were known at a time.

        Parameters
        ----------
        project : str or int, optional
            Name, of any time, or id of a project; all by default.
        as_of : datetime, date or str, optional
            Time of knowledge: the last sync at or before it counts. A date means the end of that day.
        gone : bool, default True
            Include builds that the server showed earlier and does not show any more.
        tz : str, default "UTC"
            Time zone of `as_of`, where it has none.

        Returns
        -------
        DataFrame
            As that of ``client.builds.find()``, sorted by id; with `gone` also ``gone_since``
            datetime64[us, UTC], missing for builds that are there. ``attrs["known_at"]`` says when the rows
            were asked for; of several projects, the earliest such time. Before the first sync it is empty.

        Raises
        ------
        InputError
            If there is no such file or project, or an argument is invalid.
        HistoryError
            If the file is busy, damaged or no history.
        """
        return self._frame("builds", project, as_of, gone, tz)

    def downloads(
        self, *, project: str | int | None = None, as_of: AsOf = None, gone: bool = True, tz: str = "UTC"
    ) -> pd.DataFrame:
        """Return downloads, as `builds` does builds."""
        return self._frame("downloads", project, as_of, gone, tz)

    def releases(self, *, as_of: AsOf = None, gone: bool = True, tz: str = "UTC") -> pd.DataFrame:
        """Return releases, as `builds` does builds."""
        return self._frame("releases", None, as_of, gone, tz)

    def projects(self, *, as_of: AsOf = None, gone: bool = True, tz: str = "UTC") -> pd.DataFrame:
        """Return projects, as `builds` does builds."""
        return self._frame("projects", None, as_of, gone, tz)

    def patterns(self, *, as_of: AsOf = None, gone: bool = True, tz: str = "UTC") -> pd.DataFrame:
        """Return patterns, as `builds` does builds."""
        return self._frame("patterns", None, as_of, gone, tz)

    def _frame(
        self, resource: str, project: str | int | None, as_of: AsOf, gone: bool, tz: str
    ) -> pd.DataFrame:
        moment = as_moment(as_of, tz)
        with _file.open_to_read(self.path, self.wait) as connection:
            number = _read.known_project(connection, project)
            scope = number if resource == "builds" else None
            known = _read.known_syncs(connection, resource, moment, scope)
            frame = _read.read(connection, resource, known, project=number, gone=gone)
        frame.attrs = {
            "resource": resource,
            "filters": {} if number is None else {"project_id": str(number)},
            "known_at": min(k.asked_at for k in known).isoformat() if known else None,
        }
        return frame

    def deliveries(self, *, project: str | int | None = None) -> pd.DataFrame:
        """Return the deliveries that syncs have collected on request, as ``client.deliveries`` does."""
        return self._view("deliveries", project)

    def commits(self, *, project: str | int | None = None) -> pd.DataFrame:
        """Return the commits that syncs have collected on request, as ``client.commits`` does."""
        return self._view("commits", project)

    def _view(self, resource: str, project: str | int | None) -> pd.DataFrame:
        with _file.open_to_read(self.path, self.wait) as connection:
            return _read.read_view(connection, resource, _read.known_project(connection, project))

    # --- changes ----------------------------------------------------------------------------------------

    def changes(self, id: int, resource: str = "builds") -> pd.DataFrame:
        """List the versions of one row.

        Parameters
        ----------
        id : int
            Its id.
        resource : str, default "builds"
            What it is.

        Returns
        -------
        DataFrame
            A row a version: ``first_seen``, ``last_seen`` and ``until`` datetime64[us, UTC], the first and
            last sync that showed it and the sync that showed another or none, missing for the present one;
            ``changed`` (lists of str), the columns that differ from the version before.
        """
        number = as_id("id", id)
        with self._reading(resource) as connection:
            return _read.changes(connection, resource, number)

    def moved(
        self,
        resource: str = "releases",
        columns: Sequence[str] = ("end_date", "closed"),
        tz: str = "UTC",
    ) -> pd.DataFrame:
        """List when values have moved, such as the ends of releases.

        Parameters
        ----------
        resource : str, default "releases"
            What the rows are.
        columns : list of str, default end_date and closed
            Columns to compare.
        tz : str, default "UTC"
            Time zone in which days are counted.

        Returns
        -------
        DataFrame
            A row for each column and move, in their order: ``id`` int64, ``column`` str, ``was`` and ``now``
            (object), ``not_before`` and ``not_after`` datetime64[us, UTC], the two syncs between which it
            moved, ``days`` Int64 from date to date, missing for other values than times. Two moves between
            two syncs are seen as one.
        """
        check_timezone(tz)
        names = as_list("columns", columns, 'Write columns=["end_date"].')
        with self._reading(resource) as connection:
            known = [field.name for field in fields_of(resource) if field.name != "id"]
            unknown = [name for name in names if name not in known]
            if unknown or not names:
                raise InputError(
                    f"{resource} have no column {unknown[0]!r:.80}." if unknown else "No column is named.",
                    hint=f"Choose from {', '.join(known)}.",
                )
            return _read.moves(connection, resource, names, tz)

    def _reading(self, resource: str) -> Any:
        if resource not in VERSIONED:
            raise InputError(
                f"There are no versions of {resource!r:.80}.", hint=f"Choose from {', '.join(VERSIONED)}."
            )
        return _file.open_to_read(self.path, self.wait)

    def gone(self, project: str | int | None = None) -> pd.DataFrame:
        """Return the builds that the server shows no longer, as `builds` does, with ``gone_since``."""
        builds = self.builds(project=project)
        return builds[builds["gone_since"].notna()]

    def syncs(self) -> pd.DataFrame:
        """List all syncs.

        Returns
        -------
        DataFrame
            Indexed by ``sync`` int64: ``resource``, ``project``, ``asked_at`` datetime64[us, UTC], ``how``,
            ``rows``, ``new``, ``changed`` and ``gone``, as in the result of `sync`.
        """
        with _file.open_to_read(self.path, self.wait) as connection:
            return _read.syncs(connection)

    def sql(self, query: str, params: Mapping[str, Any] | Sequence[Any] | None = None) -> pd.DataFrame:
        """Run a query of your own, in DuckDB's SQL; it can change nothing and reaches no other file.

        Parameters
        ----------
        query : str
            A statement over the views ``builds``, ``downloads``, ``releases``, ``projects`` and ``patterns``
            (what the server shows), those of the same names with ``_versions``, and ``syncs``.
        params : mapping or list, optional
            Values for ``$name`` or ``?`` in it.

        Returns
        -------
        DataFrame
            Numbered from 0: whole numbers Int64, numbers float64, flags boolean, text str, times
            datetime64[us, UTC]; lists as lists. Whole numbers of more than 64 bits, and decimals that no
            float64 holds, are Python's own.

        Raises
        ------
        InputError
            If the statement is wrong, gives no rows, or is not allowed.

        Examples
        --------
        >>> import mkframe as mk, tempfile
        >>> with mk.demo(builds=20) as client, tempfile.TemporaryDirectory() as folder:
        ...     history = History(f"{folder}/history.duckdb")
        ...     synced = history.sync(client, progress=False)
        ...     history.sql("SELECT count(*) AS n FROM builds").loc[0, "n"]
        np.int64(20)
        """
        return run_query(self.path, self.wait, query, params)

    def export(self, folder: str | PathLike[str]) -> pd.DataFrame:
        """Write builds, downloads, releases, projects and patterns as Parquet files, gone rows included.

        Each resource has a folder, with a file for each year in which builds started, sorted by project,
        start and id. The year is 0 where it is not known; beyond 19 years, the builds of those with fewest
        builds are also there. The files are written beside and moved when they are complete; those of an
        earlier export are replaced.

        Parameters
        ----------
        folder : path
            Where to write; created where it is missing.

        Returns
        -------
        DataFrame
            Indexed by ``resource``: ``files``, ``rows`` and ``bytes`` int64. Columns in the files are those
            of the frames, with ``id`` and ``gone_since``; unknown fields are JSON text in ``extra``.

        Raises
        ------
        InputError
            If it cannot be written, or a folder of that name holds something else.
        """
        return _export.export(self.path, self.wait, expand_path(folder))

"""The views of a project's meta database: one statement each, typed by the schema.

The times in them have no zone that can be trusted: where the vendor's pages show them with a Z, they lie
beside UTC by one hour, by two, or by two in summer. They come without a zone.
"""

from __future__ import annotations

import datetime as dt
import numbers
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from mkframe import _clock, _validation, builds
from mkframe._http import Transport
from mkframe._pandas import TEXT
from mkframe._text import short_repr
from mkframe.client import _metadata
from mkframe.client._accessor import Id, Name, Text
from mkframe.client._resources import InstanceProperties, Patterns
from mkframe.client._traceback import shorten_tracebacks
from mkframe.errors import InputError, warn
from mkframe.schema import PATTERN_VIEWS, VIEWS, Field, FieldType, View

__all__ = ["Views", "commits_in_utc", "moments_of"]

_MOST_IN_LIST = 1000
"""Items of an IN list; Oracle, whose error texts show through, takes no more."""
_FIRST_YEAR = 1900
"""From when on a statement names the time of `since`: nothing is older, and engines may lack such years."""
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARGIN = pd.Timedelta("1D")
"""By how much a statement asks for more than a time filter, since its clock may differ from the answer's."""
_PROPERTY_TYPES: dict[str, FieldType] = {"string": "str", "text": "str", "integer": "int", "int": "int"}
"""Data types of instance properties that are named; a property of any other keeps its values."""


@shorten_tracebacks
class Views:
    """The calls that read the views; the client has them."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def deliveries(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        build_id: int | builds.BuildStart | pd.Series[Any] | pd.DataFrame | Iterable[int] | None = None,
        since: dt.datetime | str | None = None,
        utc: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Load what the builds of a project delivered: a row for each instance that a build changed.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.
        build_id : int, BuildStart or Series, or several ids, optional
            The deliveries of these builds only.
        since : datetime or str, optional
            The deliveries from this time of `BUILD_START` on. Without a zone it is on the view's own clock;
            with one, `utc` is needed.
        utc : DataFrame, optional
            All builds of the project, by which the view's clock is measured: ``mk.metrics.view_offset``
            tells how. ``BUILD_START`` is moved to UTC then.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.DELIVERIES``, indexed by ``ID`` int64: ``PATTERN``, ``FOLDER``,
            ``INSTANCE``, ``RELEASE``, ``USER_NAME`` str; ``BUILD_START`` datetime64[us]; ``BUILD_ID``
            int64; ``COMPARE_TO_BUILD_ID`` Int64; ``MODE`` str; ``FIELD_COUNT``, ``CHANGE_COUNT``,
            ``ADDED``, ``CHANGED``, ``DELETED`` Int64.

            ``BUILD_START`` has no zone: it is the time that the server writes, without its Z; a time
            written with an offset such as +02:00 is moved to UTC. With `utc` it is datetime64[us, UTC].

        Raises
        ------
        InputError
            If an argument is invalid, or `since` has a zone and `utc` is not given; nothing was sent. If the
            clock cannot be measured: fewer than 90 % of the builds agree, or none is in both; or if a time
            lies outside of the measured days.

        Warns
        -----
        UserWarning
            If a time lies in an hour that its clock repeats, and its build is not among those of `utc`; if
            `BUILD_START` of some builds is not their start on the clock that nine in ten have.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     client.deliveries(project="DEMO_PROJECT", build_id=5139)["INSTANCE"].tolist()
        ['AIRPLANE']
        """
        conditions = []
        ids = None if build_id is None else builds.build_ids(build_id)[0]
        if ids is not None:
            conditions.append(_among("BUILD_ID", ids))
        begin = None if since is None else _time("since", since, zoned=utc is not None)
        starts = None if utc is None else _column(utc, "build_start")
        if begin is not None:
            earliest = begin.tz_localize(None).floor("s")
            if earliest.year >= _FIRST_YEAR:
                conditions.append(f"BUILD_START >= timestamp'{earliest - _MARGIN}'")
        frame = self._view("DELIVERIES", project, project_id, conditions)
        if ids is not None:
            frame = frame[_clock.whole_numbers(frame["BUILD_ID"]).isin(ids).to_numpy(bool)]
        if begin is not None and begin.tzinfo is None:
            frame = frame[_clock.times_of(frame, "BUILD_START") >= begin.to_datetime64()]
        if starts is not None:
            frame = _in_utc(frame, starts)
        if begin is not None and begin.tzinfo is not None:
            frame = frame[frame["BUILD_START"] >= begin]
        return frame

    def commits(
        self,
        *,
        project: Name = None,
        project_id: Id = None,
        pattern: Name = None,
        utc: pd.DataFrame | None = None,
    ) -> pd.DataFrame:
        """Load the commits of a project's instances, by hand and by builds.

        A build commits all its instances at once, changed or not, whatever its status.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.
        pattern : str or int, optional
            The commits of one pattern only, from ``@COMMITS.<pattern>``: its name, or its id.
        utc : DataFrame, optional
            All builds of the project, by which the clock of the commits is measured: by an offset in quarter
            hours, or a zone with summer time, nine in ten of the stamps of type Build lie within five
            seconds of the start or end of a build that is over. ``COMMIT_TIMESTAMP`` is moved to UTC then.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.COMMITS``, numbered from 0: ``PATTERN``, ``FOLDER``, ``INSTANCE``,
            ``RELEASE``, ``USER_NAME``, ``TYPE`` ("Build" or "Commit"), ``STATUS`` str;
            ``COMMIT_TIMESTAMP`` Int64; ``DELETED`` boolean; ``DESCRIPTION`` str. With `pattern`,
            ``PATTERN`` is the name that was asked for.

            ``COMMIT_TIMESTAMP`` stays Unix milliseconds, since whether it is UTC is not said. With `utc` it
            is datetime64[us, UTC].

        Raises
        ------
        InputError
            If an argument is invalid; nothing was sent. If the clock cannot be measured: fewer than three
            builds or 90 % of them agree, or more than one clock fits.
        QueryFailedError
            If the server knows no such pattern.

        Warns
        -----
        UserWarning
            If some stamps of builds fit another clock; if commits lie in a season in which no build tells
            whether the clock has summer time.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     commits = client.commits(project="DEMO_PROJECT", pattern="CORE_DV_HLS")
        >>> commits["TYPE"].unique().tolist()
        ['Commit', 'Build']
        """
        moments = None if utc is None else moments_of(utc)
        if pattern is None:
            frame = self._view("COMMITS", project, project_id)
        else:
            name = self._pattern_name(pattern)
            sql = f"SELECT * FROM {_of_pattern('COMMITS', name)}"  # noqa: S608 - the name is quoted
            frame = self._read(PATTERN_VIEWS["COMMITS"].fields, sql, project, project_id)
            frame.insert(0, "PATTERN", pd.Series(name, index=frame.index, dtype=TEXT))
        return frame if moments is None else commits_in_utc(frame, moments)

    def instance_rows(
        self,
        *,
        pattern: Name,
        project: Name = None,
        project_id: Id = None,
        releases: str | Sequence[str] | None = None,
        folder: Text = None,
    ) -> pd.DataFrame:
        """Load the metadata rows of a pattern's instances, as they are now in each release.

        An instance in two releases has two sets of rows. Edits that are not committed are in them; the
        rows of a past commit or build cannot be read.

        Parameters
        ----------
        pattern : str or int
            Pattern, by name or id.
        project : str or int, project_id : int
            Exactly one of them.
        releases : str or sequence of str, optional
            Names of releases, of the pattern's group; all by default. Two of them are the usual case.
        folder : str, optional
            Path such as ``/RAW_VAULT``; the folders below it are included.

        Returns
        -------
        DataFrame
            The view ``@INSTANCES.<pattern>``, numbered from 0, with the names that the server gives:
            ``@PATTERN``, ``@FOLDER``, ``@INSTANCE``, ``@RELEASE`` (missing without release management) str;
            ``@POS_NO`` Int64; ``@DELETED`` boolean; ``FUNCTIONAL_ROLE``, ``NAME`` str; then the pattern's
            instance properties: str for string, Int64 for integer, else as the values are.

        Raises
        ------
        InputError
            If an argument is invalid; nothing was sent.
        NotFoundError
            If there is no such pattern.

        Warns
        -----
        UserWarning
            If a release that was asked for has no rows.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     rows = client.instance_rows(
        ...         project="DEMO_PROJECT", pattern="CORE_DV_HLS", folder="/BUSINESS_VAULT", releases="R1"
        ...     )
        >>> rows[["@INSTANCE", "FUNCTIONAL_ROLE", "NAME", "DATA_TYPE"]].iloc[0].tolist()
        ['AIRPLANE', 'SK', 'AIRPLANE_HK', 'CHAR']
        """
        names = None if releases is None else _release_names(releases)
        conditions = []
        if names is not None:
            conditions.append(f'"@RELEASE" IN ({", ".join(map(_literal, names))})')
        path = None if folder is None else _folder(folder)
        if path is not None:
            conditions.append(f"SUBSTR(\"@FOLDER\" || '/', 1, {len(path)}) = {_literal(path)}")
        name = self._pattern_name(pattern)
        sql = f"SELECT * FROM {_of_pattern('INSTANCES', name)}{_where(conditions)}"  # noqa: S608
        properties = InstanceProperties(self._transport).find(pattern=name)
        known = zip(properties["name"].str.upper(), properties["datatype"].str.lower(), strict=True)
        types = {n: _PROPERTY_TYPES.get(t, "any") for n, t in known}
        frame = self._read(PATTERN_VIEWS["INSTANCES"].fields, sql, project, project_id, types)
        fits = np.ones(len(frame), dtype=bool)  # a server may take conditions in another way
        if path is not None and path != "/":
            fits &= np.array([f"{found}/".startswith(path) for found in frame["@FOLDER"]], dtype=bool)
        if names is not None:
            fits &= frame["@RELEASE"].isin(names).to_numpy(bool)
        if not fits.all():
            attrs, frame = frame.attrs, frame[fits].reset_index(drop=True)
            frame.attrs = attrs
        for release in names or ():
            if not (frame["@RELEASE"] == release).any():
                inside = f" in {folder}" if folder else ""
                warn(f"The pattern {name} has no rows{inside} in the release {release!r}.")
        return frame

    def instance_labels(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load the labels of a project's instances: a row for each label of each instance.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.INSTANCE_LABELS``, indexed by ``ID`` int64: ``PATTERN``,
            ``FOLDER``, ``INSTANCE``, ``LABEL``, ``COLOR``, ``USER_NAME`` str; ``CREATED`` datetime64[us],
            the time that the server writes, in a zone that is not said.

        Raises
        ------
        InputError
            If not exactly one of project and project_id is given; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     sorted(client.instance_labels(project="DEMO_PROJECT")["LABEL"].unique())
        ['CORE', 'PII', 'approved', 'for_review', 'to_do']
        """
        return self._view("INSTANCE_LABELS", project, project_id)

    def folder_variables(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load the pattern variables of a project's instance folders: a row for each variable and folder.

        Values may be paths or secrets of an environment: look before you show or share them.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.PATTERN_VARIABLES``, numbered from 0: ``PATTERN``, ``FOLDER``,
            ``NAME``, ``VALUE`` str. Whether a folder that inherits its value has a row is not said; values
            of a project or an instance are in ``client.pattern_variables``.

        Raises
        ------
        InputError
            If not exactly one of project and project_id is given; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     variables = client.folder_variables(project="DEMO_PROJECT")
        >>> variables.columns.tolist()
        ['PATTERN', 'FOLDER', 'NAME', 'VALUE']
        """
        return self._view("PATTERN_VARIABLES", project, project_id)

    def tables(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load the tables and views that a project's meta database has of its own.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.TABLES``, indexed by ``ID`` int64: ``TABLE_FOLDER``,
            ``TABLE_NAME``, ``TABLE_TYPE`` str; ``CREATED`` datetime64[us], the time that the server
            writes, in a zone that is not said; ``DESCRIPTION`` str.

        Raises
        ------
        InputError
            If not exactly one of project and project_id is given; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     sql = "CREATE TABLE own.planets (name STRING, moons INTEGER)"
        ...     _ = client.metadata.query(sql, project="DEMO_PROJECT", write=True)
        ...     client.tables(project="DEMO_PROJECT")[["TABLE_FOLDER", "TABLE_NAME"]].values.tolist()
        [['/own', 'planets']]
        """
        return self._view("TABLES", project, project_id)

    def table_columns(self, *, project: Name = None, project_id: Id = None) -> pd.DataFrame:
        """Load the columns of a project's own tables and views.

        Parameters
        ----------
        project : str or int, project_id : int
            Exactly one of them.

        Returns
        -------
        DataFrame
            The view ``@INFORMATION_SCHEMA.COLUMNS``, indexed by ``ID`` int64: ``TABLE_FOLDER``,
            ``TABLE_NAME``, ``COLUMN_NAME`` str; ``ORDINAL_POSITION`` Int64, from 0 or from 1;
            ``DATA_TYPE`` str; ``CREATED`` datetime64[us], the time that the server writes, in a zone that
            is not said; ``DESCRIPTION`` str.

        Raises
        ------
        InputError
            If not exactly one of project and project_id is given; nothing was sent.

        Examples
        --------
        >>> import mkframe as mk
        >>> with mk.demo(builds=20) as client:
        ...     sql = "CREATE TABLE own.planets (name STRING, moons INTEGER)"
        ...     _ = client.metadata.query(sql, project="DEMO_PROJECT", write=True)
        ...     client.table_columns(project="DEMO_PROJECT")["COLUMN_NAME"].tolist()
        ['NAME', 'MOONS']
        """
        return self._view("COLUMNS", project, project_id)

    # --- asking -----------------------------------------------------------------------------------------

    def _view(self, name: str, project: Name, project_id: Id, conditions: Sequence[str] = ()) -> pd.DataFrame:
        view: View = VIEWS[name]
        sql = f"SELECT * FROM @INFORMATION_SCHEMA.{name}{_where(conditions)}"  # noqa: S608
        frame = self._read(view.fields, sql, project, project_id)
        if view.fields[0].name != "ID":
            return frame
        attrs, frame = frame.attrs, frame.set_index("ID")
        frame.attrs = attrs
        return frame

    def _read(
        self,
        fields: Sequence[Field],
        sql: str,
        project: Name,
        project_id: Id,
        types: Mapping[str, FieldType] | None = None,
    ) -> pd.DataFrame:
        """Run a statement and type its rows, as `_metadata.read` does."""
        frame = _metadata.read(self._transport, sql, project, project_id, fields, types)
        loaded = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        frame.attrs = {"resource": "metadata", "statement": sql, "loaded_at": loaded}
        return frame

    def _pattern_name(self, pattern: Name) -> str:
        if isinstance(pattern, str):
            return _validation.as_name("pattern", pattern)
        return str(Patterns(self._transport).get(_validation.as_id("pattern", pattern))["name"])


# --- writing statements -------------------------------------------------------------------------------


def _literal(text: str) -> str:
    """Write a text of a statement."""
    return "'" + text.replace("'", "''") + "'"


def _of_pattern(view: str, pattern: str) -> str:
    """Write the name of a pattern's view; one that is no plain word is quoted, which is not documented."""
    if _PLAIN_NAME.fullmatch(pattern):
        return f"@{view}.{pattern}"
    if '"' in pattern:
        raise InputError(
            f"The pattern {short_repr(pattern)} has a quote in its name, which no statement can hold.",
            hint="Ask for it with client.metadata.query, in the way that your server takes it.",
        )
    return f'@{view}."{pattern}"'


def _where(conditions: Sequence[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _among(column: str, ids: Sequence[int]) -> str:
    """Write a condition that holds for these ids, and perhaps for others where they are many."""
    if len(ids) > _MOST_IN_LIST:
        return f"{column} BETWEEN {min(ids)} AND {max(ids)}"
    return f"{column} IN ({', '.join(map(str, ids)) or 'NULL'})"


def _release_names(releases: Any) -> list[str]:
    given = _validation.as_list("releases", releases, 'Write releases=["R1", "R2"].')
    names = [_validation.as_name("releases", name) for name in given]
    if not names:
        raise InputError("releases is empty.", hint="Leave it out to have the rows of all releases.")
    return list(dict.fromkeys(names))


def _folder(folder: str) -> str:
    """Return a path with a slash at both ends."""
    path = _validation.as_name("folder", folder)
    if not path.startswith("/"):
        raise InputError(f"folder must be a path from the top, not {short_repr(folder)}.",
                         hint=f"Write folder={'/' + path.rstrip('/')!r}.")  # fmt: skip
    return path.rstrip("/") + "/"


def _time(name: str, given: Any, *, zoned: bool) -> pd.Timestamp:
    hint = f'Write {name}="2026-04-02 08:00".'
    try:
        time = pd.NaT if isinstance(given, numbers.Number) else pd.Timestamp(given)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{name} is no time: {short_repr(given)}.", hint=hint) from error
    if pd.isna(time):
        raise InputError(f"{name} is no time: {short_repr(given)}.", hint=hint)
    if time.tzinfo is not None and not zoned:
        raise InputError(
            f"{name} has a time zone, and the clock of the view is not known.",
            hint="Give a time without a zone, on the view's own clock, or all builds as utc=.",
        )
    return time if time.tzinfo is None else time.tz_convert("UTC")


# --- clocks -------------------------------------------------------------------------------------------

_BUILDS_HINT = "Give all builds of the project: client.builds.find(project=...)."


def _column(utc: Any, name: str) -> pd.Series[Any]:
    """Return a column of a frame of builds, by their ids."""
    if not isinstance(utc, pd.DataFrame):
        raise InputError(f"utc must be a frame of builds, not {short_repr(utc)}.", hint=_BUILDS_HINT)
    builds.build_ids(utc)
    if name not in utc.columns:
        raise InputError(f"The frame of builds lacks the column {name}.", hint=_BUILDS_HINT)
    dtype = utc[name].dtype
    if not isinstance(dtype, pd.DatetimeTZDtype):
        raise InputError(f"{name} of the builds has no time zone.", hint=_BUILDS_HINT)
    column: pd.Series[Any] = utc[name]
    return column


def moments_of(utc: Any) -> Any:
    """Return the starts and ends of builds that are over, of a frame that a caller gives."""
    for name in ("build_start", "build_end"):
        _column(utc, name)
    if "status" not in utc.columns:
        raise InputError("The frame of builds lacks the column status.", hint=_BUILDS_HINT)
    return _clock.moments_of(utc)


def _in_utc(frame: pd.DataFrame, starts: pd.Series[Any]) -> pd.DataFrame:
    clock, known = _clock.measure_deliveries(frame, starts)
    times = _clock.times_of(frame, "BUILD_START")
    if frame.empty:
        return _with_times(frame, "BUILD_START", times, clock)
    _check(clock, "BUILD_START", "builds")
    measured = known[~np.isnat(known)]
    outside = (times < measured.min() - _MARGIN) | (times > measured.max() + _MARGIN)
    if outside.any():
        raise InputError(
            f"{int(outside.sum())} of the deliveries lie outside of the days of the builds that are given, "
            "and their clock may be another one.",
            hint=_BUILDS_HINT,
        )
    utc = clock.to_utc(times, known)
    off = abs(utc - known) > _clock.NEAR
    if off.any():
        number = _clock.whole_numbers(frame["BUILD_ID"])[off].nunique()
        most = pd.Timedelta(abs(utc - known)[off].max()).round("s").to_pytimedelta()
        warn(
            f"BUILD_START is not that of the build for {number} of {clock.n} builds, by up to "
            f"{most} hours, though it is moved by the clock {clock.zone}, on which the others agree: the "
            "server's clock may have been changed."
        )
    return _with_times(frame, "BUILD_START", utc, clock)


def commits_in_utc(frame: pd.DataFrame, moments: Any) -> pd.DataFrame:
    """Move the stamps of commits to UTC, by the clock that those of builds show."""
    clock = _clock.measure_commits(frame, moments)
    if clock is None:
        raise InputError(
            "More than one clock fits the stamps of the commits, so they cannot be moved to UTC.",
            hint="Leave utc out; COMMIT_TIMESTAMP then stays as the server gives it.",
        )
    _check(clock, "COMMIT_TIMESTAMP", "stamps of builds")
    if clock.share < 1 and (misfits := _clock.count_misfits(clock, frame, moments)):
        warn(
            f"{misfits} of {clock.n} stamps of builds fit another clock than {clock.zone}, by which all "
            "commits are moved: the server's clock may have been changed."
        )
    if doubtful := _clock.count_doubtful(clock, frame):
        warn(
            f"{doubtful} of the commits lie where the clock may be another one than {clock.zone}: the builds "
            "do not tell whether it has summer time."
        )
    utc = clock.to_utc(_clock.stamps_of(frame), moments=np.sort(moments))
    return _with_times(frame, "COMMIT_TIMESTAMP", utc, clock)


def _check(clock: _clock.Clock, column: str, what: str) -> None:
    if not clock.is_known:
        raise InputError(
            f"The clock of {column} cannot be measured: of {clock.n} {what}, "
            f"{clock.share:.0%} agree with one clock, and {_clock.LEAST_SHARE:.0%} are needed.",
            hint=f"{_BUILDS_HINT} Without utc the times come as the server gives them.",
        )


def _with_times(frame: pd.DataFrame, column: str, utc: Any, clock: _clock.Clock) -> pd.DataFrame:
    unclear = np.isnat(utc) & frame[column].notna().to_numpy(bool)
    if unclear.any():
        warn(
            f"{int(unclear.sum())} of the times of {column} lie in an hour that the clock {clock.zone} "
            "repeats or skips; they are missing here."
        )
    moved = frame.assign(**{column: pd.DatetimeIndex(utc).tz_localize("UTC")})
    moved.attrs = {
        **frame.attrs,
        "clock": f"{clock.zone}, measured by {clock.n}, of which {clock.share:.0%} agree",
    }
    return moved

"""Builds that changed nothing, and artifacts that nobody used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT, as_text
from mkframe.errors import InputError
from mkframe.metrics._checks import check_choice, float_values, require_columns, status_of
from mkframe.metrics._durations import total_seconds
from mkframe.metrics._failure_rate import wilson
from mkframe.metrics._history import history_of, without_repeats
from mkframe.metrics._streams import By, build_ids, pattern_sets, sets_of, streams_of_part

__all__ = ["RESULTS", "artifact_use", "builds_without_delivery"]

RESULTS = ("delivered", "without_delivery", "identical", "unknown")
"""The classes of finished builds."""
_DELIVERED, _WITHOUT, _IDENTICAL, _UNKNOWN = range(4)


def builds_without_delivery(
    builds: pd.DataFrame,
    deliveries: pd.DataFrame,
    *,
    files: pd.DataFrame | None = None,
    by: By = "pattern_set",
) -> pd.DataFrame:
    """Count finished builds for which the view DELIVERIES has no row, with the time they took.

    DELIVERIES has a row for every instance that a successful build changed. A finished build whose
    deliveries were calculated and that has no row changed nothing that the vendor would count. That is no
    proof that its artifact is as before. Where the checksums of files are given, a build without a delivery
    whose files are those of the newest build before it, of the same project, patterns and releases, is
    counted as identical instead.

    A finished build is unknown where its deliveries are not said to be calculated. So are all builds of a
    project that has no delivery at all, in a frame of several projects: DELIVERIES is asked for one project
    at a time, and nothing shows that it was asked for that one.

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end`, `deliveries_calculated`, `project_id` and the columns that
        `by` needs, indexed by id; with `files` also `patterns` and `releases`.
    deliveries : DataFrame
        The view DELIVERIES, with `BUILD_ID`.
    files : DataFrame, optional
        With `build_id` and `sha256`, a row for each file that was fetched; with `id`, a download that is
        listed twice counts once.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern_set"
        The rows. A build with several patterns (or releases) counts in each of them, pattern sets and
        projects add up to all builds.

    Returns
    -------
    DataFrame
        Index `by` (str), most time without a delivery first. Columns: `finished` int64, the sum of
        `delivered`, `without_delivery`, `identical`, `unknown` int64; `share`, `low`, `high` float64, of
        builds without a delivery, identical ones included, among those that are known, with a 95 % interval
        for independent builds; `seconds`, `seconds_without` float64, time of the finished builds and of
        those without a delivery; `build_ids` list of int, builds without a delivery, identical ones
        included. Groups without finished builds have no rows.

    Raises
    ------
    InputError
        If a column is missing or the index holds no ids.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=3, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "project_id": 1,
    ...     "build_end": start + pd.Timedelta("90s"), "patterns": [[808]] * 3,
    ...     "deliveries_calculated": [True, True, False]}, index=[11, 12, 13])
    >>> table = builds_without_delivery(builds, pd.DataFrame({"BUILD_ID": [11, 11]}))
    >>> table[["finished", "delivered", "without_delivery", "unknown", "seconds_without"]].loc["808"].tolist()
    [3.0, 1.0, 1.0, 1.0, 90.0]
    """
    columns = ["status", "build_start", "build_end", "deliveries_calculated", "project_id"]
    builds = history_of(builds, columns).builds
    _need_columns(deliveries, ["BUILD_ID"], "deliveries", "Give the view DELIVERIES of the builds' project.")
    is_finished = (status_of(builds) == "FINISHED").to_numpy(bool)
    held = builds[is_finished]
    ids = build_ids(held)
    result = _results(held, ids, deliveries)
    if files is not None:
        same = _identical(held, ids, files)
        result = np.where(same & (result != _DELIVERED), _IDENTICAL, result)
    names, row, place = streams_of_part(builds, by, is_finished)
    many = len(names)
    counts = np.bincount(place * len(RESULTS) + result[row], minlength=many * len(RESULTS))
    table = pd.DataFrame(counts.reshape(-1, len(RESULTS)).astype("int64"), columns=list(RESULTS))
    table.insert(0, "finished", table.sum(axis=1).astype("int64"))
    is_without = (result == _WITHOUT) | (result == _IDENTICAL)
    without = table["without_delivery"] + table["identical"]
    known = table["finished"] - table["unknown"]
    low, high = wilson(without, known)
    listed = np.flatnonzero(is_without[row])
    listed = listed[np.lexsort((ids[row[listed]], place[listed]))]
    parts = np.split(ids[row[listed]], np.cumsum(without.to_numpy())[:-1]) if many else []
    table = table.assign(
        share=(without / known.where(known > 0)).astype("float64"),
        low=low,
        high=high,
        seconds=total_seconds(held, np.ones(len(held), dtype=bool), row, place, many),
        seconds_without=total_seconds(held, is_without, row, place, many),
        build_ids=pd.Series([part.tolist() for part in parts], dtype="object"),
    ).set_axis(names)
    return table.sort_values(["seconds_without", "finished"], ascending=False, kind="stable")


def _results(builds: pd.DataFrame, ids: NDArray[np.int64], deliveries: pd.DataFrame) -> NDArray[np.intp]:
    """Class each finished build by its deliveries."""
    delivered = np.isin(ids, deliveries["BUILD_ID"].dropna().astype("int64").to_numpy())
    calculated = (builds["deliveries_calculated"] == True).fillna(False).to_numpy(bool)  # noqa: E712
    project, projects = pd.factorize(builds["project_id"], use_na_sentinel=False)
    was_asked = np.bincount(project, delivered, len(projects)) > 0
    known = delivered | (calculated & (was_asked[project] | (len(projects) < 2)))
    return np.select([delivered, known], [_DELIVERED, _WITHOUT], _UNKNOWN)


def _identical(builds: pd.DataFrame, ids: NDArray[np.int64], files: pd.DataFrame) -> NDArray[np.bool_]:
    """Tell which builds have the files of the newest one before them, of those whose files are known."""
    hint = "Give a row for each file, as the manifest of a folder lists them."
    _need_columns(files, ["build_id", "sha256"], "files", hint)
    require_columns(builds, ["patterns", "releases"])
    known = files.dropna(subset=["build_id", "sha256"])
    known = known.drop_duplicates("id") if "id" in known.columns else known  # fetched twice
    content = known.sort_values("sha256").groupby("build_id")["sha256"].agg(tuple)
    _, patterns = pattern_sets(builds)
    _, releases = sets_of(builds, "release")
    rows = pd.DataFrame(
        {
            "id": ids,
            "end": builds["build_end"].to_numpy("datetime64[us]"),
            "project": builds["project_id"].to_numpy(),
            "patterns": patterns,
            "releases": releases,
            "content": pd.Series(ids).map(content).to_numpy("object"),
        }
    )
    fetched = rows[rows["content"].notna()].sort_values(["end", "id"])
    before = fetched.groupby(["project", "patterns", "releases"], dropna=False)["content"].shift()
    same = [ours == theirs for ours, theirs in zip(fetched["content"], before, strict=True)]
    found = np.zeros(len(rows), dtype=bool)
    found[fetched.index.to_numpy()[np.array(same, dtype=bool)]] = True
    return found


def artifact_use(
    downloads: pd.DataFrame,
    build_deployments: pd.DataFrame,
    *,
    by: Literal["pattern"] | None = None,
    own: Iterable[int] = (),
) -> pd.DataFrame:
    """Give the shares of artifacts that were fetched, and of those that were deployed.

    The two are independent: an artifact may be deployed without having been fetched. Fetched means that the
    counter `downloaded` is above the number of own fetches; whether a fetch raises the counter is not in the
    vendor's reference. Deployed means that a build deployment of the same build and pattern exists; it has
    neither time nor status, so nothing is said of when or whether it worked.

    Parameters
    ----------
    downloads : DataFrame
        With `build_id`, `pattern_id` and `downloaded`, indexed by id: one row for each artifact.
    build_deployments : DataFrame
        With `build_id` and `pattern_id`.
    by : {"pattern"}, optional
        A row for each pattern and use.
    own : iterable of int, default ()
        Ids of downloads that were fetched for an analysis, once for each time; they do not count as use.

    Returns
    -------
    DataFrame
        Index `use` (str: "fetched", "deployed"), with `pattern` (str, the id) before it where asked for.
        Columns: `artifacts` int64, those that are known; `used` int64; `share`, `low`, `high` float64, with
        a 95 % interval for independent artifacts; `unknown` int64, artifacts without a counter; `build_ids`
        list of int, builds with an artifact that was not used.

    Raises
    ------
    InputError
        If a column is missing, `by` is not known, or an index holds no ids.

    Examples
    --------
    >>> downloads = pd.DataFrame({"build_id": [11, 12], "pattern_id": 808, "downloaded": [2, 0]})
    >>> deployments = pd.DataFrame({"build_id": [12], "pattern_id": [808]})
    >>> artifact_use(downloads, deployments)[["artifacts", "used"]].to_dict("index")
    {'fetched': {'artifacts': 2, 'used': 1}, 'deployed': {'artifacts': 2, 'used': 1}}
    """
    check_choice("by", by, ["pattern", None])
    require_columns(downloads, ["build_id", "pattern_id", "downloaded"], "downloads")
    require_columns(build_deployments, ["build_id", "pattern_id"], "build_deployments")
    downloads, _, _ = without_repeats(downloads, "downloads")
    ids = pd.Series(build_ids(downloads))
    fetches = pd.Series(list(own), dtype="int64").value_counts()
    counter = float_values(downloads["downloaded"])
    counter = counter - ids.map(fetches).fillna(0).to_numpy("float64")
    keys = pd.MultiIndex.from_frame(downloads[["build_id", "pattern_id"]].astype("Int64"))
    deployed = keys.isin(
        pd.MultiIndex.from_frame(build_deployments[["build_id", "pattern_id"]].astype("Int64"))
    )
    rows = pd.DataFrame(
        {
            "pattern": as_text(downloads["pattern_id"].astype("Int64")).to_numpy("object"),
            "build_id": downloads["build_id"].astype("Int64").to_numpy("object"),
            "is_known": ~np.isnan(counter),
            "fetched": counter > 0,
            "deployed": deployed,
        }
    )
    groups: list[tuple[Any, pd.DataFrame]] = list(rows.groupby("pattern")) if by else [(None, rows)]
    found = [_use(part, use) for _, part in groups for use in ("fetched", "deployed")]
    types = {"artifacts": "int64", "used": "int64", "unknown": "int64", "build_ids": "object"}
    table = pd.DataFrame(
        {name: pd.Series([row[name] for row in found], dtype=t) for name, t in types.items()}
    )
    low, high = wilson(table["used"], table["artifacts"])
    share = (table["used"] / table["artifacts"].where(table["artifacts"] > 0)).astype("float64")
    table = table.assign(share=share, low=low, high=high)
    table = table[["artifacts", "used", "share", "low", "high", "unknown", "build_ids"]]
    uses = pd.Index(["fetched", "deployed"], name="use", dtype=TEXT)
    if by is None:
        return table.set_axis(uses)
    patterns = pd.Index([name for name, _ in groups], dtype=TEXT)
    return table.set_axis(pd.MultiIndex.from_product([patterns, uses], names=["pattern", "use"]))


def _use(rows: pd.DataFrame, use: str) -> dict[str, Any]:
    known = rows[rows["is_known"]] if use == "fetched" else rows
    unused = known.loc[~known[use], "build_id"]
    return {
        "artifacts": len(known),
        "used": int(known[use].sum()),
        "unknown": len(rows) - len(known),
        "build_ids": sorted({int(id_) for id_ in unused if not pd.isna(id_)}),
    }


def _need_columns(frame: pd.DataFrame, columns: list[str], name: str, hint: str) -> None:
    """Refuse what is no frame, or lacks a column."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{name} is {type(frame).__name__}, not a DataFrame.", hint=hint)
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise InputError(f"{name} lacks the column {', '.join(missing)}.", hint=hint)

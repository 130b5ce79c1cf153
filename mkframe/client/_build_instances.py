"""Which instances a build has: inferred from commits, since no endpoint says it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from mkframe import _clock
from mkframe._http import Transport
from mkframe._text import single_line
from mkframe.client._views import Views, commits_in_utc, moments_of
from mkframe.errors import InputError
from mkframe.schema import TERMINAL

__all__ = ["find_instances"]

_COLUMNS = ["PATTERN", "FOLDER", "INSTANCE", "RELEASE", "DELETED"]
_PLACE = ["PATTERN", "FOLDER", "INSTANCE"]
_NEAR = pd.Timedelta("5s")
_HINT = "What it changed is in client.deliveries(project=..., build_id=...)."


def find_instances(transport: Transport, build: pd.Series[Any], builds: pd.DataFrame) -> pd.DataFrame:
    """Return the instances of a build, as `client.builds.instances` tells.

    Parameters
    ----------
    transport : Transport
    build : Series
        The build.
    builds : DataFrame
        All builds of its project.
    """
    id_, project = int(build.name), int(build["project_id"])  # type: ignore[call-overload]
    if build["status"] not in TERMINAL or pd.isna(build["build_end"]):
        raise InputError(
            f"Build {id_} is {single_line(build['status'])}: its instances are committed when it is over.",
            hint=f"Wait for it with client.builds.wait({id_}).",
        )
    views = Views(transport)
    commits = views.commits(project_id=project)
    commits = commits_in_utc(commits[_clock.is_of_build(commits)], moments_of(builds))
    groups = commits.groupby(["COMMIT_TIMESTAMP", "USER_NAME", "STATUS"], dropna=False, sort=False)
    table = groups.agg(count=("TYPE", "size"), description=("DESCRIPTION", "first")).reset_index()
    anchors = _anchors(table["COMMIT_TIMESTAMP"], builds)
    fits = _fit(table["COMMIT_TIMESTAMP"], table["STATUS"], table["count"], build, anchors)
    by_description = fits & (table["description"].fillna("") == (build["description"] or ""))
    decided = bool(fits.sum() > 1 and by_description.sum() == 1)
    fits = by_description if decided else fits
    if fits.sum() != 1:
        what = f"{build['instances']} instances and status {build['status']}"
        raise InputError(
            f"{int(fits.sum()) or 'No'} groups of commits fit build {id_}, with {what}, so its instances are "
            "not known.",
            hint=_HINT,
        )
    group = table[fits].iloc[0]
    others = builds.drop(index=id_, errors="ignore")
    also = _fit(group["COMMIT_TIMESTAMP"], group["STATUS"], group["count"], others, anchors)
    if decided:
        also &= others["description"].fillna("") == (build["description"] or "")
    if also.any():
        raise InputError(
            f"The commits that fit build {id_} fit build {others.index[also][0]} as well, so its instances "
            "are not known.",
            hint=_HINT,
        )
    result = commits.loc[(groups.ngroup() == int(np.flatnonzero(fits)[0])), _COLUMNS].reset_index(drop=True)
    result["DELIVERED"] = _delivered(views, build, result, project)
    form = "%Y-%m-%d %H:%M:%S"
    result.attrs = {
        "resource": "metadata",
        "matched": (
            f"{len(result)} commits of status {group['STATUS']} at {group['COMMIT_TIMESTAMP']:{form}} UTC, "
            f"by {single_line(group['USER_NAME'])}; build {id_} lasted from {build['build_start']:{form}} to "
            f"{build['build_end']:{form}}. Clock of the commits: {commits.attrs['clock']}."
        ),
    }
    return result


def _anchors(stamps: pd.Series[Any], builds: pd.DataFrame) -> list[str]:
    """Tell whether builds commit at their starts or at their ends, as most of their stamps show."""
    for column in ("build_end", "build_start"):
        moments = np.sort(builds[column].dropna().to_numpy("datetime64[us]"))
        if len(moments):
            gaps = _clock.nearest(stamps.to_numpy("datetime64[us]"), moments)
            if (gaps <= _NEAR.to_timedelta64()).mean() >= _clock.LEAST_SHARE:
                return [column]
    return ["build_end", "build_start"]


def _fit(at: Any, status: Any, count: Any, build: Any, anchors: list[str]) -> Any:
    """Tell where a group of commits can be those of a build; one of the two is a column."""
    near = False
    for column in anchors:
        near = near | (abs(at - build[column]) <= _NEAR)
    unknown = pd.isna(build["instances"])
    return (near & (status == build["status"]) & (unknown | (count == build["instances"]))).fillna(False)


def _delivered(views: Views, build: pd.Series[Any], instances: pd.DataFrame, project: int) -> Any:
    if build["status"] != "FINISHED":
        return pd.array([pd.NA] * len(instances), dtype="boolean")
    delivered = views.deliveries(project_id=project, build_id=int(build.name))  # type: ignore[call-overload]
    known = pd.MultiIndex.from_frame(delivered[_PLACE])
    return pd.array(pd.MultiIndex.from_frame(instances[_PLACE]).isin(known), dtype="boolean")

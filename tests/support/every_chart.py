"""Every chart of `mk.charts`, drawn from the demo history."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes

import mkframe as mk
from mkframe import charts
from tests.support.metadata_rows import commit_rows

DAY = 86_400_000
CHANGES = pd.DataFrame(
    {
        "pattern": "DV",
        "folder": [f"/RAW/AREA_{n % 9}" for n in range(27)],
        "instance": [f"I{n}" for n in range(27)],
        "role": "ATTR",
        "name": "A",
        "occurrence": 1,
        "kind": ["added", "changed", "removed"] * 9,
        "property": "x",
    }
)
COMMITS = (
    "A R1 hand",
    "A R1 FINISHED",
    "B R1 CANCELED",
    "A R2 FAILED",
    "A - hand",
    "A R2 PAUSED",
    "A R2 BUILDING",
)


def load() -> dict[str, Any]:
    """Load what the charts need from the demo server."""
    with mk.demo(builds=600) as client:
        builds = client.add_names(client.builds.find())
        return {
            "builds": builds,
            "releases": client.releases.find(),
            "downloads": client.downloads.find(),
            "deployments": client.build_deployments.find(),
            "deliveries": pd.DataFrame({"BUILD_ID": [n for n in builds.index if n % 3]}),
            "commits": commit_rows(*(f"{row} {(n + 1) * DAY}" for n, row in enumerate(COMMITS))),
        }


CHARTS: dict[str, Any] = {
    **{
        name: lambda data, ax, name=name: getattr(charts, name)(data["builds"], ax=ax)
        for name in (
            "calendar", "change_points", "cost_card", "duration_by_instances", "durations",
            "failure_families", "failure_progress", "failure_rate", "longest", "median_duration",
            "outcomes", "recovery", "throughput",
        )
    },
    **{
        f"{name} by {by}, {every}": lambda data, ax, name=name, by=by, every=every: getattr(charts, name)(
            data["builds"], by=by, every=every, ax=ax
        )
        for name in ("durations", "failure_rate", "median_duration", "outcomes", "throughput")
        for by, every in (("pattern", None), ("pattern", "Q"))
    },
    "artifact_use": lambda d, ax: charts.artifact_use(d["downloads"], d["deployments"], by="pattern", ax=ax),
    "builds_without_delivery": lambda d, ax: charts.builds_without_delivery(
        d["builds"].assign(deliveries_calculated=True), d["deliveries"], ax=ax
    ),
    "commit_lanes": lambda d, ax: charts.commit_lanes(d["commits"], ax=ax),
    "eta": lambda d, ax: charts.eta(
        d["builds"], d["builds"], now=d["builds"]["build_start"].max() + pd.Timedelta("90s"), ax=ax
    ),
    "release_changes": lambda d, ax: charts.release_changes(CHANGES, ax=ax),
    "releases": lambda d, ax: charts.releases(d["releases"], d["builds"], ax=ax),
}  # fmt: skip
"""For each name a function of the loaded frames and an Axes."""


def draw(data: dict[str, Any], name: str, ax: Axes | None) -> Axes:
    """Draw one chart."""
    drawn: Axes = CHARTS[name](data, ax)
    return drawn

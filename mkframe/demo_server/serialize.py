"""Builds, artifacts and build deployments as the API shows them, made from columns all at once.

Open in the reference; here:

* a build that runs has no ``build_end``; only a finished one has ``downloads``, and 1 for
  ``history_commited`` and ``deliveries_calculated``;
* ``mts`` is the local time of the start, as in the vendor's example;
* each artifact has an ``upload_id``, none a ``file_id`` or ``instance_id``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mkframe import schema
from mkframe.demo_server.build_columns import BUILDING, FINISHED
from mkframe.demo_server.data.projects import CUSTOMER, PATTERNS
from mkframe.demo_server.messages import phase
from mkframe.demo_server.times import SECOND, Ints, iso_column, local_offset

if TYPE_CHECKING:
    from mkframe.demo_server.state import State

Row = dict[str, Any]
Mask = NDArray[np.bool_]


def build_rows(state: State, rows: Ints, at: int) -> list[Row]:
    """Describe builds as they are at an instant."""
    b, many = state.builds, len(rows)
    seen = state.observation_times(rows, at)
    start, end = b.start[rows], b.end[rows]
    running = end > seen
    gone = ((seen - start) * 100 // np.maximum(end - start, 1)).clip(0, 99)
    progress = np.where(running, gone, b.progress[rows]).tolist()
    status = np.where(running, BUILDING, b.outcome[rows])
    finished = (status == FINISHED).astype(np.int64).tolist()
    begun = iso_column(start)
    updated = iso_column(np.where(running, np.maximum(start, seen - seen % SECOND), end))
    places = rows.tolist()
    columns: dict[str, list[Any]] = {
        "id": b.id[rows].tolist(),
        "customer_id": [CUSTOMER] * many,
        "user_id": b.user[rows].tolist(),
        "project_id": b.project[rows].tolist(),
        "progress": progress,
        "status": [schema.STATUSES[s] for s in status.tolist()],
        "message": [
            phase(p) if r else b.message[i]
            for p, r, i in zip(progress, running.tolist(), places, strict=True)
        ],
        "build_start": begun,
        "build_end": [None if r else u for r, u in zip(running.tolist(), updated, strict=True)],
        "created_at": begun,
        "updated_at": updated,
        "history_commited": finished,
        "version": np.take((3, 10, 6, 5), status).tolist(),
        "active": [1] * many,
        # local wall time as if it were UTC, and a moment later than the start: as in the vendor's example
        "mts": (start + local_offset(start) + 70).tolist(),
        "name": [b.name[i] for i in places],
        "deliveries_calculated": finished,
        "description": [b.description[i] for i in places],
        "commit_ind": [0] * many,
        "deleted": [0] * many,
        "instances": b.counts[rows].sum(axis=1).tolist(),
        "patterns": [[p for p in slots if p] for slots in b.patterns[rows].tolist()],
        "releases": [sorted({r for r in slots if r}) for slots in b.releases[rows].tolist()],
        "downloads": _embedded(state, rows, ~running),
    }
    names = [f.name for f in schema.RESOURCES["builds"].fields]
    return [dict(zip(names, row, strict=True)) for row in zip(*(columns[n] for n in names), strict=True)]


def _embedded(state: State, rows: Ints, done: Mask) -> list[list[Row]]:
    b = state.builds
    first, slots = np.where(done, b.download[rows], 0).tolist(), b.patterns[rows].tolist()
    stamps = _stamps(b.start[rows])
    return [
        []
        if not download
        else [
            {
                "id": download + n,
                "pattern": PATTERNS[p].name,
                "pattern_id": p,
                "file_id": None,
                "name": f"{PATTERNS[p].name}_{stamp}.zip",
            }
            for n, p in enumerate(patterns)
            if p
        ]
        for download, patterns, stamp in zip(first, slots, stamps, strict=True)
    ]


def download_rows(state: State, rows: Ints, slots: Ints) -> list[Row]:
    """Describe artifacts."""
    b = state.builds
    columns = zip(
        (b.download[rows] + slots).tolist(), b.patterns[rows, slots].tolist(), b.id[rows].tolist(),
        b.project[rows].tolist(), _stamps(b.start[rows]), strict=True,
    )  # fmt: skip
    return [_download_row(state, *each) for each in columns]


def _download_row(state: State, id: int, pattern: int, build: int, project: int, stamp: str) -> Row:
    p = PATTERNS[pattern]
    name = f"{p.name}_{stamp}.zip"
    return {
        "id": id,
        "customer_id": CUSTOMER,
        "pattern_id": pattern,
        "name": name,
        "file_name": f"/files/results/{build}_{pattern}_{p.type.lower()}_{name}",
        "type": p.type,
        "build_id": build,
        "project_id": project,
        "version": 1,
        "upload_id": 100000 + id,
        "file_id": None,
        # every third artifact of the past was never fetched; fetches from here are added
        "downloaded": (id * 7919 % 3 if build < state.first_build + state.history_length else 0) + state.fetch_counts.get(id, 0),
        "instance_id": None,
    }


def deployed(state: State) -> list[Row]:
    """Deployments of the past: about a third of the artifacts of patterns that have a target."""
    targets: dict[int, list[int]] = {}
    for row in state.tables["deployments"]:
        targets.setdefault(row["pattern_id"], []).append(row["id"])
    rows, slots = state.find_downloads({"pattern_id": set(targets)})
    b = state.builds
    ids = b.download[rows] + slots
    picked = ids * 2654435761 % 1000 < 340
    return [
        {
            "id": n,
            "build_id": build,
            "pattern_id": pattern,
            "deployment_id": targets[pattern][download % 3],
            "upload_id": 100000 + download,
            "agent_id": None if download % 3 == 2 else 1 + download % 3,
            "agent_group_id": None if download % 3 == 2 else 1,
            "project_id": project,
        }
        for n, (download, pattern, build, project) in enumerate(
            zip(ids[picked].tolist(), b.patterns[rows, slots][picked].tolist(),
                b.id[rows][picked].tolist(), b.project[rows][picked].tolist(), strict=True), 1
        )
    ]  # fmt: skip


def _stamps(start: Ints) -> list[str]:
    """Local wall time without padding, as in the file names of the vendor's examples."""
    at = (start + local_offset(start)).astype("datetime64[ms]").astype("datetime64[m]")
    day = at.astype("datetime64[D]")
    month = day.astype("datetime64[M]")
    minute = (at - day).astype(np.int64)
    parts = (
        month.astype("datetime64[Y]").astype(np.int64) + 1970,
        month.astype(np.int64) % 12 + 1,
        (day - month).astype(np.int64) + 1,
        minute // 60,
        minute % 60,
    )
    return [f"{y}-{m}-{d}_{h}_{mi}" for y, m, d, h, mi in zip(*(p.tolist() for p in parts), strict=True)]

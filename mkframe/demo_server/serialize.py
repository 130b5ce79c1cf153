"""Builds, artifacts and build deployments as the API shows them, made from columns all at once.

Open in the reference; here:

* a build that runs has no ``build_end``; only a finished one has ``downloads``, and 1 for
  ``history_commited`` and ``deliveries_calculated``;
* ``mts`` is the local time of the start, as in the vendor's example;
* each artifact has an ``upload_id``, none a ``file_id`` or ``instance_id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mkframe import schema
from mkframe.demo_server.build_columns import BUILDING, FINISHED, BuildColumns
from mkframe.demo_server.data.projects import CUSTOMER, PATTERNS
from mkframe.demo_server.defaults import add_missing_fields, missing_fields
from mkframe.demo_server.messages import phase
from mkframe.demo_server.times import SECOND, Ints, iso_column, local_offset

Row = dict[str, Any]
Mask = NDArray[np.bool_]


def build_rows(b: BuildColumns, rows: Ints, at: Ints) -> list[Row]:
    """Make the rows of builds, each as it is at an instant (Unix ms)."""
    count = len(rows)
    start, end = b.start[rows], b.end[rows]
    running = end > at
    elapsed = ((at - start) * 100 // np.maximum(end - start, 1)).clip(0, 99)
    progress = np.where(running, elapsed, b.progress[rows]).tolist()
    status = np.where(running, BUILDING, b.outcome[rows])
    finished = (status == FINISHED).astype(np.int64).tolist()
    start_times = iso_column(start)
    update_times = iso_column(np.where(running, np.maximum(start, at - at % SECOND), end))
    indexes = rows.tolist()
    columns: dict[str, list[Any]] = {
        "id": b.id[rows].tolist(),
        "customer_id": [CUSTOMER] * count,
        "user_id": b.user[rows].tolist(),
        "project_id": b.project[rows].tolist(),
        "progress": progress,
        "status": [schema.STATUSES[s] for s in status.tolist()],
        "message": [
            phase(p) if r else b.message[i]
            for p, r, i in zip(progress, running.tolist(), indexes, strict=True)
        ],
        "build_start": start_times,
        "build_end": [None if r else t for r, t in zip(running.tolist(), update_times, strict=True)],
        "created_at": start_times,
        "updated_at": update_times,
        "history_commited": finished,
        "version": np.take((3, 10, 6, 5), status).tolist(),
        "active": [1] * count,
        # local wall time as if it were UTC, and a moment later than the start: as in the vendor's example
        "mts": (start + local_offset(start) + 70).tolist(),
        "name": [b.name[i] for i in indexes],
        "deliveries_calculated": finished,
        "description": [b.description[i] for i in indexes],
        "commit_ind": [0] * count,
        "deleted": [0] * count,
        "instances": b.counts[rows].sum(axis=1).tolist(),
        "patterns": [[p for p in slots if p] for slots in b.patterns[rows].tolist()],
        "releases": [sorted({r for r in slots if r}) for slots in b.releases[rows].tolist()],
        "downloads": _embedded_downloads(b, rows, ~running),
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _embedded_downloads(b: BuildColumns, rows: Ints, done: Mask) -> list[list[Row]]:
    first, slots = np.where(done, b.download[rows], 0).tolist(), b.patterns[rows].tolist()
    stamps = _file_stamps(b.start[rows])
    downloads = [
        [
            {
                "id": download + n,
                "pattern": PATTERNS[p].name,
                "pattern_id": p,
                "file_id": None,
                "name": f"{PATTERNS[p].name}_{stamp}.zip",
            }
            for n, p in enumerate(patterns)
            if p and download
        ]
        for download, patterns, stamp in zip(first, slots, stamps, strict=True)
    ]
    if not missing_fields(schema.EMBEDDED_DOWNLOAD, next(filter(None, downloads), [{}])[0]):
        return downloads
    return [add_missing_fields(each, schema.EMBEDDED_DOWNLOAD, "id") for each in downloads]


def download_rows(
    b: BuildColumns, rows: Ints, slots: Ints, fetch_counts: Mapping[int, int], started_from: int
) -> list[Row]:
    """Make the rows of artifacts; the builds from the id `started_from` on are not of the history."""
    columns = zip(
        (b.download[rows] + slots).tolist(), b.patterns[rows, slots].tolist(), b.id[rows].tolist(),
        b.project[rows].tolist(), _file_stamps(b.start[rows]), strict=True,
    )  # fmt: skip
    made = []
    for number, pattern, build, project, stamp in columns:
        p = PATTERNS[pattern]
        name = f"{p.name}_{stamp}.zip"
        made.append(
            {
                "id": number,
                "customer_id": CUSTOMER,
                "pattern_id": pattern,
                "name": name,
                "file_name": f"/files/results/{build}_{pattern}_{p.type.lower()}_{name}",
                "type": p.type,
                "build_id": build,
                "project_id": project,
                "version": 1,
                "upload_id": 100000 + number,
                "file_id": None,
                # artifacts of the history were fetched 0 to 2 times before this server started
                "downloaded": (number * 7919 % 3 if build < started_from else 0)
                + fetch_counts.get(number, 0),
                "instance_id": None,
            }
        )
    return made


def build_deployment_rows(
    b: BuildColumns, rows: Ints, slots: Ints, deployments: Mapping[int, list[int]]
) -> list[Row]:
    """Make the deployments of about a third of the artifacts; `deployments` holds IDs per pattern."""
    ids = b.download[rows] + slots
    picked = ids * 2654435761 % 1000 < 340
    return [
        {
            "id": n,
            "build_id": build,
            "pattern_id": pattern,
            "deployment_id": deployments[pattern][download % 3],
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


def _file_stamps(start: Ints) -> list[str]:
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

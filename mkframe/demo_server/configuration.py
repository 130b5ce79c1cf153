"""Rows of all resources but builds, downloads, instances and build deployments.

The demo data of a new resource is a function here and an entry in `tables`.
"""

from __future__ import annotations

import uuid
from typing import Any

from mkframe.demo_server.catalog import Catalog, Instance
from mkframe.demo_server.data.projects import PATTERNS, PLACES, PROJECTS
from mkframe.demo_server.releases import GROUPS, release_row

Row = dict[str, Any]


def tables(catalog: Catalog, seed: int) -> dict[str, list[Row]]:
    """Make the rows of each resource; keys that the schema does not declare serve filters only."""
    return {
        "projects": [{"id": i, "name": n, "deleted": d, "disabled": off} for i, n, d, off in PROJECTS],
        "patterns": _pattern_rows(catalog),
        "instance_folders": catalog.folders,
        "deployments": _deployment_rows(),
        "functional_roles": _functional_role_rows(),
        "instance_properties": _instance_property_rows(),
        "pattern_variables": _pattern_variable_rows(catalog),
        "labels": _label_rows(),
        "releases": [release_row(r) for r in catalog.releases.values()],
        "release_groups": [{"id": i, "name": n} for i, n in GROUPS.items()],
        "agents": _agent_rows(seed),
        "agent_groups": [
            {"id": 1, "name": "ON_PREMISES", "description": "Agents beside the source systems"},
            {"id": 2, "name": "CLOUD", "description": None},
        ],
    }


def _pattern_rows(catalog: Catalog) -> list[Row]:
    return [
        {
            "id": p.id,
            "name": p.name,
            "description": f"{p.type} artifacts from {', '.join(p.folders[:2])}" if p.id % 2 == 0 else None,
            "type": p.type,
            "vers_no": f"{1 + p.id % 3}.{catalog.pattern_version(p.id, catalog.now)}.{p.id % 4}",
            "status": "FINISHED" if p.id != 841 else "DRAFT",
            "active": p.active,
            "deleted": not p.active,
            "disabled": p.id == 845,
            "release_group_id": p.group,
        }
        for p in PATTERNS.values()
    ]


def _deployment_rows() -> list[Row]:
    """Make the rows of deployments; API, database and Git are the targets that the reference names."""
    return [
        {"id": n, "pattern_id": pattern, "name": name}
        for n, (pattern, name) in enumerate(
            ((p, target) for p in (808, 812, 815, 821, 830, 834, 839)
             for target in (f"{PATTERNS[p].type}_TEST", f"{PATTERNS[p].type}_PROD", "GIT_MAIN")), 1
        )
    ]  # fmt: skip


def _agent_rows(seed: int) -> list[Row]:
    names = ("agent-vienna-1", "agent-vienna-2", "agent-cloud-1", "agent-cloud-2", "agent-laptop")
    groups = (1, 1, 2, 2, None)
    return [
        {
            "id": n + 1,
            "agent_id": str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{name}.{seed}.example.com")),
            "name": name,
            "deleted": n == 4,
            "disabled": n == 3,
            "online": n in (0, 2),
            "group_id": group,
        }
        for n, (name, group) in enumerate(zip(names, groups, strict=True))
    ]


_ROLES = (
    ("SK", "Technical", "1", "1"),
    ("BK", "Functional", "1", "N"),
    ("SRC_AND_TGT_FIELD", "Functional", "0", "N"),
    ("LOAD_DATE", "Technical", "1", "1"),
    ("RECORD_SOURCE", "Naming", "0", "1"),
)


def _functional_role_rows() -> list[Row]:
    """Make the rows of functional roles; every second pattern has no audit roles."""
    return [
        {
            "id": pattern * 10 + n,
            "pattern_id": pattern,
            "name": name,
            "class": kind,
            "domain": "FIELD" if kind != "Naming" else None,
            "cardinality_min": low,
            "cardinality_max": high,
            "pos_no": n,
            "deleted": False,
            "disabled": False,
            "readonly": n > 3,
            "merge_strategy": "Overwrite" if name == "SRC_AND_TGT_FIELD" else None,
        }
        for pattern in PATTERNS
        for n, (name, kind, low, high) in enumerate(_ROLES[: 5 if pattern % 2 == 0 else 3], 1)
    ]


_PROPERTIES = (
    ("NAME", "string", None, True),
    ("DATA_TYPE", "string", None, True),
    ("PRECISION", "integer", "0", False),
    ("NULLABLE", "boolean", None, False),
    ("VALID_FROM", "date", "YYYY-MM-DD", False),
)


def _instance_property_rows() -> list[Row]:
    return [
        {
            "id": pattern * 10 + n,
            "pattern_id": pattern,
            "name": name,
            "datatype": datatype,
            "format": layout,
            "description": None if required else f"{name.replace('_', ' ').capitalize()} of the field",
            "deleted": False,
            "required": required,
            "pos_no": n,
        }
        for pattern in PATTERNS
        for n, (name, datatype, layout, required) in enumerate(_PROPERTIES, 1)
    ]


def _label_rows() -> list[Row]:
    """Make the rows of labels: global, of a project, and of a pattern in a project."""
    labels = (
        (None, None, "PII", "red"),
        (None, None, "CORE", "blue"),
        (402, None, "AVIATION", "green"),
        (405, None, "REVIEW", "orange"),
        (411, None, "SOX", "gray"),
        (402, 808, "HUB", "purple"),
        (402, 808, "SATELLITE", "brown"),
        (418, 834, "EVENTS", "turquoise"),
        (None, None, "to_do", "blue"),
        (None, None, "for_review", "orange"),
        (None, None, "approved", "green"),
    )
    return [
        {"id": n, "project_id": project, "pattern_id": pattern, "name": name, "color": color}
        for n, (project, pattern, name, color) in enumerate(labels, 1)
    ]


def _pattern_variable_rows(catalog: Catalog) -> list[Row]:
    """Make the rows of pattern variables on their four levels; `instance_id` serves the filter only."""
    rows: list[Row] = []
    names = {project: name for project, name, *_ in PROJECTS}
    for pattern in PATTERNS:
        for n, (name, value) in enumerate(
            (("TARGET_SCHEMA", "DWH"), ("BATCH_SIZE", "1000"), ("OWNER_TAG", None), ("DATABASE", "DWH_DEV"))
        ):
            rows.append(_variable(pattern * 10 + n, pattern, name, value, "default"))
    for (project, pattern), instances in catalog.by_pattern.items():
        variable, first = pattern * 10, instances[0]
        rows.append(_variable(variable, pattern, "TARGET_SCHEMA", names[project], "project", project))
        rows.append(_variable(variable + 1, pattern, "BATCH_SIZE", "5000", "instance_folder", project, first))
        rows.append(_variable(variable + 1, pattern, "BATCH_SIZE", "250", "instance", project, first))
    for project, pattern in PLACES:
        folders = [f for f in catalog.folders if (f["project_id"], f["pattern_id"]) == (project, pattern)]
        paths = PATTERNS[pattern].folders
        # the last folder of the production environment still names the one of development
        for path, value in ((paths[0], "DWH_TEST"), (paths[-2], "DWH_PROD"), (paths[-1], "DWH_DEV")):
            folder = next(f["id"] for f in folders if f["path"] == path)
            row = _variable(pattern * 10 + 3, pattern, "DATABASE", value, "instance_folder", project)
            rows.append(row | {"instance_folder_id": folder})
    return rows


def _variable(
    id: int, pattern: int, name: str, value: str | None, level: str,
    project: int | None = None, instance: Instance | None = None,
) -> Row:  # fmt: skip
    return {
        "pattern_variable_id": id,
        "pattern_id": pattern,
        "name": name,
        "value": value,
        "level": level,
        "project_id": project,
        "instance_folder_id": instance.folder_id if instance else None,
        "instance_id": instance.id if instance and level == "instance" else None,
    }

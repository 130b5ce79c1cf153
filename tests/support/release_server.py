"""A small server of one story of releases, written by the reference: what it answers is what tests plant.

The story is in order: R6 is closed, its hotfix R6.HF1 is in R7, which is open, built and deployed. A project
beside it, other releases, a pattern of another group and a deleted instance are not in order, and must not
count.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from mkframe import settings
from mkframe._http import Transport
from mkframe.client import Client
from tests.support import faults

PROJECT, OTHER_PROJECT = 402, 403
NOW = datetime.now(UTC)


def iso(days):
    return (NOW + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def stamp(days):
    return int((NOW + timedelta(days=days)).timestamp() * 1000)


@dataclass
class Story:
    """Everything that the server knows; tests change it before they ask."""

    projects: list = field(default_factory=list)
    groups: list = field(default_factory=list)
    releases: list = field(default_factory=list)
    patterns: list = field(default_factory=list)
    folders: list = field(default_factory=list)
    instances: list = field(default_factory=list)
    builds: list = field(default_factory=list)
    build_deployments: list = field(default_factory=list)
    labels: list = field(default_factory=list)
    properties: list = field(default_factory=list)
    roles: list = field(default_factory=list)
    commits: list = field(default_factory=list)
    deliveries: list = field(default_factory=list)
    instance_labels: list = field(default_factory=list)
    rows: dict = field(default_factory=dict)
    """Rows of `@INSTANCES` by pattern."""
    refused: set = field(default_factory=set)
    """Paths that answer 403, and views that end with ERROR."""

    def instance(self, name, release="R7"):
        return next(i for i in self.instances if i["name"] == name and i["in"] == release)

    def release(self, name):
        return next(r for r in self.releases if r["name"] == name)

    def row(self, instance, name, release):
        rows = (row for rows in self.rows.values() for row in rows)
        return next(
            r for r in rows if (r["@INSTANCE"], r["NAME"], r["@RELEASE"]) == (instance, name, release)
        )

    def commit(self, instance, days, type="Commit", status="FINISHED", release="R7"):
        pattern = next(row["@PATTERN"] for rows in self.rows.values() for row in rows
                       if row["@INSTANCE"] == instance)  # fmt: skip
        self.commits.append(
            {"PATTERN": pattern, "FOLDER": "/RAW", "INSTANCE": instance, "RELEASE": release,
             "USER_NAME": "anna@example.com", "TYPE": type, "STATUS": status,
             "COMMIT_TIMESTAMP": stamp(days), "DELETED": 0, "DESCRIPTION": None}
        )  # fmt: skip

    def build(self, id, days, status="FINISHED", patterns=(808, 809), release=27, project=PROJECT):
        self.builds.append(
            {"id": id, "customer_id": 1, "user_id": 2, "project_id": project, "progress": 100,
             "status": status, "message": "calculating deliveries ...", "build_start": iso(days),
             "build_end": None if status == "BUILDING" else iso(days + 0.001), "created_at": iso(days),
             "updated_at": iso(days), "history_commited": 1, "version": 1, "active": 0, "mts": stamp(days),
             "name": f"B{id}", "deliveries_calculated": 1, "description": None, "commit_ind": 1,
             "deleted": 0, "instances": 2, "patterns": list(patterns), "releases": [release],
             "downloads": []}
        )  # fmt: skip

    def label(self, instance, name, days):
        self.instance_labels.append(
            {"ID": len(self.instance_labels) + 1, "PATTERN": "DV", "FOLDER": "/RAW", "INSTANCE": instance,
             "LABEL": name, "COLOR": "blue", "USER_NAME": "anna@example.com",
             "CREATED": iso(days)[:19].replace("T", " ")}
        )  # fmt: skip

    # --- answering ------------------------------------------------------------------------------------

    def answer(self, request: faults.Request) -> faults.Answer:
        path = request.path.removeprefix(faults.API)
        if path in self.refused:
            return faults.vendor(403, "You don't have permissions to access this project!")
        if path == "/metadata":
            return faults.reply(self._query(request.json()))
        resource = path.strip("/")
        if resource not in _FINDERS:
            return faults.vendor(404, f"No route {path}")
        table, keep = _FINDERS[resource]
        wanted = {key: _parsed(text) for key, text in request.query.items()}
        rows = [row for row in getattr(self, table) if keep(self, row, wanted)]
        hidden = _HIDDEN if table == "instances" else ()
        return faults.reply([{k: v for k, v in row.items() if k not in hidden} for row in rows])

    def _query(self, body):
        sql = body["statement"]
        names = {row["name"]: row["id"] for row in self.projects}
        project = body.get("project_id", names.get(body.get("project")))
        name = re.search(r"FROM @(INFORMATION_SCHEMA|INSTANCES)\.\"?(\w+)", sql)
        answer = {"id": "1", "user_id": 2, "type": "select_statement", "sql": sql, "stmt_no": 1,
                  "start_time": stamp(0)}  # fmt: skip
        if name is None or name[0].removeprefix("FROM ") in self.refused or project != PROJECT:
            return {**answer, "status": "ERROR", "rows": [], "metadata": [], "error": "no such view"}
        if name[1] == "INSTANCES":
            releases = re.findall(r"'((?:[^']|'')*)'", sql.split("WHERE", 1)[-1]) if "WHERE" in sql else None
            rows = [r for r in self.rows.get(name[2], []) if releases is None or r["@RELEASE"] in releases]
        else:
            rows = getattr(self, name[2].lower())
        columns = [{"name": key, "type": "string"} for key in (rows[0] if rows else {})]
        return {**answer, "status": "FINISHED", "rows": rows, "metadata": columns}

    @contextmanager
    def client(self):
        """Serve the story, and yield a client of it."""
        with faults.serve(self.answer) as server:
            loaded = dataclasses.replace(settings.load(server.api, token="a.b.c"), max_attempts=1)
            with Client(Transport(loaded)) as client:
                yield client


_HIDDEN = ("in", "deleted_", "checked_out", "build_disabled", "invalid")
"""What the reference names as filters of instances only."""


def _parsed(text):
    return json.loads(text) if text in ("true", "false") or text.startswith("{") else text


def _of_project(story, row, wanted):
    return str(row["project_id"]) == wanted.get("project_id", str(row["project_id"]))


def _instance(story, row, wanted):
    release = (wanted.get("releases") or {}).get("DWH_GROUP")
    flags = {"deleted": "deleted_", "checked_out": "checked_out", "build_disabled": "build_disabled",
             "invalid": "invalid"}  # fmt: skip
    return (
        _of_project(story, row, wanted)
        and (release is None or row["in"] == release)
        and all(row[flags[key]] == value for key, value in wanted.items() if key in flags)
    )


def _build(story, row, wanted):
    release = (wanted.get("releases") or {}).get("DWH_GROUP")
    ids = [r["id"] for r in story.releases if r["name"] == release and r["group_id"] == 1]
    return _of_project(story, row, wanted) and (release is None or bool(set(ids) & set(row["releases"])))


def _deployment(story, row, wanted):
    return str(row["build_id"]) == wanted.get("build_id", str(row["build_id"]))


def _property(story, row, wanted):
    return True


_FINDERS = {
    "projects": ("projects", lambda *_: True),
    "release_groups": ("groups", lambda *_: True),
    "releases": ("releases", lambda *_: True),
    "patterns": ("patterns", lambda *_: True),
    "instance_folders": ("folders", _of_project),
    "instances": ("instances", _instance),
    "builds": ("builds", _build),
    "build_deployments": ("build_deployments", _deployment),
    "labels": ("labels", lambda *_: True),
    "instance_properties": ("properties", _property),
    "functional_roles": ("roles", _property),
}


def _instance_row(number, name, release, pattern, **flags):
    made = {
        "id": 1000 + number, "customer_id": 1, "name": name, "project_id": PROJECT, "pattern_id": pattern,
        "errors": 0, "instance_folder_id": 31, "version": 1, "description": None, "release_id": 27,
        "identity_id": 5000 + number, "user_id": 2, "latest_commit_id": None, "labels": [], "in": release,
        "deleted_": False, "checked_out": False, "build_disabled": False, "invalid": False,
    }  # fmt: skip
    return made | flags


def _metadata_row(pattern, instance, release, place, name, data_type):
    return {"@PATTERN": pattern, "@FOLDER": "/RAW", "@INSTANCE": instance, "@RELEASE": release,
            "@POS_NO": place, "@DELETED": 0, "FUNCTIONAL_ROLE": "ATTR", "NAME": name,
            "DATA_TYPE": data_type}  # fmt: skip


def story_in_order() -> Story:
    """Return a story in which R7 of DWH_GROUP is ready."""
    story = Story(
        projects=[{"id": key, "name": name, "deleted": False, "disabled": False}
                  for key, name in ((PROJECT, "DEMO_PROJECT"), (OTHER_PROJECT, "OTHER"))],
        groups=[{"id": 1, "name": "DWH_GROUP"}, {"id": 2, "name": "MART_GROUP"}],
        patterns=[{"id": key, "name": name, "description": None, "type": "SNOWFLAKE", "vers_no": "1.0.0",
                   "status": "FINISHED", "active": True, "deleted": False, "disabled": False,
                   "release_group_id": group} for key, name, group in ((808, "DV", 1), (809, "STAGE", 1),
                                                                      (810, "MART", 2))],
        folders=[{"id": 31, "project_id": PROJECT, "pattern_id": 808, "parent_folder_id": None, "name": "RAW",
                  "path": "/RAW", "deleted": False, "upload_disabled": False, "insert_disabled": False,
                  "build_disabled": False, "edit_disabled": False}],
        labels=[{"id": 1, "project_id": None, "pattern_id": None, "name": name, "color": "blue"}
                for name in ("for_review", "to_do")],
        properties=[{"id": n, "pattern_id": 808, "name": name, "datatype": "string", "format": None,
                     "description": None, "deleted": False, "required": False, "pos_no": n}
                    for n, name in enumerate(("FUNCTIONAL_ROLE", "NAME", "DATA_TYPE"))],
    )  # fmt: skip
    for key, name, group, closed, previous, fixes, start in (
        (1, "Default Release", 1, False, None, None, None), (26, "R6", 1, True, 1, None, -60),
        (27, "R7", 1, False, 26, None, -30), (28, "R8", 1, False, 27, None, 30),
        (33, "R6.HF1", 1, True, 26, 26, -40), (71, "R70", 2, False, None, None, -30),
    ):  # fmt: skip
        story.releases.append(
            {"id": key, "group_id": group, "name": name, "description": None,
             "start_date": None if start is None else iso(start),
             "end_date": None if start is None else iso(start + 50), "closed": closed, "deleted": False,
             "hotfix_of_id": fixes, "prev_release_id": previous}
        )  # fmt: skip
    number = 0
    for name, pattern in (("PLANE", 808), ("SEAT", 808), ("LOAD", 809)):
        for release in ("R6", "R6.HF1", "R7"):
            number += 1
            story.instances.append(_instance_row(number, name, release, pattern))
    # what must not count: another release, another group, another project, a deleted instance
    bad = {"errors": 3, "invalid": True, "checked_out": True, "build_disabled": True}
    story.instances += [
        _instance_row(91, "PLANE", "R8", 808, **bad), _instance_row(92, "CUBE", "R7", 810, **bad),
        _instance_row(93, "OTHER", "R7", 808, **bad, project_id=OTHER_PROJECT),
        _instance_row(94, "GONE", "R7", 808, **bad, deleted_=True),
    ]  # fmt: skip
    types = {"R6": "int", "R6.HF1": "bigint", "R7": "bigint"}
    for instance, pattern in (("PLANE", "DV"), ("SEAT", "DV"), ("LOAD", "STAGE")):
        story.rows.setdefault(pattern, []).extend(
            _metadata_row(pattern, instance, release, place, name,
                          data_type if (instance, name) == ("PLANE", "SEATS") else "int")
            for release, data_type in types.items() for place, name in enumerate(("SEATS", "WEIGHT"), 1)
        )  # fmt: skip
    for instance in ("PLANE", "SEAT", "LOAD"):
        story.commit(instance, -10)
        story.commit(instance, -9, "Build")
    story.commit("PLANE", -1, release="R8")
    story.build(5001, -20, "FAILED")
    story.build(5002, -9)
    story.build(5003, -8, "FAILED", release=28)
    story.build(5004, -1, "BUILDING", project=OTHER_PROJECT)
    story.build_deployments = [
        {"id": 7, "build_id": 5002, "pattern_id": pattern, "deployment_id": 3, "upload_id": None,
         "agent_id": 1, "agent_group_id": None} for pattern in (808, 809)
    ]  # fmt: skip
    return copy.deepcopy(story)

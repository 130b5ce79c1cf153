"""Rows compared with the vendor's examples."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest

VENDOR_BUILD = [
    "id",
    "customer_id",
    "user_id",
    "project_id",
    "progress",
    "status",
    "message",
    "build_start",
    "build_end",
    "created_at",
    "updated_at",
    "history_commited",
    "version",
    "active",
    "mts",
    "name",
    "deliveries_calculated",
    "description",
    "commit_ind",
    "deleted",
    "instances",
    "patterns",
    "releases",
    "downloads",
]
VENDOR_EMBEDDED = ["id", "pattern", "pattern_id", "file_id", "name"]
VENDOR_DOWNLOAD = [
    "id",
    "customer_id",
    "pattern_id",
    "name",
    "file_name",
    "type",
    "build_id",
    "project_id",
    "version",
    "upload_id",
    "file_id",
    "downloaded",
    "instance_id",
]
VENDOR_RELEASE = [
    "id",
    "group_id",
    "name",
    "description",
    "start_date",
    "end_date",
    "closed",
    "deleted",
    "hotfix_of_id",
    "prev_release_id",
]
FORM = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def example(reader):
    return reader.get("/builds/5139")


def test_build_equals_vendor_example(example):
    assert [name for name in example if name in VENDOR_BUILD] == VENDOR_BUILD
    fixed = {
        "customer_id": 1,
        "user_id": 1,
        "project_id": 402,
        "progress": 100,
        "status": "FINISHED",
        "message": "calculating deliveries ...",
        "history_commited": 1,
        "version": 10,
        "active": 1,
        "name": None,
        "deliveries_calculated": 1,
        "description": "build via rest api",
        "commit_ind": 0,
        "deleted": 0,
        "instances": 1,
        "patterns": [808],
    }
    assert {key: example[key] for key in fixed} == fixed


def test_build_embeds_short_downloads(example):
    (download,) = example["downloads"]
    assert list(download) == VENDOR_EMBEDDED
    assert (download["id"], download["pattern"], download["pattern_id"]) == (5442, "CORE_DV_HLS", 808)


def test_download_equals_vendor_example(reader, example):
    (row,) = reader.get("/downloads", build_id=5139)
    assert list(row) == VENDOR_DOWNLOAD
    assert row["name"] == example["downloads"][0]["name"]
    assert row["file_name"] == f"/files/results/5139_808_iics_{row['name']}"
    assert row["type"] == "IICS"


def test_release_equals_vendor_example(reader):
    row = reader.get("/releases/21")
    assert list(row) == VENDOR_RELEASE
    assert (row["name"], row["description"], row["group_id"], row["closed"]) == (
        "R1",
        "First release",
        1,
        False,
    )


def test_release_dates_are_local_midnights(reader):
    dates = [r[k] for r in reader.get("/releases") for k in ("start_date", "end_date") if r[k]]
    assert {d[10:] for d in dates} == {"T22:00:00.000Z", "T23:00:00.000Z"}
    assert all(
        (d[11:13] == "22") == ("03-29" < d[5:10] < "10-24") for d in dates if d[5:7] not in ("03", "10")
    )


def test_times_are_iso_with_milliseconds(reader):
    rows = reader.get("/builds")
    times = {r[k] for r in rows for k in ("build_start", "build_end", "created_at", "updated_at")} - {None}
    assert all(FORM.fullmatch(t) for t in times)


def test_mts_is_local_wall_time(reader):
    ahead = {
        round((r["mts"] / 1000 - datetime.fromisoformat(r["build_start"]).timestamp()) / 3600)
        for r in reader.get("/builds")
    }
    assert ahead == {1, 2}


def test_file_names_contain_local_unpadded_times(reader, example):
    at = datetime.fromisoformat(example["build_start"]) + timedelta(hours=2)
    stamp = f"{at.year}-{at.month}-{at.day}_{at.hour}_{at.minute}"
    assert example["downloads"][0]["name"] == f"CORE_DV_HLS_{stamp}.zip"


def test_finished_builds_have_one_download_per_pattern(reader):
    for row in reader.get("/builds"):
        files = row["downloads"]
        assert len(files) == (len(row["patterns"]) if row["status"] == "FINISHED" else 0)
        assert [f["pattern_id"] for f in files] == row["patterns"][: len(files)]


def test_embedded_downloads_equal_downloads(reader):
    short = {
        f["id"]: (b["id"], f["pattern_id"], f["name"]) for b in reader.get("/builds") for f in b["downloads"]
    }
    long = {d["id"]: (d["build_id"], d["pattern_id"], d["name"]) for d in reader.get("/downloads")}
    assert short == long


def test_running_builds_have_no_end(reader):
    running = [b for b in reader.get("/builds") if b["status"] == "BUILDING"]
    assert len(running) >= 2
    assert all(b["build_end"] is None and 0 <= b["progress"] < 100 for b in running)
    assert all(b["build_end"] for b in reader.get("/builds") if b["status"] != "BUILDING")


def test_build_starts_lie_in_release_periods_but_for_a_few(reader):
    releases = {r["id"]: r for r in reader.get("/releases")}
    late = []
    for build in reader.get("/builds"):
        for release in map(releases.get, build["releases"]):
            if release["start_date"]:
                assert release["start_date"] <= build["build_start"]
                after = datetime.fromisoformat(build["build_start"]) - datetime.fromisoformat(
                    release["end_date"]
                )
                late += [after] if after >= timedelta(0) else []
    assert 1 <= len(late) <= 10
    assert max(late) < timedelta(days=10)


def test_release_chains_and_hotfixes_are_consistent(reader):
    releases = {r["id"]: r for r in reader.get("/releases")}
    for row in releases.values():
        if row["prev_release_id"] and not row["hotfix_of_id"]:
            before = releases[row["prev_release_id"]]
            assert (before["group_id"], before["end_date"]) == (row["group_id"], row["start_date"])
        if row["hotfix_of_id"]:
            base = releases[row["hotfix_of_id"]]
            assert base["start_date"] < row["start_date"] < row["end_date"]
            assert row["prev_release_id"] == base["id"]
    fixes = [r for r in releases.values() if r["hotfix_of_id"]]
    late = [r for r in fixes if r["start_date"] > releases[r["hotfix_of_id"]]["end_date"]]
    assert [r["group_id"] for r in late] == [1, 2, 3]
    groups = {g["id"] for g in reader.get("/release_groups")}
    assert {r["group_id"] for r in releases.values() if r["name"] == "Default Release"} == groups


def test_folder_paths_follow_parents(reader):
    rows = {f["id"]: f for f in reader.get("/instance_folders", project_id=402)}
    for row in rows.values():
        above = rows[row["parent_folder_id"]]["path"] if row["parent_folder_id"] else ""
        assert row["path"] == f"{above}/{row['name']}"
    assert {"/RAW_VAULT", "/BUSINESS_VAULT", "/BUSINESS_VAULT/CRM"} <= {f["path"] for f in rows.values()}

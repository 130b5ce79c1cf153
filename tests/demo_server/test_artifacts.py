"""Artifacts: real ZIPs, the same for the same download, different where something changed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from xml.etree import ElementTree

import pytest

from mkframe.demo_server import Server


def fetch(visitor, download):
    answer = visitor.ask(f"/downloads/{download}")
    assert answer.status_code == 200
    return answer


def members(visitor, download):
    archive = zipfile.ZipFile(io.BytesIO(fetch(visitor, download).content))
    assert archive.testzip() is None
    return {name: archive.read(name).decode() for name in archive.namelist()}


def latest(visitor, pattern):
    return visitor.get("/downloads", pattern=pattern)[-1]


def test_a_file_is_named_and_measured(reader):
    answer = fetch(reader, 5442)
    name = reader.get("/builds/5139")["downloads"][0]["name"]
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Content-Type"] == "application/zip"


def test_a_fetch_is_counted_but_a_look_is_not(starter):
    counts = [starter.get("/downloads", build_id=5139)[0]["downloaded"]]
    for method in ("HEAD", "GET"):
        starter.ask("/downloads/5442", method)
        counts.append(starter.get("/downloads", build_id=5139)[0]["downloaded"])
    assert counts[0] == counts[1] == counts[2] - 1


def test_a_mapping_is_xml(reader):
    content = members(reader, 5442)
    mapping = ElementTree.fromstring(content["BUSINESS_VAULT/AIRPLANE.xml"])
    fields = mapping.findall(".//source/field")
    assert {"SK", "BK"} < {f.get("role") for f in fields}
    manifest = json.loads(content["manifest.json"])
    assert manifest["members"][0]["fields"] == len(fields)


@pytest.mark.parametrize(
    ("pattern", "word"),
    [
        ("SF_DIM_FACT", "VARCHAR"),
        ("SYN_MART", "NVARCHAR"),
        ("FAB_LAKEHOUSE", "CREATE TABLE "),
        ("DBX_BRONZE", "STRING"),
    ],
)
def test_other_platforms_get_sql_of_their_dialect(reader, pattern, word):
    content = members(reader, latest(reader, pattern)["id"])
    scripts = [text for name, text in content.items() if name.endswith(".sql")]
    assert scripts
    assert all("CREATE TABLE" in s and "MERGE INTO" in s for s in scripts)
    assert any(word in s for s in scripts)


def test_a_member_per_instance_and_a_manifest(reader):
    build = next(b for b in reader.get("/builds") if b["status"] == "FINISHED" and len(b["patterns"]) == 2)
    contents = [members(reader, f["id"]) for f in build["downloads"]]
    assert sum(len(c) - 1 for c in contents) == build["instances"]
    assert all(json.loads(c["manifest.json"])["build_id"] == build["id"] for c in contents)


def test_the_same_download_is_the_same_in_another_server(reader, visit, now):
    with Server(builds=1500, now=now) as twin:
        visitor = visit(twin)
        for pattern in ("CORE_DV_HLS", "SYN_MART"):
            row = latest(reader, pattern)
            assert fetch(visitor, row["id"]).content == fetch(reader, row["id"]).content


def columns(xml):
    fields = ElementTree.fromstring(xml).findall(".//source/field")
    return {f.get("name"): (f.get("type"), f.get("precision")) for f in fields}


def test_what_differs_between_two_builds_is_what_was_delivered(reader):
    sql = (
        "SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES WHERE MODE = 'INST_DELTA' "
        "AND PATTERN = 'CORE_DV_HLS' AND CHANGED > 0 AND DELETED > 0 ORDER BY ID DESC LIMIT 1"
    )
    answer = reader.post("/metadata", {"project": "DEMO_PROJECT", "statement": sql}).json()
    (row,) = answer["rows"]
    path = f"{row['FOLDER'].strip('/')}/{row['INSTANCE']}.xml"
    old, new = (
        columns(members(reader, reader.get("/downloads", build_id=b, pattern_id=808)[0]["id"])[path])
        for b in (row["COMPARE_TO_BUILD_ID"], row["BUILD_ID"])
    )
    added, deleted = new.keys() - old.keys(), old.keys() - new.keys()
    changed = [n for n in new.keys() & old.keys() if new[n] != old[n]]
    assert (len(added), len(changed), len(deleted)) == (row["ADDED"], row["CHANGED"], row["DELETED"])
    assert (row["CHANGE_COUNT"], row["FIELD_COUNT"]) == (len(added) + len(changed) + len(deleted), len(new))


def test_artifacts_are_of_modest_size(reader):
    biggest = max(
        reader.get("/builds", pattern="CORE_DV_HLS"), key=lambda b: b["instances"] * bool(b["downloads"])
    )
    assert all(len(fetch(reader, f["id"]).content) < 300_000 for f in biggest["downloads"])


def test_no_member_leaves_the_folder(reader):
    names = members(reader, latest(reader, "FAB_LAKEHOUSE")["id"])
    assert all(re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\.(sql|json)", n) for n in names)


def test_an_unknown_download_is_not_found(reader):
    assert reader.refusal("/downloads/999999") == (404, "No record found for id '999999'")

"""Artifacts: ZIPs that are the same for the same download and differ where something changed."""

from __future__ import annotations

import io
import json
import re
import zipfile
from xml.etree import ElementTree

import pytest

from mkframe.demo_server import Server


def fetch(client, download):
    response = client.request(f"/downloads/{download}")
    assert response.status_code == 200
    return response


def members(client, download):
    archive = zipfile.ZipFile(io.BytesIO(fetch(client, download).content))
    assert archive.testzip() is None
    return {name: archive.read(name).decode() for name in archive.namelist()}


def latest(client, pattern):
    return client.get("/downloads", pattern=pattern)[-1]


def test_fetch_has_name_and_length(reader):
    response = fetch(reader, 5442)
    name = reader.get("/builds/5139")["downloads"][0]["name"]
    assert response.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response.headers["Content-Length"] == str(len(response.content))
    assert response.headers["Content-Type"] == "application/zip"


def test_get_is_counted_and_head_is_not(writer):
    counts = [writer.get("/downloads", build_id=5139)[0]["downloaded"]]
    for method in ("HEAD", "GET"):
        writer.request("/downloads/5442", method)
        counts.append(writer.get("/downloads", build_id=5139)[0]["downloaded"])
    assert counts[0] == counts[1] == counts[2] - 1


def test_mapping_is_xml(reader):
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
def test_platform_has_its_sql_types(reader, pattern, word):
    content = members(reader, latest(reader, pattern)["id"])
    scripts = [text for name, text in content.items() if name.endswith(".sql")]
    assert scripts
    assert all("CREATE TABLE" in s and "MERGE INTO" in s for s in scripts)
    assert any(word in s for s in scripts)


def test_zip_has_member_per_instance_and_manifest(reader):
    build = next(b for b in reader.get("/builds") if b["status"] == "FINISHED" and len(b["patterns"]) == 2)
    contents = [members(reader, f["id"]) for f in build["downloads"]]
    assert sum(len(c) - 1 for c in contents) == build["instances"]
    assert all(json.loads(c["manifest.json"])["build_id"] == build["id"] for c in contents)


def test_download_equals_that_of_another_server(reader, log_in, now):
    with Server(builds=1500, at=now) as other_server:
        client = log_in(other_server)
        for pattern in ("CORE_DV_HLS", "SYN_MART"):
            row = latest(reader, pattern)
            assert fetch(client, row["id"]).content == fetch(reader, row["id"]).content


def columns(xml):
    fields = ElementTree.fromstring(xml).findall(".//source/field")
    return {f.get("name"): (f.get("type"), f.get("precision")) for f in fields}


def test_difference_of_artifacts_equals_delivery(reader):
    sql = (
        "SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES WHERE MODE = 'INST_DELTA' "
        "AND PATTERN = 'CORE_DV_HLS' AND CHANGED > 0 AND DELETED > 0 ORDER BY ID DESC LIMIT 1"
    )
    response = reader.post("/metadata", {"project": "DEMO_PROJECT", "statement": sql}).json()
    (row,) = response["rows"]
    path = f"{row['FOLDER'].strip('/')}/{row['INSTANCE']}.xml"
    old, new = (
        columns(members(reader, reader.get("/downloads", build_id=b, pattern_id=808)[0]["id"])[path])
        for b in (row["COMPARE_TO_BUILD_ID"], row["BUILD_ID"])
    )
    added, deleted = new.keys() - old.keys(), old.keys() - new.keys()
    changed = [n for n in new.keys() & old.keys() if new[n] != old[n]]
    assert (len(added), len(changed), len(deleted)) == (row["ADDED"], row["CHANGED"], row["DELETED"])
    assert (row["CHANGE_COUNT"], row["FIELD_COUNT"]) == (len(added) + len(changed) + len(deleted), len(new))


def test_artifacts_are_small(reader):
    biggest = max(
        reader.get("/builds", pattern="CORE_DV_HLS"), key=lambda b: b["instances"] * bool(b["downloads"])
    )
    assert all(len(fetch(reader, f["id"]).content) < 300_000 for f in biggest["downloads"])


def test_zip_member_names_are_safe(reader):
    names = members(reader, latest(reader, "FAB_LAKEHOUSE")["id"])
    assert all(re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\.(sql|json)", n) for n in names)


def test_fetch_of_unknown_download_is_404(reader):
    assert reader.error_of("/downloads/999999") == (404, "No record found for id '999999'")

"""Artifacts: ZIPs that are the same for the same download and differ where something changed."""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from pathlib import PurePosixPath
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


def test_zip_lists_its_members_by_instance(reader):
    build = next(b for b in reader.get("/builds") if b["status"] == "FINISHED" and len(b["patterns"]) == 2)
    contents = [members(reader, f["id"]) for f in build["downloads"]]
    manifests = [json.loads(c["manifest.json"]) for c in contents]
    for manifest, content in zip(manifests, contents, strict=True):
        assert [m["path"] for m in manifest["members"]] + ["manifest.json"] == list(content)
        assert manifest["build_id"] == build["id"]
    assert sum(len({x["instance_id"] for x in m["members"]}) for m in manifests) == build["instances"]


@pytest.mark.parametrize(
    ("pattern", "ending", "activity"),
    [
        ("SYN_STAGING", "json", "SynapseNotebook"),
        ("SYN_MART", "json", "SynapseNotebook"),
        ("FAB_LAKEHOUSE", "ipynb", "TridentNotebook"),
        ("FAB_WAREHOUSE", "ipynb", "TridentNotebook"),
    ],
)
def test_instance_has_notebook_and_pipeline(reader, pattern, ending, activity):
    content = members(reader, latest(reader, pattern)["id"])
    scripts = [PurePosixPath(name) for name in content if name.endswith(".sql")]
    assert scripts
    for path in scripts:
        name = f"{pattern}_{path.stem}"
        notebook = json.loads(content[str(path.with_name(f"NB_{name}.{ending}"))])
        pipeline = json.loads(content[str(path.with_name(f"PL_{name}.json"))])
        (run,) = pipeline["properties"]["activities"]
        assert run["type"] == activity
        if ending == "json":
            assert notebook["name"] == run["typeProperties"]["notebook"]["referenceName"] == f"NB_{name}"
            assert pipeline["type"] == "Microsoft.Synapse/workspaces/pipelines"
            notebook = notebook["properties"]
        assert notebook["nbformat"] == 4
        code = ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]
        for cell in code:
            ast.parse(cell)
        parameters = [c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ())]
        assert len(parameters) == 1
        given = pipeline["properties"]["parameters"]
        assert {line.partition(" = ")[0] for line in parameters[0]["source"]} == given.keys()
        assert run["typeProperties"]["parameters"].keys() == given.keys()
        columns = re.findall(r"^    (\w+) +\w.*?,?$", content[str(path)].partition(");")[0], re.M)
        (schema,) = [cell for cell in code if cell.startswith("schema")]
        assert re.findall(r'StructField\("(\w+)"', schema) == columns[1:]


@pytest.fixture
def fetch_beside(reader):
    """Return a function that fetches the files of an instance of the first build that added a row to it."""

    def fetch_both(project, pattern, instance):
        sql = (
            f"SELECT BUILD_ID, COMPARE_TO_BUILD_ID FROM @INFORMATION_SCHEMA.DELIVERIES WHERE ADDED = 1 "
            f"AND PATTERN = '{pattern}' AND INSTANCE = '{instance}' ORDER BY BUILD_ID LIMIT 1"
        )
        (row,) = reader.post("/metadata", {"project": project, "statement": sql}).json()["rows"]
        for build in (row["COMPARE_TO_BUILD_ID"], row["BUILD_ID"]):
            (download,) = reader.get("/downloads", build_id=build, pattern=pattern)
            content = members(reader, download["id"])
            files = {
                kind: content[path]
                for path in content
                for kind in ("NB", "PL")
                if re.search(rf"/{kind}_{pattern}_{instance}\.", path)
            }
            yield json.loads(content["manifest.json"]), files

    return fetch_both


def test_hotfix_changes_notebook_and_no_pipeline(fetch_beside):
    """EMPLOYEE gets SOURCE_KEY in the hotfix; the release before it lacks that."""
    (old, before), (new, after) = fetch_beside("FINANCE_MART", "SYN_STAGING", "EMPLOYEE")
    assert new["release"].startswith(old["release"] + "_HF")
    assert new["template"] == old["template"]
    assert after["PL"] == before["PL"]
    added = set(after["NB"].splitlines()) - set(before["NB"].splitlines())
    assert any('StructField(\\"SOURCE_KEY\\"' in line for line in added)
    assert len(added) == 3
    assert all("SOURCE_KEY" in line for line in added)


def test_template_changes_pipeline(fetch_beside):
    (old, before), (new, after) = fetch_beside("LOGISTICS_LAKE", "FAB_LAKEHOUSE", "EMPLOYEE")
    assert new["template"] == old["template"] + 1
    assert set(after["PL"].splitlines()) - set(before["PL"].splitlines()) == {
        f'                    "retry": {new["template"]},'
    }


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
    assert all(re.fullmatch(r"[A-Za-z0-9_]+(/[A-Za-z0-9_]+)*\.(sql|json|ipynb)", n) for n in names)


def test_fetch_of_unknown_download_is_404(reader):
    assert reader.error_of("/downloads/999999") == (404, "No record found for id '999999'")

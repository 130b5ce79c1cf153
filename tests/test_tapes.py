"""The main road on recorded answers: no server, no network. How to record is told in tapes.py."""

import re
import zipfile

import pytest
import yaml
from vcr.errors import CannotOverwriteExistingCassetteException
from vcr.serializers import yamlserializer

import mkframe as mk
from mkframe import errors, frames
from mkframe.schema import RESOURCES, VIEWS
from tests.support import faults, tapes
from tests.support.rows import rows
from tests.support.versions import TEXT

TAPES = sorted(tapes.FOLDER.glob("*.yaml"))
each_tape = pytest.mark.parametrize("path", TAPES, ids=lambda p: p.stem)


def promised(frame, resource):
    """Whether a frame has the columns and types that the schema promises."""
    declared = {f.name: frames.dtype_of(f) for f in RESOURCES[resource].fields if f.name != "id"}
    return frame.dtypes.astype(str).to_dict().items() >= declared.items()


def test_login():
    with tapes.played("login") as client:
        projects = client.projects.find()
    assert promised(projects, "projects")
    assert len(projects) > 0


def test_builds():
    with tapes.played("builds") as client:
        every = client.builds.find()
        project = every["project_id"].iloc[-1]
        builds = client.builds.find(project_id=project)
        newest = client.builds.get(builds.index[-1])
    assert promised(builds, "builds")
    assert builds.index.tolist() == every.index[every["project_id"] == project].tolist()
    assert newest.equals(builds.iloc[-1])


def test_downloads(tmp_path):
    with tapes.played("downloads") as client:
        builds = client.builds.find()
        build = builds.index[builds["status"] == "FINISHED"][-1]
        files = client.downloads.find(build_id=build)
        fetched = client.downloads.fetch(files.head(1), to=tmp_path, max_workers=1, progress=False)
    assert promised(files, "downloads")
    assert set(files["build_id"]) == {build}
    assert fetched["status"].tolist() == ["fetched"]
    assert fetched["name"].tolist() == files["name"].head(1).tolist()
    assert zipfile.ZipFile(fetched["path"].iloc[0]).testzip() is None


def test_releases():
    with tapes.played("releases") as client:
        releases = client.releases.find(closed=False)
    assert promised(releases, "releases")
    assert not releases["closed"].any()


def test_error():
    with tapes.played("error") as client, pytest.raises(errors.NotFoundError) as caught:
        client.builds.get(999_999_999)
    assert caught.value.vendor_message == "No record found for id '999999999'"


def test_query():
    sql = "SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES LIMIT 3"
    with tapes.played("query") as client:
        project = client.builds.find()["project_id"].iloc[-1]
        deliveries = client.metadata.query(sql, project_id=project)
    types = {"str": TEXT, "int": "Int64", "naive": "datetime64[us]"}
    expected = {f.name: types[f.type] for f in VIEWS["DELIVERIES"].fields}
    assert deliveries.dtypes.astype(str).to_dict() == expected
    assert len(deliveries) > 0


# --- the tapes themselves ---------------------------------------------------------------------------

FORBIDDEN = {
    "web token": r"eyJ[\w-]{5,}",
    "authorization": r"(?i)\bbearer\b|authorization",
    "address": r"[\w.+-]+@[\w-]+\.\w",
    "password": rf"(?i)password\W+(?!{tapes.SCRUBBED})\w",
    "token": rf"accessToken\W+(?!{tapes.SCRUBBED})\w",
    "cookie": r"(?i)set-cookie",
    "host": r"127\.0\.0\.1|localhost|app\.metakraftwerk\.com",
}


def test_there_are_tapes():
    names = {"login", "builds", "downloads", "releases", "error", "query"}
    assert {path.stem for path in TAPES} == names


@each_tape
@pytest.mark.parametrize("pattern", FORBIDDEN.values(), ids=FORBIDDEN)
def test_tape_holds_nothing_secret(path, pattern):
    assert not re.findall(pattern, path.read_text())


@each_tape
def test_tape_says_who_answered(path):
    who = yaml.safe_load(path.read_text())["recorded_against"]
    assert who in (tapes.EMBEDDED, tapes.REAL)


@each_tape
def test_tape_is_small_and_of_the_fixed_address(path):
    assert path.stat().st_size < 100_000
    tape = yamlserializer.deserialize(path.read_text())
    assert {item["request"]["uri"].split("/api")[0].split("/auth")[0] for item in tape["interactions"]} == {
        tapes.FIXED
    }


@pytest.mark.skipif(tapes.RECORDING, reason="nothing is replayed while recording")
@pytest.mark.parametrize(
    ("tape", "ask"),
    [
        ("releases", lambda client: client.agents.find()),
        ("releases", lambda client: client.releases.find()),
        ("releases", lambda client: client.releases.find(closed=True)),
        ("query", lambda client: client.metadata.query("SELECT 1", project="A")),
    ],
    ids=["path", "without the query", "another query", "body"],
)
def test_question_that_is_not_on_the_tape_is_not_answered(tape, ask):
    with pytest.raises(CannotOverwriteExistingCassetteException), tapes.played(tape) as client:
        ask(client)


def test_recording_scrubs_tokens_passwords_and_addresses(tmp_path):
    """Records a server that tells secrets in every place, and reads the tape."""
    word, path = "canary-52d8", tmp_path / "tape.yaml"
    notice = rows("builds", 1, description=f"by {word}@example.org", message=f"eyJ{word}.{word}.{word}")
    script = {
        "/authentication": faults.token(f"eyJ{word}.x.y", f"{word}@example.org"),
        f"{faults.API}/builds": faults.zipped(faults.reply(notice, headers={"Set-Cookie": f"s={word}"})),
    }
    with faults.serve(script) as server:
        made = tapes.recorder(server.url, tapes.EMBEDDED, recording=True)
        with (
            mk.connect(server.api, email=f"{word}@example.org", password=f'{word}"\\') as client,
            made.use_cassette(str(path)),
        ):
            client.builds.find()
    text = path.read_text()
    assert word not in text
    assert not [name for name, pattern in FORBIDDEN.items() if re.search(pattern, text)]
    assert len(yamlserializer.deserialize(text)["interactions"]) == 2

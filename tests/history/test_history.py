"""What syncs report, what is gone, what was known, what has moved."""

import datetime as dt
import gzip
import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors, report
from tests.history.account import Account, assert_same, build, serve
from tests.support import faults
from tests.support.rows import body, row
from tests.support.versions import TEXT


@pytest.fixture
def account():
    return Account(builds=40)


@pytest.fixture
def client(account):
    with serve(account) as client:
        yield client


@pytest.fixture
def history(tmp_path):
    return mk.History(tmp_path / "history.duckdb")


def sync(history, client, **options):
    return history.sync(client, progress=False, **options).set_index(["resource", "project"])


def moment():
    return pd.Timestamp.now("UTC")


# --- what a sync reports ------------------------------------------------------------------------------


def test_sync_reports_a_row_for_each_question(history, client):
    found = history.sync(client, progress=False)
    assert list(found.columns) == ["resource", "project", "rows", "new", "changed", "gone", "how", "seconds"]
    dtypes = found.dtypes.astype(str).to_dict()
    assert dtypes == {
        "resource": TEXT, "project": "Int64", "rows": "int64", "new": "int64", "changed": "int64",
        "gone": "int64", "how": TEXT, "seconds": "float64",
    }  # fmt: skip
    asked = [(r, None if p is pd.NA else p) for r, p in zip(found["resource"], found["project"], strict=True)]
    assert asked[0] == ("projects", None)
    assert set(asked[1:3]) == {("builds", 402), ("builds", 411)}
    assert {r for r, _ in asked[3:]} == {"downloads", "releases", "patterns"}
    assert (found["new"] == found["rows"]).all()


@pytest.mark.parametrize(("etags", "how"), [(True, "304"), (False, "same")])
def test_unchanged_answers_are_stored_together(history, client, account, etags, how, monkeypatch):
    from mkframe.history import _file

    account.etags = etags
    first = sync(history, client)
    opened = []
    original = _file.open_to_write
    monkeypatch.setattr(_file, "open_to_write", lambda *a, **k: opened.append(1) or original(*a, **k))
    second = sync(history, client)
    assert set(second["how"]) == {how}
    assert second["rows"].equals(first["rows"])
    assert len(opened) == 1
    assert len(history.syncs()) == 2 * len(first)


def test_other_order_of_keys_is_no_change(history, client, account):
    account.find("builds", 7)["labels"] = {"a": 1, "b": {"x": [1], "y": None}}
    sync(history, client)
    for rows in account.rows.values():
        rows[:] = [dict(reversed(r.items())) for r in reversed(rows)]
    account.find("builds", 7)["labels"] = {"b": {"y": None, "x": [1]}, "a": 1}
    found = sync(history, client)
    assert set(found["how"]) == {"rows"}
    assert found[["new", "changed", "gone"]].to_numpy().sum() == 0
    assert len(history.changes(7)) == 1
    assert_same(history.builds(gone=False), client.builds.find())


@pytest.mark.parametrize("value", [1.0, 2**70, "text", [1, "a", None], {"k": {}}, True, None])
def test_unknown_values_come_back_as_the_client_reads_them(history, client, account, value):
    account.find("builds", 3)["odd"] = value
    account.find("builds", 4)["downloads"] = [{"id": 9, "name": "a.zip", "odd": value}, {"id": 10, "size": 1}]
    account.find("patterns", 808)["odd"] = value
    sync(history, client)
    assert_same(history.builds(gone=False), client.builds.find())
    assert_same(history.patterns(gone=False), client.patterns.find())


def test_null_that_the_reference_rules_out_is_not_a_zero(history, client, account):
    account.find("builds", 3)["user_id"] = None
    account.find("releases", 21)["name"] = None
    with pytest.warns(errors.SchemaWarning):
        sync(history, client)
    with pytest.warns(errors.SchemaWarning):
        wanted = client.builds.find()
    found = history.builds(gone=False)
    assert found.loc[3, "user_id"] is pd.NA
    assert_same(found, wanted)
    account.find("builds", 3)["user_id"] = 1
    sync(history, client)
    assert str(history.builds()["user_id"].dtype) == "int64"


@pytest.mark.parametrize("twice", ["same", "other"])
def test_id_that_comes_twice_is_an_error_and_nothing_is_stored(history, client, account, twice):
    sync(history, client)
    copied = dict(account.find("builds", 8)) | ({} if twice == "same" else {"message": "other"})
    account.rows["builds"].append(copied)
    account.find("builds", 10)["message"] = "not stored"
    with pytest.raises(errors.SchemaError, match=r"/builds answered, but: The answer lists builds .* twice"):
        sync(history, client)
    assert len(history.changes(10)) == 1


def test_answer_that_is_no_list_names_its_request(history, client, account):
    account.rows["projects"] = {"rows": []}
    with pytest.raises(errors.InvalidResponseError, match=r"GET http.*/projects answered"):
        sync(history, client)
    assert history.syncs().empty


def test_failure_keeps_what_was_stored_before(history, client, account):
    sync(history, client)
    account.find("builds", 8)["message"] = "changed"
    asked = account.answer

    def answer(request):
        return faults.vendor(500) if request.path.endswith("downloads") else asked(request)

    failing = pytest.raises(errors.ServerError)
    with faults.serve(answer) as server, mk.connect(server.api, token="t") as other, failing:
        sync(history, other)
    assert history.builds().loc[8, "message"] == "changed"
    assert history.syncs()["how"].tolist()[-2:] == ["304", "304"]  # projects and the other builds


def test_projects_are_chosen_by_name_or_id(history, client, account):
    found = sync(history, client, projects=["P402"], resources=["builds"])
    assert list(found.index) == [("builds", 402)]
    assert list(sync(history, client, projects=[411], resources="builds").index) == [("builds", 411)]
    assert [r.query for r in account.asked if r.path.endswith("builds")] == [
        {"project_id": "402"},
        {"project_id": "411"},
    ]


@pytest.mark.parametrize("options", [
    {"projects": ["NONE"]}, {"projects": [999]}, {"projects": [True]}, {"projects": [4.0]},
    {"resources": ["instances"]}, {"resources": []}, {"resources": "build"},
])  # fmt: skip
def test_wrong_argument_is_an_input_error(history, client, options):
    with pytest.raises(errors.InputError):
        sync(history, client, **options)


def test_two_projects_of_one_name_need_an_id(history, client, account):
    account.find("projects", 411)["name"] = "P402"
    with pytest.raises(errors.InputError, match="2 projects"):
        sync(history, client, projects=["P402"])


def test_renamed_project_loses_and_doubles_nothing(history, client, account):
    sync(history, client)
    before = history.builds(project="P402")
    account.find("projects", 402)["name"] = "NEW"
    found = sync(history, client, projects=["NEW"])
    assert found.loc[("builds", 402), ["new", "changed", "gone"]].tolist() == [0, 0, 0]
    account.find("builds", 2)["message"] = "changed"
    sync(history, client)
    for name in ("NEW", "P402", 402):
        assert history.builds(project=name).index.equals(before.index)
    assert history.projects().loc[402, "name"] == "NEW"
    with pytest.raises(errors.InputError, match="no project 'OTHER'"):
        history.builds(project="OTHER")


def test_history_of_another_server_is_refused(history, client, account, monkeypatch):
    sync(history, client)
    monkeypatch.setattr(type(client), "url", "https://other.example.org/api/v1")
    with pytest.raises(errors.InputError, match=r"other\.example\.org"):
        sync(history, client)


def test_no_secret_is_in_the_file(history, account):
    secret = "canary-token-4711"
    answer = account.answer
    tagged = lambda r: faults.content(answer(r).body, "application/json", headers={"ETag": f'"{secret}"'})  # noqa: E731
    account.etags = account.packed = False
    with faults.serve(tagged) as server, mk.connect(server.api, token=secret) as client:
        sync(history, client)
    assert secret.encode() not in history.path.read_bytes()


# --- gone ---------------------------------------------------------------------------------------------


def test_gone_builds_stay_with_the_time_since_which_they_are(history, client, account):
    sync(history, client)
    at_first = moment()
    account.remove("builds", 5, 6)
    found = sync(history, client)
    assert found["gone"]["builds"].sum() == 2
    builds = history.builds()
    assert list(builds.columns)[-1] == "gone_since"
    assert builds.index.tolist() == list(range(1, 41))
    asked = history.syncs().query("gone > 0")["asked_at"]
    assert set(builds.loc[[5, 6], "gone_since"]) == set(asked)
    assert builds["gone_since"].notna().sum() == 2
    assert history.gone().index.tolist() == [5, 6]
    assert history.gone("P402").index.tolist() == [6]
    assert history.builds(as_of=at_first)["gone_since"].isna().all()
    assert_same(history.builds(gone=False), client.builds.find())


def test_build_that_comes_back_opens_a_new_version(history, client, account):
    sync(history, client)
    removed = account.find("builds", 5)
    account.remove("builds", 5)
    sync(history, client)
    while_gone = moment()
    account.rows["builds"].append({**removed, "message": "back"})
    found = sync(history, client)
    assert found["new"]["builds"].sum() == 1
    assert history.builds()["gone_since"].isna().all()
    assert history.builds(as_of=while_gone).loc[5, "gone_since"] < while_gone
    versions = history.changes(5)
    assert versions["changed"].tolist() == [[], ["message"]]
    assert versions["until"].notna().tolist() == [True, False]
    assert versions["last_seen"][0] < versions["until"][0] < versions["first_seen"][1]


def test_build_that_moves_to_another_project_is_there_once(history, client, account):
    sync(history, client)
    account.find("builds", 5)["project_id"] = 402
    sync(history, client)
    builds = history.builds()
    assert builds.index.is_unique
    assert (builds.loc[5, "project_id"], builds["gone_since"].isna().all()) == (402, True)


@pytest.mark.parametrize("unseen", ["403", "404", "empty", "not listed"])
def test_project_that_is_not_seen_loses_nothing(history, client, account, unseen):
    sync(history, client)
    before, rows = history.builds(), account.copy()
    if unseen == "empty":
        account.empty = {402}
    elif unseen == "not listed":
        account.remove("projects", 402)
    else:
        account.forbidden = {402}
    account.rows["downloads"] = [d for d in account.rows["downloads"] if d["project_id"] != 402]
    found = sync(history, client)
    assert found["how"]["builds", 402] == "unseen"
    assert found["how"]["builds", 411] != "unseen"
    assert history.gone().empty
    assert_same(history.builds(), before)
    assert history.downloads()["gone_since"].isna().all()
    account.rows, account.empty, account.forbidden = rows, set(), set()
    account.remove("builds", 2)
    account.remove("downloads", 2)
    found = sync(history, client)
    assert found["how"]["builds", 402] == "rows"
    assert history.gone().index.tolist() == [2]
    assert history.downloads()["gone_since"].notna().sum() == 1


def test_download_that_is_gone_while_its_project_was_not_seen_is_noticed_later(history, client, account):
    sync(history, client)
    account.forbidden = {402}
    account.remove("downloads", 2)
    sync(history, client)
    account.forbidden = set()
    sync(history, client)  # the answer about downloads is the same as before
    assert history.downloads()["gone_since"].notna().sum() == 1


def test_project_without_builds_is_no_trouble(history, client, account):
    account.rows["projects"].append(row("projects", 500))
    assert sync(history, client)["how"]["builds", 500] == "rows"
    assert sync(history, client)["how"]["builds", 500] == "304"
    assert history.builds(project=500).empty


@pytest.mark.parametrize(("count", "gone", "refused"), [(40, 5, False), (40, 10, False), (200, 21, True),
                                                       (200, 20, False), (40, 11, True)])  # fmt: skip
def test_more_than_a_fifth_gone_at_once_is_refused(tmp_path, count, gone, refused):
    account, history = Account(builds=count), mk.History(tmp_path / "history.duckdb")
    with serve(account) as client:
        sync(history, client)
        account.remove("builds", *[n for n in range(1, count) if n % 2][:gone])
        account.find("builds", 2)["message"] = "changed"
        found = sync(history, client)
        assert (found["how"]["builds", 411] == "refused") is refused
        assert len(history.gone()) == (0 if refused else gone)
        assert history.builds().loc[2, "message"] == "changed"  # the others are written
        sync(history, client, allow_gone=True)
        assert len(history.gone()) == gone
        assert_same(history.builds(gone=False), client.builds.find())


def test_all_gone_is_taken_where_that_is_allowed(history, client, account):
    sync(history, client)
    account.rows["builds"] = [b for b in account.rows["builds"] if b["project_id"] == 411]
    assert sync(history, client)["how"]["builds", 402] == "unseen"
    assert sync(history, client, allow_gone=True)["how"]["builds", 402] == "rows"
    assert set(history.gone()["project_id"]) == {402}


def test_lost_list_of_projects_loses_nothing(history, client, account):
    sync(history, client)
    account.rows["projects"] = []
    found = sync(history, client)
    assert set(found["how"]["builds"]) == {"unseen"}
    assert found["how"]["projects"].tolist() == ["unseen"]
    assert history.gone().empty
    assert history.projects()["gone_since"].isna().all()


def test_failure_rate_and_summary_count_gone_builds(history, client, account):
    sync(history, client)
    account.remove("builds", 5, 6, 7)
    sync(history, client)
    builds = history.builds()
    assert mk.metrics.failure_rate(builds, every=None)["n_gone"].tolist() == [3]
    assert mk.metrics.summary(builds).loc["n_gone", "value"] == 3
    assert "n_gone" not in mk.metrics.failure_rate(history.builds(gone=False))


# --- as of --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """Saved answers of three Mondays, of one build more each; for tests that change nothing."""
    history = mk.History(tmp_path_factory.mktemp("taken") / "history.duckdb")
    rows = [build(n, 402) for n in range(1, 4)]
    for week, day in enumerate(("2026-11-02", "2026-11-09", "2026-11-16"), 1):
        history.take(body(rows[:week]), project=402, asked_at=f"{day} 22:30")
    return history


@pytest.mark.parametrize(("as_of", "tz", "count"), [
    ("2026-11-02", "UTC", 1), ("2026-11-01", "UTC", 0), (dt.date(2026, 11, 9), "UTC", 2),
    ("2026-11-09", "Asia/Tokyo", 1), ("2026-11-10", "Asia/Tokyo", 2), ("2026-11-09 22:30", "UTC", 2),
    ("2026-11-09 22:29:59.999999", "UTC", 1), ("2026-11-09T23:30:00+01:00", "UTC", 2),
    ("2026-11-09 23:30", "Europe/Vienna", 2), (pd.Timestamp("2026-11-16 22:30", tz="UTC"), "UTC", 3),
    (np.datetime64("2026-11-16"), "UTC", 3), (dt.datetime(2026, 11, 16, tzinfo=dt.UTC), "UTC", 2),
    (None, "UTC", 3), ("9999-12-31", "Europe/Vienna", 3),
])  # fmt: skip
def test_as_of_is_the_last_sync_at_or_before_it(taken, as_of, tz, count):
    builds = taken.builds(as_of=as_of, tz=tz, gone=False)
    assert len(builds) == count
    asked = [None, *taken.syncs()["asked_at"]][count]
    assert builds.attrs["known_at"] == (None if asked is None else asked.isoformat())
    pd.testing.assert_series_equal(builds.dtypes, mk.read_json(b"[]").dtypes)


@pytest.mark.parametrize(
    "as_of",
    ["yesterday", "", 5, pd.NaT, float("nan"), "2026-13-01", [1], "2026-10-25 02:30", "2026-03-29 02:30"],
)
def test_as_of_that_is_no_time_is_refused(taken, as_of):
    with pytest.raises(errors.InputError, match="as_of"):
        taken.builds(as_of=as_of, tz="Europe/Vienna")


def test_week_of_a_history_gives_no_name_to_unknown_projects(history):
    rows = [row("builds", 1, project_id=402), row("builds", 2, project_id=411)]
    history.take(body(rows), asked_at="2026-11-02 22:30")
    history.take(body([row("projects", 411, name="DWH")]), resource="projects", asked_at="2026-11-02 22:30")
    named = report.read_history(history.path).builds["project"]
    assert named.isna().tolist() == [True, False]
    assert named.dtype == TEXT
    assert named.loc[2] == "DWH"


def test_every_metric_and_chart_takes_frames_of_a_history(history):
    with mk.demo(builds=200) as client:
        history.sync(client, progress=False)
        wanted = client.builds.find().sort_index()
    found = history.builds()
    for metric in (mk.metrics.durations, mk.metrics.outcomes, mk.metrics.throughput, mk.metrics.longest):
        pd.testing.assert_frame_equal(metric(found)[metric(wanted).columns], metric(wanted))


# --- changes and moves --------------------------------------------------------------------------------


def test_slip_ledger_has_exactly_the_planted_moves(history, client, account):
    times = []

    def night(**changes):
        for name, value in changes.items():
            account.find("releases", int(name[1:]))["end_date"] = f"{value}T23:00:00.000Z"
        sync(history, client)
        times.append(history.syncs().query("resource == 'releases'")["asked_at"].iloc[-1])

    night()
    night(r21="2027-01-07")  # from 31 December
    night()
    night(r21="2027-01-03", r22="2026-10-24")
    account.find("releases", 22)["closed"] = not account.find("releases", 22)["closed"]
    account.find("releases", 23)["description"] = "not asked for"
    night(r22="2026-10-25")
    account.remove("releases", 23)
    night()
    found = history.moved(tz="Europe/Vienna")
    assert found.dtypes.astype(str).to_dict() == {
        "id": "int64", "column": TEXT, "was": "object", "now": "object",
        "not_before": "datetime64[us, UTC]", "not_after": "datetime64[us, UTC]", "days": "Int64",
    }  # fmt: skip
    rows = [
        tuple(r) for r in found[["id", "column", "not_before", "not_after", "days"]].itertuples(index=False)
    ]
    assert rows == [
        (21, "end_date", times[0], times[1], 7),
        (21, "end_date", times[2], times[3], -4),
        (22, "end_date", times[2], times[3], -68),
        (22, "end_date", times[3], times[4], 1),  # 25 hours of the clock change are one day
        (22, "closed", times[3], times[4], pd.NA),
    ]
    assert found["was"][0] == pd.Timestamp("2026-12-31T23:00Z")
    assert (found["was"][4], found["now"][4]) in [(True, False), (False, True)]
    assert history.moved(columns=["description"])["id"].tolist() == [23]


def test_move_while_a_row_was_gone_lies_between_its_sights(history, client, account):
    sync(history, client)
    removed = account.find("releases", 21)
    account.remove("releases", 21)
    sync(history, client)
    account.rows["releases"].append({**removed, "end_date": None})
    sync(history, client)
    seen = history.syncs().query("resource == 'releases'")["asked_at"].tolist()
    found = history.moved()
    assert found[["not_before", "not_after"]].to_numpy().tolist() == [[seen[0], seen[2]]]
    assert found["days"].tolist() == [pd.NA]
    assert found["now"].tolist() == [None]


def test_changes_name_columns_also_unknown_ones(history, client, account):
    sync(history, client)
    account.find("builds", 7)["status"] = "FAILED"
    account.find("builds", 7)["queue_ms"] = 5
    sync(history, client)
    sync(history, client)
    account.find("builds", 7)["downloads"] = []
    sync(history, client)
    found = history.changes(7)
    assert found["changed"].tolist() == [[], ["status", "queue_ms"], ["downloads"]]
    assert (found["last_seen"] >= found["first_seen"]).all()
    assert (found["until"][:2].to_numpy() == found["first_seen"][1:].to_numpy()).all()
    assert found["last_seen"][1] > found["first_seen"][1]  # the sync that changed nothing
    assert history.changes(999).empty
    assert history.changes(999).dtypes.equals(found.dtypes)


@pytest.mark.parametrize("call", [
    lambda h: h.changes("x"), lambda h: h.changes(1, "instances"), lambda h: h.moved("commits"),
    lambda h: h.moved(columns=["nope"]), lambda h: h.moved(columns=[]), lambda h: h.moved(tz="Mars"),
    lambda h: h.moved(columns=['end_date" FROM x; --']), lambda h: h.builds(tz="Mars"),
    lambda h: h.builds(project=True), lambda h: h.gone("NONE"), lambda h: h.builds(project=999),
    lambda h: h.downloads(project=2**70), lambda h: h.deliveries(project=-1), lambda h: h.moved(columns=5),
    lambda h: h.sql("SELECT ?", 5), lambda h: h.sql("SELECT [TIMESTAMP 'infinity']"),
])  # fmt: skip
def test_wrong_argument_of_a_reader_is_an_input_error(taken, call):
    with pytest.raises(errors.InputError):
        call(taken)


# --- saved answers ------------------------------------------------------------------------------------


def test_taken_answers_are_history(history, tmp_path):
    rows = [build(n, p) for n, p in ((1, 402), (2, 411), (3, 402))]
    path = tmp_path / "builds.json.gz"
    path.write_bytes(gzip.compress(json.dumps(rows).encode()))
    found = history.take(path, asked_at="2026-10-01T08:00Z")
    assert found[["project", "new", "how"]].to_numpy().tolist() == [[402, 2, "rows"], [411, 1, "rows"]]
    assert_same(history.builds(gone=False), mk.read_json(body(rows)))
    rows[0]["status"] = "FAILED"
    history.take(body(rows[:1]), project=402, asked_at=dt.datetime(2026, 10, 2, 8))
    assert history.gone().index.tolist() == [3]
    assert history.builds(project=411).index.tolist() == [2]
    assert history.syncs()["asked_at"].dt.hour.tolist() == [8, 8, 8]


def test_sync_goes_on_where_a_taken_answer_ends(history, client, account):
    account.etags, account.packed = False, True
    rows = [b for b in account.rows["builds"] if b["project_id"] == 402]
    history.take(body(rows), project=402, asked_at="2026-10-01")
    assert sync(history, client)["how"]["builds", 402] == "same"


@pytest.mark.parametrize("options", [
    {"asked_at": "2026-11-16 22:30"}, {"asked_at": "2026-01-01"}, {"asked_at": "2999-01-01"},
    {"asked_at": "soon"}, {"project": 411}, {"project": "NONE"}, {"resource": "instances"},
    {"resource": "releases", "project": 402},
])  # fmt: skip
def test_answer_that_does_not_fit_is_refused(taken, options):
    before = len(taken.syncs())
    with pytest.raises(errors.InputError):
        taken.take(body([build(1, 402)]), **options)
    assert len(taken.syncs()) == before


@pytest.mark.parametrize("content", [b"", b"<html>", b'{"id": 1}', b"[1]", b"\x1f\x8bbroken"])
def test_saved_answer_that_is_none_is_refused(taken, content):
    with pytest.raises((errors.InvalidResponseError, errors.InputError)):
        taken.take(content, project=402)


def test_clock_behind_the_last_sync_is_said(history, client):
    sync(history, client)
    import duckdb

    connection = duckdb.connect(str(history.path))
    connection.execute("UPDATE stored.syncs SET asked_at = asked_at + INTERVAL 1 DAY").close()
    with pytest.raises(errors.HistoryError, match="clock"):
        sync(history, client)


# --- SQL ----------------------------------------------------------------------------------------------


def test_sql_gives_typed_columns(history, client):
    sync(history, client)
    found = history.sql(
        "SELECT count(*) AS n, sum(id) AS total, avg(id) AS mean, max(build_start) AS last, "
        "any_value(status) AS word, bool_and(active) AS flag, list(id ORDER BY id)[:2] AS ids, "
        "hash(1) AS big FROM builds WHERE id > $least",
        {"least": 2},
    )
    assert found.dtypes.astype(str).to_dict() == {
        "n": "Int64", "total": "Int64", "mean": "float64", "last": "datetime64[us, UTC]", "word": TEXT,
        "flag": "boolean", "ids": "object", "big": "UInt64",
    }  # fmt: skip
    assert found.loc[0, ["n", "total", "ids"]].tolist() == [38, sum(range(3, 41)), [3, 4]]
    assert history.sql("SELECT count(*) FROM syncs WHERE resource = ?", ["builds"]).iloc[0, 0] == 2
    for name in ("builds", "downloads", "releases", "projects", "patterns"):
        assert len(history.sql(f"FROM {name}")) == len(history.sql(f"FROM {name}_versions")) > 0
    assert history.sql("SELECT 1 AS a, 2 AS a WHERE false").shape == (0, 2)
    exact = history.sql(
        "SELECT 12345678901234567.89 AS amount, 0.1 AS part, ? AS cell, ? AS none, "
        "TIMESTAMP_NS '2026-01-01 00:00:00.123456789' AS time",
        [np.int64(3), pd.NA],
    )
    assert exact.loc[0, ["amount", "part", "cell", "none", "time"]].tolist() == [
        Decimal("12345678901234567.89"), 0.1, 3, None, pd.Timestamp("2026-01-01 00:00:00.123456789"),
    ]  # fmt: skip
    assert history.sql("SELECT sum(9223372036854775807) AS n FROM range(3)").loc[0, "n"] == 3 * (2**63 - 1)


@pytest.mark.parametrize("query", [
    "DELETE FROM stored.syncs", "UPDATE stored.meta SET format = 2", "DROP VIEW builds",
    "CREATE TABLE t (a INT)",
    "SELECT * FROM read_csv('/etc/passwd')", "COPY builds TO '{folder}/out.csv'", "FROM '{folder}/x.parquet'",
    "ATTACH '{folder}/other.duckdb'", "EXPORT DATABASE '{folder}/all'", "INSTALL httpfs", "LOAD httpfs",
    "SET enable_external_access = true", "SELECT * FROM glob('/*')", "FROM query", "FROM params", "SELEC 1",
    "SELECT nope FROM builds", "SELECT $missing", "", "   ", None,
    "SELECT 1; SELECT * FROM read_text('/etc/passwd')",
])  # fmt: skip
def test_sql_changes_nothing_and_reaches_no_file(taken, tmp_path, query):
    before = taken.path.read_bytes()
    with pytest.raises(errors.InputError):
        taken.sql(query if query is None else query.format(folder=tmp_path))
    assert taken.path.read_bytes() == before
    assert list(tmp_path.iterdir()) == []
    assert list(taken.path.parent.iterdir()) == [taken.path]


# --- export -------------------------------------------------------------------------------------------


def test_export_is_read_alike_by_pyarrow_duckdb_and_polars(history, client, account, tmp_path):
    import duckdb
    import polars as pl
    from pyarrow import parquet

    for number, built in enumerate(account.rows["builds"]):
        built["build_start"] = f"{2024 + number % 3}-05-02T08:14:40.320Z" if number else None
    account.find("builds", 3)["queue_ms"] = 7
    sync(history, client)
    account.remove("builds", 5)
    sync(history, client)
    for _ in range(2):  # the second replaces the first
        found = history.export(tmp_path / "out")
    assert found.columns.tolist() == ["files", "rows", "bytes"]
    assert found.loc["builds", ["files", "rows"]].tolist() == [4, 40]
    assert found["files"].to_dict() == {
        "builds": 4,
        "downloads": 4,
        "releases": 1,
        "projects": 1,
        "patterns": 1,
    }
    folder = tmp_path / "out" / "builds"
    assert sorted(p.name for p in folder.iterdir()) == ["year=0", "year=2024", "year=2025", "year=2026"]
    builds = history.builds()
    wanted = (
        len(builds),
        builds["build_start"].max(),
        sum(map(sum, builds["patterns"])),
        len(mk.explode_downloads(builds)),
        1,
    )
    table = parquet.read_table(folder)
    columns = table.to_pydict()
    by_pyarrow = (
        table.num_rows, max(filter(None, columns["build_start"])), sum(map(sum, columns["patterns"])),
        sum(map(len, columns["downloads"])), sum(g is not None for g in columns["gone_since"]),
    )  # fmt: skip
    frame = pl.read_parquet(f"{folder}/**/*.parquet")
    by_polars = (
        len(frame), frame["build_start"].max(), frame["patterns"].list.sum().sum(),
        frame["downloads"].list.len().sum(), frame["gone_since"].count(),
    )  # fmt: skip
    by_duckdb = duckdb.sql(
        f"SELECT count(*), max(build_start), sum(list_sum(patterns)), sum(len(downloads)), count(gone_since) "
        f"FROM '{folder}/**/*.parquet'"
    ).fetchall()[0]
    assert wanted == by_pyarrow == by_polars == by_duckdb
    assert frame.schema["build_start"] == pl.Datetime("us", "UTC")
    assert str(table.schema.field("extra").type) == "string"
    for file in folder.rglob("*.parquet"):
        order = parquet.ParquetFile(file).read(["project_id", "build_start", "id"]).to_pylist()
        assert order == sorted(order, key=lambda r: (r["project_id"], str(r["build_start"]), r["id"]))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(found.index)


def test_export_of_many_years_has_few_files(history, tmp_path):
    from pyarrow import parquet

    years = [2000, *range(1990, 2030), *range(2000, 2030), 1, 9999]
    starts = [*(f"{year:04d}-05-02T08:14:40Z" for year in years), None]
    history.take(body([row("builds", number, build_start=at) for number, at in enumerate(starts, 1)]))
    written = history.export(tmp_path / "out")
    assert written["files"].max() <= 20
    found = parquet.read_table(tmp_path / "out" / "builds").to_pandas()
    folders, year = found["year"].astype(int), found["build_start"].dt.year
    assert len(found) == len(starts)
    assert sorted(folders.unique()) == [0, 2000, *range(2012, 2030)]
    assert year[folders > 0].eq(folders[folders > 0]).all()


def test_export_replaces_nothing_else(taken, tmp_path):
    (tmp_path / "out" / "builds").mkdir(parents=True)
    (tmp_path / "out" / "builds" / "notes.txt").write_text("mine")
    with pytest.raises(errors.InputError, match=r"notes\.txt"):
        taken.export(tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").rglob("*")] == ["builds", "notes.txt"]
    (tmp_path / "file").write_text("mine")
    with pytest.raises(errors.InputError, match="file"):
        taken.export(tmp_path / "file")


# --- deliveries and commits ---------------------------------------------------------------------------


def test_deliveries_and_commits_are_added_and_kept(history):
    with mk.demo(builds=60, at="2026-06-01T12:00Z") as client:
        first = sync(history, client, resources=["deliveries", "commits"])
        second = sync(history, client, resources=["deliveries", "commits"])
        assert first["new"].sum() > 0
        assert second["new"].sum() == 0
        assert set(second["how"]) == {"same"}
        for project in client.projects.find().index.tolist():
            wanted = client.deliveries(project_id=project).sort_index()
            pd.testing.assert_frame_equal(history.deliveries(project=project), wanted)
            commits = client.commits(project_id=project)
            order = list(commits.columns)
            found = history.commits(project=project).sort_values(order, ignore_index=True)
            pd.testing.assert_frame_equal(found, commits.sort_values(order, ignore_index=True))

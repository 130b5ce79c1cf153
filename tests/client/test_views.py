"""The views of the meta database: what is asked, and the typed frames that come back."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from mkframe import errors, frames
from mkframe.limits import Limits
from mkframe.schema import PATTERN_VIEWS, VIEWS
from tests.builds.servers import connect_to
from tests.client.test_metadata import SCOPE, columns, result
from tests.support import faults
from tests.support.rows import rows as resource_rows
from tests.support.rows import value
from tests.support.versions import TEXT
from tests.trust.operations import READERS

views = pytest.mark.parametrize("name", READERS)


def viewed(name, answered, **given):
    """The frame of a view, and the server that saw it."""
    with faults.serve(result(answered)) as server, connect_to(server.api) as client:
        return getattr(client, READERS[name])(**SCOPE, **given), server


def view_rows(name, count):
    return [{f.name: value(f, n) for f in VIEWS[name].fields} for n in range(1, count + 1)]


def expected_dtypes(name):
    return {f.name: frames.dtype_of(f) for f in VIEWS[name].fields if f.name != "ID"}


def statement(server):
    return server.requests[-1].json()["statement"]


@views
@pytest.mark.parametrize("count", [0, 1, 3])
def test_view_of_any_length_has_declared_types(name, count):
    frame, _ = viewed(name, view_rows(name, count))
    assert frame.dtypes.astype(str).to_dict() == expected_dtypes(name)
    assert frame.index.name == ("ID" if VIEWS[name].fields[0].name == "ID" else None)
    assert frame.index.dtype == "int64"
    assert len(frame) == count


@views
def test_view_is_asked_for_by_its_documented_name(name):
    frame, server = viewed(name, [])
    assert [request.json() for request in server.requests] == [
        {**SCOPE, "statement": f"SELECT * FROM @INFORMATION_SCHEMA.{name}"}
    ]
    assert frame.attrs["statement"] == statement(server)


@views
def test_nulls_in_a_view_change_no_type(name):
    nulls = {f.name: None for f in VIEWS[name].fields if f.null}
    frame, _ = viewed(name, [{**view_rows(name, 1)[0], **nulls}])
    assert frame.dtypes.astype(str).to_dict() == expected_dtypes(name)
    assert frame[list(nulls)].isna().all(axis=None)


@views
def test_unknown_columns_of_a_view_are_kept_last(name):
    frame, _ = viewed(name, [{"NEW": 1, **view_rows(name, 1)[0]}])
    assert frame.columns[-1] == "NEW"


@views
def test_names_in_another_case_are_those_of_the_view(name):
    lines = view_rows(name, 2)
    expected, _ = viewed(name, lines)
    lower = [{key.lower(): v for key, v in line.items()} for line in lines]
    pd.testing.assert_frame_equal(viewed(name, lower)[0], expected)
    first = VIEWS[name].fields[1].name
    both = viewed(name, [lines[0] | {first.lower(): "second"}])[0]
    assert (both[first].iloc[0], both[first.lower()].iloc[0]) == (lines[0][first], "second")


@views
def test_column_that_the_answer_lacks_is_told(name):
    lacking = VIEWS[name].fields[-1].name
    lines = [{key: v for key, v in line.items() if key != lacking} for line in view_rows(name, 2)]
    answer = result(lines, columns(**dict.fromkeys(lines[0], "string")))
    warning = pytest.warns(errors.SchemaWarning, match=f"lacks the columns {lacking};")
    with faults.serve(answer) as server, connect_to(server.api) as client, warning:
        frame = getattr(client, READERS[name])(**SCOPE)
    assert frame[lacking].isna().all()


@views
def test_real_view_is_typed(name, client):
    frame = getattr(client, READERS[name])(**SCOPE)
    assert frame.dtypes.astype(str).to_dict() == expected_dtypes(name)
    assert (len(frame) > 0) is (name not in ("TABLES", "COLUMNS"))


@views
def test_view_is_the_same_by_name_and_by_id(name, client):
    read = getattr(client, READERS[name])
    pd.testing.assert_frame_equal(read(project="DEMO_PROJECT"), read(project_id=402))


@pytest.fixture(scope="module")
def silent():
    """A server that must not be asked."""
    with faults.serve(faults.vendor(500, "asked")) as server:
        yield server


@views
def test_view_needs_one_project(name, silent):
    with (
        connect_to(silent.api) as client,
        pytest.raises(errors.InputError, match="needs project or project_id"),
    ):
        getattr(client, READERS[name])()
    assert silent.connections == 0


@views
def test_view_has_the_limit_of_a_find(name):
    answered = view_rows(name, 60)
    size = len(result(answered).body)
    expected, _ = viewed(name, answered)
    for limits in (Limits(query=100), Limits(find=size, query=100)):
        with faults.serve(result(answered)) as server, connect_to(server.api, limits=limits) as client:
            pd.testing.assert_frame_equal(getattr(client, READERS[name])(**SCOPE), expected)
    with faults.serve(result(answered)) as server, connect_to(server.api, limits=Limits(find=100)) as client:
        with pytest.raises(errors.ResponseTooLargeError, match="the limit for a find or a view") as caught:
            getattr(client, READERS[name])(**SCOPE)
        assert len(server.requests) == 1
    assert "mk.Limits(find=200)" in caught.value.hint


@views
def test_view_with_columns_of_one_name_warns(name):
    fields = [{"name": field.name, "type": "string"} for field in VIEWS[name].fields]
    answer = result(view_rows(name, 2), [*fields, fields[2]])
    with (
        faults.serve(answer) as server,
        connect_to(server.api) as client,
        pytest.warns(UserWarning, match=f"Several columns of the result are called '{fields[2]['name']}'"),
    ):
        getattr(client, READERS[name])(**SCOPE)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"rows": []},
        {"rows": [], "status": 7},
        {"rows": [1], "status": "FINISHED"},
        {"status": "FINISHED", "metadata": ["A"]},
    ],
)
def test_view_of_another_shape_is_an_error_of_ours(answer):
    with (
        faults.serve(faults.reply(answer)) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.InvalidResponseError, match="is no result of a statement"),
    ):
        client.tables(**SCOPE)


def test_view_that_ends_with_an_error_quotes_the_server():
    answer = {"rows": view_rows("TABLES", 1), "status": "ERROR", "error": "no such view"}
    with (
        faults.serve(faults.reply(answer)) as server,
        connect_to(server.api) as client,
        pytest.raises(errors.QueryFailedError, match="status ERROR: 'no such view'"),
    ):
        client.tables(**SCOPE)


# --- times without a zone -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-07-02 10:14:40", "2026-07-02 10:14:40"),
        ("2026-07-02T10:14:40.320Z", "2026-07-02 10:14:40.320"),
        ("2026-07-02T10:14:40", "2026-07-02 10:14:40"),
        ("2026-07-02T10:14:40+02:00", "2026-07-02 08:14:40"),
        (None, pd.NaT),
    ],
)
def test_time_of_a_view_has_the_digits_of_the_server(written, read):
    frame, _ = viewed("DELIVERIES", [{**view_rows("DELIVERIES", 1)[0], "BUILD_START": written}])
    assert frame["BUILD_START"].dtype == "datetime64[us]"
    assert frame["BUILD_START"].iloc[0] is read or frame["BUILD_START"].iloc[0] == pd.Timestamp(read)


def test_times_with_and_without_a_zone_warn():
    first, second = view_rows("DELIVERIES", 2)
    mixed = [{**first, "BUILD_START": "2026-07-02 10:14:40"}, {**second, "BUILD_START": "2026-07-02T10:14Z"}]
    with pytest.warns(errors.SchemaWarning, match="their clocks may differ"):
        viewed("DELIVERIES", mixed)


# --- deliveries of some builds ------------------------------------------------------------------------


def test_deliveries_of_a_build_are_those_with_its_id(client):
    every = client.deliveries(**SCOPE)
    wanted = every["BUILD_ID"].unique()[:3].tolist()
    some = client.deliveries(**SCOPE, build_id=wanted)
    pd.testing.assert_frame_equal(some, every[every["BUILD_ID"].isin(wanted)])
    assert client.deliveries(**SCOPE, build_id=wanted[0])["BUILD_ID"].unique().tolist() == wanted[:1]
    builds = client.builds.find(**SCOPE)
    pd.testing.assert_frame_equal(client.deliveries(**SCOPE, build_id=builds), every)
    assert client.deliveries(**SCOPE, build_id=[]).empty


def test_deliveries_of_very_many_builds_are_exact():
    wanted = [*range(1, 3000, 2)]
    answered = [{**row, "BUILD_ID": n} for n, row in enumerate(view_rows("DELIVERIES", 6), 1)]
    frame, server = viewed("DELIVERIES", answered, build_id=wanted)
    assert statement(server).endswith("WHERE BUILD_ID BETWEEN 1 AND 2999")
    assert frame["BUILD_ID"].tolist() == [1, 3, 5]


def test_deliveries_since_a_time_are_exact(client):
    every = client.deliveries(**SCOPE)
    times = every["BUILD_START"].sort_values()
    since = times.iloc[len(times) // 2]
    some = client.deliveries(**SCOPE, since=str(since))
    pd.testing.assert_frame_equal(some, every[every["BUILD_START"] >= since])
    assert 0 < len(some) < len(every)


def test_since_leaves_a_margin_for_another_clock():
    answered = [
        {**row, "BUILD_START": f"2026-07-02 {hour}:00:00"}
        for row, hour in zip(view_rows("DELIVERIES", 3), ("09", "10", "11"), strict=True)
    ]
    frame, server = viewed("DELIVERIES", answered, since="2026-07-02 10:00")
    assert "BUILD_START >= timestamp'2026-07-01 10:00:00'" in statement(server)
    assert frame["BUILD_START"].dt.hour.tolist() == [10, 11]


@pytest.mark.parametrize("since", ["2026-07-02 10:00Z", pd.Timestamp("2026-07-02", tz="Europe/Vienna")])
def test_since_with_a_zone_is_refused_unsent(since, silent):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match="has a time zone"):
        client.deliveries(**SCOPE, since=since)
    assert silent.connections == 0


@pytest.mark.parametrize("since", ["0001-01-01", "1677-01-01", dt.date(1800, 1, 1)])
def test_since_long_ago_is_all(since):
    frame, server = viewed("DELIVERIES", view_rows("DELIVERIES", 2), since=since)
    assert (len(frame), "WHERE" in statement(server)) == (2, False)


@pytest.mark.parametrize(
    "since", ["yesterday?", None.__class__, "", float("nan"), 20260702, np.int64(0), 1.5]
)
def test_since_that_is_no_time_is_refused_unsent(since, silent):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match="since is no time"):
        client.deliveries(**SCOPE, since=since)
    assert silent.connections == 0


# --- commits of a pattern -----------------------------------------------------------------------------


def test_commits_of_a_pattern_are_those_of_all(client):
    every = client.commits(**SCOPE)
    keys = list(every.columns)
    wanted = every[every["PATTERN"] == "STAGE_LOAD"].sort_values(keys, ignore_index=True)
    for given in ("STAGE_LOAD", 812):
        found = client.commits(**SCOPE, pattern=given)
        pd.testing.assert_frame_equal(found.sort_values(keys, ignore_index=True), wanted)
    assert len(wanted) > 0


def test_commits_of_an_unknown_pattern_are_an_error(client):
    with pytest.raises(errors.QueryFailedError, match="does not exist"):
        client.commits(**SCOPE, pattern="NO_SUCH_PATTERN")


@pytest.mark.parametrize(
    ("pattern", "source"),
    [("P_1", "@COMMITS.P_1"), ("P 1", '@COMMITS."P 1"'), ("P; DELETE FROM X", '@COMMITS."P; DELETE FROM X"')],
)
def test_name_of_a_pattern_is_quoted_where_it_must_be(pattern, source):
    _, server = viewed("COMMITS", [], pattern=pattern)
    assert statement(server) == f"SELECT * FROM {source}"


def test_pattern_with_a_quote_in_its_name_is_refused_unsent(silent):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match="a quote in its name"):
        client.commits(**SCOPE, pattern='P" WHERE 1 = 1 --')
    assert silent.connections == 0


# --- metadata rows ------------------------------------------------------------------------------------

TECHNICAL = {
    "@PATTERN": TEXT, "@FOLDER": TEXT, "@INSTANCE": TEXT, "@RELEASE": TEXT, "@POS_NO": "Int64",
    "@DELETED": "boolean", "FUNCTIONAL_ROLE": TEXT, "NAME": TEXT,
}  # fmt: skip
PROPERTIES = {"NAME": "string", "Width": "integer", "NOTE": "string", "Scale": "decimal", "SINCE": "date"}


def fetched(answered, announced=None, properties=PROPERTIES, **given):
    """The rows of instances from a server of some properties, and the statement it saw."""
    listed = resource_rows("instance_properties", len(properties))
    for row, (name, datatype) in zip(listed, properties.items(), strict=True):
        row |= {"name": name, "datatype": datatype}

    def script(request):
        if request.method == "GET":
            return faults.reply(listed)
        return result(answered, columns(**(announced or {})))

    with faults.serve(script) as server, connect_to(server.api) as client:
        return client.instance_rows(**SCOPE, **{"pattern": "P", **given}), statement(server)


def metadata_row(number=1, **more):
    return {f.name: value(f, number) for f in PATTERN_VIEWS["INSTANCES"].fields} | more


def test_instance_rows_are_typed_by_the_properties():
    row = metadata_row(WIDTH=3, NOTE=None, SCALE=0.5, SINCE="2026-01-01", OTHER=1)
    frame, _ = fetched([row, metadata_row(2)])
    expected = {"WIDTH": "Int64", "NOTE": TEXT, "SCALE": "Float64", "SINCE": TEXT, "OTHER": "Int64"}
    assert frame.dtypes.astype(str).to_dict() == TECHNICAL | expected
    assert frame["WIDTH"].tolist() == [3, pd.NA]


@pytest.mark.parametrize("announced", [None, {"@PATTERN": "string", "WIDTH": "integer", "NOTE": "string"}])
def test_no_instance_rows_have_the_same_types(announced):
    frame, _ = fetched([], announced)
    names = ["WIDTH", "NOTE"] if announced else ["WIDTH", "NOTE", "SCALE", "SINCE"]
    found = frame.dtypes.astype(str).to_dict()
    assert (list(found)[8:], len(frame)) == (names, 0)
    assert found.items() >= (TECHNICAL | {"NOTE": TEXT}).items()


def test_instance_rows_keep_what_no_property_type_holds():
    with pytest.warns(errors.SchemaWarning, match="'WIDTH'"):
        frame, _ = fetched([metadata_row(WIDTH="wide")])
    assert frame["WIDTH"].tolist() == ["wide"]


@pytest.mark.parametrize(
    ("given", "condition"),
    [
        ({}, ""),
        ({"releases": ["R1", "R2"]}, """ WHERE "@RELEASE" IN ('R1', 'R2')"""),
        ({"releases": "R'1"}, """ WHERE "@RELEASE" IN ('R''1')"""),
        ({"folder": "/A/B/"}, """ WHERE SUBSTR("@FOLDER" || '/', 1, 5) = '/A/B/'"""),
        ({"folder": "/"}, """ WHERE SUBSTR("@FOLDER" || '/', 1, 1) = '/'"""),
    ],
)
def test_instance_rows_are_asked_for_in_one_statement(given, condition):
    names = ["R1", "R2"] if isinstance(given.get("releases"), list) else [given.get("releases")]
    answered = [metadata_row(**{"@RELEASE": name}) for name in names]
    _, sql = fetched(answered, **given)
    assert sql == f"SELECT * FROM @INSTANCES.P{condition}"


@pytest.mark.parametrize(
    "given",
    [
        {"releases": []},
        {"releases": {"DWH_GROUP": "R1"}},
        {"releases": 7},
        {"releases": [None]},
        {"folder": "RAW_VAULT"},
        {"folder": ""},
        {"pattern": None},
        {"pattern": " "},
        {"pattern": 1.5},
    ],
)
def test_wrong_argument_of_instance_rows_is_refused_unsent(given, silent):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError):
        client.instance_rows(**SCOPE, **{"pattern": "P", **given})
    assert silent.connections == 0


def test_instance_rows_are_those_that_were_asked_for():
    folders = ["/A", "/A/B", "/AB", "/a", "/B/A", None]
    answered = [
        metadata_row(number, **{"@FOLDER": folder, "@RELEASE": release})
        for number, (folder, release) in enumerate((f, r) for f in folders for r in ("R1", "r1", None))
    ]
    frame, _ = fetched(answered, folder="/A", releases="R1")
    assert frame["@FOLDER"].tolist() == ["/A", "/A/B"]
    assert frame["@RELEASE"].tolist() == ["R1", "R1"]
    assert frame.index.tolist() == [0, 1]
    assert frame.dtypes.equals(fetched(answered)[0].dtypes)
    assert frame.attrs["resource"] == "metadata"


def test_release_without_rows_warns():
    with pytest.warns(UserWarning, match="no rows in /A in the release 'R9'"):
        fetched([metadata_row(**{"@RELEASE": "R1", "@FOLDER": "/A"})], releases=["R1", "R9"], folder="/A")


def test_name_that_the_guard_refuses_is_told_as_such():
    with pytest.raises(
        errors.InputError, match=r"More than one statement .* yourself, for client\.metadata\.query"
    ):
        fetched([], pattern="x; DROP", releases="\\", folder="/x; DROP")


def test_folder_without_rows_is_an_empty_typed_frame():
    assert fetched([], folder="/A")[0].dtypes.equals(fetched([])[0].dtypes)


def test_real_instance_rows_are_filtered_by_folder_and_release(client):
    every = client.instance_rows(**SCOPE, pattern=808)
    below = client.instance_rows(**SCOPE, pattern="CORE_DV_HLS", folder="/RAW_VAULT")
    wanted = every[every["@FOLDER"].str.match(r"/RAW_VAULT(/|$)")]
    assert below.reset_index(drop=True).equals(wanted.reset_index(drop=True))
    assert set(below["@FOLDER"]) >= {"/RAW_VAULT", "/RAW_VAULT/CRM"}
    names = every["@RELEASE"].dropna().unique()[:2].tolist()
    some = client.instance_rows(**SCOPE, pattern=808, releases=names)
    assert some.reset_index(drop=True).equals(every[every["@RELEASE"].isin(names)].reset_index(drop=True))
    assert 0 < len(some) < len(every)


def test_instance_rows_of_an_unknown_pattern_are_not_found(client):
    with pytest.raises(errors.NotFoundError, match="NO_SUCH"):
        client.instance_rows(**SCOPE, pattern="NO_SUCH")

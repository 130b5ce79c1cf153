"""Statements that read are let through, others are not; answers become typed frames."""

import pandas as pd
import pytest

from mkframe import errors
from tests.builds.servers import connect_to
from tests.support import faults
from tests.support.versions import TEXT

PATH = f"{faults.API}/metadata"
SCOPE = {"project": "DEMO_PROJECT"}


def result(rows=(), metadata=(), status="FINISHED", **more):
    """The documented answer."""
    known = {"id": "0c5e", "user_id": 1, "type": "select_statement", "sql": "SELECT 1", "stmt_no": 1}
    shape = {"start_time": 1775124880390, "status": status, "rows": rows, "metadata": metadata}
    return faults.reply({**known, **shape, **more}, 201)


def columns(**types):
    return [{"name": name, "type": kind} for name, kind in types.items()]


def run_query(answer, sql="SELECT 1", **given):
    """The frame of one query, and the server that saw it."""
    with faults.serve(answer) as server, connect_to(server.api, read_timeout=0.3) as client:
        return client.metadata.query(sql, **{**SCOPE, **given}), server


@pytest.fixture(scope="module")
def silent():
    """A server that must not be asked."""
    with faults.serve(faults.vendor(500, "asked")) as server:
        yield server


# --- what is sent -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"project": "DEMO_PROJECT"}, {"project": "DEMO_PROJECT"}),
        ({"project": None, "project_id": 402}, {"project_id": 402}),
        ({"project": 402}, {"project_id": 402}),
    ],
)
def test_body_is_the_documented_one(given, expected):
    _, server = run_query(result(), "SELECT 1 AS ONE", **given)
    assert server.requests[0].json() == {**expected, "statement": "SELECT 1 AS ONE"}


READS = {
    "select": "SELECT 1",
    "lower case": "select * from x",
    "with": "WITH x AS (SELECT 1 AS a) SELECT * FROM x",
    "view": "SELECT * FROM @INFORMATION_SCHEMA.DELIVERIES",
    "semicolon at the end": "SELECT 1 ;\n",
    "several at the end": "SELECT 1;; -- done",
    "comment before": "-- DELETE this?\n/* or; INSERT that */ SELECT 1",
    "comment after": "SELECT 1 -- ; DROP TABLE x",
    "hint": "SELECT /*+ FIRST_ROWS(10) */ 1",
    "semicolon in a text": "SELECT 'a; DELETE FROM x' FROM y",
    "doubled quote": "SELECT 'it''s; fine' FROM y",
    "REPLACE as a function": "SELECT REPLACE(x, 'a', 'b') FROM y",
    "REPLACE with a space": "SELECT REPLACE (x, 'a', 'b') FROM y",
    "INSERT as a function": "SELECT INSERT(x, 1, 1, 'b') FROM y",
    "column called deleted": "SELECT deleted, updated, x.delete FROM x",
    "column called start": "SELECT start, begin FROM x",
    "quoted column": 'SELECT "DELETE", "INTO" FROM x',
    "parentheses": "(SELECT 1) UNION ALL (SELECT 2)",
    "case": "SELECT CASE WHEN a = 1 THEN 'x' ELSE 'y' END FROM b",
    "hash sign": "SELECT '#1; #2' || x# FROM y",
    "backslash": "SELECT 'C:\\dir' FROM y",
    "very long": f"SELECT * FROM x WHERE id IN ({', '.join(map(str, range(20_000)))})",
}

NOT_READS = {
    "insert": "INSERT INTO x VALUES (1)",
    "update": "update x set a = 1",
    "delete": "DELETE FROM x",
    "drop": "DROP TABLE x",
    "merge": "MERGE INTO x USING y ON (a) WHEN MATCHED THEN UPDATE SET b = 1",
    "call": "CALL p()",
    "block": "BEGIN DELETE FROM x; END",
    "explain": "EXPLAIN SELECT 1",
    "two": "SELECT 1; SELECT 2",
    "two, one writing": "SELECT 1; DELETE FROM x",
    "two behind a comment": "SELECT 1; -- harmless\nDELETE FROM x",
    "two within a case": "SELECT CASE WHEN 1 = 1 THEN 2; DELETE FROM x",
    "comment before": "-- SELECT\n/* SELECT */ DELETE FROM x",
    "with insert": "WITH x AS (SELECT 1) INSERT INTO y SELECT * FROM x",
    "with delete": "with x as (select 1) delete from y",
    "delete in with": "WITH gone AS (DELETE FROM x RETURNING *) SELECT * FROM gone",
    "drop in with": "WITH gone AS (DROP TABLE x) SELECT 1",
    "select into": "SELECT * INTO y FROM x",
    "select into, lower case": "select a into b from c",
    "for update": "SELECT * FROM x FOR UPDATE",
    "in parentheses": "(DELETE FROM x)",
    "comment only": "-- SELECT 1",
    "semicolon only": ";",
    "values": "VALUES (1)",
    "word": "SELECTED",
}
DIFFERENTLY = {
    "backslash before the closing quote": "SELECT '\\'; DELETE FROM x; --'",
    "hash as a name": "SELECT a # ; DELETE FROM x",
    "dollar quotes": "SELECT $$ ; DELETE FROM x; $$",
    "bracket": "SELECT [a ; DELETE FROM x; --]",
    "backtick": "SELECT `a ; DELETE FROM x; --`",
}


@pytest.mark.parametrize("sql", READS.values(), ids=READS)
def test_reading_statement_is_sent_unchanged(sql):
    _, server = run_query(result(), sql)
    assert server.requests[0].json()["statement"] == sql


@pytest.mark.parametrize("sql", [*NOT_READS.values(), *DIFFERENTLY.values()], ids=[*NOT_READS, *DIFFERENTLY])
def test_other_statement_is_refused_unsent(silent, sql):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError) as caught:
        client.metadata.query(sql, **SCOPE)
    assert "write=True" in caught.value.hint
    assert silent.connections == 0


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (NOT_READS["drop"], "it starts with 'DROP'"),
        (NOT_READS["two"], "More than one statement"),
        (NOT_READS["select into"], "it holds INTO"),
        (NOT_READS["comment only"], "it is empty"),
    ],
)
def test_refusal_says_what_was_found(silent, sql, sentence):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match=sentence):
        client.metadata.query(sql, **SCOPE)


@pytest.mark.parametrize("sql", NOT_READS.values(), ids=NOT_READS)
def test_write_lets_it_through(sql):
    _, server = run_query(result(type="other"), sql, write=True)
    assert server.requests[0].json()["statement"] == sql


@pytest.mark.parametrize(
    ("sql", "given", "sentence"),
    [
        ("", {}, "sql must be"),
        (None, {}, "sql must be"),
        (b"SELECT 1", {}, "sql must be"),
        ("SELECT 1", {"project": None}, "needs project or project_id"),
        ("SELECT 1", {"project_id": 402}, "both project and project_id"),
        ("SELECT 1", {"write": "yes"}, "write must be True or False"),
    ],
)
def test_invalid_argument_is_refused_unsent(silent, sql, given, sentence):
    with connect_to(silent.api) as client, pytest.raises(errors.InputError, match=sentence):
        client.metadata.query(sql, **{**SCOPE, **given})
    assert silent.connections == 0


# --- errors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"error": "no such table: X"},
        {"message": "no such table: X"},
        {"errors": {"text": "no such table: X"}},
    ],
)
def test_error_status_quotes_server_and_statement(more):
    with pytest.raises(errors.QueryFailedError, match="no such table: X") as caught:
        run_query(result(status="ERROR", **more), "SELECT * FROM X")
    assert "'SELECT * FROM X'" in str(caught.value)
    assert "no such table: X" in caught.value.vendor_message


def test_error_status_without_a_text_invents_none():
    with pytest.raises(errors.QueryFailedError, match="status ERROR, without a text") as caught:
        run_query(result(status="ERROR", rows=None, metadata=None))
    assert caught.value.vendor_message is None


def test_long_statement_is_quoted_in_part():
    with pytest.raises(errors.QueryFailedError, match=r"\.\.\.'") as caught:
        run_query(result(status="ERROR", error="No"), f"SELECT {'1, ' * 500}1")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    "answer",
    [
        faults.html(),
        faults.cut(result()),
        faults.reply([]),
        faults.reply({}),
        result(status=None),
        result(rows={"A": 1}),
        result(rows=[1]),
        result(metadata=["A"]),
        result([{"A": 1}], [{"type": "integer"}]),
    ],
    ids=["page", "cut", "list", "empty", "no status", "rows", "row", "metadata", "no column name"],
)
def test_answer_of_another_shape_is_an_error_of_ours(answer):
    with pytest.raises((errors.InvalidResponseError, errors.ConnectionLostError)) as caught:
        run_query(answer)
    assert not isinstance(caught.value, errors.SchemaError)


@pytest.mark.parametrize("answer", [faults.reset(), faults.silence(), faults.html(), faults.vendor(503)])
def test_lost_answer_of_a_write_warns_of_repeating_it(answer):
    with (
        faults.serve(answer) as server,
        connect_to(server.api, read_timeout=0.3) as client,
        pytest.raises(errors.MkframeError) as caught,
    ):
        client.metadata.query("DELETE FROM x", **SCOPE, write=True)
    assert "may have been carried out" in caught.value.hint
    assert len(server.requests) == 1


def test_lost_answer_of_a_read_has_no_write_hint():
    with pytest.raises(errors.ConnectionLostError) as caught:
        run_query(faults.reset())
    assert "carried out" not in caught.value.hint


# --- typed frames -----------------------------------------------------------------------------------

TYPED = columns(N="integer", S="string", T="timestamp", X="geometry")
DTYPES = {"N": "Int64", "S": TEXT, "T": "datetime64[us]"}


def test_columns_get_the_announced_types():
    rows = [{"N": 1, "S": "a", "T": "2026-04-02T08:14:40.320Z", "X": {"lat": 1}}]
    frame, _ = run_query(result(rows, TYPED))
    assert frame.dtypes.astype(str).to_dict() == {**DTYPES, "X": "object"}
    assert frame.iloc[0].tolist() == [1, "a", pd.Timestamp("2026-04-02 08:14:40.320"), {"lat": 1}]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([0.5, 2, None], "Float64"), ([2, 3], "Int64"), ([0.5, 2**53 + 1], "object"), ([0.5, "x"], "object")],
)
def test_decimals_are_floats_where_nothing_is_lost(values, dtype):
    frame, _ = run_query(result([{"N": value} for value in values], columns(N="decimal")))
    assert (str(frame["N"].dtype), [None if pd.isna(v) else v for v in frame["N"]]) == (dtype, values)


def test_no_rows_have_the_same_columns_and_types():
    frame, _ = run_query(result([], TYPED))
    assert frame.shape == (0, 4)
    assert frame.dtypes.astype(str).to_dict() == {**DTYPES, "X": "object"}


def test_nulls_are_missing_and_change_no_type():
    frame, _ = run_query(result([dict.fromkeys("NSTX")], TYPED))
    assert frame[["N", "S", "T"]].dtypes.astype(str).to_dict() == DTYPES
    assert frame.isna().all(axis=None)


def test_type_words_are_read_in_any_case():
    frame, _ = run_query(result([{"N": 1}], columns(N="INTEGER")))
    assert frame["N"].dtype == "Int64"


@pytest.mark.parametrize(
    ("values", "dtype"), [([1, None], "Int64"), (["a", None], TEXT), ([True], "boolean"), ([[1]], "object")]
)
def test_unknown_type_keeps_what_came(values, dtype):
    frame, _ = run_query(result([{"X": v} for v in values], columns(X="variant")))
    assert frame["X"].dtype == dtype
    assert frame["X"].dropna().tolist() == [v for v in values if v is not None]


def test_columns_that_were_not_announced_come_last():
    frame, _ = run_query(result([{"Z": 1, "A": 2}], columns(A="integer")))
    assert frame.columns.tolist() == ["A", "Z"]


def test_order_of_columns_is_the_announced_one():
    frame, _ = run_query(result([{"B": 1, "A": 2}], columns(A="integer", B="integer")))
    assert frame.columns.tolist() == ["A", "B"]


def test_value_of_another_type_is_kept_and_said():
    with pytest.warns(errors.SchemaWarning, match="'N', row 1: 'two'"):
        frame, _ = run_query(result([{"N": 1}, {"N": "two"}], columns(N="integer")))
    assert frame["N"].tolist() == [1, "two"]


def test_answer_without_rows_is_an_empty_frame():
    frame, _ = run_query(result(None, None), "DELETE FROM x", write=True)
    assert frame.shape == (0, 0)


@pytest.mark.parametrize("text", [None, 7, ["a"], {}])
def test_answer_without_a_sentence_has_no_message(text):
    frame, _ = run_query(result(None, None, message=text), "DELETE FROM x", write=True)
    assert "message" not in frame.attrs


def test_sentence_of_an_answer_is_one_line_without_secrets():
    text = "Inserted 2\nrecords for a-token"
    frame, _ = run_query(result(None, None, message=text), "DELETE FROM x", write=True)
    assert frame.attrs["message"] == "Inserted 2 records for ***"


# --- the embedded server ----------------------------------------------------------------------------


def test_real_answer_is_typed(client):
    sql = (
        "SELECT ID, INSTANCE, BUILD_START, ID * 0.5 AS HALF, NULL AS NIL FROM @INFORMATION_SCHEMA.DELIVERIES"
    )
    frame = client.metadata.query(f"{sql} LIMIT 3", **SCOPE)
    assert frame.dtypes.astype(str).to_dict() == {
        "ID": "Int64",
        "INSTANCE": TEXT,
        "BUILD_START": "datetime64[us]",
        "HALF": "Float64",
        "NIL": TEXT,
    }
    assert len(frame) == 3


def test_real_error_is_quoted(client):
    with pytest.raises(errors.QueryFailedError, match=r"Table or View .*NOWHERE.* does not exist"):
        client.metadata.query("SELECT * FROM NOWHERE", **SCOPE)


def test_real_write_is_run_only_when_asked_for(client):
    with pytest.raises(errors.InputError):
        client.metadata.query("CREATE TABLE OWN (A INTEGER)", **SCOPE)
    client.metadata.query("CREATE TABLE OWN (A INTEGER)", **SCOPE, write=True)
    client.metadata.query("INSERT INTO OWN VALUES (41), (42)", **SCOPE, write=True)
    assert client.metadata.query("SELECT A FROM OWN", **SCOPE)["A"].tolist() == [41, 42]
    client.metadata.query("DROP TABLE OWN", **SCOPE, write=True)


@pytest.mark.parametrize("values", [[], [{"ID": 2, "NAME": 3}]])
def test_columns_of_one_name_warn(values):
    columns = [{"name": name, "type": "integer"} for name in ("ID", "id", "ID", "NAME", "NAME")]
    answer = faults.reply({"status": "FINISHED", "metadata": columns, "rows": values})
    with pytest.warns(
        UserWarning, match="Several columns of the result are called 'ID', 'NAME': the server's"
    ):
        frame, _ = run_query(answer, "SELECT a.ID, b.ID FROM a, b")
    assert frame.columns.tolist()[:3] == ["ID", "id", "NAME"]

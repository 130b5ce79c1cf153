"""Statements that write: tables, views, rows, comments."""

from __future__ import annotations

import pytest


def objects(asked):
    sql = (
        "SELECT TABLE_FOLDER, TABLE_NAME, TABLE_TYPE, DESCRIPTION FROM @INFORMATION_SCHEMA.TABLES ORDER BY ID"
    )
    return asked.rows(sql)


def columns(asked, table):
    sql = "SELECT COLUMN_NAME, ORDINAL_POSITION, DATA_TYPE, DESCRIPTION FROM @INFORMATION_SCHEMA.COLUMNS"
    return asked.rows(f"{sql} WHERE TABLE_NAME = '{table}' ORDER BY 2")


# --- tables ---------------------------------------------------------------------------------------------


def test_values_take_the_types_of_their_columns(asked):
    asked.result("CREATE TABLE f.t (s STRING, x TEXT, i INTEGER, d DECIMAL, t TIMESTAMP)")
    asked.result("INSERT INTO f.t VALUES ('007', 1.50, '12', 0.12345678905, '2026-01-02 03:04:05,25')")
    asked.result("INSERT INTO f.t VALUES ('1e3', 'y', 2.5, '3', date'2026-01-02')")
    asked.result("INSERT INTO f.t (s) VALUES ('')")
    assert asked.rows("SELECT * FROM f.t") == [
        ("007", "1.5", 12, 0.1234567891, "2026-01-02T03:04:05.250Z"),
        ("1e3", "y", 3, 3, "2026-01-02T00:00:00.000Z"),
        (None, None, None, None, None),
    ]


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ("(LPAD('x', 4001), 1)", "holds 4000 characters, the value has 4001"),
        ("('x', 'abc')", "invalid number: 'abc'"),
        ("('x', 10000000000000000000)", "whole numbers up to"),
        ("('x')", "2 columns are to be filled, VALUES has 1"),
        ("('x', 1, 2)", "VALUES has 3"),
        ("('x', nope)", "'NOPE' does not exist"),
        ("('x', COUNT(*))", "aggregate"),
        ("('x', 1) x", "should end here"),
    ],
)
def test_value_that_does_not_fit_changes_nothing(asked, values, error):
    asked.result("CREATE TABLE f.t (s STRING, i INTEGER)")
    assert error in asked.error(f"INSERT INTO f.t VALUES ('ok', 1), {values}")
    assert asked.rows("SELECT * FROM f.t") == []


def test_defaults_fill_what_is_left_out(asked):
    asked.result("CREATE TABLE f.t (a INTEGER, b STRING DEFAULT 'x' || 1, c DECIMAL DEFAULT ON NULL 1.5)")
    asked.result("INSERT INTO f.t (a) VALUES (1)")
    asked.result("INSERT INTO f.t VALUES (2, DEFAULT, NULL), (3, NULL, 9)")
    asked.result("INSERT INTO f.t (a, c) SELECT 4, NULL")
    assert asked.rows("SELECT * FROM f.t ORDER BY a") == [
        (1, "x1", 1.5), (2, "x1", 1.5), (3, None, 9), (4, "x1", 1.5),
    ]  # fmt: skip


def test_required_columns_refuse_null(asked):
    asked.result("CREATE TABLE f.t (a INTEGER NOT NULL, b STRING NULL)")
    assert "cannot insert NULL into f.t.A" in asked.error("INSERT INTO f.t (b) VALUES ('x')")
    assert "cannot insert NULL into f.t.A" in asked.error("INSERT INTO f.t SELECT NULL, 'x'")
    asked.result("INSERT INTO f.t VALUES (1, NULL)")
    assert "cannot insert NULL into f.t.A" in asked.error("UPDATE f.t SET a = NULL")


def test_words_of_the_examples_are_types(asked):
    asked.result("CREATE TABLE f.t (a INT, b VARCHAR(3), c NUMBER(5, 2), d NUMERIC(3))")
    asked.result("INSERT INTO f.t VALUES (1, 'abc', 123.456, 2.6)")
    assert asked.rows("SELECT * FROM f.t") == [(1, "abc", 123.46, 3)]
    assert "holds 3 characters" in asked.error("INSERT INTO f.t (b) VALUES ('abcd')")
    assert "5 digits, 2 of them" in asked.error("INSERT INTO f.t (c) VALUES (1000)")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("CREATE TABLE f.t (a BLOB)", "The type BLOB is unknown"),
        ("CREATE TABLE f.t (a INTEGER(5))", "INTEGER(5)"),
        ("CREATE TABLE f.t (a STRING(5000))", "STRING(5000)"),
        ("CREATE TABLE f.t (a INTEGER PRIMARY KEY)", "PRIMARY"),
        ("CREATE TABLE f.t (a INTEGER, A STRING)", "duplicate column name: A"),
        ("CREATE TABLE f.t (a)", "needs a type"),
        ("CREATE TABLE f.t", "column definitions or AS query"),
        ("CREATE TABLE f.t (a INTEGER DEFAULT (SELECT 1))", "A query in DEFAULT"),
        ("CREATE TABLE f.t (a INTEGER DEFAULT 'x') extra", "should end here"),
        ("CREATE TABLE f.g.t (a INTEGER)", "folder.name"),
        ("CREATE TABLE @INFORMATION_SCHEMA.T (a INTEGER)", "cannot be created"),
        ("CREATE TEMP TABLE f.t (a INTEGER)", "CREATE TEMP"),
        ("CREATE INDEX f.i ON f.t (a)", "CREATE INDEX"),
        ("CREATE TABLE f.t AS SELECT 1, 1", "duplicate column name"),
        ("CREATE TABLE f.t (a, b) AS SELECT 1", "2 names for 1 columns"),
        ("CREATE TABLE f.t AS SELECT nope", "'NOPE' does not exist"),
        (f"CREATE TABLE f.{'t' * 201} (a INTEGER)", "at most 200 characters"),
        ("ALTER VIEW f.v RENAME TO f.w", "ALTER VIEW"),
        ("DROP INDEX f.i", "DROP INDEX"),
        ("DROP TABLE f.t", "Table or View 'f.t' does not exist!"),
        ("TRUNCATE TABLE f.t", "Table or View 'f.t' does not exist!"),
        ("COMMENT ON TABLE f.t IS 'x'", "Table or View 'f.t' does not exist!"),
        ("COMMENT ON INDEX f.t IS 'x'", "COMMENT ON INDEX"),
    ],
)
def test_definition_that_cannot_be_makes_nothing(asked, sql, error):
    assert error in asked.error(sql)
    assert objects(asked) == []


def test_table_is_made_once(asked):
    made = asked.result("CREATE TABLE My_F.planets (a INTEGER)")
    assert made.message == "Table 'My_F.planets' was created"
    assert asked.error("CREATE TABLE my_f.PLANETS (b STRING)") == (
        "RuntimeError: Failed to create table 'my_f.PLANETS': "
        "There already exists a table at this path (my_f.PLANETS)!"
    )
    assert asked.result("CREATE TABLE IF NOT EXISTS my_f.planets (b STRING)").message is None
    assert columns(asked, "planets") == [("A", 1, "integer", None)]
    asked.result("CREATE OR REPLACE TABLE my_f.planets (b STRING)")
    assert columns(asked, "planets") == [("B", 1, "string", None)]


def test_table_of_a_query_has_its_columns_and_rows(pumps):
    pumps.result("CREATE TABLE d.c AS (SELECT id, site || '!' AS s, rate / 2 AS h, NULL AS n FROM d.pump)")
    pumps.result("CREATE TABLE d.e (x, y) AS SELECT id, site FROM d.pump WHERE id < 3")
    found = [(name, kind) for name, _, kind, _ in columns(pumps, "c")]
    assert found == [("ID", "integer"), ("S", "text"), ("H", "decimal"), ("N", "string")]
    assert pumps.rows("SELECT s, h FROM d.c WHERE id < 3 ORDER BY id") == [("north!", 6.25), ("north!", None)]
    assert pumps.rows("SELECT x, y FROM d.e ORDER BY 1") == [(1, "north"), (2, "north")]


def test_quoted_names_may_hold_anything(asked):
    asked.result('CREATE TABLE "x y"."t"" 1" ("a b" STRING, "{}" INTEGER)')
    asked.result('INSERT INTO "x y"."t"" 1" ("a b", "{}") VALUES (\'v\', 1)')
    assert asked.rows('SELECT "a b", "{}" FROM "x y"."t"" 1"') == [("v", 1)]
    assert objects(asked) == [("/x y", 't" 1', "TABLE", None)]


def test_columns_are_added_changed_and_dropped(asked):
    asked.result("CREATE TABLE f.t (a INTEGER, b STRING)")
    asked.result("INSERT INTO f.t VALUES (1, 'x'), (2, NULL)")
    assert asked.result("ALTER TABLE f.t ADD c DECIMAL DEFAULT 1.5").message == "Table 'f.t' was altered"
    asked.result("ALTER TABLE f.t ADD (d STRING, e INTEGER NOT NULL DEFAULT 7)")
    asked.result("ALTER TABLE f.t MODIFY (d INTEGER, b DEFAULT 'new')")
    asked.result("ALTER TABLE f.t RENAME COLUMN a TO k")
    asked.result("INSERT INTO f.t (k, d) VALUES (3, '4')")
    assert asked.rows("SELECT * FROM f.t ORDER BY k") == [
        (1, "x", 1.5, None, 7), (2, None, 1.5, None, 7), (3, "new", 1.5, 4, 7),
    ]  # fmt: skip
    asked.result("ALTER TABLE f.t DROP COLUMN c")
    asked.result("ALTER TABLE f.t DROP (b, e)")
    assert asked.rows("SELECT * FROM f.t ORDER BY k") == [(1, None), (2, None), (3, 4)]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ("ADD a STRING", "has a column 'A' already"),
        ("ADD c INTEGER NOT NULL", "needs a DEFAULT"),
        ("MODIFY (a STRING)", "must be empty to change its type"),
        ("MODIFY (b NOT NULL)", "holds NULL"),
        ("MODIFY (z STRING)", "'Z' does not exist"),
        ("DROP COLUMN z", "'Z' does not exist"),
        ("DROP (a, b)", "cannot drop all columns"),
        ("DROP (a, a)", "duplicate column name"),
        ("RENAME COLUMN a TO b", "has a column 'B' already"),
        ("RENAME TO f.other", "already exists"),
        ("ADD c INTEGER DROP COLUMN z", "'Z' does not exist"),
        ("FROB", "RENAME, ADD, DROP or MODIFY"),
        ("", "RENAME, ADD, DROP or MODIFY"),
    ],
)
def test_change_that_cannot_be_leaves_the_table(asked, change, error):
    asked.result("CREATE TABLE f.t (a INTEGER, b STRING)")
    asked.result("CREATE TABLE f.other (a INTEGER)")
    asked.result("INSERT INTO f.t VALUES (1, NULL)")
    assert error in asked.error(f"ALTER TABLE f.t {change}")
    assert asked.rows("SELECT * FROM f.t") == [(1, None)]
    assert [c[0] for c in columns(asked, "t")] == ["A", "B"]


def test_table_is_renamed_emptied_and_dropped(asked):
    asked.result("CREATE TABLE f.t (a INTEGER)")
    asked.result("INSERT INTO f.t VALUES (1)")
    asked.result("ALTER TABLE f.t RENAME TO g.u")
    assert asked.error("SELECT a FROM f.t") == "CompileError: Table or View 'f.t' does not exist!"
    assert asked.rows("SELECT a FROM g.u") == [(1,)]
    asked.result("TRUNCATE TABLE g.u")
    assert asked.rows("SELECT a FROM g.u") == []
    assert asked.result("DROP TABLE g.u").message == "Table 'g.u' was dropped"
    asked.result("DROP TABLE IF EXISTS g.u")
    asked.result("TRUNCATE TABLE IF EXISTS g.u")
    assert objects(asked) == []


def test_comments_are_descriptions(asked):
    asked.result("CREATE TABLE f.t (a INTEGER)")
    asked.result("CREATE VIEW f.v AS SELECT a FROM f.t")
    assert asked.result("COMMENT ON TABLE f.v IS 'it''s'").message == "Comment on table 'f.v' was created"
    done = asked.result("COMMENT ON COLUMN f.t.a IS 'first'")
    assert done.message == "Comment on column 'f.t.a' was created"
    assert objects(asked) == [("/f", "t", "TABLE", None), ("/f", "v", "VIEW", "it's")]
    assert columns(asked, "t") == [("A", 1, "integer", "first")]
    asked.result("COMMENT ON COLUMN f.t.a IS ''")
    assert columns(asked, "t") == [("A", 1, "integer", None)]


def test_created_is_the_present_time(asked):
    asked.result("CREATE TABLE f.t (a INTEGER)")
    sql = "SELECT CREATED FROM @INFORMATION_SCHEMA.TABLES"
    assert asked.rows(sql) == [("2026-05-28T20:26:40.000Z",)]
    assert asked.columns(sql) == [("CREATED", "timestamp")]


# --- views ----------------------------------------------------------------------------------------------


def test_view_follows_its_tables(asked):
    asked.result("CREATE TABLE f.t (a INTEGER)")
    asked.result("CREATE VIEW f.v (x) AS (SELECT a * 2 FROM f.t)")
    asked.result("CREATE VIEW f.w AS SELECT * FROM f.v")
    asked.result("INSERT INTO f.t VALUES (4)")
    assert asked.rows("SELECT x FROM f.w") == [(8,)]
    asked.result("DROP VIEW f.v")
    assert asked.error("SELECT * FROM f.w") == "CompileError: Table or View 'f.v' does not exist!"
    asked.result("CREATE OR REPLACE VIEW f.v AS SELECT 1 AS y, a AS x FROM f.t")
    assert asked.rows("SELECT * FROM f.w") == [(4,)]
    asked.result("CREATE OR REPLACE VIEW f.v AS SELECT a AS z FROM f.t")
    assert "column 'X' is gone" in asked.error("SELECT * FROM f.w")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("CREATE VIEW f.v AS SELECT 1 AS a", "There already exists a view"),
        ("CREATE OR REPLACE VIEW f.t AS SELECT 1 AS a", "There already exists a table"),
        ("CREATE OR REPLACE TABLE f.v (a INTEGER)", "There already exists a table"),
        ("CREATE OR REPLACE VIEW f.v AS SELECT * FROM f.v", "reads from itself"),
        ("CREATE OR REPLACE VIEW f.v AS SELECT * FROM f.w", "reads from itself"),
        ("CREATE VIEW f.x AS SELECT a, a FROM f.t", "duplicate column name"),
        ("CREATE VIEW f.x (p, q) AS SELECT a FROM f.t", "2 names for 1 columns"),
        ("CREATE VIEW f.x AS SELECT nope FROM f.t", "'NOPE' does not exist"),
        ("DROP TABLE f.v", "does not exist!"),
        ("DROP VIEW f.t", "does not exist!"),
        ("ALTER TABLE f.v ADD b INTEGER", "is a view"),
        ("TRUNCATE TABLE f.v", "is a view"),
    ],
)
def test_view_that_cannot_be_changes_nothing(asked, sql, error):
    asked.result("CREATE TABLE f.t (a INTEGER)")
    asked.result("CREATE VIEW f.v AS SELECT a FROM f.t")
    asked.result("CREATE VIEW f.w AS SELECT a FROM f.v")
    assert error in asked.error(sql)
    assert [row[1] for row in objects(asked)] == ["t", "v", "w"]
    assert asked.rows("SELECT a FROM f.w") == []


def test_view_does_not_see_the_with_of_a_statement(asked):
    asked.result("CREATE TABLE t (a INTEGER)")
    asked.result("CREATE VIEW v AS SELECT COUNT(*) AS n FROM t")
    assert asked.rows("WITH t AS (SELECT 1 AS a) SELECT n, a FROM v, t") == [(0, 1)]


def test_simple_view_is_written_through(pumps):
    pumps.result("CREATE VIEW d.v (k, place) AS SELECT id, site FROM d.pump WHERE id < 4")
    pumps.result("CREATE VIEW d.w AS SELECT place, k FROM d.v WHERE k > 1")
    pumps.result("UPDATE d.w SET place = 'west' WHERE k <> 3")
    pumps.result("DELETE FROM d.w WHERE place = 'south'")
    pumps.result("INSERT INTO d.v (k) VALUES (9)")
    assert pumps.rows("SELECT id, site FROM d.pump ORDER BY id") == [
        (1, "north"), (2, "west"), (4, "south"), (5, None), (9, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query",
    ["SELECT DISTINCT id FROM d.pump", "SELECT id + 1 AS id FROM d.pump", "SELECT MAX(id) AS id FROM d.pump",
     "SELECT a.id FROM d.pump a JOIN d.pump b ON a.id = b.id", "SELECT 1 AS id",
     "SELECT id FROM d.pump UNION SELECT 1", "SELECT id FROM d.pump LIMIT 1"],
)  # fmt: skip
def test_view_that_is_not_simple_is_not_written_through(pumps, query):
    pumps.result(f"CREATE VIEW d.v AS {query}")
    assert "not supported" in pumps.error("DELETE FROM d.v WHERE id = 1")
    assert pumps.rows("SELECT COUNT(*) FROM d.pump") == [(5,)]


# --- rows -----------------------------------------------------------------------------------------------


def test_insert_takes_queries_of_every_form(pumps):
    pumps.result("CREATE TABLE d.c (id INTEGER, site STRING)")
    pumps.result("INSERT INTO d.c (SELECT id, site FROM d.pump WHERE id = 1)")
    pumps.result("INSERT INTO d.c (site, id) SELECT site, id FROM d.pump WHERE id = 2")
    pumps.result("INSERT INTO d.c (id) WITH q AS (SELECT 3 AS n) SELECT n FROM q")
    pumps.result("INSERT INTO d.c (id) (WITH q AS (SELECT 4 AS n) SELECT n FROM q)")
    pumps.result("INSERT INTO d.c SELECT id + 10, site FROM d.c WHERE id < 3")
    assert pumps.rows("SELECT id, site FROM d.c ORDER BY id") == [
        (1, "north"), (2, "north"), (3, None), (4, None), (11, "north"), (12, "north"),
    ]  # fmt: skip


def test_update_and_delete_choose_rows(pumps):
    pumps.result("UPDATE d.pump p SET site = site || '!', rate = DEFAULT WHERE p.id = 1 OR rate = 7")
    pumps.result("DELETE d.pump WHERE id = 4")
    pumps.result("DELETE FROM (SELECT * FROM d.pump WHERE id > 1) x WHERE x.id < 3")
    pumps.result(
        "UPDATE d.pump SET parent = (SELECT MAX(q.id) FROM d.pump q WHERE q.id < pump.id) "
        "WHERE id IN (SELECT 5)"
    )
    assert pumps.rows("SELECT id, site, rate, parent FROM d.pump ORDER BY id") == [
        (1, "north!", None, None), (3, "south!", None, 1), (5, None, 3.25, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("UPDATE d.pump SET pump.id = 1", "without the table"),
        ("UPDATE d.pump SET nope = 1", "'NOPE' does not exist"),
        ("UPDATE d.pump SET id = 1, ID = 2", "duplicate column name"),
        ("UPDATE d.pump SET id = 'x'", "invalid number"),
        ("UPDATE d.pump SET id = MAX(id)", "aggregate"),
        ("UPDATE d.pump SET id = 1 WHERE COUNT(*) > 1", "aggregate"),
        ("UPDATE d.pump SET id = 1 WHERE id", "condition is expected"),
        ("UPDATE d.nope SET id = 1", "does not exist"),
        ("UPDATE @INFORMATION_SCHEMA.TABLES SET ID = 1", "read only"),
        ("DELETE FROM d.pump ORDER BY id", "should end here"),
        ("DELETE FROM d.pump WHERE nope = 1", "'NOPE' does not exist"),
        ("INSERT INTO d.pump SELECT 1", "4 columns are to be filled, the query has 1"),
        ("INSERT INTO d.pump (id, id) SELECT 1, 2", "duplicate column name"),
        ("INSERT INTO d.pump (nope) SELECT 1", "'NOPE' does not exist"),
        ("INSERT INTO d.pump", "a query is expected"),
        ("INSERT INTO @COMMITS.X SELECT 1", "read only"),
    ],
)  # fmt: skip
def test_write_that_cannot_be_changes_nothing(pumps, sql, error):
    before = pumps.rows("SELECT * FROM d.pump")
    assert error in pumps.error(sql)
    assert pumps.rows("SELECT * FROM d.pump") == before


MERGE = "MERGE INTO d.pump x USING (SELECT 2 AS k, 'new' AS s UNION ALL SELECT 9, 'ten') n ON (x.id = n.k) "


def test_merge_updates_deletes_and_inserts(pumps):
    pumps.result(
        MERGE + "WHEN MATCHED THEN UPDATE SET x.site = n.s, rate = x.id * 2 "
        "WHEN NOT MATCHED THEN INSERT (id, site) VALUES (n.k, UPPER(n.s))"
    )
    assert pumps.rows("SELECT id, site, rate FROM d.pump WHERE id IN (2, 9) ORDER BY id") == [
        (2, "new", 4), (9, "TEN", None),
    ]  # fmt: skip


def test_merge_looks_at_its_conditions(pumps):
    pumps.result(
        "MERGE INTO d.pump x USING d.pump n ON (x.id = n.id) "
        "WHEN NOT MATCHED THEN INSERT (id) VALUES (n.id) WHERE n.id > 100 "
        "WHEN MATCHED THEN UPDATE SET site = 'seen' WHERE x.id > 2 DELETE WHERE x.site = 'seen' AND n.id = 4"
    )
    assert pumps.rows("SELECT id, site FROM d.pump ORDER BY id") == [
        (1, "north"), (2, "north"), (3, "seen"), (5, "seen"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (MERGE, "WHEN MATCHED or WHEN NOT MATCHED"),
        (MERGE + "WHEN MATCHED THEN UPDATE SET id = 5", "referenced in the ON clause"),
        (MERGE + "WHEN MATCHED THEN UPDATE SET n.s = 5", "columns of the target only"),
        (MERGE + "WHEN MATCHED THEN DELETE", "is expected"),
        (MERGE + "WHEN NOT MATCHED THEN INSERT (id) VALUES (x.id)", "'x.ID' does not exist"),
        (MERGE + "WHEN NOT MATCHED THEN INSERT (id) VALUES (n.k, 1)", "VALUES has 2"),
        (MERGE + "WHEN NOT MATCHED THEN INSERT (id) VALUES ('x')", "invalid number"),
        (
            MERGE.replace("SELECT 9, 'ten'", "SELECT 2, 'b'") + "WHEN MATCHED THEN UPDATE SET site = n.s",
            "stable set",
        ),
        (MERGE + "WHEN MATCHED THEN UPDATE SET site = 'a' WHEN MATCHED THEN UPDATE SET site = 'b'", "twice"),
    ],
)
def test_merge_that_cannot_be_changes_nothing(pumps, sql, error):
    before = pumps.rows("SELECT * FROM d.pump")
    assert error in pumps.error(sql)
    assert pumps.rows("SELECT * FROM d.pump") == before

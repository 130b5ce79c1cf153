"""Queries: names, grouping, joins, set operators, WITH, CONNECT BY, windows."""

from __future__ import annotations

import pytest

# --- names ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT nope FROM d.pump", "Column 'NOPE' does not exist!"),
        ('SELECT "@FOLDR" FROM d.pump', "Column '@FOLDR' does not exist!"),
        ("SELECT p.nope FROM d.pump p", "Column 'p.NOPE' does not exist!"),
        ("SELECT x.id FROM d.pump p", "Column 'x.ID' does not exist!"),
        ("SELECT id FROM d.nope", "Table or View 'd.nope' does not exist!"),
        ("SELECT id FROM pump", "Table or View 'pump' does not exist!"),
        ("SELECT id FROM d.pump a, d.pump b", "column ambiguously defined: ID"),
        ("SELECT 1 FROM d.pump, d.pump", "Two sources are called 'pump'"),
        ("SELECT rowid FROM d.pump", "Column 'ROWID' does not exist!"),
        ("SELECT * FROM sqlite_master", "does not exist!"),
        ("SELECT * FROM main.t3", "does not exist!"),
        ("SELECT *", "needs FROM"),
        ("SELECT x.* FROM d.pump", "Table or View 'x' does not exist!"),
        ("SELECT $5 FROM d.pump", "the source has 4 columns"),
        ("SELECT id FROM d.pump WHERE EXISTS (SELECT 1 FROM d.pump q WHERE q.id = z.id)", "'z.ID'"),
    ],
)
def test_unknown_name_is_an_error(pumps, sql, error):
    assert error in pumps.error(sql)


def test_names_match_whatever_their_case(pumps):
    assert pumps.rows("SELECT P.Id FROM D.Pump p WHERE sItE = 'south' AND p.ID > 3") == [(4,)]


def test_exact_spelling_of_a_quoted_name_wins(asked):
    assert asked.rows('SELECT x."Id" FROM (SELECT 1 AS "Id", 2 AS id) x') == [(1,)]
    assert "ambiguously" in asked.error('SELECT x.iD FROM (SELECT 1 AS "Id", 2 AS "iD") x')


@pytest.mark.parametrize(
    "name",
    ["start", "begin", "type", "status", "release", "value", "name", "comment", "level_no", "date_", "mode",
     "label", "color", "created", "deleted", "description", "position", "language", "row_no", "key"],
)  # fmt: skip
def test_ordinary_words_can_be_columns(asked, name):
    assert asked.columns(f"SELECT t.{name} FROM (SELECT 1 AS {name}) t") == [(name.upper(), "integer")]


@pytest.mark.parametrize(
    ("item", "column"),
    [
        ("'3.14'::DECIMAL d", ("D", "decimal")),
        ("t.type e", ("E", "integer")),
        ("date e", ("E", "string")),
        ("-t.type e", ("E", "integer")),
        ("date'2026-01-01' e", ("E", "timestamp")),
    ],
)
def test_alias_needs_no_as(asked, item, column):
    assert asked.columns(f"SELECT {item} FROM (SELECT 1 AS type, 'x' AS date) t") == [column]


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT id, FROM d.pump", "Something is missing between a comma and FROM."),
        ("SELECT id FROM d.pump WHERE id IN (1, 2,)", "between a comma and )."),
        ("SELECT id FROM d.pump GROUP BY id, ORDER BY id", "between a comma and ORDER BY."),
        ("SELECT id FROM d.pump ORDER BY id,", "between a comma and the end."),
        ("SELECT id FROM d.pump WHERE id = 1 OR", "OR is not complete."),
        ("SELECT * FROM", "Expected table name."),
        ("SELECT LISTAGG(site, ',') WITHIN GROUP (ORDER BY id) FROM d.pump", "The function LISTAGG does not"),
        ("SELECT MEDIAN(id) WITHIN GROUP (ORDER BY id) FROM d.pump", "WITHIN GROUP is not supported"),
        ("SELECT EXTRACT(YEAR FROM date'2026-01-01')", "EXTRACT does not exist or is not supported"),
        (
            "SELECT CAST(id AS STRING) FROM d.pump",
            "CAST does not exist or is not supported by this server; write",
        ),
        ("SELECT SUBSTRING('abc' FROM 2)", "SUBSTRING does not exist"),
        ("SELECT id FROM d.pump WHERE ROWNUM < 3", "ROWNUM is not supported"),
        ("SELECT SYSDATE", "SYSDATE"),
        ("SELECT id FROM d.pump NATURAL JOIN d.pump", "NATURAL JOIN is not supported"),
        ("SELECT x FROM LATERAL (SELECT 1) y", "'LATERAL (SELECT 1) AS y' in FROM is not supported"),
    ],
)
def test_error_names_the_construct(pumps, sql, error):
    found = pumps.error(sql)
    assert error in found
    assert not {"<", "\x02"} & set(found)


def test_columns_are_named_as_documented(pumps):
    sql = 'SELECT id, COUNT(*), site AS a, rate "b C", MAX( id ) + 1 FROM d.pump GROUP BY id, site, rate'
    names = [name for name, _ in pumps.columns(sql)]
    assert names == ["ID", "COUNT(*)", "A", "b C", "MAX( ID ) + 1"]


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("p.id + 1", "P.ID + 1"),
        ("-id", "-ID"),
        ("'a'", "'A'"),
        ("NULL", "NULL"),
        ("id::STRING", "ID::STRING"),
        ("date'2026-01-01'", "DATE'2026-01-01'"),
        ("CASE WHEN id = 1 THEN 2 END", "CASE WHEN ID = 1 THEN 2 END"),
        ("(SELECT MAX(q.id) FROM d.pump q)", "(SELECT MAX(Q.ID) FROM D.PUMP Q)"),
        ("NTH_VALUE(id, 2) FROM LAST OVER (ORDER BY id)", "NTH_VALUE(ID, 2) FROM LAST OVER (ORDER BY ID)"),
        ("TRIM(LEADING 'x' FROM site)", "TRIM(LEADING 'X' FROM SITE)"),
        ("CURRENT_USER", "CURRENT_USER"),
        ("id x", "X"),
        ("UPPER(site) x", "X"),
        ("CASE WHEN id = 1 THEN 2 END x", "X"),
        ('1 "x"', "x"),
        ("p.site", "SITE"),
    ],
)
def test_expression_without_an_alias_is_named_by_its_text(pumps, item, name):
    assert [c for c, _ in pumps.columns(f"SELECT {item}, id FROM d.pump p")] == [name, "ID"]
    assert [c for c, _ in pumps.columns(f"SELECT * FROM (SELECT id, {item} FROM d.pump p)")] == ["ID", name]


def test_columns_can_be_named_by_position(pumps):
    assert pumps.rows("SELECT p.$2, $1 FROM d.pump p WHERE $1 = 3") == [("south", 3)]


def test_folder_and_table_qualify_a_column(pumps):
    assert pumps.rows("SELECT d.pump.id FROM d.pump WHERE d.pump.id = 2") == [(2,)]


def test_types_of_columns_are_told(pumps):
    sql = "SELECT id, site, rate, date'2026-01-01' AS d, NULL AS n, id / 2 AS h, 'x' || id AS t FROM d.pump"
    assert [kind for _, kind in pumps.columns(sql)] == [
        "integer", "string", "decimal", "timestamp", "string", "decimal", "string",
    ]  # fmt: skip


# --- grouping -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT site, id FROM d.pump GROUP BY site", "not a GROUP BY expression: ID"),
        ("SELECT site, COUNT(*) FROM d.pump", "not a GROUP BY expression: SITE"),
        ("SELECT * FROM d.pump GROUP BY site", "not a GROUP BY expression"),
        ("SELECT site FROM d.pump GROUP BY site ORDER BY id", "not a GROUP BY expression: ID"),
        ("SELECT site FROM d.pump GROUP BY site HAVING id > 1", "not a GROUP BY expression: ID"),
        ("SELECT site, (SELECT MAX(q.id) FROM d.pump q WHERE q.parent = p.id) FROM d.pump p GROUP BY site",
         "not a GROUP BY expression: ID"),
        ("SELECT site FROM d.pump GROUP BY 1", "GROUP BY by position"),
        ("SELECT MAX(COUNT(*)) FROM d.pump GROUP BY site", "MAX of an aggregate"),
        ("SELECT id FROM d.pump WHERE COUNT(*) > 1", "not allowed in WHERE"),
        ("SELECT COUNT(*) FROM d.pump GROUP BY COUNT(*)", "not allowed in GROUP BY"),
        ("SELECT id FROM d.pump HAVING id > 1", "HAVING without GROUP BY"),
        ("SELECT a.id FROM d.pump a JOIN d.pump b ON COUNT(*) = 1", "not allowed in ON"),
    ],
)  # fmt: skip
def test_grouping_that_is_no_such_is_an_error(pumps, sql, error):
    assert error in pumps.error(sql)


def test_groups_by_alias_and_expression(pumps):
    sql = "SELECT UPPER(site) AS s, COUNT(*) + 1 AS n FROM d.pump GROUP BY s ORDER BY UPPER(site)"
    assert pumps.rows(sql) == [("NORTH", 3), ("SOUTH", 3), (None, 2)]
    sql = "SELECT NVL(site, '-') || '!' FROM d.pump GROUP BY NVL(site, '-') ORDER BY 1"
    assert pumps.rows(sql) == [("-!",), ("north!",), ("south!",)]


def test_correlated_query_may_use_what_is_grouped_by(pumps):
    sql = (
        "SELECT site, (SELECT MAX(q.id) FROM d.pump q WHERE q.site = p.site) AS m "
        "FROM d.pump p GROUP BY site ORDER BY 1"
    )
    assert pumps.rows(sql) == [("north", 2), ("south", 4), (None, None)]


def test_aggregates_skip_null(pumps):
    sql = "SELECT COUNT(*), COUNT(rate), COUNT(DISTINCT rate), SUM(rate), AVG(rate), MIN(site) FROM d.pump"
    assert pumps.rows(sql) == [(5, 4, 3, 29.75, 7.4375, "north")]
    assert pumps.rows("SELECT SUM(id), MAX(id), COUNT(*) FROM d.pump WHERE id > 9") == [(None, None, 0)]


def test_sums_are_those_of_decimals(asked):
    tenths = " UNION ALL ".join(["SELECT 0.1 AS x"] * 30)
    assert asked.rows(f"SELECT SUM(x), AVG(x) FROM ({tenths})") == [(3, 0.1)]


def test_distinct_orders_by_its_columns_only(pumps):
    assert pumps.rows("SELECT DISTINCT site FROM d.pump ORDER BY site DESC") == [
        (None,), ("south",), ("north",),
    ]  # fmt: skip
    assert "ORDER BY with DISTINCT" in pumps.error("SELECT DISTINCT site FROM d.pump ORDER BY id")


# --- joins ----------------------------------------------------------------------------------------------


def test_full_join_keeps_both_sides(pumps):
    sql = "SELECT a.id, b.id AS c FROM d.pump a FULL JOIN d.pump b ON a.id = b.parent ORDER BY 1, 2"
    assert pumps.rows(sql) == [
        (1, 2), (1, 3), (2, None), (3, 4), (3, 5), (4, None), (5, None), (None, 1),
    ]  # fmt: skip


def test_using_shows_its_column_once(pumps):
    sql = "SELECT * FROM (SELECT 1 AS k, 2 AS a) l {} JOIN (SELECT 3 AS k, 4 AS b) r USING (k) ORDER BY 1"
    assert [c for c, _ in pumps.columns(sql.format("FULL"))] == ["K", "A", "B"]
    assert pumps.rows(sql.format("FULL")) == [(1, 2, None), (3, None, 4)]
    assert pumps.rows(sql.format("RIGHT")) == [(3, None, 4)]
    assert pumps.rows(sql.format("LEFT")) == [(1, 2, None)]


def test_join_without_on_is_a_product(pumps):
    assert pumps.rows("SELECT COUNT(*) FROM d.pump a JOIN d.pump b") == [(25,)]
    assert pumps.rows("SELECT COUNT(*) FROM d.pump a, d.pump b") == [(25,)]


def test_marks_chain_and_take_constants(pumps):
    sql = (
        "SELECT a.id, b.id AS b, c.id AS c FROM d.pump c, d.pump b, d.pump a "
        "WHERE a.id = b.parent(+) AND b.id = c.parent(+) AND b.site(+) = 'south' AND a.id < 4 "
        "ORDER BY 1, 2, 3"
    )
    assert pumps.rows(sql) == [(1, 3, 4), (1, 3, 5), (2, None, None), (3, 4, None)]


def test_star_keeps_the_written_order_beside_marks(asked):
    sql = "SELECT * FROM (SELECT 1 AS a) x, (SELECT 1 AS b) y WHERE x.a(+) = y.b"
    assert [c for c, _ in asked.columns(sql)] == ["A", "B"]


@pytest.mark.parametrize(
    ("where", "error"),
    [
        ("a.id(+) = b.parent(+)", "a predicate may reference only one outer-joined table"),
        ("a.id = b.parent(+) AND b.id = a.parent(+)", "cannot be outer-joined to each other"),
        ("a.id = b.parent(+) AND c.id = b.id(+)", "a table may be outer joined to at most one other table"),
        ("a.id = b.parent(+) OR b.id(+) = 1", "(+) within OR"),
        ("b.id(+) IN (1, 2) AND a.id = b.id(+)", "(+) within OR, IN"),
        ("b.id(+) = 1", "(+) on B without a partner"),
        ("a.id = b.parent(+) + b.id", "with and without (+)"),
        ("a.id = parent(+)", "without the name of its source"),
    ],
)
def test_mark_that_is_not_allowed_is_an_error(pumps, where, error):
    sql = f"SELECT a.id FROM d.pump a, d.pump b, d.pump c WHERE {where}"
    assert error in pumps.error(sql)


def test_mark_outside_of_where_is_an_error(pumps):
    assert "(+) outside of WHERE" in pumps.error("SELECT a.id(+) FROM d.pump a")
    sql = "SELECT a.id FROM d.pump a JOIN d.pump b ON a.id = b.id WHERE a.id = b.id(+)"
    assert "(+) together with JOIN" in pumps.error(sql)


# --- set operators, WITH, subqueries --------------------------------------------------------------------


def test_parentheses_overrule_intersect(asked):
    assert asked.rows("SELECT 1 AS n UNION SELECT 2 INTERSECT SELECT 3 ORDER BY n") == [(1,)]
    assert asked.rows("(SELECT 1 AS n UNION SELECT 2) INTERSECT SELECT 2") == [(2,)]
    assert asked.rows("SELECT 3 AS n MINUS SELECT 3 UNION ALL SELECT 4") == [(4,)]
    assert asked.rows("SELECT 3 AS n MINUS (SELECT 3 UNION ALL SELECT 4)") == []


def test_order_and_limit_are_those_of_the_whole(asked):
    assert asked.rows("SELECT 1 AS n UNION ALL SELECT 3 UNION ALL SELECT 2 ORDER BY n DESC LIMIT 2") == [
        (3,),
        (2,),
    ]
    assert asked.rows("SELECT 1 AS n UNION ALL (SELECT 9 UNION ALL SELECT 5 ORDER BY 1 LIMIT 1)") == [
        (1,),
        (5,),
    ]
    assert "before a set operator" in asked.error("SELECT 1 AS n ORDER BY n UNION SELECT 2")


def test_set_operators_need_like_columns(asked):
    assert "number of result columns: 1, 2" in asked.error("SELECT 1 UNION SELECT 1, 2")
    assert "same datatype" in asked.error("SELECT 1 UNION SELECT 'a'")
    assert asked.rows("SELECT NULL AS a UNION ALL SELECT 'a' ORDER BY 1") == [("a",), (None,)]


def test_long_chains_of_set_operators_run(asked):
    assert len(asked.rows(" UNION ALL ".join(["SELECT 1"] * 1200))) == 1200
    assert asked.rows(" UNION ".join(["SELECT 1"] * 1200)) == [(1,)]


def test_with_hides_a_table_and_is_hidden_by_an_inner_one(pumps):
    pumps.result("CREATE TABLE thing (id INTEGER)")
    assert pumps.rows("WITH thing AS (SELECT 5 AS id) SELECT id FROM thing") == [(5,)]
    sql = "WITH a AS (SELECT 1 AS x) SELECT x FROM (WITH a AS (SELECT 2 AS x) SELECT x FROM a)"
    assert pumps.rows(sql) == [(2,)]
    assert "names 'A' twice" in pumps.error("WITH a AS (SELECT 1 AS x), a AS (SELECT 2 AS x) SELECT x FROM a")
    assert "'c' does not exist" in pumps.error(
        "WITH c AS (SELECT 1 AS x UNION ALL SELECT x FROM c) SELECT x FROM c"
    )


def test_scalar_query_has_one_row_at_most(pumps):
    assert pumps.rows("SELECT (SELECT id FROM d.pump WHERE id = 9) AS x") == [(None,)]
    assert "more than one row" in pumps.error("SELECT (SELECT id FROM d.pump) AS x")
    assert "needs one column" in pumps.error("SELECT (SELECT id, site FROM d.pump) AS x")


def test_quantified_comparisons_have_three_values(pumps):
    sql = "SELECT id FROM d.pump WHERE {} ORDER BY id"
    parents = "(SELECT parent FROM d.pump)"  # NULL, 1, 1, 3, 3
    assert pumps.rows(sql.format(f"id > ALL {parents}")) == []
    assert pumps.rows(sql.format(f"NOT id > ALL {parents}")) == [(1,), (2,), (3,)]
    assert pumps.rows(sql.format(f"id > ANY {parents}")) == [(2,), (3,), (4,), (5,)]
    assert pumps.rows(sql.format(f"NOT id = ANY {parents}")) == []
    assert pumps.rows(sql.format("id > ALL (SELECT 1 FROM d.pump WHERE id > 9)")) == [
        (1,), (2,), (3,), (4,), (5,),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id FROM d.pump WHERE id = 1 OR id > ALL (SELECT 3)",
        "SELECT COUNT(*) FROM d.pump GROUP BY id HAVING id > ANY (SELECT 3)",
        "SELECT id FROM d.pump p WHERE id = 1 OR EXISTS (SELECT 1 FROM d.pump q WHERE q.id = p.id)",
    ],
)
def test_documented_restrictions_are_kept(pumps, sql):
    assert "(as documented)" in pumps.error(sql)


# --- CONNECT BY -----------------------------------------------------------------------------------------


def test_walk_goes_depth_first_from_every_root(pumps):
    sql = "SELECT id, LEVEL FROM d.pump CONNECT BY PRIOR id = parent"
    assert pumps.rows(sql) == [
        (1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (2, 1), (3, 1), (4, 2), (5, 2), (4, 1), (5, 1),
    ]  # fmt: skip


def test_walk_tells_paths_roots_and_parents(pumps):
    sql = (
        "SELECT id, SYS_CONNECT_BY_PATH(site, '>') || '#' AS p, CONNECT_BY_ROOT id AS r, PRIOR id AS up, "
        "CONNECT_BY_ROOT site AS s FROM d.pump START WITH parent = 1 CONNECT BY PRIOR id = parent ORDER BY id"
    )
    assert pumps.rows(sql) == [
        (2, ">north#", 2, None, "north"), (3, ">south#", 3, None, "south"),
        (4, ">south>south#", 3, 3, "south"), (5, ">south>#", 3, 3, "south"),
    ]  # fmt: skip


def test_walk_takes_commas_levels_groups_and_joins(pumps):
    sql = "SELECT id FROM d.pump START WITH id = 1 CONNECT BY parent = PRIOR id, site = PRIOR site"
    assert pumps.rows(sql) == [(1,), (2,)]
    sql = "SELECT id FROM d.pump START WITH id = 1 CONNECT BY parent = PRIOR id AND LEVEL <= 2 ORDER BY id"
    assert pumps.rows(sql) == [(1,), (2,), (3,)]
    sql = "SELECT MAX(LEVEL), COUNT(*) FROM d.pump START WITH id = 1 CONNECT BY parent = PRIOR id"
    assert pumps.rows(sql) == [(3, 5)]
    sql = (
        "SELECT a.id, b.id AS b FROM d.pump a LEFT JOIN d.pump b ON b.id = a.parent "
        "START WITH a.parent IS NULL CONNECT BY a.parent = PRIOR a.id ORDER BY 1"
    )
    assert pumps.rows(sql) == [(1, None), (2, 1), (3, 1), (4, 3), (5, 3)]
    assert pumps.rows("SELECT LEVEL AS n CONNECT BY LEVEL <= 3") == [(1,), (2,), (3,)]


def test_walk_may_start_at_a_function_and_go_by_one(pumps):
    walk = "START WITH NVL(parent, 0) = 0 CONNECT BY NVL(parent, 0) = PRIOR ABS(id)"
    assert pumps.rows(f"SELECT id FROM d.pump {walk} ORDER BY id") == [(1,), (2,), (3,), (4,), (5,)]
    walk = "START WITH id = 3 CONNECT BY parent = PRIOR id"
    sql = f"SELECT id, PRIOR (id) AS a, PRIOR pump.site AS b FROM d.pump {walk}"
    assert pumps.rows(f"{sql} ORDER BY id") == [(3, None, None), (4, 3, "south"), (5, 3, "south")]


def test_walk_reaches_a_row_once_for_each_way(asked):
    edges = "SELECT 'a' AS n, NULL AS up UNION ALL SELECT 'b', 'a' UNION ALL SELECT 'c', 'a'"
    edges += " UNION ALL SELECT 'd', 'b' UNION ALL SELECT 'd', 'c' UNION ALL SELECT 'e', 'd'"
    sql = f"SELECT n FROM ({edges}) START WITH up IS NULL CONNECT BY up = PRIOR n ORDER BY n"
    assert "".join(n for (n,) in asked.rows(sql)) == "abcddee"


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT id FROM d.pump CONNECT BY id = PRIOR id", "a row is its own ancestor"),
        ("SELECT id FROM d.pump START WITH id = 1", "CONNECT BY"),
        ("SELECT id FROM d.pump CONNECT BY NOCYCLE id = PRIOR id", "NOCYCLE"),
        (
            "SELECT id FROM d.pump START WITH PRIOR id = 1 CONNECT BY id = PRIOR id",
            "PRIOR within START WITH",
        ),
        ("SELECT PRIOR id FROM d.pump", "PRIOR needs CONNECT BY"),
        ("SELECT CONNECT_BY_ROOT id FROM d.pump", "CONNECT_BY_ROOT needs CONNECT BY"),
        ("SELECT SYS_CONNECT_BY_PATH(id, '/') FROM d.pump", "SYS_CONNECT_BY_PATH needs CONNECT BY"),
        ("SELECT LEVEL FROM d.pump", "Column 'LEVEL' does not exist"),
        ("SELECT a.id FROM d.pump a, d.pump b CONNECT BY a.parent = PRIOR a.id", "commas"),
        ("SELECT id FROM d.pump CONNECT BY parent = PRIOR id ORDER SIBLINGS BY id", "SIBLINGS"),
    ],
)
def test_walk_that_cannot_be_is_an_error(pumps, sql, error):
    assert error in pumps.error(sql)


# --- windows --------------------------------------------------------------------------------------------


def test_frames_without_the_current_row_may_be_empty(pumps):
    sql = (
        "SELECT id, SUM(rate) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS a, "
        "AVG(rate) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 2 FOLLOWING) AS b, "
        "MAX(site) OVER (ORDER BY id ROWS BETWEEN 1 FOLLOWING AND 1 FOLLOWING) AS c FROM d.pump ORDER BY id"
    )
    assert pumps.rows(sql) == [
        (1, None, 7, "north"), (2, 12.5, 7, "south"), (3, 12.5, 5.125, "south"), (4, 7, 3.25, None),
        (5, 14, None, None),
    ]  # fmt: skip


def test_windows_over_decimals_slide(pumps):
    sql = (
        "SELECT id, SUM(rate) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS s, "
        "SUM(rate) OVER (ORDER BY rate RANGE BETWEEN 4 PRECEDING AND CURRENT ROW) AS r "
        "FROM d.pump ORDER BY id"
    )
    assert pumps.rows(sql) == [
        (1, 12.5, 12.5),
        (2, 12.5, None),
        (3, 7, 17.25),
        (4, 14, 17.25),
        (5, 10.25, 3.25),
    ]


def test_null_can_be_ignored_in_value_windows(pumps):
    window = "OVER (ORDER BY id)"
    sql = (
        f"SELECT id, FIRST_VALUE(rate) IGNORE NULLS OVER (ORDER BY id DESC) AS a, "
        f"LAST_VALUE(rate IGNORE NULLS) {window} AS b, LAG(rate, 2, -1) IGNORE NULLS {window} AS c, "
        f"LEAD(rate) IGNORE NULLS {window} AS d, NTH_VALUE(rate, 2) IGNORE NULLS {window} AS e, "
        f"NTH_VALUE(id, 2) FROM LAST {window} AS f FROM d.pump ORDER BY id"
    )
    assert pumps.rows(sql) == [
        (1, 3.25, 3.25, -1, 7, 7, 4), (2, 3.25, 3.25, -1, 7, 7, 4), (3, 3.25, 3.25, -1, 7, 7, 4),
        (4, 3.25, 3.25, 12.5, 3.25, 7, 4), (5, 3.25, 3.25, 7, None, 7, 4),
    ]  # fmt: skip


def test_windows_count_rank_and_share(pumps):
    sql = (
        "SELECT id, RANK() OVER (ORDER BY rate DESC) AS a, DENSE_RANK() OVER (ORDER BY rate) AS b, "
        "COUNT(DISTINCT rate) OVER (PARTITION BY site) AS c, RATIO_TO_REPORT(id) OVER () * 15 AS d, "
        "SUM(COUNT(*)) OVER (ORDER BY id) AS e FROM d.pump GROUP BY id, rate, site ORDER BY id"
    )
    assert pumps.rows(sql) == [
        (1, 2, 3, 1, 1, 1), (2, 1, 4, 1, 2, 2), (3, 3, 2, 1, 3, 3), (4, 3, 2, 1, 4, 4), (5, 5, 1, 1, 5, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("RANK() OVER ()", "needs ORDER BY"),
        ("RANK()", "needs OVER"),
        ("MEDIAN(id) OVER (ORDER BY id)", "PARTITION BY only"),
        ("SUM(DISTINCT id) OVER ()", "SUM (DISTINCT ...) with OVER"),
        ("SUM(id) OVER (ORDER BY id GROUPS 1 PRECEDING)", "GROUPS"),
        ("SUM(id) OVER (ORDER BY site RANGE 1 PRECEDING)", "RANGE with a distance"),
        ("SUM(id) OVER (ORDER BY id ROWS 1 PRECEDING EXCLUDE TIES)", "EXCLUDE"),
        ("SUM(id) OVER (ROWS 1 PRECEDING)", "needs ORDER BY"),
        ("SUM(id) OVER w", "OVER with ALIAS"),
        ("SUM(id) IGNORE NULLS OVER ()", "SUM with IGNORE NULLS"),
        ("UPPER(site) OVER ()", "UPPER with OVER"),
        ("SUM(SUM(id) OVER ()) OVER ()", "window"),
        (
            "LAST_VALUE(id) IGNORE NULLS OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING)",
            "current row",
        ),
        ("SUM(id) KEEP (DENSE_RANK FIRST ORDER BY id)", "KEEP"),
        ("LAG(id, -1) OVER (ORDER BY id)", "whole number"),
    ],
)
def test_window_that_cannot_be_is_an_error(pumps, expression, error):
    assert error in pumps.error(f"SELECT {expression} FROM d.pump")


# --- what is not supported ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "construct"),
    [
        ("SELECT id FROM d.pump LIMIT 2 OFFSET 1", "OFFSET"),
        ("SELECT id FROM d.pump FETCH FIRST 1 ROWS ONLY", "FETCH"),
        ("SELECT TOP 1 id FROM d.pump", "TOP"),
        ("SELECT id FROM d.pump LIMIT 1 + 1", "LIMIT"),
        ("SELECT id FROM d.pump QUALIFY id = 1", "QUALIFY"),
        ("SELECT * FROM d.pump PIVOT (SUM(id) FOR site IN ('a'))", "PIVOT"),
        ("SELECT id FROM d.pump TABLESAMPLE (10)", "SAMPLE"),
        ("SELECT id FROM d.pump FOR UPDATE", "LOCKS"),
        ("WITH RECURSIVE c(x) AS (SELECT 1) SELECT x FROM c", "RECURSIVE"),
        ("SELECT id INTO :v FROM d.pump", "INTO"),
        ("SELECT :v", ":v"),
        ("SELECT id FROM d.pump a NATURAL JOIN d.pump b", "JOIN"),
        ("SELECT 1 FROM d.pump a, LATERAL (SELECT a.id) b", "LATERAL"),
        ("SELECT 1 FROM d.pump a CROSS APPLY d.pump b", "APPLY"),
        ("SELECT 1 FROM (d.pump a JOIN d.pump b ON a.id = b.id)", "join in parentheses"),
        (
            "SELECT 1 FROM d.pump a, d.pump b RIGHT JOIN d.pump c ON c.id = b.id",
            "RIGHT JOIN after",
        ),
        ("SELECT * FROM (VALUES (1, 2)) t", "EXPRESSIONS"),
        ("SELECT * FROM TABLE(d.pump)", "TABLE"),
        ("SELECT * EXCEPT (id) FROM d.pump", "EXCEPT"),
        ("SELECT DISTINCT ON (site) id FROM d.pump", "ON"),
        ("SELECT site FROM d.pump GROUP BY ROLLUP(site)", "ROLLUP"),
        ("SELECT site FROM d.pump GROUP BY ALL", "ALL"),
        ("SELECT SUM(id) FILTER (WHERE id > 1) FROM d.pump", "FILTER"),
        ("SELECT SUM(id) OVER w FROM d.pump WINDOW w AS (ORDER BY id)", "WINDOWS"),
        ("SELECT 1 INTERSECT ALL SELECT 1", "INTERSECT ALL"),
        ("SELECT id = 1 FROM d.pump", "condition"),
        ("SELECT TRUE", "TRUE"),
        ("SELECT id FROM d.pump WHERE id", "condition is expected"),
        ("SELECT id FROM d.pump WHERE id IS TRUE", "IS TRUE"),
        ("SELECT id FROM d.pump WHERE site ILIKE 'a'", "ILIKE"),
        ("SELECT id FROM d.pump WHERE (id, parent) IN (SELECT 1, 2)", "TUPLE"),
        ("SELECT id & 1 FROM d.pump", "BITWISEAND"),
        ("SELECT id FROM d.pump WHERE id == 1", "=="),
        ("SELECT id FROM d.pump WHERE site isnull", "ISNULL"),
        ("SELECT id FROM d.pump WHERE site NOTNULL", "NOTNULL"),
        ("SELECT id DIV 2 FROM d.pump", "INTDIV"),
        ("SELECT INTERVAL '1' DAY", "INTERVAL"),
        ("SELECT CAST(id AS STRING) FROM d.pump", "CAST"),
        ("SELECT id::BOOLEAN FROM d.pump", "BOOLEAN"),
        ("SELECT id::DECIMAL(5, 2) FROM d.pump", "DECIMAL"),
        ("SELECT LISTAGG(site, ',') FROM d.pump", "LISTAGG"),
        ("SELECT DIV0(1, 0)", "DIV0"),
        ("SELECT N'x'", "NATIONAL"),
        ("SELECT x'00'", "Unexpected word"),
        ("SELECT 'a' || 1 + 2", "|| before + or -"),
        ("SELECT CURRENT_DATE", "CURRENT_DATE"),
        ("SELECT id FROM d.pump@link", "pump@link"),
        ("EXPLAIN SELECT 1", "EXPLAIN"),
        ("BEGIN NULL END", "scripting"),
        ("CALL d.p()", "scripting"),
        ("CREATE PROCEDURE d.p RETURNS STRING AS BEGIN NULL END", "PROCEDURE"),
        ("SELECT 1; SELECT 2", "One statement at a time"),
        ("WITH x AS (CREATE FOO) SELECT 1", "Unsupported syntax"),
        ("SELECT 'a", "not closed"),
        ("", "empty"),
        ("-- nothing", "empty"),
    ],
)
def test_construct_that_is_not_supported_is_named(pumps, sql, construct):
    assert construct in pumps.error(sql)


def test_one_semicolon_and_comments_may_end_a_statement(asked):
    assert asked.rows("/* a */ SELECT 1 -- b\n ; -- c") == [(1,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
        "SELECT * FROM " + "(SELECT * FROM " * 200 + "d.pump" + ")" * 200,
        "SELECT 1 WHERE " + "NOT " * 900 + "1 = 1",
    ],
    ids=["parentheses", "queries", "not"],
)
def test_nesting_without_end_is_an_error(pumps, sql):
    assert "nested too deeply" in pumps.error(sql)


def test_many_conditions_are_no_depth(pumps):
    assert len(pumps.rows("SELECT id FROM d.pump WHERE " + " AND ".join(["id > 0"] * 3000))) == 5
    assert pumps.one("||".join(["'a'"] * 700)) == ("a" * 700,)


def test_time_that_is_over_stops_a_function(pumps):
    pumps.engine.stop_at(0)
    assert pumps.error("SELECT UPPER(site) FROM d.pump") == "interrupted"
    pumps.engine.stop_at(float("inf"))
    assert pumps.one("UPPER('a')") == ("A",)

"""Expressions: numbers, texts, times, their conversions and comparisons."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mkframe.demo_server.dialect import Facts


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("0.1 + 0.2", 0.3),
        ("1 - 0.9", 0.1),
        ("0.1 * 3", 0.3),
        ("73 / 4", 18.25),
        ("8 / 4", 2),
        ("1 / 3 * 3", 1),
        ("2 / 3 + 1 / 3", 1),
        ("-7 % 3", -1),
        ("7.5 % 2", 1.5),
        ("- -1", 1),
        ("-'91.91'", -91.91),
        ("'3' + 4", 7),
        ("2 * '1.5'", 3),
        ("NULL + 1", None),
        (".23", 0.23),
        ("1e3", 1000),
        ("99999999999999999999", 1e20),
        ("9007199254740993 + 0", 9007199254740993),
        ("date'2026-03-05' - date'2026-03-01'", 4),
        ("timestamp'2026-03-05 06:00:00' - date'2026-03-01'", 4),
        ("date'2026-03-01' - timestamp'2026-03-05 06:00:00'", -4),
    ],
)
def test_arithmetic(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("1 / 0", "divisor is equal to zero"),
        ("1 % 0", "divisor is equal to zero"),
        ("0.5 / 0.0", "divisor is equal to zero"),
        ("'x' + 1", "invalid number: 'x'"),
        ("'1 2' + 1", "invalid number"),
        ("'١' + 1", "invalid number"),
        ("date'2026-01-01' + 1", "+ with a DATE or TIMESTAMP"),
        ("-date'2026-01-01'", "- before a DATE"),
        ("date'2026-02-30'", "no date literal"),
        ("timestamp'2026-01-01'", "no timestamp literal"),
        ("1e400", "too large"),
        ("1e300 * 1e300", "too large"),
    ],
)
def test_arithmetic_that_fails(asked, expression, error):
    assert error in asked.error(f"SELECT {expression} AS x")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("'a' || NULL || 'b'", "ab"),
        ("NULL || NULL", None),
        ("''", None),
        ("'a' || ''", "a"),
        ("'x' || 0.5", "x.5"),
        ("'x' || -0.5", "x-.5"),
        ("'x' || 1.50", "x1.5"),
        ("'x' || 100000000000000000000", "x100000000000000000000"),
        ("'it''s \\ \"so\"'", 'it\'s \\ "so"'),
        ("'x' || date'2026-02-01'", "x01-FEB-26"),
        ("12::STRING || 'a'", "12a"),
        ("'12.5'::DECIMAL + 1", 13.5),
        ("'12'::INTEGER", 12),
        ("2.5::INTEGER", 3),
        ("-2.5::INTEGER", -3),
        ("date'2026-02-01'::STRING", "01-FEB-26"),
        ("TO_CHAR('01-FEB-2026'::TIMESTAMP, 'YYYY')", "2026"),
    ],
)
def test_texts_and_conversions(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("'' IS NULL", True),
        ("'a' = ''", False),
        ("'a' <> ''", False),
        ("1 = '1'", True),
        ("1 = '1.0'", True),
        ("'007' = 7", True),
        ("'007' = '7'", False),
        ("'10' > 9", True),
        ("'10' > '9'", False),
        ("'B' < 'a'", True),
        ("'a ' = 'a'", False),
        ("date'2026-01-02' > timestamp'2026-01-01 23:00:00'", True),
        ("date'2026-01-02' = timestamp'2026-01-02 00:00:00'", True),
        ("date'2026-01-02' = '02-JAN-2026'", True),
        ("timestamp'2026-01-02 03:04:05' = '2026-01-02 03:04:05'", True),
        ("1 IN ('1', 'x')", True),
        ("'2' IN (1, 2)", True),
        ("3 NOT IN (1, NULL)", False),
        ("2 BETWEEN '1' AND '10'", True),
        ("1 IN (SELECT '1')", True),
        ("'1' IN (SELECT 1)", True),
        ("NOT 1 = 2 AND 1 = 1 OR 1 = 2", True),
        ("NULL = NULL", False),
        ("1 != 2", True),
        ("CASE WHEN 1 = 1 THEN 5 ELSE 1 / 0 END = 5", True),
        ("(SELECT 1) = 1", True),
        ("'abc' LIKE 'A%'", False),
        ("'abc' LIKE 'a%'", True),
        ("'abc' LIKE '_b_'", True),
        ("'abc' LIKE 'b'", False),
        ("'a%c' LIKE 'a\\%c'", False),
        ("'a%c' LIKE 'a!%c' ESCAPE '!'", True),
        ("'abcabd' LIKE '%ab_'", True),
        ("'axbyc' LIKE 'a%b_c' AND NOT 'axbc' LIKE 'a%b_c'", True),
        ("NULL LIKE '%'", False),
        ("12 LIKE '1%'", True),
        ("'x' NOT LIKE 'y'", True),
    ],
)
def test_conditions(asked, condition, expected):
    assert bool(asked.rows(f"SELECT 1 AS x WHERE {condition}")) is expected


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("1 = 'x'", "invalid number: 'x'"),
        ("'x' IN (SELECT 1)", "invalid number"),
        ("date'2026-01-01' = 'yesterday'", "does not match the format 'DD-MON-YYYY'"),
        ("date'2026-01-01' = 5", "a DATE or TIMESTAMP is needed"),
        ("1 IN ()", "list of values or a query"),
        ("'a' LIKE 'a!' ESCAPE '!'", "escape character"),
        ("'a' LIKE 'a' ESCAPE 'xy'", "one character"),
        ("CASE WHEN 1 = 1 THEN 1 ELSE 'a' END = 1", "inconsistent datatypes in CASE"),
    ],
)
def test_comparison_that_fails(asked, condition, error):
    assert error in asked.error(f"SELECT 1 AS x WHERE {condition}")


def test_case_is_evaluated_lazily(pumps):
    assert pumps.rows("SELECT CASE id WHEN 1 THEN 0 ELSE 6 / (id - 1) END AS x FROM d.pump ORDER BY id") == [
        (0,), (6,), (3,), (2,), (1.5,),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("NVL(NULL, 'a')", "a"),
        ("NVL(1, 'a')", 1),
        ("NVL('a', 1)", "a"),
        ("NVL2(NULL, 1, 2)", 2),
        ("COALESCE(NULL, NULL, 3)", 3),
        ("NULLIF(1, '1')", None),
        ("NULLIF(1, 2)", 1),
        ("DECODE(1, '1', 'one', 'other')", "one"),
        ("DECODE('3 ', 3, 'three')", "three"),
        ("DECODE(3, '3 ', 'three', 'other')", "other"),
        ("DECODE(NULL, 1, 'a', NULL, 'b')", "b"),
        ("DECODE('x', 'x', 1, 'no number')", 1),
        ("DECODE('y', 'x', 1, '2')", 2),
        ("DECODE(1, 2, 'x')", None),
        ("DECODE(1, 1, 'a', 1 / 0, 'b')", "a"),
        ("GREATEST('b', 1, 'a')", "b"),
        ("GREATEST('7.77', 3, 100)", "7.77"),
        ("LEAST(3, '12')", 3),
        ("LEAST(NULL, 1)", None),
    ],
)
def test_conditional_functions(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


def test_decode_takes_as_many_arguments_as_documented(asked):
    pairs = ", ".join(f"{n}, 'v{n}'" for n in range(126))
    assert asked.one(f"DECODE(125, {pairs}, 'other') AS x") == ("v125",)
    assert "3 to 255" in asked.error(f"SELECT DECODE(1, {pairs}, 1, 2, 3)")
    many = ", ".join(map(str, range(250)))
    assert asked.one(f"GREATEST({many}) AS a, COALESCE(NULL, {many}) AS b") == (249, 0)


def test_user_and_release_are_those_of_the_asker(asked):
    sql = "CURRENT_USER, CURRENT_RELEASE('PIPES') AS a, CURRENT_RELEASE('@INSTANCES.PIPES') AS b"
    assert asked.one(f"{sql}, CURRENT_RELEASE('OTHER') AS c") == ("jane", "R2", "R2", None)


def test_user_is_text_however_it_is_spelled(asked):
    asked.facts = Facts("o'neill", lambda pattern: None)
    assert asked.one("CURRENT_USER || '!' AS u") == ("o'neill!",)


def test_times_lose_the_offset_on_the_wire_only(make_engine):
    engine = make_engine(offset=timedelta(hours=2))
    facts = Facts("jane", lambda pattern: None)
    sql = "SELECT date'2024-01-01' AS d, TO_CHAR(date'2024-01-01', 'YYYY-MM-DD HH24') AS t"
    assert list(engine.run(sql, facts).rows) == [("2023-12-31T22:00:00.000Z", "2024-01-01 00")]


def test_text_that_looks_like_a_time_is_text(asked):
    assert asked.one("'2026-01-01 00:00:00.000000' AS x") == ("2026-01-01 00:00:00.000000",)
    assert "needs numbers" not in asked.error("SELECT SUM(x) FROM (SELECT '2026-01-01 00:00:00.000000' AS x)")

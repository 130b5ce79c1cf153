"""Functions of numbers, texts and times."""

from __future__ import annotations

import math

import pytest


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ABS(-7.3)", 7.3),
        ("CEIL(-734.9)", -734),
        ("FLOOR('-91.91')", -92),
        ("MOD(4.5, 1.2)", 0.9),
        ("MOD(-3, 9)", -3),
        ("MOD(7, 0)", 7),
        ("MOD(9, NULL)", None),
        ("REMAINDER(5.23, 2)", -0.77),
        ("REMAINDER(5, 2)", 1),
        ("ROUND(1.005, 2)", 1.01),
        ("ROUND(-2.5)", -3),
        ("ROUND(123.45, -1)", 120),
        ("ROUND(1, 99)", 1),
        ("TRUNC(-9.9)", -9),
        ("TRUNC(734.9191, -1)", 730),
        ("TRUNC(734.9191, NULL)", None),
        ("TRUNC('2.9')", 2),
        ("SIGN(-39.1)", -1),
        ("SIGN('0')", 0),
        ("LOG(10, 1000)", 3),
        ("LOG(2, 8)", 3),
        ("POWER(2, 10)", 1024),
        ("SQRT('4')", 2),
        ("EXP(0)", 1),
        ("LN(1)", 0),
        ("ATAN2('0', '5')", 0),
        ("COS(0) + SIN(0) + TAN(0) + ACOS(1) + ASIN(0) + ATAN(0) + COSH(0) + SINH(0) + TANH(0)", 2),
        ("ROUND(ACOS(-1), 4)", 3.1416),
    ],
)
def test_numbers(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


@pytest.mark.parametrize(
    "expression", ["SQRT(-1)", "LN(0)", "LOG(10, 0)", "ACOS(2)", "POWER(10, 1000)", "POWER(-1, 0.5)",
                   "EXP(1000)", "REMAINDER(1, 0)", "ABS('x')", "ABS(date'2026-01-01')", "LOG(1, 2)"],
)  # fmt: skip
def test_number_out_of_range_is_an_error(asked, expression):
    assert asked.error(f"SELECT {expression}").startswith("Error: ")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("ASCII('abc')", 97),
        ("CHR(342)", "V"),
        ("CHR(342 USING NCHAR_CS)", "Ŗ"),
        ("CONCAT(NULL, 1)", "1"),
        ("INITCAP('éa b2c-d')", "Éa B2c-D"),
        ("INSTR('aaa', 'a', -1, 2)", 2),
        ("INSTR('abcabc', 'c', -4)", 3),
        ("INSTR('abc', 'c', 9)", 0),
        ("INSTR('abc', 'a', 0)", 0),
        ("INSTR('abc', NULL)", None),
        ("LENGTH(12345)", 5),
        ("LENGTH('')", None),
        ("LENGTH(date'2021-11-11')", 9),
        ("UPPER('äß')", "Äß"),
        ("LOWER('ÄİX')", "äİx"),
        ("INITCAP('ßa')", "ßa"),
        ("LPAD('abc', 2)", "ab"),
        ("LPAD('7', 4, 'ab')", "aba7"),
        ("RPAD('7', 4)", "7   "),
        ("RPAD('7', 0)", None),
        ("LTRIM('  a')", "a"),
        ("LTRIM('xyxa', 'yx')", "a"),
        ("RTRIM('x')", "x"),
        ("TRIM('  a ')", "a"),
        ("TRIM(LEADING '.' FROM '..a.')", "a."),
        ("TRIM(TRAILING '.' FROM '..a.')", "..a"),
        ("TRIM(BOTH '0' FROM 5600)", "56"),
        ("TRIM('   ')", None),
        ("REPLACE('a-b', '-')", "ab"),
        ("REPLACE('ab', 'a', 'xyz')", "xyzb"),
        ("REPLACE('ab', NULL, 'x')", "ab"),
        ("REPLACE('aa', 'a')", None),
        ("SUBSTR('valve', 0, 2)", "va"),
        ("SUBSTR('valve', -2)", "ve"),
        ("SUBSTR('valve', -9)", None),
        ("SUBSTR('valve', 2, 0)", None),
        ("SUBSTR('valve', 2, NULL)", None),
        ("SUBSTR(12345, 2, 2)", "23"),
        ("TRANSLATE('abcd', 'bdca', 'acb')", "abc"),
        ("TRANSLATE('abc', 'abc', NULL)", None),
        ("TRANSLATE('aab', 'ba', 'xy')", "yyx"),
    ],
)
def test_texts(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("REGEXP_SUBSTR('DN25/PN16', '[A-Z]+\\d+', 1, 2)", "PN16"),
        ("REGEXP_SUBSTR('DN25', '([a-z]+)(\\d)', 1, 1, 'i', 2)", "2"),
        ("REGEXP_SUBSTR('DN25', '(a)?D', 1, 1, 'c', 1)", None),
        ("REGEXP_SUBSTR('DN25', 'D', 1, 1, 'c', 3)", None),
        ("REGEXP_SUBSTR('x', 'y')", None),
        ("REGEXP_SUBSTR(NULL, 'y')", None),
        ("REGEXP_SUBSTR('a1', '[[:digit:]]')", "1"),
        ("REGEXP_SUBSTR('a\\b', '[\\]b')", "\\b"),
        ("REGEXP_SUBSTR('a]b', '[]]b')", "]b"),
        ("REGEXP_SUBSTR('a-b', '[^-]$')", "b"),
        ("REGEXP_SUBSTR('ab' || CHR(10) || 'c', 'b.c')", None),
        ("REGEXP_SUBSTR('ab' || CHR(10) || 'c', 'b.c', 1, 1, 'n') || '!'", "b\nc!"),
        ("REGEXP_INSTR('ab' || CHR(10) || 'cd', '^c', 1, 1, 0, 'm')", 4),
        ("REGEXP_INSTR('ab' || CHR(10), 'b$')", 0),
        ("REGEXP_INSTR('DN25/PN16', '\\d+', 1, 2)", 8),
        ("REGEXP_INSTR('DN25', '\\d+', 1, 1, 1)", 5),
        ("REGEXP_INSTR('DN25', 'x')", 0),
        ("REGEXP_INSTR('a b', 'a b', 1, 1, 0, 'x')", 0),
        ("REGEXP_REPLACE('DN25', '([A-Z]+)(\\d+)', '\\2 \\1')", "25 DN"),
        ("REGEXP_REPLACE('aXa', 'a', 'b', 1, 2)", "aXb"),
        ("REGEXP_REPLACE('aXa', 'a', 'b', 2)", "aXb"),
        ("REGEXP_REPLACE('a b  c', '( ){1,}')", "abc"),
        ("REGEXP_REPLACE('ab', '(|)', 'x')", "xaxbx"),
        ("REGEXP_REPLACE('a.b', '\\.', '\\\\')", "a\\b"),
        ("REGEXP_REPLACE('ab', 'ab', '')", None),
    ],
)
def test_regular_expressions(asked, expression, value):
    assert asked.one(f"{expression} AS x") == (value,)


@pytest.mark.parametrize(
    ("pattern", "error"),
    [
        ("(?=a)", "holds (?"),
        ("(?<n>a)", "holds (?"),
        ("a++", "possessive"),
        ("a{x}", "begins no quantifier"),
        ("a{e<=1}", "begins no quantifier"),
        ("\\p{L}", "holds \\p"),
        ("\\bx", "holds \\b"),
        ("[\\d]", "escape of a letter"),
        ("[[.a.]]", "holds [."),
        ("(", "is invalid"),
        ("[a", "not closed"),
        ("a\\", "backslash at its end"),
        ("^(a|aa)+$", "ran longer than"),
    ],
)
def test_regular_expression_that_is_not_supported_is_an_error(asked, pattern, error):
    assert error in asked.error(f"SELECT REGEXP_SUBSTR('{'a' * 60}!', '{pattern}')")


def test_regular_expression_has_known_parameters(asked):
    assert "parameter 'q'" in asked.error("SELECT REGEXP_SUBSTR('a', 'a', 1, 1, 'q')")
    assert "1 or more" in asked.error("SELECT REGEXP_SUBSTR('a', 'a', 0)")
    assert "0 or 1" in asked.error("SELECT REGEXP_INSTR('a', 'a', 1, 1, 2)")


@pytest.mark.parametrize(
    "expression",
    ["LPAD('a', 1000000000)", "REPLACE(RPAD('a', 4000, 'a'), 'a', RPAD('b', 4000, 'b'))",
     "LPAD('a', 600000) || LPAD('a', 600000)"],
)  # fmt: skip
def test_text_that_would_be_too_long_is_an_error(asked, expression):
    assert "longer than 1000000 characters" in asked.error(f"SELECT {expression}")


@pytest.mark.parametrize(
    ("expression", "error"),
    [
        ("NOPE(1)", "NOPE does not exist"),
        ("mk_fail('x')", "MK_FAIL does not exist"),
        ("sqlite_version()", "SQLITE_VERSION does not exist"),
        ("CHAR(65)", "CHAR does not exist"),
        ("DATE('2026-01-01')", "DATE does not exist"),
        ("LEFT('abc', 1)", "LEFT does not exist"),
        ("CURRENT_DATE(1)", "CURRENT_DATE does not exist"),
        ("INSERT('a', 1, 1, 'b')", "INSERT does not exist"),
        ("UPPER()", "Number of arguments of UPPER: 1, not 0"),
        ("UPPER('a', 'b')", "not 2"),
        ("UPPER(*)", "plain expressions"),
        ("COUNT(DISTINCT 1, 2)", "Number of arguments of COUNT"),
        ("TRIM(BOTH 'ab' FROM 'x')", "one character"),
        ("CHR(1, 2)", "one number"),
        ("CHR(-1 USING NCHAR_CS)", "no character"),
        ("INSTR('a', 'a', 1, 0)", "1 or more"),
        ("CURRENT_RELEASE(1)", "name of a pattern"),
        ("MEDIAN(DISTINCT 1)", "MEDIAN with DISTINCT"),
        ("SUM(date'2026-01-01')", "needs numbers"),
    ],
)
def test_call_that_cannot_be_is_an_error(asked, expression, error):
    assert error in asked.error(f"SELECT {expression}")


def test_median_takes_numbers_and_times(asked):
    days = " UNION ALL ".join(f"SELECT date'2026-01-0{n}' AS d, '{n}' AS n" for n in (1, 2, 4, 9))
    assert asked.rows(f"SELECT MEDIAN(d), MEDIAN(n), ANY_VALUE(n) FROM ({days})") == [
        ("2026-01-03T00:00:00.000Z", 3, "1")
    ]


# --- times ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("YYYY-MM-DD HH24:MI:SS", "2026-01-05 15:04:09"),
        ("DD.MM.YY", "05.01.26"),
        ("HH:MI AM", "03:04 PM"),
        ("hh12 p.m.", "03 p.m."),
        ("Day, DD Month", "Monday   , 05 January  "),
        ("fmDay, DD Month", "Monday, 5 January"),
        ("DY MON dy mon Mon", "MON JAN mon jan Jan"),
        ("Q D DDD WW IW W", "1 2 005 01 02 1"),
        ("IYYY CC RM", "2026 21 I   "),
        ("SSSSS FF3 FF", "54249 123 123456"),
        ('YYYY "of" MM', "2026 of 01"),
        ("Y,YYY AD", "2,026 AD"),
    ],
)
def test_time_is_written_by_its_format(asked, model, text):
    moment = "timestamp'2026-01-05 15:04:09.123456'"
    assert asked.one(f"TO_CHAR({moment}, '{model}') || '' AS x") == (text,)


def test_times_have_default_formats(asked):
    assert asked.one("TO_CHAR(date'2021-11-11') AS a, TO_CHAR(timestamp'2021-11-11 11:12:13') AS b") == (
        "11-NOV-21", "11-NOV-21 11.12.13.000000000 AM",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("TO_DATE('11-NOV-2021')", "2021-11-11 00:00:00"),
        ("TO_DATE('11-november-2021', 'DD-MONTH-YYYY')", "2021-11-11 00:00:00"),
        ("TO_DATE('11/11/2021 11:12:13', 'DD-MM-YYYY HH:MI:SS')", "2021-11-11 11:12:13"),
        ("TO_DATE('11-11-2021 03 PM', 'DD-MM-YYYY HH AM')", "2021-11-11 15:00:00"),
        ("TO_DATE('20211111', 'YYYYMMDD')", "2021-11-11 00:00:00"),
        ("TO_DATE('1-1-49', 'DD-MM-RR')", "2049-01-01 00:00:00"),
        ("TO_DATE('1-1-50', 'DD-MM-RR')", "1950-01-01 00:00:00"),
        ("TO_DATE('2026-032', 'YYYY-DDD')", "2026-02-01 00:00:00"),
        ("TO_DATE('2026-05', 'YYYY-MM')", "2026-05-01 00:00:00"),
        ("TO_TIMESTAMP('2026-05-01 1.25', 'YYYY-MM-DD SS.FF')", "2026-05-01 00:00:01"),
        ("TO_DATE('2026-05-01 3661', 'YYYY-MM-DD SSSSS')", "2026-05-01 01:01:01"),
    ],
)
def test_time_is_read_by_its_format(asked, call, text):
    assert asked.one(f"TO_CHAR({call}, 'YYYY-MM-DD HH24:MI:SS') AS x") == (text,)


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("TO_DATE('2021-11-11')", "does not match the format"),
        ("TO_DATE('31-FEB-2021')", "no valid time"),
        ("TO_DATE('11-NOV-2021 x')", "does not match"),
        ("TO_DATE('11', 'DD')", "names no year"),
        ("TO_DATE('11-11-26', 'DD-MM-YY')", "century"),
        ("TO_DATE('13-1-2026 13', 'DD-MM-YYYY HH')", "between 1 and 12"),
        ("TO_DATE('1-1-2026', 'D-MM-YYYY')", "not supported"),
        ("TO_DATE('1', 'J')", "not supported"),
        ("TO_DATE(date'2026-01-01')", "already"),
        ("TO_CHAR(date'2026-01-01', 'foo')", "format element 'f'"),
        ("TO_CHAR('text', 'YYYY')", "TO_CHAR of a text with a format"),
        ("TRUNC(date'2026-01-01', 'QUARTER')", "unit 'QUARTER'"),
        ("TRUNC(date'0001-01-01', 'IW') - 5 + TRUNC(date'0001-01-01', 'DAY')", "DATE"),
    ],
)
def test_time_that_cannot_be_read_is_an_error(asked, call, error):
    assert error in asked.error(f"SELECT {call}")


@pytest.mark.parametrize(
    ("unit", "cut", "rounded"),
    [
        ("CC", "2001-01-01 00:00", "2001-01-01 00:00"),
        ("YEAR", "2026-01-01 00:00", "2026-01-01 00:00"),
        ("IYYY", "2025-12-29 00:00", "2025-12-29 00:00"),
        ("Q", "2026-04-01 00:00", "2026-07-01 00:00"),
        ("MM", "2026-05-01 00:00", "2026-06-01 00:00"),
        ("WW", "2026-05-14 00:00", "2026-05-21 00:00"),
        ("IW", "2026-05-18 00:00", "2026-05-18 00:00"),
        ("W", "2026-05-15 00:00", "2026-05-22 00:00"),
        ("DAY", "2026-05-17 00:00", "2026-05-24 00:00"),
        ("DD", "2026-05-20 00:00", "2026-05-21 00:00"),
        ("HH24", "2026-05-20 13:00", "2026-05-20 14:00"),
        ("MI", "2026-05-20 13:30", "2026-05-20 13:31"),
    ],
)
def test_time_is_cut_and_rounded_to_its_unit(asked, unit, cut, rounded):
    moment, model = "timestamp'2026-05-20 13:30:40'", "'YYYY-MM-DD HH24:MI'"
    sql = (
        f"TO_CHAR(TRUNC({moment}, '{unit}'), {model}) AS a, TO_CHAR(ROUND({moment}, '{unit}'), {model}) AS b"
    )
    assert asked.one(sql) == (cut, rounded)


# --- numbers as text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "model", "text"),
    [
        ("-1234567890", "9999999999S", "1234567890-"),
        ("0", "99.99", "   .00"),
        ("0.1", "99.99", "   .10"),
        ("-0.2", "90.99", " -0.20"),
        ("0", "9999", "    0"),
        ("1", "9999", "    1"),
        ("0", "B9999", "     "),
        ("123.456", "999.999", " 123.456"),
        ("-123.456", "999.999", "-123.456"),
        ("123.0", "FM999.009", "123.00"),
        ("123.45", "FM999.009", "123.45"),
        ("123456", "9.9EEEE", " 1.2E+05"),
        ("1E+123", "9.9EEEE", " 1.0E+123"),
        ("123.45", "L999.99", " $123.45"),
        ("123.45", "FML999.99", "$123.45"),
        ("1000000", "$9,999,990.00", " $1,000,000.00"),
        ("0.23", "0,000,000.000", " 0,000,000.230"),
        ("12345", "999", "####"),
        ("-5", "999MI", "  5-"),
        ("-5", "999PR", "  <5>"),
        ("5", "S999", "  +5"),
        ("12", "99V99", " 1200"),
        ("255", "XXXX", "   FF"),
        ("255", "FMxxxx", "ff"),
        ("14", "FMRN", "XIV"),
        ("1234.5", "TM", "1234.5"),
        ("2.5", "FM9", "3"),
    ],
)
def test_number_is_written_by_its_format(asked, number, model, text):
    assert asked.one(f"'[' || TO_CHAR({number}, '{model}') || ']' AS x") == (f"[{text}]",)


@pytest.mark.parametrize("model", ["C999", "foo", "S99S", ",999", "99.9.9"])
def test_number_format_that_is_not_supported_is_an_error(asked, model):
    assert "The number format" in asked.error(f"SELECT TO_CHAR(1, '{model}')")


@pytest.mark.parametrize(
    ("number", "text"), [("0.5", ".5"), ("-0.5", "-.5"), ("1234.50", "1234.5"), ("1e21", "1" + "0" * 21)]
)
def test_number_without_a_format_is_plain(asked, number, text):
    assert asked.one(f"TO_CHAR({number}) AS x") == (text,)


def test_results_are_no_infinities(asked):
    (value,) = asked.one("EXP(700) AS x")
    assert math.isfinite(value)

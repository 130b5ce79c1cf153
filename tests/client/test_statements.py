"""One statement that reads in every engine, and what an engine could take for more."""

import contextlib
import time

import pytest

from mkframe.client._statements import check_reading
from mkframe.errors import InputError

READS = [
    "--x\nSELECT 1",
    "// note\nSELECT 1",
    "# note\nSELECT 1",
    "SELECT '' || x, '''' FROM y",
    "SELECT REGEXP_REPLACE(a, '\\w+', '\\1') FROM b WHERE c = 'x; DELETE'",
    "SELECT 'C:\\dir\\' FROM y",
    "SELECT x# FROM y;",
    "SELECT a --comment\nFROM b --c2\nWHERE c = 1",
    "SELECT /*+ PARALLEL(4) */ 1 FROM dual",
    "SELECT `a-b.c` FROM x",
    "SELECT a[1] FROM x",
    "SELECT a, $1 FROM v$session",
    "SELECT \"@POS_NO\" FROM @INSTANCES.CORE_DV_HLS WHERE \"@FOLDER\" = '/A'",
    "SELECT DATE'2020-01-01', timestamp'2020-01-01 00:00:00', x'00'",
    "SELECT 'L\u2019\xe9t\xe9 d\u2019Anne', 'ok' FROM x",
    "SELECT a/b, a*b, a - b, -1, a->b FROM x",
    "SELECT REPLACE(a,'''','\\') FROM b",
    "SELECT na\xefve, gr\xf6\xdfe FROM tabelle",
    "SELECT '\u200d\U0001f469\u200d\U0001f467' FROM x",
    "SELECT a\xa0FROM b",
    "SELECT x::INTEGER, :v, ? FROM y WHERE a(+) = b",
    "SELECT t.update, t.into FROM t",
    "SELECT INSERT (a,1,2,'x'), TRUNCATE(1.5, 1) FROM t",
    "SELECT created, deleted, updated_at, callcenter, restore, share, lock, go FROM t",
    "-- DELETE this?\nSELECT 1",
    "SELECT 1\n-- it's; DROP\n",
    "SELECT 1; -- done; really",
]  # fmt: skip
NOT_READS = [
    "/*! VACUUM */ SELECT 1",
    "/*+ x */ VACUUM",
    "`a` SELECT 1",
    "[a] SELECT 1",
    "--x; DELETE FROM y\nSELECT 1",
    "SELECT q'[it's; DELETE FROM x]' FROM y",
    "SELECT q'[']', DELETE FROM x --]'",
    "SELECT nq'{'}' ; DROP TABLE x",
    "select Q'!'!' ; x",
    "SELECT 1 // ; \nDELETE FROM x",
    "SELECT 1 // '\n; DELETE FROM x --'",
    "WITH x AS (SELECT 1) CALL p(x)",
    "with x as (select 1) call p()",
    "SELECT 1 --\u2028DELETE FROM x",
    "SELECT 1 -- a\u2028; DELETE FROM x",
    "SELECT 1 -- a\x85; DELETE FROM x",
    "SELECT 1 -- a\x0b; DELETE FROM x",
    "SELECT 1 -- a\x0c; DELETE FROM x",
    "SELECT 1 -- a\r; DELETE FROM x",
    "SELECT 1 /* /* */ ; DELETE FROM x -- */",
    "SELECT 1 /* /* */ ; DELETE FROM x /* */ */",
    "SELECT $$'$$ ; DELETE FROM x --'",
    "SELECT $t$'$t$; DELETE FROM x --'",
    "SELECT '\\'; DELETE FROM x --'",
    "SELECT '\\'' ; DELETE FROM x --'",
    "SELECT 1 # '\n; DELETE FROM x --'",
    "SELECT 1 /*! ; DELETE FROM x */",
    "SELECT 1 /*!50000 INTO y */",
    "/*! DELETE FROM x */ SELECT 1",
    "/*M! DELETE FROM x */",
    "SELECT 1 /*M! INTO y*/",
    "WITH x AS (SELECT 1) UPDATE y SET a=1",
    "WITH x AS (SELECT 1) UPDATE(SELECT * FROM y) SET a=1",
    "WITH x AS (SELECT 1) DELETE(SELECT * FROM y)",
    "WITH x AS (SELECT 1) MERGE INTO y",
    "SELECT a INTO OUTFILE '/x' FROM y",
    "SELECT * FROM x FOR SHARE",
    "SELECT 1 EXEC p",
    "SELECT 1 EXEC..p",
    "SELECT 1\nGO\np 1",
    "SELECT 1\r\ngo 5\r\np",
    "SELECT 1\n/\nVACUUM",
    "SELECT 1\nGO\xa0\np",
    "SELECT 1;\ufeffDELETE FROM x",
    "\ufeffSELECT 1",
    "SELECT 1\u200bDELETE FROM x",
    "SELECT 1\u200b",
    "SELECT 1\xa0DELETE\xa0FROM x",
    "SELECT 1\x00; DELETE",
    "SELECT 1\uff1b DELETE FROM x",
    "SELECT 1\u037e p()",
    "SELECT 1 \uff24\uff25\uff2c\uff25\uff34\uff25 FROM x",
    "SELECT * \u0131NTO y",
    "SELECT 1DELETE FROM x",
    "SELECT 0x1FUPDATE y",
    "SELECT 1.DELETE FROM x",
    "SELECT 1e3DELETE FROM x",
    "SELECT 1.5e3INTO y",
    "SELECT '''a'';'' ; DELETE FROM x; '''",
    "SELECT \"\"\"a\"; DELETE FROM x; \"\"\"",
    "SELECT [a'] ; DELETE FROM x --']",
    "SELECT `a'` ; DELETE FROM x --'",
    "SELECT 'a\u2019; DELETE FROM x --'",
    "SELECT 'a\u02bc; DELETE FROM x --'",
    "SELECT 1--1; DELETE FROM x",
    "SELECT 5--'\n; DELETE FROM x --'",
    "SELECT 1 \\g VACUUM",
    "# SELECT\nVACUUM x",
    "-- x\nVACUUM",
    "--x\nVACUUM",
    "SELECT e'\\'; DROP TABLE x --'",
    "SELECT U&'\\'; DROP TABLE x --'",
    "SELECT _utf8'x'; DROP",
    "SELECT /*/ 1; DELETE FROM x /*/",
    "SELECT 'a' 'b\\'; DELETE FROM x; --'",
    "SELECT 1 BACKUP DATABASE x",
    "REPLACE INTO x VALUES(1)",
    "SELECT 1 REPLACE x VALUES (1)",
    "SELECT 1 TRUNCATE TABLE x",
    "SELECT 1 GRANT ALL ON x TO y",
    "SELECT rq'[']' ; DROP TABLE x --",
    "SELECT 1 --\\\n; DELETE",
    "WITH FUNCTION f RETURN NUMBER IS BEGIN DELETE FROM x; RETURN 1; END; SELECT f FROM y",
    "SELECT 'a'DELETE FROM x",
    "SELECT\u2028DELETE FROM x",
    "SELECT 1 --\t\u2029; DELETE FROM x",
    "(((DELETE FROM x)))",
    "SELECT 'unclosed ; DELETE FROM x",
    "SELECT 1 /* unclosed ; DELETE FROM x",
    "SELECT \"unclosed INTO y",
    "SELECT /*+ INTO; */ 1",
]  # fmt: skip
VALUES = ", ".join(map(str, range(20_000)))


@pytest.mark.parametrize(
    "sql", [*READS, f"SELECT * FROM x WHERE id IN ({VALUES})"], ids=lambda sql: ascii(sql[:60])
)
def test_statement_that_every_engine_reads_passes(sql):
    check_reading(sql)


@pytest.mark.parametrize("sql", NOT_READS, ids=lambda sql: ascii(sql[:60]))
def test_statement_that_may_write_is_refused(sql):
    with pytest.raises(InputError) as caught:
        check_reading(sql)
    assert "write=True" in caught.value.hint
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("quote", ["`", "$$", "$a$", "[", "/*", "q'[", "#", "//", "/*!"])
@pytest.mark.parametrize("around", ["SELECT {} ; DELETE FROM x {} '", "SELECT {}'{} ; DELETE FROM x --'"])
def test_writing_between_any_two_signs_is_refused(quote, around):
    sql = around.format(quote, quote)
    with pytest.raises(InputError):
        check_reading(sql)


@pytest.mark.parametrize(
    ("sql", "sentence"),
    [
        (
            "SELECT q'[a']; DROP TABLE x --]'",
            "More than one statement is given, for an engine that reads q' in another",
        ),
        ("SELECT 1 # DELETE", "it holds DELETE, for an engine that reads # in another way"),
        ("WITH x AS (SELECT 1) CALL p()", "it holds CALL. "),
        ("/*! SELECT */ 1", r"it starts with /\*, which engines read in different ways"),
        ("SELECT 1\u200b", r"holds '‹U\+200B›' \(U\+200B\) outside of quotes"),
        ("SELECT 1\x0b", r"the control character ‹U\+000B›"),
        ("SELECT 1 \\g", "a backslash outside of quotes"),
        ("SELECT 1\nGO", "a line holds nothing but GO"),
    ],
)
def test_refusal_says_what_was_found(sql, sentence):
    with pytest.raises(InputError, match=sentence):
        check_reading(sql)


@pytest.mark.parametrize(
    "part", ["'", "/*", "[(", "$a", "-", "`", "a.", " ", "\n", "#a", "//a\n", "1a", "'a' ", "\n GO x", "/*!"]
)
def test_time_to_read_grows_with_the_length_only(part):
    def seconds(times):
        began = time.thread_time()
        with contextlib.suppress(InputError):
            check_reading("SELECT " + part * times)
        return time.thread_time() - began

    # forty times the text: a time that grows with its square would be 1,600 times as long
    assert min(map(seconds, [40_000] * 3)) < 400 * max(min(map(seconds, [1_000] * 3)), 1e-4)

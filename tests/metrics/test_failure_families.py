from __future__ import annotations

import random

import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError
from mkframe.metrics._failure_families import families_of
from tests.support.versions import TEXT

COLUMNS = {
    "builds": "int64",
    "share": "float64",
    "low": "float64",
    "high": "float64",
    "first_seen": "datetime64[us, UTC]",
    "last_seen": "datetime64[us, UTC]",
    "patterns": "object",
    "build_ids": "object",
    "example": TEXT,
}


@pytest.mark.parametrize(
    "messages",
    [
        ["Timeout after 30 s", "Timeout after 1,200 ms", "Timeout after 2.5 min"],
        ["Instance KUNDE_HUB is checked out", "Instance order_sat is checked out"],
        ["Field 'A b' is missing", 'Field "C" is missing', "Field „D“ is missing", "Field »E« is missing"],
        ["Closed on 2026-04-01T08:00:00Z", "Closed on 1.4.2026 08:00", "Closed on 2026-04-01"],
        ["Cannot read /RAW/CRM/x.sql now", "Cannot read C:\\builds\\7\\y.xml now"],
        [
            "Upload 0f8fad5b-d9cb-469f-a165-70867728950e failed",
            "Upload 7c9e6679-7425-40de-944b-e07fc1f90ae7 failed",
        ],
        [
            "Type VARCHAR(30) of X_Y is not supported",
            "Type NUMBER(18, 4) of X_Y is not supported",
            "Type BLOB of X_Y is not supported",
        ],
        ["Cycle: A_X -> B_X", "Cycle: A_X -> B_X -> C_X", "Cycle: Kunde -> orderLine -> x -> KONTO"],
        ["Missing: KUNDE", "Missing: KUNDE, ORDER", "Missing: A_B, KUNDE und KONTO"],
        ["Found 1 row in X_Y", "Found 12 rows in X_Y"],
        ["Zeit: 1 Sekunde um", "Zeit: 12 Sekunden um"],
        ["Host node-1.example.com:8443 is gone", "Host 10.0.0.7:8443 is gone", "Host localhost is gone"],
        ["Key of dwh.kunde is null", "Key of CORE.ORDER_HUB is null"],
        ["Build failed\nat line 7\n  in x", "Build failed\nat line 9"],
        ["Closed on 4/1/2026 8:05 AM", "Closed on 01.04.2026 08:05 Uhr", "Closed on Apr 1, 2026 08:05 UTC"],
        [
            "Idle for 1h 20m 5s now",
            "Idle for PT1H20M now",
            "Idle for 12 seconds now",
            "Idle for 7 Minuten now",
        ],
        [
            "Table SAT2 is gone",
            "Table T001W is gone",
            "Table DIM$ZEIT is gone",
            "Table [dbo].[Kunde] is gone",
        ],
        ['Table "A"."B" is gone', "Table a.b is gone", "Table `a`.`b`.`c` is gone", "Table A_B is gone"],
        ["Error: R2D2 is gone", "Error: ORDER is gone", "Error: A_B is gone"],
        ["Cannot read \\\\host\\a\\b.xml now", "Cannot read /a/b.xml now"],
        ["Type A_B is odd (code 758)", "Type A_B is odd (code 17)"],
        ["T001: no rows", "T100: no rows", "A_B: no rows"],
        ["Type varchar is odd", "Type varchar2(30 char) is odd", "Type datetime2 is odd"],
    ],
)
def test_one_cause_is_one_family(messages):
    assert len(set(families_of(messages))) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Column X_Y of source table A_B was not found", "Column X_Y of target table A_B was not found"),
        ("ORA-00942: table A_B does not exist", "ORA-01017: table A_B does not exist"),
        ("HTTP 404 from A_B", "HTTP 503 from A_B"),
        ("[Errno 2] in A_B", "[Errno 13] in A_B"),
        ("TM_6085: no rows in A_B", "TM_6086: no rows in A_B"),
        ("001003 (42000): error in A_B", "002003 (42S02): error in A_B"),
        ("ErrorCode=UserErrorA in A_B", "ErrorCode=UserErrorB in A_B"),
        ("Error 0x80070005 in A_B", "Error 0x8007000E in A_B"),
        ("Statuscode=404 in A_B", "Statuscode=503 in A_B"),
        ("a.ReadTimeout: A_B", "a.ConnectTimeout: A_B"),
        ("Error 17 in part 3", "Error 23 in part 3"),
        ("java.lang.NullPointerException at 7", "java.lang.IllegalStateException at 7"),
        ("Feld A_B ist leer", "Feld A_B ist nicht leer"),
        ("Quelltabelle A_B fehlt ganz", "Zieltabelle A_B fehlt ganz"),
        ("Die Quelle von A_B ist leer", "Das Ziel von A_B ist leer"),
        ("Cannot INSERT into A_B now", "Cannot DELETE from A_B now"),
        ("Instance A_B is invalid", "Instance A_B is invalid."),
        ("Folder /RAW is locked", "Folder /RAW is empty"),
    ],
)
def test_different_causes_are_two_families(first, second):
    assert len(set(families_of([first, second] * 9))) == 2


PYTHON = """Traceback (most recent call last):
  File "/srv/{}.py", line {}, in run
    x = y[z]
{}
(Background on this error at: https://example.org)"""


def test_cause_is_read_where_it_is_printed():
    first, second, other = (
        PYTHON.format(*values)
        for values in (("a", 7, "KeyError: 'A'"), ("b", 31, "KeyError: 'C d'"), ("a", 7, "OSError: A_B"))
    )
    chained = f"{other}\n\nDuring handling of the above exception, another exception occurred:\n\n{first}"
    assert families_of([first, second, chained]) == ["KeyError: <name>"] * 3
    assert families_of([other]) == ["OSError: <name>"]
    announced = [
        "SQL error:\nObject 'A' is gone\n at 7",
        "SQL error:\n\n  Object 'B' is gone",
        "SQL error:\nx",
    ]
    assert families_of(announced) == ["SQL error: Object <name> is gone"] * 2 + ["SQL error: x"]
    assert families_of(["SQL error:", "Traceback (most recent call last):"]) == [
        "SQL error:",
        "Traceback (most recent call last):",
    ]


def test_known_names_may_have_blanks_and_any_case():
    messages = [
        f"Pattern {name} was not released" for name in ("Snowflake Loader", "hub", "Link 2.0 (neu)", "S")
    ]
    known = ["Snowflake Loader", "hub", "Link 2.0 (neu)", "S", "Loader"]
    assert set(families_of(messages, known)) == {"Pattern <name> was not released"}


def test_known_names_are_whole_words():
    assert families_of(["the hubs of hub failed"], ["hub"]) == ["the hubs of <name> failed"]
    assert families_of(["a table was lost"], ["a", "is"]) == ["a table was lost"]


def test_names_of_two_words_are_known_by_other_messages():
    messages = ["Pattern HUB_X: no template", "Pattern Snowflake Loader: no template"]
    assert set(families_of(messages)) == {"Pattern <name>: no template"}


def test_many_capitalized_words_at_one_place_are_names():
    words = ["Kunde", "Konto", "Vertrag", "Artikel", "Lager", "Filiale", "Beleg", "Preis"]
    messages = [f"Die Spalte von {word} ist leer" for word in words]
    assert len(set(families_of(messages))) == 1
    assert len(set(families_of(messages[:7]))) == 7


def test_common_word_in_capitals_stays_in_the_label():
    assert (
        families_of(["Role BK of A_B is missing", "Role BK of C_D is missing"])[0]
        == "Role BK of <name> is missing"
    )


def test_order_makes_no_difference():
    r = random.Random(3)
    kinds = ["Role {} of {} is missing", "Cycle: {} -> {}", "Die Spalte {} von {} ist leer", "{} {}"]
    words = ["KUNDE", "Konto", "order_hub", "Lager Wien", "hub", "ABC", "7", "/RAW/x", "Vertrag", "Beleg"]
    messages = [r.choice(kinds).format(r.choice(words), r.choice(words)) for _ in range(300)]
    expected = dict(zip(messages, families_of(messages), strict=True))
    for _ in range(5):
        r.shuffle(messages)
        assert families_of(messages) == [expected[message] for message in messages]


@pytest.mark.parametrize("message", [None, "", "  \n\t "])
def test_no_message_is_a_family_of_its_own(message):
    assert families_of([message, "Timeout"]) == ["(no message)", "Timeout"]
    assert families_of([message, "(no message)"]) == ["((no message))", "(no message)"]


@pytest.mark.parametrize(
    "message", ["\x00\ue000 1 \uf8ff", "<name> <*> x", "„", "a" * 5000, "日本 7 失敗", "-> , ->", "<n>"]
)
def test_odd_messages_are_no_error(message):
    assert families_of([message, message])[0] == families_of([message])[0]


def test_families_add_up_to_all_failed_builds(factory):
    rows = [
        {
            "id": 9,
            "status": "FAILED",
            "message": "Timeout after 3 s",
            "patterns": [2, 1],
            "build_start": "2026-04-03T08:00:00Z",
        },
        {
            "id": 7,
            "status": "FAILED",
            "message": "Timeout after 30 s",
            "patterns": [1],
            "build_start": "2026-04-02T08:00:00Z",
        },
        {"id": 8, "status": "FAILED", "message": None},
        {"id": 6, "status": "FAILED", "message": "Upload failed", "patterns": [], "build_start": None},
        {"id": 5, "status": "FINISHED", "message": "calculating deliveries ..."},
        {"id": 4, "status": "CANCELED", "message": "Timeout after 3 s"},
    ]
    table = metrics.failure_families(factory.builds(*rows))
    assert table["builds"].sum() == 4
    assert table.index.tolist() == ["Timeout after <n>", "(no message)", "Upload failed"]
    row = table.loc["Timeout after <n>"]
    assert (row["build_ids"], row["patterns"], row["example"]) == ([7, 9], ["1", "2"], "Timeout after 3 s")
    assert [row["first_seen"].day, row["last_seen"].day] == [2, 3]
    low, high = metrics.wilson([2], [4])
    assert row[["share", "low", "high"]].tolist() == [0.5, low[0], high[0]]
    assert pd.isna(table.loc["(no message)", "example"])
    assert pd.isna(table.loc["Upload failed", "first_seen"])
    assert table.loc["Upload failed", "patterns"] == []


@pytest.mark.parametrize("rows", [[], [{"message": "x"}], [{"status": "FAILED", "message": "x"}]])
def test_columns_are_the_same_for_few_builds(rows, factory):
    table = metrics.failure_families(factory.builds(*rows))
    assert {name: str(dtype) for name, dtype in table.dtypes.items()} == COLUMNS
    assert (table.index.name, str(table.index.dtype)) == ("family", TEXT)


def test_order_of_rows_makes_no_difference(factory):
    r = random.Random(5)
    rows = [
        {
            "status": "FAILED",
            "message": f"Role {r.choice('ABC')}_{k % 3} missing",
            "patterns": [k % 4],
            "build_start": f"2026-04-0{1 + k % 5}T08:00:00Z",
        }
        for k in range(40)
    ]
    builds = factory.builds(*rows)
    shuffled = builds.sample(frac=1, random_state=2)
    pd.testing.assert_frame_equal(metrics.failure_families(builds), metrics.failure_families(shuffled))


@pytest.mark.parametrize("names", ["HUB", [7], [None]])
def test_names_must_be_a_sequence_of_texts(names, factory):
    with pytest.raises(InputError, match="names"):
        metrics.failure_families(factory.builds(), names=names)

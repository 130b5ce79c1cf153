"""INSERT INTO @INSTANCES: merge strategies role by role, OVERWRITE, PARTIAL, and what is refused."""

from __future__ import annotations

import pytest

from mkframe.demo_server.dialect import Pattern

HEAD = "INSERT INTO @INSTANCES.PIPES (@FOLDER, @RELEASE, @INSTANCE, @POS_NO, FUNCTIONAL_ROLE, NAME, UNIT)"
ROLES = {"KEEP": "Retain", "NOTE": "Add New", "FIELD": "Overwrite", "MADE": "Merge"}
OLD = [
    ("KEEP", "k", None),
    ("NOTE", "n", "1"),
    ("FIELD", "a", None),
    ("FIELD", "b", None),
    ("MADE", "m", "1"),
]
READ = 'SELECT FUNCTIONAL_ROLE, NAME, UNIT FROM @INSTANCES.PIPES WHERE "@INSTANCE" = \'P\' ORDER BY "@POS_NO"'


def pattern(**more):
    properties = {"FUNCTIONAL_ROLE": "string", "NAME": "string", "UNIT": "string", "SIZE": "integer"}
    return Pattern("PIPES", properties, ROLES, **more)


def row(name, place=1, *, folder="/IN", release="NULL", instance="P", role="FIELD", unit="NULL"):
    return f"SELECT '{folder}', {release}, '{instance}', {place}, '{role}', '{name}', {unit}"


def values(*rows):
    """Write rows of role, name and unit as a query."""
    return " UNION ALL ".join(
        row(name, place, role=role, unit=unit or "NULL") for place, (role, name, unit) in enumerate(rows, 1)
    )


@pytest.fixture
def pipes(asked):
    asked.engine.add_pattern(pattern(), [("/IN", "P", None, False, (*old, None)) for old in OLD])
    return asked


@pytest.mark.parametrize(
    ("options", "rows", "message", "expected"),
    [
        ("", [("FIELD", "c", None)], "Inserted 1 records, merged 0 records",
         [("KEEP", "k", None), ("NOTE", "n", "1"), ("FIELD", "c", None), ("MADE", "m", "1")]),
        ("", [("NOTE", "n", "9")], "Inserted 0 records, merged 0 records",
         [("KEEP", "k", None), ("NOTE", "n", "1"), ("MADE", "m", "1")]),
        ("PARTIAL", [("NOTE", "x", "9"), ("MADE", "m", "2")], "Inserted 1 records, merged 1 records",
         [("KEEP", "k", None), ("NOTE", "n", "1"), ("NOTE", "x", "9"), ("FIELD", "a", None),
          ("FIELD", "b", None), ("MADE", "m", "2")]),
        ("PARTIAL", [("KEEP", "z", None), ("FIELD", "c", None)], "Inserted 1 records, merged 0 records",
         [("KEEP", "k", None), ("NOTE", "n", "1"), ("FIELD", "c", None), ("MADE", "m", "1")]),
        ("OVERWRITE", [("NOTE", "x", None)], "Inserted 1 records, merged 0 records", [("NOTE", "x", None)]),
        ("OVERWRITE PARTIAL", [("KEEP", "z", None)], "Inserted 1 records, merged 0 records",
         [("KEEP", "z", None), ("NOTE", "n", "1"), ("FIELD", "a", None), ("FIELD", "b", None),
          ("MADE", "m", "1")]),
        ("OVERWRITE ('KEEP', 'MADE')", [("KEEP", "z", None), ("NOTE", "x", None)],
         "Inserted 2 records, merged 0 records",
         [("KEEP", "z", None), ("NOTE", "n", "1"), ("NOTE", "x", None)]),
        ("OVERWRITE ('MADE') PARTIAL", [("MADE", "m", "5"), ("MADE", "l", None)],
         "Inserted 2 records, merged 0 records",
         [("KEEP", "k", None), ("NOTE", "n", "1"), ("FIELD", "a", None), ("FIELD", "b", None),
          ("MADE", "m", "5"), ("MADE", "l", None)]),
    ],
)  # fmt: skip
def test_insert_follows_strategies_and_options(pipes, options, rows, message, expected):
    result = pipes.result(f"{HEAD} {options} {values(*rows)}")
    assert result.message == f"{message}, patched 1 existing instances"
    assert pipes.rows(READ) == expected


def test_positions_are_numbered_anew_in_the_given_order(pipes):
    given = [row("c", 2, instance="NEW"), row("a", 1, instance="NEW"), row("d", 2, instance="NEW")]
    pipes.result(f"{HEAD} {' UNION ALL '.join(given)}")
    sql = 'SELECT "@POS_NO", NAME FROM @INSTANCES.PIPES WHERE "@INSTANCE" = \'NEW\' ORDER BY 1'
    assert pipes.rows(sql) == [(1, "a"), (2, "c"), (3, "d")]


def test_instances_of_two_folders_are_two(pipes):
    message = pipes.result(f"{HEAD} {row('a', folder='/A')} UNION ALL {row('a', folder='/B')}").message
    assert message == "Inserted 2 records, merged 0 records, created 2 new instances"
    sql = 'SELECT DISTINCT "@FOLDER" FROM @INSTANCES.PIPES WHERE "@INSTANCE" = \'P\' ORDER BY 1'
    assert pipes.rows(sql) == [("/A",), ("/B",), ("/IN",)]


def test_columns_may_come_in_any_order_and_properties_are_converted(pipes):
    pipes.result(
        "INSERT INTO @INSTANCES.PIPES (SIZE, NAME, FUNCTIONAL_ROLE, @POS_NO, @INSTANCE, @RELEASE, @FOLDER) "
        "SELECT '12', 'a', 'FIELD', 1, 'NEW', NULL, '/IN'"
    )
    sql = "SELECT NAME, UNIT, SIZE FROM @INSTANCES.PIPES WHERE \"@INSTANCE\" = 'NEW'"
    assert pipes.rows(sql) == [("a", None, 12)]


def test_releases_of_an_instance_are_apart(asked):
    old = [("/IN", "P", "R1", False, ("FIELD", "a", None, 1))]
    asked.engine.add_pattern(pattern(releases=["R1", "R2"]), old)
    written = asked.result(f"{HEAD} {row('b', release='{}')}".format("'R2'"))
    assert written.message.endswith("created 1 new instances")
    sql = 'SELECT "@RELEASE", NAME FROM @INSTANCES.PIPES ORDER BY 1'
    assert asked.rows(sql) == [("R1", "a"), ("R2", "b")]
    unknown = row("b", release="'R9'")
    assert "has no release 'R9'" in asked.error(f"{HEAD} {unknown}")
    assert "has no release NULL" in asked.error(f"{HEAD} {row('b')}")


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        (f"{HEAD} VALUES ('/IN', NULL, 'P', 1, 'FIELD', 'a', NULL)", "it takes a query"),
        (f"{HEAD} SELECT '/IN', NULL, 'P', 1, 'WRONG', 'a', NULL", "no functional role 'WRONG'"),
        (f"{HEAD} OVERWRITE ('WRONG') {row('a')}", "no functional role 'WRONG'"),
        (f"{HEAD} SELECT '/IN', NULL, NULL, 1, 'FIELD', 'a', NULL", "must not be empty"),
        (f"{HEAD} SELECT '/IN', NULL, 'P', 1, 'FIELD', '', NULL", "must not be empty"),
        (f"{HEAD} SELECT '/IN', 'R1', 'P', 1, 'FIELD', 'a', NULL", "has no releases"),
        (f"{HEAD} SELECT '/IN', NULL, 'P', 1, 'FIELD', 'a'", "names 7 columns, the query has 6"),
        (HEAD.replace(", NAME", "") + " SELECT '/IN', NULL, 'P', 1, 'FIELD', 'a'", "needs the columns NAME"),
        (HEAD.replace("UNIT", "COLOR") + f" {row('a')}", "'COLOR' does not exist"),
        (HEAD.replace("UNIT", "NAME") + f" {row('a')}", "named twice"),
        (HEAD.replace("PIPES", "WIRES") + f" {row('a')}", "WIRES' does not exist"),
        ("UPDATE @INSTANCES.PIPES SET NAME = 'x'", "can be read only"),
        ("DELETE FROM @INSTANCES.PIPES", "can be read only"),
        ("SELECT @POS_NO FROM @INSTANCES.PIPES", "double quotes"),
    ],
)  # fmt: skip
def test_insert_that_cannot_be_says_why_and_changes_nothing(pipes, sql, error):
    assert error in pipes.error(sql)
    assert pipes.rows(READ) == OLD


def test_pattern_may_refuse_an_instance(asked):
    asked.engine.add_pattern(pattern(refuse=lambda folder, instance, release: f"{instance} is closed"))
    assert "P is closed" in asked.error(f"{HEAD} {row('a')}")


@pytest.mark.parametrize(
    "wrong", [{"roles": {"A": "Replace"}}, {"properties": {"NAME": "string"}}], ids=["strategy", "property"]
)
def test_pattern_that_is_incomplete_is_refused(wrong):
    given = {"properties": {"FUNCTIONAL_ROLE": "string", "NAME": "string"}, "roles": {}}
    with pytest.raises(ValueError, match=r"Replace|FUNCTIONAL_ROLE"):
        Pattern("P", **given | wrong)

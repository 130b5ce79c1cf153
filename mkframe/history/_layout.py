"""The tables and views of a history file, made from the schema."""

from __future__ import annotations

import json
from collections.abc import Sequence

from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES, VIEWS, Field

__all__ = [
    "ACCOUNT",
    "APPENDED",
    "DEFAULT_RESOURCES",
    "INSIDE",
    "PER_PROJECT",
    "SEEN",
    "TABLES",
    "VERSIONED",
    "columns",
    "create_table",
    "create_views",
    "ddl",
    "field_types",
    "fields_of",
    "quoted",
    "table_names",
    "view_names",
]

DEFAULT_RESOURCES = ("builds", "downloads", "releases", "projects", "patterns")
VERSIONED = DEFAULT_RESOURCES
"""Resources of which every version is kept."""
APPENDED = ("deliveries", "commits")
"""Views of a project whose rows are only added."""
TABLES = (*VERSIONED, *APPENDED)
INSIDE = "inside"
"""What the downloads inside builds are called beside the tables."""
PER_PROJECT = ("builds", *APPENDED)
ACCOUNT = 0
"""The scope of a question about the whole account; that of others is the project's id."""
SEEN = "('304', 'same', 'rows')"
"""What `how` is where the server has shown its rows."""
_TYPES = {
    "int": "BIGINT",
    "flag": "BOOLEAN",
    "bool": "BOOLEAN",
    "str": "VARCHAR",
    "timestamp": "TIMESTAMPTZ",
    "naive": "TIMESTAMP",
    "ints": "BIGINT[]",
    "strs": "VARCHAR[]",
    "any": "VARCHAR",
}


def fields_of(resource: str) -> tuple[Field, ...]:
    """Return the fields of a resource or view, or of the downloads inside builds."""
    if resource == INSIDE:
        return EMBEDDED_DOWNLOAD
    return VIEWS[resource.upper()].fields if resource in APPENDED else RESOURCES[resource].fields


def field_types() -> str:
    """Return the types of the fields of each table as JSON, by which a file of another schema is known."""
    return json.dumps({name: {f.name: f.type for f in fields_of(name)} for name in (*TABLES, INSIDE)})


def table_names() -> list[str]:
    """Return the names of all tables."""
    return ["meta", "syncs", *TABLES, *(f"{name}_raw" for name in VERSIONED)]


def view_names() -> list[str]:
    """Return the names of all views."""
    return ["syncs", *VERSIONED, *(f"{name}_versions" for name in VERSIONED)]


def columns(resource: str) -> tuple[str, ...]:
    """Return the quoted names of the columns that hold the rows of a resource; unknown fields are last."""
    return (*(quoted(field.name) for field in fields_of(resource)), "extra")


def quoted(name: str) -> str:
    """Quote a name for SQL.

    Examples
    --------
    >>> quoted('a"b')
    '"a""b"'
    """
    return '"' + name.replace('"', '""') + '"'


def _type(field: Field) -> str:
    if field.type == "downloads":
        return f"STRUCT({_typed(EMBEDDED_DOWNLOAD)}, extra VARCHAR)[]"
    return _TYPES[field.type]


def _typed(fields: Sequence[Field]) -> str:
    return ", ".join(f"{quoted(field.name)} {_type(field)}" for field in fields)


def ddl() -> str:
    """Return the statements that make an empty history.

    A version of a row is valid in the syncs of its scope from `from_sync` to before `to_sync`. The tables
    ``…_raw`` hold a hash of each row's bytes, by which an unchanged row is recognized without reading it.
    """
    parts = [
        "CREATE SCHEMA stored",
        "CREATE TABLE stored.meta (format INTEGER, made_by VARCHAR, server VARCHAR, fields VARCHAR)",
        """CREATE TABLE stored.syncs (sync BIGINT, resource VARCHAR, scope BIGINT, name VARCHAR,
            asked_at TIMESTAMPTZ, how VARCHAR, etag VARCHAR, wire VARCHAR, body VARCHAR, fields VARCHAR[],
            nested VARCHAR[], "rows" BIGINT, "new" BIGINT, changed BIGINT, gone BIGINT)""",
        *map(create_table, TABLES),
        create_views(),
    ]
    return ";\n".join(parts)


def create_table(name: str) -> str:
    """Return the statements that make the table of a resource or view; that of its hashes may be there."""
    raw = f"CREATE TABLE IF NOT EXISTS stored.{name}_raw (scope BIGINT, id BIGINT, raw UBIGINT)"
    syncs = "from_sync BIGINT, to_sync BIGINT" if name in VERSIONED else "from_sync BIGINT"
    table = f"CREATE TABLE stored.{name} (scope BIGINT, {syncs}, {_typed(fields_of(name))}, extra VARCHAR)"
    return f"{table}; {raw}" if name in VERSIONED else table


def create_views() -> str:
    """Return the statements that make the views, also in place of those of another schema."""
    parts = [
        f"""CREATE OR REPLACE VIEW syncs AS SELECT sync, resource,
            CASE WHEN resource IN {PER_PROJECT} THEN scope END AS project, asked_at, how, "rows", "new",
            changed, gone FROM stored.syncs"""
    ]
    for name in VERSIONED:
        table, names = f"stored.{name}", ", ".join(columns(name))
        versions = ", ".join(f"v.{column}" for column in columns(name))
        parts += [
            f"CREATE OR REPLACE VIEW {name} AS SELECT {names} FROM {table} WHERE to_sync IS NULL",
            f"""CREATE OR REPLACE VIEW {name}_versions AS SELECT {versions}, v.from_sync, v.to_sync,
                f.asked_at AS first_seen, t.asked_at AS until
                FROM {table} v JOIN stored.syncs f ON f.sync = v.from_sync
                LEFT JOIN stored.syncs t ON t.sync = v.to_sync""",
        ]
    return ";\n".join(parts)

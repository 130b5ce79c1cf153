"""The artifacts of a build: a ZIP per pattern with the files of each instance, made for each request.

The same download gives the same bytes; two builds differ where an instance's rows or the pattern's template
have changed between them, and the manifest names the build and the release. What real artifacts look like
inside is not published for most platforms: these are plausible, not authentic.

An instance has an XML file for IICS, else an SQL script; for Synapse and Fabric also a notebook and a
pipeline. Open in the vendor's pages; here: its application lists those as single downloads, with a ZIP of
all beside them, and the reference shows one ZIP per pattern; so it is for every platform here.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from xml.sax.saxutils import quoteattr

from mkframe.demo_server import notebooks
from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data.projects import PATTERNS, Pattern
from mkframe.demo_server.instance_columns import Column
from mkframe.demo_server.state import State
from mkframe.demo_server.times import iso

_TYPES = {
    "SYNAPSE": {"VARCHAR": "NVARCHAR", "TIMESTAMP": "DATETIME2", "NUMBER": "DECIMAL", "INTEGER": "INT"},
    "FABRIC": {"TIMESTAMP": "DATETIME2(6)", "NUMBER": "DECIMAL", "INTEGER": "BIGINT"},
    "DATABRICKS": {"VARCHAR": "STRING", "CHAR": "STRING", "NUMBER": "DECIMAL", "INTEGER": "BIGINT"},
    "SNOWFLAKE": {"TIMESTAMP": "TIMESTAMP_NTZ"},
}


def make_zip(state: State, id: int) -> bytes:
    """Make the ZIP of a download."""
    with state.lock:
        rows, slots = state.find_downloads({"id": {id}})
        row, pattern = int(rows[0]), PATTERNS[int(state.builds.patterns[rows[0], slots[0]])]
        start, build = int(state.builds.start[row]), int(state.builds.id[row])
        instances = state.instances_of(row)[pattern.id]
        release = state.branches.release_of(int(state.builds.releases[row, slots[0]]), pattern.id, start)
    template = state.catalog.pattern_version(pattern.id, start)
    stamp = datetime.fromtimestamp(start // 1000, UTC).timetuple()[:6]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        manifest = []
        for instance in sorted(instances, key=lambda i: (i.folder, i.name)):
            version = state.branches.version(instance, release, start)
            columns = state.branches.columns(instance, version)
            for name, text in _files(pattern, template, instance, columns):
                path = f"{instance.folder.strip('/')}/{name}"
                _add_member(archive, path, text, stamp)
                manifest.append(
                    {"path": path, "instance_id": instance.id, "version": version.number,
                     "fields": len(columns)}
                )  # fmt: skip
        contents = {
            "build_id": build,
            "pattern": pattern.name,
            "type": pattern.type,
            "template": template,
            "release": state.catalog.releases[release].name if release else None,
            "build_start": iso(start),
            "members": manifest,
        }
        _add_member(archive, "manifest.json", json.dumps(contents, indent=2) + "\n", stamp)
    return buffer.getvalue()


def _add_member(archive: zipfile.ZipFile, path: str, text: str, stamp: tuple[int, ...]) -> None:
    info = zipfile.ZipInfo(path, (stamp[0], stamp[1], stamp[2], stamp[3], stamp[4], stamp[5]))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, text)


def _files(
    pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]
) -> Iterator[tuple[str, str]]:
    """Yield name and text of each file of an instance."""
    if pattern.type == "IICS":
        yield f"{instance.name}.xml", _mapping(pattern, template, instance, columns)
        return
    script = _ddl(pattern, template, instance, columns) + _merge(template, instance, columns)
    yield f"{instance.name}.sql", script
    if extension := notebooks.EXTENSIONS.get(pattern.type):
        name = f"{pattern.name}_{instance.name}"
        yield f"NB_{name}.{extension}", notebooks.notebook(pattern, template, instance, columns)
        yield f"PL_{name}.json", notebooks.pipeline(pattern, template, instance)


# --- SQL ------------------------------------------------------------------------------------------------


def _schema_of(instance: Instance) -> str:
    return instance.folder.strip("/").replace("/", "_")


def _type(platform: str, column: Column) -> str:
    name = _TYPES.get(platform, {}).get(column.type, column.type)
    has_length = column.length is not None and name != "STRING"
    return f"{name}({column.length}{', 4' if column.type == 'NUMBER' else ''})" if has_length else name


def _ddl(pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]) -> str:
    width = max(len(c.name) for c in columns)
    lines = [
        f"    {c.name:<{width}} {_type(pattern.type, c)}{' NOT NULL' if c.role in ('SK', 'BK') else ''}"
        for c in columns
    ]
    create = "CREATE TABLE IF NOT EXISTS" if pattern.type in ("SNOWFLAKE", "DATABRICKS") else "CREATE TABLE"
    return (
        f"-- {pattern.name}, template {template}\n"
        f"{create} {_schema_of(instance)}.{instance.name} (\n" + ",\n".join(lines) + "\n);\n\n"
    )


def _merge(template: int, instance: Instance, columns: tuple[Column, ...]) -> str:
    target, names = f"{_schema_of(instance)}.{instance.name}", [c.name for c in columns]
    key = names[0]
    differences = [f"TGT.{n} <> SRC.{n}" for n in names[2:6]] or [f"TGT.{names[1]} <> SRC.{names[1]}"]
    assignments = ", ".join(f"{n} = SRC.{n}" for n in names[1:])
    condition = f" AND ({' OR '.join(differences)})" if template else ""
    lines = (
        f"MERGE INTO {target} AS TGT",
        f"USING STAGING.{instance.name} AS SRC",
        f"   ON TGT.{key} = SRC.{key}",
        f" WHEN MATCHED{condition} THEN UPDATE SET {assignments}",
        f" WHEN NOT MATCHED THEN INSERT ({', '.join(names)})",
        f"      VALUES ({', '.join(f'SRC.{n}' for n in names)});",
    )
    return "\n".join(lines) + "\n"


# --- XML ------------------------------------------------------------------------------------------------


def _mapping(pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]) -> str:
    fields = "\n".join(
        f"      <field name={quoteattr(c.name)} type={quoteattr(c.type)}"
        + (f' precision="{c.length}"' if c.length is not None else "")
        + f" role={quoteattr(c.role)}/>"
        for c in columns
    )
    links = "\n".join(
        f"    <link from={quoteattr(f'SRC.{c.name}')} to={quoteattr(f'TGT.{c.name}')}/>" for c in columns
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<mapping name={quoteattr(f'm_{instance.name}')} pattern={quoteattr(pattern.name)} "
        f'template="{template}">\n'
        f"  <folder path={quoteattr(instance.folder)}/>\n"
        f"  <transformations>\n"
        f'    <source name="SRC" object={quoteattr(f"STAGING.{instance.name}")}>\n{fields}\n    </source>\n'
        f'    <expression name="EXP_HASH" field={quoteattr(columns[0].name)} '
        f"value={quoteattr(f'MD5({columns[1].name})')}/>\n"
        f'    <target name="TGT" object={quoteattr(f"{_schema_of(instance)}.{instance.name}")}>\n'
        f"{fields}\n    </target>\n"
        f"  </transformations>\n"
        f"  <links>\n{links}\n  </links>\n"
        "</mapping>\n"
    )

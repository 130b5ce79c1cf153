"""Notebooks and pipelines of Synapse and Fabric patterns, one of each per instance.

A Synapse notebook and a pipeline are resources in JSON, as Synapse Studio exports and imports them, with
names such as ``NB_SYN_MART_LEDGER.json`` and ``PL_SYN_MART_LEDGER.json``. A Fabric notebook is an ``.ipynb``
file.

Open in the vendor's pages; here: what is in the cells, and which template adds what. A notebook shows
the metadata rows of its instance, in its release; a pipeline differs where the template does. Neither names
the build, its time or its user, so that equal instances have equal files.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from typing import Any

from mkframe.demo_server.catalog import Instance
from mkframe.demo_server.data.projects import Pattern
from mkframe.demo_server.instance_columns import Column

__all__ = ["EXTENSIONS", "notebook", "pipeline"]

EXTENSIONS = {"SYNAPSE": "json", "FABRIC": "ipynb"}
"""Endings of notebooks, for each platform that has them."""
_SPARK_TYPES = {
    "VARCHAR": "StringType()",
    "CHAR": "StringType()",
    "DATE": "DateType()",
    "TIMESTAMP": "TimestampType()",
    "INTEGER": "LongType()",
}
_PARAMETERS = ("STORAGE_ACCOUNT", "SOURCE_CONTAINER", "TARGET_CONTAINER", "SOURCE_PATH", "TARGET_PATH")
_KERNEL = {"name": "synapse_pyspark", "display_name": "Synapse PySpark"}
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "fabric.example.com")
Cell = tuple[str, Sequence[str], dict[str, Any]]


def notebook(pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]) -> str:
    """Write the notebook of an instance."""
    cells = [_cell(*cell) for cell in _cells(pattern, template, instance, columns)]
    if pattern.type == "FABRIC":
        metadata = {"kernelspec": _KERNEL, "language_info": {"name": "python"}}
        return _write({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    properties = {
        "folder": {"name": _folder(pattern, instance)},
        "nbformat": 4,
        "nbformat_minor": 2,
        "bigDataPool": {"referenceName": "sparkpool", "type": "BigDataPoolReference"},
        "sessionProperties": {"driverMemory": "28g", "driverCores": 4, "executorMemory": "28g",
                              "executorCores": 4, "numExecutors": 1 + template},
        "metadata": {"saveOutput": True, "kernelspec": _KERNEL, "language_info": {"name": "python"}},
        "cells": cells,
    }  # fmt: skip
    return _write({"name": _name("NB", pattern, instance), "properties": properties})


def pipeline(pattern: Pattern, template: int, instance: Instance) -> str:
    """Write the pipeline that runs the notebook of an instance."""
    name = _name("NB", pattern, instance)
    values = {p: {"value": f"@pipeline().parameters.{p}", "type": "Expression"} for p in _PARAMETERS}
    parameters = {p: {"value": value, "type": "string"} for p, value in values.items()}
    if pattern.type == "FABRIC":
        kind = "TridentNotebook"
        run: dict[str, Any] = {
            "notebookId": str(uuid.uuid5(_NAMESPACE, name)),
            "workspaceId": str(uuid.uuid5(_NAMESPACE, f"project {instance.project_id}")),
            "parameters": parameters,
        }
    else:
        kind = "SynapseNotebook"
        run = {
            "notebook": {"referenceName": name, "type": "NotebookReference"},
            "parameters": parameters,
            "snapshot": True,
            "sparkPool": {"referenceName": "sparkpool", "type": "BigDataPoolReference"},
            "executorSize": "Small",
            "conf": {"spark.dynamicAllocation.enabled": template > 0},
            "driverSize": "Small",
        }
    activity = {
        "name": f"load_{instance.name.lower()}",
        "type": kind,
        "dependsOn": [],
        "policy": {"timeout": "0.12:00:00", "retry": template, "retryIntervalInSeconds": 30,
                   "secureOutput": False, "secureInput": False},
        "userProperties": [],
        "typeProperties": run,
    }  # fmt: skip
    properties = {
        "activities": [activity],
        "parameters": {p: {"type": "string", "defaultValue": v} for p, v in _defaults(instance).items()},
        "folder": {"name": _folder(pattern, instance)},
        "annotations": [],
    }
    made = {"name": _name("PL", pattern, instance), "properties": properties}
    return _write(
        made | ({} if pattern.type == "FABRIC" else {"type": "Microsoft.Synapse/workspaces/pipelines"})
    )


def _write(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=4) + "\n"


def _name(prefix: str, pattern: Pattern, instance: Instance) -> str:
    return f"{prefix}_{pattern.name}_{instance.name}"


def _folder(pattern: Pattern, instance: Instance) -> str:
    return f"{pattern.name}{instance.folder}"


def _defaults(instance: Instance) -> dict[str, str]:
    path = instance.folder.strip("/").lower()
    values = ("examplestorage", "landing", "warehouse", f"landing/{instance.name}", f"{path}/{instance.name}")
    return dict(zip(_PARAMETERS, values, strict=True))


# --- cells ----------------------------------------------------------------------------------------------


def _cell(kind: str, lines: Sequence[str], metadata: dict[str, Any]) -> dict[str, Any]:
    source = [f"{line}\n" for line in lines[:-1]] + [lines[-1]]
    code: dict[str, Any] = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "metadata": metadata, "source": source, **code}


def _cells(pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]) -> list[Cell]:
    keys = [c.name for c in columns if c.role == "BK"]
    fields = [c.name for c in columns if c.role not in ("SK", "BK")]
    cells: list[Cell] = [
        ("markdown", _header(pattern, template, instance, columns), {}),
        ("code", ("from pyspark.sql import functions as F", "from pyspark.sql.types import *"), {}),
        ("code", [f'{name} = "{value}"' for name, value in _defaults(instance).items()],
         {"tags": ["parameters"]}),
        ("code", ("schema = StructType([", *(_spark_field(c) for c in columns if c.role != "SK"), "])"), {}),
        ("code", ("keys = [", *map(_item, keys), "]", "fields = [", *map(_item, fields), "]"), {}),
        ("code", (
            'source = f"abfss://{SOURCE_CONTAINER}@{STORAGE_ACCOUNT}.dfs.core.windows.net/{SOURCE_PATH}"',
            'frame = spark.read.schema(schema).option("header", True).csv(source)',
            f'frame = frame.withColumn("{columns[0].name}", F.md5(F.concat_ws("|", *keys)))',
            'frame = frame.withColumn("ROW_HASH", F.md5(F.concat_ws("|", *fields)))',
        ), {}),
        ("code", (
            'target = f"abfss://{TARGET_CONTAINER}@{STORAGE_ACCOUNT}.dfs.core.windows.net/{TARGET_PATH}"',
            'frame.write.format("delta").mode("overwrite").save(target)',
        ), {}),
    ]  # fmt: skip
    if template:
        check = (
            "duplicates = frame.groupBy(*keys).count().where('count > 1').count()",
            'assert duplicates == 0, f"{duplicates} keys are not unique"',
        )
        cells.insert(-1, ("code", check, {}))
    return cells


def _header(
    pattern: Pattern, template: int, instance: Instance, columns: tuple[Column, ...]
) -> Sequence[str]:
    rows = (f"| {c.name} | {c.type} | {c.length or ''} | {c.role} |" for c in columns)
    return (
        f"# {instance.name}",
        "",
        "| column | type | length | role |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        f"Pattern {pattern.name}, template {template}, folder {instance.folder}",
    )


def _spark_field(column: Column) -> str:
    kind = _SPARK_TYPES.get(column.type) or f"DecimalType({column.length}, 4)"
    return f'    StructField("{column.name}", {kind}, {column.role != "BK"}),'


def _item(name: str) -> str:
    return f'    "{name}",'

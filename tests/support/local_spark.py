"""A Spark on this machine whose workers have no mkframe but the one that they are sent.

Run as a program it is a client of Spark Connect: ``python -m tests.support.local_spark FOLDER`` starts a
server, and writes what `by_project` gives for the options in ``asked.json`` of the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd

import mkframe as mk

__all__ = ["back", "on_pandas", "session", "worker_files"]

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.sql.session.timeZone": "America/New_York",
}


def _environment(folder: Path) -> dict[str, str]:
    """Workers that see installed packages, but neither this checkout nor an editable install of it."""
    packages = [path for path in sys.path if path.endswith("site-packages")]
    worker = folder / "worker"
    line = f'PYTHONPATH="$PYTHONPATH:{":".join(packages)}" exec {sys.executable} -S -P "$@"'
    worker.write_text(f"#!/bin/sh\n{line}\n")
    worker.chmod(0o755)
    driver = {"PYSPARK_DRIVER_PYTHON": sys.executable, "PYTHONPATH": "", "SPARK_LOCAL_IP": "127.0.0.1"}
    return {**driver, "PYSPARK_PYTHON": str(worker)}


@contextlib.contextmanager
def session(folder: Path, *, connect: bool = False, partitions: int = 2, **settings: str) -> Iterator[Any]:
    """A session in New York's zone, to which mkframe is sent."""
    from pyspark.sql import SparkSession

    folder.mkdir(parents=True, exist_ok=True)
    with mock.patch.dict(os.environ, _environment(folder)):
        builder = SparkSession.builder
        builder = builder.remote("local[1]") if connect else builder.master("local[1]").appName("mkframe")
        settings = {
            **SETTINGS,
            "spark.sql.shuffle.partitions": str(partitions),
            "spark.sql.warehouse.dir": str(folder / "warehouse"),
            **settings,
        }
        for name, value in settings.items():
            builder = builder.config(name, value)
        spark = builder.getOrCreate()
    try:
        if not connect:
            spark.sparkContext.setLogLevel("OFF")
        spark.addArtifacts(str(mk.scale.artifact(folder)), pyfile=True)
        yield spark
    finally:
        spark.stop()


def worker_files(spark_frame: Any) -> list[str]:
    """From which files a worker has mkframe."""

    def where(builds: pd.DataFrame) -> pd.DataFrame:
        import mkframe

        return pd.DataFrame({"file": pd.Series([mkframe.__file__] if len(builds) else [], dtype="object")})

    return mk.scale.by_project(spark_frame, where).toArrow()["file"].unique().to_pylist()


def on_pandas(builds: pd.DataFrame, metric: Any, options: dict[str, Any]) -> pd.DataFrame:
    """What `by_project` gives, from a frame of all projects."""
    pieces = {key: metric(part, **options) for key, part in builds.groupby("project_id")}
    return pd.concat(pieces, names=["project_id"]).reset_index()


def back(found: Any, wanted: pd.DataFrame) -> pd.DataFrame:
    """The Arrow table of Spark's answer with the dtypes of pandas; rows of a project stay in their order."""
    frame = found.to_pandas(integer_object_nulls=True).astype(dict(wanted.dtypes))
    return frame[list(wanted.columns)].sort_values("project_id", kind="stable", ignore_index=True)


def main(folder: Path) -> None:
    """Answer what was asked, through Spark Connect."""
    from pyarrow import parquet

    asked = json.loads((folder / "asked.json").read_text())
    with session(folder / "connect", connect=True) as spark:
        builds = spark.read.parquet(asked["builds"])
        for number, (name, options) in enumerate(asked["metrics"]):
            found = mk.scale.by_project(builds, getattr(mk.metrics, name), **options)
            parquet.write_table(found.toArrow(), folder / f"{number}.parquet")
        where = [type(spark).__module__, worker_files(builds)]
        (folder / "where.json").write_text(json.dumps(where))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

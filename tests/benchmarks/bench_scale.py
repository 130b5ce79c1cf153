"""The same numbers from pandas, from a history, and from Spark on the export of the history.

    python tests/benchmarks/bench_scale.py [--builds 1000000] [--projects 200] [--write]

Weekly failure rates and durations of each project, in UTC and in Vienna, with Spark's session in New York.
They must be equal to the last bit, and DuckDB, polars, pyarrow and Spark must read the files alike; else the
run fails. It prints how long each took, and its memory.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd

HOME = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(HOME))

import mkframe as mk  # noqa: E402
from tests.benchmarks.bench_frames import body, memory  # noqa: E402
from tests.benchmarks.publishing import add_write, circumstances, publish  # noqa: E402
from tests.support.local_spark import back, on_pandas, session  # noqa: E402

ZONES = ("UTC", "Europe/Vienna")
METRICS = ("failure_rate", "durations")
ASKED = [(name, {"every": "W", "tz": tz}) for name in METRICS for tz in ZONES]
MOST_FILES = 20
BEGIN = dt.datetime(2021, 1, 1)
REPEATED = (dt.datetime(2024, 10, 27), dt.datetime(2024, 11, 3, 5))
"""Hours in UTC after which clocks are set back, in Vienna and in New York."""


# --- the account --------------------------------------------------------------------------------------


def answers(builds: int, projects: int, seed: int = 7) -> Iterator[tuple[int, bytes]]:
    """Make the answer of each project, its rows in no order; the first has none, and some are odd."""
    own = builds // (projects - 1)
    first = 1
    for project in range(1, projects + 1):
        dice = random.Random(seed * 100_000 + project)
        rows = orjson.loads(body(own if project > 1 else 0, seed=dice.randrange(1 << 30)))
        for number, row in enumerate(rows):
            row["id"], row["project_id"] = first + number, project
            _change(row, project, number, dice)
        first += len(rows)
        dice.shuffle(rows)
        yield project, orjson.dumps(rows)


def _change(row: dict[str, Any], project: int, number: int, dice: random.Random) -> None:
    """Give a build its start, and what is odd in its project."""
    start = BEGIN + dt.timedelta(seconds=dice.random() * 1780 * 86_400)
    if number % 50 == 0:  # around the hour that a clock change repeats
        start = REPEATED[number // 50 % 2] + dt.timedelta(seconds=dice.random() * 3 * 3600)
    elif number % 50 == 1:  # around midnight from Sunday to Monday, in New York, UTC and Vienna
        monday = dt.datetime(2021, 1, 3, 21) + dt.timedelta(weeks=dice.randrange(250))
        start = monday + dt.timedelta(seconds=dice.random() * 9 * 3600)
    if project == 2 and start.year in (2022, 2023):  # no builds for two years
        start = start.replace(year=2024, day=min(start.day, 28))
    end = start + dt.timedelta(seconds=dice.lognormvariate(4, 1))
    row["build_start"] = row["created_at"] = f"{start.isoformat(timespec='milliseconds')}Z"
    row["build_end"] = row["updated_at"] = f"{end.isoformat(timespec='milliseconds')}Z"
    row["status"] = dice.choices(["FINISHED", "FAILED", "CANCELED"], [80, 15, 5])[0]
    row["patterns"] = row["patterns"] if number % 10 else []
    row["instances"] = None if number % 11 == 0 else dice.randrange(300)
    if number % 97 == 0:
        row["build_start"] = row["build_end"] = None
    if number % 89 == 0:
        row["build_start"], row["build_end"] = row["build_end"], row["build_start"]
    if number % 101 == 0 or project == 3:
        row["status"], row["build_end"] = "BUILDING", None
    if number % 103 == 0 or project == 4:
        row["status"] = "PAUSED"  # the reference has no such status
    if project == 5:
        row["build_start"] = None
    if number % 20 == 0:
        row["queue"] = number if project % 2 else f"queue {number}"  # the reference has no such field


# --- the three ways -----------------------------------------------------------------------------------


def by_pandas(builds: pd.DataFrame, name: str, options: dict[str, str]) -> pd.DataFrame:
    return on_pandas(builds, getattr(mk.metrics, name), options)


def by_spark(
    folder: Path, spark: Any, wanted: pd.DataFrame, name: str, options: dict[str, str]
) -> pd.DataFrame:
    columns = ["id", "project_id", "status", "build_start", "build_end", "gone_since"]
    builds = spark.read.parquet(str(folder / "builds")).select(*columns)
    return back(mk.scale.by_project(builds, getattr(mk.metrics, name), **options).toArrow(), wanted)


def check_equal(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)


# --- the files ----------------------------------------------------------------------------------------

FIGURES = ("builds", "starts", "first", "last", "micros", "patterns", "downloads", "ids", "extra", "gone")


def figures(folder: Path, spark: Any) -> dict[str, pd.DataFrame]:
    """What each reader finds in the builds of each project; equal where they read alike."""
    readers = {"DuckDB": _duckdb, "polars": _polars, "pyarrow": _pyarrow, "Spark": lambda f: _spark(f, spark)}
    return {name: _tidy(read(folder / "builds")) for name, read in readers.items()}


def _tidy(frame: pd.DataFrame) -> pd.DataFrame:
    figures = frame.astype("Int64").set_index("project_id")[list(FIGURES)].sort_index()
    sums = [name for name in FIGURES if name not in ("first", "last")]
    figures[sums] = figures[sums].fillna(0)  # of no numbers SQL gives null, others 0
    return figures


def _duckdb(folder: Path) -> pd.DataFrame:
    import duckdb

    micros = "epoch_us(build_start)"
    return duckdb.sql(
        f"SELECT project_id, count(*) AS builds, count(build_start) AS starts, min({micros}) AS first, "
        f"max({micros}) AS last, sum({micros} % 1000000007) AS micros, sum(list_sum(patterns)) AS patterns, "
        "sum(len(downloads)) AS downloads, sum(list_sum([d.id FOR d IN downloads])) AS ids, "
        f"count(extra) AS extra, count(gone_since) AS gone FROM '{folder}/**/*.parquet' GROUP BY project_id"
    ).to_arrow_table().to_pandas()  # fmt: skip


def _polars(folder: Path) -> pd.DataFrame:
    import polars as pl

    start, micros = pl.col("build_start"), pl.col("build_start").dt.timestamp("us")
    ids = pl.col("downloads").list.eval(pl.element().struct.field("id")).list.sum()
    found = (
        pl.scan_parquet(f"{folder}/**/*.parquet")
        .group_by("project_id")
        .agg(
            pl.len().alias("builds"), start.count().alias("starts"), micros.min().alias("first"),
            micros.max().alias("last"), (micros % 1000000007).sum().alias("micros"),
            pl.col("patterns").list.sum().sum(), pl.col("downloads").list.len().sum(), ids.sum().alias("ids"),
            pl.col("extra").count(), pl.col("gone_since").count().alias("gone"),
        )
        .collect()
    )  # fmt: skip
    return pd.DataFrame(found.to_dict(as_series=False))


def _pyarrow(folder: Path) -> pd.DataFrame:
    import pyarrow.compute as pc
    from pyarrow import parquet

    names = ["project_id", "build_start", "patterns", "downloads", "extra", "gone_since"]
    table = parquet.read_table(folder, columns=names).combine_chunks()
    starts = table["build_start"].to_numpy().astype("datetime64[us]")
    is_known = ~np.isnat(starts)
    micros = starts.astype("int64")

    def items(lists: Any, values: Any) -> Any:
        place = pc.list_parent_indices(lists).to_numpy()
        return np.bincount(place, values.to_numpy(), len(table)).astype("int64")

    downloads, patterns = (table[name].combine_chunks() for name in ("downloads", "patterns"))
    downloads, patterns = (a.chunk(0) if hasattr(a, "chunk") else a for a in (downloads, patterns))
    frame = pd.DataFrame({
        "project_id": table["project_id"].to_numpy(), "builds": 1, "starts": is_known.astype("int64"),
        "first": pd.array(np.where(is_known, micros, 0), "Int64"),
        "micros": np.where(is_known, micros % 1000000007, 0),
        "patterns": items(patterns, patterns.flatten()),
        "downloads": pc.list_value_length(downloads).fill_null(0).to_numpy(zero_copy_only=False),
        "ids": items(downloads, downloads.flatten().field("id")),
        "extra": table["extra"].is_valid().to_numpy(), "gone": table["gone_since"].is_valid().to_numpy(),
    })  # fmt: skip
    frame.loc[~is_known, "first"] = pd.NA
    frame["last"] = frame["first"]
    how = dict.fromkeys(FIGURES, "sum") | {"first": "min", "last": "max"}
    return frame.groupby("project_id").agg(how).reset_index()


def _spark(folder: Path, spark: Any) -> pd.DataFrame:
    from pyspark.sql import functions as f

    micros, zero = f.unix_micros("build_start"), f.lit(0).cast("bigint")
    ids = f.transform("downloads", lambda one: one["id"])
    found = spark.read.parquet(str(folder)).groupBy("project_id").agg(
        f.count("*").alias("builds"), f.count("build_start").alias("starts"), f.min(micros).alias("first"),
        f.max(micros).alias("last"), f.sum(micros % 1000000007).alias("micros"),
        f.sum(f.aggregate("patterns", zero, lambda total, one: total + one)).alias("patterns"),
        f.sum(f.size("downloads")).alias("downloads"),
        f.sum(f.aggregate(ids, zero, lambda total, one: total + one)).alias("ids"),
        f.count("extra").alias("extra"), f.count("gone_since").alias("gone"),
    )  # fmt: skip
    return found.toArrow().to_pandas()


# --- measuring ----------------------------------------------------------------------------------------


def timed(act: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    return act(*given), time.perf_counter() - started


def fill(history: mk.History, folder: Path, projects: int) -> None:
    for project in range(1, projects + 1):
        history.take(folder / f"{project}.json", project=project)


def peaks() -> dict[str, float]:
    """Peak memory in GB of the processes that this one has started, by name; the largest of each."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # a process may end meanwhile
            parent = stat.read_text().rpartition(")")[2].split()[1]
            parents.setdefault(int(parent), []).append(int(stat.parent.name))
    found: dict[str, float] = {}
    waiting = parents.get(os.getpid(), [])
    while waiting:
        number = waiting.pop()
        waiting += parents.get(number, [])
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{number}/status").read_text()
            name, size = status.split()[1], int(status.partition("VmHWM:")[2].split()[0]) / 1e6
            found[name] = max(found.get(name, 0.0), size)
    return found


def run(folder: Path, builds: int, projects: int) -> Iterator[str]:
    """Yield lines on a run; fail where anything differs."""
    history = mk.History(folder / "history.duckdb")
    parts = []
    for project, content in answers(builds, projects):
        (folder / f"{project}.json").write_bytes(content)
        parts.append(content[1:-1])
    whole = b"[" + b",".join(part for part in reversed(parts) if part) + b"]"
    del parts
    frame, reading = timed(mk.read_json, whole)
    size = len(whole)
    del whole
    pandas = {(name, o["tz"]): timed(by_pandas, frame, name, o) for name, o in ASKED}
    count = len(frame)
    del frame

    _, filling = timed(fill, history, folder, projects)
    rows = orjson.loads((folder / f"{projects}.json").read_bytes())
    gone = rows[: len(rows) // 20]
    history.take(orjson.dumps(rows[len(gone) :]), project=projects)
    frame, back_again = timed(history.builds)
    kept = {(name, o["tz"]): timed(by_pandas, frame, name, o) for name, o in ASKED}
    del frame
    for key, (wanted, _) in pandas.items():
        found = kept[key][0]
        check_equal(found.drop(columns="n_gone", errors="ignore"), wanted)
        if "n_gone" in found:
            assert found["n_gone"].sum() == sum(row["build_start"] is not None for row in gone)
    written, exporting = timed(history.export, folder / "out")
    assert written["files"].max() <= MOST_FILES, written
    own = memory("VmHWM") / 1e9

    spark_ways = {}
    with session(folder / "spark", partitions=8, **{"spark.driver.memory": "3g"}) as spark:
        by_spark(folder / "out", spark, kept["failure_rate", "UTC"][0], *ASKED[0])  # the first starts workers
        for name, o in ASKED:
            wanted = kept[name, o["tz"]][0]
            found, took = timed(by_spark, folder / "out", spark, wanted, name, o)
            check_equal(found, wanted)
            spark_ways[name, o["tz"]] = took
        read = figures(folder / "out", spark)
        for name, found in read.items():
            pd.testing.assert_frame_equal(found, read["pyarrow"], obj=name)
        assert read["pyarrow"]["builds"].sum() == count
        others = peaks()

    yield f"| {count:,} builds in {projects} projects, weekly, pandas = 1 | UTC | Europe/Vienna |"
    yield "| --- | ---: | ---: |"
    for name in METRICS:
        for way, took in (("history", {k: t for k, (_, t) in kept.items()}), ("Spark", spark_ways)):
            cells = (f"{took[name, tz] / pandas[name, tz][1]:.1f}" for tz in ZONES)
            yield f"| `{name}`, {way} | {' | '.join(cells)} |"
    java = others.pop("java")
    rows = sum(len(found) for found, _ in kept.values())
    files, bytes_written = written.loc["builds", ["files", "bytes"]]
    yield ""
    yield (
        f"All {rows:,} rows are equal to the last bit, with Spark's session in New York. `read_json` = 1: "
        f"filling the history took {filling / reading:.1f}, reading it back {back_again / reading:.1f}, its "
        f"export {exporting / reading:.1f}. The export has {files} files of builds, "
        f"{bytes_written / size:.0%} of the JSON; DuckDB, polars, pyarrow and Spark read them alike."
    )
    yield (
        f"Peak memory: {own:.1f} GB in Python, {size / 1e9:.2f} of them the JSON; {java:.1f} GB in Spark's "
        f"JVM (`spark.driver.memory` 3g), {max(others.values()):.1f} GB in its worker."
    )
    yield f"Measured {circumstances('pandas', 'pyarrow', 'duckdb', 'polars', 'pyspark')}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--builds", type=int, default=1_000_000)
    parser.add_argument("--projects", type=int, default=200)
    add_write(parser)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        publish("scale", run(Path(folder), given.builds, given.projects), given.write)


if __name__ == "__main__":
    main()

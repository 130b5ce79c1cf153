"""Metrics on a real Spark, which runs on this machine."""

import datetime as dt
import functools
import json
import os
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors
from mkframe.scale import declared
from tests.benchmarks.bench_frames import body

NO_JAVA = shutil.which("java") is None and "JAVA_HOME" not in os.environ
NEEDS_SPARK = (
    pytest.mark.slow,
    pytest.mark.timeout(400),
    pytest.mark.skipif(NO_JAVA, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
)


def on_spark(test):
    """Mark a test that needs Spark."""
    return functools.reduce(lambda marked, mark: mark(marked), NEEDS_SPARK, test)


# --- without Spark ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"every": "W"}, {"every": "M", "tz": "Europe/Vienna"}, {"by": "pattern"}]
)
def test_declared_columns_are_those_of_a_result(options):
    builds = mk.read_json(body(200))
    for metric in (mk.metrics.failure_rate, mk.metrics.durations):
        wanted = metric(builds, **options).reset_index()
        pd.testing.assert_series_equal(declared(metric, **options).dtypes, wanted.dtypes)


def unstable(builds):
    return builds[builds["status"] == "FAILED"][["unknown_field"]] if len(builds) else builds[["status"]]


@pytest.mark.parametrize("metric", [
    mk.metrics.outcomes, mk.metrics.longest, mk.metrics.duration, mk.metrics.releases, mk.metrics.describe,
    mk.metrics.eta, mk.metrics.wilson, unstable,
])  # fmt: skip
def test_metric_whose_columns_depend_on_the_builds_is_refused(metric):
    with pytest.raises(errors.InputError):
        declared(metric)


def test_artifact_is_a_package_that_can_be_imported(tmp_path):
    path = mk.scale.artifact(tmp_path)
    first = path.read_bytes()
    assert mk.scale.artifact(tmp_path).read_bytes() == first
    assert {name.partition("/")[0] for name in zipfile.ZipFile(path).namelist()} == {"mkframe"}
    code = "import mkframe, mkframe.metrics, mkframe.scale; print(mkframe.__file__)"
    start = f"import sys; sys.path[:0] = {[str(path), *site()]!r}"
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"{start}; {code}"],
        capture_output=True, text=True, check=True, cwd=tmp_path, env={},
    )  # fmt: skip
    assert done.stdout.strip() == str(path / "mkframe" / "__init__.py")


def site():
    return [path for path in sys.path if path.endswith("site-packages")]


def test_frame_that_is_not_of_spark_is_refused():
    with pytest.raises(errors.InputError, match="no Spark frame"):
        mk.scale.by_project(pd.DataFrame({"project_id": [1]}), mk.metrics.failure_rate)


# --- on Spark -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    """A session whose zone is not UTC, with workers that take mkframe from the artifact."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("PYSPARK_DRIVER_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        from pyspark.sql import SparkSession

        settings = {
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.session.timeZone": "America/New_York",
            "spark.sql.shuffle.partitions": "2",
            "spark.sql.warehouse.dir": str(tmp_path_factory.mktemp("warehouse")),
        }
        builder = SparkSession.builder.master("local[1]").appName("mkframe")
        for name, value in settings.items():
            builder = builder.config(name, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("OFF")
        session.addArtifacts(str(mk.scale.artifact(tmp_path_factory.mktemp("artifact"))), pyfile=True)
        yield session
        session.stop()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Builds of several projects in a history, some around the hour that a clock change repeats."""
    folder = tmp_path_factory.mktemp("export")
    builds = mk.read_json(body(3000))
    builds["project_id"] = np.int64(402) + np.arange(3000) % 5
    repeated = pd.date_range("2024-10-27T00:00Z", "2024-10-27T02:00Z", 3000).as_unit("us")
    builds["build_start"] = builds["build_start"].where(np.arange(3000) % 10 > 0, repeated)
    builds["build_end"] = builds["build_start"] + pd.Timedelta(seconds=90)
    rows = builds.drop(columns="downloads").reset_index()
    for name in ("build_start", "build_end", "created_at", "updated_at"):
        rows[name] = rows[name].dt.strftime("%Y-%m-%dT%H:%M:%S.%fZ").where(rows[name].notna(), None)
    history = mk.History(folder / "history.duckdb")
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    history.take(json.dumps(records).encode(), asked_at=dt.datetime(2026, 1, 1))
    history.export(folder / "out")
    return history, folder / "out" / "builds"


def on_pandas(builds, metric, options):
    pieces = {key: metric(part, **options) for key, part in builds.groupby("project_id")}
    return pd.concat(pieces, names=["project_id"]).reset_index()


def back(found, wanted):
    """Spark's answer with the dtypes of pandas; times as instants."""
    frame = found.toArrow().to_pandas()[list(wanted.columns)]
    for name, dtype in wanted.dtypes.items():
        times = isinstance(dtype, pd.DatetimeTZDtype)
        frame[name] = (
            frame[name].dt.tz_convert(dtype.tz).astype(dtype) if times else frame[name].astype(dtype)
        )
    return frame.sort_values(list(wanted.columns[:2]), ignore_index=True)


@on_spark
@pytest.mark.parametrize("tz", ["UTC", "Europe/Vienna"])
@pytest.mark.parametrize(("metric", "options"), [
    (mk.metrics.failure_rate, {"every": "W"}), (mk.metrics.durations, {"every": "D"}),
    (mk.metrics.failure_rate, {"every": "Q", "by": "pattern"}),
])  # fmt: skip
def test_metric_on_spark_equals_the_one_on_pandas(spark, exported, metric, options, tz):
    history, folder = exported
    options = {**options, "tz": tz}
    wanted = on_pandas(history.builds(gone=False), metric, options)
    order = list(wanted.columns[:3])
    found = back(mk.scale.by_project(spark.read.parquet(str(folder)), metric, **options), wanted)
    pd.testing.assert_frame_equal(
        found.sort_values(order, ignore_index=True),
        wanted.sort_values(order, ignore_index=True),
        check_exact=True,
    )


@on_spark
def test_export_is_read_by_spark_as_it_is(spark, exported):
    from pyspark.sql import functions as f

    history, folder = exported
    frame, builds = spark.read.parquet(str(folder)), history.builds()
    kinds = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    assert (kinds["build_start"], kinds["patterns"], kinds["extra"]) == (
        "timestamp",
        "array<bigint>",
        "string",
    )
    ids = f.aggregate("patterns", f.lit(0), lambda total, one: total + one.cast("int"))
    row = frame.agg(f.count("*"), f.max(f.unix_micros("build_start")), f.sum(ids)).collect()[0]
    last = builds["build_start"].max().value // 1000
    assert tuple(row) == (len(builds), last, sum(map(sum, builds["patterns"])))


@on_spark
def test_wrong_frame_is_refused_before_anything_runs(spark, exported):
    frame = spark.read.parquet(str(exported[1]))
    for given, words in (
        (frame.drop("status"), "status"),
        (frame.drop("project_id"), "project_id"),
        (frame.withColumn("build_start", frame["build_start"].cast("timestamp_ntz")), "without a zone"),
    ):
        with pytest.raises(errors.InputError, match=words):
            mk.scale.by_project(given, mk.metrics.failure_rate)
    with pytest.raises(errors.InputError, match="depend on the builds"):
        mk.scale.by_project(frame, mk.metrics.outcomes)


@on_spark
def test_needed_columns_are_enough_and_the_key_may_be_text(spark, exported):
    history, folder = exported
    few = spark.read.parquet(str(folder)).selectExpr(
        "status", "build_start", "concat('P', project_id) AS project"
    )
    found = mk.scale.by_project(few, mk.metrics.throughput, key="project", every="Q").toArrow().to_pandas()
    assert sorted(found["project"].unique()) == ["P402", "P403", "P404", "P405", "P406"]
    assert found["builds"].sum() == len(history.builds())

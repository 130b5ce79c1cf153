"""Metrics on a real Spark, which runs on this machine."""

import datetime as dt
import functools
import importlib.util
import inspect
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors
from mkframe.scale import declared
from tests.benchmarks import bench_scale
from tests.benchmarks.bench_frames import body
from tests.history.account import Account, serve
from tests.support import local_spark

HOME = Path(__file__).resolve().parents[1]
IN_ARTIFACT = f"mkframe-{mk.__version__}.zip/mkframe/__init__.py"
NO_JAVA = shutil.which("java") is None and "JAVA_HOME" not in os.environ
NEEDS_SPARK = (
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(NO_JAVA, reason="Spark needs Java"),
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:pyspark"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
)


def on_spark(test):
    """Mark a test that needs Spark."""
    return functools.reduce(lambda marked, mark: mark(marked), NEEDS_SPARK, test)


NEEDS_CONNECT = pytest.mark.skipif(
    importlib.util.find_spec("grpc_status") is None, reason="Spark Connect needs pyspark[connect]"
)
EVERY_METRIC = [
    ("calendar", {}), ("change_points", {"by": ("pattern", "user"), "alpha": 0.5}),
    ("compare_periods", {"days": 365, "by": "pattern"}), ("completed_builds", {"statuses": None}),
    ("cost_card", {}), ("duration_by_instances", {}), ("durations", {"every": "D"}),
    ("durations", {"every": "M", "by": ("pattern_set", "release"), "statuses": None}),
    ("failure_progress", {"by": "release"}), ("failure_rate", {"by": "user"}),
    ("failure_rate", {"every": "Q", "by": "pattern", "canceled": "count"}), ("findings", {"days": 90}),
    ("median_duration", {"every": "W"}), ("median_duration", {"by": "pattern"}), ("summary", {}),
    ("throughput", {"every": "W"}), ("throughput", {"every": None}),
    ("thresholds", {"max_failure_rate": 0.1, "broken_for": dt.timedelta(days=1)}),
]  # fmt: skip
"""Each metric that can be declared, with its options."""


# --- without Spark ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"every": "W"}, {"every": "M", "tz": "Europe/Vienna"}, {"by": "pattern"}]
)
def test_declared_columns_are_those_of_a_result(options):
    builds = mk.read_json(body(200))
    for metric in (mk.metrics.failure_rate, mk.metrics.durations):
        wanted = metric(builds, **options).reset_index()
        pd.testing.assert_series_equal(declared(metric, **options).dtypes, wanted.dtypes)


def test_every_metric_is_tried_or_refused_with_a_sentence():
    refused = {}
    for name in mk.metrics.__all__:
        try:
            declared(getattr(mk.metrics, name))
        except errors.InputError as error:
            refused[name] = error
    assert set(mk.metrics.__all__) - set(refused) == {name for name, _ in EVERY_METRIC}
    assert all(error.hint and error.message.endswith(".") for error in refused.values())
    for name in ("failure_families", "recovery", "top_failing"):
        assert f"{name}(builds).drop(columns=" in str(refused[name])


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
    with local_spark.session(tmp_path_factory.mktemp("spark")) as session:
        yield session


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A history of projects, of which some are odd, that was filled from a server, and its export."""
    folder = tmp_path_factory.mktemp("export")
    answers = dict(bench_scale.answers(6000, 12))
    account = Account(0, tuple(answers))
    rows = account.rows["builds"] = [row for content in answers.values() for row in json.loads(content)]
    history = mk.History(folder / "history.duckdb")
    with serve(account) as client:
        history.sync(client, resources=["builds", "projects"], progress=False)
        client_frame = client.builds.find()
        account.remove("builds", *[row["id"] for row in rows if row["project_id"] == 12][:20])
        history.sync(client, resources=["builds", "projects"], progress=False)
    history.export(folder / "out")
    return history, folder / "out" / "builds", client_frame


def check_equal(found, wanted):
    pd.testing.assert_frame_equal(found, wanted, check_exact=True)


@on_spark
@pytest.mark.parametrize(("name", "options"), bench_scale.ASKED)
def test_client_history_and_spark_give_equal_numbers(spark, exported, name, options):
    history, folder, client_frame = exported
    wanted = bench_scale.by_pandas(history.builds(), name, options)
    by_client = bench_scale.by_pandas(client_frame, name, options)
    check_equal(wanted.drop(columns="n_gone", errors="ignore"), by_client)
    assert name != "failure_rate" or 0 < wanted["n_gone"].sum() <= 20
    check_equal(bench_scale.by_spark(folder.parent, spark, wanted, name, options), wanted)


@on_spark
@pytest.mark.parametrize(("name", "options"), EVERY_METRIC)
def test_metric_on_spark_equals_the_one_on_pandas(spark, exported, name, options):
    metric = getattr(mk.metrics, name)
    if "tz" in inspect.signature(metric).parameters:
        options = {**options, "tz": "Europe/Vienna"}
    wanted = local_spark.on_pandas(exported[0].builds(), metric, options)
    shape = declared(metric, **options)
    pd.testing.assert_series_equal(wanted.dtypes[list(shape.columns)], shape.dtypes)
    frame = spark.read.parquet(str(exported[1]))
    check_equal(local_spark.back(mk.scale.by_project(frame, metric, **options).toArrow(), wanted), wanted)


@on_spark
@NEEDS_CONNECT
def test_spark_connect_gives_the_same_numbers(exported, tmp_path):
    from pyarrow import parquet

    asked = [*bench_scale.ASKED, ("failure_rate", {"every": "Q", "by": "pattern"})]
    (tmp_path / "asked.json").write_text(json.dumps({"builds": str(exported[1]), "metrics": asked}))
    subprocess.run(
        [sys.executable, "-m", "tests.support.local_spark", str(tmp_path)],
        check=True, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(HOME)}, timeout=550,
    )  # fmt: skip
    for number, (name, options) in enumerate(asked):
        wanted = local_spark.on_pandas(exported[0].builds(), getattr(mk.metrics, name), options)
        check_equal(local_spark.back(parquet.read_table(tmp_path / f"{number}.parquet"), wanted), wanted)
    module, files = json.loads((tmp_path / "where.json").read_text())
    assert ".connect." in module
    assert [file.endswith(IN_ARTIFACT) for file in files] == [True]


@on_spark
def test_workers_take_mkframe_from_the_artifact(spark, exported):
    (file,) = local_spark.worker_files(spark.read.parquet(str(exported[1])))
    assert file.endswith(IN_ARTIFACT)


@on_spark
def test_export_is_read_alike_by_all_engines(spark, exported):
    found = bench_scale.figures(exported[1].parent, spark)
    builds = exported[0].builds()
    assert found["pyarrow"][["builds", "gone", "patterns", "downloads"]].sum().tolist() == [
        len(builds), builds["gone_since"].notna().sum(), sum(map(sum, builds["patterns"])),
        len(mk.explode_downloads(builds)),
    ]  # fmt: skip
    for name, figures in found.items():
        pd.testing.assert_frame_equal(figures, found["pyarrow"], obj=name)


@on_spark
def test_order_of_rows_and_kind_of_key_change_nothing(spark, exported):
    from pyspark.sql import functions as f

    def in_order(builds):
        """Ids in their order, and a sum that depends on it."""
        seconds = mk.metrics.duration(builds).dt.total_seconds()
        return pd.DataFrame({"n": builds.index.to_numpy("int64"), "seconds": seconds.cumsum().to_numpy()})

    def failing(builds):
        return mk.metrics.top_failing(builds).drop(columns="build_ids")

    wanted = local_spark.on_pandas(exported[0].builds(), in_order, {}).drop(columns="level_1")
    frame = spark.read.parquet(str(exported[1])).repartition(5).orderBy(f.rand(3))
    check_equal(local_spark.back(mk.scale.by_project(frame, in_order).toArrow(), wanted), wanted)
    failed = local_spark.on_pandas(exported[0].builds(), failing, {})
    check_equal(local_spark.back(mk.scale.by_project(frame, failing).toArrow(), failed), failed)
    keys = {
        "a key": f.expr("IF(project_id = 2, NULL, concat('P.', project_id))"),
        "day": f.expr("date_add(DATE'2024-01-01', int(project_id))"),
        "time": f.expr("timestamp_micros(1730000000000000 + project_id)"),
        "amount": f.expr("CAST(project_id AS DECIMAL(9, 2))"),
        "part": f.expr("named_struct('a', project_id)"),
    }
    for name, key in keys.items():
        found = mk.scale.by_project(frame.withColumn(name, key), in_order, key=name).toArrow()
        counts = found.to_pandas()[name].astype(str).value_counts(dropna=False)
        assert sorted(counts) == sorted(wanted["project_id"].value_counts()), name


@on_spark
def test_wrong_frame_is_refused_before_anything_runs(spark, exported):
    frame = spark.read.parquet(str(exported[1]))
    for given, words in (
        (frame.drop("status"), "status"),
        (frame.drop("project_id"), "project_id"),
        (frame.withColumnRenamed("message", "mess.age"), "has a dot"),
        (frame.withColumn("build_start", frame["build_start"].cast("timestamp_ntz")), "without a zone"),
        (frame.withColumnRenamed("message", "STATUS"), "2 columns of the name 'status'"),
        (frame.selectExpr("*", "INTERVAL '1' MONTH AS age"), "interval month, which pyarrow cannot read"),
        (frame.withColumn("build_end", frame["build_end"].cast("string")), "times with a zone .* Cast it in"),
    ):
        with pytest.raises((errors.InputError, errors.SchemaError), match=words):
            mk.scale.by_project(given, mk.metrics.failure_rate)
    with pytest.raises(errors.InputError, match="depend on the builds"):
        mk.scale.by_project(frame, mk.metrics.outcomes)


@on_spark
def test_needed_columns_are_enough_and_the_key_may_be_text(spark, exported):
    history, folder, _ = exported
    few = spark.read.parquet(str(folder)).selectExpr(
        "status", "build_start", "NULL AS build_end", "concat('P', project_id) AS project"
    )
    found = mk.scale.by_project(few, mk.metrics.throughput, key="project", every="Q").toArrow().to_pandas()
    builds = history.builds().query("build_start.notna()")
    assert set(found["project"]) == set("P" + builds["project_id"].astype(str))
    assert found["builds"].sum() == len(builds)

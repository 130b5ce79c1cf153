"""The other libraries in the benchmark read the same frames from the same bytes."""

import json
from pathlib import Path

import pytest

from mkframe._pandas import copy_on_write
from tests.benchmarks import bench_frames as bench
from tests.support.rows import body


@pytest.mark.parametrize("name", [name for name in bench.PEERS if name != "mkframe"])
def test_peer_reads_the_same_frames(name):
    if not copy_on_write:
        pytest.skip("the other libraries' steps of the benchmark are written for pandas 3")
    if not bench.installed(name):
        pytest.skip(f"{name} is not installed")
    bench.check_equal(name, bench.body(60))


def test_benchmark_row_is_about_as_long_as_the_vendors_example():
    example = json.loads((Path(__file__).parents[1] / "vendor/builds_wait_true.json").read_text())["build"]
    made = [{name: row[name] for name in example} for row in json.loads(bench.body(300))]
    assert 0.9 < len(body(made)) / 300 / len(body(example)) < 1.2


def test_benchmark_weird_rows_give_equal_frames():
    plain, weird = (bench.mkframe(bench.body(40, weird)) for weird in (0, 10))
    for ours, theirs in zip(bench.comparable(plain), bench.comparable(weird), strict=True):
        changed = {"active"} & set(ours.columns)
        assert ours.drop(columns=changed).equals(theirs.drop(columns=changed))

"""Other libraries, asked by the benchmark, read the same frames from the same bytes."""

import pytest

from tests.benchmarks import bench_frames as bench


@pytest.mark.parametrize("name", [name for name in bench.PEERS if name != "mkframe"])
def test_peer_reads_the_same_frames(name):
    if not bench.installed(name):
        pytest.skip(f"{name} is not installed")
    bench.check_equal(name, bench.body(60))


def test_body_is_as_large_as_real_ones():
    assert 600 < len(bench.body(300)) / 300 < 760


def test_weird_rows_take_the_careful_road_and_read_alike():
    plain, weird = (bench.mkframe(bench.body(40, weird)) for weird in (0, 10))
    for ours, theirs in zip(bench.comparable(plain), bench.comparable(weird), strict=True):
        changed = {"active"} & set(ours.columns)
        assert ours.drop(columns=changed).equals(theirs.drop(columns=changed))

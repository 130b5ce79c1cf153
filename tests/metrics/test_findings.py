"""What is called wrong, fine or not known."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from mkframe import metrics
from mkframe.errors import InputError
from mkframe.metrics._findings import STATES

COLUMNS = ["state", "short", "says"]


def day_after_day(factory, statuses, seconds, first="2026-04-01T08:00:00Z"):
    """Four builds a day with the given statuses and seconds of each day."""
    rows = []
    start = pd.Timestamp(first)
    for day, (words, length) in enumerate(zip(statuses, seconds, strict=True)):
        rows += [
            {
                "status": word,
                "build_start": str(start + pd.Timedelta(days=day, hours=hour)),
                "seconds": length,
                "patterns": [801],
            }
            for hour, word in enumerate(words)
        ]
    return factory.builds(*rows)


GOOD, BAD = ["FINISHED"] * 4, ["FAILED", "FAILED", "FAILED", "FINISHED"]


@pytest.mark.parametrize(
    ("statuses", "seconds", "failures", "durations"),
    [
        ([GOOD] * 28 + [BAD] * 28, [60, 61] * 28, "wrong", "unchanged"),
        ([BAD] * 28 + [GOOD] * 28, [60, 61] * 28, "better", "unchanged"),
        ([GOOD] * 56, [60, 61] * 14 + [90, 91] * 14, "unchanged", "wrong"),
        ([GOOD] * 56, [90, 91] * 14 + [60, 61] * 14, "unchanged", "better"),
        ([GOOD] * 2, [60, 61], "unknown", "unknown"),
    ],
)
def test_periods_are_judged_by_their_intervals(statuses, seconds, failures, durations, factory):
    found = metrics.findings(day_after_day(factory, statuses, seconds))
    assert found.loc[["failures", "durations"], "state"].tolist() == [failures, durations]


def test_open_chain_is_wrong_until_a_build_finishes(factory):
    builds = day_after_day(factory, [["FAILED", "FAILED"]], [60])
    found = metrics.findings(builds)
    assert found.loc["broken", "state"] == "wrong"
    assert "801 (since 1 April, 2 failed builds, the first 1)" in found.loc["broken", "says"]
    mended = day_after_day(factory, [["FAILED", "FAILED", "FINISHED"]], [60])
    assert metrics.findings(mended).loc["broken", "state"] == "fine"


def test_chain_of_months_ago_is_not_broken_now(factory):
    builds = day_after_day(factory, [["FAILED"]], [60])
    found = metrics.findings(builds, now="2026-06-01T00:00Z")
    assert found.loc["broken", ["state", "short"]].tolist() == [
        "unknown", "1 pattern set not built successfully for over 30 days",
    ]  # fmt: skip


def test_day_of_a_failure_is_that_of_the_zone(factory):
    builds = day_after_day(factory, [["FAILED"]], [60], first="2026-04-01T23:30:00Z")
    assert "since 2 April" in metrics.findings(builds, tz="Europe/Vienna").loc["broken", "says"]


def test_running_build_beyond_its_range_is_wrong(factory):
    past = day_after_day(factory, [GOOD] * 10, [60, 61] * 5)
    running = factory.builds({"status": "BUILDING", "build_start": "2026-04-11T08:00:00Z", "patterns": [801]})
    builds = pd.concat([past, running.set_axis([99])])
    late = metrics.findings(builds, now="2026-04-11T09:00Z").loc["running"]
    assert late["state"] == "wrong"
    assert ": build 99 has run for 1 h, longer than all 40 similar builds" in late["says"]
    early = metrics.findings(builds, now="2026-04-11T08:00:30Z").loc["running"]
    assert early[["state", "short"]].tolist() == ["fine", "1 build runs, none unusually long"]
    assert re.search(
        r"unusually long\. Build 99: 30 s to 31 s more \(80 %\), .*; if it finishes\.$", early["says"]
    )


def test_running_build_without_history_is_not_judged(factory):
    builds = factory.builds({"status": "BUILDING", "build_start": "2026-04-11T08:00:00Z"})
    found = metrics.findings(builds)
    assert found.loc[["broken", "running"], "state"].tolist() == ["unknown", "unknown"]


@pytest.mark.parametrize("start", [None, "0001-01-01T00:00:00Z", "9999-12-31T23:00:00Z"])
def test_result_has_its_columns_whatever_the_times(start, factory):
    good = {"build_start": "2026-04-11T08:00:00Z", "seconds": 60}
    odd = {"build_start": start} | ({"seconds": 5} if start else {})
    builds = factory.builds(good, odd)
    assert metrics.findings(builds).equals(metrics.findings(builds[:1]))
    for frame in (builds, builds[1:], builds[:0]):
        found = metrics.findings(frame, tz="Europe/Vienna")
        assert list(found.columns) == COLUMNS
        assert set(found["state"]) <= set(STATES)
        assert metrics.verdict(found).endswith(".")
    assert metrics.verdict(metrics.findings(builds[:0])) == "There are no builds to judge."


def test_verdict_on_builds_is_refused(factory):
    for wrong in (factory.builds({}), [], None):
        with pytest.raises(InputError, match=r"verdict\(mk.metrics.findings\(builds\)\)"):
            metrics.verdict(wrong)


def test_verdict_says_first_what_is_wrong():
    found = pd.DataFrame(
        {
            "state": ["fine", "unchanged", "wrong", "wrong"],
            "short": ["a is fine", "no change shown in b", "c is slow", "d is broken"],
        }
    )
    assert metrics.verdict(found) == "C is slow and d is broken; no change shown in b; a is fine."

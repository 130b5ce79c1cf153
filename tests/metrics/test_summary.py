from __future__ import annotations

import re

import pytest

from mkframe import metrics


def test_summary_equals_the_metrics(factory):
    rows = [{"status": "FAILED", "seconds": 5}, {"seconds": 60}, {"seconds": 120}]
    builds = factory.builds(*rows * 5)
    table = metrics.summary(builds)
    rate = metrics.failure_rate(builds, None).iloc[0]
    names = ["failure_rate", "failure_rate_low", "failure_rate_high", "failure_rate_n"]
    assert table.loc[names, "value"].tolist() == rate[["rate", "low", "high", "n"]].tolist()
    assert table.loc[["builds", "finished", "failed", "duration_p50"], "value"].tolist() == [15, 10, 5, 90]


def test_summary_compares_four_weeks(factory):
    start = [f"2026-{month:02d}-{day:02d}T08:00:00Z" for month, day in ((1, 1), (1, 28), (1, 29), (2, 25))]
    status = ["FAILED", "FAILED", "FINISHED", "FINISHED"]
    rows = [{"build_start": s, "status": w, "seconds": 9} for s, w in zip(start, status, strict=True)]
    value = metrics.summary(factory.builds(*rows))["value"]
    assert value[["earlier_failure_rate", "earlier_failure_n"]].tolist() == [1, 2]
    assert value[["recent_failure_rate", "recent_failure_n"]].tolist() == [0, 2]


def test_summary_short_history_is_not_compared(factory):
    start = ["2026-01-02T08:00:00Z", "2026-02-25T08:00:00Z"]
    table = metrics.summary(factory.builds(*({"build_start": s} for s in start)))
    assert table.loc["days", "value"] == 55
    assert table.loc["earlier_failure_n", "value"] == 0
    assert table.loc["earlier_failure_rate", "text"] == "–"


def test_summary_counts_builds_left_out(factory):
    builds = factory.builds({"build_start": None}, {"seconds": -1}, {"status": "BUILDING"}, {"seconds": 4})
    value = metrics.summary(builds)["value"]
    assert value[["without_start", "end_before_start", "running", "duration_n"]].tolist() == [1, 1, 1, 1]


def test_summary_no_pattern_is_not_the_busiest(factory):
    builds = factory.builds({"patterns": []}, {"patterns": []}, {"patterns": [7]})
    assert metrics.summary(builds).loc["busiest_pattern"].tolist() == [1.0, "7"]


def test_describe_full_history_gives_all_sentences(factory):
    start = [f"2026-{month:02d}-10T08:00:00Z" for month in (1, 2, 3, 4)]
    rows = [
        {"build_start": s, "seconds": 90, "status": w, "patterns": [7]}
        for s in start
        for w in ("FAILED", "FINISHED")
    ]
    text = metrics.describe(factory.builds(*rows, {"status": "BUILDING", "build_start": start[-1]}))
    assert text[0] == (
        "9 builds started from 10 January 2026 to 10 April 2026 (91 days): "
        "4 finished, 4 failed, 0 canceled, 1 running."
    )
    assert text[1].startswith("50.0 % of the 8 builds that finished or failed have failed")
    assert text[2] == "Half of the 4 finished builds took at most 1 min 30 s, 95 in 100 at most 1 min 30 s."
    assert text[3] == "The pattern built most often is 7: 8 builds."
    assert text[-1].startswith("Left out of these figures where they do not apply: 1 running build")


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (
            "FINISHED",
            [
                "The one build that finished or failed has not failed.",
                "The one finished build took 1 min 30 s.",
            ],
        ),
        ("FAILED", ["The one build that finished or failed has failed."]),
    ],
)
def test_describe_one_build_is_singular(factory, status, expected):
    text = metrics.describe(factory.builds({"status": status, "seconds": 90}))
    assert set(expected) <= set(text)


def test_describe_missing_values_are_explained(factory):
    text = " ".join(metrics.describe(factory.builds({"status": "CANCELED", "build_start": None})))
    assert "no failure rate" in text
    assert "no typical duration" in text
    assert "1 build without a start" in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["FINISHED"], "1 build: 1 finished, 0 failed, 0 canceled. The one build .* has not failed."),
        (["FAILED"], "The one build that finished or failed has failed."),
        (["FAILED", "FINISHED"], "50.0 % of the 2 builds that finished or failed have failed"),
    ],
)
def test_describe_builds_without_any_start_has_their_rate(factory, statuses, expected):
    builds = factory.builds(*({"status": status, "build_start": None} for status in statuses))
    assert re.search(expected, " ".join(metrics.describe(builds)))


def test_describe_impossible_start_is_said_once(factory):
    rows = [{"build_start": f"{year}-04-01T08:00:00Z", "seconds": 60} for year in (2026, 1970)]
    text = " ".join(metrics.describe(factory.builds(*rows)))
    assert "with an impossible date" in text
    assert "without a start" not in text


def test_describe_no_builds_is_one_sentence(factory):
    assert metrics.describe(factory.builds()) == ["There are no builds."]


@pytest.mark.parametrize("status", ["FINISHED", "BUILDING"])
def test_summary_one_build_counts(status, factory):
    assert metrics.summary(factory.builds({"status": status})).loc["builds", "text"] == "1"


@pytest.mark.parametrize("name", ["x" * 10**6, "a\nb\x1b[31m\u202e"])
def test_describe_long_name_is_cut_to_one_line(name, factory):
    text = metrics.describe(factory.builds({"seconds": 5, "pattern_names": [name]}))
    sentence = next(sentence for sentence in text if sentence.startswith("The pattern built most often"))
    assert len(sentence) < 150
    assert sentence.isprintable()


def test_describe_finished_builds_without_duration(factory):
    text = metrics.describe(factory.builds({"end": None}, {"end": None}))
    assert "No finished build has a duration, so there is no typical duration." in text
    text = metrics.describe(factory.builds({"end": None}, {"seconds": 90}))
    assert "The one finished build that has a duration took 1 min 30 s." in text

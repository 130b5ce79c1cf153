"""Tables as a notebook shows them; the frame behind them stays typed."""

from __future__ import annotations

import pandas as pd
import pytest

import mkframe as mk
from mkframe import metrics
from mkframe.errors import InputError


@pytest.fixture(scope="module")
def builds(factory):
    rows = [
        {
            "build_start": f"2026-0{1 + n // 10}-{1 + n % 10:02d}T08:00:00Z",
            "seconds": 90 + n,
            "status": "FAILED" if n % 19 == 0 else "FINISHED",
            "patterns": [808],
            "instances": 1 + n % 5,
            "message": "Timeout",
        }
        for n in range(60)
    ]
    return factory.builds(*rows)


def test_durations_and_months_are_readable(builds):
    table = metrics.durations(builds, "M")
    text = repr(mk.show(table))
    assert "Jan 2026" in text
    assert "1 min 35 s" in text
    assert "00:00:00" not in text
    assert ".000" not in text


def test_rates_of_groups_are_in_percent(builds):
    text = repr(mk.show(metrics.failure_rate(builds, by="pattern")))
    assert "6.7 %" in text
    assert "0.06" not in text


@pytest.mark.parametrize(
    "make",
    [
        metrics.durations, metrics.outcomes, metrics.throughput, metrics.calendar, metrics.compare_periods,
        metrics.change_points, metrics.cost_card, metrics.failure_families, metrics.median_duration,
        metrics.recovery, metrics.summary, metrics.top_failing, metrics.longest, lambda frame: frame,
        lambda frame: metrics.durations(frame, "M").T, lambda frame: frame.iloc[:0],
        lambda frame: frame[[]], lambda frame: pd.concat([frame, frame], axis=1),
    ],
)  # fmt: skip
def test_any_table_is_shown_and_unchanged(make, builds):
    table = make(builds)
    before = table.copy(deep=True)
    shown = mk.show(table)
    assert "<table" in shown._repr_html_()
    assert "Timestamp(" not in repr(shown)
    assert "NaT" not in repr(shown)
    assert shown.frame is table
    pd.testing.assert_frame_equal(table, before)


def test_words_of_a_server_are_escaped(builds):
    evil = "<script>alert(1)</script>\x1b[31m"
    table = builds.assign(message=evil, pattern_names=[[evil]] * 60, **{evil: evil}).set_index("message")
    html = mk.show(table)._repr_html_()
    assert "<script" not in html
    assert "\x1b" not in html


def test_long_tables_and_texts_are_cut_and_counted(builds):
    many = pd.concat([builds] * 2).assign(message="x" * 10_000)
    html = mk.show(many)._repr_html_()
    assert "<p>20 more rows.</p>" in html
    assert len(html) < 250_000


def test_times_at_the_ends_of_the_calendar_are_shown():
    times = [pd.Timestamp("0001-01-01", tz="UTC"), pd.Timestamp("9999-12-31T23:59:59", tz="UTC")]
    frame = pd.DataFrame({"at": pd.Series(times, dtype="datetime64[us, UTC]").dt.tz_convert("Europe/Vienna")})
    assert "0001" in repr(mk.show(frame))


def test_no_option_of_pandas_is_changed(builds):
    before = pd.get_option("display.max_colwidth"), pd.get_option("display.max_columns")
    mk.show(builds)._repr_html_()
    assert (pd.get_option("display.max_colwidth"), pd.get_option("display.max_columns")) == before


def test_what_is_no_frame_is_refused():
    with pytest.raises(InputError, match="Series"):
        mk.show(pd.Series([1]))

"""The clocks of the views: measured, used or refused; nothing is moved silently."""

import numpy as np
import pandas as pd
import pytest

import mkframe as mk
from mkframe import errors
from mkframe.frames import from_rows
from tests.builds.servers import connect_to
from tests.client.test_metadata import SCOPE, result
from tests.client.test_views import view_rows
from tests.support import faults
from tests.support.rows import row

DAYS = pd.date_range("2025-01-03 06:41:17.250", "2025-12-20", freq="53h17min", tz="UTC")


def builds_frame(starts=DAYS, **more):
    """Builds of some starts, each of which lasts a minute and a half."""
    sent = [
        row(
            "builds",
            number,
            status="FINISHED",
            build_start=start.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            build_end=(start + pd.Timedelta("97s")).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            **more,
        )
        for number, start in enumerate(starts, 1)
    ]
    return from_rows("builds", sent)


def fixed(hours):
    return lambda time: time.tz_localize(None) + pd.Timedelta(hours=hours)


def there(zone):
    return lambda time: time.tz_convert(zone).tz_localize(None)


def behind(zone):
    """A clock that is behind UTC by as much as a zone is ahead."""
    return lambda time: (
        time.tz_localize(None) - (time.tz_convert(zone).tz_localize(None) - time.tz_localize(None))
    )


CLOCKS = {
    "UTC": (fixed(0), "UTC"),
    "one hour": (fixed(1), "+01:00"),
    "behind": (fixed(-5), "-05:00"),
    "quarter hours": (fixed(5.75), "+05:45"),
    "summer time": (there("Europe/Vienna"), "Europe/Vienna"),
    "other summer time": (there("America/New_York"), "America/New_York"),
    "southern summer": (there("Australia/Sydney"), "Australia/Sydney"),
    "rare zone": (there("America/Santiago"), "America/Santiago"),
    "behind by summer time": (behind("Europe/Vienna"), "-Europe/Vienna"),
}
clocks = pytest.mark.parametrize(("clock", "zone"), CLOCKS.values(), ids=CLOCKS)
FORMS = {"seconds": "%Y-%m-%d %H:%M:%S", "wrong Z": "%Y-%m-%dT%H:%M:%S.000Z"}


def delivered(starts, clock, form="%Y-%m-%d %H:%M:%S"):
    """Rows of DELIVERIES, two for each build."""
    lines = view_rows("DELIVERIES", 2 * len(starts))
    for number, line in enumerate(lines):
        build = number // 2
        line |= {"ID": number, "BUILD_ID": build + 1, "BUILD_START": clock(starts[build]).strftime(form)}
    return lines


def ask(call, answered):
    with faults.serve(result(answered)) as server, connect_to(server.api) as client:
        return call(client)


def deliveries(answered, **given):
    return ask(lambda client: client.deliveries(**SCOPE, **given), answered)


@clocks
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_clock_of_deliveries_is_found_and_applied(clock, zone, form):
    answered = delivered(DAYS, clock, form)
    found = mk.metrics.view_offset(deliveries(answered), builds_frame())
    assert (found.zone, found.n, found.share) == (zone, len(DAYS), 1.0)
    values = [clock(t) - t.tz_localize(None) for t in DAYS]
    assert found.offset == max(sorted(set(values)), key=values.count)
    moved = deliveries(answered, utc=builds_frame())["BUILD_START"]
    assert moved.dtype == "datetime64[us, UTC]"
    assert moved.tolist() == DAYS.floor("s").repeat(2).tolist()


def test_clock_is_not_guessed_from_a_majority_of_summer():
    starts = DAYS[(DAYS.month >= 4) & (DAYS.month < 10)].append(DAYS[DAYS.month == 12][:4])
    found = mk.metrics.view_offset(
        deliveries(delivered(starts, there("Europe/Vienna"))), builds_frame(starts)
    )
    assert (found.zone, found.share) == ("Europe/Vienna", 1.0)
    assert found.offset == pd.Timedelta("2h")


@pytest.mark.parametrize(("wrong", "works"), [(0.05, True), (0.2, False)])
def test_clock_on_which_too_few_agree_is_refused(wrong, works):
    answered = delivered(DAYS, fixed(1))
    for line in answered[: round(wrong * len(answered))]:
        line["BUILD_START"] = str(pd.Timestamp(line["BUILD_START"]) + pd.Timedelta("7min"))
    if works:
        with pytest.warns(UserWarning, match=r"for 8 of 158 builds, by up to 0:07:00 hours.* \+01:00"):
            assert deliveries(answered, utc=builds_frame())["BUILD_START"].notna().all()
    else:
        with pytest.raises(errors.InputError, match=r"79% agree|80% agree|81% agree"):
            deliveries(answered, utc=builds_frame())
    assert mk.metrics.view_offset(deliveries(answered), builds_frame()).zone == "+01:00"


def test_deliveries_of_no_known_build_are_refused():
    other = builds_frame().set_axis(range(10_000, 10_000 + len(DAYS))).rename_axis("id")
    found = mk.metrics.view_offset(deliveries(delivered(DAYS, fixed(0))), other)
    assert (found.zone, found.n, found.share) == (None, 0, 0.0)
    with pytest.raises(errors.InputError, match="of 0 builds"):
        deliveries(delivered(DAYS, fixed(0)), utc=other)


def test_deliveries_beyond_the_measured_days_are_refused():
    winter = builds_frame()[lambda frame: frame["build_start"] < pd.Timestamp("2025-02-20", tz="UTC")]
    with pytest.raises(errors.InputError, match="outside of the days of the builds"):
        deliveries(delivered(DAYS, there("Europe/Vienna")), utc=winter)


def test_no_deliveries_are_moved_to_an_empty_column():
    assert deliveries([], utc=builds_frame())["BUILD_START"].dtype == "datetime64[us, UTC]"


def test_repeated_hour_is_told_apart_by_the_builds():
    twice = pd.to_datetime(["2025-10-26 00:30:10Z", "2025-10-26 01:30:10Z"])
    starts = DAYS[:-2].append(twice)
    answered = delivered(starts, there("Europe/Vienna"))
    moved = deliveries(answered, utc=builds_frame(starts))["BUILD_START"]
    assert moved.iloc[-4:].tolist() == [twice[0], twice[0], twice[1], twice[1]]
    lost = builds_frame(starts)
    with pytest.warns(UserWarning, match="2 of the times of BUILD_START lie in an hour"):
        moved = deliveries(answered, utc=lost[lost["build_start"] != twice[0]])["BUILD_START"]
    assert moved.iloc[-4:-2].isna().all()


def test_since_with_a_zone_is_compared_in_utc():
    answered = delivered(DAYS, there("Europe/Vienna"))
    since = pd.Timestamp("2025-06-01 12:00", tz="Europe/Vienna")
    found = deliveries(answered, utc=builds_frame(), since=since)
    assert found["BUILD_START"].tolist() == [t for t in DAYS.floor("s").repeat(2) if t >= since]


# Not everything that a server sends is what the schema says: such a column keeps what came, with a warning.


@pytest.mark.filterwarnings("ignore:Column:UserWarning")
@pytest.mark.parametrize("number", ["17", 17.0])
def test_build_id_that_is_no_integer_is_its_number(number):
    answered = delivered(DAYS, fixed(1))
    odd = [line for line in answered if line["BUILD_ID"] == 17]
    for line in odd:
        line["BUILD_ID"] = number
    answered[20]["BUILD_ID"], answered[21]["BUILD_ID"] = None, "no number"
    answered[22]["BUILD_ID"], answered[23]["BUILD_ID"] = True, 2**70
    found = deliveries(answered, build_id=17)
    assert found.index.tolist() == [line["ID"] for line in odd]
    clock = mk.metrics.view_offset(deliveries(answered), builds_frame())
    assert (clock.zone, clock.n) == ("+01:00", len(DAYS) - 2)
    moved = deliveries(answered, utc=builds_frame())["BUILD_START"]
    assert moved.tolist() == DAYS.floor("s").repeat(2).tolist()


def test_clock_of_times_that_arrow_keeps_is_found():
    found = deliveries(delivered(DAYS, fixed(1)))
    arrow = found.assign(BUILD_START=found["BUILD_START"].astype("timestamp[us][pyarrow]"))
    assert mk.metrics.view_offset(arrow, builds_frame()).zone == "+01:00"


@pytest.mark.filterwarnings("ignore:Column:UserWarning")
@pytest.mark.parametrize("value", ["05-JAN-25 09.00.00", 1767603600000, True])
@pytest.mark.parametrize("given", [{"since": "2025-02-01"}, {"utc": builds_frame()}], ids=["since", "utc"])
def test_start_that_is_no_time_is_refused(value, given):
    answered = delivered(DAYS, fixed(1))
    answered[5]["BUILD_START"] = value
    assert deliveries(answered)["BUILD_START"].tolist()[5] == value
    with pytest.raises(errors.InputError, match=f"BUILD_START holds what is no time, such as '?{value}"):
        deliveries(answered, **given)
    with pytest.raises(errors.InputError, match="BUILD_START holds what is no time"):
        mk.metrics.view_offset(deliveries(answered), builds_frame())


def test_starts_that_are_text_are_refused():
    frame = deliveries(delivered(DAYS, fixed(1)))
    written = frame.assign(BUILD_START=frame["BUILD_START"].astype(str).astype(object))
    with pytest.raises(errors.InputError, match="BUILD_START holds times as text"):
        mk.metrics.view_offset(written, builds_frame())


def test_no_builds_measure_nothing():
    none = builds_frame()[:0]
    found = mk.metrics.view_offset(deliveries(delivered(DAYS, fixed(1))), none)
    assert (found.zone, found.n, found.share) == (None, 0, 0.0)
    with pytest.raises(errors.InputError, match="of 0 builds"):
        deliveries(delivered(DAYS, fixed(1)), utc=none)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_impossible_start_of_a_build_measures_nothing(year):
    answered = delivered(DAYS, there("Europe/Vienna"))
    every = builds_frame()
    every.loc[1, "build_start"] = pd.Timestamp(f"{year}-06-01", tz="UTC").as_unit("us")
    for line in answered[:2]:
        line["BUILD_START"] = f"{year}-06-01 01:00:00"
    found = mk.metrics.view_offset(deliveries(answered), every)
    assert (found.zone, found.n, found.share) == ("Europe/Vienna", len(DAYS) - 1, 1.0)
    with pytest.raises(errors.InputError, match="2 of the deliveries lie outside of the days"):
        deliveries(answered, utc=every)


# --- commits ------------------------------------------------------------------------------------------


def committed(starts, clock, at="97.2s"):
    """Rows of COMMITS: two for each build at a time after its start, and one by hand."""
    lines = []
    for start in starts:
        stamp = int(clock(start + pd.Timedelta(at)).value // 10**6)
        built = {"TYPE": "Build", "STATUS": "FINISHED", "COMMIT_TIMESTAMP": stamp}
        lines += [line | built for line in view_rows("COMMITS", 2)]
        by_hand = int(clock(start + pd.Timedelta("3h12min")).value // 10**6)
        lines.append(view_rows("COMMITS", 1)[0] | {"TYPE": "Commit", "COMMIT_TIMESTAMP": by_hand})
    return lines


def commits(answered, **given):
    return ask(lambda client: client.commits(**SCOPE, **given), answered)


@pytest.mark.parametrize("at", ["97.2s", "0.4s"], ids=["end", "start"])
@clocks
def test_clock_of_commits_is_found_and_applied(clock, zone, at):
    moved = commits(committed(DAYS, clock, at), utc=builds_frame())
    expected = (DAYS + pd.Timedelta(at)).floor("ms")
    of_builds = moved.loc[moved["TYPE"] == "Build", "COMMIT_TIMESTAMP"]
    assert of_builds.tolist() == expected.repeat(2).tolist()
    by_hand = moved.loc[moved["TYPE"] == "Commit", "COMMIT_TIMESTAMP"]
    assert by_hand.tolist() == (DAYS + pd.Timedelta("3h12min")).floor("ms").tolist()


def test_clock_of_commits_that_was_changed_is_told():
    late = DAYS[-len(DAYS) // 20 :]
    answered = committed(DAYS[: -len(late)], fixed(1)) + committed(late, fixed(2))
    with pytest.warns(UserWarning, match=rf"{len(late)} of {len(DAYS)} stamps of builds fit another clock"):
        commits(answered, utc=builds_frame())


def test_commits_of_an_unmeasured_summer_are_told():
    winter = DAYS[DAYS.month.isin([1, 2, 12])]
    answered = [line for line in committed(DAYS, there("Europe/Vienna")) if line["TYPE"] == "Commit"]
    answered += [line for line in committed(winter, there("Europe/Vienna")) if line["TYPE"] == "Build"]
    with pytest.warns(UserWarning, match=r"[0-9]+ of the commits lie where the clock may be another"):
        commits(answered, utc=builds_frame())


def test_commits_stay_numbers_without_builds():
    assert commits(committed(DAYS, fixed(1)))["COMMIT_TIMESTAMP"].dtype == "Int64"


def test_commits_far_from_builds_are_refused():
    with pytest.raises(errors.InputError, match="clock of COMMIT_TIMESTAMP cannot be measured"):
        commits(committed(DAYS, fixed(1), at="400s"), utc=builds_frame())


@pytest.mark.filterwarnings("ignore:Column:UserWarning")
def test_stamp_that_is_written_as_text_is_its_number():
    answered = committed(DAYS, fixed(1))
    for line in answered[:3]:
        line["COMMIT_TIMESTAMP"] = str(line["COMMIT_TIMESTAMP"])
    answered[-1]["COMMIT_TIMESTAMP"] = None
    moved = commits(answered, utc=builds_frame())["COMMIT_TIMESTAMP"]
    assert moved[:2].tolist() == [(DAYS[0] + pd.Timedelta("97.2s")).floor("ms")] * 2
    assert moved.isna().sum() == 1


@pytest.mark.filterwarnings("ignore:Column:UserWarning")
@pytest.mark.parametrize("value", ["2025-01-05 09:00:00", 10**18, -(10**15), True, "1e12"])
def test_stamp_that_is_no_time_is_refused(value):
    answered = committed(DAYS, fixed(1))
    answered[4]["COMMIT_TIMESTAMP"] = value
    with pytest.raises(errors.InputError, match=f"no Unix milliseconds, such as '?{value}"):
        commits(answered, utc=builds_frame())


def test_too_few_commits_are_refused():
    with pytest.raises(errors.InputError, match="of 2 stamps"):
        commits(committed(DAYS[:2], fixed(1)), utc=builds_frame())


def test_builds_in_equal_steps_fit_more_than_one_clock():
    starts = pd.date_range("2025-06-02", periods=4000, freq="15min", tz="UTC")
    with pytest.raises(errors.InputError, match="More than one clock fits"):
        commits(committed(starts[1000:3000:10], fixed(1)), utc=builds_frame(starts))


@pytest.mark.parametrize("call", ["deliveries", "commits"])
@pytest.mark.parametrize("utc", [7, pd.DataFrame({"a": [1]}), [5139], builds_frame().iloc[:, :3]],
                         ids=["number", "frame", "list", "few columns"])  # fmt: skip
def test_utc_that_is_no_builds_frame_is_refused_unsent(call, utc):
    with faults.serve(result([])) as server, connect_to(server.api) as client:
        with pytest.raises(errors.InputError):
            getattr(client, call)(**SCOPE, utc=utc)
        assert server.connections == 0


def test_real_clocks_are_those_of_the_demo_server(client):
    every = client.builds.find(**SCOPE)
    found = mk.metrics.view_offset(client.deliveries(**SCOPE), every)
    assert (found.zone, found.share) == ("UTC", 1.0)
    moved = client.deliveries(**SCOPE, utc=every)
    starts = moved["BUILD_ID"].map(every["build_start"])
    assert (moved["BUILD_START"] == starts).all()
    stamps = client.commits(**SCOPE, utc=every)
    ends = every.loc[every["build_end"].notna(), "build_end"]
    assert set(stamps.loc[stamps["TYPE"] == "Build", "COMMIT_TIMESTAMP"]) == set(ends)
    assert np.isnat(stamps["COMMIT_TIMESTAMP"].to_numpy("datetime64[us]")).sum() == 0

"""The Monday page: its numbers are recomputed from the raw builds, and its claims by other statistics."""

import datetime as dt
import html
import re

import numpy as np
import pandas as pd
import pytest

import mkframe as mk
from mkframe import report
from mkframe.errors import InputError
from mkframe.report import WeekSources, monday
from tests.support import html_checks
from tests.support.build_frames import frame
from tests.support.week_checks import Case, faults

MONDAY = dt.date(2026, 7, 13)
UTC = dt.UTC
AS_OF = dt.datetime(2026, 7, 20, 7, 30, tzinfo=UTC)
CAUSES = ("Timeout after {} s", "Instance KUNDE_{} (id {}): role BK is missing", "disk full")
PATTERNS = (["CORE_HUB"], ["CORE_HUB", "SAT"], ["MART"])


def history(seed, weeks=30, per_day=4, rate=0.2, last_rate=None, last_slower=1.0, slower_since=None):
    """Made-up builds until the morning of `AS_OF`: two projects, three pattern sets, weekdays only."""
    rng = np.random.default_rng(seed)
    rows, number = [], 5000
    begin = dt.datetime(2026, 7, 13, tzinfo=UTC) - dt.timedelta(weeks=weeks - 1)
    for day in range(7 * weeks + 1):
        date = begin + dt.timedelta(days=day)
        if date.weekday() > 4:
            continue
        is_last = date.date() >= MONDAY
        for _ in range(rng.poisson(per_day) + 1):
            start = date + dt.timedelta(seconds=int(rng.integers(5 * 3600, 18 * 3600)))
            if start > AS_OF:
                continue
            number += 1
            instances = int(rng.integers(1, 9))
            seconds = float(np.exp(rng.normal(0, 0.25)) * (60 + 20 * instances))
            if is_last:
                seconds *= last_slower
            if slower_since is not None and day >= slower_since:
                seconds *= 1.6
            patterns = PATTERNS[int(rng.integers(3))]
            p = last_rate if is_last and last_rate is not None else rate
            word = rng.choice(["FAILED", "CANCELED", "FINISHED"], p=[p, 0.05, 0.95 - p])
            end = start + dt.timedelta(seconds=round(seconds, 3))
            status = str(word)
            if end > AS_OF:
                status, end = "BUILDING", None
            message = CAUSES[int(rng.integers(3))].format(number, number) if status == "FAILED" else ""
            rows.append(
                {"id": number, "status": status, "start": start, "end": end, "instances": instances,
                 "patterns": patterns, "project": "MAIN" if patterns != ["MART"] else "SALES",
                 "message": message}
            )  # fmt: skip
    return rows


def frame_of(rows):
    """The frame of raw builds, as a server's answer with names."""
    ids = {"CORE_HUB": 801, "SAT": 802, "MART": 803}
    return frame(
        "builds",
        [
            {"id": row["id"], "status": row["status"], "build_start": row["start"], "build_end": row["end"],
             "instances": row["instances"], "patterns": [ids[name] for name in row["patterns"]],
             "pattern_names": row["patterns"], "project_id": 402 if row["project"] == "MAIN" else 405,
             "project": row["project"], "message": row["message"], "deliveries_calculated": True}
            for row in rows
        ],
    )  # fmt: skip


def with_running(rows):
    """One build that runs for hours, and one that has just begun."""
    long = {"id": 9001, "status": "BUILDING", "start": AS_OF - dt.timedelta(hours=5), "end": None,
            "instances": 3, "patterns": ["MART"], "project": "SALES", "message": ""}  # fmt: skip
    return [*rows, long, {**long, "id": 9002, "start": AS_OF - dt.timedelta(seconds=20)}]


def page_and_case(rows, tz="UTC", now=AS_OF, **views):
    builds = frame_of(rows) if rows else frame("builds", []).assign(project=pd.Series(dtype="str"))
    page = monday(builds, period=str(MONDAY), tz=tz, now=now.isoformat(), source="demo", **views)
    return page, Case(rows, MONDAY, page.week.as_of.to_pydatetime(), tz)


HISTORIES = {
    "quiet": lambda: history(1),
    "failing": lambda: with_running(history(2, rate=0.08, last_rate=0.5, per_day=20)),
    "slower week": lambda: history(3, last_slower=1.9, per_day=8),
    "faster, better week": lambda: history(4, rate=0.5, last_rate=0.04, last_slower=0.5, per_day=20),
    "slower for weeks": lambda: history(5, slower_since=120, per_day=6),
    "abandoned": lambda: [
        row | ({"status": "FAILED", "message": "disk full"} if row["patterns"] == ["MART"] else {})
        for row in history(6, weeks=12)
        if row["patterns"] != ["MART"] or row["start"].month < 6
    ],
    "nothing in the week": lambda: [r for r in history(7) if r["start"].date() < MONDAY],
    "one build": lambda: [r for r in history(8) if r["start"].date() == MONDAY][:1],
    "two days": lambda: [r for r in history(9) if r["start"].date() > MONDAY + dt.timedelta(days=2)],
    "two failed": lambda: [
        row | {"status": "FAILED", "message": "disk full"}
        for row in [r for r in history(8) if r["start"].date() == MONDAY][:2]
    ],
    "only running": lambda: [row | {"start": AS_OF - dt.timedelta(days=2)} for row in with_running([])],
    "none": list,
}


@pytest.mark.parametrize("tz", ["UTC", "Europe/Vienna", "Pacific/Kiritimati"])
@pytest.mark.parametrize("name", HISTORIES)
def test_every_number_and_claim_is_recomputed(name, tz):
    page, case = page_and_case(HISTORIES[name](), tz)
    assert faults(page.text(), case) == []


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("failing", "More failed, by "),
        ("slower week", "Longer, by a factor of "),
        ("faster, better week", "Fewer failed, by "),
        ("faster, better week", "Shorter, by a factor of "),
        ("slower for weeks", " patterns are slower, most of all "),
        ("failing", "for unusually long: build 9001 (5 h, longer than "),
        ("abandoned", "not finished for over 30 days since a failure."),
        ("nothing in the week", "No build started in this week; "),
        ("one build", "Too few days to compare: 1 and 0; 3 are needed on each side."),
        ("two failed", "Both failed builds say “disk full”."),
        ("only running", "\n\nNo build has finished or failed.\n"),
        ("none", "No build started in this week; no build has finished or failed."),
        ("none", "0 pattern sets broken: no build has finished or failed"),
        ("quiet", "No difference is supported."),
    ],
)
def test_page_says_what_was_planted(name, claim):
    assert claim in page_and_case(HISTORIES[name]())[0].text()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["quiet", "failing", "faster, better week", "slower for weeks", "one build"])
def test_checker_finds_every_number_that_is_changed(name):
    page, case = page_and_case(HISTORIES[name]())
    text = page.text()
    missed = []
    for match in re.finditer(r"(?<![\d.,:])\d+(?![\d.,]*\d)", _checked(text)):
        other = f"{text[: match.start()]}{int(match[0]) + 3}{text[match.end() :]}"
        if not faults(other, case):
            missed.append(text[max(match.start() - 40, 0) : match.end() + 20])
    assert missed == []


def _checked(text):
    """Blank what comes from the metrics alone: details of changes and ranges, and words."""
    parts = (
        r"would most likely",
        r"^Durations of finished",
        r"not shown",
        r"^- \S+: since about",
        r"^Source",
    )
    lines = [" " * len(line) if any(re.search(p, line) for p in parts) else line for line in text.split("\n")]
    blank = "\n".join(lines)
    for pattern in (r"estimate .*", r"over 30 days", r"“.*?”", r"95 %", r"- [^:]*:",
                    r"8 weeks before", r"3 are needed", r"last 26 weeks", r"since \d+ \w+"):  # fmt: skip
        blank = re.sub(pattern, lambda m: " " * len(m[0]), blank)
    return blank


@pytest.mark.parametrize(
    ("claim", "instead"),
    [
        ("No difference is supported.", "More failed, by 1.0 to 9.0 points (95 % interval, days as units)."),
        (
            "No difference is supported.",
            "Longer, by a factor of 1.05 to 1.90 (95 % interval, days as units).",
        ),
        ("No difference is supported.", "Builds got slower."),
        ("no change shown in failure rates and durations.", "more builds failed and builds took longer."),
    ],
)
def test_checker_refuses_a_claim_that_is_not_carried(claim, instead):
    page, case = page_and_case(HISTORIES["quiet"]())
    assert claim in page.text()
    assert faults(page.text().replace(claim, instead), case)


def views():
    """Deliveries, releases and commits with rows of every kind, and what the checker needs of them."""
    rows = [r for r in HISTORIES["quiet"]() if r["project"] == "MAIN"]
    week = [r["id"] for r in rows if r["start"].date() >= MONDAY and r["status"] == "FINISHED"]
    delivered = set(week[::2])
    ends = {
        "R7": "2026-07-17T22:00Z",
        "R8": "2026-07-19T22:00Z",
        "R9": "2026-12-31T23:00Z",
        "R6": "2026-01-01T23:00Z",
    }
    releases = [
        {
            "id": n,
            "name": name,
            "end": dt.datetime.fromisoformat(end),
            "closed": name == "R6",
            "deleted": False,
        }
        for n, (name, end) in enumerate(ends.items(), 70)
    ]
    commits = [
        {"project": 402, "PATTERN": "CORE_HUB", "FOLDER": "/RAW", "INSTANCE": name, "RELEASE": release,
         "TYPE": kind, "STATUS": status, "COMMIT_TIMESTAMP": stamp, "DELETED": False}
        for name, release, kind, status, stamp in [
            ("A", "R7", "Commit", "FINISHED", 1), ("A", "R7", "Build", "FINISHED", 2),
            ("B", "R7", "Build", "FINISHED", 1), ("B", "R7", "Commit", "FINISHED", 5),
            ("B", "R7", "Build", "FAILED", 6), ("B", "R8", "Build", "FINISHED", 9),
            ("C", "R8", "Commit", "FINISHED", 3),
        ]
    ]  # fmt: skip
    asked = {
        "deliveries": {402: pd.DataFrame({"BUILD_ID": sorted(delivered)})},
        "releases": frame(
            "releases",
            [{**r, "end_date": r["end"], "group_id": 1, "start_date": None} for r in releases],
        ).drop(columns="end"),
        "commits": {402: pd.DataFrame(commits).drop(columns="project")},
    }
    return rows, asked, delivered, releases, commits


def test_views_are_recomputed_in_a_zone_of_their_own():
    rows, asked, delivered, releases, commits = views()
    page, case = page_and_case(rows, "Europe/Vienna", **asked)
    case.delivered, case.releases, case.commits = delivered, releases, commits
    text = page.text()
    assert faults(text, case) == []
    # the last day of R7 is 18 July in Vienna, and of R8 the very Monday of the page
    assert "1 open release is past its end, of 3 that have one: R7 (2 days)." in text
    assert "2 of 4 instances with commits, counted in each release, have changes" in text
    assert "Not asked" not in text


@pytest.mark.parametrize("missing", ["deliveries", "releases", "commits"])
def test_what_was_not_asked_is_named_and_never_zero(missing):
    rows, asked, *_ = views()
    del asked[missing]
    page, _ = page_and_case(rows, **asked, reasons={missing: "not allowed"})
    finding = {f.topic: f for f in page.findings}["Not asked"]
    words = {"deliveries": "delivered", "releases": "past their end", "commits": "not built"}
    assert finding.state == "unknown"
    assert words[missing] in finding.says
    assert "(not allowed)" in finding.says
    topics = {"deliveries": "Without delivery", "releases": "Releases", "commits": "Not built"}
    assert topics[missing] not in {f.topic for f in page.findings}


def test_view_that_cannot_be_used_does_not_cost_the_page():
    rows, asked, *_ = views()
    asked["commits"][402].loc[0, "COMMIT_TIMESTAMP"] = None
    page, _ = page_and_case(rows, **asked)
    finding = {f.topic: f for f in page.findings}["Not asked"]
    assert finding.says == "Which commits are not built (not usable: A commit has no COMMIT_TIMESTAMP)."
    assert "Releases" in {f.topic for f in page.findings}


def test_past_week_tells_nothing_of_the_present():
    rows, asked, *_ = views()
    page = monday(frame_of(rows), period="2026-06-15", now=AS_OF.isoformat(), **asked)
    assert page.week.as_of == pd.Timestamp("2026-06-22", tz="UTC")
    case = Case(rows, dt.date(2026, 6, 15), page.week.as_of.to_pydatetime())
    case.delivered = set(asked["deliveries"][402]["BUILD_ID"])
    assert faults(page.text(), case) == []
    assert "(they show the present, and the week is past)" in page.text()
    assert "Releases" not in {finding.topic for finding in page.findings}


def test_html_has_the_sentences_of_the_text():
    page, _ = page_and_case(HISTORIES["failing"]())
    written = page.html()
    words = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", written)).split())
    for sentence in (
        page.title,
        page.verdict,
        *(f.says for f in page.findings),
        *(t.title for t in page.tables),
    ):
        assert " ".join(sentence.split()) in words
    assert html_checks.faults(written) == []
    alts = re.findall('<img [^>]*alt="([^"]*)"', written)
    assert len(alts) == 1
    assert "How builds ended, per day." in alts[0]
    assert re.search(r"By status: .*FAILED [1-9]", alts[0])
    assert "The four weeks to 19 July 2026, day by day" in words


def test_page_is_the_same_for_rows_in_another_order():
    rows = HISTORIES["failing"]()
    shuffled = [rows[n] for n in np.random.default_rng(0).permutation(len(rows))]
    pages = [page_and_case(each)[0] for each in (rows, shuffled)]
    assert pages[0].text() == pages[1].text()
    stamp = re.compile("Written by mkframe on .*? UTC")
    assert stamp.sub("", pages[0].html()) == stamp.sub("", pages[1].html())


def test_only_news_leaves_out_what_was_so_before():
    page = page_and_case(HISTORIES["failing"]())[0]
    news = page.only_news()
    assert {f.topic for f in news.findings} < {f.topic for f in page.findings}
    assert [finding.topic for finding in news.findings if not finding.is_news] == ["Not asked"]
    assert "Failures" in {f.topic for f in news.findings}
    assert news.notes[-1].startswith("Left out, since they show nothing new: ")
    empty = page_and_case([])[0].only_news()
    assert empty.verdict == "The builds show nothing new in the week of 13 to 19 July 2026."


def test_sentences_of_a_page_are_read_in_a_minute():
    for make in HISTORIES.values():
        page = page_and_case(make())[0]
        words = " ".join([page.verdict, *(finding.says for finding in page.findings)]).split()
        assert len(words) <= 200


def test_workbook_has_all_rows(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    page = page_and_case(HISTORIES["failing"]())[0]
    book = openpyxl.load_workbook(page.save(tmp_path / "week.xlsx"))
    assert book.sheetnames == ["Week", *(table.title for table in page.tables)]
    for table in page.tables:
        assert book[table.title].max_row == len(table.frame) + 1
    written = [row[2] for row in book["Week"].iter_rows(values_only=True)]
    assert {finding.says for finding in page.findings} <= set(written)


def test_names_of_a_server_are_escaped():
    rows = [{**row, "message": "<script>alert(1)</script> \u202e", "project": "<b>X"} for row in history(2)]
    page, _ = page_and_case(rows)
    assert "<script" not in page.html()
    assert "<b>X" not in page.html()
    assert "\u202e" not in page.html() + page.text()


@pytest.mark.parametrize(
    ("period", "now", "first"),
    [
        ("last-week", "2026-07-20T00:30+02:00", MONDAY),
        ("last-week", "2026-07-19T21:59Z", MONDAY - dt.timedelta(days=7)),
        ("last-week", "2026-07-19T22:00Z", MONDAY),
        ("2026-07-19", "2026-07-20T08:00Z", MONDAY),
        ("2026-07-13", "2026-07-14T08:00Z", MONDAY),
    ],
)
def test_week_is_cut_in_its_zone(period, now, first):
    page = monday(frame_of(history(1, weeks=3)), period=period, tz="Europe/Vienna", now=now)
    assert page.week.first == first
    assert page.verdict.startswith("So far: ") == (now == "2026-07-14T08:00Z")


@pytest.mark.parametrize(
    "period", ["last-month", "2026-7-13", "2026-02-30", "2026-07-27", "0001-01-01", "", 7]
)
def test_week_that_cannot_be_is_refused(period):
    with pytest.raises(InputError, match="2026-07-13"):
        monday(frame_of([]), period=period, now="2026-07-20T00:00Z")


def test_builds_that_were_loaded_before_the_week_show_nothing_of_it():
    page = monday(frame_of(history(1)), period="2026-07-27", now=None)
    assert page.verdict.startswith(
        "No build of this week is known, the latest time in the builds is 20 July 2026;"
    )
    assert [finding.topic for finding in page.findings] == ["Broken"]


def test_server_history_and_file_give_the_same_week(tmp_path):
    with mk.demo(builds=300) as client:
        asked = report.read_server(client, "DEMO_PROJECT", "demo")
        history_file = mk.History(tmp_path / "history.duckdb")
        resources = ["builds", "releases", "projects", "patterns", "deliveries", "commits"]
        history_file.sync(client, resources=resources, progress=False)
    stored = report.read_history(tmp_path / "history.duckdb", "DEMO_PROJECT")
    mk.export(
        asked.builds.drop(columns=["project", "pattern_names", "release_names"]), tmp_path / "builds.json"
    )
    saved = report.read_file(tmp_path / "builds.json", 402)
    now = asked.builds.attrs["loaded_at"]
    first, second, third = (monday(**vars(each), now=now) for each in (asked, stored, saved))
    assert [f.says for f in first.findings] == [f.says for f in second.findings]
    assert {"Without delivery", "Releases", "Not built"} <= {f.topic for f in first.findings}
    assert "a saved answer of builds has nothing of it" in third.text()
    assert [t[:2] for t in first.tiles] == [t[:2] for t in third.tiles]


def test_sources_without_a_right_are_named():
    sources = WeekSources(
        frame_of(history(1)), "server", reasons={"commits": "of 1 of 2 projects; not allowed"}
    )
    page = monday(**vars(sources), now=AS_OF.isoformat())
    assert "which commits are not built (of 1 of 2 projects; not allowed)" in page.text().lower()

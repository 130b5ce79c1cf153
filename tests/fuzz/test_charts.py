"""Charts of unusual builds are drawn without a warning or raise InputError; names are plain text."""

import inspect
import io
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from mkframe import charts, frames, metrics
from tests.fuzz.test_metrics import OPTIONS, releases
from tests.support import strategies
from tests.support.axes import texts
from tests.support.rows import row
from tests.support.settings import amount, attempt

pytestmark = pytest.mark.slow

FUNCTIONS = [
    charts.calendar,
    charts.duration_by_instances,
    charts.durations,
    charts.failure_rate,
    charts.longest,
    charts.outcomes,
    charts.throughput,
]
MAX_CHARACTERS = 6_000
MAX_SECONDS = 20


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@st.composite
def calls(draw, functions=FUNCTIONS):
    """A chart and options that it takes."""
    function = draw(st.sampled_from(functions))
    names = [name for name in inspect.signature(function).parameters if name in OPTIONS]
    return function, {name: draw(OPTIONS[name]) for name in names if draw(st.booleans())}


def draw(function, *frames_, **options):
    """Draw, and check the properties that all charts share."""
    ax = Figure(figsize=(9, 4.6), layout="constrained").subplots()
    start = time.perf_counter()
    assert function(*frames_, ax=ax, **options) is ax
    ax.figure.savefig(io.BytesIO(), format="png", dpi=30)
    assert time.perf_counter() - start < MAX_SECONDS
    artists = texts(ax)
    assert ax.get_title(loc="left")
    assert sum(len(text.get_text()) for text in artists) < MAX_CHARACTERS
    assert not any(
        unicodedata.category(c)[0] == "C" for text in artists for c in text.get_text() if c != "\n"
    )
    assert not any(text.get_parse_math() for text in artists if "$" in text.get_text())
    return ax


@given(st.one_of(strategies.histories(), strategies.transformed_histories(), strategies.builds()), calls())
@amount(30)
def test_any_builds_are_drawn_or_raise(frame, call):
    function, options = call
    before = frame.copy(deep=True)
    attempt(draw, function, frame, **options)
    assert frame.equals(before)


@given(strategies.histories(far=True), calls())
@amount(15)
def test_any_builds_of_find_are_drawn(frame, call):
    function, options = call
    statuses = options.get("statuses") or ()
    if set(statuses) <= {"FINISHED", "FAILED", "CANCELED"}:
        draw(function, frame, **options)


@given(releases(), st.none() | strategies.histories(), OPTIONS["tz"])
@amount(8)
def test_any_releases_are_drawn(frame, builds, tz):
    draw(charts.releases, frame, builds, tz=tz)


@given(st.lists(strategies.NAMES, min_size=1, max_size=40, unique=True), st.data())
@amount(4)
def test_any_names_are_drawn(names, data):
    rows = [row("builds", n, status=data.draw(strategies.STATUSES), releases=[]) for n in range(len(names))]
    frame = frames.from_rows("builds", rows)
    frame["pattern_names"] = [[name] for name in names]
    functions = [charts.failure_rate, charts.durations]
    draw(data.draw(st.sampled_from(functions)), frame, by="pattern")
    draw(charts.longest, frame, n=12)
    assert len(metrics.failure_rate(frame, by="pattern").index.unique("pattern")) == len(names)

"""Strategies for frames of builds: arbitrary or plausible rows, then filtered, sorted, joined or emptied."""

import datetime as dt
import warnings

import pandas as pd
from hypothesis import strategies as st

from mkframe import frames
from mkframe._pandas import TEXT
from mkframe.errors import MkframeError
from tests.fuzz import bodies
from tests.support.rows import row

TRANSFORMATIONS = {
    "filtered": lambda frame: frame[frame["instances"] > 100],
    "sorted": lambda frame: frame.sort_index(ascending=False),
    "by status": lambda frame: frame.sort_values("status", kind="stable"),
    "emptied": lambda frame: frame.iloc[:0],
    "twice": lambda frame: pd.concat([frame, frame]),
    "with an empty one": lambda frame: pd.concat([frame.iloc[:0], frame]),
    "reindexed": lambda frame: frame[~frame.index.duplicated()].reindex([1, 2, 10**6]),
    "outer": lambda frame: frame.join(
        pd.DataFrame({"x": [1]}, index=pd.Index([10**6], name="id")), how="outer"
    ),
    "exploded": lambda frame: frame.explode("patterns"),
    "reset": lambda frame: frame.reset_index(),
    "beside itself": lambda frame: pd.concat([frame.iloc[:0], frame.iloc[:0]], axis=1),
    "other types": lambda frame: frame.convert_dtypes(),
    "objects": lambda frame: frame.astype(object),
    "categories": lambda frame: frame.assign(status=frame["status"].astype("category")),
    "float index": lambda frame: frame.set_index(frame.index + 0.5).rename_axis("id"),
}


@st.composite
def builds(draw):
    """A frame of arbitrary response bodies, transformed as a user may do."""
    made = [draw(bodies.bodies("builds").map(frame_of_body)) for _ in range(draw(st.integers(1, 2)))]
    return transform(draw, pd.concat(made) if len(made) > 1 else made[0])


def transform(draw, frame):
    """Apply up to two transformations to a frame."""
    for name in draw(st.lists(st.sampled_from(sorted(TRANSFORMATIONS)), max_size=2)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                frame = TRANSFORMATIONS[name](frame)
        except (KeyError, TypeError, ValueError):  # a transformation that pandas refuses
            continue
    return frame


def frame_of_body(case):
    """Decode a body; if it is invalid, return a frame of one valid row instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return frames.decode(*case)
        except MkframeError:
            return frames.from_rows(case[0], [row(case[0], 3)])


NAMES = st.one_of(
    bodies.TEXTS,
    st.sampled_from(["(none)", "", " ", "\n", "x" * 10**6, "$" * 99, "\u0627\u0644\u0639", "\x00", "1"]),
)
STATUSES = st.sampled_from(["FINISHED"] * 4 + ["FAILED", "FAILED", "CANCELED", "BUILDING", None]) | NAMES
NEAR, YEAR_1, YEAR_9999 = 1_767_225_600 * 10**6, -62_135_596_800 * 10**6, 253_402_300_799 * 10**6
_DAY = 86_400 * 10**6


def format_timestamp(micros):
    """Format microseconds since 1970 as the API writes timestamps."""
    if micros is None or not YEAR_1 <= micros <= YEAR_9999:
        return None
    time = dt.datetime(1970, 1, 1) + dt.timedelta(microseconds=micros // 1000 * 1000)
    return f"{time.isoformat(timespec='milliseconds')}Z"


@st.composite
def histories(draw, far=None):
    """Builds of a few weeks or of millennia, with the name columns of `client.add_names` in some."""
    far = draw(st.booleans()) if far is None else far
    starts = st.integers(NEAR, NEAR + 70 * _DAY)
    if far:
        starts |= st.sampled_from(
            [YEAR_1, YEAR_1 + _DAY, 0, -1000, YEAR_9999, 9_223_372_036_854_775_000]
        ) | st.integers(YEAR_1, YEAR_9999)
    lengths = st.sampled_from([0, 1000, -1000, _DAY]) | st.integers(0, 4 * 10**9)
    lengths = lengths | st.integers(0, YEAR_9999 - YEAR_1) if far else lengths
    rows = []
    for number in range(draw(st.integers(0, 12))):
        start = draw(st.none() | starts if number % 5 == 4 else starts)
        length = draw(st.none() | lengths if number % 4 == 3 else lengths)
        rows.append(
            row(
                "builds",
                draw(st.integers(1, 9)),
                status=draw(STATUSES),
                build_start=format_timestamp(start),
                build_end=format_timestamp(None if start is None or length is None else start + length),
                instances=draw(st.none() | st.integers(-1, 20) | st.sampled_from([2**53, 2**63 - 1])),
                patterns=draw(st.lists(st.integers(-1, 3), max_size=3)),
                releases=draw(st.none() | st.lists(st.integers(1, 3), max_size=2)),
                downloads=[],
                user_id=draw(st.sampled_from([1, 2, 2**62])),
            )
        )
    frame = frames.from_rows("builds", rows)
    if draw(st.booleans()):
        name = {number: draw(NAMES) for number in range(-1, 4)}
        for names, ids in (("pattern_names", "patterns"), ("release_names", "releases")):
            frame[names] = [[name[n] for n in cell or ()] for cell in frame[ids]]
        frame["project"] = pd.Series([draw(st.none() | NAMES) for _ in rows], index=frame.index, dtype=TEXT)
    return frame


@st.composite
def transformed_histories(draw):
    """Histories, transformed as a user may do."""
    return transform(draw, draw(histories()))

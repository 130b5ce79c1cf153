"""How long builds that run may still take, as ranges."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT
from mkframe.errors import InputError
from mkframe.metrics._checks import float_values, require_columns, status_of
from mkframe.metrics._formatting import count_text, duration_text
from mkframe.metrics._history import history_of
from mkframe.metrics._moments import read_moment
from mkframe.metrics._regression import CLIP, FREQUENT, SHORTEST, Design, fit_huber
from mkframe.metrics._streams import NAMED, check_lists, list_items

__all__ = ["HISTORY_COLUMNS", "EtaFit", "eta", "longer_than_text"]

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

_WINDOW = 60
"""Similar builds whose durations are the distribution: few enough to follow a change within weeks."""
_FITTED = 400
"""Builds of each pattern set from which the regression is made, and builds on which the ranges are tried."""
_GAMMA = 0.03
"""How much a range that was missed widens the next ones."""
_COMMON, _OWN = 0.08, 0.04
"""Shares of its distance by which a build moves what is expected of all pattern sets, and of its own."""
_ALPHA = (0.002, 0.9)
_LEVELS = (0.5, 0.8)
_UNUSUAL = 0.9
_COLUMNS = ("status", "build_start", "instances")
HISTORY_COLUMNS = (*_COLUMNS, "build_end", NAMED["pattern"][1])
"""Columns of a history that is fitted, as a find names them."""
_SAME, _ALL, _NO_STEP = "same patterns", "all patterns", "none"


def eta(
    running: pd.DataFrame,
    history: pd.DataFrame,
    *,
    now: str | datetime | None = None,
    levels: Sequence[float] = _LEVELS,
) -> pd.DataFrame:
    r"""Give ranges of the seconds that running builds still need, if they finish.

    Log seconds of finished builds are regressed on 1, u and u², u = log(instances), per pattern set, by
    Huber's method; r is the residual of a build as if it had been left out. Recent builds tell by how much
    durations have shifted since. In the order of the ends, e = r - s - t, bounded to ± 1.345 standard
    deviations, moves s of all pattern sets by 0.08 · e and t of its own by 0.04 · e, from 0 on (robust
    exponential smoothing). So a change of all builds is followed within some 20 of them, whatever their
    patterns; one of a single pattern set takes longer.

    The newest 60 values r - s - t of the same pattern set, with the s and t that were known when each build
    started, are the distribution around the fitted value of the running build plus s + t as they are now;
    those whose builds would have ended by now are left out of it. With the n that remain, a range of a level
    1 - α lies between the order statistics ⌊(n + 1) α / 2⌋ and ⌈(n + 1) (1 - α / 2)⌉ (split conformal
    prediction). Where n is too small for one of these, that end is open. α begins at 1 - level and is adapted
    by trying the ranges on the newest 400 builds in their order: α + 0.03 · (1 - level - miss) after each. So
    ranges widen while builds become slower or faster.

    A pattern set with fewer than 20 finished builds is compared with builds of all patterns, around one
    regression of all plus the mean of their s + t. Its α is tried on builds that started when their own
    pattern set had as few: sets differ more than the builds of one. Failed and canceled builds tell nothing
    here, nor does the progress in percent.

    V. Vovk, A. Gammerman and G. Shafer, Algorithmic Learning in a Random World (2005); I. Gibbs and
    E. Candès, Adaptive conformal inference under distribution shift, NeurIPS 34 (2021); S. Gelper, R. Fried
    and C. Croux, Robust forecasting with exponential and Holt-Winters smoothing, Journal of Forecasting 29
    (2010).

    Parameters
    ----------
    running : DataFrame
        With `status`, `build_start`, `instances` and `patterns` (or `pattern_names`). Builds with the status
        BUILDING get a row.
    history : DataFrame
        With `status`, `build_start`, `build_end`, `instances` and `patterns` (or `pattern_names`). Finished
        builds that ended until `now` are used.
    now : str or datetime, optional
        With a zone. By default the clock of this machine.
    levels : sequence of float, default (0.5, 0.8)
        Shares of builds that the ranges are to hold, between 0 and 1.

    Returns
    -------
    DataFrame
        On the index of the running builds: `elapsed` float64, seconds since the start; `median`, and for
        each level such as 0.8 `low80`, `high80`, float64, seconds from now on: `high80` is inf where the
        range is open, `low80` and `median` are NaN where no similar build took longer; `n` int64, similar
        builds that took longer than `elapsed`, `of` all similar builds; `step` str, "same patterns", "all
        patterns" or "none"; `unusually_long` bool, beyond the upper end of the 90 % range that was given at
        the start; `says` str.

    Raises
    ------
    InputError
        If a column is missing, or `now` or a level cannot be used.

    Examples
    --------
    >>> start = pd.date_range("2026-04-01 08:00", periods=41, freq="h", tz="UTC")
    >>> builds = pd.DataFrame({"status": ["FINISHED"] * 40 + ["BUILDING"], "build_start": start,
    ...     "instances": 3, "patterns": [[808]] * 41, "build_end": start + pd.to_timedelta(
    ...     [60 + 7 * n % 20 for n in range(40)] + [None], unit="s")})
    >>> table = eta(builds, builds, now=start[40] + pd.Timedelta("30s"))
    >>> table[["elapsed", "low80", "high80"]].round().iloc[0].tolist()
    [30.0, 33.0, 50.0]
    >>> table["says"].iloc[0]
    '33 s to 50 s more (80 %), half within 42 s; from 40 similar builds; if it finishes'
    """
    shares = _levels(levels)
    moment = pd.Timestamp.now("UTC") if now is None else read_moment(now)
    running = history_of(running, _COLUMNS).builds
    history = history_of(history, [*_COLUMNS, "build_end"]).builds
    return EtaFit(history, moment, _pattern_column(running, history)).eta(running, moment, shares)


class EtaFit:
    """A history that is fitted once, to ask `eta` of it again as time goes on.

    Parameters
    ----------
    history : DataFrame
        As `history_of` gives it.
    moment : Timestamp
        Builds that ended until then are used.
    patterns : str
        The column with the patterns.
    """

    def __init__(self, history: pd.DataFrame, moment: pd.Timestamp, patterns: str) -> None:
        past = _past(history, moment)
        self._patterns = patterns
        self._numbers: dict[frozenset[Any], int] = {}
        cells = history[patterns].iloc[past.row]
        numbers = [self._numbers.setdefault(frozenset(list_items(c)), len(self._numbers)) for c in cells]
        self._model = _Model.of(past, np.array(numbers, dtype=np.intp))
        self._alphas: dict[tuple[float, ...], dict[str, dict[float, float]]] = {}

    @classmethod
    def of(cls, history: pd.DataFrame, now: str | datetime) -> Self:
        """Fit builds as ``client.builds.find`` gives them.

        Raises
        ------
        InputError
            If a column that `eta` needs is missing, or `now` cannot be used.
        """
        history, ids = history_of(history, HISTORY_COLUMNS).builds, HISTORY_COLUMNS[-1]
        check_lists(history[ids])
        return cls(history, read_moment(now), ids)

    def eta(self, running: pd.DataFrame, moment: pd.Timestamp, levels: Sequence[float]) -> pd.DataFrame:
        """Return what `eta` returns."""
        rows, index = self._rows(running, moment, levels)
        types = dict.fromkeys(_names(levels), "float64")
        types = {"elapsed": "float64", "median": "float64", **types, "n": "int64", "of": "int64"}
        types |= {"step": TEXT, "unusually_long": "bool", "says": TEXT}
        found = {name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in types.items()}
        return pd.DataFrame(found).set_axis(index)

    def how_long(self, running: pd.DataFrame, now: str | datetime) -> dict[int, tuple[str, str, bool]]:
        """Say by id how long builds may still take.

        Returns
        -------
        dict
            What `eta` says, the same for a narrow place, and whether the build is unusually long.
        """
        rows, index = self._rows(running, read_moment(now), _LEVELS)
        return {
            int(number): (row["says"], row["short"], row["unusually_long"])
            for number, row in zip(index, rows, strict=True)
        }

    def _rows(
        self, running: pd.DataFrame, moment: pd.Timestamp, levels: Sequence[float]
    ) -> tuple[list[dict[str, Any]], pd.Index[Any]]:
        waiting = running[(status_of(running) == "BUILDING").to_numpy(bool)]
        elapsed = (moment - waiting["build_start"]).dt.total_seconds().to_numpy("float64")
        instances = float_values(waiting["instances"])
        groups = [self._numbers.get(frozenset(list_items(cell)), -1) for cell in waiting[self._patterns]]
        asked = (*levels, _UNUSUAL)
        if asked not in self._alphas:
            self._alphas[asked] = self._model.alphas(asked)
        rows = [
            _row(float(seconds), self._model.similar(group, float(number)), levels, self._alphas[asked])
            for seconds, group, number in zip(elapsed, groups, instances, strict=True)
        ]
        return rows, waiting.index


def longer_than_text(row: Any) -> str:
    """Say how many of the builds that a row of `eta` is compared with took less time; a Series or a dict.

    Examples
    --------
    >>> longer_than_text({"n": 3, "of": 61, "step": "same patterns"})
    'longer than 58 of 61 similar builds'
    """
    count = f"{row['of'] - row['n']:,} of" if row["n"] else "all"
    return f"longer than {count} {row['of']:,} {_kind(row)}"


def _kind(row: Any) -> str:
    return "similar builds" if row["step"] == _SAME else "builds of all patterns"


def _levels(levels: Sequence[float]) -> list[float]:
    hint = "Give shares between 0 and 1, such as levels=(0.5, 0.8)."
    if isinstance(levels, str) or not isinstance(levels, Sequence):
        raise InputError(f"levels={levels!r} is not a sequence of shares.", hint=hint)
    for level in levels:
        if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
            raise InputError(f"The level {level!r} is not a share between 0 and 1.", hint=hint)
    return sorted(set(levels))


def _names(levels: Sequence[float]) -> list[str]:
    return [f"{end}{100 * level:g}" for level in levels for end in ("low", "high")]


def _pattern_column(running: pd.DataFrame, history: pd.DataFrame) -> str:
    """Name the column by which patterns are known in both frames, ids before names."""
    names, ids = NAMED["pattern"]
    both = [name for name in (ids, names) if name in running.columns and name in history.columns]
    if not both:
        require_columns(running, [ids])
        require_columns(history, [ids])
    for frame in (running, history):
        check_lists(frame[both[0]])
    return both[0]


@dataclass(frozen=True)
class _Past:
    """Finished builds that have ended: their rows, times in microseconds, and instances."""

    row: Places
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    instances: Floats


def _past(history: pd.DataFrame, moment: pd.Timestamp) -> _Past:
    start, end = (history[name].to_numpy("datetime64[us]") for name in ("build_start", "build_end"))
    now = moment.tz_convert(None).to_numpy()
    is_finished = (status_of(history) == "FINISHED").to_numpy(bool)
    row = np.flatnonzero(is_finished & (end >= start) & (end <= now))  # NaT is in neither
    begun, over = (time[row].astype("int64") for time in (start, end))
    return _Past(row, begun, over, float_values(history["instances"])[row])


@dataclass(frozen=True)
class _Similar:
    """Residuals of builds to compare with, the fitted log seconds of the build, and where they are from."""

    residuals: Floats
    fitted: float
    step: str
    is_beyond: bool


@dataclass(frozen=True)
class _Model:
    """The finished builds in the order in which they ended, and what is left of them beside fit and shift.

    A shift is that which was known when a build started (`before`), and that of each block now (`shifts`).
    """

    group: Places
    instances: Floats
    y: Floats
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    design: Design
    residuals: Floats
    coefficients: Floats
    before: Floats
    shifts: Floats

    @classmethod
    def of(cls, past: _Past, sets: Places) -> _Model:
        # ties are put in one order, so that the order of rows makes no difference
        order = np.lexsort((sets, past.instances, past.start, past.end))
        newest = pd.Series(sets[order]).groupby(sets[order]).cumcount(ascending=False).to_numpy() < _FITTED
        order = order[newest]
        start, end, instances = past.start[order], past.end[order], past.instances[order]
        y = np.log(np.maximum((end - start) / 1e6, SHORTEST))
        design = Design.of(sets[order], instances)
        if not len(y):
            return cls(sets[order], instances, y, start, end, design, y, np.zeros((0, 3)), y, y)
        residuals, coefficients, scale = _left_out(design, y)
        before, now = _shifts(design.block, residuals, start, end, CLIP * scale)
        residuals -= before
        return cls(sets[order], instances, y, start, end, design, residuals, coefficients, before, now)

    def alphas(self, levels: Sequence[float]) -> dict[str, dict[float, float]]:
        """Adapt α of each step and level by predicting the newest builds from those that had ended before.

        A rare pattern set differs from the others by more than its builds among each other: what its ranges
        miss says nothing about those of frequent ones, and the other way round.
        """
        counts, is_rare = self._ranks()
        # plain ints: this loop is run for each level, and picking numbers from arrays would be most of it
        least, below, upto = (row.tolist() for row in counts)
        start, end = (times[-_FITTED:].tolist() for times in (self.start, self.end))
        found: dict[str, dict[float, float]] = {}
        for step, is_of_step in ((_SAME, ~is_rare), (_ALL, is_rare)):
            judged = np.flatnonzero(is_of_step & (counts[0] >= FREQUENT)).tolist()
            # a range is given at the start and judged at the end; of equal times ends come first
            events = sorted([(end[i], 0, i) for i in judged] + [(start[i], 1, i) for i in judged])
            found[step] = {}
            for level in levels:
                alpha = 1 - level
                given: dict[int, float] = {}
                for _, is_start, place in events:
                    if is_start:
                        given[place] = alpha
                    elif place in given:
                        low, high = _order_statistics(least[place], given.pop(place))
                        hit = upto[place] >= low and below[place] <= high - 1
                        alpha = min(max(alpha + _GAMMA * (hit - level), _ALPHA[0]), _ALPHA[1])
                found[step][level] = alpha
        return found

    def _ranks(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Count for the newest builds their earlier similar ones, those below and those not above.

        Also tell which of them had fewer than 20 of the same pattern set when they started: they are compared
        with builds of all patterns.
        """
        begin = max(len(self.y) - _FITTED, 0)
        counts = np.zeros((3, len(self.y) - begin), dtype="int64")
        for block in np.unique(self.design.block[begin:]):
            members = np.flatnonzero(self.design.block == block)
            if len(members) < FREQUENT or len(np.unique(self.group[members])) > 1:
                continue  # rare pattern sets have no similar builds
            counts[:, members[members >= begin] - begin] = self._counts(
                members, self.residuals[members], members >= begin
            )
        is_rare: NDArray[np.bool_] = counts[0] < FREQUENT
        for pool in self._pools.values():
            if pool is not None:
                members, asked = pool[0], is_rare[pool[0] - begin]
                counts[:, members[asked] - begin] = self._counts(members, pool[2], asked)
        return counts, is_rare

    def _counts(self, members: Places, residuals: Floats, asked: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Count for some members those that had ended before their start, those below and those not above."""
        stop = np.searchsorted(self.end[members], self.start[members[asked]], side="right")
        window = stop[:, None] - 1 - np.arange(_WINDOW)
        values = np.where(window >= 0, residuals[np.maximum(window, 0)], np.nan)
        own = residuals[asked][:, None]
        return np.stack([one.sum(axis=1) for one in (window >= 0, values < own, values <= own)])

    def similar(self, group: int, instances: float) -> _Similar:
        """Find the builds to compare with: of the same pattern set, or of all where these are too few."""
        unknown = math.isnan(instances)
        is_null = np.isnan(self.instances)
        own = np.flatnonzero((self.group == group) & (is_null == unknown))
        if len(own) >= FREQUENT:
            return self._similar(
                own, instances, self.design, self.residuals, self.coefficients, self.shifts, _SAME
            )
        pool = self._pools[unknown]
        if pool is None:
            return _Similar(np.zeros(0), math.nan, _NO_STEP, False)
        return self._similar(pool[0], instances, *pool[1:], _ALL)

    @functools.cached_property
    def _pools(self) -> dict[bool, tuple[Places, Design, Floats, Floats, Floats] | None]:
        """Fit the newest builds of all patterns: those with a number of instances, and those without."""
        is_null, newest = np.isnan(self.instances), np.arange(len(self.y))[-_FITTED:]
        pools: dict[bool, tuple[Places, Design, Floats, Floats, Floats] | None] = {}
        for unknown in (False, True):
            known = newest[is_null[newest] == unknown]
            pools[unknown] = None
            if len(known) >= FREQUENT:
                design = Design.of(np.zeros(len(known), dtype=np.intp), self.instances[known])
                residuals, coefficients, _ = _left_out(design, self.y[known])
                shift = self.shifts[self.design.block[known]].mean(keepdims=True)
                pools[unknown] = known, design, residuals - self.before[known], coefficients, shift
        return pools

    def _similar(
        self,
        own: Places,
        instances: float,
        design: Design,
        residuals: Floats,
        coefficients: Floats,
        shifts: Floats,
        step: str,
    ) -> _Similar:
        rows = own if design is self.design else np.arange(len(own))
        block = int(design.block[rows[0]])
        middle, scale = float(design.middle[block]), float(design.scale[block])
        constant, slope, bend = (float(c) for c in coefficients[block])
        u = 0.0 if math.isnan(instances) else math.log(max(instances, 1.0))
        seen = np.log(np.maximum(np.nan_to_num(self.instances[own], nan=1.0), 1.0))
        edge = min(max(u, float(seen.min())), float(seen.max()))
        v = (edge - middle) / scale
        # beyond the numbers that were seen a parabola means nothing: seconds grow less than instances do
        tangent = min(max((slope + 2 * bend * v) / scale, 0.0), 1.0)
        fitted = float(shifts[block]) + constant + slope * v + bend * v * v + tangent * (u - edge)
        return _Similar(residuals[rows][-_WINDOW:], fitted, step, u > edge)


def _left_out(design: Design, y: Floats) -> tuple[Floats, Floats, float]:
    """Give the residual of each build as if it had been left out, and the coefficients and scale with all."""
    fit = fit_huber(design, y)
    inverse = np.linalg.inv(design.gram())[design.block]
    leverage = np.einsum("in,nij,jn->n", design.basis, inverse, design.basis)
    return fit.residuals / np.maximum(1 - leverage, 0.05), fit.coefficients, fit.scale


def _shifts(
    block: Places, residuals: Floats, start: NDArray[np.int64], end: NDArray[np.int64], bound: float
) -> tuple[Floats, Floats]:
    """Smooth residuals in the order of the ends: give the shift at each start, and that of each block now."""
    # of equal ends, the order of rows must make no difference
    order = np.lexsort((residuals, end))
    sets = block[order]
    n, common, own = len(order), 0.0, [0.0] * (int(block.max()) + 1)
    commons, owns = np.zeros(n + 1), np.zeros(n + 1)
    # plain floats: each step needs the one before
    for k, (place, residual) in enumerate(zip(sets.tolist(), residuals[order].tolist(), strict=True), 1):
        error = min(max(residual - common - own[place], -bound), bound)
        common += _COMMON * error
        own[place] += _OWN * error
        commons[k], owns[k] = common, own[place]
    # the last build of the same block among those that had ended
    upto = np.searchsorted(end, start, side="right")
    key = np.sort(sets * (n + 1) + np.arange(1, n + 1))
    last = key[np.searchsorted(key, block * (n + 1) + upto, side="right") - 1]
    is_own = (last // (n + 1) == block) & (last % (n + 1) <= upto)
    before = commons[upto] + np.where(is_own, owns[last % (n + 1)], 0.0)
    return before, common + np.array(own)


def _order_statistics(n: int, alpha: float) -> tuple[int, int]:
    """Give the places, from 1 on, of the values that bound a range; 0 and n + 1 are open ends."""
    # rounding must not move an end that falls on a whole number
    return math.floor((n + 1) * alpha / 2 + 1e-9), math.ceil((n + 1) * (1 - alpha / 2) - 1e-9)


def _row(
    elapsed: float, similar: _Similar, levels: Sequence[float], adapted: dict[str, dict[float, float]]
) -> dict[str, Any]:
    """Calculate the ranges of one build and say them."""
    of = len(similar.residuals)
    unknown = dict.fromkeys(_names(levels), math.nan) | {"median": math.nan}
    row = {"elapsed": elapsed, **unknown, "n": 0, "of": of, "step": similar.step, "unusually_long": False}
    if math.isnan(elapsed):
        return row | _both("no idea: the build has no start")
    if of < FREQUENT:
        few = f"no idea: under {FREQUENT} finished builds to compare with"
        return row | _both(few)
    alphas = adapted[similar.step]
    totals = np.sort(np.exp(similar.residuals + similar.fitted))
    usual = _order_statistics(of, alphas[_UNUSUAL])[1]
    row["unusually_long"] = usual <= of and elapsed > float(totals[min(usual, of) - 1])
    left = totals[totals > elapsed]
    row["n"] = n = len(left)
    low, high = math.inf, -math.inf
    row["median"] = float(np.median(left)) - elapsed if n else math.nan
    for level in levels:
        first, last = _order_statistics(n, alphas[level])
        # a wider range holds the narrower one, whatever their own adaptations say
        low = min(
            low,
            float(left[first - 1]) if first >= 1 else max(elapsed, 0.0),
            float(np.median(left)) if n else low,
        )
        high = max(
            high, float(left[last - 1]) if last <= n else math.inf, float(np.median(left)) if n else high
        )
        row[f"low{100 * level:g}"] = low - elapsed if n else math.nan
        row[f"high{100 * level:g}"] = high - elapsed
    return row | _says(row, similar, levels)


def _both(text: str) -> dict[str, str]:
    return {"says": text, "short": text}


def _says(row: dict[str, Any], similar: _Similar, levels: Sequence[float]) -> dict[str, str]:
    unusual = "unusually long: " if row["unusually_long"] else ""
    if row["elapsed"] < 0:
        unusual = f"starts {duration_text(-row['elapsed'])} later than now: "
    beyond = "; it has more instances than any of them" if similar.is_beyond else ""
    if not row["n"]:
        says = f"{unusual}{longer_than_text(row)}"
        return {"says": f"{says}{beyond}", "short": says}
    longer = (
        "" if row["n"] == row["of"] else f", of which {count_text(row['n'])} took longer than this one now"
    )
    of = f"from {row['of']} {_kind(row)}{longer}{beyond}; if it finishes"
    half = f"half within {duration_text(row['median'])}"
    if not levels:
        return {"says": f"{unusual}{half}; {of}", "short": f"{unusual}if it finishes: {half}"}
    widest = f"{100 * levels[-1]:g}"
    low, high = row[f"low{widest}"], row[f"high{widest}"]
    ends = (
        f"{duration_text(low)} to {duration_text(high)}"
        if math.isfinite(high)
        else f"{duration_text(low)} or"
    )
    likely = f"{ends} more ({widest} %)"
    # what is narrow may be cut at its end: the condition comes first
    short = longer_than_text(row) if row["unusually_long"] else f"if it finishes: {likely}"
    return {"says": f"{unusual}{likely}, {half}; {of}", "short": f"{unusual}{short}"}

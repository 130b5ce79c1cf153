"""When builds became slower or faster for good, and the build with which it began."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mkframe._pandas import TEXT
from mkframe._validation import check_timezone
from mkframe.errors import InputError
from mkframe.metrics._checks import float_values
from mkframe.metrics._distributions import Z95
from mkframe.metrics._durations import completed_builds
from mkframe.metrics._formatting import count_text, day_text
from mkframe.metrics._grouping import local_days
from mkframe.metrics._history import history_of
from mkframe.metrics._regression import CLIP, SHORTEST, Design, Fit, fit_huber, huber_loss
from mkframe.metrics._streams import By, build_ids, pattern_sets, streams

__all__ = ["change_points"]

Floats: TypeAlias = NDArray[np.float64]
Places: TypeAlias = NDArray[np.intp]

_LEAST_BUILDS = 8
_LEAST_DAYS = 7.0
_LEAST_STREAM = 4 * _LEAST_BUILDS
_MOST_CHANGES = 10
_MOST_MOVES = 3
_MOST_CORRELATION = 0.8
_POWER = 0.8
"""A change that counts as detectable shows in 4 of 5 cases."""
_REACH = 11.0
"""95 % of k · (step / sd)² lie below this, with k builds between the estimated and the true place (Bai)."""
_QUANTILES = 201


def change_points(
    builds: pd.DataFrame, *, by: By = "pattern", tz: str = "UTC", alpha: float = 0.01
) -> pd.DataFrame:
    r"""Find when finished builds became slower or faster, with their numbers of instances taken out.

    Log seconds are regressed on the pattern set, u and u², u = log(instances), by Huber's method. With the
    bounded residuals ψ, without what the columns explain, every build k is tried as the first one of a new
    level: Z(k) = Σ_{i ≥ k} ψ_i / (s · √V(k)), where V(k) is the sum of squares of the step that is left
    beside the columns. A growth of instances is therefore no change. Z is divided by the inflation of the
    standard deviation by dependent builds, √((1 + ρ) / (1 - ρ)) with the lag-1 correlation ρ ≤ 0.8, or
    √(Σ_d (Σ ψ)² / Σ ψ²) over local days d, whichever is greater, and at least 1. The p value of the greatest
    |Z| is that of the maximum of a standardized Brownian bridge over the shares that were tried:
    p = 2 φ(x) (x T / 2 - T / (2 x) + 2 / x), T = log(h (1 - l) / (l (1 - h))). Changes are added one by one
    while p is at most `alpha` / number of streams; each is then tested again beside the others.

    At last each change is moved to the first build k with the greatest Σ_{i ≥ k} w · (h(r_i) - h(r_i - b)),
    up to the next change: h is Huber's loss, r the residual beside the level before, b the step, both in
    standard deviations, and w = 1 / (1 + (m - 1) c) with m builds that day and the correlation c within days.
    Where builds of a day share a deviation, many of them tell little more than one.

    There are at least 8 builds and 7 days before, between and after changes, so a change shows some weeks
    after it happened. A change may have come gradually: steps and drifts cannot be told apart reliably.
    The intervals are those of a change at a known place; they hold the true ratio in nine of ten cases.

    M. Csörgő and L. Horváth, Limit Theorems in Change-Point Analysis (1997); D. Siegmund, Sequential
    Analysis (1985); J. Bai, Estimation of a change point in multiple regression models, Review of Economics
    and Statistics 79 (1997).

    Parameters
    ----------
    builds : DataFrame
        With `status`, `build_start`, `build_end`, `instances`, `patterns` (or `pattern_names`) and the
        columns that `by` needs, indexed by id. Finished builds are measured.
    by : {"pattern", "release", "project", "user", "pattern_set"}, or two of them, default "pattern"
        The streams. A build with several patterns lies in the stream of each. A change of one pattern is
        diluted in a stream of many.
    tz : str, default "UTC"
        Zone in which days are cut and times are given.
    alpha : float, default 0.01
        Probability that any stream is said to have a change when none has.

    Returns
    -------
    DataFrame
        Index `by` (str), one row for each change in the order of time, and one for each stream without. In
        a stream without change all but these are missing: `n` int64, measured builds; `result` str,
        "change", "no change" or "too short"; `detectable` float64, the smallest ratio (above 1) in the
        middle of this stream, besides the changes found, that would be found in 4 of 5 cases, inf where
        none would, NaN where the stream is too short; `says` str. For a change: `at` datetime64[us, tz] and
        `first_build` Int64, start and id of the first build after it; `earliest` and `latest`
        datetime64[us, tz], the builds between which it happened; `ratio`, `low`, `high` float64, seconds
        after / before at the same number of instances, with a 95 % interval; `p` float64; `n_before`,
        `n_after` Int64, builds up to the neighboring changes.

    Raises
    ------
    InputError
        If a column is missing, an argument is not known, or the index holds no ids.

    Examples
    --------
    >>> start = pd.date_range("2026-01-05 08:00", periods=120, freq="D", tz="UTC")
    >>> seconds = [60 + (n * 7) % 11 + (30 if n >= 80 else 0) for n in range(120)]
    >>> builds = pd.DataFrame({"status": "FINISHED", "build_start": start, "instances": 3,
    ...     "patterns": [[808]] * 120, "build_end": start + pd.to_timedelta(seconds, unit="s")},
    ...     index=range(5001, 5121))
    >>> change_points(builds)[["first_build", "ratio", "n_before"]].round(2).iloc[0].tolist()
    [5081.0, 1.47, 80.0]
    """
    builds = history_of(builds, ["status", "build_start", "build_end", "instances"]).builds
    check_timezone(tz)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < 1:
        raise InputError(f"alpha={alpha!r} is not a probability.", hint="Give a number such as 0.01.")
    names, row, group = streams(builds, by)
    ids = build_ids(builds)
    _, sets = pattern_sets(builds)
    seconds, is_measured = _measured(builds)
    # ties in time are put in one order, so that the order of rows makes no difference
    order = np.lexsort((seconds, ids, builds["build_start"].to_numpy("datetime64[us]")))
    rank = np.empty(len(order), dtype=np.intp)
    rank[order] = np.arange(len(order))
    held = is_measured[row]
    row, group = row[held], group[held]
    by_stream = np.lexsort((rank[row], group))
    row, group = row[by_stream], group[by_stream]
    limits = np.searchsorted(group, np.arange(len(names) + 1))
    days = local_days(builds, tz).astype("int64")
    time = builds["build_start"].to_numpy("datetime64[us]").astype("int64") / 86_400e6
    instances = float_values(builds["instances"])
    scans = [
        _Stream.of(part, seconds, sets, instances, time, days) if _is_long(time[part]) else None
        for part in (row[limits[at] : limits[at + 1]] for at in range(len(names)))
    ]
    level = alpha / max(1, sum(scan is not None for scan in scans))
    scanned = [
        _Scan(scan, scan.changes(level)) if scan is not None and scan.allowed(scan.left(())).any() else None
        for scan in scans
    ]
    detectable = iter(_detectable([scan for scan in scanned if scan is not None], level))
    found: list[dict[str, Any]] = []
    for at, scan in enumerate(scanned):
        part = row[limits[at] : limits[at + 1]]
        size = math.nan if scan is None else next(detectable)
        found += _rows(at, part, scan, size, builds["build_start"], ids, tz)
    return _frame(found, names, tz)


def _measured(builds: pd.DataFrame) -> tuple[Floats, NDArray[np.bool_]]:
    """Give the seconds of finished builds, and which these are."""
    counted = builds[["status", "build_start", "build_end", "instances"]].reset_index(drop=True)
    rows = completed_builds(counted)
    seconds = np.full(len(builds), np.nan)
    seconds[rows.index.to_numpy()] = rows["seconds"].to_numpy("float64")
    return seconds, ~np.isnan(seconds)


def _is_long(time: Floats) -> bool:
    return len(time) >= _LEAST_STREAM and bool(np.ptp(time) >= 2 * _LEAST_DAYS)


@dataclass(frozen=True)
class _Peak:
    """The best place for one more change: its first build, p, and the inflation by dependence."""

    at: int
    p: float


@dataclass
class _Stream:
    """The finished builds of one stream in order of time, and what is calculated for them once."""

    y: Floats
    time: Floats
    day: Places
    design: Design
    gram: Floats
    by_block: Places
    fits: dict[tuple[int, ...], Fit] = field(default_factory=dict)
    lefts: dict[tuple[int, ...], Floats] = field(default_factory=dict)
    peaks: dict[tuple[int, ...], _Peak | None] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        part: Places,
        seconds: Floats,
        sets: Places,
        instances: Floats,
        time: Floats,
        days: NDArray[np.int64],
    ) -> _Stream:
        design = Design.of(sets[part], instances[part])
        day = (days[part] - days[part].min()).astype(np.intp)
        by_block = np.argsort(design.block, kind="stable")
        y = np.log(np.maximum(seconds[part], SHORTEST))
        return cls(y, time[part], day, design, design.gram(), by_block)

    def steps(self, places: Sequence[int]) -> Floats:
        """Make a column for each change: 1 from its first build on."""
        return (np.arange(len(self.y))[:, None] >= np.asarray(places, dtype=np.intp)).astype("float64")

    def fit(self, places: tuple[int, ...]) -> Fit:
        if places not in self.fits:
            nearest = next(reversed(self.fits.values()), None)
            self.fits[places] = fit_huber(self.design, self.y, self.steps(places), nearest)
        return self.fits[places]

    def orthogonal(self, places: tuple[int, ...]) -> Floats:
        """Give an orthonormal basis of the steps, without what the other columns explain."""
        columns = [self.design.residuals(self.gram, column) for column in self.steps(places).T]
        return np.linalg.qr(np.stack(columns, axis=1))[0] if columns else np.zeros((len(self.y), 0))

    def freed(self, values: Floats, orthogonal: Floats) -> Floats:
        """Take away what the columns and the steps explain."""
        rest = self.design.residuals(self.gram, values)
        return rest - orthogonal @ (orthogonal.T @ rest)

    def left(self, places: tuple[int, ...]) -> Floats:
        """Give V(k) beside the steps at some places."""
        if places not in self.lefts:
            self.lefts[places] = self._left(self.orthogonal(places))
        return self.lefts[places]

    def _left(self, orthogonal: Floats) -> Floats:
        """Give V(k) for every k: the sum of squares of a step from k on, beside all other columns.

        Beside columns X it is (n - k) - d' (X'X)⁻¹ d, with d the sum of the rows of X from k on. Each build
        changes d in its own block only, so that the quadratic form grows by that block's difference.
        """
        n = len(self.y)
        reverse = self.by_block[::-1]
        block = self.design.block[reverse]
        sums = np.cumsum(self.design.basis[:, reverse], axis=1)
        begins = np.flatnonzero(np.diff(block, prepend=-1))
        before = np.zeros((3, len(begins)))
        before[:, 1:] = sums[:, begins[1:] - 1]
        which = np.cumsum(np.diff(block, prepend=-1) != 0) - 1
        sums -= before[:, which]
        inverse = np.linalg.inv(self.gram)[block]
        form = np.einsum("in,nij,jn->n", sums, inverse, sums)
        growth = np.diff(form, prepend=0.0)
        growth[begins] = form[begins]
        explained = np.empty(n)
        explained[reverse] = growth
        explained = np.cumsum(explained[::-1])[::-1]
        ends = np.cumsum(orthogonal[::-1], axis=0)[::-1]
        left: Floats = np.arange(n, 0, -1) - explained - (ends**2).sum(axis=1)
        return left

    def allowed(self, left: Floats) -> NDArray[np.bool_]:
        """Tell where a change may be: with builds and days enough on both sides, and a step to be seen."""
        n, k, t = len(self.y), np.arange(len(self.y)), self.time
        fine = (k >= _LEAST_BUILDS) & (n - k >= _LEAST_BUILDS)
        fine &= (t - t[0] >= _LEAST_DAYS) & (t[-1] - t >= _LEAST_DAYS)
        fine &= (left > 0.02 * np.minimum(k, n - k)) & (left > 2)
        fine[1:] &= t[1:] > t[:-1]
        return fine

    def peak(self, places: tuple[int, ...]) -> _Peak | None:
        """Find the best place for one more change beside those that are given."""
        if places not in self.peaks:
            self.peaks[places] = self._peak(places)
        return self.peaks[places]

    def _peak(self, places: tuple[int, ...]) -> _Peak | None:
        orthogonal = self.orthogonal(places)
        left = self.left(places)
        fine = self.allowed(left)
        if not fine.any():
            return None
        fit = self.fit(places)
        psi = self.freed(np.clip(fit.residuals / fit.scale, -CLIP, CLIP), orthogonal)
        freedom = max(len(psi) - int(self.design.terms.sum()) - len(places), 1)
        deviation = math.sqrt(float(psi @ psi) / freedom)
        if deviation == 0:
            return None
        sums = np.cumsum(psi[::-1])[::-1]
        z = np.where(fine, sums / (deviation * np.sqrt(np.maximum(left, 1e-9))), 0.0)
        # of equally good places the first: rounding decides nothing
        size = np.abs(z)
        at = int(np.flatnonzero(size >= size.max() * (1 - 1e-12))[0])
        step = self.freed(self.steps([at])[:, 0], orthogonal)
        rest = psi - step * float(psi @ step) / float(step @ step)
        factor = _inflation(rest, self.day)
        first, last = np.flatnonzero(fine)[[0, -1]]
        return _Peak(at, _p_maximum(float(size[at]) / factor, *_shares(int(first), int(last), len(psi))))

    def is_apart(self, at: int, others: Sequence[int]) -> bool:
        return all(
            abs(at - o) >= _LEAST_BUILDS and abs(self.time[at] - self.time[o]) >= _LEAST_DAYS for o in others
        )

    def changes(self, level: float) -> tuple[int, ...]:
        """Find the first builds after changes: add the best, then move or drop each beside the others."""
        places: tuple[int, ...] = ()
        while len(places) < _MOST_CHANGES:
            peak = self.peak(places)
            if peak is None or peak.p > level or not self.is_apart(peak.at, places):
                break
            before = places
            places = tuple(sorted((*places, peak.at)))
            for place in places:
                others = tuple(p for p in places if p != place)
                second = self.peak(others)
                if second is None or second.p > level:
                    places = others
                elif self.is_apart(second.at, others):
                    places = tuple(sorted((*others, second.at)))
            if len(places) <= len(before):
                break  # what was added has pushed another out: nothing is gained by going on
        return self.located(places)

    def located(self, places: tuple[int, ...]) -> tuple[int, ...]:
        """Move each change to the build that parts the levels beside it best."""
        for _ in range(_MOST_MOVES):
            before = places
            for place in before:
                places = self._moved(places, place)
            if places == before:
                break
        return places

    def _moved(self, places: tuple[int, ...], place: int) -> tuple[int, ...]:
        fit, n = self.fit(places), len(self.y)
        nth = places.index(place)
        others = tuple(p for p in places if p != place)
        first, end = (0, *places)[nth], (*places, n)[nth + 1]
        k = np.arange(n)
        fine = self.allowed(self.left(others)) & (k > first) & (k < end)
        for o in others:
            fine &= (np.abs(k - o) >= _LEAST_BUILDS) & (np.abs(self.time - self.time[o]) >= _LEAST_DAYS)
        step, within = float(fit.extra[nth]), slice(first, end)
        before = (fit.residuals + step * (k >= place))[within] / fit.scale
        gain = (huber_loss(before) - huber_loss(before - step / fit.scale)) * self.weights(fit)[within]
        gains = np.where(fine[within], np.cumsum(gain[::-1])[::-1], -np.inf)
        # of equally good places the first: rounding decides nothing
        best = int(np.flatnonzero(gains >= gains.max() - 1e-9)[0]) + first
        return tuple(sorted((*others, best))) if fine.any() else places

    def weights(self, fit: Fit) -> Floats:
        """Weigh builds by what they tell: those of one day share a deviation."""
        psi = np.clip(fit.residuals / fit.scale, -CLIP, CLIP)
        size = np.bincount(self.day)
        pairs, total = float((size * (size - 1.0)).sum()), float(psi @ psi)
        if not pairs or not total:
            return np.ones(len(psi))
        shared = float((np.bincount(self.day, psi) ** 2).sum()) - total
        correlation = min(max(shared / pairs / (total / len(psi)), 0.0), 1.0)
        return np.asarray(1 / (1 + (size[self.day] - 1) * correlation))


class _Scan(NamedTuple):
    """A stream that is long enough, and the first builds after its changes."""

    stream: _Stream
    places: tuple[int, ...]


def _shares(first: int, last: int, n: int) -> tuple[float, float]:
    return max(first, 1) / n, min(last, n - 1) / n


def _p_maximum(x: float, low: float, high: float) -> float:
    """Bound the probability that a standardized bridge exceeds x somewhere between two shares."""
    if x < 2:
        return 1.0
    length = math.log(high * (1 - low) / (low * (1 - high)))
    density = math.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    return min(1.0, 2 * density * (x * length / 2 - length / (2 * x) + 2 / x))


def _power(shift: float, threshold: float) -> float:
    """Approximate the probability that the maximum exceeds a threshold, with Z of this mean at the change.

    Beside the change itself, places near it may exceed. B. James, K. L. James and D. Siegmund, Tests for a
    change-point, Biometrika 74 (1987).
    """
    normal = NormalDist()
    at_change = normal.cdf(shift - threshold)
    return at_change + normal.pdf(shift - threshold) * (2 / shift - 1 / (shift + threshold))


def _inflation(psi: Floats, day: Places) -> float:
    """Divide the long-run standard deviation by that of independent builds."""
    total = float(psi @ psi)
    if total <= 0:
        return 1.0
    # the estimate of a correlation is low by about 1 / n
    rho = min(max(0.0, float(psi[1:] @ psi[:-1]) / total + 1 / len(psi)), _MOST_CORRELATION)
    clusters = float((np.bincount(day, psi) ** 2).sum()) / total
    return max(1.0, math.sqrt((1 + rho) / (1 - rho)), math.sqrt(clusters))


def _rows(
    number: int,
    part: Places,
    scan: _Scan | None,
    detectable: float,
    start: pd.Series[Any],
    ids: NDArray[np.int64],
    tz: str,
) -> list[dict[str, Any]]:
    """Describe a stream: a row for each change, or one that says why there is none."""
    common = {"stream": number, "n": len(part), "detectable": detectable}
    if scan is None:
        days = (
            float(np.ptp(start.iloc[part].to_numpy("datetime64[us]").astype("int64")) / 86_400e6)
            if len(part)
            else 0.0
        )
        return [common | {"result": "too short", "says": _too_short(len(part), days)}]
    stream, places = scan
    if not places:
        silent = f"no change in {count_text(len(part), 'build')}; {_detectable_text(detectable)}"
        return [common | {"result": "no change", "says": silent}]
    fit = stream.fit(places)
    errors, factor = _errors(stream, places, fit)
    limits = [0, *places, len(part)]
    rows = []
    for nth, at in enumerate(places):
        step, error = float(fit.extra[nth]), errors[nth]
        reach = math.ceil(_REACH * (fit.scale * factor / max(abs(step), 1e-9)) ** 2)
        ratio, low, high = (math.exp(step + side * Z95 * error) for side in (0, -1, 1))
        peak = stream.peak(tuple(p for p in places if p != at))
        times = [start.iloc[part[min(max(p, 0), len(part) - 1)]] for p in (at, at - reach, at + reach)]
        first = int(ids[part[at]])
        rows.append(
            common
            | dict(zip(("at", "earliest", "latest"), times, strict=True))
            | {
                "result": "change",
                "first_build": first,
                "ratio": ratio,
                "low": low,
                "high": high,
                "p": math.nan if peak is None else peak.p,
                "n_before": at - limits[nth],
                "n_after": limits[nth + 2] - at,
                "says": _change_text(ratio, low, high, times[0].tz_convert(tz), first),
            }
        )
    return rows


def _errors(scan: _Stream, places: tuple[int, ...], fit: Fit) -> tuple[list[float], float]:
    """Estimate the standard errors of the steps, and how much dependent builds add to them."""
    ratio = fit.residuals / fit.scale
    psi = np.clip(ratio, -CLIP, CLIP)
    factor = _inflation(psi, scan.day)
    inside = float(np.mean(np.abs(ratio) < CLIP))
    freedom = max(len(psi) - int(scan.design.terms.sum()) - len(places), 1)
    spread = fit.scale * math.sqrt(float(psi @ psi) / freedom) / max(inside, 1e-9) * factor
    columns = [scan.design.residuals(scan.gram, column) for column in scan.steps(places).T]
    parts = np.stack(columns, axis=1)
    covariance = np.linalg.pinv(parts.T @ parts)
    return [spread * math.sqrt(float(covariance[i, i])) for i in range(len(places))], factor


def _detectable(scans: Sequence[_Scan], level: float) -> list[float]:
    """Find the smallest step in the middle of the longest part that would be found in 4 of 5 cases.

    A step that is not in the regression widens the residuals, too; so the expected Z is calculated from the
    residuals of a stream with a half step added to one half of them and taken from the other. All streams
    are calculated at once.
    """
    if not scans:
        return []
    shares, factors, errors, roots = [], [], [], []
    for stream, places in scans:
        fit, n, left = stream.fit(places), len(stream.y), stream.left(places)
        first, last = np.flatnonzero(stream.allowed(left))[[0, -1]]
        shares.append(_shares(int(first), int(last), n))
        factors.append(_inflation(np.clip(fit.residuals / fit.scale, -CLIP, CLIP), stream.day))
        errors.append(np.quantile(fit.residuals, (np.arange(_QUANTILES) + 0.5) / _QUANTILES))
        limits = [0, *places, n]
        longest = int(np.argmax(np.diff(limits)))
        roots.append(math.sqrt(max(float(left[(limits[longest] + limits[longest + 1]) // 2]), 0.0)))
    factor, error, root = np.array(factors), np.stack(errors), np.array(roots)
    none = np.zeros(len(scans))

    def is_rare(x: Floats) -> Floats:
        return np.array([level - _p_maximum(v, *ends) for v, ends in zip(x.tolist(), shares, strict=True)])

    threshold = _solve(is_rare, none + 2, none + 60)

    def is_likely(shift: Floats) -> Floats:
        pairs = zip(shift.tolist(), threshold.tolist(), strict=True)
        return np.array([_power(*pair) - _POWER for pair in pairs])

    needed = _solve(is_likely, threshold, threshold + 3)

    def expected(step: Floats) -> Floats:
        sides = np.concatenate([error + step[:, None] / 2, error - step[:, None] / 2], axis=1)
        middle = np.median(sides, axis=1, keepdims=True)
        scale = np.maximum(1.4826 * np.median(np.abs(sides - middle), axis=1, keepdims=True), 1e-9)
        psi = np.clip(sides / scale, -CLIP, CLIP)
        above, below = psi[:, :_QUANTILES].copy(), psi[:, _QUANTILES:].copy()
        deviation = np.sqrt((np.mean(above**2, axis=1) + np.mean(below**2, axis=1)) / 2)
        shift = (np.mean(above, axis=1) - np.mean(below, axis=1)) * root
        parts = np.where(deviation > 0, deviation * factor, 1.0)
        return np.where(deviation > 0, shift / parts - needed, -1.0)

    step = _solve(expected, none, none + 10)
    return [math.exp(size) if math.isfinite(size) else math.inf for size in step.tolist()]


def _solve(function: Callable[[Floats], Floats], low: Floats, high: Floats) -> Floats:
    """Find where rising functions become positive; inf where one does not."""
    is_never = function(high) <= 0
    for _ in range(26):
        middle = (low + high) / 2
        is_above = function(middle) > 0
        low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
    return np.where(is_never, math.inf, high)


def _change_text(ratio: float, low: float, high: float, at: pd.Timestamp, first: int) -> str:
    word = "slower" if ratio > 1 else "faster"
    size, ends = (ratio, (low, high)) if ratio > 1 else (1 / ratio, (1 / high, 1 / low))
    return (
        f"{word} by × {size:.2f} ({ends[0]:.2f}–{ends[1]:.2f}) since about {day_text(at)} (or gradually); "
        f"first build {first}"
    )


def _detectable_text(detectable: float) -> str:
    if not math.isfinite(detectable):
        return "so few builds would not show a change of any size in 4 of 5 cases"
    return f"× {detectable:.2f} in the middle would show in 4 of 5 cases"


def _too_short(n: int, days: float) -> str:
    return (
        f"too short: {count_text(n, 'finished build')} in {count_text(math.floor(days), 'day')}; "
        f"{_LEAST_STREAM} builds and {2 * _LEAST_DAYS:.0f} days are needed, and builds in between"
    )


def _frame(found: list[dict[str, Any]], names: pd.Index[Any], tz: str) -> pd.DataFrame:
    time = pd.DatetimeTZDtype("us", tz)
    types: dict[str, Any] = {
        "result": TEXT,
        "at": time,
        "first_build": "Int64",
        "earliest": time,
        "latest": time,
        "ratio": "float64",
        "low": "float64",
        "high": "float64",
        "p": "float64",
        "n_before": "Int64",
        "n_after": "Int64",
        "n": "int64",
        "detectable": "float64",
        "says": TEXT,
    }
    columns = {}
    for name, dtype in types.items():
        values = [row.get(name) for row in found]
        columns[name] = (
            pd.Series(pd.DatetimeIndex(values, tz="UTC")).astype(dtype)
            if dtype is time
            else pd.Series(values, dtype=dtype)
        )
    index = names.take([row["stream"] for row in found])
    return pd.DataFrame(columns).set_axis(index)

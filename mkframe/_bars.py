"""Progress bars that never cost the work that they show: where a bar cannot be drawn, there is none."""

from __future__ import annotations

import contextlib
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, Self

__all__ = ["ProgressBar"]

log = logging.getLogger("mkframe")

_BAR_COLUMNS = 10
"""Characters of tqdm's bar in a line of unlimited length."""
_WIDGET_COLUMNS = 100
"""About the characters of a line in a notebook, whose width is not known."""


class ProgressBar:
    """A bar in the terminal or notebook, by tqdm.

    ``TQDM_DISABLE=1`` and the other variables of tqdm count. A closed stderr, a widget that cannot be shown
    or any other error of the bar ends the bar only.

    Parameters
    ----------
    title : str
        Before the bar.
    total : float, optional
        The amount of work.
    delay : float, default 0
        Seconds before the bar appears: quick work shows none and does not import tqdm.
    remaining : bool, default False
        Whether to estimate the time that is left.
    leave : bool, default True
        Whether the bar stays visible in the end.
    only_terminal : bool, default False
        Whether there is no bar where stderr is no terminal.
    enabled : bool, default True
        Whether there is a bar at all.

    Examples
    --------
    >>> with ProgressBar("Report", 10, only_terminal=True) as bar:
    ...     bar.show(5, "half of it")
    """

    def __init__(
        self,
        title: str,
        total: float | None = None,
        *,
        delay: float = 0.0,
        remaining: bool = False,
        leave: bool = True,
        only_terminal: bool = False,
        enabled: bool = True,
    ) -> None:
        self._bar: Any = None
        self._started, self._delay, self._is_due = time.monotonic(), delay, enabled
        self._options = {"desc": title, "total": total or 1, "leave": leave}
        self._only_terminal = only_terminal
        left = "<{remaining}" if remaining else ""
        self._layout = f"{{desc}}: {{percentage:3.0f}}%|{{bar}}| {{elapsed}}{left}{{postfix}}"
        self._open_when_due()

    def _open_when_due(self) -> None:
        """Draw the bar once its delay is over."""
        elapsed = time.monotonic() - self._started
        if not self._is_due or elapsed < self._delay:
            return
        self._is_due = False
        with self._surviving():
            if self._only_terminal and not sys.stderr.isatty():
                return
            every_time = {"miniters": 0, "mininterval": 0}
            bar = _tqdm_class()(bar_format=self._layout, **self._options, **every_time)
            if not bar.disable:
                bar.start_t -= elapsed
                self._bar = bar

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_shown(self) -> bool:
        """Whether there is a bar: not where one cannot be drawn, or is not wanted."""
        return self._bar is not None

    def show(self, done: float, *texts: str, total: float | None = None) -> None:
        """Show how much is done, and behind the bar the first text that fits into a line, or the last."""
        self._open_when_due()
        if self._bar is None:
            return
        with self._surviving():
            self._bar.total = total or self._bar.total
            text = next(self._fitting(texts), texts[-1] if texts else "")
            self._bar.set_postfix_str(text, refresh=False)
            self._bar.update(done - self._bar.n)

    def _fitting(self, texts: Sequence[str]) -> Iterator[str]:
        """Yield the texts but the last that fit: beside a whole bar, else beside one character of it.

        Into a file each fits.
        """
        columns = _WIDGET_COLUMNS if hasattr(self._bar, "container") else self._bar.ncols
        for spared in (0, _BAR_COLUMNS - 1):
            for text in texts[:-1]:
                line = self._bar.format_meter(**{**self._bar.format_dict, "ncols": None, "postfix": text})
                if columns is None or len(line) - spared <= columns:
                    yield text

    def close(self) -> None:
        """Draw the bar for the last time."""
        if self._bar is not None:
            with self._surviving():
                self._bar.refresh()
                self._bar.close()

    @contextlib.contextmanager
    def _surviving(self) -> Any:
        """Drop the bar on any error of it."""
        try:
            yield
        except Exception as error:
            log.debug("No progress bar: %s: %s", type(error).__name__, error)
            if self._bar is not None:
                self._bar.disable = True
            self._bar = None


def _tqdm_class() -> Any:
    from tqdm.auto import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        # tqdm's thread that wakes stalled bars would outlive us.
        monitor_interval = 0

        def refresh(self, nolock: bool = False, lock_args: Any = None) -> Any:
            # Where drawing fails, tqdm keeps the lock of all bars, for which other threads would wait.
            if nolock or lock_args:
                return super().refresh(nolock, lock_args)
            with self.get_lock():  # type: ignore[no-untyped-call]
                return super().refresh(nolock=True)

        def __del__(self) -> None:
            with contextlib.suppress(Exception):  # of a bar whose start has failed
                super().__del__()

    return Bar

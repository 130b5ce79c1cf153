"""Processes whose peak of memory is measured."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

__all__ = ["run_by_shell"]


def run_by_shell(command: Sequence[str], timeout: float, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command as the child of a small shell, and capture what it writes.

    Linux counts the peak of the process that forks as the child's own, and a worker of pytest is large.
    """
    # The shell forks too, since more follows the command.
    small = ["/bin/sh", "-c", '"$@"; exit $?', "sh", *command]
    return subprocess.run(small, capture_output=True, text=True, timeout=timeout, **options)

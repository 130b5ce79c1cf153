"""Files of other users, for tests of folders that several share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

OTHER = 65534
"""A user who is not the one that runs the tests."""


def give_away(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Make files, folders or links those of another user; only root can, so others act as somebody else."""
    if os.geteuid() == 0:
        for path in paths:
            os.chown(path, OTHER, OTHER, follow_symlinks=False)
    else:
        stranger = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: stranger)


def plant(monkeypatch: pytest.MonkeyPatch, link: Path, to: Path) -> Path:
    """A link that another user has made."""
    link.symlink_to(to)
    give_away(monkeypatch, link)
    return link

"""Metadata rows for tests of release analysis."""

import pandas as pd

COLUMNS = {
    "@PATTERN": "str", "@FOLDER": "str", "@INSTANCE": "str", "@RELEASE": "str", "@POS_NO": "Int64",
    "@DELETED": "boolean", "FUNCTIONAL_ROLE": "str", "NAME": "str", "DATA_TYPE": "str", "PRECISION": "Int64",
}  # fmt: skip


def metadata_rows(*instances, pattern="DV"):
    """Make metadata rows: each instance is folder/name, release, and rows of role, name, type and precision.

    A row is written as ``"ATTR SEATS int 10"``; ``-`` is a missing value, ``''`` an empty text, and a
    deleted instance has its release in brackets.
    """
    made = []
    for path, release, rows in instances:
        folder, _, name = path.rpartition("/")
        deleted = release.startswith("(")
        for place, row in enumerate(rows, 1):
            role, key, kind, precision = (None if part == "-" else part for part in f"{row} - -".split()[:4])
            kind = "" if kind == "''" else kind
            made.append((pattern, folder, name, release.strip("()"), place, deleted, role, key, kind,
                         None if precision is None else int(precision)))  # fmt: skip
    frame = pd.DataFrame(made, columns=list(COLUMNS))
    return frame.astype({name: kind for name, kind in COLUMNS.items() if kind != "str"})


def lines(frame, *columns):
    """Return some columns as a list of tuples, with None for what is missing."""
    cells = frame[list(columns)].astype(object)
    return [tuple(row) for row in cells.where(cells.notna(), None).to_numpy(object).tolist()]


def commit_rows(*commits, pattern="DV", folder="/RAW"):
    """Make rows of the view COMMITS: each is written ``"AIRPLANE R1 hand 1000"``.

    Instead of ``hand`` there can be the status of a build; ``deleted`` at the end marks a deleted instance,
    and ``-`` is no release.
    """
    made = []
    for commit in commits:
        name, release, kind, stamp, *rest = commit.split()
        made.append(
            {
                "PATTERN": pattern, "FOLDER": folder, "INSTANCE": name,
                "RELEASE": None if release == "-" else release, "USER_NAME": "anna@example.com",
                "TYPE": "Commit" if kind == "hand" else "Build",
                "STATUS": "FINISHED" if kind == "hand" else kind, "COMMIT_TIMESTAMP": int(stamp),
                "DELETED": rest == ["deleted"], "DESCRIPTION": "by hand" if kind == "hand" else None,
            }
        )  # fmt: skip
    columns = ["PATTERN", "FOLDER", "INSTANCE", "RELEASE", "USER_NAME", "TYPE", "STATUS", "COMMIT_TIMESTAMP",
               "DELETED", "DESCRIPTION"]  # fmt: skip
    return pd.DataFrame(made, columns=columns).astype({"COMMIT_TIMESTAMP": "Int64", "DELETED": "boolean"})

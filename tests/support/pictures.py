"""Draw the pictures of the README from the embedded server: ``python -m tests.support.pictures``."""

import datetime as dt
from pathlib import Path

import matplotlib as mpl

import mkframe as mk

FOLDER = Path(__file__).parents[2] / "notebooks" / "pictures"
NOW = dt.datetime(2026, 11, 20, 18, tzinfo=dt.UTC)


def main() -> None:
    mpl.use("agg")
    from matplotlib import pyplot as plt

    with mk.demo(at=NOW) as client:
        builds = client.add_names(client.builds.find())
    figure, axes = plt.subplots(1, 2, figsize=(13, 4.6), layout="constrained")
    mk.charts.durations(builds, every="M", ax=axes[0])
    mk.charts.failure_rate(builds, every="M", ax=axes[1])
    figure.savefig(FOLDER / "build_history.png", dpi=90)


if __name__ == "__main__":
    main()

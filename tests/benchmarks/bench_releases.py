"""Time of a diff of two releases, against the time of reading the rows.

Usage: ``python tests/benchmarks/bench_releases.py [INSTANCES] [ROWS]``; 500 instances of 200 rows by default.
"""

import json
import random
import sys
import time

from mkframe.client._views import PATTERN_VIEWS
from mkframe.frames import read_result
from mkframe.limits import Limits
from mkframe.releases.frames import diff
from mkframe.schema import Field


def make_rows(instances, rows, seed=7):
    """Make the answer of a statement: two releases, about 3 % of the rows differ."""
    rng = random.Random(seed)
    for release in ("R1", "R2"):
        for instance in range(instances):
            for place in range(rows):
                changed = release == "R2" and rng.random() < 0.02
                if release == "R2" and rng.random() < 0.01:
                    continue
                yield {
                    "@PATTERN": "DV", "@FOLDER": f"/RAW/F{instance % 20}",
                    "@INSTANCE": f"INSTANCE_{instance}", "@RELEASE": release,
                    "@POS_NO": place + 1, "@DELETED": 0,
                    "FUNCTIONAL_ROLE": "BK" if place % 10 == 0 else "SRC_AND_TGT_FIELD",
                    "NAME": f"COLUMN_{place}", "DATA_TYPE": "VARCHAR", "PRECISION": 40 + changed,
                    "EXPRESSION": f"expression {place % 50}",
                }  # fmt: skip


def main():
    instances, rows = (int(text) for text in (sys.argv[1:3] or ("500", "200")))
    body = json.dumps({"rows": list(make_rows(instances, rows))}).encode()
    fields = [
        *PATTERN_VIEWS["INSTANCES"].fields,
        Field("PRECISION", "int", ""),
        Field("EXPRESSION", "str", ""),
    ]
    fields.insert(-2, Field("DATA_TYPE", "str", ""))
    limits = Limits(find=4 << 30)
    start = time.perf_counter()
    frame = read_result([body], fields, limits=limits).frame()
    read = time.perf_counter()
    result = diff(frame, old="R1", new="R2")
    end = time.perf_counter()
    print(
        f"{len(frame):,} rows, {len(body) >> 20} MiB: read in {read - start:.2f} s, compared in "
        f"{end - read:.2f} s ({(end - read) / (read - start):.2f} x), {len(result):,} lines"
    )


if __name__ == "__main__":
    main()

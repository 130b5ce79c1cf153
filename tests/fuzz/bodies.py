"""Response bodies that no server should send, made from the schema.

A body is written token by token, not by `json.dumps` of Python objects: ``1.0``, ``1E2``, ``-0``, a key that
comes twice, escapes and spacing are part of what is tried.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st

from mkframe.schema import EMBEDDED_DOWNLOAD, RESOURCES
from tests.support.rows import row

FINDS = [name for name, known in RESOURCES.items() if "find" in known.verbs]
RARELY = st.sampled_from([20] * 30 + list(range(20)))
SPACES = st.sampled_from(["", "", " ", "\n", "\r\n\t", "  "])

NUMBERS = st.one_of(
    st.integers(-3, 300).map(str),
    st.integers(-(2**64), 2**64).map(str),
    st.integers().map(lambda n: str(n * 10**30)),
    st.sampled_from(
        [
            "0",
            "-0",
            "1",
            "1.0",
            "-0.0",
            "0.0",
            "1e2",
            "1E+2",
            "100e-2",
            "1.5",
            "9007199254740991.0",
            "9007199254740992.0",
            "9007199254740993",
            "-9223372036854775808",
            "-9223372036854775809",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "1e18",
            "1e308",
            "1e309",
            "1e400",
            "-1e400",
            "1e-400",
            "0.1",
            "0.30000000000000004",
            "NaN",
            "Infinity",
            "-Infinity",
            "nan",
            "01",
            "+1",
            ".5",
            "1.",
            "0x10",
            "1_000",
            "--1",
        ]
    ),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
)
TEXTS = st.one_of(
    st.text(max_size=8),
    st.text(st.characters(codec="utf-8", max_codepoint=0x20), max_size=3),
    st.sampled_from(
        [
            "FINISHED",
            "FAILED",
            "CANCELED",
            "BUILDING",
            "</script><script>alert(1)</script>",
            "\u202e\u2066abc",
            "$\\frac{a}$",
            "=cmd()",
            '"},{"id":1,"',
            "}],[{",
            "e\u0301",
            "🏳️‍🌈",
            "\x1b[31m",
            "\ufeff",
            "%s {} {0}",
        ]
    ),
)
LONG = st.sampled_from(["x" * 10**6, "},{" * 10**5, "\\" * 10**5, "🎈" * 10**5])
YEARS = st.sampled_from([0, 1, 2, 99, 1582, 1677, 1899, 1969, 1970, 2026, 2262, 2263, 9998, 9999])


@st.composite
def times(draw: st.DrawFn, real: bool = False) -> str:
    """Times in the vendor's form and others, real ones (at best) and those that do not exist."""
    year, month, day = draw(YEARS), draw(st.integers(0, 13)), draw(st.integers(0, 32))
    hour, minute, second = draw(st.integers(0, 25)), draw(st.integers(0, 61)), draw(st.integers(0, 61))
    if real or draw(st.booleans()):
        year, month, day = max(year, 1), min(max(month, 1), 12), min(max(day, 1), 28)
        hour, minute, second = hour % 24, minute % 60, second % 60
    if real or draw(st.booleans()):
        return (
            f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{draw(st.integers(0, 999)):03}Z"
        )
    date = draw(
        st.sampled_from(
            [f"{year:04}-{month:02}-{day:02}", f"{year:04}{month:02}{day:02}", f"{year:04}-W{day:02}-{month}"]
        )
    )
    exact = f"{hour:02}:{minute:02}:{second:02}"
    clocks = ["", f"{hour:02}", f"{hour:02}:{minute:02}", exact, f"{exact}.{{}}", f"{exact},{{}}"]
    clocks += [exact.replace(":", ""), f"{hour:02}:{minute:02}.{{}}"]
    clock = draw(st.sampled_from(clocks)).format(draw(st.from_regex(r"\A[0-9]{0,9}\Z")))
    between = draw(st.sampled_from(["T", "T", "T", " ", "t", "", "_", "\0", "-", "+", "  ", "x"]))
    zone = draw(
        st.sampled_from(["Z", "", "z", "+00:00", "-00:00", "+02", "+0530", "-11:30", "+14:00", "+24:00"])
        | st.sampled_from(["+01:02:03", "+01:02:03.5", " Z", "Z ", "Z\n", "UTC", "+1", "Europe/Vienna"])
    )
    return f"{date}{between if clock or draw(st.booleans()) else ''}{clock}{zone}"


@st.composite
def written(draw: st.DrawFn, text: str, right: bool = False) -> str:
    """A text as one of the ways in which JSON may write it, or with a fault."""
    way = draw(st.integers(0, 9))
    way = 3 if right and way == 2 else way
    if way == 0:
        return '"' + "".join(f"\\u{ord(c):04X}" if ord(c) < 0x10000 else c for c in text[:50]) + '"'
    if way == 1:
        return json.dumps(text).replace("/", "\\/")
    if way == 2:
        fault = draw(
            st.sampled_from(
                ["\\ud800", "\\udfff\\ud800", "\\x41", "\x01", "\udcff\udcfe", "\udced\udca0\udc80"]
            )
        )
        return json.dumps(text)[:-1] + fault + '"'
    return json.dumps(text, ensure_ascii=way < 6)


STRINGS = (TEXTS | times()).flatmap(written)
SCALARS = st.one_of(st.sampled_from(["null", "true", "false"]), NUMBERS, STRINGS)
DEEP = st.integers(1, 1200).map(lambda n: "[" * n + "]" * n) | st.integers(1, 1200).map(
    lambda n: '{"a":' * n + "1" + "}" * n
)


def listed(items: list[str]) -> str:
    return f"[{','.join(items)}]"


def mapped(pairs: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"


VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3).map(listed) | st.lists(st.tuples(STRINGS, inner), max_size=3).map(mapped)
    ),
    max_leaves=4,
)
_KEYS = (
    "id name status c0 class None learned field_6 field_7 Status type version build_id downloads index "
    "level_0 __dict__ __slots__ __init__ __weakref__ __post_init__ __annotations__ ﬁ"
)
NAMES = (st.text(max_size=4) | st.sampled_from([*_KEYS.split(), "a b", "", "\x00", '"'])).map(json.dumps)

BY_TYPE = {
    "int": NUMBERS,
    "flag": st.sampled_from(["0", "1", "true", "false", "2", "-1", "1.0"]),
    "bool": st.sampled_from(["0", "1", "true", "false", "2", "0.0"]),
    "str": STRINGS,
    "timestamp": times().flatmap(written),
    "ints": st.lists(NUMBERS, max_size=3).map(listed),
    "strs": st.lists(STRINGS, max_size=3).map(listed),
    "any": VALUES,
}
WHOLE = (
    st.integers(-3, 300).map(str)
    | st.integers(-(2**63), 2**63 - 1).map(str)
    | st.sampled_from(["2.0", "-0.0", "1e3"])
)
WORDS = TEXTS.flatmap(lambda text: written(text, right=True))
RIGHT = {
    "int": WHOLE,
    "flag": st.sampled_from(["0", "1", "true"]),
    "bool": st.sampled_from(["true", "false", "0"]),
    "str": WORDS,
    "timestamp": times(real=True).map(json.dumps)
    | st.sampled_from(['"2026-04-02T10:14:40+02:00"', '"2026-04-02"']),
    "ints": st.lists(WHOLE, max_size=3).map(listed),
    "strs": st.lists(WORDS, max_size=3).map(listed),
    "any": st.recursive(
        st.sampled_from(["null", "true", "1", "2.5", "-7", "1e2"]) | WORDS,
        lambda inner: st.lists(inner, max_size=3).map(listed),
        max_leaves=3,
    ),
}
"""What the schema promises, or JSON can hold without doubt."""


@st.composite
def downloads(draw: st.DrawFn, right: bool = False) -> str:
    """Artifacts of a build, of which each may lack keys or have others."""
    made, kinds = [], RIGHT | {"int": st.integers(-3, 300).map(str)} if right else BY_TYPE
    for _ in range(draw(st.integers(0, 3))):
        pairs = [
            (json.dumps(f.name), draw(st.just("7") if f.name == "id" else st.just("null") | kinds[f.type]))
            for f in EMBEDDED_DOWNLOAD
            if f.name == "id" or draw(st.integers(0, 5))
        ]
        if not draw(st.integers(0, 3)):
            pairs.append((draw(NAMES), draw(kinds["any"])))
        made.append(mapped(pairs))
    return listed(made)


@st.composite
def records(draw: st.DrawFn, resource: str) -> list[tuple[str, str]]:
    """One row as pairs of key and value: complete, with a few changes."""
    known = RESOURCES[resource]
    number = draw(st.integers(-1, 9))
    pairs = {json.dumps(key): json.dumps(value) for key, value in row(resource, number).items()}
    for field in draw(st.lists(st.sampled_from(known.fields), max_size=6)):
        way = draw(RARELY)
        right = downloads(right=True) if field.type == "downloads" else RIGHT[field.type]
        wrong = downloads() if field.type == "downloads" else BY_TYPE[field.type]
        kind = {0: VALUES, 1: DEEP, 2: wrong, 3: wrong}.get(way, right)
        is_null = 4 <= way <= (7 if field.null else 4)
        pairs[json.dumps(field.name)] = "null" if is_null else draw(kind)
    rows = list(pairs.items())
    way = draw(RARELY) // 2
    if 0 <= way < 4:
        rows.append((draw(NAMES), draw(RIGHT["any"] if way else VALUES)))  # unknown, or the same once more
    elif way == 4:
        del rows[draw(st.integers(0, len(rows) - 1))]
    elif way == 5:
        rows = draw(st.permutations(rows))
    elif way == 6 and any(field.name == "message" for field in known.fields):
        rows.append(('"message"', json.dumps(draw(LONG))))
    return rows


@st.composite
def bodies(draw: st.DrawFn, resource: str | None = None) -> tuple[str, bytes]:
    """A resource, and the body of a find, nearly right or broken."""
    resource = resource or draw(st.sampled_from([*FINDS, "builds", "builds", "builds"]))
    rows = draw(st.lists(records(resource), min_size=draw(st.sampled_from([0, 1, 2, 3])), max_size=5))
    gap, comma, colon = draw(SPACES), draw(SPACES), draw(SPACES)
    objects = [
        "{" + f",{comma}".join(f"{key}{comma}:{colon}{value}" for key, value in pairs) + f"{gap}}}"
        for pairs in rows
    ]
    text = f"{gap}[{gap}" + f"{gap},{comma}".join(objects) + f"{comma}]{gap}"
    content = text.encode("utf-8", "surrogateescape")
    way = draw(RARELY)
    if way == 0:
        content = content[: draw(st.integers(0, len(content)))]
    elif way == 1:
        content = (
            draw(st.sampled_from([b"\xef\xbb\xbf", b"\x0c", b" " * 700, b"\0", b"<html>", b"[", b","]))
            + content
        )
    elif way == 2:
        content += draw(st.sampled_from([b"]", b",", b"x", b"\0", b" " * 700, b"[]", b"}"]))
    elif way == 3:
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(st.binary(min_size=1, max_size=3)) + content[at:]
    elif way == 4:
        content = text.encode("utf-16" if text.isprintable() else "utf-8", "surrogatepass")
    elif way == 5:
        content = content.replace(b"},", b"},7,", 1)
    return resource, content


@st.composite
def chunks(draw: st.DrawFn, content: bytes) -> list[bytes]:
    """The same bytes, cut somewhere; empty chunks among them."""
    if len(content) > 20_000:
        step = draw(st.integers(1, 9)) * 10_007
        return [content[start : start + step] for start in range(0, len(content), step)]
    cuts = sorted(draw(st.lists(st.integers(0, len(content)), max_size=6)))
    if not draw(st.integers(0, 4)):
        step = draw(st.integers(1, 97))
        cuts = list(range(0, len(content), step))
    return [content[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(content)], strict=True)]

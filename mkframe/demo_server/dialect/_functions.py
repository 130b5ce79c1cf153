"""The functions of the dialect: their arguments and result types, and what computes them in SQLite."""

from __future__ import annotations

import functools
import math
import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, localcontext
from itertools import islice
from typing import Any

from mkframe.demo_server.dialect import _regexp
from mkframe.demo_server.dialect._numbers import format_number
from mkframe.demo_server.dialect._times import (
    default_text,
    format_time,
    parse_time,
    round_time,
    truncate_time,
)
from mkframe.demo_server.dialect._values import (
    ANY,
    DATE,
    INTEGER,
    NULL,
    NUMBER,
    TEXT,
    TIMESTAMP,
    SqlError,
    as_decimal,
    as_integer,
    as_number,
    as_text,
    as_time,
    calculate,
    compare,
    family,
    from_time,
    from_wire,
    is_time,
    simplify,
    to_time,
)
from mkframe.demo_server.sql_allow_list import PREFIX

__all__ = ["FUNCTIONS", "HELPERS", "PREFIX", "Failure", "Function", "fixed", "register"]

"""Every function that this package adds to SQLite begins so."""
_LONGEST = 1_000_000
_SECONDS_A_DAY = 86_400
_SAFE_DIGITS = 15
_MOST_COMPARED = 2_000_000
Result = Callable[[list[str]], str]


@dataclass(frozen=True, slots=True)
class Function:
    """A scalar function: its number of arguments, the type of its result, and its code.

    `texts` says that it converts its arguments to text, `nulls` that it wants to see NULL itself.
    """

    least: int
    most: int
    result: Result
    code: Callable[..., Any]
    texts: bool = False
    nulls: bool = False


class Failure:
    """Keeps the error of a function, which SQLite replaces by a text of its own; and the time that is left.

    SQLite looks at the clock between its steps only, and a thousand calls of a function can be one step.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.until = math.inf

    def check(self) -> None:
        """Stop a statement whose time is over, as SQLite does itself."""
        if time.monotonic() > self.until:
            self.error = sqlite3.OperationalError("interrupted")
            raise self.error

    def take(self) -> Exception | None:
        """Return the error and forget it."""
        error, self.error = self.error, None
        return error


def fixed(type: str) -> Result:
    """Return a result type that does not depend on the arguments."""
    return lambda _types: type


# --- text -----------------------------------------------------------------------------------------------


def _text(value: Any) -> str:
    return as_text(value) or ""


def _bounded(text: str) -> str | None:
    if len(text) > _LONGEST:
        raise SqlError(f"A text would be longer than {_LONGEST} characters.")
    return text or None


def _concat(*values: Any) -> str | None:
    return _bounded("".join(map(_text, values)))


def _upper(text: str) -> str:
    """Return the capitals; a letter that has no single one, such as ß, stays."""
    made = text.upper()
    return made if len(made) == len(text) else "".join(c.upper() if len(c.upper()) == 1 else c for c in text)


def _lower(text: str) -> str:
    made = text.lower()
    return made if len(made) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in text)


def _initcap(value: Any) -> str:
    made, start = [], True
    for char in _text(value):
        made.append(_upper(char) if start else _lower(char))
        start = not char.isalnum()
    return "".join(made)


def _instr(value: Any, part: Any, position: Any = 1, occurrence: Any = 1) -> int:
    text, wanted = _text(value), _text(part)
    at, number = as_integer(position, "A position"), as_integer(occurrence, "An occurrence")
    if number is None or number < 1:
        raise SqlError("The occurrence of INSTR must be 1 or more.")
    if not at or not wanted:
        return 0
    step = 1 if at > 0 else -1
    place = at - 1 if at > 0 else min(len(text) + at, len(text) - len(wanted))
    while 0 <= place <= len(text) - len(wanted):
        place = text.find(wanted, place) if step > 0 else text.rfind(wanted, 0, place + len(wanted))
        if place < 0:
            return 0
        number -= 1
        if not number:
            return place + 1
        place += step
    return 0


def _pad(value: Any, length: Any, pad: Any, *, left: bool) -> str | None:
    text, wanted, fill = _text(value), as_integer(length, "A length"), _text(pad)
    if wanted is None or wanted < 1 or not fill:
        return None
    if wanted > _LONGEST:
        raise SqlError(f"A text would be longer than {_LONGEST} characters.")
    missing = wanted - len(text)
    filling = (fill * (missing // len(fill) + 1))[: max(missing, 0)]
    return (filling + text if left else text + filling) if missing > 0 else text[:wanted]


def _lpad(value: Any, length: Any, pad: Any = " ") -> str | None:
    return _pad(value, length, pad, left=True)


def _rpad(value: Any, length: Any, pad: Any = " ") -> str | None:
    return _pad(value, length, pad, left=False)


def _trim(value: Any, characters: Any, side: str) -> str:
    if len(_text(characters)) != 1:
        raise SqlError("TRIM takes one character only; LTRIM and RTRIM take several.")
    return _strip(value, characters, side)


def _strip(value: Any, characters: Any, side: str) -> str:
    """Cut characters off; str.strip would take the product of both lengths."""
    text, of = _text(value), set(_text(characters))
    start, end = 0, len(text)
    while side != "TRAILING" and start < end and text[start] in of:
        start += 1
    while side != "LEADING" and start < end and text[end - 1] in of:
        end -= 1
    return text[start:end]


def _replace(value: Any, part: Any, by: Any = None) -> str | None:
    if value is None:
        return None
    text, wanted, new = _text(value), _text(part), _text(by)
    if len(new) > len(wanted) and len(text) + text.count(wanted) * len(new) > _LONGEST and wanted:
        raise SqlError(f"A text would be longer than {_LONGEST} characters.")
    return text.replace(wanted, new) if wanted else text


def _substr(value: Any, start: Any, *lengths: Any) -> str | None:
    text, at = _text(value), as_integer(start, "A position")
    length = as_integer(lengths[0], "A length") if lengths else len(text)
    if at is None or length is None or (lengths and length < 1):
        return None
    begin = at - 1 if at > 0 else 0 if at == 0 else len(text) + at
    return text[begin : begin + length] if begin >= 0 else None


def _translate(value: Any, old: Any, new: Any) -> str:
    text = _text(value)
    pairs: dict[int, str | None] = {}
    by = _text(new)
    for place, char in enumerate(_text(old)):
        pairs.setdefault(ord(char), by[place] if place < len(by) else None)
    return text.translate(pairs)


def _chr(value: Any, national: Any) -> str:
    number = as_integer(value, "A character number") or 0
    if national:
        if not 0 <= number <= 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise SqlError(f"CHR: there is no character with the number {number}.")
        return chr(number)
    return chr(number % 256)


def _like(value: Any, pattern: Any, escape: Any = None) -> int | None:
    """Match a LIKE pattern from left to right."""
    if value is None or pattern is None:
        return None
    text, wanted = _text(value), _text(pattern)
    if "_" in wanted and len(text) * len(wanted) > _MOST_COMPARED:
        raise SqlError("LIKE with _ over such a long text and pattern is not supported by this server.")
    first, *middle = _pieces(wanted, escape)
    if not _fits(text, 0, first):
        return 0
    if not middle:
        return int(len(text) == len(first))
    place = len(first)
    for piece in middle[:-1]:
        place = _find(text, place, piece)
        if place < 0:
            return 0
        place += len(piece)
    last = len(text) - len(middle[-1])
    return int(last >= place and _fits(text, last, middle[-1]))


def _find(text: str, place: int, piece: list[str | None]) -> int:
    """Return the next place where a piece of a LIKE pattern fits, or -1."""
    if None not in piece:
        return text.find("".join(c for c in piece if c is not None), place)
    while place + len(piece) <= len(text):
        if _fits(text, place, piece):
            return place
        place += 1
    return -1


def _pieces(pattern: str, escape: str | None) -> list[list[str | None]]:
    """Split a LIKE pattern at its %; None stands for any one character."""
    pieces: list[list[str | None]] = [[]]
    chars = iter(pattern)
    for char in chars:
        if char == escape:
            following = next(chars, "")
            if following not in (escape, "%", "_"):
                raise SqlError("LIKE: the escape character must stand before %, _ or itself.")
            pieces[-1].append(following)
        elif char == "%":
            pieces.append([])
        else:
            pieces[-1].append(None if char == "_" else char)
    return pieces


def _fits(text: str, at: int, piece: list[str | None]) -> bool:
    return at + len(piece) <= len(text) and all(
        char is None or text[at + n] == char for n, char in enumerate(piece)
    )


def _position(value: Any, default: int) -> int:
    number = as_integer(value, "A position")
    return default if number is None else number


def _regexp_substr(
    value: Any, pattern: Any, start: Any = 1, occurrence: Any = 1, options: Any = None, group: Any = None
) -> str | None:
    if None in (value, pattern, start, occurrence):
        return None
    found = _regexp.find(
        _text(value), _text(pattern), _position(start, 1), _position(occurrence, 1), _text(options)
    )
    number = _position(group, 0)
    if found is None or not 0 <= number <= found.re.groups:
        return None
    return found.group(number) or None


def _regexp_instr(
    value: Any, pattern: Any, start: Any = 1, occurrence: Any = 1, after: Any = 0, options: Any = None,
    group: Any = None,
) -> int | None:  # fmt: skip
    if None in (value, pattern, start, occurrence, after):
        return None
    found = _regexp.find(
        _text(value), _text(pattern), _position(start, 1), _position(occurrence, 1), _text(options)
    )
    number, end = _position(group, 0), as_number(after)
    if end not in (0, 1):
        raise SqlError("The offset of REGEXP_INSTR must be 0 or 1.")
    if found is None or not 0 <= number <= found.re.groups or found.start(number) < 0:
        return 0
    return int(found.end(number) if end else found.start(number)) + 1


def _regexp_replace(
    value: Any, pattern: Any, by: Any = None, start: Any = 1, occurrence: Any = 0, options: Any = None
) -> str | None:
    if None in (value, start, occurrence):
        return None
    if pattern is None:
        return _text(value)
    return _regexp.replace(
        _text(value), _text(pattern), _text(by), _position(start, 1), _position(occurrence, 0), _text(options)
    )


# --- numbers --------------------------------------------------------------------------------------------


def _real(value: Any) -> float:
    return float(as_number(value) or 0)


def _mathematical(code: Callable[..., float]) -> Callable[..., int | float]:
    def calculated(*values: Any) -> int | float:
        try:
            result = code(*map(_real, values))
        except (ValueError, ZeroDivisionError) as error:
            raise SqlError(f"argument of a function is out of range: {error}.") from error
        except OverflowError as error:
            raise SqlError("A result is too large for a number.") from error
        if isinstance(result, complex) or not math.isfinite(result):
            raise SqlError("A result is no number or too large for one.")
        return int(result) if result.is_integer() and abs(result) < 2**53 else result

    return calculated


def _whole(rounding: str) -> Callable[[Any], int | float]:
    return lambda value: simplify(as_decimal(value).to_integral_value(rounding))


def _scaled(value: Any, scale: Any, rounding: str) -> int | float:
    number, places = as_decimal(value), as_integer(scale, "A scale") or 0
    places = max(-40, min(places, 40))
    if -number.as_tuple().exponent <= places:  # type: ignore[operator]
        return simplify(number)
    with localcontext() as context:
        context.prec = 400
        unit = Decimal(1).scaleb(-places)
        return simplify((number / unit).to_integral_value(rounding) * unit)


def _round(value: Any, to: Any = None) -> Any:
    if is_time(value):
        return from_time(round_time(to_time(value), _text(to) or "DD"))
    return _scaled(value, to, ROUND_HALF_UP)


def _trunc(value: Any, to: Any = None) -> Any:
    if is_time(value):
        return from_time(truncate_time(to_time(value), _text(to) or "DD"))
    return _scaled(value, to, ROUND_DOWN)


def _mod(value: Any, by: Any) -> int | float | None:
    return as_number(value) if as_decimal(by) == 0 else calculate("%", value, by)


def _remainder(value: Any, by: Any) -> int | float:
    number, divisor = as_decimal(value), as_decimal(by)
    if divisor == 0:
        raise SqlError("divisor is equal to zero")
    with localcontext() as context:
        context.prec = 60
        return simplify(number - divisor * (number / divisor).to_integral_value(ROUND_HALF_EVEN))


def _power(base: float, exponent: float) -> float:
    return float(base**exponent)


def _log(base: float, value: float) -> float:
    return (
        math.log10(value)
        if base == 10
        else math.log2(value)
        if base == 2
        else math.log(value) / math.log(base)
    )


def _sign(value: Any) -> int:
    number = as_number(value) or 0
    return (number > 0) - (number < 0)


# --- conditions, times, conversion ----------------------------------------------------------------------


def _matches(first: Any, value: Any, search: Any) -> int:
    """Say whether DECODE finds a value: both are converted to the type of the first search."""
    convert = as_number if isinstance(first, (int, float)) else as_time if is_time(first) else as_text
    return int(convert(value) == convert(search))


def _extreme(sign: int) -> Callable[..., Any]:
    def found(*values: Any) -> Any:
        if values[0] is None or None in values:
            return None
        convert = as_time if is_time(values[0]) else as_text if isinstance(values[0], str) else as_number
        kept = convert(values[0])
        for value in values[1:]:
            if compare(convert(value), kept) == sign:
                kept = convert(value)
        return kept

    return found


def _to_char(value: Any, model: Any, date: Any) -> str | None:
    if value is None:
        return None
    if is_time(value):
        return format_time(value, model) if model else default_text(value, DATE if date else TIMESTAMP)
    if model is None:
        return as_text(value)
    return format_number(as_decimal(value), _text(model))


def _to_time(value: Any, model: Any = None) -> str:
    if is_time(value):
        raise SqlError("TO_DATE and TO_TIMESTAMP take a text; the argument is a DATE or TIMESTAMP already.")
    return from_time(parse_time(_text(value), None if model is None else _text(model)))


def _to_date(value: Any, model: Any = None) -> str:
    return from_time(to_time(_to_time(value, model)).replace(microsecond=0))


def _days(later: Any, earlier: Any) -> int:
    difference = to_time(later) - to_time(earlier)
    seconds = difference.days * _SECONDS_A_DAY + difference.seconds
    return int(seconds / _SECONDS_A_DAY)


def _minus(left: Any, right: Any) -> Any:
    return _days(left, right) if is_time(left) and is_time(right) else calculate("-", left, right)


def _same_as_first(types: list[str]) -> str:
    return types[0]


def _time_or_number(types: list[str]) -> str:
    return {"time": DATE, "number": NUMBER, "text": NUMBER, NULL: NULL}.get(family(types[0]), ANY)


_NUMERIC = fixed(NUMBER)
FUNCTIONS: dict[str, Function] = {
    "ABS": Function(1, 1, _NUMERIC, lambda v: abs(as_number(v) or 0)),
    "CEIL": Function(1, 1, _NUMERIC, _whole("ROUND_CEILING")),
    "FLOOR": Function(1, 1, _NUMERIC, _whole("ROUND_FLOOR")),
    "MOD": Function(2, 2, _NUMERIC, _mod),
    "REMAINDER": Function(2, 2, _NUMERIC, _remainder),
    "ROUND": Function(1, 2, _time_or_number, _round),
    "TRUNC": Function(1, 2, _time_or_number, _trunc),
    "SIGN": Function(1, 1, fixed(INTEGER), _sign),
    "EXP": Function(1, 1, _NUMERIC, _mathematical(math.exp)),
    "LN": Function(1, 1, _NUMERIC, _mathematical(math.log)),
    "LOG": Function(2, 2, _NUMERIC, _mathematical(_log)),
    "POWER": Function(2, 2, _NUMERIC, _mathematical(_power)),
    "SQRT": Function(1, 1, _NUMERIC, _mathematical(math.sqrt)),
    **{
        name.upper(): Function(1, 1, _NUMERIC, _mathematical(getattr(math, name)))
        for name in ("acos", "asin", "atan", "cos", "cosh", "sin", "sinh", "tan", "tanh")
    },
    "ATAN2": Function(2, 2, _NUMERIC, _mathematical(math.atan2)),
    "ASCII": Function(1, 1, fixed(INTEGER), lambda v: ord(_text(v)[0]), texts=True),
    "CONCAT": Function(2, 2, fixed(TEXT), _concat, texts=True, nulls=True),
    "INITCAP": Function(1, 1, fixed(TEXT), _initcap, texts=True),
    "INSTR": Function(2, 4, fixed(INTEGER), _instr, texts=True),
    "LENGTH": Function(1, 1, fixed(INTEGER), lambda v: len(_text(v)), texts=True),
    "LOWER": Function(1, 1, fixed(TEXT), lambda v: _lower(_text(v)), texts=True),
    "UPPER": Function(1, 1, fixed(TEXT), lambda v: _upper(_text(v)), texts=True),
    "LPAD": Function(2, 3, fixed(TEXT), _lpad, texts=True),
    "RPAD": Function(2, 3, fixed(TEXT), _rpad, texts=True),
    "LTRIM": Function(1, 2, fixed(TEXT), lambda v, of=" ": _strip(v, of, "LEADING"), texts=True),
    "RTRIM": Function(1, 2, fixed(TEXT), lambda v, of=" ": _strip(v, of, "TRAILING"), texts=True),
    "REPLACE": Function(2, 3, fixed(TEXT), _replace, texts=True, nulls=True),
    "SUBSTR": Function(2, 3, fixed(TEXT), _substr, texts=True),
    "TRANSLATE": Function(3, 3, fixed(TEXT), _translate, texts=True),
    "REGEXP_SUBSTR": Function(2, 6, fixed(TEXT), _regexp_substr, texts=True, nulls=True),
    "REGEXP_INSTR": Function(2, 7, fixed(INTEGER), _regexp_instr, texts=True, nulls=True),
    "REGEXP_REPLACE": Function(2, 6, fixed(TEXT), _regexp_replace, texts=True, nulls=True),
    "GREATEST": Function(1, 255, _same_as_first, _extreme(1), nulls=True),
    "LEAST": Function(1, 255, _same_as_first, _extreme(-1), nulls=True),
    "TO_DATE": Function(1, 2, fixed(DATE), _to_date),
    "TO_TIMESTAMP": Function(1, 2, fixed(TIMESTAMP), _to_time),
}
"""The documented scalar functions whose arguments are plain expressions."""


def _store_integer(value: Any) -> int | None:
    number = as_number(value)
    if number is None:
        return None
    whole = as_decimal(number).to_integral_value(ROUND_HALF_UP)
    if abs(whole) >= 2**63:
        raise SqlError("This server holds whole numbers up to 9223372036854775807 only.")
    return int(whole)


def _store_number(value: Any, digits: int = 38, places: int = 10) -> int | float | None:
    number = as_number(value)
    if number is None:
        return None
    rounded = _scaled(number, places, ROUND_HALF_UP)
    if abs(rounded) >= 10 ** (digits - places):
        raise SqlError(
            f"value larger than the {digits} digits, {places} of them decimal places, of its column"
        )
    return rounded


def _store_string(value: Any, limit: Any) -> str | None:
    text = as_text(value)
    if text is not None and limit is not None and len(text) > limit:
        raise SqlError(f"value too large: the column holds {limit} characters, the value has {len(text)}.")
    return text


def _date_text(value: Any) -> str | None:
    return None if value is None else default_text(value, DATE)


def _required(value: Any, name: Any) -> Any:
    if value is None:
        raise SqlError(f"cannot insert NULL into {name}")
    return value


def _key(number: int) -> str:
    """Write the number of a row so that texts of it sort as numbers do."""
    return f"{number:010d}"


def _fail(text: Any) -> None:
    raise SqlError(text)


def _resolve(value: Any) -> int | float:
    """Take the noise of binary fractions out of a sum that SQLite made."""
    number = as_decimal(value)
    with localcontext() as context:
        context.prec = _SAFE_DIGITS
        return simplify(+number)


HELPERS: dict[str, tuple[Callable[..., Any], bool]] = {
    "add": (functools.partial(calculate, "+"), True),
    "subtract": (_minus, False),
    "multiply": (functools.partial(calculate, "*"), True),
    "divide": (functools.partial(calculate, "/"), True),
    "modulo": (functools.partial(calculate, "%"), True),
    "days": (_days, False),
    "compare": (compare, True),
    "number": (as_number, True),
    "text": (as_text, True),
    "time": (as_time, True),
    "date_text": (_date_text, True),
    "concat": (_concat, True),
    "like": (_like, True),
    "trim": (_trim, False),
    "chr": (_chr, False),
    "to_char": (_to_char, True),
    "matches": (_matches, True),
    "store_integer": (_store_integer, True),
    "store_number": (_store_number, True),
    "store_string": (_store_string, True),
    "required": (_required, True),
    "fail": (_fail, True),
    "key": (_key, False),
    "from_wire": (from_wire, True),
    "settle": (_resolve, False),
}
"""What the rewritten statements call besides; with whether the code wants to see NULL itself."""


def _wrapped(code: Callable[..., Any], nulls: bool, failure: Failure) -> Callable[..., Any]:
    """Keep the error of a function for `Failure`; an empty text is NULL."""

    def called(*values: Any) -> Any:
        failure.check()
        if not nulls and None in values:
            return None
        try:
            result = code(*values)
        except SqlError as error:
            failure.error = error
            raise
        except (ValueError, OverflowError, ArithmeticError, TypeError, MemoryError) as error:
            failure.error = SqlError(f"A function failed: {error}.")
            raise
        return None if result == "" else result

    return called


# --- aggregates -----------------------------------------------------------------------------------------


class _Aggregate:
    """An aggregate that can be a window too; `inverse` takes the oldest row out of the frame."""

    failure: Failure

    def step(self, *values: Any) -> None:
        self._guard(self.add, values)

    def inverse(self, *values: Any) -> None:
        self._guard(self.remove, values)

    def value(self) -> Any:
        return self._guard(self.result, ())

    def finalize(self) -> Any:
        return self.value()

    def _guard(self, code: Callable[..., Any], values: tuple[Any, ...]) -> Any:
        self.failure.check()
        try:
            return code(*values)
        except SqlError as error:
            self.failure.error = error
            raise

    def add(self, *values: Any) -> None:
        raise NotImplementedError

    def remove(self, *values: Any) -> None:
        raise NotImplementedError

    def result(self) -> Any:
        raise NotImplementedError


class _Sum(_Aggregate):
    def __init__(self) -> None:
        self.total, self.count = Decimal(0), 0

    def add(self, value: Any) -> None:
        if value is not None:
            self._move(as_decimal(value), 1)

    def remove(self, value: Any) -> None:
        if value is not None:
            self._move(-as_decimal(value), -1)

    def _move(self, value: Decimal, count: int) -> None:
        with localcontext() as context:
            context.prec = 60
            self.total += value
        self.count += count

    def result(self) -> Any:
        return simplify(self.total) if self.count else None


class _Average(_Sum):
    def result(self) -> Any:
        with localcontext() as context:
            context.prec = 40
            return simplify(self.total / self.count) if self.count else None


class _Rows(_Aggregate):
    """Keeps the values of the frame in their order."""

    keeps_null = False

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.number = 1
        self.begin = 0

    def add(self, value: Any, number: Any = 1) -> None:
        self.number = number
        if value is not None or self.keeps_null:
            self.values.append(value)

    def remove(self, value: Any, number: Any = 1) -> None:
        if value is not None or self.keeps_null:
            self.begin += 1

    def at(self, place: int) -> Any:
        """Return the value at a place of the frame, from its end where negative."""
        kept = len(self.values) - self.begin
        place = kept + place if place < 0 else place
        return self.values[self.begin + place] if 0 <= place < kept else None


class _First(_Rows):
    def result(self) -> Any:
        return self.at(self.number - 1)


class _Last(_Rows):
    def result(self) -> Any:
        return self.at(-self.number)


class _LastWithNull(_Last):
    keeps_null = True


class _Lag(_Last):
    """The value so many known ones before the newest row, which does not count."""

    keeps_null = True

    def result(self) -> Any:
        return _nth_known(reversed(self.values[self.begin : -1]), self.number)


class _Lead(_First):
    """The value so many known ones after the oldest row, which does not count."""

    keeps_null = True

    def result(self) -> Any:
        return _nth_known((self.values[n] for n in range(self.begin + 1, len(self.values))), self.number)


def _nth_known(values: Iterable[Any], number: int) -> Any:
    return next(islice((v for v in values if v is not None), number - 1, None), None)


class _AnyValue(_First):
    keeps_null = True


class _Single(_AnyValue):
    """The value of a subquery that stands for one value."""

    def add(self, value: Any, number: Any = 1) -> None:
        if self.values:
            raise SqlError("single-row subquery returns more than one row")
        super().add(value, number)


class _Median(_Rows):
    def result(self) -> Any:
        kept = self.values[self.begin :]
        if not kept:
            return None
        if all(map(is_time, kept)):
            times = sorted(map(to_time, kept))
            low, high = times[(len(times) - 1) // 2], times[len(times) // 2]
            return from_time(low + (high - low) / 2)
        numbers = sorted(as_number(v) or 0 for v in kept)
        return calculate("/", calculate("+", numbers[(len(numbers) - 1) // 2], numbers[len(numbers) // 2]), 2)


class _Extreme(_Rows):
    """MIN or MAX of values whose types are known only now."""

    sign = 1

    def result(self) -> Any:
        kept = self.values[self.begin :]
        best = kept[0] if kept else None
        for value in kept[1:]:
            if compare(value, best) == self.sign:
                best = value
        return best


class _Smallest(_Extreme):
    sign = -1


class _CountDistinct(_Rows):
    def result(self) -> Any:
        return len(set(self.values[self.begin :]))


_AGGREGATES: dict[str, tuple[type[_Aggregate], int]] = {
    "sum": (_Sum, 1), "avg": (_Average, 1), "median": (_Median, 1), "any_value": (_AnyValue, 1),
    "single": (_Single, 1), "min": (_Smallest, 1), "max": (_Extreme, 1),
    "count_distinct": (_CountDistinct, 1),
    "first_known": (_First, 2), "last_known": (_Last, 2), "nth_from_last": (_LastWithNull, 2),
    "lag_known": (_Lag, 2), "lead_known": (_Lead, 2),
}  # fmt: skip
"""Aggregates and windows, with their numbers of arguments.

A window of these must always hold the current row: sqlite3 of CPython crashes where SQLite asks for the value
of a frame before any row was in it.
"""


def register(database: sqlite3.Connection, failure: Failure) -> None:
    """Give a database the functions of the dialect."""
    for name, function in FUNCTIONS.items():
        code = _wrapped(function.code, function.nulls, failure)
        database.create_function(PREFIX + name.lower(), -1, code)
    for name, (code, nulls) in HELPERS.items():
        database.create_function(PREFIX + name, -1, _wrapped(code, nulls, failure))
    for name, (kind, arguments) in _AGGREGATES.items():
        made = type(kind.__name__, (kind,), {"failure": failure})
        database.create_window_function(PREFIX + name, arguments, made)

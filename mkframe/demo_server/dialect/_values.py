"""The values of the dialect as SQLite holds them, and the conversions between their types.

SQLite has no timestamps: here a DATE or TIMESTAMP is a text of its own kind, one control character and then
``YYYY-MM-DD HH:MM:SS.ffffff``. It sorts as time does and cannot be taken for a text that looks like a time.
An empty text is NULL, as it is in the store of the real service.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation, localcontext
from typing import Any

__all__ = [
    "ANY", "DATE", "INTEGER", "NULL", "NUMBER", "STRING", "TEXT", "TIMESTAMP", "Column", "SqlError",
    "as_integer", "as_number", "as_text", "as_time", "common_type", "family", "from_time", "from_wire",
    "is_time", "plain_number", "simplify", "to_time", "to_wire", "unsupported",
]  # fmt: skip

INTEGER, NUMBER, STRING, TEXT, DATE, TIMESTAMP = "integer", "decimal", "string", "text", "date", "timestamp"
NULL, ANY = "null", "any"
"""Types of expressions; `NULL` is the type of NULL itself, `ANY` is known only when the value is there."""

_FAMILIES = {
    INTEGER: "number",
    NUMBER: "number",
    STRING: "text",
    TEXT: "text",
    DATE: "time",
    TIMESTAMP: "time",
}
_MARK = "\x1f"
_STAMP = "%Y-%m-%d %H:%M:%S.%f"
_STAMP_LENGTH = 27
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", re.ASCII)
_ISO = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d([.,]\d{1,9})?)?", re.ASCII)
_LARGEST = 2**63
_DIGITS = 40
_SAFE_DIGITS = 15
_SHOWN = 40


class SqlError(Exception):
    """A statement that ends with status ERROR; the text says why.

    Parameters
    ----------
    text : str
        What is wrong.
    kind : str, default "Error"
        The word before the text: CompileError, RuntimeError or SyntaxError as in the documentation.
    """

    def __init__(self, text: str, kind: str = "Error") -> None:
        super().__init__(f"{kind}: {text}")


def unsupported(what: str) -> SqlError:
    """Say that this server does not know a construct."""
    return SqlError(f"{what} is not supported by this server.", "CompileError")


def unknown_function(name: str, instead: str = "") -> SqlError:
    """Say that this server does not know a function, and what to write instead."""
    return SqlError(
        f"The function {name} does not exist or is not supported by this server{instead}.", "CompileError"
    )


@dataclass(frozen=True, slots=True)
class Column:
    """A column as a statement sees it: its name and type."""

    name: str
    type: str


def family(type: str) -> str:
    """Return number, text or time; the type itself for NULL and ANY."""
    return _FAMILIES.get(type, type)


def common_type(types: list[str]) -> str:
    """Return the type that values of several types have together; ANY if they do not fit."""
    known = [t for t in dict.fromkeys(types) if t != NULL]
    if not known:
        return NULL
    if len(known) == 1:
        return known[0]
    families = {family(t) for t in known}
    if len(families) > 1:
        return ANY
    return {"number": NUMBER, "text": TEXT, "time": TIMESTAMP}[families.pop()]


# --- times ----------------------------------------------------------------------------------------------


def is_time(value: Any) -> bool:
    """Say whether a value is a DATE or TIMESTAMP."""
    return isinstance(value, str) and value[:1] == _MARK and len(value) == _STAMP_LENGTH


def from_time(moment: datetime) -> str:
    """Return a moment of a wall clock as a value."""
    return f"{_MARK}{moment.year:04d}{moment.strftime(_STAMP)[-22:]}"


def to_time(value: str) -> datetime:
    """Return the moment that a DATE or TIMESTAMP holds."""
    return datetime.fromisoformat(value[1:])


def as_time(value: Any) -> str | None:
    """Convert to a timestamp; a text is written YYYY-MM-DD HH:MI:SS.FF or as TO_DATE takes it."""
    if value is None or is_time(value):
        return value  # type: ignore[no-any-return]
    if isinstance(value, str):
        from mkframe.demo_server.dialect._times import parse_time

        found = _ISO.fullmatch(value.strip())
        model = (
            "YYYY-MM-DD" + (" HH24:MI:SS" if found[1] else "") + ("XFF" if found[2] else "")
            if found
            else None
        )
        return from_time(parse_time(value.strip().replace(",", "."), model))
    raise SqlError(f"{plain_number(value)} is a number, but a DATE or TIMESTAMP is needed.")


def from_wire(text: Any) -> str | None:
    """Return the value of a time as a view's table holds it: ISO 8601 with Z, milliseconds."""
    if text is None or is_time(text):
        return text  # type: ignore[no-any-return]
    return from_time(datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None))


def to_wire(value: Any, offset: timedelta) -> Any:
    """Return a value as JSON shows it; times lose `offset` and end in Z."""
    if is_time(value):
        moment = to_time(value) - offset
        return f"{moment.year:04d}{moment.strftime('-%m-%dT%H:%M:%S')}.{moment.microsecond // 1000:03d}Z"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise SqlError("A result is too large for a number.")
        return int(value) if value.is_integer() and abs(value) < _LARGEST else value
    if isinstance(value, bytes):
        raise SqlError("Binary values are not part of the dialect.")
    return value


# --- numbers and texts ----------------------------------------------------------------------------------


def as_number(value: Any) -> int | float | None:
    """Convert to a number, as arithmetic and numeric functions do with texts."""
    if value is None or isinstance(value, (int, float)):
        return value
    if is_time(value):
        raise SqlError("A DATE or TIMESTAMP is used where a number is needed; it has no arithmetic but -.")
    if not _NUMBER.fullmatch(value):
        raise SqlError(f"invalid number: {_short(value)} cannot be converted to a number.")
    return simplify(Decimal(value.strip()))


def as_integer(value: Any, what: str) -> int | None:
    """Convert an argument that counts something to a whole number; a fraction is cut off."""
    number = as_number(value)
    if number is None:
        return None
    if isinstance(number, float) and not math.isfinite(number):
        raise SqlError(f"{what} is too large.")
    return int(number)


def as_decimal(value: Any) -> Decimal:
    """Return a number (never NULL) as a decimal, a fraction as it is printed."""
    number = as_number(value)
    return Decimal(number) if isinstance(number, int) else Decimal(repr(number))


def simplify(number: Decimal) -> int | float:
    """Return a decimal as SQLite holds it: an integer where it is one."""
    try:
        if number == number.to_integral_value() and abs(number) < _LARGEST:
            return int(number)
    except InvalidOperation as error:
        raise SqlError("A result is too large for a number.") from error
    value = float(number)
    if not math.isfinite(value):
        raise SqlError("A result is too large for a number.")
    return value


def _is_full(number: Decimal) -> bool:
    """Say whether a fraction has more digits than a double holds for sure."""
    return len(number.as_tuple().digits) > _SAFE_DIGITS and number != number.to_integral_value()


_DOUBLES: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}


def calculate(sign: str, left: Any, right: Any) -> int | float | None:
    """Apply an arithmetic operator as the store does: in decimals, not in binary fractions.

    A number that fills a double, such as a third, is no decimal any more: there the arithmetic of doubles is
    nearer to the 38 digits of the store.
    """
    if left is None or right is None:
        return None
    with localcontext() as context:
        context.prec = _DIGITS
        one, two = as_decimal(left), as_decimal(right)
        try:
            if sign in _DOUBLES and (_is_full(one) or _is_full(two)):
                return simplify(Decimal(repr(_DOUBLES[sign](float(one), float(two)))))
            if sign == "+":
                return simplify(one + two)
            if sign == "-":
                return simplify(one - two)
            if sign == "*":
                return simplify(one * two)
            if two == 0:
                raise SqlError("divisor is equal to zero")
            return simplify(one / two if sign == "/" else one - two * int(one / two))
        except ArithmeticError as error:
            raise SqlError("A result is too large for a number.") from error


def plain_number(value: float) -> str:
    """Write a number as the store converts it to text: no leading zero, no exponent where avoidable."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e38:
        return str(int(value))
    if isinstance(value, int):
        return str(value)
    if abs(value) >= 1e38 or 0 < abs(value) < 1e-38:
        return repr(value).upper()
    text = format(Decimal(repr(value)), "f")
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return sign + (digits[1:] if digits.startswith("0.") else digits)


def as_text(value: Any) -> str | None:
    """Convert to text; a timestamp is written in the default format, a date by `TO_CHAR` only."""
    if value is None or value == "":
        return None
    if is_time(value):
        from mkframe.demo_server.dialect._times import default_text

        return default_text(value, TIMESTAMP)
    return value if isinstance(value, str) else plain_number(value)


def compare(left: Any, right: Any) -> int | None:
    """Compare two values whose types are known only now; -1, 0 or 1."""
    if left is None or right is None:
        return None
    if is_time(left) or is_time(right):
        left, right = as_time(left), as_time(right)
    elif isinstance(left, str) is not isinstance(right, str):
        left, right = as_number(left), as_number(right)
    return int(left > right) - int(left < right)


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "...")

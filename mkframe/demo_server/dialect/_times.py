"""Times in text: the format models of TO_CHAR, TO_DATE and TO_TIMESTAMP, and TRUNC and ROUND by unit."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, timedelta

from mkframe.demo_server.dialect._values import DATE, SqlError, to_time

__all__ = ["default_text", "format_time", "parse_time", "round_time", "truncate_time"]

_DEFAULT_IN = "DD-MON-YYYY"
_DEFAULT_OUT = {DATE: "DD-MON-RR", "timestamp": "DD-MON-RR HH.MI.SS.FF9 AM"}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")
_ELEMENTS = (
    "SYYYY", "YYYY", "Y,YYY", "YYY", "YY", "IYYY", "IYY", "IY", "RRRR", "RR", "SCC", "CC", "HH24", "HH12",
    "HH", "MONTH", "MON", "MM", "MI", "RM", "DDD", "DD", "DAY", "DY", "D", "SSSSS", "SS", "FF[1-9]?", "IW",
    "WW", "W", "Q", "A\\.M\\.", "P\\.M\\.", "AM", "PM", "A\\.D\\.", "B\\.C\\.", "AD", "BC", "Y",
    "I", "X", "FM",
)  # fmt: skip
_SPLIT = re.compile(r'"[^"]*"|' + "|".join(_ELEMENTS) + r"|[-/,.;: ]|.", re.I | re.S)
_ELEMENT = re.compile("|".join(_ELEMENTS), re.I)
_LITERAL = re.compile(r'"([^"]*)"|([-/,.;: ])', re.S)
_NOT_READ = {"CC", "SCC", "IW", "WW", "W", "Q", "IYYY", "IYY", "IY", "I", "D"}
_DIGITS_READ = {
    "YYYY": 4, "SYYYY": 4, "RRRR": 4, "YYY": 3, "YY": 2, "RR": 2, "Y": 1, "MM": 2, "DDD": 3, "DD": 2,
    "HH24": 2, "HH12": 2, "HH": 2, "MI": 2, "SS": 2, "SSSSS": 5,
}  # fmt: skip
_UNITS = {
    "CC": ("CC", "SCC"), "YEAR": ("SYYYY", "YYYY", "YEAR", "SYEAR", "YYY", "YY", "Y"),
    "IYEAR": ("IYYY", "IYY", "IY", "I"), "Q": ("Q",), "MONTH": ("MONTH", "MON", "MM", "RM"), "WW": ("WW",),
    "IW": ("IW",), "W": ("W",), "DD": ("DDD", "DD", "J"), "DAY": ("DAY", "DY", "D"),
    "HH": ("HH", "HH12", "HH24"), "MI": ("MI",),
}  # fmt: skip
_UNIT_OF = {word: unit for unit, words in _UNITS.items() for word in words}


def _elements(model: str) -> list[str]:
    return _SPLIT.findall(model)


def _unknown(element: str, model: str) -> SqlError:
    return SqlError(f"The format element {element!r} in {model!r} is not supported by this server.")


# --- to text --------------------------------------------------------------------------------------------


def default_text(value: str, type: str) -> str:
    """Write a time in the default format of its type."""
    return format_time(value, _DEFAULT_OUT[type])


def format_time(value: str, model: str) -> str:
    """Write a time by a format model."""
    moment, parts, fill = to_time(value), [], True
    for element in _elements(model):
        if element.upper() == "FM":
            fill = not fill
        elif literal := _LITERAL.fullmatch(element):
            parts.append(literal[1] if literal[1] is not None else literal[2])
        elif _ELEMENT.fullmatch(element):
            parts.append(_written(moment, element, fill))
        else:
            raise _unknown(element, model)
    return "".join(parts)


def _written(moment: datetime, element: str, fill: bool) -> str:
    key = element.upper()
    if key in ("MONTH", "DAY"):
        names = _MONTHS if key == "MONTH" else _DAYS
        name = names[moment.month - 1 if key == "MONTH" else moment.weekday()]
        return _cased(name.ljust(max(map(len, names))) if fill else name, element)
    if key in ("MON", "DY"):
        return _cased((_MONTHS[moment.month - 1] if key == "MON" else _DAYS[moment.weekday()])[:3], element)
    if key in ("AM", "PM", "A.M.", "P.M."):
        half = "AM" if moment.hour < 12 else "PM"
        return _cased(f"{half[0]}.M." if "." in key else half, element)
    if key in ("AD", "BC", "A.D.", "B.C."):
        return _cased("A.D." if "." in key else "AD", element)
    if key == "RM":
        roman = _ROMAN[moment.month - 1]
        return _cased(roman.ljust(4) if fill else roman, element)
    if key.startswith("FF"):
        return f"{moment.microsecond:06d}000"[: int(key[2:] or 6)]
    if key == "X":
        return "."
    if key == "Y,YYY":
        return f"{moment.year:,d}"
    number, width = _number(moment, key)
    return f"{number:0{width}d}" if fill else str(number)


def _number(moment: datetime, key: str) -> tuple[int, int]:
    iso, day = moment.isocalendar(), moment.timetuple().tm_yday
    hour12, century = (moment.hour + 11) % 12 + 1, (moment.year + 99) // 100
    if key.strip("Y") == "":
        return moment.year % 10 ** len(key), len(key)
    if key.strip("IY") == "" and key.startswith("I"):
        return iso.year % 10 ** len(key), len(key)
    return {
        "SYYYY": (moment.year, 4), "RRRR": (moment.year, 4), "RR": (moment.year % 100, 2),
        "CC": (century, 2), "SCC": (century, 2), "Q": ((moment.month + 2) // 3, 1), "MM": (moment.month, 2),
        "DDD": (day, 3), "DD": (moment.day, 2), "D": (moment.isoweekday() % 7 + 1, 1), "IW": (iso.week, 2),
        "WW": ((day + 6) // 7, 2), "W": ((moment.day + 6) // 7, 1), "HH24": (moment.hour, 2),
        "HH12": (hour12, 2), "HH": (hour12, 2), "MI": (moment.minute, 2), "SS": (moment.second, 2),
        "SSSSS": (moment.hour * 3600 + moment.minute * 60 + moment.second, 5),
    }[key]  # fmt: skip


def _cased(text: str, element: str) -> str:
    """Follow the letters of the element: MON, Mon, mon."""
    if element[0].islower():
        return text.lower()
    letters = [c for c in element if c.isalpha()]
    return text.title() if len(letters) > 1 and letters[1].islower() else text.upper()


# --- from text ------------------------------------------------------------------------------------------


def parse_time(text: str, model: str | None) -> datetime:
    """Read a time by a format model.

    What the model leaves out is the first day of a month at midnight; the year and the month must be there,
    for the store takes them from the present day otherwise.
    """
    model = _DEFAULT_IN if model is None else model
    found: dict[str, int] = {}
    at = 0
    for element in _elements(model):
        key = element.upper()
        if key == "FM":
            continue
        if literal := _LITERAL.fullmatch(element):
            wanted = literal[1] if literal[1] is not None else literal[2]
            # any sign stands for any other between the elements, as in the store
            if literal[2] is not None and text[at : at + 1] and not text[at].isalnum():
                wanted = text[at]
            if not text.startswith(wanted, at):
                raise _unread(text, model)
            at += len(wanted)
        elif not _ELEMENT.fullmatch(element) or key in _NOT_READ:
            raise _unknown(element, model)
        else:
            at = _read(text, at, key, found, model)
    if text[at:].strip():
        raise _unread(text, model)
    return _moment(found, text, model)


def _unread(text: str, model: str) -> SqlError:
    return SqlError(
        f"{text[:60]!r} does not match the format {model!r}. "
        "Write TO_DATE(text, format), date'YYYY-MM-DD' or timestamp'YYYY-MM-DD HH:MI:SS'."
    )


def _read(text: str, at: int, key: str, found: dict[str, int], model: str) -> int:
    names: tuple[tuple[str, tuple[str, ...]], ...] = (("MONTH", _MONTHS), ("DAY", _DAYS), ("RM", _ROMAN))
    kind = {"MON": "MONTH", "DY": "DAY"}.get(key, key)
    for name, words in names:
        if kind == name:
            return _read_word(text, at, key, words, found, model)
    if key.strip(".") in ("AM", "PM", "A.M", "P.M", "AD", "BC", "A.D", "B.C"):
        return _read_half(text, at, key, found, model)
    if key == "X":
        key, pattern = "X", r"\."
    elif key.startswith("FF"):
        pattern = rf"\d{{1,{key[2:] or 9}}}"
    elif key == "Y,YYY":
        pattern = r"\d,\d{3}"
    else:
        pattern = rf"\d{{1,{_DIGITS_READ[key]}}}"
    digits = re.compile(pattern, re.ASCII).match(text, at)
    if digits is None:
        raise _unread(text, model)
    if key.startswith("FF"):
        found["FF"] = int(digits[0].ljust(6, "0")[:6])
    elif key != "X":
        found[key] = int(digits[0].replace(",", ""))
        found[f"{key} digits"] = len(digits[0])
    return digits.end()


def _read_word(
    text: str, at: int, key: str, words: tuple[str, ...], found: dict[str, int], model: str
) -> int:
    short = key in ("MON", "DY")
    for number, word in sorted(enumerate(words, 1), key=lambda w: -len(w[1])):
        choices = (word[:3],) if short else (word, word[:3]) if key in ("MONTH", "DAY") else (word,)
        for choice in choices:
            if text[at : at + len(choice)].upper() == choice.upper():
                found["DAY" if words is _DAYS else "MM"] = number
                return at + len(choice)
    raise _unread(text, model)


def _read_half(text: str, at: int, key: str, found: dict[str, int], model: str) -> int:
    half = re.compile(r"([AP])\.?M\.?|([AB])\.?([DC])\.?", re.I).match(text, at)
    if half is None or (half[1] is None) is key.strip(".").endswith("M"):
        raise _unread(text, model)
    if half[1]:
        found["PM"] = int(half[1].upper() == "P")
    elif half[2].upper() == "B":
        raise SqlError("Years before Christ are not supported by this server.")
    return half.end()


def _moment(found: dict[str, int], text: str, model: str) -> datetime:
    year = _year(found, model)
    if year is None or ("MM" not in found and "DDD" not in found):
        raise SqlError(
            f"The format {model!r} names no year or no month; this server does not take them from today."
        )
    hour = found.get("HH24")
    if hour is None:
        hour = found.get("HH12", found.get("HH", 0))
        if not ("HH12" not in found and "HH" not in found) and not 1 <= hour <= 12:
            raise SqlError(f"{text[:60]!r}: an hour must be between 1 and 12 for the format {model!r}.")
        hour = hour % 12 + 12 * found.get("PM", 0)
    try:
        day = date(year, found.get("MM", 1), found.get("DD", 1))
        if "DDD" in found:
            day = date(year, 1, 1) + timedelta(found["DDD"] - 1)
            if day.year != year or found["DDD"] < 1:
                raise SqlError(f"{text[:60]!r}: the year {year} has no day {found['DDD']}.")
        moment = datetime(
            day.year, day.month, day.day, hour, found.get("MI", 0), found.get("SS", 0), found.get("FF", 0)
        )
    except ValueError as error:
        raise SqlError(f"{text[:60]!r} is no valid time: {error}.") from error
    if "SSSSS" in found:
        moment = datetime(day.year, day.month, day.day) + timedelta(seconds=found["SSSSS"])
    if "DAY" in found and day.isoweekday() != found["DAY"]:
        raise SqlError(f"{text[:60]!r}: the day of the week does not fit the date.")
    return moment


def _year(found: dict[str, int], model: str) -> int | None:
    for key in ("YYYY", "SYYYY", "Y,YYY"):
        if key in found:
            return found[key]
    for key in ("RRRR", "RR"):
        if key in found:
            two = found[f"{key} digits"] <= 2
            return found[key] + (2000 if found[key] < 50 else 1900) if two else found[key]
    if any(key in found for key in ("YYY", "YY", "Y")):
        raise SqlError(f"The format {model!r} takes the century from today; use YYYY or RR.")
    return None


# --- units ----------------------------------------------------------------------------------------------


def _unit(model: str) -> str:
    unit = _UNIT_OF.get(model.upper())
    if unit is None:
        raise SqlError(f"The unit {model!r} of TRUNC and ROUND is not supported by this server.")
    return unit


def _day(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


_STARTS: dict[str, Callable[[datetime], datetime]] = {
    "CC": lambda t: _day(t).replace(year=(t.year - 1) // 100 * 100 + 1, month=1, day=1),
    "YEAR": lambda t: _day(t).replace(month=1, day=1),
    "IYEAR": lambda t: datetime.fromisocalendar(t.isocalendar().year, 1, 1),
    "Q": lambda t: _day(t).replace(month=(t.month - 1) // 3 * 3 + 1, day=1),
    "MONTH": lambda t: _day(t).replace(day=1),
    "WW": lambda t: _day(t) - timedelta((t.timetuple().tm_yday - 1) % 7),
    "IW": lambda t: _day(t) - timedelta(t.weekday()),
    "W": lambda t: _day(t) - timedelta((t.day - 1) % 7),
    "DAY": lambda t: _day(t) - timedelta(t.isoweekday() % 7),
    "DD": _day,
    "HH": lambda t: t.replace(minute=0, second=0, microsecond=0),
    "MI": lambda t: t.replace(second=0, microsecond=0),
}


def truncate_time(moment: datetime, model: str) -> datetime:
    """Cut a time to the beginning of its unit."""
    return _STARTS[_unit(model)](moment)


def round_time(moment: datetime, model: str) -> datetime:
    """Round a time to the nearest beginning of its unit."""
    start, unit = truncate_time(moment, model), _unit(model)
    late = {
        "CC": moment.year % 100 > 50 or moment.year % 100 == 0,
        "YEAR": moment.month >= 7,
        "Q": (moment.month - 1) % 3 == 2 or ((moment.month - 1) % 3 == 1 and moment.day >= 16),
        "MONTH": moment.day >= 16,
        "IYEAR": moment >= datetime(moment.isocalendar().year, 7, 1),
    }
    lengths = {"WW": 7.0, "IW": 7.0, "W": 7.0, "DAY": 7.0, "DD": 1.0, "HH": 1 / 24, "MI": 1 / 1440}
    if unit in lengths:
        length = timedelta(days=lengths[unit])
        return start + length if moment - start >= length / 2 else start
    if not late[unit]:
        return start
    match unit:
        case "CC":
            return start.replace(year=start.year + 100)
        case "YEAR":
            return start.replace(year=start.year + 1)
        case "IYEAR":
            return datetime.fromisocalendar(moment.isocalendar().year + 1, 1, 1)
    following = start.month + (3 if unit == "Q" else 1)
    return start.replace(year=start.year + (following - 1) // 12, month=(following - 1) % 12 + 1)

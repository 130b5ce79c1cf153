"""Numbers in text: the format models of TO_CHAR."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, localcontext

from mkframe.demo_server.dialect._values import SqlError, plain_number, simplify

__all__ = ["format_number"]

_MODEL = re.compile(
    r"(?P<fm>FM)?(?P<blank>B)?(?P<lead>S)?(?P<money>[$L])?"
    r"(?P<whole>[09,G]*)(?:(?P<point>[.D])(?P<part>[09]*))?(?:V(?P<shift>[09]+))?"
    r"(?P<exponent>EEEE)?(?P<trail>S|MI|PR)?",
    re.I,
)
_HEX = re.compile(r"(?P<fm>FM)?(?P<digits>0*X+)", re.I)
_ROMAN = (
    (1000, "M"), (900, "CM"), (500, "D"), (400, "CD"), (100, "C"), (90, "XC"), (50, "L"), (40, "XL"),
    (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"),
)  # fmt: skip
_ROMAN_WIDTH = 15
_PRECISION = 80


@dataclass(frozen=True, slots=True)
class _Model:
    fill: bool
    blank: bool
    money: str
    whole: str
    point: str
    part: str
    shift: str
    exponent: bool
    sign: str


def format_number(number: Decimal, model: str) -> str:
    """Write a number by a format model."""
    upper = model.upper()
    if upper in ("TM", "TM9", ""):
        return plain_number(simplify(number))
    if upper.removeprefix("FM") == "RN":
        return _roman(number, model, fill=not upper.startswith("FM"))
    if found := _HEX.fullmatch(model):
        return _hexadecimal(number, found)
    found = _MODEL.fullmatch(model)
    if found is None or not (found["whole"] or found["part"]):
        raise SqlError(f"The number format {model!r} is not supported by this server.")
    with localcontext() as context:
        context.prec = _PRECISION
        return _write(number, _read(found, model))


def _read(found: re.Match[str], model: str) -> _Model:
    if (found["lead"] and found["trail"]) or (found["exponent"] and found["shift"]):
        raise SqlError(f"The number format {model!r} is not supported by this server.")
    if found["whole"][:1] in (",", "G", "g"):
        raise SqlError(f"The number format {model!r} is invalid: it begins with a comma.")
    return _Model(
        fill=not found["fm"],
        blank=bool(found["blank"]),
        money="$" if found["money"] else "",
        whole=found["whole"].upper().replace("G", ","),
        point="." if found["point"] else "",
        part=found["part"] or "",
        shift=found["shift"] or "",
        exponent=bool(found["exponent"]),
        sign="lead" if found["lead"] else (found["trail"] or "").upper(),
    )


def _write(number: Decimal, model: _Model) -> str:
    if model.exponent:
        digits, full = _scientific(abs(number), model), len(model.whole + model.point + model.part) + 4
    else:
        value = abs(number).scaleb(len(model.shift)) if model.shift else abs(number)
        rounded = value.quantize(Decimal(1).scaleb(-len(model.part)), ROUND_HALF_UP)
        full = len(model.whole + model.point + model.part + model.shift)
        if model.blank and rounded == 0:
            return "" if not model.fill else " " * (full + 1)
        fixed = _fixed(rounded, model)
        if fixed is None:
            return "#" * (full + len(model.money) + 1)
        digits = fixed
    return _signed(model.money + digits, number < 0, model, full + len(model.money))


def _fixed(rounded: Decimal, model: _Model) -> str | None:
    places = model.whole + model.shift
    whole, _, part = format(rounded, "f").partition(".")
    slots = places.replace(",", "")
    if whole == "0" and (model.part and "0" not in slots):
        whole = ""
    if len(whole) > len(slots):
        return None
    zeros = len(slots) - slots.index("0") if "0" in slots else 0
    left = list(whole.rjust(zeros, "0"))
    text = ""
    for place in reversed(places):
        if not left:
            break
        text = ("," if place == "," else left.pop()) + text
    if not model.fill:
        last = model.part.rfind("0") + 1
        part = part[:last] + part[last:].rstrip("0")
    return text + model.point + part


def _scientific(value: Decimal, model: _Model) -> str:
    places = len(model.part)
    exponent = value.adjusted() if value else 0
    mantissa = value.scaleb(-exponent).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if mantissa >= 10:
        mantissa, exponent = mantissa / 10, exponent + 1
        mantissa = mantissa.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    return f"{mantissa:f}{'.' if model.point and not places else ''}E{exponent:+03d}"


def _signed(digits: str, negative: bool, model: _Model, width: int) -> str:
    match model.sign:
        case "lead":
            text = ("-" if negative else "+") + digits
        case "S":
            return (digits + ("-" if negative else "+")).rjust(width + 1 if model.fill else 0)
        case "MI":
            return (digits + ("-" if negative else " " if model.fill else "")).rjust(
                width + 1 if model.fill else 0
            )
        case "PR":
            text = f"<{digits}>" if negative else f" {digits} " if model.fill else digits
            return text.rjust(width + 2 if model.fill else 0)
        case _:
            text = ("-" if negative else "") + digits
    return text.rjust(max(width, len(digits)) + 1) if model.fill else text


def _hexadecimal(number: Decimal, found: re.Match[str]) -> str:
    value = int(number.quantize(Decimal(1), ROUND_HALF_UP))
    if value < 0:
        raise SqlError("The number format X takes no negative numbers.")
    digits = found["digits"]
    text = f"{value:X}" if "X" in digits else f"{value:x}"
    if len(text) > len(digits):
        return "#" * (len(digits) + 1)
    text = text.rjust(len(digits), "0") if digits.startswith("0") else text
    return text if found["fm"] else text.rjust(len(digits) + 1)


def _roman(number: Decimal, model: str, *, fill: bool) -> str:
    value, text = int(number.quantize(Decimal(1), ROUND_HALF_UP)), ""
    if not 1 <= value <= 3999:
        return "#" * _ROMAN_WIDTH
    for size, letters in _ROMAN:
        text += letters * (value // size)
        value %= size
    text = text.lower() if model[-1].islower() else text
    return text.rjust(_ROMAN_WIDTH) if fill else text

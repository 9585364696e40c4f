"""Exact numbers: one decimal context, one way to round, one door for untrusted values.

Python's default context keeps 28 digits and our columns keep more, so every process calls
:func:`install` before it computes anything. Money is rounded once, where a rule says so, by the
functions here; quantities are never rounded at all.
"""

from __future__ import annotations

import decimal
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

DIGITS_MAX: Final = 78
CENT: Final = Decimal("0.01")
ZERO: Final = Decimal(0)

CONTEXT: Final = decimal.Context(
    prec=DIGITS_MAX,
    rounding=ROUND_HALF_UP,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)

_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z", re.ASCII)
_TEXT_LENGTH_MAX = 80


class InexactValue(ValueError):
    """A value that is not an exact decimal number, or not exact at the scale asked for."""


def install() -> None:
    """Make the 78-digit context the default of this process, its present thread and all later ones."""
    decimal.DefaultContext.prec = CONTEXT.prec
    decimal.DefaultContext.rounding = CONTEXT.rounding
    for signal in CONTEXT.traps:
        decimal.DefaultContext.traps[signal] = CONTEXT.traps[signal]
    decimal.setcontext(CONTEXT.copy())


def exact(value: object) -> Decimal:
    """Return `value` as a finite Decimal, or refuse it.

    Accepts int, Decimal and plain decimal text (`"-12.50"`). Floats, booleans, exponents in text,
    NaN, infinities, negative zero and numbers of more digits than the context keeps (which it would round
    without a word) raise :class:`InexactValue`.

    >>> exact("0.10")
    Decimal('0.10')
    """
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise InexactValue(f"{value!r} is not an exact number: give a decimal string")
    if isinstance(value, str) and (len(value) > _TEXT_LENGTH_MAX or not _PLAIN.match(value)):
        raise InexactValue(f"{value[:_TEXT_LENGTH_MAX]!r} is not a plain decimal number")
    number = Decimal(value)
    if not number.is_finite():
        raise InexactValue(f"{value} is not a finite number")
    if number.is_zero() and number.is_signed():
        raise InexactValue("negative zero is not a number this ledger keeps")
    _sign, digits, exponent = number.as_tuple()
    if len(digits) > DIGITS_MAX or number.adjusted() >= DIGITS_MAX or int(exponent) < -DIGITS_MAX:
        raise InexactValue(f"a number has at most {DIGITS_MAX} digits")
    return number


def decimal_places(value: Decimal) -> int:
    """Count the decimal places that carry information; trailing zeros do not.

    >>> decimal_places(Decimal("1.50"))
    1
    """
    exponent = value.normalize(CONTEXT).as_tuple().exponent
    return max(0, -int(exponent))


def to_atoms(value: object, scale: int) -> int:
    """Convert units to integer atoms of 10^-scale, refusing what does not fit exactly.

    >>> to_atoms("12.34", 2)
    1234
    """
    number = exact(value)
    if decimal_places(number) > scale:
        raise InexactValue(f"{number} has more than {scale} decimal places")
    return int(number.scaleb(scale, CONTEXT))


def from_atoms(atoms: int, scale: int) -> Decimal:
    """Convert integer atoms back to units with exactly `scale` decimals.

    >>> from_atoms(-1234, 2)
    Decimal('-12.34')
    """
    return Decimal(atoms).scaleb(-scale, CONTEXT)


def round_half_up(value: Decimal, places: int = 2) -> Decimal:
    """Round half away from zero, the rule for market values, fees and posted interest."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP, context=CONTEXT)


def round_down(value: Decimal, places: int = 2) -> Decimal:
    """Round towards minus infinity, the rule for margin value."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_FLOOR, context=CONTEXT)


def round_up(value: Decimal, places: int = 2) -> Decimal:
    """Round towards plus infinity, the rule for amounts to be paid in."""
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_CEILING, context=CONTEXT)


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Largest multiple of `step` that is not above `value`."""
    steps = CONTEXT.divide(value, step).to_integral_value(rounding=ROUND_FLOOR)
    return CONTEXT.multiply(steps, step)


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Smallest multiple of `step` that is not below `value`."""
    steps = CONTEXT.divide(value, step).to_integral_value(rounding=ROUND_CEILING)
    return CONTEXT.multiply(steps, step)


def plain(value: Decimal) -> str:
    """Render without exponent, so that `1E+3` reads `1000`."""
    return format(value, "f")

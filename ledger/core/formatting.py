"""Numbers as people read them: every digit kept, thousands parted."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from .decimals import InexactValue, decimal_places, exact

_SEPARATORS: Final = {"en": (",", "."), "zh-hant": (",", ".")}


def format_quantity(amount: Decimal | int, places: int, locale: str = "en") -> str:
    """Render `amount` with exactly `places` decimals and the separators of `locale`.

    Nothing is rounded: an amount with more decimals than `places` raises :class:`InexactValue`. A locale
    without separators of its own is written as English.

    >>> format_quantity(Decimal("-1234567.5"), 2)
    '-1,234,567.50'
    """
    number = exact(amount)
    if decimal_places(number) > places:
        raise InexactValue(f"{number} has more than {places} decimal places")
    thousands, point = _SEPARATORS.get(locale.lower(), _SEPARATORS["en"])
    whole, _dot, fraction = format(number, f",.{places}f").partition(".")
    return whole.replace(",", thousands) + (point + fraction if places else "")

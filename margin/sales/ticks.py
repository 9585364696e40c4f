"""What venues take: the exchange's dated spread tables and its largest order, and a limit price that fits.

Source: `reference/regulation.md` 8.11. The bands before August 2025 are from general knowledge; the changes
of phase 1 (4 August 2025) are the exchange's own; the date of phase 2 was not published when the reference
was written and is therefore a parameter. Exchange traded products and structured products are outside these
tables. A forced sale rounds its limit price *down* to a tick, so that the order is never dearer than planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from ledger.core.decimals import exact, floor_to

Bands = tuple[tuple[Decimal, Decimal], ...]

PHASE_1_FROM: Final = date(2025, 8, 4)
VIRTUAL_ASSET_TICK: Final = Decimal("0.01")
# Regulation 8.9: the exchange takes at most 3,000 board lots in one order.
BOARD_LOTS_PER_ORDER_MAX: Final = 3_000


@dataclass(frozen=True, slots=True)
class SpreadTable:
    """Bands of (highest price of the band, tick), in rising order, in force from a date on."""

    effective_on: date
    bands: Bands


def _bands(text: str) -> Bands:
    pairs = (pair.split(":") for pair in text.split())
    return tuple((Decimal(upper), Decimal(tick)) for upper, tick in pairs)


BEFORE_AUGUST_2025: Final = SpreadTable(
    date.min,
    _bands("0.25:0.001 0.50:0.005 10:0.01 20:0.02 100:0.05 200:0.1 500:0.2 1000:0.5 2000:1 5000:2 9995:5"),
)
PHASE_1: Final = SpreadTable(
    PHASE_1_FROM,
    _bands("0.25:0.001 0.50:0.005 20:0.01 50:0.02 100:0.05 200:0.1 500:0.2 1000:0.5 2000:1 5000:2 9995:5"),
)
_PHASE_2_BANDS: Final = _bands(
    "0.25:0.001 10:0.005 20:0.01 50:0.02 100:0.05 200:0.1 500:0.2 1000:0.5 2000:1 5000:2 9995:5"
)


def sehk_spread_tables(phase_2_on: date | None = None) -> tuple[SpreadTable, ...]:
    """Return the exchange's tables in order of date; phase 2 only if its date is known.

    Raises `ValueError` if phase 2 would not come after phase 1.
    """
    if phase_2_on is None:
        return (BEFORE_AUGUST_2025, PHASE_1)
    if phase_2_on <= PHASE_1_FROM:
        raise ValueError(f"phase 2 on {phase_2_on} is not after phase 1 on {PHASE_1_FROM}")
    return (BEFORE_AUGUST_2025, PHASE_1, SpreadTable(phase_2_on, _PHASE_2_BANDS))


def tick_size(price: Decimal, on: date, tables: Sequence[SpreadTable]) -> Decimal:
    """Return the tick of a price on a date; a band's highest price belongs to the band.

    Raises `ValueError` if no table is in force or the price is outside its bands.

    >>> tick_size(Decimal("49.99"), date(2025, 8, 4), sehk_spread_tables())
    Decimal('0.02')
    """
    number = exact(price)
    in_force = [table for table in tables if table.effective_on <= on]
    if not in_force:
        raise ValueError(f"no spread table is in force on {on}")
    bands = max(in_force, key=lambda table: table.effective_on).bands
    if number > 0:
        for upper, tick in bands:
            if number <= upper:
                return tick
    raise ValueError(f"price {number} is outside the spread table, which ends at {bands[-1][0]}")


def round_down_to_tick(price: Decimal, on: date, tables: Sequence[SpreadTable]) -> Decimal:
    """Return the highest valid price that is not above `price`.

    Raises `ValueError` where :func:`tick_size` does, or if the price is below the smallest tick.

    >>> round_down_to_tick(Decimal("15.013"), date(2024, 1, 2), sehk_spread_tables())
    Decimal('15.00')
    """
    rounded = floor_to(price, tick_size(price, on, tables))
    if rounded == 0:
        raise ValueError(f"price {price} is below the smallest tick")
    return rounded

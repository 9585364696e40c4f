"""How several sources come to one price: a median of those that agree, or none. Pure.

Regulation 8.15: within the day a virtual asset is valued at the median of two venues or more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from ledger.core.decimals import CONTEXT, round_down

PLACES: Final = 18


@dataclass(frozen=True, slots=True)
class Agreement:
    """`price` is the median of the sources that agree, None where they are too few; outliers are left out."""

    price: Decimal | None
    agreeing: tuple[str, ...]
    outliers: tuple[str, ...]


def agree(bids: Mapping[str, Decimal], *, sources_min: int, outlier_limit: Decimal) -> Agreement:
    """Bring the bids of sources to one price.

    A source further from the median of all than `outlier_limit` of it is an outlier; of the others the median
    counts where they are `sources_min` or more. Between two middle bids lies their mean, rounded down at the
    eighteenth decimal: assets are valued at the bid.

    >>> bids = {"a": Decimal(100), "b": Decimal(101), "c": Decimal(250)}
    >>> agree(bids, sources_min=2, outlier_limit=Decimal("0.02"))
    Agreement(price=Decimal('100.500000000000000000'), agreeing=('a', 'b'), outliers=('c',))
    """
    if not bids:
        return Agreement(None, (), ())
    centre = median(bids.values())
    far = {name for name, bid in bids.items() if abs(bid - centre) > outlier_limit * centre}
    agreeing = {name: bid for name, bid in bids.items() if name not in far}
    price = median(agreeing.values()) if len(agreeing) >= max(sources_min, 1) else None
    return Agreement(price, tuple(sorted(agreeing)), tuple(sorted(far)))


def median(values: Iterable[Decimal]) -> Decimal:
    """The middle of some numbers, or the mean of the two middle ones, rounded down at the eighteenth decimal."""
    ordered = sorted(values)
    half = len(ordered) // 2
    if len(ordered) % 2:
        return ordered[half]
    return round_down(CONTEXT.divide(ordered[half - 1] + ordered[half], Decimal(2)), PLACES)

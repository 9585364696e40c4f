"""The break-even prices of one facility as it stands now: asset by asset, and of everything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ledger.core.clock import HONG_KONG
from margin.models import Facility
from margin.valuations import Assessment, assess

from .accounts import account_of, grid_of, levels_of, on_tick
from .breakeven import BreakEven, Edge, fall_until, price_until, wide_ceilings
from .portfolio import MONEY


@dataclass(frozen=True, slots=True)
class AssetBreakEven:
    """The highest price of one asset at which each edge is passed, all else unchanged, and its price now."""

    code: str
    currency: str
    price: Decimal
    edges: Mapping[Edge, BreakEven]


@dataclass(frozen=True, slots=True)
class FacilityBreakEven:
    """`falls` says how far everything must fall until each edge, as a fraction; None is never, 0 already."""

    at: datetime
    falls: Mapping[Edge, Decimal | None]
    assets: tuple[AssetBreakEven, ...]


def break_even_of(facility: Facility, assessment: Assessment | None = None) -> FacilityBreakEven:
    """Find the break-even prices of a facility, exact to the tick of the exchange or a cent of a coin.

    Raises Conflict (`no_policy`). What caps of the group and the firm leave the account is taken as it stands.
    """
    now = assessment or assess(facility)
    account, levels, caps = account_of(now), levels_of(now.policy), now.market.caps
    wide = wide_ceilings(account, now.ceilings, caps)
    on = now.market.at.astimezone(HONG_KONG).date()
    assets = []
    for pledge in account.pledges:
        held = pledge.holding
        if pledge.kind == MONEY or not held.quantity or not held.price:
            continue
        instrument = now.market.instruments[held.code]
        found = {
            edge: price_until(
                account, held.code, edge, levels, tick=grid_of(instrument), caps=caps, wide=wide
            )
            for edge in Edge
        }
        edges = {
            edge: BreakEven(on_tick(point.price, instrument, on)) if point.price is not None else point
            for edge, point in found.items()
        }
        assets.append(AssetBreakEven(held.code, pledge.currency, held.price, edges))
    falls = {edge: fall_until(account, edge, levels, caps=caps, wide=wide) for edge in Edge}
    return FacilityBreakEven(now.market.at, falls, tuple(assets))

"""What a contract note says, from the fill records, as one text that is the same for the same trades."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final

from ledger.core.clock import HONG_KONG
from ledger.core.decimals import CONTEXT, ZERO, plain, round_half_up
from ledger.models import Asset
from margin.models import Client, Fill

AVERAGE_PLACES: Final = 6


@dataclass(frozen=True, slots=True)
class Heading:
    """What stands above the trades of a note."""

    reference: str
    version: int
    corrects: str
    reason: str
    issued_on: date


def content(heading: Heading, client: Client, asset: Asset, fills: Sequence[Fill]) -> dict[str, Any]:
    """Return the words of a note on fills of one client, day and asset, in order; figures as exact text.

    What Cap. 571Q asks for (regulation.md 6.1): client, account and its being a margin account, capacity, particulars,
    dates, commission, stamp duty, levies and charges. The average price is rounded half up to six decimals.
    """
    first = fills[0]
    quantity = sum((fill.quantity for fill in fills), ZERO)
    worth = sum((CONTEXT.multiply(fill.quantity, fill.price) for fill in fills), ZERO)
    return {
        "reference": heading.reference,
        "version": heading.version,
        "corrects": heading.corrects,
        "reason": heading.reason,
        "issued_on": heading.issued_on.isoformat(),
        "firm": {"code": client.broker.code, "name": client.broker.name},
        "client": {"number": client.number, "name": client.name},
        "account": {"number": client.number, "kind": "margin"},
        "capacity": "agent",
        "side": "sell",
        "cause": "forced_sale",
        "traded_on": first.traded_on.isoformat(),
        "settles_on": max(fill.settles_on for fill in fills).isoformat(),
        "asset": {"code": asset.code, "name": asset.name, "venue": first.venue},
        "price_currency": first.order.leg.currency,
        "currency": str(first.gross.currency),
        "trades": [_trade(fill) for fill in fills],
        "quantity": plain(quantity),
        "average_price": plain(round_half_up(CONTEXT.divide(worth, quantity), AVERAGE_PLACES)),
        "gross": plain(_sum(fill.gross.amount for fill in fills)),
        "fees": _fees(fills),
        "fees_total": plain(_sum(fill.fees_total.amount for fill in fills)),
        "net": plain(_sum(fill.net.amount for fill in fills)),
    }


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _trade(fill: Fill) -> dict[str, Any]:
    return {
        "execution": fill.execution_id,
        "order": fill.order.client_order_id,
        "sale": fill.order.leg.sale.reference,
        "traded_at": fill.traded_at.astimezone(HONG_KONG).isoformat(),
        "settles_on": fill.settles_on.isoformat(),
        "quantity": plain(fill.quantity.normalize(CONTEXT)),
        "price": plain(fill.price.normalize(CONTEXT)),
        "exchange_rate": plain(fill.fx_rate.bid.normalize(CONTEXT)) if fill.fx_rate else "1",
        "gross": plain(fill.gross.amount),
        "fees": {name: amount for name, amount in fill.fees.items() if name != "total"},
        "fees_total": plain(fill.fees_total.amount),
        "net": plain(fill.net.amount),
        "journal": str(fill.trade_journal_id),
    }


def _fees(fills: Sequence[Fill]) -> dict[str, str]:
    """Each charge summed over the trades; those that are nothing are left out."""
    sums: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for fill in fills:
        for name, amount in fill.fees.items():
            if name != "total":
                sums[name] += Decimal(amount)
    return {name: plain(amount) for name, amount in sums.items() if amount}


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return round_half_up(sum(amounts, ZERO))

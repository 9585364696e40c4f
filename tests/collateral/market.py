"""A few words of market for the stories of this room."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import date, datetime

from django.contrib.auth.models import User

from collateral.instruments import Listing, import_securities
from collateral.models import Instrument, Price
from collateral.price_policies import approve_price_policy, propose_price_policy
from collateral.prices import record_price
from ledger.core import clock


def hkt(text: str) -> datetime:
    """Read `2026-03-07 03:00:00` as Hong Kong time."""
    return datetime.fromisoformat(text).replace(tzinfo=clock.HONG_KONG)


def at(text: str) -> AbstractContextManager[None]:
    """Live the block at a Hong Kong time."""
    return clock.override(hkt(text))


def listing(code: str, name: str = "A SHARE", board_lot: int = 100, **changes: object) -> Listing:
    terms: dict[str, object] = {
        "stock_code": code,
        "name": name,
        "category": "Equity",
        "sub_category": "Equity Securities (Main Board)",
        "board_lot": board_lot,
        "isin": "",
        "trading_currency": "HKD",
        "rmb_counter": "",
        "has_stamp_duty": True,
        "has_closing_auction": True,
        "has_volatility_control": False,
        "spread_table": 1,
    }
    return Listing(**(terms | changes))  # type: ignore[arg-type]


def share(code: str, name: str, board_lot: int) -> Instrument:
    """List one share as the exchange would."""
    assert import_securities([listing(code, name, board_lot)], actor="wong").created == 1
    return Instrument.objects.select_related("asset").get(code=code)


def approve_policies(*, maker: User, checker: User) -> None:
    for kind, soft, hard in (("security", 0, 0), ("virtual_asset", 60, 300)):
        policy = propose_price_policy(
            asset_kind=kind,
            valid_from=date(2021, 1, 1),
            counts_sessions=kind == "security",
            soft_age_seconds=soft,
            hard_age_seconds=hard,
            deviation_limit="0.50",
            maker=maker,
        )
        approve_price_policy(policy, checker=checker)


def observe(instrument: Instrument, price: str, when: str, *, source: str = "feed") -> Price:
    """Let `source` show `price` at a Hong Kong time."""
    return record_price(
        instrument=instrument,
        price=price,
        currency=instrument.trading_currency,
        observed_at=hkt(when),
        source=source,
        actor="feed",
    )

"""Closing prices by day, and the assets with their lots, haircuts and charges."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final

from deploy.demo.market import SECURITIES, USD_HKD, hk_prices, va_prices
from margin.sales.fees import VATP_EXAMPLE, FeeSchedule, sehk_charges_on

COINS: Final = ("BTC", "ETH")
COIN_STEP: Final = Decimal("0.0001")
SHARE_HAIRCUTS: Final = tuple(Decimal(each) for each in ("0.30", "0.40", "0.50"))
COIN_HAIRCUT: Final = Decimal("0.60")


@dataclass(frozen=True, slots=True)
class History:
    """`closes` by day in HKD, `steps` and `haircuts` by asset."""

    closes: Mapping[date, Mapping[str, Decimal]]
    steps: Mapping[str, Decimal]
    haircuts: Mapping[str, Decimal]

    def fees(self, code: str, on: date) -> FeeSchedule:
        if code in COINS:
            return VATP_EXAMPLE
        return sehk_charges_on(on, Decimal("0.0010"), Decimal("50.00"))


def load(start: date, end: date) -> History:
    """Read the trading days of the exchange from `start` to `end` with the coins' closes of the same days."""
    closes: dict[date, dict[str, Decimal]] = {}
    for price in hk_prices(start, end):
        if price.volume and price.close:
            closes.setdefault(price.on, {})[price.stock_code] = price.close
    for coin in va_prices(start, end):
        if coin.on in closes:
            closes[coin.on][coin.asset] = coin.close * USD_HKD
    with SECURITIES.open(encoding="utf-8", newline="") as lines:
        board_lots = {row["stock_code"]: Decimal(row["board_lot"]) for row in csv.DictReader(lines)}
    codes = sorted({code for day in closes.values() for code in day})
    known = [code for code in codes if code in COINS or code in board_lots]
    return History(
        closes=closes,
        steps={code: COIN_STEP if code in COINS else board_lots[code] for code in known},
        haircuts={
            code: COIN_HAIRCUT if code in COINS else SHARE_HAIRCUTS[number % len(SHARE_HAIRCUTS)]
            for number, code in enumerate(known)
        },
    )

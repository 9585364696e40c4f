"""Real market history for the demonstration, as plain values.

The files in `data` are in the project's own form; `data/README.md` names their origin, units and
adjustments. Nothing here knows Django: the demonstration decides what becomes an instrument or a price.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

DATA = Path(__file__).parent / "data"
SECURITIES = DATA / "securities.csv"

# The peg holds USD/HKD within 7.75 to 7.85; there is no daily file of it.
USD_HKD = Decimal("7.80")


@dataclass(frozen=True, slots=True)
class DailyPrice:
    """One share on one trading day, in HKD per share, adjusted for later dividends and splits.

    `dividend` is the cash amount per share that goes ex on the day, `split` the ratio of new shares to old;
    both are 0 on a day without one. `volume` counts shares; 0 says that the source has a single price for
    the day (a half day, a suspension, an omission), not always that nobody traded.
    """

    on: date
    stock_code: str
    open: Decimal
    close: Decimal
    volume: Decimal
    dividend: Decimal
    split: Decimal


@dataclass(frozen=True, slots=True)
class VirtualAssetPrice:
    """BTC or ETH on one calendar day, in USD per unit."""

    on: date
    asset: str
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal


def hk_prices(start: date, end: date) -> Iterator[DailyPrice]:
    """Yield the shares' prices from `start` to `end`, both included, by day and stock code."""
    for on, row in _days("hk_daily.csv.gz", start, end):
        yield DailyPrice(
            on=on,
            stock_code=row["stock_code"],
            open=Decimal(row["open"]),
            close=Decimal(row["close"]),
            volume=Decimal(row["volume"]),
            dividend=Decimal(row["dividend"]),
            split=Decimal(row["split"]),
        )


def va_prices(start: date, end: date) -> Iterator[VirtualAssetPrice]:
    """Yield the prices of BTC and ETH from `start` to `end`, both included, by day and asset."""
    for on, row in _days("va_daily_usd.csv.gz", start, end):
        yield VirtualAssetPrice(
            on=on,
            asset=row["asset"],
            open=Decimal(row["open"]),
            high=Decimal(row["high"]),
            low=Decimal(row["low"]),
            close=Decimal(row["close"]),
        )


def _days(name: str, start: date, end: date) -> Iterator[tuple[date, dict[str, str]]]:
    """Yield the rows of a file in date order that fall within the days asked for."""
    first, last = start.isoformat(), end.isoformat()
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if row["date"] > last:
                return
            if row["date"] >= first:
                yield date.fromisoformat(row["date"]), row

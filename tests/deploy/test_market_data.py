from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest

from collateral.instruments import Listing, read_securities
from deploy.demo import market
from deploy.demo.market import DATA, SECURITIES, DailyPrice, VirtualAssetPrice
from ledger.core.calendars import EXCHANGE, Calendar, read_calendar_files
from ledger.core.errors import Invalid

TRADING = Calendar(EXCHANGE, read_calendar_files()[EXCHANGE])
SUMMER = (date(2022, 5, 1), date(2022, 7, 15))


@pytest.fixture(scope="module")
def lines() -> list[Listing | Invalid]:
    with SECURITIES.open(encoding="utf-8", newline="") as file:
        return [row for _line, row in read_securities(file)]


@pytest.fixture(scope="module")
def listed(lines: list[Listing | Invalid]) -> dict[str, Listing]:
    return {row.stock_code: row for row in lines if isinstance(row, Listing)}


@pytest.fixture(scope="module")
def shares() -> list[DailyPrice]:
    return list(market.hk_prices(date.min, date.max))


@pytest.fixture(scope="module")
def virtual_assets() -> list[VirtualAssetPrice]:
    return list(market.va_prices(date.min, date.max))


class TestSecurities:
    def test_the_whole_list_is_there_once(
        self, lines: list[Listing | Invalid], listed: dict[str, Listing]
    ) -> None:
        assert len(lines) == len(listed) == 3057
        assert Counter(row.category for row in listed.values()) == {
            "Equity": 2700,
            "Exchange Traded Products": 346,
            "Real Estate Investment Trusts": 11,
        }

    def test_every_row_is_well_formed(self, listed: dict[str, Listing]) -> None:
        for row in listed.values():
            assert len(row.stock_code) == 5
            assert row.stock_code.isdigit()
            assert row.name == row.name.strip() != ""
            assert row.board_lot > 0
            assert row.isin == "" or len(row.isin) == 12
            assert row.trading_currency in {"HKD", "USD", "CNY"}
            assert row.spread_table in {1, 3, 5}
            assert row.rmb_counter == "" or row.rmb_counter in listed

    def test_the_bank_that_everyone_knows(self, listed: dict[str, Listing]) -> None:
        assert listed["00005"] == Listing(
            stock_code="00005",
            name="HSBC HOLDINGS",
            category="Equity",
            sub_category="Equity Securities (Main Board)",
            board_lot=400,
            isin="GB0005405286",
            trading_currency="HKD",
            rmb_counter="",
            has_stamp_duty=True,
            has_closing_auction=True,
            has_volatility_control=True,
            spread_table=1,
        )

    def test_flags_tell_one_security_from_another(self, listed: dict[str, Listing]) -> None:
        assert listed["00700"].rmb_counter == "80700"
        assert listed["80700"].trading_currency == "CNY"
        assert not listed["00823"].has_stamp_duty
        assert sum(row.has_volatility_control for row in listed.values()) == 543
        assert sum(row.isin == "" for row in listed.values()) == 22


class TestShares:
    def test_counts(self, shares: list[DailyPrice]) -> None:
        assert len(shares) == len({(row.on, row.stock_code) for row in shares}) == 88_927
        assert len({row.stock_code for row in shares}) == 83
        assert (shares[0].on, shares[-1].on) == (date(2021, 1, 4), date(2025, 5, 22))

    def test_every_price_is_a_positive_number(self, shares: list[DailyPrice]) -> None:
        for row in shares:
            assert row.open.is_finite()
            assert row.close.is_finite()
            assert min(row.open, row.close) > 0
            assert row.volume == row.volume.to_integral_value() >= 0
            assert min(row.dividend, row.split) >= 0

    def test_every_share_is_on_the_list_and_trades_in_hong_kong_dollars(
        self, shares: list[DailyPrice], listed: dict[str, Listing]
    ) -> None:
        assert {listed[row.stock_code].trading_currency for row in shares} == {"HKD"}

    def test_prices_exist_on_the_trading_days_of_the_calendar_and_no_other(
        self, shares: list[DailyPrice]
    ) -> None:
        days = sorted({row.on for row in shares})
        assert days == TRADING.open_days(days[0], days[-1])

    def test_once_listed_a_share_has_a_price_on_every_trading_day(self, shares: list[DailyPrice]) -> None:
        days = defaultdict(list)
        for row in shares:
            days[row.stock_code].append(row.on)
        for quoted in days.values():
            assert quoted == TRADING.open_days(quoted[0], date(2025, 5, 22))
        assert {code: str(quoted[0]) for code, quoted in days.items() if quoted[0] > date(2021, 1, 4)} == {
            "01024": "2021-02-05",
            "02015": "2021-08-12",
            "09888": "2021-03-23",
            "09961": "2021-04-19",
        }

    def test_the_summer_of_2022_is_complete(self) -> None:
        counts = Counter(row.stock_code for row in market.hk_prices(*SUMMER) if row.volume > 0)
        assert set(counts.values()) == {51}
        assert len(counts) == 83

    def test_a_day_without_volume_has_one_price(self, shares: list[DailyPrice]) -> None:
        silent = [row for row in shares if row.volume == 0]
        assert len(silent) == 547
        assert all(row.open == row.close for row in silent)
        others = Counter(str(row.on) for row in silent if not TRADING.is_half_day(row.on))
        assert others.most_common(2) == [("2024-01-15", 47), ("2022-03-14", 8)]
        assert (len(others), others.total()) == (19, 72)

    def test_a_suspended_share_keeps_its_price_and_has_no_volume(self) -> None:
        rows = [
            row for row in market.hk_prices(date(2025, 3, 18), date(2025, 3, 27)) if row.stock_code == "02688"
        ]
        assert [str(row.close) for row in rows] == ["59.45"] * 7 + ["66"]
        assert [row.volume > 0 for row in rows] == [True] + [False] * 6 + [True]

    def test_the_days_asked_for_are_both_included(self) -> None:
        rows = list(market.hk_prices(date(2022, 6, 10), date(2022, 6, 13)))
        assert Counter(str(row.on) for row in rows) == {"2022-06-10": 83, "2022-06-13": 83}
        assert list(market.hk_prices(date(2023, 9, 8), date(2023, 9, 10))) == []


class TestVirtualAssets:
    def test_both_have_a_price_on_every_calendar_day(self, virtual_assets: list[VirtualAssetPrice]) -> None:
        first_on = date(2021, 1, 1)
        expected = [(first_on + timedelta(days=n), asset) for n in range(1911) for asset in ("BTC", "ETH")]
        assert [(row.on, row.asset) for row in virtual_assets] == expected
        assert virtual_assets[-1].on == date(2026, 3, 26)

    def test_every_price_lies_between_low_and_high(self, virtual_assets: list[VirtualAssetPrice]) -> None:
        for row in virtual_assets:
            assert Decimal(0) < row.low <= min(row.open, row.close)
            assert max(row.open, row.close) <= row.high

    def test_the_fall_of_13_june_2022(self) -> None:
        sunday, monday = (
            row.close for row in market.va_prices(date(2022, 6, 12), date(2022, 6, 13)) if row.asset == "BTC"
        )
        assert round(monday / sunday - 1, 4) == Decimal("-0.1597")


@pytest.mark.parametrize("name", ["securities.csv", "hk_daily.csv.gz", "va_daily_usd.csv.gz"])
def test_files_are_small_and_reproducible(name: str) -> None:
    raw = (DATA / name).read_bytes()
    assert len(raw) < 2_000_000
    if name.endswith(".gz"):
        # Flags and modification time of the gzip header: no file name, no time.
        assert raw[3:8] == bytes(5)
        assert not gzip.decompress(raw).startswith(b"\xef\xbb\xbf")


def test_the_rate_lies_within_the_peg() -> None:
    assert Decimal("7.75") <= market.USD_HKD <= Decimal("7.85")

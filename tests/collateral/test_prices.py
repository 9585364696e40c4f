"""Prices come in one by one or by the file; what is not believable stays out, and nothing is overwritten."""

from __future__ import annotations

import io
import time
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import DatabaseError, connection, transaction

from collateral.instruments import import_securities_file
from collateral.models import Instrument, Price, PricePolicy
from collateral.price_import import PriceRow, import_prices, read_prices
from collateral.price_policies import (
    approve_price_policy,
    price_policies_on,
    propose_price_policy,
    reject_price_policy,
)
from collateral.prices import latest_prices, record_price
from deploy.demo import market
from ledger.core import clock
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event

from .market import at, hkt, observe

pytestmark = pytest.mark.django_db


@pytest.mark.usefixtures("policies")
class TestLivePrices:
    def test_the_same_price_twice_is_one_row_and_one_event(self, bitcoin: Instrument) -> None:
        with at("2026-03-07 03:00"):
            first = observe(bitcoin, "95000", "2026-03-07 02:59:30")
            again = observe(bitcoin, "95000.00", "2026-03-07 02:59:30")
        assert first.pk == again.pk
        assert Event.objects.filter(topic="collateral.price.recorded").count() == 1

    def test_another_price_for_the_same_moment_of_a_source_is_a_conflict(self, bitcoin: Instrument) -> None:
        with at("2026-03-07 03:00"):
            observe(bitcoin, "95000", "2026-03-07 02:59:30")
            with pytest.raises(Conflict) as refused:
                observe(bitcoin, "95001", "2026-03-07 02:59:30")
            assert refused.value.reason == "CONFLICT"
            observe(bitcoin, "95001", "2026-03-07 02:59:30", source="another")

    @pytest.mark.parametrize(
        ("price", "is_accepted"), [("150", True), ("150.01", False), ("50", True), ("49.99", False)]
    )
    def test_a_jump_beyond_the_deviation_limit_is_out_of_band(
        self, hsbc: Instrument, price: str, is_accepted: bool
    ) -> None:
        with at("2026-03-09 12:00"):
            kept = observe(hsbc, "100", "2026-03-09 10:00")
            if is_accepted:
                assert observe(hsbc, price, "2026-03-09 10:01").price == Decimal(price)
                return
            with pytest.raises(Invalid) as refused:
                observe(hsbc, price, "2026-03-09 10:01")
            assert refused.value.reason == "OUT_OF_BAND"
            assert refused.value.details["limit"] == "0.50"
        assert latest_prices([hsbc], at=hkt("2026-03-09 12:00"))["00005"].price_id == kept.pk

    def test_a_late_price_is_measured_against_the_one_before_it(self, hsbc: Instrument) -> None:
        with at("2026-03-09 12:00"):
            observe(hsbc, "100", "2026-03-09 10:00")
            observe(hsbc, "149", "2026-03-09 11:00")
            late = observe(hsbc, "60", "2026-03-09 10:30")
            latest = latest_prices([hsbc], at=clock.now())["00005"]
        assert late.price == 60
        assert latest.price == 149

    @pytest.mark.parametrize(
        ("price", "currency", "code"),
        [
            ("NaN", "USD", "INEXACT"),
            (Decimal("Infinity"), "USD", "INEXACT"),
            ("9.5e4", "USD", "INEXACT"),
            (95000.0, "USD", "INEXACT"),
            ("0.0000000000000000001", "USD", "INEXACT"),
            (10**20, "USD", "INEXACT"),
            ("-0", "USD", "INEXACT"),
            ("741000", "HKD", "WRONG_CURRENCY"),
        ],
    )
    def test_what_is_not_an_exact_price_is_refused(
        self, bitcoin: Instrument, price: object, currency: str, code: str
    ) -> None:
        with at("2026-03-07 03:00"), pytest.raises(Invalid) as refused:
            record_price(
                instrument=bitcoin,
                price=price,
                currency=currency,
                observed_at=hkt("2026-03-07 02:59:30"),
                source="feed",
                actor="feed",
            )
        assert refused.value.reason == code

    def test_a_time_without_a_zone_is_refused(self, bitcoin: Instrument) -> None:
        with at("2026-03-07 03:00"), pytest.raises(Invalid) as refused:
            record_price(
                instrument=bitcoin,
                price="95000",
                currency="USD",
                observed_at=hkt("2026-03-07 02:59").replace(tzinfo=None),
                source="feed",
                actor="feed",
            )
        assert refused.value.reason == "NO_TIME_ZONE"

    @pytest.mark.parametrize(
        "statement",
        [
            "UPDATE collateral_price SET price = 1",
            "DELETE FROM collateral_price",
            "INSERT INTO collateral_price (instrument_id, source, price, currency, observed_at, received_at)"
            " SELECT instrument_id, 'sql', 0, 'USD', observed_at, received_at FROM collateral_price",
            "INSERT INTO collateral_price (instrument_id, source, price, currency, observed_at, received_at)"
            " SELECT instrument_id, 'sql', 'NaN', 'USD', observed_at, received_at FROM collateral_price",
            "INSERT INTO collateral_price (instrument_id, source, price, currency, observed_at, received_at)"
            " SELECT instrument_id, 'sql', 1, 'USD', received_at + interval '1s', received_at"
            " FROM collateral_price",
        ],
        ids=["change", "delete", "zero", "NaN", "from the future"],
    )
    def test_the_database_refuses_it_too(self, bitcoin: Instrument, statement: str) -> None:
        with at("2026-03-07 03:00"):
            observe(bitcoin, "95000", "2026-03-07 02:59:30")
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)


HISTORY = """\
code,price,currency,observed_at
00005,50.10,HKD,2022-05-03T16:08:00+08:00
00005,0,HKD,2022-05-04T16:08:00+08:00
00005,NaN,HKD,2022-05-04T16:08:00+08:00
00005,51.20,USD,2022-05-04T16:08:00+08:00
00005,51.20,HKD,2022-05-04 16h
00005,51.20,HKD,2022-05-04T16:08:00
00005,51.20,HKD,2099-05-04T16:08:00+08:00
09999,51.20,HKD,2022-05-04T16:08:00+08:00
00005,500.00,HKD,2022-05-05T16:08:00+08:00
00005,51.20,HKD,2022-05-04T16:08:00+08:00
00005,500.01,HKD,2022-05-05T16:08:00+08:00
"""


class TestHistory:
    def test_every_bad_line_is_named_and_the_others_are_written(self, hsbc: Instrument) -> None:
        with at("2022-06-01 09:00"):
            done = import_prices(read_prices(io.StringIO(HISTORY)), source="history", actor="wong")

        assert (done.created, done.unchanged) == (2, 0)
        assert [(error.line, error.code) for error in done.errors] == [
            (3, "NOT_POSITIVE"),
            (4, "INEXACT"),
            (5, "WRONG_CURRENCY"),
            (6, "NOT_A_TIME"),
            (7, "NO_TIME_ZONE"),
            (8, "FROM_THE_FUTURE"),
            (9, "UNKNOWN_INSTRUMENT"),
            (11, "OUT_OF_ORDER"),
            (12, "CONFLICT"),
        ]
        assert "500" in done.errors[-1].message
        # A jump to tenfold is history: no live policy was asked.
        assert list(Price.objects.order_by("id").values_list("price", flat=True)) == [Decimal("50.10"), 500]

    def test_the_same_file_twice_writes_nothing_and_a_changed_line_is_a_conflict(
        self, hsbc: Instrument
    ) -> None:
        rows = [PriceRow("00005", "50.10", "HKD", hkt("2022-05-03 16:08"))]
        other = [PriceRow("00005", "50.20", "HKD", hkt("2022-05-03 16:08"))]
        assert import_prices(rows, source="history", actor="wong").created == 1
        assert import_prices(rows, source="history", actor="wong").unchanged == 1
        assert [e.code for e in import_prices(other, source="history", actor="wong").errors] == ["CONFLICT"]
        assert import_prices(other, source="another", actor="wong").created == 1
        assert Event.objects.filter(topic="collateral.price.imported").count() == 2

    def test_five_years_of_a_market_take_seconds(self) -> None:
        with (market.DATA / "securities.csv").open(encoding="utf-8", newline="") as exchange_list:
            import_securities_file(exchange_list, actor="system")
        closes_at = time_of_day(16, 8, tzinfo=clock.HONG_KONG)
        rows = [
            PriceRow(day.stock_code, day.close, "HKD", datetime.combine(day.on, closes_at))
            for day in market.hk_prices(date(2021, 1, 1), date(2025, 12, 31))
        ]
        started = time.monotonic()
        done = import_prices(rows, source="history", actor="system")
        assert time.monotonic() - started < 20
        assert (done.created, done.errors) == (88_927, ())
        quotes = latest_prices(
            Instrument.objects.filter(code__in=["00005", "00700"]), at=hkt("2022-05-03 20:00")
        )
        assert {quote.observed_at for quote in quotes.values()} == {hkt("2022-05-03 16:08")}


class TestPricePolicies:
    TERMS: dict[str, Any] = {
        "asset_kind": "security",
        "soft_age_seconds": 60,
        "hard_age_seconds": 300,
        "deviation_limit": "0.20",
    }

    def test_a_policy_counts_once_a_second_person_approved_it(self, wong: User, lee: User) -> None:
        with at("2026-03-09 09:00"):
            policy = propose_price_policy(**self.TERMS, valid_from=date(2026, 3, 10), maker=wong)
            assert price_policies_on(date(2026, 3, 10)) == {}
            with pytest.raises(Forbidden) as refused:
                approve_price_policy(policy, checker=wong)
            assert refused.value.reason == "maker_is_checker"
            approve_price_policy(policy, checker=lee)
        assert price_policies_on(date(2026, 3, 9)) == {}
        assert price_policies_on(date(2026, 3, 10)) == {"security": policy}

    def test_a_day_has_one_policy(self, wong: User, lee: User) -> None:
        with at("2026-03-09 09:00"):
            first, second = (
                propose_price_policy(**self.TERMS, valid_from=date(2026, 3, 10), maker=wong) for _ in range(2)
            )
            approve_price_policy(first, checker=lee)
            with pytest.raises(Conflict) as refused:
                approve_price_policy(second, checker=lee)
            assert refused.value.reason == "already_effective"
            rejected = reject_price_policy(second, checker=lee, reason="Made twice")
        assert (rejected.approval, PricePolicy.objects.filter(approval="approved").count()) == ("rejected", 1)

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"soft_age_seconds": 301}, "OUT_OF_RANGE"),
            ({"deviation_limit": "0"}, "OUT_OF_RANGE"),
            ({"deviation_limit": "0.123456789"}, "INEXACT"),
            ({"asset_kind": "gold"}, "OUT_OF_RANGE"),
        ],
    )
    def test_a_policy_out_of_range_is_refused(
        self, wong: User, changes: dict[str, object], code: str
    ) -> None:
        with pytest.raises(Invalid) as refused:
            propose_price_policy(**(self.TERMS | changes), valid_from=clock.today(), maker=wong)
        assert refused.value.reason == code

    @pytest.mark.usefixtures("policies")
    def test_the_past_is_not_judged_anew(self, wong: User) -> None:
        with at("2026-03-09 09:00"), pytest.raises(Invalid) as refused:
            propose_price_policy(**self.TERMS, valid_from=date(2026, 3, 8), maker=wong)
        assert refused.value.reason == "RETROACTIVE"

"""V10a: what an old price is good for, told at 3 a.m. of Saturday 7 March 2026."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from collateral.instruments import suspend
from collateral.models import Instrument
from collateral.price_alerts import flag_stale_prices
from collateral.price_import import PriceRow, import_prices
from collateral.prices import PriceState, latest_prices
from collateral.staleness import by_age, by_session
from collateral.tasks import flag_stale_prices as task
from ledger.core.calendars import EXCHANGE, Calendar, read_calendar_files
from ledger.core.errors import Invalid
from ledger.core.models import Event

from .market import at, hkt, observe

NOW = "2026-03-07 03:00:00"
TRADING = Calendar(EXCHANGE, read_calendar_files()[EXCHANGE])


@pytest.mark.django_db
@pytest.mark.usefixtures("policies")
class TestV10a:
    @pytest.mark.parametrize(
        ("fixture", "price", "observed", "state", "allows_new_credit", "allows_sale"),
        [
            ("hsbc", "98.40", "2026-03-06 16:08:31", PriceState.FRESH, True, True),
            ("bitcoin", "95000", "2026-03-07 02:59:30", PriceState.FRESH, True, True),
            ("bitcoin", "95000", "2026-03-07 02:58:30", PriceState.SOFT, False, True),
            ("bitcoin", "95000", "2026-03-07 02:54:00", PriceState.HARD, False, False),
            ("tencent", "610.00", "2026-03-05 16:08:00", PriceState.HARD, False, False),
        ],
        ids=["last completed session", "30 s", "90 s", "360 s", "a session was missed"],
    )
    def test_the_table(
        self,
        request: pytest.FixtureRequest,
        fixture: str,
        price: str,
        observed: str,
        state: PriceState,
        allows_new_credit: bool,
        allows_sale: bool,
    ) -> None:
        instrument: Instrument = request.getfixturevalue(fixture)
        with at(NOW):
            row = observe(instrument, price, observed)
        quote = latest_prices([instrument], at=hkt(NOW))[instrument.code]
        assert (quote.price_id, quote.state) == (row.pk, state)
        assert quote.state.allows_new_credit is allows_new_credit
        assert quote.state.allows_sale is allows_sale

    @pytest.mark.parametrize(
        ("price", "observed", "code"),
        [
            ("95000", "2026-03-07 03:00:01", "FROM_THE_FUTURE"),
            ("0", "2026-03-07 02:59:50", "NOT_POSITIVE"),
            ("-1", "2026-03-07 02:59:50", "NOT_POSITIVE"),
        ],
    )
    def test_a_price_in_the_future_or_not_above_zero_leaves_the_previous_one(
        self, bitcoin: Instrument, price: str, observed: str, code: str
    ) -> None:
        with at(NOW):
            kept = observe(bitcoin, "95000", "2026-03-07 02:59:30")
            with pytest.raises(Invalid) as refused:
                observe(bitcoin, price, observed)
        assert refused.value.reason == code
        assert latest_prices([bitcoin], at=hkt(NOW))["BTC"].price_id == kept.pk


@pytest.mark.parametrize(("seconds", "state"), [(60, "fresh"), (61, "soft"), (300, "soft"), (301, "hard")])
def test_a_price_of_exactly_the_limit_still_passes(seconds: int, state: str) -> None:
    now = hkt(NOW)
    rule = by_age(now, soft_seconds=60, hard_seconds=300)
    assert rule.judge(now - timedelta(seconds=seconds)) == state


@pytest.mark.parametrize(
    ("now", "observed", "state"),
    [
        ("2026-03-09 09:29", "2026-03-06 16:08", "fresh"),
        ("2026-03-09 09:30", "2026-03-06 16:08", "soft"),
        ("2026-03-09 09:31", "2026-03-09 09:30", "fresh"),
        ("2026-03-09 12:30", "2026-03-06 16:08", "soft"),
        ("2026-03-09 15:59", "2026-03-06 16:08", "soft"),
        ("2026-03-09 16:00", "2026-03-06 16:08", "hard"),
        ("2026-03-09 10:00", "2026-03-05 16:08", "hard"),
        ("2026-04-07 20:00", "2026-04-02 16:08", "fresh"),
    ],
    ids=[
        "before the opening",
        "no trade yet",
        "traded",
        "over lunch",
        "to the last minute",
        "a session without a trade",
        "missed Friday",
        "over Easter",
    ],
)
def test_a_share_is_judged_by_sessions(now: str, observed: str, state: str) -> None:
    assert by_session(hkt(now), TRADING).judge(hkt(observed)) == state


@pytest.mark.django_db
class TestReadingTheLatest:
    @pytest.mark.usefixtures("policies")
    def test_soft_stale_is_valued_at_the_lower_of_the_last_two_sources(self, bitcoin: Instrument) -> None:
        with at(NOW):
            observe(bitcoin, "90000", "2026-03-07 02:54:30", source="too old to count")
            observe(bitcoin, "94500", "2026-03-07 02:57:00", source="third")
            lower = observe(bitcoin, "95000", "2026-03-07 02:58:00", source="hashkey")
            latest = observe(bitcoin, "95100", "2026-03-07 02:58:30", source="osl")
        quote = latest_prices([bitcoin], at=hkt(NOW))["BTC"]
        assert (quote.price_id, quote.source, quote.state) == (lower.pk, "hashkey", PriceState.SOFT)
        assert quote.observed_at == hkt("2026-03-07 02:58:00")

        fresh = latest_prices([bitcoin], at=hkt("2026-03-07 02:59:00"))["BTC"]
        assert (fresh.price_id, fresh.state) == (latest.pk, PriceState.FRESH)

    @pytest.mark.usefixtures("policies")
    def test_a_moment_sees_only_what_was_observed_by_then(self, bitcoin: Instrument) -> None:
        with at(NOW):
            first = observe(bitcoin, "95000", "2026-03-07 02:00:00")
            observe(bitcoin, "96000", "2026-03-07 02:30:00")
        assert latest_prices([bitcoin], at=hkt("2026-03-07 02:00:10"))["BTC"].price_id == first.pk
        before = latest_prices([bitcoin], at=hkt("2026-03-07 01:00:00"))["BTC"]
        assert (before.price_id, before.price, before.state) == (None, Decimal(0), PriceState.MISSING)
        assert before.currency == "USD"

    @pytest.mark.usefixtures("policies")
    def test_a_suspended_share_supports_no_credit_and_no_sale_at_once(self, hsbc: Instrument) -> None:
        with at("2026-03-09 11:00"):
            observe(hsbc, "98.40", "2026-03-09 10:59")
            suspend(instrument=hsbc, reason="Trading halt", actor="wong")
        quote = latest_prices([hsbc], at=hkt("2026-03-09 11:00"))["00005"]
        assert (quote.price, quote.state) == (Decimal("98.40"), PriceState.HARD)

    def test_a_kind_that_no_approved_policy_judges_is_hard_stale(self, bitcoin: Instrument) -> None:
        row = PriceRow("BTC", "95000", "USD", hkt("2026-03-07 02:59:30"))
        with at(NOW):
            assert import_prices([row], source="history", actor="wong").created == 1
        assert latest_prices([bitcoin], at=hkt(NOW))["BTC"].state is PriceState.HARD

    @pytest.mark.usefixtures("policies")
    def test_the_number_of_queries_does_not_grow_with_the_instruments(
        self, hsbc: Instrument, tencent: Instrument, bitcoin: Instrument
    ) -> None:
        with at(NOW):
            observe(hsbc, "98.40", "2026-03-06 16:08:31")
            observe(tencent, "610.00", "2026-03-05 16:08:00")
            observe(bitcoin, "95000", "2026-03-07 02:58:30")
        latest_prices([hsbc], at=hkt(NOW))
        with CaptureQueriesContext(connection) as queries:
            latest_prices([hsbc, tencent, bitcoin], at=hkt(NOW))
        assert len(queries) == 3


@pytest.mark.django_db
@pytest.mark.usefixtures("policies")
def test_each_turn_of_a_price_is_told_once(bitcoin: Instrument, hsbc: Instrument) -> None:
    with at("2026-03-07 02:50:00"):
        observe(bitcoin, "95000", "2026-03-07 02:50:00")
        observe(hsbc, "98.40", "2026-03-06 16:08:31")
        assert flag_stale_prices() == []
    with at("2026-03-07 02:51:30"):
        task()
        task()
    with at("2026-03-07 02:59:00"):
        assert [(change.code, change.before, change.after) for change in flag_stale_prices()] == [
            ("BTC", PriceState.SOFT, PriceState.HARD)
        ]
        observe(bitcoin, "95100", "2026-03-07 02:59:00")
        assert [change.after for change in flag_stale_prices()] == [PriceState.FRESH]
        assert flag_stale_prices() == []

    told = Event.objects.filter(topic__in=["collateral.price.stale", "collateral.price.fresh"]).order_by("id")
    assert [(event.topic, event.payload["code"], event.payload["state"]) for event in told] == [
        ("collateral.price.stale", "BTC", "soft"),
        ("collateral.price.stale", "BTC", "hard"),
        ("collateral.price.fresh", "BTC", "fresh"),
    ]

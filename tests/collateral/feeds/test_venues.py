"""Trading venues: the median of those that agree, or no price."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from collateral.models import FeedRefusal, Instrument, Price, SourceQuote
from collateral.prices import PriceState, latest_prices
from ledger import audit
from ledger.core import clock
from ledger.core.models import Event
from tests.answers import Answers
from tests.collateral.market import at, hkt

from .sources import judge, poll_all, quote

pytestmark = pytest.mark.django_db


def test_the_median_of_the_venues_counts_exactly(venues: Answers, bitcoin: Instrument) -> None:
    quote(venues, "hashkey", "95000.10", "95000.20", "2026-03-07 02:59:30")
    quote(venues, "okx", "95005.500000000000000001", "95005.6", "2026-03-07 02:59:31")
    quote(venues, "kraken", "95010.00000", "95010.10000", "2026-03-07 02:59:40")
    with at("2026-03-07 02:59:40"):
        done = poll_all()
    assert [(code, poll.taken, poll.refused) for code, poll in done.items()] == [
        ("hashkey", 1, 0),
        ("kraken", 1, 0),
        ("okx", 1, 0),
    ]
    # After two venues lay their mean, and the late third is older than the newest of them.
    price = Price.objects.get()
    assert (price.price, price.source, price.observed_at) == (
        Decimal("95005.05"),
        "median",
        hkt("2026-03-07 02:59:40"),
    )
    quote(venues, "okx", "95005.500000000000000001", "95005.6", "2026-03-07 02:59:55")
    with at("2026-03-07 02:59:55"):
        poll_all()
        latest = latest_prices([bitcoin], at=clock.now())["BTC"]
    assert latest.price == Decimal("95005.500000000000000001")
    agreed = Price.objects.get(pk=latest.price_id)
    assert sorted(agreed.components.values_list("quote__source", flat=True)) == [
        "hashkey",
        "kraken",
        "okx",
    ]
    assert audit.run().findings == ()


def test_a_venue_apart_is_left_out_and_said_once(venues: Answers, bitcoin: Instrument) -> None:
    quote(venues, "hashkey", "95000", "95001", "2026-03-07 02:59:30")
    quote(venues, "okx", "95100", "95101", "2026-03-07 02:59:30")
    quote(venues, "kraken", "40000", "40001", "2026-03-07 02:59:30")
    for second in ("40", "55"):
        quote(venues, "okx", "95100", "95101", f"2026-03-07 02:59:{second}")
        with at(f"2026-03-07 02:59:{second}"):
            poll_all()
    assert Price.objects.latest("pk").price == 95050
    told = Event.objects.filter(topic__startswith="collateral.price.").exclude(topic__endswith="recorded")
    last = told.latest("pk")
    assert (last.topic, last.payload["outliers"], last.payload["why"]) == (
        "collateral.price.disagreed",
        ["kraken"],
        "",
    )
    count = told.count()
    quote(venues, "kraken", "95050", "95051", "2026-03-07 03:00:10")
    quote(venues, "okx", "95100", "95101", "2026-03-07 03:00:10")
    with at("2026-03-07 03:00:10"):
        poll_all()
    assert told.count() == count + 1
    assert told.latest("pk").topic == "collateral.price.agreed"


def test_one_venue_alone_makes_no_price_and_the_last_one_grows_old(
    venues: Answers, bitcoin: Instrument
) -> None:
    quote(venues, "hashkey", "95000", "95001", "2026-03-07 02:59:30")
    quote(venues, "okx", "95100", "95101", "2026-03-07 02:59:30")
    with at("2026-03-07 02:59:30"):
        done = poll_all()
    assert [code for code, polled in done.items() if polled.error] == ["kraken"]
    assert done["kraken"].error.endswith("from kraken")
    for moment, state in (
        ("03:00:30", PriceState.FRESH),
        ("03:00:31", PriceState.SOFT),
        ("03:04:31", PriceState.HARD),
    ):
        quote(venues, "hashkey", "90000", "90001", f"2026-03-07 {moment}")
        quote(venues, "okx", "95100", "95101", "2026-03-07 02:59:30")
        with at(f"2026-03-07 {moment}"):
            poll_all()
            latest = latest_prices([bitcoin], at=clock.now())["BTC"]
        assert (latest.price, latest.state) == (95050, state)
    assert Event.objects.filter(topic="collateral.price.disagreed").latest("pk").payload["why"] == "no_quorum"


def test_a_jump_of_all_venues_waits_for_a_person(venues: Answers, bitcoin: Instrument) -> None:
    for second, bid in (("10", "95000"), ("30", "70000")):
        quote(venues, "hashkey", bid, bid + ".5", f"2026-03-07 02:59:{second}")
        quote(venues, "okx", bid, bid + ".5", f"2026-03-07 02:59:{second}")
        with at(f"2026-03-07 02:59:{second}"):
            poll_all()
    assert Price.objects.get().price == 95000
    assert (
        Event.objects.filter(topic="collateral.price.disagreed").latest("pk").payload["why"] == "OUT_OF_BAND"
    )


@pytest.mark.parametrize(
    ("bid", "ask", "when", "code"),
    [
        ("95001", "95000", "02:59:30", "CROSSED"),
        ("-1", "95000", "02:59:30", "NOT_POSITIVE"),
        ("0", "95000", "02:59:30", "ONE_SIDED"),
        ("1e4", "95000", "02:59:30", "INEXACT"),
        ("95000", "95001", "02:59:35", "FROM_THE_FUTURE"),
    ],
)
def test_a_book_that_cannot_be_is_refused(venues: Answers, bid: str, ask: str, when: str, code: str) -> None:
    quote(venues, "okx", bid, ask, f"2026-03-07 {when}")
    with at("2026-03-07 02:59:30"):
        assert poll_all()["okx"].refused == 1
    assert FeedRefusal.objects.get().code == code
    assert not SourceQuote.objects.exists()


def test_a_clock_a_little_ahead_of_ours_is_taken_at_ours(venues: Answers) -> None:
    quote(venues, "okx", "95000", "95001", "2026-03-07 02:59:31")
    with at("2026-03-07 02:59:30"):
        poll_all()
    assert SourceQuote.objects.get().observed_at == hkt("2026-03-07 02:59:30")


def test_where_one_source_is_enough_each_venue_is_a_source(
    venues: Answers, bitcoin: Instrument, wong: User, lee: User
) -> None:
    judge(wong, lee, valid_from=date(2026, 3, 8))
    quote(venues, "hashkey", "95000", "95001", "2026-03-08 02:58:20")
    quote(venues, "okx", "94900", "94901", "2026-03-08 02:58:10")
    with at("2026-03-08 02:58:30"):
        poll_all()
    assert set(Price.objects.values_list("source", "price")) == {("hashkey", 95000), ("okx", 94900)}
    # V10a: soft-stale, it is valued at the lower of two sources.
    quote_now = latest_prices([bitcoin], at=hkt("2026-03-08 03:00:00"))["BTC"]
    assert (quote_now.state, quote_now.price) == (PriceState.SOFT, 94900)

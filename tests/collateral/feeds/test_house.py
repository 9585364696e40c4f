"""What holds for all sources: configuration, the law of what is kept, the pages of the staff."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, connection, transaction
from django.test import Client as Browser
from django.urls import reverse

from collateral import tasks
from collateral.feeds.configuration import check_configuration, configured_feeds
from collateral.feeds.polling import due_feeds, set_feed_paused
from collateral.models import Instrument, Price, PriceFeed
from ledger import audit
from ledger.core.errors import Conflict, Invalid
from tests.answers import Answers
from tests.collateral.market import at, observe
from tests.ledger.books import without_law

from .sources import FILE, judge, poll_all, quote

pytestmark = pytest.mark.django_db


def test_no_feed_is_asked_unless_it_is_configured(settings: Any) -> None:
    assert settings.LOMBARD_PRICE_FEEDS == {}
    tasks.poll_feeds()
    assert not PriceFeed.objects.exists()


@pytest.mark.parametrize(
    "feeds",
    [
        [],
        {"Exchange": {"kind": "csv", "url": "https://x.example/p.csv"}},
        {"median": {"kind": "csv", "url": "https://x.example/p.csv"}},
        {"exchange": {"kind": "ftp"}},
        {"exchange": {"kind": "csv", "url": "http://x.example/p.csv"}},
        {"exchange": {"kind": "csv", "url": "https://x.example/p.csv", "evry_seconds": 5}},
        {"exchange": {"kind": "csv", "url": "https://x.example/p.csv", "every_seconds": 1}},
        {"okx": {"kind": "ccxt", "venue": "okx"}},
        {"okx": {"kind": "ccxt", "venue": "okx", "symbols": {"BTC": 1}}},
    ],
)
def test_a_misspelt_feed_stops_the_start(settings: Any, feeds: Any) -> None:
    settings.LOMBARD_PRICE_FEEDS = feeds
    with pytest.raises(ImproperlyConfigured):
        configured_feeds()
    assert [error.id for error in check_configuration()] == ["collateral.E001"]


def test_a_source_that_fails_holds_up_no_other(
    exchange: Answers, settings: Any, hsbc: Instrument, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LOMBARD_PRICE_FEEDS |= {
        "a-dead-one": {"kind": "ccxt", "venue": "nowhere", "symbols": {"BTC": "BTC/USD"}},
    }
    exchange.give("/prices.csv", FILE[: FILE.index("00700")])
    monkeypatch.setattr(tasks.poll_feed, "delay", tasks.poll_feed)
    with at("2026-03-09 10:05"):
        tasks.poll_feeds()
        tasks.poll_feeds()
    assert list(PriceFeed.objects.order_by("code").values_list("failures", "last_error")) == [
        (1, "ccxt knows no venue nowhere"),
        (0, ""),
    ]
    assert Price.objects.count() == 1


def test_nobody_speaks_in_the_name_of_the_median(bitcoin: Instrument) -> None:
    with at("2026-03-07 03:00"), pytest.raises(Invalid) as refused:
        observe(bitcoin, "95000", "2026-03-07 02:59:30", source="median")
    assert refused.value.reason == "INVALID_SOURCE"


def test_the_database_refuses_it_too(venues: Answers, hsbc: Instrument, wong: User, lee: User) -> None:
    _agreed(venues)
    judge(wong, lee, asset_kind="security", valid_from=date(2026, 3, 8))
    with at("2026-03-08 03:00"):
        observe(hsbc, "98.40", "2026-03-06 16:00")
    quote_of = (
        "INSERT INTO collateral_sourcequote (instrument_id, source, bid, ask, currency, observed_at, received_at)"
        " SELECT instrument_id, 'sql', {}, currency, observed_at, received_at FROM collateral_sourcequote LIMIT 1"
    )
    for rule, statement in {
        "core_refuse_change": "UPDATE collateral_sourcequote SET bid = 1",
        "append-only": "DELETE FROM collateral_pricecomponent",
        "none of the instrument": "INSERT INTO collateral_pricecomponent (price_id, quote_id) SELECT p.id, q.id"
        " FROM collateral_price p, collateral_sourcequote q WHERE p.source = 'feed' LIMIT 1",
        "collateral_sourcequote_bid_not_above_ask": quote_of.format("ask + 1, ask"),
        "collateral_sourcequote_ask_check": quote_of.format("'NaN', 'NaN'"),
        "collateral_pricefeed_failing_says_why": "UPDATE collateral_pricefeed SET failures = 1",
        "collateral_pricepolicy_sources_in_range": "INSERT INTO collateral_pricepolicy (asset_kind, valid_from,"
        " counts_sessions, soft_age_seconds, hard_age_seconds, deviation_limit, outlier_limit, sources_min,"
        " approval, maker_id, made_at, reason) SELECT asset_kind, valid_from, counts_sessions, soft_age_seconds,"
        " hard_age_seconds, deviation_limit, outlier_limit, 0, 'proposed', maker_id, made_at, reason"
        " FROM collateral_pricepolicy LIMIT 1",
    }.items():
        with (
            pytest.raises(DatabaseError, match=rule),
            transaction.atomic(),
            connection.cursor() as cursor,
        ):
            cursor.execute(statement)


def test_an_agreed_price_that_its_quotes_do_not_make_is_found(venues: Answers) -> None:
    _agreed(venues)
    assert audit.run().findings == ()
    price = Price.objects.get()
    without_law("UPDATE collateral_price SET price = price + 0.000000000000000001")
    [finding] = audit.run().findings
    assert (finding.check, finding.subject) == (
        "collateral.medians_follow_from_quotes",
        f"price {price.pk}",
    )


def test_staff_see_how_it_does_and_pause_it(venues: Answers, wong: User) -> None:
    _agreed(venues)
    feed = PriceFeed.objects.get(code="kraken")
    with pytest.raises(Invalid):
        set_feed_paused(feed=feed, is_paused=True, reason=" ", actor="wong")
    set_feed_paused(feed=feed, is_paused=True, reason="Its book is odd", actor="wong")
    with pytest.raises(Conflict):
        set_feed_paused(feed=feed, is_paused=True, reason="Again", actor="wong")
    assert "kraken" not in due_feeds()
    browser = Browser()
    wong.is_superuser = True
    wong.save()
    browser.force_login(wong)
    for page in ("pricefeed", "sourcequote", "pricepolicy"):
        shown = browser.get(reverse(f"admin:collateral_{page}_changelist"))
        assert shown.status_code == 200
    with at("2026-03-07 03:00"):
        page = browser.get(
            reverse("admin:collateral_pricefeed_change", args=[PriceFeed.objects.get(code="hashkey").pk])
        ).content.decode()
    assert "BTC by source" in page
    assert "95050" in page


def _agreed(venues: Answers) -> None:
    quote(venues, "hashkey", "95000", "95001", "2026-03-07 02:59:30")
    quote(venues, "okx", "95100", "95101", "2026-03-07 02:59:30")
    with at("2026-03-07 02:59:30"):
        poll_all()
    assert Price.objects.get().price == 95050

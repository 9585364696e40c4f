"""Sources on loopback: the exchange's file, and three venues."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from collateral.feeds import polling
from collateral.feeds.ccxt_client import open_venue
from tests.answers import Answers, serve

from .sources import SAMPLES, VENUES, judge


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    def open_unhurried(*arguments: Any, **options: Any) -> Any:
        client = open_venue(*arguments, **options)
        client.enableRateLimit = False
        return client

    # A loopback needs no pauses between questions.
    monkeypatch.setattr("collateral.feeds.venue_source.open_venue", open_unhurried)
    polling._sources.clear()
    with serve() as running:
        yield running


@pytest.fixture
def exchange(answers: Answers, settings: Any, wong: User, lee: User) -> Answers:
    """The exchange's file on loopback."""
    judge(wong, lee, asset_kind="security", deviation_limit="0.50")
    settings.LOMBARD_PRICE_FEEDS = {
        "exchange": {
            "kind": "csv",
            "url": f"{answers.url}/prices.csv",
            "headers": {"Authorization": "Bearer x"},
        }
    }
    return answers


@pytest.fixture
def venues(answers: Answers, settings: Any, wong: User, lee: User) -> Answers:
    """Three venues that quote Bitcoin, and a policy by which two of them must agree within two per cent."""
    settings.LOMBARD_PRICE_FEEDS = {
        name: {"kind": "ccxt", "venue": name, "symbols": {"BTC": "BTC/USD"}, "url": answers.url}
        for name in VENUES
    }
    answers.give("/api/v1/exchangeInfo", (SAMPLES / "hashkey_info.json").read_text())
    answers.give("/0/public/AssetPairs", (SAMPLES / "kraken_pairs.json").read_text())
    answers.give("/api/v5/public/instruments", (SAMPLES / "okx_instruments.json").read_text())
    judge(wong, lee, sources_min=2, outlier_limit="0.02")
    return answers

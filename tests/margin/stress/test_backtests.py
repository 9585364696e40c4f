"""Backtests that are kept: once, as they were found, and read by whoever asks whether 60% was enough."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
from django.db import DatabaseError, transaction

from ledger.core.errors import Invalid
from margin.models import HaircutBacktest
from margin.stress.backtests import HaircutOutcome, keep_backtest
from tests.api.conftest import system_of
from tests.builders import D, harbour
from tests.ledger.books import sql
from tests.margin.admin.conftest import SitDown, sit_down  # noqa: F401

pytestmark = pytest.mark.django_db

AT_20 = HaircutOutcome(D("0.2"), D("800.00"), 9, 7, D("700.00"), 2, D("31.50"), D("0.884586"))
AT_40 = HaircutOutcome(D("0.4"), D("600.00"), 8, 6, D("500.00"), 0, D(0), D("1.179448"))
AT_60 = HaircutOutcome(D("0.6"), D("400.00"), 8, 6, D("300.00"), 0, D(0), D("1.769172"))


def keep(*outcomes: HaircutOutcome, **changes):
    terms = {
        "started_on": date(2021, 1, 4),
        "ended_on": date(2025, 5, 22),
        "account_count": 100,
        "seed": 1,
        "actor": "wong",
    }
    return keep_backtest(**terms | changes, outcomes=outcomes)


def test_a_backtest_is_kept_once_and_stays():
    first = keep(AT_20, AT_60)

    assert keep(AT_60, AT_20) == first
    assert keep(AT_60) != first
    assert keep(AT_20, AT_60, seed=2) != first
    assert [row.haircut for row in first.rows.all()] == [D("0.2"), D("0.6")]
    for table in ("haircutbacktest", "haircutoutcomerow"):
        for change in (f"DELETE FROM margin_{table}", f"UPDATE margin_{table} SET id = 1"):
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                sql(change)


def test_what_no_backtest_can_find_is_refused():
    for wrong in (
        [],
        [AT_60, AT_60],
        [replace(AT_60, haircut=D(1))],
        [replace(AT_60, loss=D("-1.00"))],
        [replace(AT_20, losers=0)],
        [replace(AT_60, lent=D("1.001"))],
    ):
        with pytest.raises(Invalid):
            keep(*wrong)
    with pytest.raises(Invalid):
        keep(AT_60, ended_on=date(2020, 1, 1))
    assert not HaircutBacktest.objects.exists()


def test_the_page_says_whether_60_percent_was_enough(sit_down: SitDown):  # noqa: F811
    browser = sit_down("mei")
    assert "manage.py backtest --haircuts" in browser.get("/admin/margin/haircutbacktest/").content.decode()
    enough, short = keep(AT_20, AT_40, AT_60), keep(AT_20, replace(AT_60, loss=D("5.00"), losers=1))

    page = browser.get(f"/admin/margin/haircutbacktest/{enough.pk}/change/").content.decode()
    for words in ("Yes: nothing was lost", "176.92%", "31.50", "40%"):
        assert words in page
    assert page.count('<canvas class="chart"') == 2
    page = browser.get(f"/admin/margin/haircutbacktest/{short.pk}/change/").content.decode()
    assert "No: the lender lost" in page
    assert "HKD 5.00" in page
    assert "40%" in browser.get("/admin/margin/haircutbacktest/").content.decode()


def test_every_firm_reads_it_over_the_api():
    kept = keep(AT_20, AT_60)
    system = system_of(harbour().broker)

    [listed] = system.get("haircut-backtests").json()["results"]
    assert listed == system.get(f"haircut-backtests/{kept.pk}").json()
    assert listed["rows"][0] == {
        "haircut": "0.2",
        "lent": "800.00",
        "calls": 9,
        "sales": 7,
        "sold": "700.00",
        "losers": 2,
        "loss": "31.50",
        "thinnest_cover": "0.884586",
    }

"""The replay of real prices: the same accounts under every rule, and nothing sold that may not be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from deploy.backtest.accounts import Account, drawn, live_through
from deploy.backtest.haircuts import outcome
from deploy.backtest.history import History, load
from deploy.backtest.report import figures
from deploy.backtest.rules import PEERS, RULES
from margin.models import HaircutBacktest
from margin.sales.fees import FeeSchedule
from margin.sales.lines import Candidate
from margin.sales.lots import SaleBook
from tests.margin.sales.offers import D
from tests.margin.sales.test_lots import ms_chan

MONDAY = date(2022, 1, 3)


def backtest(*options):
    out = StringIO()
    call_command("backtest", *options, stdout=out)
    return out.getvalue()


def falling(*prices, haircut="0.50"):
    """A history of one share in lots of 100, a price a day; None is a day on which it is suspended."""
    closes = {
        MONDAY + timedelta(days=number): {} if price is None else {"00001": D(price)}
        for number, price in enumerate(prices)
    }
    return History(closes, {"00001": D(100)}, {"00001": D(haircut)})


def account(loan):
    return Account(1, MONDAY, {"00001": D(1000)}, D(loan), prices={"00001": D(100)})


def test_a_year_under_every_rule_is_one_object():
    result = json.loads(
        backtest("--json", "--accounts=6", "--from=2022-02-01", "--to=2022-07-29", "--seed=2")
    )

    assert (result["from"], result["to"], result["accounts"]) == ("2022-02-01", "2022-07-29", 6)
    assert [row["rule"] for row in result["rules"]] == list(RULES)
    by_rule = {row["rule"]: row for row in result["rules"]}
    assert by_rule["ours"]["sales"] > 0
    assert by_rule["ours"]["median_cost_to_ours"] == 1
    assert by_rule["pro_rata"]["median_cost_to_ours"] >= 1
    assert by_rule["half_the_loan"]["median_oversell"] > by_rule["ours"]["median_oversell"]
    assert by_rule["everything"]["sold_hkd"] > by_rule["ours"]["sold_hkd"]
    assert by_rule["everything"]["repeat_sales"] == 0
    assert not any(number for row in result["rules"] for number in row["breaches"].values())


def test_for_people_there_is_a_table():
    table = backtest("--accounts=2", "--from=2022-03-01", "--to=2022-03-31")

    assert "2 accounts, 2022-03-01 to 2022-03-31" in table
    assert "half_the_loan" in table


def test_a_call_has_until_the_next_close():
    history = falling("100", "90", "90", "90")

    [sale] = live_through(account("46000.00"), history, "ours")

    assert sale.on == MONDAY + timedelta(days=2)
    assert sale.is_called_before
    assert sale.shortage_after <= 0


def test_a_recovery_cures_the_call():
    assert list(live_through(account("46000.00"), falling("100", "90", "95", "95"), "ours")) == []


def test_at_the_immediate_level_it_is_sold_the_same_day():
    [sale] = live_through(account("46000.00"), falling("100", "70"), "ours")

    assert sale.on == MONDAY + timedelta(days=1)
    assert not sale.is_called_before


def test_a_suspended_share_is_not_sold_until_it_trades():
    [sale] = live_through(account("46000.00"), falling("100", "90", None, None, "88"), "everything")

    assert sale.on == MONDAY + timedelta(days=4)
    assert sale.breaches == ()


def test_interest_alone_may_call():
    loan = account("49999.00")
    loan.opened_on = MONDAY - timedelta(days=30)

    [sale] = live_through(loan, falling("100", "100", "100"), "ours")

    assert sale.shortage_before > 0


def test_the_rules_sell_what_they_say():
    book = ms_chan(target=D("0.95"))

    assert PEERS["everything"](book) == book.steps_max
    part = PEERS["pro_rata"](book)
    assert book.is_cured(part)
    assert len({round(100 * n / most) for n, most in zip(part, book.steps_max, strict=True)}) <= 9
    largest = PEERS["largest_first"](book)
    assert book.is_cured(largest)
    assert largest[1] == 0
    half = PEERS["half_the_loan"](book)
    assert sum(book.leg(i, n)[2] for i, n in enumerate(half) if n) >= book.loan_cents // 2


def test_a_breach_is_counted_and_fails_the_command(monkeypatch):
    [sale] = live_through(account("46000.00"), falling("100", "70"), "ours")

    row = figures("ours", [replace(sale, breaches=("stale_price",))], [])
    assert row["breaches"]["stale_price"] == 1

    monkeypatch.setattr("deploy.management.commands.backtest.figures", lambda *_given: row)
    with pytest.raises(CommandError, match="stale_price"):
        backtest("--json", "--accounts=1", "--from=2022-03-01", "--to=2022-03-04")


def test_the_same_seed_draws_the_same_accounts():
    history = load(date(2022, 3, 1), date(2022, 3, 31))

    assert repr(drawn(history, 5, 3)) == repr(drawn(history, 5, 3))
    assert repr(drawn(history, 5, 3)) != repr(drawn(history, 5, 4))


@pytest.mark.parametrize("options", [("--accounts=0",), ("--from=2019-01-01", "--to=2019-02-01")])
def test_what_cannot_be_replayed_is_refused(options):
    with pytest.raises(CommandError):
        backtest(*options)


def test_half_a_loan_larger_than_the_account_takes_it_all():
    holding = ms_chan().holding(0)
    offer = Candidate(holding.code, holding.quantity, D(400), holding.price, FeeSchedule())
    question = {"loan": D("9000000.00"), "credit_limit": None, "holdings": [holding], "target": D(1)}

    assert PEERS["half_the_loan"](SaleBook(candidates=[offer], **question)) == [20]


def of_bitcoin(*prices):
    """Coins on whose first day every account opens; then these prices, and the last one for weeks."""
    closes = {
        MONDAY + timedelta(days=number): {"BTC": D(price), "ETH": D(price)}
        for number, price in enumerate([*prices, *[prices[-1]] * 19])
    }
    steps = dict.fromkeys(("BTC", "ETH"), D("0.0001"))
    return History(closes, steps, dict.fromkeys(("BTC", "ETH"), D("0.60")))


def test_a_lower_haircut_lends_more_on_the_same_coins_and_loses_what_60_percent_keeps():
    history = of_bitcoin("300000", "150000")
    at_20, at_60 = (outcome(history, D(haircut), 8, 1) for haircut in ("0.2", "0.6"))

    assert at_20.lent == pytest.approx(2 * at_60.lent, abs=1)
    assert (at_20.calls, at_60.calls) == (8, 8)
    assert (at_20.losers, at_60.losers, at_60.loss) == (8, 0, 0)
    # 72 to 79.2% of the opening value was lent, and half of that is left, less 0.2% for selling it.
    assert D("0.30") < at_20.loss / at_20.lent < D("0.38")
    assert D("0.62") < at_20.thinnest_cover < D("0.70")
    assert at_60.thinnest_cover > D("1.25")


def test_haircuts_over_half_a_year_as_an_object_and_a_table(db):
    options = ("--accounts=3", "--from=2022-02-01", "--to=2022-07-29", "--haircuts=0.6, 0.1")
    result = json.loads(backtest(*options, "--json", "--keep"))
    assert HaircutBacktest.objects.get().rows.count() == 2

    assert [row["haircut"] for row in result["haircuts"]] == ["0.1", "0.6"]
    assert D(result["haircuts"][0]["loss"]) >= D(result["haircuts"][1]["loss"]) == 0
    assert all(row["calls"] >= 1 and row["sales"] >= 1 for row in result["haircuts"])
    assert "thinnest cover" in backtest(*options)


@pytest.mark.parametrize("options", [("--haircuts=1",), ("--haircuts=x",), ("--keep", "--to=2021-03-01")])
def test_what_is_no_haircut_is_refused(options):
    with pytest.raises(CommandError):
        backtest(*options)

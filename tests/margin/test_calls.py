"""Margin calls: who is called, for how much, until when, and what ends a call."""

from __future__ import annotations

import pytest

from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.custody import deposit_cash
from margin.explain import explain, replay
from margin.models import MarginCall
from margin.valuations import latest, run_valuation
from tests.builders import D, at, hong_kong, v01

pytestmark = pytest.mark.django_db


def test_v01_a_mixed_account_is_called_to_the_cent():
    world, chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))

    valuation = latest(chan)
    assert [
        (line.asset.code, line.market_value, line.margin_value) for line in valuation.lines.order_by("pk")
    ] == [
        ("00005", D("787200.00"), D("551040.00")),
        ("00700", D("615000.00"), D("430500.00")),
        ("BTC", D("1111500.00"), D("444600.00")),
    ]
    assert valuation.loan == D("1503287.67")
    assert valuation.margin_value == D("1426140.00")
    assert call.amount.amount == D("77147.67")
    assert valuation.utilisation == D("1.054095")
    assert call.due_at == hong_kong("2026-04-08 15:00")


def test_v08_the_credit_limit_binds():
    world, chan = v01(limit="1500000.00")
    chan.credit_limit = D("1200000.00")
    chan.save()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    assert call.amount.amount == D("303287.67")


def test_v30_two_runs_on_one_snapshot_give_one_call():
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
        assert review_calls(run=run_valuation(broker=world.broker)) == []
    assert MarginCall.objects.get().amount.amount == D("77147.67")


def test_replaying_the_call_a_month_of_prices_later_gives_the_same_cents():
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
        told = explain(call.valuation)
    with at("2026-05-06 16:30"):
        world.price("00005", "60.00", "2026-05-06 16:08")
        world.price("BTC", "40000", "2026-05-06 16:29:30")
        again = replay(call.valuation)
        assert explain(call.valuation) == told
    assert again["is_equal"], again["differences"]
    assert again["replayed"]["deficiency"] == "77147.67"
    assert [row["asset"] for row in told["inputs"]] == ["00005", "00700", "BTC"]
    assert told["inputs"][2]["fx_rate"]["bid"] == "7.80"


def test_cash_in_full_meets_the_call():
    world, chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    with at("2026-04-02 16:31"):
        world.price("BTC", "95000", "2026-04-02 16:31")
        deposit_cash(client=chan.client, currency="HKD", amount=D("77147.67"), key="wire-1", actor="wong")
        review_calls(run=run_valuation(broker=world.broker))
    call.refresh_from_db()
    assert call.status == MarginCall.Status.MET
    assert call.closing_valuation.deficiency == D("0.00")


def test_a_call_that_passes_its_due_time_unmet_is_overdue():
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    with at("2026-04-08 14:59"):
        assert advance_due(broker=world.broker) == 0
    with at("2026-04-08 15:00"):
        assert advance_due(broker=world.broker) == 1
    call.refresh_from_db()
    assert call.status == MarginCall.Status.OVERDUE

"""A valuation names the schedules that made it, and comes out the same after they have changed."""

from __future__ import annotations

import json
from datetime import date

import pytest

from collateral.haircuts import approve_haircut, propose_haircut
from collateral.models import HaircutTier, Instrument
from collateral.valuation import Holding, Tier
from margin.explain import explain, replay
from margin.sales.planner import plan_sale
from margin.valuations import run_valuation
from tests.builders import D, at, user, v01
from tests.margin.sales.offers import coins


def tiered(asset: str, haircut: str, day: str, **tiers: str) -> None:
    rows = [{"above": above.removeprefix("from"), "haircut": of_tier} for above, of_tier in tiers.items()]
    row = propose_haircut(
        asset=asset, haircut=haircut, valid_from=date.fromisoformat(day), tiers=rows, maker=user("wong")
    )
    approve_haircut(row, checker=user("lee"))


@pytest.mark.django_db
def test_tiers_are_named_by_id_and_replay_after_a_later_change():
    world, _chan = v01()
    with at("2026-04-02 16:29"):
        tiered("BTC", "0.60", "2026-04-02", from1000000="0.80")
    with at("2026-04-02 16:30"):
        run = run_valuation(broker=world.broker)
        valuation = run.valuations.get()
        told = json.dumps(explain(valuation))
    (tier,) = HaircutTier.objects.all()

    # 1,111,500.00 of Bitcoin: 40% of the first million, 20% of the rest.
    assert valuation.margin_value == D("551040.00") + D("430500.00") + D("422300.00")
    assert valuation.deficiency == D("96160.00")
    (bitcoin,) = [line for line in json.loads(told)["calculation"]["holdings"] if line["code"] == "BTC"]
    assert [part["ref"] for part in bitcoin["slices"]] == [bitcoin["haircut_ref"], str(tier.pk)]
    (inputs,) = [line for line in json.loads(told)["inputs"] if line["asset"] == "BTC"]
    assert inputs["haircut"]["tiers"] == [
        {"id": tier.pk, "above": str(tier.above), "haircut": str(tier.haircut)}
    ]

    with at("2026-04-03 10:00"):
        tiered("BTC", "0.90", "2026-04-03", from500000="1")
    with at("2027-04-02 16:30"):
        assert json.dumps(explain(valuation)) == told
        assert replay(valuation)["is_equal"]


def test_a_sale_out_of_the_top_slice_stops_at_the_least_that_cures():
    bitcoin = Holding(
        "BTC", D("1.5"), D("80000"), D("0.60"), D("7.8"), tiers=(Tier(D("700000.00"), D("0.90")),)
    )

    plan = plan_sale(
        loan=D("400000.00"), holdings=[bitcoin], candidates=[coins(bitcoin)], target=D(1), node_limit=1_000
    )

    (leg,) = plan.legs
    # Lent are 280,000 + 23,600; of the 96,400 short a dollar of the top slice cures 0.998 - 0.1.
    assert leg.quantity == D("0.17203473")
    assert plan.deficiency_after == D("0.00")


@pytest.mark.django_db
def test_a_suspended_share_carries_no_margin_value_and_replays_so_after_it_trades_again():
    world, _chan = v01()
    tencent = Instrument.objects.filter(code="00700")
    with at("2026-04-02 16:30"):
        tencent.update(status=Instrument.Status.SUSPENDED)
        valuation = run_valuation(broker=world.broker).valuations.get()
        tencent.update(status=Instrument.Status.LISTED)

    line = valuation.lines.get(asset__code="00700")
    assert (line.market_value, line.margin_value, line.haircut) == (D("615000.00"), D("0.00"), None)
    assert valuation.margin_value == D("551040.00") + D("444600.00")
    assert replay(valuation)["is_equal"]

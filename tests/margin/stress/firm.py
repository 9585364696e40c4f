"""Harbour Securities with an approved set of scenarios, Ms Chan of V01 and a colleague without coins."""

from __future__ import annotations

from datetime import date
from typing import Any

from margin.models import Broker, ScenarioSet
from margin.stress.sets import approve_set, propose_set
from tests.builders import D, World, at, user, v01

V20 = {
    "code": "v20",
    "kind": "market_fall",
    "name": "Stocks fall 20%, coins 40%",
    "securities": D("-0.20"),
    "virtual_assets": D("-0.40"),
}
GAP = {"code": "gap", "kind": "virtual_asset_gap", "name": "Coins fall 90%", "virtual_assets": D("-0.90")}
WORST = {"code": "worst", "kind": "single_name", "name": "The worst name to zero", "named_change": D(-1)}
BANKS = {
    "code": "pair",
    "kind": "correlated_group",
    "name": "HSBC and Tencent halve",
    "named": "00005 00700",
    "named_change": D("-0.5"),
}
PEG = {
    "code": "peg",
    "kind": "currency",
    "name": "The dollar falls 10%",
    "currency": "USD",
    "currency_change": D("-0.10"),
}
ALL = [V20, GAP, WORST, BANKS, PEG]


def approved(broker: Broker, *scenarios: dict[str, Any], day: str = "2026-04-01") -> ScenarioSet:
    proposal = propose_set(
        broker=broker,
        valid_from=date.fromisoformat(day),
        scenarios=scenarios or ALL,
        maker=user("wong"),
        reason="Risk committee",
    )
    return approve_set(proposal, checker=user("lee"))


def stressed_firm() -> tuple[World, ScenarioSet]:
    """Ms Chan (1,500,000.00 against shares and Bitcoin), Mr Ho (300,000.00 against Tencent), Ms Lam owes nothing."""
    world, _chan = v01()
    with at("2026-04-02 16:29"):
        ho = world.client("C002", "Ho Ka Yan")
        world.pledge(ho, s00700="900")
        world.draw(ho, "300000.00", purpose="securities")
        lam = world.client("C003", "Lam Wai Kit")
        world.pledge(lam, s00005="4000")
        chosen = approved(world.broker)
    return world, chosen

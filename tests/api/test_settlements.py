"""What the clearing house says of a trade, over the API: in parts, exact, and once."""

from __future__ import annotations

from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.models import Role
from margin.models import SettlementReport
from margin.sales.settlement import settle_due
from tests.builders import D, World, at
from tests.margin.sales.test_forced_sale import ho_called_at_90, released

from .conftest import Caller, broken_rules, problem, system_of


def sold() -> tuple[World, Caller]:
    """Ms Ho's HSBC are sold on 25 March at 90.00, to settle on the 27th."""
    from margin.calls import advance_due
    from margin.sales.execution import advance_sales

    world = ho_called_at_90()
    with at("2026-03-25 15:00"):
        world.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=world.broker)
        released(world)
        advance_sales(broker=world.broker)
    return world, system_of(world.broker)


def test_a_trade_settles_in_parts_that_are_told_once(db):
    world, system = sold()
    [row] = system.get("settlement-instructions", is_open="true", asset="00005").json()["results"]
    address = f"settlement-instructions/{row['id']}"
    part = {
        "outcome": "settled",
        "quantity": "400",
        "money": "36000.00",
        "settled_on": "2026-03-27",
        "reference": "CCASS-1",
    }
    with at("2026-03-27 17:00"):
        told = system.post(f"{address}:report", part).json()
        again = system.post(f"{address}:report", part).json()
        assert told == again
        assert (told["status"], told["settled_quantity"], told["settled_money"]) == (
            "part_settled",
            "400",
            "36000.00",
        )
        assert told["next_attempt_on"] == "2026-03-30"
        problem(system.post(f"{address}:report", part | {"money": "1.00"}), 422, "idempotency_key_reused")
        problem(
            system.post(f"{address}:report", part | {"quantity": "99999", "reference": "CCASS-2"}),
            422,
            "more_than_outstanding",
        )
        rules = broken_rules(system.post(f"{address}:report", part | {"quantity": "NaN"}))
        assert rules == [("quantity", "not_plain")]
        fail = {"outcome": "failed", "settled_on": "2026-03-27", "reference": "CCASS-3", "reason": "short"}
        assert system.post(f"{address}:report", fail).json()["status"] == "failed"
        fee = {"kind": "fail_fee", "amount": "50.00", "charged_on": "2026-03-27", "reference": "FEE-1"}
        charged = system.post(f"{address}/penalties", fee).json()
        assert charged["penalties"][0]["amount"] == "50.00"
    with at("2026-03-30 09:30"):
        assert system.get(address).json()["days_late"] == 1
        assert settle_due(broker=world.broker) == 1
        done = system.get(address).json()
    assert (done["status"], done["settled_net"]) == ("settled", done["net"])
    assert [one["source"] for one in done["reports"]] == ["api", "api", "paper"]
    file = b"".join(system.get("settlement-instructions.csv").streaming_content).decode()
    assert f"{done['reference']},C002,00005,settled" in file
    assert SettlementReport.objects.count() == 3
    assert D(done["reports"][0]["net"]) < D("36000.00")
    assert holding(world.broker.book, AccountKey(Role.SETTLEMENT_COST, "HKD")) == D("50.00")

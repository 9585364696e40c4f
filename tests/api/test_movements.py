"""Collateral and cash in and out, drawdown and repayment, and the journals they leave."""

from __future__ import annotations

from ledger.models import Journal

from .conftest import House, broken_rules, problem

DEPOSITS = "clients/C001/collateral-deposits"


def balances(house: House, **filters: str) -> dict[tuple[str, str], str]:
    rows = house.system.get("balances", client="C001", **filters).json()["results"]
    return {(row["role"], row["asset"]): row["quantity"] for row in rows}


def test_a_deposit_of_bitcoin_is_booked_at_the_place_where_it_lies(house: House):
    response = house.system.post(DEPOSITS, {"asset": "BTC", "quantity": "0.00000001"})

    assert response.status_code == 201
    journal = response.json()["journal"]
    assert response.json()["client"] == "C001"
    assert journal["kind"] == "collateral_deposit"
    assert journal["value_on"] == "2026-04-02"
    assert [(e["role"], e["client"], e["location"], e["amount"]) for e in journal["entries"]] == [
        ("custody", "", "VATP", "0.00000001"),
        ("client_collateral", "C001", "VATP", "-0.00000001"),
    ]
    assert balances(house)["client_collateral", "BTC"] == "1.50000001"


def test_money_in_and_out_again(house: House):
    house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "600000"})
    assert balances(house)["client_cash", "HKD"] == "600000.00"

    response = house.system.post("clients/C001/cash-withdrawals", {"currency": "HKD", "amount": "50.00"})
    assert response.status_code == 201
    assert balances(house)["client_cash", "HKD"] == "599950.00"


def test_collateral_that_carries_the_loan_stays(house: House):
    response = house.system.post("clients/C001/collateral-withdrawals", {"asset": "BTC", "quantity": "1.5"})
    told = problem(response, 422, "withdrawal_leaves_shortfall")
    assert told["errors"] == [
        {"field": "quantity", "code": "withdrawal_leaves_shortfall", "detail": told["detail"]}
    ]
    assert balances(house)["client_collateral", "BTC"] == "1.50000000"


def test_more_than_is_pledged_cannot_leave(house: House):
    house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "2000000"})
    response = house.system.post(
        "clients/C001/collateral-withdrawals", {"asset": "BTC", "quantity": "1.50000001"}
    )
    problem(response, 422, "insufficient_balance")


def test_a_loan_is_drawn_and_paid_back(house: House):
    path = f"facilities/{house.chan.pk}"
    house.system.post("clients/C001/cash-deposits", {"currency": "HKD", "amount": "200000"})

    drawn = house.system.post(f"{path}/drawdowns", {"amount": "1000.00", "purpose": "securities"})
    paid = house.system.post(f"{path}/repayments", {"amount": "100000"})

    assert drawn.status_code == 201, drawn.content
    assert drawn.json()["amount"] == "1000.00"
    assert drawn.json()["purpose"] == "securities"
    assert paid.json()["amount"] == "100000.00"
    assert paid.json()["kind"] == "repayment"
    assert balances(house)["loan_principal", "HKD"] == "1401000.00"
    listed = house.system.get(f"{path}/repayments").json()["results"]
    assert listed == [paid.json()]
    assert len(house.system.get(f"{path}/drawdowns").json()["results"]) == 2
    journal = house.system.get(f"journals/{paid.json()['journal']}").json()
    assert journal["kind"] == "repayment"


def test_a_drawdown_beyond_the_limit_says_by_how_much(house: House):
    response = house.system.post(
        f"facilities/{house.chan.pk}/drawdowns", {"amount": "1000000", "purpose": "securities"}
    )
    told = problem(response, 422, "beyond_effective_limit")
    assert told["details"] == {"deficiency": "1073860.00"}


def test_a_value_date_may_be_given(house: House):
    response = house.system.post(DEPOSITS, {"asset": "BTC", "quantity": "1", "value_on": "2026-04-01"})
    assert response.json()["journal"]["value_on"] == "2026-04-01"
    for bad in ("2026-4-1", "2026-02-30", "2026-W14-3", 20260401, "2026-04-01T00:00:00"):
        response = house.system.post(DEPOSITS, {"asset": "BTC", "quantity": "1", "value_on": bad})
        assert broken_rules(response) == [("value_on", "not_a_date")]


def test_an_asset_nobody_knows_is_named(house: House):
    told = problem(house.system.post(DEPOSITS, {"asset": "DOGE", "quantity": "1"}), 422, "unknown_asset")
    assert told["errors"][0]["field"] == "asset"


def test_nobody_to_deposit_for(house: House):
    before = Journal.objects.count()
    problem(
        house.system.post("clients/C404/cash-deposits", {"currency": "HKD", "amount": "1"}), 404, "not_found"
    )
    assert Journal.objects.count() == before

"""Journals, accounts, entries and balances of one's own book."""

from __future__ import annotations

from ledger.core.decimals import ZERO
from tests.builders import D

from .conftest import House, broken_rules


def test_balances_are_shown_on_their_natural_side_with_every_decimal(house: House):
    rows = house.system.get("balances", client="C001").json()["results"]
    assert {(r["role"], r["asset"], r["location"], r["quantity"]) for r in rows} == {
        ("client_collateral", "00005", "CCASS", "8000"),
        ("client_collateral", "00700", "CCASS", "1200"),
        ("client_collateral", "BTC", "VATP", "1.50000000"),
        ("loan_principal", "HKD", "", "1500000.00"),
    }


def test_what_is_owed_at_a_place_is_what_lies_there(house: House):
    rows = house.system.get("balances", location="VATP").json()["results"]
    assert {(r["client"], r["role"], r["quantity"]) for r in rows} == {
        ("C001", "client_collateral", "1.50000000"),
        ("", "custody", "1.50000000"),
    }
    assert house.system.get("balances", role="custody", asset="BTC").json()["results"] == [
        row for row in rows if row["role"] == "custody"
    ]


def test_an_accounts_entries_lead_to_the_balance_and_to_their_journals(house: House):
    house.system.post("clients/C001/collateral-deposits", {"asset": "BTC", "quantity": "0.5"})
    [account] = house.system.get("accounts", client="C001", asset="BTC").json()["results"]

    entries = house.system.get(f"accounts/{account['id']}/entries").json()["results"]

    assert [(e["amount"], e["balance_after"], e["version"]) for e in entries] == [
        ("-0.50000000", "-2.00000000", 2),
        ("-1.50000000", "-1.50000000", 1),
    ]
    for entry in entries:
        journal = house.system.get(f"journals/{entry['journal']}").json()
        assert sum((D(e["amount"]) for e in journal["entries"]), ZERO) == 0


def test_journals_are_found_by_client_kind_cause_and_date(house: House):
    def kinds(**filters: str) -> list[str]:
        return [row["kind"] for row in house.system.get("journals", **filters).json()["results"]]

    assert kinds(client="C001") == [
        "drawdown",
        "collateral_deposit",
        "collateral_deposit",
        "collateral_deposit",
    ]
    assert kinds(client="C002") == []
    assert kinds(kind="drawdown") == ["drawdown"]
    assert kinds(cause="client:C001") == ["collateral_deposit"] * 3
    assert kinds(value_to="2026-03-22") == []
    assert len(kinds(value_from="2026-03-23", value_to="2026-03-23")) == 4
    assert broken_rules(house.system.get("journals", value_from="yesterday")) == [("value_from", "invalid")]


def test_a_journal_with_many_entries_costs_a_fixed_number_of_queries(
    house: House, django_assert_max_num_queries
):
    journal = house.system.get("journals").json()["results"][0]["id"]
    with django_assert_max_num_queries(6):
        house.system.get(f"journals/{journal}")

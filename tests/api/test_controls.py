"""Limits, closed accounts and periods over HTTP: people propose and decide, systems read, each firm its own."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from ledger.models import Account, Balance, Book, PeriodChange
from margin.staff import assign_staff
from tests.builders import user

from .conftest import Caller, House, broken_rules, peak_brokerage, problem, signed_in, system_of

REASON = {"reason": "Credit committee of May"}


@pytest.fixture
def wong(house: House) -> Caller:
    return signed_in(user("wong-of-operations", is_superuser=True))


@pytest.fixture
def lee(house: House) -> Caller:
    return signed_in(user("lee-of-operations", is_superuser=True))


@pytest.fixture
def loan(house: House) -> Account:
    """What Ms Chan owes."""
    return Account.objects.get(owner="C001", role="loan_principal")


def test_a_limit_is_proposed_approved_and_read(house: House, wong: Caller, lee: Caller, loan: Account):
    body = {"account": loan.pk, "floor": "0", "ceiling": "9000000.00", "effective_on": "2026-04-02"} | REASON
    proposed = wong.post("account-limits", body)
    assert proposed.status_code == 201, proposed.content
    address = f"account-limits/{proposed.json()['id']}"
    assert (proposed.json()["approval"], proposed.json()["is_in_force"]) == ("proposed", False)

    problem(wong.post(f"{address}:approve"), 403, "maker_is_checker")
    approved = lee.post(f"{address}:approve").json()

    assert (approved["approval"], approved["is_in_force"]) == ("approved", True)
    told = house.system.get(address).json()
    assert (told["client"], told["role"], told["asset"], told["floor"], told["ceiling"]) == (
        "C001",
        "loan_principal",
        "HKD",
        "0.00",
        "9000000.00",
    )
    assert (told["maker"], told["checker"], told["reason"]) == (
        "wong-of-operations",
        "lee-of-operations",
        REASON["reason"],
    )

    def in_force(day: str) -> list[int]:
        rows = house.system.get("account-limits", account=loan.pk, in_force_on=day).json()["results"]
        return [row["id"] for row in rows]

    assert (in_force("2026-04-01"), in_force("2026-04-02")) == ([], [told["id"]])
    problem(lee.post(f"{address}:reject", REASON), 409, "already_decided")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ceiling": "1e3"}, "inexact"),
        ({"ceiling": "NaN"}, "inexact"),
        ({"floor": "0.001"}, "inexact"),
        ({"floor": "2", "ceiling": "1"}, "bounds_crossed"),
        ({"effective_on": "2026-04-01"}, "in_the_past"),
        ({"reason": " "}, "reason_required"),
    ],
)
def test_what_is_no_limit_is_refused(wong: Caller, loan: Account, changes: dict[str, object], code: str):
    body = {"account": loan.pk, "floor": "0", "effective_on": "2026-04-02"} | REASON | changes
    problem(wong.post("account-limits", body), 422, code)


def test_a_number_is_no_text_and_an_account_of_nobody_is_not_found(wong: Caller, loan: Account):
    body = {"account": loan.pk, "floor": 5, "effective_on": "2026-04-02"} | REASON
    assert broken_rules(wong.post("account-limits", body)) == [("floor", "invalid")]
    problem(wong.post("account-limits", body | {"account": 10**9, "floor": "5"}), 422, "unknown_account")


def test_a_bound_that_the_balance_stands_outside_is_told_with_figures(
    wong: Caller, lee: Caller, loan: Account
):
    body = {"account": loan.pk, "ceiling": "1.00", "effective_on": "2026-04-02"} | REASON
    limit = wong.post("account-limits", body).json()

    told = problem(lee.post(f"account-limits/{limit['id']}:approve"), 409, "outside_bounds")

    assert "outside these bounds" in told["detail"]


def test_an_account_is_closed_when_it_is_empty_and_reopened(house: House, wong: Caller, loan: Account):
    problem(wong.post(f"accounts/{loan.pk}:close", REASON), 409, "not_empty")
    empty = Account.objects.create(book=loan.book, owner="C001", role="client_proceeds", asset=loan.asset)
    Balance.objects.create(account=empty, ceiling_atoms=0)

    closed = wong.post(f"accounts/{empty.pk}:close", REASON).json()
    assert closed["closed_at"] is not None
    problem(wong.post(f"accounts/{empty.pk}:close", REASON), 409, "already_closed")
    assert wong.post(f"accounts/{empty.pk}:reopen", REASON).json()["closed_at"] is None
    problem(house.system.post(f"accounts/{empty.pk}:close", REASON), 403, "needs_a_person")


def test_a_period_is_closed_and_reopened_by_two_people(house: House, wong: Caller, lee: Caller):
    close = {"kind": "close", "through": "2026-03-31", "reason": "Quarter end"}
    problem(wong.post("period-changes", close), 422, "broker_required")
    proposed = wong.post("period-changes?broker=HARBOUR", close)
    assert proposed.status_code == 201, proposed.content
    address = f"period-changes/{proposed.json()['id']}"
    problem(wong.post(f"{address}:approve"), 403, "maker_is_checker")

    done = lee.post(f"{address}:approve").json()

    assert (done["book"], done["number"], done["closed_before"], done["approval"]) == (
        "HARBOUR",
        1,
        None,
        "approved",
    )
    assert Book.objects.get(code="HARBOUR").closed_through is not None
    told = house.system.get(address).json()
    assert told == done
    assert all(total["debit"] == total["credit"] for total in told["totals"])
    problem(wong.post("period-changes?broker=HARBOUR", close), 409, "not_forward")
    reopen = wong.post("period-changes?broker=HARBOUR", {"kind": "reopen", "reason": "Left out"}).json()
    assert lee.post(f"period-changes/{reopen['id']}:approve").json()["totals"] == []
    assert Book.objects.get(code="HARBOUR").closed_through is None


def test_a_system_reads_and_decides_nothing(house: House, loan: Account):
    body = {"account": loan.pk, "floor": "0", "effective_on": "2026-04-02"} | REASON
    problem(house.system.post("account-limits", body), 403, "needs_a_person")
    close = {"kind": "close", "through": "2026-03-31", "reason": "Quarter end"}
    problem(house.system.post("period-changes", close), 403, "needs_a_person")
    assert house.system.get("account-limits").json()["results"] == []
    assert house.system.get("period-changes").json()["results"] == []


def test_another_firm_finds_nothing_of_it(house: House, wong: Caller, lee: Caller, loan: Account):
    body = {"account": loan.pk, "floor": "0", "effective_on": "2026-04-02"} | REASON
    limit = wong.post("account-limits", body).json()
    close = {"kind": "close", "through": "2026-03-31", "reason": "Quarter end"}
    change = wong.post("period-changes?broker=HARBOUR", close).json()
    broker = peak_brokerage()
    peak = system_of(broker)
    mei = user("mei-of-peak", is_superuser=False)
    assign_staff(user=mei, broker=broker, actor="wong")
    mei.user_permissions.set(Permission.objects.filter(content_type__app_label="ledger"))

    for address in (f"account-limits/{limit['id']}", f"period-changes/{change['id']}"):
        problem(peak.get(address), 404, "not_found")
        problem(signed_in(mei).post(f"{address}:approve"), 404, "not_found")
    problem(signed_in(mei).post("account-limits", body), 422, "unknown_account")
    problem(signed_in(mei).post(f"accounts/{loan.pk}:close", REASON), 404, "not_found")
    assert PeriodChange.objects.get().approval == "proposed"

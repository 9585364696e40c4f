"""Corporate actions over HTTP: people propose and decide, systems read, each firm sees what its own clients get."""

from __future__ import annotations

from datetime import date

import pytest

from ledger.corporate_actions.actions import carry_out
from ledger.corporate_actions.proposals import Terms, approve, propose
from ledger.models import CorporateAction
from margin.staff import assign_staff
from tests.builders import user

from .conftest import Caller, House, broken_rules, peak_brokerage, problem, signed_in, system_of

SPLIT = {
    "reference": "2026-0402",
    "kind": "split",
    "asset": "00700",
    "ratio_new": 5,
    "ratio_old": 1,
    "ex_on": "2026-04-02",
}


@pytest.fixture
def wong(house: House) -> Caller:
    return signed_in(user("wong-of-operations", is_superuser=True))


@pytest.fixture
def lee(house: House) -> Caller:
    return signed_in(user("lee-of-operations", is_superuser=True))


def test_one_person_proposes_another_approves_and_a_system_reads(house: House, wong: Caller, lee: Caller):
    proposed = wong.post("corporate-actions", SPLIT)
    assert proposed.status_code == 201
    address = f"corporate-actions/{proposed.json()['id']}"

    assert (proposed.json()["approval"], proposed.json()["stage"]) == ("proposed", "waiting")
    problem(wong.post(f"{address}:approve"), 403, "maker_is_checker")
    assert lee.post(f"{address}:approve").json()["approval"] == "approved"
    problem(lee.post(f"{address}:reject", {"reason": "No"}), 409, "already_decided")

    told = house.system.get(address).json()
    assert {name: told[name] for name in SPLIT} == SPLIT
    assert (told["given"], told["location"], told["amount"], told["checker"]) == (
        "00700",
        "",
        None,
        "lee-of-operations",
    )
    assert [row["id"] for row in house.system.get("corporate-actions", asset="00700").json()["results"]] == [
        told["id"]
    ]
    assert house.system.get("corporate-actions", stage="applied").json()["results"] == []


def test_a_system_neither_proposes_nor_decides(house: House, wong: Caller):
    problem(house.system.post("corporate-actions", SPLIT), 403, "needs_a_person")
    address = f"corporate-actions/{wong.post('corporate-actions', SPLIT).json()['id']}"
    problem(house.system.post(f"{address}:approve"), 403, "needs_a_person")
    ho = user("ho")
    assign_staff(user=ho, broker=house.world.broker, actor="wong")
    problem(signed_in(ho).post("corporate-actions", SPLIT), 403, "permission_denied")


def test_a_rejection_keeps_its_reason_and_frees_the_number(house: House, wong: Caller, lee: Caller):
    wrong = wong.post("corporate-actions", SPLIT | {"ratio_new": 50}).json()
    problem(wong.post("corporate-actions", SPLIT), 409, "already_proposed")

    assert lee.post(f"corporate-actions/{wrong['id']}:reject", {"reason": "Five"}).status_code == 200
    assert wong.post("corporate-actions", SPLIT).status_code == 201


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"ratio_new": 0}, "ratio_new", "min_value"),
        ({"ratio_new": 5.5}, "ratio_new", "invalid"),
        ({"ex_on": "2/4/2026"}, "ex_on", "not_a_date"),
        ({"amount": 2.4}, "amount", "invalid"),
        ({"ratio": "5:1"}, "ratio", "unknown_field"),
        ({"kind": "rights"}, "kind", "invalid_choice"),
    ],
)
def test_what_is_misspelt_is_refused_at_its_field(
    house: House, wong: Caller, changes: dict[str, object], field: str, code: str
):
    assert broken_rules(wong.post("corporate-actions", SPLIT | changes)) == [(field, code)]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"asset": "HKD"}, "asset_without_place"),
        ({"ratio_new": 1}, "invalid_ratio"),
        ({"kind": "bonus"}, "required"),
        ({"fraction_price": "NaN", "currency": "HKD", "pay_on": "2026-04-20"}, "inexact"),
    ],
)
def test_what_is_no_announcement_is_refused_by_the_service(
    house: House, wong: Caller, changes: dict[str, object], code: str
):
    problem(wong.post("corporate-actions", SPLIT | changes), 422, code)
    assert not CorporateAction.objects.exists()


@pytest.fixture
def consolidation(house: House) -> CorporateAction:
    """One Tencent for seven, with 7.77 a share for fractions."""
    terms = Terms(
        "2026-0402",
        "split",
        "00700",
        date(2026, 4, 2),
        pay_on=date(2026, 4, 20),
        ratio_new=1,
        ratio_old=7,
        fraction_price="7.77",
        currency="HKD",
    )
    return approve(propose(terms=terms, maker=user("wong")), checker=user("lee"))


def test_what_it_would_give_is_what_it_gives(house: House, consolidation: CorporateAction):
    address = f"corporate-actions/{consolidation.pk}"
    foretold = house.system.get(f"{address}/preview").json()
    assert house.system.get(f"{address}/entitlements").json()["results"] == []

    carry_out(action=consolidation)
    given = house.system.get(f"{address}/entitlements").json()["results"]

    chan = {
        "client": "C001",
        "role": "client_collateral",
        "location": "CCASS",
        "holding": "1200",
        "entitled": "171",
        "fraction": "3/7",
        "cash": "3.33",
    }
    custodian = chan | {"client": "", "role": "custody"}
    assert foretold == {"lines": [chan, custodian], "left_out": 0}
    shown = [{name: row[name] for name in chan} for row in given]
    assert sorted(shown, key=lambda row: row["role"]) == [chan, custodian]
    assert {row["status"] for row in given} == {"booked"}
    [booked] = [row for row in given if row["client"]]
    journal = house.system.get(f"journals/{booked['journal']}").json()
    assert journal["cause"] == f"corporate-action:{consolidation.pk}"
    problem(house.system.get(f"{address}/preview"), 409, "already_applied")


def test_another_firm_sees_the_action_and_nothing_of_what_it_gives(
    house: House, consolidation: CorporateAction
):
    peak = system_of(peak_brokerage())
    address = f"corporate-actions/{consolidation.pk}"
    problem(peak.get(f"{address}/preview"), 404, "not_found")
    carry_out(action=consolidation)

    assert peak.get(address).json()["stage"] == "applied"
    assert peak.get(f"{address}/entitlements").json()["results"] == []

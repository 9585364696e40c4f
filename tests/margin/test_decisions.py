"""Waivers, disputes, deviations and cancellations of calls: two people, a reason, a risk and an end."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from ledger import audit
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event
from margin import tasks
from margin.accrual import accrue_due
from margin.acknowledgements import acknowledge
from margin.calls import review_calls
from margin.credit import CreditRefused
from margin.custody import deposit_cash, withdraw_cash
from margin.decisions import approve_decision, propose_decision, reject_decision
from margin.models import CallDecision, ForcedSale, MarginCall
from margin.valuations import run_valuation
from tests.builders import D, World, at, hong_kong, user, v01
from tests.ledger.books import without_law

pytestmark = pytest.mark.django_db

DUE = "2026-04-08 15:00"


@pytest.fixture
def called() -> tuple[World, MarginCall]:
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return world, call


def propose(call: MarginCall, kind: str, **changes: object) -> CallDecision:
    given = {
        "reason_code": "payment_in_transit",
        "reason": "Cheque received, clears tomorrow",
        "risk_assessment": "Covered at a further fall of 8%",
        "expires_at": hong_kong("2026-04-10 15:00"),
        "maker": user("wong"),
        **changes,
    }
    return propose_decision(call=call, kind=kind, **given)


def prices(world: World, when: str, *, btc: str = "95000") -> None:
    world.price("BTC", btc, when)
    for code, price in (("00005", "98.40"), ("00700", "512.50")):
        world.price(code, price, when)


def reviewed(world: World, when: str) -> list[MarginCall]:
    with at(when):
        return review_calls(run=run_valuation(broker=world.broker))


def statuses() -> list[tuple[int, str]]:
    return list(MarginCall.objects.order_by("number").values_list("number", "status"))


def test_a_waiver_ends_the_call_until_it_expires_and_reaches_no_further_than_its_amount(called):
    world, call = called
    with at("2026-04-02 16:40"):
        waiver = propose(call, "waiver", amount=D("100000.00"), expires_at=hong_kong("2026-04-08 12:00"))
        with pytest.raises(Forbidden):
            approve_decision(waiver, checker=user("wong"))
        approve_decision(waiver, checker=user("lee"))
    assert statuses() == [(1, "waived")]
    told = Event.objects.get(topic="margin.call.waived")
    assert (told.actor, told.reason, told.payload["decision"]) == ("lee", waiver.reason, waiver.pk)

    prices(world, "2026-04-02 16:44")
    assert reviewed(world, "2026-04-02 16:45") == []
    with at("2026-04-02 16:46"), pytest.raises(CreditRefused):
        withdraw_cash(client=call.facility.client, currency="HKD", amount=D("1.00"), key="w", actor="wong")
    world.price("BTC", "89000", "2026-04-02 16:54")
    [deeper] = reviewed(world, "2026-04-02 16:55")
    assert (deeper.number, deeper.amount.amount) == (2, D("105227.67"))


def test_a_waiver_that_ran_out_is_followed_by_a_new_call(called):
    world, call = called
    with at("2026-04-02 16:40"):
        approve_decision(
            propose(call, "waiver", expires_at=hong_kong("2026-04-08 12:00")), checker=user("lee")
        )
    prices(world, "2026-04-08 11:58")
    assert reviewed(world, "2026-04-08 11:59") == []
    prices(world, "2026-04-08 12:00")
    [again] = reviewed(world, "2026-04-08 12:01")
    assert statuses() == [(1, "waived"), (2, "issued")]
    assert again.due_at == hong_kong("2026-04-09 15:00")


def test_a_dispute_stands_at_once_and_holds_the_sale_until_it_is_decided(called):
    world, call = called
    with at("2026-04-08 10:00"):
        acknowledge(call=call, by="Chan Siu Ming", channel="phone", actor="wong")
        dispute = propose(call, "dispute", reason_code="price_mismatch", reason="HSBC is at 99.00")
    assert statuses() == [(1, "disputed")]
    prices(world, "2026-04-08 14:59")
    with at(DUE):
        tasks.advance_calls()
    assert statuses() == [(1, "disputed")]
    with at("2026-04-08 15:05"):
        reject_decision(dispute, checker=user("lee"), reason="The closing price was 98.40")
        assert statuses() == [(1, "acknowledged")]
        tasks.advance_calls()
    assert MarginCall.objects.get().status == "sale_pending"


def test_of_a_dispute_in_part_the_agreed_part_stays_due(called):
    world, call = called
    with at("2026-04-08 10:00"):
        propose(call, "dispute", reason_code="price_mismatch", amount=D("20000.00"))
    prices(world, "2026-04-08 14:59")
    with at("2026-04-08 14:59"):
        deposit_cash(
            client=call.facility.client, currency="HKD", amount=D("57147.66"), key="short", actor="wong"
        )
    with at(DUE):
        tasks.advance_calls()
    assert MarginCall.objects.get().status == "sale_pending"


def test_of_a_dispute_in_part_paying_the_agreed_part_is_enough(called):
    world, call = called
    with at("2026-04-08 10:00"):
        propose(call, "dispute", reason_code="price_mismatch", amount=D("20000.00"))
        deposit_cash(
            client=call.facility.client, currency="HKD", amount=D("57147.67"), key="agreed", actor="wong"
        )
    prices(world, "2026-04-08 14:59")
    with at(DUE):
        tasks.advance_calls()
    assert statuses() == [(1, "disputed")]


def test_a_dispute_that_runs_out_undecided_goes_back_and_an_upheld_one_takes_the_call_back(called):
    _world, call = called
    with at("2026-04-02 17:00"):
        propose(call, "dispute", expires_at=hong_kong("2026-04-02 18:00"))
    with at("2026-04-02 18:00"):
        tasks.advance_calls()
        tasks.advance_calls()
        assert statuses() == [(1, "issued")]
        assert Event.objects.filter(topic="margin.call.returned_to_issued").count() == 1
    call.refresh_from_db()
    with at("2026-04-02 18:10"):
        CallDecision.objects.filter(kind="dispute").get()
        reject_decision(CallDecision.objects.get(), checker=user("lee"), reason="Ran out")
        upheld = propose(call, "dispute")
        approve_decision(upheld, checker=user("lee"))
    assert statuses() == [(1, "cancelled")]


def test_a_deviation_holds_the_sale_back_and_the_call_stays_overdue(called):
    world, call = called
    prices(world, "2026-04-08 14:59")
    with at("2026-04-08 14:00"):
        deviation = propose(call, "deviation", expires_at=hong_kong("2026-04-08 16:00"))
        approve_decision(deviation, checker=user("lee"))
    with at(DUE):
        tasks.advance_calls()
    assert statuses() == [(1, "overdue")]
    assert not ForcedSale.objects.exists()
    prices(world, "2026-04-08 15:59")
    with at("2026-04-08 16:00"):
        tasks.advance_calls()
    assert MarginCall.objects.get().status == "sale_pending"


def test_a_call_made_on_wrong_data_is_taken_back_by_two_people(called):
    _world, call = called
    with at("2026-04-02 16:40"):
        wrong = propose(
            call, "cancellation", reason_code="newer_calculation", risk_assessment="", expires_at=None
        )
        approve_decision(wrong, checker=user("lee"))
    assert statuses() == [(1, "cancelled")]
    with at("2026-04-02 16:41"), pytest.raises(Conflict) as refusal:
        propose(call, "waiver")
    assert refusal.value.reason == "wrong_state"


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"reason": " "}, "reason", "reason_required"),
        ({"risk_assessment": ""}, "risk_assessment", "risk_assessment_required"),
        ({"expires_at": None}, "expires_at", "expiry_required"),
        ({"expires_at": hong_kong("2026-04-02 16:40")}, "expires_at", "expired"),
        ({"amount": D("NaN")}, "amount", "inexact"),
        ({"amount": D("0.005")}, "amount", "inexact"),
        ({"amount": D("0.00")}, "amount", "not_positive"),
        ({"amount": D("77147.68")}, "amount", "more_than_called"),
    ],
)
def test_a_decision_without_what_an_inspector_asks_for_is_refused(called, changes, field, code):
    _world, call = called
    with at("2026-04-02 16:40"), pytest.raises(Invalid) as refusal:
        propose(call, "dispute", **changes)
    assert (refusal.value.field, refusal.value.reason) == (field, code)


def test_nobody_waives_or_takes_back_by_hand(called):
    _world, call = called
    for status in ("waived", "cancelled"):
        with pytest.raises(IntegrityError, match="without a decision of two people"), transaction.atomic():
            sql(f"UPDATE margin_margincall SET status = '{status}', closed_at = now() WHERE id = {call.pk}")
    with at("2026-04-02 16:40"):
        waiver = propose(call, "waiver")
    for change, why in (
        ("approval = 'approved', checker_id = maker_id, checked_at = now()", "maker_is_not_checker"),
        ("reason = 'another'", "decided once"),
        ("expires_at = expires_at + interval '9 days'", "decided once"),
    ):
        with pytest.raises(IntegrityError, match=why), transaction.atomic():
            sql(f"UPDATE margin_calldecision SET {change} WHERE id = {waiver.pk}")


def test_a_part_payment_is_told_once_and_does_not_shrink_the_call(called):
    world, call = called
    with at("2026-04-02 16:31"):
        deposit_cash(
            client=call.facility.client, currency="HKD", amount=D("30000.00"), key="part", actor="wong"
        )
    for minute in ("16:32", "16:33"):
        prices(world, f"2026-04-02 {minute}")
        reviewed(world, f"2026-04-02 {minute}")
    call.refresh_from_db()
    assert (call.status, call.version, call.amount.amount) == ("part_met", 1, D("77147.67"))
    told = Event.objects.get(topic="margin.call.part_cured")
    assert (told.payload["cash"], told.payload["remaining"]) == ("30000.00", "47147.67")
    assert audit.run().findings == ()


def test_a_fall_amends_the_call_by_version_and_the_increase_has_its_own_time(called):
    world, call = called
    with at("2026-04-08 10:00"):
        prices(world, "2026-04-08 09:59", btc="89000")
    reviewed(world, "2026-04-08 10:00")
    reviewed(world, "2026-04-08 10:00")
    call.refresh_from_db()
    assert MarginCall.objects.count() == 1
    assert (call.version, call.amount.amount, call.due_at) == (2, D("105227.67"), hong_kong(DUE))
    assert call.versions.get(number=2).increase_due_at == hong_kong("2026-04-09 15:00")

    with at("2026-04-08 14:00"):
        deposit_cash(
            client=call.facility.client, currency="HKD", amount=D("77147.67"), key="first", actor="wong"
        )
    prices(world, "2026-04-08 14:59", btc="89000")
    with at(DUE):
        tasks.advance_calls()
    call.refresh_from_db()
    assert (call.due_at, call.version) == (hong_kong("2026-04-09 15:00"), 3)
    prices(world, "2026-04-09 14:59", btc="89000")
    with at("2026-04-09 15:00"):
        tasks.advance_calls()
    assert MarginCall.objects.get().status == "sale_pending"
    assert audit.run().findings == ()


def test_a_state_that_was_never_told_is_found(called):
    _world, call = called
    without_law(f"UPDATE margin_margincall SET status = 'overdue' WHERE id = {call.pk}")
    assert [f.subject for f in audit.run().findings if f.check == "margin.call_states_are_told"] == [
        f"margin call {call.pk}"
    ]
    without_law(f"UPDATE margin_margincall SET version = 2 WHERE id = {call.pk}")
    assert [f.subject for f in audit.run().findings if f.check == "margin.calls_follow_versions"] == [
        f"margin call {call.pk}"
    ]


def test_an_acknowledgement_is_kept_once_and_moves_no_due_time(called):
    _world, call = called
    with at("2026-04-02 17:00"):
        acknowledge(call=call, by="Chan Siu Ming", channel="phone", actor="wong")
        acknowledge(call=call, by="Somebody Else", channel="email", actor="lee")
    call.refresh_from_db()
    assert (call.status, call.acknowledged_by, call.acknowledged_channel) == (
        "acknowledged",
        "Chan Siu Ming",
        "phone",
    )
    assert call.due_at == hong_kong(DUE)
    assert Event.objects.filter(topic="margin.call.acknowledged").count() == 1


def sql(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)

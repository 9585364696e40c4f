"""Many workers at once, late or twice: the database decides, and everything happens once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core.errors import Conflict, KeyReused, Refusal
from ledger.core.models import Event
from ledger.models import Journal, Role
from margin.accrual import accrue_due, catch_up
from margin.calls import advance_due, review_calls
from margin.custody import deposit_collateral, withdraw_collateral
from margin.lending import drawdown
from margin.models import (
    Fill,
    ForcedSale,
    InterestAccrual,
    InterestPosting,
    LoanMovement,
    MarginCall,
    SaleOrder,
    Valuation,
    ValuationRun,
)
from margin.sales.execution import advance_sales
from margin.sales.outcome import conclude
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.sales.settlement import settle_due
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user, v01

pytestmark = pytest.mark.django_db(transaction=True)

DUE = "2026-04-08 15:00"


def at_once(moment: str, *works: Callable[[], Any]) -> list[Any]:
    """Do all of it at one moment, each in a thread with a connection of its own; a refusal is an answer."""
    start = Barrier(len(works))

    def run(work: Callable[[], Any]) -> Any:
        try:
            with at(moment):
                connection.ensure_connection()
                start.wait(timeout=20)
                return work()
        except Refusal as refusal:
            return refusal
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


def topics(prefix: str) -> Counter[str]:
    return Counter(Event.objects.filter(topic__startswith=prefix).values_list("topic", flat=True))


@pytest.fixture
def called() -> World:
    """Ms Chan of V01, short since the evening of 2 April and not yet called."""
    world, _chan = v01(harbour(policy={"target_utilisation": D("0.80")}))
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
    return world


@pytest.fixture
def overdue(called: World) -> World:
    """Her call falls due with Bitcoin at USD 40,000: coins and shares will have to go."""
    with at("2026-04-02 16:30"):
        review_calls(run=run_valuation(broker=called.broker))
    with at(DUE):
        called.price("BTC", "40000", "2026-04-08 14:59:50")
        called.price("00005", "98.40", "2026-04-08 14:59")
        called.price("00700", "512.50", "2026-04-08 14:59")
    return called


def released(world: World) -> ForcedSale:
    with at(DUE):
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        return approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)


def test_v30_two_runs_of_one_minute_give_one_run_and_one_call(called):
    def value() -> int:
        return len(review_calls(run=run_valuation(broker=called.broker)))

    assert sum(at_once("2026-04-02 16:30", *[value] * 4)) == 1
    assert ValuationRun.objects.count() == Valuation.objects.count() == MarginCall.objects.count() == 1
    assert topics("margin.call") == {"margin.call.issued": 1}
    assert topics("margin.valuation") == {"margin.valuation.completed": 1}


def test_runs_of_different_minutes_at_once_give_one_call(called):
    def value(minute: int) -> Callable[[], None]:
        def work() -> None:
            with at(f"2026-04-02 16:3{minute}"):
                review_calls(run=run_valuation(broker=called.broker))

        return work

    at_once("2026-04-02 16:30", *[value(minute) for minute in range(4)])
    assert ValuationRun.objects.count() == 4
    assert MarginCall.objects.get().amount.amount == D("77147.67")
    assert topics("margin.call") == {"margin.call.issued": 1}


def test_a_run_reviewed_after_a_newer_one_decides_nothing(called):
    with at("2026-04-02 16:30"):
        late = run_valuation(broker=called.broker)
    with at("2026-04-02 16:31"):
        called.price("BTC", "120000", "2026-04-02 16:30:59")
        review_calls(run=run_valuation(broker=called.broker))
    with at("2026-04-02 16:32"):
        assert review_calls(run=late) == []
    assert not MarginCall.objects.exists()


def test_a_call_that_was_met_is_not_issued_again_by_the_run_that_issued_it(called):
    with at("2026-04-02 16:30"):
        run = run_valuation(broker=called.broker)
        [call] = review_calls(run=run)
        called.price("BTC", "120000", "2026-04-02 16:30:00")
    MarginCall.objects.filter(pk=call.pk).update(
        status="met", closed_at=call.issued_at, closing_valuation=call.valuation
    )
    with at("2026-04-02 16:30"):
        assert review_calls(run=run) == []
    assert MarginCall.objects.count() == 1


def test_a_crossing_is_warned_of_once_however_often_its_run_is_reviewed():
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        world.price("BTC", "120000", "2026-04-02 16:30")
        run = run_valuation(broker=world.broker)
    at_once("2026-04-02 16:30", *[lambda: review_calls(run=run)] * 3)
    assert Valuation.objects.get().level == "warning"
    assert topics("margin.warning") == {"margin.warning.given": 1}


def test_two_sweeps_over_one_overdue_call_make_one_plan(overdue):
    def sweep() -> int:
        advance_due(broker=overdue.broker)
        return len(plan_overdue(broker=overdue.broker))

    assert sum(at_once(DUE, *[sweep] * 4)) == 1
    assert ForcedSale.objects.get().plan_number == 1
    assert topics("margin.call") == {
        "margin.call.issued": 1,
        "margin.call.passed_due": 1,
        "margin.call.planned": 1,
    }


def test_eight_hands_approve_one_sale_once(overdue):
    with at(DUE):
        advance_due(broker=overdue.broker)
        [sale] = plan_overdue(broker=overdue.broker)
        submit_for_release(sale=sale, maker=user("wong"))
    checkers = [user(f"checker-{n}") for n in range(8)]
    works = [
        lambda checker=checker: approve_sale(sale=sale, checker=checker, plan_hash=sale.plan_hash)
        for checker in checkers
    ]
    outcomes = at_once(DUE, *works)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Conflict"] * 7 + ["ForcedSale"]
    assert {outcome.reason for outcome in outcomes if isinstance(outcome, Conflict)} == {"wrong_state"}
    [approved] = [outcome for outcome in outcomes if isinstance(outcome, ForcedSale)]
    assert ForcedSale.objects.get().checker_id == approved.checker_id
    assert topics("margin.sale.approved") == {"margin.sale.approved": 1}


def test_i24_workers_beside_each_other_sell_and_settle_everything_once(overdue):
    sale = released(overdue)

    def work() -> None:
        advance_sales(broker=overdue.broker)
        conclude(broker=overdue.broker)

    def settle() -> None:
        settle_due(broker=overdue.broker)
        conclude(broker=overdue.broker)

    at_once(DUE, *[work] * 3)
    orders = list(SaleOrder.objects.order_by("leg__position").values_list("client_order_id", "status"))
    assert orders == [(f"HARBOUR-{sale.reference}-{n}-1", "filled") for n in range(1, len(orders) + 1)]
    assert 2 <= len(orders) == Fill.objects.count() == sale.legs.count()
    assert Journal.objects.filter(kind="forced_sale_trade").count() == len(orders)
    assert set(topics("margin.sale").values()) <= {1, len(orders)}

    with at("2026-04-10 09:31"):
        overdue.price("BTC", "40000", "2026-04-10 09:30:40")
        overdue.price("00005", "98.40", "2026-04-09 16:08")
        overdue.price("00700", "512.50", "2026-04-09 16:08")
    unsettled = Fill.objects.filter(settled_at__isnull=True).count()
    at_once("2026-04-10 09:31", *[settle] * 3)
    assert Journal.objects.filter(kind="forced_sale_settlement").count() == unsettled == 2
    assert MarginCall.objects.get().status == MarginCall.Status.SETTLED
    assert topics("margin.call.sold") == {"margin.call.sold": 1}
    assert audit.run().findings == ()


def test_interest_asked_for_by_many_accrues_and_posts_once(called):
    at_once("2026-05-02 00:05", *[lambda: catch_up(broker=called.broker)] * 3)
    assert InterestAccrual.objects.count() == 9 + 30 + 1
    assert InterestPosting.objects.count() == Journal.objects.filter(kind="interest").count() == 2
    assert topics("margin.interest.posted") == {"margin.interest.posted": 2}
    assert topics("margin.interest.accrued") == {"margin.interest.accrued": 40}


@pytest.fixture
def ho() -> tuple[World, Any]:
    """Ms Ho with 8,000 HSBC at 100.00, 490,000.00 drawn and 70,000.00 still to draw."""
    world = harbour()
    with at("2026-03-23 16:30"):
        world.price("00005", "100.00", "2026-03-23 16:08")
        facility = world.client("C002", "Ho Ka Yan")
        world.pledge(facility, s00005="8000")
        world.draw(facility, "490000.00", purpose="securities")
    return world, facility


def test_of_a_withdrawal_and_a_drawdown_that_only_fit_alone_one_passes(ho):
    world, facility = ho
    outcomes = at_once(
        "2026-03-23 16:31",
        lambda: withdraw_collateral(
            client=facility.client, asset="00005", quantity=D("1000"), key="out", actor="wong"
        ),
        lambda: drawdown(
            facility=facility, amount=D("70000.00"), purpose="securities", key="more", actor="wong"
        ),
    )
    [refusal] = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert refusal.reason in {"beyond_effective_limit", "withdrawal_leaves_shortfall"}
    with at("2026-03-23 16:32"):
        assert run_valuation(broker=world.broker).valuations.get().utilisation == D("1.000000")


def test_deposits_and_withdrawals_at_once_leave_what_they_add_up_to(ho):
    world, facility = ho
    client = facility.client

    def put(n: int) -> Callable[[], Any]:
        return lambda: deposit_collateral(
            client=client, asset="00005", quantity=D("500"), key=f"in-{n}", actor="wong"
        )

    def take(n: int) -> Callable[[], Any]:
        return lambda: withdraw_collateral(
            client=client, asset="00005", quantity=D("100"), key=f"out-{n}", actor="wong"
        )

    outcomes = at_once("2026-03-23 16:31", *[put(n) for n in range(4)], *[take(n) for n in range(4)])
    assert not [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    account = AccountKey(Role.CLIENT_COLLATERAL, "00005", "C002", "CCASS")
    assert holding(world.broker.book, account) == D("9600")
    assert audit.run().findings == ()


def test_one_key_from_ten_hands_is_one_advance(ho):
    world, facility = ho
    ask = [
        lambda: drawdown(facility=facility, amount=D("40000.00"), purpose="securities", key="k", actor="wong")
    ] * 10
    outcomes = at_once("2026-03-23 16:31", *ask)
    assert len({movement.pk for movement in outcomes}) == 1
    assert LoanMovement.objects.count() == 2
    assert holding(world.broker.book, AccountKey(Role.LOAN_PRINCIPAL, "HKD", "C002")) == D("530000.00")
    assert topics("margin.drawdown") == {"margin.drawdown.booked": 2}


def test_one_key_from_ten_hands_is_one_withdrawal_though_two_would_not_fit(ho):
    _world, facility = ho
    ask = [
        lambda: withdraw_collateral(
            client=facility.client, asset="00005", quantity=D("1000"), key="k", actor="wong"
        )
    ] * 10
    outcomes = at_once("2026-03-23 16:31", *ask)
    assert len({movement.journal_id for movement in outcomes}) == 1
    assert sorted(movement.is_replay for movement in outcomes) == [False] + [True] * 9


def test_one_key_with_two_amounts_at_once_is_one_advance_and_one_refusal(ho):
    _world, facility = ho
    outcomes = at_once(
        "2026-03-23 16:31",
        *[
            lambda amount=amount: drawdown(
                facility=facility, amount=D(amount), purpose="securities", key="k", actor="wong"
            )
            for amount in ("1000.00", "2000.00")
        ],
    )
    [refusal] = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
    assert isinstance(refusal, KeyReused)
    assert refusal.details["differing"] == ["legs"]
    assert LoanMovement.objects.count() == 2

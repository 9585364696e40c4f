"""The state machines are walked in the database: what their tables allow passes, all else is refused."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction

from ledger.core.errors import Conflict
from margin import states
from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.models import (
    CallDecision,
    Fill,
    ForcedSale,
    InterestAccrual,
    LoanMovement,
    MarginCall,
    SaleLeg,
    SaleOrder,
    Transition,
)
from margin.sales.execution import advance_sales
from margin.sales.outcome import conclude
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.valuations import run_valuation
from tests.builders import D, at, hong_kong, user, v01

pytestmark = pytest.mark.django_db

MACHINES = {states.CALL: MarginCall, states.SALE: ForcedSale, states.ORDER: SaleOrder}
CLOSED_AT = hong_kong("2026-04-08 15:00")


@pytest.fixture
def sold() -> None:
    """Ms Chan's coins were sold as in V02: one call, one sale, one leg, one order, one fill."""
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
    with at("2026-04-08 15:00"):
        world.price("BTC", "80000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
        advance_sales(broker=world.broker)
        conclude(broker=world.broker)
    assert ForcedSale.objects.get().status == ForcedSale.Status.CLOSED
    for kind in ("waiver", "cancellation"):
        CallDecision.objects.create(
            call=MarginCall.objects.get(),
            kind=kind,
            reason_code="other",
            reason="So that only the machine decides",
            risk_assessment="None",
            expires_at=CLOSED_AT,
            approval="approved",
            maker=user("wong"),
            made_at=CLOSED_AT,
            checker=user("lee"),
            checked_at=CLOSED_AT,
        )


def pairs(machine: str) -> set[tuple[str, str]]:
    return {(before, after) for before, _event, after in states.TRANSITIONS[machine] if before != after}


def terminal(machine: str) -> list[str]:
    leading = {before for before, _event, _after in states.TRANSITIONS[machine]}
    return [state for state in MACHINES[machine].Status.values if state not in leading]


def fitting(model: type[models.Model], state: str) -> dict[str, Any]:
    """The status with what the check constraints want beside it, so that only the machine decides."""
    if model is MarginCall:
        return {"status": state, "closed_at": None if state in MarginCall.LIVE else CLOSED_AT}
    return {"status": state}


def sql(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)


def place(model: type[models.Model], state: str, **columns: object) -> None:
    """Put the one row of a table into a state by hand, with the table's law switched off."""
    table = model._meta.db_table
    sql("SET CONSTRAINTS ALL IMMEDIATE")
    sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    model._default_manager.update(**fitting(model, state) | columns)
    sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")


def goes(model: type[models.Model], after: str) -> bool:
    """Whether the database lets the row move there; nothing is kept of it."""
    try:
        with transaction.atomic():
            model._default_manager.update(**fitting(model, after))
            transaction.set_rollback(True)
    except IntegrityError as error:
        if "may not go from" not in str(error):
            raise
        return False
    return True


def test_the_database_allows_what_the_tables_say_and_nothing_else(sold):
    for machine, model in MACHINES.items():
        allowed = set()
        for before, after in permutations(model.Status.values, 2):
            place(model, before)
            if goes(model, after):
                allowed.add((before, after))
        assert allowed == pairs(machine)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_code_takes_each_event_where_the_table_has_it_and_refuses_it_elsewhere(machine):
    table = {(before, event): after for before, event, after in states.TRANSITIONS[machine]}
    events = {event for _before, event in table}
    for state in MACHINES[machine].Status.values:
        for event in events:
            if (state, event) in table:
                assert states.step(machine, state, event) == table[state, event]
                continue
            with pytest.raises(Conflict) as refusal:
                states.step(machine, state, event)
            assert refusal.value.reason == "wrong_state"


@pytest.mark.parametrize("machine", MACHINES)
def test_every_state_is_reached_and_named(machine):
    reached = {after for _before, _event, after in states.TRANSITIONS[machine]}
    first = str(MACHINES[machine]._meta.get_field("status").default)
    begun = {first, "expected"} if machine == states.CALL else {first}
    assert reached | begun == set(MACHINES[machine].Status.values)


def test_the_database_keeps_the_tables_of_the_code():
    Transition.objects.filter(machine=states.CALL, from_state="issued", event="cured").delete()
    Transition.objects.create(machine=states.CALL, from_state="met", event="reopened", to_state="issued")
    states.load_transitions()
    kept = Transition.objects.values_list("machine", "from_state", "event", "to_state")
    assert set(kept) == {(machine, *row) for machine, rows in states.TRANSITIONS.items() for row in rows}


def test_i20_what_has_ended_never_changes(sold):
    changes = {
        states.CALL: {"overdue_at": CLOSED_AT.replace(hour=1)},
        states.SALE: {"approval_rule": "another rule"},
        states.ORDER: {"filled_quantity": D("0.1")},
    }
    for machine, model in MACHINES.items():
        for state in terminal(machine):
            place(model, state)
            with pytest.raises(IntegrityError, match="is closed and does not change"), transaction.atomic():
                model._default_manager.update(**changes[machine])


def test_i8_a_second_open_call_is_refused(sold):
    copy = (
        "INSERT INTO margin_margincall (facility_id, number, status, valuation_id, amount_currency, amount,"
        " is_immediate, issued_at, due_at) SELECT facility_id, 2, %s, valuation_id, amount_currency, amount,"
        " false, issued_at, due_at FROM margin_margincall"
    )
    for first in MarginCall.LIVE:
        place(MarginCall, first)
        for second in MarginCall.LIVE:
            with pytest.raises(IntegrityError, match="margin_margincall_one_open"), transaction.atomic():
                sql(copy, second)
    place(MarginCall, "met")
    sql(copy, "issued")
    assert MarginCall.objects.count() == 2


def test_i9_what_a_call_was_issued_with_stays(sold):
    place(MarginCall, "issued")
    for change in (
        "amount = amount + 1",
        "amount_currency = 'USD'",
        "due_at = due_at + interval '1 minute'",
        "issued_at = issued_at - interval '1 minute'",
        "number = 7",
    ):
        with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
            sql(f"UPDATE margin_margincall SET {change}")


def order(quantity: object) -> None:
    sql(
        "INSERT INTO margin_saleorder (leg_id, client_order_id, slice_number, status, quantity,"
        " filled_quantity, limit_price, created_at) SELECT leg_id, client_order_id || '-' || n, n, 'new', %s,"
        " 0, limit_price, created_at FROM margin_saleorder, (SELECT max(slice_number) + 1 AS n FROM margin_saleorder) s"
        " WHERE slice_number = 1",
        quantity,
    )


def test_i10_no_order_without_a_released_plan_in_execution(sold):
    place(SaleOrder, "cancelled", filled_quantity=0)
    for state in set(ForcedSale.Status.values) - {"executing"}:
        place(ForcedSale, state)
        with pytest.raises(IntegrityError, match="needs a released plan"), transaction.atomic():
            order(D("0.1"))


def test_i3_orders_never_add_up_to_more_than_their_leg(sold):
    place(ForcedSale, "executing")
    leg = SaleLeg.objects.get()
    with pytest.raises(IntegrityError, match="would exceed"), transaction.atomic():
        order(D("0.00000001"))

    place(SaleOrder, "cancelled", filled_quantity=D("0.1"))
    with pytest.raises(IntegrityError, match="would exceed"), transaction.atomic():
        order(leg.quantity)
    order(leg.quantity - D("0.2"))
    with pytest.raises(IntegrityError, match="would exceed"), transaction.atomic():
        order(D("0.10000001"))
    order(D("0.1"))
    assert SaleOrder.objects.count() == 3


def test_a_released_plan_takes_no_further_leg_and_its_legs_stay(sold):
    another = (
        "INSERT INTO margin_saleleg (sale_id, position, asset_id, quantity, reference_price, currency,"
        " expected_gross_currency, expected_gross, expected_fees_currency, expected_fees, why)"
        " SELECT sale_id, 2, (SELECT id FROM ledger_asset WHERE code = 'ETH'), quantity, reference_price,"
        " currency, expected_gross_currency, expected_gross, expected_fees_currency, expected_fees, why"
        " FROM margin_saleleg"
    )
    for state in set(ForcedSale.Status.values) - {"planned"}:
        place(ForcedSale, state)
        with pytest.raises(IntegrityError, match="takes no further leg"), transaction.atomic():
            sql(another)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        sql("UPDATE margin_saleleg SET quantity = 2 * quantity")


def test_what_was_done_is_not_rewritten(sold):
    place(SaleOrder, "sent")
    for model, change in (
        (SaleOrder, "quantity = quantity + 1"),
        (SaleOrder, "limit_price = limit_price / 2"),
        (Fill, "price = price + 1"),
        (Fill, "net_currency = 'USD'"),
        (Fill, "settled_at = NULL"),
        (InterestAccrual, "numerator = numerator + 1"),
        (LoanMovement, "amount = amount + 1"),
    ):
        table = model._meta.db_table
        with pytest.raises(IntegrityError, match=r"does not change|append-only"), transaction.atomic():
            sql(f"UPDATE {table} SET {change}")
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            sql(f"DELETE FROM {table}")

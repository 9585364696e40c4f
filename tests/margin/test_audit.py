"""Damage to what the room stores is found, and the row is named."""

from __future__ import annotations

import pytest

from ledger import audit
from margin.accrual import accrue_due, post_due
from margin.calls import advance_due, review_calls
from margin.custody import deposit_cash
from margin.lending import repay
from margin.models import Fill, InterestPosting, LoanMovement, MarginCall, SaleOrder, Valuation
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, submit_for_release
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user, v01
from tests.ledger.books import without_law

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    """Harbour Securities in the middle of things: coins sold, shares sold and unsettled, interest booked."""
    world, chan = v01(harbour(policy={"target_utilisation": D("0.80"), "automatic_release_limit": D("0")}))
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        post_due(broker=world.broker)
        review_calls(run=run_valuation(broker=world.broker))
        deposit_cash(client=chan.client, currency="HKD", amount=D("1000.00"), key="wire", actor="wong")
        repay(facility=chan, amount=D("1000.00"), key="part", actor="wong")
    with at("2026-04-08 15:00"):
        world.price("BTC", "40000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)
        advance_sales(broker=world.broker)
    assert {fill.settled_at is None for fill in Fill.objects.all()} == {True, False}
    return world


def found(check: str) -> list[str]:
    return [f.subject for f in audit.run().findings if f.check == f"margin.{check}"]


def test_a_firm_in_the_middle_of_things_has_no_findings(world):
    report = audit.run()
    assert report.findings == ()
    assert "margin.law_is_in_force" in report.checks


def test_a_fill_whose_net_was_altered(world):
    fill = Fill.objects.latest("pk")
    without_law(f"UPDATE margin_fill SET net = net + 1 WHERE id = {fill.pk}")
    assert found("fills_are_booked") == [f"fill {fill.pk}"]
    assert found("unsettled_money_is_in_fills") == ["book HARBOUR"]


def test_a_fill_of_more_than_was_booked(world):
    fill = Fill.objects.earliest("pk")
    without_law(f"UPDATE margin_fill SET quantity = quantity + 1 WHERE id = {fill.pk}")
    assert found("fills_are_booked") == [f"fill {fill.pk}"]
    assert found("orders_add_up") == [f"order {fill.order.client_order_id}"]


def test_an_order_that_is_said_to_be_live_again(world):
    order = SaleOrder.objects.latest("pk")
    without_law(f"UPDATE margin_saleorder SET status = 'new', filled_quantity = 0 WHERE id = {order.pk}")
    assert found("in_sale_is_in_orders") == [f"client C001 asset {order.leg.asset.code}"]


def test_a_release_that_is_wiped_out(world):
    order = SaleOrder.objects.latest("pk")
    without_law(
        "ALTER TABLE margin_forcedsale DROP CONSTRAINT margin_forcedsale_released_by_someone",
        "UPDATE margin_forcedsale SET approved_hash = ''",
    )
    assert found("orders_add_up") == [f"sale {order.leg.sale_id}"]


def test_a_drawdown_of_another_amount_than_booked(world):
    movement = LoanMovement.objects.earliest("pk")
    without_law(f"UPDATE margin_loanmovement SET amount = amount + 1 WHERE id = {movement.pk}")
    assert found("loan_movements_are_booked") == [f"loan movement {movement.pk}"]


def test_a_valuation_that_was_made_to_look_better(world):
    valuation = Valuation.objects.earliest("pk")
    without_law(
        "UPDATE margin_valuation SET deficiency = 0, margin_value = margin_value + 9"
        f" WHERE id = {valuation.pk}"
    )
    assert found("valuations_add_up") == [f"valuation {valuation.pk}"] * 2
    assert found("calls_follow_valuations") == [f"margin call {MarginCall.objects.get().pk}"]


def test_interest_that_was_rounded_away(world):
    posting = InterestPosting.objects.get()
    without_law(f"UPDATE margin_interestposting SET amount_atoms = amount_atoms - 1 WHERE id = {posting.pk}")
    assert found("interest_is_booked_once") == [f"interest posting {posting.pk}"]


def test_a_trigger_that_was_taken_off(world):
    without_law("DROP TRIGGER margin_forcedsale_plan ON margin_forcedsale")
    assert found("law_is_in_force") != []

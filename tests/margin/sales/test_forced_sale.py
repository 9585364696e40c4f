"""From an overdue call to settled proceeds, with people, venue, fees and journals."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.core.errors import Conflict, Forbidden
from ledger.models import Entry, Role
from margin import tasks
from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.custody import deposit_cash
from margin.models import Client, Fill, ForcedSale, MarginCall, SaleOrder
from margin.sales import execution
from margin.sales.execution import advance_sales
from margin.sales.outcome import conclude
from margin.sales.planning import plan_overdue
from margin.sales.release import approve_sale, reject_sale, submit_for_release
from margin.sales.settlement import settle_due
from margin.sales.switch import set_forced_sales_stopped
from margin.valuations import run_valuation
from tests.builders import D, World, at, harbour, user, v01

pytestmark = pytest.mark.django_db


def overdue_at_v02(world: World) -> MarginCall:
    """Ms Chan's call of V01 stays unmet until its due time, when Bitcoin stands at USD 80,000."""
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    with at("2026-04-08 15:00"):
        world.price("BTC", "80000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
    call.refresh_from_db()
    return call


def ho_borrows(**policy: object) -> World:
    """Ms Ho draws all that her 8,000 HSBC at 100.00 carry."""
    world = harbour(policy=policy)
    with at("2026-03-23 16:30"):
        world.price("00005", "100.00", "2026-03-23 16:08")
        ho = world.client("C002", "Ho Ka Yan")
        world.pledge(ho, s00005="8000")
        world.draw(ho, "560000.00", purpose="securities")
    return world


def ho_called_at_90() -> World:
    """HSBC falls to 90.00 the next day and Ms Ho is called; a sale is to end at 95%."""
    world = ho_borrows(target_utilisation=D("0.95"))
    with at("2026-03-24 16:30"):
        world.price("00005", "90.00", "2026-03-24 16:08")
        review_calls(run=run_valuation(broker=world.broker))
    return world


def released(world: World) -> ForcedSale:
    [sale] = plan_overdue(broker=world.broker)
    submit_for_release(sale=sale, maker=user("wong"))
    return approve_sale(sale=sale, checker=user("lee"), plan_hash=sale.plan_hash)


def test_v02_bitcoin_falls_and_just_enough_is_sold_and_v27_books_it():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        sale = released(world)
        advance_sales(broker=world.broker)
        conclude(broker=world.broker)

    [fill] = Fill.objects.all()
    assert fill.quantity == D("0.39487306")
    assert (fill.gross.amount, fill.fees_total.amount, fill.net.amount) == (
        D("246400.79"),
        D("492.80"),
        D("245907.99"),
    )
    entries = {
        (e.account.role, e.account.asset.code): e.account.asset.units(e.amount_atoms)
        for e in Entry.objects.filter(journal=fill.trade_journal).select_related("account__asset")
    }
    assert entries == {
        (Role.CLIENT_IN_SALE, "BTC"): D("0.39487306"),
        (Role.CUSTODY, "BTC"): D("-0.39487306"),
        (Role.NOSTRO, "HKD"): D("246400.79"),
        (Role.LOAN_PRINCIPAL, "HKD"): D("-245907.99"),
        (Role.VENUE_FEE_PAYABLE, "HKD"): D("-492.80"),
    }
    sale.refresh_from_db()
    assert sale.status == ForcedSale.Status.CLOSED
    assert sale.call.status == MarginCall.Status.SETTLED
    assert sale.call.closing_valuation.deficiency == D("0.00")
    assert sale.call.closing_valuation.margin_value == D("1257379.68")


def test_shares_settle_two_days_after_the_trade_and_interest_runs_until_then():
    world = ho_called_at_90()
    with at("2026-03-25 15:00"):
        world.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=world.broker)
        released(world)
        advance_sales(broker=world.broker)

    [fill] = Fill.objects.all()
    assert fill.settles_on.isoformat() == "2026-03-27"
    book = world.broker.book
    principal = AccountKey(Role.LOAN_PRINCIPAL, "HKD", "C002")
    proceeds = AccountKey(Role.CLIENT_PROCEEDS, "HKD", "C002")
    assert holding(book, principal) == D("560000.00")
    assert holding(book, proceeds) == fill.net.amount

    with at("2026-03-27 09:00"):
        world.price("00005", "90.00", "2026-03-26 16:08")
        assert settle_due(broker=world.broker) == 1
        assert settle_due(broker=world.broker) == 0
        conclude(broker=world.broker)
    assert holding(book, principal) == D("560000.00") - fill.net.amount
    assert holding(book, proceeds) == D("0.00")
    assert MarginCall.objects.get().status == MarginCall.Status.SETTLED


def test_the_plan_counts_the_interest_that_runs_until_shares_settle_and_none_on_coins():
    ho = ho_called_at_90()
    with at("2026-03-25 15:00"):
        ho.price("00005", "90.00", "2026-03-25 14:59")
        advance_due(broker=ho.broker)
        [sale] = plan_overdue(broker=ho.broker)

    [leg] = sale.plan["legs"]
    gross = D(leg["gross"])
    # Two days at 8% per annum.
    assert D(leg["interest"]) == (gross * 2 * D("0.08") / 365).quantize(D("0.01"))
    assert D(leg["net"]) == gross - D(leg["fees"]) - D(leg["interest"])
    assert D(leg["cost_rate"]) > D("0.0004383")


def test_the_exchange_is_closed_at_lunch_and_the_order_waits():
    world = ho_called_at_90()
    with at("2026-03-25 16:30"):
        world.price("00005", "90.00", "2026-03-25 16:08")
        advance_due(broker=world.broker)
        released(world)
        advance_sales(broker=world.broker)
        assert not SaleOrder.objects.exists()
    with at("2026-03-26 12:30"):
        advance_sales(broker=world.broker)
        assert not SaleOrder.objects.exists()
    with at("2026-03-26 13:00:30"):
        world.price("00005", "90.20", "2026-03-26 13:00:10")
        advance_sales(broker=world.broker)
    assert Fill.objects.get().price == D("90.20")


def test_the_maker_may_not_release_what_she_submitted():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        with pytest.raises(Forbidden) as refusal:
            approve_sale(sale=sale, checker=user("wong"), plan_hash=sale.plan_hash)
        assert refusal.value.reason == "maker_is_checker"
        with pytest.raises(Conflict) as refusal:
            approve_sale(sale=sale, checker=user("lee"), plan_hash="0" * 64)
        assert refusal.value.reason == "plan_changed"


def test_raw_sql_may_not_release_with_two_eyes_nor_change_a_plan():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
    sale.refresh_from_db()
    rows = ForcedSale.objects.filter(pk=sale.pk)
    released_by_maker = {
        "status": "approved",
        "checker": sale.maker,
        "approved_hash": sale.plan_hash,
        "approved_at": sale.planned_at,
    }
    with pytest.raises(IntegrityError, match="maker_is_not_checker"), transaction.atomic():
        rows.update(**released_by_maker)
    with pytest.raises(IntegrityError, match="released_by_someone"), transaction.atomic():
        rows.update(**released_by_maker | {"checker": user("lee"), "approved_hash": "0" * 64})
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        rows.update(plan_hash="0" * 64)


def test_a_rejected_plan_is_planned_afresh_under_a_new_number():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        submit_for_release(sale=sale, maker=user("wong"))
        reject_sale(sale=sale, checker=user("lee"), reason="sell the shares first")
        conclude(broker=world.broker)
        [again] = plan_overdue(broker=world.broker)
    assert again.plan_number == 2
    assert again.plan_hash != sale.plan_hash


def test_an_immediate_account_is_sold_by_the_named_rule_within_its_limit():
    world = harbour(policy={"automatic_release_limit": D("1000000.00")})
    world, _chan = v01(world)
    with at("2026-04-02 17:00"):
        world.price("BTC", "20000", "2026-04-02 16:59:50")
        world.price("00005", "60.00", "2026-04-02 16:10")
        review_calls(run=run_valuation(broker=world.broker))
        [call] = MarginCall.objects.all()
        assert call.is_immediate
        [sale] = plan_overdue(broker=world.broker)
    sale.refresh_from_db()
    is_within_limit = sale.expected_gross.amount <= D("1000000.00")
    assert (sale.status == ForcedSale.Status.APPROVED) is is_within_limit
    assert sale.approval_rule.startswith("immediate-level-within-limit") is is_within_limit


def test_everything_is_sold_and_what_is_still_owed_becomes_a_shortfall():
    world = ho_borrows()
    with at("2026-03-25 15:00"):
        world.price("00005", "20.00", "2026-03-25 14:59")
        review_calls(run=run_valuation(broker=world.broker))
        released(world)
        advance_sales(broker=world.broker)
    with at("2026-03-27 09:30:30"):
        settle_due(broker=world.broker)
        conclude(broker=world.broker)
    book = world.broker.book
    fill = Fill.objects.get()
    assert fill.quantity == 8000
    assert MarginCall.objects.get().status == MarginCall.Status.SHORTFALL
    owed = D("560000.00") - fill.net.amount
    assert holding(book, AccountKey(Role.SHORTFALL_RECEIVABLE, "HKD", "C002")) == owed
    assert holding(book, AccountKey(Role.LOAN_PRINCIPAL, "HKD", "C002")) == D("0.00")


def test_the_kill_switch_stops_orders_and_the_sale_goes_on_when_it_is_lifted():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        released(world)
        set_forced_sales_stopped(broker=world.broker, is_stopped=True, actor="lee", reason="venue in doubt")
        assert advance_sales(broker=world.broker) == 0
        assert not SaleOrder.objects.exists()
        set_forced_sales_stopped(broker=world.broker, is_stopped=False, actor="lee", reason="venue is well")
        assert advance_sales(broker=world.broker) > 0
    assert Fill.objects.count() == 1


def test_no_order_is_made_on_a_hard_stale_price():
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        released(world)
    with at("2026-04-08 20:00"):
        advance_sales(broker=world.broker)
        assert not SaleOrder.objects.exists()
    with at("2026-04-08 20:01"):
        world.price("BTC", "80000", "2026-04-08 20:00:59")
        advance_sales(broker=world.broker)
    assert Fill.objects.get().quantity <= D("0.39487306")


def test_money_that_arrives_before_the_release_supersedes_the_plan():
    world, chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        [sale] = plan_overdue(broker=world.broker)
        deposit_cash(client=chan.client, currency="HKD", amount=D("200000.00"), key="wire", actor="wong")
        review_calls(run=run_valuation(broker=world.broker))
    sale.refresh_from_db()
    assert sale.status == ForcedSale.Status.SUPERSEDED
    assert MarginCall.objects.get().status == MarginCall.Status.MET


def test_a_shortfall_waits_for_settlement_takes_the_interest_and_calls_nobody_again():
    world = ho_borrows()
    with at("2026-03-25 00:05"):
        tasks.accrue_interest()
    with at("2026-03-25 15:00"):
        world.price("00005", "20.00", "2026-03-25 14:59")
        tasks.value_accounts()
        released(world)
        tasks.work_sales()
    with at("2026-03-25 15:05"):
        tasks.value_accounts()
        tasks.advance_calls()
    book = world.broker.book
    shortfall = AccountKey(Role.SHORTFALL_RECEIVABLE, "HKD", "C002")
    assert holding(book, shortfall) == D("0.00")
    assert holding(book, AccountKey(Role.LOAN_PRINCIPAL, "HKD", "C002")) == D("560000.00")

    with at("2026-03-27 00:05"):
        tasks.accrue_interest()
    with at("2026-03-27 09:31"):
        tasks.settle_sales()
        tasks.advance_calls()
    # 23 to 26 March on 560,000.00 at 8%: four days of 122.739...
    assert holding(book, shortfall) == D("560000.00") + D("490.96") - Fill.objects.get().net.amount
    with at("2026-03-27 09:32"):
        tasks.value_accounts()
        tasks.advance_calls()
    assert MarginCall.objects.get().status == MarginCall.Status.SHORTFALL


def ordered_but_not_sent(world: World) -> SaleOrder:
    """The worker dies on 25 March at 15:59 with an order for Ms Ho's shares made and not yet sent."""
    with at("2026-03-25 15:59"):
        world.price("00005", "90.00", "2026-03-25 15:58")
        advance_due(broker=world.broker)
        sale = released(world)
        assert execution._next(sale.pk, actor="system")
        assert execution._next(sale.pk, actor="system")
    return SaleOrder.objects.get()


def test_an_order_that_the_market_fell_through_is_taken_off_and_priced_afresh():
    world = ho_called_at_90()
    order = ordered_but_not_sent(world)
    assert order.limit_price == D("81.00")
    with at("2026-03-26 09:31"):
        world.price("00005", "75.00", "2026-03-26 09:30:30")
        advance_sales(broker=world.broker)
    order.refresh_from_db()
    assert (order.status, order.filled_quantity) == (SaleOrder.Status.CANCELLED, D("0"))
    assert Fill.objects.get().price == D("75.00")
    assert audit.run().findings == ()


def test_an_order_still_waiting_is_taken_off_when_the_client_pays():
    world = ho_called_at_90()
    order = ordered_but_not_sent(world)
    with at("2026-03-25 20:00"):
        advance_sales(broker=world.broker)
        order.refresh_from_db()
        assert order.status == SaleOrder.Status.ACKNOWLEDGED
        client = Client.objects.get(number="C002")
        deposit_cash(client=client, currency="HKD", amount=D("300000.00"), key="wire", actor="wong")
        advance_sales(broker=world.broker)
        conclude(broker=world.broker)
    order.refresh_from_db()
    assert order.status == SaleOrder.Status.CANCELLED
    assert not Fill.objects.exists()
    assert MarginCall.objects.get().status == MarginCall.Status.MET
    assert audit.run().findings == ()

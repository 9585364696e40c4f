"""Kill switches over a venue, an asset or an account: they hold at once and are lifted by two people."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, connection, transaction

from collateral.models import Instrument
from ledger import audit
from ledger.core.errors import Conflict, Forbidden, Invalid
from ledger.core.models import Event
from ledger.models import Asset
from margin.models import Broker, Facility, Fill, MarginCall, SaleOrder, SaleStop
from margin.sales import execution
from margin.sales.execution import advance_sales
from margin.sales.planning import plan_overdue
from margin.sales.switch import ask_to_lift, lift_stop, put_stop
from tests.builders import World, at, user, v01

from .test_forced_sale import overdue_at_v02, released

pytestmark = pytest.mark.django_db

AT = "2026-04-08 15:00"


@pytest.fixture
def world() -> World:
    """Ms Chan's call of V01 is overdue with Bitcoin at USD 80,000."""
    world, _chan = v01()
    overdue_at_v02(world)
    return world


def scope(kind: str) -> dict[str, object]:
    return {
        "venue": {"venue": Instrument.Venue.VATP},
        "asset": {"asset": Asset.objects.get(code="BTC")},
        "account": {"facility": Facility.objects.select_related("client").get()},
    }[kind]


def stopped(world: World, kind: str) -> SaleStop:
    return put_stop(broker=world.broker, actor="mei", reason="feeds disagree", **scope(kind))  # type: ignore[arg-type]


def lifted(stop: SaleStop) -> None:
    ask_to_lift(stop=stop, person=user("wong"), reason="feeds agree again")
    lift_stop(stop=stop, person=user("lee"))


@pytest.mark.parametrize("kind", ["venue", "asset", "account"])
def test_nothing_is_sold_under_a_stop_and_the_sale_goes_on_when_it_is_lifted(world, kind):
    with at(AT):
        released(world)
        stop = stopped(world, kind)
        advance_sales(broker=world.broker)
        assert not SaleOrder.objects.exists()
        lifted(stop)
        advance_sales(broker=world.broker)
    assert str(Fill.objects.get().quantity.normalize()) == "0.39487306"
    assert audit.run().findings == ()


def test_a_plan_leaves_out_what_is_stopped_and_says_so(world):
    with at(AT):
        stopped(world, "asset")
        [sale] = plan_overdue(broker=world.broker)
    assert {"asset": "BTC", "reason": "stopped"} in sale.plan["excluded"]
    assert "BTC" not in {leg["asset"] for leg in sale.plan["legs"]}


def test_a_stopped_account_is_not_planned(world):
    with at(AT):
        stop = stopped(world, "account")
        assert plan_overdue(broker=world.broker) == []
        assert MarginCall.objects.get().status == MarginCall.Status.OVERDUE
        lifted(stop)
        assert len(plan_overdue(broker=world.broker)) == 1


@pytest.mark.parametrize("kind", ["venue", "asset", "account", "firm"])
def test_raw_sql_may_neither_make_nor_send_an_order_under_a_stop(world, kind):
    with at(AT):
        sale = released(world)
        execution._next(sale.pk, actor="system")
        execution._next(sale.pk, actor="system")
        order = SaleOrder.objects.get()
        if kind == "firm":
            Broker.objects.update(are_forced_sales_stopped=True)
        else:
            stopped(world, kind)
        with pytest.raises(IntegrityError, match="forced sales are stopped"), transaction.atomic():
            SaleOrder.objects.filter(pk=order.pk).update(status="sent")
        advance_sales(broker=world.broker)
        again = (
            "INSERT INTO margin_saleorder (leg_id, client_order_id, slice_number, status, quantity,"
            " filled_quantity, limit_price, created_at) SELECT leg_id, 'again', 2, 'new', 0.00000001, 0,"
            " limit_price, created_at FROM margin_saleorder"
        )
        with pytest.raises(IntegrityError, match="forced sales are stopped"), transaction.atomic():
            connection.cursor().execute(again)
    order.refresh_from_db()
    assert (order.status, order.reason) == (SaleOrder.Status.CANCELLED, "stopped")
    assert audit.run().findings == ()


def test_a_stop_put_on_between_two_looks_keeps_the_order_back(world):
    with at(AT):
        sale = released(world)
        execution._next(sale.pk, actor="system")
        execution._next(sale.pk, actor="system")
        stopped(world, "asset")
        order = SaleOrder.objects.select_related("leg__asset__instrument").get()
        assert not execution.work(order, is_stopped=False, actor="system")
    order.refresh_from_db()
    assert order.status == SaleOrder.Status.NEW


def test_a_stop_is_lifted_by_two_people_once_and_stays_readable(world):
    with at(AT):
        stop = stopped(world, "venue")
        with pytest.raises(Conflict):
            lift_stop(stop=stop, person=user("lee"))
        ask_to_lift(stop=stop, person=user("wong"), reason="venue is well")
        with pytest.raises(Conflict):
            ask_to_lift(stop=stop, person=user("lee"), reason="venue is well")
        with pytest.raises(Forbidden) as refused:
            lift_stop(stop=stop, person=user("wong"))
        assert refused.value.reason == "maker_is_checker"
        rows = SaleStop.objects.filter(pk=stop.pk)
        one_person = {"lifted_by": user("wong"), "lifted_at": stop.put_on_at}
        with pytest.raises(IntegrityError, match="lifted_by_two"), transaction.atomic():
            rows.update(**one_person)
        lift_stop(stop=stop, person=user("lee"))
    for change in ({"lifted_by": None, "lifted_at": None}, {"reason": "another"}):
        with pytest.raises(IntegrityError, match="stays as it was put on"), transaction.atomic():
            rows.update(**change)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        connection.cursor().execute("DELETE FROM margin_salestop")
    told = Event.objects.filter(topic__startswith="margin.stop.").order_by("pk")
    assert [(event.topic, event.actor) for event in told] == [
        ("margin.stop.put_on", "mei"),
        ("margin.stop.lift_asked", "wong"),
        ("margin.stop.lifted", "lee"),
    ]


def test_a_stop_names_one_thing_and_is_put_on_once(world):
    with at(AT):
        for named in ({}, {**scope("venue"), **scope("asset")}):
            with pytest.raises(Invalid) as refused:
                put_stop(broker=world.broker, actor="mei", reason="doubt", **named)  # type: ignore[arg-type]
            assert refused.value.reason == "one_scope"
        stopped(world, "asset")
        with pytest.raises(Conflict) as again:
            stopped(world, "asset")
        assert again.value.reason == "already_stopped"

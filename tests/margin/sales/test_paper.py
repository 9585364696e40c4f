"""The paper venue: what it refuses, and faults that change nothing but the way to the same books."""

from __future__ import annotations

import pytest

from ledger import audit
from ledger.accounts import AccountKey
from ledger.balances import holding
from ledger.models import Role
from margin.models import Fill, PaperExecution, SaleOrder
from margin.sales.execution import advance_sales
from margin.sales.outcome import conclude
from margin.sales.venues import Order
from margin.sales.venues.paper import PaperVenue, refusal_of
from tests.builders import D, at, harbour, v01

from .test_forced_sale import overdue_at_v02, released

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("code", "quantity", "price", "why"),
    [
        ("00005", "400", "90.00", ""),
        ("00005", "401", "90.00", "wrong_quantity"),
        ("00005", "400", "90.01", "wrong_tick"),
        ("00005", "400", "9999", "wrong_tick"),
        ("00005", "1200400", "90.00", "exceeds_order_limit"),
        ("BTC", "0.39487306", "72000.00", ""),
        ("BTC", "0.39487306", "72000.001", "wrong_tick"),
        ("00011", "100", "90.00", "unknown_symbol"),
    ],
)
def test_what_the_exchange_would_not_take_is_rejected_with_its_reason(code, quantity, price, why):
    harbour()
    with at("2026-04-08 15:00"):
        order = Order("X", code, D(quantity), D(price))
        assert refusal_of(order) == why
        report = PaperVenue("sehk").submit(order)
        assert (report.state == "rejected", report.reason) == (bool(why), why)


@pytest.mark.parametrize("fault", ["", "lost_reply", "part_fill", "late_report", "duplicate"])
def test_a_fault_of_the_venue_ends_in_the_books_of_a_sale_without_one(settings, fault):
    settings.LOMBARD_PAPER_FAULTS = [fault]
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        released(world)
        advance_sales(broker=world.broker)
        advance_sales(broker=world.broker)
        conclude(broker=world.broker)
    order = SaleOrder.objects.get()
    assert (order.status, order.filled_quantity) == ("filled", D("0.39487306"))
    fills = list(Fill.objects.order_by("pk").values_list("quantity", flat=True))
    assert fills == list(PaperExecution.objects.order_by("pk").values_list("quantity", flat=True))
    assert len(fills) == (2 if fault == "part_fill" else 1)
    # Two trades are two roundings: half of 246,400.78944 is 123,200.39 gross each time; the fees are 492.80 either way.
    net = D("245907.98") if fault == "part_fill" else D("245907.99")
    assert sum(fill.net.amount for fill in Fill.objects.all()) == net
    book = world.broker.book
    assert holding(book, AccountKey(Role.CLIENT_COLLATERAL, "BTC", "C001", "VATP")) == D("1.10512694")
    assert audit.run().findings == ()


def test_a_rejection_at_the_paper_venue_is_tried_again_after_five_minutes(settings):
    settings.LOMBARD_PAPER_FAULTS = ["reject"]
    world, _chan = v01()
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        released(world)
        advance_sales(broker=world.broker)
        assert not Fill.objects.exists()
    with at("2026-04-08 15:05"):
        world.price("BTC", "80000", "2026-04-08 15:04:50")
        advance_sales(broker=world.broker)
    assert list(SaleOrder.objects.order_by("pk").values_list("status", flat=True)) == ["rejected", "filled"]
    assert Fill.objects.get().quantity == D("0.39487306")

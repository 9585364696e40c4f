"""Whatever goes wrong at a venue, and in whatever order: what was executed is booked once, and nothing else is."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger import audit
from ledger.balances import standings
from ledger.core import clock
from ledger.core.models import Event
from ledger.models import Role
from margin.models import Fill, ForcedSale, PaperExecution, SaleLeg, SaleOrder
from margin.sales.execution import advance_sales
from tests.builders import D, World, at, harbour, hong_kong, v01

from .test_forced_sale import overdue_at_v02, released

pytestmark = pytest.mark.django_db

FAULTS = st.sampled_from(["none", "lost_reply", "part_fill", "late_report", "duplicate", "reject"])


@pytest.fixture
def world() -> World:
    """Ms Chan's sale is released: coins and shares have to go to come down to 70%."""
    world, _chan = v01(harbour(policy={"target_utilisation": D("0.70")}))
    overdue_at_v02(world)
    with at("2026-04-08 15:00"):
        released(world)
    return world


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(FAULTS, max_size=6))
def test_any_faults_end_with_every_execution_booked_once_and_the_sale_ended(world, faults):
    with override_settings(LOMBARD_PAPER_FAULTS=faults), transaction.atomic():
        for sweep in range(8):
            now = hong_kong("2026-04-08 15:00") + timedelta(minutes=5 * sweep)
            with clock.override(now):
                stamp = f"{now:%Y-%m-%d %H:%M}"
                for code, price in (("BTC", "80000"), ("00005", "98.40"), ("00700", "512.50")):
                    world.price(code, price, stamp)
                advance_sales(broker=world.broker)
        told = sorted(PaperExecution.objects.values_list("execution_id", "quantity", "price"))
        assert sorted(Fill.objects.values_list("execution_id", "quantity", "price")) == told
        assert not SaleOrder.objects.filter(status__in=SaleOrder.LIVE).exists()
        assert ForcedSale.objects.get().status == ForcedSale.Status.FILLED
        assert Event.objects.filter(topic="margin.sale.filled").exclude(reason="").count() == 1
        for leg in SaleLeg.objects.all():
            assert sum(order.filled_quantity for order in leg.orders.all()) <= leg.quantity
        held = [s.quantity for s in standings(world.broker.book) if s.key.role == Role.CLIENT_COLLATERAL]
        assert all(quantity >= 0 for quantity in held)
        assert audit.run().findings == ()
        transaction.set_rollback(True)

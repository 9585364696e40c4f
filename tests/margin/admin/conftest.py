"""People who work at the screen, and the deal of V01 and V02 as they find it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client as Browser

from margin.accrual import accrue_due
from margin.calls import advance_due, review_calls
from margin.models import ForcedSale, MarginCall
from margin.sales.planning import plan_overdue
from margin.valuations import run_valuation
from tests.builders import World, at, v01

PASSWORD = "a quiet harbour at dusk"
SitDown = Callable[..., Browser]


@pytest.fixture
def sit_down(db: None) -> SitDown:
    """Sign a person in with every permission of the rooms, as a superuser only when said."""

    def _sit_down(name: str, *, is_superuser: bool = False, permissions: bool = True) -> Browser:
        person = User.objects.create_user(name, password=PASSWORD, is_staff=True, is_superuser=is_superuser)
        if permissions:
            rooms = ("core", "ledger", "collateral", "margin")
            person.user_permissions.set(Permission.objects.filter(content_type__app_label__in=rooms))
        browser = Browser()
        browser.force_login(person)
        return browser

    return _sit_down


@pytest.fixture
def called(db: None) -> tuple[World, MarginCall]:
    """Ms Chan is called on 2 April at 16:30, with ten days of interest on her loan."""
    world, _chan = v01()
    with at("2026-04-02 16:30"):
        accrue_due(broker=world.broker)
        [call] = review_calls(run=run_valuation(broker=world.broker))
    return world, call


@pytest.fixture
def planned(called: tuple[World, MarginCall]) -> ForcedSale:
    """Her call stays unmet, and a sale is planned at its due time."""
    world, _call = called
    with at("2026-04-08 15:00"):
        world.price("BTC", "80000", "2026-04-08 14:59:50")
        world.price("00005", "98.40", "2026-04-08 14:59")
        world.price("00700", "512.50", "2026-04-08 14:59")
        advance_due(broker=world.broker)
        [sale] = plan_overdue(broker=world.broker)
    return sale
